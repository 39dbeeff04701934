"""A state that an older release wrote is one of today: its program plans no change. tests/upgrade/record.py records such states."""

import shutil

import pytest
from harness import ROOT, UNREACHABLE

RELEASES = sorted(it.parent for it in (ROOT / "tests" / "upgrade").glob("*/state.json"))


@pytest.mark.parametrize("release", RELEASES, ids=lambda it: it.name)
def test_the_state_of_a_release_plans_no_change(stack, release):
    shutil.copy(release / "Pulumi.yaml", stack.folder)
    stack.pulumi("stack", "import", "--file", str(release / "state.json"))
    nobody = {name: UNREACHABLE for name in stack.environment if name.startswith("AWS_ENDPOINT_URL")}
    stack.pulumi("preview", "--expect-no-changes", "--diff", **nobody)
