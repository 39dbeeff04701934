"""`make bench`: what the provider weighs, how fast it starts, what the three sprints cost in time,
memory and calls to AWS, how the time grows with the size of a stack, and how soon a failure is told. On a local AWS of its own,
behind a proxy that counts.

    bench.py target/release/pulumi-resource-fargate [--scale-only] [BEFORE]

BEFORE is another build of the provider, to be measured side by side as the size of a stack grows.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

import local_aws
from aws_proxy import Proxy
from sprints import ROOT, TITLES, Sprints


def main(provider, *options):
    before = [it for it in options if it != "--scale-only"]
    if "--scale-only" not in options:
        alone(provider)
    scale(provider, *before)
    if "--scale-only" not in options:
        failures(provider)


def alone(provider):
    print("The provider alone:")
    row("binary", megabytes(Path(provider).stat().st_size))
    row("start to port line", f"{statistics.median(start_time(provider) for _ in range(11)) * 1000:.1f} ms")
    row("memory, idle", megabytes(idle_memory(provider)))

    print("\nThe three sprints (the time includes Pulumi's own, memory is the provider's highest):")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        home = Path(name)
        with local_aws.alone(home / "aws") as record, counting(record) as calls:
            sprints = Sprints(home, "bench")
            sprints.enter(record)
            sprints.install(provider)
            try:
                measure(sprints, calls)
            finally:
                sprints.forget()


SIZES = [68, 308, 1210]
COMMANDS = ["preview", "up", "up again", "refresh"]
PAIRS = 3  # runs of each command, before and after in turn; the table has the medians


def scale(provider, before=None):
    """How long the commands take for stacks of many resources, and what they were before, in turn in one run."""
    providers = {"before": before, "after": provider} if before else {"": provider}
    print(f"\nStacks of many resources, all of one VPC (medians of {PAIRS}; up is the first, of one run):")
    row("", *(f"{command} {which}".strip() for command in COMMANDS for which in providers), width=17)
    for size in SIZES:
        with contextlib.ExitStack() as stack:
            runs = {it: stack.enter_context(many(size, providers[it])) for it in providers}
            times = {
                command: {it: statistics.median(taken) for it, taken in interleaved(runs, command, count).items()}
                for command, count in (("preview", PAIRS), ("up", 1), ("up again", PAIRS), ("refresh", PAIRS))
            }
        row(f"{size} resources", *(f"{taken:.1f} s" for of in times.values() for taken in of.values()), width=17)


def interleaved(runs, command, count):
    arguments = {
        "preview": ["preview"],
        "refresh": ["refresh", "--yes", "--skip-preview"],
    }.get(command, ["up", "--yes", "--skip-preview"])
    taken = {it: [] for it in runs}
    for _ in range(count):
        for it, pulumi in runs.items():
            begun = time.monotonic()
            pulumi(*arguments)
            taken[it].append(time.monotonic() - begun)
    return taken


@contextlib.contextmanager
def many(size, provider):
    """A stack of `size` resources on a local AWS of its own; what runs `pulumi` on it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        home = Path(name)
        with local_aws.alone(home / "aws") as record:
            version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
            plugin = home / "pulumi" / "plugins" / f"resource-fargate-v{version}" / "pulumi-resource-fargate"
            plugin.parent.mkdir(parents=True)
            shutil.copy2(provider, plugin)
            (home / "program").mkdir()
            (home / "program" / "Pulumi.yaml").write_text(json.dumps(program(size)))
            environment = {it: value for it, value in os.environ.items() if not it.startswith(("AWS_", "PULUMI_"))}
            environment |= local_aws.environment(record) | {
                "PULUMI_HOME": str(home / "pulumi"),
                "PULUMI_BACKEND_URL": home.as_uri(),
                "PULUMI_CONFIG_PASSPHRASE": "bench",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PATH": f"{ROOT}/.tools/bin:{os.environ['PATH']}",
            }

            def pulumi(*arguments):
                command = ["pulumi", "-C", str(home / "program"), "--non-interactive", *arguments]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout + done.stderr

            pulumi("stack", "init", "bench")
            yield pulumi


def program(size):
    """A YAML program of that many resources: a VPC, and roles, security groups and task definitions in turn. No log
    groups: of those, older builds see only the first 50 in the local AWS, which ignores the names that are asked for."""
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    kinds = [
        ("Role", lambda it: {"assumeRolePolicy": {"Version": "2012-10-17", "Statement": [trust]}}),
        ("SecurityGroup", lambda it: {"vpcId": "${vpc.id}", "description": f"number {it}"}),
        (
            "TaskDefinition",
            lambda it: {
                "family": f"bench-{it}",
                "containerDefinitions": [
                    {
                        "name": "app",
                        "image": "example/app:1",
                        "logConfiguration": {
                            "logDriver": "awslogs",
                            "options": {
                                "awslogs-group": "/bench",
                                "awslogs-region": local_aws.REGION,
                                "awslogs-stream-prefix": "app",
                            },
                        },
                    }
                ],
                "executionRoleArn": "arn:aws:iam::000000000000:role/execution",
            },
        ),
    ]
    resources = {"vpc": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.0.0.0/16"}}}
    # The stack itself is a resource, too.
    for number in range(size - 2):
        kind, properties = kinds[number % len(kinds)]
        resources[f"it{number}"] = {"type": f"fargate:{kind}", "properties": properties(number)}
    return {"name": "bench", "runtime": "yaml", "resources": resources}


FAILURES = ["image-not-found", "secret-missing", "no-route-to-the-registry", "rolled-back", "stopped-by-an-alarm"]
TIMES = 3
PACE = 15  # seconds from one step of a story to the next: by then, looks are as rare as they get


def failures(provider):
    """How long it takes from a failure in AWS to the error on the screen; a failure falls anywhere between two looks."""
    os.environ["FARGATE_PROVIDER"] = str(Path(provider).resolve())
    import stories  # reads that

    print(f"\nFive failures, {TIMES} times each (from the failure in AWS to the error on the screen):")
    row("", "typically", "at most", "looks at the service")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        home = Path(name)
        with stories.ready(home) as environment, concurrent.futures.ThreadPoolExecutor(TIMES * len(FAILURES)) as pool:

            def play(story, number):
                time.sleep(number * PACE / TIMES)  # not all at once: they share two processors or so
                folder = home / f"{story}-{number}"
                folder.mkdir()
                return stories.play(story, environment, folder, pace=PACE)

            played = {it: [pool.submit(play, it, number) for number in range(TIMES)] for it in FAILURES}
            for story, plays in played.items():
                done = [it.result() for it in plays]
                after = [it.told_after for it in done]
                looks = statistics.median(it.looks for it in done)
                row(story, f"{statistics.median(after):.1f} s", f"{max(after):.1f} s", f"{looks:.0f}")


def measure(sprints, calls):
    for sprint in TITLES:
        sprints.prepare(sprint)
    steps = [
        ("up", list(TITLES), ["up", "--yes", "--skip-preview"]),
        ("preview", list(TITLES), ["preview"]),
        ("refresh", list(TITLES), ["refresh", "--yes", "--skip-preview"]),
        ("destroy", list(reversed(TITLES)), ["destroy", "--yes", "--skip-preview"]),
    ]
    row("", "time", "calls", "memory", "most frequent calls")
    for name, order, command in steps:
        calls.clear()
        begun = time.monotonic()
        with PeakMemory(sprints.home) as memory:
            for sprint in order:
                if (name, sprint) == ("destroy", "a-core"):
                    sprints.delete_images()
                sprints.pulumi(sprint, *command, quiet=True)
                if (name, sprint) == ("up", "a-core"):
                    sprints.push_images()
        often = ", ".join(f"{call} {count}" for call, count in calls.most_common(5))
        row(name, f"{time.monotonic() - begun:.1f} s", str(calls.total()), megabytes(memory.peak), often)


def row(name, *cells, width=10):
    print(f"  {name:26}" + "".join(f"{cell:{width}}" for cell in cells).rstrip(), flush=True)


def start_time(provider):
    begun = time.perf_counter()
    with started(provider):
        return time.perf_counter() - begun


def idle_memory(provider):
    with started(provider) as process:
        time.sleep(0.2)
        return resident(process.pid)


@contextlib.contextmanager
def started(provider):
    """The provider as Pulumi starts it, once its port line is there."""
    process = subprocess.Popen([provider, "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        int(process.stdout.readline())
        yield process
    finally:
        process.kill()
        process.wait()


def resident(pid):
    """Bytes of memory in use, or None where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), None)


class PeakMemory:
    """Watches every process that runs out of a folder, which are our provider's."""

    def __init__(self, folder):
        self.folder, self.peak, self.done = str(folder), None, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def watch(self):
        while not self.done.wait(0.05):
            for link in Path("/proc").glob("[0-9]*/exe"):
                try:
                    ours = str(link.readlink()).startswith(self.folder)
                except OSError:
                    continue
                if ours:
                    self.peak = max(self.peak or 0, resident(link.parent.name) or 0)


@contextlib.contextmanager
def counting(record):
    """Puts a proxy before each server of `record`, and yields the counts by operation of them all."""
    counts = collections.Counter()
    with contextlib.ExitStack() as stack:
        for server in record.values():
            proxy = stack.enter_context(Proxy(server["url"]))
            proxy.counts, server["url"] = counts, proxy.url
        yield counts


def megabytes(number):
    return "not known here" if number is None else f"{number / 1e6:.1f} MB"


if __name__ == "__main__":
    main(*sys.argv[1:])
