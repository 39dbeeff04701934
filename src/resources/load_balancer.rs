//! elbv2: a load balancer, the address that clients reach services by.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail};
use aws_sdk_elasticloadbalancingv2::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::try_join;

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Passing, Patience, Seen, Settle as _,
        elb::{self, Attribute, Attributes},
        refused_with,
    },
    check::Report,
    codec::{Unlisted, name_of, named},
    facts::{LoadBalancerFacts, SubnetFacts},
    list::{All, Cursor, Listed, Page},
    plan::{Candidates, Facts, Link},
    resource::{Context, Resource, changed, taken},
    value::{Map, Value},
};

/// What AWS says of a bucket for logs whose policy was just written.
const BUCKET_UNREADY: &[Passing] = &[("InvalidConfigurationRequest", "Access Denied for bucket")];

const DELETION_PROTECTION: Attribute = ("deletion_protection.enabled", "false");
const ZONAL_SHIFT: Attribute = ("zonal_shift.config.enabled", "false");
const CLIENT_KEEP_ALIVE: Attribute = ("client_keep_alive.seconds", "3600");
const DESYNC_MITIGATION: Attribute = ("routing.http.desync_mitigation_mode", "defensive");
const DROP_INVALID_HEADERS: Attribute = ("routing.http.drop_invalid_header_fields.enabled", "false");
const HTTP2: Attribute = ("routing.http2.enabled", "true");
const IDLE_TIMEOUT: Attribute = ("idle_timeout.timeout_seconds", "60");
const PRESERVE_HOST: Attribute = ("routing.http.preserve_host_header.enabled", "false");
const TLS_HEADERS: Attribute = ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false");
const WAF_FAIL_OPEN: Attribute = ("waf.fail_open.enabled", "false");
const XFF_CLIENT_PORT: Attribute = ("routing.http.xff_client_port.enabled", "false");
const XFF_PROCESSING: Attribute = ("routing.http.xff_header_processing.mode", "append");
const CROSS_ZONE: Attribute = ("load_balancing.cross_zone.enabled", "false");
const CLIENT_ROUTING: Attribute = ("dns_record.client_routing_policy", "any_availability_zone");
/// Whether logs are written, where to, and under which prefix.
const ACCESS_LOGS: [Attribute; 3] =
    [("access_logs.s3.enabled", "false"), ("access_logs.s3.bucket", ""), ("access_logs.s3.prefix", "")];
const CONNECTION_LOGS: [Attribute; 3] =
    [("connection_logs.s3.enabled", "false"), ("connection_logs.s3.bucket", ""), ("connection_logs.s3.prefix", "")];

pub struct LoadBalancer;

/// A load balancer: the address that clients reach services by. An application load balancer speaks HTTP and HTTPS, a network
/// load balancer hands on TCP and UDP.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "AWS has that many switches")]
pub struct LoadBalancerInputs {
    /// The name, of up to 32 letters, digits and hyphens. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"))]
    #[schemars(extend(
        "replaceOnChanges" = true,
        "autoname" = 32, "reserved" = "internal-",
        "expects" = "made of letters, digits and hyphens, with no hyphen at either end"
    ))]
    pub name: String,
    /// The kind of load balancer. Default: `application`, which web services want.
    #[serde(default = "application")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub load_balancer_type: LoadBalancerType,
    /// Whether it can only be reached from within the VPC. Default: false, so it can be reached from the internet.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub internal: bool,
    /// The ids of the subnets it takes addresses in, one per availability zone. An application load balancer needs two or more;
    /// public ones, unless it is internal.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    #[schemars(transform = crate::aws::ec2::id::subnet)]
    pub subnets: Vec<String>,
    /// In place of `subnets`, for network load balancers that are to have fixed addresses.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "subnetId"))]
    pub subnet_mappings: Vec<LoadBalancerSubnetMapping>,
    /// The ids of its security groups. Default: for an application load balancer, the default group of the VPC.
    #[schemars(extend("compare" = "set", "computed" = true))]
    #[schemars(transform = crate::aws::ec2::id::security_group)]
    pub security_groups: Option<Vec<String>>,
    /// The kinds of IP addresses it has. Default: `ipv4`.
    #[serde(default = "ipv4")]
    pub ip_address_type: LoadBalancerIpAddressType,
    /// Where to write a line about every request.
    pub access_logs: Option<LoadBalancerLogs>,
    /// Where to write a line about every connection. Application load balancers only.
    pub connection_logs: Option<LoadBalancerLogs>,
    /// Whether AWS refuses to delete it. Default: false, as a program that removes it expects.
    #[serde(default)]
    pub enable_deletion_protection: bool,
    /// Whether traffic can be moved out of an availability zone that is in trouble.
    #[serde(default)]
    pub enable_zonal_shift: bool,
    /// For how many seconds a connection may be silent. An application has to keep its side open for longer. Application load
    /// balancers only.
    #[serde(default = "one_minute")]
    #[schemars(range(min = 1, max = 4000))]
    pub idle_timeout: i32,
    /// For how many seconds a client may use one connection. Application load balancers only.
    #[serde(default = "one_hour")]
    #[schemars(range(min = 60, max = 604_800))]
    pub client_keep_alive: i32,
    /// How strictly requests are read that could smuggle another one past the load balancer. Application load balancers only.
    #[serde(default = "defensive")]
    pub desync_mitigation_mode: LoadBalancerDesyncMitigationMode,
    /// Whether headers with invalid names are removed. Default: true, for a service behind the load balancer might read them
    /// otherwise than it does. Application load balancers only.
    #[serde(default = "yes")]
    pub drop_invalid_header_fields: bool,
    /// Whether clients may speak HTTP/2. Application load balancers only.
    #[serde(default = "yes")]
    pub enable_http2: bool,
    /// Whether targets are told the TLS version and cipher of the client. Application load balancers only.
    #[serde(default)]
    pub enable_tls_version_and_cipher_suite_headers: bool,
    /// Whether requests pass while AWS WAF cannot be asked about them. Application load balancers only.
    #[serde(default)]
    pub enable_waf_fail_open: bool,
    /// Whether `X-Forwarded-For` holds the port of the client. Application load balancers only.
    #[serde(default)]
    pub enable_xff_client_port: bool,
    /// Whether targets see the `Host` header just as the client sent it. Application load balancers only.
    #[serde(default)]
    pub preserve_host_header: bool,
    /// What happens to the header `X-Forwarded-For`. Application load balancers only.
    #[serde(default = "append")]
    pub xff_header_processing_mode: LoadBalancerXffHeaderProcessingMode,
    /// Whether each zone sends to the targets of all zones. For network load balancers: an application load balancer always does,
    /// whatever it says here.
    #[serde(default)]
    pub enable_cross_zone_load_balancing: bool,
    /// Which addresses clients within the VPC are given. Network load balancers only.
    #[serde(default = "any_zone")]
    pub dns_record_client_routing_policy: LoadBalancerClientRoutingPolicy,
    /// Tags to put on the load balancer.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The kind of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LoadBalancerType {
    /// Speaks HTTP and HTTPS, and routes by host, path and header.
    Application,
    /// Hands on TCP, TLS and UDP, and can have fixed addresses.
    Network,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A subnet, and the address that a network load balancer has in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerSubnetMapping {
    /// The id of the subnet.
    #[schemars(transform = crate::aws::ec2::id::subnet)]
    pub subnet_id: String,
    /// The allocation id of an Elastic IP address, for a load balancer that is reached from the internet.
    #[schemars(extend("replaceOnChanges" = true))]
    #[schemars(transform = crate::aws::ec2::id::allocation)]
    pub allocation_id: Option<String>,
    /// An address of the subnet, for an internal load balancer.
    #[serde(rename = "privateIpv4Address")]
    #[schemars(extend("replaceOnChanges" = true))]
    pub private_ipv4_address: Option<String>,
}

/// The kinds of IP addresses of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoadBalancerIpAddressType {
    /// IPv4 addresses.
    Ipv4,
    /// IPv4 and IPv6 addresses.
    Dualstack,
    /// IPv6 addresses for clients, and private IPv4 addresses for targets.
    #[serde(rename = "dualstack-without-public-ipv4")]
    DualstackWithoutPublicIpv4,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A bucket that logs are written to. Its policy has to allow that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerLogs {
    /// The name of the bucket.
    #[schemars(length(min = 1))]
    pub bucket: String,
    /// What the names of all log objects start with.
    pub prefix: Option<String>,
    /// Whether logs are written; if not, it is as if there were no bucket. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// How strictly an application load balancer reads requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LoadBalancerDesyncMitigationMode {
    /// Everything passes.
    Monitor,
    /// What may be an attack gets a connection of its own or is refused.
    Defensive,
    /// Only what follows the standard to the letter passes.
    Strictest,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What an application load balancer does with the header `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LoadBalancerXffHeaderProcessingMode {
    /// Adds the address of the client.
    Append,
    /// Leaves it as it came.
    Preserve,
    /// Takes it away.
    Remove,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Which addresses of a network load balancer clients within the VPC are given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancerClientRoutingPolicy {
    /// Those of all zones.
    AnyAvailabilityZone,
    /// Most of the time, the one of their own zone.
    PartialAvailabilityZoneAffinity,
    /// The one of their own zone.
    AvailabilityZoneAffinity,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerOutputs {
    #[serde(flatten)]
    pub inputs: LoadBalancerInputs,
    /// The ARN of the load balancer.
    pub arn: String,
    /// The end of the ARN, by which metrics of CloudWatch know the load balancer.
    pub arn_suffix: String,
    /// The name that clients reach it by.
    pub dns_name: String,
    /// The id of the VPC it is in.
    pub vpc_id: String,
    /// The id of the hosted zone of its DNS name, for alias records of Route 53.
    pub zone_id: String,
}

fn application() -> LoadBalancerType {
    LoadBalancerType::Application
}

fn ipv4() -> LoadBalancerIpAddressType {
    LoadBalancerIpAddressType::Ipv4
}

fn one_minute() -> i32 {
    60
}

fn one_hour() -> i32 {
    3600
}

fn defensive() -> LoadBalancerDesyncMitigationMode {
    LoadBalancerDesyncMitigationMode::Defensive
}

fn yes() -> bool {
    true
}

fn append() -> LoadBalancerXffHeaderProcessingMode {
    LoadBalancerXffHeaderProcessingMode::Append
}

fn any_zone() -> LoadBalancerClientRoutingPolicy {
    LoadBalancerClientRoutingPolicy::AnyAvailabilityZone
}

impl Resource for LoadBalancer {
    const NAME: &'static str = "LoadBalancer";
    type Cloud = crate::aws::Session;
    type Inputs = LoadBalancerInputs;
    type Outputs = LoadBalancerOutputs;
    type Query = All;

    fn normalize(inputs: &mut Map) {
        let is = |it: Option<&Value>, flag: bool| it.map(Value::plain) == Some(&Value::Bool(flag));
        for logs in ["accessLogs", "connectionLogs"] {
            if let Some(Value::Object(it)) = inputs.get(logs).map(Value::plain)
                && is(it.get("enabled"), false)
            {
                // As if there were no bucket.
                inputs.remove(logs);
            }
        }
        if inputs.get("loadBalancerType").and_then(Value::as_str) == Some("application") {
            if is(inputs.get("enableCrossZoneLoadBalancing"), true) {
                inputs.insert("enableCrossZoneLoadBalancing".to_owned(), Value::Bool(false));
            }
            if matches!(inputs.get("securityGroups").map(Value::plain), Some(Value::List(it)) if it.is_empty()) {
                // It cannot be without.
                inputs.remove("securityGroups");
            }
        }
    }

    fn check(inputs: &LoadBalancerInputs, report: &mut Report<'_>) {
        report.rule(&["name"], !inputs.name.starts_with("internal-"), "starts with internal-, which AWS keeps for itself");
        let application = inputs.load_balancer_type == LoadBalancerType::Application;
        let (subnets, mappings) = (inputs.subnets.len(), inputs.subnet_mappings.len());
        // An item that is missing is known to be, even while the ids of the others are not.
        let second = if subnets == 0 { "subnets" } else { "subnets[1]" };
        report.rule(
            &[second, "loadBalancerType"],
            !application || subnets >= 2 || mappings > 0,
            "is missing: an application load balancer needs subnets in two or more availability zones",
        );
        report.rule(
            &["subnetMappings?", "loadBalancerType"],
            !application || mappings == 0,
            "is for network load balancers, which can have fixed addresses; list the subnetIds in subnets instead",
        );
        let (first, other) = if mappings == 0 { ("subnets?", "subnetMappings?") } else { ("subnetMappings?", "subnets?") };
        report.rule(
            &[first, other, "loadBalancerType"],
            application || (subnets == 0) != (mappings == 0),
            "is wrong: a network load balancer needs one of subnets and subnetMappings",
        );
        check_subnets(inputs, report);
        for (index, mapping) in inputs.subnet_mappings.iter().enumerate() {
            report.rule(
                &[
                    &format!("subnetMappings[{index}]?"),
                    &format!("subnetMappings[{index}].allocationId"),
                    &format!("subnetMappings[{index}].privateIpv4Address"),
                    "loadBalancerType",
                ],
                application || mapping.allocation_id.is_some() != mapping.private_ipv4_address.is_some(),
                "needs one of allocationId and privateIpv4Address; where no address is to be fixed, use subnets",
            );
        }
        let http_only = [
            ("connectionLogs", inputs.connection_logs.is_some()),
            ("idleTimeout", inputs.idle_timeout != one_minute()),
            ("clientKeepAlive", inputs.client_keep_alive != one_hour()),
            ("desyncMitigationMode", inputs.desync_mitigation_mode != defensive()),
            ("dropInvalidHeaderFields", inputs.drop_invalid_header_fields != yes()),
            ("enableHttp2", inputs.enable_http2 != yes()),
            ("enableTlsVersionAndCipherSuiteHeaders", inputs.enable_tls_version_and_cipher_suite_headers),
            ("enableWafFailOpen", inputs.enable_waf_fail_open),
            ("enableXffClientPort", inputs.enable_xff_client_port),
            ("preserveHostHeader", inputs.preserve_host_header),
            ("xffHeaderProcessingMode", inputs.xff_header_processing_mode != append()),
        ];
        for (name, set) in http_only {
            report.rule(&[name, "loadBalancerType"], application || !set, "is for application load balancers only");
        }
        let network_only = [
            ("enableCrossZoneLoadBalancing", inputs.enable_cross_zone_load_balancing),
            ("dnsRecordClientRoutingPolicy", inputs.dns_record_client_routing_policy != any_zone()),
        ];
        for (name, set) in network_only {
            report.rule(&[name, "loadBalancerType"], !application || !set, "is for network load balancers only");
        }
    }

    fn check_change(old: &LoadBalancerInputs, new: &LoadBalancerInputs, _: &BTreeSet<String>, report: &mut Report<'_>) {
        let some = |it: &LoadBalancerInputs| it.security_groups.as_ref().is_some_and(|it| !it.is_empty());
        let none = new.security_groups.as_ref().is_some_and(Vec::is_empty);
        let reason =
            "is empty, but takes no security group away: to be without, a network load balancer has to be created without";
        report.warn(&["securityGroups"], !some(old) || !none, reason);
    }

    fn replaced_by(old: &LoadBalancerInputs, new: &LoadBalancerInputs) -> Vec<&'static str> {
        // "You can't perform this operation on a Network Load Balancer unless you specified a security group for the load
        // balancer when you created it" (SetSecurityGroups in ELBv2's model).
        let none = old.security_groups.as_ref().is_none_or(Vec::is_empty);
        if none && new.load_balancer_type == LoadBalancerType::Network { vec!["securityGroups"] } else { vec![] }
    }

    fn excludes(old: &LoadBalancerInputs, new: &LoadBalancerInputs) -> bool {
        // An address belongs to one.
        let same = |it: &LoadBalancerSubnetMapping, was: &LoadBalancerSubnetMapping| {
            it.allocation_id.is_some() && it.allocation_id == was.allocation_id
                || it.private_ipv4_address.is_some()
                    && it.private_ipv4_address == was.private_ipv4_address
                    && it.subnet_id == was.subnet_id
        };
        new.subnet_mappings.iter().any(|it| old.subnet_mappings.iter().any(|was| same(it, was)))
    }

    fn facts(inputs: &LoadBalancerInputs, report: &Report<'_>) -> Option<Facts> {
        let groups = inputs.security_groups.as_ref().filter(|it| !it.is_empty());
        let group = |(index, id): (usize, &String)| report.link(&format!("securityGroups[{index}]"), id);
        Some(Facts::new(LoadBalancerFacts {
            name: report.shown(&inputs.name),
            kind: report.known("loadBalancerType", name_of(inputs.load_balancer_type)),
            internal: report.known("internal", inputs.internal),
            subnets: subnets(inputs, report),
            security_groups: groups.map(|it| it.iter().enumerate().map(group).collect()),
        }))
    }

    async fn create(context: &Context, inputs: &LoadBalancerInputs) -> Result<String> {
        let client = context.client.elb();
        let name = &inputs.name;
        // AWS would hand out an existing one with the same settings as if it had just made it.
        if let Some(existing) = context.observer.ask(context.client.look_up::<DescribeLoadBalancers>(name.clone())).await? {
            bail!(taken::<Self>(name, existing.load_balancer_arn().unwrap_or(name)));
        }
        let scheme =
            if inputs.internal { types::LoadBalancerSchemeEnum::Internal } else { types::LoadBalancerSchemeEnum::InternetFacing };
        let request = client
            .create_load_balancer()
            .name(name)
            .r#type(name_of(inputs.load_balancer_type).as_str().into())
            .scheme(scheme)
            .set_subnets(some(inputs.subnets.clone()))
            .set_subnet_mappings(some(mappings(inputs)))
            .set_security_groups(inputs.security_groups.clone().and_then(some))
            .ip_address_type(name_of(inputs.ip_address_type).as_str().into())
            .set_tags(elb::to_tags(&inputs.tags));
        let created = request.send().await.explain()?.load_balancers.unwrap_or_default().pop();
        let arn = created.and_then(|it| it.load_balancer_arn).context("AWS did not say which load balancer it made")?;
        context.made(&arn);
        set_attributes(context, &arn, &elb::attribute_changes(None, &attributes(inputs))).await?;
        Ok(arn)
    }

    async fn update(context: &Context, arn: &str, old: &LoadBalancerOutputs, new: &LoadBalancerInputs) -> Result<()> {
        let client = context.client.elb();
        set_attributes(context, arn, &elb::attribute_changes(Some(&attributes(&old.inputs)), &attributes(new))).await?;
        let changed = changed(&old.inputs, new)?;
        let groups = new.security_groups.clone().and_then(some).filter(|_| changed.contains("securityGroups"));
        let subnets = changed.contains("subnets") || changed.contains("subnetMappings");
        let network = new.load_balancer_type == LoadBalancerType::Network;
        // What the program cannot say, and AWS might take back to its default where it is not told.
        let shown = if network && (groups.is_some() || subnets) {
            context.client.look_up::<DescribeLoadBalancers>(arn.to_owned()).await?
        } else {
            None
        };
        if let Some(groups) = groups {
            let enforced = shown.as_ref().and_then(|it| it.enforce_security_group_inbound_rules_on_private_link_traffic());
            let request = client
                .set_security_groups()
                .load_balancer_arn(arn)
                .set_security_groups(Some(groups))
                .set_enforce_security_group_inbound_rules_on_private_link_traffic(enforced.map(Into::into));
            request.send().await.explain()?;
        }
        let address_type = types::IpAddressType::from(name_of(new.ip_address_type).as_str());
        if subnets {
            let source_nat = shown.as_ref().and_then(|it| it.enable_prefix_for_ipv6_source_nat()).cloned();
            let request = client
                .set_subnets()
                .load_balancer_arn(arn)
                .set_subnets(some(new.subnets.clone()))
                .set_subnet_mappings(some(mappings(new)))
                .ip_address_type(address_type.clone())
                .set_enable_prefix_for_ipv6_source_nat(source_nat);
            request.send().await.explain()?;
        }
        if changed.contains("ipAddressType") {
            client.set_ip_address_type().load_balancer_arn(arn).ip_address_type(address_type).send().await.explain()?;
        }
        elb::retag(&context.client, arn, &old.inputs.tags, &new.tags).await
    }

    async fn ready(context: &Context, arn: &str, inputs: &LoadBalancerInputs) -> Result<()> {
        let name = &inputs.name;
        let look = || async {
            let balancer = context.client.look_up::<DescribeLoadBalancers>(arn.to_owned()).await?;
            let balancer = balancer.with_context(|| format!("load balancer {name} is gone"))?;
            let state = balancer.state();
            let reason = state.and_then(|it| it.reason()).unwrap_or("no reason given");
            Ok(match state.and_then(|it| it.code()) {
                Some(types::LoadBalancerStateEnum::Active | types::LoadBalancerStateEnum::ActiveImpaired) => Seen::Ready(()),
                Some(types::LoadBalancerStateEnum::Failed) => bail!("AWS could not set up load balancer {name}: {reason}"),
                state => Seen::Pending(format!("load balancer {}", state.map_or("without a state", |it| it.as_str()))),
            })
        };
        context.observer.wait(format!("load balancer {name}"), Patience::minutes(10), look).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<LoadBalancerOutputs>> {
        elb::check_id(id, "loadbalancer", true)?;
        let Some(balancer) = context.client.look_up::<DescribeLoadBalancers>(id.to_owned()).await? else { return Ok(None) };
        let arn = balancer.load_balancer_arn().unwrap_or_default();
        let (shown, tags) = try_join!(attributes_of(context, arn), elb::tags_of(&context.client, arn))?;
        let Some(shown) = shown else { return Ok(None) };
        let zones = balancer.availability_zones();
        let subnet_mappings: Vec<_> = zones.iter().filter_map(fixed_address).collect();
        let subnets = zones.iter().filter_map(|it| it.subnet_id().map(str::to_owned));
        let load_balancer_type = named(balancer.r#type().map_or("application", |it| it.as_str()))?;
        let application = load_balancer_type == LoadBalancerType::Application;
        Ok(Some(LoadBalancerOutputs {
            inputs: LoadBalancerInputs {
                name: balancer.load_balancer_name().unwrap_or_default().to_owned(),
                load_balancer_type,
                internal: balancer.scheme() == Some(&types::LoadBalancerSchemeEnum::Internal),
                subnets: if subnet_mappings.is_empty() { subnets.collect() } else { Vec::new() },
                subnet_mappings,
                security_groups: some(balancer.security_groups().to_vec()),
                ip_address_type: named(balancer.ip_address_type().map_or("ipv4", |it| it.as_str()))?,
                access_logs: logs(&shown, ACCESS_LOGS),
                connection_logs: logs(&shown, CONNECTION_LOGS),
                enable_deletion_protection: shown.flag(DELETION_PROTECTION),
                enable_zonal_shift: shown.flag(ZONAL_SHIFT),
                idle_timeout: shown.number(IDLE_TIMEOUT)?,
                client_keep_alive: shown.number(CLIENT_KEEP_ALIVE)?,
                desync_mitigation_mode: named(shown.text(DESYNC_MITIGATION))?,
                // A network load balancer has none; there, the default means nothing.
                drop_invalid_header_fields: if application { shown.flag(DROP_INVALID_HEADERS) } else { yes() },
                enable_http2: shown.flag(HTTP2),
                enable_tls_version_and_cipher_suite_headers: shown.flag(TLS_HEADERS),
                enable_waf_fail_open: shown.flag(WAF_FAIL_OPEN),
                enable_xff_client_port: shown.flag(XFF_CLIENT_PORT),
                preserve_host_header: shown.flag(PRESERVE_HOST),
                xff_header_processing_mode: named(shown.text(XFF_PROCESSING))?,
                // An application load balancer always does, and cannot be told.
                enable_cross_zone_load_balancing: !application && shown.flag(CROSS_ZONE),
                dns_record_client_routing_policy: named(shown.text(CLIENT_ROUTING))?,
                tags,
            },
            arn_suffix: arn.split_once(":loadbalancer/").map_or(arn, |(_, suffix)| suffix).to_owned(),
            arn: arn.to_owned(),
            dns_name: balancer.dns_name().unwrap_or_default().to_owned(),
            vpc_id: balancer.vpc_id().unwrap_or_default().to_owned(),
            zone_id: balancer.canonical_hosted_zone_id().unwrap_or_default().to_owned(),
        }))
    }

    fn id(outputs: &LoadBalancerOutputs) -> String {
        outputs.arn.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request = context.client.elb().describe_load_balancers();
        let request = request.page_size(at.size(1..=400)).set_marker(at.token.clone());
        let answer = request.send().await.explain()?;
        let listed = answer.load_balancers.unwrap_or_default().into_iter().filter_map(|it| {
            // Gateways for packets are none of ours.
            if matches!(named(it.r#type()?.as_str()).ok()?, LoadBalancerType::Other(_)) {
                return None;
            }
            Some(Listed::new(it.load_balancer_arn?, it.load_balancer_name.unwrap_or_default()))
        });
        Ok(Page::new(listed, answer.next_marker))
    }

    async fn delete(context: &Context, arn: &str, _: &LoadBalancerOutputs) -> Result<()> {
        match context.client.elb().delete_load_balancer().load_balancer_arn(arn).send().await.explain() {
            Err(error) if refused_with(&error, &["LoadBalancerNotFound"]) => return Ok(()),
            Err(error) if refused_with(&error, &["OperationNotPermitted"]) => {
                bail!(error.context("it is protected; set enableDeletionProtection to false and run `pulumi up` first"))
            }
            result => result?,
        };
        let look = || async {
            let left = context.client.look_up::<DescribeLoadBalancers>(arn.to_owned()).await?;
            Ok(if left.is_some() { Seen::Pending("load balancer deleting".to_owned()) } else { Seen::Ready(()) })
        };
        context.observer.wait("the load balancer to go", Patience::minutes(10), look).await
    }
}

/// `DescribeLoadBalancers`, by ARN or by name.
struct DescribeLoadBalancers;

impl Lookup for DescribeLoadBalancers {
    type Key = String;
    type Found = types::LoadBalancer;
    const LIMIT: usize = 20;
    const MISSING: &'static [&'static str] = &["LoadBalancerNotFound"];

    async fn load(aws: &Aws, keys: Vec<String>) -> Result<HashMap<String, types::LoadBalancer>> {
        let (arns, names): (Vec<_>, Vec<_>) = keys.into_iter().partition(|it| it.starts_with("arn:"));
        let mut found = HashMap::new();
        if !arns.is_empty() {
            let described = aws.elb().describe_load_balancers().set_load_balancer_arns(Some(arns)).send().await.explain()?;
            let all = described.load_balancers.unwrap_or_default();
            found.extend(all.into_iter().filter_map(|it| Some((it.load_balancer_arn()?.to_owned(), it))));
        }
        if !names.is_empty() {
            let described = aws.elb().describe_load_balancers().set_names(Some(names)).send().await.explain()?;
            let all = described.load_balancers.unwrap_or_default();
            found.extend(all.into_iter().filter_map(|it| Some((it.load_balancer_name()?.to_owned(), it))));
        }
        Ok(found)
    }
}

/// The links to all subnets, be they plain or with addresses.
fn subnets(inputs: &LoadBalancerInputs, report: &Report<'_>) -> Vec<Link> {
    let plain = inputs.subnets.iter().enumerate().map(|(index, id)| (format!("subnets[{index}]"), id));
    let mapped = inputs.subnet_mappings.iter().enumerate();
    let mapped = mapped.map(|(index, it)| (format!("subnetMappings[{index}].subnetId"), &it.subnet_id));
    plain.chain(mapped).map(|(path, id)| report.link(&path, id)).collect()
}

/// Reports subnets that are too few or too many for their zones: a load balancer takes one in each, an application load balancer
/// in two or more.
fn check_subnets(inputs: &LoadBalancerInputs, report: &mut Report<'_>) {
    let property = if inputs.subnets.is_empty() { "subnetMappings" } else { "subnets" };
    let links = subnets(inputs, report);
    let twice = links.iter().enumerate().find(|(index, it)| matches!(it, Link::Known(_)) && links[..*index].contains(it));
    if let Some((index, Link::Known(id))) = twice {
        let reason = format!("is {id}, which is there already; a load balancer takes one subnet per availability zone");
        return report.rule(&[&format!("{property}[{index}]")], false, reason);
    }
    // Whichever subnets those are that are not known yet, they are all different.
    let mut zones = BTreeSet::new();
    let mut certain = true;
    for link in &links {
        let found = report.follow::<SubnetFacts>(link);
        certain &= found.certain;
        let known: Option<Vec<_>> = found.those.into_iter().map(|it| it.availability_zone).collect();
        match known {
            Some(known) if !known.is_empty() => zones.extend(known),
            _ => return,
        }
    }
    let names = zones.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let zones = Candidates { certain, those: vec![zones.len()] };
    report.compare(property, &["loadBalancerType"], &zones, |zones| {
        let least = if inputs.load_balancer_type == LoadBalancerType::Application {
            ", and an application load balancer needs two"
        } else {
            ""
        };
        (links.len() > *zones).then(|| {
            format!(
                "has {} subnets, but those of the program are in {names} only: a load balancer takes one subnet per availability \
                 zone{least}; set availabilityZone of each subnet to another zone",
                links.len()
            )
        })
    });
}

/// The attributes that the inputs ask for, of those that this kind of load balancer has.
fn attributes(inputs: &LoadBalancerInputs) -> Vec<(Attribute, String)> {
    let mut all = vec![
        (DELETION_PROTECTION, inputs.enable_deletion_protection.to_string()),
        (ZONAL_SHIFT, inputs.enable_zonal_shift.to_string()),
    ];
    all.extend(log_attributes(inputs.access_logs.as_ref(), ACCESS_LOGS));
    match inputs.load_balancer_type {
        LoadBalancerType::Application => {
            all.extend(log_attributes(inputs.connection_logs.as_ref(), CONNECTION_LOGS));
            all.extend([
                (IDLE_TIMEOUT, inputs.idle_timeout.to_string()),
                (CLIENT_KEEP_ALIVE, inputs.client_keep_alive.to_string()),
                (DESYNC_MITIGATION, name_of(inputs.desync_mitigation_mode)),
                (DROP_INVALID_HEADERS, inputs.drop_invalid_header_fields.to_string()),
                (HTTP2, inputs.enable_http2.to_string()),
                (TLS_HEADERS, inputs.enable_tls_version_and_cipher_suite_headers.to_string()),
                (WAF_FAIL_OPEN, inputs.enable_waf_fail_open.to_string()),
                (XFF_CLIENT_PORT, inputs.enable_xff_client_port.to_string()),
                (PRESERVE_HOST, inputs.preserve_host_header.to_string()),
                (XFF_PROCESSING, name_of(inputs.xff_header_processing_mode)),
            ]);
        }
        LoadBalancerType::Network => all.extend([
            (CROSS_ZONE, inputs.enable_cross_zone_load_balancing.to_string()),
            (CLIENT_ROUTING, name_of(inputs.dns_record_client_routing_policy)),
        ]),
        LoadBalancerType::Other(_) => {}
    }
    all
}

/// What to set to have these logs. AWS takes no empty bucket: where there are to be none, it keeps the one that it has.
fn log_attributes(logs: Option<&LoadBalancerLogs>, [enabled, bucket, prefix]: [Attribute; 3]) -> Vec<(Attribute, String)> {
    let mut all = vec![(enabled, logs.is_some_and(|it| it.enabled).to_string())];
    if let Some(logs) = logs {
        all.extend([(bucket, logs.bucket.clone()), (prefix, logs.prefix.clone().unwrap_or_default())]);
    }
    all
}

/// The logs that are written; the bucket of those that are not is left over from before.
fn logs(shown: &Attributes, [enabled, bucket, prefix]: [Attribute; 3]) -> Option<LoadBalancerLogs> {
    let text = |it| Some(shown.text(it).to_owned()).filter(|it| !it.is_empty());
    let logs = LoadBalancerLogs { bucket: text(bucket)?, prefix: text(prefix), enabled: shown.flag(enabled) };
    Some(logs).filter(|it| it.enabled)
}

async fn set_attributes(context: &Context, arn: &str, changes: &[(&str, String)]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let attribute = |(key, value): &(&str, String)| types::LoadBalancerAttribute::builder().key(*key).value(value).build();
    let attributes: Vec<_> = changes.iter().map(attribute).collect();
    let modify = || async {
        let request = context.client.elb().modify_load_balancer_attributes().load_balancer_arn(arn);
        request.set_attributes(Some(attributes.clone())).send().await.explain()
    };
    context.observer.settle(BUCKET_UNREADY, modify).await.map(drop)
}

async fn attributes_of(context: &Context, arn: &str) -> Result<Option<Attributes>> {
    match context.client.elb().describe_load_balancer_attributes().load_balancer_arn(arn).send().await.explain() {
        Err(error) if refused_with(&error, &["LoadBalancerNotFound"]) => Ok(None),
        result => {
            let pair = |it: types::LoadBalancerAttribute| Some((it.key?, it.value.unwrap_or_default()));
            Ok(Some(Attributes(result?.attributes.unwrap_or_default().into_iter().filter_map(pair).collect())))
        }
    }
}

/// The subnet of a zone in which the program chose the address.
fn fixed_address(zone: &types::AvailabilityZone) -> Option<LoadBalancerSubnetMapping> {
    let address = zone.load_balancer_addresses().first()?;
    let mapping = LoadBalancerSubnetMapping {
        subnet_id: zone.subnet_id()?.to_owned(),
        allocation_id: address.allocation_id().map(str::to_owned),
        private_ipv4_address: address.private_ipv4_address().map(str::to_owned),
    };
    (mapping.allocation_id.is_some() || mapping.private_ipv4_address.is_some()).then_some(mapping)
}

fn mappings(inputs: &LoadBalancerInputs) -> Vec<types::SubnetMapping> {
    let mapping = |it: &LoadBalancerSubnetMapping| {
        let mapping = types::SubnetMapping::builder().subnet_id(&it.subnet_id).set_allocation_id(it.allocation_id.clone());
        mapping.set_private_ipv4_address(it.private_ipv4_address.clone()).build()
    };
    inputs.subnet_mappings.iter().map(mapping).collect()
}

/// The list, unless it is empty: AWS refuses empty ones.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::Plan,
        resource::{AnyResource as _, Erased, changes, findings, findings_of_change, goes_first, mistakes},
    };

    fn subnet(zone: &str) -> Facts {
        Facts::new(SubnetFacts { availability_zone: Some(zone.to_owned()), block: None, vpc: Link::Unknown })
    }

    fn in_subnets(subnets: Vec<Value>) -> Value {
        let name = Value::String("web".to_owned());
        Value::Object([("name".to_owned(), name), ("subnets".to_owned(), Value::List(subnets))].into())
    }

    #[test]
    fn a_load_balancer_takes_one_subnet_in_each_zone() {
        let plan = Plan::default();
        plan.declare("a", subnet("eu-west-1a"));
        plan.declare("b", subnet("eu-west-1a"));
        // In the first preview, each of the two may be either of them.
        let found = findings::<LoadBalancer>(&plan, in_subnets(vec![Value::Unknown, Value::Unknown])).0;
        let reason = "subnets has 2 subnets, but those of the program are in eu-west-1a only";
        assert!(found.len() == 1 && found[0].starts_with(reason), "{found:?}");
        plan.declare("c", subnet("eu-west-1b"));
        assert!(findings::<LoadBalancer>(&plan, in_subnets(vec![Value::Unknown, Value::Unknown])).0.is_empty());
        for (name, id) in [("a", "subnet-a"), ("b", "subnet-b"), ("c", "subnet-c")] {
            plan.record(name, Some(id), &[]);
        }
        let of = |ids: &[&str]| {
            let ids = ids.iter().map(|it| Value::String((*it).to_owned())).collect();
            findings::<LoadBalancer>(&plan, in_subnets(ids)).0
        };
        assert!(of(&["subnet-a", "subnet-c"]).is_empty());
        assert!(of(&["subnet-a", "subnet-of-others"]).is_empty());
        assert_eq!(of(&["subnet-a", "subnet-b"]).len(), 1);
        assert_eq!(of(&["subnet-a", "subnet-b", "subnet-c"]).len(), 1, "two are in one zone");
        assert_eq!(
            of(&["subnet-a", "subnet-a"]),
            ["subnets[1] is subnet-a, which is there already; a load balancer takes one subnet per availability zone"]
        );
    }

    #[test]
    fn what_only_one_can_have_goes_first() {
        let network = |internal: bool, mapping: serde_json::Value| {
            Value::from(
                json!({ "name": format!("net-{internal}"), "loadBalancerType": "network", "internal": internal, "subnetMappings": [mapping] }),
            )
        };
        let fixed = json!({ "subnetId": "subnet-1", "allocationId": "eipalloc-1" });
        let other = json!({ "subnetId": "subnet-1", "allocationId": "eipalloc-2" });
        assert!(goes_first::<LoadBalancer>(network(false, fixed.clone()), network(true, fixed.clone())));
        assert!(!goes_first::<LoadBalancer>(network(false, fixed), network(true, other)));
    }

    #[test]
    fn security_groups_of_a_network_load_balancer_come_and_go_with_it() {
        let network = |groups: serde_json::Value| {
            let inputs =
                json!({ "name": "net", "loadBalancerType": "network", "subnets": ["subnet-1"], "securityGroups": groups });
            let Value::Object(inputs) = Value::from(inputs) else { panic!("inputs are a map") };
            inputs
        };
        let resource = Erased::<LoadBalancer>::NEW;
        let replaced = |old, new| resource.diff(&network(old), &network(new)).iter().any(|it| it.replaces);
        assert!(replaced(json!([]), json!(["sg-1"])));
        assert!(!replaced(json!(["sg-1"]), json!(["sg-2"])));
        let taken = (Value::Object(network(json!(["sg-1"]))), Value::Object(network(json!([]))));
        assert_eq!(findings_of_change::<LoadBalancer>(taken.0, taken.1).1.len(), 1);
        let application = |groups: serde_json::Value| {
            Value::from(json!({ "name": "web", "subnets": ["subnet-1", "subnet-2"], "securityGroups": groups }))
        };
        assert!(changes::<LoadBalancer>(application(json!([])), application(json!(null))).is_empty());
    }

    #[test]
    fn an_application_load_balancer_needs_two_subnets() {
        let missing = "an application load balancer needs subnets in two or more availability zones";
        assert_eq!(mistakes::<LoadBalancer>(json!({}).into()), [format!("subnets is missing: {missing}")]);
        // The id of the one that is there does not matter.
        let one = Value::Object([("subnets".to_owned(), Value::List(vec![Value::Unknown]))].into());
        assert_eq!(mistakes::<LoadBalancer>(one), [format!("subnets[1] is missing: {missing}")]);
        let later = Value::Object([("subnets".to_owned(), Value::Unknown)].into());
        assert!(mistakes::<LoadBalancer>(later).is_empty());
        assert!(mistakes::<LoadBalancer>(json!({ "subnets": ["subnet-1", "subnet-2"] }).into()).is_empty());
    }

    #[test]
    fn logs_that_end_keep_their_bucket() {
        let logs = LoadBalancerLogs { bucket: "logs".to_owned(), prefix: None, enabled: true };
        let [enabled, bucket, prefix] = ACCESS_LOGS;
        let (on, off) = (log_attributes(Some(&logs), ACCESS_LOGS), log_attributes(None, ACCESS_LOGS));
        assert_eq!(elb::attribute_changes(Some(&on), &off), [(enabled.0, "false".to_owned())]);
        let all = [(enabled.0, "true".to_owned()), (bucket.0, "logs".to_owned()), (prefix.0, String::new())];
        assert_eq!(elb::attribute_changes(Some(&off), &on), all);
        let left = Attributes([(enabled.0, "false"), (bucket.0, "logs")].map(|(key, it)| (key.to_owned(), it.to_owned())).into());
        assert_eq!(super::logs(&left, ACCESS_LOGS), None);
    }

    #[test]
    fn each_kind_has_settings_of_its_own() {
        let wrong = json!({
            "loadBalancerType": "network",
            "subnetMappings": [{ "subnetId": "subnet-1" }],
            "idleTimeout": 30,
            "name": "internal-it",
        });
        let expected = [
            "idleTimeout is for application load balancers only",
            "name starts with internal-, which AWS keeps for itself",
            "subnetMappings[0] needs one of allocationId and privateIpv4Address; where no address is to be fixed, use subnets",
        ];
        assert_eq!(mistakes::<LoadBalancer>(wrong.into()), expected);
        let wrong = json!({ "subnetMappings": [{ "subnetId": "subnet-1" }, { "subnetId": "subnet-2" }] });
        let expected = [
            "subnetMappings is for network load balancers, which can have fixed addresses; list the subnetIds in subnets instead",
        ];
        assert_eq!(mistakes::<LoadBalancer>(wrong.into()), expected);
        let right = json!({ "loadBalancerType": "network", "subnets": ["subnet-1"], "enableCrossZoneLoadBalancing": true });
        assert!(mistakes::<LoadBalancer>(right.into()).is_empty());
    }
}
