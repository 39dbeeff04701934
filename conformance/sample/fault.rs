//! What the provider can do wrong, one thing at a time, as authors in a hurry do: `FAULT=25` gets item 25 wrong.

use std::{sync::LazyLock, thread, time::Duration};

use anyhow::{Result, ensure};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use provider_conformance::rpc;
use tokio::net::TcpListener;
use tonic::{Status, body::Body, codegen::http};

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

/// Fault 1: tells the port before anything listens there.
pub(crate) async fn late(listener: TcpListener) -> Result<TcpListener> {
    let address = listener.local_addr()?;
    drop(listener);
    crate::tell(address.port())?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(TcpListener::bind(address).await?)
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
