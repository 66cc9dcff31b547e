//! One request of a prober to one answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::time;

use super::options::{Liveness, Options};
use super::routes::{Asked, Facts, Reply, Route};
use crate::target::Target;
use crate::targets::{self, Targets};

/// What is read of a request body, so that closing does not reset the answer away.
const BODY: usize = 64 << 10;

/// Time for that.
const BODY_TIME: Duration = Duration::from_millis(200);

/// What every connection answers from.
#[derive(Debug)]
pub struct Prober {
    targets: Targets,
    liveness: Liveness,
    expose_errors: bool,
    draining: AtomicBool,
}

// === impl Prober ===

impl Prober {
    /// Ready, as far as the targets are.
    pub fn new(targets: Targets, options: &Options) -> Self {
        let &Options {
            liveness,
            expose_errors,
            ..
        } = options;
        let draining = AtomicBool::new(false);
        Self {
            targets,
            liveness,
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
        self.targets.check_timeout()
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let accept = head.headers.get(header::ACCEPT);
        let asked = Asked::read(head.uri.query(), accept.map(HeaderValue::as_bytes));
        let targets = self.asked_of(route);
        let checks = if body.is_end_stream() {
            targets::check(targets).await
        } else {
            tokio::join!(targets::check(targets), discard(body)).0
        };
        let checks = targets
            .iter()
            .zip(&checks)
            .map(|(target, check)| (target.name(), &**check));
        // A probe that was waiting when the drain began is not ready either.
        let checks: Vec<_> = checks.filter(|_| self.needs_check(route)).collect();
        let facts = Facts {
            name: self.targets.name(),
            checks: &checks,
            liveness: self.liveness,
            expose_errors: self.expose_errors,
        };
        into_response(Reply::new(route, asked, &facts))
    }

    /// The targets to check for a route.
    fn asked_of(&self, route: Route<'_>) -> &[Arc<Target>] {
        match route {
            Route::HealthOf(name) => self.targets.named(name).unwrap_or_default(),
            route if self.needs_check(route) => self.targets.all(),
            _ => &[],
        }
    }

    fn needs_check(&self, route: Route<'_>) -> bool {
        route.needs_check(self.draining.load(Ordering::Relaxed))
    }
}

async fn discard(body: Incoming) {
    let _ = time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await;
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
