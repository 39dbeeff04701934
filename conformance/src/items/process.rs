//! A. The process: how it starts, what it writes, how it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    process::Output,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tonic::{Code, Status};

use super::hostile;
use crate::{
    engine::{Engine, Manner, lock},
    item::{Item, Outcome, expect, expect_none, failed, if_applicable, not_applicable},
    life::{State, Subject},
    provider::{Client, Provider},
    rpc,
    run::{Run, Special, greet},
    samples::Situation,
    schema::as_sent,
    stage::Stage,
    value::{Map, from_struct, overlay, secret, secrets, to_struct},
};

pub(super) const ITEMS: &[Item] = &[
    Item { number: 1, title: "stdout begins with one line that is the port", check: |run| Box::pin(port_line(run)) },
    Item { number: 2, title: "nothing else is ever written to stdout", check: |run| Box::pin(async { silent_stdout(run) }) },
    Item { number: 3, title: "it listens on 127.0.0.1 only, on any free port", check: |run| Box::pin(loopback_only(run)) },
    Item {
        number: 4,
        title: "the port comes within 500 ms, and Handshake answers within 1 s",
        check: |run| Box::pin(quick_start(run)),
    },
    Item { number: 5, title: "it takes the engine's flags for logs and traces", check: |run| Box::pin(engine_flags(run)) },
    Item {
        number: 6,
        title: "it starts with an engine that does not answer, or whose address is none",
        check: |run| Box::pin(no_engine(run)),
    },
    Item { number: 7, title: "it starts without arguments, and is attached to later", check: |run| Box::pin(no_arguments(run)) },
    Item { number: 8, title: "--help, --version and unknown flags start no server", check: |run| Box::pin(other_flags(run)) },
    Item {
        number: 9,
        title: "a failure to start is told on stderr, with an exit status and no port",
        check: |run| Box::pin(failing_start(run)),
    },
    Item { number: 10, title: "SIGINT ends it within 1 s, with exit status 0", check: |run| Box::pin(ends_at(run, "INT")) },
    Item { number: 11, title: "SIGTERM ends it within 1 s, with exit status 0", check: |run| Box::pin(ends_at(run, "TERM")) },
    Item { number: 12, title: "the end of stdin does not end it", check: |run| Box::pin(closed_stdin(run)) },
    Item { number: 13, title: "it ends when its engine has vanished", check: |run| Box::pin(orphan(run)) },
    Item {
        number: 14,
        title: "an engine without a health service is not taken for gone",
        check: |run| Box::pin(old_engine(run)),
    },
    Item {
        number: 15,
        title: "it takes a request of 300 MiB, and gives an answer of 10 MiB",
        check: |run| Box::pin(large_messages(run)),
    },
    Item {
        number: 16,
        title: "64 calls at once are all answered, and none waits for a slow Create",
        check: |run| Box::pin(concurrent(run)),
    },
    Item {
        number: 17,
        title: "no request, however odd, ends the process or is left without an answer",
        check: |run| Box::pin(survives(run)),
    },
    Item {
        number: 18,
        title: "no secret and no environment is written to stdout or stderr",
        check: |run| Box::pin(discreet(run)),
    },
    Item { number: 19, title: "it runs in any folder, and without HOME", check: |run| Box::pin(anywhere(run)) },
];

/// How long a process may stay behind after its engine.
const ORPHAN: Duration = Duration::from_mins(1);

async fn port_line(run: &Run) -> Outcome {
    run.program()?;
    let provider = run.start(Special::default()).await?;
    let Some(process) = &provider.process else { return Ok(()) };
    expect(
        process.first_line == provider.port.to_string(),
        "a line of digits and nothing else",
        format!("{:?}", process.first_line),
    )
}

fn silent_stdout(run: &Run) -> Outcome {
    run.program()?;
    expect_none(lock(&run.heard.stdout).iter(), "no line but the first")
}

async fn loopback_only(run: &Run) -> Outcome {
    run.program()?;
    let (first, second) = (run.start(Special::default()).await?, run.start(Special::default()).await?);
    expect(first.port != second.port, "a port of its own for each process", format!("both have {}", first.port))?;
    // Who listens on all addresses of the machine answers on these as well.
    for address in [SocketAddr::from(([127, 0, 0, 2], first.port)), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], first.port))] {
        let connected = timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
        expect(!matches!(connected, Ok(Ok(_))), "nobody who listens but on 127.0.0.1", format!("{address} answers"))?;
    }
    Ok(())
}

async fn quick_start(run: &Run) -> Outcome {
    run.program()?;
    let (mut to_port, mut to_handshake) = (Duration::MAX, Duration::MAX);
    // The best of three: the machine may be busy with something else.
    for _ in 0..3 {
        let mut provider = run.start(Special::default()).await?;
        let started = Instant::now();
        greet(&mut provider.client, &provider.engine.address).await?;
        to_handshake = to_handshake.min(started.elapsed());
        to_port = to_port.min(provider.process.map_or(Duration::MAX, |it| it.to_port));
    }
    expect(to_port < Duration::from_millis(500), "the port within 500 ms", format!("{to_port:?}, at best"))?;
    expect(to_handshake < Duration::from_secs(1), "an answer to Handshake within 1 s", format!("{to_handshake:?}, at best"))
}

async fn engine_flags(run: &Run) -> Outcome {
    run.program()?;
    let flags = ["--logtostderr", "-v=9", "--tracing", "tcp://127.0.0.1:1", "${engine}"];
    is_alive(&run.greeted_in(with_arguments(&flags)).await?.client).await
}

async fn no_engine(run: &Run) -> Outcome {
    run.program()?;
    for address in ["127.0.0.1:1", "ignored"] {
        let provider = run.start(with_arguments(&[address])).await?;
        is_alive(&provider.client).await?;
    }
    Ok(())
}

async fn no_arguments(run: &Run) -> Outcome {
    run.program()?;
    let mut provider = run.start(with_arguments(&[])).await?;
    greet(&mut provider.client, &provider.engine.address).await?;
    provider.client.attach(rpc::PluginAttach { address: provider.engine.address.clone() }).await?;
    is_alive(&provider.client).await
}

async fn other_flags(run: &Run) -> Outcome {
    run.program()?;
    for flag in ["--help", "--version", "--no-such-flag"] {
        let Some(output) = end_of(run, with_arguments(&[flag])).await? else {
            return failed(format!("an end within 5 s after {flag}"), "it still runs");
        };
        expect(!has_port(&output), format!("no port after {flag}"), String::from_utf8_lossy(&output.stdout))?;
        if flag == "--no-such-flag" {
            expect(!output.status.success(), format!("another exit status than 0 after {flag}"), output.status)?;
            expect(!output.stderr.is_empty(), format!("a message on stderr after {flag}"), "nothing")?;
        }
    }
    Ok(())
}

async fn failing_start(run: &Run) -> Outcome {
    let program = run.program()?.display().to_string();
    // With a single file to open beside stdin, stdout and stderr, it cannot listen and serve.
    let limited = ["-c", "ulimit -n 4 && exec \"$0\" \"$1\"", &program, "${engine}"];
    let special = Special { program: Some("/bin/sh".into()), ..with_arguments(&limited) };
    let Some(output) = end_of(run, special).await? else {
        return not_applicable("it starts even if it may open one file only, so it could not be made to fail");
    };
    expect(!output.status.success(), "another exit status than 0", output.status)?;
    expect(!has_port(&output), "no port", String::from_utf8_lossy(&output.stdout))?;
    expect(!output.stderr.trim_ascii().is_empty(), "a message on stderr", "nothing")
}

async fn ends_at(run: &Run, signal: &str) -> Outcome {
    run.program()?;
    let mut provider = run.configured().await?;
    ends(&mut provider, signal, "while nothing is to be done").await?;
    // The same while a Create waits, if that can be played.
    let Some(mut stage) = if_applicable(Stage::set(run, Situation::Pending).await)? else { return Ok(()) };
    let creating = stage.begin_create().await;
    let ended = ends(&mut stage.provider, signal, "while a Create waits").await;
    let answer = stage.ended(creating, Duration::from_secs(5), "Create to end with its process").await;
    ended.and(answer.map(|_| ()))
}

async fn ends(provider: &mut Provider, signal: &str, when: &str) -> Outcome {
    let Some(process) = &mut provider.process else { return Ok(()) };
    process.signal(signal).await?;
    let ended = process.ended(Duration::from_secs(10)).await?;
    let seen = ended.map_or_else(|| "it still runs after 10 s".to_owned(), |(status, took)| format!("{status} after {took:?}"));
    expect(
        ended.is_some_and(|(status, took)| status.success() && took < Duration::from_secs(1)),
        format!("exit status 0 within 1 s after SIG{signal} {when}"),
        seen,
    )
}

async fn closed_stdin(run: &Run) -> Outcome {
    run.program()?;
    let mut provider = run.greeted().await?;
    let Some(process) = &mut provider.process else { return Ok(()) };
    process.close_stdin();
    let ended = process.ended(Duration::from_secs(1)).await?;
    expect(ended.is_none(), "a process that still runs", format!("{ended:?}"))?;
    is_alive(&provider.client).await
}

async fn orphan(run: &Run) -> Outcome {
    run.program()?;
    let ended = outlived(run).await?;
    expect(ended.is_some(), format!("its end within {ORPHAN:?} after that of its engine"), "it still runs")
}

async fn old_engine(run: &Run) -> Outcome {
    run.program()?;
    let mut provider = run.greeted_in(Special { engine: Manner::WithoutHealth, ..Special::default() }).await?;
    // Another one shows when it looks for its engine.
    let Some(looked) = outlived(run).await? else {
        return not_applicable(format!("it does not look for its engine within {ORPHAN:?}, see 13"));
    };
    let Some(process) = &mut provider.process else { return Ok(()) };
    let ended = process.ended(looked / 2).await?;
    expect(ended.is_none(), "a process that still runs, as its engine does", format!("{ended:?}"))?;
    is_alive(&provider.client).await
}

/// How long a process stays behind when its engine is killed; none if it does for too long.
async fn outlived(run: &Run) -> Outcome<Option<Duration>> {
    let mut provider = run.greeted().await?;
    // Long enough to be seen alive: one that never was may just be slow.
    sleep(Duration::from_secs(2)).await;
    provider.engine.kill();
    let Some(process) = &mut provider.process else { return Ok(None) };
    Ok(process.ended(ORPHAN).await?.map(|(_, took)| took))
}

async fn large_messages(run: &Run) -> Outcome {
    let mut provider = run.configured().await?;
    let request = rpc::GetMappingRequest { key: "x".repeat(300 << 20), ..Default::default() };
    if let Err(status) = provider.client.get_mapping(request).await {
        let unknown = status.code() == Code::Unimplemented;
        expect(unknown, "a GetMapping of 300 MiB to be read", format!("{:?}: {}", status.code(), status.message()))?;
    }
    // What Check and previews get, they give back.
    if let Some((name, sample, entry)) = run.samples().unwrap_or_default().first() {
        let subject = Subject::new(entry.token, &name.to_lowercase());
        let large = Map::from_iter([("conformance".to_owned(), json!("x".repeat(10 << 20)))]);
        let inputs = overlay(&as_sent(&sample.inputs, entry.inputs()), &large);
        let checked = provider.client.check(subject.check(&Map::new(), &inputs)).await.map(|_| ());
        let foreseen = provider.client.create(subject.create(&inputs, true)).await.map(|_| ());
        for (call, answer) in [("Check", checked), ("a preview", foreseen)] {
            let refused = answer.err().filter(|it| it.code() == Code::OutOfRange || hostile::is_lost(it));
            let seen = refused.as_ref().map(Status::message).unwrap_or_default();
            expect(refused.is_none(), format!("{call} of {name} with a text of 10 MiB to be answered"), seen)?;
        }
    }
    is_alive(&provider.client).await
}

async fn concurrent(run: &Run) -> Outcome {
    let samples = run.samples()?;
    let mut slow = if_applicable(Stage::set(run, Situation::Silent).await)?;
    if slow.is_none() {
        slow = if_applicable(Stage::set(run, Situation::Pending).await)?;
    }
    let own = if slow.is_none() { Some(run.configured().await?) } else { None };
    let client = slow.as_ref().map(|it| &it.provider).or(own.as_ref()).map(|it| it.client.clone());
    let Some(client) = client else { return Ok(()) };
    let creating = match &mut slow {
        Some(stage) => Some(stage.begin_create().await),
        None => None,
    };
    let calls = samples.iter().cycle().take(64).enumerate().map(|(index, (name, sample, entry))| {
        let subject = Subject::new(entry.token, &format!("{}-{index}", name.to_lowercase()));
        let (mut client, inputs) = (client.clone(), as_sent(&sample.inputs, entry.inputs()));
        async move {
            let checked = client.check(subject.check(&Map::new(), &inputs)).await?.into_inner();
            client.create(subject.create(&from_struct(checked.inputs.as_ref()), true)).await
        }
    });
    let answers = timeout(Duration::from_secs(20), join_all(calls)).await;
    let waited = creating.as_ref().is_some_and(|it| !it.is_finished());
    if let (Some(stage), Some(creating)) = (&mut slow, creating) {
        stage.cancel(creating).await?;
    }
    let while_slow = if waited { " while a Create waits" } else { "" };
    let Ok(answers) = answers else {
        return failed(format!("answers to 64 Checks and previews{while_slow}"), "not all within 20 s");
    };
    let lost = answers.iter().filter_map(|it| it.as_ref().err()).filter(|it| hostile::is_lost(it));
    expect_none(lost.map(Status::message), format!("an answer to each of 64 calls{while_slow}"))
}

async fn survives(run: &Run) -> Outcome {
    let lost = hostile::provoke(run).await?;
    expect_none(lost, "an answer, a good one or an error, to every request within 10 s")
}

async fn discreet(run: &Run) -> Outcome {
    run.program()?;
    let mut looked_for = own_secrets(run).await;
    chat_with_canaries(run).await?;
    looked_for.extend(CANARIES.map(|(canary, what)| (canary.to_owned(), what.to_owned())));
    // The last lines may still be on their way.
    sleep(Duration::from_millis(300)).await;
    let mut told = BTreeSet::new();
    for (pipe, lines) in [("stdout", lock(&run.heard.stdout).clone()), ("stderr", lock(&run.heard.stderr).clone())] {
        for (text, what) in &looked_for {
            if let Some(line) = lines.iter().find(|it| it.contains(text.as_str())) {
                let line: String = line.replace(text.as_str(), "[secret]").chars().take(200).collect();
                told.insert(format!("{what} on {pipe}: {line}"));
            }
        }
    }
    expect_none(told, "nothing secret on stdout and stderr")
}

/// Secrets of our own, and what they stand for.
const CANARIES: [(&str, &str); 4] = [
    ("canary-of-the-environment", "a variable of the environment"),
    ("canary-of-the-stack", "a secret setting of the stack, in PULUMI_CONFIG"),
    ("canary-of-the-provider", "a secret setting"),
    ("canary-of-a-resource", "a secret input"),
];

/// The secrets that the samples hold, and where.
async fn own_secrets(run: &Run) -> BTreeMap<String, String> {
    let provider = &run.options.samples.provider;
    let mut found = BTreeMap::new();
    for (name, value) in &provider.environment {
        let upper = name.to_uppercase();
        let is_secret = ["SECRET", "TOKEN", "PASSWORD"].iter().any(|it| upper.contains(it));
        if is_secret && value.len() > 7 {
            found.insert(value.clone(), format!("the variable {name}"));
        }
    }
    let Ok(schema) = run.schema() else { return found };
    for settings in [&provider.config, &provider.updates, &provider.invalid_secret] {
        found.extend(secrets(&as_sent(settings, schema.settings())).into_iter().map(|it| (it, "a secret setting".to_owned())));
    }
    let Ok(lives) = run.lives().await else { return found };
    for life in &lives.all {
        let outputs = life.state.as_ref().map(|it| &it.outputs).ok();
        for map in [Some(&life.inputs), Some(&life.checked), outputs].into_iter().flatten() {
            found.extend(secrets(map).into_iter().map(|it| (it, format!("a secret of {}", life.name))));
        }
    }
    found
}

/// Asks whatever needs no cloud of a process that logs as much as it can, with secrets of our own.
async fn chat_with_canaries(run: &Run) -> Outcome {
    let [(of_environment, _), (of_stack, _), (of_provider, _), (of_resource, _)] = CANARIES;
    let stack = json!({ format!("{}:canary", run.schema()?.package()): of_stack });
    let environment = [("CONFORMANCE_CANARY", of_environment.to_owned()), ("PULUMI_CONFIG", stack.to_string())];
    let mut special = with_arguments(&["--logtostderr", "-v=9", "${engine}"]);
    special.environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let mut provider = run.configured_in(special).await?;
    let canary = Map::from_iter([("conformanceCanary".to_owned(), secret(&json!(of_resource)))]);
    for (name, sample, entry) in run.samples().unwrap_or_default() {
        let subject = Subject::new(entry.token, &name.to_lowercase());
        let inputs = overlay(&as_sent(&sample.inputs, entry.inputs()), &canary);
        let state = State { id: "conformance".to_owned(), outputs: inputs.clone() };
        // What it answers is the business of other items.
        _ = provider.client.check(subject.check(&Map::new(), &inputs)).await;
        _ = provider.client.diff(subject.diff(&state, &inputs, &canary)).await;
        _ = provider.client.create(subject.create(&inputs, true)).await;
        _ = provider.client.update(subject.update(&state, &inputs, &canary, true)).await;
    }
    let texts = run.schema()?.settings().filter(|(_, it)| it.is_secret() && it.kind() == Some("string"));
    let secrets: Map = texts.map(|(name, _)| (name.to_owned(), json!(of_provider))).collect();
    let settings = overlay(&run.settings(provider.cloud.as_ref()), &secrets);
    let check = rpc::CheckRequest { urn: run.provider_urn(), news: Some(to_struct(&settings)), ..Default::default() };
    _ = provider.client.check_config(check).await;
    _ = run.configure(&mut provider.client, &settings).await;
    Ok(())
}

async fn anywhere(run: &Run) -> Outcome {
    run.program()?;
    let folder = run.folder.path().join("elsewhere");
    std::fs::create_dir_all(&folder).map_err(anyhow::Error::from)?;
    let environment = BTreeMap::from([("HOME".to_owned(), String::new())]);
    let mut provider = run.configured_in(Special { directory: Some(folder), environment, ..Special::default() }).await?;
    for (name, sample, entry) in run.samples().unwrap_or_default() {
        let subject = Subject::new(entry.token, &name.to_lowercase());
        provider.client.check(subject.check(&Map::new(), &as_sent(&sample.inputs, entry.inputs()))).await?;
    }
    is_alive(&provider.client).await
}

fn with_arguments(arguments: &[&str]) -> Special {
    let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
    Special { arguments: Some(arguments), ..Special::default() }
}

async fn is_alive(client: &Client) -> Outcome {
    let mut client = client.clone();
    match timeout(Duration::from_secs(5), client.get_plugin_info(())).await {
        Ok(answer) => answer.map(|_| ()).map_err(Into::into),
        Err(_) => failed("an answer to GetPluginInfo", "none within 5 s"),
    }
}

/// How a process ends that is to end by itself; none if it still runs after 5 s.
async fn end_of(run: &Run, special: Special) -> Outcome<Option<Output>> {
    let engine = Engine::start(Manner::Healthy)?;
    let mut command = run.launch(run.program()?, special, &engine, None).command();
    match timeout(Duration::from_secs(5), command.output()).await {
        Ok(output) => Ok(Some(output.map_err(anyhow::Error::from)?)),
        Err(_) => Ok(None),
    }
}

/// Whether an engine would take the first line on stdout for a port.
fn has_port(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().is_some_and(|it| it.trim().parse::<u16>().is_ok())
}
