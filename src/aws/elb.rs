//! What the resources of Elastic Load Balancing share: tags, attributes, and the actions of listeners and rules.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::{Error, Result, anyhow, bail};
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Aws, Explain as _, Lookup, refused_with};
use crate::{check::Report, resource::tag_changes};

/// The tags for a new resource; none where there are none, for AWS refuses an empty list.
pub fn to_tags(tags: &BTreeMap<String, String>) -> Option<Vec<types::Tag>> {
    let tags: Vec<_> = tags.iter().map(|(key, value)| types::Tag::builder().key(key).value(value).build()).collect();
    (!tags.is_empty()).then_some(tags)
}

/// The tags of `arn`, of whatever kind it is.
pub async fn tags_of(aws: &Arc<Aws>, arn: &str) -> Result<BTreeMap<String, String>> {
    Ok(aws.look_up::<DescribeTags>(arn.to_owned()).await?.unwrap_or_default())
}

/// Changes the tags of `arn` from `old` to `new`.
pub async fn retag(aws: &Aws, arn: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    let (set, removed) = tag_changes(old, new);
    if !removed.is_empty() {
        aws.elb().remove_tags().resource_arns(arn).set_tag_keys(Some(removed)).send().await.explain()?;
    }
    if let Some(set) = to_tags(&set) {
        aws.elb().add_tags().resource_arns(arn).set_tags(Some(set)).send().await.explain()?;
    }
    Ok(())
}

/// `DescribeTags`, by ARN.
struct DescribeTags;

impl Lookup for DescribeTags {
    type Key = String;
    type Found = BTreeMap<String, String>;
    const LIMIT: usize = 20;
    const MISSING: &'static [&'static str] = &["LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound", "RuleNotFound"];

    async fn load(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, BTreeMap<String, String>>> {
        let described = aws.elb().describe_tags().set_resource_arns(Some(arns)).send().await.explain()?;
        let tags = |it: types::TagDescription| {
            let tags = it.tags().iter().filter_map(|it| Some((it.key()?.to_owned(), it.value().unwrap_or_default().to_owned())));
            Some((it.resource_arn()?.to_owned(), tags.collect()))
        };
        Ok(described.tag_descriptions.unwrap_or_default().into_iter().filter_map(tags).collect())
    }
}

/// Whether `id` can be one of a `kind`, as its ARN calls it, before AWS is asked about it.
pub fn check_id(id: &str, kind: &str, has_name: bool) -> Result<()> {
    let is_name = id.len() <= 32 && id.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    if id.starts_with("arn:") && id.contains(&format!(":{kind}/")) || has_name && is_name {
        return Ok(());
    }
    let name = if has_name { ", nor a name" } else { "" };
    bail!("{id:?} is no ARN like arn:aws:elasticloadbalancing:<region>:<account>:{kind}/...{name}")
}

/// An attribute of a load balancer or target group: its key, and the value it has in AWS until it is set.
pub type Attribute = (&'static str, &'static str);

/// What has to be told to AWS to get from `old`, or from what a new resource has, to `new`.
pub fn attribute_changes(old: Option<&[(Attribute, String)]>, new: &[(Attribute, String)]) -> Vec<(&'static str, String)> {
    let differs = |it: &&(Attribute, String)| match old {
        Some(old) => !old.contains(it),
        None => it.1 != it.0.1,
    };
    new.iter().filter(differs).map(|((key, _), value)| (*key, value.clone())).collect()
}

/// The attributes that AWS shows, by key.
pub struct Attributes(pub HashMap<String, String>);

impl Attributes {
    /// The value of an attribute. AWS leaves out those that a kind of resource does not have.
    pub fn text(&self, (key, default): Attribute) -> &str {
        self.0.get(key).map_or(default, String::as_str)
    }

    pub fn flag(&self, attribute: Attribute) -> bool {
        self.text(attribute) == "true"
    }

    pub fn number(&self, attribute: Attribute) -> Result<i32> {
        Ok(self.text(attribute).parse()?)
    }
}

/// The name of a choice, which is the same in programs and in AWS.
pub fn name_of(choice: impl Serialize) -> Result<String> {
    Ok(serde_json::from_value(serde_json::to_value(choice)?)?)
}

/// The choice of that name.
pub fn choice<T: DeserializeOwned>(name: &str) -> Result<T> {
    serde_json::from_value(name.into()).map_err(|error| anyhow!("AWS shows something that fargate does not know yet: {error}"))
}

/// Adds the way out to the refusal of a target group that another load balancer uses.
pub fn explain_association(error: Error) -> Error {
    if refused_with(&error, &["TargetGroupAssociationLimit"]) {
        return error.context(
            "a target group serves one load balancer; make another for this one. Where a load balancer is being replaced, \
             replace the target group with it, for instance by a new name",
        );
    }
    error
}

/// What a listener or a rule does with a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerAction {
    /// The kind of action. Each kind but `forward` to one target group has its settings in the property of that name.
    pub r#type: ListenerActionType,
    /// For `forward`: the ARN of the only target group. For more than one, see `forward`.
    #[schemars(extend("computed" = true))]
    pub target_group_arn: Option<String>,
    /// For `forward`: the target groups that share the requests.
    #[schemars(extend("computed" = true))]
    pub forward: Option<ListenerActionForward>,
    /// For `redirect`: where to send the client.
    pub redirect: Option<ListenerActionRedirect>,
    /// For `fixed-response`: what to answer.
    pub fixed_response: Option<ListenerActionFixedResponse>,
    /// The place of the action among several, from 1 to 50000. Default: its place in the list.
    #[schemars(range(min = 1, max = 50_000), extend("computed" = true))]
    pub order: Option<i32>,
}

/// The kind of an action.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerActionType {
    /// Hand the request to a target of a target group.
    Forward,
    /// Send the client to another URL.
    Redirect,
    /// Answer in place of any target.
    FixedResponse,
}

/// Target groups that share the requests of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionForward {
    /// The target groups, from 1 to 5.
    #[schemars(length(min = 1, max = 5), extend("keyedBy" = "arn"))]
    pub target_groups: Vec<ListenerActionTargetGroup>,
    /// Whether a client stays with the target group that answered it first. Default: it does not.
    #[serde(default = "not_sticky")]
    pub stickiness: ListenerActionStickiness,
}

/// A target group and its share of the requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionTargetGroup {
    /// The ARN of the target group.
    pub arn: String,
    /// Its share, in proportion to the weights of the others; 0 gives it nothing.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 999))]
    pub weight: i32,
}

/// Whether a client stays with the target group that answered it first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionStickiness {
    /// Whether it does.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For how many seconds, up to 7 days.
    #[schemars(range(min = 1, max = 604_800))]
    pub duration: Option<i32>,
}

/// Where a redirect leads. `#{host}`, `#{path}`, `#{port}`, `#{protocol}` and `#{query}` stand for the parts of the request's
/// own URL; at least one part must differ from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionRedirect {
    /// Whether the redirect is permanent, `HTTP_301`, or temporary, `HTTP_302`.
    pub status_code: ListenerActionRedirectStatusCode,
    /// The protocol: `HTTP`, `HTTPS` or `#{protocol}`.
    #[serde(default = "same_protocol")]
    pub protocol: String,
    /// The port.
    #[serde(default = "same_port")]
    pub port: String,
    /// The host name.
    #[serde(default = "same_host")]
    pub host: String,
    /// The path, which starts with `/`.
    #[serde(default = "same_path")]
    #[schemars(regex(pattern = "^/"), extend("expects" = "a path that starts with /"))]
    pub path: String,
    /// The query, without its `?`.
    #[serde(default = "same_query")]
    pub query: String,
}

/// Whether a redirect is permanent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerActionRedirectStatusCode {
    /// Permanent.
    #[serde(rename = "HTTP_301")]
    Http301,
    /// Temporary.
    #[serde(rename = "HTTP_302")]
    Http302,
}

/// An answer that the load balancer gives itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionFixedResponse {
    /// The HTTP status, of the classes 2XX, 4XX and 5XX.
    #[schemars(regex(pattern = "^[245][0-9][0-9]$"), extend("expects" = "a status such as 200, 404 or 503"))]
    pub status_code: String,
    /// The type of the body: `text/plain`, `text/css`, `text/html`, `application/javascript` or `application/json`.
    #[serde(default = "plain_text")]
    #[schemars(regex(pattern = "^(text/(plain|css|html)|application/(javascript|json))$"))]
    #[schemars(extend("expects" = "one of text/plain, text/css, text/html, application/javascript, application/json"))]
    pub content_type: String,
    /// The body, of up to 1024 characters.
    #[schemars(length(max = 1024))]
    pub message_body: Option<String>,
}

fn not_sticky() -> ListenerActionStickiness {
    ListenerActionStickiness { enabled: false, duration: None }
}

fn one() -> i32 {
    1
}

fn yes() -> bool {
    true
}

fn same_protocol() -> String {
    "#{protocol}".to_owned()
}

fn same_port() -> String {
    "#{port}".to_owned()
}

fn same_host() -> String {
    "#{host}".to_owned()
}

fn same_path() -> String {
    "/#{path}".to_owned()
}

fn same_query() -> String {
    "#{query}".to_owned()
}

fn plain_text() -> String {
    "text/plain".to_owned()
}

/// Reports what is wrong with the actions in the property `list`.
pub fn check_actions(list: &str, actions: &[ListenerAction], report: &mut Report<'_>) {
    report.rule(&[list], actions.len() == 1, "has to hold one action");
    for (index, action) in actions.iter().enumerate() {
        let at = |name: &str| format!("{list}[{index}].{name}");
        let (kind, only, forward) = (at("type"), at("targetGroupArn"), at("forward"));
        let settings = [
            (&only, ListenerActionType::Forward, action.target_group_arn.is_some()),
            (&forward, ListenerActionType::Forward, action.forward.is_some()),
            (&at("redirect"), ListenerActionType::Redirect, action.redirect.is_some()),
            (&at("fixedResponse"), ListenerActionType::FixedResponse, action.fixed_response.is_some()),
        ];
        for (path, owner, given) in settings {
            let owner_name = name_of(owner).unwrap_or_default();
            report.rule(&[path, &kind], !given || action.r#type == owner, format!("belongs to actions of type {owner_name}"));
        }
        let given = settings.iter().any(|(_, owner, given)| *owner == action.r#type && *given);
        let missing = match action.r#type {
            ListenerActionType::Forward => "is forward, which needs targetGroupArn, or forward with several target groups",
            ListenerActionType::Redirect => "is redirect, which needs redirect with where it leads",
            ListenerActionType::FixedResponse => "is fixed-response, which needs fixedResponse with what to answer",
        };
        report.rule(&[&kind], given, missing);
        if let (Some(arn), Some(shared)) = (&action.target_group_arn, &action.forward) {
            let alone = matches!(shared.target_groups.as_slice(), [it] if it.arn == *arn);
            report.rule(&[&only, &forward], alone, "is not all that forward names; leave one of the two out");
        }
        if let Some(it) = &action.redirect {
            let parts = [&it.protocol, &it.port, &it.host, &it.path, &it.query];
            let same = [same_protocol(), same_port(), same_host(), same_path(), same_query()];
            let leads_on = parts.iter().zip(&same).any(|(part, same)| *part != same);
            report.rule(
                &[&at("redirect")],
                leads_on,
                "leads to where the request came from; change its protocol, port, host, path or query",
            );
        }
    }
}

/// The actions for AWS.
pub fn to_actions(actions: &[ListenerAction]) -> Result<Vec<types::Action>> {
    actions.iter().map(to_action).collect()
}

fn to_action(action: &ListenerAction) -> Result<types::Action> {
    let forward = |it: &ListenerActionForward| {
        let group =
            |it: &ListenerActionTargetGroup| types::TargetGroupTuple::builder().target_group_arn(&it.arn).weight(it.weight);
        let stickiness = types::TargetGroupStickinessConfig::builder()
            .enabled(it.stickiness.enabled)
            .set_duration_seconds(it.stickiness.duration);
        types::ForwardActionConfig::builder()
            .set_target_groups(Some(it.target_groups.iter().map(|it| group(it).build()).collect()))
            .target_group_stickiness_config(stickiness.build())
            .build()
    };
    let redirect = |it: &ListenerActionRedirect| {
        let config = types::RedirectActionConfig::builder().protocol(&it.protocol).port(&it.port).host(&it.host);
        Ok::<_, Error>(config.path(&it.path).query(&it.query).status_code(name_of(it.status_code)?.as_str().into()).build())
    };
    let fixed_response = |it: &ListenerActionFixedResponse| {
        let config = types::FixedResponseActionConfig::builder().status_code(&it.status_code).content_type(&it.content_type);
        config.set_message_body(it.message_body.clone()).build()
    };
    Ok(types::Action::builder()
        .r#type(name_of(action.r#type)?.as_str().into())
        .set_target_group_arn(action.target_group_arn.clone())
        .set_forward_config(action.forward.as_ref().map(forward))
        .set_redirect_config(action.redirect.as_ref().map(redirect).transpose()?)
        .set_fixed_response_config(action.fixed_response.as_ref().map(fixed_response))
        .set_order(action.order)
        .build())
}

/// The actions that AWS shows. To forward to one target group, AWS shows in both ways that there are to say it.
pub fn from_actions(actions: &[types::Action]) -> Result<Vec<ListenerAction>> {
    actions.iter().map(from_action).collect()
}

fn from_action(action: &types::Action) -> Result<ListenerAction> {
    let forward = |it: &types::ForwardActionConfig| {
        let group = |it: &types::TargetGroupTuple| ListenerActionTargetGroup {
            arn: it.target_group_arn().unwrap_or_default().to_owned(),
            weight: it.weight().unwrap_or(1),
        };
        let stickiness = it.target_group_stickiness_config().map_or_else(not_sticky, |it| ListenerActionStickiness {
            enabled: it.enabled().unwrap_or_default(),
            duration: it.duration_seconds(),
        });
        ListenerActionForward { target_groups: it.target_groups().iter().map(group).collect(), stickiness }
    };
    let redirect = |it: &types::RedirectActionConfig| {
        Ok::<_, Error>(ListenerActionRedirect {
            status_code: choice(it.status_code().map_or("HTTP_301", |it| it.as_str()))?,
            protocol: it.protocol().map_or_else(same_protocol, str::to_owned),
            port: it.port().map_or_else(same_port, str::to_owned),
            host: it.host().map_or_else(same_host, str::to_owned),
            path: it.path().map_or_else(same_path, str::to_owned),
            query: it.query().map_or_else(same_query, str::to_owned),
        })
    };
    let fixed_response = |it: &types::FixedResponseActionConfig| ListenerActionFixedResponse {
        status_code: it.status_code().unwrap_or_default().to_owned(),
        content_type: it.content_type().map_or_else(plain_text, str::to_owned),
        message_body: it.message_body().filter(|it| !it.is_empty()).map(str::to_owned),
    };
    Ok(ListenerAction {
        r#type: choice(action.r#type().map_or("", |it| it.as_str()))?,
        target_group_arn: action.target_group_arn().map(str::to_owned),
        forward: action.forward_config().filter(|it| !it.target_groups().is_empty()).map(forward),
        redirect: action.redirect_config().map(redirect).transpose()?,
        fixed_response: action.fixed_response_config().map(fixed_response),
        order: action.order(),
    })
}
