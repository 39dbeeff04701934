//! The engine that talks to us: where it is, whether it still lives, what it wants stopped, and what its user is to read.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use provider_conformance::rpc::{self, LogSeverity, engine_client::EngineClient};
use tokio::{
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        watch,
    },
    time::{sleep, timeout},
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::fault::fault;

/// How often to see whether the engine lives; twice not, and it is gone.
const PULSE: Duration = Duration::from_secs(2);

/// The engine. Attached to, one process serves several, one after the other.
pub(crate) struct Engine {
    now: Mutex<Now>,
    /// Counts the times that all had to stop. Nothing stays stopped: who begins later only hears of the next time.
    stops: watch::Sender<u64>,
}

#[derive(Default)]
struct Now {
    address: Option<String>,
    log: Option<UnboundedSender<rpc::LogRequest>>,
}

impl Engine {
    /// The engine at `address`, if that is known yet.
    pub(crate) fn new(address: Option<String>) -> Self {
        Self { now: Mutex::new(Now { address, log: None }), stops: watch::Sender::new(0) }
    }

    /// Talks to the engine at `address` from now on.
    pub(crate) fn attach_to(&self, address: String) {
        *self.now() = Now { address: Some(address), log: None };
    }

    /// Whether it is known where the engine is.
    pub(crate) fn is_known(&self) -> bool {
        self.now().address.is_some()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all that waits.
    pub(crate) fn stop_all(&self) {
        self.stops.send_modify(|it| *it += 1);
    }

    /// Hears of the next stop.
    pub(crate) fn stop(&self) -> watch::Receiver<u64> {
        let mut stop = self.stops.subscribe();
        if fault(28) && *stop.borrow() > 0 {
            stop.mark_changed();
        }
        stop
    }

    /// Tells the user; does not wait until the engine has heard it, nor mind if it never does.
    pub(crate) fn log(&self, severity: LogSeverity, urn: &str, message: &str, ephemeral: bool) {
        let mut now = self.now();
        if now.log.is_none() {
            now.log = now.address.as_deref().and_then(connect);
        }
        let message = if fault(143) { format!("\u{1b}[1m{message}\u{1b}[0m\n") } else { message.to_owned() };
        let request =
            rpc::LogRequest { severity: severity.into(), message, urn: urn.to_owned(), ephemeral, ..Default::default() };
        if let Some(log) = &now.log {
            // Its end is that of the engine, or of the process.
            _ = log.send(request);
        }
    }

    /// Whether the engine takes lines of log.
    pub(crate) async fn listens(&self) -> Result<(), Status> {
        let address = self.now().address.clone().unwrap_or_default();
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.map_err(|error| Status::unavailable(error.to_string()))?;
        EngineClient::new(endpoint.connect_lazy()).log(rpc::LogRequest::default()).await.map(|_| ())
    }

    /// Returns once the engine is gone, so that no provider outlives the one that started it.
    pub(crate) async fn gone(&self) {
        let (mut watched, mut missed) = (None, None);
        while missed < Some(2) {
            let address = self.now().address.clone().filter(|it| it.parse::<SocketAddr>().is_ok() && !fault(13));
            if address != watched {
                (watched, missed) = (address, fault(14).then_some(0));
            }
            if let Some(address) = &watched {
                // One that never lived cannot go either.
                missed = if lives(address).await { Some(0) } else { missed.map(|it| it + 1) };
            }
            sleep(PULSE).await;
        }
    }
}

/// A way to send lines to the engine at `address`. Nothing is sent, nor tried, before the first line.
fn connect(address: &str) -> Option<UnboundedSender<rpc::LogRequest>> {
    let channel = Endpoint::from_shared(format!("http://{address}")).ok()?.connect_lazy();
    let (sender, mut lines) = unbounded_channel();
    tokio::spawn(async move {
        let mut engine = EngineClient::new(channel);
        while let Some(line) = lines.recv().await {
            // A user who cannot read it has lost nothing else.
            _ = engine.log(line).await;
        }
    });
    Some(sender)
}

/// Whether the engine at `address` lives. An old one has no health to tell of, which is an answer as well.
async fn lives(address: &str) -> bool {
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else { return false };
    let mut health = HealthClient::new(endpoint.connect_lazy());
    match timeout(PULSE, health.check(HealthCheckRequest::default())).await {
        Ok(Err(status)) => status.code() == Code::Unimplemented && !fault(14),
        answer => answer.is_ok(),
    }
}
