//! The flags of TLS, with the names and the rules of grpc-health-probe.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::net::address;

/// The options of TLS to the service.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "TLS to the service")]
pub struct Options {
    /// Speak TLS to the service
    #[arg(
        long = "tls",
        hide = cfg!(not(feature = "tls"))
    )]
    pub tls: bool,

    /// The CAs that may have signed the service's certificate, or a self-signed certificate itself,
    /// as a PEM file [default: the system's CAs]. TLS files are read again when they change
    #[arg(long = "tls_ca_cert", value_name = "FILE", hide = cfg!(not(feature = "tls")))]
    pub tls_ca_cert: Option<PathBuf>,

    /// The client certificate to present to the service, with its chain, as a PEM file
    #[arg(long = "tls_client_cert", value_name = "FILE", hide = cfg!(not(feature = "tls")))]
    pub tls_client_cert: Option<PathBuf>,

    /// The key of the client certificate, as a PEM file
    #[arg(long = "tls_client_key", value_name = "FILE", hide = cfg!(not(feature = "tls")))]
    pub tls_client_key: Option<PathBuf>,

    /// The name or IP address to expect in the service's certificate [default: the
    /// host that is dialled; localhost for wildcards and sockets]
    #[arg(
        long = "tls_server_name",
        value_name = "NAME",
        value_parser = server_name,
        hide = cfg!(not(feature = "tls"))
    )]
    pub tls_server_name: Option<String>,

    /// Accept any certificate: the connection is encrypted, but the service's identity is not
    /// verified
    #[arg(
        long = "tls_no_verify",
        hide = cfg!(not(feature = "tls"))
    )]
    pub tls_no_verify: bool,
}

/// The reason why these flags cannot be combined.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Conflict {
    /// The build cannot speak TLS.
    #[error(
        "--{0}: this build has no TLS because it was made without the feature tls; use the full build"
    )]
    NoFeature(&'static str),
    /// A flag of TLS was given without `--tls`.
    #[error("--{0} is given without --tls: only --tls turns on TLS to the service; add it")]
    WithoutTls(&'static str),
    /// A flag of a pair was given without the other.
    #[error("--{0} is given without --{1}; a client certificate needs both")]
    HalfAPair(&'static str, &'static str),
    /// The flags ask both to verify and not to verify.
    #[error(
        "--tls_no_verify and --tls_ca_cert exclude each other, because no certificate would be verified; remove one"
    )]
    NoVerifyWithCa,
}

// === impl Options ===

impl Options {
    /// Checks that the flags can be combined.
    ///
    /// # Errors
    ///
    /// Returns a `Conflict` that names the flags.
    pub(crate) fn validate(&self) -> Result<(), Conflict> {
        let details = [
            ("tls_ca_cert", self.tls_ca_cert.is_some()),
            ("tls_client_cert", self.tls_client_cert.is_some()),
            ("tls_client_key", self.tls_client_key.is_some()),
            ("tls_server_name", self.tls_server_name.is_some()),
            ("tls_no_verify", self.tls_no_verify),
        ];
        let given = details
            .iter()
            .find_map(|(flag, given)| given.then_some(*flag));
        let tls = if self.tls { Some("tls") } else { given };
        match (tls, given) {
            (Some(flag), _) if cfg!(not(feature = "tls")) => Err(Conflict::NoFeature(flag)),
            (_, Some(flag)) if !self.tls => Err(Conflict::WithoutTls(flag)),
            _ => match (&self.tls_client_cert, &self.tls_client_key) {
                (Some(_), None) => Err(Conflict::HalfAPair("tls_client_cert", "tls_client_key")),
                (None, Some(_)) => Err(Conflict::HalfAPair("tls_client_key", "tls_client_cert")),
                _ if self.tls_no_verify && self.tls_ca_cert.is_some() => {
                    Err(Conflict::NoVerifyWithCa)
                }
                _ => Ok(()),
            },
        }
    }

    /// Returns the mode of TLS for the start line of the log.
    pub fn describe(&self) -> &'static str {
        match (self.tls, self.tls_no_verify) {
            (false, _) => "off",
            (true, false) => "verified",
            (true, true) => "unverified",
        }
    }
}

fn server_name(text: &str) -> Result<String, &'static str> {
    if text.parse::<IpAddr>().is_ok() || (!text.is_empty() && address::is_host_name(text)) {
        Ok(text.to_owned())
    } else {
        Err("expected a host name or an IP address, without a port")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(flags: &[&str]) -> Options {
        let given = |flag: &str| flags.contains(&flag);
        let file = |flag| given(flag).then(|| PathBuf::from("file.pem"));
        Options {
            tls: given("tls"),
            tls_ca_cert: file("tls_ca_cert"),
            tls_client_cert: file("tls_client_cert"),
            tls_client_key: file("tls_client_key"),
            tls_server_name: given("tls_server_name").then(|| "greeter".to_owned()),
            tls_no_verify: given("tls_no_verify"),
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn flags_go_together_as_in_grpc_health_probe() {
        use Conflict::{HalfAPair, NoVerifyWithCa, WithoutTls};
        const PAIR: (&str, &str) = ("tls_client_cert", "tls_client_key");
        for (flags, expected) in [
            (&[][..], Ok(())),
            (&["tls"], Ok(())),
            (&["tls", "tls_no_verify", "tls_server_name"], Ok(())),
            (&["tls", "tls_ca_cert", PAIR.0, PAIR.1], Ok(())),
            (&["tls_ca_cert"], Err(WithoutTls("tls_ca_cert"))),
            (&[PAIR.0, PAIR.1], Err(WithoutTls(PAIR.0))),
            (&["tls_server_name"], Err(WithoutTls("tls_server_name"))),
            (&["tls_no_verify"], Err(WithoutTls("tls_no_verify"))),
            (&["tls", PAIR.0], Err(HalfAPair(PAIR.0, PAIR.1))),
            (&["tls", PAIR.1], Err(HalfAPair(PAIR.1, PAIR.0))),
            (
                &["tls", "tls_ca_cert", "tls_no_verify"],
                Err(NoVerifyWithCa),
            ),
        ] {
            assert_eq!(options(flags).validate(), expected, "{flags:?}");
        }
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn a_slim_build_names_the_feature() {
        assert_eq!(options(&[]).validate(), Ok(()));
        for flag in ["tls", "tls_ca_cert", "tls_no_verify"] {
            let refusal = options(&[flag]).validate().unwrap_err();
            assert_eq!(refusal, Conflict::NoFeature(flag));
            assert!(refusal.to_string().contains("without the feature tls"));
        }
    }

    #[test]
    fn a_server_name_has_no_port() {
        for good in ["greeter", "my_host-1.svc", "10.0.0.7", "::1"] {
            assert_eq!(server_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "greeter:80", "[::1]", "https://greeter"] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }
}
