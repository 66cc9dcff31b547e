//! The pages in real programs: `/statusz` in Chromium, `/metrics` read by promtool.
//!
//! The test needs Debian's packages chromium and prometheus: `just browser`. The screenshots stay
//! under target/tmp/statusz, for a person to look at.

#![expect(clippy::unwrap_used, reason = "a test binary: a panic is a verdict")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use micro_health::debug::{self, Health};
use micro_health::internal::App;
use micro_health::internal::args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

/// The time limit of a run. Chromium starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a micro service that answers until the test ends.
async fn service() -> (SocketAddr, Health) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (health, service) = debug::service();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new()).http2_only();
                server.serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    (address, health)
}

async fn sidecar(name: &str, target: SocketAddr, flags: &[String]) -> SocketAddr {
    let argv = [
        "health".to_owned(),
        "--health_address=127.0.0.1:0".to_owned(),
        format!("--server_name={name}"),
        format!("--server_address={target}"),
    ];
    let argv = argv
        .into_iter()
        .chain(flags.iter().cloned())
        .map(Into::into);
    let app = App::bind(args::read(argv, |_| None).unwrap())
        .await
        .unwrap();
    let address = app.local_addr();
    tokio::spawn(app.run(stream::pending()));
    address
}

async fn get(sidecar: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(sidecar).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn run(command: &mut Command) -> Output {
    let name = command.as_std().get_program().to_owned();
    let output = command.kill_on_drop(true).output();
    let output = timeout(PATIENCE, output)
        .await
        .unwrap_or_else(|_| panic!("{} hangs", name.display()));
    output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; see `just browser` for what to install",
            name.display()
        )
    })
}

fn chromium(sidecar: SocketAddr, profile: &tempfile::TempDir, flags: &[&str]) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(flags)
        .arg(format!("http://{sidecar}/statusz"));
    command
}

/// Returns the page as Chromium parsed it, and saves a screenshot.
async fn look(sidecar: SocketAddr, name: &str, size: &str, flags: &[&str]) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("statusz");
    std::fs::create_dir_all(&folder).unwrap();
    let picture = folder.join(format!("{name}.png"));
    let _ = std::fs::remove_file(&picture);
    let profile = tempfile::tempdir().unwrap();
    let (size, shot) = (
        format!("--window-size={size}"),
        format!("--screenshot={}", picture.display()),
    );
    let flags = [&[size.as_str(), shot.as_str(), "--hide-scrollbars"], flags].concat();
    run(&mut chromium(sidecar, &profile, &flags)).await;
    let bytes =
        std::fs::read(&picture).unwrap_or_else(|error| panic!("no picture {name}: {error}"));
    assert!(
        bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000,
        "{name} is blank"
    );
    let dom = run(&mut chromium(sidecar, &profile, &["--dump-dom"])).await;
    String::from_utf8(dom.stdout).unwrap()
}

#[tokio::test]
async fn the_page_shows_the_verdict_at_any_width_and_in_dark_mode() {
    let (address, health) = service().await;
    let alone = sidecar("greeter", address, &[]).await;
    for _ in 0..60 {
        get(alone, "/health").await;
    }
    let healthy = look(alone, "healthy", "900,600", &[]).await;
    assert!(
        healthy.contains("<h1 class=\"ok\">greeter is healthy</h1>"),
        "{healthy}"
    );

    health.set("degraded");
    for _ in 0..20 {
        get(alone, "/health").await;
    }
    let phone = look(alone, "unhealthy-phone", "390,700", &[]).await;
    assert!(
        phone.contains("not_serving") && phone.contains("ask the service why"),
        "{phone}"
    );
    look(
        alone,
        "unhealthy-dark",
        "900,600",
        &["--blink-settings=preferredColorScheme=0"],
    )
    .await;
}

#[tokio::test]
async fn the_page_shows_every_target_and_no_hostile_name() {
    let (address, _health) = service().await;
    let targets = ["payments", "stock"].map(|name| format!("--target={name}={address}"));
    let gone = "--target=gone=127.0.0.1:1".to_owned();
    let flags = [&targets[..], &[gone]].concat();
    let several = sidecar("<script>document.title='x'</script>", address, &flags).await;
    for _ in 0..20 {
        get(several, "/health").await;
    }

    let page = look(several, "several", "900,1400", &[]).await;

    assert!(page.contains("3 of 4 services are healthy"), "{page}");
    assert!(page.contains("<h2>&lt;script&gt;"), "{page}");
    assert!(
        !page.contains("<script") && page.contains("<h2>gone"),
        "{page}"
    );
}

#[tokio::test]
async fn promtool_has_no_complaint() {
    let (address, _health) = service().await;
    let sidecar = sidecar(
        "greeter",
        address,
        &["--target=gone=127.0.0.1:1".to_owned()],
    )
    .await;
    get(sidecar, "/health").await;
    let metrics = get(sidecar, "/metrics").await;

    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut promtool = promtool
        .kill_on_drop(true)
        .spawn()
        .expect("promtool must be installed: apt-get install prometheus");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(metrics.as_bytes()).await.unwrap();
    drop(input);
    let output = timeout(PATIENCE, promtool.wait_with_output())
        .await
        .unwrap()
        .unwrap();

    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && text.is_empty(),
        "{}",
        String::from_utf8_lossy(&text)
    );
}
