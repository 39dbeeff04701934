"""ScalingPolicy."""

from harness import Lifecycle, run
from test_scalable_target import service


def find(stack, outputs):
    # The local AWS does not look at PolicyNames.
    client = stack.aws("application-autoscaling")
    found = client.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=outputs["resourceId"])["ScalingPolicies"]
    return next((it for it in found if it["PolicyName"] == outputs["name"]), None)


def truth(stack, outputs):
    policy = find(stack, outputs)
    if policy is None:
        return None
    return {
        "arn": policy["PolicyARN"] == outputs["arn"],
        "type": policy["PolicyType"],
        "tracking": policy.get("TargetTrackingScalingPolicyConfiguration"),
        "step": policy.get("StepScalingPolicyConfiguration"),
    }


def target(resource):
    properties = {"resourceId": resource, "minCapacity": 1, "maxCapacity": 10}
    return {"type": "fargate:ScalableTarget", "properties": properties}


def tracking(value, **more):
    metric = {"predefinedMetricType": "ECSServiceAverageCPUUtilization"}
    return {"targetValue": value, "predefinedMetricSpecification": metric} | more


def test_target_tracking(stack):
    app = service(stack, "app")
    facts = {
        "TargetValue": 60.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        "ScaleOutCooldown": 60,
        "ScaleInCooldown": 300,
        "DisableScaleIn": False,
    }
    customized = {
        "metrics": [
            {
                "id": "depth",
                "metricStat": {
                    "metric": {
                        "namespace": "Video",
                        "metricName": "QueueDepth",
                        "dimensions": [{"name": "Queue", "value": "celery"}],
                    },
                    "stat": "Average",
                },
                "returnData": False,
            },
            {"id": "backlog", "expression": "depth / 2"},
        ],
    }
    life = Lifecycle(
        type="ScalingPolicy",
        fixtures={"target": target(app)},
        properties={"resourceId": "${target.resourceId}", "targetTrackingScalingPolicyConfiguration": tracking(60)},
        truth=truth,
        expected={"arn": True, "type": "TargetTrackingScaling", "tracking": facts, "step": None},
        update={
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 7.5,
                "customizedMetricSpecification": customized,
                "scaleInCooldown": 600,
                "disableScaleIn": True,
            }
        },
        updated={
            "tracking": {
                "TargetValue": 7.5,
                "CustomizedMetricSpecification": {
                    "Metrics": [
                        {
                            "Id": "depth",
                            "MetricStat": {
                                "Metric": {
                                    "Namespace": "Video",
                                    "MetricName": "QueueDepth",
                                    "Dimensions": [{"Name": "Queue", "Value": "celery"}],
                                },
                                "Stat": "Average",
                            },
                            "ReturnData": False,
                        },
                        {"Id": "backlog", "Expression": "depth / 2", "ReturnData": True},
                    ]
                },
                "ScaleOutCooldown": 60,
                "ScaleInCooldown": 600,
                "DisableScaleIn": True,
            }
        },
        drift=lambda stack, outputs: stack.aws("application-autoscaling").put_scaling_policy(
            PolicyName=outputs["name"],
            ServiceNamespace="ecs",
            ResourceId=outputs["resourceId"],
            ScalableDimension="ecs:service:DesiredCount",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=facts | {"TargetValue": 99.0},
        ),
        replace={"name": "another"},
        replaced={},
        exclusive=True,
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_step_scaling(stack):
    app = service(stack, "app")
    life = Lifecycle(
        type="ScalingPolicy",
        fixtures={"target": target(app)},
        properties={
            "resourceId": "${target.resourceId}",
            "stepScalingPolicyConfiguration": {
                "adjustmentType": "ChangeInCapacity",
                "metricAggregationType": "Maximum",
                "cooldown": 60,
                "stepAdjustments": [
                    {"metricIntervalLowerBound": 0, "metricIntervalUpperBound": 80, "scalingAdjustment": 2},
                    {"metricIntervalLowerBound": 80, "scalingAdjustment": 5},
                ],
            },
        },
        truth=truth,
        expected={
            "arn": True,
            "type": "StepScaling",
            "tracking": None,
            "step": {
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Maximum",
                "Cooldown": 60,
                "StepAdjustments": [
                    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 80.0, "ScalingAdjustment": 2},
                    {"MetricIntervalLowerBound": 80.0, "ScalingAdjustment": 5},
                ],
            },
        },
        update={
            "stepScalingPolicyConfiguration": {
                "adjustmentType": "PercentChangeInCapacity",
                "minAdjustmentMagnitude": 2,
                "stepAdjustments": [{"metricIntervalUpperBound": 0, "scalingAdjustment": -10}],
            }
        },
        updated={
            "step": {
                "AdjustmentType": "PercentChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": 300,
                "MinAdjustmentMagnitude": 2,
                "StepAdjustments": [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -10}],
            }
        },
        drift=lambda stack, outputs: stack.aws("application-autoscaling").put_scaling_policy(
            PolicyName=outputs["name"],
            ServiceNamespace="ecs",
            ResourceId=outputs["resourceId"],
            ScalableDimension="ecs:service:DesiredCount",
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "PercentChangeInCapacity",
                "MinAdjustmentMagnitude": 2,
                "StepAdjustments": [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -50}],
            },
        ),
        replace={"name": "another"},
        replaced={},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_a_policy_that_is_there_is_left_alone(stack):
    app = service(stack, "app")
    client = stack.aws("application-autoscaling")
    key = {"ServiceNamespace": "ecs", "ResourceId": app, "ScalableDimension": "ecs:service:DesiredCount"}
    client.register_scalable_target(**key, MinCapacity=1, MaxCapacity=3)
    metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    theirs = {"TargetValue": 20.0, "PredefinedMetricSpecification": metric}
    client.put_scaling_policy(
        PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=theirs, **key
    )
    properties = {"name": "cpu", "resourceId": app, "targetTrackingScalingPolicyConfiguration": tracking(60)}
    stack.write_program({"it": {"type": "fargate:ScalingPolicy", "properties": properties}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert f"ScalingPolicy cpu of {app} exists already" in said and "aliases" in said
    assert f"ScalingPolicy <resource> ecs/{app}/ecs:service:DesiredCount/cpu" in said
    policy = find(stack, properties)
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 20.0


def test_there_is_room_for_one_policy_of_a_metric(stack):
    app = service(stack, "app")
    policy = {"name": "cpu", "resourceId": "${target.resourceId}", "targetTrackingScalingPolicyConfiguration": tracking(60)}
    resources = {"target": target(app), "it": {"type": "fargate:ScalingPolicy", "properties": policy}}
    stack.write_program(resources)
    stack.up()
    # Another name: the old one goes first.
    policy["name"] = "load"
    stack.write_program(resources)
    steps = [it for it in stack.steps() if it in ("create-replacement", "delete-replaced")]
    assert steps == ["delete-replaced", "create-replacement"]
    # Another one, in the same program and in another.
    other = {"type": "fargate:ScalingPolicy", "properties": policy | {"name": "other"}}
    stack.write_program(resources | {"other": other})
    said = stack.pulumi("preview", fails=True)
    assert f"of {app}, and AWS has room for one; merge them, or track another metric" in said
    stack.write_program({"target": target(app), "renamed": other})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert f"{app} has a scaling policy load already, which tracks the same metric, and AWS has room for one" in said
    assert "by the option aliases" in said


def test_mistakes_are_told_together(stack):
    steps = [
        {"metricIntervalLowerBound": 0, "metricIntervalUpperBound": 10, "scalingAdjustment": 1},
        {"metricIntervalLowerBound": 20, "scalingAdjustment": 2},
    ]
    properties = {
        "resourceId": "service/main/app",
        "policyType": "TargetTrackingScaling",
        "stepScalingPolicyConfiguration": {
            "adjustmentType": "ChangeInCapacity",
            "stepAdjustments": steps,
            "minAdjustmentMagnitude": 2,
        },
    }
    stack.write_program({"it": {"type": "fargate:ScalingPolicy", "properties": properties}})
    said = stack.pulumi("preview", fails=True)
    assert "policyType is not what is configured" in said
    assert "stepScalingPolicyConfiguration.stepAdjustments leaves a gap between 10 and 20" in said
    assert "stepScalingPolicyConfiguration.minAdjustmentMagnitude is for an adjustmentType of PercentChangeInCapacity" in said
