"""What a preview of a whole network knows: blocks that do not fit, tasks that reach nothing, and that nothing reaches."""

from harness import UNREACHABLE

ROLE = "arn:aws:iam::123456789012:role/execution"


def network(blocks=("10.1.0.0/20", "10.1.16.0/20"), routes=(), **more):
    """A VPC with two private subnets, and their route table."""
    vpc = {"vpcId": "${vpc.id}"}
    zones = ["us-east-1a", "us-east-1b"]
    subnets = {
        name: {"type": "fargate:Subnet", "properties": vpc | {"cidrBlock": block, "availabilityZone": zone}}
        for name, block, zone in zip(["a", "b"], blocks, zones)
    }
    table = vpc | {"routes": list(routes), "subnetIds": ["${a.id}", "${b.id}"]}
    return {
        "vpc": {"type": "fargate:Vpc", "properties": {"cidrBlock": "10.1.0.0/16"}},
        **subnets,
        "table": {"type": "fargate:RouteTable", "properties": table},
        **more,
    }


def service(ingress, public=False):
    """A service behind a load balancer, whose containers listen on port 8000."""
    options = {"awslogs-group": "/app", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "app"}
    logs = {"logDriver": "awslogs", "options": options}
    container = {"name": "app", "image": "nginx", "portMappings": [{"containerPort": 8000}], "logConfiguration": logs}
    place = {"subnets": ["${a.id}", "${b.id}"], "securityGroups": ["${app.id}"], "assignPublicIp": public}
    return {
        "app": {"type": "fargate:SecurityGroup", "properties": {"vpcId": "${vpc.id}", "ingress": ingress}},
        "cluster": {"type": "fargate:Cluster"},
        "task": {"type": "fargate:TaskDefinition", "properties": {"executionRoleArn": ROLE, "containerDefinitions": [container]}},
        "targets": {"type": "fargate:TargetGroup", "properties": {"vpcId": "${vpc.id}"}},
        "it": {
            "type": "fargate:Service",
            "properties": {
                "cluster": "${cluster.name}",
                "taskDefinition": "${task.arn}",
                "networkConfiguration": place,
                "loadBalancers": [{"targetGroupArn": "${targets.arn}", "containerName": "app", "containerPort": 8000}],
            },
            "options": {"dependsOn": ["${table}"]},
        },
    }


def diagnostics(stack, resources, **options):
    """What a preview says at its end, with AWS out of reach."""
    stack.write_program(resources)
    said = stack.pulumi("preview", AWS_ENDPOINT_URL=UNREACHABLE, **options)
    return said.partition("Diagnostics:")[2]


def test_subnets_that_do_not_fit_are_refused_on_the_first_run(stack):
    said = diagnostics(stack, network(blocks=("10.2.0.0/20", "10.1.16.0/20")), fails=True)
    assert "cidrBlock is 10.2.0.0/20, which is not within 10.1.0.0/16, the cidrBlock of its VPC" in said
    said = diagnostics(stack, network(blocks=("10.1.0.0/20", "10.1.8.0/24")), fails=True)
    assert "the cidrBlock of another Subnet of this VPC; choose one that is free" in said
    assert diagnostics(stack, network()) == ""


def test_tasks_that_reach_nothing_are_told_on_the_first_run(stack):
    open_port = [{"protocol": "tcp", "fromPort": 8000, "toPort": 8000, "cidrBlocks": ["10.1.0.0/16"]}]
    said = diagnostics(stack, network() | service(open_port))
    warning = "warning: networkConfiguration.assignPublicIp is false, and the route table of subnets[0] and subnets[1] has no default"
    assert said.count("warning:") == 1 and warning in said, said
    nat = {"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}
    assert diagnostics(stack, network(routes=[nat]) | service(open_port)) == ""
    said = diagnostics(stack, network(routes=[nat]) | service(open_port, public=True))
    assert said.count("warning:") == 1 and "is true, but the route table of subnets[0] and subnets[1] leads to a NAT gateway" in said


def test_a_closed_security_group_is_told_on_the_first_run(stack):
    nat = {"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}
    said = diagnostics(stack, network(routes=[nat]) | service([]))
    assert said.count("warning:") == 1, said
    assert "warning: networkConfiguration.securityGroups lets nothing in at port 8000, where a load balancer sends requests" in said
