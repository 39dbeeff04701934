//! elasticache: a Redis, or Valkey, of one primary and its replicas. AWS calls it a replication group.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use aws_sdk_elasticache::{
    operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder,
    primitives::{DateTime, DateTimeFormat},
    types::{
        self, AuthTokenUpdateStrategyType, AutomaticFailoverStatus, CacheCluster, CloudWatchLogsDestinationDetails,
        ConfigureShard, DestinationDetails, DestinationType, KinesisFirehoseDestinationDetails, LogDeliveryConfigurationRequest,
        LogDeliveryConfigurationStatus, MultiAzStatus, ReplicationGroup,
    },
};
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Refusal, Seen, Settle as _,
        ec2::reach,
        elasticache::{self, BUSY},
        refused_with, status_of,
    },
    check::{Loss, Report},
    codec::{Unlisted, name_of, named},
    facts::{RedisParameterGroupFacts, RedisSubnetGroupFacts, SubnetFacts},
    list::{All, Cursor, Listed, Page},
    plan::{Candidates, Link},
    resource::{Context, Resource},
    value::Value,
};

/// What AWS says in an account that has never used `ElastiCache`, until the role that it makes for itself is known everywhere.
const ROLE_UNKNOWN: &[Passing] = &[("ServiceLinkedRoleNotFoundFault", "")];
const GONE: &str = "ReplicationGroupNotFoundFault";
const PORT: i32 = 6379;
const SNAPSHOT_REFUSED: &[&str] =
    &["SnapshotAlreadyExistsFault", "SnapshotQuotaExceededFault", "SnapshotFeatureNotSupportedFault"];
/// How long AWS may take to begin with a change that it agreed to make at once.
const BEGINS: Duration = Duration::from_mins(1);

pub struct RedisGroup;

/// A Redis, or Valkey, of one primary and its replicas: what AWS calls a replication group. It is of use when all of its
/// nodes are, which takes 5 to 15 minutes.
// No `Debug`: there is a password in it.
#[expect(clippy::struct_excessive_bools, reason = "AWS has that many switches")]
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisGroupInputs {
    /// The name of the replication group; AWS keeps it in lower case. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 40, "lowercase" = true, "compare" = "caseless"))]
    #[schemars(extend("expects" = "made of letters, digits and single hyphens, with a letter first"))]
    pub replication_group_id: String,
    /// What the Redis is for. Default: `Managed by Pulumi`, for AWS requires a description.
    #[serde(default = "managed")]
    #[schemars(length(max = 255))]
    pub description: String,
    /// The engine. A change from `redis` to `valkey` is made in place and needs `engineVersion`, and so is the way back from
    /// `valkey` 7.2 to `redis` 7.1; from a later `valkey` it is another group, without the data. Default: `redis`.
    #[serde(default = "redis")]
    pub engine: RedisGroupEngine,
    /// The version of the engine, such as `7.1`; before 6 with all three parts, such as `5.0.6`. Since 6, AWS chooses the third
    /// part, so `7.1.0` means `7.1`; and `6.x` means any version 6. A higher one is taken over in place; a lower one only another
    /// group can have, without the data. Default: the newest that AWS offers when the group is created.
    #[schemars(regex(pattern = r"^([2-5]\.\d+\.\d+|6\.x|([6-9]|[1-9]\d+)\.\d+(\.\d+)?)$"))]
    #[schemars(extend("computed" = true, "always" = true, "expects" = "a version such as 7.1, or before 6 such as 5.0.6"))]
    pub engine_version: Option<String>,
    /// The size of the nodes, such as `cache.t4g.small`.
    #[schemars(regex(pattern = r"^cache\.[a-z0-9-]+\.[a-z0-9]+$"))]
    #[schemars(extend("expects" = "a node type such as cache.t4g.small"))]
    pub node_type: String,
    /// How many nodes there are, the primary and its replicas. Default: 2 in a new group, so that a replica can take over;
    /// a group that exists stays as it is.
    #[schemars(range(min = 1, max = 500), extend("computed" = true, "always" = true))]
    pub num_cache_clusters: Option<i32>,
    /// How many node groups (shards) the data are spread over, each with a primary and replicas of its own. More than one
    /// makes it a Redis in cluster mode, which only clients that know of it can use. Default: 1 in a new group.
    #[schemars(range(min = 1, max = 500), extend("computed" = true, "always" = true))]
    pub num_node_groups: Option<i32>,
    /// How many replicas the primary of each node group has: another way to say `numCacheClusters`. Default: 1 in a new group.
    #[schemars(range(min = 0, max = 5), extend("computed" = true, "always" = true))]
    pub replicas_per_node_group: Option<i32>,
    /// Whether a replica takes over when the primary fails. Default: true where there is a replica, and in cluster mode, which
    /// needs it: without it a failed primary is down until a new one is up, and its data are lost. A group that exists stays as
    /// it is where nothing says how many nodes there are.
    pub automatic_failover_enabled: Option<bool>,
    /// Whether primary and replicas are in different zones. Default: true where there is a replica that can take over, so that
    /// one node survives if a zone fails. A group that exists stays as it is where nothing says how many nodes there are.
    pub multi_az_enabled: Option<bool>,
    /// The zones of the nodes, one a node, the primary's first. Only looked at where nodes are made: a change moves none that
    /// exist. Default: AWS chooses.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub preferred_cache_cluster_azs: Vec<String>,
    /// Whether connections are encrypted: clients then use `rediss://`. Default: true, for AWS allows a password only on
    /// encrypted connections.
    #[serde(default = "yes")]
    pub transit_encryption_enabled: bool,
    /// Whether connections must be encrypted. Default: `required`.
    #[schemars(extend("computed" = true))]
    pub transit_encryption_mode: Option<RedisGroupTransitEncryptionMode>,
    /// Whether data on disk, such as snapshots, are encrypted. Default: true, for it costs nothing and cannot be changed later.
    #[serde(default = "yes")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub at_rest_encryption_enabled: bool,
    /// The KMS key that data on disk are encrypted with, by its ARN or its id. Default: a key of AWS's own.
    #[schemars(regex(pattern = r"^(arn:[^:]+:kms:[^:]+:\d{12}:key/)?[A-Za-z0-9-]+$"))]
    #[schemars(extend("replaceOnChanges" = true, "compare" = "kmsKey"))]
    #[schemars(extend("expects" = "the ARN of a key, such as arn:aws:kms:eu-central-1:123456789012:key/…, or its id"))]
    pub kms_key_id: Option<String>,
    /// The password of Redis: 16 to 128 letters, digits and any of `!&#$^<>-`. AWS takes it away only where `userGroupIds` come
    /// in its place.
    #[schemars(length(min = 16, max = 128), regex(pattern = "^[!#-.0-?A-~]+$"))]
    #[schemars(extend("secret" = true, "writeOnly" = true))]
    #[schemars(extend("expects" = "made of printable characters other than space, /, \" and @"))]
    pub auth_token: Option<String>,
    /// What becomes of the password before, when `authToken` changes. Default: `ROTATE` where there was one, for tasks that run
    /// with it would be cut off before they are replaced: once all clients have the new one, `SET` ends the old one. Where there
    /// was none, `SET`, for everybody could go on without.
    #[schemars(extend("writeOnly" = true))]
    pub auth_token_update_strategy: Option<RedisGroupAuthTokenUpdateStrategy>,
    /// The user group whose users may log in, in place of one password for all.
    #[serde(default)]
    #[schemars(length(max = 1), extend("compare" = "set"))]
    pub user_group_ids: Vec<String>,
    /// The subnet group, whose subnets the nodes are in. Default: the one of the default VPC.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true, "always" = true, "compare" = "caseless"))]
    pub subnet_group_name: Option<String>,
    /// The security groups of the nodes, which should let in nobody but the services that use Redis. Default: the default one
    /// of the VPC.
    #[schemars(extend("compare" = "set", "computed" = true))]
    #[schemars(transform = crate::aws::ec2::id::security_group)]
    pub security_group_ids: Option<Vec<String>>,
    /// The parameter group, which holds the settings of Redis. Default: the one that AWS has for the version of the engine.
    #[schemars(extend("computed" = true, "always" = true, "compare" = "caseless"))]
    pub parameter_group_name: Option<String>,
    /// The port that the nodes listen at. Default: 6379, where clients of Redis look.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65535), extend("replaceOnChanges" = true))]
    pub port: i32,
    /// How many days the daily snapshot is kept; 0 for no snapshots. Default: 1, for AWS keeps one snapshot free of charge.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 35))]
    pub snapshot_retention_limit: i32,
    /// When the daily snapshot is taken, in UTC, such as `03:00-04:00`. Default: AWS chooses an hour.
    #[schemars(regex(pattern = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"))]
    #[schemars(extend("computed" = true, "expects" = "a time of the day in UTC such as 03:00-04:00"))]
    pub snapshot_window: Option<String>,
    /// When AWS may maintain the nodes, in UTC, such as `sun:05:00-sun:06:00`. Default: AWS chooses an hour of the week.
    #[schemars(regex(
        pattern = r"(?i)^(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d-(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d$"
    ))]
    #[schemars(extend("computed" = true, "always" = true, "compare" = "caseless", "expects" = "a time of the week in UTC such as sun:05:00-sun:06:00"))]
    pub maintenance_window: Option<String>,
    /// Whether AWS may install new minor versions in the maintenance window; it does so since version 6. What AWS has installed
    /// stays, though `engineVersion` still names a lower one of the same major version. Default: true, for they fix security
    /// holes.
    #[serde(default = "yes")]
    pub auto_minor_version_upgrade: bool,
    /// Whether changes are made at once. Default: true; otherwise `pulumi up` ends before the next maintenance window makes
    /// those of `nodeType`, `engine` and `engineVersion`, which `pendingModifiedValues` shows until then. AWS makes changes of
    /// `logDeliveryConfigurations`, `authToken`, encryption and the number of nodes only at once, and together with them what
    /// still waits.
    #[serde(default = "yes")]
    #[schemars(extend("writeOnly" = true))]
    pub apply_immediately: bool,
    /// Whether the group may be replaced by another one, which is empty, where AWS cannot make a change in place. Default: false,
    /// so that such a change is refused at preview.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub allow_data_loss: bool,
    /// Whether the group is deleted, or replaced, without a last snapshot of its data. Default: false, for there is no other way
    /// to get them back. It is what the last `pulumi up` was told that counts.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub skip_final_snapshot: bool,
    /// The name of the snapshot that is taken before the group is deleted, one that does not exist yet. Default: the id of the
    /// group, `final` and the time, such as `queue-final-20260131-235959`.
    #[schemars(length(min = 1, max = 255), extend("writeOnly" = true))]
    pub final_snapshot_identifier: Option<String>,
    /// The ARN of the SNS topic that hears of what happens to the nodes, such as a failover.
    #[schemars(transform = crate::aws::arn::topic)]
    pub notification_topic_arn: Option<String>,
    /// Where logs go.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "logType"))]
    pub log_delivery_configurations: Vec<RedisGroupLogDeliveryConfiguration>,
    /// Tags to put on the group and its nodes.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The engine of a Redis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisGroupEngine {
    /// Redis OSS, up to version 7.1.
    Redis,
    /// Valkey, which goes on from Redis 7.2 and costs less.
    Valkey,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

impl fmt::Display for RedisGroupEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Other(it) => it.as_str(),
        })
    }
}

/// Whether connections to a Redis must be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisGroupTransitEncryptionMode {
    /// Both kinds of connections are accepted, while clients move over.
    Preferred,
    /// Only encrypted connections are accepted.
    Required,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What becomes of the password of a Redis when another comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RedisGroupAuthTokenUpdateStrategy {
    /// Both are accepted, so that clients can move over. Where there was none, clients without one stay accepted.
    Rotate,
    /// Only the new one is accepted.
    Set,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Where the logs of a Redis go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisGroupLogDeliveryConfiguration {
    /// Which log: `slow-log` or `engine-log`.
    #[schemars(extend("enum" = ["slow-log", "engine-log"]))]
    pub log_type: String,
    /// Where it goes to: `cloudwatch-logs` or `kinesis-firehose`.
    #[schemars(extend("enum" = ["cloudwatch-logs", "kinesis-firehose"]))]
    pub destination_type: String,
    /// The name of the log group or of the delivery stream.
    #[schemars(length(min = 1))]
    pub destination: String,
    /// How it is written: `json` or `text`.
    #[schemars(extend("enum" = ["json", "text"]))]
    pub log_format: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisGroupOutputs {
    #[serde(flatten)]
    pub inputs: RedisGroupInputs,
    /// The ARN of the replication group.
    pub arn: String,
    /// The address of the primary, which stays the same in a failover. Empty in cluster mode.
    pub primary_endpoint_address: String,
    /// The address that spreads connections over the replicas, for reading. Empty in cluster mode.
    pub reader_endpoint_address: String,
    /// The address where clients learn of all node groups, in cluster mode. Otherwise empty.
    pub configuration_endpoint_address: String,
    /// The ids of the nodes.
    #[schemars(extend("changesOnUpdate" = true))]
    pub member_clusters: Vec<String>,
    /// Whether it is in cluster mode.
    pub cluster_enabled: bool,
    /// The version of the engine with all its parts, such as `7.1.0`.
    #[schemars(extend("changesOnUpdate" = true))]
    pub engine_version_actual: String,
    /// What AWS has agreed to and not done yet, by property, such as `nodeType`. The properties have these values already.
    #[schemars(extend("changesOnUpdate" = true))]
    pub pending_modified_values: BTreeMap<String, String>,
}

fn managed() -> String {
    "Managed by Pulumi".to_owned()
}

fn redis() -> RedisGroupEngine {
    RedisGroupEngine::Redis
}

fn yes() -> bool {
    true
}

fn port() -> i32 {
    PORT
}

fn one() -> i32 {
    1
}

impl Resource for RedisGroup {
    const NAME: &'static str = "RedisGroup";
    type Cloud = crate::aws::Session;
    type Inputs = RedisGroupInputs;
    type Outputs = RedisGroupOutputs;
    type Query = All;

    fn defaults(inputs: &RedisGroupInputs, report: &Report<'_>) -> Vec<(&'static str, Value)> {
        let text = |name: &'static str, it: Option<&String>, canonical: fn(&str) -> String| {
            it.filter(|_| report.knows(name)).map(|it| (name, Value::String(canonical(it))))
        };
        let spelled = [
            text("engineVersion", inputs.engine_version.as_ref(), asked_version),
            text("maintenanceWindow", inputs.maintenance_window.as_ref(), str::to_lowercase),
        ];
        let mut completed: Vec<_> = spelled.into_iter().flatten().collect();
        let says = |name: &&str| report.written(name).is_some();
        let sized = report.is_new() || COUNTS.iter().any(says);
        let known = COUNTS.iter().chain(&["automaticFailoverEnabled"]).all(|it| report.knows(it));
        let (failover, zones) = switches(inputs, cluster_mode(inputs, report).unwrap_or_default());
        let without_failover = inputs.automatic_failover_enabled == Some(false);
        for (name, default, applies) in
            [("automaticFailoverEnabled", failover, sized), ("multiAzEnabled", zones, sized || without_failover)]
        {
            let fresh = if known { Value::Bool(default) } else { Value::Unknown };
            // How many nodes there are is left to AWS, and so is this: it stays as it was.
            let kept = report.before(name).filter(|_| !applies);
            if !says(&name) {
                completed.push((name, kept.cloned().unwrap_or(fresh)));
            }
        }
        completed
    }

    fn check(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
        check_size(inputs, report);
        check_engine(inputs, report);
        check_encryption(inputs, report);
        check_windows(inputs, report);
        check_names(inputs, report);
        check_zones(inputs, report);
        if let Some(groups) =
            inputs.security_group_ids.as_ref().filter(|_| report.knows("port") && report.sees("securityGroupIds"))
        {
            reach::check_port("securityGroupIds", groups, inputs.port, report);
        }
        elasticache::check_description(&inputs.description, report);
        report.rule(
            &["skipFinalSnapshot", "finalSnapshotIdentifier"],
            !inputs.skip_final_snapshot || inputs.final_snapshot_identifier.is_none(),
            "is true, but finalSnapshotIdentifier names a snapshot to take: leave one of them out",
        );
        for (index, it) in inputs.log_delivery_configurations.iter().enumerate() {
            report.rule(
                &[&format!("logDeliveryConfigurations[{index}].logType"), "logDeliveryConfigurations[].logType"],
                !inputs.log_delivery_configurations[..index].iter().any(|other| other.log_type == it.log_type),
                format!("is {}, which goes somewhere already; AWS delivers each log to one place", it.log_type),
            );
            // As the documentation of ElastiCache on log delivery says.
            let (major, minor) = match it.log_type.as_str() {
                "slow-log" => (6, 0),
                "engine-log" => (6, 2),
                _ => continue,
            };
            report.rule(
                &[&format!("logDeliveryConfigurations[{index}].logType"), "engineVersion"],
                version(inputs).is_none_or(|it| it >= (major, minor)),
                format!(
                    "is {}, which AWS delivers since version {major}.{minor}: raise engineVersion, or leave this out",
                    it.log_type
                ),
            );
        }
    }

    fn check_change(old: &RedisGroupInputs, new: &RedisGroupInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let loss = Loss {
            switch: "allowDataLoss",
            allowed: new.allow_data_loss,
            why: |property| match property {
                "engine" => "AWS changes the engine from valkey to redis only where the versions are 7.2 and 7.1",
                "engineVersion" => "AWS goes back to no lower version",
                "transitEncryptionEnabled" => "before version 7, AWS does not change this",
                _ => "AWS does not change this of a group that exists",
            },
            what: format!("an empty group would take the place of {}", old.replication_group_id),
            rest: "what is in the group now is only in its final snapshot".to_owned(),
        };
        // In another region, all else is another, too.
        let moves = replacing.contains("region");
        report.refuse_loss(replacing.iter().filter(|it| !moves || *it == "region"), &loss);
        check_what_waits(old, new, report);
        report.warn(
            &["engine"],
            replacing.contains("engine") || !goes_back(old, new),
            "goes back from valkey 7.2 to redis 7.1, which AWS makes in place; user groups must be of users of the engine redis",
        );
        report.warn(
            &["snapshotRetentionLimit"],
            !replacing.is_empty() || new.snapshot_retention_limit >= old.snapshot_retention_limit,
            match new.snapshot_retention_limit {
                0 => "is 0 now: AWS takes no more daily snapshots, and deletes those that it took".to_owned(),
                days => {
                    format!("is {days} now and was {}: AWS deletes daily snapshots that are older", old.snapshot_retention_limit)
                }
            },
        );
        let same_group = old.parameter_group_name.is_some() && old.parameter_group_name == new.parameter_group_name;
        let parameters = report.resolve::<RedisParameterGroupFacts>("parameterGroupName", new.parameter_group_name.as_deref());
        report.compare("parameterGroupName", &["parameterGroupName"], &parameters, |it| {
            (same_group && it.recreated && replacing.is_empty()).then(|| {
                format!(
                    "is {}, which has to be deleted and created anew, and AWS deletes none that is in use: give that \
                     RedisParameterGroup another name, or leave its name out, and the new one is created first",
                    it.name
                )
            })
        });
        if RedisGroup::left_out(old, old, new).contains(&"engineVersion")
            && let (Some(before), Some(after)) = (&old.engine_version, &new.engine_version)
        {
            report.warn(
                &["engineVersion"],
                false,
                format!(
                    "is {after}, lower than {before}, which {} has by now. With autoMinorVersionUpgrade, a lower minor version is \
                     left out; set engineVersion to {before}",
                    old.replication_group_id
                ),
            );
        }
        let stays = replacing.is_empty();
        report.rule(
            &["engineVersion", "engine"],
            !stays || old.engine == new.engine || new.engine_version.is_some(),
            "is required where the engine changes: set it, for instance to 8.0",
        );
        report.rule(
            &["authToken", "userGroupIds"],
            !stays || old.auth_token.is_none() || new.auth_token.is_some() || !new.user_group_ids.is_empty(),
            "cannot be taken away, for AWS would have to let everybody in: keep it, or set userGroupIds in its place",
        );
    }

    fn replaced_by(old: &RedisGroupInputs, new: &RedisGroupInputs) -> Vec<&'static str> {
        match (old.engine, new.engine) {
            (RedisGroupEngine::Valkey, RedisGroupEngine::Redis) if !goes_back(old, new) => vec!["engine"],
            (before, after) if before == after && is_lower(new, old) => vec!["engineVersion"],
            // TLS comes and goes in place since 7.0.5, the first 7 that AWS has.
            _ if version(new).is_some_and(|it| it < (7, 0)) => vec!["transitEncryptionEnabled"],
            _ => vec![],
        }
    }

    fn left_out(seen: &RedisGroupInputs, old: &RedisGroupInputs, new: &RedisGroupInputs) -> Vec<&'static str> {
        let minor = major(old) == major(new) && (old.auto_minor_version_upgrade || new.auto_minor_version_upgrade);
        let same = old.engine_version == new.engine_version;
        // After a refresh, the version that AWS has installed is what the program seems to have said.
        let by_aws = seen.engine == new.engine && is_lower(new, seen) && (same || is_lower(new, old) && minor);
        let any_minor = new.engine_version.as_deref() == Some("6.x") && major(seen) == Some(6);
        // Before 6, AWS keeps it off.
        let without_upgrades = major(new).is_some_and(|it| it < 6) && !seen.auto_minor_version_upgrade;
        let properties = [("engineVersion", by_aws || any_minor), ("autoMinorVersionUpgrade", without_upgrades)];
        properties.into_iter().filter_map(|(name, stays)| stays.then_some(name)).collect()
    }

    fn check_update(old: &RedisGroupOutputs, new: &RedisGroupInputs) -> Result<()> {
        let groups = old.inputs.num_node_groups.zip(new.num_node_groups);
        // Of a group that AWS never showed, or could not create, nothing is known.
        if !old.cluster_enabled && !old.member_clusters.is_empty() && groups.is_some_and(|(old, new)| old != new) {
            return Err(not_in_cluster_mode(&old.inputs.replication_group_id));
        }
        check_versions(&old.inputs, new)
    }

    async fn create(context: &Context, inputs: &RedisGroupInputs) -> Result<String> {
        let (groups, replicas) = size(inputs, NEW);
        let in_cluster_mode = inputs.parameter_group_name.as_deref().is_some_and(|it| it.ends_with(CLUSTER_ON));
        let (failover, zones) = switches(inputs, groups > 1 || in_cluster_mode);
        // AWS insists on data tiering for the nodes that have disks for it.
        let tiering = inputs.node_type.starts_with("cache.r6gd.").then_some(true);
        let create = || async {
            let request = context
                .client
                .elasticache()
                .create_replication_group()
                .replication_group_id(inputs.replication_group_id.to_lowercase())
                .replication_group_description(&inputs.description)
                .engine(inputs.engine.to_string())
                .set_engine_version(inputs.engine_version.clone())
                .cache_node_type(&inputs.node_type)
                .set_data_tiering_enabled(tiering)
                .automatic_failover_enabled(failover)
                .multi_az_enabled(zones)
                .set_preferred_cache_cluster_azs(some(&inputs.preferred_cache_cluster_azs))
                .transit_encryption_enabled(inputs.transit_encryption_enabled)
                .set_transit_encryption_mode(inputs.transit_encryption_mode.map(Into::into))
                .at_rest_encryption_enabled(inputs.at_rest_encryption_enabled)
                .set_kms_key_id(inputs.kms_key_id.clone())
                .set_auth_token(inputs.auth_token.clone())
                .set_user_group_ids(some(&inputs.user_group_ids))
                .set_cache_subnet_group_name(inputs.subnet_group_name.clone())
                .set_security_group_ids(inputs.security_group_ids.clone())
                .set_cache_parameter_group_name(inputs.parameter_group_name.clone())
                .port(inputs.port)
                .snapshot_retention_limit(inputs.snapshot_retention_limit)
                .set_snapshot_window(inputs.snapshot_window.clone())
                .set_preferred_maintenance_window(inputs.maintenance_window.clone())
                .auto_minor_version_upgrade(inputs.auto_minor_version_upgrade)
                .set_notification_topic_arn(inputs.notification_topic_arn.clone())
                .set_log_delivery_configurations(some(&log_deliveries(&[], &inputs.log_delivery_configurations)))
                .set_tags(Some(elasticache::to_tags(&inputs.tags)));
            // AWS takes one way to say how many, or the other. A parameter group may make one node group a Redis in cluster mode.
            let request = if groups > 1 {
                request.num_node_groups(groups).replicas_per_node_group(replicas).cluster_mode(types::ClusterMode::Enabled)
            } else if in_cluster_mode || inputs.num_node_groups.is_some() && inputs.parameter_group_name.is_some() {
                request.num_node_groups(groups).replicas_per_node_group(replicas)
            } else {
                request.num_cache_clusters(replicas + 1)
            };
            request.send().await.explain()
        };
        context.observer.settle(ROLE_UNKNOWN, create).await?;
        Ok(inputs.replication_group_id.to_lowercase())
    }

    /// AWS takes one change at a time: nodes are added first and taken away last, for failover and zones need them.
    async fn update(context: &Context, id: &str, old: &RedisGroupOutputs, new: &RedisGroupInputs) -> Result<()> {
        let (mut old, arn, actual) = (old.inputs.clone(), &old.arn, asked_version(&old.engine_version_actual));
        let group = at_rest(context, id, Expected::Nothing).await?;
        if is_still_born(&group) {
            // It has never held anything.
            remove(context, id, None).await?;
            return Self::create(context, new).await.map(drop);
        }
        check_versions(&old, new)?;
        if let Some(wanted) = new.engine_version.as_deref().filter(|it| as_number(it) < as_number(&actual)) {
            (context.observer.say)(&format!(
                "{id}: AWS runs {} {actual} by now, so engineVersion {wanted} is left out; set engineVersion to {actual}",
                new.engine
            ));
        }
        let waiting = pending(&group, &first_node(context, &group).await?);
        if new.apply_immediately {
            // What waits for the maintenance window is not done, and to be done now.
            if waiting.contains_key("nodeType") {
                old.node_type.clear();
            }
            if waiting.contains_key("engineVersion") {
                old.engine_version = None;
            }
        }
        let (old, sent) = (&old, Expected::sent(new));

        let live = live_size(&group);
        let wanted = size(new, live);
        if wanted.0 != live.0 && group.cluster_enabled() != Some(true) {
            return Err(not_in_cluster_mode(id));
        }
        if wanted.0 != live.0 {
            reshard(context, id, &group, wanted.0).await?;
        }
        if wanted.1 > live.1 {
            add_replicas(context, id, &group, wanted.1, &new.preferred_cache_cluster_azs).await?;
        }
        let (settings, later) = match modifications(context, id, &group, old, new) {
            Some(request) if !new.apply_immediately => deferring(context, id, request),
            request => (request, None),
        };
        modify(context, id, settings, Expected::OfGroup).await?;
        // From here to what may wait, AWS makes each change only at once, and with it all that waits.
        let at_once = changed_at_once(old, new);
        let swept: Vec<_> = ["nodeType", "engineVersion"].into_iter().filter(|it| waiting.contains_key(*it)).collect();
        if !new.apply_immediately && !at_once.is_empty() && !swept.is_empty() {
            (context.observer.say)(&format!(
                "{id}: {}, which waited for the maintenance window, changes now, for AWS makes a change of {} only at once and together \
                 with what waits",
                swept.join(" and "),
                at_once.join(" and ")
            ));
        }
        modify(context, id, log_modification(context, id, old, new), Expected::OfGroup).await?;
        for (enabled, mode) in encryption_steps(encryption(old, None), encryption(new, old.transit_encryption_mode)) {
            let request =
                context.client.elasticache().modify_replication_group().replication_group_id(id).apply_immediately(true);
            let request = request.transit_encryption_enabled(enabled).set_transit_encryption_mode(mode.map(Into::into));
            modify(context, id, Some(request), sent).await?;
        }
        if let Some(token) = &new.auth_token {
            let had_one = group.auth_token_enabled() == Some(true);
            let steps = auth_steps(had_one, old, new);
            for strategy in &steps {
                let request = context.client.elasticache().modify_replication_group().replication_group_id(id);
                let request = request.apply_immediately(true).auth_token(token).auth_token_update_strategy(strategy.clone());
                modify(context, id, Some(request), sent).await?;
            }
            if steps == [AuthTokenUpdateStrategyType::Rotate] {
                let others = if had_one { "with the password before" } else { "without a password" };
                (context.observer.say)(&format!(
                    "{id}: clients {others} are still let in. Once all have the new one, set authTokenUpdateStrategy to SET, which \
                     ends that"
                ));
            }
        }
        if let Some(request) = later {
            let deferred = deferred(&request);
            modify(context, id, Some(request), Expected::OfGroup).await?;
            if !deferred.is_empty() {
                let window = new.maintenance_window.as_ref().or(old.maintenance_window.as_ref()).map_or("", String::as_str);
                (context.observer.say)(&format!(
                    "{id}: {} will change in the maintenance window, {window} UTC, for applyImmediately is false; until then, \
                     pendingModifiedValues shows what waits",
                    deferred.join(" and ")
                ));
            }
        }
        if wanted.1 < live.1 {
            at_rest(context, id, sent).await?;
            let request = context.client.elasticache().decrease_replica_count().replication_group_id(id);
            let request = request.new_replica_count(wanted.1).apply_immediately(true);
            context.observer.settle(BUSY, || async { request.clone().send().await.explain() }).await?;
        }
        let arn = group.arn().unwrap_or(arn);
        elasticache::retag(context, arn, &old.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, inputs: &RedisGroupInputs) -> Result<()> {
        let group = at_rest(context, id, Expected::sent(inputs)).await?;
        if is_still_born(&group) {
            let reason = reason(context, &group).await;
            bail!("AWS could not create replication group {id}: {reason}; the next `pulumi up` deletes it and tries again");
        }
        Ok(())
    }

    async fn read(context: &Context, id: &str) -> Result<Option<RedisGroupOutputs>> {
        let id = elasticache::name_in(id, "replicationgroup")?;
        let group = context.client.look_up::<DescribeReplicationGroups>(id.clone()).await?;
        let Some(group) = group.filter(|it| it.status() != Some("deleting")) else { return Ok(None) };
        // Half of what there is to know AWS shows of the nodes only.
        let node = first_node(context, &group).await?;
        let arn = group.arn().unwrap_or_default().to_owned();
        // AWS tells the tags of a replication group only once it is there.
        let born = !matches!(group.status(), Some("creating" | "create-failed"));
        let tags = if born { elasticache::tags(context, &arn).await? } else { BTreeMap::new() };
        Ok(Some(outputs(id, arn, &group, &node, tags)))
    }

    fn id(outputs: &RedisGroupOutputs) -> String {
        outputs.inputs.replication_group_id.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.client.elasticache().describe_replication_groups();
        let answer = request.max_records(at.size(20..=100)).set_marker(at.token.clone()).send().await.explain()?;
        let groups = answer.replication_groups.unwrap_or_default().into_iter();
        let living = groups.filter(|it| it.status() != Some("deleting")).filter_map(|it| it.replication_group_id);
        Ok(Page::new(living.map(Listed::named), answer.marker))
    }

    async fn delete(context: &Context, id: &str, old: &RedisGroupOutputs) -> Result<()> {
        let group = context.client.look_up::<DescribeReplicationGroups>(id.to_owned()).await?;
        // One that never came to be holds nothing.
        let held = group.filter(|it| !matches!(it.status(), Some("creating" | "create-failed")));
        remove(context, id, held.and_then(|_| final_snapshot(id, &old.inputs, SystemTime::now()))).await
    }
}

/// Whether AWS can get from the engine that it has, of which Check knows only what the program said last, to the one asked for.
fn check_versions(old: &RedisGroupInputs, new: &RedisGroupInputs) -> Result<()> {
    if let Some(property) = RedisGroup::replaced_by(old, new).into_iter().find(|it| matches!(*it, "engine" | "engineVersion")) {
        let (engine, version) = (old.engine, old.engine_version.as_deref().unwrap_or_default());
        let set = if property == "engine" {
            format!("set engine to {engine} and engineVersion")
        } else {
            "set engineVersion".to_owned()
        };
        bail!(
            "{property}: {} has {engine} {version} by now, and AWS goes back to no lower version: {set} to {version}; or `pulumi \
             up --replace <urn>` makes a new group, without the data",
            old.replication_group_id
        );
    }
    Ok(())
}

fn not_in_cluster_mode(id: &str) -> Error {
    anyhow!(
        "numNodeGroups: {id} is not in cluster mode, which AWS does not change here: set it to 1; or `pulumi up --replace \
         <urn>` makes a new group, without the data"
    )
}

/// Whether it is the one way back from Valkey to Redis that AWS goes in place, by its documentation on cross-engine upgrades.
fn goes_back(old: &RedisGroupInputs, new: &RedisGroupInputs) -> bool {
    use RedisGroupEngine::{Redis, Valkey};
    (old.engine, new.engine) == (Valkey, Redis) && (version(old), version(new)) == (Some((7, 2)), Some((7, 1)))
}

/// The properties that say how many nodes there are.
const COUNTS: [&str; 3] = ["numCacheClusters", "numNodeGroups", "replicasPerNodeGroup"];
/// How the names of AWS's own parameter groups for cluster mode end.
const CLUSTER_ON: &str = ".cluster.on";

/// Whether a replica takes over, and whether it is in another zone: what the program says, or else what the number of nodes
/// allows.
fn switches(inputs: &RedisGroupInputs, in_cluster_mode: bool) -> (bool, bool) {
    let (groups, replicas) = size(inputs, NEW);
    let failover = inputs.automatic_failover_enabled.unwrap_or(replicas > 0 || groups > 1 || in_cluster_mode);
    (failover, inputs.multi_az_enabled.unwrap_or(failover && replicas > 0))
}

/// Whether the group is in cluster mode, if that can be told.
fn cluster_mode(inputs: &RedisGroupInputs, report: &Report<'_>) -> Option<bool> {
    if size(inputs, NEW).0 > 1 && report.knows("numNodeGroups") {
        return Some(true);
    }
    let parameters = report.resolve::<RedisParameterGroupFacts>("parameterGroupName", inputs.parameter_group_name.as_deref());
    match inputs.parameter_group_name.as_deref() {
        _ if !report.knows("parameterGroupName") => parameters.only().and_then(|it| it.cluster_enabled),
        // A group that exists may have been made with one, and with more node groups.
        None => (report.is_new() || inputs.num_node_groups.is_none()).then_some(false),
        Some(name) if name.starts_with("default.") => Some(name.ends_with(CLUSTER_ON)),
        Some(_) => parameters.only().and_then(|it| it.cluster_enabled),
    }
}

/// Node groups, and replicas in each, of a new group for which the program says nothing else.
const NEW: (i32, i32) = (1, 1);

/// Node groups, and replicas in each, that the inputs ask for of a group that has `live` ones.
fn size(inputs: &RedisGroupInputs, live: (i32, i32)) -> (i32, i32) {
    let groups = inputs.num_node_groups.unwrap_or(live.0).max(1);
    let replicas = inputs.replicas_per_node_group.or(inputs.num_cache_clusters.map(|it| it / groups - 1));
    (groups, replicas.unwrap_or(live.1))
}

/// Node groups, and replicas in each, that AWS has.
fn live_size(group: &ReplicationGroup) -> (i32, i32) {
    let count = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
    let groups = group.node_groups();
    let nodes = groups.first().map_or(0, |it| it.node_group_members().len());
    (count(groups.len()).max(1), count(nodes.saturating_sub(1)))
}

fn check_size(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
    let (groups, replicas) = size(inputs, NEW);
    let said = if inputs.replicas_per_node_group.is_some() { "replicasPerNodeGroup" } else { "numCacheClusters" };
    let counts = [said, "numCacheClusters", "numNodeGroups", "replicasPerNodeGroup"];
    let nodes = groups * (replicas + 1);
    let fits = inputs.num_cache_clusters.is_none_or(|it| it == nodes);
    report.rule(
        &counts,
        fits,
        format!(
            "does not fit: {groups} node groups of a primary and {replicas} replicas are {nodes} nodes; leave one of them out"
        ),
    );
    report.rule(&counts, replicas <= 5, format!("makes {replicas} replicas of a primary; AWS allows 5"));
    let (failover, zones) = (inputs.automatic_failover_enabled, inputs.multi_az_enabled);
    let mode = cluster_mode(inputs, report);
    let alone = fits && replicas == 0;
    let over = [&counts[..], &["automaticFailoverEnabled"]].concat();
    let fix = "leaves no replica to fail over to: add one, or leave out automaticFailoverEnabled and multiAzEnabled";
    report.rule(&over, !alone || mode != Some(false) || failover != Some(true), fix);
    // In cluster mode, AWS insists on failover even where there is no replica.
    let fix = "leaves no replica to fail over to, which AWS takes in cluster mode only: add one, or set automaticFailoverEnabled to false";
    report.warn(&over, !alone || mode.is_some() || failover != Some(true), fix);
    report.rule(
        &[&counts[..], &["multiAzEnabled"]].concat(),
        !alone || zones != Some(true) || mode == Some(false) && failover == Some(true),
        "leaves no replica to be in another zone: add one, or leave out multiAzEnabled",
    );
    report.rule(
        &["automaticFailoverEnabled", "numNodeGroups"],
        mode != Some(true) || failover != Some(false),
        "is false, but cluster mode needs it: leave it out",
    );
    report.rule(
        &["multiAzEnabled", "automaticFailoverEnabled"],
        failover != Some(false) || zones != Some(true),
        "needs automaticFailoverEnabled: set both to true, or both to false",
    );
    let zones = inputs.preferred_cache_cluster_azs.len();
    report.rule(
        &[&["preferredCacheClusterAzs"], &counts[..]].concat(),
        zones == 0 || i32::try_from(zones).is_ok_and(|it| it == nodes),
        format!("has {zones} entries for {nodes} nodes; name one zone a node"),
    );
    report.rule(
        &["preferredCacheClusterAzs", "numNodeGroups"],
        zones == 0 || inputs.num_node_groups.is_none(),
        "cannot be chosen together with numNodeGroups: leave one of them out",
    );
}

fn check_engine(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
    if let Some((version, number)) = inputs.engine_version.as_ref().and_then(|it| Some((it, as_number(it)?))) {
        report.rule(
            &["engineVersion", "engine"],
            match inputs.engine {
                RedisGroupEngine::Redis => number <= (7, 1),
                RedisGroupEngine::Valkey => number >= (7, 2),
                RedisGroupEngine::Other(_) => true,
            },
            format!("is {version}, which is no version of {}: redis ends with 7.1, and valkey begins with 7.2", inputs.engine),
        );
    }
    let family = inputs.parameter_group_name.as_ref().and_then(|it| it.strip_prefix("default."));
    let family = family.map(|it| it.trim_end_matches(CLUSTER_ON));
    let misfit = family.and_then(|it| family_misfit(it, inputs));
    report.rule(&["parameterGroupName", "engine", "engineVersion"], misfit.is_none(), misfit.unwrap_or_default());
    let groups = report.resolve::<RedisParameterGroupFacts>("parameterGroupName", inputs.parameter_group_name.as_deref());
    report.compare("parameterGroupName", &["engine", "engineVersion"], &groups, |it| {
        family_misfit(it.family.as_deref()?, inputs).map(|reason| format!("refers to {}, and {reason}", it.name))
    });
    report.warn(
        &["engineVersion", "engine"],
        !report.is_new() || inputs.engine_version.is_some() || report.written("parameterGroupName").is_none(),
        "is left out, so AWS takes its newest, and refuses it once that is not of the family of parameterGroupName: set it as well",
    );
    let family = inputs.node_type.split('.').nth(1).unwrap_or_default();
    report.rule(
        &["nodeType", "automaticFailoverEnabled", "transitEncryptionEnabled", "atRestEncryptionEnabled"],
        !["t1", "m1", "m2", "c1"].contains(&family)
            || !(inputs.automatic_failover_enabled == Some(true)
                || inputs.transit_encryption_enabled
                || inputs.at_rest_encryption_enabled),
        format!("is {}, which is too old for failover and encryption; choose one such as cache.t4g.micro", inputs.node_type),
    );
}

/// Why a parameter group of this family is not for the engine and its version.
fn family_misfit(family: &str, inputs: &RedisGroupInputs) -> Option<String> {
    let engine = match inputs.engine {
        RedisGroupEngine::Other(_) => return None,
        engine => engine.to_string(),
    };
    if !family.starts_with(&engine) {
        return Some(format!("is of family {family}, which is for another engine than {engine}"));
    }
    let wanted = match version(inputs)? {
        (6, _) if engine == "redis" => "redis6.x".to_owned(),
        (major, minor) if major < 6 => format!("{engine}{major}.{minor}"),
        (major, _) => format!("{engine}{major}"),
    };
    let version = inputs.engine_version.as_deref().unwrap_or_default();
    (family != wanted).then(|| format!("is of family {family}, which is not for {engine} {version}: that needs one of {wanted}"))
}

/// A group that is named in so many words, and that the program gives another name, is deleted while it is in use.
fn check_names(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
    let subnets = report.others::<RedisSubnetGroupFacts>().into_iter().map(|it| (it.renamed_from, it.name));
    let parameters = report.others::<RedisParameterGroupFacts>().into_iter().map(|it| (it.renamed_from, it.name));
    let groups = [
        ("subnetGroupName", "RedisSubnetGroup", inputs.subnet_group_name.as_ref(), subnets.collect::<Vec<_>>()),
        ("parameterGroupName", "RedisParameterGroup", inputs.parameter_group_name.as_ref(), parameters.collect()),
    ];
    for (property, kind, wanted, renamed) in groups {
        let gone = renamed.into_iter().find(|(before, _)| before.is_some() && before.as_ref() == wanted);
        let (before, after) = gone.clone().unwrap_or_default();
        report.rule(
            &[property],
            gone.is_none(),
            format!(
                "is {}, which is deleted, for its {kind} is called {after} now, and AWS deletes none that is in use: refer to that \
                 {kind} by its output name",
                before.unwrap_or_default()
            ),
        );
    }
}

/// Warns of a subnet group in one zone, where the nodes of the group are to be in several.
fn check_zones(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
    let groups = report.resolve::<RedisSubnetGroupFacts>("subnetGroupName", inputs.subnet_group_name.as_deref());
    let narrow = |it: RedisSubnetGroupFacts| {
        let subnets = it.subnets.as_deref().unwrap_or_default();
        let why = if subnets.len() == 1 { Some("one subnet".to_owned()) } else { only_zone(subnets, report) };
        (it.name, why)
    };
    let groups = Candidates { certain: groups.certain, those: groups.those.into_iter().map(narrow).collect() };
    let multi_az = report.quoted("multiAzEnabled", "true");
    report.warn_if_mismatched("multiAzEnabled", &["multiAzEnabled"], &groups, |(name, narrow)| {
        let narrow = narrow.as_ref().filter(|_| inputs.multi_az_enabled == Some(true))?;
        Some(format!(
            "is {multi_az}, but subnet group {name} has {narrow}, so that no replica can be in another zone; add a subnet of another \
             zone to subnetIds of that RedisSubnetGroup, or set multiAzEnabled to false"
        ))
    });
}

/// That all of these subnets are in one zone, if so.
fn only_zone(subnets: &[Link], report: &Report<'_>) -> Option<String> {
    let mut zones = BTreeSet::new();
    for subnet in subnets {
        let candidates = report.follow::<SubnetFacts>(subnet).those;
        if candidates.is_empty() {
            return None;
        }
        for subnet in candidates {
            zones.insert(subnet.availability_zone?);
        }
    }
    let zone = zones.pop_first().filter(|_| zones.is_empty())?;
    Some(format!("all its subnets in {zone}"))
}

/// The windows, which AWS wants to be an hour long at least.
fn check_windows(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
    let maintenance = inputs.maintenance_window.as_deref().and_then(minutes);
    report.rule(
        &["maintenanceWindow"],
        maintenance.is_none_or(|it| it >= 60),
        "is shorter than an hour, which AWS refuses: end it later",
    );
    let snapshot = inputs.snapshot_window.as_deref().and_then(minutes);
    report.warn(
        &["snapshotWindow"],
        snapshot.is_none_or(|it| it >= 60),
        "is shorter than an hour, which AWS may refuse: end it later",
    );
}

/// How long a window is, in minutes: `03:00-04:00` of any day, or `sun:05:00-sun:06:00` of the week.
fn minutes(window: &str) -> Option<u32> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    const DAY: u32 = 24 * 60;
    let at = |time: &str| {
        let mut parts = time.rsplit(':');
        let (minute, hour, day) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?, parts.next());
        let days = day.and_then(|day| DAYS.iter().position(|it| day.eq_ignore_ascii_case(it))).unwrap_or_default();
        Some(u32::try_from(days).ok()? * DAY + hour * 60 + minute)
    };
    let (begin, end) = window.split_once('-')?;
    let whole = if begin.len() > 5 { 7 * DAY } else { DAY };
    Some((at(end)? + whole - at(begin)?) % whole)
}

/// What AWS makes at once needs a version that it only takes over in the maintenance window.
fn check_what_waits(old: &RedisGroupInputs, new: &RedisGroupInputs, report: &mut Report<'_>) {
    let Some((before, after)) = version(old).zip(version(new)) else { return };
    let logs = logs_change(old, new) && !new.log_delivery_configurations.is_empty();
    let users = old.user_group_ids != new.user_group_ids && !new.user_group_ids.is_empty();
    let encrypted = old.transit_encryption_enabled != new.transit_encryption_enabled;
    for (property, changes, needs) in [
        ("logDeliveryConfigurations", logs, (6, 0)),
        ("userGroupIds", users, (6, 0)),
        ("transitEncryptionEnabled", encrypted, (7, 0)),
    ] {
        report.rule(
            &[property, "engineVersion", "applyImmediately"],
            new.apply_immediately || !changes || before >= needs || after < needs,
            format!(
                "needs version {}.{}, which waits for the maintenance window, while AWS makes this change at once: set applyImmediately \
                 to true, or change this after the window",
                needs.0, needs.1
            ),
        );
    }
}

fn check_encryption(inputs: &RedisGroupInputs, report: &mut Report<'_>) {
    let encrypted = inputs.transit_encryption_enabled;
    // As the documentation of CreateReplicationGroup says. A password that AWS took once is not asked about again.
    let legal = |it: &String| it.chars().all(|it| it.is_ascii_alphanumeric() || "!&#$^<>-".contains(it));
    report.rule(
        &["authToken"],
        inputs.auth_token.as_ref().is_none_or(legal) || !report.changes("authToken"),
        "has characters that AWS refuses: beside letters and digits, it takes ! & # $ ^ < > and -",
    );
    let way_out = "needs transitEncryptionEnabled: set that to true, or leave this out";
    report.rule(&["authToken", "transitEncryptionEnabled"], encrypted || inputs.auth_token.is_none(), way_out);
    report.rule(&["userGroupIds", "transitEncryptionEnabled"], encrypted || inputs.user_group_ids.is_empty(), way_out);
    report.rule(
        &["transitEncryptionMode", "transitEncryptionEnabled"],
        encrypted || inputs.transit_encryption_mode.is_none(),
        way_out,
    );
    report.rule(
        &["transitEncryptionMode", "authToken", "userGroupIds"],
        inputs.transit_encryption_mode != Some(RedisGroupTransitEncryptionMode::Preferred)
            || inputs.auth_token.is_none() && inputs.user_group_ids.is_empty(),
        "is preferred, but with authToken or userGroupIds AWS insists on required",
    );
    report.rule(
        &["userGroupIds", "authToken"],
        inputs.auth_token.is_none() || inputs.user_group_ids.is_empty(),
        "cannot be combined with authToken: leave one of them out",
    );
    report.rule(
        &["kmsKeyId", "atRestEncryptionEnabled"],
        inputs.at_rest_encryption_enabled || inputs.kms_key_id.is_none(),
        "needs atRestEncryptionEnabled: set that to true, or leave this out",
    );
}

/// Major and minor version of the engine, if the program says it.
fn version(inputs: &RedisGroupInputs) -> Option<(u32, u32)> {
    inputs.engine_version.as_deref().and_then(as_number)
}

fn major(inputs: &RedisGroupInputs) -> Option<u32> {
    version(inputs).map(|(major, _)| major)
}

/// Whether the version of `this` is lower than that of `that`.
fn is_lower(this: &RedisGroupInputs, that: &RedisGroupInputs) -> bool {
    version(this).zip(version(that)).is_some_and(|(this, that)| this < that)
}

/// Major and minor version.
fn as_number(version: &str) -> Option<(u32, u32)> {
    let number = |part: &str| if part == "x" { Ok(u32::MAX) } else { part.parse::<u32>() };
    let mut parts = version.split('.').map(number);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Waits until AWS does nothing with the replication group: it and its nodes are available, or its creation has failed. An
/// `expected` change that AWS does not begin with waits for the maintenance window.
async fn at_rest(context: &Context, id: &str, expected: Expected) -> Result<ReplicationGroup> {
    let started = Instant::now();
    let look = || async {
        let group = context.client.look_up::<DescribeReplicationGroups>(id.to_owned()).await?;
        let group = group.with_context(|| format!("replication group {id} is gone; `pulumi refresh` takes note of it"))?;
        let status = group.status().unwrap_or("without a status").to_owned();
        if is_still_born(&group) {
            return Ok(Seen::Ready(group));
        }
        let nodes = group.member_clusters().iter().cloned();
        let nodes = try_join_all(nodes.map(|it| context.client.look_up::<elasticache::DescribeCacheClusters>(it))).await?;
        let nodes: Vec<_> = nodes.into_iter().flatten().collect();
        let nodes_are: Vec<_> = nodes.iter().filter_map(CacheCluster::cache_cluster_status).collect();
        let going = matches!(status.as_str(), "deleting" | "deleted").then_some(status.as_str());
        let all = [status.as_str()].into_iter().chain(nodes_are.iter().copied());
        if let Some(stuck) = going.or_else(|| all.into_iter().find(|it| is_dead_end(it))) {
            let reason = reason(context, &group).await;
            bail!("replication group {id} is in state {stuck}, which does not pass by itself: {reason}");
        }
        let available = nodes_are.iter().filter(|it| **it == "available").count();
        if status == "available" && available == nodes_are.len() {
            if awaits_change(&group, &nodes, expected) && started.elapsed() < BEGINS {
                return Ok(Seen::Pending(format!("{id}: about to change")));
            }
            return Ok(Seen::Ready(group));
        }
        Ok(Seen::Pending(format!("{id}: {status}, {available} of {} nodes available", group.member_clusters().len())))
    };
    context.observer.wait(format!("replication group {id}"), Patience::minutes(60), look).await
}

fn is_still_born(group: &ReplicationGroup) -> bool {
    group.status() == Some("create-failed")
}

/// Whether a replication group or a node stays in this state unless someone does something.
fn is_dead_end(status: &str) -> bool {
    status.starts_with("incompatible-") || status == "restore-failed"
}

/// What AWS may be about to begin with, of what it has agreed to.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Nothing,
    /// What it never leaves for the maintenance window.
    OfGroup,
    /// Whatever is pending.
    All,
}

impl Expected {
    /// After all that `inputs` ask for has been sent.
    fn sent(inputs: &RedisGroupInputs) -> Self {
        if inputs.apply_immediately { Self::All } else { Self::OfGroup }
    }
}

/// Whether AWS has agreed to an expected change that it has not made yet.
fn awaits_change(group: &ReplicationGroup, nodes: &[CacheCluster], expected: Expected) -> bool {
    let of_group = group.pending_modified_values().is_some_and(|it| {
        it.automatic_failover_status.is_some()
            || it.resharding.is_some()
            || it.auth_token_status.is_some()
            || it.user_groups.is_some()
            || it.transit_encryption_enabled.is_some()
            || it.transit_encryption_mode.is_some()
            || !it.log_delivery_configurations().is_empty()
    });
    let of_node = |it: &types::PendingModifiedValues| it.engine_version.is_some() || it.cache_node_type.is_some();
    match expected {
        Expected::Nothing => false,
        Expected::OfGroup => of_group,
        Expected::All => of_group || nodes.iter().filter_map(|it| it.pending_modified_values()).any(of_node),
    }
}

/// What AWS noted of a replication group and its nodes in the last hour.
async fn reason(context: &Context, group: &ReplicationGroup) -> String {
    let events = context.client.elasticache().describe_events().duration(60).into_paginator().items().send();
    let events = match events.collect::<Result<Vec<_>, _>>().await.explain() {
        Ok(events) => events,
        Err(error) => return format!("{error:#}"),
    };
    let about = |it: &types::Event| {
        let source = it.source_identifier().unwrap_or_default();
        group.replication_group_id() == Some(source) || group.member_clusters().iter().any(|it| it == source)
    };
    let mut texts: Vec<_> = events.into_iter().filter(about).filter_map(|it| it.message).collect();
    texts.dedup();
    if texts.is_empty() { "AWS gives no reason".to_owned() } else { texts.join("; ") }
}

/// A node, which shows what AWS does not show of the group. All are alike.
async fn first_node(context: &Context, group: &ReplicationGroup) -> Result<CacheCluster> {
    let node = match group.member_clusters().first() {
        Some(node) => context.client.look_up::<elasticache::DescribeCacheClusters>(node.clone()).await?,
        None => None,
    };
    Ok(node.unwrap_or_else(|| CacheCluster::builder().build()))
}

/// What AWS has agreed to and not done yet, by the property that asks for it. No secrets: AWS shows none.
fn pending(group: &ReplicationGroup, node: &CacheCluster) -> BTreeMap<String, String> {
    let (of_group, of_node) = (group.pending_modified_values(), node.pending_modified_values());
    let failover = of_group.and_then(|it| it.automatic_failover_status());
    let failover = failover.map(|it| (*it == types::PendingAutomaticFailoverStatus::Enabled).to_string());
    let values = [
        ("nodeType", of_node.and_then(|it| it.cache_node_type.clone())),
        ("engineVersion", of_node.and_then(|it| it.engine_version.as_deref()).map(asked_version)),
        ("automaticFailoverEnabled", failover),
        ("transitEncryptionEnabled", of_group.and_then(|it| it.transit_encryption_enabled).map(|it| it.to_string())),
        ("transitEncryptionMode", of_group.and_then(|it| it.transit_encryption_mode()).map(|it| it.as_str().to_owned())),
    ];
    values.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?))).collect()
}

/// The properties whose changes AWS makes in the maintenance window, unless it is told to make them at once.
fn deferred(request: &ModifyReplicationGroupFluentBuilder) -> Vec<&'static str> {
    let properties =
        [("nodeType", request.get_cache_node_type().is_some()), ("engineVersion", request.get_engine_version().is_some())];
    properties.into_iter().filter_map(|(name, changes)| changes.then_some(name)).collect()
}

type Modification = Option<ModifyReplicationGroupFluentBuilder>;

/// What of a request is made at once, and what waits for the maintenance window if it may.
fn deferring(context: &Context, id: &str, request: ModifyReplicationGroupFluentBuilder) -> (Modification, Modification) {
    let nothing = context.client.elasticache().modify_replication_group().replication_group_id(id).apply_immediately(false);
    let later = nothing
        .clone()
        .set_engine(request.get_engine().clone())
        .set_engine_version(request.get_engine_version().clone())
        .set_cache_node_type(request.get_cache_node_type().clone())
        .set_cache_parameter_group_name(request.get_cache_parameter_group_name().clone());
    let settings = request.set_engine(None).set_engine_version(None).set_cache_node_type(None);
    let settings = settings.set_cache_parameter_group_name(None);
    let some = |it: ModifyReplicationGroupFluentBuilder| (it.as_input() != nothing.as_input()).then_some(it);
    (some(settings), some(later))
}

/// The change of where logs go. AWS: "You must set the apply-immediately parameter for all log delivery modifications."
fn log_modification(context: &Context, id: &str, old: &RedisGroupInputs, new: &RedisGroupInputs) -> Modification {
    let deliveries = log_deliveries(&old.log_delivery_configurations, &new.log_delivery_configurations);
    let request = context.client.elasticache().modify_replication_group().replication_group_id(id).apply_immediately(true);
    logs_change(old, new).then(|| request.set_log_delivery_configurations(some(&deliveries)))
}

fn logs_change(old: &RedisGroupInputs, new: &RedisGroupInputs) -> bool {
    let (olds, news) = (&old.log_delivery_configurations, &new.log_delivery_configurations);
    olds.len() != news.len() || olds.iter().any(|it| !news.contains(it))
}

/// The properties that change, of those that AWS changes only at once.
fn changed_at_once(old: &RedisGroupInputs, new: &RedisGroupInputs) -> Vec<&'static str> {
    let token = new.auth_token.is_some()
        && (old.auth_token != new.auth_token || old.auth_token_update_strategy != new.auth_token_update_strategy);
    let encrypted = encryption(old, None) != encryption(new, old.transit_encryption_mode);
    let changes =
        [("logDeliveryConfigurations", logs_change(old, new)), ("transitEncryptionEnabled", encrypted), ("authToken", token)];
    changes.into_iter().filter_map(|(name, changes)| changes.then_some(name)).collect()
}

/// Sends a modification, if there is one, once AWS is ready for it.
async fn modify(context: &Context, id: &str, request: Modification, expected: Expected) -> Result<()> {
    let Some(request) = request else { return Ok(()) };
    at_rest(context, id, expected).await?;
    match context.observer.settle(BUSY, || async { request.clone().send().await.explain() }).await {
        // It is so already.
        Err(error)
            if error.downcast_ref::<Refusal>().is_some_and(|it| it.message.contains("No modifications were requested")) =>
        {
            Ok(())
        }
        result => result.map(drop),
    }
}

/// All that one call can change, at once or in the maintenance window, if anything has to.
fn modifications(
    context: &Context,
    id: &str,
    group: &ReplicationGroup,
    old: &RedisGroupInputs,
    new: &RedisGroupInputs,
) -> Modification {
    let nothing = context.client.elasticache().modify_replication_group().replication_group_id(id);
    let nothing = nothing.apply_immediately(new.apply_immediately);
    let upgrade = old.engine != new.engine || changed(old.engine_version.as_ref(), new.engine_version.as_ref()).is_some();
    let snapshots = changed(Some(&old.snapshot_retention_limit), Some(&new.snapshot_retention_limit));
    let first_snapshots = snapshots.is_some() && old.snapshot_retention_limit == 0 && group.cluster_enabled() != Some(true);
    let joins = |it: &&String| !old.user_group_ids.contains(it);
    let leaves = |it: &&String| !new.user_group_ids.contains(it);
    let joining: Vec<_> = new.user_group_ids.iter().filter(joins).cloned().collect();
    let leaving: Vec<_> = old.user_group_ids.iter().filter(leaves).cloned().collect();
    let users_for_token = old.auth_token.is_some() && new.auth_token.is_none() && !joining.is_empty();
    let mut request = nothing
        .clone()
        .set_replication_group_description(changed(Some(&old.description), Some(&new.description)))
        .set_engine(upgrade.then(|| new.engine.to_string()))
        .set_engine_version(changed(old.engine_version.as_ref(), new.engine_version.as_ref()))
        .set_cache_node_type(changed(Some(&old.node_type), Some(&new.node_type)))
        .set_automatic_failover_enabled(changed(old.automatic_failover_enabled.as_ref(), new.automatic_failover_enabled.as_ref()))
        .set_multi_az_enabled(changed(old.multi_az_enabled.as_ref(), new.multi_az_enabled.as_ref()))
        .set_security_group_ids(changed(old.security_group_ids.as_ref(), new.security_group_ids.as_ref()))
        .set_cache_parameter_group_name(changed(old.parameter_group_name.as_ref(), new.parameter_group_name.as_ref()))
        .set_snapshot_retention_limit(snapshots)
        // Without cluster mode, AWS has to be told which node to take them of.
        .set_snapshotting_cluster_id(group.member_clusters().last().filter(|_| first_snapshots).cloned())
        .set_snapshot_window(changed(old.snapshot_window.as_ref(), new.snapshot_window.as_ref()))
        .set_preferred_maintenance_window(changed(old.maintenance_window.as_ref(), new.maintenance_window.as_ref()))
        .set_auto_minor_version_upgrade(changed(Some(&old.auto_minor_version_upgrade), Some(&new.auto_minor_version_upgrade)))
        .set_user_group_ids_to_add(some(&joining))
        .set_user_group_ids_to_remove(some(&leaving))
        .set_auth_token_update_strategy(users_for_token.then_some(AuthTokenUpdateStrategyType::Delete));
    if old.notification_topic_arn != new.notification_topic_arn {
        request = match &new.notification_topic_arn {
            Some(topic) => request.notification_topic_arn(topic).notification_topic_status("active"),
            None => request.notification_topic_status("inactive"),
        };
    }
    (request.as_input() != nothing.as_input()).then_some(request)
}

/// What `new` says, if it says something else.
fn changed<T: Clone + PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<T> {
    new.filter(|_| old != new).cloned()
}

/// A list that says something.
fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

async fn reshard(context: &Context, id: &str, group: &ReplicationGroup, groups: i32) -> Result<()> {
    let mut ids: Vec<_> = group.node_groups().iter().filter_map(|it| it.node_group_id.clone()).collect();
    ids.sort();
    let kept = usize::try_from(groups).unwrap_or_default().min(ids.len());
    let request = context.client.elasticache().modify_replication_group_shard_configuration().replication_group_id(id);
    let request = request.node_group_count(groups).set_node_groups_to_remove(some(&ids[kept..])).apply_immediately(true);
    context.observer.settle(BUSY, || async { request.clone().send().await.explain() }).await.map(drop)
}

async fn add_replicas(context: &Context, id: &str, group: &ReplicationGroup, replicas: i32, zones: &[String]) -> Result<()> {
    at_rest(context, id, Expected::OfGroup).await?;
    let request = context.client.elasticache().increase_replica_count().replication_group_id(id).apply_immediately(true);
    let request = match group.node_groups() {
        [only] if !zones.is_empty() => request.replica_configuration(
            ConfigureShard::builder()
                .set_node_group_id(only.node_group_id.clone())
                .new_replica_count(replicas)
                .set_preferred_availability_zones(Some(zones.to_vec()))
                .build(),
        ),
        _ => request.new_replica_count(replicas),
    };
    context.observer.settle(BUSY, || async { request.clone().send().await.explain() }).await.map(drop)
}

impl From<RedisGroupTransitEncryptionMode> for types::TransitEncryptionMode {
    fn from(mode: RedisGroupTransitEncryptionMode) -> Self {
        name_of(mode).as_str().into()
    }
}

type Encryption = Option<RedisGroupTransitEncryptionMode>;

/// How connections are encrypted, if they are; `before` is how it was.
fn encryption(inputs: &RedisGroupInputs, before: Encryption) -> Encryption {
    let mode = inputs.transit_encryption_mode.or(before).unwrap_or(RedisGroupTransitEncryptionMode::Required);
    inputs.transit_encryption_enabled.then_some(mode)
}

/// The steps from one to the other: AWS goes from none to required, and back, by way of preferred.
fn encryption_steps(old: Encryption, new: Encryption) -> Vec<(bool, Encryption)> {
    use RedisGroupTransitEncryptionMode::{Preferred, Required};
    match (old, new) {
        (old, new) if old == new => vec![],
        (None, Some(Required)) => vec![(true, Some(Preferred)), (true, Some(Required))],
        (Some(Required), None) => vec![(true, Some(Preferred)), (false, None)],
        (_, new) => vec![(new.is_some(), new)],
    }
}

/// The steps to the new password. AWS rotates it in before it can be the only one.
fn auth_steps(had_one: bool, old: &RedisGroupInputs, new: &RedisGroupInputs) -> Vec<AuthTokenUpdateStrategyType> {
    use RedisGroupAuthTokenUpdateStrategy::{Rotate, Set};
    // Where the state knows of none, the first one is not the only one yet, whatever AWS shows in between.
    let strategy = new.auth_token_update_strategy.unwrap_or(if had_one && old.auth_token.is_some() { Rotate } else { Set });
    let another = old.auth_token != new.auth_token;
    let alone = strategy == Set && (another || old.auth_token_update_strategy != new.auth_token_update_strategy);
    let steps = [(another, AuthTokenUpdateStrategyType::Rotate), (alone, AuthTokenUpdateStrategyType::Set)];
    steps.into_iter().filter_map(|(needed, step)| needed.then_some(step)).collect()
}

/// Where logs go, and which go nowhere any more.
fn log_deliveries(
    old: &[RedisGroupLogDeliveryConfiguration],
    new: &[RedisGroupLogDeliveryConfiguration],
) -> Vec<LogDeliveryConfigurationRequest> {
    let ended = old.iter().filter(|old| !new.iter().any(|it| it.log_type == old.log_type));
    let ended =
        ended.map(|it| LogDeliveryConfigurationRequest::builder().log_type(it.log_type.as_str().into()).enabled(false).build());
    let begun = new.iter().map(|it| {
        let details = DestinationDetails::builder();
        let details = match it.destination_type.as_str().into() {
            DestinationType::KinesisFirehose => details
                .kinesis_firehose_details(KinesisFirehoseDestinationDetails::builder().delivery_stream(&it.destination).build()),
            _ => details.cloud_watch_logs_details(CloudWatchLogsDestinationDetails::builder().log_group(&it.destination).build()),
        };
        LogDeliveryConfigurationRequest::builder()
            .log_type(it.log_type.as_str().into())
            .destination_type(it.destination_type.as_str().into())
            .destination_details(details.build())
            .log_format(it.log_format.as_str().into())
            .enabled(true)
            .build()
    });
    begun.chain(ended).collect()
}

/// The name of the snapshot to take before the group is deleted, if one is to be taken.
fn final_snapshot(id: &str, inputs: &RedisGroupInputs, now: SystemTime) -> Option<String> {
    // The oldest nodes cannot take any.
    if inputs.skip_final_snapshot || inputs.node_type.starts_with("cache.t1.") {
        return None;
    }
    let time = DateTime::from_secs(DateTime::from(now).secs()).fmt(DateTimeFormat::DateTime).unwrap_or_default();
    let time: String = time.replace('T', "-").chars().filter(|it| it.is_ascii_digit() || *it == '-').collect();
    // 2026-01-31-235959: a day is easier to read in one piece.
    let (day, hour) = time.rsplit_once('-').unwrap_or_default();
    Some(inputs.final_snapshot_identifier.clone().unwrap_or_else(|| format!("{id}-final-{}-{hour}", day.replace('-', ""))))
}

/// Deletes the replication group and waits until it is gone.
async fn remove(context: &Context, id: &str, final_snapshot: Option<String>) -> Result<()> {
    let client = context.client.elasticache();
    let delete = || async {
        let request = client.delete_replication_group().replication_group_id(id).retain_primary_cluster(false);
        match request.set_final_snapshot_identifier(final_snapshot.clone()).send().await.explain() {
            // Nodes come or go, or a snapshot is taken; or someone else has deleted it.
            Err(error) if refused_with(&error, &["InvalidReplicationGroupState", "InvalidCacheClusterState"]) => {
                Ok(Seen::Pending(format!("{id}: {}", status_of(&error))))
            }
            Err(error) if refused_with(&error, &[GONE]) => Ok(Seen::Ready(false)),
            result => result.map(|_| Seen::Ready(true)),
        }
    };
    let deleting = context.observer.wait(format!("AWS to delete replication group {id}"), Patience::minutes(60), delete).await;
    let deleting = deleting.map_err(|error| match &final_snapshot {
        Some(snapshot) if refused_with(&error, SNAPSHOT_REFUSED) => error.context(format!(
            "AWS cannot take the final snapshot {snapshot}: make room for it; or set finalSnapshotIdentifier to another name, or \
             skipFinalSnapshot to true, and run `pulumi up` before"
        )),
        // As the documentation of DeleteReplicationGroup says.
        Some(snapshot) if refused_with(&error, &["AccessDenied", "AccessDeniedException"]) => error.context(format!(
            "the final snapshot {snapshot} needs the permission elasticache:CreateSnapshot as well: allow it; or set skipFinalSnapshot \
             to true, and run `pulumi up` before"
        )),
        _ => error,
    })?;
    if let Some(snapshot) = final_snapshot.as_ref().filter(|_| deleting) {
        (context.observer.say)(&format!(
            "{id}: AWS keeps its data in the final snapshot {snapshot}; skipFinalSnapshot: true takes none"
        ));
    }
    let look = || async {
        Ok(match context.client.look_up::<DescribeReplicationGroups>(id.to_owned()).await? {
            Some(group) => {
                let (status, nodes) = (group.status().unwrap_or("deleting"), group.member_clusters().len());
                let snapshot = final_snapshot.as_ref().map(|it| format!(", final snapshot {it}")).unwrap_or_default();
                Seen::Pending(format!("{id}: {status}, {nodes} nodes left{snapshot}"))
            }
            None => Seen::Ready(()),
        })
    };
    context.observer.wait(format!("replication group {id} to be gone"), Patience::minutes(60), look).await
}

/// What AWS has, from the group and one of its nodes.
fn outputs(
    replication_group_id: String,
    arn: String,
    group: &ReplicationGroup,
    node: &CacheCluster,
    tags: BTreeMap<String, String>,
) -> RedisGroupOutputs {
    let text = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
    let first = group.node_groups().first();
    let (primary, reader) = (first.and_then(|it| it.primary_endpoint()), first.and_then(|it| it.reader_endpoint()));
    let configuration = group.configuration_endpoint();
    let address = |it: Option<&types::Endpoint>| it.and_then(|it| it.address()).unwrap_or_default().to_owned();
    let in_shards = configuration.is_some();
    let (groups, replicas) = live_size(group);
    let engine_version_actual = text(node.engine_version()).unwrap_or_default();
    let security_groups = node.security_groups().iter().filter_map(|it| it.security_group_id.clone());
    let security_groups: Vec<_> = security_groups.collect();
    let pending_modified_values = pending(group, node);
    // What AWS has agreed to counts as done: a refresh would undo in the state what only waits.
    let agreed_version = pending_modified_values.get("engineVersion").cloned();
    let engine = match agreed_version.as_deref().and_then(as_number) {
        Some(version) if version >= (7, 2) => RedisGroupEngine::Valkey,
        Some(_) => RedisGroupEngine::Redis,
        None => group.engine().or(node.engine()).and_then(|it| named(it).ok()).unwrap_or_else(redis),
    };
    let agreed_type = pending_modified_values.get("nodeType").cloned();
    let topic = node.notification_configuration().filter(|it| it.topic_status() != Some("inactive"));
    let logs = group.log_delivery_configurations().iter();
    let logs = logs.filter(|it| it.status() != Some(&LogDeliveryConfigurationStatus::Disabling));
    let logs = logs.map(|it| log_delivery(it.log_type(), it.destination_type(), it.destination_details(), it.log_format()));
    let awaited = group
        .pending_modified_values()
        .map(aws_sdk_elasticache::types::ReplicationGroupPendingModifiedValues::log_delivery_configurations);
    let awaited = awaited.unwrap_or_default().iter();
    let awaited = awaited.map(|it| log_delivery(it.log_type(), it.destination_type(), it.destination_details(), it.log_format()));
    // One that ends shows no destination.
    let awaited = awaited.filter(|it| !it.destination.is_empty());
    let log_delivery_configurations: BTreeMap<_, _> = logs.chain(awaited).map(|it| (it.log_type.clone(), it)).collect();
    RedisGroupOutputs {
        inputs: RedisGroupInputs {
            replication_group_id,
            description: group.description().unwrap_or_default().to_owned(),
            engine,
            engine_version: agreed_version.or_else(|| text(Some(&asked_version(&engine_version_actual)))),
            node_type: agreed_type.unwrap_or_else(|| group.cache_node_type().unwrap_or_default().to_owned()),
            num_cache_clusters: first.map(|_| groups * (replicas + 1)),
            num_node_groups: first.map(|_| groups),
            replicas_per_node_group: first.map(|_| replicas),
            automatic_failover_enabled: Some(matches!(
                group.automatic_failover(),
                Some(AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling)
            )),
            multi_az_enabled: Some(group.multi_az() == Some(&MultiAzStatus::Enabled)),
            preferred_cache_cluster_azs: Vec::new(),
            transit_encryption_enabled: group.transit_encryption_enabled() == Some(true),
            transit_encryption_mode: group.transit_encryption_mode().and_then(|it| named(it.as_str()).ok()),
            at_rest_encryption_enabled: group.at_rest_encryption_enabled() == Some(true),
            kms_key_id: text(group.kms_key_id()),
            auth_token: None,
            auth_token_update_strategy: None,
            user_group_ids: group.user_group_ids().to_vec(),
            subnet_group_name: text(node.cache_subnet_group_name()),
            security_group_ids: some(&security_groups),
            parameter_group_name: text(node.cache_parameter_group().and_then(|it| it.cache_parameter_group_name())),
            port: configuration.or(primary).and_then(types::Endpoint::port).unwrap_or(PORT),
            snapshot_retention_limit: group.snapshot_retention_limit().unwrap_or(0),
            snapshot_window: text(group.snapshot_window()),
            maintenance_window: text(node.preferred_maintenance_window()),
            auto_minor_version_upgrade: group.auto_minor_version_upgrade() == Some(true),
            apply_immediately: true,
            allow_data_loss: false,
            skip_final_snapshot: false,
            final_snapshot_identifier: None,
            notification_topic_arn: topic.and_then(|it| text(it.topic_arn())),
            log_delivery_configurations: log_delivery_configurations.into_values().collect(),
            tags,
        },
        arn,
        primary_endpoint_address: if in_shards { String::new() } else { address(primary) },
        reader_endpoint_address: if in_shards { String::new() } else { address(reader) },
        configuration_endpoint_address: address(configuration),
        member_clusters: group.member_clusters().to_vec(),
        cluster_enabled: group.cluster_enabled() == Some(true),
        engine_version_actual,
        pending_modified_values,
    }
}

/// The version as a program gives it: since 6, AWS chooses the last part.
fn asked_version(version: &str) -> String {
    match as_number(version) {
        Some((major, minor)) if major >= 6 && minor < u32::MAX => format!("{major}.{minor}"),
        _ => version.to_owned(),
    }
}

fn log_delivery(
    log_type: Option<&types::LogType>,
    destination_type: Option<&DestinationType>,
    details: Option<&DestinationDetails>,
    log_format: Option<&types::LogFormat>,
) -> RedisGroupLogDeliveryConfiguration {
    let log_group = details.and_then(|it| it.cloud_watch_logs_details()).and_then(|it| it.log_group());
    let stream = details.and_then(|it| it.kinesis_firehose_details()).and_then(|it| it.delivery_stream());
    RedisGroupLogDeliveryConfiguration {
        log_type: log_type.map_or("", types::LogType::as_str).to_owned(),
        destination_type: destination_type.map_or("", DestinationType::as_str).to_owned(),
        destination: log_group.or(stream).unwrap_or_default().to_owned(),
        log_format: log_format.map_or("", types::LogFormat::as_str).to_owned(),
    }
}

/// `DescribeReplicationGroups`, by id. AWS describes one or all, and an account has few.
struct DescribeReplicationGroups;

impl Lookup for DescribeReplicationGroups {
    type Key = String;
    type Found = ReplicationGroup;
    const LIMIT: usize = 100;
    const MISSING: &'static [&'static str] = &[GONE];

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, ReplicationGroup>> {
        let request = aws.elasticache().describe_replication_groups().set_replication_group_id(elasticache::single(ids));
        let groups = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(groups.into_iter().filter_map(|it| Some((it.replication_group_id.clone()?, it))).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        check::{self, Autonaming, Failure},
        plan::{Facts, Plan},
        resource::{AnyResource as _, Before, Checked, Erased, Subject, findings},
        value::{Map, Value},
    };

    static IT: Erased<RedisGroup> = Erased::NEW;
    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234";

    /// Inputs that have these besides a node type.
    fn inputs(more: serde_json::Value) -> Map {
        let Value::Object(mut inputs) = Value::from(more) else { panic!("inputs are an object") };
        inputs.entry("nodeType".to_owned()).or_insert_with(|| Value::String("cache.t4g.small".to_owned()));
        inputs
    }

    /// The same, of a group that exists.
    fn named(more: serde_json::Value) -> Map {
        let mut inputs = inputs(more);
        inputs.insert("replicationGroupId".to_owned(), Value::String("queue".to_owned()));
        inputs
    }

    /// The mistakes in such inputs.
    fn mistakes(more: serde_json::Value) -> Vec<String> {
        mistakes_after(&Map::new(), inputs(more))
    }

    /// The mistakes in inputs of a group that had `old` ones.
    fn mistakes_after(old: &Map, new: Map) -> Vec<String> {
        checked(old, new).failures.iter().map(Failure::to_string).collect()
    }

    /// The warnings of the same.
    fn warnings_after(old: &Map, new: Map) -> Vec<String> {
        checked(old, new).warnings.iter().map(Failure::to_string).collect()
    }

    fn checked(old: &Map, new: Map) -> Checked {
        let plan = Plan::default();
        let (autonaming, urn) = (Autonaming::Default, "");
        let subject = Subject { name: "Queue", urn, seed: &[1], old, autonaming, cloud: None, plan: &plan };
        IT.check(&subject, new).unwrap()
    }

    #[track_caller]
    fn complains(inputs: serde_json::Value, part: &str) {
        let mistakes = mistakes(inputs);
        assert!(mistakes.len() == 1 && mistakes[0].contains(part), "{mistakes:?}");
    }

    #[test]
    fn sizes_that_fit() {
        let alone = json!({ "numCacheClusters": 1 });
        let zones = json!({ "numCacheClusters": 3, "preferredCacheClusterAzs": ["a", "b", "c"] });
        // An import shows all three.
        let imported = json!({ "numCacheClusters": 2, "numNodeGroups": 1, "replicasPerNodeGroup": 1 });
        let shards = json!({ "numNodeGroups": 3, "replicasPerNodeGroup": 0 });
        for inputs in [json!({}), alone, zones, imported, shards] {
            assert_eq!(mistakes(inputs), Vec::<String>::new());
        }
    }

    #[test]
    fn failover_and_zones_are_by_default_what_the_number_of_nodes_allows() {
        let defaults = |old: &Map, new: Map| {
            let checked = checked(old, new);
            assert_eq!(checked.failures, []);
            let flag = |name: &str| match checked.inputs.get(name) {
                Some(Value::Bool(it)) => Some(*it),
                None => None,
                other => panic!("{other:?}"),
            };
            [flag("automaticFailoverEnabled"), flag("multiAzEnabled")]
        };
        let (none, cluster) = (Map::new(), json!({ "parameterGroupName": "default.redis7.cluster.on" }));
        let (on, off) = (Some(true), Some(false));
        for (more, expected) in [
            (json!({}), [on, on]),
            (json!({ "numCacheClusters": 1 }), [off, off]),
            (json!({ "replicasPerNodeGroup": 0 }), [off, off]),
            (json!({ "numCacheClusters": 3 }), [on, on]),
            (json!({ "automaticFailoverEnabled": false }), [off, off]),
            (json!({ "numNodeGroups": 2, "replicasPerNodeGroup": 0 }), [on, off]),
            (
                json!({ "numNodeGroups": 1, "replicasPerNodeGroup": 0, "parameterGroupName": cluster["parameterGroupName"] }),
                [on, off],
            ),
        ] {
            assert_eq!(defaults(&none, inputs(more.clone())), expected, "{more}");
        }
        let two = named(json!({ "numCacheClusters": 2, "automaticFailoverEnabled": true, "multiAzEnabled": true }));
        // The preview shows what else changes with the number.
        assert_eq!(defaults(&two, named(json!({ "numCacheClusters": 1 }))), [off, off]);
        let changes: Vec<_> =
            IT.diff(&two, &checked(&two, named(json!({ "numCacheClusters": 1 }))).inputs).into_iter().map(|it| it.path).collect();
        assert_eq!(changes, ["automaticFailoverEnabled", "multiAzEnabled", "numCacheClusters"]);
        // Without a number, a group that exists stays as it is.
        assert_eq!(defaults(&two, named(json!({}))), [on, on]);
        let one = checked(&Map::new(), named(json!({ "numCacheClusters": 1 }))).inputs;
        assert_eq!(defaults(&one, named(json!({}))), [off, off]);
        assert_eq!(IT.diff(&two, &checked(&two, named(json!({}))).inputs), []);
        assert_eq!(defaults(&two, named(json!({ "automaticFailoverEnabled": false }))), [off, off]);
        let mut unknown = inputs(json!({}));
        unknown.insert("numCacheClusters".to_owned(), Value::Unknown);
        assert_eq!(checked(&none, unknown).inputs["multiAzEnabled"], Value::Unknown);
    }

    #[test]
    fn a_subnet_group_in_one_zone_has_no_room_for_replicas_in_others() {
        let warnings = |zones: &[Option<&str>], known: bool, more: serde_json::Value| {
            let plan = Plan::default();
            let mut subnets = Vec::new();
            for (index, zone) in zones.iter().enumerate() {
                let (urn, id) = (format!("subnet{index}"), format!("subnet-{index}"));
                let availability_zone = zone.map(str::to_owned);
                plan.declare(&urn, Facts::new(SubnetFacts { availability_zone, vpc: Link::Unknown, block: None }));
                if known {
                    plan.record(&urn, Some(&id), &[]);
                }
                subnets.push(if known { Link::Known(id) } else { Link::Unknown });
            }
            let name = "private".to_owned();
            let facts = RedisSubnetGroupFacts { name: name.clone(), subnets: Some(subnets), renamed_from: None };
            plan.declare("subnets", Facts::new(facts).named(Some(name)));
            let mut inputs = inputs(json!({ "subnetGroupName": "private" }));
            let Value::Object(more) = more.into() else { panic!("a map") };
            inputs.extend(more);
            let (_, warnings) = findings::<RedisGroup>(&plan, Value::Object(inputs));
            warnings.into_iter().filter(|it| it.starts_with("multiAzEnabled")).collect::<Vec<_>>()
        };
        for known in [true, false] {
            let one = warnings(&[None], known, json!({}));
            assert!(one.len() == 1 && one[0].contains("subnet group private has one subnet"), "{one:?}");
            let one = warnings(&[Some("a"), Some("a")], known, json!({}));
            assert!(
                one.len() == 1 && one[0].contains("is true by default") && one[0].contains("all its subnets in a"),
                "{one:?}"
            );
            for (zones, more) in [
                (&[Some("a"), Some("b")][..], json!({})),
                (&[Some("a"), None], json!({})),
                (&[None], json!({ "multiAzEnabled": false })),
                (&[None], json!({ "numCacheClusters": 1 })),
            ] {
                assert_eq!(warnings(zones, known, more), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn cluster_mode_needs_failover_even_without_a_replica() {
        let one = |parameters: &str, failover: bool| {
            json!({
                "numNodeGroups": 1,
                "replicasPerNodeGroup": 0,
                "engineVersion": "7.1",
                "parameterGroupName": parameters,
                "automaticFailoverEnabled": failover,
            })
        };
        assert_eq!(mistakes(one("default.redis7.cluster.on", true)), Vec::<String>::new());
        complains(one("default.redis7.cluster.on", false), "cluster mode needs it");
        complains(one("default.redis7", true), "leaves no replica to fail over to");
        // What the group has that is not of this program, nobody knows.
        let doubt = checked(&Map::new(), inputs(one("custom", true)));
        assert!(doubt.failures.is_empty() && doubt.warnings[0].reason.contains("in cluster mode only"), "{doubt:?}");
    }

    #[test]
    fn spellings_of_versions_windows_and_keys_mean_the_same() {
        let spelled = |version: &str, window: &str, key: &str, parameters: &str| {
            named(json!({
                "engineVersion": version,
                "maintenanceWindow": window,
                "kmsKeyId": key,
                "parameterGroupName": parameters,
            }))
        };
        let old = checked(&Map::new(), spelled("7.1", "sun:05:00-sun:06:00", KEY, "custom")).inputs;
        let checked = checked(&old, spelled("7.1.0", "Sun:05:00-SUN:06:00", "1234", "Custom"));
        assert_eq!(checked.failures, []);
        assert_eq!(checked.inputs["maintenanceWindow"], Value::String("sun:05:00-sun:06:00".to_owned()));
        assert_eq!(IT.diff(&old, &checked.inputs), []);
        let six = named(json!({ "engineVersion": "6.2" }));
        assert_eq!(IT.diff(&six, &named(json!({ "engineVersion": "6.x" }))), []);
        let seven = named(json!({ "engineVersion": "7.1" }));
        assert!(IT.diff(&seven, &named(json!({ "engineVersion": "6.x" }))).iter().any(|it| it.replaces));
        // Before 6, AWS upgrades nothing by itself, and shows that.
        let five = |upgrade: bool| named(json!({ "engineVersion": "5.0.6", "autoMinorVersionUpgrade": upgrade }));
        assert_eq!(IT.diff(&five(false), &five(true)), []);
    }

    #[test]
    fn windows_are_an_hour_long_at_least() {
        for (window, expected) in
            [("sun:05:00-sun:06:00", 60), ("sun:23:30-mon:00:00", 30), ("sat:23:30-sun:00:45", 75), ("23:30-00:15", 45)]
        {
            assert_eq!(minutes(window), Some(expected), "{window}");
        }
        complains(json!({ "maintenanceWindow": "sun:05:00-sun:05:30" }), "shorter than an hour");
        assert!(checked(&Map::new(), inputs(json!({ "snapshotWindow": "03:00-03:30" }))).warnings[0].reason.contains("an hour"));
    }

    #[test]
    fn logs_need_a_version_that_delivers_them() {
        let log = |kind: &str, version: &str, later: bool| {
            let to =
                json!({ "logType": kind, "destinationType": "cloudwatch-logs", "destination": "redis", "logFormat": "json" });
            json!({ "engineVersion": version, "logDeliveryConfigurations": [to], "applyImmediately": !later })
        };
        complains(log("slow-log", "5.0.6", false), "since version 6.0");
        complains(log("engine-log", "6.0", false), "since version 6.2");
        assert_eq!(mistakes(log("engine-log", "6.2", false)), Vec::<String>::new());
        let old = named(json!({ "engineVersion": "5.0.6" }));
        assert_eq!(mistakes_after(&old, named(log("slow-log", "6.2", false))), Vec::<String>::new());
        let mistakes = mistakes_after(&old, named(log("slow-log", "6.2", true)));
        assert!(mistakes.len() == 1 && mistakes[0].contains("waits for the maintenance window"), "{mistakes:?}");
    }

    #[test]
    fn the_one_way_back_to_redis_that_aws_goes_is_made_in_place() {
        let old = named(json!({ "engine": "valkey", "engineVersion": "7.2" }));
        let new = named(json!({ "engine": "redis", "engineVersion": "7.1" }));
        assert_eq!(mistakes_after(&old, new.clone()), Vec::<String>::new());
        assert!(IT.diff(&old, &new).iter().all(|it| !it.replaces));
        assert!(warnings_after(&old, new)[0].contains("which AWS makes in place"));
    }

    #[test]
    fn snapshots_that_a_shorter_retention_deletes_are_warned_of() {
        let days = |it: i32| named(json!({ "snapshotRetentionLimit": it }));
        assert!(warnings_after(&days(7), days(1))[0].contains("deletes daily snapshots that are older"));
        assert!(warnings_after(&days(7), days(0))[0].contains("no more daily snapshots"));
        assert_eq!(warnings_after(&days(1), days(7)), Vec::<String>::new());
    }

    #[test]
    fn parameter_groups_of_the_program_have_to_fit() {
        let group = |family: &str, recreated: bool, cluster: bool| {
            let plan = Plan::default();
            let (name, family) = ("custom".to_owned(), Some(family.to_owned()));
            let facts = RedisParameterGroupFacts { name, family, cluster_enabled: Some(cluster), recreated, renamed_from: None };
            plan.declare("parameters", Facts::new(facts).named(Some("custom".to_owned())));
            plan
        };
        let check = |plan: &Plan, old: &Map, more: serde_json::Value| {
            let autonaming = Autonaming::Default;
            let subject = Subject { name: "Queue", urn: "", seed: &[1], old, autonaming, cloud: None, plan };
            let failures = IT.check(&subject, named(more)).unwrap().failures;
            failures.iter().map(Failure::to_string).collect::<Vec<_>>()
        };
        let with = |version: &str| json!({ "engineVersion": version, "parameterGroupName": "custom" });
        let (none, old) = (Map::new(), named(with("7.1")));
        assert_eq!(check(&group("redis7", false, false), &none, with("7.1")), Vec::<String>::new());
        let wrong = check(&group("redis6.x", false, false), &none, with("7.1"));
        assert!(wrong.len() == 1 && wrong[0].contains("refers to custom, and is of family redis6.x"), "{wrong:?}");
        assert_eq!(check(&group("redis6.x", false, false), &none, with("6.x")), Vec::<String>::new());
        let used = check(&group("redis7", true, false), &old, with("7.1"));
        assert!(used.len() == 1 && used[0].contains("AWS deletes none that is in use"), "{used:?}");
        let other = named(json!({ "engineVersion": "7.1", "parameterGroupName": "other" }));
        assert_eq!(check(&group("redis7", true, false), &other, with("7.1")), Vec::<String>::new());
        let shard = json!({
            "numNodeGroups": 1,
            "replicasPerNodeGroup": 0,
            "engineVersion": "7.1",
            "parameterGroupName": "custom",
            "automaticFailoverEnabled": true,
        });
        assert_eq!(check(&group("redis7", false, true), &none, shard.clone()), Vec::<String>::new());
        assert_eq!(check(&group("redis7", false, false), &none, shard).len(), 1);
    }

    #[test]
    fn groups_that_are_renamed_and_still_named_are_mistakes() {
        let plan = Plan::default();
        let (name, renamed_from) = ("new".to_owned(), Some("old".to_owned()));
        plan.declare("subnets", Facts::new(RedisSubnetGroupFacts { name, subnets: None, renamed_from }));
        let mistakes = |subnets: &str| {
            let (autonaming, old) = (Autonaming::Default, Map::new());
            let subject = Subject { name: "Queue", urn: "", seed: &[1], old: &old, autonaming, cloud: None, plan: &plan };
            let failures = IT.check(&subject, named(json!({ "subnetGroupName": subnets }))).unwrap().failures;
            failures.iter().map(Failure::to_string).collect::<Vec<_>>()
        };
        assert_eq!(mistakes("new"), Vec::<String>::new());
        let said = mistakes("old");
        assert!(said.len() == 1 && said[0].contains("its RedisSubnetGroup is called new now"), "{said:?}");
    }

    #[test]
    fn an_empty_description_is_refused_where_aws_would_be_asked_to_take_it() {
        complains(json!({ "description": "" }), "description is empty");
        // An import finds what the console allows.
        let imported = named(json!({ "description": "" }));
        assert_eq!(mistakes_after(&imported, imported.clone()), Vec::<String>::new());
    }

    #[test]
    fn sizes_that_do_not_fit() {
        let failover = json!({ "numCacheClusters": 1, "automaticFailoverEnabled": true });
        complains(failover, "numCacheClusters leaves no replica to fail over to");
        let zones = json!({ "automaticFailoverEnabled": false, "multiAzEnabled": true });
        complains(zones, "multiAzEnabled needs automaticFailoverEnabled");
        complains(json!({ "numCacheClusters": 7 }), "makes 6 replicas");
        complains(json!({ "numCacheClusters": 3, "numNodeGroups": 2 }), "leave one of them out");
        let zones = json!({ "numNodeGroups": 2, "replicasPerNodeGroup": 0, "multiAzEnabled": true });
        complains(zones, "replicasPerNodeGroup leaves no replica to be");
        complains(json!({ "preferredCacheClusterAzs": ["a"] }), "has 1 entries for 2 nodes");
    }

    #[test]
    fn engines_and_versions() {
        complains(json!({ "engineVersion": "8.0" }), "redis ends with 7.1");
        complains(json!({ "engine": "valkey", "engineVersion": "7.1" }), "valkey begins with 7.2");
        complains(json!({ "engineVersion": "7.x" }), "such as 7.1");
        complains(json!({ "engine": "valkey", "engineVersion": "6.x" }), "valkey begins with 7.2");
        complains(json!({ "engine": "valkey", "parameterGroupName": "default.redis7" }), "another engine than valkey");
        complains(json!({ "nodeType": "cache.t1.micro" }), "too old");
        complains(json!({ "nodeType": "t4g.small" }), "cache.t4g.small");
        assert_eq!([asked_version("7.1.0"), asked_version("5.0.6")], ["7.1", "5.0.6"]);
    }

    #[test]
    fn passwords_are_checked_and_never_shown() {
        for (token, part) in [
            ("hunter2", "fewer than 16"),
            ("hunter2 hunter2 hunter2", "other than space"),
            ("hunter2/hunter2@hunter2", "other than space"),
            ("hunter2_hunter2%hunter2", "characters that AWS refuses"),
        ] {
            complains(json!({ "authToken": token }), part);
            assert!(!mistakes(json!({ "authToken": token }))[0].contains("hunter2"));
        }
        let token = "hunter2-hunter2-hunter2";
        assert_eq!(mistakes(json!({ "authToken": token })), Vec::<String>::new());
        // One that AWS took once is no mistake now.
        let odd = named(json!({ "authToken": "hunter2_hunter2_hunter2" }));
        assert_eq!(mistakes_after(&odd, odd.clone()), Vec::<String>::new());
        complains(json!({ "authToken": token, "transitEncryptionEnabled": false }), "authToken needs transitEncryptionEnabled");
        complains(json!({ "authToken": token, "transitEncryptionMode": "preferred" }), "AWS insists on required");
        complains(json!({ "authToken": token, "userGroupIds": ["users"] }), "cannot be combined with authToken");
    }

    #[test]
    fn no_data_are_lost_unless_that_is_allowed() {
        let refuses = |old: serde_json::Value, new: serde_json::Value, property: &str| {
            let (old, mut new) = (named(old), named(new));
            let mistakes = mistakes_after(&old, new.clone());
            let expected = format!("{property} cannot change without data loss");
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(&expected), "{mistakes:?}");
            assert!(mistakes[0].contains("the place of queue") && mistakes[0].contains("allowDataLoss"), "{mistakes:?}");
            new.insert("allowDataLoss".to_owned(), Value::Bool(true));
            assert_eq!(mistakes_after(&old, new.clone()), Vec::<String>::new());
            let replacing: Vec<_> = IT.diff(&old, &new).into_iter().filter(|it| it.replaces).map(|it| it.path).collect();
            assert_eq!(replacing, [property]);
        };
        let redis = |version: &str| json!({ "engineVersion": version });
        let valkey = |version: &str| json!({ "engine": "valkey", "engineVersion": version });
        refuses(valkey("8.0"), redis("7.1"), "engine");
        refuses(valkey("8.0"), json!({}), "engine");
        refuses(valkey("8.0"), valkey("7.2"), "engineVersion");
        let by_hand = |version: &str| json!({ "engineVersion": version, "autoMinorVersionUpgrade": false });
        refuses(by_hand("7.1"), by_hand("7.0"), "engineVersion");
        refuses(redis("6.2"), json!({ "engineVersion": "6.2", "transitEncryptionEnabled": false }), "transitEncryptionEnabled");
        refuses(json!({}), json!({ "subnetGroupName": "other" }), "subnetGroupName");
        refuses(json!({}), json!({ "region": "eu-west-1" }), "region");

        let keeps = |old: serde_json::Value, new: serde_json::Value| {
            assert_eq!(mistakes_after(&named(old.clone()), named(new.clone())), Vec::<String>::new());
            assert!(IT.diff(&named(old), &named(new)).iter().all(|it| !it.replaces));
        };
        keeps(redis("7.1"), valkey("8.0"));
        keeps(redis("7.0"), redis("7.1"));
        keeps(redis("7.1"), json!({ "engineVersion": "7.1", "transitEncryptionEnabled": false }));
        keeps(json!({ "numCacheClusters": 3 }), json!({ "numCacheClusters": 2 }));
        // A new version of the provider adds defaults, not changes.
        keeps(json!({}), json!({ "port": 6379, "engine": "redis" }));

        // What is not known yet is checked again when it is.
        let mut unknown = named(json!({}));
        unknown.insert("subnetGroupName".to_owned(), Value::Unknown);
        let old = named(json!({ "subnetGroupName": "old" }));
        assert_eq!(mistakes_after(&old, unknown.clone()), Vec::<String>::new());
        // The preview tells all the same.
        let warnings = warnings_after(&old, unknown.clone());
        assert!(warnings.len() == 1 && warnings[0].starts_with("subnetGroupName will only be known when"), "{warnings:?}");
        assert!(warnings[0].contains("Set it to \"old\"; or set allowDataLoss"), "{warnings:?}");
        unknown.insert("allowDataLoss".to_owned(), Value::Bool(true));
        assert_eq!(warnings_after(&old, unknown), Vec::<String>::new());
        let mut unknown = named(json!({}));
        unknown.insert("engine".to_owned(), Value::Unknown);
        assert!(IT.diff(&named(valkey("8.0")), &unknown).iter().all(|it| !it.replaces));
    }

    #[test]
    fn what_only_aws_knows_is_refused_at_preview_too() {
        let id = Value::String("queue".to_owned());
        let live = |more: serde_json::Value| {
            let mut live = named(more);
            live.insert("memberClusters".to_owned(), Value::List(vec![id.clone()]));
            live
        };
        let refusal = |outputs: &Map, inputs: &Map, new: serde_json::Value, ignored: &[String]| {
            let mut new = named(new);
            check::complete(&mut new, IT.inputs().root());
            let before = Before { inputs, outputs, ignored };
            IT.check_update(&before, &new).err().map(|it| it.to_string()).unwrap_or_default()
        };
        let one = live(json!({ "numNodeGroups": 1 }));
        assert!(refusal(&one, &named(json!({})), json!({ "numNodeGroups": 2 }), &[]).contains("not in cluster mode"));
        let shrunk = live(json!({ "numNodeGroups": 1, "clusterEnabled": true }));
        assert_eq!(refusal(&shrunk, &named(json!({})), json!({ "numNodeGroups": 2 }), &[]), "");
        assert_eq!(refusal(&one, &named(json!({})), json!({ "description": "The queue" }), &[]), "");
        // AWS chose 7.1.
        let newer = live(json!({ "engineVersion": "7.1" }));
        let said = refusal(&newer, &named(json!({})), json!({ "engineVersion": "7.0" }), &[]);
        assert!(
            said.starts_with("engineVersion: queue has redis 7.1 by now") && said.contains("set engineVersion to 7.1"),
            "{said}"
        );
        let ignored = ["engineVersion".to_owned()];
        let old = named(json!({ "engineVersion": "7.0" }));
        assert_eq!(refusal(&newer, &old, json!({ "engineVersion": "7.0" }), &ignored), "");
    }

    #[test]
    fn a_refusal_tells_what_to_write_back() {
        let group = |name: Value| {
            let mut inputs = named(json!({}));
            inputs.insert("subnetGroupName".to_owned(), name);
            inputs
        };
        let text = |it: &str| Value::String(it.to_owned());
        let said = mistakes_after(&group(text("subnets-1a2b3c4")), group(text("other"))).concat();
        assert!(said.contains(r#"it was "subnets-1a2b3c4" and is "other" now"#), "{said}");
        assert!(said.contains(r#"Set it to "subnets-1a2b3c4"; or"#), "{said}");
        let said = mistakes_after(&named(json!({})), group(text("other"))).concat();
        assert!(said.contains(r#"it was not set and is "other" now"#) && said.contains("Leave it out; or"), "{said}");
        let said = mistakes_after(&group(text("hidden-one").secret()), group(text("hidden-two").secret())).concat();
        assert!(said.contains("cannot change without data loss") && !said.contains("hidden-"), "{said}");
    }

    #[test]
    fn a_minor_version_that_aws_has_installed_stays() {
        let asked = |version: &str| named(json!({ "engine": "valkey", "engineVersion": version, "allowDataLoss": true }));
        // A refresh takes what AWS has for what the program said.
        assert_eq!(IT.diff(&asked("8.1"), &asked("8.0")), []);
        assert!(IT.diff(&asked("8.1"), &asked("7.2")).iter().any(|it| it.replaces));
        let mut other = asked("8.0");
        other.insert("description".to_owned(), Value::String("The queue".to_owned()));
        let changes: Vec<_> = IT.diff(&asked("8.1"), &other).into_iter().map(|it| (it.path, it.replaces)).collect();
        assert_eq!(changes, [("description".to_owned(), false)]);
        let warnings = warnings_after(&asked("8.1"), other.clone());
        assert!(warnings.len() == 1 && warnings[0].ends_with("set engineVersion to 8.1"), "{warnings:?}");

        let mut seen = asked("8.1");
        seen.insert("memberClusters".to_owned(), Value::List(vec![Value::String("queue-001".to_owned())]));
        check::complete(&mut other, IT.inputs().root());
        for before in ["8.0", "8.1"] {
            let inputs = asked(before);
            let before = Before { inputs: &inputs, outputs: &seen, ignored: &[] };
            assert_eq!(IT.check_update(&before, &other).map_err(|it| it.to_string()), Ok(()));
        }
    }

    #[test]
    fn changes_that_aws_does_not_make() {
        let password = json!({ "authToken": "hunter2-hunter2-hunter2" });
        let mistakes = mistakes_after(&named(password.clone()), named(json!({})));
        assert!(mistakes.len() == 1 && mistakes[0].starts_with("authToken cannot be taken away"), "{mistakes:?}");
        let users = json!({ "userGroupIds": ["users"] });
        assert_eq!(mistakes_after(&named(password), named(users)), Vec::<String>::new());
        let mistakes = mistakes_after(&named(json!({})), named(json!({ "engine": "valkey" })));
        let part = "engineVersion is required where the engine changes";
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(part), "{mistakes:?}");
    }

    #[test]
    fn a_last_snapshot_by_default() {
        let snapshot = |more: serde_json::Value| {
            let inputs = IT.completed(&named(more)).unwrap();
            final_snapshot("queue", &inputs, SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_903_999_500))
        };
        assert_eq!(snapshot(json!({})).unwrap(), "queue-final-20260131-235959");
        assert_eq!(snapshot(json!({ "finalSnapshotIdentifier": "last" })).unwrap(), "last");
        assert_eq!(snapshot(json!({ "skipFinalSnapshot": true })), None);
        assert_eq!(snapshot(json!({ "nodeType": "cache.t1.micro" })), None);
        complains(json!({ "skipFinalSnapshot": true, "finalSnapshotIdentifier": "last" }), "names a snapshot to take");
    }

    #[test]
    fn what_waits_counts_as_agreed() {
        let node = types::PendingModifiedValues::builder().cache_node_type("cache.m7g.large").engine_version("8.0.1").build();
        let node = CacheCluster::builder().engine_version("7.1.0").pending_modified_values(node).build();
        let group = ReplicationGroup::builder().cache_node_type("cache.t4g.small").engine("redis").build();
        let shown = outputs("queue".to_owned(), String::new(), &group, &node, BTreeMap::new());
        let waiting: Vec<_> = shown.pending_modified_values.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        assert_eq!(waiting, [("engineVersion", "8.0"), ("nodeType", "cache.m7g.large")]);
        assert_eq!((shown.inputs.engine, shown.inputs.engine_version.as_deref()), (RedisGroupEngine::Valkey, Some("8.0")));
        assert_eq!((shown.inputs.node_type.as_str(), shown.engine_version_actual.as_str()), ("cache.m7g.large", "7.1.0"));
    }

    #[test]
    fn encryption_is_changed_in_steps_that_aws_takes() {
        use RedisGroupTransitEncryptionMode::{Preferred, Required};
        let (on, only, off) = ((true, Some(Preferred)), (true, Some(Required)), (false, None));
        assert_eq!(encryption_steps(None, Some(Required)), [on, only]);
        assert_eq!(encryption_steps(None, Some(Preferred)), [on]);
        assert_eq!(encryption_steps(Some(Required), None), [on, off]);
        assert_eq!(encryption_steps(Some(Preferred), None), [off]);
        assert_eq!(encryption_steps(Some(Preferred), Some(Required)), [only]);
        assert_eq!(encryption_steps(Some(Required), Some(Required)), []);
    }

    #[test]
    fn a_password_is_rotated_in_before_it_is_the_only_one() {
        use AuthTokenUpdateStrategyType::{Rotate, Set};
        let inputs = |token: &str, strategy: Option<&str>| {
            let inputs = json!({
                "replicationGroupId": "queue",
                "nodeType": "cache.t4g.small",
                "authToken": token,
                "authTokenUpdateStrategy": strategy,
            });
            serde_json::from_value::<RedisGroupInputs>(inputs).unwrap()
        };
        let old = inputs("old", None);
        assert_eq!(auth_steps(true, &old, &inputs("new", None)), [Rotate]);
        assert_eq!(auth_steps(false, &old, &inputs("new", None)), [Rotate, Set]);
        assert_eq!(auth_steps(false, &old, &inputs("new", Some("ROTATE"))), [Rotate]);
        assert_eq!(auth_steps(true, &old, &inputs("new", Some("SET"))), [Rotate, Set]);
        assert_eq!(auth_steps(true, &old, &inputs("old", Some("SET"))), [Set]);
        assert_eq!(auth_steps(true, &old, &inputs("old", None)), []);
    }
}
