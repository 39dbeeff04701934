//! What an inspection of a document finds, at paths within it.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::{
    check::{Failure, Findings, Report, nearest},
    value::{path_of_index, path_of_key},
};

/// Walks through a document and collects what is wrong with it. A part that is null is one that is not known yet: a rule says
/// nothing of it.
pub struct Inspection {
    /// What the document is, such as `policy document`.
    pub what: &'static str,
    /// Whether the document holds a secret, so that nothing of it is quoted.
    pub secret: bool,
    pub found: Findings,
}

impl Inspection {
    /// An inspection that has found nothing yet.
    pub fn new(what: &'static str, secret: bool) -> Self {
        Self { what, secret, found: Findings::default() }
    }

    pub fn fail(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.found.failures.push(Failure { path: path.into(), reason: reason.into() });
    }

    pub fn warn(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.found.warnings.push(Failure { path: path.into(), reason: reason.into() });
    }

    /// How a reason begins that says what a value should be: `is "allow", not`.
    pub fn is_not(&self, value: &Json) -> String {
        if self.secret { "is not".to_owned() } else { format!("is {value}, not") }
    }

    /// The elements of `map`, of those that are `known`, as they are or misspelt. Reports all others.
    pub fn elements<'k>(&mut self, path: &str, map: &Map<String, Json>, known: &[&'k str]) -> BTreeSet<&'k str> {
        let mut said = BTreeSet::new();
        for key in map.keys() {
            if let Some(name) = known.iter().find(|it| *it == key) {
                said.insert(*name);
                continue;
            }
            let near = nearest(key, known);
            said.extend(near);
            let (at, it) = if self.secret {
                (path.to_owned(), "has an element that is not one")
            } else {
                (path_of_key(path, key), "is not an element")
            };
            let what = self.what;
            if let Some(near) = near {
                self.fail(at, format!("{it} of a {what}; did you mean {near}?"));
            } else {
                let all = known.join(", ");
                self.warn(at, format!("{it} of a {what} that AWS documents, and AWS may refuse it; there are {all}"));
            }
        }
        said
    }

    /// A map, with its path; anything else is a mistake.
    pub fn map<'j>(&mut self, path: &str, json: &'j Json) -> Option<&'j Map<String, Json>> {
        if !json.is_object() && !json.is_null() {
            self.fail(path, format!("is {}, not a map", kind(json)));
        }
        json.as_object()
    }

    /// The texts of a value that is one text or a list of texts, each with its path; anything else is a mistake.
    pub fn texts<'j>(&mut self, path: &str, json: &'j Json) -> Vec<(String, &'j str)> {
        let mut texts = Vec::new();
        for (at, item) in each(path, json) {
            match item {
                Json::String(it) => texts.push((at, it.as_str())),
                Json::Null => {}
                other => self.fail(at, format!("is {}, not text", kind(other))),
            }
        }
        texts
    }

    /// Reports all that was found and that no unknown value is to blame for.
    pub fn tell(self, report: &mut Report<'_>) {
        for it in self.found.failures {
            report.rule(&[&it.path], false, it.reason);
        }
        for it in self.found.warnings {
            report.warn(&[&it.path], false, it.reason);
        }
    }
}

/// The items of a list, or the one that stands for a list of one; each with its path.
pub fn each<'j>(path: &str, json: &'j Json) -> Vec<(String, &'j Json)> {
    match json {
        Json::Array(items) => items.iter().enumerate().map(|(index, it)| (path_of_index(path, index), it)).collect(),
        one => vec![(path.to_owned(), one)],
    }
}

/// What a value is, in words.
pub fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}
