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


def on_a_balancer(stack, **listeners):
    """A program with a load balancer, and listeners that answer by themselves unless they say otherwise."""
    subnets = [it["SubnetId"] for it in stack.aws("ec2").describe_subnets()["Subnets"]]
    nothing = [{"type": "fixed-response", "fixedResponse": {"statusCode": "404"}}]
    common = {"loadBalancerArn": "${balancer.arn}", "defaultActions": nothing}
    program = {"balancer": {"type": "fargate:LoadBalancer", "properties": {"subnets": subnets}}}
    stack.write_program(program | {name: {"type": "fargate:Listener", "properties": common | it} for name, it in listeners.items()})


def test_two_listeners_on_one_port_are_refused_before_anything_is_made(stack):
    on_a_balancer(stack, one={"port": 80}, two={"port": 80})
    said = " ".join(stack.pulumi("preview", fails=True).split())
    assert "port is 80, on which the program has another listener of the same load balancer already" in said
    on_a_balancer(stack, one={"port": 80}, two={"port": 81})
    stack.pulumi("preview")


def test_a_port_that_is_taken_is_told_with_what_has_it(stack):
    on_a_balancer(stack)
    stack.up()
    # AWS hands out an existing one if it is the same in all that CreateListener takes.
    balancer = stack.resources()["balancer"]["arn"]
    nothing = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}]
    made = stack.aws("elbv2").create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=nothing)
    on_a_balancer(stack, it={"port": 80})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "Listener on port 80 of the load balancer exists already; set another port" in said
    assert f"pulumi import fargate:index:Listener <resource> {made['Listeners'][0]['ListenerArn']}" in said


def test_an_update_sends_what_changes_alone(stack, proxy):
    on_a_balancer(stack, it={"port": 80, "sslPolicy": ""})
    stack.up()
    stack.expect_no_changes("--refresh")
    on_a_balancer(stack, it={"port": 81})
    assert stack.up() == {"update"}
    [asked] = [asked for _, called, asked in proxy.calls if called == "ModifyListener"]
    assert "Port=81" in asked and "DefaultActions" not in asked and "Protocol" not in asked
