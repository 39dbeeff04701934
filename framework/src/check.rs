//! Checks inputs against their shape: reports every mistake at once, fills in defaults and names, marks secrets.

use std::{any::Any, fmt};

use ipnet::IpNet;
use regex_lite::Regex;

use crate::{
    plan::{Candidates, Link, Plan},
    schema::Shape,
    value::{Map, Secrets, Value, path_of_index, path_of_key, steps},
};

/// One mistake in the inputs of a resource.
#[derive(Debug, PartialEq)]
pub struct Failure {
    /// Where it is, such as `networkConfiguration.subnets[0]`; empty if that is not one place.
    pub path: String,
    /// What is wrong, and what would be right. Never holds a secret.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path} {}", self.reason),
        }
    }
}

/// All that a check of some inputs found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong with them.
    pub failures: Vec<Failure>,
    /// What the user should know of them.
    pub warnings: Vec<Failure>,
}

impl Findings {
    /// Adds all that `others` found.
    pub fn extend(&mut self, others: Findings) {
        self.failures.extend(others.failures);
        self.warnings.extend(others.warnings);
    }
}

/// What is lost when a resource that holds data is replaced.
pub struct Loss<'a> {
    /// The input by which a program allows it, and whether it does.
    pub switch: &'a str,
    /// Whether the program allows it.
    pub allowed: bool,
    /// Why the cloud does not make the change of a property in place.
    pub why: fn(&str) -> &'static str,
    /// What takes the place of what.
    pub what: String,
    /// What becomes of the data where the program allows their loss.
    pub rest: String,
}

/// Collects what is wrong with some inputs, and what the user had better know.
pub struct Report<'a> {
    inputs: &'a Map,
    written: Option<&'a Map>,
    urn: &'a str,
    old: Option<&'a Map>,
    replaces_in_place: bool,
    plan: Option<&'a Plan>,
    fixed_name: bool,
    region_setting: Option<&'static str>,
    findings: Findings,
    /// The paths of values that are wrong by themselves.
    wrong: Vec<String>,
}

impl<'a> Report<'a> {
    /// A report on `inputs`, with no mistake yet.
    pub fn new(inputs: &'a Map) -> Self {
        Self {
            inputs,
            written: None,
            urn: "",
            old: None,
            replaces_in_place: false,
            plan: None,
            fixed_name: false,
            region_setting: None,
            findings: Findings::default(),
            wrong: Vec::new(),
        }
    }

    /// The same, for the inputs of the resource `urn`, which are compared with those that it had, if it exists, and with what
    /// else the program declares.
    pub fn within(inputs: &'a Map, old: Option<&'a Map>, urn: &'a str, plan: &'a Plan) -> Self {
        Self { urn, old, plan: Some(plan), ..Self::new(inputs) }
    }

    /// The same, where the region of the provider is set by `region_setting`.
    #[must_use]
    pub fn with_region_setting(self, region_setting: Option<&'static str>) -> Self {
        Self { region_setting, ..self }
    }

    /// The same, where the program itself names the resource, or does not.
    #[must_use]
    pub fn with_fixed_name(self, fixed_name: bool) -> Self {
        Self { fixed_name, ..self }
    }

    /// Whether a replacement would have the name that the resource has: the program itself gives it.
    pub fn has_fixed_name(&self) -> bool {
        self.fixed_name
    }

    /// Whether the resource is yet to be created.
    pub fn is_new(&self) -> bool {
        self.old.is_none()
    }

    /// Whether the program says something else of the property at `path` than before, or says it for the first time.
    pub fn changes(&self, path: &str) -> bool {
        self.old.is_none_or(|old| at(old, path).map(Value::bare) != at(self.inputs, path).map(Value::bare))
    }

    /// The path of the first thing within a property that is not as before.
    fn changed_within(&self, property: &str) -> String {
        let mut path = property.to_owned();
        loop {
            let old = self.old.and_then(|it| at(it, &path)).map(Value::plain);
            let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, at(self.inputs, &path).map(Value::plain)) else {
                return path;
            };
            let differs = |name: &&String| old.get(*name).map(Value::bare) != new.get(*name).map(Value::bare);
            let Some(name) = old.keys().chain(new.keys()).find(differs) else { return path };
            path = path_of_key(&path, name);
        }
    }

    /// Refuses to replace a resource that holds data by an empty one, unless the program allows it.
    pub fn refuse_loss<'p>(&mut self, replacing: impl IntoIterator<Item = &'p String>, loss: &Loss<'_>) {
        for property in replacing {
            let property = &self.changed_within(property);
            let was = self.written_before(property);
            let fix = match &was {
                Some(was) if property == "region" => {
                    let setting = self.region_setting.map(|it| format!(", or the region of the provider ({it}),"));
                    format!("Set it{} to {was}", setting.unwrap_or_default())
                }
                Some(was) => format!("Set it to {was}"),
                None => "Leave it out".to_owned(),
            };
            let why = match property.as_str() {
                "region" => "No resource leaves its region",
                other => (loss.why)(other),
            };
            let (what, switch, rest) = (&loss.what, loss.switch, &loss.rest);
            let consequence = format!("{why}, so {what}. {fix}; or set {switch} to true, and {rest}");
            let was = was.unwrap_or_else(|| "not set".to_owned());
            let is = self.written(property).unwrap_or_else(|| "not set".to_owned());
            let reason = format!("cannot change without data loss: it was {was} and is {is} now. {consequence}");
            self.rule(&[property, switch], loss.allowed, reason);
            if !loss.allowed && self.knows(switch) {
                let unknown =
                    "will only be known when what it comes from has been changed; `pulumi up` then ends there, unless it is";
                self.foretell(property, format!("{unknown} {was} as before: {consequence}"));
            }
        }
    }

    /// The same, for a change that surely deletes the resource before it creates the one that replaces it.
    #[must_use]
    pub fn in_place(self, replaces_in_place: bool) -> Self {
        Self { replaces_in_place, ..self }
    }

    /// The same, for a program that wrote these inputs: what else there is are defaults.
    #[must_use]
    pub fn completing(self, written: &'a Map) -> Self {
        Self { written: Some(written), ..self }
    }

    /// A value as a text quotes it, which may be the default of a property that the program leaves out.
    pub fn quoted(&self, path: &str, value: impl fmt::Display) -> String {
        let is_default = self.written.is_some_and(|it| at(it, path).is_none());
        if is_default { format!("{value} by default") } else { value.to_string() }
    }

    /// Reports `reason` of the property that `over` names first, unless `holds`. A rule over inputs that are not known
    /// yet is left for later; so `over` has no more than what `holds` looks at. Its names may be paths, such as
    /// `healthCheck.interval`, or `volumes[].name` for that of all items. With a `?`, as in `subnetIds?`, it is enough to know that it
    /// is there, or how many items it has.
    pub fn rule(&mut self, over: &[&str], holds: bool, reason: impl fmt::Display) {
        let Some(found) = self.broken(over, holds, reason) else { return };
        if let [path] = over {
            self.wrong.push((*path).to_owned());
        }
        self.findings.failures.push(found);
    }

    /// Warns of `reason` in the same way. What will work, however slowly, and what only most likely will not, is no mistake.
    pub fn warn(&mut self, over: &[&str], holds: bool, reason: impl fmt::Display) {
        let found = self.broken(over, holds, reason);
        self.findings.warnings.extend(found);
    }

    /// Warns of `reason` of the property at `path`, if it is not known yet: what becomes of it may turn out a mistake.
    pub fn foretell(&mut self, path: &str, reason: impl fmt::Display) {
        if !self.knows(path) {
            self.findings.warnings.push(Failure { path: path.to_owned(), reason: self.shown(&reason.to_string()) });
        }
    }

    /// How the program writes the property at `path`; none if it does not say it.
    pub fn written(&self, path: &str) -> Option<String> {
        at(self.inputs, path).map(written)
    }

    /// The text at `path`, if it is known. It may be secret: it is to be compared, not to be shown.
    pub fn text(&self, path: &str) -> Option<&str> {
        at(self.inputs, path)?.as_str()
    }

    /// Whether the change surely deletes the resource before it creates the one that replaces it.
    pub fn replaces_in_place(&self) -> bool {
        self.replaces_in_place
    }

    /// What the property at `path` was before.
    pub fn before(&self, path: &str) -> Option<&Value> {
        at(self.old?, path)
    }

    /// How it was written before.
    pub fn written_before(&self, path: &str) -> Option<String> {
        at(self.old?, path).map(written)
    }

    fn broken(&self, over: &[&str], holds: bool, reason: impl fmt::Display) -> Option<Failure> {
        let broken = !holds && over.iter().all(|it| self.knows_enough(it));
        broken.then(|| Failure { path: over[0].trim_end_matches('?').to_owned(), reason: self.shown(&reason.to_string()) })
    }

    /// What the property at `path` refers to by `reference`, of what else the program declares.
    pub fn resolve<T: Any + Clone>(&self, path: &str, reference: Option<&str>) -> Candidates<T> {
        reference.map_or_else(Candidates::none, |it| self.follow(&self.link(path, it)))
    }

    /// The reference at `path`, to be kept in the facts of a resource.
    pub fn link(&self, path: &str, reference: &str) -> Link {
        if self.knows(path) {
            Link::Known(reference.to_owned())
        } else if self.is_wrong(path) {
            Link::Wrong
        } else {
            Link::Unknown
        }
    }

    /// Whether the property at `path` is not known because what the program says there is wrong.
    pub fn is_wrong(&self, path: &str) -> bool {
        !self.knows(path) && self.written.is_some_and(|it| !at(it, path).is_some_and(Value::contains_unknown))
    }

    /// Reports `reason` of the property at `path`. It is a mistake, unless it `was_so` before; where it is not `certain`, something
    /// that is not declared here may be meant.
    pub fn refuse(&mut self, path: &str, was_so: bool, certain: bool, reason: &str) {
        let candidates = Candidates { certain, those: vec![()] };
        let misfit = |(): &()| Some(reason.to_owned());
        if was_so {
            self.warn_if_mismatched(path, &[], &candidates, misfit);
        } else {
            self.compare(path, &[], &candidates, misfit);
        }
    }

    /// What a link, of this resource or from the facts of another, leads to.
    pub fn follow<T: Any + Clone>(&self, link: &Link) -> Candidates<T> {
        match (self.plan, link) {
            (Some(plan), Link::Known(reference)) => plan.resolve(Some(reference)),
            (Some(plan), Link::Unknown) => plan.resolve(None),
            (None, _) | (_, Link::Wrong) => Candidates::none(),
        }
    }

    /// Whether two links to a `T` surely lead to the same resource.
    pub fn same<T: Any + Clone>(&self, one: &Link, other: &Link) -> bool {
        self.plan.is_some_and(|it| it.same::<T>(one, other))
    }

    /// The facts of all other resources of one kind that the program has declared so far.
    pub fn others<T: Any + Clone>(&self) -> Vec<T> {
        self.plan.map(|it| it.others(self.urn)).unwrap_or_default()
    }

    /// Compares what is at `path` with what it refers to, once all of `over` is known; `misfit` says why they do not go
    /// together. It is a mistake if none of the candidates fits. What is wrong by itself fits nothing, and is one mistake.
    pub fn compare<T>(&mut self, path: &str, over: &[&str], candidates: &Candidates<T>, misfit: impl Fn(&T) -> Option<String>) {
        let Some(reason) = self.mismatch(over, candidates, misfit) else { return };
        let fix = if candidates.certain { "" } else { UNCERTAIN };
        self.findings.failures.push(Failure { path: path.to_owned(), reason: format!("{reason}{fix}") });
    }

    /// Compares in the same way what need not fit: that it does not is only a warning.
    pub fn warn_if_mismatched<T>(
        &mut self,
        path: &str,
        over: &[&str],
        candidates: &Candidates<T>,
        misfit: impl Fn(&T) -> Option<String>,
    ) {
        let Some(reason) = self.mismatch(over, candidates, misfit) else { return };
        self.findings.warnings.push(Failure { path: path.to_owned(), reason });
    }

    /// Why no candidate fits, if all of `over` is known.
    fn mismatch<T>(&self, over: &[&str], candidates: &Candidates<T>, misfit: impl Fn(&T) -> Option<String>) -> Option<String> {
        let compares = over.iter().all(|it| self.knows(it)) && !self.is_any_wrong(over);
        why_none(candidates, misfit).filter(|_| compares).map(|it| self.shown(&it))
    }

    /// Whether one of these properties, or something in it, is wrong by itself.
    fn is_any_wrong(&self, over: &[&str]) -> bool {
        let within = |path: &str, of: &str| path.strip_prefix(of).is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']));
        self.wrong.iter().any(|wrong| over.iter().any(|it| within(wrong, it)))
    }

    /// Whether all of a property, or of what it is in, is known.
    pub fn knows(&self, path: &str) -> bool {
        !at(self.inputs, path).is_some_and(Value::contains_unknown)
    }

    /// Whether as much is known of a property as a rule asks for.
    fn knows_enough(&self, path: &str) -> bool {
        let Some((list, rest)) = path.split_once("[]") else {
            return path.strip_suffix('?').map_or_else(|| self.knows(path), |it| self.sees(it));
        };
        let length = match at(self.inputs, list).map(Value::plain) {
            Some(Value::List(items)) => items.len(),
            _ => 0,
        };
        self.sees(list) && (0..length).all(|index| self.knows_enough(&format!("{}{rest}", path_of_index(list, index))))
    }

    /// Whether it is known what there is of a property, though parts of that may not be.
    pub fn sees(&self, path: &str) -> bool {
        !at(self.inputs, path).is_some_and(|it| *it.plain() == Value::Unknown)
    }

    /// `value`, if that is what the property at `path` is known to be.
    pub fn known<T>(&self, path: &str, value: T) -> Option<T> {
        self.knows(path).then_some(value)
    }

    /// Whether the property that `path` is in holds a secret, so that nothing of it is quoted.
    pub fn is_secret(&self, path: &str) -> bool {
        let top = steps(path).into_iter().next().and_then(|it| self.inputs.get(&it));
        top.is_some_and(Value::contains_secret)
    }

    /// `text` without what is secret in the inputs.
    pub fn shown(&self, text: &str) -> String {
        let maps: Vec<_> = [self.inputs].into_iter().chain(self.old).collect();
        match self.plan {
            Some(plan) => plan.secrets.hide(text.to_owned(), &maps),
            None => Secrets::default().hide(text.to_owned(), &maps),
        }
    }

    /// Whether anything was reported of the property at `path` yet.
    pub fn has_finding_at(&self, path: &str) -> bool {
        self.findings.failures.iter().chain(&self.findings.warnings).any(|it| it.path == path)
    }

    /// All that was reported.
    pub fn into_findings(self) -> Findings {
        self.findings
    }
}

/// The fix where a reference is not known yet, and something that is not declared here may be meant.
const UNCERTAIN: &str = "; if it refers to a resource of another package, create that one first, with --target";

/// The property at `path`, or the last thing on the way to it that has no parts.
fn at<'a>(inputs: &'a Map, path: &str) -> Option<&'a Value> {
    let mut steps = steps(path).into_iter();
    let mut value = steps.next().and_then(|it| inputs.get(&it));
    for name in steps {
        value = match value.map(Value::plain) {
            Some(Value::Object(map)) => map.get(&name),
            Some(Value::List(items)) => name.parse::<usize>().ok().and_then(|it| items.get(it)),
            other => other,
        };
    }
    value
}

/// A value as a user reads it: one line, and no secret.
fn written(value: &Value) -> String {
    match value.plain() {
        _ if value.contains_secret() => "[secret]".to_owned(),
        Value::String(it) => format!("{it:?}"),
        Value::Number(it) => it.to_string(),
        Value::Bool(it) => it.to_string(),
        Value::List(items) if items.iter().all(|it| it.as_str().is_some()) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => {
            let json = serde_json::to_string(&other.bare()).unwrap_or_default();
            // What is longer is a document, which the user knows better by its property.
            if json.len() <= 200 && !other.contains_unknown() { json } else { described(other).to_owned() }
        }
    }
}

/// Why nothing that is meant fits, if so.
fn why_none<T>(candidates: &Candidates<T>, misfit: impl Fn(&T) -> Option<String>) -> Option<String> {
    let mut reasons = candidates.those.iter().map(misfit).collect::<Option<Vec<_>>>()?;
    reasons.dedup();
    // Of many, a few tell enough.
    reasons.truncate(3);
    (!reasons.is_empty()).then(|| reasons.join("; or it "))
}

/// An input that the resource has in the cloud, or in other providers, but not here. A program that comes from there may still say it,
/// where that makes no difference.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// The part of the inputs that it would be in, such as `volumes[]`; empty for the inputs themselves.
    pub within: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it may say, as JSON, besides nothing: what holds here anyway.
    pub holds: &'static [&'static str],
    /// Why it can say nothing else, and what to do.
    pub reason: &'static str,
}

/// Takes such inputs out of `inputs`, and reports those that say what cannot be.
pub fn take_foreign(inputs: &mut Map, foreign: &[Foreign]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for it in foreign {
        within(inputs, it.within, "", &mut |map, path| {
            let Some(value) = map.remove(it.name) else { return };
            let bare = value.bare();
            let holds = |json: &&str| serde_json::from_str::<serde_json::Value>(json).is_ok_and(|it| Value::from(it) == bare);
            // What is not known yet may turn out to say nothing.
            if !bare.contains_unknown() && !says_off(&bare) && !it.holds.iter().any(holds) {
                failures.push(Failure { path: path_of_key(path, it.name), reason: it.reason.to_owned() });
            }
        });
    }
    failures
}

/// Calls `visit` with every map at `part` of the inputs, such as `containerDefinitions[].portMappings[]`, and its path.
pub fn within(map: &mut Map, part: &str, path: &str, visit: &mut impl FnMut(&mut Map, &str)) {
    if part.is_empty() {
        return visit(map, path);
    }
    let (step, rest) = part.split_once('.').unwrap_or((part, ""));
    let name = step.trim_end_matches("[]");
    let path = path_of_key(path, name);
    match map.get_mut(name).map(Value::plain_mut) {
        Some(Value::Object(it)) => within(it, rest, &path, visit),
        Some(Value::List(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Value::Object(it) = item.plain_mut() {
                    within(it, rest, &path_of_index(&path, index), visit);
                }
            }
        }
        _ => {}
    }
}

/// Whether a value means what its absence means: nothing, false, 0, or something in which all is so.
pub fn says_off(value: &Value) -> bool {
    match value.plain() {
        Value::Null | Value::Bool(false) => true,
        Value::Number(it) => *it == 0.0,
        Value::String(it) => it.is_empty() || it == "false",
        Value::List(items) => items.iter().all(says_off),
        Value::Object(map) => map.values().all(says_off),
        _ => false,
    }
}

/// Checks `inputs` and completes them. What is wrong is unknown from then on, so that the rules over the rest still hold.
///
/// ```
/// use pulumi_provider::{check, schema::Shapes, value::{Map, Value}};
///
/// #[derive(schemars::JsonSchema)]
/// struct Inputs {
///     #[schemars(range(max = 65535))]
///     port: i32,
/// }
///
/// let mut inputs = Map::from([("prot".to_owned(), Value::Number(80.0))]);
/// let findings = check::complete(&mut inputs, Shapes::of::<Inputs>().root());
/// let texts: Vec<_> = findings.failures.iter().map(ToString::to_string).collect();
/// assert_eq!(texts, ["prot is not a property here; did you mean port?", "port is required"]);
/// ```
pub fn complete(inputs: &mut Map, shape: Shape<'_>) -> Findings {
    let mut findings = Findings::default();
    object(inputs, shape, "", false, &mut findings);
    findings
}

fn object(map: &mut Map, shape: Shape<'_>, path: &str, secret: bool, findings: &mut Findings) {
    map.retain(|name, it| *it.plain() != Value::Null && !says_nothing(name, it, shape));
    for name in map.keys().filter(|it| !it.starts_with("__") && shape.property(it).is_none()) {
        let names: Vec<_> = shape.properties().map(|(name, _)| name).collect();
        let reason = match nearest(name, &names) {
            Some(near) => format!("is not a property here; did you mean {near}?"),
            None => format!("is not a property here; expected one of {}", names.join(", ")),
        };
        findings.failures.push(Failure { path: path_of_key(path, name), reason });
    }
    for name in shape.required_inputs() {
        if !map.contains_key(name) {
            findings.failures.push(Failure { path: path_of_key(path, name), reason: "is required".to_owned() });
            map.insert(name.to_owned(), Value::Unknown);
        }
    }
    for (name, property) in shape.properties() {
        if let Some(default) = property.default() {
            map.entry(name.to_owned()).or_insert_with(|| default.clone().into());
        }
        if let Some(value) = map.get_mut(name) {
            let secret = secret || property.flag("secret");
            self::value(value, property, &path_of_key(path, name), secret, findings);
            if property.flag("secret") {
                *value = std::mem::take(value).secret();
            }
        }
    }
}

fn value(value: &mut Value, property: Shape<'_>, path: &str, secret: bool, findings: &mut Findings) {
    let before = findings.failures.len();
    check_value(value, property, path, secret, findings);
    findings.failures.extend((property.dialect().check)(value, property, path, secret));
    if findings.failures[before..].iter().any(|it| it.path == path) {
        *value = Value::Unknown;
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of value")]
fn check_value(value: &mut Value, property: Shape<'_>, path: &str, secret: bool, findings: &mut Findings) {
    let shape = property.resolve();
    // An input that the cloud insists on as text may come as a number, and the other way round.
    match (&*value, shape.kind()) {
        (Value::Number(it), Some("string")) => *value = Value::String(it.to_string()),
        (Value::String(it), Some("integer" | "number")) => {
            if let Ok(number) = it.trim().parse() {
                *value = Value::Number(number);
            }
        }
        (Value::String(it), Some("boolean")) => {
            if let Ok(flag) = it.trim().parse() {
                *value = Value::Bool(flag);
            }
        }
        _ => {}
    }
    let shown = |it: &dyn fmt::Display| if secret { String::new() } else { format!("is {it}, ") };
    let mut fail = |reason: String| findings.failures.push(Failure { path: path.to_owned(), reason });
    // A field's own bounds stand beside the reference to its type.
    let keyword = |name: &str| Some(property.keyword(name)).filter(|it| !it.is_null()).unwrap_or(shape.keyword(name));
    let bound = |name: &str| keyword(name).as_f64();
    match (value, shape.kind()) {
        (Value::Unknown, _) | (Value::Bool(_), Some("boolean")) => {}
        (Value::Secret(inner), _) => self::value(inner, property, path, true, findings),
        (Value::Output(inner, _), _) => self::value(inner, property, path, secret, findings),
        (it, None) => {
            if keyword("compare") == "json" && !is_document(it) {
                fail("is not a JSON object; give a map, or JSON in a string".to_owned());
            }
        }
        (Value::String(it), Some("string")) => {
            if let Some(names) = shape.names() {
                let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                if names.contains(&it.as_str()) {
                    return;
                }
                let (is, all) = (shown(&format!("{it:?}")), names.join(", "));
                match misspelt(it, &names) {
                    Some(_) if secret => fail(format!("is not one of {all}")),
                    Some(name) => fail(format!("{is}not one of {all}; did you mean {name}?")),
                    // The cloud may have learnt it since.
                    None => findings.warnings.push(Failure {
                        path: path.to_owned(),
                        reason: format!(
                            "{is}a value that this version does not know, and {} may refuse; known are {all}",
                            shape.dialect().cloud
                        ),
                    }),
                }
                return;
            }
            #[expect(clippy::cast_precision_loss, reason = "no text is that long")]
            let length = it.chars().count() as f64;
            if length == 0.0 && bound("minLength").is_some_and(|it| it > 0.0) {
                fail("is empty".to_owned());
            } else if let Some(least) = bound("minLength").filter(|it| length < *it) {
                fail(format!("has {length} characters, fewer than {least}"));
            } else if let Some(most) = bound("maxLength").filter(|it| length > *it) {
                fail(format!("has {length} characters, more than {most}"));
            } else if let Some(pattern) = keyword("pattern").as_str().filter(|pattern| !matches(pattern, it)) {
                let expects = keyword("expects").as_str();
                let expects = expects.map_or_else(|| format!("text that matches {pattern}"), str::to_owned);
                fail(if secret { format!("is not {expects}") } else { format!("is {it:?}, which is not {expects}") });
            } else if keyword("format") == "cidr" && it.parse::<IpNet>().is_err() {
                fail(format!("{}which is not a CIDR block such as 10.0.0.0/16", shown(&format!("{it:?}"))));
            } else if keyword("format") == "cidr" && it.parse::<IpNet>().is_ok_and(|it| it.trunc() != it) {
                let network = it.parse::<IpNet>().map(|it| it.trunc().to_string()).unwrap_or_default();
                fail(format!("{}which has bits set beyond its prefix; the network is {network}", shown(&format!("{it:?}"))));
            } else if keyword("format") == "cidr"
                && let Some(canonical) = canonical_block(it)
            {
                *it = canonical;
            }
        }
        (Value::Number(it), Some(kind @ ("integer" | "number"))) => {
            if kind == "integer" && it.fract() != 0.0 {
                fail(format!("{}not a whole number", shown(it)));
            } else if keyword("format") == "int32" && it.abs() > f64::from(i32::MAX) {
                fail(format!("{}more than {} takes", shown(it), shape.dialect().cloud));
            }
            if let Some(least) = bound("minimum").filter(|least| *it < *least) {
                fail(format!("{}less than {least}", shown(it)));
            }
            if let Some(most) = bound("maximum").filter(|most| *it > *most) {
                fail(format!("{}more than {most}", shown(it)));
            }
        }
        (Value::List(items), Some("array")) => {
            #[expect(clippy::cast_precision_loss, reason = "no list is that long")]
            let length = items.len() as f64;
            if let Some(least) = bound("minItems").filter(|it| length < *it) {
                fail(format!("has {length} items, fewer than {least}"));
            }
            if let Some(most) = bound("maxItems").filter(|it| length > *it) {
                fail(format!("has {length} items, more than {most}"));
            }
            if let Some(element) = shape.element() {
                for (index, item) in items.iter_mut().enumerate() {
                    self::value(item, element, &path_of_index(path, index), secret, findings);
                }
            }
        }
        (Value::Object(map), Some("object")) => match shape.element() {
            Some(element) => {
                map.retain(|_, it| *it.plain() != Value::Null);
                #[expect(clippy::cast_precision_loss, reason = "no map is that large")]
                let length = map.len() as f64;
                if let Some(most) = bound("maxItems").filter(|it| length > *it) {
                    fail(format!("has {} items, more than {most}", map.len()));
                }
                let names = keyword("propertyNames");
                for key in map.keys() {
                    let length = key.chars().count();
                    let bound = |name: &str| names[name].as_u64().and_then(|it| usize::try_from(it).ok());
                    if bound("minLength").is_some_and(|it| length < it) {
                        fail("has an empty key".to_owned());
                    }
                    if let Some(most) = bound("maxLength").filter(|it| length > *it) {
                        fail(format!("has a key of {length} characters, more than {most}"));
                    }
                }
                for (key, it) in map {
                    self::value(it, element, &path_of_key(path, key), secret, findings);
                }
            }
            None => object(map, shape, path, secret, findings),
        },
        (it, Some(kind)) => fail(format!("is {}, not {}", described(it), in_words(kind))),
    }
}

/// A block of addresses in its one spelling: `::/0`, whatever else the program calls that.
pub fn canonical_block(text: &str) -> Option<String> {
    text.parse::<IpNet>().ok().map(|it| it.trunc().to_string())
}

/// Whether it is the empty text where text, or a document, may be left out: both say the same.
fn says_nothing(name: &str, value: &Value, shape: Shape<'_>) -> bool {
    let Some(property) = shape.property(name).filter(|_| value.as_str() == Some("")) else { return false };
    let is_document = property.resolve().keyword("compare") == "json";
    property.is_optional() && property.resolve().kind() == Some("string")
        || is_document && property.default().is_none() && !shape.required().any(|it| it == name)
}

fn is_document(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::String(it) => serde_json::from_str::<serde_json::Map<_, _>>(it).is_ok(),
        _ => value.contains_unknown(),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    // The patterns are ours; a test compiles them all.
    Regex::new(pattern).is_ok_and(|it| it.is_match(text))
}

fn described(value: &Value) -> &'static str {
    match value.plain() {
        Value::Null | Value::Unknown => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::List(_) => "a list",
        Value::Object(_) => "a map",
        Value::Asset(_) | Value::Secret(_) | Value::Output(..) => "an asset",
    }
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a map",
    }
}

/// The one of `names` that was probably meant.
pub fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let close = |it: &&str| strsim::damerau_levenshtein(&name.to_lowercase(), &it.to_lowercase());
    let near = names.iter().copied().min_by_key(|it| close(it))?;
    let longest = name.chars().count().max(near.chars().count());
    (close(&near) <= longest.div_ceil(3)).then_some(near)
}

/// The one of `names` that `value` only spells otherwise: in another case, with other punctuation, or with up to two letters
/// wrong, one in a short name.
pub fn misspelt<'a>(value: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |it: &str| it.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let value = plain(value);
    let distance = |it: &&str| strsim::damerau_levenshtein(&value, &plain(it));
    let near = names.iter().copied().min_by_key(distance)?;
    let allowed = if plain(near).len().min(value.len()) < 6 { 1 } else { 2 };
    (distance(&near) <= allowed).then_some(near)
}

/// How the engine wants names to be made up.
#[derive(Clone, Copy, Debug)]
pub enum Autonaming<'a> {
    /// A word, a hyphen and seven random digits.
    Default,
    /// This, which may be cut to what the cloud allows.
    Propose(&'a str),
    /// Exactly this.
    Enforce(&'a str),
    /// Not at all: the program has to name everything.
    Disable,
}

/// The name for a resource that the program calls `name` and for which it gives no other; `property` is to hold it.
///
/// # Errors
/// Why there can be none.
pub fn autoname(name: &str, seed: &[u8], property: Shape<'_>, how: Autonaming<'_>) -> Result<String, String> {
    let longest = longest(property);
    match how {
        Autonaming::Default => {
            let random: String = match seed {
                [] => uuid::Uuid::new_v4().simple().to_string(),
                seed => seed.iter().flat_map(|it| [it >> 4, it & 15]).filter_map(|it| char::from_digit(it.into(), 16)).collect(),
            };
            Ok(format!("{}-{}", tidy(name, property, longest - RANDOM - 1), &random[..RANDOM.min(random.len())]))
        }
        Autonaming::Propose(proposed) => Ok(tidy(proposed, property, longest)),
        Autonaming::Enforce(exactly) => {
            let pattern = property.keyword("pattern").as_str();
            let legal = exactly.chars().count() <= longest && pattern.is_none_or(|it| matches(it, exactly));
            let expects = property.keyword("expects").as_str().unwrap_or("legal");
            legal.then(|| exactly.to_owned()).ok_or_else(|| {
                format!(
                    "cannot be {exactly:?}, the name that autonaming enforces: it has to be {expects}, of {longest} characters at \
                     most; set another name here, or change pulumi:autonaming"
                )
            })
        }
        Autonaming::Disable => Err("is required, for pulumi:autonaming is disabled".to_owned()),
    }
}

/// How many random digits end a name that is made up.
const RANDOM: usize = 7;

fn longest(property: Shape<'_>) -> usize {
    property.keyword("autoname").as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or_default()
}

/// `name` as it is allowed in `property`: of letters, digits and single hyphens, and without what is reserved.
fn tidy(name: &str, property: Shape<'_>, most: usize) -> String {
    let name = if property.flag("lowercase") { name.to_lowercase() } else { name.to_owned() };
    let words: Vec<_> = name.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let mut tidy = words.join("-");
    if let Some(reserved) = property.keyword("reserved").as_str() {
        // A hyphen follows: `sg` would become `sg-…` as well.
        while let Some(rest) = format!("{tidy}-").strip_prefix(reserved) {
            rest.trim_end_matches('-').clone_into(&mut tidy);
        }
    }
    // Some names have to start with a letter.
    let pattern = property.keyword("pattern").as_str();
    if tidy.is_empty() || pattern.is_some_and(|it| !matches(it, &tidy)) {
        tidy.insert(0, 'x');
    }
    tidy.truncate(most);
    tidy.trim_end_matches('-').to_owned()
}

/// Whether `value` looks made up by [`autoname`] for a resource that the program calls `name`.
pub fn is_autoname(value: &str, name: &str, property: Shape<'_>) -> bool {
    let Some((word, random)) = value.rsplit_once('-') else { return false };
    let hex = random.len() == RANDOM && random.chars().all(|it| it.is_ascii_hexdigit() && !it.is_ascii_uppercase());
    hex && word == tidy(name, property, longest(property) - RANDOM - 1)
}
