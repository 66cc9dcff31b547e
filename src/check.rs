//! The check of a service, and all its possible results.
//!
//! ```text
//! Target ──▶ Backend: one address ──▶ detect: which wire ──▶ debug_mucp, debug_grpc, grpc_health
//!    │  └──▶ Group: the endpoints of a Service, one Backend each ──▶ policy: one verdict
//!    └─▶ Record: what its checks have found
//! ```

pub mod backend;
pub mod debug_grpc;
pub mod debug_mucp;
pub mod detect;
#[cfg(feature = "kubernetes")]
pub mod group;
pub mod grpc;
pub mod grpc_health;
pub mod head;
pub mod health;

pub mod metadata;
pub mod micro_error;
pub mod monitor;
pub mod options;
#[cfg(feature = "kubernetes")]
pub mod policy;
pub mod record;
pub mod row;
pub mod selector;
pub mod server_address;
mod single_flight;
pub mod target;
pub mod targets;
pub mod unhealthy;
pub mod verdict;

pub use self::target::Target;
pub use self::verdict::{Check, HEALTHY};
