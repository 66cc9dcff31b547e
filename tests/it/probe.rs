//! `health probe` as Docker, an exec probe and a script run it: the real binary, under
//! each of its names.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use micro_health::debug;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{Instant, timeout};
use tonic_health::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

/// Bounds every await.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
    took: Duration,
}

/// Runs the binary under a name.
async fn run_as(name: &str, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder must be creatable");
    let path = folder.path().join(name);
    symlink(env!("CARGO_BIN_EXE_health"), &path).expect("the folder must be empty");
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
    Ran {
        code: output.status.code().expect("it must exit"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
        took: started.elapsed(),
    }
}

/// `health probe` of the service at an address.
async fn probe(address: SocketAddr, args: &[&str]) -> Ran {
    let address = format!("--server_address={address}");
    let args = [&["probe", "--server_name=greeter", &address], args].concat();
    run_as("health", &args, &[]).await
}

// === Services ===

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback must be free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Listens, and does this with every connection.
async fn serve<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    address
}

/// go-micro's Debug.Health over gRPC; also returns the heads that were sent to it.
async fn grpc(status: &str) -> (SocketAddr, Arc<Mutex<Vec<http::request::Parts>>>) {
    let (health, service) = debug::service();
    health.set(status);
    let heads = Arc::<Mutex<Vec<_>>>::default();
    let kept = Arc::clone(&heads);
    let address = serve(move |stream| {
        let (service, kept) = (service.clone(), Arc::clone(&kept));
        async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let (head, body) = request.into_parts();
                kept.lock().expect("no test panics here").push(head.clone());
                service.clone().call(Request::from_parts(head, body))
            });
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        }
    });
    (address.await, heads)
}

/// grpc.health.v1: `""` and `up` serve, `down` does not.
async fn grpc_health() -> SocketAddr {
    let reporter = HealthReporter::new();
    reporter.set_service_status("", Serving).await;
    reporter.set_service_status("up", Serving).await;
    reporter.set_service_status("down", NotServing).await;
    serve(move |stream| {
        let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        async move {
            let answer =
                service_fn(move |request: Request<Incoming>| service.clone().call(request));
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        }
    })
    .await
}

/// Answers what it reads first with these bytes, and keeps the connection.
async fn answering(bytes: String) -> SocketAddr {
    serve(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(bytes.as_bytes()).await;
            while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
        }
    })
    .await
}

fn mucp(body: &str) -> impl Future<Output = SocketAddr> {
    let length = body.len();
    answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

async fn web() -> SocketAddr {
    answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nOK".to_owned(),
    )
    .await
}

/// Accepts and says nothing.
async fn silent() -> SocketAddr {
    answering(String::new()).await
}

async fn refusing() -> SocketAddr {
    listen().await.1
}

/// Never accepts: its queue is full of the returned connections.
fn full() -> (SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};
    let socket =
        || Socket::new(Domain::IPV4, Type::STREAM, None).expect("sockets must be available");
    let listener = socket();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let bound = listener.bind(&any.into());
    bound
        .and_then(|()| listener.listen(0))
        .expect("loopback must be free");
    let address = listener.local_addr().expect("it is bound");
    let mut open = vec![listener];
    for _ in 0..3 {
        let client = socket();
        client.set_nonblocking(true).expect("it is a socket");
        let _ = client.connect(&address);
        open.push(client);
    }
    (address.as_socket().expect("it is IPv4"), open)
}

// === What they prove ===

#[tokio::test]
async fn the_exit_code_says_how_far_the_check_came() {
    let (well, _) = grpc("ok").await;
    let (degraded, _) = grpc("degraded").await;
    let (full, _open) = full();
    let health = grpc_health().await;
    let failing = mucp(r#"{"id":"1","result":null,"error":"plain failure"}"#).await;
    let well_mucp = mucp(r#"{"id":"1","result":{"status":"ok"},"error":null}"#).await;
    let quick = "--check_timeout=300ms";
    for (address, args, code, line) in [
        (well, &[][..], 0, "is healthy (grpc, "),
        (well_mucp, &[], 0, "is healthy (mucp, "),
        (
            degraded,
            &[],
            4,
            "service reports status \"degraded\" (not_serving, grpc, ",
        ),
        (
            failing,
            &[],
            3,
            "service reports plain failure (not_serving, mucp, ",
        ),
        (health, &["--protocol=grpc"], 3, "(no_debug, grpc, "),
        (
            health,
            &["--protocol=grpc", "--without_debug=healthy"],
            0,
            "is healthy",
        ),
        (
            health,
            &["--health_service=up"],
            0,
            "is healthy (grpc-health, ",
        ),
        (
            health,
            &["--health_service=down"],
            4,
            "NOT_SERVING (not_serving, grpc-health, ",
        ),
        (health, &["--health_service=gone"], 3, "(unknown_service, "),
        (web().await, &[], 3, "(protocol, "),
        (web().await, &["--protocol=grpc"], 3, "(protocol, "),
        (refusing().await, &[], 2, "(unreachable, "),
        (full, &[quick], 2, "connecting (deadline, "),
        (
            silent().await,
            &[quick],
            3,
            "waiting for the answer (deadline, ",
        ),
        (
            silent().await,
            &[quick, "--protocol=grpc"],
            3,
            "waiting for the answer (deadline, ",
        ),
    ] {
        let ran = probe(address, args).await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(
            ran.out.contains(line) && ran.out.lines().count() == 1,
            "{line}: {ran:?}"
        );
        assert_eq!(ran.err, "", "{ran:?}");
    }
}

#[tokio::test]
async fn exit01_leaves_docker_two_codes() {
    let (well, _) = grpc("ok").await;
    let (degraded, _) = grpc("degraded").await;
    for (address, code) in [(well, 0), (degraded, 1), (refusing().await, 1)] {
        assert_eq!(probe(address, &["--exit01"]).await.code, code);
        let address = address.to_string();
        let variables = [
            ("MICRO_SERVER_NAME", "greeter"),
            ("MICRO_SERVER_ADDRESS", &address),
            ("MICRO_HEALTH_EXIT01", "true"),
        ];
        assert_eq!(run_as("health", &["probe"], &variables).await.code, code);
    }
}

#[tokio::test]
async fn says_as_much_as_it_is_asked_to() {
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
async fn a_line_nobody_reads_changes_nothing() {
    let (well, _) = grpc("ok").await;
    let status = Command::new("sh")
        .args([
            "-c",
            "\"$0\" probe --server_name=greeter --server_address=$1 >&-",
        ])
        .args([env!("CARGO_BIN_EXE_health"), &well.to_string()])
        .status();
    assert!(timeout(PATIENCE, status).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn usage_is_1_and_help_is_0() {
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
async fn stands_in_for_the_originals_probe() {
    let (well, _) = grpc("ok").await;
    let (degraded, _) = grpc("degraded").await;
    let (full, _open) = full();
    for (address, args, code) in [
        (well, &["-verbose"][..], 0),
        (degraded, &[], 4),
        (grpc_health().await, &["--client=grpc"], 2),
        (refusing().await, &[], 2),
        (full, &["--connect_timeout=200ms"], 2),
        (silent().await, &["-rpc_timeout", "200ms"], 2),
        (well, &["-rpc_timeout=soon"], 1),
    ] {
        let address = format!("-server_address={address}");
        let args = [&["-server_name", "greeter", &address], args].concat();
        let ran = run_as("probe", &args, &[]).await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    }
    let address = silent().await.to_string();
    let variables = [
        ("MICRO_SERVER_NAME", "greeter"),
        ("MICRO_SERVER_ADDRESS", &address),
        ("MICRO_RPC_TIMEOUT", "100ms"),
    ];
    let ran = run_as("probe", &[], &variables).await;
    assert!(ran.code == 2 && ran.out.contains("within 100ms"), "{ran:?}");
}

#[tokio::test]
async fn stands_in_for_grpc_health_probe() {
    let (full, _open) = full();
    let health = grpc_health().await;
    let (without, _) = grpc("ok").await;
    let connect = "-connect-timeout=200ms";
    for (address, args, code, line) in [
        (health, &[][..], 0, "status: SERVING"),
        (health, &["-service", "up"], 0, "status: SERVING"),
        (
            health,
            &["-service=down"],
            4,
            "service unhealthy (responded with \"NOT_SERVING\")",
        ),
        (health, &["-service=gone"], 3, "error: health rpc failed"),
        (
            without,
            &[],
            3,
            "error: this server does not implement the grpc health protocol",
        ),
        (
            refusing().await,
            &[],
            2,
            "error: failed to connect service at",
        ),
        (full, &[connect], 2, "timeout: failed to connect service"),
        (
            silent().await,
            &[connect],
            2,
            "timeout: failed to connect service",
        ),
        (web().await, &[], 2, "error: failed to connect service at"),
        (health, &["-gzip"], 1, "-gzip is not supported"),
    ] {
        let address = format!("-addr={address}");
        let ran = run_as(
            "grpc_health_probe",
            &[&[address.as_str()], args].concat(),
            &[],
        )
        .await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(
            ran.err.contains(line) && ran.out.is_empty(),
            "{line}: {ran:?}"
        );
    }
}

#[tokio::test]
async fn the_call_has_its_own_time_once_connected() {
    // SETTINGS, and never an answer.
    let greeting = serve(|mut stream| async move {
        let _ = stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await;
        let mut read = [0; 4096];
        while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
    });
    let address = format!("-addr={}", greeting.await);
    let args = [&address, "-connect-timeout=1h", "-rpc-timeout=300ms"];
    let ran = run_as("grpc_health_probe", &args, &[]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.err
            .contains("timeout: health rpc did not complete within 300ms"),
        "{ran:?}"
    );
    assert!(ran.took >= Duration::from_millis(300), "{ran:?}");
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
