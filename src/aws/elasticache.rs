//! What the resources of ElastiCache share: tags by calls of their own, ARNs that end in a name, and cache clusters,
//! which is what AWS calls the nodes of a replication group.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use anyhow::{Result, bail};
use aws_sdk_elasticache::types::{CacheCluster, Tag};
use tokio::time::Instant;

use super::{Aws, Explain as _, Lookup, Passing, Patience, Seen, refused_with, status_of};
use crate::{
    check::Report,
    resource::{Context, tag_changes},
};

/// What AWS says of a replication group that something else is being done to.
pub const BUSY: &[Passing] = &[("InvalidReplicationGroupState", ""), ("InvalidCacheClusterState", "")];

/// How long nodes that are about to be deleted may not be said to be.
const NOTICED: Duration = Duration::from_secs(30);

/// Refuses an empty description, which the console of AWS allows, where AWS would be asked to take it.
pub fn check_description(description: &str, report: &mut Report<'_>) {
    let holds = !description.is_empty() || !report.changes("description");
    report.rule(&["description"], holds, "is empty, but AWS wants some text: give one, or leave it out");
}

/// The name that a group of subnets or parameters had, if the program gives it another one.
pub fn renamed_from(name: &str, report: &Report<'_>) -> Option<String> {
    let before = report.before("name")?.as_str()?;
    (report.knows("name") && !before.eq_ignore_ascii_case(name)).then(|| report.shown(before))
}

/// The tags for AWS.
pub fn to_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags that AWS shows of `arn`.
pub async fn tags(context: &Context, arn: &str) -> Result<BTreeMap<String, String>> {
    let list = || async { context.client.elasticache().list_tags_for_resource().resource_name(arn).send().await.explain() };
    let tags = when_idle(context, arn, list).await?.tag_list.unwrap_or_default();
    Ok(tags.into_iter().filter_map(|it| Some((it.key?, it.value.unwrap_or_default()))).collect())
}

/// Changes the tags of `arn` from `old` to `new`.
pub async fn retag(context: &Context, arn: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    let client = context.client.elasticache();
    let (set, removed) = tag_changes(old, new);
    if !removed.is_empty() {
        let remove = || async {
            let request = client.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(removed.clone()));
            request.send().await.explain()
        };
        when_idle(context, arn, remove).await?;
    }
    if !set.is_empty() {
        let add =
            || async { client.add_tags_to_resource().resource_name(arn).set_tags(Some(to_tags(&set))).send().await.explain() };
        when_idle(context, arn, add).await?;
    }
    Ok(())
}

/// Repeats `call` while something else is being done to the replication group `arn`, such as a change of its nodes.
async fn when_idle<T, F>(context: &Context, arn: &str, mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let codes: Vec<_> = BUSY.iter().map(|(code, _)| *code).collect();
    let look = || {
        let (call, codes) = (call(), &codes);
        async move {
            match call.await {
                Err(error) if refused_with(&error, codes) => Ok(Seen::Pending(status_of(&error))),
                result => result.map(Seen::Ready),
            }
        }
    };
    context.observer.wait(format!("AWS to be done with {arn}"), Patience::minutes(30), look).await
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

/// Deletes the group `name`, of subnets or of parameters. AWS refuses with the code `in_use` while nodes use it, and for
/// minutes after they are gone; nodes that stay are named.
pub async fn delete_when_free<F>(
    context: &Context,
    name: &str,
    in_use: &str,
    mut delete: impl FnMut() -> F,
    uses: impl Fn(&CacheCluster) -> bool,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let started = Instant::now();
    let look = || {
        let (delete, uses) = (delete(), &uses);
        async move {
            let Err(error) = delete.await else { return Ok(Seen::Ready(())) };
            if !refused_with(&error, &[in_use]) {
                return Err(error);
            }
            let clusters = cache_clusters(&context.client, None).await.unwrap_or_default();
            let stays = |it: &CacheCluster| uses(it) && it.cache_cluster_status() != Some("deleting");
            let holders: BTreeSet<_> = clusters.iter().filter(|it| stays(it)).filter_map(holder).collect();
            if holders.is_empty() {
                return Ok(Seen::Pending(format!("{name}: AWS still counts it as used")));
            }
            let status = format!("still used by {}", holders.into_iter().collect::<Vec<_>>().join(", "));
            if started.elapsed() > NOTICED {
                return Err(error.context(format!("{status}; once nothing uses it, the next `pulumi up` deletes it")));
            }
            Ok(Seen::Pending(format!("{name}: {status}")))
        }
    };
    context.observer.wait(format!("AWS to free {name}"), Patience::minutes(15), look).await
}

/// What a node is part of, or else itself.
fn holder(node: &CacheCluster) -> Option<String> {
    let group = node.replication_group_id().map(|it| format!("replication group {it}"));
    group.or_else(|| node.cache_cluster_id().map(|it| format!("cache cluster {it}")))
}

async fn cache_clusters(aws: &Aws, id: Option<String>) -> Result<Vec<CacheCluster>> {
    let request = aws.elasticache().describe_cache_clusters().set_cache_cluster_id(id);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_a_group_is_named() {
        let node = || CacheCluster::builder().cache_cluster_id("queue-001");
        assert_eq!(holder(&node().replication_group_id("queue").build()).unwrap(), "replication group queue");
        assert_eq!(holder(&node().build()).unwrap(), "cache cluster queue-001");
    }

    #[test]
    fn names_are_found_in_arns() {
        let arn = "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:Queue";
        assert_eq!(name_in(arn, "replicationgroup").unwrap(), "queue");
        assert_eq!(name_in("queue", "replicationgroup").unwrap(), "queue");
        assert!(name_in(arn, "subnetgroup").unwrap_err().to_string().contains(":subnetgroup:name"));
        assert!(name_in("queue:1", "replicationgroup").is_err());
    }
}
