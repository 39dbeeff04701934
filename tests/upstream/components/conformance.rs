//! The provider that Pulumi's tests for components call `conformance-component`.

use anyhow::Result;
use pulumi_provider::{
    component::{Component, Erased},
    monitor::{Child, Monitor},
    output::Output,
    package::Package,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A truth, with a child that holds the opposite.
#[derive(Deserialize, JsonSchema)]
struct Inputs {
    /// What is true.
    value: Output<bool>,
}

#[derive(Serialize, JsonSchema)]
struct Outputs {
    /// What is true.
    value: Output<bool>,
}

struct Simple;

impl Component for Simple {
    const NAME: &'static str = "Simple";
    type Inputs = Inputs;
    type Outputs = Outputs;

    async fn construct(monitor: &Monitor, inputs: Inputs) -> Result<Outputs> {
        let child = Child::new("simple:index:Resource", "child").version("2.0.0");
        monitor.register(child, &json!({ "value": inputs.value.clone().map(|it| !it) })).await?;
        Ok(Outputs { value: inputs.value })
    }
}

static SIMPLE: Erased<Simple> = Erased::NEW;

static PACKAGE: Package<()> = Package {
    name: "conformance-component",
    version: "22.0.0",
    description: "A component with a child of another package.",
    keywords: &["kind/component"],
    publisher: "tests",
    license: "Apache-2.0",
    resources: &[],
    functions: &[],
    components: &[&SIMPLE],
};

fn main() -> Result<()> {
    pulumi_provider::serve(&PACKAGE)
}
