//! The provider that Pulumi's tests for components call `builtin-info-component`.

use anyhow::Result;
use pulumi_provider::{
    component::{Component, Erased},
    monitor::Monitor,
    package::Package,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tells where it is.
#[derive(Deserialize, JsonSchema)]
struct Inputs {}

#[derive(Serialize, JsonSchema)]
struct Outputs {
    /// The organization of the stack.
    organization: String,
    /// The project of the stack.
    project: String,
    /// The stack.
    stack: String,
}

struct BuiltinInfo;

impl Component for BuiltinInfo {
    const NAME: &'static str = "BuiltinInfo";
    type Inputs = Inputs;
    type Outputs = Outputs;

    async fn construct(monitor: &Monitor, _: Inputs) -> Result<Outputs> {
        let Monitor { organization, project, stack, .. } = monitor;
        Ok(Outputs { organization: organization.clone(), project: project.clone(), stack: stack.clone() })
    }
}

static BUILTIN_INFO: Erased<BuiltinInfo> = Erased::NEW;

static PACKAGE: Package<()> = Package {
    name: "builtin-info-component",
    version: "37.0.0",
    description: "A component that tells where it is.",
    keywords: &["kind/component"],
    publisher: "tests",
    license: "Apache-2.0",
    resources: &[],
    functions: &[],
    components: &[&BUILTIN_INFO],
};

fn main() -> Result<()> {
    pulumi_provider::serve(&PACKAGE)
}
