//! elbv2: a rule of a listener, which takes the requests that meet its conditions.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Settle as _,
        elb::{self, ListenerAction, ListenerActionType},
        refused_with,
    },
    check::Report,
    codec::{Unlisted, name_of, named},
    facts::{ListenerFacts, ListenerRuleFacts},
    list::{Cursor, Listed, Page},
    plan::{Candidates, Facts, Link},
    resource::{Context, Resource, changed, occupied},
    value::Map,
};

/// What AWS says while another rule has the priority, or another load balancer the target group.
const TAKEN: &[Passing] = &[("PriorityInUse", ""), elb::SERVES_ANOTHER];
/// How many values all conditions of a rule may have together, and how many wildcards: quotas that AWS does not raise.
const MOST_VALUES: usize = 5;
const MOST_WILDCARDS: usize = 6;
const HIGHEST_PRIORITY: i32 = 50_000;

/// What the rules of a session share.
#[derive(Default)]
struct Priorities {
    /// The rules that are on their way to another priority: two rules can only swap theirs in one call.
    moves: Mutex<BTreeMap<String, i32>>,
    /// Held while a free priority is found and taken.
    taking: AsyncMutex<()>,
}

pub struct ListenerRule;

/// A rule of a listener: it takes the requests that meet all of its conditions.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleInputs {
    /// The ARN of the listener.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = crate::aws::arn::listener)]
    pub listener_arn: String,
    /// The place of the rule among those of the listener, from 1 to 50000: the lowest goes first. Default: after all there are.
    #[schemars(range(min = 1, max = 50_000), extend("computed" = true, "always" = true))]
    pub priority: Option<i32>,
    /// What a request has to meet, all of it.
    #[schemars(length(min = 1), extend("compare" = "set"))]
    pub conditions: Vec<ListenerRuleCondition>,
    /// What to do with the requests.
    #[schemars(length(min = 1), extend("keyedBy" = "type"))]
    pub actions: Vec<ListenerAction>,
    /// How to rewrite requests on their way to the target, at most one of each kind.
    #[serde(default)]
    #[schemars(length(max = 2), extend("keyedBy" = "type"))]
    pub transforms: Vec<ListenerRuleTransform>,
    /// Tags to put on the rule.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What a request has to meet. Each condition has exactly one of these properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleCondition {
    /// The host is one of these.
    pub host_header: Option<ListenerRuleConditionPatterns>,
    /// The path is one of these.
    pub path_pattern: Option<ListenerRuleConditionPatterns>,
    /// A header has one of these values.
    pub http_header: Option<ListenerRuleConditionHttpHeader>,
    /// The method is one of these.
    pub http_request_method: Option<ListenerRuleConditionValues>,
    /// The query holds one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_strings: Vec<ListenerRuleConditionQueryString>,
    /// The client's address is in one of these.
    pub source_ip: Option<ListenerRuleConditionSourceIp>,
}

/// Patterns, one of which has to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleConditionPatterns {
    /// Texts in which `*` stands for any characters and `?` for any one. Paths start with `/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 128)), extend("compare" = "set"))]
    pub values: Vec<String>,
    /// Regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 128)), extend("compare" = "set"))]
    pub regex_values: Vec<String>,
}

/// A header, and patterns for its value, one of which has to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleConditionHttpHeader {
    /// The name of the header. For the host, see `hostHeader`.
    #[schemars(length(min = 1, max = 40))]
    pub http_header_name: String,
    /// Texts in which `*` stands for any characters and `?` for any one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 128)), extend("compare" = "set"))]
    pub values: Vec<String>,
    /// Regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 128)), extend("compare" = "set"))]
    pub regex_values: Vec<String>,
}

/// Texts, one of which has to be met exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleConditionValues {
    /// The texts, such as `GET` and `HEAD`.
    #[schemars(length(min = 1), extend(
        "compare" = "set",
        "items" = {
            "type": "string",
            "maxLength": 40,
            "pattern": "^[A-Z_-]+$",
            "expects": "a method in capital letters, such as GET"
        }
    ))]
    pub values: Vec<String>,
}

/// A part of the query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleConditionQueryString {
    /// The key. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub key: Option<String>,
    /// The value, in which `*` stands for any characters and `?` for any one.
    #[schemars(length(min = 1, max = 128))]
    pub value: String,
}

/// Networks of clients. Behind a proxy, the proxy is the client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleConditionSourceIp {
    /// The networks, as CIDR blocks.
    #[schemars(length(min = 1), extend("compare" = "set", "items" = { "type": "string", "format": "cidr" }))]
    pub values: Vec<String>,
}

/// How to rewrite requests on their way to the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleTransform {
    /// What is rewritten.
    pub r#type: ListenerRuleTransformType,
    /// For `host-header-rewrite`: how.
    pub host_header_rewrite_config: Option<ListenerRuleTransformConfig>,
    /// For `url-rewrite`: how.
    pub url_rewrite_config: Option<ListenerRuleTransformConfig>,
}

/// What a transform rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerRuleTransformType {
    /// The host.
    HostHeaderRewrite,
    /// The path and the query.
    UrlRewrite,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// How a transform rewrites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleTransformConfig {
    /// What is replaced, and by what.
    pub rewrite: ListenerRuleRewrite,
}

/// What is replaced, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleRewrite {
    /// A regular expression, such as `^/api/(.*)$`.
    #[schemars(length(min = 1, max = 1024))]
    pub regex: String,
    /// What comes in its place, where `$1` stands for the first group: `/$1`.
    #[schemars(length(max = 1024))]
    pub replace: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleOutputs {
    #[serde(flatten)]
    pub inputs: ListenerRuleInputs,
    /// The ARN of the rule.
    pub arn: String,
}

/// What rules to list: AWS tells those of one listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRuleQuery {
    /// The ARN of the listener.
    #[schemars(transform = crate::aws::arn::listener)]
    pub listener_arn: String,
}

impl Resource for ListenerRule {
    const NAME: &'static str = "ListenerRule";
    type Cloud = crate::aws::Session;
    type Inputs = ListenerRuleInputs;
    type Outputs = ListenerRuleOutputs;
    type Query = ListenerRuleQuery;

    fn normalize(inputs: &mut Map) {
        elb::normalize_actions(inputs.get_mut("actions"));
    }

    fn check(inputs: &ListenerRuleInputs, report: &mut Report<'_>) {
        check_conditions(&inputs.conditions, report);
        elb::check_actions("actions", &inputs.actions, report);
        for (index, transform) in inputs.transforms.iter().enumerate() {
            let at = |name: &str| format!("transforms[{index}].{name}");
            let (host, url) = (transform.host_header_rewrite_config.is_some(), transform.url_rewrite_config.is_some());
            let is_host = transform.r#type == ListenerRuleTransformType::HostHeaderRewrite;
            let fits = "has to be there for its own type, and for no other";
            report.rule(&[&at("hostHeaderRewriteConfig?"), &at("type")], host == is_host, fits);
            report.rule(&[&at("urlRewriteConfig?"), &at("type")], url != is_host, fits);
        }
        let listener = report.link("listenerArn", &inputs.listener_arn);
        check_priority(inputs, &listener, report);
        let listeners = report.follow::<ListenerFacts>(&listener);
        check_protocol(&inputs.actions, &listeners, report);
        elb::check_forwards("actions", &inputs.actions, &listeners, report);
    }

    fn check_change(old: &ListenerRuleInputs, new: &ListenerRuleInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        if replacing.is_empty() {
            elb::check_recreated("actions", &old.actions, &new.actions, report);
        }
    }

    fn excludes(old: &ListenerRuleInputs, new: &ListenerRuleInputs) -> bool {
        if old.listener_arn == new.listener_arn {
            return old.priority.is_some() && old.priority == new.priority;
        }
        balancer_of(&old.listener_arn) != balancer_of(&new.listener_arn) && elb::share_target_group(&old.actions, &new.actions)
    }

    fn facts(inputs: &ListenerRuleInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(ListenerRuleFacts {
            listener: report.link("listenerArn", &inputs.listener_arn),
            priority: report.known("priority", inputs.priority).flatten(),
            target_groups: elb::links("actions", &inputs.actions, report),
        }))
    }

    async fn create(context: &Context, inputs: &ListenerRuleInputs) -> Result<String> {
        let listener = &inputs.listener_arn;
        let create = |priority| async move {
            let request = context
                .client
                .elb()
                .create_rule()
                .listener_arn(listener)
                .priority(priority)
                .set_conditions(Some(inputs.conditions.iter().map(to_condition).collect()))
                .set_actions(Some(elb::to_actions(&inputs.actions)))
                .set_transforms(to_transforms(&inputs.transforms))
                .set_tags(elb::to_tags(&inputs.tags));
            request.send().await.explain()
        };
        let created = if let Some(priority) = inputs.priority {
            once_free(context, listener, priority, || create(priority)).await
        } else {
            let shared = context.client.shared(Priorities::default);
            let _taking = shared.taking.lock().await;
            // Others, of whom this process does not know, may take the same priority at the same time.
            let next = || async {
                let highest = priorities(context, listener).await?.into_keys().max().unwrap_or_default();
                if highest == HIGHEST_PRIORITY {
                    bail!("the listener has a rule of priority {HIGHEST_PRIORITY}, after which there is no other; set priority");
                }
                create(highest + 1).await
            };
            context.observer.settle(TAKEN, next).await
        };
        let made = created.map_err(elb::explain_association)?.rules.unwrap_or_default().pop();
        made.and_then(|it| it.rule_arn).context("AWS did not say which rule it made")
    }

    async fn update(context: &Context, arn: &str, old: &ListenerRuleOutputs, new: &ListenerRuleInputs) -> Result<()> {
        let client = context.client.elb();
        let was = &old.inputs;
        if let Some(priority) = new.priority.filter(|it| was.priority != Some(*it)) {
            move_to(context, arn, &new.listener_arn, priority).await?;
        }
        let changed = changed(was, new)?;
        if ["conditions", "actions", "transforms"].iter().any(|it| changed.contains(*it)) {
            // AWS keeps what it is not told of.
            let conditions = changed.contains("conditions").then(|| new.conditions.iter().map(to_condition).collect());
            let actions = elb::to_actions(&elb::keep_left_out(&was.actions, &new.actions));
            let actions = Some(actions).filter(|_| changed.contains("actions"));
            let rewrites = changed.contains("transforms");
            let modify = || async {
                let request = client
                    .modify_rule()
                    .rule_arn(arn)
                    .set_conditions(conditions.clone())
                    .set_actions(actions.clone())
                    .set_transforms(to_transforms(&new.transforms).filter(|_| rewrites))
                    .set_reset_transforms((rewrites && new.transforms.is_empty()).then_some(true));
                request.send().await.explain()
            };
            context.observer.settle(&[elb::SERVES_ANOTHER], modify).await.map_err(elb::explain_association)?;
        }
        elb::retag(&context.client, arn, &was.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ListenerRuleOutputs>> {
        elb::check_id(id, "listener-rule", false)?;
        let Some(rule) = context.client.look_up::<DescribeRules>(id.to_owned()).await? else { return Ok(None) };
        if rule.is_default() == Some(true) {
            bail!("{id} is the rule that a listener has by itself: the defaultActions of the Listener");
        }
        Ok(Some(ListenerRuleOutputs {
            inputs: ListenerRuleInputs {
                listener_arn: listener_of(id),
                priority: rule.priority().and_then(|it| it.parse().ok()),
                conditions: rule.conditions().iter().map(from_condition).collect(),
                actions: elb::from_actions(rule.actions())?,
                transforms: rule.transforms().iter().map(from_transform).collect::<Result<_>>()?,
                tags: elb::tags_of(&context.client, id).await?,
            },
            arn: rule.rule_arn().unwrap_or_default().to_owned(),
        }))
    }

    fn id(outputs: &ListenerRuleOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, query: &ListenerRuleQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.elb().describe_rules().listener_arn(&query.listener_arn);
        let request = request.page_size(at.size(1..=400)).set_marker(at.token.clone());
        let answer = request.send().await.explain().with_context(|| format!("listenerArn: {}", query.listener_arn))?;
        let rules = answer.rules.unwrap_or_default().into_iter().filter(|it| it.is_default() != Some(true));
        let listed = rules.filter_map(|it| {
            let actions = elb::from_actions(it.actions()).ok()?;
            let known = actions.iter().all(|it| !matches!(it.r#type, ListenerActionType::Other(_)))
                && it.conditions().iter().all(|it| !is_unknown(&from_condition(it)));
            if !known {
                return None;
            }
            Some(Listed::new(it.rule_arn?, it.priority.unwrap_or_default()))
        });
        Ok(Page::new(listed, answer.next_marker))
    }

    async fn delete(context: &Context, arn: &str, _: &ListenerRuleOutputs) -> Result<()> {
        match context.client.elb().delete_rule().rule_arn(arn).send().await.explain() {
            Err(error) if refused_with(&error, &["RuleNotFound"]) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// `DescribeRules`, by ARN.
struct DescribeRules;

impl Lookup for DescribeRules {
    type Key = String;
    type Found = types::Rule;
    const LIMIT: usize = 20;
    const MISSING: &'static [&'static str] = &["RuleNotFound"];

    async fn load(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, types::Rule>> {
        let described = aws.elb().describe_rules().set_rule_arns(Some(arns)).send().await.explain()?;
        let all = described.rules.unwrap_or_default();
        Ok(all.into_iter().filter_map(|it| Some((it.rule_arn()?.to_owned(), it))).collect())
    }
}

/// The ARN of the listener, `…:listener/app/name/load balancer/listener`, from `…:listener-rule/app/name/load balancer/listener/rule`.
fn listener_of(rule: &str) -> String {
    let listener = rule.rsplit_once('/').map_or(rule, |(listener, _)| listener);
    listener.replacen(":listener-rule/", ":listener/", 1)
}

/// The load balancer, `…:listener/app/name/load balancer`, from the ARN of a listener.
fn balancer_of(listener: &str) -> &str {
    listener.rsplit_once('/').map_or(listener, |(balancer, _)| balancer)
}

/// The rules of a listener by their priority, but for the one it has by itself.
async fn priorities(context: &Context, listener: &str) -> Result<BTreeMap<i32, String>> {
    let mut pages = context.client.elb().describe_rules().listener_arn(listener).into_paginator().items().send();
    let mut taken = BTreeMap::new();
    while let Some(rule) = pages.next().await {
        let rule = rule.explain()?;
        if let (Some(Ok(priority)), Some(arn)) = (rule.priority().map(str::parse), rule.rule_arn) {
            taken.insert(priority, arn);
        }
    }
    Ok(taken)
}

/// Repeats `call` for a while if the priority is taken: the rule that has it may get another one in the same update.
async fn once_free<T, F>(context: &Context, listener: &str, priority: i32, call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    match context.observer.settle(TAKEN, call).await {
        Err(error) if refused_with(&error, &["PriorityInUse"]) => {
            let taken = priorities(context, listener).await?;
            let rule = taken.get(&priority).map_or("<its ARN>", String::as_str);
            Err(error.context(occupied::<ListenerRule>(&format!("of priority {priority} of the listener"), "priority", rule)))
        }
        result => result,
    }
}

/// Gives the rule another priority, together with the other rules of the listener that are to get another one just now.
async fn move_to(context: &Context, arn: &str, listener: &str, priority: i32) -> Result<()> {
    let shared = context.client.shared(Priorities::default);
    let moves = || shared.moves.lock().unwrap_or_else(PoisonError::into_inner);
    moves().insert(arn.to_owned(), priority);
    let set = || async {
        if priorities(context, listener).await?.get(&priority).is_some_and(|it| it == arn) {
            return Ok(()); // moved along with another
        }
        let pair =
            |(arn, priority): (&String, &i32)| types::RulePriorityPair::builder().rule_arn(arn).priority(*priority).build();
        let pairs = moves().iter().filter(|(arn, _)| listener_of(arn) == listener).map(pair).collect();
        context.client.elb().set_rule_priorities().set_rule_priorities(Some(pairs)).send().await.explain().map(drop)
    };
    let alone = types::RulePriorityPair::builder().rule_arn(arn).priority(priority).build();
    let result = match context.client.elb().set_rule_priorities().rule_priorities(alone).send().await.explain() {
        Err(error) if refused_with(&error, &["PriorityInUse"]) => once_free(context, listener, priority, set).await,
        result => result.map(drop),
    };
    moves().remove(arn);
    result
}

fn check_conditions(conditions: &[ListenerRuleCondition], report: &mut Report<'_>) {
    let patterns = |it: &ListenerRuleConditionPatterns| it.values.len() + it.regex_values.len();
    let mut all = 0;
    for (index, it) in conditions.iter().enumerate() {
        let kinds = [
            ("hostHeader", it.host_header.as_ref().map(patterns)),
            ("pathPattern", it.path_pattern.as_ref().map(patterns)),
            ("httpHeader", it.http_header.as_ref().map(|it| it.values.len() + it.regex_values.len())),
            ("httpRequestMethod", it.http_request_method.as_ref().map(|it| it.values.len())),
            ("queryStrings", Some(it.query_strings.len()).filter(|it| *it > 0)),
            ("sourceIp", it.source_ip.as_ref().map(|it| it.values.len())),
        ];
        let path = format!("conditions[{index}]");
        check_values(&path, it, report);
        let given: Vec<_> = kinds.iter().filter_map(|(name, values)| Some((*name, (*values)?))).collect();
        let names: Vec<_> = kinds.iter().map(|(name, _)| *name).collect();
        let reason =
            if given.is_empty() { "; an imported rule without any has a condition that this version does not know" } else { "" };
        let over: Vec<_> = [format!("{path}?")].into_iter().chain(names.iter().map(|it| format!("{path}.{it}?"))).collect();
        report.rule(
            &over.iter().map(String::as_str).collect::<Vec<_>>(),
            given.len() == 1,
            format!("needs exactly one of {}{reason}", names.join(", ")),
        );
        for (name, values) in &given {
            let over = ["", ".values", ".regexValues"].map(|it| format!("{path}.{name}{it}?"));
            report.rule(&over.each_ref().map(String::as_str), *values > 0, "has no values to compare with");
            all += values;
        }
    }
    // What is known is too much already, whatever the rest is.
    report.rule(&["conditions?"], all <= MOST_VALUES, format!("has {all} values; AWS allows {MOST_VALUES} in a rule"));
    let wildcards = conditions.iter().flat_map(patterns_of).map(|it| it.matches(['*', '?']).count()).sum::<usize>();
    let reason = format!("has {wildcards} wildcards; AWS allows {MOST_WILDCARDS} in a rule: split it into several rules");
    report.warn(&["conditions?"], wildcards <= MOST_WILDCARDS, reason);
    let mut once = |name, count: usize| {
        report.rule(
            &["conditions?", &format!("conditions[].{name}?")],
            count <= 1,
            format!("has {name} in {count} conditions; give all values in one"),
        );
    };
    once("hostHeader", conditions.iter().filter(|it| it.host_header.is_some()).count());
    once("pathPattern", conditions.iter().filter(|it| it.path_pattern.is_some()).count());
    once("httpRequestMethod", conditions.iter().filter(|it| it.http_request_method.is_some()).count());
    once("sourceIp", conditions.iter().filter(|it| it.source_ip.is_some()).count());
}

/// The values of a condition in which `*` and `?` are wildcards.
fn patterns_of(condition: &ListenerRuleCondition) -> Vec<&str> {
    let patterns = condition.host_header.iter().chain(&condition.path_pattern).flat_map(|it| &it.values);
    let headers = condition.http_header.iter().flat_map(|it| &it.values);
    let queries = condition.query_strings.iter().flat_map(|it| it.key.iter().chain([&it.value]));
    patterns.chain(headers).chain(queries).map(String::as_str).collect()
}

/// Reports values that no request can meet.
fn check_values(path: &str, condition: &ListenerRuleCondition, report: &mut Report<'_>) {
    for (index, pattern) in condition.path_pattern.iter().flat_map(|it| &it.values).enumerate() {
        let starts = pattern.is_empty() || pattern.starts_with(['/', '*', '?']);
        let reason = format!("is {pattern:?}, but every path starts with /; set it to {:?}", format!("/{pattern}"));
        report.rule(&[&format!("{path}.pathPattern.values[{index}]")], starts, reason);
    }
    let about_host = condition.http_header.as_ref().is_some_and(|it| it.http_header_name.eq_ignore_ascii_case("host"));
    let reason = "is Host, for which AWS has hostHeader";
    report.rule(&[&format!("{path}.httpHeader.httpHeaderName")], !about_host, reason);
}

/// Reports a priority that another rule of the listener has.
fn check_priority(inputs: &ListenerRuleInputs, listener: &Link, report: &mut Report<'_>) {
    let Some(priority) = inputs.priority else { return };
    let same = |it: &ListenerRuleFacts| it.priority == Some(priority) && report.same::<ListenerFacts>(listener, &it.listener);
    let clash = report.others::<ListenerRuleFacts>().into_iter().find(same);
    let clash = Candidates { certain: matches!(listener, Link::Known(_)), those: clash.into_iter().collect() };
    report.compare("priority", &["priority"], &clash, |_| {
        Some(format!("is {priority}, which another rule of the same listener in the program has as well; set another one"))
    });
}

/// Reports actions that listeners of another protocol alone take.
fn check_protocol(actions: &[ListenerAction], listeners: &Candidates<ListenerFacts>, report: &mut Report<'_>) {
    for (index, action) in actions.iter().enumerate() {
        let path = format!("actions[{index}].type");
        report.compare(&path, &[&path], listeners, |listener| {
            let protocol = listener.protocol.as_deref()?;
            let lacks = action.r#type.authenticates() && protocol != "HTTPS";
            lacks.then(|| {
                format!("authenticates users, which only listeners of protocol HTTPS do, and that of the listener is {protocol}")
            })
        });
        let path = format!("actions[{index}].redirect.protocol");
        report.compare(&path, &[&path], listeners, |listener| {
            let back = action.redirect.as_ref().is_some_and(|it| it.protocol == "HTTP");
            let encrypted = listener.protocol.as_deref() == Some("HTTPS");
            (back && encrypted).then(|| "is HTTP, but AWS redirects no HTTPS to HTTP".to_owned())
        });
        let path = format!("actions[{index}].forward.stickiness.duration");
        report.compare(&path, &[&path], listeners, |listener| {
            let stays = action.forward.as_ref().is_some_and(|it| it.stickiness.enabled && it.stickiness.duration.is_none());
            let http = matches!(listener.protocol.as_deref(), Some("HTTP" | "HTTPS"));
            (stays && http).then(|| "is required where stickiness is enabled".to_owned())
        });
    }
}

/// Whether it is none of the conditions that there are here.
fn is_unknown(it: &ListenerRuleCondition) -> bool {
    let patterns = it.host_header.is_none() && it.path_pattern.is_none() && it.http_header.is_none();
    patterns && it.http_request_method.is_none() && it.query_strings.is_empty() && it.source_ip.is_none()
}

fn to_condition(condition: &ListenerRuleCondition) -> types::RuleCondition {
    let builder = types::RuleCondition::builder();
    let list = |it: &Vec<String>| (!it.is_empty()).then(|| it.clone());
    if let Some(it) = &condition.host_header {
        let config = types::HostHeaderConditionConfig::builder().set_values(list(&it.values));
        let config = config.set_regex_values(list(&it.regex_values)).build();
        return builder.field("host-header").host_header_config(config).build();
    }
    if let Some(it) = &condition.path_pattern {
        let config = types::PathPatternConditionConfig::builder().set_values(list(&it.values));
        let config = config.set_regex_values(list(&it.regex_values)).build();
        return builder.field("path-pattern").path_pattern_config(config).build();
    }
    if let Some(it) = &condition.http_header {
        let config = types::HttpHeaderConditionConfig::builder().http_header_name(&it.http_header_name);
        let config = config.set_values(list(&it.values)).set_regex_values(list(&it.regex_values)).build();
        return builder.field("http-header").http_header_config(config).build();
    }
    if let Some(it) = &condition.http_request_method {
        let config = types::HttpRequestMethodConditionConfig::builder().set_values(list(&it.values)).build();
        return builder.field("http-request-method").http_request_method_config(config).build();
    }
    if let Some(it) = &condition.source_ip {
        let config = types::SourceIpConditionConfig::builder().set_values(list(&it.values)).build();
        return builder.field("source-ip").source_ip_config(config).build();
    }
    let pair = |it: &ListenerRuleConditionQueryString| {
        types::QueryStringKeyValuePair::builder().set_key(it.key.clone()).value(&it.value).build()
    };
    let pairs = condition.query_strings.iter().map(pair).collect();
    let config = types::QueryStringConditionConfig::builder().set_values(Some(pairs)).build();
    builder.field("query-string").query_string_config(config).build()
}

/// The condition that AWS shows; one of a kind that is not known here is shown as one of none, so that it is not lost unseen.
fn from_condition(condition: &types::RuleCondition) -> ListenerRuleCondition {
    // AWS shows some kinds in two ways.
    let values = |shown: Option<&[String]>| shown.filter(|it| !it.is_empty()).unwrap_or(condition.values()).to_vec();
    let mut none = ListenerRuleCondition {
        host_header: None,
        path_pattern: None,
        http_header: None,
        http_request_method: None,
        query_strings: Vec::new(),
        source_ip: None,
    };
    match condition.field().unwrap_or_default() {
        "host-header" => {
            let config = condition.host_header_config();
            let regex_values = config.map(|it| it.regex_values().to_vec()).unwrap_or_default();
            let values = values(config.map(types::HostHeaderConditionConfig::values));
            none.host_header = Some(ListenerRuleConditionPatterns { values, regex_values });
        }
        "path-pattern" => {
            let config = condition.path_pattern_config();
            let regex_values = config.map(|it| it.regex_values().to_vec()).unwrap_or_default();
            let values = values(config.map(types::PathPatternConditionConfig::values));
            none.path_pattern = Some(ListenerRuleConditionPatterns { values, regex_values });
        }
        "http-header" => {
            none.http_header = condition.http_header_config().map(|config| ListenerRuleConditionHttpHeader {
                http_header_name: config.http_header_name().unwrap_or_default().to_owned(),
                values: config.values().to_vec(),
                regex_values: config.regex_values().to_vec(),
            });
        }
        "http-request-method" => {
            let shown = condition.http_request_method_config().map(types::HttpRequestMethodConditionConfig::values);
            none.http_request_method = Some(ListenerRuleConditionValues { values: values(shown) });
        }
        "source-ip" => {
            let shown = condition.source_ip_config().map(types::SourceIpConditionConfig::values);
            none.source_ip = Some(ListenerRuleConditionSourceIp { values: values(shown) });
        }
        "query-string" => {
            let pair = |it: &types::QueryStringKeyValuePair| ListenerRuleConditionQueryString {
                key: it.key().map(str::to_owned),
                value: it.value().unwrap_or_default().to_owned(),
            };
            none.query_strings = condition.query_string_config().iter().flat_map(|it| it.values()).map(pair).collect();
        }
        _ => {}
    }
    none
}

/// The transforms for AWS; none where there are none, for AWS refuses an empty list.
fn to_transforms(transforms: &[ListenerRuleTransform]) -> Option<Vec<types::RuleTransform>> {
    let rewrite = |it: &ListenerRuleTransformConfig| {
        types::RewriteConfig::builder().regex(&it.rewrite.regex).replace(&it.rewrite.replace).build()
    };
    let transform = |it: &ListenerRuleTransform| {
        let host = |it| types::HostHeaderRewriteConfig::builder().rewrites(rewrite(it)).build();
        let url = |it| types::UrlRewriteConfig::builder().rewrites(rewrite(it)).build();
        types::RuleTransform::builder()
            .r#type(name_of(it.r#type).as_str().into())
            .set_host_header_rewrite_config(it.host_header_rewrite_config.as_ref().map(host))
            .set_url_rewrite_config(it.url_rewrite_config.as_ref().map(url))
            .build()
    };
    (!transforms.is_empty()).then(|| transforms.iter().map(transform).collect())
}

fn from_transform(transform: &types::RuleTransform) -> Result<ListenerRuleTransform> {
    let config = |rewrites: &[types::RewriteConfig]| {
        let rewrite = rewrites.first()?;
        let (regex, replace) = (rewrite.regex()?.to_owned(), rewrite.replace()?.to_owned());
        Some(ListenerRuleTransformConfig { rewrite: ListenerRuleRewrite { regex, replace } })
    };
    Ok(ListenerRuleTransform {
        r#type: named(transform.r#type().map_or("", |it| it.as_str()))?,
        host_header_rewrite_config: transform.host_header_rewrite_config().and_then(|it| config(it.rewrites())),
        url_rewrite_config: transform.url_rewrite_config().and_then(|it| config(it.rewrites())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::Plan,
        resource::{findings, goes_first, mistakes},
        resources::load_balancer::LoadBalancer,
        value::Value,
    };

    const LISTENER: &str =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";

    fn rule(more: serde_json::Value) -> serde_json::Value {
        let mut inputs = json!({
            "listenerArn": LISTENER,
            "conditions": [{ "pathPattern": { "values": ["/api/*"] } }],
            "actions": [{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/targets/1" }],
        });
        let serde_json::Value::Object(more) = more else { panic!("inputs are a map") };
        inputs.as_object_mut().unwrap().extend(more);
        inputs
    }

    fn unknown(inputs: serde_json::Value) -> Value {
        let Value::Object(mut inputs) = Value::from(inputs) else { panic!("inputs are a map") };
        inputs.insert("listenerArn".to_owned(), Value::Unknown);
        Value::Object(inputs)
    }

    #[test]
    fn two_rules_of_a_listener_have_two_priorities() {
        let other = |listener| ListenerRuleFacts { listener, priority: Some(1), target_groups: Vec::new() };
        let reason = "priority is 1, which another rule of the same listener in the program has as well; set another one";
        let plan = Plan::default();
        plan.declare("other", Facts::new(other(Link::Known(LISTENER.to_owned()))));
        assert_eq!(findings::<ListenerRule>(&plan, rule(json!({ "priority": 1 })).into()).0, [reason]);
        assert!(findings::<ListenerRule>(&plan, rule(json!({ "priority": 2 })).into()).0.is_empty());
        assert!(findings::<ListenerRule>(&plan, rule(json!({})).into()).0.is_empty(), "it gets a free one");

        // In the first preview, no listener is created yet: if there are two, nobody knows which one is meant.
        let listener = || {
            let load_balancer = Link::Unknown;
            Facts::new(ListenerFacts {
                load_balancer,
                port: Some(80),
                protocol: Some("HTTP".to_owned()),
                target_groups: Vec::new(),
            })
        };
        let plan = Plan::default();
        plan.declare("listener", listener());
        plan.declare("other", Facts::new(other(Link::Unknown)));
        let found = findings::<ListenerRule>(&plan, unknown(rule(json!({ "priority": 1 })))).0;
        assert!(found.len() == 1 && found[0].starts_with(reason), "{found:?}");
        plan.declare("another listener", listener());
        assert!(findings::<ListenerRule>(&plan, unknown(rule(json!({ "priority": 1 })))).0.is_empty());
    }

    #[test]
    fn a_rule_goes_before_it_is_replaced_where_there_is_room_for_one() {
        let (same, other) = (LISTENER.replace("f2f7", "0000"), LISTENER.replace("50dc", "0000"));
        let to =
            |listener: &str| goes_first::<ListenerRule>(rule(json!({})).into(), rule(json!({ "listenerArn": listener })).into());
        assert!(!to(&same), "a load balancer may have a target group in two listeners");
        assert!(to(&other));
        assert!(goes_first::<ListenerRule>(rule(json!({})).into(), unknown(rule(json!({})))));
        let first = rule(json!({ "priority": 1 }));
        assert!(goes_first::<ListenerRule>(first.clone().into(), first.into()));
    }

    #[test]
    fn a_rule_fits_its_listener() {
        let plan = Plan::default();
        findings::<LoadBalancer>(&plan, json!({ "name": "web", "subnets": ["subnet-1", "subnet-2"] }).into());
        let listener = ListenerFacts {
            load_balancer: Link::Known("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1".to_owned()),
            port: Some(80),
            protocol: Some("HTTP".to_owned()),
            target_groups: Vec::new(),
        };
        plan.declare("listener", Facts::new(listener));
        plan.record("listener", Some(LISTENER), &[]);
        let login = json!({ "userPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_a", "userPoolClientId": "1", "userPoolDomain": "web" });
        let login = json!([
            { "type": "authenticate-cognito", "authenticateCognito": login },
            { "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/targets/1" },
        ]);
        assert_eq!(
            findings::<ListenerRule>(&plan, rule(json!({ "actions": login })).into()).0,
            ["actions[0].type authenticates users, which only listeners of protocol HTTPS do, and that of the listener is HTTP"]
        );
        let other = ListenerFacts {
            load_balancer: Link::Known("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/other/1".to_owned()),
            port: Some(80),
            protocol: Some("HTTP".to_owned()),
            target_groups: vec![Link::Known(
                "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/targets/1".to_owned(),
            )],
        };
        plan.declare("other", Facts::new(other));
        assert_eq!(
            findings::<ListenerRule>(&plan, rule(json!({})).into()).0,
            [
                "actions[0].targetGroupArn serves arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/other/1 as well, but AWS lets a target group serve one load balancer; add \
              another one"
            ]
        );
    }

    #[test]
    fn values_are_such_as_a_request_can_have() {
        let conditions =
            |it: serde_json::Value| findings::<ListenerRule>(&Plan::default(), rule(json!({ "conditions": [it] })).into());
        for right in ["/api", "*", "*.png", "?pi"] {
            assert_eq!(conditions(json!({ "pathPattern": { "values": [right] } })), (vec![], vec![]), "{right}");
        }
        assert_eq!(
            conditions(json!({ "pathPattern": { "values": ["api/*"] } })).0,
            ["conditions[0].pathPattern.values[0] is \"api/*\", but every path starts with /; set it to \"/api/*\""]
        );
        assert_eq!(
            conditions(json!({ "sourceIp": { "values": ["10.0.0.0"] } })).0,
            ["conditions[0].sourceIp.values[0] is \"10.0.0.0\", which is not a CIDR block such as 10.0.0.0/16"]
        );
        assert_eq!(
            conditions(json!({ "sourceIp": { "values": ["10.0.0.1/8"] } })).0,
            [
                "conditions[0].sourceIp.values[0] is \"10.0.0.1/8\", which has bits set beyond its prefix; the network is 10.0.0.0/8"
            ]
        );
        assert_eq!(
            conditions(json!({ "httpRequestMethod": { "values": ["get"] } })).0,
            ["conditions[0].httpRequestMethod.values[0] is \"get\", which is not a method in capital letters, such as GET"]
        );
        assert_eq!(
            conditions(json!({ "httpHeader": { "httpHeaderName": "host", "values": ["a"] } })).0,
            ["conditions[0].httpHeader.httpHeaderName is Host, for which AWS has hostHeader"]
        );
        assert_eq!(conditions(json!({ "pathPattern": { "values": ["/*/*/*/*/*/*/*"] } })).1.len(), 1, "seven wildcards");
    }

    #[test]
    fn a_condition_of_another_kind_is_not_lost_unseen() {
        let shown = from_condition(&types::RuleCondition::builder().field("geography").build());
        assert!(is_unknown(&shown));
    }

    #[test]
    fn a_condition_is_of_one_kind_and_has_values() {
        let conditions = |conditions: serde_json::Value| {
            let actions = json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/targets/1" }]);
            let inputs = json!({ "listenerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/1", "actions": actions, "conditions": conditions });
            mistakes::<ListenerRule>(inputs.into())
        };
        let right = json!([
            { "pathPattern": { "values": ["/api/*"] } },
            { "queryStrings": [{ "key": "version", "value": "2" }] },
            { "sourceIp": { "values": ["10.0.0.0/8"] } },
        ]);
        assert!(conditions(right).is_empty());
        let wrong = json!([
            { "pathPattern": { "values": ["/a", "/b", "/c"] }, "sourceIp": { "values": ["10.0.0.0/8"] } },
            { "hostHeader": {} },
            { "pathPattern": { "values": ["/d", "/e"] } },
        ]);
        let expected = [
            "conditions has 6 values; AWS allows 5 in a rule",
            "conditions has pathPattern in 2 conditions; give all values in one",
            "conditions[0] needs exactly one of hostHeader, pathPattern, httpHeader, httpRequestMethod, queryStrings, sourceIp",
            "conditions[1].hostHeader has no values to compare with",
        ];
        assert_eq!(conditions(wrong), expected);
    }

    #[test]
    fn the_listener_is_known_from_the_rule() {
        assert_eq!(
            listener_of("arn:aws:elasticloadbalancing:eu-central-1:1:listener-rule/app/web/50dc/f2f7/9683"),
            "arn:aws:elasticloadbalancing:eu-central-1:1:listener/app/web/50dc/f2f7"
        );
    }
}
