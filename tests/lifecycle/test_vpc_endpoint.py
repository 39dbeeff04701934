"""VpcEndpoint, mostly on moto: ministack does not show security groups, policies and names of an endpoint."""

import json

from harness import OWNER, Lifecycle, run, tags

READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}


def truth(stack, outputs):
    found = stack.aws("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    endpoint = next((it for it in found if it["VpcEndpointId"] == outputs["id"]), None)
    if endpoint is None or endpoint["State"] == "deleted":
        return None
    return {
        "service": endpoint["ServiceName"],
        "type": endpoint["VpcEndpointType"],
        "tables": sorted(endpoint.get("RouteTableIds", [])),
        "subnets": sorted(endpoint.get("SubnetIds", [])),
        "groups": len(endpoint.get("Groups", [])),
        "actions": [it["Action"] for it in json.loads(endpoint["PolicyDocument"])["Statement"]],
        "tags": tags(endpoint["Tags"]),
    }


def test_gateway_endpoint(stack):
    stack.use_moto("ec2")
    client = stack.aws("ec2")
    vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
    tables = [client.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]]
    life = Lifecycle(
        type="VpcEndpoint",
        properties={
            "vpcId": vpc,
            "serviceName": "com.amazonaws.us-east-1.s3",
            "routeTableIds": tables,
            "policy": READ,
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "service": "com.amazonaws.us-east-1.s3",
            "type": "Gateway",
            "tables": tables,
            "subnets": [],
            "groups": 0,
            "actions": ["s3:GetObject"],
            "tags": {"stage": "test"} | OWNER,
        },
        update={"policy": None, "tags": {"team": "video"}},
        updated={"actions": ["*"], "tags": {"team": "video"} | OWNER},
        drift=lambda stack, outputs: client.modify_vpc_endpoint(
            VpcEndpointId=outputs["id"], PolicyDocument=json.dumps(READ)
        ),
        replace={"serviceName": "com.amazonaws.us-east-1.dynamodb"},
        replaced={"service": "com.amazonaws.us-east-1.dynamodb"},
        import_ids=lambda outputs: [outputs["id"], outputs["arn"]],
    )
    run(stack, life)


def test_route_tables_change_in_place(stack):
    """On ministack: moto fails to delete an endpoint whose route tables have changed."""
    client = stack.aws("ec2")
    vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
    tables = sorted(client.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(3))

    def write(routed):
        properties = {"vpcId": vpc, "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": routed}
        stack.write_program({"it": {"type": "fargate:VpcEndpoint", "properties": properties}})

    write(tables[:2])
    assert stack.up() == {"create"}
    write(tables[1::-1])
    stack.expect_no_changes()
    write(tables[1:])
    assert stack.up() == {"update"}
    endpoint = client.describe_vpc_endpoints(VpcEndpointIds=[stack.outputs()["id"]])["VpcEndpoints"][0]
    assert sorted(endpoint["RouteTableIds"]) == tables[1:]
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert client.describe_vpc_endpoints()["VpcEndpoints"] == []


def test_interface_endpoint(stack):
    stack.use_moto("ec2")
    client = stack.aws("ec2")
    vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = sorted(it["SubnetId"] for it in client.describe_subnets()["Subnets"])[:2]
    life = Lifecycle(
        type="VpcEndpoint",
        properties={
            "vpcId": vpc,
            "serviceName": "com.amazonaws.us-east-1.ecr.api",
            "subnetIds": subnets[:1],
            "securityGroupIds": ["${one.id}"],
            "privateDnsEnabled": True,
        },
        fixtures={"one": {"type": "fargate:SecurityGroup"}, "two": {"type": "fargate:SecurityGroup"}},
        truth=truth,
        expected={
            "service": "com.amazonaws.us-east-1.ecr.api",
            "type": "Interface",
            "tables": [],
            "subnets": subnets[:1],
            "groups": 1,
            "actions": ["*"],
            "tags": OWNER,
        },
        update={"subnetIds": subnets, "securityGroupIds": ["${two.id}", "${one.id}"]},
        updated={"subnets": subnets, "groups": 2},
        drift=lambda stack, outputs: client.modify_vpc_endpoint(
            VpcEndpointId=outputs["id"], RemoveSubnetIds=subnets[1:], RemoveSecurityGroupIds=outputs["securityGroupIds"][:1]
        ),
        replace={"serviceName": "com.amazonaws.us-east-1.logs"},
        replaced={"service": "com.amazonaws.us-east-1.logs"},
    )
    run(stack, life)


def test_each_type_has_its_properties(stack):
    def told(properties):
        it = {"type": "fargate:VpcEndpoint", "properties": {"vpcId": "vpc-1"} | properties}
        stack.write_program({"it": it})
        return stack.pulumi("preview", fails=True)

    gateway = told({"serviceName": "com.amazonaws.us-east-1.s3", "subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]})
    assert "subnetIds has no meaning for an endpoint of type Gateway" in gateway
    assert "securityGroupIds has no meaning for an endpoint of type Gateway" in gateway
    interface = told({"serviceName": "com.amazonaws.us-east-1.logs", "routeTableIds": ["rtb-1"]})
    assert "routeTableIds has no meaning for an endpoint of type Interface" in interface
    assert "subnetIds" not in interface, "it may get its subnets later"
