"""LoadBalancer."""

from harness import OWNER, Lifecycle, query_refusal, run, tags


def truth(stack, outputs):
    elb = stack.aws("elbv2")
    try:
        balancer = elb.describe_load_balancers(LoadBalancerArns=[outputs["arn"]])["LoadBalancers"][0]
    except elb.exceptions.LoadBalancerNotFoundException:
        return None
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=outputs["arn"])["Attributes"]
    attributes = {it["Key"]: it["Value"] for it in attributes}
    assert outputs["dnsName"] == balancer["DNSName"]
    assert outputs["zoneId"] == balancer["CanonicalHostedZoneId"]
    assert outputs["arn"].endswith(f":loadbalancer/{outputs['arnSuffix']}")
    return {
        "scheme": balancer["Scheme"],
        "type": balancer["Type"],
        "subnets": sorted(it["SubnetId"] for it in balancer["AvailabilityZones"]),
        "groups": sorted(balancer["SecurityGroups"]),
        "idle": attributes["idle_timeout.timeout_seconds"],
        "drops": attributes["routing.http.drop_invalid_header_fields.enabled"],
        "http2": attributes.get("routing.http2.enabled", "true"),
        "logs": (attributes["access_logs.s3.enabled"], attributes.get("access_logs.s3.bucket", "")),
        "tags": tags(elb.describe_tags(ResourceArns=[outputs["arn"]])["TagDescriptions"][0]["Tags"]),
    }


def test_load_balancer(stack):
    ec2 = stack.aws("ec2")
    subnets = sorted(it["SubnetId"] for it in ec2.describe_subnets()["Subnets"])
    assert len(subnets) >= 3
    groups = [ec2.create_security_group(GroupName=name, Description=name)["GroupId"] for name in ["one", "two"]]
    life = Lifecycle(
        type="LoadBalancer",
        properties={
            "subnets": subnets[:2],
            "securityGroups": groups[:1],
            "idleTimeout": 30,
            "accessLogs": {"bucket": "logs"},
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "scheme": "internet-facing",
            "type": "application",
            "subnets": subnets[:2],
            "groups": groups[:1],
            "idle": "30",
            "drops": "true",
            "http2": "true",
            "logs": ("true", "logs"),
            "tags": {"stage": "test"} | OWNER,
        },
        # The order of a set is no change.
        update={
            "subnets": subnets[2::-1],
            "securityGroups": groups[::-1],
            "idleTimeout": None,
            "enableHttp2": False,
            "accessLogs": None,
            "tags": {"team": "video"},
        },
        updated={
            "subnets": subnets[:3],
            "groups": sorted(groups),
            "idle": "60",
            "http2": "false",
            "logs": ("false", "logs"),  # AWS takes no empty bucket
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("elbv2").modify_load_balancer_attributes(
            LoadBalancerArn=outputs["arn"],
            Attributes=[{"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "false"}],
        ),
        replace={"internal": True},
        replaced={"scheme": "internal", "logs": ("false", "")},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)


def test_a_load_balancer_that_exists_is_not_taken_over(stack):
    elb = stack.aws("elbv2")
    subnets = [it["SubnetId"] for it in stack.aws("ec2").describe_subnets()["Subnets"]][:2]
    # AWS hands out an existing one if it is the same in all that CreateLoadBalancer takes.
    made = elb.create_load_balancer(Name="taken", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    stack.write_program({"it": {"type": "fargate:LoadBalancer", "properties": {"name": "taken", "subnets": subnets}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "LoadBalancer taken exists already" in said
    assert f"pulumi import fargate:index:LoadBalancer <resource> {made}" in said


def test_a_load_balancer_that_failed_is_told_at_once(stack, proxy):
    subnets = [it["SubnetId"] for it in stack.aws("ec2").describe_subnets()["Subnets"]][:2]
    failed = "<Code>failed</Code><Reason>no free addresses in subnet</Reason>"
    proxy.answers["DescribeLoadBalancers"] = lambda text: text.replace("<Code>active</Code>", failed)
    stack.write_program({"it": {"type": "fargate:LoadBalancer", "properties": {"name": "web", "subnets": subnets}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "AWS could not set up load balancer web: no free addresses in subnet" in said

    # It is in the state all the same, with all that had been set by then.
    proxy.answers.clear()
    assert stack.up() == {"update"}
    assert proxy.counts["CreateLoadBalancer"] == 1
    assert proxy.counts["ModifyLoadBalancerAttributes"] == 1
    stack.expect_no_changes()


def test_a_protected_load_balancer_says_how_to_delete_it(stack, proxy):
    subnets = [it["SubnetId"] for it in stack.aws("ec2").describe_subnets()["Subnets"]][:2]
    properties = {"subnets": subnets, "enableDeletionProtection": True}
    stack.write_program({"it": {"type": "fargate:LoadBalancer", "properties": properties}})
    stack.up()
    # The local AWS does not care.
    proxy.refusals["DeleteLoadBalancer"] = query_refusal("OperationNotPermitted", "deletion protection is enabled")
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "set enableDeletionProtection to false and run `pulumi up` first" in said
    proxy.refusals.clear()
    stack.pulumi("destroy", "--yes", "--skip-preview")
