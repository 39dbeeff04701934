"""LogGroup. The local AWS knows no KMS keys for log groups: `tests/protocol/life.rs` sees to them."""

from harness import OWNER, Lifecycle, run


def truth(stack, outputs):
    logs = stack.aws("logs")
    found = logs.describe_log_groups(logGroupNamePrefix=outputs["name"])["logGroups"]
    group = next((it for it in found if it["logGroupName"] == outputs["name"]), None)
    if not group:
        return None
    return {
        "retention": group.get("retentionInDays"),
        "class": group.get("logGroupClass", "STANDARD"),
        "tags": logs.list_tags_for_resource(resourceArn=outputs["arn"])["tags"],
    }


def test_log_group(stack):
    life = Lifecycle(
        type="LogGroup",
        properties={"name": "/fargate/web", "tags": {"stage": "test"}},
        truth=truth,
        expected={"retention": 30, "class": "STANDARD", "tags": {"stage": "test"} | OWNER},
        update={"retentionInDays": 0, "tags": {"team": "video"}},
        updated={"retention": None, "tags": {"team": "video"} | OWNER},
        drift=lambda stack, outputs: stack.aws("logs").put_retention_policy(
            logGroupName=outputs["name"], retentionInDays=7
        ),
        replace={"name": "/fargate/worker"},
        replaced={},
        import_ids=lambda outputs: [outputs["name"], outputs["arn"], outputs["arn"] + ":*"],
    )
    run(stack, life)


def test_left_in_aws(stack):
    program = {"it": {"type": "fargate:LogGroup", "properties": {"skipDestroy": True}}}
    stack.write_program(program)
    stack.up()
    outputs = stack.outputs()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert truth(stack, outputs) is not None


def test_made_by_someone_else(stack):
    stack.aws("logs").create_log_group(logGroupName="/fargate/web")
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": {"name": "/fargate/web"}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "pulumi import fargate:index:LogGroup" in said, said


def test_retention_that_aws_does_not_offer(stack):
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": {"retentionInDays": 45}}})
    said = stack.pulumi("preview", fails=True)
    assert "retentionInDays" in said and "60 comes next" in said, said
