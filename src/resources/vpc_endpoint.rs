//! ec2: a VPC endpoint, by which a VPC reaches a service of AWS without the internet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_ec2::types::{self, ResourceType, VpcEndpointType as Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Seen, Settle as _,
        ec2::{self, InVpc},
    },
    check::Report,
    codec::{Unlisted, name_of},
    document::{
        Document,
        policy::{self, Kind},
    },
    facts::{SubnetFacts, VpcEndpointFacts, VpcFacts},
    list::{Cursor, Page},
    plan::{Candidates, Facts, Link},
    resource::{Context, Resource},
    value::{Map, Value},
};

/// What AWS says of what was made a moment ago.
const NOT_KNOWN_YET: &[Passing] = &[
    ("InvalidVpcId.NotFound", ""),
    ("InvalidSubnetId.NotFound", ""),
    ("InvalidSubnetID.NotFound", ""),
    ("InvalidGroup.NotFound", ""),
    ("InvalidSecurityGroupId.NotFound", ""),
    ("InvalidRouteTableId.NotFound", ""),
];

pub struct VpcEndpoint;

/// A VPC endpoint: the way to a service of AWS that does not lead through the internet. Tasks in subnets without a NAT
/// gateway need endpoints for `ecr.api`, `ecr.dkr`, `logs` and `s3`, and for whatever else they use.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcEndpointInputs {
    /// The VPC that gets the endpoint.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = ec2::id::vpc)]
    pub vpc_id: String,
    /// The service, such as `com.amazonaws.us-east-1.s3`.
    #[schemars(extend("replaceOnChanges" = true))]
    pub service_name: String,
    /// The type of the endpoint. Default: `Gateway` for S3 and DynamoDB, for it costs nothing; `Interface` for all others, for
    /// which there is no other.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true, "always" = true))]
    pub vpc_endpoint_type: Option<VpcEndpointType>,
    /// The route tables that get a route to the service, for an endpoint of type `Gateway`.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    #[schemars(transform = ec2::id::route_table)]
    pub route_table_ids: Vec<String>,
    /// The subnets in which the endpoint has a network interface, one in each zone, for an endpoint of type `Interface`.
    /// Without any it cannot be reached.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    #[schemars(transform = ec2::id::subnet)]
    pub subnet_ids: Vec<String>,
    /// The security groups of the endpoint's network interfaces, which have to let port 443 in. Default: the VPC's own.
    #[schemars(extend("compare" = "set", "computed" = true))]
    #[schemars(transform = ec2::id::security_group)]
    pub security_group_ids: Option<Vec<String>>,
    /// Whether the service's public names lead to the endpoint, in the VPC, so that programs need not know of it. The VPC
    /// needs `enableDnsSupport` and `enableDnsHostnames`. Default: AWS's, which is yes for an endpoint of type `Interface`.
    #[schemars(extend("computed" = true))]
    pub private_dns_enabled: Option<bool>,
    /// The kind of addresses of the endpoint's network interfaces. Default: that of its subnets.
    #[schemars(extend("computed" = true))]
    pub ip_address_type: Option<VpcEndpointIpAddressType>,
    /// What may be done through the endpoint, as a map or as JSON. Default: everything, for what a task may do is said by its
    /// role.
    #[serde(default = "everything")]
    pub policy: Document,
    /// Tags to put on the endpoint.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The type of a VPC endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum VpcEndpointType {
    /// Routes to the service, in route tables.
    Gateway,
    /// Network interfaces in subnets.
    Interface,
    /// Network interfaces that lead to a gateway load balancer.
    GatewayLoadBalancer,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// The kind of addresses of a VPC endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum VpcEndpointIpAddressType {
    Ipv4,
    Dualstack,
    Ipv6,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A name that leads to a VPC endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcEndpointDnsEntry {
    /// The name.
    pub dns_name: String,
    /// The hosted zone that the name is in, for alias records.
    pub hosted_zone_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcEndpointOutputs {
    #[serde(flatten)]
    pub inputs: VpcEndpointInputs,
    /// The ID of the endpoint.
    pub vpc_endpoint_id: String,
    /// The ARN of the endpoint.
    pub arn: String,
    /// The account that owns the endpoint.
    pub owner_id: String,
    /// Where the endpoint stands: `available`, or `pendingAcceptance` until the service's owner accepts it.
    #[schemars(extend("changesOnUpdate" = true))]
    pub state: String,
    /// The names that lead to the endpoint.
    #[schemars(extend("changesOnUpdate" = true))]
    pub dns_entries: Vec<VpcEndpointDnsEntry>,
    /// The network interfaces of the endpoint.
    #[schemars(extend("changesOnUpdate" = true))]
    pub network_interface_ids: Vec<String>,
    /// The prefix list of the service's addresses, for rules of security groups; only of an endpoint of type `Gateway`.
    pub prefix_list_id: Option<String>,
}

fn everything() -> Document {
    let policy = json!({
        "Version": "2008-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" }],
    });
    Document::new(&policy.to_string())
}

impl Resource for VpcEndpoint {
    const NAME: &'static str = "VpcEndpoint";
    type Cloud = crate::aws::Session;
    type Inputs = VpcEndpointInputs;
    type Outputs = VpcEndpointOutputs;
    type Query = InVpc;

    fn normalize(inputs: &mut Map) {
        // No groups are AWS's choice of them: an endpoint cannot be without.
        if inputs.get("securityGroupIds").is_some_and(Value::is_empty) {
            inputs.remove("securityGroupIds");
        }
    }

    fn facts(inputs: &VpcEndpointInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(VpcEndpointFacts {
            vpc: report.link("vpcId", &inputs.vpc_id),
            service: report.known("serviceName", inputs.service_name.clone()),
            is_interface: endpoint_type(inputs) != VpcEndpointType::Gateway || !report.knows("serviceName"),
            private_dns: has_private_dns(inputs) && report.knows("privateDnsEnabled"),
        }))
    }

    fn check(inputs: &VpcEndpointInputs, report: &mut Report<'_>) {
        policy::check("policy", &inputs.policy, Kind::Endpoint, report);
        let kind = endpoint_type(inputs);
        let gateway = kind == VpcEndpointType::Gateway;
        for (name, fits) in [
            ("routeTableIds", gateway || inputs.route_table_ids.is_empty()),
            ("subnetIds", !gateway || inputs.subnet_ids.is_empty()),
            ("securityGroupIds", !gateway || inputs.security_group_ids.is_none()),
            ("privateDnsEnabled", !gateway || inputs.private_dns_enabled != Some(true)),
        ] {
            let reason = format!("has no meaning for an endpoint of type {kind:?}: leave it out, or change vpcEndpointType");
            report.rule(&[&format!("{name}?"), "vpcEndpointType", "serviceName"], fits, reason);
        }
        check_service(inputs, report);
        check_subnets(inputs, report);
    }

    async fn create(context: &Context, inputs: &VpcEndpointInputs) -> Result<String> {
        let client = context.client.ec2();
        let some = |list: &Vec<String>| Some(list.clone()).filter(|it| !it.is_empty());
        // Not every service takes a policy; the one that allows everything need not be said.
        let policy = Some(&inputs.policy).filter(|it| **it != everything()).map(Document::to_text);
        let token = uuid::Uuid::new_v4().to_string();
        let create = || async {
            let request = client
                .create_vpc_endpoint()
                .client_token(&token)
                .vpc_id(&inputs.vpc_id)
                .service_name(&inputs.service_name)
                .vpc_endpoint_type(name_of(endpoint_type(inputs)).as_str().into())
                .set_route_table_ids(some(&inputs.route_table_ids))
                .set_subnet_ids(some(&inputs.subnet_ids))
                .set_security_group_ids(inputs.security_group_ids.clone())
                .set_private_dns_enabled(inputs.private_dns_enabled)
                .set_ip_address_type(inputs.ip_address_type.map(ip_address_type))
                .set_policy_document(policy.clone())
                .set_tag_specifications(ec2::tag_specifications(ResourceType::VpcEndpoint, &inputs.tags));
            request.send().await.explain()
        };
        let made = context.observer.settle(NOT_KNOWN_YET, create).await?;
        let id = made.vpc_endpoint.and_then(|it| it.vpc_endpoint_id).context("AWS made a VPC endpoint without an ID")?;
        match outcome(context, &id).await {
            Ok(None) => Ok(id),
            // It never gets better, so it goes, and must not be in the state: the next `up` makes another.
            Ok(Some(reason)) => {
                let removed = remove(context, &id).await.inspect_err(|_| context.made(&id));
                removed.with_context(|| format!("VPC endpoint {id} failed: {reason}"))?;
                bail!("VPC endpoint {id} failed: {reason}; put that right and run `pulumi up` again")
            }
            Err(error) => {
                context.made(&id);
                Err(error)
            }
        }
    }

    async fn update(context: &Context, id: &str, old: &VpcEndpointOutputs, new: &VpcEndpointInputs) -> Result<()> {
        let client = context.client.ec2();
        let was = &old.inputs;
        let (add_tables, remove_tables) = changes(&was.route_table_ids, &new.route_table_ids);
        let (add_subnets, remove_subnets) = changes(&was.subnet_ids, &new.subnet_ids);
        // Left out, AWS's choice stands.
        let groups = was.security_group_ids.as_deref().unwrap_or_default();
        let wanted = new.security_group_ids.as_deref().filter(|it| !it.is_empty());
        let (add_groups, remove_groups) = changes(groups, wanted.unwrap_or(groups));
        let private_dns = new.private_dns_enabled.filter(|it| was.private_dns_enabled != Some(*it));
        let ip_address_type = new.ip_address_type.filter(|it| was.ip_address_type != Some(*it)).map(ip_address_type);
        let policy = (was.policy != new.policy).then(|| new.policy.to_text());
        let lists = [&add_tables, &remove_tables, &add_subnets, &remove_subnets, &add_groups, &remove_groups];
        let listed = lists.iter().any(|it| it.is_some());
        if listed || private_dns.is_some() || ip_address_type.is_some() || policy.is_some() {
            let modify = || async {
                let request = client
                    .modify_vpc_endpoint()
                    .vpc_endpoint_id(id)
                    .set_add_route_table_ids(add_tables.clone())
                    .set_remove_route_table_ids(remove_tables.clone())
                    .set_add_subnet_ids(add_subnets.clone())
                    .set_remove_subnet_ids(remove_subnets.clone())
                    .set_add_security_group_ids(add_groups.clone())
                    .set_remove_security_group_ids(remove_groups.clone())
                    .set_private_dns_enabled(private_dns)
                    .set_ip_address_type(ip_address_type.clone())
                    .set_policy_document(policy.clone());
                request.send().await.explain()
            };
            context.observer.settle(NOT_KNOWN_YET, modify).await?;
        }
        if let Some(reason) = outcome(context, id).await? {
            bail!("VPC endpoint {id} failed: {reason}; put that right and run `pulumi up --refresh`, which makes another");
        }
        ec2::retag(&context.client, id, &was.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<VpcEndpointOutputs>> {
        let id = ec2::id_in(id, "vpce-", "VPC endpoint")?;
        let Some(endpoint) = context.client.look_up::<DescribeVpcEndpoints>(id.clone()).await? else { return Ok(None) };
        let state = state(&endpoint);
        if is_over(&state) {
            return Ok(None);
        }
        let kind = endpoint.vpc_endpoint_type().map_or("unknown", Type::as_str);
        ensure!(is_ours(&endpoint), "{id} is of type {kind}, which a VpcEndpoint of this package cannot be");
        let vpc_endpoint_type = match endpoint.vpc_endpoint_type() {
            Some(Type::Interface) => VpcEndpointType::Interface,
            Some(Type::GatewayLoadBalancer) => VpcEndpointType::GatewayLoadBalancer,
            _ => VpcEndpointType::Gateway,
        };
        let service_name = endpoint.service_name().unwrap_or_default().to_owned();
        let prefix_list_id = match vpc_endpoint_type {
            VpcEndpointType::Gateway => context.client.look_up::<DescribePrefixLists>(service_name.clone()).await?,
            _ => None,
        };
        let groups: Vec<_> = endpoint.groups().iter().filter_map(|it| it.group_id().map(str::to_owned)).collect();
        let owner_id = endpoint.owner_id().unwrap_or_default().to_owned();
        Ok(Some(VpcEndpointOutputs {
            inputs: VpcEndpointInputs {
                vpc_id: endpoint.vpc_id().unwrap_or_default().to_owned(),
                service_name,
                vpc_endpoint_type: Some(vpc_endpoint_type),
                route_table_ids: endpoint.route_table_ids().to_vec(),
                subnet_ids: endpoint.subnet_ids().to_vec(),
                security_group_ids: Some(groups).filter(|it| !it.is_empty()),
                private_dns_enabled: endpoint.private_dns_enabled(),
                ip_address_type: endpoint.ip_address_type().and_then(|it| match it {
                    types::IpAddressType::Ipv4 => Some(VpcEndpointIpAddressType::Ipv4),
                    types::IpAddressType::Dualstack => Some(VpcEndpointIpAddressType::Dualstack),
                    types::IpAddressType::Ipv6 => Some(VpcEndpointIpAddressType::Ipv6),
                    _ => None,
                }),
                policy: endpoint.policy_document().map_or_else(everything, policy),
                tags: ec2::from_tags(endpoint.tags()),
            },
            arn: ec2::arn(&context.client, &owner_id, &format!("vpc-endpoint/{id}")),
            vpc_endpoint_id: id,
            owner_id,
            state,
            dns_entries: endpoint
                .dns_entries()
                .iter()
                .map(|it| VpcEndpointDnsEntry {
                    dns_name: it.dns_name().unwrap_or_default().to_owned(),
                    hosted_zone_id: it.hosted_zone_id().map(str::to_owned),
                })
                .collect(),
            network_interface_ids: endpoint.network_interface_ids().to_vec(),
            prefix_list_id,
        }))
    }

    fn id(outputs: &VpcEndpointOutputs) -> String {
        outputs.vpc_endpoint_id.clone()
    }

    async fn list(context: &Context, query: &InVpc, at: &Cursor) -> Result<Page> {
        let request = context.client.ec2().describe_vpc_endpoints().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let living = answer.vpc_endpoints().iter().filter(|it| is_ours(it) && !is_over(&state(it)));
        let listed = living.filter_map(|it| ec2::listed(it.vpc_endpoint_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &VpcEndpointOutputs) -> Result<()> {
        remove(context, id).await?;
        let look = || async {
            let endpoint = context.client.look_up::<DescribeVpcEndpoints>(id.to_owned()).await?;
            Ok(match endpoint.as_ref().map(state) {
                None => Seen::Ready(()),
                Some(state) if state == "deleted" => Seen::Ready(()),
                Some(state) => Seen::Pending(format!("VPC endpoint {state}")),
            })
        };
        context.observer.wait(format!("VPC endpoint {id} to go"), Patience::minutes(10), look).await
    }
}

/// The type that the program asks for, or the one that the service wants.
fn endpoint_type(inputs: &VpcEndpointInputs) -> VpcEndpointType {
    let by_route = [".s3", ".s3express", ".dynamodb"].iter().any(|it| inputs.service_name.ends_with(it));
    inputs.vpc_endpoint_type.unwrap_or(if by_route { VpcEndpointType::Gateway } else { VpcEndpointType::Interface })
}

/// Whether the public names of the service lead to the endpoint: as the program says, or as AWS does by itself.
fn has_private_dns(inputs: &VpcEndpointInputs) -> bool {
    endpoint_type(inputs) == VpcEndpointType::Interface && inputs.private_dns_enabled == Some(true)
}

/// The service is one of this region, and its names lead to one endpoint in a VPC that resolves them.
fn check_service(inputs: &VpcEndpointInputs, report: &mut Report<'_>) {
    let of_aws = inputs.service_name.strip_prefix("com.amazonaws.").and_then(|it| it.split('.').next());
    if let (Some(place), Some(region)) = (of_aws, report.text("region").map(str::to_owned)) {
        let is_region = place.split('-').count() >= 3 && place.ends_with(|it: char| it.is_ascii_digit());
        let reason = format!(
            "is {}, a service of {place}, but the endpoint is in {region}; most likely, it is not found there",
            inputs.service_name
        );
        report.warn(&["serviceName"], !is_region || place == region, reason);
    }
    if !has_private_dns(inputs) {
        return;
    }
    let over = ["privateDnsEnabled", "serviceName"];
    let vpcs = report.resolve::<VpcFacts>("vpcId", Some(&inputs.vpc_id));
    // CreateVpcEndpointRequest in AWS's model: "you must set the following VPC attributes to true".
    report.compare("privateDnsEnabled", &over, &vpcs, |it| {
        let reason = "is true, for which the Vpc needs enableDnsSupport and enableDnsHostnames: set both to true there";
        (it.has_dns == Some(false)).then(|| reason.to_owned())
    });
    let vpc = report.link("vpcId", &inputs.vpc_id);
    let others = report.others::<VpcEndpointFacts>().into_iter();
    let same = |it: &VpcEndpointFacts| {
        it.private_dns && it.service.as_ref() == Some(&inputs.service_name) && report.same::<VpcFacts>(&it.vpc, &vpc)
    };
    let others = Candidates { certain: vpc != Link::Unknown, those: others.filter(same).collect() };
    report.warn_if_mismatched("privateDnsEnabled", &over, &others, |_| {
        let service = &inputs.service_name;
        Some(format!(
            "is true, as of another VpcEndpoint for {service} in this VPC: AWS refuses that, for its names can lead to one of them"
        ))
    });
}

/// An endpoint has one subnet in a zone, all of its own VPC.
fn check_subnets(inputs: &VpcEndpointInputs, report: &mut Report<'_>) {
    let vpc = report.link("vpcId", &inputs.vpc_id);
    let mut zones = BTreeMap::new();
    for (index, subnet) in inputs.subnet_ids.iter().enumerate() {
        let path = format!("subnetIds[{index}]");
        let subnets = report.resolve::<SubnetFacts>(&path, Some(subnet));
        report.compare(&path, &[], &subnets, |it| {
            let other = it.vpc.differs_from(&vpc)?;
            Some(format!("is {subnet}, which is in {other}; the endpoint is in {}", inputs.vpc_id))
        });
        let zone = subnets.only().filter(|_| subnets.certain).and_then(|it| it.availability_zone.clone());
        if let Some(zone) = zone
            && let Some(other) = zones.insert(zone.clone(), index)
            && inputs.subnet_ids[other] != *subnet
        {
            let reason = format!("is in {zone}, as subnetIds[{other}] is; an endpoint takes one subnet in a zone");
            report.rule(&[&path], false, reason);
        }
    }
}

fn ip_address_type(it: VpcEndpointIpAddressType) -> types::IpAddressType {
    name_of(it).as_str().into()
}

/// What to add to `old` and what to remove, to get `new`; none where there is nothing, for AWS refuses empty lists.
fn changes(old: &[String], new: &[String]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
    let list = |it: Vec<&&String>| (!it.is_empty()).then(|| it.into_iter().map(|it| (*it).clone()).collect());
    (list(new.difference(&old).collect()), list(old.difference(&new).collect()))
}

/// The policy that AWS shows. Services show the one that allows everything with a version or without.
fn policy(text: &str) -> Document {
    let shown = Document::new(text);
    let unversioned = json!({ "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" }] });
    if shown == Document::new(&unversioned.to_string()) { everything() } else { shown }
}

/// The state in which the endpoint is, as the documentation spells it; the API begins it with a small letter.
fn state(endpoint: &types::VpcEndpoint) -> String {
    let state = endpoint.state().map_or("unknown", types::State::as_str);
    let (first, rest) = state.split_at(1);
    first.to_lowercase() + rest
}

/// Whether an endpoint in that state is gone, or will be.
fn is_over(state: &str) -> bool {
    matches!(state, "deleting" | "deleted" | "failed")
}

/// There are endpoints of other types, for VPC Lattice.
fn is_ours(endpoint: &types::VpcEndpoint) -> bool {
    endpoint.vpc_endpoint_type().is_none_or(|it| matches!(it, Type::Interface | Type::Gateway | Type::GatewayLoadBalancer))
}

/// Waits until the endpoint is of use, or never will be; then this is the reason. Where the service's owner has to accept
/// it, this may take days and is not waited for.
async fn outcome(context: &Context, id: &str) -> Result<Option<String>> {
    let look = || async {
        let Some(endpoint) = context.client.look_up::<DescribeVpcEndpoints>(id.to_owned()).await? else {
            return Ok(Seen::Pending("VPC endpoint not known yet".to_owned()));
        };
        let state = state(&endpoint);
        Ok(match state.as_str() {
            "available" => Seen::Ready(None),
            "pendingAcceptance" => {
                (context.observer.say)(&format!(
                    "{id} lets nothing through until the owner of {} accepts it",
                    endpoint.service_name().unwrap_or("the service")
                ));
                Seen::Ready(None)
            }
            "pending" | "partial" | "unknown" => Seen::Pending(format!("VPC endpoint {state}")),
            _ => {
                let error = endpoint.last_error().and_then(|it| it.message());
                Seen::Ready(Some(error.map_or_else(|| format!("it is {state}"), str::to_owned)))
            }
        })
    };
    context.observer.wait(format!("VPC endpoint {id}"), Patience::minutes(10), look).await
}

/// Asks AWS to delete the endpoint. It answers what it refuses without an error.
async fn remove(context: &Context, id: &str) -> Result<()> {
    let answer = match context.client.ec2().delete_vpc_endpoints().vpc_endpoint_ids(id).send().await.explain() {
        Err(error) if ec2::is_gone(&error) => return Ok(()),
        answer => answer?,
    };
    for error in answer.unsuccessful().iter().filter_map(|it| it.error()) {
        let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
        if !code.ends_with(".NotFound") {
            bail!("AWS does not delete VPC endpoint {id}: {code}: {message}");
        }
    }
    Ok(())
}

/// `DescribeVpcEndpoints`, by ID. An endpoint stays visible for a while after it is gone.
struct DescribeVpcEndpoints;

impl Lookup for DescribeVpcEndpoints {
    type Key = String;
    type Found = types::VpcEndpoint;
    const LIMIT: usize = 200;
    const MISSING: &'static [&'static str] = &["InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"];

    async fn load(aws: &Aws, ids: Vec<String>) -> Result<HashMap<String, types::VpcEndpoint>> {
        let request = aws.ec2().describe_vpc_endpoints().set_vpc_endpoint_ids(Some(ids));
        let endpoints = request.send().await.explain()?.vpc_endpoints.unwrap_or_default();
        Ok(endpoints.into_iter().filter_map(|it| Some((it.vpc_endpoint_id()?.to_owned(), it))).collect())
    }
}

/// `DescribePrefixLists`, by the name of the service: the ID of the list of its addresses.
struct DescribePrefixLists;

impl Lookup for DescribePrefixLists {
    type Key = String;
    type Found = String;
    const LIMIT: usize = 200;

    async fn load(aws: &Aws, services: Vec<String>) -> Result<HashMap<String, String>> {
        let request = aws.ec2().describe_prefix_lists().filters(ec2::filter("prefix-list-name", services));
        let lists = request.send().await.explain()?.prefix_lists.unwrap_or_default();
        Ok(lists.into_iter().filter_map(|it| Some((it.prefix_list_name?, it.prefix_list_id?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::Plan,
        resource::{AnyResource as _, Erased, findings},
    };

    fn endpoint(rest: &serde_json::Value) -> Value {
        let mut inputs = json!({ "vpcId": "vpc-1", "serviceName": "com.amazonaws.eu-west-1.logs", "region": "eu-west-1" });
        inputs.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        inputs.into()
    }

    fn declared(urn: &str, id: &str, facts: Facts, plan: &Plan) {
        plan.declare(urn, facts);
        plan.record(urn, Some(id), &[]);
    }

    #[test]
    fn private_names_need_dns_in_the_vpc_and_one_endpoint() {
        let plan = Plan::default();
        declared("vpc", "vpc-1", Facts::new(VpcFacts { block: None, is_new: true, has_dns: Some(false) }), &plan);
        let found = findings::<VpcEndpoint>(&plan, endpoint(&json!({ "privateDnsEnabled": true })));
        assert!(found.0[0].starts_with("privateDnsEnabled is true, for which the Vpc needs enableDnsSupport"), "{found:?}");
        assert!(findings::<VpcEndpoint>(&plan, endpoint(&json!({ "privateDnsEnabled": false }))).0.is_empty());
        let other = VpcEndpointFacts {
            vpc: Link::Known("vpc-1".to_owned()),
            service: Some("com.amazonaws.eu-west-1.logs".to_owned()),
            is_interface: true,
            private_dns: true,
        };
        plan.declare("other", Facts::new(other));
        let found = findings::<VpcEndpoint>(&plan, endpoint(&json!({ "privateDnsEnabled": true })));
        assert!(found.1[0].starts_with("privateDnsEnabled is true, as of another VpcEndpoint for"), "{found:?}");
    }

    #[test]
    fn a_gateway_endpoint_has_no_subnets_whichever_they_are() {
        let mut inputs = endpoint(&json!({ "serviceName": "com.amazonaws.eu-west-1.s3" }));
        let Value::Object(map) = &mut inputs else { panic!("a map") };
        map.insert("subnetIds".to_owned(), Value::List(vec![Value::Unknown]));
        let found = findings::<VpcEndpoint>(&Plan::default(), inputs).0;
        assert!(found[0].starts_with("subnetIds has no meaning for an endpoint of type Gateway"), "{found:?}");
    }

    #[test]
    fn an_endpoint_takes_one_subnet_in_a_zone() {
        let plan = Plan::default();
        for (id, vpc, zone) in [("subnet-1", "vpc-1", "a"), ("subnet-2", "vpc-1", "a"), ("subnet-3", "vpc-2", "b")] {
            let facts = SubnetFacts { availability_zone: Some(zone.to_owned()), vpc: Link::Known(vpc.to_owned()), block: None };
            declared(id, id, Facts::new(facts), &plan);
        }
        let mistakes = |subnets: &[&str]| findings::<VpcEndpoint>(&plan, endpoint(&json!({ "subnetIds": subnets }))).0;
        let twice = "subnetIds[1] is in a, as subnetIds[0] is; an endpoint takes one subnet in a zone";
        assert_eq!(mistakes(&["subnet-1", "subnet-2"]), [twice]);
        assert_eq!(mistakes(&["subnet-3"]), ["subnetIds[0] is subnet-3, which is in vpc-2; the endpoint is in vpc-1"]);
        assert!(mistakes(&["subnet-1"]).is_empty());
    }

    #[test]
    fn a_service_is_one_of_the_region() {
        let warnings = |service: &str| findings::<VpcEndpoint>(&Plan::default(), endpoint(&json!({ "serviceName": service }))).1;
        assert!(
            warnings("com.amazonaws.us-east-1.logs")[0].starts_with("serviceName is com.amazonaws.us-east-1.logs, a service of")
        );
        for right in
            ["com.amazonaws.eu-west-1.ecr.api", "com.amazonaws.s3-global.accesspoint", "com.amazonaws.vpce.eu-west-1.vpce-svc-1"]
        {
            assert!(warnings(right).is_empty(), "{right}");
        }
    }

    #[test]
    fn no_security_groups_are_left_out() {
        let resource = Erased::<VpcEndpoint>::NEW;
        let map = |rest: &serde_json::Value| match endpoint(rest) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let before = map(&json!({ "securityGroupIds": ["sg-1"] }));
        assert_eq!(resource.diff(&before, &map(&json!({ "securityGroupIds": [] }))), []);
        let gateway = json!({ "serviceName": "com.amazonaws.eu-west-1.s3", "securityGroupIds": [], "privateDnsEnabled": false });
        assert!(findings::<VpcEndpoint>(&Plan::default(), endpoint(&gateway)).0.is_empty());
    }

    #[test]
    fn the_policy_that_allows_everything_is_the_default_in_either_form() {
        let all = r#"[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]"#;
        for shown in [format!(r#"{{"Statement":{all}}}"#), format!(r#"{{"Version":"2008-10-17","Statement":{all}}}"#)] {
            assert_eq!(policy(&shown), everything());
        }
        // A program may say it in the newer version, and AWS shows it so.
        assert_ne!(policy(&format!(r#"{{"Version":"2012-10-17","Statement":{all}}}"#)), everything());
    }

    #[test]
    fn changes_are_none_where_there_are_none() {
        let list = |it: &[&str]| it.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(changes(&list(&["a", "b"]), &list(&["b", "a"])), (None, None));
        assert_eq!(changes(&list(&["a", "b"]), &list(&["b", "c"])), (Some(list(&["c"])), Some(list(&["a"]))));
    }
}
