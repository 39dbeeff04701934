//! The laws that every resource is under, each as a property over all that the shapes say. A new resource is under them without a
//! line here. `docs/laws.md` has the matrix of resources and laws, which `UPDATE=1 cargo test laws` writes; a cell without a number
//! of cases has its reason.

mod mutant;
mod samples;
mod shapes;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    thread,
};

use fargate::{
    aws::{Session, bounds},
    resources,
};
use pulumi_provider::{
    check::{Autonaming, Failure},
    cloud::Cloud as _,
    codec,
    plan::Plan,
    resource::{AnyResource, Before, Checked, Context, Subject},
    schema::Shape,
    testing::observer,
    value::{Map, Value},
    wait::Observer,
};
use serde_json::json;

use self::{
    mutant::Mutant,
    shapes::{Path, example, inputs_of, inputs_with, parts},
};
use crate::support::FakeAws;

/// What a law says of a resource.
enum Cell {
    /// It held in so many cases.
    Held(usize),
    /// There is nothing that it could hold for, or it is kept by another test.
    Because(&'static str),
}

type Outcome = Result<Cell, String>;

/// A law: its number, what it says, and the property.
struct Law {
    name: &'static str,
    says: &'static str,
    holds: fn(&dyn AnyResource<Session>) -> Outcome,
}

const LAWS: [Law; 12] = [
    Law { name: "L1", says: "one spelling", holds: one_spelling },
    Law { name: "L2", says: "an update sends what the plan shows", holds: update_sends_what_is_planned },
    Law { name: "L3", says: "off is a value", holds: off_is_a_value },
    Law { name: "L4", says: "what import reads, Check takes", holds: imports_are_taken },
    Law { name: "L5", says: "no rule is stricter than AWS", holds: no_stricter_than_aws },
    Law { name: "L6", says: "the bounds of AWS are known at preview", holds: bounds_are_known },
    Law { name: "L7", says: "where there is room for one, the old one goes first", holds: room_for_one },
    Law { name: "L8", says: "a fixed name whose users stay", holds: users_stay },
    Law { name: "L9", says: "at once or later, not both", holds: at_once_or_later },
    Law { name: "L10", says: "data is guarded", holds: data_is_guarded },
    Law { name: "L11", says: "a name that is taken is reported", holds: taken_is_reported },
    Law { name: "L12", says: "implied references are foreseen", holds: implied_references },
];

#[test]
fn every_law_holds_for_every_resource() {
    let mut matrix = String::from(HEADER);
    let names: Vec<_> = LAWS.iter().map(|it| it.name).collect();
    let says = LAWS.iter().map(|it| format!("- **{}**: {}.", it.name, it.says)).collect::<Vec<_>>().join("\n");
    _ = write!(matrix, "{says}\n\n| resource | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(LAWS.len()));
    let (mut reasons, mut broken): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    // Most of the time goes into waiting for answers of the fake AWS: all resources wait at once.
    let rows: Vec<_> = thread::scope(|scope| {
        let play = |resource: &'static dyn AnyResource<Session>| scope.spawn(move || LAWS.map(|law| (law.holds)(resource)));
        let rows: Vec<_> = resources::all().iter().map(|it| play(*it)).collect();
        rows.into_iter().map(|it| it.join().expect("no panic")).collect()
    });
    for (resource, outcomes) in resources::all().iter().zip(rows) {
        let cells = LAWS.iter().zip(outcomes).map(|(law, outcome)| match outcome {
            Ok(Cell::Held(cases)) => cases.to_string(),
            Ok(Cell::Because(reason)) => {
                let number = reasons.iter().position(|it| *it == reason).unwrap_or_else(|| {
                    reasons.push(reason);
                    reasons.len() - 1
                });
                format!("({})", letter(number))
            }
            Err(fault) => {
                broken.push(format!("{} {} ({}): {fault}", resource.name(), law.name, law.says));
                "broken".to_owned()
            }
        });
        let cells: Vec<_> = cells.collect();
        _ = writeln!(matrix, "| `{}` | {} |", resource.name(), cells.join(" | "));
    }
    matrix.push('\n');
    for (number, reason) in reasons.iter().enumerate() {
        _ = writeln!(matrix, "- ({}) {reason}.", letter(number));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    #[expect(clippy::print_stdout, reason = "the run shows the matrix")]
    {
        print!("{matrix}");
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/laws.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &matrix).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap_or_default() == matrix, "docs/laws.md is stale: run `UPDATE=1 cargo test laws`");
}

const HEADER: &str = "# Laws

Every resource is under these laws; `tests/laws/` plays each on all that a resource's shapes say. A number is how many cases held, a
letter is the reason why there is none here.

";

fn letter(number: usize) -> char {
    char::from(b'a' + u8::try_from(number).unwrap_or_default())
}

/// Faults that break one law each, no larger than they have to be, are caught by it.
#[test]
fn faults_planted_for_each_law_are_caught() {
    use mutant::Fault::{
        ComparesEmptyText, ComparesSpelling, CreatesFirst, Forgets, Hides, Refuses, SaysNothingOfNames, SendsDefault,
        StricterThanAws, WaitsForNothing,
    };
    let planted = [
        ("L1", "RouteTable", ComparesSpelling),
        ("L1", "SecurityGroup", ComparesSpelling),
        ("L2", "VpcEndpoint", SendsDefault("privateDnsEnabled")),
        ("L2", "RedisGroup", SendsDefault("numCacheClusters")),
        ("L2", "Service", SendsDefault("desiredCount")),
        ("L3", "Role", ComparesEmptyText),
        ("L3", "Listener", ComparesEmptyText),
        ("L4", "LogGroup", Forgets("name")),
        ("L4", "ListenerRule", Forgets("conditions")),
        ("L4", "Service", Forgets("loadBalancers")),
        ("L5", "Role", StricterThanAws),
        ("L5", "SecurityGroup", Refuses("210987654321/sg-")),
        ("L5", "Repository", Refuses("alias/")),
        ("L5", "Listener", Refuses("arn:aws-cn:")),
        ("L6", "Role", Hides("description")),
        ("L6", "Alarm", Hides("characters, more than")),
        ("L6", "TargetGroup", Hides("healthCheck.interval")),
        ("L6", "LogGroup", Hides("aws:")),
        ("L7", "Repository", CreatesFirst),
        ("L7", "TargetGroup", CreatesFirst),
        ("L8", "Role", Hides("deleted before")),
        ("L8", "SecurityGroup", Hides("deleted before")),
        ("L8", "TargetGroup", Hides("AWS deletes none")),
        ("L9", "RedisGroup", WaitsForNothing),
        ("L10", "LogGroup", Hides("allowDataLoss")),
        ("L10", "RedisGroup", Hides("allowDataLoss")),
        ("L10", "Repository", Hides("forceDelete")),
        ("L11", "Role", SaysNothingOfNames),
        ("L11", "LoadBalancer", SaysNothingOfNames),
        ("L12", "LoadBalancer", Hides("is left out now")),
        ("L12", "Cluster", Hides("is left out now")),
        ("L12", "VpcEndpoint", Hides("is left out now")),
    ];
    let missed = thread::scope(|scope| {
        let play = |(law, resource, fault): (&'static str, &'static str, _)| {
            let real = *resources::all().iter().find(|it| it.name() == resource).unwrap();
            let holds = LAWS.iter().find(|it| it.name == law).unwrap().holds;
            scope.spawn(move || holds(&Mutant::new(real, fault)).is_ok().then(|| format!("{law} misses {fault:?} in {resource}")))
        };
        let played = planted.map(play);
        played.into_iter().filter_map(|it| it.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Check, of inputs that were `old` before.
fn check(resource: &dyn AnyResource<Session>, old: &Map, inputs: Map) -> Checked {
    let plan = Plan::default();
    let (seed, autonaming) = (&[7; 32], Autonaming::Default);
    let subject = Subject { name: "it", urn: "", seed, old, autonaming, cloud: None, plan: &plan };
    resource.check(&subject, inputs).expect("whatever passes the shape decodes")
}

/// Whether Check took each value for what its shape asks for: it goes on with others as with what is not known.
fn is_known(inputs: &Map) -> bool {
    !inputs.values().any(Value::contains_unknown)
}

fn checked(resource: &dyn AnyResource<Session>, inputs: Map) -> Map {
    check(resource, &Map::new(), inputs).inputs
}

/// What cannot be left out of the inputs, and these.
fn with<const N: usize>(resource: &dyn AnyResource<Session>, more: [(&str, Value); N]) -> Map {
    let Value::Object(mut inputs) = example(resource.inputs().root()) else { return Map::new() };
    inputs.extend(more.into_iter().map(|(name, it)| (name.to_owned(), it)));
    inputs
}

fn complains<'a>(failures: &'a [Failure], path: &Path) -> Option<&'a Failure> {
    let at = path.to_string();
    failures.iter().find(|it| it.path == at || it.path.starts_with(&format!("{at}.")) || it.path.starts_with(&format!("{at}[")))
}

/// Whether Diff sees a difference between two inputs, at a path.
fn differs(resource: &dyn AnyResource<Session>, old: &Map, new: &Map, path: &Path) -> bool {
    resource.diff(old, new).iter().any(|it| it.property() == path.top())
}

fn one_spelling(resource: &dyn AnyResource<Session>) -> Outcome {
    let (root, sample) = (resource.inputs().root(), samples::of(resource.name()));
    let mut cases = 0;
    for (path, shape) in parts(root) {
        for (one, other) in shapes::spellings(shape) {
            let with = |it: &Value| checked(resource, inputs_of(root, sample.clone(), &path, it.clone()));
            let (one_in, other_in) = (with(&one), with(&other));
            if !is_known(&one_in) || !is_known(&other_in) {
                continue;
            }
            for (old, new) in [(&one_in, &other_in), (&other_in, &one_in)] {
                if differs(resource, old, new, &path) {
                    return Err(format!("{path}: {one:?} and {other:?} differ"));
                }
            }
            // The tags change, and nothing else: an update makes no call for what is only spelled otherwise.
            if shapes::has_spellings(shape) && root.property("tags").is_some() {
                let tagged = |map: &Map| map.clone().into_iter().chain([tags("two")]).collect::<Map>();
                let calls = [&one_in, &other_in].map(|new| update(resource, &one_in, &one_in, &tagged(new)));
                if calls[0] != calls[1] {
                    return Err(format!("{path}: for {other:?} in place of {one:?}, an update sends {:?}", calls[1]));
                }
            }
            cases += 1;
        }
    }
    if cases == 0 {
        return Ok(Cell::Because("there is one spelling of each of its inputs"));
    }
    Ok(Cell::Held(cases))
}

fn tags(value: &str) -> (String, Value) {
    ("tags".to_owned(), Value::Object([("key".to_owned(), Value::String(value.to_owned()))].into()))
}

fn off_is_a_value(resource: &dyn AnyResource<Session>) -> Outcome {
    let (root, sample) = (resource.inputs().root(), samples::of(resource.name()));
    let mut cases = 0;
    for (path, shape) in parts(root) {
        let required = path.is_required();
        for off in shapes::off_forms(shape, required) {
            let has = |it: Value| checked(resource, inputs_of(root, sample.clone(), &path, it));
            let (without, with) = (has(Value::Null), has(off.clone()));
            for (old, new) in [(&without, &with), (&with, &without)] {
                if differs(resource, old, new, &path) {
                    return Err(format!("{path}: {off:?} differs from leaving it out"));
                }
            }
            cases += 1;
        }
    }
    Ok(Cell::Held(cases))
}

/// Inputs that Check takes are what AWS shows then: what an import makes of that, Check takes as well, and it is the same. As for
/// inputs, each part of the shape, in the sample of the resource, or else in as little as the shape asks for.
fn imports_are_taken(resource: &dyn AnyResource<Session>) -> Outcome {
    let (root, sample) = (resource.inputs().root(), samples::of(resource.name()));
    let taken = |inputs: Map| Some(check(resource, &Map::new(), inputs)).filter(|it| it.failures.is_empty());
    let with_part = |(path, shape): (Path, Shape<'_>)| {
        let within = |base: Map| taken(inputs_of(root, base, &path, example(shape)));
        within(sample.clone()).or_else(|| within(Map::new()))
    };
    let mut cases = 0;
    for Checked { inputs, .. } in parts(root).into_iter().filter_map(with_part).chain(taken(sample.clone())) {
        let again = check(resource, &Map::new(), resource.imported(&inputs));
        let changes = resource.diff(&inputs, &again.inputs);
        if !again.failures.is_empty() || !changes.is_empty() {
            return Err(format!("{inputs:?} is imported as {:?}: {:?}, {changes:?}", again.inputs, again.failures));
        }
        cases += 1;
    }
    if cases == 0 {
        return Err("Check takes none of its inputs, not even the sample".to_owned());
    }
    Ok(Cell::Held(cases))
}

fn no_stricter_than_aws(resource: &dyn AnyResource<Session>) -> Outcome {
    let mut cases = 0;
    for (path, bounds) in bounds::of(resource.name()) {
        let Some(shape) = shapes::at(resource.inputs().root(), path) else {
            return Err(format!("{path} has bounds and is not an input"));
        };
        for (keyword, limit) in bounds.as_object().into_iter().flatten() {
            let (Some(limit), Some(own)) = (limit.as_f64(), shape.keyword(keyword).as_f64()) else { continue };
            let stricter = if keyword.starts_with("min") { own > limit } else { own < limit };
            let known = KNOWN_TO_BE_STRICTER.contains(&(resource.name(), path.as_str(), keyword.as_str()));
            if stricter && !known {
                return Err(format!("{path} has {keyword} {own}, AWS {limit}"));
            }
            cases += 1;
        }
    }
    let mut refused = Vec::new();
    for inputs in samples::taken(resource.name()) {
        let failures = check(resource, &Map::new(), inputs.clone()).failures;
        refused.extend(failures.iter().map(|it| format!("{it} ({inputs:?})")));
        cases += 1;
    }
    // What Check takes in one partition, it takes in the others: the sample, and an ARN wherever one may be.
    let (root, sample) = (resource.inputs().root(), samples::of(resource.name()));
    let in_partition = |it: &Map, partition: &str, region: &str| -> Map {
        it.iter().map(|(name, it)| (name.clone(), samples::in_partition(it.clone(), partition, region))).collect()
    };
    let has_arn = |it: &Value| format!("{it:?}").contains("arn:aws:");
    let arns = parts(root).into_iter().map(|(path, shape)| (path, example(shape))).filter(|(_, it)| has_arn(it));
    let with_arns: Vec<_> = arns.map(|(path, arn)| inputs_of(root, sample.clone(), &path, arn)).collect();
    for inputs in with_arns.into_iter().chain([sample]) {
        if !check(resource, &Map::new(), inputs.clone()).failures.is_empty() {
            continue;
        }
        for (partition, region) in [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-eusc", "eusc-de-east-1")] {
            let moved = in_partition(&inputs, partition, region);
            if moved != inputs {
                refused.extend(check(resource, &Map::new(), moved).failures.iter().map(|it| format!("{it} ({partition})")));
                cases += 1;
            }
        }
    }
    if refused.is_empty() { Ok(Cell::Held(cases)) } else { Err(refused.join("\n    ")) }
}

/// Bounds that AWS's documentation states and its model does not.
const KNOWN_TO_BE_STRICTER: [(&str, &str, &str); 2] = [
    // "Valid values are 10, 20, 30, and any multiple of 60."
    ("Alarm", "period", "minimum"),
    ("Alarm", "metricQueries[].period", "minimum"),
];

fn bounds_are_known(resource: &dyn AnyResource<Session>) -> Outcome {
    let mut cases = 0;
    for (path, bounds) in bounds::of(resource.name()) {
        let path = Path::parse(path.as_str());
        for (keyword, limit) in bounds.as_object().into_iter().flatten() {
            let Some((wrong, at)) = shapes::beyond(&path, keyword, limit) else { continue };
            let failures = check(resource, &Map::new(), inputs_with(resource.inputs().root(), &path, wrong.clone())).failures;
            if complains(&failures, &at).is_none() {
                return Err(format!("{path}: {wrong:?} passes, beyond {keyword} {limit}"));
            }
            cases += 1;
        }
    }
    if let Some(tags) = resource.inputs().root().property("tags") {
        let many: Map = (0..51).map(|it| (format!("key{it}"), Value::String("x".to_owned()))).collect();
        let one = |key: &str, value: &str| Map::from([(key.to_owned(), Value::String(value.to_owned()))]);
        let restricted = tags.keyword("tagCharacters") == "restricted";
        let mut wrong = vec![many, one("", "x"), one(&"k".repeat(129), "x"), one("aws:x", "x"), one("key", &"v".repeat(257))];
        wrong.extend(restricted.then(|| one("key", "Web UI (public)")));
        for tags in wrong {
            let inputs = Map::from([("tags".to_owned(), Value::Object(tags.clone()))]);
            if complains(&check(resource, &Map::new(), inputs).failures, &Path::parse("tags")).is_none() {
                return Err(format!("tags {tags:?} pass"));
            }
            cases += 1;
        }
    }
    Ok(Cell::Held(cases))
}

fn room_for_one(resource: &dyn AnyResource<Session>) -> Outcome {
    let root = resource.inputs().root();
    let name = root
        .properties()
        .find(|(_, it)| !it.keyword("autoname").is_null() || it.flag("exclusive") && it.kind() == Some("string"));
    let Some((name, shape)) = name else {
        return Ok(Cell::Because(
            "AWS has room for any number of them; what else there is room for one of is tested in tests/lifecycle",
        ));
    };
    let mut cases = 0;
    for (other, property) in root.properties() {
        if other == name || !property.flag("replaceOnChanges") || property.flag("nameScope") {
            continue;
        }
        let fixed = (name.to_owned(), example(shape));
        let old = Map::from([fixed.clone(), (other.to_owned(), Value::String("one".to_owned()))]);
        let new = Map::from([fixed, (other.to_owned(), Value::String("two".to_owned()))]);
        if !resource.shares_name("it", &old, &new) {
            return Err(format!("a change of {other} creates another one of the same {name}"));
        }
        cases += 1;
    }
    if cases == 0 {
        return Ok(Cell::Because("nothing but its name replaces it"));
    }
    Ok(Cell::Held(cases))
}

/// What AWS does not delete as long as anything uses it, so that a replacement under its name needs a word.
const HAVE_USERS: [&str; 3] = ["Role", "SecurityGroup", "TargetGroup"];

fn users_stay(resource: &dyn AnyResource<Session>) -> Outcome {
    if !HAVE_USERS.contains(&resource.name()) {
        return Ok(Cell::Because("nothing that stays keeps AWS from deleting it, or its users say so: see tests/lifecycle"));
    }
    let root = resource.inputs().root();
    let Some((name, shape)) = root.properties().find(|(_, it)| !it.keyword("autoname").is_null()) else {
        return Err("it has no name that could stay".to_owned());
    };
    let mut cases = 0;
    for (other, property) in root.properties() {
        if other == name || !property.flag("replaceOnChanges") || property.flag("nameScope") {
            continue;
        }
        let Some((one, two)) = shapes::two_examples(property) else { continue };
        let fixed = || (name, example(shape));
        let old = checked(resource, with(resource, [fixed(), (other, one)]));
        let now = check(resource, &old, with(resource, [fixed(), (other, two)]));
        if !resource.shares_name("it", &old, &now.inputs) || !old.contains_key(other) || !now.inputs.contains_key(other) {
            continue;
        }
        if now.failures.is_empty() && now.warnings.is_empty() {
            return Err(format!("a change of {other} deletes it before the new one of the same {name}, without a word"));
        }
        cases += 1;
    }
    if cases == 0 {
        return Ok(Cell::Because("nothing but its name replaces it"));
    }
    Ok(Cell::Held(cases))
}

/// Where a program may let changes wait, AWS is asked to make each of them when it would be by itself, whatever else changes: what
/// waits and what AWS only makes at once are never in one request.
fn at_once_or_later(resource: &dyn AnyResource<Session>) -> Outcome {
    let root = resource.inputs().root();
    if root.property("applyImmediately").is_none() {
        return Ok(Cell::Because("AWS makes all its changes at once"));
    }
    let changes = root.properties().filter(|(name, it)| *name != "applyImmediately" && !it.flag("replaceOnChanges"));
    let changes: Vec<_> = changes.filter_map(|(name, shape)| Some((name, shapes::two_of_any(shape)?))).collect();
    let requests = |changes: &[&(&str, (Value, Value))]| {
        let inputs = |value: fn(&(Value, Value)) -> &Value| {
            let mut inputs = samples::with(resource.name(), json!({ "applyImmediately": false }));
            inputs.extend(changes.iter().map(|(name, values)| ((*name).to_owned(), value(values).clone())));
            checked(resource, inputs)
        };
        let (old, new) = (inputs(|it| &it.0), inputs(|it| &it.1));
        if !is_known(&old) || !is_known(&new) {
            return Vec::new();
        }
        let calls = update(resource, &old, &old, &new);
        calls.iter().filter_map(|(_, body)| Request::read(body)).collect::<Vec<_>>()
    };
    let alone: Vec<_> = changes.iter().map(|it| requests(&[it])).collect();
    // When AWS is asked to make the change that a parameter is for. One that is in requests of both kinds says what they are about.
    let mut times: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for request in alone.iter().flatten() {
        for parameter in &request.parameters {
            times.entry(parameter).or_default().insert(request.at_once);
        }
    }
    let mut cases = 0;
    for (index, one) in changes.iter().enumerate() {
        for (other, alone_other) in changes.iter().zip(&alone).skip(index + 1) {
            let at_once = |of: &[Request]| of.iter().map(|it| it.at_once).collect::<BTreeSet<_>>();
            let (first, second) = (at_once(&alone[index]), at_once(alone_other));
            if first.is_empty() || second.is_empty() || first == second {
                continue;
            }
            for request in requests(&[one, other]) {
                let misplaced =
                    |it: &&String| times.get(it.as_str()).is_some_and(|it| it.len() == 1 && !it.contains(&request.at_once));
                if let Some(parameter) = request.parameters.iter().find(misplaced) {
                    let at_once = request.at_once;
                    return Err(format!("{} and {} change: {parameter} is sent with ApplyImmediately={at_once}", one.0, other.0));
                }
            }
            cases += 1;
        }
    }
    if cases == 0 {
        return Err("nothing that it changes waits".to_owned());
    }
    Ok(Cell::Held(cases))
}

/// A request that says when AWS is to do what it asks for.
struct Request {
    at_once: bool,
    parameters: BTreeSet<String>,
}

impl Request {
    /// Reads it from a body such as `Action=ModifyReplicationGroup&ApplyImmediately=false`.
    fn read(body: &str) -> Option<Self> {
        let parameters: Vec<_> = body.split('&').filter_map(|it| it.split_once('=')).collect();
        let (_, at_once) = parameters.iter().find(|(name, _)| *name == "ApplyImmediately")?;
        let names = parameters.iter().filter_map(|(name, _)| name.split('.').next()).filter(|it| *it != "ApplyImmediately");
        Some(Self { at_once: *at_once == "true", parameters: names.map(str::to_owned).collect() })
    }
}

/// What the resource is known by that an update changes: a service by its cluster and its name, others by anything.
const ID: &str = "main/it";

/// What AWS shows of that, to updates that look at it first.
const SHOWN: &[(&str, &str)] = &[
    (
        "DescribeNatGateways",
        "<DescribeNatGatewaysResponse><natGatewaySet><item>\
         <natGatewayId>main/it</natGatewayId><state>available</state>\
         </item></natGatewaySet></DescribeNatGatewaysResponse>",
    ),
    (
        "DescribeReplicationGroups",
        "<DescribeReplicationGroupsResponse><DescribeReplicationGroupsResult><ReplicationGroups><ReplicationGroup>\
         <ReplicationGroupId>main/it</ReplicationGroupId><Status>available</Status>\
         <NodeGroups><NodeGroup><NodeGroupMembers><NodeGroupMember/><NodeGroupMember/></NodeGroupMembers></NodeGroup></NodeGroups>\
         </ReplicationGroup></ReplicationGroups></DescribeReplicationGroupsResult></DescribeReplicationGroupsResponse>",
    ),
    (
        "DescribeSecurityGroups",
        "<DescribeSecurityGroupsResponse><securityGroupInfo><item>\
         <groupId>main/it</groupId><ownerId>123456789012</ownerId>\
         </item></securityGroupInfo></DescribeSecurityGroupsResponse>",
    ),
    (
        "DescribeServices",
        r#"{ "services": [{ "serviceName": "it", "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/main" }] }"#,
    ),
    (
        "DescribeVpcEndpoints",
        "<DescribeVpcEndpointsResponse><vpcEndpointSet><item>\
         <vpcEndpointId>main/it</vpcEndpointId><state>available</state>\
         </item></vpcEndpointSet></DescribeVpcEndpointsResponse>",
    ),
];

fn data_is_guarded(resource: &dyn AnyResource<Session>) -> Outcome {
    const SWITCHES: [&str; 2] = ["allowDataLoss", "forceDelete"];
    let root = resource.inputs().root();
    if SWITCHES.iter().all(|it| root.property(it).is_none()) {
        return Ok(Cell::Because("it holds no data, whose loss a switch would have to allow"));
    }
    let mut cases = 0;
    for (name, property) in root.properties().filter(|(_, it)| it.flag("replaceOnChanges")) {
        let Some((one, other)) = shapes::two_examples(property) else { continue };
        let old = checked(resource, with(resource, [(name, one)]));
        let failures = check(resource, &old, with(resource, [(name, other)])).failures;
        let guarded = |it: &Failure| SWITCHES.iter().any(|switch| it.to_string().contains(switch));
        if !failures.iter().any(guarded) {
            return Err(format!("a change of {name} replaces it, and all its data, without a word"));
        }
        cases += 1;
    }
    Ok(Cell::Held(cases))
}

/// Inputs for ids that somebody else makes up: of accounts, of queries, and of clients of an identity provider.
const FREE: [&str; 4] = ["accountId", "thresholdMetricId", "userPoolClientId", "clientId"];
/// Inputs that take a name as well, or an id that looks like one.
const TAKE_NAMES: [&str; 6] =
    ["executionRoleArn", "taskRoleArn", "kmsKeyId", "fargateEphemeralStorageKmsKeyId", "replicationGroupId", "userGroupIds"];
/// Inputs for ARNs of many kinds of things, or of a kind that a rule tells.
const TAKE_ARNS: [&str; 3] = ["alarmActions", "okActions", "insufficientDataActions"];

/// What cannot be the thing that an input refers to is a mistake: the ARN of something else, and the name that somebody gave it.
#[test]
fn a_reference_to_another_kind_of_thing_is_a_mistake() {
    let mut passed = Vec::new();
    for resource in resources::all() {
        for (path, shape) in parts(resource.inputs().root()) {
            let shown = path.to_string();
            let name = shown.rsplit('.').next().unwrap_or_default();
            let (is_arn, is_action) =
                (name.ends_with("Arn") || name.ends_with("Arns") || name == "arn", name.ends_with("Actions"));
            let is_id = ["Id", "Ids", "subnets", "securityGroups"].iter().any(|it| name.ends_with(it));
            let inner = shape.resolve();
            let is_text = |it: &Shape<'_>| it.resolve().kind() == Some("string");
            let is_list = inner.element().as_ref().is_some_and(is_text);
            if !(is_arn || is_action || is_id) || !(is_list || is_text(&inner)) || FREE.contains(&name) {
                continue;
            }
            let wrong = [("my-thing", &TAKE_NAMES[..]), ("arn:aws:s3:::my-thing", &TAKE_ARNS[..])];
            for (wrong, _) in wrong.into_iter().filter(|(_, taken_by)| !taken_by.contains(&name)) {
                let text = Value::String(wrong.to_owned());
                let value = if is_list { Value::List(vec![text]) } else { text };
                let failures = check(*resource, &Map::new(), inputs_with(resource.inputs().root(), &path, value)).failures;
                if complains(&failures, &path).is_none() {
                    passed.push(format!("{} {path} takes {wrong}", resource.name()));
                }
            }
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

fn implied_references(resource: &dyn AnyResource<Session>) -> Outcome {
    let mut cases = 0;
    for (name, shape) in resource.inputs().root().properties() {
        if !shape.flag("computed") || name == "region" {
            continue;
        }
        let old = checked(resource, with(resource, [(name, example(shape))]));
        if old.get(name).is_none_or(Value::is_empty) {
            // Other inputs decide whether it means anything, or nothing that it could say is required.
            continue;
        }
        let warnings = check(resource, &old, with(resource, [])).warnings;
        if !warnings.iter().any(|it| it.path == name) {
            return Err(format!("{name} is left out, AWS keeps it, and nothing says so"));
        }
        cases += 1;
    }
    if cases == 0 {
        return Ok(Cell::Because("what is left out, AWS forgets"));
    }
    Ok(Cell::Held(cases))
}

fn update_sends_what_is_planned(resource: &dyn AnyResource<Session>) -> Outcome {
    let root = resource.inputs().root();
    let computed: Vec<_> = root.properties().filter(|(name, it)| it.flag("computed") && *name != "region").collect();
    if computed.is_empty() {
        return Ok(Cell::Because("AWS fills in nothing that is left out"));
    }
    if resource.name() == "Task" {
        return Ok(Cell::Because("its update runs another one: nothing changes in AWS"));
    }
    if root.property("tags").is_none() {
        return Ok(Cell::Because("it has no tags, the sibling that is changed here"));
    }
    let mut cases = 0;
    for (name, shape) in computed {
        let mut inputs = samples::of(resource.name());
        inputs.entry(name.to_owned()).or_insert_with(|| example(shape));
        let [old, written] = ["one", "two"].map(|it| checked(resource, inputs.clone().into_iter().chain([tags(it)]).collect()));
        let mut left_out = written.clone();
        left_out.remove(name);
        let (calls_written, calls_left_out) =
            (update(resource, &old, &old, &written), update(resource, &old, &left_out, &left_out));
        if calls_written != calls_left_out {
            return Err(format!("{name} left out: the update sends {calls_left_out:?} in place of {calls_written:?}"));
        }
        // Two updates that send nothing say nothing.
        cases += usize::from(!calls_written.is_empty());
    }
    if cases == 0 {
        return Err("its update sends nothing for a change of the tags".to_owned());
    }
    Ok(Cell::Held(cases))
}

/// The calls by which an update changes something in AWS.
fn update(resource: &dyn AnyResource<Session>, seen: &Map, before: &Map, new: &Map) -> Vec<(String, String)> {
    assert!(is_known(seen) && is_known(new), "{}: Check refuses {seen:?} or {new:?}", resource.name());
    run(async {
        let aws = FakeAws::showing(SHOWN).await;
        let context = context(&aws).await;
        let before = Before { inputs: before, outputs: seen, ignored: &[] };
        // The calls are made by then; what AWS would show of it now is of no interest here.
        _ = resource.update(&context, ID, &before, new).await;
        let reads = ["Describe", "List", "Get", "BatchGet"];
        aws.all().into_iter().filter(|(operation, _)| !reads.iter().any(|it| operation.starts_with(it))).collect()
    })
}

fn taken_is_reported(resource: &dyn AnyResource<Session>) -> Outcome {
    let Some((operation, code)) = TAKEN.iter().find(|it| it.0 == resource.name()).map(|it| (it.1, it.2)) else {
        return Ok(Cell::Because(match resource.name() {
            "Alarm" | "ScalableTarget" | "ScalingPolicy" | "TaskDefinition" => {
                "AWS would take it over without a word, so it is asked first: see its own tests"
            }
            "Cluster" => "AWS would hand out the existing one, so it is asked first: tests/lifecycle/test_cluster.py",
            "Service" => "AWS refuses another service of that name, with its own text",
            "Listener" | "ListenerRule" => "its port or priority may be taken, which tests/lifecycle plays",
            _ if named(resource) => return Err("say in TAKEN how AWS refuses its name, or here why it does not".to_owned()),
            _ => "it has no name that could be taken",
        }));
    };
    let inputs = checked(resource, with(resource, []));
    let error = run(async {
        let aws = FakeAws::refusing(operation, code).await;
        resource.create(&context(&aws).await, &inputs).await.err().map(|it| format!("{it:#}"))
    });
    match error {
        Some(text) if text.contains("pulumi import") && text.contains(resource.name()) => Ok(Cell::Held(1)),
        other => Err(format!("a name that is taken ({code}) is reported as {other:?}")),
    }
}

fn named(resource: &dyn AnyResource<Session>) -> bool {
    resource.inputs().root().properties().any(|(_, it)| !it.keyword("autoname").is_null())
}

/// By which call and which code AWS says that a name is taken: the errors of its service models.
const TAKEN: [(&str, &str, &str); 9] = [
    ("LoadBalancer", "CreateLoadBalancer", "DuplicateLoadBalancerName"),
    ("LogGroup", "CreateLogGroup", "ResourceAlreadyExistsException"),
    ("RedisGroup", "CreateReplicationGroup", "ReplicationGroupAlreadyExists"),
    ("RedisParameterGroup", "CreateCacheParameterGroup", "CacheParameterGroupAlreadyExists"),
    ("RedisSubnetGroup", "CreateCacheSubnetGroup", "CacheSubnetGroupAlreadyExists"),
    ("Repository", "CreateRepository", "RepositoryAlreadyExistsException"),
    ("Role", "CreateRole", "EntityAlreadyExists"),
    ("SecurityGroup", "CreateSecurityGroup", "InvalidGroup.Duplicate"),
    ("TargetGroup", "CreateTargetGroup", "DuplicateTargetGroupName"),
];

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// The context of a request, with `aws` for AWS.
async fn context(aws: &FakeAws) -> Context<Session> {
    let settings = json!({
        "region": "eu-central-1", "accessKey": "key", "secretKey": "secret", "endpoint": aws.url,
        "maxRetries": 0, "skipCredentialsValidation": true,
    });
    let settings = codec::decode(&crate::support::map(settings)).expect("settings");
    let session = Arc::new(Session::new(settings).expect("a region"));
    let urn = "urn:pulumi:dev::project::fargate:index:It::it";
    // The first wait ends the request, however fast the machine is.
    let observer = observer("AWS");
    let ended = observer.cancel.clone();
    let observer = Observer { progress: Box::new(move |_| ended.cancel()), ..observer };
    Context::new(urn, session, None, observer).await.expect("clients")
}
