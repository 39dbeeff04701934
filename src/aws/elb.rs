//! What the resources of Elastic Load Balancing share: tags, attributes, and the actions of listeners and rules.

mod action;
mod forward;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::{Error, Result, bail};
use aws_sdk_elasticloadbalancingv2::types;

use super::{Aws, Explain as _, Lookup, Passing, refused_with};
use crate::resource::tag_changes;

pub use action::{
    ListenerAction, ListenerActionType, check_actions, from_actions, keep_left_out, normalize_actions, share_target_group,
    to_actions,
};
pub use forward::{check_forwards, check_recreated, links};

/// What AWS says of a target group until the last listener of another load balancer that it serves is gone: one that is being
/// replaced may just be going.
pub const SERVES_ANOTHER: Passing = ("TargetGroupAssociationLimit", "");

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

/// Adds the way out to the refusal of a target group that another load balancer uses.
pub fn explain_association(error: Error) -> Error {
    if refused_with(&error, &["TargetGroupAssociationLimit"]) {
        return error.context(
            "a target group serves one load balancer; add another one for this listener, or delete the listeners and rules of the \
             other load balancer that forward to it",
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::{
        codec,
        resource::{Erased, Resource, changes},
        resources::{listener::Listener, listener_rule::ListenerRule, load_balancer::LoadBalancer, target_group::TargetGroup},
        value::Value,
    };

    const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

    /// The inputs as Check completes them.
    fn completed<R: Resource>(inputs: &Json) -> Option<Json> {
        let Value::Object(inputs) = Value::from(inputs.clone()) else { panic!("inputs are a map") };
        let resource = Erased::<R>::NEW;
        let inputs = resource.completed(&inputs).ok()?;
        Some(serde_json::to_value(codec::encode(&inputs).unwrap()).unwrap())
    }

    /// All that can be left out of `inputs`, at any depth: its pointer, and the inputs without it.
    fn without_each(inputs: &Json) -> Vec<(String, Json)> {
        fn pointers(value: &Json, at: &str, all: &mut Vec<(String, String)>) {
            match value {
                Json::Object(map) => {
                    for (name, it) in map {
                        all.push((at.to_owned(), name.clone()));
                        pointers(it, &format!("{at}/{name}"), all);
                    }
                }
                Json::Array(items) => {
                    for (index, it) in items.iter().enumerate() {
                        pointers(it, &format!("{at}/{index}"), all);
                    }
                }
                _ => {}
            }
        }
        let mut all = Vec::new();
        pointers(inputs, "", &mut all);
        let without = |(at, name): (String, String)| {
            let mut left = inputs.clone();
            left.pointer_mut(&at).unwrap().as_object_mut().unwrap().remove(&name);
            (format!("{at}/{name}"), left)
        };
        all.into_iter().map(without).collect()
    }

    /// Whatever a program leaves out again is either shown as a change, or what it was anyway, or one of those that AWS keeps,
    /// which `update` does not send.
    fn left_out_means_one_thing<R: Resource>(inputs: &Json, kept: &[&str]) {
        for (path, left) in without_each(inputs) {
            let shown = changes::<R>(inputs.clone().into(), left.clone().into());
            let same = completed::<R>(inputs) == completed::<R>(&left);
            assert!(!shown.is_empty() || same || kept.contains(&path.as_str()), "{}: {path}", R::NAME);
        }
    }

    #[test]
    fn what_is_left_out_again_is_the_default_or_stays_as_it_is() {
        let check = |protocol: &str| {
            json!({
                "protocol": protocol, "port": "8080", "path": "/healthz", "matcher": "204", "interval": 20, "timeout": 10,
                "healthyThreshold": 3, "unhealthyThreshold": 4,
            })
        };
        let group = json!({
            "name": "web", "vpcId": "vpc-1", "port": 8000, "protocol": "HTTPS", "protocolVersion": "HTTP2", "ipAddressType": "ipv6",
            "healthCheck": check("HTTP"), "deregistrationDelay": 5, "slowStart": 60, "loadBalancingAlgorithmType": "round_robin",
            "loadBalancingCrossZoneEnabled": "true", "tags": { "a": "b" },
            "stickiness": { "enabled": true, "type": "app_cookie", "cookieDuration": 60, "cookieName": "session" },
        });
        left_out_means_one_thing::<TargetGroup>(&group, &[]);
        let group = json!({
            "name": "web", "vpcId": "vpc-1", "protocol": "TCP", "healthCheck": check("HTTPS"), "connectionTermination": true,
            "preserveClientIp": true, "proxyProtocolV2": true, "stickiness": { "enabled": true, "type": "source_ip" },
        });
        left_out_means_one_thing::<TargetGroup>(&group, &["/preserveClientIp"]);

        let claim = json!({ "name": "scope", "format": "string-array", "values": ["read"] });
        let forward = json!({
            "targetGroups": [{ "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1", "weight": 2 }, { "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/b/1", "weight": 3 }],
            "stickiness": { "enabled": true, "duration": 60 },
        });
        let user = json!({
            "userPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_a", "userPoolClientId": "1", "userPoolDomain": "web", "onUnauthenticatedRequest": "deny",
            "scope": "email", "sessionCookieName": "login", "sessionTimeout": 60, "authenticationRequestExtraParams": { "a": "b" },
        });
        let actions = json!([
            { "type": "authenticate-cognito", "authenticateCognito": user, "order": 3 },
            { "type": "jwt-validation", "order": 4, "jwtValidation": {
                "issuer": "https://id", "jwksEndpoint": "https://id/keys", "additionalClaims": [claim],
            } },
            { "type": "fixed-response", "fixedResponse": { "statusCode": "404", "contentType": "text/html", "messageBody": "no" } },
            { "type": "redirect", "redirect": {
                "statusCode": "HTTP_302", "protocol": "HTTPS", "port": "443", "host": "example.com", "path": "/", "query": "a=b",
            } },
            { "type": "forward", "forward": forward },
        ]);
        // Only the forward and its stickiness are read off AWS: a program names the target group in one of two ways.
        let kept = |list: &str| ["0/order", "1/order", "4/forward"].map(|it| format!("/{list}/{it}")).to_vec();
        let listener = json!({
            "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", "port": 443, "protocol": "TLS", "certificateArn": CERTIFICATE,
            "sslPolicy": "ELBSecurityPolicy-2016-08", "alpnPolicy": "HTTP2Only", "defaultActions": actions, "tags": { "a": "b" },
        });
        let keeps = kept("defaultActions");
        left_out_means_one_thing::<Listener>(&listener, &keeps.iter().map(String::as_str).collect::<Vec<_>>());
        let mutual = json!({
            "mode": "verify", "trustStoreArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:truststore/store/1", "ignoreClientCertificateExpiry": true,
            "advertiseTrustStoreCaNames": "on",
        });
        let listener = json!({
            "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", "port": 443, "protocol": "HTTPS", "certificateArn": CERTIFICATE,
            "mutualAuthentication": mutual, "defaultActions": [{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1", "order": 3 }],
        });
        let keeps = ["/mutualAuthentication", "/defaultActions/0/targetGroupArn", "/defaultActions/0/order"];
        left_out_means_one_thing::<Listener>(&listener, &keeps);
        let rule = json!({
            "listenerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/1", "priority": 7, "actions": actions, "tags": { "a": "b" },
            "conditions": [
                { "pathPattern": { "values": ["/a"], "regexValues": ["^/b"] } },
                { "httpHeader": { "httpHeaderName": "x", "values": ["a"], "regexValues": ["b"] } },
                { "queryStrings": [{ "key": "a", "value": "b" }] },
                { "sourceIp": { "values": ["10.0.0.0/8"] } },
            ],
            "transforms": [{ "type": "url-rewrite", "urlRewriteConfig": { "rewrite": { "regex": "a", "replace": "b" } } }],
        });
        let mut keeps = kept("actions");
        keeps.push("/priority".to_owned());
        left_out_means_one_thing::<ListenerRule>(&rule, &keeps.iter().map(String::as_str).collect::<Vec<_>>());

        let logs = json!({ "bucket": "logs", "prefix": "web" });
        let balancer = json!({
            "name": "web", "internal": true, "subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"],
            "ipAddressType": "dualstack", "accessLogs": logs, "connectionLogs": logs, "enableDeletionProtection": true,
            "enableZonalShift": true, "idleTimeout": 30, "clientKeepAlive": 600, "desyncMitigationMode": "strictest",
            "dropInvalidHeaderFields": false, "enableHttp2": false, "enableTlsVersionAndCipherSuiteHeaders": true,
            "enableWafFailOpen": true, "enableXffClientPort": true, "preserveHostHeader": true,
            "xffHeaderProcessingMode": "remove", "tags": { "a": "b" },
        });
        left_out_means_one_thing::<LoadBalancer>(&balancer, &["/securityGroups"]);
        let balancer = json!({
            "name": "net", "loadBalancerType": "network", "enableCrossZoneLoadBalancing": true,
            "dnsRecordClientRoutingPolicy": "availability_zone_affinity",
            "subnetMappings": [{ "subnetId": "subnet-1", "allocationId": "eipalloc-1" }],
        });
        left_out_means_one_thing::<LoadBalancer>(&balancer, &[]);
    }

    /// What is written out as off, empty or without effect is, from Check on, what it is to leave it out.
    fn off<R: Resource>(inputs: &Json, off: &Json) {
        let (mut with, without) = (inputs.clone(), inputs);
        with.as_object_mut().unwrap().extend(off.as_object().unwrap().clone());
        let both = completed::<R>(&with).zip(completed::<R>(without)).expect("inputs decode");
        assert_eq!(both.0, both.1, "{}: {off}", R::NAME);
        assert!(changes::<R>(with.clone().into(), without.clone().into()).is_empty());
        assert!(changes::<R>(without.clone().into(), with.into()).is_empty());
    }

    #[test]
    fn off_is_a_value() {
        let balancer = json!({ "name": "web", "subnets": ["subnet-1", "subnet-2"] });
        off::<LoadBalancer>(&balancer, &json!({ "accessLogs": { "bucket": "logs", "prefix": "web", "enabled": false } }));
        off::<LoadBalancer>(&balancer, &json!({ "connectionLogs": { "bucket": "logs", "enabled": false } }));
        off::<LoadBalancer>(&balancer, &json!({ "enableCrossZoneLoadBalancing": true, "securityGroups": [] }));
        let logs = json!({ "name": "web", "subnets": ["subnet-1", "subnet-2"], "accessLogs": { "bucket": "logs" } });
        off::<LoadBalancer>(&logs, &json!({ "accessLogs": { "bucket": "logs", "prefix": "", "enabled": true } }));

        let tcp = json!({ "name": "web", "vpcId": "vpc-1", "protocol": "TCP" });
        off::<TargetGroup>(&tcp, &json!({ "stickiness": { "enabled": false, "type": "source_ip" } }));
        off::<TargetGroup>(&tcp, &json!({ "loadBalancingAlgorithmType": "round_robin", "connectionTermination": false }));
        off::<TargetGroup>(&tcp, &json!({ "healthCheck": { "protocol": "TCP", "path": "", "matcher": "" } }));
        let sticky = json!({ "name": "web", "vpcId": "vpc-1", "protocol": "TCP", "stickiness": { "type": "source_ip" } });
        off::<TargetGroup>(&sticky, &json!({ "stickiness": { "type": "source_ip", "cookieDuration": 60 } }));
        let http = json!({ "name": "web", "vpcId": "vpc-1" });
        let cookie = json!({ "enabled": false, "type": "app_cookie", "cookieName": "session", "cookieDuration": 60 });
        off::<TargetGroup>(&http, &json!({ "stickiness": cookie, "preserveClientIp": false, "slowStart": 0 }));
        let udp = json!({ "name": "web", "vpcId": "vpc-1", "protocol": "UDP" });
        off::<TargetGroup>(&udp, &json!({ "connectionTermination": true }));

        let no = json!([{ "type": "fixed-response", "fixedResponse": { "statusCode": "404" } }]);
        let listener = json!({ "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", "port": 80, "defaultActions": no });
        off::<Listener>(&listener, &json!({ "sslPolicy": "", "certificateArn": "", "alpnPolicy": "None" }));
        off::<Listener>(
            &listener,
            &json!({ "sslPolicy": "ELBSecurityPolicy-2016-08", "mutualAuthentication": { "mode": "off" } }),
        );
        let tls = json!({
            "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", "port": 443, "protocol": "HTTPS", "certificateArn": CERTIFICATE,
            "defaultActions": no,
        });
        off::<Listener>(&tls, &json!({ "sslPolicy": "" }));
        let empty =
            json!([{ "type": "fixed-response", "fixedResponse": { "statusCode": "404", "messageBody": "" }, "forward": null }]);
        off::<Listener>(&listener, &json!({ "defaultActions": empty }));
        let forward = |stickiness: Json| {
            let groups = json!({ "targetGroups": [{ "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1" }, { "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/b/1" }], "stickiness": stickiness });
            json!([{ "type": "forward", "forward": groups }])
        };
        let shared = json!({ "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1", "port": 80, "defaultActions": forward(json!(null)) });
        off::<Listener>(&shared, &json!({ "defaultActions": forward(json!({ "enabled": false, "duration": 60 })) }));
        let conditions = json!([{ "pathPattern": { "values": ["/a"] } }]);
        let rule = json!({ "listenerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/1", "conditions": conditions, "actions": forward(json!(null)) });
        let off_again = forward(json!({ "enabled": false, "duration": 60 }));
        let spelled = json!([{ "pathPattern": { "values": ["/a"], "regexValues": [] }, "hostHeader": null, "queryStrings": [] }]);
        off::<ListenerRule>(&rule, &json!({ "actions": off_again, "conditions": spelled, "transforms": [] }));
    }

    #[test]
    fn what_an_action_leaves_out_stays_as_aws_has_it() {
        let actions = |it: Json| serde_json::from_value::<Vec<super::ListenerAction>>(it).unwrap();
        let sticky = json!({ "targetGroups": [{ "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1" }], "stickiness": { "enabled": true, "duration": 60 } });
        let old = actions(
            json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1", "forward": sticky, "order": 3 }]),
        );
        let kept = super::keep_left_out(
            &old,
            &actions(
                json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1" }]),
            ),
        );
        assert_eq!(kept, old);
        let other = actions(
            json!([{ "type": "forward", "targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/b/1" }]),
        );
        assert_eq!(super::keep_left_out(&old, &other)[0].forward, None, "another target group is another forward");
    }
}
