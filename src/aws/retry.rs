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
/// How long it is tried again at least: what cleans up may come when the time is over.
const LEAST: Duration = Duration::from_secs(30);
/// More tries than fit into any limit.
const TRIES: u32 = 10_000;
/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(10);

tokio::task_local! {
    static END: (Option<Instant>, CancellationToken);
}

/// Runs `work`, whose throttled calls are tried again until `deadline`, or until `cancel` is cancelled.
pub(super) async fn until<T>(deadline: Option<Instant>, cancel: CancellationToken, work: impl Future<Output = T>) -> T {
    END.scope((deadline, cancel), work).await
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
    /// When it was throttled first.
    since: Option<Instant>,
    lost: u32,
}

impl Storable for Failures {
    type Storer = StoreReplace<Self>;
}

impl Limits {
    /// Whether a call that has failed so often is tried again, the last time for a reason of this kind.
    fn allow(&self, kind: ErrorKind, failures: Failures) -> bool {
        // A read that several resources share has no deadline.
        let (deadline, cancelled) =
            END.try_with(|(deadline, cancel)| (*deadline, cancel.is_cancelled())).unwrap_or((None, false));
        let now = Instant::now();
        let since = failures.since.unwrap_or(now);
        match kind {
            _ if cancelled => false,
            ErrorKind::ThrottlingError => now < deadline.map_or(since + LIMIT, |it| it.max(since + LEAST)),
            _ => failures.lost <= self.retries,
        }
    }
}

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
        if kind == ErrorKind::ThrottlingError {
            failures.throttled += 1;
            failures.since.get_or_insert_with(Instant::now);
        } else {
            failures.lost += 1;
        }
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

    fn throttled(since: Instant) -> Failures {
        Failures { throttled: 1000, since: Some(since), lost: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_calls_are_retried_until_the_deadline() {
        let limits = Limits { retries: 0 };
        let begun = Instant::now();
        let retried = |since: Instant| limits.allow(ErrorKind::ThrottlingError, throttled(since));
        until(Some(begun + Duration::from_mins(30)), CancellationToken::new(), async {
            tokio::time::advance(Duration::from_mins(29)).await;
            assert!(retried(begun));
            tokio::time::advance(Duration::from_mins(2)).await;
            assert!(!retried(begun));
            assert!(retried(Instant::now()), "what cleans up is retried for a moment");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_each_throttled_call_has_its_own_limit() {
        let limits = Limits { retries: 0 };
        let (begun, cancel) = (Instant::now(), CancellationToken::new());
        until(None, cancel.clone(), async {
            tokio::time::advance(Duration::from_mins(45)).await;
            assert!(limits.allow(ErrorKind::ThrottlingError, throttled(Instant::now())), "a wait may take longer than one call");
            assert!(!limits.allow(ErrorKind::ThrottlingError, throttled(begun)));
            cancel.cancel();
            assert!(!limits.allow(ErrorKind::ThrottlingError, throttled(Instant::now())));
        })
        .await;
        assert!(limits.allow(ErrorKind::ThrottlingError, throttled(Instant::now())), "so has a read that resources share");
    }

    #[tokio::test]
    async fn lost_calls_are_retried_as_often_as_is_set() {
        let limits = Limits { retries: 2 };
        let lost = |it| limits.allow(ErrorKind::TransientError, Failures { lost: it, ..throttled(Instant::now()) });
        assert!(lost(2) && !lost(3));
    }
}
