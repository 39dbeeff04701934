//! ecs: a task definition, what the containers of a task are and how much of Fargate they get.
//!
//! The resource is the family. AWS never changes a revision: a change registers the next one.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_ecs::{operation::describe_task_definition::DescribeTaskDefinitionOutput, types};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    aws::{Explain as _, Passing, Patience, Refusal, Seen, ecs},
    check::{Report, nearest},
    codec::{name_of, named},
    list::{Cursor, Listed, Page},
    plan::{Container, Part, Rights, Role, Task},
    resource::{Context, Resource, changed},
};

/// What AWS says while another revision of the family is being registered, or before it knows a new role.
const BUSY: &[Passing] =
    &[("ClientException", "Too many concurrent attempts to create a new revision"), ("ClientException", "Role is not valid")];

pub struct TaskDefinition;

/// A task definition: what the containers of a task are, and how much CPU and memory they share.
///
/// The resource is the family, with all its revisions. A change registers a new revision in place; the earlier ones stay
/// active, so that a service can be rolled back to them. Deleting the resource deregisters every revision of the family:
/// tasks and services that use one keep running. To leave them all active, set `retainOnDelete`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionInputs {
    /// The name that all revisions share, of letters, digits, hyphens and underscores. Default: the resource's name and seven
    /// random digits.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "made of letters, digits, hyphens and underscores"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 255))]
    pub family: String,
    /// The containers of a task, of which at least one is essential.
    #[schemars(length(min = 1, max = 10), extend("keyedBy" = "name"))]
    pub container_definitions: Vec<TaskDefinitionContainerDefinition>,
    /// The CPU units that the containers share, of which 1024 are one vCPU: 256, 512, 1024, 2048, 4096, 8192 or 16384.
    /// Default: 256, the least that Fargate has.
    #[serde(default = "least_cpu")]
    #[schemars(regex(pattern = "^[0-9]+$"), extend("expects" = "a number of CPU units, such as 256; 1024 are one vCPU"))]
    pub cpu: String,
    /// The memory that the containers share, in MiB. Which amounts there are depends on `cpu`. Default: 512, the least that
    /// Fargate has.
    #[serde(default = "least_memory")]
    #[schemars(regex(pattern = "^[0-9]+$"), extend("expects" = "a number of MiB, such as 512; 1024 are one GiB"))]
    pub memory: String,
    /// The ARN of the role by which AWS starts a task: it pulls images, reads secrets and writes logs.
    #[schemars(regex(pattern = ROLE), extend("expects" = "the ARN of a role, such as arn:aws:iam::123456789012:role/name"))]
    pub execution_role_arn: Option<String>,
    /// The ARN of the role that the containers act as.
    #[schemars(regex(pattern = ROLE), extend("expects" = "the ARN of a role, such as arn:aws:iam::123456789012:role/name"))]
    pub task_role_arn: Option<String>,
    /// How containers are connected. Default: `awsvpc`, each task with an address of its own; Fargate has no other.
    #[serde(default = "awsvpc")]
    pub network_mode: String,
    /// What tasks may run on. Default: `FARGATE`.
    #[serde(default = "fargate")]
    #[schemars(extend("compare" = "set"))]
    pub requires_compatibilities: Vec<String>,
    /// The processor and the operating system that the images are built for. Default: `X86_64` and `LINUX`.
    #[serde(default)]
    pub runtime_platform: TaskDefinitionRuntimePlatform,
    /// The disk that the containers share, where it has to be larger than the 20 GiB that every task has.
    pub ephemeral_storage: Option<TaskDefinitionEphemeralStorage>,
    /// Volumes that containers mount by `mountPoints`.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub volumes: Vec<TaskDefinitionVolume>,
    /// How many of the latest revisions stay active; the others are deregistered when a new one is registered. At least 2, so
    /// that a service can be rolled back. Default: all.
    #[schemars(range(min = 2), extend("writeOnly" = true))]
    pub keep_revisions: Option<i32>,
    /// Tags to put on the task definition. A change of nothing but tags makes no new revision.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

const ROLE: &str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$";

/// A container of a task.
#[expect(clippy::struct_excessive_bools, reason = "AWS has them")]
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionContainerDefinition {
    /// The name of the container, of letters, digits, hyphens and underscores.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "made of letters, digits, hyphens and underscores"))]
    pub name: String,
    /// The image to run, with its tag or digest.
    #[schemars(length(min = 1, max = 255))]
    pub image: String,
    /// Whether the task stops when this container stops. Default: true.
    #[serde(default = "yes")]
    pub essential: bool,
    /// The CPU units reserved for this container. Default: 0, an equal share of what is left.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub cpu: i32,
    /// The most memory the container may use, in MiB, before it is killed. Default: all that the task has.
    #[schemars(range(min = 6))]
    pub memory: Option<i32>,
    /// The memory reserved for the container, in MiB. It may use more.
    #[schemars(range(min = 6))]
    pub memory_reservation: Option<i32>,
    /// The ports that the container listens on.
    #[serde(default)]
    #[schemars(extend("keyedBy" = ["containerPort", "protocol"]))]
    pub port_mappings: Vec<TaskDefinitionPortMapping>,
    /// Environment variables, in any order. A value that is a Pulumi secret stays one.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub environment: Vec<TaskDefinitionKeyValuePair>,
    /// Files of environment variables in S3, of which the first to set a variable wins.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub environment_files: Vec<TaskDefinitionEnvironmentFile>,
    /// Environment variables that get their values from Secrets Manager or Parameter Store when a task starts.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub secrets: Vec<TaskDefinitionSecret>,
    /// The command, in place of the image's `CMD`.
    #[serde(default)]
    pub command: Vec<String>,
    /// The entry point, in place of the image's `ENTRYPOINT`.
    #[serde(default)]
    pub entry_point: Vec<String>,
    /// The folder that commands run in.
    pub working_directory: Option<String>,
    /// The user that commands run as, such as `1000:1000`.
    pub user: Option<String>,
    /// How to tell whether the container is healthy. Default: not at all.
    pub health_check: Option<TaskDefinitionHealthCheck>,
    /// Where the output of the container goes. Default: nowhere.
    pub log_configuration: Option<TaskDefinitionLogConfiguration>,
    /// The log router that this container is.
    pub firelens_configuration: Option<TaskDefinitionFirelensConfiguration>,
    /// Containers that have to be up before this one starts.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "containerName"))]
    pub depends_on: Vec<TaskDefinitionContainerDependency>,
    /// How long the containers that depend on this one wait for it, in seconds. Default: 3 minutes.
    #[schemars(range(min = 2, max = 120))]
    pub start_timeout: Option<i32>,
    /// How long the container has to end by itself after `SIGTERM`, in seconds. Default: 30.
    #[schemars(range(min = 0, max = 120))]
    pub stop_timeout: Option<i32>,
    /// Whether to start the container again when it stops, without a new task.
    pub restart_policy: Option<TaskDefinitionRestartPolicy>,
    /// Where the container finds the volumes of the task.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "containerPath"))]
    pub mount_points: Vec<TaskDefinitionMountPoint>,
    /// Containers whose volumes this one mounts too.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "sourceContainer"))]
    pub volumes_from: Vec<TaskDefinitionVolumeFrom>,
    /// Whether the container cannot write to its root file system. Default: false.
    #[serde(default)]
    pub readonly_root_filesystem: bool,
    /// Whether to keep standard input open. Default: false.
    #[serde(default)]
    pub interactive: bool,
    /// Whether to give the container a terminal. Default: false.
    #[serde(default)]
    pub pseudo_terminal: bool,
    /// Settings of the Linux kernel for this container.
    pub linux_parameters: Option<TaskDefinitionLinuxParameters>,
    /// Limits on what the container may use of the operating system.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub ulimits: Vec<TaskDefinitionUlimit>,
    /// Kernel parameters to set in the container.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "namespace"))]
    pub system_controls: Vec<TaskDefinitionSystemControl>,
    /// Labels to put on the container.
    #[serde(default)]
    pub docker_labels: BTreeMap<String, String>,
    /// How to log in to a private registry other than ECR.
    pub repository_credentials: Option<TaskDefinitionRepositoryCredentials>,
    /// Whether all tasks of a deployment run the very image that the first one got for the tag. Default: `enabled`.
    #[serde(default)]
    pub version_consistency: TaskDefinitionVersionConsistency,
}

/// A port that a container listens on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionPortMapping {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// The same port again: on Fargate no other is possible. Default: `containerPort`.
    #[schemars(range(min = 0, max = 65535), extend("compare" = "never"))]
    pub host_port: Option<i32>,
    /// The protocol. Default: `tcp`.
    #[serde(default)]
    pub protocol: TaskDefinitionTransportProtocol,
    /// A name, by which Service Connect refers to the port.
    pub name: Option<String>,
    /// What is spoken over the port, for Service Connect.
    pub app_protocol: Option<TaskDefinitionApplicationProtocol>,
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionTransportProtocol {
    #[default]
    Tcp,
    Udp,
}

/// What is spoken over a port.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionApplicationProtocol {
    Http,
    Http2,
    Grpc,
}

/// An environment variable.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionKeyValuePair {
    /// The name of the variable.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A file of environment variables.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionEnvironmentFile {
    /// The ARN of the file, whose name ends in `.env`.
    pub value: String,
    /// Where the file is. Default: `s3`, the only place there is.
    #[serde(default, rename = "type")]
    pub kind: TaskDefinitionEnvironmentFileType,
}

/// Where a file of environment variables is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionEnvironmentFileType {
    #[default]
    S3,
}

/// A value from Secrets Manager or Parameter Store.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionSecret {
    /// The name of the environment variable or log option.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The ARN of the secret, which `:key:stage:version` may follow, or the name or ARN of the parameter.
    #[schemars(length(min = 1))]
    pub value_from: String,
}

/// How to tell whether a container is healthy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionHealthCheck {
    /// The command, such as `["CMD-SHELL", "curl -f http://localhost/ || exit 1"]`. It starts with `CMD`, or with `CMD-SHELL`
    /// to run in a shell.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The time between two checks, in seconds. Default: 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 5, max = 300))]
    pub interval: i32,
    /// How long a check may take, in seconds. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 60))]
    pub timeout: i32,
    /// How many checks in a row have to fail. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10))]
    pub retries: i32,
    /// How long after its start failed checks do not count, in seconds. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 300))]
    pub start_period: i32,
}

/// Where the output of a container goes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionLogConfiguration {
    /// What takes the output.
    pub log_driver: TaskDefinitionLogDriver,
    /// Options of the log driver. `awslogs` needs `awslogs-group`, `awslogs-region` and `awslogs-stream-prefix`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Options whose values come from Secrets Manager or Parameter Store.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub secret_options: Vec<TaskDefinitionSecret>,
}

/// What takes the output of a container.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionLogDriver {
    /// `CloudWatch` Logs.
    Awslogs,
    /// The container of the task that has a `firelensConfiguration`.
    Awsfirelens,
    /// Splunk.
    Splunk,
}

/// The log router that a container is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionFirelensConfiguration {
    /// The kind of router.
    #[serde(rename = "type")]
    pub kind: TaskDefinitionFirelensConfigurationType,
    /// Options of the router.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// The kind of a log router.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionFirelensConfigurationType {
    Fluentbit,
    Fluentd,
}

/// A container that has to be up before another starts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionContainerDependency {
    /// The name of that container.
    pub container_name: String,
    /// What has to be true of it.
    pub condition: TaskDefinitionContainerCondition,
}

/// What a container waits for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskDefinitionContainerCondition {
    /// It has started.
    Start,
    /// It has ended.
    Complete,
    /// It has ended with exit code 0.
    Success,
    /// Its health check passes.
    Healthy,
}

/// When a container starts again in its task.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionRestartPolicy {
    /// Whether it does. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Exit codes after which it does not.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    pub ignored_exit_codes: Vec<i32>,
    /// How long it has to have run, in seconds. Default: 300.
    #[serde(default = "three_hundred")]
    #[schemars(range(min = 60, max = 1800))]
    pub restart_attempt_period: i32,
}

/// Where a container finds a volume.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionMountPoint {
    /// The name of the volume.
    pub source_volume: String,
    /// The folder in the container.
    pub container_path: String,
    /// Whether the container cannot write to it. Default: false.
    #[serde(default)]
    pub read_only: bool,
}

/// A container whose volumes another mounts too.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionVolumeFrom {
    /// The name of that container.
    pub source_container: String,
    /// Whether this container cannot write to them. Default: false.
    #[serde(default)]
    pub read_only: bool,
}

/// Settings of the Linux kernel for a container.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionLinuxParameters {
    /// Whether a small init process passes signals on and reaps processes that have ended. Default: false.
    #[serde(default)]
    pub init_process_enabled: bool,
    /// Capabilities that the container has beyond or below Docker's defaults.
    #[serde(default)]
    pub capabilities: TaskDefinitionKernelCapabilities,
}

/// Capabilities of the Linux kernel.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionKernelCapabilities {
    /// Those to add. Fargate knows `SYS_PTRACE` alone.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    pub add: Vec<String>,
    /// Those to drop, or `ALL`.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    pub drop: Vec<String>,
}

/// A limit on what a container may use of the operating system.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionUlimit {
    /// What is limited.
    pub name: TaskDefinitionUlimitName,
    /// The limit that a process may raise by itself, up to `hardLimit`.
    pub soft_limit: i32,
    /// The most that a process may raise it to.
    pub hard_limit: i32,
}

/// What a limit is on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionUlimitName {
    /// The number of open files, the only limit that Fargate lets be set.
    Nofile,
}

/// A kernel parameter to set in a container.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionSystemControl {
    /// The parameter, such as `net.core.somaxconn`.
    pub namespace: String,
    /// Its value.
    pub value: String,
}

/// How to log in to a private registry.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionRepositoryCredentials {
    /// The ARN of the secret that holds the user name and the password.
    pub credentials_parameter: String,
}

/// Whether a tag means the same image for all tasks of a deployment.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionVersionConsistency {
    #[default]
    Enabled,
    Disabled,
}

/// The processor and the operating system that images are built for.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionRuntimePlatform {
    /// The processor. Default: `X86_64`.
    #[serde(default)]
    pub cpu_architecture: TaskDefinitionCpuArchitecture,
    /// The operating system. Default: `LINUX`.
    #[serde(default)]
    pub operating_system_family: TaskDefinitionOperatingSystemFamily,
}

/// A processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum TaskDefinitionCpuArchitecture {
    #[default]
    #[serde(rename = "X86_64")]
    X86,
    /// Graviton: the same speed for a fifth less.
    #[serde(rename = "ARM64")]
    Arm,
}

/// An operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskDefinitionOperatingSystemFamily {
    #[default]
    Linux,
    #[serde(rename = "WINDOWS_SERVER_2019_CORE")]
    Windows2019Core,
    #[serde(rename = "WINDOWS_SERVER_2019_FULL")]
    Windows2019Full,
    #[serde(rename = "WINDOWS_SERVER_2022_CORE")]
    Windows2022Core,
    #[serde(rename = "WINDOWS_SERVER_2022_FULL")]
    Windows2022Full,
    #[serde(rename = "WINDOWS_SERVER_2025_CORE")]
    Windows2025Core,
    #[serde(rename = "WINDOWS_SERVER_2025_FULL")]
    Windows2025Full,
}

/// The disk that the containers of a task share.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionEphemeralStorage {
    /// Its size in GiB.
    #[schemars(range(min = 21, max = 200))]
    pub size_in_gib: i32,
}

/// A volume that containers mount.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionVolume {
    /// The name of the volume.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "made of letters, digits, hyphens and underscores"))]
    pub name: String,
    /// The file system of EFS that it is. Default: a folder on the disk of the task, which ends with it.
    pub efs_volume_configuration: Option<TaskDefinitionVolumeEfsVolumeConfiguration>,
}

/// A file system of EFS.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionVolumeEfsVolumeConfiguration {
    /// The id of the file system.
    pub file_system_id: String,
    /// The folder in the file system that is mounted as its root. Default: `/`.
    #[serde(default = "root")]
    pub root_directory: String,
    /// Whether what goes over the network is encrypted. Default: `ENABLED`.
    #[serde(default = "enabled")]
    pub transit_encryption: TaskDefinitionEnabled,
    /// The port for encrypted traffic. Default: one that EFS chooses.
    #[schemars(range(min = 1, max = 65535))]
    pub transit_encryption_port: Option<i32>,
    /// Who may mount it.
    pub authorization_config: Option<TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfig>,
}

/// Who may mount a file system of EFS.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfig {
    /// The id of the access point to mount it through.
    pub access_point_id: Option<String>,
    /// Whether it is mounted with the rights of the task role. Default: `DISABLED`.
    #[serde(default)]
    pub iam: TaskDefinitionEnabled,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskDefinitionEnabled {
    Enabled,
    #[default]
    Disabled,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionOutputs {
    #[serde(flatten)]
    pub inputs: TaskDefinitionInputs,
    /// The ARN of the latest revision, for services to run.
    #[schemars(extend("changesOnUpdate" = true))]
    pub arn: String,
    /// The ARN of the family: that of a revision without its number.
    pub arn_without_revision: String,
    /// The number of the latest revision.
    #[schemars(extend("changesOnUpdate" = true))]
    pub revision: i32,
}

fn least_cpu() -> String {
    "256".to_owned()
}

fn least_memory() -> String {
    "512".to_owned()
}

fn awsvpc() -> String {
    "awsvpc".to_owned()
}

fn fargate() -> Vec<String> {
    vec!["FARGATE".to_owned()]
}

fn root() -> String {
    "/".to_owned()
}

fn enabled() -> TaskDefinitionEnabled {
    TaskDefinitionEnabled::Enabled
}

fn yes() -> bool {
    true
}

fn three() -> i32 {
    3
}

fn five() -> i32 {
    5
}

fn thirty() -> i32 {
    30
}

fn three_hundred() -> i32 {
    300
}

/// What task definitions to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionQuery {
    /// What their families begin with. Default: anything.
    #[schemars(length(min = 1))]
    pub family_prefix: Option<String>,
}

impl Resource for TaskDefinition {
    const NAME: &'static str = "TaskDefinition";
    type Inputs = TaskDefinitionInputs;
    type Outputs = TaskDefinitionOutputs;
    type Query = TaskDefinitionQuery;

    fn check(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
        check_size(inputs, report);
        report.rule(
            &["networkMode"],
            inputs.network_mode == "awsvpc",
            format!("is {}, which Fargate does not have; leave it out, or say awsvpc", inputs.network_mode),
        );
        report.rule(
            &["requiresCompatibilities"],
            inputs.requires_compatibilities.iter().any(|it| it == "FARGATE"),
            "lacks FARGATE, without which no task can run there",
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
            check_health(&path, container, inputs, report);
            check_logs(&path, container, inputs, report);
            check_references(&path, container, inputs, report);
            check_execution_role(&path, container, inputs, report);
            check_rights(container, inputs, report);
        }
    }

    fn part(inputs: &TaskDefinitionInputs, report: &Report<'_>) -> Option<Part> {
        let containers = inputs.container_definitions.iter().enumerate();
        let containers = containers.map(|(index, it)| part_of(&format!("containerDefinitions[{index}]"), it, report)).collect();
        Some(Part::Task(Task {
            family: report.shown(&inputs.family),
            containers: report.sees("containerDefinitions").then_some(containers),
            has_task_role: inputs.task_role_arn.is_some() || !report.knows("taskRoleArn"),
        }))
    }

    async fn create(context: &Context, inputs: &TaskDefinitionInputs) -> Result<String> {
        let arn = register(context, inputs).await?;
        context.made(&arn);
        // The family may have had revisions before.
        deregister_old(context, inputs).await?;
        Ok(arn)
    }

    async fn update(context: &Context, _: &str, old: &TaskDefinitionOutputs, new: &TaskDefinitionInputs) -> Result<()> {
        let changed = changed(&old.inputs, new)?;
        if changed.iter().any(|it| it != "tags" && it != "keepRevisions") {
            let arn = register(context, new).await?;
            shown(context, &new.family, &arn).await?;
        } else {
            ecs::retag(&context.aws, &old.arn, &old.inputs.tags, &new.tags).await?;
        }
        deregister_old(context, new).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<TaskDefinitionOutputs>> {
        let name = name_in(id)?;
        let Some(answer) = describe(context, name).await? else { return Ok(None) };
        let Some(revision) = answer.task_definition.filter(|it| it.status() == Some(&types::TaskDefinitionStatus::Active)) else {
            return Ok(None);
        };
        let arn = revision.task_definition_arn().unwrap_or_default().to_owned();
        Ok(Some(TaskDefinitionOutputs {
            inputs: from_aws(&revision, answer.tags.as_deref().unwrap_or_default())
                .with_context(|| format!("{arn} has what Fargate does not"))?,
            arn_without_revision: arn.rsplit_once(':').map_or(arn.as_str(), |(family, _)| family).to_owned(),
            revision: revision.revision(),
            arn,
        }))
    }

    fn id(outputs: &TaskDefinitionOutputs) -> String {
        outputs.inputs.family.clone()
    }

    async fn list(context: &Context, query: &TaskDefinitionQuery, at: &Cursor) -> Result<Page> {
        let request = context.aws.ecs().list_task_definition_families().set_family_prefix(query.family_prefix.clone());
        let request = request.status(types::TaskDefinitionFamilyStatus::Active);
        let request = request.max_results(at.size(1..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        // AWS says what a revision runs on only one at a time.
        let latest = answer.families.unwrap_or_default().into_iter().map(|it| async move { describe(context, &it).await });
        let latest: Vec<_> = stream::iter(latest).buffered(10).try_collect().await?;
        let ours = latest.into_iter().flatten().filter_map(|it| it.task_definition).filter(runs_on_fargate);
        Ok(Page::new(ours.filter_map(|it| it.family).map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &TaskDefinitionOutputs) -> Result<()> {
        let revisions = active_revisions(context, id).await?;
        deregister(context, &revisions).await
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
        &[&at("transitEncryption"), &at("authorizationConfig")],
        efs.transit_encryption == TaskDefinitionEnabled::Enabled,
        "is DISABLED, with which EFS allows no authorizationConfig",
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
        let meant = report.meant::<Role>(path, arn.as_deref());
        report.compare(path, &[], &meant, |role| {
            let way = "allow ecs-tasks.amazonaws.com to do sts:AssumeRole in its assumeRolePolicy";
            (!role.is_for_tasks).then(|| format!("is role {}, which tasks may not act as; {way}", role.name))
        });
    }
}

/// All containers of a task share one address.
fn check_ports(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
    let mut earlier = Vec::<(String, String, &TaskDefinitionPortMapping)>::new();
    for (index, container) in inputs.container_definitions.iter().enumerate() {
        for (port_index, port) in container.port_mappings.iter().enumerate() {
            let path = format!("containerDefinitions[{index}].portMappings[{port_index}]");
            let at = |name: &str| format!("{path}.{name}");
            for (other, owner, taken) in &earlier {
                let same = taken.container_port == port.container_port && taken.protocol == port.protocol;
                report.rule(
                    &[&at("containerPort"), &at("protocol"), other],
                    !same,
                    format!("is {}, on which container {owner} listens already; the containers of a task share one address", port.container_port),
                );
                let name = port.name.as_ref().filter(|it| taken.name.as_ref() == Some(it));
                let reason = format!("is {:?}, which {other} is called already", port.name.as_deref().unwrap_or_default());
                report.rule(&[&at("name"), &format!("{other}.name")], name.is_none(), reason);
            }
            earlier.push((path, container.name.clone(), port));
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
        // From each container back to itself, by what comes after it in the list: so that a circle is told once.
        let mut ways = vec![vec![first]];
        while let Some(way) = ways.pop() {
            let last = way[way.len() - 1];
            if way.len() > 1 && waits_for(last).any(|it| it == first) {
                let names: Vec<_> = way.iter().chain([&first]).map(|it| containers[*it].name.as_str()).collect();
                let reason = format!("goes round in a circle, so that none can start: {}", names.join(", which waits for "));
                report.rule(&with(&format!("containerDefinitions[{first}].dependsOn"), &over), false, reason);
                break;
            }
            ways.extend(waits_for(last).filter(|it| *it > first && !way.contains(it)).map(|it| [way.clone(), vec![it]].concat()));
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
            &[&format!("{path}.config-file-type"), &path],
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
    }
    report_doubles(&at("environment"), "name", container.environment.iter().map(|it| &it.name), report);
    report_doubles(&at("secrets"), "name", container.secrets.iter().map(|it| &it.name), report);
    for (index, secret) in container.secrets.iter().enumerate() {
        report.rule(
            &[&at(&format!("secrets[{index}].name")), &at("environment")],
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
            limit.soft_limit <= limit.hard_limit,
            format!("is {}, more than hardLimit, which is {}", limit.soft_limit, limit.hard_limit),
        );
    }
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

fn check_logs(
    path: &str,
    container: &TaskDefinitionContainerDefinition,
    inputs: &TaskDefinitionInputs,
    report: &mut Report<'_>,
) {
    let Some(logs) = &container.log_configuration else { return };
    let at = |name: &str| format!("{path}.logConfiguration.{name}");
    let (driver, option) = (at("logDriver"), |name: &str| at(&format!("options.{name}")));
    let given = |name: &str| logs.options.contains_key(name) || logs.secret_options.iter().any(|it| it.name == name);
    match logs.log_driver {
        TaskDefinitionLogDriver::Awslogs => {
            for (name, why) in AWSLOGS_REQUIRED {
                let reason = format!("is required by awslogs: {why}");
                report.rule(&[&option(name), &at("secretOptions"), &driver], given(name), reason);
            }
            let names: Vec<_> = AWSLOGS_REQUIRED.iter().map(|it| it.0).chain(AWSLOGS_OPTIONS).collect();
            for name in logs.options.keys() {
                let hint = match nearest(name, &names) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", names[..8].join(", ")),
                };
                // Its value does not matter.
                report.rule(&[&option(name), &driver], names.contains(&name.as_str()), format!("is no option of awslogs; {hint}"));
            }
            report.rule(
                &[&option("awslogs-multiline-pattern"), &driver],
                !given("awslogs-multiline-pattern") || !given("awslogs-datetime-format"),
                "is set beside awslogs-datetime-format; awslogs takes one of them",
            );
            let create = logs.options.get("awslogs-create-group").map_or("true", String::as_str);
            let reason = format!("is {create:?}, not true; to have a log group of your own, leave it out");
            report.rule(&[&option("awslogs-create-group"), &driver], ["true", "false"].contains(&create), reason);
        }
        TaskDefinitionLogDriver::Awsfirelens => {
            let router = inputs.container_definitions.iter().any(|it| it.firelens_configuration.is_some());
            report.rule(
                &with(&driver, &paths(inputs, "firelensConfiguration")),
                router,
                "is awsfirelens, but no container is the log router; give one a firelensConfiguration",
            );
            report.rule(
                &[&driver, &format!("{path}.firelensConfiguration")],
                !router || container.firelens_configuration.is_none(),
                "is awsfirelens, but this container is the log router itself; awslogs shows what it says",
            );
        }
        TaskDefinitionLogDriver::Splunk => {
            for (name, why) in [("splunk-url", "where Splunk is"), ("splunk-token", "its token, best in secretOptions")] {
                report.rule(&[&option(name), &at("secretOptions"), &driver], given(name), format!("is required by splunk: {why}"));
            }
        }
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
            &with(&at, &[&names[..], &paths(inputs, "healthCheck")].concat()),
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
            &[&format!("{path}.mountPoints[{index}].sourceVolume"), "volumes"],
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
            &["executionRoleArn", &format!("{path}.{property}")],
            inputs.execution_role_arn.is_some(),
            format!(
                "is required, for container {} needs it {why}; give a role that ecs-tasks.amazonaws.com may assume, with the \
                 policy service-role/AmazonECSTaskExecutionRolePolicy",
                container.name
            ),
        );
    }
}

fn is_in_ecr(image: &str) -> bool {
    [".dkr.ecr.", ".dkr-ecr."].iter().any(|it| image.contains(it))
}

/// What the execution role is needed for, it has to be allowed. Others may allow it, so that it is not certain.
fn check_rights(
    container: &TaskDefinitionContainerDefinition,
    inputs: &TaskDefinitionInputs,
    report: &mut Report<'_>,
) {
    let logs = container.log_configuration.as_ref();
    let log_option = |name: &str| logs.and_then(|it| it.options.get(name)).map(String::as_str);
    let secrets = || container.secrets.iter().chain(logs.iter().flat_map(|it| &it.secret_options));
    let any = |kind: fn(&str) -> bool| secrets().any(|it| kind(&it.value_from));
    let basic = is_in_ecr(&container.image) || logs.is_some_and(|it| it.log_driver == TaskDefinitionLogDriver::Awslogs);
    let needs = [
        (any(|from| from.contains(":secretsmanager:")), "secretsmanager:GetSecretValue", "to read its secrets"),
        // What is not known yet is empty.
        (any(str::is_empty), "secretsmanager:GetSecretValue or ssm:GetParameters", "to read its secrets"),
        (any(|from| !from.contains(":secretsmanager:")), "ssm:GetParameters", "to read its secrets"),
        (!container.environment_files.is_empty(), "s3:GetObject", "to read its environmentFiles"),
        (container.repository_credentials.is_some(), "secretsmanager:GetSecretValue", "to log in to its registry"),
        (log_option("awslogs-create-group") == Some("true"), "logs:CreateLogGroup", "for awslogs-create-group"),
    ];
    let more = needs.into_iter().find(|it| it.0);
    let meant = report.meant::<Role>("executionRoleArn", inputs.execution_role_arn.as_deref());
    report.doubt("executionRoleArn", &[], &meant, |role| match (role.rights, more) {
        (Rights::None, None) if basic => Some(format!(
            "is role {}, which has no policies, so that container {} cannot start; add the ARN of \
             service-role/AmazonECSTaskExecutionRolePolicy to its managedPolicyArns",
            role.name, container.name
        )),
        (Rights::None | Rights::Execution, Some((_, action, why))) => Some(format!(
            "is role {}, which is not allowed {action}, but container {} needs that {why}; allow it in inlinePolicies of the role",
            role.name, container.name
        )),
        _ => None,
    });
}

/// What services have to know of a container.
fn part_of(path: &str, container: &TaskDefinitionContainerDefinition, report: &Report<'_>) -> Container {
    let at = |name: &str| format!("{path}.{name}");
    let protocol = |it: &TaskDefinitionPortMapping| match it.protocol {
        TaskDefinitionTransportProtocol::Tcp => "tcp",
        TaskDefinitionTransportProtocol::Udp => "udp",
    };
    let health = container.health_check.as_ref().filter(|_| report.knows(&at("healthCheck")));
    Container {
        name: report.known(&at("name"), container.name.clone()),
        shown: report.shown(&container.name),
        essential: container.essential,
        ports: report.known(
            &at("portMappings"),
            container.port_mappings.iter().map(|it| (it.container_port, protocol(it))).collect(),
        ),
        health: health.map(|it| (it.interval, it.start_period)),
        stop_timeout: container.stop_timeout.filter(|_| report.knows(&at("stopTimeout"))),
    }
}

/// Registers a revision and returns its ARN.
async fn register(context: &Context, inputs: &TaskDefinitionInputs) -> Result<String> {
    let containers = inputs.container_definitions.iter().map(container_to_aws).collect::<Result<Vec<_>>>()?;
    let volumes = inputs.volumes.iter().map(volume_to_aws).collect::<Result<Vec<_>>>()?;
    let platform = types::RuntimePlatform::builder()
        .cpu_architecture(name_of(inputs.runtime_platform.cpu_architecture).as_str().into())
        .operating_system_family(name_of(inputs.runtime_platform.operating_system_family).as_str().into())
        .build();
    let storage = |it: &TaskDefinitionEphemeralStorage| types::EphemeralStorage::builder().size_in_gib(it.size_in_gib).build();
    let register = || async {
        let request = context
            .aws
            .ecs()
            .register_task_definition()
            .family(&inputs.family)
            .set_container_definitions(Some(containers.clone()))
            .cpu(&inputs.cpu)
            .memory(&inputs.memory)
            .set_execution_role_arn(inputs.execution_role_arn.clone())
            .set_task_role_arn(inputs.task_role_arn.clone())
            .network_mode(inputs.network_mode.as_str().into())
            .set_requires_compatibilities(Some(inputs.requires_compatibilities.iter().map(|it| it.as_str().into()).collect()))
            .runtime_platform(platform.clone())
            .set_ephemeral_storage(inputs.ephemeral_storage.as_ref().map(storage))
            .set_volumes(filled(volumes.clone()))
            .set_tags(filled(ecs::to_tags(&inputs.tags)));
        request.send().await.explain()
    };
    let registered = context.observer.settle(BUSY, register).await?.task_definition;
    registered.and_then(|it| it.task_definition_arn).context("AWS registered a task definition without an ARN")
}

/// The revision of that name, or the latest of that family.
async fn describe(context: &Context, name: &str) -> Result<Option<DescribeTaskDefinitionOutput>> {
    let request = context.aws.ecs().describe_task_definition().task_definition(name);
    match request.include(types::TaskDefinitionField::Tags).send().await.explain() {
        Err(error) if is_missing(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Waits until AWS, asked for the family, answers with the revision `arn` or a later one: services run what it shows.
async fn shown(context: &Context, family: &str, arn: &str) -> Result<()> {
    let registered = arn.rsplit_once(':').and_then(|(_, revision)| revision.parse::<i32>().ok());
    let look = || async {
        let latest = describe(context, family).await?.and_then(|it| it.task_definition).map(|it| it.revision());
        Ok(if latest >= registered { Seen::Ready(()) } else { Seen::Pending(format!("waiting for AWS to show {arn}")) })
    };
    context.observer.wait(format!("AWS to show {arn}"), Patience::seconds(30), look).await
}

/// Deregisters the revisions beyond those to keep.
async fn deregister_old(context: &Context, inputs: &TaskDefinitionInputs) -> Result<()> {
    let Some(keep) = inputs.keep_revisions else { return Ok(()) };
    let revisions = active_revisions(context, &inputs.family).await?;
    let old: Vec<_> = revisions.into_iter().skip(keep.try_into()?).collect();
    deregister(context, &old).await
}

async fn deregister(context: &Context, revisions: &[String]) -> Result<()> {
    for (index, arn) in revisions.iter().enumerate() {
        ensure!(!context.observer.cancel.is_cancelled(), "cancelled before {arn} was deregistered");
        (context.observer.progress)(&format!("deregistering revision {} of {}", index + 1, revisions.len()));
        match context.aws.ecs().deregister_task_definition().task_definition(arn).send().await.explain() {
            // Someone was faster.
            Err(error) if is_inactive(&error) => {}
            answer => _ = answer?,
        }
    }
    Ok(())
}

/// The ARNs of the active revisions of a family, the latest first.
async fn active_revisions(context: &Context, family: &str) -> Result<Vec<String>> {
    let request = context.aws.ecs().list_task_definitions().family_prefix(family).sort(types::SortOrder::Desc);
    let request = request.status(types::TaskDefinitionStatus::Active);
    let arns = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
    // A prefix may be that of other families too.
    let of_family = |arn: &String| name_in(arn).is_ok_and(|it| it.rsplit_once(':').is_some_and(|(name, _)| name == family));
    Ok(arns.into_iter().filter(of_family).collect())
}

/// Whether it is what Fargate runs, and nothing else is in it.
fn runs_on_fargate(revision: &types::TaskDefinition) -> bool {
    let active = revision.status() == Some(&types::TaskDefinitionStatus::Active);
    active && revision.requires_compatibilities().contains(&types::Compatibility::Fargate) && from_aws(revision, &[]).is_ok()
}

fn is_inactive(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| it.code == "ClientException" && it.message.contains("inactive"))
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| it.message.starts_with("Unable to describe task definition"))
}

/// `family` or `family:revision`, from itself or from an ARN.
fn name_in(id: &str) -> Result<&str> {
    let name = id.rsplit_once(":task-definition/").map_or(id, |(_, name)| name);
    let (family, revision) = name.split_once(':').unwrap_or((name, "1"));
    if family.is_empty() || family.contains('/') || revision.parse::<u32>().is_err() {
        bail!("{id:?} is no task definition; give its family, family:revision, or ARN");
    }
    Ok(name)
}

/// A list that says something. An empty one may mean more than none: an `entryPoint` without a word, for one.
fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|it| !it.is_empty())
}

fn container_to_aws(it: &TaskDefinitionContainerDefinition) -> Result<types::ContainerDefinition> {
    let ports = it.port_mappings.iter().map(|it| {
        types::PortMapping::builder()
            .container_port(it.container_port)
            .set_host_port(it.host_port.filter(|it| *it != 0))
            .protocol(name_of(it.protocol).as_str().into())
            .set_name(it.name.clone())
            .set_app_protocol(it.app_protocol.map(|it| name_of(it).as_str().into()))
            .build()
    });
    let environment = it.environment.iter().map(|it| types::KeyValuePair::builder().name(&it.name).value(&it.value).build());
    let files = it.environment_files.iter().map(|it| {
        let kind = types::EnvironmentFileType::from(name_of(it.kind).as_str());
        Ok(types::EnvironmentFile::builder().value(&it.value).r#type(kind).build()?)
    });
    let dependencies = it.depends_on.iter().map(|it| {
        let condition = types::ContainerCondition::from(name_of(it.condition).as_str());
        Ok(types::ContainerDependency::builder().container_name(&it.container_name).condition(condition).build()?)
    });
    let mounts = it.mount_points.iter().map(|it| {
        let mount = types::MountPoint::builder().source_volume(&it.source_volume).container_path(&it.container_path);
        mount.read_only(it.read_only).build()
    });
    let volumes_from = it.volumes_from.iter().map(|it| {
        types::VolumeFrom::builder().source_container(&it.source_container).read_only(it.read_only).build()
    });
    let limits = it.ulimits.iter().map(|it| {
        let limit = types::Ulimit::builder().name(name_of(it.name).as_str().into());
        Ok(limit.soft_limit(it.soft_limit).hard_limit(it.hard_limit).build()?)
    });
    let controls = it.system_controls.iter().map(|it| {
        types::SystemControl::builder().namespace(&it.namespace).value(&it.value).build()
    });
    let credentials = it.repository_credentials.as_ref().map(|it| {
        types::RepositoryCredentials::builder().credentials_parameter(&it.credentials_parameter).build()
    });
    Ok(types::ContainerDefinition::builder()
        .name(&it.name)
        .image(&it.image)
        .essential(it.essential)
        .cpu(it.cpu)
        .set_memory(it.memory)
        .set_memory_reservation(it.memory_reservation)
        .set_port_mappings(filled(ports.collect()))
        .set_environment(filled(environment.collect()))
        .set_environment_files(filled(files.collect::<Result<_>>()?))
        .set_secrets(filled(secrets_to_aws(&it.secrets)?))
        .set_command(filled(it.command.clone()))
        .set_entry_point(filled(it.entry_point.clone()))
        .set_working_directory(it.working_directory.clone())
        .set_user(it.user.clone())
        .set_health_check(it.health_check.as_ref().map(health_to_aws).transpose()?)
        .set_log_configuration(it.log_configuration.as_ref().map(logs_to_aws).transpose()?)
        .set_firelens_configuration(it.firelens_configuration.as_ref().map(firelens_to_aws).transpose()?)
        .set_depends_on(filled(dependencies.collect::<Result<_>>()?))
        .set_start_timeout(it.start_timeout)
        .set_stop_timeout(it.stop_timeout)
        .set_restart_policy(it.restart_policy.as_ref().map(restart_to_aws).transpose()?)
        .set_mount_points(filled(mounts.collect()))
        .set_volumes_from(filled(volumes_from.collect()))
        .set_readonly_root_filesystem(it.readonly_root_filesystem.then_some(true))
        .set_interactive(it.interactive.then_some(true))
        .set_pseudo_terminal(it.pseudo_terminal.then_some(true))
        .set_linux_parameters(it.linux_parameters.as_ref().map(linux_to_aws))
        .set_ulimits(filled(limits.collect::<Result<_>>()?))
        .set_system_controls(filled(controls.collect()))
        .set_docker_labels(Some(it.docker_labels.clone().into_iter().collect()).filter(|it: &HashMap<_, _>| !it.is_empty()))
        .set_repository_credentials(credentials.transpose()?)
        .version_consistency(name_of(it.version_consistency).as_str().into())
        .build())
}

fn health_to_aws(it: &TaskDefinitionHealthCheck) -> Result<types::HealthCheck> {
    let check = types::HealthCheck::builder().set_command(Some(it.command.clone())).interval(it.interval);
    Ok(check.timeout(it.timeout).retries(it.retries).start_period(it.start_period).build()?)
}

fn logs_to_aws(it: &TaskDefinitionLogConfiguration) -> Result<types::LogConfiguration> {
    let logs = types::LogConfiguration::builder().log_driver(name_of(it.log_driver).as_str().into());
    let logs = logs.set_options(Some(it.options.clone().into_iter().collect()));
    Ok(logs.set_secret_options(filled(secrets_to_aws(&it.secret_options)?)).build()?)
}

fn firelens_to_aws(it: &TaskDefinitionFirelensConfiguration) -> Result<types::FirelensConfiguration> {
    let router = types::FirelensConfiguration::builder().r#type(name_of(it.kind).as_str().into());
    Ok(router.set_options(Some(it.options.clone().into_iter().collect())).build()?)
}

fn restart_to_aws(it: &TaskDefinitionRestartPolicy) -> Result<types::ContainerRestartPolicy> {
    let policy = types::ContainerRestartPolicy::builder().enabled(it.enabled);
    let policy = policy.set_ignored_exit_codes(filled(it.ignored_exit_codes.clone()));
    Ok(policy.restart_attempt_period(it.restart_attempt_period).build()?)
}

fn linux_to_aws(it: &TaskDefinitionLinuxParameters) -> types::LinuxParameters {
    let capabilities = types::KernelCapabilities::builder()
        .set_add(filled(it.capabilities.add.clone()))
        .set_drop(filled(it.capabilities.drop.clone()))
        .build();
    types::LinuxParameters::builder().init_process_enabled(it.init_process_enabled).capabilities(capabilities).build()
}

fn secrets_to_aws(secrets: &[TaskDefinitionSecret]) -> Result<Vec<types::Secret>> {
    let secret = |it: &TaskDefinitionSecret| Ok(types::Secret::builder().name(&it.name).value_from(&it.value_from).build()?);
    secrets.iter().map(secret).collect()
}

fn volume_to_aws(it: &TaskDefinitionVolume) -> Result<types::Volume> {
    let authorization = |it: &TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfig| {
        let authorization = types::EfsAuthorizationConfig::builder().set_access_point_id(it.access_point_id.clone());
        authorization.iam(name_of(it.iam).as_str().into()).build()
    };
    let efs = it.efs_volume_configuration.as_ref().map(|it| {
        types::EfsVolumeConfiguration::builder()
            .file_system_id(&it.file_system_id)
            .root_directory(&it.root_directory)
            .transit_encryption(name_of(it.transit_encryption).as_str().into())
            .set_transit_encryption_port(it.transit_encryption_port)
            .set_authorization_config(it.authorization_config.as_ref().map(authorization))
            .build()
    });
    Ok(types::Volume::builder().name(&it.name).set_efs_volume_configuration(efs.transpose()?).build())
}

fn from_aws(it: &types::TaskDefinition, tags: &[types::Tag]) -> Result<TaskDefinitionInputs> {
    let platform = it.runtime_platform();
    Ok(TaskDefinitionInputs {
        family: it.family().unwrap_or_default().to_owned(),
        container_definitions: it.container_definitions().iter().map(container_from_aws).collect::<Result<_>>()?,
        cpu: it.cpu().unwrap_or_default().to_owned(),
        memory: it.memory().unwrap_or_default().to_owned(),
        execution_role_arn: text(it.execution_role_arn()),
        task_role_arn: text(it.task_role_arn()),
        network_mode: it.network_mode().map_or("bridge", types::NetworkMode::as_str).to_owned(),
        requires_compatibilities: it.requires_compatibilities().iter().map(|it| it.as_str().to_owned()).collect(),
        runtime_platform: TaskDefinitionRuntimePlatform {
            cpu_architecture: value(platform.and_then(|it| it.cpu_architecture()).map(types::CpuArchitecture::as_str))?,
            operating_system_family: value(platform.and_then(|it| it.operating_system_family()).map(types::OsFamily::as_str))?,
        },
        ephemeral_storage: it
            .ephemeral_storage()
            .map(|it| TaskDefinitionEphemeralStorage { size_in_gib: it.size_in_gib() }),
        volumes: it.volumes().iter().map(volume_from_aws).collect::<Result<_>>()?,
        keep_revisions: None,
        tags: ecs::from_tags(tags),
    })
}

fn container_from_aws(it: &types::ContainerDefinition) -> Result<TaskDefinitionContainerDefinition> {
    let port = |it: &types::PortMapping| {
        Ok(TaskDefinitionPortMapping {
            container_port: it.container_port().unwrap_or_default(),
            host_port: it.host_port(),
            protocol: value(it.protocol().map(types::TransportProtocol::as_str))?,
            name: text(it.name()),
            app_protocol: it.app_protocol().map(|it| named(it.as_str())).transpose()?,
        })
    };
    let file = |it: &types::EnvironmentFile| {
        Ok(TaskDefinitionEnvironmentFile { value: it.value().to_owned(), kind: named(it.r#type().as_str())? })
    };
    let dependency = |it: &types::ContainerDependency| {
        let condition = named(it.condition().as_str())?;
        Ok(TaskDefinitionContainerDependency { container_name: it.container_name().to_owned(), condition })
    };
    let limit = |it: &types::Ulimit| {
        Ok(TaskDefinitionUlimit {
            name: named(it.name().as_str())?,
            soft_limit: it.soft_limit(),
            hard_limit: it.hard_limit(),
        })
    };
    let variable = |it: &types::KeyValuePair| TaskDefinitionKeyValuePair {
        name: it.name().unwrap_or_default().to_owned(),
        value: it.value().unwrap_or_default().to_owned(),
    };
    let mount = |it: &types::MountPoint| TaskDefinitionMountPoint {
        source_volume: it.source_volume().unwrap_or_default().to_owned(),
        container_path: it.container_path().unwrap_or_default().to_owned(),
        read_only: it.read_only().unwrap_or_default(),
    };
    let volume_from = |it: &types::VolumeFrom| TaskDefinitionVolumeFrom {
        source_container: it.source_container().unwrap_or_default().to_owned(),
        read_only: it.read_only().unwrap_or_default(),
    };
    let control = |it: &types::SystemControl| TaskDefinitionSystemControl {
        namespace: it.namespace().unwrap_or_default().to_owned(),
        value: it.value().unwrap_or_default().to_owned(),
    };
    let credentials = |it: &types::RepositoryCredentials| TaskDefinitionRepositoryCredentials {
        credentials_parameter: it.credentials_parameter().to_owned(),
    };
    Ok(TaskDefinitionContainerDefinition {
        name: it.name().unwrap_or_default().to_owned(),
        image: it.image().unwrap_or_default().to_owned(),
        essential: it.essential().unwrap_or(true),
        cpu: it.cpu(),
        memory: it.memory(),
        memory_reservation: it.memory_reservation(),
        port_mappings: it.port_mappings().iter().map(port).collect::<Result<_>>()?,
        environment: it.environment().iter().map(variable).collect(),
        environment_files: it.environment_files().iter().map(file).collect::<Result<_>>()?,
        secrets: secrets_from_aws(it.secrets()),
        command: it.command().to_vec(),
        entry_point: it.entry_point().to_vec(),
        working_directory: text(it.working_directory()),
        // A log router runs as root whatever is said, and AWS says so.
        user: text(it.user()).filter(|user| it.firelens_configuration().is_none() || user != "0"),
        health_check: it.health_check().map(health_from_aws),
        log_configuration: it.log_configuration().map(logs_from_aws).transpose()?,
        firelens_configuration: it.firelens_configuration().map(firelens_from_aws).transpose()?,
        depends_on: it.depends_on().iter().map(dependency).collect::<Result<_>>()?,
        start_timeout: it.start_timeout(),
        stop_timeout: it.stop_timeout(),
        restart_policy: it.restart_policy().map(restart_from_aws),
        mount_points: it.mount_points().iter().map(mount).collect(),
        volumes_from: it.volumes_from().iter().map(volume_from).collect(),
        readonly_root_filesystem: it.readonly_root_filesystem().unwrap_or_default(),
        interactive: it.interactive().unwrap_or_default(),
        pseudo_terminal: it.pseudo_terminal().unwrap_or_default(),
        linux_parameters: it.linux_parameters().map(linux_from_aws),
        ulimits: it.ulimits().iter().map(limit).collect::<Result<_>>()?,
        system_controls: it.system_controls().iter().map(control).collect(),
        docker_labels: sorted(it.docker_labels()),
        repository_credentials: it.repository_credentials().map(credentials),
        version_consistency: value(it.version_consistency().map(types::VersionConsistency::as_str))?,
    })
}

fn health_from_aws(it: &types::HealthCheck) -> TaskDefinitionHealthCheck {
    TaskDefinitionHealthCheck {
        command: it.command().to_vec(),
        interval: it.interval().unwrap_or_else(thirty),
        timeout: it.timeout().unwrap_or_else(five),
        retries: it.retries().unwrap_or_else(three),
        start_period: it.start_period().unwrap_or_default(),
    }
}

fn logs_from_aws(it: &types::LogConfiguration) -> Result<TaskDefinitionLogConfiguration> {
    Ok(TaskDefinitionLogConfiguration {
        log_driver: named(it.log_driver().as_str())?,
        options: sorted(it.options()),
        secret_options: secrets_from_aws(it.secret_options()),
    })
}

fn firelens_from_aws(it: &types::FirelensConfiguration) -> Result<TaskDefinitionFirelensConfiguration> {
    Ok(TaskDefinitionFirelensConfiguration { kind: named(it.r#type().as_str())?, options: sorted(it.options()) })
}

fn restart_from_aws(it: &types::ContainerRestartPolicy) -> TaskDefinitionRestartPolicy {
    TaskDefinitionRestartPolicy {
        enabled: it.enabled(),
        ignored_exit_codes: it.ignored_exit_codes().to_vec(),
        restart_attempt_period: it.restart_attempt_period().unwrap_or_else(three_hundred),
    }
}

fn linux_from_aws(it: &types::LinuxParameters) -> TaskDefinitionLinuxParameters {
    let capabilities =
        |it: &types::KernelCapabilities| TaskDefinitionKernelCapabilities { add: it.add().to_vec(), drop: it.drop().to_vec() };
    TaskDefinitionLinuxParameters {
        init_process_enabled: it.init_process_enabled().unwrap_or_default(),
        capabilities: it.capabilities().map(capabilities).unwrap_or_default(),
    }
}

fn secrets_from_aws(secrets: &[types::Secret]) -> Vec<TaskDefinitionSecret> {
    let secret = |it: &types::Secret| TaskDefinitionSecret { name: it.name().to_owned(), value_from: it.value_from().to_owned() };
    secrets.iter().map(secret).collect()
}

fn volume_from_aws(it: &types::Volume) -> Result<TaskDefinitionVolume> {
    let authorization = |it: &types::EfsAuthorizationConfig| {
        Ok::<_, anyhow::Error>(TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfig {
            access_point_id: text(it.access_point_id()),
            iam: value(it.iam().map(types::EfsAuthorizationConfigIam::as_str))?,
        })
    };
    let efs = |it: &types::EfsVolumeConfiguration| {
        Ok::<_, anyhow::Error>(TaskDefinitionVolumeEfsVolumeConfiguration {
            file_system_id: it.file_system_id().to_owned(),
            root_directory: text(it.root_directory()).unwrap_or_else(root),
            transit_encryption: value(it.transit_encryption().map(types::EfsTransitEncryption::as_str))?,
            transit_encryption_port: it.transit_encryption_port(),
            authorization_config: it.authorization_config().map(authorization).transpose()?,
        })
    };
    Ok(TaskDefinitionVolume {
        name: it.name().unwrap_or_default().to_owned(),
        efs_volume_configuration: it.efs_volume_configuration().map(efs).transpose()?,
    })
}

/// Text that says something: AWS shows none as an empty one.
fn text(it: Option<&str>) -> Option<String> {
    it.filter(|it| !it.is_empty()).map(str::to_owned)
}

/// The value of that name, or the default where AWS is silent.
fn value<T: DeserializeOwned + Default>(name: Option<&str>) -> Result<T> {
    name.map_or_else(|| Ok(T::default()), named)
}

fn sorted(map: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{diff, plan::Plan, resource::findings, resources::role, schema::Shapes, value::Value};

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
                at("options.awslogs-steam-prefix is no option of awslogs; did you mean awslogs-stream-prefix?"),
                at("options.colour is no option of awslogs; there are awslogs-group, awslogs-region, awslogs-stream-prefix, \
                    awslogs-create-group, awslogs-datetime-format, awslogs-multiline-pattern, mode, max-buffer-size"),
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
                "containerDefinitions[1].portMappings[0].containerPort is 53, on which container app listens already; the \
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
            ["containerDefinitions[1].dependsOn goes round in a circle, so that none can start: b, which waits for c, which waits for b"]
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
        let check = |interval: i32, period: i32| {
            json!({ "command": ["CMD", "redis-cli", "ping"], "interval": interval, "startPeriod": period })
        };
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
        let settle = || plan.settle("Role", &[("arn".to_owned(), arn.clone())].into());
        assert_eq!(told(), (vec![], vec![]), "it is not of this program");
        findings::<role::Role>(&plan, role("lambda", "lambda.amazonaws.com").into());
        let reason = "is role lambda, which tasks may not act as; allow ecs-tasks.amazonaws.com to do sts:AssumeRole in its \
                      assumeRolePolicy";
        assert_eq!(told_unknown(), (vec![], vec![format!("taskRoleArn most likely does not fit: it {reason}")]));
        settle();
        assert_eq!(told(), (vec![format!("taskRoleArn {reason}")], vec![]));
        assert_eq!(told_unknown(), (vec![], vec![]), "it is of something else");
        findings::<role::Role>(&plan, role("task", "ecs-tasks.amazonaws.com").into());
        assert_eq!(told_unknown(), (vec![], vec![]));
        settle();
        assert_eq!(told(), (vec![], vec![]));
    }

    #[test]
    fn the_execution_role_may_do_what_it_is_for() {
        let warned = |role: serde_json::Value, container: serde_json::Value| {
            let plan = Plan::default();
            let statement = json!({ "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" } });
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
        let lacks = |what: &str| format!("executionRoleArn is role starter, which is not allowed {what} in inlinePolicies of the role");
        let secret = |from: &str| json!({ "secrets": [{ "name": "A", "valueFrom": from }] });
        let managed = secret("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf");
        let reads = "but container app needs that to read its secrets; allow it";
        assert_eq!(warned(execution.clone(), managed.clone()), lacks(&format!("secretsmanager:GetSecretValue, {reads}")));
        assert_eq!(warned(execution.clone(), secret("/app/a")), lacks(&format!("ssm:GetParameters, {reads}")));
        assert_eq!(warned(json!({ "inlinePolicies": { "read": { "Statement": [] } } }), managed.clone()), "");
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
        assert_eq!(warned(execution, json!({ "logConfiguration": { "logDriver": "awslogs", "options": options } })), lacks(reason));
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

    /// What AWS adds to a container that says nothing is no change to it.
    #[test]
    fn what_aws_adds_means_nothing() {
        let said = container_to_aws(&serde_json::from_value(json!({ "name": "app", "image": "nginx" })).unwrap()).unwrap();
        let port = types::PortMapping::builder().container_port(80);
        let shown = types::ContainerDefinition::builder()
            .set_name(said.name.clone())
            .set_image(said.image.clone())
            .essential(true)
            .cpu(0)
            .set_environment(Some(Vec::new()))
            .set_mount_points(Some(Vec::new()))
            .set_volumes_from(Some(Vec::new()))
            .set_system_controls(Some(Vec::new()));
        let show = |it: types::ContainerDefinition| serde_json::to_value(container_from_aws(&it).unwrap()).unwrap();
        assert_eq!(show(said.clone()), show(shown.build()));
        let ports = |it: types::PortMapping| types::ContainerDefinition::builder().port_mappings(it).build();
        let echo = port.clone().host_port(80).protocol(types::TransportProtocol::Tcp);
        let shape = Shapes::of::<TaskDefinitionContainerDefinition>();
        let (said, shown) = (show(ports(port.build())), show(ports(echo.build())));
        assert!(diff::means_the_same(&said.into(), &shown.into(), shape.root()));
    }

    #[test]
    fn takes_any_name_a_person_would_paste() {
        assert_eq!(name_in("web").unwrap(), "web");
        assert_eq!(name_in("web:3").unwrap(), "web:3");
        assert_eq!(name_in("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:3").unwrap(), "web:3");
        assert!(name_in("arn:aws:ecs:eu-west-1:123456789012:service/main/web").is_err());
        assert!(name_in("web:latest").is_err());
    }
}
