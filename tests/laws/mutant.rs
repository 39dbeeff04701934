//! Resources with a fault planted, to see that a law can fail.

use std::sync::Arc;

use anyhow::Result;
use fargate::aws::Session;
use pulumi_provider::{
    check::Failure,
    diff::{Change, Kind},
    list::{Cursor, Page},
    resource::{AnyResource, Before, Checked, Context, Found, Made, Subject},
    schema::Shapes,
    value::{Map, Value},
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Diff sees two spellings as two values.
    ComparesSpelling,
    /// Diff sees the empty text as something.
    ComparesEmptyText,
    /// An update takes an input that is left out, a flag or a number, for off.
    SendsDefault(&'static str),
    /// A bound of its own is below that of AWS.
    StricterThanAws,
    /// An import leaves an input out.
    Forgets(&'static str),
    /// Check refuses inputs that say this.
    Refuses(&'static str),
    /// Check keeps what it finds to itself, where that says this.
    Hides(&'static str),
    /// A replacement is created first, whatever its name.
    CreatesFirst,
    /// A refusal is passed on without what to do.
    SaysNothingOfNames,
    /// An update of several things makes all of them at once.
    WaitsForNothing,
}

/// A resource, but for a fault.
pub struct Mutant {
    real: &'static dyn AnyResource<Session>,
    fault: Fault,
    inputs: Arc<Shapes>,
}

impl Mutant {
    pub fn new(real: &'static dyn AnyResource<Session>, fault: Fault) -> Self {
        let inputs = Arc::new(Shapes::of::<Strict>());
        Self { real, fault, inputs }
    }
}

/// Inputs of a role whose description AWS would take longer.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its shape is read")]
struct Strict {
    #[schemars(length(max = 10))]
    description: Option<String>,
    #[schemars(range(min = 4000))]
    #[serde(rename = "maxSessionDuration")]
    max_session_duration: i32,
    name: String,
    path: String,
    #[serde(rename = "permissionsBoundary")]
    permissions_boundary: Option<String>,
    tags: std::collections::BTreeMap<String, String>,
}

#[async_trait::async_trait]
impl AnyResource<Session> for Mutant {
    fn name(&self) -> &'static str {
        self.real.name()
    }

    fn inputs(&self) -> &Shapes {
        if self.fault == Fault::StricterThanAws { &self.inputs } else { self.real.inputs() }
    }

    fn outputs(&self) -> &Shapes {
        self.real.outputs()
    }

    fn query(&self) -> &Shapes {
        self.real.query()
    }

    fn check(&self, subject: &Subject<'_, Session>, inputs: Map) -> Result<Checked> {
        match self.fault {
            Fault::Hides(text) => {
                let mut checked = self.real.check(subject, inputs)?;
                let is_shown = |it: &Failure| !it.to_string().contains(text);
                checked.failures.retain(is_shown);
                checked.warnings.retain(is_shown);
                Ok(checked)
            }
            Fault::Refuses(text) => {
                let says = format!("{inputs:?}").contains(text);
                let mut checked = self.real.check(subject, inputs)?;
                checked.failures.extend(says.then(|| Failure { path: String::new(), reason: format!("says {text}") }));
                Ok(checked)
            }
            // What Check leaves as it is, Diff gets to see.
            Fault::ComparesSpelling | Fault::ComparesEmptyText => {
                Ok(Checked { inputs, failures: Vec::new(), warnings: Vec::new() })
            }
            _ => self.real.check(subject, inputs),
        }
    }

    fn diff(&self, old: &Map, new: &Map) -> Vec<Change> {
        let empty = |map: &Map| map.values().any(|it| it.as_str() == Some(""));
        let name = old.keys().chain(new.keys()).find(|it| old.get(*it) != new.get(*it)).cloned().unwrap_or_default();
        let change = || vec![Change { path: name.clone(), kind: Kind::Update, replaces: false }];
        match self.fault {
            Fault::ComparesSpelling if old != new => change(),
            Fault::ComparesEmptyText if empty(old) != empty(new) => change(),
            _ => self.real.diff(old, new),
        }
    }

    fn shares_name(&self, name: &str, old: &Map, new: &Map) -> bool {
        self.fault != Fault::CreatesFirst && self.real.shares_name(name, old, new)
    }

    fn check_update(&self, old: &Before<'_>, new: &Map) -> Result<()> {
        self.real.check_update(old, new)
    }

    fn foresee(&self, inputs: &Map, old_outputs: &Map) -> Map {
        self.real.foresee(inputs, old_outputs)
    }

    async fn create(&self, context: &Context<Session>, inputs: &Map) -> Result<Made> {
        let made = self.real.create(context, inputs).await;
        if self.fault == Fault::SaysNothingOfNames { made.map_err(|_| anyhow::anyhow!("it exists")) } else { made }
    }

    async fn update(&self, context: &Context<Session>, id: &str, old: &Before<'_>, new: &Map) -> Result<Made> {
        let mut filled: Map = new.clone();
        if self.fault == Fault::WaitsForNothing {
            let changed = new.iter().filter(|(name, it)| old.inputs.get(*name) != Some(*it)).count();
            filled.insert("applyImmediately".to_owned(), Value::Bool(changed > 1));
        }
        if let Fault::SendsDefault(name) = self.fault {
            let kind = self.real.inputs().root().property(name).and_then(|it| it.resolve().kind());
            let off = if kind == Some("boolean") { Value::Bool(false) } else { Value::Number(0.0) };
            filled.entry(name.to_owned()).or_insert(off);
        }
        self.real.update(context, id, old, &filled).await
    }

    async fn read(&self, context: &Context<Session>, id: &str, old: Option<&Map>, old_outputs: &Map) -> Result<Option<Found>> {
        self.real.read(context, id, old, old_outputs).await
    }

    fn imported(&self, outputs: &Map) -> Map {
        let mut inputs = self.real.imported(outputs);
        if let Fault::Forgets(name) = self.fault {
            inputs.remove(name);
        }
        inputs
    }

    async fn list(&self, context: &Context<Session>, query: &Map, at: &Cursor) -> Result<Page> {
        self.real.list(context, query, at).await
    }

    async fn delete(&self, context: &Context<Session>, id: &str, old_outputs: &Map) -> Result<()> {
        self.real.delete(context, id, old_outputs).await
    }
}
