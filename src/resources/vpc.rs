//! ec2: a VPC, the network that everything else is in.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use aws_sdk_ec2::types::{self, AttributeBooleanValue, ResourceType, VpcAttributeName};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, Settle as _, ec2},
    check::Report,
    codec::{Unlisted, name_of},
    facts::VpcFacts,
    list::{All, Cursor, Page},
    plan::Facts,
    resource::{Context, Resource},
};

/// What AWS says while parts of it have not heard of a VPC yet.
const NEW: &[Passing] = &[("InvalidVpcID.NotFound", "")];

/// What AWS says while something is in the VPC.
const HELD: &[&str] = &["DependencyViolation"];

pub struct Vpc;

/// A VPC: the private network that subnets, load balancers, tasks and Redis are in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcInputs {
    /// The IPv4 addresses of the network, such as `10.0.0.0/16`, from /16 to /28. Leave room: it cannot grow later.
    #[schemars(extend("replaceOnChanges" = true, "format" = "cidr"))]
    pub cidr_block: String,
    /// Whether AWS's resolver answers in the network. Default: true; tasks find AWS and Redis by name.
    #[serde(default = "yes")]
    pub enable_dns_support: bool,
    /// Whether what is in the network has names of its own. Default: true, for the private names of VPC endpoints need it,
    /// with which tasks reach ECR, logs and secrets without a NAT gateway. (AWS itself leaves it off.)
    #[serde(default = "yes")]
    pub enable_dns_hostnames: bool,
    /// Whose hardware is used. Default: `default`; Fargate does not run in a `dedicated` network.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub instance_tenancy: VpcInstanceTenancy,
    /// Tags to put on the VPC.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whose hardware instances in a VPC run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum VpcInstanceTenancy {
    /// Hardware that is shared with other accounts, unless an instance says otherwise.
    #[default]
    Default,
    /// Hardware that only this account uses.
    Dedicated,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcOutputs {
    #[serde(flatten)]
    pub inputs: VpcInputs,
    /// The ARN of the VPC.
    pub arn: String,
    /// The security group of what names no other. It comes with the VPC.
    pub default_security_group_id: String,
    /// The DHCP options of the VPC.
    pub dhcp_options_id: String,
    /// The route table of subnets that have no other. It comes with the VPC.
    pub main_route_table_id: String,
    /// The number of the account that owns the VPC.
    pub owner_id: String,
    /// The id of the VPC.
    pub vpc_id: String,
}

fn yes() -> bool {
    true
}

impl Resource for Vpc {
    const NAME: &'static str = "Vpc";
    type Cloud = crate::aws::Session;
    type Inputs = VpcInputs;
    type Outputs = VpcOutputs;
    type Query = All;

    fn check(inputs: &VpcInputs, report: &mut Report<'_>) {
        let fits = inputs.cidr_block.parse::<Ipv4Net>().is_ok_and(|it| (16..=28).contains(&it.prefix_len()));
        let reason = format!("is {}; AWS takes IPv4 addresses from /16 to /28", inputs.cidr_block);
        report.rule(&["cidrBlock"], fits, reason);
        report.rule(
            &["enableDnsHostnames", "enableDnsSupport"],
            inputs.enable_dns_support || !inputs.enable_dns_hostnames,
            "is true, which needs enableDnsSupport; set enableDnsHostnames to false as well",
        );
    }

    fn facts(inputs: &VpcInputs, report: &Report<'_>) -> Option<Facts> {
        let has_dns = inputs.enable_dns_support && inputs.enable_dns_hostnames;
        let known = report.knows("enableDnsSupport") && report.knows("enableDnsHostnames");
        Some(Facts::new(VpcFacts {
            block: report.known("cidrBlock", inputs.cidr_block.parse().ok()).flatten(),
            is_new: report.is_new(),
            has_dns: known.then_some(has_dns),
        }))
    }

    async fn create(context: &Context, inputs: &VpcInputs) -> Result<String> {
        let request = context
            .client
            .ec2()
            .create_vpc()
            .cidr_block(&inputs.cidr_block)
            .instance_tenancy(name_of(inputs.instance_tenancy).as_str().into())
            .set_tag_specifications(ec2::tag_specifications(ResourceType::Vpc, &inputs.tags));
        let made = request.send().await.explain()?;
        let id = made.vpc.and_then(|it| it.vpc_id).context("AWS made a VPC without an id")?;
        context.made(&id);
        let as_made = Dns { support: true, hostnames: false };
        set_dns(context, &id, as_made, Dns::of(inputs)).await?;
        Ok(id)
    }

    async fn update(context: &Context, id: &str, old: &VpcOutputs, new: &VpcInputs) -> Result<()> {
        set_dns(context, id, Dns::of(&old.inputs), Dns::of(new)).await?;
        ec2::retag(&context.client, id, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, _: &VpcInputs) -> Result<()> {
        let pending = |it: &types::Vpc| it.state() == Some(&types::VpcState::Pending);
        ec2::shown::<DescribeVpcs>(context, id, |it| pending(it).then(|| format!("{id} is pending"))).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<VpcOutputs>> {
        let id = ec2::id_in(id, "vpc-", "VPC")?;
        let aws = &context.client;
        let Some(vpc) = aws.look_up::<DescribeVpcs>(id.clone()).await? else { return Ok(None) };
        let details = tokio::try_join!(
            attribute(aws, &id, VpcAttributeName::EnableDnsSupport),
            attribute(aws, &id, VpcAttributeName::EnableDnsHostnames),
            aws.look_up::<DefaultSecurityGroups>(id.clone()),
            aws.look_up::<MainRouteTables>(id.clone()),
        );
        let (support, hostnames, group, table) = match details {
            Err(error) if ec2::is_gone(&error) => return Ok(None),
            details => details?,
        };
        let owner = vpc.owner_id().unwrap_or_default();
        Ok(Some(VpcOutputs {
            inputs: VpcInputs {
                cidr_block: vpc.cidr_block().unwrap_or_default().to_owned(),
                enable_dns_support: support,
                enable_dns_hostnames: hostnames,
                instance_tenancy: match vpc.instance_tenancy() {
                    Some(types::Tenancy::Dedicated) => VpcInstanceTenancy::Dedicated,
                    _ => VpcInstanceTenancy::Default,
                },
                tags: ec2::from_tags(vpc.tags()),
            },
            arn: ec2::arn(aws, owner, &format!("vpc/{id}")),
            default_security_group_id: group.unwrap_or_default(),
            dhcp_options_id: vpc.dhcp_options_id().unwrap_or_default().to_owned(),
            main_route_table_id: table.unwrap_or_default(),
            owner_id: owner.to_owned(),
            vpc_id: id,
        }))
    }

    fn id(outputs: &VpcOutputs) -> String {
        outputs.vpc_id.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.client.ec2().describe_vpcs().max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.vpcs().iter().filter_map(|it| ec2::listed(it.vpc_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &VpcOutputs) -> Result<()> {
        let delete = || async {
            match context.client.ec2().delete_vpc().vpc_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        ec2::delete_when_free(&context.observer, id, HELD, delete, || contents(&context.client, id)).await
    }
}

/// `DescribeVpcs`, by id.
struct DescribeVpcs;

impl Lookup for DescribeVpcs {
    type Key = String;
    type Found = types::Vpc;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::Vpc>> {
        let pages = aws.ec2().describe_vpcs().filters(ec2::filter("vpc-id", ids)).into_paginator().items().send();
        let vpcs = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(vpcs.into_iter().filter_map(|it| Some((it.vpc_id()?.to_owned(), it))).collect())
    }
}

/// The ids of the security groups that come with VPCs, by VPC.
struct DefaultSecurityGroups;

impl Lookup for DefaultSecurityGroups {
    type Key = String;
    type Found = String;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, vpcs: Vec<String>) -> Result<HashMap<String, String>> {
        let request = aws.ec2().describe_security_groups();
        let request = request.filters(ec2::filter("vpc-id", vpcs)).filters(ec2::filter("group-name", vec!["default".to_owned()]));
        let groups = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
        let default = groups.into_iter().filter(|it| it.group_name() == Some("default"));
        Ok(default.filter_map(|it| Some((it.vpc_id?, it.group_id?))).collect())
    }
}

/// The ids of the main route tables of VPCs, by VPC.
struct MainRouteTables;

impl Lookup for MainRouteTables {
    type Key = String;
    type Found = String;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, vpcs: Vec<String>) -> Result<HashMap<String, String>> {
        let request = aws.ec2().describe_route_tables();
        let request =
            request.filters(ec2::filter("vpc-id", vpcs)).filters(ec2::filter("association.main", vec!["true".to_owned()]));
        let tables = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(tables.into_iter().filter_map(|it| Some((it.vpc_id?, it.route_table_id?))).collect())
    }
}

/// What AWS tells of a VPC only one at a time.
async fn attribute(aws: &Aws, id: &str, name: VpcAttributeName) -> Result<bool> {
    let answer = aws.ec2().describe_vpc_attribute().vpc_id(id).attribute(name).send().await.explain()?;
    let value = answer.enable_dns_support.or(answer.enable_dns_hostnames);
    Ok(value.and_then(|it| it.value).unwrap_or_default())
}

#[derive(Clone, Copy)]
struct Dns {
    support: bool,
    hostnames: bool,
}

impl Dns {
    fn of(inputs: &VpcInputs) -> Self {
        Self { support: inputs.enable_dns_support, hostnames: inputs.enable_dns_hostnames }
    }
}

async fn set_dns(context: &Context, id: &str, old: Dns, new: Dns) -> Result<()> {
    let request = context.client.ec2().modify_vpc_attribute().vpc_id(id);
    let value = |it| AttributeBooleanValue::builder().value(it).build();
    // AWS takes one attribute a call.
    let mut requests = Vec::new();
    if old.support != new.support {
        requests.push(request.clone().enable_dns_support(value(new.support)));
    }
    if old.hostnames != new.hostnames {
        requests.push(request.enable_dns_hostnames(value(new.hostnames)));
    }
    // Names need a resolver: it is the first to come and the last to go.
    if !new.support {
        requests.reverse();
    }
    for request in requests {
        context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await?;
    }
    Ok(())
}

/// What is in the VPC and did not come with it.
async fn contents(aws: &Aws, id: &str) -> Result<Vec<ec2::Holder>> {
    let client = aws.ec2();
    let inside = || ec2::filter("vpc-id", vec![id.to_owned()]);
    let mut holders = ec2::interfaces(aws, "vpc-id", id).await?;
    let (subnets, gateways, tables, groups, endpoints) = tokio::join!(
        client.describe_subnets().filters(inside()).send(),
        client.describe_internet_gateways().filters(ec2::filter("attachment.vpc-id", vec![id.to_owned()])).send(),
        client.describe_route_tables().filters(inside()).send(),
        client.describe_security_groups().filters(inside()).send(),
        client.describe_vpc_endpoints().filters(inside()).send(),
    );
    let (subnets, gateways) = (subnets.explain()?, gateways.explain()?);
    let (tables, groups, endpoints) = (tables.explain()?, groups.explain()?, endpoints.explain()?);
    let main = |it: &types::RouteTable| it.associations().iter().any(|it| it.main() == Some(true));
    let tables = tables.route_tables().iter().filter(|it| !main(it));
    let groups = groups.security_groups().iter().filter(|it| it.group_name() != Some("default"));
    holders.extend(subnets.subnets().iter().map(|it| ec2::Holder::new(it.subnet_id(), it.tags())));
    holders.extend(gateways.internet_gateways().iter().map(|it| ec2::Holder::new(it.internet_gateway_id(), it.tags())));
    holders.extend(tables.map(|it| ec2::Holder::new(it.route_table_id(), it.tags())));
    holders.extend(groups.map(|it| {
        // A group has a name of its own, even where no tag says one.
        let name = types::Tag::builder().key("Name").set_value(it.group_name.clone()).build();
        ec2::Holder::new(it.group_id(), &[it.tags(), &[name]].concat())
    }));
    holders.extend(endpoints.vpc_endpoints().iter().map(|it| {
        let lingers = (it.state() == Some(&types::State::Deleting)).then_some(ec2::LINGERS);
        ec2::Holder { lingers, ..ec2::Holder::new(it.vpc_endpoint_id(), it.tags()) }
    }));
    Ok(holders)
}
