//! A Pulumi provider for web services, their workers and their Redis on AWS Fargate.
//!
//! It stands on the framework `pulumi-provider`. `docs/architecture.md` tells how a request travels through both.

pub mod aws;
pub mod config;
pub mod document;
pub mod facts;
pub mod functions;
pub mod resources;

#[cfg(test)]
mod tests;

#[cfg(test)]
use pulumi_provider::diff;
use pulumi_provider::{check, cloud, codec, function, list, package, plan, schema, value};

/// The framework's side of a resource, for resources in AWS.
mod resource {
    use std::collections::BTreeSet;

    use anyhow::Result;
    pub(crate) use pulumi_provider::resource::{AnyResource, Erased, Resource, occupied, tag_changes, taken};
    #[cfg(test)]
    pub(crate) use pulumi_provider::{
        resource::{Before, Checked, Subject},
        testing::{changes, findings_of_change, goes_first},
    };
    use schemars::JsonSchema;
    use serde::Serialize;

    use crate::aws::Session;
    #[cfg(test)]
    pub(crate) use crate::tests::findings::{findings, mistakes};

    /// What one request works with: AWS, and whoever watches.
    pub(crate) type Context = pulumi_provider::resource::Context<Session>;

    /// The names of the properties whose values differ in meaning, as Diff sees it: what an update has to send.
    pub(crate) fn changed<I: Serialize + JsonSchema>(old: &I, new: &I) -> Result<BTreeSet<String>> {
        pulumi_provider::resource::changed::<Session, I>(old, new)
    }
}

/// The package that `pulumi-resource-fargate` serves.
pub static FARGATE: package::Package<aws::Session> = package::Package {
    name: "fargate",
    version: env!("CARGO_PKG_VERSION"),
    description: "Web services, their workers and their Redis on AWS Fargate.",
    keywords: &["pulumi", "aws", "fargate", "ecs", "category/cloud", "kind/native"],
    publisher: "fargate",
    license: "Apache-2.0",
    resources: resources::all(),
    functions: functions::all(),
    components: &[],
};
