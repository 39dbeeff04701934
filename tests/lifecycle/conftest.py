"""Fixtures: one local AWS and one plugin folder for each pytest process, one account and stack for each test."""

import os
import shutil
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import pytest

pytest.register_assert_rewrite("harness")
from harness import Stack  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
from aws_proxy import Proxy  # noqa: E402

TOOLS = ROOT / ".tools" / "bin"
PROVIDER = Path(os.environ.get("FARGATE_PROVIDER", ROOT / "target" / "debug" / "pulumi-resource-fargate"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """What `pulumi` and the provider run in: the local AWS, and a Pulumi home that holds the provider alone."""
    home = tmp_path_factory.mktemp("pulumi-home")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    plugin = home / "plugins" / f"resource-fargate-v{version}"
    plugin.mkdir(parents=True)
    assert PROVIDER.exists(), f"{PROVIDER} is not built: run `cargo test --no-run`"
    shutil.copy(PROVIDER, plugin / "pulumi-resource-fargate")
    command = [sys.executable, ROOT / "tools" / "local_aws.py", "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as aws:
        settings = {}
        for line in aws.stdout:
            if line.strip() == "ready":
                break
            name, value = line.strip().split("=", 1)
            settings[name] = value
        yield settings | {
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_HOME": str(home),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
        }
        aws.stdin.close()


@pytest.fixture
def stack(environment, request, tmp_path):
    """A new stack in an AWS account that no other test uses: a local AWS takes twelve digits as the account."""
    account = f"{zlib.crc32(request.node.name.encode()):012d}"
    return Stack(tmp_path, environment | {"AWS_ACCESS_KEY_ID": account})


@pytest.fixture
def proxy(stack):
    """A proxy before the local AWS; the stack calls it from now on."""
    with Proxy(stack.environment["AWS_ENDPOINT_URL"]) as proxy:
        stack.environment["AWS_ENDPOINT_URL"] = proxy.url
        yield proxy
