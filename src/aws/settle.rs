//! Calls that AWS refuses for a reason that passes.

use anyhow::Result;
use pulumi_provider::wait::Observer;

use super::Refusal;

/// A refusal that passes with time: its code, and a part of its message.
pub type Passing = (&'static str, &'static str);

/// Repeats what AWS refuses for a while.
pub trait Settle {
    /// Repeats `call` while AWS refuses it for a reason that passes.
    fn settle<T, F>(&self, passing: &[Passing], call: impl FnMut() -> F) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>;
}

impl Settle for Observer {
    async fn settle<T, F>(&self, passing: &[Passing], call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let passes =
            |refusal: &&Refusal| passing.iter().any(|(code, part)| *code == refusal.code && refusal.message.contains(part));
        let status = |refusal: &Refusal| format!("waiting for AWS: {}", refusal.message);
        self.retry_while(|error| error.downcast_ref().filter(passes).map(status), call).await
    }
}
