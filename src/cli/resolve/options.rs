//! The command line of `health resolve`.

use crate::app::go_micro;
use crate::cli::output::Output;
use crate::cluster;
use crate::flags::CommandLine;
use crate::resolver::target::Target;

/// The rules of `health resolve`'s command line.
pub(crate) const RESOLVE: CommandLine = CommandLine {
    shared: Some(go_micro::SHARED),
    example: "health resolve kubernetes:///greeter.shop:grpc",
};

/// The flags of `health resolve`.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health resolve", bin_name = "health resolve", version = crate::VERSION, about = ABOUT, after_help = AFTER_HELP, args_override_self = true)]
pub(crate) struct Flags {
    /// The target: `kubernetes:///SERVICE[.NAMESPACE][:PORT]`, or any other form that
    /// kuberesolver accepts. PORT is a name, or a port number of the endpoints (not of the
    /// Service)
    #[arg(value_name = "TARGET")]
    pub target: Target,

    /// Keep running and show each change
    #[arg(short = 'w', long = "watch")]
    pub watch: bool,

    /// The form of the answer: one address on each line, or JSON
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub output: Output,

    /// Include endpoints that are not ready, unless they are terminating
    #[arg(long = "include_not_ready")]
    pub include_not_ready: bool,

    #[command(flatten)]
    pub cluster: cluster::options::Options,
}

const ABOUT: &str =
    "Shows the endpoints of a Service, as clients with a kubernetes:// resolver find them";

const AFTER_HELP: &str = "\
Example: health resolve kubernetes:///greeter.shop:grpc
The service account needs list and watch of endpointslices (discovery.k8s.io); get of
services improves the error messages. Flags are also read as -include_not_ready and
--include-not-ready, and from the variable in brackets; a flag wins over its variable.
Exit codes: 0 found, 1 refused or not found, 2 usage.";

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::flags::{ParsedArgs, command, env};

    fn read(text: &str) -> Result<ParsedArgs<Flags>, clap::Error> {
        let argv = text.split(' ').map(OsString::from);
        RESOLVE.parse(argv, |_| None)
    }

    #[test]
    fn the_flags_are_consistent() {
        env::documented(command::<Flags>()).debug_assert();
    }

    #[test]
    fn the_help_begins_with_the_purpose() {
        let help = read("health --help").unwrap_err().to_string();
        assert!(help.starts_with(ABOUT), "{help}");
    }

    #[test]
    fn flags_can_stand_before_and_after_the_target() {
        for text in [
            "health greeter.shop:grpc -w -o json",
            "health --watch -o=json greeter.shop:grpc",
            "health -watch=true --output json kubernetes://shop/greeter:grpc",
        ] {
            let flags = read(text).unwrap_or_else(|error| panic!("{error}")).args;
            assert_eq!(flags.target.to_string(), "kubernetes://shop/greeter:grpc");
            assert_eq!((flags.watch, flags.output), (true, Output::Json), "{text}");
        }
        let refusal = read("health").unwrap_err();
        assert_eq!(refusal.exit_code(), 2);
        assert!(refusal.to_string().contains(RESOLVE.example), "{refusal}");
    }
}
