//! The example `service`: it changes its health, and each signal stops it gracefully.

#![expect(clippy::unwrap_used, reason = "a test binary: a panic is a verdict")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::uri::PathAndQuery;
use micro_debug::pb::{HealthRequest, HealthResponse};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic_prost::ProstCodec;

mod support;

const PATH: &str = "/greeter.Debug/Health";

/// A running example.
struct Example {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

#[tokio::test]
async fn sigterm_stops_it_after_the_call_in_flight() {
    stops_after_the_call_in_flight("-TERM").await;
}

#[tokio::test]
async fn sigint_stops_it_after_the_call_in_flight() {
    stops_after_the_call_in_flight("-INT").await;
}

#[tokio::test]
async fn its_health_follows_the_database() {
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let example = Example::start(database.local_addr().unwrap()).await;
    example.reports("ok").await;
    drop(database);
    example.reports("no database: ").await;
}

async fn stops_after_the_call_in_flight(signal: &str) {
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut example = Example::start(database.local_addr().unwrap()).await;
    let client = support::connect(example.address).await;

    // This call has sent its headers and not its message.
    let (message, messages) = mpsc::channel(1);
    let mut caller = client.clone();
    let call = tokio::spawn(async move {
        caller.ready().await.unwrap();
        let codec = ProstCodec::<HealthRequest, HealthResponse>::default();
        let request = Request::new(ReceiverStream::new(messages));
        let path = PathAndQuery::from_static(PATH);
        caller.client_streaming(request, path, codec).await
    });
    tokio::task::yield_now().await;
    // A later call of the same connection has an answer, so the server has those headers.
    support::status(client, PATH).await.unwrap();

    example.kill(signal).await;
    within("no more connections", async {
        while TcpStream::connect(example.address).await.is_ok() {
            time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    message.send(HealthRequest::default()).await.unwrap();
    drop(message);
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.into_inner().status, "ok");

    let status = within("its end", example.child.wait()).await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(example.line().await, "stopped");
}

async fn within<T>(expected: &str, future: impl Future<Output = T>) -> T {
    time::timeout(Duration::from_secs(10), future)
        .await
        .unwrap_or_else(|_| panic!("{expected}: not within ten seconds"))
}

// === impl Example ===

impl Example {
    async fn start(database: SocketAddr) -> Self {
        let binary = path();
        let child = Command::new(&binary)
            .arg("127.0.0.1:0")
            .arg(database.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo test` builds it", binary.display())
        });
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut example = Self {
            child,
            output,
            address: ([127, 0, 0, 1], 0).into(),
        };
        let line = example.line().await;
        let address = line.strip_prefix("listening on ").expect("an address");
        example.address = address.parse().unwrap();
        example
    }

    /// Returns the next line that the example prints.
    async fn line(&mut self) -> String {
        let line = within("a line", self.output.next_line()).await;
        line.unwrap().expect("a line before its end")
    }

    /// Waits until the status begins with this text.
    async fn reports(&self, expected: &str) {
        let client = support::connect(self.address).await;
        let reported = async {
            while !support::status(client.clone(), PATH)
                .await
                .unwrap()
                .starts_with(expected)
            {
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(expected, reported).await;
    }

    async fn kill(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        let killed = Command::new("kill").args([signal, &id]).status().await;
        assert!(killed.unwrap().success());
    }
}

/// Returns the path of the example, which Cargo puts beside the folder of the test binaries.
fn path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join("service")
}
