//! The provider's own settings.

use std::collections::{BTreeMap, HashSet};

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::{
    schema::expect,
    value::{Map, Value},
};

/// The AWS account and region that resources are in, and how to reach them.
// Not `Debug`: it holds secrets.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The AWS region, such as `eu-central-1`. Default: that of the environment (`AWS_REGION`) or of the profile.
    #[schemars(regex(pattern = "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$"))]
    #[schemars(extend("expects" = "a region such as eu-central-1"))]
    pub region: Option<String>,
    /// The profile of the AWS configuration files to use. Default: `AWS_PROFILE`.
    pub profile: Option<String>,
    /// The access key, where neither environment nor profile has one.
    #[schemars(extend("secret" = true))]
    pub access_key: Option<String>,
    /// The secret of the access key.
    #[schemars(extend("secret" = true))]
    pub secret_key: Option<String>,
    /// The token of temporary credentials.
    #[schemars(extend("secret" = true))]
    pub token: Option<String>,
    /// A role to take on for every call.
    pub assume_role: Option<AssumeRole>,
    /// The address of all of AWS, for a local one. Default: `AWS_ENDPOINT_URL`.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub endpoint: Option<String>,
    /// The addresses of single services.
    pub endpoints: Option<Endpoints>,
    /// Tags to put on every resource that can have some.
    pub default_tags: Option<DefaultTags>,
    /// Tags that others put on resources, to be left alone.
    pub ignore_tags: Option<IgnoreTags>,
    /// How often a call that is lost, or that AWS fails to answer, is tried again. One that AWS throttles is tried again until its
    /// resource has to be done: see `customTimeouts`.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 100))]
    pub max_retries: i32,
    /// The accounts to work in; any other is refused. Default: any.
    #[serde(default)]
    #[schemars(transform = account_numbers)]
    pub allowed_account_ids: Vec<String>,
    /// Whether to skip the one call that tells wrong credentials before any resource is touched.
    #[serde(default)]
    pub skip_credentials_validation: bool,
}

fn account_numbers(schema: &mut Schema) {
    expect(schema, "^[0-9]{12}$", "the number of an account, such as 123456789012".to_owned());
}

fn ten() -> i32 {
    10
}

/// A role to take on.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProviderAssumeRole")]
pub struct AssumeRole {
    /// The ARN of the role.
    #[schemars(regex(pattern = "^arn:[^:]+:iam::[0-9]{12}:role/"))]
    #[schemars(extend("expects" = "the ARN of a role, such as arn:aws:iam::123456789012:role/name"))]
    pub role_arn: String,
    /// The name that the session has in AWS's logs. Default: `pulumi-fargate`.
    pub session_name: Option<String>,
    /// The id that the role's owner asks for.
    pub external_id: Option<String>,
    /// How long a session lasts, in seconds. Default: one hour.
    #[schemars(range(min = 900, max = 43200))]
    pub duration_seconds: Option<i32>,
}

/// The addresses of single services.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProviderEndpoints")]
pub struct Endpoints {
    /// Application Auto Scaling.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub applicationautoscaling: Option<String>,
    /// `CloudWatch`.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub cloudwatch: Option<String>,
    /// EC2 and VPC.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub ec2: Option<String>,
    /// The Elastic Container Registry.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub ecr: Option<String>,
    /// The Elastic Container Service.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub ecs: Option<String>,
    /// `ElastiCache`.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub elasticache: Option<String>,
    /// Elastic Load Balancing.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub elbv2: Option<String>,
    /// Identity and Access Management.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub iam: Option<String>,
    /// `CloudWatch` Logs.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub logs: Option<String>,
    /// The Security Token Service.
    #[schemars(regex(pattern = "^https?://"), extend("expects" = "an address such as http://localhost:4566"))]
    pub sts: Option<String>,
}

/// Tags to put on every resource that can have some.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProviderDefaultTags")]
pub struct DefaultTags {
    /// The tags. A resource's own tag of the same key comes first.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Tags to leave alone.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProviderIgnoreTags")]
pub struct IgnoreTags {
    /// The keys of the tags.
    #[serde(default)]
    pub keys: Vec<String>,
    /// What the keys of the tags start with.
    #[serde(default)]
    pub key_prefixes: Vec<String>,
}

impl Config {
    /// The addresses of single services.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints.clone().unwrap_or_default()
    }

    /// What happens to the tags of all resources.
    pub fn tags(&self) -> TagRules {
        let ignored = self.ignore_tags.clone().unwrap_or_default();
        TagRules {
            defaults: self.default_tags.clone().unwrap_or_default().tags,
            ignored: ignored.keys.into_iter().collect(),
            ignored_prefixes: ignored.key_prefixes,
        }
    }
}

/// What happens to the tags of all resources.
#[derive(Clone, Debug, Default)]
pub struct TagRules {
    defaults: BTreeMap<String, String>,
    ignored: HashSet<String>,
    ignored_prefixes: Vec<String>,
}

impl TagRules {
    /// Adds the provider's tags to those of a resource.
    pub fn add_defaults(&self, inputs: &mut Map) {
        if self.defaults.is_empty() {
            return;
        }
        let tags = inputs.entry("tags".to_owned()).or_default();
        if matches!(tags, Value::Null) {
            *tags = Value::Object(Map::new());
        }
        add_defaults(tags, &self.defaults);
    }

    /// Forgets the tags that are none of ours, unless the program sets them: those of AWS itself, and those that the
    /// provider is told to ignore.
    pub fn forget_ignored(&self, outputs: &mut Map, inputs: &Map) {
        let set = match inputs.get("tags").map(Value::plain) {
            Some(Value::Object(tags)) => Some(tags),
            _ => None,
        };
        let forget = |tags: &mut Map| {
            tags.retain(|key, _| {
                let ignored = key.starts_with("aws:")
                    || self.ignored.contains(key)
                    || self.ignored_prefixes.iter().any(|it| key.starts_with(it.as_str()));
                !ignored || set.is_some_and(|it| it.contains_key(key))
            });
        };
        match outputs.get_mut("tags") {
            Some(Value::Object(tags)) => forget(tags),
            Some(Value::Secret(inner)) => {
                if let Value::Object(tags) = inner.as_mut() {
                    forget(tags);
                }
            }
            _ => {}
        }
    }
}

fn add_defaults(tags: &mut Value, defaults: &BTreeMap<String, String>) {
    match tags {
        Value::Secret(inner) => add_defaults(inner, defaults),
        Value::Object(tags) => {
            for (key, value) in defaults {
                tags.entry(key.clone()).or_insert_with(|| Value::String(value.clone()));
            }
        }
        _ => {}
    }
}
