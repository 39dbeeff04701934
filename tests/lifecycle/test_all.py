"""No resource is without its life."""

import json
import re

from harness import ROOT


def test_every_resource_has_a_lifecycle_test():
    for token in json.loads((ROOT / "schema.json").read_text())["resources"]:
        name = token.split(":")[-1]
        file = ROOT / "tests" / "lifecycle" / f"test_{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.py"
        # A life of the harness, or one of its own.
        told = [f'type="{name}"', f'"fargate:{name}"']
        assert file.exists() and any(it in file.read_text() for it in told), f"{name} has no test in {file.name}"
