//! What one Service costs of many that are watched by one resolver. The figures are for
//! `just bench`; here is what must not grow.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use micro_health::resolver::{Endpoints, Resolver};
use tempfile::TempDir;
use testkit::slice_server::{SliceServer, slice};
use testkit::within;
use tokio::sync::{mpsc, oneshot};

use crate::cluster::cluster;

/// Endpoints of each Service.
const ENDPOINTS: usize = 10;

/// So many Services, watched; the server has a thread of its own.
struct Watched {
    services: Vec<Endpoints>,
    server: Arc<SliceServer>,
    changes: mpsc::UnboundedSender<(usize, usize)>,
    _account: TempDir,
}

impl Watched {
    async fn start(count: usize) -> Self {
        let (changes, to_make) = mpsc::unbounded_channel();
        let (started, start) = oneshot::channel();
        thread::spawn(move || serve(count, started, to_make));
        let server = within("the server", start).await.unwrap();
        let account = tempfile::tempdir().unwrap();
        server.write_account(account.path(), "one");
        let resolver = Resolver::of(&cluster(server.address, account.path()).await);
        let target = |service| format!("kubernetes:///greeter-{service}").parse().unwrap();
        let services = (0..count).map(|service| resolver.endpoints(target(service)));
        let mut services: Vec<_> = services.collect();
        for service in &mut services {
            let union = within("a Service to be known", service.known()).await;
            assert_eq!(union.unwrap().endpoints.len(), ENDPOINTS);
            heard(service);
        }
        within("every watch to begin", server.has_watches(count)).await;
        Self {
            services,
            server,
            changes,
            _account: account,
        }
    }

    /// Changes the slices of ten Services, one after the other.
    async fn round(&mut self, round: usize) {
        for service in 0..10 {
            self.changes.send((service, round)).unwrap();
            let endpoints = &mut self.services[service];
            within("a change to be told", async {
                while first(endpoints) != round {
                    endpoints.changed().await;
                }
            })
            .await;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(
    count: usize,
    started: oneshot::Sender<Arc<SliceServer>>,
    mut changes: mpsc::UnboundedReceiver<(usize, usize)>,
) {
    let server = Arc::new(SliceServer::start().await);
    for service in 0..count {
        change(&server, service, 0);
    }
    let _ = started.send(Arc::clone(&server));
    while let Some((service, round)) = changes.recv().await {
        change(&server, service, round);
    }
}

/// Moves the endpoints of a Service.
fn change(server: &SliceServer, service: usize, round: usize) {
    let service = format!("greeter-{service}");
    server.set(
        &service,
        &format!("{service}-a"),
        slice(&service, round, ENDPOINTS),
    );
}

/// The number of the first endpoint.
fn first(endpoints: &Endpoints) -> usize {
    let union = endpoints.union();
    let (address, _) = union.endpoints.first_key_value().unwrap();
    match address.ip() {
        std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]),
        std::net::IpAddr::V6(_) => unreachable!("all are IPv4"),
    }
}

/// Whether a Service was told of since the last time.
fn heard(service: &mut Endpoints) -> bool {
    // Tokio would have a thousand of these give way.
    tokio::task::unconstrained(service.changed())
        .now_or_never()
        .is_some()
}

/// Processor time of this thread so far: it alone has the resolver.
fn spent() -> Duration {
    let account = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = account.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanos)
}

/// What ten changes cost at least.
async fn cheapest(watched: &mut Watched) -> Duration {
    let mut cheapest = Duration::MAX;
    for round in 1..=20 {
        let before = spent();
        watched.round(round).await;
        cheapest = cheapest.min(spent().saturating_sub(before));
    }
    cheapest
}

#[tokio::test]
async fn a_change_costs_the_same_however_many_services_are_watched() {
    let mut few = Watched::start(10).await;
    let of_few = cheapest(&mut few).await;
    let mut many = Watched::start(1_000).await;
    let of_many = cheapest(&mut many).await;
    // Of 200 changes of ten Services nobody else has heard, and nothing more was asked.
    assert!(!many.services[10..].iter_mut().any(heard));
    assert_eq!((few.server.requests(), many.server.requests()), (20, 2_000));
    // Did a tenth of it grow with their number, it would be eleven times as much.
    assert!(
        of_many < 4 * of_few,
        "{of_few:?} of 10, {of_many:?} of 1,000"
    );
    // A hundred watches are all that one connection takes.
    let connections = [few, many].map(|it| it.server.connections());
    assert_eq!(connections[0], 1);
    assert!((10..=12).contains(&connections[1]), "{connections:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_is_opened_once_for_all_who_were_on_it() {
    let watched = Watched::start(250).await;
    let before = watched.server.connections();
    watched.server.close_connections();
    let again = watched.server.has_watches(500);
    within("every watch to go on", again).await;
    let after = watched.server.connections();
    assert!(before <= 4 && after - before <= 4, "{before} {after}");
}
