//! Situations of the samples, played: a resource that something happens to, and a provider whose cloud plays it.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Response, Status};

use crate::{
    detail::InitFailed,
    engine::Line,
    item::{Outcome, expect, failed, not_applicable},
    life::{Lives, State, Subject},
    provider::{Client, Provider},
    rpc::{self, LogSeverity},
    run::{Run, Special},
    samples::{Answer, Scene, Situation, filled},
    schema::{Entry, as_sent},
    value::{Map, from_struct, overlay, plain_map},
};

/// How long a call may go on after it should have ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A situation, and who is in it.
pub struct Stage<'a> {
    pub scene: &'a Scene,
    pub entry: Entry<'a>,
    pub subject: Subject,
    /// What Check makes of the inputs.
    pub checked: Map,
    /// The one whose cloud plays the situation, once it is told to.
    pub provider: Provider,
    run: &'a Run,
    lives: &'a Lives,
    /// When the situation began.
    begun: Instant,
    /// What was made last.
    state: Option<State>,
}

/// A Create that is under way.
pub type Creating = JoinHandle<Result<Response<rpc::CreateResponse>, Status>>;

/// What a call has answered, and whether that came in time.
type Answered<T> = (Result<Response<T>, Status>, Outcome);

/// How a Create ended that was cancelled.
pub struct Cancelled {
    pub answer: Result<State, Status>,
    /// How long that took, from Cancel on.
    pub took: Duration,
}

impl<'a> Stage<'a> {
    /// Sets one up. Not applicable if the samples do not tell how to play the situation.
    pub async fn set(run: &'a Run, situation: Situation) -> Outcome<Self> {
        Self::set_in(run, situation, Special::default()).await
    }

    /// Sets one up, with a provider started in a special way.
    pub async fn set_in(run: &'a Run, situation: Situation, special: Special) -> Outcome<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let scene = run.scene(situation)?;
        if !scene.answers.is_empty() && run.options.clouds.is_empty() {
            return not_applicable("without --cloud, nothing can be played");
        }
        let (lives, entry) = (run.lives().await?, run.resource(&scene.resource)?);
        let name = format!("{}-{}", scene.resource, COUNT.fetch_add(1, Ordering::Relaxed));
        let subject = Subject::new(entry.token, &name.to_lowercase());
        let inputs = run.inputs(&scene.resource, &scene.inputs).await?;
        let checked = subject.checked(&mut lives.provider.client.clone(), &Map::new(), &inputs).await?;
        let provider = run.configured_in(special).await?;
        Ok(Self { scene, entry, subject, checked, provider, run, lives, begun: Instant::now(), state: None })
    }

    /// The cloud as it should be.
    pub fn healthy(&self) -> Client {
        self.lives.provider.client.clone()
    }

    /// The situation begins.
    pub fn begin(&mut self) {
        self.begun = Instant::now();
        if let Some(cloud) = &self.provider.cloud {
            cloud.play(&self.answers());
        }
    }

    /// The situation is over.
    pub fn end(&self) {
        if let Some(cloud) = &self.provider.cloud {
            cloud.play(&[]);
        }
    }

    /// What the cloud answers, with the properties of the resource filled in.
    fn answers(&self) -> Vec<Answer> {
        let properties = self.properties();
        self.scene.answers.iter().map(|it| it.about(&properties)).collect()
    }

    /// For each answer of the scene, when the cloud was asked for it since the situation began.
    pub fn asked(&self) -> Vec<(Answer, Vec<Instant>)> {
        let times = |answer: &Answer| self.provider.cloud.as_ref().map(|it| it.times(&answer.request)).unwrap_or_default();
        let since = |answer: &Answer| times(answer).into_iter().filter(|at| *at >= self.begun).collect();
        self.answers().into_iter().map(|it| (it.clone(), since(&it))).collect()
    }

    fn properties(&self) -> Map {
        let mut properties = plain_map(&self.checked);
        if let Some(state) = &self.state {
            properties.extend(plain_map(&state.outputs));
            properties.insert("id".to_owned(), Json::String(state.id.clone()));
        }
        properties
    }

    /// Fails unless an error says all that the scene asks for.
    pub fn expect_said(&self, text: &str) -> Outcome {
        let properties = self.properties();
        let missing = self.scene.says.iter().map(|it| filled(it, &properties)).filter(|it| !text.contains(it.as_str()));
        let missing: Vec<_> = missing.map(|it| format!("{it:?}")).collect();
        expect(missing.is_empty(), format!("an error that says {}", missing.join(" and ")), text)
    }

    /// Creates the resource while nothing is wrong.
    pub async fn made(&mut self) -> Outcome<State> {
        let created = self.healthy().create(self.subject.create(&self.checked, false)).await?.into_inner();
        Ok(self.keep(created.into()))
    }

    /// Creates the resource within so many seconds.
    pub async fn create(&mut self, seconds: f64) -> Outcome<Result<State, Status>> {
        let mut client = self.provider.client.clone();
        let request = rpc::CreateRequest { timeout: seconds, ..self.subject.create(&self.checked, false) };
        let answered = self.within(seconds, client.create(request)).await?;
        self.created(answered)
    }

    /// Begins to create the resource in the situation, and returns once that is there.
    pub async fn begin_create(&mut self) -> Creating {
        self.begin();
        let (mut client, request) = (self.provider.client.clone(), self.subject.create(&self.checked, false));
        let creating = tokio::spawn(async move { client.create(request).await });
        let is_there = || self.asked().iter().all(|(answer, times)| times.len() > answer.after);
        while !is_there() && !creating.is_finished() && self.begun.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(500)).await;
        creating
    }

    /// The answer of a Create that was begun and has to end within `limit`, as is `expected`.
    pub async fn ended(&mut self, creating: Creating, limit: Duration, expected: &str) -> Outcome<Result<State, Status>> {
        let answered = self.in_time(limit, expected, joined(creating)).await?;
        self.created(answered)
    }

    /// Cancels a Create that waits; if that does not end it, the situation passes.
    pub async fn cancel(&mut self, creating: Creating) -> Outcome<Cancelled> {
        if creating.is_finished() {
            let expected = format!("Create of {} to wait while the cloud keeps it waiting", self.scene.resource);
            let answer = self.ended(creating, PATIENCE, &expected).await?;
            return failed(
                expected,
                answer.map_or_else(|it| format!("it fails: {}", it.message()), |_| "it succeeds".to_owned()),
            );
        }
        let (mut client, cancelled) = (self.provider.client.clone(), Instant::now());
        let answered = timeout(PATIENCE, client.cancel(())).await;
        // Whether that is too late is for the items to say.
        let (answer, _) = self.in_time(Duration::from_secs(5), "Create to end after Cancel", joined(creating)).await?;
        let took = cancelled.elapsed();
        self.end();
        let answer = self.created((answer, Ok(())))?;
        match answered {
            Err(_) => failed("an answer to Cancel while a Create waits", format!("none within {PATIENCE:?}")),
            Ok(Err(status)) => Err(status.into()),
            Ok(Ok(_)) => Ok(Cancelled { answer, took }),
        }
    }

    /// Changes the resource from `state` to `news` within so many seconds.
    pub async fn update(&mut self, state: &State, news: &Map, seconds: f64) -> Outcome<Result<State, Status>> {
        let mut client = self.provider.client.clone();
        let request = rpc::UpdateRequest { timeout: seconds, ..self.subject.update(state, &self.checked, news, false) };
        let (answer, on_time) = self.within(seconds, client.update(request)).await?;
        on_time?;
        Ok(answer.map(|it| State { id: state.id.clone(), outputs: from_struct(it.get_ref().properties.as_ref()) }))
    }

    /// Deletes the resource within so many seconds.
    pub async fn delete(&mut self, state: &State, seconds: f64) -> Outcome<Result<(), Status>> {
        let mut client = self.provider.client.clone();
        let request = rpc::DeleteRequest { timeout: seconds, ..self.subject.delete(state, &self.checked) };
        let (answer, on_time) = self.within(seconds, client.delete(request)).await?;
        on_time?;
        Ok(answer.map(|_| ()))
    }

    /// What the engine would read in a refresh.
    pub async fn refresh(&mut self, state: &State) -> Result<rpc::ReadResponse, Status> {
        let request = self.subject.refresh(state, &self.checked);
        self.provider.client.read(request).await.map(Response::into_inner)
    }

    /// The change that the scene is about, checked.
    pub async fn news(&self) -> Outcome<Map> {
        let sample = &self.run.options.samples.resources[&self.scene.resource].updates;
        let changes = self.lives.fill_in(self.scene.updates.as_ref().unwrap_or(sample))?;
        let inputs = self.run.inputs(&self.scene.resource, &self.scene.inputs).await?;
        let inputs = as_sent(&overlay(&inputs, &changes), self.entry.inputs());
        self.subject.checked(&mut self.healthy(), &self.checked, &inputs).await
    }

    /// Remembers what has to be deleted after the item.
    pub fn keep(&mut self, state: State) -> State {
        self.run.keep(&self.subject, &self.checked, state.clone());
        self.state = Some(state.clone());
        state
    }

    /// What Create has answered; what it has made is remembered, whether it succeeded or not.
    fn created(&mut self, (answer, on_time): Answered<rpc::CreateResponse>) -> Outcome<Result<State, Status>> {
        let answer = match answer {
            Ok(it) => Ok(self.keep(it.into_inner().into())),
            Err(status) => {
                if let Some(it) = InitFailed::of(&status)? {
                    self.keep(it.into());
                }
                Err(status)
            }
        };
        on_time?;
        Ok(answer)
    }

    async fn within<T>(&self, seconds: f64, call: impl Future<Output = Result<Response<T>, Status>>) -> Outcome<Answered<T>> {
        let expected = format!("an answer within {seconds} s, which is the timeout of the call");
        self.in_time(Duration::from_secs_f64(seconds) + PATIENCE, &expected, call).await
    }

    /// The answer to a call that has to end within `limit`. One that does not is brought to an end and waited for: what
    /// it makes has to be known.
    async fn in_time<T>(
        &self,
        limit: Duration,
        expected: &str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Outcome<Answered<T>> {
        let mut call = pin!(call);
        if let Ok(answer) = timeout(limit, &mut call).await {
            return Ok((answer, Ok(())));
        }
        self.end();
        _ = timeout(PATIENCE, self.provider.client.clone().cancel(())).await;
        match timeout(Duration::from_mins(1), call).await {
            Ok(answer) => Ok((answer, failed(expected, format!("none within {limit:?}")))),
            Err(_) => failed(expected, "none, not even when the cloud was as ever"),
        }
    }
}

/// A provider that runs already has one cloud for all items.
impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

async fn joined(creating: Creating) -> Result<Response<rpc::CreateResponse>, Status> {
    creating.await.unwrap_or_else(|error| Err(Status::from_error(error.into())))
}

/// A Create that has to wait, then may go on: what was told until then, and after.
pub struct Waited {
    pub waiting: Vec<Line>,
    pub ending: Vec<Line>,
}

impl Waited {
    /// Watches one.
    pub async fn watch(run: &Run) -> Outcome<Self> {
        let mut stage = Stage::set(run, Situation::Pending).await?;
        let creating = stage.begin_create().await;
        sleep(Duration::from_secs(3)).await;
        let waiting = told(&stage, 0);
        let before = stage.provider.engine.lines().len();
        stage.end();
        let expected = format!("Create of {} to end once it is ready", stage.scene.resource);
        _ = stage.ended(creating, Duration::from_secs(30), &expected).await?;
        sleep(Duration::from_millis(100)).await;
        Ok(Self { waiting, ending: told(&stage, before) })
    }
}

/// What the engine was told of the resource, from this line on.
fn told(stage: &Stage<'_>, from: usize) -> Vec<Line> {
    let lines = stage.provider.engine.lines().into_iter().skip(from);
    lines.filter(|it| it.request.urn == stage.subject.urn && it.request.severity != LogSeverity::Debug as i32).collect()
}
