//! For the tests of resources: what Check and Diff say of them, without an engine and without a cloud.

#![expect(clippy::missing_panics_doc, reason = "a test fails by it")]

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    check::{Autonaming, Failure},
    plan::Plan,
    resource::{AnyResource as _, Erased, Resource, Subject},
    value::{Map, Secrets, Value, path_of_index, path_of_key},
    wait::Observer,
};

/// Nobody watches, and nothing is called off; texts call the cloud so.
pub fn observer(cloud: &'static str) -> Observer {
    Observer {
        cloud,
        cancel: CancellationToken::new(),
        deadline: None,
        progress: Box::new(|_| {}),
        say: Box::new(|_| {}),
        secrets: Arc::new(Secrets::default()),
    }
}

/// All that Check finds wrong with `inputs`.
pub fn mistakes<R: Resource>(inputs: Value) -> Vec<String> {
    findings::<R>(&Plan::default(), inputs).0
}

/// All that Check finds wrong with `inputs` in a program that has declared `plan`, and what it warns of. As these are
/// the cases of all rules, each is also one of what every rule has to keep: it holds although something else is not known yet.
pub fn findings<R: Resource>(plan: &Plan, inputs: Value) -> (Vec<String>, Vec<String>) {
    let Value::Object(inputs) = inputs else { panic!("inputs are a map") };
    let old = Map::new();
    let (name, urn, seed, autonaming) = ("it", R::NAME, &[0; 32], Autonaming::Default);
    let resource = Erased::<R>::NEW;
    let check = |plan: &Plan, inputs: &Map| {
        let subject = Subject { name, urn, seed, old: &old, autonaming, cloud: None, plan };
        resource.check(&subject, inputs.clone()).expect("whatever passes the shape decodes")
    };
    // Compared with nothing else: what a reference refers to is another matter.
    for mistake in check(&Plan::default(), &inputs).failures {
        for (path, reference, inputs) in without_references(&Value::Object(inputs.clone()), "") {
            let Value::Object(inputs) = inputs else { continue };
            let property = path.trim_end_matches(|it: char| it == '[' || it == ']' || it.is_ascii_digit());
            let property = property.rsplit('.').next().unwrap_or_default();
            let is_about = mistake.path == path
                || mistake.reason.contains(&reference)
                || mistake.reason.contains(property)
                // Its region is that of the load balancer.
                || mistake.path == "certificateArn" && path == "loadBalancerArn";
            let stays = || check(&Plan::default(), &inputs).failures.iter().any(|it| it.path == mistake.path);
            assert!(is_about || stays(), "{}: while {path} is not known, nothing says that {mistake}", R::NAME);
        }
    }
    let checked = check(plan, &inputs);
    let texts = |of: Vec<Failure>| of.iter().map(Failure::to_string).collect();
    (texts(checked.failures), texts(checked.warnings))
}

/// `value` once for every reference to another resource in it, where that one is not known yet; with its path and what it was.
fn without_references(value: &Value, path: &str) -> Vec<(String, String, Value)> {
    const REFERENCES: [&str; 8] = ["Id", "Ids", "Arn", "Arns", "subnets", "securityGroups", "value", "valueFrom"];
    let is_reference = REFERENCES.iter().any(|it| path.trim_end_matches(|it: char| !it.is_ascii_alphabetic()).ends_with(it));
    match value {
        Value::String(it) if is_reference => vec![(path.to_owned(), it.clone(), Value::Unknown)],
        Value::List(items) => {
            let of = |index: usize| {
                without_references(&items[index], &path_of_index(path, index)).into_iter().map(move |it| (index, it))
            };
            let with = |(index, (path, was, item)): (usize, (String, String, Value))| {
                let mut items = items.clone();
                items[index] = item;
                (path, was, Value::List(items))
            };
            (0..items.len()).flat_map(of).map(with).collect()
        }
        Value::Object(map) => {
            let of = |(name, it): (&String, &Value)| {
                let name = name.clone();
                without_references(it, &path_of_key(path, &name))
                    .into_iter()
                    .map(move |it| (name.clone(), it))
                    .collect::<Vec<_>>()
            };
            let with = |(name, (path, was, it)): (String, (String, String, Value))| {
                let mut map = map.clone();
                map.insert(name, it);
                (path, was, Value::Object(map))
            };
            map.iter().flat_map(of).map(with).collect()
        }
        _ => Vec::new(),
    }
}

/// The paths at which Diff finds that inputs differ, as after Check.
pub fn changes<R: Resource>(old: Value, new: Value) -> Vec<String> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!("inputs are maps") };
    let resource = Erased::<R>::NEW;
    resource.diff(&old, &new).into_iter().map(|it| it.path).collect()
}

/// Whether what replaces a resource of the name `it` can only be created once the old one is gone.
pub fn goes_first<R: Resource>(old: Value, new: Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!("inputs are maps") };
    let resource = Erased::<R>::NEW;
    resource.shares_name("it", &old, &new)
}

/// What Check finds wrong with `new` inputs of a resource that had `old` ones, and what it warns of.
pub fn findings_of_change<R: Resource>(old: Value, new: Value) -> (Vec<String>, Vec<String>) {
    let (Value::Object(mut old), Value::Object(new)) = (old, new) else { panic!("inputs are maps") };
    let (plan, resource) = (Plan::default(), Erased::<R>::NEW);
    let (name, urn, seed, autonaming) = ("it", R::NAME, &[0; 32], Autonaming::Default);
    resource.complete(&mut old);
    let subject = Subject { name, urn, seed, old: &old, autonaming, cloud: None, plan: &plan };
    let checked = resource.check(&subject, new).expect("whatever passes the shape decodes");
    let texts = |of: Vec<Failure>| of.iter().map(Failure::to_string).collect();
    (texts(checked.failures), texts(checked.warnings))
}
