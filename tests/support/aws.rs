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

/// What a test says to the n-th call of an operation, with what it asks: a status, and a body for the protocol of the service.
type Answer = dyn Fn(&str, usize, &str) -> (u16, String) + Send + Sync;

#[derive(Clone)]
pub struct FakeAws {
    pub url: String,
    /// Operations, and the bodies of the requests.
    calls: Arc<Mutex<Vec<(String, String)>>>,
    pause: Arc<Mutex<Option<(&'static str, Duration)>>>,
}

impl FakeAws {
    /// Answers JSON; the caller's identity by itself.
    pub async fn answering(answer: impl Fn(&str, usize) -> (u16, Json) + Send + Sync + 'static) -> Self {
        Self::start(move |operation, n, _| answer(operation, n)).await
    }

    /// As [`Self::answering`], by what is asked instead of how often.
    pub async fn answering_what_is_asked(answer: impl Fn(&str, &Json) -> (u16, Json) + Send + Sync + 'static) -> Self {
        Self::start(move |operation, _, body| answer(operation, &parsed(body))).await
    }

    /// Agrees to everything, and shows what is written beside an operation, in the protocol of its service.
    pub async fn showing(shown: &'static [(&str, &str)]) -> Self {
        let answer = |asked: &str, body: &str| match shown.iter().find(|(operation, _)| *operation == asked) {
            Some((_, answer)) => (*answer).to_owned(),
            None => agreement(asked, body),
        };
        Self::serving(Arc::new(move |operation, _, body| (200, answer(operation, body)))).await
    }

    /// Refuses one operation by a code, in the protocol of whoever asks, and agrees to all others.
    pub async fn refusing(operation: &'static str, code: &'static str) -> Self {
        Self::serving(Arc::new(move |asked, _, body| match body.starts_with("Action=") {
            _ if asked != operation => (200, agreement(asked, body)),
            // EC2 has a form of its own.
            true if body.contains("Version=2016-11-15") => (
                400,
                format!("<Response><Errors><Error><Code>{code}</Code><Message>It exists</Message></Error></Errors></Response>"),
            ),
            true => {
                (400, format!("<ErrorResponse><Error><Code>{code}</Code><Message>It exists</Message></Error></ErrorResponse>"))
            }
            false => (400, serde_json::json!({ "__type": code, "message": "It exists" }).to_string()),
        }))
        .await
    }

    async fn start(answer: impl Fn(&str, usize, &str) -> (u16, Json) + Send + Sync + 'static) -> Self {
        let answer: Arc<Answer> = Arc::new(move |operation, n, body| {
            if operation == "GetCallerIdentity" {
                return (200, IDENTITY.to_owned());
            }
            let (status, json) = answer(operation, n, body);
            (status, json.to_string())
        });
        Self::serving(answer).await
    }

    async fn serving(answer: Arc<Answer>) -> Self {
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
        self.calls.lock().expect("calls").iter().map(|(operation, _)| operation.clone()).collect()
    }

    /// The operations that were asked for, in order, and the bodies of the requests.
    pub fn all(&self) -> Vec<(String, String)> {
        self.calls.lock().expect("calls").clone()
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.calls().iter().filter(|it| *it == operation).count()
    }

    /// What an operation was asked for, each time, where that is JSON.
    pub fn requests(&self, operation: &str) -> Vec<Json> {
        let calls = self.calls.lock().expect("calls");
        calls.iter().filter(|(it, _)| it == operation).map(|(_, body)| parsed(body)).collect()
    }

    async fn serve(self, request: Request<Incoming>, answer: Arc<Answer>) -> Result<Response<Full<Bytes>>, Infallible> {
        // ECS and its like name the operation in a header, STS and its like in the body, CloudWatch in the path.
        let path = request.uri().path().split_once("/operation/").map(|(_, operation)| operation.to_owned());
        let target = request.headers().get("x-amz-target").and_then(|it| it.to_str().ok()).map(str::to_owned);
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        let operation = match target.as_ref().or(path.as_ref()) {
            Some(target) => target.rsplit('.').next().unwrap_or_default(),
            None => body.split('&').find_map(|it| it.strip_prefix("Action=")).unwrap_or_default(),
        };
        let n = {
            let mut calls = self.calls.lock().expect("calls");
            calls.push((operation.to_owned(), body.to_string()));
            calls.iter().filter(|(it, _)| it == operation).count()
        };
        let pause = *self.pause.lock().expect("the pause");
        if let Some((_, pause)) = pause.filter(|(it, _)| *it == operation) {
            tokio::time::sleep(pause).await;
        }
        if path.is_some() {
            // An empty map, in CBOR.
            let response =
                Response::builder().header("smithy-protocol", "rpc-v2-cbor").body(Full::new(Bytes::from_static(&[0xa0])));
            return Ok(response.expect("a response"));
        }
        let (status, body) = answer(operation, n, &body);
        Ok(Response::builder().status(status).body(Full::new(body.into())).expect("a response"))
    }

    /// Lets every answer to an operation wait.
    pub fn pausing_at(self, operation: &'static str, pause: Duration) -> Self {
        *self.pause.lock().expect("the pause") = Some((operation, pause));
        self
    }
}

/// An answer that shows nothing.
fn agreement(operation: &str, body: &str) -> String {
    if body.starts_with("Action=") {
        format!("<{operation}Response><{operation}Result/></{operation}Response>")
    } else {
        "{}".to_owned()
    }
}

fn parsed(body: &str) -> Json {
    serde_json::from_str(body).expect("JSON")
}

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>\
<UserId>me</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
