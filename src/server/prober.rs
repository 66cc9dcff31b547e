//! One request of a prober to one answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::time;

use super::routes::{Asked, Facts, Reply, Route};
use crate::target::{Check, Target};

/// What is read of a request body, so that closing does not reset the answer away.
const BODY: usize = 64 << 10;

/// Time for that.
const BODY_TIME: Duration = Duration::from_millis(200);

/// What every connection answers from.
#[derive(Debug)]
pub struct Prober {
    target: Arc<Target>,
    expose_errors: bool,
    draining: AtomicBool,
}

// === impl Prober ===

impl Prober {
    /// Ready, as far as the target is.
    pub fn new(target: Arc<Target>, expose_errors: bool) -> Self {
        let draining = AtomicBool::new(false);
        Self {
            target,
            expose_errors,
            draining,
        }
    }

    /// Not ready from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The longest that an answer takes: one check.
    pub fn longest(&self) -> Duration {
        self.target.check_timeout()
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let route = Route::of(request.uri().path());
        let accept = request.headers().get(header::ACCEPT);
        let asked = Asked::read(request.uri().query(), accept.map(HeaderValue::as_bytes));
        let is_head = request.method() == Method::HEAD;
        let check = self.check(route);
        let body = request.into_body();
        let check = if body.is_end_stream() {
            check.await
        } else {
            tokio::join!(check, discard(body)).0
        };
        // A probe that was waiting when the drain began is not ready either.
        let check = check.filter(|_| self.needs_check(route));
        let facts = Facts {
            name: self.target.name(),
            check: check.as_deref(),
            expose_errors: self.expose_errors,
        };
        let response = into_response(Reply::new(route, asked, &facts));
        if is_head {
            without_body(response)
        } else {
            response
        }
    }

    async fn check(&self, route: Route) -> Option<Arc<Check>> {
        if self.needs_check(route) {
            Some(self.target.check().await)
        } else {
            None
        }
    }

    fn needs_check(&self, route: Route) -> bool {
        route.needs_check(self.draining.load(Ordering::Relaxed))
    }
}

async fn discard(body: Incoming) {
    let _ = time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await;
}

/// The answer to HEAD: over HTTP/2 hyper would send the body too.
fn without_body(response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        let length = HeaderValue::from(length);
        head.headers.insert(header::CONTENT_LENGTH, length);
    }
    Response::from_parts(head, Full::default())
}

fn into_response(reply: Reply) -> Response<Full<Bytes>> {
    let body = match reply.body {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(reply.content_type),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
