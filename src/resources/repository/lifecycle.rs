//! Mistakes in lifecycle policies, by "Lifecycle policy properties in Amazon ECR" (ECR User Guide, `lifecycle_policy_parameters`).

use serde_json::{Map, Value as Json};

use crate::{
    check::{Report, misspelt},
    document::{
        Document,
        inspection::{Inspection, each},
    },
    value::path_of_key,
};

const RULE: [&str; 4] = ["rulePriority", "description", "selection", "action"];
const SELECTION: [&str; 7] =
    ["tagStatus", "tagPatternList", "tagPrefixList", "storageClass", "countType", "countUnit", "countNumber"];

/// Reports what is wrong with the lifecycle policy at `path`.
pub(super) fn check(path: &str, policy: &Document, report: &mut Report<'_>) {
    inspect(path, policy, report.is_secret(path)).tell(report);
}

fn inspect(path: &str, policy: &Document, secret: bool) -> Inspection {
    let mut found = Inspection::new("lifecycle policy", secret);
    // What is no document at all has been reported as such.
    let Ok(Json::Object(policy)) = serde_json::from_str(&policy.to_text()) else { return found };
    let rules_at = path_of_key(path, "rules");
    if !found.elements(path, &policy, &["rules"]).contains("rules") {
        found.fail(&rules_at, "is required: the list of rules");
    }
    let Some(rules) = policy.get("rules") else { return found };
    if !rules.is_array() && !rules.is_null() {
        found.fail(&rules_at, "is not a list of rules");
        return found;
    }
    let rules: Vec<_> = each(&rules_at, rules).into_iter().filter_map(|(at, it)| found.map(&at, it).map(|it| (at, it))).collect();
    for (at, rule) in &rules {
        check_rule(at, rule, &mut found);
    }
    check_order(&rules, &mut found);
    found
}

fn check_rule(path: &str, rule: &Map<String, Json>, found: &mut Inspection) {
    let at = |name: &str| path_of_key(path, name);
    let said = found.elements(path, rule, &RULE);
    for (name, what) in [
        ("rulePriority", "a number; the rule with the lowest comes first"),
        ("selection", "which images the rule is about"),
        ("action", r#"what becomes of the images, such as {"type": "expire"}"#),
    ] {
        if !said.contains(name) {
            found.fail(at(name), format!("is required: {what}"));
        }
    }
    if let Some(priority) = rule.get("rulePriority") {
        check_number(&at("rulePriority"), priority, found);
    }
    if let Some(selection) = rule.get("selection").and_then(|it| found.map(&at("selection"), it)) {
        check_selection(&at("selection"), selection, found);
    }
    let Some(action) = rule.get("action").and_then(|it| found.map(&at("action"), it)) else { return };
    let path = at("action");
    let at = |name: &str| path_of_key(&path, name);
    let said = found.elements(&path, action, &["type", "targetStorageClass"]);
    match action.get("type") {
        Some(it) => check_name(&at("type"), it, &["expire", "transition"], found),
        None if said.contains("type") => {}
        None => found.fail(at("type"), "is required: expire or transition"),
    }
    if let Some(it) = action.get("targetStorageClass") {
        check_name(&at("targetStorageClass"), it, &["archive"], found);
    }
}

fn check_selection(path: &str, selection: &Map<String, Json>, found: &mut Inspection) {
    let at = |name: &str| path_of_key(path, name);
    let said = found.elements(path, selection, &SELECTION);
    for (name, what) in [
        ("tagStatus", "tagged, untagged or any"),
        ("countType", "imageCountMoreThan or sinceImagePushed"),
        ("countNumber", "how many images, or how many days"),
    ] {
        if !said.contains(name) {
            found.fail(at(name), format!("is required: {what}"));
        }
    }
    let lists = ["tagPatternList", "tagPrefixList"];
    let of_tags = |name: &&str| said.contains(name) && selection.get(*name) != Some(&Json::Array(Vec::new()));
    match selection.get("tagStatus") {
        Some(Json::String(status)) if status == "tagged" => {
            if !lists.iter().any(of_tags) {
                found.fail(at("tagStatus"), "is tagged, so that tagPatternList or tagPrefixList is required, such as [\"*\"]");
            } else if lists.iter().all(of_tags) {
                found.warn(at("tagPrefixList"), "is set beside tagPatternList; AWS takes one of them");
            }
        }
        Some(Json::String(status)) if ["untagged", "any"].contains(&status.as_str()) => {
            let is_said = |name: &&&str| selection.get(**name).is_some_and(|it| *it != Json::Array(Vec::new()));
            for name in lists.iter().filter(is_said) {
                let status = if found.secret { "not tagged" } else { status };
                found.fail(at(name), format!("is for a tagStatus of tagged, and it is {status}; remove one of them"));
            }
        }
        Some(other) => check_name(&at("tagStatus"), other, &["tagged", "untagged", "any"], found),
        None => {}
    }
    let Some(count) = selection.get("countType") else { return };
    let since = ["sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned"];
    check_name(&at("countType"), count, &["imageCountMoreThan", since[0], since[1], since[2]], found);
    if since.iter().any(|it| count == it) && !said.contains("countUnit") {
        found.fail(at("countUnit"), "is required for a countType that counts time; set it to days");
    }
    if count == "imageCountMoreThan" && selection.contains_key("countUnit") {
        found.warn(at("countUnit"), "is for a countType that counts time, and this one counts images; remove it");
    }
    if count == since[2] && !said.contains("storageClass") {
        found.fail(at("storageClass"), "is required for a countType of sinceImageTransitioned; set it to archive");
    }
    if let Some(it) = selection.get("countUnit") {
        check_name(&at("countUnit"), it, &["days"], found);
    }
    if let Some(it) = selection.get("countNumber") {
        check_number(&at("countNumber"), it, found);
    }
}

/// The rule over any image is the last of its storage class, and each rule has a priority of its own.
fn check_order(rules: &[(String, &Map<String, Json>)], found: &mut Inspection) {
    let priority = |rule: &Map<String, Json>| rule.get("rulePriority").and_then(number);
    let selection = |rule: &Map<String, Json>, name: &str| rule.get("selection")?.get(name)?.as_str().map(str::to_owned);
    let class = |rule: &Map<String, Json>| selection(rule, "storageClass").unwrap_or_else(|| "standard".to_owned());
    let is_any = |rule: &Map<String, Json>| selection(rule, "tagStatus").as_deref() == Some("any");
    for (index, (path, rule)) in rules.iter().enumerate() {
        let Some(own) = priority(rule) else { continue };
        let at = path_of_key(path, "rulePriority");
        let mut with = |reason: &str, fix: &str| {
            let is = if found.secret { "is" } else { &format!("is {own},") };
            found.fail(&at, format!("{is} {reason}; {fix}"));
        };
        if let Some((earlier, _)) = rules[..index].iter().find(|(_, it)| priority(it) == Some(own)) {
            with(&format!("which {earlier} has already"), "give each rule a priority of its own");
        }
        let later = rules.iter().filter(|(_, it)| class(it) == class(rule) && !is_any(it)).filter_map(|(_, it)| priority(it));
        if is_any(rule) && later.clone().any(|it| it > own) {
            with("lower than another one", "a rule over any image comes last, so give it the highest number");
        }
    }
}

/// A whole number of at least 1.
fn check_number(path: &str, json: &Json, found: &mut Inspection) {
    if !json.is_null() && number(json).is_none_or(|it| it < 1) {
        let is_not = found.is_not(json);
        found.fail(path, format!("{is_not} a whole number from 1 up"));
    }
}

fn number(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_f64().filter(|it| it.fract() == 0.0).and_then(|it| format!("{it:.0}").parse().ok()))
}

/// A name, of which AWS may have learnt others since.
fn check_name(path: &str, json: &Json, names: &[&str], found: &mut Inspection) {
    if json.is_null() || names.iter().any(|it| json == it) {
        return;
    }
    let near = json.as_str().and_then(|it| misspelt(it, names));
    let reason = format!("{} one of {}", found.is_not(json), names.join(", "));
    match near {
        Some(near) => found.fail(path, format!("{reason}; did you mean {near}?")),
        None if json.is_string() => found.warn(path, format!("{reason}, and AWS may refuse it")),
        None => found.fail(path, reason),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(policy: &Json) -> (Vec<String>, Vec<String>) {
        let found = inspect("policy", &Document::new(&policy.to_string()), false).found;
        let texts = |of: &[crate::check::Failure]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
        (texts(&found.failures), texts(&found.warnings))
    }

    /// A rule that is right, but for `changes` of its selection; null takes an element away.
    fn rule(priority: i32, changes: &Json) -> Json {
        let mut selection = json!({ "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9 });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Json::Null => drop(selection.as_object_mut().unwrap().remove(name)),
                value => selection[name] = value.clone(),
            }
        }
        json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
    }

    #[test]
    fn a_mistake_in_a_selection_is_told_at_its_path() {
        for (changes, at, expected) in [
            (json!({ "countNumber": null }), "countNumber", "is required"),
            (json!({ "countNumber": 0 }), "countNumber", "from 1 up"),
            (json!({ "countNumber": "ten" }), "countNumber", "from 1 up"),
            (json!({ "countType": null }), "countType", "is required"),
            (json!({ "tagStatus": null }), "tagStatus", "is required"),
            (json!({ "tagStatus": "Tagged" }), "tagStatus", "did you mean tagged?"),
            (json!({ "tagStatus": "tagged" }), "tagStatus", "tagPatternList or tagPrefixList is required"),
            (json!({ "tagStatus": "tagged", "tagPrefixList": [] }), "tagStatus", "is required"),
            (json!({ "tagPrefixList": ["v"] }), "tagPrefixList", "it is untagged"),
            (json!({ "tagStatus": "any", "tagPatternList": ["v*"] }), "tagPatternList", "it is any"),
            (json!({ "countType": "sinceImagePushed" }), "countUnit", "set it to days"),
            (json!({ "countType": "sinceImagePushd", "countUnit": "days" }), "countType", "did you mean sinceImagePushed?"),
            (json!({ "countType": "sinceImageTransitioned", "countUnit": "days" }), "storageClass", "set it to archive"),
            (json!({ "tagPrefix": ["v"] }), "tagPrefix", "did you mean"),
        ] {
            let (mistakes, warnings) = found(&json!({ "rules": [rule(1, &changes)] }));
            let told = mistakes.len() == 1 && mistakes[0].starts_with(&format!("policy.rules[0].selection.{at} "));
            assert!(told && mistakes[0].contains(expected), "{changes}: {mistakes:?}");
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn a_mistake_in_a_rule_is_told_at_its_path() {
        let selection = rule(1, &json!({}))["selection"].clone();
        let action = json!({ "type": "expire" });
        for (policy, at, expected) in [
            (json!({ "rule": [] }), "policy.rule", "did you mean rules?"),
            (json!({ "rules": {} }), "policy.rules", "is not a list"),
            (json!({ "rules": [{ "selection": selection, "action": action }] }), "policy.rules[0].rulePriority", "is required"),
            (json!({ "rules": [{ "rulePriority": 1, "action": action }] }), "policy.rules[0].selection", "is required"),
            (json!({ "rules": [{ "rulePriority": 1, "selection": selection }] }), "policy.rules[0].action", "is required"),
            (
                json!({ "rules": [{ "rulePriority": 1, "selection": selection, "action": { "type": "expired" } }] }),
                "policy.rules[0].action.type",
                "did you mean expire?",
            ),
            (
                json!({ "rules": [{ "rulePriority": 1, "selection": selection, "action": { "types": "expire" } }] }),
                "policy.rules[0].action.types",
                "did you mean type?",
            ),
            (json!({ "rules": [rule(1, &json!({})), rule(1, &json!({}))] }), "policy.rules[1].rulePriority", "policy.rules[0]"),
            (
                json!({ "rules": [rule(2, &json!({ "tagStatus": "any" })), rule(3, &json!({}))] }),
                "policy.rules[0].rulePriority",
                "last",
            ),
        ] {
            let (mistakes, warnings) = found(&policy);
            assert!(
                mistakes.len() == 1 && mistakes[0].starts_with(at) && mistakes[0].contains(expected),
                "{policy}: {mistakes:?}"
            );
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn what_aws_takes_is_not_refused() {
        let archived =
            json!({ "tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days" });
        let mut archiving = rule(2, &json!({ "tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days" }));
        archiving["action"] = json!({ "type": "transition", "targetStorageClass": "archive" });
        for rules in [
            json!([]),
            json!([rule(7, &json!({ "tagStatus": "any" })), rule(2, &json!({}))]),
            json!([rule(1, &json!({ "tagStatus": "tagged", "tagPatternList": ["v*", "*-x"] }))]),
            // Each storage class has a rule over any image that comes last.
            json!([archiving, rule(3, &archived)]),
        ] {
            assert_eq!(found(&json!({ "rules": rules })), (vec![], vec![]), "{rules}");
        }
    }
}
