//! Whom to check, and one check of it.
//!
//! However many probes arrive, a target is asked once at a time: a probe joins the
//! check in flight, which has its whole deadline and so is as good for a late joiner.

use std::future::pending;
use std::panic::resume_unwind;
#[cfg(feature = "kubernetes")]
use std::sync::OnceLock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::Uri;
use http::uri::Scheme;
use tokio::task::JoinError;
use tokio::time::{self, Instant};
use tracing::{debug, info, warn};

use self::debug_mucp::Heard;
use self::detect::{Lesson, Memory, Tried, Wire};
use self::dial::Dialer;
use self::endpoint::Endpoint;
use self::grpc::{Broken, Call, answer::Answer};
use self::head::Head;
use self::options::{Options, Protocol, WithoutDebug};
use self::record::Record;
use self::row::Row;
use self::tls::{InvalidTls, Tls};
#[cfg(feature = "kubernetes")]
use crate::resolver::group::Group;
use crate::unhealthy::{Stage, Unhealthy};

pub mod address;
pub mod debug_grpc;
pub mod debug_mucp;
pub mod detect;
pub mod dial;
pub mod endpoint;
pub mod grpc;
pub mod grpc_health;
pub mod head;
mod lookup;
pub mod micro_error;
pub mod options;
pub mod record;
pub mod row;
#[cfg(feature = "kubernetes")]
mod service;
pub mod stream;
pub mod tls;

/// Healthy, or the reason why not.
pub type Verdict = Result<(), Unhealthy>;

/// A service to check.
#[derive(Debug)]
pub struct Target {
    options: Options,
    cache: Duration,
    head: Head,
    dialer: Dialer,
    grpc: grpc::Client,
    debug_uri: Uri,
    health_uri: Uri,
    memory: Mutex<Memory>,
    in_flight: Mutex<Option<InFlight>>,
    record: Mutex<Record>,
    /// The endpoints, of a Service.
    #[cfg(feature = "kubernetes")]
    group: OnceLock<Group>,
}

/// A check that has begun, and may be over.
type InFlight = Shared<BoxFuture<'static, Arc<Check>>>;

/// One finished check.
#[derive(Clone, Debug)]
pub struct Check {
    /// What the service is.
    pub verdict: Verdict,
    /// How far it came.
    pub reached: Stage,
    /// How long the check took.
    pub took: Duration,
    /// When it was finished, for people.
    pub at: SystemTime,
    /// When it was finished, to tell its age by.
    pub finished: Instant,
}

/// The code of a healthy verdict, beside the reasons of [`Unhealthy`].
pub const HEALTHY: &str = "ok";

// === impl Target ===

impl Target {
    /// Reads the files of TLS and does not connect. `hint` orders the attempts of
    /// `--protocol=auto`; a verdict not older than `cache` is told again.
    ///
    /// # Errors
    ///
    /// TLS that cannot be spoken as the options say.
    pub fn new(
        options: Options,
        hint: Option<Protocol>,
        cache: Duration,
    ) -> Result<Arc<Self>, InvalidTls> {
        let tls = Tls::new(&options.tls, &options.server_address)?;
        let scheme = tls.as_ref().map_or(Scheme::HTTP, |_| Scheme::HTTPS);
        let head = Head::new(&options);
        let debug = debug_grpc::path(&options.server_name.0);
        Ok(Arc::new(Self {
            cache,
            dialer: Dialer::new(options.server_address.clone(), tls.map(Arc::new)),
            grpc: grpc::Client::default(),
            debug_uri: debug_grpc::uri(scheme.clone(), &head.authority, debug),
            health_uri: debug_grpc::uri(scheme, &head.authority, grpc_health::path()),
            head,
            memory: Mutex::new(Memory::new(hint)),
            in_flight: Mutex::default(),
            record: Mutex::default(),
            #[cfg(feature = "kubernetes")]
            group: OnceLock::new(),
            options,
        }))
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.options.server_name.0
    }

    /// The longest that a check takes.
    pub fn check_timeout(&self) -> Duration {
        self.options.check_timeout.0
    }

    /// The protocol that the service was found to speak; the flag's, if it names one.
    pub fn protocol(&self) -> &'static str {
        match self.options.protocol {
            #[cfg(feature = "kubernetes")]
            Protocol::Auto if self.group.get().is_some() => {
                let protocol = self.group.get().and_then(Group::protocol);
                protocol.unwrap_or("auto")
            }
            Protocol::Auto => lock(&self.memory).answered().map_or("auto", Wire::name),
            fixed => fixed.name(),
        }
    }

    /// Where the service is.
    pub fn address(&self) -> &Endpoint {
        self.dialer.endpoint()
    }

    /// Until when the service's certificate is valid; `None` without TLS, or before the
    /// first handshake.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        #[cfg(feature = "kubernetes")]
        if let Some(group) = self.group.get() {
            return group.certificate_expiry();
        }
        self.dialer.certificate_expiry()
    }

    /// What its endpoints were found to be; none where it is one itself.
    pub fn rows(&self) -> Vec<Row> {
        #[cfg(feature = "kubernetes")]
        if let Some(group) = self.group.get() {
            return group.rows();
        }
        Vec::new()
    }

    /// What its checks have been.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// Resolves when somebody who speaks the protocol has taken the connection.
    pub async fn connected(&self) {
        let mut stages = self.dialer.stages().subscribe();
        let connected = stages.wait_for(|stage| *stage == Stage::Waiting).await;
        connected.expect("the sender must live as long as the dialer");
    }

    /// How far the check in flight has come.
    pub fn stage(&self) -> Stage {
        self.dialer.stage()
    }

    /// Checks the service, joins the check in flight, or finds a verdict that `--cache`
    /// still allows. Done after `check_timeout`, whatever the service does. A check
    /// goes on without its callers: otherwise a client that leaves at once could make the next one
    /// dial anew, time and again. Wants a runtime.
    pub async fn check(self: &Arc<Self>) -> Arc<Check> {
        match self.cached() {
            Some(check) => check,
            None => self.join().await,
        }
    }

    /// Checks the service or joins the check in flight, and never uses the cache: for a
    /// caller that counts checks.
    pub async fn check_anew(self: &Arc<Self>) -> Arc<Check> {
        self.join().await
    }

    fn cached(&self) -> Option<Arc<Check>> {
        if self.cache.is_zero() {
            return None;
        }
        let latest = lock(&self.record).latest.clone()?;
        (latest.finished.elapsed() <= self.cache).then_some(latest)
    }

    fn join(self: &Arc<Self>) -> InFlight {
        let mut in_flight = lock(&self.in_flight);
        let joined = in_flight.as_ref().filter(|check| check.peek().is_none());
        joined.cloned().unwrap_or_else(|| {
            let target = Arc::clone(self);
            let task = tokio::spawn(async move { target.run().await });
            let check = task.then(ended).boxed().shared();
            *in_flight = Some(check.clone());
            check
        })
    }

    async fn run(&self) -> Arc<Check> {
        let started = Instant::now();
        let timeout = self.check_timeout();
        let deadline = started + timeout;
        let verdict = time::timeout_at(deadline, self.ask(deadline)).await;
        let verdict = verdict.unwrap_or_else(|_| {
            // The attempt that took too long was dropped, and has taught nothing.
            lock(&self.memory).doubt();
            Err(Unhealthy::Deadline(timeout, self.dialer.stage()))
        });
        let verdict = match verdict {
            Err(Unhealthy::NoDebug(_)) if self.options.without_debug == WithoutDebug::Healthy => {
                Ok(())
            }
            verdict => verdict,
        };
        let (took, at) = (started.elapsed(), SystemTime::now());
        let finished = Instant::now();
        let check = Arc::new(Check {
            verdict,
            reached: self.dialer.stage(),
            took,
            at,
            finished,
        });
        if lock(&self.record).observe(&check) {
            self.report(&check.verdict);
        }
        check
    }

    /// Logs a verdict.
    fn report(&self, verdict: &Verdict) {
        let (service, protocol) = (self.name(), self.protocol());
        match verdict {
            _ if self.options.is_endpoint => {
                let address = self.address();
                let code = verdict
                    .as_ref()
                    .map_or_else(|it| it.reason().code, |()| HEALTHY);
                debug!(service, %address, protocol, code, "Endpoint was asked");
            }
            Ok(()) => info!(service, protocol, "Service is healthy"),
            Err(unhealthy) => {
                let to_do = unhealthy.reason().remedy;
                let reason = unhealthy.reason().code;
                warn!(
                    service,
                    protocol, reason, to_do, "Service is unhealthy: {unhealthy}"
                );
            }
        }
    }

    async fn ask(&self, deadline: Instant) -> Verdict {
        #[cfg(feature = "kubernetes")]
        if let Endpoint::Service(_) = self.address() {
            return self.ask_endpoints(deadline).await;
        }
        match self.options.protocol {
            Protocol::Mucp => self.ask_on(Wire::Mucp, deadline).await.0,
            Protocol::Grpc => self.ask_on(Wire::Grpc, deadline).await.0,
            Protocol::GrpcHealth => self.ask_on(Wire::GrpcHealth, deadline).await.0,
            Protocol::Auto => self.detect(deadline).await,
        }
    }

    async fn detect(&self, deadline: Instant) -> Verdict {
        let mut tried = Tried::default();
        let mut wire = lock(&self.memory).first();
        let mut furthest: Option<(Verdict, Lesson)> = None;
        loop {
            let (verdict, lesson) = self.ask_on(wire, deadline).await;
            let reported = match furthest {
                Some(earlier) if !lesson.outweighs(earlier.1) => earlier,
                _ => (verdict, lesson),
            };
            let mut memory = lock(&self.memory);
            let next;
            (*memory, next) = memory.learn(&mut tried, wire, lesson);
            let Some(next) = next else {
                return reported.0;
            };
            wire = next;
            furthest = Some(reported);
        }
    }

    /// Asks on one wire.
    async fn ask_on(&self, wire: Wire, deadline: Instant) -> (Verdict, Lesson) {
        match wire {
            Wire::Mucp => {
                match debug_mucp::ask(&self.dialer, &self.head, self.name(), deadline).await {
                    Heard::Answered(verdict) => (verdict, Lesson::Answered),
                    Heard::Settings => (
                        Err(Unhealthy::Protocol("the service speaks HTTP/2".into())),
                        Lesson::Settings,
                    ),
                    Heard::Closed(how) => (Err(Unhealthy::Unreachable(how)), Lesson::Closed),
                    Heard::Failed(unhealthy) => (Err(unhealthy), Lesson::Nothing),
                }
            }
            Wire::Grpc => {
                let answer = self
                    .call(&self.debug_uri, debug_grpc::REQUEST, deadline)
                    .await;
                learned(answer.map(|answer| debug_grpc::verdict(&answer)))
            }
            Wire::GrpcHealth => learned(self.check_named(deadline).await),
        }
    }

    /// Asks grpc.health.v1 for the configured name; without one for the service's,
    /// and if that is unknown for the server as a whole.
    async fn check_named(&self, deadline: Instant) -> Result<Verdict, Broken> {
        let ask = async |service: &str| {
            let answer = self
                .call(&self.health_uri, grpc_health::request(service), deadline)
                .await?;
            Ok(grpc_health::verdict(&answer, service))
        };
        if let Some(service) = &self.options.health_service {
            return ask(service).await;
        }
        match ask(self.name()).await {
            Ok(Err(Unhealthy::UnknownService(_))) => ask("").await,
            result => result,
        }
    }

    async fn call(&self, uri: &Uri, message: Bytes, deadline: Instant) -> Result<Answer, Broken> {
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
}

// === impl Check ===

impl Check {
    /// [`HEALTHY`], or the reason's code.
    pub fn code(&self) -> &'static str {
        match &self.verdict {
            Ok(()) => HEALTHY,
            Err(unhealthy) => unhealthy.reason().code,
        }
    }
}

/// The verdict of a gRPC attempt, and what it taught.
fn learned(answer: Result<Verdict, Broken>) -> (Verdict, Lesson) {
    match answer {
        Ok(verdict) => {
            let not_served = matches!(verdict, Err(Unhealthy::NoDebug(_)));
            (
                verdict,
                if not_served {
                    Lesson::NotServed
                } else {
                    Lesson::Answered
                },
            )
        }
        Err(broken @ Broken::NotGrpc(_)) => (Err(broken.into()), Lesson::NotGrpc),
        Err(broken @ (Broken::Lost(_) | Broken::Tls(_))) => (Err(broken.into()), Lesson::Nothing),
    }
}

/// The outcome of a check's task.
async fn ended(outcome: Result<Arc<Check>, JoinError>) -> Arc<Check> {
    match outcome.map_err(JoinError::try_into_panic) {
        Ok(check) => check,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is shutting down, and nobody waits any more.
        Err(Err(_)) => pending().await,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding one of these locks; if it did, the value is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
