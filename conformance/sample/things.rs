//! Things and Parts: their life in the cloud, and what Pulumi is told of it.

use std::{sync::Arc, time::Duration};

use provider_conformance::rpc::LogSeverity;
use serde_json::{Value as Json, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status};

use crate::{
    cloud::{Cloud, Refusal},
    engine::Engine,
    fault::fault,
    inputs::{Shape, diff, resolve},
    names::is_name,
    values::{Map, inner, is_secret, plain, secret, unknown},
};

/// How long to wait for a thing when the program sets no other limit.
const LIMIT: Duration = Duration::from_mins(10);
/// No limit is longer than a year.
const LONGEST: Duration = Duration::from_hours(24 * 365);
/// What only the program knows: the cloud never shows it.
const WRITE_ONLY: [&str; 2] = ["password", "content"];

/// What there is in the cloud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Thing,
    Part,
}

impl Kind {
    /// The kind of resource that a token means.
    pub(crate) fn of(token: &str) -> Result<Self, Status> {
        match token {
            "sample:index:Thing" => Ok(Self::Thing),
            "sample:index:Part" => Ok(Self::Part),
            _ if fault(73) => Err(Status::internal("unexpected request")),
            _ => Err(Status::invalid_argument(format!("there is no resource {token:?} in the package sample"))),
        }
    }

    pub(crate) fn shape(self) -> Shape {
        Shape::of_resource(if self == Self::Thing { "sample:index:Thing" } else { "sample:index:Part" })
    }

    /// The id of the one with this name.
    fn id(self, name: &str) -> String {
        if self == Self::Thing { name.to_owned() } else { format!("part:{name}") }
    }

    /// Whether it is an id at all.
    fn check_id(self, id: &str) -> Result<(), Status> {
        let name = if self == Self::Thing { Some(id) } else { id.strip_prefix("part:") };
        if name.is_some_and(is_name) {
            return Ok(());
        }
        let form = if self == Self::Thing { "the name of the Thing" } else { "part:<name of the Part>" };
        Err(Status::invalid_argument(format!("{id:?} is no id of a {self:?}; it has to be {form}")))
    }
}

/// What a preview knows of the outputs: what stays as it is in `old`, and the inputs.
pub(crate) fn foresee(inputs: &Map, old: &Map) -> Map {
    let mut outputs = inputs.clone();
    let arn = old.get("arn").filter(|_| !fault(104)).cloned().unwrap_or_else(unknown);
    outputs.insert("arn".to_owned(), if fault(95) { json!("arn:sample:preview") } else { arn });
    outputs.insert("revision".to_owned(), unknown());
    outputs.insert("token".to_owned(), old.get("token").cloned().unwrap_or_else(|| secret(unknown())));
    outputs
}

/// A thing that is there. It may be of no use yet.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) outputs: Map,
    /// Why it is of no use.
    pub(crate) unready: Option<String>,
}

/// What is asked of one resource.
pub(crate) struct Request<'a> {
    pub(crate) kind: Kind,
    pub(crate) urn: &'a str,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) engine: &'a Engine,
    pub(crate) stop: watch::Receiver<u64>,
    pub(crate) deadline: Instant,
    pub(crate) limit: Duration,
    pub(crate) verbose: bool,
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy)]
enum Ended {
    Stopped,
    TimeIsUp,
}

impl<'a> Request<'a> {
    pub(crate) fn new(kind: Kind, urn: &'a str, cloud: Arc<Cloud>, engine: &'a Engine, seconds: f64, verbose: bool) -> Self {
        let limit = match Duration::try_from_secs_f64(seconds) {
            Ok(limit) if !limit.is_zero() && !fault(102) => limit.min(LONGEST),
            _ => LIMIT,
        };
        Self { kind, urn, cloud, engine, stop: engine.stop(), deadline: Instant::now() + limit, limit, verbose }
    }

    /// Runs `work` until it is done, or has to end.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Ended> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            done = work => Ok(done),
            // Without a sender there is no provider any more.
            _ = stop.changed() => Err(Ended::Stopped),
            () = tokio::time::sleep_until(self.deadline) => Err(Ended::TimeIsUp),
        }
    }

    /// Why it ended, in the words of what was waited for.
    fn why(&self, ended: Ended, what: &str) -> String {
        match ended {
            Ended::Stopped => format!("cancelled while waiting {what}; the next `pulumi up` carries on from here"),
            Ended::TimeIsUp => {
                let limit = self.limit.as_secs_f64();
                format!("gave up waiting {what} after {limit} s; customTimeouts sets another limit")
            }
        }
    }

    fn debug(&self, message: &str) {
        if self.verbose {
            self.engine.log(LogSeverity::Debug, self.urn, message, false);
        }
    }

    /// Creates it. Done again after an answer that was lost, it takes over what it has made before.
    pub(crate) async fn create(&self, inputs: &Map) -> Result<Made, Status> {
        let name = inputs.get("name").map(plain).unwrap_or_default();
        let name = name.as_str().unwrap_or_default();
        let id = self.kind.id(&if fault(103) { format!("{}-{:04x}", name, std::process::id()) } else { name.to_owned() });
        let making = async {
            let there = self.cloud.get(&id).await?;
            if there.is_some_and(|it| it.get("owner").is_some_and(|it| it != self.urn)) {
                let why = format!("{id:?} exists already, and is not of this resource; import it, or take another name");
                return Err(Status::already_exists(why));
            }
            self.debug(&format!("PutThing {id}"));
            Ok(self.cloud.put(&id, &self.body(inputs)).await?)
        };
        let error = match self.in_time(making).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) if fault(101) => return Ok(made_in_part(id, inputs.clone(), error.message())),
            Ok(Err(error)) => Some(error),
            Err(_) if fault(27) => return Ok(made_in_part(id, inputs.clone(), "cancelled")),
            Err(ended) => Some(Status::aborted(self.why(ended, "for the cloud to answer"))),
        };
        if let Some(error) = error {
            // The call may have got through, and only its answer be lost.
            let unsure = matches!(error.code(), Code::Unavailable | Code::Aborted);
            if !unsure || !self.is_there(&id).await {
                return Err(prefixed(&format!("cannot create {id:?}"), &error));
            }
        }
        self.debug(&format!("{id} is there"));
        if fault(140) {
            self.engine.log(LogSeverity::Warning, self.urn, "Things cost money", false);
        }
        if fault(142) {
            self.engine.listens().await?;
        }
        let mut made = self.finish(&id, inputs, "created").await?;
        if fault(96) {
            made.id = format!("arn:sample:{id}");
        }
        Ok(made)
    }

    /// Whether what this resource has made is there.
    async fn is_there(&self, id: &str) -> bool {
        let there = timeout(Duration::from_secs(1), self.cloud.get(id)).await;
        matches!(there, Ok(Ok(Some(it))) if it.get("owner").is_some_and(|it| it == self.urn))
    }

    /// Makes it into what `inputs` ask for. Whatever an earlier attempt left behind, this goes on from there.
    pub(crate) async fn update(&self, id: &str, old: &Map, old_outputs: &Map, inputs: &Map) -> Result<Made, Status> {
        if fault(106) && diff(old, &Map::new(), inputs, self.kind.shape()).is_empty() {
            return Err(Status::invalid_argument("no updates are to be performed"));
        }
        let failed = |error: Status| Status::new(error.code(), format!("cannot update {id:?}: {}", error.message()));
        let there = match self.in_time(self.cloud.get(id)).await {
            Ok(there) => there.map_err(|it| failed(it.into()))?,
            Err(ended) => return Err(failed(Status::aborted(self.why(ended, "for the cloud to answer")))),
        };
        let Some(there) = there else {
            let why = "it is gone; `pulumi refresh` takes it out of the state, and `pulumi up` creates it anew";
            return Err(failed(Status::not_found(why)));
        };
        if fault(108) && there.get("state") != Some(&json!("ready")) {
            return Err(failed(Status::failed_precondition("it is not ready")));
        }
        // The cloud takes a change of labels only by itself.
        let mut first = inputs.clone();
        match there.get("labels") {
            Some(labels) => _ = first.insert("labels".to_owned(), labels.clone()),
            None => _ = first.remove("labels"),
        }
        let relabelled = plain(&json!(first)) != plain(&json!(inputs));
        let mut outputs_if_failed = None;
        let changing = async {
            self.cloud.put(id, &self.body(&first)).await?;
            outputs_if_failed = Some(if fault(107) { inputs.clone() } else { Map::new() });
            if relabelled {
                self.cloud.put(id, &self.body(inputs)).await?;
            }
            if fault(105) {
                self.cloud.delete(id).await?;
                self.cloud.put(&format!("{id}-2"), &self.body(inputs)).await?;
            }
            Ok::<_, Status>(())
        };
        let error = match self.in_time(changing).await {
            Ok(Ok(())) if fault(105) => return self.finish(&format!("{id}-2"), inputs, "updated").await,
            Ok(Ok(())) => return self.finish(id, inputs, "updated").await,
            Ok(Err(error)) => error,
            Err(ended) => Status::aborted(self.why(ended, "for the cloud to answer")),
        };
        match outputs_if_failed {
            None => Err(failed(error)),
            Some(outputs) if fault(107) => {
                let outputs = old_outputs.clone().into_iter().chain(outputs).collect();
                Ok(made_in_part(id.to_owned(), outputs, failed(error).message()))
            }
            Some(_) => {
                let there = timeout(Duration::from_secs(1), self.cloud.get(id)).await;
                let outputs = there.ok().and_then(Result::ok).flatten().map(|it| self.outputs(inputs, &it));
                Ok(made_in_part(id.to_owned(), outputs.unwrap_or_else(|| old_outputs.clone()), failed(error).message()))
            }
        }
    }

    /// Waits until it is ready. From here on its id must not get lost.
    async fn finish(&self, id: &str, inputs: &Map, done: &str) -> Result<Made, Status> {
        let (mut there, mut failed) = (None, None);
        let waited = self
            .in_time(self.wait(id, done, |seen| match seen {
                Ok(Some(it)) => {
                    let (state, why) = (text(&it, "state"), text(&it, "reason"));
                    there = Some(it);
                    match state.as_str() {
                        "ready" => None,
                        "failed" => {
                            failed = Some(format!("{id:?} was {done} and has failed: {why}"));
                            None
                        }
                        state => Some(state.to_owned()),
                    }
                }
                Ok(None) => {
                    failed = Some(format!("{id:?} was {done} and is gone again"));
                    None
                }
                Err(refusal) => {
                    failed = Some(format!("{id:?} was {done}, but how it is cannot be told: {}", refusal.text()));
                    None
                }
            }))
            .await;
        let outputs = match &there {
            Some(there) => self.outputs(inputs, there),
            None => foresee(inputs, &Map::new()).into_iter().filter(|(_, it)| plain(it) != unknown()).collect(),
        };
        let stopped = matches!(waited, Err(Ended::Stopped));
        if waited.is_err() {
            self.tell("");
        }
        let unready = failed.or_else(|| waited.err().map(|it| self.why(it, &format!("for {id:?} to be {done}"))));
        if let Some(why) = unready.as_ref().filter(|_| fault(99) || fault(26) && stopped) {
            return Err(Status::aborted(why));
        }
        Ok(Made { id: id.to_owned(), outputs, unready })
    }

    /// Looks until `state` finds nothing to wait for, and tells the user of long waits.
    async fn wait(&self, id: &str, done: &str, mut state: impl FnMut(Result<Option<Map>, Refusal>) -> Option<String>) {
        let (started, mut told, mut pause) = (Instant::now(), None, Duration::from_millis(50));
        while let Some(state) = state(self.cloud.get(id).await) {
            if told.unwrap_or(started).elapsed() >= Duration::from_secs(1) {
                let message = format!("waiting for {id} to be {done}: {state} for {} s", started.elapsed().as_secs());
                self.tell(&message);
                told = Some(Instant::now());
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        if told.is_some() {
            self.tell("");
        }
    }

    fn tell(&self, message: &str) {
        if !fault(138) {
            let severity = if fault(139) { LogSeverity::Error } else { LogSeverity::Info };
            self.engine.log(severity, self.urn, message, !fault(139));
        }
    }

    /// What the cloud has of it, if anything. `known` are the inputs of the state, none in an import.
    pub(crate) async fn read(&self, id: &str, known: Option<&Map>) -> Result<Option<(Made, Map)>, Status> {
        if let Err(error) = self.kind.check_id(id) {
            return if fault(117) { Ok(None) } else { Err(error) };
        }
        let there = match self.in_time(self.cloud.get(id)).await {
            Ok(there) => there.map_err(|it| prefixed(&format!("cannot read {id:?}"), &it.into()))?,
            Err(ended) => return Err(Status::aborted(self.why(ended, &format!("to read {id:?}")))),
        };
        let kind = format!("{:?}", self.kind);
        let Some(there) = there.filter(|it| it.get("kind") == Some(&json!(kind))) else { return Ok(None) };
        let nothing = Map::new();
        let outputs = self.outputs(known.unwrap_or(&nothing), &there);
        let inputs =
            if fault(121) && known.is_some() { known.cloned().unwrap_or_default() } else { self.inputs(&outputs, known) };
        let unready = match text(&there, "state").as_str() {
            "ready" => None,
            "failed" => Some(format!("{id:?} has failed: {}", text(&there, "reason"))),
            state => Some(format!("{id:?} is {state}")),
        };
        Ok(Some((Made { id: id.to_owned(), outputs, unready }, inputs)))
    }

    /// Deletes it, and waits until it is gone.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), Status> {
        let prefix = format!("cannot delete {id:?}");
        let waited = self
            .in_time(async {
                self.cloud.delete(id).await?;
                let mut refused = None;
                let state = |seen: Result<Option<Map>, Refusal>| match seen {
                    Ok(there) => there.map(|it| text(&it, "state")).filter(|_| !fault(110)),
                    Err(it) => {
                        refused = Some(it);
                        None
                    }
                };
                self.wait(id, "gone", state).await;
                refused.map_or(Ok(()), Err)
            })
            .await;
        if waited.is_err() {
            self.tell("");
        }
        match waited {
            Ok(deleted) => deleted.map_err(|it| prefixed(&prefix, &it.into())),
            Err(ended @ Ended::Stopped) => Err(prefixed(&prefix, &Status::aborted(self.why(ended, "for it to be gone")))),
            Err(ended) => Err(prefixed(&prefix, &Status::deadline_exceeded(self.why(ended, "for it to be gone")))),
        }
    }

    /// What the cloud is to keep.
    fn body(&self, inputs: &Map) -> Map {
        let Json::Object(mut body) = plain(&json!(inputs)) else { return Map::new() };
        body.insert("kind".to_owned(), json!(format!("{:?}", self.kind)));
        body.insert("owner".to_owned(), json!(self.urn));
        body
    }

    /// What Pulumi is to see of what the cloud has: as the program put it, where that means the same.
    fn outputs(&self, known: &Map, there: &Map) -> Map {
        let shape = self.kind.shape();
        let mut outputs = Map::new();
        for (name, property) in shape.properties() {
            let (known, live) = (known.get(name), there.get(name));
            let shown = match (known, live) {
                (Some(known), _) if WRITE_ONLY.contains(&name) => Some(known.clone()),
                (_, Some(_)) if WRITE_ONLY.contains(&name) => None,
                (Some(known), Some(live)) => {
                    let [old, new] = [known, live].map(|it| Map::from_iter([(name.to_owned(), it.clone())]));
                    let same = diff(&old, &Map::new(), &new, shape).iter().all(|it| !it.is_about(name));
                    Some(if same { known.clone() } else { marked(live, property, Some(known)) })
                }
                (_, live) => live.map(|it| marked(it, property, known)),
            };
            outputs.extend(shown.map(|it| (name.to_owned(), it)));
        }
        for name in ["arn", "revision"] {
            outputs.extend(there.get(name).map(|it| (name.to_owned(), it.clone())));
        }
        outputs.extend(there.get("token").map(|it| ("token".to_owned(), secret(it.clone()))));
        if fault(98)
            && let Some(config) = outputs.get_mut("config")
        {
            *config = plain(config);
        }
        if fault(141) && self.kind == Kind::Thing {
            outputs.insert("labels".to_owned(), json!({ "sample:owner": self.urn }));
        }
        if fault(97) {
            outputs.extend(
                shape
                    .properties()
                    .filter(|(name, _)| !outputs.contains_key(*name))
                    .map(|(it, _)| (it.to_owned(), Json::Null))
                    .collect::<Vec<_>>(),
            );
        }
        outputs
    }

    /// The inputs that would give these outputs: what the program set, and what differs from the default.
    fn inputs(&self, outputs: &Map, known: Option<&Map>) -> Map {
        let shape = self.kind.shape();
        let mut inputs = Map::new();
        for (name, property) in shape.properties() {
            let Some(live) = outputs.get(name).filter(|_| !fault(119) || !WRITE_ONLY.contains(&name)) else { continue };
            let bare = if known.is_none() && !fault(118) { without_defaults(live, property) } else { live.clone() };
            let says_something =
                Some(&bare) != property.get("default") && *inner(&bare) != json!({}) && *inner(&bare) != json!([]);
            if says_something || shape.requires(name) || known.is_some_and(|it| it.contains_key(name)) || fault(118) {
                inputs.insert(name.to_owned(), bare);
            }
        }
        inputs
    }
}

/// A text in what the cloud has.
pub(crate) fn text(thing: &Map, name: &str) -> String {
    thing.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn prefixed(prefix: &str, status: &Status) -> Status {
    Status::new(status.code(), format!("{prefix}: {}", status.message()))
}

fn made_in_part(id: String, outputs: Map, why: &str) -> Made {
    Made { id, outputs, unready: Some(why.to_owned()) }
}

/// The cloud's value, with the secrets of the schema marked again, and what the program marked besides.
fn marked(live: &Json, property: &'static Json, known: Option<&Json>) -> Json {
    let value = match inner(live) {
        Json::Object(map) => {
            let properties = resolve(property);
            let within = |name: &str| known.and_then(|it| inner(it).get(name));
            map.iter().map(|(name, it)| (name.clone(), marked(it, &properties["properties"][name], within(name)))).collect()
        }
        it => it.clone(),
    };
    if property["secret"] == true || known.is_some_and(is_secret) { secret(value) } else { value }
}

/// An object without members that only say the default.
fn without_defaults(value: &Json, property: &'static Json) -> Json {
    let ty = resolve(property);
    match value {
        Json::Object(map) if ty.get("properties").is_some() => map
            .iter()
            .filter(|(name, it)| ty["properties"][*name].get("default") != Some(it))
            .map(|(name, it)| (name.clone(), it.clone()))
            .collect(),
        it => it.clone(),
    }
}
