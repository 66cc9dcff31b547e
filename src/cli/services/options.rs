//! The command line of `health services`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::error::Error;

use crate::app::go_micro;
use crate::catalog::version::Source;
use crate::cli::output::Output;
use crate::cluster::credentials::CredentialOverrides;
use crate::cluster::names;
use crate::cluster::options::{self as cluster, ApiServer, InvalidApiServer};
use crate::flags::{CommandLine, ParsedArgs};
use crate::net::address::Address;

/// A parsed command line of `health services`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The only service to show, or `None` for all.
    pub service: Option<String>,
    /// Prints every later change too.
    pub watch: bool,
    /// Checks each instance too.
    pub check: bool,
    /// The address on which to serve the registry's read API instead.
    pub serve: Option<Address>,
    /// The form of the answer.
    pub output: Output,
    /// The sources of versions, in order of preference.
    pub version_from: Vec<Source>,
    /// The API server.
    pub cluster: cluster::Options,
    /// The credentials that replace the service account's files.
    pub given: CredentialOverrides,
}

/// Shows Kubernetes' services and their versions as Amalgam8's registry does
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health services", bin_name = "health services", version = crate::VERSION, after_help = AFTER_HELP, args_override_self = true)]
struct Args {
    /// The name of the service [default: all services]
    #[arg(value_name = "NAME", value_parser = service)]
    service: Option<String>,

    /// Keep running and show each change
    #[arg(long = "watch")]
    watch: bool,

    /// Check each instance too, on the protocol that it speaks, and name those that do not
    /// answer. Checks once, without `--watch`
    #[arg(long = "check")]
    check: bool,

    /// Serve the read half of the registry's API v1 on this address instead; every client that
    /// can reach it may read
    #[arg(
        long = "serve",
        value_name = "HOST:PORT",
        conflicts_with_all = ["service", "watch", "check"]
    )]
    serve: Option<Address>,

    /// The form of the answer: a table like that of `a8ctl service-list`, or the registry's JSON
    /// on one line
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: Output,

    /// The sources of the version, of which the first with a value wins: label (the pod's
    /// app.kubernetes.io/version or version), owner (depends on the owner's kind), name (the part
    /// behind the last dash of the owner's name, whatever its form)
    #[arg(
        long = "version_from",
        value_name = "SOURCE,…",
        default_value = "label,owner"
    )]
    version_from: Sources,

    /// The API server, if not the pod's own, under Amalgam8's name for the flag; wins over
    /// `--registry_address`
    #[arg(
        long = "k8s_url",
        value_name = "URL",
        help_heading = "Amalgam8's Kubernetes"
    )]
    k8s_url: Option<K8sUrl>,

    /// The token for the API server [default: the service account's]
    #[arg(
        long = "k8s_token",
        value_name = "TOKEN",
        help_heading = "Amalgam8's Kubernetes"
    )]
    k8s_token: Option<String>,

    /// The file of certificate authorities for the API server's certificate, PEM [default: the
    /// service account's]
    #[arg(
        long = "k8s_ca_file",
        value_name = "FILE",
        help_heading = "Amalgam8's Kubernetes"
    )]
    k8s_ca_file: Option<PathBuf>,

    #[command(flatten)]
    cluster: cluster::Options,
}

/// The value of `--version_from`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sources(Vec<Source>);

/// The value of `--k8s_url`. As in Amalgam8, slashes at the end are ignored.
#[derive(Clone, Debug, Eq, PartialEq)]
struct K8sUrl(ApiServer);

const AFTER_HELP: &str = "\
Example: health services helloworld -o json --k8s_url=http://127.0.0.1:8001
For a8ctl: health services --serve=127.0.0.1:31300
Shows instances that are ready. Exit codes: 0 shown, 1 refused, not found, or an
instance does not answer --check, 2 usage.";

/// Parses the command line.
///
/// # Errors
///
/// Returns clap's errors, which also carry `--help` and `--version`.
pub(crate) fn read(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, Error> {
    let rules = CommandLine {
        shared: Some(go_micro::SHARED),
        example: "health services helloworld",
    };
    let ParsedArgs { args, .. }: ParsedArgs<Args> = rules.parse(argv, variable)?;
    let Args {
        service,
        watch,
        check,
        serve,
        output,
        version_from,
        k8s_url,
        k8s_token,
        k8s_ca_file,
        mut cluster,
    } = args;
    if let Some(K8sUrl(url)) = k8s_url {
        cluster.registry_address = Some(url);
    }
    Ok(Request {
        service,
        watch,
        check,
        serve,
        output,
        version_from: version_from.0,
        cluster,
        given: CredentialOverrides {
            token: k8s_token,
            ca_file: k8s_ca_file,
        },
    })
}

/// Checks that the characters are those of a DNS label, because the name becomes a part of a
/// selector.
fn service(text: &str) -> Result<String, &'static str> {
    if names::is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("expected the name of a Service: 1 to 63 of a-z, 0-9 and -, no - at either end")
    }
}

// === impl Sources ===

impl FromStr for Sources {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sources: Result<_, _> = text.split(',').map(str::parse).collect();
        Ok(Self(sources?))
    }
}

// === impl K8sUrl ===

impl FromStr for K8sUrl {
    type Err = InvalidApiServer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim_end_matches('/').parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str, variables: &[(&str, &str)]) -> Result<Request, Error> {
        let argv = line.split(' ').map(OsString::from).collect();
        read(argv, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn amalgam8s_flags_and_variables_are_accepted() {
        let url = |request: &Request| {
            let address = request.cluster.registry_address.as_ref();
            address.map(|address| address.0.to_string())
        };
        let variables = [
            ("A8_K8S_URL", "https://10.96.0.1:443//"),
            ("A8_K8S_TOKEN", "hush"),
            ("MICRO_REGISTRY_ADDRESS", "http://other:8001"),
        ];
        let from_env = request("health", &variables).unwrap();
        assert_eq!(url(&from_env).as_deref(), Some("https://10.96.0.1:443/"));
        assert_eq!(from_env.given.token.as_deref(), Some("hush"));
        assert!(!format!("{from_env:?}").contains("hush"));

        let line = "health web -k8s_url http://127.0.0.1:8001 --k8s-token t --k8s_ca_file /ca";
        let from_flags = request(line, &variables).unwrap();
        assert_eq!(url(&from_flags).as_deref(), Some("http://127.0.0.1:8001/"));
        assert_eq!(from_flags.given.token.as_deref(), Some("t"));
        assert_eq!(from_flags.given.ca_file, Some("/ca".into()));
        assert_eq!(from_flags.service.as_deref(), Some("web"));
        assert_eq!(from_flags.version_from, [Source::Label, Source::Owner]);
    }

    #[test]
    fn an_invalid_command_line_is_a_usage_error() {
        for (line, expected) in [
            ("health Web", 2),
            ("health a b", 2),
            ("health a,b=c", 2),
            ("health --version_from=age", 2),
            ("health --version_from=", 2),
            ("health --k8s_url=10.96.0.1", 2),
            ("health -o yaml", 2),
            ("health --serve=127.0.0.1", 2),
            ("health web --serve=127.0.0.1:0", 2),
            ("health --watch --serve=127.0.0.1:0", 2),
            ("health --help", 0),
        ] {
            let error = request(line, &[]).unwrap_err();
            assert_eq!(error.exit_code(), expected, "{line}: {error}");
        }
        let help = request("health --help", &[]).unwrap_err().to_string();
        assert!(help.starts_with("Shows Kubernetes' services"), "{help}");
        let name = request("health --version_from=name,label", &[]).unwrap();
        assert_eq!(name.version_from, [Source::Name, Source::Label]);
    }
}
