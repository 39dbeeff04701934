//! Errors of which Pulumi understands more than their text.

use prost::Message;
use prost_types::Any;
use provider_conformance::rpc::{
    ConfigureErrorMissingKeys, ErrorResourceInitFailed, InputPropertiesError, configure_error_missing_keys::MissingKey,
    input_properties_error::PropertyError,
};
use tonic::{Code, Status};

use crate::{
    fault::fault,
    inputs::Failure,
    things::Made,
    values::{Map, write},
};

/// An error in full, as `grpc-status-details-bin` carries it.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// Pulumi keeps what was made, and has it mended by the next update. `inputs` are for Read only.
pub(crate) fn init_failed(made: Made, inputs: Option<Map>, why: &str) -> Status {
    let detail = ErrorResourceInitFailed {
        id: made.id,
        properties: Some(write(made.outputs)),
        reasons: why.lines().map(str::to_owned).collect(),
        inputs: inputs.map(write),
        ..Default::default()
    };
    with_detail(Code::Unknown, why, "ErrorResourceInitFailed", &detail)
}

/// Pulumi tells the user how to set the settings that are missing.
pub(crate) fn missing_keys(keys: Vec<MissingKey>) -> Status {
    let names: Vec<_> = keys.iter().map(|it| it.name.as_str()).collect();
    let message = format!("these settings are missing: {}", names.join(", "));
    if fault(49) {
        return Status::invalid_argument(message);
    }
    with_detail(Code::InvalidArgument, &message, "ConfigureErrorMissingKeys", &ConfigureErrorMissingKeys { missing_keys: keys })
}

/// Pulumi tells the user which inputs of a component are wrong, and prints their values; so secrets stay out of it.
pub(crate) fn wrong_inputs(failures: Vec<Failure>) -> Status {
    let texts: Vec<_> = failures.iter().map(|it| format!("{} {}", it.path, it.reason)).collect();
    if fault(134) {
        return Status::internal(texts.join("; "));
    }
    let shown = failures.into_iter().filter(Failure::may_be_shown);
    let errors: Vec<_> = shown.map(|it| PropertyError { property_path: it.path, reason: it.reason }).collect();
    if errors.len() < texts.len() {
        return Status::invalid_argument(texts.join("; "));
    }
    with_detail(Code::InvalidArgument, &texts.join("; "), "InputPropertiesError", &InputPropertiesError { errors })
}

fn with_detail(code: Code, message: &str, name: &str, detail: &impl Message) -> Status {
    let any = Any { type_url: format!("type.googleapis.com/pulumirpc.{name}"), value: detail.encode_to_vec() };
    // Pulumi discards the details, and shows them to the user, if the codes are not the same.
    let inner = if fault(100) { Code::Internal } else { code };
    let status = RpcStatus { code: inner.into(), message: message.to_owned(), details: vec![any] };
    Status::with_details(code, message, status.encode_to_vec().into())
}
