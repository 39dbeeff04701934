//! The ARNs of things, as inputs of any resource: `#[schemars(transform = arn::target_group)]` on a field, or on a list of them.
//!
//! A pattern asks for the service and the type of the thing, and for no more: regions, accounts and ids differ between partitions.

use schemars::Schema;

use crate::schema::expect;

/// The ARN of anything.
pub fn any(schema: &mut Schema) {
    expect(schema, "^arn:[^:]+:.+", "an ARN, such as arn:aws:sns:eu-central-1:123456789012:alerts".to_owned());
}

/// The ARN of a load balancer, but for a classic one.
pub fn load_balancer(schema: &mut Schema) {
    arn(schema, "elasticloadbalancing", "loadbalancer/[^/]+/.+", "a load balancer", "loadbalancer/app/web/50dc6c495c0c9188");
}

/// The ARN of a target group.
pub fn target_group(schema: &mut Schema) {
    arn(schema, "elasticloadbalancing", "targetgroup/.+", "a target group", "targetgroup/web/73e2d6bc24d8a067");
}

/// The ARN of a listener.
pub fn listener(schema: &mut Schema) {
    arn(schema, "elasticloadbalancing", "listener/.+", "a listener", "listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2");
}

/// The ARN of a trust store.
pub fn trust_store(schema: &mut Schema) {
    arn(schema, "elasticloadbalancing", "truststore/.+", "a trust store", "truststore/clients/73e2d6bc24d8a067");
}

/// The ARN of a user pool of Cognito.
pub fn user_pool(schema: &mut Schema) {
    arn(schema, "cognito-idp", "userpool/.+", "a Cognito user pool", "userpool/eu-central-1_a1B2c3D4e");
}

/// The ARN of a service of Cloud Map.
pub fn registry(schema: &mut Schema) {
    arn(schema, "servicediscovery", "service/.+", "a Cloud Map service", "service/srv-0a1b2c3d4e5f6a7b");
}

/// The ARN of a namespace of Cloud Map, or its name: ECS takes either.
pub fn namespace_or_name(schema: &mut Schema) {
    let expects = "the name or ARN of a Cloud Map namespace, such as internal";
    let name = "[^:]{1,1024}$";
    expect(schema, &format!("{}|^{name}", pattern("servicediscovery", "namespace/.+")), expects.to_owned());
}

/// The ARN of a topic of SNS.
pub fn topic(schema: &mut Schema) {
    arn(schema, "sns", ".+", "an SNS topic", "alerts");
}

/// The ARN of a core network of Cloud WAN.
pub fn core_network(schema: &mut Schema) {
    let expects = "the ARN of a core network, such as arn:aws:networkmanager::123456789012:core-network/core-network-0a1b2c3d";
    expect(schema, &pattern("networkmanager", "core-network/.+"), expects.to_owned());
}

/// The ARN of a role, or its name: ECS takes either.
pub fn role_or_name(schema: &mut Schema) {
    let expects = "the name or ARN of a role, such as arn:aws:iam::123456789012:role/name";
    expect(schema, "^(arn:[^:]+:iam::[0-9]{12}:role/.+|[A-Za-z0-9_+=,.@-]{1,64})$", expects.to_owned());
}

/// A KMS key by its id, its ARN, or an alias.
pub fn key(schema: &mut Schema) {
    let expects = "a KMS key: its id, its ARN such as arn:aws:kms:eu-central-1:123456789012:key/1234abcd, or an alias";
    expect(schema, "^(arn:[^:]+:kms:[^:]*:[^:]*:(key|alias)/.+|[^:]+)$", expects.to_owned());
}

fn arn(schema: &mut Schema, service: &str, resource: &str, what: &str, sample: &str) {
    let expects = format!("the ARN of {what}, such as arn:aws:{service}:eu-central-1:123456789012:{sample}");
    expect(schema, &pattern(service, resource), expects);
}

fn pattern(service: &str, resource: &str) -> String {
    format!("^arn:[^:]+:{service}:[^:]*:[^:]*:{resource}$")
}
