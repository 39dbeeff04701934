"""RedisParameterGroup."""

from botocore.exceptions import ClientError
from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    cache = stack.aws("elasticache")
    name = {"CacheParameterGroupName": outputs["name"]}
    try:
        group = cache.describe_cache_parameter_groups(**name)["CacheParameterGroups"][0]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "CacheParameterGroupNotFound"
        return None
    parameters = cache.describe_cache_parameters(**name, Source="user")["Parameters"]
    return {
        "family": group["CacheParameterGroupFamily"],
        "description": group["Description"],
        "parameters": {it["ParameterName"]: it["ParameterValue"] for it in parameters if it["Source"] == "user"},
        "tags": tags(cache.list_tags_for_resource(ResourceName=group["ARN"])["TagList"]),
    }


def test_redis_parameter_group(stack):
    # More than AWS takes in one call.
    many = [{"name": f"client-setting-{it}", "value": str(it)} for it in range(22)]
    life = Lifecycle(
        type="RedisParameterGroup",
        properties={
            "family": "redis7",
            "parameters": [{"name": "maxmemory-policy", "value": "noeviction"}, {"name": "timeout", "value": "60"}, *many],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "family": "redis7",
            "description": "Managed by Pulumi",
            "parameters": {"maxmemory-policy": "noeviction", "timeout": "60"} | {it["name"]: it["value"] for it in many},
            "tags": {"stage": "test"} | OWNER,
        },
        # Taken out, `timeout` goes back to what the family has; another order of the rest means nothing.
        update={
            "parameters": [*reversed(many), {"name": "maxmemory-policy", "value": "allkeys-lru"}],
            "tags": {"team": "video"},
        },
        updated={
            "parameters": {"maxmemory-policy": "allkeys-lru"} | {it["name"]: it["value"] for it in many},
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("elasticache").modify_cache_parameter_group(
            CacheParameterGroupName=outputs["name"],
            ParameterNameValues=[{"ParameterName": "timeout", "ParameterValue": "300"}],
        ),
        replace={"family": "valkey8"},
        replaced={"family": "valkey8"},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)
