//! The limit of descriptors of the test's own process.

use tokio::process::Command;
use tokio::time;

use crate::PATIENCE;

/// Raises this process' limit of descriptors, which many systems set to 1024, and panics if the
/// system does not allow as many as the test needs.
pub async fn raise_limit(descriptors: usize) {
    if limit() < descriptors {
        let raise = Command::new("prlimit")
            .args(["--pid", &std::process::id().to_string()])
            .arg(format!("--nofile={descriptors}:"))
            .status();
        let _ = time::timeout(PATIENCE, raise).await;
    }
    let limit = limit();
    assert!(
        limit >= descriptors,
        "this test opens {descriptors} descriptors and may open {limit}: raise it by `ulimit -n`"
    );
}

fn limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("/proc must be mounted");
    let row = limits.lines().find(|row| row.starts_with("Max open files"));
    let soft = row.and_then(|row| row.split_whitespace().nth(3));
    soft.map_or(0, |soft| soft.parse().unwrap_or(usize::MAX))
}
