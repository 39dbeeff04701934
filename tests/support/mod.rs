//! The plugin under test, an engine to report to, a monitor to register with, and an AWS that answers as it is told.

mod aws;
mod engine;
mod monitor;
mod plugin;

pub use aws::FakeAws;
pub use engine::FakeEngine;
pub use monitor::FakeMonitor;
pub use plugin::{Plugin, URN};

use std::{collections::BTreeMap, fs, path::Path};

use prost::Message as _;
use prost_types::{Any, Struct};
use pulumi_provider::{
    rpc,
    value::{Map, Value, map_from_proto, map_to_proto},
};
use serde_json::{Value as Json, json};
use tonic::Status;

/// JSON as the protocol carries it.
#[expect(clippy::unnecessary_wraps, reason = "messages hold structs in options")]
pub fn props(json: Json) -> Option<Struct> {
    Some(map_to_proto(map(json)))
}

/// JSON as the provider sees it.
pub fn map(json: Json) -> Map {
    let Value::Object(map) = json.into() else { panic!("not an object") };
    map
}

/// A struct of the protocol, as the provider sees it.
pub fn read(properties: Option<Struct>) -> Map {
    map_from_proto(properties.expect("properties"))
}

/// The files of `tests/task_definitions`, by family.
pub fn task_definitions() -> BTreeMap<String, Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/task_definitions");
    let files = fs::read_dir(folder).expect("the samples").map(|it| it.expect("a file").path());
    let samples = files.filter(|it| it.extension().is_some_and(|it| it == "json"));
    let parsed = samples.map(|it| serde_json::from_str::<Json>(&fs::read_to_string(it).expect("text")).expect("JSON"));
    parsed.map(|it| (it["family"].as_str().expect("a family").to_owned(), it)).collect()
}

/// What the user reads of each mistake. None may name a property: the engine would print its value.
pub fn told(failures: &[rpc::CheckFailure]) -> Vec<&str> {
    assert!(failures.iter().all(|it| it.property.is_empty()));
    failures.iter().map(|it| it.reason.as_str()).collect()
}

/// Inputs of a good cluster, as Check returns them.
pub fn cluster() -> Json {
    json!({ "name": "main", "capacityProviders": ["FARGATE", "FARGATE_SPOT"] })
}

#[derive(prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// What the engine records of a resource that was made and is of no use yet.
pub fn init_failed(status: &Status) -> rpc::ErrorResourceInitFailed {
    detail(status, "ErrorResourceInitFailed")
}

/// The detail of an error, which has this name.
pub fn detail<M: prost::Message + Default>(status: &Status, name: &str) -> M {
    let detailed = RpcStatus::decode(status.details()).expect("details");
    assert_eq!(detailed.code, i32::from(status.code()), "grpc-go drops the details if the codes differ");
    let [detail] = detailed.details.as_slice() else { panic!("no detail in {status:?}") };
    assert_eq!(detail.type_url, format!("type.googleapis.com/pulumirpc.{name}"));
    M::decode(detail.value.as_slice()).expect(name)
}
