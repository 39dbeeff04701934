"""The archive of `make dist` can be installed from a file and from a server."""

import functools
import http.server
import subprocess
import threading
from pathlib import Path

import dist
import pytest
from harness import PROVIDER, TOOLS


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    # A debug build is large, and its symbols have no part in this.
    stripped = tmp_path_factory.mktemp("build") / PROVIDER.name
    subprocess.run(["strip", "-o", stripped, PROVIDER], check=True)
    return stripped


@pytest.fixture(scope="module")
def archive(build, tmp_path_factory):
    return dist.pack(build, tmp_path_factory.mktemp("dist"))


def install(home: Path, *options) -> str:
    environment = {"PATH": str(TOOLS), "HOME": str(home), "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [TOOLS / "pulumi", "plugin", "install", "resource", "fargate", f"v{dist.version()}", *options]
    installed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return subprocess.run([TOOLS / "pulumi", "plugin", "ls"], env=environment, capture_output=True, text=True, check=True).stdout


def runs(home: Path):
    plugin = home / "plugins" / f"resource-fargate-v{dist.version()}" / "pulumi-resource-fargate"
    return "Pulumi starts this plugin" in subprocess.run([plugin, "--help"], capture_output=True, text=True, check=True).stdout


def test_installs_from_a_file(archive, tmp_path):
    assert "fargate" in install(tmp_path, "--file", archive)
    assert runs(tmp_path)


def test_installs_from_a_server(archive, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert "fargate" in install(tmp_path, "--server", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert runs(tmp_path)


def test_a_build_is_packed_the_same_twice_and_its_checksum_fits(build, archive, tmp_path):
    checksum = archive.with_name(f"{archive.name}.sha256")
    subprocess.run(["sha256sum", "--check", checksum], cwd=archive.parent, check=True, capture_output=True)
    assert dist.pack(build, tmp_path).read_bytes() == archive.read_bytes()
