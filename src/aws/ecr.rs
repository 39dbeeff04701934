//! What the repositories of ECR and the functions on them share.

use std::collections::HashMap;

use anyhow::Result;
use aws_sdk_ecr::types::Repository;

use super::{Aws, Explain as _, Lookup};

/// The code by which AWS says that a repository does not exist.
pub const NO_REPOSITORY: &str = "RepositoryNotFoundException";

/// `DescribeRepositories`, by name, in the registry of the account.
pub struct DescribeRepositories;

impl Lookup for DescribeRepositories {
    type Key = String;
    type Found = Repository;
    const LIMIT: usize = 100;
    const MISSING: &'static [&'static str] = &[NO_REPOSITORY];

    async fn load(aws: &Aws, names: Vec<String>) -> Result<HashMap<String, Repository>> {
        let request = aws.ecr().describe_repositories().set_repository_names(Some(names));
        let repositories = request.send().await.explain()?.repositories.unwrap_or_default();
        Ok(repositories.into_iter().filter_map(|it| Some((it.repository_name()?.to_owned(), it))).collect())
    }
}
