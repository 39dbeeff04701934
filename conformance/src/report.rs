//! What came of a run: as a table for people, as JSON and JUnit for programs.

use std::{fmt, time::Duration};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value as Json, json};

use crate::item::{Item, Outcome, Stop};

/// What came of every item.
pub struct Report {
    /// What was looked at.
    pub provider: String,
    pub rows: Vec<Row>,
}

/// What came of an item.
pub struct Row {
    pub item: Item,
    pub outcome: Outcome,
    pub took: Duration,
}

impl Report {
    /// Whether no item failed.
    pub fn succeeded(&self) -> bool {
        self.failures() == 0
    }

    /// How many items failed.
    pub fn failures(&self) -> usize {
        self.rows.iter().filter(|it| matches!(it.outcome, Err(Stop::Failed { .. }))).count()
    }

    fn passed(&self) -> usize {
        self.rows.iter().filter(|it| it.outcome.is_ok()).count()
    }

    /// For programs.
    pub fn json(&self) -> Json {
        let rows = self.rows.iter().map(|row| {
            let mut json = json!({
                "number": row.item.number,
                "title": row.item.title,
                "result": word(&row.outcome),
                "seconds": row.took.as_secs_f64(),
            });
            match &row.outcome {
                Ok(()) => {}
                Err(Stop::Failed { expected, seen }) => {
                    json["expected"] = expected.as_str().into();
                    json["seen"] = seen.as_str().into();
                }
                Err(Stop::NotApplicable(why)) => json["why"] = why.as_str().into(),
            }
            json
        });
        json!({ "provider": self.provider, "items": rows.collect::<Vec<_>>() })
    }

    /// For CI systems.
    pub fn junit(&self) -> Result<String, quick_junit::SerializeError> {
        let mut report = quick_junit::Report::new(format!("conformance of {}", self.provider));
        let mut suite = TestSuite::new("provider-conformance");
        for row in &self.rows {
            let status = match &row.outcome {
                Ok(()) => TestCaseStatus::success(),
                Err(Stop::Failed { expected, seen }) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(format!("expected {expected}, saw {seen}"));
                    status
                }
                Err(Stop::NotApplicable(why)) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(why);
                    status
                }
            };
            let mut case = TestCase::new(format!("{:03} {}", row.item.number, row.item.title), status);
            case.set_time(row.took);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
        report.to_string()
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(()) => "passed",
        Err(Stop::Failed { .. }) => "failed",
        Err(Stop::NotApplicable(_)) => "not applicable",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        for row in &self.rows {
            let more = match &row.outcome {
                Ok(()) => String::new(),
                Err(Stop::Failed { expected, seen }) => format!("\n  expected: {expected}\n  seen:     {seen}"),
                Err(Stop::NotApplicable(why)) => format!("\n  {why}"),
            };
            table.add_row([row.item.number.to_string(), word(&row.outcome).to_owned(), format!("{}{more}", row.item.title)]);
        }
        writeln!(f, "{}", table.trim_fmt())?;
        let failed = self.rows.iter().filter(|it| matches!(it.outcome, Err(Stop::Failed { .. })));
        let failed: Vec<_> = failed.map(|it| it.item.number.to_string()).collect();
        if !failed.is_empty() {
            writeln!(f, "failed: {}", failed.join(", "))?;
        }
        let (passed, failed) = (self.passed(), self.failures());
        write!(f, "{}: {passed} passed, {failed} failed, {} not applicable", self.provider, self.rows.len() - passed - failed)
    }
}
