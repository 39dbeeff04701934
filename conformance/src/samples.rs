//! The file that tells the suite what it may ask of a provider: inputs that are good, how to change them, and bad ones.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::value::{Map, plain_map};

/// The samples of one provider. Wherever a value is text, `${cloud}` stands for the address given with `--cloud` (`${cloud.name}` for `--cloud name=…`), and
/// `${Thing.name}` for the output `name` of the sample `Thing` (`${Thing.id}` for its id), which then is created first.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Samples {
    /// How the provider is configured.
    pub provider: ProviderSample,
    /// By token or by the last part of it, in the order in which they are created.
    pub resources: IndexMap<String, ResourceSample>,
    /// By token or by the last part of it.
    pub functions: IndexMap<String, FunctionSample>,
    /// By token or by the last part of it.
    pub components: IndexMap<String, ComponentSample>,
    /// Times when things go wrong, as far as the provider's cloud can be made to play them.
    pub situations: IndexMap<Situation, Scene>,
}

/// How a provider is configured.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ProviderSample {
    /// What the process has in its environment, beside `PATH`.
    pub environment: BTreeMap<String, String>,
    /// Good settings, in their own types.
    pub config: Map,
    /// Settings that make no resource unreachable, such as other credentials.
    pub updates: Map,
    /// Settings that make old resources unreachable, such as another region.
    pub replaces: Map,
    /// Settings of which every one is wrong.
    pub invalid: Map,
    /// A secret setting with a value that is wrong.
    pub invalid_secret: Map,
    /// A setting that has to be there, without its package: `region`; none if all have defaults.
    pub required: Option<String>,
    /// The variables that would stand in for the required setting.
    pub required_environment: Vec<String>,
    /// The schema as it is published, by its path from the file of samples.
    pub schema: Option<PathBuf>,
}

/// Inputs of a resource. Maps are laid over `inputs`; a null takes a property away.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ResourceSample {
    /// Its token or the last part of that, where the sample has another name.
    pub r#type: Option<String>,
    /// Good inputs: all that are required, and as many others as may be.
    pub inputs: Map,
    /// A change that is made in place.
    pub updates: Map,
    /// A change that makes a new resource.
    pub replaces: Map,
    /// Whether what is to be replaced has to go first, when only `replaces` changes.
    pub deletes_first: bool,
    /// Other spellings of `inputs` that mean the same: a list in another order, say.
    pub same: Vec<Map>,
    /// Inputs that make no difference when nothing else changes, for they have one good value only, say: paths, with `[*]` for
    /// every item of a list.
    pub no_difference: Vec<String>,
    /// Bad inputs.
    pub invalid: Vec<Invalid>,
    /// Properties whose value the provider or its cloud keeps to itself, so no import can tell it.
    pub write_only: Vec<String>,
    /// An id of the wrong form.
    pub malformed_id: Option<String>,
    /// What the error about it must say: the form of a good one.
    pub id_format: String,
    /// What to ask List for.
    pub list: Map,
    /// Why nothing of it can be created here, if that is so: it is checked and compared only.
    pub not_created: Option<String>,
}

/// Inputs that must be refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Invalid {
    /// Laid over good inputs.
    pub inputs: Map,
    /// What the failures must say, one for each mistake: the path of the property, or the allowed values.
    #[serde(default)]
    pub says: Vec<String>,
}

/// Arguments of a function.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FunctionSample {
    /// Good ones.
    pub arguments: Map,
    /// Bad ones, refused as failures.
    pub invalid: Option<Map>,
}

/// Inputs of a component.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ComponentSample {
    /// Good ones.
    pub inputs: Map,
    /// Bad ones.
    pub invalid: Option<Map>,
    /// An input that reaches a child.
    pub passed_on: Option<String>,
}

/// A time when something goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Situation {
    /// The resource is made, and does not become ready.
    Pending,
    /// The cloud is silent before anything is made.
    Silent,
    /// The cloud makes the resource, and the answer that says so is lost.
    Lost,
    /// The cloud refuses before anything is made.
    Refused,
    /// The cloud says that it is asked too often, a few times.
    Throttled,
    /// The cloud says that this is not allowed.
    Denied,
    /// The first part of an update succeeds, the second is refused.
    HalfUpdated,
    /// The resource is there and of no use.
    Unhealthy,
    /// Deletion is refused.
    Undeletable,
    /// Deletion is accepted and does not come to an end.
    Deleting,
    /// Somebody else has changed the resource.
    Drifted,
}

/// How to play a [`Situation`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scene {
    /// The sample that it happens to.
    pub resource: String,
    /// Laid over its inputs.
    #[serde(default)]
    pub inputs: Map,
    /// The change that is made, in place of the sample's own.
    pub updates: Option<Map>,
    /// What the cloud answers meanwhile, in place of the real answers; the first that matches. Once the resource is
    /// checked, `${name}` stands for its property `name`, and once it exists, `${id}` for its id.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// What the errors must say, with `${name}` as in the answers.
    #[serde(default)]
    pub says: Vec<String>,
    /// What must differ afterwards: paths of inputs.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// An answer in place of the real one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Answer {
    /// What the request holds somewhere: in its method and path (`PUT /thing/`), a header or the body.
    pub request: String,
    /// How often it is given; without a number, always. The real answers follow.
    pub times: Option<usize>,
    /// How many requests of this kind are let through before.
    #[serde(default)]
    pub after: usize,
    /// The HTTP status; without one, there is no answer at all.
    pub status: Option<u16>,
    /// Whether the cloud gets the request all the same, and only its own answer is lost; without a status, the connection is
    /// closed instead.
    #[serde(default)]
    pub lost: bool,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Text as it is, anything else as JSON.
    #[serde(default)]
    pub body: Json,
}

impl Answer {
    /// The same, in which `${name}` stands for the property `name`.
    #[must_use]
    pub fn about(&self, properties: &Map) -> Self {
        let properties = plain_map(properties);
        Self { request: filled(&self.request, &properties), body: filled_in(&self.body, &properties), ..self.clone() }
    }
}

/// `text` in which `${name}` stands for a property; any other is left as it is.
pub fn filled(text: &str, properties: &Map) -> String {
    properties.iter().fold(text.to_owned(), |text, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace(&format!("${{{name}}}"), &value)
    })
}

fn filled_in(value: &Json, properties: &Map) -> Json {
    match value {
        Json::String(text) => Json::String(filled(text, properties)),
        Json::Array(items) => items.iter().map(|it| filled_in(it, properties)).collect(),
        Json::Object(map) => map.iter().map(|(key, it)| (key.clone(), filled_in(it, properties))).collect(),
        _ => value.clone(),
    }
}

impl Samples {
    /// Reads the file at `path`, or gives samples of nothing.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut samples: Self =
            serde_saphyr::from_str(&text).with_context(|| format!("{} is no file of samples", path.display()))?;
        if let (Some(schema), Some(folder)) = (&mut samples.provider.schema, path.parent()) {
            *schema = folder.join(&*schema);
        }
        Ok(samples)
    }
}
