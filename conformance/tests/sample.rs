//! The sample provider starts, and leads a Thing through its life.

#[path = "support/cloud.rs"]
mod cloud;

use std::{process::Stdio, time::Duration};

use prost_types::{Struct, Value, value::Kind};
use provider_conformance::rpc::{self, resource_provider_client::ResourceProviderClient};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

const URN: &str = "urn:pulumi:dev::test::sample:index:Thing::thing";

fn map(texts: &[(&str, &str)]) -> Struct {
    let value = |it: &str| Value { kind: Some(Kind::StringValue(it.to_owned())) };
    Struct { fields: texts.iter().map(|(name, it)| ((*name).to_owned(), value(it))).collect() }
}

fn text<'a>(map: Option<&'a Struct>, name: &str) -> &'a str {
    match map.and_then(|it| it.fields[name].kind.as_ref()) {
        Some(Kind::StringValue(it)) => it,
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn leads_a_thing_through_its_life() {
    let cloud = cloud::start(Duration::from_millis(200)).await.unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pulumi-resource-sample"))
        .args(["--logtostderr", "-v=9", "127.0.0.1:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next_line().await.unwrap().unwrap();
    let mut client = ResourceProviderClient::connect(format!("http://127.0.0.1:{port}")).await.unwrap();

    let hello = rpc::ProviderHandshakeRequest { engine_address: "127.0.0.1:1".to_owned(), ..Default::default() };
    assert!(client.handshake(hello).await.unwrap().get_ref().accept_secrets);
    let args = Some(map(&[("endpoint", &cloud), ("account", "a-1")]));
    client.configure(rpc::ConfigureRequest { args, ..Default::default() }).await.unwrap();

    let news = Some(map(&[("zone", "north")]));
    let check = rpc::CheckRequest { urn: URN.to_owned(), news, random_seed: vec![7; 32], ..Default::default() };
    let checked = client.check(check).await.unwrap().into_inner();
    assert_eq!(checked.failures, []);
    let properties = checked.inputs.clone();
    let create = rpc::CreateRequest { urn: URN.to_owned(), properties, ..Default::default() };
    let made = client.create(create).await.unwrap().into_inner();
    assert!(made.id.starts_with("thing-"), "{}", made.id);
    assert_eq!(text(made.properties.as_ref(), "arn"), format!("arn:sample:{}", made.id));

    let read = rpc::ReadRequest { id: made.id.clone(), urn: URN.to_owned(), ..Default::default() };
    let found = client.read(read.clone()).await.unwrap().into_inner();
    assert_eq!(found.properties, made.properties);
    assert_eq!(text(found.inputs.as_ref(), "zone"), "north");

    let delete = rpc::DeleteRequest { id: made.id.clone(), urn: URN.to_owned(), ..Default::default() };
    client.delete(delete).await.unwrap();
    assert_eq!(client.read(read).await.unwrap().into_inner(), rpc::ReadResponse::default());
}
