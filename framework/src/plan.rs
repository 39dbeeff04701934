//! What the program declares in one run, so that a resource can be compared with those it needs before anything is made.
//!
//! Check sees one resource. But one instance of the provider sees the Check of all, each after those that it depends on.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    claim::Claim,
    value::{Map, Secrets, Value},
};

/// What other resources have to know of one. None of it is a value that a program would keep secret.
#[derive(Clone, Debug)]
pub struct Facts {
    value: Arc<dyn Fact>,
    name: Option<String>,
}

/// Anything that one resource records and another asks for by its type.
trait Fact: Any + std::fmt::Debug + Send + Sync {}

impl<T: Any + std::fmt::Debug + Send + Sync> Fact for T {}

impl Facts {
    /// Facts of a resource that others refer to by its id, or by what [`Cloud::references`](crate::cloud::Cloud::references) says.
    pub fn new<T: Any + std::fmt::Debug + Send + Sync>(value: T) -> Self {
        Self { value: Arc::new(value), name: None }
    }

    /// The same, of a resource that others may refer to by `name` as well, which is known before it is created.
    #[must_use]
    pub fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    fn of<T: Any + Clone>(&self) -> Option<&T> {
        (&*self.value as &dyn Any).downcast_ref()
    }
}

/// How one resource refers to another, kept in its facts.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// By this id or name, or by another reference.
    Known(String),
    /// By what is not known yet.
    Unknown,
    /// By what is wrong, which is reported already.
    Wrong,
}

impl Link {
    /// What it leads to, if that is surely something else than what `other` leads to.
    pub fn differs_from(&self, other: &Self) -> Option<&str> {
        match (self, other) {
            (Self::Known(one), Self::Known(other)) if one != other => Some(one),
            _ => None,
        }
    }
}

/// What a reference may refer to, of what the program declares.
#[derive(Debug)]
pub struct Candidates<T> {
    /// Whether it is known to refer to that; if not, it is one of those, unless it comes from elsewhere.
    pub certain: bool,
    /// All that it may refer to.
    pub those: Vec<T>,
}

impl<T> Candidates<T> {
    /// None of what the program declares.
    pub const fn none() -> Self {
        Self { certain: true, those: Vec::new() }
    }

    /// The one that it is, or that it can only be.
    pub fn only(&self) -> Option<&T> {
        match self.those.as_slice() {
            [it] => Some(it),
            _ => None,
        }
    }

    /// Those that fit.
    pub fn which(&self, fits: impl Fn(&T) -> bool) -> Candidates<&T> {
        Candidates { certain: self.certain, those: self.those.iter().filter(|it| fits(it)).collect() }
    }

    /// Each of these with each of `others`.
    pub fn with<U>(self, others: &Candidates<U>) -> Candidates<(T, &U)>
    where
        T: Copy,
    {
        let pairs = self.those.into_iter().flat_map(|it| others.those.iter().map(move |other| (it, other)));
        Candidates { certain: self.certain && others.certain, those: pairs.collect() }
    }
}

/// The name that the program gives a resource: what its URN ends in.
pub(crate) fn name_in(urn: &str) -> &str {
    urn.splitn(4, "::").nth(3).unwrap_or_default()
}

/// All that was declared in this run.
#[derive(Debug, Default)]
pub struct Plan {
    /// The secrets of the program, which no text may show.
    pub secrets: Arc<Secrets>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By URN.
    declared: BTreeMap<String, Declared>,
    /// What the user was told already, and of which URN.
    told: BTreeSet<(String, String)>,
    /// The inputs that resources had before this run, by URN.
    before: BTreeMap<String, Map>,
    /// Others may declare here as well: what is seen is not all of one program.
    shared: bool,
}

#[derive(Debug)]
struct Declared {
    /// The name of its type, such as `Cluster`.
    kind: &'static str,
    claims: Vec<Claim>,
    facts: Option<Facts>,
    /// What others refer to it by, as far as that is known.
    references: Vec<String>,
    /// Whether others may refer to it by what is not known yet.
    unknown: bool,
}

impl Default for Declared {
    fn default() -> Self {
        Self { kind: "", claims: Vec::new(), facts: None, references: Vec::new(), unknown: true }
    }
}

impl Declared {
    fn facts<T: Any + Clone>(&self) -> Option<&T> {
        self.facts.as_ref()?.of()
    }

    fn is(&self, reference: &str) -> bool {
        self.facts.as_ref().and_then(|it| it.name.as_deref()) == Some(reference)
            || self.references.iter().any(|it| it == reference)
    }
}

impl Plan {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything, for another run begins. If `shared`, it may have begun without a word.
    pub fn begin(&self, shared: bool) {
        *self.seen() = Seen { shared, ..Seen::default() };
    }

    /// The inputs that the resource `urn` had before this run; `old` is what this Check is told of them. Of a replacement that Diff
    /// has asked for, a second Check is told nothing.
    pub fn before(&self, urn: &str, old: &Map) -> Option<Map> {
        let before = &mut self.seen().before;
        if !old.is_empty() {
            before.insert(urn.to_owned(), old.clone());
        }
        before.get(urn).cloned()
    }

    /// Records that the program declares the resource `urn`, a `kind`, and what it takes that no other one may have. Its id is yet to
    /// be reported.
    pub fn claim(&self, kind: &'static str, urn: &str, claims: Vec<Claim>) {
        self.seen().declared.insert(urn.to_owned(), Declared { kind, claims, ..Declared::default() });
    }

    /// Records the facts of the resource `urn`, whose id is yet to be reported.
    pub fn declare(&self, urn: &str, facts: Facts) {
        let mut seen = self.seen();
        let declared = seen.declared.entry(urn.to_owned()).or_default();
        *declared = Declared {
            kind: declared.kind,
            claims: std::mem::take(&mut declared.claims),
            facts: Some(facts),
            ..Declared::default()
        };
    }

    /// What all resources of one kind but `urn` take, each with the name that the program gives the resource.
    pub fn claims_of_others(&self, kind: &str, urn: &str) -> Vec<(String, Claim)> {
        let seen = self.seen();
        let others = seen.declared.iter().filter(|(it, declared)| *it != urn && declared.kind == kind && !seen.shared);
        let named = others.map(|(urn, it)| (name_in(urn), it));
        named.flat_map(|(name, it)| it.claims.iter().map(|it| (name.to_owned(), it.clone()))).collect()
    }

    /// How many resources of one kind others may refer to by what is not known yet.
    pub fn not_known(&self, kind: &str) -> usize {
        let seen = self.seen();
        seen.declared.values().filter(|it| it.kind == kind && it.unknown && !seen.shared).count()
    }

    /// Records what others refer to the resource `urn` by: its id, and `references`, as far as they are known.
    pub fn record(&self, urn: &str, id: Option<&str>, references: &[Value]) {
        if let Some(it) = self.seen().declared.get_mut(urn) {
            let known = references.iter().filter_map(Value::as_str);
            it.references = id.into_iter().chain(known).filter(|it| !it.is_empty()).map(str::to_owned).collect();
            it.unknown =
                id.is_none() && references.iter().all(|it| it.as_str().is_none()) || references.contains(&Value::Unknown);
        }
    }

    /// What `reference` may refer to: an id, a name, another reference, or one that is not known yet.
    pub fn resolve<T: Any + Clone>(&self, reference: Option<&str>) -> Candidates<T> {
        let seen = self.seen();
        let all = seen.declared.values().filter_map(|it| Some((it.facts::<T>()?, it)));
        let Some(reference) = reference else {
            // It is not one whose id and references are known. And of a program that is seen only in part, what is missing proves nothing.
            let those = all.filter(|(_, it)| it.unknown && !seen.shared).map(|(facts, _)| facts.clone());
            return Candidates { certain: false, those: those.collect() };
        };
        let those = all.filter(|(_, it)| it.is(reference)).map(|(facts, _)| facts.clone()).take(1);
        Candidates { certain: true, those: those.collect() }
    }

    /// The facts of all resources of one kind but `urn` that were declared so far.
    pub fn others<T: Any + Clone>(&self, urn: &str) -> Vec<T> {
        let seen = self.seen();
        let others = seen.declared.iter().filter(|(it, _)| *it != urn && !seen.shared);
        others.filter_map(|(_, it)| it.facts::<T>().cloned()).collect()
    }

    /// Whether two links to a `T` surely lead to the same resource, which may not be created yet.
    pub fn same<T: Any + Clone>(&self, one: &Link, other: &Link) -> bool {
        match (one, other) {
            (Link::Known(one), Link::Known(other)) => one == other,
            (Link::Unknown, Link::Unknown) => self.resolve::<T>(None).those.len() == 1,
            _ => false,
        }
    }

    /// Whether the user is not yet told this of the resource `urn`. From now on, they are.
    pub fn tells(&self, urn: &str, text: &str) -> bool {
        self.seen().told.insert((urn.to_owned(), text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/tasks/web:3";

    #[derive(Clone, Debug)]
    struct Task(String);

    #[derive(Clone, Debug)]
    struct Role;

    fn task(family: &str) -> Facts {
        Facts::new(Task(family.to_owned()))
    }

    fn meant(plan: &Plan, reference: Option<&str>) -> (bool, Vec<String>) {
        let found = plan.resolve::<Task>(reference);
        (found.certain, found.those.into_iter().map(|it| it.0).collect())
    }

    #[test]
    fn a_reference_means_what_has_it() {
        let plan = Plan::default();
        plan.declare("web", task("web"));
        assert_eq!(meant(&plan, Some(PATH)), (true, vec![]), "nobody knows yet which revision it is");
        plan.record("web", None, &[PATH, "web:3"].map(|it| Value::String(it.to_owned())));
        assert_eq!(meant(&plan, Some(PATH)), (true, vec!["web".to_owned()]));
        assert_eq!(meant(&plan, Some("web:3")), (true, vec!["web".to_owned()]));
        assert_eq!(meant(&plan, Some("web:2")), (true, vec![]), "an earlier revision is what it was");
        plan.declare("web", task("web"));
        assert_eq!(meant(&plan, Some("web:3")), (true, vec![]), "it may become another");
        assert!(plan.resolve::<Role>(None).those.is_empty());
    }

    #[test]
    fn what_is_not_known_yet_is_one_of_those_that_are_not() {
        let plan = Plan::default();
        for name in ["a", "b", "c"] {
            plan.declare(name, task(name));
        }
        plan.record("a", None, &[PATH, "web:3"].map(|it| Value::String(it.to_owned())));
        plan.record("b", None, &[Value::Unknown]);
        assert_eq!(meant(&plan, None), (false, vec!["b".to_owned(), "c".to_owned()]));
        plan.begin(true);
        plan.declare("b", task("b"));
        assert_eq!(meant(&plan, None), (false, vec![]), "another instance may have declared it");
        assert!(plan.tells("a", "slow") && !plan.tells("a", "slow") && plan.tells("b", "slow"));
        plan.begin(false);
        assert!(plan.tells("a", "slow"), "another run");
        assert!(meant(&plan, None).1.is_empty());
    }

    #[test]
    fn others_are_found_by_name_id_and_kind() {
        let plan = Plan::default();
        plan.declare("a", task("a").named(Some("first".to_owned())));
        plan.declare("b", task("b"));
        plan.declare("role", Facts::new(Role));
        assert_eq!(meant(&plan, Some("first")), (true, vec!["a".to_owned()]), "a name is known before it is created");
        plan.record("b", Some("id-of-b"), &[]);
        assert_eq!(meant(&plan, Some("id-of-b")), (true, vec!["b".to_owned()]));
        assert_eq!(plan.others::<Task>("a").len(), 1);
        assert!(plan.same::<Task>(&Link::Unknown, &Link::Unknown), "only a is not created yet");
        plan.declare("c", task("c"));
        assert!(!plan.same::<Task>(&Link::Unknown, &Link::Unknown));
        assert!(plan.same::<Task>(&Link::Known("x".to_owned()), &Link::Known("x".to_owned())));
    }
}
