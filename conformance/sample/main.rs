//! The process of a small provider that does everything right: prints its port, then serves until it is to end.
//!
//! With `FAULT=<number>` in its environment it does the one thing of that number wrong: see `fault.rs`.

mod cloud;
mod component;
mod engine;
mod fault;
mod guard;
mod inputs;
mod names;
mod provider;
mod status;
mod things;
mod values;

use std::{io::Write as _, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use clap::Parser;
use provider_conformance::rpc::resource_provider_server::ResourceProviderServer;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::{fault::fault, guard::Guarded, provider::Provider};

/// The most that a message may hold, which is what the engine takes.
const MESSAGE_LIMIT: usize = 400 << 20;
/// The version of the package, as in its schema.
const VERSION: &str = "1.0.0";

/// A Pulumi provider to try the conformance suite on. Pulumi starts it.
#[derive(Parser)]
#[command(version = VERSION)]
struct Arguments {
    /// Accepted for Pulumi's sake.
    #[arg(long = "logtostderr")]
    _log_to_stderr: bool,
    /// Accepted for Pulumi's sake: `verbose` of the provider's settings tells more.
    #[arg(short = 'v', default_value_t = 0)]
    _verbosity: u8,
    /// Accepted for Pulumi's sake.
    #[arg(long = "tracing")]
    _tracing: Option<String>,
    /// The address of the engine. Without one, the engine attaches itself later.
    engine: Option<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if fault(9) => {
            _ = writeln!(std::io::stdout(), "{error:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Without stderr there is nobody to tell.
            _ = writeln!(std::io::stderr(), "pulumi-resource-sample: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse_from(fault::arguments());
    fault::at_start(arguments.engine.as_deref())?;
    tokio::runtime::Runtime::new().context("cannot start")?.block_on(serve(arguments.engine))
}

/// Tells the engine where to connect to: the only line on stdout.
fn tell(port: u16) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{port}{}", if fault(1) { "\r" } else { "" })?;
    Ok(stdout.flush()?)
}

async fn serve(engine: Option<String>) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listener = TcpListener::bind(if fault(3) { "0.0.0.0:0" } else { "127.0.0.1:0" }).await;
    let listener = listener.context("cannot listen on 127.0.0.1")?;
    tell(listener.local_addr()?.port())?;

    // Attached to, it serves one engine after the other, and outlives them all.
    let started_by_engine = engine.is_some();
    let provider = Arc::new(Provider::new(engine));
    let limit = if fault(15) { 4 << 20 } else { MESSAGE_LIMIT };
    let service = ResourceProviderServer::from_arc(provider.clone());
    let service = service.max_decoding_message_size(limit).max_encoding_message_size(limit);
    let served = Server::builder().add_service(Guarded(service)).serve_with_incoming(TcpListenerStream::new(listener));
    let ended = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv(), if !fault(11) => {}
            () = provider.engine.gone(), if started_by_engine => {}
        }
        provider.end().await;
    };
    tokio::select! {
        served = served => served.context("cannot serve the engine"),
        () = ended => Ok(()),
    }
}
