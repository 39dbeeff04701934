//! Facts that resources record for others, so that Check can compare a resource with those that it needs; see `plan.rs`.
//!
//! They live here, and not beside their resources, since no resource imports another. What is not known yet is none.

use ipnet::Ipv4Net;
use regex_lite::Regex;

use crate::plan::Link;

/// A task definition, as services need it.
#[derive(Clone, Debug)]
pub struct TaskDefinitionFacts {
    pub family: String,
    /// The region as the program writes it; none if it is the provider's.
    pub region: Option<String>,
    pub containers: Option<Vec<Container>>,
    /// Whether its containers have a role to act as, as far as is known.
    pub has_task_role: bool,
    /// That role.
    pub task_role: Option<Link>,
}

/// A cluster, as services need it.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    pub name: String,
    pub capacity_providers: Option<Vec<String>>,
}

/// A service, as what scales it needs it.
#[derive(Clone, Debug)]
pub struct ServiceFacts {
    /// The name as texts may show it.
    pub name: String,
    pub region: Option<String>,
    /// What scaling calls it, `service/cluster/name`.
    pub resource_id: Option<String>,
    /// The number of tasks, if the program says it.
    pub desired_count: Option<i32>,
}

/// What is scaled, as other targets and its policies need it.
#[derive(Clone, Debug)]
pub struct ScalableTargetFacts {
    pub region: Option<String>,
    pub resource_id: Link,
    pub dimension: String,
}

/// A scaling policy, as other policies need it.
#[derive(Clone, Debug)]
pub struct ScalingPolicyFacts {
    pub name: String,
    pub region: Option<String>,
    pub resource_id: Link,
    pub dimension: String,
    /// The metric that it tracks, if it tracks one that is known.
    pub metric: Option<String>,
}

/// A container of a task.
#[derive(Clone, Debug)]
pub struct Container {
    pub name: Option<String>,
    /// The name as texts may show it: it may be in something that is secret as a whole.
    pub shown: String,
    pub essential: bool,
    /// The numbers and protocols of its ports.
    pub ports: Option<Vec<(i32, &'static str)>>,
    /// The time until its health check first tells, and how long that may tell of failure; both in seconds.
    pub health: Option<(i32, i32)>,
    /// How long it has to end, in seconds.
    pub stop_timeout: Option<i32>,
}

/// A subnet, as load balancers need it.
#[derive(Clone, Debug)]
pub struct SubnetFacts {
    pub availability_zone: Option<String>,
    pub vpc: Link,
    pub block: Option<Ipv4Net>,
}

/// A load balancer, as its listeners need it.
#[derive(Clone, Debug)]
pub struct LoadBalancerFacts {
    pub name: String,
    /// `application` or `network`, as AWS calls it.
    pub kind: Option<String>,
    pub internal: Option<bool>,
    pub subnets: Vec<Link>,
    /// None if the program does not say, and AWS takes the default group of the VPC, if any.
    pub security_groups: Option<Vec<Link>>,
}

/// A listener, as its rules and other listeners need it.
#[derive(Clone, Debug)]
pub struct ListenerFacts {
    pub load_balancer: Link,
    pub port: Option<i32>,
    /// As AWS calls it.
    pub protocol: Option<String>,
    /// Those that its default actions forward to.
    pub target_groups: Vec<Link>,
}

/// A rule of a listener, as the other rules need it.
#[derive(Clone, Debug)]
pub struct ListenerRuleFacts {
    pub listener: Link,
    /// None if AWS gives it one, or if it is not known yet.
    pub priority: Option<i32>,
    pub target_groups: Vec<Link>,
}

/// A target group, as services and listeners need it.
#[derive(Clone, Debug)]
pub struct TargetGroupFacts {
    pub name: String,
    /// The protocol that targets speak, as AWS calls it.
    pub protocol: Option<String>,
    pub vpc: Link,
    /// The protocols that the port of a container may have.
    pub protocols: Option<&'static [&'static str]>,
    /// The port of its health checks, if that is one of its own.
    pub check_port: Option<i32>,
    /// The time between two health checks, in seconds.
    pub interval: Option<i32>,
    pub healthy_threshold: Option<i32>,
    pub unhealthy_threshold: Option<i32>,
    /// In seconds.
    pub deregistration_delay: Option<i32>,
    /// Whether it is deleted before it is created anew, under the same name.
    pub recreated: bool,
}

/// A role, as task definitions need it.
#[derive(Clone, Debug)]
pub struct RoleFacts {
    pub name: String,
    /// Whether tasks may act as it, as far as is known.
    pub is_for_tasks: bool,
    /// The actions that its policies allow, as patterns such as `s3:*`; none if not all of them are known.
    pub allowed: Option<Vec<String>>,
}

impl RoleFacts {
    /// Whether it is certain that no policy allows the action, such as `s3:GetObject`.
    pub fn lacks(&self, action: &str) -> bool {
        self.allowed.as_ref().is_some_and(|all| !all.iter().any(|pattern| covers(pattern, action)))
    }
}

/// Whether a pattern of a policy, such as `s3:Get*`, covers an action.
pub fn covers(pattern: &str, action: &str) -> bool {
    let pattern = regex_lite::escape(pattern).replace("\\*", ".*").replace("\\?", ".");
    Regex::new(&format!("(?i)^{pattern}$")).is_ok_and(|it| it.is_match(action))
}

/// A VPC, as subnets and endpoints need it.
#[derive(Clone, Debug)]
pub struct VpcFacts {
    pub block: Option<Ipv4Net>,
    /// Whether it is created in this run: one that exists may have blocks of addresses that the program does not know of.
    pub is_new: bool,
    /// Whether it has what the private names of VPC endpoints need.
    pub has_dns: Option<bool>,
}

/// A route table, as what is in its subnets needs it.
#[derive(Clone, Debug)]
pub struct RouteTableFacts {
    pub vpc: Link,
    /// Its subnets, in no order; one that is not known stands for all of these.
    pub subnets: Vec<Link>,
    pub way_out: Option<WayOut>,
}

/// Where a route table leads what leaves the VPC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WayOut {
    /// Nowhere.
    None,
    InternetGateway,
    NatGateway,
    /// Elsewhere, which may well be where it has to go.
    Other,
}

/// A NAT gateway, as route tables need it.
#[derive(Clone, Debug)]
pub struct NatGatewayFacts {
    pub subnet: Link,
    pub is_public: bool,
}

/// A VPC endpoint.
#[derive(Clone, Debug)]
pub struct VpcEndpointFacts {
    pub vpc: Link,
    pub service: Option<String>,
    /// Whether it has network interfaces in subnets.
    pub is_interface: bool,
    /// Whether the public names of the service lead to it.
    pub private_dns: bool,
}

/// A security group, as what is in it needs it.
#[derive(Clone, Debug)]
pub struct SecurityGroupFacts {
    pub name: String,
    /// The rules that let in TCP.
    pub ingress: Option<Vec<IngressFacts>>,
}

/// A rule of a security group that lets in TCP.
#[derive(Clone, Debug)]
pub struct IngressFacts {
    /// The first and the last port; the widest range where that is not known.
    pub ports: (i32, i32),
    /// The groups that it lets in; none where it lets in others as well, or where that is not known.
    pub groups: Option<Vec<Link>>,
    /// Whether it lets in what is in the group itself.
    pub itself: bool,
}

/// A parameter group of Redis, as those that use it need it.
#[derive(Clone, Debug)]
pub struct RedisParameterGroupFacts {
    pub name: String,
    /// The engine and version that it is for.
    pub family: Option<String>,
    /// Whether those that use it are in cluster mode.
    pub cluster_enabled: Option<bool>,
    /// Whether it is deleted before it is created anew, under the same name.
    pub recreated: bool,
    /// The name that it had, if that is another one: the group of that name is deleted.
    pub renamed_from: Option<String>,
}

/// A subnet group of Redis, as those that use it need it.
#[derive(Clone, Debug)]
pub struct RedisSubnetGroupFacts {
    pub name: String,
    /// None if it is not known how many there are.
    pub subnets: Option<Vec<Link>>,
    /// The name that it had, if that is another one: the group of that name is deleted.
    pub renamed_from: Option<String>,
}
