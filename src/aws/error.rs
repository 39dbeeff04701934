//! What AWS refuses, and how the user reads it.

use std::{any::type_name, error::Error as StdError, fmt};

use anyhow::{Error, Result};
use aws_smithy_runtime_api::{client::result::SdkError, http::Response};
use aws_smithy_types::error::{display::DisplayErrorContext, metadata::ProvideErrorMetadata};

/// A call that AWS answered with an error.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The operation, such as `CreateService`.
    pub operation: String,
    /// AWS's name for the error, such as `InvalidParameterException`.
    pub code: String,
    /// What AWS says about it.
    pub message: String,
    request: Option<String>,
}

impl Refusal {
    /// What AWS refuses inside an answer that is no error by itself.
    pub fn within(operation: &str, code: &str, message: &str) -> Self {
        let message = message.trim_end_matches('.').to_owned();
        Self { operation: operation.to_owned(), code: code.to_owned(), message, request: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.code, self.message)?;
        if let Some(hint) = hint(&self.code) {
            write!(f, "; {hint}")?;
        }
        match &self.request {
            Some(request) => write!(f, " (request {request})"),
            None => Ok(()),
        }
    }
}

impl StdError for Refusal {}

/// The way out of errors that any call may meet.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            "allow this action to the user or role that the provider acts as"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => "log in again: the credentials have expired",
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" | "AuthFailure" => {
            "AWS does not accept the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or fargate:profile"
        }
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            "AWS kept throttling the calls: lower --parallel, or set longer customTimeouts on the resource"
        }
        _ => return None,
    })
}

/// Turns what the SDK says into what the user reads.
pub trait Explain<T> {
    fn explain(self) -> Result<T>;
}

impl<T, E> Explain<T> for Result<T, SdkError<E, Response>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn explain(self) -> Result<T> {
        self.map_err(|error| match &error {
            SdkError::ServiceError(_) if error.meta().code().is_some() => {
                let meta = error.meta();
                Error::new(Refusal {
                    operation: operation::<E>(),
                    code: meta.code().unwrap_or_default().to_owned(),
                    message: meta.message().unwrap_or("no reason given").trim_end_matches('.').to_owned(),
                    request: meta.extra("aws_request_id").map(str::to_owned),
                })
            }
            SdkError::ServiceError(_) => {
                Error::msg(format!("{}: AWS's answer cannot be read: {}", operation::<E>(), root_cause(&error)))
            }
            SdkError::ResponseError(it) => {
                let (status, cause) = (it.raw().status().as_u16(), DisplayErrorContext(&error));
                Error::msg(format!(
                    "{}: AWS answered with status {status}, in a form that is not its own: {cause}",
                    operation::<E>()
                ))
            }
            _ => Error::msg(format!("{}: no answer from AWS: {}", operation::<E>(), root_cause(&error))),
        })
    }
}

/// `CreateService`, from the type of that operation's errors.
fn operation<E>() -> String {
    let name = type_name::<E>();
    name.rsplit("::").next().unwrap_or(name).trim_end_matches("Error").to_owned()
}

/// The innermost cause: what a person can act on.
pub(super) fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What AWS says, without the number of the call: the same whenever it says the same.
pub fn status_of(error: &Error) -> String {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => Refusal { request: None, ..refusal.clone() }.to_string(),
        None => format!("{error:#}"),
    }
}

/// Whether AWS gave `error`, by one of `codes`.
pub fn refused_with(error: &Error, codes: &[&str]) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| codes.contains(&it.code.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_same_as_long_as_aws_says_the_same() {
        let refused = |request: &str| {
            let request = Some(request.to_owned());
            Error::new(Refusal { request, ..Refusal::within("DeleteCluster", "ClusterInUse", "It is in use.") })
        };
        assert_eq!(status_of(&refused("1")), "DeleteCluster: ClusterInUse: It is in use");
        assert_eq!(status_of(&refused("1")), status_of(&refused("2")));
        assert_eq!(status_of(&Error::msg("cause").context("what")), "what: cause");
    }
}
