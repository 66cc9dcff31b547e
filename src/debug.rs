//! The `Debug` service, so that a Rust program is a micro service like any other.
//!
//! The crate `micro-debug`, which a program can also depend on by itself.

pub use micro_debug::{DebugService, Health, pb, service};
