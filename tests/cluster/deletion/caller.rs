//! A client of the service that calls the nodes in the registry.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use testkit::cluster::{Event as WatchEvent, Service as GoService};
use testkit::{PATIENCE, within};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::OFTEN;
use crate::rig::{NAME, POLL, answer};

/// A caller that calls one node after the other without a pause.
pub struct Caller {
    shared: Arc<Mutex<Shared>>,
    calling: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    known: Vec<SocketAddr>,
    calls: usize,
    failures: Vec<String>,
}

// === impl Caller ===

impl Caller {
    /// Starts with the result of a lookup.
    pub fn start(services: &[GoService]) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        shared.lock().unwrap().known = services.iter().flat_map(addresses).collect();
        let calling = tokio::spawn(call_forever(Arc::clone(&shared)));
        Self { shared, calling }
    }

    /// Applies an event as a go-micro selector does.
    pub fn apply(&self, event: &WatchEvent) {
        let known = &mut self.shared.lock().unwrap().known;
        for address in addresses(&event.service) {
            known.retain(|it| *it != address);
            if event.action != "delete" {
                known.push(address);
            }
        }
    }

    pub fn knows(&self, address: SocketAddr) -> bool {
        self.shared.lock().unwrap().known.contains(&address)
    }

    pub async fn has_called(&self, times: usize) {
        within("the caller to call", async {
            while self.shared.lock().unwrap().calls < times {
                sleep(POLL).await;
            }
        })
        .await;
    }

    /// Ends the caller. Returns the number of calls, and the failures.
    pub async fn end(self) -> (usize, Vec<String>) {
        let calls = self.shared.lock().unwrap().calls;
        // The other node is still healthy.
        self.has_called(calls + 100).await;
        self.calling.abort();
        let mut shared = self.shared.lock().unwrap();
        (shared.calls, std::mem::take(&mut shared.failures))
    }
}

fn addresses(service: &GoService) -> impl Iterator<Item = SocketAddr> {
    service
        .nodes()
        .iter()
        .filter_map(|node| node.address.parse().ok())
}

async fn call_forever(shared: Arc<Mutex<Shared>>) {
    for turn in 0.. {
        let address = {
            let known = &shared.lock().unwrap().known;
            known[turn % known.len()]
        };
        let called = timeout(PATIENCE, call(address)).await;
        let failure = match called {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{address}: {error}")),
            Err(_) => Some(format!("{address}: no answer after {PATIENCE:?}")),
        };
        {
            let mut shared = shared.lock().unwrap();
            shared.calls += 1;
            shared.failures.extend(failure);
        }
        sleep(OFTEN).await;
    }
}

/// Makes a call as a go-micro client does: mucp with JSON-RPC.
async fn call(address: SocketAddr) -> std::io::Result<()> {
    let body = r#"{"method":"Debug.Health","params":[{}],"id":"1"}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json-rpc\r\nAccept: application/json-rpc\r\n\
         Micro-Service: {NAME}\r\nMicro-Endpoint: Debug.Health\r\nMicro-Method: Debug.Health\r\nMicro-Id: 1\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let (status, body) = answer(address, &request).await?;
    if status == 200 && body.contains(r#""status":"ok""#) {
        return Ok(());
    }
    Err(std::io::Error::other(format!("{status} {body}")))
}
