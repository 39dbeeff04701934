"""No resource is without its life."""

import json
import re

from conftest import ROOT


def test_every_resource_has_a_lifecycle_test():
    for token in json.loads((ROOT / "schema.json").read_text())["resources"]:
        name = token.split(":")[-1]
        file = ROOT / "tests" / "lifecycle" / f"test_{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.py"
        assert file.exists() and f'type="{name}"' in file.read_text(), f"{name} has no test in {file.name}"
