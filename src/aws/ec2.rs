//! What the resources of EC2 share: tags go on at creation, and are changed by calls of their own.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

use super::{Aws, Explain as _};
use crate::resource::tag_changes;

/// The tags for a new resource; none where there are none, for AWS refuses an empty list.
pub fn tag_specifications(kind: ResourceType, tags: &BTreeMap<String, String>) -> Option<Vec<TagSpecification>> {
    let specification = TagSpecification::builder().resource_type(kind).set_tags(Some(to_tags(tags)));
    (!tags.is_empty()).then(|| vec![specification.build()])
}

/// The tags that AWS shows.
pub fn from_tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().filter_map(|it| Some((it.key()?.to_owned(), it.value().unwrap_or_default().to_owned()))).collect()
}

/// Changes the tags of `id` from `old` to `new`.
pub async fn retag(aws: &Aws, id: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    let (set, removed) = tag_changes(old, new);
    if !removed.is_empty() {
        let keys = removed.into_iter().map(|it| Tag::builder().key(it).build()).collect();
        aws.ec2().delete_tags().resources(id).set_tags(Some(keys)).send().await.explain()?;
    }
    if !set.is_empty() {
        aws.ec2().create_tags().resources(id).set_tags(Some(to_tags(&set))).send().await.explain()?;
    }
    Ok(())
}

fn to_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
