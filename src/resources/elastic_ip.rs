//! ec2: an Elastic IP address, which stays the same whatever it is attached to.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use anyhow::{Context as _, Result, bail};
use aws_sdk_ec2::types::{self, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, ec2, refused_with},
    check::Report,
    codec::Unlisted,
    list::{All, Cursor, Page},
    resource::{Context, Resource},
    value::{Map, Value},
};

/// How AWS refuses to release an address that something uses. It says `AuthFailure` where that is AWS's own, such as the
/// network interface of a NAT gateway.
const IN_USE: &[&str] = &["InvalidIPAddress.InUse", "AuthFailure"];

pub struct ElasticIp;

/// An Elastic IP address: a public IPv4 address that is yours until you release it, for a NAT gateway or a load balancer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticIpInputs {
    /// Where the address is for. Default: `vpc`, the only place there is.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub domain: ElasticIpDomain,
    /// An address that you have released, or one of an address pool of your own, to get that and no other.
    #[schemars(extend("replaceOnChanges" = true, "writeOnly" = true, "exclusive" = true))]
    pub address: Option<String>,
    /// The address pool of your own that the address comes from. Default: one of AWS's.
    #[schemars(extend("replaceOnChanges" = true))]
    pub public_ipv4_pool: Option<String>,
    /// The group of zones from which AWS advertises the address, for local zones. Default: the region.
    #[schemars(extend("replaceOnChanges" = true, "computed" = true))]
    pub network_border_group: Option<String>,
    /// Tags to put on the address.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Where an Elastic IP address is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ElasticIpDomain {
    /// For use in a VPC.
    #[default]
    Vpc,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticIpOutputs {
    #[serde(flatten)]
    pub inputs: ElasticIpInputs,
    /// The ID by which NAT gateways and load balancers name the address.
    pub allocation_id: String,
    /// The address itself.
    pub public_ip: String,
    /// The ARN of the address; none where the provider skips the validation of its credentials, which tells the account.
    pub arn: Option<String>,
}

impl Resource for ElasticIp {
    const NAME: &'static str = "ElasticIp";
    type Cloud = crate::aws::Session;
    type Inputs = ElasticIpInputs;
    type Outputs = ElasticIpOutputs;
    type Query = All;

    fn normalize(inputs: &mut Map) {
        // So AWS calls its own addresses.
        if inputs.get("publicIpv4Pool").and_then(Value::as_str) == Some("amazon") {
            inputs.remove("publicIpv4Pool");
        }
    }

    fn check(inputs: &ElasticIpInputs, report: &mut Report<'_>) {
        let reason = "is not vpc, the only place for an address since AWS has ended EC2-Classic; leave it out";
        report.rule(&["domain"], inputs.domain == ElasticIpDomain::Vpc, reason);
    }

    async fn create(context: &Context, inputs: &ElasticIpInputs) -> Result<String> {
        let request = context
            .client
            .ec2()
            .allocate_address()
            .domain(types::DomainType::Vpc)
            .set_address(inputs.address.clone())
            .set_public_ipv4_pool(inputs.public_ipv4_pool.clone())
            .set_network_border_group(inputs.network_border_group.clone())
            .set_tag_specifications(ec2::tag_specifications(ResourceType::ElasticIp, &inputs.tags));
        let address = request.send().await.explain().map_err(|error| {
            if refused_with(&error, &["AddressLimitExceeded"]) {
                let region = context.client.region();
                error.context(format!(
                    "all Elastic IP addresses that the account may have in {region} are taken: release one that nothing uses, \
                     or raise the quota \"EC2-VPC Elastic IPs\""
                ))
            } else {
                error
            }
        })?;
        address.allocation_id.context("AWS allocated an address without an ID")
    }

    async fn update(context: &Context, id: &str, old: &ElasticIpOutputs, new: &ElasticIpInputs) -> Result<()> {
        ec2::retag(&context.client, id, &old.inputs.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ElasticIpOutputs>> {
        let Some(address) = context.client.look_up::<DescribeAddresses>(key_in(id)?).await? else { return Ok(None) };
        let allocation_id = address.allocation_id().unwrap_or_default().to_owned();
        Ok(Some(ElasticIpOutputs {
            arn: context.client.account().map(|it| ec2::arn(&context.client, it, &format!("elastic-ip/{allocation_id}"))),
            public_ip: address.public_ip().unwrap_or_default().to_owned(),
            inputs: ElasticIpInputs {
                domain: ElasticIpDomain::Vpc,
                address: None,
                public_ipv4_pool: address.public_ipv4_pool().filter(|it| *it != "amazon").map(str::to_owned),
                network_border_group: address.network_border_group().map(str::to_owned),
                tags: ec2::from_tags(address.tags()),
            },
            allocation_id,
        }))
    }

    fn id(outputs: &ElasticIpOutputs) -> String {
        outputs.allocation_id.clone()
    }

    async fn list(context: &Context, _: &All, _: &Cursor) -> Result<Page> {
        let addresses = context.client.ec2().describe_addresses().send().await.explain()?.addresses.unwrap_or_default();
        let listed = addresses.iter().filter_map(|it| ec2::listed(it.allocation_id(), it.tags()));
        Ok(Page::whole(listed))
    }

    async fn delete(context: &Context, id: &str, old: &ElasticIpOutputs) -> Result<()> {
        let client = context.client.ec2();
        let release = || async {
            let request = client.release_address().allocation_id(id);
            match request.set_network_border_group(old.inputs.network_border_group.clone()).send().await.explain() {
                Err(error) if ec2::is_gone(&error) => Ok(()),
                result => result.map(drop),
            }
        };
        let holders = || ec2::interfaces(&context.client, "association.allocation-id", id);
        ec2::delete_when_free(&context.observer, &format!("address {}", old.public_ip), IN_USE, release, holders).await
    }
}

/// `DescribeAddresses`, by allocation ID or by the address itself.
struct DescribeAddresses;

impl Lookup for DescribeAddresses {
    type Key = String;
    type Found = types::Address;
    const LIMIT: usize = 200;

    async fn load(aws: &Aws, keys: Vec<String>) -> Result<HashMap<String, types::Address>> {
        let (addresses, ids): (Vec<_>, Vec<_>) = keys.into_iter().partition(|it| it.parse::<IpAddr>().is_ok());
        let mut found = HashMap::new();
        for (filter, values) in [("allocation-id", ids), ("public-ip", addresses)] {
            if values.is_empty() {
                continue;
            }
            let request = aws.ec2().describe_addresses().filters(ec2::filter(filter, values));
            for it in request.send().await.explain()?.addresses.unwrap_or_default() {
                let keys = [it.allocation_id(), it.public_ip()].map(|it| it.map(str::to_owned));
                found.extend(keys.into_iter().flatten().map(|key| (key, it.clone())));
            }
        }
        Ok(found)
    }
}

/// The allocation ID, or the address, in what a person pasted.
fn key_in(id: &str) -> Result<String> {
    if id.parse::<IpAddr>().is_ok() {
        return Ok(id.to_owned());
    }
    match ec2::id_in(id, "eipalloc-", "Elastic IP address") {
        Err(error) => bail!("{error}, or the address"),
        id => id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::{AnyResource as _, Erased, mistakes};

    #[test]
    fn the_pool_of_aws_is_no_pool_of_ones_own() {
        let resource = Erased::<ElasticIp>::NEW;
        let pool = [("publicIpv4Pool".to_owned(), Value::String("amazon".to_owned()))].into();
        assert_eq!(resource.diff(&Map::new(), &pool), []);
    }

    #[test]
    fn an_address_is_for_a_vpc() {
        assert!(mistakes::<ElasticIp>(json!({ "domain": "vpc" }).into()).is_empty());
        assert!(mistakes::<ElasticIp>(json!({ "domain": "standard" }).into())[0].starts_with("domain is not vpc"));
    }
}
