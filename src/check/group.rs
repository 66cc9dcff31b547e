//! A target that is a Service: every endpoint is checked, and a policy decides.
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
use tracing::debug;

use super::backend::Backend;
use super::options::Options;
use super::policy::{self, EndpointCheck};
use super::row::Row;
use super::single_flight::{Run, SingleFlight};
use super::unhealthy::Unhealthy;
use super::verdict::{Check, Verdict};
use crate::net::address::{Address, Host};
use crate::net::endpoint::Endpoint as NetEndpoint;
use crate::net::stage::Stage;
use crate::net::tls::InvalidTls;
use crate::resolver::Endpoints;
use crate::resolver::no_endpoints::{self, Known};
use crate::resolver::slices::{Endpoint, Union};

/// The most endpoints that are checked at once.
const AT_ONCE: usize = 16;

/// The end of a check's time, reserved for its verdict. It is shorter for short checks.
const MARGIN: Duration = Duration::from_millis(20);

/// The time for which a Service explains why there is no endpoint.
const EXPLAINS: Duration = Duration::from_mins(1);

/// The endpoints of one Service, and the backends that check them.
#[derive(Debug)]
pub(crate) struct Group {
    endpoints: Endpoints,
    /// The options of every endpoint.
    options: Arc<Options>,
    kept: Mutex<BTreeMap<SocketAddr, Arc<Member>>>,
    rows: Mutex<Vec<Row>>,
    /// The Service as it was read last, and the time of that. It only explains why there is no
    /// endpoint.
    service: Mutex<Option<(Instant, Known)>>,
}

/// The backend of one endpoint. Its check goes on when the check of the group is over, because
/// otherwise a slow endpoint would be dialled anew each time.
#[derive(Debug)]
struct Member {
    address: SocketAddr,
    backend: Backend,
    in_flight: SingleFlight<Arc<Check>>,
    /// The code that was logged last, because only a change is logged.
    logged: Mutex<Option<&'static str>>,
}

// === impl Group ===

impl Group {
    /// Creates a group that checks every endpoint by its address, under the Service's name.
    pub(crate) fn new(options: &Options, endpoints: Endpoints) -> Self {
        let mut options = options.clone();
        let name = endpoints.target().server_name();
        options.authority = options.authority.or_else(|| name.parse().ok());
        options.tls.tls_server_name.get_or_insert(name);
        Self {
            endpoints,
            options: Arc::new(options),
            kept: Mutex::default(),
            rows: Mutex::default(),
            service: Mutex::default(),
        }
    }

    /// Returns the result of the latest check of each endpoint, by address.
    pub(crate) fn rows(&self) -> Vec<Row> {
        lock(&self.rows).clone()
    }

    /// Returns the protocol that an endpoint was found to speak; "auto" before one was.
    pub(crate) fn protocol(&self) -> &'static str {
        let kept = lock(&self.kept);
        let mut protocols = kept.values().map(|member| member.backend.protocol());
        protocols
            .find(|protocol| *protocol != "auto")
            .unwrap_or("auto")
    }

    /// Returns the end of validity of the endpoints' certificate that expires first.
    pub(crate) fn certificate_expiry(&self) -> Option<SystemTime> {
        let kept = lock(&self.kept);
        let expiries = kept
            .values()
            .filter_map(|member| member.backend.certificate_expiry());
        expiries.min()
    }

    /// Checks the endpoints, within `--check_timeout`.
    pub(crate) async fn check(&self) -> Check {
        let started = Instant::now();
        let timeout = self.options.check_timeout.0;
        let verdict = self.verdict(started + timeout, timeout).await;
        Check::finish(started, verdict, Stage::Connecting)
    }

    async fn verdict(&self, deadline: Instant, timeout: Duration) -> Verdict {
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
        let reason = |service| no_endpoints::reason(target, &union, include, service);
        if reason(&Known::Nothing).is_some()
            && let Some(absence) = reason(&self.service(&union, end).await)
        {
            lock(&self.rows).clear();
            return none(&absence.to_string());
        }
        let considered: Vec<_> = union.candidates(include).collect();
        let members = match self.members(&considered) {
            Ok(members) => members,
            Err(invalid) => return Err(Unhealthy::Tls(invalid.to_string().into())),
        };
        let mut rows: Vec<_> = considered.iter().map(|endpoint| row(endpoint)).collect();
        let mut results: Vec<EndpointCheck> = Vec::new();
        let checks = members.iter().enumerate();
        let checks: Vec<_> = checks.map(check_member).collect();
        let mut checks = stream::iter(checks).buffer_unordered(AT_ONCE);
        let needed = policy.require.needed(considered.len());
        let mut healthy = 0;
        while healthy < needed {
            match time::timeout_at(end, checks.next()).await {
                Ok(Some((place, check))) => {
                    healthy += usize::from(check.verdict.is_ok());
                    rows[place].observe(&check.verdict, check.took);
                    results.push(endpoint_check(&rows[place], &check));
                }
                Ok(None) => break,
                Err(_) => {
                    for (row, member) in rows.iter_mut().zip(&members) {
                        if row.result.is_none() {
                            let reached = member.backend.stage();
                            let verdict = Err(Unhealthy::Deadline(timeout, reached));
                            row.observe(&verdict, timeout);
                            let address = row.address.clone();
                            results.push(EndpointCheck {
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
        results.sort_by_key(|check| check.address.parse::<SocketAddr>().ok());
        policy::verdict(policy.require, considered.len(), &results)
    }

    /// Returns the Service, which is read at most once a minute.
    async fn service(&self, union: &Union, end: Instant) -> Known {
        let is_fresh = |(read, _): &(Instant, Known)| read.elapsed() < EXPLAINS;
        let known = lock(&self.service).clone().filter(is_fresh);
        if let Some((_, known)) = known {
            return known;
        }
        let read = time::timeout_at(end, self.endpoints.service(union)).await;
        let known = read.unwrap_or(Known::Nothing);
        *lock(&self.service) = Some((Instant::now(), known.clone()));
        known
    }

    /// Returns one member for each endpoint, and drops those of endpoints that are gone.
    fn members(&self, considered: &[&Endpoint]) -> Result<Vec<Arc<Member>>, InvalidTls> {
        let mut kept = lock(&self.kept);
        // The endpoints are in the order of their addresses.
        let place = |address: &SocketAddr| {
            considered.binary_search_by_key(address, |endpoint| endpoint.address)
        };
        kept.retain(|address, _| place(address).is_ok());
        let mut members = Vec::with_capacity(considered.len());
        for endpoint in considered {
            let member = match kept.get(&endpoint.address) {
                Some(member) => Arc::clone(member),
                None => Arc::new(Member::new(endpoint.address, Arc::clone(&self.options))?),
            };
            kept.insert(endpoint.address, Arc::clone(&member));
            members.push(member);
        }
        Ok(members)
    }
}

// === impl Member ===

impl Member {
    fn new(address: SocketAddr, options: Arc<Options>) -> Result<Self, InvalidTls> {
        let (host, port) = (Host::Ip(address.ip()), address.port());
        let endpoint = NetEndpoint::Tcp(Address { host, port });
        Ok(Self {
            address,
            backend: Backend::new(options, endpoint, None)?,
            in_flight: SingleFlight::default(),
            logged: Mutex::default(),
        })
    }

    fn check(self: &Arc<Self>) -> Run<Arc<Check>> {
        self.in_flight.join(|| {
            let member = Arc::clone(self);
            async move {
                let check = member.backend.check().await;
                member.log(&check);
                Arc::new(check)
            }
        })
    }

    fn log(&self, check: &Check) {
        let code = check.code();
        if lock(&self.logged).replace(code) != Some(code) {
            let (address, protocol) = (self.address, self.backend.protocol());
            debug!(%address, protocol, code, "Endpoint was checked");
        }
    }
}

async fn check_member((place, member): (usize, &Arc<Member>)) -> (usize, Arc<Check>) {
    (place, member.check().await)
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

fn endpoint_check(row: &Row, check: &Check) -> EndpointCheck {
    EndpointCheck {
        address: row.address.clone(),
        verdict: check.verdict.clone(),
        reached: check.reached,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code panics while holding one of these locks, and the value would be whole anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
