//! Programs that check once and exit: the crate `grpc_health_probe`, and this binary under that
//! name.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use testkit::PATIENCE;
use tokio::process::Command;
use tokio::time::timeout;

/// A program to run.
#[derive(Debug)]
pub struct OneShot {
    path: PathBuf,
    /// The folder of the link that gives this binary its name.
    _folder: Option<TempDir>,
}

/// The result of a run.
#[derive(Debug)]
pub struct RunOutput {
    pub code: i32,
    /// The standard output, then the standard error.
    pub output: String,
}

// === impl OneShot ===

impl OneShot {
    /// Returns the crate's program, as found by `just interop`.
    pub fn the_crate() -> Self {
        let path = std::env::var_os("MICRO_HEALTH_PEER_PROBE").filter(|path| !path.is_empty());
        let path = path.expect("MICRO_HEALTH_PEER_PROBE must name it: run `just interop`");
        Self {
            path: path.into(),
            _folder: None,
        }
    }

    /// Returns this binary under the name of the Go tool.
    pub fn ours() -> Self {
        let folder = tempfile::tempdir().expect("a folder must be creatable");
        let path = folder.path().join("grpc-health-probe");
        symlink(env!("CARGO_BIN_EXE_health"), &path).expect("the folder must be empty");
        Self {
            path,
            _folder: Some(folder),
        }
    }

    /// Runs the program to its end.
    pub async fn run(&self, args: &[String]) -> RunOutput {
        let output = Command::new(&self.path)
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, output).await;
        let output = output.unwrap_or_else(|_| panic!("{self:?} {args:?} must end"));
        let output = output.unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let code = output.status.code();
        let code = code.unwrap_or_else(|| panic!("{self:?} {args:?}: {}", output.status));
        let output = [output.stdout, output.stderr].concat();
        let output = String::from_utf8_lossy(&output).trim_end().to_owned();
        RunOutput { code, output }
    }
}
