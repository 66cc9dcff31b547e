//! `grpc.health.v1.Health` on the same port: native gRPC probes, Envoy and
//! grpc-health-probe can so check a go-micro service.
//!
//! "" is all targets, a target's name that target. Draining is `NOT_SERVING`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt as _, Stream, StreamExt as _, future, stream};
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use self::pb::health_server::{Health, HealthServer};
use self::pb::{HealthListRequest, HealthListResponse};
use crate::monitor::{Monitor, Seen};
use crate::target::Target;
use crate::targets::{self, Targets};

/// The generated server, with List.
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
pub const PREFIX: &str = "/grpc.health.v1.Health/";

/// Answers from the verdicts that HTTP is answered from.
#[derive(Debug)]
pub struct Verdicts {
    targets: Targets,
    monitors: Arc<[Monitor]>,
    draining: watch::Receiver<bool>,
}

/// The service, to be called for paths with [`PREFIX`].
pub fn service(
    targets: Targets,
    monitors: Arc<[Monitor]>,
    draining: watch::Receiver<bool>,
) -> HealthServer<Verdicts> {
    HealthServer::new(Verdicts {
        targets,
        monitors,
        draining,
    })
}

// === impl Verdicts ===

impl Verdicts {
    /// The status of some targets together: a check, or the drain.
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

    /// The verdicts of the monitors of a service; "" is all of them.
    fn subscribe(&self, service: &str) -> Vec<watch::Receiver<Seen>> {
        let wanted = self
            .monitors
            .iter()
            .filter(|monitor| service.is_empty() || monitor.target().name() == service);
        wanted.map(Monitor::subscribe).collect()
    }
}

#[async_trait]
impl Health for Verdicts {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        let targets = self
            .named(service)
            .ok_or_else(|| Status::not_found("unknown service"))?;
        Ok(Response::new(self.status(targets).await))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
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

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = &request.get_ref().service;
        // Before anything is read, so that no change is missed.
        let verdicts = self.subscribe(service);
        let timeouts = self.named(service).unwrap_or_default().iter();
        let timeout = timeouts.map(|target| target.check_timeout()).max();
        let changes = Changes {
            verdicts,
            draining: self.draining.clone(),
            first_check: Instant::now() + timeout.unwrap_or_default(),
            last: None,
            ended: false,
        };
        let changes = stream::unfold(changes, |changes| {
            changes
                .next()
                .map(|next| next.map(|(status, rest)| (Ok(status), rest)))
        });
        Ok(Response::new(changes.boxed()))
    }
}

/// The messages that a `Watch` has yet to send, all of them the monitors' verdicts: a check
/// of its own could contradict them. Ends after the drain, so that the server can.
struct Changes {
    /// One for each target; none for an unknown service.
    verdicts: Vec<watch::Receiver<Seen>>,
    draining: watch::Receiver<bool>,
    /// The latest end of the monitors' first checks.
    first_check: Instant,
    last: Option<HealthCheckResponse>,
    ended: bool,
}

impl Changes {
    async fn next(mut self) -> Option<(HealthCheckResponse, Self)> {
        while !self.ended {
            self.ended = *self.draining.borrow();
            let status = self.status();
            if status.is_some() && status != self.last {
                self.last = status;
                return status.map(|status| (status, self));
            }
            if !self.ended {
                self.changed().await;
            }
        }
        None
    }

    /// The status to tell now; `None` while a first check is in flight.
    fn status(&mut self) -> Option<HealthCheckResponse> {
        if self.verdicts.is_empty() {
            // It stays unknown, and the stream open: the service may come with a new sidecar.
            return (!self.ended).then(|| response(ServingStatus::ServiceUnknown));
        }
        let seen = self
            .verdicts
            .iter_mut()
            .map(|seen| *seen.borrow_and_update());
        let seen: Vec<_> = seen.collect();
        let is_first = self.last.is_none() && Instant::now() < self.first_check;
        if is_first && !self.ended && !seen.iter().all(|seen| seen.checked) {
            return None;
        }
        // No verdict yet is no healthy one: `--rise` is not reached.
        let healthy = seen.iter().all(|seen| seen.verdict == Some(true));
        Some(serving(healthy && !self.ended))
    }

    /// Resolves when the status may have changed.
    async fn changed(&mut self) {
        let Self {
            verdicts,
            draining,
            first_check,
            last,
            ..
        } = self;
        let waits_for_check = last.is_none();
        let changed = async {
            if verdicts.is_empty() {
                return future::pending().await;
            }
            let each = verdicts.iter_mut().map(|verdict| verdict.changed().boxed());
            if future::select_all(each).await.0.is_err() {
                // The monitors have ended, as all else is about to.
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => {}
            () = changed => {}
            () = time::sleep_until(*first_check), if waits_for_check => {}
        }
    }
}

fn serving(healthy: bool) -> HealthCheckResponse {
    response(if healthy {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    })
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
