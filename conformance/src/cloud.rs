//! What stands between a provider and its cloud: it counts the requests, and answers some itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    header::HOST,
    http::request,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value as Json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{engine::lock, samples::Answer};

/// A cloud, as one provider sees it. Clones are the same cloud, which ends with the last of them.
#[derive(Clone)]
pub struct Cloud {
    /// Its addresses, `http://127.0.0.1:port`, by the names in the samples: `cloud`, or `cloud.name`.
    urls: BTreeMap<String, String>,
    played: Arc<Played>,
    _serving: Arc<JoinSet<()>>,
}

struct Played {
    client: Client<HttpConnector, Full<Bytes>>,
    answers: Mutex<Vec<Playing>>,
    /// Method, path, headers and body, as text.
    requests: Mutex<Vec<(Instant, String)>>,
}

/// An answer, and how often it has been asked for.
struct Playing {
    answer: Answer,
    matched: usize,
}

impl Cloud {
    /// Stands before the clouds at `targets`.
    pub async fn before(targets: &BTreeMap<String, String>) -> Result<Self> {
        let played = Arc::new(Played {
            client: Client::builder(TokioExecutor::new()).build_http(),
            answers: Mutex::default(),
            requests: Mutex::default(),
        });
        let (mut urls, mut serving) = (BTreeMap::new(), JoinSet::new());
        for (name, target) in targets {
            let target: Uri = target.parse().with_context(|| format!("{target} is no address"))?;
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            urls.insert(name.clone(), format!("http://{}", listener.local_addr()?));
            serving.spawn(serve(listener, target, played.clone()));
        }
        Ok(Self { urls, played, _serving: Arc::new(serving) })
    }

    /// `text`, with its addresses in place of `${cloud}` and `${cloud.name}`.
    pub fn fill_in(&self, text: &str) -> String {
        self.urls.iter().fold(text.to_owned(), |text, (name, url)| text.replace(&format!("${{{name}}}"), url))
    }

    /// Gives these answers from now on, and no others of its own.
    pub fn play(&self, answers: &[Answer]) {
        *lock(&self.played.answers) = answers.iter().map(|it| Playing { answer: it.clone(), matched: 0 }).collect();
    }

    /// How many requests have come so far.
    pub fn calls(&self) -> usize {
        lock(&self.played.requests).len()
    }

    /// When the requests came that hold this text.
    pub fn times(&self, text: &str) -> Vec<Instant> {
        lock(&self.played.requests).iter().filter(|(_, it)| it.contains(text)).map(|(at, _)| *at).collect()
    }
}

async fn serve(listener: TcpListener, target: Uri, played: Arc<Played>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (target, played) = (target.clone(), played.clone());
        let service = service_fn(move |request| {
            let (target, played) = (target.clone(), played.clone());
            async move { played.answer(target, request).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Played {
    async fn answer(&self, target: Uri, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = format!("{} {}\n{:?}\n{}", parts.method, parts.uri, parts.headers, String::from_utf8_lossy(&body));
        lock(&self.requests).push((Instant::now(), text.clone()));
        match self.chosen(&text) {
            Some(answer) if !answer.lost => played(&answer).await,
            Some(answer) => {
                self.forward(target, parts, body).await?;
                if answer.status.is_none() {
                    anyhow::bail!("the answer is lost");
                }
                played(&answer).await
            }
            None => self.forward(target, parts, body).await,
        }
    }

    async fn forward(&self, target: Uri, mut parts: request::Parts, body: Bytes) -> Result<Response<Full<Bytes>>> {
        let mut target = target.into_parts();
        target.path_and_query = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from_parts(target)?;
        // The host is signed, so it has to stay as the provider sent it.
        let host = parts.headers.get(HOST).cloned();
        let mut request = Request::from_parts(parts, Full::new(body));
        if let Some(host) = host {
            request.headers_mut().insert(HOST, host);
        }
        let (parts, body) = self.client.request(request).await?.into_parts();
        Ok(Response::from_parts(parts, Full::new(body.collect().await?.to_bytes())))
    }

    fn chosen(&self, request: &str) -> Option<Answer> {
        for playing in lock(&self.answers).iter_mut().filter(|it| request.contains(&it.answer.request)) {
            playing.matched += 1;
            let turn = playing.matched.saturating_sub(playing.answer.after);
            if turn > 0 && playing.answer.times.is_none_or(|times| turn <= times) {
                return Some(playing.answer.clone());
            }
        }
        None
    }
}

async fn played(answer: &Answer) -> Result<Response<Full<Bytes>>> {
    let Some(status) = answer.status else {
        tokio::time::sleep(Duration::from_mins(10)).await;
        anyhow::bail!("no answer");
    };
    let body = answer.body.as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
    let body = if answer.body == Json::Null { String::new() } else { body };
    let headers = answer.headers.iter();
    let response = headers.fold(Response::builder().status(status), |it, (name, value)| it.header(name, value));
    Ok(response.body(Full::new(body.into()))?)
}
