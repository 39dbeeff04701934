//! E. Diff: what differs, how, and what does not.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{
    check::{all_secret, with_nulls},
    probe::{Question, Subject, check_all, diff_all, shown, subjects},
};
use crate::{
    item::{Item, Outcome, expect, expect_none, not_applicable},
    life::State,
    rpc::{
        self,
        diff_response::DiffChanges,
        property_diff::Kind::{self, Add, AddReplace, Delete, DeleteReplace, Update, UpdateReplace},
    },
    run::Run,
    schema::Spec,
    value::{ASSET, Map, SIGNATURE, UNKNOWNS, from_struct, is_unknown, key_path, overlay, plain_map, unknown},
    vary::{Place, Step, another, at, is_file, steps, with},
};

pub(super) const ITEMS: &[Item] = &[
    Item { number: 74, title: "without a change there is no difference", check: |run| Box::pin(unchanged(run)) },
    Item { number: 75, title: "a change of any input is a difference at its path", check: |run| Box::pin(every_input(run)) },
    Item {
        number: 76,
        title: "inputs that cannot change replace the resource, all others never do",
        check: |run| Box::pin(replacing(run)),
    },
    Item { number: 77, title: "a property that comes or goes is added or deleted", check: |run| Box::pin(added_or_deleted(run)) },
    Item {
        number: 78,
        title: "diffs has the properties of detailedDiff, each once, and so has replaces",
        check: |run| Box::pin(diffs_and_details(run)),
    },
    Item { number: 79, title: "every path of a difference can be read, whatever keys it has", check: |run| Box::pin(paths(run)) },
    Item {
        number: 80,
        title: "a preview finds the old and the new value of every difference",
        check: |run| Box::pin(values_shown(run)),
    },
    Item { number: 81, title: "whether a value is secret is no difference", check: |run| Box::pin(secret_or_not(run)) },
    Item {
        number: 82,
        title: "another way to write the same is no difference, nor is null for what is absent",
        check: |run| Box::pin(same_otherwise(run)),
    },
    Item { number: 83, title: "a default that is written out is no difference", check: |run| Box::pin(written_defaults(run)) },
    Item {
        number: 84,
        title: "what is not known yet is an update, or a replacement",
        check: |run| Box::pin(unknown_is_update(run)),
    },
    Item { number: 85, title: "Diff takes what is not known yet anywhere", check: |run| Box::pin(unknown_anywhere(run)) },
    Item { number: 86, title: "ignoreChanges hides drift: plain paths, nested ones, [*]", check: |run| Box::pin(ignored(run)) },
    Item { number: 87, title: "assets are compared by their hashes", check: |run| Box::pin(assets(run)) },
    Item { number: 88, title: "Diff does not call the cloud", check: |run| Box::pin(no_calls(run)) },
    Item { number: 89, title: "Diff takes an old state with keys that nobody knows", check: |run| Box::pin(old_state(run)) },
    Item {
        number: 90,
        title: "what shares a name with its replacement has to go first, and nothing else",
        check: |run| Box::pin(deletes_first(run)),
    },
    Item { number: 91, title: "drift is a difference at its path and nowhere else", check: |run| Box::pin(drift(run)) },
    Item { number: 92, title: "Diff takes a state that lacks outputs", check: |run| Box::pin(missing_outputs(run)) },
];

/// A difference that Diff was asked for.
struct Change<'a> {
    place: Place<'a>,
    /// Whether the schema says that it replaces the resource.
    replaces: bool,
    /// As Check made them, without marks.
    old: Map,
    new: Map,
    state: State,
}

type Asked<'a> = (Question<rpc::DiffRequest, Change<'a>>, rpc::DiffResponse);

/// Diff of a change of each input in turn: of each property, and of each value within.
async fn changes<'a>(run: &Run, subjects: &[Subject<'a>]) -> Outcome<Vec<Asked<'a>>> {
    let mut questions = Vec::new();
    for subject in subjects {
        for place in changing(run, subject) {
            let old = plain_map(&subject.life.checked);
            let new = with(&old, &place.steps, changed(&place));
            let change = Change { replaces: replaces(subject, &place), old, new: new.clone(), state: subject.state(), place };
            questions.push(subject.diff(format!("with another {}", change.place.path), &new).judged_by(change));
        }
    }
    diff_all(run, questions).await
}

/// The inputs whose change makes a difference: those that Check returns at any depth, and those that are absent.
fn changing<'a>(run: &Run, subject: &Subject<'a>) -> Vec<Place<'a>> {
    let idle = &run.options.samples.resources[&subject.life.name].no_difference;
    subject.checked_places().into_iter().filter(|it| !idle.contains(&wildcards(&it.steps))).collect()
}

/// The path with `[*]` for every index.
fn wildcards(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => key_path(&path, key),
        Step::Index(_) => format!("{path}[*]"),
    })
}

fn changed(place: &Place<'_>) -> Json {
    let old = Some(&place.value).filter(|it| !it.is_null());
    match (place.spec, &place.value) {
        (Some(spec), _) => another(spec, old),
        // Within a document, say.
        (None, Json::Bool(it)) => json!(!it),
        (None, Json::Number(it)) => json!(it.as_f64().unwrap_or_default() + 1.0),
        (None, Json::String(it)) => json!(format!("{it}-conformance")),
        (None, _) => json!({ "conformance": true }),
    }
}

/// Whether the schema says so of the property or of what it is in.
fn replaces(subject: &Subject<'_>, place: &Place<'_>) -> bool {
    let mut spec = subject.entry.input(place.top());
    let mut replaces = spec.is_some_and(Spec::replaces);
    for step in &place.steps[1..] {
        spec = spec.and_then(|it| match step {
            Step::Key(key) => it.properties().find(|(name, _)| name == key).map(|(_, it)| it).or_else(|| it.element()),
            Step::Index(_) => it.element(),
        });
        replaces |= spec.is_some_and(Spec::replaces);
    }
    replaces
}

fn is_replacing(kind: Kind) -> bool {
    matches!(kind, AddReplace | DeleteReplace | UpdateReplace)
}

/// What Diff answered, in short.
fn seen(answer: &rpc::DiffResponse) -> String {
    let mut details: Vec<_> =
        answer.detailed_diff.iter().map(|(path, it)| format!("{} {path}", it.kind().as_str_name())).collect();
    details.sort();
    match (answer.changes(), details.is_empty()) {
        (changes, true) => changes.as_str_name().to_owned(),
        (DiffChanges::DiffSome, false) => details.join(", "),
        (changes, false) => format!("{} with {}", changes.as_str_name(), details.join(", ")),
    }
}

/// What is wrong with a difference, if it is to be one at `place` only: Diff may tell of it by what the place is in, or by
/// what is in it, but a plain value of the first level has no other path than its own.
fn misplaced(place: &Place<'_>, answer: &rpc::DiffResponse) -> Option<String> {
    // An item that changes may be another item: anything within its list may be about it.
    let list = place.steps.iter().position(|it| matches!(it, Step::Index(_)));
    let about = &place.steps[..list.unwrap_or(place.steps.len())];
    let holds_others = place.value.is_array() || place.value.is_object();
    let right = |path: &str, kind: Kind| {
        let Some(path) = steps(path) else { return false };
        let near = if path.len() > about.len() { path.starts_with(about) } else { about.starts_with(&path) };
        let kinds = if place.value.is_null() { [Add, AddReplace] } else { [Update, UpdateReplace] };
        near && (holds_others || list.is_some() || kinds.contains(&kind))
    };
    let one = answer.detailed_diff.len() == 1 || holds_others || list.is_some();
    let all_right = answer.detailed_diff.iter().all(|(path, it)| right(path, it.kind()));
    let differs = answer.changes() == DiffChanges::DiffSome && answer.has_detailed_diff && !answer.detailed_diff.is_empty();
    (!(differs && one && all_right)).then(|| seen(answer))
}

/// Asks for differences where there is to be none.
async fn no_differences(run: &Run, questions: Vec<Question<rpc::DiffRequest>>, why: &str) -> Outcome {
    let answers = diff_all(run, questions).await?.into_iter();
    let differ =
        answers.filter(|(_, it)| it.changes() != DiffChanges::DiffNone || !it.detailed_diff.is_empty() || !it.diffs.is_empty());
    expect_none(differ.map(|(question, it)| format!("{}: {}", question.about, seen(&it))), why)
}

async fn unchanged(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let questions = subjects.iter().map(|it| it.diff("", &it.life.checked)).collect();
    let mut wrong = Vec::new();
    for (question, answer) in diff_all(run, questions).await? {
        let lists = [answer.diffs.len(), answer.replaces.len(), answer.detailed_diff.len()];
        if answer.changes() != DiffChanges::DiffNone || lists != [0; 3] {
            wrong.push(format!("{}: {}", question.about, seen(&answer)));
        } else if !answer.has_detailed_diff {
            wrong.push(format!("{}: hasDetailedDiff is not set", question.about));
        }
    }
    expect_none(wrong, "DIFF_NONE with empty lists and hasDetailedDiff")
}

async fn every_input(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let wrong = changes(run, &subjects).await?.into_iter().filter_map(|(question, answer)| {
        let place = &question.by.place;
        Some(format!(
            "{}, {} for {}: {}",
            question.about,
            shown(&changed(place)),
            shown(&place.value),
            misplaced(place, &answer)?
        ))
    });
    expect_none(wrong, "a difference at the path of what changed, and nowhere else")
}

async fn replacing(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut wrong = Vec::new();
    let declared = run.schema()?.resources().any(|it| it.inputs().any(|(_, it)| it.replaces()));
    let asked = if declared { changes(run, &subjects).await? } else { Vec::new() };
    for (question, answer) in asked.iter().filter(|(_, it)| it.changes() == DiffChanges::DiffSome) {
        let top = question.by.place.top();
        let kinds = answer.detailed_diff.values().map(rpc::PropertyDiff::kind);
        let replacing: Vec<_> = kinds.map(is_replacing).collect();
        let listed = answer.replaces.iter().any(|it| it == top);
        let about = format!("{}: {}, replaces: [{}]", question.about, seen(answer), answer.replaces.join(", "));
        if question.by.replaces && !(listed && replacing.contains(&true)) {
            wrong.push(format!("{about}, though the schema says that it replaces the resource"));
        } else if !question.by.replaces && (listed || replacing.contains(&true)) {
            wrong.push(format!("{about}, though the schema does not say that it replaces the resource"));
        }
    }
    let mut looked = asked.len();
    for (question, answer) in sample_changes(run, &subjects).await? {
        let replaces = !answer.replaces.is_empty() || answer.detailed_diff.values().any(|it| is_replacing(it.kind()));
        looked += 1;
        if replaces != question.by {
            wrong.push(format!("{}: {}, replaces: [{}]", question.about, seen(&answer), answer.replaces.join(", ")));
        }
    }
    if looked == 0 {
        return not_applicable(
            "neither the schema (`willReplaceOnChanges`) nor the samples (`replaces`) tell what replaces a resource",
        );
    }
    expect_none(wrong, "*_REPLACE and `replaces` for what cannot change in place, and only for that")
}

/// Diff of the changes that the samples tell, as Check returns them, and whether they are to replace the resource.
async fn sample_changes(
    run: &Run,
    subjects: &[Subject<'_>],
) -> Outcome<Vec<(Question<rpc::DiffRequest, bool>, rpc::DiffResponse)>> {
    let mut changes = Vec::new();
    for subject in subjects {
        let sample = &run.options.samples.resources[&subject.life.name];
        for (changed, replaces) in [(&sample.updates, false), (&sample.replaces, true)] {
            if !changed.is_empty() {
                let names: Vec<_> = changed.keys().map(String::as_str).collect();
                changes.push((subject, format!("with the sample's other {}", names.join(", ")), changed, replaces));
            }
        }
    }
    let mut questions = Vec::new();
    for (subject, what, changed, replaces) in changes {
        let checked = rechecked(run, subject, changed).await?;
        questions.push(subject.diff(what, &checked).judged_by(replaces));
    }
    diff_all(run, questions).await
}

/// What Check makes of changed inputs of a resource that lives.
async fn rechecked(run: &Run, subject: &Subject<'_>, changes: &Map) -> Outcome<Map> {
    let changes = run.lives().await?.fill_in(changes)?;
    let inputs = subject.sent(&overlay(&subject.inputs, &changes));
    let question = subject.ask("with a change of the samples", subject.life.subject.check(&subject.life.checked, &inputs));
    let mut answers = check_all(run, vec![question]).await?;
    let Some((question, checked)) = answers.pop() else { return Ok(Map::new()) };
    expect(checked.failures.is_empty(), format!("Check to take {}", question.about), checked.told())?;
    Ok(checked.inputs)
}

async fn added_or_deleted(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut wrong = Vec::new();
    for (question, answer) in changes(run, &subjects).await? {
        let place = &question.by.place;
        let top_only = place.steps.len() == 1 && place.value.is_null();
        let kinds = || {
            answer.detailed_diff.iter().filter(|(path, _)| steps(path).as_ref() == Some(&place.steps)).map(|(_, it)| it.kind())
        };
        if top_only && kinds().any(|it| !matches!(it, Add | AddReplace)) {
            wrong.push(format!("{}, where there was none: {}", question.about, seen(&answer)));
        }
    }
    let mut checks = Vec::new();
    for subject in &subjects {
        let required: Vec<_> = subject.entry.required_inputs().chain(subject.entry.required()).collect();
        // What the schema requires of outputs is there without an input as well: leaving it out leaves it alone.
        let optional = subject
            .entry
            .inputs()
            .filter(|(name, it)| subject.inputs.contains_key(*name) && !required.contains(name) && it.default().is_none());
        for (name, _) in optional {
            let inputs = subject.sent(&with(&subject.inputs, &[Step::Key(name.to_owned())], Json::Null));
            let request = subject.life.subject.check(&subject.life.checked, &inputs);
            checks.push(subject.ask(format!("without its {name}"), request).judged_by((subject, name)));
        }
    }
    let answers = check_all(run, checks).await?.into_iter();
    let gone = answers.filter(|(question, checked)| checked.failures.is_empty() && !checked.inputs.contains_key(question.by.1));
    let questions = gone.map(|(question, checked)| {
        let (subject, name) = question.by;
        subject.diff(format!("without its {name}"), &checked.inputs).judged_by((subject, name, checked.inputs))
    });
    let mut client = run.lives().await?.provider.client.clone();
    for (question, answer) in diff_all(run, questions.collect()).await? {
        let (subject, name, checked) = &question.by;
        let detail = answer.detailed_diff.get(&key_path("", name));
        if detail.is_some_and(|it| matches!(it.kind(), Delete | DeleteReplace)) && answer.detailed_diff.len() == 1 {
            continue;
        }
        // What the cloud decides where the program does not may stay as it is.
        let preview = client.create(subject.life.subject.create(checked, true)).await?.into_inner();
        let open = from_struct(preview.properties.as_ref()).get(*name).is_some_and(is_unknown);
        if !open || answer.changes() != DiffChanges::DiffNone {
            wrong.push(format!("{}: {}", question.about, seen(&answer)));
        }
    }
    expect_none(wrong, "ADD for a property that comes, DELETE for one that goes")
}

async fn diffs_and_details(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut wrong = Vec::new();
    for (question, answer) in changes(run, &subjects).await? {
        let tops: BTreeSet<_> = answer.detailed_diff.keys().filter_map(|it| Some(top_of(&steps(it)?))).collect();
        let (diffs, replaces): (BTreeSet<_>, BTreeSet<_>) =
            (answer.diffs.iter().cloned().collect(), answer.replaces.iter().cloned().collect());
        let lists = format!("diffs: [{}], replaces: [{}]", answer.diffs.join(", "), answer.replaces.join(", "));
        if diffs != tops {
            wrong.push(format!("{}: {lists}, where detailedDiff has {}", question.about, seen(&answer)));
        } else if diffs.len() != answer.diffs.len() || replaces.len() != answer.replaces.len() {
            wrong.push(format!("{}: {lists}, some twice", question.about));
        } else if !replaces.is_subset(&diffs) {
            wrong.push(format!("{}: {lists}, some replace that do not differ", question.about));
        }
    }
    expect_none(wrong, "`diffs` with each property of detailedDiff once, and `replaces` with some of them")
}

fn top_of(steps: &[Step]) -> String {
    match steps.first() {
        Some(Step::Key(name)) => name.clone(),
        _ => String::new(),
    }
}

/// Keys of maps that are no plain names.
const KEYS: [&str; 5] = ["with.dot", "with [brackets]", "with \"quotes\"", "0", "a/b-c"];

async fn paths(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut wrong = Vec::new();
    for (question, answer) in changes(run, &subjects).await? {
        let bad = answer.detailed_diff.keys().filter(|it| steps(it).is_none());
        wrong.extend(bad.map(|it| format!("{}: {it}", question.about)));
    }
    let mut questions = Vec::new();
    for subject in &subjects {
        let maps = subject.entry.inputs().filter(|(_, it)| it.kind() == Some("object") && it.properties().next().is_none());
        for (name, element) in maps.filter_map(|(name, it)| Some((name, it.element()?))) {
            for key in KEYS {
                let steps = [Step::Key(name.to_owned()), Step::Key(key.to_owned())];
                let mut new = plain_map(&subject.life.checked);
                new.entry(name).or_insert_with(|| json!({}));
                let new = with(&new, &steps, another(element, at(&new, &steps)));
                questions.push(subject.diff(format!("with {key:?} in {name}"), &new).judged_by(steps));
            }
        }
    }
    for (question, answer) in diff_all(run, questions).await? {
        let paths: Vec<_> = answer.detailed_diff.keys().map(|it| steps(it)).collect();
        // The property itself is a path of it as well.
        let right = |it: &Option<Vec<Step>>| it.as_ref().is_some_and(|it| *it == question.by || *it == question.by[..1]);
        if paths.is_empty() || !paths.iter().all(right) {
            wrong.push(format!("{}: {}", question.about, seen(&answer)));
        }
    }
    expect_none(wrong, "property paths, with keys that are no plain names as [\"key\"]")
}

async fn values_shown(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut wrong = Vec::new();
    for (question, answer) in changes(run, &subjects).await? {
        let Change { old, new, state, .. } = &question.by;
        let outputs = plain_map(&state.outputs);
        for (path, detail) in &answer.detailed_diff {
            // The engine looks there for what it shows.
            let before = if detail.input_diff { old } else { &outputs };
            let Some(steps) = steps(path) else { continue };
            let (had, has) = (at(before, &steps), at(new, &steps));
            let which = if detail.input_diff { "inputs" } else { "outputs, for inputDiff is not set" };
            match detail.kind() {
                Update | UpdateReplace | Delete | DeleteReplace if had.is_none() => {
                    wrong.push(format!("{}: {path} is not in the old {which}", question.about));
                }
                Add | AddReplace | Update | UpdateReplace if has.is_none() => {
                    wrong.push(format!("{}: {path} is not in the new inputs", question.about));
                }
                _ if !detail.input_diff && at(&outputs, &steps) == at(new, &steps) => {
                    wrong.push(format!("{}: {path} is the same in the outputs, and inputDiff is not set", question.about));
                }
                _ if !detail.input_diff && at(&outputs, &steps) == at(old, &steps) => {
                    wrong.push(format!("{}: {path} is a difference of inputs, and inputDiff is not set", question.about));
                }
                _ => {}
            }
        }
    }
    expect_none(wrong, "old and new values at the paths of detailedDiff, with inputDiff where inputs differ")
}

async fn secret_or_not(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let bare = plain_map(&subject.life.checked);
        let marked: Map = bare.iter().map(|(name, it)| (name.clone(), all_secret(it))).collect();
        let state = subject.state();
        for (what, old, new) in [("with everything secret", &bare, &marked), ("with nothing secret any more", &marked, &bare)] {
            questions.push(subject.ask(what, subject.life.subject.diff(&state, old, new)));
        }
    }
    no_differences(run, questions, "no difference, where the same value is secret or is not any more").await
}

async fn same_otherwise(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let (checked, state) = (&subject.life.checked, subject.state());
        let nulls = with_nulls(checked, &subject.entry.inputs().collect::<Vec<_>>());
        questions.push(subject.ask("with nulls", subject.life.subject.diff(&state, checked, &nulls)));
        questions.push(subject.ask("without its nulls", subject.life.subject.diff(&state, &nulls, checked)));
        for same in &run.options.samples.resources[&subject.life.name].same {
            let names: Vec<_> = same.keys().map(String::as_str).collect();
            let new = rechecked(run, subject, same).await?;
            questions.push(subject.diff(format!("with {} written otherwise (`same`)", names.join(", ")), &new));
        }
    }
    no_differences(run, questions, "no difference, where null is written for what is absent, or the same otherwise").await
}

async fn written_defaults(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let defaults = subject.entry.inputs().filter_map(|(name, it)| Some((name.to_owned(), it.default()?.clone())));
        let defaults: Map = defaults.filter(|(name, _)| !subject.inputs.contains_key(name)).collect();
        if defaults.is_empty() {
            continue;
        }
        let new = rechecked(run, subject, &defaults).await?;
        questions.push(subject.diff("with its defaults written out", &new));
        // An import, or an older version, has none in the inputs.
        let mut without = subject.life.checked.clone();
        without.retain(|name, _| !defaults.contains_key(name));
        let request = subject.life.subject.diff(&subject.state(), &without, &new);
        questions.push(subject.ask("with defaults that its state lacks", request));
    }
    if questions.is_empty() {
        return not_applicable("no resource with samples has a default in the schema");
    }
    no_differences(run, questions, "no difference, where defaults are written out").await
}

async fn unknown_is_update(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let declared = run.schema()?.resources().any(|it| it.inputs().any(|(_, it)| it.replaces()));
    let mut questions = Vec::new();
    let mut sentinels = UNKNOWNS.iter().cycle();
    for subject in &subjects {
        for place in changing(run, subject).into_iter().filter(|it| it.steps.len() == 1) {
            let sentinel = sentinels.next().copied().unwrap_or_default();
            let new = with(&plain_map(&subject.life.checked), &place.steps, json!(sentinel));
            let replaces = replaces(subject, &place);
            questions.push(subject.diff(format!("with {} unknown", place.path), &new).judged_by((place, replaces)));
        }
    }
    let mut wrong = Vec::new();
    for (question, answer) in diff_all(run, questions).await? {
        let (place, replaces) = &question.by;
        let Some(detail) = answer.detailed_diff.get(&place.path).filter(|_| answer.detailed_diff.len() == 1) else {
            wrong.push(format!("{}: {}", question.about, seen(&answer)));
            continue;
        };
        let allowed = if place.value.is_null() { [Add, AddReplace] } else { [Update, UpdateReplace] };
        let right = allowed.contains(&detail.kind()) && (!declared || is_replacing(detail.kind()) == *replaces);
        if !right || answer.changes() != DiffChanges::DiffSome {
            wrong.push(format!("{}: {}", question.about, seen(&answer)));
        }
    }
    expect_none(wrong, "UPDATE for what is not known yet, or UPDATE_REPLACE if it cannot change in place")
}

async fn unknown_anywhere(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let checked = plain_map(&subject.life.checked);
        for place in changing(run, subject).into_iter().filter(|it| !it.value.is_null()) {
            questions.push(subject.diff(format!("with {} unknown", place.path), &with(&checked, &place.steps, unknown())));
        }
        for sentinel in UNKNOWNS {
            let all = subject.entry.inputs().map(|(name, _)| (name.to_owned(), json!(sentinel))).collect();
            questions.push(subject.diff(format!("with all unknown, as {sentinel}"), &all));
        }
    }
    let none = diff_all(run, questions).await?.into_iter().filter(|(_, it)| it.changes() != DiffChanges::DiffSome);
    expect_none(none.map(|(question, it)| format!("{}: {}", question.about, seen(&it))), "DIFF_SOME for what is not known yet")
}

/// A refresh that found something else in the cloud: the state is new, and what the program says is old.
fn drifted(subject: &Subject<'_>, place: &Place<'_>) -> rpc::DiffRequest {
    let drift = |map: &Map| with(&plain_map(map), &place.steps, changed(place));
    let state = subject.state();
    let shown = at(&plain_map(&state.outputs), &place.steps).is_some();
    let live = State { outputs: if shown { drift(&state.outputs) } else { state.outputs.clone() }, ..state };
    subject.life.subject.diff(&live, &subject.sent(&drift(&subject.life.checked)), &subject.life.checked)
}

async fn ignored(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        for place in changing(run, subject).into_iter().filter(|it| !it.value.is_null()) {
            questions.push(subject.ask(format!("with drift of {}", place.path), drifted(subject, &place)));
        }
    }
    let mut hidden = Vec::new();
    for (question, answer) in diff_all(run, questions).await? {
        let paths: Vec<_> = answer.detailed_diff.keys().cloned().collect();
        let steps: Vec<_> = paths.iter().filter_map(|it| steps(it)).collect();
        for (ignored, how) in [
            (paths, "its path"),
            (steps.iter().map(|it| wildcards(it)).collect(), "its path with [*]"),
            (steps.iter().map(|it| top_of(it)).collect(), "its property"),
        ] {
            let request = rpc::DiffRequest { ignore_changes: ignored, ..question.request.clone() };
            let about = format!("{} that ignores {how}", question.about);
            hidden.push(Question { about, request, by: () });
        }
    }
    no_differences(run, hidden, "no difference from drift that ignoreChanges leaves alone").await
}

async fn assets(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let asset = |hash: &str, text: Option<&str>| {
        let mut asset = json!({ SIGNATURE: ASSET, "hash": hash.repeat(64) });
        if let Some(text) = text {
            asset["text"] = json!(text);
        }
        asset
    };
    let mut questions = Vec::new();
    for subject in &subjects {
        let state = subject.state();
        for (name, _) in subject.entry.inputs().filter(|(_, it)| is_file(*it)) {
            let with_asset = |value: Json| with(&subject.life.checked, &[Step::Key(name.to_owned())], value);
            let full = with_asset(asset("a", Some("text")));
            for (what, old, differs) in [("the same", asset("a", None), false), ("another", asset("b", None), true)] {
                let request = subject.life.subject.diff(&state, &with_asset(old), &full);
                questions.push(subject.ask(format!("with {what} hash of {name}"), request).judged_by(differs));
            }
        }
    }
    if questions.is_empty() {
        return not_applicable("no resource with samples has an asset among its inputs");
    }
    let wrong = diff_all(run, questions).await?.into_iter();
    let wrong = wrong.filter(|(question, it)| (it.changes() == DiffChanges::DiffSome) != question.by);
    expect_none(wrong.map(|(question, it)| format!("{}: {}", question.about, seen(&it))), "assets to differ if their hashes do")
}

async fn no_calls(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut provider = run.configured().await?;
    let Some(mut before) = provider.calls() else {
        return not_applicable("the provider has no cloud that could count its calls (`--cloud`)");
    };
    let mut calling = Vec::new();
    for subject in &subjects {
        for place in changing(run, subject) {
            let new = with(&plain_map(&subject.life.checked), &place.steps, changed(&place));
            let question = subject.diff(format!("with another {}", place.path), &new);
            // Whether Diff answers well is another item's question.
            _ = provider.client.diff(question.request).await;
            if provider.calls() > Some(before) {
                calling.push(question.about);
                break;
            }
        }
        before = provider.calls().unwrap_or_default();
    }
    expect_none(calling, "Diff without a call to the cloud")
}

async fn old_state(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let (mut same, mut any) = (Vec::new(), Vec::new());
    for subject in &subjects {
        let (checked, state) = (&subject.life.checked, subject.state());
        let extra = json!({ "__defaults": ["x"], "__conformance": { "a": 1 } });
        let extra = extra.as_object().cloned().unwrap_or_default();
        let outputs = overlay(&overlay(&state.outputs, &extra), &Map::from_iter([("conformanceOutput".to_owned(), json!([1]))]));
        let old = State { outputs, ..state.clone() };
        let request = subject.life.subject.diff(&old, &overlay(checked, &extra), checked);
        same.push(subject.ask("with an old state that has keys nobody knows", request));
        // An older version may have had other properties, and the same ones of another type.
        let mut shapes = vec![("conformanceInput".to_owned(), json!("x"))];
        shapes.extend(subject.entry.inputs().map(|(name, it)| {
            (name.to_owned(), if matches!(it.kind(), Some("array" | "object")) { json!("x") } else { json!([{ "x": 1 }]) })
        }));
        for (name, value) in shapes {
            let older = |map: &Map| overlay(map, &Map::from_iter([(name.clone(), value.clone())]));
            let old = State { outputs: older(&state.outputs), ..state.clone() };
            let request = subject.life.subject.diff(&old, &older(checked), checked);
            any.push(subject.ask(format!("with an old state in which {name} was of another type"), request));
        }
    }
    no_differences(run, same, "no difference because of keys that nobody knows in the old state").await?;
    diff_all(run, any).await.map(drop)
}

async fn deletes_first(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut wrong = Vec::new();
    let mut questions = Vec::new();
    for subject in &subjects {
        let sample = &run.options.samples.resources[&subject.life.name];
        if !sample.replaces.is_empty() {
            let new = rechecked(run, subject, &sample.replaces).await?;
            questions.push(subject.diff("with its `replaces`", &new).judged_by(sample.deletes_first));
        }
    }
    if questions.is_empty() {
        return not_applicable("the samples have no change that makes a new resource (`replaces`)");
    }
    for (question, answer) in diff_all(run, questions).await? {
        if answer.delete_before_replace != question.by {
            wrong.push(format!("{}: deleteBeforeReplace is {}", question.about, answer.delete_before_replace));
        }
    }
    expect_none(wrong, "deleteBeforeReplace where `deletesFirst` of the sample says so, and nowhere else")
}

async fn drift(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        for place in changing(run, subject).into_iter().filter(|it| !it.value.is_null()) {
            questions.push(subject.ask(format!("with drift of {}", place.path), drifted(subject, &place)).judged_by(place));
        }
    }
    let wrong = diff_all(run, questions)
        .await?
        .into_iter()
        .filter_map(|(question, answer)| Some(format!("{}: {}", question.about, misplaced(&question.by, &answer)?)));
    expect_none(wrong, "a difference at the path of what drifted, and nowhere else")
}

async fn missing_outputs(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let (mut same, mut changed_ones) = (Vec::new(), Vec::new());
    for subject in &subjects {
        let (checked, state) = (&subject.life.checked, subject.state());
        for (what, outputs) in [("without outputs", Map::new()), ("with its inputs as outputs", checked.clone())] {
            let state = State { outputs, ..state.clone() };
            same.push(subject.ask(what, subject.life.subject.diff(&state, checked, checked)));
            let Some(place) = changing(run, subject).into_iter().find(|it| it.steps.len() == 1 && !it.value.is_null()) else {
                continue;
            };
            let new = with(&plain_map(checked), &place.steps, changed(&place));
            let request = subject.life.subject.diff(&state, checked, &subject.sent(&new));
            changed_ones.push(subject.ask(format!("{what} and with another {}", place.path), request).judged_by(place));
        }
    }
    no_differences(run, same, "no difference because outputs are missing").await?;
    let wrong = diff_all(run, changed_ones)
        .await?
        .into_iter()
        .filter_map(|(question, answer)| Some(format!("{}: {}", question.about, misplaced(&question.by, &answer)?)));
    expect_none(wrong, "the difference of the inputs, though outputs are missing")
}
