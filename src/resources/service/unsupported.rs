//! What services may have in AWS and this provider does not support: an import names it, updates leave it as it is, and a program
//! may only say what holds anyway.

use aws_sdk_ecs::types::{
    self, DeploymentConfiguration, Service,
    builders::{DeploymentCircuitBreakerBuilder, DeploymentConfigurationBuilder},
};

use crate::{aws::ecs::deployment::primary, check::Foreign};

const PLACEMENT: &str = "is not supported on Fargate, where AWS places the tasks; leave it out";
const ROLE: &str =
    "is for classic load balancers; AWS balances these tasks by its own role AWSServiceRoleForECS, so leave it out";
const VOLUMES: &str = "is not supported by this provider; mount an EFS file system instead, by volumes of the task definition";
/// The settings of services, by the names of AWS and those of pulumi-aws.
pub(super) const FOREIGN: &[Foreign] = &[
    Foreign {
        within: "",
        name: "deploymentController",
        holds: &[r#"{"type":"ECS"}"#],
        reason: "is not supported other than as {type: ECS}, rolling deployments; leave it out",
    },
    Foreign {
        within: "",
        name: "deploymentConfiguration",
        holds: &[r#"{"strategy":"ROLLING"}"#],
        reason: "is not supported: deployments are rolling, and set by deploymentMaximumPercent, deploymentMinimumHealthyPercent, \
                 deploymentCircuitBreaker and alarms",
    },
    Foreign {
        within: "",
        name: "schedulingStrategy",
        holds: &[r#""REPLICA""#],
        reason: "is not supported on Fargate other than as REPLICA; leave it out",
    },
    Foreign { within: "", name: "placementConstraints", holds: &[], reason: PLACEMENT },
    Foreign { within: "", name: "placementStrategy", holds: &[], reason: PLACEMENT },
    Foreign { within: "", name: "placementStrategies", holds: &[], reason: PLACEMENT },
    Foreign { within: "", name: "orderedPlacementStrategies", holds: &[], reason: PLACEMENT },
    Foreign { within: "", name: "role", holds: &[], reason: ROLE },
    Foreign { within: "", name: "iamRole", holds: &[], reason: ROLE },
    Foreign {
        within: "",
        name: "serviceConnectConfiguration",
        holds: &[r#"{"enabled":false}"#],
        reason: "is not supported by this provider; use serviceRegistries or a load balancer",
    },
    Foreign { within: "", name: "volumeConfiguration", holds: &[], reason: VOLUMES },
    Foreign { within: "", name: "volumeConfigurations", holds: &[], reason: VOLUMES },
    Foreign {
        within: "",
        name: "vpcLatticeConfigurations",
        holds: &[],
        reason: "is not supported by this provider; use loadBalancers",
    },
    Foreign {
        within: "",
        name: "forceDelete",
        holds: &["true"],
        reason: "is not supported: a service is always deleted with its tasks; leave it out",
    },
    Foreign {
        within: "",
        name: "sigintRollback",
        holds: &[],
        reason: "is not supported: what is cancelled goes on in AWS, and the next `pulumi up` waits for it; leave it out",
    },
];

/// The settings of a service that no program can say here, by the names of AWS.
pub(super) fn settings(service: &Service) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |name: &str, is_set: bool| {
        if is_set {
            found.push(name.to_owned());
        }
    };
    let controller = service.deployment_controller().map(|it| it.r#type().as_str()).filter(|it| *it != "ECS");
    add(&format!("deploymentController {}", controller.unwrap_or_default()), controller.is_some());
    let launch_type = service.launch_type().map(types::LaunchType::as_str).filter(|it| *it != "FARGATE");
    add(&format!("launchType {}", launch_type.unwrap_or_default()), launch_type.is_some());
    let scheduling = service.scheduling_strategy().map(types::SchedulingStrategy::as_str).filter(|it| *it != "REPLICA");
    add(&format!("schedulingStrategy {}", scheduling.unwrap_or_default()), scheduling.is_some());
    let is_express = service.resource_management_type().is_some_and(|it| it.as_str() != "CUSTOMER");
    add("resourceManagementType ECS", is_express);
    add("placementConstraints", !service.placement_constraints().is_empty());
    add("placementStrategy", !service.placement_strategy().is_empty());
    // AWS shows its own role, too.
    add("roleArn", service.role_arn().is_some_and(|it| !it.is_empty() && !it.contains(":role/aws-service-role/")));
    add("serviceRegistries[1]", service.service_registries().len() > 1);
    add(
        "loadBalancers[].loadBalancerName",
        service.load_balancers().iter().any(|it| it.load_balancer_name().is_some_and(|it| !it.is_empty())),
    );
    add("loadBalancers[].advancedConfiguration", service.load_balancers().iter().any(|it| it.advanced_configuration().is_some()));
    if let Some(it) = primary(service) {
        add(
            "serviceConnectConfiguration",
            it.service_connect_configuration().is_some_and(types::ServiceConnectConfiguration::enabled),
        );
        add("volumeConfigurations", !it.volume_configurations().is_empty());
        add("vpcLatticeConfigurations", !it.vpc_lattice_configurations().is_empty());
    }
    if let Some(it) = service.deployment_configuration() {
        let strategy = it.strategy().map(types::DeploymentStrategy::as_str).filter(|it| *it != "ROLLING");
        add(&format!("deploymentConfiguration.strategy {}", strategy.unwrap_or_default()), strategy.is_some());
        add("deploymentConfiguration.bakeTimeInMinutes", it.bake_time_in_minutes().is_some_and(|it| it > 0));
        add("deploymentConfiguration.lifecycleHooks", !it.lifecycle_hooks().is_empty());
        add("deploymentConfiguration.linearConfiguration", it.linear_configuration().is_some());
        add("deploymentConfiguration.canaryConfiguration", it.canary_configuration().is_some());
        add(
            "deploymentConfiguration.earlySuccessCriteria",
            it.early_success_criteria().is_some_and(aws_sdk_ecs::types::DeploymentEarlySuccessCriteria::enable),
        );
        if let Some(breaker) = it.deployment_circuit_breaker() {
            add(
                "deploymentConfiguration.deploymentCircuitBreaker.resetOnHealthyTask",
                breaker.reset_on_healthy_task() == Some(false),
            );
            // ThresholdConfiguration: the default is BOUNDED_PERCENT, 50.
            let is_default = |it: &types::ThresholdConfiguration| it.r#type().as_str() == "BOUNDED_PERCENT" && it.value() == 50;
            let threshold = breaker.threshold_configuration().is_some_and(|it| !is_default(it));
            add("deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration", threshold);
        }
    }
    found
}

/// What is to be sent for a deployment, with what is in `live` besides.
pub(super) fn keep_in_deployment(
    it: DeploymentConfigurationBuilder,
    live: Option<&DeploymentConfiguration>,
) -> DeploymentConfigurationBuilder {
    let Some(live) = live else { return it };
    it.set_strategy(live.strategy.clone().filter(|it| *it != types::DeploymentStrategy::Rolling))
        .set_bake_time_in_minutes(live.bake_time_in_minutes.filter(|it| *it > 0))
        .set_lifecycle_hooks(live.lifecycle_hooks.clone().filter(|it| !it.is_empty()))
        .set_linear_configuration(live.linear_configuration.clone())
        .set_canary_configuration(live.canary_configuration.clone())
        .set_early_success_criteria(live.early_success_criteria.clone())
}

/// The same, for its circuit breaker.
pub(super) fn keep_in_breaker(
    it: DeploymentCircuitBreakerBuilder,
    live: Option<&DeploymentConfiguration>,
) -> DeploymentCircuitBreakerBuilder {
    let Some(live) = live.and_then(DeploymentConfiguration::deployment_circuit_breaker) else { return it };
    it.set_reset_on_healthy_task(live.reset_on_healthy_task).set_threshold_configuration(live.threshold_configuration.clone())
}

/// What is to be sent for a load balancer, with what `live` has for the same target group besides.
pub(super) fn keep_in_balancer(it: types::LoadBalancer, live: Option<&Service>) -> types::LoadBalancer {
    let before = live.and_then(|live| live.load_balancers().iter().find(|before| before.target_group_arn == it.target_group_arn));
    let advanced = before.and_then(|it| it.advanced_configuration.clone());
    types::LoadBalancer::builder()
        .set_target_group_arn(it.target_group_arn)
        .set_container_name(it.container_name)
        .set_container_port(it.container_port)
        .set_advanced_configuration(advanced)
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{resource::mistakes, resources::service::Service as Resource};

    #[test]
    fn settings_without_an_input_are_named() {
        let plain = Service::builder()
            .launch_type(types::LaunchType::Fargate)
            .scheduling_strategy(types::SchedulingStrategy::Replica)
            .role_arn("arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
            .deployment_configuration(DeploymentConfiguration::builder().strategy(types::DeploymentStrategy::Rolling).build());
        assert_eq!(settings(&plain.clone().build()), Vec::<String>::new());
        let connect = types::ServiceConnectConfiguration::builder().enabled(true).build();
        let deployment = types::Deployment::builder().status("PRIMARY").service_connect_configuration(connect).build();
        let controller =
            types::DeploymentController::builder().r#type(types::DeploymentControllerType::CodeDeploy).build().unwrap();
        let green =
            DeploymentConfiguration::builder().strategy(types::DeploymentStrategy::BlueGreen).bake_time_in_minutes(5).build();
        let service = plain.deployments(deployment).deployment_controller(controller).deployment_configuration(green).build();
        let expected = [
            "deploymentController CODE_DEPLOY",
            "serviceConnectConfiguration",
            "deploymentConfiguration.strategy BLUE_GREEN",
            "deploymentConfiguration.bakeTimeInMinutes",
        ];
        assert_eq!(settings(&service), expected);
    }

    #[test]
    fn what_holds_anyway_may_be_written_and_all_else_has_its_reason() {
        let told = |more: serde_json::Value| {
            let mut inputs = json!({ "taskDefinition": "web:1", "networkConfiguration": { "subnets": ["subnet-1"] } });
            inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            mistakes::<Resource>(inputs.into())
        };
        let none: [&str; 0] = [];
        let leftovers = json!({
            "deploymentController": { "type": "ECS" }, "schedulingStrategy": "REPLICA", "launchType": "FARGATE",
            "placementConstraints": [], "placementStrategy": [], "orderedPlacementStrategies": [], "role": "",
            "serviceConnectConfiguration": { "enabled": false }, "volumeConfigurations": null, "forceDelete": true,
            "capacityProviderStrategies": [], "loadBalancers": [], "alarms": { "alarmNames": [], "enable": false },
        });
        assert_eq!(told(leftovers), none);
        let reason = "deploymentController is not supported other than as {type: ECS}, rolling deployments; leave it out";
        assert_eq!(told(json!({ "deploymentController": { "type": "CODE_DEPLOY" } })), [reason]);
        let reason = format!("placementConstraints {PLACEMENT}");
        assert_eq!(told(json!({ "placementConstraints": [{ "type": "distinctInstance" }] })), [reason]);
    }
}
