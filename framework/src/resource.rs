//! What a resource is, and the life of any resource: the server drives it without knowing its types.

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};

use anyhow::{Context as _, Error, Result, ensure};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::{
    check::{self, Autonaming, Failure, Findings, Foreign, Report},
    claim,
    cloud::Cloud,
    codec,
    diff::{self, Change},
    list::{Cursor, Page},
    plan::{Facts, Plan},
    schema::{Shape, Shapes},
    value::{Map, Value},
    wait::{Observer, Patience, Seen},
};

/// What one request works with: the client of the cloud, and whoever watches.
pub struct Context<C: Cloud> {
    /// What the engine knows the resource by; empty where the request is about none.
    pub urn: String,
    /// The client for the region of the resource.
    pub client: Arc<C::Client>,
    /// Waits, tells how it goes, and knows when to stop.
    pub observer: Observer,
    /// Whether the request belongs to a preview.
    pub preview: bool,
    cloud: Arc<C>,
    region: Option<String>,
    made: OnceLock<String>,
    ignored: Vec<String>,
}

impl<C: Cloud> Context<C> {
    /// The context of one request, about something in `region` or in the provider's own.
    ///
    /// # Errors
    /// When access to the cloud fails.
    pub async fn new(urn: &str, cloud: Arc<C>, region: Option<&str>, observer: Observer) -> Result<Self> {
        Ok(Self {
            urn: urn.to_owned(),
            client: cloud.client(region, &observer).await?,
            observer,
            preview: false,
            region: region.or(cloud.region()).map(str::to_owned),
            cloud,
            made: OnceLock::new(),
            ignored: Vec::new(),
        })
    }

    /// The same, for a program that leaves the changes of these properties alone.
    #[must_use]
    pub fn ignoring(self, ignored: Vec<String>) -> Self {
        Self { ignored, ..self }
    }

    /// The same, for a request that belongs to a preview or not.
    #[must_use]
    pub fn in_preview(self, preview: bool) -> Self {
        Self { preview, ..self }
    }

    /// Whether the program leaves the changes of a property alone, as somebody else makes them.
    pub fn ignores(&self, property: &str) -> bool {
        self.ignored.iter().any(|it| it == property)
    }

    /// Runs what the request asks for: calls that may be tried again are, until it has to be done.
    pub async fn until_done<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        C::run(&self.observer, work).await
    }

    /// Keeps the id of what `create` has just made, so that it is in the state even if the rest of `create` fails.
    pub fn made(&self, id: &str) {
        // Once made, a resource keeps its id.
        _ = self.made.set(id.to_owned());
    }
}

/// A thing in a cloud: its inputs are what a program sets, its outputs what the cloud shows of it.
///
/// No methods but `adapt`, `normalize`, `defaults`, `check`, `check_change`, `check_update`, `left_out`, `replaced_by`, `excludes` and `facts` run in
/// a preview.
pub trait Resource: Send + Sync + 'static {
    /// The name of its type, such as `Cluster`.
    const NAME: &'static str;
    /// What it is in.
    type Cloud: Cloud;
    /// What a program sets. The doc comments of the struct and its fields are the docs of the package.
    type Inputs: DeserializeOwned + Serialize + JsonSchema + Send + Sync;
    /// The inputs, as the cloud shows them, and what it adds.
    type Outputs: DeserializeOwned + Serialize + JsonSchema + Send + Sync;
    /// What narrows down a list, by the names of the inputs or of the cloud.
    type Query: DeserializeOwned + JsonSchema + Send + Sync;

    /// Whether it is the same in every region, and so in none.
    const GLOBAL: bool = false;

    /// Whether it is something that happened, such as a job that ran to its end. The cloud forgets such, and nothing changes them:
    /// the state alone knows. A refresh leaves it as it is; an update either makes it happen again, which it says by
    /// [`Context::made`], or has changed nothing.
    const HAPPENED: bool = false;

    /// Inputs that there are elsewhere, and that programs from there may say as far as they make no difference.
    const FOREIGN: &'static [Foreign] = &[];

    /// Changes inputs, as a program writes them, into the form whose shape is checked: takes out what is there elsewhere and means
    /// nothing here, and reads other spellings. Reports what it takes away that says something.
    fn adapt(_inputs: &mut Map) -> Findings {
        Findings::default()
    }

    /// Brings inputs into the one form that Check, Diff and update compare: fills in defaults that depend on other inputs, and
    /// takes out what has no effect, as `read` does. Defaults of the shape are there already; any value may be unknown.
    fn normalize(_inputs: &mut Map) {}

    /// Rules over several inputs; the shape of each is checked already.
    fn check(_inputs: &Self::Inputs, _report: &mut Report<'_>) {}

    /// Defaults that Check fills in which depend on other inputs and on how the resource was before.
    fn defaults(_inputs: &Self::Inputs, _report: &Report<'_>) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// What other resources of the program have to know of this one, as far as `report` knows it.
    fn facts(_inputs: &Self::Inputs, _report: &Report<'_>) -> Option<Facts> {
        None
    }

    /// Rules over a change of the inputs from `old` to `new`; `replacing` are the properties that only another resource can
    /// have so.
    fn check_change(_old: &Self::Inputs, _new: &Self::Inputs, _replacing: &BTreeSet<String>, _report: &mut Report<'_>) {}

    /// The properties that only another resource can have as `new` says, although the cloud makes other changes of them in place.
    fn replaced_by(_old: &Self::Inputs, _new: &Self::Inputs) -> Vec<&'static str> {
        Vec::new()
    }

    /// Whether the cloud has no room for `new` beside `old`, which it replaces, so that the old one has to be deleted first. What is
    /// not known yet reads as nothing.
    fn excludes(_old: &Self::Inputs, _new: &Self::Inputs) -> bool {
        false
    }

    /// The properties that stay as the cloud has them by itself, `seen`, whatever `new` says: the program, which said `old`, most
    /// likely does not mean to change them.
    fn left_out(_seen: &Self::Inputs, _old: &Self::Inputs, _new: &Self::Inputs) -> Vec<&'static str> {
        Vec::new()
    }

    /// What the cloud has of it that no program can say here, by the cloud's names: updates leave it alone, and an import would lose it.
    fn unsupported(_outputs: &Self::Outputs) -> Vec<String> {
        Vec::new()
    }

    /// Why the cloud, as last seen, would not make `old` into `new`, where the inputs alone do not tell; an error of the preview.
    fn check_update(_old: &Self::Outputs, _new: &Self::Inputs) -> Result<()> {
        Ok(())
    }

    /// Asks the cloud for the resource and returns its id, or any name for it that `read` takes. Where more calls follow the
    /// one that makes it, [`Context::made`] comes right after that one.
    fn create(context: &Context<Self::Cloud>, inputs: &Self::Inputs) -> impl Future<Output = Result<String>> + Send;

    /// Makes what the cloud was last seen to have, `old`, into what `new` asks for.
    fn update(
        context: &Context<Self::Cloud>,
        id: &str,
        old: &Self::Outputs,
        new: &Self::Inputs,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Waits until what was created or updated is of use.
    fn ready(_context: &Context<Self::Cloud>, _id: &str, _inputs: &Self::Inputs) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// What the cloud has now; none when it is gone. The only place that turns its answers into outputs. In an import, the
    /// id may have any form that a person would paste.
    fn read(context: &Context<Self::Cloud>, id: &str) -> impl Future<Output = Result<Option<Self::Outputs>>> + Send;

    /// Whether somebody else, such as autoscaling, moves what is only `initial` in the program, which asked for `old` and
    /// sees `now`. Then a refresh leaves it alone.
    fn moved(
        _context: &Context<Self::Cloud>,
        _old: &Self::Inputs,
        _now: &Self::Outputs,
    ) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }

    /// The id of the resource, in the one form that the state holds.
    fn id(outputs: &Self::Outputs) -> String;

    /// A page of what the cloud has that can be imported: nothing that `read` or `check` would refuse.
    fn list(context: &Context<Self::Cloud>, query: &Self::Query, at: &Cursor) -> impl Future<Output = Result<Page>> + Send;

    /// Deletes the resource and waits until it is gone. One that is gone already is no error.
    fn delete(context: &Context<Self::Cloud>, id: &str, old: &Self::Outputs) -> impl Future<Output = Result<()>> + Send;
}

/// A resource that the cloud has made. It may not have become ready.
#[derive(Debug)]
pub struct Made {
    /// What the state knows it by.
    pub id: String,
    /// What the cloud shows of it, or was asked for.
    pub outputs: Map,
    /// Why it is of no use yet.
    pub unready: Option<Error>,
}

/// What is known of a resource that is to be updated.
pub struct Before<'a> {
    /// What the program asked for last.
    pub inputs: &'a Map,
    /// What the cloud was last seen to have.
    pub outputs: &'a Map,
    /// The properties whose changes the program leaves alone.
    pub ignored: &'a [String],
}

/// What the cloud has of a resource.
#[derive(Debug)]
pub struct Found {
    /// What the state knows it by.
    pub id: String,
    /// What a program would say to get it.
    pub inputs: Map,
    /// What the cloud shows of it.
    pub outputs: Map,
}

/// What Check knows of a resource besides its inputs.
pub struct Subject<'a, C> {
    /// The name that the program gives it.
    pub name: &'a str,
    /// What the engine knows it by.
    pub urn: &'a str,
    /// Randomness that is the same whenever this change is planned.
    pub seed: &'a [u8],
    /// The inputs it has had.
    pub old: &'a Map,
    /// How the engine wants names to be made up.
    pub autonaming: Autonaming<'a>,
    /// The provider as the program configures it, once that is known.
    pub cloud: Option<&'a C>,
    /// What else the program declares.
    pub plan: &'a Plan,
}

/// What Check says of the inputs of a resource.
#[derive(Debug)]
pub struct Checked {
    /// The inputs, completed.
    pub inputs: Map,
    /// All that is wrong with them.
    pub failures: Vec<Failure>,
    /// What the user had better know of them.
    pub warnings: Vec<Failure>,
}

/// A [`Resource`] of any types.
#[async_trait]
pub trait AnyResource<C: Cloud>: Send + Sync {
    /// See [`Resource::NAME`].
    fn name(&self) -> &'static str;
    /// The shape of [`Resource::Inputs`].
    fn inputs(&self) -> &Shapes;
    /// The shape of [`Resource::Outputs`].
    fn outputs(&self) -> &Shapes;
    /// The shape of [`Resource::Query`].
    fn query(&self) -> &Shapes;
    /// Inputs that there are elsewhere.
    fn foreign(&self) -> &'static [Foreign] {
        &[]
    }
    /// Completes inputs and tells all that is wrong with them.
    fn check(&self, subject: &Subject<'_, C>, inputs: Map) -> Result<Checked>;
    /// What an update would change, and what only another resource can have.
    fn diff(&self, old: &Map, new: &Map) -> Vec<Change>;
    /// Whether a replacement cannot exist beside what it replaces: the cloud allows one of a name, or of something else that
    /// only one can have, and that stays.
    fn shares_name(&self, name: &str, old: &Map, new: &Map) -> bool;
    /// Whether an update may succeed, as far as a preview can tell.
    fn check_update(&self, old: &Before<'_>, new: &Map) -> Result<()>;
    /// What a preview knows of the outputs.
    fn foresee(&self, inputs: &Map, old_outputs: &Map) -> Map;
    /// Creates it, and waits until it is of use.
    async fn create(&self, context: &Context<C>, inputs: &Map) -> Result<Made>;
    /// Updates it, and waits until it is of use.
    async fn update(&self, context: &Context<C>, id: &str, old: &Before<'_>, new: &Map) -> Result<Made>;
    /// What the cloud has; `old` are the inputs that are known, none in an import, and `old_outputs` what it was last seen to have.
    async fn read(&self, context: &Context<C>, id: &str, old: Option<&Map>, old_outputs: &Map) -> Result<Option<Found>>;
    /// The inputs that an import of what the cloud shows so gives the program.
    fn imported(&self, outputs: &Map) -> Map;
    /// A page of what the cloud has; `query` is one that has been checked.
    async fn list(&self, context: &Context<C>, query: &Map, at: &Cursor) -> Result<Page>;
    /// See [`Resource::delete`].
    async fn delete(&self, context: &Context<C>, id: &str, old_outputs: &Map) -> Result<()>;
}

/// A resource whose types are hidden behind [`AnyResource`].
pub struct Erased<R: Resource> {
    inputs: LazyLock<Shapes>,
    outputs: LazyLock<Shapes>,
    query: LazyLock<Shapes>,
    resource: PhantomData<R>,
}

impl<R: Resource> Erased<R> {
    /// What a static of it starts as.
    #[expect(clippy::declare_interior_mutable_const, reason = "only statics are made of it")]
    pub const NEW: Self = Self {
        inputs: LazyLock::new(|| shapes::<R, R::Inputs>().bounded(R::Cloud::bounds(R::NAME))),
        outputs: LazyLock::new(shapes::<R, R::Outputs>),
        query: LazyLock::new(shapes::<R, R::Query>),
        resource: PhantomData,
    };

    fn taken(&self, inputs: &Map) -> String {
        let named = self.inputs.root().properties().find(|(_, it)| !it.keyword("autoname").is_null());
        let name = named.and_then(|(property, _)| inputs.get(property)?.as_str()).unwrap_or_default();
        taken::<R>(name, name)
    }

    /// Waits for a resource that the cloud agreed to make. From here on, its id must not get lost.
    async fn finish(&self, context: &Context<R::Cloud>, id: String, last: &Map, inputs: &Map, failed: Option<Error>) -> Made {
        let mut unready = failed;
        if unready.is_none() {
            unready = match codec::decode(inputs) {
                Ok(inputs) => R::ready(context, &id, &inputs).await.err(),
                Err(error) => Some(error),
            };
        }
        let mut shown = self.show_in_time(context, &id, inputs).await;
        if unready.is_none() && matches!(shown, Ok(None)) {
            // The cloud may take seconds to know what it has just made.
            let cloud = R::Cloud::NAME;
            let look = || async {
                let shown = self.show(context, &id, inputs).await?;
                Ok(shown.map_or_else(|| Seen::Pending(format!("waiting for {cloud} to show {id}")), Seen::Ready))
            };
            shown = context.observer.wait(format!("{cloud} to show {id}"), Patience::seconds(30), look).await.map(Some);
        }
        if let Ok(Some((id, outputs))) = shown {
            return Made { id, outputs, unready };
        }
        if let Err(error) = shown {
            unready.get_or_insert(error);
        }
        // What the cloud cannot tell now is most likely what it told last.
        let mut outputs = last.clone();
        outputs.extend(inputs.clone());
        Made { id, outputs, unready }
    }

    /// As [`Self::show`]. Once cancelled, there is little time left: the engine waits 5 s for an answer.
    async fn show_in_time(&self, context: &Context<R::Cloud>, id: &str, inputs: &Map) -> Result<Option<(String, Map)>> {
        if !context.observer.cancel.is_cancelled() {
            return self.show(context, id, inputs).await;
        }
        let shown = timeout(Duration::from_secs(2), self.show(context, id, inputs)).await;
        shown.with_context(|| format!("cancelled before {} could tell what became of it", R::Cloud::NAME))?
    }

    /// The id and the outputs. What the cloud never shows, and what it only spells otherwise, stays as `inputs` have it.
    async fn show(&self, context: &Context<R::Cloud>, id: &str, inputs: &Map) -> Result<Option<(String, Map)>> {
        let Some(outputs) = R::read(context, id).await? else { return Ok(None) };
        let mut map = codec::encode(&outputs)?;
        if R::HAPPENED {
            // The cloud shows only in part what it was asked for.
            map.extend(inputs.clone());
        }
        context.cloud.forget_ignored(&mut map, inputs);
        add_write_only(&mut map, inputs, self.inputs.root());
        codec::mark_like(&mut map, inputs, self.inputs.root());
        if let Some(region) = context.region.as_ref().filter(|_| !R::GLOBAL) {
            map.insert("region".to_owned(), Value::String(region.clone()));
        }
        for (name, property) in self.inputs.root().properties() {
            let Some(wanted) = inputs.get(name) else { continue };
            // A nested value that the cloud fills in is not a difference.
            let Some(shown) = map.get(name) else { continue };
            let is_latest = property.keyword("latest").as_str().is_some_and(|it| wanted.as_str() == Some(it));
            let as_written = if is_latest || diff::means_the_same(shown, wanted, property) {
                Some(wanted.clone())
            } else {
                diff::in_order_of(wanted, shown, property)
            };
            map.extend(as_written.map(|it| (name.to_owned(), it)));
        }
        codec::mark_secrets(&mut map, self.outputs.root());
        Ok(Some((R::id(&outputs), map)))
    }

    /// The inputs that would give these outputs: what the program set, and what the cloud has beyond the defaults.
    fn inputs_of(&self, outputs: &Map, old: Option<&Map>) -> Map {
        let mut inputs = Map::new();
        for (name, property) in self.inputs.root().properties() {
            let Some(live) = outputs.get(name) else { continue };
            let keep = match old {
                Some(old) if old.contains_key(name) => true,
                // What the cloud fills in is no more than the default of a program that says nothing; whoever imports may mean it.
                Some(_) => !property.flag("computed") && says_more_than_default(live, property),
                None => says_more_than_default(live, property) || adds_to_default(live, property),
            };
            if keep {
                inputs.insert(name.to_owned(), if old.is_none() { without_defaults(live, property) } else { live.clone() });
            }
        }
        inputs
    }

    /// Leaves those inputs as they were that somebody else moves.
    async fn leave_moved(&self, context: &Context<R::Cloud>, old: &Map, now: &Map, inputs: &mut Map) -> Result<()> {
        let names: Vec<_> = self.inputs.root().properties().filter(|(_, it)| it.flag("initial")).map(|(name, _)| name).collect();
        let stays = names.is_empty() || !R::moved(context, &codec::decode(old)?, &self.last_seen(now)?).await?;
        if !stays {
            inputs.extend(names.into_iter().filter_map(|it| Some((it.to_owned(), old.get(it)?.clone()))));
        }
        Ok(())
    }

    /// What an update starts from: what the cloud was last seen to have, but for two things. What the program leaves alone is as
    /// it wants it, and so is what it only starts with and says as before, what it only spells otherwise, and what the cloud keeps
    /// as it is. And a change that Diff saw is a change, even if the cloud, which may lag behind itself, seemed to have it.
    fn to_change(&self, old: &Before<'_>, new: &Map) -> Map {
        let mut outputs = old.outputs.clone();
        for (name, property) in self.inputs.root().properties() {
            let (before, wanted) = (old.inputs.get(name), new.get(name));
            let same = |it: &Value| wanted.is_some_and(|wanted| diff::means_the_same(it, wanted, property));
            let ignored = old.ignored.iter().any(|it| it == name);
            if ignored || property.flag("initial") && before.is_some_and(same) {
                outputs.extend(wanted.map(|it| (name.to_owned(), it.clone())));
            } else if old.outputs.get(name).is_some_and(same) {
                let has = before.filter(|it| !same(it)).or(wanted);
                outputs.extend(has.map(|it| (name.to_owned(), it.clone())));
            }
        }
        // Tags that somebody else added are in no plan before a refresh has shown them.
        if let Some(Value::Object(tags)) = outputs.get_mut("tags") {
            let says = |map: &Map, tag: &str| matches!(map.get("tags").map(Value::plain), Some(Value::Object(it)) if it.contains_key(tag));
            tags.retain(|tag, _| says(old.inputs, tag) || says(new, tag));
        }
        let inputs = (self.completed(&outputs), self.completed(old.inputs), self.completed(new));
        if let (Ok(seen), Ok(before), Ok(wanted)) = inputs {
            let left_out = R::left_out(&seen, &before, &wanted).into_iter();
            outputs.extend(left_out.filter_map(|name| Some((name.to_owned(), new.get(name)?.clone()))));
        }
        outputs
    }

    /// Completes inputs by the defaults of their shape and those that depend on other inputs.
    pub(crate) fn complete(&self, inputs: &mut Map) -> Findings {
        let mut findings = R::adapt(inputs);
        findings.extend(check::complete(inputs, self.inputs.root()));
        R::normalize(inputs);
        findings
    }

    /// Whether a change from `old`, which may be nothing, surely deletes the resource before it creates the one that replaces it.
    fn replaces_in_place(&self, name: &str, old: &Map, new: &Map) -> bool {
        let is_known = |it: &Change| !new.get(it.property()).is_some_and(Value::contains_unknown);
        !old.is_empty() && self.shares_name(name, old, new) && self.diff(old, new).iter().any(|it| it.replaces && is_known(it))
    }

    /// Inputs of an earlier time, with the defaults of ours.
    pub fn completed(&self, inputs: &Map) -> Result<R::Inputs> {
        let mut inputs = inputs.clone();
        self.complete(&mut inputs);
        codec::decode(&inputs)
    }

    /// The outputs as last seen. What a failed creation left out reads as nothing.
    fn last_seen(&self, outputs: &Map) -> Result<R::Outputs> {
        let mut outputs = outputs.clone();
        let Value::Object(nothing) = zero(self.outputs.root()) else { return codec::decode(&outputs) };
        for (name, value) in nothing {
            outputs.entry(name).or_insert(value);
        }
        codec::decode(&outputs)
    }
}

#[async_trait]
impl<R: Resource> AnyResource<R::Cloud> for Erased<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn inputs(&self) -> &Shapes {
        &self.inputs
    }

    fn outputs(&self) -> &Shapes {
        &self.outputs
    }

    fn query(&self) -> &Shapes {
        &self.query
    }

    fn foreign(&self) -> &'static [Foreign] {
        R::FOREIGN
    }

    fn check(&self, subject: &Subject<'_, R::Cloud>, mut inputs: Map) -> Result<Checked> {
        let fixed_name = gives_name(&inputs, self.inputs.root());
        let mut findings = Findings { failures: name(&mut inputs, self.inputs.root(), subject), warnings: Vec::new() };
        if let Some(cloud) = subject.cloud {
            cloud.add_defaults(&mut inputs, self.inputs.root());
        }
        findings.failures.extend(check::take_foreign(&mut inputs, R::FOREIGN));
        let written = inputs.clone();
        findings.extend(self.complete(&mut inputs));
        let old = Some(subject.old).filter(|it| !it.is_empty());
        let defaults = {
            let report = Report::within(&inputs, old, subject.urn, subject.plan).with_fixed_name(fixed_name);
            R::defaults(&codec::decode(&inputs)?, &report)
        };
        for (name, value) in defaults {
            let secret = inputs.get(name).is_some_and(Value::contains_secret);
            inputs.insert(name.to_owned(), if secret { value.secret() } else { value });
        }
        let replaces_in_place = self.replaces_in_place(subject.name, subject.old, &inputs);
        let report = Report::within(&inputs, old, subject.urn, subject.plan).with_fixed_name(fixed_name);
        let report = report.completing(&written).in_place(replaces_in_place);
        let mut report = report.with_region_setting(R::Cloud::REGIONS.map(|it| it.setting));
        let new = codec::decode(&inputs)?;
        R::check(&new, &mut report);
        let (shape, before) = (self.inputs.root(), subject.plan.before(subject.urn, subject.old));
        let claims = claim::claims(&inputs, before.as_ref(), shape, fixed_name);
        claim::check(R::NAME, subject.urn, claims, shape, subject.plan, &mut report);
        claim::check_doubles(&inputs, shape, "", subject.plan, &mut report);
        // Nothing is known of what a resource was whose inputs an older version made, and this one does not understand.
        if let Some(inputs_before) = old
            && let Ok(old) = self.completed(inputs_before)
        {
            let changes = self.diff(inputs_before, &inputs).into_iter().filter(|it| it.replaces);
            let replacing: BTreeSet<_> = changes.map(|it| it.property().to_owned()).collect();
            R::check_change(&old, &new, &replacing, &mut report);
            warn_of_kept(R::Cloud::NAME, &inputs, inputs_before, self.inputs.root(), &mut report);
        }
        let reported = report.into_findings();
        // Of a value that is not known, a rule may know more.
        findings.warnings.retain(|it| reported.failures.iter().all(|failure| failure.path != it.path));
        findings.extend(reported);
        let replaces_in_place = before.as_ref().is_some_and(|it| self.replaces_in_place(subject.name, it, &inputs));
        let report = Report::within(&inputs, before.as_ref(), subject.urn, subject.plan).with_fixed_name(fixed_name);
        let report = report.completing(&written).in_place(replaces_in_place);
        if let Some(facts) = R::facts(&new, &report) {
            subject.plan.declare(subject.urn, facts);
        }
        let Findings { mut failures, warnings } = findings;
        failures.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Checked { inputs, failures, warnings })
    }

    fn diff(&self, old: &Map, new: &Map) -> Vec<Change> {
        // A default that a newer version of the provider added is not a change.
        let (mut old, mut new) = (old.clone(), new.clone());
        self.complete(&mut old);
        self.complete(&mut new);
        let mut changes = diff::diff(&old, &new, self.inputs.root());
        let known = |name: &str| !new.get(name).is_some_and(Value::contains_unknown);
        if let (Ok(old), Ok(new)) = (codec::decode(&old), codec::decode(&new)) {
            let (left_out, replaced) = (R::left_out(&old, &old, &new), R::replaced_by(&old, &new));
            changes.retain(|it| !left_out.contains(&it.property()) || !known(it.property()));
            for change in &mut changes {
                change.replaces |= replaced.contains(&change.property()) && known(change.property());
            }
        }
        changes
    }

    fn shares_name(&self, name: &str, old: &Map, new: &Map) -> bool {
        // Somewhere else, the name is free.
        let differs = |scope: &str| old.get(scope).map(Value::bare) != new.get(scope).map(Value::bare);
        if self.inputs.root().properties().any(|(name, it)| it.flag("nameScope") && differs(name)) {
            return false;
        }
        if let (Ok(old), Ok(new)) = (self.completed(old), self.completed(new))
            && R::excludes(&old, &new)
        {
            return true;
        }
        self.inputs.root().properties().any(|(property, shape)| {
            let (old, new) = (old.get(property).and_then(Value::as_str), new.get(property).and_then(Value::as_str));
            let named = !shape.keyword("autoname").is_null();
            let same = |new: &str| old.is_some_and(|it| it == new || shape.flag("caselessName") && it.eq_ignore_ascii_case(new));
            new.is_some_and(|new| same(new) && (shape.flag("exclusive") || named && !check::is_autoname(new, name, shape)))
        })
    }

    fn check_update(&self, old: &Before<'_>, new: &Map) -> Result<()> {
        R::check_update(&self.last_seen(&self.to_change(old, new))?, &codec::decode(new)?)
    }

    fn foresee(&self, inputs: &Map, old_outputs: &Map) -> Map {
        let mut outputs = inputs.clone();
        let settled = only_tags_change(old_outputs, inputs, self.inputs.root());
        for (name, property) in self.outputs.root().properties() {
            let input = self.inputs.root().property(name);
            if outputs.contains_key(name) || input.is_some_and(|it| !it.flag("computed")) {
                continue;
            }
            let kept = old_outputs.get(name).filter(|_| settled || !property.flag("changesOnUpdate"));
            outputs.insert(name.to_owned(), kept.cloned().unwrap_or(Value::Unknown));
        }
        outputs
    }

    async fn create(&self, context: &Context<R::Cloud>, inputs: &Map) -> Result<Made> {
        let (id, failed) = match R::create(context, &codec::decode(inputs)?).await {
            Ok(id) => (id, None),
            Err(error) => match context.made.get() {
                Some(id) => (id.clone(), Some(error)),
                None if R::Cloud::is_taken(&error) => return Err(error.context(self.taken(inputs))),
                None => return Err(error),
            },
        };
        Ok(self.finish(context, id, &Map::new(), inputs, failed).await)
    }

    async fn update(&self, context: &Context<R::Cloud>, id: &str, old: &Before<'_>, new: &Map) -> Result<Made> {
        let before = self.last_seen(&self.to_change(old, new))?;
        if R::HAPPENED {
            R::update(context, id, &before, &codec::decode(new)?).await?;
            let Some(latest) = context.made.get() else {
                let mut outputs = old.outputs.clone();
                // What the program no longer says is gone, but for what the cloud filled in.
                outputs.retain(|name, _| self.inputs.root().property(name).is_none_or(|it| it.flag("computed")));
                outputs.extend(new.clone());
                return Ok(Made { id: id.to_owned(), outputs, unready: None });
            };
            return Ok(self.finish(context, latest.clone(), old.outputs, new, None).await);
        }
        let Err(error) = R::update(context, id, &before, &codec::decode(new)?).await else {
            return Ok(self.finish(context, id.to_owned(), old.outputs, new, None).await);
        };
        // Some of it may have been done: the state gets what the cloud has, and the next `up` does the rest. Nobody knows
        // whether what it never shows got there: it counts as not done.
        let mut told = new.clone();
        for (name, _) in self.inputs.root().properties().filter(|(_, it)| it.flag("writeOnly")) {
            told.remove(name);
            told.extend(old.outputs.get(name).map(|it| (name.to_owned(), it.clone())));
        }
        match self.show_in_time(context, id, &told).await {
            Ok(Some((id, outputs))) => Ok(Made { id, outputs, unready: Some(error) }),
            Ok(None) | Err(_) => Err(error),
        }
    }

    async fn read(&self, context: &Context<R::Cloud>, id: &str, old: Option<&Map>, old_outputs: &Map) -> Result<Option<Found>> {
        if let Some(old) = old.filter(|_| R::HAPPENED) {
            return Ok(Some(Found { id: id.to_owned(), inputs: old.clone(), outputs: old_outputs.clone() }));
        }
        let none = Map::new();
        let shown = context.observer.ask(self.show(context, id, old.unwrap_or(&none))).await?;
        let Some((id, outputs)) = shown else { return Ok(None) };
        if old.is_none() {
            let unsupported = R::unsupported(&self.last_seen(&outputs)?).join(", ");
            ensure!(
                unsupported.is_empty(),
                "{id} cannot be imported: this provider does not support {unsupported}, and would lose it; remove that in {} first, \
                 or leave {id} to what manages it now",
                R::Cloud::NAME
            );
        }
        let mut inputs = self.inputs_of(&outputs, old);
        if let Some(old) = old {
            self.leave_moved(context, old, &outputs, &mut inputs).await?;
        }
        if old.is_none() && context.region.as_deref() == context.cloud.region() {
            inputs.remove("region");
        }
        Ok(Some(Found { id, inputs, outputs }))
    }

    fn imported(&self, outputs: &Map) -> Map {
        self.inputs_of(outputs, None)
    }

    async fn list(&self, context: &Context<R::Cloud>, query: &Map, at: &Cursor) -> Result<Page> {
        context.observer.ask(R::list(context, &codec::decode(query)?, at)).await
    }

    async fn delete(&self, context: &Context<R::Cloud>, id: &str, old_outputs: &Map) -> Result<()> {
        // What is deleted although nobody waits for the answer stays in the state, and is found to be gone by the next try.
        let old = self.last_seen(old_outputs)?;
        context.observer.ask(R::delete(context, id, &old)).await.with_context(|| format!("deleting {id}"))
    }
}

/// What to say of a name that something else has, which an import takes by `id`.
pub fn taken<R: Resource>(name: &str, id: &str) -> String {
    occupied::<R>(name, "name", id)
}

/// What to say of one that stands where `R` is to be created, `what`, and that an import takes by `id`; `property` is what to
/// change to have both.
pub fn occupied<R: Resource>(what: &str, property: &str, id: &str) -> String {
    let (package, kind) = (R::Cloud::PACKAGE, R::NAME);
    format!(
        "{kind} {what} exists already; set another {property}, or take it over: `pulumi import {package}:index:{kind} <resource> {id}`; \
         if only the program calls it otherwise now, give it its old name by the option aliases, for an import would let the old \
         one be deleted"
    )
}

/// The shapes of what `R` takes or gives.
fn shapes<R: Resource, T: JsonSchema>() -> Shapes {
    let shapes = Shapes::of::<T>();
    if R::GLOBAL { shapes.in_cloud::<R::Cloud>() } else { shapes.in_region::<R::Cloud>() }
}

/// Whether nothing but tags differs between what the cloud was last seen to have and the inputs.
fn only_tags_change(old_outputs: &Map, inputs: &Map, shape: Shape<'_>) -> bool {
    let known = old_outputs.iter().filter(|(name, _)| shape.property(name).is_some());
    let known = known.map(|(name, it)| (name.clone(), it.clone())).collect();
    diff::diff(&known, inputs, shape).iter().all(|it| it.path.starts_with("tags"))
}

/// The least value of a shape: nothing, as far as its type allows.
fn zero(shape: Shape<'_>) -> Value {
    let shape = shape.resolve();
    match shape.kind() {
        Some("string") => match shape.names().as_deref() {
            Some([(name, _), ..]) => Value::String((*name).to_owned()),
            _ => Value::String(String::new()),
        },
        Some("integer" | "number") => Value::Number(0.0),
        Some("boolean") => Value::Bool(false),
        Some("array") => Value::List(Vec::new()),
        Some("object") => {
            let fields = shape.required().filter_map(|name| Some((name.to_owned(), zero(shape.property(name)?))));
            Value::Object(fields.collect())
        }
        _ => Value::Null,
    }
}

/// Warns of what the program said and leaves out now, where the cloud keeps it: no diff shows it, and what it refers to stays in
/// use.
fn warn_of_kept(cloud: &str, inputs: &Map, old: &Map, shape: Shape<'_>, report: &mut Report<'_>) {
    let kept = shape
        .properties()
        .filter(|(name, it)| it.flag("computed") && *name != "region" && inputs.get(*name).is_none_or(Value::is_empty));
    for (name, _) in kept.filter(|(name, _)| old.get(*name).is_some_and(|it| !it.is_empty())) {
        if report.has_finding_at(name) {
            continue;
        }
        let was = report.written_before(name).unwrap_or_default();
        let reason = format!("is left out now: {cloud} keeps {was}; to change it, write out what it should be instead");
        report.warn(&[name], false, reason);
    }
}

/// Whether the program itself names the resource.
fn gives_name(inputs: &Map, shape: Shape<'_>) -> bool {
    let name = shape.properties().find(|(_, it)| !it.keyword("autoname").is_null());
    name.is_some_and(|(name, _)| inputs.get(name).is_some_and(|it| *it.plain() != Value::Null))
}

/// Names what the program leaves nameless: as before, or anew.
fn name<C>(inputs: &mut Map, shape: Shape<'_>, subject: &Subject<'_, C>) -> Vec<Failure> {
    let Some((name, property)) = shape.properties().find(|(_, it)| !it.keyword("autoname").is_null()) else { return Vec::new() };
    if gives_name(inputs, shape) {
        return Vec::new();
    }
    let named = match subject.old.get(name) {
        Some(old) => Ok(old.clone()),
        None => check::autoname(subject.name, subject.seed, property, subject.autonaming).map(Value::String),
    };
    let failure = named.as_ref().err().map(|reason| Failure { path: name.to_owned(), reason: reason.clone() });
    inputs.insert(name.to_owned(), named.unwrap_or(Value::Unknown));
    failure.into_iter().collect()
}

fn says_more_than_default(value: &Value, property: Shape<'_>) -> bool {
    match property.default() {
        // Nothing is more than a default that is something.
        Some(default) => !diff::means_the_same(value, &default.clone().into(), property),
        None => !value.is_empty(),
    }
}

/// Whether it says what its default leaves to the cloud.
fn adds_to_default(value: &Value, property: Shape<'_>) -> bool {
    property.default().is_some_and(|default| !diff::means_the_same(&default.clone().into(), value, property))
}

/// Adds to what the cloud shows, at every depth, what it never shows.
fn add_write_only(shown: &mut Map, wanted: &Map, shape: Shape<'_>) {
    for (name, property) in shape.properties() {
        let Some(wanted) = wanted.get(name) else { continue };
        if property.flag("writeOnly") {
            shown.insert(name.to_owned(), wanted.clone());
            continue;
        }
        match (shown.get_mut(name), wanted.plain()) {
            (Some(Value::Object(shown)), Value::Object(wanted)) => add_write_only(shown, wanted, property.resolve()),
            (Some(Value::List(shown)), Value::List(wanted)) => {
                let (keys, Some(element)) = (property.keys(), property.resolve().element()) else { continue };
                for (index, shown) in shown.iter_mut().enumerate() {
                    let same = wanted.iter().find(|it| it.has_same(&keys, shown));
                    let same = if keys.is_empty() { wanted.get(index) } else { same };
                    if let (Value::Object(shown), Some(Value::Object(wanted))) = (shown, same.map(Value::plain)) {
                        add_write_only(shown, wanted, element.resolve());
                    }
                }
            }
            _ => {}
        }
    }
}

/// A copy of `value` that leaves out, at every depth, what leaving out means.
fn without_defaults(value: &Value, property: Shape<'_>) -> Value {
    let shape = property.resolve();
    match (value, shape.element()) {
        (Value::Secret(inner), _) => without_defaults(inner, property).secret(),
        (Value::List(items), Some(element)) => Value::List(items.iter().map(|it| without_defaults(it, element)).collect()),
        (Value::Object(map), None) if shape.kind().is_some() => {
            let kept = map.iter().filter_map(|(name, it)| {
                let property = shape.property(name)?;
                says_more_than_default(it, property).then(|| (name.clone(), without_defaults(it, property)))
            });
            Value::Object(kept.collect())
        }
        _ => value.clone(),
    }
}

/// The names of the properties whose values differ in meaning, as Diff sees it: what an update has to send.
pub fn changed<C: Cloud, I: Serialize + JsonSchema>(old: &I, new: &I) -> Result<BTreeSet<String>> {
    let changes = diff::diff(&codec::encode(old)?, &codec::encode(new)?, Shapes::of::<I>().in_cloud::<C>().root());
    Ok(changes.into_iter().map(|it| it.property().to_owned()).collect())
}

/// The tags to set and the keys to remove, to get from `old` to `new`.
pub fn tag_changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<String>) {
    let set = new.iter().filter(|(key, it)| old.get(*key) != Some(it)).map(|(key, it)| (key.clone(), it.clone())).collect();
    let removed = old.keys().filter(|it| !new.contains_key(*it)).cloned().collect();
    (set, removed)
}
