"""`make demo` and `make demo-down`: the three sprints of examples/ on a local AWS, by the
real Pulumi. All that is kept between the two is in .demo/."""

import filecmp
import json
import os
import secrets
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import boto3

import local_aws

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
STATE = DEMO / "state"
BASELINE = DEMO / "baseline.json"
STACK = "demo"
SPRINTS = {
    "a-core": "Sprint A: cluster, repositories, network, execution role",
    "b-web": "Sprint B: the web service behind its load balancer",
    "c-worker": "Sprint C: the workers, their Redis and their scaling",
}


def up(provider):
    heading("The local AWS")
    record, fresh = local_aws.start(DEMO)
    enter(record)
    print(f"{'started' if fresh else 'runs already'}: {record['aws']['url']}, in memory only")
    if fresh:
        if STATE.exists():
            print("The one of the last demo is gone, and what it held with it: starting over.")
            forget()
        BASELINE.write_text(json.dumps(inventory()))
    STATE.mkdir(parents=True, exist_ok=True)
    install(provider)

    changes = {}
    for sprint, title in SPRINTS.items():
        heading(title)
        pulumi(sprint, "stack", "select", "--create", STACK, quiet=True)
        if sprint == "c-worker" and not has_config(sprint, "redisAuthToken"):
            set_secret(sprint, "redisAuthToken", secrets.token_hex(16))
        pulumi(sprint, "up", "--yes", "--stack", STACK)
        changes[sprint] = last_changes(sprint)

    heading("What exists now, asked of AWS")
    show_what_exists()
    heading("What this run did")
    for sprint, counts in changes.items():
        print(f"{sprint:10} " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    if all(set(counts) <= {"unchanged"} for counts in changes.values()):
        print("Everything was there already: no changes.")

    heading("From here")
    print(f"""look further     source {DEMO.name}/env
                 pulumi -C examples/b-web stack
                 pulumi -C examples/b-web preview --diff    (change the program first)
take it down     make demo-down""")


def down(provider):
    record = local_aws.running(DEMO)
    if record is None:
        print("The local AWS is not running, so nothing of the demo exists.")
        local_aws.stop(DEMO)
        forget()
        return
    enter(record)
    install(provider)
    for sprint, title in reversed(SPRINTS.items()):
        if has_stack(sprint):
            heading(f"Taking down {title}")
            pulumi(sprint, "destroy", "--yes", "--stack", STACK)
            pulumi(sprint, "stack", "rm", "--yes", "--stack", STACK, quiet=True)

    heading("What is left, asked of AWS")
    before = json.loads(BASELINE.read_text())
    left = {}
    for kind, ids in inventory().items():
        if extra := sorted(set(ids) - set(before[kind])):
            left[kind] = extra
    if left:
        for kind, ids in left.items():
            print(f"{kind}: {', '.join(ids)}")
        sys.exit("Something is left, so the local AWS keeps running; look with: source .demo/env")
    print(f"nothing: no {', no '.join(before)}")
    local_aws.stop(DEMO)
    forget()
    print("The local AWS is stopped.")


def heading(text):
    print(f"\n==> {text}", flush=True)


def enter(record):
    """From here on this process and its children know this AWS and this Pulumi state alone."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "PULUMI_")):
            del os.environ[name]
    settings = local_aws.environment(record) | {
        "PULUMI_HOME": str(DEMO / "pulumi"),
        "PULUMI_BACKEND_URL": STATE.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "demo",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_STACK": STACK,
    }
    os.environ.update(settings)
    lines = [f'export {name}="{value}"' for name, value in settings.items()]
    lines.append(f'export PATH="{ROOT}/.tools/bin:$PATH"')
    (DEMO / "env").write_text("\n".join(lines) + "\n")


def install(provider):
    """Puts the provider where Pulumi looks for it, as `pulumi plugin install` would."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    home = DEMO / "pulumi"
    target = home / "plugins" / f"resource-fargate-v{version}" / "pulumi-resource-fargate"
    if target.exists() and filecmp.cmp(provider, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy2(provider, target)
    shutil.rmtree(home / "schemas", ignore_errors=True)  # Pulumi's copy of the old one's schema


def forget():
    shutil.rmtree(STATE, ignore_errors=True)
    for sprint in SPRINTS:
        (ROOT / "examples" / sprint / f"Pulumi.{STACK}.yaml").unlink(missing_ok=True)


def pulumi(sprint, *arguments, quiet=False, **options):
    command = ["pulumi", "-C", str(ROOT / "examples" / sprint), *arguments]
    done = subprocess.run(command, text=True, capture_output=quiet, check=False, **options)
    if done.returncode != 0:
        said = (done.stdout + done.stderr) if quiet else ""
        sys.exit(
            f"{said}\n`pulumi {' '.join(arguments)}` failed in examples/{sprint}. Run `make demo` "
            "again to go on from here, or `make demo-down` to take everything down."
        )
    return done.stdout


def has_config(sprint, key):
    return key in {
        name.split(":")[-1] for name in json.loads(pulumi(sprint, "config", "--json", "--stack", STACK, quiet=True))
    }


def set_secret(sprint, key, value):
    pulumi(sprint, "config", "set", "--secret", key, "--stack", STACK, quiet=True, input=value)


def has_stack(sprint):
    stacks = json.loads(pulumi(sprint, "stack", "ls", "--json", quiet=True))
    return any(one["name"].split("/")[-1] == STACK for one in stacks)


def last_changes(sprint):
    """What the last update did, in words a reader knows."""
    words = {"same": "unchanged", "create": "created", "update": "updated", "delete": "deleted"}
    history = json.loads(
        pulumi(sprint, "stack", "history", "--json", "--page-size", "1", "--stack", STACK, quiet=True)
    )
    return {words.get(what, what): count for what, count in history[0]["resourceChanges"].items()}


def show_what_exists():
    ecs, elb, ecr = (boto3.client(name) for name in ("ecs", "elbv2", "ecr"))
    for cluster in ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]:
        name = cluster["clusterName"]
        print(f"cluster         {name}: {cluster['status']}, on {' and '.join(cluster['capacityProviders'])}")
        arns = ecs.list_services(cluster=name)["serviceArns"]
        for service in ecs.describe_services(cluster=name, services=arns)["services"]:
            revision = service["taskDefinition"].split("/")[-1]
            print(
                f"service         {service['serviceName']}: {service['runningCount']} of "
                f"{service['desiredCount']} running, of {revision}"
            )
    for repository in ecr.describe_repositories()["repositories"]:
        print(f"repository      {repository['repositoryUri']}")
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        print(f"load balancer   {balancer['DNSName']}: {balancer['State']['Code']}")
    for group in boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]:
        endpoint = group["NodeGroups"][0]["PrimaryEndpoint"]
        print(
            f"redis           {group['ReplicationGroupId']} at {endpoint['Address']}:{endpoint['Port']}: "
            f"{group['Status']}, {len(group['MemberClusters'])} nodes"
        )
    scaling = boto3.client("application-autoscaling")
    for target in scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]:
        print(f"scaling         {target['ResourceId']}: {target['MinCapacity']} to {target['MaxCapacity']} tasks")


def inventory():
    """The ids of all that the sprints could have left, by kind."""
    ecs, ecr, ec2, elb = (boto3.client(name) for name in ("ecs", "ecr", "ec2", "elbv2"))
    cache, scaling = boto3.client("elasticache"), boto3.client("application-autoscaling")
    clusters = ecs.list_clusters()["clusterArns"]
    gateways = ec2.describe_nat_gateways(Filter=[{"Name": "state", "Values": ["pending", "available", "deleting"]}])
    return {
        "clusters": clusters,
        "services": [arn for one in clusters for arn in ecs.list_services(cluster=one)["serviceArns"]],
        "task definitions": ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"],
        "repositories": ids(ecr.describe_repositories()["repositories"], "repositoryName"),
        "load balancers": ids(elb.describe_load_balancers()["LoadBalancers"], "LoadBalancerArn"),
        "listeners": ids(elb.describe_listeners()["Listeners"], "ListenerArn"),
        "target groups": ids(elb.describe_target_groups()["TargetGroups"], "TargetGroupArn"),
        "Redis groups": ids(cache.describe_replication_groups()["ReplicationGroups"], "ReplicationGroupId"),
        "Redis subnet groups": ids(cache.describe_cache_subnet_groups()["CacheSubnetGroups"], "CacheSubnetGroupName"),
        "roles": ids(boto3.client("iam").list_roles()["Roles"], "RoleName"),
        "log groups": ids(boto3.client("logs").describe_log_groups()["logGroups"], "logGroupName"),
        "alarms": ids(boto3.client("cloudwatch").describe_alarms()["MetricAlarms"], "AlarmName"),
        "scalable targets": ids(
            scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"], "ResourceId"
        ),
        "scaling policies": ids(
            scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"], "PolicyName"
        ),
        "NAT gateways": ids(gateways["NatGateways"], "NatGatewayId"),
        "addresses": ids(ec2.describe_addresses()["Addresses"], "AllocationId"),
        "internet gateways": ids(ec2.describe_internet_gateways()["InternetGateways"], "InternetGatewayId"),
        "route tables": ids(ec2.describe_route_tables()["RouteTables"], "RouteTableId"),
        "security groups": ids(ec2.describe_security_groups()["SecurityGroups"], "GroupId"),
        "subnets": ids(ec2.describe_subnets()["Subnets"], "SubnetId"),
        "VPCs": ids(ec2.describe_vpcs()["Vpcs"], "VpcId"),
    }


def ids(things, key):
    return [thing[key] for thing in things]


if __name__ == "__main__":
    action, binary = sys.argv[1:]
    try:
        {"up": up, "down": down}[action](binary)
    except local_aws.Failed as failed:
        sys.exit(str(failed))
    except KeyboardInterrupt:
        sys.exit(130)
