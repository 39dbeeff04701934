//! AWS, as the framework sees it: a [`Session`] is the provider as the program configures it.

use std::sync::{Arc, LazyLock};

use anyhow::{Error, Result};
use serde_json::{Value as Json, json};

use super::{Aws, Session, bounds, default_region, missing_region, refused_with, retry::until, tags};
use crate::{
    check::Failure,
    cloud::{Cloud, MissingSetting, Regions},
    config::Config,
    document,
    schema::Shape,
    value::{Map, Value},
};
use pulumi_provider::wait::Observer;

/// The codes by which AWS refuses a name that something else has.
const TAKEN: &[&str] = &[
    "CacheParameterGroupAlreadyExists",
    "CacheSubnetGroupAlreadyExists",
    "DuplicateLoadBalancerName",
    "DuplicateTargetGroupName",
    "EntityAlreadyExists",
    "ReplicationGroupAlreadyExists",
    "RepositoryAlreadyExistsException",
    "ResourceAlreadyExistsException",
];

/// The keywords of shapes that only AWS has. `tagCharacters` is `"restricted"` where tags take letters, digits, spaces and
/// `_.:/=+-@`, and `"any"` elsewhere. And `compare` has more words: `"arn"` for text that may be the ARN of something or its
/// name, `"kmsKey"` for the id, alias or ARN of a key, `"namespace"` for the name or ARN of a namespace of Cloud Map.
#[cfg(test)]
pub(crate) const KEYWORDS: [&str; 1] = ["tagCharacters"];

impl Cloud for Session {
    const PACKAGE: &'static str = "fargate";
    const NAME: &'static str = "AWS";
    const REGIONS: Option<Regions> = Some(Regions {
        description: "The AWS region the resource is in. Default: the provider's.",
        pattern: "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$",
        expects: "a region such as eu-central-1",
        setting: "fargate:region, or AWS_REGION",
    });
    type Settings = Config;
    type Client = Aws;

    fn check_settings(settings: &Map) -> Vec<Failure> {
        let pairs = [("accessKey", "secretKey"), ("secretKey", "accessKey"), ("token", "accessKey")];
        let lacking = pairs.into_iter().filter(|(one, other)| settings.contains_key(*one) && !settings.contains_key(*other));
        lacking.map(|(one, other)| Failure { path: other.to_owned(), reason: format!("is required beside {one}") }).collect()
    }

    async fn settings_of_environment(settings: &Map) -> Result<Map, MissingSetting> {
        if settings.contains_key("region") {
            return Ok(Map::new());
        }
        let profile = settings.get("profile");
        match default_region(profile.and_then(Value::as_str)).await {
            Some(region) => Ok(Map::from([("region".to_owned(), Value::String(region))])),
            None if profile == Some(&Value::Unknown) => Ok(Map::new()),
            None => Err(missing_region()),
        }
    }

    fn new(settings: Config) -> Result<Self, MissingSetting> {
        let region = settings.region.clone().ok_or_else(missing_region)?;
        Ok(Session::in_region(settings, region))
    }

    async fn warning(&self) -> Option<String> {
        match self.misspelt_region() {
            Some(warning) => Some(warning),
            None => self.ignored_profile().await,
        }
    }

    fn region(&self) -> Option<&str> {
        Some(self.home())
    }

    async fn client(&self, region: Option<&str>, observer: &Observer) -> Result<Arc<Aws>> {
        observer.ask_for("GetCallerIdentity, its first call", Box::pin(self.aws(region))).await
    }

    async fn run<T: Send>(observer: &Observer, work: impl Future<Output = T> + Send) -> T {
        until(observer.deadline, observer.cancel.clone(), work).await
    }

    fn add_defaults(&self, inputs: &mut Map, shape: Shape<'_>) {
        if shape.property("tags").is_some() {
            self.config().tags().add_defaults(inputs);
        }
    }

    fn forget_ignored(&self, outputs: &mut Map, inputs: &Map) {
        self.config().tags().forget_ignored(outputs, inputs);
    }

    fn bounds(resource: &str) -> impl Iterator<Item = (&str, &Json)> {
        static TAGS: LazyLock<Json> = LazyLock::new(|| json!({ "tagCharacters": "any" }));
        bounds::of(resource).map(|(path, it)| (path.as_str(), it)).chain([("tags", &*TAGS)])
    }

    fn check(value: &Value, property: Shape<'_>, path: &str, secret: bool) -> Vec<Failure> {
        match (value, property.keyword("tagCharacters").as_str()) {
            (Value::Object(map), Some(characters)) => tags::check(map, characters == "restricted", path, secret),
            _ => Vec::new(),
        }
    }

    fn means_the_same(compare: &str, old: &str, new: &str, loosely: bool) -> bool {
        // Two ARNs differ in more than their names, such as the account.
        let same = is_arn(old) != is_arn(new) && name_in_arn(old) == name_in_arn(new);
        match compare {
            "arn" => same,
            "kmsKey" => same || loosely && may_be_same_key(old, new),
            // AWS shows the ARN, which does not hold the name.
            "namespace" => loosely && is_arn(old) != is_arn(new),
            _ => false,
        }
    }

    fn document(json: Json) -> Option<Json> {
        (!document::says_nothing(&json)).then(|| document::normal(json))
    }

    fn region_of_id(id: &str) -> Option<&str> {
        // An ARN: `arn:aws:ecs:eu-central-1:…`.
        id.strip_prefix("arn:")?.split(':').nth(2).filter(|it| !it.is_empty())
    }

    fn references(id: Option<&str>, outputs: &Map) -> Vec<Value> {
        // An ARN, or how it ends.
        let arn = outputs.get("arn");
        let arns = id.into_iter().chain(arn.and_then(Value::as_str)).filter(|it| is_arn(it));
        let ends = arns.filter_map(|it| Some(Value::String(it.rsplit_once('/')?.1.to_owned())));
        arn.cloned().into_iter().chain(ends).collect()
    }

    fn is_taken(error: &Error) -> bool {
        refused_with(error, TAKEN)
    }
}

/// Whether one name of a KMS key may be what AWS shows of the other: the ARN of a key, whatever the program called it by. Which
/// key an alias stands for only KMS knows.
fn may_be_same_key(one: &str, other: &str) -> bool {
    one.contains("alias/") != other.contains("alias/")
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// `name`, of `arn:aws:ecs:region:account:cluster/name` or of itself.
fn name_in_arn(text: &str) -> &str {
    if is_arn(text) { text.split_once('/').map_or(text, |(_, name)| name) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_known_by_its_arn_and_how_that_ends() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:3";
        let outputs = Map::from([("arn".to_owned(), Value::String(arn.to_owned()))]);
        let texts = |of: Vec<Value>| of.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(texts(Session::references(Some("web"), &outputs)), [arn, "web:3"]);
        assert_eq!(texts(Session::references(Some(arn), &Map::new())), ["web:3"]);
        let unknown = Map::from([("arn".to_owned(), Value::Unknown)]);
        assert_eq!(Session::references(None, &unknown), [Value::Unknown]);
    }
}
