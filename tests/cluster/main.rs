//! Runs a real cluster of one node: a kubelet, containerd and the controllers, with go-micro greeters
//! and the sidecar in its pods.
//!
//! ```text
//!  scenario ── makes pods ──▶ kube-apiserver ◀──▶ kubelet ── probes, restarts ──▶ pod
//!     │                                                                        greeter ◀── health
//!     └── stops, kills and asks the processes of the containers ──────────────────▶
//! ```
//!
//! [`rig`] is all of that. Each scenario has a namespace of its own, and those that would disturb others
//! run alone. What happened is what the kubelet says: its events, and the restarts it counted.
//!
//! `just cluster` builds the programs and runs this in namespaces of its own (`isolated.sh`).
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

mod alone;
mod deletion;
mod healthy;
mod order;
mod other_probes;
mod restarts;
mod rig;
mod seed;
