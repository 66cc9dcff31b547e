//! The requests that the API server received.

use tokio::time::Instant;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The verb.
    pub verb: Verb,
    /// The time of its arrival.
    pub at: Instant,
}

/// The verb of a request, as RBAC names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// GET of the pod.
    Get,
    /// GET of pods with a field selector.
    List,
    /// A watch.
    Watch,
    /// PATCH of the pod.
    Patch,
}
