//! ec2: a VPC endpoint, by which a VPC reaches a service of AWS without the internet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail};
use aws_sdk_ec2::types::{self, ResourceType, VpcEndpointType as Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, Patience, Seen, ec2::{self, InVpc}},
    check::Report,
    codec::{Unlisted, name_of},
    document::Document,
    list::{Cursor, Page},
    resource::{Context, Resource},
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
    pub route_table_ids: Vec<String>,
    /// The subnets in which the endpoint has a network interface, one in each zone, for an endpoint of type `Interface`.
    /// Without any it cannot be reached.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    pub subnet_ids: Vec<String>,
    /// The security groups of the endpoint's network interfaces, which have to let port 443 in. Default: the VPC's own.
    #[schemars(extend("compare" = "set", "computed" = true))]
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
    type Inputs = VpcEndpointInputs;
    type Outputs = VpcEndpointOutputs;
    type Query = InVpc;

    fn check(inputs: &VpcEndpointInputs, report: &mut Report<'_>) {
        let kind = endpoint_type(inputs);
        let gateway = kind == VpcEndpointType::Gateway;
        for (name, fits) in [
            ("routeTableIds", gateway || inputs.route_table_ids.is_empty()),
            ("subnetIds", !gateway || inputs.subnet_ids.is_empty()),
            ("securityGroupIds", !gateway || inputs.security_group_ids.is_none()),
            ("privateDnsEnabled", !gateway || inputs.private_dns_enabled != Some(true)),
        ] {
            let reason = format!("has no meaning for an endpoint of type {kind:?}: leave it out, or change vpcEndpointType");
            report.rule(&[name, "vpcEndpointType", "serviceName"], fits, reason);
        }
    }

    async fn create(context: &Context, inputs: &VpcEndpointInputs) -> Result<String> {
        let client = context.aws.ec2();
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
        let client = context.aws.ec2();
        let was = &old.inputs;
        let (add_tables, remove_tables) = changes(&was.route_table_ids, &new.route_table_ids);
        let (add_subnets, remove_subnets) = changes(&was.subnet_ids, &new.subnet_ids);
        // Left out, AWS's choice stands.
        let groups = was.security_group_ids.as_deref().unwrap_or_default();
        let (add_groups, remove_groups) = changes(groups, new.security_group_ids.as_deref().unwrap_or(groups));
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
        ec2::retag(&context.aws, id, &was.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<VpcEndpointOutputs>> {
        let id = ec2::id_in(id, "vpce-", "VPC endpoint")?;
        let Some(endpoint) = context.aws.look_up::<DescribeVpcEndpoints>(id.clone()).await? else { return Ok(None) };
        let state = state(&endpoint);
        if is_over(&state) {
            return Ok(None);
        }
        let vpc_endpoint_type = match endpoint.vpc_endpoint_type() {
            Some(Type::Interface) => VpcEndpointType::Interface,
            Some(Type::GatewayLoadBalancer) => VpcEndpointType::GatewayLoadBalancer,
            _ => VpcEndpointType::Gateway,
        };
        let service_name = endpoint.service_name().unwrap_or_default().to_owned();
        let prefix_list_id = match vpc_endpoint_type {
            VpcEndpointType::Gateway => context.aws.look_up::<DescribePrefixLists>(service_name.clone()).await?,
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
                private_dns_enabled: endpoint.private_dns_enabled().filter(|_| vpc_endpoint_type != VpcEndpointType::Gateway),
                ip_address_type: endpoint.ip_address_type().and_then(|it| match it {
                    types::IpAddressType::Ipv4 => Some(VpcEndpointIpAddressType::Ipv4),
                    types::IpAddressType::Dualstack => Some(VpcEndpointIpAddressType::Dualstack),
                    types::IpAddressType::Ipv6 => Some(VpcEndpointIpAddressType::Ipv6),
                    _ => None,
                }),
                policy: endpoint.policy_document().map_or_else(everything, policy),
                tags: ec2::from_tags(endpoint.tags()),
            },
            arn: ec2::arn(&context.aws, &owner_id, &format!("vpc-endpoint/{id}")),
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
        let request = context.aws.ec2().describe_vpc_endpoints().set_filters(Some(query.filters("vpc-id")));
        let request = request.max_results(at.size(5..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let living = answer.vpc_endpoints().iter().filter(|it| is_ours(it) && !is_over(&state(it)));
        let listed = living.filter_map(|it| ec2::listed(it.vpc_endpoint_id(), it.tags()));
        Ok(Page::new(listed, answer.next_token().map(str::to_owned)))
    }

    async fn delete(context: &Context, id: &str, _: &VpcEndpointOutputs) -> Result<()> {
        remove(context, id).await?;
        let look = || async {
            let endpoint = context.aws.look_up::<DescribeVpcEndpoints>(id.to_owned()).await?;
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
        let Some(endpoint) = context.aws.look_up::<DescribeVpcEndpoints>(id.to_owned()).await? else {
            return Ok(Seen::Pending("VPC endpoint not known yet".to_owned()));
        };
        let state = state(&endpoint);
        Ok(match state.as_str() {
            "available" => Seen::Ready(None),
            "pendingAcceptance" => {
                (context.observer.say)(&format!("{id} lets nothing through until the owner of {} accepts it", endpoint.service_name().unwrap_or("the service")));
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
    let answer = match context.aws.ec2().delete_vpc_endpoints().vpc_endpoint_ids(id).send().await.explain() {
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
