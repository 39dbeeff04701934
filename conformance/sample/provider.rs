//! Pulumi's requests, answered.

use std::{
    io::Write as _,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::stream::{self, BoxStream, StreamExt as _};
use provider_conformance::rpc::{self, list_response, resource_provider_server::ResourceProvider};
use serde_json::{Value as Json, json};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tonic::{Request, Response, Status};

use crate::{
    VERSION,
    cloud::Cloud,
    component,
    engine::Engine,
    fault::fault,
    inputs::{self, SCHEMA, Settings, Shape},
    names,
    status::{init_failed, missing_keys},
    things::{self, Kind, Made},
    values::{Map, inner, is_secret, is_unknown, plain, read, secret, write},
};

/// The provider, as the engine sees it.
pub(crate) struct Provider {
    pub(crate) engine: Engine,
    configured: RwLock<Option<Configured>>,
    working: Working,
    constructing: Working,
}

/// What Configure tells.
#[derive(Clone)]
struct Configured {
    settings: Arc<Settings>,
    cloud: Arc<Cloud>,
    /// What resources call this very provider.
    reference: Option<String>,
}

type Reply<T> = Result<Response<T>, Status>;

/// Counts the calls at work.
struct Working(watch::Sender<usize>);

/// A call at work.
struct Work<'a>(&'a Working);

impl Working {
    fn begin(&self) -> Work<'_> {
        self.0.send_modify(|it| *it += 1);
        Work(self)
    }

    /// Waits until no call is at work, but not for ever.
    async fn end(&self, limit: Duration) {
        _ = timeout(limit, self.0.subscribe().wait_for(|it| *it == 0)).await;
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|it| *it -= 1);
    }
}

impl Provider {
    /// A provider that belongs to the engine at this address, if it is known yet.
    pub(crate) fn new(engine: Option<String>) -> Self {
        let [working, constructing] = [(), ()].map(|()| Working(watch::Sender::new(0)));
        Self { engine: Engine::new(engine), configured: RwLock::default(), working, constructing }
    }

    /// Stops all calls, and gives them a moment to answer.
    pub(crate) async fn end(&self) {
        self.engine.stop_all();
        if fault(10) {
            sleep(Duration::from_mins(1)).await;
        }
        if *self.working.0.borrow() > 0 {
            self.working.end(Duration::from_millis(700)).await;
            // For the answers to get out.
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn configured(&self) -> Result<Configured, Status> {
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner).clone();
        if fault(52) {
            return Ok(configured.expect("Configure comes first"));
        }
        configured.ok_or_else(|| Status::failed_precondition("the provider is not configured yet"))
    }

    fn request<'a>(&'a self, kind: Kind, urn: &'a str, timeout: f64) -> Result<things::Request<'a>, Status> {
        let configured = self.configured()?;
        Ok(things::Request::new(kind, urn, configured.cloud, &self.engine, timeout, configured.settings.verbose))
    }
}

/// The type that a URN tells, without those of the parents.
fn token(urn: &str) -> &str {
    let types = urn.split("::").nth(2).unwrap_or_default();
    types.rsplit('$').next().unwrap_or_default()
}

/// The name that a URN tells.
fn name(urn: &str) -> &str {
    urn.splitn(4, "::").nth(3).unwrap_or_default()
}

#[tonic::async_trait]
impl ResourceProvider for Provider {
    async fn handshake(&self, request: Request<rpc::ProviderHandshakeRequest>) -> Reply<rpc::ProviderHandshakeResponse> {
        let request = request.into_inner();
        if fault(2) {
            _ = writeln!(std::io::stdout(), "hello");
        }
        if fault(21) && request.root_directory.is_none() {
            return Err(Status::invalid_argument("no root directory"));
        }
        if !(fault(22) && self.engine.is_known()) {
            self.engine.attach_to(request.engine_address);
        }
        Ok(Response::new(rpc::ProviderHandshakeResponse {
            accept_secrets: true,
            accept_resources: true,
            accept_outputs: true,
            supports_autonaming_configuration: true,
            ..Default::default()
        }))
    }

    async fn attach(&self, request: Request<rpc::PluginAttach>) -> Reply<()> {
        if !fault(24) {
            self.engine.attach_to(request.into_inner().address);
        }
        Ok(Response::new(()))
    }

    async fn cancel(&self, _: Request<()>) -> Reply<()> {
        if fault(25) {
            sleep(Duration::from_secs(1)).await;
        }
        if fault(147) && std::env::args().len() == 1 {
            std::process::exit(0);
        }
        self.engine.stop_all();
        // Components that wait for their children end first: what comes after this would be an error of its own.
        if !fault(29) {
            self.constructing.end(Duration::from_secs(2)).await;
        }
        Ok(Response::new(()))
    }

    async fn get_plugin_info(&self, _: Request<()>) -> Reply<rpc::PluginInfo> {
        let version = if fault(23) { env!("CARGO_PKG_VERSION") } else { VERSION };
        Ok(Response::new(rpc::PluginInfo { version: version.to_owned() }))
    }

    async fn get_schema(&self, request: Request<rpc::GetSchemaRequest>) -> Reply<rpc::GetSchemaResponse> {
        let request = request.into_inner();
        if request.version != 0 && !fault(33) {
            return Err(Status::invalid_argument(format!("unsupported schema version {}", request.version)));
        }
        if !request.subpackage_name.is_empty() {
            return Err(Status::invalid_argument(format!("there is no package {:?} in sample", request.subpackage_name)));
        }
        let schema = if fault(34) { SCHEMA.replace("\"requiredInputs\"", "\"requiredInput\"") } else { SCHEMA.to_owned() };
        Ok(Response::new(rpc::GetSchemaResponse { schema }))
    }

    async fn parameterize(&self, _: Request<rpc::ParameterizeRequest>) -> Reply<rpc::ParameterizeResponse> {
        if fault(31) {
            return Ok(Response::new(rpc::ParameterizeResponse { name: "sample".to_owned(), version: VERSION.to_owned() }));
        }
        Err(Status::unimplemented("the package sample takes no parameters"))
    }

    async fn get_mapping(&self, _: Request<rpc::GetMappingRequest>) -> Reply<rpc::GetMappingResponse> {
        if fault(30) {
            return Err(Status::not_found("there is no mapping"));
        }
        Ok(Response::new(rpc::GetMappingResponse::default()))
    }

    async fn get_mappings(&self, _: Request<rpc::GetMappingsRequest>) -> Reply<rpc::GetMappingsResponse> {
        Ok(Response::new(rpc::GetMappingsResponse::default()))
    }

    async fn check_config(&self, request: Request<rpc::CheckRequest>) -> Reply<rpc::CheckResponse> {
        let (settings, failures) = inputs::check_config(read(request.into_inner().news));
        let failures = failures.into_iter().map(Into::into).collect();
        Ok(Response::new(rpc::CheckResponse { inputs: Some(write(settings)), failures }))
    }

    async fn diff_config(&self, request: Request<rpc::DiffRequest>) -> Reply<rpc::DiffResponse> {
        if fault(47) {
            self.configured()?;
        }
        let request = request.into_inner();
        let (old, new) = (read(request.old_inputs.or(request.olds)), read(request.news));
        Ok(Response::new(inputs::diff_config(&old, &new)))
    }

    async fn configure(&self, request: Request<rpc::ConfigureRequest>) -> Reply<rpc::ConfigureResponse> {
        let request = request.into_inner();
        if fault(144) && !self.engine.is_known() {
            return Err(Status::failed_precondition("Handshake comes first"));
        }
        let unknown_id = request.id.as_deref().is_some_and(|it| is_unknown(&json!(it)));
        if fault(51) && (request.name.as_deref() == Some("") || unknown_id) {
            return Err(Status::invalid_argument("a provider has a name and an id"));
        }
        // Old engines send text alone.
        let text = request.variables.into_iter().map(|(key, value)| (key.replace("sample:config:", ""), json!(value)));
        let settings = request.args.map_or_else(|| text.collect(), |it| read(Some(it)));
        if fault(18) {
            _ = writeln!(std::io::stderr(), "configured: {settings:?}");
        }
        if fault(48) && settings.values().any(is_secret) {
            return Err(Status::invalid_argument("apiKey has to be a string, and is object"));
        }
        let (settings, failures) = inputs::check_config(settings);
        if !failures.is_empty() {
            let texts: Vec<_> = failures.iter().map(|it| format!("sample:{} {}", it.path, it.reason)).collect();
            return Err(Status::invalid_argument(texts.join("; ")));
        }
        let settings = Arc::new(inputs::settings(&settings).map_err(missing_keys)?);
        let cloud = Arc::new(Cloud::new(settings.clone()));
        if fault(50) {
            cloud.page("", 1).await?;
        }
        let reference = request.urn.zip(request.id).map(|(urn, id)| format!("{urn}::{id}"));
        let configured = Configured { settings, cloud, reference };
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = Some(configured);
        Ok(Response::new(rpc::ConfigureResponse {
            accept_secrets: true,
            supports_preview: true,
            accept_resources: !fault(20),
            accept_outputs: !fault(20),
            supports_autonaming_configuration: true,
        }))
    }

    async fn check(&self, request: Request<rpc::CheckRequest>) -> Reply<rpc::CheckResponse> {
        let request = request.into_inner();
        let (kind, olds, mut inputs) = (Kind::of(token(&request.urn))?, read(request.olds), read(request.news));
        let mut failures = Vec::new();
        let unnamed = inputs.get("name").is_none_or(|it| inner(it).is_null());
        let disabled = request.autonaming.as_ref().is_some_and(|it| it.mode == 2);
        if fault(71) && disabled {
            failures.push(inputs::Failure::new("name", "is required"));
        }
        let mut made_up = None;
        if kind == Kind::Thing && unnamed {
            match olds.get("name").filter(|_| !fault(67)) {
                Some(old) => made_up = Some(old.clone()),
                None => match names::make_up(name(&request.urn), &request.random_seed, request.autonaming.as_ref()) {
                    Ok(name) => made_up = Some(json!(name)),
                    Err(failure) => failures.push(failure),
                },
            }
        }
        failures.extend(inputs::check(&mut inputs, kind.shape()));
        failures.sort_by(|one, other| one.path.cmp(&other.path));
        inputs.extend(made_up.map(|it| ("name".to_owned(), it)));
        if kind == Kind::Thing && (fault(53) || fault(54) && !olds.is_empty()) {
            let mut labels = inputs.get("labels").and_then(Json::as_object).cloned().unwrap_or_default();
            labels.insert(format!("checked-{}", labels.len()), json!("yes"));
            inputs.insert("labels".to_owned(), Json::Object(labels));
        }
        let failures = failures.into_iter().map(Into::into).collect();
        Ok(Response::new(rpc::CheckResponse { inputs: Some(write(inputs)), failures }))
    }

    async fn diff(&self, request: Request<rpc::DiffRequest>) -> Reply<rpc::DiffResponse> {
        let request = request.into_inner();
        let kind = Kind::of(token(&request.urn))?;
        let (outputs, new) = (read(request.olds), read(request.news));
        let old = request.old_inputs.map_or_else(|| outputs.clone(), |it| read(Some(it)));
        if fault(85) && new.values().any(is_unknown) {
            return Err(Status::invalid_argument("the inputs have to be known"));
        }
        if fault(88) && self.configured()?.cloud.get(&request.id).await?.is_none() {
            return Err(Status::not_found(format!("there is no {:?}", request.id)));
        }
        if fault(89) && outputs.keys().any(|it| it.starts_with("__")) {
            return Err(Status::invalid_argument("the state has properties that are not in the schema"));
        }
        if fault(92) {
            outputs.get("arn").expect("everything has an ARN");
        }
        let mut changes = inputs::diff(&old, &outputs, &new, kind.shape());
        changes.retain(|it| !it.is_in(&request.ignore_changes) || fault(86));
        // What keeps its name cannot be there twice, unless it is a name that Check would make up anew.
        let given = new.get("name").map(plain).unwrap_or_default();
        let made_up = kind == Kind::Thing && given.as_str().is_some_and(|it| names::is_made_up(it, name(&request.urn)));
        let replaces = changes.iter().any(inputs::Change::replaces);
        let keeps_name = !made_up && !changes.iter().any(|it| it.is_about("name"));
        let mut differences = inputs::differences(changes);
        differences.delete_before_replace = replaces && keeps_name && !fault(90);
        Ok(Response::new(differences))
    }

    async fn create(&self, request: Request<rpc::CreateRequest>) -> Reply<rpc::CreateResponse> {
        let _work = self.working.begin();
        let request = request.into_inner();
        let (kind, inputs) = (Kind::of(token(&request.urn))?, read(request.properties));
        let thing = self.request(kind, &request.urn, request.timeout)?;
        if fault(94) && request.preview && inputs.values().any(is_unknown) {
            return Err(Status::invalid_argument("the inputs have to be known"));
        }
        if request.preview && !fault(93) {
            let properties = Some(write(things::foresee(&inputs, &Map::new())));
            return Ok(Response::new(rpc::CreateResponse { properties, ..Default::default() }));
        }
        let (id, properties) = finished(thing.create(&inputs).await?)?;
        Ok(Response::new(rpc::CreateResponse { id, properties, ..Default::default() }))
    }

    async fn read(&self, request: Request<rpc::ReadRequest>) -> Reply<rpc::ReadResponse> {
        let _work = self.working.begin();
        let request = request.into_inner();
        let kind = Kind::of(token(&request.urn))?;
        // `get` sends a state that may be empty, `import` none.
        let known = request.inputs.map(|it| read(Some(it))).filter(|it| !it.is_empty() || fault(123));
        if fault(123) && known.as_ref().is_some_and(Map::is_empty) {
            return Err(Status::invalid_argument("no name in the state"));
        }
        let thing = self.request(kind, &request.urn, request.timeout)?;
        let Some((mut made, mut inputs)) = thing.read(&request.id, known.as_ref()).await? else {
            let nothing = fault(115).then(Default::default);
            return Ok(Response::new(rpc::ReadResponse { properties: nothing.clone(), inputs: nothing, ..Default::default() }));
        };
        if fault(120) {
            for map in [&mut made.outputs, &mut inputs] {
                map.values_mut().for_each(|it| *it = plain(it));
            }
        }
        if let Some(why) = made.unready.clone() {
            return Err(if fault(122) { Status::unavailable(why) } else { init_failed(made, Some(inputs), &why) });
        }
        let inputs = if fault(116) && known.is_none() { None } else { Some(write(inputs)) };
        Ok(Response::new(rpc::ReadResponse { id: made.id, properties: Some(write(made.outputs)), inputs, ..Default::default() }))
    }

    async fn update(&self, request: Request<rpc::UpdateRequest>) -> Reply<rpc::UpdateResponse> {
        let _work = self.working.begin();
        let request = request.into_inner();
        let kind = Kind::of(token(&request.urn))?;
        let (old_outputs, inputs) = (read(request.olds), read(request.news));
        let thing = self.request(kind, &request.urn, request.timeout)?;
        if request.preview {
            let properties = Some(write(things::foresee(&inputs, &old_outputs)));
            return Ok(Response::new(rpc::UpdateResponse { properties, ..Default::default() }));
        }
        let made = thing.update(&request.id, &read(request.old_inputs), &old_outputs, &inputs).await?;
        let (_, properties) = finished(made)?;
        Ok(Response::new(rpc::UpdateResponse { properties, ..Default::default() }))
    }

    async fn delete(&self, request: Request<rpc::DeleteRequest>) -> Reply<()> {
        let _work = self.working.begin();
        let request = request.into_inner();
        if fault(111) && read(request.old_inputs).is_empty() {
            return Err(Status::invalid_argument("no name in the inputs"));
        }
        let kind = Kind::of(token(&request.urn))?;
        self.request(kind, &request.urn, request.timeout)?.delete(&request.id).await?;
        Ok(Response::new(()))
    }

    async fn list(&self, request: Request<rpc::ListRequest>) -> Reply<BoxStream<'static, Result<rpc::ListResponse, Status>>> {
        use list_response::{Continuation, Response as Item, Result as Found};

        let request = request.into_inner();
        let (kind, query) = (Kind::of(&request.token)?, read(request.query));
        let cloud = self.configured()?.cloud;
        let most = [request.limit, request.page_size].into_iter().filter(|it| *it > 0).min().unwrap_or(100);
        let most = if fault(124) { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
        // `pulumi do` leaves the page's size to the provider.
        let most = if fault(149) && request.page_size == 0 { 0 } else { most };
        let wanted = json!(format!("{kind:?}"));
        let (mut found, mut after) = (Vec::new(), request.continuation_token);
        // One more than asked for shows whether there are more.
        while found.len() <= most {
            let page = cloud.page(&after, 100).await?;
            let Some(last) = page.last() else { break };
            after = things::text(last, "id");
            let matches =
                |it: &Map| it.get("kind") == Some(&wanted) && query.iter().all(|(key, value)| it.get(key) == Some(&plain(value)));
            found.extend(page.into_iter().filter(matches));
        }
        let more = found.len() > most;
        found.truncate(most);
        let next = found.last().filter(|_| more).map(|it| things::text(it, "id"));
        let results = found.iter().map(|it| Item::Result(Found { id: things::text(it, "id"), name: things::text(it, "name") }));
        let items: Vec<_> = results.chain(next.map(|it| Item::Continuation(Continuation { continuation_token: it }))).collect();
        Ok(Response::new(stream::iter(items).map(|it| Ok(rpc::ListResponse { response: Some(it) })).boxed()))
    }

    async fn invoke(&self, request: Request<rpc::InvokeRequest>) -> Reply<rpc::InvokeResponse> {
        let request = request.into_inner();
        if request.tok != "sample:index:getThing" {
            if fault(125) {
                return Ok(Response::new(rpc::InvokeResponse::default()));
            }
            return Err(Status::not_found(format!("there is no function {:?} in the package sample", request.tok)));
        }
        let mut arguments = read(request.args);
        let mut failures = inputs::check(&mut arguments, Shape::of_function(&request.tok));
        let mut found = Map::new();
        if failures.is_empty() {
            let name = arguments.get("name").map(plain).unwrap_or_default();
            match self.configured()?.cloud.get(name.as_str().unwrap_or_default()).await? {
                Some(thing) => {
                    let shown = thing.into_iter().filter(|(key, _)| ["id", "arn", "zone", "size"].contains(&key.as_str()));
                    found.extend(shown);
                    found.extend(arguments.remove("secret").map(|it| ("secret".to_owned(), secret(it))));
                    if arguments.get("name").is_some_and(is_secret) {
                        found.values_mut().for_each(|it| *it = secret(it.take()));
                    }
                }
                None => failures
                    .push(inputs::Failure::new("name", "is the name of no Thing; see `pulumi do sample:index:Thing list`")),
            }
        }
        let failures = failures.into_iter().map(Into::into).collect();
        Ok(Response::new(rpc::InvokeResponse { r#return: Some(write(found)), failures }))
    }

    async fn construct(&self, request: Request<rpc::ConstructRequest>) -> Reply<rpc::ConstructResponse> {
        let (_work, _constructing) = (self.working.begin(), self.constructing.begin());
        let own = self.configured()?.reference;
        Ok(Response::new(component::construct(request.into_inner(), own, &self.engine).await?))
    }
}

/// What is of no use yet is an error that Pulumi keeps the resource of.
fn finished(made: Made) -> Result<(String, Option<prost_types::Struct>), Status> {
    match made.unready.clone() {
        Some(why) => Err(init_failed(made, None, &why)),
        None => Ok((made.id, Some(write(made.outputs)))),
    }
}
