//! What many items of Check and Diff ask with: the samples that Check takes, and many questions at once.

use std::fmt::Display;

use futures::{StreamExt as _, stream};
use serde_json::Value as Json;

use crate::{
    item::{Outcome, Stop, failed},
    life::{Life, State},
    rpc,
    run::Run,
    schema::{Entry, as_sent},
    value::{Map, from_struct, plain_map},
    vary::{Place, all_places, places},
};

/// What Check answers.
pub(super) struct Checked {
    pub(super) inputs: Map,
    pub(super) failures: Vec<rpc::CheckFailure>,
}

impl From<rpc::CheckResponse> for Checked {
    fn from(answer: rpc::CheckResponse) -> Self {
        Self { inputs: from_struct(answer.inputs.as_ref()), failures: answer.failures }
    }
}

impl Checked {
    /// The failures, as one text.
    pub(super) fn told(&self) -> String {
        told(&self.failures)
    }
}

/// Failures, as one text.
pub(super) fn told(failures: &[rpc::CheckFailure]) -> String {
    if failures.is_empty() {
        return "no failure".to_owned();
    }
    failures.iter().map(said).collect::<Vec<_>>().join("; ")
}

/// A failure, as one text.
pub(super) fn said(failure: &rpc::CheckFailure) -> String {
    format!("{} {}", failure.property, failure.reason).trim().to_owned()
}

/// A resource to ask about: its good inputs are good.
pub(super) struct Subject<'a> {
    pub(super) life: &'a Life,
    pub(super) entry: Entry<'a>,
    /// What the program says, without marks.
    pub(super) inputs: Map,
}

impl<'a> Subject<'a> {
    /// Inputs as a host sends them.
    pub(super) fn sent(&self, inputs: &Map) -> Map {
        as_sent(inputs, self.entry.inputs())
    }

    /// All values in what the program says.
    pub(super) fn places(&self) -> Vec<Place<'a>> {
        places(&self.inputs, self.entry.inputs())
    }

    /// The same, and the properties that it does not say.
    pub(super) fn all_places(&self) -> Vec<Place<'a>> {
        all_places(&self.inputs, self.entry.inputs())
    }

    /// All values in what Check makes of it, and the properties that are absent.
    pub(super) fn checked_places(&self) -> Vec<Place<'a>> {
        all_places(&plain_map(&self.life.checked), self.entry.inputs())
    }

    /// Check of a new resource.
    pub(super) fn check(&self, what: impl Display, inputs: &Map) -> Question<rpc::CheckRequest> {
        self.ask(what, self.life.subject.check(&Map::new(), &self.sent(inputs)))
    }

    /// Diff of what lives to `new`.
    pub(super) fn diff(&self, what: impl Display, new: &Map) -> Question<rpc::DiffRequest> {
        self.ask(what, self.life.subject.diff(&self.state(), &self.life.checked, &self.sent(new)))
    }

    /// A question about it.
    pub(super) fn ask<Q>(&self, what: impl Display, request: Q) -> Question<Q> {
        Question { about: format!("{} {what}", self.life.name).trim().to_owned(), request, by: () }
    }

    /// Its state; if it cannot be created here, one that it might have.
    pub(super) fn state(&self) -> State {
        let foreseen = || State { id: "conformance".to_owned(), outputs: self.life.checked.clone() };
        self.life.state.clone().unwrap_or_else(|_| foreseen())
    }
}

/// Something to ask.
pub(super) struct Question<Q, B = ()> {
    /// Of which resource, and what is special: `Thing with size unknown`.
    pub(super) about: String,
    pub(super) request: Q,
    /// What the answer is judged by.
    pub(super) by: B,
}

impl<Q> Question<Q> {
    /// The same question, with what its answer is judged by.
    pub(super) fn judged_by<B>(self, by: B) -> Question<Q, B> {
        Question { about: self.about, request: self.request, by }
    }
}

/// All resources that there are samples of; fails if Check refuses one that should be good.
pub(super) async fn subjects(run: &Run) -> Outcome<Vec<Subject<'_>>> {
    let mut subjects = Vec::new();
    for life in &run.lives().await?.all {
        let entry = run.resource(&life.subject.token)?;
        subjects.push(Subject { life, entry, inputs: plain_map(&life.inputs) });
    }
    let questions = subjects.iter().map(|it| it.check("", &it.inputs)).collect();
    for (question, checked) in check_all(run, questions).await? {
        if !checked.failures.is_empty() {
            return failed(format!("Check to take the good inputs of {}", question.about), checked.told());
        }
    }
    Ok(subjects)
}

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

/// Asks Check; fails if one question has no answer.
pub(super) async fn check_all<B: Send>(
    run: &Run,
    questions: Vec<Question<rpc::CheckRequest, B>>,
) -> Outcome<Vec<(Question<rpc::CheckRequest, B>, Checked)>> {
    let client = &run.lives().await?.provider.client;
    let asked = questions.into_iter().map(|question| {
        let mut client = client.clone();
        async move {
            let answer = client.check(question.request.clone()).await;
            let answer = answer.map_err(|status| no_answer("Check", &question.about, &status))?;
            Ok((question, answer.into_inner().into()))
        }
    });
    stream::iter(asked).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

/// Asks Diff; fails if one question has no answer.
pub(super) async fn diff_all<B: Send>(
    run: &Run,
    questions: Vec<Question<rpc::DiffRequest, B>>,
) -> Outcome<Vec<(Question<rpc::DiffRequest, B>, rpc::DiffResponse)>> {
    let client = &run.lives().await?.provider.client;
    let asked = questions.into_iter().map(|question| {
        let mut client = client.clone();
        async move {
            let answer = client.diff(question.request.clone()).await;
            let answer = answer.map_err(|status| no_answer("Diff", &question.about, &status))?;
            Ok((question, answer.into_inner()))
        }
    });
    stream::iter(asked).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

fn no_answer(call: &str, about: &str, status: &tonic::Status) -> Stop {
    Stop::Failed { expected: format!("{call} of {about} to answer"), seen: format!("{:?}: {}", status.code(), status.message()) }
}

/// The value, short enough to be shown.
pub(super) fn shown(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() > 80 { format!("{}…", text.chars().take(80).collect::<String>()) } else { text }
}
