"""LoadBalancer."""

import urllib.parse

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


def test_logs_that_are_off_are_no_change(stack):
    subnets = [it["SubnetId"] for it in stack.aws("ec2").describe_subnets()["Subnets"]][:2]

    def write(**logs):
        properties = {"subnets": subnets, "connectionLogs": {"bucket": "logs", "enabled": False}, "accessLogs": logs}
        stack.write_program({"it": {"type": "fargate:LoadBalancer", "properties": properties}})

    write(bucket="logs", prefix="")
    stack.up()
    stack.expect_no_changes("--refresh")
    write(bucket="logs", prefix="web", enabled=False)
    assert stack.up() == {"update"}
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.expect_no_changes()


def test_a_load_balancer_is_replaced_while_its_target_group_stays(stack, proxy):
    """The local AWS lets a target group serve any number of load balancers; AWS, one."""
    ec2, elb = stack.aws("ec2"), stack.aws("elbv2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]][:2]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    refusal = query_refusal("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one")

    def served(targets):
        """The load balancers that a target group serves."""
        balancers = set()
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
                rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
                actions = listener["DefaultActions"] + [action for rule in rules for action in rule["Actions"]]
                if any(it.get("TargetGroupArn") == targets for it in actions):
                    balancers.add(balancer["LoadBalancerArn"].split("/")[-1])
        return balancers

    def refuse(asked):
        asked = urllib.parse.parse_qs(asked)
        [targets] = next((it for key, it in asked.items() if key.endswith("member.1.TargetGroupArn")), [None])
        own = asked["LoadBalancerArn"][0].split("/")[-1] if "LoadBalancerArn" in asked else asked["ListenerArn"][0].split("/")[-2]
        return refusal if targets and served(targets) - {own} else None

    proxy.refusals |= {"CreateListener": refuse, "CreateRule": refuse}

    def write(internal):
        forward = [{"type": "forward", "targetGroupArn": "${targets.arn}"}]
        nothing = [{"type": "fixed-response", "fixedResponse": {"statusCode": "404"}}]
        conditions = [{"pathPattern": {"values": ["/api/*"]}}]

        def listener(port, actions):
            properties = {"loadBalancerArn": "${it.arn}", "port": port, "defaultActions": actions}
            return {"type": "fargate:Listener", "properties": properties}

        def rule(listener):
            properties = {"listenerArn": listener, "priority": 1, "conditions": conditions, "actions": forward}
            return {"type": "fargate:ListenerRule", "properties": properties}

        stack.write_program({
            "it": {"type": "fargate:LoadBalancer", "properties": {"subnets": subnets, "internal": internal}},
            "targets": {"type": "fargate:TargetGroup", "properties": {"vpcId": vpc}},
            "first": listener(80, forward),
            "second": listener(81, forward),
            "third": listener(82, nothing),
            "first-rule": rule("${first.arn}"),
            "third-rule": rule("${third.arn}"),
        })

    write(False)
    stack.up()
    old = stack.outputs()["arn"]
    write(True)
    said = " ".join(stack.pulumi("preview").split())
    assert "forwards to a target group that another load balancer serves until now" in said
    stack.up()
    new = stack.outputs()["arn"]
    assert new != old
    assert [it["LoadBalancerArn"] for it in elb.describe_load_balancers()["LoadBalancers"]] == [new]
    listeners = elb.describe_listeners(LoadBalancerArn=new)["Listeners"]
    assert sorted(it["Port"] for it in listeners) == [80, 81, 82]
    stack.expect_no_changes()
