//! A resource monitor that keeps what is registered, and answers as a test says.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use pulumi_provider::rpc::{
    self,
    resource_monitor_server::{ResourceMonitor, ResourceMonitorServer},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// What a test says to a registration; with nothing, it is never answered.
type Answer = dyn Fn(&rpc::RegisterResourceRequest) -> Option<Result<rpc::RegisterResourceResponse, Status>> + Send + Sync;

pub struct FakeMonitor {
    pub address: String,
    state: State,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct State {
    answer: Arc<Answer>,
    registered: Arc<Mutex<Vec<rpc::RegisterResourceRequest>>>,
    completed: Arc<Mutex<Vec<rpc::RegisterResourceOutputsRequest>>>,
}

impl FakeMonitor {
    pub fn answering(
        answer: impl Fn(&rpc::RegisterResourceRequest) -> Option<Result<rpc::RegisterResourceResponse, Status>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let state = State { answer: Arc::new(answer), registered: Arc::default(), completed: Arc::default() };
        // A runtime of its own, which closes all connections when it ends.
        let runtime = Runtime::new().expect("a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        listener.set_nonblocking(true).expect("a socket for tokio");
        let service = ResourceMonitorServer::new(state.clone());
        runtime.spawn(async move {
            let incoming = TcpListenerStream::new(TcpListener::from_std(listener).expect("a listener"));
            Server::builder().serve_with_incoming(service, incoming).await
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// What was registered, in order.
    pub fn registered(&self) -> Vec<rpc::RegisterResourceRequest> {
        self.state.registered.lock().expect("requests").clone()
    }

    /// Which components were completed, and with what.
    pub fn completed(&self) -> Vec<rpc::RegisterResourceOutputsRequest> {
        self.state.completed.lock().expect("requests").clone()
    }

    /// Ends, as a monitor does whose engine was killed.
    pub fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for FakeMonitor {
    fn drop(&mut self) {
        self.end();
    }
}

#[tonic::async_trait]
impl ResourceMonitor for State {
    async fn register_resource(
        &self,
        request: Request<rpc::RegisterResourceRequest>,
    ) -> Result<Response<rpc::RegisterResourceResponse>, Status> {
        let request = request.into_inner();
        let answer = (self.answer)(&request);
        self.registered.lock().expect("requests").push(request);
        match answer {
            Some(answer) => answer.map(Response::new),
            None => pending().await,
        }
    }

    async fn register_resource_outputs(
        &self,
        request: Request<rpc::RegisterResourceOutputsRequest>,
    ) -> Result<Response<()>, Status> {
        self.completed.lock().expect("requests").push(request.into_inner());
        Ok(Response::new(()))
    }
}
