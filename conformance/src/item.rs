//! One item of the checklist, and what can come of it.

use std::fmt::Display;

use futures::future::BoxFuture;

use crate::run::Run;

/// One thing that every provider has to do, or must not.
#[derive(Clone, Copy)]
pub struct Item {
    /// Its number in docs/conformance.md.
    pub number: u16,
    /// What must hold, in one line.
    pub title: &'static str,
    /// Finds out whether it holds.
    pub check: for<'a> fn(&'a Run) -> BoxFuture<'a, Outcome>,
}

/// Whether an item holds; if not, why not.
pub type Outcome<T = ()> = Result<T, Stop>;

/// Why an item does not hold.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The provider does something else.
    Failed { expected: String, seen: String },
    /// The provider has nothing that the item is about, or nothing here can show it.
    NotApplicable(String),
}

/// An item that is not about this provider.
pub fn not_applicable<T>(why: impl Display) -> Outcome<T> {
    Err(Stop::NotApplicable(why.to_string()))
}

/// An item that does not hold.
pub fn failed<T>(expected: impl Display, seen: impl Display) -> Outcome<T> {
    Err(Stop::Failed { expected: expected.to_string(), seen: seen.to_string() })
}

/// Fails unless `holds`.
pub fn expect(holds: bool, expected: impl Display, seen: impl Display) -> Outcome {
    if holds { Ok(()) } else { failed(expected, seen) }
}

/// Fails with all that was found, unless that is nothing. Long lists are cut.
pub fn expect_none<T: Display>(found: impl IntoIterator<Item = T>, expected: impl Display) -> Outcome {
    let found: Vec<_> = found.into_iter().map(|it| it.to_string()).collect();
    let more = found.len().saturating_sub(5);
    let mut seen = found.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        seen = format!("{seen}; and {more} more");
    }
    expect(found.is_empty(), expected, seen)
}

/// The answer to a call that has to succeed.
pub fn answered<T>(answer: Result<T, tonic::Status>, call: impl Display) -> Outcome<T> {
    answer.or_else(|status| failed(format!("{call} to succeed"), format!("{:?}: {}", status.code(), status.message())))
}

/// None if that is not about this provider, or nothing here can show it.
pub fn if_applicable<T>(outcome: Outcome<T>) -> Outcome<Option<T>> {
    match outcome {
        Err(Stop::NotApplicable(_)) => Ok(None),
        other => other.map(Some),
    }
}

impl From<tonic::Status> for Stop {
    fn from(status: tonic::Status) -> Self {
        Self::Failed { expected: "an answer".to_owned(), seen: format!("{:?}: {}", status.code(), status.message()) }
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed { expected: "a provider to speak with".to_owned(), seen: format!("{error:#}") }
    }
}
