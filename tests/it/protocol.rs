//! The protocol of the check: `--protocol`, the detection of auto, and healthy answers.

use testkit::NAME;
use testkit::frames as h2;
use testkit::scripts::{self, cut, debug_service, http, mucp, read_request};
use testkit::service::{Count, Script, Service};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::operated::Operated;
use crate::sidecar::Sidecar;

type Make = fn() -> Script;

/// Returns a mucp service without Debug, as go-micro 4.8 and later serve it.
fn bare_mucp() -> Script {
    http(
        "Content-Type: application/json-rpc\r\nMicro-Error: rpc: can't find service Debug\r\n",
        "",
    )
}

async fn verdict(script: Script, flags: &[&str]) -> (u16, String) {
    let service = Service::start(script).await;
    let sidecar = Sidecar::start(service.address, flags).await;
    let (answer, reason) = sidecar.explain().await;
    (answer.status, reason)
}

#[tokio::test]
async fn each_protocol_finds_its_own_service_and_auto_finds_all() {
    const AUTO: &str = "--protocol=auto";
    const GRPC: &str = "--protocol=grpc";
    const MUCP: &str = "--protocol=mucp";
    const HEALTH: &str = "--protocol=grpc-health";
    let health = || scripts::grpc_health(&[NAME]);
    for (name, script, flag, expected) in [
        ("grpc", scripts::grpc(), AUTO, (200, "ok")),
        ("grpc", scripts::grpc(), GRPC, (200, "ok")),
        ("grpc", scripts::grpc(), MUCP, (500, "protocol")),
        ("grpc", scripts::grpc(), HEALTH, (500, "no_debug")),
        ("mucp", mucp(), AUTO, (200, "ok")),
        ("mucp", mucp(), GRPC, (500, "protocol")),
        ("mucp", mucp(), MUCP, (200, "ok")),
        ("mucp", mucp(), "--client=rpc", (200, "ok")),
        ("mucp", mucp(), HEALTH, (500, "protocol")),
        ("health", health(), AUTO, (200, "ok")),
        ("health", health(), GRPC, (500, "no_debug")),
        ("health", health(), MUCP, (500, "protocol")),
        ("health", health(), HEALTH, (200, "ok")),
    ] {
        let (status, reason) = verdict(script, &[flag]).await;
        assert_eq!((status, reason.as_str()), expected, "{name} {flag}");
    }
}

#[tokio::test]
async fn only_without_debug_healthy_accepts_any_answer_as_healthy() {
    for (name, script) in [("grpc", scripts::bare_grpc as Make), ("mucp", bare_mucp)] {
        for protocol in ["auto", name] {
            let flag = format!("--protocol={protocol}");
            assert_eq!(
                verdict(script(), &[&flag]).await,
                (500, "no_debug".into()),
                "{flag}"
            );
            let healthy = [flag.as_str(), "--without_debug=healthy"];
            assert_eq!(
                verdict(script(), &healthy).await,
                (200, "ok".into()),
                "{flag}"
            );
        }
    }
    // A service that cannot be checked at all stays unhealthy.
    for script in [
        http("Content-Type: text/html\r\n", "OK"),
        Script::new(async |stream| cut(stream)),
    ] {
        assert_eq!(verdict(script, &["--without_debug=healthy"]).await.0, 500);
    }
}

#[tokio::test]
async fn grpc_health_checks_the_name_and_then_the_whole_server() {
    for (serving, flags, expected) in [
        (&[NAME][..], &[][..], (200, "ok")),
        (&["", "other"], &[], (200, "ok")),
        (&["other"], &[], (500, "not_serving")),
        (&["other"], &["--health_service=other"], (200, "ok")),
        (
            &["", NAME],
            &["--health_service=other"],
            (500, "unknown_service"),
        ),
        (&[""], &["--health_service="], (200, "ok")),
    ] {
        for protocol in ["--protocol=grpc-health", "--protocol=auto"] {
            let flags = [&[protocol], flags].concat();
            let (status, reason) = verdict(scripts::grpc_health(serving), &flags).await;
            assert_eq!((status, reason.as_str()), expected, "{serving:?} {flags:?}");
        }
    }
}

#[tokio::test]
async fn a_name_of_any_characters_is_sent() {
    for name in [
        "go.micro.srv.greeter",
        "team/greeter",
        "gree ter",
        "grüßer",
        "挨拶",
        "a%2Fb",
        "a?b#c",
        "\"",
        "{}",
    ] {
        let flag = format!("--server_name={name}");
        for (script, protocol) in [(scripts::grpc(), "grpc"), (mucp(), "mucp")] {
            let protocol = format!("--protocol={protocol}");
            let answer = verdict(script, &[&flag, &protocol]).await;
            assert_eq!(answer, (200, "ok".into()), "{name} {protocol}");
        }
        let answer = verdict(
            scripts::grpc_health(&[name]),
            &[&flag, "--protocol=grpc-health"],
        )
        .await;
        assert_eq!(answer, (200, "ok".into()), "{name}");
    }
}

#[tokio::test]
async fn a_detected_protocol_is_used_at_once_the_next_time() {
    let calls = Count::default();
    for (name, script, detecting) in [("grpc", debug_service(&calls).1, 2), ("mucp", mucp(), 1)] {
        let mut service = Service::start(script).await;
        let sidecar = Sidecar::start(service.address, &[]).await;
        assert_eq!(sidecar.probe("/health").await.status, 200);
        service.has_accepted(detecting).await;

        for _ in 0..5 {
            assert_eq!(sidecar.probe("/health").await.status, 200);
        }

        // gRPC keeps its connection; mucp opens one for each check.
        let more = if name == "grpc" { 0 } else { 5 };
        assert_eq!(service.accepted(), detecting + more, "{name}");
    }
    assert_eq!(calls.get(), 6);
}

#[tokio::test]
async fn another_program_on_the_port_is_detected_at_the_next_probe() {
    let well: [(&str, Make); 3] = [
        ("grpc", scripts::grpc),
        ("mucp", mucp),
        ("health", || scripts::grpc_health(&[NAME])),
    ];
    for (before, first) in well {
        for (after, second) in well {
            let service = Service::start(first()).await;
            let sidecar = Sidecar::start(service.address, &[]).await;
            assert_eq!(sidecar.probe("/health").await.status, 200, "{before}");
            let refused = service.stop().await;
            assert_eq!(sidecar.explain().await.1, "unreachable", "{before}");

            let service = Service::start_at(refused, second());

            let answer = sidecar.explain().await;
            assert_eq!(answer.1, "ok", "{before}, then {after}");
            drop(service);
        }
    }
}

#[tokio::test]
async fn a_broken_grpc_service_has_the_reason_of_its_fault() {
    let head = |status| h2::headers(h2::END_STREAM, h2::FIRST, &[(":status", status)]);
    for (bad, text) in [
        (h2::reset(h2::FIRST, 2), "stream error"),
        (h2::reset(h2::FIRST, 8), "stream error"),
        (head("503"), "503"),
        (head("404"), "404"),
    ] {
        for (name, well) in [
            ("grpc", scripts::grpc()),
            ("health", scripts::grpc_health(&[NAME])),
        ] {
            let service = Service::start(well).await;
            let address = format!("--server_address={}", service.address);
            let sidecar = Operated::start(&[address]).await;
            sidecar.is_healthy(name).await;

            service.replace_script(scripts::call_answered_by(bad.clone()));

            // The first probe detects the protocol, the second remembers it.
            for _ in 0..2 {
                let context = format!("{name} {text}");
                sidecar.is_unhealthy(&context, "protocol", 500, text).await;
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_guess_of_the_protocol_is_not_the_reason() {
    // A service that closes before any byte may be a gRPC server; this one answers HTTP/2 in
    // HTTP/1.1.
    let service = Service::start(Script::new(async |mut stream: TcpStream| {
        if scripts::speaks_http2(&mut stream).await {
            let bad_request = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = stream.write_all(bad_request).await;
            scripts::until_closed(&mut stream).await;
        } else {
            read_request(&mut stream).await;
        }
    }))
    .await;
    let address = format!("--server_address={}", service.address);
    let sidecar = Operated::start(&[address]).await;
    for _ in 0..2 {
        let text = "closed without an answer";
        sidecar.is_unhealthy("auto", "unreachable", 503, text).await;
    }
}

#[tokio::test]
async fn a_failed_hint_or_memory_is_not_tried_first_forever() {
    // This mucp service never answers HTTP/2's preface.
    let silent_on_http2 = || {
        Script::new(async |mut stream: TcpStream| {
            if scripts::speaks_http2(&mut stream).await {
                scripts::until_closed(&mut stream).await;
            } else {
                mucp().play(stream).await;
            }
        })
    };
    let service = Service::start(silent_on_http2()).await;
    for hint in ["--server=grpc", "--protocol=auto"] {
        let flags = ["--check_timeout=200ms", hint];
        let sidecar = Sidecar::start(service.address, &flags).await;
        if hint == "--protocol=auto" {
            service.replace_script(scripts::grpc());
            assert_eq!(sidecar.probe("/health").await.status, 200, "{hint}");
            // The port gets another service, and the kept connection is cut.
            service.replace_script(silent_on_http2());
        }
        let (answer, reason) = sidecar.explain().await;
        assert_eq!(
            (answer.status, reason.as_str()),
            (500, "deadline"),
            "{hint}"
        );
        for _ in 0..2 {
            let answer = sidecar.probe("/health").await;
            assert_eq!(answer.status_and_body(), (200, "OK"), "{hint}");
        }
    }
}

#[tokio::test]
async fn a_hinted_service_that_was_slow_once_is_detected_again() {
    // This port serves both: HTTP/1.1 gets an answer that is not mucp's.
    let both = Script::new(async |mut stream: TcpStream| {
        if scripts::speaks_http2(&mut stream).await {
            scripts::grpc().play(stream).await;
        } else {
            http("Content-Type: text/html\r\n", "OK").play(stream).await;
        }
    });
    let service = Service::start(scripts::silent()).await;
    let flags = ["--check_timeout=200ms", "--server=grpc"];
    let sidecar = Sidecar::start(service.address, &flags).await;
    assert_eq!(sidecar.explain().await.1, "deadline");

    service.replace_script(both);

    for _ in 0..2 {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
}

#[tokio::test]
async fn a_web_server_is_never_healthy() {
    let json = r#"{"id":"1","result":{"status":"ok"},"error":null}"#;
    for (head, body) in [
        ("Content-Type: text/html\r\n", "<h1>It works!</h1>"),
        ("Content-Type: text/plain\r\n", "OK"),
        ("Content-Type: application/json\r\n", json),
        ("", json),
        ("Content-Type: application/json-rpc\r\n", "OK"),
        ("Content-Type: application/json-rpc\r\n", r#"{"result":{}}"#),
        ("Content-Type: application/json-rpc\r\n", ""),
    ] {
        for protocol in ["--protocol=auto", "--protocol=mucp"] {
            let (status, reason) = verdict(http(head, body), &[protocol]).await;
            assert_eq!(status, 500, "{head} {body} {protocol}");
            assert!(
                ["protocol", "not_serving"].contains(&reason.as_str()),
                "{reason}"
            );
        }
    }
}

#[tokio::test]
async fn auto_tries_grpc_only_after_settings_or_a_close_without_bytes() {
    for (answer, expected) in [
        // A gRPC server may close without sending any byte.
        (&b""[..], 2),
        (&[0, 0, 0, 4, 0, 0, 0, 0, 0], 2),
        (b"H", 1),
        (b"HTTP/1.1 200 OK\r\n", 1),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 1),
        (&[0, 0, 0, 4], 1),
    ] {
        let service = Service::start(Script::new(move |mut stream| async move {
            if scripts::speaks_http2(&mut stream).await {
                return;
            }
            read_request(&mut stream).await;
            let _ = stream.write_all(answer).await;
        }))
        .await;
        let sidecar = Sidecar::start(service.address, &[]).await;
        assert_eq!(sidecar.probe("/health").await.status, 500);
        assert_eq!(service.accepted(), expected, "{answer:?}");
    }
}
