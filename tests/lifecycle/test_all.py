"""No resource is without its life."""

import json
import re
import subprocess
import sys

from harness import ROOT


def test_bounds_are_those_of_the_models_of_aws():
    command = [sys.executable, ROOT / "tools" / "bounds.py", "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_resource_has_a_lifecycle_test():
    for token in json.loads((ROOT / "schema.json").read_text())["resources"]:
        name = token.split(":")[-1]
        file = ROOT / "tests" / "lifecycle" / f"test_{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.py"
        # A life of the harness, or one of its own.
        told = [f'type="{name}"', f'"fargate:{name}"']
        assert file.exists() and any(it in file.read_text() for it in told), f"{name} has no test in {file.name}"
