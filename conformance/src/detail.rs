//! What an error tells besides its message: `google.rpc.Status`, and in it details of Pulumi's own.

use prost::Message;
use prost_types::Any;
use tonic::Status;

use crate::{
    item::{Outcome, expect, failed},
    rpc::ErrorResourceInitFailed,
    value::{Map, from_struct},
};

/// `google.rpc.Status`, as it travels in `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// The detail called `name` in an error, such as `ErrorResourceInitFailed`, if it has one.
pub fn detail<M: Message + Default>(status: &Status, name: &str) -> Outcome<Option<M>> {
    let details = RpcStatus::decode(status.details())
        .or_else(|error| failed("a google.rpc.Status in grpc-status-details-bin", format!("{error} in the error {status:?}")))?;
    let Some(any) = details.details.iter().find(|it| it.type_url.rsplit(['/', '.']).next() == Some(name)) else {
        return Ok(None);
    };
    let decoded = M::decode(any.value.as_slice());
    decoded.map(Some).or_else(|error| failed(format!("a pulumirpc.{name} in the details of the error"), error))
}

/// Fails unless the engine would understand the details: it drops all of them if the codes differ.
pub fn expect_well_formed(status: &Status) -> Outcome {
    let details = RpcStatus::decode(status.details())
        .or_else(|error| failed("a google.rpc.Status in grpc-status-details-bin", format!("{error}")))?;
    let code = status.code() as i32;
    expect(
        details.code == code,
        format!("the code of the error, {code}, within grpc-status-details-bin as well; with another one the resource is lost"),
        details.code,
    )?;
    expect(!status.message().is_empty(), "a message", "an empty one")?;
    for any in details.details {
        let right = any.type_url.strip_prefix("type.googleapis.com/").is_some_and(|it| it.contains('.'));
        expect(right, "details of the type type.googleapis.com/<package>.<Message>", any.type_url)?;
    }
    Ok(())
}

/// A resource that exists and is not as it should be, as an error tells of it.
#[derive(Clone, Debug)]
pub struct InitFailed {
    pub id: String,
    pub outputs: Map,
    /// From Read only.
    pub inputs: Option<Map>,
    pub reasons: Vec<String>,
}

impl InitFailed {
    /// What an error tells of a resource that exists; none if it tells of none.
    pub fn of(status: &Status) -> Outcome<Option<Self>> {
        let found = detail::<ErrorResourceInitFailed>(status, "ErrorResourceInitFailed")?;
        Ok(found.map(|it| Self {
            id: it.id,
            outputs: from_struct(it.properties.as_ref()),
            inputs: it.inputs.as_ref().map(|it| from_struct(Some(it))),
            reasons: it.reasons,
        }))
    }
}
