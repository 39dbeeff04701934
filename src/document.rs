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

    /// Whether any statement lets the service of this name in. A document that cannot be read may.
    pub fn trusts(&self, service: &str) -> bool {
        let Ok(document) = serde_json::from_str::<Json>(&self.to_text()) else { return true };
        items(&document["Statement"]).iter().any(|it| {
            let principal = &it["Principal"];
            let among = |names: &Json| names == service || names.as_array().is_some_and(|all| all.iter().any(|it| it == service));
            let anyone = principal == "*" || principal["AWS"] == "*" || principal["Service"] == "*" || principal.is_null();
            it["Effect"] == "Allow" && (anyone || among(&principal["Service"]))
        })
    }

    /// The actions that its statements allow, as patterns such as `s3:*`; none if it cannot be read, or says what it does not
    /// allow.
    pub fn allowed_actions(&self) -> Option<Vec<String>> {
        let document = serde_json::from_str::<Json>(&self.to_text()).ok()?;
        let mut actions = Vec::new();
        for statement in items(&document["Statement"]).iter().filter(|it| it["Effect"] != "Deny") {
            let allowed = items(statement.get("Action")?);
            actions.extend(allowed.iter().map(|it| it.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?);
        }
        Some(actions)
    }
}

/// One thing, or the list of many: AWS takes both for the same.
fn items(json: &Json) -> &[Json] {
    match json {
        Json::Null => &[],
        Json::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        let parsed = |it: &Self| serde_json::from_str(&it.to_text()).ok().map(normal);
        parsed(self) == parsed(other)
    }
}

/// A document in the one form that all its spellings share: AWS takes one value for a list of one, lists in any order, and
/// shows the number of an account as the ARN of its root user.
pub fn normal(json: Json) -> Json {
    match json {
        Json::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(normal).collect();
            items.sort_by_key(ToString::to_string);
            if items.len() == 1 { items.swap_remove(0) } else { Json::Array(items) }
        }
        Json::Object(map) => {
            let entry = |(key, it): (String, Json)| match (key.as_str(), it) {
                ("AWS", Json::Array(items)) => (key, normal(items.into_iter().map(principal).collect())),
                ("AWS", it) => (key, principal(it)),
                (_, it) => (key, normal(it)),
            };
            Json::Object(map.into_iter().map(entry).collect())
        }
        Json::Number(it) => Json::String(it.to_string()),
        Json::Bool(it) => Json::String(it.to_string()),
        other => other,
    }
}

fn principal(json: Json) -> Json {
    match json {
        Json::String(it) if it.len() == 12 && it.bytes().all(|it| it.is_ascii_digit()) => {
            Json::String(format!("arn:aws:iam::{it}:root"))
        }
        other => normal(other),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_spellings_of_a_document_are_one() {
        let text = r#"{"Statement": [{"Action": ["a:B", "a:A"], "Principal": {"AWS": ["123456789012"]}, "Resource": "*"}]}"#;
        let root = "arn:aws:iam::123456789012:root";
        let map = json!({ "Statement": { "Resource": ["*"], "Action": ["a:A", "a:B"], "Principal": { "AWS": root } } });
        assert_eq!(Document::new(text), Document(map.clone()));
        assert_eq!(Document(json!(text)), Document(map));
        assert_ne!(Document::new(text), Document(json!({ "Statement": [] })));
    }
}
