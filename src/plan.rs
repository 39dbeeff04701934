//! What the program declares in one run, so that a resource can be compared with those it needs before anything is made.
//!
//! Check sees one resource. But one instance of the provider sees the Check of all, each after those that it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::value::{Map, Value};

/// What other resources have to know of one. None of it is a value that a program would keep secret.
#[derive(Clone, Debug)]
pub enum Part {
    Task(Task),
    Targets(Targets),
    Role(Role),
}

/// A task definition, as services need it. What is not known yet is none.
#[derive(Clone, Debug)]
pub struct Task {
    pub family: String,
    pub containers: Option<Vec<Container>>,
    /// Whether its containers have a role to act as, as far as is known.
    pub has_task_role: bool,
}

/// A container of a task.
#[derive(Clone, Debug)]
pub struct Container {
    pub name: Option<String>,
    /// The name as texts may show it: it may be in something that is secret as a whole.
    pub shown: String,
    pub essential: bool,
    /// The numbers and protocols of its ports.
    pub ports: Option<Vec<(i32, &'static str)>>,
    /// The time until its health check first tells, and how long that may tell of failure; both in seconds.
    pub health: Option<(i32, i32)>,
    /// How long it has to end, in seconds.
    pub stop_timeout: Option<i32>,
}

/// A target group, as services need it. What is not known yet is none.
#[derive(Clone, Debug)]
pub struct Targets {
    pub name: String,
    /// The protocols that the port of a container may have.
    pub protocols: Option<&'static [&'static str]>,
    /// The port of its health checks, if that is one of its own.
    pub check_port: Option<i32>,
    /// The time between two health checks, in seconds.
    pub interval: Option<i32>,
    pub healthy_threshold: Option<i32>,
    pub unhealthy_threshold: Option<i32>,
    /// In seconds.
    pub deregistration_delay: Option<i32>,
}

/// A role, as task definitions need it.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: String,
    /// Whether tasks may act as it, as far as is known.
    pub is_for_tasks: bool,
    pub rights: Rights,
}

/// What a role may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rights {
    /// Nothing that the program would tell.
    None,
    /// What `AmazonECSTaskExecutionRolePolicy` allows: to pull from ECR, and to write to log groups that are there.
    Execution,
    /// More, or what is not known yet.
    More,
}

/// One kind of [`Part`].
pub trait Kind: Clone {
    fn of(part: &Part) -> Option<&Self>;
}

macro_rules! kinds {
    ($($kind:ident)*) => {
        $(impl Kind for $kind {
            fn of(part: &Part) -> Option<&Self> {
                match part {
                    Part::$kind(it) => Some(it),
                    _ => None,
                }
            }
        })*
    };
}

kinds! { Task Targets Role }

/// What a reference means, of what the program declares.
#[derive(Debug)]
pub struct Meant<T> {
    /// Whether it is known to mean that; if not, it is one of those, unless it comes from elsewhere.
    pub surely: bool,
    pub those: Vec<T>,
}

impl<T> Meant<T> {
    /// What none of ours is meant by.
    pub const fn nothing() -> Self {
        Self { surely: true, those: Vec::new() }
    }

    /// The one that it is, or that it can only be.
    pub fn only(&self) -> Option<&T> {
        match self.those.as_slice() {
            [it] => Some(it),
            _ => None,
        }
    }

    /// Those that fit.
    pub fn which(&self, fits: impl Fn(&T) -> bool) -> Meant<&T> {
        Meant { surely: self.surely, those: self.those.iter().filter(|it| fits(it)).collect() }
    }

    /// Each of these with each of `others`.
    pub fn with<U>(self, others: &Meant<U>) -> Meant<(T, &U)>
    where
        T: Copy,
    {
        let pairs = self.those.into_iter().flat_map(|it| others.those.iter().map(move |other| (it, other)));
        Meant { surely: self.surely && others.surely, those: pairs.collect() }
    }
}

/// All that was declared in this run.
#[derive(Debug, Default)]
pub struct Plan(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// By URN.
    declared: BTreeMap<String, Declared>,
    /// What the user was told already, and of which URN.
    told: BTreeSet<(String, String)>,
    /// Others may declare here as well: what is seen is not all of one program.
    shared: bool,
}

#[derive(Debug)]
struct Declared {
    part: Part,
    /// What others refer to it by, once that is known.
    arn: Option<String>,
}

impl Plan {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything, for another run begins. If `shared`, it may have begun without a word.
    pub fn begin(&self, shared: bool) {
        *self.seen() = Seen { shared, ..Seen::default() };
    }

    /// Takes note of the resource `urn`, whose ARN the engine or AWS will tell.
    pub fn declare(&self, urn: &str, part: Part) {
        self.seen().declared.insert(urn.to_owned(), Declared { part, arn: None });
    }

    /// Takes note of what the outputs of the resource `urn` are, or will be.
    pub fn settle(&self, urn: &str, outputs: &Map) {
        if let Some(it) = self.seen().declared.get_mut(urn) {
            it.arn = outputs.get("arn").and_then(Value::as_str).map(str::to_owned);
        }
    }

    /// What `reference` means: an ARN or how it ends, or one that is not known yet.
    pub fn meant<T: Kind>(&self, reference: Option<&str>) -> Meant<T> {
        let seen = self.seen();
        let all = seen.declared.values().filter_map(|it| Some((T::of(&it.part)?, it.arn.as_deref())));
        let Some(reference) = reference else {
            // What is known already is not what is not. And what is not all there is says nothing by what is missing.
            let those = all.filter(|(_, arn)| arn.is_none() && !seen.shared).map(|(it, _)| it.clone());
            return Meant { surely: false, those: those.collect() };
        };
        let means = |arn: &str| arn == reference || arn.rsplit_once('/').is_some_and(|(_, end)| end == reference);
        let those = all.filter(|(_, arn)| arn.is_some_and(means)).map(|(it, _)| it.clone()).take(1);
        Meant { surely: true, those: those.collect() }
    }

    /// Whether the user is not yet told this of the resource `urn`. From now on, they are.
    pub fn tells(&self, urn: &str, text: &str) -> bool {
        self.seen().told.insert((urn.to_owned(), text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:3";

    fn task(family: &str) -> Part {
        Part::Task(Task { family: family.to_owned(), containers: None, has_task_role: false })
    }

    fn outputs(arn: Value) -> Map {
        [("arn".to_owned(), arn)].into()
    }

    fn meant(plan: &Plan, reference: Option<&str>) -> (bool, Vec<String>) {
        let meant = plan.meant::<Task>(reference);
        (meant.surely, meant.those.into_iter().map(|it| it.family).collect())
    }

    #[test]
    fn a_reference_means_what_has_that_arn() {
        let plan = Plan::default();
        plan.declare("web", task("web"));
        assert_eq!(meant(&plan, Some(ARN)), (true, vec![]), "nobody knows yet which revision it is");
        plan.settle("web", &outputs(Value::String(ARN.to_owned())));
        assert_eq!(meant(&plan, Some(ARN)), (true, vec!["web".to_owned()]));
        assert_eq!(meant(&plan, Some("web:3")), (true, vec!["web".to_owned()]));
        assert_eq!(meant(&plan, Some("web:2")), (true, vec![]), "an earlier revision is what it was");
        plan.declare("web", task("web"));
        assert_eq!(meant(&plan, Some("web:3")), (true, vec![]), "it may become another");
        assert!(plan.meant::<Role>(None).those.is_empty());
    }

    #[test]
    fn what_is_not_known_yet_is_one_of_those_that_are_not() {
        let plan = Plan::default();
        for name in ["a", "b", "c"] {
            plan.declare(name, task(name));
        }
        plan.settle("a", &outputs(Value::String(ARN.to_owned())));
        plan.settle("b", &outputs(Value::Unknown));
        assert_eq!(meant(&plan, None), (false, vec!["b".to_owned(), "c".to_owned()]));
        plan.begin(true);
        plan.declare("b", task("b"));
        assert_eq!(meant(&plan, None), (false, vec![]), "another instance may have declared it");
        assert!(plan.tells("a", "slow") && !plan.tells("a", "slow") && plan.tells("b", "slow"));
        plan.begin(false);
        assert!(plan.tells("a", "slow"), "another run");
        assert!(meant(&plan, None).1.is_empty());
    }
}
