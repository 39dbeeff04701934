//! What changed between two inputs, as their shape understands it.

use std::{collections::BTreeSet, slice};

use serde_json::Value as Json;

use crate::{
    check::canonical_block,
    codec,
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
    /// Whether it takes a new resource.
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
    /// It is only in the new inputs.
    Add,
    /// It is only in the old inputs.
    Delete,
    /// It is another one.
    Update,
}

/// What makes `new` another thing than `old`.
pub fn diff(old: &Map, new: &Map, shape: Shape<'_>) -> Vec<Change> {
    let mut walk = Walk { changes: Vec::new(), as_shown: false };
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
    let mut walk = Walk { changes: Vec::new(), as_shown: true };
    walk.value(Some(old), Some(new), Some(property), "", false);
    walk.changes.is_empty()
}

struct Walk {
    changes: Vec<Change>,
    /// Whether one of the two may be what the cloud shows of the other, and not another thing that a program says.
    as_shown: bool,
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
        // Off says something where leaving it out would leave it to the cloud.
        let off_is_nothing = !shape.is_some_and(|it| it.flag("computed"));
        let is_document = |at: Shape<'_>| at.keyword("compare") == "json" || at.resolve().keyword("compare") == "json";
        let says_nothing = |it: &Value| {
            shape.is_some_and(|at| {
                is_document(at) && !it.contains_unknown() && is_empty_document(it, at)
                    || matches!(it, Value::String(_)) && is_off(it, at)
                    || is_blank(it, at, off_is_nothing)
            })
        };
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
                _ if same(old, new, compare, shape, self.as_shown || replaces) => return,
                (Value::Object(old), Value::Object(new)) if compare.is_none() => {
                    return self.object(old, new, shape.resolve(), path, replaces);
                }
                (Value::List(olds), Value::List(news)) if compare.is_none() => {
                    return self.list(olds, news, shape, path, replaces);
                }
                (Value::List(olds), Value::List(news)) if compare == Some("flattened") => {
                    return self.items(olds, news, path, replaces);
                }
                _ => {}
            }
        }
        self.changes.push(Change { path: path.to_owned(), kind, replaces });
    }

    /// Two lists without an order, which differ: an item differs where the other list has none that says the same.
    fn items(&mut self, olds: &[Value], news: &[Value], path: &str, replaces: bool) {
        let each = |items: &[Value]| items.iter().map(|it| flattened(slice::from_ref(it))).collect::<Vec<_>>();
        let (olds, news, before) = (each(olds), each(news), self.changes.len());
        for index in 0..olds.len().max(news.len()) {
            let (old, new) = (olds.get(index), news.get(index));
            let (gone, added) = (old.filter(|it| !news.contains(it)), new.filter(|it| !olds.contains(it)));
            let kind = match (gone, added) {
                (None, None) => continue,
                (Some(_), None) => Kind::Delete,
                (None, Some(_)) if old.is_none() => Kind::Add,
                (_, Some(_)) => Kind::Update,
            };
            self.changes.push(Change { path: path_of_index(path, index), kind, replaces });
        }
        if self.changes.len() == before {
            self.changes.push(Change { path: path.to_owned(), kind: Kind::Update, replaces });
        }
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
            let mut item = Walk { changes: Vec::new(), as_shown: self.as_shown };
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

/// Whether it is a struct that says nothing: of empty lists, maps and texts, and, if that says nothing, of what is off by default.
fn is_blank(value: &Value, shape: Shape<'_>, off_is_nothing: bool) -> bool {
    let shape = shape.resolve();
    let Value::Object(map) = value.plain() else { return false };
    let says_nothing = |name: &str, it: &Value| {
        let off = |property| (off_is_nothing || it.as_str().is_some()) && is_off(it, property);
        it.is_empty() || shape.property(name).is_some_and(|property| off(property) || is_blank(it, property, off_is_nothing))
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

fn same(old: &Value, new: &Value, compare: Option<&str>, shape: Shape<'_>, loosely: bool) -> bool {
    if old.bare() == new.bare() {
        return true;
    }
    match (compare, old, new) {
        (Some("set"), Value::List(_), Value::List(_)) => in_order(old, shape) == in_order(new, shape),
        (Some("flattened"), Value::List(old), Value::List(new)) => {
            let unknown = old.iter().chain(new).any(Value::contains_unknown);
            !unknown && flattened(old) == flattened(new)
        }
        (Some("json"), old, new) => match (document(old, shape), document(new, shape)) {
            (Some(old), Some(new)) => old == new,
            _ => false,
        },
        (Some("caseless"), Value::String(old), Value::String(new)) => old.eq_ignore_ascii_case(new),
        (None, Value::String(old), Value::String(new)) if shape.resolve().keyword("format") == "cidr" => {
            canonical_block(old).is_some_and(|it| Some(it) == canonical_block(new))
        }
        (Some(word), Value::String(old), Value::String(new)) => (shape.dialect().means_the_same)(word, old, new, loosely),
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
            let says = |name: &str, it: &Value| {
                !it.is_empty() && shape.property(name).is_none_or(|property| !is_blank(it, property, true))
            };
            let said = map.iter().filter(|(name, it)| says(name, it));
            Value::Object(said.map(|(name, it)| (name.clone(), inner(name, it))).collect())
        }
        _ => value.bare(),
    }
}

/// What the cloud shows of a list without an order, as the program writes that: what `wanted` has is where it is there, and the rest
/// comes last, or in the place of what is gone. None for what has an order.
pub fn in_order_of(wanted: &Value, shown: &Value, property: Shape<'_>) -> Option<Value> {
    let (Value::List(wanted), Value::List(shown)) = (wanted.plain(), shown) else { return None };
    let compare = property.keyword("compare").as_str();
    if compare == Some("flattened") {
        let (said, has) = (flattened(wanted), flattened(shown));
        let mut others = shown.iter().filter_map(|it| part_of(it, |thing| !said.contains(thing)));
        let kept = wanted.iter().filter_map(|it| part_of(it, |thing| has.contains(thing)).or_else(|| others.next()));
        let mut items: Vec<_> = kept.collect();
        items.extend(others);
        return Some(Value::List(items));
    }
    let keys = property.keys();
    if keys.is_empty() && compare != Some("set") {
        return None;
    }
    let place = |item: &Value| {
        let same = |it: &Value| if keys.is_empty() { it.bare() == item.bare() } else { it.has_same(&keys, item) };
        wanted.iter().position(same).unwrap_or(usize::MAX)
    };
    let mut items = shown.clone();
    items.sort_by_cached_key(place);
    Some(Value::List(items))
}

/// Of an item that says with lists what several items could say: those things that `keep` wants, if there are any.
fn part_of(item: &Value, keep: impl Fn(&str) -> bool) -> Option<Value> {
    let Value::Object(map) = item.bare() else { return None };
    let common = common(&map);
    let mut part = map.clone();
    for (name, value) in map {
        match value {
            Value::List(things) => {
                let kept: Vec<_> = things.into_iter().filter(|it| keep(&format!("{common} {name} {it:?}"))).collect();
                part.insert(name, Value::List(kept));
            }
            Value::Bool(true) => _ = part.insert(name.clone(), Value::Bool(keep(&format!("{common} {name}")))),
            _ => {}
        }
    }
    part.retain(|_, it| !it.is_empty() && *it != Value::Bool(false));
    let part = Value::Object(part);
    (!flattened(slice::from_ref(&part)).is_empty()).then_some(part)
}

/// What an item says of all the things that it lists.
fn common(item: &Map) -> String {
    let common: Vec<_> = item.iter().filter(|(_, it)| !is_plural(it) && **it != Value::Null).collect();
    format!("{common:?}")
}

fn is_plural(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Bool(_))
}

/// The items of a list, in no order, after each that lists several things has become one item for each of them. A flag
/// that is set counts as a thing, too.
fn flattened(items: &[Value]) -> BTreeSet<String> {
    let mut flat = BTreeSet::new();
    for item in items.iter().map(Value::bare) {
        let Value::Object(map) = item else { continue };
        let common = common(&map);
        for (name, value) in &map {
            match value {
                Value::List(things) => flat.extend(things.iter().map(|it| format!("{common} {name} {it:?}"))),
                Value::Bool(true) => _ = flat.insert(format!("{common} {name}")),
                _ => {}
            }
        }
    }
    flat
}

/// A document in the one form that all its spellings share; none for what cannot be read, and for what says nothing.
fn document(value: &Value, shape: Shape<'_>) -> Option<Json> {
    parsed(value).and_then(shape.dialect().document)
}

/// Whether it is a document that says nothing.
fn is_empty_document(value: &Value, shape: Shape<'_>) -> bool {
    let is_blank = value.as_str().is_some_and(|it| it.trim().is_empty());
    is_blank || parsed(value).is_some_and(|it| (shape.dialect().document)(it).is_none())
}

fn parsed(value: &Value) -> Option<Json> {
    match value.plain() {
        Value::String(it) => serde_json::from_str(it).ok(),
        Value::Object(_) if !value.contains_unknown() => codec::json(value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ordered(wanted: serde_json::Value, shown: serde_json::Value, property: serde_json::Value) -> Option<Value> {
        let shapes = crate::schema::Shapes::from_json(property);
        in_order_of(&wanted.into(), &shown.into(), shapes.root())
    }

    #[test]
    fn what_the_cloud_shows_keeps_the_order_of_the_program() {
        let flattened = json!({ "type": "array", "compare": "flattened" });
        let rule = |port: i32, blocks: &[&str]| json!({ "port": port, "blocks": blocks });
        for (wanted, shown, expected) in [
            // Somebody added one.
            (vec![rule(3000, &["a"])], vec![rule(22, &["a"]), rule(3000, &["a"])], vec![rule(3000, &["a"]), rule(22, &["a"])]),
            // The cloud shows as one what the program writes as two, and somebody added to it.
            (
                vec![rule(80, &["b"]), rule(80, &["a"])],
                vec![rule(80, &["a", "b", "c"])],
                vec![rule(80, &["b"]), rule(80, &["a"]), rule(80, &["c"])],
            ),
            // Somebody removed one, or a part of one, or changed one.
            (vec![rule(80, &["a"]), rule(443, &["a"])], vec![rule(443, &["a"])], vec![rule(443, &["a"])]),
            (vec![rule(80, &["a", "b"])], vec![rule(80, &["b"])], vec![rule(80, &["b"])]),
            (
                vec![rule(80, &["a"]), rule(443, &["a"])],
                vec![rule(443, &["a"]), rule(8080, &["a"])],
                vec![rule(8080, &["a"]), rule(443, &["a"])],
            ),
        ] {
            assert_eq!(ordered(json!(wanted), json!(shown), flattened.clone()), Some(json!(expected).into()));
        }
        let keyed = json!({ "type": "array", "keyedBy": "to" });
        let route = |to: &str, way: &str| json!({ "to": to, "way": way });
        let (wanted, shown) =
            (json!([route("c", "x"), route("a", "x")]), json!([route("a", "y"), route("b", "x"), route("c", "x")]));
        assert_eq!(ordered(wanted, shown, keyed), Some(json!([route("c", "x"), route("a", "y"), route("b", "x")]).into()));
        assert_eq!(ordered(json!([1]), json!([2]), json!({ "type": "array" })), None);
    }
}
