"""getAvailabilityZones, getVpc and getSubnets, asked by a program."""

import json


def ask(stack, fails=False, **calls):
    """What the functions answer, each as an output of a program. With `fails`, what `pulumi` says."""
    program = {
        "name": "test",
        "runtime": "yaml",
        "variables": {
            name: {"fn::invoke": {"function": f"fargate:{function}", "arguments": arguments}}
            for name, (function, arguments) in calls.items()
        },
        "outputs": {name: f"${{{name}}}" for name in calls},
    }
    (stack.folder / "Pulumi.yaml").write_text(json.dumps(program))
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=fails)
    return said if fails else json.loads(stack.pulumi("stack", "output", "--json"))


def network(ec2, name, cidr, *subnets):
    """A VPC and its subnets, made by someone else; their ids."""
    tagged = [{"Key": "Name", "Value": name}]
    vpc = ec2.create_vpc(CidrBlock=cidr, TagSpecifications=[{"ResourceType": "vpc", "Tags": tagged}])["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=it, TagSpecifications=[{"ResourceType": "subnet", "Tags": tagged}])
        for it in subnets
    ]
    return vpc, [it["Subnet"]["SubnetId"] for it in made]


def test_availability_zones(stack):
    shown = stack.aws("ec2").describe_availability_zones()["AvailabilityZones"]
    names = sorted(it["ZoneName"] for it in shown)
    answers = ask(
        stack,
        all=("getAvailabilityZones", {}),
        some=("getAvailabilityZones", {"excludeNames": [names[0]]}),
    )
    assert answers["all"]["names"] == names
    assert dict(zip(names, answers["all"]["zoneIds"])) == {it["ZoneName"]: it["ZoneId"] for it in shown}
    assert answers["all"]["groupNames"] == sorted({it["GroupName"] for it in shown})
    assert answers["some"]["names"] == names[1:]


def test_vpc(stack):
    ec2 = stack.aws("ec2")
    video, _ = network(ec2, "video", "10.1.0.0/16")
    network(ec2, "other", "10.2.0.0/16")
    ec2.modify_vpc_attribute(VpcId=video, EnableDnsHostnames={"Value": True})
    answers = ask(
        stack,
        byId=("getVpc", {"id": video}),
        byTag=("getVpc", {"tags": {"Name": "video"}}),
        byBlock=("getVpc", {"filters": [{"name": "cidr", "values": ["10.1.0.0/16"]}]}),
    )
    assert answers["byId"] == answers["byTag"] == answers["byBlock"]
    vpc = answers["byId"]
    assert (vpc["id"], vpc["cidrBlock"], vpc["default"]) == (video, "10.1.0.0/16", False)
    assert (vpc["enableDnsHostnames"], vpc["enableDnsSupport"]) == (True, True)
    assert vpc["tags"] == {"Name": "video"}


def test_default_vpc(stack):
    ec2 = stack.aws("ec2")
    default = [{"Name": "is-default", "Values": ["true"]}]
    if not ec2.describe_vpcs(Filters=default)["Vpcs"]:
        ec2.create_default_vpc()
    network(ec2, "other", "10.2.0.0/16")
    vpc = ask(stack, vpc=("getVpc", {"default": True}))["vpc"]
    assert [vpc["id"]] == [it["VpcId"] for it in ec2.describe_vpcs(Filters=default)["Vpcs"]]
    assert vpc["default"]


def test_a_vpc_that_is_not_there_or_not_the_only_one(stack):
    ec2 = stack.aws("ec2")
    ids = [network(ec2, name, "10.1.0.0/16")[0] for name in ("video", "films")]
    said = ask(stack, fails=True, vpc=("getVpc", {"id": "vpc-0a1b2c3d"}))
    assert "there is no VPC with id vpc-0a1b2c3d in us-east-1" in said
    said = ask(stack, fails=True, vpc=("getVpc", {"cidrBlock": "10.1.0.0/16"}))
    assert "there are 2 VPCs with cidrBlock 10.1.0.0/16" in said
    assert f"{ids[0]} (video)" in said
    assert f"{ids[1]} (films)" in said


def test_subnets(stack):
    vpc, subnets = network(stack.aws("ec2"), "video", "10.1.0.0/16", "10.1.0.0/20", "10.1.16.0/20")
    network(stack.aws("ec2"), "other", "10.2.0.0/16", "10.2.0.0/20")
    answers = ask(
        stack,
        ofVpc=("getSubnets", {"filters": [{"name": "vpc-id", "values": [vpc]}]}),
        byTag=("getSubnets", {"tags": {"Name": "vid*"}}),
        none=("getSubnets", {"tags": {"Name": "nobody's"}}),
    )
    assert answers["ofVpc"]["ids"] == answers["byTag"]["ids"] == sorted(subnets)
    assert answers["none"]["ids"] == []
    missing = [{"name": "subnet-id", "values": [subnets[0], "subnet-0a1b2c3d"]}]
    said = ask(stack, fails=True, missing=("getSubnets", {"filters": missing}))
    assert "filters: no such subnet in us-east-1: subnet-0a1b2c3d" in said
