//! Signals to processes, and their children.

use tokio::process::Command;

use crate::within;

/// Sends a signal by name.
pub async fn signal(pid: u32, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    let killed = within("kill", kill).await.expect("kill must be installed");
    assert!(killed.success(), "cannot send {name} to {pid}");
}

/// Returns the only child of a process; `None` if it has none yet, or several.
pub fn only_child(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.trim().parse().ok()
}
