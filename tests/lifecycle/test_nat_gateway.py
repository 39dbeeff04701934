"""NatGateway."""

from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    found = stack.aws("ec2").describe_nat_gateways(NatGatewayIds=[outputs["id"]])["NatGateways"]
    if not found or found[0]["State"] == "deleted":
        return None
    gateway = found[0]
    assert gateway["VpcId"] == outputs["vpcId"]
    address = gateway["NatGatewayAddresses"][0]
    return {
        "subnet": gateway["SubnetId"] == outputs["subnetId"],
        "address": (address["AllocationId"], address["PublicIp"]) == (outputs["allocationId"], outputs["publicIp"]),
        "type": gateway["ConnectivityType"],
        "tags": tags(gateway["Tags"]),
    }


def test_nat_gateway(stack):
    stack.use_moto("ec2")  # ministack shows no addresses of a gateway
    client = stack.aws("ec2")
    subnets = [it["SubnetId"] for it in client.describe_subnets()["Subnets"]]
    life = Lifecycle(
        type="NatGateway",
        properties={"subnetId": subnets[0], "allocationId": "${address.allocationId}", "tags": {"stage": "test"}},
        fixtures={"address": {"type": "fargate:ElasticIp"}, "other": {"type": "fargate:ElasticIp"}},
        truth=truth,
        expected={"subnet": True, "address": True, "type": "public", "tags": {"stage": "test"} | OWNER},
        update={"connectivityType": "public", "tags": {"team": "video"}},
        updated={"tags": {"team": "video"} | OWNER},
        drift=lambda stack, outputs: client.create_tags(
            Resources=[outputs["id"]], Tags=[{"Key": "team", "Value": "someone else's"}]
        ),
        replace={"subnetId": subnets[1], "allocationId": "${other.allocationId}"},
        replaced={},
        import_ids=lambda outputs: [
            outputs["id"],
            f"arn:aws:ec2:us-east-1:123456789012:natgateway/{outputs['id']}",
        ],
    )
    run(stack, life)


def test_a_replacement_that_keeps_the_address_comes_after_the_deletion(stack, proxy):
    calls = []
    for operation in ["CreateNatGateway", "DeleteNatGateway"]:
        proxy.answers[operation] = lambda answer, operation=operation: calls.append(operation) or answer
    for subnet in stack.aws("ec2").describe_subnets()["Subnets"][:2]:
        properties = {"subnetId": subnet["SubnetId"], "allocationId": "${address.allocationId}"}
        gateway = {"type": "fargate:NatGateway", "properties": properties}
        stack.write_program({"address": {"type": "fargate:ElasticIp"}, "it": gateway})
        stack.up()
    assert calls == ["CreateNatGateway", "DeleteNatGateway", "CreateNatGateway"]


def test_a_gateway_that_fails_is_told_at_once_and_made_anew(stack, proxy):
    client = stack.aws("ec2")
    subnet = client.describe_subnets()["Subnets"][0]["SubnetId"]
    properties = {"subnetId": subnet, "allocationId": "${address.allocationId}"}
    stack.write_program({"address": {"type": "fargate:ElasticIp"}, "it": {"type": "fargate:NatGateway", "properties": properties}})
    reason = "Network vpc-1 has no Internet gateway attached"
    failed = f"<state>failed</state><failureCode>Gateway.NotAttached</failureCode><failureMessage>{reason}</failureMessage>"
    proxy.answers["DescribeNatGateways"] = lambda answer: answer.replace("<state>available</state>", failed)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert f"failed: Gateway.NotAttached: {reason}" in said
    assert "it" not in stack.resources(), "what failed is in the state"

    proxy.answers.clear()
    assert stack.up() == {"create"}
    stack.expect_no_changes()


def test_refresh_where_aws_shows_no_address(stack):
    subnet = stack.aws("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    address = {"type": "fargate:ElasticIp"}
    gateway = {
        "type": "fargate:NatGateway",
        "properties": {"subnetId": subnet, "allocationId": "${address.allocationId}"},
    }
    stack.write_program({"address": address, "it": gateway})
    assert stack.up() == {"create"}
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.expect_no_changes()


def test_a_public_nat_gateway_needs_an_address(stack):
    stack.write_program({"it": {"type": "fargate:NatGateway", "properties": {"subnetId": "subnet-1"}}})
    assert "is required for a public NAT gateway" in stack.pulumi("preview", fails=True)
