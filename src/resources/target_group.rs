//! elbv2: a target group, the tasks that a load balancer sends requests to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, anyhow, bail};
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::try_join;

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Settle as _,
        elb::{self, Attribute, Attributes},
        refused_with,
    },
    check::Report,
    codec::{self, Unlisted, name_of, named},
    facts::TargetGroupFacts,
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, taken},
    value::{Map, Value},
};

/// What holds a target group until the listener or rule that uses it has been deleted.
const STILL_USED: &[Passing] = &[("ResourceInUse", "")];

const DEREGISTRATION_DELAY: Attribute = ("deregistration_delay.timeout_seconds", "300");
const CROSS_ZONE: Attribute = ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration");
const STICKINESS: Attribute = ("stickiness.enabled", "false");
const STICKINESS_TYPE: Attribute = ("stickiness.type", "lb_cookie");
const LB_COOKIE_DURATION: Attribute = ("stickiness.lb_cookie.duration_seconds", "86400");
const APP_COOKIE_DURATION: Attribute = ("stickiness.app_cookie.duration_seconds", "86400");
const APP_COOKIE_NAME: Attribute = ("stickiness.app_cookie.cookie_name", "");
const ALGORITHM: Attribute = ("load_balancing.algorithm.type", "round_robin");
const ANOMALY_MITIGATION: Attribute = ("load_balancing.algorithm.anomaly_mitigation", "off");
const SLOW_START: Attribute = ("slow_start.duration_seconds", "0");
const CONNECTION_TERMINATION: Attribute = ("deregistration_delay.connection_termination.enabled", "false");
/// AWS's default is another for UDP and `TCP_UDP` (`TargetGroupAttribute` in the model of Elastic Load Balancing).
const CONNECTION_TERMINATION_UDP: Attribute = ("deregistration_delay.connection_termination.enabled", "true");
const PRESERVE_CLIENT_IP: Attribute = ("preserve_client_ip.enabled", "");
const PROXY_PROTOCOL: Attribute = ("proxy_protocol_v2.enabled", "false");

/// The path that AWS gets where health checks speak gRPC and none is named: a method that no server has.
const GRPC_PATH: &str = "/AWS.ALB/healthcheck";

pub struct TargetGroup;

/// A target group: the tasks that a load balancer sends requests to. The service registers its tasks and takes them out again;
/// the load balancer asks each of them whether it is well.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupInputs {
    /// The name, of up to 32 letters, digits and hyphens. Default: the resource's name and seven random digits, so that the group
    /// can be replaced while a listener uses it.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"))]
    #[schemars(extend(
        "replaceOnChanges" = true,
        "autoname" = 32,
        "expects" = "made of letters, digits and hyphens, with no hyphen at either end"
    ))]
    pub name: String,
    /// The id of the VPC that the tasks are in.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = crate::aws::ec2::id::vpc)]
    pub vpc_id: String,
    /// How targets are registered. Default: `ip`, for every Fargate task has an address of its own; nothing else will do.
    #[serde(default = "ip")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub target_type: String,
    /// The port of targets that are registered without one. Default: 80; it matters little, for ECS registers every task with the
    /// port of its container.
    #[serde(default = "eighty")]
    #[schemars(range(min = 1, max = 65535), extend("replaceOnChanges" = true))]
    pub port: i32,
    /// The protocol to speak with targets. Default: `HTTP`.
    #[serde(default = "http")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub protocol: TargetGroupProtocol,
    /// The version of HTTP to speak with targets. Default: `HTTP1`.
    #[serde(default = "http1")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub protocol_version: TargetGroupProtocolVersion,
    /// The kind of addresses that targets have. Default: `ipv4`.
    #[serde(default = "ipv4")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub ip_address_type: TargetGroupIpAddressType,
    /// How the load balancer finds out whether a target is well. Default: `GET /` every 10 seconds.
    #[serde(default = "health_check")]
    pub health_check: TargetGroupHealthCheck,
    /// For how many seconds a target that goes may finish what it has begun. Default: 30, for a deployment waits that long for
    /// every task it replaces; AWS's own 300 is for long uploads.
    #[serde(default = "half_a_minute")]
    #[schemars(range(min = 0, max = 3600))]
    pub deregistration_delay: i32,
    /// Over how many seconds a new target gets up to its full share of requests: 30 to 900, or 0 for at once. It needs the
    /// algorithm `round_robin`. HTTP and HTTPS only.
    #[serde(default)]
    #[schemars(range(min = 0, max = 900))]
    pub slow_start: i32,
    /// How a target is chosen. Default: `least_outstanding_requests`, so that a slow task gets less. HTTP and HTTPS only.
    #[serde(default = "least_outstanding_requests")]
    pub load_balancing_algorithm_type: TargetGroupAlgorithm,
    /// Whether targets that answer worse than the others get less; it needs the algorithm `weighted_random`. HTTP and HTTPS only.
    #[serde(default = "off")]
    pub load_balancing_anomaly_mitigation: TargetGroupAnomalyMitigation,
    /// Whether each zone sends to the targets of all zones. Default: `use_load_balancer_configuration`.
    #[serde(default = "as_load_balancer")]
    pub load_balancing_cross_zone_enabled: TargetGroupCrossZone,
    /// Whether a client stays with the target that answered it first. Default: it does not.
    #[serde(default = "not_sticky")]
    pub stickiness: TargetGroupStickiness,
    /// Whether connections are cut once the deregistration delay is over. Default: with UDP and `TCP_UDP` they are, else they are
    /// not. TCP and UDP only.
    pub connection_termination: Option<bool>,
    /// Whether targets see the address of the client. Default: with UDP they do, with TCP and TLS they see the load balancer's.
    /// TCP and UDP only.
    #[schemars(extend("computed" = true))]
    pub preserve_client_ip: Option<bool>,
    /// Whether connections begin with the address of the client, in version 2 of the PROXY protocol. TCP and UDP only.
    #[serde(default)]
    pub proxy_protocol_v2: bool,
    /// Tags to put on the target group.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A protocol to speak with targets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetGroupProtocol {
    /// For application load balancers.
    Http,
    /// For application load balancers, encrypted up to the target. Certificates of targets are not verified.
    Https,
    /// For network load balancers.
    Tcp,
    /// For network load balancers, encrypted up to the target.
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

impl TargetGroupProtocol {
    fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    fn is_udp(self) -> bool {
        matches!(self, Self::Udp | Self::TcpUdp)
    }

    fn termination(self) -> Attribute {
        if self.is_udp() { CONNECTION_TERMINATION_UDP } else { CONNECTION_TERMINATION }
    }
}

/// A version of HTTP to speak with targets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum TargetGroupProtocolVersion {
    /// HTTP/1.1.
    #[serde(rename = "HTTP1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "HTTP2")]
    Http2,
    /// gRPC, over HTTP/2. Health checks then judge by gRPC status codes.
    #[serde(rename = "GRPC")]
    Grpc,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// The kind of addresses that targets have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TargetGroupIpAddressType {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// How a load balancer finds out whether a target is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupHealthCheck {
    /// Whether targets are checked. Those that are registered by address always are.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The protocol of the checks. Default: the one of the target group; TCP where that is TLS or UDP.
    pub protocol: Option<TargetGroupHealthCheckProtocol>,
    /// The port of the checks, or `traffic-port` for the one that requests go to.
    #[serde(default = "traffic_port")]
    #[schemars(regex(pattern = "^(traffic-port|[1-9][0-9]{0,4})$"), extend("expects" = "traffic-port or the number of a port"))]
    pub port: String,
    /// The path to get, where the checks speak HTTP. Default: `/`; with gRPC `/AWS.ALB/healthcheck`, a method that no server has.
    #[schemars(length(max = 1024), regex(pattern = "^/"))]
    #[schemars(extend("expects" = "a path that starts with /"))]
    pub path: Option<String>,
    /// The answers that a target in health gives, where the checks speak HTTP: statuses such as `200`, `200,302` or `200-399`;
    /// with gRPC, status codes such as `0` or `0,12`. Default: `200-399`; with gRPC `0`, or `12` (there is no such method)
    /// where `path` has its default.
    #[schemars(regex(pattern = "^[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?)*$"))]
    #[schemars(extend("expects" = "statuses such as 200, 200,302 or 200-399"))]
    pub matcher: Option<String>,
    /// How many seconds are between two checks of a target. Default: 10, so that a new task gets requests soon.
    #[serde(default = "ten")]
    #[schemars(range(min = 5, max = 300))]
    pub interval: i32,
    /// After how many seconds without an answer a check has failed. Has to be less than the interval; with network protocols, not
    /// more.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 120))]
    pub timeout: i32,
    /// How many checks in a row have to succeed until a target gets requests.
    #[serde(default = "two")]
    #[schemars(range(min = 2, max = 10))]
    pub healthy_threshold: i32,
    /// How many checks in a row have to fail until a target gets no more requests.
    #[serde(default = "three")]
    #[schemars(range(min = 2, max = 10))]
    pub unhealthy_threshold: i32,
}

/// The protocol of health checks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetGroupHealthCheckProtocol {
    /// The answer to an HTTP request counts.
    Http,
    /// The answer to an HTTPS request counts.
    Https,
    /// That a connection comes about is enough. Not for HTTP and HTTPS target groups.
    Tcp,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetGroupAlgorithm {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests that wait for an answer.
    LeastOutstandingRequests,
    /// By chance.
    WeightedRandom,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Whether targets that answer worse than the others get less.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TargetGroupAnomalyMitigation {
    /// They get less.
    On,
    /// They get as much as the others.
    Off,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Whether each zone sends to the targets of all zones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetGroupCrossZone {
    /// It does.
    True,
    /// It does not.
    False,
    /// It does as the load balancer is set.
    UseLoadBalancerConfiguration,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Whether a client stays with the target that answered it first, and how it is known again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupStickiness {
    /// Whether it does.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What the client is known by.
    #[serde(default = "lb_cookie")]
    pub r#type: TargetGroupStickinessType,
    /// For how many seconds, up to 7 days. Cookies only.
    #[serde(default = "one_day")]
    #[schemars(range(min = 1, max = 604_800))]
    pub cookie_duration: i32,
    /// The name of the application's cookie, for `app_cookie`.
    pub cookie_name: Option<String>,
}

/// What a client is known by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetGroupStickinessType {
    /// A cookie of the load balancer.
    LbCookie,
    /// A cookie of the application.
    AppCookie,
    /// The address of the client. TCP and UDP only.
    SourceIp,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupOutputs {
    #[serde(flatten)]
    pub inputs: TargetGroupInputs,
    /// The ARN of the target group.
    pub arn: String,
    /// The end of the ARN, by which metrics of CloudWatch know the target group.
    pub arn_suffix: String,
}

fn ip() -> String {
    "ip".to_owned()
}

fn eighty() -> i32 {
    80
}

fn http() -> TargetGroupProtocol {
    TargetGroupProtocol::Http
}

fn http1() -> TargetGroupProtocolVersion {
    TargetGroupProtocolVersion::Http1
}

fn ipv4() -> TargetGroupIpAddressType {
    TargetGroupIpAddressType::Ipv4
}

fn health_check() -> TargetGroupHealthCheck {
    TargetGroupHealthCheck {
        enabled: yes(),
        protocol: None,
        port: traffic_port(),
        path: None,
        matcher: None,
        interval: ten(),
        timeout: five(),
        healthy_threshold: two(),
        unhealthy_threshold: three(),
    }
}

fn yes() -> bool {
    true
}

fn traffic_port() -> String {
    "traffic-port".to_owned()
}

fn ten() -> i32 {
    10
}

fn five() -> i32 {
    5
}

fn two() -> i32 {
    2
}

fn three() -> i32 {
    3
}

fn half_a_minute() -> i32 {
    30
}

fn least_outstanding_requests() -> TargetGroupAlgorithm {
    TargetGroupAlgorithm::LeastOutstandingRequests
}

fn off() -> TargetGroupAnomalyMitigation {
    TargetGroupAnomalyMitigation::Off
}

fn as_load_balancer() -> TargetGroupCrossZone {
    TargetGroupCrossZone::UseLoadBalancerConfiguration
}

fn not_sticky() -> TargetGroupStickiness {
    TargetGroupStickiness { enabled: false, r#type: lb_cookie(), cookie_duration: one_day(), cookie_name: None }
}

fn lb_cookie() -> TargetGroupStickinessType {
    TargetGroupStickinessType::LbCookie
}

fn one_day() -> i32 {
    86_400
}

/// What target groups to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupQuery {
    /// The load balancer that they serve, by its ARN. Default: any or none.
    #[schemars(length(min = 1))]
    #[schemars(transform = crate::aws::arn::load_balancer)]
    pub load_balancer_arn: Option<String>,
}

impl Resource for TargetGroup {
    const NAME: &'static str = "TargetGroup";
    type Cloud = crate::aws::Session;
    type Inputs = TargetGroupInputs;
    type Outputs = TargetGroupOutputs;
    type Query = TargetGroupQuery;

    fn normalize(inputs: &mut Map) {
        let text = |name: &str| inputs.get(name).and_then(Value::as_str).map(str::to_owned);
        let (protocol, version) = (text("protocol"), text("protocolVersion"));
        let is_udp = protocol.as_deref().map(|it| matches!(it, "UDP" | "TCP_UDP"));
        let is_http = protocol.as_deref().map(|it| matches!(it, "HTTP" | "HTTPS"));
        inputs.entry("connectionTermination".to_owned()).or_insert(is_udp.map_or(Value::Unknown, Value::Bool));
        if is_http == Some(true) && inputs.get("preserveClientIp").map(Value::plain) == Some(&Value::Bool(false)) {
            // Targets never see it there; the address is in X-Forwarded-For.
            inputs.remove("preserveClientIp");
        }
        if is_http == Some(false) {
            inputs.insert("loadBalancingAlgorithmType".to_owned(), Value::String(name_of(least_outstanding_requests())));
        }
        if let Some(Value::Object(check)) = inputs.get_mut("healthCheck").map(Value::plain_mut) {
            normalize_health(check, protocol.as_deref(), version.as_deref());
        }
        if let Some(Value::Object(stickiness)) = inputs.get_mut("stickiness").map(Value::plain_mut) {
            normalize_stickiness(stickiness);
        }
    }

    fn check(inputs: &TargetGroupInputs, report: &mut Report<'_>) {
        report.rule(
            &["targetType"],
            inputs.target_type == "ip",
            format!(
                "is {:?}, but Fargate tasks (network mode awsvpc) have addresses of their own and register by ip; leave it out",
                inputs.target_type
            ),
        );
        check_health(&inputs.health_check, inputs, report);
        check_stickiness(&inputs.stickiness, inputs, report);
        let http = inputs.protocol.is_http();
        report.rule(
            &["protocolVersion", "protocol"],
            http || inputs.protocol_version == http1(),
            "is for the protocols HTTP and HTTPS only",
        );
        report.rule(&["slowStart", "protocol"], http || inputs.slow_start == 0, "is for the protocols HTTP and HTTPS only");
        report.rule(
            &["slowStart"],
            inputs.slow_start == 0 || inputs.slow_start >= 30,
            format!("is {}; AWS takes 30 to 900 seconds, or 0 for no slow start", inputs.slow_start),
        );
        report.rule(
            &["slowStart", "loadBalancingAlgorithmType", "protocol"],
            !http || inputs.slow_start == 0 || inputs.load_balancing_algorithm_type == TargetGroupAlgorithm::RoundRobin,
            format!(
                "needs loadBalancingAlgorithmType round_robin; it is {}",
                report.quoted("loadBalancingAlgorithmType", name_of(inputs.load_balancing_algorithm_type))
            ),
        );
        report.rule(
            &["loadBalancingAnomalyMitigation", "loadBalancingAlgorithmType"],
            inputs.load_balancing_anomaly_mitigation == off()
                || inputs.load_balancing_algorithm_type == TargetGroupAlgorithm::WeightedRandom,
            "needs loadBalancingAlgorithmType weighted_random",
        );
        let network_only = [
            ("connectionTermination", inputs.connection_termination == Some(true)),
            ("preserveClientIp", inputs.preserve_client_ip.is_some()),
            ("proxyProtocolV2", inputs.proxy_protocol_v2),
        ];
        for (name, set) in network_only {
            report.rule(&[name, "protocol"], !http || !set, "is not for the protocols HTTP and HTTPS");
        }
        report.rule(
            &["preserveClientIp", "protocol"],
            !inputs.protocol.is_udp() || inputs.preserve_client_ip != Some(false),
            "is false, but with UDP targets always see the address of the client; leave it out",
        );
    }

    fn check_change(_: &TargetGroupInputs, new: &TargetGroupInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let properties = replacing.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        report.warn(
            &["name"],
            !report.replaces_in_place(),
            format!(
                "stays {}, while the change of {properties} replaces the target group: AWS deletes none that a listener or a rule \
                 forwards to, and has no room for two of a name; set another name, or leave it out",
                new.name
            ),
        );
    }

    fn facts(inputs: &TargetGroupInputs, report: &Report<'_>) -> Option<Facts> {
        let check = &inputs.health_check;
        let protocols: &[_] = match inputs.protocol {
            TargetGroupProtocol::Udp => &["udp"],
            TargetGroupProtocol::TcpUdp => &["tcp", "udp"],
            _ => &["tcp"],
        };
        Some(Facts::new(TargetGroupFacts {
            name: report.shown(&inputs.name),
            protocol: report.known("protocol", name_of(inputs.protocol)),
            vpc: report.link("vpcId", &inputs.vpc_id),
            protocols: report.known("protocol", protocols),
            check_port: report.known("healthCheck.port", check.port.parse().ok()).flatten(),
            interval: report.known("healthCheck.interval", check.interval),
            healthy_threshold: report.known("healthCheck.healthyThreshold", check.healthy_threshold),
            unhealthy_threshold: report.known("healthCheck.unhealthyThreshold", check.unhealthy_threshold),
            deregistration_delay: report.known("deregistrationDelay", inputs.deregistration_delay),
            recreated: report.replaces_in_place(),
        }))
    }

    async fn create(context: &Context, inputs: &TargetGroupInputs) -> Result<String> {
        let name = &inputs.name;
        // AWS would hand out an existing one with the same settings as if it had just made it.
        if let Some(existing) = context.observer.ask(context.client.look_up::<DescribeTargetGroups>(name.clone())).await? {
            bail!(taken::<Self>(name, existing.target_group_arn().unwrap_or(name)));
        }
        let check = &inputs.health_check;
        let request = context
            .client
            .elb()
            .create_target_group()
            .name(name)
            .vpc_id(&inputs.vpc_id)
            .target_type(types::TargetTypeEnum::from(inputs.target_type.as_str()))
            .port(inputs.port)
            .protocol(name_of(inputs.protocol).as_str().into())
            .set_protocol_version(inputs.protocol.is_http().then(|| name_of(inputs.protocol_version)))
            .ip_address_type(name_of(inputs.ip_address_type).as_str().into())
            .health_check_enabled(check.enabled)
            .set_health_check_protocol(check.protocol.map(|it| name_of(it).as_str().into()))
            .health_check_port(&check.port)
            .set_health_check_path(check.path.clone())
            .set_matcher(matcher(inputs))
            .health_check_interval_seconds(check.interval)
            .health_check_timeout_seconds(check.timeout)
            .healthy_threshold_count(check.healthy_threshold)
            .unhealthy_threshold_count(check.unhealthy_threshold)
            .set_tags(elb::to_tags(&inputs.tags));
        let created = request.send().await.explain()?.target_groups.unwrap_or_default().pop();
        let arn = created.and_then(|it| it.target_group_arn).context("AWS did not say which target group it made")?;
        context.made(&arn);
        set_attributes(context, &arn, &elb::attribute_changes(None, &attributes(inputs))).await?;
        Ok(arn)
    }

    async fn update(context: &Context, arn: &str, old: &TargetGroupOutputs, new: &TargetGroupInputs) -> Result<()> {
        let (was, check) = (&old.inputs.health_check, &new.health_check);
        if was != check {
            // AWS keeps what it is not told of. Another protocol has a path and a matcher of its own.
            let another = was.protocol != check.protocol;
            let request = context
                .client
                .elb()
                .modify_target_group()
                .target_group_arn(arn)
                .set_health_check_enabled((was.enabled != check.enabled).then_some(check.enabled))
                .set_health_check_protocol(check.protocol.filter(|_| another).map(|it| name_of(it).as_str().into()))
                .set_health_check_port((was.port != check.port).then(|| check.port.clone()))
                .set_health_check_path(check.path.clone().filter(|_| another || was.path != check.path))
                .set_matcher(matcher(new).filter(|_| another || was.matcher != check.matcher))
                .set_health_check_interval_seconds((was.interval != check.interval).then_some(check.interval))
                .set_health_check_timeout_seconds((was.timeout != check.timeout).then_some(check.timeout))
                .set_healthy_threshold_count(
                    (was.healthy_threshold != check.healthy_threshold).then_some(check.healthy_threshold),
                )
                .set_unhealthy_threshold_count(
                    (was.unhealthy_threshold != check.unhealthy_threshold).then_some(check.unhealthy_threshold),
                );
            request.send().await.explain()?;
        }
        set_attributes(context, arn, &elb::attribute_changes(Some(&attributes(&old.inputs)), &attributes(new))).await?;
        elb::retag(&context.client, arn, &old.inputs.tags, &new.tags).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<TargetGroupOutputs>> {
        elb::check_id(id, "targetgroup", true)?;
        let Some(group) = context.client.look_up::<DescribeTargetGroups>(id.to_owned()).await? else { return Ok(None) };
        let arn = group.target_group_arn().unwrap_or_default();
        let (shown, tags) = try_join!(attributes_of(context, arn), elb::tags_of(&context.client, arn))?;
        let Some(shown) = shown else { return Ok(None) };
        // Checks that only connect have neither path nor codes, whatever AWS still shows of them.
        let connects = group.health_check_protocol() == Some(&types::ProtocolEnum::Tcp);
        let statuses = group.matcher().and_then(|it| it.http_code().or(it.grpc_code())).filter(|_| !connects);
        let protocol: TargetGroupProtocol = named(group.protocol().map_or("HTTP", |it| it.as_str()))?;
        Ok(Some(TargetGroupOutputs {
            inputs: TargetGroupInputs {
                name: group.target_group_name().unwrap_or_default().to_owned(),
                vpc_id: group.vpc_id().unwrap_or_default().to_owned(),
                target_type: group.target_type().map_or("ip", |it| it.as_str()).to_owned(),
                port: group.port().unwrap_or_else(eighty),
                protocol,
                protocol_version: group.protocol_version().map_or_else(|| Ok(http1()), named)?,
                ip_address_type: group.ip_address_type().map_or_else(|| Ok(ipv4()), |it| named(it.as_str()))?,
                health_check: TargetGroupHealthCheck {
                    enabled: group.health_check_enabled().unwrap_or_else(yes),
                    protocol: group.health_check_protocol().map(|it| named(it.as_str())).transpose()?,
                    port: group.health_check_port().map_or_else(traffic_port, str::to_owned),
                    path: group.health_check_path().filter(|_| !connects).map(str::to_owned),
                    matcher: statuses.map(str::to_owned),
                    interval: group.health_check_interval_seconds().unwrap_or_else(ten),
                    timeout: group.health_check_timeout_seconds().unwrap_or_else(five),
                    healthy_threshold: group.healthy_threshold_count().unwrap_or_else(two),
                    unhealthy_threshold: group.unhealthy_threshold_count().unwrap_or_else(three),
                },
                deregistration_delay: shown.number(DEREGISTRATION_DELAY)?,
                slow_start: shown.number(SLOW_START)?,
                // Other protocols have none; there, the default means nothing.
                load_balancing_algorithm_type: if protocol.is_http() {
                    named(shown.text(ALGORITHM))?
                } else {
                    least_outstanding_requests()
                },
                load_balancing_anomaly_mitigation: named(shown.text(ANOMALY_MITIGATION))?,
                load_balancing_cross_zone_enabled: named(shown.text(CROSS_ZONE))?,
                stickiness: stickiness(&shown)?,
                connection_termination: Some(shown.flag(protocol.termination())),
                preserve_client_ip: Some(shown.text(PRESERVE_CLIENT_IP)).filter(|it| !it.is_empty()).map(|it| it == "true"),
                proxy_protocol_v2: shown.flag(PROXY_PROTOCOL),
                tags,
            },
            arn_suffix: arn.rsplit(':').next().unwrap_or(arn).to_owned(),
            arn: arn.to_owned(),
        }))
    }

    fn id(outputs: &TargetGroupOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, query: &TargetGroupQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.elb().describe_target_groups().set_load_balancer_arn(query.load_balancer_arn.clone());
        let request = request.page_size(at.size(1..=400)).set_marker(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.target_groups.unwrap_or_default().into_iter().filter_map(|it| {
            // What instances and functions register with, tasks cannot.
            let for_tasks = it.target_type() == Some(&types::TargetTypeEnum::Ip);
            let protocol = named(it.protocol()?.as_str()).ok()?;
            if !for_tasks || matches!(protocol, TargetGroupProtocol::Other(_)) {
                return None;
            }
            Some(Listed::new(it.target_group_arn?, it.target_group_name.unwrap_or_default()))
        });
        Ok(Page::new(listed, answer.next_marker))
    }

    async fn delete(context: &Context, arn: &str, _: &TargetGroupOutputs) -> Result<()> {
        let delete = || async { context.client.elb().delete_target_group().target_group_arn(arn).send().await.explain() };
        match context.observer.settle(STILL_USED, delete).await {
            Err(error) if refused_with(&error, &["TargetGroupNotFound"]) => Ok(()),
            Err(error) if refused_with(&error, &["ResourceInUse"]) => {
                let users = users_of(context, arn).await.unwrap_or_default().join(", ");
                let users = if users.is_empty() { "a listener or a rule".to_owned() } else { users };
                Err(error.context(format!("it is in use by {users}; delete that first, or let it forward elsewhere")))
            }
            result => result.map(drop),
        }
    }
}

/// `DescribeTargetGroups`, by ARN or by name.
struct DescribeTargetGroups;

impl Lookup for DescribeTargetGroups {
    type Key = String;
    type Found = types::TargetGroup;
    const LIMIT: usize = 20;
    const MISSING: &'static [&'static str] = &["TargetGroupNotFound"];

    async fn load(aws: &Aws, keys: Vec<String>) -> Result<HashMap<String, types::TargetGroup>> {
        let (arns, names): (Vec<_>, Vec<_>) = keys.into_iter().partition(|it| it.starts_with("arn:"));
        let mut found = HashMap::new();
        if !arns.is_empty() {
            let described = aws.elb().describe_target_groups().set_target_group_arns(Some(arns)).send().await.explain()?;
            let all = described.target_groups.unwrap_or_default();
            found.extend(all.into_iter().filter_map(|it| Some((it.target_group_arn()?.to_owned(), it))));
        }
        if !names.is_empty() {
            let described = aws.elb().describe_target_groups().set_names(Some(names)).send().await.explain()?;
            let all = described.target_groups.unwrap_or_default();
            found.extend(all.into_iter().filter_map(|it| Some((it.target_group_name()?.to_owned(), it))));
        }
        Ok(found)
    }
}

fn check_health(check: &TargetGroupHealthCheck, inputs: &TargetGroupInputs, report: &mut Report<'_>) {
    report.rule(
        &["healthCheck.enabled"],
        check.enabled,
        "is false, but AWS always checks targets that are registered by address",
    );
    // AWS refuses the same value for both where targets speak HTTP (hashicorp/terraform-provider-aws#2366); of network load
    // balancers, 10 seconds for both were once the only choice.
    let least = if inputs.protocol.is_http() { check.timeout + 1 } else { check.timeout };
    report.rule(
        &["healthCheck.timeout", "healthCheck.interval", "protocol"],
        check.interval >= least,
        format!(
            "is {}, which needs a healthCheck.interval of {least} seconds or more, and that is {}",
            report.quoted("healthCheck.timeout", check.timeout),
            report.quoted("healthCheck.interval", check.interval)
        ),
    );
    report.rule(
        &["healthCheck.protocol", "protocol"],
        !inputs.protocol.is_http() || check.protocol != Some(TargetGroupHealthCheckProtocol::Tcp),
        "is TCP, but targets that speak HTTP are checked by HTTP or HTTPS",
    );
    for (name, set) in [("healthCheck.path", check.path.is_some()), ("healthCheck.matcher", check.matcher.is_some())] {
        report.rule(
            &[name, "healthCheck.protocol", "protocol"],
            !set || check.protocol != Some(TargetGroupHealthCheckProtocol::Tcp),
            "has no meaning where checks only connect: set healthCheck.protocol to HTTP, or leave it out",
        );
    }
    let Some(matcher) = &check.matcher else { return };
    let codes = matcher.split([',', '-']).filter_map(|it| it.parse::<u16>().ok());
    let (least, most) = codes.fold((999, 0), |(least, most), it| (least.min(it), most.max(it)));
    let paths = &["healthCheck.matcher", "protocolVersion", "protocol"];
    if inputs.protocol_version == TargetGroupProtocolVersion::Grpc {
        let reason = format!("is {matcher}, but gRPC answers with codes from 0 to 99; 0-99 takes any answer, 0 success only");
        report.rule(paths, most <= 99, reason);
    } else {
        let highest = if inputs.protocol.is_http() { 499 } else { 599 };
        let reason = format!("is {matcher}, but AWS takes statuses from 200 to {highest} here");
        report.rule(paths, least >= 200 && most <= highest, reason);
    }
}

fn check_stickiness(stickiness: &TargetGroupStickiness, inputs: &TargetGroupInputs, report: &mut Report<'_>) {
    if !stickiness.enabled {
        return;
    }
    let by_address = stickiness.r#type == TargetGroupStickinessType::SourceIp;
    report.rule(
        &["stickiness.type", "stickiness.enabled", "protocol"],
        matches!(stickiness.r#type, TargetGroupStickinessType::Other(_)) || by_address != inputs.protocol.is_http(),
        "does not fit the protocol: HTTP and HTTPS have lb_cookie and app_cookie, the others source_ip",
    );
    report.rule(
        &["stickiness.cookieName", "stickiness.type"],
        (stickiness.r#type == TargetGroupStickinessType::AppCookie) == stickiness.cookie_name.is_some(),
        "goes with the type app_cookie, which needs it, and with no other",
    );
}

/// Fills in what the health checks of a target group are by default; what depends on an unknown input is unknown.
fn normalize_health(check: &mut Map, protocol: Option<&str>, version: Option<&str>) {
    let mut fill = |name: &str, default: Option<&str>| {
        let default = default.map_or(Value::Unknown, |it| Value::String(it.to_owned()));
        check.entry(name.to_owned()).or_insert(default).as_str().map(str::to_owned)
    };
    let own = protocol.map(|it| if matches!(it, "HTTP" | "HTTPS") { it } else { "TCP" });
    let Some(asked_by) = fill("protocol", own) else { return };
    if asked_by == "TCP" {
        return;
    }
    let is_grpc = version.map(|it| it == "GRPC");
    let path = fill("path", is_grpc.map(|it| if it { GRPC_PATH } else { "/" }));
    // A server that knows no such method is one that works.
    let codes = match (is_grpc, path) {
        (Some(false), _) => Some("200-399"),
        (Some(true), Some(path)) => Some(if path == GRPC_PATH { "12" } else { "0" }),
        _ => None,
    };
    fill("matcher", codes);
}

/// Stickiness that is off is off in one way; and what lasts is a cookie.
fn normalize_stickiness(stickiness: &mut Map) {
    let none = codec::encode(&not_sticky()).unwrap_or_default();
    if stickiness.get("enabled").map(Value::plain) == Some(&Value::Bool(false)) {
        *stickiness = none;
    } else if stickiness.get("type").and_then(Value::as_str) == Some("source_ip") {
        stickiness.extend(none.into_iter().filter(|(name, _)| name == "cookieDuration"));
    }
}

/// The codes that health checks want, in the member of AWS that is for the protocol.
fn matcher(inputs: &TargetGroupInputs) -> Option<types::Matcher> {
    let codes = inputs.health_check.matcher.clone()?;
    Some(match inputs.protocol_version {
        TargetGroupProtocolVersion::Grpc => types::Matcher::builder().grpc_code(codes).build(),
        _ => types::Matcher::builder().http_code(codes).build(),
    })
}

/// The attributes that the inputs ask for, of those that a target group of this protocol has.
fn attributes(inputs: &TargetGroupInputs) -> Vec<(Attribute, String)> {
    let mut all = vec![
        (DEREGISTRATION_DELAY, inputs.deregistration_delay.to_string()),
        (CROSS_ZONE, name_of(inputs.load_balancing_cross_zone_enabled)),
        (STICKINESS, inputs.stickiness.enabled.to_string()),
    ];
    if inputs.protocol.is_http() {
        let stickiness = &inputs.stickiness;
        all.push((STICKINESS_TYPE, name_of(stickiness.r#type)));
        match &stickiness.cookie_name {
            Some(name) => {
                all.extend([(APP_COOKIE_NAME, name.clone()), (APP_COOKIE_DURATION, stickiness.cookie_duration.to_string())]);
            }
            None => all.push((LB_COOKIE_DURATION, stickiness.cookie_duration.to_string())),
        }
        all.extend([
            (ALGORITHM, name_of(inputs.load_balancing_algorithm_type)),
            (ANOMALY_MITIGATION, name_of(inputs.load_balancing_anomaly_mitigation)),
            (SLOW_START, inputs.slow_start.to_string()),
        ]);
    } else {
        if inputs.stickiness.enabled {
            all.push((STICKINESS_TYPE, name_of(inputs.stickiness.r#type)));
        }
        all.extend(inputs.preserve_client_ip.map(|it| (PRESERVE_CLIENT_IP, it.to_string())));
        all.extend(inputs.connection_termination.map(|it| (inputs.protocol.termination(), it.to_string())));
        all.push((PROXY_PROTOCOL, inputs.proxy_protocol_v2.to_string()));
    }
    all
}

fn stickiness(shown: &Attributes) -> Result<TargetGroupStickiness> {
    // AWS keeps the settings of what is off, where they mean nothing.
    if !shown.flag(STICKINESS) {
        return Ok(not_sticky());
    }
    let kind = named(shown.text(STICKINESS_TYPE))?;
    let (cookie_duration, cookie_name) = match kind {
        TargetGroupStickinessType::LbCookie => (shown.number(LB_COOKIE_DURATION)?, None),
        TargetGroupStickinessType::AppCookie => {
            (shown.number(APP_COOKIE_DURATION)?, Some(shown.text(APP_COOKIE_NAME).to_owned()))
        }
        _ => (one_day(), None),
    };
    Ok(TargetGroupStickiness { enabled: true, r#type: kind, cookie_duration, cookie_name })
}

async fn set_attributes(context: &Context, arn: &str, changes: &[(&str, String)]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let attribute = |(key, value): &(&str, String)| types::TargetGroupAttribute::builder().key(*key).value(value).build();
    let request = context.client.elb().modify_target_group_attributes().target_group_arn(arn);
    request.set_attributes(Some(changes.iter().map(attribute).collect())).send().await.explain().map(drop)
}

async fn attributes_of(context: &Context, arn: &str) -> Result<Option<Attributes>> {
    match context.client.elb().describe_target_group_attributes().target_group_arn(arn).send().await.explain() {
        Err(error) if refused_with(&error, &["TargetGroupNotFound"]) => Ok(None),
        result => {
            let pair = |it: types::TargetGroupAttribute| Some((it.key?, it.value.unwrap_or_default()));
            Ok(Some(Attributes(result?.attributes.unwrap_or_default().into_iter().filter_map(pair).collect())))
        }
    }
}

/// The listeners and rules that forward to the target group.
async fn users_of(context: &Context, arn: &str) -> Result<Vec<String>> {
    let client = context.client.elb();
    let group = context.client.look_up::<DescribeTargetGroups>(arn.to_owned()).await?.ok_or_else(|| anyhow!("it is gone"))?;
    let forwards = |actions: &[types::Action]| {
        let shared = |it: &types::Action| {
            it.forward_config().is_some_and(|it| it.target_groups().iter().any(|it| it.target_group_arn() == Some(arn)))
        };
        actions.iter().any(|it| it.target_group_arn() == Some(arn) || shared(it))
    };
    let mut users = Vec::new();
    for balancer in group.load_balancer_arns() {
        let listeners = client.describe_listeners().load_balancer_arn(balancer).send().await.explain()?;
        for listener in listeners.listeners() {
            let listener_arn = listener.listener_arn().unwrap_or_default();
            if forwards(listener.default_actions()) {
                users.push(format!("listener {listener_arn}"));
            }
            let rules = client.describe_rules().listener_arn(listener_arn).send().await.explain()?;
            let used = rules.rules().iter().filter(|it| it.is_default() != Some(true) && forwards(it.actions()));
            users.extend(used.map(|it| format!("rule {}", it.rule_arn().unwrap_or_default())));
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::resource::{changes, findings_of_change, mistakes};

    fn group(more: &Json) -> Value {
        let mut inputs = json!({ "vpcId": "vpc-1", "name": "web" });
        inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        inputs.into()
    }

    #[test]
    fn what_health_checks_leave_out_is_the_default_and_stands_in_the_diff() {
        let differ = |protocol: &Json, old: Json, new: Json| {
            let with = |check: Json| {
                let mut inputs = protocol.clone();
                inputs["healthCheck"] = check;
                group(&inputs)
            };
            changes::<TargetGroup>(with(old), with(new))
        };
        let (http, tcp, grpc) = (json!({}), json!({ "protocol": "TCP" }), json!({ "protocolVersion": "GRPC" }));
        assert_eq!(
            differ(&http, json!({ "path": "/healthz", "matcher": "204" }), json!({ "interval": 20 })),
            ["healthCheck.interval", "healthCheck.matcher", "healthCheck.path"]
        );
        assert_eq!(differ(&http, json!({ "protocol": "HTTPS" }), json!({})), ["healthCheck.protocol"]);
        assert_eq!(
            differ(&tcp, json!({ "protocol": "HTTP" }), json!({})),
            ["healthCheck.matcher", "healthCheck.path", "healthCheck.protocol"]
        );
        // Another path has other codes: a server that has the method answers 0.
        assert_eq!(
            differ(&grpc, json!({}), json!({ "path": "/grpc.health.v1.Health/Check" })),
            ["healthCheck.matcher", "healthCheck.path"]
        );
        let said = json!({ "path": "/", "matcher": "200-399", "protocol": "HTTP" });
        assert!(differ(&http, json!({}), said).is_empty(), "what is the default anyway is no change");
    }

    #[test]
    fn a_fixed_name_that_has_to_go_first_is_told() {
        let warnings = |name: &str, port: i32| {
            let old = group(&json!({ "name": name }));
            findings_of_change::<TargetGroup>(old, group(&json!({ "name": name, "port": port }))).1
        };
        let warned = warnings("web", 8080);
        assert_eq!(warned.len(), 1);
        assert!(warned[0].starts_with("name stays web, while the change of port replaces the target group"), "{warned:?}");
        assert!(warnings("web", 80).is_empty());
        assert!(warnings("it-0a1b2c3", 8080).is_empty(), "the next one gets another name");
    }

    #[test]
    fn network_checks_may_last_as_long_as_their_interval() {
        let check = json!({ "interval": 10, "timeout": 10 });
        assert!(mistakes::<TargetGroup>(group(&json!({ "protocol": "TCP", "healthCheck": check }))).is_empty());
        assert_eq!(
            mistakes::<TargetGroup>(group(&json!({ "healthCheck": check }))),
            ["healthCheck.timeout is 10, which needs a healthCheck.interval of 11 seconds or more, and that is 10"]
        );
    }

    #[test]
    fn tasks_register_by_address_and_are_checked_in_time() {
        assert!(mistakes::<TargetGroup>(json!({ "vpcId": "vpc-1" }).into()).is_empty());
        let wrong = json!({
            "vpcId": "vpc-1",
            "targetType": "instance",
            "healthCheck": { "enabled": false, "interval": 5, "matcher": "0-99" },
            "slowStart": 10,
        });
        let expected = [
            "healthCheck.enabled is false, but AWS always checks targets that are registered by address",
            "healthCheck.matcher is 0-99, but AWS takes statuses from 200 to 499 here",
            "healthCheck.timeout is 5 by default, which needs a healthCheck.interval of 6 seconds or more, and that is 5",
            "slowStart is 10; AWS takes 30 to 900 seconds, or 0 for no slow start",
            "slowStart needs loadBalancingAlgorithmType round_robin; it is least_outstanding_requests by default",
            "targetType is \"instance\", but Fargate tasks (network mode awsvpc) have addresses of their own and register by ip; \
             leave it out",
        ];
        assert_eq!(mistakes::<TargetGroup>(wrong.into()), expected);
    }

    #[test]
    fn each_protocol_has_settings_of_its_own() {
        let tcp = json!({ "vpcId": "vpc-1", "protocol": "TCP", "stickiness": { "type": "source_ip" }, "proxyProtocolV2": true });
        assert!(mistakes::<TargetGroup>(tcp.into()).is_empty());
        let grpc = json!({ "vpcId": "vpc-1", "protocolVersion": "GRPC" });
        assert!(mistakes::<TargetGroup>(grpc.into()).is_empty());
        let path = json!({ "vpcId": "vpc-1", "protocol": "TCP", "healthCheck": { "path": "/" } });
        let no_meaning =
            "healthCheck.path has no meaning where checks only connect: set healthCheck.protocol to HTTP, or leave it out";
        assert_eq!(mistakes::<TargetGroup>(path.into()), [no_meaning]);
        let udp = json!({ "vpcId": "vpc-1", "protocol": "UDP", "preserveClientIp": false });
        let always = "preserveClientIp is false, but with UDP targets always see the address of the client; leave it out";
        assert_eq!(mistakes::<TargetGroup>(udp.into()), [always]);
        let wrong = json!({
            "vpcId": "vpc-1",
            "protocolVersion": "GRPC",
            "healthCheck": { "matcher": "200-399" },
            "stickiness": { "type": "source_ip", "cookieName": "session" },
            "proxyProtocolV2": true,
        });
        let expected = [
            "healthCheck.matcher is 200-399, but gRPC answers with codes from 0 to 99; 0-99 takes any answer, 0 success only",
            "proxyProtocolV2 is not for the protocols HTTP and HTTPS",
            "stickiness.cookieName goes with the type app_cookie, which needs it, and with no other",
            "stickiness.type does not fit the protocol: HTTP and HTTPS have lb_cookie and app_cookie, the others source_ip",
        ];
        assert_eq!(mistakes::<TargetGroup>(wrong.into()), expected);
    }
}
