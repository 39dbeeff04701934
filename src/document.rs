//! Policy documents, which programs write as maps or as JSON text.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A JSON document, as a map or as text. All ways to write the same document mean the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Document(Json);

impl Document {
    /// The document that AWS shows.
    pub fn new(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned())))
    }

    /// The text for AWS.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Json::String(text) => text.clone(),
            json => json.to_string(),
        }
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        let parsed = |it: &Self| serde_json::from_str::<Json>(&it.to_text()).ok();
        parsed(self) == parsed(other)
    }
}

impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "Document".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "compare": "json" })
    }
}
