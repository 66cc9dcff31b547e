//! Answers one request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::{Semaphore, watch};
use tokio::time::{self, Instant};
use tower_service::Service as _;

use crate::check::Target;
use crate::check::monitor::Monitor;
use crate::check::targets::{self, Targets};
use crate::net::connections::OpenRequest;
use crate::registration::status;
use crate::server::grpc::{self, Verdicts};
use crate::server::metrics::{self, Client, PROMETHEUS, Requests, Snapshot};
use crate::server::options::{Liveness, Options};
use crate::server::pages::Pages;
use crate::server::registration::Registration;
use crate::server::routes::{HTML, JSON, Reply, ReplyContext, ReplyFormat, Route, accepts};
use crate::server::status_page::CONTENT_SECURITY_POLICY;
use crate::server::status_page::status::{Status, TargetStatus};
use crate::server::{prestop, process};

/// The bytes of a request body that are read, so that closing does not reset the answer.
const BODY: usize = 64 << 10;

/// The time limit for reading the body.
const BODY_TIME: Duration = Duration::from_millis(200);

/// The most requests to `/prestop` that wait at a time. A pod has a hook in each of its containers.
const PRESTOPS: usize = 8;

/// The state that the answers of all connections share.
#[derive(Debug)]
pub(crate) struct Handler {
    targets: Targets,
    liveness: Liveness,
    expose_errors: bool,
    draining: watch::Sender<bool>,
    grpc: grpc::pb::health_server::HealthServer<Verdicts>,
    requests: Mutex<Requests>,
    pages: Pages,
    registration: Option<Registration>,
    prestops: Semaphore,
}

/// The parts of a request that the answer needs. The rest of its head, which may take 8 KiB, is not
/// kept while a check runs.
struct ProbeRequest<'a> {
    route: Route<'a>,
    format: ReplyFormat,
    /// The flag is true if the page is requested as JSON.
    page_as_json: bool,
    client: Client,
    is_head: bool,
}

/// The body of an answer: a text of ours, or a stream that tonic makes.
pub(crate) type Body = Either<Full<Bytes>, GrpcBody>;

/// A body that tonic makes. The body of a Watch ends when its client goes, and its request is open
/// until then.
#[derive(Debug)]
pub(crate) struct GrpcBody {
    body: tonic::body::Body,
    _request: OpenRequest,
}

// === impl Handler ===

impl Handler {
    /// Makes a handler that does not drain yet.
    pub(crate) fn new(
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
            pages: Pages::default(),
            registration,
            prestops: Semaphore::new(PRESTOPS),
        }
    }

    /// Reports not ready from now on.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Returns the longest time that an answer takes, which is one check.
    pub(crate) fn longest(&self) -> Duration {
        self.targets.check_timeout()
    }

    /// Returns the number of targets.
    pub(crate) fn targets(&self) -> usize {
        self.targets.all().len()
    }

    /// Answers one request. `open` keeps the request open until the answer is sent.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        open: OpenRequest,
    ) -> Response<Body> {
        if is_grpc(&request) {
            // Boxed because it is large: HTTP/2 keeps the place for it until the answer is sent.
            return Box::pin(self.call(request, open)).await.map(Either::Right);
        }
        let (request, body) = ProbeRequest::read(request, &self.targets);
        let reply = async {
            let _answering = open.begin_answer();
            self.reply(&request).await
        };
        let reply = if body.is_end_stream() {
            reply.await
        } else {
            // Boxed because most requests are probes, which have no body and need no place for it.
            Box::pin(async { tokio::join!(reply, discard(body)).0 }).await
        };
        self.count(&request, &reply);
        let response = into_response(reply);
        let response = if request.is_head {
            without_body(response)
        } else {
            response
        };
        response.map(Either::Left)
    }

    /// Calls grpc.health.v1 once the request's message has arrived whole.
    async fn call(&self, request: Request<Incoming>, open: OpenRequest) -> Response<GrpcBody> {
        let response = match grpc::call(request).await {
            Ok(request) => {
                let _answering = open.begin_answer();
                let Ok(response) = self.grpc.clone().call(request).await;
                response
            }
            Err(status) => status.into_http(),
        };
        response.map(|body| GrpcBody {
            body,
            _request: open,
        })
    }

    async fn reply(&self, request: &ProbeRequest<'_>) -> Reply {
        let &ProbeRequest { route, format, .. } = request;
        match route {
            Route::Metrics => self.metrics(),
            Route::Statusz => self.status(request.page_as_json),
            // Boxed because it is large, and every request would carry its place.
            Route::PreStop => Box::pin(self.prestop()).await,
            route => self.probe(route, format).await,
        }
    }

    async fn prestop(&self) -> Reply {
        match self.prestops.try_acquire() {
            Ok(_waiting) => prestop::answer(self.registration.as_ref()).await,
            Err(_) => Reply::busy(),
        }
    }

    async fn probe(&self, route: Route<'_>, format: ReplyFormat) -> Reply {
        let targets = self.targets_of(route);
        let checks = targets::check(targets).await;
        let checks = targets
            .iter()
            .zip(&checks)
            .map(|(target, check)| (target.name(), &**check));
        // A probe that was waiting when the drain began is not ready either.
        let checks: Vec<_> = checks.filter(|_| self.needs_check(route)).collect();
        let context = ReplyContext {
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
        Reply::new(route, format, &context)
    }

    /// Returns the targets to check for a route.
    fn targets_of(&self, route: Route<'_>) -> &[Arc<Target>] {
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
        let render = || metrics::text(self.snapshot());
        Reply::page(PROMETHEUS, self.pages.metrics.get(Instant::now(), render))
    }

    fn snapshot(&self) -> Snapshot {
        let target = |target: &Arc<Target>| metrics::Target {
            name: target.name().to_owned(),
            protocol: target.protocol(),
            certificate_expiry: target.certificate_expiry(),
            record: target.record(),
        };
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            targets: self.targets.all().iter().map(target).collect(),
            requests: requests.clone(),
            process: process::read(),
            registration: self.registration_status(),
        }
    }

    fn status(&self, as_json: bool) -> Reply {
        let now = Instant::now();
        if as_json {
            Reply::page(JSON, self.pages.json.get(now, || self.page_status().json()))
        } else {
            Reply::page(HTML, self.pages.html.get(now, || self.page_status().html()))
        }
    }

    /// Returns the content of the page.
    fn page_status(&self) -> Status {
        let target = |target: &Arc<Target>| TargetStatus {
            name: target.name().to_owned(),
            address: target.address().to_string(),
            protocol: target.protocol(),
            certificate_expiry: target.certificate_expiry(),
            record: target.record(),
            rows: target.rows(),
        };
        Status {
            targets: self.targets.all().iter().map(target).collect(),
            draining: *self.draining.borrow(),
            expose_errors: self.expose_errors,
            registration: self.registration_status(),
            now: SystemTime::now(),
        }
    }

    fn registration_status(&self) -> Option<status::Status> {
        let registration = self.registration.as_ref()?;
        let status = registration.handle.status();
        Some(if self.expose_errors {
            status
        } else {
            status.public()
        })
    }

    fn count(&self, request: &ProbeRequest<'_>, reply: &Reply) {
        let path = request.route.label();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests
            .entry((path, reply.status.as_u16(), request.client))
            .or_default() += 1;
    }
}

// === impl ProbeRequest ===

impl<'a> ProbeRequest<'a> {
    /// Reads the head of a request, and returns the body unread.
    fn read(request: Request<Incoming>, targets: &'a Targets) -> (Self, Incoming) {
        let (head, body) = request.into_parts();
        let header = |name| head.headers.get(name).map(HeaderValue::as_bytes);
        let accept = header(header::ACCEPT);
        let request = Self {
            route: Route::of(head.uri.path(), |name| {
                let target = targets.named(name)?.first()?;
                Some(target.name())
            }),
            format: ReplyFormat::read(head.uri.query(), accept),
            page_as_json: accepts(accept, JSON),
            client: Client::of(header(header::USER_AGENT)),
            is_head: head.method == Method::HEAD,
        };
        (request, body)
    }
}

// === impl Registration ===

impl Registration {
    /// Returns whether `/readyz` waits for the registration.
    fn is_awaited(&self) -> bool {
        self.is_required && !self.handle.status().is_registered
    }
}

/// Returns whether a request is a call of grpc.health.v1.
fn is_grpc<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_2 && request.uri().path().starts_with(grpc::PREFIX)
}

/// Returns the answer to a request that exceeds the memory share of its connection.
pub(crate) fn refuse<B>(request: &Request<B>) -> Response<Body> {
    let response = if is_grpc(request) {
        let status = tonic::Status::resource_exhausted("too many requests");
        status.into_http::<Full<Bytes>>()
    } else {
        into_response(Reply::busy())
    };
    response.map(Either::Left)
}

/// Reads a body and discards it.
async fn discard(mut body: Incoming) {
    let read = async {
        let mut left = BODY;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
    };
    let _ = time::timeout(BODY_TIME, read).await;
}

/// Removes the body for the answer to HEAD. Over HTTP/2 hyper would send it.
fn without_body(response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        let length = HeaderValue::from(length);
        head.headers.insert(header::CONTENT_LENGTH, length);
    }
    Response::from_parts(head, Full::default())
}

fn into_response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
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

// === impl GrpcBody ===

impl hyper::body::Body for GrpcBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
