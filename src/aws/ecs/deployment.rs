//! Watching the deployment of a service until its end is known.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyhow::{Context as _, Error, Result};
use aws_sdk_ecs::types::{self, DeploymentRolloutState, ServiceDeploymentStatus as Status};

use super::diagnosis::{Case, Evidence, is_healthy};
use crate::{
    aws::{Aws, Explain as _, Lookup, Patience, Seen, TimedOut},
    resource::Context,
};

/// The way out when a service was deleted behind Pulumi's back.
pub const REFRESH: &str = "`pulumi refresh` takes note of that, and the next `pulumi up` makes it anew";
/// Words of those events that tell of trouble.
const TROUBLE: &[&str] = &["unable", "unhealthy", "failed", "failure", "stopped", "error", "limit", "unavailable"];

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
    let service = context.aws.look_up::<DescribeServices>(key.clone()).await?.filter(|it| it.status() == Some("ACTIVE"));
    service.with_context(|| format!("service {} is gone: {REFRESH}", key.1))
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
    let watch = Watch {
        context,
        key,
        started,
        rolls_back,
        service_deployment: OnceLock::new(),
        last: Mutex::new(Arc::new(answer)),
        progress: Mutex::default(),
    };
    let first = Mutex::new(true);
    let look = || {
        let is_first = std::mem::take(&mut *first.lock().unwrap_or_else(PoisonError::into_inner));
        watch.look(is_first)
    };
    match context.observer.wait(format!("service {}", key.1), Patience::minutes(20), look).await {
        Err(error) if error.is::<TimedOut>() => Err(watch.timed_out(error).await),
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
    /// The ARN under which AWS keeps what becomes of it, read where it is certain to be this deployment's.
    service_deployment: OnceLock<String>,
    last: Mutex<Arc<types::Service>>,
    progress: Mutex<Progress>,
}

/// What was seen of it so far.
#[derive(Clone, Default)]
struct Progress {
    failed_tasks: i32,
    trouble: Option<String>,
    breaker: Option<(i32, i32)>,
    /// AWS does not let us ask for the health of targets.
    no_targets: bool,
}

impl Watch<'_> {
    async fn look(&self, is_first: bool) -> Result<Seen<()>> {
        if !is_first {
            let service = Arc::new(found(self.context, self.key).await?);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = service;
        }
        let service = self.last();
        let ours = self.ours(&service);
        let replaced = primary(&service).and_then(types::Deployment::id) != Some(self.started.as_str());
        if let (false, Some(arn)) = (replaced, service.current_service_deployment()) {
            // Whoever else deploys later has another one.
            _ = self.service_deployment.set(arn.to_owned());
        }
        match (ours, ours.and_then(types::Deployment::rollout_state)) {
            (Some(ours), Some(DeploymentRolloutState::Failed)) => {
                let told = self.service_deployment().await;
                Err(self.failed(&service, ours, told.as_ref(), replaced).await)
            }
            (Some(_), Some(DeploymentRolloutState::Completed))
                if replaced || service.running_count() >= service.desired_count() =>
            {
                Ok(Seen::Ready(()))
            }
            (Some(ours), _) if !replaced => self.going_on(&service, ours).await,
            _ => match self.service_deployment().await {
                Some(it) if it.status() == Some(&Status::Successful) => Ok(Seen::Ready(())),
                told => Err(self.superseded(&service, ours, told.as_ref()).await),
            },
        }
    }

    /// It runs. Does it get anywhere?
    async fn going_on(&self, service: &types::Service, ours: &types::Deployment) -> Result<Seen<()>> {
        let event = happened(service, ours).next();
        let trouble = event.filter(|it| TROUBLE.iter().any(|word| it.contains(word)));
        let before = self.progress();
        if ours.failed_tasks() > 0 || trouble.is_some() {
            let told = self.service_deployment().await;
            let breaker = told.as_ref().and_then(types::ServiceDeployment::deployment_circuit_breaker);
            let breaker = breaker.map(|it| (it.failure_count(), it.threshold())).filter(|it| it.1 > 0);
            self.note(|it| it.breaker = breaker);
            if let Some(it) = told.as_ref().filter(|it| it.status().is_some_and(is_going_back)) {
                return Err(self.failed(service, ours, Some(it), false).await);
            }
            if breaker.is_some_and(|(count, threshold)| count >= threshold) {
                return Err(self.failed(service, ours, told.as_ref(), false).await);
            }
            if ours.failed_tasks() > before.failed_tasks || trouble != before.trouble.as_deref() {
                let evidence = self.evidence(service, ours).await;
                if let Some(certain) = evidence.certain(ours.failed_tasks()) {
                    return Err(self.hopeless(service, ours, &evidence, certain).await);
                }
                // AWS may count a failed task before it shows it.
                if !evidence.tasks.is_empty() || ours.failed_tasks() == 0 {
                    self.note(|it| (it.failed_tasks, it.trouble) = (ours.failed_tasks(), trouble.map(str::to_owned)));
                }
            }
        }
        let mut status = format!(
            "{} {}: {} of {} tasks running, {} pending, {} failed",
            task(ours),
            ours.rollout_state().map_or("IN_PROGRESS", DeploymentRolloutState::as_str),
            ours.running_count(),
            ours.desired_count(),
            ours.pending_count(),
            ours.failed_tasks(),
        );
        if let Some((healthy, all)) = self.targets(service, ours).await {
            status += &format!("; {healthy} of {all} targets healthy");
        }
        if let Some((count, threshold)) = self.progress().breaker {
            status += &format!("; circuit breaker at {count} of {threshold}");
        }
        if let Some(event) = event {
            status += &format!("; {event}");
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
            let request = self.context.aws.elb().describe_target_health().target_group_arn(group);
            // A status line is no reason to fail.
            let Ok(answer) = request.send().await else {
                self.note(|it| it.no_targets = true);
                return None;
            };
            all += answer.target_health_descriptions().len();
            healthy += answer.target_health_descriptions().iter().filter(|it| is_healthy(it)).count();
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
        let evidence = self.evidence(service, ours).await;
        let reason = reason(ours, told);
        let alarms = told.and_then(types::ServiceDeployment::alarms).map(types::ServiceDeploymentAlarms::triggered_alarm_names);
        let headline = format!("the deployment of {} failed: {reason}", task(ours));
        let mut diagnosis = evidence.diagnosis(headline);
        if let Some(alarms) = alarms.filter(|it| !it.is_empty()) {
            diagnosis.cause = format!("the deployment of {} was stopped by the alarm {}", task(ours), alarms.join(", "));
            diagnosis.way_out =
                Some("look at what the alarm measures: the new tasks set it off; `alarms` of the Service names it".to_owned());
            diagnosis.evidence.insert(0, format!("deployment of {}: {reason}", task(ours)));
        }
        let then = match told.and_then(types::ServiceDeployment::status) {
            Some(Status::RollbackFailed) => "the rollback failed, too: see the events below".to_owned(),
            _ if replaced => format!("AWS rolls back to {}", primary(service).map_or("nothing", task)),
            _ if ours.rollout_state() == Some(&DeploymentRolloutState::Failed) => {
                "AWS has stopped it, with nothing to roll back to; the next `pulumi up` starts another".to_owned()
            }
            _ => self.next(service, ours).await,
        };
        Error::new(diagnosis.then(then))
    }

    /// Nothing can help it any more, and AWS has not noticed yet.
    async fn hopeless(&self, service: &types::Service, ours: &types::Deployment, evidence: &Evidence, case: Case) -> Error {
        let diagnosis = evidence.told_of(case, format!("the deployment of {} cannot succeed", task(ours)));
        Error::new(diagnosis.then(self.next(service, ours).await))
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
        let fallback = primary(service).cloned().unwrap_or_else(|| types::Deployment::builder().build());
        let status = told.and_then(types::ServiceDeployment::status);
        let why = reason(ours.unwrap_or(&fallback), told);
        let headline = match status {
            Some(it) if is_going_back(it) || *it == Status::RollbackSuccessful || *it == Status::RollbackFailed => {
                format!("the deployment that was started for service {name} was rolled back to {by}: {why}")
            }
            Some(Status::Stopped | Status::StopRequested) => {
                let by = told.and_then(|it| it.status_reason()).map_or(String::new(), |it| format!(": {}", bare(it)));
                format!("the deployment that was started for service {name} was stopped{by}")
            }
            _ => {
                let headline =
                    format!("another deployment, of {by}, took the place of the one that was started for service {name}");
                let why = primary(service).and_then(types::Deployment::rollout_state_reason).unwrap_or_default();
                let evidence = Evidence { events: events(service, &fallback), ..Evidence::default() };
                let mut diagnosis = evidence.diagnosis(headline);
                diagnosis.way_out = Some(
                    "find out who else deploys this service, such as a pipeline or a rollback; the next `pulumi up` deploys what \
                     the program says"
                        .to_owned(),
                );
                if !why.is_empty() {
                    diagnosis.evidence.insert(0, format!("deployment of {by}: {}", bare(why)));
                }
                return Error::new(diagnosis);
            }
        };
        let evidence = self.evidence(service, ours.unwrap_or(&fallback)).await;
        Error::new(evidence.diagnosis(headline))
    }

    async fn timed_out(&self, error: Error) -> Error {
        let service = self.last();
        let Some(ours) = self.ours(&service) else { return error };
        let evidence = self.evidence(&service, ours).await;
        Error::new(
            evidence
                .diagnosis(error.to_string())
                .then("AWS goes on with the deployment; `pulumi up` waits for it again".to_owned()),
        )
    }

    /// What becomes of a deployment that we wait for no longer.
    async fn next(&self, service: &types::Service, ours: &types::Deployment) -> String {
        let breaker = service.deployment_configuration().and_then(types::DeploymentConfiguration::deployment_circuit_breaker);
        let first = service.deployments().len() == 1;
        match (breaker.is_some_and(types::DeploymentCircuitBreaker::enable), self.rolls_back) {
            (true, true) if first => {
                "AWS ends the deployment by its circuit breaker; there is none before to roll back to".to_owned()
            }
            (true, true) => "AWS ends the deployment by its circuit breaker, and rolls back".to_owned(),
            (true, false) => "AWS ends the deployment by its circuit breaker, and does not roll back, as configured".to_owned(),
            (false, true) => self.ask_to_roll_back(ours).await,
            (false, false) => "AWS goes on trying: the circuit breaker is off".to_owned(),
        }
    }

    async fn ask_to_roll_back(&self, ours: &types::Deployment) -> String {
        let Some(arn) = self.service_deployment.get() else {
            return format!("AWS goes on trying to start {}: the circuit breaker is off", task(ours));
        };
        let request = self.context.aws.ecs().stop_service_deployment().service_deployment_arn(arn);
        match request.stop_type(types::StopServiceDeploymentStopType::Rollback).send().await.explain() {
            Ok(_) => "the circuit breaker is off, so AWS was asked to roll back".to_owned(),
            Err(error) => format!("AWS goes on trying, for it did not roll back when asked to: {error:#}"),
        }
    }

    async fn evidence(&self, service: &types::Service, ours: &types::Deployment) -> Evidence {
        let mut evidence = Evidence::of_service(self.context, service, ours).await;
        evidence.events = events(service, ours);
        evidence
    }

    /// What AWS keeps of it, where the API offers that and the user may ask.
    async fn service_deployment(&self) -> Option<types::ServiceDeployment> {
        let arn = self.service_deployment.get()?.clone();
        self.context.aws.look_up::<DescribeServiceDeployments>(arn).await.unwrap_or_else(|error| {
            tracing::debug!("no service deployment: {error:#}");
            None
        })
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

fn is_going_back(status: &Status) -> bool {
    matches!(status, Status::RollbackRequested | Status::RollbackInProgress)
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
    let breaker = told.and_then(types::ServiceDeployment::deployment_circuit_breaker).filter(|it| it.threshold() > 0);
    match (text, breaker) {
        (Some(text), _) => bare(text).to_owned(),
        (None, Some(it)) => format!("its circuit breaker counts {} failed tasks of {}", it.failure_count(), it.threshold()),
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
