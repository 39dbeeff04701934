//! The plugin's binary over gRPC, as the engine uses it.

mod config;
mod construct;
mod deployments;
mod inputs;
mod life;
mod list;
mod plan;
mod process;
mod task_definitions;
mod tasks;
mod throttling;

/// An AWS that nobody may call: nothing listens there.
const UNREACHABLE: &str = "http://127.0.0.1:1";
