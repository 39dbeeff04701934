//! Why tasks do not come up, and the way out: one rule a known cause. The first that applies is told, so that what is
//! special stands before what is general.

use aws_sdk_ecs::types::{Container, ContainerDefinition, CpuArchitecture, HealthStatus, Task, TaskStopCode};
use aws_sdk_elasticloadbalancingv2::types::{
    TargetGroup, TargetHealthDescription, TargetHealthReasonEnum, TargetHealthStateEnum,
};

use super::{
    diagnosis::{Case, Evidence, is_healthy},
    network::Look,
};

/// What is known of a cause.
pub struct Rule {
    /// What the cause is called in tests.
    pub name: &'static str,
    /// Which way through the network is worth a look.
    pub looks_at: Look,
    /// After how many failed tasks nothing can get better by itself: more than one for what AWS may only not know yet.
    certain_after: Option<i32>,
    /// Which containers can be at fault, where AWS does not say which one is.
    pub concerns: fn(&ContainerDefinition) -> bool,
    /// The container at fault, if it is one, and the words by which the cause is recognised.
    pub applies: fn(&Evidence) -> Option<Words>,
    /// The cause, and the way out.
    pub tells: fn(&Evidence, &Case) -> (String, String),
}

/// The container at fault, if it is one, and what was said.
type Words = (Option<String>, String);

impl Rule {
    /// After how many failed tasks nothing can get better by itself.
    pub fn certain(&self, evidence: &Evidence) -> Option<i32> {
        // A look that found what stands in the way leaves no doubt.
        self.certain_after.or(evidence.network.obstacle.is_some().then_some(1))
    }
}

/// A rule that looks at no network.
const fn rule(
    name: &'static str,
    certain_after: Option<i32>,
    applies: fn(&Evidence) -> Option<Words>,
    tells: fn(&Evidence, &Case) -> (String, String),
) -> Rule {
    Rule { name, looks_at: Look::Nothing, certain_after, concerns: |_| true, applies, tells }
}

impl Rule {
    const fn looking_at(self, looks_at: Look) -> Self {
        Self { looks_at, ..self }
    }

    const fn concerning(self, concerns: fn(&ContainerDefinition) -> bool) -> Self {
        Self { concerns, ..self }
    }
}

/// All rules, the special ones first.
pub(super) static RULES: &[Rule] = &[
    rule("rate limit of a registry", None, |it| it.says(&["toomanyrequests"]), |it, case| {
        (
            format!("the registry of image {} lets nobody pull so often", it.image(case)),
            format!(
                "copy the image to a Repository of your own and name that in {}, or log in by `repositoryCredentials`",
                it.property(case, "image")
            ),
        )
    }),
    rule("unsupported manifest", Some(1), |it| it.says(&["unsupported media type"]), |it, case| {
        (
            format!("Fargate cannot read the manifest of image {}", it.image(case)),
            format!(
                "build it with `docker buildx build --provenance=false --sbom=false --platform {}`, and push it again",
                it.platform()
            ),
        )
    }),
    rule(
        "wrong processor",
        Some(1),
        |it| it.says(&["descriptor matching platform"]).or_else(|| it.logs("exec format error")),
        |it, case| {
            (
                format!("image {} is not built for {}, which its tasks run on", it.image(case), it.platform()),
                format!(
                    "build it with `docker buildx build --platform {}`, or set runtimePlatform.cpuArchitecture of TaskDefinition {} \
                     to what it is built for",
                    it.platform(),
                    it.family()
                ),
            )
        },
    ),
    rule("no such host", None, |it| it.says(&["cannotpull", "no such host"]), |it, case| {
        (
            format!("the registry of image {} is not known by this name: {}", it.image(case), it.gist(case)),
            format!("correct {}; if the name is right, set enableDnsSupport of the Vpc", it.property(case, "image")),
        )
    }),
    rule(
        "no route to the registry",
        None,
        |it| {
            let needed = ["cannotpull", "unable to pull secrets or registry auth", "logger args"];
            needed.iter().find_map(|need| it.says_one_of(need, NO_ROUTE))
        },
        |it, _| {
            it.obstacle(
                "the tasks do not reach the registry, or whatever else they need before they start",
                "look at `networkConfiguration` of the Service: its subnets need a route to a NatGateway, or VpcEndpoints for ECR, S3 \
                 and logs whose security groups let the tasks in at port 443",
            )
        },
    )
    .looking_at(Look::WayOut),
    rule(
        "image not found, or private",
        Some(1),
        |it| it.says(&["repository does not exist or may require"]),
        |it, case| {
            (
                format!("image {} does not exist, or is private", it.image(case)),
                format!(
                    "correct {}, or set `repositoryCredentials` beside it to log in",
                    it.property(case, "image")
                ),
            )
        },
    ),
    rule(
        "image refused",
        Some(2),
        |it| {
            it.says_one_of(
                "cannotpull",
                &[
                    "403 forbidden",
                    "401 unauthorized",
                    "anonymous token",
                    "accessdenied",
                    "access denied",
                    "not authorized",
                    "no basic auth",
                    "authorization failed",
                ],
            )
            .or_else(|| it.says_one_of("accessdenied", &["ecr:getauthorizationtoken", "retrieve ecr registry auth"]))
        },

        |it, case| {
            (
                format!("the registry does not let the tasks pull image {}", it.image(case)),
                format!(
                    "attach AmazonECSTaskExecutionRolePolicy to the Role that executionRoleArn of TaskDefinition {} names, and allow \
                     that role in the repository's policy if it is another account's; for other registries set {}",
                    it.family(),
                    it.property(case, "repositoryCredentials")
                ),
            )
        },
    ),
    rule(
        "image not found",
        Some(1),
        |it| {
            it.says_one_of("cannotpull", &["not found", "manifest unknown", "does not exist", "no such manifest", "name unknown"])
        },
        |it, case| {
            (
                format!("image {} does not exist", it.image(case)),
                format!("push it, or correct {}", it.property(case, "image")),
            )
        },
    ),
    rule(
        "key of a secret missing",
        Some(2),
        |it| it.says(&["did not contain json key"]),
        |it, case| {
            (
                format!("a secret has no such key: {}", it.gist(case)),
                format!("add the key to the secret, or correct valueFrom in {}", it.property(case, "secrets")),
            )
        },
    )
    .concerning(has_secrets),
    rule(
        "secret without a value",
        None,
        |it| it.says(&["awscurrent"]),
        |it, case| {
            (
                format!("a secret has no value yet: {}", it.gist(case)),
                format!("let the Service depend on what writes the value that `secrets` of container {} name", it.name(case)),
            )
        },
    )
    .concerning(has_secrets),
    rule(
        "secret missing",
        Some(2),
        |it| it.says_one_of("resourceinitializationerror", &["can't find the specified secret", "parameternotfound", "invalid parameters:", "invalid ssm parameters"]),
        |it, case| {
            (
                format!("a secret of the tasks does not exist: {}", it.gist(case)),
                format!("make the secret or the parameter, or correct valueFrom in {}", it.property(case, "secrets")),
            )
        },
    )
    .concerning(has_secrets),
    rule(
        "secret not allowed",
        // A policy that was attached a moment ago may not be known everywhere yet.
        Some(2),
        |it| it.says_one_of("accessdenied", &["secretsmanager:", "ssm:", "kms:", "retrieve secret"]),
        |it, case| {
            (
                format!("the tasks may not read a secret: {}", it.gist(case)),
                format!(
                    "allow secretsmanager:GetSecretValue or ssm:GetParameters, and kms:Decrypt for a key of your own, in \
                     inlinePolicies of the Role that executionRoleArn of TaskDefinition {} names",
                    it.family()
                ),
            )
        },
    )
    .concerning(has_secrets),
    rule(
        "log group missing",
        Some(2),
        |it| {
            it.says(&["log group does not exist"]).or_else(|| it.says_one_of("logger args", &["resourcenotfound", "does not exist"]))
        },
        |it, case| {
            (
                format!("the log group {} does not exist", it.log_group(case)),
                format!(
                    "make it by a LogGroup that the Service depends on, or correct logConfiguration.options[\"awslogs-group\"] of {}",
                    it.property(case, "")
                ),
            )
        },
    )
    .concerning(has_log),
    rule(
        "log group not allowed",
        Some(2),
        |it| it.says_one_of("logger args", &["accessdenied", "not authorized"]),
        |it, case| {
            (
                format!("the tasks may not write to the log group {}", it.log_group(case)),
                format!(
                    "attach AmazonECSTaskExecutionRolePolicy to the Role that executionRoleArn of TaskDefinition {} names",
                    it.family()
                ),
            )
        },
    )
    .concerning(has_log),
    rule(
        "role not assumable",
        Some(3),
        |it| it.says(&["unable to assume the role"]),
        |it, case| {
            (
                format!("ECS may not act as a role of the tasks: {}", it.gist(case)),
                format!(
                    "let `ecs-tasks.amazonaws.com` assume it in assumeRolePolicy of the Role, or correct executionRoleArn and \
                     taskRoleArn of TaskDefinition {}",
                    it.family()
                ),
            )
        },
    ),
    rule(
        "file system not mounted",
        Some(2),
        |it| it.says(&["efs utils"]).or_else(|| it.says_one_of("mount", &["efs", "nfs"])),
        |it, case| {
            (
                format!("a file system cannot be mounted: {}", it.gist(case)),
                format!(
                    "let the tasks in at port 2049 in the SecurityGroup of its mount targets, and check efsVolumeConfiguration in \
                     volumes of TaskDefinition {}",
                    it.family()
                ),
            )
        },
    ),
    rule(
        "stopped beside one that ended well",
        None,
        |it| {
            // A service has no container that is meant to end.
            let task = it.tasks.first().filter(|_| it.service.is_none())?;
            let stopped = it.exited(|code| [137, 143].contains(&code)).filter(|it| it.reason().is_none_or(str::is_empty))?;
            let well = task.containers().iter().find(|container| container.exit_code() == Some(0) && it.is_essential(container))?;
            Some((stopped.name().map(str::to_owned), well.name()?.to_owned()))
        },
        |it, case| {
            (
                format!("container {} was stopped when container {} had ended well, and counts as failed", it.name(case), case.said),
                format!("set {} to false, so that {} decides", it.property(case, "essential"), case.said),
            )
        },
    ),
    rule(
        "out of memory",
        None,
        |it| it.says(&["outofmemory"]).or_else(|| it.exited_with(&[137])),
        |it, case| {
            let memory = it.definition.as_ref().and_then(|it| it.memory()).map_or(String::new(), |it| format!(" of {it} MiB"));
            (
                format!("container {} ran out of its memory{memory}", it.name(case)),
                format!("raise `memory` of TaskDefinition {}, or let the container use less", it.family()),
            )
        },
    ),
    rule(
        "command not found",
        Some(1),
        |it| {
            it.exited_with(&[127, 126])
                .or_else(|| it.says_one_of("cannotstartcontainer", &["no such file or directory", "executable file not found", "permission denied"]))
        },
        |it, case| {
            (
                format!("container {} has no such command to run", it.name(case)),
                format!("let {}, or its `entryPoint`, name an executable file that is in the image", it.property(case, "command")),
            )
        },
    ),
    rule(
        "user not found",
        Some(1),
        |it| it.says(&["unable to find user"]),
        |it, case| {
            (
                format!("container {} runs as a user that the image does not have", it.name(case)),
                format!("correct {}, or add the user to the image", it.property(case, "user")),
            )
        },
    ),
    rule("disk full", None, |it| it.says(&["no space left on device"]).or_else(|| it.logs("no space left on device")), |it, _| {
        (
            "the disk of the tasks is full".to_owned(),
            format!("raise ephemeralStorage.sizeInGiB of TaskDefinition {}, which has 20 by default", it.family()),
        )
    }),
    rule(
        "spot interruption",
        None,
        |it| {
            let stopped = it.tasks.iter().find(|it| it.stop_code() == Some(&TaskStopCode::SpotInterruption));
            stopped.map(|it| (None, it.stopped_reason().unwrap_or_default().to_owned())).or_else(|| it.says(&["spot interruption"]))
        },
        |_, _| {
            (
                "AWS took the spot capacity of the tasks away".to_owned(),
                "give FARGATE a base or a weight beside FARGATE_SPOT in capacityProviderStrategies of the Service".to_owned(),
            )
        },
    ),
    rule(
        "quota reached",
        None,
        |it| it.says(&["you've reached the limit"]).or_else(|| it.says(&["limit on the number of"])),
        |it, case| {
            (
                format!("a quota of the account is used up: {}", it.gist(case)),
                "ask for more in Service Quotas under AWS Fargate (vCPUs per account and region), stop tasks that nobody needs, or \
                 lower desiredCount of the Service"
                    .to_owned(),
            )
        },
    ),
    rule("no capacity", None, |it| it.says(&["capacity is unavailable"]), |it, _| {
        let spot = it.capacity.iter().any(|it| it == "FARGATE_SPOT");
        let spot = if spot { "give FARGATE a weight in capacityProviderStrategies" } else { "let AWS try on" };
        (
            "AWS has no capacity for the tasks there now".to_owned(),
            format!("{spot}, or add subnets of other zones to networkConfiguration.subnets of the Service"),
        )
    }),
    rule(
        "no address free",
        None,
        |it| it.says(&["network interface provisioning"]).or_else(|| it.says(&["insufficient free addresses"])),
        |_, _| {
            (
                "the tasks got no network interface in time".to_owned(),
                "choose subnets with more free addresses in networkConfiguration.subnets of the Service".to_owned(),
            )
        },
    ),
    rule(
        "health check of the container",
        None,
        |it| {
            let sick = |it: &&Container| it.health_status() == Some(&HealthStatus::Unhealthy);
            let (container, said) = it.says(&["failed container health checks"])?;
            let sick = it.tasks.iter().flat_map(Task::containers).find(sick).and_then(|it| it.name());
            Some((sick.map(str::to_owned).or(container), said))
        },
        |it, case| {
            (
                format!("container {} is unhealthy by its own health check", it.name(case)),
                format!(
                    "run the command in the image to see what it says; then correct {} (is its tool, such as curl, in the image?), or \
                     raise its startPeriod",
                    it.property(case, "healthCheck.command")
                ),
            )
        },
    )
    .concerning(|it| it.health_check().is_some()),
    rule(
        "health check path",
        None,
        |it| it.unhealthy(&TargetHealthReasonEnum::ResponseCodeMismatch, "failed with these codes"),
        |it, case| {
            let group = it.group();
            (
                format!("the health check of target group {} gets the wrong answer: {}", name_of(group), it.gist(case)),
                format!(
                    "correct healthCheck.path, which is {}, or healthCheck.matcher, which is {}, of that TargetGroup",
                    group.and_then(TargetGroup::health_check_path).unwrap_or("/"),
                    group.and_then(|it| it.matcher()).and_then(|it| it.http_code()).unwrap_or("200")
                ),
            )
        },
    ),
    rule(
        "health check without an answer",
        None,
        |it| it.unhealthy(&TargetHealthReasonEnum::Timeout, "request timed out"),
        |it, _| {
            let group = it.group();
            let seconds = group.and_then(TargetGroup::health_check_timeout_seconds).unwrap_or(5);
            it.obstacle(
                &format!("the health check of target group {} gets no answer within {seconds} s", name_of(group)),
                "let the SecurityGroup of the tasks admit the load balancer's at the container port; bind the application to 0.0.0.0; \
                 or raise healthCheck.timeout of the TargetGroup if it is only slow",
            )
        },
    )
    .looking_at(Look::WayIn),
    rule(
        "health check refused",
        None,
        |it| it.unhealthy(&TargetHealthReasonEnum::FailedHealthChecks, "reason health checks failed"),
        |it, _| {
            let group = it.group();
            let port = group.and_then(TargetGroup::health_check_port).filter(|it| *it != "traffic-port").map(str::to_owned);
            // Without one of its own, it asks where requests go to.
            let of_target = || it.targets.iter().flat_map(|it| &it.health).find_map(|it| it.target()?.port()).map(|it| it.to_string());
            let port = port.or_else(of_target).unwrap_or_else(|| "containerPort of the Service's loadBalancers".to_owned());
            it.obstacle(
                &format!("nothing listens where the health check of target group {} asks, at port {port}", name_of(group)),
                &format!(
                    "make the application listen at 0.0.0.0 on the port of portMappings in TaskDefinition {}, and containerPort in \
                     loadBalancers of the Service and healthCheck.port of the TargetGroup the same",
                    it.family()
                ),
            )
        },
    )
    .looking_at(Look::WayIn),
    rule(
        "health check of the load balancer",
        None,
        |it| it.says(&["failed elb health checks"]),
        |it, _| {
            it.obstacle(
                &format!("the load balancer finds the tasks unhealthy in target group {}", name_of(it.group())),
                &format!(
                    "check path, port and timeout in healthCheck of the TargetGroup; if the application starts slowly, raise \
                     healthCheckGracePeriodSeconds of the Service, which is {}",
                    it.grace_period
                ),
            )
        },
    )
    .looking_at(Look::WayIn),
    rule(
        "container exited",
        None,
        |it| {
            let container = it.exited(|_| true)?;
            Some((container.name().map(str::to_owned), container.exit_code()?.to_string()))
        },
        |it, case| {
            (
                format!("container {} ended by itself, with exit code {}", it.name(case), case.said),
                match it.log.as_ref() {
                    Some(log) if log.lines.is_empty() => {
                        format!("look into its log, {}/{}, for why; AWS shows no line of it yet", log.stream.group, log.stream.name)
                    }
                    Some(log) => format!(
                        "read its last lines {}; then mend the application, or its `environment` and `secrets`",
                        if log.shown { "above" } else { "below" }
                    ),
                    None => format!(
                        "AWS has no log of it: set {} to see why, with awslogs-stream-prefix among its options",
                        it.property(case, "logConfiguration")
                    ),
                },
            )
        },
    ),
];

fn has_secrets(container: &ContainerDefinition) -> bool {
    !container.secrets().is_empty()
}

fn has_log(container: &ContainerDefinition) -> bool {
    container.log_configuration().is_some()
}

/// By what a task tells that it reached nobody.
const NO_ROUTE: &[&str] = &[
    "i/o timeout",
    "timed out",
    "dial tcp",
    "connection refused",
    "context deadline exceeded",
    "canceled, context",
    "connection issue",
];

impl Evidence {
    /// All that AWS says of the tasks, with the container it says it of.
    fn sayings(&self) -> impl Iterator<Item = Words> {
        let of_tasks = self.tasks.iter().flat_map(|task| {
            let containers =
                task.containers().iter().filter_map(|it| Some((it.name().map(str::to_owned), it.reason()?.to_owned())));
            let reason = task.stopped_reason().map(|it| (self.mentioned(it), it.to_owned()));
            containers.chain(reason).collect::<Vec<_>>()
        });
        of_tasks.chain(self.events.iter().map(|it| (self.mentioned(it), it.clone())))
    }

    /// The container whose image or name a text holds.
    fn mentioned(&self, text: &str) -> Option<String> {
        let containers = self.definition.as_ref()?.container_definitions();
        // `app:1` is not in `app:10`.
        let ends = |rest: &str| !rest.starts_with(|it: char| it.is_alphanumeric() || "._-".contains(it));
        let names = |image: &str| text.match_indices(image).any(|(at, _)| ends(&text[at + image.len()..]));
        let found = containers.iter().find(|it| it.image().is_some_and(names));
        found.or((containers.len() == 1).then(|| &containers[0]))?.name().map(str::to_owned)
    }

    /// What holds all of these words.
    fn says(&self, words: &[&str]) -> Option<Words> {
        self.sayings().find(|(_, it)| words.iter().all(|word| it.to_lowercase().contains(word)))
    }

    /// What holds `word` and one of `others`.
    fn says_one_of(&self, word: &str, others: &[&str]) -> Option<Words> {
        self.sayings().find(|(_, it)| {
            let it = it.to_lowercase();
            it.contains(word) && others.iter().any(|other| it.contains(other))
        })
    }

    /// The log of a container that holds `words`.
    fn logs(&self, words: &str) -> Option<Words> {
        let log = self.log.as_ref()?;
        let line = log.lines.iter().find(|it| it.to_lowercase().contains(words))?;
        Some((Some(log.container.clone()), line.clone()))
    }

    /// The container to blame for the end of a task, if it ended by itself with such a code.
    fn exited(&self, with: impl Fn(i32) -> bool) -> Option<&Container> {
        let by_itself = self.tasks.iter().filter(|it| it.stop_code() == Some(&TaskStopCode::EssentialContainerExited));
        by_itself.filter_map(|it| self.culprit(it)).find(|it| it.exit_code().is_some_and(&with))
    }

    /// The same, in words.
    fn exited_with(&self, codes: &[i32]) -> Option<Words> {
        let container = self.exited(|it| codes.contains(&it))?;
        Some((container.name().map(str::to_owned), container.reason().unwrap_or_default().to_owned()))
    }

    /// What a target that is unhealthy for this reason says, or an event of one that is there no more.
    fn unhealthy(&self, reason: &TargetHealthReasonEnum, words: &str) -> Option<Words> {
        // A container that ended by itself answers nobody: that is the cause.
        if self.tasks.iter().any(|it| it.stop_code() == Some(&TaskStopCode::EssentialContainerExited)) {
            return None;
        }
        let targets =
            self.targets.iter().flat_map(|it| &it.health).filter(|it| !is_healthy(it)).filter_map(|it| it.target_health());
        let of_targets = targets.filter(|it| it.reason() == Some(reason)).find_map(|it| it.description().map(str::to_owned));
        of_targets.map(|it| (None, it)).or_else(|| {
            let (_, said) = self.sayings().find(|(_, it)| it.to_lowercase().replace('(', "").contains(words))?;
            // `… due to (reason Health checks failed with these codes: [404])`
            let gist = said.split_once("(reason ").map(|(_, it)| it.trim_end_matches(['.', ')']).to_owned());
            Some((None, gist.unwrap_or(said)))
        })
    }

    /// What stands in the way, if a look found it, or else what most likely does.
    fn obstacle(&self, cause: &str, way_out: &str) -> (String, String) {
        match &self.network.obstacle {
            Some(it) => (format!("{cause}: {}", it.cause), it.way_out.clone()),
            None => (cause.to_owned(), way_out.to_owned()),
        }
    }

    fn group(&self) -> Option<&TargetGroup> {
        let with = |holds: fn(&TargetHealthDescription) -> bool| self.targets.iter().find(|it| it.health.iter().any(holds));
        let sick = with(|it| it.target_health().and_then(|it| it.state()) == Some(&TargetHealthStateEnum::Unhealthy));
        sick.or_else(|| with(|it| !is_healthy(it))).or(self.targets.first()).map(|it| &it.group)
    }

    /// The name of the container at fault.
    fn name(&self, case: &Case) -> String {
        let known = || case.container.clone().unwrap_or_else(|| "of the task".to_owned());
        one_of(self.suspects(case).filter_map(|it| it.name()).map(str::to_owned)).unwrap_or_else(known)
    }

    /// The image of the container at fault.
    fn image(&self, case: &Case) -> String {
        let image = |it: &ContainerDefinition| Some(format!("{} of container {}", it.image()?, it.name()?));
        one_of(self.suspects(case).filter_map(image)).unwrap_or_else(|| "of the task".to_owned())
    }

    /// How a reader finds a property of the container at fault.
    fn property(&self, case: &Case, property: &str) -> String {
        let property = if property.is_empty() { String::new() } else { format!("`{property}` of ") };
        format!("{property}container {} in TaskDefinition {}", self.name(case), self.family())
    }

    fn log_group(&self, case: &Case) -> String {
        let group = |it: &ContainerDefinition| it.log_configuration()?.options()?.get("awslogs-group").cloned();
        one_of(self.suspects(case).filter_map(group)).unwrap_or_else(|| "of the tasks".to_owned())
    }

    /// What the tasks run on, as Docker calls it.
    fn platform(&self) -> &'static str {
        let platform = self.definition.as_ref().and_then(|it| it.runtime_platform()).and_then(|it| it.cpu_architecture());
        if platform == Some(&CpuArchitecture::Arm64) { "linux/arm64" } else { "linux/amd64" }
    }

    /// The words by which the cause was recognised, without what every such text begins with.
    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn gist(&self, case: &Case) -> String {
        let openings = [
            "was unable to place a task. Reason: ",
            "ResourceInitializationError: ",
            "unable to pull secrets or registry auth: ",
            "execution resource retrieval failed: ",
        ];
        let text = case.said.trim_end_matches('.');
        openings.iter().fold(text, |text, it| text.strip_prefix(it).unwrap_or(text)).to_owned()
    }
}

/// What of it there is: `a`, or `a or b`.
fn one_of(all: impl Iterator<Item = String>) -> Option<String> {
    let mut all: Vec<_> = all.collect();
    all.dedup();
    (!all.is_empty()).then(|| all.join(" or "))
}

fn name_of(group: Option<&TargetGroup>) -> &str {
    group.and_then(TargetGroup::target_group_name).unwrap_or("of the service")
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::{primitives::DateTime, types};
    use aws_sdk_elasticloadbalancingv2::types as elb;

    use super::*;
    use crate::aws::{
        ecs::{
            diagnosis::{Log, Targets},
            network::{Findings, Obstacle},
        },
        logs::Stream,
    };

    /// A task of the container `app` that stopped for this reason.
    fn stopped(reason: &str, code: TaskStopCode, exit: Option<i32>) -> types::Task {
        let container = types::Container::builder().name("app").set_exit_code(exit).build();
        let task = types::Task::builder().task_arn("arn:aws:ecs:eu-west-1:123456789012:task/main/1").stop_code(code);
        task.stopped_reason(reason).containers(container).build()
    }

    fn evidence() -> Evidence {
        let logs = types::LogConfiguration::builder().log_driver(types::LogDriver::Awslogs).options("awslogs-group", "/ecs/web");
        let container = types::ContainerDefinition::builder().name("app").image("registry/web:1");
        let container = container.log_configuration(logs.build().unwrap()).build();
        let definition = types::TaskDefinition::builder().family("web").memory("512").container_definitions(container).build();
        Evidence { service: Some("web".to_owned()), definition: Some(definition), ..Evidence::default() }
    }

    /// What a task that never started is told to have died of.
    fn unstarted(reason: &str) -> Evidence {
        Evidence { tasks: vec![stopped(reason, TaskStopCode::TaskFailedToStart, None)], ..evidence() }
    }

    fn exited(code: i32, line: Option<&str>) -> Evidence {
        let stream = || Stream { group: "/ecs/web".to_owned(), name: "web/app/1".to_owned(), region: None };
        let log = line.map(|it| Log { container: "app".to_owned(), stream: stream(), lines: vec![it.to_owned()], shown: false });
        let task = stopped("Essential container in task exited", TaskStopCode::EssentialContainerExited, Some(code));
        Evidence { tasks: vec![task], log, ..evidence() }
    }

    /// A task that stopped by itself, whose containers exited with these codes.
    fn ended(containers: &[(&str, i32)]) -> types::Task {
        let container = |it: &(&str, i32)| types::Container::builder().name(it.0).exit_code(it.1).build();
        let task = types::Task::builder().stop_code(TaskStopCode::EssentialContainerExited);
        task.set_containers(Some(containers.iter().map(container).collect())).build()
    }

    fn unhealthy(reason: TargetHealthReasonEnum, description: &str) -> Evidence {
        let group = elb::TargetGroup::builder().target_group_name("web").health_check_path("/health").build();
        let health = elb::TargetHealth::builder().state(elb::TargetHealthStateEnum::Unhealthy).reason(reason);
        let health = health.description(description).build();
        let target = elb::TargetDescription::builder().id("10.0.0.1").port(8000).build();
        let health = elb::TargetHealthDescription::builder().target(target).target_health(health).build();
        let stopped = stopped(
            "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:…)",
            TaskStopCode::ServiceSchedulerInitiated,
            // Stopped by AWS, which does not make it run out of memory.
            Some(137),
        );
        Evidence { tasks: vec![stopped], targets: vec![Targets { group, health: vec![health] }], ..evidence() }
    }

    /// As AWS words them.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn known() -> Vec<(&'static str, Evidence)> {
        use TargetHealthReasonEnum::{FailedHealthChecks, ResponseCodeMismatch, Timeout};
        let pull = |reason: &str| {
            unstarted(&format!("CannotPullContainerError: pull image manifest has been retried 1 time(s): {reason}"))
        };
        let init = |reason: &str| unstarted(&format!("ResourceInitializationError: {reason}"));
        let event = |text: &str| Evidence { events: vec![text.to_owned()], ..evidence() };
        let health = stopped("Task failed container health checks", TaskStopCode::ServiceSchedulerInitiated, Some(137));
        let health = Evidence { tasks: vec![health], ..evidence() };
        let spot = stopped("Your Spot Task was interrupted.", TaskStopCode::SpotInterruption, None);
        let memory = types::Container::builder().name("app").exit_code(137);
        let memory = memory.reason("OutOfMemoryError: Container killed due to memory usage").build();
        let memory = types::Task::builder().stop_code(TaskStopCode::EssentialContainerExited).containers(memory).build();
        let none = types::Container::builder().name("app").reason(
            "CannotStartContainerError: failed to create shim task: exec: \"gunicorn\": executable file not found in $PATH",
        );
        let none = types::Task::builder().containers(none.build()).build();
        let killed = Evidence {
            targets: Vec::new(),
            events: vec![
                "(service web) (port 8000) is unhealthy in (target-group web) due to (reason Request timed out)".to_owned(),
            ],
            ..unhealthy(Timeout, "")
        };
        vec![
            ("rate limit of a registry", pull("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit")),
            ("unsupported manifest", pull("unsupported media type application/vnd.in-toto+json")),
            ("wrong processor", pull("image Manifest does not contain descriptor matching platform 'linux/amd64'")),
            ("wrong processor", exited(1, Some("exec /usr/local/bin/uvicorn: exec format error"))),
            ("no route to the registry", pull("failed to resolve ref registry/web:1: dial tcp 52.94.0.1:443: i/o timeout")),
            ("no such host", pull("failed to resolve ref registry/web:1: dial tcp: lookup registry: no such host")),
            (
                "no route to the registry",
                init(
                    "failed to validate logger args: The task cannot find the Amazon CloudWatch log group defined in the task \
                     definition. There is a connection issue between the task and Amazon CloudWatch. Check your network \
                     configuration. : signal: killed",
                ),
            ),
            (
                "no route to the registry",
                init(
                    "unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a \
                     connection issue between the task and Amazon ECR. RequestError: send request failed caused by: Post \
                     \"https://api.ecr.eu-west-1.amazonaws.com/\": dial tcp 10.0.0.7:443: i/o timeout",
                ),
            ),
            (
                "image not found, or private",
                pull("pull access denied, repository does not exist or may require authorization: authorization failed"),
            ),
            (
                "image refused",
                init(
                    "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry \
                     auth: AccessDeniedException: not authorized to perform: ecr:GetAuthorizationToken",
                ),
            ),
            (
                "secret without a value",
                init("Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"),
            ),
            ("image refused", pull("failed to resolve ref registry/web:1: unexpected status from HEAD request: 403 Forbidden")),
            ("image not found", pull("failed to resolve ref registry/web:1: registry/web:1: not found")),
            (
                "key of a secret missing",
                init(
                    "unable to pull secrets or registry auth: retrieved secret from Secrets Manager did not contain json key url",
                ),
            ),
            (
                "secret missing",
                init(
                    "unable to pull secrets or registry auth: ResourceNotFoundException: Secrets Manager can't find the specified \
                     secret",
                ),
            ),
            (
                "secret missing",
                init(
                    "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from \
                     ssm: service call has been retried 1 time(s): invalid ssm parameters: /web/dsn",
                ),
            ),
            (
                "secret not allowed",
                init(
                    "unable to pull secrets or registry auth: AccessDeniedException: User: … is not authorized to perform: \
                     secretsmanager:GetSecretValue on resource: x",
                ),
            ),
            (
                "log group missing",
                init(
                    "failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log \
                     stream: ResourceNotFoundException: The specified log group does not exist.: exit status 1",
                ),
            ),
            ("log group not allowed", init("failed to validate logger args: AccessDeniedException: User is not authorized")),
            ("role not assumable", unstarted("ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided")),
            ("file system not mounted", init("failed to invoke EFS utils commands to set up EFS volumes: mount.nfs4: timed out")),
            (
                "stopped beside one that ended well",
                Evidence { service: None, tasks: vec![ended(&[("agent", 137), ("app", 0)])], ..evidence() },
            ),
            ("out of memory", Evidence { tasks: vec![memory], ..evidence() }),
            ("out of memory", exited(137, None)),
            ("command not found", exited(127, None)),
            ("command not found", Evidence { tasks: vec![none], ..evidence() }),
            (
                "user not found",
                unstarted("CannotStartContainerError: unable to find user app: no matching entries in passwd file"),
            ),
            ("disk full", exited(1, Some("OSError: [Errno 28] No space left on device"))),
            ("spot interruption", Evidence { tasks: vec![spot], ..evidence() }),
            ("quota reached", event("was unable to place a task. Reason: You've reached the limit on the number of vCPUs")),
            ("no capacity", event("was unable to place a task. Reason: Capacity is unavailable at this time")),
            ("no address free", unstarted("Timeout waiting for network interface provisioning to complete.")),
            ("health check of the container", health),
            ("health check path", unhealthy(ResponseCodeMismatch, "Health checks failed with these codes: [404]")),
            ("health check without an answer", unhealthy(Timeout, "Request timed out")),
            ("health check without an answer", killed),
            ("health check refused", unhealthy(FailedHealthChecks, "Health checks failed")),
            ("health check of the load balancer", Evidence { targets: Vec::new(), ..unhealthy(Timeout, "") }),
            ("container exited", exited(1, Some("KeyError: 'DATABASE_URL'"))),
        ]
    }

    #[test]
    fn every_known_cause_is_recognised_and_told_with_its_way_out() {
        for (name, evidence) in super::tests::known() {
            let known = evidence.case().unwrap_or_else(|| panic!("{name} is not recognised"));
            assert_eq!(known.rule.name, name);
            let (cause, remedy) = (known.rule.tells)(&evidence, &known);
            assert!(!cause.is_empty() && remedy.contains(' '), "{name}: {cause}; {remedy}");
            let names = ["TaskDefinition", "Service", "TargetGroup", "Role", "Repository", "docker", "mend the application"];
            assert!(names.iter().any(|it| remedy.contains(it)), "{name}: the way out names nothing to change: {remedy}");
        }
        let unproven = RULES.iter().map(|it| it.name).filter(|name| !super::tests::known().iter().any(|it| it.0 == *name));
        assert_eq!(unproven.collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn of_several_containers_the_one_to_blame_is_told() {
        let told = |containers: &[(&str, i32)]| {
            let container = |name: &str| types::ContainerDefinition::builder().name(name).essential(name != "helper").build();
            let definitions = ["helper", "agent", "app"].map(container).to_vec();
            let definition = types::TaskDefinition::builder().family("web").set_container_definitions(Some(definitions)).build();
            let evidence = Evidence { tasks: vec![ended(containers)], definition: Some(definition), ..evidence() };
            evidence.diagnosis(String::new()).cause
        };
        assert_eq!(told(&[("helper", 0), ("app", 3)]), "container app ended by itself, with exit code 3");
        assert_eq!(told(&[("agent", 0), ("app", 3)]), "container app ended by itself, with exit code 3");
        assert_eq!(told(&[("helper", 137), ("agent", 143), ("app", 127)]), "container app has no such command to run");
        assert_eq!(told(&[("helper", 1), ("app", 0)]), "container app ended by itself, with exit code 0");
        assert_eq!(told(&[("agent", 143), ("app", 137)]), "container app ran out of its memory");
    }

    #[test]
    fn what_most_tasks_stopped_by_is_told_and_not_what_is_over() {
        let exited = || ended(&[("app", 1)]);
        let spot = || stopped("Your Spot Task was interrupted.", TaskStopCode::SpotInterruption, None);
        let unplaced = "was unable to place a task. Reason: Capacity is unavailable at this time".to_owned();
        let told = |tasks: Vec<types::Task>| {
            Evidence { tasks, events: vec![unplaced.clone()], ..evidence() }.case().map(|it| it.rule.name)
        };
        assert_eq!(told(vec![spot(), exited(), exited()]), Some("container exited"));
        assert_eq!(told(vec![spot(), exited()]), Some("spot interruption"), "the latest");
        assert_eq!(told(vec![exited()]), Some("container exited"));
        assert_eq!(told(Vec::new()), Some("no capacity"));
    }

    #[test]
    fn where_aws_names_no_container_all_that_can_be_at_fault_are_told() {
        let container = |name: &str, image: &str, group: &str| {
            let logs = types::LogConfiguration::builder().log_driver(types::LogDriver::Awslogs).options("awslogs-group", group);
            let it = types::ContainerDefinition::builder().name(name).image(image);
            it.log_configuration(logs.build().unwrap())
        };
        let (app, agent) = (container("app", "web:1", "/ecs/web"), container("agent", "web:10", "/ecs/agent"));
        let check = types::HealthCheck::builder().command("CMD").build().unwrap();
        let containers = vec![app.build(), agent.health_check(check).build()];
        let definition = types::TaskDefinition::builder().family("web").set_container_definitions(Some(containers)).build();
        let told = |reason: &str| {
            let evidence = Evidence { definition: Some(definition.clone()), ..unstarted(reason) };
            evidence.diagnosis(String::new()).cause
        };
        let no_group = "ResourceInitializationError: failed to validate logger args: log group does not exist";
        assert_eq!(told(no_group), "the log group /ecs/web or /ecs/agent does not exist");
        let unhealthy = "Task failed container health checks";
        assert_eq!(told(unhealthy), "container agent is unhealthy by its own health check");
        let pull = "CannotPullContainerError: failed to resolve ref web:10: not found";
        assert_eq!(told(pull), "image web:10 of container agent does not exist");
    }

    #[test]
    fn only_what_cannot_get_better_is_given_up() {
        let certain = |evidence: &Evidence, failed| evidence.certain(failed, 1).map(|it| it.rule.name);
        let named = |name: &str| known().into_iter().find(|it| it.0 == name).unwrap().1;
        assert_eq!(certain(&named("image not found"), 1), Some("image not found"));
        assert_eq!(certain(&named("secret not allowed"), 1), None, "a policy may not be known everywhere yet");
        assert_eq!(certain(&named("secret not allowed"), 2), Some("secret not allowed"));
        assert_eq!(certain(&named("container exited"), 9), None);
        let at = |seconds: i64| {
            let reason = named("secret not allowed").tasks[0].stopped_reason().unwrap().to_owned();
            types::Task::builder().stopped_reason(reason).stopped_at(DateTime::from_secs(seconds)).build()
        };
        let two = |apart: i64| Evidence { tasks: vec![at(1000 + apart), at(1000)], ..named("secret not allowed") };
        assert_eq!(two(5).certain(2, 4).map(|it| it.rule.name), None, "both of the first round");
        assert_eq!(two(40).certain(2, 4).map(|it| it.rule.name), Some("secret not allowed"));
        let mut closed = named("health check without an answer");
        assert_eq!(certain(&closed, 9), None);
        let obstacle = Obstacle { cause: "sg-1 is closed".to_owned(), way_out: "open it".to_owned() };
        closed.network = Findings { obstacle: Some(obstacle), lines: Vec::new() };
        assert_eq!(certain(&closed, 1), Some("health check without an answer"));
    }

    #[test]
    fn the_cause_stands_first_and_the_way_out_second() {
        let evidence = exited(1, Some("KeyError: 'DATABASE_URL'"));
        let told = evidence.diagnosis("the deployment of web:2 failed: tasks failed to start".to_owned()).to_string();
        assert_eq!(
            told,
            "container app ended by itself, with exit code 1\n\
             way out: read its last lines below; then mend the application, or its `environment` and `secrets`\n\
             the deployment of web:2 failed: tasks failed to start\n\
             1 task stopped: Essential container in task exited; app exited with 1\n\
             the last lines of container app, from /ecs/web/web/app/1:\n  \
             | KeyError: 'DATABASE_URL'"
        );
    }
}
