"""InternetGateway."""

from harness import OWNER, Lifecycle, refusal, run, tags


def truth(stack, outputs):
    named = [{"Name": "internet-gateway-id", "Values": [outputs["id"]]}]
    found = stack.aws("ec2").describe_internet_gateways(Filters=named)["InternetGateways"]
    if not found:
        return None
    vpcs = stack.aws("ec2").describe_vpcs(VpcIds=[it["VpcId"] for it in found[0]["Attachments"]] or ["vpc-none"])["Vpcs"]
    return {"networks": [it["CidrBlock"] for it in vpcs], "tags": tags(found[0].get("Tags", []))}


def test_internet_gateway(stack):
    life = Lifecycle(
        type="InternetGateway",
        fixtures={
            "vpc": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}},
            "other": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.2.0.0/16"}},
        },
        properties={"vpcId": "${vpc.id}", "tags": {"Name": "video"}},
        truth=truth,
        expected={"networks": ["10.1.0.0/16"], "tags": {"Name": "video"} | OWNER},
        update={"tags": {"team": "video"}},
        updated={"tags": {"team": "video"} | OWNER},
        drift=lambda stack, outputs: stack.aws("ec2").delete_tags(Resources=[outputs["id"]], Tags=[{"Key": "team"}]),
        replace={"vpcId": "${other.id}"},
        replaced={"networks": ["10.2.0.0/16"]},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_one_that_was_detached_is_made_anew(stack):
    vpc = {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}}
    stack.write_program({"vpc": vpc, "it": {"type": "fargate:InternetGateway", "properties": {"vpcId": "${vpc.id}"}}})
    stack.up()
    old = stack.outputs()
    stack.aws("ec2").detach_internet_gateway(InternetGatewayId=old["id"], VpcId=old["vpcId"])
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.up()
    assert truth(stack, old) is None
    assert truth(stack, stack.outputs())["networks"] == ["10.1.0.0/16"]
    stack.pulumi("destroy", "--yes", "--skip-preview")


def test_destroy_names_what_has_a_public_address(stack, proxy):
    """The local AWS detaches a gateway whatever is behind it, and knows no addresses of interfaces."""
    gateway = {"type": "fargate:InternetGateway", "properties": {"vpcId": "${vpc.id}"}}
    vpc = {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}}
    stack.write_program({"vpc": vpc, "it": gateway | {"options": {"customTimeouts": {"delete": "5s"}}}})
    stack.up()
    id = stack.outputs()["id"]
    mapped = "Network has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
    proxy.refusals["DetachInternetGateway"] = refusal("DependencyViolation", mapped)
    proxy.answers["DescribeNetworkInterfaces"] = lambda _: (
        "<DescribeNetworkInterfacesResponse><networkInterfaceSet>"
        "<item><networkInterfaceId>eni-1</networkInterfaceId><description>Interface for NAT Gateway nat-1</description>"
        "<association><publicIp>192.0.2.1</publicIp></association></item>"
        "<item><networkInterfaceId>eni-2</networkInterfaceId><description>ElastiCache queue-001</description></item>"
        "</networkInterfaceSet></DescribeNetworkInterfacesResponse>"
    )
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"{id} is still used by NAT gateway nat-1 (eni-1)" in said
    assert "queue-001" not in said
    assert truth(stack, {"id": id})["networks"] == ["10.1.0.0/16"]

    proxy.refusals.clear()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, {"id": id}) is None
