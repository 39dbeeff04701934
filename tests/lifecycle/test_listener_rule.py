"""ListenerRule."""

from harness import OWNER, Lifecycle, query_refusal, run, tags


def truth(stack, outputs):
    elb = stack.aws("elbv2")
    # The local AWS answers a rule that is gone with an empty list; AWS, with an error.
    found = elb.describe_rules(RuleArns=[outputs["arn"]])["Rules"]
    if not found:
        return None
    rule, [action] = found[0], found[0]["Actions"]
    assert outputs["listenerArn"].replace(":listener/", ":listener-rule/") in rule["RuleArn"]
    rewrites = [it["UrlRewriteConfig"]["Rewrites"][0] for it in rule.get("Transforms", [])]
    return {
        "priority": rule["Priority"],
        "conditions": sorted((it["Field"], *it["Values"]) for it in rule["Conditions"]),
        "type": action["Type"],
        "rewrites": [(it["Regex"], it["Replace"]) for it in rewrites],
        "tags": tags(elb.describe_tags(ResourceArns=[outputs["arn"]])["TagDescriptions"][0]["Tags"]),
    }


def balancing(stack):
    """A load balancer, a target group, and a listener."""
    ec2 = stack.aws("ec2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    nothing = {"type": "fixed-response", "fixedResponse": {"statusCode": "404"}}
    return {
        "balancer": {"type": "fargate:LoadBalancer", "properties": {"subnets": subnets}},
        "targets": {"type": "fargate:TargetGroup", "properties": {"vpcId": vpc}},
        "listener": {
            "type": "fargate:Listener",
            "properties": {"loadBalancerArn": "${balancer.arn}", "port": 80, "defaultActions": [nothing]},
        },
        "other": {
            "type": "fargate:Listener",
            "properties": {"loadBalancerArn": "${balancer.arn}", "port": 81, "defaultActions": [nothing]},
        },
    }


def test_listener_rule(stack):
    life = Lifecycle(
        type="ListenerRule",
        fixtures=balancing(stack),
        properties={
            "listenerArn": "${listener.arn}",
            "conditions": [{"pathPattern": {"values": ["/api/*"]}}, {"hostHeader": {"values": ["example.com"]}}],
            "actions": [{"type": "forward", "targetGroupArn": "${targets.arn}"}],
            "transforms": [
                {"type": "url-rewrite", "urlRewriteConfig": {"rewrite": {"regex": "^/api/(.*)$", "replace": "/$1"}}}
            ],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "priority": "1",
            "conditions": [("host-header", "example.com"), ("path-pattern", "/api/*")],
            "type": "forward",
            "rewrites": [("^/api/(.*)$", "/$1")],
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "priority": 7,
            # The order of a set is no change, and what is new is.
            "conditions": [
                {"httpRequestMethod": {"values": ["GET"]}},
                {"pathPattern": {"values": ["/api/*", "/v1/*"]}},
            ],
            "transforms": None,
            "tags": {"team": "video"},
        },
        updated={
            "priority": "7",
            "conditions": [("http-request-method", "GET"), ("path-pattern", "/api/*", "/v1/*")],
            "rewrites": [],
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("elbv2").modify_rule(
            RuleArn=outputs["arn"], Conditions=[{"Field": "path-pattern", "Values": ["/elsewhere"]}]
        ),
        replace={"listenerArn": "${other.arn}"},
        replaced={},
    )
    run(stack, life)


def rule(path, **more):
    """A rule that takes `path`."""
    properties = {
        "listenerArn": "${listener.arn}",
        "conditions": [{"pathPattern": {"values": [path]}}],
        "actions": [{"type": "forward", "targetGroupArn": "${targets.arn}"}],
    }
    return {"type": "fargate:ListenerRule", "properties": properties | more}


def test_rules_without_a_priority_each_get_their_own(stack):
    stack.write_program(balancing(stack) | {f"rule{index}": rule(f"/{index}") for index in range(5)})
    stack.up()
    assert sorted(it["priority"] for name, it in stack.resources().items() if name.startswith("rule")) == [1, 2, 3, 4, 5]
    stack.expect_no_changes()


def test_two_rules_swap_their_priorities(stack, proxy):
    # What the local AWS lacks: a priority belongs to one rule, and only one call for both can swap two.
    refused = query_refusal("PriorityInUse", "Priority is currently in use")
    proxy.refusals["SetRulePriorities"] = lambda asked: None if "RulePriorities.member.2" in asked else refused
    first, second = rule("/a", priority=1), rule("/b", priority=2)
    stack.write_program(balancing(stack) | {"a": first, "b": second})
    stack.up()
    stack.write_program(balancing(stack) | {"a": rule("/a", priority=2), "b": rule("/b", priority=1)})
    stack.up()
    found = stack.resources()
    rules = stack.aws("elbv2").describe_rules(RuleArns=[found["a"]["arn"], found["b"]["arn"]])["Rules"]
    assert {it["RuleArn"]: it["Priority"] for it in rules} == {found["a"]["arn"]: "2", found["b"]["arn"]: "1"}
    stack.expect_no_changes()


def test_a_priority_that_is_taken_names_the_rule_that_has_it(stack, proxy):
    stack.write_program(balancing(stack))
    stack.up()
    # Of a rule in the same program, the preview tells.
    listener, targets = stack.resources()["listener"]["arn"], stack.resources()["targets"]["arn"]
    conditions, actions = [{"Field": "path-pattern", "Values": ["/a"]}], [{"Type": "forward", "TargetGroupArn": targets}]
    made = stack.aws("elbv2").create_rule(ListenerArn=listener, Priority=1, Conditions=conditions, Actions=actions)
    proxy.refusals["CreateRule"] = query_refusal("PriorityInUse", "Priority '1' is currently in use")
    taken = rule("/b", priority=1) | {"options": {"customTimeouts": {"create": "2s"}}}
    stack.write_program(balancing(stack) | {"it": taken})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "ListenerRule of priority 1 of the listener exists already; set another priority" in said
    assert f"pulumi import fargate:index:ListenerRule <resource> {made['Rules'][0]['RuleArn']}" in said


def test_two_rules_of_one_priority_are_refused_before_anything_is_made(stack):
    program = balancing(stack)
    del program["other"]
    stack.write_program(program | {"a": rule("/a", priority=1), "b": rule("/b", priority=1)})
    said = " ".join(stack.pulumi("preview", fails=True).split())
    assert "priority is 1, which another rule of the same listener in the program has as well" in said
    stack.write_program(program | {"a": rule("/a", priority=1), "b": rule("b", priority=2)})
    said = " ".join(stack.pulumi("preview", fails=True).split())
    assert 'conditions[0].pathPattern.values[0] is "b", but every path starts with /' in said
