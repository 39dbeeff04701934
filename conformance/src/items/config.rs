//! C. The provider's settings: how they are checked, compared and set.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::probe::{Checked, told};
use crate::{
    detail::detail,
    item::{Item, Outcome, expect, expect_none, failed, not_applicable},
    life::{SEED, Subject},
    provider::{Client, Provider},
    rpc::{
        self,
        diff_response::DiffChanges,
        property_diff::Kind::{AddReplace, DeleteReplace, UpdateReplace},
    },
    run::{Run, Special, urn},
    samples::Answer,
    schema::{Spec, as_sent},
    value::{Map, UNKNOWNS, from_struct, is_secret, is_unknown, overlay, plain, plain_map, secret, secrets, to_struct},
    vary::{Step, at, places, with},
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 35,
        title: "settings may come as text, as stack configuration brings them",
        check: |run| Box::pin(as_text(run)),
    },
    Item { number: 36, title: "the same settings may come in their own types", check: |run| Box::pin(in_own_types(run)) },
    Item { number: 37, title: "CheckConfig takes a version and returns it untouched", check: |run| Box::pin(version_kept(run)) },
    Item { number: 38, title: "CheckConfig never returns __internal", check: |run| Box::pin(nothing_internal(run)) },
    Item { number: 39, title: "CheckConfig returns settings in the form they came in", check: |run| Box::pin(form_kept(run)) },
    Item {
        number: 40,
        title: "a setting that is not known yet is no mistake, and stays so",
        check: |run| Box::pin(unknown_kept(run)),
    },
    Item {
        number: 41,
        title: "a setting that does not exist is always refused by its name, or always ignored",
        check: |run| Box::pin(no_such_setting(run)),
    },
    Item {
        number: 42,
        title: "what is told of a wrong secret setting does not show it",
        check: |run| Box::pin(secret_not_told(run)),
    },
    Item {
        number: 43,
        title: "CheckConfig fills in defaults, also from the environment; Configure can do without them",
        check: |run| Box::pin(defaults(run)),
    },
    Item {
        number: 44,
        title: "equal settings are no difference, whatever their form",
        check: |run| Box::pin(no_difference(run)),
    },
    Item {
        number: 45,
        title: "settings that make resources unreachable replace the provider or each of them, and nothing else",
        check: |run| Box::pin(replacing(run)),
    },
    Item {
        number: 46,
        title: "another version, credential or other setting never replaces the provider",
        check: |run| Box::pin(not_replacing(run)),
    },
    Item { number: 47, title: "DiffConfig works before Configure", check: |run| Box::pin(diff_before_configure(run)) },
    Item { number: 48, title: "Configure takes settings that are marked as secret", check: |run| Box::pin(all_secret(run)) },
    Item {
        number: 49,
        title: "a setting that is missing is told by ConfigureErrorMissingKeys",
        check: |run| Box::pin(missing_key(run)),
    },
    Item {
        number: 50,
        title: "Configure does not wait for the cloud, and previews work without one",
        check: |run| Box::pin(offline(run)),
    },
    Item {
        number: 51,
        title: "Configure takes a provider without a name, and with an id that is not known yet",
        check: |run| Box::pin(nameless(run)),
    },
    Item {
        number: 52,
        title: "resources asked for before Configure are refused with FAILED_PRECONDITION",
        check: |run| Box::pin(before_configure(run)),
    },
];

/// What the engine asks of settings, which it sends in plain text.
fn check_request(run: &Run, old: &Map, new: &Map) -> rpc::CheckRequest {
    rpc::CheckRequest {
        urn: run.provider_urn(),
        name: "default".to_owned(),
        r#type: run.provider_urn().split("::").nth(2).unwrap_or_default().to_owned(),
        olds: Some(to_struct(old)),
        news: Some(to_struct(new)),
        random_seed: SEED.to_vec(),
        ..Default::default()
    }
}

async fn check(run: &Run, client: &mut Client, settings: &Map) -> Outcome<Checked> {
    match client.check_config(check_request(run, &Map::new(), settings)).await {
        Ok(answer) => Ok(answer.into_inner().into()),
        Err(status) => {
            let names: Vec<_> = settings.keys().cloned().collect();
            failed(format!("CheckConfig of {} to answer", names.join(", ")), format!("{:?}: {}", status.code(), status.message()))
        }
    }
}

/// The settings as they came back; fails if there is a mistake in them.
async fn accepted(run: &Run, client: &mut Client, settings: &Map, what: &str) -> Outcome<Map> {
    let checked = check(run, client, settings).await?;
    expect(checked.failures.is_empty(), format!("CheckConfig to take {what}"), checked.told())?;
    Ok(checked.inputs)
}

async fn diff(run: &Run, client: &mut Client, old: &Map, new: &Map) -> Outcome<rpc::DiffResponse> {
    let request = rpc::DiffRequest {
        id: "0b1c5a0e-1f5e-4a9e-9f0f-5c8a8d1e7c11".to_owned(),
        urn: run.provider_urn(),
        name: "default".to_owned(),
        r#type: run.provider_urn().split("::").nth(2).unwrap_or_default().to_owned(),
        olds: Some(to_struct(old)),
        old_inputs: Some(to_struct(old)),
        news: Some(to_struct(new)),
        ..Default::default()
    };
    Ok(client.diff_config(request).await?.into_inner())
}

/// The settings of the samples, and the defaults of the schema, each in its own type.
fn settings(run: &Run, provider: &Provider) -> Outcome<Map> {
    let mut settings = run.settings(provider.cloud.as_ref());
    for (name, spec) in run.schema()?.settings() {
        if let Some(default) = spec.default() {
            settings.entry(name).or_insert_with(|| default.clone());
        }
    }
    if settings.is_empty() { not_applicable("the samples have no settings of the provider") } else { Ok(settings) }
}

/// As stack configuration has them: everything but text is JSON in text.
fn texts(settings: &Map) -> Map {
    settings.iter().map(|(name, it)| (name.clone(), if it.is_string() { it.clone() } else { json!(it.to_string()) })).collect()
}

async fn as_text(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = settings(run, &provider)?;
    let texts = texts(&settings);
    if texts == settings {
        return not_applicable("no setting is anything but text");
    }
    let checked = accepted(run, &mut provider.client, &texts, "settings as text").await?;
    configures(run, &mut provider.client, &checked, "settings as text").await
}

async fn in_own_types(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = settings(run, &provider)?;
    if texts(&settings) == settings {
        return not_applicable("no setting is anything but text");
    }
    let checked = accepted(run, &mut provider.client, &settings, "settings in their own types").await?;
    configures(run, &mut provider.client, &checked, "settings in their own types").await
}

async fn configures(run: &Run, client: &mut Client, settings: &Map, what: &str) -> Outcome {
    match run.configure(client, settings).await {
        Ok(_) => Ok(()),
        Err(status) => run.refused(&status, what),
    }
}

async fn version_kept(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let mut settings = run.settings(provider.cloud.as_ref());
    settings.insert("version".to_owned(), json!("7.8.9-conformance"));
    let checked = accepted(run, &mut provider.client, &settings, "a version beside the settings").await?;
    let seen = checked.get("version").map_or_else(|| "none".to_owned(), Json::to_string);
    expect(seen == "\"7.8.9-conformance\"", "CheckConfig to return version \"7.8.9-conformance\"", seen)?;
    configures(run, &mut provider.client, &settings, "a version beside the settings").await
}

async fn nothing_internal(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = run.settings(provider.cloud.as_ref());
    let mut old = settings.clone();
    old.insert("__internal".to_owned(), json!({}));
    let answer = provider.client.check_config(check_request(run, &old, &settings)).await?.into_inner();
    let checked = Checked::from(answer);
    expect_none(checked.inputs.keys().filter(|it| it.starts_with("__")), "no setting of the engine's own from CheckConfig")
}

async fn form_kept(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = settings(run, &provider)?;
    let mut changed = Vec::new();
    for form in [settings.clone(), texts(&settings)] {
        let checked = plain_map(&check(run, &mut provider.client, &form).await?.inputs);
        let differ = form.iter().filter(|(name, sent)| checked.get(*name) != Some(sent));
        changed.extend(differ.map(|(name, sent)| match checked.get(name) {
            Some(seen) if !is_marked(run, name) => format!("{name} went as {sent} and came back as {seen}"),
            Some(_) => format!("{name} came back otherwise"),
            None => format!("{name} did not come back"),
        }));
    }
    expect_none(changed, "every setting back from CheckConfig as it went there")
}

/// Whether the schema calls a setting secret.
fn is_marked(run: &Run, name: &str) -> bool {
    run.schema().is_ok_and(|it| it.settings().any(|(it, spec)| it == name && spec.is_secret()))
}

async fn unknown_kept(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = run.settings(provider.cloud.as_ref());
    let places = places(&settings, run.schema()?.settings());
    if places.is_empty() {
        return not_applicable("the samples have no settings of the provider");
    }
    let mut wrong = Vec::new();
    for place in places {
        for unknown in UNKNOWNS {
            let checked = check(run, &mut provider.client, &with(&settings, &place.steps, json!(unknown))).await?;
            if !checked.failures.is_empty() {
                wrong.push(format!("{} as {unknown} is refused: {}", place.path, checked.told()));
            } else if !at(&plain_map(&checked.inputs), &place.steps).is_some_and(is_unknown) {
                wrong.push(format!("{} as {unknown} comes back as something else", place.path));
            }
        }
    }
    expect_none(wrong, "CheckConfig to take and to return what is not known yet")
}

async fn no_such_setting(run: &Run) -> Outcome {
    const NAME: &str = "conformanceSetting";
    let mut provider = run.greeted().await?;
    let settings = run.settings(provider.cloud.as_ref());
    let mut outcomes = Vec::new();
    for value in [json!("x"), json!(""), json!({ "a": [1] }), json!(UNKNOWNS[0]), secret(&json!("x"))] {
        let with_it = overlay(&settings, &Map::from_iter([(NAME.to_owned(), value)]));
        let failures = check(run, &mut provider.client, &with_it).await?.failures;
        let named = failures.iter().all(|it| it.property.contains(NAME) || it.reason.contains(NAME));
        expect(named, format!("failures about {NAME} that name it"), told(&failures))?;
        outcomes.push(!failures.is_empty());
    }
    // Empty text is what a setting is that is not set.
    outcomes.remove(1);
    let same = outcomes.iter().all(|it| *it == outcomes[0]);
    expect(same, format!("{NAME} refused whatever its value, or never"), "it depends on the value")
}

async fn secret_not_told(run: &Run) -> Outcome {
    let invalid = &run.options.samples.provider.invalid_secret;
    let hidden = secrets(&as_sent(invalid, run.schema()?.settings()));
    if hidden.is_empty() {
        return not_applicable("the samples have no wrong secret setting (`provider.invalidSecret`)");
    }
    let mut provider = run.greeted().await?;
    let settings = overlay(&run.settings(provider.cloud.as_ref()), invalid);
    let checked = check(run, &mut provider.client, &settings).await?;
    expect(!checked.failures.is_empty(), "CheckConfig to refuse the wrong secret setting", "no failure")?;
    // The engine shows the value of whatever property a failure names.
    let tells = |it: &&rpc::CheckFailure| is_marked(run, &it.property) || hidden.iter().any(|text| it.reason.contains(text));
    let shown = checked.failures.iter().filter(tells).map(|it| match it.property.as_str() {
        "" => "a reason that holds the value".to_owned(),
        name => format!("a failure about {name}, whose value the engine would show"),
    });
    expect_none(shown, "failures with no property and no value in them")?;
    let refused = run.configure(&mut provider.client, &settings).await.err();
    let shown = refused.filter(|it| hidden.iter().any(|text| it.message().contains(text)));
    expect(shown.is_none(), "no secret in the error of Configure", "an error that holds it")
}

/// The settings that an environment variable stands in for, with that variable.
fn from_environment<'a>(run: &'a Run) -> Outcome<Vec<(&'a str, &'a str)>> {
    let sample = &run.options.samples.provider;
    let is_text = |name: &str| sample.config.get(name).is_some_and(Json::is_string);
    let in_samples = |name: &str| {
        let required = sample.required.as_deref() == Some(name);
        sample.required_environment.first().filter(|_| required).map(String::as_str)
    };
    let variable = |(name, spec): (&'a str, Spec<'a>)| Some((name, spec.environment().next().or_else(|| in_samples(name))?));
    Ok(run.schema()?.settings().filter(|(name, _)| is_text(name)).filter_map(variable).collect())
}

async fn defaults(run: &Run) -> Outcome {
    run.program()?;
    let config = &run.options.samples.provider.config;
    let in_schema: Vec<_> = run.schema()?.settings().filter_map(|(name, spec)| Some((name, spec.default()?.clone()))).collect();
    let in_environment = from_environment(run)?;
    if in_schema.is_empty() && in_environment.is_empty() {
        return not_applicable("no setting has a default in the schema, or from the environment");
    }
    let text = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
    let environment = in_environment.iter().map(|(name, variable)| ((*variable).to_owned(), text(name))).collect();
    let mut provider = run.greeted_in(Special { environment, ..Special::default() }).await?;
    let mut settings = run.settings(provider.cloud.as_ref());
    let mut expected = in_schema;
    expected.extend(in_environment.iter().map(|(name, _)| (*name, settings[*name].clone())));
    settings.retain(|name, _| !expected.iter().any(|(it, _)| it == name));
    let checked = accepted(run, &mut provider.client, &settings, "settings without those that have defaults").await?;
    configures(run, &mut provider.client, &settings, "settings without those that have defaults").await?;
    let missing = expected.iter().filter_map(|(name, value)| {
        let Some(seen) = checked.get(*name) else { return Some(format!("no {name}")) };
        let same = plain(seen) == *value || plain(seen).as_str() == Some(&value.to_string());
        match is_marked(run, name) {
            true if !is_secret(seen) => Some(format!("{name}, not marked as secret")),
            true if !same => Some(format!("another {name}")),
            false if !same => Some(format!("{} as {name}, not {value}", plain(seen))),
            _ => None,
        }
    });
    expect_none(missing, "CheckConfig to add each default")
}

/// The names of the settings that a difference would replace the provider for.
fn replaced(answer: &rpc::DiffResponse) -> Vec<&str> {
    let replaces = |it: &rpc::PropertyDiff| matches!(it.kind(), AddReplace | DeleteReplace | UpdateReplace);
    let detailed = answer.detailed_diff.iter().filter(|(_, it)| replaces(it)).map(|(path, _)| path.as_str());
    let mut names: Vec<_> = answer.replaces.iter().map(String::as_str).chain(detailed).collect();
    names.sort_unstable();
    names.dedup();
    names
}

async fn no_difference(run: &Run) -> Outcome {
    let mut provider = run.configured().await?;
    let settings = settings(run, &provider)?;
    let texts = texts(&settings);
    for (what, old, new) in [
        ("the same settings", &settings, &settings),
        ("settings as text that were in their own types", &settings, &texts),
        ("settings in their own types that were text", &texts, &settings),
    ] {
        let answer = diff(run, &mut provider.client, old, new).await?;
        let found = answer.diffs.iter().chain(answer.detailed_diff.keys()).chain(&answer.replaces);
        expect_none(found, format!("no difference between {what}"))?;
        expect(answer.changes() == DiffChanges::DiffNone, format!("DIFF_NONE for {what}"), answer.changes().as_str_name())?;
    }
    Ok(())
}

async fn replacing(run: &Run) -> Outcome {
    let sample = &run.options.samples.provider;
    if sample.replaces.is_empty() {
        return not_applicable("the samples have no settings that make resources unreachable (`provider.replaces`)");
    }
    let mut provider = run.configured().await?;
    let settings = run.settings(provider.cloud.as_ref());
    let new = overlay(&settings, &run.with_cloud(&sample.replaces, provider.cloud.as_ref()));
    let answer = diff(run, &mut provider.client, &settings, &new).await?;
    let mut names: Vec<_> = sample.replaces.keys().map(String::as_str).collect();
    names.sort_unstable();
    expect(
        answer.changes() == DiffChanges::DiffSome,
        format!("DIFF_SOME for {}", names.join(", ")),
        answer.changes().as_str_name(),
    )?;
    let replaced = replaced(&answer);
    if replaced.is_empty() {
        return replacing_each(run, &settings, &new).await;
    }
    let seen = if replaced.is_empty() { "nothing that replaces it".to_owned() } else { replaced.join(", ") };
    expect(replaced == names, format!("{} to replace the provider", names.join(", ")), seen)?;
    let mut listed: Vec<_> = answer.replaces.iter().map(String::as_str).collect();
    listed.sort_unstable();
    expect(listed == names, format!("{} in `replaces`", names.join(", ")), listed.join(", "))?;
    let shown = names.iter().filter(|name| answer.detailed_diff.get(**name).is_none_or(|it| it.kind() != UpdateReplace));
    expect_none(shown, "UPDATE_REPLACE in detailedDiff for each")
}

/// The gentler way: the provider stays, and every resource that has such a setting as an input of its own sees that it moves.
async fn replacing_each(run: &Run, old: &Map, new: &Map) -> Outcome {
    let mut moved = run.greeted().await?;
    run.configure(&mut moved.client, new).await?;
    let changed: Vec<_> = new.iter().filter(|(name, value)| old.get(*name) != Some(value)).map(|(name, _)| name).collect();
    let (mut seen, mut stay) = (false, Vec::new());
    for (life, state) in run.lives().await?.created() {
        let inputs = run.resource(&life.name)?;
        if !inputs.inputs().any(|(name, _)| changed.iter().any(|it| *it == name)) {
            continue;
        }
        seen = true;
        // Check may refuse to replace what holds data, which is as good.
        let checked = moved.client.check(life.subject.check(&life.checked, &life.inputs)).await?.into_inner();
        let refused =
            checked.failures.iter().any(|it| changed.iter().any(|name| it.property == **name || it.reason.contains(*name)));
        let news = from_struct(checked.inputs.as_ref());
        let answer = moved.client.diff(life.subject.diff(state, &life.checked, &news)).await?.into_inner();
        if !refused && replaced(&answer).is_empty() {
            stay.push(&life.name);
        }
    }
    let names = changed.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
    expect(seen, format!("{names} to replace the provider"), "nothing that replaces it")?;
    expect_none(stay, format!("another {names} to replace the provider or all resources that have it"))
}

async fn not_replacing(run: &Run) -> Outcome {
    let sample = &run.options.samples.provider;
    let mut provider = run.configured().await?;
    let settings = run.settings(provider.cloud.as_ref());
    let updates = run.with_cloud(&sample.updates, provider.cloud.as_ref());
    let mut changes: Vec<_> = updates.into_iter().collect();
    changes.push(("version".to_owned(), json!("7.8.9-conformance")));
    let credentials = run.schema()?.settings().filter(|(_, it)| it.is_secret());
    changes.extend(credentials.map(|(name, _)| (name.to_owned(), json!("conformance-credential"))));
    for (name, value) in changes {
        let answer = diff(run, &mut provider.client, &settings, &with(&settings, &[Step::Key(name.clone())], value)).await?;
        expect_none(replaced(&answer), format!("no replacement because of another {name}"))?;
    }
    Ok(())
}

async fn diff_before_configure(run: &Run) -> Outcome {
    run.program()?;
    let mut provider = run.greeted().await?;
    let settings = run.settings(provider.cloud.as_ref());
    let answer = diff(run, &mut provider.client, &settings, &settings).await?;
    expect(answer.changes() == DiffChanges::DiffNone, "DIFF_NONE for the same settings", answer.changes().as_str_name())
}

async fn all_secret(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = settings(run, &provider)?;
    let marked: Map = settings.iter().map(|(name, it)| (name.clone(), secret(it))).collect();
    configures(run, &mut provider.client, &marked, "settings that are secret, every one").await?;
    // They are understood if the cloud is still reached with them.
    let Ok(lives) = run.lives().await else { return Ok(()) };
    let Some((life, state)) = lives.created().next() else { return Ok(()) };
    let found = provider.client.read(life.subject.refresh(state, &life.checked)).await?.into_inner();
    expect(
        found.id == state.id,
        format!("Read to find {} with settings that are secret", life.name),
        format!("id {:?}", found.id),
    )
}

async fn missing_key(run: &Run) -> Outcome {
    run.program()?;
    let sample = &run.options.samples.provider;
    let Some(required) = &sample.required else {
        return not_applicable("no setting has to be there, as far as the samples tell (`provider.required`)");
    };
    // An empty value takes a variable away.
    let environment = sample.required_environment.iter().map(|it| (it.clone(), String::new())).collect();
    let mut provider = run.greeted_in(Special { environment, ..Special::default() }).await?;
    let mut settings = run.settings(provider.cloud.as_ref());
    settings.remove(required);
    let key = format!("{}:{required}", run.schema()?.package());
    let Err(status) = run.configure(&mut provider.client, &settings).await else {
        return failed(format!("Configure to refuse to go without {key}"), "success");
    };
    expect(status.code() == Code::InvalidArgument, "INVALID_ARGUMENT", format!("{:?}: {}", status.code(), status.message()))?;
    let Some(missing) = detail::<rpc::ConfigureErrorMissingKeys>(&status, "ConfigureErrorMissingKeys")? else {
        return failed("a detail ConfigureErrorMissingKeys", format!("none; the message is {}", status.message()));
    };
    let names: Vec<_> = missing.missing_keys.iter().map(|it| it.name.as_str()).collect();
    expect(names == [key.as_str()], format!("{key} among the missing keys"), names.join(", "))?;
    expect(missing.missing_keys.iter().all(|it| !it.description.is_empty()), "a description of it", "none")
}

async fn offline(run: &Run) -> Outcome {
    run.program()?;
    // It matches everything, and has no status.
    let silence = Answer::default();
    let mut provider = run.greeted_in(Special { answers: vec![silence], ..Special::default() }).await?;
    if provider.cloud.is_none() {
        return not_applicable("the provider has no cloud that could be silent (`--cloud`)");
    }
    let settings = run.settings(provider.cloud.as_ref());
    let started = Instant::now();
    let configured = timeout(Duration::from_secs(5), run.configure(&mut provider.client, &settings)).await;
    let Ok(configured) = configured else { return failed("Configure to answer while the cloud is silent", "none within 5 s") };
    configured?;
    let took = started.elapsed();
    expect(took < Duration::from_secs(1), "an answer of Configure within 1 s while the cloud is silent", format!("{took:?}"))?;
    let Ok(lives) = run.lives().await else { return Ok(()) };
    for life in &lives.all {
        let preview = provider.client.create(life.subject.create(&life.checked, true));
        let Ok(answer) = timeout(Duration::from_secs(5), preview).await else {
            return failed(format!("a preview of {} while the cloud is silent", life.name), "none within 5 s");
        };
        answer?;
    }
    Ok(())
}

async fn nameless(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    let settings = as_sent(&run.settings(provider.cloud.as_ref()), run.schema()?.settings());
    let mut request = run.configure_request(&settings);
    request.id = Some(UNKNOWNS[0].to_owned());
    request.name = Some(String::new());
    request.urn = Some(urn(request.r#type(), ""));
    match provider.client.configure(request).await {
        Ok(_) => Ok(()),
        Err(status) => run.refused(&status, "a provider without a name, whose id is not known yet"),
    }
}

async fn before_configure(run: &Run) -> Outcome {
    run.program()?;
    if run.schema()?.settings().next().is_none() {
        return not_applicable("the provider has no settings, so nothing is to be configured");
    }
    let lives = run.lives().await?;
    let mut provider = run.greeted().await?;
    // One that has not seen the others: two of the same inputs may be a mistake in one program.
    let checking = run.configured().await?;
    for life in &lives.all {
        // Another one: where it is made all the same, it is deleted again.
        let subject = Subject::new(&life.subject.token, &format!("early-{}", life.subject.name));
        let checked = subject.checked(&mut checking.client.clone(), &Map::new(), &life.inputs).await?;
        match provider.client.create(subject.create(&checked, false)).await {
            Err(status) => refused_early(&status, &format!("Create of {}", life.name))?,
            Ok(made) => {
                run.keep(&subject, &checked, made.into_inner().into());
                return failed(format!("Create of {} to be refused before Configure", life.name), "it was created");
            }
        }
    }
    for (life, state) in lives.created() {
        match provider.client.read(life.subject.refresh(state, &life.checked)).await {
            Err(status) => refused_early(&status, &format!("Read of {}", life.name))?,
            Ok(_) => return failed(format!("Read of {} to be refused before Configure", life.name), "an answer"),
        }
    }
    Ok(())
}

fn refused_early(status: &Status, what: &str) -> Outcome {
    let seen = format!("{:?}: {}", status.code(), status.message());
    expect(status.code() == Code::FailedPrecondition, format!("FAILED_PRECONDITION for {what} before Configure"), seen)
}
