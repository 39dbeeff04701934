"""Fixtures: one local AWS and one plugin folder for each pytest process, one account and stack for each test."""

import sys
import zlib

import pytest

pytest.register_assert_rewrite("harness")
from harness import ROOT, Stack, local_aws  # noqa: E402

sys.path.append(str(ROOT / "tools"))
from aws_proxy import Proxy  # noqa: E402


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """What `pulumi` and the provider run in."""
    with local_aws(tmp_path_factory.mktemp("pulumi-home")) as environment:
        yield environment


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
