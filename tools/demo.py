"""`make demo` and `make demo-down`: the three sprints of examples/ on a local AWS, by the
real Pulumi. All that is kept between the two is in .demo/."""

import json
import sys

import boto3

import local_aws
from sprints import CONNECTED, TITLES, Sprints

HOME = local_aws.HOME
BASELINE = HOME / "baseline.json"
SPRINTS = Sprints(HOME, "demo")


def up(provider):
    heading("The local AWS")
    record, fresh = local_aws.start()
    print(f"{'started' if fresh else 'runs already'}: {record['aws']['url']}, in memory only")
    if fresh and SPRINTS.state.exists():
        print("The one of the last demo is gone, and what it held with it: starting over.")
        SPRINTS.forget()
    SPRINTS.enter(record)
    if fresh:
        BASELINE.write_text(json.dumps(inventory()))
    SPRINTS.install(provider)

    changes = {}
    for sprint, title in TITLES.items():
        bring_up(sprint, title, changes)
        if sprint == "a-core":
            heading("The images of B and C, pushed by hand")
            print(f"in place of docker push, for the local AWS runs no containers: {', '.join(SPRINTS.push_images())}")
    bring_up("b-web", CONNECTED, changes, queueProject="c-worker")

    heading("What exists now, asked of AWS")
    show_what_exists()
    heading("What this run did")
    for title, counts in changes.items():
        print(f"{title.split(':')[0]:20}" + ", ".join(f"{count} {what}" for what, count in counts.items()))
    if all(set(counts) == {"unchanged"} for counts in changes.values()):
        print("Everything was there already: no changes.")

    heading("From here")
    print("""look further    source .demo/env
                pulumi -C examples/b-web stack
                pulumi -C examples/b-web preview --diff   (after a change to the program)
take it down    make demo-down""")


def bring_up(sprint, title, changes, **settings):
    heading(title)
    SPRINTS.prepare(sprint, **settings)
    SPRINTS.pulumi(sprint, "up", "--yes")
    changes[title] = SPRINTS.last_changes(sprint)


def down():
    record = local_aws.running()
    if record is None:
        print("The local AWS is not running, so nothing of the demo exists.")
        local_aws.stop()
        SPRINTS.forget()
        return
    SPRINTS.enter(record)
    for sprint, title in reversed(TITLES.items()):
        if SPRINTS.exists(sprint):
            heading(f"Taking down {title}")
            if sprint == "a-core":
                SPRINTS.delete_images()
                print("The images are deleted first: a repository with images in it is not deleted.")
            SPRINTS.pulumi(sprint, "destroy", "--yes")
            SPRINTS.pulumi(sprint, "stack", "rm", "--yes", quiet=True)

    heading("What is left, asked of AWS")
    before = json.loads(BASELINE.read_text())
    after = inventory()
    left = {kind: sorted(set(found) - set(before[kind])) for kind, found in after.items()}
    if any(left.values()):
        for kind, found in left.items():
            if found:
                print(f"{kind}: {', '.join(found)}")
        sys.exit("The local AWS keeps running, so that you can look: source .demo/env")
    print(f"nothing that was not there before, among: {', '.join(after)}")
    local_aws.stop()
    SPRINTS.forget()
    print("The local AWS is stopped.")


def heading(text):
    print(f"\n==> {text}", flush=True)


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
    action, *binary = sys.argv[1:]
    try:
        {"up": up, "down": down}[action](*binary)
    except local_aws.Failed as failed:
        sys.exit(str(failed))
    except KeyboardInterrupt:
        sys.exit(130)
