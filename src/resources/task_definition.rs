//! ecs: a task definition, what the containers of a task are and how much of Fargate they get.
//!
//! The resource is the family. AWS never changes a revision: a change registers the next one.

mod answer;
mod normal;
mod rules;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_ecs::types;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    aws::{Explain as _, Passing, Patience, Refusal, Seen, Settle as _, ecs},
    check::{Findings, Foreign, Report},
    codec::{Unlisted, name_of, named},
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, changed, taken},
    value::Map,
};

use answer::{Described, describe};

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
    /// The CPU units that the containers share, of which 1024 are one vCPU: 256, 512, 1024, 2048, 4096, 8192, 16384 or 32768; or
    /// as text, such as `0.5 vCPU`. From 8192 on, for Linux on platform version 1.4.0 or later. Default: `256`, the least that
    /// Fargate has.
    #[serde(default = "least_cpu")]
    #[schemars(regex(pattern = "^[0-9]+$"), extend("expects" = "a number of CPU units, such as 256, or of vCPUs, such as 0.25 vCPU"))]
    pub cpu: String,
    /// The memory that the containers share, in MiB; or as text, such as `1 GB`. Which amounts there are depends on `cpu`.
    /// Default: `512`, the least that Fargate has.
    #[serde(default = "least_memory")]
    #[schemars(regex(pattern = "^[0-9]+$"), extend("expects" = "a number of MiB, such as 512, or of GB, such as 0.5 GB"))]
    pub memory: String,
    /// The ARN, or the name, of the role by which AWS starts a task: it pulls images, reads secrets and writes logs.
    #[schemars(transform = crate::aws::arn::role_or_name, extend("compare" = "arn"))]
    pub execution_role_arn: Option<String>,
    /// The ARN, or the name, of the role that the containers act as.
    #[schemars(transform = crate::aws::arn::role_or_name, extend("compare" = "arn"))]
    pub task_role_arn: Option<String>,
    /// How containers are connected. Default: `awsvpc`, each task with an address of its own; Fargate has no other.
    #[serde(default = "awsvpc")]
    pub network_mode: String,
    /// What AWS checks the task definition for: `FARGATE`, or an empty list for nothing. Default: `FARGATE`.
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
    /// Whether containers see each other's processes: `task`, for monitoring sidecars on Linux. Default: each sees its own.
    pub pid_mode: Option<TaskDefinitionPidMode>,
    /// Whether containers may ask for faults to be injected, for AWS Fault Injection Service. Default: false.
    #[serde(default)]
    pub enable_fault_injection: bool,
    /// How many of the latest revisions stay active; the others are deregistered when a new one is registered. At least 2, so
    /// that a service can be rolled back. Default: all.
    #[schemars(range(min = 2), extend("writeOnly" = true))]
    pub keep_revisions: Option<i32>,
    /// Tags to put on the task definition. A change of nothing but tags makes no new revision.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whose processes a container sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionPidMode {
    /// Those of all containers of the task.
    Task,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A container of a task.
#[expect(clippy::struct_excessive_bools, reason = "AWS has them")]
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionContainerDefinition {
    /// The name of the container, of letters, digits, hyphens and underscores.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    #[schemars(extend("expects" = "made of letters, digits, hyphens and underscores"))]
    pub name: String,
    /// The image to run, with its tag or digest, such as `public.ecr.aws/nginx/nginx:1.29`.
    #[schemars(length(min = 1))]
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
    /// The user that commands run as, such as `1000:1000`. A log router (`firelensConfiguration`) runs as `0` by default.
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
    /// Files that describe how the container authenticates with Active Directory, as `credentialspecdomainless:` and an ARN.
    #[serde(default)]
    pub credential_specs: Vec<String>,
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
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionTransportProtocol {
    #[default]
    Tcp,
    Udp,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What is spoken over a port.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionApplicationProtocol {
    Http,
    Http2,
    Grpc,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionLinuxParameters {
    /// Whether a small init process passes signals on and reaps processes that have ended. Default: false.
    #[serde(default)]
    pub init_process_enabled: bool,
    /// Capabilities that the container has beyond or below Docker's defaults.
    #[serde(default)]
    pub capabilities: TaskDefinitionKernelCapabilities,
    /// Folders in memory, which are empty when the container starts.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "containerPath"))]
    pub tmpfs: Vec<TaskDefinitionTmpfs>,
}

/// A folder in memory.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionTmpfs {
    /// The path of the folder in the container.
    #[schemars(length(min = 1))]
    pub container_path: String,
    /// Its greatest size, in MiB.
    #[schemars(range(min = 1))]
    pub size: i32,
    /// Options of the mount, such as `noexec`.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    pub mount_options: Vec<String>,
}

/// Capabilities of the Linux kernel.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The limit that a process may raise by itself, up to `hardLimit`; in bytes, seconds or as a count.
    pub soft_limit: i32,
    /// The most that a process may raise it to.
    pub hard_limit: i32,
}

/// What a limit is on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskDefinitionUlimitName {
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    /// The number of open files.
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    #[schemars(transform = crate::aws::ec2::id::file_system)]
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
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfig {
    /// The id of the access point to mount it through.
    #[schemars(transform = crate::aws::ec2::id::access_point)]
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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
    /// What the latest revision has in AWS and this provider does not support, such as `ipcMode`: somebody else registered it. An
    /// update that would drop it is refused.
    pub unsupported_settings: Vec<String>,
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
    type Cloud = crate::aws::Session;
    type Inputs = TaskDefinitionInputs;
    type Outputs = TaskDefinitionOutputs;
    type Query = TaskDefinitionQuery;

    const FOREIGN: &'static [Foreign] = normal::FOREIGN;

    fn adapt(inputs: &mut Map) -> Findings {
        normal::normalize(inputs)
    }

    fn check(inputs: &TaskDefinitionInputs, report: &mut Report<'_>) {
        rules::check(inputs, report);
    }

    fn facts(inputs: &TaskDefinitionInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(rules::facts(inputs, report)).named(report.known("family", inputs.family.clone())))
    }

    fn unsupported(outputs: &TaskDefinitionOutputs) -> Vec<String> {
        outputs.unsupported_settings.clone()
    }

    async fn create(context: &Context, inputs: &TaskDefinitionInputs) -> Result<String> {
        // AWS would add a revision to it, and the next destroy would deregister those of somebody else.
        if context.observer.ask(latest_active(context, &inputs.family)).await?.is_some() {
            bail!(taken::<Self>(&inputs.family, &inputs.family));
        }
        register(context, inputs).await
    }

    async fn update(context: &Context, _: &str, old: &TaskDefinitionOutputs, new: &TaskDefinitionInputs) -> Result<()> {
        let changed = changed(&old.inputs, new)?;
        if changed.iter().any(|it| it != "tags" && it != "keepRevisions") {
            if let Some(latest) = latest_active(context, &new.family).await? {
                refuse_foreign(&latest)?;
            }
            let arn = register(context, new).await?;
            shown(context, &new.family, &arn).await?;
        } else {
            ecs::retag(&context.client, &old.arn, &old.inputs.tags, &new.tags).await?;
        }
        deregister_old(context, new).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<TaskDefinitionOutputs>> {
        let name = name_in(id)?;
        let Some(described) = latest_active(context, name).await? else { return Ok(None) };
        let (answer, unsupported_settings) = (described.answer, described.foreign);
        let Some(revision) = answer.task_definition else { return Ok(None) };
        let arn = revision.task_definition_arn().unwrap_or_default().to_owned();
        Ok(Some(TaskDefinitionOutputs {
            inputs: from_aws(&revision, answer.tags.as_deref().unwrap_or_default()).with_context(|| arn.clone())?,
            arn_without_revision: arn.rsplit_once(':').map_or(arn.as_str(), |(family, _)| family).to_owned(),
            revision: revision.revision(),
            unsupported_settings,
            arn,
        }))
    }

    fn id(outputs: &TaskDefinitionOutputs) -> String {
        outputs.inputs.family.clone()
    }

    async fn list(context: &Context, query: &TaskDefinitionQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.ecs().list_task_definition_families().set_family_prefix(query.family_prefix.clone());
        let request = request.status(types::TaskDefinitionFamilyStatus::Active);
        let request = request.max_results(at.size(1..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        // AWS says what a revision runs on only one at a time.
        let latest = answer.families.unwrap_or_default().into_iter().map(|it| async move { describe(context, &it).await });
        let latest: Vec<_> = stream::iter(latest).buffered(10).try_collect().await?;
        let ours = latest.into_iter().flatten().filter(|it| it.foreign.is_empty()).filter_map(|it| it.answer.task_definition);
        let ours = ours.filter(runs_on_fargate);
        Ok(Page::new(ours.filter_map(|it| it.family).map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &TaskDefinitionOutputs) -> Result<()> {
        let revisions = active_revisions(context, id).await?;
        deregister(context, &revisions).await
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
            .client
            .ecs()
            .register_task_definition()
            .family(&inputs.family)
            .set_container_definitions(Some(containers.clone()))
            .cpu(&inputs.cpu)
            .memory(&inputs.memory)
            .set_execution_role_arn(inputs.execution_role_arn.clone())
            .set_task_role_arn(inputs.task_role_arn.clone())
            .network_mode(inputs.network_mode.as_str().into())
            .set_requires_compatibilities(filled(inputs.requires_compatibilities.iter().map(|it| it.as_str().into()).collect()))
            .runtime_platform(platform.clone())
            .set_ephemeral_storage(inputs.ephemeral_storage.as_ref().map(storage))
            .set_volumes(filled(volumes.clone()))
            .set_pid_mode(inputs.pid_mode.map(|it| name_of(it).as_str().into()))
            .set_enable_fault_injection(inputs.enable_fault_injection.then_some(true))
            .set_tags(filled(ecs::to_tags(&inputs.tags)));
        request.send().await.explain()
    };
    let registered = context.observer.settle(BUSY, register).await?.task_definition;
    registered.and_then(|it| it.task_definition_arn).context("AWS registered a task definition without an ARN")
}

/// The revision of that name, or the latest of that family, unless it is not active.
async fn latest_active(context: &Context, name: &str) -> Result<Option<Described>> {
    let active = |it: &Described| it.answer.task_definition().is_some_and(is_active);
    Ok(describe(context, name).await?.filter(active))
}

/// Fails if a revision has what inputs cannot say: the next one would lack it. A member of the task definition itself that this
/// version does not know at all may be one that AWS shows of every revision, and stops no update.
fn refuse_foreign(described: &Described) -> Result<()> {
    let arn = described.answer.task_definition().and_then(types::TaskDefinition::task_definition_arn).unwrap_or_default();
    let registered = |it: &&String| it.contains(['.', '[']) || normal::FOREIGN.iter().any(|foreign| foreign.name == it.as_str());
    let dropped: Vec<_> = described.foreign.iter().filter(registered).map(String::as_str).collect();
    ensure!(
        dropped.is_empty(),
        "{arn} has {}, which TaskDefinition does not support: the next revision would lack it; if no task needs it, register a \
         revision without it, or deregister this one, and try again",
        dropped.join(", ")
    );
    Ok(())
}

/// Waits until AWS, asked for the family, answers with the revision `arn` or a later one: services run what it shows.
async fn shown(context: &Context, family: &str, arn: &str) -> Result<()> {
    let registered = arn.rsplit_once(':').and_then(|(_, revision)| revision.parse::<i32>().ok());
    let look = || async {
        let latest = describe(context, family).await?.and_then(|it| it.answer.task_definition).map(|it| it.revision());
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
        match context.client.ecs().deregister_task_definition().task_definition(arn).send().await.explain() {
            // Someone was faster.
            Err(error) if is_inactive(&error) => {}
            answer => _ = answer?,
        }
    }
    Ok(())
}

/// The ARNs of the active revisions of a family, the latest first.
async fn active_revisions(context: &Context, family: &str) -> Result<Vec<String>> {
    let request = context.client.ecs().list_task_definitions().family_prefix(family).sort(types::SortOrder::Desc);
    let request = request.status(types::TaskDefinitionStatus::Active);
    let arns = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
    // A prefix may be that of other families too.
    let of_family = |arn: &String| name_in(arn).is_ok_and(|it| it.rsplit_once(':').is_some_and(|(name, _)| name == family));
    Ok(arns.into_iter().filter(of_family).collect())
}

fn is_active(revision: &types::TaskDefinition) -> bool {
    revision.status() == Some(&types::TaskDefinitionStatus::Active)
}

/// Whether it is what Fargate runs. One that was registered for nothing in particular may be.
fn runs_on_fargate(revision: &types::TaskDefinition) -> bool {
    let required = revision.requires_compatibilities();
    let compatible = if required.is_empty() { revision.compatibilities() } else { required };
    let network = revision.network_mode() == Some(&types::NetworkMode::Awsvpc);
    is_active(revision) && network && compatible.contains(&types::Compatibility::Fargate) && from_aws(revision, &[]).is_ok()
}

fn is_inactive(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| it.code == "ClientException" && it.message.contains("inactive"))
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
    let volumes_from = it
        .volumes_from
        .iter()
        .map(|it| types::VolumeFrom::builder().source_container(&it.source_container).read_only(it.read_only).build());
    let limits = it.ulimits.iter().map(|it| {
        let limit = types::Ulimit::builder().name(name_of(it.name).as_str().into());
        Ok(limit.soft_limit(it.soft_limit).hard_limit(it.hard_limit).build()?)
    });
    let controls =
        it.system_controls.iter().map(|it| types::SystemControl::builder().namespace(&it.namespace).value(&it.value).build());
    let credentials = it
        .repository_credentials
        .as_ref()
        .map(|it| types::RepositoryCredentials::builder().credentials_parameter(&it.credentials_parameter).build());
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
        .set_linux_parameters(it.linux_parameters.as_ref().map(linux_to_aws).transpose()?)
        .set_ulimits(filled(limits.collect::<Result<_>>()?))
        .set_system_controls(filled(controls.collect()))
        .set_docker_labels(Some(it.docker_labels.clone().into_iter().collect()).filter(|it: &HashMap<_, _>| !it.is_empty()))
        .set_repository_credentials(credentials.transpose()?)
        .set_credential_specs(filled(it.credential_specs.clone()))
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

fn linux_to_aws(it: &TaskDefinitionLinuxParameters) -> Result<types::LinuxParameters> {
    let tmpfs = it.tmpfs.iter().map(|it| {
        let tmpfs = types::Tmpfs::builder().container_path(&it.container_path).size(it.size);
        Ok(tmpfs.set_mount_options(filled(it.mount_options.clone())).build()?)
    });
    let capabilities = types::KernelCapabilities::builder()
        .set_add(filled(it.capabilities.add.clone()))
        .set_drop(filled(it.capabilities.drop.clone()))
        .build();
    let linux = types::LinuxParameters::builder().init_process_enabled(it.init_process_enabled).capabilities(capabilities);
    Ok(linux.set_tmpfs(filled(tmpfs.collect::<Result<_>>()?)).build())
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
        ephemeral_storage: it.ephemeral_storage().map(|it| TaskDefinitionEphemeralStorage { size_in_gib: it.size_in_gib() }),
        volumes: it.volumes().iter().map(volume_from_aws).collect::<Result<_>>()?,
        pid_mode: it.pid_mode().filter(|it| !it.as_str().is_empty()).map(|it| named(it.as_str())).transpose()?,
        enable_fault_injection: it.enable_fault_injection().unwrap_or_default(),
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
        Ok(TaskDefinitionUlimit { name: named(it.name().as_str())?, soft_limit: it.soft_limit(), hard_limit: it.hard_limit() })
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
        linux_parameters: it.linux_parameters().map(linux_from_aws).filter(|it| *it != TaskDefinitionLinuxParameters::default()),
        ulimits: it.ulimits().iter().map(limit).collect::<Result<_>>()?,
        system_controls: it.system_controls().iter().map(control).collect(),
        docker_labels: sorted(it.docker_labels()),
        repository_credentials: it.repository_credentials().map(credentials),
        credential_specs: it.credential_specs().to_vec(),
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
    let tmpfs = |it: &types::Tmpfs| TaskDefinitionTmpfs {
        container_path: it.container_path().to_owned(),
        size: it.size(),
        mount_options: it.mount_options().to_vec(),
    };
    TaskDefinitionLinuxParameters {
        init_process_enabled: it.init_process_enabled().unwrap_or_default(),
        capabilities: it.capabilities().map(capabilities).unwrap_or_default(),
        tmpfs: it.tmpfs().iter().map(tmpfs).collect(),
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
    let off = TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfig::default();
    let efs = |it: &types::EfsVolumeConfiguration| {
        Ok::<_, anyhow::Error>(TaskDefinitionVolumeEfsVolumeConfiguration {
            file_system_id: it.file_system_id().to_owned(),
            root_directory: text(it.root_directory()).unwrap_or_else(root),
            transit_encryption: value(it.transit_encryption().map(types::EfsTransitEncryption::as_str))?,
            transit_encryption_port: it.transit_encryption_port(),
            authorization_config: it.authorization_config().map(authorization).transpose()?.filter(|it| *it != off),
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
    use crate::{codec, diff, schema::Shapes};

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
    fn an_empty_pid_mode_is_none() {
        let shown = types::TaskDefinition::builder().pid_mode("".into()).network_mode(types::NetworkMode::Awsvpc).build();
        let read = codec::encode(&from_aws(&shown, &[]).unwrap()).unwrap();
        assert_eq!(read.get("pidMode").filter(|it| !it.is_empty()), None);
        let shown = types::TaskDefinition::builder().pid_mode(types::PidMode::Task).build();
        assert_eq!(from_aws(&shown, &[]).unwrap().pid_mode, Some(TaskDefinitionPidMode::Task));
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
