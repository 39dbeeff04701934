"""A provider that moves to another region, by intent or by a slip of the pen."""

TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
PROGRAM = {
    "it": {"type": "fargate:Cluster", "properties": {"name": "main"}},
    "role": {
        "type": "fargate:Role",
        "properties": {"assumeRolePolicy": {"Version": "2012-10-17", "Statement": [TRUST]}},
    },
}
REDIS = {"redis": {"type": "fargate:RedisGroup", "properties": {"nodeType": "cache.t4g.small"}}}
ELSEWHERE = "eu-west-1"


def regions(stack):
    """Where AWS has the cluster."""
    found = {it: stack.aws("ecs", it).describe_clusters(clusters=["main"])["clusters"] for it in (ELSEWHERE, "us-east-1")}
    return [it for it, clusters in found.items() if clusters and clusters[0]["status"] == "ACTIVE"]


def test_a_provider_that_moves_moves_what_is_in_a_region(stack):
    stack.write_program(PROGRAM)
    stack.up()
    planned = stack.pulumi("preview", "--diff", AWS_REGION=ELSEWHERE)
    assert '~ region: "us-east-1" => "eu-west-1"' in planned
    assert "+-fargate:index:Cluster: (replace)" in planned and "+-1 to replace" in planned and "Role" not in planned, planned
    stack.environment["AWS_REGION"] = ELSEWHERE
    assert stack.steps() == ["create-replacement", "replace", "delete-replaced"]
    assert regions(stack) == [ELSEWHERE]
    stack.expect_no_changes("--refresh")


def test_a_wrong_region_is_no_harm_once_it_is_corrected(stack):
    stack.write_program(PROGRAM | REDIS)
    stack.up()
    # What is found in the state is looked for where it was made.
    stack.pulumi("refresh", "--yes", "--expect-no-changes", AWS_REGION=ELSEWHERE)
    for command in ("preview", "up"):
        said = stack.pulumi(command, *(["--yes"] if command == "up" else []), fails=True, AWS_REGION=ELSEWHERE)
        assert 'region cannot change without data loss: it was "us-east-1" and is "eu-west-1" now' in said
        assert 'Set it, or the region of the provider (fargate:region, or AWS_REGION), to "us-east-1"' in said
    assert regions(stack) == ["us-east-1"]
    stack.expect_no_changes()


def test_destroy_finds_everything_whatever_the_region_is_by_then(stack):
    stack.write_program(PROGRAM)
    stack.up()
    stack.pulumi("destroy", "--yes", "--skip-preview", AWS_REGION=ELSEWHERE)
    assert regions(stack) == []
