//! Check and Diff. No test here has an AWS to call.

use pulumi_provider::{
    rpc::{
        self,
        check_request::{AutonamingOptions, autonaming_options::Mode},
        diff_response::DiffChanges,
        property_diff::Kind,
    },
    value::{Map, Value},
};
use serde_json::json;
use tonic::Code;

use super::UNREACHABLE;
use crate::support::{Plugin, URN, cluster, props, read, told};

const UNKNOWN: &str = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

#[tokio::test]
async fn check_tells_every_mistake_at_once() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let wrong = json!({
        "name": "no spaces please",
        "capacityProvider": ["FARGATE"],
        "defaultCapacityProviderStrategies": [{ "wieght": 1, "base": 1.5 }, { "capacityProvider": "SPOT" }],
        "settings": [{ "name": "containerInsight", "value": "on" }],
        "tags": { "a.b": 1, "c": ["d"] },
    });
    let checked = plugin.check(URN, wrong).await;
    assert_eq!(
        told(&checked.failures),
        [
            "capacityProvider is not a property here; did you mean capacityProviders?",
            "defaultCapacityProviderStrategies[0].base is 1.5, not a whole number",
            "defaultCapacityProviderStrategies[0].capacityProvider is required",
            "defaultCapacityProviderStrategies[0].wieght is not a property here; did you mean weight?",
            "defaultCapacityProviderStrategies[1].capacityProvider is SPOT, which is not in capacityProviders",
            "name is \"no spaces please\", which is not made of letters, digits, hyphens and underscores",
            "settings[0].name is \"containerInsight\", not one of containerInsights; did you mean containerInsights?",
            "settings[0].value is \"on\", not one of enabled, enhanced, disabled",
            "tags.c is a list, not text",
        ]
    );
}

#[tokio::test]
async fn check_never_shows_a_secret() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let secret = json!({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hush hush" });
    let checked = plugin.check(URN, json!({ "name": secret, "settings": [{ "name": secret, "value": secret }] })).await;
    // The name of a setting may be one that AWS has learnt since: that is worth no more than a warning.
    assert_eq!(checked.failures.len(), 2);
    assert!(!told(&checked.failures).concat().contains("hush"), "{:?}", told(&checked.failures));
}

#[tokio::test]
async fn check_keeps_what_it_is_given() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let secret = json!({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x" });
    let inputs = json!({ "name": "main", "capacityProviders": [UNKNOWN, secret], "tags": { "a": secret, "b": UNKNOWN, "c": null }, "region": null });
    let checked = plugin.check(URN, inputs).await;
    assert_eq!(checked.failures, []);
    let inputs = read(checked.inputs);
    let secret = Value::String("x".into()).secret();
    assert_eq!(inputs["capacityProviders"], Value::List(vec![Value::Unknown, secret.clone()]));
    assert_eq!(inputs["tags"], Value::Object(Map::from([("a".into(), secret), ("b".into(), Value::Unknown)])));
    assert_eq!(inputs.keys().collect::<Vec<_>>(), ["capacityProviders", "name", "region", "tags"]);
    assert_eq!(inputs["region"].as_str(), Some("eu-central-1"), "null means absent, and absent the region of the provider");
}

#[tokio::test]
async fn names_are_made_up_as_the_engine_wants() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let ask = |olds: serde_json::Value, mode: Option<(Mode, &str)>, seed: u8| rpc::CheckRequest {
        urn: URN.to_owned(),
        olds: props(olds),
        news: props(json!({})),
        random_seed: vec![seed; 32],
        autonaming: mode.map(|(mode, name)| AutonamingOptions { proposed_name: name.to_owned(), mode: mode.into() }),
        ..Default::default()
    };
    let cases = [
        (ask(json!({}), None, 0xab), "main-abababa"),
        (ask(json!({}), None, 0xcd), "main-cdcdcdc"),
        (ask(json!({ "name": "before" }), None, 0xcd), "before"),
        (ask(json!({}), Some((Mode::Propose, "a proposal")), 1), "a-proposal"),
        (ask(json!({}), Some((Mode::Enforce, "exactly")), 1), "exactly"),
    ];
    for (request, name) in cases {
        let checked = plugin.client.check(request).await.unwrap().into_inner();
        assert_eq!(read(checked.inputs)["name"].as_str(), Some(name));
    }
    for (mode, reason) in [
        (Mode::Disable, "name is required, for pulumi:autonaming is disabled"),
        (Mode::Enforce, "name cannot be \"not legal\", the name that autonaming enforces"),
    ] {
        let checked = plugin.client.check(ask(json!({}), Some((mode, "not legal")), 1)).await.unwrap().into_inner();
        assert!(told(&checked.failures)[0].starts_with(reason), "{:?}", told(&checked.failures));
    }
    let without_seed = rpc::CheckRequest { random_seed: Vec::new(), ..ask(json!({}), None, 0) };
    let checked = plugin.client.check(without_seed).await.unwrap().into_inner();
    assert_eq!(read(checked.inputs)["name"].as_str().unwrap().len(), "main-0000000".len());
}

#[tokio::test]
async fn a_type_that_nobody_knows_is_an_error() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let urn = "urn:pulumi:dev::project::fargate:index:Clutser::main".to_owned();
    let refused = plugin.client.check(rpc::CheckRequest { urn, ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("fargate:index:Clutser"));
}

#[tokio::test]
async fn what_means_the_same_is_no_change() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let secret = json!({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "b" });
    let old = json!({ "name": "main", "tags": { "a": "b" }, "__defaults": [] });
    let new = json!({
        "name": "main",
        "capacityProviders": ["FARGATE_SPOT", "FARGATE"],
        "tags": { "a": secret },
        "defaultCapacityProviderStrategies": null,
    });
    let diff = plugin.diff(URN, old, new).await;
    assert_eq!((diff.changes(), diff.has_detailed_diff, diff.detailed_diff.len()), (DiffChanges::DiffNone, true, 0));
}

#[tokio::test]
async fn a_change_is_told_by_its_path_and_its_cost() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let old = json!({ "name": "main", "tags": { "a": "1", "b.c": "2" }, "region": "eu-west-1" });
    let new = json!({
        "name": UNKNOWN,
        "tags": { "b.c": "3", "d": "4" },
        "region": "eu-west-2",
        "settings": [{ "name": "containerInsights", "value": "enabled" }],
    });
    let diff = plugin.diff(URN, old, new).await;
    let mut kinds: Vec<_> = diff.detailed_diff.iter().map(|(path, it)| (path.as_str(), it.kind(), it.input_diff)).collect();
    kinds.sort_by_key(|it| it.0);
    assert_eq!(
        kinds,
        [
            ("name", Kind::UpdateReplace, true),
            ("region", Kind::UpdateReplace, true),
            ("settings", Kind::Add, true),
            ("tags.a", Kind::Delete, true),
            ("tags.d", Kind::Add, true),
            ("tags[\"b.c\"]", Kind::Update, true),
        ]
    );
    assert_eq!(diff.replaces, ["name", "region"]);
    assert_eq!(diff.diffs, ["name", "region", "settings", "tags"]);
    assert!(!diff.delete_before_replace, "the name changes: both can exist");
}

#[tokio::test]
async fn saying_what_aws_filled_in_is_no_change() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let service = json!({ "name": "web", "cluster": "main", "taskDefinition": "web:1", "subnets": ["subnet-1"] });
    let with = |it: i32| {
        let mut inputs = service.clone();
        inputs["desiredCount"] = it.into();
        inputs
    };
    for (asked, changes) in [(1, DiffChanges::DiffNone), (2, DiffChanges::DiffSome)] {
        let request = rpc::DiffRequest {
            urn: URN.replace("Cluster", "Service"),
            old_inputs: props(service.clone()),
            olds: props(with(1)),
            news: props(with(asked)),
            ..Default::default()
        };
        assert_eq!(plugin.client.diff(request).await.unwrap().into_inner().changes(), changes);
    }
}

#[tokio::test]
async fn a_provider_that_moves_moves_what_is_in_a_region() {
    let mut plugin = Plugin::configured(UNREACHABLE).await; // in eu-central-1
    let main = json!({ "name": "main" });
    let mut to = async |urn: String, new: &serde_json::Value, old: &serde_json::Value, outputs: &serde_json::Value| {
        let checked = plugin.check(&urn, new.clone()).await;
        let (old, outputs) = (old.clone(), outputs.clone());
        let request =
            rpc::DiffRequest { urn, old_inputs: props(old), olds: props(outputs), news: checked.inputs, ..Default::default() };
        plugin.client.diff(request).await.unwrap().into_inner()
    };
    let elsewhere = json!({ "name": "main", "region": "eu-west-1" });
    assert_eq!(to(URN.to_owned(), &main, &elsewhere, &elsewhere).await.replaces, ["region"]);
    assert_eq!(to(URN.to_owned(), &main, &main, &elsewhere).await.replaces, ["region"], "imported");
    let here = json!({ "name": "main", "region": "eu-central-1" });
    assert_eq!(to(URN.to_owned(), &main, &main, &here).await.changes(), DiffChanges::DiffNone);
    let role = json!({ "name": "main", "assumeRolePolicy": {} });
    let everywhere = to(URN.replace("Cluster", "Role"), &role, &role, &role).await;
    assert_eq!(everywhere.changes(), DiffChanges::DiffNone, "a role is in no region");
}

#[tokio::test]
async fn an_item_is_told_at_the_index_where_a_preview_finds_it() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let settings = |names: &[(&str, u32)]| {
        let of = |(name, weight): &(&str, u32)| json!({ "capacityProvider": name, "weight": weight });
        json!({ "name": "main", "defaultCapacityProviderStrategies": names.iter().map(of).collect::<Vec<_>>() })
    };
    let old = settings(&[("a", 1), ("b", 1)]);
    for (new, expected) in [
        (settings(&[("b", 1), ("a", 1)]), vec![]),
        (settings(&[("a", 1), ("b", 2)]), vec![("[1].weight", Kind::Update)]),
        (settings(&[("b", 1)]), vec![("[0]", Kind::Delete)]),
        (settings(&[("b", 2)]), vec![("[0]", Kind::Update)]),
        (settings(&[("c", 1), ("a", 1), ("b", 1)]), vec![("[0]", Kind::Add)]),
        (settings(&[("c", 1), ("b", 1)]), vec![("[0]", Kind::Update)]),
        (settings(&[("b", 1), ("c", 1), ("a", 3)]), vec![("[1]", Kind::Add), ("[2]", Kind::Add)]),
    ] {
        let diff = plugin.diff(URN, old.clone(), new.clone()).await;
        let mut kinds: Vec<_> = diff.detailed_diff.iter().map(|(path, it)| (path.clone(), it.kind())).collect();
        kinds.sort_by(|one, other| one.0.cmp(&other.0));
        let paths = expected.into_iter().map(|(path, kind)| (format!("defaultCapacityProviderStrategies{path}"), kind));
        assert_eq!(kinds, paths.collect::<Vec<_>>(), "{new}");
    }
}

#[tokio::test]
async fn what_a_program_leaves_alone_is_no_change() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let old = json!({ "name": "main", "tags": { "a": "1", "b.c": "2" }, "settings": [{ "name": "containerInsights", "value": "enabled" }] });
    let new = json!({ "name": "other", "tags": { "a": "2", "b.c": "3" }, "settings": [{ "name": "containerInsights", "value": "disabled" }] });
    for (ignored, left) in [
        (vec!["*"], vec![]),
        (vec!["name", "tags", "settings"], vec![]),
        (vec!["name", "tags[\"b.c\"]", "settings[*].value"], vec!["tags.a"]),
        (vec!["name", "tags.b.c", "tags.*", "settings[1]"], vec!["settings[0].value"]),
    ] {
        let request = rpc::DiffRequest {
            id: "main".to_owned(),
            urn: URN.to_owned(),
            olds: props(old.clone()),
            old_inputs: props(old.clone()),
            news: props(new.clone()),
            ignore_changes: ignored.iter().map(|it| (*it).to_owned()).collect(),
            ..Default::default()
        };
        let diff = plugin.client.diff(request).await.unwrap().into_inner();
        assert_eq!(diff.detailed_diff.keys().map(String::as_str).collect::<Vec<_>>(), left, "{ignored:?}");
    }
}

#[tokio::test]
async fn a_fixed_name_is_given_up_before_it_is_taken_again() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let urn = "urn:pulumi:dev::project::fargate:index:LogGroup::main";
    for (name, first) in [("mine", true), ("main-abababa", false)] {
        let of_class = |it: &str| json!({ "name": name, "logGroupClass": it });
        let diff = plugin.diff(urn, of_class("STANDARD"), of_class("INFREQUENT_ACCESS")).await;
        assert_eq!((diff.replaces, diff.delete_before_replace), (vec!["logGroupClass".to_owned()], first), "{name}");
    }
    let elsewhere = |it: &str| json!({ "name": "mine", "region": it });
    let diff = plugin.diff(URN, elsewhere("eu-west-1"), elsewhere("eu-west-2")).await;
    assert!(!diff.delete_before_replace, "in another region the name is free");
    assert_eq!(plugin.diff(URN, cluster(), cluster()).await.changes(), DiffChanges::DiffNone);
}
