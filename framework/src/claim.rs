//! What the cloud has room for once: a name, or an `exclusive` value. A program that gives it to two resources is told so before anything
//! is made.

use crate::{
    check::Report,
    diff::means_the_same,
    plan::Plan,
    schema::Shape,
    value::{Map, Value, path_of_index, path_of_key},
};

/// What a resource takes that no other one may have.
#[derive(Clone, Debug)]
pub struct Claim {
    property: String,
    /// Where it stands: the property, or an item of that.
    path: String,
    value: Value,
    /// The properties that say where it is taken; elsewhere, it is free.
    scope: Map,
    /// Whether the resource had it before this run.
    kept: bool,
}

/// The claims of a resource with these inputs, which had those `before`. A name that is made up is nobody else's.
pub fn claims(inputs: &Map, before: Option<&Map>, shape: Shape<'_>, fixed_name: bool) -> Vec<Claim> {
    let had = before.map(|it| claims(it, None, shape, fixed_name)).unwrap_or_default();
    let scope: Map = shape
        .properties()
        .filter(|(_, it)| it.flag("nameScope"))
        .filter_map(|(name, _)| Some((name.to_owned(), inputs.get(name)?.bare())))
        .collect();
    let is_name = |it: Shape<'_>| fixed_name && !it.keyword("autoname").is_null();
    let claiming = shape.properties().filter(|(_, it)| it.flag("exclusive") || is_name(*it));
    let mut all = Vec::new();
    for (property, shape_of_value) in claiming {
        for (path, value) in inputs.get(property).map(|it| items(property, it)).unwrap_or_default() {
            let claim = Claim { property: property.to_owned(), path, value, scope: scope.clone(), kept: false };
            let same = |it: &Claim| it.is_known() && claim.has_value_of(it, shape_of_value) && it.scope == claim.scope;
            all.push(Claim { kept: had.iter().any(same), ..claim });
        }
    }
    all
}

/// The text at `property`, or each one in the list there. What is not known yet stands for itself.
fn items(property: &str, value: &Value) -> Vec<(String, Value)> {
    match value.bare() {
        Value::List(items) => {
            let items = items.into_iter().enumerate().map(|(index, it)| (path_of_index(property, index), it));
            items.filter(|(_, it)| is_text(it)).collect()
        }
        it if is_text(&it) => vec![(property.to_owned(), it)],
        _ => Vec::new(),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Unknown)
}

impl Claim {
    fn is_known(&self) -> bool {
        self.value != Value::Unknown
    }

    fn has_value_of(&self, other: &Self, shape: Shape<'_>) -> bool {
        let texts = (self.value.as_str(), other.value.as_str());
        let caseless = shape.flag("caselessName") && matches!(texts, (Some(one), Some(other)) if one.eq_ignore_ascii_case(other));
        let known = self.is_known() && other.is_known();
        self.property == other.property && known && (caseless || means_the_same(&self.value, &other.value, shape))
    }

    fn shown(&self) -> String {
        self.value.as_str().map(|it| format!("{it:?}")).unwrap_or_default()
    }

    /// What to do where another resource has it.
    fn fix(&self, shape: Shape<'_>) -> String {
        if !shape.keyword("autoname").is_null() {
            format!("set another {}, or remove it: a name is then made up", self.property)
        } else if self.path == self.property {
            format!("set another {}, or remove one of the two resources", self.property)
        } else {
            "remove it from one of the two".to_owned()
        }
    }

    /// Whether both are surely taken in the same place.
    fn is_where(&self, other: &Self, root: Shape<'_>, plan: &Plan) -> bool {
        root.properties().filter(|(_, it)| it.flag("nameScope")).all(|(name, shape)| {
            match (self.scope.get(name), other.scope.get(name)) {
                (Some(Value::Unknown), Some(Value::Unknown)) => kind_of(shape).is_some_and(|it| plan.not_known(it) == 1),
                (Some(one), Some(other)) => means_the_same(one, other, shape),
                (one, other) => one == other,
            }
        })
    }
}

/// The resource that a property, or each item of it, refers to.
fn kind_of(shape: Shape<'_>) -> Option<&str> {
    let shape = shape.resolve().element().unwrap_or(shape);
    shape.keyword("refersTo").as_str()
}

/// Reports what the resource `urn`, a `kind`, takes although another one of the program does.
pub fn check(kind: &'static str, urn: &str, claims: Vec<Claim>, root: Shape<'_>, plan: &Plan, report: &mut Report<'_>) {
    let is_wrong = |it: &Claim| report.is_wrong(&it.path) || it.scope.keys().any(|it| report.is_wrong(it));
    let claims: Vec<_> = claims.into_iter().filter(|it| !is_wrong(it)).collect();
    plan.claim(kind, urn, claims.clone());
    let others = plan.claims_of_others(kind, urn);
    for mine in &claims {
        let Some(shape) = root.property(&mine.property) else { continue };
        let there = others.iter().filter(|(_, it)| it.property == mine.property && it.is_where(mine, root, plan));
        let there: Vec<_> = there.collect();
        if let Some((name, other)) = there.iter().find(|(_, it)| it.has_value_of(mine, shape)) {
            let certain = !mine.scope.values().any(Value::contains_unknown);
            let reason = format!("is {}, as that of {kind} {name} is; {}", mine.shown(), mine.fix(shape));
            report.refuse(&mine.path, mine.kept && other.kept, certain, &reason);
        } else if let Some(of) = kind_of(shape)
            && let Some(name) = sharing(mine, &claims, &there, plan.not_known(of))
        {
            let reason = format!("refers to a {of} that {kind} {name} refers to as well; {}", mine.fix(shape));
            report.refuse(&mine.path, false, false, &reason);
        }
    }
}

/// The resource that refers to the same one of `most` that are not created yet: which one that is, is not known, but there are not
/// enough for all.
fn sharing<'a>(mine: &Claim, claims: &[Claim], others: &[&'a (String, Claim)], most: usize) -> Option<&'a str> {
    let not_known = |it: &&Claim| it.property == mine.property && !it.is_known();
    // The first of several is reported.
    let is_first = claims.iter().find(not_known).is_some_and(|it| it.path == mine.path);
    let theirs: Vec<_> = others.iter().filter(|(_, it)| !it.is_known()).collect();
    let all = claims.iter().filter(not_known).count().min(most) + theirs.len();
    theirs.first().filter(|_| is_first && most > 0 && all > most).map(|it| it.0.as_str())
}

/// Warns of what lists without an order say twice.
pub fn check_doubles(map: &Map, shape: Shape<'_>, path: &str, plan: &Plan, report: &mut Report<'_>) {
    for (name, property) in shape.properties() {
        let Some(value) = map.get(name) else { continue };
        let path = path_of_key(path, name);
        match (value.plain(), property.resolve().element()) {
            (Value::Object(map), None) => check_doubles(map, property.resolve(), &path, plan, report),
            (Value::List(_), Some(_)) if property.keyword("compare") == "set" => {
                check_items(&path, value, property, plan, report);
            }
            (Value::List(items), Some(element)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Object(map) = item.plain() {
                        check_doubles(map, element.resolve(), &path_of_index(&path, index), plan, report);
                    }
                }
            }
            _ => {}
        }
    }
}

fn check_items(path: &str, list: &Value, shape: Shape<'_>, plan: &Plan, report: &mut Report<'_>) {
    let items = items(path, list);
    let (unknown, known): (Vec<_>, Vec<_>) = items.iter().partition(|(_, it)| *it == Value::Unknown);
    for (index, (at, value)) in known.iter().enumerate() {
        let first = known[..index].iter().find(|(_, it)| it == value);
        if let (Some((first, _)), false) = (first, report.has_finding_at(at)) {
            let value = value.as_str().unwrap_or_default();
            report.warn(&[at], false, format!("is {value}, as {first} is; remove one of the two"));
        }
    }
    let unknown: Vec<_> = unknown.into_iter().filter(|(at, _)| !report.is_wrong(at)).collect();
    if let Some((of, most)) = kind_of(shape).map(|it| (it, plan.not_known(it)))
        && most > 0
        && unknown.len() > most
    {
        let reason = format!(
            "refers to the same {of} twice: {} items are not known yet, and the program creates {most}; remove one of the two, \
             unless it comes from elsewhere",
            unknown.len()
        );
        report.foretell(path, reason);
    }
}
