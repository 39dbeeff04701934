//! One run of the suite on one provider: starts it in every way that an item asks for, and leads its resources through
//! their lives once, for all items.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value as Json, json};
use tokio::{sync::OnceCell, time::timeout};
use tonic::{Code, Status};

use crate::{
    cloud::Cloud,
    engine::{Engine, Manner, lock},
    item::{Outcome, Stop, expect_none, failed, not_applicable},
    life::{Lives, State, Subject},
    provider::{Client, Heard, Launch, Process, Provider, client, connect},
    rpc,
    samples::{Answer, ComponentSample, ResourceSample, Samples, Scene, Situation},
    schema::{Entry, Schema, as_sent},
    stage::Waited,
    value::{Map, overlay, to_struct},
};

/// The URN of the stack that the suite plays.
pub const STACK_URN: &str = "urn:pulumi:dev::conformance::pulumi:pulumi:Stack::conformance-dev";

/// What a run is about.
pub struct Options {
    pub provider: Source,
    pub samples: Samples,
    /// The addresses of the provider's clouds, by the names that the samples have for them.
    pub clouds: BTreeMap<String, String>,
    /// The Pulumi CLI, for the items that only it can show.
    pub pulumi: Option<PathBuf>,
}

/// Where the provider is.
#[derive(Clone, Debug)]
pub enum Source {
    /// A program to be started.
    Program(PathBuf),
    /// Running already, on this port of this machine.
    Port(u16),
}

/// A run.
pub struct Run {
    pub options: Options,
    /// What its processes have written.
    pub heard: Arc<Heard>,
    /// The schema, or why there is none.
    schema: Result<Schema, String>,
    mute: bool,
    lives: OnceCell<Outcome<Lives>>,
    waited: OnceCell<Outcome<Waited>>,
    /// What items have made beside the lives, and nobody has deleted.
    made: Mutex<Vec<Made>>,
    /// The one cloud of a provider that runs already: what it was configured with must outlive the item.
    shared_cloud: OnceCell<Cloud>,
    /// An empty folder, for whatever needs one.
    pub folder: tempfile::TempDir,
}

/// A resource that exists, and what it was made of.
struct Made {
    subject: Subject,
    inputs: Map,
    state: State,
}

/// What is special about a process that [`Run::start`] starts.
#[derive(Default)]
pub struct Special {
    /// The arguments, in place of the engine's address, which `${engine}` stands for.
    pub arguments: Option<Vec<String>>,
    /// Laid over its environment; an empty value takes a variable away.
    pub environment: BTreeMap<String, String>,
    pub directory: Option<PathBuf>,
    /// Another path to the program.
    pub program: Option<PathBuf>,
    pub engine: Manner,
    /// What the cloud answers.
    pub answers: Vec<Answer>,
}

impl Run {
    /// Starts the provider once, to read its schema.
    pub async fn new(options: Options) -> Result<Self> {
        let mut run = Self {
            options,
            heard: Arc::default(),
            schema: Err(String::new()),
            mute: false,
            lives: OnceCell::new(),
            waited: OnceCell::new(),
            made: Mutex::default(),
            shared_cloud: OnceCell::new(),
            folder: tempfile::tempdir().context("cannot make a temporary folder")?,
        };
        run.schema = run.read_schema().await.map_err(|error| format!("{error:#}"));
        Ok(run)
    }

    async fn read_schema(&mut self) -> Result<Schema> {
        let answer = timeout(Duration::from_secs(30), self.ask_for_schema()).await;
        let answer = answer.unwrap_or_else(|_| failed("an answer to Handshake and GetSchema", "none within 30 s"));
        match answer {
            Ok(Ok(text)) => Schema::parse(text),
            Ok(Err(status)) => bail!("GetSchema answers {:?}: {}", status.code(), status.message()),
            Err(Stop::NotApplicable(why)) => bail!(why),
            Err(Stop::Failed { seen, .. }) => {
                self.mute = true;
                bail!(seen)
            }
        }
    }

    async fn ask_for_schema(&self) -> Outcome<Result<String, Status>> {
        let mut provider = self.start(Special::default()).await?;
        // Providers without a handshake have a schema as well.
        _ = provider.client.handshake(handshake_request(&provider.engine.address)).await;
        let answer = provider.client.get_schema(rpc::GetSchemaRequest::default()).await;
        Ok(answer.map(|it| it.into_inner().schema))
    }

    /// Why nothing but its start can be asked of the provider: it does not start, or does not answer.
    pub fn mute(&self) -> Option<&str> {
        self.schema.as_ref().err().filter(|_| self.mute).map(String::as_str)
    }

    /// What is wrong with the samples, as far as the schema and they themselves tell.
    pub fn mistakes(&self) -> Vec<String> {
        let Ok(schema) = &self.schema else { return Vec::new() };
        let samples = &self.options.samples;
        let mut mistakes = Vec::new();
        let mut earlier: Vec<&str> = Vec::new();
        for (name, sample) in &samples.resources {
            let token = sample.r#type.as_deref().unwrap_or(name);
            if !schema.resources().any(|it| it.is_called(token)) {
                mistakes.push(format!("the schema has no resource {token}"));
            }
            let referred = references(&Json::Object(sample.inputs.clone()));
            let unknown = referred.into_iter().filter(|it| !earlier.contains(&it.as_str()));
            mistakes.extend(unknown.map(|it| format!("{name} refers to {it}, of which there is no sample before it")));
            earlier.push(name);
        }
        let scenes = samples.situations.iter().filter(|(_, it)| !samples.resources.contains_key(&it.resource));
        mistakes.extend(scenes.map(|(it, scene)| format!("{it:?} happens to {}, of which there is no sample", scene.resource)));
        let functions = samples.functions.keys().filter(|name| !schema.functions().any(|it| it.is_called(name)));
        mistakes.extend(functions.map(|it| format!("the schema has no function {it}")));
        let components = samples.components.keys().filter(|name| !schema.components().any(|it| it.is_called(name)));
        mistakes.extend(components.map(|it| format!("the schema has no component {it}")));
        mistakes
    }

    /// The schema.
    pub fn schema(&self) -> Outcome<&Schema> {
        // That is an item of its own.
        self.schema.as_ref().or_else(|why| not_applicable(format!("the provider tells no schema: {why}")))
    }

    /// Starts the provider and connects; nothing has been said to it.
    pub async fn start(&self, special: Special) -> Outcome<Provider> {
        let engine = Engine::start(special.engine)?;
        let cloud = match (&self.options.clouds, &self.options.provider) {
            (none, _) if none.is_empty() => None,
            (targets, Source::Program(_)) => Some(Cloud::before(targets).await?),
            (targets, Source::Port(_)) => Some(self.shared_cloud.get_or_try_init(|| Cloud::before(targets)).await?.clone()),
        };
        if let Some(cloud) = &cloud {
            cloud.play(&special.answers);
        }
        let (process, port) = match &self.options.provider {
            Source::Port(port) => (None, *port),
            Source::Program(program) => {
                let launch = self.launch(program.clone(), special, &engine, cloud.as_ref());
                let process = Process::start(&launch, &self.heard).await?;
                let port = process.port()?;
                (Some(process), port)
            }
        };
        let channel = connect(port).await?;
        Ok(Provider { client: client(channel.clone()), channel, process, engine, cloud, port })
    }

    /// How the engine would start the provider.
    pub fn launch(&self, program: PathBuf, special: Special, engine: &Engine, cloud: Option<&Cloud>) -> Launch {
        let home = self.folder.path().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut environment = BTreeMap::from([("HOME".to_owned(), home), ("PATH".to_owned(), path)]);
        let filled = |value: &str| cloud.map_or_else(|| value.to_owned(), |it| it.fill_in(value));
        let sample = &self.options.samples.provider.environment;
        environment.extend(sample.iter().map(|(name, value)| (name.clone(), filled(value))));
        environment.extend(special.environment.iter().map(|(name, value)| (name.clone(), filled(value))));
        environment.retain(|_, value| !value.is_empty());
        let arguments = special.arguments.unwrap_or_else(|| vec!["${engine}".to_owned()]);
        Launch {
            program: special.program.unwrap_or(program),
            arguments: arguments.iter().map(|it| it.replace("${engine}", &engine.address)).collect(),
            environment: environment.into_iter().collect(),
            directory: special.directory,
        }
    }

    /// Needs a process of its own: a provider that runs already cannot show it.
    pub fn program(&self) -> Outcome<PathBuf> {
        match &self.options.provider {
            Source::Program(program) => Ok(program.clone()),
            Source::Port(_) => not_applicable("the provider runs already; its process is not ours"),
        }
    }

    /// A provider that the engine has greeted.
    pub async fn greeted(&self) -> Outcome<Provider> {
        self.greeted_in(Special::default()).await
    }

    /// A provider started in a special way that the engine has greeted.
    pub async fn greeted_in(&self, special: Special) -> Outcome<Provider> {
        let mut provider = self.start(special).await?;
        match greet(&mut provider.client, &provider.engine.address).await {
            // Older providers know no handshake; the engine takes them as well.
            Err(status) if status.code() != Code::Unimplemented => Err(status.into()),
            _ => Ok(provider),
        }
    }

    /// A provider with its good settings.
    pub async fn configured(&self) -> Outcome<Provider> {
        self.configured_in(Special::default()).await
    }

    /// A provider started in a special way, with its good settings.
    pub async fn configured_in(&self, special: Special) -> Outcome<Provider> {
        let mut provider = self.greeted_in(special).await?;
        let settings = self.settings(provider.cloud.as_ref());
        match self.configure(&mut provider.client, &settings).await {
            Ok(_) => Ok(provider),
            Err(status) => self.refused(&status, "the settings of the samples"),
        }
    }

    /// Configure refused `what`, which should be good settings. Without any in the samples, it may be right.
    pub fn refused<T>(&self, status: &Status, what: &str) -> Outcome<T> {
        let seen = format!("{:?}: {}", status.code(), status.message());
        if self.options.samples.provider.config.is_empty() {
            return not_applicable(format!(
                "the samples have no settings (`provider.config`), without which Configure answers {seen}"
            ));
        }
        failed(format!("Configure to take {what}"), seen)
    }

    /// The good settings of the samples.
    pub fn settings(&self, cloud: Option<&Cloud>) -> Map {
        self.with_cloud(&self.options.samples.provider.config, cloud)
    }

    /// Settings in which `${cloud}` stands for the cloud.
    pub fn with_cloud(&self, settings: &Map, cloud: Option<&Cloud>) -> Map {
        let filled = |value: &Json| match (value, cloud) {
            (Json::String(text), Some(cloud)) => json!(cloud.fill_in(text)),
            _ => value.clone(),
        };
        settings.iter().map(|(name, value)| (name.clone(), filled(value))).collect()
    }

    /// Configures as the engine does: secrets are marked.
    pub async fn configure(&self, client: &mut Client, settings: &Map) -> Result<rpc::ConfigureResponse, Status> {
        let sent = match &self.schema {
            Ok(schema) => as_sent(settings, schema.settings()),
            Err(_) => settings.clone(),
        };
        Ok(client.configure(self.configure_request(&sent)).await?.into_inner())
    }

    /// What the engine says to configure a provider with these settings.
    pub fn configure_request(&self, settings: &Map) -> rpc::ConfigureRequest {
        let package = self.schema.as_ref().map_or("", Schema::package);
        rpc::ConfigureRequest {
            args: Some(to_struct(settings)),
            accept_secrets: true,
            accept_resources: true,
            sends_old_inputs: true,
            sends_old_inputs_to_delete: true,
            id: Some("0b1c5a0e-1f5e-4a9e-9f0f-5c8a8d1e7c11".to_owned()),
            urn: Some(self.provider_urn()),
            name: Some("default".to_owned()),
            r#type: Some(format!("pulumi:providers:{package}")),
            ..Default::default()
        }
    }

    /// The URN of the provider itself.
    pub fn provider_urn(&self) -> String {
        urn(&format!("pulumi:providers:{}", self.schema.as_ref().map_or("", Schema::package)), "default")
    }

    /// The resource that a sample is of.
    pub fn resource(&self, name: &str) -> Outcome<Entry<'_>> {
        let token = self.options.samples.resources.get(name).and_then(|it| it.r#type.as_deref()).unwrap_or(name);
        let found = self.schema()?.resources().find(|it| it.is_called(token));
        found.map_or_else(|| failed(format!("a resource {name}, of which there are samples"), "none in the schema"), Ok)
    }

    /// All samples of resources, with what the schema says of each; not applicable without any.
    pub fn samples(&self) -> Outcome<Vec<(&str, &ResourceSample, Entry<'_>)>> {
        let samples = &self.options.samples.resources;
        if samples.is_empty() {
            return not_applicable("there are no samples of resources");
        }
        samples.iter().map(|(name, sample)| Ok((name.as_str(), sample, self.resource(name)?))).collect()
    }

    /// All samples of components, with what the schema says of each; not applicable without any.
    pub fn components(&self) -> Outcome<Vec<(&ComponentSample, Entry<'_>)>> {
        let schema = self.schema()?;
        if schema.components().next().is_none() {
            return not_applicable("the schema has no component");
        }
        let samples = &self.options.samples.components;
        if samples.is_empty() {
            return not_applicable("there are no samples of components");
        }
        let found = samples.iter().map(|(name, sample)| {
            let entry = schema.components().find(|it| it.is_called(name));
            entry.map_or_else(
                || failed(format!("a component {name}, of which there is a sample"), "none in the schema"),
                |it| Ok((sample, it)),
            )
        });
        found.collect()
    }

    /// How to play a situation; not applicable if the samples do not tell.
    pub fn scene(&self, situation: Situation) -> Outcome<&Scene> {
        let scene = self.options.samples.situations.get(&situation);
        scene.map_or_else(|| not_applicable(format!("the samples do not tell how to play the situation {situation:?}")), Ok)
    }

    /// The lives of all resources that there are samples of, up to their deletion. They are led once.
    pub async fn lives(&self) -> Outcome<&Lives> {
        let lives = self.lives.get_or_init(|| Lives::lead(self)).await.as_ref().map_err(Clone::clone)?;
        if let Source::Port(_) = self.options.provider {
            // Another item may have cancelled or configured the one process meanwhile.
            let mut client = lives.provider.client.clone();
            greet(&mut client, &lives.provider.engine.address).await?;
            self.configure(&mut client, &self.settings(lives.provider.cloud.as_ref())).await?;
        }
        Ok(lives)
    }

    /// Begins an item, which is a run of its own: a program declares each resource once in it.
    pub async fn begin(&self) {
        if let Some(Ok(lives)) = self.lives.get() {
            // An item that needs what lives says what is wrong with it.
            _ = self.configure(&mut lives.provider.client.clone(), &self.settings(lives.provider.cloud.as_ref())).await;
        }
    }

    /// Deletes the resources that live, if any do. Nothing may stay behind.
    pub async fn end(&self) {
        if let Some(Ok(lives)) = self.lives.get() {
            lives.end().await;
        }
    }

    /// Remembers what an item has made, for [`Run::clear`].
    pub fn keep(&self, subject: &Subject, inputs: &Map, state: State) {
        if !state.id.is_empty() {
            lock(&self.made).push(Made { subject: subject.clone(), inputs: inputs.clone(), state });
        }
    }

    /// Deletes what items have made beside the lives, the last one first.
    pub async fn clear(&self) -> Outcome {
        let made = std::mem::take(&mut *lock(&self.made));
        let mut left = Vec::new();
        for Made { subject, inputs, state } in made.into_iter().rev() {
            let mut client = self.lives().await?.provider.client.clone();
            match timeout(Duration::from_mins(1), client.delete(subject.delete(&state, &inputs))).await {
                Err(_) => left.push(format!("{}: no answer within a minute", state.id)),
                Ok(Err(status)) => left.push(format!("{}: {}", state.id, status.message())),
                Ok(Ok(_)) => {}
            }
        }
        expect_none(left, "to delete what was made, now that the cloud is as ever")
    }

    /// What was told while a Create had to wait. It is watched once.
    pub async fn waited(&self) -> Outcome<&Waited> {
        self.waited.get_or_init(|| Waited::watch(self)).await.as_ref().map_err(Clone::clone)
    }

    /// Good inputs of a sample, as a host sends them. What they refer to lives already; see [`Run::lives`].
    pub async fn inputs(&self, name: &str, changes: &Map) -> Outcome<Map> {
        let Some((_, sample, entry)) = self.samples()?.into_iter().find(|it| it.0 == name) else {
            return failed(format!("a sample {name}, which a situation names"), "none");
        };
        let inputs = self.lives().await?.fill_in(&overlay(&sample.inputs, changes))?;
        Ok(as_sent(&inputs, entry.inputs()))
    }
}

/// The samples that a value refers to, by `${Name.path}`.
fn references(value: &Json) -> Vec<String> {
    match value {
        Json::String(text) => {
            let places = text.split("${").skip(1).filter_map(|it| it.split_once('}')?.0.split_once('.'));
            places.map(|(name, _)| name.to_owned()).filter(|it| it != "cloud").collect()
        }
        Json::Array(items) => items.iter().flat_map(references).collect(),
        Json::Object(map) => map.values().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// The URN of a resource in the stack that the suite plays.
pub fn urn(token: &str, name: &str) -> String {
    format!("urn:pulumi:dev::conformance::{token}::{name}")
}

/// Says what the engine says first.
pub async fn greet(client: &mut Client, engine: &str) -> Result<rpc::ProviderHandshakeResponse, Status> {
    Ok(client.handshake(handshake_request(engine)).await?.into_inner())
}

/// What the engine says first.
pub fn handshake_request(engine: &str) -> rpc::ProviderHandshakeRequest {
    rpc::ProviderHandshakeRequest {
        engine_address: engine.to_owned(),
        root_directory: Some(".".to_owned()),
        program_directory: Some(".".to_owned()),
        configure_with_urn: true,
        supports_views: true,
        supports_refresh_before_update: true,
        invoke_with_preview: true,
        accepts_byte_string: true,
        ..Default::default()
    }
}
