//! The values Pulumi sends and receives, and their protobuf form.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use prost_types::{ListValue, Struct, Value as Proto, value::Kind};

/// The properties of something, by name.
pub type Map = BTreeMap<String, Value>;

/// A value as Pulumi knows it.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A number: the protocol has no whole ones.
    Number(f64),
    /// A text.
    String(String),
    /// Values in an order.
    List(Vec<Value>),
    /// Values by name.
    Object(Map),
    /// A value that only exists once something else has been created.
    Unknown,
    /// A value that is never shown, not even by `{:?}`.
    Secret(Box<Value>),
    /// A value and the URNs of the resources that it comes from. Only components see such.
    Output(Box<Value>, BTreeSet<String>),
    /// A file or archive, kept as Pulumi describes it.
    Asset(Map),
}

/// The key by which Pulumi marks an object as a special value, and its markers.
const MARKER: &str = "4dabf18193072939515e22adb298388d";
const SECRET: &str = "1b47061264138c4ac30d75fd1eb44270";
const ASSET: &str = "c44067f5952c0a294b673a41bacd8c17";
const ARCHIVE: &str = "0def7320c3a5731c473e5ecbe6d01bc7";
const RESOURCE: &str = "5cf8f73096256a8f31e491e813e4eb8e";
const OUTPUT: &str = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const UNKNOWN: &str = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const OTHER_UNKNOWNS: [&str; 6] = [
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
];

/// What a `Struct` of the protocol holds.
pub fn map_from_proto(fields: Struct) -> Map {
    fields.fields.into_iter().map(|(key, value)| (key, value.into())).collect()
}

/// The `Struct` that carries `map`.
pub fn map_to_proto(map: Map) -> Struct {
    Struct { fields: map.into_iter().map(|(key, value)| (key, value.into())).collect() }
}

impl From<Proto> for Value {
    fn from(proto: Proto) -> Self {
        match proto.kind {
            None | Some(Kind::NullValue(_)) => Self::Null,
            Some(Kind::BoolValue(it)) => Self::Bool(it),
            Some(Kind::NumberValue(it)) => Self::Number(it),
            Some(Kind::StringValue(it)) if it == UNKNOWN => Self::Unknown,
            Some(Kind::StringValue(it)) if OTHER_UNKNOWNS.contains(&it.as_str()) => Self::Unknown,
            Some(Kind::StringValue(it)) => Self::String(it),
            Some(Kind::ListValue(it)) => Self::List(it.values.into_iter().map(Self::from).collect()),
            Some(Kind::StructValue(it)) => Self::from_object(map_from_proto(it)),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(it) => it.fmt(f),
            Self::Number(it) => it.fmt(f),
            Self::String(it) => it.fmt(f),
            Self::List(it) => it.fmt(f),
            Self::Object(it) | Self::Asset(it) => it.fmt(f),
            Self::Output(it, _) => it.fmt(f),
            Self::Unknown => f.write_str("[unknown]"),
            Self::Secret(_) => f.write_str("[secret]"),
        }
    }
}

impl Value {
    /// What `map` stands for: itself, or the special value that its marker tells of.
    pub fn from_object(mut map: Map) -> Self {
        let marker = match map.get(MARKER) {
            Some(Self::String(it)) => it.clone(),
            _ => return Self::Object(map),
        };
        match marker.as_str() {
            SECRET => map.remove("value").unwrap_or_default().secret(),
            OUTPUT => {
                let value = map.remove("value").unwrap_or(Self::Unknown);
                let value = if map.get("secret") == Some(&Self::Bool(true)) { value.secret() } else { value };
                let Some(Self::List(urns)) = map.get("dependencies") else { return value };
                value.depending_on(urns.iter().filter_map(Self::as_str).map(str::to_owned).collect())
            }
            RESOURCE => map.remove("id").or_else(|| map.remove("urn")).unwrap_or_default(),
            ASSET | ARCHIVE => Self::Asset(map),
            _ => Self::Object(map),
        }
    }

    /// The same value, never to be shown.
    #[must_use]
    pub fn secret(self) -> Self {
        match self {
            Self::Secret(_) => self,
            Self::Output(inner, urns) => Self::Output(Box::new(inner.secret()), urns),
            value => Self::Secret(Box::new(value)),
        }
    }

    /// The same value, which comes from the resources `urns` as well.
    #[must_use]
    pub fn depending_on(self, mut urns: BTreeSet<String>) -> Self {
        match self {
            Self::Output(inner, others) => {
                urns.extend(others);
                Self::Output(inner, urns)
            }
            // Nothing comes from nowhere.
            value if urns.is_empty() || *value.plain() == Self::Null => value,
            value => Self::Output(Box::new(value), urns),
        }
    }

    /// The resources that any part of it comes from.
    pub fn dependencies(&self) -> BTreeSet<String> {
        match self {
            Self::Output(inner, urns) => urns.union(&inner.dependencies()).cloned().collect(),
            Self::Secret(inner) => inner.dependencies(),
            Self::List(items) => items.iter().flat_map(Self::dependencies).collect(),
            Self::Object(map) => map.values().flat_map(Self::dependencies).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// A copy that does not tell what it comes from, at any depth.
    #[must_use]
    pub fn without_dependencies(&self) -> Self {
        match self {
            Self::Output(inner, _) => inner.without_dependencies(),
            Self::Secret(inner) => inner.without_dependencies().secret(),
            Self::List(items) => Self::List(items.iter().map(Self::without_dependencies).collect()),
            Self::Object(map) => Self::Object(map.iter().map(|(key, it)| (key.clone(), it.without_dependencies())).collect()),
            value => value.clone(),
        }
    }

    /// How a special value is written: as an object with a mark, or as a text that stands for what is unknown.
    #[must_use]
    pub fn spelled(self) -> Self {
        let marked = |marker: &str, rest: Vec<(&str, Self)>| {
            let mark = (MARKER, Self::String(marker.to_owned()));
            Self::Object(rest.into_iter().chain([mark]).map(|(key, it)| (key.to_owned(), it)).collect())
        };
        match self {
            Self::Unknown => Self::String(UNKNOWN.to_owned()),
            Self::Secret(inner) => marked(SECRET, vec![("value", *inner)]),
            Self::Output(inner, urns) => {
                let (inner, secret) = match *inner {
                    Self::Secret(inner) => (*inner, true),
                    inner => (inner, false),
                };
                let urns = Self::List(urns.into_iter().map(Self::String).collect());
                let mut rest = vec![("secret", Self::Bool(secret)), ("dependencies", urns)];
                if inner != Self::Unknown {
                    rest.push(("value", inner));
                }
                marked(OUTPUT, rest)
            }
            value => value,
        }
    }

    /// The value itself, secret or not.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Secret(inner) | Self::Output(inner, _) => inner.plain(),
            value => value,
        }
    }

    /// The same, to be changed in place: what is secret stays so.
    pub fn plain_mut(&mut self) -> &mut Self {
        match self {
            Self::Secret(inner) | Self::Output(inner, _) => inner.plain_mut(),
            value => value,
        }
    }

    /// A copy in which nothing is secret at any depth, for comparing.
    #[must_use]
    pub fn bare(&self) -> Self {
        match self {
            Self::Secret(inner) | Self::Output(inner, _) => inner.bare(),
            Self::List(items) => Self::List(items.iter().map(Self::bare).collect()),
            Self::Object(map) => Self::Object(map.iter().map(|(key, it)| (key.clone(), it.bare())).collect()),
            value => value.clone(),
        }
    }

    /// Whether it says no more than its absence would: nothing, an empty list or an empty map.
    pub fn is_empty(&self) -> bool {
        match self.plain() {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self.plain() {
            Self::String(it) => Some(it),
            _ => None,
        }
    }

    /// Calls `visit` with every text in here that is secret.
    pub fn visit_secrets<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        self.walk_secrets(false, visit);
    }

    fn walk_secrets<'a>(&'a self, secret: bool, visit: &mut impl FnMut(&'a str)) {
        match self {
            Self::String(it) if secret => visit(it),
            Self::Secret(inner) => inner.walk_secrets(true, visit),
            Self::Output(inner, _) => inner.walk_secrets(secret, visit),
            Self::List(items) => items.iter().for_each(|it| it.walk_secrets(secret, visit)),
            Self::Object(map) => map.values().for_each(|it| it.walk_secrets(secret, visit)),
            _ => {}
        }
    }

    /// Whether any part of it is secret.
    pub fn contains_secret(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::Output(inner, _) => inner.contains_secret(),
            Self::List(items) => items.iter().any(Self::contains_secret),
            Self::Object(map) => map.values().any(Self::contains_secret),
            _ => false,
        }
    }

    /// Whether both are objects with the same values of the properties `keys`.
    pub fn has_same(&self, keys: &[&str], other: &Self) -> bool {
        let (Self::Object(one), Self::Object(other)) = (self.plain(), other.plain()) else { return false };
        keys.iter().all(|key| one.get(*key).map(Self::bare) == other.get(*key).map(Self::bare))
    }

    /// Whether any part of it is not known yet.
    pub fn contains_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Secret(inner) | Self::Output(inner, _) => inner.contains_unknown(),
            Self::List(items) => items.iter().any(Self::contains_unknown),
            Self::Object(map) => map.values().any(Self::contains_unknown),
            _ => false,
        }
    }
}

impl From<Value> for Proto {
    fn from(value: Value) -> Self {
        let kind = match value {
            Value::Null => Kind::NullValue(0),
            Value::Bool(it) => Kind::BoolValue(it),
            Value::Number(it) => Kind::NumberValue(it),
            Value::String(it) => Kind::StringValue(it),
            Value::List(it) => Kind::ListValue(ListValue { values: it.into_iter().map(Into::into).collect() }),
            Value::Object(it) | Value::Asset(it) => Kind::StructValue(map_to_proto(it)),
            special => return special.spelled().into(),
        };
        Proto { kind: Some(kind) }
    }
}

/// The path of the property `key` of what is at `path`, as Pulumi writes it.
pub fn path_of_key(path: &str, key: &str) -> String {
    let plain = key.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    match (path, plain) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// The path of an item of the list at `path`.
pub fn path_of_index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The names and indices that a path consists of: `a`, `b.c` and `0` of `a["b.c"][0]`.
pub fn steps(path: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let mut step = String::new();
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let mut chars = quoted.chars();
            while let Some(it) = chars.next().filter(|it| *it != '"') {
                step.extend(if it == '\\' { chars.next() } else { Some(it) });
            }
            rest = chars.as_str();
        } else {
            let name = rest.trim_start_matches(['.', '[']);
            let end = name.find(['.', '[', ']']).unwrap_or(name.len());
            step.push_str(&name[..end]);
            rest = &name[end..];
        }
        rest = rest.trim_start_matches(']');
        steps.push(step);
    }
    steps
}

/// The secrets of the whole program, as far as they have come by: a text about one resource may hold what is secret in
/// another, such as the last lines of a process that was given a password.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<BTreeSet<String>>);

/// Shorter ones are words that any text may hold.
const SECRET_ANYWHERE: usize = 6;

impl Secrets {
    /// Takes note of the secrets in `map`.
    pub fn remember(&self, map: &Map) {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for value in map.values() {
            value.visit_secrets(&mut |it| {
                // As it is, as it is written between quotes, and line by line, as a log has it.
                let forms = [it.to_owned(), it.escape_debug().to_string()].into_iter();
                let forms = forms.chain(it.lines().map(|it| it.trim().to_owned()));
                secrets.extend(forms.filter(|it| it.chars().count() >= SECRET_ANYWHERE));
            });
        }
    }

    /// `text` without any of them, and without what is secret in any of `maps`.
    pub fn hide(&self, mut text: String, maps: &[&Map]) -> String {
        let mut secrets: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for value in maps.iter().flat_map(|it| it.values()) {
            // As it is, and as it is written between quotes.
            value.visit_secrets(&mut |it| secrets.extend([it.to_owned(), it.escape_debug().to_string()]));
        }
        // The longer first: one may be a part of another.
        secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        for secret in secrets.iter().filter(|it| !it.is_empty()) {
            text = text.replace(secret, "[secret]");
        }
        text
    }
}
