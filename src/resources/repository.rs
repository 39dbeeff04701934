//! ecr: a repository of container images.

mod lifecycle;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use aws_sdk_ecr::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{
        Aws, Explain as _, Passing, Patience, Seen, Settle as _,
        ecr::{DescribeRepositories, NO_REPOSITORY},
        refused_with,
    },
    check::{Loss, Report},
    codec::{Unlisted, name_of, named},
    document::{
        Document,
        policy::{self, Kind},
    },
    list::{All, Cursor, Listed, Page},
    resource::{Context, Resource, tag_changes},
};

/// What AWS says of a repository that was created a moment ago, and of a policy that names a principal as new as that.
const UNSETTLED: &[Passing] = &[(NO_REPOSITORY, ""), ("InvalidParameterException", "Principal not found")];

pub struct Repository;

/// A repository of container images.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryInputs {
    /// The name of the repository; slashes put it into a namespace, such as `video/app`. Default: the resource's name in
    /// lower case and seven random digits.
    #[schemars(length(min = 2, max = 256))]
    #[schemars(regex(pattern = r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 256, "lowercase" = true))]
    #[schemars(extend("expects" = "words of lower-case letters and digits, with . _ __ - or / between them"))]
    pub name: String,
    /// Whether a tag may move to another image. Default: `MUTABLE`, so that each build can push `latest`. A deployment is
    /// not at the mercy of it: ECS looks a tag up once for each deployment and starts all its tasks from that image.
    #[serde(default)]
    pub image_tag_mutability: RepositoryTagMutability,
    /// The tags that `imageTagMutability` does not apply to, where it is one `WITH_EXCLUSION`.
    #[serde(default)]
    #[schemars(length(max = 5), extend("keyedBy" = "filter"))]
    pub image_tag_mutability_exclusion_filters: Vec<RepositoryTagFilter>,
    /// How images are searched for known vulnerabilities. Default: when they are pushed, which costs nothing. Scanning
    /// that is set for the whole registry comes before this.
    #[serde(default)]
    pub image_scanning_configuration: RepositoryImageScanning,
    /// How images are encrypted. Default: `AES256`, with keys of Amazon S3, which costs nothing.
    #[serde(default)]
    #[schemars(extend("replaceOnChanges" = true))]
    pub encryption_configuration: RepositoryEncryption,
    /// Which images expire, and when: a lifecycle policy, as a map or as JSON text. Default: none, for a task whose image
    /// has expired cannot start again.
    pub lifecycle_policy: Option<Document>,
    /// Who else may use the repository: a policy document, as a map or as JSON text. Roles of the same account need none.
    pub policy: Option<Document>,
    /// Whether the repository may be deleted, or replaced, together with the images in it. Default: false. For a deletion, the
    /// value of the last `pulumi up` counts.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub force_delete: bool,
    /// Tags to put on the repository.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whether tags of images may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RepositoryTagMutability {
    /// A push moves a tag to the new image.
    #[default]
    Mutable,
    /// A tag stays with its image; pushing it again fails.
    Immutable,
    /// As `MUTABLE`, but tags that a filter matches stay.
    MutableWithExclusion,
    /// As `IMMUTABLE`, but tags that a filter matches move.
    ImmutableWithExclusion,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// Tags, by a pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryTagFilter {
    /// The pattern, in which `*` stands for any characters.
    #[schemars(length(min = 1, max = 128))]
    pub filter: String,
    /// How to read the pattern. AWS knows one way.
    #[serde(default)]
    pub filter_type: RepositoryTagFilterType,
}

/// How to read a pattern of tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RepositoryTagFilterType {
    /// `*` stands for any characters.
    #[default]
    Wildcard,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

/// How images are searched for known vulnerabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryImageScanning {
    /// Whether an image is scanned when it is pushed. Default: true.
    #[serde(default = "yes")]
    pub scan_on_push: bool,
}

/// How images are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryEncryption {
    /// Whose keys encrypt the images. Default: `AES256`.
    #[serde(default)]
    pub encryption_type: RepositoryEncryptionType,
    /// The KMS key: its ARN, its id, or an alias, `alias/name`, whose key is the one that it stands for when the repository is
    /// created. Default: AWS's own key for ECR, where `encryptionType` is not `AES256`.
    #[schemars(length(min = 1, max = 2048), extend("computed" = true, "compare" = "kmsKey"))]
    pub kms_key: Option<String>,
}

/// Whose keys encrypt images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum RepositoryEncryptionType {
    /// Keys of Amazon S3.
    #[default]
    #[serde(rename = "AES256")]
    Aes256,
    /// A key in KMS.
    #[serde(rename = "KMS")]
    Kms,
    /// Two layers of encryption with a key in KMS.
    #[serde(rename = "KMS_DSSE")]
    KmsDsse,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryOutputs {
    #[serde(flatten)]
    pub inputs: RepositoryInputs,
    /// The ARN of the repository.
    pub arn: String,
    /// The id of the registry, which is the number of the account.
    pub registry_id: String,
    /// What an image is called by before its tag: `account.dkr.ecr.region.amazonaws.com/name`.
    pub repository_url: String,
}

impl Default for RepositoryImageScanning {
    fn default() -> Self {
        Self { scan_on_push: yes() }
    }
}

fn yes() -> bool {
    true
}

impl Resource for Repository {
    const NAME: &'static str = "Repository";
    type Cloud = crate::aws::Session;
    type Inputs = RepositoryInputs;
    type Outputs = RepositoryOutputs;
    type Query = All;

    fn check(inputs: &RepositoryInputs, report: &mut Report<'_>) {
        use RepositoryTagMutability::{ImmutableWithExclusion, MutableWithExclusion, Other};
        let excludes = matches!(inputs.image_tag_mutability, ImmutableWithExclusion | MutableWithExclusion);
        let filters = !inputs.image_tag_mutability_exclusion_filters.is_empty();
        report.rule(
            &["imageTagMutabilityExclusionFilters", "imageTagMutability"],
            excludes == filters || matches!(inputs.image_tag_mutability, Other(_)),
            if excludes {
                "is required, for imageTagMutability is one with exclusion"
            } else {
                "says what imageTagMutability excludes: make that IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION"
            },
        );
        let encryption = &inputs.encryption_configuration;
        report.rule(
            &["encryptionConfiguration.kmsKey", "encryptionConfiguration.encryptionType"],
            encryption.kms_key.is_none() || encryption.encryption_type != RepositoryEncryptionType::Aes256,
            "is for an encryptionType of KMS or KMS_DSSE",
        );
        if let Some(policy) = inputs.lifecycle_policy.as_ref().filter(|it| !it.is_empty()) {
            lifecycle::check("lifecyclePolicy", policy, report);
        }
        if let Some(policy) = inputs.policy.as_ref().filter(|it| !it.is_empty()) {
            policy::check("policy", policy, Kind::Repository, report);
        }
    }

    fn check_change(old: &RepositoryInputs, new: &RepositoryInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        let loss = Loss {
            switch: "forceDelete",
            allowed: new.force_delete,
            why: |_| "AWS does not change this of a repository that exists",
            what: format!("an empty repository would take the place of {}", old.name),
            rest: "all images in it are deleted".to_owned(),
        };
        report.refuse_loss(replacing, &loss);
        report.warn(
            &["forceDelete"],
            replacing.is_empty() || !new.force_delete || old.force_delete,
            format!(
                "was false in the last `pulumi up`, and that counts when {} is deleted: if there are images in it, AWS refuses. Run \
                 `pulumi up` with nothing but forceDelete changed first",
                old.name
            ),
        );
    }

    async fn create(context: &Context, inputs: &RepositoryInputs) -> Result<String> {
        let encryption = &inputs.encryption_configuration;
        let encryption = types::EncryptionConfiguration::builder()
            .encryption_type(name_of(encryption.encryption_type).as_str().into())
            .set_kms_key(encryption.kms_key.clone())
            .build()?;
        let request = context
            .client
            .ecr()
            .create_repository()
            .repository_name(&inputs.name)
            .image_tag_mutability(mutability(inputs))
            .set_image_tag_mutability_exclusion_filters(filters(inputs)?)
            .image_scanning_configuration(scanning(inputs))
            .encryption_configuration(encryption)
            .set_tags(Some(to_tags(&inputs.tags)?));
        request.send().await.explain()?;
        context.made(&inputs.name);
        set_policies(context, &inputs.name, (None, None), inputs).await?;
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, id: &str, old: &RepositoryOutputs, new: &RepositoryInputs) -> Result<()> {
        let (ecr, arn, old) = (context.client.ecr(), &old.arn, &old.inputs);
        if old.image_tag_mutability != new.image_tag_mutability
            || old.image_tag_mutability_exclusion_filters != new.image_tag_mutability_exclusion_filters
        {
            let request = ecr.put_image_tag_mutability().repository_name(id).image_tag_mutability(mutability(new));
            request.set_image_tag_mutability_exclusion_filters(filters(new)?).send().await.explain()?;
        }
        if old.image_scanning_configuration != new.image_scanning_configuration {
            let request = ecr.put_image_scanning_configuration().repository_name(id);
            request.image_scanning_configuration(scanning(new)).send().await.explain()?;
        }
        set_policies(context, id, (old.lifecycle_policy.as_ref(), old.policy.as_ref()), new).await?;
        let (set, removed) = tag_changes(&old.tags, &new.tags);
        if !removed.is_empty() {
            ecr.untag_resource().resource_arn(arn).set_tag_keys(Some(removed)).send().await.explain()?;
        }
        if !set.is_empty() {
            ecr.tag_resource().resource_arn(arn).set_tags(Some(to_tags(&set)?)).send().await.explain()?;
        }
        Ok(())
    }

    async fn read(context: &Context, id: &str) -> Result<Option<RepositoryOutputs>> {
        let name = name_in(id)?;
        let Some(it) = context.client.look_up::<DescribeRepositories>(name.to_owned()).await? else { return Ok(None) };
        let arn = it.repository_arn.unwrap_or_default();
        let (lifecycle_policy, policy, tags) = tokio::try_join!(
            lifecycle_policy(&context.client, name),
            policy(&context.client, name),
            tags(&context.client, &arn)
        )?;
        let filters = it.image_tag_mutability_exclusion_filters.unwrap_or_default().into_iter().map(|it| {
            let filter_type = named(it.filter_type.as_str())?;
            Ok(RepositoryTagFilter { filter: it.filter, filter_type })
        });
        let encryption = match it.encryption_configuration {
            Some(it) => RepositoryEncryption { encryption_type: named(it.encryption_type.as_str())?, kms_key: it.kms_key },
            None => RepositoryEncryption::default(),
        };
        let mutability = it.image_tag_mutability.map(|it| named(it.as_str())).transpose()?;
        Ok(Some(RepositoryOutputs {
            inputs: RepositoryInputs {
                name: it.repository_name.unwrap_or_default(),
                image_tag_mutability: mutability.unwrap_or_default(),
                image_tag_mutability_exclusion_filters: filters.collect::<Result<_>>()?,
                image_scanning_configuration: RepositoryImageScanning {
                    scan_on_push: it.image_scanning_configuration.is_some_and(|it| it.scan_on_push),
                },
                encryption_configuration: encryption,
                lifecycle_policy,
                policy,
                force_delete: false,
                tags,
            },
            arn,
            registry_id: it.registry_id.unwrap_or_default(),
            repository_url: it.repository_uri.unwrap_or_default(),
        }))
    }

    fn id(outputs: &RepositoryOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, _: &All, at: &Cursor) -> Result<Page> {
        let request =
            context.client.ecr().describe_repositories().max_results(at.size(1..=1000)).set_next_token(at.token.clone());
        let answer = request.send().await.explain()?;
        let names = answer.repositories.unwrap_or_default().into_iter().filter_map(|it| it.repository_name);
        Ok(Page::new(names.map(Listed::named), answer.next_token))
    }

    async fn delete(context: &Context, id: &str, old: &RepositoryOutputs) -> Result<()> {
        let delete = |force: bool| context.client.ecr().delete_repository().repository_name(id).force(force).send();
        match delete(false).await.explain() {
            Err(error) if refused_with(&error, &[NO_REPOSITORY]) => return Ok(()),
            Err(error) if refused_with(&error, &["RepositoryNotEmptyException"]) => {
                if !old.inputs.force_delete {
                    let fix = "delete them, or set `forceDelete` to true and run `pulumi up` first";
                    return Err(error.context(format!("there are images in repository {id}; {fix}")));
                }
                match delete(true).await.explain() {
                    Err(error) if refused_with(&error, &[NO_REPOSITORY]) => return Ok(()),
                    answer => drop(answer?),
                }
                (context.observer.say)(&format!("repository {id} is deleted with all images in it, for forceDelete is true"));
            }
            answer => drop(answer?),
        }
        let look = || async {
            Ok(match context.client.look_up::<DescribeRepositories>(id.to_owned()).await? {
                Some(_) => Seen::Pending("deleting the repository".to_owned()),
                None => Seen::Ready(()),
            })
        };
        context.observer.wait(format!("repository {id} to be gone"), Patience::seconds(120), look).await
    }
}

/// Makes the lifecycle policy and the policy on access what `new` says.
async fn set_policies(
    context: &Context,
    name: &str,
    (old_lifecycle, old_policy): (Option<&Document>, Option<&Document>),
    new: &RepositoryInputs,
) -> Result<()> {
    let ecr = context.client.ecr();
    let says = |it: &&Document| !it.is_empty();
    let (old_lifecycle, old_policy) = (old_lifecycle.filter(says), old_policy.filter(says));
    match new.lifecycle_policy.as_ref().filter(says) {
        same if same == old_lifecycle => {}
        Some(policy) => {
            let put = || async {
                let request = ecr.put_lifecycle_policy().repository_name(name).lifecycle_policy_text(policy.to_text());
                request.send().await.explain()
            };
            context.observer.settle(UNSETTLED, put).await?;
        }
        None => match ecr.delete_lifecycle_policy().repository_name(name).send().await.explain() {
            Err(error) if refused_with(&error, &["LifecyclePolicyNotFoundException"]) => {}
            answer => drop(answer?),
        },
    }
    match new.policy.as_ref().filter(says) {
        same if same == old_policy => {}
        Some(policy) => {
            let set = || async {
                let request = ecr.set_repository_policy().repository_name(name).policy_text(policy.to_text());
                request.send().await.explain()
            };
            context.observer.settle(UNSETTLED, set).await?;
        }
        None => match ecr.delete_repository_policy().repository_name(name).send().await.explain() {
            Err(error) if refused_with(&error, &["RepositoryPolicyNotFoundException"]) => {}
            answer => drop(answer?),
        },
    }
    Ok(())
}

async fn lifecycle_policy(aws: &Aws, name: &str) -> Result<Option<Document>> {
    match aws.ecr().get_lifecycle_policy().repository_name(name).send().await.explain() {
        Err(error) if refused_with(&error, &["LifecyclePolicyNotFoundException"]) => Ok(None),
        answer => Ok(answer?.lifecycle_policy_text().map(Document::new)),
    }
}

async fn policy(aws: &Aws, name: &str) -> Result<Option<Document>> {
    match aws.ecr().get_repository_policy().repository_name(name).send().await.explain() {
        Err(error) if refused_with(&error, &["RepositoryPolicyNotFoundException"]) => Ok(None),
        answer => Ok(answer?.policy_text().map(Document::new)),
    }
}

async fn tags(aws: &Aws, arn: &str) -> Result<BTreeMap<String, String>> {
    let answer = aws.ecr().list_tags_for_resource().resource_arn(arn).send().await.explain()?;
    Ok(answer.tags.unwrap_or_default().into_iter().map(|it| (it.key, it.value)).collect())
}

/// The name, from itself, from an ARN, `arn:aws:ecr:region:account:repository/name`, or from a URL,
/// `account.dkr.ecr.region.amazonaws.com/name`.
pub fn name_in(id: &str) -> Result<&str> {
    if id.starts_with("arn:") {
        let Some((_, name)) = id.split_once(":repository/") else {
            bail!("{id} is not the ARN of a repository, such as arn:aws:ecr:eu-west-1:123456789012:repository/name");
        };
        return Ok(name);
    }
    match id.split_once('/') {
        Some((host, name)) if host.contains(".dkr.ecr.") || host.contains(".dkr-ecr.") => Ok(name),
        _ => Ok(id),
    }
}

fn mutability(inputs: &RepositoryInputs) -> types::ImageTagMutability {
    name_of(inputs.image_tag_mutability).as_str().into()
}

/// The filters; none where there are none, for AWS refuses an empty list.
fn filters(inputs: &RepositoryInputs) -> Result<Option<Vec<types::ImageTagMutabilityExclusionFilter>>> {
    let filter = |it: &RepositoryTagFilter| {
        let filter = types::ImageTagMutabilityExclusionFilter::builder().filter(&it.filter);
        Ok(filter.filter_type(name_of(it.filter_type).as_str().into()).build()?)
    };
    let filters: Vec<_> = inputs.image_tag_mutability_exclusion_filters.iter().map(filter).collect::<Result<_>>()?;
    Ok(Some(filters).filter(|it| !it.is_empty()))
}

fn scanning(inputs: &RepositoryInputs) -> types::ImageScanningConfiguration {
    types::ImageScanningConfiguration::builder().scan_on_push(inputs.image_scanning_configuration.scan_on_push).build()
}

fn to_tags(tags: &BTreeMap<String, String>) -> Result<Vec<types::Tag>> {
    tags.iter().map(|(key, value)| Ok(types::Tag::builder().key(key).value(value).build()?)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::{findings_of_change, mistakes};

    fn mistakes_of(inputs: serde_json::Value) -> Vec<String> {
        mistakes::<Repository>(inputs.into())
    }

    #[test]
    fn a_replacement_that_loses_images_is_refused_unless_it_is_allowed() {
        let after = |old: serde_json::Value, new: serde_json::Value| findings_of_change::<Repository>(old.into(), new.into());
        for (change, property) in [
            (
                json!({ "name": "app", "encryptionConfiguration": { "encryptionType": "KMS" } }),
                "encryptionConfiguration.encryptionType",
            ),
            (json!({ "name": "web" }), "name"),
            (json!({ "name": "app", "region": "eu-west-1" }), "region"),
        ] {
            let (mistakes, _) = after(json!({ "name": "app" }), change.clone());
            assert!(mistakes.len() == 1, "{mistakes:?}");
            assert!(mistakes[0].starts_with(&format!("{property} cannot change without data loss: it was ")), "{mistakes:?}");
            assert!(mistakes[0].contains("set forceDelete to true, and all images in it are deleted"), "{mistakes:?}");
            let mut forced = change;
            forced["forceDelete"] = json!(true);
            let (mistakes, warnings) = after(json!({ "name": "app" }), forced.clone());
            assert_eq!(mistakes, Vec::<String>::new());
            assert!(warnings.len() == 1 && warnings[0].starts_with("forceDelete was false in the last"), "{warnings:?}");
            assert_eq!(after(json!({ "name": "app", "forceDelete": true }), forced), (vec![], vec![]));
        }
        let defaults = json!({ "name": "app", "encryptionConfiguration": { "encryptionType": "AES256" } });
        assert_eq!(after(json!({ "name": "app" }), defaults), (vec![], vec![]));
        let key = |key: &str| json!({ "name": "app", "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": key } });
        let arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd";
        // AWS shows the ARN, whatever the program called the key by.
        for spelling in ["1234abcd", "alias/images"] {
            assert_eq!(after(key(arn), key(spelling)), (vec![], vec![]));
        }
        assert_eq!(after(key(arn), key("0000abcd")).0.len(), 1);
    }

    #[test]
    fn names_that_aws_takes_are_not_refused() {
        for name in ["app", "video/app", "a__b", "a--b", "a-.b"] {
            assert_eq!(mistakes_of(json!({ "name": name })).len(), usize::from(name == "a-.b"), "{name}");
        }
    }

    #[test]
    fn policies_that_say_nothing_are_left_out() {
        for nothing in [json!(""), json!({}), json!("{}")] {
            assert_eq!(
                mistakes_of(json!({ "name": "app", "policy": nothing, "lifecyclePolicy": nothing })),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn takes_any_form_of_its_name() {
        assert_eq!(name_in("video/app").unwrap(), "video/app");
        assert_eq!(name_in("arn:aws:ecr:eu-west-1:123456789012:repository/video/app").unwrap(), "video/app");
        assert_eq!(name_in("123456789012.dkr.ecr.eu-west-1.amazonaws.com/video/app").unwrap(), "video/app");
        assert!(name_in("arn:aws:ecs:eu-west-1:123456789012:cluster/video").is_err());
    }
}
