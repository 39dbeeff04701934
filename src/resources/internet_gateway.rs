//! ec2: the door between a VPC and the internet.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use aws_sdk_ec2::types::{self, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Refusal, Settle as _,
        ec2::{self, InVpc},
        refused_with,
    },
    list::{Cursor, Page},
    resource::{Context, Resource},
};

/// What AWS says while parts of it have not heard of a gateway yet.
const NEW: &[Passing] = &[("InvalidInternetGatewayID.NotFound", ""), ("InvalidVpcID.NotFound", "")];

/// What AWS says while something needs the gateway.
const HELD: &[&str] = &["DependencyViolation"];

pub struct InternetGateway;

/// An internet gateway: the door between a VPC and the internet. A route table sends traffic to it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InternetGatewayInputs {
    // A replacement, and not a move: AWS lets go of a gateway only when no public address is left behind it, so that
    // the old network can be taken down after the new one is up.
    /// The VPC to attach the gateway to, which has none yet. Default: none, and what somebody else attaches it to stays.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true, "exclusive" = true))]
    #[schemars(transform = ec2::id::vpc)]
    pub vpc_id: Option<String>,
    /// Tags to put on the gateway.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InternetGatewayOutputs {
    #[serde(flatten)]
    pub inputs: InternetGatewayInputs,
    /// The ARN of the gateway.
    pub arn: String,
    /// The id of the gateway, for routes.
    pub internet_gateway_id: String,
    /// The number of the account that owns the gateway.
    pub owner_id: String,
}

impl Resource for InternetGateway {
    const NAME: &'static str = "InternetGateway";
    type Cloud = crate::aws::Session;
    type Inputs = InternetGatewayInputs;
    type Outputs = InternetGatewayOutputs;
    type Query = InVpc;

    async fn create(context: &Context, inputs: &InternetGatewayInputs) -> Result<String> {
        let tags = ec2::tag_specifications(ResourceType::InternetGateway, &inputs.tags);
        let made = context.client.ec2().create_internet_gateway().set_tag_specifications(tags).send().await.explain()?;
        let id = made.internet_gateway.and_then(|it| it.internet_gateway_id).context("AWS made a gateway without an id")?;
        context.made(&id);
        if let Some(vpc) = &inputs.vpc_id {
            attach(context, &id, vpc).await?;
        }
        Ok(id)
    }

    async fn update(context: &Context, id: &str, old: &InternetGatewayOutputs, new: &InternetGatewayInputs) -> Result<()> {
        // Another VPC makes another gateway; this one may have failed to be attached to its own.
        if let (None, Some(vpc)) = (&old.inputs.vpc_id, &new.vpc_id) {
            attach(context, id, vpc).await?;
        }
        ec2::retag(&context.client, id, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, inputs: &InternetGatewayInputs) -> Result<()> {
        let missing = |it: &types::InternetGateway| {
            let vpc = inputs.vpc_id.as_ref().filter(|_| attached_to(it) != inputs.vpc_id);
            vpc.map(|vpc| format!("{id} is not attached to {vpc} yet"))
        };
        ec2::shown::<DescribeInternetGateways>(context, id, missing).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<InternetGatewayOutputs>> {
        let id = ec2::id_in(id, "igw-", "internet gateway")?;
        let Some(gateway) = context.client.look_up::<DescribeInternetGateways>(id.clone()).await? else { return Ok(None) };
        let owner = gateway.owner_id().unwrap_or_default();
        Ok(Some(InternetGatewayOutputs {
            inputs: InternetGatewayInputs { vpc_id: attached_to(&gateway), tags: ec2::from_tags(gateway.tags()) },
            arn: ec2::arn(&context.client, owner, &format!("internet-gateway/{id}")),
            internet_gateway_id: id,
            owner_id: owner.to_owned(),
        }))
    }

    fn id(outputs: &InternetGatewayOutputs) -> String {
        outputs.internet_gateway_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let request = context.client.ec2().describe_internet_gateways().set_filters(Some(query.filters("attachment.vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.internet_gateways().iter().filter_map(|it| ec2::listed(it.internet_gateway_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, old: &InternetGatewayOutputs) -> Result<()> {
        let client = context.client.ec2();
        if let Some(vpc) = &old.inputs.vpc_id {
            let detach = || async {
                match client.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc).send().await.explain() {
                    Err(error) if ec2::is_gone(&error) || refused_with(&error, &["Gateway.NotAttached"]) => Ok(()),
                    result => result.map(drop),
                }
            };
            ec2::delete_when_free(&context.observer, id, HELD, detach, || public_addresses(&context.client, vpc)).await?;
        }
        let delete = || async {
            match client.delete_internet_gateway().internet_gateway_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let attached = || async {
            let gateway = context.client.look_up::<DescribeInternetGateways>(id.to_owned()).await?;
            Ok(gateway.as_ref().and_then(attached_to).iter().map(|it| ec2::Holder::new(Some(it), &[])).collect())
        };
        ec2::delete_when_free(&context.observer, id, HELD, delete, attached).await
    }
}

/// `DescribeInternetGateways`, by id.
struct DescribeInternetGateways;

impl Lookup for DescribeInternetGateways {
    type Key = String;
    type Found = types::InternetGateway;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::InternetGateway>> {
        let wanted = ec2::filter("internet-gateway-id", ids);
        let pages = aws.ec2().describe_internet_gateways().filters(wanted).into_paginator().items().send();
        let gateways = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(gateways.into_iter().filter_map(|it| Some((it.internet_gateway_id()?.to_owned(), it))).collect())
    }
}

/// The VPC that the gateway is attached to.
fn attached_to(gateway: &types::InternetGateway) -> Option<String> {
    // For internet gateways AWS calls it `available`, which is not among the names it documents.
    let attached =
        |it: &&types::InternetGatewayAttachment| it.state().is_some_and(|it| matches!(it.as_str(), "attached" | "available"));
    gateway.attachments().iter().find(attached).and_then(|it| it.vpc_id().map(str::to_owned))
}

/// What has a public address in the VPC: load balancers, NAT gateways and tasks keep theirs for a while.
async fn public_addresses(aws: &Aws, vpc: &str) -> Result<Vec<ec2::Holder>> {
    let in_vpc = ec2::filter("vpc-id", vec![vpc.to_owned()]);
    let found = aws.ec2().describe_network_interfaces().filters(in_vpc).send().await.explain()?;
    let public = |it: &&types::NetworkInterface| it.association().is_some_and(|it| it.public_ip().is_some());
    Ok(found.network_interfaces().iter().filter(public).map(ec2::owner).collect())
}

async fn attach(context: &Context, id: &str, vpc: &str) -> Result<()> {
    let client = context.client.ec2();
    let attach = || async { client.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc).send().await.explain() };
    let attached = context.observer.settle(NEW, attach).await.map(drop);
    attached.map_err(|error| {
        let taken = |it: &Refusal| it.message.contains("already has an internet gateway");
        if error.downcast_ref::<Refusal>().is_some_and(taken) {
            return error
                .context(format!("vpcId: {vpc} has an internet gateway, and AWS allows one; import that one, or detach it"));
        }
        error.context(format!("vpcId: {id} is not attached to {vpc}"))
    })
}
