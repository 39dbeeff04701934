"""What the tests of the SDKs share: a Pulumi of their own that knows the provider and no AWS but the local one."""

import os
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import local_aws

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]


def environment(folder, provider, aws):
    """The environment of a program: plugins and states are under `folder`."""
    plugin = folder / f"home/plugins/resource-fargate-v{VERSION}/pulumi-resource-fargate"
    plugin.parent.mkdir(parents=True)
    plugin.symlink_to(Path(provider).resolve())
    (folder / "state").mkdir()
    clean = {name: it for name, it in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
    return clean | local_aws.environment(aws) | {
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def note(line):
    print(line, file=sys.stderr, flush=True)


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: expected {wanted!r}, found {found!r}")
