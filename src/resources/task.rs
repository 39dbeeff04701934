//! ecs: a task that runs to its end, such as the migration of a database before a deployment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use aws_sdk_ecs::{
    primitives::{DateTime, DateTimeFormat},
    types,
};
use futures::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::timeout};
use uuid::Uuid;

use crate::{
    aws::{
        Aws, Explain, Passing, Patience, Refusal, Seen, Settle as _, TimedOut,
        ec2::reach,
        ecs::{self, CapacityProviderStrategy, Evidence, NetworkConfiguration, all_on_fargate, why},
        logs::{Follower, Stream},
    },
    check::Report,
    codec::{Unlisted, name_of},
    list::{Cursor, Listed, Page},
    resource::{Context, Resource, changed},
};

/// What AWS says until it knows everywhere what a task needs, and while there is no room for it.
const NOT_YET: &[Passing] = &[
    ("InvalidParameterException", "Unable to assume the service linked role"),
    ("InvalidParameterException", "not associated with the cluster"),
    ("ClientException", "not associated with the cluster"),
    ("ClientException", "unable to assume the role"),
    ("ClientException", "Capacity is unavailable"),
    (FAILURE, "Capacity is unavailable"),
    ("ClusterNotFoundException", ""),
];
/// The code of what AWS refuses in an answer that is no error.
const FAILURE: &str = "Failure";
/// What a task may take if `customTimeouts` says nothing. Often enough looked at for its lines to appear as they are written.
const PATIENCE: Patience = Patience { longest: Duration::from_secs(3), ..Patience::minutes(60) };
/// What only marks a task: no reason to run it again.
const MARKS: &[&str] = &["tags", "propagateTags", "enableEcsManagedTags"];
/// What happens after a failure.
const AGAIN: &str = "nothing counts as done, so the next `pulumi up` runs it again";

pub struct Task;

/// A task that runs to its end: when it is created, when one of its `triggers` changes, and when anything else of it changes
/// but its tags. A migration of a database, for instance, which the service names in `dependsOn`.
///
/// What its containers write by `awslogs` appears in `pulumi up` while it runs. It has succeeded when all essential containers
/// have exited with 0. Otherwise it is an error, what depends on it does not start, and the next `pulumi up` runs it again.
///
/// It may run for an hour; `customTimeouts` sets another limit. A task that takes longer, or whose `pulumi up` is cancelled,
/// is stopped, and has failed. AWS forgets tasks soon after their end, so what has run is kept in the state alone.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskInputs {
    /// The cluster to run in: its ARN or name. Default: `default`.
    #[serde(default = "default_cluster")]
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/)?[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "the ARN or the name of a cluster", "compare" = "arn"))]
    pub cluster: String,
    /// The revision of the task definition to run: its ARN, or `family:revision`. A new revision runs.
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/)?[A-Za-z0-9_-]+:[0-9]+$"))]
    #[schemars(extend("expects" = "the ARN of a task definition with its revision, or family:revision", "compare" = "arn"))]
    pub task_definition: String,
    /// Where in the network it runs.
    pub network_configuration: NetworkConfiguration,
    /// What to run otherwise than the task definition says, such as another command.
    pub overrides: Option<TaskOverrides>,
    /// Which capacity provider of the cluster it runs on, such as `FARGATE_SPOT`, from which AWS may take it away. Default:
    /// `FARGATE`, whatever the cluster's own default is.
    #[serde(default = "all_on_fargate")]
    #[schemars(length(min = 1), extend("keyedBy" = "capacityProvider"))]
    pub capacity_provider_strategies: Vec<CapacityProviderStrategy>,
    /// The version of Fargate's platform, such as `1.4.0`. Default: the latest.
    #[schemars(extend("computed" = true))]
    pub platform_version: Option<String>,
    /// A name that AWS shows with the task. Default: `family:` and the family of the task definition.
    #[schemars(extend("computed" = true))]
    pub group: Option<String>,
    /// Whose tags the task gets, beside its own. Default: `NONE`.
    #[serde(default)]
    pub propagate_tags: TaskPropagateTags,
    /// Whether AWS tags the task with the name of the cluster, by which costs can be told apart. Default: true.
    #[serde(default = "yes")]
    pub enable_ecs_managed_tags: bool,
    /// Any texts. When one changes, the task runs again.
    #[serde(default)]
    pub triggers: BTreeMap<String, String>,
    /// Tags to put on the task. Those that change get on the next one that runs.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What a task runs otherwise than its task definition says.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskOverrides {
    /// What containers run otherwise.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub container_overrides: Vec<TaskContainerOverride>,
    /// The CPU units of the task, of which 1024 are one vCPU, such as `512`.
    pub cpu: Option<String>,
    /// The memory of the task in MiB, such as `1024`.
    pub memory: Option<String>,
    /// The ARN of the role that the containers act as.
    #[schemars(transform = crate::aws::arn::role_or_name)]
    pub task_role_arn: Option<String>,
    /// The ARN of the role by which AWS starts the task: it pulls images, reads secrets and writes logs.
    #[schemars(transform = crate::aws::arn::role_or_name)]
    pub execution_role_arn: Option<String>,
}

/// What a container runs otherwise than its task definition says.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskContainerOverride {
    /// The name of the container.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The command, in place of that of the task definition.
    #[serde(default)]
    pub command: Vec<String>,
    /// Environment variables, beside those of the task definition or in place of them. A value that is a Pulumi secret stays
    /// one.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub environment: Vec<TaskKeyValuePair>,
    /// The CPU units of the container.
    #[schemars(range(min = 0))]
    pub cpu: Option<i32>,
    /// The most memory that the container may take, in MiB.
    #[schemars(range(min = 4))]
    pub memory: Option<i32>,
}

/// An environment variable.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskKeyValuePair {
    /// The name of the variable.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Whose tags a task gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskPropagateTags {
    /// Those of the task definition.
    TaskDefinition,
    /// None but its own.
    #[default]
    None,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskOutputs {
    #[serde(flatten)]
    pub inputs: TaskInputs,
    /// The ARN of the task that ran last. The id of the resource is that of the first.
    #[schemars(extend("changesOnUpdate" = true))]
    pub arn: String,
    /// What each container exited with, by its name.
    #[schemars(extend("changesOnUpdate" = true))]
    pub exit_codes: BTreeMap<String, i32>,
    /// When it started, such as `2026-01-31T12:00:00Z`.
    #[schemars(extend("changesOnUpdate" = true))]
    pub started_at: String,
    /// When it had stopped.
    #[schemars(extend("changesOnUpdate" = true))]
    pub stopped_at: String,
}

fn default_cluster() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}

/// What tasks to list: those that have ended well a short while ago, of one cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskQuery {
    /// The cluster that they ran in: its ARN or name.
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/)?[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "the ARN or the name of a cluster"))]
    pub cluster: String,
    /// The family of their task definition. Default: any.
    pub family: Option<String>,
}

impl Resource for Task {
    const NAME: &'static str = "Task";
    type Cloud = crate::aws::Session;
    const HAPPENED: bool = true;
    type Inputs = TaskInputs;
    type Outputs = TaskOutputs;
    type Query = TaskQuery;

    fn check(inputs: &TaskInputs, report: &mut Report<'_>) {
        // RunTask: "An error will be received if you specify the SERVICE option when running a task".
        let of_service = matches!(inputs.propagate_tags, TaskPropagateTags::Other(it) if it.as_str() == "SERVICE");
        report.rule(&["propagateTags"], !of_service, "is SERVICE, which only services have; use TASK_DEFINITION or NONE");
        ecs::check_strategies(&inputs.capacity_provider_strategies, report);
        let network = &inputs.network_configuration;
        reach::check_way_out(&network.subnets, network.assign_public_ip, report);
    }

    async fn create(context: &Context, inputs: &TaskInputs) -> Result<String> {
        // The id gets known only once it has ended well: what failed has to run again, and nothing is left of it.
        run(context, inputs).await
    }

    async fn update(context: &Context, _: &str, old: &TaskOutputs, new: &TaskInputs) -> Result<()> {
        if changed(&old.inputs, new)?.iter().any(|it| !MARKS.contains(&it.as_str())) {
            context.made(&run(context, new).await?);
        }
        Ok(())
    }

    async fn read(context: &Context, id: &str) -> Result<Option<TaskOutputs>> {
        let Some(task) = describe(&context.client, cluster_of(id)?, vec![id.to_owned()]).await?.pop() else { return Ok(None) };
        let definition = definition(&context.client, &task).await?;
        if let Err(trouble) = outcome(&task, Some(&definition)) {
            bail!("task {} cannot be imported: {trouble}; only what has ended well counts as done", name(&task));
        }
        Ok(Some(from_aws(&task)))
    }

    fn id(outputs: &TaskOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, query: &TaskQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.ecs().list_tasks().cluster(&query.cluster).set_family(query.family.clone());
        let request = request.desired_status(types::DesiredStatus::Stopped);
        let request = request.max_results(at.size(1..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain().with_context(|| format!("cluster: {}", query.cluster))?;
        let (arns, next) = (answer.task_arns.unwrap_or_default(), answer.next_token);
        let tasks = if arns.is_empty() { Vec::new() } else { describe(&context.client, &query.cluster, arns).await? };
        // Those of services are none of ours.
        let alone = tasks.iter().filter(|it| !it.group().unwrap_or_default().starts_with("service:"));
        let asked = alone.map(|it| async move { Ok::<_, Error>((it, definition(&context.client, it).await?)) });
        let well = try_join_all(asked).await?.into_iter().filter(|(it, definition)| outcome(it, Some(definition)).is_ok());
        Ok(Page::new(well.map(|(it, _)| Listed::new(it.task_arn().unwrap_or_default(), name(it))), next))
    }

    async fn delete(_: &Context, _: &str, _: &TaskOutputs) -> Result<()> {
        // What is in the state has ended.
        Ok(())
    }
}

/// Runs a task to its end, which has to be a good one; its ARN.
async fn run(context: &Context, inputs: &TaskInputs) -> Result<String> {
    let task = match left_running(context, inputs).await? {
        Some(task) => {
            (context.observer.say)(&format!(
                "task {} runs already, started by a `pulumi up` that was killed: waiting for its end",
                name(&task)
            ));
            task
        }
        None => started(context, inputs).await?,
    };
    let run = Mutex::new(Run::of(context, task).await);
    let look = || async { run.lock().await.look(context).await };
    let what = format!("task {}", name(&run.lock().await.task));
    let ended = context.observer.wait(&what, PATIENCE, look).await;
    let run = run.into_inner();
    let shown: Vec<_> = run.logs.iter().map(|it| it.container.as_str()).collect();
    let network = ecs::to_vpc(&inputs.network_configuration)?;
    if let Err(error) = ended {
        let stopped = stop(context, &run.task).await;
        if context.observer.cancel.is_cancelled() {
            let status = run.task.last_status().unwrap_or("unknown");
            bail!("cancelled while {what} was {status}: {stopped}; {AGAIN}");
        }
        if !error.is::<TimedOut>() {
            return Err(error.context(format!("{what} got out of sight: {stopped}; {AGAIN}")));
        }
        let diagnosis = Evidence::of_task(context, &run.task, Some(&network), &shown).await.diagnosis(error.to_string());
        return Err(diagnosis.then(&format!("{stopped}; {AGAIN}")).into());
    }
    if let Err(trouble) = outcome(&run.task, run.definition.as_ref()) {
        let of = run.task.task_definition_arn().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
        let evidence = Evidence::of_task(context, &run.task, Some(&network), &shown).await;
        return Err(evidence.diagnosis(format!("{what} of {of} failed: {trouble}")).then(AGAIN).into());
    }
    Ok(run.task.task_arn().unwrap_or_default().to_owned())
}

/// The task that an earlier `pulumi up`, killed before it could stop it, has left running: a migration must not run twice at once.
async fn left_running(context: &Context, inputs: &TaskInputs) -> Result<Option<types::Task>> {
    let request = context.client.ecs().list_tasks().cluster(&inputs.cluster).started_by(started_by(&context.urn));
    let arns = match request.send().await.explain() {
        Ok(answer) => answer.task_arns.unwrap_or_default(),
        // RunTask tells of a cluster that is not there, and needs no right to list.
        Err(error) if error.downcast_ref::<Refusal>().is_some() => return Ok(None),
        Err(error) => return Err(error),
    };
    let running = if arns.is_empty() { Vec::new() } else { describe(&context.client, &inputs.cluster, arns).await? };
    Ok(running.into_iter().find(|it| it.last_status() != Some("STOPPED") && does(it, inputs)))
}

/// Whether a task is one that does what `inputs` ask for.
fn does(task: &types::Task, inputs: &TaskInputs) -> bool {
    let revision = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    if task.task_definition_arn().map(revision) != Some(revision(&inputs.task_definition)) {
        return false;
    }
    let ours = inputs.overrides.as_ref().map(overrides);
    let ours = ours.as_ref().map(types::TaskOverride::container_overrides).unwrap_or_default();
    let work = |it: &types::ContainerOverride| {
        let variables = it.environment().iter().map(|it| (it.name.clone(), it.value.clone())).collect::<BTreeSet<_>>();
        (it.command().to_vec(), variables)
    };
    // AWS lists every container, also those with nothing to override.
    let theirs = task.overrides().map(types::TaskOverride::container_overrides).unwrap_or_default();
    let of = |all: &[types::ContainerOverride], name: Option<&str>| {
        all.iter().find(|it| it.name() == name).map(work).unwrap_or_default()
    };
    ours.iter().chain(theirs).all(|it| of(ours, it.name()) == of(theirs, it.name()))
}

/// By which AWS knows the tasks of one resource. It takes 128 letters, digits, hyphens, underscores and slashes.
fn started_by(urn: &str) -> String {
    format!("pulumi/{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, urn.as_bytes()))
}

/// Asks AWS to run it.
async fn started(context: &Context, inputs: &TaskInputs) -> Result<types::Task> {
    let network = types::NetworkConfiguration::builder().awsvpc_configuration(ecs::to_vpc(&inputs.network_configuration)?);
    // A launch type, unlike a strategy, needs no capacity provider in the cluster.
    let on_fargate = inputs.capacity_provider_strategies == all_on_fargate();
    let strategies = (!on_fargate).then(|| ecs::to_strategies(&inputs.capacity_provider_strategies)).transpose()?;
    let propagated = (inputs.propagate_tags != TaskPropagateTags::None).then(|| name_of(inputs.propagate_tags).as_str().into());
    let request = context
        .client
        .ecs()
        .run_task()
        .cluster(&inputs.cluster)
        .task_definition(&inputs.task_definition)
        .count(1)
        .network_configuration(network.build())
        .set_overrides(inputs.overrides.as_ref().map(overrides))
        .set_launch_type(on_fargate.then_some(types::LaunchType::Fargate))
        .set_capacity_provider_strategy(strategies)
        .set_platform_version(inputs.platform_version.clone())
        .set_group(inputs.group.clone())
        .started_by(started_by(&context.urn))
        .set_propagate_tags(propagated)
        .enable_ecs_managed_tags(inputs.enable_ecs_managed_tags)
        .set_tags((!inputs.tags.is_empty()).then(|| ecs::to_tags(&inputs.tags)));
    let run = || async {
        // The SDK asks again with the same token when an answer is lost, so that nothing runs twice; what AWS has refused did
        // not run.
        let request = request.clone().client_token(Uuid::new_v4().to_string());
        let answer = request.send().await.explain()?;
        if let Some(task) = answer.tasks.unwrap_or_default().pop() {
            return Ok(task);
        }
        let failures = answer.failures.unwrap_or_default();
        let failure = failures.first().context("AWS ran no task, and gives no reason")?;
        let said = [failure.reason(), failure.detail(), failure.arn()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Err(Refusal::within("RunTask", FAILURE, &said).into())
    };
    context.observer.settle(NOT_YET, run).await
}

/// A task on its way, and how far its logs are read.
struct Run {
    task: types::Task,
    definition: Option<types::TaskDefinition>,
    logs: Vec<Log>,
    /// It has stopped, and all there was has been read; the last lines may come late.
    closing: bool,
}

/// What a container writes.
struct Log {
    container: String,
    stream: Stream,
    follower: Follower,
}

impl Run {
    async fn of(context: &Context, task: types::Task) -> Self {
        let definition = match definition(&context.client, &task).await {
            Ok(it) => Some(it),
            Err(error) => {
                (context.observer.say)(&format!("its log cannot be shown: {error:#}"));
                None
            }
        };
        let containers = definition.iter().flat_map(types::TaskDefinition::container_definitions);
        let log = |it: &types::ContainerDefinition| {
            let stream = Stream::of(it, task.task_arn()?)?;
            Some(Log { container: it.name()?.to_owned(), stream, follower: Follower::default() })
        };
        let (logs, away): (Vec<_>, Vec<_>) =
            containers.filter_map(log).partition(|it| it.stream.region.as_deref().is_none_or(|it| it == context.client.region()));
        for Log { container, stream, .. } in away {
            let region = stream.region.unwrap_or_default();
            (context.observer.say)(&format!(
                "the log of container {container} is not shown, for it is in {region}: {}",
                stream.group
            ));
        }
        Self { task, definition, logs, closing: false }
    }

    async fn look(&mut self, context: &Context) -> Result<Seen<()>> {
        let arn = self.task.task_arn().unwrap_or_default().to_owned();
        // AWS may take seconds to know what it has just started.
        if let Some(task) = describe(&context.client, cluster_of(&arn)?, vec![arn.clone()]).await?.pop() {
            self.task = task;
        }
        self.tell_lines(context).await;
        let status = self.task.last_status().unwrap_or("unknown");
        if status != "STOPPED" {
            return Ok(Seen::Pending(format!("task {} is {status}", name(&self.task))));
        }
        if self.logs.is_empty() || std::mem::replace(&mut self.closing, true) {
            return Ok(Seen::Ready(()));
        }
        Ok(Seen::Pending(format!("task {} has stopped; reading its last lines", name(&self.task))))
    }

    /// Shows what the containers have written since the last look.
    async fn tell_lines(&mut self, context: &Context) {
        let several = self.logs.len() > 1;
        let say = &context.observer.say;
        let read = join_all(self.logs.iter_mut().map(|it| it.follower.read_on(context, &it.stream))).await;
        let mut answers = read.into_iter();
        self.logs.retain(|log| match answers.next() {
            Some(Ok(lines)) => {
                for line in lines.iter().map(|it| it.trim_end()).filter(|it| !it.is_empty()) {
                    if several { say(&format!("{} | {line}", log.container)) } else { say(line) }
                }
                true
            }
            Some(Err(error)) => {
                say(&format!("the log of container {} cannot be shown: {error:#}", log.container));
                false
            }
            None => false,
        });
    }
}

/// Why a task that stopped has not ended well, if so.
fn outcome(task: &types::Task, definition: Option<&types::TaskDefinition>) -> Result<()> {
    ensure!(task.last_status() == Some("STOPPED"), "it is {}", task.last_status().unwrap_or("unknown"));
    // Helpers that are not essential are stopped when the others have ended.
    let definitions = definition.map(types::TaskDefinition::container_definitions).unwrap_or_default();
    let helps = |name: Option<&str>| definitions.iter().any(|it| it.name() == name && it.essential() == Some(false));
    let mut deciding = task.containers().iter().filter(|it| !helps(it.name())).peekable();
    let by_itself = task.stop_code().is_none_or(|it| *it == types::TaskStopCode::EssentialContainerExited);
    let well = by_itself && deciding.peek().is_some() && deciding.all(|it| it.exit_code() == Some(0));
    ensure!(well, "{}", why(task));
    Ok(())
}

/// Asks AWS to stop it; what became of that.
async fn stop(context: &Context, task: &types::Task) -> String {
    let request = context.client.ecs().stop_task().set_cluster(task.cluster_arn.clone()).set_task(task.task_arn.clone());
    // Once cancelled, there is little time left: the engine waits 5 s for an answer.
    let seconds = if context.observer.cancel.is_cancelled() { 2 } else { 30 };
    let request = request.reason("pulumi up does not wait for it any longer");
    let stopped = timeout(Duration::from_secs(seconds), request.send()).await;
    match stopped.map_err(|_| anyhow!("no answer from AWS in {seconds} s")).and_then(Explain::explain) {
        Ok(_) => "it was stopped".to_owned(),
        Err(error) => format!("it may still run, for it could not be stopped ({error:#})"),
    }
}

async fn describe(aws: &Aws, cluster: &str, arns: Vec<String>) -> Result<Vec<types::Task>> {
    let request = aws.ecs().describe_tasks().cluster(cluster).set_tasks(Some(arns)).include(types::TaskField::Tags);
    Ok(request.send().await.explain()?.tasks.unwrap_or_default())
}

async fn definition(aws: &Aws, task: &types::Task) -> Result<types::TaskDefinition> {
    let request = aws.ecs().describe_task_definition().set_task_definition(task.task_definition_arn.clone());
    request.send().await.explain()?.task_definition.context("AWS shows no task definition")
}

/// The last part of a task's ARN, by which AWS's console names it.
fn name(task: &types::Task) -> &str {
    task.task_arn().and_then(|it| it.rsplit('/').next()).unwrap_or_default()
}

/// The cluster in the ARN of a task, `arn:aws:ecs:region:account:task/cluster/name`.
fn cluster_of(arn: &str) -> Result<&str> {
    let names = arn.starts_with("arn:").then(|| arn.split_once(":task/")).flatten().and_then(|(_, it)| it.split_once('/'));
    match names {
        Some((cluster, name)) if !cluster.is_empty() && !name.is_empty() && !name.contains('/') => Ok(cluster),
        _ => bail!("{arn:?} is no task; give its ARN, with the name of the cluster in it"),
    }
}

fn overrides(it: &TaskOverrides) -> types::TaskOverride {
    let pair = |it: &TaskKeyValuePair| types::KeyValuePair::builder().name(&it.name).value(&it.value).build();
    let container = |it: &TaskContainerOverride| {
        types::ContainerOverride::builder()
            .name(&it.name)
            .set_command((!it.command.is_empty()).then(|| it.command.clone()))
            .set_environment((!it.environment.is_empty()).then(|| it.environment.iter().map(pair).collect()))
            .set_cpu(it.cpu)
            .set_memory(it.memory)
            .build()
    };
    types::TaskOverride::builder()
        .set_container_overrides(Some(it.container_overrides.iter().map(container).collect()))
        .set_cpu(it.cpu.clone())
        .set_memory(it.memory.clone())
        .set_task_role_arn(it.task_role_arn.clone())
        .set_execution_role_arn(it.execution_role_arn.clone())
        .build()
}

/// As much as AWS tells: of the network, only the subnet that the task got into.
fn from_aws(task: &types::Task) -> TaskOutputs {
    let details = task.attachments().iter().flat_map(types::Attachment::details);
    let subnets = details.filter(|it| it.name() == Some("subnetId")).filter_map(|it| it.value.clone());
    let exited = |it: &types::Container| Some((it.name()?.to_owned(), it.exit_code()?));
    let provider = |it: &str| CapacityProviderStrategy { capacity_provider: it.to_owned(), weight: Some(1), base: 0 };
    TaskOutputs {
        inputs: TaskInputs {
            cluster: task.cluster_arn().unwrap_or_default().to_owned(),
            task_definition: task.task_definition_arn().unwrap_or_default().to_owned(),
            network_configuration: NetworkConfiguration {
                subnets: subnets.collect(),
                security_groups: Vec::new(),
                assign_public_ip: false,
            },
            overrides: task.overrides().map(overrides_from_aws).filter(|it| *it != TaskOverrides::default()),
            capacity_provider_strategies: task.capacity_provider_name().map_or_else(all_on_fargate, |it| vec![provider(it)]),
            platform_version: task.platform_version().filter(|it| !["", "LATEST"].contains(it)).map(str::to_owned),
            group: task.group().filter(|it| !it.is_empty()).map(str::to_owned),
            propagate_tags: TaskPropagateTags::None,
            enable_ecs_managed_tags: true,
            triggers: BTreeMap::new(),
            tags: ecs::from_tags(task.tags()),
        },
        arn: task.task_arn().unwrap_or_default().to_owned(),
        exit_codes: task.containers().iter().filter_map(exited).collect(),
        started_at: in_words(task.started_at()),
        stopped_at: in_words(task.stopped_at()),
    }
}

fn overrides_from_aws(it: &types::TaskOverride) -> TaskOverrides {
    let pair = |it: &types::KeyValuePair| TaskKeyValuePair {
        name: it.name().unwrap_or_default().to_owned(),
        value: it.value().unwrap_or_default().to_owned(),
    };
    let container = |it: &types::ContainerOverride| TaskContainerOverride {
        name: it.name().unwrap_or_default().to_owned(),
        command: it.command().to_vec(),
        environment: it.environment().iter().map(pair).collect(),
        cpu: it.cpu(),
        memory: it.memory(),
    };
    // AWS names every container, whether it runs otherwise or not.
    let says = |it: &&types::ContainerOverride| {
        !it.command().is_empty() || !it.environment().is_empty() || it.cpu().is_some() || it.memory().is_some()
    };
    TaskOverrides {
        container_overrides: it.container_overrides().iter().filter(says).map(container).collect(),
        cpu: it.cpu().map(str::to_owned),
        memory: it.memory().map(str::to_owned),
        task_role_arn: it.task_role_arn().map(str::to_owned),
        execution_role_arn: it.execution_role_arn().map(str::to_owned),
    }
}

fn in_words(time: Option<&DateTime>) -> String {
    time.and_then(|it| it.fmt(DateTimeFormat::DateTime).ok()).unwrap_or_default()
}
