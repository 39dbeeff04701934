"""What a file in S3 is for a video, as JSON; null if libav cannot read it:

    python -m video.probe https://... 8759      # its presigned URL, its size

A program of its own, with limits, for a file of a few kilobytes can ask libav for gigabytes. The service runs it."""

import json
import resource
import sys
from http.client import HTTPResponse
from typing import TypedDict
from urllib.request import Request, urlopen

import av

from video.media import FORMATS

MEMORY, CPU_SECONDS, NETWORK_SECONDS = 400 * 1024**2, 5, 10


class Found(TypedDict):
    pictures: bool
    seconds: float | None
    """None if the file does not say, as what browsers record."""


class Remote:
    """A file of S3, of which libav reads a few parts."""

    def __init__(self, url: str, size: int):
        self._url, self._size, self._position = url, size, 0
        self._rest: HTTPResponse | None = None

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position, self._rest = (0, self._position, self._size)[whence] + offset, None
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        if self._position >= self._size:
            return b""
        if not self._rest:
            request = Request(self._url, headers={"Range": f"bytes={self._position}-"})
            self._rest = urlopen(request, timeout=NETWORK_SECONDS)
        part = self._rest.read(count)
        if not part:
            raise ConnectionError("S3 hung up")
        self._position += len(part)
        return part


def probe(file: Remote) -> Found | None:
    options = {"format_whitelist": FORMATS}
    try:
        with av.open(file, "r", container_options=options, metadata_errors="ignore") as container:
            # One has to be read: libav opens a file, too, whose index does not fit into the memory.
            pictures = bool(container.streams.video) and any(it.size for it in container.demux(video=0))
            return {"pictures": pictures, "seconds": container.duration and container.duration / av.time_base}
    except (av.FFmpegError, MemoryError):
        return None


if __name__ == "__main__":
    if sys.platform == "linux":  # a Mac knows no limit of memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    print(json.dumps(probe(Remote(sys.argv[1], int(sys.argv[2])))))
