//! A plugin's process: prints the port it serves on, then serves until the engine lets go of it.

use std::{io::Write as _, time::Duration};

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tonic::transport::{Server, server::TcpIncoming};
use tracing_subscriber::EnvFilter;

use crate::{
    cloud::Cloud,
    package::Package,
    rpc::{MESSAGE_LIMIT, resource_provider_server::ResourceProviderServer},
    server::Provider,
};

/// How long calls in flight may take to answer, once nothing waits any more. The engine kills us after 5 s.
const GRACE: Duration = Duration::from_secs(4);

/// Pulumi starts this plugin; there is nothing to run by hand.
#[derive(Parser)]
struct Arguments {
    /// Accepted for Pulumi's sake: logs always go to stderr.
    #[arg(long = "logtostderr")]
    _log_to_stderr: bool,
    /// How much to log: from 9 on, everything.
    #[arg(short, default_value_t = 0)]
    verbosity: u8,
    /// Accepted for Pulumi's sake.
    #[arg(long = "tracing")]
    _tracing: Option<String>,
    /// The address of the engine. Without one, the engine attaches itself later.
    engine: Option<String>,
}

/// Serves `package` to the engine that started this process. It is all that the `main` of a provider has to do. The environment
/// variable `<PACKAGE>_LOG` says what goes to stderr, such as `debug`.
pub fn serve<C: Cloud>(package: &'static Package<C>) -> Result<()> {
    Runtime::new()?.block_on(run(package))
}

async fn run<C: Cloud>(package: &'static Package<C>) -> Result<()> {
    let command = Arguments::command().name(package.name).version(package.version).before_help(package.description);
    let arguments = Arguments::from_arg_matches(&command.get_matches())?;
    let name = package.name.replace('-', "_");
    let all = format!("pulumi_provider=debug,{name}=debug");
    let level = if arguments.verbosity >= 9 { all.as_str() } else { "error" };
    let filter = EnvFilter::try_from_env(format!("{}_LOG", name.to_uppercase())).unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen on 127.0.0.1")?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    stdout.flush()?;

    // Attached, it serves one engine after the other, and outlives them all.
    let started_by_engine = arguments.engine.is_some();
    let provider = Provider::new(package, arguments.engine);
    let service = ResourceProviderServer::new(provider.clone())
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serve =
        Server::builder().max_concurrent_streams(u32::MAX).serve_with_incoming_shutdown(service, incoming(listener), async {
            // An error is a sender that is gone: time to stop as well.
            _ = stopped.await;
        });
    let end = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = provider.engine_gone(), if started_by_engine => {}
        }
        provider.cancel_all();
        drop(stop);
        sleep(GRACE).await;
    };
    tokio::select! {
        served = serve => served.context("cannot serve the engine"),
        () = end => Ok(()),
    }
}

/// The connections of the engine. An answer goes out at once: with Nagle's algorithm, which waits for the acknowledgement of what
/// was sent before, each call takes 40 ms longer.
fn incoming(listener: TcpListener) -> TcpIncoming {
    // A setting of the stream: that of `Server` does not hold for streams that it is given.
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn answers_are_sent_at_once() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = incoming(listener);
        let (accepted, _engine) = tokio::join!(incoming.next(), TcpStream::connect(address));
        assert!(accepted.unwrap().unwrap().nodelay().unwrap());
    }
}
