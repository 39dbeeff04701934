"""The programs of examples/, as they stand: each comes up, is stable, and goes away without a trace."""

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import demo
import pytest
from aws_proxy import Proxy
from harness import LIMIT, ROOT
from harness import Stack
from sprints import IMAGES, push_image

TOKEN = "a-password-of-redis-for-tests"


class Example(Stack):
    """A program of examples/, in a folder of its own; all of a test's share one state."""

    def __init__(self, stack: Stack, name: str, **config: str | list[str]):
        self.folder, self.name, self.root = stack.folder / name, name, stack.folder
        self.environment = stack.environment
        shutil.copytree(ROOT / "examples" / name, self.folder, ignore=shutil.ignore_patterns("Pulumi.*.yaml"))
        self.pulumi("stack", "init", "test")
        for key, value in config.items():
            if isinstance(value, list):
                for index, item in enumerate(value):
                    self.pulumi("config", "set", "--path", f"{key}[{index}]", item)
            else:
                self.set(key, value)

    def state(self) -> str:
        return (self.root / ".pulumi" / "stacks" / self.name / "test.json").read_text()

    def set(self, key: str, value: str):
        self.pulumi("config", "set", *(["--secret"] if value == TOKEN else []), key, value)

    def lives(self):
        """Up, and nothing left to do."""
        self.pulumi("up", "--yes", "--skip-preview")
        self.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        self.expect_no_changes()
        assert TOKEN not in self.pulumi("stack", "export")

    def goes(self):
        self.pulumi("destroy", "--yes", "--skip-preview")

    def push(self, *repositories: str, tag: str = "latest"):
        """What somebody does with Docker."""
        return [push_image(name, tag, self.aws("ecr")) for name in repositories]

    def delete_images(self, *repositories: str):
        """A repository with images in it is not deleted."""
        ecr = self.aws("ecr")
        for name in repositories:
            ecr.batch_delete_image(repositoryName=name, imageIds=ecr.list_images(repositoryName=name)["imageIds"])

    def container(self, task: str) -> dict:
        """The container of the revision of a task definition that the state has, as AWS has it."""
        arn = self.resources()[task]["arn"]
        [container] = self.aws("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]
        return container | {"environment": {it["name"]: it["value"] for it in container["environment"]}}

    def output(self, name: str):
        return json.loads(self.pulumi("stack", "output", "--json"))[name]


@pytest.fixture
def clean(stack, monkeypatch):
    """Nothing may be left in AWS that was not there before."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    before = demo.inventory()
    yield
    assert demo.inventory() == before


def test_the_three_sprints(stack, clean):
    core, web, worker = Example(stack, "a-core"), Example(stack, "b-web"), Example(stack, "c-worker", redisAuthToken=TOKEN)
    core.lives()
    said = web.pulumi("preview", fails=True)
    assert "there is no image tagged latest in repository fastapi_app; push it first" in said
    digest, _ = core.push(*IMAGES)
    web.lives()
    assert web.container("task")["image"].endswith(f"/fastapi_app@{digest}")
    assert web.container("task")["environment"]["REDIS_URL"] == "null"

    # Its stack exists, and has no queue.
    web.set("queueProject", "c-worker")
    web.expect_no_changes()

    worker.lives()
    web.lives()
    url = web.container("task")["environment"]["REDIS_URL"]
    assert url == worker.container("task")["environment"]["REDIS_URL"]
    assert re.fullmatch(rf"rediss://:{TOKEN}@[\w.-]+:\d+/0\?ssl_cert_reqs=required", url)

    # An image that is pushed under the same tag is a change.
    ecr = core.aws("ecr")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"})
    pushed = ecr.put_image(repositoryName="fastapi_app", imageManifest=manifest, imageTag="latest")["image"]
    web.pulumi("up", "--yes", "--skip-preview")
    assert web.container("task")["image"].endswith(pushed["imageId"]["imageDigest"])

    worker.goes()
    # Its stack is empty again.
    web.lives()
    assert web.container("task")["environment"]["REDIS_URL"] == "null"
    web.goes()
    core.delete_images(*IMAGES)
    core.goes()


def test_the_core_in_a_network_that_exists(stack, clean):
    network = Example(stack, "a-core")
    network.pulumi("up", "--yes", "--skip-preview")
    ids = {name: network.output(name) for name in ("vpcId", "publicSubnetIds", "privateSubnetIds")}
    # Both bring the cluster and the repositories; only the network stays.
    for target in ("cluster", "appRepository", "workerRepository"):
        network.pulumi("destroy", "--yes", "--skip-preview", "--target", f"**::{target}")
    stack.environment["PULUMI_BACKEND_URL"] += "/other"
    (stack.folder / "other").mkdir()
    existing = Example(stack, "a-core-existing-network", **ids)
    existing.lives()
    assert existing.output("vpcId") == ids["vpcId"]
    existing.goes()
    stack.environment["PULUMI_BACKEND_URL"] = stack.environment["PULUMI_BACKEND_URL"].removesuffix("/other")
    network.goes()


def test_all_in_one(stack, clean, proxy):
    """In one go, while somebody pushes the images that it asks for."""
    everything = Example(stack, "all-in-one", redisAuthToken=TOKEN)
    everything.pulumi("preview")
    with ThreadPoolExecutor(1) as beside:
        up = beside.submit(everything.pulumi, "up", "--yes", "--skip-preview")
        names = await_questions(proxy, up)
        everything.push(*names)
        said = up.result()
    for name in names:
        assert re.search(rf"docker push \S+/{name}:latest", said)
    assert "docker login --username AWS --password-stdin" in said
    for task in ("appTask", "workerTask"):
        assert "@sha256:" in everything.container(task)["image"]
    everything.lives()
    everything.delete_images(*names)
    everything.goes()


def await_questions(proxy: Proxy, up) -> set[str]:
    """The names of the two repositories, once images were asked for in both."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline and not up.done():
        bodies = [body for _, called, body in list(proxy.calls) if called == "DescribeImages"]
        if len(names := {json.loads(it)["repositoryName"] for it in bodies}) == 2:
            return names
        time.sleep(0.2)
    pytest.fail(f"nobody asked for the images: {up.result() if up.done() else 'pulumi is still at work'}")
