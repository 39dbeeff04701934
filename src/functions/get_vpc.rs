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
        let found = match vpcs.as_slice() {
            [one] => one,
            [] => bail!("no VPC in {} matches; loosen id, cidrBlock, default, filters or tags", context.client.region()),
            several => {
                let names: Vec<_> = several.iter().map(|it| ec2::named(it.vpc_id(), it.tags())).collect();
                bail!("{} VPCs match: {}; narrow them down by id, default, filters or tags", names.len(), names.join(", "))
            }
        };
        let id = found.vpc_id().context("AWS shows a VPC without an id")?.to_owned();
        let vpc = Vpc::read(context, &id).await?.with_context(|| format!("{id} is gone"))?;
        Ok(Answer { id, default: found.is_default().unwrap_or_default(), vpc })
    }
}
