"""RedisSubnetGroup."""

import time

from botocore.exceptions import ClientError
from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    cache = stack.aws("elasticache")
    try:
        group = cache.describe_cache_subnet_groups(CacheSubnetGroupName=outputs["name"])["CacheSubnetGroups"][0]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "CacheSubnetGroupNotFoundFault"
        return None
    return {
        "description": group["CacheSubnetGroupDescription"],
        "subnets": {it["SubnetIdentifier"] for it in group["Subnets"]},
        "vpc": group["VpcId"],
        "tags": tags(cache.list_tags_for_resource(ResourceName=group["ARN"])["TagList"]),
    }


def test_redis_subnet_group(stack):
    ec2 = stack.aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    a, b = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{it}.0/24")["Subnet"]["SubnetId"] for it in (0, 1)
    )
    life = Lifecycle(
        type="RedisSubnetGroup",
        properties={"subnetIds": [a], "tags": {"stage": "test"}},
        truth=truth,
        expected={
            "description": "Managed by Pulumi",
            "subnets": {a},
            "vpc": vpc,
            "tags": {"stage": "test"} | OWNER,
        },
        update={"subnetIds": [b, a], "description": "The private subnets", "tags": None},
        updated={"description": "The private subnets", "subnets": {a, b}, "tags": OWNER},
        drift=lambda stack, outputs: stack.aws("elasticache").modify_cache_subnet_group(
            CacheSubnetGroupName=outputs["name"], SubnetIds=[b]
        ),
        replace={"name": "another"},
        replaced={},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)


def test_a_name_that_is_taken(stack):
    ec2, cache = stack.aws("ec2"), stack.aws("elasticache")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    cache.create_cache_subnet_group(CacheSubnetGroupName="taken", CacheSubnetGroupDescription="x", SubnetIds=[subnet])
    properties = {"name": "taken", "subnetIds": [subnet]}
    stack.write_program({"it": {"type": "fargate:RedisSubnetGroup", "properties": properties}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "RedisSubnetGroup taken exists already; set another name, or take it over: `pulumi import" in said


def test_what_stays_in_use_names_its_user_and_is_soon_given_up(stack, proxy):
    ec2, cache = stack.aws("ec2"), stack.aws("elasticache")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    properties = {"name": "private", "subnetIds": [subnet]}
    stack.write_program({"it": {"type": "fargate:RedisSubnetGroup", "properties": properties}})
    stack.up()
    cache.create_replication_group(
        ReplicationGroupId="someone-elses", ReplicationGroupDescription="x", CacheSubnetGroupName="private"
    )
    begun = time.monotonic()
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert 30 < time.monotonic() - begun < 60
    used = "still used by replication group someone-elses"
    assert f"{used}; once nothing uses it, the next `pulumi up` deletes it: DeleteCacheSubnetGroup" in said, said
    # One line of status, however often AWS was asked, though it numbers the calls.
    assert "CacheSubnetGroupInUse" in said and "(request " in said, said
    assert proxy.counts["DeleteCacheSubnetGroup"] > 3 and said.count(f"private: {used}\n") == 1, said
    cache.delete_replication_group(ReplicationGroupId="someone-elses")
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, {"name": "private"}) is None
