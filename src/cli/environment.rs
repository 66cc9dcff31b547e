//! The environment of the process, as functions.

use std::ffi::OsString;
use std::fmt;

/// The environment of the process, as functions.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Returns the value of one variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Returns all variables.
    pub all: &'a dyn Fn() -> Vec<(OsString, OsString)>,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
