//! A running resolver: `health resolve --watch`, or kuberesolver under the grpc-go of its time.

use std::process::{Output, Stdio};

use serde_json::Value;
use testkit::cluster::Identity;
use testkit::rig::program;
use testkit::within;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// A running resolver, with every list of addresses that it reported, none twice in a row. It is
/// killed with this value.
#[derive(Debug)]
pub struct RunningResolver {
    name: &'static str,
    pub lists: Vec<Vec<String>>,
    /// The `state` of `health resolve`.
    pub state: String,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// Runs `health resolve` once.
pub async fn resolve(identity: &Identity, args: &[&str]) -> (i32, String, String) {
    let mut command = identity.command(env!("CARGO_BIN_EXE_health"));
    let output = command.arg("resolve").args(args).output();
    let Output {
        status,
        stdout,
        stderr,
    } = within("health resolve to end", output)
        .await
        .expect("health must start");
    let text = |bytes| String::from_utf8(bytes).expect("it must write text");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

// === impl RunningResolver ===

impl RunningResolver {
    pub fn ours(identity: &Identity, target: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_health");
        Self::start(
            "ours",
            identity,
            program,
            &["resolve", target, "--watch", "-o", "json"],
        )
    }

    /// Starts kr3 or kr6.
    pub fn go(release: &'static str, identity: &Identity, target: &str) -> Self {
        let program = program(release);
        let program = program.to_str().expect("a path of ours must be text");
        Self::start(release, identity, program, &["call", target])
    }

    fn start(name: &'static str, identity: &Identity, program: &str, args: &[&str]) -> Self {
        let mut child = identity
            .command(program)
            .args(args)
            // A Go resolver ends with its standard input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a resolver must start");
        let stdout = child.stdout.take().expect("stdout must be piped");
        Self {
            name,
            lists: Vec::new(),
            state: String::new(),
            lines: BufReader::new(stdout).lines(),
            _child: child,
        }
    }

    /// Waits until these addresses were reported last.
    pub async fn reports(&mut self, addresses: &[&str]) {
        let what = format!("{} to report {addresses:?}: {:?}", self.name, self.lists);
        let lists = async {
            while self.lists.last().is_none_or(|lists| lists != addresses) {
                self.line().await;
            }
        };
        within(&what, lists).await;
    }

    /// Waits until `health resolve` reports this state.
    pub async fn is(&mut self, state: &str) {
        let reached = async {
            while self.state != state {
                self.line().await;
            }
        };
        within(state, reached).await;
    }

    async fn line(&mut self) {
        let line = self.lines.next_line().await;
        let line = line.expect("a pipe must be readable");
        let line = line.expect("a resolver that watches must not end");
        let Ok(line) = serde_json::from_str::<Value>(&line) else {
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut addresses: Vec<String> = match (line["op"].as_str(), line["endpoints"].as_array()) {
            (None, Some(endpoints)) => endpoints.iter().map(|it| text(&it["address"])).collect(),
            (Some("push"), _) => line["addresses"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect(),
            _ => return,
        };
        self.state = text(&line["state"]);
        addresses.sort_unstable();
        if self.lists.last() != Some(&addresses) {
            self.lists.push(addresses);
        }
    }
}
