//! The admission policies of k8s/registry on a real API server: what a token may write to its pod,
//! and what it may not.
//!
//! Most writes are made here and not by the sidecar, so that each of them is one request. One test
//! runs a sidecar.

mod attacker;
mod foreign;
mod form;
mod owners;
mod record;
mod registry;
mod subresources;
mod world;

pub use self::registry::registers_and_deregisters;
pub use self::world::{OWN_POD_ONLY, World, own_pods_only};
