//! ec2: a subnet, a range of a VPC's addresses in one availability zone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Error, Result, ensure};
use aws_sdk_ec2::types::{self, AttributeBooleanValue, ResourceType};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Settle as _,
        ec2::{self, InVpc},
        refused_with,
    },
    check::Report,
    facts::{SubnetFacts, VpcFacts},
    list::{Cursor, Page},
    plan::{Candidates, Facts, Link},
    resource::{Context, Resource},
};

/// What AWS says while parts of it have not heard of a subnet yet, or of its VPC.
const NEW: &[Passing] = &[("InvalidSubnetID.NotFound", ""), ("InvalidVpcID.NotFound", "")];

/// What AWS says while something is in the subnet.
const HELD: &[&str] = &["DependencyViolation"];

pub struct Subnet;

/// A subnet: a range of a VPC's addresses in one availability zone. Load balancers, tasks and Redis live in subnets.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubnetInputs {
    /// The VPC that the subnet is in.
    #[schemars(extend("replaceOnChanges" = true, "nameScope" = true))]
    #[schemars(transform = ec2::id::vpc)]
    pub vpc_id: String,
    /// The IPv4 addresses of the subnet, such as `10.0.16.0/20`: a part of the VPC's, from /16 to /28, that no other subnet
    /// has. AWS keeps five of them; each task takes one.
    #[schemars(extend("replaceOnChanges" = true, "exclusive" = true, "format" = "cidr"))]
    pub cidr_block: String,
    /// The availability zone that the subnet is in, such as `eu-central-1a`. Default: one that AWS chooses; a load balancer
    /// and a Redis group with a replica need subnets in two zones, so choose them yourself.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true, "always" = true))]
    pub availability_zone: Option<String>,
    /// Whether what starts in the subnet gets a public address unless it says otherwise. Tasks on Fargate do say:
    /// `assignPublicIp` of the service counts. Default: false, as private subnets want it.
    #[serde(default)]
    pub map_public_ip_on_launch: bool,
    /// Tags to put on the subnet.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubnetOutputs {
    #[serde(flatten)]
    pub inputs: SubnetInputs,
    /// The ARN of the subnet.
    pub arn: String,
    /// The id of the availability zone, such as `euc1-az2`, which means the same zone in every account.
    pub availability_zone_id: String,
    /// The number of the account that owns the subnet.
    pub owner_id: String,
    /// The id of the subnet.
    pub subnet_id: String,
}

impl Resource for Subnet {
    const NAME: &'static str = "Subnet";
    type Cloud = crate::aws::Session;
    type Inputs = SubnetInputs;
    type Outputs = SubnetOutputs;
    type Query = InVpc;

    fn check(inputs: &SubnetInputs, report: &mut Report<'_>) {
        let fits = inputs.cidr_block.parse::<Ipv4Net>().is_ok_and(|it| (16..=28).contains(&it.prefix_len()));
        let reason = format!("is {}; AWS takes IPv4 addresses from /16 to /28", inputs.cidr_block);
        report.rule(&["cidrBlock"], fits, reason);
        if let (Some(zone), Some(region)) = (&inputs.availability_zone, report.text("region").map(str::to_owned)) {
            let there = zone.strip_prefix(&region).is_some_and(|it| !it.is_empty());
            let reason = format!(
                "is {zone}, which is not a zone of {region}, the region of the subnet; its zones are named {region}a and so on"
            );
            report.rule(&["availabilityZone"], there, reason);
        }
        if let Ok(block) = inputs.cidr_block.parse::<Ipv4Net>() {
            check_block(block, inputs, report);
        }
    }

    fn facts(inputs: &SubnetInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(SubnetFacts {
            vpc: report.link("vpcId", &inputs.vpc_id),
            block: report.known("cidrBlock", inputs.cidr_block.parse().ok()).flatten(),
            availability_zone: report.known("availabilityZone", inputs.availability_zone.clone()).flatten(),
        }))
    }

    fn check_change(_: &SubnetInputs, new: &SubnetInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let changed: Vec<_> = replacing.iter().map(String::as_str).collect();
        let reason = format!(
            "stays {} while {} changes, which AWS cannot do in place. Two subnets cannot have the same addresses, so the old subnet \
             has to be deleted before the new one is created, and AWS refuses that while load balancers, tasks or anything else is \
             in it; change cidrBlock as well",
            new.cidr_block,
            changed.join(" and ")
        );
        report.warn(&[&["cidrBlock"], changed.as_slice()].concat(), replacing.is_empty() || !report.replaces_in_place(), reason);
    }

    async fn create(context: &Context, inputs: &SubnetInputs) -> Result<String> {
        let request = context
            .client
            .ec2()
            .create_subnet()
            .vpc_id(&inputs.vpc_id)
            .cidr_block(&inputs.cidr_block)
            .set_availability_zone(inputs.availability_zone.clone())
            .set_tag_specifications(ec2::tag_specifications(ResourceType::Subnet, &inputs.tags));
        let made = context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await;
        let made = made.map_err(|error| explained(error, inputs))?;
        let id = made.subnet.and_then(|it| it.subnet_id).context("AWS made a subnet without an id")?;
        context.made(&id);
        if inputs.map_public_ip_on_launch {
            map_public_ip(context, &id, true).await?;
        }
        Ok(id)
    }

    async fn update(context: &Context, id: &str, old: &SubnetOutputs, new: &SubnetInputs) -> Result<()> {
        if old.inputs.map_public_ip_on_launch != new.map_public_ip_on_launch {
            map_public_ip(context, id, new.map_public_ip_on_launch).await?;
        }
        ec2::retag(&context.client, id, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, _: &SubnetInputs) -> Result<()> {
        let pending = |it: &types::Subnet| it.state() == Some(&types::SubnetState::Pending);
        ec2::shown::<DescribeSubnets>(context, id, |it| pending(it).then(|| format!("{id} is pending"))).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<SubnetOutputs>> {
        let id = ec2::id_in(id, "subnet-", "subnet")?;
        let Some(subnet) = context.client.look_up::<DescribeSubnets>(id.clone()).await? else { return Ok(None) };
        ensure!(
            has_ipv4(&subnet),
            "{id} has IPv6 addresses alone, which a Subnet of this package cannot have: every task needs IPv4"
        );
        let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
        Ok(Some(SubnetOutputs {
            inputs: SubnetInputs {
                vpc_id: text(subnet.vpc_id()),
                cidr_block: text(subnet.cidr_block()),
                availability_zone: subnet.availability_zone().map(str::to_owned),
                map_public_ip_on_launch: subnet.map_public_ip_on_launch().unwrap_or_default(),
                tags: ec2::from_tags(subnet.tags()),
            },
            arn: text(subnet.subnet_arn()),
            availability_zone_id: text(subnet.availability_zone_id()),
            owner_id: text(subnet.owner_id()),
            subnet_id: id,
        }))
    }

    fn id(outputs: &SubnetOutputs) -> String {
        outputs.subnet_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let request = context.client.ec2().describe_subnets().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.subnets().iter().filter(|it| has_ipv4(it)).filter_map(|it| ec2::listed(it.subnet_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &SubnetOutputs) -> Result<()> {
        let delete = || async {
            match context.client.ec2().delete_subnet().subnet_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let inside = || ec2::interfaces(&context.client, "subnet-id", id);
        ec2::delete_when_free(&context.observer, id, HELD, delete, inside).await
    }
}

/// A subnet may have IPv6 addresses alone.
fn has_ipv4(subnet: &types::Subnet) -> bool {
    subnet.cidr_block().is_some_and(|it| !it.is_empty())
}

/// `DescribeSubnets`, by id.
struct DescribeSubnets;

impl Lookup for DescribeSubnets {
    type Key = String;
    type Found = types::Subnet;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::Subnet>> {
        let wanted = ec2::filter("subnet-id", ids);
        let pages = aws.ec2().describe_subnets().filters(wanted).into_paginator().items().send();
        let subnets = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(subnets.into_iter().filter_map(|it| Some((it.subnet_id()?.to_owned(), it))).collect())
    }
}

/// The block of a subnet is within that of its VPC, and no other subnet has a part of it.
fn check_block(block: Ipv4Net, inputs: &SubnetInputs, report: &mut Report<'_>) {
    let vpcs = report.resolve::<VpcFacts>("vpcId", Some(&inputs.vpc_id));
    let certain = |vpc: &VpcFacts| {
        // A VPC that exists may have been given more blocks, which do not overlap its first one.
        let outside = outside(block, vpc)?;
        (vpc.is_new || vpc.block.is_some_and(|it| block.contains(&it))).then_some(outside)
    };
    report.compare("cidrBlock", &["cidrBlock"], &vpcs, certain);
    let doubtful = vpcs.which(|it| certain(it).is_none());
    report.warn_if_mismatched("cidrBlock", &["cidrBlock"], &doubtful, |it| {
        Some(format!("{}, unless that has been given another block that the program does not declare", outside(block, it)?))
    });
    let vpc = report.link("vpcId", &inputs.vpc_id);
    // That no two have the same block is a rule of its own, for it is `exclusive`.
    let overlaps = |it: &Ipv4Net| *it != block && (it.contains(&block) || block.contains(it));
    let others = report.others::<SubnetFacts>().into_iter();
    let those: Vec<_> =
        others.filter(|it| it.block.as_ref().is_some_and(overlaps) && report.same::<VpcFacts>(&it.vpc, &vpc)).collect();
    report.compare("cidrBlock", &["cidrBlock"], &Candidates { certain: vpc != Link::Unknown, those }, |it| {
        let taken = it.block?;
        Some(format!("is {block}, which overlaps {taken}, the cidrBlock of another Subnet of this VPC; choose one that is free"))
    });
}

/// Why a block is not one of the VPC, if so.
fn outside(block: Ipv4Net, vpc: &VpcFacts) -> Option<String> {
    let whole = vpc.block.filter(|it| !it.contains(&block))?;
    Some(format!("is {block}, which is not within {whole}, the cidrBlock of its VPC; choose a part of that"))
}

/// The property at fault, and the way out.
fn explained(error: Error, inputs: &SubnetInputs) -> Error {
    let SubnetInputs { vpc_id, cidr_block, .. } = inputs;
    let reason = if refused_with(&error, &["InvalidSubnet.Conflict"]) {
        // A replacement lives beside what it replaces, for a while.
        format!(
            "cidrBlock: another subnet of {vpc_id} has addresses of {cidr_block}; choose a range that is free, or, if this \
             replaces that subnet and nothing is in it, set the option deleteBeforeReplace"
        )
    } else if refused_with(&error, &["InvalidSubnet.Range"]) {
        format!("cidrBlock: {cidr_block} is no part of the addresses of {vpc_id}; choose a range within its cidrBlock")
    } else {
        return error;
    };
    error.context(reason)
}

async fn map_public_ip(context: &Context, id: &str, on: bool) -> Result<()> {
    let on = AttributeBooleanValue::builder().value(on).build();
    let request = context.client.ec2().modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(on);
    context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await.map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{plan::Plan, resource::findings, value::Value};

    /// A program with a VPC of 10.0.0.0/16, which exists or does not, and what else is declared.
    fn plan(is_new: bool) -> Plan {
        let plan = Plan::default();
        plan.declare("vpc", Facts::new(VpcFacts { block: "10.0.0.0/16".parse().ok(), is_new, has_dns: None }));
        if !is_new {
            plan.record("vpc", Some("vpc-1"), &[]);
        }
        plan
    }

    fn subnet(vpc: Value, rest: &Json) -> Value {
        let Value::Object(mut map) = Value::from(rest.clone()) else { panic!("inputs are a map") };
        map.insert("vpcId".to_owned(), vpc);
        Value::Object(map)
    }

    #[test]
    fn a_subnet_is_within_its_vpc() {
        let block = |it: &str| json!({ "cidrBlock": it });
        let outside =
            "cidrBlock is 10.1.0.0/20, which is not within 10.0.0.0/16, the cidrBlock of its VPC; choose a part of that";
        let found = findings::<Subnet>(&plan(true), subnet(Value::Unknown, &block("10.1.0.0/20")));
        assert!(found.0[0].starts_with(outside) && found.1.is_empty(), "{found:?}");
        assert_eq!(findings::<Subnet>(&plan(true), subnet(Value::Unknown, &block("10.0.16.0/20"))), (vec![], vec![]));
        // What is wrong refers to none, and least of all to one of another package.
        let found = findings::<Subnet>(&plan(true), subnet(Value::String("network".to_owned()), &block("10.1.0.0/20"))).0;
        assert!(found.len() == 1 && found[0].starts_with("vpcId is \"network\", which is not the id of a VPC"), "{found:?}");
        let exists = || Value::String("vpc-1".to_owned());
        let found = findings::<Subnet>(&plan(false), subnet(exists(), &block("10.1.0.0/20")));
        assert!(found.0.is_empty() && found.1[0].starts_with(outside), "{found:?}");
        assert!(findings::<Subnet>(&plan(false), subnet(Value::String("vpc-2".to_owned()), &block("10.1.0.0/20"))).1.is_empty());
    }

    #[test]
    fn subnets_of_a_vpc_do_not_overlap() {
        let other = |vpc: Link| Facts::new(SubnetFacts { vpc, block: "10.0.0.0/20".parse().ok(), availability_zone: None });
        let taken = "cidrBlock is 10.0.8.0/24, which overlaps 10.0.0.0/20, the cidrBlock of another Subnet of this VPC";
        let wanted = json!({ "cidrBlock": "10.0.8.0/24" });
        let new = plan(true);
        new.declare("other", other(Link::Unknown));
        let found = findings::<Subnet>(&new, subnet(Value::Unknown, &wanted)).0;
        assert!(found.len() == 1 && found[0].starts_with(taken), "{found:?}");
        let (one, two) = (Value::String("vpc-1".to_owned()), Value::String("vpc-2".to_owned()));
        let old = plan(false);
        old.declare("other", other(Link::Known("vpc-1".to_owned())));
        assert!(findings::<Subnet>(&old, subnet(one.clone(), &wanted)).0[0].starts_with(taken));
        assert!(findings::<Subnet>(&old, subnet(two, &wanted)).0.is_empty());
        assert!(findings::<Subnet>(&old, subnet(one, &json!({ "cidrBlock": "10.0.16.0/20" }))).0.is_empty());
    }

    #[test]
    fn a_zone_is_one_of_the_region() {
        let zone = |zone: &str| {
            let rest = json!({ "cidrBlock": "10.0.0.0/20", "availabilityZone": zone, "region": "eu-west-1" });
            findings::<Subnet>(&Plan::default(), subnet(Value::String("vpc-1".to_owned()), &rest)).0
        };
        for right in ["eu-west-1a", "eu-west-1-lon-1a"] {
            assert!(zone(right).is_empty());
        }
        for wrong in ["eu-west-2a", "euw1-az1", "a", "eu-west-1"] {
            assert!(zone(wrong)[0].starts_with(&format!("availabilityZone is {wrong}, which is not a zone of eu-west-1")));
        }
    }
}
