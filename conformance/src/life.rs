//! The life of every resource that there are samples of: what the engine would ask in `up`, kept for all items to look at.

use serde_json::Value as Json;

use crate::{
    item::{Outcome, Stop, failed},
    provider::{Client, Provider},
    rpc,
    run::{Run, Special, urn},
    samples::ResourceSample,
    schema::as_sent,
    value::{Map, from_struct, to_struct, unknown},
};

/// The lives of all resources, in the order of the samples.
pub struct Lives {
    /// The one that they live in.
    pub provider: Provider,
    /// By the name of the sample. Those that are not created here have no state.
    pub all: Vec<Life>,
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

/// What a random name is made of.
pub const SEED: [u8; 32] = [0xab; 32];

impl Lives {
    /// Leads every resource through Check, preview and Create.
    pub async fn lead(run: &Run) -> Outcome<Self> {
        let mut lives = Self { provider: run.configured_in(Special::default()).await?, all: Vec::new() };
        for (name, sample, entry) in run.samples()? {
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
            Err(_) => self.foresee(&sample.inputs),
        };
        let inputs = as_sent(&filled, entry.inputs());
        let early = as_sent(&self.foresee(&sample.inputs), entry.inputs());
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
    fn foresee(&self, inputs: &Map) -> Map {
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

    /// Those that were created.
    pub fn created(&self) -> impl Iterator<Item = (&Life, &State)> {
        self.all.iter().filter_map(|it| Some((it, it.state.as_ref().ok()?)))
    }
}

impl Life {
    async fn begin(&mut self, client: &mut Client, sample: &ResourceSample) {
        match client.check(self.subject.check(&Map::new(), &self.inputs)).await {
            Err(status) => return self.state = Err(status.into()),
            Ok(checked) => {
                let checked = checked.into_inner();
                self.checked = from_struct(checked.inputs.as_ref());
                if !checked.failures.is_empty() {
                    let reasons: Vec<_> = checked.failures.iter().map(|it| format!("{} {}", it.property, it.reason)).collect();
                    return self.state = failed(format!("good inputs of {}", self.name), reasons.join("; "));
                }
            }
        }
        if let Some(why) = &sample.not_created {
            return self.state = Err(Stop::NotApplicable(why.clone()));
        }
        self.state = match client.create(self.subject.create(&self.checked, false)).await {
            Ok(it) => Ok(State { id: it.get_ref().id.clone(), outputs: from_struct(it.get_ref().properties.as_ref()) }),
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
