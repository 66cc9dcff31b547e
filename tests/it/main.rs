//! The sidecar from outside.

mod probe;
