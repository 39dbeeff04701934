//! Facts that resources record for others, so that Check can compare a resource with those that it needs; see `plan.rs`.
//!
//! They live here, and not beside their resources, since no resource imports another. What is not known yet is none.

use crate::plan::Link;

/// A task definition, as services need it.
#[derive(Clone, Debug)]
pub struct TaskDefinitionFacts {
    pub family: String,
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

/// An alarm, as other alarms need it.
#[derive(Clone, Debug)]
pub struct AlarmFacts {
    pub name: Option<String>,
    pub region: Option<String>,
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

/// A target group, as services need it.
#[derive(Clone, Debug)]
pub struct TargetGroupFacts {
    pub name: String,
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
}

/// A role, as task definitions need it.
#[derive(Clone, Debug)]
pub struct RoleFacts {
    pub name: String,
    /// Whether tasks may act as it, as far as is known.
    pub is_for_tasks: bool,
    pub rights: Rights,
}

impl RoleFacts {
    /// Whether it is certain that no policy allows the action, such as `s3:GetObject`.
    pub fn lacks(&self, action: &str) -> bool {
        self.rights != Rights::More && !["ecr:", "logs:"].iter().any(|it| action.starts_with(it))
    }
}

/// What a role may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rights {
    /// Nothing that the program would tell.
    None,
    /// What `AmazonECSTaskExecutionRolePolicy` allows: to pull from ECR, and to write to log groups that are there.
    Execution,
    /// More, or what is not known yet.
    More,
}
