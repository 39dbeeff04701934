//! What the resources of Application Auto Scaling share: what is scaled, and how that is spelled in an id.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail, ensure};
use aws_sdk_applicationautoscaling::types;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aws, Explain as _, Lookup, Passing};
use crate::{
    check::Report,
    codec::{Unlisted, name_of, named},
    facts::ServiceFacts,
    plan::Link,
};

/// What AWS says while it has not heard of the service or its role yet, or while another call is under way.
pub const UNSETTLED: &[Passing] = &[
    ("ValidationException", "ECS service doesn't exist"),
    ("ValidationException", "Unable to assume IAM role"),
    ("ObjectNotFoundException", "No scalable target registered"),
    ("FailedResourceAccessException", ""),
    ("ConcurrentUpdateException", ""),
];
/// What AWS says while another call is under way.
pub const BUSY: &[Passing] = &[("ConcurrentUpdateException", "")];
pub const GONE: &[&str] = &["ObjectNotFoundException"];

/// The service of AWS that runs what is scaled.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceNamespace {
    /// ECS, for services.
    #[default]
    Ecs,
    /// `ElastiCache`, for Redis.
    Elasticache,
    /// EC2, for spot fleets.
    Ec2,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What is scaled.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ScalableDimension {
    /// The number of tasks of an ECS service.
    #[default]
    #[serde(rename = "ecs:service:DesiredCount")]
    DesiredCount,
    /// The number of shards of a Redis replication group.
    #[serde(rename = "elasticache:replication-group:NodeGroups")]
    NodeGroups,
    /// The number of replicas of each shard of a Redis replication group.
    #[serde(rename = "elasticache:replication-group:Replicas")]
    Replicas,
    /// The number of nodes of a cluster of `ElastiCache`.
    #[serde(rename = "elasticache:cache-cluster:Nodes")]
    CacheNodes,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What is scaled, as AWS tells it apart.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Scaled {
    pub namespace: ServiceNamespace,
    pub resource: String,
    pub dimension: ScalableDimension,
}

impl Scaled {
    /// The number of tasks of a service.
    pub fn service(cluster: &str, name: &str) -> Self {
        Self {
            namespace: ServiceNamespace::Ecs,
            resource: format!("service/{cluster}/{name}"),
            dimension: ScalableDimension::DesiredCount,
        }
    }

    /// Reads it off `ecs/service/cluster/name/ecs:service:DesiredCount`, and what follows, the name of a policy. For the
    /// number of tasks, `service/cluster/name` or the service's ARN say enough, and a slash and the name of a policy may follow.
    pub fn parse(id: &str) -> Result<(Self, Option<&str>)> {
        let resource = if id.starts_with("arn:aws") { id.rsplit(':').next().unwrap_or(id) } else { id };
        if let ["service", cluster, name, policy @ ..] = resource.splitn(4, '/').collect::<Vec<_>>().as_slice()
            && ![cluster, name].into_iter().chain(policy).any(|it| it.is_empty())
        {
            return Ok((Self::service(cluster, name), policy.first().copied()));
        }
        let Some((namespace, rest)) = id.split_once('/') else { bail!("{id} {NO_ID}") };
        let Some((resource, rest)) = rest.split_once(&format!("/{namespace}:")) else { bail!("{id} {NO_ID}") };
        let (dimension, policy) = rest.split_once('/').map_or((rest, None), |(dimension, policy)| (dimension, Some(policy)));
        let scaled = Self {
            namespace: named(namespace)?,
            resource: resource.to_owned(),
            dimension: named(&format!("{namespace}:{dimension}"))?,
        };
        // Whether a dimension fits is known only of services that are.
        let fits = matches!(scaled.namespace, ServiceNamespace::Other(_) | ServiceNamespace::Ec2)
            || !matches!(scaled.dimension, ScalableDimension::Other(_));
        ensure!(fits, "{id} {NO_ID}");
        Ok((scaled, policy))
    }

    /// The form that [`Self::parse`] reads.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", name_of(self.namespace), self.resource, name_of(self.dimension))
    }

    /// The service, for AWS.
    pub fn namespace(&self) -> types::ServiceNamespace {
        name_of(self.namespace).as_str().into()
    }

    /// The dimension, for AWS.
    pub fn dimension(&self) -> types::ScalableDimension {
        name_of(self.dimension).as_str().into()
    }

    /// Rules over the three properties that say it.
    pub fn check(&self, report: &mut Report<'_>) {
        let (namespace, dimension) = (name_of(self.namespace), name_of(self.dimension));
        report.rule(
            &["scalableDimension", "serviceNamespace"],
            dimension.starts_with(&format!("{namespace}:")),
            format!("is {dimension}, which serviceNamespace {namespace} does not have"),
        );
        let (holds, form) = match self.namespace {
            ServiceNamespace::Ecs => (is_service(&self.resource), "service/cluster/name"),
            ServiceNamespace::Elasticache => {
                let is_one = ["replication-group/", "cache-cluster/"].iter().any(|it| self.resource.starts_with(it));
                (is_one, "replication-group/id")
            }
            ServiceNamespace::Ec2 | ServiceNamespace::Other(_) => (true, ""),
        };
        report.rule(
            &["resourceId", "serviceNamespace"],
            holds,
            format!("is {:?}, which does not have the form {form}", self.resource),
        );
        // The program may well scale a service of another one.
        let services: Vec<_> = report.others::<ServiceFacts>().into_iter().filter_map(|it| it.resource_id).collect();
        if let Some(near) = services.iter().find(|it| strsim::damerau_levenshtein(it, &self.resource) <= 2)
            && !services.contains(&self.resource)
        {
            let reason = format!("is {:?}, which is not a service of this program; did you mean {near}?", self.resource);
            report.warn(&["resourceId"], false, reason);
        }
    }

    /// Whether two resources of a program are certain to be about the same thing: what is scaled, in the same region.
    pub fn same(one: (&Link, &str, &Option<String>), other: (&Link, &str, &Option<String>)) -> bool {
        matches!(one.0, Link::Known(_)) && one == other
    }
}

/// What is scaled, of what is to be listed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaledQuery {
    /// The service of AWS that runs what is scaled. Default: `ecs`.
    #[serde(default)]
    pub service_namespace: ServiceNamespace,
    /// What is scaled: `service/<cluster>/<service>`, or `replication-group/<id>` for Redis. Default: anything.
    #[schemars(length(min = 1, max = 1600))]
    pub resource_id: Option<String>,
}

impl ScaledQuery {
    /// The service, for AWS.
    pub fn namespace(&self) -> types::ServiceNamespace {
        name_of(self.service_namespace).as_str().into()
    }

    /// What AWS says is scaled; none where that is none of ours.
    pub fn scaled(&self, resource: String, dimension: &types::ScalableDimension) -> Option<Scaled> {
        Some(Scaled { namespace: self.service_namespace, resource, dimension: named(dimension.as_str()).ok()? })
    }
}

/// What else to do where something stands in the way that may be what the program has renamed.
pub const RENAMED: &str = "if only the program calls it otherwise now, give it its old name by the option aliases, for an import would let the old one be deleted";

const NO_ID: &str = "does not say what is scaled: that is service/cluster/name, or \
                     ecs/service/cluster/name/ecs:service:DesiredCount, and for a policy a slash and its name after that";

fn is_service(resource: &str) -> bool {
    let parts: Vec<_> = resource.split('/').collect();
    parts.len() == 3 && parts[0] == "service" && parts.iter().all(|it| !it.is_empty())
}

/// `DescribeScalableTargets`, which answers for one service of AWS at a time.
pub struct DescribeScalableTargets;

impl Lookup for DescribeScalableTargets {
    type Key = Scaled;
    type Found = types::ScalableTarget;
    const LIMIT: usize = 50;

    async fn load(aws: &Aws, wanted: Vec<Scaled>) -> Result<HashMap<Scaled, types::ScalableTarget>> {
        let mut resources: HashMap<ServiceNamespace, Vec<Scaled>> = HashMap::new();
        for it in wanted {
            resources.entry(it.namespace).or_default().push(it);
        }
        let describe = |(namespace, wanted): (ServiceNamespace, Vec<Scaled>)| async move {
            let request = aws.application_auto_scaling().describe_scalable_targets();
            let request = request.service_namespace(wanted[0].namespace());
            let ids: HashSet<_> = wanted.into_iter().map(|it| it.resource).collect();
            let request = request.set_resource_ids(Some(ids.into_iter().collect()));
            let targets = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()?;
            let found = targets.into_iter().filter_map(move |it| {
                // Other dimensions of the same resource are none of ours.
                let dimension = named(it.scalable_dimension.as_str()).ok()?;
                Some((Scaled { namespace, resource: it.resource_id.clone(), dimension }, it))
            });
            Ok::<_, anyhow::Error>(found)
        };
        Ok(try_join_all(resources.into_iter().map(describe)).await?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_any_form_of_what_is_scaled() {
        let scaled = Scaled {
            namespace: ServiceNamespace::Ecs,
            resource: "service/video/app".to_owned(),
            dimension: ScalableDimension::DesiredCount,
        };
        for id in ["service/video/app", "arn:aws:ecs:eu-west-1:123456789012:service/video/app", &scaled.id()] {
            assert_eq!(Scaled::parse(id).unwrap(), (scaled.clone(), None));
        }
        for policy in [format!("{}/cpu/60", scaled.id()), "service/video/app/cpu/60".to_owned()] {
            assert_eq!(Scaled::parse(&policy).unwrap(), (scaled.clone(), Some("cpu/60")));
        }
        // What AWS scales besides.
        for id in [
            "dynamodb/table/jobs/dynamodb:table:ReadCapacityUnits",
            "elasticache/cache-cluster/x/elasticache:cache-cluster:Nodes",
        ] {
            assert_eq!(Scaled::parse(id).unwrap().0.id(), id);
        }
        let (redis, _) = Scaled::parse("elasticache/replication-group/queue/elasticache:replication-group:Replicas").unwrap();
        assert_eq!(redis.resource, "replication-group/queue");
        for id in ["app", "service/app", "ecs/service/video/app", "ecs/service/video/app/ecs:service:Desired"] {
            assert!(Scaled::parse(id).is_err(), "{id}");
        }
    }
}
