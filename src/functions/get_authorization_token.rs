//! ecr: a password with which Docker may push and pull images.

use anyhow::{Context as _, Result};
use aws_smithy_types::date_time::Format;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{aws::Explain as _, function::Function, resource::Context};

pub struct GetAuthorizationToken;

/// Gets a password with which Docker may push and pull images for twelve hours.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The user name and the password, as Docker puts them into its configuration.
    #[schemars(extend("secret" = true))]
    pub authorization_token: String,
    /// The user name, `AWS`.
    pub user_name: String,
    /// The password.
    #[schemars(extend("secret" = true))]
    pub password: String,
    /// The address to log in to, `https://account.dkr.ecr.region.amazonaws.com`.
    pub proxy_endpoint: String,
    /// When the password expires.
    pub expires_at: String,
}

impl Function for GetAuthorizationToken {
    const NAME: &'static str = "getAuthorizationToken";
    type Cloud = crate::aws::Session;
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, _: &Arguments) -> Result<Answer> {
        let answer = context.client.ecr().get_authorization_token().send().await.explain()?;
        let data = answer.authorization_data.and_then(|it| it.into_iter().next());
        let data = data.context("GetAuthorizationToken: AWS answered without a token")?;
        let token = data.authorization_token.unwrap_or_default();
        // What is in it is a secret, so it is not shown.
        let parts = BASE64_STANDARD.decode(&token).ok().and_then(|it| String::from_utf8(it).ok());
        let parts = parts.context("GetAuthorizationToken: AWS answered with a token that is not Base64")?;
        let (user_name, password) = parts.split_once(':').context("GetAuthorizationToken: the token holds no password")?;
        Ok(Answer {
            user_name: user_name.to_owned(),
            password: password.to_owned(),
            authorization_token: token,
            proxy_endpoint: data.proxy_endpoint.unwrap_or_default(),
            expires_at: data.expires_at.map(|it| it.fmt(Format::DateTime)).transpose()?.unwrap_or_default(),
        })
    }
}
