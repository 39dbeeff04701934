//! The actions of listeners and rules.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    check::Report,
    codec::{Unlisted, name_of, named},
    value::Value,
};

/// What a listener or a rule does with a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerAction {
    /// The kind of action. Each kind but `forward` to one target group has its settings in the property of that name.
    pub r#type: ListenerActionType,
    /// For `forward`: the ARN of the only target group. For more than one, see `forward`.
    #[schemars(extend("computed" = true))]
    #[schemars(transform = crate::aws::arn::target_group)]
    pub target_group_arn: Option<String>,
    /// For `forward`: the target groups that share the requests.
    #[schemars(extend("computed" = true))]
    pub forward: Option<ListenerActionForward>,
    /// For `redirect`: where to send the client.
    pub redirect: Option<ListenerActionRedirect>,
    /// For `fixed-response`: what to answer.
    pub fixed_response: Option<ListenerActionFixedResponse>,
    /// For `authenticate-cognito`: the user pool that knows the users.
    pub authenticate_cognito: Option<ListenerActionCognito>,
    /// For `authenticate-oidc`: the identity provider that knows the users.
    pub authenticate_oidc: Option<ListenerActionOidc>,
    /// For `jwt-validation`: the tokens that let a request pass.
    pub jwt_validation: Option<ListenerActionJwt>,
    /// The place of the action among several, from 1 to 50000, in the order of the list. Default: its place in the list.
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
    /// Let users pass who are logged in with Amazon Cognito. Another action follows. HTTPS only.
    AuthenticateCognito,
    /// Let users pass who are logged in with an identity provider that speaks `OpenID Connect`. Another action follows. HTTPS only.
    AuthenticateOidc,
    /// Let requests pass that carry a valid JSON Web Token. Another action follows. HTTPS only.
    JwtValidation,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

impl ListenerActionType {
    /// Whether the request goes on to another action.
    pub fn authenticates(self) -> bool {
        matches!(self, Self::AuthenticateCognito | Self::AuthenticateOidc | Self::JwtValidation)
    }
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
    #[schemars(transform = crate::aws::arn::target_group)]
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
    /// For how many seconds, up to 7 days. An application load balancer needs it.
    #[schemars(range(min = 1, max = 604_800))]
    pub duration: Option<i32>,
}

/// Where a redirect leads. `#{host}`, `#{path}`, `#{port}`, `#{protocol}` and `#{query}` stand for the parts of the request's
/// own URL; the protocol, port, host or path must differ from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionRedirect {
    /// Whether the redirect is permanent, `HTTP_301`, or temporary, `HTTP_302`.
    pub status_code: ListenerActionRedirectStatusCode,
    /// The protocol: `HTTP`, `HTTPS` or `#{protocol}`.
    #[serde(default = "same_protocol")]
    #[schemars(regex(pattern = r"^(HTTPS?|#\{protocol\})$"), extend("expects" = "one of HTTP, HTTPS and #{protocol}"))]
    pub protocol: String,
    /// The port, or `#{port}`.
    #[serde(default = "same_port")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,4}|#\{port\})$"), extend("expects" = "the number of a port, or #{port}"))]
    pub port: String,
    /// The host name.
    #[serde(default = "same_host")]
    #[schemars(length(min = 1, max = 128))]
    pub host: String,
    /// The path, which starts with `/`.
    #[serde(default = "same_path")]
    #[schemars(length(max = 128), regex(pattern = "^/"), extend("expects" = "a path that starts with /"))]
    pub path: String,
    /// The query, without its `?`.
    #[serde(default = "same_query")]
    #[schemars(length(max = 128))]
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
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
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

/// A user pool of Amazon Cognito, and how users log in with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionCognito {
    /// The ARN of the user pool.
    #[schemars(transform = crate::aws::arn::user_pool)]
    pub user_pool_arn: String,
    /// The id of the user pool's client.
    pub user_pool_client_id: String,
    /// The domain, or the prefix of it, that users log in at.
    pub user_pool_domain: String,
    /// What happens to requests of users who are not logged in. Default: `authenticate`, which sends them to log in.
    #[serde(default = "authenticate")]
    pub on_unauthenticated_request: ListenerActionUnauthenticated,
    /// What is asked of the user pool about users.
    #[serde(default = "openid")]
    #[schemars(length(min = 1))]
    pub scope: String,
    /// The name of the cookie that holds the session.
    #[serde(default = "session_cookie")]
    #[schemars(length(min = 1))]
    pub session_cookie_name: String,
    /// For how many seconds a session is good. Default: 604800 (7 days), which is the most.
    #[serde(default = "seven_days")]
    #[schemars(range(min = 1, max = 604_800))]
    pub session_timeout: i32,
    /// What else to tell where users log in, up to 10 parameters.
    #[serde(default)]
    pub authentication_request_extra_params: BTreeMap<String, String>,
}

/// An identity provider that speaks `OpenID Connect`, and how users log in with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionOidc {
    /// The URL that the identity provider is known by.
    pub issuer: String,
    /// The URL at which users log in.
    pub authorization_endpoint: String,
    /// The URL at which the load balancer gets tokens.
    pub token_endpoint: String,
    /// The URL at which the load balancer asks about a user.
    pub user_info_endpoint: String,
    /// The id by which the identity provider knows the load balancer.
    pub client_id: String,
    /// The secret that goes with it. AWS never shows it; it stays what it is where the program leaves it out.
    #[schemars(extend("secret" = true, "writeOnly" = true))]
    pub client_secret: Option<String>,
    /// What happens to requests of users who are not logged in. Default: `authenticate`, which sends them to log in.
    #[serde(default = "authenticate")]
    pub on_unauthenticated_request: ListenerActionUnauthenticated,
    /// What is asked of the identity provider about users.
    #[serde(default = "openid")]
    #[schemars(length(min = 1))]
    pub scope: String,
    /// The name of the cookie that holds the session.
    #[serde(default = "session_cookie")]
    #[schemars(length(min = 1))]
    pub session_cookie_name: String,
    /// For how many seconds a session is good. Default: 604800 (7 days), which is the most.
    #[serde(default = "seven_days")]
    #[schemars(range(min = 1, max = 604_800))]
    pub session_timeout: i32,
    /// What else to tell where users log in, up to 10 parameters.
    #[serde(default)]
    pub authentication_request_extra_params: BTreeMap<String, String>,
}

/// Which JSON Web Tokens let a request pass. The claims `exp`, `iss`, `nbf` and `iat` are always verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionJwt {
    /// The issuer of the tokens.
    #[schemars(length(min = 1, max = 256))]
    pub issuer: String,
    /// The URL, by HTTPS, of the keys that tokens are signed with (JWKS).
    #[schemars(length(max = 256), regex(pattern = "^https://"), extend("expects" = "a URL that starts with https://"))]
    pub jwks_endpoint: String,
    /// What else a token has to claim, up to 10 claims.
    #[serde(default)]
    #[schemars(length(max = 10), extend("keyedBy" = "name"))]
    pub additional_claims: Vec<ListenerActionJwtClaim>,
}

/// A claim that a token has to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerActionJwtClaim {
    /// The name of the claim.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How the claim holds its values.
    pub format: ListenerActionJwtClaimFormat,
    /// The values, one of which a token has to have.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 256)), extend("compare" = "set"))]
    pub values: Vec<String>,
}

/// How a claim holds its values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerActionJwtClaimFormat {
    /// As one text.
    SingleString,
    /// As a list of texts.
    StringArray,
    /// As one text, with spaces between the values.
    SpaceSeparatedValues,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What happens to requests of users who are not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ListenerActionUnauthenticated {
    /// They are sent to log in.
    Authenticate,
    /// They pass.
    Allow,
    /// They are refused.
    Deny,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

fn authenticate() -> ListenerActionUnauthenticated {
    ListenerActionUnauthenticated::Authenticate
}

fn openid() -> String {
    "openid".to_owned()
}

fn session_cookie() -> String {
    "AWSELBAuthSessionCookie".to_owned()
}

fn seven_days() -> i32 {
    604_800
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

/// Brings a list of actions into the form in which AWS shows them: how long stickiness lasts that is off means nothing.
pub fn normalize_actions(actions: Option<&mut Value>) {
    let Some(Value::List(actions)) = actions.map(Value::plain_mut) else { return };
    for action in actions {
        let Value::Object(action) = action.plain_mut() else { continue };
        let Some(Value::Object(forward)) = action.get_mut("forward").map(Value::plain_mut) else { continue };
        let Some(Value::Object(stickiness)) = forward.get_mut("stickiness").map(Value::plain_mut) else { continue };
        if stickiness.get("enabled").map(Value::plain) == Some(&Value::Bool(false)) {
            stickiness.remove("duration");
        }
    }
}

/// The target groups that actions forward to, by the path of their ARNs within `list`.
pub(super) fn forwards(list: &str, actions: &[ListenerAction]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let only = action.target_group_arn.iter().map(|arn| (format!("{list}[{index}].targetGroupArn"), arn.clone()));
        all.extend(only);
        for (group, it) in action.forward.iter().flat_map(|it| &it.target_groups).enumerate() {
            all.push((format!("{list}[{index}].forward.targetGroups[{group}].arn"), it.arn.clone()));
        }
    }
    all
}

/// Whether two lists of actions forward to the same target group.
pub fn share_target_group(one: &[ListenerAction], other: &[ListenerAction]) -> bool {
    let other = forwards("", other);
    forwards("", one).iter().any(|(_, arn)| !arn.is_empty() && other.iter().any(|it| it.1 == *arn))
}

/// The actions as `new` says, and what it leaves out as AWS was last seen to have it.
pub fn keep_left_out(old: &[ListenerAction], new: &[ListenerAction]) -> Vec<ListenerAction> {
    let mut kept = new.to_vec();
    let same_kinds = old.iter().map(|it| it.r#type).eq(new.iter().map(|it| it.r#type));
    let unordered = new.iter().all(|it| it.order.is_none());
    for (index, action) in kept.iter_mut().enumerate() {
        let Some(was) = old.iter().find(|it| it.r#type == action.r#type) else { continue };
        // Besides the target group, a forward has stickiness.
        if let (Some(only), None, Some(shared)) = (&action.target_group_arn, &action.forward, &was.forward)
            && matches!(shared.target_groups.as_slice(), [it] if it.arn == *only)
        {
            action.forward = Some(shared.clone());
        }
        if same_kinds && unordered {
            action.order = old[index].order;
        }
    }
    kept
}

/// Reports what is wrong with the actions in the property `list`.
pub fn check_actions(list: &str, actions: &[ListenerAction], report: &mut Report<'_>) {
    let mut before = 0;
    let orders = format!("{list}[].order");
    for (index, action) in actions.iter().enumerate() {
        let at = |name: &str| format!("{list}[{index}].{name}");
        let order = action.order.unwrap_or(before + 1);
        report.rule(&[&at("order"), &orders], order > before, "is not more than the one before; list the actions in their order");
        before = order;
        let is_last = index + 1 == actions.len();
        if matches!(action.r#type, ListenerActionType::Other(_)) {
            let reason =
                format!("is {}, whose settings this version of the provider can neither read nor set", name_of(action.r#type));
            report.rule(&[&at("type")], false, reason);
            continue;
        }
        let kind = name_of(action.r#type);
        let place = if is_last { "another action has to follow" } else { "no other action can follow" };
        report.rule(&[&at("type")], action.r#type.authenticates() != is_last, format!("is {kind}, after which {place}"));
        check_settings(&at, action, report);
    }
}

/// Reports settings that belong to another type of action, and those that are missing.
fn check_settings(at: &impl Fn(&str) -> String, action: &ListenerAction, report: &mut Report<'_>) {
    let settings = [
        ("targetGroupArn", ListenerActionType::Forward, action.target_group_arn.is_some()),
        ("forward", ListenerActionType::Forward, action.forward.is_some()),
        ("redirect", ListenerActionType::Redirect, action.redirect.is_some()),
        ("fixedResponse", ListenerActionType::FixedResponse, action.fixed_response.is_some()),
        ("authenticateCognito", ListenerActionType::AuthenticateCognito, action.authenticate_cognito.is_some()),
        ("authenticateOidc", ListenerActionType::AuthenticateOidc, action.authenticate_oidc.is_some()),
        ("jwtValidation", ListenerActionType::JwtValidation, action.jwt_validation.is_some()),
    ];
    for (name, owner, given) in settings {
        let owner_name = name_of(owner);
        let reason = format!("belongs to actions of type {owner_name}");
        report.rule(&[&format!("{}?", at(name)), &at("type")], !given || action.r#type == owner, reason);
    }
    let own = settings.iter().filter(|(_, owner, _)| *owner == action.r#type);
    let (names, given): (Vec<_>, Vec<_>) = own.map(|(name, _, given)| (*name, *given)).unzip();
    let kind = name_of(action.r#type);
    report.rule(&[&at("type")], given.contains(&true), format!("is {kind}, which needs the property {}", names.join(" or ")));
    if let (Some(arn), Some(shared)) = (&action.target_group_arn, &action.forward) {
        let alone = matches!(shared.target_groups.as_slice(), [it] if it.arn == *arn);
        let reason = "is not all that forward names; leave one of the two out";
        report.rule(&[&at("targetGroupArn"), &at("forward")], alone, reason);
    }
    if let Some(it) = &action.redirect {
        let parts = [&it.protocol, &it.port, &it.host, &it.path, &it.query];
        let same = [same_protocol(), same_port(), same_host(), same_path(), same_query()];
        // AWS does not count the query (RedirectActionConfig in ELBv2's model).
        let leads_on = parts.iter().zip(&same).take(4).any(|(part, same)| *part != same);
        let reason = "leads to where the request came from; change its protocol, port, host or path";
        report.rule(&[&at("redirect")], leads_on || it.query != same_query(), reason);
        let reason = "changes the query alone, which AWS takes for a loop; change its protocol, port, host or path as well";
        report.warn(&[&at("redirect")], leads_on || it.query == same_query(), reason);
    }
    if let Some(it) = &action.jwt_validation {
        for (index, claim) in it.additional_claims.iter().enumerate() {
            let always = matches!(claim.name.as_str(), "exp" | "iss" | "nbf" | "iat");
            let path = at(&format!("jwtValidation.additionalClaims[{index}].name"));
            report.rule(&[&path], !always, format!("is {}, which is always verified; leave it out", claim.name));
        }
    }
}

/// The actions for AWS.
pub fn to_actions(actions: &[ListenerAction]) -> Vec<types::Action> {
    // AWS wants places where there is more than one action.
    let place = |index: i32| (actions.len() > 1).then_some(index);
    (1..).zip(actions).map(|(index, it)| to_action(it, it.order.or_else(|| place(index)))).collect()
}

fn to_action(action: &ListenerAction, order: Option<i32>) -> types::Action {
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
        config.path(&it.path).query(&it.query).status_code(name_of(it.status_code).as_str().into()).build()
    };
    let fixed_response = |it: &ListenerActionFixedResponse| {
        let config = types::FixedResponseActionConfig::builder().status_code(&it.status_code).content_type(&it.content_type);
        config.set_message_body(it.message_body.clone()).build()
    };
    types::Action::builder()
        .r#type(name_of(action.r#type).as_str().into())
        .set_target_group_arn(action.target_group_arn.clone())
        .set_forward_config(action.forward.as_ref().map(forward))
        .set_redirect_config(action.redirect.as_ref().map(redirect))
        .set_fixed_response_config(action.fixed_response.as_ref().map(fixed_response))
        .set_authenticate_cognito_config(action.authenticate_cognito.as_ref().map(to_cognito))
        .set_authenticate_oidc_config(action.authenticate_oidc.as_ref().map(to_oidc))
        .set_jwt_validation_config(action.jwt_validation.as_ref().map(to_jwt))
        .set_order(order)
        .build()
}

fn to_cognito(it: &ListenerActionCognito) -> types::AuthenticateCognitoActionConfig {
    types::AuthenticateCognitoActionConfig::builder()
        .user_pool_arn(&it.user_pool_arn)
        .user_pool_client_id(&it.user_pool_client_id)
        .user_pool_domain(&it.user_pool_domain)
        .on_unauthenticated_request(name_of(it.on_unauthenticated_request).as_str().into())
        .scope(&it.scope)
        .session_cookie_name(&it.session_cookie_name)
        .session_timeout(it.session_timeout.into())
        .set_authentication_request_extra_params(to_extra(&it.authentication_request_extra_params))
        .build()
}

fn to_oidc(it: &ListenerActionOidc) -> types::AuthenticateOidcActionConfig {
    types::AuthenticateOidcActionConfig::builder()
        .issuer(&it.issuer)
        .authorization_endpoint(&it.authorization_endpoint)
        .token_endpoint(&it.token_endpoint)
        .user_info_endpoint(&it.user_info_endpoint)
        .client_id(&it.client_id)
        .set_client_secret(it.client_secret.clone())
        .set_use_existing_client_secret(it.client_secret.is_none().then_some(true))
        .on_unauthenticated_request(name_of(it.on_unauthenticated_request).as_str().into())
        .scope(&it.scope)
        .session_cookie_name(&it.session_cookie_name)
        .session_timeout(it.session_timeout.into())
        .set_authentication_request_extra_params(to_extra(&it.authentication_request_extra_params))
        .build()
}

fn to_jwt(it: &ListenerActionJwt) -> types::JwtValidationActionConfig {
    let claim = |it: &ListenerActionJwtClaim| {
        types::JwtValidationActionAdditionalClaim::builder()
            .name(&it.name)
            .format(name_of(it.format).as_str().into())
            .set_values(Some(it.values.clone()))
            .build()
    };
    let claims: Vec<_> = it.additional_claims.iter().map(claim).collect();
    types::JwtValidationActionConfig::builder()
        .issuer(&it.issuer)
        .jwks_endpoint(&it.jwks_endpoint)
        .set_additional_claims((!claims.is_empty()).then_some(claims))
        .build()
}

fn to_extra(params: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!params.is_empty()).then(|| params.clone().into_iter().collect())
}

/// The actions that AWS shows. To forward to one target group, AWS shows in both ways that there are to say it.
pub fn from_actions(actions: &[types::Action]) -> Result<Vec<ListenerAction>> {
    let mut actions = actions.iter().map(from_action).collect::<Result<Vec<_>>>()?;
    actions.sort_by_key(|it| it.order);
    Ok(actions)
}

fn from_action(action: &types::Action) -> Result<ListenerAction> {
    let forward = |it: &types::ForwardActionConfig| {
        let group = |it: &types::TargetGroupTuple| ListenerActionTargetGroup {
            arn: it.target_group_arn().unwrap_or_default().to_owned(),
            weight: it.weight().unwrap_or(1),
        };
        let stickiness = it.target_group_stickiness_config().map_or_else(not_sticky, |it| ListenerActionStickiness {
            enabled: it.enabled().unwrap_or_default(),
            duration: it.duration_seconds().filter(|_| it.enabled() == Some(true)),
        });
        ListenerActionForward { target_groups: it.target_groups().iter().map(group).collect(), stickiness }
    };
    let redirect = |it: &types::RedirectActionConfig| {
        Ok::<_, anyhow::Error>(ListenerActionRedirect {
            status_code: named(it.status_code().map_or("HTTP_301", |it| it.as_str()))?,
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
        r#type: named(action.r#type().map_or("", |it| it.as_str()))?,
        target_group_arn: action.target_group_arn().map(str::to_owned),
        forward: action.forward_config().filter(|it| !it.target_groups().is_empty()).map(forward),
        redirect: action.redirect_config().map(redirect).transpose()?,
        fixed_response: action.fixed_response_config().map(fixed_response),
        authenticate_cognito: action.authenticate_cognito_config().map(from_cognito).transpose()?,
        authenticate_oidc: action.authenticate_oidc_config().map(from_oidc).transpose()?,
        jwt_validation: action.jwt_validation_config().map(from_jwt).transpose()?,
        order: action.order(),
    })
}

fn from_cognito(it: &types::AuthenticateCognitoActionConfig) -> Result<ListenerActionCognito> {
    Ok(ListenerActionCognito {
        user_pool_arn: it.user_pool_arn().unwrap_or_default().to_owned(),
        user_pool_client_id: it.user_pool_client_id().unwrap_or_default().to_owned(),
        user_pool_domain: it.user_pool_domain().unwrap_or_default().to_owned(),
        on_unauthenticated_request: it
            .on_unauthenticated_request()
            .map_or_else(|| Ok(authenticate()), |it| named(it.as_str()))?,
        scope: it.scope().map_or_else(openid, str::to_owned),
        session_cookie_name: it.session_cookie_name().map_or_else(session_cookie, str::to_owned),
        session_timeout: it.session_timeout().map_or_else(|| Ok(seven_days()), i32::try_from)?,
        authentication_request_extra_params: from_extra(it.authentication_request_extra_params()),
    })
}

fn from_oidc(it: &types::AuthenticateOidcActionConfig) -> Result<ListenerActionOidc> {
    Ok(ListenerActionOidc {
        issuer: it.issuer().unwrap_or_default().to_owned(),
        authorization_endpoint: it.authorization_endpoint().unwrap_or_default().to_owned(),
        token_endpoint: it.token_endpoint().unwrap_or_default().to_owned(),
        user_info_endpoint: it.user_info_endpoint().unwrap_or_default().to_owned(),
        client_id: it.client_id().unwrap_or_default().to_owned(),
        client_secret: None,
        on_unauthenticated_request: it
            .on_unauthenticated_request()
            .map_or_else(|| Ok(authenticate()), |it| named(it.as_str()))?,
        scope: it.scope().map_or_else(openid, str::to_owned),
        session_cookie_name: it.session_cookie_name().map_or_else(session_cookie, str::to_owned),
        session_timeout: it.session_timeout().map_or_else(|| Ok(seven_days()), i32::try_from)?,
        authentication_request_extra_params: from_extra(it.authentication_request_extra_params()),
    })
}

fn from_jwt(it: &types::JwtValidationActionConfig) -> Result<ListenerActionJwt> {
    let claim = |it: &types::JwtValidationActionAdditionalClaim| {
        Ok(ListenerActionJwtClaim {
            name: it.name().unwrap_or_default().to_owned(),
            format: named(it.format().map_or("", |it| it.as_str()))?,
            values: it.values().to_vec(),
        })
    };
    Ok(ListenerActionJwt {
        issuer: it.issuer().unwrap_or_default().to_owned(),
        jwks_endpoint: it.jwks_endpoint().unwrap_or_default().to_owned(),
        additional_claims: it.additional_claims().iter().map(claim).collect::<Result<_>>()?,
    })
}

fn from_extra(params: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    params.cloned().unwrap_or_default().into_iter().collect()
}
