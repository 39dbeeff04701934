"""Task. The local AWS starts tasks and never ends them: a proxy says how they ended."""

import json

import pytest
from aws_proxy import Proxy

LOG = {"awslogs-group": "/migration", "awslogs-stream-prefix": "ecs", "awslogs-region": "us-east-1"}


@pytest.fixture
def ends(stack):
    """Ends every task with the exit code in the dict that it gives, after a line of its log."""
    end = {"code": 0}
    ecs, logs = stack.aws("ecs"), stack.aws("logs")
    ecs.create_cluster(clusterName="main")
    ecs.register_task_definition(
        family="migration",
        containerDefinitions=[{
            "name": "app",
            "image": "migration",
            "memory": 128,
            "logConfiguration": {"logDriver": "awslogs", "options": LOG},
        }],
    )
    logs.create_log_group(logGroupName="/migration")

    def stopped(text):
        answer = json.loads(text)
        for task in answer["tasks"]:
            stream = {"logGroupName": "/migration", "logStreamName": "ecs/app/" + task["taskArn"].split("/")[-1]}
            try:
                logs.create_log_stream(**stream)
                logs.put_log_events(**stream, logEvents=[{"timestamp": 1_790_000_000_000, "message": "migrating users"}])
            except logs.exceptions.ResourceAlreadyExistsException:
                pass
            task |= {"lastStatus": "STOPPED", "stopCode": "EssentialContainerExited"}
            task |= {"stoppedReason": "Essential container in task exited"}
            task["containers"][0]["exitCode"] = end["code"]
        return json.dumps(answer)

    with Proxy(stack.environment["AWS_ENDPOINT_URL"]) as proxy:
        stack.environment["AWS_ENDPOINT_URL"] = proxy.url
        proxy.answers["DescribeTasks"] = stopped
        end["proxy"] = proxy
        yield end


def write(stack, version="1", **more):
    """A program with a task, and a cluster that is only made after it."""
    properties = {
        "cluster": "main",
        "taskDefinition": "migration:1",
        "networkConfiguration": {"subnets": ["subnet-1"]},
        "triggers": {"version": version},
    }
    stack.write_program({
        "it": {"type": "fargate:Task", "properties": properties | more},
        "after": {"type": "fargate:Cluster", "options": {"dependsOn": ["${it}"]}},
    })


def ran(stack):
    return stack.aws("ecs").list_tasks(cluster="main")["taskArns"]


def test_task(stack, ends):
    write(stack)
    said = stack.pulumi("up", "--yes", "--skip-preview")
    assert "migrating users" in said[said.index("Diagnostics:") :]
    first = stack.outputs()
    assert first["exitCodes"] == {"app": 0}
    assert first["id"] == first["arn"]
    assert ran(stack) == [first["arn"]]

    # AWS forgets it, and nothing happens.
    ends["proxy"].answers["DescribeTasks"] = lambda _: '{"tasks": [], "failures": []}'
    stack.expect_no_changes("--refresh")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    write(stack, tags={"team": "video"})
    assert stack.up() == {"update"}
    assert ran(stack) == [first["arn"]]
    stack.expect_no_changes()
    stack.pulumi("destroy", "--yes", "--skip-preview")


def test_a_trigger_runs_it_again_in_place(stack, ends):
    write(stack)
    stack.up()
    first = stack.outputs()
    write(stack, version="2")
    assert stack.up() == {"update"}
    assert stack.outputs()["id"] == first["id"]
    assert stack.outputs()["arn"] != first["arn"]
    assert len(ran(stack)) == 2

    # What fails does not count, and is tried again.
    ends["code"] = 1
    write(stack, version="3")
    assert "app exited with 1" in stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    ends["code"] = 0
    assert stack.up() == {"update"}
    assert len(ran(stack)) == 4
    stack.expect_no_changes()


def test_what_depends_on_it_does_not_start_if_it_fails(stack, ends):
    ends["code"] = 3
    write(stack)
    said = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "app exited with 3" in said
    assert said.count("    migrating users\n") == 1 and "read its last lines above" in said
    assert "it" not in stack.resources() and "after" not in stack.resources()
    ends["code"] = 0
    assert stack.up() == {"create"}
    assert "after" in stack.resources()
