"""`pulumi do`, which needs no program and keeps no state."""

import json


def do(stack, type, *arguments, **options):
    return stack.pulumi("do", f"fargate:index:{type}", *arguments, **options)


def ids(stack, type, *arguments):
    return [it["id"] for it in json.loads(do(stack, type, "list", *arguments))]


def test_a_cluster_is_made_listed_read_changed_and_deleted(stack):
    do(stack, "Cluster", "create", "--stateless", "--yes", "--name", "main")
    do(stack, "Cluster", "create", "--stateless", "--yes")  # it gets a name
    first, second = ids(stack, "Cluster", "--all")
    assert first == "main" and second.startswith("Cluster-")
    assert ids(stack, "Cluster", "--count", "1") == ["main"]
    assert ids(stack, "Cluster", "--region", "eu-west-3") == []

    (stack.folder / "change.pp").write_text('capacityProviders = ["FARGATE"]\n')
    change = ["--input", "pcl", "--input-file", "change.pp"]
    do(stack, "Cluster", "patch", "main", "--stateless", "--yes", *change)
    [cluster] = stack.aws("ecs").describe_clusters(clusters=["main"])["clusters"]
    assert cluster["capacityProviders"] == ["FARGATE"]
    shown = json.loads(do(stack, "Cluster", "read", "main", "--output", "json"))
    assert "FARGATE_SPOT" not in json.dumps(shown) and "FARGATE" in json.dumps(shown)

    do(stack, "Cluster", "delete", "main", "--stateless", "--yes")
    assert ids(stack, "Cluster") == [second]


def test_a_list_says_what_it_needs(stack):
    assert 'Missing required input "cluster"' in do(stack, "Service", "list", fails=True)
    assert "region is" in do(stack, "Cluster", "list", "--region", "moon", fails=True)
    assert "did you mean ecs?" in do(stack, "ScalableTarget", "list", "--service-namespace", "ECS", fails=True)


def test_a_long_list_comes_in_pages(stack):
    logs = stack.aws("logs")
    names = [f"/video/{it:03}" for it in range(120)]
    for name in names:
        logs.create_log_group(logGroupName=name)
    assert ids(stack, "LogGroup", "--all") == names
    assert ids(stack, "LogGroup") == names[:100]
    assert ids(stack, "LogGroup", "--count", "107") == names[:107]
    assert ids(stack, "LogGroup", "--all", "--name-prefix", "/video/11") == names[110:120]
