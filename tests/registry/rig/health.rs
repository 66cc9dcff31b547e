//! A subcommand of `health`, as an operator or a job would run it in a pod.

use std::process::Stdio;

use futures_util::FutureExt as _;
use serde_json::Value;
use testkit::cluster::Identity;
use testkit::within;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

/// A running `health`. It is killed with this value.
#[derive(Debug)]
pub struct Health {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

/// Runs `health` with these words and variables, and returns exit code, stdout and stderr.
pub async fn health(
    identity: &Identity,
    words: &[&str],
    variables: &[(&str, &str)],
) -> (i32, String, String) {
    let mut running = Health::start(identity, words, variables);
    within(&format!("health {}", words.join(" ")), async {
        let (mut out, mut err) = (String::new(), String::new());
        let (stdout, stderr) = (running.stdout.get_mut(), running.stderr.get_mut());
        let (out_read, err_read) = tokio::join!(
            stdout.read_to_string(&mut out),
            stderr.read_to_string(&mut err)
        );
        out_read.unwrap();
        err_read.unwrap();
        let status = running.child.wait().await.unwrap();
        (status.code().expect("it must exit"), out, err)
    })
    .await
}

// === impl Health ===

impl Health {
    /// Starts the command.
    pub fn start(identity: &Identity, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = identity
            .command(env!("CARGO_BIN_EXE_health"))
            .args(words)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("health must start");
        let stdout = child.stdout.take().expect("stdout must be piped");
        let stderr = child.stderr.take().expect("stderr must be piped");
        Self {
            child,
            stdout: BufReader::new(stdout).lines(),
            stderr: BufReader::new(stderr).lines(),
        }
    }

    /// Returns the next line of its stdout.
    pub async fn line(&mut self) -> String {
        let line = within("a line", self.stdout.next_line()).await.unwrap();
        line.expect("it must go on")
    }

    /// Returns the next line of its stdout, parsed as JSON.
    pub async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Returns the next line of its stderr.
    pub async fn error_line(&mut self) -> String {
        let line = within("a line of stderr", self.stderr.next_line())
            .await
            .unwrap();
        line.expect("it must go on")
    }

    /// Returns a line of its stdout, if a whole one has been written.
    pub fn line_by_now(&mut self) -> Option<String> {
        let line = self.stdout.next_line().now_or_never()?;
        line.unwrap()
    }
}
