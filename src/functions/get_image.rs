//! ecr: an image that has been pushed.

use anyhow::{Context as _, Result, bail};
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageIdentifier, TagStatus};
use aws_smithy_types::date_time::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Function;
use crate::{
    aws::{Explain as _, ecr::DescribeRepositories, ecr::NO_REPOSITORY, refused_with},
    resource::Context,
};

pub struct GetImage;

/// Finds an image in a repository. A task definition that takes its `imageUri` runs that very image, and changes when,
/// and only when, the tag has moved to another one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {
    /// The name of the repository.
    pub repository_name: String,
    /// The tag of the image.
    pub image_tag: Option<String>,
    /// The digest of the image.
    pub image_digest: Option<String>,
    /// Whether to take the image that was pushed last of those that have a tag, in place of `imageTag` and `imageDigest`.
    /// Default: false.
    #[serde(default)]
    pub most_recent: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The digest of the image, `sha256:…`.
    pub image_digest: String,
    /// All tags of the image.
    pub image_tags: Vec<String>,
    /// The image by its digest, as a task definition takes it: `account.dkr.ecr.region.amazonaws.com/name@sha256:…`.
    pub image_uri: String,
    /// When the image was pushed.
    pub image_pushed_at: String,
    /// The size of the image in the repository, in bytes.
    pub image_size_in_bytes: i64,
    /// The id of the registry, which is the number of the account.
    pub registry_id: String,
}

impl Function for GetImage {
    const NAME: &'static str = "getImage";
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, arguments: &Arguments) -> Result<Answer> {
        let Arguments { repository_name: name, image_tag: tag, image_digest: digest, most_recent } = arguments;
        if *most_recent == (tag.is_some() || digest.is_some()) {
            bail!("say which image of {name}: `imageTag` or `imageDigest`, or else `mostRecent`");
        }
        let image = ImageIdentifier::builder().set_image_tag(tag.clone()).set_image_digest(digest.clone()).build();
        let request = context.aws.ecr().describe_images().repository_name(name);
        let request = request.set_image_ids((!most_recent).then(|| vec![image]));
        // A build for several platforms pushes untagged images, too, and no task can run one of their attestations.
        let tagged = DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build();
        let request = request.set_filter(most_recent.then_some(tagged));
        let images = match request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain() {
            Err(error) if refused_with(&error, &["ImageNotFoundException"]) => Vec::new(),
            Err(error) if refused_with(&error, &[NO_REPOSITORY]) => bail!("repositoryName: there is no repository {name}"),
            answer => answer?,
        };
        let Some(image) = images.into_iter().max_by_key(|it| it.image_pushed_at) else {
            let which = match (tag, digest) {
                (Some(tag), _) => format!("no image tagged {tag}"),
                (None, Some(digest)) => format!("no image {digest}"),
                (None, None) => "no image with a tag".to_owned(),
            };
            bail!("there is {which} in repository {name}; push it first");
        };
        let repository = context.aws.look_up::<DescribeRepositories>(name.clone()).await?;
        let url = repository.and_then(|it| it.repository_uri).with_context(|| format!("repository {name} is gone"))?;
        let digest = image.image_digest.unwrap_or_default();
        Ok(Answer {
            image_uri: format!("{url}@{digest}"),
            image_digest: digest,
            image_tags: image.image_tags.unwrap_or_default(),
            image_pushed_at: image.image_pushed_at.map(|it| it.fmt(Format::DateTime)).transpose()?.unwrap_or_default(),
            image_size_in_bytes: image.image_size_in_bytes.unwrap_or_default(),
            registry_id: image.registry_id.unwrap_or_default(),
        })
    }
}
