"""Records what a build of the provider keeps in the state, so that later ones can be tested on it.

    record.py target/release/pulumi-resource-fargate 0.1.0

brings tests/upgrade/0.1.0/Pulumi.yaml up on a local AWS with that build, and writes state.json beside it.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "lifecycle"), str(HERE.parents[1] / "tools")]


def main(provider, release):
    os.environ["FARGATE_PROVIDER"] = str(Path(provider).resolve())
    from harness import Stack, local_aws

    with tempfile.TemporaryDirectory() as name, local_aws(Path(name) / "home") as environment:
        stack = Stack(Path(name), environment | {"AWS_ACCESS_KEY_ID": "123456789012"})
        shutil.copy(HERE / release / "Pulumi.yaml", stack.folder)
        stack.pulumi("up", "--yes", "--skip-preview")
        stack.expect_no_changes()
        stack.pulumi("stack", "export", "--file", str(HERE / release / "state.json"))


if __name__ == "__main__":
    main(*sys.argv[1:])
