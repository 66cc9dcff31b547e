//! `health probe` as Docker, exec probes and scripts run it: the real binary, under each of its
//! names.

mod exit_code;
pub mod service;
mod stand_in;

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, timeout};

use self::service::{grpc, refusing};

use crate::PROGRAM;

/// Bounds every await.
const PATIENCE: Duration = Duration::from_secs(10);

/// The results of a run.
#[derive(Debug)]
struct RunOutput {
    code: i32,
    out: String,
    err: String,
    took: Duration,
}

/// Runs the binary under a name.
async fn run_as(name: &str, args: &[&str], variables: &[(&str, &str)]) -> RunOutput {
    let folder = tempfile::tempdir().expect("a folder must be creatable");
    let path = folder.path().join(name);
    symlink(PROGRAM, &path).expect("the folder must be empty");
    let mut command = Command::new(path);
    command
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let started = Instant::now();
    let output = timeout(PATIENCE, command.output()).await;
    let output = output
        .expect("it must end")
        .expect("cargo must have built it");
    RunOutput {
        code: output.status.code().expect("it must exit"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
        took: started.elapsed(),
    }
}

/// Runs `health probe` on the service at an address.
async fn probe(address: SocketAddr, args: &[&str]) -> RunOutput {
    let address = format!("--server_address={address}");
    let args = [&["probe", "--server_name=greeter", &address], args].concat();
    run_as("health", &args, &[]).await
}

#[tokio::test]
async fn the_output_follows_quiet_verbose_and_output() {
    let (well, _) = grpc("ok").await;
    let quiet = probe(well, &["-q"]).await;
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    let verbose = probe(well, &["-v"]).await;
    assert!(verbose.err.contains("Service is healthy"), "{verbose:?}");
    let ran = probe(refusing().await, &["-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&json["healthy"], &json["reason"], &json["exit_code"]),
        (&false.into(), &"unreachable".into(), &2.into()),
        "{json}"
    );
}

#[tokio::test]
async fn a_name_cannot_split_the_line_of_any_tool() {
    const FORGING: &str = "a\nstatus: SERVING\r\u{1b}[2J\u{9b}2Jb";
    let (well, _) = grpc("ok").await;
    let refusing = refusing().await;
    let socket = format!("unix:/nowhere/{FORGING}");
    let name = "--server_name=greeter";
    let service = format!("-service={FORGING}");
    for address in [well.to_string(), refusing.to_string(), socket] {
        let at = format!("--server_address={address}");
        let addr = format!("-addr={address}");
        for (tool, args) in [
            ("health", &["probe", name, &at][..]),
            ("health", &["probe", name, &at, "-o", "json"]),
            ("health", &["probe", name, &at, "-v"]),
            ("probe", &[name, &at]),
            ("grpc_health_probe", &[&service, &addr]),
            ("grpc_health_probe", &[&service, &addr, "-v"]),
        ] {
            let ran = run_as(tool, args, &[]).await;
            let output = [ran.out.as_str(), ran.err.as_str()].concat();
            let is_bad = |c: char| c.is_control() && c != '\n';
            assert!(
                !output.contains(is_bad) && !output.contains("\nstatus: SERVING"),
                "{tool} {args:?}: {ran:?}"
            );
            let lines = output.lines().count();
            let is_verbose = args.contains(&"-v");
            assert!(lines == 1 || is_verbose, "{tool} {args:?}: {ran:?}");
        }
    }
    // go-micro's tools refuse such a name, and show it on one line.
    let (name, at) = (
        format!("--server_name={FORGING}"),
        format!("--server_address={well}"),
    );
    for (tool, args) in [
        ("health", &["probe", &name, &at][..]),
        ("probe", &[&name, &at]),
    ] {
        let ran = run_as(tool, args, &[]).await;
        let is_bad = |c: char| c.is_control() && c != '\n';
        assert_eq!((ran.code, &*ran.out), (1, ""), "{tool}: {ran:?}");
        assert!(
            ran.err.contains("another control character in the name")
                && !ran.err.contains(is_bad)
                && !ran.err.contains("\nstatus: SERVING"),
            "{tool}: {ran:?}"
        );
    }
}

#[tokio::test]
async fn an_unread_line_does_not_change_the_exit_code() {
    let (well, _) = grpc("ok").await;
    let status = Command::new("sh")
        .args([
            "-c",
            "\"$0\" probe --server_name=greeter --server_address=$1 >&-",
        ])
        .args([PROGRAM, &well.to_string()])
        .status();
    assert!(timeout(PATIENCE, status).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn usage_errors_exit_with_1_and_help_with_0() {
    for (name, args, code, part) in [
        (
            "health",
            &["probe"][..],
            1,
            "for example: health probe --server_name=greeter",
        ),
        ("health", &["probe", "--nonsense"], 1, "--nonsense"),
        ("health", &["--nonsense"], 2, "--nonsense"),
        ("probe", &["--nonsense"], 1, "--nonsense"),
        ("probe", &[], 1, "--server_name"),
        ("grpc_health_probe", &[], 1, "--addr"),
        (
            "grpc-health-probe",
            &["-addr=:1", "-tls-no-verify"],
            1,
            "specified -tls-no-verify without specifying -tls",
        ),
    ] {
        let ran = run_as(name, args, &[]).await;
        assert_eq!(ran.code, code, "{name} {args:?}: {ran:?}");
        assert!(
            ran.err.contains(part) && ran.out.is_empty(),
            "{part}: {ran:?}"
        );
    }
    for (name, args, part) in [
        ("health", &["--help"][..], "health probe --help"),
        ("health", &["help"], "health probe --help"),
        ("health", &["help", "probe"], "--exit01"),
        ("health", &["probe", "-version"], "health probe 0."),
        ("probe", &["-help"], "MICRO_RPC_TIMEOUT"),
        ("grpc_health_probe", &["-version"], "grpc_health_probe 0."),
    ] {
        let ran = run_as(name, args, &[]).await;
        assert_eq!(ran.code, 0, "{name} {args:?}: {ran:?}");
        assert!(
            ran.out.contains(part) && ran.err.is_empty(),
            "{part}: {ran:?}"
        );
    }
}

#[tokio::test]
async fn metadata_authority_and_user_agent_arrive() {
    let (address, heads) = grpc("ok").await;
    let args = [
        "--protocol=grpc",
        "--metadata=authorization=Bearer a,b",
        "--metadata=X-Team=one",
        "--metadata=x-team=two",
        "--authority=greeter.example:443",
        "--user_agent=mine/1.0",
    ];
    assert_eq!(probe(address, &args).await.code, 0);
    let address = format!("-addr={address}");
    let args = [&address, "-rpc-header=x-team: three"];
    assert_eq!(run_as("grpc_health_probe", &args, &[]).await.code, 3);

    let heads = heads.lock().unwrap();
    let [ours, theirs] = &heads[..] else {
        panic!("{heads:?}")
    };
    let all = |head: &http::request::Parts, name: &str| {
        let values = head.headers.get_all(name).into_iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        values.join("; ")
    };
    assert_eq!(all(ours, "authorization"), "Bearer a,b");
    assert_eq!(all(ours, "x-team"), "one; two");
    assert_eq!(all(ours, "user-agent"), "mine/1.0");
    assert_eq!(ours.uri.authority().unwrap(), "greeter.example:443");
    assert_eq!(all(theirs, "x-team"), "three");
    assert_eq!(all(theirs, "user-agent"), "grpc_health_probe");
    assert_eq!(theirs.uri.path(), "/grpc.health.v1.Health/Check");
}
