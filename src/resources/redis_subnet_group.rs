//! elasticache: the subnets that the nodes of a Redis may be in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use aws_sdk_elasticache::types::CacheSubnetGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, elasticache, refused_with},
    check::Report,
    facts::RedisSubnetGroupFacts,
    list::{All, Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource},
};

const IN_USE: &str = "CacheSubnetGroupInUse";
const GONE: &str = "CacheSubnetGroupNotFoundFault";

pub struct RedisSubnetGroup;

/// The subnets, of one VPC, that the nodes of a Redis may be in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisSubnetGroupInputs {
    /// The name of the subnet group; AWS keeps it in lower case. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9-]+$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 255, "lowercase" = true, "compare" = "caseless"))]
    #[schemars(extend("expects" = "made of letters, digits and hyphens"))]
    pub name: String,
    /// What the subnet group is for. Default: `Managed by Pulumi`, for AWS requires a description.
    #[serde(default = "managed")]
    #[schemars(length(max = 255))]
    pub description: String,
    /// The subnets, usually private ones, in two zones or more so that a replica can be in another zone than its primary.
    #[schemars(length(min = 1), extend("compare" = "set"))]
    #[schemars(transform = crate::aws::ec2::id::subnet)]
    pub subnet_ids: Vec<String>,
    /// Tags to put on the subnet group.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisSubnetGroupOutputs {
    #[serde(flatten)]
    pub inputs: RedisSubnetGroupInputs,
    /// The ARN of the subnet group.
    pub arn: String,
    /// The VPC that the subnets are in.
    pub vpc_id: String,
}

fn managed() -> String {
    "Managed by Pulumi".to_owned()
}

impl Resource for RedisSubnetGroup {
    const NAME: &'static str = "RedisSubnetGroup";
    type Cloud = crate::aws::Session;
    type Inputs = RedisSubnetGroupInputs;
    type Outputs = RedisSubnetGroupOutputs;
    type Query = All;

    fn check(inputs: &RedisSubnetGroupInputs, report: &mut Report<'_>) {
        elasticache::check_description(&inputs.description, report);
    }

    fn facts(inputs: &RedisSubnetGroupInputs, report: &Report<'_>) -> Option<Facts> {
        let renamed_from = elasticache::renamed_from(&inputs.name, report);
        let links = || inputs.subnet_ids.iter().enumerate().map(|(index, it)| report.link(&format!("subnetIds[{index}]"), it));
        let subnets = report.sees("subnetIds").then(|| links().collect());
        let facts = RedisSubnetGroupFacts { name: report.shown(&inputs.name), subnets, renamed_from };
        Some(Facts::new(facts).named(report.known("name", inputs.name.clone())))
    }

    async fn create(context: &Context, inputs: &RedisSubnetGroupInputs) -> Result<String> {
        let request = context
            .client
            .elasticache()
            .create_cache_subnet_group()
            .cache_subnet_group_name(inputs.name.to_lowercase())
            .cache_subnet_group_description(&inputs.description)
            .set_subnet_ids(Some(inputs.subnet_ids.clone()))
            .set_tags(Some(elasticache::to_tags(&inputs.tags)));
        request.send().await.explain()?;
        Ok(inputs.name.to_lowercase())
    }

    async fn update(context: &Context, id: &str, old: &RedisSubnetGroupOutputs, new: &RedisSubnetGroupInputs) -> Result<()> {
        let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        if old.inputs.description != new.description || set(&old.inputs.subnet_ids) != set(&new.subnet_ids) {
            let request = context
                .client
                .elasticache()
                .modify_cache_subnet_group()
                .cache_subnet_group_name(id)
                .cache_subnet_group_description(&new.description)
                .set_subnet_ids(Some(new.subnet_ids.clone()));
            request.send().await.explain()?;
        }
        elasticache::retag(context, &old.arn, &old.inputs.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<RedisSubnetGroupOutputs>> {
        let name = elasticache::name_in(id, "subnetgroup")?;
        let Some(group) = context.client.look_up::<DescribeCacheSubnetGroups>(name.clone()).await? else { return Ok(None) };
        let arn = group.arn.unwrap_or_default();
        let subnets = group.subnets.unwrap_or_default();
        Ok(Some(RedisSubnetGroupOutputs {
            inputs: RedisSubnetGroupInputs {
                name,
                description: group.cache_subnet_group_description.unwrap_or_default(),
                subnet_ids: subnets.into_iter().filter_map(|it| it.subnet_identifier).collect(),
                tags: elasticache::tags(context, &arn).await?,
            },
            arn,
            vpc_id: group.vpc_id.unwrap_or_default(),
        }))
    }

    fn id(outputs: &RedisSubnetGroupOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.client.elasticache().describe_cache_subnet_groups();
        let answer = request.max_records(at.size(20..=100)).set_marker(at.token.clone()).send().await.explain()?;
        let names = answer.cache_subnet_groups.unwrap_or_default().into_iter().filter_map(|it| it.cache_subnet_group_name);
        Ok(Page::new(names.map(Listed::named), answer.marker))
    }

    async fn delete(context: &Context, id: &str, _: &RedisSubnetGroupOutputs) -> Result<()> {
        let client = context.client.elasticache();
        let delete = || async {
            match client.delete_cache_subnet_group().cache_subnet_group_name(id).send().await.explain() {
                Err(error) if refused_with(&error, &[GONE]) => Ok(()),
                result => result.map(drop),
            }
        };
        elasticache::delete_when_free(context, id, IN_USE, delete, |it| it.cache_subnet_group_name() == Some(id)).await
    }
}

/// `DescribeCacheSubnetGroups`, by name.
struct DescribeCacheSubnetGroups;

impl Lookup for DescribeCacheSubnetGroups {
    type Key = String;
    type Found = CacheSubnetGroup;
    const LIMIT: usize = 100;
    const MISSING: &'static [&'static str] = &[GONE];

    async fn load(aws: &Aws, names: Vec<String>) -> Result<HashMap<String, CacheSubnetGroup>> {
        let request = aws.elasticache().describe_cache_subnet_groups().set_cache_subnet_group_name(elasticache::single(names));
        let groups = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(groups.into_iter().filter_map(|it| Some((it.cache_subnet_group_name.clone()?, it))).collect())
    }
}
