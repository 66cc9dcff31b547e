//! The descriptors and the memory of a running `health`.

use super::Process;
use crate::within;

// === impl Process ===

impl Process {
    /// Returns the number of its open descriptors.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid());
        std::fs::read_dir(folder)
            .expect("the sidecar must be running")
            .count()
    }

    /// Waits until it has at most this number of open descriptors, with a probe between two looks.
    pub async fn closes_descriptors(&self, at_most: usize) {
        within("descriptors to be closed", async {
            while self.descriptors() > at_most {
                self.probe("/livez").await;
            }
        })
        .await;
    }

    /// Returns its resident memory in KiB.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the sidecar must be running");
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|size| size.trim().strip_suffix(" kB"))
            .and_then(|size| size.parse().ok())
            .unwrap_or_else(|| panic!("no VmRSS in {status}"))
    }
}
