//! The sidecar inside the test's own runtime, started with flags as a pod spec has them.

use std::ffi::OsString;
use std::net::SocketAddr;

use futures_util::stream;
use micro_health::internal::args;
use micro_health::internal::{App, ExitReason};
use testkit::client::{Answer, Connection};
use testkit::{NAME, kubelet, within};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

#[derive(Debug)]
pub struct Sidecar {
    pub address: SocketAddr,
    signals: mpsc::UnboundedSender<&'static str>,
    running: JoinHandle<anyhow::Result<ExitReason>>,
}

// === impl Sidecar ===

impl Sidecar {
    /// Starts a sidecar for the service at `target`.
    pub async fn start(target: SocketAddr, flags: &[&str]) -> Self {
        let target = format!("--server_address={target}");
        let defaults = [
            "health".to_owned(),
            "--health_address=127.0.0.1:0".to_owned(),
            format!("--server_name={NAME}"),
            target,
        ];
        let named = |default: &String| {
            let name = default.split('=').next().unwrap_or_default();
            flags
                .iter()
                .any(|flag| flag.split('=').next() == Some(name))
        };
        let argv = defaults
            .iter()
            .filter(|default| !named(default))
            .map(OsString::from)
            .chain(flags.iter().map(OsString::from));
        let configuration = args::read(argv, |_| None).unwrap_or_else(|error| panic!("{error}"));
        let app = App::bind(configuration).await.unwrap();
        let address = app.local_addr();
        let (signals, mut received) = mpsc::unbounded_channel();
        let signalled = stream::poll_fn(move |cx| received.poll_recv(cx));
        Self {
            address,
            signals,
            running: tokio::spawn(app.run(signalled)),
        }
    }

    /// Probes a path as the kubelet does.
    pub async fn probe(&self, path: &str) -> Answer {
        kubelet::probe(self.address, path).await
    }

    /// Probes `/health` and returns the answer and the reason's code.
    pub async fn explain(&self) -> (Answer, String) {
        kubelet::explain(self.address).await
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Stops it as a signal would, and waits until it has ended.
    pub async fn stop(mut self) -> anyhow::Result<ExitReason> {
        let _ = self.signals.send("SIGTERM");
        within("the sidecar to stop", &mut self.running)
            .await
            .unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.running.abort();
    }
}
