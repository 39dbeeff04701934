//! ec2: a security group, with all its rules.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_ec2::types::{self, IpPermission, ResourceType};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, Patience, Seen, ec2::{self, InVpc}, refused_with},
    check::Report,
    list::{Cursor, Listed, Page},
    resource::{Context, Resource},
};

/// What AWS says of a VPC or a group that was made a moment ago.
const NOT_KNOWN_YET: &[Passing] = &[("InvalidVpcID.NotFound", ""), ("InvalidGroup.NotFound", "")];
/// How AWS refuses to permit what is permitted.
const ALREADY: &[&str] = &["InvalidPermission.Duplicate"];
/// How AWS refuses to delete a group that something uses.
const IN_USE: &[&str] = &["DependencyViolation", "InvalidGroup.InUse"];
/// What stands for the group itself before it has an ID.
const ITSELF: &str = "self";

pub struct SecurityGroup;

/// A security group: who may talk to what is in it, and whom that may talk to. It holds exactly the rules given here.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupInputs {
    /// The name of the group, of one kind in a VPC. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]+$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 255, "reserved" = "sg-"))]
    #[schemars(extend("expects" = "made of letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"))]
    pub name: String,
    /// What the group is for. AWS has no way to change it. Default: `Managed by Pulumi`.
    #[serde(default = "managed")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]+$"))]
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(extend("expects" = "made of letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"))]
    pub description: String,
    /// The VPC that the group is in. Default: the default VPC of the region.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true, "always" = true, "nameScope" = true))]
    pub vpc_id: Option<String>,
    /// Who may talk to what is in the group. Default: nobody.
    #[serde(default)]
    #[schemars(extend("compare" = "flattened"))]
    pub ingress: Vec<SecurityGroupRule>,
    /// Whom that which is in the group may talk to. Default: everyone, for a task has to reach ECR, `CloudWatch` and Secrets
    /// Manager before it can start at all. An empty list allows nothing.
    #[serde(default = "everyone")]
    #[schemars(extend("compare" = "flattened"))]
    pub egress: Vec<SecurityGroupRule>,
    /// Tags to put on the group.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What a security group lets in or out, for each of those whom the rule names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupRule {
    /// The protocol: `tcp`, `udp`, `icmp`, `icmpv6`, the number of another one, or `-1` for all of them.
    #[schemars(regex(pattern = "^(-1|tcp|udp|icmp|icmpv6|[0-9]{1,3})$"))]
    #[schemars(extend("expects" = "tcp, udp, icmp, icmpv6, the number of another protocol, or -1 for all"))]
    pub protocol: String,
    /// The first port, or the type of ICMP messages, where -1 is all of them. Default: 0, which is right for protocols that
    /// have no ports, and for all protocols.
    #[serde(default)]
    #[schemars(range(min = -1, max = 65535))]
    pub from_port: i32,
    /// The last port, or the code of ICMP messages, where -1 is all of them. Default: 0, as for `fromPort`.
    #[serde(default)]
    #[schemars(range(min = -1, max = 65535))]
    pub to_port: i32,
    /// Blocks of IPv4 addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = json!({ "type": "string", "format": "cidr" })))]
    pub cidr_blocks: Vec<String>,
    /// Blocks of IPv6 addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = json!({ "type": "string", "format": "cidr" })))]
    pub ipv6_cidr_blocks: Vec<String>,
    /// Prefix lists, which AWS or you keep addresses in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix_list_ids: Vec<String>,
    /// Whatever is in these security groups. One of another account is written as `account/group`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// Whatever is in this very group.
    #[serde(default, rename = "self", skip_serializing_if = "std::ops::Not::not")]
    pub itself: bool,
    /// What the rule is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]*$"))]
    #[schemars(extend("expects" = "made of letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"))]
    pub description: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupOutputs {
    #[serde(flatten)]
    pub inputs: SecurityGroupInputs,
    /// The ID of the group, which rules of other groups name in `securityGroups`.
    pub security_group_id: String,
    /// The ARN of the group.
    pub arn: String,
    /// The account that owns the group.
    pub owner_id: String,
}

fn managed() -> String {
    "Managed by Pulumi".to_owned()
}

fn everyone() -> Vec<SecurityGroupRule> {
    vec![SecurityGroupRule {
        protocol: "-1".to_owned(),
        cidr_blocks: vec!["0.0.0.0/0".to_owned()],
        ipv6_cidr_blocks: vec!["::/0".to_owned()],
        ..SecurityGroupRule::default()
    }]
}

impl Resource for SecurityGroup {
    const NAME: &'static str = "SecurityGroup";
    type Inputs = SecurityGroupInputs;
    type Outputs = SecurityGroupOutputs;
    type Query = InVpc;

    fn check(inputs: &SecurityGroupInputs, report: &mut Report<'_>) {
        report.rule(&["name"], !inputs.name.starts_with("sg-"), "begins with sg-, which AWS keeps for IDs");
        for (list, rules) in [("ingress", &inputs.ingress), ("egress", &inputs.egress)] {
            for (index, rule) in rules.iter().enumerate() {
                check_rule(&format!("{list}[{index}]"), rule, report);
            }
            let mut said = BTreeMap::new();
            for (index, rule) in rules.iter().enumerate() {
                for permission in flatten(std::slice::from_ref(rule), ITSELF).into_keys() {
                    let path = format!("{list}[{index}]");
                    let whom = permission.peer.to_string();
                    if let Some(other) = said.insert(permission, index) {
                        let over = format!("{list}[{other}]");
                        let reason = format!("says of {whom} what {over} says already: leave it out of one");
                        report.rule(&[&path, &over], false, reason);
                    }
                }
            }
        }
    }

    async fn create(context: &Context, inputs: &SecurityGroupInputs) -> Result<String> {
        let client = context.aws.ec2();
        let create = || async {
            let request = client
                .create_security_group()
                .group_name(&inputs.name)
                .description(&inputs.description)
                .set_vpc_id(inputs.vpc_id.clone())
                .set_tag_specifications(ec2::tag_specifications(ResourceType::SecurityGroup, &inputs.tags));
            request.send().await.explain()
        };
        let id = context.observer.settle(NOT_KNOWN_YET, create).await?;
        let id = id.group_id.context("AWS made a security group without an ID")?;
        context.made(&id);
        permit(context, &id, inputs).await?;
        Ok(id)
    }

    async fn update(context: &Context, id: &str, old: &SecurityGroupOutputs, new: &SecurityGroupInputs) -> Result<()> {
        permit(context, id, new).await?;
        ec2::retag(&context.aws, id, &old.inputs.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<SecurityGroupOutputs>> {
        let id = ec2::id_in(id, "sg-", "security group")?;
        let Some(group) = context.aws.look_up::<DescribeSecurityGroups>(id.clone()).await? else { return Ok(None) };
        let owner_id = group.owner_id().unwrap_or_default().to_owned();
        Ok(Some(SecurityGroupOutputs {
            inputs: SecurityGroupInputs {
                name: group.group_name().unwrap_or_default().to_owned(),
                description: group.description().unwrap_or_default().to_owned(),
                vpc_id: group.vpc_id().map(str::to_owned),
                ingress: gather(shown(group.ip_permissions(), &owner_id), &id),
                egress: gather(shown(group.ip_permissions_egress(), &owner_id), &id),
                tags: ec2::from_tags(group.tags()),
            },
            arn: ec2::arn(&context.aws, &owner_id, &format!("security-group/{id}")),
            security_group_id: id,
            owner_id,
        }))
    }

    fn id(outputs: &SecurityGroupOutputs) -> String {
        outputs.security_group_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let request = context.aws.ec2().describe_security_groups().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let groups = answer.security_groups.unwrap_or_default().into_iter();
        let listed = groups.filter_map(|it| Some(Listed::new(it.group_id?, it.group_name.unwrap_or_default())));
        Ok(Page::new(listed, answer.next_token))
    }

    async fn delete(context: &Context, id: &str, old: &SecurityGroupOutputs) -> Result<()> {
        let client = context.aws.ec2();
        let delete = || async {
            match client.delete_security_group().group_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let holders = || async {
            let mut holders = ec2::interfaces(&context.aws, "group-id", id).await?;
            holders.extend(naming(&context.aws, id).await?);
            Ok(holders)
        };
        let what = format!("security group {} ({id})", old.inputs.name);
        ec2::delete_when_free(&context.observer, &what, IN_USE, delete, holders).await
    }
}

fn check_rule(path: &str, rule: &SecurityGroupRule, report: &mut Report<'_>) {
    let at = |name: &str| format!("{path}.{name}");
    let (protocol, from, to) = (at("protocol"), at("fromPort"), at("toPort"));
    let over_ports = [from.as_str(), &to, &protocol];
    match rule.protocol.as_str() {
        "tcp" | "udp" => {
            report.rule(
                &over_ports,
                (rule.from_port, rule.to_port) != (0, 0),
                format!("is missing: give the ports, or 0 and 65535 for all of {}", rule.protocol),
            );
            report.rule(&over_ports, rule.from_port >= 0, "is -1, which only ICMP has; all ports are 0 to 65535");
            report.rule(
                &[&to, &from, &protocol],
                rule.from_port <= rule.to_port,
                format!("is {}, less than fromPort, which is {}", rule.to_port, rule.from_port),
            );
        }
        "icmp" | "icmpv6" => {
            for (name, it) in [(&from, rule.from_port), (&to, rule.to_port)] {
                report.rule(&[name, &protocol], it <= 255, format!("is {it}; types and codes of ICMP end at 255"));
            }
        }
        other => {
            let name = match other {
                "1" => "icmp",
                "6" => "tcp",
                "17" => "udp",
                "58" => "icmpv6",
                _ => "",
            };
            report.rule(&[&protocol], name.is_empty(), format!("is {other}, which AWS calls {name}: write that"));
            report.rule(
                &over_ports,
                (rule.from_port, rule.to_port) == (0, 0),
                format!("has no meaning with protocol {other}, which goes to all ports: leave fromPort and toPort out"),
            );
            let number = other.parse::<i16>().unwrap_or_default();
            report.rule(&[&protocol], number <= 255, format!("is {other}; the numbers of protocols end at 255"));
        }
    }
    for (name, blocks, v4, home) in [
        ("cidrBlocks", &rule.cidr_blocks, true, "ipv6CidrBlocks"),
        ("ipv6CidrBlocks", &rule.ipv6_cidr_blocks, false, "cidrBlocks"),
    ] {
        for (index, block) in blocks.iter().enumerate() {
            let path = format!("{path}.{name}[{index}]");
            let Ok(net) = block.parse::<IpNet>() else { continue };
            report.rule(&[&path], matches!(net, IpNet::V4(_)) == v4, format!("is {block}, which belongs in {home}"));
            report.rule(&[&path], net.to_string() == *block, format!("is {block}, which AWS writes as {net}: write that"));
        }
    }
    report.rule(
        &[path],
        !flatten(std::slice::from_ref(rule), ITSELF).is_empty(),
        "names nobody: give cidrBlocks, ipv6CidrBlocks, prefixListIds, securityGroups or self",
    );
}

/// One thing that a group permits. AWS has no two that differ in nothing but their description.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    protocol: String,
    from_port: i32,
    to_port: i32,
    peer: Peer,
}

/// The other end of a permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Cidr(String),
    Ipv6Cidr(String),
    PrefixList(String),
    Group(String),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Cidr(it) | Self::Ipv6Cidr(it) | Self::PrefixList(it) | Self::Group(it)) = self;
        f.write_str(it)
    }
}

/// Permissions and what each is for.
type Permissions = BTreeMap<Permission, Option<String>>;

/// What `rules` permit, one by one, for the group `id`.
fn flatten(rules: &[SecurityGroupRule], id: &str) -> Permissions {
    let mut permissions = Permissions::new();
    for rule in rules {
        let peers = rule.cidr_blocks.iter().cloned().map(Peer::Cidr);
        let peers = peers.chain(rule.ipv6_cidr_blocks.iter().cloned().map(Peer::Ipv6Cidr));
        let peers = peers.chain(rule.prefix_list_ids.iter().cloned().map(Peer::PrefixList));
        let peers = peers.chain(rule.security_groups.iter().cloned().map(Peer::Group));
        for peer in peers.chain(rule.itself.then(|| Peer::Group(id.to_owned()))) {
            let (protocol, from_port, to_port) = (rule.protocol.clone(), rule.from_port, rule.to_port);
            let description = rule.description.clone().filter(|it| !it.is_empty());
            permissions.insert(Permission { protocol, from_port, to_port, peer }, description);
        }
    }
    permissions
}

/// The fewest rules of the group `id` that permit this.
fn gather(permissions: Permissions, id: &str) -> Vec<SecurityGroupRule> {
    let mut rules = BTreeMap::<_, SecurityGroupRule>::new();
    for (it, description) in permissions {
        let key = (it.protocol.clone(), it.from_port, it.to_port, description.clone());
        let (protocol, from_port, to_port) = (it.protocol, it.from_port, it.to_port);
        let empty = SecurityGroupRule { protocol, from_port, to_port, description, ..SecurityGroupRule::default() };
        let rule = rules.entry(key).or_insert(empty);
        match it.peer {
            Peer::Cidr(it) => rule.cidr_blocks.push(it),
            Peer::Ipv6Cidr(it) => rule.ipv6_cidr_blocks.push(it),
            Peer::PrefixList(it) => rule.prefix_list_ids.push(it),
            Peer::Group(it) if it == id => rule.itself = true,
            Peer::Group(it) => rule.security_groups.push(it),
        }
    }
    rules.into_values().collect()
}

/// What AWS shows of the rules of a group that `owner` owns.
fn shown(permissions: &[IpPermission], owner: &str) -> Permissions {
    let mut all = Permissions::new();
    for it in permissions {
        let protocol = it.ip_protocol().unwrap_or("-1").to_owned();
        // A protocol without ports comes back with none, or with the -1 that stands for all of them.
        let ports = matches!(protocol.as_str(), "tcp" | "udp" | "icmp" | "icmpv6");
        let port = |it: Option<i32>| if ports { it.unwrap_or(-1) } else { 0 };
        let (from_port, to_port) = (port(it.from_port()), port(it.to_port()));
        let text = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
        let mut permit = |peer: Option<Peer>, description: Option<&str>| {
            if let Some(peer) = peer {
                all.insert(Permission { protocol: protocol.clone(), from_port, to_port, peer }, text(description));
            }
        };
        it.ip_ranges().iter().for_each(|it| permit(text(it.cidr_ip()).map(Peer::Cidr), it.description()));
        it.ipv6_ranges().iter().for_each(|it| permit(text(it.cidr_ipv6()).map(Peer::Ipv6Cidr), it.description()));
        it.prefix_list_ids().iter().for_each(|it| permit(text(it.prefix_list_id()).map(Peer::PrefixList), it.description()));
        for pair in it.user_id_group_pairs() {
            let group = text(pair.group_id()).map(|group| match pair.user_id() {
                Some(account) if account != owner => format!("{account}/{group}"),
                _ => group,
            });
            permit(group.map(Peer::Group), pair.description());
        }
    }
    all
}

/// The form in which AWS takes a permission.
fn to_aws((permission, description): (&Permission, &Option<String>)) -> IpPermission {
    let it = IpPermission::builder().ip_protocol(&permission.protocol);
    let it = match permission.protocol.as_str() {
        "tcp" | "udp" | "icmp" | "icmpv6" => it.from_port(permission.from_port).to_port(permission.to_port),
        _ => it,
    };
    let description = description.clone();
    let it = match &permission.peer {
        Peer::Cidr(block) => it.ip_ranges(types::IpRange::builder().cidr_ip(block).set_description(description).build()),
        Peer::Ipv6Cidr(block) => {
            it.ipv6_ranges(types::Ipv6Range::builder().cidr_ipv6(block).set_description(description).build())
        }
        Peer::PrefixList(list) => {
            it.prefix_list_ids(types::PrefixListId::builder().prefix_list_id(list).set_description(description).build())
        }
        Peer::Group(group) => {
            let pair = types::UserIdGroupPair::builder();
            let pair = match group.split_once('/') {
                Some((account, group)) => pair.user_id(account).group_id(group),
                None => pair.group_id(group),
            };
            it.user_id_group_pairs(pair.set_description(description).build())
        }
    };
    it.build()
}

/// Which way a permission goes.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

/// Makes the group permit what the program says and no more. What it permits now is looked up: a new group in a VPC with
/// IPv6 lets out more than one in a VPC without.
async fn permit(context: &Context, id: &str, inputs: &SecurityGroupInputs) -> Result<()> {
    let look = || async {
        let group = context.aws.look_up::<DescribeSecurityGroups>(id.to_owned()).await?;
        Ok(group.map_or_else(|| Seen::Pending(format!("waiting for AWS to show {id}")), Seen::Ready))
    };
    let group = context.observer.wait(format!("security group {id}"), Patience::seconds(30), look).await?;
    let owner = group.owner_id().unwrap_or_default();
    for (way, has, wanted) in [
        (Way::In, shown(group.ip_permissions(), owner), flatten(&inputs.ingress, id)),
        (Way::Out, shown(group.ip_permissions_egress(), owner), flatten(&inputs.egress, id)),
    ] {
        let new: Vec<_> = wanted.iter().filter(|(it, _)| !has.contains_key(it)).map(to_aws).collect();
        let reworded = wanted.iter().filter(|(it, description)| has.get(it).is_some_and(|has| has != *description));
        let reworded: Vec<_> = reworded.map(to_aws).collect();
        let old: Vec<_> = has.iter().filter(|(it, _)| !wanted.contains_key(it)).map(to_aws).collect();
        // Let in first and shut out last, so that what was allowed and stays allowed is never cut off.
        if !new.is_empty() {
            authorize_all(context, id, way, &new).await?;
        }
        if !reworded.is_empty() {
            describe(context, id, way, reworded).await?;
        }
        if !old.is_empty() {
            revoke(context, id, way, old).await?;
        }
    }
    Ok(())
}

/// Permits all of `permissions`. AWS takes none of them where it has one already: then one by one.
async fn authorize_all(context: &Context, id: &str, way: Way, permissions: &[IpPermission]) -> Result<()> {
    match context.observer.settle(NOT_KNOWN_YET, || authorize(context, id, way, permissions)).await {
        Err(error) if refused_with(&error, ALREADY) => {}
        result => return result,
    }
    for it in permissions {
        match context.observer.settle(NOT_KNOWN_YET, || authorize(context, id, way, std::slice::from_ref(it))).await {
            Err(error) if refused_with(&error, ALREADY) => {}
            result => result?,
        }
    }
    Ok(())
}

async fn authorize(context: &Context, id: &str, way: Way, permissions: &[IpPermission]) -> Result<()> {
    let (client, permissions) = (context.aws.ec2(), Some(permissions.to_vec()));
    match way {
        Way::In => {
            let request = client.authorize_security_group_ingress().group_id(id);
            request.set_ip_permissions(permissions).send().await.explain().map(drop)
        }
        Way::Out => {
            let request = client.authorize_security_group_egress().group_id(id);
            request.set_ip_permissions(permissions).send().await.explain().map(drop)
        }
    }
}

async fn describe(context: &Context, id: &str, way: Way, permissions: Vec<IpPermission>) -> Result<()> {
    let client = context.aws.ec2();
    match way {
        Way::In => {
            let request = client.update_security_group_rule_descriptions_ingress().group_id(id);
            request.set_ip_permissions(Some(permissions)).send().await.explain().map(drop)
        }
        Way::Out => {
            let request = client.update_security_group_rule_descriptions_egress().group_id(id);
            request.set_ip_permissions(Some(permissions)).send().await.explain().map(drop)
        }
    }
}

async fn revoke(context: &Context, id: &str, way: Way, permissions: Vec<IpPermission>) -> Result<()> {
    let client = context.aws.ec2();
    let unknown = match way {
        Way::In => {
            let request = client.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(permissions));
            request.send().await.explain()?.unknown_ip_permissions
        }
        Way::Out => {
            let request = client.revoke_security_group_egress().group_id(id).set_ip_permissions(Some(permissions));
            request.send().await.explain()?.unknown_ip_permissions
        }
    };
    let unknown = unknown.unwrap_or_default().len();
    ensure!(unknown == 0, "AWS did not revoke {unknown} rules of security group {id}, which it says it does not know");
    Ok(())
}

/// The groups that have rules about the group `id`, which AWS therefore does not delete.
async fn naming(aws: &Aws, id: &str) -> Result<Vec<ec2::Holder>> {
    let mut holders = Vec::new();
    for (filter, what) in [("ip-permission.group-id", "an ingress rule"), ("egress.ip-permission.group-id", "an egress rule")] {
        let request = aws.ec2().describe_security_groups().filters(ec2::filter(filter, vec![id.to_owned()]));
        for group in request.send().await.explain()?.security_groups.unwrap_or_default() {
            if group.group_id() != Some(id) {
                let (name, other) = (group.group_name().unwrap_or_default(), group.group_id().unwrap_or_default());
                holders.push(ec2::Holder { name: format!("{what} of security group {name} ({other})"), lingers: None });
            }
        }
    }
    Ok(holders)
}

/// `DescribeSecurityGroups`, by ID.
struct DescribeSecurityGroups;

impl Lookup for DescribeSecurityGroups {
    type Key = String;
    type Found = types::SecurityGroup;
    const LIMIT: usize = 200;

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::SecurityGroup>> {
        let request = aws.ec2().describe_security_groups().filters(ec2::filter("group-id", ids));
        let groups = request.send().await.explain()?.security_groups.unwrap_or_default();
        Ok(groups.into_iter().filter_map(|it| Some((it.group_id()?.to_owned(), it))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Map;

    fn rule(protocol: &str, ports: (i32, i32)) -> SecurityGroupRule {
        let (from_port, to_port) = ports;
        SecurityGroupRule { protocol: protocol.to_owned(), from_port, to_port, ..SecurityGroupRule::default() }
    }

    fn complaints(ingress: Vec<SecurityGroupRule>) -> Vec<String> {
        let inputs = SecurityGroupInputs {
            name: "web".to_owned(),
            description: managed(),
            vpc_id: None,
            ingress,
            egress: everyone(),
            tags: BTreeMap::new(),
        };
        let map = Map::new();
        let mut report = Report::new(&map);
        SecurityGroup::check(&inputs, &mut report);
        report.into_findings().failures.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_in_a_rule_is_told() {
        let anywhere = || vec!["0.0.0.0/0".to_owned()];
        let block = |it: &str| SecurityGroupRule { cidr_blocks: vec![it.to_owned()], ..rule("tcp", (80, 80)) };
        for (rule, complaint) in [
            (SecurityGroupRule { cidr_blocks: anywhere(), ..rule("tcp", (443, 443)) }, None),
            (SecurityGroupRule { itself: true, ..rule("-1", (0, 0)) }, None),
            (SecurityGroupRule { cidr_blocks: anywhere(), ..rule("icmp", (-1, -1)) }, None),
            (rule("tcp", (80, 80)), Some("ingress[0] names nobody")),
            (SecurityGroupRule { itself: true, ..rule("tcp", (0, 0)) }, Some("ingress[0].fromPort is missing")),
            (SecurityGroupRule { itself: true, ..rule("tcp", (90, 80)) }, Some("ingress[0].toPort is 80, less than fromPort")),
            (SecurityGroupRule { itself: true, ..rule("-1", (0, 65535)) }, Some("ingress[0].fromPort has no meaning")),
            (SecurityGroupRule { itself: true, ..rule("6", (0, 0)) }, Some("ingress[0].protocol is 6, which AWS calls tcp")),
            (block("::/0"), Some("ingress[0].cidrBlocks[0] is ::/0, which belongs in ipv6CidrBlocks")),
        ] {
            let told = complaints(vec![rule]);
            match complaint {
                None => assert!(told.is_empty(), "{told:?}"),
                Some(complaint) => assert!(told.len() == 1 && told[0].starts_with(complaint), "{complaint}: {told:?}"),
            }
        }
        let twice = complaints(vec![block("10.0.0.0/8"), block("10.0.0.0/8")]);
        assert_eq!(twice, ["ingress[1] says of 10.0.0.0/8 what ingress[0] says already: leave it out of one"]);
    }

    #[test]
    fn what_aws_shows_becomes_the_fewest_rules() {
        let rules = vec![
            SecurityGroupRule {
                cidr_blocks: vec!["10.0.0.0/8".to_owned(), "192.168.0.0/16".to_owned()],
                security_groups: vec!["123456789012/sg-2".to_owned(), "sg-3".to_owned()],
                itself: true,
                description: Some("the load balancer".to_owned()),
                ..rule("tcp", (80, 80))
            },
            SecurityGroupRule { prefix_list_ids: vec!["pl-1".to_owned()], ..rule("tcp", (443, 443)) },
        ];
        let shown = shown(&flatten(&rules, "sg-1").iter().map(to_aws).collect::<Vec<_>>(), "000000000000");
        assert_eq!(gather(shown, "sg-1"), rules);
        let anywhere = types::IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let everything = IpPermission::builder().ip_protocol("-1").ip_ranges(anywhere);
        let shown = super::shown(&[everything.from_port(-1).to_port(-1).build()], "");
        assert!(flatten(&everyone(), "").keys().any(|it| shown.contains_key(it)));
    }
}
