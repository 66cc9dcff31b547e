//! The commands beside the sidecar and the probe: those that ask the API server.
//!
//! | `argv[1]`  | what                                               |
//! |------------|----------------------------------------------------|
//! | `config`   | the `micro` `ConfigMap` and the environment        |
//! | `registry` | go-micro's registry, read and written              |
//! | `resolve`  | the endpoints of a `kubernetes://` target          |
//! | `services` | the services as Amalgam8's catalog has them        |
//!
//! All of them end with 0, with 1 when something was refused or not found, with 2 when
//! the command line is not understood.

use std::ffi::OsString;
use std::io::Write;

#[cfg(feature = "kubernetes")]
use crate::registry;
#[cfg(feature = "commands")]
use crate::{catalog, config, resolver};

/// One of them. A build without the feature `kubernetes` has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subcommand {
    /// `health config`.
    #[cfg(feature = "commands")]
    Config,
    /// `health registry`.
    #[cfg(feature = "kubernetes")]
    Registry,
    /// `health resolve`.
    #[cfg(feature = "commands")]
    Resolve,
    /// `health services`.
    #[cfg(feature = "commands")]
    Services,
}

// === impl Subcommand ===

impl Subcommand {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            #[cfg(feature = "commands")]
            "config" => Some(Self::Config),
            #[cfg(feature = "kubernetes")]
            "registry" => Some(Self::Registry),
            #[cfg(feature = "commands")]
            "resolve" => Some(Self::Resolve),
            #[cfg(feature = "commands")]
            "services" => Some(Self::Services),
            _ => None,
        }
    }

    /// Runs it with the environment, and tells the exit code.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(
            unused_variables,
            clippy::needless_pass_by_value,
            reason = "there is none to run"
        )
    )]
    pub fn run(
        self,
        argv: Vec<OsString>,
        variables: &[(OsString, OsString)],
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> u8 {
        #[cfg(feature = "kubernetes")]
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        match self {
            #[cfg(feature = "commands")]
            Self::Config => {
                config::command::run(argv, variable, variables.iter().cloned(), out, err)
            }
            #[cfg(feature = "kubernetes")]
            Self::Registry => registry::command::run(argv, variable, out, err),
            #[cfg(feature = "commands")]
            Self::Resolve => resolver::command::run(argv, variable, out, err),
            #[cfg(feature = "commands")]
            Self::Services => catalog::command::run(argv, variable, out, err),
        }
    }
}

#[cfg(all(test, feature = "commands"))]
mod tests {
    use super::*;

    #[test]
    fn an_empty_command_line_is_no_panic_to_any() {
        for (subcommand, expected) in [
            (Subcommand::Config, 2),
            (Subcommand::Registry, 2),
            (Subcommand::Resolve, 2),
        ] {
            for argv in [Vec::new(), vec![OsString::new()]] {
                let (mut out, mut err) = (Vec::new(), Vec::new());
                let code = subcommand.run(argv, &[], &mut out, &mut err);
                assert_eq!(code, expected, "{subcommand:?}");
                assert!(!err.is_empty(), "{subcommand:?}");
            }
        }
        // Nothing is required of it: it fails for lack of an API server.
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("none");
        let variables = [("KUBECONFIG".into(), kubeconfig.into_os_string())];
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = Subcommand::Services.run(Vec::new(), &variables, &mut out, &mut err);
        assert!(code > 0 && !err.is_empty(), "{code}");
    }
}
