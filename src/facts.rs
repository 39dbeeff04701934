//! Facts that resources record for others, so that Check can compare a resource with those that it needs; see `plan.rs`.
//!
//! They live here, and not beside their resources, since no resource imports another. What is not known yet is none.

/// A task definition, as services need it.
#[derive(Clone, Debug)]
pub struct TaskDefinitionFacts {
    pub family: String,
    pub containers: Option<Vec<Container>>,
    /// Whether its containers have a role to act as, as far as is known.
    pub has_task_role: bool,
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
    /// The name that it had, if that is another one: the group of that name is deleted.
    pub renamed_from: Option<String>,
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
