"""LogGroup. The local AWS knows no KMS keys for log groups: `tests/protocol/life.rs` sees to them."""

import json

from harness import OWNER, UNREACHABLE, Lifecycle, run


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
        replace={"name": "/fargate/worker", "allowDataLoss": True},
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


def write(stack, **properties):
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": properties}})


def shown(**more):
    """Changes what AWS shows of every log group."""
    return lambda text: json.dumps({"logGroups": [it | more for it in json.loads(text).get("logGroups", [])]})


def test_a_preview_refuses_a_replacement_that_loses_logs(stack):
    nobody = {name: UNREACHABLE for name in stack.environment if name.startswith("AWS_ENDPOINT_URL")}
    write(stack, name="/fargate/web")
    stack.up()
    for change, property in [
        ({"name": "/fargate/web", "logGroupClass": "INFREQUENT_ACCESS"}, "logGroupClass"),
        ({"name": "/fargate/worker"}, "name"),
    ]:
        write(stack, **change)
        said = stack.pulumi("preview", fails=True, **nobody)
        assert f"{property} cannot change without data loss" in said, said
        assert "an empty log group would take the place of /fargate/web" in said and "set allowDataLoss to true" in said, said
    write(stack, name="/fargate/web", logGroupClass="INFREQUENT_ACCESS", allowDataLoss=True)
    assert [it for it in stack.steps() if "replace" in it] == ["delete-replaced", "replace", "create-replacement"]


def test_a_shorter_retention_warns_at_preview(stack):
    write(stack, name="/fargate/web", retentionInDays=0)
    stack.up()
    write(stack, name="/fargate/web", retentionInDays=7)
    said = stack.pulumi("preview")
    assert "AWS deletes logs of /fargate/web that are older than 7 days, for good" in said, said


def test_a_deletion_says_what_is_lost(stack, proxy):
    write(stack, name="/fargate/web")
    stack.up()
    proxy.answers["DescribeLogGroups"] = shown(storedBytes=1234)
    said = stack.pulumi("destroy", "--yes", "--skip-preview")
    assert "log group /fargate/web is deleted with all its logs, 1234 bytes as AWS counted last" in said, said


def test_deletion_protection(stack, proxy):
    """The local AWS knows no deletion protection."""
    protected = json.dumps({"__type": "ValidationException", "message": "The log group is protected"})
    asked = []
    proxy.refusals["PutLogGroupDeletionProtection"] = lambda body: asked.append(json.loads(body)) or None
    proxy.answers["PutLogGroupDeletionProtection"] = lambda text: "{}"
    write(stack, name="/fargate/web")
    stack.up()
    # What somebody set by hand stays where the program says nothing of it.
    proxy.answers["DescribeLogGroups"] = shown(deletionProtectionEnabled=True)
    write(stack, name="/fargate/web", tags={"stage": "test"})
    assert stack.up("--refresh") == {"update"} and asked == []
    assert stack.outputs()["deletionProtectionEnabled"] is True
    proxy.refusals["DeleteLogGroup"] = protected
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "is protected against deletion; set `deletionProtectionEnabled` to false" in said, said
    write(stack, name="/fargate/worker", allowDataLoss=True)
    assert "AWS does not delete /fargate/web" not in stack.pulumi("preview"), "it is no word of the program's"


def test_a_class_that_is_not_known_is_shown_and_no_reason_to_replace_it(stack, proxy):
    write(stack, name="/fargate/web")
    stack.up()
    proxy.answers["DescribeLogGroups"] = shown(logGroupClass="ARCHIVE")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.outputs()["logGroupClass"] == "ARCHIVE"
    said = stack.pulumi("preview", fails=True)
    assert 'logGroupClass cannot change without data loss: it was "ARCHIVE"' in said, said


def test_made_by_someone_else(stack):
    stack.aws("logs").create_log_group(logGroupName="/fargate/web")
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": {"name": "/fargate/web"}}})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "pulumi import fargate:index:LogGroup" in said, said


def test_retention_that_aws_does_not_offer(stack):
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": {"retentionInDays": 45}}})
    said = stack.pulumi("preview", fails=True)
    assert "retentionInDays" in said and "60 comes next" in said, said
