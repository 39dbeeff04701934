//! The shape of every resource, read off its Rust types.
//!
//! Field attributes carry what Rust types cannot say: see [`KEYWORDS`].

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};

use crate::{check::Failure, cloud::Cloud, value::Value};

/// What `#[schemars(extend("keyword" = value))]` may say of a field, beyond JSON Schema.
///
/// - `replaceOnChanges`: a change makes a new resource; the cloud cannot change it in place.
/// - `secret`: never shown.
/// - `deprecationMessage`: what to use instead.
/// - `autoname`: a name is made up when the program gives none; the value is its greatest length.
/// - `lowercase`: such a name has no capital letters.
/// - `nameScope`: where a name is taken; in another, it is free.
/// - `reserved`: what names may not start with.
/// - `caselessName`: names that differ by case alone are the same name.
/// - `exclusive`: no two resources may have the same value, or an item of the same value, so what it replaces has to go first.
/// - `refersTo`: the resource whose id or name it is.
/// - `computed`: the cloud fills it in when the program leaves it out, so leaving it out is no change.
/// - `always`: outputs always have it, although the program may leave it out. In the SDKs it is then no pointer, which a URL
///   made of it would hold the address of (Go), nor `undefined` (TypeScript).
/// - `initial`: where it starts; somebody else may move it from there on (`Resource::moved`).
/// - `compare`: `"set"` for lists without an order, `"json"` for documents, `"caseless"` for text, `"flattened"` for lists
///   without an order whose items say with lists what several items could say, `"never"` for what other properties say already;
///   or, for text, a word of the cloud's own ([`Cloud::means_the_same`]).
/// - `keyedBy`: the property, or the list of those, that tells the items of a list apart, so that their order means nothing.
/// - `latest`: the value for which the cloud takes what is the latest, and shows that; it stays as the program gave it.
/// - `writeOnly`: the cloud never shows it; it stays as the program gave it.
/// - `changesOnUpdate`: an output that any update changes, but not one of tags.
/// - `output`: a component takes it before it is known.
/// - `expects`: what a right value looks like, in words, for a `pattern`.
///
/// A cloud may have others of its own, which [`Cloud::check`] reads.
pub const KEYWORDS: [&str; 20] = [
    "nameScope",
    "caselessName",
    "refersTo",
    "reserved",
    "replaceOnChanges",
    "secret",
    "deprecationMessage",
    "autoname",
    "lowercase",
    "exclusive",
    "computed",
    "always",
    "initial",
    "compare",
    "keyedBy",
    "latest",
    "writeOnly",
    "changesOnUpdate",
    "output",
    "expects",
];

/// What a cloud says of values beyond what the framework knows, by keywords of its own.
pub(crate) struct Dialect {
    /// What texts call the cloud.
    pub(crate) cloud: &'static str,
    pub(crate) check: fn(&Value, Shape<'_>, &str, bool) -> Vec<Failure>,
    pub(crate) means_the_same: fn(&str, &str, &str, bool) -> bool,
    pub(crate) document: fn(Json) -> Option<Json>,
}

impl Dialect {
    const fn of<C: Cloud>() -> Self {
        Self { cloud: C::NAME, check: C::check, means_the_same: C::means_the_same, document: C::document }
    }
}

/// A JSON Schema together with the definitions it refers to.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    schema: &'a Json,
    definitions: &'a Map<String, Json>,
    dialect: &'static Dialect,
}

/// The shapes of one struct and of all that it contains.
pub struct Shapes {
    root: Json,
    definitions: Map<String, Json>,
    dialect: &'static Dialect,
}

impl Shapes {
    /// The shapes of `T`, of no cloud.
    pub fn of<T: JsonSchema>() -> Self {
        let mut generator = generator();
        let root = generator.subschema_for::<T>().to_value();
        let mut shapes = Self { root, definitions: generator.take_definitions(true), dialect: const { &Dialect::of::<()>() } };
        // The struct itself is described in place; only what it refers to is a type of its own.
        if let Some(name) = shapes.root["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/"))
            && let Some(definition) = shapes.definitions.remove(name)
        {
            shapes.root = definition;
        }
        shapes.definitions.values_mut().for_each(list_names);
        shapes
    }

    /// The same, with the keywords of a cloud.
    #[must_use]
    pub fn in_cloud<C: Cloud>(self) -> Self {
        Self { dialect: const { &Dialect::of::<C>() }, ..self }
    }

    /// The same, of something that is in one region of a cloud, if that has any.
    #[must_use]
    pub fn in_region<C: Cloud>(self) -> Self {
        let mut shapes = self.in_cloud::<C>();
        if let Some(regions) = C::REGIONS {
            shapes.root["properties"]["region"] = json!({
                "type": ["string", "null"],
                "description": regions.description,
                "pattern": regions.pattern,
                "expects": regions.expects,
                "replaceOnChanges": true,
                "computed": true,
                "always": true,
                "nameScope": true,
            });
        }
        shapes
    }

    /// The same, with keywords that the Rust types do not say, by the path of the input that they are about. A field's own come
    /// first.
    #[must_use]
    pub fn bounded<'a>(mut self, bounds: impl Iterator<Item = (&'a str, &'a Json)>) -> Self {
        for (path, keywords) in bounds {
            if let Some(Json::Object(schema)) = self.at(path) {
                for (name, value) in keywords.as_object().into_iter().flatten() {
                    schema.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        self
    }

    /// The name of the type of a part of the inputs, such as `volumes[]`; none for the inputs themselves.
    pub fn type_at(&self, part: &str) -> Option<&str> {
        let (mut shape, mut name) = (self.root(), None);
        for step in part.split('.').filter(|it| !it.is_empty()) {
            let property = shape.resolve().property(step.trim_end_matches("[]"))?;
            shape = if step.ends_with("[]") { property.resolve().element()? } else { property };
            name = shape.reference().or_else(|| shape.not_null()?.reference());
        }
        name
    }

    /// The schema at a path such as `actions[].order`; `{key}` and `{value}` are those of a map.
    fn at(&mut self, path: &str) -> Option<&mut Json> {
        let (mut owner, mut pointer) = (None, String::new());
        for step in path.split('.') {
            let name = step.split(['[', '{']).next().unwrap_or(step);
            (owner, pointer) = self.definition(owner, pointer);
            pointer = format!("{pointer}/properties/{name}");
            let part = match &step[name.len()..] {
                "" => continue,
                "[]" => "items",
                "{key}" => "propertyNames",
                _ => "additionalProperties",
            };
            (owner, pointer) = self.definition(owner, pointer);
            if part == "propertyNames"
                && let Some(Json::Object(map)) = self.owner(owner.as_deref())?.pointer_mut(&pointer)
            {
                map.entry(part).or_insert_with(|| json!({}));
            }
            pointer = format!("{pointer}/{part}");
        }
        self.owner(owner.as_deref())?.pointer_mut(&pointer)
    }

    fn owner(&mut self, name: Option<&str>) -> Option<&mut Json> {
        match name {
            None => Some(&mut self.root),
            Some(name) => self.definitions.get_mut(name),
        }
    }

    /// Where the schema is that the one at `pointer` refers to; there, if to none.
    fn definition(&self, owner: Option<String>, pointer: String) -> (Option<String>, String) {
        let root = owner.as_ref().map_or(Some(&self.root), |it| self.definitions.get(it));
        let Some(schema) = root.and_then(|it| it.pointer(&pointer)) else { return (owner, pointer) };
        let shape = self.root().with(schema);
        match shape.reference().or_else(|| shape.not_null()?.reference()) {
            Some(name) => (Some(name.to_owned()), String::new()),
            None => (owner, pointer),
        }
    }

    /// The shape of the struct.
    pub fn root(&self) -> Shape<'_> {
        Shape { schema: &self.root, definitions: &self.definitions, dialect: self.dialect }
    }

    /// A shape that a test makes up.
    #[cfg(test)]
    pub(crate) fn from_json(root: Json) -> Self {
        Self { root, definitions: Map::new(), dialect: const { &Dialect::of::<()>() } }
    }

    /// Every named type in here.
    pub fn types(&self) -> impl Iterator<Item = (&str, Shape<'_>)> {
        self.definitions.iter().map(|(name, it)| (name.as_str(), self.root().with(it)))
    }
}

/// An enum with a variant for names that it does not list is `anyOf` to schemars, which is also what an `Option` is. The names
/// that it lists exclude each other, as in any enum.
fn list_names(definition: &mut Json) {
    let is_name = |it: &Json| it["const"].is_string() || it["enum"].is_array();
    if definition["anyOf"].as_array().is_some_and(|it| it.iter().all(is_name))
        && let Some(definition) = definition.as_object_mut()
        && let Some(names) = definition.remove("anyOf")
    {
        definition.insert("oneOf".to_owned(), names);
    }
}

/// Makes the schema of text, or of a list of texts, expect what matches `pattern`, which is `expects` in words.
pub fn expect(schema: &mut Schema, pattern: &str, expects: String) {
    if let Some(text) = text_in(schema) {
        text.insert("pattern".to_owned(), pattern.into());
        text.insert("expects".to_owned(), expects.into());
    }
}

/// The schema of text, or of the texts in a list.
pub fn text_in(schema: &mut Schema) -> Option<&mut Map<String, Json>> {
    let schema = schema.as_object_mut()?;
    let listed = schema.get("items").is_some_and(Json::is_object);
    if listed { schema.get_mut("items").and_then(Json::as_object_mut) } else { Some(schema) }
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
    pub fn reference(self) -> Option<&'a str> {
        self.schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/"))
    }

    /// Whether it may be left out, without a default.
    pub fn is_optional(self) -> bool {
        self.default().is_none() && self.is_nullable()
    }

    fn is_nullable(self) -> bool {
        self.schema["type"].is_array() || self.schema["anyOf"].is_array()
    }

    /// What an `Option` is around.
    pub fn not_null(self) -> Option<Self> {
        let options = self.schema["anyOf"].as_array()?;
        options.iter().find(|it| it["type"] != "null").map(|it| self.with(it))
    }

    pub(crate) fn dialect(self) -> &'static Dialect {
        self.dialect
    }

    /// The value of a keyword, null where it is not said.
    pub fn keyword(self, name: &str) -> &'a Json {
        &self.schema[name]
    }

    /// All keywords that are said.
    pub fn said(self) -> impl Iterator<Item = &'a str> {
        self.schema.as_object().into_iter().flat_map(|it| it.keys()).map(String::as_str)
    }

    /// Whether a component takes it before it is known.
    pub fn takes_unknown(self) -> bool {
        self.not_null().unwrap_or(self).flag("output")
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

    /// The properties without a default, which cannot be left out.
    pub fn required(self) -> impl Iterator<Item = &'a str> {
        let required = self.schema["required"].as_array();
        let names = required.into_iter().flatten().filter_map(Json::as_str);
        names.filter(move |name| self.property(name).is_some_and(|it| !it.is_nullable()))
    }

    /// The properties that an output always has, whether the program set them or not.
    pub fn always(self) -> impl Iterator<Item = &'a str> {
        // Any value at all may be none as well.
        let required: Vec<_> = self.schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let always = move |name: &str, it: Shape<'_>| {
            it.flag("always") || !it.is_nullable() && (it.resolve().kind().is_some() || required.contains(&name))
        };
        self.properties().filter(move |(name, it)| always(name, *it)).map(|(name, _)| name)
    }

    /// The properties that a program has to give.
    pub fn required_inputs(self) -> impl Iterator<Item = &'a str> {
        self.required().filter(move |name| self.schema["properties"][*name]["autoname"].is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// A name.
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its shape is read")]
    enum Name {
        /// One.
        One,
        /// Two.
        Two,
        /// Three.
        Three,
        #[serde(untagged)]
        #[schemars(skip)]
        Other(crate::codec::Unlisted),
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Named {
        name: Name,
    }

    #[test]
    fn an_enum_with_a_variant_for_other_names_lists_those_that_it_knows() {
        let shapes = Shapes::of::<Named>();
        let name = shapes.root().property("name").unwrap().resolve();
        let names: Vec<_> = name.names().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["One", "Two", "Three"]);
        assert_eq!((name.kind(), name.is_optional()), (Some("string"), false));
    }
}
