//! A package: what a provider serves, and the schema that Pulumi generates SDKs from.

use serde_json::{Map, Value as Json, json};

use crate::{
    cloud::Cloud,
    component::AnyComponent,
    function::AnyFunction,
    resource::AnyResource,
    schema::{Shape, Shapes},
    settings,
};

/// What a provider serves.
pub struct Package<C: Cloud> {
    /// The name, which every token of the package starts with.
    pub name: &'static str,
    /// The version, such as `1.2.3`.
    pub version: &'static str,
    /// What the package is for, in a sentence.
    pub description: &'static str,
    /// Words to find it by.
    pub keywords: &'static [&'static str],
    /// Who publishes it.
    pub publisher: &'static str,
    /// Its license, by the name that SPDX gives it.
    pub license: &'static str,
    /// Its resources, each behind a static [`resource::Erased`](crate::resource::Erased).
    pub resources: &'static [&'static dyn AnyResource<C>],
    /// Its functions, likewise.
    pub functions: &'static [&'static dyn AnyFunction<C>],
    /// Its components, likewise.
    pub components: &'static [&'static dyn AnyComponent],
}

impl<C: Cloud> Package<C> {
    /// Whether it calls the cloud, and so has settings. Components alone leave that to the resources that they consist of.
    pub fn calls_cloud(&self) -> bool {
        !self.resources.is_empty() || !self.functions.is_empty()
    }

    /// The resource of a type such as `package:index:Service`.
    pub fn resource(&self, token: &str) -> Option<&'static dyn AnyResource<C>> {
        self.resources.iter().find(|it| self.name_in(token) == Some(it.name())).copied()
    }

    /// The function of a token such as `package:index:getService`.
    pub fn function(&self, token: &str) -> Option<&'static dyn AnyFunction<C>> {
        self.functions.iter().find(|it| self.name_in(token) == Some(it.name())).copied()
    }

    /// The component of a type such as `package:index:Network`.
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
            "license": self.license,
            "publisher": self.publisher,
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
        if self.calls_cloud() {
            let shapes = settings::shapes::<C>();
            types.add_all(&shapes);
            let settings = self.properties(shapes.root());
            schema["config"] = json!({ "variables": settings });
            schema["provider"] = json!({
                "description": shapes.root().keyword("description"),
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
            say_default(&mut spec);
        }
        spec
    }

    fn type_spec(&self, shape: Shape<'_>) -> Json {
        if let Some(name) = shape.reference() {
            let reference = json!({ "$ref": format!("#/types/{}", self.token(name)) });
            return match shape.resolve().kind() {
                // Relaxed: the cloud may know names that we do not. The type is that of a default.
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
struct Types<'a, C: Cloud> {
    package: &'a Package<C>,
    specs: Map<String, Json>,
}

impl<C: Cloud> Types<'_, C> {
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

    fn resource(&mut self, resource: &dyn AnyResource<C>) -> Json {
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

    fn function(&mut self, function: &dyn AnyFunction<C>) -> Json {
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

/// Ends the docs of a property with its default, unless they say more about that.
fn say_default(spec: &mut Json) {
    let shown = match &spec["default"] {
        Json::String(it) if it.is_empty() => return,
        Json::String(it) => format!("`{it}`"),
        it => it.to_string(),
    };
    if let Some(description) = spec["description"].as_str().filter(|it| !it.contains("Default:")) {
        spec["description"] = format!("{description} Default: {shown}.").into();
    }
}

fn copy(shape: Shape<'_>, keywords: &[&str], spec: &mut Json) {
    for keyword in keywords {
        if !shape.keyword(keyword).is_null() {
            spec[keyword] = shape.keyword(keyword).clone();
        }
    }
}
