//! Every function of the package, one file each.

use std::{marker::PhantomData, sync::LazyLock};

use anyhow::Result;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    check::{self, Failure},
    codec,
    resource::Context,
    schema::Shapes,
    value::Map,
};

/// A question to AWS that a program may ask, in a preview too.
pub trait Function: Send + Sync + 'static {
    /// The name, such as `getVpc`.
    const NAME: &'static str;
    /// What is asked for. The doc comment of the struct is the function's.
    type Arguments: DeserializeOwned + JsonSchema + Send + Sync;
    /// What is answered.
    type Answer: Serialize + JsonSchema + Send + Sync;

    /// Asks AWS.
    fn call(context: &Context, arguments: &Self::Arguments) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// A [`Function`] of any types.
#[async_trait]
pub trait AnyFunction: Send + Sync {
    fn name(&self) -> &'static str;
    fn description(&self) -> &str;
    fn arguments(&self) -> &Shapes;
    fn result(&self) -> &Shapes;
    fn check(&self, arguments: &mut Map) -> Vec<Failure>;
    async fn call(&self, context: &Context, arguments: &Map) -> Result<Map>;
}

/// A function whose types are hidden behind [`AnyFunction`].
pub struct Erased<F: Function> {
    arguments: LazyLock<Shapes>,
    result: LazyLock<Shapes>,
    function: PhantomData<F>,
}

impl<F: Function> Erased<F> {
    #[expect(clippy::declare_interior_mutable_const, reason = "only statics are made of it")]
    pub const NEW: Self = Self {
        arguments: LazyLock::new(Shapes::of_region::<F::Arguments>),
        result: LazyLock::new(Shapes::of::<F::Answer>),
        function: PhantomData,
    };
}

#[async_trait]
impl<F: Function> AnyFunction for Erased<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn description(&self) -> &str {
        self.arguments.root().keyword("description").as_str().unwrap_or_default()
    }

    fn arguments(&self) -> &Shapes {
        &self.arguments
    }

    fn result(&self) -> &Shapes {
        &self.result
    }

    fn check(&self, arguments: &mut Map) -> Vec<Failure> {
        // A function has no other way to say that it does not know a value.
        let findings = check::complete(arguments, self.arguments.root());
        findings.failures.into_iter().chain(findings.warnings).collect()
    }

    async fn call(&self, context: &Context, arguments: &Map) -> Result<Map> {
        let answer = context.observer.ask(F::call(context, &codec::decode(arguments)?)).await?;
        let mut answer = codec::encode(&answer)?;
        codec::mark_secrets(&mut answer, self.result.root());
        Ok(answer)
    }
}

/// Declares the modules and lists what is in them.
macro_rules! functions {
    ($($module:ident::$name:ident,)*) => {
        $(pub mod $module;)*

        /// All functions, in alphabetical order.
        pub const fn all() -> &'static [&'static dyn AnyFunction] {
            static ALL: &[&dyn AnyFunction] = &[$({
                static IT: Erased<$module::$name> = Erased::NEW;
                &IT
            }),*];
            ALL
        }
    };
}

functions! {
    get_authorization_token::GetAuthorizationToken,
    get_availability_zones::GetAvailabilityZones,
    get_caller_identity::GetCallerIdentity,
    get_image::GetImage,
    get_subnets::GetSubnets,
    get_vpc::GetVpc,
}
