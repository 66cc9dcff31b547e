//! The service below [`kube::Client`]: it adds the server's address, the token and the timeouts.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use kube::client::Body;
use tokio::time::{self, Sleep};

use crate::cluster::connection_pool::{ConnectionPool, Slot};
use crate::cluster::connector::Connector;
use crate::cluster::credentials::Credentials;

/// The timeout for the head of an answer, including the connection.
const HEAD: Duration = Duration::from_secs(10);

/// The timeout for the body of an answer.
const REST: Duration = Duration::from_secs(20);

/// The timeout for the body of a watch. The API server ends a watch earlier, because the
/// client asks for a shorter time.
const WATCH: Duration = Duration::from_mins(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends requests to one API server.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    server: Uri,
    credentials: Option<Credentials>,
    pool: ConnectionPool,
}

/// A response body with a timeout. Its connection is retired if the caller has waited in vain for the
/// rest of it.
#[derive(Debug)]
pub(crate) struct Bounded {
    body: Incoming,
    slot: Slot,
    end: Pin<Box<Sleep>>,
}

/// Tells whether a request begins a watch.
fn is_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

// === impl Service ===

impl Service {
    /// Creates the service, which connects at the first request.
    pub(crate) fn new(server: Uri, credentials: Option<Credentials>) -> Self {
        let pool = ConnectionPool::new(Connector::new(credentials.clone()));
        Self {
            server,
            credentials,
            pool,
        }
    }

    async fn send(self, mut request: Request<Body>) -> Result<Response<Bounded>, BoxError> {
        let is_watch = is_watch(request.uri());
        *request.uri_mut() = self.absolute(request.uri().path_and_query())?;
        let headers = request.headers_mut();
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(crate::USER_AGENT),
        );
        if let Some(credentials) = &self.credentials {
            headers.insert(header::AUTHORIZATION, credentials.authorization()?);
        }
        let late = |_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {HEAD:?}"),
            )
        };
        let (response, mut slot) = time::timeout(HEAD, self.pool.send(request))
            .await
            .map_err(late)??;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(credentials) = &self.credentials
        {
            credentials.forget();
        }
        if is_watch || response.body().is_end_stream() {
            slot.owes_nothing();
        }
        let end = if is_watch { WATCH } else { REST };
        Ok(response.map(|body| Bounded {
            body,
            slot,
            end: Box::pin(time::sleep(end)),
        }))
    }

    fn absolute(&self, path: Option<&PathAndQuery>) -> Result<Uri, http::Error> {
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = Some(
            path.cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        );
        Ok(Uri::from_parts(parts)?)
    }
}

impl tower_service::Service<Request<Body>> for Service {
    type Response = Response<Bounded>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bounded>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().send(request).boxed()
    }
}

// === impl Bounded ===

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if matches!(frame, Some(Err(_))) {
                self.slot.lost();
            }
            if frame.is_none() || self.body.is_end_stream() {
                self.slot.owes_nothing();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.end.poll_unpin(cx).map(|()| {
            self.slot.retire();
            Some(Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
