"""Subnet."""

from harness import OWNER, Lifecycle, refusal, run, tags


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


def test_destroy_names_what_is_in_it(stack, proxy):
    """The local AWS deletes a subnet whatever is in it; AWS does not."""
    options = {"customTimeouts": {"delete": "5s"}}
    stack.write_program(
        {
            "vpc": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}},
            "it": {
                "type": "fargate:Subnet",
                "properties": {"vpcId": "${vpc.id}", "cidrBlock": "10.1.0.0/20"},
                "options": options,
            },
        }
    )
    stack.up()
    id, ec2 = stack.outputs()["id"], stack.aws("ec2")
    interface = ec2.create_network_interface(SubnetId=id, Description="ELB app/web/50dc6c495c0c9188")["NetworkInterface"]
    proxy.refusals["DeleteSubnet"] = refusal("DependencyViolation", f"The subnet '{id}' has dependencies and cannot be deleted.")
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"{id} is still used by load balancer web ({interface['NetworkInterfaceId']})" in said
    assert truth(stack, {"id": id}), "it is still there"

    proxy.refusals.clear()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, {"id": id}) is None


def test_a_range_that_is_taken_is_explained(stack, proxy):
    """The local AWS takes any range; AWS does not."""
    proxy.refusals["CreateSubnet"] = refusal("InvalidSubnet.Conflict", "The CIDR '10.1.0.0/20' conflicts with another subnet")
    stack.write_program({"it": {"type": "fargate:Subnet", "properties": {"vpcId": "vpc-1", "cidrBlock": "10.1.0.0/20"}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "cidrBlock: another subnet of vpc-1 has addresses of 10.1.0.0/20; choose a range that is free" in said
    assert "CreateSubnet: InvalidSubnet.Conflict: The CIDR '10.1.0.0/20' conflicts with another subnet" in said
