"""ScalableTarget."""

import time
from concurrent.futures import ThreadPoolExecutor

from aws_proxy import Proxy
from harness import OWNER, Lifecycle, run


def service(stack, name):
    """An ECS service for the target; ministack asks for no more than this."""
    ecs = stack.aws("ecs")
    ecs.create_cluster(clusterName="main")
    ecs.register_task_definition(family=name, containerDefinitions=[{"name": name, "image": name, "memory": 128}])
    ecs.create_service(cluster="main", serviceName=name, taskDefinition=name, desiredCount=1)
    return f"service/main/{name}"


def truth(stack, outputs):
    client = stack.aws("application-autoscaling")
    found = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[outputs["resourceId"]])["ScalableTargets"]
    if not found:
        return None
    target = found[0]
    return {
        "arn": target["ScalableTargetARN"] == outputs["arn"],
        "dimension": target["ScalableDimension"],
        "capacity": (target["MinCapacity"], target["MaxCapacity"]),
        "suspended": sorted(key for key, it in target["SuspendedState"].items() if it),
        "tags": client.list_tags_for_resource(ResourceARN=outputs["arn"])["Tags"],
    }


def test_scalable_target(stack):
    app, worker = service(stack, "app"), service(stack, "worker")
    life = Lifecycle(
        type="ScalableTarget",
        properties={"resourceId": app, "minCapacity": 1, "maxCapacity": 4, "tags": {"stage": "test"}},
        truth=truth,
        expected={
            "arn": True,
            "dimension": "ecs:service:DesiredCount",
            "capacity": (1, 4),
            "suspended": [],
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "minCapacity": 0,
            "maxCapacity": 10,
            "suspendedState": {"dynamicScalingInSuspended": True},
            "tags": {"team": "video"},
        },
        updated={
            "capacity": (0, 10),
            "suspended": ["DynamicScalingInSuspended"],
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=outputs["resourceId"],
            ScalableDimension="ecs:service:DesiredCount",
            MaxCapacity=100,
        ),
        replace={"resourceId": worker},
        replaced={},
        import_ids=lambda outputs: [
            outputs["id"],
            outputs["resourceId"],
            f"arn:aws:ecs:us-east-1:123456789012:{outputs['resourceId']}",
        ],
    )
    run(stack, life)


def test_a_target_that_is_there_is_left_alone(stack):
    app = service(stack, "app")
    client = stack.aws("application-autoscaling")
    key = {"ServiceNamespace": "ecs", "ResourceId": app, "ScalableDimension": "ecs:service:DesiredCount"}
    client.register_scalable_target(**key, MinCapacity=2, MaxCapacity=3)
    properties = {"resourceId": app, "minCapacity": 1, "maxCapacity": 9}
    stack.write_program({"it": {"type": "fargate:ScalableTarget", "properties": properties}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert f"{app} is scaled already; take that target over" in said and "aliases" in said
    assert f"ScalableTarget <resource> ecs/{app}/ecs:service:DesiredCount" in said
    found = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[app])["ScalableTargets"]
    assert (found[0]["MinCapacity"], found[0]["MaxCapacity"]) == (2, 3)


def test_a_target_from_before_there_were_arns(stack):
    name = "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING"
    app = service(stack, "app")
    properties = {"resourceId": app, "minCapacity": 1, "maxCapacity": 4, "tags": {"a": "1"}}
    program = {"it": {"type": "fargate:ScalableTarget", "properties": properties}}
    with Proxy(stack.environment[name]) as proxy:
        stack.environment[name] = proxy.url
        stack.write_program(program)
        stack.up()
        proxy.answers["DescribeScalableTargets"] = lambda text: text.replace("ScalableTargetARN", "Unknown")
        stack.pulumi("refresh", "--yes", "--skip-preview")
        assert stack.outputs()["arn"] == ""
        # Registered again, it has an ARN by which it is tagged.
        proxy.answers.clear()
        properties["tags"] = {"b": "2"}
        stack.write_program(program)
        assert stack.up() == {"update"}
        found = truth(stack, stack.outputs())
        assert found["arn"] and found["tags"].items() >= ({"b": "2"} | OWNER).items()


def test_mistakes_are_told_together(stack):
    properties = {"resourceId": "app", "minCapacity": 5, "maxCapacity": 2, "serviceNamespace": "elasticache"}
    stack.write_program({"it": {"type": "fargate:ScalableTarget", "properties": properties}})
    said = stack.pulumi("preview", fails=True)
    assert "minCapacity is 5, more than maxCapacity, which is 2" in said
    assert 'resourceId is "app", which does not have the form replication-group/id' in said
    assert "scalableDimension is ecs:service:DesiredCount, which serviceNamespace elasticache does not have" in said


def test_waits_for_a_service_that_aws_has_not_heard_of_yet(stack):
    properties = {"resourceId": "service/main/app", "minCapacity": 1, "maxCapacity": 4}
    stack.write_program({"it": {"type": "fargate:ScalableTarget", "properties": properties}})
    with ThreadPoolExecutor() as threads:
        up = threads.submit(stack.pulumi, "up", "--yes", "--skip-preview")
        time.sleep(4)
        assert not up.done()
        service(stack, "app")
    assert "waiting for AWS: ECS service doesn't exist" in up.result()
    stack.expect_no_changes()
