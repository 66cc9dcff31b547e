//! The load of the service: probes join the check in flight, gRPC keeps one connection, mucp has
//! one for each check, and a restart costs no probe.

use std::sync::Arc;

use futures_util::future;
use micro_health::internal::MAX_AGE;
use testkit::client::{Connection, get};
use testkit::frames as h2;
use testkit::scripts::{self, debug_service, mucp, read_request, silent};
use testkit::service::{Count, Script, Service};
use testkit::within;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time;

use crate::sidecar::Sidecar;

/// A mucp service that answers when the gate opens.
fn gated(gate: watch::Receiver<bool>, calls: &Count) -> Script {
    let calls = calls.clone();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: {}\r\n\r\n{}",
        scripts::HEALTHY_MUCP.len(),
        scripts::HEALTHY_MUCP
    );
    let answer: Arc<str> = answer.into();
    Script::new(move |mut stream| {
        let (mut gate, calls, answer) = (gate.clone(), calls.clone(), Arc::clone(&answer));
        async move {
            if read_request(&mut stream).await.is_some() {
                calls.add();
                let _ = gate.wait_for(|open| *open).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                scripts::until_closed(&mut stream).await;
            }
        }
    })
}

/// Returns this many connections whose requests have all been read.
async fn asking(sidecar: &Sidecar, count: usize) -> Vec<Connection> {
    let mut asking = Vec::new();
    for _ in 0..count {
        let mut connection = sidecar.connect().await;
        connection.send(get("/health")).await;
        asking.push(connection);
    }
    // These are accepted later, so they are answered after the others have been read.
    for _ in 0..2 {
        assert_eq!(sidecar.probe("/livez").await.status, 200);
    }
    asking
}

#[tokio::test]
async fn fifty_probes_at_once_share_one_check() {
    let (open, gate) = watch::channel(false);
    let calls = Count::default();
    let service = Service::start(gated(gate, &calls)).await;
    let flags = ["--protocol=mucp", "--check_timeout=5s"];
    let sidecar = Sidecar::start(service.address, &flags).await;
    let mut probes = asking(&sidecar, 50).await;

    open.send(true).unwrap();

    for probe in &mut probes {
        assert_eq!(probe.answer().await.status_and_body(), (200, "OK"));
    }
    assert_eq!((calls.get(), service.accepted()), (1, 1));
    // The next probe is a check of its own.
    assert_eq!(sidecar.probe("/health").await.status, 200);
    assert_eq!(calls.get(), 2);
}

#[tokio::test]
async fn a_late_probe_gets_the_verdict_of_the_check_in_flight() {
    let mut service = Service::start(silent()).await;
    let flags = ["--protocol=mucp", "--check_timeout=300ms"];
    let sidecar = Sidecar::start(service.address, &flags).await;
    let late = async {
        service.has_accepted(1).await;
        sidecar.probe("/health").await
    };
    let (first, late) = tokio::join!(sidecar.probe("/health"), late);
    for answer in [&first, &late] {
        assert_eq!(answer.status_and_body(), (500, "NOT_HEALTHY"));
    }
    assert!(late.took <= first.took, "{:?} {:?}", late.took, first.took);
    assert_eq!(service.accepted(), 1);
}

#[tokio::test]
async fn a_leaving_prober_does_not_end_the_check() {
    let (open, gate) = watch::channel(false);
    let calls = Count::default();
    let service = Service::start(gated(gate, &calls)).await;
    let flags = ["--protocol=mucp", "--check_timeout=5s"];
    let sidecar = Sidecar::start(service.address, &flags).await;
    let mut probes = asking(&sidecar, 3).await;

    // The first, which began the check, resets; the second ends.
    probes[0].set_linger(std::time::Duration::ZERO);
    drop(probes.drain(..2));
    assert_eq!(sidecar.probe("/livez").await.status, 200);
    open.send(true).unwrap();

    assert_eq!(probes[0].answer().await.status_and_body(), (200, "OK"));
    assert_eq!(calls.get(), 1);
}

#[tokio::test]
async fn a_check_goes_on_without_its_callers_and_others_join_it() {
    let (open, gate) = watch::channel(false);
    let calls = Count::default();
    let service = Service::start(gated(gate, &calls)).await;
    let flags = ["--protocol=mucp", "--check_timeout=5s"];
    let sidecar = Sidecar::start(service.address, &flags).await;
    // Over HTTP/1.1 a client that has left looks like one that has half-closed.
    let stream = tokio::net::TcpStream::connect(sidecar.address)
        .await
        .unwrap();
    let (requests, connection) = ::h2::client::handshake(stream).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let ask = || http::Request::get("http://a/health").body(()).unwrap();
    for _ in 0..10 {
        requests = requests.ready().await.unwrap();
        let (answer, _) = requests.send_request(ask(), true).unwrap();
        calls.reaches(1).await;
        // The request is reset before its answer.
        drop(answer);
        assert_eq!(sidecar.probe("/livez").await.status, 200);
    }
    driving.abort();
    let mut probes = asking(&sidecar, 1).await;

    open.send(true).unwrap();

    assert_eq!(probes[0].answer().await.status_and_body(), (200, "OK"));
    assert_eq!((calls.get(), service.accepted()), (1, 1));
}

#[tokio::test]
async fn grpc_keeps_one_connection_with_one_call_for_each_probe() {
    const PROBES: usize = 100;
    let calls = Count::default();
    let service = Service::start(debug_service(&calls).1).await;
    let sidecar = Sidecar::start(service.address, &["--protocol=grpc"]).await;
    for _ in 0..PROBES {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
    assert_eq!((service.accepted(), calls.get()), (1, PROBES));
}

#[tokio::test]
async fn mucp_opens_and_closes_a_connection_for_each_check() {
    const PROBES: usize = 20;
    let (began, ended) = (Count::default(), Count::default());
    let counts = (began.clone(), ended.clone());
    let script = mucp();
    let service = Service::start(Script::new(move |stream| {
        let ((began, ended), script) = (counts.clone(), script.clone());
        async move {
            began.add();
            script.play(stream).await;
            ended.add();
        }
    }))
    .await;
    let sidecar = Sidecar::start(service.address, &["--protocol=mucp"]).await;
    for _ in 0..PROBES {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
    ended.reaches(PROBES).await;
    assert_eq!(began.get(), PROBES);
}

#[tokio::test]
async fn a_restart_costs_no_probe() {
    for protocol in ["--protocol=grpc", "--protocol=auto"] {
        let calls = Count::default();
        let script = debug_service(&calls).1;
        let service = Service::start(script.clone()).await;
        let sidecar = Sidecar::start(service.address, &[protocol]).await;
        assert_eq!(sidecar.probe("/health").await.status, 200);
        // The connection is cut while it is in use, and the service is restarted.
        for _ in 0..10 {
            service.replace_script(script.clone());
            assert_eq!(
                sidecar.probe("/health").await.status_and_body(),
                (200, "OK"),
                "{protocol}"
            );
        }
        let address = service.stop().await;
        let _service = Service::start_at(address, script);
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK"),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn a_service_that_sends_goaway_is_called_on_a_new_connection() {
    // A gRPC server sends these frames on a kept connection when it stops gracefully.
    let ok = h2::answer(h2::FIRST, &h2::message(b"\x0a\x02ok"));
    for (name, goodbye) in [
        ("GOAWAY", h2::go_away(h2::FIRST, 0)),
        ("GOAWAY of an age", h2::go_away(h2::FIRST, 11)),
        (
            "two of them",
            [h2::go_away(u32::MAX >> 1, 0), h2::go_away(h2::FIRST, 0)].concat(),
        ),
    ] {
        let script = scripts::call_answered_by([ok.clone(), goodbye].concat());
        let service = Service::start(script).await;
        let sidecar = Sidecar::start(service.address, &["--protocol=grpc"]).await;
        for probe in 1..=5 {
            assert_eq!(
                sidecar.probe("/health").await.status_and_body(),
                (200, "OK"),
                "{name}"
            );
            assert_eq!(service.accepted(), probe, "{name}");
        }
    }
}

#[tokio::test]
async fn a_dead_kept_connection_costs_one_probe() {
    // This service answers one call on each connection, then nothing, as after a lost route.
    let ok = h2::answer(h2::FIRST, &h2::message(b"\x0a\x02ok"));
    let service = Service::start(scripts::call_answered_by(ok)).await;
    let flags = ["--protocol=grpc", "--check_timeout=200ms"];
    let sidecar = Sidecar::start(service.address, &flags).await;
    for status in [200, 500, 200, 500, 200] {
        assert_eq!(sidecar.probe("/health").await.status, status);
    }
}

#[tokio::test]
async fn a_service_that_no_longer_listens_becomes_unhealthy() {
    let calls = Count::default();
    let mut service = Service::start(debug_service(&calls).1).await;
    let sidecar = Sidecar::start(service.address, &["--protocol=grpc"]).await;
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK")
    );

    // It answers on the kept connection while new clients are refused.
    service.stop_listening().await;
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK")
    );
    grow_old().await;

    let (answer, reason) = sidecar.explain().await;
    assert_eq!(answer.status_and_body(), (500, "NOT_HEALTHY"));
    assert_eq!(reason, "unreachable");
}

#[tokio::test]
async fn a_kept_connection_is_replaced_at_its_age_without_a_lost_probe() {
    let calls = Count::default();
    let service = Service::start(debug_service(&calls).1).await;
    let sidecar = Sidecar::start(service.address, &["--protocol=grpc"]).await;
    for connections in 1..=3 {
        for _ in 0..3 {
            assert_eq!(
                sidecar.probe("/health").await.status_and_body(),
                (200, "OK")
            );
        }
        assert_eq!(service.accepted(), connections);
        grow_old().await;
    }
    assert_eq!(calls.get(), 9);
}

/// Lets the time pass for which a gRPC connection is kept.
async fn grow_old() {
    time::pause();
    time::advance(MAX_AGE).await;
    time::resume();
}

#[tokio::test]
async fn a_refused_call_is_made_again_on_a_new_connection() {
    // This service answers the first call of its first connection and refuses the second.
    let connections = Count::default();
    let counted = connections.clone();
    let service = Service::start(Script::new(move |mut stream| {
        let connections = counted.clone();
        async move {
            connections.add();
            if connections.get() > 1 {
                return scripts::grpc().play(stream).await;
            }
            let _ = stream.write_all(&h2::settings(&[])).await;
            let Some(received) = h2::read_call(&mut stream).await else {
                return;
            };
            let ok = h2::answer(h2::FIRST, &h2::message(b"\x0a\x02ok"));
            let _ = stream.write_all(&ok).await;
            let second = h2::FIRST + 2;
            if h2::read_call_on(&mut stream, received, second)
                .await
                .is_some()
            {
                let _ = stream.write_all(&h2::reset(second, 7)).await;
            }
            scripts::until_closed(&mut stream).await;
        }
    }))
    .await;
    let sidecar = Sidecar::start(service.address, &["--protocol=grpc"]).await;
    for connections in [1, 2, 2] {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
        assert_eq!(service.accepted(), connections);
    }
}

#[tokio::test]
async fn load_alone_never_makes_a_service_unhealthy() {
    let calls = Count::default();
    let service = Service::start(debug_service(&calls).1).await;
    let sidecar = Sidecar::start(service.address, &["--protocol=grpc"]).await;
    let probes = future::join_all((0..500).map(|_| async {
        let mut connection = sidecar.connect().await;
        connection.send(get("/health")).await;
        connection.answer().await
    }));
    for answer in within("the answers", probes).await {
        assert_eq!(answer.status_and_body(), (200, "OK"));
    }
    assert!(calls.get() < 500, "{}", calls.get());
}
