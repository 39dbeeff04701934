//! Stands before every call: a panic in one is an error of that one, not the end of the process.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
};

use futures::FutureExt as _;
use tokio::sync::Mutex;
use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::NamedService,
};

use crate::fault::{self, fault};

/// A service whose calls may panic.
#[derive(Clone)]
pub(crate) struct Guarded<S>(pub(crate) S);

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        static TURN: Mutex<()> = Mutex::const_new(());
        let mut service = self.0.clone();
        Box::pin(async move {
            let _turn = if fault(16) { Some(TURN.lock().await) } else { None };
            let request = if fault(145) { fault::only_known_fields(request).await } else { Ok(request) };
            let answer = match request {
                Ok(request) => AssertUnwindSafe(service.call(request)).catch_unwind().await,
                Err(status) => return Ok(status.into_http()),
            };
            match answer {
                Ok(Ok(mut response)) => {
                    if fault(32) {
                        fault::not_unimplemented(&mut response);
                    }
                    Ok(response)
                }
                // What it panicked about is on stderr, and may be none of the user's business.
                Err(_) => Ok(Status::internal("the provider panicked, which is a mistake in it; stderr has more").into_http()),
            }
        })
    }
}
