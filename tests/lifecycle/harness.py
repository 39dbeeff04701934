"""The life of one resource, told by the real `pulumi` and a local AWS.

A test file declares a `Lifecycle` and runs it; `run` goes through every step that
each resource has to stand:

  preview of nothing yet    unknowns flow, and nothing is called: AWS is out of reach
  up                        AWS has what the program says, asked through boto3
  refresh, preview again    no change
  list                      it is there, page by page as well, and all that is there can be imported
  update                    changed in place, and AWS has it
  drift                     seen by refresh, put right by up
  import                    into another stack: no change
  replace                   a new one instead, in the right order, and the old one gone
  destroy                   nothing left, and no longer listed

The program has the resource under test under the name `it`, and `fixtures` beside it.
Every test works in an AWS account of its own, so that they run side by side.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from plugin import Plugin

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "bin"
PROVIDER = Path(os.environ.get("FARGATE_PROVIDER", ROOT / "target" / "debug" / "pulumi-resource-fargate"))
OWNER = {"owner": "lifecycle"}  # the provider's default tags
UNREACHABLE = "http://127.0.0.1:1"
LIMIT = 120  # seconds for one command


@dataclass
class Lifecycle:
    """What is special about one resource."""

    type: str
    """The resource's type, such as `Cluster`."""
    properties: dict
    """What the program says at first; may refer to fixtures: `${vpc.id}`."""
    truth: Callable[["Stack", dict], dict | None]
    """Asks AWS through boto3 for the facts that matter, given the resource's outputs (and its `id`). None: it is gone.
    Tags belong to the facts: AWS also has the provider's own, `OWNER`."""
    expected: dict
    """The truth after the first up."""
    update: dict
    """Properties to change in place; None takes a property away."""
    updated: dict
    """The facts that this changes."""
    drift: Callable[["Stack", dict], None]
    """Changes something through boto3, behind our back."""
    replace: dict
    """Properties to change that only a new resource can have. `{}` where no property does that."""
    replaced: dict
    """The facts that this changes."""
    exclusive: bool = False
    """Whether the old one has to go before the new one is made, for AWS allows only one."""
    import_ids: Callable[[dict], list[str]] = field(default=lambda outputs: [outputs["id"]])
    """All forms of id to import it by."""
    fixtures: dict = field(default_factory=dict)
    """Other resources of the program."""
    secrets: list[str] = field(default_factory=list)
    """Texts that the state must not hold in the clear."""


def run(stack: "Stack", life: Lifecycle):
    properties = dict(life.properties)
    expected = dict(life.expected)

    stack.write(life, properties)
    nobody = {name: UNREACHABLE for name in stack.environment if name.startswith("AWS_ENDPOINT_URL")}
    stack.pulumi("preview", **nobody)

    assert stack.up() == {"create"}
    first = stack.outputs()
    assert life.truth(stack, first) == expected
    stack.expect_no_changes("--refresh")
    assert not [it for it in life.secrets if it in stack.state()], "a secret is in the state, in the clear"
    with Plugin(stack.environment) as plugin:
        for query in plugin.queries(life.type, first):
            ids = plugin.list(life.type, query)
            assert first["id"] in ids
            assert plugin.list(life.type, query, page_size=1) == ids
            assert [plugin.import_id(life.type, it) for it in ids] == ids

    properties = changed(properties, life.update)
    expected |= life.updated
    stack.write(life, properties)
    assert stack.up() == {"update"}
    assert life.truth(stack, stack.outputs()) == expected
    stack.expect_no_changes()

    life.drift(stack, stack.outputs())
    assert life.truth(stack, stack.outputs()) != expected, "the drift changes no fact that the test knows"
    assert stack.up("--refresh") == {"update"}, "refresh did not see the drift"
    assert life.truth(stack, stack.outputs()) == expected

    # One program has it once.
    for id in life.import_ids(stack.outputs()):
        importing = stack.other("import")
        importing.write_import(life, properties, [id], stack)
        assert importing.up() == {"import"}, f"importing it by {id} changes it"
        importing.expect_no_changes()

    if life.replace:
        properties = changed(properties, life.replace)
        expected |= life.replaced
        stack.write(life, properties)
        old = stack.outputs()
        steps = [it for it in stack.steps() if it in ("create-replacement", "delete-replaced")]
        new, gone = "create-replacement", "delete-replaced"
        assert steps == ([gone, new] if life.exclusive else [new, gone]), "replaced in the wrong order, or not at all"
        assert life.truth(stack, stack.outputs()) == expected
        if old["id"] != stack.outputs()["id"]:
            assert life.truth(stack, old) is None, "the old one is still there"

    last = stack.outputs()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert life.truth(stack, last) is None, "destroy left it in AWS"
    with Plugin(stack.environment) as plugin:
        for query in plugin.queries(life.type, last):
            assert last["id"] not in plugin.list(life.type, query)


def changed(properties: dict, change: dict) -> dict:
    """`properties` with `change`; None takes one away."""
    return {key: it for key, it in (properties | change).items() if it is not None}


@contextlib.contextmanager
def local_aws(home: Path) -> Iterator[dict]:
    """What `pulumi` and the provider run in: a local AWS, and a Pulumi home that holds the provider alone."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    plugin = home / "plugins" / f"resource-fargate-v{version}"
    plugin.mkdir(parents=True)
    assert PROVIDER.exists(), f"{PROVIDER} is not built: run `cargo test --no-run`"
    shutil.copy(PROVIDER, plugin / "pulumi-resource-fargate")
    command = [sys.executable, ROOT / "tools" / "local_aws.py", "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as aws:
        settings = {}
        for line in aws.stdout:
            if line.strip() == "ready":
                break
            name, value = line.strip().split("=", 1)
            settings[name] = value
        yield settings | {
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_HOME": str(home),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
        }
        aws.stdin.close()


class Stack:
    """A Pulumi project with one stack, in an AWS account of its own."""

    def __init__(self, folder: Path, environment: dict, name: str = "test"):
        self.folder = folder / name
        self.folder.mkdir()
        self.environment = environment | {"PULUMI_BACKEND_URL": f"file://{self.folder}"}
        self.name = name
        self.write_program({})
        self.begin()

    def begin(self):
        """Makes the stack: by `pulumi` only the first, for that takes a second; the others are copies of it."""
        first = Path(self.environment["PULUMI_HOME"]) / "first-stack"
        if first.exists():
            shutil.copytree(first, self.folder, dirs_exist_ok=True)
            return
        self.pulumi("stack", "init", "test")
        shutil.copytree(self.folder, first, ignore=shutil.ignore_patterns("Pulumi.yaml"))

    def other(self, name: str) -> "Stack":
        """Another project in the same account."""
        return Stack(self.folder.parent, self.environment, f"{self.name}-{name}-{len(list(self.folder.parent.iterdir()))}")

    def aws(self, service: str, region: str | None = None):
        """A boto3 client for the account, in the region of the stack if no other is named."""
        name = {"application-autoscaling": "APPLICATION_AUTO_SCALING"}.get(service, service.upper())
        url = self.environment.get(f"AWS_ENDPOINT_URL_{name}", self.environment["AWS_ENDPOINT_URL"])
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=region or self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def use_moto(self, service: str):
        """Uses moto for a service of which ministack lacks what the test is about."""
        self.environment[f"AWS_ENDPOINT_URL_{service.upper()}"] = self.environment["AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING"]

    def write(self, life: Lifecycle, properties: dict):
        """Writes the program: the fixtures, and the resource under test as `it`."""
        self.write_program({**life.fixtures, "it": {"type": f"fargate:{life.type}", "properties": properties}})

    def write_import(self, life: Lifecycle, properties: dict, ids: list[str], source: "Stack"):
        """Writes a program that imports the resource once by each id, with the fixtures of `source` filled in."""
        known = source.resources()

        def fill(value):
            if isinstance(value, dict):
                return {key: fill(it) for key, it in value.items()}
            if isinstance(value, list):
                return [fill(it) for it in value]
            if isinstance(value, str):
                whole = re.fullmatch(r"\$\{(\w+)\.(\w+)}", value)
                if whole:
                    return known[whole[1]][whole[2]]
                return re.sub(r"\$\{(\w+)\.(\w+)}", lambda it: str(known[it[1]][it[2]]), value)
            return value

        resource = {"type": f"fargate:{life.type}", "properties": fill(properties)}
        self.write_program({f"it{n or ''}": resource | {"options": {"import": id}} for n, id in enumerate(ids)})

    def write_program(self, resources: dict):
        """Writes `resources` as the program."""
        program = {
            "name": "test",
            "runtime": "yaml",
            "config": {"fargate:defaultTags": {"value": {"tags": OWNER}}},
            "resources": resources,
        }
        # JSON is YAML.
        (self.folder / "Pulumi.yaml").write_text(json.dumps(program, indent=2))

    def up(self, *options: str) -> set[str]:
        """Brings the program up; the operations it took on `it`."""
        return set(self.steps(*options)) - {"same", "refresh"}

    def steps(self, *options: str) -> list[str]:
        """Brings the program up; the operations it took on `it`, in their order."""
        log = self.folder / "events.json"
        log.unlink(missing_ok=True)
        self.pulumi("up", "--yes", "--skip-preview", "--event-log", str(log), *options)
        events = [json.loads(line) for line in log.read_text().splitlines()]
        steps = [it["resOutputsEvent"]["metadata"] for it in events if "resOutputsEvent" in it]
        return [it["op"] for it in steps if it["urn"].split("::")[-1].startswith("it")]

    def expect_no_changes(self, *options: str):
        """A program that has not changed plans nothing."""
        self.pulumi("preview", "--expect-no-changes", "--diff", *options)

    def state(self) -> str:
        """The state as Pulumi keeps it."""
        return (self.folder / ".pulumi" / "stacks" / "test" / "test.json").read_text()

    def resources(self) -> dict[str, dict]:
        """The outputs and the id of every resource, by name."""
        state = self.state()
        # Only `pulumi` can tell what is secret, but it takes a second to start.
        if '"ciphertext"' in state:
            deployment = json.loads(self.pulumi("stack", "export", "--show-secrets"))["deployment"]
        else:
            deployment = json.loads(state)["checkpoint"]["latest"]
        resources = deployment.get("resources", [])
        return {
            it["urn"].split("::")[-1]: shown(it.get("outputs", {})) | {"id": it.get("id")}
            for it in resources
            if not it.get("delete")
        }

    def outputs(self) -> dict:
        """The outputs and the id of the resource under test."""
        return self.resources()["it"]

    def pulumi(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """Runs `pulumi` and returns what it says; with `fails`, it has to fail."""
        command = ["pulumi", "--non-interactive", "--color", "never", *arguments]
        if arguments[0] != "do" and arguments[:2] != ("stack", "init"):
            command += ["--stack", "test"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        assert (done.returncode != 0) == fails, f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout


def shown(value):
    """A value of the state, its secrets in the clear."""
    if isinstance(value, dict):
        if "plaintext" in value and "4dabf18193072939515e22adb298388d" in value:
            return json.loads(value["plaintext"])
        return {key: shown(it) for key, it in value.items()}
    if isinstance(value, list):
        return [shown(it) for it in value]
    return value


def tags(listed: list[dict]) -> dict:
    """A list of tags, in any of AWS's spellings, as a map."""
    lower = [{key.lower(): it for key, it in tag.items()} for tag in listed]
    return {it["key"]: it["value"] for it in lower}


def refusal(code: str, message: str) -> str:
    """A refusal as EC2 words it."""
    return f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"


def query_refusal(code: str, message: str) -> str:
    """A refusal as the other services word it that answer in XML, such as Elastic Load Balancing."""
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
