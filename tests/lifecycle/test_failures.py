"""What a user sees when things go wrong, in the terminal of the real pulumi."""

import json
import os
import signal
import subprocess
import time

from harness import UNREACHABLE

CLUSTER = {"it": {"type": "fargate:Cluster", "properties": {"name": "main"}}}


def state(stack):
    return json.loads(stack.pulumi("stack", "export"))["deployment"]


def of_cluster(stack):
    return next(it for it in state(stack)["resources"] if it["urn"].endswith("::it"))


def test_every_mistake_is_told_in_one_preview_and_nothing_is_called(stack):
    wrong = {
        "name": "no spaces",
        "defaultCapacityProviderStrategies": [{"capacityProvider": "SPOT", "weight": 2000}],
        "settings": [{"name": "containerInsights", "value": "on"}],
        "region": "eu-west-1",
    }
    stack.write_program({"it": {"type": "fargate:Cluster", "properties": wrong}, "other": CLUSTER["it"]})
    said = stack.pulumi("preview", fails=True, AWS_ENDPOINT_URL=UNREACHABLE)
    diagnostics = said[said.index("Diagnostics:") :]
    for mistake in [
        "defaultCapacityProviderStrategies[0].capacityProvider is SPOT, which is not in capacityProviders",
        "defaultCapacityProviderStrategies[0].weight is 2000, more than 1000",
        'name is "no spaces", which is not made of letters, digits, hyphens and underscores',
        'settings[0].value is "on", not one of enabled, enhanced, disabled',
    ]:
        assert f"error: fargate:index:Cluster resource 'it' has a problem: {mistake}\n" in diagnostics
    assert diagnostics.count("error:") == 4


def test_without_a_region_one_error_says_how_to_set_one(stack):
    stack.write_program(CLUSTER)
    said = stack.pulumi("preview", fails=True, AWS_REGION="", AWS_DEFAULT_REGION="")
    assert said.count("no AWS region is set: run `pulumi config set fargate:region <region>`, or set AWS_REGION\n") == 2
    assert said[said.index("Diagnostics:") :].count("error:") == 1


def test_an_aws_out_of_reach_is_explained_once(stack):
    stack.write_program({name: {"type": "fargate:Cluster"} for name in ("it", "a", "b")})
    begun = time.monotonic()
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True, AWS_ENDPOINT_URL=UNREACHABLE)
    assert time.monotonic() - begun < 30, "a storm of retries"
    diagnostics = said[said.index("Diagnostics:") :]
    assert diagnostics.count("fix: check that something listens there, or correct AWS_ENDPOINT_URL\n") == 1
    assert diagnostics.count("error: cannot reach AWS at http://127.0.0.1:1\n") == 1
    assert 1 <= diagnostics.count("error: skipped, access to AWS failed earlier: cannot reach AWS at http://127.0.0.1:1\n") <= 3


def test_what_failed_after_it_was_made_is_in_the_state_and_repaired_by_the_next_up(stack, proxy):
    proxy.answers["DescribeClusters"] = lambda text: text.replace('"ACTIVE"', '"FAILED"')
    stack.write_program(CLUSTER)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "* AWS could not attach what cluster main needs; `pulumi up` tries again\n" in said
    failed = of_cluster(stack)
    assert failed["id"] == "main" and failed["outputs"]["arn"] and failed["initErrors"]

    proxy.answers.clear()
    assert stack.up() == {"update"}
    assert "initErrors" not in of_cluster(stack) and proxy.counts["CreateCluster"] == 1
    stack.expect_no_changes()


def test_ctrl_c_ends_a_wait_and_loses_nothing(stack, proxy):
    proxy.answers["DescribeClusters"] = lambda text: text.replace('"ACTIVE"', '"PROVISIONING"')
    stack.write_program(CLUSTER)
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--color", "never", "--stack", "test"]
    environment = os.environ | stack.environment
    running = subprocess.Popen(
        command, cwd=stack.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while proxy.answered["DescribeClusters"] < 2:  # before it is made, and after
        assert running.poll() is None, running.stdout.read()
        time.sleep(0.05)
    time.sleep(0.2)  # what was answered has to be read
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=20)
    assert "cluster provisioning" in said, "the wait tells how it goes"
    assert "cancelled while waiting for cluster main; last seen: cluster provisioning; `pulumi up` carries on from here" in said
    assert of_cluster(stack)["id"] == "main" and not state(stack).get("pending_operations")

    proxy.answers.clear()
    assert stack.up() == {"update"}
    assert proxy.counts["CreateCluster"] == 1


def test_the_provider_s_tags_reach_what_exists(stack):
    stack.write_program(CLUSTER)
    stack.up()
    stack.pulumi("config", "set", "--path", "fargate:defaultTags.tags.owner", "someone")
    stack.pulumi("config", "set", "--path", "fargate:defaultTags.tags.cost", "12")
    assert stack.up() == {"update"}
    found = stack.aws("ecs").describe_clusters(clusters=["main"], include=["TAGS"])["clusters"][0]
    assert {it["key"]: it["value"] for it in found["tags"]} == {"owner": "someone", "cost": "12"}
