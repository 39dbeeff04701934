//! ecs: a service, which keeps tasks running and replaces them by deployments.

mod foresight;
mod network;
mod unsupported;

use std::collections::BTreeMap;

use anyhow::{Context as _, Error, Result, bail, ensure};
use aws_sdk_ecs::{
    operation::create_service::builders::CreateServiceFluentBuilder,
    types::{self, DeploymentRolloutState},
};
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    aws::{
        Aws, Explain as _, Passing, Patience, Refusal, Seen, Settle as _,
        ecs::{
            self, CapacityProviderStrategy, NetworkConfiguration, all_on_fargate, are_all_on_fargate,
            deployment::{self, DescribeServices, Key, REFRESH, found, primary},
        },
        refused_with,
        scaling::{DescribeScalableTargets, Scaled},
    },
    check::{Failure, Findings, Foreign, Report},
    codec::{Unlisted, name_of, named},
    facts::ServiceFacts,
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, changed, taken},
    value::{Map, Value},
};

/// What AWS says until it knows everywhere what a service needs: roles, the cluster, and listeners of target groups.
const NOT_YET: &[Passing] = &[
    ("InvalidParameterException", "Unable to assume the service linked role"),
    ("InvalidParameterException", "verify that the ECS service role being passed has the proper permissions"),
    ("InvalidParameterException", NO_LISTENER),
    ("InvalidParameterException", "not associated with the cluster"),
    ("ClientException", "not associated with the cluster"),
    ("ClusterNotFoundException", ""),
];
const NO_LISTENER: &str = "does not have an associated load balancer";
const GRACE_PERIOD: &str = "healthCheckGracePeriodSeconds";
/// The version of the platform that is the latest.
const LATEST: &str = "LATEST";
/// What AWS says of a name whose service was deleted a moment ago.
const DRAINING: &str = "still Draining";
/// What AWS says of a name whose service is there.
const TAKEN: &str = "Creation of service was not idempotent";
/// What keeps a service from being deleted for a while.
const BUSY: &[Passing] = &[
    ("InvalidParameterException", "while deployments are active"),
    ("InvalidParameterException", "has a dependent object"),
    ("DependencyViolation", ""),
];
/// By what AWS says that a service, or the cluster it was in, is there no more.
const GONE: &[&str] = &["ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException"];
/// What AWS makes real by a deployment; all else it takes over as it is.
const DEPLOYED: &[&str] = &[
    "taskDefinition",
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "capacityProviderStrategies",
    "triggers",
];

pub struct Service;

/// A service: it keeps a number of tasks running, and replaces them by a deployment when their task definition changes.
///
/// An update ends when the deployment that it started has ended: well, or with an error that says why not, and the way out.
/// It ends early when nothing can get better, for instance because the image does not exist. A deployment that AWS rolled
/// back is an error, too; the next `pulumi up` tries again. An update that starts no deployment waits for none.
#[expect(clippy::struct_excessive_bools, reason = "AWS has them")]
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceInputs {
    /// The name of the service, of letters, digits, hyphens and underscores. Default: the resource's name and seven random
    /// digits.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "made of letters, digits, hyphens and underscores"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 255))]
    pub name: String,
    /// The cluster that the tasks run in: its ARN or name. Default: `default`.
    #[serde(default = "default_cluster")]
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/)?[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "the ARN or the name of a cluster", "compare" = "arn", "replaceOnChanges" = true))]
    #[schemars(extend("nameScope" = true, "refersTo" = "Cluster"))]
    pub cluster: String,
    /// The revision of the task definition to run: its ARN, or `family:revision`.
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/)?[A-Za-z0-9_-]+:[0-9]+$"))]
    #[schemars(extend("expects" = "the ARN of a task definition with its revision, or family:revision", "compare" = "arn"))]
    pub task_definition: String,
    /// How many tasks to keep running. With a `ScalableTarget`, this is where it starts: `refresh` and `up` leave the count that
    /// scaling has come to alone, until the program says another number. Default: 1 in a new service; one that exists keeps
    /// what it has.
    #[schemars(range(min = 0), extend("computed" = true, "always" = true, "initial" = true))]
    pub desired_count: Option<i32>,
    /// What the tasks run on. Default: `FARGATE`, unless there are `capacityProviderStrategies`.
    #[schemars(extend("compare" = "never", "computed" = true))]
    pub launch_type: Option<String>,
    /// How the tasks are spread over capacity providers of the cluster, such as `FARGATE` and `FARGATE_SPOT`. A change
    /// starts a deployment. Default: all run on `FARGATE`, whatever the cluster's own default is.
    #[serde(default = "all_on_fargate")]
    #[schemars(extend("keyedBy" = "capacityProvider"))]
    pub capacity_provider_strategies: Vec<CapacityProviderStrategy>,
    /// The version of Fargate's platform, such as `1.4.0`, or `LATEST`: what is the latest when a deployment starts. Default:
    /// `LATEST` in a new service; one that exists keeps what it has.
    #[schemars(extend("computed" = true, "latest" = "LATEST"))]
    pub platform_version: Option<String>,
    /// Where in the network the tasks are.
    pub network_configuration: NetworkConfiguration,
    /// The target groups that the tasks are registered with.
    #[serde(default)]
    #[schemars(length(max = 5), extend("keyedBy" = ["targetGroupArn", "containerName", "containerPort"]))]
    pub load_balancers: Vec<ServiceLoadBalancer>,
    /// The service of Cloud Map that the tasks are registered with.
    pub service_registries: Option<ServiceRegistries>,
    /// How long after its start a task is kept although the load balancer finds it unhealthy, in seconds. It counts only with
    /// `loadBalancers`. Default: 60, for AWS's own default of 0 stops tasks that are still starting.
    #[serde(default = "sixty")]
    #[schemars(range(min = 0))]
    pub health_check_grace_period_seconds: i32,
    /// What happens to a deployment whose tasks do not come up. Default: it is stopped and rolled back.
    #[serde(default)]
    pub deployment_circuit_breaker: ServiceDeploymentCircuitBreaker,
    /// Alarms that stop a deployment.
    pub alarms: Option<ServiceAlarms>,
    /// How many tasks may run during a deployment, in percent of `desiredCount`. Default: 200.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 100))]
    pub deployment_maximum_percent: i32,
    /// How many tasks have to run during a deployment, in percent of `desiredCount`. Default: 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 100))]
    pub deployment_minimum_healthy_percent: i32,
    /// Whether AWS moves tasks so that all availability zones have as many. Default: AWS's choice.
    #[schemars(extend("computed" = true))]
    pub availability_zone_rebalancing: Option<ServiceAvailabilityZoneRebalancing>,
    /// Whether commands can be run in the containers by `aws ecs execute-command`. The task role then needs the actions of
    /// `ssmmessages`. Default: false.
    #[serde(default)]
    pub enable_execute_command: bool,
    /// Whether AWS tags the tasks with the names of cluster and service, by which costs can be told apart. Default: true.
    #[serde(default = "yes")]
    pub enable_ecs_managed_tags: bool,
    /// Whose tags the tasks get. Default: `SERVICE`.
    #[serde(default)]
    pub propagate_tags: ServicePropagateTags,
    /// Whether every update of the service starts a deployment. Default: false.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub force_new_deployment: bool,
    /// Any texts. When one changes, a deployment starts.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub triggers: BTreeMap<String, String>,
    /// Whether to wait until the deployment has ended. Without, a deployment that fails is no error. Default: true.
    #[serde(default = "yes")]
    #[schemars(extend("writeOnly" = true))]
    pub wait_for_steady_state: bool,
    /// Tags to put on the service.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A target group that tasks are registered with.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLoadBalancer {
    /// The ARN of the target group, whose type is `ip`. A listener has to forward to it.
    #[schemars(transform = crate::aws::arn::target_group)]
    pub target_group_arn: String,
    /// The name of the container.
    pub container_name: String,
    /// The port of the container.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
}

/// A service of Cloud Map that tasks are registered with.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRegistries {
    /// The ARN of the service of Cloud Map.
    #[schemars(transform = crate::aws::arn::registry)]
    pub registry_arn: String,
    /// The name of the container, for records of type SRV.
    pub container_name: Option<String>,
    /// The port of the container, for records of type SRV.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i32>,
    /// The port, for records of type SRV where no container is named.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// What happens to a deployment whose tasks do not come up.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceDeploymentCircuitBreaker {
    /// Whether it is stopped. Default: true.
    #[serde(default = "yes")]
    pub enable: bool,
    /// Whether AWS then goes back to the last deployment that ended well. Without `enable`, it is asked to as soon as it is
    /// certain that the deployment cannot succeed. Default: true.
    #[serde(default = "yes")]
    pub rollback: bool,
}

impl Default for ServiceDeploymentCircuitBreaker {
    fn default() -> Self {
        Self { enable: true, rollback: true }
    }
}

/// Alarms that stop a deployment.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAlarms {
    /// The names of the alarms. There may be none only where `enable` is false.
    #[schemars(extend("compare" = "set"))]
    pub alarm_names: Vec<String>,
    /// Whether they are watched. Default: true.
    #[serde(default = "yes")]
    pub enable: bool,
    /// Whether AWS then goes back to the last deployment that ended well. Default: true.
    #[serde(default = "yes")]
    pub rollback: bool,
}

/// Whether AWS moves tasks between availability zones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceAvailabilityZoneRebalancing {
    Enabled,
    Disabled,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Whose tags tasks get.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServicePropagateTags {
    /// Those of the service.
    #[default]
    Service,
    /// Those of the task definition.
    TaskDefinition,
    /// None.
    None,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOutputs {
    #[serde(flatten)]
    pub inputs: ServiceInputs,
    /// The ARN of the service.
    pub arn: String,
    /// The settings that the service has in AWS and this provider does not support, such as `serviceConnectConfiguration`:
    /// somebody else made them. Updates leave them as they are.
    pub unsupported_settings: Vec<String>,
}

fn default_cluster() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}

fn sixty() -> i32 {
    60
}

/// Whether a grace period, as a program writes it, says no more than leaving it out does, as far as is known.
fn is_sixty(period: &Value) -> bool {
    match period.plain() {
        Value::Null | Value::Unknown => true,
        Value::Number(it) => (*it - f64::from(sixty())).abs() < 0.5,
        Value::String(it) => it.trim().parse() == Ok(sixty()),
        _ => false,
    }
}

fn hundred() -> i32 {
    100
}

fn two_hundred() -> i32 {
    200
}

/// What services to list: AWS tells those of one cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceQuery {
    /// The cluster that they run in: its ARN or name.
    #[schemars(regex(pattern = r"^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/)?[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "the ARN or the name of a cluster"))]
    pub cluster: String,
}

impl Resource for Service {
    const NAME: &'static str = "Service";
    type Cloud = crate::aws::Session;
    type Inputs = ServiceInputs;
    type Outputs = ServiceOutputs;
    type Query = ServiceQuery;
    const FOREIGN: &'static [Foreign] = unsupported::FOREIGN;

    fn adapt(inputs: &mut Map) -> Findings {
        let mut findings = Findings::default();
        // AWS has refused the period without load balancers: "Health check grace period is only valid for services configured
        // to use load balancers".
        if inputs.get("loadBalancers").is_none_or(Value::is_empty)
            && let Some(period) = inputs.remove(GRACE_PERIOD)
            && !is_sixty(&period)
        {
            let reason = "has no effect and is not sent, for the service has no loadBalancers; leave it out, and give containers \
                          that start slowly a healthCheck.startPeriod";
            findings.warnings.push(Failure { path: GRACE_PERIOD.to_owned(), reason: reason.to_owned() });
        }
        findings
    }

    fn normalize(inputs: &mut Map) {
        let is_empty = |name: &str, inputs: &Map| inputs.get(name).is_none_or(Value::is_empty);
        // No strategy at all is the launch type.
        if is_empty("capacityProviderStrategies", inputs)
            && let Ok(strategies) = serde_json::to_value(all_on_fargate())
        {
            inputs.insert("capacityProviderStrategies".to_owned(), strategies.into());
        }
        // AWS shows nothing of alarms that are off and name none.
        if let Some(Value::Object(alarms)) = inputs.get("alarms").map(Value::bare)
            && is_empty("alarmNames", &alarms)
            && alarms.get("enable") == Some(&Value::Bool(false))
        {
            inputs.remove("alarms");
        }
    }

    fn check(inputs: &ServiceInputs, report: &mut Report<'_>) {
        let launch_type = inputs.launch_type.as_deref().unwrap_or("FARGATE");
        report.rule(
            &["launchType"],
            launch_type == "FARGATE",
            format!("is {launch_type}; services run on FARGATE here, so leave it out"),
        );
        let strategies = &inputs.capacity_provider_strategies;
        report.rule(
            &["launchType", "capacityProviderStrategies"],
            inputs.launch_type.is_none() || are_all_on_fargate(strategies),
            "is set beside capacityProviderStrategies; AWS takes one of them",
        );
        ecs::check_strategies(strategies, report);
        if let Some(alarms) = &inputs.alarms {
            report.rule(
                &["alarms.alarmNames?", "alarms.enable"],
                !alarms.alarm_names.is_empty(),
                "is empty; name alarms, or set enable to false",
            );
        }
        if let Some(registry) = &inputs.service_registries {
            // ServiceRegistry: "either a containerName and containerPort combination or a port value. However, you can't specify
            // both".
            report.rule(
                &["serviceRegistries.port", "serviceRegistries.containerPort"],
                registry.port.is_none() || registry.container_port.is_none(),
                "is set beside containerPort; AWS takes one of them",
            );
        }
        check_deployment(inputs, report);
        foresight::check(inputs, report);
        network::check(inputs, report);
    }

    fn facts(inputs: &ServiceInputs, report: &Report<'_>) -> Option<Facts> {
        let resource_id = resource_id(inputs, report);
        let facts = ServiceFacts {
            name: report.shown(&inputs.name),
            region: report.written("region"),
            resource_id: resource_id.clone(),
            desired_count: report.known("desiredCount", inputs.desired_count).flatten(),
        };
        Some(Facts::new(facts).named(resource_id))
    }

    fn left_out(_: &ServiceInputs, old: &ServiceInputs, new: &ServiceInputs) -> Vec<&'static str> {
        // A service has the latest version unless the program says another.
        let is_latest = |it: &ServiceInputs| it.platform_version.as_deref() == Some(LATEST);
        if is_latest(new) && (is_latest(old) || old.platform_version.is_none()) { vec!["platformVersion"] } else { Vec::new() }
    }

    fn unsupported(outputs: &ServiceOutputs) -> Vec<String> {
        outputs.unsupported_settings.clone()
    }

    fn check_update(old: &ServiceOutputs, new: &ServiceInputs) -> Result<()> {
        let rebalancing = new.availability_zone_rebalancing.or(old.inputs.availability_zone_rebalancing);
        // What is wrong with the inputs alone, Check reports.
        let is_aws_choice = new.availability_zone_rebalancing.is_none();
        ensure!(
            !is_aws_choice
                || rebalancing != Some(ServiceAvailabilityZoneRebalancing::Enabled)
                || new.deployment_maximum_percent > 100,
            "deploymentMaximumPercent is {}, but availabilityZoneRebalancing, which AWS enabled, needs more than 100; set \
             availabilityZoneRebalancing to DISABLED, or raise deploymentMaximumPercent",
            new.deployment_maximum_percent
        );
        Ok(())
    }

    async fn create(context: &Context, inputs: &ServiceInputs) -> Result<String> {
        let key = (name_in(&inputs.cluster).to_owned(), inputs.name.clone());
        // One token for all tries: a service that AWS made, and whose answer got lost, is not made twice.
        let request = creation(&context.client, inputs)?.client_token(Uuid::new_v4().to_string());
        let create = || async { request.clone().send().await.explain() };
        let created = match context.observer.settle(NOT_YET, create).await {
            Err(error) if says(&error, DRAINING) => {
                gone(context, key).await?;
                context.observer.settle(NOT_YET, create).await
            }
            result => result,
        };
        let service = created.map_err(|error| explained(error, inputs))?.service.context("AWS made a service and shows none")?;
        let arn = service.service_arn().unwrap_or_default().to_owned();
        context.made(&arn);
        deployed(context, &arn, service, inputs).await?;
        Ok(arn)
    }

    async fn moved(context: &Context, old: &ServiceInputs, now: &ServiceOutputs) -> Result<bool> {
        if old.desired_count == now.inputs.desired_count {
            return Ok(false);
        }
        let (cluster, name) = key(&now.arn)?;
        let scaled = Scaled::service(&cluster, &name);
        match context.client.look_up::<DescribeScalableTargets>(scaled).await {
            // Whoever may not look at scaling may still refresh.
            Err(error) if error.is::<Refusal>() => {
                tracing::debug!("no scalable target: {error:#}");
                Ok(false)
            }
            target => Ok(target?.is_some()),
        }
    }

    async fn update(context: &Context, id: &str, old: &ServiceOutputs, new: &ServiceInputs) -> Result<()> {
        let changed = changed(&old.inputs, new)?;
        let key = key(id)?;
        ecs::retag(&context.client, id, &old.inputs.tags, &new.tags).await?;
        let unsent = |it: &String| it == "tags" || it == "waitForSteadyState";
        let deploys = new.force_new_deployment || DEPLOYED.iter().any(|it| changed.contains(*it));
        let sends = new.force_new_deployment || !changed.iter().all(unsent);
        let mut service = if sends {
            let seen = &old.inputs.capacity_provider_strategies;
            send(context, &key, new, seen, |names| names.iter().any(|it| changed.contains(*it))).await?
        } else {
            found(context, &key).await?
        };
        // What the last `up` wanted may have been rolled back, or be failing still: then it starts anew. It may also be on its
        // way still, where a new count does not only make it look so: then it is waited for. Whoever else deploys is left alone.
        let ours = !context.ignores("taskDefinition");
        let another = service.task_definition().map(name_in) != Some(name_in(&new.task_definition));
        let is = |state: &DeploymentRolloutState| primary(&service).is_some_and(|it| it.rollout_state() == Some(state));
        let goes_on = is(&DeploymentRolloutState::InProgress);
        let fails = is(&DeploymentRolloutState::Failed) || goes_on && primary(&service).is_some_and(|it| it.failed_tasks() > 0);
        if !deploys && !changed.is_empty() && !(ours && (fails || goes_on && !sends && !another)) {
            return Ok(());
        }
        if fails || ours && changed.is_empty() && another {
            let anew = |names: &[&str]| names.contains(&"triggers") || ours && names.contains(&"taskDefinition");
            service = send(context, &key, new, &old.inputs.capacity_provider_strategies, anew).await?;
        }
        deployed(context, id, service, new).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ServiceOutputs>> {
        let service = context.client.look_up::<DescribeServices>(key(id)?).await?;
        let Some(service) = service.filter(|it| it.status() == Some("ACTIVE")) else { return Ok(None) };
        Ok(Some(ServiceOutputs {
            inputs: from_aws(&service)?,
            arn: service.service_arn().unwrap_or_default().to_owned(),
            unsupported_settings: unsupported::settings(&service),
        }))
    }

    fn id(outputs: &ServiceOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, query: &ServiceQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.ecs().list_services().cluster(&query.cluster);
        let request = request.max_results(at.size(1..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain().with_context(|| format!("cluster: {}", query.cluster))?;
        let cluster = name_in(&query.cluster);
        let key = |arn: &String| (cluster.to_owned(), name_in(arn).to_owned());
        let services = answer.service_arns().iter().map(|it| context.client.look_up::<DescribeServices>(key(it)));
        let services = try_join_all(services).await?.into_iter().flatten();
        let ours =
            services.filter(|it| it.status() == Some("ACTIVE") && unsupported::settings(it).is_empty() && from_aws(it).is_ok());
        let listed = ours.filter_map(|it| Some(Listed::new(it.service_arn?, it.service_name.unwrap_or_default())));
        Ok(Page::new(listed, answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &ServiceOutputs) -> Result<()> {
        let key = key(id)?;
        let request = context.client.ecs().delete_service().cluster(&key.0).service(&key.1).force(true);
        match context.observer.settle(BUSY, || async { request.clone().send().await.explain() }).await {
            Err(error) if refused_with(&error, GONE) => {}
            result => _ = result?,
        }
        gone(context, key).await
    }
}

fn check_deployment(inputs: &ServiceInputs, report: &mut Report<'_>) {
    let (most, least) = (inputs.deployment_maximum_percent, inputs.deployment_minimum_healthy_percent);
    let (tasks, moves) = match inputs.desired_count.map(i64::from) {
        Some(count) => {
            let may_run = count * i64::from(most) / 100;
            let have_to_run = (count * i64::from(least) + 99) / 100;
            (
                if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") },
                count == 0 || may_run > count || have_to_run < count,
            )
        }
        // Scaling may come to a count with which it goes.
        None => ("all tasks".to_owned(), most > 100 || least < 100),
    };
    let reason = format!(
        "is {}, and deploymentMinimumHealthyPercent is {}: of {tasks} a deployment may neither stop one nor start another; raise \
         the first, or lower the second",
        report.quoted("deploymentMaximumPercent", most),
        report.quoted("deploymentMinimumHealthyPercent", least)
    );
    let over = ["deploymentMaximumPercent", "deploymentMinimumHealthyPercent", "desiredCount"];
    // AWS refuses this, whatever the count: "cannot be 100 as this will block deployments". With other numbers it takes the
    // service, and it is the next deployment that does not end, unless scaling has changed the count by then.
    let blocked = most <= 100 && least >= 100 && inputs.desired_count != Some(0);
    report.rule(&over, !blocked, &reason);
    report.warn(&over, moves || blocked, &reason);
    report.rule(
        &["availabilityZoneRebalancing", "deploymentMaximumPercent"],
        inputs.availability_zone_rebalancing != Some(ServiceAvailabilityZoneRebalancing::Enabled) || most > 100,
        "is ENABLED, for which deploymentMaximumPercent has to be above 100",
    );
}

/// What scaling calls the service, once that is known.
fn resource_id(inputs: &ServiceInputs, report: &Report<'_>) -> Option<String> {
    let is_known = report.knows("name") && report.knows("cluster");
    is_known.then(|| format!("service/{}/{}", name_in(&inputs.cluster), inputs.name))
}

/// The call that makes the service.
fn creation(aws: &Aws, inputs: &ServiceInputs) -> Result<CreateServiceFluentBuilder> {
    // A launch type, unlike a strategy, needs no capacity provider in the cluster.
    let on_fargate = are_all_on_fargate(&inputs.capacity_provider_strategies);
    let strategies = (!on_fargate).then(|| ecs::to_strategies(&inputs.capacity_provider_strategies)).transpose()?;
    Ok(aws
        .ecs()
        .create_service()
        .service_name(&inputs.name)
        .cluster(&inputs.cluster)
        .task_definition(&inputs.task_definition)
        .desired_count(inputs.desired_count.unwrap_or(1))
        .set_launch_type(on_fargate.then_some(types::LaunchType::Fargate))
        .set_capacity_provider_strategy(strategies)
        .set_platform_version(inputs.platform_version.clone())
        .network_configuration(network(&inputs.network_configuration)?)
        .set_load_balancers(Some(load_balancers(inputs)))
        .set_service_registries(Some(registries(inputs)))
        .set_health_check_grace_period_seconds(grace_period(inputs))
        .deployment_configuration(deployment_configuration(inputs, false, None)?)
        .set_availability_zone_rebalancing(inputs.availability_zone_rebalancing.map(|it| name_of(it).as_str().into()))
        .enable_execute_command(inputs.enable_execute_command)
        .enable_ecs_managed_tags(inputs.enable_ecs_managed_tags)
        .propagate_tags(name_of(inputs.propagate_tags).as_str().into())
        .set_tags(Some(ecs::to_tags(&inputs.tags))))
}

/// Sends those properties of which `changes` holds: AWS keeps what it is not told, and some of what it is told starts a
/// deployment. What AWS takes as a whole keeps those parts that no program can say here.
async fn send(
    context: &Context,
    key: &Key,
    new: &ServiceInputs,
    seen: &[CapacityProviderStrategy],
    changes: impl Fn(&[&str]) -> bool,
) -> Result<types::Service> {
    let configuration = ["alarms", "deploymentCircuitBreaker", "deploymentMaximumPercent", "deploymentMinimumHealthyPercent"];
    let live = if changes(&configuration) || changes(&["loadBalancers"]) {
        context.client.look_up::<DescribeServices>(key.clone()).await?
    } else {
        None
    };
    let mut request = context.client.ecs().update_service().cluster(&key.0).service(&key.1);
    if changes(&["taskDefinition"]) {
        request = request.task_definition(&new.task_definition);
    }
    if changes(&["desiredCount"]) {
        request = request.set_desired_count(new.desired_count);
    }
    if changes(&["capacityProviderStrategies"]) {
        let strategies = ecs::to_strategies(&ecs::keep_weights(&new.capacity_provider_strategies, seen))?;
        request = request.set_capacity_provider_strategy(Some(strategies));
    }
    if changes(&["platformVersion"]) {
        request = request.platform_version(new.platform_version.as_deref().unwrap_or(LATEST));
    }
    if changes(&["networkConfiguration"]) {
        request = request.network_configuration(network(&new.network_configuration)?);
    }
    if changes(&["loadBalancers"]) {
        let balancers = load_balancers(new).into_iter().map(|it| unsupported::keep_in_balancer(it, live.as_ref()));
        request = request.set_load_balancers(Some(balancers.collect()));
    }
    if changes(&["loadBalancers", "healthCheckGracePeriodSeconds"]) {
        request = request.set_health_check_grace_period_seconds(grace_period(new));
    }
    if changes(&["serviceRegistries"]) {
        request = request.set_service_registries(Some(registries(new)));
    }
    if changes(&configuration) {
        request = request.deployment_configuration(deployment_configuration(new, changes(&["alarms"]), live.as_ref())?);
    }
    if changes(&["availabilityZoneRebalancing"]) {
        let rebalancing = new.availability_zone_rebalancing.map(|it| name_of(it).as_str().into());
        request = request.set_availability_zone_rebalancing(rebalancing);
    }
    if changes(&["enableExecuteCommand"]) {
        request = request.enable_execute_command(new.enable_execute_command);
    }
    if changes(&["enableEcsManagedTags"]) {
        request = request.enable_ecs_managed_tags(new.enable_ecs_managed_tags);
    }
    if changes(&["propagateTags"]) {
        request = request.propagate_tags(name_of(new.propagate_tags).as_str().into());
    }
    // Tasks move to other capacity only by a deployment, which AWS does not start by itself then.
    if new.force_new_deployment || changes(&["triggers", "capacityProviderStrategies"]) {
        request = request.force_new_deployment(true);
    }
    let updated = context.observer.settle(NOT_YET, || async { request.clone().send().await.explain() }).await;
    updated.map_err(|error| explained(error, new))?.service.context("AWS changed a service and shows none")
}

/// Waits until the deployment has ended that is the primary one of `service`, the answer to what was sent.
async fn deployed(context: &Context, id: &str, service: types::Service, inputs: &ServiceInputs) -> Result<()> {
    if !inputs.wait_for_steady_state {
        return Ok(());
    }
    deployment::ended(context, &key(id)?, service, inputs.deployment_circuit_breaker.rollback).await
}

/// Waits until nothing is left of the service.
async fn gone(context: &Context, key: Key) -> Result<()> {
    let key = &key;
    let look = || async move {
        let service = context.client.look_up::<DescribeServices>(key.clone()).await?;
        Ok(match service.filter(|it| it.status() != Some("INACTIVE")) {
            None => Seen::Ready(()),
            Some(it) => Seen::Pending(format!(
                "tasks that are still there: {} running, {} pending",
                it.running_count(),
                it.pending_count()
            )),
        })
    };
    context.observer.wait(format!("the tasks of service {} to end", key.1), Patience::minutes(30), look).await
}

fn says(error: &Error, part: &str) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| it.message.contains(part))
}

/// What to say of a name that another service of the cluster has.
fn taken_in((cluster, name): &Key) -> String {
    taken::<Service>(&format!("{name} in cluster {cluster}"), &format!("{cluster}/{name}"))
}

/// The error, with the way out where AWS names none.
fn explained(error: Error, inputs: &ServiceInputs) -> Error {
    let (cluster, name) = (name_in(&inputs.cluster), &inputs.name);
    if says(&error, TAKEN) {
        return error.context(taken_in(&(cluster.to_owned(), name.clone())));
    }
    if says(&error, NO_LISTENER) {
        return error.context(
            "no listener or rule forwards to a target group of loadBalancers: add one, and name it in `dependsOn` of the service",
        );
    }
    if refused_with(&error, &["ServiceNotFoundException", "ServiceNotActiveException"]) {
        return error.context(format!("service {name} is gone: {REFRESH}"));
    }
    error
}

/// The names, from `cluster/service` or from an ARN, `arn:aws:ecs:region:account:service/cluster/service`.
fn key(id: &str) -> Result<Key> {
    let names = id.rsplit_once(":service/").map_or(id, |(_, names)| names);
    match names.split_once('/') {
        Some((cluster, name)) if !cluster.is_empty() && !name.is_empty() && !names.contains(':') && !name.contains('/') => {
            Ok((cluster.to_owned(), name.to_owned()))
        }
        _ => bail!("{id:?} is no service; give cluster/service, or its ARN"),
    }
}

/// The name, from itself or from an ARN that ends in it.
fn name_in(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn network(it: &NetworkConfiguration) -> Result<types::NetworkConfiguration> {
    Ok(types::NetworkConfiguration::builder().awsvpc_configuration(ecs::to_vpc(it)?).build())
}

fn load_balancers(inputs: &ServiceInputs) -> Vec<types::LoadBalancer> {
    let balancer = |it: &ServiceLoadBalancer| {
        let balancer = types::LoadBalancer::builder().target_group_arn(&it.target_group_arn);
        balancer.container_name(&it.container_name).container_port(it.container_port).build()
    };
    inputs.load_balancers.iter().map(balancer).collect()
}

/// AWS refuses the period where there is no load balancer to wait for.
fn grace_period(inputs: &ServiceInputs) -> Option<i32> {
    (!inputs.load_balancers.is_empty()).then_some(inputs.health_check_grace_period_seconds)
}

fn registries(inputs: &ServiceInputs) -> Vec<types::ServiceRegistry> {
    let registry = |it: &ServiceRegistries| {
        let registry = types::ServiceRegistry::builder().registry_arn(&it.registry_arn).set_port(it.port);
        registry.set_container_name(it.container_name.clone()).set_container_port(it.container_port).build()
    };
    inputs.service_registries.iter().map(registry).collect()
}

/// All of it, for AWS takes it as a whole, with what `live` has and no program can say here. Alarms are taken away by naming none.
fn deployment_configuration(
    inputs: &ServiceInputs,
    takes_alarms_away: bool,
    live: Option<&types::Service>,
) -> Result<types::DeploymentConfiguration> {
    let live = live.and_then(types::Service::deployment_configuration);
    let breaker = &inputs.deployment_circuit_breaker;
    let breaker = types::DeploymentCircuitBreaker::builder().enable(breaker.enable).rollback(breaker.rollback);
    let breaker = unsupported::keep_in_breaker(breaker, live).build();
    let none = ServiceAlarms { alarm_names: Vec::new(), enable: false, rollback: false };
    let alarms = inputs.alarms.as_ref().or(takes_alarms_away.then_some(&none)).map(|it| {
        let alarms = types::DeploymentAlarms::builder().set_alarm_names(Some(it.alarm_names.clone()));
        alarms.enable(it.enable).rollback(it.rollback).build()
    });
    Ok(unsupported::keep_in_deployment(types::DeploymentConfiguration::builder(), live)
        .deployment_circuit_breaker(breaker)
        .set_alarms(alarms.transpose()?)
        .maximum_percent(inputs.deployment_maximum_percent)
        .minimum_healthy_percent(inputs.deployment_minimum_healthy_percent)
        .build())
}

fn from_aws(service: &types::Service) -> Result<ServiceInputs> {
    let deployment = service.deployment_configuration();
    let breaker = deployment.and_then(types::DeploymentConfiguration::deployment_circuit_breaker);
    let alarms = deployment.and_then(types::DeploymentConfiguration::alarms).filter(|it| !it.alarm_names().is_empty());
    let vpc = service.network_configuration().and_then(types::NetworkConfiguration::awsvpc_configuration);
    let balancer = |it: &types::LoadBalancer| ServiceLoadBalancer {
        target_group_arn: it.target_group_arn().unwrap_or_default().to_owned(),
        container_name: it.container_name().unwrap_or_default().to_owned(),
        container_port: it.container_port().unwrap_or_default(),
    };
    let registry = |it: &types::ServiceRegistry| ServiceRegistries {
        registry_arn: it.registry_arn().unwrap_or_default().to_owned(),
        container_name: it.container_name().map(str::to_owned),
        container_port: it.container_port(),
        port: it.port(),
    };
    let rebalancing = service.availability_zone_rebalancing().map(|it| named(it.as_str()));
    // Without load balancers the period means nothing.
    let grace_period = match service.load_balancers() {
        [] => sixty(),
        _ => service.health_check_grace_period_seconds().unwrap_or_default(),
    };
    Ok(ServiceInputs {
        name: service.service_name().unwrap_or_default().to_owned(),
        cluster: service.cluster_arn().unwrap_or_default().to_owned(),
        task_definition: service.task_definition().unwrap_or_default().to_owned(),
        desired_count: Some(service.desired_count()),
        launch_type: service.launch_type().map(|it| it.as_str().to_owned()),
        capacity_provider_strategies: match service.capacity_provider_strategy() {
            [] => all_on_fargate(),
            strategies => ecs::from_strategies(strategies),
        },
        platform_version: service.platform_version().filter(|it| !["", LATEST].contains(it)).map(str::to_owned),
        network_configuration: NetworkConfiguration {
            subnets: vpc.map(|it| it.subnets().to_vec()).unwrap_or_default(),
            security_groups: vpc.map(|it| it.security_groups().to_vec()).unwrap_or_default(),
            assign_public_ip: vpc.and_then(|it| it.assign_public_ip()) == Some(&types::AssignPublicIp::Enabled),
        },
        load_balancers: service.load_balancers().iter().map(balancer).collect(),
        service_registries: service.service_registries().first().map(registry),
        health_check_grace_period_seconds: grace_period,
        deployment_circuit_breaker: ServiceDeploymentCircuitBreaker {
            enable: breaker.is_some_and(types::DeploymentCircuitBreaker::enable),
            rollback: breaker.is_some_and(types::DeploymentCircuitBreaker::rollback),
        },
        alarms: alarms.map(|it| ServiceAlarms {
            alarm_names: it.alarm_names().to_vec(),
            enable: it.enable(),
            rollback: it.rollback(),
        }),
        deployment_maximum_percent: deployment
            .and_then(types::DeploymentConfiguration::maximum_percent)
            .unwrap_or_else(two_hundred),
        deployment_minimum_healthy_percent: deployment
            .and_then(types::DeploymentConfiguration::minimum_healthy_percent)
            .unwrap_or_else(hundred),
        availability_zone_rebalancing: rebalancing.transpose()?,
        enable_execute_command: service.enable_execute_command(),
        enable_ecs_managed_tags: service.enable_ecs_managed_tags(),
        propagate_tags: service.propagate_tags().map_or(Ok(ServicePropagateTags::None), |it| named(it.as_str()))?,
        force_new_deployment: false,
        triggers: BTreeMap::new(),
        wait_for_steady_state: true,
        tags: ecs::from_tags(service.tags()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::Plan,
        resource::{AnyResource as _, Erased, changes, findings, mistakes},
    };

    #[test]
    fn a_deployment_has_to_have_room() {
        let told = |more: serde_json::Value| {
            let mut inputs = json!({ "taskDefinition": "web:1", "networkConfiguration": { "subnets": ["subnet-1"] } });
            inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            findings::<Service>(&Plan::default(), inputs.into())
        };
        let none: [String; 0] = [];
        assert_eq!(told(json!({ "deploymentMaximumPercent": 150 })), (vec![], vec![]));
        assert_eq!(told(json!({ "deploymentMaximumPercent": 150, "desiredCount": 2 })), (vec![], vec![]));
        assert_eq!(told(json!({ "deploymentMaximumPercent": 100, "desiredCount": 0 })).0, none);
        let reason = |tasks: &str, most: i32, least: &str| {
            format!(
                "deploymentMaximumPercent is {most}, and deploymentMinimumHealthyPercent is {least}: of {tasks} a deployment \
                 may neither stop one nor start another; raise the first, or lower the second"
            )
        };
        // AWS takes the service, and scaling may change the count before the next deployment.
        let warned = (vec![], vec![reason("1 task", 150, "100 by default")]);
        assert_eq!(told(json!({ "deploymentMaximumPercent": 150, "desiredCount": 1 })), warned);
        assert_eq!(told(json!({ "deploymentMaximumPercent": 100 })).0, [reason("all tasks", 100, "100 by default")]);
        let written = json!({ "deploymentMaximumPercent": 100, "deploymentMinimumHealthyPercent": 100 });
        assert_eq!(told(written).0, [reason("all tasks", 100, "100")]);
    }

    #[test]
    fn a_grace_period_without_load_balancers_is_warned_of_and_is_no_difference() {
        let inputs = |period: serde_json::Value| {
            json!({
                "name": "web", "taskDefinition": "web:1", "networkConfiguration": { "subnets": ["subnet-1"] },
                "healthCheckGracePeriodSeconds": period,
            })
        };
        for (period, warned) in
            [(json!(120), 1), (json!("120"), 1), (json!(0), 1), (json!(60), 0), (json!("60"), 0), (json!(null), 0)]
        {
            let (failures, warnings) = findings::<Service>(&Plan::default(), inputs(period.clone()).into());
            assert_eq!((failures.len(), warnings.len()), (0, warned), "{warnings:?}");
            assert!(warnings.iter().all(|it| it.starts_with("healthCheckGracePeriodSeconds has no effect")), "{warnings:?}");
            assert_eq!(changes::<Service>(inputs(json!(60)).into(), inputs(period).into()), Vec::<String>::new());
        }
    }

    #[test]
    fn the_latest_version_of_the_platform_is_what_a_service_has_anyway() {
        let service = Erased::<Service>::NEW;
        let inputs = |version: Option<&str>| {
            let inputs = json!({
                "name": "web", "taskDefinition": "web:1", "networkConfiguration": { "subnets": ["subnet-1"] }, "platformVersion": version,
            });
            let Value::Object(inputs) = inputs.into() else { panic!("a map") };
            inputs
        };
        let differs = |old, new| !service.diff(&inputs(old), &inputs(new)).is_empty();
        assert!(!differs(None, Some("LATEST")) && !differs(Some("LATEST"), None) && !differs(Some("LATEST"), Some("LATEST")));
        assert!(differs(Some("1.3.0"), Some("LATEST")) && differs(Some("LATEST"), Some("1.4.0")));
    }

    #[test]
    fn weights_that_are_left_out_stay() {
        let strategy = |provider: &str, weight: Option<i32>| CapacityProviderStrategy {
            capacity_provider: provider.to_owned(),
            weight,
            base: 0,
        };
        let seen = [strategy("FARGATE", Some(1)), strategy("FARGATE_SPOT", Some(3))];
        let new = [strategy("FARGATE", Some(2)), strategy("FARGATE_SPOT", None), strategy("own", None)];
        let weights: Vec<_> = ecs::keep_weights(&new, &seen).into_iter().map(|it| it.weight).collect();
        assert_eq!(weights, [Some(2), Some(3), None]);
    }

    #[test]
    fn one_capacity_provider_needs_no_weight() {
        let told = |strategies: serde_json::Value| {
            let network = json!({ "subnets": ["subnet-1"] });
            let inputs = json!({
                "taskDefinition": "web:1", "networkConfiguration": network, "capacityProviderStrategies": strategies,
            });
            mistakes::<Service>(inputs.into())
        };
        let none: [&str; 0] = [];
        let reason = ["capacityProviderStrategies has no weight above 0, so that no task could be placed; give one of them \
                       `weight: 1`"];
        assert_eq!(told(json!([{ "capacityProvider": "FARGATE_SPOT" }])), none);
        assert_eq!(told(json!([{ "capacityProvider": "FARGATE", "base": 1 }, { "capacityProvider": "FARGATE_SPOT" }])), reason);
    }

    #[test]
    fn takes_any_name_a_person_would_paste() {
        let expected = ("main".to_owned(), "web".to_owned());
        assert_eq!(key("main/web").unwrap(), expected);
        assert_eq!(key("arn:aws:ecs:eu-west-1:123456789012:service/main/web").unwrap(), expected);
        for id in ["web", "main/", "main/web/1", "arn:aws:ecs:eu-west-1:123456789012:cluster/main"] {
            assert_eq!(key(id).unwrap_err().to_string(), format!("{id:?} is no service; give cluster/service, or its ARN"));
        }
    }
}
