//! Pulumi's requests, answered by what a package consists of. With `monitor.rs`, all that knows of gRPC and protobuf messages.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Error;
use futures::{FutureExt as _, StreamExt as _, stream};
use prost::Message as _;
use prost_types::{Any, Struct};
use tokio::{
    net::TcpStream,
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Request, Response, Status, codegen::BoxStream, transport::Endpoint};

use crate::{
    check::{self, Autonaming, Failure},
    cloud::{Cloud, MissingSetting, NoAccess},
    codec,
    diff::{self, Change, Kind},
    list::{self, Position, Step},
    monitor::{Monitor, ShutDown},
    package::Package,
    plan::{Plan, name_in},
    resource::{AnyResource, Before, Checked, Context, Made, Subject},
    rpc::{self, engine_client::EngineClient, property_diff, resource_provider_server::ResourceProvider},
    schema::Shapes,
    settings,
    value::{Map, Value, map_from_proto, map_to_proto, path_of_key},
    wait::Observer,
};

/// The provider, as the engine sees it.
pub struct Provider<C: Cloud>(Arc<State<C>>);

impl<C: Cloud> Clone for Provider<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct State<C: Cloud> {
    package: &'static Package<C>,
    settings: LazyLock<Shapes>,
    configured: RwLock<Option<Configured<C>>>,
    engine: Mutex<Engine>,
    plan: Plan,
    /// The components that are being constructed.
    constructions: TaskTracker,
}

/// The provider as the program wants it.
struct Configured<C> {
    /// None if the package calls no cloud.
    session: Option<Arc<C>>,
    /// Whether it was reported already that access to the cloud failed.
    reported: Arc<AtomicBool>,
    /// What the engine knows this instance by, `urn::id`.
    reference: Option<String>,
}

impl<C> Clone for Configured<C> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), reported: self.reported.clone(), reference: self.reference.clone() }
    }
}

/// The engine that talks to us now. In attach mode one process serves several, one after the other.
struct Engine {
    address: Option<String>,
    /// We were running before it was, and may serve several instances of the provider at once.
    attached: bool,
    log: Option<UnboundedSender<Line>>,
    cancel: CancellationToken,
}

type Reply<T> = Result<Response<T>, Status>;

impl<C: Cloud> Provider<C> {
    /// A provider of `package` that will report to the engine at `address`, if that is known yet.
    pub fn new(package: &'static Package<C>, address: Option<String>) -> Self {
        let engine = Engine { address: None, attached: false, log: None, cancel: CancellationToken::new() };
        let constructions = TaskTracker::new();
        // Only closed it can be waited for; it still takes more.
        constructions.close();
        let (configured, plan) = (RwLock::new(None), Plan::default());
        let settings = LazyLock::new(settings::shapes::<C> as fn() -> Shapes);
        let state = State { package, settings, configured, engine: Mutex::new(engine), plan, constructions };
        let provider = Self(Arc::new(state));
        provider.attach_to(address);
        provider
    }

    /// Stops every wait. What was made meanwhile is still answered.
    pub fn cancel_all(&self) {
        self.engine().cancel.cancel();
    }

    /// Returns when the engine is gone for good, so that no provider outlives the engine that started it.
    pub async fn engine_gone(&self) {
        let mut missed = 0;
        while missed < 2 {
            sleep(Duration::from_secs(5)).await;
            let address = self.engine().address.clone();
            let Some(address) = address.filter(|it| it.parse::<std::net::SocketAddr>().is_ok()) else { continue };
            missed = if TcpStream::connect(&address).await.is_ok() { 0 } else { missed + 1 };
        }
    }

    fn engine(&self) -> std::sync::MutexGuard<'_, Engine> {
        self.0.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach_to(&self, address: Option<String>) {
        let mut engine = self.engine();
        // What is cancelled does not stay cancelled, and what is not may be at work for another provider of this process.
        if engine.cancel.is_cancelled() {
            engine.cancel = CancellationToken::new();
        }
        if let Some(address) = address {
            engine.address = Some(address);
            engine.log = None;
        }
    }

    /// The way of lines to the engine that talks to us now, if it takes any.
    fn log(&self) -> Option<UnboundedSender<Line>> {
        let mut engine = self.engine();
        if engine.log.is_none() {
            engine.log = engine.address.as_deref().and_then(connect);
        }
        engine.log.clone()
    }

    /// Sends a line without waiting for it. An `ephemeral` one lasts until the next.
    fn line(&self, urn: &str, ephemeral: bool) -> impl Fn(&str) + Send + Sync + 'static {
        let (log, urn, secrets) = (self.log(), urn.to_owned(), self.0.plan.secrets.clone());
        move |line| {
            let severity = rpc::LogSeverity::Info.into();
            let message = secrets.hide(line.to_owned(), &[]);
            let request = rpc::LogRequest { severity, message, urn: urn.clone(), ephemeral, ..Default::default() };
            if let Some(log) = &log {
                // An engine that is gone needs no lines.
                _ = log.send(Line::Tell(request));
            }
        }
    }

    /// Waits until the engine has the lines that were sent: with the next answer, the run may be over.
    async fn told(&self) {
        let Some(log) = self.engine().log.clone() else { return };
        let (tell, told) = oneshot::channel();
        _ = log.send(Line::Told(tell));
        if !matches!(timeout(Duration::from_secs(2), told).await, Ok(Ok(()))) {
            tracing::debug!("the engine takes no lines");
        }
    }

    /// Warns the user of what is new.
    async fn warn(&self, urn: &str, warnings: &[Failure]) {
        let Some(log) = self.log() else { return };
        for message in warnings.iter().map(Failure::to_string).filter(|it| self.0.plan.tells(urn, it)) {
            let severity = rpc::LogSeverity::Warning.into();
            _ = log.send(Line::Tell(rpc::LogRequest { severity, message, urn: urn.to_owned(), ..Default::default() }));
        }
        self.told().await;
    }

    fn configured(&self) -> Result<Configured<C>, Status> {
        let configured = self.0.configured.read().unwrap_or_else(PoisonError::into_inner).clone();
        configured.ok_or_else(not_configured)
    }

    fn session(&self) -> Result<Arc<C>, Status> {
        self.configured()?.session.ok_or_else(not_configured)
    }

    /// The resource that a URN, `urn:pulumi:stack::project::parent$package:index:Service::name`, names by its type.
    fn resource(&self, urn: &str) -> Result<&'static dyn AnyResource<C>, Status> {
        self.of_type(urn.split("::").nth(2).unwrap_or_default().rsplit('$').next().unwrap_or_default())
    }

    fn of_type(&self, token: &str) -> Result<&'static dyn AnyResource<C>, Status> {
        self.0.package.resource(token).ok_or_else(|| Status::invalid_argument(self.no_such("resource", token)))
    }

    fn no_such(&self, what: &str, token: &str) -> String {
        let Package { name, version, .. } = self.0.package;
        format!("there is no {what} {token:?} in version {version} of {name}")
    }

    /// The region of the provider, if that is known.
    fn home(&self) -> Option<Value> {
        Some(Value::String(self.session().ok()?.region()?.to_owned()))
    }

    /// Settings in their own types, and what is wrong with them.
    fn typed(&self, settings: &Map) -> (Map, Vec<Failure>) {
        settings::typed::<C>(settings, self.0.settings.root())
    }

    /// A session with these settings.
    async fn configure_with(&self, settings: Option<Struct>) -> Result<C, Status> {
        let package = self.0.package.name;
        let (mut settings, failures) = self.typed(&read(settings));
        if !failures.is_empty() {
            let texts: Vec<_> = failures.iter().map(|it| format!("{package}:{it}")).collect();
            return Err(Status::invalid_argument(texts.join("; ")));
        }
        let missing = |it| missing_key(package, &it);
        settings.extend(C::settings_of_environment(&settings).await.map_err(missing)?);
        C::new(codec::decode(&settings).map_err(|error| self.refuse(&error, &[&settings]))?).map_err(missing)
    }

    /// Takes note of what others refer to a resource by.
    fn record(&self, urn: &str, id: Option<&str>, outputs: &Map) {
        self.0.plan.record(urn, id, &C::references(id, outputs));
    }

    /// What a preview says of the outputs of a resource.
    fn foresee(
        &self,
        urn: &str,
        id: Option<&str>,
        resource: &dyn AnyResource<C>,
        inputs: &Map,
        old_outputs: &Map,
    ) -> Option<Struct> {
        let outputs = resource.foresee(inputs, old_outputs);
        self.record(urn, id, &outputs);
        write(outputs)
    }

    /// The context of a request about a resource; `region` is the one that the resource is in, if that is its own.
    async fn context(&self, urn: &str, timeout: f64, region: Option<&str>) -> Result<Context<C>, Status> {
        let cancel = self.engine().cancel.child_token();
        // No timeout, or one beyond all clocks, is none.
        let timeout = Duration::try_from_secs_f64(timeout).ok().filter(|it| !it.is_zero());
        let deadline = timeout.and_then(|it| Instant::now().checked_add(it));
        let (progress, say) = (Box::new(self.line(urn, true)), Box::new(self.line(urn, false)));
        let observer = Observer { cloud: C::NAME, cancel, deadline, progress, say, secrets: self.0.plan.secrets.clone() };
        let Configured { session, reported, .. } = self.configured()?;
        let session = session.ok_or_else(not_configured)?;
        match Context::new(urn, session, region, observer).await {
            Ok(context) => Ok(context),
            Err(error) => match error.downcast_ref::<NoAccess>() {
                Some(cause) => Err(self.no_access(cause, &reported).await),
                None => Err(self.refuse(&error, &[])),
            },
        }
    }

    /// An error that is every resource's: told once and in full, at the top, where the engine shows what concerns the stack.
    async fn no_access(&self, cause: &NoAccess, reported: &AtomicBool) -> Status {
        let skipped = Error::msg(format!("skipped, access to {} failed earlier: {}", C::NAME, cause.cause()));
        if reported.swap(true, Ordering::Relaxed) {
            return self.refuse(&skipped, &[]);
        }
        let message = self.0.plan.secrets.hide(indented(&cause.0), &[]);
        let request =
            rpc::LogRequest { severity: rpc::LogSeverity::Error.into(), message: message.clone(), ..Default::default() };
        let (sent, arrived) = oneshot::channel();
        let told = self.log().is_some_and(|log| log.send(Line::Report(request, sent)).is_ok());
        let told = told && matches!(timeout(Duration::from_secs(2), arrived).await, Ok(Ok(true)));
        if told { self.refuse(&skipped, &[]) } else { Status::aborted(message) }
    }

    /// What the user reads of an error, without what is secret in `properties`. The engine indents only the first line.
    fn tell(&self, error: &Error, properties: &[&Map]) -> String {
        self.0.plan.secrets.hide(format!("{error:#}"), properties).replace('\n', "\n\t  ")
    }

    /// Nothing was made or changed.
    fn refuse(&self, error: &Error, properties: &[&Map]) -> Status {
        Status::aborted(self.tell(error, properties))
    }

    /// The mistakes in the inputs of a component. The engine shows the value at the path of each; so those of what is secret, by
    /// any account of the inputs, are told without one.
    fn wrong_inputs(&self, failures: &[Failure], inputs: &[&Map]) -> Status {
        let secrets = inputs.iter().flat_map(|it| it.iter()).filter(|(_, it)| it.contains_secret());
        let secret = |it: &Failure| secrets.clone().any(|(name, _)| it.path.starts_with(&path_of_key("", name)));
        let (hidden, shown): (Vec<_>, Vec<_>) = failures.iter().partition(|it| secret(it));
        let error = |it: &Failure| rpc::input_properties_error::PropertyError {
            property_path: it.path.clone(),
            reason: it.reason.clone(),
        };
        let detail = rpc::InputPropertiesError { errors: shown.into_iter().map(error).collect() };
        let texts = ["its inputs are wrong".to_owned()].into_iter().chain(hidden.into_iter().map(Failure::to_string));
        let message = self.0.plan.secrets.hide(texts.collect::<Vec<_>>().join("; "), inputs);
        with_detail(Code::InvalidArgument, &message, "InputPropertiesError", &detail)
    }

    /// The id and outputs of what was made; or, if it is of no use yet, an error by which the engine keeps both.
    fn finished(&self, made: Made, inputs: &Map) -> Result<(String, Option<Struct>), Status> {
        let Some(error) = made.unready else { return Ok((made.id, write(made.outputs))) };
        let reason = self.tell(&error, &[inputs, &made.outputs]);
        let detail = rpc::ErrorResourceInitFailed {
            id: made.id,
            properties: write(made.outputs),
            reasons: vec![reason.clone()],
            inputs: write(inputs.clone()),
            ..Default::default()
        };
        Err(with_detail(Code::Unknown, &reason, "ErrorResourceInitFailed", &detail))
    }
}

/// What is on its way to the engine's log.
enum Line {
    Tell(rpc::LogRequest),
    /// Someone waits to hear whether the engine takes it.
    Report(rpc::LogRequest, oneshot::Sender<bool>),
    /// Someone waits until all lines before are there.
    Told(oneshot::Sender<()>),
}

/// A way to send log lines to the engine at `address`. Nothing is sent, nor tried, before the first line.
fn connect(address: &str) -> Option<UnboundedSender<Line>> {
    let channel = Endpoint::from_shared(format!("http://{address}")).ok()?.connect_lazy();
    let (sender, mut lines) = unbounded_channel();
    tokio::spawn(async move {
        let mut engine = EngineClient::new(channel);
        while let Some(line) = lines.recv().await {
            match line {
                Line::Tell(request) => {
                    if engine.log(request).await.is_err() {
                        tracing::debug!("the engine takes no log lines");
                    }
                }
                Line::Report(request, sent) => _ = sent.send(engine.log(request).await.is_ok()),
                // Whoever waited may have given up.
                Line::Told(waiting) => _ = waiting.send(()),
            }
        }
    });
    Some(sender)
}

#[tonic::async_trait]
impl<C: Cloud> ResourceProvider for Provider<C> {
    async fn handshake(&self, request: Request<rpc::ProviderHandshakeRequest>) -> Reply<rpc::ProviderHandshakeResponse> {
        self.attach_to(Some(request.into_inner().engine_address));
        // Resource references come as ids and outputs as plain values: only secrets are left for us to keep.
        Ok(Response::new(rpc::ProviderHandshakeResponse {
            accept_secrets: true,
            supports_autonaming_configuration: true,
            ..Default::default()
        }))
    }

    async fn attach(&self, request: Request<rpc::PluginAttach>) -> Reply<()> {
        self.attach_to(Some(request.into_inner().address));
        self.engine().attached = true;
        Ok(Response::new(()))
    }

    async fn cancel(&self, _: Request<()>) -> Reply<()> {
        self.cancel_all();
        // The engine hangs up next; a construction that is not answered by then would look like an error of its own.
        _ = timeout(Duration::from_secs(2), self.0.constructions.wait()).await;
        Ok(Response::new(()))
    }

    async fn get_plugin_info(&self, _: Request<()>) -> Reply<rpc::PluginInfo> {
        Ok(Response::new(rpc::PluginInfo { version: self.0.package.version.to_owned() }))
    }

    async fn get_schema(&self, request: Request<rpc::GetSchemaRequest>) -> Reply<rpc::GetSchemaResponse> {
        let request = request.into_inner();
        if request.version != 0 {
            return Err(Status::invalid_argument(format!("unsupported schema version {}", request.version)));
        }
        if !request.subpackage_name.is_empty() {
            return Err(Status::invalid_argument(self.no_such("package", &request.subpackage_name)));
        }
        Ok(Response::new(rpc::GetSchemaResponse { schema: self.0.package.schema_text() }))
    }

    async fn get_mapping(&self, _: Request<rpc::GetMappingRequest>) -> Reply<rpc::GetMappingResponse> {
        Ok(Response::new(rpc::GetMappingResponse::default()))
    }

    async fn get_mappings(&self, _: Request<rpc::GetMappingsRequest>) -> Reply<rpc::GetMappingsResponse> {
        Ok(Response::new(rpc::GetMappingsResponse::default()))
    }

    async fn check_config(&self, request: Request<rpc::CheckRequest>) -> Reply<rpc::CheckResponse> {
        let news = request.into_inner().news;
        guard(async {
            if !self.0.package.calls_cloud() {
                return Ok(Response::new(rpc::CheckResponse { inputs: news, failures: Vec::new() }));
            }
            let mut inputs = read(news);
            let (settings, mut failures) = self.typed(&inputs);
            match C::settings_of_environment(&settings).await {
                Ok(settings) => inputs.extend(settings),
                Err(missing) => failures.push(Failure { path: String::new(), reason: missing.description }),
            }
            for (name, property) in self.0.settings.root().properties() {
                if let Some(default) = property.default() {
                    inputs.entry(name.to_owned()).or_insert_with(|| default.clone().into());
                }
                if let Some(value) = inputs.get_mut(name).filter(|_| property.flag("secret")) {
                    *value = std::mem::take(value).secret();
                }
            }
            let failures = failures.iter().map(failure).collect();
            Ok(Response::new(rpc::CheckResponse { inputs: write(inputs), failures }))
        })
        .await
    }

    async fn diff_config(&self, request: Request<rpc::DiffRequest>) -> Reply<rpc::DiffResponse> {
        let request = request.into_inner();
        guard(async {
            if !self.0.package.calls_cloud() {
                return Ok(Response::new(differences(Vec::new(), false)));
            }
            let (old, _) = self.typed(&read(request.old_inputs.or(request.olds)));
            let (new, _) = self.typed(&read(request.news));
            // No setting replaces the provider, and all that it made with it: each resource knows its own region.
            Ok(Response::new(differences(diff::diff(&old, &new, self.0.settings.root()), false)))
        })
        .await
    }

    async fn configure(&self, request: Request<rpc::ConfigureRequest>) -> Reply<rpc::ConfigureResponse> {
        let request = request.into_inner();
        guard(async {
            let calls_cloud = self.0.package.calls_cloud();
            let session = if calls_cloud { Some(Arc::new(self.configure_with(request.args).await?)) } else { None };
            let warning = match &session {
                Some(session) => session.warning().await,
                None => None,
            };
            let reference = request.urn.zip(request.id).map(|(urn, id)| format!("{urn}::{id}"));
            // Of several instances in one process, none is told which of them is asked.
            let reference = reference.filter(|_| !self.engine().attached);
            *self.0.configured.write().unwrap_or_else(PoisonError::into_inner) =
                Some(Configured { session, reported: Arc::default(), reference });
            self.0.plan.begin(self.engine().attached);
            self.attach_to(None);
            if let (Some(message), Some(log)) = (warning, self.log()) {
                let (severity, message) = (rpc::LogSeverity::Warning.into(), indented(&message));
                _ = log.send(Line::Tell(rpc::LogRequest { severity, message, ..Default::default() }));
            }
            Ok(Response::new(rpc::ConfigureResponse {
                accept_secrets: true,
                supports_preview: true,
                supports_autonaming_configuration: true,
                ..Default::default()
            }))
        })
        .await
    }

    async fn check(&self, request: Request<rpc::CheckRequest>) -> Reply<rpc::CheckResponse> {
        let request = request.into_inner();
        guard(async {
            let (resource, olds, asked) = (self.resource(&request.urn)?, read(request.olds), read(request.news));
            // An input, so that a provider that moves is seen to move its resources, each by its own rules.
            let news = located(resource, asked.clone(), self.home().as_ref());
            let old = if olds.is_empty() { olds } else { located(resource, olds, news.get("region")) };
            let session = self.session().ok();
            let subject = Subject {
                name: name_in(&request.urn),
                urn: &request.urn,
                seed: &request.random_seed,
                old: &old,
                autonaming: autonaming(request.autonaming.as_ref()),
                cloud: session.as_deref(),
                plan: &self.0.plan,
            };
            let checked = resource.check(&subject, news.clone());
            let Checked { inputs, failures, warnings } = checked.map_err(|error| self.refuse(&error, &[&news]))?;
            self.0.plan.secrets.remember(&inputs);
            self.0.plan.secrets.remember(&news);
            // Whoever changes nothing knows them already. What is left out now is a change, too.
            let bare = |map: &Map| Value::Object(map.clone()).bare();
            let changes = || !diff::diff(&old, &inputs, resource.inputs().root()).is_empty() || bare(&old) != bare(&inputs);
            if !warnings.is_empty() && changes() {
                self.warn(&request.urn, &warnings).await;
            }
            let failures: Vec<_> = failures.iter().map(failure).collect();
            // What is wrong is unknown in the completed inputs, and nothing may be that in an update.
            let inputs = if failures.is_empty() { inputs } else { asked };
            Ok(Response::new(rpc::CheckResponse { inputs: write(inputs), failures }))
        })
        .await
    }

    async fn diff(&self, request: Request<rpc::DiffRequest>) -> Reply<rpc::DiffResponse> {
        let request = request.into_inner();
        guard(async {
            let resource = self.resource(&request.urn)?;
            let (olds, new) = (read(request.olds), read(request.news));
            let old = request.old_inputs.map_or_else(|| olds.clone(), map_from_proto);
            let old = filled_in(resource, old, &olds, &new);
            let mut changes = resource.diff(&old, &new);
            diff::leave_out(&mut changes, &request.ignore_changes);
            if changes.is_empty() {
                self.record(&request.urn, Some(&request.id), &olds);
            }
            Ok(Response::new(differences(changes, resource.shares_name(name_in(&request.urn), &old, &new))))
        })
        .await
    }

    async fn create(&self, request: Request<rpc::CreateRequest>) -> Reply<rpc::CreateResponse> {
        let request = request.into_inner();
        guard(async {
            let (resource, inputs) = (self.resource(&request.urn)?, read(request.properties));
            if request.preview {
                let properties = self.foresee(&request.urn, None, resource, &inputs, &Map::new());
                return Ok(Response::new(rpc::CreateResponse { properties, ..Default::default() }));
            }
            let context = self.context(&request.urn, request.timeout, region(&inputs)).await?;
            let made = context.until_done(resource.create(&context, &inputs)).await;
            self.told().await;
            let made = made.map_err(|error| self.refuse(&error, &[&inputs]))?;
            self.record(&request.urn, Some(&made.id), &made.outputs);
            let (id, properties) = self.finished(made, &inputs)?;
            Ok(Response::new(rpc::CreateResponse { id, properties, ..Default::default() }))
        })
        .await
    }

    async fn update(&self, request: Request<rpc::UpdateRequest>) -> Reply<rpc::UpdateResponse> {
        let request = request.into_inner();
        guard(async {
            let (resource, olds, inputs) = (self.resource(&request.urn)?, read(request.olds), read(request.news));
            let old_inputs = read(request.old_inputs);
            let before = Before { inputs: &old_inputs, outputs: &olds, ignored: &request.ignore_changes };
            if request.preview {
                resource.check_update(&before, &inputs).map_err(|error| self.refuse(&error, &[&inputs, &olds]))?;
                let properties = self.foresee(&request.urn, Some(&request.id), resource, &inputs, &olds);
                return Ok(Response::new(rpc::UpdateResponse { properties, ..Default::default() }));
            }
            let context = self.context(&request.urn, request.timeout, region(&inputs).or(region(&olds))).await?;
            let context = context.ignoring(request.ignore_changes.clone());
            let made = context.until_done(resource.update(&context, &request.id, &before, &inputs)).await;
            self.told().await;
            let made = made.map_err(|error| self.refuse(&error, &[&inputs, &olds]))?;
            self.record(&request.urn, Some(&made.id), &made.outputs);
            let (_, properties) = self.finished(made, &inputs)?;
            Ok(Response::new(rpc::UpdateResponse { properties, ..Default::default() }))
        })
        .await
    }

    async fn read(&self, request: Request<rpc::ReadRequest>) -> Reply<rpc::ReadResponse> {
        let request = request.into_inner();
        guard(async {
            let (resource, olds) = (self.resource(&request.urn)?, read(request.properties));
            let inputs = request.inputs.map(map_from_proto).filter(|it| !it.is_empty() || !olds.is_empty());
            let region = inputs.as_ref().and_then(region).or(region(&olds)).or(C::region_of_id(&request.id));
            let context = self.context(&request.urn, request.timeout, region).await?;
            let found = context.until_done(resource.read(&context, &request.id, inputs.as_ref(), &olds)).await;
            let known = inputs.as_ref().unwrap_or(&olds);
            let found = found.map_err(|error| self.refuse(&error, &[&olds, known]))?;
            Ok(Response::new(match found {
                Some(it) => {
                    rpc::ReadResponse { id: it.id, inputs: write(it.inputs), properties: write(it.outputs), ..Default::default() }
                }
                None => rpc::ReadResponse::default(),
            }))
        })
        .await
    }

    async fn list(&self, request: Request<rpc::ListRequest>) -> Reply<BoxStream<rpc::ListResponse>> {
        let request = request.into_inner();
        guard(async {
            let (resource, mut query) = (self.of_type(&request.token)?, read(request.query));
            if query.values().any(Value::contains_unknown) {
                let computed = rpc::list_response::Response::Computed(rpc::list_response::Computed {});
                let computed = rpc::ListResponse { response: Some(computed) };
                return Ok(Response::new(stream::iter([Ok(computed)]).boxed()));
            }
            let name = resource.name();
            let failures = check::complete(&mut query, resource.query().root()).failures;
            if !failures.is_empty() {
                let texts: Vec<_> = failures.iter().map(Failure::to_string).collect();
                return Err(Status::invalid_argument(format!("the query for a list of {name}: {}", texts.join("; "))));
            }
            let from = Position::parse(name, &request.continuation_token).ok_or_else(|| {
                Status::invalid_argument(format!(
                    "{:?} is not a continuation token of a list of {name}; leave it out to start from the beginning",
                    request.continuation_token
                ))
            })?;
            let context = self.context("", 0.0, region(&query)).await?;
            let asked = query.clone();
            let shared = Arc::new((context, query));
            let steps = list::walk(from, list::most(request.limit, request.page_size), move |cursor| {
                let shared = shared.clone();
                async move { resource.list(&shared.0, &shared.1, &cursor).await }
            });
            let provider = self.clone();
            let responses = AssertUnwindSafe(steps).catch_unwind().map(move |step| match step.map_err(|_| bug())? {
                Ok(step) => Ok(response(step, name)),
                Err(error) => Err(provider.refuse(&error, &[&asked])),
            });
            Ok(Response::new(responses.boxed()))
        })
        .await
    }

    async fn delete(&self, request: Request<rpc::DeleteRequest>) -> Reply<()> {
        let request = request.into_inner();
        guard(async {
            let (resource, olds) = (self.resource(&request.urn)?, read(request.properties));
            let context = self.context(&request.urn, request.timeout, region(&olds)).await?;
            let deleted = context.until_done(resource.delete(&context, &request.id, &olds)).await;
            self.told().await;
            deleted.map_err(|error| self.refuse(&error, &[&olds]))?;
            Ok(Response::new(()))
        })
        .await
    }

    async fn invoke(&self, request: Request<rpc::InvokeRequest>) -> Reply<rpc::InvokeResponse> {
        let request = request.into_inner();
        guard(async {
            let function = self.0.package.function(&request.tok);
            let function = function.ok_or_else(|| Status::not_found(self.no_such("function", &request.tok)))?;
            let mut arguments = read(request.args);
            let failures = function.check(&mut arguments);
            if !failures.is_empty() {
                let failures = failures.iter().map(failure).collect();
                return Ok(Response::new(rpc::InvokeResponse { failures, ..Default::default() }));
            }
            let context = self.context("", 0.0, region(&arguments)).await?.in_preview(request.preview);
            let answer = context.until_done(function.call(&context, &arguments)).await;
            self.told().await;
            let answer = answer.map_err(|error| self.refuse(&error, &[&arguments]))?;
            Ok(Response::new(rpc::InvokeResponse { r#return: write(answer), failures: Vec::new() }))
        })
        .await
    }

    async fn construct(&self, request: Request<rpc::ConstructRequest>) -> Reply<rpc::ConstructResponse> {
        let request = request.into_inner();
        let (_construction, cancel) = (self.0.constructions.token(), self.engine().cancel.clone());
        guard(async {
            let package = self.0.package;
            let component = package.component(&request.r#type);
            let component = component.ok_or_else(|| Status::invalid_argument(self.no_such("component", &request.r#type)))?;
            let own = self.configured()?.reference;
            let given = read(request.inputs.clone());
            let mut inputs = given.clone();
            let failures = component.check(&mut inputs);
            if !failures.is_empty() {
                return Err(self.wrong_inputs(&failures, &[&given, &inputs]));
            }
            let construct = async {
                let sources = request.input_dependencies.clone();
                let monitor = Monitor::register_component(request, &inputs, package.name, own).await?;
                for (name, it) in sources {
                    inputs.entry(name).and_modify(|value| {
                        *value = std::mem::take(value).depending_on(it.urns.into_iter().collect());
                    });
                }
                let outputs = component.construct(&monitor, &inputs).await?;
                monitor.complete(outputs).await
            };
            let constructed = tokio::select! {
                constructed = construct => constructed,
                () = cancel.cancelled() => Err(ShutDown.into()),
            };
            match constructed {
                Ok(response) => Ok(Response::new(response)),
                // Nobody reads the answer, but an error would still be shown, as if there were another cause.
                Err(error) if error.is::<ShutDown>() => Ok(Response::new(rpc::ConstructResponse::default())),
                Err(error) => Err(self.refuse(&error, &[&given, &inputs])),
            }
        })
        .await
    }

    async fn call(&self, request: Request<rpc::CallRequest>) -> Reply<rpc::CallResponse> {
        Err(Status::unimplemented(self.no_such("method", &request.into_inner().tok)))
    }
}

/// A text of several lines as the engine shows it below its first.
fn indented(text: &str) -> String {
    text.replace('\n', "\n\t  ")
}

fn not_configured() -> Status {
    Status::failed_precondition("the provider is not configured yet")
}

/// Makes a panic in one call an error of that call alone.
async fn guard<T>(call: impl Future<Output = Reply<T>>) -> Reply<T> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| Err(bug()))
}

fn bug() -> Status {
    Status::internal("internal error of the provider; please report it, with what it wrote to the log (`pulumi up --debug`)")
}

/// The inputs of before, and what they left out where the cloud filled in what the program says now: that is no change.
fn filled_in<C: Cloud>(resource: &dyn AnyResource<C>, mut inputs: Map, outputs: &Map, now: &Map) -> Map {
    for (name, property) in resource.inputs().root().properties().filter(|(_, it)| it.flag("computed")) {
        if let (None | Some(Value::Null), Some(seen), Some(said)) = (inputs.get(name), outputs.get(name), now.get(name))
            && diff::means_the_same(seen, said, property)
        {
            inputs.insert(name.to_owned(), said.clone());
        }
    }
    inputs
}

/// Inputs that say their region: those of a program may leave it out.
fn located<C: Cloud>(resource: &dyn AnyResource<C>, mut inputs: Map, region: Option<&Value>) -> Map {
    if let (Some(_), Some(region)) = (resource.inputs().root().property("region"), region) {
        let said = inputs.entry("region".to_owned()).or_default();
        if *said == Value::Null {
            *said = region.clone();
        }
    }
    inputs
}

fn region(properties: &Map) -> Option<&str> {
    properties.get("region").and_then(Value::as_str)
}

fn autonaming(options: Option<&rpc::check_request::AutonamingOptions>) -> Autonaming<'_> {
    use rpc::check_request::autonaming_options::Mode;
    match options {
        None => Autonaming::Default,
        Some(it) => match it.mode() {
            Mode::Propose => Autonaming::Propose(&it.proposed_name),
            Mode::Enforce => Autonaming::Enforce(&it.proposed_name),
            Mode::Disable => Autonaming::Disable,
        },
    }
}

/// A mistake, as the engine takes it. No property is named: the engine would print its value, secret or not, and it finds
/// only those of the first level.
fn failure(it: &Failure) -> rpc::CheckFailure {
    rpc::CheckFailure { property: String::new(), reason: it.to_string() }
}

fn differences(changes: Vec<Change>, shares_name: bool) -> rpc::DiffResponse {
    use rpc::diff_response::DiffChanges::{DiffNone, DiffSome};
    let mut response = rpc::DiffResponse {
        changes: if changes.is_empty() { DiffNone } else { DiffSome }.into(),
        // Even if nothing here replaces it: the program may want that.
        delete_before_replace: shares_name && !changes.is_empty(),
        has_detailed_diff: true,
        ..Default::default()
    };
    for change in changes {
        let top = change.path.split(['.', '[']).next().unwrap_or_default().to_owned();
        if change.replaces && !response.replaces.contains(&top) {
            response.replaces.push(top.clone());
        }
        if !response.diffs.contains(&top) {
            response.diffs.push(top);
        }
        let kind = match (change.kind, change.replaces) {
            (Kind::Add, false) => property_diff::Kind::Add,
            (Kind::Add, true) => property_diff::Kind::AddReplace,
            (Kind::Delete, false) => property_diff::Kind::Delete,
            (Kind::Delete, true) => property_diff::Kind::DeleteReplace,
            (Kind::Update, false) => property_diff::Kind::Update,
            (Kind::Update, true) => property_diff::Kind::UpdateReplace,
        };
        response.detailed_diff.insert(change.path, rpc::PropertyDiff { kind: kind.into(), input_diff: true });
    }
    response
}

/// A step through a list of the type `of`.
fn response(step: Step, of: &str) -> rpc::ListResponse {
    use rpc::list_response::{Continuation, Response, Result};
    let response = match step {
        Step::Found(it) => Response::Result(Result { id: it.id, name: it.name }),
        Step::More(it) => Response::Continuation(Continuation { continuation_token: it.to_token(of) }),
    };
    rpc::ListResponse { response: Some(response) }
}

fn read(properties: Option<Struct>) -> Map {
    properties.map(map_from_proto).unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "messages hold structs in options")]
fn write(map: Map) -> Option<Struct> {
    Some(map_to_proto(map))
}

/// A setting without which nothing goes.
fn missing_key(package: &str, missing: &MissingSetting) -> Status {
    let MissingSetting { name, description } = missing;
    let key =
        rpc::configure_error_missing_keys::MissingKey { name: format!("{package}:{name}"), description: description.clone() };
    let detail = rpc::ConfigureErrorMissingKeys { missing_keys: vec![key] };
    with_detail(Code::InvalidArgument, description, "ConfigureErrorMissingKeys", &detail)
}

/// `google.rpc.Status`, which carries the details of an error. Its code has to be the error's own: grpc-go drops the
/// details, and with them the state, if it is another.
#[derive(prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

fn with_detail(code: Code, message: &str, name: &str, detail: &impl prost::Message) -> Status {
    let detail = Any { type_url: format!("type.googleapis.com/pulumirpc.{name}"), value: detail.encode_to_vec() };
    let status = RpcStatus { code: code.into(), message: message.to_owned(), details: vec![detail] };
    Status::with_details(code, message, status.encode_to_vec().into())
}
