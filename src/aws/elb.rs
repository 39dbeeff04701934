//! What the resources of Elastic Load Balancing share: tags, attributes, and the actions of listeners and rules.

mod action;
mod forward;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::{Error, Result, bail};
use aws_sdk_elasticloadbalancingv2::types;

use super::{Aws, Explain as _, Lookup, Passing, refused_with};
use crate::resource::tag_changes;

pub use action::{
    ListenerAction, ListenerActionType, check_actions, from_actions, keep_left_out, normalize_actions, share_target_group,
    to_actions,
};
pub use forward::{check_forwards, links};

/// What AWS says of a target group until the last listener of another load balancer that it serves is gone: one that is being
/// replaced may just be going.
pub const SERVES_ANOTHER: Passing = ("TargetGroupAssociationLimit", "");

/// The tags for a new resource; none where there are none, for AWS refuses an empty list.
pub fn to_tags(tags: &BTreeMap<String, String>) -> Option<Vec<types::Tag>> {
    let tags: Vec<_> = tags.iter().map(|(key, value)| types::Tag::builder().key(key).value(value).build()).collect();
    (!tags.is_empty()).then_some(tags)
}

/// The tags of `arn`, of whatever kind it is.
pub async fn tags_of(aws: &Arc<Aws>, arn: &str) -> Result<BTreeMap<String, String>> {
    Ok(aws.look_up::<DescribeTags>(arn.to_owned()).await?.unwrap_or_default())
}

/// Changes the tags of `arn` from `old` to `new`.
pub async fn retag(aws: &Aws, arn: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    let (set, removed) = tag_changes(old, new);
    if !removed.is_empty() {
        aws.elb().remove_tags().resource_arns(arn).set_tag_keys(Some(removed)).send().await.explain()?;
    }
    if let Some(set) = to_tags(&set) {
        aws.elb().add_tags().resource_arns(arn).set_tags(Some(set)).send().await.explain()?;
    }
    Ok(())
}

/// `DescribeTags`, by ARN.
struct DescribeTags;

impl Lookup for DescribeTags {
    type Key = String;
    type Found = BTreeMap<String, String>;
    const LIMIT: usize = 20;
    const MISSING: &'static [&'static str] = &["LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound", "RuleNotFound"];

    async fn load(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, BTreeMap<String, String>>> {
        let described = aws.elb().describe_tags().set_resource_arns(Some(arns)).send().await.explain()?;
        let tags = |it: types::TagDescription| {
            let tags = it.tags().iter().filter_map(|it| Some((it.key()?.to_owned(), it.value().unwrap_or_default().to_owned())));
            Some((it.resource_arn()?.to_owned(), tags.collect()))
        };
        Ok(described.tag_descriptions.unwrap_or_default().into_iter().filter_map(tags).collect())
    }
}

/// Whether `id` can be one of a `kind`, as its ARN calls it, before AWS is asked about it.
pub fn check_id(id: &str, kind: &str, has_name: bool) -> Result<()> {
    let is_name = id.len() <= 32 && id.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    if id.starts_with("arn:") && id.contains(&format!(":{kind}/")) || has_name && is_name {
        return Ok(());
    }
    let name = if has_name { ", nor a name" } else { "" };
    bail!("{id:?} is no ARN like arn:aws:elasticloadbalancing:<region>:<account>:{kind}/...{name}")
}

/// An attribute of a load balancer or target group: its key, and the value it has in AWS until it is set.
pub type Attribute = (&'static str, &'static str);

/// What has to be told to AWS to get from `old`, or from what a new resource has, to `new`.
pub fn attribute_changes(old: Option<&[(Attribute, String)]>, new: &[(Attribute, String)]) -> Vec<(&'static str, String)> {
    let differs = |it: &&(Attribute, String)| match old {
        Some(old) => !old.contains(it),
        None => it.1 != it.0.1,
    };
    new.iter().filter(differs).map(|((key, _), value)| (*key, value.clone())).collect()
}

/// The attributes that AWS shows, by key.
pub struct Attributes(pub HashMap<String, String>);

impl Attributes {
    /// The value of an attribute. AWS leaves out those that a kind of resource does not have.
    pub fn text(&self, (key, default): Attribute) -> &str {
        self.0.get(key).map_or(default, String::as_str)
    }

    pub fn flag(&self, attribute: Attribute) -> bool {
        self.text(attribute) == "true"
    }

    pub fn number(&self, attribute: Attribute) -> Result<i32> {
        Ok(self.text(attribute).parse()?)
    }
}

/// Adds the way out to the refusal of a target group that another load balancer uses.
pub fn explain_association(error: Error) -> Error {
    if refused_with(&error, &["TargetGroupAssociationLimit"]) {
        return error.context(
            "a target group serves one load balancer; add another one for this listener, or delete the listeners and rules of the \
             other load balancer that forward to it",
        );
    }
    error
}
