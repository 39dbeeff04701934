"""The application of examples/app: its story end to end, and that it agrees with the programs that deploy it."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES, APP = ROOT / "examples", ROOT / "examples" / "app"
IMAGES = ["fastapi_app", "celery_worker"]
PROVIDER = os.environ.get("FARGATE_PROVIDER", ROOT / "target" / "debug" / "pulumi-resource-fargate")
sys.path[:0] = [str(ROOT / "tools"), str(APP)]

from fargate_task import Image, allowed  # noqa: E402
from video.config import Settings, WorkerSettings  # noqa: E402


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
    settings = {"fastapi_app": Settings, "celery_worker": WorkerSettings}[image]
    wanted = {field.upper() for field in settings.model_fields}
    assert all(field.is_required() for field in settings.model_fields.values())
    assert {it["name"] for it in container(name, task)["environment"]} == wanted


def test_compose_sets_them_too():
    services = yaml.safe_load((APP / "docker-compose.yml").read_text())["services"]
    for service, settings in [("api", Settings), ("worker", WorkerSettings)]:
        set_by_fargate = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert services[service]["environment"].keys() - set_by_fargate == {it.upper() for it in settings.model_fields}


@deployed
def test_the_role_allows_what_the_code_calls_and_no_more(name, task, role, image):
    actions = set()
    for policy in properties(name, role)["inlinePolicies"].values():
        for statement in policy["Statement"]:
            actions |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    assert actions == called({"fastapi_app": ["api.py"], "celery_worker": ["worker.py", "metrics.py"]}[image])


ACTIONS = {
    "put_item": ["dynamodb:PutItem"],
    "get_item": ["dynamodb:GetItem"],
    "update_item": ["dynamodb:UpdateItem"],
    "head_object": ["s3:GetObject"],
    "get_object": ["s3:GetObject"],
    "put_object": ["s3:PutObject"],
    "delete_object": ["s3:DeleteObject"],
    "download_file": ["s3:GetObject"],
    "upload_file": ["s3:PutObject", "s3:AbortMultipartUpload"],  # large files in parts
    "smart_open.open": ["s3:GetObject"],
    "put_metric_data": ["cloudwatch:PutMetricData"],
}


def called(files):
    """The actions that calls in these files need, those of the records (videos.py) that they make among them."""
    records = {it.name: it for it in ast.walk(tree("videos.py")) if isinstance(it, ast.FunctionDef)}
    found, todo = set(), [tree(file) for file in files]
    while todo:
        for call in (it for it in ast.walk(todo.pop()) if isinstance(it, ast.Call)):
            name = ast.unparse(call.func)
            method = name.split(".")[-1]
            if ".videos." in f".{name}" or name.startswith("self."):
                todo += [records.pop(method)] if method in records else []
            # url("put_object", …) signs such a call for the client.
            asked = [method, name] + [it.value for it in call.args if isinstance(it, ast.Constant)]
            found |= {action for it in asked if isinstance(it, str) for action in ACTIONS.get(it, [])}
            if name.startswith(("s3.", "shared.s3.", "self.s3.", "cloudwatch.", "self._client.")):
                assert method in {*ACTIONS, "generate_presigned_url"}, f"which action does {name} need?"
    return found


def tree(file):
    return ast.parse((APP / "video" / file).read_text())


def test_the_scaling_goes_by_the_metric_that_the_worker_publishes():
    constants = {}
    for node in tree("metrics.py").body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            constants |= zip([it.id for it in node.targets[0].elts], ast.literal_eval(node.value), strict=True)
    for alarm in ("queueLong", "queueEmpty"):
        asked = properties("c-worker", alarm)
        assert (asked["namespace"], asked["metricName"]) == (constants["NAMESPACE"], constants["QUEUE_DEPTH"])
        assert asked["dimensions"] == {"Queue": constants["QUEUE"]}
    policy = properties("all-in-one", "tenJobsAWorker")
    asked = policy["targetTrackingScalingPolicyConfiguration"]["customizedMetricSpecification"]
    assert (asked["namespace"], asked["metricName"]) == (constants["NAMESPACE"], constants["BACKLOG_PER_TASK"])
    assert asked["dimensions"] == [{"name": "Queue", "value": constants["QUEUE"]}]
    for name, role in [("c-worker", "taskRole"), ("all-in-one", "workerRole")]:
        assert f"'cloudwatch:namespace': '{constants['NAMESPACE']}'" in str(properties(name, role))


@pytest.mark.parametrize(("name", "task"), [("b-web", "task"), ("all-in-one", "appTask")])
def test_the_load_balancer_asks_where_the_service_answers(name, task):
    port = int(Image(APP / "fastapi_app" / "Dockerfile").environment["UVICORN_PORT"])
    assert f"EXPOSE {port}\n" in (APP / "fastapi_app" / "Dockerfile").read_text()
    assert container(name, task)["portMappings"] == [{"containerPort": port}]
    targets = properties(name, "targets")
    assert targets["port"] == port
    assert f'@app.get("{targets["healthCheck"]["path"]}")' in (APP / "video" / "api.py").read_text()


def test_the_image_has_the_health_check_of_the_task():
    check = Image(APP / "celery_worker" / "Dockerfile").health_check
    assert container("c-worker", "task")["healthCheck"]["command"] == ["CMD-SHELL", check[-1]]


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


@pytest.mark.parametrize("image", IMAGES)
def test_the_requirements_are_pinned_with_hashes(image):
    asked = re.findall(r"^([\w-]+)", (APP / image / "requirements.in").read_text(), re.MULTILINE)
    pinned = (APP / image / "requirements.txt").read_text()
    for name in asked:
        assert re.search(rf"^{name}(\[\w+\])?==", pinned, re.MULTILINE), f"{name} is not in requirements.txt"
    blocks = re.split(r"\n(?=\S)", pinned.strip())
    assert all("--hash=sha256:" in it for it in blocks if not it.startswith("#"))


@pytest.mark.parametrize(
    ("called", "resource", "body", "wanted"),
    [
        ("s3:GetObject", "arn:aws:s3:::videos/uploads/1", b"", True),
        ("s3:PutObject", "arn:aws:s3:::videos/uploads/1", b"", False),
        ("s3:GetObject", "arn:aws:s3:::others/uploads/1", b"", False),
        ("cloudwatch:PutMetricData", "*", b'"Namespace": "Video"', True),
        ("cloudwatch:PutMetricData", "*", b'"Namespace": "AWS"', False),
    ],
)
def test_the_gate_to_aws_refuses_what_the_role_does_not_allow(called, resource, body, wanted):
    statements = [
        {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::videos/*"], "namespaces": []},
        {"actions": ["cloudwatch:PutMetricData"], "resources": ["*"], "namespaces": ["Video"]},
    ]
    assert allowed(statements, called, resource, body) == wanted
