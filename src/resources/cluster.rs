//! ecs: a cluster, the place where services and tasks run.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, bail};
use aws_sdk_ecs::types;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    codec::Unlisted,
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Seen,
        ecs::{self, CapacityProviderStrategy},
        refused_with,
    },
    check::Report,
    list::{All, Cursor, Listed, Page},
    resource::{Context, Resource, taken},
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
    /// Settings of the cluster, of which AWS knows one: `containerInsights`. Default: `disabled`.
    #[serde(default = "without_insights")]
    #[schemars(length(min = 1), extend("keyedBy" = "name"))]
    pub settings: Vec<ClusterSetting>,
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

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOutputs {
    #[serde(flatten)]
    pub inputs: ClusterInputs,
    /// The ARN of the cluster.
    pub arn: String,
}

fn without_insights() -> Vec<ClusterSetting> {
    vec![ClusterSetting { name: ClusterSettingName::ContainerInsights, value: "disabled".to_owned() }]
}

fn fargate() -> Vec<String> {
    vec!["FARGATE".to_owned(), "FARGATE_SPOT".to_owned()]
}

impl Resource for Cluster {
    const NAME: &'static str = "Cluster";
    type Inputs = ClusterInputs;
    type Outputs = ClusterOutputs;
    type Query = All;

    fn check(inputs: &ClusterInputs, report: &mut Report<'_>) {
        for (index, strategy) in inputs.default_capacity_provider_strategies.iter().enumerate() {
            report.rule(
                &[&format!("defaultCapacityProviderStrategies[{index}].capacityProvider"), "capacityProviders"],
                inputs.capacity_providers.contains(&strategy.capacity_provider),
                format!("is {}, which is not in capacityProviders", strategy.capacity_provider),
            );
        }
        let bases = inputs.default_capacity_provider_strategies.iter().filter(|it| it.base > 0).count();
        report.rule(&["defaultCapacityProviderStrategies"], bases <= 1, "has more than one base; AWS allows one");
        for (index, setting) in inputs.settings.iter().enumerate() {
            report.rule(
                &[&format!("settings[{index}].value")],
                ["enabled", "enhanced", "disabled"].contains(&setting.value.as_str()),
                format!("is {:?}, not one of enabled, enhanced, disabled", setting.value),
            );
        }
    }

    async fn create(context: &Context, inputs: &ClusterInputs) -> Result<String> {
        // AWS takes a second creation for the first one, and the next destroy would delete somebody else's cluster.
        if context.observer.ask(context.aws.look_up::<DescribeClusters>(inputs.name.clone())).await?.is_some() {
            bail!(taken::<Self>(&inputs.name, &inputs.name));
        }
        let client = context.aws.ecs();
        let create = || async {
            let request = client
                .create_cluster()
                .cluster_name(&inputs.name)
                .set_capacity_providers(Some(inputs.capacity_providers.clone()))
                .set_default_capacity_provider_strategy(Some(ecs::to_strategies(&inputs.default_capacity_provider_strategies)?))
                .set_settings(Some(settings(inputs)))
                .set_tags(Some(ecs::to_tags(&inputs.tags)));
            request.send().await.explain()
        };
        context.observer.settle(ROLE_UNKNOWN, create).await?;
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, id: &str, old: &ClusterOutputs, new: &ClusterInputs) -> Result<()> {
        let client = context.aws.ecs();
        if old.inputs.settings != new.settings {
            client.update_cluster_settings().cluster(id).set_settings(Some(settings(new))).send().await.explain()?;
        }
        if old.inputs.capacity_providers != new.capacity_providers
            || old.inputs.default_capacity_provider_strategies != new.default_capacity_provider_strategies
        {
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
        ecs::retag(&context.aws, &old.arn, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, _: &ClusterInputs) -> Result<()> {
        let look = || async {
            let cluster = context.aws.look_up::<DescribeClusters>(name_in(id)?).await?;
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
        let Some(cluster) = context.aws.look_up::<DescribeClusters>(name_in(id)?).await? else { return Ok(None) };
        let insights = cluster.settings().iter().find(|it| it.name() == Some(&types::ClusterSettingName::ContainerInsights));
        let settings = insights.map_or_else(without_insights, |it| {
            let value = it.value().unwrap_or_default().to_owned();
            vec![ClusterSetting { name: ClusterSettingName::ContainerInsights, value }]
        });
        Ok(Some(ClusterOutputs {
            inputs: ClusterInputs {
                name: cluster.cluster_name().unwrap_or_default().to_owned(),
                capacity_providers: cluster.capacity_providers().to_vec(),
                default_capacity_provider_strategies: ecs::from_strategies(cluster.default_capacity_provider_strategy()),
                settings,
                tags: ecs::from_tags(cluster.tags()),
            },
            arn: cluster.cluster_arn().unwrap_or_default().to_owned(),
        }))
    }

    fn id(outputs: &ClusterOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.aws.ecs().list_clusters().max_results(at.size(1..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let names = answer.cluster_arns().iter().map(|it| name_in(it)).collect::<Result<Vec<_>>>()?;
        let clusters = names.into_iter().map(|it| context.aws.look_up::<DescribeClusters>(it));
        let living = try_join_all(clusters).await?.into_iter().flatten().filter_map(|it| it.cluster_name);
        Ok(Page::new(living.map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &ClusterOutputs) -> Result<()> {
        let delete = || async { context.aws.ecs().delete_cluster().cluster(id).send().await.explain() };
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
        let request = aws.ecs().describe_clusters().set_clusters(Some(names)).include(Tags).include(Settings).include(Configurations);
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

fn settings(inputs: &ClusterInputs) -> Vec<types::ClusterSetting> {
    let setting = |it: &ClusterSetting| {
        types::ClusterSetting::builder().name(types::ClusterSettingName::ContainerInsights).value(&it.value).build()
    };
    inputs.settings.iter().map(setting).collect()
}
