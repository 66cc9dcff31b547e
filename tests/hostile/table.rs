//! The hostile clients, one row each.

use std::io::Write as _;

use testkit::descriptors;
use testkit::frames::PREFACE;

use crate::attack::{Attack, Client};
use crate::measure::measure;
use crate::pod::Setting::{
    self, ApiServerHangs, Descriptors, Registered, ServiceHangs, Targets, Well,
};
use crate::{grpc, http1, http2, report};

/// The number of connections in a crowd: four times the sidecar's limit.
const CROWD: usize = 1_000;

/// A number of connections slightly above the sidecar's limit of 240.
const LIMIT: usize = 270;

/// A number of connections slightly below that limit.
const KEPT: usize = 230;

/// The number of clients that send as fast as they can.
const FAST: usize = 64;

/// A number of connections that a limit of 64 descriptors does not allow.
const SCARCE: usize = 60;

/// A hostile client.
pub struct Row {
    pub name: &'static str,
    pub setting: Setting,
    pub attack: Attack,
}

fn row(name: &'static str, setting: Setting, attack: Attack) -> Row {
    Row {
        name,
        setting,
        attack,
    }
}

/// Returns the clients that are slow, silent or idle.
fn slow() -> Vec<Row> {
    let crowd = |name, client| row(name, Well, Attack::by(CROWD, client));
    let sending = |name, bytes: &[u8]| crowd(name, Client::sending(bytes));
    vec![
        sending("nothing sent", b""),
        sending("half a head", b"GET /health HTTP/1.1\r\nHost:"),
        sending("half an HTTP/2 preface", &PREFACE[..12]),
        sending("preface and SETTINGS, then silence", &http2::start()),
        crowd("head byte by byte", http1::slow_head()),
        crowd("POST, body byte by byte", http1::slow_body()),
        crowd(
            "GET /statusz pipelined, never read",
            http1::never_reading("/statusz"),
        ),
        crowd("HTTP/2 pages without a window", http2::without_window()),
        crowd(
            "HTTP/2, 8 open requests, large headers",
            http2::large_headers(),
        ),
        row(
            "nothing sent, reconnecting at once",
            Well,
            Attack::without_pause(CROWD, Client::sending("")),
        ),
        row(
            "60 idle HTTP/2, 64 descriptors",
            Descriptors,
            Attack::by(SCARCE, http2::idle()),
        ),
        row(
            "GET /health, the service hangs",
            ServiceHangs,
            Attack::without_pause(CROWD, http1::one_request("/health")),
        ),
    ]
}

/// Returns the clients that send much.
fn fast() -> Vec<Row> {
    let fast = |name, client| row(name, Well, Attack::without_pause(FAST, client));
    let chunks = Client::each(["/livez", "/health"].map(http1::endless_chunks));
    vec![
        row("POST, endless chunks", Well, Attack::by(CROWD, chunks)),
        fast("POST, huge Content-Length", http1::huge_body()),
        fast(
            "HTTP/2, POST 64 KiB a stream",
            http2::uploading("/livez", &[], vec![0; 64 << 10]),
        ),
        fast(
            "GET /livez and /health pipelined",
            Client::each(["/livez", "/health"].map(http1::pipelining)),
        ),
        fast("rapid reset", http2::rapid_resets()),
        fast("MadeYouReset", http2::made_resets()),
        fast("PING flood", http2::pings()),
        fast("SETTINGS flood", http2::many_settings()),
        fast("CONTINUATION flood", http2::continuations()),
        fast("header table flood", http2::header_tables()),
        fast(
            "WINDOW_UPDATE, PRIORITY, unknown frames",
            http2::idle_frames(),
        ),
    ]
}

/// Returns the clients of `grpc.health.v1`.
fn grpc() -> Vec<Row> {
    let by = |clients, name, client| row(name, Well, Attack::by(clients, client));
    vec![
        by(LIMIT, "gRPC Check without end, 270", grpc::unfinished(1)),
        by(CROWD, "gRPC Check without end, 1000", grpc::unfinished(1)),
        by(
            CROWD,
            "gRPC Check without end, 1000 x 8",
            grpc::unfinished(http2::STREAMS),
        ),
        by(1, "gRPC Check of 4 MiB, 1 x 8", grpc::large_messages()),
        by(4, "gRPC Check of 4 MiB, 4 x 8", grpc::large_messages()),
        by(FAST, "gRPC Check of 4 MiB, 64 x 8", grpc::large_messages()),
        by(FAST, "gRPC Check, compressed", grpc::compressed()),
        by(FAST, "gRPC Check, many messages", grpc::many_messages()),
        by(CROWD, "gRPC Watch, 1000 x 8", grpc::watches(http2::STREAMS)),
        row(
            "gRPC Watch, 1000 x 8, 64 targets",
            Targets,
            Attack::by(CROWD, grpc::watches(http2::STREAMS)),
        ),
    ]
}

/// Returns the clients that send request after request, on new connections or on kept ones.
fn storms() -> Vec<Row> {
    let storm = |name, setting, path| {
        row(
            name,
            setting,
            Attack::without_pause(CROWD, http1::one_request(path)),
        )
    };
    let kept = |name, setting, path| row(name, setting, Attack::by(KEPT, http1::kept(path)));
    vec![
        storm("storm on /livez", Well, "/livez"),
        storm("storm on /health", Well, "/health"),
        storm("storm on /prestop", Well, "/prestop"),
        storm("storm on /statusz", Well, "/statusz"),
        storm("storm on /metrics", Well, "/metrics"),
        kept("storm on /prestop, kept", Well, "/prestop"),
        kept("storm on /statusz, kept", Well, "/statusz"),
        kept("storm on /metrics, kept", Well, "/metrics"),
        storm("storm on /health, 64 targets", Targets, "/health"),
        storm("storm on /prestop, 64 targets", Targets, "/prestop"),
        storm("storm on /statusz, 64 targets", Targets, "/statusz"),
        storm("storm on /metrics, 64 targets", Targets, "/metrics"),
        kept("storm on /statusz, kept, 64 targets", Targets, "/statusz"),
        kept("storm on /metrics, kept, 64 targets", Targets, "/metrics"),
        storm("storm on /prestop, registered", Registered, "/prestop"),
        kept(
            "storm on /prestop, kept, registered",
            Registered,
            "/prestop",
        ),
        storm(
            "storm on /prestop, API server hangs",
            ApiServerHangs,
            "/prestop",
        ),
    ]
}

#[tokio::test]
async fn no_client_costs_the_kubelet_its_answer() {
    // The clients, and those of the attack before whose ends are still being closed.
    descriptors::raise_limit(4 * CROWD).await;
    let wanted = std::env::var("MICRO_HEALTH_ROWS").unwrap_or_default();
    let rows = [slow(), fast(), grpc(), storms()].into_iter().flatten();
    let mut figures = Vec::new();
    for row in rows.filter(|row| row.name.contains(&wanted)) {
        let row = measure(&row).await;
        // Writes past the harness, which would show it at the end.
        let _ = writeln!(
            std::io::stderr(),
            "{}: {}",
            row.name,
            row.faults().join("; ")
        );
        figures.push(row);
    }
    assert!(!figures.is_empty(), "no row is called {wanted:?}");
    let (table, faults) = (report::text(&figures), report::faults(&figures));
    report::keep(&format!("{table}\n{faults}"));
    let _ = write!(std::io::stderr(), "\n{table}\n");
    assert!(faults.is_empty(), "\n{faults}");
}
