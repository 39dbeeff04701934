//! J. Other engines, old states, and the ways in which Pulumi finds a provider.

use std::time::Duration;

use prost::Message;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::{
    cli::{Alone, Cli, alone, flags, plugin_folder},
    engine::{Engine, Manner},
    item::{Item, Outcome, answered, expect, expect_none, failed, if_applicable, not_applicable},
    life::State,
    provider::Provider,
    rpc,
    run::{Run, Special, greet, handshake_request},
    value::{Map, from_struct, to_struct},
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 144,
        title: "old engines begin with Configure, and tell no id, URN and name",
        check: |run| Box::pin(no_handshake(run)),
    },
    Item { number: 145, title: "fields of later engines are passed over", check: |run| Box::pin(unknown_fields(run)) },
    Item {
        number: 146,
        title: "a state that knows less than this version replaces nothing",
        check: |run| Box::pin(older_state(run)),
    },
    Item {
        number: 147,
        title: "it serves one engine after another that attaches to it",
        check: |run| Box::pin(attached_twice(run)),
    },
    Item {
        number: 148,
        title: "Pulumi finds it on PATH, among the plugins, and by `plugins:` and `packages:`",
        check: |run| Box::pin(found(run)),
    },
    Item { number: 149, title: "`pulumi do` creates, reads, changes, lists and deletes", check: |run| Box::pin(pulumi_do(run)) },
    Item { number: 150, title: "`up --plan` does what the preview foretold, names included", check: |run| Box::pin(plan(run)) },
];

async fn no_handshake(run: &Run) -> Outcome {
    // With the engine's address, and without, as tests start it.
    for arguments in [None, Some(Vec::new())] {
        let mut provider = run.start(Special { arguments, ..Special::default() }).await?;
        provider.client.get_plugin_info(()).await?;
        let settings = run.settings(provider.cloud.as_ref());
        let old = rpc::ConfigureRequest { id: None, urn: None, name: None, r#type: None, ..run.configure_request(&settings) };
        answered(provider.client.configure(old).await, "Configure without Handshake, and without id, URN, name and type")?;
        converse(run, &provider).await?;
    }
    Ok(())
}

/// Asks what an engine asks in an `up` without changes.
async fn converse(run: &Run, provider: &Provider) -> Outcome {
    let mut client = provider.client.clone();
    let Some(lives) = if_applicable(run.lives().await)? else { return Ok(()) };
    for life in &lives.all {
        let news = life.subject.checked(&mut client, &life.checked, &life.inputs).await?;
        answered(client.create(life.subject.create(&news, true)).await, format!("a preview of {}", life.name))?;
        if let Ok(state) = &life.state {
            answered(client.diff(life.subject.diff(state, &life.checked, &news)).await, format!("Diff of {}", life.name))?;
            let read = client.read(life.subject.refresh(state, &life.checked)).await;
            let read = answered(read, format!("Read of {}", life.name))?.into_inner();
            expect(!read.id.is_empty(), format!("{} to be found", life.name), "it is gone")?;
        }
    }
    Ok(())
}

/// Fields that no engine sends yet: `CheckRequest.old_outputs` and later ones, of every kind.
fn with_later_fields(message: &impl Message) -> Vec<u8> {
    #[derive(Clone, PartialEq, Message)]
    struct Later {
        #[prost(message, optional, tag = "900")]
        old_outputs: Option<prost_types::Struct>,
        #[prost(string, tag = "901")]
        text: String,
        #[prost(uint64, tag = "902")]
        number: u64,
        #[prost(double, tag = "903")]
        double: f64,
        #[prost(fixed32, tag = "904")]
        fixed: u32,
        #[prost(bool, repeated, tag = "905")]
        flags: Vec<bool>,
    }
    let later = Later {
        old_outputs: Some(to_struct(&Map::from_iter([("conformance".to_owned(), json!([1, "two"]))]))),
        text: "later".to_owned(),
        number: u64::MAX,
        double: 0.5,
        fixed: 7,
        flags: vec![true, false],
    };
    [message.encode_to_vec(), later.encode_to_vec()].concat()
}

/// What sdk v3.274 sends already.
#[derive(Clone, PartialEq, Message)]
struct NewerCheck {
    #[prost(message, optional, tag = "9")]
    old_outputs: Option<prost_types::Struct>,
}

/// What sdk v3.274 sends already.
#[expect(clippy::struct_excessive_bools, reason = "Pulumi's")]
#[derive(Clone, PartialEq, Message)]
struct NewerHandshake {
    #[prost(bool, tag = "12")]
    sends_old_outputs_to_check: bool,
    #[prost(bool, tag = "13")]
    accepts_outputs_in_invoke: bool,
    #[prost(bool, tag = "14")]
    accepts_outputs_in_call: bool,
    #[prost(bool, tag = "15")]
    accepts_outputs_in_check: bool,
}

async fn unknown_fields(run: &Run) -> Outcome {
    let provider = run.start(Special::default()).await?;
    let newer = NewerHandshake {
        sends_old_outputs_to_check: true,
        accepts_outputs_in_invoke: true,
        accepts_outputs_in_call: true,
        accepts_outputs_in_check: true,
    };
    let hello = [with_later_fields(&handshake_request(&provider.engine.address)), newer.encode_to_vec()].concat();
    let call = async |method: &str, bytes: Vec<u8>| {
        let answer = provider.call(&format!("/pulumirpc.ResourceProvider/{method}"), bytes).await;
        answered(answer, format!("{method} with fields that it does not know"))
    };
    call("Handshake", hello).await?;
    let settings = run.settings(provider.cloud.as_ref());
    call("Configure", with_later_fields(&run.configure_request(&settings))).await?;
    let lives = run.lives().await?;
    for life in &lives.all {
        let old_outputs = life.state.as_ref().ok().map(|it| to_struct(&it.outputs));
        let request = life.subject.check(&life.checked, &life.inputs);
        let news = life.subject.checked(&mut provider.client.clone(), &life.checked, &life.inputs).await?;
        let bytes = [with_later_fields(&request), NewerCheck { old_outputs }.encode_to_vec()].concat();
        let answer = call("Check", bytes).await?;
        let answer = rpc::CheckResponse::decode(answer.as_slice()).map_err(anyhow::Error::from)?;
        let same = answer.failures.is_empty() && from_struct(answer.inputs.as_ref()) == news;
        expect(same, format!("the same answer to Check of {} as without these fields", life.name), format!("{answer:?}"))?;
        let Ok(state) = &life.state else { continue };
        let diff = with_later_fields(&life.subject.diff(state, &life.checked, &news));
        call("Diff", diff).await?;
        let read = with_later_fields(&life.subject.refresh(state, &life.checked));
        call("Read", read).await?;
    }
    Ok(())
}

async fn older_state(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut client = lives.provider.client.clone();
    let (mut seen, mut replaced) = (0, Vec::new());
    for (life, state) in lives.created() {
        let entry = run.resource(&life.subject.token)?;
        // An earlier version knew no input that has a default, and one that there is no more.
        let newer = |name: &String| !life.inputs.contains_key(name) && entry.input(name).is_some_and(|it| it.default().is_some());
        let old = |map: &Map| -> Map {
            let known = map.iter().filter(|(name, _)| !newer(name)).map(|(name, it)| (name.clone(), it.clone()));
            known.chain([("conformanceFormer".to_owned(), json!({ "was": ["there"] }))]).collect()
        };
        let (old_inputs, old_state) = (old(&life.checked), State { id: state.id.clone(), outputs: old(&state.outputs) });
        let news = life.subject.checked(&mut client, &old_inputs, &life.inputs).await?;
        let diff = client.diff(life.subject.diff(&old_state, &old_inputs, &news)).await?.into_inner();
        if !diff.replaces.is_empty() || diff.detailed_diff.values().any(|it| matches!(it.kind, 1 | 3 | 5)) {
            replaced.push(format!("{}, for {}", life.name, diff.replaces.join(", ")));
        }
        let read = client.read(life.subject.refresh(&old_state, &old_inputs)).await?.into_inner();
        expect(
            read.id == state.id,
            format!("a refresh of {} with an older state to find {:?}", life.name, state.id),
            format!("{:?}", read.id),
        )?;
        seen += 1;
    }
    if seen == 0 {
        return not_applicable("nothing of the samples is created here");
    }
    expect_none(replaced, "no replacement of what an earlier version has created")
}

async fn attached_twice(run: &Run) -> Outcome {
    let provider = run.start(Special { arguments: Some(Vec::new()), ..Special::default() }).await?;
    let mut client = provider.client.clone();
    for _ in 0..2 {
        let engine = Engine::start(Manner::Healthy)?;
        greet(&mut client, &engine.address).await?;
        client.attach(rpc::PluginAttach { address: engine.address.clone() }).await?;
        run.configure(&mut client, &run.settings(provider.cloud.as_ref())).await?;
        converse(run, &provider).await?;
        answered(client.cancel(()).await, "Cancel, in a process that was started without arguments,")?;
        engine.kill();
        sleep(Duration::from_millis(200)).await;
    }
    client.get_plugin_info(()).await?;
    // The same with the real engine.
    let Some(mut cli) = if_applicable(Cli::new(run).await)? else { return Ok(()) };
    let Some(alone) = if_applicable(alone(run))? else { return Ok(()) };
    cli.environment.push(("PULUMI_DEBUG_PROVIDERS".to_owned(), format!("{}:{}", run.schema()?.package(), provider.port)));
    cli.project(&alone[0], &json!({})).await?;
    for _ in 0..2 {
        cli.done(&["preview", "--stack", "dev"], "`pulumi preview` to succeed with PULUMI_DEBUG_PROVIDERS, twice").await?;
    }
    Ok(())
}

async fn found(run: &Run) -> Outcome {
    let mut cli = Cli::new(run).await?;
    let program = run.program()?.display().to_string();
    let (folder, alone) = (plugin_folder(run)?.display().to_string(), &alone(run)?[0]);
    let (package, version) = (run.schema()?.package(), run.schema()?.version());
    let ways = [
        ("`plugins:`", json!({ "plugins": { "providers": [{ "name": package, "path": folder }] } })),
        ("`packages:`", json!({ "packages": { package: folder } })),
        ("PATH", json!({})),
        ("the plugins that are installed", json!({})),
    ];
    for (way, extra) in ways {
        match way {
            "PATH" => cli.search(&folder),
            "the plugins that are installed" => {
                // It is on PATH by now.
                cli.environment.push(("PULUMI_IGNORE_AMBIENT_PLUGINS".to_owned(), "true".to_owned()));
                let install = ["plugin", "install", "resource", package, version, "--file", &program];
                cli.done(&install, "`pulumi plugin install --file` to succeed").await?;
            }
            _ => {}
        }
        cli.project(alone, &extra).await?;
        cli.done(&["preview", "--stack", "dev"], format!("`pulumi preview` to find the provider by {way}")).await?;
    }
    Ok(())
}

async fn pulumi_do(run: &Run) -> Outcome {
    let cli = Cli::new(run).await?;
    let program = run.program()?.display().to_string();
    let settings = cli.flags()?;
    // Flags are for plain text, numbers and booleans only.
    let fits = |it: &Alone<'_>| {
        let plain = |name: &str| !flags("", &Map::from_iter([(name.to_owned(), json!(0))]), it.entry.inputs()).is_empty();
        it.entry.required_inputs().all(plain) && it.sample.updates.keys().any(|name| plain(name))
    };
    let Some(it) = alone(run)?.into_iter().find(fits) else {
        return not_applicable("no sample has inputs and updates that are all plain text, numbers or booleans");
    };
    let doing = async |operation: &str, id: Option<&str>, more: &[String]| -> Outcome<Json> {
        let mut arguments = vec!["do", "--stateless", "--package", &program, "--output", "json", it.entry.token, operation];
        arguments.extend(id);
        if matches!(operation, "create" | "patch" | "delete") {
            arguments.push("--yes");
        }
        arguments.extend(more.iter().chain(&settings).map(String::as_str));
        let output = cli.done(&arguments, format!("`pulumi do {} {operation}` to succeed", it.entry.token)).await?;
        Ok(serde_json::from_str(&output.stdout).unwrap_or_default())
    };
    let created = doing("create", None, &flags("input:", &it.sample.inputs, it.entry.inputs())).await?;
    let Some(id) = created["id"].as_str() else {
        return failed(format!("the id of the new {}", it.name), created);
    };
    let outcome = async {
        let read = doing("read", Some(id), &[]).await?;
        expect(read["id"] == id, format!("`pulumi do {} read` to tell of {id}", it.entry.token), read)?;
        let updates = flags("input:", &it.sample.updates, it.entry.inputs());
        doing("patch", Some(id), &updates).await?;
        let patched = doing("read", Some(id), &[]).await?;
        for (name, value) in it.sample.updates.iter().filter(|(_, value)| !value.is_object() && !value.is_array()) {
            let given = updates
                .iter()
                .any(|flag| flag.ends_with(&format!("={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))));
            let differs = patched.get(name).is_some_and(|it| it != value && it.as_f64() != value.as_f64());
            expect(!given || !differs, format!("{name} {value} after `pulumi do patch`"), &patched[name])?;
        }
        if it.entry.json.get("listInputs").is_some() {
            let listed = doing("list", None, &["--all".to_owned()]).await?;
            expect(listed.to_string().contains(id), format!("{id} in `pulumi do {} list --all`", it.entry.token), listed)?;
        }
        Outcome::Ok(())
    }
    .await;
    let deleted = doing("delete", Some(id), &[]).await;
    outcome?;
    deleted?;
    let gone = cli
        .run(
            &[
                &["do", "--stateless", "--package", &program, it.entry.token, "read", id],
                &*settings.iter().map(String::as_str).collect::<Vec<_>>(),
            ]
            .concat(),
        )
        .await?;
    expect(!gone.succeeded, format!("{id} to be gone after `pulumi do delete`"), gone.text)
}

async fn plan(run: &Run) -> Outcome {
    let cli = Cli::new(run).await?;
    let folder = plugin_folder(run)?.display().to_string();
    let Some(it) = first_with_made_up_name(run).await? else {
        return not_applicable("no sample that needs nothing else has a name that is made up");
    };
    cli.project(&it, &json!({ "packages": { run.schema()?.package(): folder } })).await?;
    let preview = ["preview", "--stack", "dev", "--json", "--save-plan", "plan.json"];
    let preview = cli.done(&preview, "`pulumi preview --save-plan` to succeed").await?;
    let up = ["up", "--stack", "dev", "--yes", "--skip-preview", "--plan", "plan.json"];
    let up = cli.done(&up, "`pulumi up --plan` to succeed").await;
    let state = cli.run(&["stack", "export", "--stack", "dev", "--show-secrets"]).await?;
    let destroyed = cli.run(&["destroy", "--stack", "dev", "--yes", "--skip-preview"]).await?;
    up?;
    expect(destroyed.succeeded, "`pulumi destroy` to succeed", destroyed.text)?;
    let preview: Json = serde_json::from_str(&preview.stdout).unwrap_or_default();
    let state: Json = serde_json::from_str(&state.stdout).unwrap_or_default();
    let steps = preview["steps"].as_array().into_iter().flatten().map(|it| &it["newState"]);
    let foretold = inputs_of(steps, it.entry.token);
    let came = inputs_of(state["deployment"]["resources"].as_array().into_iter().flatten(), it.entry.token);
    // Secrets are not shown in previews.
    let shown = foretold.iter().filter(|(_, value)| !value.is_object() && !value.is_array() && *value != "[secret]");
    let differing = shown.filter(|(name, value)| came.get(*name) != Some(*value));
    expect(!foretold.is_empty(), format!("{} in the output of `pulumi preview --json`", it.name), preview)?;
    let seen = |(name, value): (&String, &Json)| {
        format!("{name} was {value} in the preview, and is {}", came.get(name).unwrap_or(&Json::Null))
    };
    expect_none(differing.map(seen), "the inputs that the preview foretold")
}

fn inputs_of<'a>(mut states: impl Iterator<Item = &'a Json>, token: &str) -> Map {
    let state = states.find(|it| it["type"] == token);
    state.and_then(|it| it["inputs"].as_object().cloned()).unwrap_or_default()
}

/// The first sample for which Check makes something up, that is, another seed gives another result.
async fn first_with_made_up_name(run: &Run) -> Outcome<Option<Alone<'_>>> {
    let mut provider = run.configured().await?;
    for it in alone(run)? {
        let subject = crate::life::Subject::new(it.entry.token, "alone");
        let mut made_up = Vec::new();
        for seed in [1, 2] {
            let request = rpc::CheckRequest { random_seed: vec![seed; 32], ..subject.check(&Map::new(), &it.sample.inputs) };
            made_up.push(provider.client.check(request).await?.into_inner());
        }
        if made_up[0].failures.is_empty() && made_up[0] != made_up[1] {
            return Ok(Some(it));
        }
    }
    Ok(None)
}
