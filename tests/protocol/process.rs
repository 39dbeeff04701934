//! The process: its one line, its signals, its end.

use std::{net::TcpStream, time::Duration};

use pulumi_provider::rpc;
use serde_json::json;

use super::UNREACHABLE;
use crate::support::{FakeAws, FakeEngine, Plugin, URN, cluster, init_failed, props, read};

/// An AWS in which a cluster is made, and never gets ready; `there` tells whether there is one before.
async fn never_ready(there: bool) -> FakeAws {
    FakeAws::answering(move |operation, n| match operation {
        "CreateCluster" => (200, json!({ "cluster": {} })),
        "DescribeClusters" if n == 1 && !there => (200, json!({ "clusters": [] })),
        _ => {
            let arn = "arn:aws:ecs:eu-central-1:1:cluster/main";
            (200, json!({ "clusters": [{ "clusterName": "main", "clusterArn": arn, "status": "PROVISIONING" }] }))
        }
    })
    .await
}

fn create() -> rpc::CreateRequest {
    rpc::CreateRequest { urn: URN.to_owned(), properties: props(cluster()), ..Default::default() }
}

/// An update in which nothing changed: it waits for the cluster again.
fn update() -> rpc::UpdateRequest {
    let inputs = props(cluster());
    rpc::UpdateRequest {
        urn: URN.to_owned(),
        id: "main".to_owned(),
        olds: inputs.clone(),
        old_inputs: inputs.clone(),
        news: inputs,
        ..Default::default()
    }
}

#[tokio::test]
async fn starts_however_it_is_called() {
    let all: [&[&str]; 4] =
        [&[], &["ignored"], &["127.0.0.1:1"], &["--logtostderr", "-v=9", "--tracing", "tcp://x", "127.0.0.1:1"]];
    for arguments in all {
        let mut plugin = Plugin::start_with(UNREACHABLE, arguments).await;
        let info = plugin.client.get_plugin_info(()).await.unwrap().into_inner();
        assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
        plugin.close_stdin();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(plugin.is_running(), "it ended when its stdin did");
        plugin.signal("TERM");
        let (status, took, rest) = plugin.ended().await;
        assert!(status.success() && took < Duration::from_secs(1), "{status} after {took:?}");
        assert_eq!(rest, "", "stdout carries the port and nothing else");
    }
}

#[test]
fn a_flag_that_nobody_knows_is_an_error() {
    let done = Plugin::command(&["--nonsense"]).output().unwrap();
    assert!(!done.status.success() && done.stdout.is_empty());
    assert!(String::from_utf8(done.stderr).unwrap().contains("--nonsense"));
}

#[tokio::test]
async fn listens_on_loopback_alone() {
    let plugin = Plugin::start(UNREACHABLE).await;
    let sockets =
        std::fs::read_to_string("/proc/net/tcp").unwrap() + &std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let port = format!(":{:04X}", plugin.port);
    let listening: Vec<_> =
        sockets.lines().filter_map(|it| it.split_whitespace().nth(1)).filter(|it| it.ends_with(&port)).collect();
    assert!(!listening.is_empty() && listening.iter().all(|it| it.starts_with("0100007F:")), "{listening:?}");
    TcpStream::connect(("127.0.0.1", plugin.port)).unwrap();
}

#[tokio::test]
async fn every_way_to_stop_it_stops_its_waits_and_keeps_what_was_made() {
    for stop in ["INT", "TERM", "Cancel"] {
        let aws = never_ready(false).await;
        let mut plugin = Plugin::configured(&aws.url).await;
        let mut client = plugin.client.clone();
        let creating = tokio::spawn(async move { client.create(create()).await });
        while aws.count("DescribeClusters") < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match stop {
            "Cancel" => {
                plugin.client.cancel(()).await.unwrap();
                plugin.client.cancel(()).await.unwrap();
            }
            signal => plugin.signal(signal),
        }
        let failed =
            tokio::time::timeout(Duration::from_secs(20), creating).await.expect("an answer at once").unwrap().unwrap_err();
        let failed = init_failed(&failed);
        assert_eq!(failed.id, "main");
        assert_eq!(read(failed.properties)["arn"].as_str(), Some("arn:aws:ecs:eu-central-1:1:cluster/main"));
        assert!(
            failed.reasons[0].starts_with("cancelled while waiting for cluster main; last seen: cluster provisioning"),
            "{failed:?}",
            failed = failed.reasons
        );
        if stop == "Cancel" {
            // Attached, one process serves many engines: what is cancelled does not stay cancelled.
            plugin.client.handshake(rpc::ProviderHandshakeRequest::default()).await.unwrap();
            let waiting = tokio::time::timeout(Duration::from_secs(1), plugin.client.update(update())).await;
            assert!(waiting.is_err(), "it did not wait: {waiting:?}");
        } else {
            assert!(plugin.ended().await.0.success());
        }
    }
}

#[tokio::test]
async fn what_aws_is_making_when_everything_stops_is_kept() {
    let aws = never_ready(false).await.pausing_at("CreateCluster", Duration::from_millis(500));
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut client = plugin.client.clone();
    let creating = tokio::spawn(async move { client.create(create()).await });
    while aws.count("CreateCluster") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    plugin.client.cancel(()).await.unwrap();
    let failed = creating.await.unwrap().unwrap_err();
    assert_eq!(init_failed(&failed).id, "main");
}

#[tokio::test]
async fn what_only_asks_or_deletes_is_given_up_when_everything_stops() {
    let urn = URN.to_owned();
    for (silent, rpc) in [
        ("DescribeClusters", "Read"),
        ("DeleteCluster", "Delete"),
        ("GetCallerIdentity", "Invoke"),
        ("GetCallerIdentity", "Create"),
        ("DescribeClusters", "Create"),
    ] {
        let aws = never_ready(true).await.pausing_at(silent, Duration::from_mins(1));
        let mut plugin = Plugin::configured(&aws.url).await;
        let (mut client, urn) = (plugin.client.clone(), urn.clone());
        let calling = tokio::spawn(async move {
            let id = "main".to_owned();
            match rpc {
                "Read" => client.read(rpc::ReadRequest { id, urn, ..Default::default() }).await.map(|_| ()),
                "Delete" => client.delete(rpc::DeleteRequest { id, urn, ..Default::default() }).await.map(|_| ()),
                "Create" => client.create(create()).await.map(|_| ()),
                _ => {
                    let tok = "fargate:index:getCallerIdentity".to_owned();
                    client.invoke(rpc::InvokeRequest { tok, ..Default::default() }).await.map(|_| ())
                }
            }
        });
        while aws.count(silent) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        plugin.client.cancel(()).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), calling).await.expect("an answer at once").unwrap();
        let text = ended.unwrap_err().message().to_owned();
        assert!(text.ends_with("cancelled before AWS answered"), "{rpc} while {silent} is silent: {text}");
        assert_eq!(aws.count("CreateCluster"), 0);
    }
}

#[tokio::test]
async fn no_timeout_is_beyond_all_clocks() {
    let aws = never_ready(true).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    for timeout in [f64::INFINITY, f64::NAN, f64::MAX, -1.0] {
        let request = rpc::ReadRequest { id: "main".to_owned(), urn: URN.to_owned(), timeout, ..Default::default() };
        assert_eq!(plugin.client.read(request).await.unwrap().into_inner().id, "main", "{timeout}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_the_next_is_served() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let huge = json!({ "name": "x".repeat((400 << 20) + 1) });
    let request = rpc::CheckRequest { urn: URN.to_owned(), news: props(huge), ..Default::default() };
    let mut client = plugin.client.clone().max_encoding_message_size(usize::MAX);
    assert_eq!(client.check(request).await.unwrap_err().code(), tonic::Code::OutOfRange);
    assert!(plugin.check(URN, cluster()).await.failures.is_empty());
}

#[tokio::test]
async fn a_wait_tells_the_engine_how_it_goes() {
    let aws = never_ready(true).await;
    let (first, second) = (FakeEngine::start().await, FakeEngine::start().await);
    let mut plugin = Plugin::start(&aws.url).await;
    for engine in [&first, &second] {
        let request = rpc::ProviderHandshakeRequest { engine_address: engine.address.clone(), ..Default::default() };
        plugin.client.handshake(request).await.unwrap();
        plugin.client.attach(rpc::PluginAttach { address: engine.address.clone() }).await.unwrap();
        plugin.configure(json!({})).await;
        // The program's own limit, in seconds.
        let failed = plugin.client.update(rpc::UpdateRequest { timeout: 3.0, ..update() }).await.unwrap_err();
        let reasons = init_failed(&failed).reasons;
        assert!(reasons[0].starts_with("gave up waiting for cluster main after"), "{reasons:?}");
        let lines = engine.lines();
        assert_eq!((lines[0].message.as_str(), lines[0].urn.as_str(), lines[0].ephemeral), ("cluster provisioning", URN, true));
        assert_eq!(lines[0].severity(), rpc::LogSeverity::Info);
    }
    assert_eq!(first.lines().len(), second.lines().len(), "each engine hears of its own resources");
}

#[tokio::test]
async fn thousands_of_calls_at_once_do_not_wait_for_each_other() {
    let aws = never_ready(true).await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut updating = Vec::new();
    for _ in 0..3000 {
        let mut client = plugin.client.clone();
        updating.push(tokio::spawn(async move { client.update(update()).await }));
    }
    while aws.count("DescribeClusters") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // None of the updates can end before Cancel: an answer is the proof, however busy the machine is.
    let checked = tokio::time::timeout(Duration::from_mins(2), plugin.check(URN, cluster())).await.expect("an answer at once");
    assert!(checked.failures.is_empty());
    assert!(aws.count("DescribeClusters") < 3000, "reads that arrive together share calls: {}", aws.count("DescribeClusters"));
    plugin.client.cancel(()).await.unwrap();
    for update in updating {
        assert!(update.await.unwrap().is_err());
    }
    assert_eq!(aws.count("GetCallerIdentity"), 1);
}
