//! For the tests of resources: what Check and Diff say of them, without an engine and without a cloud.

#![expect(clippy::missing_panics_doc, reason = "a test fails by it")]

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    check::{Autonaming, Failure},
    plan::Plan,
    resource::{AnyResource as _, Checked, Erased, Resource, Subject},
    value::{Map, Secrets, Value},
    wait::Observer,
};

/// Nobody watches, and nothing is called off; texts call the cloud so.
pub fn observer(cloud: &'static str) -> Observer {
    Observer {
        cloud,
        cancel: CancellationToken::new(),
        deadline: None,
        progress: Box::new(|_| {}),
        say: Box::new(|_| {}),
        secrets: Arc::new(Secrets::default()),
    }
}

/// All that Check finds wrong with `inputs`.
pub fn mistakes<R: Resource>(inputs: Value) -> Vec<String> {
    findings::<R>(&Plan::default(), inputs).0
}

/// All that Check finds wrong with `inputs` in a program that has declared `plan`, and what it warns of.
pub fn findings<R: Resource>(plan: &Plan, inputs: Value) -> (Vec<String>, Vec<String>) {
    let Checked { failures, warnings, .. } = checked::<R>(plan, inputs);
    let texts = |of: Vec<Failure>| of.iter().map(Failure::to_string).collect();
    (texts(failures), texts(warnings))
}

/// What Check answers for `inputs` of a new resource, in a program that has declared `plan`.
pub fn checked<R: Resource>(plan: &Plan, inputs: Value) -> Checked {
    let Value::Object(inputs) = inputs else { panic!("inputs are a map") };
    let old = Map::new();
    let (name, urn, seed, autonaming) = ("it", R::NAME, &[0; 32], Autonaming::Default);
    let subject = Subject { name, urn, seed, old: &old, autonaming, cloud: None, plan };
    let resource = Erased::<R>::NEW;
    resource.check(&subject, inputs).expect("whatever passes the shape decodes")
}

/// The paths at which Diff finds that inputs differ, as after Check.
pub fn changes<R: Resource>(old: Value, new: Value) -> Vec<String> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!("inputs are maps") };
    let resource = Erased::<R>::NEW;
    resource.diff(&old, &new).into_iter().map(|it| it.path).collect()
}

/// Whether what replaces a resource of the name `it` can only be created once the old one is gone.
pub fn goes_first<R: Resource>(old: Value, new: Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!("inputs are maps") };
    let resource = Erased::<R>::NEW;
    resource.shares_name("it", &old, &new)
}

/// What Check finds wrong with `new` inputs of a resource that had `old` ones, and what it warns of.
pub fn findings_of_change<R: Resource>(old: Value, new: Value) -> (Vec<String>, Vec<String>) {
    let (Value::Object(mut old), Value::Object(new)) = (old, new) else { panic!("inputs are maps") };
    let (plan, resource) = (Plan::default(), Erased::<R>::NEW);
    let (name, urn, seed, autonaming) = ("it", R::NAME, &[0; 32], Autonaming::Default);
    resource.complete(&mut old);
    let subject = Subject { name, urn, seed, old: &old, autonaming, cloud: None, plan: &plan };
    let checked = resource.check(&subject, new).expect("whatever passes the shape decodes");
    let texts = |of: Vec<Failure>| of.iter().map(Failure::to_string).collect();
    (texts(checked.failures), texts(checked.warnings))
}
