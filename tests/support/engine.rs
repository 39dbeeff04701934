//! An engine that keeps what it is told.

use std::sync::{Arc, Mutex};

use pulumi_provider::rpc::{
    self,
    engine_server::{Engine, EngineServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

#[derive(Clone, Default)]
pub struct FakeEngine {
    pub address: String,
    lines: Arc<Mutex<Vec<rpc::LogRequest>>>,
}

impl FakeEngine {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let engine = Self { address: listener.local_addr().expect("an address").to_string(), ..Self::default() };
        let server = Server::builder().serve_with_incoming(EngineServer::new(engine.clone()), TcpListenerStream::new(listener));
        tokio::spawn(server);
        engine
    }

    pub fn lines(&self) -> Vec<rpc::LogRequest> {
        self.lines.lock().expect("lines").clone()
    }
}

#[tonic::async_trait]
impl Engine for FakeEngine {
    async fn log(&self, request: Request<rpc::LogRequest>) -> Result<Response<()>, Status> {
        self.lines.lock().expect("lines").push(request.into_inner());
        Ok(Response::new(()))
    }
}
