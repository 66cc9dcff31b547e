//! The recorded answers of real go-micro releases, and the requests of the sidecar, byte for
//! byte.

use testkit::scripts::{self, answering, read_request};
use testkit::service::{Script, Service};
use tokio::io::AsyncWriteExt as _;

use self::recording::{grpc, mucp};
use crate::sidecar::Sidecar;

mod recording;
mod sent;

/// Asserts that every recording in a folder is in the table of its test.
fn assert_all_are_played(folder: &str, played: &[&str]) {
    for name in recording::names(folder) {
        assert!(
            played.contains(&name.as_str()),
            "{folder}/{name} is never played"
        );
    }
}

#[tokio::test]
async fn recorded_grpc_answers_have_their_verdicts() {
    let table = [
        ("ok-v1.8.hex", "ok"),
        ("ok-v1.18.hex", "ok"),
        ("degraded.hex", "not_serving"),
        ("empty.hex", "not_serving"),
        ("no-debug.hex", "no_debug"),
        ("no-debug-v1.8.hex", "no_debug"),
        ("error-503-v1.18.hex", "not_serving"),
        ("error-503-v2.9.hex", "not_serving"),
        ("plain-error.hex", "not_serving"),
        ("panic.hex", "not_serving"),
        ("bad-path.hex", "not_serving"),
        ("http-415.hex", "not_serving"),
        ("reset-2.hex", "protocol"),
        ("h2c-lost.hex", "protocol"),
        ("hang.hex", "deadline"),
        ("http1.hex", "unreachable"),
    ];
    for (name, expected) in table {
        let service = Service::start(grpc(name)).await;
        let flags = ["--protocol=grpc", "--check_timeout=300ms"];
        let sidecar = Sidecar::start(service.address, &flags).await;
        let (answer, reason) = sidecar.explain().await;
        assert_eq!(reason, expected, "{name}");
        assert_eq!(answer.status == 200, expected == "ok", "{name}");
    }
    assert_all_are_played("grpc", &table.map(|(name, _)| name));
}

#[tokio::test]
async fn recorded_mucp_answers_have_their_verdicts() {
    let table = [
        ("ok.http", "ok"),
        ("degraded.http", "not_serving"),
        ("empty.http", "not_serving"),
        ("no-debug.http", "no_debug"),
        ("no-method.http", "no_debug"),
        ("error-503.http", "not_serving"),
        ("plain-error.http", "not_serving"),
        ("unsupported-v1.8.http", "protocol"),
        ("unsupported-v4.10.http", "protocol"),
        ("redirect.http", "protocol"),
        ("https.http", "tls"),
    ];
    for (name, expected) in table {
        let service = Service::start(answering(mucp(name))).await;
        for protocol in ["mucp", "auto"] {
            let flag = format!("--protocol={protocol}");
            let sidecar = Sidecar::start(service.address, &[&flag]).await;
            let (answer, reason) = sidecar.explain().await;
            assert_eq!(reason, expected, "{name} {protocol}");
            assert_eq!(answer.status == 200, expected == "ok", "{name}");
        }
    }
    assert_all_are_played("mucp", &table.map(|(name, _)| name));
}

#[tokio::test]
async fn the_services_own_message_reaches_the_operator() {
    for (script, protocol, words) in [
        (
            grpc("error-503-v2.9.hex"),
            "grpc",
            "Unavailable: no database (503, db.down)",
        ),
        (
            answering(mucp("error-503.http")),
            "mucp",
            "no database (503, db.down)",
        ),
        (grpc("degraded.hex"), "grpc", "status \\\"degraded\\\""),
        (
            answering(mucp("degraded.http")),
            "mucp",
            "status \\\"degraded\\\"",
        ),
    ] {
        let service = Service::start(script).await;
        let flags = [&format!("--protocol={protocol}"), "--expose_errors"];
        let sidecar = Sidecar::start(service.address, &flags).await;
        let mut connection = sidecar.connect().await;
        connection
            .send("GET /health HTTP/1.1\r\nAccept: application/health+json\r\n\r\n")
            .await;
        let answer = connection.answer().await;
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_answer_cut_anywhere_is_unreachable_and_never_healthy() {
    let whole = mucp("ok.http");
    for length in (1..whole.len()).step_by(23) {
        let cut = whole[..length].to_vec();
        let service = Service::start(Script::new(move |mut stream| {
            let cut = cut.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&cut).await;
            }
        }))
        .await;
        for protocol in ["mucp", "auto"] {
            let flag = format!("--protocol={protocol}");
            let sidecar = Sidecar::start(service.address, &[&flag]).await;
            assert_eq!(
                sidecar.explain().await.1,
                "unreachable",
                "{length} {protocol}"
            );
        }
    }
}

#[tokio::test]
async fn auto_finds_grpc_behind_the_reset_of_an_http_1_request() {
    for name in ["ok-v1.8.hex", "ok-v1.18.hex"] {
        // The first connection speaks HTTP/1.1 and is reset, as recorded.
        let service = Service::start(grpc("http1.hex")).await;
        let sidecar = Sidecar::start(service.address, &[]).await;
        assert_eq!(sidecar.explain().await.1, "unreachable");
        service.replace_script(either(grpc("http1.hex"), grpc(name)));
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK"),
            "{name}"
        );
    }
}

/// Returns a script that runs one of two scripts, by the client's protocol.
fn either(http1: Script, http2: Script) -> Script {
    Script::new(move |mut stream| {
        let (http1, http2) = (http1.clone(), http2.clone());
        async move {
            let http2_spoken = scripts::speaks_http2(&mut stream).await;
            let script = if http2_spoken { http2 } else { http1 };
            script.play(stream).await;
        }
    })
}
