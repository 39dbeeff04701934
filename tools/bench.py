"""`make bench`: what the provider weighs, how fast it starts, what the three sprints cost in time,
memory and calls to AWS, and how soon a failure is told. On a local AWS of its own, behind a proxy that counts.

    bench.py target/release/pulumi-resource-fargate
"""

import collections
import concurrent.futures
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import local_aws
from aws_proxy import Proxy
from sprints import TITLES, Sprints


def main(provider):
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

    failures(provider)


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


def row(name, *cells):
    print(f"  {name:26}" + "".join(f"{cell:10}" for cell in cells).rstrip(), flush=True)


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
    main(sys.argv[1])
