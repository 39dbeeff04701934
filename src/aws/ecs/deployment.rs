//! Watching the deployment of a service until its end is known.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{Display, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Error, Result, anyhow};
use aws_sdk_ecs::types::{self, DeploymentRolloutState, ServiceDeploymentStatus as Status};

use super::diagnosis::{Case, Diagnosis, Evidence, is_healthy, is_leaving};
use crate::{
    aws::{Aws, Explain as _, Lookup, Patience, Seen, TimedOut},
    resource::Context,
};

/// How long to wait for the end of a deployment.
pub const PATIENCE: Patience = Patience::minutes(20);
/// The way out when a service was deleted behind Pulumi's back.
pub const REFRESH: &str = "`pulumi refresh` takes note of that, and the next `pulumi up` makes it anew";
/// Words of those events that tell of trouble.
const TROUBLE: &[&str] = &["unable", "unhealthy", "failed", "failure", "error", "limit", "unavailable"];
/// How many looks may pass until AWS, which lags behind itself, shows what it has just answered.
const LAG: u32 = 5;
/// Every how many looks it is asked what became of a deployment that shows no trouble: someone may have stopped it.
const NOW_AND_THEN: u32 = 5;

/// The names of a cluster and of a service in it.
pub type Key = (String, String);

/// `DescribeServices`, by the names of cluster and service. A service that has been deleted stays visible for a while.
pub struct DescribeServices;

impl Lookup for DescribeServices {
    type Key = Key;
    type Found = types::Service;
    const LIMIT: usize = 10;
    const MISSING: &'static [&'static str] = &["ClusterNotFoundException"];

    async fn load(aws: &Aws, keys: Vec<Key>) -> Result<HashMap<Key, types::Service>> {
        let mut clusters = BTreeMap::<String, Vec<String>>::new();
        for (cluster, name) in keys {
            clusters.entry(cluster).or_default().push(name);
        }
        let mut found = HashMap::new();
        for (cluster, names) in clusters {
            let request = aws.ecs().describe_services().cluster(&cluster).set_services(Some(names));
            let services = request.include(types::ServiceField::Tags).send().await.explain()?.services.unwrap_or_default();
            found.extend(services.into_iter().filter_map(|it| Some(((cluster.clone(), it.service_name()?.to_owned()), it))));
        }
        Ok(found)
    }
}

/// `DescribeServiceDeployments`, by ARN: what became of deployments, and how many failures end them.
struct DescribeServiceDeployments;

impl Lookup for DescribeServiceDeployments {
    type Key = String;
    type Found = types::ServiceDeployment;
    const LIMIT: usize = 20;

    async fn load(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, types::ServiceDeployment>> {
        let request = aws.ecs().describe_service_deployments().set_service_deployment_arns(Some(arns));
        let deployments = request.send().await.explain()?.service_deployments.unwrap_or_default();
        Ok(deployments.into_iter().filter_map(|it| Some((it.service_deployment_arn.clone()?, it))).collect())
    }
}

/// The service, which has to be there.
pub async fn found(context: &Context, key: &Key) -> Result<types::Service> {
    let service = context.client.look_up::<DescribeServices>(key.clone()).await?.filter(|it| it.status() == Some("ACTIVE"));
    service.ok_or_else(|| gone(key))
}

fn gone((_, name): &Key) -> Error {
    anyhow!("service {name} is gone: {REFRESH}")
}

/// The deployment that AWS is making real, or has made so last.
pub fn primary(service: &types::Service) -> Option<&types::Deployment> {
    service.deployments().iter().find(|it| it.status() == Some("PRIMARY"))
}

/// Waits until the deployment that is the primary one of `answer`, what AWS said to the call that started it, has ended.
///
/// # Errors
/// A [`super::Diagnosis`] when it did not end well, or cannot any more. Then, where AWS does not roll back by itself although
/// `rolls_back`, it is asked to.
pub async fn ended(context: &Context, key: &Key, answer: types::Service, rolls_back: bool) -> Result<()> {
    let Some(started) = primary(&answer).and_then(types::Deployment::id).map(str::to_owned) else { return Ok(()) };
    let before = answer.deployments().iter().filter_map(|it| it.id().map(str::to_owned)).filter(|it| *it != started);
    let watch = Watch {
        context,
        key,
        before: before.collect(),
        started,
        rolls_back,
        last: Mutex::new(Arc::new(answer)),
        progress: Mutex::default(),
    };
    match context.observer.wait(format!("service {}", key.1), PATIENCE, || watch.look()).await {
        Err(error) if error.is::<TimedOut>() => Err(watch.timed_out(error).await),
        // Not within the wait, which may drop a look half-way.
        Err(error) if watch.progress().asks_to_roll_back => Err(watch.ask_to_roll_back(error).await),
        result => result,
    }
}

/// A deployment that is being watched.
struct Watch<'a> {
    context: &'a Context,
    key: &'a Key,
    /// The id by which AWS answered.
    started: String,
    rolls_back: bool,
    /// The ids of those that were there when it began.
    before: Vec<String>,
    last: Mutex<Arc<types::Service>>,
    progress: Mutex<Progress>,
}

/// What was seen of it so far.
#[derive(Clone, Default)]
struct Progress {
    looks: u32,
    /// Looks in which AWS did not show it, or not even the service.
    unseen: u32,
    seen: bool,
    /// How it was seen last. AWS may list it no more once it has rolled it back.
    ours: Option<types::Deployment>,
    /// The ARN under which AWS keeps what becomes of it.
    service_deployment: Option<String>,
    asks_to_roll_back: bool,
    failed_tasks: i32,
    trouble: Option<String>,
    /// In how many looks AWS counted failed tasks and showed none.
    unshown: u32,
    breaker: Option<(i32, i32)>,
    /// AWS does not let us ask for the health of targets.
    no_targets: bool,
}

impl Watch<'_> {
    async fn look(&self) -> Result<Seen<()>> {
        self.note(|it| it.looks += 1);
        // The first thing to look at is the answer of the call.
        let is_answer = self.progress().looks == 1;
        if !is_answer {
            let service = self.context.client.look_up::<DescribeServices>(self.key.clone()).await?;
            let service = match service {
                Some(it) if it.status() == Some("ACTIVE") => it,
                // One of its name, deleted before, or it itself.
                Some(_) if self.progress().seen => return Err(gone(self.key)),
                _ => return self.unseen().unwrap_or_else(|| Err(gone(self.key))),
            };
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(service);
        }
        let service = self.last();
        let ours = self.ours(&service);
        if let Some(ours) = ours {
            self.note(|it| (it.seen, it.ours) = (it.seen || !is_answer, Some(ours.clone())));
        }
        let first = primary(&service).and_then(types::Deployment::id);
        let replaced = first != Some(self.started.as_str());
        if ours.is_none()
            && first.is_none_or(|it| self.before.iter().any(|before| before == it))
            && let Some(pending) = self.unseen()
        {
            return pending;
        }
        if !replaced && !is_answer {
            // The answer may still name the one before, and whoever deploys later has another one.
            self.note(|it| it.service_deployment = service.current_service_deployment().map(str::to_owned));
        }
        match (ours, ours.and_then(types::Deployment::rollout_state)) {
            (Some(ours), Some(DeploymentRolloutState::Failed)) => {
                let told = self.service_deployment().await;
                Err(self.failed(&service, ours, told.as_ref(), replaced).await)
            }
            (Some(_), Some(DeploymentRolloutState::Completed)) => Ok(Seen::Ready(())),
            (Some(ours), _) if !replaced && is_answer => Ok(Seen::Pending(status(ours))),
            (Some(ours), _) if !replaced => self.going_on(&service, ours).await,
            _ => match self.service_deployment().await {
                Some(it) if it.status() == Some(&Status::Successful) => Ok(Seen::Ready(())),
                told => Err(self.superseded(&service, ours, told.as_ref()).await),
            },
        }
    }

    /// For a while, what is not there may only not be shown yet.
    fn unseen(&self) -> Option<Result<Seen<()>>> {
        self.note(|it| it.unseen += 1);
        (self.progress().unseen <= LAG).then(|| Ok(Seen::Pending("AWS does not show the deployment yet".to_owned())))
    }

    /// It runs. Does it get anywhere?
    async fn going_on(&self, service: &types::Service, ours: &types::Deployment) -> Result<Seen<()>> {
        let event = happened(service, ours).next();
        let trouble = event.filter(|it| TROUBLE.iter().any(|word| it.contains(word)));
        let before = self.progress();
        let mut in_trouble = ours.failed_tasks() > 0 || trouble.is_some();
        if in_trouble || before.looks.is_multiple_of(NOW_AND_THEN) {
            let told = self.service_deployment().await;
            let breaker = told.as_ref().and_then(counting);
            // Of tasks that ran for a moment, AWS counts the failures nowhere else.
            in_trouble |= breaker.is_some_and(|(count, _)| count > 0);
            self.note(|it| it.breaker = breaker.filter(|_| in_trouble));
            let ends = told.as_ref().and_then(types::ServiceDeployment::status).is_some_and(is_ending);
            if ends || breaker.is_some_and(|(count, threshold)| count >= threshold) {
                return Err(self.failed(service, ours, told.as_ref(), false).await);
            }
        }
        let breaker = self.progress().breaker;
        let news =
            ours.failed_tasks() != before.failed_tasks || trouble != before.trouble.as_deref() || breaker != before.breaker;
        if in_trouble && news {
            let evidence = self.evidence(service, ours).await;
            if let Some(certain) = evidence.certain(ours.failed_tasks(), ours.desired_count()) {
                return Err(self.hopeless(service, ours, &evidence, &certain));
            }
            // AWS may count a failed task before it shows it; and it counts those that it could not even place.
            let shown = !evidence.tasks.is_empty() || !evidence.untold.is_empty() || ours.failed_tasks() == 0;
            if shown || before.unshown >= 2 {
                let trouble = trouble.map(str::to_owned);
                self.note(|it| (it.failed_tasks, it.trouble, it.unshown) = (ours.failed_tasks(), trouble, 0));
            } else {
                self.note(|it| (it.breaker, it.unshown) = (before.breaker, it.unshown + 1));
            }
        }
        let mut status = status(ours);
        if let Some((healthy, all)) = self.targets(service, ours).await {
            _ = write!(status, "; {} healthy", some_of(healthy, all, "target"));
        }
        if let Some((count, threshold)) = breaker {
            _ = write!(status, "; circuit breaker at {count} of {threshold}");
        }
        if let Some(event) = event {
            _ = write!(status, "; {event}");
        }
        Ok(Seen::Pending(status))
    }

    /// How many targets are healthy, and how many there are, once a task can be one.
    async fn targets(&self, service: &types::Service, ours: &types::Deployment) -> Option<(usize, usize)> {
        if ours.running_count() == 0 || service.load_balancers().is_empty() || self.progress().no_targets {
            return None;
        }
        let (mut healthy, mut all) = (0, 0);
        for group in service.load_balancers().iter().filter_map(types::LoadBalancer::target_group_arn) {
            let request = self.context.client.elb().describe_target_health().target_group_arn(group);
            // A status line is no reason to fail.
            let Ok(answer) = request.send().await else {
                self.note(|it| it.no_targets = true);
                return None;
            };
            let targets = || answer.target_health_descriptions().iter().filter(|it| !is_leaving(it));
            all += targets().count();
            healthy += targets().filter(|it| is_healthy(it)).count();
        }
        Some((healthy, all))
    }

    /// AWS has given it up, or is about to.
    async fn failed(
        &self,
        service: &types::Service,
        ours: &types::Deployment,
        told: Option<&types::ServiceDeployment>,
        replaced: bool,
    ) -> Error {
        let headline = format!("the deployment of {} failed: {}", task(ours), reason(ours, told));
        let diagnosis = self.diagnosis(service, ours, told, headline).await;
        let then = match told.and_then(types::ServiceDeployment::status) {
            Some(Status::RollbackFailed) => "the rollback failed, too: see the events below".to_owned(),
            Some(Status::Stopped | Status::StopRequested) if !replaced => {
                "AWS has stopped it; the next `pulumi up` starts another".to_owned()
            }
            Some(it) if is_ending(it) && !replaced => "AWS rolls back already".to_owned(),
            _ if replaced => format!("AWS rolls back to {}", primary(service).map_or("nothing", task)),
            _ if ours.rollout_state() == Some(&DeploymentRolloutState::Failed) => {
                "AWS has stopped it, with nothing to roll back to; the next `pulumi up` starts another".to_owned()
            }
            _ => self.next(service),
        };
        Error::new(diagnosis.then(&then))
    }

    /// Why it ended, and the way out.
    async fn diagnosis(
        &self,
        service: &types::Service,
        ours: &types::Deployment,
        told: Option<&types::ServiceDeployment>,
        headline: String,
    ) -> Diagnosis {
        let evidence = self.evidence(service, ours).await;
        let alarms = told.and_then(types::ServiceDeployment::alarms).map(types::ServiceDeploymentAlarms::triggered_alarm_names);
        let Some(alarms) = alarms.filter(|it| !it.is_empty()) else { return evidence.diagnosis(headline) };
        let mut diagnosis = evidence.diagnosis(headline.clone());
        diagnosis.cause = format!("the deployment of {} was stopped by the alarm {}", task(ours), alarms.join(", "));
        diagnosis.way_out =
            Some("look at what the alarm measures: the new tasks set it off; `alarms` of the Service names it".to_owned());
        diagnosis.evidence.retain(|it| *it != headline);
        diagnosis.evidence.insert(0, headline);
        diagnosis
    }

    /// Nothing can help it any more, and AWS has not noticed yet.
    fn hopeless(&self, service: &types::Service, ours: &types::Deployment, evidence: &Evidence, case: &Case) -> Error {
        let diagnosis = evidence.told_of(case, format!("the deployment of {} cannot succeed", task(ours)));
        Error::new(diagnosis.then(&self.next(service)))
    }

    /// Another deployment took its place, or its own end brought one.
    async fn superseded(
        &self,
        service: &types::Service,
        ours: Option<&types::Deployment>,
        told: Option<&types::ServiceDeployment>,
    ) -> Error {
        let name = &self.key.1;
        let by = primary(service).map_or("nothing", task);
        let seen = self.progress().ours.unwrap_or_else(|| types::Deployment::builder().build());
        let ours = ours.unwrap_or(&seen);
        let status = told.and_then(types::ServiceDeployment::status);
        let why = reason(ours, told);
        let headline = match status {
            Some(it) if is_ending(it) && !matches!(it, Status::Stopped | Status::StopRequested) => {
                format!("the deployment that was started for service {name} was rolled back to {by}: {why}")
            }
            _ => {
                let headline =
                    format!("another deployment, of {by}, took the place of the one that was started for service {name}");
                // A newer one ends the one before as stopped.
                let why = told.and_then(|it| it.status_reason()).unwrap_or_default();
                let evidence = Evidence { events: events(service, ours), ..Evidence::default() };
                let mut diagnosis = evidence.diagnosis(headline);
                diagnosis.way_out = Some(
                    "find out who else deploys this service, such as a pipeline or a rollback; the next `pulumi up` deploys what \
                     the program says"
                        .to_owned(),
                );
                if !why.is_empty() {
                    diagnosis.evidence.insert(0, format!("what AWS says: {}", bare(why)));
                }
                return Error::new(diagnosis);
            }
        };
        Error::new(self.diagnosis(service, ours, told, headline).await)
    }

    async fn timed_out(&self, error: Error) -> Error {
        let service = self.last();
        let Some(ours) = self.ours(&service) else { return error };
        let evidence = self.evidence(&service, ours).await;
        Error::new(evidence.diagnosis(error.to_string()).then("AWS goes on with the deployment; `pulumi up` waits for it again"))
    }

    /// What becomes of a deployment that we wait for no longer.
    fn next(&self, service: &types::Service) -> String {
        let breaker = service.deployment_configuration().and_then(types::DeploymentConfiguration::deployment_circuit_breaker);
        let first = service.deployments().len() == 1;
        let next = match (breaker.is_some_and(types::DeploymentCircuitBreaker::enable), self.rolls_back) {
            (true, true) if first => "AWS ends the deployment by its circuit breaker; there is none before to roll back to",
            (true, true) => "AWS ends the deployment by its circuit breaker, and rolls back",
            (true, false) => "AWS ends the deployment by its circuit breaker, and does not roll back, as configured",
            (false, true) if !first && self.progress().service_deployment.is_some() => {
                self.note(|it| it.asks_to_roll_back = true);
                "the circuit breaker is off, so AWS is asked to roll back"
            }
            (false, _) => "AWS goes on trying: the circuit breaker is off",
        };
        next.to_owned()
    }

    /// Asks AWS to roll back; the error, with what became of that.
    async fn ask_to_roll_back(&self, error: Error) -> Error {
        let request = self.context.client.ecs().stop_service_deployment();
        let request = request.set_service_deployment_arn(self.progress().service_deployment);
        match (request.stop_type(types::StopServiceDeploymentStopType::Rollback).send().await.explain(), error.downcast()) {
            (Err(refusal), Ok(it)) => {
                let it: Diagnosis = it;
                it.then(&format!("AWS goes on trying, for it does not roll back: {refusal:#}")).into()
            }
            (_, Ok(it)) => it.into(),
            (_, Err(error)) => error,
        }
    }

    async fn evidence(&self, service: &types::Service, ours: &types::Deployment) -> Evidence {
        Evidence::of_service(self.context, service, ours, events(service, ours)).await
    }

    /// What AWS keeps of it, where the API offers that and the user may ask.
    async fn service_deployment(&self) -> Option<types::ServiceDeployment> {
        let Progress { service_deployment: Some(arn), ours, .. } = self.progress() else { return None };
        let told = self.context.client.look_up::<DescribeServiceDeployments>(arn).await.unwrap_or_else(|error| {
            tracing::debug!("no service deployment: {error:#}");
            None
        });
        // AWS, which lags behind itself, may still name the one before: that had ended when ours began.
        let began = ours.as_ref().and_then(types::Deployment::created_at);
        told.filter(|it| it.finished_at().zip(began).is_none_or(|(finished, began)| finished >= began))
    }

    fn ours<'s>(&self, service: &'s types::Service) -> Option<&'s types::Deployment> {
        service.deployments().iter().find(|it| it.id() == Some(self.started.as_str()))
    }

    fn last(&self) -> Arc<types::Service> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether a deployment does not go on, or goes back.
fn is_ending(status: &Status) -> bool {
    !matches!(status, Status::Pending | Status::InProgress | Status::Successful)
}

/// How many failures the circuit breaker counts, and how many end the deployment, if it is on.
fn counting(deployment: &types::ServiceDeployment) -> Option<(i32, i32)> {
    use types::ServiceDeploymentRollbackMonitorsStatus::{Disabled, MonitoringComplete};
    let breaker = deployment.deployment_circuit_breaker()?;
    let counts = breaker.threshold() > 0 && !matches!(breaker.status(), Some(Disabled | MonitoringComplete));
    counts.then(|| (breaker.failure_count(), breaker.threshold()))
}

/// How far a deployment is.
fn status(deployment: &types::Deployment) -> String {
    format!(
        "{} {}: {} running, {} pending, {} failed",
        task(deployment),
        deployment.rollout_state().map_or("IN_PROGRESS", DeploymentRolloutState::as_str),
        some_of(deployment.running_count(), deployment.desired_count(), "task"),
        deployment.pending_count(),
        deployment.failed_tasks(),
    )
}

/// Such as `1 of 2 tasks`.
fn some_of(some: impl Display, all: impl Display, what: &str) -> String {
    let all = all.to_string();
    let plural = if all == "1" { "" } else { "s" };
    format!("{some} of {all} {what}{plural}")
}

/// Why AWS ended a deployment, in its own words.
fn reason(deployment: &types::Deployment, told: Option<&types::ServiceDeployment>) -> String {
    let texts = [
        // While it runs, that is all there is to read here.
        deployment.rollout_state_reason().filter(|it| !it.ends_with("in progress.")),
        told.and_then(|it| it.rollback()).and_then(types::Rollback::reason),
        told.and_then(types::ServiceDeployment::status_reason),
    ];
    let text = texts.into_iter().flatten().find(|it| !it.is_empty());
    match (text, told.and_then(counting)) {
        (Some(text), _) => bare(text).to_owned(),
        (None, Some((count, threshold))) => format!("its circuit breaker counts {count} failed tasks of {threshold}"),
        (None, None) => "AWS gives no reason".to_owned(),
    }
}

fn bare(text: &str) -> &str {
    text.trim_end_matches('.')
}

/// The revision that a deployment brings, such as `web:2`.
fn task(deployment: &types::Deployment) -> &str {
    deployment.task_definition().map_or("the service", |it| it.rsplit('/').next().unwrap_or(it))
}

/// The latest of what the service tells of a deployment, the latest first.
fn events(service: &types::Service, since: &types::Deployment) -> Vec<String> {
    happened(service, since).take(5).map(str::to_owned).collect()
}

/// What the service tells of the time since a deployment began, the latest first.
fn happened<'a>(service: &'a types::Service, since: &'a types::Deployment) -> impl Iterator<Item = &'a str> {
    let during = |it: &&types::ServiceEvent| it.created_at() >= since.created_at();
    // `(service web) has started 2 tasks: …`: which service it is, the reader knows.
    let told = |it: &'a types::ServiceEvent| {
        let text = bare(it.message()?);
        let name = service.service_name().map(|it| format!("(service {it}) ")).unwrap_or_default();
        Some(text.strip_prefix(&name).unwrap_or(text))
    };
    service.events().iter().filter(during).filter_map(told)
}
