//! One request of a prober to one answer.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tower_service::Service as _;

use super::grpc::{self, Verdicts};
use super::metrics::{self, Client, PROMETHEUS, Requests, Snapshot};
use super::options::{Liveness, Options};
use super::routes::{Asked, Facts, HTML, JSON, Reply, Route, accepts};
use super::status_page::{self, CONTENT_SECURITY_POLICY, Status};
use super::{prestop, process};
use crate::monitor::Monitor;
use crate::registry::{self, Handle};
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
    draining: watch::Sender<bool>,
    grpc: grpc::pb::health_server::HealthServer<Verdicts>,
    requests: Mutex<Requests>,
    registration: Option<Registration>,
}

/// The pod's registration, as far as those who probe have to do with it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The registration itself.
    pub handle: Handle,
    /// `--require_registered`.
    pub is_required: bool,
    /// The longest that a preStop hook is held up.
    pub prestop: Duration,
    /// How much of that is for clients to notice.
    pub drain: Duration,
}

/// The body of an answer: ours, or one that tonic makes.
pub type Body = Either<Full<Bytes>, tonic::body::Body>;

// === impl Prober ===

impl Prober {
    /// Ready, as far as the targets are.
    pub fn new(
        targets: Targets,
        monitors: Arc<[Monitor]>,
        options: &Options,
        registration: Option<Registration>,
    ) -> Self {
        let &Options {
            liveness,
            expose_errors,
            ..
        } = options;
        let draining = watch::Sender::new(false);
        let grpc = grpc::service(targets.clone(), monitors, draining.subscribe());
        Self {
            targets,
            liveness,
            expose_errors,
            draining,
            grpc,
            requests: Mutex::default(),
            registration,
        }
    }

    /// Not ready from now on.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// The longest that an answer takes: one check.
    pub fn longest(&self) -> Duration {
        self.targets.check_timeout()
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.version() == Version::HTTP_2 && request.uri().path().starts_with(grpc::PREFIX) {
            let Ok(response) = self.grpc.clone().call(request).await;
            return response.map(Either::Right);
        }
        let (head, body) = request.into_parts();
        let reply = if body.is_end_stream() {
            self.reply(&head).await
        } else {
            tokio::join!(self.reply(&head), discard(body)).0
        };
        self.count(&head, &reply);
        let response = into_response(reply);
        let response = if head.method == Method::HEAD {
            without_body(response)
        } else {
            response
        };
        response.map(Either::Left)
    }

    async fn reply(&self, head: &Parts) -> Reply {
        let route = Route::of(head.uri.path());
        let accept = head.headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
        let asked = Asked::read(head.uri.query(), accept);
        match route {
            Route::Metrics => self.metrics(),
            Route::Statusz => self.status(accepts(accept, JSON)),
            // Boxed, because it is large, and every request would carry its place.
            Route::PreStop => Box::pin(prestop::answer(self.registration.as_ref())).await,
            route => self.probe(route, asked).await,
        }
    }

    async fn probe(&self, route: Route<'_>, asked: Asked) -> Reply {
        let targets = self.asked_of(route);
        let checks = targets::check(targets).await;
        let checks = targets
            .iter()
            .zip(&checks)
            .map(|(target, check)| (target.name(), &**check));
        // A probe that was waiting when the drain began is not ready either.
        let checks: Vec<_> = checks.filter(|_| self.needs_check(route)).collect();
        let facts = Facts {
            name: self.targets.name(),
            checks: &checks,
            now: Instant::now(),
            liveness: self.liveness,
            expose_errors: self.expose_errors,
            unregistered: self
                .registration
                .as_ref()
                .is_some_and(Registration::is_awaited),
        };
        Reply::new(route, asked, &facts)
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
        route.needs_check(*self.draining.borrow())
    }

    fn metrics(&self) -> Reply {
        let target = |target: &Arc<Target>| metrics::Target {
            name: target.name().to_owned(),
            protocol: target.protocol(),
            certificate_expiry: target.certificate_expiry(),
            record: target.record(),
        };
        let snapshot = Snapshot {
            targets: self.targets.all().iter().map(target).collect(),
            requests: self
                .requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            process: process::read(),
            registration: self.registered(),
        };
        Reply::page(PROMETHEUS, metrics::text(snapshot))
    }

    fn status(&self, as_json: bool) -> Reply {
        let target = |target: &Arc<Target>| status_page::TargetStatus {
            name: target.name().to_owned(),
            address: target.address().to_string(),
            protocol: target.protocol(),
            certificate_expiry: target.certificate_expiry(),
            record: target.record(),
            rows: target.rows(),
        };
        let status = Status {
            targets: self.targets.all().iter().map(target).collect(),
            draining: *self.draining.borrow(),
            expose_errors: self.expose_errors,
            registration: self.registered(),
            now: SystemTime::now(),
        };
        if as_json {
            Reply::page(JSON, status.json())
        } else {
            Reply::page(HTML, status.html())
        }
    }

    fn registered(&self) -> Option<registry::status::Status> {
        let registration = self.registration.as_ref()?;
        Some(registration.handle.status())
    }

    fn count(&self, head: &Parts, reply: &Reply) {
        let agent = head.headers.get(header::USER_AGENT);
        let client = Client::of(agent.map(HeaderValue::as_bytes));
        let path = if reply.status == 404 {
            "other"
        } else {
            Route::of(head.uri.path()).label()
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests
            .entry((path, reply.status.as_u16(), client))
            .or_default() += 1;
    }
}

// === impl Registration ===

impl Registration {
    /// Whether `/readyz` waits for it.
    fn is_awaited(&self) -> bool {
        self.is_required && !self.handle.status().is_registered
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
    if reply.content_type == HTML {
        let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
