"""NatGateway."""

from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    found = stack.aws("ec2").describe_nat_gateways(NatGatewayIds=[outputs["id"]])["NatGateways"]
    if not found or found[0]["State"] == "deleted":
        return None
    gateway = found[0]
    assert gateway["VpcId"] == outputs["vpcId"]
    return {
        "subnet": gateway["SubnetId"] == outputs["subnetId"],
        "type": gateway["ConnectivityType"],
        "tags": tags(gateway["Tags"]),
    }


def test_nat_gateway(stack):
    client = stack.aws("ec2")
    subnets = [it["SubnetId"] for it in client.describe_subnets()["Subnets"]]
    life = Lifecycle(
        type="NatGateway",
        properties={"subnetId": subnets[0], "allocationId": "${address.allocationId}", "tags": {"stage": "test"}},
        fixtures={"address": {"type": "fargate:ElasticIp"}},
        truth=truth,
        expected={"subnet": True, "type": "public", "tags": {"stage": "test"} | OWNER},
        update={"connectivityType": "public", "tags": {"team": "video"}},
        updated={"tags": {"team": "video"} | OWNER},
        drift=lambda stack, outputs: client.create_tags(
            Resources=[outputs["id"]], Tags=[{"Key": "team", "Value": "someone else's"}]
        ),
        replace={"subnetId": subnets[1]},
        replaced={},
        import_ids=lambda outputs: [
            outputs["id"],
            f"arn:aws:ec2:us-east-1:123456789012:natgateway/{outputs['id']}",
        ],
    )
    run(stack, life)


def test_a_public_nat_gateway_needs_an_address(stack):
    stack.write_program({"it": {"type": "fargate:NatGateway", "properties": {"subnetId": "subnet-1"}}})
    assert "is required for a public NAT gateway" in stack.pulumi("preview", fails=True)
