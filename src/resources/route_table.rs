//! ec2: a route table, with its routes and the subnets that go by it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use aws_sdk_ec2::types::{self, ResourceType, RouteOrigin, RouteTableAssociationStateCode};
use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Settle as _,
        ec2::{self, InVpc},
        refused_with,
    },
    check::{Report, canonical_block},
    facts::{NatGatewayFacts, RouteTableFacts, SubnetFacts, WayOut},
    list::{Cursor, Page},
    plan::{Facts, Link},
    resource::{Context, Resource},
};

/// What AWS says while parts of it have not heard of a route table yet, or of what it is for.
const NEW: &[Passing] = &[
    ("InvalidRouteTableID.NotFound", ""),
    ("InvalidVpcID.NotFound", ""),
    ("InvalidSubnetID.NotFound", ""),
    ("InvalidGatewayID.NotFound", ""),
    ("InvalidInternetGatewayID.NotFound", ""),
    ("InvalidNatGatewayID.NotFound", ""),
];

/// What AWS says while something goes by the table.
const HELD: &[&str] = &["DependencyViolation"];

pub struct RouteTable;

/// A route table: where the traffic of some subnets goes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteTableInputs {
    /// The VPC that the table is in.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = ec2::id::vpc)]
    pub vpc_id: String,
    /// All routes that leave the VPC, in any order. The one that stays within the VPC is always there, and those that VPC
    /// endpoints and VPN gateways put in are theirs; neither is listed here. Default: none.
    #[serde(default)]
    #[schemars(extend("keyedBy" = ["cidrBlock", "ipv6CidrBlock", "destinationPrefixListId"]))]
    pub routes: Vec<RouteTableRoute>,
    /// All subnets that go by this table. A subnet goes by one table only: it leaves the one that it went by.
    #[serde(default)]
    #[schemars(extend("compare" = "set", "exclusive" = true))]
    #[schemars(transform = ec2::id::subnet)]
    pub subnet_ids: BTreeSet<String>,
    /// Tags to put on the table.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A route: one destination, and one way to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteTableRoute {
    /// The destination as IPv4 addresses; `0.0.0.0/0` is whatever no other route is for.
    #[schemars(extend("format" = "cidr"))]
    pub cidr_block: Option<String>,
    /// The destination as IPv6 addresses; `::/0` is whatever no other route is for.
    #[schemars(extend("format" = "cidr"))]
    pub ipv6_cidr_block: Option<String>,
    /// The destination as a prefix list, such as `pl-0a1b2c3d`.
    #[schemars(transform = ec2::id::prefix_list)]
    pub destination_prefix_list_id: Option<String>,
    /// The way: the ARN of a Cloud WAN core network.
    #[schemars(transform = crate::aws::arn::core_network)]
    pub core_network_arn: Option<String>,
    /// The way for IPv6 out, and not in: an egress-only internet gateway.
    #[schemars(regex(pattern = "^eigw-"), extend("expects" = "the id of an egress-only internet gateway, such as eigw-0a1b2c3d"))]
    pub egress_only_gateway_id: Option<String>,
    /// The way: an internet gateway, or a virtual private gateway.
    #[schemars(regex(pattern = "^(igw|vgw)-"))]
    #[schemars(extend(
        "expects" = "the id of an internet or VPN gateway, such as igw-0a1b2c3d; a NAT gateway is a natGatewayId, and the local \
                     route is always there"
    ))]
    pub gateway_id: Option<String>,
    /// The way out for subnets without public addresses: a NAT gateway.
    #[schemars(regex(pattern = "^nat-"), extend("expects" = "the id of a NAT gateway, such as nat-0a1b2c3d"))]
    pub nat_gateway_id: Option<String>,
    /// The way: a network interface.
    #[schemars(regex(pattern = "^eni-"), extend("expects" = "the id of a network interface, such as eni-0a1b2c3d"))]
    pub network_interface_id: Option<String>,
    /// The way: a transit gateway.
    #[schemars(regex(pattern = "^tgw-"), extend("expects" = "the id of a transit gateway, such as tgw-0a1b2c3d"))]
    pub transit_gateway_id: Option<String>,
    /// The way: a Gateway Load Balancer endpoint. Gateway endpoints, for S3 and DynamoDB, put in their routes themselves.
    #[schemars(regex(pattern = "^vpce-"), extend("expects" = "the id of a VPC endpoint, such as vpce-0a1b2c3d"))]
    pub vpc_endpoint_id: Option<String>,
    /// The way: a peering connection to another VPC.
    #[schemars(regex(pattern = "^pcx-"), extend("expects" = "the id of a peering connection, such as pcx-0a1b2c3d"))]
    pub vpc_peering_connection_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteTableOutputs {
    #[serde(flatten)]
    pub inputs: RouteTableInputs,
    /// The ARN of the table.
    pub arn: String,
    /// The number of the account that owns the table.
    pub owner_id: String,
    /// The id of the table.
    pub route_table_id: String,
}

impl Resource for RouteTable {
    const NAME: &'static str = "RouteTable";
    type Cloud = crate::aws::Session;
    type Inputs = RouteTableInputs;
    type Outputs = RouteTableOutputs;
    type Query = InVpc;

    fn check(inputs: &RouteTableInputs, report: &mut Report<'_>) {
        for (index, route) in inputs.routes.iter().enumerate() {
            let path = format!("routes[{index}]");
            let named = |all: &[(&'static str, &Option<String>)]| -> Vec<_> {
                all.iter().filter(|(_, it)| it.is_some()).map(|(name, _)| *name).collect()
            };
            let (destinations, ways) = (named(&route.destinations()), named(&route.ways()));
            let reason = match destinations.as_slice() {
                [] => "has no destination; set cidrBlock, ipv6CidrBlock or destinationPrefixListId".to_owned(),
                several => format!("has {} destinations, {}; set one of them", several.len(), several.join(" and ")),
            };
            let seen = |all: &[(&'static str, &Option<String>)]| -> Vec<String> {
                all.iter().map(|(name, _)| format!("{path}.{name}?")).chain([format!("{path}?")]).rev().collect()
            };
            let (seen_destinations, seen_ways) = (seen(&route.destinations()), seen(&route.ways()));
            report.rule(&texts(&seen_destinations), destinations.len() == 1, reason);
            let reason = match ways.as_slice() {
                [] => format!("leads nowhere; set one of {}", route.ways().map(|(name, _)| name).join(", ")),
                several => format!("leads to {} targets, {}; set one of them", several.len(), several.join(" and ")),
            };
            report.rule(&texts(&seen_ways), ways.len() == 1, reason);
            let ipv4 = route.cidr_block.as_ref().is_none_or(|it| it.parse::<Ipv4Net>().is_ok());
            report.rule(&[&format!("{path}.cidrBlock")], ipv4, "is no IPv4 block; IPv6 is an ipv6CidrBlock");
            let ipv6 = route.ipv6_cidr_block.as_ref().is_none_or(|it| it.parse::<Ipv6Net>().is_ok());
            report.rule(&[&format!("{path}.ipv6CidrBlock")], ipv6, "is no IPv6 block; IPv4 is a cidrBlock");
            // CreateRouteRequest in AWS's model: "[IPv6 traffic only]".
            report.rule(
                &[&format!("{path}.egressOnlyGatewayId"), &format!("{path}.cidrBlock")],
                route.egress_only_gateway_id.is_none() || route.cidr_block.is_none(),
                "is for IPv6 traffic only: set ipv6CidrBlock instead of cidrBlock, or natGatewayId for IPv4",
            );
            let first = inputs.routes.iter().position(|it| it.destination() == route.destination());
            // What is not known yet reads as empty.
            let repeated = first.filter(|first| *first < index && route.destination().is_some_and(|it| !it.is_empty()));
            let reason = format!("has the destination of routes[{}]; AWS takes one route for each", repeated.unwrap_or_default());
            report.rule(&texts(&seen_destinations), repeated.is_none(), reason);
            check_nat_gateway(&format!("{path}.natGatewayId"), route, inputs, report);
        }
        // What is not known yet reads as empty.
        for subnet in inputs.subnet_ids.iter().filter(|it| !it.is_empty()) {
            check_subnet(subnet, inputs, report);
        }
    }

    fn facts(inputs: &RouteTableInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(RouteTableFacts {
            vpc: report.link("vpcId", &inputs.vpc_id),
            subnets: subnet_links(inputs, report),
            way_out: way_out(inputs, report),
        }))
    }

    fn left_out(seen: &RouteTableInputs, old: &RouteTableInputs, new: &RouteTableInputs) -> Vec<&'static str> {
        // What AWS has beyond an unchanged list is in no plan.
        let canonical = |routes: &[RouteTableRoute]| {
            routes.iter().map(RouteTableRoute::canonical).map(|it| (it.destination(), it)).collect::<BTreeMap<_, _>>()
        };
        let (seen_routes, old_routes, new_routes) = (canonical(&seen.routes), canonical(&old.routes), canonical(&new.routes));
        let routes = old_routes == new_routes && new_routes.iter().all(|(to, it)| seen_routes.get(to) == Some(it));
        let subnets = old.subnet_ids == new.subnet_ids && seen.subnet_ids.is_superset(&new.subnet_ids);
        routes.then_some("routes").into_iter().chain(subnets.then_some("subnetIds")).collect()
    }

    async fn create(context: &Context, inputs: &RouteTableInputs) -> Result<String> {
        let tags = ec2::tag_specifications(ResourceType::RouteTable, &inputs.tags);
        let request = context.client.ec2().create_route_table().vpc_id(&inputs.vpc_id).set_tag_specifications(tags);
        let made = context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await?;
        let id = made.route_table.and_then(|it| it.route_table_id).context("AWS made a route table without an id")?;
        context.made(&id);
        for route in &inputs.routes {
            add(context, &id, route).await?;
        }
        for subnet in &inputs.subnet_ids {
            associate(context, &id, subnet).await?;
        }
        Ok(id)
    }

    async fn update(context: &Context, id: &str, old: &RouteTableOutputs, new: &RouteTableInputs) -> Result<()> {
        let old = &old.inputs;
        // What was last seen may be spelled in any way, and a route of another spelling is still the same.
        let canonical = |routes: &[RouteTableRoute]| routes.iter().map(RouteTableRoute::canonical).collect::<Vec<_>>();
        let (before, wanted) = (canonical(&old.routes), canonical(&new.routes));
        let with = |routes: &[RouteTableRoute], like: &RouteTableRoute| {
            routes.iter().find(|it| it.destination() == like.destination()).cloned()
        };
        for route in &wanted {
            match with(&before, route) {
                None => add(context, id, route).await?,
                Some(old) if old != *route => replace(context, id, route).await?,
                Some(_) => {}
            }
        }
        for route in before.iter().filter(|it| with(&wanted, it).is_none()) {
            remove(context, id, route).await?;
        }
        for subnet in new.subnet_ids.difference(&old.subnet_ids) {
            associate(context, id, subnet).await?;
        }
        let left: Vec<_> = old.subnet_ids.difference(&new.subnet_ids).collect();
        if !left.is_empty()
            && let Some(table) = context.client.look_up::<DescribeRouteTables>(id.to_owned()).await?
        {
            disassociate(context, &table, |it| left.iter().any(|left| *left == it)).await?;
        }
        ec2::retag(&context.client, id, &old.tags, &new.tags).await
    }

    async fn ready(context: &Context, id: &str, inputs: &RouteTableInputs) -> Result<()> {
        let missing = |it: &types::RouteTable| {
            let there = subnets(it);
            let subnet = inputs.subnet_ids.iter().find(|it| !there.contains(*it));
            subnet.map(|it| format!("{it} does not go by {id}; is it in the subnetIds of another table, too?"))
        };
        ec2::shown::<DescribeRouteTables>(context, id, missing).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<RouteTableOutputs>> {
        let id = ec2::id_in(id, "rtb-", "route table")?;
        let Some(table) = context.client.look_up::<DescribeRouteTables>(id.clone()).await? else { return Ok(None) };
        let owner = table.owner_id().unwrap_or_default();
        Ok(Some(RouteTableOutputs {
            inputs: RouteTableInputs {
                vpc_id: table.vpc_id().unwrap_or_default().to_owned(),
                routes: table.routes().iter().filter_map(RouteTableRoute::shown).collect(),
                subnet_ids: subnets(&table),
                tags: ec2::from_tags(table.tags()),
            },
            arn: ec2::arn(&context.client, owner, &format!("route-table/{id}")),
            owner_id: owner.to_owned(),
            route_table_id: id,
        }))
    }

    fn id(outputs: &RouteTableOutputs) -> String {
        outputs.route_table_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let request = context.client.ec2().describe_route_tables().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=100)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.route_tables().iter().filter_map(|it| ec2::listed(it.route_table_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &RouteTableOutputs) -> Result<()> {
        let Some(table) = context.client.look_up::<DescribeRouteTables>(id.to_owned()).await? else { return Ok(()) };
        disassociate(context, &table, |_| true).await?;
        let delete = || async {
            match context.client.ec2().delete_route_table().route_table_id(id).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let holders = || async {
            let table = context.client.look_up::<DescribeRouteTables>(id.to_owned()).await?;
            Ok(table.as_ref().map(holders).unwrap_or_default())
        };
        ec2::delete_when_free(&context.observer, id, HELD, delete, holders).await
    }
}

impl RouteTableRoute {
    fn destinations(&self) -> [(&'static str, &Option<String>); 3] {
        [
            ("cidrBlock", &self.cidr_block),
            ("ipv6CidrBlock", &self.ipv6_cidr_block),
            ("destinationPrefixListId", &self.destination_prefix_list_id),
        ]
    }

    fn ways(&self) -> [(&'static str, &Option<String>); 8] {
        [
            ("gatewayId", &self.gateway_id),
            ("natGatewayId", &self.nat_gateway_id),
            ("vpcEndpointId", &self.vpc_endpoint_id),
            ("transitGatewayId", &self.transit_gateway_id),
            ("vpcPeeringConnectionId", &self.vpc_peering_connection_id),
            ("networkInterfaceId", &self.network_interface_id),
            ("egressOnlyGatewayId", &self.egress_only_gateway_id),
            ("coreNetworkArn", &self.core_network_arn),
        ]
    }

    /// What tells the routes of a table apart, as AWS spells it.
    fn destination(&self) -> Option<String> {
        let it = self.destinations().into_iter().find_map(|(_, it)| it.as_deref())?;
        Some(canonical_block(it).unwrap_or_else(|| it.to_owned()))
    }

    /// The same route, with its destination as AWS spells it.
    fn canonical(&self) -> Self {
        let block = |it: &Option<String>| it.as_ref().map(|it| canonical_block(it).unwrap_or_else(|| it.clone()));
        Self { cidr_block: block(&self.cidr_block), ipv6_cidr_block: block(&self.ipv6_cidr_block), ..self.clone() }
    }

    /// A route as AWS shows it; none for one that somebody else takes care of.
    fn shown(route: &types::Route) -> Option<Self> {
        let text = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
        let gateway = text(route.gateway_id());
        // AWS shows the endpoints of Gateway Load Balancers as gateways.
        let (vpc_endpoint_id, gateway_id) = gateway.into_iter().partition::<Vec<_>, _>(|it| it.starts_with("vpce-"));
        let route_shown = Self {
            cidr_block: text(route.destination_cidr_block()),
            ipv6_cidr_block: text(route.destination_ipv6_cidr_block()),
            destination_prefix_list_id: text(route.destination_prefix_list_id()),
            core_network_arn: text(route.core_network_arn()),
            egress_only_gateway_id: text(route.egress_only_internet_gateway_id()),
            gateway_id: gateway_id.into_iter().next(),
            nat_gateway_id: text(route.nat_gateway_id()),
            network_interface_id: text(route.network_interface_id()),
            transit_gateway_id: text(route.transit_gateway_id()),
            vpc_endpoint_id: vpc_endpoint_id.into_iter().next(),
            vpc_peering_connection_id: text(route.vpc_peering_connection_id()),
        };
        let local = route_shown.gateway_id.as_deref() == Some("local");
        let of_vpn = route.origin() == Some(&RouteOrigin::EnableVgwRoutePropagation);
        let of_endpoint = route_shown.vpc_endpoint_id.is_some() && route_shown.destination_prefix_list_id.is_some();
        let ours = !local && !of_vpn && !of_endpoint && route_shown.ways().iter().any(|(_, it)| it.is_some());
        ours.then_some(route_shown)
    }
}

/// `DescribeRouteTables`, by id.
struct DescribeRouteTables;

impl Lookup for DescribeRouteTables {
    type Key = String;
    type Found = types::RouteTable;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::RouteTable>> {
        let wanted = ec2::filter("route-table-id", ids);
        let pages = aws.ec2().describe_route_tables().filters(wanted).into_paginator().items().send();
        let tables = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(tables.into_iter().filter_map(|it| Some((it.route_table_id()?.to_owned(), it))).collect())
    }
}

/// The associations of `table` that are in force.
fn associations(table: &types::RouteTable) -> impl Iterator<Item = &types::RouteTableAssociation> {
    use RouteTableAssociationStateCode::{Associated, Associating};
    let in_force = |it: &&types::RouteTableAssociation| {
        it.association_state().and_then(|it| it.state()).is_none_or(|it| matches!(it, Associated | Associating))
    };
    table.associations().iter().filter(in_force)
}

fn subnets(table: &types::RouteTable) -> BTreeSet<String> {
    associations(table).filter_map(|it| it.subnet_id().map(str::to_owned)).collect()
}

/// What besides subnets goes by `table`.
fn holders(table: &types::RouteTable) -> Vec<ec2::Holder> {
    let holder = |it: &types::RouteTableAssociation| match (it.main(), it.gateway_id(), table.vpc_id()) {
        (Some(true), _, Some(vpc)) => ec2::Holder { name: format!("{vpc}, whose main route table it is"), lingers: None },
        (_, gateway, _) => ec2::Holder::new(gateway.or(it.subnet_id()), &[]),
    };
    associations(table).map(holder).collect()
}

/// Writes a request about a route, which are of several types and have the same fields.
macro_rules! with_way {
    ($request:expr, $table:expr, $route:expr) => {
        $request
            .route_table_id($table)
            .set_destination_cidr_block($route.cidr_block.clone())
            .set_destination_ipv6_cidr_block($route.ipv6_cidr_block.clone())
            .set_destination_prefix_list_id($route.destination_prefix_list_id.clone())
            .set_core_network_arn($route.core_network_arn.clone())
            .set_egress_only_internet_gateway_id($route.egress_only_gateway_id.clone())
            .set_gateway_id($route.gateway_id.clone())
            .set_nat_gateway_id($route.nat_gateway_id.clone())
            .set_network_interface_id($route.network_interface_id.clone())
            .set_transit_gateway_id($route.transit_gateway_id.clone())
            .set_vpc_endpoint_id($route.vpc_endpoint_id.clone())
            .set_vpc_peering_connection_id($route.vpc_peering_connection_id.clone())
    };
}

async fn add(context: &Context, table: &str, route: &RouteTableRoute) -> Result<()> {
    let request = with_way!(context.client.ec2().create_route(), table, route);
    match context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await {
        // Somebody made one behind our back.
        Err(error) if refused_with(&error, &["RouteAlreadyExists"]) => replace(context, table, route).await,
        result => result.map(drop).with_context(|| about(route)),
    }
}

async fn replace(context: &Context, table: &str, route: &RouteTableRoute) -> Result<()> {
    let request = with_way!(context.client.ec2().replace_route(), table, route);
    let replaced = context.observer.settle(NEW, || async { request.clone().send().await.explain() }).await;
    replaced.map(drop).with_context(|| about(route))
}

async fn remove(context: &Context, table: &str, route: &RouteTableRoute) -> Result<()> {
    let request = context
        .client
        .ec2()
        .delete_route()
        .route_table_id(table)
        .set_destination_cidr_block(route.cidr_block.clone())
        .set_destination_ipv6_cidr_block(route.ipv6_cidr_block.clone())
        .set_destination_prefix_list_id(route.destination_prefix_list_id.clone());
    match request.send().await.explain() {
        Err(error) if ec2::is_gone(&error) => Ok(()),
        result => result.map(drop).with_context(|| about(route)),
    }
}

fn about(route: &RouteTableRoute) -> String {
    format!("routes: the one to {}", route.destination().unwrap_or_default())
}

/// Makes `subnet` go by `table`, whichever it went by.
async fn associate(context: &Context, table: &str, subnet: &str) -> Result<()> {
    let client = context.client.ec2();
    let associate = || async { client.associate_route_table().route_table_id(table).subnet_id(subnet).send().await.explain() };
    let associated = match context.observer.settle(NEW, associate).await {
        Err(error) if refused_with(&error, &["Resource.AlreadyAssociated"]) => take_over(context, table, subnet).await,
        result => result.map(drop),
    };
    associated.with_context(|| format!("subnetIds: {subnet}"))
}

/// Takes `subnet` from another table, without a moment in which it has none.
async fn take_over(context: &Context, table: &str, subnet: &str) -> Result<()> {
    let client = context.client.ec2();
    let with_subnet = ec2::filter("association.subnet-id", vec![subnet.to_owned()]);
    let tables = client.describe_route_tables().filters(with_subnet).send().await.explain()?;
    let of_subnet = |it: &&types::RouteTableAssociation| it.subnet_id() == Some(subnet);
    let association = tables.route_tables().iter().flat_map(associations).find(of_subnet);
    let association = association.context("AWS says that it goes by another table, and shows none; `pulumi up` tries again")?;
    if association.route_table_id() == Some(table) {
        return Ok(());
    }
    let request = client.replace_route_table_association().route_table_id(table);
    request.set_association_id(association.route_table_association_id.clone()).send().await.explain()?;
    let before = association.route_table_id().unwrap_or("another route table");
    (context.observer.say)(&format!("{subnet} is associated with {table} now; it was associated with {before}"));
    Ok(())
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// The links to the subnets of the table.
fn subnet_links(inputs: &RouteTableInputs, report: &Report<'_>) -> Vec<Link> {
    if !report.sees("subnetIds") {
        return vec![Link::Unknown];
    }
    let unknown = (!report.knows("subnetIds")).then_some(Link::Unknown);
    let known = inputs.subnet_ids.iter().filter(|it| !it.is_empty());
    known.cloned().map(Link::Known).chain(unknown).collect()
}

/// Where the table leads what no other route is for, if that is known.
fn way_out(inputs: &RouteTableInputs, report: &Report<'_>) -> Option<WayOut> {
    if !report.sees("routes") {
        return None;
    }
    let mut way = WayOut::None;
    for (index, route) in inputs.routes.iter().enumerate() {
        let path = format!("routes[{index}]");
        let destinations = ["cidrBlock", "ipv6CidrBlock", "destinationPrefixListId"];
        if !report.sees(&path) || !destinations.iter().all(|it| report.knows(&format!("{path}.{it}"))) {
            return None;
        }
        // A way of one's own, such as a transit gateway or a prefix list, may lead to all that tasks need.
        way = match (route.destination().as_deref(), &route.nat_gateway_id, &route.gateway_id) {
            (Some("0.0.0.0/0"), Some(_), _) => WayOut::NatGateway,
            (Some("0.0.0.0/0"), _, Some(_)) => WayOut::InternetGateway,
            _ if way == WayOut::None => WayOut::Other,
            _ => way,
        };
    }
    Some(way)
}

/// A subnet is in the VPC of its table.
fn check_subnet(subnet: &str, inputs: &RouteTableInputs, report: &mut Report<'_>) {
    let link = Link::Known(subnet.to_owned());
    let vpc = report.link("vpcId", &inputs.vpc_id);
    let subnets = report.follow::<SubnetFacts>(&link);
    report.compare("subnetIds", &["vpcId"], &subnets, |it| {
        let other = it.vpc.differs_from(&vpc)?;
        Some(format!("has {subnet}, which is in {other}; a route table is for subnets of its own VPC, {}", inputs.vpc_id))
    });
}

/// A NAT gateway sends on what it gets by the route table of its own subnet: not by one that leads back to it.
fn check_nat_gateway(path: &str, route: &RouteTableRoute, inputs: &RouteTableInputs, report: &mut Report<'_>) {
    let gateways = report.resolve::<NatGatewayFacts>(path, route.nat_gateway_id.as_deref());
    let subnets = subnet_links(inputs, report);
    let loops: Vec<_> =
        gateways.those.iter().map(|it| subnets.iter().any(|link| report.same::<SubnetFacts>(link, &it.subnet))).collect();
    let looped = !loops.is_empty() && loops.iter().all(|it| *it);
    report.warn_if_mismatched(path, &[], &gateways, |it| {
        let default = route.destination().as_deref() == Some("0.0.0.0/0");
        (looped && default && it.is_public).then(|| {
            "leads to a NAT gateway in a subnet of this very table, so its traffic never leaves: put the gateway in a public subnet, \
             whose table has a route to an internet gateway"
                .to_owned()
        })
    });
}

/// Frees those subnets of `table` that `leaves` is true of; they go by the VPC's main table from then on.
async fn disassociate(context: &Context, table: &types::RouteTable, leaves: impl Fn(&str) -> bool) -> Result<()> {
    for association in associations(table).filter(|it| it.subnet_id().is_some_and(&leaves)) {
        let request = context.client.ec2().disassociate_route_table();
        match request.set_association_id(association.route_table_association_id.clone()).send().await.explain() {
            Err(error) if ec2::is_gone(&error) => {}
            result => drop(result.with_context(|| format!("subnetIds: {}", association.subnet_id().unwrap_or_default()))?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::Failure, codec, diff, plan::Plan, resource::findings, schema::Shapes, value::Value};

    fn failures(routes: &serde_json::Value) -> Vec<String> {
        let inputs: RouteTableInputs = serde_json::from_value(serde_json::json!({ "vpcId": "vpc-1", "routes": routes })).unwrap();
        let map = codec::encode(&inputs).unwrap();
        let mut report = Report::new(&map);
        RouteTable::check(&inputs, &mut report);
        report.into_findings().failures.iter().map(Failure::to_string).collect()
    }

    #[test]
    fn a_route_has_one_destination_and_one_way() {
        let ok = serde_json::json!([
            { "cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1" },
            { "ipv6CidrBlock": "::/0", "egressOnlyGatewayId": "eigw-1" },
        ]);
        assert!(failures(&ok).is_empty());
        let wrong = serde_json::json!([
            { "cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1", "natGatewayId": "nat-1" },
            { "gatewayId": "igw-1" },
            { "cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1" },
            { "cidrBlock": "::/0", "ipv6CidrBlock": "10.0.0.0/8", "gatewayId": "igw-1" },
        ]);
        let expected = [
            "routes[0] leads to 2 targets, gatewayId and natGatewayId; set one of them",
            "routes[1] has no destination; set cidrBlock, ipv6CidrBlock or destinationPrefixListId",
            "routes[2] has the destination of routes[0]; AWS takes one route for each",
            "routes[3] has 2 destinations, cidrBlock and ipv6CidrBlock; set one of them",
            "routes[3].cidrBlock is no IPv4 block; IPv6 is an ipv6CidrBlock",
            "routes[3].ipv6CidrBlock is no IPv6 block; IPv4 is a cidrBlock",
        ];
        assert_eq!(failures(&wrong), expected);
    }

    #[test]
    fn routes_of_another_spelling_are_the_same() {
        let route = |block: &str| RouteTableRoute { ipv6_cidr_block: Some(block.to_owned()), ..RouteTableRoute::default() };
        for spelling in ["::/0", "::0/0", "0::/0", "0:0:0:0:0:0:0:0/0"] {
            assert_eq!(route(spelling).canonical(), route("::/0"));
            assert_eq!(route(spelling).destination().as_deref(), Some("::/0"));
        }
    }

    #[test]
    fn what_somebody_added_stays_until_the_list_changes_or_a_refresh_shows_it() {
        let table = |routes: &[&str], subnets: &[&str]| {
            let routes: Vec<_> = routes.iter().map(|it| serde_json::json!({ "cidrBlock": it, "gatewayId": "igw-1" })).collect();
            let inputs = serde_json::json!({ "vpcId": "vpc-1", "routes": routes, "subnetIds": subnets });
            serde_json::from_value::<RouteTableInputs>(inputs).unwrap()
        };
        let wanted = table(&["0.0.0.0/0"], &["subnet-1"]);
        let left_out = |seen: &RouteTableInputs, new: &RouteTableInputs| RouteTable::left_out(seen, &wanted, new);
        let more = table(&["0.0.0.0/0", "10.9.0.0/16"], &["subnet-1", "subnet-2"]);
        assert_eq!(left_out(&more, &wanted), ["routes", "subnetIds"]);
        assert_eq!(left_out(&table(&["10.9.0.0/16"], &[]), &wanted), [""; 0], "what is missing is put right");
        assert_eq!(left_out(&more, &table(&["0.0.0.0/1"], &["subnet-1"])), ["subnetIds"]);
    }

    #[test]
    fn a_route_is_checked_before_its_gateway_is_known() {
        let block = |it: &str| ("cidrBlock".to_owned(), Value::String(it.to_owned()));
        let to = |it: &str| Value::Object([block(it), ("gatewayId".to_owned(), Value::Unknown)].into());
        let nowhere = Value::Object([block("10.0.0.0/8")].into());
        let table = |routes: Vec<Value>| {
            let inputs = [("vpcId".to_owned(), Value::Unknown), ("routes".to_owned(), Value::List(routes))];
            findings::<RouteTable>(&Plan::default(), Value::Object(inputs.into())).0
        };
        let found = table(vec![to("0.0.0.0/0"), to("0.0.0.0/0"), nowhere]);
        assert!(found.len() == 2 && found[0].starts_with("routes[1] has the destination of routes[0]"), "{found:?}");
        assert!(found[1].starts_with("routes[2] leads nowhere"), "{found:?}");
        assert!(table(vec![to("0.0.0.0/0"), to("10.0.0.0/8")]).is_empty());
    }

    #[test]
    fn an_egress_only_gateway_is_for_ipv6() {
        let routes = serde_json::json!([{ "cidrBlock": "0.0.0.0/0", "egressOnlyGatewayId": "eigw-1" }]);
        let reason = "is for IPv6 traffic only: set ipv6CidrBlock instead of cidrBlock, or natGatewayId for IPv4";
        assert_eq!(failures(&routes), [format!("routes[0].egressOnlyGatewayId {reason}")]);
    }

    #[test]
    fn subnets_are_compared_with_their_vpc() {
        let plan = Plan::default();
        plan.declare(
            "subnet",
            Facts::new(SubnetFacts { vpc: Link::Known("vpc-2".to_owned()), availability_zone: None, block: None }),
        );
        plan.record("subnet", Some("subnet-1"), &[]);
        let table = |subnet: &str| serde_json::json!({ "vpcId": "vpc-1", "subnetIds": [subnet] }).into();
        let found = findings::<RouteTable>(&plan, table("subnet-1")).0;
        assert_eq!(found, ["subnetIds has subnet-1, which is in vpc-2; a route table is for subnets of its own VPC, vpc-1"]);
        assert!(findings::<RouteTable>(&plan, table("subnet-3")).0.is_empty());
    }

    #[test]
    fn a_nat_gateway_that_leads_back_to_itself_is_doubted() {
        let plan = Plan::default();
        plan.declare("nat", Facts::new(NatGatewayFacts { subnet: Link::Known("subnet-1".to_owned()), is_public: true }));
        plan.record("nat", Some("nat-1"), &[]);
        let route = serde_json::json!({ "cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1" });
        let table = |subnet: &str| serde_json::json!({ "vpcId": "vpc-1", "subnetIds": [subnet], "routes": [route] }).into();
        let warnings = findings::<RouteTable>(&plan, table("subnet-1")).1;
        assert!(warnings[0].starts_with("routes[0].natGatewayId leads to a NAT gateway in a subnet of this very table"));
        assert!(findings::<RouteTable>(&plan, table("subnet-2")).1.is_empty());
    }

    #[test]
    fn routes_are_told_apart_by_their_destination() {
        let ipv4 = serde_json::json!({ "cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1" });
        let ipv6 = serde_json::json!({ "ipv6CidrBlock": "::/0", "gatewayId": "igw-1" });
        let elsewhere = serde_json::json!({ "ipv6CidrBlock": "::/0", "gatewayId": "igw-2" });
        let shapes = Shapes::of::<RouteTableInputs>();
        let changes = |old: &[&serde_json::Value], new: &[&serde_json::Value]| -> Vec<_> {
            let map = |routes: &[_]| codec::encode(&serde_json::json!({ "routes": routes })).unwrap();
            diff::diff(&map(old), &map(new), shapes.root()).into_iter().map(|it| (it.path, it.kind)).collect()
        };
        assert_eq!(changes(&[&ipv4, &ipv6], &[&ipv6, &ipv4]), []);
        let expected = [("routes[1].gatewayId".to_owned(), diff::Kind::Update)];
        assert_eq!(changes(&[&ipv4, &ipv6], &[&ipv4, &elsewhere]), expected);
        // The preview looks for both values at the same index.
        assert_eq!(changes(&[&ipv4, &ipv6], &[&elsewhere, &ipv4]), [("routes[0]".to_owned(), diff::Kind::Update)]);
        assert_eq!(changes(&[&ipv4, &ipv6], &[&ipv6]), [("routes[0]".to_owned(), diff::Kind::Delete)]);
    }

    #[test]
    fn shows_only_the_routes_that_the_table_itself_has() {
        let route = || types::Route::builder().destination_cidr_block("10.0.0.0/8").origin(RouteOrigin::CreateRoute);
        let shown = |it: aws_sdk_ec2::types::builders::RouteBuilder| RouteTableRoute::shown(&it.build());
        assert_eq!(shown(route().gateway_id("local").origin(RouteOrigin::CreateRouteTable)), None);
        assert_eq!(shown(route().gateway_id("vgw-1").origin(RouteOrigin::EnableVgwRoutePropagation)), None);
        let of_endpoint = types::Route::builder().destination_prefix_list_id("pl-1").gateway_id("vpce-1");
        assert_eq!(shown(of_endpoint), None);
        let cidr_block = Some("10.0.0.0/8".to_owned());
        let inspected = RouteTableRoute { cidr_block, vpc_endpoint_id: Some("vpce-1".to_owned()), ..Default::default() };
        assert_eq!(shown(route().gateway_id("vpce-1")), Some(inspected));
    }
}
