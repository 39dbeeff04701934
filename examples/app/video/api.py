"""The web service: hands out upload URLs, queues jobs, tells how far they are. The videos themselves never pass through
it: clients and S3 exchange them directly."""

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Semaphore
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID, uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from celery import Celery
from fastapi import Depends, FastAPI, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError
from pydantic import BaseModel, Field

from video import logs
from video.config import WebSettings
from video.videos import PROCESS, Status, Video, Videos

URL_SECONDS = 3600
MAX_SECONDS = 4 * 3600
"""Longer videos are refused: one would hold a worker for too long."""
PROBES, PROBE_SECONDS = Semaphore(2), 30
"""So many at a time find room in the memory of a task, beside the service."""
NO_QUEUE = "there is no queue yet, so nothing processes videos; the upload is kept: call again once there is one"
IMPATIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
"""How AWS is called, for callers wait. The worker has botocore's own patience."""
logger = logging.getLogger(__name__)
logs.configure()


@dataclass
class Services:
    """What the requests share, made once."""

    settings: WebSettings
    videos: Videos
    s3: Any
    celery: Celery | None
    """The queue, if there is one."""

    def url(self, method: Literal["get_object", "put_object"], key: str, **parameters: Any) -> str:
        parameters |= {"Bucket": self.settings.bucket, "Key": key}
        return str(self.s3.generate_presigned_url(method, Params=parameters, ExpiresIn=URL_SECONDS))


class State(TypedDict):
    services: Services


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    settings = WebSettings()
    session = boto3.Session(region_name=settings.aws_region)
    services = Services(
        settings=settings,
        videos=Videos(session, settings.table, IMPATIENT),
        # Version 4, which older regions do not use by themselves, signs the type and the size of an upload, too.
        s3=session.client(
            "s3", config=IMPATIENT.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
        ),
        celery=Celery(broker=settings.redis_url) if settings.redis_url else None,
    )
    if services.celery:
        # Whoever asks waits only seconds when Redis is away.
        services.celery.conf.broker_transport_options = {"socket_connect_timeout": 3, "socket_timeout": 3}
    else:
        logger.warning("there is no queue: uploads can be initiated, but not completed")
    yield {"services": services}
    if services.celery:
        services.celery.close()
    logger.info("shut down")


def services(request: Request) -> Services:
    shared: Services = request.state.services
    return shared


Shared = Annotated[Services, Depends(services)]
app = FastAPI(title="Videos", lifespan=lifespan)


@app.exception_handler(RequestValidationError)
def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """What is wrong, without what was sent: not all of that can be sent back."""
    detail = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
    return JSONResponse({"detail": detail}, status.HTTP_422_UNPROCESSABLE_CONTENT)


@app.exception_handler(BotoCoreError)
@app.exception_handler(ClientError)
async def failed(_: Request, error: Exception) -> JSONResponse:
    logger.error("AWS fails", exc_info=error)
    return JSONResponse({"detail": "not possible now; call again in a minute"}, status.HTTP_503_SERVICE_UNAVAILABLE)


class Upload(BaseModel):
    filename: str = Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]+$")
    content_type: Literal["video/mp4", "video/quicktime", "video/webm", "video/x-matroska"]
    size: int = Field(gt=0, le=5 * 1024**3, description="In bytes. S3 takes at most 5 GiB at once.")
    delete_original: bool = Field(False, description="Whether to delete the upload once its result is there.")


class Initiated(BaseModel):
    video_id: str
    upload_url: str = Field(description="PUT the file here, with just the type and size that were announced.")
    expires_in: int = Field(description="In seconds, at most: less if the credentials that signed it end.")


class Complete(BaseModel):
    video_id: UUID


class Progress(BaseModel):
    video_id: str
    filename: str
    status: Status
    progress: int = Field(description="In percent.")
    duration: float | None = Field(description="In seconds.")
    error: str | None
    result_url: str | None = None
    thumbnail_url: str | None = None


@app.get("/health")
async def health() -> dict[str, str]:
    """Whether this task can answer. Says nothing of Redis or AWS: a new task would not mend those."""
    # No thread of its own: they may all wait for AWS.
    return {"status": "ok"}


@app.post("/upload/initiate", status_code=status.HTTP_201_CREATED)
def initiate(upload: Upload, shared: Shared) -> Initiated:
    video = Video(video_id=str(uuid4()), **upload.model_dump())
    shared.videos.create(video)
    url = shared.url("put_object", video.original, ContentType=upload.content_type, ContentLength=upload.size)
    logger.info("upload initiated", extra={"video_id": video.video_id})
    return Initiated(video_id=video.video_id, upload_url=url, expires_in=URL_SECONDS)


@app.post("/upload/complete", status_code=status.HTTP_202_ACCEPTED)
def complete(done: Complete, shared: Shared) -> Progress:
    """May be called again when the answer was lost: the job is done once. One that failed begins anew."""
    video = find(done.video_id, shared)
    if video.needs_message:
        check_uploaded(video, shared)
        if not shared.celery:
            logger.warning("there is no queue yet", extra={"video_id": video.video_id})
            raise HTTPException(503, NO_QUEUE)
        if shared.videos.queued(video, duration(video, shared)):
            try:
                shared.celery.send_task(PROCESS, args=[video.video_id])
            except OperationalError as error:
                logger.exception("the queue is away", extra={"video_id": video.video_id})
                shared.videos.unsent(video.video_id)
                raise HTTPException(503, "the queue cannot be reached; call again in a minute") from error
            logger.info("queued", extra={"video_id": video.video_id})
    return show(find(done.video_id, shared), shared)


@app.get("/videos/{video_id}")
def progress(video_id: UUID, shared: Shared) -> Progress:
    return show(find(video_id, shared), shared)


def find(video_id: UUID, shared: Services) -> Video:
    if video := shared.videos.get(str(video_id)):
        return video
    raise HTTPException(404, f"there is no video {video_id}")


def check_uploaded(video: Video, shared: Services) -> None:
    # Asked for the object itself, S3 may say 403 when it is not there, and when it is, but not for us.
    found = shared.s3.list_objects_v2(Bucket=shared.settings.bucket, Prefix=video.original, MaxKeys=1)
    if not found["KeyCount"]:
        raise HTTPException(409, "the file is not uploaded yet: PUT it to upload_url first")
    size = found["Contents"][0]["Size"]
    if size != video.size:
        raise HTTPException(409, f"the file has {size} bytes, but {video.size} were announced: PUT the right one")


def duration(video: Video, shared: Services) -> float | None:
    """None if the file does not say, as what browsers record."""
    url = shared.url("get_object", video.original)
    command = [sys.executable, "-m", "video.probe", url, str(video.size)]
    if not PROBES.acquire(timeout=10):
        raise HTTPException(503, "too many videos come at a time; call again in a minute")
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:  # its own limits are narrower: S3 is slow
        raise HTTPException(503, "the file cannot be read in time; call again in a minute") from error
    finally:
        PROBES.release()
    if probe.returncode > 0:
        logger.error("S3 fails", extra={"video_id": video.video_id, "error": probe.stderr})
        raise HTTPException(503, "the file cannot be read now; call again in a minute")
    if probe.returncode < 0 or not (found := json.loads(probe.stdout)):
        raise HTTPException(422, "the file is not a video that we can read")
    if not found["pictures"]:
        raise HTTPException(422, "the file has no video in it")
    seconds: float | None = found["seconds"]
    if seconds and seconds > MAX_SECONDS:
        raise HTTPException(422, f"the video is longer than {MAX_SECONDS // 3600} hours")
    return seconds


def show(video: Video, shared: Services) -> Progress:
    shown = Progress.model_validate(video, from_attributes=True)
    if video.status == Status.DONE:
        shown.result_url = shared.url("get_object", video.result)
        shown.thumbnail_url = shared.url("get_object", video.thumbnail)
    return shown
