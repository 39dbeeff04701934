//! Times when something goes wrong: a resource that it happens to, and a provider whose cloud plays it.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value as Json;
use tokio::time::timeout;
use tonic::{Response, Status};

use crate::{
    cloud::Cloud,
    detail::InitFailed,
    item::{Outcome, expect, expect_none, failed, not_applicable},
    life::{Lives, State, Subject},
    provider::{Client, Provider},
    rpc,
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
    made: Vec<State>,
}

impl<'a> Stage<'a> {
    /// Plays a situation to `act`, and deletes afterwards whatever that has made.
    pub async fn play<T>(
        run: &'a Run,
        situation: Situation,
        act: impl for<'s> FnOnce(&'s mut Self) -> BoxFuture<'s, Outcome<T>> + Send,
    ) -> Outcome<T> {
        let mut stage = Self::set(run, situation).await?;
        let outcome = act(&mut stage).await;
        let left = stage.clear().await;
        let outcome = outcome?;
        expect_none(left, "to delete what was made, now that the cloud is as ever")?;
        Ok(outcome)
    }

    async fn set(run: &'a Run, situation: Situation) -> Outcome<Self> {
        run.program()?;
        let scene = run.scene(situation)?;
        if run.options.clouds.is_empty() {
            return not_applicable("without --cloud, nothing can be played");
        }
        let (lives, entry) = (run.lives().await?, run.resource(&scene.resource)?);
        let subject = Subject::new(entry.token, &format!("{}-{situation:?}", scene.resource).to_lowercase());
        let inputs = run.inputs(&scene.resource, &scene.inputs).await?;
        let checked = subject.checked(&mut lives.provider.client.clone(), &Map::new(), &inputs).await?;
        let provider = run.configured_in(Special::default()).await?;
        Ok(Self { scene, entry, subject, checked, provider, run, lives, made: Vec::new() })
    }

    /// The cloud as it should be.
    pub fn healthy(&self) -> Client {
        self.lives.provider.client.clone()
    }

    /// The cloud that plays.
    pub fn cloud(&self) -> Outcome<&Cloud> {
        self.provider.cloud.as_ref().map_or_else(|| not_applicable("without --cloud, nothing can be played"), Ok)
    }

    /// The situation begins.
    pub fn begin(&self) -> Outcome {
        self.cloud()?.play(&self.answers());
        Ok(())
    }

    /// The situation is over.
    pub fn end(&self) -> Outcome {
        self.cloud()?.play(&[]);
        Ok(())
    }

    /// What the cloud answers, with the properties of the resource filled in.
    pub fn answers(&self) -> Vec<Answer> {
        let properties = self.properties();
        self.scene.answers.iter().map(|it| it.about(&properties)).collect()
    }

    fn properties(&self) -> Map {
        let mut properties = plain_map(&self.checked);
        if let Some(state) = self.made.last() {
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
        Ok(self.keep(State { id: created.id, outputs: from_struct(created.properties.as_ref()) }))
    }

    /// Creates the resource within so many seconds.
    pub async fn create(&mut self, seconds: f64) -> Outcome<Result<State, Status>> {
        let mut client = self.provider.client.clone();
        let request = rpc::CreateRequest { timeout: seconds, ..self.subject.create(&self.checked, false) };
        let creating = tokio::spawn(async move { client.create(request).await.map(Response::into_inner) });
        let (answer, on_time) = self.in_time(creating, seconds).await?;
        let answer = match answer {
            Ok(it) => Ok(self.keep(State { id: it.id, outputs: from_struct(it.properties.as_ref()) })),
            Err(status) => {
                if let Some(it) = InitFailed::of(&status)? {
                    self.keep(State { id: it.id, outputs: it.outputs });
                }
                Err(status)
            }
        };
        on_time?;
        Ok(answer)
    }

    /// Changes the resource from `state` to `news` within so many seconds.
    pub async fn update(&mut self, state: &State, news: &Map, seconds: f64) -> Outcome<Result<State, Status>> {
        let mut client = self.provider.client.clone();
        let request = rpc::UpdateRequest { timeout: seconds, ..self.subject.update(state, &self.checked, news, false) };
        let updating = tokio::spawn(async move { client.update(request).await.map(Response::into_inner) });
        let (answer, on_time) = self.in_time(updating, seconds).await?;
        on_time?;
        Ok(answer.map(|it| State { id: state.id.clone(), outputs: from_struct(it.properties.as_ref()) }))
    }

    /// Deletes the resource within so many seconds.
    pub async fn delete(&mut self, state: &State, seconds: f64) -> Outcome<Result<(), Status>> {
        let mut client = self.provider.client.clone();
        let request = rpc::DeleteRequest { timeout: seconds, ..self.subject.delete(state, &self.checked) };
        let deleting = tokio::spawn(async move { client.delete(request).await.map(|_| ()) });
        let (answer, on_time) = self.in_time(deleting, seconds).await?;
        on_time?;
        Ok(answer)
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

    /// Remembers what has to be deleted.
    pub fn keep(&mut self, state: State) -> State {
        if !state.id.is_empty() {
            self.made.push(state.clone());
        }
        state
    }

    /// The answer to a call that has a limit, and whether it kept to it. One that does not is waited for: what it makes
    /// has to be known.
    async fn in_time<T>(
        &self,
        mut call: tokio::task::JoinHandle<Result<T, Status>>,
        seconds: f64,
    ) -> Outcome<(Result<T, Status>, Outcome)> {
        let limit = Duration::from_secs_f64(seconds);
        if let Ok(answer) = timeout(limit + PATIENCE, &mut call).await {
            return Ok((answer.map_err(anyhow::Error::from)?, Ok(())));
        }
        let expected = format!("an answer within {seconds} s, which is the timeout of the call");
        let late = failed(&expected, format!("none {} s later", PATIENCE.as_secs()));
        self.end()?;
        match timeout(Duration::from_mins(1), call).await {
            Ok(answer) => Ok((answer.map_err(anyhow::Error::from)?, late)),
            Err(_) => failed(expected, "none, not even when the cloud was as ever"),
        }
    }

    /// Deletes all that was made; what cannot be deleted, it tells.
    async fn clear(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for state in std::mem::take(&mut self.made) {
            let request = self.subject.delete(&state, &self.checked);
            if let Err(status) = self.healthy().delete(request).await {
                left.push(format!("{}: {}", state.id, status.message()));
            }
        }
        left
    }
}
