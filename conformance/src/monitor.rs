//! The part of the engine that a component calls: it keeps what is registered, and makes up what comes of it.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use serde_json::{Value as Json, json};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    MESSAGE_LIMIT,
    engine::lock,
    rpc::{
        self, ResourceMonitorFeature as Feature,
        resource_monitor_server::{ResourceMonitor, ResourceMonitorServer},
    },
    run::STACK_URN,
    schema::{Schema, Spec},
    value::{Map, OUTPUT, SECRET, from_struct, secret, signature, to_struct, unknown},
};

/// A monitor on a port of its own.
pub struct Monitor {
    /// Where it listens: `127.0.0.1:port`.
    pub address: String,
    children: Children,
    told: Arc<Mutex<Told>>,
    /// Of its own, so that its connections end with it.
    runtime: Mutex<Option<Runtime>>,
}

/// What a monitor was told.
#[derive(Clone, Default)]
pub struct Told {
    /// In the order in which they came.
    pub registered: Vec<rpc::RegisterResourceRequest>,
    pub outputs: Vec<rpc::RegisterResourceOutputsRequest>,
}

/// What becomes of the children of a component.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Children {
    /// They are created.
    #[default]
    Made,
    /// They would be, in a preview.
    Foreseen,
    /// It does not end.
    Hanging,
    /// They fail, and the deployment goes on.
    Failed,
    /// They are left out, since what they need failed, and the deployment goes on.
    Skipped,
    /// Their registration is refused, and the deployment ends.
    Refused,
}

/// What a cloud would have made up for the output `property` of the resource `name`.
pub fn made_up(name: &str, property: &str) -> String {
    format!("{property}-of-{name}")
}

impl Monitor {
    /// Starts one that knows the resources of a schema.
    pub fn start(schema: &Schema, children: Children) -> Result<Self> {
        let told = Arc::<Mutex<Told>>::default();
        let service = Clerk { told: told.clone(), children, computed: computed(schema) };
        let service =
            ResourceMonitorServer::new(service).max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(async move {
            let server = Server::builder().add_service(service).add_service(tonic_health::server::health_reporter().1);
            let listener = TcpListener::from_std(listener)?;
            anyhow::Ok(server.serve_with_incoming(TcpListenerStream::new(listener)).await?)
        });
        Ok(Self { address, children, told, runtime: Mutex::new(Some(runtime)) })
    }

    /// What the engine says to construct a component under the stack.
    pub fn construct(&self, token: &str, name: &str, inputs: &Map) -> rpc::ConstructRequest {
        rpc::ConstructRequest {
            project: "conformance".to_owned(),
            stack: "dev".to_owned(),
            organization: "organization".to_owned(),
            dry_run: self.children == Children::Foreseen,
            parallel: 16,
            monitor_endpoint: self.address.clone(),
            r#type: token.to_owned(),
            name: name.to_owned(),
            parent: STACK_URN.to_owned(),
            inputs: Some(to_struct(inputs)),
            custom_timeouts: Some(rpc::construct_request::CustomTimeouts::default()),
            accepts_output_values: true,
            ..Default::default()
        }
    }

    /// Ends it, as the engine does when a deployment has failed.
    pub fn kill(&self) {
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }

    /// What it was told so far.
    pub fn told(&self) -> Told {
        lock(&self.told).clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Told {
    /// The component of this type, as it was registered.
    pub fn component(&self, token: &str) -> Option<&rpc::RegisterResourceRequest> {
        self.registered.iter().find(|it| !it.custom && it.r#type == token)
    }

    /// All that was registered, but for the component itself.
    pub fn children(&self, token: &str) -> Vec<&rpc::RegisterResourceRequest> {
        let component = self.component(token);
        self.registered.iter().filter(|it| component.is_none_or(|component| !std::ptr::eq(*it, component))).collect()
    }
}

/// The URN that the engine gives.
pub fn urn_of(request: &rpc::RegisterResourceRequest) -> String {
    let mut parts = request.parent.split("::").skip(2);
    let parent = parts.next().filter(|_| request.parent != STACK_URN).map(|it| format!("{it}$")).unwrap_or_default();
    format!("urn:pulumi:dev::conformance::{parent}{}::{}", request.r#type, request.name)
}

/// A value as the engine keeps it: output values are what they hold.
pub fn flat(value: &Json) -> Json {
    match (signature(value), value) {
        (Some(OUTPUT), _) => {
            let inner = value.get("value").map_or_else(unknown, flat);
            if value["secret"] == true { secret(&inner) } else { inner }
        }
        (Some(SECRET), _) => secret(&flat(&value["value"])),
        (_, Json::Array(items)) => items.iter().map(flat).collect(),
        (_, Json::Object(map)) => Json::Object(flat_map(map)),
        _ => value.clone(),
    }
}

/// [`flat`], of a whole map.
pub fn flat_map(map: &Map) -> Map {
    map.iter().map(|(key, it)| (key.clone(), flat(it))).collect()
}

struct Clerk {
    told: Arc<Mutex<Told>>,
    children: Children,
    /// The outputs of each resource that are no inputs.
    computed: BTreeMap<String, Vec<(String, Json)>>,
}

/// A value for every output that is always there and no input; texts are made up later.
fn computed(schema: &Schema) -> BTreeMap<String, Vec<(String, Json)>> {
    let outputs = schema.resources().map(|resource| {
        let outputs = resource.outputs().filter(|(name, _)| resource.input(name).is_none());
        let values = outputs.filter_map(|(name, spec)| Some((name.to_owned(), example(spec)?)));
        (resource.token.to_owned(), values.collect())
    });
    outputs.collect()
}

fn example(spec: Spec<'_>) -> Option<Json> {
    if let Some(names) = spec.names() {
        return names.first().map(|it| (*it).clone());
    }
    Some(match spec.kind()? {
        "string" => json!(""),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        "array" => json!([]),
        _ => return None,
    })
}

impl Clerk {
    /// What comes of a resource: its inputs, and what nobody but the cloud can know.
    fn result(&self, request: &rpc::RegisterResourceRequest) -> Map {
        let mut object = flat_map(&from_struct(request.object.as_ref()));
        if self.children == Children::Foreseen || !request.custom {
            return object;
        }
        for (name, example) in self.computed.get(&request.r#type).into_iter().flatten() {
            let value = if example == "" { json!(made_up(&request.name, name)) } else { example.clone() };
            let is_secret = request.additional_secret_outputs.contains(name);
            object.insert(name.clone(), if is_secret { secret(&value) } else { value });
        }
        object
    }
}

#[tonic::async_trait]
impl ResourceMonitor for Clerk {
    async fn get_deployment_info(&self, _: Request<()>) -> Result<Response<rpc::DeploymentInfo>, Status> {
        let features = (0..).map_while(|it| Feature::try_from(it).ok()).map(i32::from).collect();
        Ok(Response::new(rpc::DeploymentInfo {
            project: "conformance".to_owned(),
            stack: "dev".to_owned(),
            organization: "organization".to_owned(),
            dry_run: self.children == Children::Foreseen,
            parallel: 16,
            supported_features: features,
            ..Default::default()
        }))
    }

    async fn supports_feature(
        &self,
        _: Request<rpc::SupportsFeatureRequest>,
    ) -> Result<Response<rpc::SupportsFeatureResponse>, Status> {
        Ok(Response::new(rpc::SupportsFeatureResponse { has_support: true }))
    }

    async fn register_resource(
        &self,
        request: Request<rpc::RegisterResourceRequest>,
    ) -> Result<Response<rpc::RegisterResourceResponse>, Status> {
        let request = request.into_inner();
        lock(&self.told).registered.push(request.clone());
        let mut response = rpc::RegisterResourceResponse {
            urn: urn_of(&request),
            object: Some(to_struct(&self.result(&request))),
            ..Default::default()
        };
        match self.children {
            _ if !request.custom => {}
            Children::Made => response.id = made_up(&request.name, "id"),
            Children::Foreseen => {}
            Children::Hanging => pending().await,
            Children::Failed if request.supports_result_reporting => response.set_result(rpc::Result::Fail),
            Children::Skipped if request.supports_result_reporting => response.set_result(rpc::Result::Skip),
            Children::Failed | Children::Skipped | Children::Refused => {
                return Err(Status::unknown("resource registration failed"));
            }
        }
        Ok(Response::new(response))
    }

    async fn register_resource_outputs(
        &self,
        request: Request<rpc::RegisterResourceOutputsRequest>,
    ) -> Result<Response<()>, Status> {
        lock(&self.told).outputs.push(request.into_inner());
        Ok(Response::new(()))
    }
}
