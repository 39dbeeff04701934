"""What README says about projects of one's own, word for word: its commands and programs run in temporary projects, against a
local AWS. What is not there: the language hosts of the CLI, so programs run by Pulumi's Automation API.

    readme.py target/debug/pulumi-resource-fargate
"""

import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import harness
import local_aws

ROOT = harness.ROOT
SDKS = ROOT / ".tools/sdks"

PYTHON = """
import runpy
from pulumi import automation

program = lambda: runpy.run_path("program.py")
stack = automation.create_or_select_stack(stack_name="test", project_name="hello-python", program=program)
up = stack.up(on_output=print)
assert up.outputs["cluster"].value.startswith("arn:"), up.outputs
stack.preview(expect_no_changes=True, on_output=print)
stack.destroy(on_output=print)
"""

TYPESCRIPT = """
const { LocalWorkspace } = require("@pulumi/pulumi/automation");
const assert = require("node:assert");

async function program() {
    delete require.cache[require.resolve("./index.js")];
    return require("./index.js");
}

async function main() {
    const stack = await LocalWorkspace.createOrSelectStack({ stackName: "test", projectName: "hello-node", program });
    const up = await stack.up({ onOutput: console.log });
    assert.match(up.outputs.arn.value, /^arn:/);
    await stack.preview({ expectNoChanges: true, onOutput: console.log });
    await stack.destroy({ onOutput: console.log });
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
"""

GO = """
package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
)

func TestProgram(t *testing.T) {
	ctx := context.Background()
	stack, err := auto.UpsertStackInlineSource(ctx, "test", "hello-go", program)
	if err != nil {
		t.Fatal(err)
	}
	up, err := stack.Up(ctx, optup.ProgressStreams(os.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if arn, _ := up.Outputs["cluster"].Value.(string); !strings.HasPrefix(arn, "arn:") {
		t.Fatal(up.Outputs)
	}
	if _, err := stack.Preview(ctx, optpreview.ExpectNoChanges()); err != nil {
		t.Fatal(err)
	}
	if _, err := stack.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
}
"""


class Project:
    """A folder in which commands of README run."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment | {"FARGATE": str(ROOT)}
        folder.mkdir()

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def run(self, script):
        command = ["bash", "-euc", script]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{self.folder.name}: failed: {script}\n{done.stdout}{done.stderr}")
        return done.stdout


def blocks(text, heading):
    """The language and the text of each block of a section of README."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    return [(language, textwrap.dedent(block)) for _, language, block in found]


def block(found, language, containing=""):
    (only,) = [it for name, it in found if name == language and containing in it]
    return only


def in_yaml(project, program):
    project.write("Pulumi.yaml", program)
    project.run("pulumi stack init test && pulumi up --yes --skip-preview")
    project.run("pulumi preview --expect-no-changes")
    project.run("pulumi destroy --yes --skip-preview")


def in_python(project, command, program):
    # The packages of .tools/venv are there, so nothing but the SDK is installed.
    project.run(f"'{sys.executable}' -m venv --without-pip venv")
    (packages,) = (project.folder / "venv/lib").glob("python3*/site-packages")
    tools = next(it for it in sys.path if it.endswith("site-packages"))
    (packages / "tools.pth").write_text(tools)
    project.environment["PATH"] = f"{project.folder}/venv/bin:{project.environment['PATH']}"
    project.run(command)
    project.write("program.py", program)
    project.write("run.py", PYTHON)
    project.run("python3 run.py")


def in_typescript(project, command, program):
    # A project that has Pulumi and TypeScript, as our own lock file pins them.
    for name in ["package.json", "package-lock.json"]:
        shutil.copy(ROOT / "tools/sdks/nodejs" / name, project.folder)
    ours = shutil.ignore_patterns("fargate")
    shutil.copytree(SDKS / "node_modules", project.folder / "node_modules", symlinks=True, ignore=ours)
    project.run(command)
    project.write("index.ts", program)
    project.run("node_modules/.bin/tsc --strict --module nodenext --target es2022 --types node --skipLibCheck index.ts")
    project.write("run.js", TYPESCRIPT)
    project.run("node run.js")


def in_go(project, commands, program):
    ours = ROOT / "tests/sdk/go"
    mod = re.sub(r"^.*example\.com/.*\n", "", (ours / "go.mod").read_text(), flags=re.MULTILINE)
    project.write("go.mod", re.sub(r"^module .*", "module hello", mod, flags=re.MULTILINE))
    shutil.copy(ours / "go.sum", project.folder)
    project.write("main.go", program)
    project.write("main_test.go", GO)
    project.run(commands)
    project.run("go build -o hello . && go test -count=1 .")


def move(project, before, after):
    """As README moves a resource. The old one has one of our types here, too: Pulumi knows both by their URNs."""
    project.write("Pulumi.yaml", before.replace("aws:cloudwatch:LogGroup", "fargate:LogGroup"))
    project.run("pulumi stack init test && pulumi up --yes --skip-preview")
    project.write("Pulumi.yaml", after)
    preview = project.run("pulumi preview --diff")
    harness.expect("an import in the preview", "(import)" in preview, True)
    harness.expect("the old one is retained", "[retain]" in preview, True)
    project.run("pulumi up --yes --skip-preview")
    project.write("Pulumi.yaml", re.sub(r"^.*import: .*\n", "", after, flags=re.MULTILINE))
    project.run("pulumi preview --refresh --expect-no-changes")
    project.run("pulumi destroy --yes --skip-preview")


def main(provider):
    readme = (ROOT / "README.md").read_text()
    own, moving = blocks(readme, "In your own project"), blocks(readme, "Moving from pulumi-aws")
    with tempfile.TemporaryDirectory(prefix="readme-") as name, local_aws.alone(Path(name) / "aws") as record:
        folder = Path(name)
        environment = harness.environment(folder, provider, record)

        def play(name, test, *texts):
            test(Project(folder / name, environment), *texts)
            print(f"{name}: as README says", flush=True)

        play("yaml", in_yaml, block(own, "yaml"))
        play("move", move, block(moving, "yaml", "retainOnDelete"), block(moving, "yaml", "import"))
        play("python", in_python, block(own, "sh", "pip install"), block(own, "python"))
        play("typescript", in_typescript, block(own, "sh", "npm install"), block(own, "typescript"))
        play("go", in_go, block(own, "sh", "go mod"), block(own, "go"))


if __name__ == "__main__":
    main(sys.argv[1])
