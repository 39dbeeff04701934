"""The programs of examples/, as they stand: each comes up, is stable, and goes away without a trace."""

import json
import shutil

import demo
import pytest
from harness import ROOT
from harness import Stack

TOKEN = "a-password-of-redis-for-tests"


class Example(Stack):
    """A program of examples/, in a folder of its own; all of a test's share one state."""

    def __init__(self, stack: Stack, name: str, **config: str | list[str]):
        self.folder, self.name = stack.folder / name, name
        self.environment = stack.environment
        shutil.copytree(ROOT / "examples" / name, self.folder, ignore=shutil.ignore_patterns("Pulumi.*.yaml"))
        self.pulumi("stack", "init", "test")
        for key, value in config.items():
            if isinstance(value, list):
                for index, item in enumerate(value):
                    self.pulumi("config", "set", "--path", f"{key}[{index}]", item)
            else:
                self.pulumi("config", "set", *(["--secret"] if value == TOKEN else []), key, value)

    def lives(self):
        """Up, and nothing left to do."""
        self.pulumi("up", "--yes", "--skip-preview")
        self.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        self.expect_no_changes()
        assert TOKEN not in self.pulumi("stack", "export")

    def goes(self):
        self.pulumi("destroy", "--yes", "--skip-preview")

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
    sprints = [Example(stack, "a-core"), Example(stack, "b-web", redisAuthToken=TOKEN), Example(stack, "c-worker")]
    for sprint in sprints:
        sprint.lives()
    for sprint in reversed(sprints):
        sprint.goes()


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


def test_all_in_one(stack, clean):
    everything = Example(stack, "all-in-one", redisAuthToken=TOKEN)
    everything.lives()
    everything.goes()
