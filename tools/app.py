"""`make app`: the application of the plan, running end to end on a local AWS.

    app.py target/release/pulumi-resource-fargate

The three sprints come up, then service and worker run as their task definitions say, and a client uploads videos. Each
step says what it does and checks what it claims; a table at the end sums them up. Nothing is left running."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import requests

import local_aws
from fargate_task import PROGRAMS, Service, Task
from sprints import TITLES, Sprints

BUCKET, TABLE = "video-uploads", "video_metadata"
VISIBILITY, STOP = 6, 14  # seconds, of sprint C's settings: short, for nobody wants to wait for minutes here


class Wrong(Exception):
    """Something is not as it must be."""


def expect(what, found, wanted):
    if found != wanted:
        raise Wrong(f"{what}: expected {wanted!r}, found {found!r}")


class Story:
    """The steps that are done, for the table."""

    def __init__(self):
        self.rows = []

    @contextlib.contextmanager
    def step(self, title):
        print(f"\n==> {title}", flush=True)
        began, results = time.monotonic(), []
        yield results.append
        for result in results:
            print(f"    {result}", flush=True)
        self.rows.append((title, results[-1], time.monotonic() - began))

    def table(self):
        print("\n==> All of it\n")
        widths = [max(len(row[column]) for row in self.rows) for column in (0, 1)]
        for title, result, seconds in self.rows:
            print(f"{title:{widths[0]}}  {result:{widths[1]}}  {seconds:6.1f} s")


class Client:
    """Somebody with a video and the address of the service."""

    def __init__(self, url):
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False  # no proxy of the machine's
        self.session.headers["Connection"] = "close"

    def get(self, path):
        return self.session.get(self.url + path, timeout=30)

    def post(self, path, **body):
        return self.session.post(self.url + path, json=body, timeout=30)

    def initiate(self, file, **more):
        answer = self.post("/upload/initiate", filename=file.name, content_type="video/mp4", size=file.stat().st_size, **more)
        expect("POST /upload/initiate", answer.status_code, 201)
        return answer.json()

    def upload(self, file, **more):
        """Returns the id of the video, whose job is queued."""
        begun = self.initiate(file, **more)
        self.put(begun["upload_url"], file)
        answer = self.post("/upload/complete", video_id=begun["video_id"])
        expect(f"POST /upload/complete ({answer.text})", answer.status_code, 202)
        return begun["video_id"]

    def put(self, url, file):
        headers = {"Content-Type": "video/mp4"}
        answer = self.session.put(url, data=file.read_bytes(), headers=headers, timeout=60)
        expect(f"PUT to the presigned URL ({answer.text})", answer.status_code, 200)

    def status(self, video):
        return self.get(f"/videos/{video}").json()

    def wait(self, video, seconds, until=lambda it: it["status"] == "done"):
        began = time.monotonic()
        while not until(now := self.status(video)):
            if now["status"] == "failed" or time.monotonic() - began > seconds:
                raise Wrong(f"video {video} is not where it should be after {seconds} s: {now}")
            time.sleep(0.2)
        return now


def main(provider):
    with tempfile.TemporaryDirectory(prefix="app-") as name, contextlib.ExitStack() as stack:
        story = Story()
        tell(story, Path(provider).resolve(), Path(name), stack)
        story.table()


def tell(story, provider, folder, stack):
    with story.step("A local AWS, and a Redis with TLS and a password") as say:
        token = secrets.token_hex(16)
        redis = Redis(folder, token)
        stack.callback(redis.stop)
        # What AWS says of Redis leads to this one. Without Docker, ministack starts no other.
        os.environ |= {"REDIS_HOST": local_aws.HOST, "REDIS_PORT": str(redis.port), "DOCKER_HOST": f"unix://{folder}/none"}
        record = stack.enter_context(local_aws.alone(folder / "aws"))
        say(f"{record['aws']['url']}, rediss://{local_aws.HOST}:{redis.port}")

    with story.step("What is there before the plan: a bucket and a table") as say:
        sprints = Sprints(folder, "app")
        sprints.enter(record)
        stack.callback(sprints.forget)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "video_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "video_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        say(f"s3://{BUCKET}, {TABLE}")

    sprints.install(provider)
    for sprint, title in TITLES.items():
        with story.step(title) as say:
            short = {"visibilityTimeout": VISIBILITY, "stopTimeout": STOP} if sprint == "c-worker" else {}
            sprints.prepare(sprint, token, **short)
            sprints.pulumi(sprint, "up", "--yes", "--skip-preview", quiet=True)
            say(", ".join(f"{count} {what}" for what, count in sprints.last_changes(sprint).items()))

    tasks = []
    stack.push(lambda failed, *_: end(tasks, failed))

    def run(service):
        tasks.append(Task(service, record["aws"]["url"], redis.certificate))
        return tasks[-1]

    with story.step("The service, as its task definition says") as say:
        api = Service("video", "fastapi_app")
        web = run(api)
        say(f"{api.revision}: {' '.join(api.command)}")
        say(f"with {', '.join(sorted(api.environment))}")
        client = Client(f"http://{local_aws.HOST}:{web.port}")
        await_health(client, web)
        expect("/health", client.get("/health").json(), {"status": "ok"})
        expect("/docs", client.get("/docs").status_code, 200)
        expect("paths", sorted(client.get("/openapi.json").json()["paths"]), PATHS)
        say("GET /health is ok, /docs shows the API")

    with story.step("The worker, as its task definition says") as say:
        workers = Service("video", "celery_worker")
        worker = run(workers)
        say(f"{workers.revision}: {' '.join(workers.command)}")
        say(f"with {', '.join(sorted(workers.environment))}")
        await_line(worker, "ready.")
        expect("its health check", worker.healthy, True)
        say("its health check passes")

    with story.step("What is wrong is refused") as say:
        clip = make_video(folder / "clip.mp4", seconds=2, size="320x240")
        text = folder / "text.mp4"
        text.write_text("this is not a video")
        no_video = client.post("/upload/initiate", filename="a.txt", content_type="text/plain", size=1)
        begun = client.initiate(clip)
        too_early = client.post("/upload/complete", video_id=begun["video_id"])
        begun = client.initiate(text)
        client.put(begun["upload_url"], text)
        unreadable = client.post("/upload/complete", video_id=begun["video_id"])
        codes = [it.status_code for it in (no_video, too_early, unreadable)]
        expect("status codes", codes, [422, 409, 422])
        say("wrong type 422, nothing uploaded 409, not a video 422")

    with story.step("A video: uploaded, processed, downloaded") as say:
        video = client.upload(clip)
        done = client.wait(video, 60)
        result, thumbnail = folder / "result.mp4", folder / "thumbnail.jpg"
        for url, file in [(done["result_url"], result), (done["thumbnail_url"], thumbnail)]:
            file.write_bytes(client.session.get(url, timeout=60).content)
        codecs, seconds = probe(result)
        expect("codecs of the result", codecs, ["aac", "h264"])
        expect("its length in seconds", round(seconds), 2)
        expect("the thumbnail", probe(thumbnail)[0], ["mjpeg"])
        expect("the original", exists(f"uploads/{video}"), True)
        say(f"ffprobe: {' and '.join(codecs)}, {seconds:.1f} s; a thumbnail; the original is still there")

    with story.step("The record of it in DynamoDB") as say:
        item = record_of(video)
        expect("status and progress", (item["status"], int(item["progress"]), int(item["attempts"])), ("done", 100, 1))
        say(f"{item['status']}, {item['progress']} %, {item['duration']} s, {item['attempts']} attempt")

    with story.step("What both said of it, in the log groups") as say:
        said = log_lines(["/ecs/fastapi_app", "/ecs/celery_worker"], video)
        expect("messages", said, ["upload initiated", "queued", "started", "done"])
        say(", ".join(said))

    with story.step("The same message twice, an original to be deleted") as say:
        again = client.upload(clip, delete_original=True)
        client.wait(again, 60)
        enqueue(workers, redis, again, video)
        await_line(worker, again, "nothing left to do")
        await_line(worker, video, "nothing left to do")
        expect("attempts", [int(record_of(it)["attempts"]) for it in (again, video)], [1, 1])
        expect("the originals", [exists(f"uploads/{it}") for it in (again, video)], [False, True])
        say("done once each; one original is gone, the other is there")

    film = make_video(folder / "film.mp4", seconds=45, size="1280x720")
    with story.step("The worker is lost in the midst of a job") as say:
        video = client.upload(film)
        at = client.wait(video, 60, lambda it: it["progress"] >= 10)["progress"]
        worker.kill()
        worker, killed = run(workers), time.monotonic()
        client.wait(video, 120)
        took = time.monotonic() - killed
        expect("attempts", int(record_of(video)["attempts"]), 2)
        say(f"kill -9 at {at} %, another worker has it done {took:.0f} s later")

    with story.step("SIGTERM while a short job runs") as say:
        short = client.upload(make_video(folder / "short.mp4", seconds=6, size="1280x720"))
        client.wait(short, 60, lambda it: it["status"] != "queued")
        took = worker.stop()
        expect("status", client.status(short)["status"], "done")
        say(f"the job is done, the worker ended after {took:.0f} s of {STOP}")

    with story.step("SIGTERM while a long job runs") as say:
        worker = run(workers)
        long = client.upload(make_video(folder / "long.mp4", seconds=90, size="1280x720"))
        client.wait(long, 60, lambda it: it["progress"] >= 1)
        took = worker.stop()
        expect("ended by itself", took is not None, True)
        item = record_of(long)
        expect("status and attempts", (item["status"], int(item["attempts"])), ("queued", 0))
        worker, began = run(workers), time.monotonic()
        client.wait(long, 60, lambda it: it["status"] == "processing")
        say(f"handed back after {took:.0f} s of {STOP}, another worker has it {time.monotonic() - began:.0f} s later")

    with story.step("Somebody else takes the video over while a worker has it") as say:
        table().delete_item(Key={"video_id": long})
        await_line(worker, long, "another worker took it over")
        expect("results of it", [exists(f"results/{long}/{it}") for it in ("video.mp4", "thumbnail.jpg")], [False, False])
        say("the worker sees it by itself, lets go and writes nothing")

    with story.step("Redis is away for a moment") as say:
        begun = client.initiate(clip)
        client.put(begun["upload_url"], clip)
        redis.stop()
        began = time.monotonic()
        expect("while it is away", client.post("/upload/complete", video_id=begun["video_id"]).status_code, 503)
        took = time.monotonic() - began
        redis.start()
        answer = client.post("/upload/complete", video_id=begun["video_id"])
        expect(f"once it is back ({answer.text})", answer.status_code, 202)
        client.wait(begun["video_id"], 60)
        say(f"503 after {took:.0f} s; asked again when it is back, the job is done by the same worker")

    with story.step("S3 fails for a moment") as say:
        worker.gate.broken = {"s3:GetObject"}
        video = client.upload(clip)
        await_line(worker, video, "trying again")
        worker.gate.broken = set()
        client.wait(video, 60)
        attempts = int(record_of(video)["attempts"])
        expect("attempts", attempts >= 2, True)
        say(f"the job is tried again, and done at the attempt no. {attempts}")

    with story.step("Jobs that cannot be done") as say:
        worker.stop()
        gone, spoilt = client.upload(clip), client.upload(clip)
        s3 = boto3.client("s3")
        s3.delete_object(Bucket=BUCKET, Key=f"uploads/{gone}")
        s3.put_object(Bucket=BUCKET, Key=f"uploads/{spoilt}", Body=b"this is not a video")
        worker = run(workers)
        failed = [wait_for(lambda: client.status(it), lambda now: now["status"] == "failed") for it in (gone, spoilt)]
        expect("why", ["the original is not there" in failed[0]["error"], "Invalid data" in failed[1]["error"]], [True, True])
        say("the record says why: the original is gone; it is no video any more")

    with story.step("50 jobs at once") as say:
        worker.stop()
        small = make_video(folder / "small.mp4", seconds=1, size="160x120")
        expect("QueueDepth so far is small", metric("QueueDepth") < 5, True)
        videos = [client.upload(small) for _ in range(50)]
        worker = run(workers)
        for video in videos:
            client.wait(video, 180)
        depth, backlog = (wait_for(lambda: metric(name), lambda it: it and it >= 40) for name in METRICS)
        say(f"the alarm video-queue-long is in state {wait_for(lambda: alarms()['video-queue-long']['StateValue'], 'ALARM'.__eq__)}")
        say(f"QueueDepth in CloudWatch rises to {depth:.0f}, BacklogPerTask to {backlog:.0f}, and all 50 are done")

    with story.step("What the scaling in AWS goes by") as say:
        looking = alarms()
        scaling = boto3.client("application-autoscaling")
        policies = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
        for alarm, policy in SCALING.items():
            asked = {key: looking[alarm][key] for key in ("Namespace", "MetricName", "Dimensions")}
            expect(f"the metric of the alarm {alarm}", asked in published(), True)
            [arn] = looking[alarm]["AlarmActions"]
            [found] = [it for it in policies if it["PolicyARN"] == arn]
            expect(f"what {alarm} sets off", (found["PolicyName"], found["ResourceId"]), (policy, "service/video/celery_worker"))
            say(f"{alarm} looks at Video/QueueDepth of this queue and sets off {policy}")

    with story.step("What they called of AWS, and what their roles allow") as say:
        for service in (api, workers):
            gates = [it.gate for it in tasks if it.service is service]
            expect("refused", set().union(*(it.refused for it in gates)), set())
            unused = {it for one in service.statements for it in one["actions"]} - set().union(*(it.used for it in gates))
            # Only when a large upload fails.
            expect(f"allowed to {service.name}, and not called", unused - {"s3:AbortMultipartUpload"}, set())
            say(f"{service.name}: {', '.join(sorted(set().union(*(it.used for it in gates))))}")
        say("nothing refused, nothing allowed in vain")

    with story.step("SIGTERM to both, with nothing to do") as say:
        took = [task.stop() for task in (web, worker)]
        expect("ended by themselves", None not in took, True)
        await_line(web, "shut down", ended=True)
        say(f"the service ended after {took[0]:.1f} s, the worker after {took[1]:.1f} s")


def end(tasks, failed):
    """Ends those that still run; if something went wrong, with what they said last."""
    for task in tasks:
        task.kill()
        if failed:
            print(f"\n{task.service.name} {task.id} said last:\n{''.join(task.lines[-20:])}", file=sys.stderr)


METRICS = ["QueueDepth", "BacklogPerTask"]
SCALING = {"video-queue-long": "more-workers", "video-queue-empty": "fewer-workers"}
PATHS = ["/health", "/upload/complete", "/upload/initiate", "/videos/{video_id}"]


class Redis:
    """A real one, with TLS and a password, as sprint B's is."""

    def __init__(self, folder, password):
        self.certificate, key = folder / "redis.crt", folder / "redis.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=redis"]
        command += ["-addext", f"subjectAltName=IP:{local_aws.HOST}", "-out", self.certificate, "-keyout", key]
        subprocess.run(command, check=True, capture_output=True)
        [self.port] = local_aws.free_ports(1)
        self.settings = f"""
            bind {local_aws.HOST}
            port 0
            tls-port {self.port}
            tls-cert-file {self.certificate}
            tls-key-file {key}
            tls-ca-cert-file {self.certificate}
            tls-auth-clients no
            requirepass {password}
            save ""
        """
        self.folder = folder
        self.start()

    def start(self):
        """With its settings on stdin, so that the password stands in no list of processes."""
        log = (self.folder / "redis.log").open("a")
        self.process = subprocess.Popen(["redis-server", "-"], stdin=subprocess.PIPE, stdout=log, cwd=self.folder, text=True)
        self.process.stdin.write(self.settings)
        self.process.stdin.close()
        wait_for(lambda: self.process.poll() is None and self.listens(), bool)

    def listens(self):
        with socket.socket() as caller:
            return caller.connect_ex((local_aws.HOST, self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


def make_video(file, seconds, size):
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}"]
    command += ["-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", str(file)]
    subprocess.run(command, check=True)
    return file


def probe(file):
    """The codecs and the length in seconds, as ffprobe sees them."""
    command = ["ffprobe", "-loglevel", "error", "-show_streams", "-show_format", "-of", "json", str(file)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return sorted(it["codec_name"] for it in found["streams"]), float(found["format"].get("duration", 0))


def table():
    return boto3.resource("dynamodb").Table(TABLE)


def record_of(video):
    return table().get_item(Key={"video_id": video}, ConsistentRead=True)["Item"]


def alarms():
    return {it["AlarmName"]: it for it in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]}


def published():
    """The metrics that CloudWatch has of the application, as alarms name them."""
    return boto3.client("cloudwatch").list_metrics(Namespace="Video")["Metrics"]


def metric(name):
    """The highest value so far, or None."""
    now = datetime.now(UTC)
    dimensions = [{"Name": "Queue", "Value": "celery"}]
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="Video", MetricName=name, Dimensions=dimensions, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1), Period=60, Statistics=["Maximum"]
    )["Datapoints"]
    return max((it["Maximum"] for it in points), default=None)


def wait_for(ask, good, seconds=30):
    deadline = time.monotonic() + seconds
    while not good(found := ask()):
        if time.monotonic() > deadline:
            raise Wrong(f"after {seconds} s it is still {found!r}")
        time.sleep(0.2)
    return found


def exists(key):
    return boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 1


def log_lines(groups, video):
    """The messages about a video, in the order of time."""
    logs, found = boto3.client("logs"), []
    for group in groups:
        events = logs.filter_log_events(logGroupName=group, filterPattern=f'"{video}"')["events"]
        found += [(it["timestamp"], json.loads(it["message"])) for it in events]
    own = [(at, it) for at, it in found if it["logger"].startswith("video.")]
    return [it["message"] for _, it in sorted(own, key=lambda one: (one[0], one[1]["time"]))]


def enqueue(service, redis, *videos):
    """What a lost answer or an impatient client causes: messages about jobs that are done."""
    code = f"""
import sys
from celery import Celery
celery = Celery(broker={service.environment["REDIS_URL"]!r})
for video in {videos!r}: celery.send_task("video.process", args=[video])
"""
    environment = {"SSL_CERT_FILE": str(redis.certificate), "PATH": os.environ["PATH"]}
    subprocess.run([PROGRAMS / "python", "-"], input=code, text=True, check=True, env=environment)


def await_health(client, task):
    deadline = time.monotonic() + 60
    while task.process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            return client.get("/health")
        time.sleep(0.1)
    raise Wrong("the service does not come up; it said:\n" + "".join(task.lines))


def await_line(task, *parts, ended=False):
    deadline = time.monotonic() + 60
    while not any(all(part in line for part in parts) for line in list(task.lines)):
        if (task.process.poll() is not None and not ended) or time.monotonic() > deadline:
            raise Wrong(f"nobody says {' ... '.join(parts)}; it said:\n" + "".join(task.lines))
        time.sleep(0.1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Wrong, local_aws.Failed) as failed:
        sys.exit(f"\nNot as it must be: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
