//! Every function of the package, one file each.

pub mod get_authorization_token;
pub mod get_availability_zones;
pub mod get_caller_identity;
pub mod get_image;
pub mod get_subnets;
pub mod get_vpc;

use crate::{
    aws::Session,
    function::{AnyFunction, Erased},
};

/// Lists functions, each behind a static of its own.
macro_rules! functions {
    ($($module:ident::$name:ident,)*) => {
        /// All functions, in alphabetical order.
        pub const fn all() -> &'static [&'static dyn AnyFunction<Session>] {
            static ALL: &[&dyn AnyFunction<Session>] = &[$({
                static IT: Erased<$module::$name> = Erased::NEW;
                &IT
            }),*];
            ALL
        }
    };
}

functions! {
    get_authorization_token::GetAuthorizationToken,
    get_availability_zones::GetAvailabilityZones,
    get_caller_identity::GetCallerIdentity,
    get_image::GetImage,
    get_subnets::GetSubnets,
    get_vpc::GetVpc,
}
