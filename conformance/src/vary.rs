//! Other values for a property, made by what the schema says of it.

use serde_json::{Value as Json, json};

use crate::{
    schema::Spec,
    value::{ASSET, Map, SIGNATURE, is_unknown, key_path},
};

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A value somewhere within some inputs.
#[derive(Clone)]
pub struct Place<'a> {
    pub steps: Vec<Step>,
    /// The same as text, such as `rules[0].port`.
    pub path: String,
    /// None if the schema does not tell.
    pub spec: Option<Spec<'a>>,
    pub value: Json,
}

impl Place<'_> {
    /// The property of the first level that it is in.
    pub fn top(&self) -> &str {
        match self.steps.first() {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }
}

/// All values in `map`, which holds no marks of secrets, at every depth; the outer ones first.
pub fn places<'a>(map: &Map, specs: impl Iterator<Item = (&'a str, Spec<'a>)>) -> Vec<Place<'a>> {
    let specs: Vec<_> = specs.collect();
    let mut found = Vec::new();
    for (name, value) in map {
        let spec = specs.iter().find(|(it, _)| it == name).map(|(_, it)| *it);
        add_places(&[Step::Key(name.clone())], spec, value, &mut found);
    }
    found
}

/// [`places`], and, with null as their value, the properties that `map` lacks.
pub fn all_places<'a>(map: &Map, specs: impl Iterator<Item = (&'a str, Spec<'a>)>) -> Vec<Place<'a>> {
    let specs: Vec<_> = specs.collect();
    let absent = specs.iter().filter(|(name, _)| !map.contains_key(*name));
    let absent = absent.map(|(name, spec)| Place {
        steps: vec![Step::Key((*name).to_owned())],
        path: key_path("", name),
        spec: Some(*spec),
        value: Json::Null,
    });
    places(map, specs.iter().copied()).into_iter().chain(absent).collect()
}

fn add_places<'a>(steps: &[Step], spec: Option<Spec<'a>>, value: &Json, found: &mut Vec<Place<'a>>) {
    found.push(Place { path: path(steps), steps: steps.to_vec(), spec, value: value.clone() });
    let within = |step: Step| steps.iter().cloned().chain([step]).collect::<Vec<_>>();
    match value {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                add_places(&within(Step::Index(index)), spec.and_then(Spec::element), item, found);
            }
        }
        Json::Object(map) if !map.contains_key(SIGNATURE) => {
            for (key, item) in map {
                let property = spec.and_then(|it| it.properties().find(|(name, _)| name == key).map(|(_, it)| it));
                add_places(&within(Step::Key(key.clone())), property.or_else(|| spec.and_then(Spec::element)), item, found);
            }
        }
        _ => {}
    }
}

/// The steps as text, such as `rules[0].port`.
pub fn path(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => key_path(&path, key),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

/// The steps of a property path; none if it is no path.
pub fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let mut key = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next()? {
                    (_, '\\') => key.push(chars.next()?.1),
                    (at, '"') => break at,
                    (_, it) => key.push(it),
                }
            };
            rest = quoted[end + 1..].strip_prefix(']')?;
            steps.push(Step::Key(key));
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            steps.push(Step::Index(index.parse().ok()?));
            rest = after;
        } else {
            let name = if steps.is_empty() { rest } else { rest.strip_prefix('.')? };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 || name[..end].contains(['"', ']']) {
                return None;
            }
            steps.push(Step::Key(name[..end].to_owned()));
            rest = &name[end..];
        }
    }
    (!steps.is_empty()).then_some(steps)
}

/// What is at some steps, if anything is.
pub fn at<'a>(map: &'a Map, steps: &[Step]) -> Option<&'a Json> {
    let (Step::Key(first), rest) = steps.split_first()? else { return None };
    rest.iter().try_fold(map.get(first)?, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// `map` with another value at some steps; null takes away what is there.
pub fn with(map: &Map, steps: &[Step], value: Json) -> Map {
    let mut whole = Json::Object(map.clone());
    put(&mut whole, steps, value);
    match whole {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn put(whole: &mut Json, steps: &[Step], value: Json) {
    match (steps, whole) {
        ([], whole) => *whole = value,
        ([Step::Key(key)], Json::Object(map)) if value.is_null() => _ = map.remove(key),
        ([Step::Key(key), rest @ ..], Json::Object(map)) => put(map.entry(key.clone()).or_insert(Json::Null), rest, value),
        ([Step::Index(index), rest @ ..], Json::Array(items)) => {
            if let Some(item) = items.get_mut(*index) {
                put(item, rest, value);
            }
        }
        _ => {}
    }
}

/// Another value than `old`, of the type that it is to have. Whether the provider would take it is another matter.
pub fn another(spec: Spec<'_>, old: Option<&Json>) -> Json {
    let old = old.filter(|it| !is_unknown(it));
    if let Some(other) = spec.names().into_iter().flatten().find(|it| Some(*it) != old) {
        return other.clone();
    }
    match (spec.kind(), old) {
        (Some("boolean"), old) => json!(old != Some(&json!(true))),
        (Some("integer" | "number"), old) => json!(old.and_then(Json::as_i64).unwrap_or(1) + 1),
        (Some("array"), old) => {
            let mut items = old.and_then(Json::as_array).cloned().unwrap_or_default();
            let item = spec.element().map_or_else(|| json!("conformance"), |it| another(it, items.first()));
            match items.first_mut() {
                Some(first) => *first = item,
                None => items.push(item),
            }
            Json::Array(items)
        }
        (Some("object"), old) => another_object(spec, old.and_then(Json::as_object)),
        (Some(_), Some(Json::String(old))) => json!(format!("{old}-conformance")),
        (Some(_), _) => json!("conformance"),
        (None, _) if is_file(spec) => json!({ SIGNATURE: ASSET, "hash": "c".repeat(64), "text": "conformance" }),
        // Anything, such as a document.
        (None, _) => json!({ "conformance": true }),
    }
}

fn another_object(spec: Spec<'_>, old: Option<&Map>) -> Json {
    let mut map = old.cloned().unwrap_or_default();
    let named: Vec<_> = spec.properties().collect();
    if named.is_empty() {
        let key = map.keys().next().cloned().unwrap_or_else(|| "conformance".to_owned());
        let value = spec.element().map_or_else(|| json!("conformance"), |it| another(it, map.get(&key)));
        map.insert(key, value);
    } else if let Some((name, property)) = named.iter().find(|(name, _)| map.contains_key(*name)) {
        let value = another(*property, map.get(*name));
        map.insert((*name).to_owned(), value);
    } else {
        let required: Vec<_> = spec.required().collect();
        for (index, (name, property)) in named.iter().enumerate() {
            if required.contains(name) || required.is_empty() && index == 0 {
                map.insert((*name).to_owned(), another(*property, None));
            }
        }
    }
    Json::Object(map)
}

/// Whether it is to have an asset or an archive.
pub fn is_file(spec: Spec<'_>) -> bool {
    let name = spec.json["$ref"].as_str().unwrap_or_default();
    matches!(name, "pulumi.json#/Asset" | "pulumi.json#/Archive")
}

/// Values for a property that are, or have somewhere within, `hole`.
pub fn holes(spec: Spec<'_>, hole: &Json) -> Vec<Json> {
    let mut all = vec![hole.clone()];
    let inner: Vec<_> = spec.element().map(|it| holes(it, hole)).unwrap_or_default();
    match spec.kind() {
        Some("array") => all.extend(inner.into_iter().map(|it| json!([it]))),
        Some("object") => {
            all.extend(inner.into_iter().map(|it| json!({ "conformance": it })));
            let members: Map = spec.properties().map(|(name, _)| (name.to_owned(), hole.clone())).collect();
            if !members.is_empty() {
                all.push(Json::Object(members));
            }
        }
        _ => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_written() {
        let key = |it: &str| Step::Key(it.to_owned());
        for steps in [
            vec![key("a")],
            vec![key("a"), key("b.c"), Step::Index(3), key("d")],
            vec![key("a"), key("with \"quotes\" and \\"), key("[x]")],
        ] {
            assert_eq!(super::steps(&path(&steps)), Some(steps));
        }
        for wrong in ["", "a.", "a[", "a[\"b", "a[x]", "a]b", "a..b", ".a"] {
            assert_eq!(super::steps(wrong), None, "{wrong}");
        }
    }
}
