//! The process from start to exit: the real binary as an operator runs it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use serde_json::Value;
use testkit::process::{Process, command};
use testkit::scripts;
use testkit::service::Service;
use testkit::{NAME, kubelet, within};
use tokio::net::TcpListener;

use crate::PROGRAM;

mod log;
mod stop;

/// Runs `health` to its end and returns exit code, stdout and stderr.
async fn run(flags: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = command(PROGRAM);
    command.args(flags).envs(variables.iter().copied());
    let output = within("health to end", command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("health must exit by itself");
    (code, text(output.stdout), text(output.stderr))
}

/// Returns an address where nothing listens.
async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn probes_are_answered_before_the_service_is_up() {
    let address = nowhere().await;
    let sidecar = Process::start(PROGRAM, address, &[]).await;
    assert_eq!(sidecar.probe("/livez").await.status, 200);
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (500, "NOT_HEALTHY")
    );
    let _service = Service::start_at(address, scripts::grpc());
    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK")
    );
}

#[tokio::test]
async fn a_taken_port_is_named_and_exits_with_1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let address = format!("--health_address={taken}");
    let flags = [address.as_str(), "--server_name=a", "--server_address=:1"];

    let (code, stdout, stderr) = run(&flags, &[]).await;

    assert_eq!(code, 1, "{stderr}");
    assert!(
        stdout.is_empty() && stderr.contains(&taken) && stderr.contains("in use"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_usage_error_exits_with_2_before_listening() {
    // On a taken port it would exit with 1 if it tried to listen.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("--health_address={}", taken.local_addr().unwrap());
    for (flags, variables, named) in [
        (&[][..], &[][..], "--server_name"),
        (&["--server_name=a"], &[], "--server_address"),
        (&["--server_name=a", "--server_address=b"], &[], "'b'"),
        (
            &[
                "--server_name=a",
                "--server_address=:1",
                "--check_timeout=5",
            ],
            &[],
            "'5'",
        ),
        (
            &["--server_name=a", "--server_address=:1", "--unheard_of"],
            &[],
            "unheard",
        ),
        (
            &["--server_name=a", "--server_address=:1"],
            &[("MICRO_HEALTH_PROTOCOL", "x")],
            "MICRO_HEALTH_PROTOCOL",
        ),
    ] {
        let flags = [&[address.as_str()], flags].concat();
        let (code, stdout, stderr) = run(&flags, variables).await;
        assert_eq!(code, 2, "{flags:?}: {stderr}");
        assert!(
            stdout.is_empty() && stderr.contains(named),
            "{flags:?}: {stderr}"
        );
    }
}

#[tokio::test]
async fn version_and_help_go_to_stdout_and_exit_with_0() {
    let (code, stdout, _) = run(&["--version"], &[]).await;
    assert_eq!(
        (code, stdout.trim_end()),
        (0, &*format!("health {}", micro_health::VERSION))
    );
    assert!(
        stdout.contains("(commit ") && stdout.contains(", features: "),
        "{stdout}"
    );
    let (code, stdout, _) = run(&["--help"], &[]).await;
    assert!(code == 0 && stdout.contains("--check_timeout"), "{stdout}");
}

#[tokio::test]
async fn process_start_time_is_not_the_time_of_the_first_scrape() {
    let seconds = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_secs_f64()
    };
    let before = seconds();
    let sidecar = Process::start(PROGRAM, nowhere().await, &[]).await;
    let running = seconds();

    let metrics = sidecar.probe("/metrics").await.body;

    let mut lines = metrics.lines();
    let started = lines.find_map(|line| line.strip_prefix("process_start_time_seconds "));
    let started: f64 = started.unwrap().parse().unwrap();
    assert!(
        before <= started && started <= running,
        "{before} {started} {running}"
    );
}

#[tokio::test]
async fn variables_stand_in_for_flags() {
    let service = Service::start(scripts::grpc_health(&["other"])).await;
    let address = service.address.to_string();
    let mut command = command(PROGRAM);
    command.args(["--protocol=grpc-health"]).envs([
        ("MICRO_SERVER_NAME", "ours"),
        ("MICRO_SERVER_ADDRESS", address.as_str()),
        ("MICRO_HEALTH_ADDRESS", "127.0.0.1:0"),
        ("MICRO_HEALTH_LOG_FORMAT", "json"),
        ("MICRO_HEALTH_PROTOCOL", "mucp"),
        ("MICRO_HEALTH_SERVICE", "other"),
        ("MICRO_HEALTH_CHECK_TIMEOUT", "1500ms"),
        ("MICRO_REGISTRY", "kubernetes"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ]);
    let mut sidecar = Process::spawn(command).await;

    assert_eq!(
        sidecar.probe("/health").await.status_and_body(),
        (200, "OK")
    );

    let log = sidecar.log(4).await;
    let start = log
        .iter()
        .find(|line| line["health_address"].is_string())
        .unwrap();
    for (field, value) in [
        ("server_name", "ours"),
        ("server_address", address.as_str()),
        // The flag wins.
        ("protocol", "grpc-health"),
        ("check_timeout", "1.5s"),
    ] {
        assert_eq!(start[field], Value::from(value), "{start}");
    }
    let warned = |text: &str| {
        let mut messages = log.iter().filter_map(|line| line["message"].as_str());
        assert!(
            messages.any(|message| message.contains(text)),
            "{text}: {log:#?}"
        );
    };
    warned("The kubelet cannot reach");
    warned("timeoutSeconds");
}

#[tokio::test]
async fn a_wildcard_listens_on_both_families() {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0))
        .await
        .expect("this test needs IPv6 on the loopback interface");
    for address in [":0", "0.0.0.0:0", "[::]:0"] {
        let service = Service::start(scripts::grpc()).await;
        let mut command = command(PROGRAM);
        command.args([
            format!("--health_address={address}"),
            "--log_format=json".to_owned(),
            format!("--server_name={NAME}"),
            format!("--server_address={}", service.address),
        ]);
        let sidecar = Process::spawn(command).await;
        let port = sidecar.address.port();
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        assert_eq!(
            kubelet::probe(v4, "/health").await.status_and_body(),
            (200, "OK"),
            "{address}"
        );
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        assert_eq!(
            kubelet::probe(v6, "/health").await.status_and_body(),
            (200, "OK"),
            "{address}"
        );
    }
}
