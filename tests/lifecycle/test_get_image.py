"""getImage while it waits for an image, in a preview and in an update."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sprints import push_image


def write(stack, repository="app", resources=None, **arguments):
    """A program that asks for an image."""
    arguments = {"repositoryName": repository, "imageTag": "v1", **arguments}
    program = {
        "name": "test",
        "runtime": "yaml",
        "resources": resources or {},
        "variables": {"image": {"fn::invoke": {"function": "fargate:getImage", "arguments": arguments}}},
        "outputs": {"uri": "${image.imageUri}"},
    }
    (stack.folder / "Pulumi.yaml").write_text(json.dumps(program))


def commands(stack):
    """What pushes it, as it is shown."""
    registry = f"{stack.environment['AWS_ACCESS_KEY_ID']}.dkr.ecr.us-east-1.amazonaws.com"
    login = f"aws ecr get-login-password --region us-east-1 | docker login --username AWS --password-stdin {registry}"
    return [login, f"docker push {registry}/app:v1"]


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes", "--skip-preview")], ids=["preview", "up"])
def test_it_waits_until_the_image_is_pushed(stack, proxy, command):
    ecr = stack.aws("ecr")
    ecr.create_repository(repositoryName="app")
    write(stack, timeout=50)
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(stack.pulumi, *command)
        while proxy.answered["DescribeImages"] < 2 and not running.done():
            time.sleep(0.1)
        push_image("app", "v1", ecr)
        said = running.result()
    assert "there is no image tagged v1 in repository app yet; waiting up to 50 s for somebody to push it:" in said
    assert all(it in said for it in commands(stack))
    assert re.search(r"found image \S+/app@sha256:", said)


def test_it_does_not_wait_unless_it_is_told_to(stack, proxy):
    stack.aws("ecr").create_repository(repositoryName="app")
    write(stack)
    said = stack.pulumi("preview", fails=True)
    assert "there is no image tagged v1 in repository app; push it first:" in said
    assert all(it in said for it in commands(stack))
    assert proxy.counts["DescribeImages"] == 1


def test_it_gives_up_and_says_after_how_long(stack):
    stack.aws("ecr").create_repository(repositoryName="app")
    write(stack, timeout=3)
    for command in [("preview",), ("up", "--yes", "--skip-preview")]:
        said = stack.pulumi(*command, fails=True)
        assert "in repository app; push it first (waited 3 s for it; `timeout` sets another limit):" in said
        assert all(it in said for it in commands(stack))


def test_it_does_not_wait_for_a_repository_that_nobody_creates(stack):
    write(stack, repository="web", timeout=2)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "repositoryName: there is no repository web in us-east-1; if this program creates it, give its `repositoryUrl`" in said


def test_a_repository_of_the_same_program(stack, proxy):
    """Known by its URL alone: a preview of nothing yet asks AWS nothing."""
    repository = {"it": {"type": "fargate:Repository", "properties": {"name": "app", "forceDelete": True}}}
    write(stack, repository="${it.repositoryUrl}", resources=repository, timeout=50)
    stack.pulumi("preview")
    assert not proxy.counts
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(stack.pulumi, "up", "--yes", "--skip-preview")
        ecr = stack.aws("ecr")
        while not proxy.answered["DescribeImages"] and not running.done():
            time.sleep(0.1)
        digest = push_image("app", "v1", ecr)
        said = running.result()
    assert commands(stack)[1] in said
    outputs = json.loads(stack.pulumi("stack", "output", "--json"))
    assert outputs["uri"] == f"{commands(stack)[1].split()[-1].removesuffix(':v1')}@{digest}"
    stack.expect_no_changes()
    for form in ("arn", "name"):
        write(stack, repository=f"${{it.{form}}}", resources=repository)
        stack.expect_no_changes()
    stack.pulumi("destroy", "--yes", "--skip-preview")
