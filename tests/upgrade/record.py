"""Records what a build of the provider keeps in the state, so that later ones can be tested on it.

    record.py target/release/pulumi-resource-fargate 0.1.0

brings tests/upgrade/0.1.0/Pulumi.yaml up on a local AWS with that build, and writes state.json beside it.
"""

import json
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
        state = portable(json.loads(stack.pulumi("stack", "export")))
        (HERE / release / "state.json").write_text(json.dumps(state, indent=1) + "\n")


def portable(state):
    """The state without what tells of the machine that it was recorded on."""
    if isinstance(state, dict):
        return {name: portable(it) for name, it in state.items() if name not in ("sourcePosition", "stackTrace")}
    return [portable(it) for it in state] if isinstance(state, list) else state


if __name__ == "__main__":
    main(*sys.argv[1:])
