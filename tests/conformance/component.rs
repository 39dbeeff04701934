//! A provider with a component of its own and the resource that it consists of: what the conformance suite asks of
//! components, on our library.

use anyhow::Result;
use fargate::{aws::Session, resources::log_group::LogGroup};
use pulumi_provider::{
    component,
    monitor::{Child, Monitor},
    output::Output,
    package::Package,
    resource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The logs of a service: one group for what it says, one for what it is asked.
#[derive(Deserialize, JsonSchema)]
struct Inputs {
    /// Whose logs they are.
    service: Output<String>,
}

#[derive(Serialize, JsonSchema)]
struct Outputs {
    /// Whose logs they are.
    service: Output<String>,
    /// The ARN of the group for what it says.
    arn: Output<String>,
}

struct Logs;

impl component::Component for Logs {
    const NAME: &'static str = "Logs";
    type Inputs = Inputs;
    type Outputs = Outputs;

    async fn construct(monitor: &Monitor, inputs: Inputs) -> Result<Outputs> {
        let group = async |kind: &str| {
            let name = inputs.service.clone().map(|it| format!("{it}-{kind}"));
            monitor.register(Child::new("logs:index:LogGroup", kind), &json!({ "name": name })).await
        };
        let said = group("said").await?;
        group("asked").await?;
        Ok(Outputs { arn: said.output("arn")?, service: inputs.service })
    }
}

static LOGS: component::Erased<Logs> = component::Erased::NEW;
static LOG_GROUP: resource::Erased<LogGroup> = resource::Erased::NEW;

static PACKAGE: Package<Session> = Package {
    name: "logs",
    version: "1.0.0",
    description: "The logs of a service.",
    keywords: &["kind/component"],
    publisher: "tests",
    license: "Apache-2.0",
    resources: &[&LOG_GROUP],
    functions: &[],
    components: &[&LOGS],
};

fn main() -> Result<()> {
    pulumi_provider::serve(&PACKAGE)
}
