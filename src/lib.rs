//! A Pulumi provider for web services, their workers and their Redis on AWS Fargate.
//!
//! `docs/architecture.md` tells how a request travels through these modules, which stand here in its order.

pub mod server;

pub mod value;

pub mod codec;
pub mod schema;

pub mod check;
pub mod diff;

pub mod config;
pub mod document;
pub mod functions;
pub mod resource;
pub mod resources;

pub mod aws;

/// Pulumi's protocol, as generated from `proto`.
pub mod rpc {
    #![expect(clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    tonic::include_proto!("pulumirpc");
}
