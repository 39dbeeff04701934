//! Values as they travel: JSON, in which objects with a signature stand for what JSON lacks.

use prost_types::{ListValue, Struct, Value as Proto, value::Kind};
use serde_json::{Value as Json, json};

use crate::fault::fault;

/// An object.
pub(crate) type Map = serde_json::Map<String, Json>;

const SIGNATURE: &str = "4dabf18193072939515e22adb298388d";
const SECRET: &str = "1b47061264138c4ac30d75fd1eb44270";
const ASSET: &str = "c44067f5952c0a294b673a41bacd8c17";
const ARCHIVE: &str = "0def7320c3a5731c473e5ecbe6d01bc7";
const RESOURCE: &str = "5cf8f73096256a8f31e491e813e4eb8e";
const OUTPUT: &str = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/// What stands for a value that is not known yet: text, boolean, number, list, asset, archive, object.
const UNKNOWNS: [&str; 7] = [
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
];

/// The value that is not known yet.
pub(crate) fn unknown() -> Json {
    json!(UNKNOWNS[0])
}

/// An output value that depends on resources; without a value, it is not known yet.
pub(crate) fn output(value: Option<Json>, secret: bool, dependencies: &[String]) -> Json {
    let mut output = json!({ SIGNATURE: OUTPUT, "secret": secret, "dependencies": dependencies });
    if let Some(value) = value {
        output["value"] = value;
    }
    output
}

/// An output value as engines take it that do not know of those.
pub(crate) fn without_output(value: &Json) -> Json {
    let bare = if is_unknown(value) { unknown() } else { inner(value).clone() };
    if is_secret(value) { secret(bare) } else { bare }
}

/// The resources that an output value depends on.
pub(crate) fn dependencies(value: &Json) -> impl Iterator<Item = String> {
    let urns = (signature(value) == Some(OUTPUT)).then(|| value["dependencies"].as_array()).flatten();
    urns.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned)
}

/// The value, secret.
pub(crate) fn secret(value: Json) -> Json {
    if is_secret(&value) { value } else { json!({ SIGNATURE: SECRET, "value": value }) }
}

fn signature(value: &Json) -> Option<&str> {
    value.get(SIGNATURE)?.as_str()
}

/// Whether it is marked as secret.
pub(crate) fn is_secret(value: &Json) -> bool {
    signature(value) == Some(SECRET) || signature(value) == Some(OUTPUT) && value["secret"] == true
}

/// What is within the marks of secrets and outputs.
pub(crate) fn inner(value: &Json) -> &Json {
    match signature(value) {
        Some(SECRET) if fault(17) => inner(value.get("value").expect("a secret has a value")),
        Some(SECRET) => inner(&value["value"]),
        Some(OUTPUT) if value.get("value").is_some() => inner(&value["value"]),
        _ => value,
    }
}

/// [`inner`], to be changed.
pub(crate) fn inner_mut(value: &mut Json) -> &mut Json {
    if matches!(signature(value), Some(SECRET | OUTPUT)) && value.get("value").is_some() {
        inner_mut(&mut value["value"])
    } else {
        value
    }
}

/// Whether it is not known yet.
pub(crate) fn is_unknown(value: &Json) -> bool {
    let value = inner(value);
    match signature(value) {
        Some(OUTPUT) => true,
        Some(RESOURCE) => value.get("id").is_some_and(|it| it == "" || is_unknown(it)),
        _ if fault(58) => *value == UNKNOWNS[0],
        _ => value.as_str().is_some_and(|it| UNKNOWNS.contains(&it)),
    }
}

/// Whether it, or anything in it, is not known yet.
pub(crate) fn holds_unknown(value: &Json) -> bool {
    is_unknown(value)
        || match inner(value) {
            Json::Array(items) => items.iter().any(holds_unknown),
            Json::Object(map) => map.values().any(holds_unknown),
            _ => false,
        }
}

/// What the cloud would see of it: no marks, no nulls, ids for references, hashes for assets.
pub(crate) fn plain(value: &Json) -> Json {
    if is_unknown(value) {
        return unknown();
    }
    match inner(value) {
        Json::Array(items) => items.iter().map(plain).collect(),
        it @ Json::Object(map) => match signature(it) {
            Some(RESOURCE) => plain(&it["id"]),
            Some(ASSET | ARCHIVE) => it.get("hash").unwrap_or(it).clone(),
            _ => map.iter().filter(|(_, it)| !inner(it).is_null()).map(|(key, it)| (key.clone(), plain(it))).collect(),
        },
        it => it.clone(),
    }
}

/// The type of a value that is known, in the words of the schema.
pub(crate) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "boolean",
        Json::Number(it) if it.as_f64().is_some_and(|it| it.fract() == 0.0) => "integer",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => match signature(value) {
            None => "object",
            Some(ASSET | ARCHIVE) => "asset",
            // Wherever the id of a resource is meant, the resource itself may stand.
            Some(RESOURCE) if !fault(60) => "string",
            Some(_) => "special value",
        },
    }
}

/// The path of the property `key` of what is at `path`.
pub(crate) fn key_path(path: &str, key: &str) -> String {
    let simple = key.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    match path {
        "" if simple || fault(79) => key.to_owned(),
        _ if simple || fault(79) => format!("{path}.{key}"),
        _ => format!("{path}[{}]", json!(key)),
    }
}

/// The steps of a path: `a.b[0]["c.d"]` is a, b, 0 and c.d.
pub(crate) fn steps(path: &str) -> Vec<String> {
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        let quoted = rest.strip_prefix("[\"").and_then(|it| it.split_once("\"]"));
        let bracket = || rest.strip_prefix('[').and_then(|it| it.split_once(']'));
        let plain =
            || rest.split_at(rest.char_indices().skip(1).find(|(_, it)| "[.".contains(*it)).map_or(rest.len(), |(at, _)| at));
        let (step, after) = quoted.or_else(bracket).unwrap_or_else(plain);
        steps.push(step.replace("\\\"", "\""));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

/// A map as it came; empty if none did.
pub(crate) fn read(map: Option<Struct>) -> Map {
    map.into_iter().flat_map(|it| it.fields).map(|(key, it)| (key, from_proto(it))).collect()
}

/// A map as it goes.
pub(crate) fn write(map: Map) -> Struct {
    Struct { fields: map.into_iter().map(|(key, it)| (key, to_proto(it))).collect() }
}

/// A value as it came. All numbers are doubles, so that equal ones are the same.
fn from_proto(value: Proto) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(it)) => it.into(),
        Some(Kind::NumberValue(it)) => it.into(),
        Some(Kind::StringValue(it)) => it.into(),
        Some(Kind::ListValue(it)) => it.values.into_iter().map(from_proto).collect(),
        Some(Kind::StructValue(it)) => Json::Object(read(Some(it))),
    }
}

/// A value as it goes.
pub(crate) fn to_proto(value: Json) -> Proto {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(it) => Kind::BoolValue(it),
        Json::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or_default()),
        Json::String(it) => Kind::StringValue(it),
        Json::Array(it) => Kind::ListValue(ListValue { values: it.into_iter().map(to_proto).collect() }),
        Json::Object(it) => Kind::StructValue(write(it)),
    };
    Proto { kind: Some(kind) }
}

/// JSON of the cloud or the schema, with doubles for all numbers as in [`read`].
pub(crate) fn doubles(value: Json) -> Json {
    from_proto(to_proto(value))
}
