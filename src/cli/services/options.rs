//! The command line of `health services`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::error::Error;

use crate::app::go_micro;
use crate::catalog::version::Source;
use crate::cli::output::Output;
use crate::cluster::credentials::Given;
use crate::cluster::options::{self as cluster, ApiServer, InvalidApiServer};
use crate::flags::{CommandLine, ParsedArgs};
use crate::net::address::Address;

/// The command, ready to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// One service, if not all of them.
    pub service: Option<String>,
    /// Whether to go on showing what changes.
    pub watch: bool,
    /// Whether to ask each instance too.
    pub check: bool,
    /// Where to serve the registry's read API instead.
    pub serve: Option<Address>,
    /// The form of the answer.
    pub output: Output,
    /// Where versions come from.
    pub version_from: Vec<Source>,
    /// Which API server.
    pub cluster: cluster::Options,
    /// What stands in the place of the service account's files.
    pub given: Given,
}

/// Shows Kubernetes' services and their versions as Amalgam8's registry does
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "health services", bin_name = "health services", version = crate::VERSION, after_help = AFTER_HELP, args_override_self = true)]
struct Args {
    /// One service [default: all]
    #[arg(value_name = "NAME", value_parser = service)]
    service: Option<String>,

    /// Go on, and show each change
    #[arg(long = "watch")]
    watch: bool,

    /// Ask each instance too, as what it speaks, and name those that do not answer; once,
    /// without `--watch`
    #[arg(long = "check")]
    check: bool,

    /// Serve the read half of the registry's API v1 here instead, to whoever can reach it
    #[arg(
        long = "serve",
        value_name = "HOST:PORT",
        conflicts_with_all = ["service", "watch", "check"]
    )]
    serve: Option<Address>,

    /// A table as of `a8ctl service-list`, or the registry's JSON on one line
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: Output,

    /// Where a version comes from, the first that has one: label (the pod's
    /// app.kubernetes.io/version or version), owner (by the kind of it), name (what is
    /// behind the last dash of the owner's name, whatever it looks like)
    #[arg(
        long = "version_from",
        value_name = "SOURCE,…",
        default_value = "label,owner"
    )]
    version_from: Sources,

    /// The API server, if not the pod's own, as Amalgam8 has it; wins over
    /// `--registry_address`
    #[arg(
        long = "k8s_url",
        value_name = "URL",
        help_heading = "Amalgam8's Kubernetes"
    )]
    k8s_url: Option<K8sUrl>,

    /// The token [default: the service account's]
    #[arg(
        long = "k8s_token",
        value_name = "TOKEN",
        help_heading = "Amalgam8's Kubernetes"
    )]
    k8s_token: Option<String>,

    /// The authorities that may have signed the API server's certificate, PEM
    /// [default: the service account's]
    #[arg(
        long = "k8s_ca_file",
        value_name = "FILE",
        help_heading = "Amalgam8's Kubernetes"
    )]
    k8s_ca_file: Option<PathBuf>,

    #[command(flatten)]
    cluster: cluster::Options,
}

/// `--version_from`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sources(Vec<Source>);

/// `--k8s_url`: slashes at its end change nothing, as in Amalgam8.
#[derive(Clone, Debug, Eq, PartialEq)]
struct K8sUrl(ApiServer);

const AFTER_HELP: &str = "\
Example: health services helloworld -o json --k8s_url=http://127.0.0.1:8001
For a8ctl: health services --serve=127.0.0.1:31300
Shows instances that are ready. Exit codes: 0 shown, 1 refused, not found, or an
instance does not answer --check, 2 usage.";

/// Reads the command line.
///
/// # Errors
///
/// clap's, which also carry `--help` and `--version`.
pub fn read(
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
        given: Given {
            token: k8s_token,
            ca_file: k8s_ca_file,
        },
    })
}

/// A DNS label, of which only the characters matter here: it becomes a part of a selector.
fn service(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected the name of a Service: 1 to 63 of a-z, 0-9 and -")
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

    fn asked(line: &str, variables: &[(&str, &str)]) -> Result<Request, Error> {
        let argv = line.split(' ').map(OsString::from).collect();
        read(argv, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn amalgam8s_flags_and_variables() {
        let url = |asked: &Request| {
            let address = asked.cluster.registry_address.as_ref();
            address.map(|address| address.0.to_string())
        };
        let variables = [
            ("A8_K8S_URL", "https://10.96.0.1:443//"),
            ("A8_K8S_TOKEN", "hush"),
            ("MICRO_REGISTRY_ADDRESS", "http://other:8001"),
        ];
        let from_env = asked("health", &variables).unwrap();
        assert_eq!(url(&from_env).as_deref(), Some("https://10.96.0.1:443/"));
        assert_eq!(from_env.given.token.as_deref(), Some("hush"));
        assert!(!format!("{from_env:?}").contains("hush"));

        let line = "health web -k8s_url http://127.0.0.1:8001 --k8s-token t --k8s_ca_file /ca";
        let from_flags = asked(line, &variables).unwrap();
        assert_eq!(url(&from_flags).as_deref(), Some("http://127.0.0.1:8001/"));
        assert_eq!(from_flags.given.token.as_deref(), Some("t"));
        assert_eq!(from_flags.given.ca_file, Some("/ca".into()));
        assert_eq!(from_flags.service.as_deref(), Some("web"));
        assert_eq!(from_flags.version_from, [Source::Label, Source::Owner]);
    }

    #[test]
    fn what_is_not_understood_is_usage() {
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
            let error = asked(line, &[]).unwrap_err();
            assert_eq!(error.exit_code(), expected, "{line}: {error}");
        }
        let help = asked("health --help", &[]).unwrap_err().to_string();
        assert!(help.starts_with("Shows Kubernetes' services"), "{help}");
        let name = asked("health --version_from=name,label", &[]).unwrap();
        assert_eq!(name.version_from, [Source::Name, Source::Label]);
    }
}
