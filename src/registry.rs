//! go-micro's registry, which Kubernetes keeps in labels and annotations of pods.
//!
//! ```text
//! pod   metadata.labels       micro.mu/type              = service    what lists select
//!                             micro.mu/selector-greeter  = service    what lookups select
//!       metadata.annotations  micro.mu/service-greeter   = JSON       the record
//!                             micro-health/registration  = JSON       our mark
//! ```
//!
//! [`Registry`] finds, watches and registers services. A [`Service`] is the content of one record,
//! [`Schemes`] chooses the names of the keys, and an [`Error`] says which permission is missing.
//!
//! Inside, `scheme` has the keys, `record` the JSON and `mark` the keys that we added. `plan` decides
//! the next write to one pod, `other_pods` does so for a service of any pod. `snapshot` merges the
//! records of the pods, and `changes` compares two snapshots. `access` and `rbac` are about the Role.

pub(crate) mod access;
pub(crate) mod changes;
pub(crate) mod error;
pub(crate) mod mark;
pub(crate) mod other_pods;
pub(crate) mod plan;
pub(crate) mod pod;
pub(crate) mod pod_client;
pub(crate) mod rbac;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod scheme;
pub(crate) mod snapshot;
mod watch;
mod writer;

pub use self::changes::{Action, Event};
pub use self::error::Error;
pub use self::plan::write::Obstacle;
pub use self::reader::Registry;
pub use self::record::parse::InvalidRecord;
pub use self::record::{Endpoint, Node, Service, Value};
pub use self::scheme::{Scheme, Schemes, UnmappableName};
