"""Sprint B (examples/b-web) written in Python with the generated SDK, brought up by Pulumi's Automation API on a
local AWS of its own: up, what AWS has, up again without a change, destroy.

    sprint_b.py target/debug/pulumi-resource-fargate
"""

import os
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import boto3
import local_aws
import pulumi
import pulumi_fargate as fargate
from pulumi import automation

FOR_TASKS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
EVERYWHERE = [{"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}]
BUCKET, TABLE = "video-uploads", "video_metadata"
TOKEN = "a-password-of-redis-for-tests"


def program():
    caller = fargate.get_caller_identity()
    zones = fargate.get_availability_zones()
    region = os.environ["AWS_REGION"]

    # What sprint A gives it.
    cluster = fargate.Cluster("cluster", name="video")
    repository = fargate.Repository("fastapi_app", name="fastapi_app")
    vpc = fargate.Vpc("vpc", cidr_block="10.40.0.0/16")
    subnets = [
        fargate.Subnet(f"public-{zone}", vpc_id=vpc.id, availability_zone=zone, cidr_block=f"10.40.{index}.0/24")
        for index, zone in enumerate(zones.names[:2])
    ]
    execution_role = fargate.Role(
        "execution",
        assume_role_policy=FOR_TASKS,
        managed_policy_arns=["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"],
    )

    # The sprint itself.
    balancer_security = fargate.SecurityGroup(
        "balancer",
        vpc_id=vpc.id,
        ingress=[{"protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["0.0.0.0/0"]}],
        egress=EVERYWHERE,
    )
    app_security = fargate.SecurityGroup(
        "app",
        vpc_id=vpc.id,
        ingress=[
            {"protocol": "tcp", "from_port": 8000, "to_port": 8000, "security_groups": [balancer_security.id]}
        ],
    )
    client_security = fargate.SecurityGroup("clients", vpc_id=vpc.id, egress=EVERYWHERE)
    redis_security = fargate.SecurityGroup(
        "redis",
        vpc_id=vpc.id,
        ingress=[
            {"protocol": "tcp", "from_port": 6379, "to_port": 6379, "security_groups": [client_security.id]}
        ],
    )
    ids = [subnet.id for subnet in subnets]
    redis_subnets = fargate.RedisSubnetGroup("redis", subnet_ids=ids)
    redis = fargate.RedisGroup(
        "redis",
        node_type="cache.t4g.small",
        num_cache_clusters=2,
        automatic_failover_enabled=True,
        multi_az_enabled=True,
        transit_encryption_enabled=True,
        auth_token=pulumi.Output.secret(TOKEN),
        subnet_group_name=redis_subnets.name,
        security_group_ids=[redis_security.id],
    )
    redis_url = pulumi.Output.format(
        "rediss://:{0}@{1}:{2}/0?ssl_cert_reqs=required",
        pulumi.Output.secret(TOKEN),
        redis.primary_endpoint_address,
        redis.port,
    )
    balancer = fargate.LoadBalancer("web", subnets=ids, security_groups=[balancer_security.id])
    targets = fargate.TargetGroup(
        "web", vpc_id=vpc.id, port=8000, protocol="HTTP", target_type="ip", health_check={"path": "/health"}
    )
    listener = fargate.Listener(
        "web",
        load_balancer_arn=balancer.arn,
        port=80,
        protocol="HTTP",
        default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
    )
    logs = fargate.LogGroup("logs", name="/ecs/fastapi_app", retention_in_days=30)
    task_role = fargate.Role(
        "task",
        assume_role_policy=FOR_TASKS,
        inline_policies={
            "videos": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["s3:GetObject", "s3:PutObject"],
                        "Resource": f"arn:aws:s3:::{BUCKET}/*",
                    },
                    {
                        "Effect": "Allow",
                        "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
                        "Resource": f"arn:aws:dynamodb:{region}:{caller.account_id}:table/{TABLE}",
                    },
                ],
            }
        },
    )
    task = fargate.TaskDefinition(
        "web",
        family="fastapi_app",
        cpu="512",
        memory="1024",
        execution_role_arn=execution_role.arn,
        task_role_arn=task_role.arn,
        container_definitions=[
            {
                "name": "app",
                "image": repository.repository_url.apply(lambda url: f"{url}:latest"),
                "port_mappings": [{"container_port": 8000}],
                "environment": [
                    {"name": "AWS_REGION", "value": region},
                    {"name": "BUCKET", "value": BUCKET},
                    {"name": "TABLE", "value": TABLE},
                    {"name": "REDIS_URL", "value": redis_url},
                ],
                "log_configuration": {
                    "log_driver": "awslogs",
                    "options": {
                        "awslogs-group": logs.name,
                        "awslogs-region": region,
                        "awslogs-stream-prefix": "app",
                    },
                },
            }
        ],
    )
    fargate.Service(
        "web",
        name="fastapi_app",
        cluster=cluster.arn,
        task_definition=task.arn,
        desired_count=2,
        network_configuration={"subnets": ids, "security_groups": [app_security.id, client_security.id]},
        load_balancers=[{"target_group_arn": targets.arn, "container_name": "app", "container_port": 8000}],
        deployment_circuit_breaker={"enable": True, "rollback": True},
        opts=pulumi.ResourceOptions(depends_on=[listener]),
    )
    pulumi.export("url", balancer.dns_name.apply(lambda name: f"http://{name}"))
    pulumi.export("targets", targets.arn)


def sprint_b(provider, folder):
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    plugin = folder / f"home/plugins/resource-fargate-v{version}/pulumi-resource-fargate"
    plugin.parent.mkdir(parents=True)
    plugin.symlink_to(Path(provider).resolve())
    (folder / "state").mkdir()
    stack = automation.create_stack(
        stack_name="test",
        project_name="sprint-b",
        program=program,
        opts=automation.LocalWorkspaceOptions(
            work_dir=str(folder),
            pulumi_home=str(folder / "home"),
            project_settings=automation.ProjectSettings(
                name="sprint-b", runtime="python", backend=automation.ProjectBackend(url=(folder / "state").as_uri())
            ),
            env_vars={"PULUMI_CONFIG_PASSPHRASE": "test", "PULUMI_SKIP_UPDATE_CHECK": "true"},
        ),
    )

    said = step("up", stack.up(on_output=None))
    service = boto3.client("ecs").describe_services(cluster="video", services=["fastapi_app"])["services"][0]
    expect("running tasks", service["runningCount"], 2)
    expect("target group", service["loadBalancers"][0]["targetGroupArn"], said.outputs["targets"].value)
    balancer = boto3.client("elbv2").describe_load_balancers()["LoadBalancers"][0]
    expect("address", said.outputs["url"].value, f"http://{balancer['DNSName']}")
    task = boto3.client("ecs").describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    expect("retention", boto3.client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"], 30)
    set_to = {it["name"]: it["value"] for it in task["containerDefinitions"][0]["environment"]}
    expect("password in REDIS_URL", TOKEN in set_to["REDIS_URL"], True)
    states = [file.read_text() for file in (folder / "state").rglob("*.json")]
    expect("password in the state, in the clear", any(TOKEN in it for it in states), False)
    expect("cpu and memory", (task["cpu"], task["memory"]), ("512", "1024"))

    again = step("up again", stack.up(expect_no_changes=True))
    expect("changes", set(again.summary.resource_changes), {"same"})

    step("destroy", stack.destroy())
    expect("clusters left", boto3.client("ecs").list_clusters()["clusterArns"], [])
    expect("roles left", boto3.client("iam").list_roles()["Roles"], [])


def step(name, result):
    print(f"{name}: {result.summary.resource_changes}", flush=True)
    return result


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: expected {wanted!r}, found {found!r}")


def main():
    with tempfile.TemporaryDirectory(prefix="sprint-b-") as name:
        folder = Path(name)
        with local_aws.alone(folder / "aws") as record:
            for variable in list(os.environ):
                if variable.startswith(("AWS_", "PULUMI_")):
                    del os.environ[variable]
            os.environ.update(local_aws.environment(record))
            sprint_b(sys.argv[1], folder)


if __name__ == "__main__":
    main()
