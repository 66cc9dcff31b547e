//! A service at one address, checked on the wire that it speaks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::Uri;
use http::uri::Scheme;
use tokio::time::{self, Instant};

use super::debug_mucp::answer::Answer as MucpAnswer;
use super::detect::{Attempts, Memory, Outcome, Wire};
use super::grpc::answer::Answer;
use super::grpc::call::{Call, CallError};
use super::head::Head;
use super::options::{Options, Protocol, WithoutDebug};
use super::unhealthy::Unhealthy;
use super::verdict::{Check, Verdict};
use super::{debug_grpc, debug_mucp, grpc, grpc_health};
use crate::net::dial::Dialer;
use crate::net::endpoint::Endpoint;
use crate::net::stage::Stage;
use crate::net::tls::{InvalidTls, Tls};

/// A service at one address. The caller makes one check at a time.
#[derive(Debug)]
pub(crate) struct Backend {
    options: Arc<Options>,
    head: Head,
    dialer: Dialer,
    grpc: grpc::Client,
    debug_uri: Uri,
    health_uri: Uri,
    memory: Mutex<Memory>,
}

// === impl Backend ===

impl Backend {
    /// Reads the files of TLS and does not connect. `hint` orders the attempts of
    /// `--protocol=auto`.
    ///
    /// # Errors
    ///
    /// Returns an error if TLS cannot be used as the options ask.
    pub(crate) fn new(
        options: Arc<Options>,
        endpoint: Endpoint,
        hint: Option<Protocol>,
    ) -> Result<Self, InvalidTls> {
        let tls = Tls::new(&options.tls, &endpoint.certificate_name())?;
        let scheme = tls.as_ref().map_or(Scheme::HTTP, |_| Scheme::HTTPS);
        let head = Head::new(&options);
        let debug = debug_grpc::path(&options.server_name.0);
        Ok(Self {
            dialer: Dialer::new(endpoint, tls.map(Arc::new)),
            grpc: grpc::Client::default(),
            debug_uri: debug_grpc::uri(scheme.clone(), &head.authority, debug),
            health_uri: debug_grpc::uri(scheme, &head.authority, grpc_health::path()),
            head,
            memory: Mutex::new(Memory::new(hint)),
            options,
        })
    }

    /// Returns the protocol that the service was found to speak, or the flag's if that names one.
    pub(crate) fn protocol(&self) -> &'static str {
        match self.options.protocol {
            Protocol::Auto => self.memory().answered().map_or("auto", Wire::name),
            fixed => fixed.name(),
        }
    }

    /// Returns the end of the validity of the service's certificate; `None` without TLS, or
    /// before the first handshake.
    pub(crate) fn certificate_expiry(&self) -> Option<SystemTime> {
        self.dialer.certificate_expiry()
    }

    /// Waits until a connection has been accepted by a server that speaks the protocol.
    pub(crate) async fn connected(&self) {
        let mut stages = self.dialer.stages().subscribe();
        let connected = stages.wait_for(|stage| *stage == Stage::Waiting).await;
        connected.expect("the sender must live as long as the dialer");
    }

    /// Returns the stage that the check in flight has reached.
    pub(crate) fn stage(&self) -> Stage {
        self.dialer.stage()
    }

    /// Checks the service once, within `--check_timeout`.
    pub(crate) async fn check(&self) -> Check {
        let started = Instant::now();
        let timeout = self.options.check_timeout.0;
        let deadline = started + timeout;
        let verdict = time::timeout_at(deadline, self.verdict(deadline)).await;
        let verdict = verdict.unwrap_or_else(|_| {
            // The attempt that took too long was dropped, so it has no outcome.
            self.memory().note_no_answer();
            Err(Unhealthy::Deadline(timeout, self.dialer.stage()))
        });
        let verdict = match verdict {
            Err(Unhealthy::NoDebug(_)) if self.options.without_debug == WithoutDebug::Healthy => {
                Ok(())
            }
            verdict => verdict,
        };
        Check::finish(started, verdict, self.dialer.stage())
    }

    async fn verdict(&self, deadline: Instant) -> Verdict {
        match self.options.protocol {
            Protocol::Mucp => self.try_wire(Wire::Mucp, deadline).await.0,
            Protocol::Grpc => self.try_wire(Wire::Grpc, deadline).await.0,
            Protocol::GrpcHealth => self.try_wire(Wire::GrpcHealth, deadline).await.0,
            Protocol::Auto => self.detect(deadline).await,
        }
    }

    async fn detect(&self, deadline: Instant) -> Verdict {
        let mut attempts = Attempts::default();
        let mut wire = self.memory().first();
        let mut furthest: Option<(Verdict, Outcome)> = None;
        loop {
            let (verdict, outcome) = self.try_wire(wire, deadline).await;
            let reported = match furthest {
                Some(earlier) if !outcome.outweighs(earlier.1) => earlier,
                _ => (verdict, outcome),
            };
            let mut memory = self.memory();
            let next;
            (*memory, next) = memory.learn(&mut attempts, wire, outcome);
            let Some(next) = next else {
                return reported.0;
            };
            wire = next;
            furthest = Some(reported);
        }
    }

    /// Checks the service on one wire.
    async fn try_wire(&self, wire: Wire, deadline: Instant) -> (Verdict, Outcome) {
        match wire {
            Wire::Mucp => {
                let name = &self.options.server_name.0;
                match debug_mucp::call(&self.dialer, &self.head, name, deadline).await {
                    MucpAnswer::Verdict(verdict) => (verdict, Outcome::Answered),
                    MucpAnswer::Settings => (
                        Err(Unhealthy::Protocol("the service speaks HTTP/2".into())),
                        Outcome::Settings,
                    ),
                    MucpAnswer::Closed(how) => (Err(Unhealthy::Unreachable(how)), Outcome::Closed),
                    MucpAnswer::Failed(unhealthy) => (Err(unhealthy), Outcome::NoClue),
                }
            }
            Wire::Grpc => {
                let answer = self
                    .call(&self.debug_uri, debug_grpc::REQUEST, deadline)
                    .await;
                grpc_outcome(answer.map(|answer| debug_grpc::verdict(&answer)))
            }
            Wire::GrpcHealth => grpc_outcome(self.check_named(deadline).await),
        }
    }

    /// Asks grpc.health.v1 for the configured name. Without one, asks for the service's own name,
    /// and if that is unknown, for the server as a whole.
    async fn check_named(&self, deadline: Instant) -> Result<Verdict, CallError> {
        let ask = async |service: &str| {
            let answer = self
                .call(&self.health_uri, grpc_health::request(service), deadline)
                .await?;
            Ok(grpc_health::verdict(&answer, service))
        };
        if let Some(service) = &self.options.health_service {
            return ask(service).await;
        }
        match ask(&self.options.server_name.0).await {
            Ok(Err(Unhealthy::UnknownService(_))) => ask("").await,
            result => result,
        }
    }

    async fn call(
        &self,
        uri: &Uri,
        message: Bytes,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        self.grpc
            .call(&Call {
                uri: uri.clone(),
                message,
                deadline,
                head: &self.head,
                dialer: &self.dialer,
            })
            .await
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // No code panics while holding the lock, and the value would be whole anyway.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the verdict of a gRPC attempt, and its outcome for the detection.
fn grpc_outcome(answer: Result<Verdict, CallError>) -> (Verdict, Outcome) {
    match answer {
        Ok(verdict) => {
            let outcome = match verdict {
                Err(Unhealthy::NoDebug(_)) => Outcome::NotServed,
                _ => Outcome::Answered,
            };
            (verdict, outcome)
        }
        Err(error @ CallError::NotGrpc(_)) => (Err(error.into()), Outcome::NotGrpc),
        Err(error @ (CallError::Lost(_) | CallError::Tls(_))) => {
            (Err(error.into()), Outcome::NoClue)
        }
    }
}
