//! How often a call is tried again: while AWS throttles it, until its resource has to be done; for any other reason that
//! passes, as often as `maxRetries` says. One call's retries cost no other call anything.

use std::{future::Future, time::Duration};

use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket, classifiers::run_classifiers_on_ctx};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::FinalizerInterceptorContextRef},
        orchestrator::HttpResponse as Response,
        retries::classifiers::{RetryAction, RetryReason},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{
    config_bag::{ConfigBag, Storable, StoreReplace},
    retry::{ErrorKind, RetryConfig},
};
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

/// How often one call has failed so far.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    throttled: u32,
    lost: u32,
}

impl Storable for Failures {
    type Storer = StoreReplace<Self>;
}

impl Limits {
    /// Whether a call that has failed so often is tried again, the last time for a reason of this kind.
    fn allow(&self, kind: ErrorKind, failures: Failures) -> bool {
        let end = END.try_with(|(end, cancel)| (*end <= Instant::now(), cancel.is_cancelled()));
        match (kind, end) {
            (_, Ok((_, true))) => false,
            (ErrorKind::ThrottlingError, Ok((over, _))) => !over,
            // A read that several resources share.
            (ErrorKind::ThrottlingError, Err(_)) => failures.throttled <= SHARED,
            _ => failures.lost <= self.retries,
        }
    }
}

/// How often a throttled call that belongs to no single resource is tried again: some ten minutes.
const SHARED: u32 = 120;

/// After each attempt, makes it the last one if there is to be no other. A classifier could not: it does not know how many there
/// were.
impl Intercept for Limits {
    fn name(&self) -> &'static str {
        "Limits"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let action = run_classifiers_on_ctx(components.retry_classifiers(), context.inner());
        let RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) = action else { return Ok(()) };
        let mut failures = config.load::<Failures>().copied().unwrap_or_default();
        *if kind == ErrorKind::ThrottlingError { &mut failures.throttled } else { &mut failures.lost } += 1;
        config.interceptor_state().store_put(failures);
        if context.response().is_some_and(is_quota) || !self.allow(kind, failures) {
            let attempts = failures.throttled + failures.lost;
            let settings = config.load::<RetryConfig>().cloned().unwrap_or_else(self::config);
            config.interceptor_state().store_put(settings.with_max_attempts(attempts));
        }
        Ok(())
    }
}

/// Whether AWS refuses a call because a quota is reached, which the SDK takes for throttling: no wait helps there.
fn is_quota(response: &Response) -> bool {
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
        let (throttled, lost) = (|it| Failures { throttled: it, lost: 0 }, |it| Failures { throttled: 9, lost: it });
        let cancel = CancellationToken::new();
        until(Some(Instant::now() + Duration::from_mins(1)), cancel.clone(), async {
            assert!(limits.allow(ErrorKind::ThrottlingError, throttled(1000)));
            assert!(limits.allow(ErrorKind::TransientError, lost(2)) && !limits.allow(ErrorKind::TransientError, lost(3)));
            tokio::time::advance(Duration::from_secs(61)).await;
            assert!(!limits.allow(ErrorKind::ThrottlingError, throttled(1)));
        })
        .await;
        until(None, cancel.clone(), async {
            assert!(limits.allow(ErrorKind::ThrottlingError, throttled(1000)));
            cancel.cancel();
            assert!(!limits.allow(ErrorKind::ThrottlingError, throttled(1)) && !limits.allow(ErrorKind::ServerError, lost(1)));
        })
        .await;
        let shared = |it| limits.allow(ErrorKind::ThrottlingError, throttled(it));
        assert!(shared(SHARED) && !shared(SHARED + 1));
    }
}
