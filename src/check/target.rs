//! A service to check.
//!
//! However many probes arrive, a target is checked once at a time. A probe joins the check in
//! flight, which has its whole deadline and so is as good for a late caller.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::backend::Backend;
#[cfg(feature = "kubernetes")]
use super::group::Group;
use super::options::{Options, Protocol};
use super::record::Record;
use super::row::Row;
use super::server_address::ServerAddress;
use super::single_flight::{Run, SingleFlight};
use super::verdict::{Check, Verdict};
use crate::net::stage::Stage;
use crate::net::tls::InvalidTls;
#[cfg(feature = "kubernetes")]
use crate::resolver::Resolver;

/// A service to check: one address, or the endpoints of a Service.
#[derive(Debug)]
pub struct Target {
    options: Arc<Options>,
    cache: Duration,
    backends: Backends,
    in_flight: SingleFlight<Arc<Check>>,
    record: Mutex<Record>,
}

/// The settings of a target that are not in its `Options`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The protocol that `--protocol=auto` tries first.
    pub hint: Option<Protocol>,
    /// The greatest age of a verdict that is given to another caller.
    pub cache: Duration,
    /// The source of a Service's endpoints.
    #[cfg(feature = "kubernetes")]
    pub resolver: Option<Resolver>,
}

/// The reason why a target cannot be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// TLS cannot be used as the options ask.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
    /// A Service needs [`Settings::resolver`].
    #[cfg(feature = "kubernetes")]
    #[error("cannot find the endpoints of {0}: no API server was given")]
    NoResolver(crate::resolver::Target),
}

#[derive(Debug)]
enum Backends {
    One(Box<Backend>),
    #[cfg(feature = "kubernetes")]
    Group(Box<Group>),
}

// === impl Target ===

impl Target {
    /// Reads the files of TLS and does not connect. For a Service it needs a runtime, because it
    /// begins to watch the endpoints.
    ///
    /// # Errors
    ///
    /// Returns an [`InvalidTarget`].
    pub fn new(options: Options, settings: &Settings) -> Result<Arc<Self>, InvalidTarget> {
        let options = Arc::new(options);
        let backends = match &options.server_address {
            ServerAddress::Endpoint(endpoint) => {
                let backend = Backend::new(Arc::clone(&options), endpoint.clone(), settings.hint)?;
                Backends::One(Box::new(backend))
            }
            #[cfg(feature = "kubernetes")]
            ServerAddress::Service(service) => {
                let resolver = settings.resolver.as_ref();
                let resolver =
                    resolver.ok_or_else(|| InvalidTarget::NoResolver(service.clone()))?;
                let endpoints = resolver.endpoints(service.clone());
                Backends::Group(Box::new(Group::new(&options, endpoints)))
            }
        };
        Ok(Arc::new(Self {
            options,
            cache: settings.cache,
            backends,
            in_flight: SingleFlight::default(),
            record: Mutex::default(),
        }))
    }

    /// Returns the service's name.
    pub fn name(&self) -> &str {
        &self.options.server_name.0
    }

    /// Returns the longest duration of a check.
    pub fn check_timeout(&self) -> Duration {
        self.options.check_timeout.0
    }

    /// Returns the protocol that the service was found to speak, or the flag's if that names one.
    pub fn protocol(&self) -> &'static str {
        match &self.backends {
            Backends::One(backend) => backend.protocol(),
            #[cfg(feature = "kubernetes")]
            Backends::Group(group) => group.protocol(),
        }
    }

    /// Returns the address of the service.
    pub fn address(&self) -> &ServerAddress {
        &self.options.server_address
    }

    /// Returns the end of the validity of the service's certificate, the first to end of
    /// several; `None` without TLS, or before the first handshake.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        match &self.backends {
            Backends::One(backend) => backend.certificate_expiry(),
            #[cfg(feature = "kubernetes")]
            Backends::Group(group) => group.certificate_expiry(),
        }
    }

    /// Returns the result of the latest check of each endpoint; empty for a single address.
    pub fn rows(&self) -> Vec<Row> {
        match &self.backends {
            Backends::One(_) => Vec::new(),
            #[cfg(feature = "kubernetes")]
            Backends::Group(group) => group.rows(),
        }
    }

    /// Returns the record of its checks until now.
    pub fn record(&self) -> Record {
        self.lock().clone()
    }

    /// Waits until a server that speaks the protocol has accepted a connection. Never resolves
    /// for a Service, whose endpoints are connected to one by one.
    pub async fn connected(&self) {
        match &self.backends {
            Backends::One(backend) => backend.connected().await,
            #[cfg(feature = "kubernetes")]
            Backends::Group(_) => std::future::pending().await,
        }
    }

    /// Returns the stage that the check in flight has reached.
    pub fn stage(&self) -> Stage {
        match &self.backends {
            Backends::One(backend) => backend.stage(),
            #[cfg(feature = "kubernetes")]
            Backends::Group(_) => Stage::Connecting,
        }
    }

    /// Checks the service, joins the check in flight, or returns a verdict that `--cache` still
    /// allows. Takes at most `check_timeout`, whatever the service does. A check goes on without
    /// its callers. Needs a runtime.
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
        let latest = self.lock().latest.clone()?;
        (latest.finished.elapsed() <= self.cache).then_some(latest)
    }

    fn join(self: &Arc<Self>) -> Run<Arc<Check>> {
        self.in_flight.join(|| {
            let target = Arc::clone(self);
            async move { target.run().await }
        })
    }

    async fn run(&self) -> Arc<Check> {
        let check = match &self.backends {
            Backends::One(backend) => backend.check().await,
            #[cfg(feature = "kubernetes")]
            Backends::Group(group) => group.check().await,
        };
        let check = Arc::new(check);
        if self.lock().observe(&check) {
            self.report(&check.verdict);
        }
        check
    }

    /// Logs a verdict that differs from the one before.
    fn report(&self, verdict: &Verdict) {
        let (service, protocol) = (self.name(), self.protocol());
        match verdict {
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

    fn lock(&self) -> MutexGuard<'_, Record> {
        // No code panics while holding the lock, and the value would be whole anyway.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
