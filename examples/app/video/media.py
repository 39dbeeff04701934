"""FFmpeg and ImageMagick."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
"""Containers that we read. Not playlists, which could name other files, or addresses inside our network."""


class Unusable(Exception):
    """The file itself is at fault: trying again would not help."""


class Interrupted(Exception):
    """The program was ended from outside, such as for want of memory."""


def transcode(source: Path, target: Path, duration: float, progress: Callable[[int], None]) -> None:
    """H.264 and AAC, at most 720 lines, ready to play while it loads."""
    command = ["ffmpeg", "-nostdin", "-nostats", "-loglevel", "error", "-progress", "pipe:1", "-y"]
    command += ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", str(source)]
    command += [
        "-vf",
        "scale=-2:'2*trunc(min(720,ih)/2)'",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-pix_fmt",
        "yuv420p",
    ]
    command += ["-c:a", "aac", "-movflags", "+faststart", str(target)]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                name, _, value = line.strip().partition("=")
                if name == "out_time_us" and value.isdecimal():
                    progress(min(99, int(int(value) / 10_000 / duration)))
        except BaseException:
            process.kill()
            raise
        said.seek(0)
        _check(process.wait(), command[0], said.read())


def thumbnail(video: Path, target: Path, duration: float) -> None:
    """A frame from the first tenth, in a box of 320 by 320."""
    frame = target.with_suffix(".png")
    _run(
        "ffmpeg",
        "-nostdin",
        "-loglevel",
        "error",
        "-y",
        "-ss",
        f"{duration / 10:.3f}",
        "-i",
        str(video),
        "-frames:v",
        "1",
        str(frame),
    )
    _run("convert", str(frame), "-thumbnail", "320x320", "-strip", "-quality", "85", str(target))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _check(done.returncode, command[0], done.stderr)


def _check(code: int, program: str, said: str) -> None:
    if code < 0:
        raise Interrupted(f"{program} was ended by signal {-code}")
    if code > 0:
        raise Unusable((said.strip().splitlines() or [f"{program} gave no reason"])[-1])
