//! Mistakes in a schema, those too that Pulumi passes over: keys that it does not know, names that lead nowhere.

use serde_json::Value as Json;

use crate::value::Map;

const PACKAGE: &[&str] = &[
    "$schema",
    "name",
    "displayName",
    "version",
    "description",
    "keywords",
    "homepage",
    "license",
    "attribution",
    "repository",
    "logoUrl",
    "pluginDownloadURL",
    "configurationDocsUrl",
    "validateCredentialsOnNew",
    "publisher",
    "namespace",
    "dependencies",
    "meta",
    "allowedPackageNames",
    "language",
    "config",
    "types",
    "provider",
    "resources",
    "functions",
    "parameterization",
    "extensionParameterization",
];
const TYPE: &[&str] = &["type", "$ref", "additionalProperties", "items", "oneOf", "discriminator", "plain"];
const PROPERTY: &[&str] = &[
    "description",
    "const",
    "default",
    "defaultInfo",
    "deprecationMessage",
    "language",
    "secret",
    "replaceOnChanges",
    "willReplaceOnChanges",
];
const OBJECT: &[&str] =
    &["description", "properties", "type", "required", "plain", "language", "isOverlay", "overlaySupportedLanguages"];
const RESOURCE: &[&str] = &[
    "inputProperties",
    "requiredInputs",
    "plainInputs",
    "stateInputs",
    "listInputs",
    "aliases",
    "deprecationMessage",
    "isComponent",
    "methods",
];
const FUNCTION: &[&str] = &[
    "description",
    "inputs",
    "multiArgumentInputs",
    "outputs",
    "returnType",
    "deprecationMessage",
    "language",
    "isOverlay",
    "overlaySupportedLanguages",
];
const ENUM_VALUE: &[&str] = &["name", "description", "value", "deprecationMessage"];
const PRIMITIVES: &[&str] = &["boolean", "integer", "number", "string"];
const PULUMI_TYPES: &[&str] = &["Archive", "Asset", "Any", "Json"];

/// All mistakes, each with its path.
pub fn lint(schema: &Json) -> Vec<String> {
    let mut lint = Lint { schema, package: schema["name"].as_str().unwrap_or_default(), found: Vec::new() };
    lint.whole();
    lint.found
}

struct Lint<'a> {
    schema: &'a Json,
    package: &'a str,
    found: Vec<String>,
}

impl Lint<'_> {
    fn say(&mut self, path: &str, what: impl AsRef<str>) {
        self.found.push(format!("{path}: {}", what.as_ref()));
    }

    fn whole(&mut self) {
        let schema = self.schema;
        self.keys("schema", schema, &[PACKAGE]);
        if self.package.is_empty() {
            self.say("name", "is missing");
        }
        if let Some(version) = schema["version"].as_str()
            && semver::Version::parse(version.trim_start_matches('v')).is_err()
        {
            self.say("version", "is no semantic version");
        }
        self.keys("meta", &schema["meta"], &[&["moduleFormat", "supportPack"]]);
        self.keys("config", &schema["config"], &[&["variables", "defaults"]]);
        self.properties("config.variables", &schema["config"]["variables"], &[]);
        self.resource("provider", &schema["provider"], &["version", "pulumi"]);
        for (token, json) in entries(&schema["types"]) {
            let path = format!("types.{token}");
            self.token(&path, token);
            self.complex_type(&path, json);
        }
        for (token, json) in entries(&schema["resources"]) {
            let path = format!("resources.{token}");
            self.token(&path, token);
            let reserved: &[&str] = if json["isComponent"] == true { &["urn", "pulumi"] } else { &["id", "urn", "pulumi"] };
            self.resource(&path, json, reserved);
        }
        for (token, json) in entries(&schema["functions"]) {
            let path = format!("functions.{token}");
            self.token(&path, token);
            self.keys(&path, json, &[FUNCTION]);
            self.object(&format!("{path}.inputs"), &json["inputs"], &[]);
            let result = json.get("returnType").unwrap_or(&json["outputs"]);
            // An object with named properties, or any type.
            if result.get("properties").is_some() {
                self.object(&format!("{path}.outputs"), result, &[]);
            } else if !result.is_null() {
                self.typed(&format!("{path}.outputs"), result, &[TYPE, OBJECT]);
            }
        }
    }

    fn resource(&mut self, path: &str, json: &Json, reserved: &[&str]) {
        self.keys(path, json, &[OBJECT, RESOURCE]);
        for (properties, required) in [("properties", "required"), ("inputProperties", "requiredInputs")] {
            self.properties(&format!("{path}.{properties}"), &json[properties], reserved);
            self.required(&format!("{path}.{required}"), &json[required], &json[properties]);
        }
        self.required(&format!("{path}.plainInputs"), &json["plainInputs"], &json["inputProperties"]);
        for object in ["stateInputs", "listInputs"] {
            self.object(&format!("{path}.{object}"), &json[object], &["id"]);
        }
        for alias in json["aliases"].as_array().into_iter().flatten() {
            self.keys(&format!("{path}.aliases"), alias, &[&["type", "name", "project"]]);
        }
        for (method, function) in entries(&json["methods"]) {
            let token = function.as_str().unwrap_or_default();
            if self.schema["functions"].get(token).is_none() {
                self.say(&format!("{path}.methods.{method}"), format!("there is no function {token}"));
            }
        }
    }

    fn complex_type(&mut self, path: &str, json: &Json) {
        let Some(values) = json.get("enum") else { return self.object(path, json, &[]) };
        self.keys(path, json, &[OBJECT, &["enum"]]);
        let kind = json["type"].as_str().unwrap_or_default();
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        if values.is_empty() {
            self.say(path, "an enum without values");
        }
        for (index, value) in values.iter().enumerate() {
            let path = format!("{path}.enum[{index}]");
            self.keys(&path, value, &[ENUM_VALUE]);
            if !is_a(&value["value"], kind) {
                self.say(&path, format!("{} is no {kind}", value["value"]));
            }
            if values[..index].iter().any(|it| it["value"] == value["value"]) {
                self.say(&path, format!("{} again", value["value"]));
            }
        }
    }

    fn object(&mut self, path: &str, json: &Json, reserved: &[&str]) {
        if json.is_null() {
            return;
        }
        self.keys(path, json, &[OBJECT]);
        if json.get("type").is_some_and(|it| it != "object") {
            self.say(path, "has properties, and is no object");
        }
        self.properties(&format!("{path}.properties"), &json["properties"], reserved);
        self.required(&format!("{path}.required"), &json["required"], &json["properties"]);
    }

    fn properties(&mut self, path: &str, json: &Json, reserved: &[&str]) {
        for (name, property) in entries(json) {
            let path = format!("{path}.{name}");
            if reserved.contains(&name.as_str()) {
                self.say(&path, "is a name that Pulumi keeps for itself");
            }
            if name.is_empty() || name.chars().any(|it| it.is_whitespace() || it.is_control()) {
                self.say(&path, "is no name");
            }
            self.typed(&path, property, &[TYPE, PROPERTY]);
            self.default(&path, property);
        }
    }

    fn default(&mut self, path: &str, property: &Json) {
        self.keys(&format!("{path}.defaultInfo"), &property["defaultInfo"], &[&["environment", "language"]]);
        let target = property["$ref"].as_str().and_then(|it| it.strip_prefix("#/types/"));
        let target = target.map_or(property, |it| &self.schema["types"][it]);
        for value in [property.get("default"), property.get("const")].into_iter().flatten() {
            if let Some(kind) = target["type"].as_str().filter(|it| !is_a(value, it)) {
                self.say(path, format!("its default {value} is no {kind}"));
            }
            if let Some(values) = target["enum"].as_array()
                && values.iter().all(|it| it["value"] != *value)
            {
                self.say(path, format!("its default {value} is none of the enum"));
            }
        }
    }

    fn typed(&mut self, path: &str, json: &Json, known: &[&[&str]]) {
        self.keys(path, json, known);
        if let Some(reference) = json["$ref"].as_str() {
            return self.reference(path, reference);
        }
        for (index, inner) in json["oneOf"].as_array().into_iter().flatten().enumerate() {
            self.typed(&format!("{path}.oneOf[{index}]"), inner, &[TYPE]);
        }
        self.keys(&format!("{path}.discriminator"), &json["discriminator"], &[&["propertyName", "mapping"]]);
        match json["type"].as_str() {
            Some("array") if json["items"].is_null() => self.say(path, "a list of nothing: `items` is missing"),
            Some("array") => self.typed(&format!("{path}.items"), &json["items"], &[TYPE]),
            Some("object") if json.get("additionalProperties").is_some_and(Json::is_object) => {
                self.typed(&format!("{path}.additionalProperties"), &json["additionalProperties"], &[TYPE]);
            }
            Some("object") => {}
            Some(kind) if PRIMITIVES.contains(&kind) => {}
            Some(kind) => self.say(path, format!("there is no type {kind}")),
            None if json["oneOf"].is_array() => {}
            None => self.say(path, "is of no type"),
        }
    }

    fn reference(&mut self, path: &str, reference: &str) {
        let known = if let Some(token) = reference.strip_prefix("#/types/") {
            self.schema["types"].get(decoded(token)).is_some()
        } else if let Some(token) = reference.strip_prefix("#/resources/") {
            self.schema["resources"].get(decoded(token)).is_some()
        } else if let Some(name) = reference.strip_prefix("pulumi.json#/") {
            PULUMI_TYPES.contains(&name)
        } else {
            // Another package's, or the provider itself.
            reference == "#/provider" || reference.starts_with('/')
        };
        if !known {
            self.say(path, format!("{reference} leads nowhere"));
        }
    }

    fn required(&mut self, path: &str, names: &Json, properties: &Json) {
        for name in names.as_array().into_iter().flatten().filter_map(Json::as_str) {
            if properties.get(name).is_none() {
                self.say(path, format!("there is no property {name}"));
            }
        }
    }

    fn token(&mut self, path: &str, token: &str) {
        let parts: Vec<_> = token.split(':').collect();
        let begins_well = |part: &&str| !part.starts_with(|it: char| it.is_ascii_digit());
        if parts.len() != 3 || parts[2].is_empty() || !parts.iter().all(begins_well) {
            self.say(path, "is no token, `package:module:Name`");
        }
        let others = self.schema["allowedPackageNames"].as_array().into_iter().flatten();
        if parts[0] != self.package && others.filter_map(Json::as_str).all(|it| it != parts[0]) {
            self.say(path, format!("belongs to another package than {}", self.package));
        }
    }

    fn keys(&mut self, path: &str, json: &Json, known: &[&[&str]]) {
        if !json.is_null() && !json.is_object() {
            self.say(path, "is no object");
        }
        for (key, _) in entries(json) {
            if !known.iter().any(|it| it.contains(&key.as_str())) {
                self.say(path, format!("Pulumi knows no key {key:?} here"));
            }
        }
    }
}

fn entries(json: &Json) -> impl Iterator<Item = (&String, &Json)> {
    json.as_object().into_iter().flat_map(Map::iter)
}

/// Whether a value is of a primitive type; of any other, it may be.
fn is_a(value: &Json, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|it| it.fract() == 0.0),
        "number" => value.is_number(),
        _ => true,
    }
}

/// Slashes in tokens may be written as `%2F`.
fn decoded(token: &str) -> String {
    token.replace("%2F", "/").replace("%2f", "/")
}
