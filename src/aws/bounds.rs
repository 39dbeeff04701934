//! The bounds of inputs that AWS's own service models state: lengths, ranges and patterns, as `tools/bounds.py` reads them there.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

/// The bounds of a resource's inputs: keywords of JSON Schema by path, such as `actions[].order`.
pub fn of(resource: &str) -> &'static Map<String, Json> {
    static NONE: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);
    static BOUNDS: LazyLock<Json> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "a test reads the file")]
        serde_json::from_str(include_str!("bounds.json")).expect("bounds.json is JSON")
    });
    BOUNDS[resource].as_object().unwrap_or(&NONE)
}
