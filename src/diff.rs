//! What changed between two inputs, as their shape understands it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::{
    check::canonical_block,
    codec, document,
    schema::Shape,
    value::{Map, Value, path_of_index, path_of_key, steps},
};

/// One property that differs.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// Which, such as `tags.Name` or `containerDefinitions[0].image`.
    pub path: String,
    /// How it differs.
    pub kind: Kind,
    /// Whether AWS needs a new resource for it.
    pub replaces: bool,
}

impl Change {
    /// The property that differs, or that has what differs in it.
    pub fn property(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }
}

/// How a property differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Add,
    Delete,
    Update,
}

/// What makes `new` another thing than `old`.
pub fn diff(old: &Map, new: &Map, shape: Shape<'_>) -> Vec<Change> {
    let mut walk = Walk { changes: Vec::new() };
    walk.object(old, new, shape, "", false);
    walk.changes
}

/// Leaves out what is at, or within, one of the paths that a program does not want to be changed; `*` in them is any step.
pub fn leave_out(changes: &mut Vec<Change>, ignored: &[String]) {
    let ignored: Vec<_> = ignored.iter().map(|it| steps(it)).collect();
    changes.retain(|change| {
        let steps = steps(&change.path);
        let holds = |path: &Vec<String>| {
            path.len() <= steps.len() && path.iter().zip(&steps).all(|(wanted, step)| wanted == "*" || wanted == step)
        };
        !ignored.iter().any(holds)
    });
}

/// Whether two values of one property mean the same.
pub fn means_the_same(old: &Value, new: &Value, property: Shape<'_>) -> bool {
    let mut walk = Walk { changes: Vec::new() };
    walk.value(Some(old), Some(new), Some(property), "", false);
    walk.changes.is_empty()
}

struct Walk {
    changes: Vec<Change>,
}

impl Walk {
    fn object(&mut self, old: &Map, new: &Map, shape: Shape<'_>, path: &str, replaces: bool) {
        let names: BTreeSet<_> = old.keys().chain(new.keys()).filter(|it| !it.starts_with("__")).collect();
        for name in names {
            let property = shape.property(name).or_else(|| shape.element());
            self.value(old.get(name), new.get(name), property, &path_of_key(path, name), replaces);
        }
    }

    fn value(&mut self, old: Option<&Value>, new: Option<&Value>, shape: Option<Shape<'_>>, path: &str, replaces: bool) {
        let replaces = replaces || shape.is_some_and(|it| it.flag("replaceOnChanges"));
        // Off says something where leaving it out would leave it to AWS.
        let blank = |it: &Value, shape: Shape<'_>| !shape.flag("computed") && is_blank(it, shape);
        let says_nothing = |it: &Value| shape.is_some_and(|at| matches!(it, Value::String(_)) && is_off(it, at) || blank(it, at));
        let present = |it| present(it).filter(|it| !says_nothing(it));
        let (old, new) = (present(old), present(new));
        let kind = match (old, new) {
            (None, None) => return,
            (None, Some(_)) => Kind::Add,
            (Some(_), None) => Kind::Delete,
            (Some(_), Some(_)) => Kind::Update,
        };
        let Some(shape) = shape else {
            if old.map(Value::bare) != new.map(Value::bare) {
                self.changes.push(Change { path: path.to_owned(), kind, replaces });
            }
            return;
        };
        let compare = shape.keyword("compare").as_str().or(shape.resolve().keyword("compare").as_str());
        if compare == Some("never") || kind == Kind::Delete && shape.flag("computed") {
            return;
        }
        if let (Some(old), Some(new)) = (old, new) {
            match (old, new) {
                _ if same(old, new, compare, shape) => return,
                (Value::Object(old), Value::Object(new)) if compare.is_none() => {
                    return self.object(old, new, shape.resolve(), path, replaces);
                }
                (Value::List(olds), Value::List(news)) if compare.is_none() => {
                    return self.list(olds, news, shape, path, replaces);
                }
                _ => {}
            }
        }
        self.changes.push(Change { path: path.to_owned(), kind, replaces });
    }

    fn list(&mut self, olds: &[Value], news: &[Value], shape: Shape<'_>, path: &str, replaces: bool) {
        let element = shape.resolve().element();
        let keys = shape.keys();
        if keys.is_empty() {
            for index in 0..olds.len().max(news.len()) {
                self.value(olds.get(index), news.get(index), element, &path_of_index(path, index), replaces);
            }
            return;
        }
        // A preview shows what is at the path of a change, before and after: an item that is at another index now is told by
        // what becomes of that index.
        for index in 0..olds.len().max(news.len()) {
            let path = path_of_index(path, index);
            let (old, new) = (olds.get(index), news.get(index));
            if old.zip(new).is_some_and(|(old, new)| old.has_same(&keys, new)) {
                self.value(old, new, element, &path, replaces);
                continue;
            }
            let before = new.and_then(|new| olds.iter().find(|it| it.has_same(&keys, new)));
            let gone = old.filter(|old| !news.iter().any(|it| old.has_same(&keys, it)));
            let mut item = Walk { changes: Vec::new() };
            item.value(before, new, element, &path, replaces);
            if item.changes.is_empty() {
                self.value(gone, None, element, &path, replaces);
            } else {
                let stood = gone.or(old.filter(|_| before.is_some()));
                let kind = if stood.is_some() { Kind::Update } else { Kind::Add };
                self.changes.push(Change { path, kind, replaces: item.changes.iter().any(|it| it.replaces) });
            }
        }
    }
}

/// Whether it is a struct that says nothing: of empty lists, maps and texts, and of what is off by default.
fn is_blank(value: &Value, shape: Shape<'_>) -> bool {
    let shape = shape.resolve();
    let Value::Object(map) = value.plain() else { return false };
    let says_nothing = |name: &str, it: &Value| {
        let property = shape.property(name);
        it.is_empty() || property.is_some_and(|property| is_off(it, property) || is_blank(it, property))
    };
    shape.kind() == Some("object") && shape.element().is_none() && map.iter().all(|(name, it)| says_nothing(name, it))
}

/// Whether it is an empty text that may be left out, or a flag that is not set, or none of something, where that is the default.
fn is_off(value: &Value, property: Shape<'_>) -> bool {
    match value.plain() {
        Value::String(it) => it.is_empty() && property.is_optional(),
        it @ (Value::Bool(false) | Value::Number(0.0)) => {
            property.default().is_some_and(|default| Value::from(default.clone()) == *it)
        }
        _ => false,
    }
}

/// The bare value, if it says anything: an empty list or map is what absence means.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|it| !it.is_empty()).map(Value::plain)
}

fn same(old: &Value, new: &Value, compare: Option<&str>, shape: Shape<'_>) -> bool {
    if old.bare() == new.bare() {
        return true;
    }
    match (compare, old, new) {
        (Some("set"), Value::List(_), Value::List(_)) => in_order(old, shape) == in_order(new, shape),
        (Some("flattened"), Value::List(old), Value::List(new)) => {
            let unknown = old.iter().chain(new).any(Value::contains_unknown);
            !unknown && flattened(old) == flattened(new)
        }
        (Some("json"), old, new) => match (document(old), document(new)) {
            (Some(old), Some(new)) => old == new,
            _ => false,
        },
        (Some("caseless"), Value::String(old), Value::String(new)) => old.eq_ignore_ascii_case(new),
        (None, Value::String(old), Value::String(new)) if shape.resolve().keyword("format") == "cidr" => {
            canonical_block(old).is_some_and(|it| Some(it) == canonical_block(new))
        }
        (Some("arn"), Value::String(old), Value::String(new)) => {
            // Two ARNs differ in more than their names, such as the account.
            is_arn(old) != is_arn(new) && name_in_arn(old) == name_in_arn(new)
        }
        _ => false,
    }
}

/// The bare value, with every set in it in the same order, and nothing in one twice.
fn in_order(value: &Value, shape: Shape<'_>) -> Value {
    let set = shape.keyword("compare") == "set" || shape.resolve().keyword("compare") == "set";
    let shape = shape.resolve();
    match value.plain() {
        Value::List(items) => {
            let inner = |it: &Value| shape.element().map_or_else(|| it.bare(), |element| in_order(it, element));
            let mut items: Vec<_> = items.iter().map(inner).collect();
            if set {
                items.sort_by_cached_key(|it| format!("{it:?}"));
                items.dedup();
            }
            Value::List(items)
        }
        Value::Object(map) => {
            let inner =
                |name: &str, it: &Value| shape.property(name).map_or_else(|| it.bare(), |property| in_order(it, property));
            let says =
                |name: &str, it: &Value| !it.is_empty() && shape.property(name).is_none_or(|property| !is_blank(it, property));
            let said = map.iter().filter(|(name, it)| says(name, it));
            Value::Object(said.map(|(name, it)| (name.clone(), inner(name, it))).collect())
        }
        _ => value.bare(),
    }
}

/// The items of a list, in no order, after each that lists several things has become one item for each of them. A flag
/// that is set counts as a thing, too.
fn flattened(items: &[Value]) -> BTreeSet<String> {
    let mut flat = BTreeSet::new();
    for item in items.iter().map(Value::bare) {
        let Value::Object(map) = item else { continue };
        let plural = |it: &Value| matches!(it, Value::List(_) | Value::Bool(_));
        let common: Vec<_> = map.iter().filter(|(_, it)| !plural(it) && **it != Value::Null).collect();
        for (name, value) in &map {
            match value {
                Value::List(things) => flat.extend(things.iter().map(|it| format!("{common:?} {name} {it:?}"))),
                Value::Bool(true) => _ = flat.insert(format!("{common:?} {name}")),
                _ => {}
            }
        }
    }
    flat
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// `name`, of `arn:aws:ecs:region:account:cluster/name` or of itself.
fn name_in_arn(text: &str) -> &str {
    if is_arn(text) { text.split_once('/').map_or(text, |(_, name)| name) } else { text }
}

/// A document in the one form that all its spellings share.
fn document(value: &Value) -> Option<Json> {
    match value.plain() {
        Value::String(it) => serde_json::from_str(it).ok().map(document::normal),
        Value::Object(_) if !value.contains_unknown() => codec::json(value).ok().map(document::normal),
        _ => None,
    }
}
