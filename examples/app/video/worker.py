"""The Celery worker: takes jobs from Redis, one at a time.

A job may arrive twice: Redis hands a message on when its worker seems to be gone. So a worker first takes a lease on
the video and keeps renewing it; only who holds the lease writes, and what is done is not done again."""

import logging
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, NoReturn
from uuid import uuid4

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from celery import Celery, Task, signals
from celery.exceptions import Reject

from video import logs, media, metrics
from video.config import WorkerSettings
from video.videos import MAX_ATTEMPTS, PROCESS, Busy, Status, Video, Videos

LIFE_SECONDS = 15
"""Between two signs of life. The health check waits for two minutes."""
MAX_RETRIES = 20
"""After about 45 minutes an original that cannot be deleted is left where it is: its job is done."""
logger = logging.getLogger(__name__)
settings = WorkerSettings()
session = boto3.Session(region_name=settings.aws_region)
videos = Videos(session, settings.table)
s3 = session.client("s3")

celery = Celery("video", broker=settings.redis_url)
celery.conf.update(
    # A message is done when its job is: what a lost worker had, another one gets.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    broker_transport_options={
        "visibility_timeout": settings.visibility_timeout,
        # Looks for messages of lost workers that often; by default each 100 seconds.
        "unacked_restore_interval": max(1, min(10, settings.visibility_timeout // 3)),
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
        "socket_timeout": 5,  # for a Redis that is gone without a word; redis-py tries eleven times
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a failover of Redis passes
    broker_channel_error_retry=True,  # and so does what the old primary says until then: that it is read-only
)


@signals.setup_logging.connect
def configure_logs(**_: Any) -> None:
    logs.configure()


@signals.worker_init.connect
def show_life(sender: Any, **_: Any) -> None:
    """For the health check: the worker's event loop turns. While it waits for Redis, it need not: a new worker would
    not mend that, and cost this one its job."""
    alive = Path(gettempdir(), "alive")

    def forever() -> None:
        while True:
            consumer = getattr(sender, "consumer", None)
            if consumer and consumer.connection:
                consumer.hub.call_soon(alive.touch)
            else:
                alive.touch()
            time.sleep(LIFE_SECONDS)

    threading.Thread(target=forever, daemon=True).start()


@signals.worker_process_init.connect
def tidy_up(**_: Any) -> None:
    """A process that was killed left its folder, of gigabytes. This one replaces it, for there is one at a time."""
    for folder in Path(gettempdir()).glob(f"{folder_prefix()}*"):
        shutil.rmtree(folder, ignore_errors=True)


def folder_prefix() -> str:
    """With the id of the worker itself: another one on the same machine has folders of its own."""
    return f"video-{os.getppid()}-"


@signals.worker_ready.connect
def publish_metrics(**_: Any) -> None:
    threading.Thread(target=metrics.publish_forever, args=[celery, session], daemon=True).start()


@signals.worker_shutting_down.connect
def hand_back_in_time(**_: Any) -> None:
    """After SIGTERM the job goes on. If it takes too long, SIGQUIT stops it, and its message returns to the queue."""
    timer = threading.Timer(settings.stop_timeout - 10, os.kill, [os.getpid(), signal.SIGQUIT])
    timer.daemon = True
    timer.start()


class Lost(Exception):
    """Another worker has taken the video over."""


class Denied(Exception):
    """AWS does not let us: a role, a key or a clock is wrong, and no video. Somebody may mend that."""


class Lease:
    """The right to work on a video, renewed in the background together with the progress."""

    def __init__(self, video_id: str):
        self.video_id, self.owner = video_id, str(uuid4())
        self._progress, self._lost, self._over = 0, False, threading.Event()

    def progress(self, percent: int) -> None:
        self._progress = percent
        if self._lost:
            raise Lost

    @contextmanager
    def renewed(self) -> Iterator[None]:
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _renew(self) -> None:
        while not self._over.wait(min(2, settings.visibility_timeout / 3)):
            try:
                self._lost = not videos.renew(self.video_id, self.owner, settings.visibility_timeout, self._progress)
            except (BotoCoreError, ClientError):
                logger.warning("cannot renew the lease, trying again", exc_info=True)


@celery.task(name=PROCESS, bind=True, max_retries=None)
def process(self: Task, video_id: str) -> None:
    lease, context = Lease(video_id), {"video_id": video_id}
    try:
        work(lease)
    except Busy:
        # Not dropped: if that worker is lost, this message is the only one left.
        logger.info("another worker has it, looking again later", extra=context)
        again(self, settings.visibility_timeout / 2)
    except Lost:
        logger.warning("another worker took it over", extra=context)
    except SystemExit:
        logger.warning("stopped, handing the job back", extra=context)
        with suppress(BotoCoreError, ClientError):  # or else the lease runs out
            videos.hand_back(video_id, lease.owner)
        raise
    except Exception as error:  # AWS, the disk, a program that was killed: MAX_ATTEMPTS ends what does not pass
        logger.warning("trying again", extra=context, exc_info=True)
        with suppress(BotoCoreError, ClientError):
            videos.release(video_id, lease.owner, repr(error), counts=not isinstance(error, Denied))
        # Over some minutes, but always before Redis takes this worker for lost.
        countdown = 15 * 2 ** min(self.request.retries, 8) * random.uniform(0.8, 1.2)
        again(self, min(countdown, settings.visibility_timeout / 2))


def again(task: Task, countdown: float) -> NoReturn:
    try:
        raise task.retry(countdown=countdown)
    except Reject as error:  # Redis is away, and Celery would drop the message
        raise Reject(error.reason, requeue=True) from error


def work(lease: Lease) -> None:
    video = videos.claim(lease.video_id, lease.owner, settings.visibility_timeout)
    if video is None:
        logger.info("nothing left to do", extra={"video_id": lease.video_id})
        delete_original(lease.video_id)
        return
    context = {"video_id": video.video_id, "attempt": video.attempts}
    logger.info("started", extra=context)
    try:
        if video.attempts > MAX_ATTEMPTS:
            raise media.Unusable(f"given up after {MAX_ATTEMPTS} attempts")
        with lease.renewed():
            duration = make_results(video, lease)
    except media.Unusable as error:
        logger.warning("failed", extra=context | {"error": str(error)})
        videos.fail(video.video_id, lease.owner, str(error))
        return
    if not videos.finish(video.video_id, lease.owner, duration):
        raise Lost
    logger.info("done", extra=context)
    delete_original(video.video_id)


def make_results(video: Video, lease: Lease) -> float:
    """Returns how long the result is, in seconds."""
    with TemporaryDirectory(prefix=folder_prefix()) as name:
        original, result, thumbnail = (Path(name, it) for it in ("original", "video.mp4", "thumbnail.jpg"))
        download(video, original)
        media.transcode(original, result, video.duration, lease.progress)
        duration = media.seconds(result)
        media.thumbnail(result, thumbnail, duration)
        lease.progress(99)
        s3.upload_file(str(result), settings.bucket, video.result, ExtraArgs={"ContentType": "video/mp4"})
        s3.upload_file(str(thumbnail), settings.bucket, video.thumbnail, ExtraArgs={"ContentType": "image/jpeg"})
        return duration


def download(video: Video, to: Path) -> None:
    try:
        # Asked for the object itself, S3 may say 403 when it is not there, and when it is, but not for us.
        if not s3.list_objects_v2(Bucket=settings.bucket, Prefix=video.original, MaxKeys=1)["KeyCount"]:
            raise media.Unusable("the original is not there")
        s3.download_file(settings.bucket, video.original, str(to))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
            raise Denied from error
        raise


def delete_original(video_id: str) -> None:
    """Asked for again when a message comes twice: the first worker may have been lost just before it."""
    video = videos.get(video_id)
    if video and video.status == Status.DONE and video.delete_original:
        try:
            s3.delete_object(Bucket=settings.bucket, Key=video.original)
        except (BotoCoreError, ClientError):
            if process.request.retries < MAX_RETRIES:
                raise
            logger.exception("giving up, the original stays", extra={"video_id": video_id})
