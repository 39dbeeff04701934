"""Cluster."""

from harness import OWNER, Lifecycle, run, tags


def truth(stack, outputs):
    found = stack.aws("ecs").describe_clusters(clusters=[outputs["name"]], include=["TAGS", "SETTINGS"])["clusters"]
    if not found or found[0]["status"] == "INACTIVE":
        return None
    cluster = found[0]
    return {
        "providers": sorted(cluster["capacityProviders"]),
        "strategy": [(it["capacityProvider"], it["weight"], it["base"]) for it in cluster["defaultCapacityProviderStrategy"]],
        "insights": next((it["value"] for it in cluster["settings"] if it["name"] == "containerInsights"), "disabled"),
        "tags": tags(cluster["tags"]),
    }


def test_cluster(stack):
    life = Lifecycle(
        type="Cluster",
        properties={
            "settings": [{"name": "containerInsights", "value": "enabled"}],
            "defaultCapacityProviderStrategies": [{"capacityProvider": "FARGATE_SPOT", "weight": 4}],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "providers": ["FARGATE", "FARGATE_SPOT"],
            "strategy": [("FARGATE_SPOT", 4, 0)],
            "insights": "enabled",
            "tags": {"stage": "test"} | OWNER,
        },
        update={
            "settings": [{"name": "containerInsights", "value": "disabled"}],
            "defaultCapacityProviderStrategies": [
                {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
                {"capacityProvider": "FARGATE_SPOT", "weight": 3},
            ],
            "tags": {"team": "video"},
        },
        updated={
            "strategy": [("FARGATE", 1, 1), ("FARGATE_SPOT", 3, 0)],
            "insights": "disabled",
            "tags": {"team": "video"} | OWNER,
        },
        drift=lambda stack, outputs: stack.aws("ecs").tag_resource(
            resourceArn=outputs["arn"], tags=[{"key": "team", "value": "someone else's"}]
        ),
        replace={"name": "another"},
        replaced={},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"]],
    )
    run(stack, life)


def test_what_the_program_leaves_out_stays_as_it_is(stack):
    program = {"it": {"type": "fargate:Cluster", "properties": {"name": "main", "tags": {"a": "1"}}}}
    stack.write_program(program)
    stack.up()
    stack.aws("ecs").update_cluster_settings(cluster="main", settings=[{"name": "containerInsights", "value": "enhanced"}])
    program["it"]["properties"]["tags"] = {"a": "2"}
    stack.write_program(program)
    assert stack.up("--refresh") == {"update"}
    stack.expect_no_changes("--refresh")
    assert truth(stack, stack.outputs())["insights"] == "enhanced"
