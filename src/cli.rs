//! The commands: selection by argv, their flags and their exit codes.
//!
//! ```text
//! argv ──▶ invocation: which command ──▶ dispatch ──▶ its flags ──▶ its run ──▶ Output, exit code
//! ```

#[cfg(feature = "kubernetes")]
pub mod command;
#[cfg(feature = "commands")]
pub mod config;
pub mod console;
pub mod dispatch;
pub mod environment;
pub mod exit;
pub mod invocation;
pub mod output;
pub mod probe;
#[cfg(feature = "kubernetes")]
pub mod registry;
#[cfg(feature = "commands")]
pub mod resolve;
#[cfg(feature = "commands")]
pub mod services;
