//! The names that AWS gives to the choices of an enum, as the enum itself spells them.

use anyhow::{Context as _, Result};
use serde::{
    Serialize,
    de::{
        DeserializeOwned, IntoDeserializer as _,
        value::{Error, StrDeserializer},
    },
};

/// AWS's name for a choice.
pub fn name_of<T: Serialize>(choice: &T) -> String {
    let name = serde_json::to_value(choice).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

/// The choice that AWS names.
pub fn named<T: DeserializeOwned>(name: &str) -> Result<T> {
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    T::deserialize(name).context("AWS answers with a name that this version of the provider does not know")
}
