//! What the provider can do wrong, one thing at a time, as authors in a hurry do: `FAULT=25` gets item 25 wrong.

use std::{sync::LazyLock, thread, time::Duration};

use anyhow::{Result, ensure};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use provider_conformance::rpc;
use tonic::{Status, body::Body, codegen::http};

/// All faults: the number of the item, and what goes wrong.
pub(crate) const FAULTS: [(u16, &str); 150] = [
    (1, "the port line ends with a carriage return, as on Windows"),
    (2, "Handshake prints a word to stdout"),
    (3, "it listens on all addresses of the machine"),
    (4, "it takes 1.5 s until it tells its port"),
    (5, "a command line with the engine's flags is refused"),
    (6, "it connects to the engine at once, and does not start without"),
    (7, "it does not start without the engine's address"),
    (8, "flags that it does not know are overlooked"),
    (9, "a failure to start is told on stdout, with exit status 0"),
    (10, "the end takes a minute, for calls in flight"),
    (11, "SIGTERM is not handled"),
    (12, "the end of stdin ends it"),
    (13, "it never looks whether its engine lives"),
    (14, "an engine without a health service is taken for gone"),
    (15, "messages may have 4 MiB, which is tonic's default"),
    (16, "one call waits for the other"),
    (17, "a secret without a value panics, and a panic ends the process"),
    (18, "Configure prints all settings to stderr"),
    (19, "it does not start without HOME"),
    (20, "ConfigureResponse says other things than HandshakeResponse"),
    (21, "Handshake needs a root directory"),
    (22, "a second Handshake does not change the engine"),
    (23, "GetPluginInfo tells the version of the crate"),
    (24, "Attach changes nothing"),
    (25, "Cancel takes a second"),
    (26, "a Create that is cancelled while it waits fails, and what it made is lost"),
    (27, "a Create that is cancelled before anything is made leaves a resource behind"),
    (28, "once cancelled, it stays cancelled"),
    (29, "Cancel does not end Construct"),
    (30, "GetMapping is an error"),
    (31, "Parameterize succeeds"),
    (32, "an unknown method is an internal error"),
    (33, "GetSchema takes any version"),
    (34, "a key of the schema is misspelt"),
    (35, "settings as text are refused"),
    (36, "settings in their own types are refused"),
    (37, "`version` is taken for a setting that does not exist"),
    (38, "CheckConfig adds `__internal`"),
    (39, "CheckConfig gives settings back in their own types"),
    (40, "a setting that is not known yet is refused"),
    (41, "a setting that does not exist panics"),
    (42, "a wrong secret setting is told with its value"),
    (43, "no setting has a default, neither of the schema nor of the environment"),
    (44, "settings as text differ from the same ones in their own types"),
    (45, "another endpoint does not replace"),
    (46, "any change of settings replaces"),
    (47, "DiffConfig needs Configure first"),
    (48, "a setting that is marked as secret is not understood"),
    (49, "missing settings are told in text only"),
    (50, "Configure asks the cloud"),
    (51, "Configure refuses an empty name, and an id that is not known yet"),
    (52, "a call before Configure panics"),
    (53, "Check adds a label"),
    (54, "Check adds a label whenever there are old inputs"),
    (55, "a made-up name is another one each time, for the same seed"),
    (56, "defaults are left to the SDKs"),
    (57, "null within an object is not the same as nothing"),
    (58, "only one of the seven unknown values is known"),
    (59, "Check unwraps secrets within objects"),
    (60, "a resource in place of its id is refused"),
    (61, "an input that does not exist is accepted"),
    (62, "only the first failure is told"),
    (63, "failures name a property even if it is nested or secret"),
    (64, "failures about secrets hold the value"),
    (65, "a fraction is taken for an integer"),
    (66, "a failure does not say what would be right"),
    (67, "a made-up name is made up anew in each Check"),
    (68, "a made-up name may be longer than allowed, and have any letters"),
    (69, "pulumi:autonaming is overlooked"),
    (70, "without a seed there is no name"),
    (71, "a name is refused if names may not be made up"),
    (72, "a made-up name is always the same for the same resource"),
    (73, "an unknown type is an internal error without the type"),
    (74, "no change is answered by DIFF_UNKNOWN"),
    (75, "changes of `color` and `note` are overlooked"),
    (76, "`replaces` is left empty"),
    (77, "whatever changes is an UPDATE, additions and deletions as well"),
    (78, "`diffs` holds paths, not properties"),
    (79, "keys with dots, brackets and quotes are not quoted in paths"),
    (80, "inputDiff is never set"),
    (81, "a value that becomes secret is a change"),
    (82, "the order of rules matters"),
    (83, "a default that is written out is a change"),
    (84, "a value that is not known yet is no change"),
    (85, "Diff refuses values that are not known yet"),
    (86, "ignoreChanges is overlooked"),
    (87, "assets are compared with their content"),
    (88, "Diff asks the cloud"),
    (89, "Diff refuses a state with properties of which it does not know"),
    (90, "deleteBeforeReplace is never set"),
    (91, "with any other change, `revision` is said to change"),
    (92, "Diff panics if an output is missing"),
    (93, "a preview creates"),
    (94, "a preview refuses inputs that are not known yet"),
    (95, "a preview makes up an ARN"),
    (96, "Create gives the ARN as id, which Read does not take"),
    (97, "inputs that are not set are null in the outputs"),
    (98, "secrets within `config` are not marked in the outputs"),
    (99, "a Thing that does not become ready is an error, and is lost"),
    (100, "the code in the details of an error is another one than its status"),
    (101, "what could not be made is an error that keeps it"),
    (102, "timeouts are overlooked"),
    (103, "Create gives a Thing another id each time"),
    (104, "a preview of Update does not know the ARN"),
    (105, "Update makes a new Thing under another id, and deletes the old one"),
    (106, "Update without changes is refused"),
    (107, "an Update that failed half-way tells what it should have made"),
    (108, "Update refuses a Thing that is not ready"),
    (109, "Delete fails if there is nothing left"),
    (110, "Delete does not wait"),
    (111, "Delete needs the inputs"),
    (112, "errors do not say what the cloud said"),
    (113, "a call that is throttled is not tried again"),
    (114, "all errors of the cloud are internal ones"),
    (115, "Read of what is gone has empty maps"),
    (116, "an import has no inputs"),
    (117, "an id of the wrong form is one of a thing that is gone"),
    (118, "imported inputs hold defaults"),
    (119, "a refresh forgets what the cloud does not show"),
    (120, "Read does not mark secrets"),
    (121, "a refresh leaves the inputs as they were"),
    (122, "Read of a Thing of no use is a plain error"),
    (123, "`get` without a state is refused"),
    (124, "List has no limit"),
    (125, "an unknown function answers nothing"),
    (126, "a component forwards neither aliases nor ignoreChanges"),
    (127, "a component that is not said to be protected is said not to be"),
    (128, "a component does not register its outputs"),
    (129, "children are called the same in each Pair"),
    (130, "children are left to any provider of the package"),
    (131, "a component needs inputs that are known"),
    (132, "a component's secrets are plain in its children and outputs"),
    (133, "outputs of a component depend on nothing"),
    (134, "wrong inputs of a component are told in text only"),
    (135, "a component forwards neither protect nor retainOnDelete nor hooks"),
    (136, "a child that fails is registered until it succeeds"),
    (137, "a monitor that is gone is waited for"),
    (138, "long waits are silent"),
    (139, "the progress of a wait is logged as errors"),
    (140, "every creation logs a warning"),
    (141, "labels of the provider's own are in the outputs, and Diff wants them gone"),
    (142, "a Create whose log line is not heard fails"),
    (143, "log lines end with a line break, and are bold"),
    (144, "without Handshake there is no Configure"),
    (145, "a field that the protocol has not had yet is refused"),
    (146, "a property that the last version did not have replaces"),
    (147, "attached to, it ends with Cancel"),
    (148, "it runs only where Cargo has put it"),
    (149, "List gives nothing unless it is told a page size"),
    (150, "a made-up name depends on the process, besides the seed"),
];

static CHOSEN: LazyLock<Option<u16>> = LazyLock::new(|| std::env::var("FAULT").ok()?.parse().ok());

/// Whether to get the item of this number wrong.
pub(crate) fn fault(number: u16) -> bool {
    *CHOSEN == Some(number)
}

/// The command line; fault 8 overlooks flags that it does not know.
pub(crate) fn arguments() -> Vec<String> {
    let known =
        |it: &String| !it.starts_with('-') || ["-v", "--logtostderr", "--tracing"].iter().any(|flag| it.starts_with(flag));
    std::env::args().filter(|it| !fault(8) || known(it)).collect()
}

/// The faults of the very start.
pub(crate) fn at_start(engine: Option<&str>) -> Result<()> {
    if let Some(number) = std::env::var_os("FAULT") {
        let number = number.to_string_lossy();
        ensure!(FAULTS.iter().any(|(it, _)| it.to_string() == number), "there is no fault {number}");
    }
    if fault(4) {
        thread::sleep(Duration::from_millis(1500));
    }
    ensure!(!fault(5) || std::env::args().skip(1).all(|it| !it.starts_with('-')), "usage: pulumi-resource-sample ADDRESS");
    if let Some(engine) = engine.filter(|_| fault(6)) {
        std::net::TcpStream::connect(engine)?;
    }
    ensure!(!fault(7) || engine.is_some(), "usage: pulumi-resource-sample ADDRESS");
    if fault(12) {
        thread::spawn(|| {
            _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
    if fault(17) {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
    }
    ensure!(!fault(19) || std::env::var_os("HOME").is_some(), "$HOME is not set");
    if fault(148) {
        let program = std::env::current_exe()?;
        ensure!(program.with_file_name("deps").is_dir(), "the files that belong to {} are not beside it", program.display());
    }
    Ok(())
}

/// Fault 145: refuses fields that this version of the protocol does not have.
pub(crate) async fn only_known_fields(request: http::Request<Body>) -> Result<http::Request<Body>, Status> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let message = rpc::CheckRequest::decode(bytes.get(5..).unwrap_or_default()).unwrap_or_default();
    if parts.uri.path().ends_with("/Check") && message.encoded_len() + 5 < bytes.len() {
        return Err(Status::invalid_argument("a field that is not in the protocol"));
    }
    Ok(http::Request::from_parts(parts, Body::new(Full::new(bytes))))
}

/// Fault 32: says of a method that does not exist that it failed.
pub(crate) fn not_unimplemented(response: &mut http::Response<Body>) {
    let headers = response.headers_mut();
    // Those that exist say more.
    if headers.get(Status::GRPC_STATUS).is_some_and(|it| it == "12") && !headers.contains_key(Status::GRPC_MESSAGE) {
        headers.insert(Status::GRPC_STATUS, 13.into());
    }
}

/// Fault 150: what differs from process to process.
pub(crate) fn of_this_process() -> u64 {
    u64::from(std::process::id())
}
