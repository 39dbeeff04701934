//! sts: who the provider acts as.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{aws::Explain as _, function::Function, resource::Context};

pub struct GetCallerIdentity;

/// Tells which account and which user or role the provider acts as.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The number of the account.
    pub account_id: String,
    /// The ARN of the user or of the assumed role.
    pub arn: String,
    /// The unique id of the user or role.
    pub user_id: String,
}

impl Function for GetCallerIdentity {
    const NAME: &'static str = "getCallerIdentity";
    type Cloud = crate::aws::Session;
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, _: &Arguments) -> Result<Answer> {
        let identity = context.client.sts().get_caller_identity().send().await.explain()?;
        Ok(Answer {
            account_id: identity.account.unwrap_or_default(),
            arn: identity.arn.unwrap_or_default(),
            user_id: identity.user_id.unwrap_or_default(),
        })
    }
}
