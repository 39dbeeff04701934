//! How AWS is reached: region, credentials, endpoints, retries. Nothing is looked up before it is needed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use aws_config::{
    AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig,
    environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain,
    profile::{self, ProfileFileCredentialsProvider, ProfileFileRegionProvider, ProfileSet},
    retry::RetryConfig,
    sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_sts::{
    config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider},
    error::DisplayErrorContext,
};
use aws_types::os_shim_internal::{Env, Fs};
use tokio::{sync::OnceCell, time::timeout};

use super::{Aws, Explain as _, Refusal, error::root_cause, refused_with, retry};
use crate::{
    check::{misspelt, nearest},
    cloud::{MissingSetting, NoAccess},
    config::Config,
};

/// The provider as it is configured, and the clients that were needed so far.
pub struct Session {
    config: Config,
    region: String,
    sdk: OnceCell<SdkConfig>,
    account: OnceCell<Result<Option<String>, String>>,
    regions: Mutex<HashMap<String, Arc<Aws>>>,
}

impl Session {
    /// A session, in `region`, that has not called anyone yet.
    pub(super) fn in_region(config: Config, region: String) -> Self {
        let (sdk, account) = (OnceCell::new(), OnceCell::new());
        Self { config, region, sdk, account, regions: Mutex::default() }
    }

    /// The provider's own region.
    pub(super) fn home(&self) -> &str {
        &self.region
    }

    /// How the provider is configured.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The clients for `region`, or for the provider's own.
    ///
    /// # Errors
    /// [`NoAccess`] when AWS does not let us in.
    pub(super) async fn aws(&self, region: Option<&str>) -> Result<Arc<Aws>> {
        let sdk = self.sdk.get_or_init(|| load(&self.config, &self.region)).await;
        let account = match self.account.get_or_try_init(|| self.validate(sdk)).await? {
            Ok(account) => account.clone(),
            Err(cause) => bail!(NoAccess(cause.clone())),
        };
        let region = region.unwrap_or(&self.region);
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let aws = regions.entry(region.to_owned()).or_insert_with(|| {
            let sdk = sdk.to_builder().region(Region::new(region.to_owned())).build();
            Arc::new(Aws::new(sdk, region.to_owned(), &self.config, account))
        });
        Ok(aws.clone())
    }

    /// Asks AWS once who we are, so that a wrong key or address is one error and not one for every resource.
    ///
    /// # Errors
    /// When AWS does not say, this time, which is no fault of the credentials.
    async fn validate(&self, sdk: &SdkConfig) -> Result<Result<Option<String>, String>> {
        if self.config.skip_credentials_validation && self.config.allowed_account_ids.is_empty() {
            return Ok(Ok(None));
        }
        let aws = Aws::new(sdk.clone(), self.region.clone(), &self.config, None);
        let brief = aws_sdk_sts::config::Builder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build());
        let asked = aws.sts().get_caller_identity().customize().config_override(brief).send().await.explain();
        let account = match asked {
            Ok(identity) => identity.account.unwrap_or_default(),
            Err(error) if refused_with(&error, UNABLE) => return Err(error.context("AWS did not check the credentials")),
            Err(error) => return Ok(Err(self.explain_access(sdk, &error).await)),
        };
        let allowed = &self.config.allowed_account_ids;
        if !allowed.is_empty() && !allowed.contains(&account) {
            return Ok(Err(format!(
                "the credentials are of account {account}; fargate:allowedAccountIds allows {}",
                allowed.join(", ")
            )));
        }
        Ok(Ok(Some(account)))
    }

    /// Why AWS does not let us in, and what to do. Credentials, where they come from, and the way to AWS are told apart.
    async fn explain_access(&self, sdk: &SdkConfig, error: &anyhow::Error) -> String {
        let profile = self.config.profile.clone().or_else(|| env("AWS_PROFILE")).filter(|_| !self.has_keys());
        let log_in = profile.as_ref().map_or("`aws sso login`".to_owned(), |it| format!("`aws sso login --profile {it}`"));
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            let from = self.source(profile.as_deref());
            return match refusal.code.as_str() {
                "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                    format!(
                        "the credentials {from} have expired\nfix: log in again, for instance by {log_in}\nAWS says: {refusal}"
                    )
                }
                _ => format!("AWS does not accept the credentials {from}\nfix: correct them\nAWS says: {refusal}"),
            };
        }
        let broken = match sdk.credentials_provider() {
            Some(provider) => match timeout(Duration::from_secs(10), provider.provide_credentials()).await {
                Ok(given) => given.err(),
                Err(_) => Some(CredentialsError::provider_timed_out(Duration::from_secs(10))),
            },
            None => Some(CredentialsError::not_loaded("no provider of credentials")),
        };
        let Some(broken) = broken else { return self.explain_unreachable(sdk, &error.to_string()) };
        let (cause, all) = (root_cause(&broken), format!("{}", DisplayErrorContext(&broken)));
        let profiles = profiles().await;
        if let (Some(name), Some(profiles)) = (&profile, &profiles)
            && let Some(known) = without(profiles, name)
        {
            let set = self.names_profile();
            return format!(
                "profile {name} is not in the AWS configuration files\nfix: correct {set}, or add the profile by `aws configure \
                 --profile {name}`: {known}"
            );
        }
        let sso = |name: &String| {
            let found = profiles.as_ref().and_then(|it| it.get_profile(name));
            found.is_some_and(|it| it.get("sso_session").or(it.get("sso_start_url")).is_some())
        };
        if let Some(name) = profile.as_ref().filter(|it| sso(it)) {
            return format!("profile {name} has no valid SSO session\nfix: log in by {log_in}");
        }
        if ["dispatch failure", "timed out", "timeout"].iter().any(|it| all.contains(it)) {
            return self.explain_unreachable(sdk, &cause);
        }
        if let Some(role) = &self.config.assume_role {
            let arn = &role.role_arn;
            return format!(
                "cannot assume the role {arn}\nfix: check fargate:assumeRole, and that the trust policy of the role allows the \
                 credentials it is assumed with\ncause: {cause}"
            );
        }
        match profile {
            Some(name) => {
                format!("profile {name} provides no credentials\nfix: correct it in the AWS configuration files\ncause: {cause}")
            }
            None => format!(
                "no AWS credentials were found\nfix: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `pulumi \
                 config set fargate:profile <name>`, or log in by `aws sso login`\ncause: {cause}"
            ),
        }
    }

    fn explain_unreachable(&self, sdk: &SdkConfig, text: &str) -> String {
        let own = self.config.endpoints().sts;
        let set = match (&own, &self.config.endpoint) {
            (Some(_), _) => "fargate:endpoints.sts",
            (None, Some(_)) => "fargate:endpoint",
            (None, None) => "AWS_ENDPOINT_URL",
        };
        if let Some(endpoint) = own.or(sdk.endpoint_url().map(str::to_owned)).or_else(|| env("AWS_ENDPOINT_URL")) {
            return format!(
                "cannot reach AWS at {endpoint}\nfix: check that something listens there, or correct {set}\ncause: {text}"
            );
        }
        let region = &self.region;
        let near = nearest(region, &REGIONS).filter(|it| it != region);
        let near = near.map(|it| format!(" (did you mean {it}?)")).unwrap_or_default();
        format!(
            "cannot reach AWS in region {region}\nfix: check the spelling of fargate:region or AWS_REGION{near}, and the network\n\
             cause: {text}"
        )
    }

    /// What to say of a region that only looks like one. A new one passes.
    pub(super) fn misspelt_region(&self) -> Option<String> {
        let region = &self.region;
        let near = misspelt(region, &REGIONS).filter(|it| it != region)?;
        let is_one_off = strsim::damerau_levenshtein(near, region) == 1 && !differ_by_digits(near, region);
        is_one_off.then(|| {
            format!("region {region} is not one that is known\nfix: did you mean {near}? Set fargate:region, or AWS_REGION")
        })
    }

    /// What to say of a profile that does not exist and that nothing reads, for keys come before it. Looks at files, calls nobody.
    pub async fn ignored_profile(&self) -> Option<String> {
        let name = self.config.profile.clone().or_else(|| env("AWS_PROFILE"))?;
        // The default one need not be written down.
        if !self.has_keys() || name == "default" {
            return None;
        }
        let (known, set, from) = (without(&profiles().await?, &name)?, self.names_profile(), self.source(None));
        Some(format!(
            "profile {name} is not in the AWS configuration files, so {set} has no effect: the credentials {from} are used\n\
             fix: correct {set}, or remove it: {known}"
        ))
    }

    /// What names the profile.
    fn names_profile(&self) -> &'static str {
        if self.config.profile.is_some() { "fargate:profile" } else { "AWS_PROFILE" }
    }

    fn has_keys(&self) -> bool {
        let set = self.config.access_key.is_some();
        // The environment's keys come before its profile, but not before that of the program.
        set || self.config.profile.is_none() && env("AWS_ACCESS_KEY_ID").is_some()
    }

    /// Where the credentials come from.
    fn source(&self, profile: Option<&str>) -> String {
        match profile {
            Some(name) => format!("of profile {name}"),
            None if self.config.access_key.is_some() => "in fargate:accessKey and fargate:secretKey".to_owned(),
            None if env("AWS_ACCESS_KEY_ID").is_some() => "in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
            None => "of this machine".to_owned(),
        }
    }
}

/// The codes by which AWS says that it is busy or broken.
const UNABLE: &[&str] =
    &["InternalError", "InternalFailure", "RequestLimitExceeded", "ServiceUnavailable", "Throttling", "ThrottlingException"];

/// Regions that have ECS, to find the one that is meant by a misspelling.
const REGIONS: [&str; 34] = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// What the AWS configuration files say, if they can be read.
async fn profiles() -> Option<ProfileSet> {
    profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), None).await.ok()
}

/// The profiles that there are, if the one of this name is not among them.
fn without(profiles: &ProfileSet, name: &str) -> Option<String> {
    if profiles.get_profile(name).is_some() {
        return None;
    }
    let mut names: Vec<_> = profiles.profiles().collect();
    names.sort_unstable();
    let near = nearest(name, &names).map(|it| format!("did you mean {it}? ")).unwrap_or_default();
    let known =
        if names.is_empty() { "no profile is configured".to_owned() } else { format!("configured are {}", names.join(", ")) };
    Some(format!("{near}{known}"))
}

/// Whether two regions are of one place: a new one may have the next number.
fn differ_by_digits(one: &str, other: &str) -> bool {
    let place = |it: &str| it.trim_end_matches(|it: char| it.is_ascii_digit()).to_owned();
    place(one) == place(other)
}

/// A variable of the environment that says something.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}

/// What to say when nobody names a region.
pub(super) fn missing_region() -> MissingSetting {
    let description = "no AWS region is set: run `pulumi config set fargate:region <region>`, or set AWS_REGION";
    MissingSetting { name: "region", description: description.to_owned() }
}

/// The region that the environment or the profile sets. Looks at files, calls nobody.
pub(super) async fn default_region(profile: Option<&str>) -> Option<String> {
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
    // The calls for a role have none of our limits to end their retries.
    sts.set_retry_config(Some(RetryConfig::standard()));
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
