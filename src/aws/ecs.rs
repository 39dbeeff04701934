//! What the resources of ECS share: capacity, tags, and watching over deployments.

mod advice;
pub mod deployment;
mod diagnosis;
mod network;

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_ecs::types::{CapacityProviderStrategyItem, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aws, Explain as _};
use crate::resource::tag_changes;

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
