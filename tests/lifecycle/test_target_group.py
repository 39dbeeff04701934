"""TargetGroup."""

from harness import OWNER, Lifecycle, query_refusal, run, tags


def truth(stack, outputs):
    elb = stack.aws("elbv2")
    try:
        group = elb.describe_target_groups(TargetGroupArns=[outputs["arn"]])["TargetGroups"][0]
    except elb.exceptions.TargetGroupNotFoundException:
        return None
    attributes = elb.describe_target_group_attributes(TargetGroupArn=outputs["arn"])["Attributes"]
    attributes = {it["Key"]: it["Value"] for it in attributes}
    assert outputs["arn"].endswith(f":{outputs['arnSuffix']}")
    assert outputs["arnSuffix"].startswith(f"targetgroup/{outputs['name']}/")
    return {
        "type": group["TargetType"],
        "port": group["Port"],
        "protocol": group["Protocol"],
        "path": group["HealthCheckPath"],
        "interval": (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"]),
        "thresholds": (group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]),
        "statuses": group["Matcher"]["HttpCode"],
        "delay": attributes["deregistration_delay.timeout_seconds"],
        "algorithm": attributes.get("load_balancing.algorithm.type", "round_robin"),
        "slow start": attributes.get("slow_start.duration_seconds", "0"),
        "sticky": (attributes["stickiness.enabled"], attributes["stickiness.type"]),
        "cookie": attributes.get("stickiness.app_cookie.cookie_name"),
        "tags": tags(elb.describe_tags(ResourceArns=[outputs["arn"]])["TagDescriptions"][0]["Tags"]),
    }


def test_target_group(stack):
    vpc = stack.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    life = Lifecycle(
        type="TargetGroup",
        properties={
            "vpcId": vpc,
            "port": 8000,
            "healthCheck": {"path": "/health", "interval": 15},
            "stickiness": {"type": "app_cookie", "cookieName": "session"},
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "type": "ip",
            "port": 8000,
            "protocol": "HTTP",
            "path": "/health",
            "interval": (15, 5),
            "thresholds": (2, 3),
            "statuses": "200-399",
            "delay": "30",
            "algorithm": "least_outstanding_requests",
            "slow start": "0",
            "sticky": ("true", "app_cookie"),
            "cookie": "session",
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "healthCheck": {"path": "/health", "matcher": "200,204", "unhealthyThreshold": 5},
            "stickiness": None,
            "deregistrationDelay": 5,
            "loadBalancingAlgorithmType": "round_robin",
            "slowStart": 60,
            "tags": {"team": "video"},
        },
        updated={
            "interval": (10, 5),
            "thresholds": (2, 5),
            "statuses": "200,204",
            "sticky": ("false", "lb_cookie"),
            "delay": "5",
            "algorithm": "round_robin",
            "slow start": "60",
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("elbv2").modify_target_group(
            TargetGroupArn=outputs["arn"], HealthCheckPath="/", HealthCheckIntervalSeconds=30
        ),
        replace={"port": 9000},
        replaced={"port": 9000, "cookie": None},  # the new one never had one
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)


def test_a_target_group_of_instances_is_refused_with_the_reason(stack):
    properties = {"vpcId": "vpc-1", "targetType": "instance"}
    stack.write_program({"it": {"type": "fargate:TargetGroup", "properties": properties}})
    said = stack.pulumi("preview", fails=True)
    assert 'targetType is "instance", but Fargate tasks (network mode awsvpc) have addresses of their own' in " ".join(said.split())


def test_grpc_needs_no_more_than_its_name(stack):
    """On moto: ministack does not know the codes of gRPC."""
    for service in ("ec2", "elbv2", "elastic_load_balancing_v2"):  # as boto3 and as the SDK of the provider call it
        stack.use_moto(service)
    vpc = stack.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]

    def write(**check):
        properties = {"vpcId": vpc, "protocolVersion": "GRPC", "healthCheck": check}
        stack.write_program({"it": {"type": "fargate:TargetGroup", "properties": properties}})

    def shown():
        group = stack.aws("elbv2").describe_target_groups(TargetGroupArns=[stack.outputs()["arn"]])["TargetGroups"][0]
        return group["HealthCheckPath"], group["Matcher"]["GrpcCode"]

    write()
    stack.up()
    # A server that has no such method says so by 12.
    assert shown() == ("/AWS.ALB/healthcheck", "12")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.expect_no_changes()
    write(path="/grpc.health.v1.Health/Check")
    assert stack.up() == {"update"}
    assert shown()[0] == "/grpc.health.v1.Health/Check"  # moto does not change the code


def test_what_uses_a_target_group_is_named(stack, proxy):
    ec2, elb = stack.aws("ec2"), stack.aws("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = {"type": "fargate:TargetGroup", "properties": {"vpcId": vpc}, "options": {"customTimeouts": {"delete": "2s"}}}
    stack.write_program({"it": group})
    stack.up()
    targets = stack.outputs()["arn"]
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]][:2]
    balancer = elb.create_load_balancer(Name="other", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": targets}]
    listener = elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=forward)
    listener = listener["Listeners"][0]["ListenerArn"]
    conditions = [{"Field": "path-pattern", "Values": ["/"]}]
    rule = elb.create_rule(ListenerArn=listener, Priority=1, Conditions=conditions, Actions=forward)["Rules"][0]["RuleArn"]

    # The local AWS would delete it.
    refused = query_refusal("ResourceInUse", f"Target group '{targets}' is currently in use by a listener or a rule")
    proxy.refusals["DeleteTargetGroup"] = refused
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"it is in use by listener {listener}, rule {rule}; delete that first, or let it forward elsewhere" in said
    assert proxy.counts["DeleteTargetGroup"] > 1, "a listener may just be going"
    proxy.refusals.clear()
    stack.pulumi("destroy", "--yes", "--skip-preview")


def test_what_a_health_check_leaves_out_again_is_shown_and_nothing_else_is_sent(stack):
    elb = stack.aws("elbv2")
    vpc = stack.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]

    def write(**check):
        properties = {"vpcId": vpc, "healthCheck": check}
        stack.write_program({"it": {"type": "fargate:TargetGroup", "properties": properties}})

    def shown():
        group = elb.describe_target_groups(TargetGroupArns=[stack.outputs()["arn"]])["TargetGroups"][0]
        return group["HealthCheckPath"], group["Matcher"]["HttpCode"], group["HealthCheckIntervalSeconds"]

    write(path="/healthz", matcher="204", interval=10)
    stack.up()
    assert shown() == ("/healthz", "204", 10)
    write(interval=20)
    said = stack.pulumi("preview", "--diff")
    assert all(name in said for name in ("path", "matcher", "interval")), said
    assert stack.up() == {"update"}
    assert shown() == ("/", "200-399", 20)

    # What the preview does not show stays as it is.
    elb.modify_target_group(TargetGroupArn=stack.outputs()["arn"], HealthCheckPath="/by-hand")
    write(interval=25)
    assert stack.up() == {"update"}
    assert shown() == ("/by-hand", "200-399", 25)
    assert stack.up("--refresh") == {"update"}
    assert shown() == ("/", "200-399", 25)


def test_stickiness_that_is_off_is_no_change(stack):
    vpc = stack.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    sticky = {"enabled": False, "type": "source_ip", "cookieDuration": 60}
    properties = {"vpcId": vpc, "protocol": "TCP", "stickiness": sticky, "loadBalancingAlgorithmType": "round_robin"}
    stack.write_program({"it": {"type": "fargate:TargetGroup", "properties": properties}})
    stack.up()
    stack.expect_no_changes("--refresh")
