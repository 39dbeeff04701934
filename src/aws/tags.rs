//! Tags: what AWS asks of them, of whatever resource.

use crate::{
    check::Failure,
    value::{Map, path_of_key},
};

/// What is wrong with the tags at `path`; where they are `restricted`, AWS takes letters, digits, spaces and `_.:/=+-@`.
pub(super) fn check(tags: &Map, restricted: bool, path: &str, secret: bool) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut fail = |path: String, reason: String| failures.push(Failure { path, reason });
    if tags.len() > 50 {
        fail(path.to_owned(), format!("has {} tags, with those of the provider; AWS takes 50", tags.len()));
    }
    let foreign = |text: &str| -> String {
        let legal =
            |it: char| it.is_alphanumeric() || it == ' ' || it.is_whitespace() && !it.is_control() || "_.:/=+-@".contains(it);
        text.chars().filter(|it| restricted && !legal(*it)).collect()
    };
    for (key, value) in tags {
        let at = path_of_key(path, key);
        let value = value.as_str().unwrap_or_default();
        let (key_length, value_length) = (key.chars().count(), value.chars().count());
        if key.is_empty() {
            fail(at.clone(), "has an empty key".to_owned());
        }
        if key_length > 128 {
            fail(at.clone(), format!("has a key of {key_length} characters; AWS takes 128"));
        }
        if key.to_lowercase().starts_with("aws:") {
            fail(at.clone(), "starts with aws:, which AWS reserves for its own tags; use another key".to_owned());
        }
        if value_length > 256 {
            fail(at.clone(), format!("has {value_length} characters; AWS takes 256 in the value of a tag"));
        }
        let characters = foreign(key) + &foreign(value);
        if !characters.is_empty() {
            let which = if secret { String::new() } else { format!(" {characters:?}") };
            fail(
                at,
                format!("has characters that AWS does not take here{which}; use letters, digits, spaces and any of _.:/=+-@"),
            );
        }
    }
    failures
}
