//! `kubernetes://` targets: the endpoints of a Service, as the API server knows them.
//!
//! ```text
//! text ──▶ target ─┐
//!                  ├─▶ slices: the union ──▶ addresses, each with its conditions
//! EndpointSlices ──┘
//! ```
//!
//! What kuberesolver does for Go, from the slices alone and from all of them.

pub mod slice;
pub mod slices;
pub mod target;
pub mod view;

pub use self::target::Target;
