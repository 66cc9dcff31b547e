//! The cost of one Service among many that one resolver watches. `just bench` has the figures;
//! these tests hold what must not grow.

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

/// The number of endpoints of each Service.
const ENDPOINTS: usize = 10;

/// A number of watched Services. The server has a thread of its own.
struct WatchedServices {
    services: Vec<Endpoints>,
    server: Arc<SliceServer>,
    changes: mpsc::UnboundedSender<(usize, usize)>,
    _account: TempDir,
}

impl WatchedServices {
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
            has_changed(service);
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
            within("a change to be seen", async {
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

/// Returns the number of the first endpoint.
fn first(endpoints: &Endpoints) -> usize {
    let union = endpoints.union();
    let (address, _) = union.endpoints.first_key_value().unwrap();
    match address.ip() {
        std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]),
        std::net::IpAddr::V6(_) => unreachable!("all are IPv4"),
    }
}

/// Returns whether a Service has changed since the last call.
fn has_changed(service: &mut Endpoints) -> bool {
    // Tokio would make a thousand of these calls yield.
    tokio::task::unconstrained(service.changed())
        .now_or_never()
        .is_some()
}

/// Returns the processor time of this thread, which alone has the resolver.
fn spent() -> Duration {
    let account = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = account.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanos)
}

/// Returns the least cost of ten changes.
async fn cheapest(watched: &mut WatchedServices) -> Duration {
    let mut cheapest = Duration::MAX;
    for round in 1..=20 {
        let before = spent();
        watched.round(round).await;
        cheapest = cheapest.min(spent().saturating_sub(before));
    }
    cheapest
}

#[tokio::test]
async fn the_cost_of_a_change_does_not_grow_with_the_watched_services() {
    let mut few = WatchedServices::start(10).await;
    let of_few = cheapest(&mut few).await;
    let mut many = WatchedServices::start(1_000).await;
    let of_many = cheapest(&mut many).await;
    // No other Service has seen the 200 changes of ten, and no other request was made.
    assert!(!many.services[10..].iter_mut().any(has_changed));
    assert_eq!((few.server.requests(), many.server.requests()), (20, 2_000));
    // If a tenth of the cost grew with their number, it would be eleven times as high.
    assert!(
        of_many < 4 * of_few,
        "{of_few:?} of 10, {of_many:?} of 1,000"
    );
    // One connection is enough for a hundred watches.
    let connections = [few, many].map(|it| it.server.connections());
    assert_eq!(connections[0], 1);
    assert!((10..=12).contains(&connections[1]), "{connections:?}");
}

#[tokio::test]
async fn a_lost_connection_is_reopened_once_for_all_its_watches() {
    let watched = WatchedServices::start(250).await;
    let before = watched.server.connections();
    watched.server.close_connections();
    let again = watched.server.has_watches(500);
    within("every watch to go on", again).await;
    let after = watched.server.connections();
    assert!(before <= 4 && after - before <= 4, "{before} {after}");
}
