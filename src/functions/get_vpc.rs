//! ec2: a VPC that is there already.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Explain as _, ec2},
    function::Function,
    resource::{Context, Resource as _},
    resources::vpc::{Vpc, VpcOutputs},
};

pub struct GetVpc;

/// Finds the one VPC that matches all that is given; `default: true` finds the account's default VPC.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {
    /// The id of the VPC.
    #[schemars(transform = ec2::id::vpc)]
    pub id: Option<String>,
    /// The IPv4 addresses of the VPC.
    #[schemars(extend("format" = "cidr"))]
    pub cidr_block: Option<String>,
    /// Whether it is the default VPC, which AWS made together with the account.
    pub default: Option<bool>,
    /// The DHCP options of the VPC.
    pub dhcp_options_id: Option<String>,
    /// The state of the VPC: `available` or `pending`.
    pub state: Option<String>,
    /// What the VPC has to match, by the filters of `DescribeVpcs`.
    #[serde(default)]
    pub filters: Vec<ec2::FilterArgument>,
    /// The tags that the VPC has to have.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The id of the VPC.
    pub id: String,
    /// Whether it is the default VPC, which AWS made together with the account.
    pub default: bool,
    #[serde(flatten)]
    pub vpc: VpcOutputs,
}

impl Function for GetVpc {
    const NAME: &'static str = "getVpc";
    type Cloud = crate::aws::Session;
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, arguments: &Arguments) -> Result<Answer> {
        let mut filters = ec2::filters(&arguments.filters, &arguments.tags);
        let single = [
            ("vpc-id", arguments.id.clone()),
            ("cidr", arguments.cidr_block.clone()),
            ("is-default", arguments.default.map(|it| it.to_string())),
            ("dhcp-options-id", arguments.dhcp_options_id.clone()),
            ("state", arguments.state.clone()),
        ];
        filters.extend(single.into_iter().filter_map(|(name, value)| Some(ec2::filter(name, vec![value?]))));
        let pages = context.client.ec2().describe_vpcs().set_filters(Some(filters)).into_paginator().items().send();
        let vpcs = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
        let wanted = wanted(arguments);
        let region = context.client.region();
        let found = match vpcs.as_slice() {
            [one] => one,
            [] => bail!(
                "there is no VPC{wanted} in {region}; change what it has to match, or the region of the provider (fargate:region)"
            ),
            several => {
                let names: Vec<_> = several.iter().map(|it| ec2::named(it.vpc_id(), it.tags())).collect();
                bail!(
                    "there are {} VPCs{wanted} in {region}: {}; add what only one of them has: its id, or tags or filters",
                    names.len(),
                    names.join(", ")
                )
            }
        };
        let id = found.vpc_id().context("AWS shows a VPC without an id")?.to_owned();
        let vpc = Vpc::read(context, &id).await?.with_context(|| format!("{id} is gone"))?;
        Ok(Answer { id, default: found.is_default().unwrap_or_default(), vpc })
    }
}

/// What a VPC has to match, in words; empty if it may be any.
fn wanted(arguments: &Arguments) -> String {
    let Arguments { id, cidr_block, default, dhcp_options_id, state, filters, tags } = arguments;
    let default = default.map(|it| it.to_string());
    let single =
        [("id", id), ("cidrBlock", cidr_block), ("default", &default), ("dhcpOptionsId", dhcp_options_id), ("state", state)];
    let single = single.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    let filters = filters.iter().map(|it| format!("filter {} {}", it.name, it.values.join(" or ")));
    let tags = tags.iter().map(|(key, value)| format!("tag {key}={value}"));
    let all: Vec<_> = single.chain(filters).chain(tags).collect();
    if all.is_empty() { String::new() } else { format!(" with {}", all.join(" and ")) }
}
