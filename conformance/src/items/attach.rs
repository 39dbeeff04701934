//! B. The first words, what the provider says of itself, and Cancel.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::{
    cli::Cli,
    detail::InitFailed,
    engine::{Engine, Manner},
    item::{Item, Outcome, answered, expect, expect_none, failed, if_applicable, not_applicable},
    lint::lint,
    monitor::{Children, Monitor},
    rpc,
    run::{Run, Special, greet, handshake_request},
    samples::Situation,
    schema::as_sent,
    stage::Stage,
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 20,
        title: "Handshake tells what it can do, and Configure says the same",
        check: |run| Box::pin(capabilities(run)),
    },
    Item { number: 21, title: "Handshake needs no folders", check: |run| Box::pin(no_folders(run)) },
    Item {
        number: 22,
        title: "Handshake, Attach and Configure may come again; the last engine gets the log",
        check: |run| Box::pin(repeated(run)),
    },
    Item { number: 23, title: "GetPluginInfo tells the version of the schema", check: |run| Box::pin(same_version(run)) },
    Item { number: 24, title: "Attach brings another engine", check: |run| Box::pin(attach(run)) },
    Item {
        number: 25,
        title: "Cancel answers within 100 ms when nothing is to be done, twice",
        check: |run| Box::pin(idle_cancel(run)),
    },
    Item {
        number: 26,
        title: "Cancel ends a Create that waits within 2 s, and the resource is kept",
        check: |run| Box::pin(cancel_waiting(run)),
    },
    Item { number: 27, title: "Cancel before anything is made keeps nothing", check: |run| Box::pin(cancel_before(run)) },
    Item { number: 28, title: "after Cancel, the next Handshake begins anew", check: |run| Box::pin(no_latch(run)) },
    Item {
        number: 29,
        title: "Cancel releases a Construct that waits for the engine",
        check: |run| Box::pin(cancel_construct(run)),
    },
    Item { number: 30, title: "GetMapping and GetMappings are answered", check: |run| Box::pin(mappings(run)) },
    Item { number: 31, title: "Parameterize is UNIMPLEMENTED", check: |run| Box::pin(parameterize(run)) },
    Item { number: 32, title: "methods of later engines are UNIMPLEMENTED", check: |run| Box::pin(unknown_method(run)) },
    Item {
        number: 33,
        title: "GetSchema needs no Configure, and refuses other versions",
        check: |run| Box::pin(schema_versions(run)),
    },
    Item {
        number: 34,
        title: "the schema is the published one, and free of mistakes",
        check: |run| Box::pin(strict_schema(run)),
    },
];

async fn capabilities(run: &Run) -> Outcome {
    let mut provider = run.start(Special::default()).await?;
    let told = greet(&mut provider.client, &provider.engine.address).await?;
    let settings = run.settings(provider.cloud.as_ref());
    let configured = run.configure(&mut provider.client, &settings).await?;
    let pairs = [
        ("acceptSecrets", told.accept_secrets, configured.accept_secrets),
        ("acceptResources", told.accept_resources, configured.accept_resources),
        ("acceptOutputs", told.accept_outputs, configured.accept_outputs),
        ("supportsAutonamingConfiguration", told.supports_autonaming_configuration, configured.supports_autonaming_configuration),
    ];
    let differing = pairs.iter().filter(|(_, first, second)| first != second);
    let differing = differing.map(|(name, first, second)| format!("{name} is {first} in Handshake, and {second} in Configure"));
    expect_none(differing, "the same in the answers to Handshake and Configure")?;
    expect(told.accept_secrets, "acceptSecrets, without which secrets lose their mark", "none")?;
    expect(configured.supports_preview, "supportsPreview in the answer to Configure", "none")
}

async fn no_folders(run: &Run) -> Outcome {
    let mut provider = run.start(Special::default()).await?;
    let request = rpc::ProviderHandshakeRequest {
        root_directory: None,
        program_directory: None,
        ..handshake_request(&provider.engine.address)
    };
    provider.client.handshake(request).await?;
    let settings = run.settings(provider.cloud.as_ref());
    Ok(run.configure(&mut provider.client, &settings).await.map(|_| ())?)
}

async fn repeated(run: &Run) -> Outcome {
    let mut provider = run.configured().await?;
    let settings = run.settings(provider.cloud.as_ref());
    for _ in 0..2 {
        let another = Engine::start(Manner::Healthy)?;
        greet(&mut provider.client, &another.address).await?;
        provider.client.attach(rpc::PluginAttach { address: another.address.clone() }).await?;
        run.configure(&mut provider.client, &settings).await?;
    }
    let Some(stage) = if_applicable(Stage::set(run, Situation::Pending).await)? else { return Ok(()) };
    let another = Engine::start(Manner::Healthy)?;
    let mut client = stage.provider.client.clone();
    greet(&mut client, &another.address).await?;
    run.configure(&mut client, &run.settings(stage.provider.cloud.as_ref())).await?;
    hears(stage, &another).await
}

async fn same_version(run: &Run) -> Outcome {
    let mut provider = run.start(Special::default()).await?;
    let version = provider.client.get_plugin_info(()).await?.into_inner().version;
    expect(semver::Version::parse(&version).is_ok(), "a semantic version without v", &version)?;
    let schema = run.schema()?.version();
    expect(schema.is_empty() || version == schema, format!("version {schema}, as in the schema"), version)
}

async fn attach(run: &Run) -> Outcome {
    let mut provider = run.configured().await?;
    provider.client.attach(rpc::PluginAttach { address: provider.engine.address.clone() }).await?;
    let Some(stage) = if_applicable(Stage::set(run, Situation::Pending).await)? else { return Ok(()) };
    let another = Engine::start(Manner::Healthy)?;
    stage.provider.client.clone().attach(rpc::PluginAttach { address: another.address.clone() }).await?;
    hears(stage, &another).await
}

/// Whether another engine, and not the first one, is told how a Create goes.
async fn hears(mut stage: Stage<'_>, another: &Engine) -> Outcome {
    let before = stage.provider.engine.lines().len();
    let creating = stage.begin_create().await;
    sleep(Duration::from_secs(1)).await;
    let (first, last) = (stage.provider.engine.lines().len() - before, another.lines().len());
    stage.cancel(creating).await?;
    if first + last == 0 {
        return not_applicable("nothing is told while a Create waits, see 138");
    }
    expect(first == 0, "no line to the first engine, once there is another", format!("{first} lines to it, {last} to the other"))
}

async fn idle_cancel(run: &Run) -> Outcome {
    let mut provider = run.configured().await?;
    for time in ["first", "second"] {
        let started = Instant::now();
        provider.client.cancel(()).await?;
        let took = started.elapsed();
        expect(took < Duration::from_millis(100), format!("the {time} answer within 100 ms"), format!("{took:?}"))?;
    }
    Ok(())
}

async fn cancel_waiting(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Pending).await?;
    let creating = stage.begin_create().await;
    let cancelled = stage.cancel(creating).await?;
    let name = &stage.scene.resource;
    expect(
        cancelled.took < Duration::from_secs(2),
        format!("Create of {name} to end within 2 s after Cancel"),
        format!("{:?}", cancelled.took),
    )?;
    let Err(status) = cancelled.answer else {
        return failed(format!("Create of {name} to end with an error, since it is not ready"), "it succeeds");
    };
    let Some(kept) = InitFailed::of(&status)? else {
        return failed(format!("an ErrorResourceInitFailed, so that {name} is not lost"), format!("only {:?}", status.message()));
    };
    expect(!kept.id.is_empty(), format!("the id of {name}"), "an empty one")?;
    let missing = stage.checked.keys().filter(|it| !kept.outputs.contains_key(*it) && it.as_str() != "__defaults");
    expect(
        !kept.outputs.is_empty(),
        format!("the outputs of {name}, such as {}", missing.cloned().collect::<Vec<_>>().join(", ")),
        "none",
    )
}

async fn cancel_before(run: &Run) -> Outcome {
    let mut stage = Stage::set(run, Situation::Silent).await?;
    let creating = stage.begin_create().await;
    let cancelled = stage.cancel(creating).await?;
    let name = &stage.scene.resource;
    let Err(status) = cancelled.answer else {
        return failed(format!("Create of {name} to end with an error after Cancel"), "it succeeds");
    };
    if let Some(kept) = InitFailed::of(&status)? {
        return failed(
            format!("a plain error, for nothing of {name} exists"),
            format!("ErrorResourceInitFailed of {:?}", kept.id),
        );
    }
    expect(cancelled.took < Duration::from_secs(5), "its end within 5 s after Cancel", format!("{:?}", cancelled.took))
}

async fn no_latch(run: &Run) -> Outcome {
    let lives = run.lives().await?;
    let mut provider = run.configured().await?;
    provider.client.cancel(()).await?;
    greet(&mut provider.client, &provider.engine.address).await?;
    let settings = run.settings(provider.cloud.as_ref());
    run.configure(&mut provider.client, &settings).await?;
    for (life, state) in lives.created() {
        let read = provider.client.read(life.subject.refresh(state, &life.checked)).await;
        answered(read, format!("Read of {} after Cancel, Handshake and Configure", life.name))?;
    }
    // The same with a Create, which has to wait.
    let Some(mut stage) = if_applicable(Stage::set(run, Situation::Pending).await)? else {
        return if lives.created().count() > 0 { Ok(()) } else { not_applicable("nothing of the samples is created here") };
    };
    let creating = stage.begin_create().await;
    stage.cancel(creating).await?;
    run.clear().await?;
    let mut client = stage.provider.client.clone();
    greet(&mut client, &stage.provider.engine.address).await?;
    run.configure(&mut client, &run.settings(stage.provider.cloud.as_ref())).await?;
    let creating = stage.begin_create().await;
    sleep(Duration::from_secs(1)).await;
    // It has to wait, as the first one did.
    stage.cancel(creating).await.map(|_| ())
}

async fn cancel_construct(run: &Run) -> Outcome {
    let schema = run.schema()?;
    for (sample, entry) in run.components()? {
        let provider = run.configured().await?;
        let monitor = Monitor::start(schema, Children::Hanging)?;
        let request = monitor.construct(entry.token, "hanging", &as_sent(&sample.inputs, entry.inputs()));
        let mut client = provider.client.clone();
        let mut constructing = tokio::spawn(async move { client.construct(request).await });
        sleep(Duration::from_secs(1)).await;
        if constructing.is_finished() {
            let seen = constructing.await.map(|it| it.map(|_| ()));
            return failed(format!("Construct of {} to wait for its children", entry.token), format!("{seen:?}"));
        }
        let started = Instant::now();
        provider.client.clone().cancel(()).await?;
        let took = started.elapsed();
        expect(took < Duration::from_secs(2), "an answer to Cancel within 2 s", format!("{took:?}"))?;
        let released = timeout(Duration::from_millis(200), &mut constructing).await.is_ok();
        expect(released, format!("Construct of {} to end before Cancel answers", entry.token), "it still waits")?;
    }
    Ok(())
}

async fn mappings(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    for key in ["terraform", ""] {
        provider.client.get_mapping(rpc::GetMappingRequest { key: key.to_owned(), ..Default::default() }).await?;
        provider.client.get_mappings(rpc::GetMappingsRequest { key: key.to_owned() }).await?;
    }
    Ok(())
}

async fn parameterize(run: &Run) -> Outcome {
    if !run.schema()?.json["parameterization"].is_null() {
        return not_applicable("the package is a parameterized one");
    }
    let mut provider = run.greeted().await?;
    let args = rpc::parameterize_request::ParametersArgs { args: vec!["conformance".to_owned()] };
    let parameters = Some(rpc::parameterize_request::Parameters::Args(args));
    let answer = provider.client.parameterize(rpc::ParameterizeRequest { parameters }).await;
    is_unimplemented("Parameterize", answer.map(|_| ()))
}

async fn unknown_method(run: &Run) -> Outcome {
    let provider = run.greeted().await?;
    for method in ["/pulumirpc.ResourceProvider/NotYetInvented", "/pulumirpc.NotYetInvented/Check"] {
        is_unimplemented(method, provider.call(method, Vec::new()).await.map(|_| ()))?;
    }
    Ok(())
}

fn is_unimplemented(method: &str, answer: Result<(), tonic::Status>) -> Outcome {
    match answer {
        Err(status) if status.code() == Code::Unimplemented => Ok(()),
        Err(status) => failed(format!("UNIMPLEMENTED from {method}"), format!("{:?}: {}", status.code(), status.message())),
        Ok(()) => failed(format!("UNIMPLEMENTED from {method}"), "a good answer"),
    }
}

async fn schema_versions(run: &Run) -> Outcome {
    let mut provider = run.greeted().await?;
    provider.client.get_schema(rpc::GetSchemaRequest::default()).await?;
    let answer = provider.client.get_schema(rpc::GetSchemaRequest { version: 1, ..Default::default() }).await;
    let seen = answer.map_or_else(|it| it.message().to_owned(), |_| "a schema".to_owned());
    expect(seen.contains("unsupported schema version 1"), "the error: unsupported schema version 1", seen)
}

async fn strict_schema(run: &Run) -> Outcome {
    let schema = run.schema()?;
    expect_none(lint(&schema.json), "a schema without mistakes")?;
    let mut provider = run.greeted().await?;
    let again = provider.client.get_schema(rpc::GetSchemaRequest::default()).await?.into_inner().schema;
    expect(again == schema.text, "the same schema from every process", "another one")?;
    if let Some(published) = &run.options.samples.provider.schema {
        let published = std::fs::read_to_string(published).map_err(anyhow::Error::from)?;
        expect(published == schema.text, "the schema that is published, to the byte", "another one")?;
    }
    let Some(cli) = if_applicable(Cli::new(run).await)? else { return Ok(()) };
    let file = cli.folder.join("schema.json");
    std::fs::write(&file, &schema.text).map_err(anyhow::Error::from)?;
    let output = cli.run(&["schema", "check", "schema.json"]).await?;
    expect(output.succeeded, "`pulumi schema check` to find nothing", output.text)
}
