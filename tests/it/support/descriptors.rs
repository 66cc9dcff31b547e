//! How many descriptors this process may open.

use std::time::Duration;

use tokio::process::Command;
use tokio::time;

/// Many times what it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Raises this process' own limit of descriptors, which many systems set to 1024, as
/// far as it is allowed to; fails where that is not enough.
pub async fn may_open(descriptors: usize) {
    let limit = || {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let row = limits.lines().find(|row| row.starts_with("Max open files"));
        let soft = row.and_then(|row| row.split_whitespace().nth(3));
        soft.map_or(0, |soft| soft.parse().unwrap_or(usize::MAX))
    };
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
