//! ecr: an image that has been pushed.

use std::time::Duration;

use anyhow::{Result, bail};
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageIdentifier, Repository, TagStatus};
use aws_smithy_types::date_time::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Explain as _, Patience, Seen, TimedOut, ecr::DescribeRepositories, ecr::NO_REPOSITORY, refused_with},
    function::Function,
    resource::Context,
    resources::repository::name_in,
};

/// How long AWS may not show a repository yet that was created a moment ago.
const UNSETTLED: Duration = Duration::from_secs(30);
/// The longest that a preview waits, whatever `timeout` says: nobody expects it to take longer.
const PREVIEW: Duration = Duration::from_mins(1);

pub struct GetImage;

/// Finds an image in a repository. A task definition that takes its `imageUri` runs that very image, and changes when,
/// and only when, the tag has moved to another one.
///
/// With `timeout` it waits for an image that is not pushed yet, and shows the commands that push it. So one `pulumi up` can
/// create the repository, wait until somebody has pushed the image, and start the service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {
    /// The repository: its URL, name or ARN. For a `Repository` of the same program use its `repositoryUrl`: Pulumi calls no
    /// function in a preview whose arguments are not known yet, and the URL is not known until the repository exists. Its
    /// name is, and the preview would fail.
    #[schemars(length(min = 2))]
    pub repository_name: String,
    /// The tag of the image.
    pub image_tag: Option<String>,
    /// The digest of the image.
    pub image_digest: Option<String>,
    /// Whether to take the image that was pushed last of those that have a tag, in place of `imageTag` and `imageDigest`.
    /// Default: false.
    #[serde(default)]
    pub most_recent: bool,
    /// How many seconds to wait for an image that does not exist yet, such as 1800. A preview waits for a minute at most.
    /// Default: 0, which is an error at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = 86400))]
    pub timeout: u32,
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
    type Cloud = crate::aws::Session;
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, arguments: &Arguments) -> Result<Answer> {
        let name = name_in(&arguments.repository_name)?;
        if arguments.most_recent == (arguments.image_tag.is_some() || arguments.image_digest.is_some()) {
            bail!("say which image of {name}: `imageTag` or `imageDigest`, or else `mostRecent`");
        }
        let asked = Duration::from_secs(arguments.timeout.into());
        let limit = limit(asked, context.preview);
        let Some(repository) = find_repository(context, name, limit).await? else {
            let region = context.client.region();
            bail!(
                "repositoryName: there is no repository {name} in {region}; if this program creates it, give its \
                 `repositoryUrl` instead of its name, so that the image is looked for once the repository exists"
            );
        };
        let url = repository.repository_uri().unwrap_or_default();
        let found = match find(context, name, arguments).await? {
            None if !limit.is_zero() => wait_for_image(context, name, url, arguments, limit).await?,
            found => found,
        };
        let Some(image) = found else {
            let waited = match limit.as_secs() {
                0 => String::new(),
                seconds if limit < asked => format!(" (a preview waits {seconds} s for it, `pulumi up --skip-preview` longer)"),
                seconds => format!(" (waited {seconds} s for it; `timeout` sets another limit)"),
            };
            let commands = push_commands(context.client.region(), url, arguments).join("\n  ");
            bail!("there is {} in repository {name}; push it first{waited}:\n  {commands}", missing(arguments));
        };
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

/// How long to wait where the program asks for so long.
fn limit(asked: Duration, preview: bool) -> Duration {
    if preview { asked.min(PREVIEW) } else { asked }
}

/// The repository. Who waits for an image may have created it a moment ago, and AWS may not show it yet.
async fn find_repository(context: &Context, name: &str, limit: Duration) -> Result<Option<Repository>> {
    let look_up = || context.client.look_up::<DescribeRepositories>(name.to_owned());
    let found = look_up().await?;
    if found.is_some() || limit.is_zero() {
        return Ok(found);
    }
    let look = || async {
        let found = look_up().await?;
        Ok(found.map_or_else(|| Seen::Pending(format!("waiting for repository {name}")), Seen::Ready))
    };
    let patience = Patience { limit: limit.min(UNSETTLED), ..Patience::seconds(0) };
    unless_timed_out(context.observer.wait(format!("repository {name}"), patience, look).await)
}

/// The image, if it is there.
async fn find(context: &Context, name: &str, arguments: &Arguments) -> Result<Option<ImageDetail>> {
    let Arguments { image_tag: tag, image_digest: digest, most_recent, .. } = arguments;
    let image = ImageIdentifier::builder().set_image_tag(tag.clone()).set_image_digest(digest.clone()).build();
    let request = context.client.ecr().describe_images().repository_name(name);
    let request = request.set_image_ids((!most_recent).then(|| vec![image]));
    // A build for several platforms pushes untagged images, too, and no task can run one of their attestations.
    let tagged = DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build();
    let request = request.set_filter(most_recent.then_some(tagged));
    let images = match request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.explain() {
        // The repository exists, even if not every part of ECR knows it yet.
        Err(error) if refused_with(&error, &["ImageNotFoundException", NO_REPOSITORY]) => Vec::new(),
        answer => answer?,
    };
    Ok(images.into_iter().max_by_key(|it| it.image_pushed_at))
}

/// The image once it is there, if that is within `limit`. The user sees how to push it.
async fn wait_for_image(
    context: &Context,
    name: &str,
    url: &str,
    arguments: &Arguments,
    limit: Duration,
) -> Result<Option<ImageDetail>> {
    let (commands, seconds) = (push_commands(context.client.region(), url, arguments), limit.as_secs());
    let what = format!("there is {} in repository {name} yet", missing(arguments));
    // A line each: while an update runs, a terminal shows one line of a message.
    (context.observer.say)(&format!("{what}; waiting up to {seconds} s for somebody to push it:"));
    for command in &commands {
        (context.observer.say)(&format!("  {command}"));
    }
    let patience = Patience { first: Duration::from_secs(1), limit, ..Patience::seconds(0) };
    let status = format!("waiting for an image: {}", commands.last().map_or(url, String::as_str));
    let look = || async {
        let found = find(context, name, arguments).await?;
        Ok(found.map_or_else(|| Seen::Pending(status.clone()), Seen::Ready))
    };
    let found = unless_timed_out(context.observer.wait(format!("an image in repository {name}"), patience, look).await)?;
    if let Some(digest) = found.as_ref().and_then(ImageDetail::image_digest) {
        (context.observer.say)(&format!("found image {url}@{digest}"));
    }
    Ok(found)
}

/// None where the wait has ended without anything.
fn unless_timed_out<T>(waited: Result<T>) -> Result<Option<T>> {
    match waited {
        Err(error) if error.is::<TimedOut>() => Ok(None),
        waited => waited.map(Some),
    }
}

/// What is not there, in words.
fn missing(arguments: &Arguments) -> String {
    match (&arguments.image_tag, &arguments.image_digest) {
        (Some(tag), Some(digest)) => format!("no image {digest} tagged {tag}"),
        (Some(tag), None) => format!("no image tagged {tag}"),
        (None, Some(digest)) => format!("no image {digest}"),
        (None, None) => "no image with a tag".to_owned(),
    }
}

/// The commands that push an image which exists on the user's machine under its full name.
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/docker-push-ecr-image.html>
fn push_commands(region: &str, url: &str, arguments: &Arguments) -> [String; 2] {
    let registry = url.split('/').next().unwrap_or_default();
    // A digest comes from what is pushed, whatever its tag is.
    let tag = arguments.image_tag.as_deref().unwrap_or("latest");
    [
        format!("aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}"),
        format!("docker push {url}:{tag}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(tag: Option<&str>) -> Arguments {
        Arguments {
            repository_name: "app".to_owned(),
            image_tag: tag.map(str::to_owned),
            image_digest: None,
            most_recent: tag.is_none(),
            timeout: 0,
        }
    }

    #[test]
    fn limit_of_a_preview_is_a_minute_at_most() {
        let [short, long] = [Duration::from_secs(5), Duration::from_hours(1)];
        assert_eq!([limit(short, true), limit(long, true)], [short, Duration::from_mins(1)]);
        assert_eq!([limit(short, false), limit(long, false)], [short, long]);
        assert_eq!(limit(Duration::ZERO, true), Duration::ZERO);
    }

    #[test]
    fn push_commands_log_in_to_the_registry_of_the_repository() {
        let url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/video/app";
        let [login, push] = push_commands("eu-central-1", url, &arguments(Some("v1")));
        assert_eq!(
            login,
            "aws ecr get-login-password --region eu-central-1 | \
             docker login --username AWS --password-stdin 123456789012.dkr.ecr.eu-central-1.amazonaws.com"
        );
        assert_eq!(push, format!("docker push {url}:v1"));
        assert_eq!(push_commands("eu-central-1", url, &arguments(None))[1], format!("docker push {url}:latest"));
    }
}
