//! Plays the Pulumi engine to any provider, and checks the numbered items of docs/conformance.md one by one.
//!
//! It knows the protocol and the provider's own schema, and nothing else: what it may ask for, a file of samples tells.

/// Pulumi's protocol, as generated from `proto`.
pub mod rpc {
    #![expect(clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    tonic::include_proto!("pulumirpc");
}
