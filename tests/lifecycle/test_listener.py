"""Listener."""

from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    elb = stack.aws("elbv2")
    # The local AWS answers a listener that is gone with an empty list; AWS, with an error.
    found = elb.describe_listeners(ListenerArns=[outputs["arn"]])["Listeners"]
    if not found:
        return None
    listener, [action] = found[0], found[0]["DefaultActions"]
    assert listener["LoadBalancerArn"] == outputs["loadBalancerArn"]
    return {
        "port": listener["Port"],
        "protocol": listener["Protocol"],
        "certificate": [it["CertificateArn"] for it in listener.get("Certificates", [])],
        "policy": listener.get("SslPolicy"),
        "type": action["Type"],
        "targets": "targetgroup/" in action.get("TargetGroupArn", ""),
        "redirect": action.get("RedirectConfig", {}).get("Protocol"),
        "tags": tags(elb.describe_tags(ResourceArns=[outputs["arn"]])["TagDescriptions"][0]["Tags"]),
    }


def test_listener(stack):
    ec2 = stack.aws("ec2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    certificate = stack.aws("acm").request_certificate(DomainName="example.com")["CertificateArn"]
    balancer = {"type": "fargate:LoadBalancer", "properties": {"subnets": subnets}}
    life = Lifecycle(
        type="Listener",
        fixtures={
            "balancer": balancer,
            "other": balancer,
            "targets": {"type": "fargate:TargetGroup", "properties": {"vpcId": vpc}},
        },
        properties={
            "loadBalancerArn": "${balancer.arn}",
            "port": 80,
            "defaultActions": [{"type": "forward", "targetGroupArn": "${targets.arn}"}],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "port": 80,
            "protocol": "HTTP",
            "certificate": [],
            "policy": None,
            "type": "forward",
            "targets": True,
            "redirect": None,
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "port": 443,
            "protocol": "HTTPS",
            "certificateArn": certificate,
            "defaultActions": [{"type": "fixed-response", "fixedResponse": {"statusCode": "404", "messageBody": "no"}}],
            "tags": {"team": "video"},
        },
        updated={
            "port": 443,
            "protocol": "HTTPS",
            "certificate": [certificate],
            "policy": "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
            "type": "fixed-response",
            "targets": False,
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("elbv2").modify_listener(
            ListenerArn=outputs["arn"],
            DefaultActions=[{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_302"}}],
        ),
        replace={"loadBalancerArn": "${other.arn}"},
        replaced={},
    )
    run(stack, life)


def test_users_are_asked_to_log_in(stack):
    ec2 = stack.aws("ec2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]
    certificate = stack.aws("acm").request_certificate(DomainName="example.com")["CertificateArn"]
    provider = {
        "issuer": "https://id.example.com",
        "authorizationEndpoint": "https://id.example.com/authorize",
        "tokenEndpoint": "https://id.example.com/token",
        "userInfoEndpoint": "https://id.example.com/user",
        "clientId": "web",
        "clientSecret": "hush-hush",
    }
    program = {
        "balancer": {"type": "fargate:LoadBalancer", "properties": {"subnets": subnets}},
        "it": {
            "type": "fargate:Listener",
            "properties": {
                "loadBalancerArn": "${balancer.arn}",
                "port": 443,
                "protocol": "HTTPS",
                "certificateArn": certificate,
                "defaultActions": [
                    {"type": "authenticate-oidc", "authenticateOidc": provider},
                    {"type": "fixed-response", "fixedResponse": {"statusCode": "200"}},
                ],
            },
        },
    }
    stack.write_program(program)
    stack.up()
    listener = stack.aws("elbv2").describe_listeners(ListenerArns=[stack.outputs()["arn"]])["Listeners"][0]
    assert [(it["Type"], it["Order"]) for it in listener["DefaultActions"]] == [("authenticate-oidc", 1), ("fixed-response", 2)]
    assert listener["DefaultActions"][0]["AuthenticateOidcConfig"]["SessionTimeout"] == 604800

    # AWS never shows the secret: neither does the state, and that it is missing is no change.
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.expect_no_changes()
    assert "hush-hush" not in stack.pulumi("stack", "export")
    assert stack.outputs()["defaultActions"][0]["authenticateOidc"]["clientSecret"] == "hush-hush"
    provider["clientSecret"] = "another"
    stack.write_program(program)
    assert stack.up() == {"update"}
