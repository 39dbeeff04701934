//! Why tasks do not come up: what AWS knows of it, gathered, and told so that nobody has to open a console.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use anyhow::Result;
use aws_sdk_ecs::{primitives::DateTime, types};
use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetGroup, TargetHealthDescription, TargetHealthStateEnum};
use futures::future::join_all;

use super::{
    advice::{self, Rule},
    network,
};
use crate::{
    aws::{
        Aws, Explain as _,
        logs::{self, Stream},
    },
    resource::Context,
};

/// How many of the last lines of a log are shown.
const LINES: i32 = 20;
/// How the line begins that tells what happens next.
const NEXT: &str = "what happens now: ";
/// How many stopped tasks are looked at: they fail alike.
const TASKS: usize = 20;
/// How the event begins that tells of a task that got no place. It may have got one since.
const UNPLACED: &str = "was unable to place a task";
/// How long after the first failure the next one is no matter of time any more, in seconds: what AWS has just learnt is known
/// everywhere by then.
const SETTLED: i64 = 30;

/// Why something did not come up: the cause first, the way out second, and then what both are concluded from.
#[derive(Debug)]
pub struct Diagnosis {
    pub cause: String,
    pub way_out: Option<String>,
    pub evidence: Vec<String>,
}

impl Diagnosis {
    /// Adds what happens next.
    #[must_use]
    pub fn then(mut self, next: &str) -> Self {
        self.evidence.retain(|it| !it.starts_with(NEXT));
        self.evidence.insert(0, format!("{NEXT}{next}"));
        self
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        if let Some(it) = &self.way_out {
            write!(f, "\nway out: {it}")?;
        }
        self.evidence.iter().try_for_each(|it| write!(f, "\n{it}"))
    }
}

impl std::error::Error for Diagnosis {}

/// What AWS knows of tasks that do not come up. What it does not tell is left out.
#[derive(Clone, Default)]
pub struct Evidence {
    /// The service, or nothing where a task runs alone.
    pub service: Option<String>,
    /// How long the service lets a task be unhealthy after its start, in seconds.
    pub grace_period: i32,
    /// The capacity of the tasks, such as `FARGATE_SPOT`.
    pub capacity: Vec<String>,
    pub definition: Option<types::TaskDefinition>,
    /// The tasks that stopped, the latest first.
    pub tasks: Vec<types::Task>,
    pub targets: Vec<Targets>,
    pub events: Vec<String>,
    /// The last lines of the container that failed.
    pub log: Option<Log>,
    /// What stands between the tasks and whom they have to reach, or who has to reach them.
    pub network: network::Findings,
    /// What AWS refused to tell.
    pub untold: Vec<String>,
}

/// A target group, and the health of what is in it.
#[derive(Clone)]
pub struct Targets {
    pub group: TargetGroup,
    pub health: Vec<TargetHealthDescription>,
}

/// The last lines that a container wrote.
#[derive(Clone)]
pub struct Log {
    pub container: String,
    pub stream: Stream,
    pub lines: Vec<String>,
    /// The user has seen them already.
    pub shown: bool,
}

/// A known cause, as it stands in what AWS tells.
pub struct Case {
    pub rule: &'static Rule,
    /// The container that is at fault, if one is.
    pub container: Option<String>,
    /// What the rule was recognised by.
    pub said: String,
}

impl Evidence {
    /// What is known of the tasks of a deployment.
    pub async fn of_service(
        context: &Context,
        service: &types::Service,
        deployment: &types::Deployment,
        events: Vec<String>,
    ) -> Self {
        let aws = &context.client;
        let cluster = service.cluster_arn().unwrap_or_default();
        let mut evidence = Self {
            service: service.service_name().map(str::to_owned),
            grace_period: service.health_check_grace_period_seconds().unwrap_or_default(),
            capacity: service.capacity_provider_strategy().iter().map(|it| it.capacity_provider().to_owned()).collect(),
            events,
            ..Self::default()
        };
        let tasks = stopped(aws, cluster, service.service_name().unwrap_or_default(), deployment.id());
        let groups = service.load_balancers().iter().filter_map(types::LoadBalancer::target_group_arn);
        let definition = definition(aws, deployment.task_definition().unwrap_or_default());
        let (tasks, targets, definition) = tokio::join!(tasks, join_all(groups.map(|it| targets(aws, it))), definition);
        evidence.tasks = evidence.told(tasks).unwrap_or_default();
        evidence.targets = targets.into_iter().filter_map(|it| evidence.told(it)).collect();
        evidence.definition = evidence.told(definition);
        let vpc = service.network_configuration().and_then(|it| it.awsvpc_configuration());
        evidence.look_closer(context, vpc, service.load_balancers()).await;
        evidence
    }

    /// What is known of a task that runs alone; `shown` are the containers whose lines the user has seen.
    pub async fn of_task(
        context: &Context,
        task: &types::Task,
        network: Option<&types::AwsVpcConfiguration>,
        shown: &[&str],
    ) -> Self {
        let mut evidence = Self { tasks: vec![task.clone()], ..Self::default() };
        let definition = definition(&context.client, task.task_definition_arn().unwrap_or_default()).await;
        evidence.definition = evidence.told(definition);
        evidence.look_closer(context, network, &[]).await;
        if let Some(log) = &mut evidence.log {
            log.shown = shown.contains(&log.container.as_str());
        }
        evidence
    }

    /// Asks for what only matters once it is known what failed: a log, routes, security groups.
    async fn look_closer(
        &mut self,
        context: &Context,
        vpc: Option<&types::AwsVpcConfiguration>,
        balancers: &[types::LoadBalancer],
    ) {
        self.log = self.read_log(context).await;
        let Some(vpc) = vpc else { return };
        if let Some(case) = self.case().filter(|it| it.rule.looks_at != network::Look::Nothing) {
            let found = match case.rule.looks_at {
                network::Look::WayOut => {
                    network::way_out(&context.client, vpc, &self.subnets(), self.endpoints().as_deref()).await
                }
                _ => network::way_in(&context.client, vpc, &self.targets, balancers).await,
            };
            self.network = self.told(found).unwrap_or_default();
        }
    }

    async fn read_log(&mut self, context: &Context) -> Option<Log> {
        let task = self.typical().next()?;
        let name = self.culprit(task)?.name()?.to_owned();
        let stream = Stream::of(self.defined(&name)?, task.task_arn()?)?;
        if stream.region.as_ref().is_some_and(|it| it != context.client.region()) {
            return Some(Log { container: name, stream, lines: Vec::new(), shown: false });
        }
        let lines = logs::tail(context, &stream, LINES).await;
        let lines = self.told(lines)?;
        Some(Log { container: name, stream, lines, shown: false })
    }

    /// The container of a task that is to blame. When an essential one ends, AWS ends the others, by 143 or 137.
    pub fn culprit<'a>(&self, task: &'a types::Task) -> Option<&'a types::Container> {
        let blame = |it: &&types::Container| {
            let unhealthy = it.health_status() == Some(&types::HealthStatus::Unhealthy);
            let rank = match it.exit_code() {
                None if it.reason().is_some_and(|it| !it.is_empty()) => 0,
                Some(0) => 4,
                Some(143) => 3,
                Some(137) => 2,
                Some(_) => 1,
                None => 5,
            };
            (!self.is_essential(it), !unhealthy, rank)
        };
        task.containers().iter().min_by_key(blame)
    }

    /// Whether the task ends with this container, as it does unless its definition says otherwise.
    pub fn is_essential(&self, container: &types::Container) -> bool {
        container.name().and_then(|it| self.defined(it)).is_none_or(|it| it.essential() != Some(false))
    }

    fn defined(&self, name: &str) -> Option<&types::ContainerDefinition> {
        self.definition.as_ref()?.container_definitions().iter().find(|it| it.name() == Some(name))
    }

    /// The subnets that the tasks got into, as far as AWS shows them.
    fn subnets(&self) -> BTreeSet<String> {
        let details = self.tasks.iter().flat_map(types::Task::attachments).flat_map(types::Attachment::details);
        details.filter(|it| it.name() == Some("subnetId")).filter_map(|it| it.value().map(str::to_owned)).collect()
    }

    /// The services of AWS that a task calls before it starts, by the names of their endpoints; none where it also needs the
    /// internet.
    fn endpoints(&self) -> Option<Vec<&'static str>> {
        let containers = self.definition.as_ref()?.container_definitions();
        let in_ecr =
            |it: &types::ContainerDefinition| it.image().is_some_and(|it| it.contains(".dkr.ecr") || it.contains(".dkr-ecr"));
        if !containers.iter().all(in_ecr) {
            return None;
        }
        let secrets = || containers.iter().flat_map(types::ContainerDefinition::secrets);
        let logs = |it: &types::ContainerDefinition| {
            it.log_configuration().is_some_and(|it| *it.log_driver() == types::LogDriver::Awslogs)
        };
        let needed = [
            ("ecr.api", true),
            ("ecr.dkr", true),
            ("s3", true),
            ("logs", containers.iter().any(logs)),
            ("secretsmanager", secrets().any(|it| it.value_from().contains(":secretsmanager:"))),
            ("ssm", secrets().any(|it| !it.value_from().contains(":secretsmanager:"))),
        ];
        Some(needed.into_iter().filter_map(|(name, needed)| needed.then_some(name)).collect())
    }

    /// Keeps what AWS refuses to tell, for that is worth knowing, too.
    fn told<T>(&mut self, answer: Result<T>) -> Option<T> {
        answer.map_err(|error| self.untold.push(format!("not known: {error:#}"))).ok()
    }

    /// The known cause that fits: what most tasks stopped by, the latest ones where none did so more often. What happened to
    /// others may be over by then, and so may a lack of room if there were tasks at all.
    pub fn case(&self) -> Option<Case> {
        let applies = |evidence: &Self| {
            advice::RULES.iter().find_map(|rule| {
                let (container, said) = (rule.applies)(evidence)?;
                Some(Case { rule, container, said })
            })
        };
        if self.tasks.is_empty() {
            return applies(self);
        }
        let events = self.events.iter().filter(|it| !it.contains(UNPLACED)).cloned().collect();
        applies(&Self { tasks: self.typical().cloned().collect(), events, ..self.clone() }).or_else(|| applies(self))
    }

    /// The tasks that stopped as most did, the latest first.
    fn typical(&self) -> impl Iterator<Item = &types::Task> {
        let most = grouped(&self.tasks).into_iter().next().map(|(text, _)| text);
        self.tasks.iter().filter(move |it| Some(why(it)) == most)
    }

    /// The known cause that fits, if nothing can get better after so many failed tasks of those that are desired.
    pub fn certain(&self, failed_tasks: i32, desired: i32) -> Option<Case> {
        let failed = failed_tasks.max(self.tasks.len().try_into().unwrap_or(i32::MAX));
        // What only time may mend has had none until tasks of a second round have failed.
        let times = || self.tasks.iter().filter_map(|it| it.stopped_at()).map(DateTime::secs);
        let lasts = times().max().zip(times().min()).is_some_and(|(last, first)| last - first >= SETTLED);
        let proven = |least: i32| failed >= least && (least == 1 || failed > desired || lasts);
        self.case().filter(|it| it.rule.certain(self).is_some_and(proven))
    }

    /// What to tell when AWS says `headline`.
    pub fn diagnosis(&self, headline: String) -> Diagnosis {
        match self.case() {
            Some(case) => self.told_of(&case, headline),
            None => Diagnosis { cause: headline, way_out: None, evidence: self.lines() },
        }
    }

    /// What to tell of a known cause.
    pub fn told_of(&self, known: &Case, headline: String) -> Diagnosis {
        let (cause, way_out) = (known.rule.tells)(self, known);
        let mut evidence = vec![headline];
        evidence.extend(self.lines());
        Diagnosis { cause, way_out: Some(way_out), evidence }
    }

    /// All of it, a line each.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        // Of a task that runs alone, the headline tells.
        let stopped = if self.service.is_some() { &*self.tasks } else { &[] };
        for (text, count) in grouped(stopped) {
            lines.push(format!("{count} {} stopped: {text}", if count == 1 { "task" } else { "tasks" }));
        }
        for targets in &self.targets {
            let name = targets.group.target_group_name().unwrap_or_default();
            let unhealthy = targets.health.iter().filter(|it| !is_healthy(it) && !is_leaving(it));
            lines.extend(unhealthy.map(|it| format!("target {} of target group {name}: {}", address(it), health(it))));
        }
        lines.extend(self.network.lines.clone());
        lines.extend(self.events.iter().map(|it| format!("event: {it}")));
        lines.extend(self.untold.iter().cloned());
        if let Some(log) = self.log.as_ref().filter(|it| !it.lines.is_empty() && !it.shown) {
            lines.push(format!("the last lines of container {}, from {}/{}:", log.container, log.stream.group, log.stream.name));
            lines.extend(log.lines.iter().map(|it| format!("  | {}", it.trim_end())));
        }
        lines
    }

    /// The containers that may be at fault: the one that is named, or all of those that can be.
    pub fn suspects<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a types::ContainerDefinition> {
        let containers = self.definition.iter().flat_map(types::TaskDefinition::container_definitions);
        containers.filter(|it| match case.container.as_deref() {
            Some(name) => it.name() == Some(name),
            None => (case.rule.concerns)(it),
        })
    }

    /// The family of the task definition.
    pub fn family(&self) -> &str {
        let of_task = || {
            let arn = self.tasks.first()?.task_definition_arn()?;
            arn.rsplit('/').next()?.split(':').next()
        };
        self.definition.as_ref().and_then(types::TaskDefinition::family).or_else(of_task).unwrap_or("of the service")
    }
}

/// The tasks of a deployment that stopped, the latest first.
async fn stopped(aws: &Aws, cluster: &str, service: &str, started_by: Option<&str>) -> Result<Vec<types::Task>> {
    let request = aws.ecs().list_tasks().cluster(cluster).service_name(service).desired_status(types::DesiredStatus::Stopped);
    let arns = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
    let mut tasks = Vec::new();
    for arns in arns.chunks(100) {
        let answer = aws.ecs().describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send().await.explain()?;
        tasks.extend(answer.tasks.unwrap_or_default());
    }
    let ours = tasks.into_iter().filter(|it| it.started_by() == started_by);
    // What AWS stops to make room or to scale in has not failed.
    let mut failed: Vec<_> =
        ours.filter(|it| !it.stopped_reason().is_some_and(|it| it.starts_with("Scaling activity"))).collect();
    failed.sort_by_key(|it| std::cmp::Reverse(it.stopped_at().or(it.stopping_at()).copied()));
    failed.truncate(TASKS);
    Ok(failed)
}

async fn definition(aws: &Aws, name: &str) -> Result<types::TaskDefinition> {
    let answer = aws.ecs().describe_task_definition().task_definition(name).send().await.explain()?;
    answer.task_definition.ok_or_else(|| anyhow::anyhow!("AWS does not show task definition {name}"))
}

async fn targets(aws: &Aws, group: &str) -> Result<Targets> {
    let groups = aws.elb().describe_target_groups().target_group_arns(group).send();
    let health = aws.elb().describe_target_health().target_group_arn(group).send();
    let (groups, health) = tokio::join!(groups, health);
    let group = groups.explain()?.target_groups.unwrap_or_default().pop();
    let health = health.explain()?.target_health_descriptions.unwrap_or_default();
    Ok(Targets { group: group.unwrap_or_else(|| TargetGroup::builder().build()), health })
}

/// Tasks that stopped alike count together: most of them first, and of as many the latest.
fn grouped(tasks: &[types::Task]) -> Vec<(String, usize)> {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for why in tasks.iter().map(why) {
        match groups.iter_mut().find(|it| it.0 == why) {
            Some((_, count)) => *count += 1,
            None => groups.push((why, 1)),
        }
    }
    groups.sort_by_key(|it| std::cmp::Reverse(it.1));
    groups
}

/// Why a task stopped, as AWS words it: the reason, and what became of its containers.
pub fn why(task: &types::Task) -> String {
    let reason = task.stopped_reason().filter(|it| !it.is_empty()).unwrap_or("AWS gives no reason").trim_end_matches('.');
    let mut text = reason.to_owned();
    for container in task.containers() {
        let name = container.name().unwrap_or_default();
        // What AWS stops itself, it may have to kill.
        let by_itself = task.stop_code() != Some(&types::TaskStopCode::ServiceSchedulerInitiated);
        if let Some(code) = container.exit_code().filter(|_| by_itself) {
            _ = write!(text, "; {name} exited with {code}");
        }
        if let Some(it) = container.reason().filter(|it| !it.is_empty() && !reason.contains(it)) {
            _ = write!(text, "; {name}: {}", it.trim_end_matches('.'));
        }
    }
    text
}

/// Whether a target gets requests.
pub(super) fn is_healthy(target: &TargetHealthDescription) -> bool {
    target.target_health().and_then(|it| it.state()) == Some(&TargetHealthStateEnum::Healthy)
}

/// Whether a target is on its way out, as those of the tasks before are.
pub(super) fn is_leaving(target: &TargetHealthDescription) -> bool {
    target.target_health().and_then(|it| it.state()) == Some(&TargetHealthStateEnum::Draining)
}

fn address(target: &TargetHealthDescription) -> String {
    let target = target.target();
    format!("{}:{}", target.and_then(|it| it.id()).unwrap_or("?"), target.and_then(TargetDescription::port).unwrap_or_default())
}

fn health(target: &TargetHealthDescription) -> String {
    let Some(health) = target.target_health() else { return "unknown".to_owned() };
    let state = health.state().map_or("unknown", TargetHealthStateEnum::as_str);
    let reason = health.reason().map(|it| format!(", {}", it.as_str())).unwrap_or_default();
    let description = health.description().map(|it| format!(" ({})", it.trim_end_matches('.'))).unwrap_or_default();
    format!("{state}{reason}{description}")
}
