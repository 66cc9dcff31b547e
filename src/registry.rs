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
//!
//! [`registration`] keeps our own pod's true: [`own_pod`] is what is seen and written,
//! [`plan`] what should be written, [`state`] when, [`facts`] what our records say.
//!
//! [`reader`] looks services up: [`snapshot`] merges what pods say, [`changes`] tells what
//! happened between two looks. [`on_behalf`] registers for other pods. [`rbac`] is for
//! those who are not allowed to, and [`access`] asks before. [`command`] is all this from
//! a terminal.

pub mod access;
pub mod address;
pub mod changes;
pub mod command;
pub mod error;
pub mod facts;
pub mod handle;
pub mod identity;
pub mod mark;
pub mod on_behalf;
pub mod options;
pub mod own_pod;
pub mod plan;
pub mod pod;
pub mod rbac;
pub mod reader;
pub mod record;
pub mod registration;
pub mod report;
pub mod scheme;
pub mod snapshot;
pub mod state;
pub mod status;
mod watch;
mod writer;

pub use self::error::Error;
pub use self::handle::{Handle, PreStop};
pub use self::reader::Registry;
