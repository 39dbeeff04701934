//! I. What the user reads meanwhile.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    engine::{Line, Manner},
    item::{Item, Outcome, expect, expect_none, failed, if_applicable, not_applicable},
    life::Lives,
    rpc::{LogSeverity, diff_response::DiffChanges},
    run::{Run, Special},
    samples::Situation,
    stage::{Stage, Waited},
    value::from_struct,
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 138,
        title: "a long wait is told in passing, not too often, and taken back at the end",
        check: |run| Box::pin(progress(run)),
    },
    Item { number: 139, title: "no line of log is an error unless the call fails", check: |run| Box::pin(no_errors(run)) },
    Item { number: 140, title: "where all is well, there is no warning", check: |run| Box::pin(no_warnings(run)) },
    Item { number: 141, title: "a second `up` finds nothing to do", check: |run| Box::pin(unchanged(run)) },
    Item { number: 142, title: "an engine that takes no lines makes no call fail", check: |run| Box::pin(deaf_engine(run)) },
    Item { number: 143, title: "lines have no colours and no line breaks at the end", check: |run| Box::pin(plain_lines(run)) },
];

async fn progress(run: &Run) -> Outcome {
    let Waited { waiting, ending } = run.waited().await?;
    let told: Vec<_> = waiting.iter().filter(|it| it.request.ephemeral && !it.request.message.is_empty()).collect();
    let Some(last) = told.last() else {
        let seen: Vec<_> = waiting.iter().map(|it| &it.request.message).collect();
        return failed(
            "an ephemeral line of INFO with the URN, while a Create waits for 3 s",
            format!("none of this kind, of {seen:?}"),
        );
    };
    let severe = told.iter().filter(|it| it.request.severity != LogSeverity::Info as i32);
    expect_none(severe.map(|it| &it.request.message), "ephemeral lines that are INFO")?;
    expect(told.len() <= 6, "at most about one line a second", format!("{} lines within 3.5 s", told.len()))?;
    let Some(end) = ending.iter().rfind(|it| it.request.ephemeral) else {
        return failed("an empty line, or one of success, at the end", format!("{:?} for ever", last.request.message));
    };
    expect(end.request.message != last.request.message, "an empty line, or one of success, at the end", &end.request.message)
}

async fn no_errors(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut told = told_of(lives).await?;
    if let Some(waited) = if_applicable(run.waited().await)? {
        told.extend(waited.waiting.iter().chain(&waited.ending).cloned());
    }
    let errors = told.iter().filter(|it| it.request.severity == LogSeverity::Error as i32);
    expect_none(errors.map(shown), "no line of ERROR about a resource that was created well")
}

async fn no_warnings(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut client = lives.provider.client.clone();
    told_of(lives).await?;
    for (life, state) in lives.created() {
        let news = life.subject.checked(&mut client, &life.checked, &life.inputs).await?;
        client.diff(life.subject.diff(state, &life.checked, &news)).await?;
        client.read(life.subject.refresh(state, &life.checked)).await?;
    }
    let told = told_of(lives).await?;
    let warnings = told.iter().filter(|it| it.request.severity >= LogSeverity::Warning as i32);
    expect_none(warnings.map(shown), "no warning while resources are created, compared and refreshed")
}

/// What was told of the resources that were created; not applicable if none were.
async fn told_of(lives: &Lives) -> Outcome<Vec<Line>> {
    let urns: Vec<_> = lives.created().map(|(life, _)| &life.subject.urn).collect();
    if urns.is_empty() {
        return not_applicable("nothing of the samples is created here");
    }
    // The last lines may still be on their way.
    sleep(Duration::from_millis(100)).await;
    Ok(lives.provider.engine.lines().into_iter().filter(|it| urns.contains(&&it.request.urn)).collect())
}

async fn unchanged(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut client = lives.provider.client.clone();
    let mut changed = Vec::new();
    for (life, state) in lives.created() {
        let check = crate::rpc::CheckRequest {
            // Another run has another one.
            random_seed: vec![0x17; 32],
            ..life.subject.check(&life.checked, &life.inputs)
        };
        let news = from_struct(client.check(check).await?.get_ref().inputs.as_ref());
        let diff = client.diff(life.subject.diff(state, &life.checked, &news)).await?.into_inner();
        if diff.changes() != DiffChanges::DiffNone {
            let mut paths: Vec<_> = diff.detailed_diff.keys().chain(&diff.diffs).map(String::as_str).collect();
            paths.sort_unstable();
            paths.dedup();
            changed.push(format!("{}: {:?} of {}", life.name, diff.changes(), paths.join(", ")));
        }
    }
    if lives.created().next().is_none() {
        return not_applicable("nothing of the samples is created here");
    }
    expect_none(changed, "DIFF_NONE for what is as it was created")
}

async fn deaf_engine(run: &Run) -> Outcome {
    for engine in [Manner::Deaf, Manner::Healthy] {
        let special = Special { engine, ..Special::default() };
        let Some(mut stage) = if_applicable(Stage::set_in(run, Situation::Pending, special).await)? else {
            return refresh_unheard(run).await;
        };
        let creating = stage.begin_create().await;
        let how = if engine == Manner::Deaf { "refuses all lines" } else { "is gone" };
        if engine == Manner::Healthy {
            stage.provider.engine.kill();
        }
        sleep(Duration::from_millis(500)).await;
        stage.end();
        let expected = format!("Create to end while the engine {how}");
        let answer = stage.ended(creating, Duration::from_secs(30), &expected).await?;
        let seen = answer.err().map(|it| it.message().to_owned());
        expect(seen.is_none(), format!("Create to succeed while the engine {how}"), seen.unwrap_or_default())?;
    }
    Ok(())
}

async fn refresh_unheard(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut provider = run.configured().await?;
    provider.engine.kill();
    for (life, state) in lives.created() {
        provider.client.read(life.subject.refresh(state, &life.checked)).await?;
    }
    if lives.created().next().is_none() { not_applicable("nothing of the samples is created here") } else { Ok(()) }
}

async fn plain_lines(run: &Run) -> Outcome {
    let mut lines = run.lives().await?.provider.engine.lines();
    if let Some(waited) = if_applicable(run.waited().await)? {
        lines.extend(waited.waiting.iter().chain(&waited.ending).cloned());
    }
    if lines.is_empty() {
        return not_applicable("it logs nothing");
    }
    let odd = lines.iter().filter(|it| it.request.message.ends_with(['\n', '\r']) || it.request.message.contains('\u{1b}'));
    expect_none(odd.map(shown), "lines without ANSI codes, and without a line break at the end")
}

fn shown(line: &Line) -> String {
    format!("{:?} about {}", line.request.message, line.request.urn)
}
