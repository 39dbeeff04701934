// URLs made of outputs: see ../url.py, which runs this, and has the same in Python.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"example.com/pulumi-fargate/sdk/go/fargate"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func program(ctx *pulumi.Context) error {
	vpc, err := fargate.NewVpc(ctx, "vpc", &fargate.VpcArgs{CidrBlock: pulumi.String("10.0.0.0/16")})
	if err != nil {
		return err
	}
	var ids pulumi.StringArray
	var zones []pulumi.StringOutput
	for number, zone := range []string{"a", "b"} {
		subnet, err := fargate.NewSubnet(ctx, "subnet-"+zone, &fargate.SubnetArgs{
			VpcId:            vpc.ID(),
			AvailabilityZone: pulumi.String("us-east-1" + zone),
			CidrBlock:        pulumi.String(fmt.Sprintf("10.0.%d.0/24", number)),
		})
		if err != nil {
			return err
		}
		ids = append(ids, subnet.ID())
		zones = append(zones, subnet.AvailabilityZone)
	}
	redisSubnets, err := fargate.NewRedisSubnetGroup(ctx, "redis", &fargate.RedisSubnetGroupArgs{SubnetIds: ids})
	if err != nil {
		return err
	}
	redis, err := fargate.NewRedisGroup(ctx, "redis", &fargate.RedisGroupArgs{
		NodeType:        pulumi.String("cache.t4g.micro"),
		SubnetGroupName: redisSubnets.Name,
	})
	if err != nil {
		return err
	}
	balancer, err := fargate.NewLoadBalancer(ctx, "web", &fargate.LoadBalancerArgs{
		Subnets:  ids,
		Internal: pulumi.Bool(true),
	})
	if err != nil {
		return err
	}
	// An enum's name as a constant and as text.
	for name, protocol := range map[string]pulumi.StringPtrInput{
		"constant": fargate.TargetGroupProtocolHTTP,
		"text":     pulumi.String("HTTP"),
	} {
		if _, err := fargate.NewTargetGroup(ctx, name, &fargate.TargetGroupArgs{
			VpcId:    vpc.ID(),
			Port:     pulumi.Int(80),
			Protocol: protocol,
		}); err != nil {
			return err
		}
	}

	redisURL := pulumi.Sprintf("rediss://%s:%d/0", redis.PrimaryEndpointAddress, redis.Port)
	zoneURL := pulumi.Sprintf("http://%s/%s", balancer.DnsName, zones[0])
	if _, err := fargate.NewTaskDefinition(ctx, "web", &fargate.TaskDefinitionArgs{
		Family: pulumi.String("web"),
		Cpu:    pulumi.String("256"),
		Memory: pulumi.String("512"),
		ContainerDefinitions: fargate.TaskDefinitionContainerDefinitionArray{
			fargate.TaskDefinitionContainerDefinitionArgs{
				Name:  pulumi.String("app"),
				Image: pulumi.String("public.ecr.aws/nginx/nginx:1.29"),
				Environment: fargate.TaskDefinitionKeyValuePairArray{
					fargate.TaskDefinitionKeyValuePairArgs{Name: pulumi.String("REDIS_URL"), Value: redisURL},
					fargate.TaskDefinitionKeyValuePairArgs{Name: pulumi.String("ZONE_URL"), Value: zoneURL},
				},
			},
		},
	}); err != nil {
		return err
	}
	ctx.Export("redisUrl", redisURL)
	ctx.Export("zoneUrl", zoneURL)
	ctx.Export("host", redis.PrimaryEndpointAddress)
	ctx.Export("port", redis.Port)
	ctx.Export("balancer", balancer.DnsName)
	return nil
}

func run(ctx context.Context) error {
	stack, err := auto.UpsertStackInlineSource(ctx, "test", "url-go", program)
	if err != nil {
		return err
	}
	up, err := stack.Up(ctx, optup.ProgressStreams(os.Stderr))
	if err != nil {
		return err
	}
	for range 2 {
		progress := optpreview.ProgressStreams(os.Stderr)
		if _, err := stack.Preview(ctx, optpreview.ExpectNoChanges(), optpreview.Diff(), progress); err != nil {
			return err
		}
	}
	if _, err := stack.Destroy(ctx, optdestroy.ProgressStreams(os.Stderr)); err != nil {
		return err
	}
	outputs := map[string]any{}
	for name, it := range up.Outputs {
		outputs[name] = it.Value
	}
	return json.NewEncoder(os.Stdout).Encode(outputs)
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
