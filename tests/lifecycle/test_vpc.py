"""Vpc."""

from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    ec2 = stack.aws("ec2")
    found = ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [outputs["id"]]}])["Vpcs"]
    if not found:
        return None

    def attribute(name):
        shown = ec2.describe_vpc_attribute(VpcId=outputs["id"], Attribute=name)
        return shown[name[0].upper() + name[1:]]["Value"]

    return {
        "cidr": found[0]["CidrBlock"],
        "tenancy": found[0]["InstanceTenancy"],
        "dns": attribute("enableDnsSupport"),
        "names": attribute("enableDnsHostnames"),
        "tags": tags(found[0].get("Tags", [])),
    }


def test_vpc(stack):
    life = Lifecycle(
        type="Vpc",
        properties={"cidrBlock": "10.1.0.0/16", "tags": {"Name": "video"}},
        truth=truth,
        expected={
            "cidr": "10.1.0.0/16",
            "tenancy": "default",
            "dns": True,
            "names": True,
            "tags": {"Name": "video"} | OWNER,
        },
        update={"enableDnsHostnames": False, "enableDnsSupport": False, "tags": {"Name": "films"}},
        updated={"dns": False, "names": False, "tags": {"Name": "films"} | OWNER},
        drift=lambda stack, outputs: stack.aws("ec2").modify_vpc_attribute(
            VpcId=outputs["id"], EnableDnsSupport={"Value": True}
        ),
        replace={"cidrBlock": "10.2.0.0/16", "instanceTenancy": "dedicated"},
        replaced={"cidr": "10.2.0.0/16", "tenancy": "dedicated"},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_what_comes_with_a_vpc(stack):
    stack.write_program({"it": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}}})
    stack.up()
    outputs, ec2 = stack.outputs(), stack.aws("ec2")
    of_vpc = [{"Name": "vpc-id", "Values": [outputs["id"]]}]
    assert [outputs["defaultSecurityGroupId"]] == [
        it["GroupId"] for it in ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    ]
    assert [outputs["mainRouteTableId"]] == [
        it["RouteTableId"] for it in ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
    ]
    stack.pulumi("destroy", "--yes", "--skip-preview")


def test_destroy_names_what_holds_it(stack):
    vpc = {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}, "options": {"customTimeouts": {"delete": "5s"}}}
    stack.write_program({"it": vpc})
    stack.up()
    id, ec2 = stack.outputs()["id"], stack.aws("ec2")
    group = ec2.create_security_group(GroupName="foreign", Description="not ours", VpcId=id)["GroupId"]
    ec2.create_tags(Resources=[group], Tags=[{"Key": "Name", "Value": "old office"}])
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert f"{id} is still used by {group} (old office)" in said
    ec2.delete_security_group(GroupId=group)
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, {"id": id}) is None


def test_mistakes_show_in_a_preview(stack):
    properties = {"cidrBlock": "10.1.0.0/8", "enableDnsSupport": False}
    stack.write_program({"it": {"type": "fargate:Vpc", "properties": properties}})
    said = stack.pulumi("preview", fails=True)
    assert 'is "10.1.0.0/8", which has bits set beyond its prefix; the network is 10.0.0.0/8' in said
    stack.write_program({"it": {"type": "fargate:Vpc", "properties": properties | {"cidrBlock": "10.0.0.0/8"}}})
    said = stack.pulumi("preview", fails=True)
    assert "is 10.0.0.0/8; AWS takes IPv4 addresses from /16 to /28" in said
    assert "is true, which needs enableDnsSupport" in said
