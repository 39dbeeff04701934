//! ecs: a cluster, the place where services and tasks run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail};
use aws_sdk_ecs::types;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Seen, Settle as _,
        ecs::{self, CapacityProviderStrategy},
        refused_with,
    },
    check::Report,
    codec::{Unlisted, name_of, named},
    facts::ClusterFacts,
    list::{All, Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, changed, taken},
};

/// What AWS says in an account that has never used ECS, until the role that it makes for itself is known everywhere.
const ROLE_UNKNOWN: &[Passing] = &[("InvalidParameterException", "Unable to assume the service linked role")];
/// What AWS says while the cluster settles after another change.
const BUSY: &[Passing] = &[("UpdateInProgressException", ""), ("ClientException", "Cluster was not ACTIVE")];
/// What holds a cluster for a while after it has been deleted.
const STILL_HELD: &[Passing] = &[("UpdateInProgressException", ""), ("ClusterContainsTasksException", "")];

pub struct Cluster;

/// A cluster: the place where services and tasks run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInputs {
    /// The name of the cluster, of letters, digits, hyphens and underscores. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 255, "expects" = "made of letters, digits, hyphens and underscores"))]
    pub name: String,
    /// Where tasks of the cluster may run. Default: on Fargate and on spare Fargate capacity, which services then choose between.
    #[serde(default = "fargate")]
    #[schemars(extend("compare" = "set"))]
    pub capacity_providers: Vec<String>,
    /// How tasks are spread over the capacity providers, for services that say nothing of it.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "capacityProvider"))]
    pub default_capacity_provider_strategies: Vec<CapacityProviderStrategy>,
    /// Settings of the cluster, of which AWS knows one: `containerInsights`. Default: as AWS has it, which is the account
    /// setting `containerInsights` when the cluster is created.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name", "computed" = true))]
    pub settings: Vec<ClusterSetting>,
    /// How commands run in containers (ECS Exec) are encrypted and logged, and which keys encrypt storage. Default: as AWS has
    /// it; a new cluster has none.
    #[schemars(extend("computed" = true))]
    pub configuration: Option<ClusterConfiguration>,
    /// The namespace of Service Connect for services that name none. Default: as AWS has it; a new cluster has none.
    #[schemars(extend("computed" = true))]
    pub service_connect_defaults: Option<ClusterServiceConnectDefaults>,
    /// Tags to put on the cluster.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A setting of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSetting {
    /// The setting.
    pub name: ClusterSettingName,
    /// Its value. For `containerInsights`: `enabled`, `enhanced` or `disabled`.
    pub value: String,
}

/// The name of a cluster's setting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClusterSettingName {
    /// Whether `CloudWatch` collects metrics of each task and container.
    ContainerInsights,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// How commands run in containers are encrypted and logged, and which keys encrypt storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterConfiguration {
    /// How commands that are run in containers by ECS Exec are encrypted and logged.
    pub execute_command_configuration: Option<ClusterExecuteCommandConfiguration>,
    /// The keys that encrypt the storage of tasks.
    pub managed_storage_configuration: Option<ClusterManagedStorageConfiguration>,
}

/// How commands that are run in containers by ECS Exec are encrypted and logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterExecuteCommandConfiguration {
    /// The id of the KMS key that encrypts the data between the client and the container.
    #[schemars(transform = crate::aws::arn::key)]
    pub kms_key_id: Option<String>,
    /// Where the commands and their output are logged. Default: `DEFAULT`.
    #[serde(default)]
    pub logging: ClusterExecuteCommandLogging,
    /// Where to log to, for `logging: OVERRIDE`.
    pub log_configuration: Option<ClusterExecuteCommandLogConfiguration>,
}

/// Where commands and their output are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ClusterExecuteCommandLogging {
    /// Nowhere.
    None,
    /// By the `awslogs` configuration of the task definition, if it has one.
    #[default]
    Default,
    /// By `logConfiguration`.
    Override,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Where commands and their output are logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterExecuteCommandLogConfiguration {
    /// The name of the log group to send logs to. It has to exist.
    pub cloud_watch_log_group_name: Option<String>,
    /// Whether that log group is encrypted. Default: false.
    #[serde(default)]
    pub cloud_watch_encryption_enabled: bool,
    /// The name of the S3 bucket to send logs to. It has to exist.
    pub s3_bucket_name: Option<String>,
    /// Whether that bucket is encrypted. Default: false.
    #[serde(default)]
    pub s3_bucket_encryption_enabled: bool,
    /// The folder in the bucket.
    pub s3_key_prefix: Option<String>,
}

/// The keys that encrypt the storage of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterManagedStorageConfiguration {
    /// The id of the KMS key for EBS volumes of tasks.
    #[schemars(transform = crate::aws::arn::key)]
    pub kms_key_id: Option<String>,
    /// The id of the KMS key for the ephemeral storage of tasks on Fargate.
    #[schemars(transform = crate::aws::arn::key)]
    pub fargate_ephemeral_storage_kms_key_id: Option<String>,
}

/// The namespace of Service Connect for services that name none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterServiceConnectDefaults {
    /// The name or ARN of the Cloud Map namespace. AWS shows its ARN, and creates one of that name if there is none.
    #[schemars(transform = crate::aws::arn::namespace_or_name, extend("compare" = "namespace"))]
    pub namespace: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOutputs {
    #[serde(flatten)]
    pub inputs: ClusterInputs,
    /// The ARN of the cluster.
    pub arn: String,
}

fn fargate() -> Vec<String> {
    vec!["FARGATE".to_owned(), "FARGATE_SPOT".to_owned()]
}

impl Resource for Cluster {
    const NAME: &'static str = "Cluster";
    type Cloud = crate::aws::Session;
    type Inputs = ClusterInputs;
    type Outputs = ClusterOutputs;
    type Query = All;

    fn check(inputs: &ClusterInputs, report: &mut Report<'_>) {
        let mut exist = true;
        for (index, name) in inputs.capacity_providers.iter().enumerate() {
            exist &= ecs::check_provider(&format!("capacityProviders[{index}]"), name, report);
        }
        let exec = inputs.configuration.as_ref().and_then(|it| it.execute_command_configuration.as_ref());
        if let Some(exec) = exec {
            let at = "configuration.executeCommandConfiguration";
            report.rule(
                &[&format!("{at}.logConfiguration?"), &format!("{at}.logging")],
                (exec.logging == ClusterExecuteCommandLogging::Override) == exec.log_configuration.is_some(),
                "goes with logging OVERRIDE, and only with that; set both, or neither",
            );
        }
        for (index, strategy) in inputs.default_capacity_provider_strategies.iter().enumerate() {
            let path = format!("defaultCapacityProviderStrategies[{index}].capacityProvider");
            // A misspelt name, here or there, is one mistake.
            let exist = ecs::check_provider(&path, &strategy.capacity_provider, report) && exist;
            report.rule(
                &[&path, "capacityProviders"],
                !exist || inputs.capacity_providers.contains(&strategy.capacity_provider),
                format!("is {}, which is not in capacityProviders", strategy.capacity_provider),
            );
        }
        let bases = inputs.default_capacity_provider_strategies.iter().filter(|it| it.base > 0).count();
        report.rule(
            &["defaultCapacityProviderStrategies?", "defaultCapacityProviderStrategies[].base"],
            bases <= 1,
            "has more than one base; AWS allows one",
        );
        for (index, setting) in inputs.settings.iter().enumerate() {
            report.rule(
                &[&format!("settings[{index}].value")],
                ["enabled", "enhanced", "disabled"].contains(&setting.value.as_str()),
                format!("is {:?}, not one of enabled, enhanced, disabled", setting.value),
            );
        }
    }

    fn check_change(old: &ClusterInputs, new: &ClusterInputs, _: &BTreeSet<String>, report: &mut Report<'_>) {
        let is_on = |it: &&ClusterSetting| it.value != "disabled";
        if let Some(on) = old.settings.iter().find(is_on).filter(|_| new.settings.is_empty()) {
            let name = name_of(on.name);
            let reason = format!("is left out now: AWS keeps {name} {}; to switch it off, set its value to disabled", on.value);
            report.warn(&["settings"], false, reason);
        }
    }

    fn facts(inputs: &ClusterInputs, report: &Report<'_>) -> Option<Facts> {
        let capacity_providers = report.known("capacityProviders", inputs.capacity_providers.clone());
        let facts = Facts::new(ClusterFacts { name: report.shown(&inputs.name), capacity_providers });
        Some(facts.named(report.known("name", inputs.name.clone())))
    }

    async fn create(context: &Context, inputs: &ClusterInputs) -> Result<String> {
        // AWS takes a second creation for the first one, and the next destroy would delete somebody else's cluster.
        if context.observer.ask(context.client.look_up::<DescribeClusters>(inputs.name.clone())).await?.is_some() {
            bail!(taken::<Self>(&inputs.name, &inputs.name));
        }
        let client = context.client.ecs();
        let create = || async {
            let request = client
                .create_cluster()
                .cluster_name(&inputs.name)
                .set_capacity_providers(Some(inputs.capacity_providers.clone()))
                .set_default_capacity_provider_strategy(Some(ecs::to_strategies(&inputs.default_capacity_provider_strategies)?))
                .set_settings(settings(inputs))
                .set_configuration(inputs.configuration.as_ref().map(configuration_to_aws))
                .set_service_connect_defaults(inputs.service_connect_defaults.as_ref().map(defaults_to_aws).transpose()?)
                .set_tags(Some(ecs::to_tags(&inputs.tags)));
            request.send().await.explain()
        };
        context.observer.settle(ROLE_UNKNOWN, create).await?;
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, id: &str, old: &ClusterOutputs, new: &ClusterInputs) -> Result<()> {
        let client = context.client.ecs();
        // What the program leaves out stays as AWS has it.
        let settings = settings(new).filter(|_| old.inputs.settings != new.settings);
        let configuration = new.configuration.as_ref().filter(|it| old.inputs.configuration.as_ref() != Some(*it));
        let defaults =
            new.service_connect_defaults.as_ref().filter(|it| old.inputs.service_connect_defaults.as_ref() != Some(*it));
        if settings.is_some() || configuration.is_some() || defaults.is_some() {
            let update = || async {
                let request = client
                    .update_cluster()
                    .cluster(id)
                    .set_settings(settings.clone())
                    .set_configuration(configuration.map(configuration_to_aws))
                    .set_service_connect_defaults(defaults.map(defaults_to_aws).transpose()?);
                request.send().await.explain()
            };
            context.observer.settle(BUSY, update).await?;
        }
        let changed = changed(&old.inputs, new)?;
        if ["capacityProviders", "defaultCapacityProviderStrategies"].iter().any(|it| changed.contains(*it)) {
            let put = || async {
                let request = client
                    .put_cluster_capacity_providers()
                    .cluster(id)
                    .set_capacity_providers(Some(new.capacity_providers.clone()))
                    .set_default_capacity_provider_strategy(Some(ecs::to_strategies(&new.default_capacity_provider_strategies)?));
                request.send().await.explain()
            };
            context.observer.settle(BUSY, put).await?;
        }
        ecs::retag(&context.client, &old.arn, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, _: &ClusterInputs) -> Result<()> {
        let look = || async {
            let cluster = context.client.look_up::<DescribeClusters>(name_in(id)?).await?;
            let cluster = cluster.with_context(|| format!("cluster {id} is gone"))?;
            Ok(match cluster.status() {
                Some("ACTIVE") => Seen::Ready(()),
                Some("FAILED") => bail!("AWS could not attach what cluster {id} needs; `pulumi up` tries again"),
                other => Seen::Pending(format!("cluster {}", other.unwrap_or("without a status").to_lowercase())),
            })
        };
        context.observer.wait(format!("cluster {id}"), Patience::minutes(10), look).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ClusterOutputs>> {
        let Some(cluster) = context.client.look_up::<DescribeClusters>(name_in(id)?).await? else { return Ok(None) };
        let setting = |it: &types::ClusterSetting| {
            let value = it.value().unwrap_or_default().to_owned();
            Ok(ClusterSetting { name: named(it.name().map_or("", types::ClusterSettingName::as_str))?, value })
        };
        let defaults = cluster.service_connect_defaults().and_then(types::ClusterServiceConnectDefaults::namespace);
        Ok(Some(ClusterOutputs {
            inputs: ClusterInputs {
                name: cluster.cluster_name().unwrap_or_default().to_owned(),
                capacity_providers: cluster.capacity_providers().to_vec(),
                default_capacity_provider_strategies: ecs::from_strategies(cluster.default_capacity_provider_strategy()),
                settings: cluster.settings().iter().map(setting).collect::<Result<_>>()?,
                configuration: cluster
                    .configuration()
                    .map(configuration_from_aws)
                    .transpose()?
                    .filter(|it| *it != ClusterConfiguration::default()),
                service_connect_defaults: defaults
                    .filter(|it| !it.is_empty())
                    .map(|it| ClusterServiceConnectDefaults { namespace: it.to_owned() }),
                tags: ecs::from_tags(cluster.tags()),
            },
            arn: cluster.cluster_arn().unwrap_or_default().to_owned(),
        }))
    }

    fn id(outputs: &ClusterOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.client.ecs().list_clusters().max_results(at.size(1..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let names = answer.cluster_arns().iter().map(|it| name_in(it)).collect::<Result<Vec<_>>>()?;
        let clusters = names.into_iter().map(|it| context.client.look_up::<DescribeClusters>(it));
        let living = try_join_all(clusters).await?.into_iter().flatten().filter_map(|it| it.cluster_name);
        Ok(Page::new(living.map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &ClusterOutputs) -> Result<()> {
        let delete = || async { context.client.ecs().delete_cluster().cluster(id).send().await.explain() };
        match context.observer.settle(STILL_HELD, delete).await {
            Err(error) if refused_with(&error, &["ClusterNotFoundException"]) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// `DescribeClusters`, by name. A cluster that has been deleted stays visible for a while, and counts as gone.
struct DescribeClusters;

impl Lookup for DescribeClusters {
    type Key = String;
    type Found = types::Cluster;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, names: Vec<String>) -> Result<HashMap<String, types::Cluster>> {
        use types::ClusterField::{Configurations, Settings, Tags};
        let request =
            aws.ecs().describe_clusters().set_clusters(Some(names)).include(Tags).include(Settings).include(Configurations);
        let clusters = request.send().await.explain()?.clusters.unwrap_or_default();
        let living = clusters.into_iter().filter(|it| !matches!(it.status(), Some("INACTIVE" | "DEPROVISIONING")));
        Ok(living.filter_map(|it| Some((it.cluster_name()?.to_owned(), it))).collect())
    }
}

/// The name, from itself or from an ARN, `arn:aws:ecs:region:account:cluster/name`.
fn name_in(id: &str) -> Result<String> {
    if !id.starts_with("arn:") {
        return Ok(id.to_owned());
    }
    match id.split_once(":cluster/") {
        Some((_, name)) => Ok(name.to_owned()),
        None => bail!("{id} is not the ARN of a cluster, such as arn:aws:ecs:eu-west-1:123456789012:cluster/name"),
    }
}

/// The settings for AWS, if the program says any.
fn settings(inputs: &ClusterInputs) -> Option<Vec<types::ClusterSetting>> {
    let setting =
        |it: &ClusterSetting| types::ClusterSetting::builder().name(name_of(it.name).as_str().into()).value(&it.value).build();
    Some(inputs.settings.iter().map(setting).collect()).filter(|it: &Vec<_>| !it.is_empty())
}

fn defaults_to_aws(it: &ClusterServiceConnectDefaults) -> Result<types::ClusterServiceConnectDefaultsRequest> {
    Ok(types::ClusterServiceConnectDefaultsRequest::builder().namespace(&it.namespace).build()?)
}

fn configuration_to_aws(it: &ClusterConfiguration) -> types::ClusterConfiguration {
    let logs = |it: &ClusterExecuteCommandLogConfiguration| {
        types::ExecuteCommandLogConfiguration::builder()
            .set_cloud_watch_log_group_name(it.cloud_watch_log_group_name.clone())
            .cloud_watch_encryption_enabled(it.cloud_watch_encryption_enabled)
            .set_s3_bucket_name(it.s3_bucket_name.clone())
            .s3_encryption_enabled(it.s3_bucket_encryption_enabled)
            .set_s3_key_prefix(it.s3_key_prefix.clone())
            .build()
    };
    let exec = it.execute_command_configuration.as_ref().map(|it| {
        types::ExecuteCommandConfiguration::builder()
            .set_kms_key_id(it.kms_key_id.clone())
            .logging(name_of(it.logging).as_str().into())
            .set_log_configuration(it.log_configuration.as_ref().map(logs))
            .build()
    });
    let storage = it.managed_storage_configuration.as_ref().map(|it| {
        types::ManagedStorageConfiguration::builder()
            .set_kms_key_id(it.kms_key_id.clone())
            .set_fargate_ephemeral_storage_kms_key_id(it.fargate_ephemeral_storage_kms_key_id.clone())
            .build()
    });
    let configuration = types::ClusterConfiguration::builder().set_execute_command_configuration(exec);
    configuration.set_managed_storage_configuration(storage).build()
}

fn configuration_from_aws(it: &types::ClusterConfiguration) -> Result<ClusterConfiguration> {
    let text = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
    let logs = |it: &types::ExecuteCommandLogConfiguration| ClusterExecuteCommandLogConfiguration {
        cloud_watch_log_group_name: text(it.cloud_watch_log_group_name()),
        cloud_watch_encryption_enabled: it.cloud_watch_encryption_enabled(),
        s3_bucket_name: text(it.s3_bucket_name()),
        s3_bucket_encryption_enabled: it.s3_encryption_enabled(),
        s3_key_prefix: text(it.s3_key_prefix()),
    };
    let exec = |it: &types::ExecuteCommandConfiguration| {
        let logging = it.logging().map(|it| named(it.as_str())).transpose()?.unwrap_or_default();
        let kms_key_id = text(it.kms_key_id());
        let log_configuration = it.log_configuration().map(logs);
        Ok::<_, anyhow::Error>(ClusterExecuteCommandConfiguration { kms_key_id, logging, log_configuration })
    };
    let storage = |it: &types::ManagedStorageConfiguration| ClusterManagedStorageConfiguration {
        kms_key_id: text(it.kms_key_id()),
        fargate_ephemeral_storage_kms_key_id: text(it.fargate_ephemeral_storage_kms_key_id()),
    };
    Ok(ClusterConfiguration {
        execute_command_configuration: it.execute_command_configuration().map(exec).transpose()?,
        managed_storage_configuration: it.managed_storage_configuration().map(storage),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Cluster;
    use crate::resource::{findings_of_change, mistakes};

    #[test]
    fn capacity_providers_of_fargate_are_spelt_as_aws_does() {
        let with = |names: &[&str]| mistakes::<Cluster>(json!({ "name": "main", "capacityProviders": names }).into());
        assert_eq!(with(&["FARGATE", "FARGATE_SPOT", "my-instances"]), Vec::<String>::new());
        assert_eq!(with(&[]), Vec::<String>::new());
        for (name, meant) in [("FARGATE-SPOT", "FARGATE_SPOT"), ("fargate", "FARGATE"), ("FARGATE_ON_DEMAND", "FARGATE_SPOT")] {
            let reason =
                format!("capacityProviders[0] is {name:?}, which is not a capacity provider of AWS; did you mean {meant}?");
            assert_eq!(with(&[name]), [reason]);
        }
    }

    #[test]
    fn a_misspelt_capacity_provider_is_one_mistake() {
        let with = |names: &[&str], name: &str| {
            let strategies = json!([{ "capacityProvider": name, "weight": 1 }]);
            let inputs = json!({ "name": "main", "capacityProviders": names, "defaultCapacityProviderStrategies": strategies });
            mistakes::<Cluster>(inputs.into())
        };
        let strategy = "defaultCapacityProviderStrategies[0].capacityProvider";
        for (names, name, path) in [
            (&["FARGATE-SPOT"], "FARGATE_SPOT", "capacityProviders[0]"),
            (&["FARGATE_SPOT"], "FARGATE-SPOT", strategy),
            (&["FARGATE"], "FARGATE_SPOT", strategy),
        ] {
            let found = with(names, name);
            assert!(found.len() == 1 && found[0].starts_with(path), "{found:?}");
        }
        assert_eq!(with(&["FARGATE-SPOT"], "FARGATE-SPOT").len(), 2);
    }

    #[test]
    fn a_setting_that_is_left_out_stays_on_until_it_is_disabled() {
        let with = |value: &str| json!({ "name": "main", "settings": [{ "name": "containerInsights", "value": value }] }).into();
        let left_out = || json!({ "name": "main" }).into();
        let (failures, warnings) = findings_of_change::<Cluster>(with("enhanced"), left_out());
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(
            warnings,
            ["settings is left out now: AWS keeps containerInsights enhanced; to switch it off, set its value to disabled"]
        );
        assert!(findings_of_change::<Cluster>(with("enabled"), with("disabled")).1.is_empty());
    }

    #[test]
    fn logs_of_commands_go_with_their_logging() {
        let with = |exec: serde_json::Value| {
            let configuration = json!({ "executeCommandConfiguration": exec });
            mistakes::<Cluster>(json!({ "name": "main", "configuration": configuration }).into())
        };
        let logs = json!({ "cloudWatchLogGroupName": "exec" });
        assert_eq!(with(json!({ "logging": "OVERRIDE", "logConfiguration": logs })), Vec::<String>::new());
        assert_eq!(with(json!({ "logging": "NONE" })), Vec::<String>::new());
        let reason = "configuration.executeCommandConfiguration.logConfiguration goes with logging OVERRIDE, and only with that; set \
                      both, or neither";
        assert_eq!(with(json!({ "logConfiguration": logs })), [reason]);
    }
}
