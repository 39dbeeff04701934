//! D. Check: what it takes, completes, names and refuses.

use serde_json::{Value as Json, json};
use tonic::Code;

use super::probe::{Checked, Question, Subject, check_all, said, shown, subjects, told};
use crate::{
    item::{Item, Outcome, expect, expect_none, failed, not_applicable},
    life,
    rpc::{
        self,
        check_request::{AutonamingOptions, autonaming_options::Mode},
    },
    run::{Run, Special, greet, urn},
    samples::Invalid,
    schema::Spec,
    value::{
        Map, UNKNOWNS, from_struct, is_unknown, key_path, overlay, plain, plain_map, reference, secret, signature, to_struct,
        unknown, unknowns, walk,
    },
    vary::{Place, Step, at, holes, path, places, with},
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 53,
        title: "Check returns good inputs as they are, plus defaults",
        check: |run| Box::pin(only_defaults_added(run)),
    },
    Item { number: 54, title: "Check of what Check returned changes nothing", check: |run| Box::pin(idempotent(run)) },
    Item {
        number: 55,
        title: "Check answers the same question always the same, 100 times",
        check: |run| Box::pin(deterministic(run)),
    },
    Item { number: 56, title: "Check fills in every default of the schema", check: |run| Box::pin(defaults(run)) },
    Item { number: 57, title: "null means absent, at every depth", check: |run| Box::pin(null_is_absent(run)) },
    Item {
        number: 58,
        title: "Check lets pass what is not known yet: every property, every sentinel, nested",
        check: |run| Box::pin(unknowns_pass(run)),
    },
    Item { number: 59, title: "Check keeps every mark of a secret, at every depth", check: |run| Box::pin(secrets_pass(run)) },
    Item {
        number: 60,
        title: "a reference to a resource is taken where its id is expected",
        check: |run| Box::pin(references(run)),
    },
    Item {
        number: 61,
        title: "a misspelt property is refused with a suggestion; keys with __ are ignored",
        check: |run| Box::pin(misspelt(run)),
    },
    Item { number: 62, title: "Check tells all mistakes at once, in order", check: |run| Box::pin(all_at_once(run)) },
    Item {
        number: 63,
        title: "a failure has a property only for a plain value of the first level; else the path is in its reason",
        check: |run| Box::pin(property_or_path(run)),
    },
    Item { number: 64, title: "no failure shows a secret value", check: |run| Box::pin(secrets_not_told(run)) },
    Item {
        number: 65,
        title: "a whole number is taken for an integer, a fraction is refused",
        check: |run| Box::pin(integers(run)),
    },
    Item { number: 66, title: "a failure tells the values that are allowed", check: |run| Box::pin(allowed_told(run)) },
    Item { number: 67, title: "a name that was made up is kept", check: |run| Box::pin(name_kept(run)) },
    Item { number: 68, title: "names made up for long and strange names are good", check: |run| Box::pin(names_are_good(run)) },
    Item { number: 69, title: "pulumi:autonaming proposes, enforces and forbids names", check: |run| Box::pin(autonaming(run)) },
    Item {
        number: 70,
        title: "Check works without a seed, and makes up another name each time",
        check: |run| Box::pin(no_seed(run)),
    },
    Item {
        number: 71,
        title: "a name that is given is taken even where autonaming is disabled",
        check: |run| Box::pin(explicit_name(run)),
    },
    Item { number: 72, title: "a replacement gets another name than what it replaces", check: |run| Box::pin(new_name(run)) },
    Item {
        number: 73,
        title: "a type that does not exist is refused with INVALID_ARGUMENT that names it",
        check: |run| Box::pin(no_such_type(run)),
    },
];

async fn only_defaults_added(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let named = named(run, &subjects).await?;
    let settings = places(&run.options.samples.provider.config, run.schema()?.settings());
    let settings = settings.iter().map(|it| (leaf(it), it.value.clone())).collect();
    let mut comparison = Comparison { settings, found: Vec::new() };
    for subject in &subjects {
        let mut checked = plain_map(&subject.life.checked);
        let made_up = named.iter().filter(|it| it.subject.life.name == subject.life.name);
        for it in made_up.filter(|it| !subject.inputs.contains_key(it.property)) {
            checked.remove(it.property);
        }
        let specs: Vec<_> = subject.entry.inputs().collect();
        comparison.objects(&subject.inputs, &checked, &specs, &subject.life.name);
    }
    expect_none(comparison.found, "nothing from Check but the inputs, documented defaults and names that are made up")
}

/// What Check does to good inputs, compared with what it may do.
struct Comparison {
    /// What a provider may be told to add everywhere, such as tags.
    settings: Vec<(String, Json)>,
    found: Vec<String>,
}

impl Comparison {
    fn objects(&mut self, sent: &Map, checked: &Map, specs: &[(&str, Spec<'_>)], path: &str) {
        let spec = |name: &str| specs.iter().find(|(it, _)| *it == name).map(|(_, it)| *it);
        for (name, value) in sent {
            match checked.get(name) {
                None => self.found.push(format!("{} is lost", key_path(path, name))),
                Some(seen) => self.values(value, seen, spec(name), &key_path(path, name)),
            }
        }
        for (name, value) in checked.iter().filter(|(name, _)| !sent.contains_key(*name)) {
            let told = self.settings.iter().any(|(it, known)| it == name && known == value);
            if !told && !spec(name).is_some_and(|it| is_default(value, it)) {
                self.found.push(format!("{} is added", key_path(path, name)));
            }
        }
    }

    fn values(&mut self, sent: &Json, seen: &Json, spec: Option<Spec<'_>>, path: &str) {
        match (sent, seen) {
            (Json::Object(sent), Json::Object(seen)) => {
                let specs: Vec<_> = spec.into_iter().flat_map(Spec::properties).collect();
                self.objects(sent, seen, &specs, path);
            }
            (Json::Array(sent), Json::Array(seen)) if sent.len() == seen.len() => {
                for (index, (sent, seen)) in sent.iter().zip(seen).enumerate() {
                    self.values(sent, seen, spec.and_then(Spec::element), &format!("{path}[{index}]"));
                }
            }
            _ if sent == seen => {}
            _ if spec.is_some_and(Spec::is_secret) => self.found.push(format!("{path} is another")),
            _ => self.found.push(format!("{path} is {}, and was {}", shown(seen), shown(sent))),
        }
    }
}

/// Whether the schema says that this is what absence means; of a list or a map it can say so only in words.
fn is_default(value: &Json, spec: Spec<'_>) -> bool {
    let described = spec.json["description"].as_str().is_some_and(|it| it.contains("efault"));
    let in_words = described && (value.is_array() || value.is_object());
    spec.default() == Some(value) || spec.environment().next().is_some() || in_words
}

async fn idempotent(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let again = subjects.iter().map(|it| {
        let checked = &it.life.checked;
        it.ask("", it.life.subject.check(checked, checked)).judged_by(checked)
    });
    let mut wrong = Vec::new();
    for (question, checked) in check_all(run, again.collect()).await? {
        if !checked.failures.is_empty() {
            wrong.push(format!("{} is refused: {}", question.about, checked.told()));
        }
        let (old, new) = (question.by, &checked.inputs);
        let differ = old.keys().chain(new.keys()).filter(|name| old.get(*name) != new.get(*name));
        wrong.extend(differ.map(|name| format!("{}.{name} is another", question.about)));
    }
    wrong.dedup();
    expect_none(wrong, "Check of what Check returned to return the same")
}

async fn deterministic(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let times = 100_usize.div_ceil(subjects.len()).max(10);
    let questions = subjects.iter().flat_map(|it| (0..times).map(|_| it.check("", &it.inputs).judged_by(&it.life.checked)));
    let mut differ = Vec::new();
    for (question, checked) in check_all(run, questions.collect()).await? {
        let other = question.by.keys().chain(checked.inputs.keys()).find(|it| question.by.get(*it) != checked.inputs.get(*it));
        differ.extend(other.map(|name| format!("{} has another {name}", question.about)));
    }
    differ.dedup();
    expect_none(differ, "the same answer each time to the same inputs with the same seed")
}

/// An object with named properties, and where it is.
type Object<'a> = (Vec<Step>, Vec<(&'a str, Spec<'a>)>);

/// The objects with named properties in some inputs, the inputs themselves first.
fn objects<'a>(subject: &Subject<'a>) -> Vec<Object<'a>> {
    let mut objects = vec![(Vec::new(), subject.entry.inputs().collect())];
    for place in subject.places().into_iter().filter(|it| it.value.is_object()) {
        let properties: Vec<_> = place.spec.into_iter().flat_map(Spec::properties).collect();
        if !properties.is_empty() {
            objects.push((place.steps, properties));
        }
    }
    objects
}

fn within(steps: &[Step], name: &str) -> Vec<Step> {
    steps.iter().cloned().chain([Step::Key(name.to_owned())]).collect()
}

async fn defaults(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        for (steps, properties) in objects(subject) {
            for (name, default) in properties.iter().filter_map(|(name, it)| Some((name, it.default()?))) {
                let steps = within(&steps, name);
                let without = with(&subject.inputs, &steps, Json::Null);
                questions.push(subject.check(format!("without {}", path(&steps)), &without).judged_by((steps, default)));
            }
        }
    }
    if questions.is_empty() {
        return not_applicable("no resource with samples has a default in the schema");
    }
    let mut wrong = Vec::new();
    for (question, checked) in check_all(run, questions).await? {
        let (steps, default) = question.by;
        match at(&plain_map(&checked.inputs), &steps) {
            Some(seen) if seen == default => {}
            // Another property may need this one to be what the sample says.
            _ if !checked.failures.is_empty() => {}
            Some(seen) => wrong.push(format!("{} it is {}, not {default}", question.about, shown(seen))),
            None => wrong.push(format!("{} there is none, not {default}", question.about)),
        }
    }
    expect_none(wrong, "Check to fill in the schema's default where there is no value")
}

async fn null_is_absent(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let questions = subjects.iter().map(|it| {
        let specs: Vec<_> = it.entry.inputs().collect();
        it.check("with nulls", &with_nulls(&it.inputs, &specs)).judged_by(&it.life.checked)
    });
    let mut wrong = Vec::new();
    for (question, checked) in check_all(run, questions.collect()).await? {
        if !checked.failures.is_empty() {
            wrong.push(format!("{} is refused: {}", question.about, checked.told()));
            continue;
        }
        let (old, new) = (without_nulls(&json!(question.by)), without_nulls(&json!(checked.inputs)));
        let names = question.by.keys().chain(checked.inputs.keys());
        wrong.extend(names.filter(|it| old.get(it) != new.get(it)).map(|it| format!("{} has another {it}", question.about)));
    }
    wrong.dedup();
    expect_none(wrong, "the same from Check whether a property is null or absent")
}

/// `map` with a null for every property that it lacks, at every depth.
pub(super) fn with_nulls(map: &Map, specs: &[(&str, Spec<'_>)]) -> Map {
    let mut nulls: Map = map.clone();
    for (name, spec) in specs {
        let value = map.get(*name).map_or(Json::Null, |it| nulls_in(it, *spec));
        nulls.insert((*name).to_owned(), value);
    }
    nulls
}

fn nulls_in(value: &Json, spec: Spec<'_>) -> Json {
    match (value, spec.element()) {
        (Json::Array(items), Some(element)) => items.iter().map(|it| nulls_in(it, element)).collect(),
        (Json::Object(map), Some(element)) => {
            map.iter().map(|(key, it)| (key.clone(), nulls_in(it, element))).collect::<Map>().into()
        }
        (Json::Object(map), None) => with_nulls(map, &spec.properties().collect::<Vec<_>>()).into(),
        _ => value.clone(),
    }
}

fn without_nulls(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(without_nulls).collect(),
        Json::Object(map) => {
            let kept = map.iter().filter(|(_, it)| !it.is_null() && !plain(it).is_null());
            kept.map(|(key, it)| (key.clone(), without_nulls(it))).collect::<Map>().into()
        }
        _ => value.clone(),
    }
}

async fn unknowns_pass(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let mut ask = |what: &str, inputs: Map| {
            questions.push(subject.check(format!("with {what} unknown"), &inputs).judged_by(inputs));
        };
        let all = |hole: &Json| subject.entry.inputs().map(|(name, _)| (name.to_owned(), hole.clone())).collect::<Map>();
        for sentinel in UNKNOWNS {
            ask(&format!("all, as {sentinel},"), all(&json!(sentinel)));
        }
        let mut sentinels = UNKNOWNS.iter().cycle().map(|it| json!(it));
        for place in subject.all_places() {
            let Some(hole) = sentinels.next() else { continue };
            ask(&place.path, with(&subject.inputs, &place.steps, hole.clone()));
            // A list that is there may rule out other properties, whatever is in it; not if they are unknown as well.
            let parts = place.spec.filter(|_| place.value.is_null()).map(|it| holes(it, &hole)).unwrap_or_default();
            for value in parts {
                ask(&format!("part of {}", place.path), with(&all(&hole), &place.steps, value));
            }
        }
    }
    let mut wrong = Vec::new();
    for (question, checked) in check_all(run, questions).await? {
        if !checked.failures.is_empty() {
            wrong.push(format!("{} is refused: {}", question.about, checked.told()));
            continue;
        }
        let kept = unknowns(&checked.inputs);
        let lost = unknowns(&question.by).into_iter().filter(|path| !kept.contains(path));
        wrong.extend(lost.map(|path| format!("{}: {path} is known then", question.about)));
    }
    expect_none(wrong, "no failure for what is not known yet, and that it stays unknown")
}

async fn secrets_pass(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let mut ask = |what: String, inputs: Map| questions.push(subject.check(what, &inputs).judged_by(inputs));
        for place in subject.places() {
            ask(format!("with {} secret", place.path), with(&subject.inputs, &place.steps, secret(&place.value)));
        }
        let all = subject.inputs.iter().map(|(name, it)| (name.clone(), all_secret(it)));
        ask("with everything secret".to_owned(), all.collect());
        for (name, _) in subject.entry.inputs() {
            ask(format!("with {name} secret and unknown"), overlay(&subject.inputs, &one(name, secret(&unknown()))));
        }
    }
    let mut wrong = Vec::new();
    for (question, checked) in check_all(run, questions).await? {
        if !checked.failures.is_empty() {
            wrong.push(format!("{} is refused: {}", question.about, checked.told()));
            continue;
        }
        let kept = secret_leaves(&checked.inputs);
        let lost = secret_leaves(&question.by).into_iter().filter(|it| !kept.contains(it));
        wrong.extend(lost.map(|(path, _)| format!("{}: {path} is not secret then, or another", question.about)));
    }
    expect_none(wrong, "no failure for what is secret, and that it stays secret and the same")
}

/// A map of one property.
fn one(name: &str, value: Json) -> Map {
    Map::from_iter([(name.to_owned(), value)])
}

/// The value, and all values in it, secret.
pub(super) fn all_secret(value: &Json) -> Json {
    let inner = match value {
        Json::Array(items) => items.iter().map(all_secret).collect(),
        Json::Object(map) if signature(value).is_none() => {
            map.iter().map(|(key, it)| (key.clone(), all_secret(it))).collect::<Map>().into()
        }
        _ => value.clone(),
    };
    secret(&inner)
}

/// The plain values within secrets, by their paths. Those not known are alike.
fn secret_leaves(map: &Map) -> Vec<(String, Json)> {
    let mut leaves = Vec::new();
    walk(map, &mut |path, value, secret| {
        if secret && !value.is_object() && !value.is_array() {
            leaves.push((path.to_owned(), if is_unknown(value) { unknown() } else { value.clone() }));
        }
    });
    leaves
}

async fn references(run: &Run) -> Outcome {
    let mut provider = run.start(Special::default()).await?;
    if !greet(&mut provider.client, &provider.engine.address).await?.accept_resources {
        return not_applicable("the provider has the engine send ids in place of references");
    }
    let subjects = subjects(run).await?;
    let lives = run.lives().await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        let raw = &run.options.samples.resources[&subject.life.name].inputs;
        for place in places(raw, subject.entry.inputs()) {
            let named = place.value.as_str().and_then(|it| it.strip_prefix("${")?.strip_suffix(".id}"));
            let Some(life) = named.and_then(|it| lives.get(it)) else { continue };
            let Ok(state) = &life.state else { continue };
            for id in [state.id.as_str(), ""] {
                let inputs = with(&subject.inputs, &place.steps, reference(&life.subject.urn, id));
                let known = if id.is_empty() { "that is not made yet" } else { "" };
                questions
                    .push(subject.check(format!("with a reference at {} {known}", place.path), &inputs).judged_by(subject.life));
            }
        }
    }
    if questions.is_empty() {
        return not_applicable("no sample refers to the id of another (`${Thing.id}`)");
    }
    let mut client = lives.provider.client.clone();
    let mut wrong = Vec::new();
    for (question, checked) in check_all(run, questions).await? {
        if !checked.failures.is_empty() {
            wrong.push(format!("{} is refused: {}", question.about, checked.told()));
        } else if let Err(status) = client.create(question.by.subject.create(&checked.inputs, true)).await {
            wrong.push(format!("a preview of {} fails: {}", question.about, status.message()));
        }
    }
    expect_none(wrong, "a reference to a resource to do as its id")
}

async fn misspelt(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let (mut misspelt, mut internal) = (Vec::new(), Vec::new());
    for subject in &subjects {
        for (steps, properties) in objects(subject) {
            let longest = properties.iter().map(|(name, _)| *name).max_by_key(|it| it.len());
            let Some(name) = longest.filter(|it| it.is_ascii() && it.len() > 2) else { continue };
            // The last two letters, the other way round, and one more.
            let wrong = format!("{}{}x", &name[..name.len() - 2], name[name.len() - 2..].chars().rev().collect::<String>());
            let value = at(&subject.inputs, &within(&steps, name)).cloned().unwrap_or_else(|| json!("x"));
            let inputs = with(&subject.inputs, &within(&steps, &wrong), value);
            misspelt.push(subject.check(format!("with {}", path(&within(&steps, &wrong))), &inputs).judged_by((wrong, name)));
            let inputs = with(&subject.inputs, &within(&steps, "__conformance"), json!(["x"]));
            internal.push(subject.check(format!("with {}", path(&within(&steps, "__conformance"))), &inputs));
        }
    }
    let mut found = Vec::new();
    for (question, checked) in check_all(run, misspelt).await? {
        let (wrong, right) = &question.by;
        if !checked.failures.iter().map(said).any(|it| it.contains(wrong.as_str()) && it.contains(right)) {
            found.push(format!("{}, not {right}: {}", question.about, checked.told()));
        }
    }
    expect_none(found, "a failure that names the misspelt property and the right one")?;
    let refused = check_all(run, internal).await?.into_iter().filter(|(_, it)| !it.failures.is_empty());
    expect_none(
        refused.map(|(question, it)| format!("{}: {}", question.about, it.told())),
        "keys that start with __ to be ignored",
    )
}

/// Check of the bad inputs of all samples.
async fn bad<'a>(run: &'a Run, subjects: &[Subject<'_>]) -> Outcome<Vec<(Question<rpc::CheckRequest, &'a Invalid>, Checked)>> {
    let mut questions = Vec::new();
    let lives = run.lives().await?;
    for subject in subjects {
        for bad in &run.options.samples.resources[&subject.life.name].invalid {
            let changes = lives.fill_in(&bad.inputs)?;
            let names: Vec<_> = changes.keys().map(String::as_str).collect();
            let inputs = overlay(&subject.inputs, &changes);
            questions.push(subject.check(format!("with bad {}", names.join(", ")), &inputs).judged_by(bad));
        }
    }
    if questions.is_empty() {
        not_applicable("the samples have no bad inputs (`invalid`)")
    } else {
        check_all(run, questions).await
    }
}

async fn all_at_once(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let bad: Vec<_> = bad(run, &subjects).await?.into_iter().filter(|(question, _)| question.by.says.len() > 1).collect();
    if bad.is_empty() {
        return not_applicable("the samples have no inputs with two mistakes (`invalid` with two of `says`)");
    }
    let mut wrong = Vec::new();
    for (question, checked) in bad {
        let mut texts: Vec<_> = checked.failures.iter().map(said).collect();
        if !texts.is_sorted() {
            wrong.push(format!("{}: not in order: {}", question.about, checked.told()));
        }
        for says in &question.by.says {
            match texts.iter().position(|it| it.contains(says)) {
                Some(index) => _ = texts.remove(index),
                None => wrong.push(format!("{}: no failure of its own about {says}: {}", question.about, checked.told())),
            }
        }
    }
    expect_none(wrong, "one failure for each mistake, all at once, sorted")
}

/// A text that nothing else has.
const HIDDEN: &str = "conformance-hidden-value";

/// Values that are most likely wrong, each with [`HIDDEN`] in it.
fn wrong_values(spec: Option<Spec<'_>>) -> Vec<Json> {
    match spec.and_then(Spec::kind) {
        Some("string") if spec.is_some_and(|it| it.names().is_none()) => {
            vec![json!([HIDDEN]), json!(format!("{HIDDEN}, {{!}}\u{7}"))]
        }
        _ => vec![json!(HIDDEN)],
    }
}

/// Check of each value of each sample in turn, wrong: as `mark` makes it.
async fn wrong<'a>(
    run: &Run,
    subjects: &[Subject<'a>],
    mark: fn(&Json) -> Json,
) -> Outcome<Vec<(Question<rpc::CheckRequest, Place<'a>>, Checked)>> {
    let mut questions = Vec::new();
    for subject in subjects {
        for place in subject.all_places() {
            for value in wrong_values(place.spec) {
                let inputs = with(&subject.inputs, &place.steps, mark(&value));
                // What the schema calls secret is secret, marked or not.
                let request = subject.life.subject.check(&Map::new(), &inputs);
                questions.push(subject.ask(format!("with a wrong {}", place.path), request).judged_by(place.clone()));
            }
        }
    }
    check_all(run, questions).await
}

async fn property_or_path(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut seen = 0;
    let mut found = Vec::new();
    for (question, checked) in wrong(run, &subjects, Json::clone).await? {
        let inputs: Vec<_> = run.resource(&question.request.r#type)?.inputs().collect();
        let sent = from_struct(question.request.news.as_ref());
        for failure in &checked.failures {
            seen += 1;
            let spec = inputs.iter().find(|(name, _)| *name == failure.property).map(|(_, it)| *it);
            let about = format!("{}: {}", question.about, said(failure));
            match spec {
                None if failure.property.is_empty() => {
                    // A rule over several properties may be told of any of them.
                    if !inputs.iter().any(|(name, _)| failure.reason.contains(*name)) {
                        found.push(format!("{about}, which does not tell where"));
                    }
                }
                None => found.push(format!("{about}, whose property is no input")),
                Some(spec) if spec.is_secret() => {
                    found.push(format!("{about}, whose property is secret: the engine shows its value"));
                }
                // Text in place of a list is shown as it is.
                Some(spec) if matches!(spec.kind(), Some("array" | "object")) && !sent[&failure.property].is_string() => {
                    found.push(format!("{about}, whose property is a list or a map: the path belongs into the reason"));
                }
                Some(_) => {}
            }
        }
    }
    if seen == 0 {
        return not_applicable("Check refuses no value of a wrong type, so there is no failure to look at");
    }
    expect_none(found, "`property` for plain values of the first level only, and the path in `reason` for all others")
}

async fn secrets_not_told(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut seen = 0;
    let mut found = Vec::new();
    let marked = wrong(run, &subjects, secret).await?;
    let by_schema =
        wrong(run, &subjects, Json::clone).await?.into_iter().filter(|(it, _)| it.by.spec.is_some_and(Spec::is_secret));
    for (question, checked) in marked.into_iter().chain(by_schema) {
        seen += checked.failures.len();
        for failure in &checked.failures {
            if failure.reason.contains(HIDDEN) {
                found.push(format!("{} as a secret: the reason holds its value", question.about));
            } else if question.by.steps.len() == 1 && failure.property == question.by.top() {
                found.push(format!(
                    "{} as a secret: the failure names the property, so the engine shows its value",
                    question.about
                ));
            }
        }
    }
    if seen == 0 {
        return not_applicable("Check refuses no value of a wrong type, so there is no failure to look at");
    }
    expect_none(found, "no secret value in a failure")
}

/// What a place is called: its last name.
fn leaf(place: &Place<'_>) -> String {
    let names = place.steps.iter().rev().find_map(|it| match it {
        Step::Key(name) => Some(name.clone()),
        Step::Index(_) => None,
    });
    names.unwrap_or_default()
}

async fn integers(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let (mut whole, mut fractions) = (Vec::new(), Vec::new());
    for subject in &subjects {
        for place in subject.all_places().into_iter().filter(|it| it.spec.is_some_and(|it| it.kind() == Some("integer"))) {
            let default = place.spec.and_then(Spec::default).and_then(Json::as_f64);
            if let Some(value) = place.value.as_f64().or(default) {
                whole.push(
                    subject
                        .check(format!("with {} as {value:?}", place.path), &with(&subject.inputs, &place.steps, json!(value))),
                );
            }
            let fraction = place.value.as_f64().or(default).unwrap_or(3.0) + 0.5;
            let inputs = with(&subject.inputs, &place.steps, json!(fraction));
            fractions.push(subject.check(format!("with {} as {fraction}", place.path), &inputs).judged_by(leaf(&place)));
        }
    }
    if fractions.is_empty() {
        return not_applicable("no resource with samples has an integer");
    }
    let refused = check_all(run, whole).await?.into_iter().filter(|(_, it)| !it.failures.is_empty());
    expect_none(refused.map(|(question, it)| format!("{}: {}", question.about, it.told())), "whole numbers to be taken")?;
    let answers = check_all(run, fractions).await?.into_iter();
    let taken = answers.filter(|(question, checked)| !checked.failures.iter().any(|it| said(it).contains(&question.by)));
    expect_none(taken.map(|(question, it)| format!("{}: {}", question.about, it.told())), "fractions to be refused by name")
}

async fn allowed_told(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let mut questions = Vec::new();
    for subject in &subjects {
        for place in subject.all_places() {
            let Some(names) = place.spec.and_then(Spec::names) else { continue };
            let value = if names.iter().all(|it| it.is_number()) { json!(987_654) } else { json!("no-such-value") };
            let allowed: Vec<_> = names.into_iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
            let inputs = with(&subject.inputs, &place.steps, value.clone());
            questions.push(subject.check(format!("with {} as {value}", place.path), &inputs).judged_by(allowed));
        }
    }
    let bad = match bad(run, &subjects).await {
        Ok(bad) => bad,
        Err(_) if !questions.is_empty() => Vec::new(),
        Err(_) => return not_applicable("no resource with samples has an enum, and the samples have no bad inputs (`invalid`)"),
    };
    let mut found = Vec::new();
    for (question, checked) in check_all(run, questions).await? {
        let allowed = &question.by;
        if !checked.failures.iter().any(|it| allowed.iter().all(|name| it.reason.contains(name))) {
            found.push(format!("{}, of {}: {}", question.about, allowed.join(", "), checked.told()));
        }
    }
    for (question, checked) in bad {
        let missing = question.by.says.iter().filter(|says| !checked.failures.iter().any(|it| said(it).contains(*says)));
        found.extend(missing.map(|it| format!("{}: nothing about {it}: {}", question.about, checked.told())));
    }
    expect_none(found, "a failure that tells what is wrong, with all values that are allowed")
}

/// A property that Check makes up a name for.
struct Named<'a, 'b> {
    subject: &'b Subject<'a>,
    property: &'a str,
    /// Good inputs without a name.
    inputs: Map,
    /// The name that comes of the usual seed.
    name: String,
}

const OTHER_SEED: [u8; 32] = [0x5c; 32];

impl Named<'_, '_> {
    /// Check of inputs without a name, but for what `change` does to the question.
    fn ask(&self, what: &str, change: impl FnOnce(&mut rpc::CheckRequest)) -> Question<rpc::CheckRequest> {
        let mut question = self.subject.check(what, &self.inputs);
        change(&mut question.request);
        question
    }

    /// The name that Check has made up.
    fn name_in<'c>(&self, checked: &'c Checked) -> &'c str {
        checked.inputs.get(self.property).and_then(Json::as_str).unwrap_or_default()
    }

    fn with_name(&self, name: &str) -> Map {
        with(&self.inputs, &[Step::Key(self.property.to_owned())], json!(name))
    }
}

/// The properties that Check makes up names for: texts that nobody gave and that differ by resource.
async fn named<'a, 'b>(run: &Run, subjects: &'b [Subject<'a>]) -> Outcome<Vec<Named<'a, 'b>>> {
    let (mut questions, mut asked) = (Vec::new(), Vec::new());
    for subject in subjects {
        let required: Vec<_> = subject.entry.required_inputs().collect();
        let optional = subject.entry.inputs().filter(|(name, it)| it.kind() == Some("string") && !required.contains(name));
        for (property, _) in optional {
            let inputs = with(&subject.inputs, &[Step::Key(property.to_owned())], Json::Null);
            questions.push(subject.check(format!("without {property}"), &inputs));
            let mut other = subject.check(format!("without {property}"), &inputs);
            // The name may come of the seed or of what the program calls the resource.
            other.request.random_seed = OTHER_SEED.to_vec();
            "another".clone_into(&mut other.request.name);
            other.request.urn = urn(&other.request.r#type, "another");
            questions.push(other);
            asked.push(Named { subject, property, inputs, name: String::new() });
        }
    }
    let answers = check_all(run, questions).await?;
    let mut named = Vec::new();
    for (pair, it) in answers.chunks(2).zip(asked) {
        let [(_, one), (_, other)] = pair else { continue };
        let name = it.name_in(one).to_owned();
        if !name.is_empty() && name != it.name_in(other) && one.failures.is_empty() && other.failures.is_empty() {
            named.push(Named { name, ..it });
        }
    }
    Ok(named)
}

/// [`named`]; not applicable if there are none.
async fn must_be_named<'a, 'b>(run: &Run, subjects: &'b [Subject<'a>]) -> Outcome<Vec<Named<'a, 'b>>> {
    let named = named(run, subjects).await?;
    if named.is_empty() { not_applicable("no resource with samples gets a name that Check makes up") } else { Ok(named) }
}

/// Asks of each name one question, and collects what `judge` finds wrong with the answer.
async fn judge_names<'a, 'b>(
    run: &Run,
    named: &[Named<'a, 'b>],
    ask: impl Fn(&Named<'a, 'b>) -> Question<rpc::CheckRequest>,
    judge: impl Fn(&Named<'a, 'b>, &Checked) -> Option<String>,
) -> Outcome<Vec<String>> {
    let answers = check_all(run, named.iter().map(&ask).collect()).await?;
    let judged = answers
        .iter()
        .zip(named)
        .filter_map(|((question, checked), it)| Some(format!("{}: {}", question.about, judge(it, checked)?)));
    Ok(judged.collect())
}

fn is_named(named: &Named<'_, '_>, checked: &Checked, name: &str) -> Option<String> {
    let seen = named.name_in(checked);
    let right = seen == name && checked.failures.is_empty();
    (!right).then(|| format!("{} is {seen:?}, not {name:?}; {}", named.property, checked.told()))
}

async fn name_kept(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let named = must_be_named(run, &subjects).await?;
    let ask = |it: &Named<'_, '_>| {
        let old = it.subject.sent(&it.with_name(&it.name));
        it.ask("once more, with another seed", |request| {
            request.olds = Some(to_struct(&old));
            request.random_seed = OTHER_SEED.to_vec();
        })
    };
    let wrong = judge_names(run, &named, ask, |it, checked| is_named(it, checked, &it.name)).await?;
    expect_none(wrong, "the name that is in the old inputs")
}

async fn names_are_good(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let named = must_be_named(run, &subjects).await?;
    let long = "long-".repeat(60);
    let mut wrong = Vec::new();
    let unusual = [long.as_str(), "x", "Grüße_aus.Köln", "名前", "9 lives", "-a--b-", "UPPER_lower", "__", "a/b:c$d"];
    // The engine sends each resource another seed.
    for (name, seed) in unusual.into_iter().zip(1..) {
        let ask = |it: &Named<'_, '_>| {
            let short: String = name.chars().take(20).collect();
            it.ask(&format!("called {short:?}"), |request| {
                request.urn = urn(&it.subject.life.subject.token, name);
                name.clone_into(&mut request.name);
                request.random_seed = vec![seed; 32];
            })
        };
        let answers = check_all(run, named.iter().map(ask).collect()).await?;
        let mut again = Vec::new();
        for ((question, checked), it) in answers.iter().zip(&named) {
            let made_up = it.name_in(checked);
            if !checked.failures.is_empty() || made_up.is_empty() {
                wrong.push(format!("{}: {}", question.about, checked.told()));
            }
            // What a program could not give as a name is none. The same resource asks, for a provider may refuse a name given twice.
            let mut given = it.subject.check(format!("with {} given as {made_up:?}", it.property), &it.with_name(made_up));
            (given.request.urn, given.request.name) = (question.request.urn.clone(), question.request.name.clone());
            again.push(given);
        }
        let refused = check_all(run, again).await?.into_iter().filter(|(_, it)| !it.failures.is_empty());
        wrong.extend(refused.map(|(question, it)| format!("{}: {}", question.about, it.told())));
    }
    expect_none(wrong, "a name that Check itself takes, whatever the resource is called")
}

fn autonamed(request: &mut rpc::CheckRequest, mode: Mode, name: &str) {
    request.autonaming = Some(AutonamingOptions { proposed_name: name.to_owned(), mode: mode.into() });
}

async fn autonaming(run: &Run) -> Outcome {
    let mut provider = run.start(Special::default()).await?;
    if !greet(&mut provider.client, &provider.engine.address).await?.supports_autonaming_configuration {
        return not_applicable("the provider does not support pulumi:autonaming, and says so in Handshake");
    }
    let subjects = subjects(run).await?;
    let named = must_be_named(run, &subjects).await?;
    // The name that Check makes up is a good one.
    let mut wrong = Vec::new();
    for (mode, what) in [(Mode::Enforce, "with an enforced name"), (Mode::Propose, "with a proposed name")] {
        let ask = |it: &Named<'_, '_>| {
            it.ask(what, |request| {
                autonamed(request, mode, &it.name);
                request.random_seed = OTHER_SEED.to_vec();
            })
        };
        wrong.extend(judge_names(run, &named, ask, |it, checked| is_named(it, checked, &it.name)).await?);
    }
    let disabled = |it: &Named<'_, '_>| it.ask("with autonaming disabled", |request| autonamed(request, Mode::Disable, ""));
    let judge = |it: &Named<'_, '_>, checked: &Checked| {
        let told = checked.failures.iter().any(|failure| said(failure).contains(it.property));
        (!told).then(|| format!("no failure that {} is needed; {}", it.property, checked.told()))
    };
    wrong.extend(judge_names(run, &named, disabled, judge).await?);
    let illegal = format!("{} {{!}}\u{7}", "x".repeat(3000));
    let given = check_all(run, named.iter().map(|it| it.subject.check("", &it.with_name(&illegal))).collect()).await?;
    let enforced =
        |it: &Named<'_, '_>| it.ask("with an illegal name enforced", |request| autonamed(request, Mode::Enforce, &illegal));
    let enforced = check_all(run, named.iter().map(enforced).collect()).await?;
    for ((_, given), (question, enforced)) in given.iter().zip(&enforced) {
        if !given.failures.is_empty() && enforced.failures.is_empty() {
            wrong.push(format!("{}: no failure, as there is when a program gives it", question.about));
        }
    }
    expect_none(wrong, "names as autonaming wants them: exactly the enforced one, the proposed one, or a failure")
}

async fn no_seed(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let ask = |it: &Subject<'_>| {
        let mut question = it.check("without a seed", &it.inputs);
        question.request.random_seed.clear();
        question
    };
    let refused = check_all(run, subjects.iter().map(ask).collect()).await?.into_iter().filter(|(_, it)| !it.failures.is_empty());
    expect_none(refused.map(|(question, it)| format!("{}: {}", question.about, it.told())), "Check to work without a seed")?;
    let named = named(run, &subjects).await?;
    let unseeded = |it: &Named<'_, '_>| it.ask("without a seed", |request| request.random_seed.clear());
    let first = check_all(run, named.iter().map(unseeded).collect()).await?;
    let second = check_all(run, named.iter().map(unseeded).collect()).await?;
    let mut wrong = Vec::new();
    for (((question, one), (_, two)), it) in first.iter().zip(&second).zip(&named) {
        let (one, two) = (it.name_in(one), it.name_in(two));
        if one.is_empty() || one == two {
            wrong.push(format!("{} is called {one:?} and {two:?}", question.about));
        }
    }
    expect_none(wrong, "another name each time where there is no seed")
}

async fn explicit_name(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let named = must_be_named(run, &subjects).await?;
    let ask = |it: &Named<'_, '_>| {
        let mut question = it.subject.check("with a name, and autonaming disabled", &it.with_name(&it.name));
        autonamed(&mut question.request, Mode::Disable, "");
        question
    };
    let wrong = judge_names(run, &named, ask, |it, checked| is_named(it, checked, &it.name)).await?;
    expect_none(wrong, "the name that the program gives, and no failure")
}

async fn new_name(run: &Run) -> Outcome {
    let subjects = subjects(run).await?;
    let named = must_be_named(run, &subjects).await?;
    let ask = |it: &Named<'_, '_>| it.ask("that replaces another", |request| request.random_seed = OTHER_SEED.to_vec());
    let judge = |it: &Named<'_, '_>, checked: &Checked| {
        let seen = it.name_in(checked);
        (seen == it.name || seen.is_empty()).then(|| format!("{} is {seen:?}, and was {:?}", it.property, it.name))
    };
    let wrong = judge_names(run, &named, ask, judge).await?;
    expect_none(wrong, "another name without old inputs and with another seed")
}

async fn no_such_type(run: &Run) -> Outcome {
    let token = format!("{}:index:NoSuchThing", run.schema()?.package());
    let mut provider = run.configured().await?;
    let subject = life::Subject::new(&token, "thing");
    match provider.client.check(subject.check(&Map::new(), &Map::new())).await {
        Err(status) => {
            let seen = format!("{:?}: {}", status.code(), status.message());
            let right = status.code() == Code::InvalidArgument && status.message().contains("NoSuchThing");
            expect(right, format!("INVALID_ARGUMENT that names {token}"), seen)
        }
        Ok(answer) => {
            let seen = format!("an answer with {}", told(&answer.into_inner().failures));
            failed(format!("INVALID_ARGUMENT for {token}"), seen)
        }
    }
}
