//! The provider's own settings, as stack configuration and the SDKs bring them.

use crate::{
    check::{self, Failure},
    cloud::Cloud,
    schema::{Shape, Shapes},
    value::{Map, Value},
};

/// The shapes of the settings.
pub(crate) fn shapes<C: Cloud>() -> Shapes {
    Shapes::of::<C::Settings>().in_cloud::<C>()
}

/// Settings in their own types, with defaults, and what is wrong with them. Stack configuration and the SDKs bring
/// everything but text as JSON in a string.
pub(crate) fn typed<C: Cloud>(settings: &Map, shape: Shape<'_>) -> (Map, Vec<Failure>) {
    let mut typed: Map = settings.clone();
    // The engine's own, beside the settings.
    typed
        .retain(|name, it| !name.starts_with("__") && name != "version" && *it.plain() != Value::Null && it.as_str() != Some(""));
    for (name, value) in &mut typed {
        if let Some(property) = shape.property(name) {
            parse(value, property);
        }
    }
    let mut failures = check::complete(&mut typed, shape).failures;
    failures.extend(C::check_settings(&typed));
    (typed, failures)
}

fn parse(value: &mut Value, property: Shape<'_>) {
    if let Value::Secret(inner) = value {
        return parse(inner, property);
    }
    if let (Value::String(text), Some("object" | "array")) = (&*value, property.resolve().kind())
        && let Ok(json) = serde_json::from_str::<serde_json::Value>(text)
    {
        *value = Value::from(json);
    }
}
