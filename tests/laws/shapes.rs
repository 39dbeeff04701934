//! Values made from shapes: examples, other spellings, forms of off, and what is beyond a bound.

use std::fmt;

use pulumi_provider::{
    schema::Shape,
    value::{Map, Value},
};
use regex_lite::Regex;
use serde_json::{Value as Json, json};

/// The way from the inputs to one of their parts.
#[derive(Clone, Debug)]
pub struct Path {
    steps: Vec<Step>,
    required: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Property(String),
    Item,
    Entry,
    Key,
}

impl Path {
    /// Reads `actions[].order`, or `dimensions{value}`.
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for step in text.split('.') {
            let name = step.split(['[', '{']).next().unwrap_or(step);
            steps.push(Step::Property(name.to_owned()));
            match &step[name.len()..] {
                "[]" => steps.push(Step::Item),
                "{value}" => steps.push(Step::Entry),
                "{key}" => steps.push(Step::Key),
                _ => {}
            }
        }
        Self { steps, required: false }
    }

    /// The property of the inputs that it leads into.
    pub fn top(&self) -> &str {
        match self.steps.first() {
            Some(Step::Property(name)) => name,
            _ => "",
        }
    }

    /// Whether what it leads to cannot be left out.
    pub fn is_required(&self) -> bool {
        self.required
    }

    fn to(&self, step: Step, required: bool) -> Self {
        let steps = self.steps.iter().cloned().chain([step]).collect();
        Self { steps, required }
    }
}

/// As Check writes it, where lists have one item, and maps one entry.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Property(name) if index == 0 => f.write_str(name)?,
                Step::Property(name) => write!(f, ".{name}")?,
                Step::Item => f.write_str("[0]")?,
                Step::Entry => f.write_str(".key")?,
                Step::Key => {}
            }
        }
        Ok(())
    }
}

/// Everything within a shape, at any depth.
pub fn parts(root: Shape<'_>) -> Vec<(Path, Shape<'_>)> {
    let mut all = Vec::new();
    within(root, &Path { steps: Vec::new(), required: true }, 5, &mut all);
    all
}

fn within<'a>(shape: Shape<'a>, path: &Path, depth: u32, all: &mut Vec<(Path, Shape<'a>)>) {
    if depth == 0 {
        return;
    }
    let required: Vec<_> = shape.required_inputs().collect();
    for (name, property) in shape.properties() {
        let path = path.to(Step::Property(name.to_owned()), required.contains(&name) || !property.keyword("autoname").is_null());
        all.push((path.clone(), property));
        let inner = property.resolve();
        match (inner.kind(), inner.element()) {
            (Some("array"), Some(element)) => within(element.resolve(), &path.to(Step::Item, true), depth - 1, all),
            (Some("object"), Some(element)) => within(element.resolve(), &path.to(Step::Entry, true), depth - 1, all),
            (Some("object"), None) => within(inner, &path, depth - 1, all),
            _ => {}
        }
    }
}

/// The shape at a path such as `actions[].order`.
pub fn at<'a>(root: Shape<'a>, path: &str) -> Option<Shape<'a>> {
    let mut shape = root;
    for step in Path::parse(path).steps {
        shape = match step {
            Step::Property(name) => shape.resolve().property(&name)?,
            Step::Item | Step::Entry => shape.resolve().element()?,
            Step::Key => return Some(shape),
        };
    }
    Some(shape)
}

/// Inputs that have a value at a path, and otherwise only what cannot be left out.
pub fn inputs_with(root: Shape<'_>, path: &Path, value: Value) -> Map {
    inputs_of(root, Map::new(), path, value)
}

/// Inputs that have a value at a path, and otherwise are as `base`, but for what cannot be left out.
pub fn inputs_of(root: Shape<'_>, base: Map, path: &Path, value: Value) -> Map {
    match put(root, Value::Object(base), &path.steps, value) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn put(shape: Shape<'_>, base: Value, steps: &[Step], value: Value) -> Value {
    let Some((step, rest)) = steps.split_first() else { return value };
    let inner = shape.resolve();
    match step {
        Step::Property(name) => {
            let Value::Object(mut map) = example(inner) else { return value };
            if let Value::Object(base) = base {
                map.extend(base);
            }
            let has = map.remove(name).unwrap_or(Value::Null);
            map.insert(name.clone(), inner.property(name).map_or(Value::Null, |it| put(it, has, rest, value)));
            Value::Object(map)
        }
        Step::Item => {
            let mut items = if let Value::List(items) = base { items } else { Vec::new() };
            let first = if items.is_empty() { Value::Null } else { items.remove(0) };
            items.splice(0..0, inner.element().map(|it| put(it, first, rest, value)));
            Value::List(items)
        }
        Step::Entry => {
            let entry = inner.element().map(|it| ("key".to_owned(), put(it, Value::Null, rest, value)));
            Value::Object(entry.into_iter().collect())
        }
        Step::Key => Value::Object(Map::from([(value.as_str().unwrap_or_default().to_owned(), Value::String("x".to_owned()))])),
    }
}

/// A value of a shape.
pub fn example(shape: Shape<'_>) -> Value {
    let resolved = shape.resolve();
    let bound = |name: &str| shape.keyword(name).as_f64().or(resolved.keyword(name).as_f64());
    match resolved.kind() {
        Some("string") => match resolved.names().as_deref() {
            Some([(name, _), ..]) => Value::String((*name).to_owned()),
            _ => Value::String(allowed(shape, &["example"]).to_owned()),
        },
        Some("integer" | "number") => Value::Number(bound("minimum").unwrap_or(1.0).max(1.0)),
        Some("boolean") => Value::Bool(true),
        Some("array") => Value::List(resolved.element().map(example).into_iter().collect()),
        Some("object") => {
            if let Some(element) = resolved.element() {
                return Value::Object(Map::from([("key".to_owned(), example(element))]));
            }
            let required = resolved.required_inputs().filter_map(|it| Some((it.to_owned(), example(resolved.property(it)?))));
            Value::Object(required.collect())
        }
        _ => Value::from(json!({ "Version": "2012-10-17", "Statement": [] })),
    }
}

/// A text that a shape allows: one of these, or a usual one, or the one that its own words name.
fn allowed<'a>(shape: Shape<'a>, preferred: &[&'a str]) -> &'a str {
    const USUAL: [&str; 10] = [
        "10.0.0.0/16",
        "tcp",
        "256",
        "arn:aws:iam::123456789012:role/example",
        "arn:aws:ecs:eu-central-1:123456789012:cluster/example",
        "sg-0123456789abcdef0",
        "subnet-0123456789abcdef0",
        "vpc-0123456789abcdef0",
        "/example/",
        "https://example.com/keys",
    ];
    let named = shape.keyword("expects").as_str().and_then(|it| it.split("such as ").nth(1)?.split([' ', ',', ';']).next());
    let fits = fitting(shape);
    preferred.iter().copied().chain(USUAL).chain(named).find(|it| fits(it)).unwrap_or("example")
}

/// Which texts a shape allows.
fn fitting(shape: Shape<'_>) -> impl Fn(&str) -> bool {
    let pattern = shape.keyword("pattern").as_str().and_then(|it| Regex::new(it).ok());
    let is_block = shape.keyword("format") == "cidr";
    move |text| pattern.as_ref().is_none_or(|it| it.is_match(text)) && (!is_block || text == "10.0.0.0/16")
}

/// Two values of a shape that differ.
pub fn two_examples(shape: Shape<'_>) -> Option<(Value, Value)> {
    let resolved = shape.resolve();
    match (resolved.kind(), resolved.names().as_deref()) {
        (_, Some([(one, _), (other, _), ..])) => Some((Value::String((*one).to_owned()), Value::String((*other).to_owned()))),
        (_, Some(_)) => None,
        (Some("string"), _) => {
            let two = [["example-a", "eu-central-1", "/a/", "cache.a.one"], ["example-b", "eu-west-1", "/b/", "cache.b.one"]];
            let two = two.map(|it| allowed(shape, &it));
            // Ids and ARNs differ by how they end.
            let [one, other] =
                if two[0] == two[1] { [two[0].to_owned(), format!("{}0", two[0])] } else { two.map(str::to_owned) };
            fitting(shape)(&other).then_some((Value::String(one), Value::String(other)))
        }
        (Some("boolean"), _) => Some((Value::Bool(true), Value::Bool(false))),
        (Some("integer" | "number"), _) => {
            let least = shape.keyword("minimum").as_f64().unwrap_or(1.0).max(1.0);
            Some((Value::Number(least), Value::Number(least + 1.0)))
        }
        _ => None,
    }
}

/// The same, also for lists.
pub fn two_of_any(shape: Shape<'_>) -> Option<(Value, Value)> {
    match shape.resolve().kind() {
        Some("array") => Some((Value::List(Vec::new()), example(shape))),
        _ => two_examples(shape),
    }
}

/// Whether what it says can be spelled in several ways, beyond the type of the text.
pub fn has_spellings(shape: Shape<'_>) -> bool {
    !shape.keyword("compare").is_null() || !shape.resolve().keyword("compare").is_null() || shape.keyword("format") == "cidr"
}

/// Pairs of spellings of the same value.
pub fn spellings(shape: Shape<'_>) -> Vec<(Value, Value)> {
    let text = |it: &str| Value::String(it.to_owned());
    let resolved = shape.resolve();
    let compare = shape.keyword("compare").as_str().or(resolved.keyword("compare").as_str());
    let mut pairs = Vec::new();
    match (compare, resolved.kind()) {
        (Some("json"), _) => {
            let document =
                json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "a:B", "Resource": "*" }] });
            let spelled = "{ \"Statement\": [ { \"Resource\": \"*\", \"Action\": \"a:B\", \"Effect\": \"Allow\" } ], \
                           \"Version\": \"2012-10-17\" }";
            pairs.push((Value::from(document), text(spelled)));
        }
        (Some("caseless"), _) => {
            let one = allowed(shape, &["sun:05:00-sun:06:00", "example"]);
            pairs.push((text(one), text(&one.to_uppercase())));
        }
        (Some("arn"), _) => {
            let of = [
                "arn:aws:ecs:eu-central-1:123456789012:task-definition/main:1",
                "arn:aws:ecs:eu-central-1:123456789012:cluster/main",
                "arn:aws:iam::123456789012:role/main",
            ];
            let one = allowed(shape, &of);
            pairs.push((text(one), text(one.rsplit('/').next().unwrap_or(one))));
        }
        (Some("set"), Some("array")) => {
            let two = resolved.element().filter(|it| it.resolve().kind() == Some("string")).and_then(two_examples);
            pairs.extend(two.map(|(a, b)| (Value::List(vec![a.clone(), b.clone()]), Value::List(vec![b, a]))));
        }
        (None, Some("integer" | "number")) => pairs.push((Value::Number(7.0), text("7"))),
        (None, Some("boolean")) => pairs.push((Value::Bool(true), text("true"))),
        (None, Some("string")) if resolved.names().is_none() && shape.keyword("format") != "cidr" => {
            pairs.push((text("256"), Value::Number(256.0)));
        }
        _ => {}
    }
    if shape.keyword("format") == "cidr" {
        pairs.extend([(text("::/0"), text("::0/0")), (text("2001:db8::/32"), text("2001:0DB8:0:0::/32"))]);
    }
    pairs
}

/// What says as much as leaving a part out.
pub fn off_forms(shape: Shape<'_>, required: bool) -> Vec<Value> {
    if required {
        return Vec::new();
    }
    let resolved = shape.resolve();
    let mut forms = vec![Value::Null];
    match resolved.kind() {
        Some("string") if shape.is_optional() => forms.push(Value::String(String::new())),
        Some("array") if shape.default().is_none() => forms.push(Value::List(Vec::new())),
        Some("object")
            if shape.default().is_none() && resolved.required_inputs().next().is_none() && is_off_by_default(resolved) =>
        {
            forms.push(Value::Object(Map::new()));
        }
        _ => {}
    }
    forms.extend(shape.default().map(|it| Value::from(it.clone())));
    forms
}

/// Whether a struct says nothing by being there, as its parts are off unless they are set.
fn is_off_by_default(shape: Shape<'_>) -> bool {
    let on =
        |it: &Json| it == &json!(true) || it.as_f64().is_some_and(|it| it != 0.0) || it.as_str().is_some_and(|it| !it.is_empty());
    !shape.properties().any(|(_, it)| it.default().is_some_and(on))
}

/// A value that breaks a bound, and where Check complains of it.
pub fn beyond(path: &Path, keyword: &str, limit: &Json) -> Option<(Value, Path)> {
    let number = limit.as_f64();
    let repeated = |length: u64| Value::String("a".repeat(usize::try_from(length).unwrap_or_default()));
    let wrong = match keyword {
        "minimum" => Value::Number(number? - 1.0),
        "maximum" => Value::Number(number? + 1.0),
        "maxLength" => repeated(limit.as_u64()? + 1),
        "maxItems" => match path.top() {
            "dimensions" => {
                let many = (0..=limit.as_u64()?).map(|it| (format!("d{it}"), Value::String("x".to_owned())));
                Value::Object(many.collect())
            }
            _ => Value::List((0..=limit.as_u64()?).map(|it| Value::String(format!("item-{it}"))).collect()),
        },
        // The empty text means nothing where text may be left out.
        "minLength" if limit.as_u64()? >= 2 => repeated(limit.as_u64()? - 1),
        "pattern" => Value::String(format!(":{}\u{2014}", limit.as_str()?.len())),
        _ => return None,
    };
    Some((wrong, path.clone()))
}
