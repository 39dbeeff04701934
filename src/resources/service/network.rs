//! Whether the tasks of a service reach AWS, and its load balancers reach them.

use super::ServiceInputs;
use crate::{aws::ec2::reach, check::Report};

/// Warns of what the network does not let through, as far as the program tells.
pub(super) fn check(inputs: &ServiceInputs, report: &mut Report<'_>) {
    let network = &inputs.network_configuration;
    reach::check_way_out(&network.subnets, network.assign_public_ip, report);
    for (index, balancer) in inputs.load_balancers.iter().enumerate() {
        let path = format!("loadBalancers[{index}]");
        let target = (&*format!("{path}.targetGroupArn"), &*balancer.target_group_arn);
        if report.knows(&format!("{path}.containerPort")) && report.sees("networkConfiguration.securityGroups") {
            reach::check_way_in(&network.security_groups, target, balancer.container_port, report);
        }
    }
}
