//! What the resources of ECS share: capacity, tags, and watching over deployments.

mod advice;
pub mod deployment;
mod diagnosis;
mod network;

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_ecs::types::{self, CapacityProviderStrategyItem, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aws, Explain as _};
use crate::{
    check::{Report, misspelt},
    resource::tag_changes,
};

pub use diagnosis::{Diagnosis, Evidence, why};

/// How many tasks a capacity provider gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProviderStrategy {
    /// The capacity provider: `FARGATE`, `FARGATE_SPOT`, or one of your own.
    pub capacity_provider: String,
    /// The share of tasks it gets, in proportion to the weights of the others. Default: 1 if there are no others, else 0,
    /// AWS's own: tasks beyond a `base` are left to the others.
    #[schemars(range(min = 0, max = 1000), extend("computed" = true))]
    pub weight: Option<i32>,
    /// How many tasks it gets before the weights count. Only one of a strategy may have a base.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub base: i32,
}

/// What `launchType: FARGATE` means, and the only way to say so to a service that has had other strategies.
pub fn all_on_fargate() -> Vec<CapacityProviderStrategy> {
    vec![CapacityProviderStrategy { capacity_provider: "FARGATE".to_owned(), weight: Some(1), base: 0 }]
}

/// Whether all tasks run on `FARGATE`, which a launch type says as well.
pub fn are_all_on_fargate(strategies: &[CapacityProviderStrategy]) -> bool {
    match strategies {
        [it] => it.capacity_provider == "FARGATE" && it.weight.unwrap_or(1) == 1 && it.base == 0,
        _ => false,
    }
}

/// Where in the network tasks are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkConfiguration {
    /// The ids of the subnets, all of one VPC.
    #[schemars(length(min = 1, max = 16), extend("compare" = "set"))]
    #[schemars(transform = crate::aws::ec2::id::subnet)]
    pub subnets: Vec<String>,
    /// The ids of the security groups. Default: the VPC's own.
    #[serde(default)]
    #[schemars(length(max = 5), extend("compare" = "set"))]
    #[schemars(transform = crate::aws::ec2::id::security_group)]
    pub security_groups: Vec<String>,
    /// Whether each task gets a public address, without which it needs a NAT gateway or VPC endpoints to reach AWS. Default:
    /// false.
    #[serde(default)]
    pub assign_public_ip: bool,
}

/// The network for AWS.
pub fn to_vpc(it: &NetworkConfiguration) -> Result<types::AwsVpcConfiguration> {
    let public = if it.assign_public_ip { types::AssignPublicIp::Enabled } else { types::AssignPublicIp::Disabled };
    let configuration = types::AwsVpcConfiguration::builder()
        .set_subnets(Some(it.subnets.clone()))
        .set_security_groups(Some(it.security_groups.clone()))
        .assign_public_ip(public);
    Ok(configuration.build()?)
}

/// Reports strategies by which nothing could be placed.
pub fn check_strategies(strategies: &[CapacityProviderStrategy], report: &mut Report<'_>) {
    for (index, strategy) in strategies.iter().enumerate() {
        check_provider(&format!("capacityProviderStrategies[{index}].capacityProvider"), &strategy.capacity_provider, report);
    }
    report.rule(
        &["capacityProviderStrategies?", "capacityProviderStrategies[].weight"],
        strategies.iter().any(|it| it.weight.map_or(strategies.len() == 1, |it| it > 0)),
        "has no weight above 0, so that no task could be placed; give one of them `weight: 1`",
    );
    report.rule(
        &["capacityProviderStrategies?", "capacityProviderStrategies[].base"],
        strategies.iter().filter(|it| it.base > 0).count() <= 1,
        "has more than one base; AWS allows one",
    );
}

/// Checks the name of a capacity provider, which may be one of AWS or of the program's owner; whether there can be one of it.
pub fn check_provider(path: &str, name: &str, report: &mut Report<'_>) -> bool {
    const FARGATE: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];
    // CreateCapacityProvider: "The name can't be prefixed with "aws", "ecs", or "fargate"".
    let own = name.to_lowercase().starts_with("fargate");
    let near = misspelt(name, &FARGATE);
    let exists = FARGATE.contains(&name) || !own && near.is_none();
    let reason = format!("is {name:?}, which is not a capacity provider of AWS; did you mean {}?", near.unwrap_or(FARGATE[1]));
    report.rule(&[path], exists, reason);
    exists
}

/// The strategies, where those that leave their weight out keep that of `seen`.
pub fn keep_weights(strategies: &[CapacityProviderStrategy], seen: &[CapacityProviderStrategy]) -> Vec<CapacityProviderStrategy> {
    let keep = |it: &CapacityProviderStrategy| {
        let before = seen.iter().find(|seen| seen.capacity_provider == it.capacity_provider);
        CapacityProviderStrategy { weight: it.weight.or(before.and_then(|it| it.weight)), ..it.clone() }
    };
    strategies.iter().map(keep).collect()
}

/// The strategies for AWS.
pub fn to_strategies(strategies: &[CapacityProviderStrategy]) -> Result<Vec<CapacityProviderStrategyItem>> {
    let strategy = |it: &CapacityProviderStrategy| {
        let item = CapacityProviderStrategyItem::builder().capacity_provider(&it.capacity_provider);
        // By itself, a weight of 0 is one that AWS refuses.
        Ok(item.weight(it.weight.unwrap_or(i32::from(strategies.len() == 1))).base(it.base).build()?)
    };
    strategies.iter().map(strategy).collect()
}

/// The strategies that AWS shows.
pub fn from_strategies(strategies: &[CapacityProviderStrategyItem]) -> Vec<CapacityProviderStrategy> {
    let strategy = |it: &CapacityProviderStrategyItem| CapacityProviderStrategy {
        capacity_provider: it.capacity_provider().to_owned(),
        weight: Some(it.weight()),
        base: it.base(),
    };
    strategies.iter().map(strategy).collect()
}

/// The tags for AWS.
pub fn to_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags that AWS shows.
pub fn from_tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().filter_map(|it| Some((it.key()?.to_owned(), it.value().unwrap_or_default().to_owned()))).collect()
}

/// Changes the tags of `arn` from `old` to `new`.
pub async fn retag(aws: &Aws, arn: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    let (set, removed) = tag_changes(old, new);
    if !removed.is_empty() {
        aws.ecs().untag_resource().resource_arn(arn).set_tag_keys(Some(removed)).send().await.explain()?;
    }
    if !set.is_empty() {
        aws.ecs().tag_resource().resource_arn(arn).set_tags(Some(to_tags(&set))).send().await.explain()?;
    }
    Ok(())
}
