"""The conformance suite on our provider, with a local AWS for as long as it runs; and on providers that others wrote.

    conformance.py ours target/debug/pulumi-resource-fargate [options of provider-conformance]
    conformance.py all target/debug/pulumi-resource-fargate   also rewrites the tables of docs/conformance.md
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import local_aws
import yaml

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "tests" / "conformance"
DOCS = ROOT / "docs" / "conformance.md"
SUITE = ROOT / "target" / "debug" / "provider-conformance"
NODE = ROOT / ".tools" / "sdks" / "node_modules" / "@pulumi" / "pulumi" / "cmd" / "dynamic-provider" / "index.js"
HEADING = "## What it found\n"
# Of those that Pulumi tests its language hosts with, some that between them have what providers have.
FROM_GO = ["simple", "secret", "primitive-defaults", "replaceonchanges", "component"]
WHOSE = f"""
`fargate` is ours, and `our component` stands on its library. Those of Go are what Pulumi tests its language hosts with
({", ".join(f"`{it}`" for it in FROM_GO)}):
they do little, and some of it wrong on purpose, so much of what shows is Pulumi's SDK for Go. They know no Handshake and
leave Diff to the engine (DIFF_UNKNOWN), which it takes as well. `pulumi-python` and `pulumi-nodejs` run the dynamic
providers of programs: without a program, little can be asked of them.
"""
WORDS = {"passed": "✓", "failed": "✗", "not applicable": ""}


def ours(provider, *options):
    """Runs the suite on our provider, and on a component that stands on the same library; 1 if anything failed."""
    return int(any([resources(provider, *options), components()]))


def components(*options):
    """Runs the suite on a component of ours, for the provider has none itself."""
    program = ROOT / "target" / "debug" / "examples" / "pulumi-resource-logs"
    return suite(SAMPLES / "component.yaml", program, *options)


def resources(provider, *options):
    """Runs the suite on our provider."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, local_aws.alone(Path(folder)) as record:
        clouds = ["--cloud", record["aws"]["url"], "--cloud", f"scaling={record['autoscaling']['url']}"]
        report = Path(options[options.index("--json") + 1]) if "--json" in options else Path(folder) / "report.json"
        options = options if "--json" in options else (*options, "--json", report)
        suite(SAMPLES / "samples.yaml", provider, *clouds, *options)
        return judge(json.loads(report.read_text())["items"])


def judge(items):
    """1 if anything failed that is no known departure, or if a known departure is none any more."""
    known = yaml.safe_load((SAMPLES / "departures.yaml").read_text())
    failed = {it["number"] for it in items if it["result"] == "failed"}
    ran = {it["number"] for it in items}
    new, over = sorted(failed - set(known)), sorted((set(known) & ran) - failed)
    for number in sorted(failed & set(known)):
        print(f"item {number} fails as known: {known[number]}")
    if new:
        print(f"FAILED and not known in tests/conformance/departures.yaml: items {', '.join(map(str, new))}")
    if over:
        print(f"no departures any more, to be taken out of tests/conformance/departures.yaml: items {', '.join(map(str, over))}")
    return int(bool(new or over))


def suite(samples, provider, *options):
    pulumi = ROOT / ".tools" / "bin" / "pulumi"
    command = [SUITE, "--samples", samples, "--pulumi", pulumi, *options, provider]
    return subprocess.run(command, check=False).returncode


def everyone(provider):
    """Runs the suite on all that there are, and writes what it found."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        reports = {name: folder / f"{name}.json" for name in ("fargate", "our component")}
        results = [
            resources(provider, "--json", reports["fargate"]),
            components("--json", reports["our component"]),
        ]
        for other, program, samples in others(folder):
            print(f"\n{other}:")
            reports[other] = folder / f"{other}.json"
            suite(samples, program, "--json", reports[other])
        found = {name: json.loads(file.read_text())["items"] for name, file in reports.items()}
    before, _ = DOCS.read_text().split(HEADING)
    DOCS.write_text(before + HEADING + tables(found))
    print(f"\nwritten to {DOCS.relative_to(ROOT)}")
    return int(any(results))


def others(folder):
    """The providers that others wrote: a name, the program, its samples."""
    subprocess.run(["go", "-C", ROOT / "tests" / "upstream", "build", "-o", folder / "providers", "./providers"], check=True)
    for name in FROM_GO:
        program = folder / f"pulumi-resource-{name}"
        program.symlink_to(folder / "providers")
        yield name, program, SAMPLES / "others" / f"{name}.yaml"
    for name, command in [
        ("pulumi-python", f"{sys.executable} -u -m pulumi.dynamic"),
        ("pulumi-nodejs", f"node {NODE}"),
    ]:
        program = folder / f"pulumi-resource-{name}"
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)
        yield name, program, SAMPLES / "others" / "dynamic.yaml"


def tables(found):
    """How many items each passes, all items, and what was seen instead."""
    lines = [
        WHOSE,
        "| | " + " | ".join(found) + " |",
        "| --- |" + " ---: |" * len(found),
    ]
    for word in WORDS:
        counts = [sum(it["result"] == word for it in items) for items in found.values()]
        lines.append(f"| {word} | " + " | ".join(map(str, counts)) + " |")
    lines += ["", "| | | " + " | ".join(found) + " |", "| ---: | --- |" + " :---: |" * len(found)]
    for rows in zip(*found.values(), strict=True):
        marks = [WORDS[it["result"]] for it in rows]
        lines.append(f"| {rows[0]['number']} | {cell(rows[0]['title'])} | " + " | ".join(marks) + " |")
    lines += ["", "✓ passed, ✗ failed, empty: not applicable.", ""]
    for name, items in found.items():
        failed = [it for it in items if it["result"] == "failed"]
        lines += [f"### {name}: what was seen instead", ""] if failed else []
        lines += [f"- {it['number']}: expected {cell(it['expected'])}; saw {cell(it['seen'])}" for it in failed]
        lines += [""] if failed else []
    return "\n".join(lines)


def cell(text):
    """Text for a cell: one line, without what differs from run to run."""
    for folder in (str(ROOT), tempfile.gettempdir(), os.path.expanduser("~")):
        text = text.replace(folder, "…")
    short = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return short if len(short) < 300 else short[:300] + "…"


if __name__ == "__main__":
    try:
        mode, *rest = sys.argv[1:]
        sys.exit({"ours": ours, "all": everyone}[mode](*rest))
    except local_aws.Failed as failed:
        sys.exit(str(failed))
    except KeyboardInterrupt:
        sys.exit(130)
