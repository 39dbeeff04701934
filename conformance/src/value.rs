//! Values as they travel: JSON in which objects with a signature stand for what JSON lacks.

use std::{collections::BTreeSet, fmt};

use prost_types::{ListValue, Struct, Value as Proto, value::Kind};
use serde_json::{Value as Json, json};

/// An object.
pub type Map = serde_json::Map<String, Json>;

/// The key by which special values are told.
pub const SIGNATURE: &str = "4dabf18193072939515e22adb298388d";
/// The signature of a secret.
pub const SECRET: &str = "1b47061264138c4ac30d75fd1eb44270";
/// The signature of an asset.
pub const ASSET: &str = "c44067f5952c0a294b673a41bacd8c17";
/// The signature of an archive.
pub const ARCHIVE: &str = "0def7320c3a5731c473e5ecbe6d01bc7";
/// The signature of a reference to a resource.
pub const RESOURCE: &str = "5cf8f73096256a8f31e491e813e4eb8e";
/// The signature of an output value.
pub const OUTPUT: &str = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/// What stands for a value that is not known yet: text, boolean, number, list, asset, archive, object.
pub const UNKNOWNS: [&str; 7] = [
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
];

/// The value that is not known yet, as the YAML host sends it for any type.
pub fn unknown() -> Json {
    json!(UNKNOWNS[0])
}

/// The same value, secret.
pub fn secret(value: &Json) -> Json {
    json!({ SIGNATURE: SECRET, "value": value })
}

/// A reference to a resource.
pub fn reference(urn: &str, id: &str) -> Json {
    json!({ SIGNATURE: RESOURCE, "urn": urn, "id": id })
}

/// What kind of special value it is, if it is one.
pub fn signature(value: &Json) -> Option<&str> {
    value.get(SIGNATURE)?.as_str()
}

/// Whether it is secret: marked so, or an output value that says so.
pub fn is_secret(value: &Json) -> bool {
    signature(value) == Some(SECRET) || signature(value) == Some(OUTPUT) && value["secret"] == true
}

/// Whether it stands for what is not known yet, secret or not.
pub fn is_unknown(value: &Json) -> bool {
    match signature(value) {
        Some(SECRET) => is_unknown(&value["value"]),
        Some(OUTPUT) => value.get("value").is_none_or(is_unknown),
        _ => value.as_str().is_some_and(|it| UNKNOWNS.contains(&it)),
    }
}

/// The value without the marks of secrets and outputs, at every depth.
pub fn plain(value: &Json) -> Json {
    match (signature(value), value) {
        (Some(SECRET), _) => plain(&value["value"]),
        (Some(OUTPUT), _) => value.get("value").map_or_else(unknown, plain),
        (_, Json::Array(items)) => items.iter().map(plain).collect(),
        (_, Json::Object(map)) => Json::Object(map.iter().map(|(key, it)| (key.clone(), plain(it))).collect()),
        _ => value.clone(),
    }
}

/// [`plain`], of a whole map.
pub fn plain_map(map: &Map) -> Map {
    map.iter().map(|(key, it)| (key.clone(), plain(it))).collect()
}

/// Calls `visit` with the path of every value in `map`, and whether it is within a secret; the inner ones later.
pub fn walk<'a>(map: &'a Map, visit: &mut impl FnMut(&str, &'a Json, bool)) {
    for (key, value) in map {
        walk_value(&key_path("", key), value, false, visit);
    }
}

fn walk_value<'a>(path: &str, value: &'a Json, secret: bool, visit: &mut impl FnMut(&str, &'a Json, bool)) {
    visit(path, value, secret || is_secret(value));
    match (signature(value), value) {
        (Some(SECRET | OUTPUT), _) => {
            if let Some(inner) = value.get("value") {
                walk_value(path, inner, secret || is_secret(value), visit);
            }
        }
        (None, Json::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                walk_value(&format!("{path}[{index}]"), item, secret, visit);
            }
        }
        (None, Json::Object(map)) => {
            for (key, item) in map {
                walk_value(&key_path(path, key), item, secret, visit);
            }
        }
        _ => {}
    }
}

/// The path of the property `key` of what is at `path`.
pub fn key_path(path: &str, key: &str) -> String {
    let simple = !key.starts_with(|it: char| it.is_ascii_digit())
        && !key.is_empty()
        && key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    match (path, simple) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// The texts in `map` that are secret, but for those too short to be looked for.
pub fn secrets(map: &Map) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(map, &mut |_, value, secret| {
        if let Some(text) = value.as_str().filter(|it| secret && it.len() > 3 && !UNKNOWNS.contains(it)) {
            found.insert(text.to_owned());
        }
    });
    found
}

/// The paths in `map` of what is not known yet.
pub fn unknowns(map: &Map) -> Vec<String> {
    let mut found = Vec::new();
    walk(map, &mut |path, value, _| {
        if signature(value).is_none() && is_unknown(value) {
            found.push(path.to_owned());
        }
    });
    found
}

/// A place where two maps differ.
#[derive(Clone, Debug)]
pub struct Difference {
    pub path: String,
    /// Null if there is nothing.
    pub old: Json,
    pub new: Json,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |it: &Json| if is_secret(it) { "a secret".to_owned() } else { it.to_string() };
        write!(f, "{} was {} and is {}", self.path, show(&self.old), show(&self.new))
    }
}

/// Where two maps differ, as deep down as may be; what is secret differs from what is not.
pub fn differences(old: &Map, new: &Map) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_maps("", old, new, &mut found);
    found
}

fn compare_maps(path: &str, old: &Map, new: &Map, found: &mut Vec<Difference>) {
    for key in old.keys().chain(new.keys().filter(|it| !old.contains_key(*it))) {
        let [old, new] = [old, new].map(|it| it.get(key).unwrap_or(&Json::Null));
        compare(&key_path(path, key), old, new, found);
    }
}

fn compare(path: &str, old: &Json, new: &Json, found: &mut Vec<Difference>) {
    match (old, new) {
        _ if old == new => {}
        (Json::Object(old), Json::Object(new)) if !old.contains_key(SIGNATURE) && !new.contains_key(SIGNATURE) => {
            compare_maps(path, old, new, found);
        }
        (Json::Array(old), Json::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}[{index}]"), old, new, found);
            }
        }
        _ => found.push(Difference { path: path.to_owned(), old: old.clone(), new: new.clone() }),
    }
}

/// Every property of `map` as a secret.
pub fn all_secret(map: &Map) -> Map {
    map.iter().map(|(key, it)| (key.clone(), if is_secret(it) { it.clone() } else { secret(it) })).collect()
}

/// Every single value in `map` as a secret, as deep down as may be.
pub fn each_secret(map: &Map) -> Map {
    map.iter().map(|(key, it)| (key.clone(), each_secret_in(it))).collect()
}

fn each_secret_in(value: &Json) -> Json {
    match (signature(value), value) {
        (Some(_), _) => value.clone(),
        (None, Json::Array(items)) => items.iter().map(each_secret_in).collect(),
        (None, Json::Object(map)) => Json::Object(each_secret(map)),
        _ => secret(value),
    }
}

/// The paths of what is secret in `given`, and there to be read in `shown`.
pub fn bared(given: &Map, shown: &Map) -> Vec<String> {
    let mut hidden = BTreeSet::new();
    walk(given, &mut |path, value, _| {
        if is_secret(value) {
            hidden.insert(path.to_owned());
        }
    });
    let mut found = Vec::new();
    walk(shown, &mut |path, _, secret| {
        if !secret && hidden.contains(path) {
            found.push(path.to_owned());
        }
    });
    found
}

/// `changes` laid over `base`, at every depth; a null takes a property away.
pub fn overlay(base: &Map, changes: &Map) -> Map {
    let mut result = base.clone();
    for (key, change) in changes {
        match (result.get_mut(key), change) {
            (_, Json::Null) => _ = result.remove(key),
            (Some(Json::Object(old)), Json::Object(new)) if !old.contains_key(SIGNATURE) && !new.contains_key(SIGNATURE) => {
                *old = overlay(old, new);
            }
            _ => _ = result.insert(key.clone(), change.clone()),
        }
    }
    result
}

/// A map as the protocol carries it.
pub fn to_struct(map: &Map) -> Struct {
    Struct { fields: map.iter().map(|(key, it)| (key.clone(), to_proto(it))).collect() }
}

/// A map as it was carried; empty if there was none.
pub fn from_struct(map: Option<&Struct>) -> Map {
    map.into_iter().flat_map(|it| &it.fields).map(|(key, it)| (key.clone(), from_proto(it))).collect()
}

/// A value as the protocol carries it.
pub fn to_proto(value: &Json) -> Proto {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(it) => Kind::BoolValue(*it),
        Json::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or_default()),
        Json::String(it) => Kind::StringValue(it.clone()),
        Json::Array(it) => Kind::ListValue(ListValue { values: it.iter().map(to_proto).collect() }),
        Json::Object(it) => Kind::StructValue(to_struct(it)),
    };
    Proto { kind: Some(kind) }
}

/// A value as it was carried. Whole numbers are integers again.
pub fn from_proto(value: &Proto) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(it)) => json!(it),
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
        Some(Kind::NumberValue(it)) if it.fract() == 0.0 && it.abs() < 9e15 => json!(*it as i64),
        Some(Kind::NumberValue(it)) => json!(it),
        Some(Kind::StringValue(it)) => json!(it),
        Some(Kind::ListValue(it)) => it.values.iter().map(from_proto).collect(),
        Some(Kind::StructValue(it)) => Json::Object(from_struct(Some(it))),
    }
}
