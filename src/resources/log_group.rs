//! logs: a log group, where containers write to.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, bail};
use aws_sdk_cloudwatchlogs::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, refused_with},
    check::Report,
    codec::{Unlisted, name_of},
    list::{ByName, Cursor, Listed, Page},
    resource::{Context, Resource, tag_changes},
};

/// How many days AWS is willing to keep logs; 0 is for ever.
const RETENTIONS: [i32; 23] =
    [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// What AWS says while another change of the log group is under way.
const BUSY: &[Passing] = &[("OperationAbortedException", "")];
const GONE: &str = "ResourceNotFoundException";

pub struct LogGroup;

/// A log group, where containers write to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogGroupInputs {
    /// The name of the log group, such as `/fargate/web`. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[A-Za-z0-9_./#-]+$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 512))]
    #[schemars(extend("expects" = "made of letters, digits and the signs _ - / . #"))]
    pub name: String,
    /// How many days logs are kept, 0 for ever. Default: 30, for AWS would keep them, and charge for them, for ever.
    #[serde(default = "month")]
    pub retention_in_days: i32,
    /// The ARN of the KMS key that logs are encrypted with. Default: a key of AWS's own.
    #[schemars(regex(pattern = r"^arn:[^:]+:kms:[^:]+:\d{12}:key/.+$"))]
    #[schemars(extend("expects" = "the ARN of a key, such as arn:aws:kms:eu-central-1:123456789012:key/…"))]
    pub kms_key_id: Option<String>,
    /// What can be done with the logs, and what they cost. Default: `STANDARD`, for live tail and metrics need it.
    #[serde(default = "standard")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub log_group_class: LogGroupClass,
    /// Whether the log group, with all logs, stays in AWS when it is deleted from the program. Default: false.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub skip_destroy: bool,
    /// Tags to put on the log group.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The class of a log group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogGroupClass {
    /// Everything that `CloudWatch` Logs can do.
    Standard,
    /// Half the price to write, and no more than queries to read by.
    InfrequentAccess,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogGroupOutputs {
    #[serde(flatten)]
    pub inputs: LogGroupInputs,
    /// The ARN of the log group, without the `:*` that stands for its streams.
    pub arn: String,
}

fn month() -> i32 {
    30
}

fn standard() -> LogGroupClass {
    LogGroupClass::Standard
}

impl Resource for LogGroup {
    const NAME: &'static str = "LogGroup";
    type Inputs = LogGroupInputs;
    type Outputs = LogGroupOutputs;
    type Query = ByName;

    fn check(inputs: &LogGroupInputs, report: &mut Report<'_>) {
        let days = inputs.retention_in_days;
        let near = RETENTIONS.into_iter().find(|it| *it >= days).unwrap_or(RETENTIONS[RETENTIONS.len() - 1]);
        report.rule(
            &["retentionInDays"],
            RETENTIONS.contains(&days),
            format!("is {days}, which AWS does not offer; {near} comes next, and 0 keeps logs for ever"),
        );
    }

    async fn create(context: &Context, inputs: &LogGroupInputs) -> Result<String> {
        let create = || async {
            let request = context
                .aws
                .logs()
                .create_log_group()
                .log_group_name(&inputs.name)
                .set_kms_key_id(inputs.kms_key_id.clone())
                .log_group_class(name_of(inputs.log_group_class).as_str().into())
                .set_tags((!inputs.tags.is_empty()).then(|| inputs.tags.clone().into_iter().collect()));
            request.send().await.explain()
        };
        context.observer.settle(BUSY, create).await?;
        context.made(&inputs.name);
        if inputs.retention_in_days != 0 {
            retain(context, &inputs.name, inputs.retention_in_days).await?;
        }
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, id: &str, old: &LogGroupOutputs, new: &LogGroupInputs) -> Result<()> {
        let client = context.aws.logs();
        if old.inputs.retention_in_days != new.retention_in_days {
            retain(context, id, new.retention_in_days).await?;
        }
        match &new.kms_key_id {
            key if *key == old.inputs.kms_key_id => {}
            Some(key) => {
                let associate =
                    || async { client.associate_kms_key().log_group_name(id).kms_key_id(key).send().await.explain() };
                context.observer.settle(BUSY, associate).await?;
            }
            None => {
                let disassociate = || async { client.disassociate_kms_key().log_group_name(id).send().await.explain() };
                context.observer.settle(BUSY, disassociate).await?;
            }
        }
        let (set, removed) = tag_changes(&old.inputs.tags, &new.tags);
        if !removed.is_empty() {
            client.untag_resource().resource_arn(&old.arn).set_tag_keys(Some(removed)).send().await.explain()?;
        }
        if !set.is_empty() {
            let set = set.into_iter().collect();
            client.tag_resource().resource_arn(&old.arn).set_tags(Some(set)).send().await.explain()?;
        }
        Ok(())
    }

    async fn read(context: &Context, id: &str) -> Result<Option<LogGroupOutputs>> {
        let name = name_in(id)?;
        let Some(group) = context.aws.look_up::<DescribeLogGroups>(name.clone()).await? else { return Ok(None) };
        let arn = group.log_group_arn.or(group.arn).unwrap_or_default();
        let arn = arn.trim_end_matches(":*").to_owned();
        let tags = context.aws.logs().list_tags_for_resource().resource_arn(&arn).send().await.explain()?.tags;
        Ok(Some(LogGroupOutputs {
            inputs: LogGroupInputs {
                name,
                retention_in_days: group.retention_in_days.unwrap_or(0),
                kms_key_id: group.kms_key_id.filter(|it| !it.is_empty()),
                log_group_class: match group.log_group_class {
                    Some(types::LogGroupClass::InfrequentAccess) => LogGroupClass::InfrequentAccess,
                    _ => LogGroupClass::Standard,
                },
                skip_destroy: false,
                tags: tags.unwrap_or_default().into_iter().collect(),
            },
            arn,
        }))
    }

    fn id(outputs: &LogGroupOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, query: &ByName, at: &Cursor) -> Result<Page> {
        let request = context.aws.logs().describe_log_groups().set_log_group_name_prefix(query.name_prefix.clone());
        let answer = request.limit(at.size(1..=50)).set_next_token(at.token.clone()).send().await.explain()?;
        let names = answer.log_groups.unwrap_or_default().into_iter().filter_map(|it| it.log_group_name);
        Ok(Page::new(names.map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, old: &LogGroupOutputs) -> Result<()> {
        if old.inputs.skip_destroy {
            return Ok(());
        }
        let delete = || async { context.aws.logs().delete_log_group().log_group_name(id).send().await.explain() };
        match context.observer.settle(BUSY, delete).await {
            Err(error) if refused_with(&error, &[GONE]) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// `DescribeLogGroups`, by name.
struct DescribeLogGroups;

impl Lookup for DescribeLogGroups {
    type Key = String;
    type Found = types::LogGroup;
    const LIMIT: usize = 50;
    const MISSING: &'static [&'static str] = &[GONE];

    async fn load(aws: &Aws, names: Vec<String>) -> Result<HashMap<String, types::LogGroup>> {
        let request = aws.logs().describe_log_groups().set_log_group_identifiers(Some(names));
        let groups = request.send().await.explain()?.log_groups.unwrap_or_default();
        Ok(groups.into_iter().filter_map(|it| Some((it.log_group_name.clone()?, it))).collect())
    }
}

/// The name, from itself or from an ARN, `arn:aws:logs:region:account:log-group:name`, with or without `:*`.
fn name_in(id: &str) -> Result<String> {
    match id.split(':').collect::<Vec<_>>()[..] {
        [name] | ["arn", _, "logs", _, _, "log-group", name] | ["arn", _, "logs", _, _, "log-group", name, "*"] => {
            Ok(name.to_owned())
        }
        _ => bail!("{id:?} is neither a name nor an ARN such as arn:aws:logs:eu-central-1:123456789012:log-group:/fargate/web"),
    }
}

async fn retain(context: &Context, name: &str, days: i32) -> Result<()> {
    let client = context.aws.logs();
    let put = || async {
        if days == 0 {
            client.delete_retention_policy().log_group_name(name).send().await.explain().map(drop)
        } else {
            client.put_retention_policy().log_group_name(name).retention_in_days(days).send().await.explain().map(drop)
        }
    };
    context.observer.settle(BUSY, put).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_arns() {
        for id in ["/fargate/web", "arn:aws:logs:us-east-1:123456789012:log-group:/fargate/web:*"] {
            assert_eq!(name_in(id).unwrap(), "/fargate/web");
        }
        assert!(name_in("arn:aws:logs:us-east-1:123456789012:log-group:a:log-stream:b").is_err());
    }
}
