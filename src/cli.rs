//! The commands: selection by argv, their flags and their exit codes.
//!
//! ```text
//! argv ──▶ invocation: which command ──▶ dispatch ──▶ its flags ──▶ its run ──▶ Output, exit code
//! ```

#[cfg(feature = "kubernetes")]
pub(crate) mod command;
#[cfg(feature = "commands")]
pub(crate) mod config;
pub(crate) mod console;
pub mod dispatch;
pub(crate) mod environment;
pub(crate) mod exit;
pub mod invocation;
pub(crate) mod output;
pub(crate) mod probe;
#[cfg(feature = "kubernetes")]
pub mod registry;
#[cfg(feature = "commands")]
pub(crate) mod resolve;
#[cfg(feature = "commands")]
pub(crate) mod services;
