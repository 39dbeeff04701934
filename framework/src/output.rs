//! Values that a component works with: they may be unknown or secret, and know which resources they come from.

use std::{borrow::Cow, collections::BTreeSet, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, IntoDeserializer as _, SeqAccess, Visitor, value},
    ser::Error as _,
};

use crate::value::Value;

/// A value that other resources may yet have to bring about.
///
/// ```
/// use pulumi_provider::output::Output;
///
/// let port: Output<i32> = 6379.into();
/// let url = port.map(|it| format!("redis://host:{it}"));
/// assert_eq!(format!("{url:?}"), "\"redis://host:6379\"");
/// assert_eq!(format!("{:?}", url.secret()), "[secret]");
/// ```
#[derive(Clone)]
pub struct Output<T> {
    value: Option<T>,
    secret: bool,
    dependencies: BTreeSet<String>,
}

impl<T> From<T> for Output<T> {
    fn from(value: T) -> Self {
        Self { value: Some(value), secret: false, dependencies: BTreeSet::new() }
    }
}

impl<T> Output<T> {
    /// What `f` makes of the value, once that is known. It is as secret, and comes from the same resources.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Output<U> {
        Output { value: self.value.map(f), secret: self.secret, dependencies: self.dependencies }
    }

    /// Both values, once both are known.
    pub fn zip<U>(self, other: Output<U>) -> Output<(T, U)> {
        Output {
            value: self.value.zip(other.value),
            secret: self.secret || other.secret,
            dependencies: self.dependencies.into_iter().chain(other.dependencies).collect(),
        }
    }

    /// The same value, never to be shown.
    #[must_use]
    pub fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

impl<T: fmt::Debug> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str("[unknown]"),
            Some(_) if self.secret => f.write_str("[secret]"),
            Some(value) => value.fmt(f),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Output<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert("output".to_owned(), true.into());
        schema
    }
}

impl<T: Serialize> Serialize for Output<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match &self.value {
            Some(value) => serde_json::to_value(value).map_err(S::Error::custom)?.into(),
            None => Value::Unknown,
        };
        let value = if self.secret { value.secret() } else { value };
        value.depending_on(self.dependencies.clone()).serialize(serializer)
    }
}

/// The name by which an output asks the codec for more than the value: for its [`Parts`].
pub const NAME: &str = "pulumi_provider::Output";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Output<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, Assemble(PhantomData))
    }
}

struct Assemble<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Assemble<T> {
    type Value = Output<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of Pulumi's")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Output<T>, A::Error> {
        let missing = || de::Error::custom("a part of an output is missing");
        let secret = parts.next_element()?.ok_or_else(missing)?;
        let dependencies = parts.next_element()?.ok_or_else(missing)?;
        Ok(Output { value: parts.next_element()?, secret, dependencies })
    }
}

/// What an output is made of: whether it is secret, what it comes from, and the value, if all of that is known.
pub struct Parts<'de> {
    value: &'de Value,
    given: usize,
}

impl<'de> Parts<'de> {
    /// The parts of `value`.
    pub fn of(value: &'de Value) -> Self {
        Self { value, given: 0 }
    }
}

impl<'de> SeqAccess<'de> for Parts<'de> {
    type Error = value::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, value::Error> {
        self.given += 1;
        match self.given {
            1 => seed.deserialize(self.value.contains_secret().into_deserializer()).map(Some),
            2 => {
                let urns = self.value.dependencies().into_iter();
                seed.deserialize(value::SeqDeserializer::new(urns)).map(Some)
            }
            3 if !self.value.contains_unknown() => seed.deserialize(self.value).map(Some),
            _ => Ok(None),
        }
    }
}
