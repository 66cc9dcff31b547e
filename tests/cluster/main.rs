//! Runs a real cluster of one node: a kubelet, containerd and the controllers, with go-micro greeters
//! and the sidecar in its pods.
//!
//! ```text
//!  scenario ── makes pods ──▶ kube-apiserver ◀──▶ kubelet ── probes, restarts ──▶ pod
//!     │                                                                        greeter ◀── health
//!     └── stops, kills and asks the processes of the containers ──────────────────▶
//! ```
//!
//! [`rig`] implements all of that. Each scenario has a namespace of its own, and scenarios that
//! would disturb others run alone. The results come from the kubelet: its events, and the
//! restarts that it counted.
//!
//! `just cluster` builds the programs and runs this in namespaces of its own (`isolated.sh`).
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test binary: nothing outside can reach it, and a panic is a verdict"
)]

mod deletion;
mod exclusive;
mod healthy;
mod order;
mod other_probes;
mod restarts;
mod rig;
mod seed;
