//! The client of the cloud: things by their ids, over HTTP.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value as Json, json};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::{
    fault::fault,
    inputs::Settings,
    values::{Map, doubles},
};

/// How long the cloud may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The cloud that the settings tell of.
pub(crate) struct Cloud {
    settings: Arc<Settings>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What the cloud, or the way to it, said instead of yes.
pub(crate) struct Refusal {
    operation: &'static str,
    id: String,
    status: Option<StatusCode>,
    code: String,
    message: String,
    request: String,
}

impl Cloud {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Makes a thing into this, or makes it.
    pub(crate) async fn put(&self, id: &str, thing: &Map) -> Result<(), Refusal> {
        let mut body = json!(thing);
        body["tags"] = json!(self.settings.tags);
        self.call("PutThing", Method::PUT, id, &format!("/thing/{id}"), Some(body)).await.map(|_| ())
    }

    /// A thing; none if it is gone.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Map>, Refusal> {
        match self.call("GetThing", Method::GET, id, &format!("/thing/{id}"), None).await {
            Ok(Json::Object(thing)) => Ok(Some(thing)),
            Ok(_) => Ok(None),
            Err(it) if it.status == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(it) => Err(it),
        }
    }

    /// Begins to delete a thing. One that is gone already is no error.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), Refusal> {
        match self.call("DeleteThing", Method::DELETE, id, &format!("/thing/{id}"), None).await {
            Err(it) if it.status == Some(StatusCode::NOT_FOUND) && !fault(109) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Up to `count` things, in the order of their ids, from the one after `after`.
    pub(crate) async fn page(&self, after: &str, count: usize) -> Result<Vec<Map>, Refusal> {
        let path = format!("/thing?after={after}&count={count}");
        let mut page = self.call("ListThings", Method::GET, "", &path, None).await?;
        let things = page["things"].as_array_mut().map(std::mem::take).unwrap_or_default();
        Ok(things.into_iter().filter_map(|it| if let Json::Object(it) = it { Some(it) } else { None }).collect())
    }

    /// Calls the cloud, and again later while it has too much to do.
    async fn call(
        &self,
        operation: &'static str,
        method: Method,
        id: &str,
        path: &str,
        body: Option<Json>,
    ) -> Result<Json, Refusal> {
        let mut attempt = 0;
        loop {
            match self.call_once(operation, method.clone(), id, path, body.as_ref()).await {
                Err(it) if it.passes() && attempt < self.settings.retries && !fault(113) => {
                    sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
                }
                answer => return answer,
            }
            attempt += 1;
        }
    }

    async fn call_once(
        &self,
        operation: &'static str,
        method: Method,
        id: &str,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Json, Refusal> {
        let unreachable = |why: String| Refusal {
            operation,
            id: id.to_owned(),
            status: None,
            code: "Unreachable".to_owned(),
            message: format!("{} gives no answer: {why}", self.settings.endpoint),
            request: "none".to_owned(),
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.settings.endpoint));
        request = request.header("x-account", &self.settings.account).header("content-type", "application/json");
        if let Some(key) = &self.settings.api_key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = body.map(Json::to_string).unwrap_or_default();
        let request = request.body(Full::new(body.into())).map_err(|it| unreachable(it.to_string()))?;
        let answer = timeout(PATIENCE, async {
            let answer = self.client.request(request).await.map_err(|it| unreachable(with_cause(&it)))?;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(|it| unreachable(with_cause(&it)))?;
            let json = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            Ok((parts, doubles(json)))
        });
        let (parts, body) = answer.await.map_err(|_| unreachable(format!("none within {} s", PATIENCE.as_secs())))??;
        if parts.status.is_success() {
            return Ok(body);
        }
        let text = |it: &Json| it.as_str().unwrap_or_default().to_owned();
        let request = parts.headers.get("x-request-id").and_then(|it| it.to_str().ok());
        Err(Refusal {
            operation,
            id: id.to_owned(),
            status: Some(parts.status),
            code: text(&body["code"]),
            message: text(&body["message"]),
            request: request.unwrap_or("unknown").to_owned(),
        })
    }
}

/// An error of a library says little without its cause.
fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |it| format!("{error}: {}", with_cause(it)))
}

impl Refusal {
    /// Whether the same call may succeed later.
    fn passes(&self) -> bool {
        matches!(self.status, Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE))
    }

    /// What the user reads.
    pub(crate) fn text(&self) -> String {
        if fault(112) {
            return "request failed".to_owned();
        }
        let hint = match self.status.map(|it| it.as_u16()) {
            None => "; is `endpoint` right, and the cloud running?",
            Some(403) => "; ask for this right for the account, or set another `apiKey`",
            Some(409) => "; see what else uses it",
            Some(429) => "; try again later, or with more `retries`",
            _ => "",
        };
        let of = if self.id.is_empty() { String::new() } else { format!(" of {:?}", self.id) };
        format!("{}{of}: {}: {} (request {}){hint}", self.operation, self.code, self.message, self.request)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.status.map(|it| it.as_u16()) {
            _ if fault(114) => Code::Internal,
            Some(400) => Code::InvalidArgument,
            Some(403) => Code::PermissionDenied,
            Some(404) => Code::NotFound,
            Some(409) => Code::FailedPrecondition,
            Some(429) => Code::ResourceExhausted,
            _ => Code::Unavailable,
        };
        Status::new(code, refusal.text())
    }
}
