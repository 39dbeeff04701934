//! What a service will run into, and how long its deployments will take, as far as the program tells before anything is made.

use super::{ServiceInputs, ServiceLoadBalancer};
use crate::{
    check::Report,
    plan::{Container, Meant, Targets, Task},
};

/// How long a task takes to start, its image pulled, in seconds; a task that nobody checks is kept as long before it counts.
const START: i32 = 40;
/// How long a container has to end unless it says otherwise, in seconds.
const STOP_TIMEOUT: i32 = 30;
/// What is long for a deployment, in seconds.
const LONG: i32 = 600;
/// For how long `pulumi up` waits for a deployment unless `customTimeouts` says otherwise, in seconds.
const PATIENCE: i32 = 1200;

/// Compares a service with its task definition and its target groups.
pub(super) fn check(inputs: &ServiceInputs, report: &mut Report<'_>) {
    let task = report.meant::<Task>("taskDefinition", Some(&inputs.task_definition));
    let mut groups = Vec::new();
    for (index, balancer) in inputs.load_balancers.iter().enumerate() {
        let path = format!("loadBalancers[{index}]");
        let group = report.meant(&format!("{path}.targetGroupArn"), Some(&balancer.target_group_arn));
        check_balancer(&path, balancer, inputs, (&task, &group), report);
        groups.push(group);
    }
    check_registry(inputs, &task, report);
    report.compare("enableExecuteCommand", &["enableExecuteCommand"], &task, |task| {
        let holds = !inputs.enable_execute_command || task.has_task_role;
        let reason = || format!("needs a taskRoleArn in task definition {}: a role with the actions of ssmmessages", task.family);
        holds.then_some(()).ok_or_else(reason)
    });
    estimate(inputs, task.only(), &groups, report);
}

fn check_balancer(
    path: &str,
    balancer: &ServiceLoadBalancer,
    inputs: &ServiceInputs,
    (task, group): (&Meant<Task>, &Meant<Targets>),
    report: &mut Report<'_>,
) {
    let (name, port) = (&balancer.container_name, balancer.container_port);
    let (container_name, container_port) = (format!("{path}.containerName"), format!("{path}.containerPort"));
    let over = [&*container_name, &*container_port];
    report.compare(&container_name, &over[..1], task, |task| container(task, name).map(drop));
    // What does not fit is not meant, or has been told of.
    let task = task.which(|it| container(it, name).is_ok());
    report.compare(&container_port, &over, &task, |task| has_port(task, name, port));
    let both = task.which(|it| has_port(it, name, port).is_ok()).with(group);
    report.compare(&container_port, &over, &both, |(task, group)| {
        let ports = container(task, name).ok().flatten().and_then(|it| it.ports.as_ref());
        let (Some(ports), Some(protocols)) = (ports, group.protocols) else { return Ok(()) };
        if ports.iter().any(|it| it.0 == port && protocols.contains(&it.1)) {
            return Ok(());
        }
        let (family, name, protocols) = (&task.family, &group.name, protocols.join(" or "));
        Err(format!("is {port}, to which target group {name} speaks {protocols}, but task definition {family} maps it for another"))
    });
    // A container may listen on a port that it does not map.
    report.doubt(path, &[], &both, |(task, group)| {
        let (Some(port), Some(containers)) = (group.check_port, &task.containers) else { return Ok(()) };
        let may = |it: &Container| it.ports.as_ref().is_none_or(|all| all.iter().any(|it| it.0 == port));
        let reason = || {
            format!(
                "is checked on port {port} (healthCheck.port of target group {}), which no container of task definition {} maps: \
                 if none listens there all the same, no task gets healthy; set it to traffic-port",
                group.name, task.family
            )
        };
        containers.iter().any(may).then_some(()).ok_or_else(reason)
    });
    let grace = inputs.health_check_grace_period_seconds;
    report.doubt("healthCheckGracePeriodSeconds", &["healthCheckGracePeriodSeconds", &container_name], &both, |(task, group)| {
        let (Some(interval), Some(threshold)) = (group.interval, group.unhealthy_threshold) else { return Ok(()) };
        let Ok(Some(Container { health: Some((_, start_period)), shown, .. })) = container(task, name) else { return Ok(()) };
        let stopped = grace.max(interval * threshold);
        let reason = || {
            format!(
                "is {grace}, so that a task which target group {} finds unhealthy is stopped after {stopped} seconds, though \
                 container {shown} may take {start_period} to start (healthCheck.startPeriod); raise it to {start_period}",
                group.name
            )
        };
        (stopped >= *start_period).then_some(()).ok_or_else(reason)
    });
}

fn check_registry(inputs: &ServiceInputs, task: &Meant<Task>, report: &mut Report<'_>) {
    let Some(registry) = &inputs.service_registries else { return };
    let Some(name) = &registry.container_name else { return };
    let over = ["serviceRegistries.containerName", "serviceRegistries.containerPort"];
    report.compare(over[0], &over[..1], task, |task| container(task, name).map(drop));
    let Some(port) = registry.container_port else { return };
    let task = task.which(|it| container(it, name).is_ok());
    report.compare(over[1], &over, &task, |task| has_port(task, name, port));
}

/// The container of that name, if it is known which that is; or why there is none.
fn container<'a>(task: &'a Task, name: &str) -> Result<Option<&'a Container>, String> {
    let Some(containers) = &task.containers else { return Ok(None) };
    if let Some(it) = containers.iter().find(|it| it.name.as_deref() == Some(name)) {
        return Ok(Some(it));
    }
    if containers.iter().any(|it| it.name.is_none()) {
        return Ok(None);
    }
    let names: Vec<_> = containers.iter().map(|it| it.shown.as_str()).collect();
    Err(format!("is {name:?}, which no container of task definition {} is called; there are {}", task.family, names.join(", ")))
}

/// Whether the container has the port, as far as is known; that there is such a container is told elsewhere.
fn has_port(task: &Task, name: &str, port: i32) -> Result<(), String> {
    let Ok(Some(Container { ports: Some(ports), shown, .. })) = container(task, name) else { return Ok(()) };
    if ports.iter().any(|it| it.0 == port) {
        return Ok(());
    }
    let has: Vec<_> = ports.iter().map(|it| it.0.to_string()).collect();
    let has = if has.is_empty() { "it has none".to_owned() } else { format!("it has {}", has.join(", ")) };
    let family = &task.family;
    Err(format!("is {port}, which is not in portMappings of container {shown} of task definition {family}; {has}"))
}

/// What a deployment consists of: rounds in which tasks start, become healthy, and take the place of others, which end.
/// All in seconds.
#[derive(Clone, Copy)]
struct Pace {
    rounds: i32,
    healthy: i32,
    drain: i32,
    stop: i32,
}

impl Pace {
    fn total(self) -> i32 {
        self.rounds.saturating_mul(START + self.healthy + self.drain + self.stop)
    }
}

/// Warns of deployments that take long, with the setting that makes them so.
fn estimate(inputs: &ServiceInputs, task: Option<&Task>, groups: &[Meant<Targets>], report: &mut Report<'_>) {
    let Some(rounds) = rounds(inputs, inputs.deployment_minimum_healthy_percent, inputs.deployment_maximum_percent) else { return };
    let groups = || groups.iter().filter_map(Meant::only);
    let containers = || task.and_then(|it| it.containers.as_ref()).into_iter().flatten();
    let checked = |it: &Targets| Some(it.interval? * it.healthy_threshold?);
    let by_balancer = groups().filter_map(|it| Some((checked(it)?, it))).max_by_key(|it| it.0);
    let by_container = containers().filter(|it| it.essential).filter_map(|it| Some(it.health?.0)).max();
    let unchecked = if inputs.load_balancers.is_empty() { START } else { 0 };
    let drained = groups().filter_map(|it| Some((it.deregistration_delay?, it))).max_by_key(|it| it.0);
    let stopped = containers().map(|it| (it.stop_timeout.unwrap_or(STOP_TIMEOUT), it)).max_by_key(|it| it.0);
    let pace = Pace {
        rounds,
        healthy: by_balancer.map(|it| it.0).max(by_container).unwrap_or(unchecked),
        drain: drained.map_or(0, |it| it.0),
        stop: stopped.map_or(STOP_TIMEOUT, |it| it.0),
    };

    let mut ways = Vec::new();
    if let Some((delay, group)) = drained {
        let way = format!("deregistrationDelay 30 instead of {delay} in target group {}", group.name);
        ways.push((way, Pace { drain: delay.min(30), ..pace }));
    }
    if let Some((_, group)) = by_balancer {
        let (interval, threshold) = (group.interval.unwrap_or_default(), group.healthy_threshold.unwrap_or_default());
        let way = format!(
            "healthCheck.interval 10 instead of {interval} and healthyThreshold 2 instead of {threshold} in target group {}",
            group.name
        );
        ways.push((way, Pace { healthy: by_container.unwrap_or(0).max(20).min(pace.healthy), ..pace }));
    }
    if let Some((timeout, container)) = stopped {
        let way = format!("stopTimeout {STOP_TIMEOUT} instead of {timeout} in container {}", container.shown);
        ways.push((way, Pace { stop: timeout.min(STOP_TIMEOUT), ..pace }));
    }
    if let Some(rounds) = self::rounds(inputs, inputs.deployment_minimum_healthy_percent, 200) {
        let way = format!("deploymentMaximumPercent 200 instead of {}", inputs.deployment_maximum_percent);
        ways.push((way, Pace { rounds: rounds.min(pace.rounds), ..pace }));
    }
    let best = ways.into_iter().min_by_key(|it| it.1.total()).filter(|it| it.1.total() < pace.total());

    let Pace { rounds, healthy, drain, stop } = pace;
    let each = if rounds == 1 { String::new() } else { format!("{rounds} rounds, each of ") };
    let sums = format!("{each}{START} s to start, {healthy} s to become healthy, {} s until the old tasks have ended", drain + stop);
    let way = best.map(|(way, it)| format!("; with {way}, it is about {}", minutes(it.total()))).unwrap_or_default();
    let patience = if pace.total() > PATIENCE {
        format!("; `pulumi up` gives up after {}, unless customTimeouts says otherwise", minutes(PATIENCE))
    } else {
        String::new()
    };
    report.warn(
        &["", "desiredCount", "deploymentMaximumPercent", "deploymentMinimumHealthyPercent", "waitForSteadyState"],
        !inputs.wait_for_steady_state || pace.total() <= LONG,
        format!("a deployment may take about {}: {sums}{way}{patience}", minutes(pace.total())),
    );
}

/// How often some tasks take the place of others, until all are new. None where there is no task, or no way.
fn rounds(inputs: &ServiceInputs, least: i32, most: i32) -> Option<i32> {
    // Whatever scaling makes of it, the part of it that goes at once is the same.
    let count = i64::from(inputs.desired_count.unwrap_or(100));
    let at_once = count * i64::from(most) / 100 - (count * i64::from(least) + 99) / 100;
    if count == 0 || at_once <= 0 {
        return None;
    }
    i32::try_from((count + at_once - 1) / at_once).ok()
}

fn minutes(seconds: i32) -> String {
    format!("{} min", (seconds + 30) / 60)
}
