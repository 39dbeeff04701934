//! What a provider says of itself.

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::value::Map;

/// A package's schema.
pub struct Schema {
    /// As it came.
    pub text: String,
    /// Its whole content.
    pub json: Json,
}

/// What is about to have a value, by its place in the schema.
#[derive(Clone, Copy)]
pub struct Spec<'a> {
    schema: &'a Schema,
    pub json: &'a Json,
}

/// A resource, component or function of the package.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub token: &'a str,
    pub json: &'a Json,
    schema: &'a Schema,
}

impl Schema {
    /// Reads it.
    pub fn parse(text: String) -> Result<Self> {
        let json = serde_json::from_str(&text).context("the schema is no JSON")?;
        Ok(Self { text, json })
    }

    /// The name of the package.
    pub fn package(&self) -> &str {
        self.json["name"].as_str().unwrap_or_default()
    }

    /// The version of the package.
    pub fn version(&self) -> &str {
        self.json["version"].as_str().unwrap_or_default()
    }

    /// The custom resources.
    pub fn resources(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries("resources").filter(|it| it.json["isComponent"] != true)
    }

    /// The components.
    pub fn components(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries("resources").filter(|it| it.json["isComponent"] == true)
    }

    /// The functions, but for the methods of components.
    pub fn functions(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries("functions").filter(|it| it.json["inputs"]["properties"].get("__self__").is_none())
    }

    fn entries(&self, kind: &str) -> impl Iterator<Item = Entry<'_>> {
        let entries = self.json[kind].as_object();
        entries.into_iter().flatten().map(|(token, json)| Entry { token, json, schema: self })
    }

    /// The settings of the provider.
    pub fn settings(&self) -> impl Iterator<Item = (&str, Spec<'_>)> {
        self.properties(&self.json["provider"]["inputProperties"])
    }

    fn properties<'a>(&'a self, json: &'a Json) -> impl Iterator<Item = (&'a str, Spec<'a>)> {
        let properties = json.as_object();
        properties.into_iter().flatten().map(|(name, json)| (name.as_str(), Spec { schema: self, json }))
    }
}

impl<'a> Entry<'a> {
    /// Whether a sample's name means this: the token, or the last part of it.
    pub fn is_called(&self, name: &str) -> bool {
        self.token == name || self.token.rsplit([':', '/']).next() == Some(name)
    }

    /// What a program sets.
    pub fn inputs(&self) -> impl Iterator<Item = (&'a str, Spec<'a>)> + use<'a> {
        self.schema.properties(&self.json["inputProperties"])
    }

    /// What comes of it.
    pub fn outputs(&self) -> impl Iterator<Item = (&'a str, Spec<'a>)> + use<'a> {
        self.schema.properties(&self.json["properties"])
    }

    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<Spec<'a>> {
        self.inputs().find(|(it, _)| *it == name).map(|(_, it)| it)
    }

    /// The inputs that must be given.
    pub fn required_inputs(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(&self.json["requiredInputs"])
    }

    /// The outputs that are always there, but for those that the engine adds.
    pub fn required(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(&self.json["required"]).filter(|it| !["id", "urn"].contains(it))
    }
}

impl<'a> Spec<'a> {
    /// The type that it refers to, if the package has it.
    #[must_use]
    pub fn resolve(self) -> Self {
        let name = self.json["$ref"].as_str().and_then(|it| it.strip_prefix("#/types/"));
        let found = name.and_then(|it| self.schema.json["types"].get(it));
        found.map_or(self, |json| Self { json, ..self })
    }

    /// `string`, `integer`, `number`, `boolean`, `array`, `object`; none for anything, assets and resources.
    pub fn kind(self) -> Option<&'a str> {
        self.resolve().json["type"].as_str()
    }

    /// The values of an enum.
    pub fn names(self) -> Option<Vec<&'a Json>> {
        Some(self.resolve().json["enum"].as_array()?.iter().map(|it| &it["value"]).collect())
    }

    /// The properties of an object that has named ones.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, Spec<'a>)> {
        self.schema.properties(&self.resolve().json["properties"])
    }

    /// The properties that an object must have.
    pub fn required(self) -> impl Iterator<Item = &'a str> {
        texts(&self.resolve().json["required"])
    }

    /// What the items of a list or the values of a map are.
    pub fn element(self) -> Option<Spec<'a>> {
        let it = self.resolve();
        let element = it.json.get("items").or_else(|| it.json.get("additionalProperties"))?;
        element.is_object().then_some(Self { json: element, ..it })
    }

    /// Whether every value of it is secret.
    pub fn is_secret(self) -> bool {
        self.json["secret"] == true
    }

    /// Whether a change of it makes a new resource, as far as the schema tells.
    pub fn replaces(self) -> bool {
        self.json["willReplaceOnChanges"] == true || self.json["replaceOnChanges"] == true
    }

    /// The value it has when none is given.
    pub fn default(self) -> Option<&'a Json> {
        self.json.get("default").or_else(|| self.json.get("const"))
    }

    /// The environment variables that stand in for it, the first that is set.
    pub fn environment(self) -> impl Iterator<Item = &'a str> {
        texts(&self.json["defaultInfo"]["environment"])
    }
}

fn texts(json: &Json) -> impl Iterator<Item = &str> {
    json.as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// `inputs` as a host sends them: what the schema calls secret is secret.
pub fn as_sent<'a>(inputs: &Map, specs: impl Iterator<Item = (&'a str, Spec<'a>)>) -> Map {
    let mut sent = inputs.clone();
    for (name, _) in specs.filter(|(_, it)| it.is_secret()) {
        if let Some(value) = sent.get_mut(name).filter(|it| !crate::value::is_secret(it)) {
            *value = crate::value::secret(value);
        }
    }
    sent
}
