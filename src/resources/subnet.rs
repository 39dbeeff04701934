//! ec2: a subnet, a range of a VPC's addresses in one availability zone.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Error, Result};
use aws_sdk_ec2::types::{self, AttributeBooleanValue, ResourceType};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, ec2::{self, InVpc}, refused_with},
    check::Report,
    list::{Cursor, Page},
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
    type Inputs = SubnetInputs;
    type Outputs = SubnetOutputs;
    type Query = InVpc;

    fn check(inputs: &SubnetInputs, report: &mut Report<'_>) {
        let fits = inputs.cidr_block.parse::<Ipv4Net>().is_ok_and(|it| (16..=28).contains(&it.prefix_len()));
        let reason = format!("is {}; AWS takes IPv4 addresses from /16 to /28", inputs.cidr_block);
        report.rule(&["cidrBlock"], fits, reason);
    }

    async fn create(context: &Context, inputs: &SubnetInputs) -> Result<String> {
        let request = context
            .aws
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
        ec2::retag(&context.aws, id, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, _: &SubnetInputs) -> Result<()> {
        let pending = |it: &types::Subnet| it.state() == Some(&types::SubnetState::Pending);
        ec2::shown::<DescribeSubnets>(context, id, |it| pending(it).then(|| format!("{id} is pending"))).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<SubnetOutputs>> {
        let id = ec2::id_in(id, "subnet-", "subnet")?;
        let Some(subnet) = context.aws.look_up::<DescribeSubnets>(id.clone()).await? else { return Ok(None) };
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
        let request = context.aws.ec2().describe_subnets().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.subnets().iter().filter_map(|it| ec2::listed(it.subnet_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &SubnetOutputs) -> Result<()> {
        let delete = || async {
            match context.aws.ec2().delete_subnet().subnet_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let inside = || ec2::interfaces(&context.aws, "subnet-id", id);
        ec2::delete_when_free(&context.observer, id, HELD, delete, inside).await
    }
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
    let request = context.aws.ec2().modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(on);
    context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await.map(drop)
}
