"""What service and worker do on a bad day. They run as on Fargate, against a local AWS and a real Redis."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "examples" / "app")]

import local_aws  # noqa: E402
from app import BUCKET, TABLE, Client, Redis, exists, ffmpeg, make_storage, make_video, record_of, table  # noqa: E402
from app import await_line, said, wait_for  # noqa: E402
from fargate_task import APP, PROGRAMS, Image, Right, Task  # noqa: E402
from video.videos import Video, Videos  # noqa: E402

GROUP = "/ecs/video"
PASSWORD = "0123456789abcdef"
ACTIONS = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "cloudwatch:PutMetricData"]
ACTIONS += ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
VIDEO = {"video_id": "a", "filename": "a.mp4", "content_type": "video/mp4", "size": 1, "delete_original": False}


class Stage:
    """Runs the programs, and knows what they need."""

    def __init__(self, folder, aws):
        self.folder, self.aws = folder, aws
        self.redis = Redis(folder, PASSWORD)
        self.settings = {
            "AWS_REGION": os.environ["AWS_REGION"],
            "BUCKET": BUCKET,
            "TABLE": TABLE,
            "REDIS_URL": f"rediss://:{PASSWORD}@{local_aws.HOST}:{self.redis.port}/0?ssl_cert_reqs=required",
            "VISIBILITY_TIMEOUT": "6",
            "STOP_TIMEOUT": "20",
        }
        self.clip = make_video(folder / "clip.mp4", seconds=1, size="64x64")
        self.tasks = []
        boto3.client("logs").create_log_group(logGroupName=GROUP)
        make_storage()

    def run(self, name, aws=None, **settings):
        """A task of an image, as its Dockerfile says."""
        image = Image(APP / name / "Dockerfile")
        options = {
            "awslogs-group": GROUP,
            "awslogs-region": os.environ["AWS_REGION"],
            "awslogs-stream-prefix": "test",
        }
        service = SimpleNamespace(
            name=name,
            command=image.command,
            health_check=image.health_check,
            image_environment=image.environment,
            environment=self.settings | settings,
            rights=[Right(action, "*") for action in ACTIONS],
            container={"name": name, "logConfiguration": {"options": options}},
        )
        self.tasks.append(Task(service, aws or self.aws, self.redis.certificate))
        return self.tasks[-1]

    def serve(self, aws=None, **settings):
        """The service, and a client of it."""
        task = self.run("fastapi_app", aws, **settings)
        client = Client(f"http://{local_aws.HOST}:{task.port}")
        wait_for("the service", client.answers, bool, task)
        return task, client

    def tell_redis(self, *words):
        command = ["redis-cli", "--tls", "--cacert", self.redis.certificate, "-h", local_aws.HOST]
        command += ["-p", str(self.redis.port), *words]
        subprocess.run(command, check=True, env=os.environ | {"REDISCLI_AUTH": PASSWORD}, stdout=subprocess.DEVNULL)

    def end(self):
        for task in self.tasks:
            task.kill()
        self.redis.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    with pytest.MonkeyPatch.context() as patch, local_aws.alone(folder / "aws") as record:
        for name, value in local_aws.environment(record).items():
            patch.setenv(name, value)
        patch.setattr("app.LIMIT", 30)
        stage = Stage(folder, record["aws"]["url"])
        try:
            yield stage
        finally:
            stage.end()


@pytest.fixture(scope="module")
def served(stage):
    return stage.serve()


@pytest.fixture
def client(served):
    return served[1]


@pytest.fixture(scope="module")
def worker(stage):
    task = stage.run("celery_worker")
    await_line(task, "ready.")
    return task


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory")
def test_a_small_file_that_asks_for_gigabytes_is_refused(stage, client):
    bomb = make_bomb(stage.folder / "bomb.mp4")
    begun = client.initiate(bomb)
    client.put(begun["upload_url"], bomb)
    refused = client.complete(begun["video_id"])
    assert (refused.status_code, "no video" in refused.text) == (422, True)


def make_bomb(file):
    """A video that says it had 40 million pictures of a byte each: libav makes an index of them, 24 bytes for each."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", "-c:v", "libx264", "-preset", "ultrafast", file)
    content, pictures = bytearray(file.read_bytes()), 40_000_000
    for box, at, values in [(b"stts", 12, [pictures]), (b"stsc", 16, [pictures]), (b"stsz", 8, [1, pictures])]:
        struct.pack_into(f">{len(values)}I", content, content.index(box) + at, *values)
    file.write_bytes(content)
    return file


def test_the_service_is_healthy_while_all_its_threads_wait_for_aws(stage):
    with socket.create_server((local_aws.HOST, 0), backlog=64) as silent:
        silent.settimeout(20)
        task, client = stage.serve(f"http://{local_aws.HOST}:{silent.getsockname()[1]}")
        for _ in range(45):
            threading.Thread(target=ask, args=[client.url], daemon=True).start()
        calls = [silent.accept() for _ in range(40)]
        assert requests.get(f"{client.url}/health", timeout=3).ok
        task.kill()
        for call, _ in calls:
            call.close()


def ask(url):
    with contextlib.suppress(requests.ConnectionError):
        requests.get(f"{url}/videos/{uuid.uuid4()}", timeout=60)


def run(script, settings):
    """In the Python of the application. Returns what it prints."""
    command = [PROGRAMS / "python", "-c", script]
    options = {"env": os.environ | settings, "cwd": APP, "text": True, "timeout": 30}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, **options)
    return done.stdout


def test_a_video_that_was_uploaded_before_there_was_a_queue_is_completed_later(stage, client, worker):
    task, early = stage.serve(REDIS_URL="null")
    begun = early.initiate(stage.clip)
    assert early.complete(begun["video_id"]).status_code == 409
    early.put(begun["upload_url"], stage.clip)
    for _ in range(2):
        refused = early.complete(begun["video_id"])
        assert (refused.status_code, "no queue yet" in refused.json()["detail"]) == (503, True)
    assert early.get("/health").json() == {"status": "ok"}
    assert task.stop() is not None
    assert client.complete(begun["video_id"]).status_code == 202
    client.wait(begun["video_id"])


CLIENTS = """
import asyncio
from video import api

async def clients():
    async with api.lifespan(api.app) as state:
        for client in (state["services"].s3, state["services"].videos._client):
            config = client.meta.config
            print(config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"])

asyncio.run(clients())
"""


def test_the_service_does_not_wait_for_aws_for_long(stage):
    assert "3 10 2\n3 10 2\n" in run(CLIENTS, stage.settings)


def test_the_worker_outlives_a_redis_that_is_read_only(stage, client, worker):
    stage.tell_redis("replicaof", local_aws.HOST, "1")
    await_line(worker, "read only replica")
    stage.tell_redis("replicaof", "no", "one")
    client.wait(client.upload(stage.clip))


@pytest.mark.parametrize("write", [b":new_duration", b":new_owner", b'"S": "done"'], ids=["queued", "claim", "finish"])
def test_a_write_whose_answer_is_lost_counts_once(write, stage, client, worker):
    gates = [task.gate for task in stage.tasks]
    for gate in gates:
        gate.losing = write
    video = client.upload(stage.clip, delete_original=True)
    client.wait(video)
    await_line(worker, video, "done")
    wait_for("the original", lambda: exists(f"uploads/{video}"), False.__eq__)
    assert None in [gate.losing for gate in gates]
    assert record_of(video)["attempts"] == 1
    assert not said(worker, video, "another worker")


DENIED = """
from botocore.exceptions import ClientError
from video import worker
from video.videos import Video

def denied(**_):
    raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObject")

done = Video(video_id="a", filename="a", content_type="a", size=1, status="done", delete_original=True)
worker.videos.get, worker.s3.delete_object = lambda _: done, denied
for retries in (0, worker.MAX_RETRIES):
    worker.process.push_request(retries=retries)
    try:
        worker.delete_original("a")
        print("given up")
    except ClientError:
        print("to be tried again")
"""


def test_a_delete_that_is_denied_for_good_is_given_up(stage):
    assert run(DENIED, stage.settings).splitlines()[-2:] == ["to be tried again", "given up"]


def test_what_a_killed_process_leaves_is_removed(stage, client, worker):
    video = client.upload(make_video(stage.folder / "film.mp4", seconds=60, size="640x360"))
    [left] = wait_for("its folder", lambda: [*Path(worker.folder.name).glob("video-*")], bool, worker)
    subprocess.run(["pkill", "-KILL", "-P", str(worker.process.pid)], check=True)
    wait_for(f"{left}, to be gone", left.exists, False.__eq__, worker)
    table().delete_item(Key={"video_id": video})


LIFE = """
import os, signal, tempfile, threading, time
from pathlib import Path
from celery import signals
from video import worker

worker.LIFE_SECONDS = 0.1
alive = Path(tempfile.gettempdir(), "alive")

def sign_of_life():
    alive.unlink(missing_ok=True)
    time.sleep(0.5)
    return alive.exists()

def tell():
    print("the loop turns:", sign_of_life(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

@signals.worker_ready.connect
def block(**_):
    print("the loop is blocked:", sign_of_life(), flush=True)
    threading.Thread(target=tell).start()

@signals.worker_init.connect
def wait(**_):
    time.sleep(0.3)
    print("not connected:", alive.exists(), flush=True)

worker.celery.worker_main(["--quiet", "worker", "--concurrency", "1", "--without-gossip", "--without-mingle"])
"""


def test_the_worker_shows_life_unless_its_loop_is_blocked(stage, tmp_path):
    trusted = {"TMPDIR": str(tmp_path), "SSL_CERT_FILE": str(stage.redis.certificate)}
    told = run(LIFE, stage.settings | trusted).splitlines()
    signs = ["not connected: True", "the loop is blocked: False", "the loop turns: True"]
    assert [line for line in told if line in signs] == signs


@pytest.mark.parametrize(
    ("status", "messages", "seconds", "wanted"),
    [
        ("initiated", 0, None, True),
        ("queued", 1, 240, False),
        ("queued", 1, 360, True),
        ("queued", 2, 360, False),
        ("queued", 9, 3660, True),
        ("failed", 9, 66, True),
        ("failed", 1, 54, False),
    ],
)
def test_a_client_that_asks_again_and_again_sends_few_messages(status, messages, seconds, wanted):
    sent = int(time.time()) - seconds if seconds else 0
    assert Video(**VIDEO, status=status, messages=messages, queued_at=sent).needs_message == wanted


def test_the_record_counts_the_messages(stage):
    videos = Videos(boto3.Session(), TABLE)
    videos.create(Video(**VIDEO))
    for messages in (1, 2):
        assert videos.queued(videos.get("a"), 1.0)
        assert videos.get("a").messages == messages


@contextlib.contextmanager
def denied(task, action):
    """As if its role did not allow it."""
    rights = task.gate.rights
    task.gate.rights = [right for right in rights if right.action != action]
    yield
    task.gate.rights = rights


def test_a_job_waits_until_the_worker_may_read(stage, client, worker):
    with denied(worker, "s3:GetObject"):
        video = client.upload(stage.clip)
        await_line(worker, video, "trying again")
        wait_for("status", lambda: record_of(video)["status"], "queued".__eq__)
        assert record_of(video)["attempts"] == 0
    client.wait(video)


def test_a_service_that_may_not_look_does_not_say_that_nothing_is_there(stage, served):
    task, client = served
    begun = client.initiate(stage.clip)
    with denied(task, "s3:ListBucket"):
        assert client.complete(begun["video_id"]).status_code == 503
    assert client.complete(begun["video_id"]).status_code == 409
    client.put(begun["upload_url"], stage.clip)
    with denied(task, "s3:GetObject"):
        assert client.complete(begun["video_id"]).status_code == 503
    assert client.complete(begun["video_id"]).status_code == 202
