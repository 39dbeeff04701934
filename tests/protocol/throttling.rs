//! Calls that AWS throttles, more of them than the quota of retries that the SDK gives a process by default.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::join_all;
use pulumi_provider::rpc;
use serde_json::{Value as Json, json};
use tonic::Status;

use crate::support::{FakeAws, Plugin, props};

const RESOURCES: usize = 100;
const THROTTLED: usize = 200;
/// A cluster of which AWS cannot answer the first calls, as many as its name says.
const LOST: &str = "lost-";

/// An AWS that throttles the first calls that create clusters.
async fn throttling() -> FakeAws {
    let (throttled, lost, there) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    FakeAws::answering_what_is_asked(move |operation, asked| {
        if operation == "CreateCluster" {
            let name = asked["clusterName"].as_str().unwrap_or_default();
            match name.strip_prefix(LOST) {
                None if throttled.fetch_add(1, Ordering::Relaxed) < THROTTLED => {
                    return (400, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
                }
                Some(times) if lost.fetch_add(1, Ordering::Relaxed) < times.parse().expect("a number") => {
                    return (500, json!({ "__type": "ServerException", "message": "AWS is out of order" }));
                }
                _ => {}
            }
            there.lock().expect("no panic").insert(name.to_owned());
            return (200, json!({ "cluster": {} }));
        }
        let there = there.lock().expect("no panic");
        let asked = asked["clusters"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let described = |name: &str| json!({ "clusterName": name, "clusterArn": format!("arn:aws:ecs:::cluster/{name}"), "status": "ACTIVE" });
        let clusters: Vec<_> = asked.filter(|it| there.contains(*it)).map(described).collect();
        (200, json!({ "clusters": clusters }))
    })
    .await
}

async fn create(plugin: &Plugin, name: &str) -> Result<(), Status> {
    let request = rpc::CreateRequest {
        urn: format!("urn:pulumi:dev::project::fargate:index:Cluster::{name}"),
        properties: props(json!({ "name": name, "capacityProviders": [] })),
        ..Default::default()
    };
    plugin.client.clone().create(request).await.map(drop)
}

async fn storm(retries: u32) {
    let aws = throttling().await;
    let mut plugin = Plugin::start(&aws.url).await;
    plugin.configure(json!({ "maxRetries": retries })).await;

    let names: Vec<_> = (0..RESOURCES).map(|it| format!("cluster-{it}")).collect();
    let created = join_all(names.iter().map(|it| create(&plugin, it))).await;
    let failed: Vec<_> = created.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} resources of {RESOURCES} failed, the first: {:?}", failed.len(), failed.first());
    assert_eq!(aws.count("CreateCluster"), THROTTLED + RESOURCES);

    // As many lost calls as there are retries are none too many, and one more is; throttled calls count for no other.
    for (lost, is_made) in [(retries, true), (retries + 1, false)] {
        let aws = throttling().await;
        let mut plugin = Plugin::start(&aws.url).await;
        plugin.configure(json!({ "maxRetries": retries })).await;
        let created = create(&plugin, &format!("{LOST}{lost}")).await;
        assert_eq!(created.is_ok(), is_made, "{lost} lost of {retries}: {created:?}");
        assert_eq!(aws.count("CreateCluster"), (retries + 1) as usize);
    }
}

#[tokio::test]
async fn throttled_calls_fail_no_resource_and_cost_no_other_call_its_retries() {
    storm(0).await;
    storm(1).await;
}
