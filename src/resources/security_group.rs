//! ec2: a security group, with all its rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_ec2::types::{self, IpPermission, ResourceType};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Seen, Settle as _,
        ec2::{self, InVpc},
        refused_with,
    },
    check::{Report, canonical_block},
    facts::{IngressFacts, SecurityGroupFacts},
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, taken},
    value::{Map, Value},
};

/// What AWS says of a VPC or a group that was made a moment ago.
const NOT_KNOWN_YET: &[Passing] = &[("InvalidVpcID.NotFound", ""), ("InvalidGroup.NotFound", "")];
/// How AWS refuses a name that another group of the VPC has.
const TAKEN: &[&str] = &["InvalidGroup.Duplicate"];
/// How AWS refuses to revoke what is not permitted. It then revokes none of the rules of the call.
const NOT_PERMITTED: &[&str] = &["InvalidPermission.NotFound"];
/// How AWS refuses to permit what is permitted.
const ALREADY: &[&str] = &["InvalidPermission.Duplicate"];
/// How AWS refuses to delete a group that something uses.
const IN_USE: &[&str] = &["DependencyViolation", "InvalidGroup.InUse"];
/// What stands for the group itself before it has an ID.
const ITSELF: &str = "self";

pub struct SecurityGroup;

/// A security group: who may talk to what is in it, and whom that may talk to. It holds exactly the rules given here;
/// one that somebody else adds goes when a refresh has shown it, or when the list changes.
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
    #[schemars(transform = ec2::id::vpc)]
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
    /// The protocol: `tcp`, `udp`, `icmp`, `icmpv6`, the number of another one, or `-1` or `all` for all of them.
    #[schemars(regex(pattern = "^(?i)(-1|all|tcp|udp|icmp|icmpv6|[0-9]{1,3})$"))]
    #[schemars(extend("expects" = "tcp, udp, icmp, icmpv6, the number of another protocol, or -1 for all"))]
    pub protocol: String,
    /// The first port, which `tcp` and `udp` need; for ICMP the type of messages, where -1, the default, is all of them. Other
    /// protocols have no ports: AWS ignores them there, as it does for `-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 65535))]
    pub from_port: Option<i32>,
    /// The last port, which `tcp` and `udp` need; for ICMP the code of messages, where -1, the default, is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 65535))]
    pub to_port: Option<i32>,
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
    #[schemars(transform = ec2::id::prefix_list)]
    pub prefix_list_ids: Vec<String>,
    /// Whatever is in these security groups. One of another account is written as `account/group`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = ec2::id::security_group_of_any_account)]
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
    type Cloud = crate::aws::Session;
    type Inputs = SecurityGroupInputs;
    type Outputs = SecurityGroupOutputs;
    type Query = InVpc;

    fn normalize(inputs: &mut Map) {
        for list in ["ingress", "egress"] {
            if let Some(rules) = inputs.get_mut(list) {
                normalize(rules);
            }
        }
    }

    fn facts(inputs: &SecurityGroupInputs, report: &Report<'_>) -> Option<Facts> {
        let ingress = inputs.ingress.iter().enumerate();
        Some(Facts::new(SecurityGroupFacts {
            name: report.shown(&inputs.name),
            ingress: report
                .sees("ingress")
                .then(|| ingress.filter_map(|(index, it)| it.facts(&format!("ingress[{index}]"), report)).collect()),
        }))
    }

    fn check_change(_: &SecurityGroupInputs, new: &SecurityGroupInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let changed: Vec<_> = replacing.iter().map(String::as_str).collect();
        let reason = format!(
            "stays {:?} while {} changes, which AWS cannot do in place. Two groups of a VPC cannot have one name, so the old group \
             would have to be deleted before the new one is created, and AWS refuses to delete a group that anything uses; change \
             name as well, or leave it out",
            new.name,
            changed.join(" and ")
        );
        report.rule(&[&["name"], changed.as_slice()].concat(), replacing.is_empty() || !report.replaces_in_place(), reason);
    }

    fn left_out(seen: &SecurityGroupInputs, old: &SecurityGroupInputs, new: &SecurityGroupInputs) -> Vec<&'static str> {
        // What AWS has beyond an unchanged list is in no plan, unless that is what it gave a new group by itself.
        let by_itself = without_account(&everyone());
        let stays = |seen: &[SecurityGroupRule], old: &[SecurityGroupRule], new: &[SecurityGroupRule]| {
            let (seen, old, new) = (without_account(seen), without_account(old), without_account(new));
            let beyond = || seen.keys().filter(|it| !new.contains_key(it));
            seen == new
                || old == new
                    && new.iter().all(|(it, why)| seen.get(it) == Some(why))
                    && !beyond().any(|it| by_itself.contains_key(it))
        };
        let ingress = stays(&seen.ingress, &old.ingress, &new.ingress).then_some("ingress");
        let egress = stays(&seen.egress, &old.egress, &new.egress).then_some("egress");
        ingress.into_iter().chain(egress).collect()
    }

    fn check(inputs: &SecurityGroupInputs, report: &mut Report<'_>) {
        report.rule(&["name"], !inputs.name.starts_with("sg-"), "begins with sg-, which AWS keeps for IDs");
        for (list, rules) in [("ingress", &inputs.ingress), ("egress", &inputs.egress)] {
            for (index, rule) in rules.iter().enumerate() {
                check_rule(&format!("{list}[{index}]"), rule, report);
            }
            let mut said = BTreeMap::new();
            for (index, rule) in rules.iter().enumerate() {
                for permission in flatten(std::slice::from_ref(rule), ITSELF, "").into_keys() {
                    let whom = permission.peer.to_string();
                    // Whom is not known yet.
                    if whom.is_empty() {
                        continue;
                    }
                    if let Some(other) = said.insert(permission, index) {
                        let both = [index, other].map(|it| format!("{list}[{it}]"));
                        let parts = ["?", ".protocol", ".fromPort", ".toPort"];
                        let over: Vec<_> = both.iter().flat_map(|it| parts.map(|part| format!("{it}{part}"))).collect();
                        let reason = format!("says of {whom} what {} says already: leave it out of one", both[1]);
                        report.rule(&over.iter().map(String::as_str).collect::<Vec<_>>(), false, reason);
                    }
                }
            }
        }
    }

    async fn create(context: &Context, inputs: &SecurityGroupInputs) -> Result<String> {
        let client = context.client.ec2();
        let create = || async {
            let request = client
                .create_security_group()
                .group_name(&inputs.name)
                .description(&inputs.description)
                .set_vpc_id(inputs.vpc_id.clone())
                .set_tag_specifications(ec2::tag_specifications(ResourceType::SecurityGroup, &inputs.tags));
            request.send().await.explain()
        };
        let created = match context.observer.settle(NOT_KNOWN_YET, create).await {
            Err(error) if refused_with(&error, TAKEN) => {
                let other = of_name(&context.client, inputs).await.unwrap_or_default();
                let id = other.as_deref().unwrap_or("<id>");
                return Err(error.context(taken::<Self>(&inputs.name, id)));
            }
            created => created?,
        };
        let id = created.group_id.context("AWS made a security group without an ID")?;
        context.made(&id);
        // A new group lets out what AWS adds, more in a VPC with IPv6 than in one without.
        for (way, wanted) in [(Way::In, &inputs.ingress), (Way::Out, &inputs.egress)] {
            permit(context, &id, way, None, wanted).await?;
        }
        Ok(id)
    }

    async fn update(context: &Context, id: &str, old: &SecurityGroupOutputs, new: &SecurityGroupInputs) -> Result<()> {
        let was = &old.inputs;
        for (way, before, wanted) in [(Way::In, &was.ingress, &new.ingress), (Way::Out, &was.egress, &new.egress)] {
            // AWS has not shown the group since it was created: all of it has to be put right.
            let never_seen = old.security_group_id.is_empty();
            let flat = |rules: &[SecurityGroupRule]| flatten(rules, id, &old.owner_id);
            if never_seen || flat(before) != flat(wanted) {
                permit(context, id, way, Some(before.as_slice()).filter(|_| !never_seen), wanted).await?;
            }
        }
        ec2::retag(&context.client, id, &was.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<SecurityGroupOutputs>> {
        let id = ec2::id_in(id, "sg-", "security group")?;
        let Some(group) = context.client.look_up::<DescribeSecurityGroups>(id.clone()).await? else { return Ok(None) };
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
            arn: ec2::arn(&context.client, &owner_id, &format!("security-group/{id}")),
            security_group_id: id,
            owner_id,
        }))
    }

    fn id(outputs: &SecurityGroupOutputs) -> String {
        outputs.security_group_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let request = context.client.ec2().describe_security_groups().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let groups = answer.security_groups.unwrap_or_default().into_iter();
        let listed = groups.filter_map(|it| Some(Listed::new(it.group_id?, it.group_name.unwrap_or_default())));
        Ok(Page::new(listed, answer.next_token))
    }

    async fn delete(context: &Context, id: &str, old: &SecurityGroupOutputs) -> Result<()> {
        let client = context.client.ec2();
        let delete = || async {
            match client.delete_security_group().group_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let holders = || async {
            let mut holders = ec2::interfaces(&context.client, "group-id", id).await?;
            holders.extend(naming(&context.client, id).await?);
            Ok(holders)
        };
        let what = format!("security group {} ({id})", old.inputs.name);
        ec2::delete_when_free(&context.observer, &what, IN_USE, delete, holders).await
    }
}

/// The rules of a list in the form that AWS shows: a protocol has one name, and ports where those mean something.
fn normalize(rules: &mut Value) {
    match rules {
        Value::Secret(inner) | Value::Output(inner, _) => normalize(inner),
        Value::List(items) => items.iter_mut().for_each(normalize),
        Value::Object(rule) => {
            let Some(protocol) = rule.get("protocol").and_then(Value::as_str).map(protocol) else { return };
            if !has_ports(&protocol) {
                rule.remove("fromPort");
                rule.remove("toPort");
            } else if is_icmp(&protocol) {
                for port in ["fromPort", "toPort"] {
                    rule.entry(port.to_owned()).or_insert(Value::Number(-1.0));
                }
            }
            if rule.get("protocol").and_then(Value::as_str) != Some(&protocol) {
                rule.insert("protocol".to_owned(), Value::String(protocol));
            }
        }
        _ => {}
    }
}

/// What AWS calls a protocol that may be written as a number, or in capital letters.
fn protocol(written: &str) -> String {
    let name = written.to_lowercase();
    match name.trim_start_matches('0') {
        "all" => "-1".to_owned(),
        "1" => "icmp".to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "58" => "icmpv6".to_owned(),
        "" if !name.is_empty() => "0".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether AWS looks at ports. `IpPermission` in its model: for any other protocol, and for -1, it allows traffic on all ports,
/// regardless of any port range.
fn has_ports(protocol: &str) -> bool {
    matches!(protocol, "tcp" | "udp") || is_icmp(protocol)
}

fn is_icmp(protocol: &str) -> bool {
    matches!(protocol, "icmp" | "icmpv6")
}

fn check_rule(path: &str, rule: &SecurityGroupRule, report: &mut Report<'_>) {
    let at = |name: &str| format!("{path}.{name}");
    let (protocol_path, from, to) = (at("protocol"), at("fromPort"), at("toPort"));
    let over_ports = [from.as_str(), &to, &protocol_path];
    let protocol = protocol(&rule.protocol);
    if is_icmp(&protocol) {
        for (name, it) in [(&from, rule.from_port), (&to, rule.to_port)] {
            let it = it.unwrap_or(-1);
            report.rule(&[name, &protocol_path], it <= 255, format!("is {it}; types and codes of ICMP end at 255"));
        }
        let code = rule.to_port.unwrap_or(-1);
        let reason = format!("is {code}, but fromPort is -1, which is all types of messages: set both, or leave toPort out");
        report.rule(&[&to, &from, &protocol_path], rule.from_port.unwrap_or(-1) != -1 || code == -1, reason);
    } else if has_ports(&protocol) {
        for (name, it) in [(&from, rule.from_port), (&to, rule.to_port)] {
            let reason = format!("is missing: give the ports, or 0 and 65535 for all of {protocol}");
            report.rule(&[name, &protocol_path], it.is_some(), reason);
        }
        let (first, last) = (rule.from_port.unwrap_or_default(), rule.to_port.unwrap_or(65535));
        report.rule(&over_ports, first >= 0, "is -1, which only ICMP has; all ports are 0 to 65535");
        let reason = format!("is {last}, less than fromPort, which is {first}");
        report.rule(&[&to, &from, &protocol_path], first <= last, reason);
        let reason = "is 0, and so is toPort, which lets nothing through but port 0; all ports are 0 to 65535";
        report.warn(&over_ports, (first, last) != (0, 0), reason);
    } else {
        let number = protocol.parse::<i16>().unwrap_or_default();
        report.rule(&[&protocol_path], number <= 255, format!("is {protocol}; the numbers of protocols end at 255"));
    }
    for (name, blocks, v4, home) in [
        ("cidrBlocks", &rule.cidr_blocks, true, "ipv6CidrBlocks"),
        ("ipv6CidrBlocks", &rule.ipv6_cidr_blocks, false, "cidrBlocks"),
    ] {
        for (index, block) in blocks.iter().enumerate() {
            let path = format!("{path}.{name}[{index}]");
            let Ok(net) = block.parse::<IpNet>() else { continue };
            report.rule(&[&path], matches!(net, IpNet::V4(_)) == v4, format!("is {block}, which belongs in {home}"));
        }
    }
    report.rule(
        &[path],
        !flatten(std::slice::from_ref(rule), ITSELF, "").is_empty(),
        "names nobody: give cidrBlocks, ipv6CidrBlocks, prefixListIds, securityGroups or self",
    );
}

impl SecurityGroupRule {
    /// What of a rule that lets in TCP matters to those who send; none where it lets in something else.
    fn facts(&self, path: &str, report: &Report<'_>) -> Option<IngressFacts> {
        let at = |name: &str| format!("{path}.{name}");
        let protocol = report.known(&at("protocol"), protocol(&self.protocol));
        let all = (0, 65535);
        let ports = match protocol.as_deref() {
            Some("tcp") => (
                report.known(&at("fromPort"), self.from_port.unwrap_or(all.0)).unwrap_or(all.0),
                report.known(&at("toPort"), self.to_port.unwrap_or(all.1)).unwrap_or(all.1),
            ),
            Some("-1") | None => all,
            Some(_) => return None,
        };
        let more = !self.cidr_blocks.is_empty() || !self.ipv6_cidr_blocks.is_empty() || !self.prefix_list_ids.is_empty();
        let seen = ["cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "securityGroups", "self"];
        let seen = report.sees(path) && seen.iter().all(|it| report.sees(&at(it)));
        let link = |(index, it): (usize, &String)| report.link(&at(&format!("securityGroups[{index}]")), it);
        let groups = self.security_groups.iter().enumerate().map(link).collect();
        Some(IngressFacts { ports, groups: (seen && !more).then_some(groups), itself: self.itself })
    }
}

/// One thing that a group permits. AWS has no two that differ in nothing but their description.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    protocol: String,
    from_port: i32,
    to_port: i32,
    peer: Peer,
}

impl Permission {
    /// A permission in the form that AWS shows.
    fn new(written: &str, (from_port, to_port): (Option<i32>, Option<i32>), peer: Peer) -> Self {
        let protocol = protocol(written);
        // A protocol without ports comes back with none, or with the -1 that stands for all of them.
        let port = |it: Option<i32>| if has_ports(&protocol) { it.unwrap_or(-1) } else { 0 };
        Self { from_port: port(from_port), to_port: port(to_port), protocol, peer }
    }

    /// The ports, as a rule says them.
    fn ports(&self) -> (Option<i32>, Option<i32>) {
        let said = |it: i32| has_ports(&self.protocol).then_some(it);
        (said(self.from_port), said(self.to_port))
    }
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

/// What `rules` permit, one by one, for the group `id` of the account `owner`, in the form that AWS shows.
fn flatten(rules: &[SecurityGroupRule], id: &str, owner: &str) -> Permissions {
    let mut permissions = Permissions::new();
    for rule in rules {
        let block = |it: &String| canonical_block(it).unwrap_or_else(|| it.clone());
        let group = |it: &String| match it.split_once('/') {
            Some((account, group)) if account == owner => group.to_owned(),
            _ => it.clone(),
        };
        let peers = rule.cidr_blocks.iter().map(|it| Peer::Cidr(block(it)));
        let peers = peers.chain(rule.ipv6_cidr_blocks.iter().map(|it| Peer::Ipv6Cidr(block(it))));
        let peers = peers.chain(rule.prefix_list_ids.iter().cloned().map(Peer::PrefixList));
        let peers = peers.chain(rule.security_groups.iter().map(|it| Peer::Group(group(it))));
        for peer in peers.chain(rule.itself.then(|| Peer::Group(id.to_owned()))) {
            let description = rule.description.clone().filter(|it| !it.is_empty());
            permissions.insert(Permission::new(&rule.protocol, (rule.from_port, rule.to_port), peer), description);
        }
    }
    permissions
}

/// What `rules` permit; groups without their account, for AWS shows those of the same account so.
fn without_account(rules: &[SecurityGroupRule]) -> Permissions {
    let bare = |it: Permission| match it.peer {
        Peer::Group(group) => {
            let group = group.rsplit('/').next().unwrap_or(&group).to_owned();
            Permission { peer: Peer::Group(group), ..it }
        }
        _ => it,
    };
    flatten(rules, ITSELF, "").into_iter().map(|(it, description)| (bare(it), description)).collect()
}

/// The fewest rules of the group `id` that permit this.
fn gather(permissions: Permissions, id: &str) -> Vec<SecurityGroupRule> {
    let mut rules = BTreeMap::<_, SecurityGroupRule>::new();
    for (it, description) in permissions {
        let key = (it.protocol.clone(), it.from_port, it.to_port, description.clone());
        let (from_port, to_port) = it.ports();
        let protocol = it.protocol;
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
        let (protocol, ports) = (it.ip_protocol().unwrap_or("-1"), (it.from_port(), it.to_port()));
        let text = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
        let mut permit = |peer: Option<Peer>, description: Option<&str>| {
            if let Some(peer) = peer {
                all.insert(Permission::new(protocol, ports, peer), text(description));
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
    let (from_port, to_port) = permission.ports();
    let it = IpPermission::builder().ip_protocol(&permission.protocol).set_from_port(from_port).set_to_port(to_port);
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

/// Makes the group permit what the program says, one way. Of what it permits besides, it takes back what it was last seen to
/// permit, `before`, for the plan shows that; all of it where nothing was seen.
async fn permit(
    context: &Context,
    id: &str,
    way: Way,
    before: Option<&[SecurityGroupRule]>,
    wanted: &[SecurityGroupRule],
) -> Result<()> {
    let look = || async {
        let group = context.client.look_up::<DescribeSecurityGroups>(id.to_owned()).await?;
        Ok(group.map_or_else(|| Seen::Pending(format!("waiting for AWS to show {id}")), Seen::Ready))
    };
    let group = context.observer.wait(format!("security group {id}"), Patience::seconds(30), look).await?;
    let owner = group.owner_id().unwrap_or_default();
    let has = match way {
        Way::In => shown(group.ip_permissions(), owner),
        Way::Out => shown(group.ip_permissions_egress(), owner),
    };
    let (before, wanted) = (before.map(|it| flatten(it, id, owner)), flatten(wanted, id, owner));
    let ours = |it: &Permission| before.as_ref().is_none_or(|before| before.contains_key(it));
    let new: Vec<_> = wanted.iter().filter(|(it, _)| !has.contains_key(it)).map(to_aws).collect();
    let reworded = wanted.iter().filter(|(it, description)| has.get(it).is_some_and(|has| has != *description));
    let reworded: Vec<_> = reworded.map(to_aws).collect();
    let old: Vec<_> = has.iter().filter(|(it, _)| !wanted.contains_key(it) && ours(it)).map(to_aws).collect();
    // Let in first and shut out last, so that what was allowed and stays allowed is never cut off.
    if !new.is_empty() {
        authorize_all(context, id, way, &new).await?;
    }
    if !reworded.is_empty() {
        describe(context, id, way, reworded).await?;
    }
    if !old.is_empty() {
        revoke_all(context, id, way, &old).await?;
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
    let (client, permissions) = (context.client.ec2(), Some(permissions.to_vec()));
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
    let client = context.client.ec2();
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

/// Takes back all of `permissions`. AWS takes back none of them where one is gone already: then one by one.
async fn revoke_all(context: &Context, id: &str, way: Way, permissions: &[IpPermission]) -> Result<()> {
    match revoke(context, id, way, permissions.to_vec()).await {
        Err(error) if refused_with(&error, NOT_PERMITTED) => {}
        result => return result,
    }
    for it in permissions {
        match revoke(context, id, way, vec![it.clone()]).await {
            Err(error) if refused_with(&error, NOT_PERMITTED) => {}
            result => result?,
        }
    }
    Ok(())
}

async fn revoke(context: &Context, id: &str, way: Way, permissions: Vec<IpPermission>) -> Result<()> {
    let client = context.client.ec2();
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

/// The id of the group that has the name already.
async fn of_name(aws: &Aws, inputs: &SecurityGroupInputs) -> Result<Option<String>> {
    let request = aws.ec2().describe_security_groups().filters(ec2::filter("group-name", vec![inputs.name.clone()]));
    let in_vpc = inputs.vpc_id.iter().map(|it| ec2::filter("vpc-id", vec![it.clone()]));
    let found = in_vpc
        .fold(request, aws_sdk_ec2::operation::describe_security_groups::builders::DescribeSecurityGroupsFluentBuilder::filters)
        .send()
        .await
        .explain()?;
    Ok(match found.security_groups() {
        [only] => only.group_id().map(str::to_owned),
        _ => None,
    })
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
    use crate::{
        check::{Autonaming, Failure},
        plan::Plan,
        resource::{AnyResource as _, Erased, Subject, findings, mistakes},
    };

    static GROUP: Erased<SecurityGroup> = Erased::NEW;

    fn rule(protocol: &str, ports: (i32, i32)) -> SecurityGroupRule {
        let (from_port, to_port) = (Some(ports.0), Some(ports.1));
        SecurityGroupRule { protocol: protocol.to_owned(), from_port, to_port, ..SecurityGroupRule::default() }
    }

    fn map(json: serde_json::Value) -> Map {
        let Value::Object(map) = Value::from(json) else { panic!("inputs are a map") };
        map
    }

    /// The mistakes of a change from `old` to `new`, of a resource that the program calls `it`.
    fn mistakes_of_change(old: &serde_json::Value, new: &serde_json::Value) -> Vec<String> {
        let (old, plan) = (map(old.clone()), Plan::default());
        let (seed, autonaming) = (&[0; 32], Autonaming::Default);
        let subject = Subject { name: "it", urn: "it", seed, old: &old, autonaming, cloud: None, plan: &plan };
        GROUP.check(&subject, map(new.clone())).unwrap().failures.iter().map(Failure::to_string).collect()
    }

    #[test]
    fn every_mistake_in_a_rule_is_reported() {
        let block = |it: &str, rest: serde_json::Value| {
            let mut rule = json!({ "cidrBlocks": [it] });
            rule.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            rule
        };
        let to_all = |rest| block("0.0.0.0/0", rest);
        for (rule, mistake) in [
            (to_all(json!({ "protocol": "tcp", "fromPort": 443, "toPort": 443 })), None),
            (to_all(json!({ "protocol": "6", "fromPort": 443, "toPort": 443 })), None),
            (to_all(json!({ "protocol": "TCP", "fromPort": 0, "toPort": 0 })), None),
            (to_all(json!({ "protocol": "-1" })), None),
            (to_all(json!({ "protocol": "-1", "fromPort": 0, "toPort": 65535 })), None),
            (to_all(json!({ "protocol": "all", "fromPort": -1, "toPort": -1 })), None),
            (to_all(json!({ "protocol": "50", "fromPort": 80, "toPort": 80 })), None),
            (to_all(json!({ "protocol": "icmp", "fromPort": 8 })), None),
            (to_all(json!({ "protocol": "icmpv6" })), None),
            (json!({ "protocol": "tcp", "fromPort": 80, "toPort": 80 }), Some("ingress[0] names nobody")),
            (to_all(json!({ "protocol": "6", "toPort": 80 })), Some("ingress[0].fromPort is missing")),
            (to_all(json!({ "protocol": "tcp", "fromPort": 80 })), Some("ingress[0].toPort is missing")),
            (
                to_all(json!({ "protocol": "tcp", "fromPort": 90, "toPort": 80 })),
                Some("ingress[0].toPort is 80, less than fromPort"),
            ),
            (
                to_all(json!({ "protocol": "icmp", "fromPort": -1, "toPort": 0 })),
                Some("ingress[0].toPort is 0, but fromPort is -1"),
            ),
            (to_all(json!({ "protocol": "256" })), Some("ingress[0].protocol is 256; the numbers of protocols end at 255")),
            (to_all(json!({ "protocol": "http" })), Some("ingress[0].protocol is \"http\", which is not tcp, udp")),
            (
                block("::/0", json!({ "protocol": "-1" })),
                Some("ingress[0].cidrBlocks[0] is ::/0, which belongs in ipv6CidrBlocks"),
            ),
            (
                json!({ "protocol": "-1", "securityGroups": ["app"] }),
                Some(
                    "ingress[0].securityGroups[0] is \"app\", which is not the id of a security group, such as sg-0123456789abcdef0",
                ),
            ),
        ] {
            let found = mistakes::<SecurityGroup>(json!({ "name": "web", "ingress": [rule] }).into());
            match mistake {
                None => assert!(found.is_empty(), "{found:?}"),
                Some(mistake) => assert!(found.len() == 1 && found[0].starts_with(mistake), "{mistake}: {found:?}"),
            }
        }
        let web = |protocol| block("10.0.0.0/8", json!({ "protocol": protocol, "fromPort": 80, "toPort": 80 }));
        let twice = mistakes::<SecurityGroup>(json!({ "name": "web", "ingress": [web("tcp"), web("6")] }).into());
        assert_eq!(twice, ["ingress[1] says of 10.0.0.0/8 what ingress[0] says already: leave it out of one"]);
    }

    #[test]
    fn all_spellings_of_a_rule_are_one() {
        let ingress = |rule: &serde_json::Value| json!({ "name": "web", "description": "it", "ingress": [rule] });
        for spellings in [
            [
                json!({ "protocol": "tcp", "fromPort": 80, "toPort": 80, "ipv6CidrBlocks": ["::/0"] }),
                json!({ "protocol": "6", "fromPort": 80, "toPort": 80, "ipv6CidrBlocks": ["::0/0"] }),
                json!({ "protocol": "TCP", "fromPort": 80, "toPort": 80, "ipv6CidrBlocks": ["0::/0"], "description": "" }),
            ],
            [
                json!({ "protocol": "-1", "self": true }),
                json!({ "protocol": "-1", "fromPort": 0, "toPort": 65535, "self": true }),
                json!({ "protocol": "ALL", "fromPort": -1, "toPort": -1, "self": true, "cidrBlocks": [] }),
            ],
            [
                json!({ "protocol": "icmp", "fromPort": -1, "toPort": -1, "cidrBlocks": ["10.0.0.0/8"] }),
                json!({ "protocol": "1", "cidrBlocks": ["10.0.0.0/8"] }),
                json!({ "protocol": "Icmp", "fromPort": -1, "cidrBlocks": ["10.0.0.0/8"] }),
            ],
            [
                json!({ "protocol": "58", "ipv6CidrBlocks": ["fd00::/8"] }),
                json!({ "protocol": "icmpv6", "ipv6CidrBlocks": ["FD00:0::/8"] }),
                json!({ "protocol": "icmpv6", "fromPort": -1, "toPort": -1, "ipv6CidrBlocks": ["fd00::/8"] }),
            ],
            [
                json!({ "protocol": "50", "securityGroups": ["sg-1"] }),
                json!({ "protocol": "050", "securityGroups": ["123456789012/sg-1"] }),
                json!({ "protocol": "50", "fromPort": 0, "toPort": 0, "securityGroups": ["sg-1", "sg-1"] }),
            ],
        ] {
            let typed = |it: &serde_json::Value| vec![serde_json::from_value::<SecurityGroupRule>(it.clone()).unwrap()];
            for (one, other) in spellings.iter().flat_map(|one| spellings.iter().map(move |other| (one, other))) {
                assert_eq!(GROUP.diff(&map(ingress(one)), &map(ingress(other))), [], "{one} {other}");
                let flat = |it| flatten(&typed(it), "sg-2", "123456789012");
                assert_eq!(flat(one), flat(other), "an update has to see no difference, whatever old state holds");
            }
        }
    }

    #[test]
    fn what_somebody_added_stays_until_the_list_changes_or_a_refresh_shows_it() {
        let group = |ingress: serde_json::Value, egress: serde_json::Value| -> SecurityGroupInputs {
            let inputs = json!({ "name": "web", "description": "it", "ingress": ingress, "egress": egress, "tags": {} });
            serde_json::from_value(inputs).unwrap()
        };
        let web = |port: i32| json!({ "protocol": "tcp", "fromPort": port, "toPort": port, "cidrBlocks": ["10.0.0.0/8"] });
        let wanted = group(json!([web(80)]), json!([web(443)]));
        let left_out = |seen: &SecurityGroupInputs, new| SecurityGroup::left_out(seen, &wanted, new);
        assert_eq!(left_out(&group(json!([web(80), web(22)]), json!([web(443)])), &wanted), ["ingress", "egress"]);
        assert_eq!(left_out(&group(json!([web(22)]), json!([web(443)])), &wanted), ["egress"], "one is missing");
        let all = json!({ "protocol": "-1", "cidrBlocks": ["0.0.0.0/0"] });
        assert_eq!(left_out(&group(json!([web(80)]), json!([web(443), all])), &wanted), ["ingress"], "a creation that failed");
        let changed = group(json!([web(81)]), json!([web(443)]));
        assert_eq!(left_out(&group(json!([web(80), web(22)]), json!([web(443)])), &changed), ["egress"]);
    }

    #[test]
    fn an_unknown_rule_is_a_change() {
        let known = json!({ "name": "web", "description": "it", "ingress": [] });
        let mut unknown = map(known.clone());
        unknown.insert("ingress".to_owned(), Value::Unknown);
        assert_eq!(GROUP.diff(&map(known), &unknown).len(), 1);
    }

    #[test]
    fn a_change_shows_the_rules_that_differ() {
        let web = |port: i32| json!({ "protocol": "tcp", "fromPort": port, "toPort": port, "cidrBlocks": ["10.0.0.0/8"] });
        let group = |ports: &[i32]| {
            map(json!({ "name": "web", "description": "it", "ingress": ports.iter().map(|it| web(*it)).collect::<Vec<_>>() }))
        };
        let changes = |old: &[i32], new: &[i32]| -> Vec<_> {
            GROUP.diff(&group(old), &group(new)).into_iter().map(|it| format!("{} {:?}", it.path, it.kind)).collect()
        };
        assert_eq!(changes(&[80], &[80, 22]), ["ingress[1] Add"]);
        assert_eq!(changes(&[80, 443], &[443]), ["ingress[0] Delete"]);
        assert_eq!(changes(&[80, 443], &[80, 8443]), ["ingress[1] Update"]);
        assert_eq!(changes(&[80, 443], &[443, 80]), [""; 0]);
    }

    #[test]
    fn a_fixed_name_cannot_stay_where_the_group_is_replaced() {
        let group = |name: &str, description: &str| json!({ "name": name, "description": description });
        let found = mistakes_of_change(&group("web", "a"), &group("web", "b"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("name stays \"web\" while description changes, which AWS cannot do in place."), "{found:?}");
        assert!(found[0].ends_with("change name as well, or leave it out"));
        assert!(mistakes_of_change(&group("web", "a"), &group("app", "b")).is_empty());
        assert!(mistakes_of_change(&group("web", "a"), &group("web", "a")).is_empty());
        let (mut old, mut new) = (group("web", "a"), group("web", "b"));
        (old["vpcId"], new["vpcId"]) = (json!("vpc-1"), json!("vpc-2"));
        assert!(mistakes_of_change(&old, &new).is_empty(), "in another VPC the name is free");
        let made_up = group("it-0000000", "a");
        assert!(mistakes_of_change(&made_up, &json!({ "description": "b" })).is_empty());
    }

    #[test]
    fn a_rule_for_port_0_is_doubted() {
        let rule = json!({ "protocol": "tcp", "fromPort": 0, "toPort": 0, "self": true });
        let (mistakes, warnings) =
            findings::<SecurityGroup>(&Plan::default(), json!({ "name": "web", "ingress": [rule] }).into());
        assert!(mistakes.is_empty() && warnings[0].starts_with("ingress[0].fromPort is 0, and so is toPort"), "{warnings:?}");
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
        let shown = shown(&flatten(&rules, "sg-1", "").iter().map(to_aws).collect::<Vec<_>>(), "000000000000");
        assert_eq!(gather(shown, "sg-1"), rules);
        let anywhere = types::IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let everything = IpPermission::builder().ip_protocol("-1").ip_ranges(anywhere);
        let shown = super::shown(&[everything.from_port(-1).to_port(-1).build()], "");
        assert!(flatten(&everyone(), "", "").keys().any(|it| shown.contains_key(it)));
    }
}
