//! A Pulumi provider for web services, their workers and their Redis on AWS Fargate, and the library it is built on.
//!
//! `docs/architecture.md` tells how a request travels through these modules, which stand here in its order.

mod process;
pub mod server;

pub mod monitor;
pub mod value;

pub mod codec;
pub mod output;
pub mod package;
pub mod schema;

pub mod check;
pub mod claim;
pub mod diff;
pub mod plan;

pub mod component;
pub mod config;
pub mod document;
pub mod facts;
pub mod functions;
pub mod list;
pub mod resource;
pub mod resources;

pub mod aws;

pub use process::serve;

/// Pulumi's protocol, as generated from `proto`.
pub mod rpc {
    #![expect(clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    tonic::include_proto!("pulumirpc");
}

/// The package that `pulumi-resource-fargate` serves.
pub static FARGATE: package::Package = package::Package {
    name: "fargate",
    version: env!("CARGO_PKG_VERSION"),
    description: "Web services, their workers and their Redis on AWS Fargate.",
    keywords: &["pulumi", "aws", "fargate", "ecs", "category/cloud", "kind/native"],
    resources: resources::all(),
    functions: functions::all(),
    components: &[],
};
