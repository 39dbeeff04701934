//! What AWS has room for once: a name, or an `exclusive` value. A program that gives it to two resources is told so before anything
//! is made.

use crate::{
    check::Report,
    diff::means_the_same,
    plan::Plan,
    schema::Shape,
    value::{Map, Value, path_of_index, path_of_key},
};

/// What a resource takes that no other one may have.
#[derive(Clone, Debug)]
pub struct Claim {
    property: String,
    /// Where it stands: the property, or an item of that.
    path: String,
    value: Value,
    /// The properties that say where it is taken; elsewhere, it is free.
    scope: Map,
    /// Whether the resource had it before this run.
    kept: bool,
}

/// The claims of a resource with these inputs, which had those `before`. A name that is made up is nobody else's.
pub fn claims(inputs: &Map, before: Option<&Map>, shape: Shape<'_>, fixed_name: bool) -> Vec<Claim> {
    let had = before.map(|it| claims(it, None, shape, fixed_name)).unwrap_or_default();
    let scope: Map = shape
        .properties()
        .filter(|(_, it)| it.flag("nameScope"))
        .filter_map(|(name, _)| Some((name.to_owned(), inputs.get(name)?.bare())))
        .collect();
    let is_name = |it: Shape<'_>| fixed_name && !it.keyword("autoname").is_null();
    let claiming = shape.properties().filter(|(_, it)| it.flag("exclusive") || is_name(*it));
    let mut all = Vec::new();
    for (property, shape_of_value) in claiming {
        for (path, value) in inputs.get(property).map(|it| items(property, it)).unwrap_or_default() {
            let claim = Claim { property: property.to_owned(), path, value, scope: scope.clone(), kept: false };
            let same = |it: &Claim| it.is_known() && claim.has_value_of(it, shape_of_value) && it.scope == claim.scope;
            all.push(Claim { kept: had.iter().any(same), ..claim });
        }
    }
    all
}

/// The text at `property`, or each one in the list there. What is not known yet stands for itself.
fn items(property: &str, value: &Value) -> Vec<(String, Value)> {
    match value.bare() {
        Value::List(items) => {
            let items = items.into_iter().enumerate().map(|(index, it)| (path_of_index(property, index), it));
            items.filter(|(_, it)| is_text(it)).collect()
        }
        it if is_text(&it) => vec![(property.to_owned(), it)],
        _ => Vec::new(),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Unknown)
}

impl Claim {
    fn is_known(&self) -> bool {
        self.value != Value::Unknown
    }

    fn has_value_of(&self, other: &Self, shape: Shape<'_>) -> bool {
        let texts = (self.value.as_str(), other.value.as_str());
        let caseless = shape.flag("caselessName") && matches!(texts, (Some(one), Some(other)) if one.eq_ignore_ascii_case(other));
        let known = self.is_known() && other.is_known();
        self.property == other.property && known && (caseless || means_the_same(&self.value, &other.value, shape))
    }

    fn shown(&self) -> String {
        self.value.as_str().map(|it| format!("{it:?}")).unwrap_or_default()
    }

    /// What to do where another resource has it.
    fn fix(&self, shape: Shape<'_>) -> String {
        if !shape.keyword("autoname").is_null() {
            format!("set another {}, or remove it: a name is then made up", self.property)
        } else if self.path == self.property {
            format!("set another {}, or remove one of the two resources", self.property)
        } else {
            "remove it from one of the two".to_owned()
        }
    }

    /// Whether both are surely taken in the same place.
    fn is_where(&self, other: &Self, root: Shape<'_>, plan: &Plan) -> bool {
        root.properties().filter(|(_, it)| it.flag("nameScope")).all(|(name, shape)| {
            match (self.scope.get(name), other.scope.get(name)) {
                (Some(Value::Unknown), Some(Value::Unknown)) => kind_of(shape).is_some_and(|it| plan.not_known(it) == 1),
                (Some(one), Some(other)) => means_the_same(one, other, shape),
                (one, other) => one == other,
            }
        })
    }
}

/// The resource that a property, or each item of it, refers to.
fn kind_of(shape: Shape<'_>) -> Option<&str> {
    let shape = shape.resolve().element().unwrap_or(shape);
    shape.keyword("refersTo").as_str()
}

/// Reports what the resource `urn`, a `kind`, takes although another one of the program does.
pub fn check(kind: &'static str, urn: &str, claims: Vec<Claim>, root: Shape<'_>, plan: &Plan, report: &mut Report<'_>) {
    let is_wrong = |it: &Claim| report.is_wrong(&it.path) || it.scope.keys().any(|it| report.is_wrong(it));
    let claims: Vec<_> = claims.into_iter().filter(|it| !is_wrong(it)).collect();
    plan.claim(kind, urn, claims.clone());
    let others = plan.claims_of_others(kind, urn);
    for mine in &claims {
        let Some(shape) = root.property(&mine.property) else { continue };
        let there = others.iter().filter(|(_, it)| it.property == mine.property && it.is_where(mine, root, plan));
        let there: Vec<_> = there.collect();
        if let Some((name, other)) = there.iter().find(|(_, it)| it.has_value_of(mine, shape)) {
            let certain = !mine.scope.values().any(Value::contains_unknown);
            let reason = format!("is {}, as that of {kind} {name} is; {}", mine.shown(), mine.fix(shape));
            report.refuse(&mine.path, mine.kept && other.kept, certain, &reason);
        } else if let Some(of) = kind_of(shape)
            && let Some(name) = sharing(mine, &claims, &there, plan.not_known(of))
        {
            let reason = format!("refers to a {of} that {kind} {name} refers to as well; {}", mine.fix(shape));
            report.refuse(&mine.path, false, false, &reason);
        }
    }
}

/// The resource that refers to the same one of `most` that are not created yet: which one that is, is not known, but there are not
/// enough for all.
fn sharing<'a>(mine: &Claim, claims: &[Claim], others: &[&'a (String, Claim)], most: usize) -> Option<&'a str> {
    let not_known = |it: &&Claim| it.property == mine.property && !it.is_known();
    // The first of several is reported.
    let is_first = claims.iter().find(not_known).is_some_and(|it| it.path == mine.path);
    let theirs: Vec<_> = others.iter().filter(|(_, it)| !it.is_known()).collect();
    let all = claims.iter().filter(not_known).count().min(most) + theirs.len();
    theirs.first().filter(|_| is_first && most > 0 && all > most).map(|it| it.0.as_str())
}

/// Warns of what lists without an order say twice.
pub fn check_doubles(map: &Map, shape: Shape<'_>, path: &str, plan: &Plan, report: &mut Report<'_>) {
    for (name, property) in shape.properties() {
        let Some(value) = map.get(name) else { continue };
        let path = path_of_key(path, name);
        match (value.plain(), property.resolve().element()) {
            (Value::Object(map), None) => check_doubles(map, property.resolve(), &path, plan, report),
            (Value::List(_), Some(_)) if property.keyword("compare") == "set" => {
                check_items(&path, value, property, plan, report);
            }
            (Value::List(items), Some(element)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Object(map) = item.plain() {
                        check_doubles(map, element.resolve(), &path_of_index(&path, index), plan, report);
                    }
                }
            }
            _ => {}
        }
    }
}

fn check_items(path: &str, list: &Value, shape: Shape<'_>, plan: &Plan, report: &mut Report<'_>) {
    let items = items(path, list);
    let (unknown, known): (Vec<_>, Vec<_>) = items.iter().partition(|(_, it)| *it == Value::Unknown);
    for (index, (at, value)) in known.iter().enumerate() {
        let first = known[..index].iter().find(|(_, it)| it == value);
        if let (Some((first, _)), false) = (first, report.has_finding_at(at)) {
            let value = value.as_str().unwrap_or_default();
            report.warn(&[at], false, format!("is {value}, as {first} is; remove one of the two"));
        }
    }
    let unknown: Vec<_> = unknown.into_iter().filter(|(at, _)| !report.is_wrong(at)).collect();
    if let Some((of, most)) = kind_of(shape).map(|it| (it, plan.not_known(it)))
        && most > 0
        && unknown.len() > most
    {
        let reason = format!(
            "refers to the same {of} twice: {} items are not known yet, and the program creates {most}; remove one of the two, \
             unless it comes from elsewhere",
            unknown.len()
        );
        report.foretell(path, reason);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        check::{Autonaming, Failure},
        config::TagRules,
        plan::Plan,
        resource::Subject,
        resources,
        value::{Map, Value},
    };

    /// A program, one resource after the other.
    #[derive(Default)]
    struct Program(Plan);

    impl Program {
        /// The mistakes and the warnings of the resource of that kind and name.
        fn declares(&self, kind: &str, name: &str, inputs: serde_json::Value) -> (Vec<Failure>, Vec<Failure>) {
            self.changes(kind, name, &Map::new(), inputs)
        }

        fn changes(&self, kind: &str, name: &str, old: &Map, inputs: serde_json::Value) -> (Vec<Failure>, Vec<Failure>) {
            let resource = resources::all().iter().find(|it| it.name() == kind).unwrap();
            let urn = format!("urn:pulumi:dev::shop::fargate:index:{kind}::{name}");
            let Value::Object(mut inputs) = inputs.into() else { panic!("a map") };
            inputs.values_mut().for_each(unknown);
            let (seed, autonaming, tags) = (&[7; 32], Autonaming::Default, TagRules::default());
            let subject = Subject { name, urn: &urn, seed, old, autonaming, tags: &tags, plan: &self.0 };
            let checked = resource.check(&subject, inputs).unwrap();
            (checked.failures, checked.warnings)
        }
    }

    /// What a test writes as `?` is not known yet.
    fn unknown(value: &mut Value) {
        match value {
            Value::String(it) if it == "?" => *value = Value::Unknown,
            Value::List(items) => items.iter_mut().for_each(unknown),
            Value::Object(map) => map.values_mut().for_each(unknown),
            _ => {}
        }
    }

    fn at(findings: &[Failure], path: &str) -> Option<String> {
        findings.iter().find(|it| it.path == path).map(|it| it.reason.clone())
    }

    #[test]
    fn two_resources_cannot_have_one_name() {
        for resource in resources::all() {
            let named = resource.inputs().root().properties().find(|(_, it)| !it.keyword("autoname").is_null());
            let Some((property, shape)) = named else { continue };
            let kind = resource.name();
            let fixed = |name: &str| match kind {
                "ScalingPolicy" => json!({ property: name, "resourceId": "service/main/web" }),
                _ => json!({ property: name }),
            };
            let program = Program::default();
            for _ in 0..2 {
                let (mistakes, _) = program.declares(kind, "one", fixed("web"));
                assert_eq!(at(&mistakes, property), None, "{kind}: it is the same one, which is checked again");
            }
            let (mistakes, _) = program.declares(kind, "two", fixed("web"));
            let reason = at(&mistakes, property).unwrap_or_default();
            assert!(reason.starts_with(&format!("is \"web\", as that of {kind} one is")), "{kind}: {mistakes:?}");
            assert_eq!(at(&program.declares(kind, "two", fixed("web2")).0, property), None, "{kind}");
            if shape.keyword("compare") == "caseless" || shape.flag("caselessName") {
                assert!(at(&program.declares(kind, "two", fixed("Web")).0, property).is_some(), "{kind}");
            }
            for name in ["three", "parent::three"] {
                assert_eq!(at(&program.declares(kind, name, json!({})).0, property), None, "{kind}: made up from one seed");
            }
            program.0.begin(true);
            program.declares(kind, "one", fixed("web"));
            assert_eq!(at(&program.declares(kind, "two", fixed("web")).0, property), None, "{kind}: of two programs, maybe");
        }
    }

    #[test]
    fn elsewhere_a_name_is_free() {
        let program = Program::default();
        program.declares("LogGroup", "one", json!({ "name": "web", "region": "eu-west-1" }));
        let there = |region: &str| at(&program.declares("LogGroup", "two", json!({ "name": "web", "region": region })).0, "name");
        assert!(there("eu-west-1").is_some() && there("eu-west-2").is_none());
        let service = |cluster: &str| json!({ "name": "web", "cluster": cluster });
        program.declares("Service", "one", service("arn:aws:ecs:eu-west-1:123456789012:cluster/main"));
        assert!(at(&program.declares("Service", "two", service("main")).0, "name").is_some());
        assert!(at(&program.declares("Service", "two", service("second")).0, "name").is_none());
    }

    #[test]
    fn a_scope_that_is_not_known_yet_is_the_only_one_there_is() {
        let program = Program::default();
        program.declares("Cluster", "main", json!({}));
        let service = json!({ "name": "web", "cluster": "?" });
        program.declares("Service", "one", service.clone());
        let reason = at(&program.declares("Service", "two", service.clone()).0, "name").unwrap();
        assert!(reason.contains("--target"), "{reason}");
        program.declares("Cluster", "second", json!({}));
        assert_eq!(at(&program.declares("Service", "two", service).0, "name"), None);
    }

    #[test]
    fn what_both_have_already_is_only_doubted() {
        let (old, inputs) = (Map::from([("name".to_owned(), Value::String("web".to_owned()))]), json!({ "name": "web" }));
        let program = Program::default();
        program.changes("LogGroup", "one", &old, inputs.clone());
        let (mistakes, warnings) = program.changes("LogGroup", "two", &old, inputs.clone());
        assert!(at(&mistakes, "name").is_none() && at(&warnings, "name").is_some());
        assert!(at(&program.declares("LogGroup", "three", inputs).0, "name").is_some());
    }

    #[test]
    fn two_resources_cannot_have_what_is_exclusive() {
        let table = |subnets: serde_json::Value| json!({ "vpcId": "vpc-1", "subnetIds": subnets });
        let gateway = json!({ "subnetId": "subnet-1", "allocationId": "eipalloc-1" });
        for (kind, path, one, two, other) in [
            (
                "RouteTable",
                "subnetIds[1]",
                table(json!(["subnet-1"])),
                table(json!(["subnet-2", "subnet-1"])),
                table(json!(["subnet-2"])),
            ),
            ("InternetGateway", "vpcId", json!({ "vpcId": "vpc-1" }), json!({ "vpcId": "vpc-1" }), json!({ "vpcId": "vpc-2" })),
            (
                "NatGateway",
                "allocationId",
                gateway.clone(),
                gateway,
                json!({ "subnetId": "subnet-1", "allocationId": "eipalloc-2" }),
            ),
        ] {
            let program = Program::default();
            program.declares(kind, "one", one);
            assert!(at(&program.declares(kind, "two", two).0, path).is_some(), "{kind}");
            assert!(program.declares(kind, "two", other).0.is_empty(), "{kind}");
        }
    }

    #[test]
    fn there_are_fewer_than_are_referred_to() {
        let program = Program::default();
        program.declares("Vpc", "network", json!({ "cidrBlock": "10.0.0.0/16" }));
        let attached = json!({ "vpcId": "?" });
        assert!(program.declares("InternetGateway", "one", attached.clone()).0.is_empty());
        assert!(at(&program.declares("InternetGateway", "two", attached).0, "vpcId").unwrap().contains("Vpc"));
        for (name, block) in [("a", "10.0.0.0/24"), ("b", "10.0.1.0/24")] {
            program.declares("Subnet", name, json!({ "vpcId": "?", "cidrBlock": block }));
        }
        let table = |subnets: usize| json!({ "vpcId": "?", "subnetIds": vec!["?"; subnets] });
        program.declares("RouteTable", "one", table(1));
        assert!(program.declares("RouteTable", "two", table(1)).0.is_empty());
        let (mistakes, _) = program.declares("RouteTable", "two", table(2));
        assert!(at(&mistakes, "subnetIds[0]").unwrap().contains("RouteTable one"), "{mistakes:?}");
        // What is wrong is reported, and refers to nothing.
        let wrong = json!({ "vpcId": "network" });
        assert_eq!(program.declares("InternetGateway", "three", wrong).0.len(), 1);
    }

    #[test]
    fn an_item_is_listed_once() {
        let program = Program::default();
        program.declares("Subnet", "a", json!({ "vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24" }));
        let service = |subnets: serde_json::Value| {
            let inputs = json!({ "taskDefinition": "web:1", "networkConfiguration": { "subnets": subnets } });
            program.declares("Service", "web", inputs).1
        };
        assert!(at(&service(json!(["subnet-1", "subnet-1"])), "networkConfiguration.subnets[1]").is_some());
        assert!(at(&service(json!(["?", "?"])), "networkConfiguration.subnets").is_some());
        assert!(service(json!(["subnet-1", "?"])).is_empty());
    }
}
