//! The real binary as an operator runs it: flags and variables in, reasons and log lines out.

use std::process::Output;

use testkit::process::{self, Process};
use testkit::{NAME, PATIENCE, kubelet, within};
use tokio::process::Command;

use crate::PROGRAM;

/// A running sidecar that shows the text behind its reasons.
#[derive(Debug)]
pub struct Operated(Process);

fn health(flags: &[String], environment: &[(&str, &str)]) -> Command {
    let mut command = process::command(PROGRAM);
    command
        .args(["--health_address=127.0.0.1:0", "--log_format=json"])
        .args(["--expose_errors=true", &format!("--server_name={NAME}")])
        .args(flags)
        .envs(environment.iter().copied());
    command
}

/// Runs `health` until it exits by itself, and returns exit code and stderr.
pub async fn refused(flags: &[String], environment: &[(&str, &str)]) -> (i32, String) {
    let running = health(flags, environment).output();
    let Output { status, stderr, .. } = within("a refusal", running).await.unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

// === impl Operated ===

impl Operated {
    pub async fn start(flags: &[String]) -> Self {
        Self::start_in(flags, &[]).await
    }

    pub async fn start_in(flags: &[String], environment: &[(&str, &str)]) -> Self {
        Self(Process::spawn(health(flags, environment)).await)
    }

    async fn probe(&self, path: &str) -> (u16, String) {
        let answer = kubelet::get(self.0.address, path, "*/*", PATIENCE).await;
        (answer.status, answer.body)
    }

    /// Asserts that the service is healthy.
    pub async fn is_healthy(&self, context: &str) {
        let answer = self.probe("/healthz?verbose").await;
        assert_eq!(answer.0, 200, "{context}: {answer:?}");
    }

    /// Asserts the reason's code, its detailed status, and the text behind it.
    pub async fn is_unhealthy(&self, context: &str, code: &str, status: u16, text: &str) {
        let (_, body) = self.probe("/healthz?verbose").await;
        let (detailed, _) = self.probe("/healthz?code=reason").await;
        assert_eq!(detailed, status, "{context}: {body}");
        assert!(
            body.contains(code) && body.contains(text),
            "{context}: {code:?} and {text:?} are not in {body:?}"
        );
    }

    /// Returns the value of a series in `/metrics`, if it exists.
    #[cfg(feature = "tls")]
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.probe("/metrics").await;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// Waits until a series has this value; the page is rendered at most once a second.
    #[cfg(feature = "tls")]
    pub async fn has_metric(&self, series: &str, expected: f64) {
        let has = async { while self.metric(series).await != Some(expected) {} };
        within(series, has).await;
    }

    /// Waits for a log line with this message, and returns the number of them.
    #[cfg(feature = "tls")]
    pub async fn logs_of(&mut self, message: &str) -> usize {
        let log = self.0.logged(message).await;
        log.iter().filter(|line| line["message"] == message).count()
    }

    /// Returns the messages after the start line, once there are this many.
    pub async fn has_logged(&mut self, at_least: usize) -> Vec<String> {
        let log = self.0.log(1 + at_least).await;
        let message = |line: &serde_json::Value| line["message"].as_str().map(str::to_owned);
        log.iter().skip(1).filter_map(message).collect()
    }
}
