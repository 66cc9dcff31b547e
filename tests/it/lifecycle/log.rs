//! The log: one line for each change, with the reason and the remedy.

use std::process::Stdio;

use testkit::process::{self, Process, command};
use testkit::scripts::{debug_service, mucp, silent};
use testkit::service::{Count, Service};
use testkit::within;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::PROGRAM;

#[tokio::test]
async fn only_a_change_of_the_verdict_is_logged() {
    let (health, script) = debug_service(&Count::default());
    let service = Service::start(script).await;
    let mut sidecar = Process::start(PROGRAM, service.address, &[]).await;
    for _ in 0..100 {
        assert_eq!(sidecar.probe("/health").await.status, 200);
    }
    for status in ["degraded", "worse"] {
        health.set(status);
        for _ in 0..10 {
            assert_eq!(sidecar.probe("/health").await.status, 500);
        }
    }
    health.set("ok");
    assert_eq!(sidecar.probe("/health").await.status, 200);
    service.stop().await;
    assert_eq!(sidecar.probe("/health").await.status, 500);

    let log = sidecar.log(5).await;

    let reasons: Vec<_> = log.iter().map(|line| line["reason"].as_str()).collect();
    assert_eq!(
        reasons,
        [None, None, Some("not_serving"), None, Some("unreachable")],
        "{log:#?}"
    );
    for line in log.iter().filter(|line| line["reason"].is_string()) {
        assert!(
            line["to_do"].as_str().is_some_and(|to_do| to_do.len() > 20),
            "{line}"
        );
        assert!(
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("Service is unhealthy: "))
        );
    }
}

#[tokio::test]
async fn every_line_of_a_json_log_is_json() {
    let service = Service::start(silent()).await;
    let flags = ["--log_level=trace", "--check_timeout=100ms"];
    let mut sidecar = Process::start(PROGRAM, service.address, &flags).await;
    sidecar.probe("/health").await;
    service.replace_script(mucp());
    sidecar.probe("/health").await;
    sidecar.signal("TERM").await;
    sidecar.exit().await;
    for line in sidecar.log(4).await {
        assert!(line["message"].is_string(), "{line}");
    }
}

/// A name that would forge a line and clear the screen, with C0 and C1 control characters.
const FORGING: &str = "a\nINFO forged\r\u{1b}[2J\u{9b}2Jb";

/// Variables of the service that a sidecar mentions if it cannot use them.
const SHARED: [&str; 4] = [
    "MICRO_SERVER_ADDRESS",
    "MICRO_SERVER_METADATA",
    "MICRO_SERVER_NAME",
    "MICRO_SERVER_VERSION",
];

#[tokio::test]
async fn a_variable_cannot_split_a_line_of_the_log() {
    for format in ["text", "json"] {
        let mut command = command(PROGRAM);
        command
            .args([
                "--health_address=127.0.0.1:0",
                "--server_address=127.0.0.1:1",
                "--server_name=greeter",
                "--exit_after_failures=1",
                &format!("--log_format={format}"),
            ])
            // Each is worth a line of the log.
            .envs(SHARED.map(|name| (name, FORGING)))
            .stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        // The log must have the start line and the unhealthy verdict.
        while !log.contains("unhealthy") {
            let read = within("a line", stderr.read_line(&mut log)).await.unwrap();
            assert!(read > 0, "{log}");
        }
        process::signal(child.id().unwrap(), "TERM").await;
        within("the rest", stderr.read_to_string(&mut log))
            .await
            .unwrap();
        within("the exit", child.wait()).await.unwrap();

        let is_bad = |c: char| c.is_control() && c != '\n';
        assert!(!log.contains(is_bad), "{log:?}");
        for line in log.lines() {
            let is_event = line.starts_with(if format == "json" { '{' } else { '2' });
            assert!(is_event, "{line:?} in {log:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_could_split_a_line_is_refused() {
    let mut command = command(PROGRAM);
    let name = format!("--server_name={FORGING}");
    command.args(["--server_address=127.0.0.1:1", &name]);
    let output = within("a refusal", command.output()).await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let is_bad = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(is_bad) && !text.contains("\nINFO"), "{text}");
    assert!(
        text.contains("another control character in the name"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unusable_shared_variable_is_named_without_its_value() {
    let mut command = command(PROGRAM);
    command
        .args([
            "--health_address=127.0.0.1:0",
            "--server_address=127.0.0.1:1",
        ])
        .args(["--server_name=greeter", "--log_format=json"])
        .env("MICRO_REGISTRY_ADDRESS", "nats://user:hush@broker:4222")
        .env("MICRO_SERVER_METADATA", "hush")
        .env("MICRO_HEALTH_METADATA", "authorization=hush");
    let mut sidecar = Process::spawn(command).await;
    sidecar.signal("TERM").await;
    sidecar.exit().await;
    let log = format!("{:?}", sidecar.logged("Stopping").await);
    assert!(!log.contains("hush"), "{log}");
    #[cfg(feature = "kubernetes")]
    for name in ["MICRO_REGISTRY_ADDRESS", "MICRO_SERVER_METADATA"] {
        assert!(
            log.contains(&format!("Ignoring {name}: expected ")),
            "{log}"
        );
    }
}
