//! Asks real go-micro services of every generation through the real sidecar, as the kubelet would.
//!
//! ```text
//!            GET /healthz                    Debug.Health
//!  Kubelet ────────────────▶ Sidecar ─────────────────────▶ Service
//!  (kubelet.rs)              (sidecar.rs)   gRPC or mucp     (service.rs, built by tests/rig/build.sh)
//! ```
//!
//! [`expected`] is the table: what each cell must be called in each mode. [`matrix`] walks it, and
//! the other modules prove what one probe cannot show. `just interop` builds the services and runs this.
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
mod matrix;
mod one_shot;
mod prober;
mod report;
mod restart;
mod service;
mod sidecar;
mod tls;
mod wear;
mod without_debug;
