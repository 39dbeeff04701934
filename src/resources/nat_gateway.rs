//! ec2: a NAT gateway, through which private subnets reach the internet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_ec2::types::{self, NatGatewayState as State, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Seen, Settle as _,
        ec2::{self, InVpc},
        refused_with,
    },
    check::Report,
    codec::{Unlisted, name_of},
    facts::NatGatewayFacts,
    list::{Cursor, Page},
    plan::Facts,
    resource::{Context, Resource},
};

/// What AWS says of a subnet or an address that was made a moment ago.
const NOT_KNOWN_YET: &[Passing] = &[("InvalidSubnetID.NotFound", ""), ("InvalidAllocationID.NotFound", "")];

pub struct NatGateway;

/// A NAT gateway: the way from private subnets to the internet, by which nothing comes in. It costs money by the hour and
/// by the gigabyte.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NatGatewayInputs {
    /// The subnet that the gateway is in. For a public gateway: a public one, with a route to an internet gateway.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = ec2::id::subnet)]
    pub subnet_id: String,
    /// The `allocationId` of the `ElasticIp` from which the traffic comes. A public gateway needs one.
    // Written so that it stays where AWS does not show it; it never changes there.
    #[schemars(extend("replaceOnChanges" = true, "writeOnly" = true, "exclusive" = true))]
    #[schemars(transform = ec2::id::allocation)]
    pub allocation_id: Option<String>,
    /// Where the gateway leads. Default: `public`.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub connectivity_type: NatGatewayConnectivityType,
    /// The gateway's own address in the subnet. Default: AWS picks one.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true))]
    pub private_ip: Option<String>,
    /// Tags to put on the gateway.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Where a NAT gateway leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NatGatewayConnectivityType {
    /// To the internet.
    #[default]
    Public,
    /// To other VPCs and networks of your own.
    Private,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NatGatewayOutputs {
    #[serde(flatten)]
    pub inputs: NatGatewayInputs,
    /// The ID of the gateway, which routes name as `natGatewayId`.
    pub nat_gateway_id: String,
    /// The VPC that the gateway is in.
    pub vpc_id: String,
    /// The address from which the traffic comes; none of a private gateway.
    pub public_ip: Option<String>,
    /// What ties the Elastic IP address to the gateway; none of a private gateway.
    pub association_id: Option<String>,
    /// The network interface of the gateway.
    pub network_interface_id: Option<String>,
}

impl Resource for NatGateway {
    const NAME: &'static str = "NatGateway";
    type Cloud = crate::aws::Session;
    type Inputs = NatGatewayInputs;
    type Outputs = NatGatewayOutputs;
    type Query = InVpc;

    fn check(inputs: &NatGatewayInputs, report: &mut Report<'_>) {
        let public = inputs.connectivity_type == NatGatewayConnectivityType::Public;
        report.rule(
            &["allocationId", "connectivityType"],
            !public || inputs.allocation_id.is_some(),
            "is required for a public NAT gateway: the allocationId of an ElasticIp; or set connectivityType to private",
        );
        report.rule(
            &["allocationId", "connectivityType"],
            public || inputs.allocation_id.is_none(),
            "has no meaning for a private NAT gateway: leave it out, or set connectivityType to public",
        );
    }

    fn facts(inputs: &NatGatewayInputs, report: &Report<'_>) -> Option<Facts> {
        let is_public = inputs.connectivity_type == NatGatewayConnectivityType::Public;
        Some(Facts::new(NatGatewayFacts {
            subnet: report.link("subnetId", &inputs.subnet_id),
            is_public: report.known("connectivityType", is_public).unwrap_or_default(),
        }))
    }

    fn check_change(_: &NatGatewayInputs, _: &NatGatewayInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let changed: Vec<_> = replacing.iter().map(String::as_str).collect();
        let reason = format!(
            "stays while {} changes, which AWS cannot do in place. An address is for one NAT gateway, so the old one is deleted before \
             the new one is created: for some minutes, private subnets have no way out; to avoid that, use another ElasticIp",
            changed.join(" and ")
        );
        report.warn(
            &[&["allocationId"], changed.as_slice()].concat(),
            replacing.is_empty() || !report.replaces_in_place(),
            reason,
        );
    }

    async fn create(context: &Context, inputs: &NatGatewayInputs) -> Result<String> {
        let client = context.client.ec2();
        let create = || async {
            let request = client
                .create_nat_gateway()
                .subnet_id(&inputs.subnet_id)
                .set_allocation_id(inputs.allocation_id.clone())
                .connectivity_type(name_of(inputs.connectivity_type).as_str().into())
                .set_private_ip_address(inputs.private_ip.clone())
                .set_tag_specifications(ec2::tag_specifications(ResourceType::Natgateway, &inputs.tags));
            request.send().await.explain()
        };
        let made = context.observer.settle(NOT_KNOWN_YET, create).await?;
        let id = made.nat_gateway.and_then(|it| it.nat_gateway_id).context("AWS made a NAT gateway without an ID")?;
        match outcome(context, &id).await {
            Ok(None) => Ok(id),
            // It never gets better and AWS removes it, so it must not be in the state: the next `up` makes another.
            Ok(Some(reason)) => bail!("NAT gateway {id} failed: {reason}; put that right and run `pulumi up` again"),
            Err(error) => {
                context.made(&id);
                Err(error)
            }
        }
    }

    async fn update(context: &Context, id: &str, old: &NatGatewayOutputs, new: &NatGatewayInputs) -> Result<()> {
        if let Some(reason) = outcome(context, id).await? {
            bail!("NAT gateway {id} failed: {reason}; put that right and run `pulumi up --refresh`, which makes another");
        }
        ec2::retag(&context.client, id, &old.inputs.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<NatGatewayOutputs>> {
        let id = ec2::id_in(id, "nat-", "NAT gateway")?;
        let Some(gateway) = context.client.look_up::<DescribeNatGateways>(id).await? else { return Ok(None) };
        if matches!(gateway.state(), Some(State::Deleted | State::Deleting | State::Failed)) {
            return Ok(None);
        }
        let id = gateway.nat_gateway_id().unwrap_or_default();
        ensure!(
            is_zonal(&gateway),
            "{id} is a regional NAT gateway, which is in no subnet; a NatGateway of this package is in one"
        );
        let addresses = gateway.nat_gateway_addresses();
        let first = addresses.iter().find(|it| it.is_primary() == Some(true)).or(addresses.first());
        let text = |it: Option<&str>| it.map(str::to_owned);
        Ok(Some(NatGatewayOutputs {
            inputs: NatGatewayInputs {
                subnet_id: gateway.subnet_id().unwrap_or_default().to_owned(),
                allocation_id: text(first.and_then(|it| it.allocation_id())),
                connectivity_type: match gateway.connectivity_type() {
                    Some(types::ConnectivityType::Private) => NatGatewayConnectivityType::Private,
                    _ => NatGatewayConnectivityType::Public,
                },
                private_ip: text(first.and_then(|it| it.private_ip())),
                tags: ec2::from_tags(gateway.tags()),
            },
            nat_gateway_id: gateway.nat_gateway_id().unwrap_or_default().to_owned(),
            vpc_id: gateway.vpc_id().unwrap_or_default().to_owned(),
            public_ip: text(first.and_then(|it| it.public_ip())),
            association_id: text(first.and_then(|it| it.association_id())),
            network_interface_id: text(first.and_then(|it| it.network_interface_id())),
        }))
    }

    fn id(outputs: &NatGatewayOutputs) -> String {
        outputs.nat_gateway_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let living = ec2::filter("state", vec!["pending".to_owned(), "available".to_owned()]);
        let request = context.client.ec2().describe_nat_gateways().set_filter(Some(query.filters("vpc-id"))).filter(living);
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed =
            answer.nat_gateways().iter().filter(|it| is_zonal(it)).filter_map(|it| ec2::listed(it.nat_gateway_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &NatGatewayOutputs) -> Result<()> {
        match context.client.ec2().delete_nat_gateway().nat_gateway_id(id).send().await.explain() {
            Err(error) if refused_with(&error, &["NatGatewayNotFound", "InvalidNatGatewayID.NotFound"]) => return Ok(()),
            result => result?,
        };
        // Its Elastic IP address and its subnet are free only when it is gone.
        let look = || async {
            let gateway = context.client.look_up::<DescribeNatGateways>(id.to_owned()).await?;
            Ok(match gateway.as_ref().and_then(|it| it.state()) {
                // One that failed holds nothing.
                None | Some(State::Deleted | State::Failed) => Seen::Ready(()),
                Some(state) => Seen::Pending(format!("NAT gateway {state}")),
            })
        };
        context.observer.wait(format!("NAT gateway {id} to go"), Patience::minutes(30), look).await
    }
}

/// Waits until the gateway lets traffic through, or never will; then this is the reason.
async fn outcome(context: &Context, id: &str) -> Result<Option<String>> {
    let look = || async {
        let Some(gateway) = context.client.look_up::<DescribeNatGateways>(id.to_owned()).await? else {
            return Ok(Seen::Pending("NAT gateway not known yet".to_owned()));
        };
        Ok(match gateway.state() {
            Some(State::Available) => Seen::Ready(None),
            Some(State::Failed) => {
                let message = gateway.failure_message().unwrap_or("AWS gives no reason");
                Seen::Ready(Some(gateway.failure_code().map_or(message.to_owned(), |code| format!("{code}: {message}"))))
            }
            Some(state @ (State::Deleting | State::Deleted)) => Seen::Ready(Some(format!("it is {state}"))),
            state => Seen::Pending(format!("NAT gateway {}", state.map_or("without a state", State::as_str))),
        })
    };
    context.observer.wait(format!("NAT gateway {id}"), Patience::minutes(10), look).await
}

/// There are NAT gateways for all zones of a VPC, too, which are in no subnet.
fn is_zonal(gateway: &types::NatGateway) -> bool {
    gateway.subnet_id().is_some_and(|it| !it.is_empty())
}

/// `DescribeNatGateways`, by ID. A gateway stays visible for an hour after it is gone.
struct DescribeNatGateways;

impl Lookup for DescribeNatGateways {
    type Key = String;
    type Found = types::NatGateway;
    const LIMIT: usize = 200;

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::NatGateway>> {
        let request = aws.ec2().describe_nat_gateways().filter(ec2::filter("nat-gateway-id", ids));
        let gateways = request.send().await.explain()?.nat_gateways.unwrap_or_default();
        Ok(gateways.into_iter().filter_map(|it| Some((it.nat_gateway_id()?.to_owned(), it))).collect())
    }
}
