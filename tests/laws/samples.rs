//! Inputs that AWS takes: one sample of every resource, the task definitions of `tests/task_definitions`, and forms that a rule may
//! doubt.

#![expect(clippy::needless_pass_by_value, reason = "the calls read like the JSON that they make")]

use pulumi_provider::value::{Map, Value};
use serde_json::{Value as Json, json};

use crate::support::{map, task_definitions};

/// Inputs of a resource, as in a small program.
pub fn of(resource: &str) -> Map {
    with(resource, json!({}))
}

/// The sample of a resource, with some inputs in place of its own.
pub fn with(resource: &str, inputs: Json) -> Map {
    let samples: Json = serde_json::from_str(include_str!("samples.json")).expect("JSON");
    assert!(samples[resource].is_object(), "{resource} has no inputs in tests/laws/samples.json");
    let mut all = map(samples[resource].clone());
    for (name, input) in inputs.as_object().expect("a map") {
        all.insert(name.clone(), input.clone().into());
    }
    all.retain(|_, it| *it != Value::Null);
    all
}

/// All inputs of a resource of which it is known that AWS takes them.
pub fn taken(resource: &str) -> Vec<Map> {
    let mut all = vec![of(resource)];
    if resource == "TaskDefinition" {
        all.extend(task_definitions().into_values().map(map));
    }
    all.extend(doubtful(resource).into_iter().map(|it| with(resource, it)));
    all
}

/// A value as it is in another partition of AWS, where ARNs begin otherwise, and regions have other names.
pub fn in_partition(value: Value, partition: &str, region: &str) -> Value {
    match value {
        Value::String(it) => {
            let text = it.replace("arn:aws:", &format!("arn:{partition}:"));
            Value::String(["us-east-1", "eu-central-1"].iter().fold(text, |text, it| text.replace(it, region)))
        }
        Value::List(items) => Value::List(items.into_iter().map(|it| in_partition(it, partition, region)).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(name, it)| (name, in_partition(it, partition, region))).collect())
        }
        other => other,
    }
}

/// A map, with more in it or in place of what it has.
fn merged(mut map: Json, more: Json) -> Json {
    if let (Json::Object(map), Json::Object(more)) = (&mut map, more) {
        map.extend(more);
    }
    map
}

/// A policy document of one statement.
fn policy(statement: Json) -> Json {
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Who may use a role.
fn trusted(principal: Json, more: Json) -> Json {
    let statement = merged(json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" }), more);
    json!({ "assumeRolePolicy": policy(statement) })
}

/// What a role may do.
fn allowed(statement: Json) -> Json {
    json!({ "inlinePolicies": { "it": policy(statement) } })
}

/// One rule that lets something in.
fn ingress(rule: Json) -> Json {
    json!({ "ingress": [rule] })
}

/// One lifecycle rule of a repository, by what it selects.
fn lifecycle(selection: Json) -> Json {
    json!({ "lifecyclePolicy": { "rules": [{ "rulePriority": 1, "selection": selection, "action": { "type": "expire" } }] } })
}

/// A container beside what it cannot do without.
fn container(more: Json) -> Json {
    json!({ "containerDefinitions": [merged(json!({ "name": "app", "image": "nginx" }), more)] })
}

/// A Redis of one node.
fn one_redis(more: Json) -> Json {
    merged(json!({ "numCacheClusters": 1 }), more)
}

const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY_ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY_OF_MANY_REGIONS: &str = "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const KEY_ALIAS: &str = "alias/app";
const KEY_ALIAS_ARN: &str = "arn:aws:kms:us-east-1:123456789012:alias/app";

/// Forms that AWS documents, or shows itself, and that look unlike the usual ones: what each puts in place of inputs of the sample.
#[expect(clippy::too_many_lines, reason = "a table")]
fn doubtful(resource: &str) -> Vec<Json> {
    match resource {
        "Alarm" => vec![
            json!({ "period": 10 }),
            json!({ "alarmActions": ["arn:aws:automate:us-east-1:ec2:recover"] }),
            json!({ "alarmActions": ["arn:aws:lambda:us-east-1:123456789012:function:page:live"] }),
            json!({ "alarmActions": ["arn:aws:ssm:us-east-1:123456789012:opsitem:3#CATEGORY=Security"] }),
            json!({ "okActions": ["arn:aws:sns:eu-west-1:210987654321:alerts"], "treatMissingData": "ignore" }),
            json!({ "statistic": null, "extendedStatistic": "p99.9" }),
            json!({ "statistic": null, "extendedStatistic": "tm98" }),
            json!({ "dimensions": {}, "tags": {} }),
        ],
        "Cluster" => vec![
            json!({ "serviceConnectDefaults": { "namespace": "internal" } }),
            json!({ "serviceConnectDefaults": {
                "namespace": "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-0123456789abcdef",
            } }),
            json!({ "settings": [{ "name": "containerInsights", "value": "enhanced" }] }),
            json!({ "configuration": { "executeCommandConfiguration": { "kmsKeyId": KEY_ID, "logging": "DEFAULT" } } }),
            json!({ "configuration": { "executeCommandConfiguration": { "kmsKeyId": KEY_ARN, "logging": "NONE" } } }),
            json!({ "configuration": { "executeCommandConfiguration": { "kmsKeyId": KEY_ALIAS, "logging": "DEFAULT" } } }),
            json!({ "configuration": { "managedStorageConfiguration": { "fargateEphemeralStorageKmsKeyId": KEY_ID } } }),
            json!({ "configuration": { "managedStorageConfiguration": { "kmsKeyId": KEY_OF_MANY_REGIONS } } }),
            json!({ "defaultCapacityProviderStrategies": [{ "capacityProvider": "FARGATE_SPOT" }] }),
        ],
        "Listener" => vec![
            json!({
                "port": 443, "protocol": "HTTPS", "sslPolicy": "",
                "certificateArn": "arn:aws:iam::123456789012:server-certificate/web/site",
            }),
            json!({
                "port": 443, "protocol": "HTTPS",
                "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
            }),
            json!({ "defaultActions": [{ "type": "redirect", "redirect": {
                "protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301", "host": "#{host}", "path": "/#{path}", "query": "#{query}",
            } }] }),
            json!({ "defaultActions": [{ "type": "fixed-response", "fixedResponse": { "statusCode": "404", "messageBody": "" } }] }),
        ],
        "ListenerRule" => vec![
            json!({ "conditions": [{ "hostHeader": { "values": ["*.example.com"] } }, { "sourceIp": { "values": ["::/0"] } }] }),
            json!({ "conditions": [{ "pathPattern": { "values": ["*.png"] } }] }),
            json!({ "conditions": [{ "queryStrings": [{ "value": "x" }] }] }),
        ],
        "LoadBalancer" => vec![
            json!({ "accessLogs": { "enabled": false, "bucket": "logs", "prefix": "" } }),
            json!({ "ipAddressType": "dualstack-without-public-ipv4", "internal": false }),
            json!({ "loadBalancerType": "network", "securityGroups": [] }),
        ],
        "LogGroup" => vec![
            json!({ "kmsKeyId": KEY_ARN }),
            json!({ "kmsKeyId": KEY_OF_MANY_REGIONS }),
            json!({ "retentionInDays": 3653, "name": "/aws/ecs/a.b_c-d#e" }),
        ],
        "NatGateway" => vec![json!({ "connectivityType": "private", "allocationId": null })],
        "RedisGroup" => vec![
            one_redis(json!({})),
            one_redis(json!({ "kmsKeyId": KEY_ID, "atRestEncryptionEnabled": true })),
            one_redis(json!({ "kmsKeyId": KEY_OF_MANY_REGIONS, "atRestEncryptionEnabled": true })),
            one_redis(json!({ "notificationTopicArn": "", "maintenanceWindow": "Sun:05:00-SUN:06:00" })),
            json!({ "notificationTopicArn": "arn:aws:sns:us-east-1:210987654321:alerts" }),
            json!({ "engine": "valkey", "engineVersion": "8.0" }),
            json!({ "engineVersion": "6.x" }),
            json!({ "numCacheClusters": null, "numNodeGroups": 1, "replicasPerNodeGroup": 0, "automaticFailoverEnabled": true,
                "multiAzEnabled": false, "parameterGroupName": "default.redis7.cluster.on" }),
        ],
        "RedisParameterGroup" => vec![json!({ "family": "valkey8", "parameters": [] })],
        "Repository" => vec![
            lifecycle(
                json!({ "tagStatus": "untagged", "tagPrefixList": [], "countType": "imageCountMoreThan", "countNumber": 1 }),
            ),
            lifecycle(json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 500 })),
            lifecycle(json!({
                "tagStatus": "tagged", "tagPatternList": ["*web*"], "countType": "imageCountMoreThan", "countNumber": 5,
            })),
            json!({ "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": KEY_ID } }),
            json!({ "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": KEY_ARN } }),
            json!({ "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": KEY_ALIAS } }),
            json!({ "encryptionConfiguration": { "encryptionType": "KMS_DSSE", "kmsKey": KEY_ALIAS_ARN } }),
            json!({ "policy": { "Version": "2008-10-17", "Statement": {
                "Sid": "all of us", "Effect": "Allow", "Principal": "*", "Action": "ecr:*",
                "Condition": { "StringEquals": { "aws:PrincipalOrgID": "o-1234567890" } },
            } } }),
            json!({ "policy": policy(json!({
                "Effect": "Deny", "NotPrincipal": { "AWS": ["123456789012", "arn:aws:iam::123456789012:root"] }, "NotAction": "ecr:Get*",
            })) }),
        ],
        "Role" => vec![
            trusted(json!({ "Service": "ecs-tasks.amazonaws.com.cn" }), json!({})),
            trusted(json!({ "Service": "ecs-tasks.eu-south-2.amazonaws.com" }), json!({})),
            trusted(json!({ "Service": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] }), json!({ "Sid": "" })),
            trusted(json!({ "AWS": "123456789012" }), json!({ "Action": ["sts:AssumeRole", "sts:TagSession"] })),
            trusted(
                json!({ "AWS": ["arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:assumed-role/ci/me"] }),
                json!({}),
            ),
            trusted(
                json!({ "AWS": "*" }),
                json!({ "Condition": { "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/x" } } }),
            ),
            trusted(
                json!({ "Federated": "arn:aws:iam::123456789012:oidc-provider/token.example.com" }),
                json!({
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": { "ForAnyValue:StringLikeIfExists": { "token.example.com:sub": ["repo:a/*"] } },
                }),
            ),
            json!({ "assumeRolePolicy": { "Statement": {
                "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole",
            } } }),
            json!({ "assumeRolePolicy": "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Sid\":\"\",\"Effect\":\"Allow\",\
                \"Principal\":{\"Service\":\"ecs-tasks.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}" }),
            allowed(json!({ "Sid": "", "Effect": "Allow", "Action": "*", "Resource": "*" })),
            allowed(json!({ "Effect": "Deny", "NotAction": ["iam:*", "s3:Get?bject"], "NotResource": "arn:aws:s3:::a/*" })),
            allowed(
                json!({ "Effect": "Allow", "Action": "S3:getobject", "Resource": ["arn:aws:s3:::${aws:PrincipalTag/team}/*"] }),
            ),
            allowed(json!({
                "Effect": "Allow", "Action": "s3:*", "Resource": "*",
                "Condition": { "Bool": { "aws:SecureTransport": true }, "NumericLessThan": { "aws:MultiFactorAuthAge": 60 } },
            })),
            json!({ "inlinePolicies": { "it": { "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": "*" } } } }),
            json!({ "managedPolicyArns": [
                "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", "arn:aws:iam::123456789012:policy/team/web/own",
            ] }),
            json!({ "permissionsBoundary": "arn:aws:iam::123456789012:policy/limits/of-all", "path": "/a/b/", "description": "" }),
        ],
        "RouteTable" => vec![
            json!({ "routes": [{ "destinationPrefixListId": "pl-63a5400a", "gatewayId": "vgw-0123456789abcdef0" }] }),
            json!({ "routes": [{ "ipv6CidrBlock": "::0/0", "egressOnlyGatewayId": "eigw-0123456789abcdef0" }] }),
        ],
        "ScalableTarget" => vec![json!({ "minCapacity": 0, "maxCapacity": 0 })],
        "ScalingPolicy" => vec![json!({ "policyType": null, "stepScalingPolicyConfiguration": {
                "adjustmentType": "PercentChangeInCapacity", "minAdjustmentMagnitude": 1,
                "stepAdjustments": [
                    { "metricIntervalUpperBound": 0, "scalingAdjustment": -10 },
                    { "metricIntervalLowerBound": 0, "scalingAdjustment": 10 },
                ],
            } })],
        "SecurityGroup" => vec![
            ingress(json!({ "protocol": "6", "fromPort": 443, "toPort": 443, "prefixListIds": ["pl-63a5400a"] })),
            ingress(
                json!({ "protocol": "TCP", "fromPort": 0, "toPort": 65535, "securityGroups": ["210987654321/sg-0123456789abcdef0"] }),
            ),
            ingress(json!({ "protocol": "-1", "fromPort": 0, "toPort": 65535, "ipv6CidrBlocks": ["::0/0"] })),
            ingress(json!({ "protocol": "-1", "fromPort": -1, "toPort": -1, "self": true })),
            ingress(json!({ "protocol": "icmp", "fromPort": 8, "toPort": -1, "cidrBlocks": ["10.0.0.1/32"] })),
            ingress(json!({ "protocol": "58", "fromPort": -1, "toPort": -1, "ipv6CidrBlocks": ["2001:0DB8::/32"] })),
            ingress(json!({ "protocol": "50", "cidrBlocks": ["10.0.0.0/8"] })),
            json!({ "ingress": [], "egress": [] }),
        ],
        "Service" => vec![
            json!({ "cluster": "main", "taskDefinition": "app:1", "platformVersion": "LATEST" }),
            json!({ "alarms": { "alarmNames": [], "enable": false, "rollback": false } }),
            json!({ "placementConstraints": [], "placementStrategy": [], "schedulingStrategy": "REPLICA" }),
            json!({ "loadBalancers": [], "desiredCount": 0, "deploymentMinimumHealthyPercent": 0 }),
            json!({ "capacityProviderStrategies": [
                { "capacityProvider": "FARGATE", "base": 1, "weight": 0 }, { "capacityProvider": "FARGATE_SPOT", "weight": 1 },
            ] }),
            json!({ "serviceRegistries": {
                "registryArn": "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-0123456789abcdef",
            } }),
        ],
        "Subnet" => vec![json!({ "cidrBlock": "10.77.0.0/28" })],
        "TargetGroup" => vec![
            json!({ "healthCheck": { "matcher": "200-299,301", "port": "traffic-port", "path": "/" } }),
            json!({ "protocol": "TCP", "healthCheck": null, "stickiness": { "enabled": false, "type": "source_ip" } }),
            json!({ "protocolVersion": "GRPC", "healthCheck": { "matcher": "0-99", "path": "/AWS.ALB/healthcheck" } }),
        ],
        "Task" => vec![
            json!({ "cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/main", "group": "migrations", "triggers": {} }),
            json!({ "overrides": { "taskRoleArn": "arn:aws:iam::123456789012:role/team/web/tasks", "cpu": "1024", "memory": "2048" } }),
        ],
        "TaskDefinition" => vec![
            json!({ "taskRoleArn": "tasks", "executionRoleArn": "tasks" }),
            json!({ "taskRoleArn": "arn:aws:iam::123456789012:role/team/web/tasks", "cpu": "0.5 vCPU", "memory": "1 GB" }),
            json!({ "placementConstraints": [], "inferenceAccelerators": [], "enableFaultInjection": false }),
            container(json!({ "links": [], "privileged": null, "user": "0:0", "workingDirectory": "", "dockerLabels": {} })),
            container(json!({ "image": "registry.example.com:5000/a/b:v1@sha256:\
                0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" })),
            container(json!({ "secrets": [{ "name": "A", "valueFrom": "/app/token" }] })),
            container(json!({ "secrets": [
                { "name": "A", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-a1B2c3:key::" },
            ] })),
        ],
        "Vpc" => vec![json!({ "cidrBlock": "10.0.0.0/28" }), json!({ "cidrBlock": "100.64.0.0/16" })],
        "VpcEndpoint" => vec![
            json!({
                "vpcEndpointType": "Gateway", "serviceName": "com.amazonaws.us-east-1.s3", "subnetIds": null,
                "securityGroupIds": null, "routeTableIds": ["rtb-0123456789abcdef0"],
            }),
            json!({ "policy": {
                "Statement": { "Sid": "", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" },
            } }),
            json!({ "serviceName": "cn.com.amazonaws.cn-north-1.ecs" }),
            json!({ "serviceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0", "privateDnsEnabled": false }),
            json!({ "securityGroupIds": null, "subnetIds": null, "privateDnsEnabled": true }),
        ],
        _ => Vec::new(),
    }
}
