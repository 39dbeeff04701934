"""The framework alone: framework/examples/files.rs, a provider of a few lines, with the real `pulumi`."""

import json
import os

import pytest
from harness import PROVIDER, TOOLS, Stack

BINARY = PROVIDER.parent / "examples" / "pulumi-resource-files"


@pytest.fixture
def files(tmp_path):
    """A stack of files, and the folder that they are in."""
    folder, home = tmp_path / "files", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    assert BINARY.exists(), f"{BINARY} is not built: run `cargo test --no-run`"
    environment = {
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
    }
    return Stack(tmp_path, environment), folder


def write(stack, folder, properties):
    """A program with one file, which asks for the number of files after it."""
    counted = {"fn::invoke": {"function": "files:countFiles", "arguments": {"suffix": ".txt"}}}
    program = {
        "name": "test",
        "runtime": "yaml",
        "plugins": {"providers": [{"name": "files", "path": str(BINARY.parent)}]},
        "config": {"files:folder": {"value": str(folder)}},
        "resources": {"it": {"type": "files:File", "properties": properties}},
        "variables": {"counted": counted},
        "outputs": {"size": "${it.size}", "count": "${counted.count}"},
    }
    (stack.folder / "Pulumi.yaml").write_text(json.dumps(program))


def test_a_file_lives_and_ends(files):
    stack, folder = files
    (folder / "other.txt").write_text("not ours")
    write(stack, folder, {"content": "one"})
    stack.pulumi("preview")
    assert len(list(folder.iterdir())) == 1, "a preview makes nothing"
    assert stack.up() == {"create"}
    made_up = folder / stack.outputs()["id"]
    assert made_up.name.startswith("it-") and made_up.read_text() == "one"
    assert json.loads(stack.pulumi("stack", "output", "--json")) == {"size": 3, "count": 1}
    stack.expect_no_changes("--refresh")

    write(stack, folder, {"content": "three", "mode": "0600"})
    assert stack.up() == {"update"}
    assert made_up.read_text() == "three" and made_up.stat().st_mode & 0o777 == 0o600

    made_up.write_text("somebody else")
    assert stack.up("--refresh") == {"update"}
    assert made_up.read_text() == "three"

    # A name that the program fixes is taken by one file at a time.
    write(stack, folder, {"name": "fixed.txt", "content": "three"})
    assert stack.up() >= {"create-replacement", "delete-replaced"}
    assert not made_up.exists() and (folder / "fixed.txt").exists()

    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert [it.name for it in folder.iterdir()] == ["other.txt"]


def test_mistakes_end_the_preview_and_a_taken_name_says_how_to_import(files):
    stack, folder = files
    (folder / "mine.txt").write_text("was there")
    write(stack, folder, {"name": "a/b", "content": "x", "mode": "rw"})
    said = stack.pulumi("preview", fails=True)
    for part in ('name is "a/b", which is not a name without a slash', 'mode is "rw", which is not four octal digits'):
        assert part in said, said
    write(stack, folder, {"name": "mine.txt", "content": "x"})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "pulumi import files:index:File" in said, said
    assert (folder / "mine.txt").read_text() == "was there"
