"""TaskDefinition: the resource is the family, so that a change is a new revision in place."""

import json

from harness import OWNER, ROOT, Lifecycle, run, tags

ROLE = "arn:aws:iam::123456789012:role/execution"
PASSWORD = "hunter2-hunter2"


def active(stack, family):
    """The active revisions of a family, the latest first."""
    ecs = stack.aws("ecs")
    listed = ecs.list_task_definitions(familyPrefix=family, status="ACTIVE", sort="DESC")["taskDefinitionArns"]
    return [int(it.rsplit(":", 1)[1]) for it in listed if it.rsplit("/", 1)[1].rsplit(":", 1)[0] == family]


def truth(stack, outputs):
    revisions = active(stack, outputs["family"])
    if not revisions:
        return None
    name = f"{outputs['family']}:{revisions[0]}"
    answer = stack.aws("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
    task = answer["taskDefinition"]
    app = next(it for it in task["containerDefinitions"] if it["name"] == "app")
    return {
        "size": (task["cpu"], task["memory"]),
        "network": (task["networkMode"], task["requiresCompatibilities"]),
        "roles": (task["executionRoleArn"], task["taskRoleArn"]),
        "containers": sorted(it["name"] for it in task["containerDefinitions"]),
        "image": app["image"],
        "ports": [it["containerPort"] for it in app["portMappings"]],
        "environment": {it["name"]: it["value"] for it in app["environment"]},
        "secrets": {it["name"]: it["valueFrom"] for it in app.get("secrets", [])},
        "log group": app["logConfiguration"]["options"]["awslogs-group"],
        "health": app.get("healthCheck", {}).get("interval"),
        "stop": app.get("stopTimeout"),
        "volumes": [it["efsVolumeConfiguration"]["transitEncryption"] for it in task["volumes"]],
        "tags": tags(answer["tags"]),
        "latest": outputs["revision"] == revisions[0] and outputs["arn"].endswith(f"/{name}"),
    }


def app(**changes):
    container = {
        "name": "app",
        "image": "nginx:1",
        "portMappings": [{"containerPort": 8000}],
        "environment": [
            {"name": "PASSWORD", "value": {"fn::secret": PASSWORD}},
            {"name": "LEVEL", "value": "info"},
            {"name": "WORKERS", "value": 4},
        ],
        "secrets": [{"name": "TOKEN", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/token"}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "app", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "app"},
        },
        "healthCheck": {"command": ["CMD-SHELL", "curl -f localhost:8000/health"], "retries": 5},
        "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
        "stopTimeout": 120,
    }
    return {key: it for key, it in (container | changes).items() if it is not None}


def someone_registers_a_revision(stack, outputs):
    """With another image and another variable, as a pipeline would that knows nothing of the program."""
    ecs = stack.aws("ecs")
    task = ecs.describe_task_definition(taskDefinition=outputs["arn"])["taskDefinition"]
    kept = ["family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn", "volumes"]
    containers = task["containerDefinitions"]
    containers[0]["image"] = "nginx:someone-else's"
    containers[0]["environment"].insert(0, {"name": "EXTRA", "value": "1"})
    ecs.register_task_definition(containerDefinitions=containers, **{it: task[it] for it in kept})
    # What a refresh finds next to a secret leaves the secret one.
    stack.pulumi("refresh", "--yes", "--skip-preview")
    state = stack.pulumi("stack", "export")
    assert "someone-else's" in state and PASSWORD not in state


def test_task_definition(stack):
    life = Lifecycle(
        type="TaskDefinition",
        properties={
            "cpu": 512,
            "memory": "1024",
            "executionRoleArn": ROLE,
            "containerDefinitions": [app()],
            "volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}],
            "tags": {"stage": "test"},
        },
        truth=truth,
        expected={
            "size": ("512", "1024"),
            "network": ("awsvpc", ["FARGATE"]),
            "roles": (ROLE, ""),
            "containers": ["app"],
            "image": "nginx:1",
            "ports": [8000],
            "environment": {"PASSWORD": PASSWORD, "LEVEL": "info", "WORKERS": "4"},
            "secrets": {"TOKEN": "arn:aws:ssm:us-east-1:123456789012:parameter/token"},
            "log group": "app",
            "health": 30,
            "stop": 120,
            "volumes": ["ENABLED"],
            "tags": {"stage": "test"} | OWNER,
            "latest": True,
        },
        update={
            "memory": 2048,
            "taskRoleArn": "arn:aws:iam::123456789012:role/task",
            "containerDefinitions": [
                app(
                    image="nginx:2",
                    environment=[
                        {"name": "LEVEL", "value": "debug"},
                        {"name": "PASSWORD", "value": {"fn::secret": PASSWORD}},
                    ],
                    secrets=None,
                    healthCheck=None,
                ),
                {"name": "side", "image": "busybox", "essential": False, "command": ["sleep", "60"]},
            ],
            "tags": {"team": "video"},
        },
        updated={
            "size": ("512", "2048"),
            "roles": (ROLE, "arn:aws:iam::123456789012:role/task"),
            "containers": ["app", "side"],
            "image": "nginx:2",
            "environment": {"PASSWORD": PASSWORD, "LEVEL": "debug"},
            "secrets": {},
            "health": None,
            "tags": {"team": "video"} | OWNER,
        },
        drift=someone_registers_a_revision,
        replace={"family": "another"},
        replaced={},
        import_ids=lambda outputs: [
            outputs["family"],
            f"{outputs['family']}:{outputs['revision']}",
            outputs["arn"],
        ],
        secrets=[PASSWORD],
    )
    run(stack, life)


def program(stack, **properties):
    containers = properties.pop("containerDefinitions", [{"name": "app", "image": "nginx:1"}])
    task = {"family": "web", "containerDefinitions": containers} | properties
    stack.write_program({"it": {"type": "fargate:TaskDefinition", "properties": task}})


def test_other_ways_to_say_the_same_make_no_revision(stack):
    variables = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    first = {"name": "app", "image": "nginx:1", "portMappings": [{"containerPort": 80}], "environment": variables}
    second = {"name": "side", "image": "busybox"}
    program(stack, containerDefinitions=[first, second])
    stack.up()
    first = {
        **first,
        "cpu": 0,
        "essential": True,
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
        "environment": variables[::-1],
        "mountPoints": [],
    }
    program(stack, containerDefinitions=[second, first], cpu=256, memory="512", networkMode="awsvpc", volumes=[])
    stack.expect_no_changes()
    assert active(stack, "web") == [1]


def test_tags_alone_make_no_revision(stack):
    program(stack, tags={"a": "1"})
    stack.up()
    program(stack, tags={"b": "2"})
    assert stack.up() == {"update"}
    assert active(stack, "web") == [1]
    answer = stack.aws("ecs").describe_task_definition(taskDefinition="web", include=["TAGS"])
    assert tags(answer["tags"]) == {"b": "2"} | OWNER


def test_keeps_as_many_revisions_as_asked(stack):
    # A family of which this one is a prefix is none of its business.
    container = [{"name": "app", "image": "nginx", "memory": 512}]
    stack.aws("ecs").register_task_definition(family="website", containerDefinitions=container)
    for tag in range(1, 5):
        program(stack, keepRevisions=3, containerDefinitions=[{"name": "app", "image": f"nginx:{tag}"}])
        stack.up()
    assert active(stack, "web") == [4, 3, 2]
    program(stack, keepRevisions=2, containerDefinitions=[{"name": "app", "image": "nginx:4"}])
    assert stack.up() == {"update"}
    assert active(stack, "web") == [4, 3]
    program(stack, containerDefinitions=[{"name": "app", "image": "nginx:5"}])
    stack.up()
    assert active(stack, "web") == [5, 4, 3]
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert active(stack, "web") == []
    assert active(stack, "website") == [1]


def test_a_revision_counts_once_aws_shows_it(stack, proxy):
    answers = []
    proxy.answers["DescribeTaskDefinition"] = lambda text: answers.append(text) or text
    program(stack)
    stack.up()
    first, late = answers[-1], []

    def answer(text):
        late.append(text)
        return text if len(late) > 2 else first

    proxy.answers["DescribeTaskDefinition"] = answer
    program(stack, containerDefinitions=[{"name": "app", "image": "nginx:2"}])
    assert stack.up() == {"update"}
    assert stack.outputs()["revision"] == 2


def test_a_revision_that_someone_deregistered_is_no_obstacle(stack, proxy):
    program(stack)
    stack.up()
    proxy.refusals["DeregisterTaskDefinition"] = (
        '{"__type": "ClientException", "message": "The specified task definition is inactive. '
        'Select an active task definition and try again."}'
    )
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert proxy.counts["DeregisterTaskDefinition"] == 1


def test_every_property_comes_back(stack):
    program(
        stack,
        executionRoleArn=ROLE,
        runtimePlatform={"cpuArchitecture": "ARM64"},
        ephemeralStorage={"sizeInGib": 40},
        volumes=[
            {"name": "scratch"},
            {
                "name": "files",
                "efsVolumeConfiguration": {
                    "fileSystemId": "fs-12345678",
                    "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
                    "transitEncryptionPort": 2999,
                },
            },
        ],
        containerDefinitions=[
            app(
                mountPoints=[{"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": True}],
                memory=256,
                memoryReservation=128,
                entryPoint=["/bin/sh", "-c"],
                workingDirectory="/srv",
                user="1000:1000",
                environmentFiles=[{"value": "arn:aws:s3:::bucket/app.env"}],
                dependsOn=[{"containerName": "router", "condition": "START"}],
                startTimeout=60,
                restartPolicy={"ignoredExitCodes": [0]},
                readonlyRootFilesystem=True,
                interactive=True,
                pseudoTerminal=True,
                linuxParameters={"initProcessEnabled": True, "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}},
                ulimits=[{"name": "nofile", "softLimit": 1024, "hardLimit": 65535}],
                systemControls=[{"namespace": "net.core.somaxconn", "value": 1024}],
                dockerLabels={"a": "b"},
                repositoryCredentials={"credentialsParameter": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"},
                versionConsistency="disabled",
            ),
            {
                "name": "router",
                "image": "fluent-bit",
                "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
                "volumesFrom": [{"sourceContainer": "app"}],
            },
        ],
    )
    stack.up()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.expect_no_changes()


def samples():
    """The files of tests/task_definitions that a program in YAML can have: the others name what no schema has."""
    for path in sorted((ROOT / "tests" / "task_definitions").glob("*.json")):
        task = json.loads(path.read_text())
        if path.stem == "as-described":
            continue
        if storage := task.get("ephemeralStorage"):
            task["ephemeralStorage"] = {"sizeInGib": storage["sizeInGiB"]}
        for volume in task.get("volumes", []):
            volume.pop("host", None)
        yield path.stem, task


def test_samples_come_up_refresh_and_import_without_a_change(stack):
    resources = {name: {"type": "fargate:TaskDefinition", "properties": task} for name, task in samples()}
    assert len(resources) > 40
    stack.write_program(resources)
    stack.pulumi("up", "--yes", "--skip-preview")
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.expect_no_changes()
    importing = stack.other("import")
    options = {name: {"options": {"import": task["properties"]["family"]}} for name, task in resources.items()}
    importing.write_program({name: resources[name] | options[name] for name in resources})
    importing.pulumi("up", "--yes", "--skip-preview")
    importing.expect_no_changes("--refresh")
    assert all(active(stack, it["properties"]["family"]) == [1] for it in resources.values())


def test_a_renamed_resource_does_not_deregister_what_runs(stack):
    container = [{"name": "app", "image": "nginx:1"}]
    task = {"type": "fargate:TaskDefinition", "properties": {"family": "web", "containerDefinitions": container}}
    stack.write_program({"before": task})
    stack.pulumi("up", "--yes", "--skip-preview")
    stack.write_program({"after": task})
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "TaskDefinition web exists already; set another name, or take it over: `pulumi import" in said
    assert active(stack, "web") == [1]
    stack.write_program({"after": task | {"options": {"aliases": [{"name": "before"}]}}})
    stack.pulumi("up", "--yes", "--skip-preview")
    assert active(stack, "web") == [1]
    # One whose revisions are all gone is free.
    stack.pulumi("destroy", "--yes", "--skip-preview")
    stack.pulumi("up", "--yes", "--skip-preview")
    assert active(stack, "web") == [2]


def test_what_an_update_would_drop_is_refused_by_name(stack, proxy):
    program(stack)
    stack.up()

    def answer(text):
        described = json.loads(text)
        if "taskDefinition" in described:
            described["taskDefinition"]["ipcMode"] = "task"
        return json.dumps(described)

    proxy.answers["DescribeTaskDefinition"] = answer
    program(stack, memory=1024)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "task-definition/web:1 has ipcMode, which TaskDefinition does not support" in said
    assert active(stack, "web") == [1]


def test_a_log_router_that_is_root_in_so_many_words_makes_no_revision(stack):
    def containers(level, **router):
        firelens = {"name": "log", "image": "fluent-bit", "firelensConfiguration": {"type": "fluentbit"}, **router}
        return [{"name": "app", "image": "nginx:1", "environment": [{"name": "LEVEL", "value": level}]}, firelens]

    program(stack, containerDefinitions=containers("info", user="0"), cpu="0.25 vCPU", memory="0.5 GB", taskRoleArn="task")
    stack.up()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.expect_no_changes()
    program(stack, containerDefinitions=containers("info"), cpu=256, memory="512", taskRoleArn="task")
    stack.expect_no_changes()
    assert active(stack, "web") == [1]
