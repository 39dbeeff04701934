//! The ids of EC2 and EFS, as inputs of any resource: `#[schemars(transform = ec2::id::subnet)]` on a field, or on a list of them.

use schemars::Schema;

use crate::schema::{expect, text_in};

/// The id of a VPC.
pub fn vpc(schema: &mut Schema) {
    id(schema, "vpc-", "a VPC", "Vpc");
}

/// The id of a subnet.
pub fn subnet(schema: &mut Schema) {
    id(schema, "subnet-", "a subnet", "Subnet");
}

/// The id of a security group.
pub fn security_group(schema: &mut Schema) {
    id(schema, "sg-", "a security group", "SecurityGroup");
}

/// The id of a security group in a rule, which may be one of another account: `123456789012/sg-0123456789abcdef0`.
pub fn security_group_of_any_account(schema: &mut Schema) {
    id(schema, "([0-9A-Za-z-]+/)?sg-", "a security group", "SecurityGroup");
}

/// The id of a route table.
pub fn route_table(schema: &mut Schema) {
    id(schema, "rtb-", "a route table", "RouteTable");
}

/// The allocation id of an Elastic IP address.
pub fn allocation(schema: &mut Schema) {
    id(schema, "eipalloc-", "an Elastic IP address (its allocation id)", "ElasticIp");
}

/// The id of a prefix list.
pub fn prefix_list(schema: &mut Schema) {
    begin(schema, "pl-", "the id of a prefix list, such as pl-0123456789abcdef0".to_owned());
}

/// The id of a file system, or its ARN: EFS takes either.
pub fn file_system(schema: &mut Schema) {
    begin(schema, "(arn:.+:file-system/)?fs-", "the id of a file system, such as fs-0123456789abcdef0".to_owned());
}

/// The id of an access point of a file system, or its ARN: EFS takes either.
pub fn access_point(schema: &mut Schema) {
    begin(schema, "(arn:.+:access-point/)?fsap-", "the id of an access point, such as fsap-0123456789abcdef0".to_owned());
}

fn id(schema: &mut Schema, prefix: &str, what: &str, resource: &str) {
    let sample = format!("{}0123456789abcdef0", prefix.rsplit('?').next().unwrap_or_default());
    begin(
        schema,
        prefix,
        format!("the id of {what}, such as {sample}; to refer to a {resource} of this program, use its id: ${{name.id}} in YAML"),
    );
    if let Some(text) = text_in(schema) {
        text.insert("refersTo".to_owned(), resource.into());
    }
}

/// Expects what begins with `prefix`. How ids go on has changed before.
fn begin(schema: &mut Schema, prefix: &str, expects: String) {
    expect(schema, &format!("^{prefix}[0-9A-Za-z-]+$"), expects);
}
