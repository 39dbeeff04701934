"""What a preview knows of one resource's fit with another, and of deployments that take long. Nothing is called for it."""

from harness import UNREACHABLE

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{}/0123456789abcdef"


def program(stack, port=8000, group=None, **service):
    """A web service whose container listens on port 8000."""
    logs = {"logDriver": "splunk", "options": {"splunk-url": "https://splunk", "splunk-token": "t"}}
    container = {"name": "app", "image": "nginx", "portMappings": [{"containerPort": 8000}], "logConfiguration": logs}
    balancer = {"targetGroupArn": "${targets.arn}", "containerName": "app", "containerPort": port}
    properties = {
        "name": "web",
        "cluster": "${cluster.name}",
        "taskDefinition": "${task.arn}",
        "networkConfiguration": {"subnets": ["subnet-1"]},
        "loadBalancers": [balancer],
    }
    resources = {
        "cluster": {"type": "fargate:Cluster", "properties": {"name": "main"}},
        "task": {"type": "fargate:TaskDefinition", "properties": {"family": "web", "containerDefinitions": [container]}},
        "targets": {"type": "fargate:TargetGroup", "properties": {"name": "web", "vpcId": "vpc-1", **(group or {})}},
        "it": {"type": "fargate:Service", "properties": properties | service},
    }
    stack.write_program(resources)


def foretold(stack, **options):
    """What a preview says at its end, with AWS out of reach."""
    said = stack.pulumi("preview", AWS_ENDPOINT_URL=UNREACHABLE, **options)
    _, _, diagnostics = said.partition("Diagnostics:")
    return diagnostics


REASON = "is 80, which is not in portMappings of container app of task definition web; it has 8000"


def test_a_port_that_no_container_has_is_refused_before_anything_is_created(stack, proxy):
    program(stack)
    assert foretold(stack) == ""
    program(stack, port=80)
    diagnostics = foretold(stack, fails=True)
    assert "fargate:index:Service (it):\n" in diagnostics and "warning:" not in diagnostics
    elsewhere = "if it refers to a resource of another package, create that one first, with --target"
    error = f"error: fargate:index:Service resource 'it' has a problem: loadBalancers[0].containerPort {REASON}; {elsewhere}\n"
    assert diagnostics.count(error) == 1

    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    error = f"error: fargate:index:Service resource 'it' has a problem: loadBalancers[0].containerPort {REASON}\n"
    assert error in said and "warning:" not in said
    assert proxy.counts["RegisterTaskDefinition"] == 1 and not proxy.counts["CreateService"]


def test_capacity_comes_from_the_cluster(stack):
    program(stack, capacityProviderStrategies=[{"capacityProvider": "FARGATE-SPOT"}])
    diagnostics = foretold(stack, fails=True)
    assert 'capacityProvider is "FARGATE-SPOT", which is not a capacity provider of AWS; did you mean FARGATE_SPOT?' in diagnostics


def test_what_is_known_is_refused_in_the_preview(stack):
    program(stack)
    stack.up()
    assert foretold(stack) == ""
    program(stack, port=80)
    diagnostics = foretold(stack, fails=True)
    assert f"error: fargate:index:Service resource 'it' has a problem: loadBalancers[0].containerPort {REASON}\n" in diagnostics
    assert diagnostics.count("error:") == 1


def test_a_slow_deployment_is_told_of_once_with_the_setting_that_makes_it_so(stack):
    warning = (
        "warning: a deployment that replaces all tasks may take about 17 min; with deregistrationDelay 30 instead of 900 in target "
        "group web, about 2 min (40 s to start, 20 s to become healthy, 930 s until the old ones have ended)\n"
    )
    program(stack, group={"deregistrationDelay": 900})
    stack.pulumi("up", "--yes", "--skip-preview", "--target", "**task", "--target", "**targets")
    diagnostics = foretold(stack)
    assert diagnostics.count(warning) == 1
    stack.up()
    assert foretold(stack) == "", "nothing changes"


def test_roles_are_asked_what_they_are_for(stack):
    def role(service, **more):
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        return {"type": "fargate:Role", "properties": {"assumeRolePolicy": {"Statement": [statement]}, **more}}

    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    # Its ARN is not known before it is made.
    secrets = [{"name": "TOKEN", "valueFrom": "${cluster.arn}"}]
    logs = {"logDriver": "splunk", "options": {"splunk-url": "https://splunk", "splunk-token": "t"}}
    task = {
        "executionRoleArn": "${starter.arn}",
        "containerDefinitions": [{"name": "app", "image": "nginx", "secrets": secrets, "logConfiguration": logs}],
    }
    resources = {
        "cluster": {"type": "fargate:Cluster"},
        "starter": role("ecs-tasks.amazonaws.com", name="starter", managedPolicyArns=[policy]),
        "it": {"type": "fargate:TaskDefinition", "properties": task},
    }
    stack.write_program(resources)
    diagnostics = foretold(stack)
    assert diagnostics.count("warning:") == 1
    assert (
        "warning: executionRoleArn is role starter, which is not allowed secretsmanager:GetSecretValue or ssm:GetParameters, but "
        "container app needs that to read its secrets; allow it in inlinePolicies of the role\n"
    ) in diagnostics

    resources["starter"] = role("lambda.amazonaws.com", name="starter", inlinePolicies={"all": {"Statement": []}})
    stack.write_program(resources)
    reason = "is role starter, which tasks may not act as; allow ecs-tasks.amazonaws.com to do sts:AssumeRole in its assumeRolePolicy"
    assert f"error: fargate:index:TaskDefinition resource 'it' has a problem: executionRoleArn {reason}; if it refers" in foretold(
        stack, fails=True
    )
