//! Components: what of a Construct reaches the engine's monitor, and what becomes of what the monitor answers.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use anyhow::Result;
use pulumi_provider::{
    component::{Component, Erased},
    monitor::{Child, Monitor},
    output::Output,
    package::Package,
    rpc::{
        self, Result as Outcome, alias,
        register_resource_request::{CustomTimeouts, PropertyDependencies, ResourceHooksBinding},
        resource_provider_server::ResourceProvider as _,
    },
    server::Provider,
    value::{Map, Value},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Status};

use crate::support::{FakeMonitor, detail, map, props, read};

const UNKNOWN: &str = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SHOP: &str = "urn:pulumi:dev::project::test:index:Shop::main";
const TILL: &str = "urn:pulumi:dev::project::test:index:Shop$test:index:Till::main-till";
const SIGN: &str = "urn:pulumi:dev::project::test:index:Shop$other:index:Sign::main-sign";

/// A shop: a till of this package, and a sign of another.
#[derive(Deserialize, JsonSchema)]
struct Inputs {
    /// How many people work there.
    #[schemars(range(min = 1, max = 9))]
    staff: Output<i32>,
    /// What it sells.
    #[serde(default = "bread")]
    goods: Output<String>,
    /// What opens the till.
    #[schemars(extend("secret" = true))]
    code: Option<Output<String>>,
    /// The street.
    #[serde(default)]
    street: String,
}

fn bread() -> Output<String> {
    "bread".to_owned().into()
}

#[derive(Serialize, JsonSchema)]
struct Outputs {
    /// The name of the till.
    till: Output<String>,
    /// What is written on the sign.
    text: Output<String>,
    /// What opens the till.
    code: Option<Output<String>>,
    /// The street.
    street: String,
}

struct Shop;

impl Component for Shop {
    const NAME: &'static str = "Shop";
    type Inputs = Inputs;
    type Outputs = Outputs;

    async fn construct(monitor: &Monitor, inputs: Inputs) -> Result<Outputs> {
        let till = json!({ "drawers": inputs.staff.map(|it| it + 1), "code": inputs.code });
        let till = monitor.register(Child::new("test:index:Till", "till"), &till).await?;
        let text = inputs.goods.zip(till.output::<String>("label")?).map(|(goods, label)| format!("{goods} {label}"));
        let sign = Child::new("other:index:Sign", "sign").version("2.0.0").depends_on(&till).secret_output("lock");
        monitor.register(sign, &json!({ "text": text, "lit": true })).await?;
        Ok(Outputs { till: till.id()?, text, code: inputs.code, street: inputs.street })
    }
}

static SHOPS: Erased<Shop> = Erased::NEW;
static PACKAGE: Package<()> = Package {
    name: "test",
    version: "1.0.0",
    description: "Shops.",
    keywords: &[],
    publisher: "tests",
    license: "Apache-2.0",
    resources: &[],
    functions: &[],
    components: &[&SHOPS],
};

/// A provider that is configured as the engine does it.
async fn provider() -> Provider<()> {
    let provider = Provider::new(&PACKAGE, Some("127.0.0.1:1".to_owned()));
    provider.configure(Request::new(configuration())).await.expect("a good configuration");
    provider
}

fn configuration() -> rpc::ConfigureRequest {
    let urn = "urn:pulumi:dev::project::pulumi:providers:test::default".to_owned();
    rpc::ConfigureRequest { urn: Some(urn), id: Some("17".to_owned()), args: props(json!({})), ..Default::default() }
}

/// A monitor that makes everything as it is declared.
fn willing() -> FakeMonitor {
    FakeMonitor::answering(|it| Some(Ok(made(it))))
}

fn made(request: &rpc::RegisterResourceRequest) -> rpc::RegisterResourceResponse {
    let (urn, id, object) = match request.r#type.as_str() {
        "test:index:Shop" => (SHOP, "", json!({})),
        "test:index:Till" => (TILL, "till-1", json!({ "label": "open" })),
        _ => (SIGN, "sign-1", json!({})),
    };
    rpc::RegisterResourceResponse { urn: urn.to_owned(), id: id.to_owned(), object: props(object), ..Default::default() }
}

/// As the engine asks for a shop when the program sets no option.
fn shop(monitor: &FakeMonitor) -> rpc::ConstructRequest {
    rpc::ConstructRequest {
        r#type: "test:index:Shop".to_owned(),
        name: "main".to_owned(),
        inputs: props(json!({ "staff": 2 })),
        monitor_endpoint: monitor.address.clone(),
        custom_timeouts: Some(rpc::construct_request::CustomTimeouts::default()),
        accepts_output_values: true,
        ..Default::default()
    }
}

async fn construct(provider: &Provider<()>, request: rpc::ConstructRequest) -> Result<rpc::ConstructResponse, Status> {
    provider.construct(Request::new(request)).await.map(tonic::Response::into_inner)
}

fn secret(value: &serde_json::Value) -> serde_json::Value {
    json!({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": value })
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

fn text(it: &str) -> Value {
    Value::String(it.to_owned())
}

fn from(urns: &[&str]) -> BTreeSet<String> {
    urns.iter().map(|it| (*it).to_owned()).collect()
}

/// An option of a Construct, how a test sets it, and what has to come of it in the registration of the component.
type Case = (&'static str, fn(&mut rpc::ConstructRequest), fn(&mut rpc::RegisterResourceRequest));

const OPTIONS: &[Case] = &[
    ("type", |it| it.r#type = "test:shops/index:Shop".into(), |it| it.r#type = "test:shops/index:Shop".into()),
    ("name", |it| it.name = "corner".into(), |it| it.name = "corner".into()),
    ("parent", |it| it.parent = "urn:p".into(), |it| it.parent = "urn:p".into()),
    (
        "inputs",
        |it| it.inputs = props(json!({ "staff": UNKNOWN, "street": "Main" })),
        |it| it.object = props(json!({ "staff": UNKNOWN, "street": "Main", "goods": "bread" })),
    ),
    (
        "input_dependencies",
        |it| {
            let urns = rpc::construct_request::PropertyDependencies { urns: strings(&["urn:a", "urn:b"]) };
            it.input_dependencies = HashMap::from([("staff".into(), urns)]);
        },
        |it| {
            let urns = PropertyDependencies { urns: strings(&["urn:a", "urn:b"]) };
            it.property_dependencies = HashMap::from([("staff".into(), urns)]);
        },
    ),
    ("protect", |it| it.protect = Some(true), |it| it.protect = Some(true)),
    ("protect", |it| it.protect = Some(false), |it| it.protect = Some(false)),
    (
        "providers",
        |it| it.providers = HashMap::from([("other".into(), "urn:x::1".into())]),
        |it| it.providers = HashMap::from([("other".into(), "urn:x::1".into())]),
    ),
    ("dependencies", |it| it.dependencies = strings(&["urn:d"]), |it| it.dependencies = strings(&["urn:d"])),
    (
        "additional_secret_outputs",
        |it| it.additional_secret_outputs = strings(&["text"]),
        |it| it.additional_secret_outputs = strings(&["text"]),
    ),
    (
        "custom_timeouts",
        |it| {
            it.custom_timeouts = Some(rpc::construct_request::CustomTimeouts {
                create: "1m".into(),
                update: "2m".into(),
                delete: "3m".into(),
                read: "4m".into(),
            });
        },
        |it| {
            it.custom_timeouts =
                Some(CustomTimeouts { create: "1m".into(), update: "2m".into(), delete: "3m".into(), read: "4m".into() });
        },
    ),
    ("custom_timeouts", |it| it.custom_timeouts = None, |it| it.custom_timeouts = None),
    ("deleted_with", |it| it.deleted_with = "urn:w".into(), |it| it.deleted_with = "urn:w".into()),
    (
        "delete_before_replace",
        |it| it.delete_before_replace = Some(true),
        |it| (it.delete_before_replace, it.delete_before_replace_defined) = (true, true),
    ),
    ("delete_before_replace", |it| it.delete_before_replace = Some(false), |it| it.delete_before_replace_defined = true),
    ("ignore_changes", |it| it.ignore_changes = strings(&["staff"]), |it| it.ignore_changes = strings(&["staff"])),
    ("replace_on_changes", |it| it.replace_on_changes = strings(&["goods"]), |it| it.replace_on_changes = strings(&["goods"])),
    ("retain_on_delete", |it| it.retain_on_delete = Some(true), |it| it.retain_on_delete = Some(true)),
    ("retain_on_delete", |it| it.retain_on_delete = Some(false), |it| it.retain_on_delete = Some(false)),
    (
        "resource_hooks",
        |it| {
            it.resource_hooks = Some(rpc::construct_request::ResourceHooksBinding {
                before_create: strings(&["a"]),
                after_create: strings(&["b"]),
                before_update: strings(&["c"]),
                after_update: strings(&["d"]),
                before_delete: strings(&["e"]),
                after_delete: strings(&["f"]),
                on_error: strings(&["g"]),
            });
        },
        |it| {
            it.hooks = Some(ResourceHooksBinding {
                before_create: strings(&["a"]),
                after_create: strings(&["b"]),
                before_update: strings(&["c"]),
                after_update: strings(&["d"]),
                before_delete: strings(&["e"]),
                after_delete: strings(&["f"]),
                on_error: strings(&["g"]),
            });
        },
    ),
    ("stack_trace_handle", |it| it.stack_trace_handle = "7".into(), |it| it.parent_stack_trace_handle = "7".into()),
    ("replace_with", |it| it.replace_with = strings(&["urn:r"]), |it| it.replace_with = strings(&["urn:r"])),
    ("aliases", |it| it.aliases = aliases(), |it| it.aliases = aliases()),
    (
        "replacement_trigger",
        |it| it.replacement_trigger = Some(text("now").into()),
        |it| it.replacement_trigger = Some(text("now").into()),
    ),
];

/// What a Construct holds besides options.
const REST: [&str; 9] = [
    "project",
    "stack",
    "config",
    "dry_run",
    "parallel",
    "monitor_endpoint",
    "config_secret_keys",
    "organization",
    "accepts_output_values",
];

fn aliases() -> Vec<rpc::Alias> {
    let spec = alias::Spec { name: "old".to_owned(), parent: Some(alias::spec::Parent::NoParent(true)), ..Default::default() };
    vec![
        rpc::Alias { alias: Some(alias::Alias::Urn("urn:old".to_owned())) },
        rpc::Alias { alias: Some(alias::Alias::Spec(spec)) },
    ]
}

#[tokio::test]
async fn every_option_is_forwarded_and_what_is_not_set_stays_so() {
    let (provider, monitor) = (provider().await, willing());
    let plain = rpc::RegisterResourceRequest {
        r#type: "test:index:Shop".to_owned(),
        name: "main".to_owned(),
        object: props(json!({ "staff": 2, "goods": "bread", "street": "" })),
        custom_timeouts: Some(CustomTimeouts::default()),
        accept_secrets: true,
        accept_resources: true,
        supports_partial_values: true,
        supports_result_reporting: true,
        alias_specs: true,
        ..Default::default()
    };
    let nothing: Case = ("", |_| {}, |_| {});
    for (option, set, expect) in OPTIONS.iter().chain([&nothing]) {
        let (mut request, mut expected, before) = (shop(&monitor), plain.clone(), monitor.registered().len());
        set(&mut request);
        expect(&mut expected);
        construct(&provider, request).await.unwrap();
        assert_eq!(monitor.registered()[before], expected, "{option}");
    }
}

#[test]
fn no_option_is_left_out_of_these_tests() {
    let all = format!("{:#?}", rpc::ConstructRequest::default());
    let field = |line: &'static str| Some(line.strip_prefix("    ")?.split_once(": ")?.0).filter(|it| !it.starts_with(' '));
    let fields: BTreeSet<_> = all.leak().lines().filter_map(field).map(|it| it.trim_start_matches("r#")).collect();
    let tested: BTreeSet<_> = OPTIONS.iter().map(|it| it.0).chain(REST).collect();
    assert_eq!(fields, tested);
}

#[tokio::test]
async fn children_come_from_what_the_component_was_given() {
    let (provider, monitor) = (provider().await, willing());
    let mut request = shop(&monitor);
    request.inputs = props(json!({ "staff": 2, "goods": secret(&json!("cake")), "code": "1234" }));
    let urns = rpc::construct_request::PropertyDependencies { urns: strings(&["urn:staff"]) };
    request.input_dependencies = HashMap::from([("staff".to_owned(), urns)]);
    request.stack_trace_handle = "7".to_owned();
    let constructed = construct(&provider, request).await.unwrap();

    let [_, till, sign] = monitor.registered().try_into().unwrap();
    assert_eq!((till.name.as_str(), till.parent.as_str(), till.custom), ("main-till", SHOP, true));
    assert_eq!(till.object, props(json!({ "drawers": 3, "code": secret(&json!("1234")) })), "secret by its schema");
    assert_eq!(till.dependencies, ["urn:staff"]);
    assert_eq!(till.property_dependencies["drawers"].urns, ["urn:staff"]);
    assert_eq!(till.property_dependencies["code"].urns, [""; 0]);
    assert!(till.accept_secrets && till.accept_resources && till.supports_partial_values && till.supports_result_reporting);
    assert_eq!((till.parent_stack_trace_handle.as_str(), till.version.as_str()), ("7", ""));
    assert_eq!(till.protect, None, "inherited from the component");

    assert_eq!((sign.version.as_str(), sign.provider.as_str()), ("2.0.0", ""));
    assert_eq!(sign.object, props(json!({ "text": secret(&json!("cake open")), "lit": true })));
    assert_eq!(sign.dependencies, [TILL]);
    assert_eq!(sign.property_dependencies["text"].urns, [TILL]);
    assert_eq!(sign.property_dependencies["lit"].urns, [""; 0]);
    assert_eq!(sign.additional_secret_outputs, ["lock"]);

    assert_eq!(constructed.urn, SHOP);
    let state = read(constructed.state);
    assert_eq!(state["till"], text("till-1").depending_on(from(&[TILL])));
    assert_eq!(state["text"], text("cake open").secret().depending_on(from(&[TILL])));
    assert_eq!(state["code"], text("1234").secret());
    let [completed] = monitor.completed().try_into().unwrap();
    assert_eq!(completed.urn, SHOP);
    let plain: Map = state.into_iter().map(|(name, it)| (name, it.without_dependencies())).collect();
    assert_eq!(read(completed.outputs), plain);
}

#[tokio::test]
async fn an_engine_without_output_values_is_told_dependencies_apart() {
    let (provider, monitor) = (provider().await, willing());
    let constructed =
        construct(&provider, rpc::ConstructRequest { accepts_output_values: false, ..shop(&monitor) }).await.unwrap();
    assert_eq!(constructed.state_dependencies["till"].urns, [TILL]);
    assert_eq!(constructed.state, props(json!({ "till": "till-1", "text": "bread open", "street": "" })));
}

#[tokio::test]
async fn what_is_unknown_in_a_preview_stays_unknown() {
    let unmade = FakeMonitor::answering(|it| Some(Ok(rpc::RegisterResourceResponse { urn: made(it).urn, ..Default::default() })));
    let mut request = rpc::ConstructRequest { dry_run: true, ..shop(&unmade) };
    request.inputs = props(json!({ "staff": UNKNOWN, "code": secret(&json!(UNKNOWN)) }));
    let constructed = construct(&provider().await, request).await.unwrap();
    let [_, till, sign] = unmade.registered().try_into().unwrap();
    assert_eq!(till.object, props(json!({ "drawers": UNKNOWN, "code": secret(&json!(UNKNOWN)) })));
    assert_eq!(sign.object, props(json!({ "text": UNKNOWN, "lit": true })));
    let state = read(constructed.state);
    assert_eq!(state["till"], Value::Unknown.depending_on(from(&[TILL])));
    assert_eq!(state["code"], Value::Unknown.secret());
    assert_eq!(read(unmade.completed()[0].outputs.clone())["till"], Value::Unknown);
}

#[tokio::test]
async fn children_are_of_the_instance_that_constructs_them() {
    let monitor = willing();
    let chosen = HashMap::from([("test".to_owned(), "urn:explicit::5".to_owned())]);
    let provider = provider().await;
    construct(&provider, shop(&monitor)).await.unwrap();
    construct(&provider, rpc::ConstructRequest { providers: chosen, ..shop(&monitor) }).await.unwrap();
    // Attached to, one process is many instances.
    provider.attach(Request::new(rpc::PluginAttach { address: "127.0.0.1:1".to_owned() })).await.unwrap();
    provider.configure(Request::new(configuration())).await.unwrap();
    construct(&provider, shop(&monitor)).await.unwrap();
    let providers: Vec<_> = monitor.registered().into_iter().map(|it| it.provider).collect();
    let own = "urn:pulumi:dev::project::pulumi:providers:test::default::17";
    assert_eq!(providers, ["", own, "", "", "", "", "", "", ""]);
}

#[tokio::test]
async fn cancel_ends_what_hangs_and_is_answered_after_it() {
    for hanging in ["test:index:Shop", "test:index:Till"] {
        let monitor = FakeMonitor::answering(move |it| (it.r#type != hanging).then(|| Ok(made(it))));
        let provider = provider().await;
        let constructing = tokio::spawn({
            let (provider, request) = (provider.clone(), shop(&monitor));
            async move { construct(&provider, request).await }
        });
        while monitor.registered().last().is_none_or(|it| it.r#type != hanging) {
            sleep(Duration::from_millis(5)).await;
        }
        let started = Instant::now();
        provider.cancel(Request::new(())).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        let constructed = timeout(Duration::from_millis(100), constructing).await.expect("it is answered already").unwrap();
        assert!(constructed.is_ok(), "an error would be shown as one of the program: {constructed:?}");
        assert!(monitor.completed().is_empty());
        // What is cancelled does not stay cancelled.
        provider.handshake(Request::new(rpc::ProviderHandshakeRequest::default())).await.unwrap();
        construct(&provider, shop(&willing())).await.unwrap();
    }
}

#[tokio::test]
async fn a_monitor_that_ends_ends_the_construction() {
    let shut_down = FakeMonitor::answering(|it| match it.r#type.as_str() {
        "test:index:Shop" => Some(Ok(made(it))),
        _ => Some(Err(Status::unavailable("resource monitor shut down"))),
    });
    let provider = provider().await;
    construct(&provider, shop(&shut_down)).await.unwrap();
    assert_eq!((shut_down.registered().len(), shut_down.completed().len()), (2, 0));

    let mut killed = FakeMonitor::answering(|it| (it.r#type == "test:index:Shop").then(|| Ok(made(it))));
    let constructing = tokio::spawn({
        let (provider, request) = (provider.clone(), shop(&killed));
        async move { construct(&provider, request).await }
    });
    while killed.registered().len() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    killed.end();
    timeout(Duration::from_secs(20), constructing).await.expect("no hang").unwrap().unwrap();
    timeout(Duration::from_secs(20), construct(&provider, shop(&killed))).await.expect("no hang").unwrap();
}

/// A monitor that does not make one of the children.
fn without(token: &'static str, result: Outcome, unknown: bool) -> FakeMonitor {
    FakeMonitor::answering(move |it| {
        let answer = made(it);
        let left_out = rpc::RegisterResourceResponse { result: result.into(), unknown, ..answer.clone() };
        Some(Ok(if it.r#type == token { left_out } else { answer }))
    })
}

#[tokio::test]
async fn where_a_child_fails_the_others_are_registered_and_nothing_is_made_up() {
    for outcome in [Outcome::Fail, Outcome::Skip] {
        let monitor = without("test:index:Till", outcome, false);
        let constructed = timeout(Duration::from_secs(20), construct(&provider().await, shop(&monitor))).await.expect("no hang");
        assert_eq!(constructed.unwrap_err().message(), "without main-till there is no text, till");
        assert_eq!(monitor.registered()[2].object, props(json!({ "text": UNKNOWN, "lit": true })));
        let [completed] = monitor.completed().try_into().unwrap();
        assert_eq!(read(completed.outputs), map(json!({ "street": "" })), "no state holds something unknown");

        let monitor = without("other:index:Sign", outcome, false);
        construct(&provider().await, shop(&monitor)).await.expect("no output comes from the sign");
    }
}

#[tokio::test]
async fn a_child_that_is_no_target_leaves_unknowns() {
    let monitor = without("test:index:Till", Outcome::Success, true);
    let constructed = construct(&provider().await, shop(&monitor)).await.unwrap();
    assert_eq!(read(constructed.state)["till"], Value::Unknown.depending_on(from(&[TILL])));
    assert_eq!(read(monitor.completed()[0].outputs.clone()), map(json!({ "street": "" })));
}

#[tokio::test]
async fn a_child_that_is_refused_is_named() {
    let monitor = FakeMonitor::answering(|it| match it.r#type.as_str() {
        "other:index:Sign" => Some(Err(Status::invalid_argument("no provider other, said 1234"))),
        _ => Some(Ok(made(it))),
    });
    let request = rpc::ConstructRequest { inputs: props(json!({ "staff": 2, "code": "1234" })), ..shop(&monitor) };
    let refused = construct(&provider().await, request).await.unwrap_err();
    assert_eq!(refused.message(), "other:index:Sign main-sign: no provider other, said [secret]");
    assert!(monitor.completed().is_empty());
}

#[tokio::test]
async fn every_mistake_is_told_at_once_and_no_secret() {
    let (provider, monitor) = (provider().await, willing());
    let inputs = json!({ "staff": 12, "goods": secret(&json!(["hush"])), "code": ["hush"], "street": UNKNOWN, "stret": 1 });
    let refused = construct(&provider, rpc::ConstructRequest { inputs: props(inputs), ..shop(&monitor) }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "its inputs are wrong; code is a list, not text; goods is a list, not text");
    let detail: rpc::InputPropertiesError = detail(&refused, "InputPropertiesError");
    let told: Vec<_> = detail.errors.iter().map(|it| (it.property_path.as_str(), it.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("staff", "is 12, more than 9"),
            ("street", "has to be known before anything is made: it cannot come from a resource"),
            ("stret", "is not a property here; did you mean street?"),
        ]
    );
    assert!(monitor.registered().is_empty(), "nothing is registered of what cannot be constructed");
    let missing = construct(&provider, rpc::ConstructRequest { inputs: None, ..shop(&monitor) }).await.unwrap_err();
    assert_eq!(missing.message(), "its inputs are wrong");
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let (provider, monitor) = (provider().await, willing());
    let other = rpc::ConstructRequest { r#type: "test:index:Shed".to_owned(), ..shop(&monitor) };
    let refused = construct(&provider, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "there is no component \"test:index:Shed\" in version 1.0.0 of test");
    let early = Provider::new(&PACKAGE, None);
    assert_eq!(construct(&early, shop(&monitor)).await.unwrap_err().code(), Code::FailedPrecondition);
    let call = rpc::CallRequest { tok: "test:index:Shop/close".to_owned(), ..Default::default() };
    let refused = provider.call(Request::new(call)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(refused.message(), "there is no method \"test:index:Shop/close\" in version 1.0.0 of test");
    let refused = provider.parameterize(Request::new(rpc::ParameterizeRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_component_is_in_the_schema() {
    let schema = provider().await.get_schema(Request::new(rpc::GetSchemaRequest::default())).await.unwrap().into_inner().schema;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let shop = &schema["resources"]["test:index:Shop"];
    assert_eq!(shop["isComponent"], true);
    assert_eq!(shop["description"], "A shop: a till of this package, and a sign of another.");
    assert_eq!(shop["requiredInputs"], json!(["staff"]));
    let inputs = &shop["inputProperties"];
    assert_eq!(inputs["staff"], json!({ "type": "integer", "description": "How many people work there." }));
    assert_eq!(
        inputs["goods"],
        json!({ "type": "string", "description": "What it sells. Default: `bread`.", "default": "bread" })
    );
    assert_eq!(inputs["code"], json!({ "type": "string", "description": "What opens the till.", "secret": true }));
    assert_eq!(inputs["street"]["plain"], true, "it cannot come from a resource");
    assert_eq!(shop["required"], json!(["street", "text", "till"]));
    assert!(schema.get("config").is_none() && schema.get("provider").is_none(), "{schema}");
}
