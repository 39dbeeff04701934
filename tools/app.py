"""`make app`: the application of the plan, running end to end on a local AWS.

    app.py target/release/pulumi-resource-fargate

The three sprints come up as the READMEs of examples/ say, command by command. In between, service and worker run as their
task definitions say, and a client uploads videos. Each step checks what it tells; a table at the end sums them up. Nothing is
left running."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import requests

import local_aws
import readme
from fargate_task import PROGRAMS, Service, Task
from sprints import CONNECTED, TITLES, Sprints
from stand_ins import remember

REGION, BUCKET, TABLE = "eu-central-1", f"my-videos-{local_aws.ACCOUNT}", "video_metadata"  # as the READMEs have them
STOP_TIMEOUT = 20
SHORT = {"300": "6", "120": str(STOP_TIMEOUT)}  # seconds, of sprint C: nobody wants to wait for minutes here
PLANNED = {"fastapi_app": {"s3:GetObjectAcl"}, "celery_worker": {"s3:GetObjectAcl", "dynamodb:PutItem"}}
"""What the plan gives the roles, and the application does not need."""
LIMIT = 120  # seconds that anything may take
STEPS = []


class Wrong(Exception):
    """Something is not as it must be."""


def expect(what, found, wanted):
    if found != wanted:
        raise Wrong(f"{what}: expected {wanted!r}, found {found!r}")


def wait_for(what, ask, good, task=None):
    """Asks until the answer is good, and returns it."""
    deadline = time.monotonic() + LIMIT
    while not good(found := ask()):
        if time.monotonic() > deadline:
            raise Wrong(f"{what}: after {LIMIT} s it is still {found!r}")
        if task and task.process.poll() is not None:
            raise Wrong(f"{what}: the task has ended")
        time.sleep(0.1)
    return found


def step(title):
    """A function that does one step of the story, and returns in a few words what came of it."""

    def with_title(function):
        STEPS.append((title, function))
        return function

    return with_title


class Stage:
    """What the steps share. Everything on it ends with it."""

    def __init__(self, provider, folder, ends):
        self.provider, self.folder, self.ends = Path(provider).resolve(), folder, ends
        self.tasks = []
        self.clip = make_video(folder / "clip.mp4", seconds=2, size="320x240")

    def follow(self, file, title):
        """Does what a README says."""
        for done in self.shell.follow(file, title):
            show(*done)

    def run(self, service):
        self.tasks.append(Task(service, self.record["aws"]["url"], self.redis.certificate))
        return self.tasks[-1]

    def end_tasks(self, failed, *_):
        """If something went wrong, with what they said last. Not to be interrupted, or some would stay behind."""
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        for task in self.tasks:
            task.kill()
        if failed:
            for task in self.tasks:
                print(f"\n{task.service.name} {task.id} said last:\n{''.join(task.lines[-20:])}", file=sys.stderr)


def main(provider):
    rows = []
    with tempfile.TemporaryDirectory(prefix="app-") as folder, contextlib.ExitStack() as ends:
        stage = Stage(provider, Path(folder), ends)
        for title, function in STEPS:
            print(f"\n==> {title}", flush=True)
            began = time.monotonic()
            result = function(stage)
            say(result)
            rows.append((title, result, time.monotonic() - began))
    print("\n==> All of it\n")
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for title, result, seconds in rows:
        print(f"{title:{widths[0]}}  {result:{widths[1]}}  {seconds:5.1f} s")


def say(text):
    print(f"    {text}", flush=True)


# What AWS and the plan are ------------------------------------------------------------------------------------------


@step("A local AWS, and a Redis with TLS and a password")
def _(it):
    it.redis = Redis(it.folder, secrets.token_hex(16))
    it.ends.callback(it.redis.stop)
    # What AWS says of Redis leads to this one. Without a Docker, ministack starts none of its own.
    os.environ |= {"REDIS_HOST": local_aws.HOST, "REDIS_PORT": str(it.redis.port)}
    os.environ["DOCKER_HOST"] = f"unix://{it.folder}/none"
    it.record = it.ends.enter_context(local_aws.alone(it.folder / "aws"))
    return f"{it.record['aws']['url']}, rediss://{local_aws.HOST}:{it.redis.port}"


def make_storage():
    """The bucket and the table that the application finds."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "video_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "video_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@step("What is there before the plan: a bucket and a table")
def _(it):
    sprints = Sprints(it.folder, "dev")
    sprints.enter(it.record)
    sprints.install(it.provider)
    os.environ |= {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    it.shell = readme.Shell(it.folder)
    it.ends.callback(it.shell.close)
    shutil.copy(it.clip, it.shell.examples / "a.mp4")
    program = it.shell.examples / "c-worker" / "Pulumi.yaml"
    text = program.read_text()
    for default, short in SHORT.items():
        text = text.replace(f"default: {default}\n", f"default: {short}\n")
    program.write_text(text)
    it.follow("README.md", "Before the first sprint")
    expect("the buckets", [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]], [BUCKET])
    return f"s3://{BUCKET}, {TABLE}"


@step(TITLES["a-core"])
def _(it):
    it.follow("a-core/README.md", "Bring it up")
    return changes(it, "a-core")


@step("The images, built and pushed by hand")
def _(it):
    it.follow("a-core/README.md", "Push the images")
    return "in the repositories"


@step("One task, run by hand")
def _(it):
    it.follow("a-core/README.md", "Run one task by hand")
    it.follow("a-core/README.md", "Check it")
    return "ended with 0; cluster and images are there"


@step(TITLES["b-web"])
def _(it):
    it.follow("b-web/README.md", "Bring it up")
    return changes(it, "b-web")


@step("The service, without a queue")
def _(it):
    service = Service("video", "fastapi_app")
    tell(service)
    web = it.run(service)
    it.ends.push(it.end_tasks)
    client = Client(f"http://{local_aws.HOST}:{web.port}")
    wait_for("the service", client.answers, bool, web)
    remember("web", client.url, it.folder / "stand-ins.json")
    it.follow("b-web/README.md", "Check it")
    begun = client.initiate(it.clip)
    expect("nothing is uploaded yet", client.complete(begun["video_id"]).status_code, 409)
    client.put(begun["upload_url"], it.clip)
    refused = client.complete(begun["video_id"])
    expect("status code", refused.status_code, 503)
    expect("the reason is said", "there is no queue yet" in refused.json()["detail"], True)
    expect("the record stays as it was", record_of(begun["video_id"])["status"], "initiated")
    expect("it ended by itself", web.stop() is not None, True)
    return "health and upload work; complete: 503, there is no queue yet"


@step(TITLES["c-worker"])
def _(it):
    it.follow("c-worker/README.md", "Bring it up")
    url = urlsplit(Service("video", "celery_worker").environment["REDIS_URL"])
    it.redis.use(url.password)
    return changes(it, "c-worker")


@step(CONNECTED)
def _(it):
    it.follow("c-worker/README.md", "Give the web service its queue")
    return changes(it, "b-web")


def changes(it, sprint):
    """What the last update did."""
    history = it.shell.run(f"pulumi -C {sprint} stack history --json --page-size 1")
    return ", ".join(f"{count} {what}" for what, count in json.loads(history)[0]["resourceChanges"].items())


def show(command, line):
    """A command, and the line of what it printed that the README is about."""
    say(f"$ {command.splitlines()[0]}")
    if line:
        say(f"  {line[:120]}")


@step("The service, as its task definition says")
def _(it):
    it.api = Service("video", "fastapi_app")
    tell(it.api)
    it.web = it.run(it.api)
    it.client = Client(f"http://{local_aws.HOST}:{it.web.port}")
    wait_for("the service", it.client.answers, bool, it.web)
    remember("web", it.client.url, it.folder / "stand-ins.json")
    expect("the load balancer's health check", it.client.get(it.api.health_path).status_code, 200)
    expect("/health", it.client.get("/health").json(), {"status": "ok"})
    expect("/docs", it.client.get("/docs").status_code, 200)
    paths = ["/health", "/upload/complete", "/upload/initiate", "/videos/{video_id}"]
    expect("paths", sorted(it.client.get("/openapi.json").json()["paths"]), paths)
    return "GET /health is ok, /docs shows the API"


@step("The worker, as its task definition says")
def _(it):
    it.workers = Service("video", "celery_worker")
    tell(it.workers)
    it.worker = it.run(it.workers)
    await_line(it.worker, "ready.")
    expect("its health check", it.worker.healthy, True)
    return "its health check passes"


@step("The video of sprint B: its job, end to end")
def _(it):
    complete, *rest = readme.sections(it.shell.examples / "c-worker/README.md")["Check it"]
    show(*it.shell.check(*complete))
    it.client.wait(it.shell.run("echo $id").strip())
    wait_for("QueueDepth", published, lambda names: "QueueDepth" in names)
    for command in rest:
        show(*it.shell.check(*command))
    expect("codecs of the result", probe(it.shell.examples / "result.mp4")[0], ["aac", "h264"])
    return "completed once there is a queue, it is done"


def published():
    return {metric["MetricName"] for metric in boto3.client("cloudwatch").list_metrics(Namespace="Video")["Metrics"]}


def tell(service):
    say(f"{service.revision}: {' '.join(service.command)}")
    say(f"with {', '.join(sorted(service.environment))}")


# What the application does ------------------------------------------------------------------------------------------


@step("What is wrong is refused")
def _(it):
    text = it.folder / "text.mp4"
    text.write_text("this is not a video")
    other = it.client.initiate(text)
    signed = parse_qs(urlsplit(other["upload_url"]).query)["X-Amz-SignedHeaders"]
    expect("what the upload URL signs", signed, ["content-length;content-type;host"])
    refused = it.client.session.put(other["upload_url"], it.clip.read_bytes(), headers={"Content-Type": "video/mp4"})
    expect("a PUT of another size", refused.status_code, 403)
    boto3.client("s3").upload_file(str(it.clip), BUCKET, f"uploads/{other['video_id']}")
    wrong_size = it.client.complete(other["video_id"])
    unprintable = it.client.post("/upload/initiate", filename="\ud800", content_type="video/mp4", size=1)
    no_video = it.client.post("/upload/initiate", filename="a.txt", content_type="text/plain", size=1)
    too_early = it.client.complete(it.client.initiate(it.clip)["video_id"])
    begun = it.client.initiate(text)
    it.client.put(begun["upload_url"], text)
    unreadable = it.client.complete(begun["video_id"])
    unknown = it.client.get("/videos/00000000-0000-0000-0000-000000000000")
    codes = [answer.status_code for answer in (no_video, unprintable, too_early, wrong_size, unreadable, unknown)]
    expect("status codes", codes, [422, 422, 409, 409, 422, 404])
    return "wrong type 422, nothing uploaded 409, another size 403 and 409, not a video 422, unknown 404"


@step("A video: uploaded, processed, downloaded")
def _(it):
    it.video = it.client.upload(it.clip)
    done = it.client.wait(it.video)
    result, thumbnail = it.folder / "result.mp4", it.folder / "thumbnail.jpg"
    for url, file in [(done["result_url"], result), (done["thumbnail_url"], thumbnail)]:
        file.write_bytes(it.client.session.get(url, timeout=LIMIT).content)
    codecs, seconds = probe(result)
    expect("codecs of the result", codecs, ["aac", "h264"])
    expect("its length in seconds", round(seconds), 2)
    expect("the thumbnail", probe(thumbnail)[0], ["mjpeg"])
    expect("the original is there", exists(f"uploads/{it.video}"), True)
    return f"ffprobe: {' and '.join(codecs)}, {seconds:.1f} s; a thumbnail; the original is still there"


@step("The record of it in DynamoDB")
def _(it):
    item = record_of(it.video)
    expect("the record", (item["status"], item["progress"], item["attempts"]), ("done", 100, 1))
    return f"{item['status']}, {item['progress']} %, {item['duration']} s, {item['attempts']} attempt"


@step("What both said of it, in the log groups")
def _(it):
    logs, found = boto3.client("logs"), []
    for group in ("/ecs/fastapi_app", "/ecs/celery_worker"):
        for event in logs.filter_log_events(logGroupName=group, filterPattern=f'"{it.video}"')["events"]:
            line = json.loads(event["message"])
            if line["logger"].startswith("video."):
                found.append((line["time"], line["message"]))
    messages = [message for _, message in sorted(found)]
    expect("messages", messages, ["upload initiated", "queued", "started", "done"])
    return ", ".join(messages)


@step("The same message twice, an original to be deleted")
def _(it):
    again = it.client.upload(it.clip, delete_original=True)
    it.client.wait(again)
    wait_for("the original", lambda: exists(f"uploads/{again}"), False.__eq__)
    for video in (again, it.video):
        enqueue(it, video)
        await_line(it.worker, video, "nothing left to do")
    expect("attempts", [record_of(video)["attempts"] for video in (again, it.video)], [1, 1])
    expect("the other original", exists(f"uploads/{it.video}"), True)
    return "done once each; one original is gone, the other is there"


@step("Videos as they come")
def _(it):
    """Recorded by a browser, without a length; a tag in another alphabet; a picture that ends before the sound."""
    stream, tagged, short = (it.folder / name for name in ("stream.webm", "tagged.mp4", "short-picture.mp4"))
    stream.write_bytes(ffmpeg("-i", it.clip, "-c:v", "libvpx", "-deadline", "realtime", "-an", "-f", "webm", "-"))
    ffmpeg("-i", it.clip, "-c", "copy", "-metadata", "title=Fr@ulein", tagged)
    tagged.write_bytes(tagged.read_bytes().replace(b"Fr@ulein", "Fräulein".encode("latin-1")))
    ffmpeg("-i", it.clip, "-f", "lavfi", "-i", "sine=d=60", "-map", "0:v", "-map", "1:a", "-c:v", "copy", short)
    videos = [it.client.upload(stream, content_type="video/webm"), it.client.upload(tagged), it.client.upload(short)]
    lengths = [round(it.client.wait(video)["duration"]) for video in videos]
    expect("their lengths", lengths, [2, 2, 60])
    return "a WebM without a length, a title in Latin-1, a picture shorter than its sound: all are done"


# What happens to it -------------------------------------------------------------------------------------------------


@step("Two workers, and the same message in the midst of a job")
def _(it):
    other = it.run(it.workers)
    await_line(other, "ready.")
    video = it.client.upload(make_video(it.folder / "film.mp4", seconds=60, size="1280x720"))
    it.client.wait(video, "begun", lambda now: now["progress"] >= 1)
    owner, free = (it.worker, other) if said(it.worker, video, "started") else (other, it.worker)
    enqueue(it, video)
    await_line(free, video, "another worker has it")
    it.client.wait(video)
    await_line(free, video, "nothing left to do")
    expect("attempts", record_of(video)["attempts"], 1)
    expect("begun by the other one, too", said(free, video, "started"), False)
    free.stop()
    it.worker = owner
    return "one has it done at its first attempt, the other waits until then"


@step("The worker is lost in the midst of a job")
def _(it):
    video = it.client.upload(it.folder / "film.mp4")
    at = it.client.wait(video, "progress of 10 %", lambda now: now["progress"] >= 10)["progress"]
    it.worker.kill()
    it.worker, killed = it.run(it.workers), time.monotonic()
    it.client.wait(video)
    took = time.monotonic() - killed
    expect("it was begun again", record_of(video)["attempts"] > 1, True)
    return f"kill -9 at {at} %, another worker has it done {took:.0f} s later"


@step("SIGTERM while a short job runs")
def _(it):
    video = it.client.upload(make_video(it.folder / "short.mp4", seconds=5, size="1280x720"))
    it.client.wait(video, "begun", lambda now: now["status"] != "queued")
    expect("status when SIGTERM comes", record_of(video)["status"], "processing")
    took = it.worker.stop()
    expect("status", it.client.status(video)["status"], "done")
    return f"the job is done, the worker ended after {took:.0f} s of {STOP_TIMEOUT}"


@step("SIGTERM while a long job runs")
def _(it):
    it.worker = it.run(it.workers)
    it.video = it.client.upload(make_video(it.folder / "long.mp4", seconds=480, size="1280x720"))
    it.client.wait(it.video, "progress of 1 %", lambda now: now["progress"] >= 1)
    took = it.worker.stop()
    expect("it ended by itself", took is not None, True)
    item = record_of(it.video)
    expect("status and attempts", (item["status"], item["attempts"]), ("queued", 0))
    it.worker, began = it.run(it.workers), time.monotonic()
    await_line(it.worker, it.video, "started")
    later = time.monotonic() - began
    return f"handed back after {took:.0f} s of {STOP_TIMEOUT}, another worker has it {later:.0f} s later"


@step("Its record goes away while the worker has it")
def _(it):
    table().delete_item(Key={"video_id": it.video})
    await_line(it.worker, it.video, "another worker took it over")
    expect("results of it", exists(f"results/{it.video}/"), False)
    return "the worker sees that the video is no longer its own, and writes nothing"


@step("Redis is away for a moment")
def _(it):
    begun = it.client.initiate(it.clip)
    it.client.put(begun["upload_url"], it.clip)
    it.redis.stop()
    began = time.monotonic()
    expect("while it is away", it.client.complete(begun["video_id"]).status_code, 503)
    took = time.monotonic() - began
    it.redis.start()
    expect("once it is back", it.client.complete(begun["video_id"]).status_code, 202)
    it.client.wait(begun["video_id"])
    return f"503 after {took:.0f} s; asked again when it is back, the same worker does the job"


@step("The worker and the queue are lost together")
def _(it):
    video = it.client.upload(it.folder / "film.mp4")
    it.client.wait(video, "begun", lambda now: now["progress"] >= 1)
    it.worker.kill()
    it.redis.stop()  # this one keeps nothing
    it.redis.start()
    it.worker = it.run(it.workers)
    await_line(it.worker, "ready.")
    expect("at once", it.client.complete(video).json()["status"], "processing")
    long_ago(video)
    wait_for("asked again", lambda: it.client.complete(video).json()["status"], "processing".__ne__)
    it.client.wait(video)
    expect("attempts", record_of(video)["attempts"], 2)
    return "no message is left of the job; asked for once more, it is done"


@step("S3 fails for a moment")
def _(it):
    it.worker.gate.broken = {"s3:GetObject"}
    video = it.client.upload(it.clip)
    await_line(it.worker, video, "trying again")
    it.worker.gate.broken = set()
    it.client.wait(video)
    attempts = record_of(video)["attempts"]
    expect("more than one attempt", attempts > 1, True)
    it.worker.gate.broken = {"s3:DeleteObject"}
    again = it.client.upload(it.clip, delete_original=True)
    await_line(it.worker, again, "trying again")
    expect("status and attempts", [record_of(again)[name] for name in ("status", "attempts")], ["done", 1])
    it.worker.gate.broken = set()
    wait_for("the original", lambda: exists(f"uploads/{again}"), False.__eq__)
    expect("status and attempts", [record_of(again)[name] for name in ("status", "attempts")], ["done", 1])
    return f"the job is tried again, and done at attempt {attempts}; when only the original stays, it remains done"


@step("Jobs that cannot be done")
def _(it):
    it.worker.stop()
    gone, spoilt = it.client.upload(it.clip), it.client.upload(it.clip)
    s3 = boto3.client("s3")
    s3.delete_object(Bucket=BUCKET, Key=f"uploads/{gone}")
    s3.put_object(Bucket=BUCKET, Key=f"uploads/{spoilt}", Body=b"this is not a video")
    it.worker = it.run(it.workers)
    errors = [it.client.wait(video, "failed", lambda now: now["error"])["error"] for video in (gone, spoilt)]
    expect("the first says why", "the original is not there" in errors[0], True)
    expect("the second says why", "Invalid data" in errors[1], True)
    long_ago(spoilt)
    s3.upload_file(str(it.clip), BUCKET, f"uploads/{spoilt}")
    expect("asked for once more", it.client.complete(spoilt).status_code, 202)
    it.client.wait(spoilt)
    expect("attempts", record_of(spoilt)["attempts"], 1)
    return "their records say why; uploaded and asked for once more, one is done"


# How it scales ------------------------------------------------------------------------------------------------------


@step("50 jobs at once")
def _(it):
    it.worker.stop()
    expect("QueueDepth so far is small", highest("QueueDepth") < 5, True)
    small = make_video(it.folder / "small.mp4", seconds=1, size="160x120")
    videos = [it.client.upload(small) for _ in range(50)]
    it.worker = it.run(it.workers)
    depth = wait_for("QueueDepth", lambda: highest("QueueDepth"), lambda it: it >= 40)
    backlog = wait_for("BacklogPerTask", lambda: highest("BacklogPerTask"), lambda it: it >= 40)
    say(f"in CloudWatch, QueueDepth rises to {depth:.0f}, BacklogPerTask to {backlog:.0f}")
    state = wait_for("the alarm", lambda: alarms()["video-queue-long"]["StateValue"], "ALARM".__eq__)
    say(f"the alarm video-queue-long is in state {state}")
    for video in videos:
        it.client.wait(video)
    return f"QueueDepth rises to {depth:.0f}, {state}, and all {len(videos)} are done"


@step("What the scaling in AWS goes by")
def _(it):
    scaling = boto3.client("application-autoscaling")
    policies = {
        one["PolicyARN"]: one for one in scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    }
    metrics = boto3.client("cloudwatch").list_metrics(Namespace="Video")["Metrics"]
    for name, policy in {"video-queue-long": "more-workers", "video-queue-empty": "fewer-workers"}.items():
        alarm = alarms()[name]
        metric = {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions")}
        expect(f"the metric of the alarm {name} is published", metric in metrics, True)
        [arn] = alarm["AlarmActions"]
        expect(f"what {name} sets off", policies[arn]["PolicyName"], policy)
        expect(f"what {policy} scales", policies[arn]["ResourceId"], "service/video/celery_worker")
        say(f"{name} looks at {metric['Namespace']}/{metric['MetricName']} and sets off {policy}")
    return "the metric that the worker publishes, and no other"


@step("What they called of AWS, and what their roles allow")
def _(it):
    for service in (it.api, it.workers):
        gates = [task.gate for task in it.tasks if task.service.name == service.name]
        refused, used = (set().union(*(getattr(gate, what) for gate in gates)) for what in ("refused", "used"))
        expect(f"refused to {service.name}", refused, set())
        unused = {right for right in set(service.rights) - used if right.action not in PLANNED[service.name]}
        vain = {f"{right.action} on {right.resource}" for right in unused}
        # Parts are taken back only when a large upload fails.
        expect(f"allowed to {service.name} in vain", {it for it in vain if "AbortMultipartUpload" not in it}, set())
        say(f"{service.name}: {', '.join(sorted({right.action for right in used}))}")
    return "nothing refused, nothing allowed in vain"


@step("SIGTERM to both, with nothing to do")
def _(it):
    web, worker = it.web.stop(), it.worker.stop()
    expect("both ended by themselves", None in (web, worker), False)
    expect("the service's last words", "shut down" in "".join(it.web.lines[-5:]), True)
    return f"the service ended after {web:.1f} s, the worker after {worker:.1f} s"


@step("A new version, and all of it away again")
def _(it):
    it.follow("b-web/README.md", "A new version")
    for sprint in reversed(TITLES):
        it.follow(f"{sprint}/README.md", "Take it away")
    it.follow("README.md", "After the last sprint")
    left = [boto3.client("ecs").list_clusters()["clusterArns"], boto3.client("s3").list_buckets()["Buckets"]]
    expect("clusters and buckets left", left, [[], []])
    return "the READMEs leave nothing behind"


# Who and what takes part --------------------------------------------------------------------------------------------


class Client:
    """Somebody with a video and the address of the service."""

    def __init__(self, url):
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False  # no proxy of the machine's

    def get(self, path):
        return self.session.get(self.url + path, timeout=LIMIT)

    def post(self, path, **body):
        return self.session.post(self.url + path, json=body, timeout=LIMIT)

    def answers(self):
        try:
            return self.get("/health").ok
        except requests.ConnectionError:
            return False

    def initiate(self, file, content_type="video/mp4", **more):
        size = file.stat().st_size
        answer = self.post("/upload/initiate", filename=file.name, content_type=content_type, size=size, **more)
        expect(f"POST /upload/initiate ({answer.text})", answer.status_code, 201)
        return answer.json()

    def put(self, url, file, content_type="video/mp4"):
        headers = {"Content-Type": content_type}
        answer = self.session.put(url, data=file.read_bytes(), headers=headers, timeout=LIMIT)
        expect(f"PUT to the presigned URL ({answer.text})", answer.status_code, 200)

    def complete(self, video):
        return self.post("/upload/complete", video_id=video)

    def upload(self, file, content_type="video/mp4", **more):
        """Returns the id of the video, whose job is queued."""
        begun = self.initiate(file, content_type, **more)
        self.put(begun["upload_url"], file, content_type)
        answer = self.complete(begun["video_id"])
        expect(f"POST /upload/complete ({answer.text})", answer.status_code, 202)
        return begun["video_id"]

    def status(self, video):
        return self.get(f"/videos/{video}").json()

    def wait(self, video, what="done", good=lambda now: now["status"] in ("done", "failed")):
        now = wait_for(f"video {video}, to be {what}", lambda: self.status(video), good)
        if what == "done":
            expect(f"video {video} ({now['error']})", now["status"], "done")
        return now


class Redis:
    """A real one, with TLS and a password, as sprint C's is."""

    def __init__(self, folder, password):
        self.certificate, self.log, key = folder / "redis.crt", folder / "redis.log", folder / "redis.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=redis"]
        command += ["-addext", f"subjectAltName=IP:{local_aws.HOST}", "-out", self.certificate, "-keyout", key]
        subprocess.run(command, check=True, capture_output=True)
        [self.port] = local_aws.free_ports(1)
        self.password, self.settings = password, f"""
            bind {local_aws.HOST}
            port 0
            tls-port {self.port}
            tls-cert-file {self.certificate}
            tls-key-file {key}
            tls-ca-cert-file {self.certificate}
            tls-auth-clients no
            save ""
            dir {folder}
        """
        self.start()

    def start(self):
        """With its settings on stdin, so that the password stands in no list of processes."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(["redis-server", "-"], stdin=subprocess.PIPE, stdout=log, text=True)
        self.process.stdin.write(f"{self.settings}\nrequirepass {self.password}\n")
        self.process.stdin.close()
        wait_for("Redis", self.listens, bool, self)

    def use(self, password):
        """Starts anew, empty, with another password."""
        self.stop()
        self.password = password
        self.start()

    def listens(self):
        with socket.socket() as caller:
            return caller.connect_ex((local_aws.HOST, self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


def make_video(file, seconds, size):
    """A test picture with a tone. A long one is a short one again and again, for that is made at once."""
    part = min(seconds, 10)
    once = file.with_suffix(".part.mp4")
    picture, tone = f"testsrc2=s={size}:r=25:d={part}", f"sine=d={part}"
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-c:a", "aac", once]
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, *coded)
    ffmpeg("-stream_loop", str(seconds // part - 1), "-i", once, "-c", "copy", file)
    return file


def ffmpeg(*arguments):
    """Returns what it writes to stdout."""
    quiet = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y"]
    return subprocess.run([*quiet, *arguments], check=True, stdout=subprocess.PIPE).stdout


def probe(file):
    """The codecs and the length in seconds, as ffprobe sees them."""
    command = ["ffprobe", "-loglevel", "error", "-show_streams", "-show_format", "-of", "json", str(file)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return sorted(stream["codec_name"] for stream in found["streams"]), float(found["format"].get("duration", 0))


def table():
    return boto3.resource("dynamodb").Table(TABLE)


def record_of(video):
    return table().get_item(Key={"video_id": video}, ConsistentRead=True)["Item"]


def long_ago(video):
    """As if its last message had been sent long ago: nobody wants to wait for a minute here."""
    table().update_item(
        Key={"video_id": video}, UpdateExpression="SET queued_at = :then", ExpressionAttributeValues={":then": 0}
    )


def exists(prefix):
    return boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] > 0


def alarms():
    return {alarm["AlarmName"]: alarm for alarm in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]}


def highest(name):
    """The highest value of a metric of the queue in the last hour."""
    now = datetime.now(UTC)
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="Video",
        MetricName=name,
        Dimensions=[{"Name": "Queue", "Value": "celery"}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max(point["Maximum"] for point in points)


def enqueue(it, video):
    """What a lost answer or a lost worker causes: one more message about the same video."""
    command = [PROGRAMS / "celery", "call", "video.process", "--args", json.dumps([video])]
    environment = it.worker.environment | {"CELERY_BROKER_URL": it.worker.environment["REDIS_URL"]}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def await_line(task, *parts):
    """Waits until the task says a line with all these parts."""
    what = f"a line with {' and '.join(parts)}"
    wait_for(what, lambda: said(task, *parts), bool, task)


def said(task, *parts):
    return any(all(part in line for part in parts) for line in list(task.lines))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Wrong, readme.Wrong, local_aws.Failed) as failed:
        sys.exit(f"\nNot as it must be: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
