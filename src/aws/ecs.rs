//! What the resources of ECS share.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_ecs::types::Tag;

use super::{Aws, Explain as _};
use crate::resource::tag_changes;

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
