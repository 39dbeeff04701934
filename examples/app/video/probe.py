"""What a file in S3 is for a video, as JSON; null if libav cannot read it:

    python -m video.probe us-east-1 video-uploads uploads/1

A program of its own, with limits, for a file of a few kilobytes can ask libav for gigabytes. The service runs it."""

import json
import resource
import sys
from typing import TypedDict

import av
import boto3
import smart_open

from video.config import IMPATIENT
from video.media import FORMATS

MEMORY, CPU_SECONDS = 400 * 1024**2, 5


class Found(TypedDict):
    pictures: bool
    seconds: float | None
    """None if the file does not say, as what browsers record."""


def probe(region: str, bucket: str, key: str) -> Found | None:
    """Reads a few parts of the file, not all of it."""
    s3 = boto3.Session(region_name=region).client("s3", config=IMPATIENT)
    try:
        with (
            smart_open.open(f"s3://{bucket}/{key}", "rb", transport_params={"client": s3}) as file,
            av.open(
                file, "r", container_options={"format_whitelist": FORMATS}, metadata_errors="ignore"
            ) as container,
        ):
            # One has to be read: libav opens a file, too, whose index does not fit into the memory.
            pictures = bool(container.streams.video) and any(it.size for it in container.demux(video=0))
            return {"pictures": pictures, "seconds": container.duration and container.duration / av.time_base}
    except (av.FFmpegError, MemoryError):
        return None


if __name__ == "__main__":
    if sys.platform == "linux":  # a Mac knows no limit of memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    print(json.dumps(probe(*sys.argv[1:])))
