//! The bounds of inputs that AWS's own service models state: lengths, ranges and patterns, as `tools/bounds.py` reads them there.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

/// The bounds of a resource's inputs: keywords of JSON Schema by path, such as `actions[].order`.
pub fn of(resource: &str) -> impl Iterator<Item = (&'static String, &'static Json)> {
    static BOUNDS: LazyLock<Map<String, Json>> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "a test reads the file")]
        serde_json::from_str(include_str!("bounds.json")).expect("bounds.json is JSON")
    });
    BOUNDS.get(resource).and_then(Json::as_object).into_iter().flatten()
}
