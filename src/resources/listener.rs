//! elbv2: a listener, a port of a load balancer and what happens to requests there.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing,
        elb::{self, ListenerAction, ListenerActionType},
        refused_with,
    },
    check::Report,
    codec::{Unlisted, name_of, named},
    list::{Cursor, Listed, Page},
    resource::{Context, Resource, changed},
};

/// What AWS says of a certificate that was issued a moment ago.
const CERTIFICATE_UNKNOWN: &[Passing] = &[("CertificateNotFound", "")];

pub struct Listener;

/// A listener: a port of a load balancer, and what happens to requests there. Its rules, if it has any, go first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerInputs {
    /// The ARN of the load balancer.
    #[schemars(extend("replaceOnChanges" = true))]
    pub load_balancer_arn: String,
    /// The port that clients connect to.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The protocol that clients speak. Default: `HTTP`.
    #[serde(default = "http")]
    pub protocol: ListenerProtocol,
    /// For `HTTPS` and `TLS`: the ARN of the certificate to show to clients.
    pub certificate_arn: Option<String>,
    /// For `HTTPS` and `TLS`: which versions and ciphers of TLS clients may use. Default: TLS 1.2 and 1.3, with key exchange that
    /// also withstands quantum computers where the client knows it. AWS's own default would still let in TLS 1.0.
    #[serde(default = "tls_1_2_and_later")]
    pub ssl_policy: String,
    /// For `TLS`: the protocol to agree on with clients by ALPN.
    pub alpn_policy: Option<ListenerAlpnPolicy>,
    /// What to do with requests that no rule takes.
    #[schemars(length(min = 1), extend("keyedBy" = "type"))]
    pub default_actions: Vec<ListenerAction>,
    /// Tags to put on the listener.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A protocol that clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ListenerProtocol {
    /// For application load balancers.
    Http,
    /// For application load balancers; it needs a certificate.
    Https,
    /// For network load balancers.
    Tcp,
    /// For network load balancers; it needs a certificate.
    Tls,
    /// For network load balancers.
    Udp,
    /// For network load balancers: both on one port.
    #[serde(rename = "TCP_UDP")]
    TcpUdp,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

impl ListenerProtocol {
    fn is_encrypted(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// The protocol to agree on with clients by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerAlpnPolicy {
    /// HTTP/1 only.
    #[serde(rename = "HTTP1Only")]
    Http1Only,
    /// HTTP/2 only.
    #[serde(rename = "HTTP2Only")]
    Http2Only,
    /// HTTP/1 rather than HTTP/2.
    #[serde(rename = "HTTP2Optional")]
    Http2Optional,
    /// HTTP/2 rather than HTTP/1.
    #[serde(rename = "HTTP2Preferred")]
    Http2Preferred,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerOutputs {
    #[serde(flatten)]
    pub inputs: ListenerInputs,
    /// The ARN of the listener.
    pub arn: String,
}

fn http() -> ListenerProtocol {
    ListenerProtocol::Http
}

fn tls_1_2_and_later() -> String {
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09".to_owned()
}

/// What listeners to list: AWS tells those of one load balancer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerQuery {
    /// The ARN of the load balancer.
    pub load_balancer_arn: String,
}

impl Resource for Listener {
    const NAME: &'static str = "Listener";
    type Inputs = ListenerInputs;
    type Outputs = ListenerOutputs;
    type Query = ListenerQuery;

    fn check(inputs: &ListenerInputs, report: &mut Report<'_>) {
        let protocol = name_of(inputs.protocol);
        let has_certificate = inputs.certificate_arn.is_some();
        report.rule(
            &["certificateArn", "protocol"],
            has_certificate || !inputs.protocol.is_encrypted(),
            format!("is required: a listener of protocol {protocol} shows a certificate to clients"),
        );
        report.rule(
            &["certificateArn", "protocol"],
            !has_certificate || inputs.protocol.is_encrypted(),
            format!("is for the protocols HTTPS and TLS, and protocol is {protocol}"),
        );
        report.rule(
            &["alpnPolicy", "protocol"],
            inputs.alpn_policy.is_none() || inputs.protocol == ListenerProtocol::Tls,
            format!("is for the protocol TLS, and protocol is {protocol}"),
        );
        elb::check_actions("defaultActions", &inputs.default_actions, report);
        for (index, action) in inputs.default_actions.iter().enumerate() {
            let authenticates = action.authenticate_cognito.is_some() || action.authenticate_oidc.is_some();
            report.rule(
                &[&format!("defaultActions[{index}].type"), "protocol"],
                !authenticates || inputs.protocol == ListenerProtocol::Https,
                format!("authenticates users, which only listeners of protocol HTTPS do, and protocol is {protocol}"),
            );
            report.rule(
                &[&format!("defaultActions[{index}].type"), "protocol"],
                inputs.protocol.is_http() || authenticates || action.r#type == ListenerActionType::Forward,
                format!("is not forward, the only one for listeners of protocol {protocol}"),
            );
        }
    }

    async fn create(context: &Context, inputs: &ListenerInputs) -> Result<String> {
        let client = context.aws.elb();
        let create = || async {
            let request = client
                .create_listener()
                .load_balancer_arn(&inputs.load_balancer_arn)
                .port(inputs.port)
                .protocol(name_of(inputs.protocol).as_str().into())
                .set_certificates(certificates(inputs))
                .set_ssl_policy(ssl_policy(inputs))
                .set_alpn_policy(inputs.alpn_policy.map(|it| vec![name_of(it)]))
                .set_default_actions(Some(elb::to_actions(&inputs.default_actions)))
                .set_tags(elb::to_tags(&inputs.tags));
            request.send().await.explain()
        };
        let created = match context.observer.settle(CERTIFICATE_UNKNOWN, create).await {
            Err(error) if refused_with(&error, &["DuplicateListener"]) => {
                return Err(error.context(format!(
                    "the load balancer has a listener on port {} already; take another port, or import that one",
                    inputs.port
                )));
            }
            result => result.map_err(elb::explain_association)?.listeners.unwrap_or_default().pop(),
        };
        created.and_then(|it| it.listener_arn).context("AWS did not say which listener it made")
    }

    async fn update(context: &Context, arn: &str, old: &ListenerOutputs, new: &ListenerInputs) -> Result<()> {
        let client = context.aws.elb();
        let was = &old.inputs;
        let mut changed = changed(was, new)?;
        changed.remove("tags");
        if !changed.is_empty() {
            // AWS keeps a policy that it is not told of.
            let alpn = new.alpn_policy.map(name_of);
            let alpn = alpn.or_else(|| was.alpn_policy.map(|_| "None".to_owned()));
            let modify = || async {
                let request = client
                    .modify_listener()
                    .listener_arn(arn)
                    .port(new.port)
                    .protocol(name_of(new.protocol).as_str().into())
                    .set_certificates(certificates(new))
                    .set_ssl_policy(ssl_policy(new))
                    .set_alpn_policy(alpn.clone().map(|it| vec![it]))
                    .set_default_actions(Some(elb::to_actions(&new.default_actions)));
                request.send().await.explain()
            };
            context.observer.settle(CERTIFICATE_UNKNOWN, modify).await.map_err(elb::explain_association)?;
        }
        elb::retag(&context.aws, arn, &was.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ListenerOutputs>> {
        elb::check_id(id, "listener", false)?;
        let Some(listener) = context.aws.look_up::<DescribeListeners>(id.to_owned()).await? else { return Ok(None) };
        let alpn = listener.alpn_policy().iter().find(|it| *it != "None");
        Ok(Some(ListenerOutputs {
            inputs: ListenerInputs {
                load_balancer_arn: listener.load_balancer_arn().unwrap_or_default().to_owned(),
                port: listener.port().unwrap_or_default(),
                protocol: named(listener.protocol().map_or("HTTP", |it| it.as_str()))?,
                certificate_arn: listener.certificates().first().and_then(|it| it.certificate_arn()).map(str::to_owned),
                // Without TLS there is none; there, the default means nothing.
                ssl_policy: listener.ssl_policy().map_or_else(tls_1_2_and_later, str::to_owned),
                alpn_policy: alpn.map(|it| named(it)).transpose()?,
                default_actions: elb::from_actions(listener.default_actions())?,
                tags: elb::tags_of(&context.aws, id).await?,
            },
            arn: listener.listener_arn().unwrap_or_default().to_owned(),
        }))
    }

    fn id(outputs: &ListenerOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, query: &ListenerQuery, at: &Cursor) -> Result<Page> {
        let request = context.aws.elb().describe_listeners().load_balancer_arn(&query.load_balancer_arn);
        let request = request.page_size(at.size(1..=400)).set_marker(at.token.clone());
        let answer = request.send().await.explain().with_context(|| format!("loadBalancerArn: {}", query.load_balancer_arn))?;
        let listed = answer.listeners.unwrap_or_default().into_iter().filter_map(|it| {
            let protocol = named::<ListenerProtocol>(it.protocol()?.as_str()).ok()?;
            elb::from_actions(it.default_actions()).ok()?;
            Some(Listed::new(it.listener_arn()?, format!("{}:{}", name_of(protocol), it.port()?)))
        });
        Ok(Page::new(listed, answer.next_marker))
    }

    async fn delete(context: &Context, arn: &str, _: &ListenerOutputs) -> Result<()> {
        match context.aws.elb().delete_listener().listener_arn(arn).send().await.explain() {
            Err(error) if refused_with(&error, &["ListenerNotFound"]) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// `DescribeListeners`, by ARN.
struct DescribeListeners;

impl Lookup for DescribeListeners {
    type Key = String;
    type Found = types::Listener;
    const LIMIT: usize = 20;
    const MISSING: &'static [&'static str] = &["ListenerNotFound"];

    async fn load(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, types::Listener>> {
        let described = aws.elb().describe_listeners().set_listener_arns(Some(arns)).send().await.explain()?;
        let all = described.listeners.unwrap_or_default();
        Ok(all.into_iter().filter_map(|it| Some((it.listener_arn()?.to_owned(), it))).collect())
    }
}

fn certificates(inputs: &ListenerInputs) -> Option<Vec<types::Certificate>> {
    let arn = inputs.certificate_arn.as_ref()?;
    Some(vec![types::Certificate::builder().certificate_arn(arn).build()])
}

fn ssl_policy(inputs: &ListenerInputs) -> Option<String> {
    inputs.protocol.is_encrypted().then(|| inputs.ssl_policy.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::mistakes;

    #[test]
    fn a_certificate_goes_with_encryption() {
        let forward = json!([{ "type": "forward", "targetGroupArn": "arn:aws:targets" }]);
        let listener = |protocol, certificate: Option<&str>| {
            let inputs = json!({
                "loadBalancerArn": "arn:aws:balancer",
                "port": 443,
                "protocol": protocol,
                "certificateArn": certificate,
                "defaultActions": forward,
            });
            mistakes::<Listener>(inputs.into())
        };
        assert!(listener("HTTP", None).is_empty());
        assert!(listener("HTTPS", Some("arn:aws:acm")).is_empty());
        let expected = ["certificateArn is required: a listener of protocol HTTPS shows a certificate to clients"];
        assert_eq!(listener("HTTPS", None), expected);
        let expected = ["certificateArn is for the protocols HTTPS and TLS, and protocol is TCP"];
        assert_eq!(listener("TCP", Some("arn:aws:acm")), expected);
    }

    #[test]
    fn an_action_has_what_its_type_needs() {
        let actions = |actions: serde_json::Value| {
            let inputs = json!({ "loadBalancerArn": "arn:aws:balancer", "port": 80, "defaultActions": actions });
            mistakes::<Listener>(inputs.into())
        };
        let two = json!({ "targetGroups": [{ "arn": "arn:aws:a" }, { "arn": "arn:aws:b" }] });
        assert!(actions(json!([{ "type": "forward", "forward": two }])).is_empty());
        assert_eq!(
            actions(json!([{ "type": "forward", "targetGroupArn": "arn:aws:a", "forward": two }])),
            ["defaultActions[0].targetGroupArn is not all that forward names; leave one of the two out"]
        );
        assert_eq!(
            actions(json!([{ "type": "redirect", "targetGroupArn": "arn:aws:a" }])),
            [
                "defaultActions[0].targetGroupArn belongs to actions of type forward",
                "defaultActions[0].type is redirect, which needs the property redirect",
            ]
        );
        assert_eq!(
            actions(json!([{ "type": "redirect", "redirect": { "statusCode": "HTTP_301" } }])),
            ["defaultActions[0].redirect leads to where the request came from; change its protocol, port, host, path or query"]
        );
        let login = json!({ "userPoolArn": "arn:aws:pool", "userPoolClientId": "1", "userPoolDomain": "web" });
        let login = json!({ "type": "authenticate-cognito", "authenticateCognito": login });
        assert_eq!(
            actions(json!([{ "type": "forward", "targetGroupArn": "arn:aws:a" }, login])),
            [
                "defaultActions[0].type is forward, after which no other action can follow",
                "defaultActions[1].type is authenticate-cognito, after which another action has to follow",
                "defaultActions[1].type authenticates users, which only listeners of protocol HTTPS do, and protocol is HTTP",
            ]
        );
    }
}
