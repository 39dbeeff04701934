//! F. Create, Update and Delete: what a preview tells, what is kept when something fails, and that nothing stays behind.

use std::time::Duration;

use tokio::time::sleep;
use tonic::{Code, Status};

use super::read::{all_pages, drift};
use crate::{
    detail::{InitFailed, expect_well_formed},
    item::{Item, Outcome, Stop, expect, expect_none, failed, not_applicable},
    life::{Change, Life, Lives, State},
    rpc,
    run::Run,
    samples::Situation,
    schema::Entry,
    stage::Stage,
    value::{
        Map, all_secret, bared, differences, each_secret, from_struct, is_secret, is_unknown, plain, plain_map, secrets,
        to_struct, unknown, walk,
    },
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 93,
        title: "Create(preview) calls no cloud, and returns the inputs and what is known besides",
        check: |run| Box::pin(foresees(run)),
    },
    Item {
        number: 94,
        title: "Create(preview) takes inputs that are not known yet",
        check: |run| Box::pin(foresees_unknown(run)),
    },
    Item { number: 95, title: "what Create(preview) knows is what Create returns", check: |run| Box::pin(foresees_right(run)) },
    Item { number: 96, title: "Create returns an id by which Read finds the resource", check: |run| Box::pin(findable(run)) },
    Item { number: 97, title: "Create returns every required output, all known", check: |run| Box::pin(complete(run)) },
    Item {
        number: 98,
        title: "outputs hide what the inputs hide, and what the schema calls secret",
        check: |run| Box::pin(hidden(run)),
    },
    Item {
        number: 99,
        title: "a failure after the resource exists tells its id, its outputs and the reasons",
        check: |run| Box::pin(keeps_half_made(run)),
    },
    Item {
        number: 100,
        title: "the details of an error have its own code, and types that the engine knows",
        check: |run| Box::pin(well_formed_details(run)),
    },
    Item { number: 101, title: "a failure before anything exists keeps nothing", check: |run| Box::pin(keeps_nothing(run)) },
    Item {
        number: 102,
        title: "`timeout` ends a wait, and tells what was waited for; 0 is the default",
        check: |run| Box::pin(limits(run)),
    },
    Item {
        number: 103,
        title: "Create again after its answer got lost makes nothing twice",
        check: |run| Box::pin(makes_once(run)),
    },
    Item { number: 104, title: "Update(preview) knows what stays as it is", check: |run| Box::pin(foresees_stable(run)) },
    Item { number: 105, title: "Update keeps the id", check: |run| Box::pin(keeps_id(run)) },
    Item {
        number: 106,
        title: "Update without changes waits again for what was not ready, and then succeeds",
        check: |run| Box::pin(waits_again(run)),
    },
    Item { number: 107, title: "a half-done Update tells the outputs as they are", check: |run| Box::pin(tells_half_done(run)) },
    Item { number: 108, title: "Update after a half-done one does the rest", check: |run| Box::pin(does_the_rest(run)) },
    Item { number: 109, title: "Delete of what is gone already succeeds", check: |run| Box::pin(deletes_absent(run)) },
    Item {
        number: 110,
        title: "Delete waits until the resource is gone; one that failed can be repeated",
        check: |run| Box::pin(deletes_wholly(run)),
    },
    Item { number: 111, title: "Delete needs no more than the id and the outputs", check: |run| Box::pin(deletes_bare(run)) },
    Item {
        number: 112,
        title: "an error tells what the cloud said and a way out, and no credentials",
        check: |run| Box::pin(explains(run)),
    },
    Item {
        number: 113,
        title: "what is throttled is tried again, slower; what is denied is not",
        check: |run| Box::pin(tries_again(run)),
    },
    Item { number: 114, title: "errors that leave no doubt have codes that leave none", check: |run| Box::pin(clear_codes(run)) },
];

/// The lives with all that was created, which has to be all that can be.
pub(super) async fn created(run: &Run) -> Outcome<(&Lives, Vec<(&Life, &State)>)> {
    let lives = run.lives().await?;
    for life in &lives.all {
        if let Err(Stop::Failed { expected, seen }) = &life.state {
            return failed(expected, seen);
        }
    }
    let created: Vec<_> = lives.created().collect();
    if created.is_empty() {
        return not_applicable("no sample can be created here");
    }
    Ok((lives, created))
}

/// All changes in place that the samples tell, with the resource of each.
pub(super) async fn changes(run: &Run) -> Outcome<Vec<(&Life, &State, &Change)>> {
    let (lives, created) = created(run).await?;
    let mut changes = Vec::new();
    for (name, change) in lives.changes(run).await {
        let (life, state) = created
            .iter()
            .find(|(life, _)| life.name == *name)
            .copied()
            .map_or_else(|| failed(format!("a life of {name}"), "none"), Ok)?;
        match change {
            Ok(change) => changes.push((life, state, change)),
            Err(Stop::Failed { expected, seen }) => return failed(format!("`updates` of {name} to be made: {expected}"), seen),
            Err(stop) => return Err(stop.clone()),
        }
    }
    if changes.is_empty() {
        return not_applicable("no sample tells of a change in place (`updates`)");
    }
    Ok(changes)
}

/// The resource that exists although there is an error.
fn half_made(status: &Status, name: &str) -> Outcome<InitFailed> {
    let seen = || format!("{:?} without it: {}", status.code(), status.message());
    InitFailed::of(status)?
        .map_or_else(|| failed(format!("ErrorResourceInitFailed, as {name} exists and must not get lost"), seen()), Ok)
}

/// The error of a call that cannot succeed.
fn refusal<T>(answer: Result<T, Status>, what: &str) -> Outcome<Status> {
    answer.err().map_or_else(|| failed(format!("{what} to fail, as the situation has it"), "success"), Ok)
}

/// Creates the resource in a situation in which that has to fail.
async fn refused(stage: &mut Stage<'_>) -> Outcome<Status> {
    stage.begin();
    let answer = stage.create(60.0).await?;
    refusal(answer, &format!("Create of {}", stage.subject.name))
}

/// Creates the resource of the situation Pending within 2 s, which has to fail.
async fn pending(stage: &mut Stage<'_>) -> Outcome<Status> {
    stage.begin();
    let answer = stage.create(2.0).await?;
    refusal(answer, &format!("Create of {} that does not become ready within its timeout of 2 s", stage.subject.name))
}

async fn foresees(run: &Run) -> Outcome {
    let mut wrong = Vec::new();
    let mut called = Vec::new();
    let lives = run.lives().await?;
    let mut client = lives.provider.client.clone();
    for life in &lives.all {
        let before = lives.provider.calls();
        let answer = client.create(life.subject.create(&life.checked, true)).await?.into_inner();
        let calls = before.zip(lives.provider.calls()).map_or(0, |(before, after)| after - before);
        if calls > 0 {
            called.push(format!("{} by {}", calls, life.name));
        }
        let outputs = from_struct(answer.properties.as_ref());
        let entry = run.resource(&life.name)?;
        wrong.extend(
            missing_inputs(entry, &life.checked, &outputs).map(|it| format!("{} has no {it} as in the inputs", life.name)),
        );
        walk(&outputs, &mut |path, value, _| {
            if value.is_null() {
                wrong.push(format!("{}.{path} is null, which is a value, instead of unknown", life.name));
            }
        });
    }
    expect_none(wrong, "Create(preview) to return the checked inputs, and no null for what is not known yet")?;
    expect_none(called, "no request to the cloud in Create(preview)")?;
    if lives.provider.cloud.is_none() {
        return not_applicable("without --cloud, nothing shows whether the cloud is called");
    }
    Ok(())
}

/// The inputs that are outputs as well, and not among them as they were.
fn missing_inputs<'a>(entry: Entry<'a>, inputs: &'a Map, outputs: &'a Map) -> impl Iterator<Item = &'a str> {
    let shared = entry.outputs().filter(move |(name, _)| entry.input(name).is_some());
    shared.map(|(name, _)| name).filter(|name| {
        let given = inputs.get(*name);
        given.is_some_and(|it| outputs.get(*name).map(plain) != Some(plain(it)))
    })
}

async fn foresees_unknown(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut client = lives.provider.client.clone();
    let mut wrong = Vec::new();
    for life in &lives.all {
        let all: Map = life.checked.keys().map(|name| (name.clone(), unknown())).collect();
        let each = life.checked.keys().map(|name| {
            let mut inputs = life.checked.clone();
            inputs.insert(name.clone(), unknown());
            (name.clone(), inputs)
        });
        for (what, inputs) in each.chain([("all inputs".to_owned(), all)]) {
            match client.create(life.subject.create(&inputs, true)).await {
                Err(status) => wrong.push(format!("{} with {what} unknown: {}", life.name, status.message())),
                Ok(answer) => {
                    let outputs = from_struct(answer.get_ref().properties.as_ref());
                    if outputs.get(&what).is_some_and(|it| !is_unknown(it)) {
                        wrong.push(format!("{} tells a value of {what}, which is unknown", life.name));
                    }
                }
            }
        }
    }
    expect_none(wrong, "Create(preview) to succeed, and to leave unknown what is")
}

async fn foresees_right(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    let mut wrong = Vec::new();
    for (life, state) in created {
        let answer = client.create(life.subject.create(&life.checked, true)).await?.into_inner();
        let real = plain_map(&state.outputs);
        for foreseen in [&from_struct(answer.properties.as_ref()), &life.foreseen] {
            let differences = differences(&plain_map(foreseen), &real).into_iter();
            let told = differences.filter(|it| !it.old.is_null() && !is_unknown(&it.old));
            wrong.extend(told.map(|it| format!("{}.{it}", life.name)));
        }
    }
    wrong.dedup();
    expect_none(wrong, "what the preview tells to come true (or to be unknown in it)")
}

async fn findable(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    for (life, state) in created {
        expect(!state.id.is_empty(), format!("an id from Create of {}", life.name), "an empty one")?;
        let expected = format!("Read to find {} by the id that Create returned, {:?}", life.name, state.id);
        match client.read(life.subject.import(&state.id)).await {
            Ok(it) if it.get_ref().id == state.id && it.get_ref().properties.is_some() => {}
            Ok(it) if it.get_ref().id.is_empty() => return failed(expected, "nothing"),
            Ok(it) => return failed(expected, format!("the id {:?}, or no properties", it.get_ref().id)),
            Err(status) => return failed(expected, status.message()),
        }
    }
    Ok(())
}

async fn complete(run: &Run) -> Outcome {
    let (_, created) = created(run).await?;
    let mut wrong = Vec::new();
    for (life, state) in created {
        let missing =
            run.resource(&life.name)?.required().filter(|it| state.outputs.get(*it).is_none_or(serde_json::Value::is_null));
        wrong.extend(missing.map(|it| format!("{}.{it}, which the schema requires, is missing", life.name)));
        let foreign = state.outputs.keys().filter(|it| ["id", "urn"].contains(&it.as_str()) || it.starts_with("__"));
        wrong.extend(foreign.map(|it| format!("{}.{it} is not for outputs", life.name)));
        walk(&state.outputs, &mut |path, value, _| {
            if value.is_null() || is_unknown(value) {
                wrong.push(format!("{}.{path} is {}", life.name, if value.is_null() { "null" } else { "unknown" }));
            }
        });
    }
    expect_none(wrong, "all required outputs, and no null, unknown, `id`, `urn` or `__…` among the outputs")
}

async fn hidden(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    let mut bare = Vec::new();
    for (life, state) in created {
        let texts = secrets(&life.checked);
        walk(&state.outputs, &mut |path, value, secret| {
            if value.as_str().is_some_and(|it| !secret && texts.contains(it)) {
                bare.push(format!("{}.{path} shows a secret input", life.name));
            }
        });
        let marked = run.resource(&life.name)?.outputs().filter(|(_, it)| it.is_secret());
        let shown = marked.filter(|(name, _)| state.outputs.get(*name).is_some_and(|it| !is_secret(it)));
        bare.extend(shown.map(|(name, _)| format!("{}.{name} is secret in the schema, and is not", life.name)));
        for inputs in [all_secret(&life.checked), each_secret(&life.checked)] {
            let foreseen = client.create(life.subject.create(&inputs, true)).await?.into_inner();
            let foreseen = bared(&inputs, &from_struct(foreseen.properties.as_ref()));
            bare.extend(foreseen.into_iter().map(|it| format!("{}.{it} in a preview", life.name)));
            let updated = client.update(life.subject.update(state, &life.checked, &inputs, false)).await?.into_inner();
            let updated = bared(&inputs, &from_struct(updated.properties.as_ref()));
            bare.extend(updated.into_iter().map(|it| format!("{}.{it} once it exists", life.name)));
        }
    }
    expect_none(bare, "outputs that are as secret as the inputs of the same name, at every depth")
}

async fn keeps_half_made(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Pending).await?;
    let status = pending(&mut stage).await?;
    let made = half_made(&status, &stage.subject.name)?;
    expect(!made.id.is_empty(), "the id of what exists", "an empty one")?;
    let indented = |it: &String| it.lines().skip(1).all(|it| it.starts_with([' ', '\t']));
    let odd = made.reasons.iter().filter(|it| it.trim().is_empty() || !indented(it));
    expect_none(
        odd.map(|it| format!("{it:?}")),
        "reasons whose further lines are indented, for the engine indents only the first",
    )?;
    expect(!made.reasons.is_empty(), "at least one reason, as the engine shows nothing else", "none")?;
    let required: Vec<_> = stage.entry.required_inputs().collect();
    let missing = missing_inputs(stage.entry, &stage.checked, &made.outputs).filter(|it| required.contains(it));
    expect_none(missing, "every required input among the properties, which become the state; missing")?;
    expect(!made.outputs.is_empty(), "properties, which become the state", "none")?;
    let mut wrong = Vec::new();
    walk(&made.outputs, &mut |path, value, _| {
        if value.is_null() || is_unknown(value) {
            wrong.push(path.to_owned());
        }
    });
    expect_none(wrong, "properties without nulls and unknowns, since they become the state; there are")
}

async fn well_formed_details(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Pending).await?;
    let status = pending(&mut stage).await?;
    half_made(&status, &stage.subject.name)?;
    expect_well_formed(&status)
}

async fn keeps_nothing(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Refused).await?;
    let status = refused(&mut stage).await?;
    let kept = InitFailed::of(&status)?;
    expect(
        kept.is_none(),
        "an error without ErrorResourceInitFailed, as the cloud made nothing",
        format!("one with the id {:?}", kept.as_ref().map(|it| &it.id)),
    )?;
    stage.expect_said(status.message())
}

async fn limits(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Pending).await?;
    let status = pending(&mut stage).await?;
    let made = half_made(&status, &stage.subject.name)?;
    let reasons = made.reasons.join("\n");
    let expected = "a reason that names what was waited for, by its id or name";
    let named = [&made.id, &stage.subject.name].iter().any(|it| reasons.contains(it.as_str()));
    expect(named || !stage.scene.says.is_empty(), expected, &reasons)?;
    stage.expect_said(&reasons)?;
    let mut stage = Stage::set(run, Situation::Pending).await?;
    let creating = stage.begin_create().await;
    sleep(Duration::from_secs(2)).await;
    let ended = creating.is_finished();
    stage.end();
    let answer = stage.ended(creating, Duration::from_mins(1), "Create to end once nothing is wrong").await?;
    expect(!ended, "Create with timeout 0 to wait as long as the provider's own default", "an end within 2 s")?;
    answer?;
    Ok(())
}

async fn makes_once(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Lost).await?;
    if stage.entry.json.get("listInputs").is_none() {
        return not_applicable(format!("{} cannot be listed, so nothing shows how many there are", stage.entry.token));
    }
    let before = listed(&stage).await?;
    stage.begin();
    let first = stage.create(60.0).await?;
    stage.end();
    // By another process, as if the first one had ended with its answer.
    let again = stage.made().await;
    let new: Vec<_> = listed(&stage).await?.into_iter().filter(|it| !before.contains(it)).collect();
    for id in &new {
        if !again.iter().chain(&first).any(|it| it.id == *id) {
            stage.keep(State { id: id.clone(), outputs: Map::new() });
        }
    }
    if let (Err(_), Err(Stop::Failed { seen, .. })) = (&first, &again) {
        return failed("Create, repeated, to take over what it has made before", seen);
    }
    let name = &stage.subject.name;
    expect(new.len() == 1, format!("one {name} after Create, its answer lost, and Create again"), new.join(", "))
}

async fn listed(stage: &Stage<'_>) -> Outcome<Vec<String>> {
    let request = rpc::ListRequest {
        token: stage.entry.token.to_owned(),
        query: Some(prost_types::Struct::default()),
        ..Default::default()
    };
    Ok(all_pages(&mut stage.healthy(), request).await?.into_iter().map(|it| it.id).collect())
}

async fn foresees_stable(run: &Run) -> Outcome {
    let mut vague = Vec::new();
    for (life, state, change) in changes(run).await? {
        let unchanged = |name: &str| life.checked.get(name).is_some() && life.checked.get(name) == change.news.get(name);
        let holds_id = |value: &serde_json::Value| value.as_str().is_some_and(|it| it.contains(&state.id));
        for (name, value) in &state.outputs {
            let stable = unchanged(name) || holds_id(value) && change.outputs.get(name) == Some(value);
            let foreseen = change.foreseen.get(name);
            if stable && foreseen.map(plain) != Some(plain(value)) {
                let seen = foreseen.map_or("missing", |it| if is_unknown(it) { "unknown" } else { "another" });
                vague.push(format!("{}.{name} is {seen}", life.name));
            }
        }
    }
    expect_none(vague, "Update(preview) to tell outputs that cannot change: unchanged inputs, and what holds the id")
}

async fn keeps_id(run: &Run) -> Outcome {
    let mut wrong = Vec::new();
    for (life, state, change) in changes(run).await? {
        if change.found.id != state.id {
            wrong.push(format!("Read of {} finds {:?} after Update", state.id, change.found.id));
        }
        let found = from_struct(change.found.properties.as_ref());
        let changed = change.news.keys().filter(|it| life.checked.get(*it) != change.news.get(*it));
        let secretive = &run.options.samples.resources[&life.name].write_only;
        for name in changed.filter(|it| !secretive.contains(it) && found.contains_key(*it)) {
            if found.get(name).map(plain) == life.checked.get(name).map(plain) {
                wrong.push(format!("{}.{name} is as before Update", life.name));
            }
        }
    }
    expect_none(wrong, "the id from Create to be that of the updated resource")
}

async fn waits_again(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Pending).await?;
    let status = pending(&mut stage).await?;
    let made = State::from(half_made(&status, &stage.subject.name)?);
    let same = stage.checked.clone();
    let again = stage.update(&made, &same, 2.0).await?;
    let name = stage.subject.name.clone();
    half_made(&refusal(again, &format!("Update of {name}, which still is not ready,"))?, &name)?;
    stage.end();
    let done = stage.update(&made, &same, 60.0).await?;
    let done =
        done.or_else(|status| failed(format!("Update of {name}, now that it becomes ready, to succeed"), status.message()))?;
    let missing = stage.entry.required().filter(|it| !done.outputs.contains_key(*it));
    expect_none(missing, "all required outputs after that Update; missing")
}

/// Makes the resource of the situation `HalfUpdated`, and half of the change.
async fn half_updated(stage: &mut Stage<'_>) -> Outcome<(State, Map, InitFailed)> {
    let healthy = stage.made().await?;
    let news = stage.news().await?;
    stage.begin();
    let answer = stage.update(&healthy, &news, 60.0).await?;
    let status = refusal(answer, &format!("Update of {}", stage.subject.name))?;
    let made = half_made(&status, &stage.subject.name)?;
    stage.end();
    Ok((healthy, news, made))
}

/// What there is of the resource, which may still be busy with what was made of a change.
async fn live(stage: &Stage<'_>, known: &State, inputs: &Map) -> Outcome<rpc::ReadResponse> {
    match stage.healthy().read(stage.subject.refresh(known, inputs)).await {
        Ok(it) => Ok(it.into_inner()),
        Err(status) => {
            let found = half_made(&status, &stage.subject.name)?;
            let (properties, inputs) = (Some(to_struct(&found.outputs)), found.inputs.as_ref().map(to_struct));
            Ok(rpc::ReadResponse { id: found.id, properties, inputs, ..Default::default() })
        }
    }
}

async fn tells_half_done(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::HalfUpdated).await?;
    let (before, news, told) = half_updated(&mut stage).await?;
    expect(told.id == before.id, format!("the id {:?} as ever", before.id), &told.id)?;
    let after = State::from(told);
    let live = live(&stage, &after, &stage.checked).await?;
    let outputs = plain_map(&from_struct(live.properties.as_ref()));
    let wrong = differences(&outputs, &plain_map(&after.outputs)).into_iter().filter(|it| !it.new.is_null());
    expect_none(wrong, "the properties of the error to be what Read finds right afterwards")?;
    let made = differences(&plain_map(&before.outputs), &outputs);
    expect(!made.is_empty(), "a change of which half is made, as the situation has it", "nothing made of it")?;
    let rest = drift(&mut stage.healthy(), &stage.subject, &news, &live).await?;
    expect(!rest.is_empty(), "a change of which half is made, as the situation has it", "all of it made")
}

async fn does_the_rest(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::HalfUpdated).await?;
    let (before, news, told) = half_updated(&mut stage).await?;
    let after = State { id: before.id, outputs: told.outputs };
    let done = stage.update(&after, &news, 60.0).await?;
    let done = done.or_else(|status| failed("Update, repeated, to succeed", status.message()))?;
    let live = live(&stage, &done, &news).await?;
    let rest = drift(&mut stage.healthy(), &stage.subject, &news, &live).await?;
    expect_none(rest, "nothing left to do after the second Update; there still differ")
}

async fn deletes_absent(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    lives.end().await;
    let mut client = lives.provider.client.clone();
    let mut wrong = Vec::new();
    for (life, state) in created.into_iter().rev() {
        if let Err(status) = client.delete(life.subject.delete(state, &life.checked)).await {
            wrong.push(format!("{}: {}", life.name, status.message()));
        }
    }
    expect_none(wrong, "Delete of what is gone to succeed")
}

async fn deletes_wholly(run: &Run) -> Outcome {
    let (lives, _) = created(run).await?;
    let mut left = Vec::new();
    for ended in lives.end().await {
        match (&ended.bare, &ended.left) {
            (Ok(()), Ok(it)) if !it.id.is_empty() => left.push(ended.name.clone()),
            (Ok(()), Err(Stop::Failed { seen, .. })) => left.push(format!("{}: {seen}", ended.name)),
            _ => {}
        }
    }
    expect_none(left, "Read to find nothing once Delete has returned; there still are")?;
    for situation in [Situation::Deleting, Situation::Undeletable] {
        if run.scene(situation).is_ok() {
            fails_to_delete(Stage::set(run, situation).await?, situation).await?;
        }
    }
    Ok(())
}

async fn fails_to_delete(mut stage: Stage<'_>, situation: Situation) -> Outcome {
    let healthy = stage.made().await?;
    stage.begin();
    let seconds = if situation == Situation::Deleting { 2.0 } else { 60.0 };
    let answer = stage.delete(&healthy, seconds).await?;
    let status = refusal(answer, &format!("Delete of {} in the situation {situation:?}", stage.subject.name))?;
    stage.expect_said(status.message())?;
    stage.end();
    let again = stage.delete(&healthy, 60.0).await?;
    again.or_else(|status| failed(format!("Delete, repeated after {situation:?}, to succeed"), status.message()))?;
    let left = stage.healthy().read(stage.subject.import(&healthy.id)).await?.into_inner();
    expect(left.id.is_empty(), format!("nothing of {} after Delete", stage.subject.name), left.id)
}

async fn deletes_bare(run: &Run) -> Outcome {
    let (lives, _) = created(run).await?;
    let refused = lives.end().await.iter().filter_map(|it| match &it.bare {
        Err(Stop::Failed { seen, .. }) => Some(format!("{}: {seen}", it.name)),
        _ => None,
    });
    expect_none(refused, "Delete without old inputs to succeed, as for a resource of an older state")
}

async fn explains(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Denied).await?;
    if stage.scene.says.is_empty() {
        return not_applicable("the samples do not tell what the error in the situation Denied has to say (`says`)");
    }
    let status = refused(&mut stage).await?;
    stage.expect_said(status.message())?;
    let sent = crate::schema::as_sent(&run.settings(stage.provider.cloud.as_ref()), run.schema()?.settings());
    let environment = run.options.samples.provider.environment.iter();
    let keys = environment.filter(|(name, it)| it.len() > 3 && (name.contains("SECRET") || name.contains("TOKEN")));
    let shown = secrets(&sent).into_iter().chain(keys.map(|(_, it)| it.clone())).filter(|it| status.message().contains(it));
    expect(shown.count() == 0, "no credentials in an error", "a secret setting in it")
}

async fn tries_again(run: &Run) -> Outcome {
    let (throttled, denied) = (run.scene(Situation::Throttled), run.scene(Situation::Denied));
    if let (Err(stop), Err(_)) = (&throttled, &denied) {
        return Err(stop.clone());
    }
    if throttled.is_ok() {
        outlasts(Stage::set(run, Situation::Throttled).await?).await?;
    }
    if denied.is_ok() {
        gives_in(Stage::set(run, Situation::Denied).await?).await?;
    }
    Ok(())
}

async fn outlasts(mut stage: Stage<'_>) -> Outcome {
    stage.begin();
    let answer = stage.create(60.0).await?;
    answer.or_else(|status| failed("Create to try again what was throttled a few times", status.message()))?;
    let spread = stage.asked().iter().filter_map(|(_, times)| Some(*times.last()? - *times.first()?)).max().unwrap_or_default();
    let (expected, seen) = ("pauses between the attempts: 50 ms in all at least", format!("{spread:?} from first to last"));
    expect(spread >= Duration::from_millis(50), expected, seen)
}

async fn gives_in(mut stage: Stage<'_>) -> Outcome {
    refused(&mut stage).await?;
    let tried: Vec<_> = stage.asked().into_iter().map(|(answer, times)| (times.len(), answer.request)).collect();
    expect(tried.iter().any(|(times, _)| *times > 0), "the request that is denied", "none like it")?;
    let again = tried.iter().filter(|(times, _)| *times > 1);
    expect_none(again.map(|(times, request)| format!("{times} × {request}")), "what is denied, asked once")
}

async fn clear_codes(run: &Run) -> Outcome {
    let mut vague = Vec::new();
    let mut seen = 0;
    for situation in [Situation::Refused, Situation::Denied] {
        if run.scene(situation).is_ok() {
            let mut stage = Stage::set(run, situation).await?;
            let status = refused(&mut stage).await?;
            vague.extend(doubtful(&status).then(|| format!("{:?} in the situation {situation:?}", status.code())));
            seen += 1;
        }
    }
    let mut client = run.lives().await?.provider.client.clone();
    for life in &run.lives().await?.all {
        if let Some(id) = &run.options.samples.resources[&life.name].malformed_id
            && let Err(status) = client.read(life.subject.import(id)).await
        {
            vague.extend(doubtful(&status).then(|| format!("{:?} for a malformed id of {}", status.code(), life.name)));
            seen += 1;
        }
    }
    if seen == 0 {
        return not_applicable("the samples tell of no refusal: neither Refused, nor Denied, nor a malformed id");
    }
    expect_none(vague, "a code by which the engine knows that nothing happened (not Internal, Unknown or DataLoss)")
}

fn doubtful(status: &Status) -> bool {
    matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss)
}
