//! kubectl, as an operator types it.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::api_server::ADMIN_TOKEN;
use super::{ApiServer, Namespace, program, within};

/// What it printed, or what it complained of.
pub type Answer = Result<String, String>;

/// What a folder's kustomization makes.
pub async fn kustomize(folder: &Path) -> Answer {
    let mut command = command();
    command.arg("kustomize").arg(folder);
    answer(command, "").await
}

fn command() -> Command {
    let mut command = Command::new(program("kubectl"));
    command.env_clear().kill_on_drop(true);
    command
}

async fn answer(mut command: Command, input: &str) -> Answer {
    within("kubectl", async {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl must start");
        let mut stdin = child.stdin.take().expect("stdin must be piped");
        // One that does not read its input says why on stderr.
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
    /// Runs it as an administrator, with this on its standard input.
    pub async fn kubectl(&self, words: &[&str], input: &str) -> Answer {
        let mut command = command();
        command
            .args(words)
            .arg(format!("--server={}", self.url()))
            .arg(format!("--token={ADMIN_TOKEN}"))
            .arg("--certificate-authority")
            .arg(self.authority())
            // What it remembers of the server lives and ends with the server.
            .arg("--cache-dir")
            .arg(self.folder().join("kubectl"));
        answer(command, input).await
    }
}

// === impl Namespace ===

impl Namespace {
    /// The same, in this namespace.
    pub async fn kubectl(&self, words: &[&str], input: &str) -> Answer {
        let words = [words, &["--namespace", &self.name]].concat();
        self.api.kubectl(&words, input).await
    }
}
