//! What Check finds in the cases of all rules. Each is also a case of what every rule has to keep: it holds although something else
//! is not known yet.

use pulumi_provider::{resource::Resource, testing::checked};

use crate::{
    check::Failure,
    plan::Plan,
    value::{Value, path_of_index, path_of_key},
};

/// All that Check finds wrong with `inputs`.
pub(crate) fn mistakes<R: Resource>(inputs: Value) -> Vec<String> {
    findings::<R>(&Plan::default(), inputs).0
}

/// All that Check finds wrong with `inputs` in a program that has declared `plan`, and what it warns of.
pub(crate) fn findings<R: Resource>(plan: &Plan, inputs: Value) -> (Vec<String>, Vec<String>) {
    // Compared with nothing else: what a reference refers to is another matter.
    let failures = |inputs: &Value| checked::<R>(&Plan::default(), inputs.clone()).failures;
    for mistake in failures(&inputs) {
        for (path, reference, inputs) in without_references(&inputs, "") {
            let stays = || failures(&inputs).iter().any(|it| it.path == mistake.path);
            assert!(
                is_about(&mistake, &path, &reference) || stays(),
                "{}: while {path} is not known, nothing says that {mistake}",
                R::NAME
            );
        }
    }
    pulumi_provider::testing::findings::<R>(plan, inputs)
}

/// Whether a mistake is one of the reference at `path`, and need not be known without it.
fn is_about(mistake: &Failure, path: &str, reference: &str) -> bool {
    let property = path.trim_end_matches(|it: char| it == '[' || it == ']' || it.is_ascii_digit());
    let property = property.rsplit('.').next().unwrap_or_default();
    let words = |text: &str| text.split(|it: char| !it.is_ascii_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    mistake.path == path
        || reference.len() > 2 && mistake.reason.contains(reference)
        // The word is English as well.
        || property != "value" && words(&mistake.reason).iter().any(|it| it == property)
        // Its region is that of the load balancer.
        || mistake.path == "certificateArn" && path == "loadBalancerArn"
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
