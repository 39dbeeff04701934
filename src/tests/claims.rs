//! What only one resource can have, as the resources of AWS say it.

use serde_json::json;

use crate::{
    check::{Autonaming, Failure},
    plan::Plan,
    resource::Subject,
    resources,
    value::{Map, Value},
};

/// A program, one resource after the other.
#[derive(Default)]
struct Program(Plan);

impl Program {
    /// The mistakes and the warnings of the resource of that kind and name.
    fn declares(&self, kind: &str, name: &str, inputs: serde_json::Value) -> (Vec<Failure>, Vec<Failure>) {
        self.changes(kind, name, &Map::new(), inputs)
    }

    fn changes(&self, kind: &str, name: &str, old: &Map, inputs: serde_json::Value) -> (Vec<Failure>, Vec<Failure>) {
        let resource = resources::all().iter().find(|it| it.name() == kind).unwrap();
        let urn = format!("urn:pulumi:dev::shop::fargate:index:{kind}::{name}");
        let Value::Object(mut inputs) = inputs.into() else { panic!("a map") };
        inputs.values_mut().for_each(unknown);
        let (seed, autonaming) = (&[7; 32], Autonaming::Default);
        let subject = Subject { name, urn: &urn, seed, old, autonaming, cloud: None, plan: &self.0 };
        let checked = resource.check(&subject, inputs).unwrap();
        (checked.failures, checked.warnings)
    }
}

/// What a test writes as `?` is not known yet.
fn unknown(value: &mut Value) {
    match value {
        Value::String(it) if it == "?" => *value = Value::Unknown,
        Value::List(items) => items.iter_mut().for_each(unknown),
        Value::Object(map) => map.values_mut().for_each(unknown),
        _ => {}
    }
}

fn at(findings: &[Failure], path: &str) -> Option<String> {
    findings.iter().find(|it| it.path == path).map(|it| it.reason.clone())
}

#[test]
fn two_resources_cannot_have_one_name() {
    for resource in resources::all() {
        let named = resource.inputs().root().properties().find(|(_, it)| !it.keyword("autoname").is_null());
        let Some((property, shape)) = named else { continue };
        let kind = resource.name();
        let fixed = |name: &str| match kind {
            "ScalingPolicy" => json!({ property: name, "resourceId": "service/main/web" }),
            _ => json!({ property: name }),
        };
        let program = Program::default();
        for _ in 0..2 {
            let (mistakes, _) = program.declares(kind, "one", fixed("web"));
            assert_eq!(at(&mistakes, property), None, "{kind}: it is the same one, which is checked again");
        }
        let (mistakes, _) = program.declares(kind, "two", fixed("web"));
        let reason = at(&mistakes, property).unwrap_or_default();
        assert!(reason.starts_with(&format!("is \"web\", as that of {kind} one is")), "{kind}: {mistakes:?}");
        assert_eq!(at(&program.declares(kind, "two", fixed("web2")).0, property), None, "{kind}");
        if shape.keyword("compare") == "caseless" || shape.flag("caselessName") {
            assert!(at(&program.declares(kind, "two", fixed("Web")).0, property).is_some(), "{kind}");
        }
        for name in ["three", "parent::three"] {
            assert_eq!(at(&program.declares(kind, name, json!({})).0, property), None, "{kind}: made up from one seed");
        }
        program.0.begin(true);
        program.declares(kind, "one", fixed("web"));
        assert_eq!(at(&program.declares(kind, "two", fixed("web")).0, property), None, "{kind}: of two programs, maybe");
    }
}

#[test]
fn elsewhere_a_name_is_free() {
    let program = Program::default();
    program.declares("LogGroup", "one", json!({ "name": "web", "region": "eu-west-1" }));
    let there = |region: &str| at(&program.declares("LogGroup", "two", json!({ "name": "web", "region": region })).0, "name");
    assert!(there("eu-west-1").is_some() && there("eu-west-2").is_none());
    let service = |cluster: &str| json!({ "name": "web", "cluster": cluster });
    program.declares("Service", "one", service("arn:aws:ecs:eu-west-1:123456789012:cluster/main"));
    assert!(at(&program.declares("Service", "two", service("main")).0, "name").is_some());
    assert!(at(&program.declares("Service", "two", service("second")).0, "name").is_none());
}

#[test]
fn a_scope_that_is_not_known_yet_is_the_only_one_there_is() {
    let program = Program::default();
    program.declares("Cluster", "main", json!({}));
    let service = json!({ "name": "web", "cluster": "?" });
    program.declares("Service", "one", service.clone());
    let reason = at(&program.declares("Service", "two", service.clone()).0, "name").unwrap();
    assert!(reason.contains("--target"), "{reason}");
    program.declares("Cluster", "second", json!({}));
    assert_eq!(at(&program.declares("Service", "two", service).0, "name"), None);
}

#[test]
fn what_both_have_already_is_only_doubted() {
    let (old, inputs) = (Map::from([("name".to_owned(), Value::String("web".to_owned()))]), json!({ "name": "web" }));
    let program = Program::default();
    program.changes("LogGroup", "one", &old, inputs.clone());
    let (mistakes, warnings) = program.changes("LogGroup", "two", &old, inputs.clone());
    assert!(at(&mistakes, "name").is_none() && at(&warnings, "name").is_some());
    assert!(at(&program.declares("LogGroup", "three", inputs).0, "name").is_some());
}

#[test]
fn two_resources_cannot_have_what_is_exclusive() {
    let table = |subnets: serde_json::Value| json!({ "vpcId": "vpc-1", "subnetIds": subnets });
    let gateway = json!({ "subnetId": "subnet-1", "allocationId": "eipalloc-1" });
    for (kind, path, one, two, other) in [
        (
            "RouteTable",
            "subnetIds[1]",
            table(json!(["subnet-1"])),
            table(json!(["subnet-2", "subnet-1"])),
            table(json!(["subnet-2"])),
        ),
        ("InternetGateway", "vpcId", json!({ "vpcId": "vpc-1" }), json!({ "vpcId": "vpc-1" }), json!({ "vpcId": "vpc-2" })),
        ("NatGateway", "allocationId", gateway.clone(), gateway, json!({ "subnetId": "subnet-1", "allocationId": "eipalloc-2" })),
    ] {
        let program = Program::default();
        program.declares(kind, "one", one);
        assert!(at(&program.declares(kind, "two", two).0, path).is_some(), "{kind}");
        assert!(program.declares(kind, "two", other).0.is_empty(), "{kind}");
    }
}

#[test]
fn there_are_fewer_than_are_referred_to() {
    let program = Program::default();
    program.declares("Vpc", "network", json!({ "cidrBlock": "10.0.0.0/16" }));
    let attached = json!({ "vpcId": "?" });
    assert!(program.declares("InternetGateway", "one", attached.clone()).0.is_empty());
    assert!(at(&program.declares("InternetGateway", "two", attached).0, "vpcId").unwrap().contains("Vpc"));
    for (name, block) in [("a", "10.0.0.0/24"), ("b", "10.0.1.0/24")] {
        program.declares("Subnet", name, json!({ "vpcId": "?", "cidrBlock": block }));
    }
    let table = |subnets: usize| json!({ "vpcId": "?", "subnetIds": vec!["?"; subnets] });
    program.declares("RouteTable", "one", table(1));
    assert!(program.declares("RouteTable", "two", table(1)).0.is_empty());
    let (mistakes, _) = program.declares("RouteTable", "two", table(2));
    assert!(at(&mistakes, "subnetIds[0]").unwrap().contains("RouteTable one"), "{mistakes:?}");
    // What is wrong is reported, and refers to nothing.
    let wrong = json!({ "vpcId": "network" });
    assert_eq!(program.declares("InternetGateway", "three", wrong).0.len(), 1);
}

#[test]
fn an_item_is_listed_once() {
    let program = Program::default();
    program.declares("Subnet", "a", json!({ "vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24" }));
    let service = |subnets: serde_json::Value| {
        let inputs = json!({ "taskDefinition": "web:1", "networkConfiguration": { "subnets": subnets } });
        program.declares("Service", "web", inputs).1
    };
    assert!(at(&service(json!(["subnet-1", "subnet-1"])), "networkConfiguration.subnets[1]").is_some());
    assert!(at(&service(json!(["?", "?"])), "networkConfiguration.subnets").is_some());
    assert!(service(json!(["subnet-1", "?"])).is_empty());
}
