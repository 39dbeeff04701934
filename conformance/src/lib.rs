//! Plays the Pulumi engine to any provider, and checks the numbered items of docs/conformance.md one by one.
//!
//! It knows the protocol and the provider's own schema, and nothing else: what it may ask for, a file of samples tells.

use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use tokio::time::timeout;

pub mod cli;
pub mod cloud;
pub mod detail;
pub mod engine;
pub mod item;
pub mod items;
pub mod life;
pub mod lint;
pub mod monitor;
pub mod provider;
pub mod report;
pub mod run;
pub mod samples;
pub mod schema;
pub mod stage;
pub mod value;
pub mod vary;

use item::{Item, failed};
use report::{Report, Row};
use run::{Run, Source};

/// Pulumi's protocol, as generated from `proto`.
pub mod rpc {
    #![expect(clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    tonic::include_proto!("pulumirpc");
}

/// The most that a message may hold, which is what the engine takes.
pub const MESSAGE_LIMIT: usize = 400 << 20;

/// How long one item may take.
const LIMIT: Duration = Duration::from_mins(5);

/// Checks `items` on the provider of `run`, and calls `done` after each.
pub async fn check(run: &Run, items: &[Item], mut done: impl FnMut(&Row)) -> Report {
    let provider = match &run.options.provider {
        Source::Program(program) => program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Source::Port(port) => format!("the provider on port {port}"),
    };
    let (slow, mut quick): (Vec<Item>, Vec<Item>) = items.iter().partition(|it| items::SLOW.contains(&it.number));
    // Those that end what the others look at come last.
    quick.sort_by_key(|it| items::LAST.iter().position(|number| *number == it.number));
    let slow = join_all(slow.into_iter().map(|item| check_one(run, item)));
    let quick = async {
        let mut rows = Vec::new();
        for item in quick {
            run.begin().await;
            let mut row = check_one(run, item).await;
            // Nothing that it has made may stay behind, even if it was cut off.
            row.outcome = row.outcome.and(run.clear().await);
            done(&row);
            rows.push(row);
        }
        rows
    };
    let (slow, mut rows) = join(slow, quick).await;
    slow.iter().for_each(&mut done);
    run.end().await;
    rows.extend(slow);
    rows.sort_by_key(|row| row.item.number);
    Report { provider, rows }
}

async fn check_one(run: &Run, item: Item) -> Row {
    let started = Instant::now();
    let outcome = match run.mute() {
        // Each would take its whole limit to say the same.
        Some(why) if item.number > items::ABOUT_STARTING => failed("a provider that starts and answers", why),
        _ => timeout(LIMIT, (item.check)(run)).await.unwrap_or_else(|_| {
            let minutes = LIMIT.as_secs() / 60;
            failed("an answer", format!("none within {minutes} minutes"))
        }),
    };
    Row { item, outcome, took: started.elapsed() }
}
