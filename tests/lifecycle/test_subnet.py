"""Subnet."""

from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    found = stack.aws("ec2").describe_subnets(Filters=[{"Name": "subnet-id", "Values": [outputs["id"]]}])["Subnets"]
    if not found:
        return None
    return {
        "cidr": found[0]["CidrBlock"],
        "zone": found[0]["AvailabilityZone"],
        "public": found[0]["MapPublicIpOnLaunch"],
        "tags": tags(found[0].get("Tags", [])),
    }


def test_subnet(stack):
    life = Lifecycle(
        type="Subnet",
        fixtures={"vpc": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}}},
        properties={
            "vpcId": "${vpc.id}",
            "cidrBlock": "10.1.0.0/20",
            "availabilityZone": "us-east-1b",
            "mapPublicIpOnLaunch": True,
            "tags": {"Name": "public"},
        },
        truth=truth,
        expected={"cidr": "10.1.0.0/20", "zone": "us-east-1b", "public": True, "tags": {"Name": "public"} | OWNER},
        update={"mapPublicIpOnLaunch": None, "tags": {"Name": "private"}},
        updated={"public": False, "tags": {"Name": "private"} | OWNER},
        drift=lambda stack, outputs: stack.aws("ec2").modify_subnet_attribute(
            SubnetId=outputs["id"], MapPublicIpOnLaunch={"Value": True}
        ),
        replace={"availabilityZone": "us-east-1c", "cidrBlock": "10.1.16.0/20"},
        replaced={"cidr": "10.1.16.0/20", "zone": "us-east-1c"},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_a_zone_that_aws_chose_is_no_change(stack):
    vpc = {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}}
    subnet = {"type": "fargate:Subnet", "properties": {"vpcId": "${vpc.id}", "cidrBlock": "10.1.0.0/20"}}
    stack.write_program({"vpc": vpc, "it": subnet})
    stack.up()
    assert stack.outputs()["availabilityZone"] == truth(stack, stack.outputs())["zone"]
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.expect_no_changes()
    stack.pulumi("destroy", "--yes", "--skip-preview")
