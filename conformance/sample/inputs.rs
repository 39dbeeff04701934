//! Check and Diff of whatever the schema describes: resources, the component, the function, the settings.

use std::sync::LazyLock;

use provider_conformance::rpc::{
    self, configure_error_missing_keys::MissingKey, diff_response::DiffChanges, property_diff::Kind,
};
use serde_json::{Value as Json, json};

use crate::{
    fault::fault,
    names::{self, is_name},
    values::{self, Map, holds_unknown, inner, inner_mut, is_secret, is_unknown, key_path, kind, plain, secret},
};

/// The package, as Pulumi sees it.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

static PACKAGE: LazyLock<Json> = LazyLock::new(|| values::doubles(serde_json::from_str(SCHEMA).unwrap_or_default()));

/// The properties of an object, and which of them it needs.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    properties: &'static Json,
    required: &'static Json,
}

impl Shape {
    /// What a program sets of a resource.
    pub(crate) fn of_resource(token: &str) -> Self {
        let resource = &PACKAGE["resources"][token];
        Self { properties: &resource["inputProperties"], required: &resource["requiredInputs"] }
    }

    /// What a program asks a function.
    pub(crate) fn of_function(token: &str) -> Self {
        Self::of(&PACKAGE["functions"][token]["inputs"])
    }

    /// The settings of the provider.
    pub(crate) fn of_settings() -> Self {
        Self { properties: &PACKAGE["provider"]["inputProperties"], required: &Json::Null }
    }

    fn of(object: &'static Json) -> Self {
        Self { properties: &object["properties"], required: &object["required"] }
    }

    /// The names of the properties, and what each has to be.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'static str, &'static Json)> {
        self.properties.as_object().into_iter().flatten().map(|(name, it)| (name.as_str(), it))
    }

    /// Whether it cannot do without this property.
    pub(crate) fn requires(self, name: &str) -> bool {
        self.required.as_array().is_some_and(|it| it.iter().any(|it| it == name))
    }
}

/// The type that a property refers to, or the property itself.
pub(crate) fn resolve(property: &'static Json) -> &'static Json {
    match property["$ref"].as_str().and_then(|it| it.strip_prefix("#/types/")) {
        Some(token) => &PACKAGE["types"][token],
        None => property,
    }
}

/// What is wrong with a property.
pub(crate) struct Failure {
    pub(crate) path: String,
    /// Never holds a value, for that may be a secret.
    pub(crate) reason: String,
    /// Whether Pulumi may show the value: it does if it is told the property.
    shown: bool,
}

impl Failure {
    pub(crate) fn new(path: &str, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into(), shown: true }
    }

    /// Whether Pulumi may show the value.
    pub(crate) fn may_be_shown(&self) -> bool {
        self.shown
    }

    /// Whether it may be told by its path: not if Pulumi would print a secret, or cannot find the value.
    pub(crate) fn has_property(&self) -> bool {
        fault(63) || self.shown && !self.path.contains(['.', '['])
    }
}

impl From<Failure> for rpc::CheckFailure {
    fn from(failure: Failure) -> Self {
        if failure.has_property() {
            return Self { property: failure.path, reason: failure.reason };
        }
        Self { property: String::new(), reason: format!("{} {}", failure.path, failure.reason) }
    }
}

/// Takes nulls away, fills in defaults, marks secrets, and tells all that is wrong.
pub(crate) fn check(inputs: &mut Map, shape: Shape) -> Vec<Failure> {
    let mut failures = Vec::new();
    check_object(inputs, shape, "", false, &mut failures);
    failures.sort_by(|one, other| one.path.cmp(&other.path));
    if fault(62) {
        failures.truncate(1);
    }
    failures
}

fn check_object(map: &mut Map, shape: Shape, path: &str, is_secret: bool, failures: &mut Vec<Failure>) {
    if !fault(57) || path.is_empty() {
        map.retain(|_, it| !inner(it).is_null());
    }
    map.retain(|name, _| !name.starts_with("__"));
    for name in map.keys().filter(|it| !fault(61) && shape.properties().all(|(name, _)| name != it.as_str())) {
        let names: Vec<_> = shape.properties().map(|(name, _)| name).collect();
        let likeness = |it: &&str| strsim::jaro_winkler(name, it);
        let near = names.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other))).filter(|it| likeness(it) > 0.8);
        let hint = near.map_or_else(|| format!("there are {}", names.join(", ")), |it| format!("did you mean {it}?"));
        failures.push(Failure::new(&key_path(path, name), format!("is not a property here; {hint}")));
    }
    for (name, property) in shape.properties() {
        let path = key_path(path, name);
        let is_secret = is_secret || property["secret"] == true;
        if shape.requires(name) && !map.contains_key(name) {
            failures.push(Failure::new(&path, "is required"));
        }
        if let Some(default) = property.get("default").filter(|_| !fault(56)) {
            map.entry(name).or_insert_with(|| default.clone());
        }
        let Some(value) = map.get_mut(name) else { continue };
        check_value(value, property, &path, is_secret, failures);
        if property["secret"] == true {
            *value = secret(value.take());
        }
        if fault(59) && path.contains('.') {
            *value = inner(value).clone();
        }
    }
}

fn check_value(value: &mut Json, property: &'static Json, path: &str, secret: bool, failures: &mut Vec<Failure>) {
    if is_unknown(value) {
        return;
    }
    let secret = secret || is_secret(value);
    let ty = resolve(property);
    let value = inner_mut(value);
    let wanted = ty["type"].as_str().unwrap_or("asset");
    let mut fail = |reason: String| {
        let reason = if secret && (fault(64) || fault(42)) { format!("{value} {reason}") } else { reason };
        failures.push(Failure { shown: !secret || fault(42), ..Failure::new(path, reason) });
    };
    if kind(value) != wanted && !(fault(65) && wanted == "integer" && value.is_number()) {
        let article = if matches!(wanted, "integer" | "array" | "object" | "asset") { "an" } else { "a" };
        return fail(format!("has to be {article} {wanted}, and is {}", kind(value)));
    }
    if let Some(reason) = ty["enum"].as_array().and_then(|it| not_one_of(value, it)).or_else(|| out_of_bounds(value, path)) {
        return fail(if fault(66) { "is invalid".to_owned() } else { reason });
    }
    match value {
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                check_value(item, &ty["items"], &format!("{path}[{index}]"), secret, failures);
            }
        }
        Json::Object(map) if ty.get("properties").is_some() => check_object(map, Shape::of(ty), path, secret, failures),
        Json::Object(map) if ty.get("additionalProperties").is_some() => {
            map.retain(|_, it| !inner(it).is_null());
            for (key, it) in map {
                check_value(it, &ty["additionalProperties"], &key_path(path, key), secret, failures);
            }
        }
        _ => {}
    }
}

fn not_one_of(value: &Json, cases: &[Json]) -> Option<String> {
    let names: Vec<_> = cases.iter().filter_map(|it| it["value"].as_str()).collect();
    (!names.iter().any(|it| value == it)).then(|| format!("has to be one of {}", names.join(", ")))
}

/// What the schema cannot say of numbers and texts.
fn out_of_bounds(value: &Json, path: &str) -> Option<String> {
    let number = value.as_f64().unwrap_or_default();
    let text = value.as_str().unwrap_or_default();
    let (holds, reason) = match path.rsplit('.').next()? {
        "size" => ((1.0..=10.0).contains(&number), "has to be from 1 to 10"),
        "port" => ((1.0..=65535.0).contains(&number), "has to be from 1 to 65535"),
        "retries" => ((0.0..=10.0).contains(&number), "has to be from 0 to 10"),
        "password" => (text.chars().count() >= 8, "has to have 8 characters at least"),
        "apiKey" => (text.starts_with("key-"), "has to start with key-"),
        "endpoint" => (text.starts_with("http://"), "has to be an address such as http://localhost:8080"),
        "name" => (is_name(text), names::RULE),
        _ => return None,
    };
    (!holds).then(|| reason.to_owned())
}

/// A difference between old inputs and new ones.
pub(crate) struct Change {
    path: String,
    kind: Kind,
    replaces: bool,
    /// Whether the old value is an input; else it is an output, which the cloud has changed.
    is_input: bool,
}

/// What differs. `outputs` are the last ones: what they echo of the inputs may have changed in the cloud.
pub(crate) fn diff(old: &Map, outputs: &Map, new: &Map, shape: Shape) -> Vec<Change> {
    let first = old;
    let (mut old, mut new) = (old.clone(), new.clone());
    if !fault(83) {
        // A default that was not there yet is no change.
        check(&mut old, shape);
        check(&mut new, shape);
    }
    let mut live = outputs.clone();
    check(&mut live, shape);
    live.retain(|name, _| outputs.contains_key(name));
    let mut changes = Vec::new();
    for (name, property) in shape.properties().filter(|(name, _)| !(fault(75) && matches!(*name, "color" | "note"))) {
        let mut found = Found { changes: Vec::new(), replaces: property["willReplaceOnChanges"] == true, is_input: true };
        let path = key_path("", name);
        found.value(old.get(name), new.get(name), property, &path);
        if let Some(live) = live.get(name).filter(|_| found.changes.is_empty()) {
            found.is_input = false;
            found.value(Some(live), new.get(name), property, &path);
        }
        changes.append(&mut found.changes);
    }
    if fault(146) {
        let added = shape.properties().filter(|(name, it)| it.get("default").is_some() && !first.contains_key(*name));
        let change = |(name, _)| Change { path: key_path("", name), kind: Kind::Add, replaces: true, is_input: true };
        changes.extend(added.map(change));
    }
    if fault(91) && !changes.is_empty() {
        changes.push(Change { path: "revision".to_owned(), kind: Kind::Update, replaces: false, is_input: false });
    }
    changes
}

/// The differences found in one property.
struct Found {
    changes: Vec<Change>,
    replaces: bool,
    is_input: bool,
}

impl Found {
    fn value(&mut self, old: Option<&Json>, new: Option<&Json>, property: &'static Json, path: &str) {
        let [old, new] = [old, new].map(|it| it.filter(|it| !inner(it).is_null()));
        let (old, new) = match (old, new) {
            (None, None) => return,
            (None, Some(_)) => return self.push(path, Kind::Add),
            (Some(_), None) => return self.push(path, Kind::Delete),
            (Some(_), Some(new)) if is_unknown(new) && fault(84) => return,
            (Some(_), Some(new)) if is_unknown(new) => return self.push(path, Kind::Update),
            (Some(old), Some(new)) if same(old, new) => return,
            (Some(old), Some(new)) => (old, new),
        };
        let ty = resolve(property);
        match (inner(old), inner(new)) {
            (Json::Object(olds), Json::Object(news)) if ty["type"] == "object" => {
                let mut names: Vec<_> = olds.keys().chain(news.keys()).collect();
                names.sort();
                names.dedup();
                for name in names {
                    let property = ty["properties"].get(name).unwrap_or(&ty["additionalProperties"]);
                    self.value(olds.get(name), news.get(name), property, &key_path(path, name));
                }
            }
            (Json::Array(olds), Json::Array(news)) => self.rules(olds, news, &ty["items"], path),
            _ => self.push(path, Kind::Update),
        }
    }

    /// Rules are the same rule if they are about the same port, wherever they stand.
    fn rules(&mut self, olds: &[Json], news: &[Json], item: &'static Json, path: &str) {
        let port = |it: &Json| plain(&inner(it)["port"]);
        let mut gone: Vec<_> = olds.iter().filter(|old| fault(82) || !news.iter().any(|new| port(new) == port(old))).collect();
        for (index, new) in news.iter().enumerate() {
            let old = olds.iter().find(|old| !fault(82) && port(old) == port(new));
            let old = old.or_else(|| (!gone.is_empty()).then(|| gone.remove(0)));
            self.value(old, Some(new), item, &format!("{path}[{index}]"));
        }
        for (index, old) in gone.into_iter().enumerate() {
            self.value(Some(old), None, item, &format!("{path}[{}]", news.len() + index));
        }
    }

    fn push(&mut self, path: &str, kind: Kind) {
        let kind = if fault(77) { Kind::Update } else { kind };
        self.changes.push(Change { path: path.to_owned(), kind, replaces: self.replaces, is_input: self.is_input });
    }
}

/// Whether two values mean the same: secret or not, in any order, an asset whose content is left out or not.
fn same(old: &Json, new: &Json) -> bool {
    if fault(81) && is_secret(old) != is_secret(new) || fault(87) && kind(new) == "asset" && old != new {
        return false;
    }
    plain(old) == plain(new) && !holds_unknown(new)
}

impl Change {
    /// Whether one of these paths, in which `*` is any step, holds what changed.
    pub(crate) fn is_in(&self, paths: &[String]) -> bool {
        let steps = values::steps(&self.path);
        paths.iter().map(|it| values::steps(it)).any(|path| {
            path.len() <= steps.len() && path.iter().zip(&steps).all(|(wanted, step)| wanted == "*" || wanted == step)
        })
    }

    /// Whether it is about this property.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        self.property() == name
    }

    pub(crate) fn replaces(&self) -> bool {
        self.replaces
    }

    fn property(&self) -> String {
        values::steps(&self.path).swap_remove(0)
    }
}

/// The answer to Diff and `DiffConfig`.
pub(crate) fn differences(changes: Vec<Change>) -> rpc::DiffResponse {
    let mut response = rpc::DiffResponse { has_detailed_diff: true, ..Default::default() };
    let outcome = if changes.is_empty() { DiffChanges::DiffNone } else { DiffChanges::DiffSome };
    response.changes = outcome.into();
    for change in changes {
        let property = change.property();
        let kind = match change.kind {
            Kind::Add if change.replaces => Kind::AddReplace,
            Kind::Delete if change.replaces => Kind::DeleteReplace,
            Kind::Update if change.replaces => Kind::UpdateReplace,
            kind => kind,
        };
        if change.replaces && !response.replaces.contains(&property) && !fault(76) {
            response.replaces.push(property.clone());
        }
        if fault(78) {
            response.diffs.push(change.path.clone());
        } else if !response.diffs.contains(&property) {
            response.diffs.push(property);
        }
        let input_diff = change.is_input && !fault(80);
        response.detailed_diff.insert(change.path, rpc::PropertyDiff { kind: kind.into(), input_diff });
    }
    if fault(74) && response.diffs.is_empty() {
        return rpc::DiffResponse::default();
    }
    response
}

/// The settings of the provider.
pub(crate) struct Settings {
    pub(crate) endpoint: String,
    pub(crate) account: String,
    pub(crate) api_key: Option<String>,
    pub(crate) retries: u32,
    pub(crate) verbose: bool,
    pub(crate) tags: Json,
}

/// What a setting is when neither program nor stack tells.
fn default_of(property: &Json) -> Option<Json> {
    let mut variables = property["defaultInfo"]["environment"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let from_environment = variables.find_map(|it| std::env::var(it).ok().filter(|it| !it.is_empty()));
    from_environment.map(Json::from).or_else(|| property.get("default").cloned())
}

/// The settings in their own types: stack configuration and the SDKs bring everything as text.
pub(crate) fn typed(settings: &Map) -> Map {
    let mut typed = settings.clone();
    // Empty text is a setting that is not set; the version is the engine's.
    typed.retain(|name, it| (name != "version" || fault(37)) && *inner(it) != "");
    for (name, property) in Shape::of_settings().properties() {
        let Some(value) = typed.get_mut(name).map(inner_mut).filter(|it| !is_unknown(it) && !fault(35)) else { continue };
        if let (Json::String(text), Some("integer" | "boolean" | "object")) = (&*value, property["type"].as_str()) {
            *value = serde_json::from_str(text).map_or_else(|_| value.clone(), values::doubles);
        } else if fault(36) && property["type"] != "string" {
            *value = "".into();
        }
    }
    typed
}

/// The settings as they came, with the defaults, and what is wrong with them.
pub(crate) fn check_config(mut settings: Map) -> (Map, Vec<Failure>) {
    settings.retain(|name, it| name != "__internal" && !inner(it).is_null());
    let mut checked = typed(&settings);
    let is_setting = |it: &String| Shape::of_settings().properties().any(|(name, _)| name == it);
    assert!(!fault(41) || checked.keys().all(is_setting), "a setting that is not in the schema");
    let mut failures = check(&mut checked, Shape::of_settings());
    if fault(40) && checked.values().any(holds_unknown) {
        failures.push(Failure::new("endpoint", "has to be known"));
    }
    for (name, property) in Shape::of_settings().properties() {
        if let Some(default) =
            default_of(property).filter(|_| !settings.get(name).is_some_and(|it| inner(it) != "") && !fault(43))
        {
            settings.insert(name.to_owned(), default);
        }
        if let Some(value) = settings.get_mut(name) {
            if let Some(checked) = checked.get(name).filter(|_| fault(39)) {
                *value = checked.clone();
            }
            if property["secret"] == true {
                *value = secret(value.take());
            }
        }
    }
    if fault(38) {
        settings.insert("__internal".to_owned(), json!({}));
    }
    (settings, failures)
}

/// What differs between settings, in whatever form they came. A new cloud has none of the old resources.
pub(crate) fn diff_config(old: &Map, new: &Map) -> rpc::DiffResponse {
    let [old, new] = [old, new].map(|it| if fault(44) { it.clone() } else { typed(it) });
    let changes = diff(&old, &Map::new(), &new, Shape::of_settings());
    // An address that is not known yet is most likely the one it was; saying otherwise would replace everything.
    let stays = new.get("endpoint").is_some_and(is_unknown) || fault(45);
    let replaces = |it: &Change| fault(46) || it.replaces && !stays;
    differences(changes.into_iter().map(|it| Change { replaces: replaces(&it), ..it }).collect())
}

/// The settings, or those that are missing.
pub(crate) fn settings(checked: &Map) -> Result<Settings, Vec<MissingKey>> {
    let settings = typed(checked);
    let value = |name: &str| settings.get(name).map(plain).unwrap_or_default();
    let text = |name: &str| value(name).as_str().map(str::to_owned);
    let missing =
        Shape::of_settings().properties().filter(|(name, _)| ["account", "endpoint"].contains(name) && text(name).is_none());
    let missing: Vec<_> = missing
        .map(|(name, it)| MissingKey {
            name: format!("sample:{name}"),
            description: it["description"].as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(Settings {
        endpoint: text("endpoint").unwrap_or_default().trim_end_matches('/').to_owned(),
        account: text("account").unwrap_or_default(),
        api_key: text("apiKey"),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small")]
        retries: value("retries").as_f64().unwrap_or_default() as u32,
        verbose: value("verbose") == true,
        tags: value("tags"),
    })
}
