//! Situations of the samples, played: one more resource of a sample, to which something happens.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::Status;

use crate::{
    cloud::Cloud,
    detail::InitFailed,
    engine::Line,
    item::{Outcome, Stop, failed, not_applicable},
    life::{State, Subject},
    provider::Provider,
    rpc::{self, LogSeverity},
    run::{Run, Special, greet},
    samples::{Answer, Scene, Situation},
    value::{Map, from_struct},
};

/// A resource about to be created by a provider of its own, whose cloud plays the situation from now on.
pub struct Play<'a> {
    run: &'a Run,
    pub scene: &'a Scene,
    pub provider: Provider,
    pub subject: Subject,
    /// What Check made of its inputs.
    pub inputs: Map,
}

/// A Create that is under way.
pub type Creating = JoinHandle<Result<rpc::CreateResponse, Status>>;

/// How a Create ended that was cancelled.
pub struct Ended {
    pub answer: Result<rpc::CreateResponse, Status>,
    /// How long that took, from Cancel on.
    pub took: Duration,
}

impl<'a> Play<'a> {
    /// Starts a provider, and checks the inputs. Not applicable if the samples do not tell how to play it.
    pub async fn start(run: &'a Run, situation: Situation, special: Special) -> Outcome<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let scene = run.scene(situation)?;
        if !scene.answers.is_empty() && run.options.clouds.is_empty() {
            return not_applicable("there is no cloud to play the situation: --cloud");
        }
        let name = format!("play-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let Some((_, _, entry)) = run.samples()?.into_iter().find(|it| it.0 == scene.resource) else {
            return failed(format!("a sample {}, to which {situation:?} happens", scene.resource), "none");
        };
        let subject = Subject::new(entry.token, &name);
        let inputs = run.inputs(&scene.resource, &scene.inputs).await?;
        let mut provider = run.configured_in(special).await?;
        let checked = provider.client.check(subject.check(&Map::new(), &inputs)).await?.into_inner();
        if let Some(failure) = checked.failures.first() {
            let seen = format!("{} {}", failure.property, failure.reason);
            return failed(format!("good inputs of {} in the situation {situation:?}", scene.resource), seen);
        }
        let play = Self { run, scene, provider, subject, inputs: from_struct(checked.inputs.as_ref()) };
        play.perform();
        Ok(play)
    }

    /// Lets the cloud play the situation.
    pub fn perform(&self) {
        if let Some(cloud) = &self.provider.cloud {
            cloud.play(&self.answers());
        }
    }

    fn answers(&self) -> Vec<Answer> {
        self.scene.answers.iter().map(|it| it.about(&self.inputs)).collect()
    }

    /// Begins to create the resource, and returns once the situation is there.
    pub async fn create(&self) -> Creating {
        let (mut client, request) = (self.provider.client.clone(), self.subject.create(&self.inputs, false));
        let creating = tokio::spawn(async move { Ok(client.create(request).await?.into_inner()) });
        let started = Instant::now();
        while !self.has_begun() && !creating.is_finished() && started.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(500)).await;
        creating
    }

    fn has_begun(&self) -> bool {
        let requests = self.provider.cloud.as_ref().map(Cloud::requests).unwrap_or_default();
        self.answers().iter().all(|answer| requests.iter().filter(|it| it.contains(&answer.request)).count() > answer.after)
    }

    /// Lets the cloud answer as it does.
    pub fn release(&self) {
        if let Some(cloud) = &self.provider.cloud {
            cloud.play(&[]);
        }
    }

    /// Cancels a Create that waits; if that does not end it, the situation passes. Nothing of it stays behind.
    pub async fn cancel(&self, mut creating: Creating) -> Outcome<Ended> {
        if creating.is_finished() {
            let answer = creating.await.map_err(anyhow::Error::from)?;
            self.clean_up(&answer).await;
            let seen = answer.map_or_else(|it| format!("it fails: {}", it.message()), |_| "it succeeds".to_owned());
            return failed(format!("Create of {} to wait while the cloud keeps it waiting", self.scene.resource), seen);
        }
        let cancelled = Instant::now();
        let mut client = self.provider.client.clone();
        let answered = timeout(Duration::from_secs(10), client.cancel(())).await;
        let mut ended = timeout(Duration::from_secs(5), &mut creating).await;
        let took = cancelled.elapsed();
        self.release();
        if ended.is_err() {
            ended = timeout(Duration::from_mins(1), creating).await;
        }
        let Ok(Ok(answer)) = ended else {
            return failed("Create to end after Cancel", "it still runs a minute later");
        };
        self.clean_up(&answer).await;
        match answered {
            Err(_) => failed("an answer to Cancel while a Create waits", "none within 10 s"),
            Ok(Err(status)) => Err(status.into()),
            Ok(Ok(_)) => Ok(Ended { answer, took }),
        }
    }

    /// Deletes what a Create has left.
    pub async fn clean_up(&self, answer: &Result<rpc::CreateResponse, Status>) {
        if let Some(state) = left_by(answer) {
            self.delete(&state).await;
        }
    }

    /// Deletes it, as a new run of the engine would.
    pub async fn delete(&self, state: &State) {
        self.release();
        let mut client = self.provider.client.clone();
        // How well these go is the business of other items.
        _ = greet(&mut client, &self.provider.engine.address).await;
        _ = self.run.configure(&mut client, &self.run.settings(self.provider.cloud.as_ref())).await;
        _ = timeout(Duration::from_mins(1), client.delete(self.subject.delete(state, &self.inputs))).await;
    }
}

/// A Create that has to wait, then may go on: what was told until then, and after.
pub struct Waited {
    pub waiting: Vec<Line>,
    pub ending: Vec<Line>,
}

impl Waited {
    /// Watches one.
    pub async fn watch(run: &Run) -> Outcome<Self> {
        let play = Play::start(run, Situation::Pending, Special::default()).await?;
        let lines = |from: usize| -> Vec<Line> {
            let lines = play.provider.engine.lines().into_iter().skip(from);
            lines.filter(|it| it.request.urn == play.subject.urn && it.request.severity != LogSeverity::Debug as i32).collect()
        };
        let mut creating = play.create().await;
        sleep(Duration::from_secs(3)).await;
        let waiting = lines(0);
        let before = play.provider.engine.lines().len();
        play.release();
        let Ok(Ok(answer)) = timeout(Duration::from_secs(30), &mut creating).await else {
            play.cancel(creating).await?;
            return failed(format!("Create of {} to end once it is ready", play.scene.resource), "it waits on");
        };
        sleep(Duration::from_millis(100)).await;
        let ending = lines(before);
        play.clean_up(&answer).await;
        Ok(Self { waiting, ending })
    }
}

/// None if it cannot be played.
pub fn if_played<T>(played: Outcome<T>) -> Outcome<Option<T>> {
    match played {
        Err(Stop::NotApplicable(_)) => Ok(None),
        other => other.map(Some),
    }
}

/// What exists after a Create, as far as its answer tells.
pub fn left_by(answer: &Result<rpc::CreateResponse, Status>) -> Option<State> {
    match answer {
        Ok(it) => Some(State { id: it.id.clone(), outputs: from_struct(it.properties.as_ref()) }),
        Err(status) => {
            let kept = InitFailed::of(status).ok()??;
            Some(State { id: kept.id, outputs: kept.outputs })
        }
    }
}
