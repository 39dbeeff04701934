//! Waiting: for what the cloud has started, and for what it has not noticed yet.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Error, Result, bail};
use rand::Rng as _;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::value::Secrets;

/// What one look at a resource found.
pub enum Seen<T> {
    /// It is there.
    Ready(T),
    /// Not there yet; the text tells the user where it stands.
    Pending(String),
}

/// How long to wait, and how often to look.
#[derive(Clone, Copy)]
pub struct Patience {
    /// The pause after the first look, which is at once.
    pub first: Duration,
    /// The longest pause that it grows to.
    pub longest: Duration,
    /// When to give up.
    pub limit: Duration,
    /// Whether `customTimeouts` sets another limit; short waits only end with it.
    pub stretches: bool,
}

impl Patience {
    /// For what takes minutes, such as a deployment.
    pub const fn minutes(limit: u64) -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(10),
            limit: Duration::from_secs(60 * limit),
            stretches: true,
        }
    }

    /// For what takes seconds, such as a role that other services have to hear of.
    pub const fn seconds(limit: u64) -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(5),
            limit: Duration::from_secs(limit),
            stretches: false,
        }
    }
}

/// The end of a wait that took longer than it may.
#[derive(Debug)]
pub struct TimedOut(String);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TimedOut {}

/// Someone to tell how it goes, and who may call it off.
pub struct Observer {
    /// What texts call it that is waited for.
    pub cloud: &'static str,
    /// Stops every wait at once.
    pub cancel: CancellationToken,
    /// When the program wants it done.
    pub deadline: Option<Instant>,
    /// Shows a line of status to the user; an empty one takes it away.
    pub progress: Box<dyn Fn(&str) + Send + Sync>,
    /// Shows a line to the user that stays.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
    /// What no line may show.
    pub secrets: Arc<Secrets>,
}

impl Observer {
    /// Looks until `look` finds the resource ready. Gives up on an error, when cancelled, or at the limit.
    pub async fn wait<T, F>(&self, what: impl fmt::Display, patience: Patience, look: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<Seen<T>>>,
    {
        self.repeat(what, patience, false, look).await
    }

    /// Looks until it is ready. With `whole`, no look is ever dropped half-way: it makes something, which would get lost.
    async fn repeat<T, F>(
        &self,
        what: impl fmt::Display,
        patience: Patience,
        whole: bool,
        mut look: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<Seen<T>>>,
    {
        let limit = match self.deadline.map(|it| it.saturating_duration_since(Instant::now())) {
            Some(left) if patience.stretches => left,
            Some(left) => left.min(patience.limit),
            None => patience.limit,
        };
        let stop = async {
            tokio::select! {
                () = self.cancel.cancelled() => true,
                () = sleep(limit) => false,
            }
        };
        tokio::pin!(stop);
        let begun = Instant::now();
        let (mut last, mut told, mut pause) = (String::from("nothing yet"), false, patience.first);
        let cancelled = loop {
            let looking = look();
            tokio::pin!(looking);
            let seen = tokio::select! {
                biased;
                seen = &mut looking => seen?,
                cancelled = &mut stop, if !whole => break cancelled,
            };
            match seen {
                Seen::Ready(it) => {
                    if told {
                        (self.progress)("");
                    }
                    return Ok(it);
                }
                Seen::Pending(status) if status != last => {
                    // The time alone is no news: a log gets a line a change, and not one a look.
                    match begun.elapsed() {
                        it if it < Duration::from_secs(1) => (self.progress)(&status),
                        it => (self.progress)(&format!("{status} ({})", in_words(it))),
                    }
                    (last, told) = (status, true);
                }
                Seen::Pending(_) => {}
            }
            tokio::select! {
                cancelled = &mut stop => break cancelled,
                () = sleep(jittered(pause)) => {}
            }
            pause = (pause * 2).min(patience.longest);
        };
        if cancelled {
            bail!("cancelled while waiting for {what}; last seen: {last}; `pulumi up` carries on from here");
        }
        let way_out = if patience.stretches { "; customTimeouts sets another limit" } else { "" };
        let text = format!("gave up waiting for {what} after {}; last seen: {last}{way_out}", in_words(limit));
        Err(TimedOut(text).into())
    }

    /// Asks the cloud something that makes nothing, or nothing that the state does not know: given up when cancelled, however
    /// long the answer takes.
    pub async fn ask<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let given_up = async {
            self.cancel.cancelled().await;
            // Waits end by themselves, and tell more.
            sleep(Duration::from_millis(200)).await;
        };
        tokio::select! {
            answer = answer => answer,
            () = given_up => bail!("cancelled before {} answered", self.cloud),
        }
    }

    /// As [`Self::ask`], and shows what it waits for once that takes longer than a moment.
    pub async fn ask_for<T>(&self, what: &str, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = self.ask(answer);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            () = sleep(Duration::from_secs(3)) => (self.progress)(&format!("waiting for {} to answer {what}", self.cloud)),
        }
        let answer = answer.await;
        (self.progress)("");
        answer
    }

    /// Repeats `call` while it fails with an error that passes, of which `passing` says what is going on. A call is never dropped
    /// half-way.
    pub async fn retry_while<T, F>(&self, passing: impl Fn(&Error) -> Option<String>, mut call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let (last, passing) = (&Mutex::new(None), &passing);
        let what = format!("{} to accept the call", self.cloud);
        let look = || {
            let call = call();
            async move {
                let result = call.await;
                let status = result.as_ref().err().and_then(passing);
                match (result, status) {
                    (Err(error), Some(status)) => {
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        Ok(Seen::Pending(status))
                    }
                    (result, _) => {
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = None;
                        result.map(Seen::Ready)
                    }
                }
            }
        };
        let accepted = self.repeat(what, Patience::seconds(120), true, look).await;
        let last = last.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Given up: the error is the cause, and something to branch on.
        match (accepted, last) {
            (Err(given_up), Some(last)) => Err(last.context(given_up.to_string())),
            (accepted, _) => accepted,
        }
    }
}

/// Between half of `pause` and all of it, so that many waits do not look in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

fn in_words(time: Duration) -> String {
    // Of a limit that the program sets, a moment is over already.
    let seconds = (time + Duration::from_millis(500)).as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn observer() -> Observer {
        crate::testing::observer("the cloud")
    }

    #[tokio::test(start_paused = true)]
    async fn looks_until_ready() {
        let observer = observer();
        // Spawned: the future must be Send.
        let looks = tokio::spawn(async move {
            let looks = &AtomicU32::new(0);
            observer
                .wait("a service", Patience::minutes(10), || async move {
                    tokio::task::yield_now().await;
                    let looks = looks.fetch_add(1, Ordering::Relaxed) + 1;
                    Ok(if looks < 5 { Seen::Pending(format!("{looks}/5")) } else { Seen::Ready(looks) })
                })
                .await
        });
        assert_eq!(looks.await.unwrap().unwrap(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_a_look_when_cancelled() {
        let observer = observer();
        observer.cancel.cancel();
        let result = observer.ask(std::future::pending::<Result<()>>()).await;
        assert_eq!(result.unwrap_err().to_string(), "cancelled before the cloud answered");
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_at_the_limit() {
        let started = Instant::now();
        let result = observer()
            .wait("a service", Patience::minutes(10), || async { Ok(Seen::<()>::Pending("0 of 2 tasks".to_owned())) })
            .await;
        let expected = "gave up waiting for a service after 10 min; last seen: 0 of 2 tasks; customTimeouts sets another limit";
        assert_eq!(result.unwrap_err().to_string(), expected);
        assert!(started.elapsed() <= Duration::from_mins(10));
    }

    #[tokio::test(start_paused = true)]
    async fn honours_the_deadline_of_the_program() {
        let observer = Observer { deadline: Some(Instant::now() + Duration::from_secs(30)), ..observer() };
        let started = Instant::now();
        let result = observer.wait("it", Patience::minutes(10), || async { Ok(Seen::<()>::Pending("no".to_owned())) }).await;
        assert!(result.unwrap_err().to_string().contains("after 30 s"));
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_makes_something_is_never_dropped() {
        let observer = observer();
        let cancel = observer.cancel.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(1)).await;
            cancel.cancel();
        });
        let made = observer.retry_while(
            |_| None,
            || async {
                sleep(Duration::from_secs(5)).await;
                Ok("an id")
            },
        );
        assert_eq!(made.await.unwrap(), "an id");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_deadline_does_not_lengthen_a_short_wait() {
        let observer = Observer { deadline: Some(Instant::now() + Duration::from_hours(1)), ..observer() };
        let started = Instant::now();
        let looks = observer.wait("it", Patience::seconds(30), || async { Ok(Seen::<()>::Pending("no".to_owned())) }).await;
        assert!(looks.is_err() && started.elapsed() == Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn stops_when_cancelled() {
        let observer = observer();
        let cancel = observer.cancel.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(5)).await;
            cancel.cancel();
        });
        let started = Instant::now();
        let result =
            observer.wait("it", Patience::minutes(10), || async { Ok(Seen::<()>::Pending("draining".to_owned())) }).await;
        assert!(result.unwrap_err().to_string().starts_with("cancelled while waiting for it; last seen: draining"));
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }
}
