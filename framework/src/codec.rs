//! Turns Pulumi values into typed structs and back.
//!
//! Reading sees through secrets, but for an [`output::Output`], which keeps all that is known of a value. An unknown value
//! reads as the zero of whatever type is asked for, so a preview can decode inputs whose values do not exist yet. Writing
//! marks again what was secret.

use std::iter;

use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor, value::Error};
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};
use ustr::Ustr;

use crate::{
    output,
    schema::Shape,
    value::{Map, Value},
};

/// Reads a typed struct out of `map`, whose shape has been checked.
pub fn decode<T: DeserializeOwned>(map: &Map) -> anyhow::Result<T> {
    let value = Value::Object(map.clone());
    serde_path_to_error::deserialize(&value).map_err(|e| anyhow::anyhow!("{}: {}", e.path(), e.inner()))
}

/// Writes `typed`. Nothing in it is marked as secret yet.
pub fn encode<T: Serialize>(typed: &T) -> anyhow::Result<Map> {
    let Value::Object(map) = Value::from(serde_json::to_value(typed)?) else {
        anyhow::bail!("only structs can be written");
    };
    Ok(map)
}

/// The name of one of an enum's values, which programs and the cloud share.
pub fn name_of<T: Serialize>(value: T) -> String {
    let name = serde_json::to_value(value).ok();
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// A name that an enum does not list, since the cloud has learnt it later. Empty as long as it is unknown.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
pub struct Unlisted(Ustr);

impl Unlisted {
    /// The name.
    pub fn as_str(&self) -> &'static str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Unlisted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(Self(Ustr::from(&name.unwrap_or_default())))
    }
}

/// The value of an enum that has this name.
pub fn named<T: DeserializeOwned>(name: &str) -> anyhow::Result<T> {
    let deserializer: de::value::StrDeserializer<'_, Error> = name.into_deserializer();
    Ok(T::deserialize(deserializer)?)
}

/// A value as plain JSON, for the cloud. Secrets are in it.
pub fn json(value: &Value) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::Value::deserialize(value)?)
}

/// Marks as secret what is secret in `like`, an earlier form of `map`.
pub fn mark_like(map: &mut Map, like: &Map, shape: Shape<'_>) {
    for (name, value) in map {
        if let (Some(like), Some(shape)) = (like.get(name), shape.property(name).or_else(|| shape.element())) {
            mark_one_like(value, like, shape);
        }
    }
}

fn mark_one_like(value: &mut Value, like: &Value, shape: Shape<'_>) {
    let keys = shape.keys();
    match (&mut *value, like) {
        (_, Value::Secret(_)) => *value = std::mem::take(value).secret(),
        // A document, of which nobody knows the parts.
        _ if shape.resolve().kind().is_none() && like.contains_secret() => *value = std::mem::take(value).secret(),
        (Value::Object(map), Value::Object(like)) => mark_like(map, like, shape.resolve()),
        (Value::List(items), Value::List(likes)) => match shape.resolve().element() {
            Some(element) if !keys.is_empty() => {
                for item in items {
                    match likes.iter().find(|like| like.has_same(&keys, item)) {
                        Some(like) => mark_one_like(item, like, element),
                        // It may be a secret one by another name.
                        None if like.contains_secret() => *item = std::mem::take(item).secret(),
                        None => {}
                    }
                }
            }
            // Nothing tells which item a secret one has become.
            _ if like.contains_secret() => *value = std::mem::take(value).secret(),
            _ => {}
        },
        _ => {}
    }
}

/// Marks what is secret by itself, whatever the inputs were.
pub fn mark_secrets(map: &mut Map, shape: Shape<'_>) {
    for (name, value) in map {
        let Some(property) = shape.property(name) else { continue };
        mark_secret(value, property.resolve());
        if property.flag("secret") {
            *value = std::mem::take(value).secret();
        }
    }
}

fn mark_secret(value: &mut Value, shape: Shape<'_>) {
    match (value, shape.element()) {
        (Value::List(items), Some(element)) => items.iter_mut().for_each(|it| mark_secret(it, element.resolve())),
        (Value::Object(map), Some(element)) => map.values_mut().for_each(|it| mark_secret(it, element.resolve())),
        (Value::Object(map), None) => mark_secrets(map, shape),
        _ => {}
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(it) => Self::Bool(it),
            Json::Number(it) => Self::Number(it.as_f64().unwrap_or_default()),
            Json::String(it) => Self::String(it),
            Json::Array(it) => Self::List(it.into_iter().map(Self::from).collect()),
            // Settings may come as JSON text that has secrets marked in it.
            Json::Object(it) => {
                Self::from_object(it.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, v.into())).collect())
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(it) => serializer.serialize_bool(*it),
            #[expect(clippy::cast_possible_truncation)]
            Self::Number(it) if it.fract() == 0.0 && it.abs() < 9e15 => serializer.serialize_i64(*it as i64),
            Self::Number(it) => serializer.serialize_f64(*it),
            Self::String(it) => serializer.serialize_str(it),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(map) | Self::Asset(map) => serializer.collect_map(map),
            special => special.clone().spelled().serialize(serializer),
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for &'de Value {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Null | Value::Unknown => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(*it),
            // Protobuf has only doubles; hand whole numbers on as integers.
            #[expect(clippy::cast_possible_truncation)]
            Value::Number(it) if it.fract() == 0.0 && it.abs() < 9e15 => visitor.visit_i64(*it as i64),
            Value::Number(it) => visitor.visit_f64(*it),
            Value::String(it) => visitor.visit_borrowed_str(it),
            Value::List(items) => visitor.visit_seq(de::value::SeqDeserializer::new(items.iter())),
            Value::Object(map) | Value::Asset(map) => {
                visitor.visit_map(de::value::MapDeserializer::new(map.iter().map(|(key, value)| (key.as_str(), value))))
            }
            Value::Secret(inner) | Value::Output(inner, _) => inner.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.plain() {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.plain() {
            Value::Unknown => visitor.visit_enum(variants[0].into_deserializer()),
            Value::String(it) => visitor.visit_enum(it.as_str().into_deserializer()),
            _ => Err(de::Error::custom(format_args!("expected one of the {name} names"))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.plain() {
            Value::Unknown => {
                visitor.visit_map(de::value::MapDeserializer::new(fields.iter().map(|field| (*field, &Value::Unknown))))
            }
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.or_zero(visitor, |visitor| visitor.visit_str(""))
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.or_zero(visitor, |visitor| visitor.visit_bool(false))
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.or_zero(visitor, |visitor| visitor.visit_i64(0))
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_i32(visitor)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_i32(visitor)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.or_zero(visitor, |visitor| visitor.visit_seq(de::value::SeqDeserializer::new(iter::empty::<&Value>())))
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.or_zero(visitor, |visitor| visitor.visit_map(de::value::MapDeserializer::new(iter::empty::<(&str, &Value)>())))
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match name {
            output::NAME => visitor.visit_seq(output::Parts::of(self)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

impl Value {
    fn or_zero<'de, V: Visitor<'de>>(
        &'de self,
        visitor: V,
        zero: impl FnOnce(V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        match self.plain() {
            Self::Unknown => zero(visitor),
            value => value.deserialize_any(visitor),
        }
    }
}
