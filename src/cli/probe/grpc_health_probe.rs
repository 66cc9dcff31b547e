//! The command line of `grpc_health_probe`.
//!
//! Source: grpc-ecosystem/grpc-health-probe, main.go. The refusals repeat its texts.

use std::ffi::OsString;

use clap::error::ErrorKind;
use http::HeaderValue;

use super::options::Report;
use super::plan::{Limits, Plan};
use crate::check::metadata::{self, Metadata};
use crate::check::options::{Options, Protocol, ServerName};
use crate::cli::exit::Tool;
use crate::flags::CommandLine;
use crate::flags::duration::{self, GoDuration};
use crate::net::endpoint::Endpoint;
use crate::net::tls;

const COMMAND_LINE: CommandLine = CommandLine {
    shared: None,
    example: "grpc_health_probe -addr=localhost:5000",
};

/// Checks a service once over grpc.health.v1.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "grpc_health_probe", bin_name = "grpc_health_probe", version = crate::VERSION, after_help = CODES, args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "they are that tool's flags")]
struct Flags {
    /// The address of the service
    #[arg(long = "addr", value_name = "HOST:PORT")]
    addr: Endpoint,

    /// The name of the service to check [default: the server as a whole]
    #[arg(
        long = "service",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    service: String,

    /// The time limit for connecting
    #[arg(long = "connect_timeout", value_name = "DURATION", default_value = "1s", value_parser = duration::above_zero)]
    connect_timeout: GoDuration,

    /// The time limit for the call, once connected
    #[arg(long = "rpc_timeout", value_name = "DURATION", default_value = "1s", value_parser = duration::above_zero)]
    rpc_timeout: GoDuration,

    /// A header of the request; repeat the flag for more
    #[arg(long = "rpc_header", value_name = "NAME:VALUE", value_parser = Metadata::from_header)]
    rpc_header: Vec<Metadata>,

    /// The user agent of the call
    #[arg(long = "user_agent", value_name = "TEXT", default_value = "grpc_health_probe", value_parser = metadata::user_agent)]
    user_agent: HeaderValue,

    #[command(flatten)]
    tls: Tls,

    /// Log each step to stderr
    #[arg(short = 'v', long = "v")]
    verbose: bool,

    #[arg(long = "gzip", hide = true)]
    gzip: bool,

    #[arg(long = "spiffe", hide = true)]
    spiffe: bool,

    #[arg(long = "alts", hide = true)]
    alts: bool,
}

/// The TLS flags of `grpc_health_probe`.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "TLS")]
struct Tls {
    /// Connect over TLS
    #[arg(long = "tls")]
    on: bool,

    /// Accept any certificate
    #[arg(long = "tls_no_verify")]
    no_verify: bool,

    /// The file of trusted certificates, PEM
    #[arg(long = "tls_ca_cert", value_name = "FILE")]
    ca_cert: Option<String>,

    /// The file of the client certificate, PEM
    #[arg(long = "tls_client_cert", value_name = "FILE")]
    client_cert: Option<String>,

    /// The file of the client certificate's key, PEM
    #[arg(long = "tls_client_key", value_name = "FILE")]
    client_key: Option<String>,

    /// The name that the service's certificate must have
    #[arg(long = "tls_server_name", value_name = "NAME")]
    server_name: Option<String>,
}

const CODES: &str = "\
Flags are also read as -connect-timeout and so on. Exit codes: 0 serving, 1 bad arguments,
2 could not connect, 3 the call failed or timed out, 4 not serving.";

/// Parses the tool's command line. The tool reads no variables.
pub(super) fn read(argv: Vec<OsString>) -> Result<Plan, clap::Error> {
    let flags: Flags = COMMAND_LINE.parse(argv, |_| None)?.args;
    for (is_set, flag, why) in [
        (flags.gzip, "gzip", "a health answer has a few bytes"),
        (
            flags.spiffe,
            "spiffe",
            "certificates of a workload API are not used",
        ),
        (flags.alts, "alts", "only TLS can secure the connection"),
    ] {
        if is_set {
            return Err(refusal(&format!("-{flag} is not supported: {why}")));
        }
    }
    flags.tls.refuse().map_err(refusal)?;
    let tls = flags.tls.options();
    tls.validate().map_err(|why| refusal(&why.to_string()))?;
    let mut target = Options::new(ServerName(flags.service.clone()), flags.addr.into());
    target.protocol = Protocol::GrpcHealth;
    target.health_service = Some(flags.service);
    target.metadata = flags.rpc_header;
    target.user_agent = Some(flags.user_agent);
    target.tls = tls;
    let mut plan = Plan {
        tool: Tool::GrpcHealth,
        target,
        hint: None,
        limits: Some(Limits {
            connect: flags.connect_timeout.0,
            call: flags.rpc_timeout.0,
        }),
        report: Report {
            verbose: flags.verbose,
            ..Report::default()
        },
        #[cfg(feature = "kubernetes")]
        cluster: None,
        notices: Vec::new(),
    };
    plan.leave_room();
    Ok(plan)
}

fn refusal(why: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n"))
}

// === impl Tls ===

impl Tls {
    /// Refuses the combinations that the original tool refuses.
    fn refuse(&self) -> Result<(), &'static str> {
        let Self {
            on,
            no_verify,
            ca_cert,
            client_cert,
            client_key,
            server_name,
        } = self;
        let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let (ca_cert, server_name) = (has(ca_cert), has(server_name));
        let (client_cert, client_key) = (has(client_cert), has(client_key));
        for (is_wrong, why) in [
            (
                !on && *no_verify,
                "specified -tls-no-verify without specifying -tls",
            ),
            (
                !on && ca_cert,
                "specified -tls-ca-cert without specifying -tls",
            ),
            (
                !on && client_cert,
                "specified -tls-client-cert without specifying -tls",
            ),
            (
                !on && server_name,
                "specified -tls-server-name without specifying -tls",
            ),
            (
                client_cert && !client_key,
                "specified -tls-client-cert without specifying -tls-client-key",
            ),
            (
                !client_cert && client_key,
                "specified -tls-client-key without specifying -tls-client-cert",
            ),
            (
                *no_verify && ca_cert,
                "cannot specify -tls-ca-cert with -tls-no-verify (CA cert would not be used)",
            ),
            (
                *no_verify && server_name,
                "cannot specify -tls-server-name with -tls-no-verify (server name would not be used)",
            ),
        ] {
            if is_wrong {
                return Err(why);
            }
        }
        Ok(())
    }

    /// Converts to the sidecar's TLS options. An empty value counts as unset, as in Go.
    fn options(self) -> tls::options::Options {
        let file = |path: Option<String>| path.filter(|path| !path.is_empty()).map(Into::into);
        tls::options::Options {
            tls: self.on,
            tls_ca_cert: file(self.ca_cert),
            tls_client_cert: file(self.client_cert),
            tls_client_key: file(self.client_key),
            tls_server_name: self.server_name.filter(|name| !name.is_empty()),
            tls_no_verify: self.no_verify,
        }
    }
}
