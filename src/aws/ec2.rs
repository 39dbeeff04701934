//! What the resources of EC2 share: ids and ARNs, tags, and deleting what others may still use.

pub mod id;
pub mod reach;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Error, Result, ensure};
use aws_sdk_ec2::types::{Filter, NetworkInterface, ResourceType, Tag, TagSpecification};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::{Aws, Explain as _, Lookup, Observer, Patience, Refusal, Seen, refused_with};
use crate::{
    list::Listed,
    resource::{Context, tag_changes},
};

/// How long AWS may take to notice that a thing is free.
const NOTICED: Duration = Duration::from_secs(30);

/// How long a network interface may stay after its owner has gone. One that stays longer has an owner who stays.
pub const LINGERS: Duration = Duration::from_mins(5);

/// How long those of Lambda functions may stay, which AWS keeps for later use.
const LINGERS_OF_LAMBDA: Duration = Duration::from_mins(30);

/// The id in what a person pasted, which is the id itself or an ARN that ends in it. `prefix` is how such ids begin.
pub fn id_in(pasted: &str, prefix: &str, what: &str) -> Result<String> {
    let id = pasted.rsplit('/').next().unwrap_or(pasted);
    ensure!(id.starts_with(prefix), "{pasted:?} is no {what}: give an ID such as {prefix}0123456789abcdef0, or its ARN");
    Ok(id.to_owned())
}

/// The ARN of a thing such as `vpc-endpoint/vpce-1` that AWS shows without one.
pub fn arn(aws: &Aws, account: &str, thing: &str) -> String {
    let region = aws.region();
    let partition = match region.split('-').collect::<Vec<_>>().as_slice() {
        ["cn", ..] => "aws-cn",
        ["eusc", ..] => "aws-eusc",
        [_, "gov", ..] => "aws-us-gov",
        [_, "iso", ..] => "aws-iso",
        [_, "isob", ..] => "aws-iso-b",
        _ => "aws",
    };
    format!("arn:{partition}:ec2:{region}:{account}:{thing}")
}

/// A filter on what a call shows.
pub fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// A filter that a program gives: what AWS shows has to have one of the values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Filter")]
pub struct FilterArgument {
    /// What to filter by, as the EC2 API calls it, such as `vpc-id` or `tag:Name`.
    pub name: String,
    /// The values it may have; `*` stands for any text, `?` for any character.
    #[schemars(length(min = 1))]
    pub values: Vec<String>,
}

/// A query for things that are in VPCs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InVpc {
    /// The VPC that they are in. Default: any.
    #[schemars(regex(pattern = "^vpc-"), extend("expects" = "the ID of a VPC, such as vpc-0123456789abcdef0"))]
    pub vpc_id: Option<String>,
}

impl InVpc {
    /// The query as filters, of which the one for the VPC has a `name`.
    pub fn filters(&self, name: &str) -> Vec<Filter> {
        self.vpc_id.iter().map(|it| filter(name, vec![it.clone()])).collect()
    }
}

/// A thing, and the name that a person has given it.
pub fn listed(id: Option<&str>, tags: &[Tag]) -> Option<Listed> {
    Some(Listed::new(id?, name(tags).unwrap_or_default()))
}

fn name(tags: &[Tag]) -> Option<&str> {
    tags.iter().find(|it| it.key() == Some("Name")).and_then(Tag::value)
}

/// The filters that a program gives, together with those for tags that it asks for.
pub fn filters(filters: &[FilterArgument], tags: &BTreeMap<String, String>) -> Vec<Filter> {
    let tags = tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), vec![value.clone()]));
    filters.iter().map(|it| filter(&it.name, it.values.clone())).chain(tags).collect()
}

/// Whether AWS refused a call because what it is about is not there.
pub fn is_gone(error: &Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| it.code.ends_with(".NotFound"))
}

/// Waits until AWS shows what was just made or changed, and until nothing is `missing` any more: its reads lag behind its
/// writes.
pub async fn shown<L>(context: &Context, id: &str, missing: impl Fn(&L::Found) -> Option<String> + Send + Sync) -> Result<()>
where
    L: Lookup<Key = String>,
{
    let missing = &missing;
    let look = || async move {
        Ok(match context.client.look_up::<L>(id.to_owned()).await? {
            Some(it) => missing(&it).map_or(Seen::Ready(()), Seen::Pending),
            None => Seen::Pending(format!("{id} does not show yet")),
        })
    };
    context.observer.wait(id, Patience::seconds(120), look).await
}

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

/// What keeps AWS from deleting another thing.
pub struct Holder {
    /// What it is, as its owner knows it.
    pub name: String,
    /// How long it may stay after its owner has gone, if it goes by itself.
    pub lingers: Option<Duration>,
}

impl Holder {
    /// Something that stays until somebody deletes it.
    pub fn new(id: Option<&str>, tags: &[Tag]) -> Self {
        Self { name: named(id, tags), lingers: None }
    }
}

/// An id, and the name that a person knows the thing by.
pub fn named(id: Option<&str>, tags: &[Tag]) -> String {
    let id = id.unwrap_or("something without an id");
    match name(tags) {
        Some(name) => format!("{id} ({name})"),
        None => id.to_owned(),
    }
}

/// The network interfaces that `filter` finds for `value`, such as those of the `subnet-id` `subnet-1`.
pub async fn interfaces(aws: &Aws, filter: &str, value: &str) -> Result<Vec<Holder>> {
    let filter = self::filter(filter, vec![value.to_owned()]);
    let found = aws.ec2().describe_network_interfaces().filters(filter).send().await.explain()?;
    Ok(found.network_interfaces().iter().map(owner).collect())
}

/// Deletes `what`, which others may still use. Waits while they go by themselves; where they stay, the error names them.
/// `held` are the codes by which AWS refuses, and `holders` finds out who it is.
pub async fn delete_when_free<F, G>(
    observer: &Observer,
    what: &str,
    held: &[&str],
    mut delete: impl FnMut() -> F,
    mut holders: impl FnMut() -> G,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
    G: Future<Output = Result<Vec<Holder>>>,
{
    let started = Instant::now();
    let look = || {
        let (delete, holders) = (delete(), holders());
        async move {
            let Err(error) = delete.await else { return Ok(Seen::Ready(())) };
            if !refused_with(&error, held) {
                return Err(error);
            }
            // Whoever may not look at network interfaces still gets AWS's own words.
            let holders = holders.await.unwrap_or_default();
            let names: Vec<_> = holders.iter().map(|it| it.name.as_str()).collect();
            let status = match names.as_slice() {
                [] => format!("{what} is still used, AWS does not say by what"),
                names => format!("{what} is still used by {}", names.join(", ")),
            };
            let limit = holders.iter().filter_map(|it| it.lingers).max().unwrap_or(NOTICED);
            if started.elapsed() > limit {
                return Err(error.context(format!("{status}; remove that, or take {what} out of it, and try again")));
            }
            Ok(Seen::Pending(status))
        }
    };
    observer.wait(format!("AWS to free {what}"), Patience::minutes(45), look).await
}

/// Whose network interface it is: AWS tells by the description alone.
pub fn owner(interface: &NetworkInterface) -> Holder {
    let (id, description) = (interface.network_interface_id().unwrap_or_default(), interface.description().unwrap_or_default());
    let tag = |key: &str| interface.tag_set().iter().find(|it| it.key() == Some(key)).and_then(Tag::value);
    let named = |owner: String| Holder { name: format!("{owner} ({id})"), lingers: Some(LINGERS) };
    if interface.groups().iter().any(|it| it.group_name().is_some_and(|it| it.starts_with("GuardDutyManaged"))) {
        let name = format!("the VPC endpoint that GuardDuty made to watch tasks ({id}), which stays until somebody deletes it");
        return Holder { name, lingers: None };
    }
    if let Some(balancer) = description.strip_prefix("ELB ") {
        let name = balancer.split('/').nth(1).unwrap_or(balancer);
        return named(format!("load balancer {name}"));
    }
    if description.starts_with("arn:") && description.contains(":ecs:") {
        return named(match tag("aws:ecs:serviceName") {
            Some(service) => format!("a task of service {service}"),
            None => "an ECS task".to_owned(),
        });
    }
    if let Some(function) = description.strip_prefix("AWS Lambda VPC ENI-") {
        return Holder { lingers: Some(LINGERS_OF_LAMBDA), ..named(format!("Lambda function {function}")) };
    }
    for (prefix, what) in [
        ("ElastiCache ", "ElastiCache node "),
        ("Interface for NAT Gateway ", "NAT gateway "),
        ("VPC Endpoint Interface ", "VPC endpoint "),
    ] {
        if let Some(owner) = description.strip_prefix(prefix) {
            return named(format!("{what}{owner}"));
        }
    }
    let name = match interface.attachment().and_then(|it| it.instance_id()) {
        Some(instance) => format!("instance {instance} ({id})"),
        None if description.is_empty() => format!("network interface {id}"),
        None => format!("network interface {id} ({description})"),
    };
    Holder { name, lingers: None }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{GroupIdentifier, NetworkInterfaceAttachment};

    use super::*;

    #[test]
    fn tells_whose_a_network_interface_is() {
        let owned = |description: &str| {
            let it = owner(&NetworkInterface::builder().network_interface_id("eni-1").description(description).build());
            (it.name, it.lingers.is_some())
        };
        let task = "arn:aws:ecs:us-east-1:123456789012:attachment/6f1d";
        for (description, name, lingers) in [
            ("ELB app/web/50dc6c495c0c9188", "load balancer web (eni-1)", true),
            (task, "an ECS task (eni-1)", true),
            ("ElastiCache queue-001", "ElastiCache node queue-001 (eni-1)", true),
            ("Interface for NAT Gateway nat-1", "NAT gateway nat-1 (eni-1)", true),
            ("VPC Endpoint Interface vpce-1", "VPC endpoint vpce-1 (eni-1)", true),
            ("mine", "network interface eni-1 (mine)", false),
            ("", "network interface eni-1", false),
        ] {
            assert_eq!(owned(description), (name.to_owned(), lingers));
        }
        let tag = Tag::builder().key("aws:ecs:serviceName").value("web").build();
        let interface = NetworkInterface::builder().network_interface_id("eni-1").description(task).tag_set(tag).build();
        assert_eq!(owner(&interface).name, "a task of service web (eni-1)");
        let attachment = NetworkInterfaceAttachment::builder().instance_id("i-1").build();
        let interface = NetworkInterface::builder().network_interface_id("eni-1").attachment(attachment).build();
        assert!(owner(&interface).lingers.is_none());
        assert_eq!(owner(&interface).name, "instance i-1 (eni-1)");
        let group = GroupIdentifier::builder().group_name("GuardDutyManagedSecurityGroup-vpc-1").build();
        let interface = NetworkInterface::builder().description("VPC Endpoint Interface vpce-1").groups(group).build();
        assert!(owner(&interface).lingers.is_none());
        assert!(owner(&interface).name.contains("GuardDuty"));
    }

    #[test]
    fn takes_ids_and_arns() {
        let group = |it| id_in(it, "sg-", "security group");
        assert_eq!(group("sg-1").unwrap(), "sg-1");
        assert_eq!(group("arn:aws:ec2:us-east-1:123456789012:security-group/sg-1").unwrap(), "sg-1");
        let expected = "\"web\" is no security group: give an ID such as sg-0123456789abcdef0, or its ARN";
        assert_eq!(group("web").unwrap_err().to_string(), expected);
    }
}
