//! Every resource of the package, one file each.

pub mod alarm;
pub mod cluster;
pub mod elastic_ip;
pub mod internet_gateway;
pub mod listener;
pub mod listener_rule;
pub mod load_balancer;
pub mod log_group;
pub mod nat_gateway;
pub mod redis_group;
pub mod redis_parameter_group;
pub mod redis_subnet_group;
pub mod repository;
pub mod role;
pub mod route_table;
pub mod scalable_target;
pub mod scaling_policy;
pub mod security_group;
pub mod service;
pub mod subnet;
pub mod target_group;
pub mod task;
pub mod task_definition;
pub mod vpc;
pub mod vpc_endpoint;

use crate::{
    aws::Session,
    resource::{AnyResource, Erased},
};

/// Lists resources, each behind a static of its own.
macro_rules! resources {
    ($($module:ident::$name:ident,)*) => {
        /// All resources, in alphabetical order.
        pub const fn all() -> &'static [&'static dyn AnyResource<Session>] {
            static ALL: &[&dyn AnyResource<Session>] = &[$({
                static IT: Erased<$module::$name> = Erased::NEW;
                &IT
            }),*];
            ALL
        }
    };
}

resources! {
    alarm::Alarm,
    cluster::Cluster,
    elastic_ip::ElasticIp,
    internet_gateway::InternetGateway,
    listener::Listener,
    listener_rule::ListenerRule,
    load_balancer::LoadBalancer,
    log_group::LogGroup,
    nat_gateway::NatGateway,
    redis_group::RedisGroup,
    redis_parameter_group::RedisParameterGroup,
    redis_subnet_group::RedisSubnetGroup,
    repository::Repository,
    role::Role,
    route_table::RouteTable,
    scalable_target::ScalableTarget,
    scaling_policy::ScalingPolicy,
    security_group::SecurityGroup,
    service::Service,
    subnet::Subnet,
    target_group::TargetGroup,
    task::Task,
    task_definition::TaskDefinition,
    vpc::Vpc,
    vpc_endpoint::VpcEndpoint,
}
