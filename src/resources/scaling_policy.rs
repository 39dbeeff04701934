//! application-autoscaling: what the size of a service follows.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_applicationautoscaling::types;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup, Settle as _,
        metrics::{Query, check_queries},
        refused_with,
        scaling::{BUSY, GONE, RENAMED, ScalableDimension, Scaled, ScaledQuery, ServiceNamespace, UNSETTLED},
    },
    check::{Foreign, Report},
    codec::{Unlisted, name_of, named},
    facts::ScalingPolicyFacts,
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, taken},
    value::{Map, Value},
};

pub struct ScalingPolicy;

/// What the size of a `ScalableTarget` follows: a metric that is kept at a value (target tracking), or alarms that each
/// add or remove tasks (step scaling).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyInputs {
    /// The name of the policy. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 256), extend("replaceOnChanges" = true, "autoname" = 256))]
    pub name: String,
    /// What is scaled, as the `ScalableTarget` has it: `service/<cluster>/<service>`.
    #[schemars(length(min = 1, max = 1600), extend("replaceOnChanges" = true, "nameScope" = true))]
    pub resource_id: String,
    /// The service of AWS that runs it. Default: `ecs`.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true, "nameScope" = true))]
    pub service_namespace: ServiceNamespace,
    /// What of it is scaled. Default: `ecs:service:DesiredCount`, the number of tasks.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true, "nameScope" = true))]
    pub scalable_dimension: ScalableDimension,
    /// How the policy scales. Default: as the configuration says that is given.
    #[schemars(extend("computed" = true, "always" = true))]
    pub policy_type: Option<ScalingPolicyType>,
    /// Keeps a metric at a value.
    pub target_tracking_scaling_policy_configuration: Option<ScalingPolicyTargetTracking>,
    /// Adds or removes tasks whenever an alarm has the policy's ARN among its actions.
    pub step_scaling_policy_configuration: Option<ScalingPolicyStepScaling>,
}

/// How a policy scales.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyType {
    /// A metric is kept at a value.
    TargetTrackingScaling,
    /// An alarm adds or removes tasks, the more the further the metric is from its threshold.
    StepScaling,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Keeps a metric at a value: AWS makes the alarms for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyTargetTracking {
    /// The value to keep the metric at.
    pub target_value: f64,
    /// A metric that AWS knows by name.
    pub predefined_metric_specification: Option<ScalingPolicyPredefinedMetric>,
    /// A metric of your own, or one computed from several.
    pub customized_metric_specification: Option<ScalingPolicyCustomizedMetric>,
    /// How long after scaling out to wait before scaling out further, in seconds. Default: 60, for a Fargate task is
    /// there within a minute, and a queue does not wait; AWS's own is 300.
    #[serde(default = "minute")]
    #[schemars(range(min = 0))]
    pub scale_out_cooldown: i32,
    /// How long after scaling in to wait before scaling in further, in seconds. Default: 300, AWS's own, so that a short
    /// lull does not take tasks away.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 0))]
    pub scale_in_cooldown: i32,
    /// Whether the policy only ever scales out. Default: false.
    #[serde(default)]
    pub disable_scale_in: bool,
}

/// A metric that AWS knows by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyPredefinedMetric {
    /// The metric.
    pub predefined_metric_type: ScalingPolicyMetricType,
    /// For `ALBRequestCountPerTarget`, the load balancer and target group that requests are counted of: the ends of their
    /// ARNs, `app/<name>/<id>/targetgroup/<name>/<id>`.
    #[schemars(regex(pattern = "^app/[^/]+/[^/]+/targetgroup/[^/]+/[^/]+$"))]
    #[schemars(extend("expects" = "of the form app/<name>/<id>/targetgroup/<name>/<id>"))]
    pub resource_label: Option<String>,
}

/// The metrics that AWS knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyMetricType {
    /// How busy the CPUs of a service's tasks are on average, in percent.
    #[serde(rename = "ECSServiceAverageCPUUtilization")]
    EcsServiceAverageCpuUtilization,
    /// How full the memory of a service's tasks is on average, in percent.
    #[serde(rename = "ECSServiceAverageMemoryUtilization")]
    EcsServiceAverageMemoryUtilization,
    /// The same as `ECSServiceAverageCPUUtilization`, by metrics of each 20 seconds.
    #[serde(rename = "ECSServiceAverageCPUUtilizationHighResolution")]
    EcsServiceAverageCpuUtilizationHighResolution,
    /// The same as `ECSServiceAverageMemoryUtilization`, by metrics of each 20 seconds.
    #[serde(rename = "ECSServiceAverageMemoryUtilizationHighResolution")]
    EcsServiceAverageMemoryUtilizationHighResolution,
    /// The number of requests that each task gets in a minute.
    #[serde(rename = "ALBRequestCountPerTarget")]
    AlbRequestCountPerTarget,
    /// How busy the Redis engine of the primaries is, in percent.
    ElastiCachePrimaryEngineCPUUtilization,
    /// How busy the Redis engine of the replicas is, in percent.
    ElastiCacheReplicaEngineCPUUtilization,
    /// How full the memory of Redis is, in percent, of what can be evicted.
    ElastiCacheDatabaseMemoryUsageCountedForEvictPercentage,
    /// How busy the engine of the nodes of a cluster is, in percent.
    ElastiCacheEngineCPUUtilization,
    /// How full the memory of the nodes of a cluster is, in percent.
    ElastiCacheDatabaseMemoryUsagePercentage,
    /// How full memory and disks of Redis with data tiering are, in percent, of what can be evicted.
    ElastiCacheDatabaseCapacityUsageCountedForEvictPercentage,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A metric of your own: one by its name, or one computed from several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyCustomizedMetric {
    /// The name of the metric.
    pub metric_name: Option<String>,
    /// The namespace that the metric is in.
    pub namespace: Option<String>,
    /// The dimensions that tell the metric apart.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub dimensions: Vec<ScalingPolicyMetricDimension>,
    /// What of the metric's values counts.
    pub statistic: Option<ScalingPolicyStatistic>,
    /// The unit that the metric is published in.
    pub unit: Option<String>,
    /// The metrics, and the expressions over them, in place of the five properties before; one of them returns the value
    /// that is kept. For the queue of a worker: its length divided by the number of running tasks.
    #[serde(default)]
    #[schemars(length(max = 10), extend("keyedBy" = "id"))]
    pub metrics: Vec<ScalingPolicyMetricQuery>,
}

/// What tells metrics of one name apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyMetricDimension {
    /// The name of the dimension.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What of a metric's values counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyStatistic {
    /// Their average.
    Average,
    /// The least of them.
    Minimum,
    /// The greatest of them.
    Maximum,
    /// How many there are.
    SampleCount,
    /// Their sum.
    Sum,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A metric, or an expression over others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyMetricQuery {
    /// What expressions call it.
    #[schemars(length(max = 255), regex(pattern = "^[a-z][A-Za-z0-9_]*$"))]
    #[schemars(extend("expects" = "letters, digits and underscores, a lower-case letter first"))]
    pub id: String,
    /// An expression over the others by their ids, such as `depth / tasks`.
    #[schemars(length(min = 1, max = 2048))]
    pub expression: Option<String>,
    /// A metric, in place of an expression.
    pub metric_stat: Option<ScalingPolicyMetricStat>,
    /// What it is, for people.
    pub label: Option<String>,
    /// Whether this is the value that is kept. Default: true; all but one have to say false.
    #[serde(default = "yes")]
    pub return_data: bool,
}

/// A metric, and what of its values counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyMetricStat {
    /// The metric.
    pub metric: ScalingPolicyMetric,
    /// What of its values counts, such as `Average` or `p99`.
    pub stat: String,
    /// The unit that the metric is published in.
    pub unit: Option<String>,
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyMetric {
    /// The name of the metric.
    pub metric_name: String,
    /// The namespace that the metric is in.
    pub namespace: String,
    /// The dimensions that tell the metric apart.
    #[serde(default)]
    #[schemars(extend("keyedBy" = "name"))]
    pub dimensions: Vec<ScalingPolicyMetricDimension>,
}

/// Adds or removes tasks when an alarm says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyStepScaling {
    /// What the steps count.
    pub adjustment_type: ScalingPolicyAdjustmentType,
    /// How much to scale, by how far the metric is from the alarm's threshold. The steps have to join without a gap.
    #[schemars(length(min = 1, max = 20), extend("compare" = "set"))]
    pub step_adjustments: Vec<ScalingPolicyStepAdjustment>,
    /// How long after a step the next of the same size may come, in seconds. Default: 300, AWS's own. For scaling out,
    /// 60 does: a Fargate task is there within a minute.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 0))]
    pub cooldown: i32,
    /// What of the metric's values since the alarm counts. Default: `Average`, AWS's own.
    #[serde(default)]
    pub metric_aggregation_type: ScalingPolicyAggregationType,
    /// The least number of tasks that a step of percents adds or removes. 0 is none.
    #[schemars(range(min = 0))]
    pub min_adjustment_magnitude: Option<i32>,
}

/// What steps count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyAdjustmentType {
    /// Tasks to add, or to remove where negative.
    ChangeInCapacity,
    /// Percents of the tasks to add, or to remove where negative.
    PercentChangeInCapacity,
    /// Tasks to have.
    ExactCapacity,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What of a metric's values since the alarm counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyAggregationType {
    /// Their average.
    #[default]
    Average,
    /// The least of them.
    Minimum,
    /// The greatest of them.
    Maximum,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A step: how much to scale when the metric is so far from the alarm's threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyStepAdjustment {
    /// How far above the threshold the step begins; below it where negative. Default: there is no beginning.
    pub metric_interval_lower_bound: Option<f64>,
    /// How far above the threshold the step ends; below it where negative. Default: there is no end.
    pub metric_interval_upper_bound: Option<f64>,
    /// By how much to scale, in what `adjustmentType` counts.
    pub scaling_adjustment: i32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyOutputs {
    #[serde(flatten)]
    pub inputs: ScalingPolicyInputs,
    /// The ARN of the policy, for the actions of alarms.
    pub arn: String,
    /// The ARNs of the alarms that AWS made for target tracking.
    #[schemars(extend("changesOnUpdate" = true))]
    pub alarm_arns: Vec<String>,
}

fn minute() -> i32 {
    60
}

fn five_minutes() -> i32 {
    300
}

fn yes() -> bool {
    true
}

impl Resource for ScalingPolicy {
    const NAME: &'static str = "ScalingPolicy";
    type Cloud = crate::aws::Session;
    type Inputs = ScalingPolicyInputs;
    type Outputs = ScalingPolicyOutputs;
    type Query = ScaledQuery;
    const FOREIGN: &'static [Foreign] = &[Foreign {
        within: "",
        name: "predictiveScalingPolicyConfiguration",
        holds: &[],
        reason: "is not supported by this provider; use targetTrackingScalingPolicyConfiguration",
    }];

    fn normalize(inputs: &mut Map) {
        // None at all is what AWS shows of it.
        if let Some(Value::Object(step)) = inputs.get_mut("stepScalingPolicyConfiguration").map(Value::plain_mut)
            && step.get("minAdjustmentMagnitude").map(Value::bare) == Some(Value::Number(0.0))
        {
            step.remove("minAdjustmentMagnitude");
        }
    }

    fn check(inputs: &ScalingPolicyInputs, report: &mut Report<'_>) {
        use ScalingPolicyType::{Other, StepScaling, TargetTrackingScaling};
        const TRACKING: &str = "targetTrackingScalingPolicyConfiguration";
        const STEP: &str = "stepScalingPolicyConfiguration";
        inputs.scaled().check(report);
        inputs.check_room(report);
        let (sees_tracking, sees_step) = (&*format!("{TRACKING}?"), &*format!("{STEP}?"));
        let tracking = inputs.target_tracking_scaling_policy_configuration.as_ref();
        let step = inputs.step_scaling_policy_configuration.as_ref();
        report.rule(
            &[sees_tracking, sees_step],
            tracking.is_some() != step.is_some(),
            format!("or {STEP}: a policy needs one of the two, and has {}", if step.is_some() { "both" } else { "neither" }),
        );
        report.rule(
            &["policyType", sees_tracking, sees_step],
            match inputs.policy_type {
                None | Some(Other(_)) => true,
                Some(TargetTrackingScaling) => tracking.is_some(),
                Some(StepScaling) => step.is_some(),
            },
            format!("is not what is configured: leave it out, or give the {TRACKING} or {STEP} that goes with it"),
        );
        if let Some(tracking) = tracking {
            let (predefined, customized) =
                (tracking.predefined_metric_specification.as_ref(), tracking.customized_metric_specification.as_ref());
            let (one, other) =
                (format!("{TRACKING}.predefinedMetricSpecification"), format!("{TRACKING}.customizedMetricSpecification"));
            report.rule(
                &[sees_tracking, &format!("{one}?"), &format!("{other}?")],
                predefined.is_some() != customized.is_some(),
                "needs one of predefinedMetricSpecification and customizedMetricSpecification",
            );
            if let Some(metric) = predefined {
                let requests = metric.predefined_metric_type == ScalingPolicyMetricType::AlbRequestCountPerTarget;
                let is_listed = !matches!(metric.predefined_metric_type, ScalingPolicyMetricType::Other(_));
                report.rule(
                    &[&format!("{one}?"), &format!("{one}.predefinedMetricType"), &format!("{one}.resourceLabel?")],
                    !is_listed || requests == metric.resource_label.is_some(),
                    "has to have a resourceLabel if it is ALBRequestCountPerTarget, and only then",
                );
            }
            if let Some(metric) = customized {
                metric.check(&other, report);
            }
        }
        if let Some(step) = step {
            let path = format!("{STEP}.stepAdjustments");
            if let Some(mistake) = step.mistake() {
                report.rule(&[&path], false, mistake);
            }
            let is_exact = step.adjustment_type == ScalingPolicyAdjustmentType::ExactCapacity;
            for (index, adjustment) in step.step_adjustments.iter().enumerate() {
                // StepAdjustment: "For exact capacity, you must specify a non-negative value".
                report.rule(
                    &[&format!("{path}[{index}].scalingAdjustment"), &format!("{STEP}.adjustmentType")],
                    !is_exact || adjustment.scaling_adjustment >= 0,
                    format!(
                        "is {}, but adjustmentType is ExactCapacity, which cannot be negative",
                        adjustment.scaling_adjustment
                    ),
                );
            }
            report.rule(
                &[&format!("{STEP}.minAdjustmentMagnitude"), &format!("{STEP}.adjustmentType")],
                step.min_adjustment_magnitude.is_none()
                    || step.adjustment_type == ScalingPolicyAdjustmentType::PercentChangeInCapacity,
                "is for an adjustmentType of PercentChangeInCapacity",
            );
        }
    }

    fn facts(inputs: &ScalingPolicyInputs, report: &Report<'_>) -> Option<Facts> {
        Some(Facts::new(inputs.facts(report)))
    }

    fn excludes(old: &ScalingPolicyInputs, new: &ScalingPolicyInputs) -> bool {
        old.scaled() == new.scaled() && old.metric().is_some() && old.metric() == new.metric()
    }

    async fn create(context: &Context, inputs: &ScalingPolicyInputs) -> Result<String> {
        let (id, name, resource) = (id_of(inputs), &inputs.name, &inputs.resource_id);
        let existing = context.observer.ask(policies(&context.client, &inputs.scaled(), None)).await?;
        // The call that makes a policy would change the one that is there.
        if existing.iter().any(|it| it.policy_name == *name) {
            bail!(taken::<Self>(&format!("{name} of {resource}"), &id));
        }
        for it in existing {
            let there = self::inputs(inputs.scaled(), &it)?;
            if inputs.metric().is_some() && there.metric() == inputs.metric() {
                bail!(
                    "{resource} has a scaling policy {} already, which tracks the same metric, and AWS has room for one: delete it, or \
                     take it over: `pulumi import fargate:index:ScalingPolicy <resource> {}`; {RENAMED}",
                    there.name,
                    id_of(&there)
                );
            }
        }
        put(context, inputs).await?;
        Ok(id)
    }

    async fn update(context: &Context, _: &str, _: &ScalingPolicyOutputs, new: &ScalingPolicyInputs) -> Result<()> {
        put(context, new).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<ScalingPolicyOutputs>> {
        let (scaled, name) = parse(id)?;
        let Some(it) = context.client.look_up::<DescribeScalingPolicies>((scaled.clone(), name)).await? else { return Ok(None) };
        ensure!(
            it.predictive_scaling_policy_configuration.is_none(),
            "{id} is a predictive scaling policy, which this provider does not support"
        );
        Ok(Some(ScalingPolicyOutputs {
            inputs: inputs(scaled, &it)?,
            arn: it.policy_arn,
            alarm_arns: it.alarms.unwrap_or_default().into_iter().map(|it| it.alarm_arn).collect(),
        }))
    }

    fn id(outputs: &ScalingPolicyOutputs) -> String {
        id_of(&outputs.inputs)
    }

    async fn list(context: &Context, query: &ScaledQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.application_auto_scaling().describe_scaling_policies();
        let request = request.service_namespace(query.namespace()).set_resource_id(query.resource_id.clone());
        let answer = request.max_results(at.size(1..=50)).set_next_token(at.token.clone()).send().await.explain()?;
        let listed = answer.scaling_policies.unwrap_or_default().into_iter().filter_map(|it| {
            let inputs = inputs(query.scaled(it.resource_id.clone(), &it.scalable_dimension)?, &it).ok()?;
            let is_supported = it.predictive_scaling_policy_configuration.is_none();
            is_supported.then(|| Listed::new(id_of(&inputs), inputs.name))
        });
        Ok(Page::new(listed, answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &ScalingPolicyOutputs) -> Result<()> {
        let (scaled, name) = parse(id)?;
        let delete = || async {
            let request = context.client.application_auto_scaling().delete_scaling_policy().policy_name(&name);
            let request = request.service_namespace(scaled.namespace()).scalable_dimension(scaled.dimension());
            request.resource_id(&scaled.resource).send().await.explain()
        };
        match context.observer.settle(BUSY, delete).await {
            // It goes with its target, and that with its service, if those went first.
            Err(error) if refused_with(&error, GONE) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// What says which metric a policy keeps at a value.
const METRIC: [&str; 2] = [
    "targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification",
    "targetTrackingScalingPolicyConfiguration.customizedMetricSpecification",
];

impl ScalingPolicyInputs {
    fn scaled(&self) -> Scaled {
        Scaled { namespace: self.service_namespace, resource: self.resource_id.clone(), dimension: self.scalable_dimension }
    }

    fn policy_type(&self) -> ScalingPolicyType {
        match (self.policy_type, &self.target_tracking_scaling_policy_configuration) {
            (Some(it @ ScalingPolicyType::Other(_)), _) => it,
            (_, Some(_)) => ScalingPolicyType::TargetTrackingScaling,
            (_, None) => ScalingPolicyType::StepScaling,
        }
    }

    /// The metric that it keeps at a value, if it is that kind of policy: AWS has room for one such policy of each.
    fn metric(&self) -> Option<String> {
        let tracking = self.target_tracking_scaling_policy_configuration.as_ref()?;
        serde_json::to_string(&(&tracking.predefined_metric_specification, &tracking.customized_metric_specification)).ok()
    }

    fn facts(&self, report: &Report<'_>) -> ScalingPolicyFacts {
        ScalingPolicyFacts {
            name: report.shown(&self.name),
            region: report.written("region"),
            resource_id: report.link("resourceId", &self.resource_id),
            dimension: name_of(self.scalable_dimension),
            metric: self.metric().filter(|_| METRIC.iter().all(|it| report.knows(it))),
        }
    }

    /// Reports another policy of the program in whose place this one would be. "You can have multiple target tracking scaling
    /// policies for a scalable target at the same time, provided that each of them uses a different metric": the user guide.
    fn check_room(&self, report: &mut Report<'_>) {
        let mine = self.facts(report);
        let of = |it: &ScalingPolicyFacts| (it.resource_id.clone(), it.dimension.clone(), it.region.clone());
        let (resource, dimension, region) = of(&mine);
        let same = |it: &ScalingPolicyFacts| {
            let (other, of, at) = of(it);
            Scaled::same((&resource, &dimension, &region), (&other, &of, &at))
        };
        for other in report.others::<ScalingPolicyFacts>().iter().filter(|it| same(it)) {
            report.rule(
                &["targetTrackingScalingPolicyConfiguration?"],
                mine.metric.is_none() || mine.metric != other.metric,
                format!(
                    "tracks the same metric as policy {} of {}, and AWS has room for one; merge them, or track another metric",
                    other.name, self.resource_id
                ),
            );
        }
    }
}

/// The id of the target, a slash, and the name.
fn id_of(inputs: &ScalingPolicyInputs) -> String {
    format!("{}/{}", inputs.scaled().id(), inputs.name)
}

/// What is scaled and the name, from an id, or from an ARN, which ends in
/// `:resource/ecs/service/cluster/service:policyName/name`.
fn parse(id: &str) -> Result<(Scaled, String)> {
    if let Some((_, rest)) = id.split_once(":resource/")
        && let Some((resource, name)) = rest.split_once(":policyName/")
        && let Some(service) = resource.strip_prefix("ecs/")
    {
        let name = name.split(":createdBy/").next().unwrap_or(name);
        return Ok((Scaled::parse(service)?.0, name.to_owned()));
    }
    match Scaled::parse(id)? {
        (scaled, Some(name)) => Ok((scaled, name.to_owned())),
        (scaled, None) => bail!("{id} does not name the policy: that is {}/<name>", scaled.id()),
    }
}

fn inputs(scaled: Scaled, it: &types::ScalingPolicy) -> Result<ScalingPolicyInputs> {
    let tracking = it.target_tracking_scaling_policy_configuration.as_ref().map(ScalingPolicyTargetTracking::from_aws);
    let step = it.step_scaling_policy_configuration.as_ref().map(ScalingPolicyStepScaling::from_aws);
    Ok(ScalingPolicyInputs {
        name: it.policy_name.clone(),
        resource_id: scaled.resource,
        service_namespace: scaled.namespace,
        scalable_dimension: scaled.dimension,
        policy_type: Some(named(it.policy_type.as_str())?),
        target_tracking_scaling_policy_configuration: tracking.transpose()?,
        step_scaling_policy_configuration: step.transpose()?,
    })
}

async fn put(context: &Context, inputs: &ScalingPolicyInputs) -> Result<()> {
    let scaled = inputs.scaled();
    let tracking = inputs.target_tracking_scaling_policy_configuration.as_ref().map(ScalingPolicyTargetTracking::to_aws);
    let step = inputs.step_scaling_policy_configuration.as_ref().map(ScalingPolicyStepScaling::to_aws);
    let (tracking, step) = (tracking.transpose()?, step.transpose()?);
    let put = || async {
        let request = context
            .client
            .application_auto_scaling()
            .put_scaling_policy()
            .policy_name(&inputs.name)
            .service_namespace(scaled.namespace())
            .resource_id(&scaled.resource)
            .scalable_dimension(scaled.dimension())
            .policy_type(name_of(inputs.policy_type()).as_str().into())
            .set_target_tracking_scaling_policy_configuration(tracking.clone())
            .set_step_scaling_policy_configuration(step.clone());
        request.send().await.explain()
    };
    match context.observer.settle(UNSETTLED, put).await {
        Err(error) if refused_with(&error, GONE) => {
            let resource = &scaled.resource;
            Err(error.context(format!("{resource} has no ScalableTarget; take `resourceId` from one, so that it comes first")))
        }
        answer => answer.map(drop),
    }
}

impl ScalingPolicyTargetTracking {
    fn to_aws(&self) -> Result<types::TargetTrackingScalingPolicyConfiguration> {
        let predefined = self.predefined_metric_specification.as_ref().map(|it| {
            types::PredefinedMetricSpecification::builder()
                .predefined_metric_type(name_of(it.predefined_metric_type).as_str().into())
                .set_resource_label(it.resource_label.clone())
                .build()
        });
        let customized = self.customized_metric_specification.as_ref().map(ScalingPolicyCustomizedMetric::to_aws);
        let configuration = types::TargetTrackingScalingPolicyConfiguration::builder()
            .target_value(self.target_value)
            .set_predefined_metric_specification(predefined.transpose()?)
            .set_customized_metric_specification(customized.transpose()?)
            .scale_out_cooldown(self.scale_out_cooldown)
            .scale_in_cooldown(self.scale_in_cooldown)
            .disable_scale_in(self.disable_scale_in);
        Ok(configuration.build()?)
    }

    fn from_aws(it: &types::TargetTrackingScalingPolicyConfiguration) -> Result<Self> {
        let predefined = it.predefined_metric_specification().map(|it| {
            let predefined_metric_type = named(it.predefined_metric_type().as_str())?;
            let resource_label = it.resource_label().filter(|it| !it.is_empty()).map(str::to_owned);
            anyhow::Ok(ScalingPolicyPredefinedMetric { predefined_metric_type, resource_label })
        });
        Ok(Self {
            target_value: it.target_value(),
            predefined_metric_specification: predefined.transpose()?,
            customized_metric_specification: it
                .customized_metric_specification()
                .map(ScalingPolicyCustomizedMetric::from_aws)
                .transpose()?,
            // What nobody set is AWS's own default.
            scale_out_cooldown: it.scale_out_cooldown().unwrap_or_else(five_minutes),
            scale_in_cooldown: it.scale_in_cooldown().unwrap_or_else(five_minutes),
            disable_scale_in: it.disable_scale_in().unwrap_or_default(),
        })
    }
}

impl ScalingPolicyCustomizedMetric {
    fn check(&self, path: &str, report: &mut Report<'_>) {
        let one = [self.metric_name.is_some(), self.namespace.is_some(), self.statistic.is_some()];
        let extras = !self.dimensions.is_empty() || self.unit.is_some();
        let parts = ["", ".metricName", ".namespace", ".statistic", ".metrics", ".dimensions", ".unit"];
        let over = parts.map(|it| format!("{path}{it}?"));
        report.rule(
            &over.each_ref().map(String::as_str),
            if self.metrics.is_empty() { one == [true; 3] } else { one == [false; 3] && !extras },
            "needs either metricName, namespace and statistic, or metrics",
        );
        let queries: Vec<_> = self.metrics.iter().map(ScalingPolicyMetricQuery::query).collect();
        check_queries(&format!("{path}.metrics"), &queries, "metricStat", report);
        let returned = self.metrics.iter().filter(|it| it.return_data).count();
        report.rule(
            &[&format!("{path}.metrics?"), &format!("{path}.metrics[].returnData")],
            self.metrics.is_empty() || returned == 1,
            format!("has {returned} with returnData; exactly one has to return the value that is kept"),
        );
    }

    fn to_aws(&self) -> Result<types::CustomizedMetricSpecification> {
        let dimension = |it: &ScalingPolicyMetricDimension| {
            anyhow::Ok(types::MetricDimension::builder().name(&it.name).value(&it.value).build()?)
        };
        let dimensions: Vec<_> = self.dimensions.iter().map(dimension).collect::<Result<_>>()?;
        let metrics: Vec<_> = self.metrics.iter().map(ScalingPolicyMetricQuery::to_aws).collect::<Result<_>>()?;
        // AWS takes an empty list for a metric that is given both ways.
        let metric = types::CustomizedMetricSpecification::builder()
            .set_metric_name(self.metric_name.clone())
            .set_namespace(self.namespace.clone())
            .set_dimensions(Some(dimensions).filter(|it| !it.is_empty()))
            .set_statistic(self.statistic.map(|it| name_of(it).as_str().into()))
            .set_unit(self.unit.clone())
            .set_metrics(Some(metrics).filter(|it| !it.is_empty()));
        Ok(metric.build())
    }

    fn from_aws(it: &types::CustomizedMetricSpecification) -> Result<Self> {
        let dimension =
            |it: &types::MetricDimension| ScalingPolicyMetricDimension { name: it.name.clone(), value: it.value.clone() };
        Ok(Self {
            metric_name: it.metric_name.clone(),
            namespace: it.namespace.clone(),
            dimensions: it.dimensions().iter().map(dimension).collect(),
            statistic: it.statistic().map(|it| named(it.as_str())).transpose()?,
            unit: it.unit.clone(),
            metrics: it.metrics().iter().map(ScalingPolicyMetricQuery::from_aws).collect(),
        })
    }
}

impl ScalingPolicyMetricQuery {
    fn query(&self) -> Query<'_> {
        Query { id: &self.id, expression: self.expression.as_deref(), has_metric: self.metric_stat.is_some() }
    }

    fn to_aws(&self) -> Result<types::TargetTrackingMetricDataQuery> {
        let stat = self.metric_stat.as_ref().map(|it| {
            let dimensions =
                it.metric.dimensions.iter().map(|it| {
                    anyhow::Ok(types::TargetTrackingMetricDimension::builder().name(&it.name).value(&it.value).build()?)
                });
            let metric = types::TargetTrackingMetric::builder()
                .metric_name(&it.metric.metric_name)
                .namespace(&it.metric.namespace)
                .set_dimensions(Some(dimensions.collect::<Result<_>>()?));
            let stat = types::TargetTrackingMetricStat::builder().metric(metric.build()).stat(&it.stat);
            anyhow::Ok(stat.set_unit(it.unit.clone()).build()?)
        });
        let query = types::TargetTrackingMetricDataQuery::builder()
            .id(&self.id)
            .set_expression(self.expression.clone())
            .set_metric_stat(stat.transpose()?)
            .set_label(self.label.clone())
            .return_data(self.return_data);
        Ok(query.build()?)
    }

    fn from_aws(it: &types::TargetTrackingMetricDataQuery) -> Self {
        let dimension = |it: &types::TargetTrackingMetricDimension| ScalingPolicyMetricDimension {
            name: it.name.clone(),
            value: it.value.clone(),
        };
        let metric = |it: &types::TargetTrackingMetric| ScalingPolicyMetric {
            metric_name: it.metric_name.clone().unwrap_or_default(),
            namespace: it.namespace.clone().unwrap_or_default(),
            dimensions: it.dimensions().iter().map(dimension).collect(),
        };
        let stat = it.metric_stat().and_then(|it| {
            Some(ScalingPolicyMetricStat { metric: metric(it.metric()?), stat: it.stat.clone(), unit: it.unit.clone() })
        });
        Self {
            id: it.id.clone(),
            expression: it.expression.clone(),
            metric_stat: stat,
            label: it.label.clone(),
            return_data: it.return_data().unwrap_or_else(yes),
        }
    }
}

impl ScalingPolicyStepScaling {
    /// What is wrong with the steps: they have to cover one range, each number in it once, and all of the side of the
    /// threshold that they are on.
    fn mistake(&self) -> Option<String> {
        let mut ranges: Vec<_> = self
            .step_adjustments
            .iter()
            .map(|it| {
                let (lower, upper) = (it.metric_interval_lower_bound, it.metric_interval_upper_bound);
                (lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY))
            })
            .collect();
        ranges.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((lower, upper)) = ranges.iter().find(|(lower, upper)| lower >= upper) {
            return Some(format!("has a step that begins at {lower} and ends at {upper}, which is not above that"));
        }
        for pair in ranges.windows(2) {
            let (end, beginning) = (pair[0].1, pair[1].0);
            if end < beginning {
                return Some(format!("leaves a gap between {end} and {beginning}"));
            }
            if end > beginning {
                return Some(format!("has two steps for what is just above {beginning}"));
            }
        }
        let (first, last) = (ranges.first()?.0, ranges.last()?.1);
        if first < 0.0 && first.is_finite() {
            return Some(format!("has no step for what is below {first}: leave out metricIntervalLowerBound of the lowest"));
        }
        if last > 0.0 && last.is_finite() {
            return Some(format!("has no step for what is above {last}: leave out metricIntervalUpperBound of the highest"));
        }
        None
    }

    fn to_aws(&self) -> Result<types::StepScalingPolicyConfiguration> {
        let step = |it: &ScalingPolicyStepAdjustment| {
            let step = types::StepAdjustment::builder()
                .set_metric_interval_lower_bound(it.metric_interval_lower_bound)
                .set_metric_interval_upper_bound(it.metric_interval_upper_bound);
            anyhow::Ok(step.scaling_adjustment(it.scaling_adjustment).build()?)
        };
        let configuration = types::StepScalingPolicyConfiguration::builder()
            .adjustment_type(name_of(self.adjustment_type).as_str().into())
            .set_step_adjustments(Some(self.step_adjustments.iter().map(step).collect::<Result<_>>()?))
            .cooldown(self.cooldown)
            .metric_aggregation_type(name_of(self.metric_aggregation_type).as_str().into())
            .set_min_adjustment_magnitude(self.min_adjustment_magnitude);
        Ok(configuration.build())
    }

    fn from_aws(it: &types::StepScalingPolicyConfiguration) -> Result<Self> {
        let step = |it: &types::StepAdjustment| ScalingPolicyStepAdjustment {
            metric_interval_lower_bound: it.metric_interval_lower_bound(),
            metric_interval_upper_bound: it.metric_interval_upper_bound(),
            scaling_adjustment: it.scaling_adjustment(),
        };
        let adjustment = it.adjustment_type().context("DescribeScalingPolicies: AWS answered without an adjustment type")?;
        let aggregation = it.metric_aggregation_type().map(|it| named(it.as_str()));
        Ok(Self {
            adjustment_type: named(adjustment.as_str())?,
            step_adjustments: it.step_adjustments().iter().map(step).collect(),
            cooldown: it.cooldown().unwrap_or_else(five_minutes),
            metric_aggregation_type: aggregation.transpose()?.unwrap_or_default(),
            min_adjustment_magnitude: it.min_adjustment_magnitude(),
        })
    }
}

/// The policies of what is scaled, all or those of some names.
async fn policies(aws: &Aws, scaled: &Scaled, names: Option<Vec<String>>) -> Result<Vec<types::ScalingPolicy>> {
    let request = aws.application_auto_scaling().describe_scaling_policies().set_policy_names(names);
    let request = request.service_namespace(scaled.namespace()).scalable_dimension(scaled.dimension());
    request.resource_id(&scaled.resource).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain()
}

/// `DescribeScalingPolicies`, which answers for one scaled resource at a time.
struct DescribeScalingPolicies;

impl Lookup for DescribeScalingPolicies {
    type Key = (Scaled, String);
    type Found = types::ScalingPolicy;
    const LIMIT: usize = 50;

    async fn load(aws: &Aws, wanted: Vec<(Scaled, String)>) -> Result<HashMap<(Scaled, String), types::ScalingPolicy>> {
        let mut names: HashMap<Scaled, Vec<String>> = HashMap::new();
        for (scaled, name) in wanted {
            names.entry(scaled).or_default().push(name);
        }
        let describe = |(scaled, names): (Scaled, Vec<String>)| async move {
            let policies = policies(aws, &scaled, Some(names)).await?;
            Ok::<_, anyhow::Error>(policies.into_iter().map(move |it| ((scaled.clone(), it.policy_name.clone()), it)))
        };
        Ok(try_join_all(names.into_iter().map(describe)).await?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::{Link, Plan},
        resource::{Erased, findings},
    };

    fn steps(bounds: &[(Option<f64>, Option<f64>)]) -> ScalingPolicyStepScaling {
        let step = |&(lower, upper): &(Option<f64>, Option<f64>)| ScalingPolicyStepAdjustment {
            metric_interval_lower_bound: lower,
            metric_interval_upper_bound: upper,
            scaling_adjustment: 1,
        };
        ScalingPolicyStepScaling {
            adjustment_type: ScalingPolicyAdjustmentType::ChangeInCapacity,
            step_adjustments: bounds.iter().map(step).collect(),
            cooldown: 300,
            metric_aggregation_type: ScalingPolicyAggregationType::Average,
            min_adjustment_magnitude: None,
        }
    }

    #[test]
    fn steps_have_to_join() {
        assert_eq!(steps(&[(Some(80.0), None), (Some(0.0), Some(80.0))]).mistake(), None);
        assert_eq!(steps(&[(None, Some(0.0))]).mistake(), None);
        let mistake = |bounds| steps(bounds).mistake().unwrap();
        assert_eq!(mistake(&[(Some(0.0), Some(10.0)), (Some(20.0), None)]), "leaves a gap between 10 and 20");
        assert_eq!(mistake(&[(Some(0.0), Some(10.0)), (Some(5.0), None)]), "has two steps for what is just above 5");
        assert!(mistake(&[(Some(10.0), Some(10.0))]).contains("not above"));
        assert!(mistake(&[(Some(0.0), Some(10.0))]).contains("above 10"));
        assert!(mistake(&[(Some(-10.0), Some(0.0))]).contains("below -10"));
    }

    #[expect(clippy::needless_pass_by_value, reason = "tests write it in place")]
    fn tracking(name: &str, metric: &str, more: serde_json::Value) -> Value {
        let metric = json!({ "predefinedMetricType": metric });
        let mut configuration = json!({ "targetValue": 60, "predefinedMetricSpecification": metric });
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "name": name, "resourceId": "service/main/web", "targetTrackingScalingPolicyConfiguration": configuration })
            .into()
    }

    const CPU: &str = "ECSServiceAverageCPUUtilization";

    #[test]
    fn there_is_room_for_one_policy_of_a_metric() {
        let plan = Plan::default();
        let facts = |metric: Option<String>| ScalingPolicyFacts {
            name: "one".to_owned(),
            region: None,
            resource_id: Link::Known("service/main/web".to_owned()),
            dimension: "ecs:service:DesiredCount".to_owned(),
            metric,
        };
        let completed = |it: Value| {
            let Value::Object(map) = it else { panic!("a map") };
            let resource = Erased::<ScalingPolicy>::NEW;
            resource.completed(&map).unwrap()
        };
        let (one, two) =
            (completed(tracking("one", CPU, json!({}))), completed(tracking("two", CPU, json!({ "targetValue": 30 }))));
        plan.declare("one", Facts::new(facts(one.metric())));
        let reason = "targetTrackingScalingPolicyConfiguration tracks the same metric as policy one of service/main/web, and AWS has \
                      room for one; merge them, or track another metric";
        assert_eq!(findings::<ScalingPolicy>(&plan, tracking("two", CPU, json!({}))).0, [reason]);
        let memory = "ECSServiceAverageMemoryUtilization";
        assert_eq!(findings::<ScalingPolicy>(&plan, tracking("two", memory, json!({}))).0, Vec::<String>::new());
        assert!(ScalingPolicy::excludes(&one, &two), "a renamed policy goes first");
        assert!(!ScalingPolicy::excludes(&one, &completed(tracking("two", memory, json!({})))));
    }

    #[test]
    fn what_aws_takes_passes() {
        let told = |it: Value| findings::<ScalingPolicy>(&Plan::default(), it).0;
        let none = Vec::<String>::new();
        assert_eq!(told(tracking(&"n".repeat(256), "ECSServiceAverageCPUUtilizationHighResolution", json!({}))), none);
        let unlisted = json!({ "predefinedMetricSpecification": { "predefinedMetricType": "Throughput", "resourceLabel": "app/a/b/targetgroup/c/d" } });
        assert_eq!(told(tracking("new", CPU, unlisted)), none);
        let step = |kind: &str, by: i32, least: i32| {
            let steps = json!([{ "metricIntervalLowerBound": 0, "scalingAdjustment": by }]);
            let step = json!({ "adjustmentType": kind, "stepAdjustments": steps, "minAdjustmentMagnitude": least });
            told(json!({ "name": "it", "resourceId": "service/main/web", "stepScalingPolicyConfiguration": step }).into())
        };
        assert_eq!(step("ChangeInCapacity", -1, 0), none);
        let reason = "stepScalingPolicyConfiguration.stepAdjustments[0].scalingAdjustment is -1, but adjustmentType is ExactCapacity, \
                      which cannot be negative";
        assert_eq!(step("ExactCapacity", -1, 0), [reason]);
    }

    #[test]
    fn metric_math_comes_back_as_it_went() {
        let metric = |id: &str, name: &str| ScalingPolicyMetricQuery {
            id: id.to_owned(),
            expression: None,
            metric_stat: Some(ScalingPolicyMetricStat {
                metric: ScalingPolicyMetric {
                    metric_name: name.to_owned(),
                    namespace: "Video".to_owned(),
                    dimensions: vec![ScalingPolicyMetricDimension { name: "Queue".to_owned(), value: "celery".to_owned() }],
                },
                stat: "Average".to_owned(),
                unit: None,
            }),
            label: None,
            return_data: false,
        };
        let expression = ScalingPolicyMetricQuery {
            id: "backlog".to_owned(),
            expression: Some("depth / tasks".to_owned()),
            metric_stat: None,
            label: Some("jobs for each worker".to_owned()),
            return_data: true,
        };
        let tracking = ScalingPolicyTargetTracking {
            target_value: 12.5,
            predefined_metric_specification: None,
            customized_metric_specification: Some(ScalingPolicyCustomizedMetric {
                metric_name: None,
                namespace: None,
                dimensions: Vec::new(),
                statistic: None,
                unit: None,
                metrics: vec![metric("depth", "QueueDepth"), metric("tasks", "RunningTasks"), expression],
            }),
            scale_out_cooldown: 60,
            scale_in_cooldown: 300,
            disable_scale_in: true,
        };
        assert_eq!(ScalingPolicyTargetTracking::from_aws(&tracking.to_aws().unwrap()).unwrap(), tracking);
    }

    #[test]
    fn takes_any_form_of_its_name() {
        let id = "ecs/service/video/app/ecs:service:DesiredCount/cpu";
        let arn = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:6d:resource/ecs/service/video/app:policyName/cpu";
        assert_eq!(parse(id).unwrap(), parse(arn).unwrap());
        assert_eq!(parse("service/video/app/cpu").unwrap(), parse(id).unwrap());
        assert!(parse("service/video/app").unwrap_err().to_string().contains("does not name the policy"));
    }
}
