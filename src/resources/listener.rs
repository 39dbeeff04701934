//! elbv2: a listener, a port of a load balancer and what happens to requests there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Error, Result, bail};
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Settle as _,
        elb::{self, ListenerAction, ListenerActionType},
        refused_with,
    },
    check::Report,
    codec::{self, Unlisted, name_of, named},
    facts::{ListenerFacts, LoadBalancerFacts},
    list::{Cursor, Listed, Page},
    plan::{Candidates, Facts, Link},
    resource::{Context, Resource, changed, occupied},
    value::{Map, Value},
};

/// What AWS says of a certificate that was issued a moment ago, and of a target group whose old listener is just going.
const NOT_YET: &[Passing] = &[("CertificateNotFound", ""), elb::SERVES_ANOTHER];

pub struct Listener;

/// A listener: a port of a load balancer, and what happens to requests there. Its rules, if it has any, go first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerInputs {
    /// The ARN of the load balancer.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = crate::aws::arn::load_balancer)]
    pub load_balancer_arn: String,
    /// The port that clients connect to.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The protocol that clients speak. Default: `HTTP`.
    #[serde(default = "http")]
    pub protocol: ListenerProtocol,
    /// For `HTTPS` and `TLS`: the ARN of the certificate to show to clients, in ACM in the region of the load balancer, or in IAM.
    pub certificate_arn: Option<String>,
    /// For `HTTPS` and `TLS`: which versions and ciphers of TLS clients may use. Default:
    /// `ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09`, which allows TLS 1.2 and 1.3, with key exchange that also withstands quantum
    /// computers where the client supports it. AWS's own default would still allow TLS 1.0.
    #[serde(default = "tls_1_2_and_later")]
    pub ssl_policy: String,
    /// For `TLS`: the protocol to agree on with clients by ALPN.
    pub alpn_policy: Option<ListenerAlpnPolicy>,
    /// For `HTTPS`: whether clients show a certificate as well (mutual TLS). Default: they need not; where it is left out, an
    /// existing listener keeps what it has.
    #[schemars(extend("computed" = true))]
    pub mutual_authentication: Option<ListenerMutualAuthentication>,
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

/// Whether clients show a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerMutualAuthentication {
    /// What happens with the certificates of clients.
    pub mode: ListenerMutualAuthenticationMode,
    /// For `verify`: the ARN of the trust store, which holds the certificates of the authorities to trust.
    #[schemars(transform = crate::aws::arn::trust_store)]
    pub trust_store_arn: Option<String>,
    /// For `verify`: whether certificates that have expired are good.
    #[serde(default)]
    pub ignore_client_certificate_expiry: bool,
    /// For `verify`: whether clients are sent the names of the authorities.
    #[serde(default = "not_advertised")]
    pub advertise_trust_store_ca_names: ListenerAdvertiseTrustStoreCaNames,
}

/// What happens with the certificates of clients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ListenerMutualAuthenticationMode {
    /// They are not asked for.
    Off,
    /// Targets get them in a header, unverified.
    Passthrough,
    /// They are verified by the trust store.
    Verify,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Whether clients are sent the names of the authorities of the trust store.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ListenerAdvertiseTrustStoreCaNames {
    /// They are.
    On,
    /// They are not.
    Off,
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

fn not_advertised() -> ListenerAdvertiseTrustStoreCaNames {
    ListenerAdvertiseTrustStoreCaNames::Off
}

fn no_client_certificates() -> ListenerMutualAuthentication {
    ListenerMutualAuthentication {
        mode: ListenerMutualAuthenticationMode::Off,
        trust_store_arn: None,
        ignore_client_certificate_expiry: false,
        advertise_trust_store_ca_names: not_advertised(),
    }
}

/// What listeners to list: AWS tells those of one load balancer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerQuery {
    /// The ARN of the load balancer.
    #[schemars(transform = crate::aws::arn::load_balancer)]
    pub load_balancer_arn: String,
}

impl Resource for Listener {
    const NAME: &'static str = "Listener";
    type Cloud = crate::aws::Session;
    type Inputs = ListenerInputs;
    type Outputs = ListenerOutputs;
    type Query = ListenerQuery;

    fn normalize(inputs: &mut Map) {
        let text = |name: &str| inputs.get(name).and_then(Value::as_str);
        // Without TLS, a policy has no effect; and no text is no policy.
        let plain = text("protocol").is_some_and(|it| !matches!(it, "HTTPS" | "TLS"));
        let none = text("sslPolicy") == Some("");
        let never_mutual = text("protocol").is_some_and(|it| it != "HTTPS");
        if text("alpnPolicy") == Some("None") {
            inputs.remove("alpnPolicy");
        }
        if plain || none {
            inputs.insert("sslPolicy".to_owned(), Value::String(tls_1_2_and_later()));
        }
        if let Some(Value::Object(mutual)) = inputs.get_mut("mutualAuthentication").map(Value::plain_mut)
            && mutual.get("mode").and_then(Value::as_str) == Some("off")
        {
            *mutual = codec::encode(&no_client_certificates()).unwrap_or_default();
            if never_mutual {
                inputs.remove("mutualAuthentication");
            }
        }
        elb::normalize_actions(inputs.get_mut("defaultActions"));
    }

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
        check_certificate(inputs, report);
        check_mutual(inputs, report);
        check_balancer(inputs, report);
        elb::check_actions("defaultActions", &inputs.default_actions, report);
        for (index, action) in inputs.default_actions.iter().enumerate() {
            let authenticates = action.r#type.authenticates();
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
            let leads_back = action.redirect.as_ref().is_some_and(|it| it.protocol == "HTTP");
            report.rule(
                &[&format!("defaultActions[{index}].redirect.protocol"), "protocol"],
                inputs.protocol != ListenerProtocol::Https || !leads_back,
                "is HTTP, but AWS redirects no HTTPS to HTTP",
            );
            let lasts = action.forward.as_ref().is_none_or(|it| !it.stickiness.enabled || it.stickiness.duration.is_some());
            report.rule(
                &[&format!("defaultActions[{index}].forward.stickiness.duration"), "protocol"],
                !inputs.protocol.is_http() || lasts,
                "is required where stickiness is enabled",
            );
        }
        let own = Candidates { certain: true, those: vec![facts_of(inputs, report)] };
        elb::check_forwards("defaultActions", &inputs.default_actions, &own, report);
    }

    fn check_change(old: &ListenerInputs, new: &ListenerInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        if replacing.is_empty() {
            elb::check_recreated("defaultActions", &old.default_actions, &new.default_actions, report);
        }
        let shared = elb::share_target_group(&old.default_actions, &new.default_actions);
        report.warn(
            &["defaultActions"],
            !replacing.contains("loadBalancerArn") || !shared,
            "forwards to a target group that another load balancer serves until now, and AWS lets it serve one: the listener is \
             deleted before the new one is created, and nobody answers in between; to have both for a while, forward to a new \
             target group",
        );
    }

    fn excludes(old: &ListenerInputs, new: &ListenerInputs) -> bool {
        if old.load_balancer_arn == new.load_balancer_arn {
            return old.port == new.port;
        }
        elb::share_target_group(&old.default_actions, &new.default_actions)
    }

    fn facts(inputs: &ListenerInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(facts_of(inputs, report)))
    }

    async fn create(context: &Context, inputs: &ListenerInputs) -> Result<String> {
        let client = context.client.elb();
        // AWS would hand out an existing one with the same settings as if it had just made it.
        if let Some(existing) = on_port(context, &inputs.load_balancer_arn, inputs.port).await? {
            bail!(in_use(inputs.port, &existing));
        }
        let create = || async {
            let request = client
                .create_listener()
                .load_balancer_arn(&inputs.load_balancer_arn)
                .port(inputs.port)
                .protocol(name_of(inputs.protocol).as_str().into())
                .set_certificates(certificates(inputs))
                .set_ssl_policy(ssl_policy(inputs))
                .set_alpn_policy(inputs.alpn_policy.map(|it| vec![name_of(it)]))
                .set_mutual_authentication(inputs.mutual_authentication.as_ref().map(to_mutual))
                .set_default_actions(Some(elb::to_actions(&inputs.default_actions)))
                .set_tags(elb::to_tags(&inputs.tags));
            request.send().await.explain()
        };
        let created = match context.observer.settle(NOT_YET, create).await {
            Err(error) if refused_with(&error, &["DuplicateListener"]) => {
                let existing = on_port(context, &inputs.load_balancer_arn, inputs.port).await.ok().flatten();
                return Err(error.context(in_use(inputs.port, existing.as_deref().unwrap_or("<its ARN>"))));
            }
            result => result.map_err(elb::explain_association)?.listeners.unwrap_or_default().pop(),
        };
        created.and_then(|it| it.listener_arn).context("AWS did not say which listener it made")
    }

    async fn update(context: &Context, arn: &str, old: &ListenerOutputs, new: &ListenerInputs) -> Result<()> {
        let client = context.client.elb();
        let was = &old.inputs;
        let mut changed = changed(was, new)?;
        changed.remove("tags");
        if !changed.is_empty() {
            // AWS keeps what it is not told of; but another protocol needs its settings anew.
            let anew = changed.contains("protocol");
            let of = |name: &str| anew || changed.contains(name);
            let alpn = new.alpn_policy.map_or_else(|| "None".to_owned(), name_of);
            let alpn = (new.protocol == ListenerProtocol::Tls && new.alpn_policy != was.alpn_policy).then(|| vec![alpn]);
            let mutual = new.mutual_authentication.as_ref().filter(|_| of("mutualAuthentication")).map(to_mutual);
            let actions = elb::to_actions(&elb::keep_left_out(&was.default_actions, &new.default_actions));
            let actions = Some(actions).filter(|_| changed.contains("defaultActions"));
            let modify = || async {
                let request = client
                    .modify_listener()
                    .listener_arn(arn)
                    .set_port(changed.contains("port").then_some(new.port))
                    .set_protocol(anew.then(|| name_of(new.protocol).as_str().into()))
                    .set_certificates(certificates(new).filter(|_| of("certificateArn")))
                    .set_ssl_policy(ssl_policy(new).filter(|_| of("sslPolicy")))
                    .set_alpn_policy(alpn.clone())
                    .set_mutual_authentication(mutual.clone())
                    .set_default_actions(actions.clone());
                request.send().await.explain()
            };
            context.observer.settle(NOT_YET, modify).await.map_err(|error| explained(error, new))?;
        }
        elb::retag(&context.client, arn, &was.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ListenerOutputs>> {
        elb::check_id(id, "listener", false)?;
        let Some(listener) = context.client.look_up::<DescribeListeners>(id.to_owned()).await? else { return Ok(None) };
        let alpn = listener.alpn_policy().iter().find(|it| *it != "None");
        let https = listener.protocol() == Some(&types::ProtocolEnum::Https);
        let mutual = listener.mutual_authentication().map_or_else(|| Ok(no_client_certificates()), from_mutual)?;
        Ok(Some(ListenerOutputs {
            inputs: ListenerInputs {
                load_balancer_arn: listener.load_balancer_arn().unwrap_or_default().to_owned(),
                port: listener.port().unwrap_or_default(),
                protocol: named(listener.protocol().map_or("HTTP", |it| it.as_str()))?,
                certificate_arn: listener.certificates().first().and_then(|it| it.certificate_arn()).map(str::to_owned),
                // Without TLS there is none; there, the default means nothing.
                ssl_policy: listener.ssl_policy().filter(|it| !it.is_empty()).map_or_else(tls_1_2_and_later, str::to_owned),
                alpn_policy: alpn.map(|it| named(it)).transpose()?,
                mutual_authentication: https.then_some(mutual),
                default_actions: elb::from_actions(listener.default_actions())?,
                tags: elb::tags_of(&context.client, id).await?,
            },
            arn: listener.listener_arn().unwrap_or_default().to_owned(),
        }))
    }

    fn id(outputs: &ListenerOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, query: &ListenerQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.elb().describe_listeners().load_balancer_arn(&query.load_balancer_arn);
        let request = request.page_size(at.size(1..=400)).set_marker(at.token.clone());
        let answer = request.send().await.explain().with_context(|| format!("loadBalancerArn: {}", query.load_balancer_arn))?;
        let listed = answer.listeners.unwrap_or_default().into_iter().filter_map(|it| {
            let protocol = named::<ListenerProtocol>(it.protocol()?.as_str()).ok()?;
            let actions = elb::from_actions(it.default_actions()).ok()?;
            if actions.iter().any(|it| matches!(it.r#type, ListenerActionType::Other(_))) {
                return None;
            }
            Some(Listed::new(it.listener_arn()?, format!("{}:{}", name_of(protocol), it.port()?)))
        });
        Ok(Page::new(listed, answer.next_marker))
    }

    async fn delete(context: &Context, arn: &str, _: &ListenerOutputs) -> Result<()> {
        match context.client.elb().delete_listener().listener_arn(arn).send().await.explain() {
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

/// What others have to know of the listener.
fn facts_of(inputs: &ListenerInputs, report: &Report<'_>) -> ListenerFacts {
    ListenerFacts {
        load_balancer: report.link("loadBalancerArn", &inputs.load_balancer_arn),
        port: report.known("port", inputs.port),
        protocol: report.known("protocol", name_of(inputs.protocol)),
        target_groups: elb::links("defaultActions", &inputs.default_actions, report),
    }
}

/// Reports a certificate that AWS would not find.
fn check_certificate(inputs: &ListenerInputs, report: &mut Report<'_>) {
    let Some(arn) = &inputs.certificate_arn else { return };
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let region = match parts.as_slice() {
        ["arn", _, "acm", region, _, name] if name.starts_with("certificate/") => Some(*region),
        ["arn", _, "iam", _, _, name] if name.starts_with("server-certificate/") => None,
        _ => {
            let reason = format!(
                "is {arn:?}, which is not the ARN of a certificate, such as \
                 arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
            );
            return report.rule(&["certificateArn"], false, reason);
        }
    };
    let of_balancer = inputs.load_balancer_arn.strip_prefix("arn:").and_then(|it| it.split(':').nth(2)).map(str::to_owned);
    let home = of_balancer.or_else(|| report.text("region").map(str::to_owned));
    if let (Some(region), Some(home)) = (region, home) {
        let reason = format!("is a certificate in {region}, but the load balancer is in {home}; request one in {home}");
        report.rule(&["certificateArn"], region == home, reason);
    }
}

/// Reports settings of mutual TLS that do not go together.
fn check_mutual(inputs: &ListenerInputs, report: &mut Report<'_>) {
    let Some(it) = &inputs.mutual_authentication else { return };
    let protocol = name_of(inputs.protocol);
    report.rule(
        &["mutualAuthentication?", "protocol"],
        inputs.protocol == ListenerProtocol::Https,
        format!("is for the protocol HTTPS, and protocol is {protocol}"),
    );
    let verifies = it.mode == ListenerMutualAuthenticationMode::Verify;
    report.rule(
        &["mutualAuthentication.trustStoreArn", "mutualAuthentication.mode"],
        it.trust_store_arn.is_some() || !verifies,
        "is required where mode is verify",
    );
    let of_verify = [
        ("trustStoreArn", it.trust_store_arn.is_some()),
        ("ignoreClientCertificateExpiry", it.ignore_client_certificate_expiry),
        ("advertiseTrustStoreCaNames", it.advertise_trust_store_ca_names != not_advertised()),
    ];
    for (name, set) in of_verify {
        let path = format!("mutualAuthentication.{name}");
        report.rule(&[&path, "mutualAuthentication.mode"], verifies || !set, "is for the mode verify only");
    }
}

/// Compares the listener with its load balancer, and with the other listeners of that.
fn check_balancer(inputs: &ListenerInputs, report: &mut Report<'_>) {
    let link = report.link("loadBalancerArn", &inputs.load_balancer_arn);
    let balancers = report.follow::<LoadBalancerFacts>(&link);
    let (protocol, http) = (name_of(inputs.protocol), inputs.protocol.is_http());
    let known = !matches!(inputs.protocol, ListenerProtocol::Other(_));
    report.compare("protocol", &["protocol"], &balancers, |balancer| {
        let kind = balancer.kind.as_deref()?;
        let wanted = if http { "application" } else { "network" };
        (known && kind != wanted && matches!(kind, "application" | "network")).then(|| {
            let has = if http { "TCP, TLS, UDP or TCP_UDP" } else { "HTTP or HTTPS" };
            format!("is {protocol}, which is for {wanted} load balancers, but {} is one of type {kind}; set {has}", balancer.name)
        })
    });
    // To AWS, TCP and UDP may be two ports of one number: that it refuses both is not documented.
    let is_udp = |protocol: &str| protocol == "UDP";
    let certain = matches!(link, Link::Known(_));
    let same = |it: &ListenerFacts| it.port == Some(inputs.port) && report.same::<LoadBalancerFacts>(&link, &it.load_balancer);
    let clash = report.others::<ListenerFacts>().into_iter().find(same);
    let clash = Candidates { certain, those: clash.into_iter().collect() };
    let reason = format!("is {}, on which the program has another listener of the same load balancer already", inputs.port);
    let unlike = |it: &ListenerFacts| it.protocol.as_deref().is_none_or(|it| is_udp(it) != is_udp(&protocol));
    report.compare("port", &["port", "protocol"], &clash, |it| (!unlike(it)).then(|| reason.clone()));
    report.warn_if_mismatched("port", &["port", "protocol"], &clash, |it| unlike(it).then(|| reason.clone()));
}

fn to_mutual(it: &ListenerMutualAuthentication) -> types::MutualAuthenticationAttributes {
    let verifies = it.mode == ListenerMutualAuthenticationMode::Verify;
    types::MutualAuthenticationAttributes::builder()
        .mode(name_of(it.mode))
        .set_trust_store_arn(it.trust_store_arn.clone())
        .set_ignore_client_certificate_expiry(verifies.then_some(it.ignore_client_certificate_expiry))
        .set_advertise_trust_store_ca_names(verifies.then(|| name_of(it.advertise_trust_store_ca_names).as_str().into()))
        .build()
}

fn from_mutual(it: &types::MutualAuthenticationAttributes) -> Result<ListenerMutualAuthentication> {
    Ok(ListenerMutualAuthentication {
        mode: named(it.mode().unwrap_or("off"))?,
        trust_store_arn: it.trust_store_arn().filter(|it| !it.is_empty()).map(str::to_owned),
        ignore_client_certificate_expiry: it.ignore_client_certificate_expiry().unwrap_or_default(),
        advertise_trust_store_ca_names: it
            .advertise_trust_store_ca_names()
            .map_or_else(|| Ok(not_advertised()), |it| named(it.as_str()))?,
    })
}

/// The listener of a load balancer on a port, by its ARN.
async fn on_port(context: &Context, balancer: &str, port: i32) -> Result<Option<String>> {
    let mut pages = context.client.elb().describe_listeners().load_balancer_arn(balancer).into_paginator().items().send();
    while let Some(listener) = context.observer.ask(async { Ok(pages.next().await) }).await? {
        let listener = listener.explain()?;
        if listener.port() == Some(port) {
            return Ok(listener.listener_arn);
        }
    }
    Ok(None)
}

/// What to say of a port that another listener has.
fn in_use(port: i32, arn: &str) -> String {
    occupied::<Listener>(&format!("on port {port} of the load balancer"), "port", arn)
}

/// Adds the fix to a refusal of what a listener is to become.
fn explained(error: Error, inputs: &ListenerInputs) -> Error {
    if refused_with(&error, &["DuplicateListener"]) {
        return error.context(format!("the load balancer has another listener on port {}; set another port", inputs.port));
    }
    elb::explain_association(error)
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
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        facts::SubnetFacts,
        plan::Plan,
        resource::{findings, findings_of_change, goes_first, mistakes},
        resources::{load_balancer::LoadBalancer, target_group::TargetGroup},
    };

    const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
    const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188";
    const OTHER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/other/60dc6c495c0c9188";
    const TARGETS: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";

    /// A listener on port 80 of the load balancer, which forwards to the target group, but for what is said otherwise.
    fn listener(more: Json) -> Json {
        let forward = json!([{ "type": "forward", "targetGroupArn": TARGETS }]);
        let mut inputs = json!({ "loadBalancerArn": BALANCER, "port": 80, "defaultActions": forward });
        let Json::Object(more) = more else { panic!("inputs are a map") };
        inputs.as_object_mut().unwrap().extend(more);
        inputs
    }

    fn unknown(inputs: Json, property: &str) -> Value {
        let Value::Object(mut inputs) = Value::from(inputs) else { panic!("inputs are a map") };
        inputs.insert(property.to_owned(), Value::Unknown);
        Value::Object(inputs)
    }

    fn other(load_balancer: Link, port: i32, protocol: &str) -> Facts {
        let target_groups = vec![Link::Known(TARGETS.to_owned())];
        Facts::new(ListenerFacts { load_balancer, port: Some(port), protocol: Some(protocol.to_owned()), target_groups })
    }

    /// A program with the load balancer and the target group, created already.
    fn program(balancer: Json, group: Json) -> Plan {
        let plan = Plan::default();
        assert_eq!(findings::<LoadBalancer>(&plan, balancer.into()).0, Vec::<String>::new());
        assert_eq!(findings::<TargetGroup>(&plan, group.into()).0, Vec::<String>::new());
        plan.record("LoadBalancer", Some(BALANCER), &[]);
        plan.record("TargetGroup", Some(TARGETS), &[]);
        plan
    }

    #[test]
    fn two_listeners_do_not_share_a_port() {
        let reason = "port is 80, on which the program has another listener of the same load balancer already";
        let plan = Plan::default();
        plan.declare("other", other(Link::Known(BALANCER.to_owned()), 80, "HTTP"));
        assert_eq!(findings::<Listener>(&plan, listener(json!({})).into()).0, [reason]);
        assert!(findings::<Listener>(&plan, listener(json!({ "port": 81 })).into()).0.is_empty());
        plan.declare("other", other(Link::Known(BALANCER.to_owned()), 80, "UDP"));
        assert_eq!(findings::<Listener>(&plan, listener(json!({ "protocol": "TCP" })).into()), (vec![], vec![reason.to_owned()]));

        // In the first preview, there is one load balancer that is not created yet.
        let plan = Plan::default();
        findings::<LoadBalancer>(&plan, json!({ "name": "web", "subnets": ["subnet-1", "subnet-2"] }).into());
        plan.declare("other", other(Link::Unknown, 80, "HTTP"));
        let found = findings::<Listener>(&plan, unknown(listener(json!({})), "loadBalancerArn")).0;
        assert!(found.len() == 1 && found[0].starts_with(reason), "{found:?}");
    }

    #[test]
    fn a_target_group_serves_one_load_balancer() {
        let plan = Plan::default();
        plan.declare("other", other(Link::Known(OTHER.to_owned()), 80, "HTTP"));
        assert_eq!(
            findings::<Listener>(&plan, listener(json!({})).into()).0,
            [format!(
                "defaultActions[0].targetGroupArn serves {OTHER} as well, but AWS lets a target group serve one load balancer; add \
                 another one"
            )]
        );
        plan.declare("other", other(Link::Known(BALANCER.to_owned()), 81, "HTTP"));
        assert!(findings::<Listener>(&plan, listener(json!({})).into()).0.is_empty());
    }

    #[test]
    fn a_listener_goes_before_it_is_replaced_where_there_is_room_for_one() {
        let new = listener(json!({ "loadBalancerArn": OTHER }));
        assert!(goes_first::<Listener>(listener(json!({})).into(), new.clone().into()), "the target group stays");
        assert!(goes_first::<Listener>(listener(json!({})).into(), unknown(new, "loadBalancerArn")), "so it does in a preview");
        let elsewhere = json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/another/1" }]);
        let new = listener(json!({ "loadBalancerArn": OTHER, "defaultActions": elsewhere }));
        assert!(!goes_first::<Listener>(listener(json!({})).into(), new.into()));
        assert!(goes_first::<Listener>(listener(json!({})).into(), listener(json!({})).into()), "the port stays");

        let moved = listener(json!({ "loadBalancerArn": OTHER }));
        let (failures, warnings) = findings_of_change::<Listener>(listener(json!({})).into(), moved.into());
        assert!(failures.is_empty() && warnings.len() == 1, "{failures:?} {warnings:?}");
        assert!(warnings[0].starts_with("defaultActions forwards to a target group that another load balancer serves until now"));
    }

    #[test]
    fn a_listener_fits_its_load_balancer_and_its_target_groups() {
        let application = json!({ "name": "web", "subnets": ["subnet-1", "subnet-2"] });
        let network = json!({ "name": "net", "loadBalancerType": "network", "subnets": ["subnet-1"] });
        let http = json!({ "name": "web", "vpcId": "vpc-1" });
        let udp = json!({ "name": "dns", "vpcId": "vpc-1", "protocol": "UDP" });
        let plan = program(application.clone(), http.clone());
        assert!(findings::<Listener>(&plan, listener(json!({})).into()).0.is_empty());
        assert_eq!(
            findings::<Listener>(&plan, listener(json!({ "protocol": "TCP" })).into()).0,
            [
                "defaultActions[0].targetGroupArn is target group web of protocol HTTP, but a listener of protocol TCP forwards to \
                 TCP or TCP_UDP only",
                "protocol is TCP, which is for network load balancers, but web is one of type application; set HTTP or HTTPS",
            ]
        );
        let plan = program(network, udp);
        assert!(findings::<Listener>(&plan, listener(json!({ "protocol": "UDP" })).into()).0.is_empty());
        assert_eq!(
            findings::<Listener>(&plan, listener(json!({ "protocol": "TCP_UDP" })).into()).0,
            [
                "defaultActions[0].targetGroupArn is target group dns of protocol UDP, but a listener of protocol TCP_UDP forwards to \
              TCP_UDP only"
            ]
        );

        let plan = program(application, http);
        let subnet = SubnetFacts { availability_zone: None, block: None, vpc: Link::Known("vpc-2".to_owned()) };
        plan.declare("subnet", Facts::new(subnet));
        plan.record("subnet", Some("subnet-1"), &[]);
        assert_eq!(
            findings::<Listener>(&plan, listener(json!({})).into()).0,
            [
                "defaultActions[0].targetGroupArn is target group web in vpc-1, but the load balancer is in vpc-2; a load balancer \
              forwards within its VPC"
            ]
        );
    }

    #[test]
    fn a_certificate_is_one_of_the_region() {
        let with = |arn: &str| mistakes::<Listener>(listener(json!({ "protocol": "HTTPS", "certificateArn": arn })).into());
        assert!(with(CERTIFICATE).is_empty());
        assert!(with("arn:aws:iam::123456789012:server-certificate/web").is_empty());
        let elsewhere = CERTIFICATE.replace("eu-west-1", "us-east-1");
        let reason =
            "certificateArn is a certificate in us-east-1, but the load balancer is in eu-west-1; request one in eu-west-1";
        assert_eq!(with(&elsewhere), [reason]);
        for wrong in ["example.com", "arn:aws:s3:::web", "arn:aws:acm:eu-west-1:123456789012:web"] {
            let found = with(wrong);
            assert!(found.len() == 1 && found[0].contains("is not the ARN of a certificate"), "{found:?}");
        }
        // Before the load balancer is there, the region of the listener counts.
        let new = listener(json!({ "protocol": "HTTPS", "certificateArn": elsewhere, "region": "eu-west-1" }));
        assert_eq!(findings::<Listener>(&Plan::default(), unknown(new, "loadBalancerArn")).0, [reason]);
    }

    #[test]
    fn clients_show_certificates_to_https_alone() {
        let with = |mutual: Json, protocol: &str| {
            let certificate = (protocol == "HTTPS").then_some(CERTIFICATE);
            let inputs = json!({ "mutualAuthentication": mutual, "protocol": protocol, "certificateArn": certificate });
            mistakes::<Listener>(listener(inputs).into())
        };
        assert!(with(json!({ "mode": "verify", "trustStoreArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:truststore/store/1" }), "HTTPS").is_empty());
        assert!(with(json!({ "mode": "off", "trustStoreArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:truststore/store/1" }), "HTTP").is_empty(), "off is off everywhere");
        assert_eq!(
            with(json!({ "mode": "passthrough", "ignoreClientCertificateExpiry": true }), "HTTP"),
            [
                "mutualAuthentication is for the protocol HTTPS, and protocol is HTTP",
                "mutualAuthentication.ignoreClientCertificateExpiry is for the mode verify only",
            ]
        );
        assert_eq!(
            with(json!({ "mode": "verify" }), "HTTPS"),
            ["mutualAuthentication.trustStoreArn is required where mode is verify"]
        );
    }

    #[test]
    fn a_redirect_leads_on_and_tokens_are_for_https() {
        let actions = |actions: Json, protocol: &str| {
            let certificate = (protocol == "HTTPS").then_some(CERTIFICATE);
            let inputs = json!({ "defaultActions": actions, "protocol": protocol, "certificateArn": certificate });
            findings::<Listener>(&Plan::default(), listener(inputs).into())
        };
        let redirect = |to: Json| {
            let mut to = to;
            to["statusCode"] = json!("HTTP_301");
            json!([{ "type": "redirect", "redirect": to }])
        };
        assert_eq!(actions(redirect(json!({ "protocol": "HTTPS" })), "HTTP"), (vec![], vec![]));
        assert_eq!(actions(redirect(json!({ "query": "a=b" })), "HTTP").1.len(), 1, "AWS does not count the query");
        assert_eq!(
            actions(redirect(json!({ "protocol": "HTTP", "port": "80" })), "HTTPS").0,
            ["defaultActions[0].redirect.protocol is HTTP, but AWS redirects no HTTPS to HTTP"]
        );
        assert_eq!(actions(redirect(json!({ "protocol": "https" })), "HTTP").0.len(), 1);
        let tokens = json!({ "issuer": "https://id.example.com", "jwksEndpoint": "https://id.example.com/keys" });
        let tokens = json!([
            { "type": "jwt-validation", "jwtValidation": tokens },
            { "type": "forward", "targetGroupArn": TARGETS },
        ]);
        assert_eq!(actions(tokens.clone(), "HTTPS"), (vec![], vec![]));
        assert_eq!(
            actions(tokens, "HTTP").0,
            ["defaultActions[0].type authenticates users, which only listeners of protocol HTTPS do, and protocol is HTTP"]
        );
        assert_eq!(
            actions(json!([{ "type": "call-a-function" }]), "HTTP").0,
            ["defaultActions[0].type is call-a-function, whose settings this version of the provider can neither read nor set"]
        );
        let groups = json!({ "targetGroups": [{ "arn": TARGETS }], "stickiness": { "enabled": true } });
        assert_eq!(
            actions(json!([{ "type": "forward", "forward": groups }]), "HTTP").0,
            ["defaultActions[0].forward.stickiness.duration is required where stickiness is enabled"]
        );
    }

    #[test]
    fn a_certificate_goes_with_encryption() {
        let forward = json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/targets/1" }]);
        let listener = |protocol, certificate: Option<&str>| {
            let inputs = json!({
                "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1",
                "port": 443,
                "protocol": protocol,
                "certificateArn": certificate,
                "defaultActions": forward,
            });
            mistakes::<Listener>(inputs.into())
        };
        assert!(listener("HTTP", None).is_empty());
        assert!(listener("HTTPS", Some(CERTIFICATE)).is_empty());
        let expected = ["certificateArn is required: a listener of protocol HTTPS shows a certificate to clients"];
        assert_eq!(listener("HTTPS", None), expected);
        let expected = ["certificateArn is for the protocols HTTPS and TLS, and protocol is TCP"];
        assert_eq!(listener("TCP", Some(CERTIFICATE)), expected);
    }

    #[test]
    fn an_action_has_what_its_type_needs() {
        let actions = |actions: serde_json::Value| {
            let inputs = json!({ "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", "port": 80, "defaultActions": actions });
            mistakes::<Listener>(inputs.into())
        };
        let two = json!({ "targetGroups": [{ "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1" }, { "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/b/1" }] });
        assert!(actions(json!([{ "type": "forward", "forward": two }])).is_empty());
        assert_eq!(
            actions(
                json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1", "forward": two }])
            ),
            ["defaultActions[0].targetGroupArn is not all that forward names; leave one of the two out"]
        );
        assert_eq!(
            actions(
                json!([{ "type": "redirect", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1" }])
            ),
            [
                "defaultActions[0].targetGroupArn belongs to actions of type forward",
                "defaultActions[0].type is redirect, which needs the property redirect",
            ]
        );
        assert_eq!(
            actions(json!([{ "type": "redirect", "redirect": { "statusCode": "HTTP_301" } }])),
            ["defaultActions[0].redirect leads to where the request came from; change its protocol, port, host or path"]
        );
        let login = json!({ "userPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_a", "userPoolClientId": "1", "userPoolDomain": "web" });
        let login = json!({ "type": "authenticate-cognito", "authenticateCognito": login });
        assert_eq!(
            actions(
                json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1" }, login])
            ),
            [
                "defaultActions[0].type is forward, after which no other action can follow",
                "defaultActions[1].type is authenticate-cognito, after which another action has to follow",
                "defaultActions[1].type authenticates users, which only listeners of protocol HTTPS do, and protocol is HTTP",
            ]
        );
    }
}
