"""Service: what it runs, where, behind which load balancer, and how its deployments go."""

import json
import re

import pytest
from harness import OWNER, Lifecycle, run, tags

TASK = {
    "containerDefinitions": [{"name": "app", "image": "nginx", "portMappings": [{"containerPort": 8000}]}],
    "taskRoleArn": "arn:aws:iam::123456789012:role/app",
}
FIXTURES = {
    "cluster": {"type": "fargate:Cluster", "properties": {"name": "main"}},
    "one": {"type": "fargate:TaskDefinition", "properties": {"family": "one", **TASK}},
    "two": {"type": "fargate:TaskDefinition", "properties": {"family": "two", **TASK}},
}
TARGETS = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{}/0123456789abcdef"


def describe(stack, outputs):
    cluster, name = outputs["arn"].split("/")[1:]
    ecs = stack.aws("ecs")
    try:
        services = ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return None
    return next((it for it in services if it["status"] == "ACTIVE"), None)


def truth(stack, outputs):
    service = describe(stack, outputs)
    if not service:
        return None
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    deployment = service["deploymentConfiguration"]
    return {
        "cluster": service["clusterArn"].rsplit("/", 1)[1],
        "task": service["taskDefinition"].rsplit("/", 1)[1],
        "counts": (service["desiredCount"], service["runningCount"]),
        "capacity": service.get("launchType")
        or [(it["capacityProvider"], it["weight"], it["base"]) for it in service["capacityProviderStrategy"]],
        "subnets": sorted(network["subnets"]),
        "groups": sorted(network["securityGroups"]),
        "public": network["assignPublicIp"],
        "balancers": [(it["targetGroupArn"].split("/")[1], it["containerPort"]) for it in service["loadBalancers"]],
        "grace": service["healthCheckGracePeriodSeconds"],
        "percent": (deployment["minimumHealthyPercent"], deployment["maximumPercent"]),
        "breaker": (deployment["deploymentCircuitBreaker"]["enable"], deployment["deploymentCircuitBreaker"]["rollback"]),
        "alarms": deployment.get("alarms", {}).get("alarmNames", []),
        "exec": service["enableExecuteCommand"],
        "tagging": (service["enableECSManagedTags"], service["propagateTags"]),
        "tags": tags(service["tags"]),
    }


def test_service(stack):
    life = Lifecycle(
        type="Service",
        fixtures=FIXTURES,
        properties={
            "cluster": "${cluster.arn}",
            "taskDefinition": "${one.arn}",
            "desiredCount": 2,
            "networkConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"]},
            "loadBalancers": [
                {"targetGroupArn": TARGETS.format("web"), "containerName": "app", "containerPort": 8000}
            ],
            "alarms": {"alarmNames": ["too-slow"]},
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "cluster": "main",
            "task": "one:1",
            "counts": (2, 2),
            "capacity": "FARGATE",
            "subnets": ["subnet-1", "subnet-2"],
            "groups": ["sg-1"],
            "public": "DISABLED",
            "balancers": [("web", 8000)],
            "grace": 60,
            "percent": (100, 200),
            "breaker": (True, True),
            "alarms": ["too-slow"],
            "exec": False,
            "tagging": (True, "SERVICE"),
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "taskDefinition": "${two.arn}",
            "desiredCount": 3,
            "capacityProviderStrategies": [
                {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
                {"capacityProvider": "FARGATE_SPOT", "weight": 3},
            ],
            "networkConfiguration": {"subnets": ["subnet-2", "subnet-3"], "securityGroups": ["sg-2"], "assignPublicIp": True},
            "healthCheckGracePeriodSeconds": 120,
            # Room for all new tasks beside the old ones: ministack starts tasks of a deployment only once.
            "deploymentMaximumPercent": 300,
            "deploymentMinimumHealthyPercent": 50,
            "deploymentCircuitBreaker": {"rollback": False},
            "alarms": None,
            "enableExecuteCommand": True,
            "tags": {"team": "video"},
        },
        updated={
            "task": "two:1",
            "counts": (3, 3),
            "capacity": [("FARGATE", 1, 1), ("FARGATE_SPOT", 3, 0)],
            "subnets": ["subnet-2", "subnet-3"],
            "groups": ["sg-2"],
            "public": "ENABLED",
            "grace": 120,
            "percent": (50, 300),
            "breaker": (True, False),
            "alarms": [],
            "exec": True,
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("ecs").update_service(
            cluster="main", service=outputs["name"], desiredCount=1, taskDefinition="one:1", enableExecuteCommand=False
        ),
        replace={"name": "another"},
        replaced={},
        import_ids=lambda outputs: [outputs["arn"], f"main/{outputs['name']}"],
    )
    run(stack, life)


def program(stack, **properties):
    service = {
        "name": "web",
        "cluster": "${cluster.name}",
        "taskDefinition": "one:${one.revision}",
        "networkConfiguration": {"subnets": ["subnet-1", "subnet-2"]},
    }
    stack.write_program({**FIXTURES, "it": {"type": "fargate:Service", "properties": service | properties}})


def test_names_and_arns_mean_the_same(stack):
    program(stack)
    stack.up()
    program(
        stack,
        cluster="${cluster.arn}",
        taskDefinition="${one.arn}",
        launchType="FARGATE",
        networkConfiguration={"subnets": ["subnet-2", "subnet-1"], "assignPublicIp": False},
    )
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_tasks_are_told_to_start_anew(stack):
    program(stack, triggers={"secret": "1"})
    stack.up()
    before = describe(stack, stack.outputs())["deployments"]
    program(stack, triggers={"secret": "2"})
    assert stack.up() == {"update"}
    after = describe(stack, stack.outputs())["deployments"]
    assert [it["id"] for it in before] != [it["id"] for it in after]
    # What starts no deployment leaves the tasks alone.
    program(stack, triggers={"secret": "2"}, desiredCount=2, enableExecuteCommand=True)
    assert stack.up() == {"update"}
    assert [it["id"] for it in describe(stack, stack.outputs())["deployments"]] == [it["id"] for it in after]


def test_scaling_is_left_alone(stack):
    program(stack, waitForSteadyState=False)
    stack.up()
    assert describe(stack, stack.outputs())["desiredCount"] == 1
    stack.aws("ecs").update_service(cluster="main", service="web", desiredCount=3)
    stack.expect_no_changes()
    program(stack, waitForSteadyState=False, enableExecuteCommand=True)
    assert stack.up() == {"update"}
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.expect_no_changes()
    assert describe(stack, stack.outputs())["desiredCount"] == 3
    # Whoever says how many, gets as many, and keeps them when it is no longer said.
    program(stack, waitForSteadyState=False, enableExecuteCommand=True, desiredCount=2)
    assert stack.up() == {"update"}
    assert describe(stack, stack.outputs())["desiredCount"] == 2
    program(stack, waitForSteadyState=False, enableExecuteCommand=True)
    stack.expect_no_changes()


def test_tags_wait_for_no_deployment(stack, proxy):
    program(stack, tags={"a": "1"})
    stack.up()
    # As while tasks are being replaced.
    proxy.answers["DescribeServices"] = lambda text: re.sub(r'("runningCount": ?)[0-9]+', r"\g<1>0", text)
    before = describe(stack, stack.outputs())
    assert before["runningCount"] < before["desiredCount"]
    program(stack, tags={"b": "2"})
    assert stack.up() == {"update"}
    assert tags(describe(stack, stack.outputs())["tags"]) == {"b": "2"} | OWNER


def test_tasks_move_between_capacity_providers(stack):
    program(stack, capacityProviderStrategies=[{"capacityProvider": "FARGATE_SPOT"}])
    stack.up()

    def capacity():
        strategies = describe(stack, stack.outputs())["capacityProviderStrategy"]
        return [(it["capacityProvider"], it["weight"], it["base"]) for it in strategies]

    assert capacity() == [("FARGATE_SPOT", 1, 0)]
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.expect_no_changes()
    program(stack)
    assert stack.up() == {"update"}
    assert capacity() == [("FARGATE", 1, 0)]
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    program(stack, capacityProviderStrategies=[{"capacityProvider": "FARGATE", "weight": 1}])
    stack.expect_no_changes()


def test_a_name_that_is_taken_is_explained(stack):
    program(stack)
    stack.up()
    other = stack.other("other")
    service = {
        "name": "web",
        "cluster": "main",
        "taskDefinition": "one:1",
        "networkConfiguration": {"subnets": ["subnet-1", "subnet-2"]},
    }
    other.write_program({"it": {"type": "fargate:Service", "properties": service}})
    said = other.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "Service web in cluster main exists already" in said
    assert "pulumi import fargate:index:Service <resource> main/web" in said and "aliases" in said


@pytest.mark.parametrize("id", ["web", "main/web/1"])
def test_an_id_that_is_none_is_explained(stack, id):
    program(stack)
    said = stack.pulumi("import", "fargate:index:Service", "it", id, "--yes", "--skip-preview", fails=True)
    assert "give cluster/service, or its ARN" in said


def test_what_is_off_or_the_latest_does_not_differ_after_a_refresh(stack, proxy):
    # As AWS shows the version that LATEST is.
    latest = lambda text: re.sub(r'"platformVersion": ?"(LATEST)?"', '"platformVersion": "1.4.0"', text)
    proxy.answers["DescribeServices"] = latest
    off = {
        "platformVersion": "LATEST",
        "healthCheckGracePeriodSeconds": 300,
        "alarms": {"alarmNames": [], "enable": False},
        "capacityProviderStrategies": [],
        "loadBalancers": [],
        "deploymentController": {"type": "ECS"},
        "schedulingStrategy": "REPLICA",
        "placementConstraints": [],
    }
    program(stack, **off)
    stack.up()
    stack.expect_no_changes("--refresh")
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    # What is only written out, or left out again, changes nothing.
    before = describe(stack, stack.outputs())["deployments"]
    program(stack, platformVersion="LATEST", enableExecuteCommand=True)
    assert stack.up() == {"update"}
    assert [it["id"] for it in before] == [it["id"] for it in describe(stack, stack.outputs())["deployments"]]


def with_settings(text):
    """A service that CodeDeploy deploys, with parts that this provider has no inputs for."""
    answer = json.loads(text)
    for it in answer["services"]:
        it["deploymentController"] = {"type": "CODE_DEPLOY"}
        it["deploymentConfiguration"]["lifecycleHooks"] = [{"hookTargetArn": "arn:of:hook", "roleArn": "arn:of:role"}]
        for deployment in it["deployments"]:
            deployment["serviceConnectConfiguration"] = {"enabled": True, "namespace": "main"}
    return json.dumps(answer)


def test_settings_without_an_input_are_named_and_kept(stack, proxy):
    program(stack)
    stack.up()
    proxy.answers["DescribeServices"] = with_settings
    importing = stack.other("import")
    said = importing.pulumi("import", "fargate:index:Service", "it", "main/web", "--yes", "--skip-preview", fails=True)
    names = "deploymentController CODE_DEPLOY, serviceConnectConfiguration, deploymentConfiguration.lifecycleHooks"
    assert f"cannot be imported: this provider does not support {names}" in said
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.outputs()["unsupportedSettings"] == names.split(", ")
    program(stack, deploymentMaximumPercent=150, desiredCount=2)
    stack.up()
    proxy.answers.clear()
    hooks = describe(stack, stack.outputs())["deploymentConfiguration"].get("lifecycleHooks")
    assert [it["hookTargetArn"] for it in hooks] == ["arn:of:hook"], "the update did not send what it does not know"


def test_mistakes_show_in_the_preview(stack):
    program(
        stack,
        taskDefinition="one",
        launchType="EC2",
        desiredCount=1,
        deploymentMaximumPercent=150,
        capacityProviderStrategies=[{"capacityProvider": "FARGATE_SPOT", "weight": 0}],
    )
    said = stack.pulumi("preview", fails=True)
    assert 'taskDefinition is "one", which is not the ARN of a task definition with its revision, or family:revision' in said
    assert "launchType is EC2; services run on FARGATE here, so leave it out" in said
    assert "launchType is set beside capacityProviderStrategies; AWS takes one of them" in said
    assert "capacityProviderStrategies has no weight above 0" in said
    assert "of 1 task a deployment may neither stop one nor start another" in said
