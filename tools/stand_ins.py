"""Stand-ins for the programs that the READMEs of examples/ use: they take the arguments that stand there, and no others.

    stand_ins.py aws|docker|curl|jq argument...

`aws` calls the local AWS by botocore, whose model of AWS the AWS CLI has its arguments from. A task that it runs is run here, for
the local AWS runs none, and has ended when it returns. `docker` builds nothing; what it pushes is an empty image. `curl` finds
the web service where it runs instead of behind its load balancer: STAND_INS names a file that says where."""

import argparse
import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import boto3
import jmespath
import requests
from botocore import xform_name

from fargate_task import Definition, Task
from sprints import push_image


def aws(service, operation, *arguments):
    match service, operation:
        case "s3", _:
            s3(operation, *arguments)
        case "logs", "tail":
            tail(*arguments)
        case "ecr", "get-login-password":
            print("a-password")
        case "ecs", "wait":
            call("ecs", "describe-tasks", *arguments[1:])  # it has ended already
        case _:
            show(*call(service, operation, *arguments))


def call(service, operation, *arguments):
    """Calls AWS; returns the answer and how to show it."""
    client = boto3.client(service)
    names = {xform_name(it, "-"): it for it in client.meta.service_model.operation_names}
    shape = client.meta.service_model.operation_model(names[operation]).input_shape
    members = {f"--{xform_name(name, '-')}": (name, member) for name, member in shape.members.items()}
    parameters, shown = {}, {}
    for option, *values in split(arguments):
        if option in ("--query", "--output"):
            [shown[option]] = values
        else:
            name, member = members[option]
            parameters[name] = value(member, values)
    answer = getattr(client, xform_name(names[operation]))(**parameters)
    if (service, operation) == ("ecs", "run-task"):
        for task in answer["tasks"]:
            run_to_its_end(task)
    return answer, shown


def split(arguments):
    """Each option with its values."""
    found = []
    for it in arguments:
        if it.startswith("--"):
            found.append([it])
        else:
            found[-1].append(it)
    return found


def value(member, values):
    """What the AWS CLI makes of the values of an option."""
    if member.type_name == "boolean":
        return True
    if values[0].startswith(("{", "[")):
        return json.loads(values[0])
    if member.type_name == "list" and member.member.type_name == "structure":
        return [dict(pair.split("=", 1) for pair in it.split(",")) for it in values]
    if member.type_name == "list":
        return values
    return int(values[0]) if member.type_name in ("integer", "long") else values[0]


def show(answer, shown):
    answer.pop("ResponseMetadata", None)
    if "--query" in shown:
        answer = jmespath.search(shown["--query"], answer)
    text = shown.get("--output") == "text"
    print(answer if text else json.dumps(answer, indent=4, default=str))


def run_to_its_end(task):
    running = Task(Definition(task["taskDefinitionArn"]), os.environ["AWS_ENDPOINT_URL"])
    code = running.process.wait(60)
    running.logger.join(10)
    running.kill()
    if code:
        sys.exit(f"the task has ended with {code}: {''.join(running.lines)}")
    boto3.client("ecs").stop_task(cluster=task["clusterArn"], task=task["taskArn"])


def s3(operation, *arguments):
    bucket, _, prefix = arguments[-1].removeprefix("s3://").partition("/")
    client, objects = boto3.client("s3"), boto3.resource("s3").Bucket(bucket).objects
    match operation, arguments[:-1]:
        case "mb", ():
            # The AWS CLI does the same outside of us-east-1.
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_REGION"]})
        case "rb", ("--force",):
            objects.delete()
            client.delete_bucket(Bucket=bucket)
        case "ls", ():
            for it in objects.filter(Prefix=prefix):
                print(it.last_modified, it.size, it.key.rpartition("/")[2])
        case _:
            sys.exit(f"no stand-in for aws s3 {operation} {arguments}")


def tail(group, *since):
    assert since in ((), ("--since", "10m"))
    for event in boto3.client("logs").filter_log_events(logGroupName=group)["events"]:
        when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        print(when.isoformat(), event["logStreamName"], event["message"])


def docker(command, *arguments):
    match command, arguments:
        case "login", ("--username", "AWS", "--password-stdin", registry):
            assert sys.stdin.read().strip() == "a-password"
            remember(f"login {registry}", True)
            print("Login Succeeded")
        case "build", ("--platform", "linux/amd64", "-f", dockerfile, "-t", image, context):
            for path in re.findall(r"^COPY (?!--from)(\S+)", Path(dockerfile).read_text(), re.MULTILINE):
                assert (Path(context) / path).exists(), f"{dockerfile} copies {path}, which is not in {context}"
            remember(f"image {image}", True)
        case "push", (image,):
            registry, _, name = image.partition("/")
            assert recall(f"image {image}"), f"{image} is not built"
            assert recall(f"login {registry}"), f"not logged in to {registry}"
            repository, tag = name.split(":")
            print(f"{tag}: digest: {push_image(repository, tag)}")
        case _:
            sys.exit(f"no stand-in for docker {command} {arguments}")


def curl(*arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-T", type=Path)
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-o", type=Path)
    parser.add_argument("--json")
    parser.add_argument("url")
    asked = parser.parse_args(arguments)
    url = re.sub(r"^http://[^/]*\.elb\.[^/]*", lambda _: recall("web"), asked.url)
    session = requests.Session()
    session.trust_env = False  # no proxy of the machine's
    headers = dict(it.split(": ", 1) for it in asked.H)
    if asked.T:
        answer = session.put(url, data=asked.T.read_bytes(), headers=headers, timeout=60)
    elif asked.json:
        answer = session.post(url, data=asked.json, headers={"Content-Type": "application/json"}, timeout=60)
    else:
        answer = session.get(url, timeout=60)
    if asked.o:
        asked.o.write_bytes(answer.content)
    else:
        print(answer.text)


def jq(raw, path):
    assert raw == "-r" and re.fullmatch(r"\.\w+", path)
    print(json.load(sys.stdin)[path[1:]])


def recall(name, file=None):
    return json.loads(Path(file or os.environ["STAND_INS"]).read_text()).get(name)


def remember(name, what, file=None):
    file = Path(file or os.environ["STAND_INS"])
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: what}))


if __name__ == "__main__":
    {"aws": aws, "docker": docker, "curl": curl, "jq": jq}[sys.argv[1]](*sys.argv[2:])
