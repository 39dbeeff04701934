//! The cloud of the sample provider: things by their ids, in memory, over HTTP.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value as Json, json};
use tokio::net::TcpListener;

/// What the cloud never shows again.
const WRITE_ONLY: [&str; 2] = ["password", "content"];

#[derive(Default)]
struct Store {
    things: Mutex<BTreeMap<String, Thing>>,
    requests: AtomicU64,
    /// How long it takes until a thing is ready, or gone.
    pace: Duration,
}

struct Thing {
    json: Map<String, Json>,
    revision: u64,
    changed: Instant,
    is_going: bool,
}

/// Starts a cloud in which everything takes as long as `pace`, and returns its address.
pub(crate) async fn start(pace: Duration) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let store = Arc::new(Store { pace, ..Store::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let store = store.clone();
            let service = service_fn(move |request| {
                let store = store.clone();
                async move { store.answer(request).await }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(url)
}

impl Store {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes)?;
        let query: BTreeMap<_, _> =
            parts.uri.query().unwrap_or_default().split('&').filter_map(|it| it.split_once('=')).collect();
        let (status, json) = match (&parts.method, parts.uri.path().strip_prefix("/thing")) {
            (&Method::GET, Some("")) => self.page(&query),
            (method, Some(path)) => self.thing(method, path.trim_start_matches('/'), &body),
            _ => refusal(StatusCode::NOT_FOUND, "NoSuchPath", "there is nothing but /thing"),
        };
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let response = Response::builder().status(status).header("x-request-id", format!("r-{number:06}"));
        Ok(response.body(Full::new(json.to_string().into()))?)
    }

    fn page(&self, query: &BTreeMap<&str, &str>) -> (StatusCode, Json) {
        let after = query.get("after").copied().unwrap_or_default();
        let count = query.get("count").and_then(|it| it.parse().ok()).unwrap_or(100);
        let mut things = self.things();
        things.retain(|_, it| !it.is_gone(self.pace));
        let page: Vec<_> = things.iter().filter(|(id, _)| id.as_str() > after).take(count).collect();
        (StatusCode::OK, json!({ "things": page.iter().map(|(id, it)| it.shown(id, self.pace)).collect::<Vec<_>>() }))
    }

    fn thing(&self, method: &Method, id: &str, body: &[u8]) -> (StatusCode, Json) {
        let mut things = self.things();
        if things.get(id).is_some_and(|it| it.is_gone(self.pace)) {
            things.remove(id);
        }
        let gone = || refusal(StatusCode::NOT_FOUND, "NoSuchThing", "there is no such thing");
        match *method {
            Method::PUT => {
                let Ok(Json::Object(json)) = serde_json::from_slice(body) else {
                    return refusal(StatusCode::BAD_REQUEST, "Malformed", "a thing is a JSON object");
                };
                let revision = things.get(id).map_or(0, |it| it.revision) + 1;
                let thing = Thing { json, revision, changed: Instant::now(), is_going: false };
                let shown = thing.shown(id, self.pace);
                things.insert(id.to_owned(), thing);
                (StatusCode::OK, shown)
            }
            Method::GET => things.get(id).map_or_else(gone, |it| (StatusCode::OK, it.shown(id, self.pace))),
            Method::DELETE => things.get_mut(id).map_or_else(gone, |it| {
                (it.is_going, it.changed) = (true, Instant::now());
                (StatusCode::ACCEPTED, Json::Null)
            }),
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "NoSuchMethod", "there are GET, PUT and DELETE"),
        }
    }

    fn things(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Thing>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thing {
    fn is_gone(&self, pace: Duration) -> bool {
        self.is_going && self.changed.elapsed() >= pace
    }

    fn shown(&self, id: &str, pace: Duration) -> Json {
        let mut json = self.json.clone();
        json.retain(|key, _| !WRITE_ONLY.contains(&key.as_str()));
        let state = match self.changed.elapsed() >= pace {
            _ if self.is_going => "deleting",
            true => "ready",
            false if self.revision == 1 => "creating",
            false => "updating",
        };
        json.extend([
            ("id".to_owned(), json!(id)),
            ("arn".to_owned(), json!(format!("arn:sample:{id}"))),
            ("revision".to_owned(), json!(self.revision)),
            ("token".to_owned(), json!(format!("token-of-{id}"))),
            ("state".to_owned(), json!(state)),
        ]);
        Json::Object(json)
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> (StatusCode, Json) {
    (status, json!({ "code": code, "message": message }))
}
