//! Deployments that a local AWS never sees: slow ones, failed ones, ones that are rolled back; and services that drain.

use pulumi_provider::{rpc, value::Value};
use serde_json::{Value as Json, json};

use super::UNREACHABLE;
use crate::support::{FakeAws, Plugin, URN, init_failed, props, read};

const ARN: &str = "arn:aws:ecs:eu-central-1:123456789012:service/main/web";

fn urn(name: &str) -> String {
    URN.replace("Cluster", name)
}

fn task(revision: u32) -> String {
    format!("arn:aws:ecs:eu-central-1:123456789012:task-definition/web:{revision}")
}

/// Inputs of a service, as Check returns them.
fn inputs(revision: u32) -> Json {
    json!({
        "name": "web",
        "cluster": "main",
        "taskDefinition": task(revision),
        "desiredCount": 1,
        "networkConfiguration": { "subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": false },
        "healthCheckGracePeriodSeconds": 60,
        "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        "deploymentMaximumPercent": 200,
        "deploymentMinimumHealthyPercent": 100,
        "enableExecuteCommand": false,
        "enableEcsManagedTags": true,
        "propagateTags": "SERVICE",
        "forceNewDeployment": false,
        "waitForSteadyState": true,
    })
}

/// A deployment of a revision of the task definition, whose number is its id too.
fn deployment(revision: u32, status: &str, state: &str) -> Json {
    json!({
        "id": format!("ecs-svc/{revision}"),
        "status": status,
        "taskDefinition": task(revision),
        "rolloutState": state,
        "rolloutStateReason": if state == "FAILED" { "ECS deployment circuit breaker: tasks failed to start." } else { "" },
        "createdAt": 100,
        "desiredCount": 1,
        "runningCount": i32::from(state == "COMPLETED"),
    })
}

fn service(status: &str, deployments: &[Json]) -> Json {
    json!({
        "serviceName": "web",
        "serviceArn": ARN,
        "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/main",
        "status": status,
        "taskDefinition": deployments.iter().find(|it| it["status"] == "PRIMARY").map(|it| it["taskDefinition"].clone()),
        "desiredCount": 1,
        "runningCount": i32::from(deployments.iter().any(|it| it["rolloutState"] == "COMPLETED")),
        "launchType": "FARGATE",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"], "assignPublicIp": "DISABLED" } },
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
        },
        "enableECSManagedTags": true,
        "propagateTags": "SERVICE",
        "deployments": deployments,
        "events": [
            { "createdAt": 110, "message": "(service web) was unable to start a task: CannotPullContainerError." },
            { "createdAt": 90, "message": "(service web) has reached a steady state." },
        ],
    })
}

fn changed(deployments: &[Json]) -> (u16, Json) {
    (200, json!({ "service": service("ACTIVE", deployments) }))
}

fn shown(deployments: &[Json]) -> (u16, Json) {
    (200, json!({ "services": [service("ACTIVE", deployments)] }))
}

fn refused(message: &str) -> (u16, Json) {
    (400, json!({ "__type": "InvalidParameterException", "message": message }))
}

fn create() -> rpc::CreateRequest {
    rpc::CreateRequest { urn: urn("Service"), properties: props(inputs(1)), ..Default::default() }
}

fn update(olds: Option<prost_types::Struct>, revision: u32) -> rpc::UpdateRequest {
    rpc::UpdateRequest { urn: urn("Service"), id: ARN.to_owned(), olds, news: props(inputs(revision)), ..Default::default() }
}

fn outputs(revision: u32) -> Option<prost_types::Struct> {
    let mut outputs = inputs(revision);
    outputs["arn"] = ARN.into();
    props(outputs)
}

#[tokio::test]
async fn a_service_is_made_when_its_deployment_has_ended() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("CreateService", _) => changed(&[deployment(1, "PRIMARY", "IN_PROGRESS")]),
        ("DescribeServices", 1) => shown(&[deployment(1, "PRIMARY", "IN_PROGRESS")]),
        _ => shown(&[deployment(1, "PRIMARY", "COMPLETED")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let created = plugin.client.create(create()).await.unwrap().into_inner();
    assert_eq!(created.id, ARN);
    assert_eq!(read(created.properties)["cluster"].as_str(), Some("main"), "as the program says it");
    // An event of trouble is looked into, once; two looks at the deployment after the answer to CreateService, and one closing
    // read.
    let mut calls = aws.calls();
    calls[3..5].sort(); // asked at the same time
    let looked_into = ["DescribeTaskDefinition", "ListTasks"];
    let (first, rest) = (["CreateService", "DescribeServices"], ["DescribeServices", "DescribeServices"]);
    assert_eq!(calls[1..], [&first[..], &looked_into, &rest].concat());
}

#[tokio::test]
async fn a_first_deployment_that_fails_starts_again_with_the_next_up() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "CreateService" => changed(&[deployment(1, "PRIMARY", "IN_PROGRESS")]),
        "UpdateService" => changed(&[deployment(2, "PRIMARY", "COMPLETED")]),
        _ => shown(&[deployment(1, "PRIMARY", "FAILED")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = init_failed(&plugin.client.create(create()).await.unwrap_err());
    assert_eq!(failed.id, ARN);
    assert_eq!(
        failed.reasons,
        ["the deployment of web:1 failed: ECS deployment circuit breaker: tasks failed to start\n\t  \
          what happens now: AWS has stopped it, with nothing to roll back to; the next `pulumi up` starts another\n\t  \
          event: was unable to start a task: CannotPullContainerError\n\t  \
          not known: AWS does not show task definition arn:aws:ecs:eu-central-1:123456789012:task-definition/web:1"]
    );
    plugin.client.update(update(failed.properties, 1)).await.unwrap();
    assert_eq!(aws.count("UpdateService"), 1);
}

#[tokio::test]
async fn a_deployment_that_is_rolled_back_is_an_error_and_tried_again() {
    let back = |state: &str| [deployment(1, "PRIMARY", state), deployment(2, "ACTIVE", "FAILED")];
    let aws = FakeAws::answering(move |operation, n| match (operation, n) {
        ("UpdateService", 1) => changed(&[deployment(2, "PRIMARY", "IN_PROGRESS"), deployment(1, "ACTIVE", "COMPLETED")]),
        ("UpdateService", _) => changed(&[deployment(3, "PRIMARY", "COMPLETED")]),
        // The state is made of an answer from before AWS went back.
        ("DescribeServices", 2) => shown(&[deployment(2, "PRIMARY", "FAILED")]),
        _ => shown(&back("COMPLETED")),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = init_failed(&plugin.client.update(update(outputs(1), 2)).await.unwrap_err());
    let reason = "the deployment of web:2 failed: ECS deployment circuit breaker: tasks failed to start\n\t  \
                  what happens now: AWS rolls back to web:1\n";
    assert!(failed.reasons[0].starts_with(reason), "{:?}", failed.reasons);
    assert_eq!(read(failed.properties.clone())["taskDefinition"], Value::String(task(2)));
    plugin.client.update(update(failed.properties, 2)).await.unwrap();
    assert_eq!(aws.count("UpdateService"), 2, "what runs is not what the program wants");
}

#[tokio::test]
async fn a_name_is_free_when_the_service_before_has_drained() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("CreateService", 1) => refused("Unable to Start a service that is still Draining."),
        ("CreateService", _) => changed(&[deployment(1, "PRIMARY", "COMPLETED")]),
        ("DescribeServices", 1) => (200, json!({ "services": [service("DRAINING", &[])] })),
        ("DescribeServices", 2) => (200, json!({ "services": [service("INACTIVE", &[])] })),
        _ => shown(&[deployment(1, "PRIMARY", "COMPLETED")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    plugin.client.create(create()).await.unwrap();
    assert_eq!((aws.count("CreateService"), aws.count("DescribeServices")), (2, 3));
}

#[tokio::test]
async fn a_service_is_deleted_when_its_tasks_have_ended() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("DescribeServices", 1) => (200, json!({ "services": [service("DRAINING", &[])] })),
        ("DescribeServices", _) => (200, json!({ "services": [], "failures": [{ "reason": "MISSING" }] })),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let request = rpc::DeleteRequest { urn: urn("Service"), id: ARN.to_owned(), properties: outputs(1), ..Default::default() };
    plugin.client.delete(request).await.unwrap();
    assert_eq!(aws.calls()[1..], ["DeleteService", "DescribeServices", "DescribeServices"]);
}

#[tokio::test]
async fn reads_of_services_share_calls() {
    let aws = FakeAws::answering(|_, _| shown(&[deployment(1, "PRIMARY", "COMPLETED")])).await;
    let plugin = Plugin::configured(&aws.url).await;
    let reads = (0..10).map(|_| {
        let mut client = plugin.client.clone();
        let request = rpc::ReadRequest { urn: urn("Service"), id: "main/web".to_owned(), ..Default::default() };
        async move { client.read(request).await.unwrap().into_inner().id }
    });
    assert!(futures::future::join_all(reads).await.iter().all(|it| it == ARN));
    assert_eq!(aws.count("DescribeServices"), 1);
}

#[tokio::test]
async fn a_preview_knows_which_changes_make_a_revision() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let task = |image: &str, tag: &str| {
        json!({
            "family": "web",
            "containerDefinitions": [{ "name": "app", "image": image }],
            "cpu": "256",
            "memory": "512",
            "tags": { "tag": tag },
        })
    };
    let mut olds = task("nginx:1", "1");
    olds["arn"] = "arn:…:1".into();
    for (news, known) in [(task("nginx:1", "2"), true), (task("nginx:2", "1"), false)] {
        let (olds, news) = (props(olds.clone()), props(news));
        let request = rpc::UpdateRequest { urn: urn("TaskDefinition"), olds, news, preview: true, ..Default::default() };
        let outputs = read(plugin.client.update(request).await.unwrap().into_inner().properties);
        assert_eq!(outputs["arn"] != Value::Unknown, known);
    }
}

/// A task of the second deployment that could not pull its image.
fn unpulled() -> (u16, Json) {
    let reason = "CannotPullContainerError: failed to resolve ref example/web:2: example/web:2: not found";
    let task = json!({
        "taskArn": "arn:aws:ecs:eu-central-1:123456789012:task/main/1",
        "startedBy": "ecs-svc/2",
        "stopCode": "TaskFailedToStart",
        "stoppedReason": reason,
        "containers": [{ "name": "app" }],
    });
    (200, json!({ "tasks": [task], "taskArns": ["arn:aws:ecs:eu-central-1:123456789012:task/main/1"] }))
}

fn definition() -> (u16, Json) {
    let container = json!({ "name": "app", "image": "example/web:2" });
    (200, json!({ "taskDefinition": { "family": "web", "containerDefinitions": [container] } }))
}

/// The second deployment, of which so many tasks have failed.
fn failing(tasks: u32) -> Json {
    let mut failing = deployment(2, "PRIMARY", "IN_PROGRESS");
    failing["failedTasks"] = tasks.into();
    failing
}

#[tokio::test]
async fn what_cannot_get_better_is_given_up_and_rolled_back_as_configured() {
    let breaker_off = |deployment: Json| {
        let mut service = service("ACTIVE", &[deployment, self::deployment(1, "ACTIVE", "COMPLETED")]);
        service["deploymentConfiguration"]["deploymentCircuitBreaker"]["enable"] = false.into();
        service["currentServiceDeployment"] = "arn:aws:ecs:eu-central-1:123456789012:service-deployment/main/web/2".into();
        service
    };
    let aws = FakeAws::answering(move |operation, _| match operation {
        "UpdateService" => (200, json!({ "service": breaker_off(failing(0)) })),
        "DescribeServices" => (200, json!({ "services": [breaker_off(failing(1))] })),
        "ListTasks" | "DescribeTasks" => unpulled(),
        "DescribeTaskDefinition" => definition(),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = init_failed(&plugin.client.update(update(outputs(1), 2)).await.unwrap_err());
    let told: Vec<_> = failed.reasons[0].split("\n\t  ").take(4).collect();
    assert_eq!(
        told,
        [
            "image example/web:2 of container app does not exist",
            "way out: push it, or correct `image` of container app in TaskDefinition web",
            "what happens now: the circuit breaker is off, so AWS is asked to roll back",
            "the deployment of web:2 cannot succeed",
        ]
    );
    assert_eq!(aws.requests("StopServiceDeployment")[0]["stopType"], "ROLLBACK");
    assert_eq!(aws.count("DescribeServices"), 2, "one look, and one closing read");
}

#[tokio::test]
async fn how_the_deployment_before_ended_is_not_how_ours_did() {
    let arn = "arn:aws:ecs:eu-central-1:123456789012:service-deployment/main/web/1";
    let naming_the_one_before = move |deployments: &[Json]| {
        let mut service = service("ACTIVE", deployments);
        service["currentServiceDeployment"] = arn.into();
        json!({ "service": service.clone(), "services": [service] })
    };
    let aws = FakeAws::answering(move |operation, n| match (operation, n) {
        ("UpdateService", _) | ("DescribeServices", 1) => {
            (200, naming_the_one_before(&[deployment(2, "PRIMARY", "IN_PROGRESS"), deployment(1, "ACTIVE", "COMPLETED")]))
        }
        ("DescribeServices", _) => shown(&[deployment(3, "PRIMARY", "IN_PROGRESS")]),
        ("DescribeServiceDeployments", _) => {
            let before = json!({ "serviceDeploymentArn": arn, "status": "SUCCESSFUL", "finishedAt": 90 });
            (200, json!({ "serviceDeployments": [before] }))
        }
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = init_failed(&plugin.client.update(update(outputs(1), 2)).await.unwrap_err());
    assert!(failed.reasons[0].starts_with("another deployment, of web:3, took the place"), "{}", failed.reasons[0]);
    assert!(aws.count("DescribeServiceDeployments") > 0);
}

#[tokio::test]
async fn a_deployment_that_still_fails_starts_anew() {
    let aws = FakeAws::answering(move |operation, n| match (operation, n) {
        ("UpdateService", 1) => changed(&[failing(4)]),
        ("UpdateService", _) => changed(&[deployment(3, "PRIMARY", "COMPLETED")]),
        _ => shown(&[deployment(3, "PRIMARY", "COMPLETED")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    plugin.client.update(update(outputs(1), 2)).await.unwrap();
    assert_eq!(aws.requests("UpdateService")[1]["forceNewDeployment"], true);
    assert_eq!(aws.count("ListTasks"), 0, "those tasks failed before");
}

#[tokio::test]
async fn a_deployment_of_somebody_else_is_named() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "UpdateService" => changed(&[deployment(2, "PRIMARY", "IN_PROGRESS")]),
        _ => shown(&[deployment(7, "PRIMARY", "IN_PROGRESS"), deployment(2, "ACTIVE", "IN_PROGRESS")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = init_failed(&plugin.client.update(update(outputs(1), 2)).await.unwrap_err());
    let reason = "another deployment, of web:7, took the place of the one that was started for service web\n\t  \
                  way out: find out who else deploys this service";
    assert!(failed.reasons[0].starts_with(reason), "{:?}", failed.reasons);
}

#[tokio::test]
async fn a_change_that_starts_no_deployment_waits_for_none() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "UpdateService" => changed(&[deployment(1, "PRIMARY", "IN_PROGRESS")]),
        _ => shown(&[deployment(1, "PRIMARY", "IN_PROGRESS")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut more = inputs(1);
    more["desiredCount"] = 3.into();
    let request = rpc::UpdateRequest { news: props(more), ..update(outputs(1), 1) };
    plugin.client.update(request).await.unwrap();
    assert_eq!(aws.calls()[1..], ["UpdateService", "DescribeServices"]);
}

#[tokio::test]
async fn what_aws_does_not_show_yet_is_waited_for() {
    let old = || deployment(1, "PRIMARY", "COMPLETED");
    let aws = FakeAws::answering(move |operation, n| match (operation, n) {
        ("UpdateService", _) => changed(&[deployment(2, "PRIMARY", "IN_PROGRESS"), deployment(1, "ACTIVE", "COMPLETED")]),
        ("DescribeServices", 1) => shown(&[old()]),
        _ => shown(&[deployment(2, "PRIMARY", "COMPLETED")]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    plugin.client.update(update(outputs(1), 2)).await.unwrap();
}

#[tokio::test]
async fn who_else_deploys_is_left_alone() {
    let theirs = || deployment(7, "PRIMARY", "COMPLETED");
    let aws = FakeAws::answering(move |operation, _| match operation {
        "UpdateService" => changed(&[theirs()]),
        _ => shown(&[theirs()]),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut more = inputs(1);
    more["desiredCount"] = 3.into();
    let ignore_changes = vec!["taskDefinition".to_owned()];
    let request = rpc::UpdateRequest { news: props(more), ignore_changes: ignore_changes.clone(), ..update(outputs(1), 1) };
    plugin.client.update(request).await.unwrap();
    plugin.client.update(rpc::UpdateRequest { ignore_changes, ..update(outputs(1), 1) }).await.unwrap();
    let sent = aws.requests("UpdateService");
    assert!(sent.len() == 1 && sent[0].get("taskDefinition").is_none(), "{sent:?}");
}
