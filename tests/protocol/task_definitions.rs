//! Task definitions of all kinds, against an AWS that fills in and spells what it is given as ECS does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Mutex,
};

use pulumi_provider::{rpc, value::map_to_proto};
use serde_json::{Value as Json, json};

use crate::support::{FakeAws, Plugin, URN, map, props, read, task_definitions, told};

fn urn(name: &str) -> String {
    URN.replace("Cluster::main", &format!("TaskDefinition::{name}"))
}

fn default(map: &mut Json, name: &str, value: Json) {
    if map[name].is_null() {
        map[name] = value;
    }
}

fn list(of: &mut Json) -> impl Iterator<Item = &mut Json> {
    of.as_array_mut().into_iter().flatten()
}

/// What ECS shows of what was registered, of all that is not said as it shows it. After real answers of
/// `DescribeTaskDefinition`, and the defaults of the documentation of `RegisterTaskDefinition`.
fn shown(registered: &Json) -> Json {
    let mut task = registered.clone();
    let family = task["family"].as_str().unwrap_or_default();
    task["taskDefinitionArn"] = json!(format!("arn:aws:ecs:eu-central-1:123456789012:task-definition/{family}:1"));
    for (name, value) in [
        ("revision", json!(1)),
        ("status", json!("ACTIVE")),
        ("compatibilities", json!(["EC2", "FARGATE"])),
        ("requiresAttributes", json!([{ "name": "ecs.capability.task-eni" }])),
        ("registeredAt", json!(1_700_000_000.5)),
        ("registeredBy", json!("arn:aws:iam::123456789012:user/me")),
    ] {
        task[name] = value;
    }
    for name in ["volumes", "placementConstraints"] {
        default(&mut task, name, json!([]));
    }
    for volume in list(&mut task["volumes"]) {
        if volume["efsVolumeConfiguration"].is_null() {
            default(volume, "host", json!({}));
        }
    }
    for container in list(&mut task["containerDefinitions"]) {
        default(container, "cpu", json!(0));
        default(container, "essential", json!(true));
        for name in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
            default(container, name, json!([]));
        }
        if let Some(variables) = container["environment"].as_array_mut() {
            variables.reverse();
        }
        for port in list(&mut container["portMappings"]) {
            let number = port["containerPort"].clone();
            default(port, "hostPort", number);
            default(port, "protocol", json!("tcp"));
        }
        if !container["firelensConfiguration"].is_null() {
            default(container, "user", json!("0"));
        }
        if !container["healthCheck"].is_null() {
            for (name, seconds) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
                default(&mut container["healthCheck"], name, json!(seconds));
            }
        }
        if !container["logConfiguration"].is_null() {
            default(&mut container["logConfiguration"], "options", json!({}));
            default(&mut container["logConfiguration"], "secretOptions", json!([]));
        }
    }
    let tags = task.as_object_mut().expect("a map").remove("tags").unwrap_or_else(|| json!([]));
    json!({ "taskDefinition": task, "tags": tags })
}

/// A task definition without what means nothing, and with what absence means, so that two that mean the same are equal.
fn meaning(task: &Json) -> Json {
    let mut task = shown(task)["taskDefinition"].take();
    default(&mut task, "runtimePlatform", json!({}));
    default(&mut task["runtimePlatform"], "cpuArchitecture", json!("X86_64"));
    default(&mut task["runtimePlatform"], "operatingSystemFamily", json!("LINUX"));
    if task["cpu"] == "1 vCPU" {
        (task["cpu"], task["memory"]) = (json!("1024"), json!("2048"));
    }
    for container in list(&mut task["containerDefinitions"]) {
        default(container, "versionConsistency", json!("enabled"));
        if container["restartPolicy"]["enabled"].is_boolean() {
            default(&mut container["restartPolicy"], "restartAttemptPeriod", json!(300));
        }
    }
    for volume in list(&mut task["volumes"]) {
        if volume["efsVolumeConfiguration"]["authorizationConfig"] == json!({ "iam": "DISABLED" }) {
            volume["efsVolumeConfiguration"]["authorizationConfig"] = json!(null);
        }
        if volume["efsVolumeConfiguration"].is_object() {
            default(&mut volume["efsVolumeConfiguration"], "rootDirectory", json!("/"));
        }
    }
    stripped(&task).unwrap_or_default()
}

fn stripped(json: &Json) -> Option<Json> {
    match json {
        Json::Null | Json::Bool(false) => None,
        Json::Number(it) if it.as_f64() == Some(0.0) => None,
        Json::String(it) if it.is_empty() => None,
        Json::Array(items) => Some(Json::Array(items.iter().filter_map(stripped).collect())).filter(|it| *it != json!([])),
        Json::Object(map) => {
            let kept = map.iter().filter_map(|(name, it)| Some((name.clone(), stripped(it)?)));
            Some(Json::Object(kept.collect())).filter(|it| *it != json!({}))
        }
        other => Some(other.clone()),
    }
}

fn missing() -> (u16, Json) {
    (400, json!({ "__type": "ClientException", "message": "Unable to describe task definition." }))
}

/// An AWS that shows what was registered, and at first `revisions`, by family.
async fn ecs(revisions: BTreeMap<String, Json>) -> FakeAws {
    let revisions = Mutex::new(revisions);
    FakeAws::answering_what_is_asked(move |operation, asked| {
        let mut revisions = revisions.lock().expect("the revisions");
        match operation {
            "RegisterTaskDefinition" => {
                let answer = shown(asked);
                revisions.insert(asked["family"].as_str().unwrap_or_default().to_owned(), answer.clone());
                (200, answer)
            }
            "DescribeTaskDefinition" => {
                let name = asked["taskDefinition"].as_str().unwrap_or_default();
                let family = name.rsplit('/').next().and_then(|it| it.split(':').next()).unwrap_or_default();
                revisions.get(family).map_or_else(missing, |it| (200, it.clone()))
            }
            _ => (200, json!({})),
        }
    })
    .await
}

#[tokio::test]
async fn samples_come_back_from_aws_and_from_an_import_as_they_are() {
    let aws = ecs(BTreeMap::new()).await;
    // Without an engine to watch: it would end with that one, long before all samples are through.
    let mut plugin = Plugin::start(&aws.url).await;
    plugin.configure(json!({})).await;
    let samples = task_definitions();
    assert!(samples.len() >= 40);
    for (family, sample) in &samples {
        let urn = urn(family);
        let checked = plugin.check(&urn, sample.clone()).await;
        assert_eq!(told(&checked.failures), Vec::<&str>::new(), "{family}");
        let inputs = checked.inputs;
        let create = rpc::CreateRequest { urn: urn.clone(), properties: inputs.clone(), ..Default::default() };
        let created = plugin.client.create(create).await.expect(family).into_inner();
        let registered = aws.requests("RegisterTaskDefinition").pop().expect("a registration");
        assert_eq!(meaning(&registered), meaning(sample), "{family}");

        let refresh = rpc::ReadRequest {
            id: created.id.clone(),
            urn: urn.clone(),
            inputs: inputs.clone(),
            properties: created.properties.clone(),
            ..Default::default()
        };
        let import = rpc::ReadRequest { id: created.id.clone(), urn: urn.clone(), ..Default::default() };
        for (request, how) in [(refresh, "refresh"), (import, "import")] {
            let found = plugin.client.read(request).await.expect(family).into_inner();
            let again = read(found.inputs.clone());
            let checked = plugin.client.check(rpc::CheckRequest {
                urn: urn.clone(),
                olds: found.inputs.clone(),
                news: Some(map_to_proto(again)),
                ..Default::default()
            });
            assert_eq!(told(&checked.await.expect(family).into_inner().failures), Vec::<&str>::new(), "{family}: {how}");
            let diff = rpc::DiffRequest {
                urn: urn.clone(),
                id: created.id.clone(),
                olds: found.properties,
                old_inputs: found.inputs,
                news: inputs.clone(),
                ..Default::default()
            };
            let diff = plugin.client.diff(diff).await.expect(family).into_inner();
            assert_eq!(diff.diffs, Vec::<String>::new(), "{family}: {how}");
            assert_eq!(diff.changes(), rpc::diff_response::DiffChanges::DiffNone, "{family}: {how}");
        }
    }
}

#[test]
fn samples_use_every_property_of_containers() {
    let schema: Json =
        serde_json::from_str(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json")).expect("text"))
            .expect("JSON");
    let known = &schema["types"]["fargate:index:TaskDefinitionContainerDefinition"]["properties"];
    let known: BTreeSet<_> = known.as_object().expect("properties").keys().cloned().collect();
    let samples = task_definitions();
    let containers = samples.values().flat_map(|it| it["containerDefinitions"].as_array().expect("containers"));
    let used: BTreeSet<_> = containers.flat_map(|it| it.as_object().expect("a container").keys().cloned()).collect();
    assert!(known.len() > 30 && known.is_subset(&used), "not used: {:?}", known.difference(&used));
}

#[expect(clippy::needless_pass_by_value, reason = "tests write it in place")]
fn web(more: Json) -> Json {
    let container = json!({ "name": "app", "image": "nginx" });
    let mut task = json!({
        "family": "web", "containerDefinitions": [container], "cpu": "256", "memory": "512", "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
    });
    task.as_object_mut().expect("a map").append(&mut more.as_object().expect("a map").clone());
    task
}

#[tokio::test]
async fn what_an_update_would_drop_is_refused_by_name() {
    let foreign =
        web(json!({ "ipcMode": "task", "volumes": [{ "name": "disk", "configuredAtLaunch": true }], "newer": { "on": 1 } }));
    let aws = ecs(BTreeMap::from([("web".to_owned(), shown(&foreign))])).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    // What is new to this version at the top may be what AWS shows of every revision: it stops no update.
    let reason = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:1 has ipcMode, volumes[0].configuredAtLaunch, which \
                  TaskDefinition does not support";
    let import = rpc::ReadRequest { id: "web".to_owned(), urn: urn("web"), ..Default::default() };
    let refused = plugin.client.read(import).await.expect_err("an import");
    let unsupported = "does not support ipcMode, newer, volumes[0].configuredAtLaunch";
    assert!(refused.message().contains(unsupported), "{}", refused.message());
    let refresh = rpc::ReadRequest { id: "web".to_owned(), urn: urn("web"), inputs: props(web(json!({}))), ..Default::default() };
    let shown = read(plugin.client.read(refresh).await.expect("a refresh").into_inner().properties);
    assert_eq!(shown["unsupportedSettings"], json!(["ipcMode", "newer", "volumes[0].configuredAtLaunch"]).into());

    let arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:1";
    let outputs = web(json!({ "arn": arn, "arnWithoutRevision": arn.trim_end_matches(":1"), "revision": 1 }));
    let update = |memory: &str| rpc::UpdateRequest {
        urn: urn("web"),
        id: "web".to_owned(),
        olds: props(outputs.clone()),
        old_inputs: props(web(json!({}))),
        news: props(web(json!({ "memory": memory }))),
        ..Default::default()
    };
    let refused = plugin.client.update(update("1024")).await.expect_err("an update");
    assert!(refused.message().contains(reason), "{}", refused.message());
    assert_eq!(aws.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_family_that_exists_is_not_taken_over() {
    let aws = ecs(BTreeMap::from([("web".to_owned(), shown(&web(json!({}))))])).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let create = rpc::CreateRequest { urn: urn("renamed"), properties: props(web(json!({}))), ..Default::default() };
    let refused = plugin.client.create(create).await.expect_err("a creation");
    let fix = "set another name, or take it over: `pulumi import fargate:index:TaskDefinition <resource> web`";
    assert!(refused.message().starts_with(&format!("TaskDefinition web exists already; {fix}")), "{}", refused.message());
    assert_eq!(aws.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_revision_that_was_registered_for_nothing_in_particular_is_imported() {
    let mut task = web(json!({}));
    task.as_object_mut().expect("a map").remove("requiresCompatibilities");
    let aws = ecs(BTreeMap::from([("web".to_owned(), shown(&task))])).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let import = rpc::ReadRequest { id: "web".to_owned(), urn: urn("web"), ..Default::default() };
    let inputs = plugin.client.read(import).await.expect("an import").into_inner().inputs;
    let check = rpc::CheckRequest { urn: urn("web"), olds: inputs.clone(), news: inputs.clone(), ..Default::default() };
    assert_eq!(told(&plugin.client.check(check).await.expect("an answer").into_inner().failures), Vec::<&str>::new());
    assert_eq!(read(inputs)["requiresCompatibilities"], map(json!({ "a": [] }))["a"]);
}
