//! ec2: where subnets can be.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_ec2::types::AvailabilityZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Explain as _, ec2},
    codec::Unlisted,
    function::Function,
    resource::Context,
};

pub struct GetAvailabilityZones;

/// Lists the availability zones of the region, by name. Local Zones and Wavelength Zones, in which Fargate does not run,
/// are left out unless a filter for `zone-type` asks for them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {
    /// Whether to list zones that the account has not opted in to. Default: false.
    #[serde(default)]
    pub all_availability_zones: bool,
    /// The names of zones to leave out.
    #[serde(default)]
    pub exclude_names: Vec<String>,
    /// The ids of zones to leave out.
    #[serde(default)]
    pub exclude_zone_ids: Vec<String>,
    /// What the zones have to match, by the filters of `DescribeAvailabilityZones`.
    #[serde(default)]
    pub filters: Vec<ec2::FilterArgument>,
    /// The state the zones are in. Default: `available`.
    #[serde(default)]
    pub state: AvailabilityZoneState,
}

/// The state of an availability zone.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AvailabilityZoneState {
    /// It works.
    #[default]
    Available,
    /// It works, and AWS has something to say about it.
    Information,
    /// It works in part.
    Impaired,
    /// It does not work.
    Unavailable,
    /// It takes nothing new.
    Constrained,
    /// A value that this version does not list.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Unlisted),
}

impl AvailabilityZoneState {
    fn name(&self) -> &str {
        match self {
            Self::Available => "available",
            Self::Information => "information",
            Self::Impaired => "impaired",
            Self::Unavailable => "unavailable",
            Self::Constrained => "constrained",
            Self::Other(it) => it.as_str(),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The names of the zones, such as `eu-central-1a`, in alphabetical order.
    pub names: Vec<String>,
    /// The ids of the zones, such as `euc1-az2`, in the order of the names. An id means the same zone in every account.
    pub zone_ids: Vec<String>,
    /// The groups that the zones are in, in alphabetical order.
    pub group_names: Vec<String>,
}

impl Function for GetAvailabilityZones {
    const NAME: &'static str = "getAvailabilityZones";
    type Cloud = crate::aws::Session;
    type Arguments = Arguments;
    type Answer = Answer;

    async fn call(context: &Context, arguments: &Arguments) -> Result<Answer> {
        let mut filters = ec2::filters(&arguments.filters, &BTreeMap::new());
        filters.push(ec2::filter("state", vec![arguments.state.name().to_owned()]));
        if !arguments.filters.iter().any(|it| it.name == "zone-type") {
            filters.push(ec2::filter("zone-type", vec!["availability-zone".to_owned()]));
        }
        let request = context.client.ec2().describe_availability_zones().set_filters(Some(filters));
        let zones = request.all_availability_zones(arguments.all_availability_zones).send().await.explain()?;
        let left_out = |it: &AvailabilityZone| {
            it.zone_name().is_some_and(|name| arguments.exclude_names.iter().any(|it| it == name))
                || it.zone_id().is_some_and(|id| arguments.exclude_zone_ids.iter().any(|it| it == id))
        };
        let mut zones: Vec<_> = zones.availability_zones().iter().filter(|it| !left_out(it)).collect();
        zones.sort_by_key(|it| it.zone_name());
        let mut group_names: Vec<_> = zones.iter().filter_map(|it| it.group_name().map(str::to_owned)).collect();
        group_names.sort();
        group_names.dedup();
        Ok(Answer {
            names: zones.iter().filter_map(|it| it.zone_name().map(str::to_owned)).collect(),
            zone_ids: zones.iter().filter_map(|it| it.zone_id().map(str::to_owned)).collect(),
            group_names,
        })
    }
}
