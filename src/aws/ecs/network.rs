//! Whether tasks reach the world, and whether a load balancer reaches them.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_ec2::types::{Filter, IpPermission, Route, RouteState, RouteTable, VpcEndpoint};
use aws_sdk_ecs::types::{AssignPublicIp, AwsVpcConfiguration, LoadBalancer};

use super::diagnosis::Targets;
use crate::aws::{Aws, Explain as _, ec2};

/// Which way to look along.
#[derive(Clone, Copy, PartialEq)]
pub enum Look {
    Nothing,
    /// From the tasks to registries, secrets and logs.
    WayOut,
    /// From the load balancer to the tasks.
    WayIn,
}

/// What a look found.
#[derive(Clone, Default)]
pub struct Findings {
    /// What stands in the way, if that is certain.
    pub obstacle: Option<Obstacle>,
    /// What else was found, for the reader.
    pub lines: Vec<String>,
}

impl Findings {
    /// Keeps the first obstacle; others are only told.
    fn stands_in_the_way(&mut self, cause: String, way_out: String) {
        match self.obstacle {
            Some(_) => self.lines.push(cause),
            None => self.obstacle = Some(Obstacle { cause, way_out }),
        }
    }
}

/// What stands in the way, and how to take it away.
#[derive(Clone)]
pub struct Obstacle {
    pub cause: String,
    pub way_out: String,
}

/// Looks for a route from the subnets of tasks to the internet, or for endpoints in its place: all that are `needed`, if they
/// would do. Of the subnets of the service, `used` are those that the tasks got into, if AWS shows them.
pub(super) async fn way_out(
    aws: &Aws,
    vpc: &AwsVpcConfiguration,
    used: &BTreeSet<String>,
    needed: Option<&[&str]>,
) -> Result<Findings> {
    let request = aws.ec2().describe_subnets().set_subnet_ids(Some(vpc.subnets().to_vec()));
    let subnets = request.send().await.explain()?.subnets.unwrap_or_default();
    let Some(vpc_id) = subnets.first().and_then(|it| it.vpc_id()).map(str::to_owned) else { return Ok(Findings::default()) };
    let tables = aws.ec2().describe_route_tables().filters(filter("vpc-id", &vpc_id)).send().await.explain()?;
    let tables = tables.route_tables.unwrap_or_default();
    let endpoints = aws.ec2().describe_vpc_endpoints().filters(filter("vpc-id", &vpc_id)).send().await.explain()?;
    let endpoints = endpoints.vpc_endpoints.unwrap_or_default();
    let name = |it: &VpcEndpoint| Some(it.service_name()?.split_once(aws.region())?.1.strip_prefix('.')?.to_owned());
    let names: BTreeSet<_> = endpoints.iter().filter_map(name).collect();
    let lacking: Option<Vec<_>> = needed.map(|it| it.iter().copied().filter(|it| !names.contains(*it)).collect());
    let (mut findings, mut obstacles) = (Findings::default(), Vec::new());
    let looked_at: Vec<_> = vpc.subnets().iter().filter(|it| used.is_empty() || used.contains(*it)).collect();
    for subnet in &looked_at {
        let Some(table) = table_of(&tables, subnet) else { continue };
        match look_along(subnet, table, vpc, &vpc_id, lacking.as_deref()) {
            Ok(line) => findings.lines.push(line),
            Err(obstacle) => obstacles.push(obstacle),
        }
    }
    // The next task may get into a subnet that has a way out.
    let certain = !used.is_empty() || obstacles.len() == looked_at.len();
    for it in obstacles {
        if certain { findings.stands_in_the_way(it.cause, it.way_out) } else { findings.lines.push(it.cause) }
    }
    Ok(findings)
}

/// What is to be said of the way out of a subnet, or what stands in it.
fn look_along(
    subnet: &str,
    table: &RouteTable,
    vpc: &AwsVpcConfiguration,
    vpc_id: &str,
    lacking: Option<&[&str]>,
) -> Result<String, Obstacle> {
    let name = table.route_table_id().unwrap_or_default();
    let Some(route) = table.routes().iter().find(|it| it.destination_cidr_block() == Some("0.0.0.0/0")) else {
        let leads_out = |it: &&Route| !it.gateway_id().is_some_and(|it| it == "local" || it.starts_with("vpce-"));
        if let Some(it) = table.routes().iter().find(leads_out) {
            return Ok(format!("subnet {subnet} has no way out to everywhere, but routes such as the one by {}", target(it)));
        }
        let nat = format!("add a route for 0.0.0.0/0 to a NatGateway to `routes` of RouteTable {name}");
        return match lacking {
            Some([]) => Ok(format!("subnet {subnet} has no way out, but the VPC has an endpoint for all that the tasks need")),
            Some(lacking) => Err(Obstacle {
                cause: format!("subnet {subnet} has no way out, and no endpoint for {}", lacking.join(", ")),
                way_out: format!("{nat}, or a VpcEndpoint for each of these to {vpc_id}"),
            }),
            None => Err(Obstacle { cause: format!("subnet {subnet} has no way out"), way_out: nat }),
        };
    };
    if route.state() == Some(&RouteState::Blackhole) {
        return Err(Obstacle {
            cause: format!("the way out of subnet {subnet} leads to {}, which is gone", target(route)),
            way_out: format!("correct `routes` of RouteTable {name}"),
        });
    }
    let public = route.gateway_id().is_some_and(|it| it.starts_with("igw-"));
    if public && vpc.assign_public_ip() != Some(&AssignPublicIp::Enabled) {
        return Err(Obstacle {
            cause: format!("subnet {subnet} is a public one, which tasks without a public address cannot leave"),
            way_out: "set networkConfiguration.assignPublicIp to true, or choose private subnets with a NAT gateway".to_owned(),
        });
    }
    Ok(format!("subnet {subnet} has a way out, by {}", target(route)))
}

/// Looks whether the security groups of tasks let the load balancer in.
pub(super) async fn way_in(
    aws: &Aws,
    vpc: &AwsVpcConfiguration,
    targets: &[Targets],
    balancers: &[LoadBalancer],
) -> Result<Findings> {
    let arns: Vec<_> = targets.iter().flat_map(|it| it.group.load_balancer_arns().to_vec()).collect();
    if arns.is_empty() || vpc.security_groups().is_empty() {
        return Ok(Findings::default());
    }
    let described = aws.elb().describe_load_balancers().set_load_balancer_arns(Some(arns)).send().await.explain()?;
    let theirs: Vec<_> = described.load_balancers().iter().flat_map(|it| it.security_groups().to_vec()).collect();
    if theirs.is_empty() {
        return Ok(Findings::default());
    }
    let request = aws.ec2().describe_security_groups().set_group_ids(Some(vpc.security_groups().to_vec()));
    let groups = request.send().await.explain()?.security_groups.unwrap_or_default();
    let rules: Vec<_> = groups.iter().flat_map(|it| it.ip_permissions().to_vec()).collect();
    let mut findings = Findings::default();
    for port in balancers.iter().filter_map(LoadBalancer::container_port) {
        let ours = vpc.security_groups().join(", ");
        if rules.iter().any(|it| lets_in(it, port, &theirs)) {
            findings.lines.push(format!("security group {ours} lets the load balancer in at port {port}"));
            continue;
        }
        let cause = format!("security group {ours} of the tasks does not let the load balancer in at port {port}");
        let way_out = format!(
            "add to `ingress` of SecurityGroup {} {{ protocol: tcp, fromPort: {port}, toPort: {port}, securityGroups: [{}] }}",
            vpc.security_groups()[0],
            theirs.join(", ")
        );
        findings.stands_in_the_way(cause, way_out);
    }
    Ok(findings)
}

/// Whether a rule is for this port and for one of these groups. One for addresses may well be for theirs.
fn lets_in(rule: &IpPermission, port: i32, groups: &[String]) -> bool {
    let all = rule.ip_protocol() == Some("-1");
    let ports = rule.from_port().is_some_and(|it| it <= port) && rule.to_port().is_some_and(|it| it >= port);
    let addresses = !rule.ip_ranges().is_empty() || !rule.prefix_list_ids().is_empty() || !rule.ipv6_ranges().is_empty();
    let theirs =
        rule.user_id_group_pairs().iter().filter_map(|it| it.group_id()).any(|it| groups.iter().any(|group| group == it));
    (all || ports && rule.ip_protocol() == Some("tcp")) && (addresses || theirs)
}

/// The route table of a subnet: its own, or the main one of the VPC.
fn table_of<'a>(tables: &'a [RouteTable], subnet: &str) -> Option<&'a RouteTable> {
    let own = |it: &&RouteTable| it.associations().iter().any(|it| it.subnet_id() == Some(subnet));
    let main = |it: &&RouteTable| it.associations().iter().any(|it| it.main() == Some(true));
    tables.iter().find(own).or_else(|| tables.iter().find(main))
}

fn target(route: &Route) -> &str {
    let targets = [route.nat_gateway_id(), route.gateway_id(), route.transit_gateway_id(), route.network_interface_id()];
    targets.into_iter().flatten().next().unwrap_or("what is there no more")
}

fn filter(name: &str, value: &str) -> Filter {
    ec2::filter(name, vec![value.to_owned()])
}
