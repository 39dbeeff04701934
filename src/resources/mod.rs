//! Every resource of the package, one file each.

use crate::resource::{AnyResource, Erased};

/// Declares the modules and lists what is in them.
macro_rules! resources {
    ($($module:ident::$name:ident,)*) => {
        $(pub mod $module;)*

        /// All resources, in alphabetical order.
        pub const fn all() -> &'static [&'static dyn AnyResource] {
            static ALL: &[&dyn AnyResource] = &[$({
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
