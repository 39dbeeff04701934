"""Runs what the READMEs of examples/ tell a person to type, just as it stands there, on a local AWS, and compares what is
printed with what the README says behind the command.

`aws`, `docker`, `curl` and `jq` are the stand-ins of stand_ins.py, so that they need not be installed and reach what is
local; `pulumi` is the real one, which asks nobody."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAND_INS = ["aws", "docker", "curl", "jq"]
END = "--- the end of a command:"


class Wrong(Exception):
    """A README says something else than what happens."""


def sections(file):
    """The commands of each section, and what each has to print."""
    parts = re.split(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
    return {title: list(commands(text)) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def commands(text):
    """Each command with the text that stands behind it. A command goes on while its last line ends with a backslash or
    within quotes."""
    block = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    lines = iter(block)
    for line in lines:
        command = line
        while command.endswith("\\") or re.sub(r"\\.", "", command).count('"') % 2:
            command += "\n" + next(lines)
        found = re.search(r"\s+# (.*)$", command)
        yield (command[: found.start()], found[1]) if found else (command, None)


class Shell:
    """One shell for all sections, as the READMEs ask for, in a copy of examples/."""

    def __init__(self, folder):
        self.examples, programs = folder / "examples", folder / "programs"
        shutil.copytree(ROOT / "examples", self.examples, ignore=shutil.ignore_patterns("Pulumi.*.yaml"))
        programs.mkdir()
        for name in STAND_INS:
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tools/stand_ins.py" {name} "$@"\n')
            program.chmod(0o755)
        environment = os.environ | {
            "PATH": f"{programs}{os.pathsep}{ROOT}/.tools/bin{os.pathsep}{os.environ['PATH']}",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "STAND_INS": str(folder / "stand-ins.json"),
        }
        environment.pop("PULUMI_STACK", None)
        (folder / "stand-ins.json").write_text("{}")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.bash = subprocess.Popen(["bash", "-o", "pipefail"], cwd=self.examples, env=environment, text=True, **pipes)

    def follow(self, file, title):
        """Runs the commands of a section. Returns each of them with the line that the README is about."""
        return [self.check(*it) for it in sections(self.examples / file)[title]]

    def check(self, command, wanted=None):
        printed = self.run(command)
        if not wanted:
            return command, None
        expected = self.run(f'echo "{escaped(wanted)}"').strip()
        for line in printed.splitlines():
            if fits(expected, line):
                return command, line.strip()
        raise Wrong(f"$ {command}\nhas to print {wanted!r}, but printed:\n{printed}")

    def run(self, command):
        self.bash.stdin.write(f"{command}\nprintf '\\n%s %s\\n' '{END}' $?\n")
        self.bash.stdin.flush()
        lines = [*itertools.takewhile(lambda it: not it.startswith(END), self.lines())]
        if self.status != 0:
            raise Wrong(f"$ {command}\nended with {self.status}:\n{''.join(lines)}")
        return "".join(lines)

    def lines(self):
        for line in self.bash.stdout:
            if line.startswith(END):
                self.status = int(line.split()[-1])
            yield line
        raise Wrong("the shell has ended")

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()
        self.bash.stdout.close()


def escaped(text):
    """Variables are filled in by the shell; nothing else means anything to it."""
    return re.sub(r'(["`\\]|\$\()', r"\\\1", text)


def fits(wanted, line):
    """Whether it is somewhere in a line; `…` stands for anything."""
    return re.search(".*".join(re.escape(part) for part in wanted.split("…")), line) is not None
