"""RouteTable."""

from harness import OWNER, Lifecycle, refusal, run, tags


def truth(stack, outputs):
    shown = stack.aws("ec2").describe_route_tables()["RouteTables"]
    table = next((it for it in shown if it["RouteTableId"] == outputs["id"]), None)
    if not table:
        return None
    known = {it["id"]: name for name, it in stack.resources().items()}

    def way(route):
        target = route.get("GatewayId") or route.get("NatGatewayId") or route.get("VpcPeeringConnectionId")
        return known.get(target, target)

    return {
        "vpc": known[table["VpcId"]],
        "routes": sorted((it["DestinationCidrBlock"], way(it)) for it in table["Routes"] if it["Origin"] == "CreateRoute"),
        "subnets": sorted(known[it["SubnetId"]] for it in table["Associations"]),
        "tags": tags(table.get("Tags", [])),
    }


def network(name, second):
    """A VPC with two subnets and a gateway."""
    subnet = {"vpcId": f"${{{name}.id}}", "availabilityZone": "us-east-1a"}
    return {
        name: {"type": "fargate:Vpc", "properties": {"cidrBlock": f"10.{second}.0.0/16"}},
        f"{name}A": {"type": "fargate:Subnet", "properties": subnet | {"cidrBlock": f"10.{second}.0.0/20"}},
        f"{name}B": {"type": "fargate:Subnet", "properties": subnet | {"cidrBlock": f"10.{second}.16.0/20"}},
        f"{name}Door": {"type": "fargate:InternetGateway", "properties": {"vpcId": f"${{{name}.id}}"}},
    }


def drift(stack, outputs):
    ec2 = stack.aws("ec2")
    ec2.delete_route(RouteTableId=outputs["id"], DestinationCidrBlock="0.0.0.0/0")
    ec2.associate_route_table(RouteTableId=outputs["id"], SubnetId=stack.resources()["homeA"]["id"])


def test_route_table(stack):
    peer = {"cidrBlock": "10.99.0.0/16", "vpcPeeringConnectionId": "pcx-1"}
    life = Lifecycle(
        type="RouteTable",
        fixtures=network("home", 1) | network("away", 2),
        properties={
            "vpcId": "${home.id}",
            "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": "${homeDoor.id}"}, peer],
            "subnetIds": ["${homeA.id}", "${homeB.id}"],
            "tags": {"Name": "public"},
        },
        truth=truth,
        expected={
            "vpc": "home",
            "routes": [("0.0.0.0/0", "homeDoor"), ("10.99.0.0/16", "pcx-1")],
            "subnets": ["homeA", "homeB"],
            "tags": {"Name": "public"} | OWNER,
        },
        # One route goes, one changes its way and its place, one is new; one subnet goes.
        update={
            "routes": [
                {"cidrBlock": "10.98.0.0/16", "vpcPeeringConnectionId": "pcx-2"},
                {"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"},
            ],
            "subnetIds": ["${homeB.id}"],
            "tags": {"Name": "private"},
        },
        updated={
            "routes": [("0.0.0.0/0", "nat-1"), ("10.98.0.0/16", "pcx-2")],
            "subnets": ["homeB"],
            "tags": {"Name": "private"} | OWNER,
        },
        drift=drift,
        replace={
            "vpcId": "${away.id}",
            "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": "${awayDoor.id}"}],
            "subnetIds": ["${awayA.id}", "${awayB.id}"],
        },
        replaced={"vpc": "away", "routes": [("0.0.0.0/0", "awayDoor")], "subnets": ["awayA", "awayB"]},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_mistakes_show_in_a_preview(stack):
    routes = [
        {"cidrBlock": "0.0.0.0/0", "gatewayId": "nat-1"},
        {"cidrBlock": "10.0.0.1/8", "natGatewayId": "nat-1"},
    ]
    stack.write_program({"it": {"type": "fargate:RouteTable", "properties": {"vpcId": "vpc-1", "routes": routes}}})
    said = stack.pulumi("preview", fails=True)
    assert "routes[0].gatewayId" in said
    assert 'is "nat-1", which is not the id of an internet or VPN gateway' in said
    assert "a NAT gateway is a natGatewayId" in said
    assert "routes[1].cidrBlock" in said
    assert "the network is 10.0.0.0/8" in said


def test_a_subnet_leaves_the_table_that_it_went_by(stack, proxy):
    """The local AWS lets a subnet go by two tables; AWS does not."""
    tables = {
        "it": {"type": "fargate:RouteTable", "properties": {"vpcId": "${home.id}", "subnetIds": ["${homeA.id}"]}},
    }
    stack.write_program(network("home", 1))
    stack.up()
    subnet, ec2 = stack.resources()["homeA"]["id"], stack.aws("ec2")
    old = ec2.create_route_table(VpcId=stack.resources()["home"]["id"])["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=old, SubnetId=subnet)
    taken = f"the specified association for route table conflicts with an existing association of {subnet}"
    proxy.refusals["AssociateRouteTable"] = refusal("Resource.AlreadyAssociated", taken)
    stack.write_program(network("home", 1) | tables)
    stack.up()
    assert truth(stack, stack.outputs())["subnets"] == ["homeA"]
    left = next(it for it in ec2.describe_route_tables()["RouteTables"] if it["RouteTableId"] == old)
    assert left["Associations"] == []
    stack.pulumi("destroy", "--yes", "--skip-preview")


def test_a_route_stays_whatever_spelling_the_state_holds(stack):
    stack.use_moto("ec2")  # ministack shows no IPv6 destinations

    def routes():
        shown = stack.aws("ec2").describe_route_tables(RouteTableIds=[stack.outputs()["id"]])["RouteTables"]
        return sorted(it.get("DestinationCidrBlock") or it["DestinationIpv6CidrBlock"] for it in shown[0]["Routes"])

    def write(tags):
        routes = [
            {"cidrBlock": "0.0.0.0/0", "gatewayId": "${homeDoor.id}"},
            {"ipv6CidrBlock": "::0/0", "gatewayId": "${homeDoor.id}"},
        ]
        properties = {"vpcId": "${home.id}", "routes": routes, "subnetIds": ["${homeA.id}"], "tags": tags}
        stack.write_program(network("home", 1) | {"it": {"type": "fargate:RouteTable", "properties": properties}})

    write({"Name": "a"})
    assert stack.up() == {"create"}
    stack.expect_no_changes("--refresh")
    # As earlier versions kept it.
    state = stack.folder / ".pulumi" / "stacks" / "test" / "test.json"
    assert '"::/0"' in state.read_text()
    state.write_text(state.read_text().replace('"::/0"', '"0::0/0"'))
    stack.expect_no_changes()
    before = routes()
    assert "::/0" in before
    write({"Name": "b"})
    assert stack.up() == {"update"}
    assert routes() == before, "nothing but a tag changes"
    stack.expect_no_changes("--refresh")


def test_a_route_that_somebody_adds_shows_as_an_added_route(stack):
    peer = {"cidrBlock": "10.99.0.0/16", "vpcPeeringConnectionId": "pcx-1"}
    door = {"cidrBlock": "0.0.0.0/0", "gatewayId": "${homeDoor.id}"}
    table = {"type": "fargate:RouteTable", "properties": {"vpcId": "${home.id}", "routes": [peer, door]}}
    stack.write_program(network("home", 1) | {"it": table})
    stack.up()
    stack.aws("ec2").create_route(
        RouteTableId=stack.outputs()["id"], DestinationCidrBlock="10.1.99.0/24", VpcPeeringConnectionId="pcx-9"
    )
    said = stack.pulumi("refresh", "--yes", "--skip-preview", "--diff")
    assert [it["cidrBlock"] for it in stack.outputs()["routes"]] == ["10.99.0.0/16", "0.0.0.0/0", "10.1.99.0/24"]
    assert "[2]" in said and "=>" not in said, said


def test_a_subnet_has_one_table(stack):
    table = {"type": "fargate:RouteTable", "properties": {"vpcId": "${home.id}", "subnetIds": ["${homeA.id}"]}}
    stack.write_program(network("home", 1))
    stack.up()
    stack.write_program(network("home", 1) | {"it": table, "other": table})
    said = stack.pulumi("preview", fails=True)
    assert "subnetIds[0] is " in said and "as that of RouteTable " in said
