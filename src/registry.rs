//! go-micro's registry, as it is kept on Kubernetes: in labels and annotations of pods.
//!
//! ```text
//! pod   metadata.labels       micro.mu/type              = service    what lists select
//!                             micro.mu/selector-greeter  = service    what lookups select
//!       metadata.annotations  micro.mu/service-greeter   = JSON       the record
//!                             micro-health/registration  = JSON       our mark
//! ```
//!
//! [`scheme`] is what those keys are called, [`record`] is the JSON, [`mark`] tells what
//! we added, [`pod`] is as much of a pod as any of this needs.

pub mod mark;
pub mod pod;
pub mod record;
pub mod scheme;
