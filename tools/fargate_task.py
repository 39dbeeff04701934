"""Stands in for Fargate: runs the container of a service's task definition, as the AWS has it, as a process of this
machine. Its output goes to the log group, its calls to AWS pass only if its task role allows them, and it is stopped as
ECS stops a task.

What a real task gets from Fargate, and this one from here: credentials, the way to AWS, a folder for what is temporary
and an address of its own to listen at. The command, the health check and the environment are the task definition's; the
image (its Dockerfile, for none is built) adds only what its ENV says."""

import contextlib
import fnmatch
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import boto3
from botocore.exceptions import EndpointConnectionError

import local_aws

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "examples" / "app"
PROGRAMS = ROOT / ".tools" / "app-venv" / "bin"


class Definition:
    """What AWS knows of a task definition, asked of AWS."""

    def __init__(self, arn):
        task = boto3.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
        self.name, self.revision = task["family"], arn.split("/")[-1]
        [self.container] = task["containerDefinitions"]
        self.environment = {it["name"]: it["value"] for it in self.container.get("environment", [])}
        self.rights = list(rights(role.split("/")[-1])) if (role := task.get("taskRoleArn")) else []
        self.command = self.container["command"]
        self.health_check = self.container.get("healthCheck", {}).get("command")
        self.image = re.split("[:@]", self.container["image"].split("/")[-1])[0]
        self.image_environment = Image(APP / self.image / "Dockerfile").environment


class Service(Definition):
    """What AWS knows of a service."""

    def __init__(self, cluster, name):
        service = boto3.client("ecs").describe_services(cluster=cluster, services=[name])["services"][0]
        super().__init__(service["taskDefinition"])
        self.name = name
        if balanced := service.get("loadBalancers"):
            targets = boto3.client("elbv2").describe_target_groups(TargetGroupArns=[balanced[0]["targetGroupArn"]])
            self.health_path = targets["TargetGroups"][0]["HealthCheckPath"]


class Image:
    """What a Dockerfile says of the container."""

    def __init__(self, dockerfile):
        last_stage = re.split(r"^FROM .*$", dockerfile.read_text(), flags=re.MULTILINE)[-1]
        lines = re.sub(r"\\\n", " ", last_stage).splitlines()
        said = [line.split(maxsplit=1) for line in lines if line and not line.startswith(("#", " "))]
        [command] = [rest for word, rest in said if word == "CMD"]
        [check] = [rest for word, rest in said if word == "HEALTHCHECK"]
        self.command = json.loads(command)
        self.health_check = ["CMD", *json.loads(check.split(" CMD ")[1])]
        settings = [it.split("=", 1) for word, rest in said if word == "ENV" for it in shlex.split(rest)]
        self.environment = {name: value for name, value in settings if name != "PATH"}


class Task:
    """One running container of a service, or of a task definition that is run once."""

    def __init__(self, service, aws, certificate=None):
        self.id, self.service = uuid.uuid4().hex, service
        self.gate = RoleGate(aws, service.rights)
        self.folder = tempfile.TemporaryDirectory(prefix="task-")
        [self.port] = local_aws.free_ports(1)
        given_by_fargate = {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.gate.url,
            "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "TMPDIR": self.folder.name,
            "UVICORN_HOST": local_aws.HOST,
            "UVICORN_PORT": str(self.port),
        }
        if certificate:
            given_by_fargate["SSL_CERT_FILE"] = str(certificate)  # of Redis; AWS's own every image knows
        self.environment = service.image_environment | service.environment | given_by_fargate
        self.process = subprocess.Popen(
            [shutil.which(service.command[0], path=given_by_fargate["PATH"]), *service.command[1:]],
            cwd=APP,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # what starts in the container ends with it
        )
        self.lines = []
        self.logger = threading.Thread(target=self.log, daemon=True)
        self.logger.start()

    def log(self):
        """The awslogs driver: a stream for each task, a line an event."""
        options = self.service.container["logConfiguration"]["options"]
        group = options["awslogs-group"]
        stream = f"{options['awslogs-stream-prefix']}/{self.service.container['name']}/{self.id}"
        logs = boto3.client("logs", region_name=options["awslogs-region"])
        with contextlib.suppress(EndpointConnectionError):  # the local AWS may end before us
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            for line in self.process.stdout:
                self.lines.append(line)
                if text := line.rstrip():
                    event = {"timestamp": int(time.time() * 1000), "message": text}
                    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])

    @property
    def healthy(self):
        """What the health check of the task definition says."""
        kind, *command = self.service.health_check
        command = ["sh", "-c", *command] if kind == "CMD-SHELL" else command
        return subprocess.run(command, cwd=APP, env=self.environment, capture_output=True, check=False).returncode == 0

    def stop(self):
        """SIGTERM, and when its time is up SIGKILL. Returns the seconds it took, or None if it had to be killed."""
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(self.service.container.get("stopTimeout", 30))
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self.kill()
        return time.monotonic() - began

    def kill(self):
        """What a lost machine does to a container: all of it is gone at once. Nothing is done to one that is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.logger.join(10)
        self.gate.close()
        self.folder.cleanup()


class RoleGate:
    """The way to AWS. The local one takes any call from anybody; this lets through what the task role allows, and keeps
    which of its rights were `used`. Actions that are `broken` fail as AWS does on a bad day; of the next call that
    has `losing` in its body, only the answer is lost."""

    def __init__(self, aws, rights):
        self.aws, self.rights = urllib.parse.urlsplit(aws).netloc, rights
        self.used, self.refused, self.broken, self.losing = set(), set(), set(), None
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                called = action(self.command, self.path, self.headers)
                about = resource(called, self.path, body)
                right = allowing(gate.rights, called, about, context(called, body, self.path))
                if not right:
                    gate.refused.add(called)
                    self.answer(403, {}, REFUSAL % called.encode())
                elif called in gate.broken:
                    self.answer(503, {}, b"")
                else:
                    gate.used.add(right)
                    upstream = HTTPConnection(gate.aws)
                    upstream.request(self.command, self.path, body, dict(self.headers))
                    reply = upstream.getresponse()
                    if gate.losing and gate.losing in body:
                        gate.losing = None
                        self.answer(503, {}, b"")
                    elif called == "s3:GetObject" and reply.status == 404 and not gate.may_list(about):
                        self.answer(403, {}, REFUSAL % b"s3:ListBucket")
                    else:
                        self.answer(reply.status, dict(reply.getheaders()), reply.read())
                    upstream.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

            def answer(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                        self.send_header(name, value)
                length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                """A caller that has read enough, or was killed, hangs up; what else fails, the caller sees."""

        self.server = Server((local_aws.HOST, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{local_aws.HOST}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def may_list(self, about):
        """S3 says that an object is not there only to those who may list the bucket; to others it says 403."""
        bucket, _, key = about.partition("/")
        right = allowing(self.rights, "s3:ListBucket", bucket, {"s3:prefix": key})
        self.used |= {right} - {None}
        return bool(right)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


REFUSAL = b"<Error><Code>AccessDenied</Code><Message>the task role does not allow %b</Message></Error>"


SERVICES = {"DynamoDB_20120810": "dynamodb", "GraniteServiceVersion20100801": "cloudwatch"}
PARTS_OF_AN_UPLOAD = {"uploads", "uploadId", "partNumber"}


def action(method, path, headers):
    """The IAM action that a call needs. What is asked of an object beside its content and who may have it (?tagging) has
    actions of its own, which no role here allows."""
    if target := headers.get("X-Amz-Target"):
        service, name = target.split(".")
        return f"{SERVICES[service]}:{name}"
    query = query_of(path).keys()
    if method == "GET" and "list-type" in query:
        return "s3:ListBucket"
    if method == "GET" and "acl" in query:
        return "s3:GetObjectAcl"
    if unknown := {it for it in query if not it.startswith("X-Amz-")} - PARTS_OF_AN_UPLOAD:
        return f"s3:{method}?{'&'.join(sorted(unknown))}"
    if method == "DELETE" and "uploadId" in query:
        return "s3:AbortMultipartUpload"
    return {"PUT": "s3:PutObject", "POST": "s3:PutObject", "DELETE": "s3:DeleteObject"}.get(method, "s3:GetObject")


def query_of(path):
    return urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True)


def resource(called, path, body):
    """The ARN of what it is about."""
    if called.startswith("s3:"):
        return f"arn:aws:s3:::{urllib.parse.urlsplit(path).path.strip('/')}"
    if called.startswith("dynamodb:"):
        region, table = os.environ["AWS_REGION"], json.loads(body)["TableName"]
        return f"arn:aws:dynamodb:{region}:{local_aws.ACCOUNT}:table/{table}"
    return "*"


def context(called, body, path=""):
    """What conditions look at."""
    if called == "s3:ListBucket":
        return {"s3:prefix": query_of(path).get("prefix", [""])[0]}
    return {"cloudwatch:namespace": json.loads(body)["Namespace"]} if called.startswith("cloudwatch:") else {}


class Right(NamedTuple):
    """One action on one resource: a statement of several is as many rights, so that each can be found to be of use."""

    action: str
    resource: str
    condition: tuple[str, str] | None = None
    """A key of the context, and the pattern of its value."""

    def allows(self, called, resource, context):
        if self.condition:
            key, pattern = self.condition
            if not fnmatch.fnmatchcase(context.get(key, ""), pattern):
                return False
        return self.action == called and fnmatch.fnmatchcase(resource, self.resource)


def allowing(rights, called, resource, context):
    """The first right that allows a call: another one beside it is of no use."""
    return next((right for right in rights if right.allows(called, resource, context)), None)


def rights(role):
    """What the inline policies of a role allow, in the few words that ours have."""
    iam = boto3.client("iam")
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            yield from rights_of(statement)


def rights_of(statement):
    assert statement["Effect"] == "Allow"
    conditions = statement.get("Condition", {})
    assert conditions.keys() <= {"StringEquals", "StringLike"}
    [condition] = [test for tests in conditions.values() for test in tests.items()] or [None]
    for action, resource in itertools.product(listed(statement["Action"]), listed(statement["Resource"])):
        yield Right(action, resource, condition)


def listed(value):
    return value if isinstance(value, list) else [value]
