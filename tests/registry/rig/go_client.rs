//! The Kubernetes registry of one go-micro release, as the command that tests/rig/go-registry makes of it.

use std::net::SocketAddr;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::go_watch::GoWatch;
use super::{Identity, program, within};

/// Every release there is. They share one scheme of labels and annotations, except [`S6`].
pub const RELEASES: [&str; 6] = ["s4-old", "s4-v1", "s4-v2", "v4", "v4c", S6];
pub const S6: &str = "s6";

/// A release's registry, at one place.
#[derive(Clone, Debug)]
pub struct GoClient {
    pub release: &'static str,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Pod(Identity),
    /// The pod's name, and the URL of an API server without TLS.
    Alone(&'static str, String),
}

/// A line that a client prints.
#[derive(Debug, Deserialize)]
pub struct Line {
    #[serde(default)]
    pub action: String,
    services: Option<Vec<Option<Service>>>,
    pub error: String,
}

/// A service as every generation understands it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Service {
    pub name: String,
    pub version: String,
    nodes: Option<Vec<Node>>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Node {
    pub id: String,
    pub address: String,
    /// The oldest generation has it apart from the address.
    #[serde(default)]
    pub port: u16,
}

// === impl GoClient ===

impl GoClient {
    /// In a pod.
    pub fn new(release: &'static str, identity: &Identity) -> Self {
        let place = Place::Pod(identity.clone());
        Self { release, place }
    }

    /// By the address of an API server without TLS, as in a pod without an account. The namespace is `default`.
    pub fn alone(release: &'static str, pod: &'static str, address: SocketAddr) -> Self {
        let place = Place::Alone(pod, format!("http://{address}"));
        Self { release, place }
    }

    /// Registers a greeter by this name. Its node is no pod of ours.
    pub async fn register(&self, name: &str) -> Result<(), String> {
        self.run(&["register", name]).await.map(drop)
    }

    /// Registers this node of a greeter, as a service at that address does of itself.
    pub async fn register_node(&self, id: &str, address: &str) -> Result<(), String> {
        let service = json!({
            "name": "greeter", "version": "latest", "metadata": null, "endpoints": [],
            "nodes": [{ "id": id, "address": address, "metadata": { "server": "grpc" } }],
        });
        let mut command = self.command(&["register", "greeter"]);
        command.env("SVC_JSON", service.to_string());
        self.answer(command).await.map(drop)
    }

    pub async fn deregister(&self, name: &str) -> Result<(), String> {
        self.run(&["deregister", name]).await.map(drop)
    }

    /// `GetService`. The oldest generation knows no error for what it does not find.
    pub async fn get(&self, name: &str) -> Result<Vec<Service>, String> {
        self.run(&["get", name]).await
    }

    /// `ListServices`. Most generations give names alone.
    pub async fn list(&self) -> Result<Vec<Service>, String> {
        self.run(&["list"]).await
    }

    /// `Watch`, of one service or of all. Returns when the watcher hears.
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
        // Some generations log to stdout.
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
        let mut command = match &self.place {
            Place::Pod(identity) => identity.command(program),
            Place::Alone(pod, url) => {
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

// === impl Line ===

impl Line {
    pub fn services(self) -> impl Iterator<Item = Service> {
        self.services.into_iter().flatten().flatten()
    }
}

impl std::str::FromStr for Line {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(line)
    }
}

// === impl Service ===

impl Service {
    pub fn nodes(&self) -> &[Node] {
        self.nodes.as_deref().unwrap_or_default()
    }
}
