//! The shape of every resource, read off its Rust types, and the package schema that Pulumi generates SDKs from.
//!
//! Field attributes carry what Rust types cannot say: see [`KEYWORDS`].

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};

use crate::{config, functions, resource::AnyResource, resources};

/// The name of the package, and of its configuration.
pub const PACKAGE: &str = "fargate";

/// What `#[schemars(extend("keyword" = value))]` may say of a field, beyond JSON Schema.
///
/// - `replaceOnChanges`: a change makes a new resource; AWS cannot change it in place.
/// - `secret`: never shown.
/// - `deprecationMessage`: what to use instead.
/// - `autoname`: a name is made up when the program gives none; the value is its greatest length.
/// - `lowercase`: such a name has no capital letters.
/// - `nameScope`: where a name is taken; in another, it is free.
/// - `reserved`: what names may not start with.
/// - `exclusive`: no two resources may have the same value, so what it replaces has to go first.
/// - `computed`: AWS fills it in when the program leaves it out, so leaving it out is no change.
/// - `compare`: `"set"` for lists without an order, `"json"` for documents, `"caseless"` for text, `"arn"` for text that
///   may be the ARN of something or its name, `"flattened"` for lists without an order whose items say with lists what
///   several items could say, `"never"` for what other properties say already.
/// - `keyedBy`: the property, or the list of those, that tells the items of a list apart, so that their order means nothing.
/// - `writeOnly`: AWS never shows it; it stays as the program gave it.
/// - `changesOnUpdate`: an output that any update changes, but not one of tags.
/// - `expects`: what a right value looks like, in words, for a `pattern`.
pub const KEYWORDS: [&str; 14] = [
    "nameScope",
    "reserved",
    "replaceOnChanges",
    "secret",
    "deprecationMessage",
    "autoname",
    "lowercase",
    "exclusive",
    "computed",
    "compare",
    "keyedBy",
    "writeOnly",
    "changesOnUpdate",
    "expects",
];

/// A JSON Schema together with the definitions it refers to.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    schema: &'a Json,
    definitions: &'a Map<String, Json>,
}

/// The shapes of one struct and of all that it contains.
pub struct Shapes {
    root: Json,
    definitions: Map<String, Json>,
}

impl Shapes {
    /// The shapes of `T`.
    pub fn of<T: JsonSchema>() -> Self {
        let mut generator = generator();
        let root = generator.subschema_for::<T>().to_value();
        let mut shapes = Self { root, definitions: generator.take_definitions(true) };
        // The struct itself is described in place; only what it refers to is a type of its own.
        if let Some(name) = shapes.root["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/"))
            && let Some(definition) = shapes.definitions.remove(name)
        {
            shapes.root = definition;
        }
        shapes
    }

    /// The shapes of a resource's inputs or outputs, with what every resource has.
    pub fn of_resource<T: JsonSchema>() -> Self {
        let mut shapes = Self::of::<T>();
        shapes.root["properties"]["region"] = json!({
            "type": ["string", "null"],
            "description": "The AWS region the resource is in. Default: the provider's.",
            "pattern": "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$",
            "expects": "a region such as eu-central-1",
            "replaceOnChanges": true,
            "computed": true,
            "nameScope": true,
        });
        shapes
    }

    /// The shape of the struct.
    pub fn root(&self) -> Shape<'_> {
        Shape { schema: &self.root, definitions: &self.definitions }
    }

    /// Every named type in here.
    pub fn types(&self) -> impl Iterator<Item = (&str, Shape<'_>)> {
        self.definitions.iter().map(|(name, it)| (name.as_str(), self.root().with(it)))
    }
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|it| it.meta_schema = None).into_generator()
}

impl<'a> Shape<'a> {
    fn with(self, schema: &'a Json) -> Self {
        Self { schema, ..self }
    }

    /// Follows references and looks through `Option`.
    #[must_use]
    pub fn resolve(self) -> Self {
        if let Some(name) = self.reference() {
            return self.definitions.get(name).map_or(self, |it| self.with(it).resolve());
        }
        match self.not_null() {
            Some(inner) => inner.resolve(),
            None => self,
        }
    }

    /// The name of the definition that this refers to.
    fn reference(self) -> Option<&'a str> {
        self.schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/"))
    }

    /// What an `Option` is around.
    fn not_null(self) -> Option<Self> {
        let options = self.schema["anyOf"].as_array()?;
        options.iter().find(|it| it["type"] != "null").map(|it| self.with(it))
    }

    /// The value of a keyword, null where it is not said.
    pub fn keyword(self, name: &str) -> &'a Json {
        &self.schema[name]
    }

    /// Whether a keyword is said and true.
    pub fn flag(self, name: &str) -> bool {
        self.schema[name] == true
    }

    /// The default of the value, if it has one that says something.
    pub fn default(self) -> Option<&'a Json> {
        let empty = |it: &Json| it.is_null() || it == &json!([]) || it == &json!({});
        Some(&self.schema["default"]).filter(|it| !empty(it))
    }

    /// `string`, `integer`, `number`, `boolean`, `array` or `object`; none for anything at all.
    pub fn kind(self) -> Option<&'a str> {
        match &self.schema["type"] {
            Json::String(it) => Some(it),
            Json::Array(it) => it.iter().filter_map(Json::as_str).find(|it| *it != "null"),
            _ => self.schema["oneOf"].is_array().then_some("string"),
        }
    }

    /// The names an enum accepts, with their documentation.
    pub fn names(self) -> Option<Vec<(&'a str, Option<&'a str>)>> {
        if let Some(plain) = self.schema["enum"].as_array() {
            return Some(plain.iter().filter_map(Json::as_str).map(|it| (it, None)).collect());
        }
        // schemars groups names without documentation into one `enum` beside the documented ones.
        let mut names = Vec::new();
        for option in self.schema["oneOf"].as_array()? {
            match option["enum"].as_array() {
                Some(plain) => names.extend(plain.iter().filter_map(Json::as_str).map(|it| (it, None))),
                None => names.extend(option["const"].as_str().map(|it| (it, option["description"].as_str()))),
            }
        }
        Some(names)
    }

    /// The properties that tell the items of a list apart.
    pub fn keys(self) -> Vec<&'a str> {
        match self.keyword("keyedBy") {
            Json::Array(keys) => keys.iter().filter_map(Json::as_str).collect(),
            key => key.as_str().into_iter().collect(),
        }
    }

    /// The properties of an object with named ones.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, Shape<'a>)> {
        let properties = self.schema["properties"].as_object();
        properties.into_iter().flatten().map(move |(name, it)| (name.as_str(), self.with(it)))
    }

    /// The property of that name.
    pub fn property(self, name: &str) -> Option<Shape<'a>> {
        self.schema["properties"].get(name).map(|it| self.with(it))
    }

    /// The shape of the items of a list or of the values of a map.
    pub fn element(self) -> Option<Shape<'a>> {
        let element = self.schema.get("items").or_else(|| self.schema.get("additionalProperties"))?;
        element.is_object().then(|| self.with(element))
    }

    /// The properties that are always there, in an output.
    pub fn required(self) -> impl Iterator<Item = &'a str> {
        let nullable = move |name: &str| {
            let it = &self.schema["properties"][name];
            it["type"].is_array() || it["anyOf"].is_array()
        };
        let required = self.schema["required"].as_array();
        required.into_iter().flatten().filter_map(Json::as_str).filter(move |name| !nullable(name))
    }

    /// The properties that a program has to give.
    pub fn required_inputs(self) -> impl Iterator<Item = &'a str> {
        self.required().filter(move |name| self.schema["properties"][*name]["autoname"].is_null())
    }
}

/// The package schema.
pub fn package() -> Json {
    let mut types = Types::default();
    let config = config::shapes();
    types.add_all(config);
    let specs = resources::all().iter().map(|it| (token(it.name()), types.resource(*it))).collect::<Map<_, _>>();
    let calls = functions::all().iter().map(|it| {
        let (arguments, result) = (it.arguments(), it.result());
        types.add_all(arguments);
        types.add_all(result);
        let spec = json!({
            "description": it.description(),
            "inputs": object_spec(arguments.root()),
            "outputs": object_spec(result.root()),
        });
        (token(it.name()), spec)
    });
    let calls = calls.collect::<Map<_, _>>();
    let settings = properties(config.root());
    let respect = json!({ "respectSchemaVersion": true });
    json!({
        "name": PACKAGE,
        "displayName": "Fargate",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Web services, their workers and their Redis on AWS Fargate.",
        "keywords": ["pulumi", "aws", "fargate", "ecs", "category/cloud", "kind/native"],
        "license": "Apache-2.0",
        "publisher": "fargate",
        "meta": { "supportPack": true },
        "language": {
            "nodejs": respect,
            "python": { "respectSchemaVersion": true, "pyproject": { "enabled": true } },
            "go": { "importBasePath": "fargate/sdk/go/fargate", "generateResourceContainerTypes": true, "respectSchemaVersion": true },
            "csharp": respect,
        },
        "config": { "variables": settings },
        "provider": {
            "description": "The AWS account and region that resources are in, and how to reach them.",
            "inputProperties": settings,
        },
        "types": types.0,
        "resources": specs,
        "functions": calls,
    })
}

/// The types of the package, each of which has one meaning in it.
#[derive(Default)]
struct Types(Map<String, Json>);

impl Types {
    fn add_all(&mut self, shapes: &Shapes) {
        for (name, shape) in shapes.types() {
            // What is there for the sake of Rust alone is no type of the package.
            if shape.kind().is_some() {
                let this = named_type(shape);
                let other = self.0.insert(token(name), this.clone());
                assert!(other.is_none_or(|it| it == this), "two types are called {name}");
            }
        }
    }

    fn resource(&mut self, resource: &dyn AnyResource) -> Json {
        self.add_all(resource.inputs());
        self.add_all(resource.outputs());
        let (inputs, outputs) = (resource.inputs().root(), resource.outputs().root());
        json!({
            "description": inputs.keyword("description"),
            "inputProperties": properties(inputs),
            "requiredInputs": inputs.required_inputs().collect::<Vec<_>>(),
            "properties": output_properties(outputs),
            "required": outputs.required().collect::<Vec<_>>(),
        })
    }
}

/// The token of a type of the package, such as `fargate:index:Service`.
pub fn token(name: &str) -> String {
    format!("{PACKAGE}:index:{name}")
}

/// The part of a token that is a name; none for the token of another package.
pub fn name_of(token: &str) -> Option<&str> {
    let (package, rest) = token.split_once(':')?;
    (package == PACKAGE).then(|| rest.rsplit(':').next().unwrap_or(rest))
}

fn named_type(shape: Shape<'_>) -> Json {
    let mut spec = match shape.names() {
        Some(names) => {
            let entry = |(value, doc): (&str, Option<&str>)| match doc {
                Some(doc) => json!({ "value": value, "description": doc }),
                None => json!({ "value": value }),
            };
            json!({ "type": "string", "enum": names.into_iter().map(entry).collect::<Vec<_>>() })
        }
        None => object_spec(shape),
    };
    copy(shape, &["description"], &mut spec);
    spec
}

fn object_spec(shape: Shape<'_>) -> Json {
    json!({
        "type": "object",
        "properties": properties(shape),
        "required": shape.required_inputs().collect::<Vec<_>>(),
    })
}

fn properties(shape: Shape<'_>) -> Json {
    shape.properties().map(|(name, property)| (name.to_owned(), property_spec(property))).collect()
}

/// Outputs are text where inputs are names: the YAML host does not let the output of one resource be the name that the
/// input of another asks for.
fn output_properties(shape: Shape<'_>) -> Json {
    let named = |it: Shape<'_>| it.resolve().names().is_some();
    let spec = |it: Shape<'_>| {
        let mut spec = property_spec(it);
        if named(it) {
            spec["type"] = "string".into();
            spec.as_object_mut().map(|it| it.remove("$ref"));
        } else if it.resolve().element().is_some_and(named) {
            let element = if spec["items"].is_null() { "additionalProperties" } else { "items" };
            spec[element] = json!({ "type": "string" });
        }
        spec
    };
    shape.properties().map(|(name, property)| (name.to_owned(), spec(property))).collect()
}

fn property_spec(shape: Shape<'_>) -> Json {
    let mut spec = type_spec(shape);
    copy(shape, &["description", "secret", "deprecationMessage"], &mut spec);
    if shape.flag("replaceOnChanges") {
        // Pulumi's own word `replaceOnChanges` would make the SDKs ask for it; this one only tells the reader.
        spec["willReplaceOnChanges"] = true.into();
    }
    if shape.keyword("default").is_string() || shape.keyword("default").is_number() || shape.keyword("default").is_boolean() {
        copy(shape, &["default"], &mut spec);
    }
    spec
}

fn type_spec(shape: Shape<'_>) -> Json {
    if let Some(name) = shape.reference() {
        return match shape.resolve().kind() {
            Some(_) => json!({ "$ref": format!("#/types/{}", token(name)) }),
            None => type_spec(shape.resolve()),
        };
    }
    if let Some(inner) = shape.not_null() {
        return type_spec(inner);
    }
    match (shape.kind(), shape.element()) {
        (None, _) => json!({ "$ref": "pulumi.json#/Any" }),
        (Some("array"), Some(items)) => json!({ "type": "array", "items": type_spec(items) }),
        (Some("object"), Some(values)) => json!({ "type": "object", "additionalProperties": type_spec(values) }),
        (Some(kind), _) => json!({ "type": kind }),
    }
}

fn copy(shape: Shape<'_>, keywords: &[&str], spec: &mut Json) {
    for keyword in keywords {
        if !shape.keyword(keyword).is_null() {
            spec[keyword] = shape.keyword(keyword).clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use regex_lite::Regex;

    use super::*;

    /// `UPDATE=1 cargo test schema` writes it.
    #[test]
    fn schema_json_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
        let fresh = format!("{:#}\n", package());
        if env::var_os("UPDATE").is_some() {
            fs::write(path, &fresh).unwrap();
        }
        assert!(fs::read_to_string(path).unwrap() == fresh, "schema.json is stale: run `UPDATE=1 cargo test schema`");
    }

    fn all_shapes() -> impl Iterator<Item = &'static Shapes> {
        let resources = resources::all().iter().flat_map(|it| [it.inputs(), it.outputs()]);
        let functions = functions::all().iter().flat_map(|it| [it.arguments(), it.result()]);
        resources.chain(functions).chain([config::shapes()])
    }

    fn every_field(mut check: impl FnMut(&str, Shape<'_>)) {
        for shapes in all_shapes() {
            let objects = shapes.types().map(|(_, it)| it).chain([shapes.root()]);
            objects.flat_map(Shape::properties).for_each(|(name, field)| check(name, field));
        }
    }

    #[test]
    fn every_field_is_documented_and_says_only_known_keywords() {
        const JSON_SCHEMA: [&str; 19] = [
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
            "type",
            "uniqueItems",
        ];
        every_field(|name, field| {
            assert!(field.keyword("description").is_string(), "{name} has no documentation");
            for keyword in field.schema.as_object().unwrap().keys().map(String::as_str) {
                assert!(
                    KEYWORDS.contains(&keyword) || JSON_SCHEMA.contains(&keyword),
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
        assert!(resources::all().iter().map(|it| it.name()).is_sorted());
        assert!(functions::all().iter().map(|it| it.name()).is_sorted());
    }
}
