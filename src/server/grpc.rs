//! `grpc.health.v1.Health` on the port of HTTP. With it, native gRPC probes, Envoy and
//! grpc-health-probe can check a go-micro service.
//!
//! The service "" is all targets together, and a target's name is that target. While draining,
//! every status is `NOT_SERVING`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use http::header::{self, HeaderName};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use tokio::sync::watch;
use tokio::time;
use tonic::{Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use self::messages::Messages;
use self::pb::health_server::{Health, HealthServer};
use self::pb::{HealthListRequest, HealthListResponse};
use self::reply::{response, serving};
use self::statuses::Statuses;
use crate::check::Target;
use crate::check::monitor::Monitor;
use crate::check::targets::{self, Targets};

pub(crate) mod codec;
mod messages;
mod reply;
mod statuses;

/// The generated server, which includes List.
pub mod pb {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated"
    )]
    tonic::include_proto!("grpc.health.v1");
}

/// The path prefix of the service's methods.
pub(crate) const PREFIX: &str = "/grpc.health.v1.Health/";

/// The methods' paths.
const METHODS: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
];

/// The headers that tonic reads. Source: tonic 0.14, `server/grpc.rs` and `codec/`.
const HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-timeout"),
];

/// The longest request, in bytes. It is the name of a service, which Kubernetes and go-micro keep
/// far below it.
const MESSAGE: usize = 4 << 10;

/// The time limit for a request's message after its head. Every client sends both together.
const MESSAGE_TIME: Duration = Duration::from_secs(1);

/// Reads a whole call, so that tonic never waits for it. Keeps only the part of the head that tonic
/// reads, because a head may have 8 KiB.
///
/// # Errors
///
/// [`Status`] for a method that does not exist, and for a message that is longer than 4 KiB or does
/// not arrive within a second.
pub(crate) async fn call(request: Request<Incoming>) -> Result<Request<Full<Bytes>>, Status> {
    let mut whole = Request::new(Full::default());
    *whole.method_mut() = request.method().clone();
    *whole.version_mut() = request.version();
    *whole.uri_mut() = Uri::from_static(method(request.uri().path())?);
    for name in HEADERS {
        if let Some(value) = request.headers().get(&name) {
            // A copied value does not keep the buffer of the whole head.
            let value = HeaderValue::from_bytes(value.as_bytes());
            whole
                .headers_mut()
                .extend(value.ok().map(|value| (name, value)));
        }
    }
    let message = Limited::new(request.into_body(), MESSAGE).collect();
    *whole.body_mut() = match time::timeout(MESSAGE_TIME, message).await {
        Ok(Ok(message)) => Full::new(message.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the request is longer than {MESSAGE} bytes");
            return Err(Status::resource_exhausted(message));
        }
        Ok(Err(error)) => return Err(Status::cancelled(error.to_string())),
        Err(_) => {
            let message = format!("the request did not arrive within {MESSAGE_TIME:?}");
            return Err(Status::deadline_exceeded(message));
        }
    };
    Ok(whole)
}

/// Returns the static path of a method.
fn method(path: &str) -> Result<&'static str, Status> {
    let known = METHODS.into_iter().find(|known| *known == path);
    known.ok_or_else(|| Status::unimplemented("grpc.health.v1.Health has Check, List and Watch"))
}

/// Answers gRPC from the same verdicts as HTTP.
#[derive(Debug)]
pub(crate) struct Verdicts {
    targets: Targets,
    statuses: Statuses,
    draining: watch::Receiver<bool>,
}

/// Returns the service for paths that begin with [`PREFIX`].
pub(crate) fn service(
    targets: Targets,
    monitors: Arc<[Monitor]>,
    draining: watch::Receiver<bool>,
) -> HealthServer<Verdicts> {
    HealthServer::new(Verdicts {
        targets,
        statuses: Statuses::new(monitors, draining.clone()),
        draining,
    })
    .max_decoding_message_size(MESSAGE)
}

// === impl Verdicts ===

impl Verdicts {
    /// Checks some targets together. Returns `NOT_SERVING` while draining.
    async fn status(&self, targets: &[Arc<Target>]) -> HealthCheckResponse {
        if *self.draining.borrow() {
            return response(ServingStatus::NotServing);
        }
        let checks = targets::check(targets).await;
        let drains = *self.draining.borrow();
        serving(!drains && checks.iter().all(|check| check.verdict.is_ok()))
    }

    fn named(&self, service: &str) -> Option<&[Arc<Target>]> {
        if service.is_empty() {
            Some(self.targets.all())
        } else {
            self.targets.named(service)
        }
    }
}

#[async_trait]
impl Health for Verdicts {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        // The request's head is not kept while the check runs.
        let service = request.into_inner().service;
        let targets = self
            .named(&service)
            .ok_or_else(|| Status::not_found("unknown service"))?;
        Ok(Response::new(self.status(targets).await))
    }

    async fn list(
        &self,
        _: tonic::Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let each = self.targets.all().iter().map(|target| async {
            let status = self.status(std::slice::from_ref(target)).await;
            (target.name().to_owned(), status)
        });
        let mut statuses: std::collections::HashMap<_, _> =
            future::join_all(each).await.into_iter().collect();
        let all = statuses
            .values()
            .all(|status| status.status == ServingStatus::Serving as i32);
        statuses.insert(String::new(), serving(all));
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = Messages;

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let messages = match self.statuses.follow(&service) {
            Some(status) => Messages::of(status),
            None => Messages::unknown(self.draining.clone()),
        };
        Ok(Response::new(messages))
    }
}
