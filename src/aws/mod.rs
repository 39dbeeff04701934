//! AWS: sessions, clients, refusals, waits, shared reads. With `resources` and `functions`, all that knows the AWS SDK.

pub mod arn;
mod batch;
pub mod bounds;
mod cloud;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod elasticache;
pub mod elb;
mod error;
pub mod logs;
pub mod metrics;
mod retry;
pub mod scaling;
mod session;
mod settle;
mod tags;

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyhow::Result;
use aws_config::SdkConfig;

pub use batch::Lookup;
#[cfg(test)]
pub(crate) use cloud::KEYWORDS;
pub use error::{Explain, Refusal, refused_with, status_of};
pub use pulumi_provider::wait::{Observer, Patience, Seen, TimedOut};
pub use session::Session;
use session::{default_region, missing_region};
pub use settle::{Passing, Settle};

use crate::config::{Config, Endpoints};

/// The clients of one region, each made when it is first needed.
pub struct Aws {
    sdk: SdkConfig,
    region: String,
    endpoints: Endpoints,
    retries: u32,
    account: Option<String>,
    shared: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    application_auto_scaling: OnceLock<aws_sdk_applicationautoscaling::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    ec2: OnceLock<aws_sdk_ec2::Client>,
    ecr: OnceLock<aws_sdk_ecr::Client>,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    elasticache: OnceLock<aws_sdk_elasticache::Client>,
    elb: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

/// Writes the method that makes a service's client once, at the endpoint configured for it.
macro_rules! client {
    ($(#[$doc:meta])* $method:ident, $sdk:ident, $endpoint:ident) => {
        $(#[$doc])*
        pub fn $method(&self) -> &$sdk::Client {
            self.$method.get_or_init(|| {
                let limits = retry::Limits { retries: self.retries };
                let config = $sdk::config::Builder::from(&self.sdk).retry_partition(retry::partition());
                let mut config = config.interceptor(limits);
                if let Some(url) = &self.endpoints.$endpoint {
                    config.set_endpoint_url(Some(url.clone()));
                }
                $sdk::Client::from_conf(config.build())
            })
        }
    };
}

impl Aws {
    fn new(sdk: SdkConfig, region: String, config: &Config, account: Option<String>) -> Self {
        Self {
            sdk,
            region,
            endpoints: config.endpoints(),
            retries: u32::try_from(config.max_retries).unwrap_or_default(),
            account,
            shared: Mutex::default(),
            application_auto_scaling: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            ec2: OnceLock::new(),
            ecr: OnceLock::new(),
            ecs: OnceLock::new(),
            elasticache: OnceLock::new(),
            elb: OnceLock::new(),
            iam: OnceLock::new(),
            logs: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }

    client!(
        /// Application Auto Scaling.
        application_auto_scaling, aws_sdk_applicationautoscaling, applicationautoscaling);
    client!(
        /// CloudWatch.
        cloudwatch, aws_sdk_cloudwatch, cloudwatch);
    client!(
        /// EC2 and VPC.
        ec2, aws_sdk_ec2, ec2);
    client!(
        /// The Elastic Container Registry.
        ecr, aws_sdk_ecr, ecr);
    client!(
        /// The Elastic Container Service.
        ecs, aws_sdk_ecs, ecs);
    client!(
        /// ElastiCache.
        elasticache, aws_sdk_elasticache, elasticache);
    client!(
        /// Elastic Load Balancing, version 2.
        elb, aws_sdk_elasticloadbalancingv2, elbv2);
    client!(
        /// Identity and Access Management.
        iam, aws_sdk_iam, iam);
    client!(
        /// CloudWatch Logs.
        logs, aws_sdk_cloudwatchlogs, logs);
    client!(
        /// The Security Token Service.
        sts, aws_sdk_sts, sts);

    /// The region of the clients.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The number of the account, where credentials were validated.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Looks something up, in one call together with whatever else is looked up at the same time.
    pub async fn look_up<L: Lookup>(self: &Arc<Self>, key: L::Key) -> Result<Option<L::Found>> {
        self.shared(|| batch::Batch::<L>::new(self)).get(key).await
    }

    /// What the resources of this session share in this region, of one type; `new` makes it when it is first needed.
    pub fn shared<T: Any + Send + Sync>(&self, new: impl FnOnce() -> T) -> Arc<T> {
        let shared = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(new())).clone()
        };
        match shared.downcast() {
            Ok(it) => it,
            Err(_) => unreachable!("each is kept under its own type"),
        }
    }
}
