//! A target that is a Service: every endpoint is asked, and a policy decides.
//!
//! ```text
//! Endpoints ──▶ one Target each, kept while it lives ──▶ at most 16 checks at once
//!                                                   ──▶ policy: one verdict ──▶ rows
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::{self, Instant};

use super::absence::{self, Known};
use super::policy::{self, Asked};
use super::slices::Endpoint;
use super::{Endpoints, Resolver};
use crate::target::address::{Address, Host};
use crate::target::options::Options;
use crate::target::row::Row;
use crate::target::tls::InvalidTls;
use crate::target::{self, Check, Target, Verdict};
use crate::unhealthy::Unhealthy;

/// Most endpoints that are asked at once.
const AT_ONCE: usize = 16;

/// The end of a check, which is for its verdict: less, of short checks.
const MARGIN: Duration = Duration::from_millis(20);

/// The endpoints of one target.
#[derive(Debug)]
pub struct Group {
    endpoints: Endpoints,
    options: Options,
    kept: Mutex<BTreeMap<SocketAddr, Arc<Target>>>,
    rows: Mutex<Vec<Row>>,
}

// === impl Group ===

impl Group {
    /// Begins to watch the Service. Every endpoint is asked as the options say.
    pub fn new(options: Options, service: super::Target, resolver: &Resolver) -> Self {
        Self {
            endpoints: resolver.endpoints(service),
            options,
            kept: Mutex::default(),
            rows: Mutex::default(),
        }
    }

    /// What the latest check found, by address.
    pub fn rows(&self) -> Vec<Row> {
        lock(&self.rows).clone()
    }

    /// What the endpoints were found to speak, if any was.
    pub fn protocol(&self) -> Option<&'static str> {
        let kept = lock(&self.kept);
        let mut protocols = kept.values().map(|target| target.protocol());
        protocols.find(|protocol| *protocol != "auto")
    }

    /// Until when the first of their certificates is valid.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        let kept = lock(&self.kept);
        let expiries = kept.values().filter_map(|it| it.certificate_expiry());
        expiries.min()
    }

    /// Checks them, and is done before the deadline.
    ///
    /// # Errors
    ///
    /// Too few that are healthy, or none to ask.
    pub async fn check(&self, deadline: Instant) -> Verdict {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let end = deadline - MARGIN.min(timeout / 10);
        let none = |why: &str| Err(Unhealthy::NoEndpoints(why.into()));
        let union = match time::timeout_at(end, self.endpoints.known()).await {
            Ok(Ok(union)) => union,
            Ok(Err(refusal)) => return none(&refusal.to_string()),
            Err(_) => return none("the API server has not answered"),
        };
        let policy = self.options.endpoints;
        let include = policy.include_not_ready;
        let target = self.endpoints.target();
        if let Some(absence) = absence::absence(target, &union, include, &Known::Nothing) {
            lock(&self.rows).clear();
            return none(&absence.to_string());
        }
        let considered: Vec<_> = union.considered(include).collect();
        let targets = match self.targets(&considered) {
            Ok(targets) => targets,
            Err(invalid) => return Err(Unhealthy::Tls(invalid.to_string().into())),
        };
        let mut rows: Vec<_> = considered.iter().map(|endpoint| row(endpoint)).collect();
        let mut asked: Vec<Asked> = Vec::new();
        let checks = targets.iter().cloned().enumerate();
        let checks: Vec<_> = checks.map(checked).collect();
        let mut checks = stream::iter(checks).buffer_unordered(AT_ONCE);
        let needed = policy.require.needed(considered.len());
        let mut healthy = 0;
        while healthy < needed {
            match time::timeout_at(end, checks.next()).await {
                Ok(Some((place, check))) => {
                    healthy += usize::from(check.verdict.is_ok());
                    rows[place].observe(&check.verdict, check.took);
                    asked.push(found(&rows[place], &check));
                }
                Ok(None) => break,
                Err(_) => {
                    for (row, target) in rows.iter_mut().zip(&targets) {
                        if row.result.is_none() {
                            let reached = target.stage();
                            let verdict = Err(Unhealthy::Deadline(timeout, reached));
                            row.observe(&verdict, timeout);
                            let address = row.address.clone();
                            asked.push(Asked {
                                address,
                                verdict,
                                reached,
                            });
                        }
                    }
                    break;
                }
            }
        }
        *lock(&self.rows) = rows;
        asked.sort_by_key(|asked| asked.address.parse::<SocketAddr>().ok());
        policy::verdict(policy.require, considered.len(), &asked)
    }

    /// One for each endpoint; those of endpoints that are gone are dropped.
    fn targets(&self, considered: &[&Endpoint]) -> Result<Vec<Arc<Target>>, InvalidTls> {
        let mut kept = lock(&self.kept);
        // They are in order.
        let place =
            |address: &SocketAddr| considered.binary_search_by_key(address, |it| it.address);
        kept.retain(|address, _| place(address).is_ok());
        let mut targets = Vec::with_capacity(considered.len());
        for endpoint in considered {
            let target = match kept.get(&endpoint.address) {
                Some(target) => Arc::clone(target),
                None => Target::new(self.options_of(endpoint.address), None, Duration::ZERO)?,
            };
            kept.insert(endpoint.address, Arc::clone(&target));
            targets.push(target);
        }
        Ok(targets)
    }

    /// An endpoint is dialled by its address and called by the Service's name.
    fn options_of(&self, address: SocketAddr) -> Options {
        let mut options = self.options.clone();
        options.is_endpoint = true;
        let (host, port) = (Host::Ip(address.ip()), address.port());
        options.server_address = target::endpoint::Endpoint::Tcp(Address { host, port });
        let name = self.endpoints.target().server_name();
        if options.tls.tls_server_name.is_none() {
            options.tls.tls_server_name = Some(name.clone());
        }
        options.authority = options.authority.or_else(|| name.parse().ok());
        options
    }
}

async fn checked((place, target): (usize, Arc<Target>)) -> (usize, Arc<Check>) {
    (place, target.check().await)
}

fn row(endpoint: &Endpoint) -> Row {
    Row {
        address: endpoint.address.to_string(),
        pod: endpoint.pod.as_deref().map(str::to_owned),
        ready: endpoint.ready,
        result: None,
        message: None,
        took_ms: None,
    }
}

fn found(row: &Row, check: &Check) -> Asked {
    Asked {
        address: row.address.clone(),
        verdict: check.verdict.clone(),
        reached: check.reached,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while holding one of these locks; if it did, the value is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
