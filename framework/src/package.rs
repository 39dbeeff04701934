//! A package: what a provider serves, and the schema that Pulumi generates SDKs from.

use serde_json::{Map, Value as Json, json};

use crate::{
    component::AnyComponent,
    config,
    functions::AnyFunction,
    resource::AnyResource,
    schema::{Shape, Shapes},
};

/// What a provider serves.
pub struct Package {
    /// The name, which every token of the package starts with.
    pub name: &'static str,
    /// The version, such as `1.2.3`.
    pub version: &'static str,
    /// What the package is for, in a sentence.
    pub description: &'static str,
    /// Words to find it by.
    pub keywords: &'static [&'static str],
    pub resources: &'static [&'static dyn AnyResource],
    pub functions: &'static [&'static dyn AnyFunction],
    pub components: &'static [&'static dyn AnyComponent],
}

impl Package {
    /// Whether it calls AWS, and so has settings. Components alone leave that to the resources that they consist of.
    pub fn calls_aws(&self) -> bool {
        !self.resources.is_empty() || !self.functions.is_empty()
    }

    /// The resource of a type such as `fargate:index:Service`.
    pub fn resource(&self, token: &str) -> Option<&'static dyn AnyResource> {
        self.resources.iter().find(|it| self.name_in(token) == Some(it.name())).copied()
    }

    /// The function of a token such as `fargate:index:getVpc`.
    pub fn function(&self, token: &str) -> Option<&'static dyn AnyFunction> {
        self.functions.iter().find(|it| self.name_in(token) == Some(it.name())).copied()
    }

    /// The component of a type such as `fargate:index:Network`.
    pub fn component(&self, token: &str) -> Option<&'static dyn AnyComponent> {
        self.components.iter().find(|it| self.name_in(token) == Some(it.name())).copied()
    }

    /// The part of a token that is a name; none for the token of another package.
    fn name_in<'a>(&self, token: &'a str) -> Option<&'a str> {
        let (package, rest) = token.split_once(':')?;
        (package == self.name).then(|| rest.rsplit(':').next().unwrap_or(rest))
    }

    fn token(&self, name: &str) -> String {
        format!("{}:index:{name}", self.name)
    }

    /// The package schema, as `schema.json` holds it.
    pub fn schema_text(&self) -> String {
        format!("{:#}\n", self.schema())
    }

    fn schema(&self) -> Json {
        let mut types = Types { package: self, specs: Map::new() };
        let resources = self.resources.iter().map(|it| (self.token(it.name()), types.resource(*it)));
        let mut resources: Map<_, _> = resources.collect();
        resources.extend(self.components.iter().map(|it| (self.token(it.name()), types.component(*it))));
        let functions = self.functions.iter().map(|it| (self.token(it.name()), types.function(*it)));
        let functions: Map<_, _> = functions.collect();
        let respect = json!({ "respectSchemaVersion": true });
        let mut schema = json!({
            "name": self.name,
            "displayName": capitalized(self.name),
            "version": self.version,
            "description": self.description,
            "keywords": self.keywords,
            "license": "Apache-2.0",
            "publisher": "fargate",
            "meta": { "supportPack": true },
            "language": {
                "nodejs": respect,
                "python": { "respectSchemaVersion": true, "pyproject": { "enabled": true } },
                // No `importBasePath`: `pulumi package add` up to 3.259 prints an import path without it (pulumi/pulumi#24433),
                // and the two would differ.
                "go": {
                    "generateResourceContainerTypes": true,
                    "respectSchemaVersion": true,
                },
                "csharp": respect,
            },
            "resources": resources,
            "functions": functions,
        });
        if self.calls_aws() {
            types.add_all(config::shapes());
            let settings = self.properties(config::shapes().root());
            schema["config"] = json!({ "variables": settings });
            schema["provider"] = json!({
                "description": "The AWS account and region that resources are in, and how to reach them.",
                "inputProperties": settings,
            });
        }
        schema["types"] = types.specs.into();
        schema
    }

    fn named_type(&self, shape: Shape<'_>) -> Json {
        let mut spec = match shape.names() {
            Some(names) => {
                let entry = |(value, doc): (&str, Option<&str>)| match doc {
                    Some(doc) => json!({ "value": value, "description": doc }),
                    None => json!({ "value": value }),
                };
                json!({ "type": "string", "enum": names.into_iter().map(entry).collect::<Vec<_>>() })
            }
            None => self.object_spec(shape),
        };
        copy(shape, &["description"], &mut spec);
        spec
    }

    fn object_spec(&self, shape: Shape<'_>) -> Json {
        json!({
            "type": "object",
            "properties": self.properties(shape),
            "required": shape.required_inputs().collect::<Vec<_>>(),
        })
    }

    fn properties(&self, shape: Shape<'_>) -> Json {
        shape.properties().map(|(name, property)| (name.to_owned(), self.property_spec(property))).collect()
    }

    /// Outputs are text where inputs are names: the YAML host does not let the output of one resource be the name that the
    /// input of another asks for.
    fn output_properties(&self, shape: Shape<'_>) -> Json {
        let named = |it: Shape<'_>| it.resolve().names().is_some();
        let spec = |it: Shape<'_>| {
            let mut spec = self.property_spec(it);
            if named(it) {
                spec["type"] = "string".into();
                spec.as_object_mut().map(|it| it.remove("oneOf"));
            } else if it.resolve().element().is_some_and(named) {
                let element = if spec["items"].is_null() { "additionalProperties" } else { "items" };
                spec[element] = json!({ "type": "string" });
            }
            spec
        };
        shape.properties().map(|(name, property)| (name.to_owned(), spec(property))).collect()
    }

    fn property_spec(&self, shape: Shape<'_>) -> Json {
        let mut spec = self.type_spec(shape);
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

    fn type_spec(&self, shape: Shape<'_>) -> Json {
        if let Some(name) = shape.reference() {
            let reference = json!({ "$ref": format!("#/types/{}", self.token(name)) });
            return match shape.resolve().kind() {
                // Relaxed: AWS may know names that we do not. The type is that of a default.
                Some(_) if shape.resolve().names().is_some() => {
                    json!({ "type": "string", "oneOf": [{ "type": "string" }, reference] })
                }
                Some(_) => reference,
                None => self.type_spec(shape.resolve()),
            };
        }
        if let Some(inner) = shape.not_null() {
            return self.type_spec(inner);
        }
        match (shape.kind(), shape.element()) {
            (None, _) => json!({ "$ref": "pulumi.json#/Any" }),
            (Some("array"), Some(items)) => json!({ "type": "array", "items": self.type_spec(items) }),
            (Some("object"), Some(values)) => json!({ "type": "object", "additionalProperties": self.type_spec(values) }),
            (Some(kind), _) => json!({ "type": kind }),
        }
    }
}

/// The types of a package, each of which has one meaning in it.
struct Types<'a> {
    package: &'a Package,
    specs: Map<String, Json>,
}

impl Types<'_> {
    fn add_all(&mut self, shapes: &Shapes) {
        for (name, shape) in shapes.types() {
            // What is there for the sake of Rust alone is no type of the package.
            if shape.kind().is_some() {
                let this = self.package.named_type(shape);
                let other = self.specs.insert(self.package.token(name), this.clone());
                assert!(other.is_none_or(|it| it == this), "two types are called {name}");
            }
        }
    }

    fn resource(&mut self, resource: &dyn AnyResource) -> Json {
        let query = resource.query();
        self.add_all(query);
        let mut spec = self.inputs_and_outputs(resource.inputs(), resource.outputs());
        for it in resource.foreign() {
            let description = format!("Not supported, and accepted only where it makes no difference: it {}.", it.reason);
            let property = json!({ "$ref": "pulumi.json#/Any", "description": description });
            match resource.inputs().type_at(it.within) {
                None => spec["inputProperties"][it.name] = property,
                Some(name) => {
                    let token = self.package.token(name);
                    if let Some(part) = self.specs.get_mut(&token) {
                        part["properties"][it.name] = property;
                    }
                }
            }
        }
        spec["listInputs"] = self.package.object_spec(query.root());
        // `pulumi do` has flags for text, but not for names: they are text, as in outputs.
        spec["listInputs"]["properties"] = self.package.output_properties(query.root());
        spec
    }

    fn component(&mut self, component: &dyn AnyComponent) -> Json {
        let inputs = component.inputs();
        let mut spec = self.inputs_and_outputs(inputs, component.outputs());
        spec["isComponent"] = true.into();
        for (name, _) in inputs.root().properties().filter(|(_, it)| !it.takes_unknown()) {
            spec["inputProperties"][name]["plain"] = true.into();
        }
        spec
    }

    fn function(&mut self, function: &dyn AnyFunction) -> Json {
        let (arguments, result) = (function.arguments(), function.result());
        self.add_all(arguments);
        self.add_all(result);
        json!({
            "description": function.description(),
            "inputs": self.package.object_spec(arguments.root()),
            "outputs": {
                "type": "object",
                "properties": self.package.output_properties(result.root()),
                "required": result.root().always().collect::<Vec<_>>(),
            },
        })
    }

    fn inputs_and_outputs(&mut self, inputs: &Shapes, outputs: &Shapes) -> Json {
        self.add_all(inputs);
        self.add_all(outputs);
        let (inputs, outputs) = (inputs.root(), outputs.root());
        json!({
            "description": inputs.keyword("description"),
            "inputProperties": self.package.properties(inputs),
            "requiredInputs": inputs.required_inputs().collect::<Vec<_>>(),
            "properties": self.package.output_properties(outputs),
            "required": outputs.always().collect::<Vec<_>>(),
        })
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
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
    use crate::{FARGATE, schema::KEYWORDS};

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

    /// An output that may be missing is a pointer in Go, of which a URL would hold the address in memory.
    #[test]
    fn outputs_that_always_have_a_value_are_required() {
        let schema = FARGATE.schema();
        for (resource, outputs) in [
            ("ListenerRule", &["priority", "arn"][..]),
            ("LoadBalancer", &["dnsName", "zoneId", "name", "region"]),
            ("RedisGroup", &["port", "primaryEndpointAddress", "engineVersion", "numCacheClusters"]),
            ("Repository", &["repositoryUrl"]),
            ("SecurityGroup", &["vpcId", "name"]),
            ("Service", &["desiredCount", "name", "cluster"]),
            ("Subnet", &["availabilityZone", "vpcId", "cidrBlock"]),
        ] {
            let required = schema["resources"][FARGATE.token(resource)]["required"].as_array().unwrap();
            for output in outputs {
                assert!(required.contains(&json!(output)), "{resource}.{output} is not required");
            }
        }
        let vpc = &schema["functions"][FARGATE.token("getVpc")]["outputs"];
        assert_eq!(vpc["required"].as_array().unwrap().len(), vpc["properties"].as_object().unwrap().len());
    }

    #[test]
    fn names_are_listed_for_inputs_and_others_are_taken() {
        let schema = FARGATE.schema();
        let types = schema["types"].as_object().unwrap();
        let name = FARGATE.token("TargetGroupProtocol");
        let resource = &schema["resources"][FARGATE.token("TargetGroup")];
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
        assert!(FARGATE.resources.iter().map(|it| it.name()).is_sorted());
        assert!(FARGATE.functions.iter().map(|it| it.name()).is_sorted());
    }
}
