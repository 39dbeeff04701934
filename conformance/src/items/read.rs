//! G. Read, in a refresh and in an import; List; Invoke.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tonic::{Response, Status};

use super::life::{changes, created};
use crate::{
    detail::InitFailed,
    item::{Item, Outcome, expect, expect_none, failed, not_applicable},
    life::{Life, State, Subject},
    provider::Client,
    rpc::{self, diff_response::DiffChanges, list_response},
    run::Run,
    samples::Situation,
    schema::Spec,
    stage::Stage,
    value::{
        Map, all_secret, bared, differences, each_secret, from_struct, is_secret, key_path, plain, secrets, to_struct, unknowns,
        walk,
    },
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 115,
        title: "Read of what is gone finds nothing: no id, no properties, no inputs, no error",
        check: |run| Box::pin(finds_nothing(run)),
    },
    Item {
        number: 116,
        title: "Read by the id alone returns inputs that Check takes and Diff finds unchanged",
        check: |run| Box::pin(imports(run)),
    },
    Item {
        number: 117,
        title: "an id of the wrong form is an error that tells the right one",
        check: |run| Box::pin(refuses_id(run)),
    },
    Item {
        number: 118,
        title: "imported inputs are as few as may be, and mean what the program says",
        check: |run| Box::pin(imports_little(run)),
    },
    Item { number: 119, title: "a refresh without drift changes nothing", check: |run| Box::pin(refreshes(run)) },
    Item { number: 120, title: "a refresh keeps secrets secret", check: |run| Box::pin(refreshes_secrets(run)) },
    Item { number: 121, title: "a refresh tells exactly the inputs that were changed", check: |run| Box::pin(finds_drift(run)) },
    Item {
        number: 122,
        title: "a refresh of what is of no use tells so, and keeps it",
        check: |run| Box::pin(finds_unhealthy(run)),
    },
    Item { number: 123, title: "Read works for `get`; what is denied is not gone", check: |run| Box::pin(gets(run)) },
    Item { number: 124, title: "List finds what Read can import, page by page", check: |run| Box::pin(lists(run)) },
    Item {
        number: 125,
        title: "Invoke answers in previews too, tells what is wrong, and hides secrets",
        check: |run| Box::pin(invokes(run)),
    },
];

async fn finds_nothing(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    lives.end().await;
    let mut client = lives.provider.client.clone();
    let mut wrong = Vec::new();
    for (life, state) in created {
        let import = life.subject.import(&state.id);
        let get =
            rpc::ReadRequest { properties: Some(to_struct(&Map::new())), inputs: Some(to_struct(&Map::new())), ..import.clone() };
        for (how, request) in [("a refresh", life.subject.refresh(state, &life.checked)), ("an import", import), ("`get`", get)] {
            match client.read(request).await.map(Response::into_inner) {
                Err(status) => wrong.push(format!("{} in {how}: {}", life.name, status.message())),
                Ok(it) if !it.id.is_empty() => wrong.push(format!("{} in {how}: the id {:?}", life.name, it.id)),
                Ok(it) if it.properties.is_some() || it.inputs.is_some() => {
                    wrong.push(format!(
                        "{} in {how}: no id, yet properties or inputs, which make an import take it for found",
                        life.name
                    ));
                }
                Ok(_) => {}
            }
        }
    }
    expect_none(wrong, "an answer without anything in it, not even empty properties")
}

/// What an import finds.
struct Imported<'a> {
    life: &'a Life,
    state: State,
    inputs: Map,
    client: Client,
}

async fn imported(run: &Run) -> Outcome<Vec<Imported<'_>>> {
    let (lives, created) = created(run).await?;
    let mut all = Vec::new();
    for (life, state) in created {
        let mut client = lives.provider.client.clone();
        let found = client.read(life.subject.import(&state.id)).await?.into_inner();
        let expected = format!("id, properties and inputs from Read of {} by its id", life.name);
        let (Some(properties), Some(inputs)) = (&found.properties, &found.inputs) else {
            return failed(expected, format!("the id {:?}, and no properties or no inputs", found.id));
        };
        expect(!found.id.is_empty(), expected, "no id")?;
        let outputs = from_struct(Some(properties));
        all.push(Imported { life, state: State { id: found.id, outputs }, inputs: from_struct(Some(inputs)), client });
    }
    Ok(all)
}

/// The paths that Diff finds changed, as deep down as it tells.
async fn changed(client: &mut Client, request: rpc::DiffRequest) -> Outcome<BTreeSet<String>> {
    let diff = client.diff(request).await?.into_inner();
    if !diff.detailed_diff.is_empty() {
        return Ok(diff.detailed_diff.into_keys().collect());
    }
    let mut paths: BTreeSet<_> = diff.diffs.iter().chain(&diff.replaces).cloned().collect();
    if paths.is_empty() && diff.changes() != DiffChanges::DiffNone {
        paths.insert(format!("something ({})", diff.changes().as_str_name()));
    }
    Ok(paths)
}

async fn imports(run: &Run) -> Outcome {
    let mut wrong = Vec::new();
    for mut it in imported(run).await? {
        // What no import can tell is for the user to add.
        let write_only = &run.options.samples.resources[&it.life.name].write_only;
        let mut inputs = it.inputs.clone();
        inputs.extend(
            it.life.checked.iter().filter(|(name, _)| write_only.contains(name)).map(|(name, it)| (name.clone(), it.clone())),
        );
        let checked = it.life.subject.checked(&mut it.client, &inputs, &inputs).await?;
        let paths = changed(&mut it.client, it.life.subject.diff(&it.state, &it.inputs, &checked)).await?;
        wrong.extend(told(&it, &checked, paths, write_only));
    }
    expect_none(wrong, "Diff to find no change after an import")
}

/// What an import tells otherwise than these inputs.
fn told(it: &Imported<'_>, inputs: &Map, paths: BTreeSet<String>, write_only: &[String]) -> Vec<String> {
    let differences = differences(&it.inputs, inputs);
    let shown = |path: String| match differences.iter().find(|it| it.path == path) {
        Some(found) => format!("{}.{found} in the program", it.life.name),
        None => format!("{}.{path} differs", it.life.name),
    };
    let readable = |path: &String| !write_only.iter().any(|it| path.starts_with(it.as_str()));
    paths.into_iter().filter(readable).map(shown).collect()
}

async fn refuses_id(run: &Run) -> Outcome {
    let mut client = run.lives().await?.provider.client.clone();
    let mut asked = 0;
    let mut wrong = Vec::new();
    for (name, sample, entry) in run.samples()? {
        let Some(id) = sample.malformed_id.as_ref().filter(|_| !sample.id_format.is_empty()) else { continue };
        asked += 1;
        match client.read(Subject::new(entry.token, &name.to_lowercase()).import(id)).await {
            Ok(_) => wrong.push(format!("{name} looks for {id:?}, as if it could exist")),
            Err(status) if status.message().contains(&sample.id_format) => {}
            Err(status) => wrong.push(format!("{name} does not say {:?} of {id:?}: {}", sample.id_format, status.message())),
        }
    }
    if asked == 0 {
        return not_applicable("no sample tells of an id of the wrong form and of the right one (`malformedId`, `idFormat`)");
    }
    expect_none(wrong, "Read to refuse an id of the wrong form, and to tell the right one")
}

async fn imports_little(run: &Run) -> Outcome {
    let mut wrong = Vec::new();
    for mut it in imported(run).await? {
        let entry = run.resource(&it.life.name)?;
        let required: Vec<_> = entry.required_inputs().collect();
        for (name, spec) in entry.inputs().filter(|(name, _)| !required.contains(name)) {
            if let Some(value) = it.inputs.get(name) {
                superfluous(name, value, spec, &mut |path, why| wrong.push(format!("{}.{path} {why}", it.life.name)));
            }
        }
        let write_only = &run.options.samples.resources[&it.life.name].write_only;
        let request = it.life.subject.diff(&it.state, &it.inputs, &it.life.checked);
        let paths = changed(&mut it.client, request).await?;
        wrong.extend(told(&it, &it.life.checked, paths, write_only));
    }
    expect_none(wrong, "imported inputs without defaults and empty values, which mean what the program means")
}

/// Tells every value that says no more than its absence would.
fn superfluous(path: &str, value: &Json, spec: Spec<'_>, tell: &mut impl FnMut(&str, &str)) {
    match value {
        Json::Null => tell(path, "is null"),
        Json::Array(items) if items.is_empty() => tell(path, "is empty"),
        Json::Object(map) if map.is_empty() => tell(path, "is empty"),
        _ if spec.default() == Some(value) => tell(path, "is the default"),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                members(&format!("{path}[{index}]"), item, spec.element(), tell);
            }
        }
        _ => members(path, value, Some(spec), tell),
    }
}

fn members(path: &str, value: &Json, spec: Option<Spec<'_>>, tell: &mut impl FnMut(&str, &str)) {
    let Some(spec) = spec else { return };
    let required = spec.resolve().json["required"].as_array().cloned().unwrap_or_default();
    for (name, spec) in spec.properties().filter(|(name, _)| !required.contains(&json!(name))) {
        if let Some(value) = value.get(name) {
            superfluous(&key_path(path, name), value, spec, tell);
        }
    }
}

async fn refreshes(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    let mut wrong = Vec::new();
    for (life, state) in created {
        let read = client.read(life.subject.refresh(state, &life.checked)).await?.into_inner();
        expect(read.id == state.id, format!("the id of {} as it is, {:?}", life.name, state.id), &read.id)?;
        let [outputs, inputs] = [&read.properties, &read.inputs].map(|it| from_struct(it.as_ref()));
        let outputs_differ = differences(&state.outputs, &outputs).into_iter();
        wrong.extend(outputs_differ.map(|it| format!("the output {}.{it}", life.name)));
        let inputs_differ = differences(&life.checked, &inputs).into_iter();
        wrong.extend(inputs_differ.map(|it| format!("the input {}.{it}", life.name)));
        let refreshed = State { id: read.id, outputs };
        let paths = changed(&mut client, life.subject.diff(&refreshed, &inputs, &life.checked)).await?;
        wrong.extend(paths.into_iter().map(|it| format!("{}.{it} in the Diff afterwards", life.name)));
    }
    expect_none(wrong, "Read to return outputs and inputs exactly as they are in the state")
}

async fn refreshes_secrets(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    let mut bare = Vec::new();
    for (life, state) in created {
        for hide in [|it: &Map| it.clone(), all_secret, each_secret] {
            let inputs = hide(&life.checked);
            let mut outputs = state.outputs.clone();
            // As Create would have returned them.
            outputs.extend(
                inputs.iter().filter(|(name, _)| state.outputs.contains_key(*name)).map(|(name, it)| (name.clone(), it.clone())),
            );
            let state = State { id: state.id.clone(), outputs };
            let read = client.read(life.subject.refresh(&state, &inputs)).await?.into_inner();
            let shown = bared(&inputs, &from_struct(read.inputs.as_ref()));
            bare.extend(shown.into_iter().map(|it| format!("the input {}.{it}", life.name)));
            let shown = bared(&state.outputs, &from_struct(read.properties.as_ref()));
            bare.extend(shown.into_iter().map(|it| format!("the output {}.{it}", life.name)));
        }
    }
    expect_none(bare, "what is secret in the state to be secret after a refresh, at every depth")
}

async fn finds_drift(run: &Run) -> Outcome {
    if run.scene(Situation::Drifted).is_ok() {
        finds_played_drift(Stage::set(run, Situation::Drifted).await?).await?;
    }
    let changes = match changes(run).await {
        Ok(changes) => changes,
        Err(_) if run.scene(Situation::Drifted).is_ok() => return Ok(()),
        Err(stop) => return Err(stop),
    };
    let mut client = run.lives().await?.provider.client.clone();
    for (life, state, change) in changes {
        let write_only = &run.options.samples.resources[&life.name].write_only;
        let mut expected = changed(&mut client, life.subject.diff(state, &life.checked, &change.news)).await?;
        // Nobody can see that those have changed.
        expected.retain(|path| !write_only.iter().any(|it| path.starts_with(it.as_str())));
        let found = drift(&mut client, &life.subject, &life.checked, &change.refreshed).await?;
        is_in_inputs(&life.name, &expected, &life.checked, &change.refreshed)?;
        same_paths(&life.name, expected, found)?;
    }
    Ok(())
}

async fn finds_played_drift(mut stage: Stage<'_>) -> Outcome {
    let healthy = stage.made().await?;
    stage.begin();
    let read = stage.refresh(&healthy).await?;
    let found = drift(&mut stage.healthy(), &stage.subject, &stage.checked, &read).await?;
    let expected = stage.scene.paths.iter().cloned().collect();
    is_in_inputs(&stage.subject.name, &expected, &stage.checked, &read)?;
    same_paths(&stage.subject.name, expected, found)
}

/// Fails unless the inputs at these paths are others after a refresh: the state keeps them, whatever the next Diff says.
fn is_in_inputs(name: &str, paths: &BTreeSet<String>, wanted: &Map, read: &rpc::ReadResponse) -> Outcome {
    let inputs = from_struct(read.inputs.as_ref());
    let tops = paths.iter().map(|path| path.split(['.', '[']).next().unwrap_or_default());
    let same = tops.filter(|it| inputs.get(*it).map(plain) == wanted.get(*it).map(plain));
    expect_none(same, format!("the inputs from a refresh of {name} to be as somebody else has made them; as before are"))
}

/// What differs between what a refresh has found and what the program wants.
pub(super) async fn drift(
    client: &mut Client,
    subject: &Subject,
    wanted: &Map,
    read: &rpc::ReadResponse,
) -> Outcome<BTreeSet<String>> {
    let [outputs, inputs] = [&read.properties, &read.inputs].map(|it| from_struct(it.as_ref()));
    changed(client, subject.diff(&State { id: read.id.clone(), outputs }, &inputs, wanted)).await
}

fn same_paths(name: &str, expected: BTreeSet<String>, found: BTreeSet<String>) -> Outcome {
    // Which item of a list it is says little: a list may have become shorter, or have another order.
    let list = |path: String| path.split_once('[').filter(|it| !it.1.starts_with('"')).map_or(path.clone(), |it| it.0.to_owned());
    let [expected, found] = [expected, found].map(|it| it.into_iter().map(list).collect::<BTreeSet<_>>());
    let told = |paths: &BTreeSet<String>| paths.iter().cloned().collect::<Vec<_>>().join(", ");
    let expected_text = format!("a refresh of {name}, which somebody else has changed, to tell {}", told(&expected));
    expect(expected == found, expected_text, if found.is_empty() { "no change".to_owned() } else { told(&found) })
}

async fn finds_unhealthy(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Unhealthy).await?;
    let healthy = stage.made().await?;
    stage.begin();
    let expected = format!("ErrorResourceInitFailed from Read of {}, which is of no use", stage.subject.name);
    let status = match stage.refresh(&healthy).await {
        Ok(it) => return failed(expected, format!("success, with the id {:?}", it.id)),
        Err(status) => status,
    };
    let Some(found) = InitFailed::of(&status)? else { return failed(expected, status.message()) };
    expect(found.id == healthy.id, format!("the id {:?}", healthy.id), &found.id)?;
    expect(found.inputs.is_some_and(|it| !it.is_empty()), "inputs in the error, which the state keeps", "none")?;
    expect(!found.outputs.is_empty(), "properties in the error, which become the state", "none")?;
    expect(!found.reasons.is_empty(), "at least one reason, as the engine shows nothing else", "none")?;
    stage.expect_said(&found.reasons.join("\n"))
}

async fn gets(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    for (life, state) in created {
        let empty = Some(to_struct(&Map::new()));
        let request = rpc::ReadRequest { properties: empty.clone(), inputs: empty, ..life.subject.import(&state.id) };
        let read = client.read(request).await.map(Response::into_inner);
        let expected = format!("Read of {} with an empty state to find it", life.name);
        let read = read.or_else(|status| failed(expected, status.message()))?;
        let outputs = from_struct(read.properties.as_ref());
        let missing = run.resource(&life.name)?.required().filter(|it| !outputs.contains_key(*it));
        let missing: Vec<_> = if read.id.is_empty() { vec!["the resource"] } else { missing.collect() };
        expect_none(missing, format!("Read of {} with an empty state to find it, and all required outputs; missing", life.name))?;
    }
    if run.scene(Situation::Denied).is_ok() {
        denied_is_not_gone(Stage::set(run, Situation::Denied).await?).await?;
    }
    Ok(())
}

async fn denied_is_not_gone(mut stage: Stage<'_>) -> Outcome {
    let healthy = stage.made().await?;
    stage.begin();
    let answer = stage.refresh(&healthy).await;
    if stage.asked().iter().all(|(_, times)| times.is_empty()) {
        // Reading is allowed in this scene.
        return Ok(());
    }
    let seen = |it: &rpc::ReadResponse| if it.id.is_empty() { "a resource that is gone" } else { "a resource" };
    answer.map_or(Ok(()), |it| failed("an error from Read when the cloud denies it", seen(&it)))
}

/// Every result, of all pages.
pub(super) async fn all_pages(client: &mut Client, mut request: rpc::ListRequest) -> Outcome<Vec<list_response::Result>> {
    let mut all = Vec::new();
    loop {
        let page = page(client, request.clone()).await?;
        all.extend(page.results);
        if page.next.is_empty() {
            return Ok(all);
        }
        expect(page.next != request.continuation_token, "pages that go on", "the same continuation again")?;
        request.continuation_token = page.next;
    }
}

struct Page {
    results: Vec<list_response::Result>,
    /// Where the next one begins; empty if there is none.
    next: String,
}

async fn page(client: &mut Client, request: rpc::ListRequest) -> Outcome<Page> {
    use list_response::Response as Part;
    let mut stream = client.list(request).await?.into_inner();
    let (mut results, mut next) = (Vec::new(), None);
    while let Some(part) = stream.message().await? {
        expect(next.is_none(), "nothing after the continuation", "more")?;
        match part.response {
            Some(Part::Result(it)) => results.push(it),
            Some(Part::Continuation(it)) => next = Some(it.continuation_token),
            Some(Part::Computed(_)) => return failed("results, as the query is known", "`computed`"),
            None => return failed("results or a continuation", "an empty message"),
        }
    }
    Ok(Page { results, next: next.unwrap_or_default() })
}

async fn lists(run: &Run) -> Outcome {
    let (lives, created) = created(run).await?;
    let mut client = lives.provider.client.clone();
    let mut listed = 0;
    for (life, state) in created {
        let entry = run.resource(&life.name)?;
        if entry.json.get("listInputs").is_none() {
            continue;
        }
        listed += 1;
        let query = lives.fill_in(&run.options.samples.resources[&life.name].list)?;
        let request = rpc::ListRequest { token: entry.token.to_owned(), query: Some(to_struct(&query)), ..Default::default() };
        let all = all_pages(&mut client, request.clone()).await?;
        let ids: Vec<_> = all.iter().map(|it| it.id.as_str()).collect();
        expect(ids.contains(&state.id.as_str()), format!("List of {} to find {}", life.name, state.id), ids.join(", "))?;
        for id in ids.iter().take(5) {
            let read = client.read(life.subject.import(id)).await?.into_inner();
            expect(
                !read.id.is_empty(),
                format!("every id that List of {} finds to be readable", life.name),
                format!("{id} is not"),
            )?;
        }
        let few = page(&mut client, rpc::ListRequest { limit: 1, ..request.clone() }).await?.results.len();
        expect(few == 1, format!("one result from List of {} with limit 1", life.name), few)?;
        let small = rpc::ListRequest { page_size: 1, ..request };
        let first = page(&mut client, small.clone()).await?;
        expect(first.results.len() == 1, format!("one result in a page of {} of size 1", life.name), first.results.len())?;
        let more = if all.len() > 1 { "a continuation, as there is more" } else { "no continuation, as there is no more" };
        expect(
            first.next.is_empty() == (all.len() == 1),
            format!("{more}, after the first {}", life.name),
            format!("{:?}", first.next),
        )?;
        let paged = all_pages(&mut client, small).await?;
        let [mut all, mut paged] = [all, paged].map(|it| it.into_iter().map(|it| it.id).collect::<Vec<_>>());
        all.sort();
        paged.sort();
        expect(paged == all, format!("pages of size 1 to hold all {} of {}", all.len(), life.name), format!("{}", paged.len()))?;
    }
    if listed == 0 {
        return not_applicable("no resource of the samples has `listInputs` in the schema");
    }
    Ok(())
}

async fn invokes(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut client = lives.provider.client.clone();
    let package = run.schema()?.package();
    let token = format!("{package}:index:thereIsNoSuchFunction");
    let unknown = client.invoke(rpc::InvokeRequest { tok: token.clone(), ..Default::default() }).await;
    let Err(status) = unknown else {
        return failed(format!("an error for the function {token}, which does not exist"), "an answer");
    };
    expect(status.message().contains(&token), format!("an error that names the function {token}"), status.message())?;
    if run.schema()?.functions().next().is_none() {
        return not_applicable("the schema has no function");
    }
    if run.options.samples.functions.is_empty() {
        return not_applicable("there are no samples of functions");
    }
    for (name, sample) in &run.options.samples.functions {
        let Some(function) = run.schema()?.functions().find(|it| it.is_called(name)) else {
            return failed(format!("a function {name}, of which there is a sample"), "none in the schema");
        };
        let arguments = lives.fill_in(&sample.arguments)?;
        for (preview, arguments) in [(false, arguments.clone()), (true, arguments.clone()), (false, all_secret(&arguments))] {
            let result = invoke(&mut client, function.token, &arguments, preview).await?;
            let result = result.or_else(|failures| failed(format!("good arguments of {name}"), failures.join("; ")))?;
            let outputs = &function.json["outputs"];
            let required = outputs["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            expect_none(required.filter(|it| !result.contains_key(*it)), format!("all required results of {name}; missing"))?;
            expect_none(unknowns(&result), format!("results of {name} that are known; unknown"))?;
            let properties = outputs["properties"].as_object().into_iter().flatten();
            let marked = properties.filter(|(_, it)| it["secret"] == true).map(|(name, _)| name);
            let shown = marked.filter(|it| result.get(*it).is_some_and(|it| !is_secret(it)));
            expect_none(shown, format!("what the schema calls secret to be so in the results of {name}; not secret"))?;
            let texts = secrets(&arguments);
            let mut bare = Vec::new();
            walk(&result, &mut |path, value, secret| {
                if value.as_str().is_some_and(|it| !secret && texts.contains(it)) {
                    bare.push(path.to_owned());
                }
            });
            expect_none(bare, format!("secret arguments of {name} to be secret in the results; not secret"))?;
        }
        if let Some(invalid) = &sample.invalid {
            let answer = invoke(&mut client, function.token, invalid, false).await?;
            expect(answer.is_err(), format!("failures for bad arguments of {name}"), "a result")?;
        }
    }
    Ok(())
}

/// The result of a function, or what is wrong with its arguments.
async fn invoke(client: &mut Client, token: &str, arguments: &Map, preview: bool) -> Outcome<Result<Map, Vec<String>>> {
    let request = rpc::InvokeRequest { tok: token.to_owned(), args: Some(to_struct(arguments)), preview };
    let answer: Result<_, Status> = client.invoke(request).await.map(Response::into_inner);
    let answer = answer.or_else(|status| failed(format!("a result of {token}, or failures"), status.message()))?;
    if answer.failures.is_empty() {
        return Ok(Ok(from_struct(answer.r#return.as_ref())));
    }
    Ok(Err(answer.failures.iter().map(|it| format!("{} {}", it.property, it.reason)).collect()))
}
