//! cloudwatch: an alarm on a metric.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, bail};
use aws_sdk_cloudwatch::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Lookup,
        metrics::{Query, check_queries},
        refused_with,
    },
    check::{Foreign, Report},
    codec::{Unlisted, name_of, named},
    list::{ByName, Cursor, Listed, Page},
    resource::{Context, Resource, changed, tag_changes, taken},
    value::{Map, Value},
};

pub struct Alarm;

/// An alarm: something that happens when a metric crosses a threshold, such as scaling, or a message to people.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmInputs {
    /// The name of the alarm. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 255), extend("replaceOnChanges" = true, "autoname" = 255))]
    pub name: String,
    /// What it means when the alarm goes off, and what to do then.
    #[schemars(length(max = 1024))]
    pub alarm_description: Option<String>,
    /// On which side of the threshold the alarm goes off.
    pub comparison_operator: AlarmComparison,
    /// How many periods the alarm looks at.
    #[schemars(range(min = 1))]
    pub evaluation_periods: i32,
    /// How many of those periods have to be beyond the threshold. Default: all.
    #[schemars(range(min = 1))]
    pub datapoints_to_alarm: Option<i32>,
    /// The value that the metric is compared with.
    pub threshold: Option<f64>,
    /// The id of the query of `metricQueries` that the metric is compared with, an anomaly detection band, in place of
    /// `threshold`.
    pub threshold_metric_id: Option<String>,
    /// The name of the metric.
    pub metric_name: Option<String>,
    /// The namespace that the metric is in, such as `AWS/ECS`.
    pub namespace: Option<String>,
    /// The dimensions that tell the metric apart, such as `ClusterName` and `ServiceName`.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub dimensions: BTreeMap<String, String>,
    /// What of the metric's values in a period counts.
    pub statistic: Option<AlarmStatistic>,
    /// A percentile or another statistic that counts in place of `statistic`, such as `p99`.
    #[schemars(regex(pattern = "^([A-Za-z]|IQM$)"), extend("expects" = "a statistic such as p99, tm90 or IQM"))]
    pub extended_statistic: Option<String>,
    /// How long a period is, in seconds: 10, 20, 30, or whole minutes. Metrics of ECS come each minute.
    #[schemars(range(min = 10))]
    pub period: Option<i32>,
    /// The unit that the metric is published in. Default: whatever unit the values have.
    pub unit: Option<String>,
    /// Metrics, and expressions over them, in place of one metric by its name; one of them returns the value that is
    /// compared.
    #[serde(default)]
    #[schemars(length(max = 20), extend("keyedBy" = "id"))]
    pub metric_queries: Vec<AlarmMetricQuery>,
    /// What a period without values counts as. Default: `missing`, AWS's own. For a metric that is only published when
    /// there is something to tell, such as errors, `notBreaching` is right.
    #[serde(default)]
    pub treat_missing_data: AlarmMissingData,
    /// Whether percentiles of few values count. Default: `evaluate`, AWS's own.
    #[serde(default)]
    pub evaluate_low_sample_count_percentiles: AlarmFewSamples,
    /// Whether the actions are carried out. Default: true.
    #[serde(default = "yes")]
    pub actions_enabled: bool,
    /// The ARNs of what happens when the alarm goes off: scaling policies, topics of SNS.
    #[serde(default)]
    #[schemars(length(max = 5), extend("compare" = "set"))]
    #[schemars(transform = crate::aws::arn::any)]
    pub alarm_actions: Vec<String>,
    /// The ARNs of what happens when it is over.
    #[serde(default)]
    #[schemars(length(max = 5), extend("compare" = "set"))]
    #[schemars(transform = crate::aws::arn::any)]
    pub ok_actions: Vec<String>,
    /// The ARNs of what happens when there are too few values to tell.
    #[serde(default)]
    #[schemars(length(max = 5), extend("compare" = "set"))]
    #[schemars(transform = crate::aws::arn::any)]
    pub insufficient_data_actions: Vec<String>,
    /// Tags to put on the alarm.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// On which side of the threshold an alarm goes off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum AlarmComparison {
    /// At the threshold and above.
    GreaterThanOrEqualToThreshold,
    /// Above the threshold.
    GreaterThanThreshold,
    /// Below the threshold.
    LessThanThreshold,
    /// At the threshold and below.
    LessThanOrEqualToThreshold,
    /// Outside an anomaly detection band.
    LessThanLowerOrGreaterThanUpperThreshold,
    /// Below an anomaly detection band.
    LessThanLowerThreshold,
    /// Above an anomaly detection band.
    GreaterThanUpperThreshold,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// What of a metric's values in a period counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum AlarmStatistic {
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

/// What a period without values counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AlarmMissingData {
    /// As unknown: with too few values the alarm cannot tell.
    #[default]
    Missing,
    /// As within the threshold.
    NotBreaching,
    /// As beyond the threshold.
    Breaching,
    /// As nothing: the alarm stays as it is.
    Ignore,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Whether percentiles of few values count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AlarmFewSamples {
    /// They count.
    #[default]
    Evaluate,
    /// The alarm stays as it is.
    Ignore,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// A metric, or an expression over others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmMetricQuery {
    /// What expressions call it.
    #[schemars(length(max = 255), regex(pattern = "^[a-z][A-Za-z0-9_]*$"))]
    #[schemars(extend("expects" = "letters, digits and underscores, a lower-case letter first"))]
    pub id: String,
    /// An expression over the others by their ids, such as `errors / requests`.
    #[schemars(length(min = 1, max = 2048))]
    pub expression: Option<String>,
    /// A metric, in place of an expression.
    pub metric: Option<AlarmMetric>,
    /// What it is, for people.
    pub label: Option<String>,
    /// How long a period of the expression is, in seconds. Default: as its metrics have it. An expression that has none, such as
    /// `SELECT AVG(CPUUtilization) FROM "AWS/ECS"`, has to say it.
    #[schemars(range(min = 1))]
    pub period: Option<i32>,
    /// Whether this is the value that is compared. Default: false; exactly one has to say true.
    #[serde(default)]
    pub return_data: bool,
    /// The account that the metric is in. Default: the alarm's.
    pub account_id: Option<String>,
}

/// A metric, and what of its values counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmMetric {
    /// The name of the metric.
    pub metric_name: String,
    /// The namespace that the metric is in, such as `AWS/ECS`.
    pub namespace: Option<String>,
    /// The dimensions that tell the metric apart.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub dimensions: BTreeMap<String, String>,
    /// How long a period is, in seconds: 10, 20, 30, or whole minutes.
    #[schemars(range(min = 1))]
    pub period: i32,
    /// What of the metric's values in a period counts, such as `Sum` or `p99`.
    pub stat: String,
    /// The unit that the metric is published in. Default: whatever unit the values have.
    pub unit: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmOutputs {
    #[serde(flatten)]
    pub inputs: AlarmInputs,
    /// The ARN of the alarm.
    pub arn: String,
    /// The settings that the alarm has in AWS and this provider does not support, such as `evaluationWindow`: somebody else made
    /// them. Updates leave them as they are.
    pub unsupported_settings: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Resource for Alarm {
    const NAME: &'static str = "Alarm";
    type Cloud = crate::aws::Session;
    type Inputs = AlarmInputs;
    type Outputs = AlarmOutputs;
    type Query = ByName;
    const FOREIGN: &'static [Foreign] = FOREIGN;

    fn normalize(inputs: &mut Map) {
        // It is about percentiles alone: of anything else, AWS shows nothing of it.
        let says = |name: &str| inputs.get(name).is_some_and(|it| !it.is_empty());
        if says("statistic") && !says("extendedStatistic") && !says("metricQueries") {
            inputs.insert("evaluateLowSampleCountPercentiles".to_owned(), Value::String("evaluate".to_owned()));
        }
    }

    fn check(inputs: &AlarmInputs, report: &mut Report<'_>) {
        let periods = inputs.evaluation_periods;
        let points = inputs.datapoints_to_alarm.unwrap_or(periods);
        report.rule(
            &["datapointsToAlarm", "evaluationPeriods"],
            points <= periods,
            format!("is {points}, more than evaluationPeriods, which is {periods}"),
        );
        report.rule(
            &["threshold", "thresholdMetricId"],
            inputs.threshold.is_some() != inputs.threshold_metric_id.is_some(),
            "or thresholdMetricId: an alarm compares with one of the two",
        );
        let band = matches!(
            inputs.comparison_operator,
            AlarmComparison::LessThanLowerOrGreaterThanUpperThreshold
                | AlarmComparison::LessThanLowerThreshold
                | AlarmComparison::GreaterThanUpperThreshold
        );
        let is_listed = !matches!(inputs.comparison_operator, AlarmComparison::Other(_));
        report.rule(
            &["comparisonOperator", "thresholdMetricId"],
            !is_listed || band == inputs.threshold_metric_id.is_some(),
            if band { "compares with a band, which thresholdMetricId has to name" } else { "compares with no thresholdMetricId" },
        );
        if report.sees("metricQueries") && inputs.metric_queries.is_empty() {
            inputs.check_metric(report);
        } else {
            inputs.check_queries(report);
        }
        // "Alarms based on anomaly detection models cannot have Auto Scaling actions": PutMetricAlarm.
        let actions = [&inputs.alarm_actions, &inputs.ok_actions, &inputs.insufficient_data_actions];
        report.rule(
            // An action that is known is enough.
            &["thresholdMetricId"],
            inputs.threshold_metric_id.is_none() || !actions.into_iter().flatten().any(|it| it.contains(":autoscaling:")),
            "is set, but an alarm on an anomaly detection band cannot have a scaling policy among its actions",
        );
    }

    fn unsupported(outputs: &AlarmOutputs) -> Vec<String> {
        outputs.unsupported_settings.clone()
    }

    async fn create(context: &Context, inputs: &AlarmInputs) -> Result<String> {
        let name = &inputs.name;
        // The call that makes an alarm would change the one that is there.
        if context.observer.ask(context.client.look_up::<DescribeAlarms>(name.clone())).await?.is_some() {
            bail!(taken::<Self>(name, name));
        }
        let tags = Some(to_tags(&inputs.tags)).filter(|it| !it.is_empty());
        put(context, inputs, tags, None).await?;
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, _: &str, old: &AlarmOutputs, new: &AlarmInputs) -> Result<()> {
        if changed(&old.inputs, new)?.iter().any(|it| it != "tags") {
            // An update replaces all that the alarm is: what no program can say here has to be said again.
            let live = context.client.look_up::<DescribeAlarms>(new.name.clone()).await?;
            put(context, new, None, live.as_ref()).await?;
        }
        let (set, removed) = tag_changes(&old.inputs.tags, &new.tags);
        let cloudwatch = context.client.cloudwatch();
        if !removed.is_empty() {
            cloudwatch.untag_resource().resource_arn(&old.arn).set_tag_keys(Some(removed)).send().await.explain()?;
        }
        if !set.is_empty() {
            cloudwatch.tag_resource().resource_arn(&old.arn).set_tags(Some(to_tags(&set))).send().await.explain()?;
        }
        Ok(())
    }

    async fn read(context: &Context, id: &str) -> Result<Option<AlarmOutputs>> {
        let Some(it) = context.client.look_up::<DescribeAlarms>(name_in(id)?.to_owned()).await? else { return Ok(None) };
        let arn = it.alarm_arn.clone().context("DescribeAlarms: AWS answered without an ARN")?;
        let tags = context.client.cloudwatch().list_tags_for_resource().resource_arn(&arn).send().await.explain()?.tags;
        let tags = tags.unwrap_or_default().into_iter().filter_map(|it| Some((it.key?, it.value.unwrap_or_default())));
        let unsupported_settings = unsupported_settings(&it);
        let inputs = AlarmInputs { tags: tags.collect(), ..AlarmInputs::from_aws(it)? };
        Ok(Some(AlarmOutputs { inputs, arn, unsupported_settings }))
    }

    fn id(outputs: &AlarmOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, query: &ByName, at: &Cursor) -> Result<Page> {
        let request = context.client.cloudwatch().describe_alarms().alarm_types(types::AlarmType::MetricAlarm);
        let request = request.set_alarm_name_prefix(query.name_prefix.clone()).max_records(at.size(1..=100));
        let answer = request.set_next_token(at.token.clone()).send().await.explain()?;
        let alarms = answer.metric_alarms.unwrap_or_default().into_iter().filter(|it| unsupported_settings(it).is_empty());
        let alarms = alarms.filter_map(|it| AlarmInputs::from_aws(it).ok());
        Ok(Page::new(alarms.map(|it| Listed::named(it.name)), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, _: &AlarmOutputs) -> Result<()> {
        match context.client.cloudwatch().delete_alarms().alarm_names(id).send().await.explain() {
            Err(error) if refused_with(&error, &["ResourceNotFound", "ResourceNotFoundException"]) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

impl AlarmInputs {
    fn check_metric(&self, report: &mut Report<'_>) {
        let required = [
            ("metricName", self.metric_name.is_some()),
            ("namespace", self.namespace.is_some()),
            ("period", self.period.is_some()),
        ];
        for (property, given) in required {
            report.rule(&[property, "metricQueries"], given, "is required, unless there are metricQueries");
        }
        report.rule(
            &["statistic", "extendedStatistic", "metricQueries"],
            self.statistic.is_some() != self.extended_statistic.is_some(),
            "or extendedStatistic is required, one of the two, unless there are metricQueries",
        );
        let Some(period) = self.period else { return };
        report.rule(&["period"], is_period(period), format!("is {period}, not 10, 20, 30 or a multiple of 60"));
        let (most, in_words) = looks_back(period);
        report.rule(
            &["evaluationPeriods", "period"],
            i64::from(period) * i64::from(self.evaluation_periods) <= most,
            format!("times a period of {period} s is more than {in_words}, the most that AWS looks back"),
        );
    }

    fn check_queries(&self, report: &mut Report<'_>) {
        let others = [
            ("metricName", self.metric_name.is_some()),
            ("namespace", self.namespace.is_some()),
            ("dimensions", !self.dimensions.is_empty()),
            ("statistic", self.statistic.is_some()),
            ("extendedStatistic", self.extended_statistic.is_some()),
            ("period", self.period.is_some()),
            ("unit", self.unit.is_some()),
        ];
        for (property, given) in others {
            report.rule(&[property], !given, "is for an alarm without metricQueries: set it in there");
        }
        let queries: Vec<_> = self.metric_queries.iter().map(AlarmMetricQuery::query).collect();
        check_queries("metricQueries", &queries, "metric", report);
        let no_metric = queries.iter().all(|it| !it.has_metric);
        for (index, query) in self.metric_queries.iter().enumerate() {
            let path = format!("metricQueries[{index}]");
            let periods = [("metric.period", query.metric.as_ref().map(|it| it.period)), ("period", query.period)];
            for (property, period) in periods {
                let period = period.unwrap_or(60);
                report.rule(
                    &[&format!("{path}.{property}")],
                    is_period(period),
                    format!("is {period}, not 10, 20, 30 or a multiple of 60"),
                );
            }
            // AWS: "Period must not be null".
            report.rule(
                &[&format!("{path}.period"), &format!("{path}.expression"), "metricQueries[].metric?"],
                query.expression.is_none() || query.period.is_some() || !(queries[index].is_sql() || no_metric),
                "is required: no metric gives the expression a period, in seconds, such as 60",
            );
        }
        let periods =
            self.metric_queries.iter().flat_map(|it| it.metric.as_ref().map(|it| it.period).into_iter().chain(it.period));
        if let Some(period) = periods.max() {
            let (most, in_words) = looks_back(period);
            report.warn(
                &["evaluationPeriods", "metricQueries[].period", "metricQueries[].metric.period"],
                i64::from(period) * i64::from(self.evaluation_periods) <= most,
                format!("times a period of {period} s is more than {in_words}, the most that AWS looks back"),
            );
        }
        // What is compared returns its values; the band, if there is one, does so as well.
        let is_band = |it: &&AlarmMetricQuery| self.threshold_metric_id.as_ref() == Some(&it.id);
        let returned = self.metric_queries.iter().filter(|it| it.return_data && !is_band(it)).count();
        let of = if self.threshold_metric_id.is_some() { " besides the band" } else { "" };
        let over = ["metricQueries?", "metricQueries[].id", "metricQueries[].returnData", "thresholdMetricId"];
        report.rule(&over, returned == 1, format!("has {returned} with returnData{of}, and needs 1: the one that is compared"));
        report.warn(
            &over,
            self.metric_queries.iter().find(is_band).is_none_or(|it| it.return_data),
            "has a band without returnData, which AWS may refuse: set it to true",
        );
        let metrics = queries.iter().filter(|it| it.has_metric).count();
        report.warn(
            &["metricQueries?", "metricQueries[].metric?"],
            metrics <= 10 && queries.len() - metrics <= 10,
            "has more than 10 metrics or more than 10 expressions, which AWS may refuse",
        );
        if let Some(band) = &self.threshold_metric_id {
            report.rule(
                &["thresholdMetricId", "metricQueries[].id"],
                self.metric_queries.iter().any(|it| it.id == *band),
                format!("is {band}, which none of metricQueries has as its id"),
            );
        }
    }

    /// All but the tags, which AWS shows elsewhere.
    fn from_aws(it: types::MetricAlarm) -> Result<Self> {
        if it.evaluation_criteria.is_some() {
            bail!("alarm {} is on a PromQL query, which this provider does not support", it.alarm_name.unwrap_or_default());
        }
        let operator = it.comparison_operator.context("DescribeAlarms: AWS answered without a comparison operator")?;
        let statistic = it.statistic.filter(|_| it.extended_statistic.is_none());
        Ok(Self {
            name: it.alarm_name.unwrap_or_default(),
            alarm_description: it.alarm_description.filter(|it| !it.is_empty()),
            comparison_operator: named(operator.as_str())?,
            evaluation_periods: it.evaluation_periods.unwrap_or_default(),
            datapoints_to_alarm: it.datapoints_to_alarm,
            threshold: it.threshold.filter(|_| it.threshold_metric_id.is_none()),
            threshold_metric_id: it.threshold_metric_id,
            metric_name: it.metric_name,
            namespace: it.namespace,
            dimensions: from_dimensions(it.dimensions),
            statistic: statistic.map(|it| named(it.as_str())).transpose()?,
            extended_statistic: it.extended_statistic,
            period: it.period.filter(|_| it.metrics.as_ref().is_none_or(Vec::is_empty)),
            unit: it.unit.map(|it| it.as_str().to_owned()),
            metric_queries: it.metrics.unwrap_or_default().into_iter().map(AlarmMetricQuery::from_aws).collect(),
            treat_missing_data: it.treat_missing_data.map(|it| named(&it)).transpose()?.unwrap_or_default(),
            evaluate_low_sample_count_percentiles: it
                .evaluate_low_sample_count_percentile
                .map(|it| named(&it))
                .transpose()?
                .unwrap_or_default(),
            actions_enabled: it.actions_enabled.unwrap_or_else(yes),
            alarm_actions: it.alarm_actions.unwrap_or_default(),
            ok_actions: it.ok_actions.unwrap_or_default(),
            insufficient_data_actions: it.insufficient_data_actions.unwrap_or_default(),
            tags: BTreeMap::new(),
        })
    }
}

impl AlarmMetricQuery {
    fn query(&self) -> Query<'_> {
        Query { id: &self.id, expression: self.expression.as_deref(), has_metric: self.metric.is_some() }
    }

    fn to_aws(&self) -> types::MetricDataQuery {
        let stat = self.metric.as_ref().map(|it| {
            let metric = types::Metric::builder()
                .metric_name(&it.metric_name)
                .set_namespace(it.namespace.clone())
                .set_dimensions(Some(to_dimensions(&it.dimensions)));
            let stat = types::MetricStat::builder().metric(metric.build()).period(it.period).stat(&it.stat);
            stat.set_unit(it.unit.as_deref().map(Into::into)).build()
        });
        types::MetricDataQuery::builder()
            .id(&self.id)
            .set_expression(self.expression.clone())
            .set_metric_stat(stat)
            .set_label(self.label.clone())
            .set_period(self.period)
            .return_data(self.return_data)
            .set_account_id(self.account_id.clone())
            .build()
    }

    fn from_aws(it: types::MetricDataQuery) -> Self {
        let metric = it.metric_stat.map(|stat| {
            let metric = stat.metric.unwrap_or_else(|| types::Metric::builder().build());
            AlarmMetric {
                metric_name: metric.metric_name.unwrap_or_default(),
                namespace: metric.namespace,
                dimensions: from_dimensions(metric.dimensions),
                period: stat.period.unwrap_or_default(),
                stat: stat.stat.unwrap_or_default(),
                unit: stat.unit.map(|it| it.as_str().to_owned()),
            }
        });
        Self {
            id: it.id.unwrap_or_default(),
            expression: it.expression,
            metric,
            label: it.label.filter(|it| !it.is_empty()),
            period: it.period.filter(|it| *it > 0),
            // AWS takes what says nothing for true.
            return_data: it.return_data.unwrap_or(true),
            account_id: it.account_id,
        }
    }
}

const UNSUPPORTED: &str = "is not supported by this provider; set it in AWS, where updates leave it as it is";
const FOREIGN: &[Foreign] = &[
    Foreign { within: "", name: "evaluationWindow", holds: &[], reason: UNSUPPORTED },
    Foreign { within: "", name: "warmUpConfiguration", holds: &[], reason: UNSUPPORTED },
    Foreign {
        within: "",
        name: "evaluationCriteria",
        holds: &[],
        reason: "is not supported by this provider; use metricQueries",
    },
    Foreign { within: "", name: "evaluationInterval", holds: &["0"], reason: "is not supported by this provider; use period" },
];

/// The settings of an alarm that no program can say here, by the names of AWS.
fn unsupported_settings(it: &types::MetricAlarm) -> Vec<String> {
    let settings = [
        ("evaluationWindow", it.evaluation_window.is_some()),
        ("warmUpConfiguration", it.warm_up_configuration.is_some()),
        ("evaluationCriteria", it.evaluation_criteria.is_some()),
        ("evaluationInterval", it.evaluation_interval.is_some()),
        ("actionConfiguration", it.action_configuration.is_some()),
    ];
    settings.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned()).collect()
}

/// Makes the alarm all that `inputs` say, and what `live` has besides; AWS takes `tags` only the first time.
async fn put(
    context: &Context,
    inputs: &AlarmInputs,
    tags: Option<Vec<types::Tag>>,
    live: Option<&types::MetricAlarm>,
) -> Result<()> {
    let queries: Vec<_> = inputs.metric_queries.iter().map(AlarmMetricQuery::to_aws).collect();
    // AWS takes it for percentiles alone, which metric queries may be of.
    let says = inputs.extended_statistic.is_some()
        || !inputs.metric_queries.is_empty() && inputs.evaluate_low_sample_count_percentiles != AlarmFewSamples::Evaluate;
    let percentiles = says.then(|| name_of(inputs.evaluate_low_sample_count_percentiles));
    let request = context
        .client
        .cloudwatch()
        .put_metric_alarm()
        .alarm_name(&inputs.name)
        .set_alarm_description(inputs.alarm_description.clone())
        .comparison_operator(name_of(inputs.comparison_operator).as_str().into())
        .evaluation_periods(inputs.evaluation_periods)
        .set_datapoints_to_alarm(inputs.datapoints_to_alarm)
        .set_threshold(inputs.threshold)
        .set_threshold_metric_id(inputs.threshold_metric_id.clone())
        .set_metric_name(inputs.metric_name.clone())
        .set_namespace(inputs.namespace.clone())
        .set_dimensions(Some(to_dimensions(&inputs.dimensions)).filter(|it| !it.is_empty()))
        .set_statistic(inputs.statistic.map(|it| name_of(it).as_str().into()))
        .set_extended_statistic(inputs.extended_statistic.clone())
        .set_period(inputs.period)
        .set_unit(inputs.unit.as_deref().map(Into::into))
        .set_metrics(Some(queries).filter(|it| !it.is_empty()))
        .treat_missing_data(name_of(inputs.treat_missing_data))
        .set_evaluate_low_sample_count_percentile(percentiles)
        .actions_enabled(inputs.actions_enabled)
        .set_alarm_actions(Some(inputs.alarm_actions.clone()))
        .set_ok_actions(Some(inputs.ok_actions.clone()))
        .set_insufficient_data_actions(Some(inputs.insufficient_data_actions.clone()))
        .set_evaluation_window(live.and_then(|it| it.evaluation_window.clone()))
        .set_warm_up_configuration(live.and_then(|it| it.warm_up_configuration.clone()))
        .set_action_configuration(live.and_then(|it| it.action_configuration.clone()))
        .set_tags(tags);
    request.send().await.explain().map(drop)
}

/// `DescribeAlarms`, by name.
struct DescribeAlarms;

impl Lookup for DescribeAlarms {
    type Key = String;
    type Found = types::MetricAlarm;
    const LIMIT: usize = 100;

    async fn load(aws: &Aws, names: Vec<String>) -> Result<HashMap<String, types::MetricAlarm>> {
        let request = aws.cloudwatch().describe_alarms().set_alarm_names(Some(names)).max_records(100);
        let alarms = request.alarm_types(types::AlarmType::MetricAlarm).send().await.explain()?.metric_alarms;
        Ok(alarms.unwrap_or_default().into_iter().filter_map(|it| Some((it.alarm_name.clone()?, it))).collect())
    }
}

/// The name, from itself or from an ARN, `arn:aws:cloudwatch:region:account:alarm:name`.
fn name_in(id: &str) -> Result<&str> {
    if !id.starts_with("arn:") {
        return Ok(id);
    }
    match id.split_once(":alarm:") {
        Some((_, name)) => Ok(name),
        None => bail!("{id} is not the ARN of an alarm, such as arn:aws:cloudwatch:eu-west-1:123456789012:alarm:name"),
    }
}

/// How far AWS looks back at most, in seconds and in words, by periods of so many seconds.
fn looks_back(period: i32) -> (i64, &'static str) {
    if period < 3600 { (86_400, "a day") } else { (7 * 86_400, "a week") }
}

fn is_period(seconds: i32) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || seconds % 60 == 0
}

fn to_dimensions(dimensions: &BTreeMap<String, String>) -> Vec<types::Dimension> {
    dimensions.iter().map(|(name, value)| types::Dimension::builder().name(name).value(value).build()).collect()
}

fn from_dimensions(dimensions: Option<Vec<types::Dimension>>) -> BTreeMap<String, String> {
    dimensions.unwrap_or_default().into_iter().filter_map(|it| Some((it.name?, it.value?))).collect()
}

fn to_tags(tags: &BTreeMap<String, String>) -> Vec<types::Tag> {
    tags.iter().map(|(key, value)| types::Tag::builder().key(key).value(value).build()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{check::Failure, value::Value};

    fn queries(queries: &serde_json::Value) -> AlarmInputs {
        let inputs = json!({
            "name": "failures",
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 3,
            "threshold": 5,
            "metricQueries": queries,
        });
        serde_json::from_value(inputs).unwrap()
    }

    fn metric(id: &str, name: &str, period: i32) -> serde_json::Value {
        let (namespace, dimensions) = ("AWS/ApplicationELB", json!({ "LoadBalancer": "app/web/1" }));
        json!({
            "id": id,
            "metric": { "metricName": name, "namespace": namespace, "dimensions": dimensions, "period": period, "stat": "Sum" },
        })
    }

    fn mistakes(inputs: &AlarmInputs) -> Vec<String> {
        let Value::Object(known) = Value::from(serde_json::to_value(inputs).unwrap()) else { unreachable!() };
        let mut report = Report::new(&known);
        Alarm::check(inputs, &mut report);
        report.into_findings().failures.iter().map(Failure::to_string).collect()
    }

    #[test]
    fn metric_math_comes_back_as_it_went() {
        let share = json!({ "id": "share", "expression": "100 * failed / all", "label": "failures", "returnData": true });
        let (failed, all) = (metric("failed", "HTTPCode_Target_5XX_Count", 60), metric("all", "RequestCount", 60));
        let inputs = queries(&json!([failed, all, share]));
        assert!(mistakes(&inputs).is_empty());
        let there = inputs.metric_queries.iter().map(AlarmMetricQuery::to_aws);
        assert_eq!(there.map(AlarmMetricQuery::from_aws).collect::<Vec<_>>(), inputs.metric_queries);
    }

    #[test]
    fn mistakes_in_queries_are_told() {
        let mut inputs = queries(&json!([metric("failed", "HTTPCode_Target_5XX_Count", 45), { "id": "share" }]));
        inputs.period = Some(60);
        let expected = [
            "period is for an alarm without metricQueries: set it in there",
            "metricQueries[1] needs one of expression and metric",
            "metricQueries[0].metric.period is 45, not 10, 20, 30 or a multiple of 60",
            "metricQueries has 0 with returnData, and needs 1: the one that is compared",
        ];
        assert_eq!(mistakes(&inputs), expected);
    }

    #[test]
    fn queries_need_a_period_and_ids_of_their_own() {
        let sql =
            json!({ "id": "load", "expression": "select AVG(CPUUtilization) FROM SCHEMA(\"AWS/ECS\")", "returnData": true });
        let mut insights = queries(&json!([sql]));
        let reason = "metricQueries[0].period is required: no metric gives the expression a period, in seconds, such as 60";
        assert_eq!(mistakes(&insights), [reason]);
        insights.metric_queries[0].period = Some(60);
        assert!(mistakes(&insights).is_empty());
        let share = json!({ "id": "all", "expression": "100 * all", "returnData": true });
        let same = queries(&json!([metric("all", "RequestCount", 60), share]));
        assert_eq!(mistakes(&same), ["metricQueries[1].id is all, as that of another query; AWS takes an id once"]);
    }

    #[test]
    fn a_band_may_go_without_return_data() {
        let band = json!({ "id": "band", "expression": "ANOMALY_DETECTION_BAND(all, 2)" });
        let mut all = metric("all", "RequestCount", 60);
        all["returnData"] = true.into();
        let mut inputs = queries(&json!([all, band]));
        inputs.threshold = None;
        inputs.threshold_metric_id = Some("band".to_owned());
        inputs.comparison_operator = AlarmComparison::GreaterThanUpperThreshold;
        assert!(mistakes(&inputs).is_empty());
        inputs.alarm_actions =
            vec!["arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:1:resource/ecs/x:policyName/y".to_owned()];
        let reason =
            "thresholdMetricId is set, but an alarm on an anomaly detection band cannot have a scaling policy among its actions";
        assert_eq!(mistakes(&inputs), [reason]);
    }

    #[test]
    fn settings_without_an_input_are_named() {
        let warm_up = types::WarmUpConfiguration::builder().warm_up_period_duration_in_minutes(5).build();
        let alarm = types::MetricAlarm::builder().alarm_name("it").warm_up_configuration(warm_up).build();
        assert_eq!(unsupported_settings(&alarm), ["warmUpConfiguration"]);
        assert!(unsupported_settings(&types::MetricAlarm::builder().build()).is_empty());
    }
}
