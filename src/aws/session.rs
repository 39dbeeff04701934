//! How AWS is reached: region, credentials, endpoints, retries. Nothing is looked up before it is needed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use aws_config::{
    AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig,
    environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    retry::RetryConfig,
    sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use tokio::sync::OnceCell;

use super::{Aws, Explain as _, Refusal, retry};
use crate::config::Config;

/// The provider as it is configured, and the clients that were needed so far.
pub struct Session {
    config: Config,
    region: String,
    sdk: OnceCell<SdkConfig>,
    account: OnceCell<Result<Option<String>, String>>,
    regions: Mutex<HashMap<String, Arc<Aws>>>,
    told: AtomicBool,
}

impl Session {
    /// A session, in `region`, that has not called anyone yet.
    pub fn new(config: Config, region: String) -> Self {
        let (sdk, account) = (OnceCell::new(), OnceCell::new());
        Self { config, region, sdk, account, regions: Mutex::default(), told: AtomicBool::new(false) }
    }

    /// The provider's own region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// How the provider is configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The clients for `region`, or for the provider's own.
    ///
    /// # Errors
    /// When AWS does not let us in: in full the first time, in short after that.
    pub async fn aws(&self, region: Option<&str>) -> Result<Arc<Aws>> {
        let sdk = self.sdk.get_or_init(|| load(&self.config, &self.region)).await;
        let account = match self.account.get_or_init(|| self.validate(sdk)).await {
            Ok(account) => account.clone(),
            Err(error) if self.told.swap(true, Ordering::Relaxed) => {
                bail!("not tried: {}", error.split([';', '\n']).next().unwrap_or_default())
            }
            Err(error) => bail!("{error}"),
        };
        let region = region.unwrap_or(&self.region);
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let aws = regions.entry(region.to_owned()).or_insert_with(|| {
            let sdk = sdk.to_builder().region(Region::new(region.to_owned())).build();
            Arc::new(Aws::new(sdk, region.to_owned(), region == self.region, &self.config, account))
        });
        Ok(aws.clone())
    }

    /// Asks AWS once who we are, so that a wrong key or address is one error and not one for every resource.
    async fn validate(&self, sdk: &SdkConfig) -> Result<Option<String>, String> {
        if self.config.skip_credentials_validation && self.config.allowed_account_ids.is_empty() {
            return Ok(None);
        }
        let aws = Aws::new(sdk.clone(), self.region.clone(), true, &self.config, None);
        let brief = aws_sdk_sts::config::Builder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build());
        let asked = aws.sts().get_caller_identity().customize().config_override(brief).send().await.explain();
        let account = match asked {
            Ok(identity) => identity.account.unwrap_or_default(),
            Err(error) => return Err(self.explain_access(sdk, &error)),
        };
        let allowed = &self.config.allowed_account_ids;
        if !allowed.is_empty() && !allowed.contains(&account) {
            return Err(format!(
                "the credentials are of account {account}; fargate:allowedAccountIds allows {}",
                allowed.join(", ")
            ));
        }
        Ok(Some(account))
    }

    fn explain_access(&self, sdk: &SdkConfig, error: &anyhow::Error) -> String {
        if error.downcast_ref::<Refusal>().is_some() {
            return format!("AWS does not accept the credentials; {error}");
        }
        let text = error.to_string();
        let endpoint = self
            .config
            .endpoints()
            .sts
            .or(sdk.endpoint_url().map(str::to_owned))
            .or_else(|| std::env::var("AWS_ENDPOINT_URL").ok());
        if let Some(role) = &self.config.assume_role {
            return format!(
                "cannot take on the role {}; {text}; check fargate:assumeRole, and that the role's trust policy allows you",
                role.role_arn
            );
        }
        if let Some(profile) = &self.config.profile {
            return format!(
                "profile {profile} gives no way into AWS; {text}; check fargate:profile and `aws configure list-profiles`"
            );
        }
        let credentials = ["credential", "profile", "token", "SSO"].iter().any(|it| text.contains(it));
        match endpoint {
            _ if credentials => format!(
                "there are no AWS credentials; {text}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, \
                 or run `pulumi config set fargate:profile <name>`, or log in with `aws sso login`"
            ),
            Some(endpoint) => format!(
                "cannot reach AWS at {endpoint}; {text}; check that something listens there, or correct fargate:endpoint \
                 or AWS_ENDPOINT_URL"
            ),
            None => format!(
                "cannot reach AWS in region {}; {text}; check the network and the spelling of fargate:region",
                self.region
            ),
        }
    }
}

/// What to say when nobody names a region.
pub fn missing_region() -> String {
    "no AWS region is set: run `pulumi config set fargate:region <region>`, or set AWS_REGION".to_owned()
}

/// The region that the environment or the profile sets. Looks at files, calls nobody.
pub async fn default_region(profile: Option<&str>) -> Option<String> {
    let mut from_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        from_profile = from_profile.profile_name(profile);
    }
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(from_profile.build());
    chain.region().await.map(|it| it.as_ref().to_owned()).filter(|it| !it.is_empty())
}

async fn load(config: &Config, region: &str) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .retry_config(retry::config())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(30))
                .build(),
        );
    if let Ok(name) = AppName::new(concat!("pulumi-resource-fargate-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    loader = signed_by(loader, config);
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let sdk = loader.load().await;
    let Some(role) = &config.assume_role else { return sdk };
    let mut sts = sdk.to_builder();
    sts.set_endpoint_url(config.endpoints().sts.or(sdk.endpoint_url().map(str::to_owned)));
    let mut provider = AssumeRoleProvider::builder(&role.role_arn)
        .session_name(role.session_name.as_deref().unwrap_or("pulumi-fargate"))
        .configure(&sts.build());
    if let Some(id) = &role.external_id {
        provider = provider.external_id(id);
    }
    if let Some(seconds) = role.duration_seconds {
        provider = provider.session_length(Duration::from_secs(seconds.unsigned_abs().into()));
    }
    let provider = provider.build().await;
    sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

fn signed_by(mut loader: ConfigLoader, config: &Config) -> ConfigLoader {
    if let Some(profile) = &config.profile {
        // What the program sets comes before keys that happen to be in the environment: they may be another account's.
        let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let (Some(key), Some(secret)) = (&config.access_key, &config.secret_key) {
        loader = loader.credentials_provider(Credentials::new(key, secret, config.token.clone(), None, "configuration"));
    }
    loader
}
