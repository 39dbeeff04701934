//! What Check of one resource knows of those that were checked before. No test here has an AWS to call.

use pulumi_provider::rpc;
use serde_json::{Value as Json, json};

use super::UNREACHABLE;
use crate::support::{FakeEngine, Plugin, URN, props, told};

const UNKNOWN: &str = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const TASK: &str = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:3";

fn urn(kind: &str) -> String {
    URN.replace("Cluster", kind)
}

fn task() -> Json {
    let logs = json!({ "logDriver": "splunk", "options": { "splunk-url": "https://splunk", "splunk-token": "t" } });
    let ports = json!([{ "containerPort": 8000 }]);
    let app = json!({ "name": "app", "image": "nginx", "portMappings": ports, "logConfiguration": logs });
    json!({ "family": "web", "containerDefinitions": [app] })
}

fn service(task: &str) -> Json {
    let balancer = json!({ "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/another/1", "containerName": "app", "containerPort": 80 });
    json!({ "taskDefinition": task, "networkConfiguration": { "subnets": ["subnet-1"] }, "loadBalancers": [balancer] })
}

const REASON: &str = "is 80, which is not in portMappings of container app of task definition web; it has 8000";

/// A plugin that an engine has started.
async fn started(engine: &FakeEngine) -> Plugin {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    let request = rpc::ProviderHandshakeRequest { engine_address: engine.address.clone(), ..Default::default() };
    plugin.client.handshake(request).await.expect("a handshake");
    plugin.configure(json!({})).await;
    plugin
}

#[tokio::test]
async fn a_reference_that_is_not_known_yet_is_compared_with_what_is_declared() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    assert!(plugin.check(&urn("TaskDefinition"), task()).await.failures.is_empty());
    let checked = plugin.check(&urn("Service"), service(UNKNOWN)).await;
    let told = told(&checked.failures);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with(&format!("loadBalancers[0].containerPort {REASON}; if it refers to a resource of another package"))
    );
}

#[tokio::test]
async fn a_warning_is_given_once_and_to_whom_it_concerns() {
    let engine = FakeEngine::start().await;
    let mut plugin = started(&engine).await;
    let group = json!({ "name": "logs", "logGroupClass": "OF_TOMORROW" });
    let checked = plugin.check(&urn("LogGroup"), group.clone()).await;
    assert!(checked.failures.is_empty());
    // The engine knows before it has the answer.
    let lines = engine.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert!(line.message.starts_with("logGroupClass is \"OF_TOMORROW\", a value that this version does not know"));
    assert_eq!((line.urn.as_str(), line.severity(), line.ephemeral), (&*urn("LogGroup"), rpc::LogSeverity::Warning, false));
    plugin.check(&urn("LogGroup"), group.clone()).await;
    assert_eq!(engine.lines().len(), 1);

    // Another run, in which nothing changes.
    plugin.configure(json!({})).await;
    let unchanged = rpc::CheckRequest { urn: urn("LogGroup"), olds: checked.inputs, news: props(group), ..Default::default() };
    plugin.client.check(unchanged).await.unwrap();
    assert_eq!(engine.lines().len(), 1);
}

#[tokio::test]
async fn what_is_known_of_a_run_ends_with_it() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let checked = plugin.check(&urn("TaskDefinition"), task()).await.inputs;
    assert!(plugin.check(&urn("Service"), service(TASK)).await.failures.is_empty(), "nobody knows the revision");
    let mut olds = checked.clone().unwrap();
    olds.fields.extend(props(json!({ "arn": TASK })).unwrap().fields);
    let request = rpc::DiffRequest {
        urn: urn("TaskDefinition"),
        id: "web".to_owned(),
        olds: Some(olds),
        old_inputs: checked.clone(),
        news: checked,
        ..Default::default()
    };
    plugin.client.diff(request.clone()).await.unwrap();
    assert_eq!(
        told(&plugin.check(&urn("Service"), service(TASK)).await.failures),
        [format!("loadBalancers[0].containerPort {REASON}")]
    );
    // A service may stay with an earlier revision.
    assert!(plugin.check(&urn("Service"), service("web:2")).await.failures.is_empty());
    plugin.configure(json!({})).await;
    assert!(plugin.check(&urn("Service"), service(TASK)).await.failures.is_empty());
}

#[tokio::test]
async fn a_process_that_serves_several_providers_guesses_nothing() {
    let engine = FakeEngine::start().await;
    let mut plugin = started(&engine).await;
    plugin.client.attach(rpc::PluginAttach { address: engine.address.clone() }).await.unwrap();
    plugin.configure(json!({})).await;
    plugin.check(&urn("TaskDefinition"), task()).await;
    assert!(plugin.check(&urn("Service"), service(UNKNOWN)).await.failures.is_empty());
    assert!(engine.lines().is_empty(), "{:?}", engine.lines());
}

#[tokio::test]
async fn a_secret_of_one_resource_is_not_in_what_is_told_of_another() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let containers = json!([{ "name": "hush", "image": "nginx", "portMappings": [{ "containerPort": 80 }] }]);
    let secret = json!({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": containers });
    plugin.check(&urn("TaskDefinition"), json!({ "family": "web", "containerDefinitions": secret })).await;
    let checked = plugin.check(&urn("Service"), service(UNKNOWN)).await;
    let told = told(&checked.failures);
    assert!(told.len() == 1 && told[0].contains("there are [secret]") && !told[0].contains("hush"), "{told:?}");
}

#[tokio::test]
async fn two_resources_of_one_fixed_name_are_refused_at_once() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let (logs, other) = (json!({ "name": "web" }), format!("{}-other", urn("LogGroup")));
    for _ in 0..2 {
        assert!(plugin.check(&urn("LogGroup"), logs.clone()).await.failures.is_empty(), "a replacement is checked twice");
    }
    let checked = plugin.check(&other, logs.clone()).await;
    let told = told(&checked.failures);
    assert!(told.len() == 1 && told[0].starts_with("name is \"web\", as that of LogGroup "), "{told:?}");
    assert!(plugin.check(&other, json!({ "name": "web", "region": "eu-west-1" })).await.failures.is_empty());
    // The next run declares it alone: what it is called in the program has changed.
    plugin.configure(json!({})).await;
    assert!(plugin.check(&other, logs).await.failures.is_empty());
}

/// A check of what had the inputs `olds` before; none if it is new.
async fn checked_again(plugin: &mut Plugin, kind: &str, olds: Json, news: Json) -> Vec<String> {
    let request = rpc::CheckRequest {
        urn: urn(kind),
        olds: props(olds),
        news: props(news),
        random_seed: vec![7; 32],
        ..Default::default()
    };
    let checked = plugin.client.check(request).await.expect("an answer").into_inner();
    told(&checked.failures).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_listener_keeps_no_target_group_that_is_deleted_first() {
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:";
    let group = |name: &str, port: u16| json!({ "name": name, "vpcId": "vpc-1", "port": port });
    let forward = |arn: &str| json!([{ "type": "forward", "targetGroupArn": arn }]);
    let listener = |arn: &str| json!({ "loadBalancerArn": format!("{ARN}loadbalancer/app/web/1"), "port": 80, "defaultActions": forward(arn) });
    let conditions = json!([{ "pathPattern": { "values": ["/"] } }]);
    let rule = |arn: &str| json!({ "listenerArn": format!("{ARN}listener/app/web/1/1"), "conditions": conditions, "actions": forward(arn) });
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let old = format!("{ARN}targetgroup/web/1");
    for (news, is_recreated) in [(group("web", 81), true), (group("web", 80), false), (group("other", 81), false)] {
        plugin.configure(json!({})).await;
        assert!(checked_again(&mut plugin, "TargetGroup", group("web", 80), news.clone()).await.is_empty());
        // The engine asks again for the inputs of a replacement, and tells nothing of those before.
        assert!(checked_again(&mut plugin, "TargetGroup", json!({}), news).await.is_empty());
        for (kind, old, new) in [("Listener", listener(&old), listener(UNKNOWN)), ("ListenerRule", rule(&old), rule(UNKNOWN))] {
            let failures = checked_again(&mut plugin, kind, old, new).await;
            assert_eq!(failures.len(), usize::from(is_recreated), "{kind}: {failures:?}");
            let told = |it: &String| it.contains("ctions[0].targetGroupArn is target group web, which has to be deleted");
            assert!(failures.iter().all(told), "{failures:?}");
        }
    }
}
