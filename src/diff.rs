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
        let optional = shape.is_some_and(Shape::is_optional);
        let present = |it| present(it).filter(|it| !optional || it.as_str() != Some(""));
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
        (Some("kmsKey"), Value::String(old), Value::String(new)) => same_key(old, new),
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
            Value::Object(map.iter().map(|(name, it)| (name.clone(), inner(name, it))).collect())
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

/// Whether two names of KMS keys may mean the same: AWS shows the ARN of a key, whatever the program called it by. Which key
/// an alias stands for only KMS knows.
fn same_key(one: &str, other: &str) -> bool {
    let is_alias = |it: &str| it.contains("alias/");
    is_alias(one) != is_alias(other) || is_arn(one) != is_arn(other) && name_in_arn(one) == name_in_arn(other)
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
