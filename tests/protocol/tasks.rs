//! Tasks that run to their end, which no local AWS lets them do.

use pulumi_provider::{rpc, value::Value};
use serde_json::{Value as Json, json};

use crate::support::{FakeAws, FakeEngine, Plugin, URN, props, read};

fn arn(n: usize) -> String {
    format!("arn:aws:ecs:eu-central-1:123456789012:task/main/{n}")
}

fn urn() -> String {
    URN.replace("Cluster", "Task")
}

/// Inputs of a task, as Check returns them.
fn inputs(trigger: &str) -> Json {
    json!({
        "cluster": "main",
        "taskDefinition": "migration:1",
        "networkConfiguration": { "subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": false },
        "capacityProviderStrategies": [{ "capacityProvider": "FARGATE", "weight": 1, "base": 0 }],
        "propagateTags": "NONE",
        "enableEcsManagedTags": true,
        "triggers": { "version": trigger },
    })
}

fn task(n: usize, status: &str, exit_code: i32) -> Json {
    let mut task = json!({
        "taskArn": arn(n),
        "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/main",
        "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/migration:1",
        "lastStatus": status,
        "startedAt": 1_700_000_000,
        "containers": [{ "name": "app" }],
    });
    if status == "STOPPED" {
        task["stopCode"] = "EssentialContainerExited".into();
        task["stoppedReason"] = "Essential container in task exited".into();
        task["containers"][0]["exitCode"] = exit_code.into();
        task["stoppedAt"] = 1_700_000_060.into();
    }
    task
}

fn definition() -> (u16, Json) {
    let options = json!({ "awslogs-group": "/migration", "awslogs-stream-prefix": "ecs", "awslogs-region": "eu-central-1" });
    let log = json!({ "logDriver": "awslogs", "options": options });
    let container = json!({ "name": "app", "image": "migration", "essential": true, "logConfiguration": log });
    (200, json!({ "taskDefinition": { "family": "migration", "containerDefinitions": [container] } }))
}

/// An AWS whose tasks end with these codes, one after the other, and write a line before and one after they are seen to end.
async fn aws(codes: &'static [i32]) -> FakeAws {
    FakeAws::answering_what_is_asked({
        let ran = std::sync::Mutex::new(0);
        move |operation, asked| {
            let mut ran = ran.lock().expect("what ran");
            match operation {
                "RunTask" => {
                    *ran += 1;
                    (200, json!({ "tasks": [task(*ran, "PROVISIONING", 0)], "failures": [] }))
                }
                "DescribeTasks" => {
                    let n =
                        asked["tasks"][0].as_str().and_then(|it| it.rsplit('/').next()?.parse().ok()).expect("the ARN of a task");
                    (200, json!({ "tasks": [task(n, "STOPPED", codes[n - 1])] }))
                }
                "DescribeTaskDefinition" => definition(),
                "GetLogEvents" => match asked["nextToken"].as_str() {
                    None => (200, json!({ "events": [{ "message": "migrating\n" }], "nextForwardToken": "f/1" })),
                    Some("f/1") => (200, json!({ "events": [{ "message": "done\n" }], "nextForwardToken": "f/2" })),
                    Some(end) => (200, json!({ "events": [], "nextForwardToken": end })),
                },
                _ => (200, json!({})),
            }
        }
    })
    .await
}

fn create() -> rpc::CreateRequest {
    rpc::CreateRequest { urn: urn(), properties: props(inputs("1")), ..Default::default() }
}

fn update(olds: Option<prost_types::Struct>, news: Json) -> rpc::UpdateRequest {
    let old_inputs = props(inputs("1"));
    rpc::UpdateRequest { urn: urn(), id: arn(1), olds, old_inputs, news: props(news), ..Default::default() }
}

#[tokio::test]
async fn its_lines_are_shown_and_stay() {
    let (aws, engine) = (aws(&[0]).await, FakeEngine::start().await);
    let mut plugin = Plugin::start_with(&aws.url, &[&engine.address]).await;
    plugin.configure(json!({})).await;
    let created = plugin.client.create(create()).await.unwrap().into_inner();
    assert_eq!(created.id, arn(1));
    let outputs = read(created.properties);
    assert_eq!(outputs["exitCodes"], json!({ "app": 0 }).into());
    assert_eq!(outputs["stoppedAt"].as_str(), Some("2023-11-14T22:14:20Z"));
    assert_eq!(outputs["cluster"].as_str(), Some("main"), "as the program says it");
    let lines: Vec<_> = engine.lines().into_iter().filter(|it| !it.ephemeral).map(|it| it.message).collect();
    assert_eq!(lines, ["migrating", "done"]);
}

#[tokio::test]
async fn one_that_a_killed_up_has_left_running_is_waited_for_if_it_does_the_same() {
    let overrides =
        |command: &[&str]| json!({ "containerOverrides": [{ "name": "app", "command": command, "environment": [] }] });
    for (left, runs) in [(overrides(&[]), 0), (overrides(&["psql"]), 1)] {
        let (started, looks) = (std::sync::Mutex::new(None), std::sync::atomic::AtomicU32::new(0));
        let aws = FakeAws::answering_what_is_asked(move |operation, asked| match operation {
            "ListTasks" => {
                assert_eq!(asked["desiredStatus"], Json::Null, "AWS takes startedBy alone, and means those that run");
                *started.lock().unwrap() = Some(asked["startedBy"].clone());
                (200, json!({ "taskArns": [arn(1)] }))
            }
            "RunTask" => {
                assert_eq!(Some(&asked["startedBy"]), started.lock().unwrap().as_ref());
                (200, json!({ "tasks": [task(2, "PROVISIONING", 0)], "failures": [] }))
            }
            "DescribeTasks" => {
                let n = if asked["tasks"][0] == arn(1).as_str() { 1 } else { 2 };
                let status = if looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 { "RUNNING" } else { "STOPPED" };
                let mut task = task(n, status, 0);
                task["overrides"] = left.clone();
                (200, json!({ "tasks": [task] }))
            }
            "DescribeTaskDefinition" => definition(),
            _ => (200, json!({})),
        })
        .await;
        let mut plugin = Plugin::configured(&aws.url).await;
        let created = plugin.client.create(create()).await.unwrap().into_inner();
        assert_eq!((created.id, aws.count("RunTask")), (arn(1 + runs), runs));
    }
}

#[tokio::test]
async fn what_failed_leaves_nothing_and_runs_again() {
    let aws = aws(&[3, 0]).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = plugin.client.create(create()).await.unwrap_err();
    assert!(failed.details().is_empty(), "no state is kept");
    let told = failed.message();
    assert!(told.contains("app exited with 3") && told.contains("nothing counts as done"), "{told}");
    assert!(told.contains("read its last lines above") && !told.contains("migrating"), "{told}");
    assert_eq!(plugin.client.create(create()).await.unwrap().into_inner().id, arn(2));
}

#[tokio::test]
async fn a_trigger_runs_it_again_and_tags_do_not() {
    let aws = aws(&[0, 0, 1]).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let created = plugin.client.create(create()).await.unwrap().into_inner().properties;
    let mut tagged = inputs("1");
    tagged["tags"] = json!({ "a": "b" });
    let outputs = read(plugin.client.update(update(created.clone(), tagged)).await.unwrap().into_inner().properties);
    assert_eq!((aws.count("RunTask"), outputs["arn"].clone()), (1, Value::String(arn(1))));
    let again = plugin.client.update(update(created, inputs("2"))).await.unwrap().into_inner().properties;
    assert_eq!(read(again.clone())["arn"], Value::String(arn(2)));
    // A failed one changes nothing in the state, so that the next `up` plans it again.
    let failed = plugin.client.update(update(again, inputs("3"))).await.unwrap_err();
    assert!(failed.details().is_empty());
}

#[tokio::test]
async fn a_refresh_does_not_ask_aws_which_forgets() {
    let aws = aws(&[0]).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let properties = plugin.client.create(create()).await.unwrap().into_inner().properties;
    let before = aws.count("DescribeTasks");
    let request = rpc::ReadRequest {
        urn: urn(),
        id: arn(1),
        properties: properties.clone(),
        inputs: props(inputs("1")),
        ..Default::default()
    };
    let found = plugin.client.read(request).await.unwrap().into_inner();
    assert_eq!((found.id, found.properties, found.inputs), (arn(1), properties, props(inputs("1"))));
    assert_eq!(aws.count("DescribeTasks"), before);
}

#[tokio::test]
async fn a_lost_answer_runs_nothing_twice() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("RunTask", 1) => (500, json!({ "__type": "ServerException", "message": "lost" })),
        ("RunTask", _) => (200, json!({ "tasks": [task(1, "PENDING", 0)] })),
        ("DescribeTasks", _) => (200, json!({ "tasks": [task(1, "STOPPED", 0)] })),
        ("DescribeTaskDefinition", _) => definition(),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    plugin.client.create(create()).await.unwrap();
    let asked = aws.requests("RunTask");
    assert_eq!(asked.len(), 2);
    assert!(asked[0]["clientToken"].is_string() && asked[0]["clientToken"] == asked[1]["clientToken"]);
}

#[tokio::test]
async fn one_that_takes_too_long_is_stopped() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "RunTask" | "DescribeTasks" => (200, json!({ "tasks": [task(1, "RUNNING", 0)] })),
        "DescribeTaskDefinition" => definition(),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = plugin.client.create(rpc::CreateRequest { timeout: 6.0, ..create() }).await.unwrap_err();
    assert_eq!(aws.requests("StopTask")[0]["task"], arn(1));
    let told = failed.message();
    assert!(told.contains("gave up waiting for task 1 after 6 s") && told.contains("it was stopped; nothing counts"), "{told}");
    assert!(!told.contains("task stopped"), "nothing of it has stopped yet: {told}");
}

#[tokio::test]
async fn no_room_is_waited_for_and_other_failures_are_told() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("RunTask", 1) => (200, json!({ "tasks": [], "failures": [{ "reason": "Capacity is unavailable at this time" }] })),
        ("RunTask", _) => (200, json!({ "tasks": [], "failures": [{ "reason": "EMPTY CAPACITY PROVIDER", "arn": "arn:x" }] })),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = plugin.client.create(create()).await.unwrap_err();
    assert_eq!(failed.message(), "RunTask: Failure: EMPTY CAPACITY PROVIDER; arn:x");
    assert_eq!(aws.count("RunTask"), 2);
}

#[tokio::test]
async fn a_log_out_of_reach_is_told_of() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "RunTask" => (200, json!({ "tasks": [task(1, "PENDING", 0)] })),
        "DescribeTasks" => (200, json!({ "tasks": [task(1, "STOPPED", 0)] })),
        "DescribeTaskDefinition" => {
            let (status, mut answer) = definition();
            let options = &mut answer["taskDefinition"]["containerDefinitions"][0]["logConfiguration"]["options"];
            options["awslogs-region"] = "us-west-2".into();
            (status, answer)
        }
        _ => (200, json!({})),
    })
    .await;
    let engine = FakeEngine::start().await;
    let mut plugin = Plugin::start_with(&aws.url, &[&engine.address]).await;
    plugin.configure(json!({})).await;
    plugin.client.create(create()).await.unwrap();
    let lines: Vec<_> = engine.lines().into_iter().filter(|it| !it.ephemeral).map(|it| it.message).collect();
    assert_eq!(lines, ["the log of container app is not shown, for it is in us-west-2: /migration"]);
    assert_eq!(aws.count("GetLogEvents"), 0);
}
