"""The application of examples/app: its story end to end, and that it agrees with the programs that deploy it."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml
from pydantic import ValidationError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES, APP = ROOT / "examples", ROOT / "examples" / "app"
IMAGES = ["fastapi_app", "celery_worker"]
PROVIDER = os.environ.get("FARGATE_PROVIDER", ROOT / "target" / "debug" / "pulumi-resource-fargate")
sys.path[:0] = [str(ROOT / "tools"), str(APP)]

import local_aws  # noqa: E402
import readme  # noqa: E402
from fargate_task import PROGRAMS, Image, RoleGate, action, allowing, context, rights_of  # noqa: E402
from video import media  # noqa: E402
from video.config import WebSettings, WorkerSettings  # noqa: E402


def program(name):
    return yaml.safe_load((EXAMPLES / name / "Pulumi.yaml").read_text())


def properties(name, resource):
    return program(name)["resources"][resource]["properties"]


def container(name, task):
    return properties(name, task)["containerDefinitions"][0]


DEPLOYED = [
    ("b-web", "task", "taskRole", "fastapi_app"),
    ("c-worker", "task", "taskRole", "celery_worker"),
    ("all-in-one", "appTask", "appRole", "fastapi_app"),
    ("all-in-one", "workerTask", "workerRole", "celery_worker"),
]
WORKERS = {name: role for name, _, role, image in DEPLOYED if image == "celery_worker"}
deployed = pytest.mark.parametrize(("name", "task", "role", "image"), DEPLOYED)


def test_the_story():
    command = [sys.executable, ROOT / "tools" / "app.py", PROVIDER]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    with subprocess.Popen(command, text=True, **options) as story:
        try:
            told, _ = story.communicate()
        finally:
            story.terminate()  # if this test is ended, so that it can end what it started
    print(told)
    assert story.returncode == 0
    assert "==> All of it" in told


@deployed
def test_each_setting_is_set_and_nothing_else(name, task, role, image):
    settings = {"fastapi_app": WebSettings, "celery_worker": WorkerSettings}[image]
    wanted = {field.upper() for field in settings.model_fields}
    assert all(field.is_required() for field in settings.model_fields.values())
    assert {it["name"] for it in container(name, task)["environment"]} == wanted


def test_compose_sets_them_too():
    services = yaml.safe_load((APP / "docker-compose.yml").read_text())["services"]
    for service, settings in [("api", WebSettings), ("worker", WorkerSettings)]:
        set_by_fargate = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert services[service]["environment"].keys() - set_by_fargate == {it.upper() for it in settings.model_fields}


def test_the_readmes_know_the_programs():
    """What they tell to type, the story runs, but for all-in-one."""
    text = "".join(file.read_text() for file in [EXAMPLES / "README.md", *EXAMPLES.glob("*/README.md")])
    for sprint in ("b-web", "c-worker", "all-in-one"):
        told = re.findall(rf"-C {sprint} config set (?:--\w+ )?'?(\w+)(?:\[0\]')? (\S+)", text)
        names, asked = {name for name, _ in told} - {"fargate"}, program(sprint)["config"]
        assert names <= asked.keys()
        assert {name for name, one in asked.items() if "default" not in one} <= names
        assert ("imageTag", "v1") in told, "the tag that is pushed"
        assert ("bucket", "$BUCKET") in told, "a bucket's name is unique in the world"
    for sprint, output in re.findall(r"-C (\S+) stack output (\w+)", text):
        assert output in program(sprint)["outputs"]


COMMANDS = """
Text.

    one "a
      b" # printed
    two \\
      --three
    four "#"
"""


def test_the_commands_of_a_readme():
    assert list(readme.commands(COMMANDS)) == [('one "a\n  b"', "printed"), ("two \\\n  --three", None), ('four "#"', None)]


@pytest.mark.parametrize(
    ("command", "wanted", "right"),
    [
        ("echo abc", "a…c", True),
        ("echo abc", "a…d", False),
        ("id=5", None, True),
        ("echo 5", "$id", True),
        ("echo 6", "$id", False),
        ("""echo '{"a": 1}'""", '{"a": 1}', True),
        ("no-such-program", None, False),
    ],
)
def test_a_readme_that_says_something_else_is_found(command, wanted, right, tmp_path):
    with closing(readme.Shell(tmp_path)) as shell:
        shell.run("id=5")
        if right:
            shell.check(command, wanted)
        else:
            with pytest.raises(readme.Wrong):
                shell.check(command, wanted)


def test_all_in_one_allows_what_the_sprints_allow():
    """Which the story finds to be what the code calls, and no more."""
    table = program("all-in-one")["variables"]["tableArn"]
    for role, sprint in [("appRole", "b-web"), ("workerRole", "c-worker")]:
        found = [it | {"Resource": it["Resource"].replace("${tableArn}", table)} for it in rights("all-in-one", role)]
        assert found == rights(sprint, "taskRole")


OF_THE_PLAN = {"s3:GetObject", "s3:PutObject", "s3:GetObjectAcl"}
OF_THE_PLAN |= {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}


@deployed
def test_the_role_has_what_the_plan_says_and_what_the_application_needs(name, task, role, image):
    more = {"fastapi_app": set(), "celery_worker": {"s3:DeleteObject"}}[image]
    needed = {"s3:ListBucket"}
    needed |= {"s3:AbortMultipartUpload", "cloudwatch:PutMetricData"} if image == "celery_worker" else set()
    allowed = {right.action for statement in rights(name, role) for right in rights_of(statement)}
    assert allowed == OF_THE_PLAN | more | needed


def test_the_sprints_bring_what_the_plan_says():
    types = {name: {it["type"] for it in program(name)["resources"].values()} for name in ("a-core", "b-web", "c-worker")}
    redis = {"fargate:RedisGroup", "fargate:RedisSubnetGroup"}
    assert not redis & (types["a-core"] | types["b-web"])
    assert redis | {"fargate:SecurityGroup", "fargate:ScalingPolicy"} <= types["c-worker"]
    group = properties("c-worker", "redis")
    assert (group["numCacheClusters"], group["automaticFailoverEnabled"], group["multiAzEnabled"]) == (2, True, True)
    assert {properties("a-core", it)["name"] for it in ("appRepository", "workerRepository")} == set(IMAGES)


@deployed
def test_an_image_that_was_pushed_is_a_change(name, task, role, image):
    """The task definition names it by its digest."""
    asked = re.fullmatch(r"\$\{(\w+)\.imageUri}", container(name, task)["image"])[1]
    invoke = program(name)["variables"][asked]["fn::invoke"]
    assert invoke["function"] == "fargate:getImage"
    assert invoke["arguments"]["imageTag"] == "${imageTag}"
    # By its name, a preview would look for an image before the repository exists.
    assert re.search(r"epositoryUrl\b", invoke["arguments"]["repositoryName"])


def rights(name, role):
    policies = properties(name, role)["inlinePolicies"].values()
    return [statement for policy in policies for statement in policy["Statement"]]


def tree(file):
    return ast.parse((APP / "video" / file).read_text())


def test_the_scaling_goes_by_the_metric_that_the_worker_publishes():
    constants = {}
    for node in tree("metrics.py").body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            constants |= zip([it.id for it in node.targets[0].elts], ast.literal_eval(node.value), strict=True)
    alarms = [("c-worker", "queueLong", "QUEUE_DEPTH")]
    for name in WORKERS:
        alarms += [(name, "queueEmpty", "UNFINISHED_JOBS"), (name, "workersSilent", "QUEUE_DEPTH")]
    for name, alarm, metric in alarms:
        asked = properties(name, alarm)
        assert (asked["namespace"], asked["metricName"]) == (constants["NAMESPACE"], constants[metric])
        assert asked["dimensions"] == {"Queue": constants["QUEUE"]}
    policy = properties("all-in-one", "tenJobsAWorker")
    assert policy["targetTrackingScalingPolicyConfiguration"]["disableScaleIn"], "it would take busy ones"
    asked = policy["targetTrackingScalingPolicyConfiguration"]["customizedMetricSpecification"]
    assert (asked["namespace"], asked["metricName"]) == (constants["NAMESPACE"], constants["BACKLOG_PER_TASK"])
    assert asked["dimensions"] == [{"name": "Queue", "value": constants["QUEUE"]}]
    for name, role in WORKERS.items():
        assert f"'cloudwatch:namespace': '{constants['NAMESPACE']}'" in str(properties(name, role))


@pytest.mark.parametrize(("name", "service"), [("c-worker", "service"), ("all-in-one", "worker")])
def test_one_worker_is_always_there_and_its_silence_is_told(name, service):
    strategies = properties(name, service)["capacityProviderStrategies"]
    base = {it["capacityProvider"]: it["base"] for it in strategies if "base" in it}
    assert base == {"FARGATE": properties(name, "scaling")["minCapacity"]}
    silent = properties(name, "workersSilent")
    asked = [silent[it] for it in ("statistic", "comparisonOperator", "threshold", "treatMissingData")]
    assert asked == ["SampleCount", "LessThanThreshold", 1, "breaching"]
    assert silent["alarmActions"] == "${alarmTopics}"


MEASURE = """
import json
from celery import Celery
from video import metrics

celery = Celery()
for _ in range(2):
    celery.send_task("job")
with celery.connection_for_read() as connection, connection.SimpleQueue(metrics.QUEUE) as queue:
    for _ in range(2):
        queue.get(timeout=5)  # not acknowledged: the job runs
        print(json.dumps(metrics.measured(celery)))
"""


def test_a_job_that_runs_is_not_done(tmp_path):
    [port] = local_aws.free_ports(1)
    settings = {"CELERY_BROKER_URL": f"redis://{local_aws.HOST}:{port}/0"}
    command = [PROGRAMS / "python", "-c", MEASURE]
    redis = ["redis-server", "--bind", local_aws.HOST, "--port", str(port), "--save", "", "--dir", tmp_path]
    with subprocess.Popen(redis, stdout=subprocess.DEVNULL) as server:
        try:
            done = subprocess.run(command, cwd=APP, env=os.environ | settings, text=True, capture_output=True, check=True)
        finally:
            server.terminate()
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert measured == [{"QueueDepth": 1, "UnfinishedJobs": 2}, {"QueueDepth": 0, "UnfinishedJobs": 2}]


@pytest.mark.parametrize(("name", "task"), [("b-web", "task"), ("all-in-one", "appTask")])
def test_the_load_balancer_asks_where_the_service_answers(name, task):
    port = int(Image(APP / "fastapi_app" / "Dockerfile").environment["UVICORN_PORT"])
    assert f"EXPOSE {port}\n" in (APP / "fastapi_app" / "Dockerfile").read_text()
    assert container(name, task)["portMappings"] == [{"containerPort": port}]
    targets = properties(name, "targets")
    assert targets["port"] == port
    assert f'@app.get("{targets["healthCheck"]["path"]}")' in (APP / "video" / "api.py").read_text()


@deployed
def test_the_task_has_the_command_of_the_image(name, task, role, image):
    assert container(name, task)["command"] == Image(APP / image / "Dockerfile").command


@pytest.mark.parametrize(("name", "task"), [("c-worker", "task"), ("all-in-one", "workerTask")])
def test_the_task_has_the_health_check_of_the_image(name, task):
    check = Image(APP / "celery_worker" / "Dockerfile").health_check
    command = [part.replace("$$", "$") for part in container(name, task)["healthCheck"]["command"]]
    assert command == ["CMD-SHELL", check[-1]]


def test_the_service_keeps_connections_for_longer_than_the_load_balancer():
    command = Image(APP / "fastapi_app" / "Dockerfile").command
    assert int(command[command.index("--timeout-keep-alive") + 1]) > 60


@pytest.mark.parametrize("settings", [WebSettings, WorkerSettings])
def test_a_wrong_setting_does_not_show_the_password(settings, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "rediss://:secret@redis:6379/0")
    for name in ("AWS_REGION", "BUCKET", "TABLE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValidationError) as caught:
        settings()
    assert "bucket" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["secret#1", "secret/1", "secret?1", "secret%41"])
def test_a_password_that_means_something_in_an_address_is_refused_at_once(password, monkeypatch):
    for name in ("AWS_REGION", "BUCKET", "TABLE"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("REDIS_URL", "rediss://:secret-1@redis.example.com:6379/0?ssl_cert_reqs=required")
    WebSettings()
    monkeypatch.setenv("REDIS_URL", f"rediss://:{password}@redis.example.com:6379/0?ssl_cert_reqs=required")
    with pytest.raises(ValidationError) as caught:
        WebSettings()
    assert "redis_url" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_service_may_have_no_queue_and_the_worker_must_have_one(monkeypatch):
    for name in ("AWS_REGION", "BUCKET", "TABLE"):
        monkeypatch.setenv(name, "a")
    for name in ("VISIBILITY_TIMEOUT", "STOP_TIMEOUT"):
        monkeypatch.setenv(name, "10")
    monkeypatch.setenv("REDIS_URL", "null")
    assert WebSettings().redis_url is None
    with pytest.raises(ValidationError, match="redis_url"):
        WorkerSettings()
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(ValidationError, match="redis_url"):
        WebSettings()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("[out#0] Error writing trailer: No space left on device\nConversion failed!", media.Interrupted, "No space"),
        ("a.mp4: Invalid data found\nConversion failed!", media.Unusable, "Invalid data"),
    ],
)
def test_what_ffmpeg_says_is_the_fault_of_the_file_or_not(said, error, words, tmp_path, monkeypatch):
    ffmpeg(tmp_path, monkeypatch, f"echo {shlex.quote(said)} >&2; exit 1")
    with pytest.raises(error, match=words):
        media.transcode(tmp_path / "a", tmp_path / "b", 1.0, lambda _: None)


def test_ffmpeg_may_not_take_for_ever(tmp_path, monkeypatch):
    ffmpeg(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(media, "_limit", lambda _: 0.1)
    with pytest.raises(media.Unusable, match="too long"):
        media.transcode(tmp_path / "a", tmp_path / "b", 1.0, lambda _: None)


RETRY = """
from celery.exceptions import Reject
from video import worker

worker.process.push_request(id="1", args=["a"], kwargs={}, called_directly=False, delivery_info={})
try:
    worker.again(worker.process, 1)
except Reject as error:
    print("requeue", error.requeue)
"""


def test_a_job_stays_in_the_queue_when_it_cannot_be_sent_again():
    [closed] = local_aws.free_ports(1)
    settings = {it.upper(): "10" for it in WorkerSettings.model_fields}
    settings |= {"AWS_REGION": "us-east-1", "REDIS_URL": f"redis://{local_aws.HOST}:{closed}/0"}
    command = [PROGRAMS / "python", "-c", RETRY]
    done = subprocess.run(command, cwd=APP, env=os.environ | settings, text=True, capture_output=True, check=True)
    assert done.stdout == "requeue True\n"


def test_the_logs_say_when_in_which_time_zone():
    said = "import logging; from video import logs; logs.configure(); logging.getLogger('a').info('b', extra={'c': 1})"
    done = subprocess.run([PROGRAMS / "python", "-c", said], cwd=APP, text=True, capture_output=True, check=True)
    line = json.loads(done.stdout)
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line == {"level": "INFO", "logger": "a", "message": "b", "c": 1}


def ffmpeg(folder, monkeypatch, script):
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.parametrize("image", IMAGES)
def test_the_dockerfile(image):
    dockerfile = APP / image / "Dockerfile"
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", dockerfile], text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    bases = {line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("FROM ")}
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", it) for it in bases)
    assert len(bases) == 1, "both stages are of the same Python"
    assert re.search(r"^USER \d+$", dockerfile.read_text(), re.MULTILINE)
    last_stage = dockerfile.read_text().split("\nFROM ")[-1]
    assert "pip uninstall --yes pip" in last_stage, "no build tools are left"
    assert re.search(r"^HEALTHCHECK .*--start-period=", last_stage, re.MULTILINE)


@pytest.mark.parametrize("image", IMAGES)
def test_the_requirements_are_pinned_with_hashes(image):
    asked = re.findall(r"^([\w-]+)", (APP / image / "requirements.in").read_text(), re.MULTILINE)
    pinned = (APP / image / "requirements.txt").read_text()
    for name in asked:
        assert re.search(rf"^{name}(\[\w+\])?==", pinned, re.MULTILINE), f"{name} is not in requirements.txt"
    blocks = re.split(r"\n(?=\S)", pinned.strip())
    assert all("--hash=sha256:" in it for it in blocks if not it.startswith("#"))
    names = re.findall(r"^([\w-]+)(?:\[\w+\])?==", pinned, re.MULTILINE)
    assert len(names) == len(set(names)), "another version in the image than in the tests"


READ, METRICS = (
    {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::videos/uploads/*"},
    {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "Video"}},
    },
)


@pytest.mark.parametrize(
    ("called", "resource", "body", "wanted"),
    [
        ("s3:GetObject", "arn:aws:s3:::videos/uploads/1", b"", True),
        ("s3:PutObject", "arn:aws:s3:::videos/uploads/1", b"", False),
        ("s3:GetObject", "arn:aws:s3:::others/uploads/1", b"", False),
        ("s3:GetObject", "arn:aws:s3:::videos/results/1", b"", False),
        ("cloudwatch:PutMetricData", "*", b'{"Namespace": "Video"}', True),
        ("cloudwatch:PutMetricData", "*", b'{"Namespace": "Video2"}', False),
    ],
)
def test_the_gate_to_aws_refuses_what_the_role_does_not_allow(called, resource, body, wanted):
    rights = [*rights_of(READ), *rights_of(METRICS)]
    assert bool(allowing(rights, called, resource, context(called, body))) == wanted


@pytest.mark.parametrize(
    ("method", "query", "wanted"),
    [
        ("GET", "X-Amz-Expires=3600&X-Amz-Signature=1", "s3:GetObject"),
        ("PUT", "uploadId=1&partNumber=2", "s3:PutObject"),
        ("GET", "tagging", "s3:GET?tagging"),
        ("GET", "acl", "s3:GetObjectAcl"),
        ("PUT", "acl", "s3:PUT?acl"),
    ],
)
def test_the_gate_to_aws_knows_an_object_from_what_is_beside_it(method, query, wanted):
    assert action(method, f"/videos/uploads/1?{query}", {}) == wanted


LIST = {
    "Effect": "Allow",
    "Action": "s3:ListBucket",
    "Resource": "arn:aws:s3:::videos",
    "Condition": {"StringLike": {"s3:prefix": "uploads/*"}},
}


@pytest.mark.parametrize(("statements", "wanted"), [([READ], 403), ([READ, LIST], 404)])
def test_the_gate_to_aws_says_that_nothing_is_there_to_who_may_list(statements, wanted, tmp_path):
    rights = {right for statement in statements for right in rights_of(statement)}
    nothing = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer((local_aws.HOST, 0), nothing) as s3, closing(RoleGate("", rights)) as gate:
        gate.aws = f"{local_aws.HOST}:{s3.server_port}"
        threading.Thread(target=s3.serve_forever, args=[0.01], daemon=True).start()
        session = requests.Session()
        session.trust_env = False
        for ask in (session.head, session.get):
            assert ask(f"{gate.url}/videos/uploads/1").status_code == wanted
        s3.shutdown()
    assert gate.used == rights


@pytest.mark.parametrize(
    "more",
    [
        READ | {"Resource": "arn:aws:s3:::videos/results/*"},
        READ | {"Action": ["s3:DeleteObject"]},
        READ | {"Resource": ["arn:aws:s3:::videos/uploads/*", "*"]},
    ],
)
def test_a_right_that_no_call_needs_is_found(more):
    rights = [*rights_of(READ), *rights_of(more)]
    used = {allowing(rights, "s3:GetObject", "arn:aws:s3:::videos/uploads/1", {})}
    assert set(rights) - used


BUCKET, TABLE = "arn:aws:s3:::${bucket}", "arn:aws:dynamodb:${region}:${account}:table/${table}"
RESOURCES = {"s3": {BUCKET, f"{BUCKET}/uploads/*", f"{BUCKET}/results/*"}, "dynamodb": {TABLE}, "cloudwatch": {"*"}}


def too_wide(statements):
    """The rights to more than one kind of object, or one table. A call cannot tell: it is allowed by a wider one, too."""
    rights = [right for statement in statements for right in rights_of(statement)]
    return [right for right in rights if right.resource not in RESOURCES[right.action.split(":")[0]]]


@pytest.mark.parametrize("name", ["b-web", "c-worker"])
def test_the_roles_name_what_they_are_about(name):
    statements = rights(name, "taskRole")
    assert not too_wide(statements)
    for wide in ("*", f"{BUCKET}/*", TABLE.replace("${table}", "*")):
        assert too_wide([statements[0] | {"Resource": wide}, *statements[1:]])
