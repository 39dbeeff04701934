//! What a component is: resources that a program sets up as one, registered by code of ours that runs in previews too.

use std::{marker::PhantomData, sync::LazyLock};

use anyhow::Result;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    check::{self, Failure},
    codec,
    monitor::Monitor,
    schema::Shapes,
    value::Map,
};

/// Resources that a program sets up as one.
pub trait Component: Send + Sync + 'static {
    /// The name of its type, such as `Network`.
    const NAME: &'static str;
    /// What a program sets: outputs, for the most part, for [`Output`](crate::output::Output)s may be of resources that are
    /// yet to be made. Anything else has to be known in a preview already. The doc comments of the struct and its fields are
    /// the docs of the package.
    type Inputs: DeserializeOwned + JsonSchema + Send + Sync;
    /// What a program gets: outputs of the children, or what is made of them.
    type Outputs: Serialize + JsonSchema + Send + Sync;

    /// Registers the children.
    fn construct(monitor: &Monitor, inputs: Self::Inputs) -> impl Future<Output = Result<Self::Outputs>> + Send;
}

/// A [`Component`] of any types.
#[async_trait]
pub trait AnyComponent: Send + Sync {
    /// See [`Component::NAME`].
    fn name(&self) -> &'static str;
    /// The shape of [`Component::Inputs`].
    fn inputs(&self) -> &Shapes;
    /// The shape of [`Component::Outputs`].
    fn outputs(&self) -> &Shapes;
    /// Completes the inputs and tells all that is wrong with them.
    fn check(&self, inputs: &mut Map) -> Vec<Failure>;
    /// See [`Component::construct`].
    async fn construct(&self, monitor: &Monitor, inputs: &Map) -> Result<Map>;
}

/// A component whose types are hidden behind [`AnyComponent`].
pub struct Erased<C: Component> {
    inputs: LazyLock<Shapes>,
    outputs: LazyLock<Shapes>,
    component: PhantomData<C>,
}

impl<C: Component> Erased<C> {
    /// What a static of it starts as.
    #[expect(clippy::declare_interior_mutable_const, reason = "only statics are made of it")]
    pub const NEW: Self = Self {
        inputs: LazyLock::new(Shapes::of::<C::Inputs>),
        outputs: LazyLock::new(Shapes::of::<C::Outputs>),
        component: PhantomData,
    };
}

#[async_trait]
impl<C: Component> AnyComponent for Erased<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn inputs(&self) -> &Shapes {
        &self.inputs
    }

    fn outputs(&self) -> &Shapes {
        &self.outputs
    }

    fn check(&self, inputs: &mut Map) -> Vec<Failure> {
        let shape = self.inputs.root();
        let early = |name: &str| shape.property(name).is_some_and(|it| !it.takes_unknown());
        let unknown = inputs.iter().filter(|(name, it)| early(name) && it.contains_unknown()).map(|(name, _)| Failure {
            path: name.clone(),
            reason: "has to be known before anything is made: it cannot come from a resource".to_owned(),
        });
        let mut failures: Vec<_> = unknown.collect();
        failures.extend(check::complete(inputs, shape).failures);
        failures.sort_by(|a, b| a.path.cmp(&b.path));
        failures
    }

    async fn construct(&self, monitor: &Monitor, inputs: &Map) -> Result<Map> {
        let outputs = C::construct(monitor, codec::decode(inputs)?).await?;
        let mut outputs = codec::encode(&outputs)?;
        codec::mark_secrets(&mut outputs, self.outputs.root());
        Ok(outputs)
    }
}
