//! A resolver that watches Services, and the costs for its process.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use micro_health::cluster::Cluster;
use micro_health::resolver::{Endpoints, Resolver};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{self, Instant};

use crate::Shape;

/// Bounds every wait.
const PATIENCE: Duration = Duration::from_mins(1);

/// The number of changes that are measured; the warm-up comes before them.
const CHANGES: usize = 1_000;
const WARM_UP: usize = 100;

/// The largest number of Services that change. It is small, so that the cost of a cold processor
/// cache is not measured.
const CHANGING: usize = 10;

struct Server {
    address: SocketAddr,
    changes: ChildStdin,
    _process: Child,
}

/// Returns the figures of one shape, as an object.
#[tokio::main(flavor = "current_thread")]
pub async fn run(shape: Shape) -> Value {
    let account = tempfile::tempdir().unwrap();
    let mut server = Server::start(account.path().to_str().unwrap(), shape).await;
    let resolver = Resolver::of(&cluster(server.address, account.path()).await);
    // The first request has costs that belong to no Service.
    let empty = resolver.endpoints("kubernetes:///nobody".parse().unwrap());
    bounded(empty.known()).await.unwrap();

    let (memory, started, spent_before) = (memory(), Instant::now(), spent());
    let services = (0..shape.services).map(|number| {
        let target = format!("kubernetes:///greeter-{number}:grpc");
        resolver.endpoints(target.parse().unwrap())
    });
    let mut services: Vec<_> = services.collect();
    for service in &services {
        let union = bounded(service.known()).await.unwrap();
        assert_eq!(union.endpoints.len(), shape.endpoints);
    }
    let (known, known_cpu) = (started.elapsed(), spent().saturating_sub(spent_before));

    let mut delays = Vec::new();
    let mut spent_before = Duration::ZERO;
    for round in 0..WARM_UP + CHANGES {
        if round == WARM_UP {
            spent_before = spent();
        }
        let changing = shape.services.min(CHANGING);
        let (service, part) = (round % changing, round % shape.slices);
        // Each slice alternates between ready and not ready.
        let turns = changing.max(shape.slices);
        let ready = (round / turns) % 2 == 1;
        let started = Instant::now();
        server
            .change(&format!("{service} {part} {}\n", u8::from(ready)))
            .await;
        let first = service * shape.endpoints + part * (shape.endpoints / shape.slices);
        bounded(is(&mut services[service], first, ready)).await;
        delays.push(started.elapsed());
    }
    let change_cpu = (spent().saturating_sub(spent_before)) / u32::try_from(CHANGES).unwrap();
    // Every watch is open, and every buffer has its final size.
    let grown = self::memory().saturating_sub(memory);
    delays.drain(..WARM_UP);
    delays.sort_unstable();
    // A growth of less than 1 MiB comes from the allocator.
    let is_large = grown > 1 << 20;
    json!({
        "known_ms": known.as_secs_f64() * 1e3,
        "known_cpu_ms": known_cpu.as_secs_f64() * 1e3,
        "bytes_per_endpoint": is_large.then(|| grown / (shape.services * shape.endpoints)),
        "bytes_per_service": is_large.then(|| grown / shape.services),
        "change_cpu_us": change_cpu.as_secs_f64() * 1e6,
        "change_delay_us": delays[delays.len() / 2].as_secs_f64() * 1e6,
    })
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future)
        .await
        .expect("no answer within a minute")
}

/// Waits until the endpoint of this number is ready, or not.
async fn is(endpoints: &mut Endpoints, number: usize, ready: bool) {
    let [_, b, c, d] = u32::try_from(number).unwrap().to_be_bytes();
    let address = SocketAddr::from(([10, b, c, d], 50051));
    while endpoints.union().endpoints[&address].ready != ready {
        endpoints.changed().await;
    }
}

/// Returns the cluster of the server at this address, as a pod with these files reaches it.
async fn cluster(address: SocketAddr, account: &Path) -> Cluster {
    let url = format!("https://{address}");
    let cluster = Cluster::builder()
        .api_server(url.parse().expect("an address must make a URL"))
        .service_account(account)
        .build()
        .await;
    cluster.expect("the account's files must be readable")
}

/// Returns the processor time so far, user and system.
fn spent() -> Duration {
    let account = fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanos = account.split(' ').next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}

/// Returns the resident memory in bytes.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let (_, rest) = status.split_once("VmRSS:").unwrap();
    let kib: usize = rest.split_whitespace().next().unwrap().parse().unwrap();
    kib << 10
}

// === impl Server ===

impl Server {
    async fn start(folder: &str, shape: Shape) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["server", folder])
            .args(shape.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = bounded(lines.next_line()).await.unwrap();
        Self {
            address: line
                .expect("the server must say where it is")
                .parse()
                .unwrap(),
            changes: process.stdin.take().unwrap(),
            _process: process,
        }
    }

    async fn change(&mut self, line: &str) {
        self.changes.write_all(line.as_bytes()).await.unwrap();
    }
}
