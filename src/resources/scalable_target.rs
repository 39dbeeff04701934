//! application-autoscaling: a service whose size follows its load.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, bail, ensure};
use aws_sdk_applicationautoscaling::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Explain as _, Patience, Seen, Settle as _, refused_with,
        scaling::{
            BUSY, DescribeScalableTargets, GONE, RENAMED, ScalableDimension, Scaled, ScaledQuery, ServiceNamespace, UNSETTLED,
        },
    },
    check::{Foreign, Report},
    codec::name_of,
    facts::{ScalableTargetFacts, ServiceFacts},
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, tag_changes},
};

pub struct ScalableTarget;

/// A service whose number of tasks follows its load, between two bounds. What it follows is said by a `ScalingPolicy`.
///
/// `desiredCount` of the service is where it starts; from then on, the count is left to scaling.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalableTargetInputs {
    /// What is scaled: `service/<cluster>/<service>`, or `replication-group/<id>` for Redis.
    #[schemars(length(min = 1, max = 1600), extend("replaceOnChanges" = true))]
    pub resource_id: String,
    /// The service of AWS that runs it. Default: `ecs`.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub service_namespace: ServiceNamespace,
    /// What of it is scaled. Default: `ecs:service:DesiredCount`, the number of tasks.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub scalable_dimension: ScalableDimension,
    /// The least that it is scaled to. From 0 tasks, a policy that follows their CPU or memory never scales out again:
    /// nothing runs that could have a load. One that follows the length of a queue does.
    #[schemars(range(min = 0))]
    pub min_capacity: i32,
    /// The most that it is scaled to.
    #[schemars(range(min = 0))]
    pub max_capacity: i32,
    /// What of the scaling is switched off for now. Default: nothing.
    #[serde(default)]
    pub suspended_state: ScalableTargetSuspendedState,
    /// Tags to put on the target.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What of the scaling is switched off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalableTargetSuspendedState {
    /// Whether policies no longer scale in. Default: false.
    #[serde(default)]
    pub dynamic_scaling_in_suspended: bool,
    /// Whether policies no longer scale out. Default: false.
    #[serde(default)]
    pub dynamic_scaling_out_suspended: bool,
    /// Whether scheduled actions no longer scale. Default: false.
    #[serde(default)]
    pub scheduled_scaling_suspended: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalableTargetOutputs {
    #[serde(flatten)]
    pub inputs: ScalableTargetInputs,
    /// The ARN of the target. Empty for one that was registered before AWS gave them ARNs, until it is changed.
    pub arn: String,
    /// The ARN of the role with which AWS scales: one of its own, made for the account.
    pub role_arn: String,
}

impl Resource for ScalableTarget {
    const NAME: &'static str = "ScalableTarget";
    type Cloud = crate::aws::Session;
    type Inputs = ScalableTargetInputs;
    type Outputs = ScalableTargetOutputs;
    type Query = ScaledQuery;
    const FOREIGN: &'static [Foreign] = &[Foreign {
        within: "",
        name: "roleArn",
        holds: &[],
        reason: "is not supported: AWS scales services by a role of its own, whatever role is given; leave it out",
    }];

    fn check(inputs: &ScalableTargetInputs, report: &mut Report<'_>) {
        inputs.scaled().check(report);
        let (least, most) = (inputs.min_capacity, inputs.max_capacity);
        report.rule(
            &["minCapacity", "maxCapacity"],
            least <= most,
            format!("is {least}, more than maxCapacity, which is {most}"),
        );
        let mine = inputs.facts(report);
        let key = |it: &ScalableTargetFacts| (it.resource_id.clone(), it.dimension.clone(), it.region.clone());
        let (resource, dimension, region) = key(&mine);
        let taken = report
            .others::<ScalableTargetFacts>()
            .iter()
            .map(key)
            .any(|(other, of, at)| Scaled::same((&resource, &dimension, &region), (&other, &of, &at)));
        report.rule(
            &["resourceId", "scalableDimension", "serviceNamespace"],
            !taken,
            format!(
                "is {}, which another ScalableTarget of this program scales already; AWS has room for one",
                inputs.resource_id
            ),
        );
        let services = report.resolve::<ServiceFacts>("resourceId", Some(&inputs.resource_id));
        let services = services.which(|_| inputs.scalable_dimension == ScalableDimension::DesiredCount);
        report.warn_if_mismatched("minCapacity", &["minCapacity", "maxCapacity"], &services, |service| {
            let count = service.desired_count.filter(|it| least <= most && !(least..=most).contains(it))?;
            Some(format!(
                "is {least}, and maxCapacity is {most}, but desiredCount of service {} is {count}: AWS scales it at once; set \
                 desiredCount to a number between them, or leave it out",
                service.name
            ))
        });
    }

    fn facts(inputs: &ScalableTargetInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(inputs.facts(report)).named(report.known("resourceId", inputs.resource_id.clone())))
    }

    async fn create(context: &Context, inputs: &ScalableTargetInputs) -> Result<String> {
        let (id, resource) = (inputs.scaled().id(), &inputs.resource_id);
        // The call that makes a target would change the one that is there.
        if context.observer.ask(context.client.look_up::<DescribeScalableTargets>(inputs.scaled())).await?.is_some() {
            bail!(
                "{resource} is scaled already; take that target over: `pulumi import fargate:index:ScalableTarget <resource> {id}`; \
                 {RENAMED}"
            );
        }
        register(context, inputs, Some(&inputs.tags)).await?;
        Ok(id)
    }

    async fn update(context: &Context, _: &str, old: &ScalableTargetOutputs, new: &ScalableTargetInputs) -> Result<()> {
        let mut arn = old.arn.clone();
        // By registering it again, an old target gets the ARN that its tags are put on.
        if (old.inputs.min_capacity, old.inputs.max_capacity) != (new.min_capacity, new.max_capacity)
            || old.inputs.suspended_state != new.suspended_state
            || arn.is_empty()
        {
            arn = register(context, new, None).await?.unwrap_or(arn);
        }
        let client = context.client.application_auto_scaling();
        let (set, removed) = tag_changes(&old.inputs.tags, &new.tags);
        if !removed.is_empty() {
            client.untag_resource().resource_arn(&arn).set_tag_keys(Some(removed)).send().await.explain()?;
        }
        if !set.is_empty() {
            client.tag_resource().resource_arn(&arn).set_tags(Some(set.into_iter().collect())).send().await.explain()?;
        }
        Ok(())
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ScalableTargetOutputs>> {
        let (scaled, policy) = Scaled::parse(id)?;
        ensure!(policy.is_none(), "{id} is the id of a ScalingPolicy; that of its ScalableTarget is {}", scaled.id());
        let Some(it) = context.client.look_up::<DescribeScalableTargets>(scaled.clone()).await? else { return Ok(None) };
        // A target from before they had ARNs has no tags either.
        let arn = it.scalable_target_arn.unwrap_or_default();
        let tags = if arn.is_empty() {
            HashMap::new()
        } else {
            let request = context.client.application_auto_scaling().list_tags_for_resource().resource_arn(&arn);
            request.send().await.explain()?.tags.unwrap_or_default()
        };
        let suspended = it.suspended_state.unwrap_or_else(|| types::SuspendedState::builder().build());
        Ok(Some(ScalableTargetOutputs {
            inputs: ScalableTargetInputs {
                resource_id: scaled.resource,
                service_namespace: scaled.namespace,
                scalable_dimension: scaled.dimension,
                min_capacity: it.min_capacity,
                max_capacity: it.max_capacity,
                suspended_state: ScalableTargetSuspendedState {
                    dynamic_scaling_in_suspended: suspended.dynamic_scaling_in_suspended.unwrap_or_default(),
                    dynamic_scaling_out_suspended: suspended.dynamic_scaling_out_suspended.unwrap_or_default(),
                    scheduled_scaling_suspended: suspended.scheduled_scaling_suspended.unwrap_or_default(),
                },
                tags: tags.into_iter().collect(),
            },
            arn,
            role_arn: it.role_arn,
        }))
    }

    fn id(outputs: &ScalableTargetOutputs) -> String {
        outputs.inputs.scaled().id()
    }

    async fn list(context: &Context, query: &ScaledQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.application_auto_scaling().describe_scalable_targets();
        let request = request.service_namespace(query.namespace()).set_resource_ids(query.resource_id.clone().map(|it| vec![it]));
        let answer = request.max_results(at.size(1..=50)).set_next_token(at.token.clone()).send().await.explain()?;
        let listed = answer.scalable_targets.unwrap_or_default().into_iter().filter_map(|it| {
            let scaled = query.scaled(it.resource_id, &it.scalable_dimension)?;
            Some(Listed::new(scaled.id(), scaled.resource))
        });
        Ok(Page::new(listed, answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &ScalableTargetOutputs) -> Result<()> {
        let (scaled, _) = Scaled::parse(id)?;
        let delete = || async {
            let request = context.client.application_auto_scaling().deregister_scalable_target();
            let request = request.service_namespace(scaled.namespace()).scalable_dimension(scaled.dimension());
            request.resource_id(&scaled.resource).send().await.explain()
        };
        match context.observer.settle(BUSY, delete).await {
            // It goes with its service, if that went first.
            Err(error) if refused_with(&error, GONE) => return Ok(()),
            answer => answer?,
        };
        let look = || async {
            Ok(match context.client.look_up::<DescribeScalableTargets>(scaled.clone()).await? {
                Some(_) => Seen::Pending("deregistering the target".to_owned()),
                None => Seen::Ready(()),
            })
        };
        context.observer.wait(format!("scalable target {id} to be gone"), Patience::minutes(5), look).await
    }
}

impl ScalableTargetInputs {
    fn facts(&self, report: &Report<'_>) -> ScalableTargetFacts {
        ScalableTargetFacts {
            region: report.written("region"),
            resource_id: report.link("resourceId", &self.resource_id),
            dimension: name_of(self.scalable_dimension),
        }
    }

    fn scaled(&self) -> Scaled {
        Scaled { namespace: self.service_namespace, resource: self.resource_id.clone(), dimension: self.scalable_dimension }
    }
}

/// Registers the target, or registers it anew with other bounds, and returns its ARN: AWS takes `tags` only the first time.
async fn register(
    context: &Context,
    inputs: &ScalableTargetInputs,
    tags: Option<&BTreeMap<String, String>>,
) -> Result<Option<String>> {
    let (scaled, suspended) = (inputs.scaled(), &inputs.suspended_state);
    let suspended = types::SuspendedState::builder()
        .dynamic_scaling_in_suspended(suspended.dynamic_scaling_in_suspended)
        .dynamic_scaling_out_suspended(suspended.dynamic_scaling_out_suspended)
        .scheduled_scaling_suspended(suspended.scheduled_scaling_suspended)
        .build();
    let tags = tags.filter(|it| !it.is_empty()).map(|it| it.clone().into_iter().collect::<HashMap<_, _>>());
    let register = || async {
        let request = context.client.application_auto_scaling().register_scalable_target();
        let request = request
            .service_namespace(scaled.namespace())
            .resource_id(&scaled.resource)
            .scalable_dimension(scaled.dimension())
            .min_capacity(inputs.min_capacity)
            .max_capacity(inputs.max_capacity)
            .suspended_state(suspended.clone())
            .set_tags(tags.clone());
        request.send().await.explain()
    };
    Ok(context.observer.settle(UNSETTLED, register).await?.scalable_target_arn)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::{Link, Plan},
        resource::findings,
    };

    #[test]
    fn a_target_is_compared_with_the_services_of_the_program() {
        let plan = Plan::default();
        let id = || Some("service/main/web".to_owned());
        let facts = ServiceFacts { name: "web".to_owned(), region: None, resource_id: id(), desired_count: Some(1) };
        plan.declare("web", Facts::new(facts).named(id()));
        let told = |resource: &str, least: i32| {
            let inputs = json!({ "resourceId": resource, "minCapacity": least, "maxCapacity": 4 });
            findings::<ScalableTarget>(&plan, inputs.into())
        };
        let none = Vec::<String>::new;
        assert_eq!(told("service/main/web", 1), (none(), none()));
        assert_eq!(told("service/other/queue", 2), (none(), none()));
        let reason = "minCapacity is 2, and maxCapacity is 4, but desiredCount of service web is 1: AWS scales it at once; set \
                      desiredCount to a number between them, or leave it out";
        assert_eq!(told("service/main/web", 2), (none(), vec![reason.to_owned()]));
        let reason = "resourceId is \"service/main/wbe\", which is not a service of this program; did you mean service/main/web?";
        assert_eq!(told("service/main/wbe", 1), (none(), vec![reason.to_owned()]));
        let other = ScalableTargetFacts {
            region: None,
            resource_id: Link::Known("service/main/web".to_owned()),
            dimension: "ecs:service:DesiredCount".to_owned(),
        };
        plan.declare("other", Facts::new(other));
        let reason =
            "resourceId is service/main/web, which another ScalableTarget of this program scales already; AWS has room for one";
        assert_eq!(told("service/main/web", 1).0, [reason]);
    }

    #[test]
    fn a_role_of_another_provider_has_its_reason() {
        let target =
            |role: &str| json!({ "resourceId": "service/main/web", "minCapacity": 1, "maxCapacity": 4, "roleArn": role });
        assert_eq!(findings::<ScalableTarget>(&Plan::default(), target("").into()).0, Vec::<String>::new());
        let told = findings::<ScalableTarget>(&Plan::default(), target("arn:aws:iam::123456789012:role/scaler").into()).0;
        assert!(
            told.len() == 1 && told[0].starts_with("roleArn is not supported: AWS scales services by a role of its own"),
            "{told:?}"
        );
    }
}
