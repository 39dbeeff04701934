//! Tests of the package as a whole: its schema, and what holds for every resource of it.

mod claims;
pub(crate) mod findings;

use std::{env, fs, sync::LazyLock};

use regex_lite::Regex;
use serde_json::{Value as Json, json};

use crate::{
    FARGATE,
    aws::KEYWORDS as OUR_KEYWORDS,
    check::{Autonaming, is_autoname},
    config::Config,
    plan::Plan,
    resource::{Checked, Subject},
    resources,
    schema::{KEYWORDS, Shape, Shapes},
    value::Map,
};

fn schema() -> Json {
    serde_json::from_str(&FARGATE.schema_text()).unwrap()
}

fn token(name: &str) -> String {
    format!("fargate:index:{name}")
}

fn settings() -> &'static Shapes {
    static SHAPES: LazyLock<Shapes> = LazyLock::new(Shapes::of::<Config>);
    &SHAPES
}

/// `UPDATE=1 cargo test schema` writes it.
#[test]
fn schema_json_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    let fresh = FARGATE.schema_text();
    if env::var_os("UPDATE").is_some() {
        fs::write(path, &fresh).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == fresh, "schema.json is stale: run `UPDATE=1 cargo test schema`");
}

/// What the docs say of a constant default begins with it.
#[test]
fn docs_tell_the_defaults() {
    fn visit(at: &str, value: &Json, wrong: &mut Vec<String>) {
        if let (Some(default), Some(description)) = (value.get("default"), value["description"].as_str()) {
            let shown = default.as_str().map_or_else(|| default.to_string(), |it| format!("`{it}`"));
            let description = description.replace('\n', " ");
            if default != "" && !description.contains(&format!("Default: {shown}")) {
                wrong.push(format!("{at}: {shown} is the default, but: {description}"));
            }
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            visit(&format!("{at}.{name}"), inner, wrong);
        }
    }
    let mut wrong = Vec::new();
    visit("", &schema(), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An output that may be missing is a pointer in Go, of which a URL would hold the address in memory.
#[test]
fn outputs_that_always_have_a_value_are_required() {
    let schema = schema();
    for (resource, outputs) in [
        ("ListenerRule", &["priority", "arn"][..]),
        ("LoadBalancer", &["dnsName", "zoneId", "name", "region"]),
        ("RedisGroup", &["port", "primaryEndpointAddress", "engineVersion", "numCacheClusters"]),
        ("Repository", &["repositoryUrl"]),
        ("SecurityGroup", &["vpcId", "name"]),
        ("Service", &["desiredCount", "name", "cluster"]),
        ("Subnet", &["availabilityZone", "vpcId", "cidrBlock"]),
    ] {
        let required = schema["resources"][token(resource)]["required"].as_array().unwrap();
        for output in outputs {
            assert!(required.contains(&json!(output)), "{resource}.{output} is not required");
        }
    }
    let vpc = &schema["functions"][token("getVpc")]["outputs"];
    assert_eq!(vpc["required"].as_array().unwrap().len(), vpc["properties"].as_object().unwrap().len());
}

#[test]
fn names_are_listed_for_inputs_and_others_are_taken() {
    let schema = schema();
    let types = schema["types"].as_object().unwrap();
    let name = token("TargetGroupProtocol");
    let resource = &schema["resources"][token("TargetGroup")];
    let input = &resource["inputProperties"]["protocol"];
    assert_eq!(input["oneOf"], json!([{ "type": "string" }, { "$ref": format!("#/types/{name}") }]));
    assert_eq!(resource["properties"]["protocol"]["type"], "string");
    assert!(types[&name]["enum"].as_array().unwrap().iter().any(|it| it["value"] == "HTTP"));
    let references = Regex::new("\"#/types/([^\"]+)\"").unwrap();
    let text = schema.to_string();
    for it in references.captures_iter(&text) {
        assert!(types.contains_key(&it[1]), "nothing says what {} is", &it[1]);
    }
}

fn all_shapes() -> impl Iterator<Item = &'static Shapes> {
    let resources = FARGATE.resources.iter().flat_map(|it| [it.inputs(), it.outputs(), it.query()]);
    let functions = FARGATE.functions.iter().flat_map(|it| [it.arguments(), it.result()]);
    resources.chain(functions).chain([settings()])
}

fn every_field(mut check: impl FnMut(&str, Shape<'_>)) {
    for shapes in all_shapes() {
        let objects = shapes.types().map(|(_, it)| it).chain([shapes.root()]);
        objects.flat_map(Shape::properties).for_each(|(name, field)| check(name, field));
    }
}

#[test]
fn every_field_is_documented_and_says_only_known_keywords() {
    const JSON_SCHEMA: [&str; 20] = [
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maximum",
        "maxItems",
        "maxLength",
        "minimum",
        "minItems",
        "minLength",
        "oneOf",
        "pattern",
        "propertyNames",
        "type",
        "uniqueItems",
    ];
    every_field(|name, field| {
        assert!(field.keyword("description").is_string(), "{name} has no documentation");
        for keyword in field.said() {
            assert!(
                KEYWORDS.contains(&keyword) || OUR_KEYWORDS.contains(&keyword) || JSON_SCHEMA.contains(&keyword),
                "{name} says {keyword}, which nobody reads"
            );
        }
    });
}

#[test]
fn every_pattern_compiles_and_is_in_words() {
    every_field(|name, field| {
        if let Some(pattern) = field.keyword("pattern").as_str() {
            Regex::new(pattern).unwrap();
            assert!(field.keyword("expects").is_string(), "{name} has a pattern and does not say what it expects");
        }
    });
}

#[test]
fn resources_and_functions_are_in_alphabetical_order() {
    assert!(FARGATE.resources.iter().map(|it| it.name()).is_sorted());
    assert!(FARGATE.functions.iter().map(|it| it.name()).is_sorted());
}

/// Whatever a program calls a resource, the name that is made up for it is one that AWS takes, and is known again.
#[test]
fn no_made_up_name_is_refused() {
    for resource in resources::all() {
        let property = resource.inputs().root().properties().find(|(_, it)| !it.keyword("autoname").is_null());
        let Some((property, shape)) = property else { continue };
        for name in
            ["web", "fastapi_app", "sg-web", "sg", "internal-alb", "internal", "2nd", "A--b", "__", "ünï", &"long-".repeat(100)]
        {
            let (old, plan) = (Map::new(), Plan::default());
            let (seed, autonaming) = (&[0xa5; 32], Autonaming::Default);
            let subject = Subject { name, urn: "", seed, old: &old, autonaming, cloud: None, plan: &plan };
            let Checked { inputs, failures, .. } = resource.check(&subject, Map::new()).unwrap();
            let wrong: Vec<_> = failures.iter().filter(|it| it.path == property).collect();
            assert!(wrong.is_empty(), "{} {name}: {wrong:?}", resource.name());
            assert!(is_autoname(inputs[property].as_str().unwrap(), name, shape), "{} {name}", resource.name());
        }
    }
}
