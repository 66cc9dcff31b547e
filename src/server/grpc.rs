//! `grpc.health.v1.Health` on the same port: native gRPC probes, Envoy and
//! grpc-health-probe can so check a go-micro service.
//!
//! "" is all targets, a target's name that target. Draining is `NOT_SERVING`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt as _, Stream, StreamExt as _, future, stream};
use tokio::sync::watch;
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
        let first = match self.named(service) {
            Some(targets) => self.status(targets).await,
            None => response(ServingStatus::ServiceUnknown),
        };
        let changes = Changes {
            verdicts: self.subscribe(service),
            draining: self.draining.clone(),
            last: first,
            ended: false,
        };
        let changes = stream::unfold(changes, |changes| {
            changes
                .next()
                .map(|next| next.map(|(status, rest)| (Ok(status), rest)))
        });
        Ok(Response::new(
            stream::once(future::ready(Ok(first)))
                .chain(changes)
                .boxed(),
        ))
    }
}

/// What a `Watch` still has to tell. Ends after the drain, so that the server can.
struct Changes {
    verdicts: Vec<watch::Receiver<Seen>>,
    draining: watch::Receiver<bool>,
    last: HealthCheckResponse,
    ended: bool,
}

impl Changes {
    async fn next(mut self) -> Option<(HealthCheckResponse, Self)> {
        while !self.ended {
            self.ended = self.changed_or_draining().await;
            let verdicts = self.verdicts.iter().map(|seen| seen.borrow().verdict);
            let verdicts: Option<Vec<_>> = verdicts.collect();
            let status = match verdicts {
                // Unknown it stays, and only ends.
                _ if self.verdicts.is_empty() => continue,
                _ if self.ended => serving(false),
                Some(verdicts) => serving(!verdicts.contains(&false)),
                None => continue,
            };
            if status != self.last {
                self.last = status;
                return Some((status, self));
            }
        }
        None
    }

    /// Whether it was the drain that was waited for.
    async fn changed_or_draining(&mut self) -> bool {
        let Self {
            verdicts, draining, ..
        } = self;
        let changed = async {
            if verdicts.is_empty() {
                return future::pending().await;
            }
            future::select_all(verdicts.iter_mut().map(|verdict| verdict.changed().boxed()))
                .await
                .0
        };
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => true,
            changed = changed => changed.is_err(),
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
