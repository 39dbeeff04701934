//! What a service will run into, and how long its deployments will take, as far as the program tells before anything is made.

use super::{ServiceInputs, ServiceLoadBalancer};
use crate::{
    aws::ecs::{are_all_on_fargate, deployment::PATIENCE},
    check::Report,
    facts::{ClusterFacts, Container, RoleFacts, TargetGroupFacts, TaskDefinitionFacts},
    plan::Candidates,
};

/// How long a task takes to start, its image pulled, in seconds; a task that nobody checks is kept as long before it counts.
const START: i32 = 40;
/// How long a container has to end unless it says otherwise, in seconds.
const STOP_TIMEOUT: i32 = 30;
/// What is long for a deployment, in seconds.
const LONG: i32 = 600;

/// Compares a service with its task definition and its target groups.
pub(super) fn check(inputs: &ServiceInputs, report: &mut Report<'_>) {
    let task = report.resolve::<TaskDefinitionFacts>("taskDefinition", Some(&inputs.task_definition));
    let mut groups = Vec::new();
    for (index, balancer) in inputs.load_balancers.iter().enumerate() {
        let path = format!("loadBalancers[{index}]");
        let group = report.resolve(&format!("{path}.targetGroupArn"), Some(&balancer.target_group_arn));
        check_balancer(&path, balancer, inputs, (&task, &group), report);
        groups.push(group);
    }
    check_registry(inputs, &task, report);
    check_capacity(inputs, report);
    report.compare("enableExecuteCommand", &["enableExecuteCommand"], &task, |task| {
        let roleless = inputs.enable_execute_command && !task.has_task_role;
        let way = "a role with the actions of ssmmessages";
        roleless.then(|| format!("needs a taskRoleArn in task definition {}: {way}", task.family))
    });
    check_exec_role(inputs, task.only(), report);
    estimate(inputs, task.only(), &groups, report);
}

fn check_balancer(
    path: &str,
    balancer: &ServiceLoadBalancer,
    inputs: &ServiceInputs,
    (task, group): (&Candidates<TaskDefinitionFacts>, &Candidates<TargetGroupFacts>),
    report: &mut Report<'_>,
) {
    let (name, port) = (&balancer.container_name, balancer.container_port);
    let (container_name, container_port) = (format!("{path}.containerName"), format!("{path}.containerPort"));
    let over = [&*container_name, &*container_port];
    report.compare(&container_name, &over[..1], task, |task| container(task, name).err());
    // What does not fit is not meant, or has been told of.
    let task = task.which(|it| container(it, name).is_ok());
    report.compare(&container_port, &over, &task, |task| lacks_port(task, name, port));
    let both = task.which(|it| lacks_port(it, name, port).is_none()).with(group);
    report.compare(&container_port, &over, &both, |(task, group)| {
        let (ports, protocols) = (container(task, name).ok()??.ports.as_ref()?, group.protocols?);
        let spoken = ports.iter().any(|it| it.0 == port && protocols.contains(&it.1));
        let (family, name, protocols) = (&task.family, &group.name, protocols.join(" or "));
        (!spoken).then(|| {
            format!(
                "is {port}, to which target group {name} speaks {protocols}, but task definition {family} maps it for another \
                 protocol"
            )
        })
    });
    // A container may listen on a port that it does not map.
    report.warn_if_mismatched(path, &[], &both, |(task, group)| {
        let port = group.check_port?;
        let may = |it: &Container| it.ports.as_ref().is_none_or(|all| all.iter().any(|it| it.0 == port));
        (!task.containers.as_ref()?.iter().any(may)).then(|| {
            format!(
                "is checked on port {port} (healthCheck.port of target group {}), which no container of task definition {} maps: \
                 if none listens there all the same, no task gets healthy; set it to traffic-port",
                group.name, task.family
            )
        })
    });
    let grace = inputs.health_check_grace_period_seconds;
    report.warn_if_mismatched(
        "healthCheckGracePeriodSeconds",
        &["healthCheckGracePeriodSeconds", &container_name],
        &both,
        |(task, group)| {
            let container = container(task, name).ok()??;
            let (_, start_period) = container.health?;
            let stopped = grace.max(group.interval? * group.unhealthy_threshold?);
            (stopped < start_period).then(|| {
                format!(
                    "is {grace}, so that a task which target group {} finds unhealthy is stopped after {stopped} seconds, though \
                 container {} may take {start_period} to start (healthCheck.startPeriod); raise it to {start_period}",
                    group.name, container.shown
                )
            })
        },
    );
}

fn check_registry(inputs: &ServiceInputs, task: &Candidates<TaskDefinitionFacts>, report: &mut Report<'_>) {
    let Some(registry) = &inputs.service_registries else { return };
    let Some(name) = &registry.container_name else { return };
    let over = ["serviceRegistries.containerName", "serviceRegistries.containerPort"];
    report.compare(over[0], &over[..1], task, |task| container(task, name).err());
    let Some(port) = registry.container_port else { return };
    let task = task.which(|it| container(it, name).is_ok());
    report.compare(over[1], &over, &task, |task| lacks_port(task, name, port));
}

/// Warns of a role with which no command can be run in the containers; another package may still give it the policy.
fn check_exec_role(inputs: &ServiceInputs, task: Option<&TaskDefinitionFacts>, report: &mut Report<'_>) {
    // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions
    const ACTIONS: [&str; 4] = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"];
    let Some(link) = task.and_then(|it| it.task_role.as_ref()).filter(|_| inputs.enable_execute_command) else { return };
    let roles = report.follow::<RoleFacts>(link);
    report.warn_if_mismatched("enableExecuteCommand", &["enableExecuteCommand"], &roles, |role| {
        let lacking: Vec<_> = ACTIONS.iter().filter(|it| role.lacks(&format!("ssmmessages:{it}"))).collect();
        let lacking = lacking.first().map(|it| format!("ssmmessages:{it}"))?;
        Some(format!(
            "is true, but role {}, which the containers act as, is not allowed {lacking}, so that no command can be run in them; \
             allow ssmmessages:{} in inlinePolicies of the role",
            role.name,
            ACTIONS.join(", ssmmessages:")
        ))
    });
}

/// Compares the capacity providers with those of the cluster. The launch type needs none.
fn check_capacity(inputs: &ServiceInputs, report: &mut Report<'_>) {
    if are_all_on_fargate(&inputs.capacity_provider_strategies) {
        return;
    }
    let cluster = report.resolve::<ClusterFacts>("cluster", Some(&inputs.cluster));
    for (index, strategy) in inputs.capacity_provider_strategies.iter().enumerate() {
        let (path, name) = (format!("capacityProviderStrategies[{index}].capacityProvider"), &strategy.capacity_provider);
        report.compare(&path, &[&path], &cluster, |cluster| {
            let providers = cluster.capacity_providers.as_ref().filter(|it| !it.contains(name))?;
            let has = if providers.is_empty() { "it has none".to_owned() } else { format!("it has {}", providers.join(", ")) };
            Some(format!("is {name:?}, which is not in capacityProviders of cluster {}; {has}", cluster.name))
        });
    }
}

/// The container of that name, if it is known which that is; or why there is none.
fn container<'a>(task: &'a TaskDefinitionFacts, name: &str) -> Result<Option<&'a Container>, String> {
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

/// Why the container does not have the port, if so; that there is no such container is told elsewhere.
fn lacks_port(task: &TaskDefinitionFacts, name: &str, port: i32) -> Option<String> {
    let container = container(task, name).ok()??;
    let ports: Vec<_> = container.ports.as_ref()?.iter().map(|it| it.0.to_string()).collect();
    let has = if ports.is_empty() { "it has none".to_owned() } else { format!("it has {}", ports.join(", ")) };
    let (family, name) = (&task.family, &container.shown);
    (!ports.contains(&port.to_string()))
        .then(|| format!("is {port}, which is not in portMappings of container {name} of task definition {family}; {has}"))
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
fn estimate(
    inputs: &ServiceInputs,
    task: Option<&TaskDefinitionFacts>,
    groups: &[Candidates<TargetGroupFacts>],
    report: &mut Report<'_>,
) {
    let Some(rounds) = rounds(inputs, inputs.deployment_minimum_healthy_percent, inputs.deployment_maximum_percent) else {
        return;
    };
    let groups = || groups.iter().filter_map(Candidates::only);
    let containers = || task.and_then(|it| it.containers.as_ref()).into_iter().flatten();
    let checked = |it: &TargetGroupFacts| Some(it.interval? * it.healthy_threshold?);
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
    let sums =
        format!("{each}{START} s to start, {healthy} s to become healthy, {} s until the old ones have ended", drain + stop);
    let way = best.map(|(way, it)| format!("; with {way}, about {}", minutes(it.total()))).unwrap_or_default();
    let patience = i32::try_from(PATIENCE.limit.as_secs()).unwrap_or(i32::MAX);
    let patience = if pace.total() > patience {
        format!(", and `pulumi up` gives up after {} unless customTimeouts says otherwise", minutes(patience))
    } else {
        String::new()
    };
    report.warn(
        &["", "desiredCount", "deploymentMaximumPercent", "deploymentMinimumHealthyPercent", "waitForSteadyState"],
        !inputs.wait_for_steady_state || pace.total() <= LONG,
        format!("a deployment that replaces all tasks may take about {}{patience}{way} ({sums})", minutes(pace.total())),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        plan::Plan,
        resource::findings,
        resources::{role::Role, service::Service, target_group::TargetGroup, task_definition::TaskDefinition},
        value::{Map, Value},
    };

    const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:3";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";

    /// A program in which container `app` listens on port 8000, behind a target group, but for what is said otherwise.
    struct Program {
        plan: Plan,
        container: Json,
        group: Json,
        service: Json,
    }

    fn program() -> Program {
        Program {
            plan: Plan::default(),
            container: json!({ "name": "app", "image": "nginx", "portMappings": [{ "containerPort": 8000 }] }),
            group: json!({ "name": "web", "vpcId": "vpc-1" }),
            service: json!({ "networkConfiguration": { "subnets": ["subnet-1"] } }),
        }
    }

    impl Program {
        fn container(mut self, more: Json) -> Self {
            extend(&mut self.container, more);
            self
        }

        fn group(mut self, more: Json) -> Self {
            extend(&mut self.group, more);
            self
        }

        fn service(mut self, more: Json) -> Self {
            extend(&mut self.service, more);
            self
        }

        /// What Check tells of the service: first while nothing is made, and then when all is known.
        fn told(self) -> [(Vec<String>, Vec<String>); 2] {
            let task = json!({ "family": "web", "containerDefinitions": [self.container] });
            assert_eq!(findings::<TaskDefinition>(&self.plan, task.into()).0, Vec::<String>::new());
            assert_eq!(findings::<TargetGroup>(&self.plan, self.group.into()).0, Vec::<String>::new());
            let service = |task: Value, group: Value| {
                let Value::Object(mut service) = self.service.clone().into() else { panic!("a map") };
                let number = |it: f64| Value::Number(it);
                let balancer: Map = [
                    ("containerName".to_owned(), Value::String("app".to_owned())),
                    ("containerPort".to_owned(), number(8000.0)),
                    ("targetGroupArn".to_owned(), group),
                ]
                .into();
                service.insert("taskDefinition".to_owned(), task);
                service.entry("loadBalancers".to_owned()).or_insert(Value::List(vec![Value::Object(balancer)]));
                findings::<Service>(&self.plan, Value::Object(service))
            };
            let first = service(Value::Unknown, Value::Unknown);
            for (name, arn) in [("TaskDefinition", TASK), ("TargetGroup", GROUP)] {
                self.plan.record(name, None, &[Value::String(arn.to_owned())]);
            }
            [first, service(Value::String(TASK.to_owned()), Value::String(GROUP.to_owned()))]
        }

        /// The one mistake, which is an error on the first run too.
        #[track_caller]
        fn mistaken(self, path: &str, reason: &str) {
            let [(first, _), (then, warnings)] = self.told();
            assert_eq!(first.len(), 1, "{first:?}");
            assert!(first[0].starts_with(&format!("{path} {reason}; if it refers to")), "{}", first[0]);
            assert_eq!((then, warnings), (vec![format!("{path} {reason}")], vec![]));
        }

        /// What is only a warning, whatever is known.
        #[track_caller]
        fn warned(self, warning: &str) {
            let warned = (vec![], vec![warning.to_owned()]);
            assert_eq!(self.told(), [warned.clone(), warned]);
        }

        #[track_caller]
        fn fine(self) {
            assert_eq!(self.told(), [(vec![], vec![]), (vec![], vec![])]);
        }
    }

    fn extend(json: &mut Json, more: Json) {
        let (Some(map), Json::Object(more)) = (json.as_object_mut(), more) else { panic!("maps") };
        map.extend(more);
    }

    #[test]
    fn a_balancer_names_a_container_and_its_port() {
        program().fine();
        let reason = "is \"app\", which no container of task definition web is called; there are api";
        program().container(json!({ "name": "api" })).mistaken("loadBalancers[0].containerName", reason);
        let reason = "is 8000, which is not in portMappings of container app of task definition web; it has 80, 443";
        let ports = json!([{ "containerPort": 80 }, { "containerPort": 443 }]);
        program().container(json!({ "portMappings": ports })).mistaken("loadBalancers[0].containerPort", reason);
        let reason = "is 8000, which is not in portMappings of container app of task definition web; it has none";
        program().container(json!({ "portMappings": [] })).mistaken("loadBalancers[0].containerPort", reason);
    }

    #[test]
    fn what_another_task_definition_fits_is_not_doubted() {
        let another = |container: Json| {
            let it = program().container(json!({ "portMappings": [{ "containerPort": 80 }] }));
            let task = json!({ "family": "other", "containerDefinitions": [container] });
            let checked = findings::<TaskDefinition>(&it.plan, task.into());
            assert_eq!(checked.0, Vec::<String>::new());
            // The tests call all task definitions the same.
            let part = it.plan.resolve::<TaskDefinitionFacts>(None).those.remove(0);
            it.plan.declare("another", crate::plan::Facts::new(part));
            it.told()[0].0.clone()
        };
        let fits = json!({ "name": "app", "image": "nginx", "portMappings": [{ "containerPort": 8000 }] });
        assert_eq!(another(fits), Vec::<String>::new());
        let reason =
            "loadBalancers[0].containerPort is 8000, which is not in portMappings of container app of task definition web";
        let mistakes = another(json!({ "name": "worker", "image": "nginx" }));
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(reason), "{mistakes:?}");
    }

    #[test]
    fn the_port_is_of_a_protocol_that_the_target_group_speaks() {
        let reason = "is 8000, to which target group web speaks udp, but task definition web maps it for another protocol";
        program().group(json!({ "protocol": "UDP" })).mistaken("loadBalancers[0].containerPort", reason);
        let udp = json!([{ "containerPort": 8000, "protocol": "udp" }]);
        program().group(json!({ "protocol": "UDP" })).container(json!({ "portMappings": udp })).fine();
    }

    #[test]
    fn health_is_asked_where_something_answers() {
        program().group(json!({ "healthCheck": { "port": "8000" } })).fine();
        program().group(json!({ "healthCheck": { "port": "8001" } })).warned(
            "loadBalancers[0] is checked on port 8001 (healthCheck.port of target group web), which no container of task definition \
             web maps: if none listens there all the same, no task gets healthy; set it to traffic-port",
        );
    }

    #[test]
    fn a_task_that_starts_is_left_in_peace() {
        let slow = |period: i32| json!({ "healthCheck": { "command": ["CMD", "ask"], "startPeriod": period } });
        program().container(slow(60)).fine();
        program().container(slow(90)).service(json!({ "healthCheckGracePeriodSeconds": 90 })).fine();
        program().container(slow(90)).group(json!({ "healthCheck": { "interval": 30 } })).fine();
        program().container(slow(90)).warned(
            "healthCheckGracePeriodSeconds is 60, so that a task which target group web finds unhealthy is stopped after 60 seconds, \
             though container app may take 90 to start (healthCheck.startPeriod); raise it to 90",
        );
    }

    #[test]
    fn commands_can_be_run_by_a_role() {
        let reason = "needs a taskRoleArn in task definition web: a role with the actions of ssmmessages";
        program().service(json!({ "enableExecuteCommand": true })).mistaken("enableExecuteCommand", reason);
    }

    #[test]
    fn capacity_comes_from_the_cluster() {
        let told = |strategies: Json, cluster: Value| {
            let plan = Plan::default();
            let facts = ClusterFacts { name: "main".to_owned(), capacity_providers: Some(vec!["FARGATE".to_owned()]) };
            plan.declare("cluster", crate::plan::Facts::new(facts).named(Some("main".to_owned())));
            let service = json!({
                "taskDefinition": "web:1", "networkConfiguration": { "subnets": ["subnet-1"] },
                "capacityProviderStrategies": strategies,
            });
            let Value::Object(mut service) = service.into() else { panic!("a map") };
            service.insert("cluster".to_owned(), cluster);
            findings::<Service>(&plan, Value::Object(service)).0
        };
        let spot = || json!([{ "capacityProvider": "FARGATE_SPOT" }]);
        let path = "capacityProviderStrategies[0].capacityProvider";
        let reason = format!("{path} is \"FARGATE_SPOT\", which is not in capacityProviders of cluster main; it has FARGATE");
        assert_eq!(told(spot(), Value::String("main".to_owned())), [&*reason]);
        let first = told(spot(), Value::Unknown);
        assert!(first.len() == 1 && first[0].starts_with(&reason), "{first:?}");
        assert_eq!(told(spot(), Value::String("another".to_owned())), Vec::<String>::new());
        assert_eq!(
            told(json!([{ "capacityProvider": "FARGATE", "base": 1, "weight": 1 }]), Value::Unknown),
            Vec::<String>::new()
        );
        let reason = format!("{path} is \"FARGATE-SPOT\", which is not a capacity provider of AWS; did you mean FARGATE_SPOT?");
        for cluster in ["another", "main"] {
            assert_eq!(
                told(json!([{ "capacityProvider": "FARGATE-SPOT" }]), Value::String(cluster.to_owned())),
                [&*reason],
                "{cluster}"
            );
        }
    }

    #[test]
    fn commands_are_run_by_a_role_with_the_rights() {
        let told = |role: Json| {
            let plan = Plan::default();
            let trust = json!({ "Statement": [{ "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole" }] });
            let mut inputs = json!({ "name": "app", "assumeRolePolicy": trust });
            extend(&mut inputs, role);
            assert_eq!(findings::<Role>(&plan, inputs.into()).0, Vec::<String>::new());
            let known = |json: Json, unknown: &str| {
                let Value::Object(mut map) = json.into() else { panic!("a map") };
                map.insert(unknown.to_owned(), Value::Unknown);
                Value::Object(map)
            };
            let task = json!({ "family": "web", "containerDefinitions": [{ "name": "app", "image": "nginx" }] });
            findings::<TaskDefinition>(&plan, known(task, "taskRoleArn"));
            let service = json!({ "networkConfiguration": { "subnets": ["subnet-1"] }, "enableExecuteCommand": true });
            findings::<Service>(&plan, known(service, "taskDefinition")).1
        };
        let warnings = told(json!({}));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let reason = "enableExecuteCommand is true, but role app, which the containers act as, is not allowed ssmmessages:Create";
        assert!(warnings[0].starts_with(reason), "{}", warnings[0]);
        let allowed = json!({ "Statement": [{ "Effect": "Allow", "Action": "ssmmessages:*", "Resource": "*" }] });
        assert_eq!(told(json!({ "inlinePolicies": { "exec": allowed } })), Vec::<String>::new());
    }

    #[test]
    fn a_registry_names_a_container_and_its_port() {
        let registry = |name: &str, port: i32| {
            let registry = json!({ "registryArn": "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1", "containerName": name, "containerPort": port });
            program().service(json!({ "serviceRegistries": registry }))
        };
        registry("app", 8000).fine();
        let reason = "is \"api\", which no container of task definition web is called; there are app";
        registry("api", 8000).mistaken("serviceRegistries.containerName", reason);
        let reason = "is 80, which is not in portMappings of container app of task definition web; it has 8000";
        registry("app", 80).mistaken("serviceRegistries.containerPort", reason);
    }

    #[test]
    fn what_takes_long_is_told_with_what_makes_it_so() {
        program().group(json!({ "deregistrationDelay": 300 })).fine();
        program().group(json!({ "deregistrationDelay": 900 })).service(json!({ "waitForSteadyState": false })).fine();
        program().group(json!({ "deregistrationDelay": 900 })).warned(
            "a deployment that replaces all tasks may take about 17 min; with deregistrationDelay 30 instead of 900 in target group \
             web, about 2 min (40 s to start, 20 s to become healthy, 930 s until the old ones have ended)",
        );
        let slow = json!({ "healthCheck": { "interval": 300, "healthyThreshold": 5 } });
        program().group(slow).warned(
            "a deployment that replaces all tasks may take about 27 min, and `pulumi up` gives up after 20 min unless \
             customTimeouts says otherwise; with healthCheck.interval 10 instead of 300 and healthyThreshold 2 instead of 5 in \
             target group web, about 2 min (40 s to start, 1500 s to become healthy, 60 s until the old ones have ended)",
        );
        program().service(json!({ "desiredCount": 10, "deploymentMaximumPercent": 150 })).fine();
        let rounds = "a deployment that replaces all tasks may take about 20 min; with deploymentMaximumPercent 200 instead of 110, \
                      about 2 min (10 rounds, each of 40 s to start, 20 s to become healthy, 60 s until the old ones have ended)";
        program().service(json!({ "desiredCount": 10, "deploymentMaximumPercent": 110 })).warned(rounds);
        // However many there are.
        program().service(json!({ "deploymentMaximumPercent": 110 })).warned(rounds);
        let tight = || program().service(json!({ "desiredCount": 4, "deploymentMaximumPercent": 125 }));
        tight().fine();
        let stop = "a deployment that replaces all tasks may take about 14 min; with deploymentMaximumPercent 200 instead of 125, \
                    about 4 min (4 rounds, each of 40 s to start, 20 s to become healthy, 150 s until the old ones have ended)";
        tight().container(json!({ "stopTimeout": 120 })).warned(stop);
    }

    /// Who waits for the next message of a queue, and for nobody's requests.
    #[test]
    fn workers_have_no_balancer_to_wait_for() {
        let worker = || program().service(json!({ "loadBalancers": [], "desiredCount": 10, "deploymentMaximumPercent": 120 }));
        worker().fine();
        worker().container(json!({ "stopTimeout": 120 })).warned(
            "a deployment that replaces all tasks may take about 17 min; with deploymentMaximumPercent 200 instead of 120, about 3 \
             min (5 rounds, each of 40 s to start, 40 s to become healthy, 120 s until the old ones have ended)",
        );
    }
}
