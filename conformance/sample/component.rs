//! The component Pair: two Things, registered with the engine as children of the Pair.

use std::time::Duration;

use prost::Message;
use provider_conformance::rpc::{
    self, RegisterResourceRequest, RegisterResourceResponse, construct_response, register_resource_request::PropertyDependencies,
    resource_monitor_client::ResourceMonitorClient,
};
use serde_json::Value as Json;
use tokio::time::sleep;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    MESSAGE_LIMIT, VERSION,
    engine::Engine,
    fault::fault,
    inputs::{self, Shape},
    status,
    values::{Map, dependencies, inner, output, plain, read, unknown, without_output, write},
};

/// The engine's side of a deployment.
struct Monitor(ResourceMonitorClient<Channel>);

/// Constructs a Pair. `own` is the reference to this provider, for its children.
pub(crate) async fn construct(
    request: rpc::ConstructRequest,
    own: Option<String>,
    engine: &Engine,
) -> Result<rpc::ConstructResponse, Status> {
    if request.r#type != "sample:index:Pair" {
        return Err(Status::invalid_argument(format!("there is no component {:?} in the package sample", request.r#type)));
    }
    let given = read(request.inputs.clone());
    if fault(131) && given.values().any(|it| plain(it) == unknown()) {
        return Err(Status::invalid_argument("the inputs have to be known"));
    }
    let mut inputs = given.clone();
    let failures = inputs::check(&mut inputs, Shape::of_resource(&request.r#type));
    if !failures.is_empty() {
        return Err(status::wrong_inputs(failures));
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", request.monitor_endpoint));
    let endpoint = endpoint.map_err(|it| Status::invalid_argument(format!("the monitor has no address: {it}")))?;
    let client = ResourceMonitorClient::new(endpoint.connect_lazy());
    let mut monitor = Monitor(client.max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT));

    let mut stop = engine.stop();
    let mut urn = None;
    tokio::select! {
        made = build(&mut monitor, &request, &inputs, own, &mut urn) => made,
        // When a child fails, the engine never answers; it cancels.
        _ = stop.changed(), if !fault(29) => match urn {
            Some(urn) => Ok(rpc::ConstructResponse { urn, ..Default::default() }),
            None => Err(Status::cancelled("cancelled before the component was registered")),
        },
    }
}

async fn build(
    monitor: &mut Monitor,
    request: &rpc::ConstructRequest,
    inputs: &Map,
    own: Option<String>,
    urn: &mut Option<String>,
) -> Result<rpc::ConstructResponse, Status> {
    let pair = monitor.register(component(request)).await?.urn;
    *urn = Some(pair.clone());
    let provider = request.providers.get("sample").cloned().or(own);
    let child = |part: &str| child(&pair, part, provider.as_deref(), request, inputs);
    let mut second = Monitor(monitor.0.clone());
    // Both end before this returns, whatever comes of one of them.
    let (first, second) = tokio::join!(monitor.register(child("first")), second.register(child("second")));
    let (first, second) = (first?, second?);
    let arn = |child: RegisterResourceResponse| {
        let known = child.result() == rpc::Result::Success;
        let arn = read(child.object).remove("arn").filter(|it| plain(it) != unknown());
        output(arn.filter(|_| known).map(|it| inner(&it).clone()), false, &if fault(133) { vec![] } else { vec![child.urn] })
    };
    let mut outputs = Map::from_iter([("first".to_owned(), arn(first)), ("second".to_owned(), arn(second))]);
    if let Some(password) = inputs.get("password") {
        let password = if fault(132) { plain(password) } else { password.clone() };
        outputs.insert("password".to_owned(), password);
    }
    if !fault(128) {
        monitor
            .0
            .register_resource_outputs(rpc::RegisterResourceOutputsRequest {
                urn: pair.clone(),
                outputs: Some(write(outputs.clone())),
            })
            .await?;
    }
    let mut response = rpc::ConstructResponse { urn: pair, ..Default::default() };
    if !request.accepts_output_values {
        let depends = |it: &Json| construct_response::PropertyDependencies { urns: dependencies(it).collect() };
        response.state_dependencies = outputs.iter().map(|(name, it)| (name.clone(), depends(it))).collect();
        outputs = outputs.into_iter().map(|(name, it)| (name, without_output(&it))).collect();
    }
    response.state = Some(write(outputs));
    Ok(response)
}

impl Monitor {
    /// Registers a resource and waits until it is made, which may take as long as it takes.
    async fn register(&mut self, request: RegisterResourceRequest) -> Result<RegisterResourceResponse, Status> {
        loop {
            match self.0.register_resource(request.clone()).await {
                Ok(it) if fault(136) && it.get_ref().result() != rpc::Result::Success => {}
                Err(status) if fault(137) && status.code() == Code::Unavailable => {}
                Err(status) => {
                    let why = format!("cannot register {:?}: {}", request.name, status.message());
                    return Err(Status::new(status.code(), why));
                }
                Ok(answer) => return Ok(answer.into_inner()),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The component itself: all that the program says of it goes on to the engine, as if the program had registered it.
fn component(request: &rpc::ConstructRequest) -> RegisterResourceRequest {
    let request = request.clone();
    let dependencies = request.input_dependencies.into_iter();
    let mut registration = RegisterResourceRequest {
        r#type: request.r#type,
        name: request.name,
        parent: request.parent,
        object: request.inputs,
        protect: request.protect,
        dependencies: request.dependencies,
        property_dependencies: dependencies.map(|(name, it)| (name, PropertyDependencies { urns: it.urns })).collect(),
        delete_before_replace: request.delete_before_replace.unwrap_or_default(),
        delete_before_replace_defined: request.delete_before_replace.is_some(),
        ignore_changes: request.ignore_changes,
        additional_secret_outputs: request.additional_secret_outputs,
        custom_timeouts: request.custom_timeouts.as_ref().and_then(recoded),
        providers: request.providers,
        replace_on_changes: request.replace_on_changes,
        retain_on_delete: request.retain_on_delete,
        aliases: request.aliases,
        deleted_with: request.deleted_with,
        hooks: request.resource_hooks.as_ref().and_then(recoded),
        parent_stack_trace_handle: request.stack_trace_handle,
        replace_with: request.replace_with,
        replacement_trigger: request.replacement_trigger,
        ..registration()
    };
    if fault(126) {
        (registration.aliases, registration.ignore_changes) = (vec![], vec![]);
    }
    if fault(127) {
        registration.protect = Some(registration.protect.unwrap_or_default());
    }
    if fault(135) {
        (registration.protect, registration.retain_on_delete, registration.hooks) = (None, None, None);
    }
    registration
}

/// One of the two Things, made of the inputs of the Pair as they came: with their secrets, unknowns and dependencies.
fn child(
    pair: &str,
    part: &str,
    provider: Option<&str>,
    request: &rpc::ConstructRequest,
    inputs: &Map,
) -> RegisterResourceRequest {
    let depends = |name: &str| {
        let urns = request.input_dependencies.get(name).map(|it| it.urns.clone()).unwrap_or_default();
        PropertyDependencies { urns: urns.into_iter().chain(inputs.get(name).into_iter().flat_map(dependencies)).collect() }
    };
    let mut inputs = inputs.clone();
    if fault(132) {
        inputs.values_mut().for_each(|it| *it = plain(it));
    }
    RegisterResourceRequest {
        r#type: "sample:index:Thing".to_owned(),
        name: if fault(129) { part.to_owned() } else { format!("{}-{part}", request.name) },
        parent: pair.to_owned(),
        custom: true,
        property_dependencies: inputs.keys().map(|it| (it.clone(), depends(it))).collect(),
        object: Some(write(inputs)),
        version: VERSION.to_owned(),
        provider: provider.filter(|_| !fault(130)).unwrap_or_default().to_owned(),
        additional_secret_outputs: vec!["password".to_owned(), "token".to_owned()],
        ..registration()
    }
}

/// What holds for all that is registered.
fn registration() -> RegisterResourceRequest {
    RegisterResourceRequest {
        accept_secrets: true,
        accept_resources: true,
        alias_specs: true,
        supports_partial_values: true,
        supports_result_reporting: true,
        ..Default::default()
    }
}

/// The same message by another name: Construct and Register have a type each of these.
fn recoded<T: Message + Default>(message: &impl Message) -> Option<T> {
    T::decode(message.encode_to_vec().as_slice()).ok()
}
