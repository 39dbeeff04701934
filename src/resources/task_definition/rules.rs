//! The rules over a task definition, and what services have to know of it.

use std::collections::{BTreeSet, HashMap};

use regex_lite::Regex;

use super::{
    TaskDefinitionContainerCondition, TaskDefinitionContainerDefinition, TaskDefinitionCpuArchitecture, TaskDefinitionEnabled,
    TaskDefinitionInputs, TaskDefinitionLogDriver, TaskDefinitionOperatingSystemFamily, TaskDefinitionPidMode,
    TaskDefinitionPortMapping, TaskDefinitionTransportProtocol, TaskDefinitionVolume,
};
use crate::{
    check::{Report, nearest},
    codec::name_of,
    facts::{Container, RoleFacts, TaskDefinitionFacts},
};

/// All rules over a task definition.
pub(super) fn check(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    check_size(inputs, report);
    report.rule(
        &["networkMode"],
        inputs.network_mode == "awsvpc",
        format!("is {}, which Fargate does not have; leave it out, or say awsvpc", inputs.network_mode),
    );
    let required = &inputs.requires_compatibilities;
    report.rule(
        &["requiresCompatibilities"],
        required.is_empty() || required.iter().any(|it| it == "FARGATE"),
        format!(
            "is {}, without FARGATE, so AWS does not check it for Fargate; add FARGATE, or leave it out",
            required.join(", ")
        ),
    );
    let pid_mode = inputs.pid_mode.unwrap_or(TaskDefinitionPidMode::Task);
    report.rule(
        &["pidMode"],
        pid_mode == TaskDefinitionPidMode::Task,
        format!("is {}, which Fargate does not support; use task, or remove it", name_of(pid_mode)),
    );
    report.rule(
        &["pidMode", "runtimePlatform.operatingSystemFamily"],
        inputs.pid_mode.is_none()
            || inputs.runtime_platform.operating_system_family == TaskDefinitionOperatingSystemFamily::Linux,
        "is not supported for Windows; remove it",
    );
    report.rule(
        &["runtimePlatform.cpuArchitecture", "runtimePlatform.operatingSystemFamily"],
        inputs.runtime_platform.cpu_architecture == TaskDefinitionCpuArchitecture::X86
            || inputs.runtime_platform.operating_system_family == TaskDefinitionOperatingSystemFamily::Linux,
        "is ARM64, which Windows does not run on; use X86_64, or LINUX",
    );
    report.rule(
        &["cpu", "runtimePlatform.operatingSystemFamily"],
        inputs.runtime_platform.operating_system_family == TaskDefinitionOperatingSystemFamily::Linux
            || ["1024", "2048", "4096"].contains(&inputs.cpu.as_str()),
        format!("is {}, which Fargate does not have for Windows; there it has 1024, 2048 and 4096", inputs.cpu),
    );
    report_doubles("containerDefinitions", "name", inputs.container_definitions.iter().map(|it| &it.name), report);
    report_doubles("volumes", "name", inputs.volumes.iter().map(|it| &it.name), report);
    for (index, volume) in inputs.volumes.iter().enumerate() {
        check_volume(&format!("volumes[{index}]"), volume, inputs, report);
    }
    check_roles(inputs, report);
    check_ports(inputs, report);
    check_order(inputs, report);
    check_log_router(inputs, report);
    let essential = paths(inputs, "essential");
    report.rule(
        &essential.iter().map(String::as_str).collect::<Vec<_>>(),
        essential.is_empty() || inputs.container_definitions.iter().any(|it| it.essential),
        "is false, as it is of all containers; leave it out of the one the task is for",
    );
    for (index, container) in inputs.container_definitions.iter().enumerate() {
        let path = format!("containerDefinitions[{index}]");
        check_container(&path, container, report);
        check_image(&format!("{path}.image"), &container.image, report);
        check_health(&path, container, inputs, report);
        check_logs(&path, container, inputs, report);
        check_references(&path, container, inputs, report);
        check_sources(&path, container, report);
        check_execution_role(&path, container, inputs, report);
        check_rights(container, inputs, report);
    }
}

/// What services have to know of a task definition.
pub(super) fn facts(inputs: &TaskDefinitionInputs, report: &Report<'_>) -> TaskDefinitionFacts {
    let containers = inputs.container_definitions.iter().enumerate();
    let containers = containers.map(|(index, it)| part_of(&format!("containerDefinitions[{index}]"), it, report)).collect();
    TaskDefinitionFacts {
        family: report.shown(&inputs.family),
        containers: report.sees("containerDefinitions").then_some(containers),
        region: report.written("region"),
        has_task_role: inputs.task_role_arn.is_some() || !report.knows("taskRoleArn"),
        task_role: inputs.task_role_arn.as_deref().map(|it| report.link("taskRoleArn", it)),
    }
}

fn check_size(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let (Ok(cpu), Ok(memory)) = (inputs.cpu.parse::<i32>(), inputs.memory.parse::<i32>()) else { return };
    let fits = memory_with(cpu);
    report.rule(&["cpu"], !fits.is_empty(), format!("is {cpu}, which Fargate does not have; it has {}", listed(&CPU)));
    let others: Vec<_> = CPU.into_iter().filter(|it| memory_with(*it).contains(&memory)).collect();
    let other_cpu = if others.is_empty() { String::new() } else { format!("; {memory} goes with cpu {}", listed(&others)) };
    report.rule(
        &["memory", "cpu"],
        fits.is_empty() || fits.contains(&memory),
        format!("is {memory}, which does not go with cpu {cpu}: that goes with {}{other_cpu}", listed(&fits)),
    );
    let containers = &inputs.container_definitions;
    let units: i32 = containers.iter().map(|it| it.cpu).sum();
    let reason = format!("is {cpu}, less than the {units} that its containers reserve");
    report.rule(&with("cpu", &paths(inputs, "cpu")), units <= cpu, reason);
    let mebibytes: i32 = containers.iter().filter_map(|it| it.memory_reservation.or(it.memory)).sum();
    let reason = format!("is {memory}, less than the {mebibytes} that its containers reserve");
    let of_containers = [paths(inputs, "memory"), paths(inputs, "memoryReservation")].concat();
    report.rule(&with("memory", &of_containers), mebibytes <= memory, reason);
    for (path, container) in paths(inputs, "memory").iter().zip(containers) {
        let most = container.memory.unwrap_or_default();
        report.rule(&[path, "memory"], most <= memory, format!("is {most}, more than the task has, which is {memory}"));
    }
}

/// The CPU units that Fargate has.
const CPU: [i32; 8] = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768];

/// The amounts of memory, in MiB, that go with so many CPU units.
fn memory_with(cpu: i32) -> Vec<i32> {
    match cpu {
        256 => vec![512, 1024, 2048],
        512 => (1024..=4096).step_by(1024).collect(),
        1024 => (2048..=8192).step_by(1024).collect(),
        2048 => (4096..=16384).step_by(1024).collect(),
        4096 => (8192..=30720).step_by(1024).collect(),
        8192 => (16384..=61440).step_by(4096).collect(),
        16384 => (32768..=122_880).step_by(8192).collect(),
        32768 => vec![61440, 122_880, 249_856],
        _ => Vec::new(),
    }
}

fn listed(numbers: &[i32]) -> String {
    match numbers {
        [first, second, .., last] if numbers.len() > 8 => format!("{first} to {last} in steps of {}", second - first),
        _ => numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// The paths of one property of every container.
fn paths(inputs: &TaskDefinitionInputs, property: &str) -> Vec<String> {
    (0..inputs.container_definitions.len()).map(|index| format!("containerDefinitions[{index}].{property}")).collect()
}

/// `first`, and what else a rule looks at.
fn with<'a>(first: &'a str, rest: &'a [String]) -> Vec<&'a str> {
    std::iter::once(first).chain(rest.iter().map(String::as_str)).collect()
}

/// Reports items of the list at `path` that have the `property` of an earlier one.
fn report_doubles<'a>(path: &str, property: &str, names: impl Iterator<Item = &'a String>, report: &mut Report<'_>) {
    let names: Vec<_> = names.collect();
    for (index, name) in names.iter().enumerate() {
        let earlier = names[..index].iter().position(|it| it == name);
        report.rule(
            &[&format!("{path}[{index}].{property}")],
            earlier.is_none(),
            format!("is {name:?}, which {path}[{}] is already", earlier.unwrap_or_default()),
        );
    }
}

fn check_volume(path: &str, volume: &TaskDefinitionVolume, inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let Some(efs) = &volume.efs_volume_configuration else { return };
    let at = |name: &str| format!("{path}.efsVolumeConfiguration.{name}");
    let Some(authorization) = &efs.authorization_config else { return };
    report.rule(
        &[
            &at("transitEncryption"),
            &at("authorizationConfig.iam"),
            // With IAM, it does not matter.
            &at(if authorization.iam == TaskDefinitionEnabled::Disabled {
                "authorizationConfig.accessPointId"
            } else {
                "rootDirectory?"
            }),
        ],
        efs.transit_encryption == TaskDefinitionEnabled::Enabled
            || authorization.access_point_id.is_none() && authorization.iam == TaskDefinitionEnabled::Disabled,
        "is DISABLED, but an access point and IAM authorization both need it; set it to ENABLED",
    );
    report.rule(
        &[&at("rootDirectory"), &at("authorizationConfig.accessPointId")],
        authorization.access_point_id.is_none() || efs.root_directory == "/",
        format!("is {:?}, but an access point has a root of its own; leave it out", efs.root_directory),
    );
    report.warn(
        &["taskRoleArn", &at("authorizationConfig.iam")],
        authorization.iam == TaskDefinitionEnabled::Disabled || inputs.task_role_arn.is_some(),
        format!("is missing, but volume {} is mounted with its rights (authorizationConfig.iam)", volume.name),
    );
}

/// The roles have to be for tasks: AWS takes any, and then no task starts.
fn check_roles(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    for (path, arn) in [("executionRoleArn", &inputs.execution_role_arn), ("taskRoleArn", &inputs.task_role_arn)] {
        let meant = report.resolve::<RoleFacts>(path, arn.as_deref());
        report.compare(path, &[], &meant, |role| {
            let way = "allow ecs-tasks.amazonaws.com to do sts:AssumeRole in its assumeRolePolicy";
            (!role.is_for_tasks).then(|| format!("is role {}, which tasks may not act as; {way}", role.name))
        });
    }
}

/// All containers of a task share one address.
fn check_ports(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let mut taken = HashMap::new();
    let mut named = HashMap::new();
    for (index, container) in inputs.container_definitions.iter().enumerate() {
        for (port_index, port) in container.port_mappings.iter().enumerate() {
            let path = format!("containerDefinitions[{index}].portMappings[{port_index}]");
            if !report.knows(&path) {
                continue;
            }
            let number = port.container_port;
            if let Some(owner) = taken.insert((number, name_of(port.protocol)), &container.name) {
                let reason =
                    format!("is {number}, on which {} listens already; containers of a task share one address", called(owner));
                report.rule(&[&format!("{path}.containerPort")], false, reason);
            }
            let Some(name) = &port.name else { continue };
            if let Some(other) = named.insert(name, path.clone()) {
                report.rule(&[&format!("{path}.name")], false, format!("is {name:?}, which {other} is called already"));
            }
        }
    }
}

/// Containers that wait for each other wait for ever.
fn check_order(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let containers = &inputs.container_definitions;
    let position = |name: &String| containers.iter().position(|it| it.name == *name);
    let waits_for = |index: usize| containers[index].depends_on.iter().filter_map(|it| position(&it.container_name));
    let over = [paths(inputs, "name"), paths(inputs, "dependsOn")].concat();
    for first in 0..containers.len() {
        // From each container back to itself, by those after it in the list: so that a circle is told once.
        let (mut ways, mut seen) = (vec![vec![first]], BTreeSet::from([first]));
        while let Some(way) = ways.pop() {
            let last = way[way.len() - 1];
            if way.len() > 1 && waits_for(last).any(|it| it == first) {
                let names: Vec<_> = way.iter().chain([&first]).map(|it| containers[*it].name.as_str()).collect();
                let reason = format!("goes round in a circle, so that none can start: {}", names.join(", which waits for "));
                report.rule(&with(&format!("containerDefinitions[{first}].dependsOn"), &over), false, reason);
                break;
            }
            let next = waits_for(last).filter(|it| *it > first && seen.insert(*it));
            ways.extend(next.map(|it| [way.clone(), vec![it]].concat()));
        }
    }
}

/// A task has one log router, for the logs of the other containers.
fn check_log_router(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let configurations = paths(inputs, "firelensConfiguration");
    let containers = inputs.container_definitions.iter().enumerate();
    let routers: Vec<_> = containers.filter(|(_, it)| it.firelens_configuration.is_some()).collect();
    for (index, _) in routers.iter().skip(1) {
        let reason = format!("makes a second log router, beside container {}; a task has one", routers[0].1.name);
        report.rule(&with(&configurations[*index], &configurations), false, reason);
    }
    for (index, router) in routers {
        let Some(firelens) = &router.firelens_configuration else { continue };
        let path = format!("{}.options", configurations[index]);
        let kind = firelens.options.get("config-file-type").map_or("file", String::as_str);
        report.rule(
            &[&format!("{path}.config-file-type")],
            kind == "file",
            format!("is {kind}, but on Fargate the router reads its configuration from a file of its image: say file"),
        );
    }
}

fn check_container(path: &str, container: &TaskDefinitionContainerDefinition, report: &mut Report<'_>) {
    let at = |name: &str| format!("{path}.{name}");
    if let (Some(memory), Some(reserved)) = (container.memory, container.memory_reservation) {
        report.rule(
            &[&at("memory"), &at("memoryReservation")],
            memory >= reserved,
            format!("is {memory}, less than memoryReservation, which is {reserved}"),
        );
    }
    for (index, port) in container.port_mappings.iter().enumerate() {
        let host = port.host_port.unwrap_or_default();
        report.rule(
            &[&at(&format!("portMappings[{index}].hostPort")), &at(&format!("portMappings[{index}].containerPort"))],
            host == 0 || host == port.container_port,
            format!("is {host}, but on Fargate it is containerPort, {}; leave it out", port.container_port),
        );
        let spoken = name_of(port.protocol).to_lowercase();
        report.rule(
            &[&at(&format!("portMappings[{index}].protocol"))],
            !["http", "https", "http2", "grpc"].contains(&spoken.as_str()),
            format!(
                "is {spoken}, but it is tcp or udp; leave it out: what is spoken over the port is appProtocol: {}",
                spoken.trim_end_matches('s')
            ),
        );
    }
    report_doubles(&at("environment"), "name", container.environment.iter().map(|it| &it.name), report);
    report_doubles(&at("secrets"), "name", container.secrets.iter().map(|it| &it.name), report);
    for (index, secret) in container.secrets.iter().enumerate() {
        report.rule(
            &[&at(&format!("secrets[{index}].name")), &at("environment[].name")],
            !container.environment.iter().any(|it| it.name == secret.name),
            format!("is {}, which environment sets too; a variable is in one of them", secret.name),
        );
    }
    if let Some(health) = &container.health_check {
        let first = health.command.first().map(String::as_str).unwrap_or_default();
        report.rule(
            &[&at("healthCheck.command")],
            ["CMD", "CMD-SHELL", "NONE"].contains(&first),
            "starts with neither CMD nor CMD-SHELL; for a line of shell, [\"CMD-SHELL\", \"…\"]",
        );
        report.rule(
            &[&at("healthCheck.command")],
            !first.starts_with("CMD") || health.command.len() > 1,
            format!("has nothing to run after {first}"),
        );
    }
    if let Some(linux) = &container.linux_parameters {
        report.rule(
            &[&at("linuxParameters.capabilities.add")],
            linux.capabilities.add.iter().all(|it| it == "SYS_PTRACE"),
            "has more than SYS_PTRACE, the only capability that Fargate adds",
        );
    }
    for (index, limit) in container.ulimits.iter().enumerate() {
        report.rule(
            &[&at(&format!("ulimits[{index}].softLimit")), &at(&format!("ulimits[{index}].hardLimit"))],
            // -1 is no limit.
            limit.hard_limit == -1 || (0..=limit.hard_limit).contains(&limit.soft_limit),
            format!("is {}, more than hardLimit, which is {}", limit.soft_limit, limit.hard_limit),
        );
    }
}

/// What neither AWS nor a registry takes for an image. The characters and lengths are those of `ContainerDefinition.image` in
/// AWS's model of ECS; that a repository has no capital letters says the reference grammar of distribution, which Docker and
/// containerd share.
fn check_image(path: &str, image: &str, report: &mut Report<'_>) {
    let scheme = ["https://", "http://"].into_iter().find(|it| image.starts_with(it)).unwrap_or_default();
    let rest = image.trim_start_matches(scheme);
    report.rule(&[path], scheme.is_empty(), format!("is {image:?}, but an image has no {scheme}; use {rest}"));
    let other = rest.chars().find(|it| !it.is_ascii_alphanumeric() && !"-_:./#@".contains(*it));
    report.rule(
        &[path],
        other.is_none(),
        format!(
            "is {image:?}, with {:?} in it; an image is made of letters, digits and any of -_:./#@, such as \
             public.ecr.aws/nginx/nginx:1.29",
            other.unwrap_or_default()
        ),
    );
    let (name, digest) = rest.split_once('@').unwrap_or((rest, ""));
    let long = name.chars().count();
    let counted = if digest.is_empty() { "" } else { " before its digest" };
    report.rule(&[path], long <= 255, format!("has {long} characters{counted}, more than 255"));
    let last = name.rfind('/').map_or(0, |it| it + 1);
    let untagged = name[last..].find(':').map_or(name, |it| &name[..last + it]);
    let is_host = |it: &str| it.contains(['.', ':']) || it == "localhost";
    let repository = untagged.split_once('/').filter(|(host, _)| is_host(host)).map_or(untagged, |(_, repository)| repository);
    let lowercase = rest.replacen(repository, &repository.to_lowercase(), 1);
    report.rule(
        &[path],
        other.is_some() || !repository.contains(|it: char| it.is_ascii_uppercase()),
        format!("is {image:?}, but the name of a repository has no capital letters; use {lowercase}"),
    );
}

/// What waits for a container to be healthy has to wait for its health check.
fn check_health(
    path: &str,
    container: &TaskDefinitionContainerDefinition,
    inputs: &TaskDefinitionInputs,
    report: &mut Report<'_>,
) {
    let Some(health) = &container.health_check else { return };
    let waits = |it: &TaskDefinitionContainerDefinition| {
        let healthy = TaskDefinitionContainerCondition::Healthy;
        it.depends_on.iter().any(|on| on.container_name == container.name && on.condition == healthy)
    };
    let Some(waiting) = inputs.container_definitions.iter().find(|it| waits(it)) else { return };
    let at = |name: &str| format!("{path}.{name}");
    let over = [&*at("startTimeout"), &*at("healthCheck"), &*at("name")];
    let most = container.start_timeout.unwrap_or(START_TIMEOUT);
    let (interval, period) = (health.interval, health.start_period);
    let (of, waiting) = (if container.start_timeout.is_some() { "" } else { " by default" }, &waiting.name);
    report.warn(
        &over,
        interval < most,
        format!(
            "is {most} seconds{of}, after which {waiting} gives up, but healthCheck looks at the container only after {interval}; \
             lower healthCheck.interval"
        ),
    );
    report.warn(
        &over,
        interval >= most || period <= most,
        format!(
            "is {most} seconds{of}, after which {waiting} gives up, but healthCheck.startPeriod lets the container take {period} to \
             become healthy; lower that"
        ),
    );
}

/// How long containers wait for one that they depend on, unless that says otherwise; in seconds.
const START_TIMEOUT: i32 = 180;

/// What awslogs requires, and why.
const AWSLOGS_REQUIRED: [(&str, &str); 3] = [
    ("awslogs-group", "the name of the log group"),
    ("awslogs-region", "the region of the log group"),
    ("awslogs-stream-prefix", "what names of log streams start with, such as the container's name"),
];

/// The other options of awslogs, and then those that Docker alone speaks of.
const AWSLOGS_OPTIONS: [&str; 12] = [
    "awslogs-create-group",
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "mode",
    "max-buffer-size",
    "awslogs-create-stream",
    "awslogs-credentials-endpoint",
    "awslogs-endpoint",
    "awslogs-force-flush-interval-seconds",
    "awslogs-format",
    "awslogs-max-buffered-events",
    "tag",
];

/// A container as texts call it: its name may be wrong, or not known yet.
fn called(name: &str) -> String {
    if name.is_empty() { "container without a name".to_owned() } else { format!("container {name}") }
}

fn check_logs(path: &str, container: &TaskDefinitionContainerDefinition, inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let Some(logs) = &container.log_configuration else {
        report.warn(
            &[&format!("{path}.logConfiguration"), &format!("{path}.firelensConfiguration"), &format!("{path}.essential")],
            !container.essential || container.firelens_configuration.is_some(),
            format!("is missing, so what {} writes is lost; to keep it, use logDriver awslogs", called(&container.name)),
        );
        return;
    };
    let at = |name: &str| format!("{path}.logConfiguration.{name}");
    let (driver, option) = (at("logDriver"), |name: &str| at(&format!("options.{name}")));
    let given = |name: &str| logs.options.contains_key(name) || logs.secret_options.iter().any(|it| it.name == name);
    match logs.log_driver {
        TaskDefinitionLogDriver::Awslogs => {
            for (name, why) in AWSLOGS_REQUIRED {
                let reason = format!("is required by awslogs: {why}");
                report.rule(&[&option(name), &at("secretOptions[].name"), &driver], given(name), reason);
            }
            let names: Vec<_> = AWSLOGS_REQUIRED.iter().map(|it| it.0).chain(AWSLOGS_OPTIONS).collect();
            for name in logs.options.keys() {
                let hint = match nearest(name, &names) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("expected one of {}", names[..8].join(", ")),
                };
                // Its value does not matter.
                report.rule(
                    &[&option(name), &driver],
                    names.contains(&name.as_str()),
                    format!("is not an option of awslogs; {hint}"),
                );
            }
            report.rule(
                &[&option("awslogs-multiline-pattern"), &driver],
                !given("awslogs-multiline-pattern") || !given("awslogs-datetime-format"),
                "is set beside awslogs-datetime-format; awslogs takes one of them",
            );
            let create = logs.options.get("awslogs-create-group").map_or("true", String::as_str);
            let reason = format!("is {create:?}, not true; to have a log group of your own, leave it out");
            let legal = ["true", "false"].iter().any(|it| it.eq_ignore_ascii_case(create));
            report.rule(&[&option("awslogs-create-group"), &driver], legal, reason);
        }
        TaskDefinitionLogDriver::Awsfirelens => {
            let router = inputs.container_definitions.iter().any(|it| it.firelens_configuration.is_some());
            report.rule(
                &with(&driver, &paths(inputs, "firelensConfiguration?")),
                router,
                "is awsfirelens, but no container is the log router; give one a firelensConfiguration",
            );
            report.rule(
                &[&driver, &format!("{path}.firelensConfiguration?")],
                !router || container.firelens_configuration.is_none(),
                "is awsfirelens, but this container is the log router itself; awslogs shows what it says",
            );
        }
        TaskDefinitionLogDriver::Splunk => {
            for (name, why) in [("splunk-url", "where Splunk is"), ("splunk-token", "its token, best in secretOptions")] {
                report.rule(
                    &[&option(name), &at("secretOptions[].name"), &driver],
                    given(name),
                    format!("is required by splunk: {why}"),
                );
            }
        }
        TaskDefinitionLogDriver::Other(name) => report.rule(
            &[&driver],
            !NOT_ON_FARGATE.contains(&name.as_str()),
            format!("is {}, which Fargate does not support; use awslogs, awsfirelens or splunk", name.as_str()),
        ),
    }
    if logs.log_driver == TaskDefinitionLogDriver::Awsfirelens {
        // Its options are those of the router's output.
        return;
    }
    let mode = logs.options.get("mode").map_or("non-blocking", String::as_str);
    report.rule(
        &[&option("mode")],
        ["blocking", "non-blocking"].contains(&mode),
        format!("is {mode:?}; it is blocking or non-blocking"),
    );
    let Some(size) = logs.options.get("max-buffer-size") else { return };
    report.rule(
        &[&option("max-buffer-size"), &option("mode")],
        mode != "blocking",
        "has no meaning with mode blocking, which keeps nothing back",
    );
    // The pattern is ours; a test reads sizes by it.
    let legal = Regex::new(SIZE).is_ok_and(|it| it.is_match(size));
    report.rule(&[&option("max-buffer-size")], legal, format!("is {size:?}, which is no size such as 25m"));
}

/// Log drivers that ECS has on its own instances alone.
const NOT_ON_FARGATE: [&str; 6] = ["json-file", "syslog", "journald", "gelf", "fluentd", "none"];

/// A size as Docker reads it.
const SIZE: &str = "^[0-9]+(\\.[0-9]+)? ?([kKmMgGtTpP]?([iI]?[bB])?)$";

/// What a container says of other containers and of volumes.
fn check_references(
    path: &str,
    container: &TaskDefinitionContainerDefinition,
    inputs: &TaskDefinitionInputs,
    report: &mut Report<'_>,
) {
    let containers: Vec<_> = inputs.container_definitions.iter().map(|it| it.name.as_str()).collect();
    let names = paths(inputs, "name");
    let unknown = |name: &str| format!("is {name:?}, which no other container is called; there are {}", containers.join(", "));
    for (index, dependency) in container.depends_on.iter().enumerate() {
        let name = &dependency.container_name;
        let on = inputs.container_definitions.iter().find(|it| it.name == *name && it.name != container.name);
        let at = format!("{path}.dependsOn[{index}].containerName");
        report.rule(&with(&at, &names), on.is_some(), unknown(name));
        let (Some(on), at) = (on, format!("{path}.dependsOn[{index}].condition")) else { continue };
        report.rule(
            &with(&at, &[&names[..], &paths(inputs, "healthCheck?")].concat()),
            dependency.condition != TaskDefinitionContainerCondition::Healthy || on.health_check.is_some(),
            format!("is HEALTHY, but {name} has no healthCheck"),
        );
        let ends = [TaskDefinitionContainerCondition::Complete, TaskDefinitionContainerCondition::Success];
        report.rule(
            &with(&at, &[&names[..], &paths(inputs, "essential")].concat()),
            !ends.contains(&dependency.condition) || !on.essential,
            format!("waits for {name} to end, but with an essential container the task ends; set its essential to false"),
        );
    }
    for (index, from) in container.volumes_from.iter().enumerate() {
        let at = format!("{path}.volumesFrom[{index}].sourceContainer");
        let found = containers.contains(&from.source_container.as_str()) && from.source_container != container.name;
        report.rule(&with(&at, &names), found, unknown(&from.source_container));
    }
    for (index, mount) in container.mount_points.iter().enumerate() {
        report.rule(
            &[&format!("{path}.mountPoints[{index}].sourceVolume"), "volumes[].name"],
            inputs.volumes.iter().any(|it| it.name == mount.source_volume),
            format!("is {:?}, which is not in volumes", mount.source_volume),
        );
    }
}

/// Fargate starts no task for which it would have to use a role that it does not get.
fn check_execution_role(
    path: &str,
    container: &TaskDefinitionContainerDefinition,
    inputs: &TaskDefinitionInputs,
    report: &mut Report<'_>,
) {
    let logs = container.log_configuration.as_ref();
    let needs = [
        ("image", is_in_ecr(&container.image), "to pull its image"),
        ("secrets", !container.secrets.is_empty(), "to read its secrets"),
        ("environmentFiles", !container.environment_files.is_empty(), "to read its environmentFiles"),
        ("repositoryCredentials", container.repository_credentials.is_some(), "to log in to its registry"),
        ("logConfiguration.logDriver", logs.is_some_and(|it| it.log_driver == TaskDefinitionLogDriver::Awslogs), "to write logs"),
        ("logConfiguration.secretOptions", logs.is_some_and(|it| !it.secret_options.is_empty()), "to read its secretOptions"),
    ];
    // One reason is enough.
    if let Some((property, _, why)) = needs.into_iter().find(|(_, needed, _)| *needed) {
        report.rule(
            &["executionRoleArn", &format!("{path}.{property}?")],
            inputs.execution_role_arn.is_some(),
            format!(
                "is required, for container {} needs it {why}; give a role that ecs-tasks.amazonaws.com may assume, with the \
                 policy service-role/AmazonECSTaskExecutionRolePolicy",
                container.name
            ),
        );
    }
}

/// Where a task reads from as it starts. What is not known yet is empty.
fn check_sources(path: &str, container: &TaskDefinitionContainerDefinition, report: &mut Report<'_>) {
    let secrets = container.secrets.iter().enumerate().map(|(index, it)| (format!("secrets[{index}]"), it));
    let options = container.log_configuration.iter().flat_map(|it| it.secret_options.iter().enumerate());
    let options = options.map(|(index, it)| (format!("logConfiguration.secretOptions[{index}]"), it));
    for (property, secret) in secrets.chain(options) {
        check_service(&format!("{path}.{property}.valueFrom"), &secret.value_from, &["secretsmanager", "ssm"], report);
    }
    if let Some(it) = &container.repository_credentials {
        let path = format!("{path}.repositoryCredentials.credentialsParameter");
        check_service(&path, &it.credentials_parameter, &["secretsmanager"], report);
    }
    for (index, file) in container.environment_files.iter().enumerate() {
        let (path, value) = (format!("{path}.environmentFiles[{index}].value"), &file.value);
        check_service(&path, value, &["s3"], report);
        let object = value.strip_prefix("s3://").unwrap_or_default();
        report.rule(
            &[&path],
            object.is_empty(),
            format!("is {value:?}, but an environment file is named by its ARN; use arn:aws:s3:::{object}"),
        );
        report.warn(
            &[&path],
            value.rsplit_once('.').is_some_and(|(_, extension)| extension == "env"),
            format!("is {value:?}, and AWS reads files of variables only if their names end in .env"),
        );
    }
}

/// An ARN has to be of one of these services.
fn check_service(path: &str, arn: &str, services: &[&str], report: &mut Report<'_>) {
    let service = service_of(arn).unwrap_or_default();
    report.rule(
        &[path],
        service.is_empty() || services.contains(&service),
        format!("is {arn:?}, an ARN of {service}; it has to be one of {}", services.join(" or ")),
    );
}

/// The service of an ARN, such as `ssm`; none if it is something else.
fn service_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(1)
}

fn is_in_ecr(image: &str) -> bool {
    [".dkr.ecr.", ".dkr-ecr."].iter().any(|it| image.contains(it))
}

/// What the execution role is needed for, it has to be allowed. Others may allow it, so that it is not certain.
fn check_rights(container: &TaskDefinitionContainerDefinition, inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let logs = container.log_configuration.as_ref();
    let log_option = |name: &str| logs.and_then(|it| it.options.get(name)).map(String::as_str);
    let secrets = || container.secrets.iter().chain(logs.iter().flat_map(|it| &it.secret_options));
    let any = |kind: fn(&str) -> bool| secrets().any(|it| kind(&it.value_from));
    let is_parameter = |it: &str| !it.is_empty() && service_of(it).is_none_or(|it| it == "ssm");
    let basic = [
        (is_in_ecr(&container.image), "ecr:BatchGetImage"),
        (logs.is_some_and(|it| it.log_driver == TaskDefinitionLogDriver::Awslogs), "logs:PutLogEvents"),
    ];
    let needs = [
        (any(|from| service_of(from) == Some("secretsmanager")), "secretsmanager:GetSecretValue", "to read its secrets"),
        // What is not known yet is empty.
        (any(str::is_empty), "secretsmanager:GetSecretValue or ssm:GetParameters", "to read its secrets"),
        (any(is_parameter), "ssm:GetParameters", "to read its secrets"),
        (!container.environment_files.is_empty(), "s3:GetObject", "to read its environmentFiles"),
        (container.repository_credentials.is_some(), "secretsmanager:GetSecretValue", "to log in to its registry"),
        (
            log_option("awslogs-create-group").is_some_and(|it| it.eq_ignore_ascii_case("true")),
            "logs:CreateLogGroup",
            "for awslogs-create-group",
        ),
    ];
    let meant = report.resolve::<RoleFacts>("executionRoleArn", inputs.execution_role_arn.as_deref());
    report.warn_if_mismatched("executionRoleArn", &[], &meant, |role| {
        let lacks = |actions: &str| actions.split(" or ").all(|it| role.lacks(it));
        if let Some((_, action, why)) = needs.iter().find(|(needed, action, _)| *needed && lacks(action)) {
            return Some(format!(
                "is role {}, which is not allowed {action}, but container {} needs that {why}; allow it in inlinePolicies of the \
                 role",
                role.name, container.name
            ));
        }
        let (_, action) = basic.iter().find(|(needed, action)| *needed && lacks(action))?;
        let has = if role.allowed.as_ref().is_some_and(Vec::is_empty) {
            "has no policies"
        } else {
            &format!("is not allowed {action}")
        };
        Some(format!(
            "is role {}, which {has}, so that container {} cannot start; add the ARN of \
             service-role/AmazonECSTaskExecutionRolePolicy to its managedPolicyArns",
            role.name, container.name
        ))
    });
}

/// What services have to know of a container.
fn part_of(path: &str, container: &TaskDefinitionContainerDefinition, report: &Report<'_>) -> Container {
    let at = |name: &str| format!("{path}.{name}");
    let protocol = |it: &TaskDefinitionPortMapping| match it.protocol {
        TaskDefinitionTransportProtocol::Tcp => "tcp",
        TaskDefinitionTransportProtocol::Udp => "udp",
        TaskDefinitionTransportProtocol::Other(it) => it.as_str(),
    };
    let health = container.health_check.as_ref().filter(|_| report.knows(&at("healthCheck")));
    Container {
        name: report.known(&at("name"), container.name.clone()),
        shown: report.shown(&container.name),
        essential: container.essential,
        ports: report
            .known(&at("portMappings"), container.port_mappings.iter().map(|it| (it.container_port, protocol(it))).collect()),
        health: health.map(|it| (it.interval, it.start_period)),
        stop_timeout: container.stop_timeout.filter(|_| report.knows(&at("stopTimeout"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::TaskDefinition, *};
    use crate::{
        plan::Plan,
        resource::{self, Resource},
        resources::role,
        value::Value,
    };

    /// Mistakes, and warnings but that of a container whose output is lost, which most containers here share.
    fn findings<R: Resource>(plan: &Plan, inputs: Value) -> (Vec<String>, Vec<String>) {
        let (mistakes, mut warnings) = resource::findings::<R>(plan, inputs);
        warnings.retain(|it| !it.contains("is missing, so what container"));
        (mistakes, warnings)
    }

    fn mistakes(inputs: serde_json::Value) -> Vec<String> {
        crate::resource::mistakes::<TaskDefinition>(inputs.into())
    }

    fn task(cpu: i32, memory: i32) -> Vec<String> {
        let container = json!({ "name": "app", "image": "nginx" });
        mistakes(json!({ "cpu": cpu, "memory": memory, "containerDefinitions": [container] }))
    }

    #[test]
    fn says_which_sizes_there_are() {
        let none: [&str; 0] = [];
        assert_eq!(task(256, 2048), none);
        assert_eq!(task(4096, 30720), none);
        let cpus = "256, 512, 1024, 2048, 4096, 8192, 16384, 32768";
        assert_eq!(task(300, 512), [format!("cpu is 300, which Fargate does not have; it has {cpus}")]);
        let reason = "memory is 1536, which does not go with cpu 256: that goes with 512, 1024, 2048";
        assert_eq!(task(256, 1536), [reason]);
        let reason = "memory is 2048, which does not go with cpu 2048: that goes with 4096 to 16384 in steps of 1024; \
                      2048 goes with cpu 256, 512, 1024";
        assert_eq!(task(2048, 2048), [reason]);
    }

    #[test]
    fn tells_all_mistakes_of_containers() {
        let logs = json!({ "logDriver": "awslogs", "options": { "awslogs-group": "g", "awslogs-region": "r" } });
        let found = mistakes(json!({
            "memory": 1024,
            "containerDefinitions": [
                {
                    "name": "app",
                    "image": "nginx",
                    "essential": false,
                    "cpu": 200,
                    "memory": 512,
                    "portMappings": [{ "containerPort": 80, "hostPort": 8080 }],
                    "environment": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }],
                    "healthCheck": { "command": ["curl localhost"], "interval": 1 },
                    "dependsOn": [{ "containerName": "proxy", "condition": "HEALTHY" }],
                },
                {
                    "name": "side",
                    "image": "nginx",
                    "essential": false,
                    "cpu": 100,
                    "memoryReservation": 600,
                    "logConfiguration": logs,
                    "mountPoints": [{ "sourceVolume": "data", "containerPath": "/data" }],
                },
            ],
        }));
        assert_eq!(
            found,
            [
                "containerDefinitions[0].dependsOn[0].containerName is \"proxy\", which no other container is called; there are \
                 app, side",
                "containerDefinitions[0].environment[1].name is \"A\", which containerDefinitions[0].environment[0] is already",
                "containerDefinitions[0].essential is false, as it is of all containers; leave it out of the one the task is for",
                "containerDefinitions[0].healthCheck.command starts with neither CMD nor CMD-SHELL; for a line of shell, \
                 [\"CMD-SHELL\", \"…\"]",
                "containerDefinitions[0].healthCheck.interval is 1, less than 5",
                "containerDefinitions[0].portMappings[0].hostPort is 8080, but on Fargate it is containerPort, 80; leave it out",
                "containerDefinitions[1].logConfiguration.options.awslogs-stream-prefix is required by awslogs: what names of log \
                 streams start with, such as the container's name",
                "containerDefinitions[1].mountPoints[0].sourceVolume is \"data\", which is not in volumes",
                "cpu is 256, less than the 300 that its containers reserve",
                "executionRoleArn is required, for container side needs it to write logs; give a role that \
                 ecs-tasks.amazonaws.com may assume, with the policy service-role/AmazonECSTaskExecutionRolePolicy",
                "memory is 1024, less than the 1112 that its containers reserve",
            ]
        );
    }

    #[expect(clippy::needless_pass_by_value, reason = "as `json!` gives it")]
    fn of(containers: serde_json::Value) -> Vec<String> {
        mistakes(json!({ "executionRoleArn": "arn:aws:iam::123456789012:role/x", "containerDefinitions": containers }))
    }

    #[test]
    fn windows_and_each_container_get_what_there_is() {
        let container = json!({ "name": "app", "image": "nginx", "memory": 1024 });
        let platform = json!({ "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE" });
        assert_eq!(
            mistakes(json!({ "runtimePlatform": platform, "containerDefinitions": [container] })),
            [
                "containerDefinitions[0].memory is 1024, more than the task has, which is 512",
                "cpu is 256, which Fargate does not have for Windows; there it has 1024, 2048 and 4096",
                "memory is 512, less than the 1024 that its containers reserve",
            ]
        );
    }

    #[test]
    fn the_options_of_logs_are_those_of_their_driver() {
        let logs = |driver: &str, options: serde_json::Value| {
            of(json!([{ "name": "app", "image": "nginx", "logConfiguration": { "logDriver": driver, "options": options } }]))
        };
        let at = |rest: &str| format!("containerDefinitions[0].logConfiguration.{rest}");
        let required = json!({ "awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "p" });
        let awslogs = |more: serde_json::Value| {
            let mut options = required.clone();
            options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            logs("awslogs", options)
        };
        let none: [&str; 0] = [];
        for size in ["25m", "4096", "1.5 MiB"] {
            assert_eq!(awslogs(json!({ "mode": "non-blocking", "max-buffer-size": size, "awslogs-create-group": "true" })), none);
        }
        assert_eq!(
            awslogs(json!({ "awslogs-steam-prefix": "p", "colour": "red", "mode": "lazy", "max-buffer-size": "big" })),
            [
                at("options.awslogs-steam-prefix is not an option of awslogs; did you mean awslogs-stream-prefix?"),
                at(
                    "options.colour is not an option of awslogs; expected one of awslogs-group, awslogs-region, awslogs-stream-prefix, \
                    awslogs-create-group, awslogs-datetime-format, awslogs-multiline-pattern, mode, max-buffer-size"
                ),
                at("options.max-buffer-size is \"big\", which is no size such as 25m"),
                at("options.mode is \"lazy\"; it is blocking or non-blocking"),
            ]
        );
        let both = json!({
            "awslogs-datetime-format": "%d", "awslogs-multiline-pattern": "^a", "mode": "blocking", "max-buffer-size": "1m",
            "awslogs-create-group": "yes",
        });
        assert_eq!(
            awslogs(both),
            [
                at("options.awslogs-create-group is \"yes\", not true; to have a log group of your own, leave it out"),
                at("options.awslogs-multiline-pattern is set beside awslogs-datetime-format; awslogs takes one of them"),
                at("options.max-buffer-size has no meaning with mode blocking, which keeps nothing back"),
            ]
        );
        assert_eq!(
            logs("splunk", json!({ "splunk-url": "https://splunk" })),
            [at("options.splunk-token is required by splunk: its token, best in secretOptions")]
        );
        let reason = "logDriver is awsfirelens, but no container is the log router; give one a firelensConfiguration";
        assert_eq!(logs("awsfirelens", json!({ "Name": "http" })), [at(reason)]);
    }

    #[test]
    fn output_that_is_lost_is_warned_of() {
        let logs = json!({ "logDriver": "splunk", "options": { "splunk-url": "u", "splunk-token": "t" } });
        let containers = json!([
            { "name": "app", "image": "nginx" },
            { "name": "side", "image": "nginx", "essential": false },
            { "name": "kept", "image": "nginx", "logConfiguration": logs },
            { "name": "router", "image": "nginx", "firelensConfiguration": { "type": "fluentbit" } },
        ]);
        let (mistakes, warnings) =
            resource::findings::<TaskDefinition>(&Plan::default(), json!({ "containerDefinitions": containers }).into());
        assert_eq!(mistakes, Vec::<String>::new());
        let reason = "containerDefinitions[0].logConfiguration is missing, so what container app writes is lost; to keep it, use \
                      logDriver awslogs";
        assert_eq!(warnings, [reason]);
    }

    #[test]
    fn an_image_is_what_registries_take() {
        let image = |image: &str| of(json!([{ "name": "app", "image": image }]));
        let digest = format!("{}/{}@sha256:{}", "registry.example.com:5000", "a".repeat(220), "0".repeat(64));
        for good in ["nginx", "Registry.example.com/team/app:1.0-RC", "localhost/app", "library/nginx:1#2", &digest] {
            assert_eq!(image(good), Vec::<String>::new(), "{good}");
        }
        let at = "containerDefinitions[0].image";
        let scheme = format!("{at} is \"https://ghcr.io/a/b:1\", but an image has no https://; use ghcr.io/a/b:1");
        assert_eq!(image("https://ghcr.io/a/b:1"), [scheme]);
        let capitals = format!(
            "{at} is \"ghcr.io/Acme/Web:RC\", but the name of a repository has no capital letters; use ghcr.io/acme/web:RC"
        );
        assert_eq!(image("ghcr.io/Acme/Web:RC"), [capitals]);
        let space = format!(
            "{at} is \"nginx: 1\", with ' ' in it; an image is made of letters, digits and any of -_:./#@, such as \
             public.ecr.aws/nginx/nginx:1.29"
        );
        assert_eq!(image("nginx: 1"), [space]);
        assert_eq!(image(&"a".repeat(256)), [format!("{at} has 256 characters, more than 255")]);
    }

    #[test]
    fn what_aws_takes_is_not_refused() {
        let logs = json!({
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "p", "awslogs-create-group": "True",
            },
        });
        let fluent = json!({ "logDriver": "awsfirelens", "options": { "Name": "http", "mode": "gelf" } });
        let limits = json!([
            { "name": "nproc", "softLimit": 1024, "hardLimit": 2048 }, { "name": "memlock", "softLimit": 64, "hardLimit": -1 },
        ]);
        let container = json!({ "name": "app", "image": "nginx", "logConfiguration": logs, "ulimits": limits });
        let efs =
            json!({ "fileSystemId": "fs-1", "transitEncryption": "DISABLED", "authorizationConfig": { "iam": "DISABLED" } });
        let inputs = json!({
            "cpu": "0.5 vCPU", "memory": "1 GB", "executionRoleArn": "starter", "taskRoleArn": "task",
            "requiresCompatibilities": [], "pidMode": "task", "placementConstraints": [],
            "containerDefinitions": [
                container,
                { "name": "other", "image": "nginx", "logConfiguration": fluent },
                { "name": "log", "image": "nginx", "user": "0", "firelensConfiguration": { "type": "fluentbit" } },
            ],
            "volumes": [{ "name": "files", "efsVolumeConfiguration": efs, "host": {} }],
        });
        assert_eq!(mistakes(inputs), Vec::<String>::new());
    }

    #[test]
    fn what_aws_does_not_take_is_refused_with_the_reason() {
        let efs = json!({ "fileSystemId": "fs-1", "transitEncryption": "DISABLED", "authorizationConfig": { "iam": "ENABLED" } });
        let ports = json!([{ "containerPort": 80, "protocol": "http" }]);
        let found = mistakes(json!({
            "pidMode": "host", "requiresCompatibilities": ["EC2"],
            "containerDefinitions": [{ "name": "app", "image": "nginx", "portMappings": ports, "privileged": true }],
            "volumes": [{ "name": "files", "efsVolumeConfiguration": efs }],
        }));
        assert_eq!(
            found,
            [
                "containerDefinitions[0].portMappings[0].protocol is http, but it is tcp or udp; leave it out: what is spoken over \
                 the port is appProtocol: http",
                "containerDefinitions[0].privileged is not supported on Fargate; remove it, or set it to false",
                "pidMode is host, which Fargate does not support; use task, or remove it",
                "requiresCompatibilities is EC2, without FARGATE, so AWS does not check it for Fargate; add FARGATE, or leave it out",
                "volumes[0].efsVolumeConfiguration.transitEncryption is DISABLED, but an access point and IAM authorization both \
                 need it; set it to ENABLED",
            ]
        );
    }

    #[test]
    fn a_variable_is_set_in_one_place() {
        let found = of(json!([{
            "name": "app",
            "image": "nginx",
            "environment": [{ "name": "URL", "value": "redis://cache" }],
            "secrets": [{ "name": "URL", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/url" }],
        }]));
        let taken = "containerDefinitions[0].secrets[0].name is URL, which environment sets too";
        assert!(found.iter().any(|it| it.starts_with(taken)), "{found:?}");
    }

    #[test]
    fn a_task_has_one_log_router() {
        let router = |name: &str, options: serde_json::Value| {
            let firelens = json!({ "type": "fluentbit", "options": options });
            json!({ "name": name, "image": "fluent-bit", "firelensConfiguration": firelens })
        };
        let app = json!({ "name": "app", "image": "nginx", "logConfiguration": { "logDriver": "awsfirelens" } });
        let none: [&str; 0] = [];
        assert_eq!(of(json!([app, router("log", json!({ "config-file-type": "file" }))])), none);
        let mut circular = router("log", json!({ "config-file-type": "s3" }));
        circular["logConfiguration"] = json!({ "logDriver": "awsfirelens" });
        assert_eq!(
            of(json!([circular, router("other", json!({}))])),
            [
                "containerDefinitions[0].firelensConfiguration.options.config-file-type is s3, but on Fargate the router reads its \
                 configuration from a file of its image: say file",
                "containerDefinitions[0].logConfiguration.logDriver is awsfirelens, but this container is the log router itself; \
                 awslogs shows what it says",
                "containerDefinitions[1].firelensConfiguration makes a second log router, beside container log; a task has one",
            ]
        );
    }

    #[test]
    fn the_containers_of_a_task_share_their_ports() {
        let app = json!({
            "name": "app", "image": "nginx",
            "portMappings": [{ "containerPort": 53 }, { "containerPort": 53, "protocol": "udp", "name": "dns" }],
        });
        let side = json!({ "name": "side", "image": "nginx", "portMappings": [{ "containerPort": 53, "name": "dns" }] });
        let none: [&str; 0] = [];
        assert_eq!(of(json!([app])), none);
        assert_eq!(
            of(json!([app, side])),
            [
                "containerDefinitions[1].portMappings[0].containerPort is 53, on which container app listens already; \
                 containers of a task share one address",
                "containerDefinitions[1].portMappings[0].name is \"dns\", which containerDefinitions[0].portMappings[1] is called \
                 already",
            ]
        );
    }

    #[test]
    fn containers_do_not_wait_for_each_other() {
        let container = |name: &str, on: &[&str]| {
            let on: Vec<_> = on.iter().map(|it| json!({ "containerName": it, "condition": "START" })).collect();
            json!({ "name": name, "image": "nginx", "dependsOn": on })
        };
        let none: [&str; 0] = [];
        assert_eq!(of(json!([container("a", &["b", "c"]), container("b", &["c"]), container("c", &[])])), none);
        assert_eq!(
            of(json!([container("a", &["b"]), container("b", &["c"]), container("c", &["b"])])),
            [
                "containerDefinitions[1].dependsOn goes round in a circle, so that none can start: b, which waits for c, which waits for b"
            ]
        );
    }

    #[test]
    fn health_is_waited_for_as_long_as_it_takes() {
        let warnings = |more: serde_json::Value| {
            let mut database = json!({ "name": "db", "image": "redis" });
            database.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let on = json!([{ "containerName": "db", "condition": "HEALTHY" }]);
            let app = json!({ "name": "app", "image": "nginx", "dependsOn": on });
            let (failures, warnings) =
                findings::<TaskDefinition>(&Plan::default(), json!({ "containerDefinitions": [app, database] }).into());
            (failures.join("; "), warnings.join("; "))
        };
        let none = (String::new(), String::new());
        let check = |interval: i32, period: i32| json!({ "command": ["CMD", "redis-cli", "ping"], "interval": interval, "startPeriod": period });
        assert_eq!(warnings(json!({ "healthCheck": check(10, 180) })), none);
        let reason = "containerDefinitions[1].startTimeout is 20 seconds, after which app gives up, but healthCheck looks at the \
                      container only after 30; lower healthCheck.interval";
        let found = warnings(json!({ "startTimeout": 20, "healthCheck": check(30, 60) }));
        assert_eq!(found, (String::new(), reason.to_owned()));
        let reason = "containerDefinitions[1].startTimeout is 180 seconds by default, after which app gives up, but \
                      healthCheck.startPeriod lets the container take 240 to become healthy; lower that";
        assert_eq!(warnings(json!({ "healthCheck": check(30, 240) })), (String::new(), reason.to_owned()));
        let reason = "containerDefinitions[0].dependsOn[0].condition is HEALTHY, but db has no healthCheck";
        assert_eq!(warnings(json!({})), (reason.to_owned(), String::new()));
        let reason = "containerDefinitions[1].healthCheck.command has nothing to run after CMD-SHELL";
        let found = warnings(json!({ "healthCheck": { "command": ["CMD-SHELL"] } }));
        assert_eq!(found, (reason.to_owned(), String::new()));
    }

    #[test]
    fn roles_have_to_be_for_tasks() {
        let role = |name: &str, service: &str| {
            let statement = json!({ "Effect": "Allow", "Principal": { "Service": [service] }, "Action": "sts:AssumeRole" });
            json!({ "name": name, "assumeRolePolicy": { "Statement": statement } })
        };
        let plan = Plan::default();
        let told_of = |arn: Value| {
            let inputs = json!({ "containerDefinitions": [{ "name": "app", "image": "nginx" }] });
            let Value::Object(mut inputs) = inputs.into() else { panic!("a map") };
            inputs.insert("taskRoleArn".to_owned(), arn);
            findings::<TaskDefinition>(&plan, Value::Object(inputs))
        };
        let arn = Value::String("arn:aws:iam::123456789012:role/lambda".to_owned());
        let (told, told_unknown) = (|| told_of(arn.clone()), || told_of(Value::Unknown));
        let settle = || plan.record("Role", None, std::slice::from_ref(&arn));
        assert_eq!(told(), (vec![], vec![]), "it is not of this program");
        findings::<role::Role>(&plan, role("lambda", "lambda.amazonaws.com").into());
        let reason = "is role lambda, which tasks may not act as; allow ecs-tasks.amazonaws.com to do sts:AssumeRole in its \
                      assumeRolePolicy";
        let (mistakes, warnings) = told_unknown();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(&format!("taskRoleArn {reason}; if it refers")), "{mistakes:?}");
        assert_eq!(warnings, Vec::<String>::new());
        settle();
        assert_eq!(told(), (vec![format!("taskRoleArn {reason}")], vec![]));
        assert_eq!(told_unknown(), (vec![], vec![]), "it is of something else");
        findings::<role::Role>(&plan, role("task", "ecs-tasks.amazonaws.com").into());
        assert_eq!(told_unknown(), (vec![], vec![]));
        settle();
        assert_eq!(told(), (vec![], vec![]));
    }

    #[test]
    fn what_is_not_known_yet_is_told_as_such() {
        let told = |containers: Value| {
            let plan = Plan::default();
            let inputs = [("containerDefinitions", containers), ("taskRoleArn", Value::Unknown)];
            let inputs = inputs.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
            assert_eq!(findings::<TaskDefinition>(&plan, Value::Object(inputs)), (vec![], vec![]));
            plan.resolve::<TaskDefinitionFacts>(None).those.remove(0)
        };
        let container = |more: &str| {
            let ports = json!([{ "containerPort": 80 }]);
            let container = json!({ "name": "app", "portMappings": ports, "stopTimeout": 60 });
            let Value::Object(mut container) = container.into() else { panic!("a map") };
            container.insert("image".to_owned(), Value::Unknown);
            container.insert(more.to_owned(), Value::Unknown);
            Value::Object(container)
        };
        let found = |it: &Container| (it.name.is_some(), it.ports.is_some(), it.health.is_some(), it.stop_timeout.is_some());
        let cases = [("name", (false, true, false, true)), ("portMappings", (true, false, false, true))];
        let cases =
            [&cases[..], &[("healthCheck", (true, true, false, true)), ("stopTimeout", (true, true, false, false))]].concat();
        for (unknown, expected) in cases {
            let task = told(Value::List(vec![container(unknown)]));
            assert_eq!(task.containers.iter().flatten().map(found).collect::<Vec<_>>(), [expected], "{unknown}");
            assert!(task.has_task_role);
        }
        let task = told(Value::List(vec![container("image"), Value::Unknown]));
        let all: Vec<_> = task.containers.iter().flatten().map(found).collect();
        assert_eq!(all, [(true, true, false, true), (false, false, false, false)]);
        assert!(told(Value::Unknown).containers.is_none());
    }

    #[test]
    fn the_execution_role_may_do_what_it_is_for() {
        let warned = |role: serde_json::Value, container: serde_json::Value| {
            let plan = Plan::default();
            let tasks = json!({ "Service": "ecs-tasks.amazonaws.com" });
            let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": tasks });
            let mut inputs = json!({ "name": "starter", "assumeRolePolicy": { "Statement": [statement] } });
            inputs.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
            assert_eq!(findings::<role::Role>(&plan, inputs.into()).0, Vec::<String>::new());
            let mut app = json!({ "name": "app", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app" });
            app.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
            let Value::Object(mut inputs) = json!({ "containerDefinitions": [app] }).into() else { panic!("a map") };
            inputs.insert("executionRoleArn".to_owned(), Value::Unknown);
            let (failures, warnings) = findings::<TaskDefinition>(&plan, Value::Object(inputs));
            assert_eq!(failures, Vec::<String>::new());
            warnings.join("; ")
        };
        let execution = json!({ "managedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"] });
        assert_eq!(warned(execution.clone(), json!({})), "");
        let nothing = "executionRoleArn is role starter, which has no policies, so that container app cannot start; add the ARN of \
                       service-role/AmazonECSTaskExecutionRolePolicy to its managedPolicyArns";
        assert_eq!(warned(json!({}), json!({})), nothing);
        let lacks =
            |what: &str| format!("executionRoleArn is role starter, which is not allowed {what} in inlinePolicies of the role");
        let secret = |from: &str| json!({ "secrets": [{ "name": "A", "valueFrom": from }] });
        let managed = secret("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf");
        let reads = "but container app needs that to read its secrets; allow it";
        assert_eq!(warned(execution.clone(), managed.clone()), lacks(&format!("secretsmanager:GetSecretValue, {reads}")));
        assert_eq!(warned(execution.clone(), secret("/app/a")), lacks(&format!("ssm:GetParameters, {reads}")));
        let reading = |action: &str| json!({ "read": { "Statement": { "Effect": "Allow", "Action": action, "Resource": "*" } } });
        let (execution_arn, read_all) = (&execution["managedPolicyArns"], reading("secretsmanager:Get*"));
        assert_eq!(warned(json!({ "managedPolicyArns": execution_arn, "inlinePolicies": read_all }), managed.clone()), "");
        let pulls = "executionRoleArn is role starter, which is not allowed ecr:BatchGetImage, so that container app cannot start; add \
                     the ARN of service-role/AmazonECSTaskExecutionRolePolicy to its managedPolicyArns";
        assert_eq!(warned(json!({ "inlinePolicies": read_all }), managed.clone()), pulls);
        let all_of_s3 = reading("s3:*");
        let found = warned(json!({ "managedPolicyArns": execution_arn, "inlinePolicies": all_of_s3 }), managed.clone());
        assert_eq!(found, lacks(&format!("secretsmanager:GetSecretValue, {reads}")));
        assert_eq!(warned(json!({ "managedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"] }), managed), "");
        let files = json!({ "environmentFiles": [{ "value": "arn:aws:s3:::b/a.env" }] });
        let reason = "s3:GetObject, but container app needs that to read its environmentFiles; allow it";
        assert_eq!(warned(execution.clone(), files), lacks(reason));
        let login = json!({ "repositoryCredentials": { "credentialsParameter": "arn" } });
        let reason = "secretsmanager:GetSecretValue, but container app needs that to log in to its registry; allow it";
        assert_eq!(warned(execution.clone(), login), lacks(reason));
        let options = json!({
            "awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "p", "awslogs-create-group": "true",
        });
        let reason = "logs:CreateLogGroup, but container app needs that for awslogs-create-group; allow it";
        assert_eq!(
            warned(execution, json!({ "logConfiguration": { "logDriver": "awslogs", "options": options } })),
            lacks(reason)
        );
    }

    #[test]
    fn what_a_task_reads_is_of_a_service_that_it_can_read_from() {
        let read = |more: serde_json::Value| {
            let mut container = json!({ "name": "app", "image": "nginx" });
            container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let inputs = json!({ "executionRoleArn": "starter", "containerDefinitions": [container] });
            findings::<TaskDefinition>(&Plan::default(), inputs.into())
        };
        let bucket = "arn:aws:s3:::bucket/app.env";
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf";
        let from = |it: &str| json!([{ "name": "A", "valueFrom": it }]);
        let splunk = |it: &str| json!({ "logDriver": "splunk", "options": { "splunk-url": "u", "splunk-token": "t" }, "secretOptions": from(it) });
        for (container, at, rule) in [
            (
                json!({ "secrets": from(bucket) }),
                "secrets[0].valueFrom",
                "an ARN of s3; it has to be one of secretsmanager or ssm",
            ),
            (json!({ "logConfiguration": splunk(bucket) }), "logConfiguration.secretOptions[0].valueFrom", "an ARN of s3"),
            (
                json!({ "repositoryCredentials": { "credentialsParameter": "arn:aws:ssm:eu-west-1:123456789012:parameter/a" } }),
                "repositoryCredentials.credentialsParameter",
                "an ARN of ssm; it has to be one of secretsmanager",
            ),
            (json!({ "environmentFiles": [{ "value": secret }] }), "environmentFiles[0].value", "an ARN of secretsmanager"),
            (
                json!({ "environmentFiles": [{ "value": "s3://bucket/app.env" }] }),
                "environmentFiles[0].value",
                "use arn:aws:s3:::bucket",
            ),
        ] {
            let (mistakes, _) = read(container);
            let told = mistakes.len() == 1 && mistakes[0].starts_with(&format!("containerDefinitions[0].{at} "));
            assert!(told && mistakes[0].contains(rule), "{mistakes:?}");
        }
        let (mistakes, warnings) = read(json!({ "environmentFiles": [{ "value": "arn:aws:s3:::bucket/app.txt" }] }));
        assert!(mistakes.is_empty() && warnings.len() == 1 && warnings[0].contains("end in .env"), "{warnings:?}");
        for right in [secret, "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a", "/app/a", "a"] {
            let credentials = json!({ "credentialsParameter": secret });
            let all = json!({
                "secrets": from(right), "logConfiguration": splunk(right), "repositoryCredentials": credentials,
                "environmentFiles": [{ "value": bucket }],
            });
            assert_eq!(read(all), (vec![], vec![]));
        }
    }

    #[test]
    fn a_role_whose_trust_policy_is_wrong_is_not_told_of_again() {
        let plan = Plan::default();
        let statement =
            json!({ "Effect": "Allow", "Action": "sts:AssumRole", "Principal": { "Service": "ecs-tasks.amazonaws.com" } });
        let role = |action: &str| {
            let mut statement = statement.clone();
            statement["Action"] = json!(action);
            let role = json!({ "name": "task", "assumeRolePolicy": { "Statement": statement } });
            findings::<role::Role>(&plan, role.into()).0
        };
        let task = || {
            let inputs = json!({ "taskRoleArn": "task", "containerDefinitions": [{ "name": "app", "image": "nginx" }] });
            findings::<TaskDefinition>(&plan, inputs.into()).0
        };
        let mistakes = role("sts:AssumRole");
        assert!(mistakes.len() == 1 && mistakes[0].starts_with("assumeRolePolicy.Statement.Action "), "{mistakes:?}");
        assert_eq!(task(), Vec::<String>::new());
        assert_eq!(role("sts:TagSession"), Vec::<String>::new());
        assert!(task()[0].starts_with("taskRoleArn is role task, which tasks may not act as"));
    }

    #[test]
    fn a_file_system_that_asks_for_a_role_gets_one() {
        let efs = json!({ "fileSystemId": "fs-1", "authorizationConfig": { "iam": "ENABLED" } });
        let volume = json!({ "name": "data", "efsVolumeConfiguration": efs });
        let container = json!({ "name": "app", "image": "123456789012.dkr-ecr.eu-west-1.on.aws/app" });
        let inputs = json!({ "volumes": [volume], "containerDefinitions": [container] });
        let (failures, warnings) = findings::<TaskDefinition>(&Plan::default(), inputs.into());
        assert_eq!(
            failures,
            ["executionRoleArn is required, for container app needs it to pull its image; give a role that \
              ecs-tasks.amazonaws.com may assume, with the policy service-role/AmazonECSTaskExecutionRolePolicy"]
        );
        let missing = "taskRoleArn is missing, but volume data is mounted with its rights (authorizationConfig.iam)";
        assert_eq!(warnings, [missing]);
    }
}
