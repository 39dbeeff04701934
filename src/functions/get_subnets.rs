//! ec2: the subnets that are there already.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Explain as _, ec2},
    function::Function,
    resource::Context,
};

pub struct GetSubnets;

/// Finds the subnets that match all that is given; without arguments, all of the region.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {
    /// What the subnets have to match, by the filters of `DescribeSubnets`: `vpc-id`, `availability-zone`, `default-for-az`
    /// and others. It is an error if one that `subnet-id` names does not match.
    #[serde(default)]
    pub filters: Vec<ec2::FilterArgument>,
    /// The tags that the subnets have to have.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The ids of the subnets, in alphabetical order; empty if none match.
    pub ids: Vec<String>,
}

impl Function for GetSubnets {
    const NAME: &'static str = "getSubnets";
    type Cloud = crate::aws::Session;
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, arguments: &Arguments) -> Result<Answer> {
        let filters = ec2::filters(&arguments.filters, &arguments.tags);
        let pages = context.client.ec2().describe_subnets().set_filters(Some(filters)).into_paginator().items().send();
        let subnets = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
        let mut ids: Vec<_> = subnets.into_iter().filter_map(|it| it.subnet_id).collect();
        ids.sort();
        let named = arguments.filters.iter().filter(|it| it.name == "subnet-id").flat_map(|it| &it.values);
        let missing: Vec<_> = named.filter(|it| !it.contains(['*', '?']) && !ids.contains(it)).map(String::as_str).collect();
        ensure!(missing.is_empty(), "filters: no such subnet in {}: {}", context.client.region(), missing.join(", "));
        Ok(Answer { ids })
    }
}
