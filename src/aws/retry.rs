//! How often a call is tried again: while AWS throttles it, until its resource has to be done; for any other reason that
//! passes, as often as `maxRetries` says. One call's retries cost no other call anything.

use std::{future::Future, time::Duration};

use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason},
};
use aws_smithy_types::retry::{ErrorKind, RetryConfig};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a throttled call is tried again where the program sets no limit.
const LIMIT: Duration = Duration::from_mins(20);
/// More tries than fit into any limit.
const TRIES: u32 = 10_000;
/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(10);

tokio::task_local! {
    static END: (Instant, CancellationToken);
}

/// Runs `work`, whose throttled calls are tried again until `deadline`, or until `cancel` is cancelled.
pub(super) async fn until<T>(deadline: Option<Instant>, cancel: CancellationToken, work: impl Future<Output = T>) -> T {
    END.scope((deadline.unwrap_or_else(|| Instant::now() + LIMIT), cancel), work).await
}

/// The retry quota of this process. That of the SDK runs dry after some eighty throttled calls, whatever they are for.
pub(super) fn partition() -> RetryPartition {
    RetryPartition::custom("fargate").token_bucket(TokenBucket::unlimited()).build()
}

/// The settings that leave it to [`Limits`] when to give up.
pub(super) fn config() -> RetryConfig {
    // Not adaptive: after one throttled call, that mode lets one call pass every other second.
    RetryConfig::standard().with_max_attempts(TRIES).with_max_backoff(PAUSE)
}

/// Ends the retries that the SDK would make.
#[derive(Debug)]
pub(super) struct Limits {
    /// How often a call is tried again that was lost, or that AWS could not answer.
    pub(super) retries: u32,
}

impl Limits {
    fn allow(&self, kind: ErrorKind, retries: u32) -> bool {
        let end = END.try_with(|(end, cancel)| (*end <= Instant::now(), cancel.is_cancelled()));
        match (kind, end) {
            (_, Ok((_, true))) => false,
            (ErrorKind::ThrottlingError, Ok((over, _))) => !over,
            // A read that several resources share.
            (ErrorKind::ThrottlingError, Err(_)) => retries < SHARED,
            _ => retries < self.retries,
        }
    }
}

/// How often a throttled call that belongs to no single resource is tried again: some ten minutes.
const SHARED: u32 = 120;

impl ClassifyRetry for Limits {
    fn name(&self) -> &'static str {
        "Limits"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }

    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(&self, context: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        let RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) = previous else {
            return RetryAction::NoActionIndicated;
        };
        if is_quota(context) || !self.allow(*kind, retries(context)) {
            return RetryAction::RetryForbidden;
        }
        RetryAction::NoActionIndicated
    }
}

/// How often the call was tried again already, as the SDK tells AWS.
fn retries(context: &InterceptorContext) -> u32 {
    let header = context.request().and_then(|it| it.headers().get("amz-sdk-request")).unwrap_or_default();
    let attempt = header.split("; ").find_map(|it| it.strip_prefix("attempt=")?.parse::<u32>().ok());
    attempt.unwrap_or(1).saturating_sub(1)
}

/// Whether AWS refuses a call because a quota is reached, which the SDK takes for throttling: no wait helps there.
fn is_quota(context: &InterceptorContext) -> bool {
    let Some(response) = context.response() else { return false };
    let code = "LimitExceededException";
    let named = response.headers().get("x-amzn-errortype").is_some_and(|it| it.contains(code));
    named || response.body().bytes().is_some_and(|it| String::from_utf8_lossy(it).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn throttled_calls_are_tried_until_the_deadline_and_lost_ones_as_often_as_is_set() {
        let limits = Limits { retries: 2 };
        let cancel = CancellationToken::new();
        until(Some(Instant::now() + Duration::from_mins(1)), cancel.clone(), async {
            assert!(limits.allow(ErrorKind::ThrottlingError, 1000));
            assert!(limits.allow(ErrorKind::TransientError, 1) && !limits.allow(ErrorKind::TransientError, 2));
            tokio::time::advance(Duration::from_secs(61)).await;
            assert!(!limits.allow(ErrorKind::ThrottlingError, 1));
        })
        .await;
        until(None, cancel.clone(), async {
            assert!(limits.allow(ErrorKind::ThrottlingError, 1000));
            cancel.cancel();
            assert!(!limits.allow(ErrorKind::ThrottlingError, 1) && !limits.allow(ErrorKind::ServerError, 0));
        })
        .await;
        assert!(limits.allow(ErrorKind::ThrottlingError, 100) && !limits.allow(ErrorKind::ThrottlingError, SHARED));
    }
}
