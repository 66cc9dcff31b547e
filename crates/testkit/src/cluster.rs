//! A real control plane, the objects in it, and the Go registries.
//!
//! ```text
//!  GoClient ──────────────────▶ ControlPlane ◀────────────────── Namespace
//!  registers, looks up, watches  etcd, kube-apiserver             creates pods and accounts,
//!  as a process in a pod         (built by tests/rig/build.sh)    as kubelet and operator
//! ```

mod accounts;
mod api_server;
mod components;
mod control_plane;
mod go_client;
mod go_service;
mod go_watch;
mod identity;
mod kubectl;
mod manifest;
mod namespace;
mod pods;
mod slices;
mod tokens;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::accounts::ROLE;
pub use self::api_server::{ADMIN_TOKEN, ApiServer};
pub use self::control_plane::ControlPlane;
pub use self::go_client::{GoClient, RELEASES, S6};
pub use self::go_service::{Node, Service};
pub use self::go_watch::{Event, GoWatch};
pub use self::identity::Identity;
pub use self::kubectl::{KubectlOutput, kustomize};
pub use self::namespace::Namespace;
pub use self::pods::IP;
pub use self::slices::SERVICE;

/// Parses an object that the source holds as JSON.
pub fn parse_object<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object in the source must be valid")
}
