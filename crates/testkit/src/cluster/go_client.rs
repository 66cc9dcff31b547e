//! The Kubernetes registry of one go-micro release, as the command that tests/rig/go-registry makes
//! of it.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::go_service::Line;
use super::{GoWatch, Identity, Service};
use crate::rig::program;
use crate::within;

/// The names of all releases. They share one scheme of labels and annotations, except [`S6`].
pub const RELEASES: [&str; 6] = ["s4-old", "s4-v1", "s4-v2", "v4", "v4c", S6];
/// The release that has a scheme of its own.
pub const S6: &str = "s6";

/// The registry of a release, in a pod or outside of one.
#[derive(Clone, Debug)]
pub struct GoClient {
    /// The release.
    pub release: &'static str,
    location: Location,
}

#[derive(Clone, Debug)]
enum Location {
    Pod(Identity),
    /// The pod's name, and the URL of an API server without TLS.
    OutsidePod(&'static str, String),
}

// === impl GoClient ===

impl GoClient {
    /// Makes the client of a release in a pod.
    pub fn new(release: &'static str, identity: &Identity) -> Self {
        let location = Location::Pod(identity.clone());
        Self { release, location }
    }

    /// Makes a client that has the address of an API server without TLS and no account. The namespace
    /// is `default`.
    pub fn outside_pod(release: &'static str, pod: &'static str, address: SocketAddr) -> Self {
        let location = Location::OutsidePod(pod, format!("http://{address}"));
        Self { release, location }
    }

    /// Registers a greeter under this name. Its node is not a pod of the test.
    pub async fn register(&self, name: &str) -> Result<(), String> {
        self.run(&["register", name]).await.map(drop)
    }

    /// Registers this node of a greeter, as a service at that address does.
    pub async fn register_node(&self, id: &str, address: &str) -> Result<(), String> {
        let service = json!({
            "name": "greeter", "version": "latest", "metadata": null, "endpoints": [],
            "nodes": [{ "id": id, "address": address, "metadata": { "server": "grpc" } }],
        });
        let mut command = self.command(&["register", "greeter"]);
        command.env("SVC_JSON", service.to_string());
        self.answer(command).await.map(drop)
    }

    /// Deregisters a greeter of this name.
    pub async fn deregister(&self, name: &str) -> Result<(), String> {
        self.run(&["deregister", name]).await.map(drop)
    }

    /// Calls `GetService`. The oldest release returns no error for a service that it does not find.
    pub async fn get(&self, name: &str) -> Result<Vec<Service>, String> {
        self.run(&["get", name]).await
    }

    /// Calls `ListServices`. Most releases return names alone.
    pub async fn list(&self) -> Result<Vec<Service>, String> {
        self.run(&["list"]).await
    }

    /// Calls `Watch` for one service or for all, and waits until the watcher receives events.
    pub async fn watch(&self, service: Option<&str>) -> GoWatch {
        let mut command = self.command(&["watch"]);
        GoWatch::start(command.args(service)).await
    }

    async fn run(&self, args: &[&str]) -> Result<Vec<Service>, String> {
        self.answer(self.command(args)).await
    }

    async fn answer(&self, mut command: Command) -> Result<Vec<Service>, String> {
        let output = within("a Go client to end", command.output()).await;
        let output = output.expect("a Go client must start");
        let stdout = String::from_utf8_lossy(&output.stdout);
        // Some releases log to stdout.
        let line = stdout.lines().find(|line| line.starts_with('{'));
        let line = line.unwrap_or_else(|| panic!("{self:?}: {output:?}"));
        let line: Line = line
            .parse()
            .unwrap_or_else(|error| panic!("{error}: {line}"));
        if line.error.is_empty() {
            Ok(line.services().collect())
        } else {
            Err(line.error)
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let program = program(self.release);
        let mut command = match &self.location {
            Location::Pod(identity) => identity.command(program),
            Location::OutsidePod(pod, url) => {
                let mut command = Command::new(program);
                command
                    .env_clear()
                    .env("HOSTNAME", pod)
                    .env("REGADDR", url)
                    .stdin(Stdio::null())
                    .kill_on_drop(true);
                command
            }
        };
        command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}
