"""What Pulumi's options, and its commands besides up and destroy, do to a resource of ours."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from harness import PROVIDER

CLUSTER = {"type": "fargate:Cluster", "properties": {"name": "main"}}


def status(stack, name="main"):
    """The status of a cluster in AWS; None if there is none."""
    found = stack.aws("ecs").describe_clusters(clusters=[name])["clusters"]
    return found[0]["status"] if found and found[0]["status"] != "INACTIVE" else None


def bring_up(stack, properties=None, **options) -> list[str]:
    """Brings up one cluster with these options; the operations it took."""
    stack.write_program({"it": CLUSTER | {"properties": {"name": "main"} | (properties or {}), "options": options}})
    return stack.steps()


def test_protect_keeps_it(stack):
    bring_up(stack, protect=True)
    said = stack.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "protect" in said and status(stack) == "ACTIVE"
    assert bring_up(stack, protect=False) == ["same"]
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert status(stack) is None


def test_retain_on_delete_leaves_it_in_aws(stack):
    bring_up(stack, retainOnDelete=True)
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert status(stack) == "ACTIVE"


def test_ignore_changes(stack):
    bring_up(stack, {"tags": {"stage": "test"}})
    assert bring_up(stack, {"tags": {"stage": "other"}}, ignoreChanges=["tags"]) == ["same"]
    assert bring_up(stack, {"tags": {"stage": "other"}}, ignoreChanges=["tags.stage"]) == ["same"]
    # What somebody else changes is left alone, too, when something else is updated.
    arn = stack.outputs()["arn"]
    stack.aws("ecs").tag_resource(resourceArn=arn, tags=[{"key": "stage", "value": "theirs"}])
    stack.pulumi("refresh", "--yes", "--skip-preview")
    insights = {"settings": [{"name": "containerInsights", "value": "enabled"}]}
    assert bring_up(stack, insights | {"tags": {"stage": "other"}}, ignoreChanges=["tags"]) == ["update"]
    tags = {it["key"]: it["value"] for it in stack.aws("ecs").list_tags_for_resource(resourceArn=arn)["tags"]}
    assert tags["stage"] == "theirs"


def test_replace_on_changes_and_delete_before_replace(stack):
    named = {"tags": {"stage": "test"}}
    bring_up(stack, named)
    steps = bring_up(stack, {"tags": {"stage": "other"}}, replaceOnChanges=["tags"])
    # The program fixes the name, so the provider has the old one go first.
    assert [it for it in steps if it != "replace"] == ["delete-replaced", "create-replacement"]
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": {"retentionInDays": 7}}})
    stack.up()
    stack.write_program(
        {
            "it": {
                "type": "fargate:LogGroup",
                "properties": {"retentionInDays": 7, "logGroupClass": "INFREQUENT_ACCESS", "allowDataLoss": True},
                "options": {"deleteBeforeReplace": True},
            }
        }
    )
    steps = stack.steps()
    assert [it for it in steps if it != "replace"] == ["delete-replaced", "create-replacement"]


def test_an_alias_takes_over_the_state(stack):
    bring_up(stack)
    stack.write_program({"it2": CLUSTER | {"options": {"aliases": [{"name": "it"}]}}})
    assert stack.steps() == ["same"]
    assert status(stack) == "ACTIVE"


def test_custom_timeouts_end_a_wait(stack, proxy):
    bring_up(stack)
    proxy.answers["DescribeClusters"] = lambda text: text.replace('"ACTIVE"', '"PROVISIONING"')
    stack.write_program(
        {"it": CLUSTER | {"properties": {"name": "main", "tags": {"a": "b"}}, "options": {"customTimeouts": {"update": "2s"}}}}
    )
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "2 s" in said and "provisioning" in said, said


def test_targets_and_exclusions(stack):
    two = {"one": {"type": "fargate:LogGroup"}, "two": {"type": "fargate:LogGroup"}}
    stack.write_program(two)
    stack.pulumi("up", "--yes", "--skip-preview", "--target", "**::one")
    assert set(stack.resources()) >= {"one"} and "two" not in stack.resources()
    stack.pulumi("up", "--yes", "--skip-preview", "--exclude", "**::one")
    stack.pulumi("destroy", "--yes", "--skip-preview", "--target", "**::two")
    assert "one" in stack.resources() and "two" not in stack.resources()


def test_refresh_in_all_its_forms(stack):
    bring_up(stack, {"tags": {"stage": "test"}})
    stack.aws("ecs").tag_resource(resourceArn=stack.outputs()["arn"], tags=[{"key": "stage", "value": "theirs"}])
    said = stack.pulumi("refresh", "--preview-only", "--diff")
    assert "theirs" in said
    assert stack.outputs()["tags"]["stage"] == "test", "a preview changes no state"
    said = stack.pulumi("preview", "--refresh", "--diff")
    assert '"theirs" => "test"' in said, said
    assert stack.up("--refresh") == {"update"}
    stack.pulumi("destroy", "--yes", "--skip-preview", "--refresh")
    assert status(stack) is None


def test_import_by_command_writes_the_program(stack):
    stack.aws("ecs").create_cluster(
        clusterName="old", tags=[{"key": "stage", "value": "test"}], capacityProviders=["FARGATE", "FARGATE_SPOT"]
    )
    stack.write_program({})
    file = stack.folder / "code.yaml"
    stack.pulumi("import", "fargate:index:Cluster", "it", "old", "--yes", "--protect=false", "--out", str(file))
    code = file.read_text()
    assert "fargate:Cluster" in code and "stage: test" in code
    assert "capacityProviders" not in code, "a default is not worth writing"
    program = json.loads((stack.folder / "Pulumi.yaml").read_text())
    del program["resources"]
    (stack.folder / "Pulumi.yaml").write_text("".join(f"{key}: {json.dumps(it)}\n" for key, it in program.items()) + code)
    # The provider's default tags are put on it, and that is all.
    said = stack.pulumi("preview", "--diff")
    assert "owner" in said and "1 to update" in said, said


def test_import_without_code(stack):
    stack.aws("ecs").create_cluster(clusterName="old")
    stack.write_program({})
    stack.pulumi("import", "fargate:index:Cluster", "it", "old", "--yes", "--generate-code=false")
    assert stack.outputs()["name"] == "old"
    said = stack.pulumi("import", "fargate:index:Cluster", "other", "no-such", "--yes", fails=True)
    assert "does not exist" in said


def test_a_resource_lost_from_the_state_is_taken_back(stack):
    bring_up(stack)
    stack.pulumi("state", "delete", "urn:pulumi:test::test::fargate:index:Cluster::it", "--yes")
    stack.write_program({"it": CLUSTER})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "pulumi import fargate:index:Cluster" in said, "the error has to tell the way out"
    assert bring_up(stack, **{"import": "main"}) == ["import"]
    assert bring_up(stack) == ["same"]


@pytest.mark.parametrize(
    "setting, named",
    [
        ({"mode": "verbatim"}, lambda name: name == "it"),
        ({"pattern": "team-${name}-${hex(4)}"}, lambda name: name.startswith("team-it-") and len(name) == 12),
        ({"mode": "default"}, lambda name: name.startswith("it-") and len(name) == 10),
    ],
)
def test_autonaming_as_the_stack_says(stack, setting, named):
    (stack.folder / "Pulumi.test.yaml").open("a").write("config:\n  pulumi:autonaming: " + json.dumps(setting) + "\n")
    stack.write_program({"it": {"type": "fargate:LogGroup"}})
    stack.up()
    assert named(stack.outputs()["name"])


def test_autonaming_may_be_switched_off(stack):
    (stack.folder / "Pulumi.test.yaml").open("a").write("config:\n  pulumi:autonaming: { mode: disabled }\n")
    stack.write_program({"it": {"type": "fargate:LogGroup"}})
    assert "name" in stack.pulumi("preview", fails=True)
    stack.write_program({"it": {"type": "fargate:LogGroup", "properties": {"name": "mine"}}})
    stack.up()
    assert stack.outputs()["name"] == "mine"


def test_one_attached_process_serves_command_after_command(stack):
    command = [PROVIDER]
    environment = os.environ | stack.environment
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as plugin:
        try:
            stack.environment["PULUMI_DEBUG_PROVIDERS"] = f"fargate:{plugin.stdout.readline().strip()}"
            assert bring_up(stack) == ["create"]
            stack.expect_no_changes("--refresh")
            stack.pulumi("destroy", "--yes", "--skip-preview")
            assert status(stack) is None
            assert plugin.poll() is None, "the process ended with a command"
        finally:
            plugin.terminate()


def test_a_saved_plan_is_carried_out_as_it_was_shown(stack):
    stack.write_program({"it": {"type": "fargate:LogGroup"}, "other": {"type": "fargate:Cluster"}})
    plan = str(stack.folder / "plan.json")
    stack.pulumi("preview", "--save-plan", plan)
    planned = json.loads(Path(plan).read_text())["resourcePlans"]
    name = next(it["goal"]["inputDiff"]["adds"]["name"] for urn, it in planned.items() if urn.endswith("::it"))
    stack.pulumi("up", "--yes", "--skip-preview", "--plan", plan)
    assert stack.outputs()["name"] == name
