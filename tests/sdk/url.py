"""URLs made of outputs, in Python, TypeScript and Go with the generated SDKs: each program is brought up by Pulumi's Automation
API on a local AWS, its URLs are compared with what they are made of, two previews show no change, and all is destroyed.

    url.py target/debug/pulumi-resource-fargate .tools/sdks

An output that is optional in an SDK is a pointer in Go and `undefined` in TypeScript where it is missing: a URL made of it
holds the address of the pointer, which differs each time, or the word.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import harness
import local_aws


def program():
    """The same as in url.ts and go/url.go."""
    import pulumi
    import pulumi_fargate as fargate

    vpc = fargate.Vpc("vpc", cidr_block="10.0.0.0/16")
    subnets = [
        fargate.Subnet(f"subnet-{zone}", vpc_id=vpc.id, availability_zone=f"us-east-1{zone}", cidr_block=block)
        for zone, block in {"a": "10.0.0.0/24", "b": "10.0.1.0/24"}.items()
    ]
    ids = [subnet.id for subnet in subnets]
    redis_subnets = fargate.RedisSubnetGroup("redis", subnet_ids=ids)
    redis = fargate.RedisGroup("redis", node_type="cache.t4g.micro", subnet_group_name=redis_subnets.name)
    balancer = fargate.LoadBalancer("web", subnets=ids, internal=True)
    # An enum's name as a constant and as text.
    fargate.TargetGroup("constant", vpc_id=vpc.id, port=80, protocol=fargate.TargetGroupProtocol.HTTP)
    fargate.TargetGroup("text", vpc_id=vpc.id, port=80, protocol="HTTP")

    redis_url = pulumi.Output.format("rediss://{0}:{1}/0", redis.primary_endpoint_address, redis.port)
    zone_url = pulumi.Output.concat("http://", balancer.dns_name, "/", subnets[0].availability_zone)
    fargate.TaskDefinition(
        "web",
        family="web",
        cpu="256",
        memory="512",
        container_definitions=[
            {
                "name": "app",
                "image": "public.ecr.aws/nginx/nginx:1.29",
                "environment": [{"name": "REDIS_URL", "value": redis_url}, {"name": "ZONE_URL", "value": zone_url}],
            }
        ],
    )
    pulumi.export("redisUrl", redis_url)
    pulumi.export("zoneUrl", zone_url)
    pulumi.export("host", redis.primary_endpoint_address)
    pulumi.export("port", redis.port)
    pulumi.export("balancer", balancer.dns_name)


def in_python():
    from pulumi import automation

    stack = automation.create_or_select_stack(stack_name="test", project_name="url-python", program=program)
    outputs = stack.up(on_output=harness.note).outputs
    for _ in range(2):
        stack.preview(expect_no_changes=True, diff=True, on_output=harness.note)
    stack.destroy(on_output=harness.note)
    print(json.dumps({name: it.value for name, it in outputs.items()}))


def check(language, command, environment):
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{language}: {command} failed")
    outputs = json.loads(run.stdout)
    harness.expect(f"{language}: port", outputs["port"], 6379)
    harness.expect(f"{language}: a host", bool(re.fullmatch(r"[a-z0-9.-]+", outputs["host"])), True)
    harness.expect(f"{language}: URL of Redis", outputs["redisUrl"], f"rediss://{outputs['host']}:6379/0")
    harness.expect(f"{language}: URL with a zone", outputs["zoneUrl"], f"http://{outputs['balancer']}/us-east-1a")
    print(f"{language}: {outputs['redisUrl']} {outputs['zoneUrl']}", flush=True)


def main(provider, sdks):
    commands = {
        "Python": [sys.executable, __file__],
        "TypeScript": ["node", f"{sdks}/url/url.js"],
        "Go": [f"{sdks}/url/url"],
    }
    with tempfile.TemporaryDirectory(prefix="url-") as name, local_aws.alone(Path(name) / "aws") as record:
        environment = harness.environment(Path(name), provider, record) | {"PYTHONPATH": f"{sdks}/python"}
        for language, command in commands.items():
            check(language, command, environment)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        in_python()
    else:
        main(*sys.argv[1:])
