//! What the resources of ElastiCache share: tags by calls of their own, ARNs that end in a name, and cache clusters,
//! which is what AWS calls the nodes of a replication group.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Error, Result, bail};
use aws_sdk_elasticache::types::{CacheCluster, Tag};

use super::{Aws, Explain as _, Lookup, Passing};
use crate::resource::{Context, tag_changes};

/// What AWS says of a replication group that something else is being done to.
pub const BUSY: &[Passing] = &[("InvalidReplicationGroupState", "")];

/// The tags for AWS.
pub fn to_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags that AWS shows of `arn`.
pub async fn tags(context: &Context, arn: &str) -> Result<BTreeMap<String, String>> {
    let list = || async { context.aws.elasticache().list_tags_for_resource().resource_name(arn).send().await.explain() };
    let tags = context.observer.settle(BUSY, list).await?.tag_list.unwrap_or_default();
    Ok(tags.into_iter().filter_map(|it| Some((it.key?, it.value.unwrap_or_default()))).collect())
}

/// Changes the tags of `arn` from `old` to `new`.
pub async fn retag(context: &Context, arn: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    let client = context.aws.elasticache();
    let (set, removed) = tag_changes(old, new);
    if !removed.is_empty() {
        let remove = || async {
            let request = client.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(removed.clone()));
            request.send().await.explain()
        };
        context.observer.settle(BUSY, remove).await?;
    }
    if !set.is_empty() {
        let add =
            || async { client.add_tags_to_resource().resource_name(arn).set_tags(Some(to_tags(&set))).send().await.explain() };
        context.observer.settle(BUSY, add).await?;
    }
    Ok(())
}

/// The name, from itself or from an ARN, `arn:aws:elasticache:region:account:kind:name`. AWS keeps names in lower case.
pub fn name_in(id: &str, kind: &str) -> Result<String> {
    let name = match id.split(':').collect::<Vec<_>>()[..] {
        [name] => name,
        ["arn", _, "elasticache", _, _, this, name] if this == kind => name,
        _ => bail!("{id:?} is neither a name nor an ARN such as arn:aws:elasticache:eu-central-1:123456789012:{kind}:name"),
    };
    Ok(name.to_lowercase())
}

/// `DescribeCacheClusters`, by id. An account has a few hundred of them at most, so several are found in the list of all.
pub struct DescribeCacheClusters;

impl Lookup for DescribeCacheClusters {
    type Key = String;
    type Found = CacheCluster;
    const LIMIT: usize = 100;
    const MISSING: &'static [&'static str] = &["CacheClusterNotFound"];

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, CacheCluster>> {
        let clusters = cache_clusters(aws, single(ids)).await?;
        Ok(clusters.into_iter().filter_map(|it| Some((it.cache_cluster_id.clone()?, it))).collect())
    }
}

/// The one to ask for by name, where it is one. AWS describes one or all.
pub fn single(mut names: Vec<String>) -> Option<String> {
    names.pop().filter(|_| names.is_empty())
}

/// Adds to `error`, by which AWS refuses to delete something that is in use, who uses it.
pub async fn name_users(context: &Context, error: Error, uses: impl Fn(&CacheCluster) -> bool) -> Error {
    let clusters = cache_clusters(&context.aws, None).await.unwrap_or_default();
    let holders = clusters.into_iter().filter(uses).filter_map(|it| it.replication_group_id.or(it.cache_cluster_id));
    let mut holders: Vec<_> = holders.collect();
    holders.sort();
    holders.dedup();
    if holders.is_empty() { error } else { error.context(format!("used by {}, to be deleted first", holders.join(", "))) }
}

async fn cache_clusters(aws: &Aws, id: Option<String>) -> Result<Vec<CacheCluster>> {
    let request = aws.elasticache().describe_cache_clusters().set_cache_cluster_id(id);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_arns() {
        let arn = "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:Queue";
        assert_eq!(name_in(arn, "replicationgroup").unwrap(), "queue");
        assert_eq!(name_in("queue", "replicationgroup").unwrap(), "queue");
        assert!(name_in(arn, "subnetgroup").unwrap_err().to_string().contains(":subnetgroup:name"));
        assert!(name_in("queue:1", "replicationgroup").is_err());
    }
}
