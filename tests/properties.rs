//! Laws that hold for any values, of every resource.

use fargate::{aws::Session, resources};
use proptest::prelude::*;
use prost_types::{ListValue, Struct, Value as Proto, value::Kind};
use pulumi_provider::{
    check::Autonaming,
    codec,
    plan::Plan,
    resource::{AnyResource, Checked, Subject},
    schema,
    value::{Map, Value, map_from_proto, map_to_proto},
};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(Value::Unknown),
        any::<bool>().prop_map(Value::Bool),
        (-1e6..1e6).prop_map(Value::Number),
        (0..100_000_i32).prop_map(|it| Value::Number(it.into())),
        ".{0,8}".prop_map(Value::String),
        "(FARGATE|enabled|tcp|10\\.0\\.0\\.0/16|arn:aws:iam::1:role/x|256)".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map("[a-z]{1,4}|name|value", inner.clone(), 0..4).prop_map(Value::Object),
            inner.clone().prop_map(Value::secret),
            inner.prop_map(|it| it.depending_on(["urn:pulumi:dev::project::a:b:C::d".to_owned()].into())),
        ]
    })
}

/// Anything that may come over the wire, be it Pulumi's or not.
fn any_struct() -> impl Strategy<Value = Struct> {
    let texts = prop_oneof![
        ".{0,8}".boxed(),
        Just("04da6b54-80e4-46f7-96ec-b56ff0331ba9".to_owned()).boxed(),
        prop::sample::select(&SIGNATURES[..]).prop_map(str::to_owned).boxed(),
    ];
    let leaf = prop_oneof![
        Just(None),
        Just(Some(Kind::NullValue(7))),
        any::<bool>().prop_map(|it| Some(Kind::BoolValue(it))),
        any::<f64>().prop_map(|it| Some(Kind::NumberValue(it))),
        texts.prop_map(|it| Some(Kind::StringValue(it))),
    ];
    let values = leaf.prop_map(|kind| Proto { kind }).prop_recursive(6, 48, 5, |inner| {
        let keys = "4dabf18193072939515e22adb298388d|value|secret|id|urn|hash|name|tags|[a-z]{1,4}|__defaults";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| Proto { kind: Some(Kind::ListValue(ListValue { values })) }),
            prop::collection::btree_map(keys, inner, 0..5)
                .prop_map(|fields| Proto { kind: Some(Kind::StructValue(Struct { fields })) }),
        ]
    });
    prop::collection::btree_map("[a-zA-Z]{1,4}|name|tags|region|vpcId|cluster|port", values, 0..6)
        .prop_map(|fields| Struct { fields })
}

/// What tells special values: secrets, assets, archives, references, outputs, bytes.
const SIGNATURES: [&str; 6] = [
    "1b47061264138c4ac30d75fd1eb44270",
    "c44067f5952c0a294b673a41bacd8c17",
    "0def7320c3a5731c473e5ecbe6d01bc7",
    "5cf8f73096256a8f31e491e813e4eb8e",
    "d0e6a833031e9bbcd3f4e8bde6ca49a4",
    "803fd3297a5875dc03ca845dda5d2a98",
];

/// Values of the shape that a property has, for the most part; anything, now and then.
fn value_of(shape: schema::Shape<'_>, depth: u32) -> BoxedStrategy<Value> {
    let shape = shape.resolve();
    let right = match (shape.kind(), shape.names()) {
        (_, Some(names)) => {
            prop::sample::select(names.into_iter().map(|it| Value::String(it.0.to_owned())).collect::<Vec<_>>()).boxed()
        }
        (Some("boolean"), _) => any::<bool>().prop_map(Value::Bool).boxed(),
        (Some("integer" | "number"), _) => (0..70_000_i32).prop_map(|it| Value::Number(it.into())).boxed(),
        (Some("string"), _) => "[a-z0-9-]{1,12}|10\\.[0-9]\\.0\\.0/16|arn:aws:x:y:1:z/w".prop_map(Value::String).boxed(),
        (Some("array"), _) if depth > 0 => match shape.element() {
            Some(element) => prop::collection::vec(value_of(element, depth - 1), 0..3).prop_map(Value::List).boxed(),
            None => Just(Value::List(Vec::new())).boxed(),
        },
        (Some("object"), _) if depth > 0 => match shape.element() {
            Some(element) => {
                prop::collection::btree_map("[a-z.]{1,5}", value_of(element, depth - 1), 0..3).prop_map(Value::Object).boxed()
            }
            None => inputs_of(shape, depth - 1).prop_map(Value::Object).boxed(),
        },
        _ => Just(Value::Null).boxed(),
    };
    prop_oneof![
        16 => right.clone(),
        2 => right.prop_map(Value::secret),
        1 => Just(Value::Unknown),
        1 => any_value(),
    ]
    .boxed()
}

fn inputs_of(shape: schema::Shape<'_>, depth: u32) -> BoxedStrategy<Map> {
    let required: Vec<_> = shape.required_inputs().map(str::to_owned).collect();
    let mut all = Just(Map::new()).boxed();
    for (name, property) in shape.properties() {
        let (name, chance) = (name.to_owned(), if required.iter().any(|it| it == name) { 0.97 } else { 0.4 });
        all = (all, prop::option::weighted(chance, value_of(property, depth)))
            .prop_map(move |(mut map, value)| {
                map.extend(value.map(|it| (name.clone(), it)));
                map
            })
            .boxed();
    }
    all
}

fn check(resource: &dyn AnyResource<Session>, inputs: Map) -> (Map, Vec<pulumi_provider::check::Failure>) {
    let (old, plan) = (Map::new(), Plan::default());
    let (seed, autonaming) = (&[7; 32], Autonaming::Default);
    let subject = Subject { name: "it", urn: "", seed, old: &old, autonaming, cloud: None, plan: &plan };
    let Checked { inputs, failures, .. } = resource.check(&subject, inputs).expect("whatever passes the shape decodes");
    (inputs, failures)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn values_survive_the_wire(map in prop::collection::btree_map("[a-z]{1,4}", any_value(), 0..4)) {
        prop_assert_eq!(map_from_proto(map_to_proto(map.clone())), map);
    }

    #[test]
    fn a_secret_is_in_no_debug_text(value in any_value()) {
        let holding = Value::List(vec![value.clone(), Value::String("hush-hush".to_owned()).secret()]);
        let text = format!("{holding:?}");
        prop_assert!(!text.contains("hush-hush"));
        let mut secrets = Vec::new();
        value.visit_secrets(&mut |it| secrets.push(it.to_owned()));
        let plain = format!("{:?}", value.bare());
        let told = |it: &String| plain.contains(&format!("{it:?}"));
        prop_assert!(secrets.iter().all(told));
    }
}

/// Nothing that comes over the wire brings decoding, Check, Diff or a preview down, or makes Check and itself disagree.
#[test]
fn any_struct_is_checked_and_compared() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 400, ..ProptestConfig::default() });
    let result = runner.run(&(any_struct(), any_struct()), |(olds, news)| {
        let (olds, news) = (map_from_proto(olds), map_from_proto(news));
        for resource in resources::all() {
            let (checked, failures) = check(*resource, news.clone());
            prop_assert!(failures.iter().all(|it| !it.reason.is_empty()));
            resource.diff(&olds, &checked);
            resource.diff(&checked, &olds);
            prop_assert_eq!(resource.diff(&checked, &checked), Vec::new(), "{}", resource.name());
            resource.foresee(&checked, &olds);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Whatever the inputs are: Check ends with failures or with inputs that decode and that a second Check keeps; Diff finds
/// nothing between two of the same, and a preview of them can be told.
#[test]
fn check_diff_and_preview_agree_on_any_inputs() {
    for resource in resources::all() {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
        let inputs = inputs_of(resource.inputs().root(), 4);
        let result = runner.run(&inputs, |inputs| {
            let (checked, failures) = check(*resource, inputs);
            prop_assert_eq!(resource.diff(&checked, &checked), Vec::new());
            let secret = checked.iter().map(|(name, it)| (name.clone(), it.clone().secret())).collect();
            prop_assert_eq!(resource.diff(&checked, &secret), Vec::new(), "whether it is secret is no difference");
            if failures.is_empty() {
                let again = check(*resource, checked.clone());
                prop_assert_eq!(again, (checked.clone(), Vec::new()));
                let foreseen = resource.foresee(&checked, &Map::new());
                prop_assert!(checked.iter().all(|(name, it)| foreseen.get(name) == Some(it)));
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{}: {error}", resource.name());
        }
    }
}

#[test]
fn whole_numbers_decode_anywhere() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Inner {
        a: i32,
        b: f64,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Outer {
        #[serde(flatten)]
        inner: Inner,
        rest: std::collections::BTreeMap<String, f64>,
    }
    let map = crate::support::map(serde_json::json!({ "a": 2.0, "b": 3.0, "rest": { "x": 1.0 } }));
    let outer: Outer = codec::decode(&map).expect("whole numbers");
    assert_eq!(outer.inner, Inner { a: 2, b: 3.0 });
}
