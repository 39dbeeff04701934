"""Stories: what a user sees when things go wrong in AWS, or take their time. Each is a file of tests/stories, played with the
real `pulumi` on a local AWS behind a proxy with a script, and has its terminal output beside it, as it was reviewed.

    stories.py play [NAME …]    all of them, or some: a line each; UPDATE=1 writes the outputs anew
    stories.py watch NAME       one, in this terminal

A story:

    story: one sentence
    program: service            # one of tests/stories/programs; the resource under test is `web`
    with: {…}                   # what differs in its resources
    aws: {…}                    # the script, see aws_proxy.py
    steps:
      - up: succeeds            # or `fails`; likewise preview, refresh, destroy, cancel
        change: {…}             # what differs in the program from here on
        quietly: true           # its output does not matter
        aws: [ecs, update_service, {…}]         # what somebody else does before
        arguments: [--target, …]
        in: terminal            # instead of a log
        interrupt: {after: DescribeServices, times: 2}    # Ctrl-C, once; `kill` likewise, of Pulumi itself
        calls: {CreateService: 1}               # how often, in this step
        order: [IncreaseReplicaCount, ModifyReplicationGroup]
        state: {web: {desiredCount: 5}}         # outputs in the state, after it
        asked: {UpdateService: '"desiredCount"'}           # what every such call asks for; `not_asked` likewise
"""

import concurrent.futures
import contextlib
import copy
import difflib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pyte
import yaml

ROOT = Path(__file__).resolve().parent.parent
STORIES = ROOT / "tests" / "stories"
sys.path.append(str(ROOT / "tests" / "lifecycle"))
from aws_proxy import Proxy  # noqa: E402
from harness import Stack, local_aws  # noqa: E402

AT_ONCE = 10  # they mostly wait
LIMIT = 120  # seconds for one step
COLUMNS, LINES = 160, 40
STEP = ("change", "quietly", "aws", "arguments", "in", "interrupt", "kill", "calls", "order", "state", "asked", "not_asked", "parallel")
KINDS = ("up", "preview", "refresh", "destroy", "cancel")


class Different(Exception):
    """A story went another way than it is told."""


@dataclass
class Story:
    """What came of playing one."""

    name: str
    text: str = ""
    seconds: float = 0
    output: list[str] = field(default_factory=list)
    told_after: float = 0
    """The seconds from the failure in AWS, which is the last that the script says of a deployment, to the error on the screen."""
    looks: int = 0
    """How often AWS was asked about the service until then."""


def play(name, environment, folder, terminal=False, pace=None):
    """Plays a story, with `pace` by the clock; raises what is wrong with it."""
    told = yaml.safe_load((STORIES / f"{name}.yaml").read_text())
    story = Story(name, told["story"])
    resources = merged(program(told.get("program", "service")), told.get("with", {}))
    account = f"{zlib.crc32(str(folder).encode()):012d}"  # of this play alone
    stack = Stack(folder, environment | {"AWS_ACCESS_KEY_ID": account})
    begun = time.monotonic()
    with Proxy(stack.environment["AWS_ENDPOINT_URL"], told.get("aws"), pace) as proxy:
        stack.environment["AWS_ENDPOINT_URL"] = proxy.url
        for step in told["steps"]:
            resources = merged(resources, step.get("change", {}))
            stack.write_program(resources)
            if call := step.get("aws"):
                service, method, arguments = call
                getattr(stack.aws(service), method)(**arguments)
            take(step, stack, proxy, story, terminal)
        if unused := proxy.script.unused():
            raise Different(f"nobody came across what the script has in store: {'; '.join(unused)}")
    story.seconds = time.monotonic() - begun
    return story


def take(step, stack, proxy, story, terminal):
    kind = next(it for it in KINDS if it in step)
    if unknown := step.keys() - {*KINDS, *STEP} or {step[kind]} - {"succeeds", "fails"}:
        raise Different(f"a step has no {', '.join(unknown)}")
    command = ["pulumi", kind, "--stack", "test", *step.get("arguments", [])]
    if kind != "preview":
        command += ["--yes"] if kind == "cancel" else ["--yes", "--skip-preview"]
    shown = not step.get("quietly")
    before, first = dict(proxy.counts), len(proxy.calls)
    interactive = terminal or step.get("in") == "terminal"
    if not interactive:
        command += ["--non-interactive", "--color", "never"]
    if shown and not terminal and kind != "cancel":
        # One after the other, so that the output is the same each time.
        command += ["--parallel", str(step.get("parallel", 1))]
    environment = os.environ | stack.environment
    told_at = None
    if interactive:
        code, output = in_terminal(command, stack.folder, environment, step, proxy, terminal and shown)
    else:
        code, output, told_at = in_log(command, stack.folder, environment, step, proxy)
    if shown:
        shown_command = " ".join(["$", "pulumi", kind, *step.get("arguments", [])])
        story.output += [shown_command, "", *normal(output).splitlines(), ""]
    killed = code == -signal.SIGKILL
    if killed != ("kill" in step):
        raise Different(f"it did not end within {LIMIT} s:\n{output}" if killed else f"it ended before it was to be killed:\n{output}")
    if not killed and (code != 0) != (step[kind] == "fails"):
        raise Different(f"`pulumi {kind}` ended with {code}, and is told to end well: it {step[kind]}\n{output}")
    calls = proxy.calls[first:]
    counts = {it: proxy.counts[it] - before.get(it, 0) for it in proxy.counts}
    if code and told_at:
        story.told_after, story.looks = told_at - proxy.script.deployments.stepped, counts.get("DescribeServices", 0)
    for operation, expected in step.get("calls", {}).items():
        if counts.get(operation, 0) != expected:
            raise Different(f"{operation} was called {counts.get(operation, 0)} times, and not {expected}\n{output}")
    names = iter([it[1] for it in calls])
    if not all(it in names for it in step.get("order", [])):
        raise Different(f"the calls came in another order: {', '.join(it[1] for it in calls)}")
    for operation, text in step.get("asked", {}).items():
        texts = text if isinstance(text, list) else [text]
        bodies = [body for _, it, body in calls if it == operation]
        if len(bodies) < len(texts) or not all(text in body for text, body in zip(texts, bodies, strict=False)):
            raise Different(f"{operation} does not ask for {texts}: {bodies}")
    for operation, text in step.get("not_asked", {}).items():
        if not counts.get(operation, 0):
            raise Different(f"{operation} was not called, so that it asks for nothing proves nothing")
        if any(text in body for _, it, body in calls if it == operation):
            raise Different(f"{operation} asks for {text}")
    if expected := step.get("state"):
        found = stack.resources()
        for resource, outputs in expected.items():
            seen = {key: found[resource].get(key) for key in outputs}
            if seen != outputs:
                raise Different(f"the state of {resource} has {seen}, and not {outputs}")


def in_log(command, folder, environment, step, proxy):
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    threading.Thread(target=disturb, args=(process, step, proxy), daemon=True).start()
    lines, told_at = [], None
    with limited(process):
        for line in process.stdout:
            lines.append(line)
            if not told_at and "error:" in line:
                told_at = time.monotonic()
    return process.wait(), "".join(lines), told_at


def in_terminal(command, folder, environment, step, proxy, watched):
    """Runs it in a terminal; the output is what that shows: the row of `web` whenever it changed, and the last screen."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    subprocess.run(["stty", "rows", str(LINES), "cols", str(COLUMNS)], stdin=slave, check=True)
    environment = environment | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    threading.Thread(target=disturb, args=(process, step, proxy), daemon=True).start()
    screen = pyte.HistoryScreen(COLUMNS, LINES, history=1000)
    stream, rows = pyte.ByteStream(screen), []
    with limited(process):
        for data in shown_by(process, master):
            if watched:
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
            stream.feed(data)
            # Where Pulumi shows the resource now: once, or it was not replaced in place.
            now = [re.sub(r"\s+", " ", it).strip(" │") for it in screen.display if "fargate:index:Service" in it and " web " in it]
            # Before the first news and after the last there is a moment without any.
            now = [it for it in now if not re.search(r"ing \(\S+s\)\W*$", it)]
            if now and (not rows or normal(rows[-1]) != normal(now[-1])):
                rows.append(now[-1])
    code = process.wait()
    os.close(master)
    last = [it.rstrip() for it in screen.display]
    return code, "\n".join(["the row of the service, as it changed in place:", *[f"  {it}" for it in rows], "", *last]).rstrip()


def shown_by(process, terminal):
    """What it writes to its terminal, until it ends."""
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        data = b""
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                return
        if not data and process.poll() is not None:
            return
        yield data


@contextlib.contextmanager
def limited(process):
    """Kills it if it takes longer than a step may."""
    limit = threading.Timer(LIMIT, process.kill)
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


def disturb(process, step, proxy):
    """Sends the signal that the step asks for, once its time has come."""
    for name, number in [("interrupt", signal.SIGINT), ("kill", signal.SIGKILL)]:
        if when := step.get(name):
            begun = proxy.answered[when["after"]]
            while proxy.answered[when["after"]] - begun < when.get("times", 1):
                if process.poll() is not None:
                    return
                time.sleep(0.02)
            time.sleep(0.2)  # what was answered has to be read
            process.send_signal(number)


def normal(text):
    """What is the same each time."""
    rules = [
        (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
        (r"\(\d+(\.\d+)?s\)", "(…s)"),
        (r"\((\d+ min )?\d+ s\)", "(… s)"),
        (r"Duration: .*", "Duration: …"),
        (r"(gave up waiting for .* after) \d+ s", r"\1 … s"),  # what was left of the limit when the wait began
        (r"\b(sg|subnet|vpc|rtb|igw|nat|eni|eipalloc|acl)-[0-9a-f]{8,17}\b", r"\1-…"),
        (r"\b([a-zA-Z]+)-[0-9a-f]{7}\b", r"\1-…"),
        (r":\d{12}:", ":…:"),
        (r"\b[0-9a-f]{16,}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "…"),
        (r"http://127\.0\.0\.1:\d+", "http://…"),
        (r"\(request [^)]*\)", "(request …)"),
        (r"ecs-svc/\w+", "ecs-svc/…"),
        (r"-final-\d{8}-\d{6}", "-final-…"),
        (r"[ \t]+$", ""),
        (r"(\(…s\))[.…]+", r"\1"),  # what turns in a terminal
        (r"^@ [a-z ]+[ .]*\n", ""),  # a sign of life, one every second
        (r"^ [ +~-]+ fargate:\S+ \S+ ((creat|updat|delet)ing \(…s\)|create|update|delete)( \[diff: .*])?\n", ""),  # in any order
        (r"^ [ +~-]+ fargate:\S+ \S+ (creat|updat|delet)ed \(…s\).*\n", ""),  # with or without the last news
        (r"^ [ +~-]+pulumi:pulumi:Stack test-test( [a-z]+)?( \(…s\))?\n", ""),  # sooner or later
        (r"^ +fargate:\S+ \S+  \d+ errors?\n", ""),
        (r"^(\w+( \w+)? \(test\):)\n+", r"\1\n\n"),
        (r"\n+(?=Resources:)", "\n\n"),
    ]
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    # Pulumi tells of resources in any order.
    before, diagnostics, after = (*text.partition("Diagnostics:\n"),)
    blocks, resources, rest = after.partition("\n\nResources:")
    blocks = re.split(r"\n\n(?=  \S)", blocks)
    return before + diagnostics + "\n\n".join(sorted(blocks)) + resources + rest


def merged(base, change):
    """`base` with `change` at every depth; null takes something away."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    result = {key: merged(base[key], change[key]) if key in change else copy.deepcopy(it) for key, it in base.items()}
    result |= {key: copy.deepcopy(it) for key, it in change.items() if key not in base}
    return {key: it for key, it in result.items() if it is not None}


def program(name):
    return yaml.safe_load((STORIES / "programs" / f"{name}.yaml").read_text())


def check(story):
    """Compares with the output that was reviewed."""
    file, output = STORIES / f"{story.name}.txt", "\n".join([story.text, "", *story.output]).rstrip() + "\n"
    if os.environ.get("UPDATE"):
        file.write_text(output)
    reviewed = file.read_text() if file.exists() else ""
    if output != reviewed:
        lines = difflib.unified_diff(reviewed.splitlines(), output.splitlines(), "reviewed", "now", lineterm="")
        raise Different("it reads otherwise than reviewed; UPDATE=1 takes the new text:\n" + "\n".join(lines))


def names():
    return sorted(it.stem for it in STORIES.glob("*.yaml"))


@contextlib.contextmanager
def ready(folder):
    """What stories are played in, with a first stack for theirs to be copies of."""
    home, first = folder / "pulumi-home", folder / "first"
    home.mkdir()
    first.mkdir()
    with local_aws(home) as environment:
        Stack(first, environment)
        yield environment


def play_all(wanted):
    passed, failed, lock = 0, [], threading.Lock()

    def one(name):
        nonlocal passed
        begun, problem, text = time.monotonic(), None, ""
        try:
            (root / name).mkdir()
            story = play(name, environment, root / name)
            text = story.text
            check(story)
        except Different as different:
            problem = str(different)
        except Exception:
            problem = traceback.format_exc()
        with lock:
            took = f"{time.monotonic() - begun:5.1f} s"
            print(f"{'FAILED' if problem else 'ok':6} {took}  {name:34} {text}", flush=True)
            if problem:
                failed.append((name, problem))
            else:
                passed += 1

    with tempfile.TemporaryDirectory(prefix="stories-") as folder:
        root = Path(folder)
        with ready(root) as environment, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, wanted))
    for name, problem in failed:
        print(f"\n==> {name}\n{problem}")
    print(f"\n{passed} passed, {len(failed)} failed")
    return not failed


def watch(name):
    with tempfile.TemporaryDirectory(prefix="stories-") as folder, ready(Path(folder)) as environment:
        told = yaml.safe_load((STORIES / f"{name}.yaml").read_text())
        print(f"{told['story']}\n", flush=True)
        play(name, environment, Path(folder), terminal=True)


def main():
    match sys.argv[1:]:
        case ["play", *wanted]:
            unknown = set(wanted) - set(names())
            if unknown:
                sys.exit(f"there is no story {', '.join(sorted(unknown))}; there are {', '.join(names())}")
            sys.exit(not play_all(wanted or names()))
        case ["watch", name] if name in names():
            watch(name)
        case ["watch", *_]:
            sys.exit(f"say which: make story NAME=…; there are {', '.join(names())}")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
