//! Create, Read, Update and Delete, where a local AWS cannot go: previews, failures, eventual consistency.

use std::collections::BTreeSet;

use pulumi_provider::{
    rpc,
    value::{Value, map_to_proto},
};
use serde_json::{Value as Json, json};
use tonic::Code;

use super::UNREACHABLE;
use crate::support::{FakeAws, Plugin, URN, cluster, init_failed, props, read, told};

const ARN: &str = "arn:aws:ecs:eu-central-1:123456789012:cluster/main";

fn described(status: &str) -> Json {
    json!({ "clusters": [{
        "clusterName": "main",
        "clusterArn": ARN,
        "status": status,
        "capacityProviders": ["FARGATE_SPOT", "FARGATE"],
        "tags": [{ "key": "aws:made-by", "value": "aws" }],
    }] })
}

fn create(preview: bool) -> rpc::CreateRequest {
    rpc::CreateRequest { urn: URN.to_owned(), properties: props(cluster()), preview, ..Default::default() }
}

#[tokio::test]
async fn a_preview_calls_nobody_and_knows_what_it_can() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let created = plugin.client.create(create(true)).await.unwrap().into_inner();
    let outputs = read(created.properties);
    assert_eq!((outputs["name"].as_str(), &outputs["arn"]), (Some("main"), &Value::Unknown));
    let update = rpc::UpdateRequest {
        urn: URN.to_owned(),
        olds: props(json!({ "name": "main", "arn": ARN })),
        news: props(cluster()),
        preview: true,
        ..Default::default()
    };
    let outputs = read(plugin.client.update(update).await.unwrap().into_inner().properties);
    assert_eq!(outputs["arn"].as_str(), Some(ARN), "what stays is known");
}

#[tokio::test]
async fn a_create_takes_its_calls_and_one_closing_read() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("CreateCluster", _) => (200, json!({ "cluster": {} })),
        ("DescribeClusters", 1) => (200, json!({ "clusters": [] })),
        _ => (200, described("ACTIVE")),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let created = plugin.client.create(create(false)).await.unwrap().into_inner();
    assert_eq!(created.id, "main");
    let outputs = read(created.properties);
    assert_eq!(outputs["capacityProviders"], read(props(cluster()))["capacityProviders"], "spelled as the program does");
    let names: BTreeSet<_> = outputs.keys().map(String::as_str).collect();
    assert!(names.is_superset(&BTreeSet::from(["arn", "capacityProviders", "name", "region"])) && !names.contains("id"));
    // Is there one already; make it; is it ready; what is it.
    let calls = ["GetCallerIdentity", "DescribeClusters", "CreateCluster", "DescribeClusters", "DescribeClusters"];
    assert_eq!(aws.calls(), calls);

    // Tags of AWS itself are none of ours: no update takes them away.
    let update = rpc::UpdateRequest {
        urn: URN.to_owned(),
        id: created.id,
        olds: Some(map_to_proto(outputs)),
        old_inputs: props(cluster()),
        news: props(json!({ "name": "main", "capacityProviders": ["FARGATE", "FARGATE_SPOT"], "tags": { "a": "b" } })),
        ..Default::default()
    };
    plugin.client.update(update).await.unwrap();
    assert_eq!((aws.count("TagResource"), aws.count("UntagResource")), (1, 0));
}

#[tokio::test]
async fn what_a_cluster_has_is_imported_and_what_is_left_out_is_not_sent() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "DescribeClusters" => {
            let mut answer = described("ACTIVE");
            let logs =
                json!({ "cloudWatchLogGroupName": "exec", "cloudWatchEncryptionEnabled": false, "s3EncryptionEnabled": false });
            answer["clusters"][0]["configuration"] =
                json!({ "executeCommandConfiguration": { "logging": "OVERRIDE", "logConfiguration": logs } });
            answer["clusters"][0]["serviceConnectDefaults"] = json!({ "namespace": "arn:aws:servicediscovery:::namespace/ns-1" });
            answer["clusters"][0]["settings"] = json!([{ "name": "containerInsights", "value": "enhanced" }]);
            (200, answer)
        }
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let request = rpc::ReadRequest { id: "main".to_owned(), urn: URN.to_owned(), ..Default::default() };
    let found = plugin.client.read(request).await.unwrap().into_inner();
    let inputs = read(found.inputs.clone());
    let exec = json!({ "logging": "OVERRIDE", "logConfiguration": { "cloudWatchLogGroupName": "exec" } });
    assert_eq!(inputs["configuration"], json!({ "executeCommandConfiguration": exec }).into());
    assert_eq!(inputs["serviceConnectDefaults"], json!({ "namespace": "arn:aws:servicediscovery:::namespace/ns-1" }).into());
    assert_eq!(inputs["settings"], json!([{ "name": "containerInsights", "value": "enhanced" }]).into());

    let update = |news: rpc::CheckResponse| rpc::UpdateRequest {
        urn: URN.to_owned(),
        id: "main".to_owned(),
        olds: found.properties.clone(),
        old_inputs: Some(map_to_proto(inputs.clone())),
        news: news.inputs,
        ..Default::default()
    };
    let checked = plugin.check(URN, json!({ "name": "main", "tags": { "a": "b" } })).await;
    plugin.client.update(update(checked)).await.unwrap();
    assert_eq!((aws.count("TagResource"), aws.count("UpdateCluster")), (1, 0));
    let checked =
        plugin.check(URN, json!({ "name": "main", "configuration": { "executeCommandConfiguration": { "logging": "NONE" } } }));
    let checked = checked.await;
    plugin.client.update(update(checked)).await.unwrap();
    let sent = json!({ "cluster": "main", "configuration": { "executeCommandConfiguration": { "logging": "NONE" } } });
    assert_eq!(aws.requests("UpdateCluster"), [sent]);
}

#[tokio::test]
async fn what_exists_already_is_not_taken_over() {
    let aws = FakeAws::answering(|_, _| (200, described("ACTIVE"))).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let refused = plugin.client.create(create(false)).await.unwrap_err();
    let way_out = "set another name, or take it over: `pulumi import fargate:index:Cluster <resource> main`";
    assert!(refused.message().starts_with(&format!("Cluster main exists already; {way_out}; if only")));
    assert_eq!(aws.count("CreateCluster"), 0);
}

#[tokio::test]
async fn an_update_leaves_alone_what_the_program_does_and_does_what_diff_saw() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "DescribeClusters" => (200, described("ACTIVE")),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let tagged =
        |it: &str| json!({ "name": "main", "capacityProviders": ["FARGATE", "FARGATE_SPOT"], "tags": { "a": it }, "arn": ARN });
    let update = |seen: &str, ignored: &[&str]| rpc::UpdateRequest {
        urn: URN.to_owned(),
        id: "main".to_owned(),
        olds: props(tagged(seen)),
        old_inputs: props(tagged("1")),
        news: props(tagged("2")),
        ignore_changes: ignored.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    plugin.client.update(update("9", &["tags"])).await.unwrap();
    assert_eq!(aws.count("TagResource"), 0, "it is left alone");
    plugin.client.update(update("2", &[])).await.unwrap();
    assert_eq!(aws.count("TagResource"), 1, "AWS seemed to have it, and may have lagged behind");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_told() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("CreateCluster", 1) => (
            400,
            json!({
                "__type": "InvalidParameterException",
                "message": "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
            }),
        ),
        ("CreateCluster", 2) => (200, json!({ "cluster": {} })),
        ("CreateCluster", _) => (400, json!({ "__type": "AccessDeniedException", "message": "You may not." })),
        ("DescribeClusters", 1 | 4) => (200, json!({ "clusters": [] })),
        _ => (200, described("ACTIVE")),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    plugin.client.create(create(false)).await.unwrap();
    assert_eq!(aws.count("CreateCluster"), 2);
    let refused = plugin.client.create(create(false)).await.unwrap_err();
    assert_eq!((refused.code(), aws.count("CreateCluster")), (Code::Aborted, 3), "a refusal that stays is not tried again");
    assert!(refused.details().is_empty(), "nothing was made");
    let text = refused.message();
    assert!(
        text.starts_with("CreateCluster: AccessDeniedException: You may not; allow this action to the user or role"),
        "{text}"
    );
}

#[tokio::test]
async fn what_fails_after_it_was_made_is_kept_and_repaired() {
    let aws = FakeAws::answering(|operation, n| match (operation, n) {
        ("CreateCluster", _) => (200, json!({ "cluster": {} })),
        ("DescribeClusters", 1) => (200, json!({ "clusters": [] })),
        ("DescribeClusters", 2..=3) => (200, described("FAILED")),
        ("DescribeClusters", _) => (200, described("ACTIVE")),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let failed = plugin.client.create(create(false)).await.unwrap_err();
    let failed = init_failed(&failed);
    assert_eq!(failed.id, "main");
    assert_eq!(failed.reasons, ["AWS could not attach what cluster main needs; `pulumi up` tries again"]);
    // The next up: an Update without a change.
    let update = rpc::UpdateRequest {
        urn: URN.to_owned(),
        id: failed.id,
        olds: failed.properties,
        old_inputs: props(cluster()),
        news: props(cluster()),
        ..Default::default()
    };
    let outputs = read(plugin.client.update(update).await.unwrap().into_inner().properties);
    assert_eq!(outputs["arn"].as_str(), Some(ARN));
}

#[tokio::test]
async fn what_is_gone_reads_as_nothing_at_all() {
    for clusters in [json!({ "clusters": [] }), described("INACTIVE")] {
        let aws = FakeAws::answering(move |_, _| (200, clusters.clone())).await;
        let mut plugin = Plugin::configured(&aws.url).await;
        for (inputs, properties) in [(None, None), (props(cluster()), props(cluster()))] {
            let request =
                rpc::ReadRequest { id: "main".to_owned(), urn: URN.to_owned(), inputs, properties, ..Default::default() };
            let found = plugin.client.read(request).await.unwrap().into_inner();
            assert_eq!(found, rpc::ReadResponse::default());
        }
    }
}

#[tokio::test]
async fn an_import_gives_inputs_that_a_program_would_have() {
    let aws = FakeAws::answering(|_, _| (200, described("ACTIVE"))).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    for id in ["main", ARN] {
        let request = rpc::ReadRequest { id: id.to_owned(), urn: URN.to_owned(), ..Default::default() };
        let found = plugin.client.read(request).await.unwrap().into_inner();
        assert_eq!(found.id, "main", "whatever form the id was pasted in");
        let inputs = read(found.inputs);
        let names: Vec<_> = inputs.keys().map(String::as_str).collect();
        assert_eq!(names, ["name"], "no defaults, no empties, no tags of AWS itself");
    }
    let request = rpc::ReadRequest { id: ARN.replace("eu-central-1", "eu-west-1"), urn: URN.to_owned(), ..Default::default() };
    let inputs = read(plugin.client.read(request).await.unwrap().into_inner().inputs);
    assert_eq!(inputs["region"].as_str(), Some("eu-west-1"), "an ARN tells its region");
}

#[tokio::test]
async fn what_is_gone_is_deleted() {
    let aws =
        FakeAws::answering(|_, _| (400, json!({ "__type": "ClusterNotFoundException", "message": "Cluster not found." }))).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let request =
        rpc::DeleteRequest { id: "main".to_owned(), urn: URN.to_owned(), properties: props(json!({})), ..Default::default() };
    plugin.client.delete(request).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_in_an_error() {
    let aws = FakeAws::answering(|operation, _| match operation {
        "CreateCluster" => (400, json!({ "__type": "ClientException", "message": "The name hush hush is wrong" })),
        _ => (200, json!({ "clusters": [] })),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let secret = json!({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hush hush" });
    let properties = props(json!({ "name": secret, "capacityProviders": [] }));
    let refused =
        plugin.client.create(rpc::CreateRequest { urn: URN.to_owned(), properties, ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.message(), "CreateCluster: ClientException: The name [secret] is wrong");
}

#[tokio::test]
async fn a_function_answers_and_tells_what_is_wrong_with_its_arguments() {
    let aws = FakeAws::answering(|_, _| (500, json!({}))).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let ask = |tok: &str, args: Json| rpc::InvokeRequest { tok: tok.to_owned(), args: props(args), ..Default::default() };
    let answer = plugin.client.invoke(ask("fargate:index:getCallerIdentity", json!({}))).await.unwrap().into_inner();
    assert_eq!(read(answer.r#return)["accountId"].as_str(), Some("123456789012"));
    let answer =
        plugin.client.invoke(ask("fargate:index:getCallerIdentity", json!({ "regoin": "x" }))).await.unwrap().into_inner();
    assert_eq!(told(&answer.failures), ["regoin is not a property here; did you mean region?"]);
    assert_eq!(plugin.client.invoke(ask("fargate:index:getNothing", json!({}))).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_log_group_gets_another_key_and_loses_it() {
    let arn = "arn:aws:logs:eu-central-1:123456789012:log-group:web";
    let key = "arn:aws:kms:eu-central-1:123456789012:key/one";
    let aws = FakeAws::answering(move |operation, _| match operation {
        "DescribeLogGroups" => (200, json!({ "logGroups": [{ "logGroupName": "web", "logGroupArn": arn, "kmsKeyId": key }] })),
        _ => (200, json!({})),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let group = |key: Option<&str>| {
        props(json!({ "name": "web", "retentionInDays": 0, "logGroupClass": "STANDARD", "kmsKeyId": key, "arn": arn }))
    };
    for (old, new) in [(None, Some(key)), (Some(key), None)] {
        let request = rpc::UpdateRequest {
            urn: URN.replace("Cluster", "LogGroup"),
            id: "web".to_owned(),
            olds: group(old),
            news: group(new),
            ..Default::default()
        };
        let outputs = read(plugin.client.update(request).await.unwrap().into_inner().properties);
        assert_eq!(outputs["kmsKeyId"].as_str(), Some(key), "as AWS has it");
    }
    let read = ["DescribeLogGroups", "ListTagsForResource"];
    let expected = [&["GetCallerIdentity", "AssociateKmsKey"], &read[..], &["DisassociateKmsKey"], &read[..]].concat();
    assert_eq!(aws.calls(), expected);
}
