"""FFmpeg and ImageMagick."""

import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
"""Containers that we read. Not playlists, which could name other files, or addresses inside our network."""


OURS = ("No space left on device", "Cannot allocate memory")
"""Reasons to end that are this machine's, and no fault of the file."""


class Unusable(Exception):
    """The file itself is at fault: trying again would not help."""


class Interrupted(Exception):
    """The program was ended from outside, or this machine had no room for it."""


def transcode(source: Path, target: Path, duration: float | None, progress: Callable[[int], None]) -> None:
    """H.264 and AAC, at most 720 lines, ready to play while it loads. Without a known duration there is no progress."""
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
        tempfile.TemporaryFile("w+", errors="replace") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        late = threading.Event()
        timer = threading.Timer(_limit(duration), lambda: (late.set(), process.kill()))
        timer.start()
        try:
            for line in process.stdout or ():
                name, _, value = line.strip().partition("=")
                if name == "out_time_us" and value.isdecimal():
                    progress(min(99, int(int(value) / 10_000 / duration)) if duration else 0)
            process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
        if late.is_set():
            raise Unusable("the video takes too long to process")
        said.seek(0)
        _check(process.wait(), command[0], said.read())


def thumbnail(video: Path, target: Path, duration: float) -> None:
    """A frame from the first tenth, in a box of 320 by 320."""
    frame = target.with_suffix(".png")
    quiet = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y"]
    for second in (duration / 10, 0):  # the picture may end long before the sound
        _run(*quiet, "-ss", f"{second:.3f}", "-i", str(video), "-frames:v", "1", str(frame))
        if frame.exists():
            break
    _run("convert", str(frame), "-thumbnail", "320x320", "-strip", "-quality", "85", str(target))


def seconds(video: Path) -> float:
    return float(_run("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(video)))


def _limit(duration: float | None) -> float:
    """So many seconds may it take: a file made to be slow must not hold a worker for ever."""
    return 600 + 20 * (duration or 600)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    _check(done.returncode, command[0], done.stderr)
    return done.stdout


def _check(code: int, program: str, said: str) -> None:
    if code < 0:
        raise Interrupted(f"{program} was ended by signal {-code}")
    if code > 0 and any(reason in said for reason in OURS):
        raise Interrupted(f"{program} ended with {said.strip()}")
    if code > 0:
        lines = [line for line in said.strip().splitlines() if line != "Conversion failed!"]
        raise Unusable((lines or [f"{program} gave no reason"])[-1])
