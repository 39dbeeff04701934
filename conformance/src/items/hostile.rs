//! Requests that no engine sends, for item 17: an answer is due to each of them.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use http_body_util::Full;
use prost::{Message, bytes::Bytes};
use prost_types::{ListValue, Struct, Value as Proto, value::Kind};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, Status};

use crate::{
    item::Outcome,
    life::Subject,
    provider::Provider,
    rpc,
    run::Run,
    value::{ARCHIVE, ASSET, OUTPUT, RESOURCE, SECRET, SIGNATURE, to_proto, to_struct},
};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

const METHODS: [&str; 21] = [
    "Handshake",
    "Parameterize",
    "GetSchema",
    "CheckConfig",
    "DiffConfig",
    "Configure",
    "Invoke",
    "Call",
    "Check",
    "Diff",
    "Create",
    "Read",
    "List",
    "Update",
    "Delete",
    "Construct",
    "Cancel",
    "GetPluginInfo",
    "Attach",
    "GetMapping",
    "GetMappings",
];

/// A request, and how to tell of it.
struct Odd {
    method: &'static str,
    what: String,
    bytes: Vec<u8>,
}

impl Odd {
    fn new(method: &'static str, what: impl Into<String>, message: &impl Message) -> Self {
        Self { method, what: what.into(), bytes: message.encode_to_vec() }
    }
}

/// Whether no answer came at all: it is the client that says so, not the provider.
pub(super) fn is_lost(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// Sends them all, and tells which were left without an answer, and what that did to the process.
pub(super) async fn provoke(run: &Run) -> Outcome<Vec<String>> {
    let mut lost = Vec::new();
    // Some of these configure it anew, or cancel: what comes after needs a fresh start.
    for odd in [messages(), of_settings(run), of_resources(run)] {
        let mut provider = run.configured().await?;
        let calls = stream::iter(odd).map(|odd| unanswered(&provider, odd)).buffer_unordered(8);
        lost.extend(calls.filter_map(|it| async { it }).collect::<Vec<_>>().await);
        lost.extend(health(&mut provider, "those").await);
    }
    let mut provider = run.configured().await?;
    for bytes in [&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], &[0xff; 4096], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""] {
        // It need not answer this, but has to outlive it.
        _ = timeout(Duration::from_millis(200), talk(provider.port, bytes)).await;
    }
    for frame in [&[][..], &[0, 0, 0, 0, 10, 1, 2], &[1, 0, 0, 0, 0], &[0, 255, 255, 255, 255, 0], &[7, 0, 0, 0, 0]] {
        if timeout(LIMIT, provider.send("/pulumirpc.ResourceProvider/Check", Full::new(Bytes::copy_from_slice(frame))))
            .await
            .is_err()
        {
            lost.push(format!("Check, framed as {frame:?}: no answer within {LIMIT:?}"));
        }
    }
    lost.extend(health(&mut provider, "garbage on its port").await);
    Ok(lost)
}

async fn unanswered(provider: &Provider, odd: Odd) -> Option<String> {
    let Odd { method, what, bytes } = odd;
    match timeout(LIMIT, provider.call(&format!("/pulumirpc.ResourceProvider/{method}"), bytes)).await {
        Err(_) => Some(format!("{method} {what}: no answer within {LIMIT:?}")),
        Ok(Err(status))
            if is_lost(&status) || status.code() == Code::Unavailable && status.message().starts_with("no connection") =>
        {
            Some(format!("{method} {what}: the connection broke ({})", status.message()))
        }
        Ok(_) => None,
    }
}

async fn health(provider: &mut Provider, after: &str) -> Option<String> {
    if let Some(process) = &mut provider.process
        && let Ok(Some((status, _))) = process.ended(Duration::from_millis(50)).await
    {
        return Some(format!("the process ended with {status} after {after}"));
    }
    match timeout(LIMIT, provider.client.get_plugin_info(())).await {
        Ok(Ok(_)) => None,
        Ok(Err(status)) => Some(format!("GetPluginInfo fails after {after}: {}", status.message())),
        Err(_) => Some(format!("GetPluginInfo gives no answer within {LIMIT:?} after {after}")),
    }
}

async fn talk(port: u16, bytes: &[u8]) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(bytes).await?;
    stream.read(&mut [0; 1024]).await
}

/// Messages that are none, to every method.
fn messages() -> Vec<Odd> {
    let deep = (0..1000).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut outer = vec![0x0a];
        prost::encode_length_delimiter(inner.len(), &mut outer).unwrap_or_default();
        outer.extend(inner);
        outer
    });
    let bodies = [
        ("without content", Vec::new()),
        ("of bytes that are no message", vec![0xff; 64]),
        ("of a message that is cut off", vec![0x0a, 0xff, 0xff, 0xff, 0x0f, 0x41]),
        ("with text that is no UTF-8", vec![0x0a, 0x02, 0xc3, 0x28]),
        ("nested a thousand times", deep),
    ];
    let all = METHODS.iter().flat_map(|method| bodies.iter().map(move |body| (method, body)));
    all.map(|(method, (what, bytes))| Odd { method, what: (*what).to_owned(), bytes: bytes.clone() }).collect()
}

/// Odd settings, functions and components.
fn of_settings(run: &Run) -> Vec<Odd> {
    let Ok(schema) = run.schema() else { return Vec::new() };
    let mut all = Vec::new();
    let settings: Vec<_> = schema.settings().map(|(name, _)| name).collect();
    for (what, value) in values() {
        let what = format!("with {what} for every property");
        let odd = Some(filled(&settings, &value));
        let diff = rpc::DiffRequest { urn: run.provider_urn(), olds: odd.clone(), news: odd.clone(), ..Default::default() };
        all.push(Odd::new("DiffConfig", &what, &diff));
        let check = rpc::CheckRequest { urn: run.provider_urn(), news: odd.clone(), ..Default::default() };
        all.push(Odd::new("CheckConfig", &what, &check));
        for function in schema.functions() {
            let properties = function.json["inputs"]["properties"].as_object();
            let names: Vec<_> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let args = Some(filled(&names, &value));
            let request = rpc::InvokeRequest { tok: function.token.to_owned(), args, preview: true };
            all.push(Odd::new("Invoke", format!("of {} {what}", function.token), &request));
        }
        for component in schema.components() {
            let names: Vec<_> = component.inputs().map(|(name, _)| name).collect();
            let request = rpc::ConstructRequest {
                r#type: component.token.to_owned(),
                name: "odd".to_owned(),
                inputs: Some(filled(&names, &value)),
                monitor_endpoint: "127.0.0.1:1".to_owned(),
                ..Default::default()
            };
            all.push(Odd::new("Construct", format!("of {} {what}", component.token), &request));
        }
        all.push(Odd::new("Configure", &what, &rpc::ConfigureRequest { args: odd, ..Default::default() }));
    }
    all
}

/// Odd inputs and states of every resource.
fn of_resources(run: &Run) -> Vec<Odd> {
    let Ok(schema) = run.schema() else { return Vec::new() };
    let mut all = Vec::new();
    for resource in schema.resources() {
        let subject = Subject::new(resource.token, "odd");
        let names: Vec<_> = resource.inputs().map(|(name, _)| name).collect();
        let sample = run.options.samples.resources.iter().find(|(name, _)| resource.is_called(name));
        let good = sample.map(|(_, it)| to_struct(&it.inputs)).unwrap_or_default();
        for (what, value) in values() {
            let whole = format!("of {} with {what} for every property", resource.token);
            let inner = format!("of {} with {what} for every leaf", resource.token);
            let [check, forth, back, create, update] = calls_with(&subject, &whole, &filled(&names, &value), &good);
            let [check_inner, forth_inner, back_inner, ..] = calls_with(&subject, &inner, &at_leaves(&good, &value), &good);
            all.extend([check, check_inner]);
            // The same code reads the inputs of them all: no need to ask everything of everyone.
            all.extend(match all.len() % 3 {
                0 => [forth, create],
                1 => [back, forth_inner],
                _ => [back_inner, update],
            });
        }
    }
    // The rest of a request is read alike for all.
    if let Some((_, sample, resource)) = run.samples().ok().and_then(|it| it.into_iter().next()) {
        let subject = Subject::new(resource.token, "odd");
        all.extend(odd_fields(&subject, &format!("of {}", resource.token), &to_struct(&sample.inputs)));
    }
    all
}

fn calls_with(subject: &Subject, what: &str, odd: &Struct, good: &Struct) -> [Odd; 5] {
    let Subject { urn, token, name } = subject.clone();
    let (odd, good) = (Some(odd.clone()), Some(good.clone()));
    let check = rpc::CheckRequest { urn: urn.clone(), name, r#type: token, news: odd.clone(), ..Default::default() };
    let id = "odd".to_owned();
    let diff = rpc::DiffRequest { id, urn: urn.clone(), olds: good.clone(), old_inputs: good.clone(), ..Default::default() };
    let forth = rpc::DiffRequest { news: odd.clone(), ..diff.clone() };
    let back = rpc::DiffRequest { olds: odd.clone(), old_inputs: odd.clone(), news: good, ..diff };
    let create = rpc::CreateRequest { urn: urn.clone(), properties: odd.clone(), preview: true, ..Default::default() };
    let update =
        rpc::UpdateRequest { urn, olds: odd.clone(), old_inputs: odd.clone(), news: odd, preview: true, ..Default::default() };
    [
        Odd::new("Check", what, &check),
        Odd::new("Diff", what, &forth),
        Odd::new("Diff", format!("back {what}"), &back),
        Odd::new("Create", format!("in a preview {what}"), &create),
        Odd::new("Update", format!("in a preview {what}"), &update),
    ]
}

/// Good inputs beside odd fields of the request.
fn odd_fields(subject: &Subject, what: &str, good: &Struct) -> Vec<Odd> {
    let mut all = Vec::new();
    let good = Some(good.clone());
    let urn = subject.urn.clone();
    for odd_urn in ["", ":", "::::", "urn:pulumi:dev::p::", "urn:pulumi:dev::p::no:such:Type::n", &"x".repeat(1 << 20)] {
        let short: String = odd_urn.chars().take(40).collect();
        let check = rpc::CheckRequest { urn: odd_urn.to_owned(), news: good.clone(), ..Default::default() };
        all.push(Odd::new("Check", format!("{what} with the URN {short:?}"), &check));
    }
    for seed in [&[][..], &[1], &[0; 4096]] {
        let check = rpc::CheckRequest { urn: urn.clone(), news: good.clone(), random_seed: seed.to_vec(), ..Default::default() };
        all.push(Odd::new("Check", format!("{what} with a seed of {} bytes", seed.len()), &check));
    }
    for (mode, proposed_name) in [(99, ""), (1, ""), (1, "\0/\u{202e}"), (0, "\u{1f980}")] {
        let autonaming = Some(rpc::check_request::AutonamingOptions { proposed_name: proposed_name.to_owned(), mode });
        let check = rpc::CheckRequest { urn: urn.clone(), news: good.clone(), autonaming, ..Default::default() };
        all.push(Odd::new("Check", format!("{what} to be called {proposed_name:?}, in mode {mode}"), &check));
    }
    for path in ["", "[", "a[", "a..b", "[\"", "*", "[*]", "a[-1]", "a[99999999999999999999]", &"a[0]".repeat(1 << 12)] {
        let ignore_changes = vec![path.to_owned()];
        let (olds, news) = (good.clone(), Some(Struct::default()));
        let diff = rpc::DiffRequest { urn: urn.clone(), olds, news, ignore_changes, ..Default::default() };
        let short: String = path.chars().take(40).collect();
        all.push(Odd::new("Diff", format!("{what} that ignores {short:?}"), &diff));
    }
    for timeout in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, f64::MAX] {
        let create =
            rpc::CreateRequest { urn: urn.clone(), properties: good.clone(), timeout, preview: true, ..Default::default() };
        all.push(Odd::new("Create", format!("in a preview {what} within {timeout} s"), &create));
    }
    all
}

/// Every one of these properties, with the same value.
fn filled(names: &[&str], value: &Proto) -> Struct {
    Struct { fields: names.iter().map(|it| ((*it).to_owned(), value.clone())).collect() }
}

/// `good`, with `value` in place of whatever is no list or object.
fn at_leaves(good: &Struct, value: &Proto) -> Struct {
    let replace = |it: &Proto| Proto {
        kind: match &it.kind {
            Some(Kind::ListValue(list)) => {
                let inner = Struct {
                    fields: list.values.iter().enumerate().map(|(index, it)| (index.to_string(), it.clone())).collect(),
                };
                Some(Kind::ListValue(ListValue { values: at_leaves(&inner, value).fields.into_values().collect() }))
            }
            Some(Kind::StructValue(inner)) => Some(Kind::StructValue(at_leaves(inner, value))),
            _ => value.kind.clone(),
        },
    };
    Struct { fields: good.fields.iter().map(|(key, it)| (key.clone(), replace(it))).collect() }
}

/// Values that hardly any property takes.
fn values() -> Vec<(&'static str, Proto)> {
    let number = |it: f64| Proto { kind: Some(Kind::NumberValue(it)) };
    let deep = (0..30).fold(json!("deep"), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "": inner }) });
    let special = [
        ("null", json!(null)),
        ("a boolean", json!(true)),
        ("a negative fraction", json!(-0.5)),
        ("an empty text", json!("")),
        ("control characters", json!("\0\u{1b}[31m\u{202e}\u{fffd}\u{1f980}\r\n")),
        ("a long text", json!("\u{e4}".repeat(5000))),
        ("an empty list", json!([])),
        ("a list of nulls", json!([null, null])),
        ("an object with odd keys", json!({ "": 1, "a.b": 2, "\"[0]\\": 3, "__proto__": null })),
        ("30 levels of objects", deep),
        ("a secret without a value", json!({ SIGNATURE: SECRET })),
        ("a secret secret null", json!({ SIGNATURE: SECRET, "value": { SIGNATURE: SECRET, "value": null } })),
        ("an unknown signature", json!({ SIGNATURE: "00000000000000000000000000000000", "value": 1 })),
        ("a signature that is no text", json!({ SIGNATURE: 1 })),
        ("an output without anything", json!({ SIGNATURE: OUTPUT })),
        ("an output that is odd", json!({ SIGNATURE: OUTPUT, "value": [], "secret": "yes", "dependencies": 1 })),
        ("an asset without content", json!({ SIGNATURE: ASSET })),
        ("an archive of nothing", json!({ SIGNATURE: ARCHIVE, "path": "/no/such/file", "assets": 1 })),
        ("a reference to nothing", json!({ SIGNATURE: RESOURCE, "urn": "", "id": 1 })),
    ];
    let mut all: Vec<_> = special.into_iter().map(|(what, value)| (what, to_proto(&value))).collect();
    all.extend([
        ("no number", number(f64::NAN)),
        ("infinity", number(f64::INFINITY)),
        ("a number of 300 digits", number(1e300)),
        ("a value of no kind", Proto { kind: None }),
    ]);
    all
}
