//! elasticache: the settings of a Redis, for one version of its engine.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use aws_sdk_elasticache::types::{CacheCluster, CacheParameterGroup, ParameterNameValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, Settle as _, elasticache, refused_with},
    check::Report,
    facts::RedisParameterGroupFacts,
    list::{All, Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource},
};

/// How many parameters a call changes.
const CHUNK: usize = 20;
/// What AWS says while nodes take over the parameters, and for a while after the last user has been deleted.
const STILL_HELD: &[Passing] = &[(IN_USE, "")];
const IN_USE: &str = "InvalidCacheParameterGroupState";
const GONE: &str = "CacheParameterGroupNotFound";

pub struct RedisParameterGroup;

/// Settings of Redis or Valkey, for replication groups to use.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisParameterGroupInputs {
    /// The name of the parameter group; AWS keeps it in lower case. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 255, "lowercase" = true, "compare" = "caseless"))]
    #[schemars(extend("expects" = "made of letters, digits and single hyphens, with a letter first"))]
    pub name: String,
    /// The engine and version that the parameters are for, such as `redis7` or `valkey8`.
    #[schemars(regex(pattern = r"^(redis|valkey)\d+(\.\w+)?$"))]
    #[schemars(extend("replaceOnChanges" = true, "expects" = "a family such as redis7 or valkey8"))]
    pub family: String,
    /// What the parameter group is for. Default: `Managed by Pulumi`, for AWS requires a description.
    #[serde(default = "managed")]
    #[schemars(length(max = 255), extend("replaceOnChanges" = true))]
    pub description: String,
    /// The parameters that differ from what the family has. One that is taken out goes back to that.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub parameters: Vec<RedisParameterGroupParameter>,
    /// Tags to put on the parameter group.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A setting of Redis or Valkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisParameterGroupParameter {
    /// The name of the parameter, such as `maxmemory-policy`.
    pub name: String,
    /// Its value, such as `noeviction`.
    pub value: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisParameterGroupOutputs {
    #[serde(flatten)]
    pub inputs: RedisParameterGroupInputs,
    /// The ARN of the parameter group.
    pub arn: String,
}

fn managed() -> String {
    "Managed by Pulumi".to_owned()
}

impl Resource for RedisParameterGroup {
    const NAME: &'static str = "RedisParameterGroup";
    type Cloud = crate::aws::Session;
    type Inputs = RedisParameterGroupInputs;
    type Outputs = RedisParameterGroupOutputs;
    type Query = All;

    fn check(inputs: &RedisParameterGroupInputs, report: &mut Report<'_>) {
        elasticache::check_description(&inputs.description, report);
        let parameters = &inputs.parameters;
        for (index, parameter) in parameters.iter().enumerate() {
            report.rule(
                &[&format!("parameters[{index}].name")],
                !parameters[..index].iter().any(|it| it.name == parameter.name),
                format!("is {}, which is set above already", parameter.name),
            );
        }
        report.rule(
            &["name"],
            !inputs.name.starts_with("default."),
            "starts with default., as the groups that AWS makes do; give another name",
        );
    }

    fn facts(inputs: &RedisParameterGroupInputs, report: &Report<'_>) -> Option<Facts> {
        let enabled = |it: &RedisParameterGroupParameter| it.name == "cluster-enabled" && it.value == "yes";
        let facts = RedisParameterGroupFacts {
            name: report.shown(&inputs.name),
            family: report.known("family", inputs.family.clone()),
            cluster_enabled: report.known("parameters", inputs.parameters.iter().any(enabled)),
            renamed_from: elasticache::renamed_from(&inputs.name, report),
            recreated: report.replaces_in_place(),
        };
        Some(Facts::new(facts).named(report.known("name", inputs.name.clone())))
    }

    async fn create(context: &Context, inputs: &RedisParameterGroupInputs) -> Result<String> {
        let name = inputs.name.to_lowercase();
        let request = context
            .client
            .elasticache()
            .create_cache_parameter_group()
            .cache_parameter_group_name(&name)
            .cache_parameter_group_family(&inputs.family)
            .description(&inputs.description)
            .set_tags(Some(elasticache::to_tags(&inputs.tags)));
        request.send().await.explain()?;
        context.made(&name);
        set(context, &name, inputs.parameters.iter()).await?;
        Ok(name)
    }

    async fn update(
        context: &Context,
        id: &str,
        old: &RedisParameterGroupOutputs,
        new: &RedisParameterGroupInputs,
    ) -> Result<()> {
        let olds = &old.inputs.parameters;
        let removed = olds.iter().filter(|old| !new.parameters.iter().any(|it| it.name == old.name));
        reset(context, id, removed).await?;
        set(context, id, new.parameters.iter().filter(|it| !olds.contains(it))).await?;
        elasticache::retag(context, &old.arn, &old.inputs.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<RedisParameterGroupOutputs>> {
        let name = elasticache::name_in(id, "parametergroup")?;
        let Some(group) = context.client.look_up::<DescribeCacheParameterGroups>(name.clone()).await? else { return Ok(None) };
        let request = context.client.elasticache().describe_cache_parameters().cache_parameter_group_name(&name).source("user");
        let parameters = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
        let set = parameters.into_iter().filter(|it| it.source() == Some("user"));
        let arn = group.arn.unwrap_or_default();
        Ok(Some(RedisParameterGroupOutputs {
            inputs: RedisParameterGroupInputs {
                name,
                family: group.cache_parameter_group_family.unwrap_or_default(),
                description: group.description.unwrap_or_default(),
                parameters: set
                    .filter_map(|it| Some(RedisParameterGroupParameter { name: it.parameter_name?, value: it.parameter_value? }))
                    .collect(),
                tags: elasticache::tags(context, &arn).await?,
            },
            arn,
        }))
    }

    fn id(outputs: &RedisParameterGroupOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.client.elasticache().describe_cache_parameter_groups();
        let answer = request.max_records(at.size(20..=100)).set_marker(at.token.clone()).send().await.explain()?;
        // Those that AWS made, one for each family, nobody can change; and Memcached is none of ours.
        let ours = |it: &CacheParameterGroup| {
            let family = it.cache_parameter_group_family().unwrap_or_default();
            let made_by_aws = it.cache_parameter_group_name().is_some_and(|it| it.starts_with("default."));
            !made_by_aws && (family.starts_with("redis") || family.starts_with("valkey"))
        };
        let groups = answer.cache_parameter_groups.unwrap_or_default().into_iter().filter(ours);
        Ok(Page::new(groups.filter_map(|it| it.cache_parameter_group_name).map(Listed::named), answer.marker))
    }

    async fn delete(context: &Context, id: &str, _: &RedisParameterGroupOutputs) -> Result<()> {
        let client = context.client.elasticache();
        let delete = || async {
            match client.delete_cache_parameter_group().cache_parameter_group_name(id).send().await.explain() {
                Err(error) if refused_with(&error, &[GONE]) => Ok(()),
                result => result.map(drop),
            }
        };
        let uses = |it: &CacheCluster| it.cache_parameter_group().and_then(|it| it.cache_parameter_group_name()) == Some(id);
        elasticache::delete_when_free(context, id, IN_USE, delete, uses).await
    }
}

/// `DescribeCacheParameterGroups`, by name.
struct DescribeCacheParameterGroups;

impl Lookup for DescribeCacheParameterGroups {
    type Key = String;
    type Found = CacheParameterGroup;
    const LIMIT: usize = 100;
    const MISSING: &'static [&'static str] = &[GONE];

    async fn load(aws: &Aws, names: Vec<String>) -> Result<HashMap<String, CacheParameterGroup>> {
        let name = elasticache::single(names);
        let request = aws.elasticache().describe_cache_parameter_groups().set_cache_parameter_group_name(name);
        let groups = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
        Ok(groups.into_iter().filter_map(|it| Some((it.cache_parameter_group_name.clone()?, it))).collect())
    }
}

type Parameters<'a> = &'a RedisParameterGroupParameter;

async fn set<'a>(context: &Context, name: &str, parameters: impl Iterator<Item = Parameters<'a>>) -> Result<()> {
    for chunk in chunks(parameters) {
        let request = || async {
            let request = context.client.elasticache().modify_cache_parameter_group().cache_parameter_group_name(name);
            request.set_parameter_name_values(Some(chunk.clone())).send().await.explain()
        };
        context.observer.settle(STILL_HELD, request).await?;
    }
    Ok(())
}

async fn reset<'a>(context: &Context, name: &str, parameters: impl Iterator<Item = Parameters<'a>>) -> Result<()> {
    for chunk in chunks(parameters) {
        let request = || async {
            let request = context.client.elasticache().reset_cache_parameter_group().cache_parameter_group_name(name);
            request.set_parameter_name_values(Some(chunk.clone())).send().await.explain()
        };
        context.observer.settle(STILL_HELD, request).await?;
    }
    Ok(())
}

fn chunks<'a>(parameters: impl Iterator<Item = Parameters<'a>>) -> Vec<Vec<ParameterNameValue>> {
    let value = |it: &RedisParameterGroupParameter| {
        ParameterNameValue::builder().parameter_name(&it.name).parameter_value(&it.value).build()
    };
    parameters.map(value).collect::<Vec<_>>().chunks(CHUNK).map(<[_]>::to_vec).collect()
}
