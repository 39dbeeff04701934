//! The life of every resource that there are samples of: what the engine would ask in `up`, kept for all items to look at.

use serde_json::Value as Json;
use tokio::sync::OnceCell;

use crate::{
    detail::InitFailed,
    item::{Outcome, Stop, expect_none, failed},
    provider::{Client, Provider},
    rpc,
    run::{Run, Special, urn},
    samples::ResourceSample,
    schema::as_sent,
    value::{Map, from_struct, overlay, to_struct, unknown},
};

/// The lives of all resources, in the order of the samples.
pub struct Lives {
    /// The one that they live in.
    pub provider: Provider,
    /// By the name of the sample. Those that are not created here have no state.
    pub all: Vec<Life>,
    changes: OnceCell<Vec<(String, Outcome<Change>)>>,
    ended: OnceCell<Vec<Ended>>,
}

/// How a resource was changed in place, and back again.
#[derive(Clone, Debug)]
pub struct Change {
    /// The checked inputs after it.
    pub news: Map,
    /// What the preview of it tells.
    pub foreseen: Map,
    /// What it made of the outputs.
    pub outputs: Map,
    /// What a refresh saw after it, which knew nothing of it.
    pub refreshed: rpc::ReadResponse,
    /// What Read found by the id alone after it.
    pub found: rpc::ReadResponse,
}

/// How a resource was deleted.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The name of the sample.
    pub name: String,
    /// What came of Delete with nothing but id and outputs.
    pub bare: Outcome,
    /// What Read finds right after it.
    pub left: Outcome<rpc::ReadResponse>,
}

/// One resource, from Check to Create.
#[derive(Clone)]
pub struct Life {
    /// The name of the sample.
    pub name: String,
    pub subject: Subject,
    /// What the program says.
    pub inputs: Map,
    /// What Check makes of it.
    pub checked: Map,
    /// What the preview of its creation tells, and how often that called the cloud.
    pub foreseen: Map,
    pub calls_in_preview: Option<usize>,
    /// What it was created as.
    pub state: Outcome<State>,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub struct Subject {
    pub urn: String,
    pub token: String,
    pub name: String,
}

/// A resource that exists.
#[derive(Clone, Debug)]
pub struct State {
    pub id: String,
    pub outputs: Map,
}

impl From<rpc::CreateResponse> for State {
    fn from(created: rpc::CreateResponse) -> Self {
        Self { id: created.id, outputs: from_struct(created.properties.as_ref()) }
    }
}

impl From<InitFailed> for State {
    fn from(found: InitFailed) -> Self {
        Self { id: found.id, outputs: found.outputs }
    }
}

/// What a random name is made of.
pub const SEED: [u8; 32] = [0xab; 32];

impl Lives {
    /// Leads every resource through Check, preview and Create.
    pub async fn lead(run: &Run) -> Outcome<Self> {
        let samples = run.samples()?;
        let mut lives = Self {
            provider: run.configured_in(Special::default()).await?,
            all: Vec::new(),
            changes: OnceCell::new(),
            ended: OnceCell::new(),
        };
        for (name, sample, entry) in samples {
            let life = lives.lead_one(name, sample, entry).await;
            lives.all.push(life?);
        }
        Ok(lives)
    }

    async fn lead_one(&self, name: &str, sample: &ResourceSample, entry: crate::schema::Entry<'_>) -> Outcome<Life> {
        let mut client = self.provider.client.clone();
        let subject = Subject::new(entry.token, &name.to_lowercase());
        let filled = match self.fill_in(&sample.inputs) {
            Ok(inputs) => inputs,
            // What it refers to could not be created: so is this.
            Err(_) => Self::foresee(&sample.inputs),
        };
        let inputs = as_sent(&filled, entry.inputs());
        let early = as_sent(&Self::foresee(&sample.inputs), entry.inputs());
        let before = self.provider.calls();
        let foreseen = match client.check(subject.check(&Map::new(), &early)).await {
            Ok(it) => client.create(subject.create(&from_struct(it.get_ref().inputs.as_ref()), true)).await,
            Err(status) => Err(status),
        };
        let foreseen = foreseen.map(|it| from_struct(it.get_ref().properties.as_ref())).unwrap_or_default();
        let calls_in_preview = before.zip(self.provider.calls()).map(|(before, after)| after - before);
        let mut life = Life {
            name: name.to_owned(),
            subject,
            checked: Map::new(),
            inputs,
            foreseen,
            calls_in_preview,
            state: failed("good inputs", "Check refuses them"),
        };
        life.begin(&mut client, sample).await;
        Ok(life)
    }

    /// What a preview would have in place of what does not exist yet.
    fn foresee(inputs: &Map) -> Map {
        let Json::Object(map) = fill(&Json::Object(inputs.clone()), &mut |_, _| Some(unknown())) else { return Map::new() };
        map
    }

    /// `inputs` with the outputs of other samples that they refer to.
    pub fn fill_in(&self, inputs: &Map) -> Outcome<Map> {
        let mut missing = None;
        let filled = fill(&Json::Object(inputs.clone()), &mut |sample, path| {
            let found = self.output(sample, path);
            if found.is_none() {
                missing.get_or_insert_with(|| format!("${{{sample}.{path}}}"));
            }
            found
        });
        match (missing, filled) {
            (None, Json::Object(map)) => Ok(map),
            (missing, _) => failed("a resource that the samples refer to", format!("no {}", missing.unwrap_or_default())),
        }
    }

    fn output(&self, sample: &str, path: &str) -> Option<Json> {
        let state = self.get(sample)?.state.as_ref().ok()?;
        if path == "id" {
            return Some(Json::String(state.id.clone()));
        }
        let mut parts = path.split('.');
        let first = state.outputs.get(parts.next()?)?;
        parts.try_fold(first.clone(), |value, part| match part.parse::<usize>() {
            Ok(index) => value.get(index).cloned(),
            Err(_) => value.get(part).cloned(),
        })
    }

    /// The life of a sample.
    pub fn get(&self, name: &str) -> Option<&Life> {
        self.all.iter().find(|it| it.name == name)
    }

    /// How each resource whose sample has `updates` is changed, and back again, by its name. That is done once.
    pub async fn changes(&self, run: &Run) -> &[(String, Outcome<Change>)] {
        let all = async {
            let mut all = Vec::new();
            for (life, state) in self.created() {
                let updates = &run.options.samples.resources[&life.name].updates;
                if !updates.is_empty() {
                    all.push((life.name.clone(), self.change(run, life, state, updates).await));
                }
            }
            all
        };
        self.changes.get_or_init(|| all).await
    }

    async fn change(&self, run: &Run, life: &Life, state: &State, updates: &Map) -> Outcome<Change> {
        let mut client = self.provider.client.clone();
        let (subject, old) = (&life.subject, &life.checked);
        let inputs = self.fill_in(&overlay(&life.inputs, updates))?;
        let inputs = as_sent(&inputs, run.resource(&life.name)?.inputs());
        let news = subject.checked(&mut client, old, &inputs).await?;
        let foreseen = client.update(subject.update(state, old, &news, true)).await?.into_inner();
        let outputs = client.update(subject.update(state, old, &news, false)).await?.into_inner();
        let refreshed = client.read(subject.refresh(state, old)).await;
        let found = client.read(subject.import(&state.id)).await;
        let changed = State { id: state.id.clone(), outputs: from_struct(outputs.properties.as_ref()) };
        let restored = client.update(subject.update(&changed, &news, old, false)).await;
        if found.as_ref().is_ok_and(|it| !it.get_ref().id.is_empty()) {
            restored?;
        }
        Ok(Change {
            news,
            foreseen: from_struct(foreseen.properties.as_ref()),
            outputs: changed.outputs,
            refreshed: refreshed?.into_inner(),
            found: found?.into_inner(),
        })
    }

    /// Deletes all of them, the last one first. That is done once.
    pub async fn end(&self) -> &[Ended] {
        let all = async {
            let mut all = Vec::new();
            for (life, state) in self.created().collect::<Vec<_>>().into_iter().rev() {
                let mut client = self.provider.client.clone();
                let bare = rpc::DeleteRequest { old_inputs: None, ..life.subject.delete(state, &Map::new()) };
                let bare = client.delete(bare).await.map(|_| ()).map_err(Stop::from);
                let left = client.read(life.subject.import(&state.id)).await;
                if bare.is_err() {
                    // Nothing may stay behind.
                    _ = client.delete(life.subject.delete(state, &life.checked)).await;
                }
                let left = left.map(tonic::Response::into_inner).map_err(Stop::from);
                all.push(Ended { name: life.name.clone(), bare, left });
            }
            all
        };
        self.ended.get_or_init(|| all).await
    }

    /// Those that were created.
    pub fn created(&self) -> impl Iterator<Item = (&Life, &State)> {
        self.all.iter().filter_map(|it| Some((it, it.state.as_ref().ok()?)))
    }
}

impl Life {
    async fn begin(&mut self, client: &mut Client, sample: &ResourceSample) {
        match self.subject.checked(client, &Map::new(), &self.inputs).await {
            Ok(checked) => self.checked = checked,
            Err(stop) => return self.state = Err(stop),
        }
        if let Some(why) = &sample.not_created {
            return self.state = Err(Stop::NotApplicable(why.clone()));
        }
        self.state = match client.create(self.subject.create(&self.checked, false)).await {
            Ok(it) => Ok(it.into_inner().into()),
            Err(status) => failed(format!("Create of {} to succeed", self.name), status.message()),
        };
    }
}

/// Replaces `${Sample.path}` wherever it stands in text; text that is nothing else becomes the value itself.
fn fill(value: &Json, output: &mut impl FnMut(&str, &str) -> Option<Json>) -> Json {
    match value {
        Json::Array(items) => items.iter().map(|it| fill(it, output)).collect(),
        Json::Object(map) => map.iter().map(|(key, it)| (key.clone(), fill(it, output))).collect::<Map>().into(),
        Json::String(text) => fill_text(text, output),
        other => other.clone(),
    }
}

fn fill_text(text: &str, output: &mut impl FnMut(&str, &str) -> Option<Json>) -> Json {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, end)) = after.split_once('}') else { break };
        let Some((sample, path)) = name.split_once('.') else { break };
        let Some(value) = output(sample, path) else { return Json::Null };
        if before.is_empty() && end.is_empty() && result.is_empty() || crate::value::is_unknown(&value) {
            return value;
        }
        result.push_str(before);
        result.push_str(value.as_str().unwrap_or(&value.to_string()));
        rest = end;
    }
    result.push_str(rest);
    Json::String(result)
}

impl Subject {
    /// A resource called `name`.
    pub fn new(token: &str, name: &str) -> Self {
        Self { urn: urn(token, name), token: token.to_owned(), name: name.to_owned() }
    }

    /// Check, as the engine asks for it.
    pub fn check(&self, old: &Map, new: &Map) -> rpc::CheckRequest {
        rpc::CheckRequest {
            urn: self.urn.clone(),
            name: self.name.clone(),
            r#type: self.token.clone(),
            olds: Some(to_struct(old)),
            news: Some(to_struct(new)),
            random_seed: SEED.to_vec(),
            ..Default::default()
        }
    }

    /// What Check makes of good inputs.
    pub async fn checked(&self, client: &mut Client, old: &Map, new: &Map) -> Outcome<Map> {
        let checked = client.check(self.check(old, new)).await?.into_inner();
        let failures = checked.failures.iter().map(|it| format!("{} {}", it.property, it.reason));
        expect_none(failures, format!("good inputs of {}", self.name))?;
        Ok(from_struct(checked.inputs.as_ref()))
    }

    /// Diff of a resource from `state`, which was made of `old`, to `new`.
    pub fn diff(&self, state: &State, old: &Map, new: &Map) -> rpc::DiffRequest {
        rpc::DiffRequest {
            id: state.id.clone(),
            urn: self.urn.clone(),
            name: self.name.clone(),
            r#type: self.token.clone(),
            olds: Some(to_struct(&state.outputs)),
            old_inputs: Some(to_struct(old)),
            news: Some(to_struct(new)),
            ..Default::default()
        }
    }

    /// Create of checked inputs.
    pub fn create(&self, inputs: &Map, preview: bool) -> rpc::CreateRequest {
        rpc::CreateRequest {
            urn: self.urn.clone(),
            name: self.name.clone(),
            r#type: self.token.clone(),
            properties: Some(to_struct(inputs)),
            preview,
            ..Default::default()
        }
    }

    /// Update of a resource from `state`, which was made of `old`, to `new`.
    pub fn update(&self, state: &State, old: &Map, new: &Map, preview: bool) -> rpc::UpdateRequest {
        rpc::UpdateRequest {
            id: state.id.clone(),
            urn: self.urn.clone(),
            name: self.name.clone(),
            r#type: self.token.clone(),
            olds: Some(to_struct(&state.outputs)),
            old_inputs: Some(to_struct(old)),
            news: Some(to_struct(new)),
            preview,
            ..Default::default()
        }
    }

    /// Read in a refresh.
    pub fn refresh(&self, state: &State, inputs: &Map) -> rpc::ReadRequest {
        rpc::ReadRequest {
            properties: Some(to_struct(&state.outputs)),
            inputs: Some(to_struct(inputs)),
            ..self.import(&state.id)
        }
    }

    /// Read in an import.
    pub fn import(&self, id: &str) -> rpc::ReadRequest {
        rpc::ReadRequest {
            id: id.to_owned(),
            urn: self.urn.clone(),
            name: self.name.clone(),
            r#type: self.token.clone(),
            ..Default::default()
        }
    }

    /// Delete.
    pub fn delete(&self, state: &State, inputs: &Map) -> rpc::DeleteRequest {
        rpc::DeleteRequest {
            id: state.id.clone(),
            urn: self.urn.clone(),
            name: self.name.clone(),
            r#type: self.token.clone(),
            properties: Some(to_struct(&state.outputs)),
            old_inputs: Some(to_struct(inputs)),
            ..Default::default()
        }
    }
}
