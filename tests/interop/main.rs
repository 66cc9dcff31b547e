//! Checks real go-micro services of every generation through the real sidecar, as the kubelet
//! would.
//!
//! ```text
//!            GET /healthz                    Debug.Health
//!  Kubelet ────────────────▶ Sidecar ─────────────────────▶ Service
//!  (kubelet.rs)              (sidecar.rs)   gRPC or mucp     (service.rs, built by tests/rig/build.sh)
//! ```
//!
//! [`expected`] is the table of the verdicts of each cell in each mode. [`matrix`] tests all of
//! it, and the other modules test what one probe cannot show. `just interop` builds the services
//! and runs this.
#![expect(
    unreachable_pub,
    reason = "a test binary: nothing outside could reach it"
)]

mod expected;
mod grpc_door;
mod grpc_health_probe;
mod hostile;
mod kubelet;
mod kubelet_prober;
mod leaks;
mod matrix;
mod one_shot;
mod prober;
mod report;
mod restart;
mod service;
mod sidecar;
mod tls;
mod without_debug;
