//! The sidecar from outside.
