//! Policy documents, which programs write as maps or as JSON text.

pub mod inspection;
pub mod policy;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::facts::covers;

/// A JSON document, as a map or as text. All ways to write the same document mean the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Document(Json);

impl Document {
    /// The document that AWS shows.
    pub fn new(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned())))
    }

    /// Whether it says nothing: no text, an empty map, or a lifecycle policy without a rule.
    pub fn is_empty(&self) -> bool {
        let text = self.to_text();
        text.trim().is_empty() || serde_json::from_str(&text).is_ok_and(|it| says_nothing(&it))
    }

    /// The text for AWS.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Json::String(text) => text.clone(),
            json => json.to_string(),
        }
    }

    /// Whether any statement lets the service of this name, such as `ecs-tasks`, act as the role. Its domain differs between
    /// partitions. A document that cannot be read may.
    pub fn trusts(&self, service: &str) -> bool {
        let Ok(document) = serde_json::from_str::<Json>(&self.to_text()) else { return true };
        items(&document["Statement"]).iter().any(|it| {
            let principal = &it["Principal"];
            let is_service = |it: &Json| it.as_str().and_then(|it| it.split('.').next()) == Some(service);
            let among = |names: &Json| items(names).iter().any(is_service);
            let anyone = principal == "*" || principal["AWS"] == "*" || principal["Service"] == "*" || principal.is_null();
            let acts = |action: &Json| action.as_str().is_none_or(|it| covers(it, "sts:AssumeRole"));
            let acts = it["Action"].is_null() || items(&it["Action"]).iter().any(acts);
            it["Effect"] == "Allow" && acts && (anyone || among(&principal["Service"]))
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

/// Whether a document says nothing: it is an empty map, or a lifecycle policy without a rule.
pub fn says_nothing(json: &Json) -> bool {
    json.as_object().is_some_and(|it| it.values().all(|it| it.as_array().is_some_and(Vec::is_empty)))
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

/// A document in the one form that all its spellings share, by the grammar of IAM's JSON policies: one value stands for a list
/// of one, lists have no order, the number of an account stands for the ARN of its root user, and anybody is `*` or
/// `{"AWS": "*"}`. What says nothing may be left out: an empty `Sid` or `Condition`, and the version that is the default.
pub fn normal(json: Json) -> Json {
    match json {
        Json::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(normal).collect();
            items.sort_by_key(ToString::to_string);
            items.dedup();
            if items.len() == 1 { items.swap_remove(0) } else { Json::Array(items) }
        }
        Json::Object(map) => Json::Object(map.into_iter().filter(|(key, it)| says_something(key, it)).map(entry).collect()),
        Json::Number(it) => Json::String(match it.as_f64() {
            Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
            _ => it.to_string(),
        }),
        Json::Bool(it) => Json::String(it.to_string()),
        other => other,
    }
}

fn says_something(key: &str, value: &Json) -> bool {
    match key {
        "Sid" => value != "",
        "Condition" => value.as_object().is_none_or(|it| !it.is_empty()),
        "Version" => value != "2008-10-17",
        _ => !value.is_null(),
    }
}

fn entry((key, value): (String, Json)) -> (String, Json) {
    let value = match (key.as_str(), value) {
        ("Principal" | "NotPrincipal", Json::String(it)) if it == "*" => json!({ "AWS": "*" }),
        ("AWS", Json::Array(items)) => normal(items.into_iter().map(principal).collect()),
        ("AWS", it) => principal(it),
        (_, it) => normal(it),
    };
    (key, value)
}

/// A principal in AWS; of the root user of an account, in any partition, the number of the account.
fn principal(json: Json) -> Json {
    let account = |it: &str| {
        let parts: Vec<_> = it.split(':').collect();
        match parts[..] {
            ["arn", _, "iam", "", account, "root"] => Some(account.to_owned()),
            _ => None,
        }
    };
    match json {
        Json::String(it) => Json::String(account(&it).unwrap_or(it)),
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

    #[test]
    fn spellings_that_aws_changes_mean_the_same() {
        let statement = |more: Json| {
            let mut it = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
            it.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Document(json!({ "Version": "2012-10-17", "Statement": [it] }))
        };
        for (one, other) in [
            (json!({ "Principal": "*" }), json!({ "Principal": { "AWS": ["*"] } })),
            (
                json!({ "Principal": { "AWS": "123456789012" } }),
                json!({ "Principal": { "AWS": "arn:aws-cn:iam::123456789012:root" } }),
            ),
            (json!({}), json!({ "Sid": "", "Condition": {} })),
            (
                json!({ "Condition": { "Bool": { "aws:SecureTransport": true }, "NumericLessThan": { "a": 3.0 } } }),
                json!({ "Condition": { "Bool": { "aws:SecureTransport": ["true"] }, "NumericLessThan": { "a": "3" } } }),
            ),
            (json!({ "Action": ["s3:Get*", "s3:Put*"] }), json!({ "Action": ["s3:Put*", "s3:Get*", "s3:Put*"] })),
        ] {
            assert_eq!(statement(one), statement(other));
        }
        let oldest = json!({ "Statement": [] });
        assert_eq!(Document(json!({ "Version": "2008-10-17", "Statement": [] })), Document(oldest.clone()));
        assert_ne!(Document(json!({ "Version": "2012-10-17", "Statement": [] })), Document(oldest));
        let one = |role: &str| statement(json!({ "Principal": { "AWS": format!("arn:aws:iam::123456789012:{role}") } }));
        assert_ne!(one("root"), one("role/app"));
    }

    #[test]
    fn documents_that_say_nothing() {
        for nothing in [json!(""), json!(" "), json!("{}"), json!({}), json!({ "rules": [] }), json!(r#"{"rules": []}"#)] {
            assert!(Document(nothing.clone()).is_empty(), "{nothing}");
        }
        assert!(!Document(json!({ "rules": [{ "rulePriority": 1 }] })).is_empty());
        assert!(!Document(json!({ "Version": "2012-10-17", "Statement": [] })).is_empty());
    }
}
