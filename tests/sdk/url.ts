// URLs made of outputs: see url.py, which runs this, and has the same in Python.
import * as fargate from "@pulumi/fargate";
import * as pulumi from "@pulumi/pulumi";
import { LocalWorkspace } from "@pulumi/pulumi/automation";

async function program() {
    const vpc = new fargate.Vpc("vpc", { cidrBlock: "10.0.0.0/16" });
    const blocks = { a: "10.0.0.0/24", b: "10.0.1.0/24" };
    const subnets = Object.entries(blocks).map(
        ([zone, cidrBlock]) =>
            new fargate.Subnet(`subnet-${zone}`, { vpcId: vpc.id, availabilityZone: `us-east-1${zone}`, cidrBlock }),
    );
    const ids = subnets.map((subnet) => subnet.id);
    const redisSubnets = new fargate.RedisSubnetGroup("redis", { subnetIds: ids });
    const redis = new fargate.RedisGroup("redis", { nodeType: "cache.t4g.micro", subnetGroupName: redisSubnets.name });
    const balancer = new fargate.LoadBalancer("web", { subnets: ids, internal: true });
    // An enum's name as a constant and as text.
    const protocol = fargate.TargetGroupProtocol.HTTP;
    new fargate.TargetGroup("constant", { vpcId: vpc.id, port: 80, protocol });
    new fargate.TargetGroup("text", { vpcId: vpc.id, port: 80, protocol: "HTTP" });

    // With their types: the SDK says that neither is ever undefined.
    const host: pulumi.Output<string> = redis.primaryEndpointAddress;
    const port: pulumi.Output<number> = redis.port;
    const zone: pulumi.Output<string> = subnets[0].availabilityZone;
    const redisUrl = pulumi.interpolate`rediss://${host}:${port}/0`;
    const zoneUrl = pulumi.interpolate`http://${balancer.dnsName}/${zone}`;
    new fargate.TaskDefinition("web", {
        family: "web",
        cpu: "256",
        memory: "512",
        containerDefinitions: [
            {
                name: "app",
                image: "public.ecr.aws/nginx/nginx:1.29",
                environment: [
                    { name: "REDIS_URL", value: redisUrl },
                    { name: "ZONE_URL", value: zoneUrl },
                ],
            },
        ],
    });
    return { redisUrl, zoneUrl, host, port, balancer: balancer.dnsName };
}

async function main() {
    const stack = await LocalWorkspace.createOrSelectStack({ stackName: "test", projectName: "url-typescript", program });
    const onOutput = (line: string) => void process.stderr.write(line);
    const { outputs } = await stack.up({ onOutput });
    for (let time = 0; time < 2; time++) {
        await stack.preview({ expectNoChanges: true, diff: true, onOutput });
    }
    await stack.destroy({ onOutput });
    console.log(JSON.stringify(Object.fromEntries(Object.entries(outputs).map(([name, it]) => [name, it.value]))));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
