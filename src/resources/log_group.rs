//! logs: a log group, where containers write to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Result, bail};
use aws_sdk_cloudwatchlogs::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Lookup, Passing, Settle as _, refused_with},
    check::{Loss, Report},
    codec::{Unlisted, name_of, named},
    list::{ByName, Cursor, Listed, Page},
    resource::{Context, Resource, tag_changes},
};

/// How many days AWS is willing to keep logs; 0 is for ever.
const RETENTIONS: [i32; 23] =
    [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// What AWS says while another change of the log group is under way.
const BUSY: &[Passing] = &[("OperationAbortedException", "")];
const GONE: &str = "ResourceNotFoundException";
const TAKEN: &str = "ResourceAlreadyExistsException";

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
    /// How many days logs are kept, 0 for ever. A shorter time deletes what is older. AWS decides it for the class `DELIVERY`.
    /// Default: 30, for AWS would keep them, and charge for them, for ever.
    #[serde(default = "month")]
    pub retention_in_days: i32,
    /// The ARN of the KMS key that logs are encrypted with. Default: a key of AWS's own.
    #[schemars(length(max = 256), regex(pattern = r"^arn:[^:]+:kms:[^:]+:\d{12}:(key|alias)/.+$"))]
    #[schemars(extend("compare" = "kmsKey"))]
    #[schemars(extend("expects" = "the ARN of a key, such as arn:aws:kms:eu-central-1:123456789012:key/…"))]
    pub kms_key_id: Option<String>,
    /// What can be done with the logs, and what they cost. Default: `STANDARD`, for live tail and metrics need it.
    #[serde(default = "standard")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub log_group_class: LogGroupClass,
    /// Whether AWS refuses to delete the log group, whoever asks for it. Default: false in a new log group; one that exists
    /// stays as it is.
    #[schemars(extend("computed" = true))]
    pub deletion_protection_enabled: Option<bool>,
    /// Whether the log group may be replaced by another one, which is empty, where AWS cannot make a change in place. Default:
    /// false, so that such a change is refused at preview.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub allow_data_loss: bool,
    /// Whether the log group, with all logs, stays in AWS when it is deleted from the program. Default: false. The value that
    /// counts is that of the last `pulumi up`.
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
    /// Only for logs of Lambda on their way to Amazon S3 or Data Firehose; AWS keeps them for one day or two.
    Delivery,
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
    type Cloud = crate::aws::Session;
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
        // As the documentation of CreateLogGroup says.
        report.rule(
            &["name"],
            !inputs.name.starts_with("aws/"),
            "starts with aws/, which AWS reserves; give another name, such as one that starts with /aws/",
        );
    }

    fn check_change(old: &LogGroupInputs, new: &LogGroupInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let name = &old.name;
        if old.skip_destroy {
            report.rule(
                &["logGroupClass", "name"],
                !replacing.contains("logGroupClass") || replacing.contains("name") || !report.has_fixed_name(),
                format!(
                    "cannot change: the log group that takes the place of {name} would have the same name, and {name} stays in \
                     AWS, since skipDestroy was true in the last `pulumi up`. Give another name, or leave name out"
                ),
            );
        } else {
            let loss = Loss {
                switch: "allowDataLoss",
                allowed: new.allow_data_loss,
                why: |_| "AWS does not change this of a log group that exists",
                what: format!("an empty log group would take the place of {name}"),
                rest: format!(
                    "all logs in {name} are deleted; or set skipDestroy to true and run `pulumi up` before, and {name} stays in \
                     AWS beside the new one"
                ),
            };
            report.refuse_loss(replacing, &loss);
            report.rule(
                &["deletionProtectionEnabled"],
                replacing.is_empty() || !new.allow_data_loss || old.deletion_protection_enabled != Some(true),
                format!(
                    "was true in the last `pulumi up`, so AWS does not delete {name}: set it to false and run `pulumi up` first"
                ),
            );
        }
        let (before, after) = (old.retention_in_days, new.retention_in_days);
        let kept = |days: i32| if days == 0 { i32::MAX } else { days };
        let shortened = replacing.is_empty() && new.log_group_class != LogGroupClass::Delivery && kept(after) < kept(before);
        let was = if before == 0 { "all logs were kept".to_owned() } else { format!("it was {before}") };
        report.warn(
            &["retentionInDays"],
            !shortened,
            format!("is {after} now and {was}: AWS deletes logs of {name} that are older than {after} days, for good"),
        );
    }

    fn left_out(_: &LogGroupInputs, _: &LogGroupInputs, new: &LogGroupInputs) -> Vec<&'static str> {
        if new.log_group_class == LogGroupClass::Delivery { vec!["retentionInDays"] } else { vec![] }
    }

    async fn create(context: &Context, inputs: &LogGroupInputs) -> Result<String> {
        let create = || async {
            let request = context
                .client
                .logs()
                .create_log_group()
                .log_group_name(&inputs.name)
                .set_kms_key_id(inputs.kms_key_id.clone())
                .log_group_class(name_of(inputs.log_group_class).as_str().into())
                .set_deletion_protection_enabled(inputs.deletion_protection_enabled.filter(|it| *it))
                .set_tags((!inputs.tags.is_empty()).then(|| inputs.tags.clone().into_iter().collect()));
            request.send().await.explain()
        };
        let created = context.observer.settle(BUSY, create).await;
        let by_ecs = "ECS makes a log group by itself where a container has the option awslogs-create-group";
        created.map_err(|error| if refused_with(&error, &[TAKEN]) { error.context(by_ecs) } else { error })?;
        context.made(&inputs.name);
        if inputs.retention_in_days != 0 && inputs.log_group_class != LogGroupClass::Delivery {
            retain(context, &inputs.name, inputs.retention_in_days).await?;
        }
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, id: &str, old: &LogGroupOutputs, new: &LogGroupInputs) -> Result<()> {
        let client = context.client.logs();
        if old.inputs.retention_in_days != new.retention_in_days {
            retain(context, id, new.retention_in_days).await?;
        }
        match &new.kms_key_id {
            key if *key == old.inputs.kms_key_id => {}
            Some(key) => {
                let associate = || async { client.associate_kms_key().log_group_name(id).kms_key_id(key).send().await.explain() };
                context.observer.settle(BUSY, associate).await?;
            }
            None => {
                let disassociate = || async { client.disassociate_kms_key().log_group_name(id).send().await.explain() };
                context.observer.settle(BUSY, disassociate).await?;
            }
        }
        if let Some(protected) = new.deletion_protection_enabled.filter(|it| old.inputs.deletion_protection_enabled != Some(*it))
        {
            let protect = || async {
                let request = client.put_log_group_deletion_protection().log_group_identifier(id);
                request.deletion_protection_enabled(protected).send().await.explain()
            };
            context.observer.settle(BUSY, protect).await?;
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
        let Some(group) = context.client.look_up::<DescribeLogGroups>(name.clone()).await? else { return Ok(None) };
        let arn = group.log_group_arn.or(group.arn).unwrap_or_default();
        let arn = arn.trim_end_matches(":*").to_owned();
        let tags = context.client.logs().list_tags_for_resource().resource_arn(&arn).send().await.explain()?.tags;
        Ok(Some(LogGroupOutputs {
            inputs: LogGroupInputs {
                name,
                retention_in_days: group.retention_in_days.unwrap_or(0),
                kms_key_id: group.kms_key_id.filter(|it| !it.is_empty()),
                // AWS shows a class that this version may not know, and none of the oldest log groups.
                log_group_class: group.log_group_class.map_or(Ok(standard()), |it| named(it.as_str()))?,
                deletion_protection_enabled: Some(group.deletion_protection_enabled.unwrap_or(false)),
                allow_data_loss: false,
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
        let request = context.client.logs().describe_log_groups().set_log_group_name_prefix(query.name_prefix.clone());
        let answer = request.limit(at.size(1..=50)).set_next_token(at.token.clone()).send().await.explain()?;
        let names = answer.log_groups.unwrap_or_default().into_iter().filter_map(|it| it.log_group_name);
        Ok(Page::new(names.map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, old: &LogGroupOutputs) -> Result<()> {
        if old.inputs.skip_destroy {
            (context.observer.say)(&format!("log group {id} stays in AWS with all its logs, for skipDestroy is true"));
            return Ok(());
        }
        // Whoever may delete a log group need not be allowed to look at it.
        let group = context.client.look_up::<DescribeLogGroups>(id.to_owned()).await.ok().flatten();
        let delete = || async { context.client.logs().delete_log_group().log_group_name(id).send().await.explain() };
        match context.observer.settle(BUSY, delete).await {
            Err(error) if refused_with(&error, &[GONE]) => return Ok(()),
            Err(error) if group.as_ref().is_some_and(|it| it.deletion_protection_enabled == Some(true)) => {
                let fix = "set `deletionProtectionEnabled` to false and run `pulumi up` first";
                return Err(error.context(format!("log group {id} is protected against deletion; {fix}")));
            }
            result => result?,
        };
        if let Some(bytes) = group.and_then(|it| it.stored_bytes).filter(|it| *it > 0) {
            let lost = "is deleted with all its logs";
            (context.observer.say)(&format!(
                "log group {id} {lost}, {bytes} bytes as AWS counted last; skipDestroy: true keeps them"
            ));
        }
        Ok(())
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
        let groups = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
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
    let client = context.client.logs();
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
    use serde_json::json;

    use super::*;
    use crate::resource::{AnyResource as _, Erased, findings_of_change, mistakes};

    fn after(old: serde_json::Value, new: serde_json::Value) -> (Vec<String>, Vec<String>) {
        findings_of_change::<LogGroup>(old.into(), new.into())
    }

    #[test]
    fn a_replacement_that_loses_logs_is_refused_unless_it_is_allowed() {
        let old = json!({ "name": "web" });
        for (change, property) in [
            (json!({ "name": "web", "logGroupClass": "INFREQUENT_ACCESS" }), "logGroupClass"),
            (json!({ "name": "worker" }), "name"),
            (json!({ "name": "web", "region": "eu-west-1" }), "region"),
        ] {
            let (mistakes, _) = after(old.clone(), change.clone());
            assert!(mistakes.len() == 1, "{mistakes:?}");
            assert!(mistakes[0].starts_with(&format!("{property} cannot change without data loss: it was ")), "{mistakes:?}");
            assert!(mistakes[0].contains("set allowDataLoss to true, and all logs in web are deleted"), "{mistakes:?}");
            let mut allowed = change.clone();
            allowed["allowDataLoss"] = json!(true);
            assert_eq!(after(old.clone(), allowed.clone()).0, Vec::<String>::new());
            // One that stays loses nothing.
            let kept = json!({ "name": "web", "skipDestroy": true });
            assert_eq!(after(kept, change).0.len(), usize::from(property == "logGroupClass"));
            let protected = json!({ "name": "web", "deletionProtectionEnabled": true });
            let (mistakes, _) = after(protected, allowed);
            assert!(mistakes.len() == 1 && mistakes[0].starts_with("deletionProtectionEnabled was true"), "{mistakes:?}");
        }
        let (mistakes, _) =
            after(json!({ "name": "web", "skipDestroy": true }), json!({ "name": "web", "logGroupClass": "DELIVERY" }));
        assert!(mistakes[0].contains("would have the same name, and web stays in AWS"), "{mistakes:?}");
        // What AWS makes in place loses nothing, nor does a default that is written out.
        let key = "arn:aws:kms:eu-central-1:123456789012:key/one";
        for change in [json!({ "kmsKeyId": key }), json!({ "logGroupClass": "STANDARD" }), json!({ "retentionInDays": 0 })] {
            let mut change = change;
            change["name"] = json!("web");
            assert_eq!(after(old.clone(), change), (vec![], vec![]));
        }
    }

    #[test]
    fn a_shorter_retention_warns_that_logs_are_deleted() {
        let days = |days: i32| json!({ "name": "web", "retentionInDays": days });
        for (before, later) in [(30, 7), (0, 3653)] {
            let (mistakes, warnings) = after(days(before), days(later));
            assert_eq!(mistakes, Vec::<String>::new());
            let part = format!("AWS deletes logs of web that are older than {later} days, for good");
            assert!(warnings.len() == 1 && warnings[0].contains(&part), "{warnings:?}");
        }
        assert_eq!(after(days(7), days(30)), (vec![], vec![]));
        assert_eq!(after(days(7), days(0)), (vec![], vec![]));
    }

    #[test]
    fn aws_decides_the_retention_of_the_class_delivery() {
        let it = Erased::<LogGroup>::NEW;
        let map = |days: i32| {
            let json = json!({ "name": "web", "logGroupClass": "DELIVERY", "retentionInDays": days });
            let crate::value::Value::Object(map) = json.into() else { panic!("inputs are a map") };
            map
        };
        assert_eq!(it.diff(&map(2), &map(30)), []);
        assert_eq!(mistakes::<LogGroup>(json!({ "name": "web", "logGroupClass": "DELIVERY" }).into()), Vec::<String>::new());
    }

    #[test]
    fn names_that_aws_reserves_are_refused() {
        let mistakes_of = |name: &str| mistakes::<LogGroup>(json!({ "name": name }).into());
        assert!(mistakes_of("aws/web")[0].contains("which AWS reserves"));
        assert_eq!(mistakes_of("/aws/web"), Vec::<String>::new());
    }

    #[test]
    fn names_are_found_in_arns() {
        for id in ["/fargate/web", "arn:aws:logs:us-east-1:123456789012:log-group:/fargate/web:*"] {
            assert_eq!(name_in(id).unwrap(), "/fargate/web");
        }
        assert!(name_in("arn:aws:logs:us-east-1:123456789012:log-group:a:log-stream:b").is_err());
    }
}
