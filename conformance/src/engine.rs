//! The part of the engine that a provider calls: it keeps what it is told.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::Result;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::rpc::{
    self,
    engine_server::{Engine as EngineService, EngineServer},
};

/// An engine on a port of its own.
pub struct Engine {
    /// Where it listens: `127.0.0.1:port`.
    pub address: String,
    lines: Arc<Mutex<Vec<Line>>>,
    /// Of its own, so that its connections end with it.
    runtime: Mutex<Option<Runtime>>,
}

/// A line of log, and when it came.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: Instant,
    pub request: rpc::LogRequest,
}

/// What the engine does besides keeping lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Manner {
    /// As the real one does: with a health service.
    #[default]
    Healthy,
    /// An old one, without a health service.
    WithoutHealth,
    /// It refuses every line.
    Deaf,
}

impl Engine {
    /// Starts one.
    pub fn start(manner: Manner) -> Result<Self> {
        let lines = Arc::<Mutex<Vec<Line>>>::default();
        let service = EngineServer::new(Ears { lines: lines.clone(), deaf: manner == Manner::Deaf })
            .max_decoding_message_size(crate::MESSAGE_LIMIT);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(async move {
            let health = (manner == Manner::Healthy).then(|| tonic_health::server::health_reporter().1);
            let server = Server::builder().add_service(service).add_optional_service(health);
            let listener = TcpListener::from_std(listener)?;
            anyhow::Ok(server.serve_with_incoming(TcpListenerStream::new(listener)).await?)
        });
        Ok(Self { address, lines, runtime: Mutex::new(Some(runtime)) })
    }

    /// Ends it, as if the command had been killed.
    pub fn kill(&self) {
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }

    /// What it was told.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.lines).clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What is behind a lock; a panic elsewhere does not make it wrong.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Ears {
    lines: Arc<Mutex<Vec<Line>>>,
    deaf: bool,
}

#[tonic::async_trait]
impl EngineService for Ears {
    async fn log(&self, request: Request<rpc::LogRequest>) -> Result<Response<()>, Status> {
        if self.deaf {
            return Err(Status::internal("no more lines, please"));
        }
        lock(&self.lines).push(Line { at: Instant::now(), request: request.into_inner() });
        Ok(Response::new(()))
    }

    async fn get_root_resource(
        &self,
        _: Request<rpc::GetRootResourceRequest>,
    ) -> Result<Response<rpc::GetRootResourceResponse>, Status> {
        Ok(Response::new(rpc::GetRootResourceResponse { urn: crate::run::STACK_URN.to_owned() }))
    }
}
