//! An AWS that answers each operation as a test says, and remembers what it was asked. For what no local AWS does: states
//! that last, refusals, silence.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpListener;

/// What a test says to the n-th call of an operation: a status, and a body for the protocol of the service.
type Answer = dyn Fn(&str, usize) -> (u16, String) + Send + Sync;

#[derive(Clone)]
pub struct FakeAws {
    pub url: String,
    calls: Arc<Mutex<Vec<String>>>,
    pause: Arc<Mutex<Option<(&'static str, Duration)>>>,
}

impl FakeAws {
    /// Answers JSON; the caller's identity by itself.
    pub async fn answering(answer: impl Fn(&str, usize) -> (u16, Json) + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(move |operation, n| {
            if operation == "GetCallerIdentity" {
                return (200, IDENTITY.to_owned());
            }
            let (status, json) = answer(operation, n);
            (status, json.to_string())
        }))
        .await
    }

    async fn start(answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let aws = Self { url, calls: Arc::default(), pause: Arc::default() };
        let serving = aws.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, aws) = (answer.clone(), serving.clone());
                let service = service_fn(move |request| aws.clone().serve(request, answer.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        aws
    }

    /// The operations that were asked for, in order.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("calls").clone()
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.calls().iter().filter(|it| *it == operation).count()
    }

    async fn serve(self, request: Request<Incoming>, answer: Arc<Answer>) -> Result<Response<Full<Bytes>>, Infallible> {
        // ECS and its like name the operation in a header, STS and its like in the body.
        let target = request.headers().get("x-amz-target").and_then(|it| it.to_str().ok()).map(str::to_owned);
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        let operation = match &target {
            Some(target) => target.rsplit('.').next().unwrap_or_default(),
            None => body.split('&').find_map(|it| it.strip_prefix("Action=")).unwrap_or_default(),
        };
        let n = {
            let mut calls = self.calls.lock().expect("calls");
            calls.push(operation.to_owned());
            calls.iter().filter(|it| *it == operation).count()
        };
        let pause = *self.pause.lock().expect("the pause");
        if let Some((_, pause)) = pause.filter(|(it, _)| *it == operation) {
            tokio::time::sleep(pause).await;
        }
        let (status, body) = answer(operation, n);
        Ok(Response::builder().status(status).body(Full::new(body.into())).expect("a response"))
    }

    /// Lets every answer to an operation wait.
    pub fn pausing_at(self, operation: &'static str, pause: Duration) -> Self {
        *self.pause.lock().expect("the pause") = Some((operation, pause));
        self
    }
}

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>\
<UserId>me</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
