//! A framework for Pulumi providers: it speaks Pulumi's protocol, and a provider says what there is.
//!
//! A resource is two structs, its inputs and its outputs, and a few functions that create, read, update, list and delete it. From
//! the structs come the package schema with its docs, Check with every mistake at once, Diff by meaning, and what a preview
//! shows. `README.md` says what else, and `examples/files.rs` is a whole provider.
//!
//! The modules stand in the order in which a request travels through them.

#![warn(missing_docs)]

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

pub mod cloud;
pub mod component;
pub mod function;
pub mod list;
pub mod resource;
mod settings;
pub mod testing;
pub mod wait;

pub use process::serve;

/// Pulumi's protocol, as generated from `proto`.
pub mod rpc {
    #![expect(missing_docs, clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    tonic::include_proto!("pulumirpc");

    /// The most that a message may hold, which is what the engine takes.
    pub const MESSAGE_LIMIT: usize = 400 << 20;
}
