//! The kubectl of an operator.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::api_server::ADMIN_TOKEN;
use super::{ApiServer, Namespace};
use crate::rig::program;
use crate::within;

/// The text on stdout, or the text on stderr if it failed.
pub type KubectlOutput = Result<String, String>;

/// Returns the manifests of a folder's kustomization.
pub async fn kustomize(folder: &Path) -> KubectlOutput {
    let mut command = command();
    command.arg("kustomize").arg(folder);
    run(command, "").await
}

fn command() -> Command {
    let mut command = Command::new(program("kubectl"));
    command.env_clear().kill_on_drop(true);
    command
}

async fn run(mut command: Command, input: &str) -> KubectlOutput {
    within("kubectl", async {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl must start");
        let mut stdin = child.stdin.take().expect("stdin must be piped");
        // If it does not read its input, stderr has the reason.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("kubectl must end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("kubectl must write UTF-8");
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    })
    .await
}

// === impl ApiServer ===

impl ApiServer {
    /// Runs kubectl as an administrator, with this text on its standard input.
    pub async fn kubectl(&self, words: &[&str], input: &str) -> KubectlOutput {
        let mut command = command();
        command
            .args(words)
            .arg(format!("--server={}", self.url()))
            .arg(format!("--token={ADMIN_TOKEN}"))
            .arg("--certificate-authority")
            .arg(self.authority())
            // Its cache of the server ends with the server.
            .arg("--cache-dir")
            .arg(self.folder().join("kubectl"));
        run(command, input).await
    }
}

// === impl Namespace ===

impl Namespace {
    /// Runs kubectl as an administrator in this namespace.
    pub async fn kubectl(&self, words: &[&str], input: &str) -> KubectlOutput {
        let words = [words, &["--namespace", &self.name]].concat();
        self.api.kubectl(&words, input).await
    }
}
