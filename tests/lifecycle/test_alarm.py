"""Alarm."""

import pytest

from harness import OWNER, Lifecycle, run, tags

TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"
POLICY = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/main/app:policyName/out"


def truth(stack, outputs):
    cloudwatch = stack.aws("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNames=[outputs["name"]])["MetricAlarms"]
    if not found:
        return None
    alarm = found[0]
    return {
        "arn": alarm["AlarmArn"] == outputs["arn"],
        "description": alarm.get("AlarmDescription", ""),
        "metric": (alarm["Namespace"], alarm["MetricName"]),
        "dimensions": {it["Name"]: it["Value"] for it in alarm["Dimensions"]},
        # With an extended statistic, the local AWS makes up a plain one beside it.
        "statistic": alarm.get("ExtendedStatistic") or alarm["Statistic"],
        "periods": (alarm["Period"], alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm")),
        "condition": (alarm["ComparisonOperator"], alarm["Threshold"]),
        "missing": alarm["TreatMissingData"],
        "enabled": alarm["ActionsEnabled"],
        "actions": (sorted(alarm["AlarmActions"]), alarm["OKActions"], alarm["InsufficientDataActions"]),
        "tags": tags(cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]),
    }


def drift(stack, outputs):
    """Somebody moves the threshold by hand."""
    cloudwatch = stack.aws("cloudwatch")
    alarm = cloudwatch.describe_alarms(AlarmNames=[outputs["name"]])["MetricAlarms"][0]
    kept = ["AlarmName", "Namespace", "MetricName", "Dimensions", "ExtendedStatistic", "Period", "EvaluationPeriods"]
    kept += ["ComparisonOperator"]
    cloudwatch.put_metric_alarm(**{it: alarm[it] for it in kept}, Threshold=1.0, AlarmActions=[TOPIC])


def test_alarm(stack):
    life = Lifecycle(
        type="Alarm",
        properties={
            "alarmDescription": "More jobs wait than the workers can take",
            "namespace": "Video",
            "metricName": "QueueDepth",
            "dimensions": {"Queue": "celery"},
            "statistic": "Maximum",
            "period": 60,
            "evaluationPeriods": 1,
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "threshold": 20,
            "treatMissingData": "notBreaching",
            "alarmActions": [POLICY, TOPIC],
            "okActions": [TOPIC],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "arn": True,
            "description": "More jobs wait than the workers can take",
            "metric": ("Video", "QueueDepth"),
            "dimensions": {"Queue": "celery"},
            "statistic": "Maximum",
            "periods": (60, 1, None),
            "condition": ("GreaterThanOrEqualToThreshold", 20.0),
            "missing": "notBreaching",
            "enabled": True,
            "actions": (sorted([POLICY, TOPIC]), [TOPIC], []),
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "alarmDescription": None,
            "statistic": None,
            "extendedStatistic": "p99",
            "period": 300,
            "evaluationPeriods": 3,
            "datapointsToAlarm": 2,
            "comparisonOperator": "LessThanThreshold",
            "threshold": 0.5,
            "treatMissingData": None,
            "actionsEnabled": False,
            "alarmActions": [POLICY],
            "okActions": None,
            "insufficientDataActions": [TOPIC],
            "tags": {"team": "video"},
        },
        updated={
            "description": "",
            "statistic": "p99",
            "periods": (300, 3, 2),
            "condition": ("LessThanThreshold", 0.5),
            "missing": "missing",
            "enabled": False,
            "actions": ([POLICY], [], [TOPIC]),
            "tags": {"team": "video"} | OWNER,
        },
        drift=drift,
        replace={"name": "another"},
        replaced={},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)


def test_an_alarm_that_is_there_is_left_alone(stack):
    cloudwatch = stack.aws("cloudwatch")
    alarm = {
        "namespace": "Video",
        "metricName": "QueueDepth",
        "statistic": "Sum",
        "period": 60,
        "evaluationPeriods": 1,
        "comparisonOperator": "GreaterThanThreshold",
        "threshold": 5.0,
    }
    theirs = {key[0].upper() + key[1:]: it for key, it in alarm.items()}
    cloudwatch.put_metric_alarm(AlarmName="deep", **theirs)
    stack.write_program({"it": {"type": "fargate:Alarm", "properties": alarm | {"name": "deep", "threshold": 9}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "Alarm deep exists already" in said and "pulumi import fargate:index:Alarm <resource> deep" in said
    assert cloudwatch.describe_alarms(AlarmNames=["deep"])["MetricAlarms"][0]["Threshold"] == 5.0


METRIC = (
    {
        "metricName": "QueueDepth",
        "period": 45,
        "evaluationPeriods": 1,
        "datapointsToAlarm": 2,
        "comparisonOperator": "GreaterThanThreshold",
        "alarmActions": ["pager"],
    },
    [
        "alarmActions[0] is \"pager\", which is not an ARN",
        "datapointsToAlarm is 2, more than evaluationPeriods, which is 1",
        "namespace is required, unless there are metricQueries",
        "period is 45, not 10, 20, 30 or a multiple of 60",
        "statistic or extendedStatistic is required, one of the two, unless there are metricQueries",
        "threshold or thresholdMetricId: an alarm compares with one of the two",
    ],
)
QUERIES = (
    {
        "evaluationPeriods": 1,
        "comparisonOperator": "GreaterThanThreshold",
        "threshold": 5,
        "metricQueries": [
            {"id": "load", "expression": 'SELECT AVG(CPUUtilization) FROM "AWS/ECS"', "returnData": True},
            {"id": "load", "expression": "lod / 2", "metric": {"metricName": "X", "period": 60, "stat": "Sum"}},
        ],
    },
    [
        "metricQueries[0].period is required: no metric gives the expression a period, in seconds, such as 60",
        "metricQueries[1] needs one of expression and metric",
        "metricQueries[1].id is load, as that of another query; AWS takes an id once",
        "metricQueries[1].expression refers to lod, which is not the id of any of these queries",
    ],
)


@pytest.mark.parametrize(("properties", "mistakes"), [METRIC, QUERIES], ids=["metric", "queries"])
def test_mistakes_are_told_together(stack, properties, mistakes):
    stack.write_program({"it": {"type": "fargate:Alarm", "properties": properties}})
    said = stack.pulumi("preview", fails=True)
    assert [it for it in mistakes if it not in said] == []


def test_a_name_is_there_once_and_what_means_nothing_does_not_differ(stack):
    alarm = {
        "name": "deep",
        "namespace": "Video",
        "metricName": "QueueDepth",
        "statistic": "Sum",
        "period": 60,
        "evaluationPeriods": 1,
        "comparisonOperator": "GreaterThanThreshold",
        "threshold": 5,
        # Without percentiles it means nothing, and AWS shows nothing of it.
        "evaluateLowSampleCountPercentiles": "ignore",
    }
    stack.write_program({"it": {"type": "fargate:Alarm", "properties": alarm}})
    stack.up()
    stack.expect_no_changes("--refresh")
    # The same in a second resource.
    stack.write_program({name: {"type": "fargate:Alarm", "properties": alarm} for name in ("it", "that")})
    said = stack.pulumi("preview", fails=True)
    assert 'name is "deep", as that of Alarm ' in said
