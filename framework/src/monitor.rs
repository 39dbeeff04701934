//! The engine's resource monitor, as a component meets it: what registers the component itself, its children and its outputs.
//! With `server.rs`, all that knows of gRPC and protobuf messages.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    error::Error as _,
    fmt,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    codec,
    output::Output,
    rpc::{
        self, MESSAGE_LIMIT, construct_response,
        register_resource_request::{CustomTimeouts, PropertyDependencies, ResourceHooksBinding},
        resource_monitor_client::ResourceMonitorClient,
    },
    value::{Map, Value, map_from_proto, map_to_proto},
};

/// A component that is being constructed, and the monitor that takes its children.
pub struct Monitor {
    client: ResourceMonitorClient<Channel>,
    urn: String,
    name: String,
    package: &'static str,
    provider: String,
    stack_trace: String,
    preview: bool,
    takes_outputs: bool,
    failed: Mutex<BTreeSet<String>>,
    /// The organization of the stack.
    pub organization: String,
    /// The project of the stack.
    pub project: String,
    /// The stack.
    pub stack: String,
}

/// The deployment has come to an end: there is nobody left to register anything with.
#[derive(Debug)]
pub struct ShutDown;

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deployment has come to an end")
    }
}

impl std::error::Error for ShutDown {}

/// A child to register.
pub struct Child<'a> {
    token: &'a str,
    name: &'a str,
    version: &'a str,
    depends_on: Vec<String>,
    secret_outputs: Vec<String>,
}

impl<'a> Child<'a> {
    /// A resource of the type `token`, which the program knows as the name of the component, a hyphen and `name`.
    pub fn new(token: &'a str, name: &'a str) -> Self {
        Self { token, name, version: "", depends_on: Vec::new(), secret_outputs: Vec::new() }
    }

    /// The version of the provider that it needs, if that is not this one.
    #[must_use]
    pub fn version(self, version: &'a str) -> Self {
        Self { version, ..self }
    }

    /// Waits for another one, of which no input of this comes.
    #[must_use]
    pub fn depends_on(mut self, other: &Registered) -> Self {
        self.depends_on.push(other.urn.clone());
        self
    }

    /// An output that is never to be shown, where its provider does not say so itself.
    #[must_use]
    pub fn secret_output(mut self, name: &str) -> Self {
        self.secret_outputs.push(name.to_owned());
        self
    }
}

/// A child that is as it was declared; or, in a preview or after a failure that others survive, may become so.
pub struct Registered {
    /// What other resources know it by.
    pub urn: String,
    id: String,
    outputs: Map,
    settled: bool,
}

impl Registered {
    /// Its id.
    pub fn id(&self) -> Result<Output<String>> {
        let known = !self.id.is_empty();
        self.read("id", known.then(|| Value::String(self.id.clone())).filter(|_| self.settled))
    }

    /// One of its outputs.
    pub fn output<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<Output<T>> {
        match self.outputs.get(name) {
            None if self.settled => bail!("{} has no output {name}", self.urn),
            value => self.read(name, value.cloned()),
        }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str, value: Option<Value>) -> Result<Output<T>> {
        let value = value.unwrap_or(Value::Unknown).depending_on([self.urn.clone()].into());
        Output::deserialize(&value).with_context(|| format!("the output {name} of {}", self.urn))
    }
}

impl Monitor {
    /// Registers the component that `request` asks for, with every option that came with it: the engine applies none by
    /// itself. Children of `package` will be of the provider that `own` refers to, unless the program chose another.
    pub async fn register_component(
        request: rpc::ConstructRequest,
        inputs: &Map,
        package: &'static str,
        own: Option<String>,
    ) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{}", request.monitor_endpoint))?;
        // A registration takes as long as the resource does: there is no limit of time.
        let channel = endpoint.http2_max_header_list_size(MAX_ERROR).connect_lazy();
        let client = ResourceMonitorClient::new(channel);
        let mut monitor = Self {
            client: client.max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT),
            urn: String::new(),
            name: request.name.clone(),
            package,
            provider: own.filter(|_| !request.providers.contains_key(package)).unwrap_or_default(),
            stack_trace: request.stack_trace_handle.clone(),
            preview: request.dry_run,
            takes_outputs: request.accepts_output_values,
            failed: Mutex::default(),
            organization: request.organization.clone(),
            project: request.project.clone(),
            stack: request.stack.clone(),
        };
        let what = format!("component {}", request.name);
        monitor.urn = monitor.register_resource(declaration(request, inputs), &what).await?.urn;
        Ok(monitor)
    }

    /// Registers a child, and returns once it is as declared.
    pub async fn register(&self, child: Child<'_>, inputs: &impl Serialize) -> Result<Registered> {
        let inputs = codec::encode(inputs)?;
        let sources: BTreeMap<_, _> = inputs.iter().map(|(name, it)| (name.clone(), it.dependencies())).collect();
        let dependencies: BTreeSet<_> = sources.values().flatten().cloned().chain(child.depends_on).collect();
        let ours = child.token.split(':').next() == Some(self.package);
        let request = rpc::RegisterResourceRequest {
            r#type: child.token.to_owned(),
            name: format!("{}-{}", self.name, child.name),
            parent: self.urn.clone(),
            custom: true,
            object: Some(map_to_proto(without_dependencies(&inputs))),
            dependencies: dependencies.into_iter().collect(),
            property_dependencies: sources.into_iter().map(|(name, urns)| (name, property_dependencies(urns))).collect(),
            provider: if ours { self.provider.clone() } else { String::new() },
            version: child.version.to_owned(),
            additional_secret_outputs: child.secret_outputs,
            parent_stack_trace_handle: self.stack_trace.clone(),
            ..registration()
        };
        let (name, what) = (request.name.clone(), format!("{} {}", request.r#type, request.name));
        let response = self.register_resource(request, &what).await?;
        // Where the deployment goes on, it does so without what failed, and without what depends on that.
        let failed = response.result() != rpc::Result::Success;
        if failed {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        }
        let known = !failed && !response.unknown;
        Ok(Registered {
            urn: response.urn,
            id: response.id,
            outputs: response.object.filter(|_| known).map(map_from_proto).unwrap_or_default(),
            settled: known && !self.preview,
        })
    }

    /// Completes the component, and tells the engine what it has come to.
    pub async fn complete(mut self, outputs: Map) -> Result<rpc::ConstructResponse> {
        let mut plain = without_dependencies(&outputs);
        let unknown: Vec<_> = outputs.iter().filter(|(_, it)| it.contains_unknown()).map(|(name, _)| name.as_str()).collect();
        // No state may hold something unknown.
        plain.retain(|name, _| self.preview || !unknown.contains(&name.as_str()));
        let request = rpc::RegisterResourceOutputsRequest { urn: self.urn.clone(), outputs: Some(map_to_proto(plain)) };
        let completed = self.client.register_resource_outputs(request).await;
        completed.map_err(|status| explain(&status, &format!("the outputs of {}", self.name)))?;
        let failed: Vec<_> = self.failed.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        // A program would take it for nothing, and go on with that.
        ensure!(unknown.is_empty() || failed.is_empty(), "without {} there is no {}", failed.join(", "), unknown.join(", "));
        let (mut state, mut state_dependencies) = (outputs, HashMap::new());
        if !self.takes_outputs {
            let dependencies =
                |it: &Value| construct_response::PropertyDependencies { urns: it.dependencies().into_iter().collect() };
            state_dependencies = state.iter().map(|(name, it)| (name.clone(), dependencies(it))).collect();
            state = without_dependencies(&state);
        }
        Ok(rpc::ConstructResponse { urn: self.urn, state: Some(map_to_proto(state)), state_dependencies })
    }

    async fn register_resource(
        &self,
        request: rpc::RegisterResourceRequest,
        what: &str,
    ) -> Result<rpc::RegisterResourceResponse> {
        let registered = self.client.clone().register_resource(request).await;
        registered.map(tonic::Response::into_inner).map_err(|status| explain(&status, what))
    }
}

/// How long an error of the engine's may be.
const MAX_ERROR: u32 = 16 << 20;

/// What holds for all that is registered: what we understand, and so may be answered.
fn registration() -> rpc::RegisterResourceRequest {
    rpc::RegisterResourceRequest {
        accept_secrets: true,
        accept_resources: true,
        supports_partial_values: true,
        supports_result_reporting: true,
        alias_specs: true,
        ..Default::default()
    }
}

/// The registration of a component. Its fields are those of the request, one by one; what is not set stays so, for then it
/// is inherited.
fn declaration(request: rpc::ConstructRequest, inputs: &Map) -> rpc::RegisterResourceRequest {
    rpc::RegisterResourceRequest {
        r#type: request.r#type,
        name: request.name,
        parent: request.parent,
        object: Some(map_to_proto(inputs.clone())),
        property_dependencies: request
            .input_dependencies
            .into_iter()
            .map(|(name, it)| (name, PropertyDependencies { urns: it.urns }))
            .collect(),
        protect: request.protect,
        providers: request.providers,
        dependencies: request.dependencies,
        additional_secret_outputs: request.additional_secret_outputs,
        custom_timeouts: request.custom_timeouts.map(|it| CustomTimeouts {
            create: it.create,
            update: it.update,
            delete: it.delete,
            read: it.read,
        }),
        deleted_with: request.deleted_with,
        delete_before_replace: request.delete_before_replace.unwrap_or_default(),
        delete_before_replace_defined: request.delete_before_replace.is_some(),
        ignore_changes: request.ignore_changes,
        replace_on_changes: request.replace_on_changes,
        retain_on_delete: request.retain_on_delete,
        hooks: request.resource_hooks.map(|it| ResourceHooksBinding {
            before_create: it.before_create,
            after_create: it.after_create,
            before_update: it.before_update,
            after_update: it.after_update,
            before_delete: it.before_delete,
            after_delete: it.after_delete,
            on_error: it.on_error,
        }),
        parent_stack_trace_handle: request.stack_trace_handle,
        replace_with: request.replace_with,
        aliases: request.aliases,
        replacement_trigger: request.replacement_trigger,
        ..registration()
    }
}

fn property_dependencies(urns: BTreeSet<String>) -> PropertyDependencies {
    PropertyDependencies { urns: urns.into_iter().collect() }
}

fn without_dependencies(map: &Map) -> Map {
    map.iter().map(|(name, it)| (name.clone(), it.without_dependencies())).collect()
}

/// Why `what` could not be registered. A connection that breaks is as much of an end as one that is closed in good order.
fn explain(status: &Status, what: &str) -> Error {
    match status.code() {
        Code::Unavailable => Error::new(ShutDown),
        _ if status.source().is_some() => Error::new(ShutDown),
        _ => Error::msg(format!("{what}: {}", status.message())),
    }
}
