//! Answers many small reads with few large ones.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    mem,
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::{Error, Result, anyhow};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{Aws, Refusal, refused_with};

/// How long the first read of a batch waits for others.
const WINDOW: Duration = Duration::from_millis(10);

/// A read that AWS answers for many keys in one call.
pub trait Lookup: Send + Sync + 'static {
    type Key: Clone + Eq + Hash + Send + Sync;
    type Found: Clone + Send + Sync;
    /// How many keys a call takes.
    const LIMIT: usize;
    /// The codes by which AWS refuses a whole call because one of its keys does not exist.
    const MISSING: &'static [&'static str] = &[];

    /// Reads all of `keys`; those that do not exist are not in the result.
    fn load(aws: &Aws, keys: Vec<Self::Key>) -> impl Future<Output = Result<HashMap<Self::Key, Self::Found>>> + Send;
}

type Asker<L> = oneshot::Sender<Result<Option<<L as Lookup>::Found>, Arc<Error>>>;
type Asked<L> = (<L as Lookup>::Key, Asker<L>);

/// Reads that arrive together share a call.
pub(super) struct Batch<L: Lookup> {
    queue: mpsc::UnboundedSender<Asked<L>>,
}

impl<L: Lookup> Batch<L> {
    pub(super) fn new(aws: &Arc<Aws>) -> Self {
        let (queue, arriving) = mpsc::unbounded_channel();
        tokio::spawn(serve::<L>(Arc::downgrade(aws), arriving));
        Self { queue }
    }

    pub(super) async fn get(&self, key: L::Key) -> Result<Option<L::Found>> {
        let (asker, answer) = oneshot::channel();
        self.queue.send((key, asker)).map_err(|_| anyhow!("the provider is shutting down"))?;
        answer.await.map_err(|_| anyhow!("the provider is shutting down"))?.map_err(|error| {
            // Every asker gets an error of its own, one that can still be told by its code.
            error.downcast_ref::<Refusal>().map_or_else(|| anyhow!("{error:#}"), |it| Error::new(it.clone()))
        })
    }
}

async fn serve<L: Lookup>(aws: Weak<Aws>, mut arriving: mpsc::UnboundedReceiver<Asked<L>>) {
    let mut batch = Vec::new();
    while arriving.recv_many(&mut batch, L::LIMIT).await > 0 {
        if batch.len() < L::LIMIT {
            sleep(WINDOW).await;
            while batch.len() < L::LIMIT
                && let Ok(next) = arriving.try_recv()
            {
                batch.push(next);
            }
        }
        let Some(aws) = aws.upgrade() else { return };
        tokio::spawn(answer::<L>(aws, mem::take(&mut batch)));
    }
}

async fn answer<L: Lookup>(aws: Arc<Aws>, batch: Vec<Asked<L>>) {
    let mut seen = HashSet::new();
    let keys: Vec<_> = batch.iter().map(|(key, _)| key.clone()).filter(|it| seen.insert(it.clone())).collect();
    let loaded = load::<L>(&aws, keys).await.map_err(Arc::new);
    for (key, asker) in batch {
        // An asker that is gone needs no answer.
        _ = asker.send(loaded.as_ref().map(|it| it.get(&key).cloned()).map_err(Arc::clone));
    }
}

async fn load<L: Lookup>(aws: &Aws, keys: Vec<L::Key>) -> Result<HashMap<L::Key, L::Found>> {
    match L::load(aws, keys.clone()).await {
        Err(error) if refused_with(&error, L::MISSING) => {}
        result => return result,
    }
    let mut found = HashMap::new();
    if keys.len() > 1 {
        for key in keys {
            match L::load(aws, vec![key]).await {
                Err(error) if refused_with(&error, L::MISSING) => {}
                result => found.extend(result?),
            }
        }
    }
    Ok(found)
}
