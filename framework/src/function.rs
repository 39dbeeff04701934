//! What a function is: a question that a program asks.

use std::{marker::PhantomData, sync::LazyLock};

use anyhow::Result;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    check::{self, Failure},
    cloud::Cloud,
    codec,
    resource::Context,
    schema::Shapes,
    value::Map,
};

/// A question to the cloud that a program may ask, in a preview too.
pub trait Function: Send + Sync + 'static {
    /// The name, such as `getVpc`.
    const NAME: &'static str;
    /// What answers.
    type Cloud: Cloud;
    /// What is asked for. The doc comment of the struct is the function's.
    type Arguments: DeserializeOwned + JsonSchema + Send + Sync;
    /// What is answered.
    type Answer: Serialize + JsonSchema + Send + Sync;

    /// Asks the cloud.
    fn call(context: &Context<Self::Cloud>, arguments: &Self::Arguments) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// A [`Function`] of any types.
#[async_trait]
pub trait AnyFunction<C: Cloud>: Send + Sync {
    /// See [`Function::NAME`].
    fn name(&self) -> &'static str;
    /// What it does, for the docs of the package.
    fn description(&self) -> &str;
    /// The shape of [`Function::Arguments`].
    fn arguments(&self) -> &Shapes;
    /// The shape of [`Function::Answer`].
    fn result(&self) -> &Shapes;
    /// Completes the arguments and tells all that is wrong with them.
    fn check(&self, arguments: &mut Map) -> Vec<Failure>;
    /// See [`Function::call`].
    async fn call(&self, context: &Context<C>, arguments: &Map) -> Result<Map>;
}

/// A function whose types are hidden behind [`AnyFunction`].
pub struct Erased<F: Function> {
    arguments: LazyLock<Shapes>,
    result: LazyLock<Shapes>,
    function: PhantomData<F>,
}

impl<F: Function> Erased<F> {
    /// What a static of it starts as.
    #[expect(clippy::declare_interior_mutable_const, reason = "only statics are made of it")]
    pub const NEW: Self = Self {
        arguments: LazyLock::new(|| Shapes::of::<F::Arguments>().in_region::<F::Cloud>()),
        result: LazyLock::new(|| Shapes::of::<F::Answer>().in_cloud::<F::Cloud>()),
        function: PhantomData,
    };
}

#[async_trait]
impl<F: Function> AnyFunction<F::Cloud> for Erased<F> {
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

    async fn call(&self, context: &Context<F::Cloud>, arguments: &Map) -> Result<Map> {
        let answer = context.observer.ask(F::call(context, &codec::decode(arguments)?)).await?;
        let mut answer = codec::encode(&answer)?;
        codec::mark_secrets(&mut answer, self.result.root());
        Ok(answer)
    }
}
