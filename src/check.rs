//! The check of a service, and all its possible results.
//!
//! ```text
//! Target ──▶ Backend: one address ──▶ detect: which wire ──▶ debug_mucp, debug_grpc, grpc_health
//!    │  └──▶ Group: the endpoints of a Service, one Backend each ──▶ policy: one verdict
//!    └─▶ Record: what its checks have found
//! ```

pub(crate) mod backend;
pub(crate) mod debug_grpc;
pub(crate) mod debug_mucp;
pub(crate) mod detect;
#[cfg(feature = "kubernetes")]
pub(crate) mod group;
pub(crate) mod grpc;
pub(crate) mod grpc_health;
pub(crate) mod head;
pub(crate) mod health;

pub(crate) mod metadata;
pub(crate) mod micro_error;
pub(crate) mod monitor;
pub(crate) mod options;
#[cfg(feature = "kubernetes")]
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod row;
pub(crate) mod selector;
pub(crate) mod server_address;
mod single_flight;
pub(crate) mod target;
pub(crate) mod targets;
pub(crate) mod unhealthy;
pub(crate) mod verdict;

pub use self::target::Target;
pub(crate) use self::verdict::{Check, HEALTHY};
