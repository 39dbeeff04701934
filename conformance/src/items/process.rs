//! A. The process: how it starts, what it writes, how it ends.

use std::time::Duration;

use crate::{
    engine::lock,
    item::{Item, Outcome, expect, expect_none},
    run::{Run, Special},
};

pub(super) const ITEMS: &[Item] = &[
    Item { number: 1, title: "stdout begins with one line that is the port", check: |run| Box::pin(port_line(run)) },
    Item { number: 2, title: "nothing else is ever written to stdout", check: |run| Box::pin(silent_stdout(run)) },
    Item { number: 10, title: "SIGINT ends it within 1 s, with exit status 0", check: |run| Box::pin(ends_at(run, "INT")) },
    Item { number: 11, title: "SIGTERM ends it within 1 s, with exit status 0", check: |run| Box::pin(ends_at(run, "TERM")) },
];

async fn port_line(run: &Run) -> Outcome {
    run.program()?;
    let provider = run.start(Special::default()).await?;
    let Some(process) = &provider.process else { return Ok(()) };
    expect(process.first_line == provider.port.to_string(), "a line of digits and nothing else", &process.first_line)
}

async fn silent_stdout(run: &Run) -> Outcome {
    run.program()?;
    expect_none(lock(&run.heard.stdout).iter(), "no line but the first")
}

async fn ends_at(run: &Run, signal: &str) -> Outcome {
    run.program()?;
    let mut provider = run.configured().await?;
    let Some(process) = &mut provider.process else { return Ok(()) };
    process.signal(signal).await?;
    let ended = process.ended(Duration::from_secs(5)).await?;
    let seen = ended.map_or_else(|| "it still runs after 5 s".to_owned(), |(status, took)| format!("{status} after {took:?}"));
    expect(
        ended.is_some_and(|(status, took)| status.success() && took < Duration::from_secs(1)),
        "exit status 0 within 1 s",
        seen,
    )
}
