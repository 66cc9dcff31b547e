//! Explains errors of TLS to an operator.

use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError, Error};

use crate::net::no_connection::{Http, NoConnection};
use crate::net::tls::verifier;
use crate::text::Excerpt;

/// The parts of the configuration that the texts of errors depend on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ErrorContext {
    /// The name expected in the certificate.
    pub(super) name: String,
    /// Records whether a client certificate is configured.
    pub(super) client_certificate: bool,
}

// === impl ErrorContext ===

impl ErrorContext {
    /// Converts an error of a handshake.
    pub(super) fn no_connection(&self, error: &Error, http: Http) -> NoConnection {
        match error {
            Error::AlertReceived(Alert::NoApplicationProtocol) | Error::NoApplicationProtocol => {
                NoConnection::OtherHttp(http)
            }
            error => NoConnection::Tls(self.explain(error)),
        }
    }

    /// Explains an error, during the handshake or after it.
    pub(super) fn explain(&self, error: &Error) -> Excerpt {
        match error {
            Error::InvalidCertificate(why) => self.certificate(why, error),
            Error::AlertReceived(alert) => self.alert(*alert),
            Error::InvalidMessage(_) => "the service does not speak TLS, but --tls is set".into(),
            Error::PeerIncompatible(why) => format!("no common version or cipher: {why:?}").into(),
            error => error.to_string().into(),
        }
    }

    fn certificate(&self, why: &CertificateError, error: &Error) -> Excerpt {
        let name = &self.name;
        match why {
            CertificateError::ExpiredContext { not_after, .. } => {
                format!("the service's certificate expired at {}", utc(*not_after))
            }
            CertificateError::NotValidYetContext { not_before, .. } => format!(
                "the service's certificate is not valid before {}",
                utc(*not_before)
            ),
            CertificateError::NotValidForNameContext { presented, .. } => {
                let presented = if presented.is_empty() {
                    "no name at all".to_owned()
                } else {
                    presented.iter().map(|name| named(name)).collect::<Vec<_>>().join(", ")
                };
                format!("the service's certificate is for {presented}, not for {name}; see --tls_server_name")
            }
            CertificateError::UnknownIssuer => {
                "the service's certificate is signed by an unknown authority; see --tls_ca_cert"
                    .to_owned()
            }
            _ if verifier::is_ca(error) => {
                "the service's certificate is a CA's own certificate, which is not in --tls_ca_cert"
                    .to_owned()
            }
            why => format!("the service's certificate is not accepted: {why:?}"),
        }
        .into()
    }

    fn alert(&self, alert: Alert) -> Excerpt {
        match alert {
            // Go sends the second instead of the first in TLS 1.2.
            Alert::CertificateRequired | Alert::BadCertificate if !self.client_certificate => {
                "the service wants a client certificate; see --tls_client_cert".into()
            }
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
                if self.client_certificate =>
            {
                format!("the service refuses the client certificate: {alert:?}").into()
            }
            Alert::UnrecognisedName => format!(
                "the service has no certificate for {}; see --tls_server_name",
                self.name
            )
            .into(),
            alert => format!("the service ended TLS with the alert {alert:?}").into(),
        }
    }
}

fn utc(time: UnixTime) -> humantime::Rfc3339Timestamp {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(time)
}

/// Returns the bare name. webpki gives names as `DnsName("greeter")` and `IpAddress(10.0.0.7)`.
fn named(presented: &str) -> &str {
    let inner = presented
        .strip_suffix(')')
        .and_then(|presented| presented.split_once('('));
    inner.map_or(presented, |(_, name)| name.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;
    use rustls::{InvalidMessage, PeerIncompatible};

    fn context(client_certificate: bool) -> ErrorContext {
        ErrorContext {
            name: "localhost".to_owned(),
            client_certificate,
        }
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn every_refusal_says_what_to_look_at() {
        use CertificateError as C;
        let certificate = Error::InvalidCertificate;
        for (error, expected) in [
            (
                certificate(C::ExpiredContext {
                    time: at(2),
                    not_after: at(1),
                }),
                "the service's certificate expired at 1970-01-01T00:00:01Z",
            ),
            (
                certificate(C::NotValidYetContext {
                    time: at(1),
                    not_before: at(2),
                }),
                "the service's certificate is not valid before 1970-01-01T00:00:02Z",
            ),
            (
                certificate(C::NotValidForNameContext {
                    expected: ServerName::try_from("localhost").unwrap(),
                    presented: vec![
                        "DnsName(\"greeter\")".to_owned(),
                        "IpAddress(10.0.0.7)".to_owned(),
                    ],
                }),
                "the service's certificate is for greeter, 10.0.0.7, not for localhost; see --tls_server_name",
            ),
            (
                certificate(C::NotValidForNameContext {
                    expected: ServerName::try_from("localhost").unwrap(),
                    presented: vec![],
                }),
                "the service's certificate is for no name at all, not for localhost; see --tls_server_name",
            ),
            (
                certificate(C::UnknownIssuer),
                "the service's certificate is signed by an unknown authority; see --tls_ca_cert",
            ),
            (
                certificate(C::BadEncoding),
                "the service's certificate is not accepted: BadEncoding",
            ),
            (
                Error::AlertReceived(Alert::CertificateRequired),
                "the service wants a client certificate; see --tls_client_cert",
            ),
            (
                Error::AlertReceived(Alert::BadCertificate),
                "the service wants a client certificate; see --tls_client_cert",
            ),
            (
                Error::AlertReceived(Alert::HandshakeFailure),
                "the service ended TLS with the alert HandshakeFailure",
            ),
            (
                Error::AlertReceived(Alert::UnrecognisedName),
                "the service has no certificate for localhost; see --tls_server_name",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "the service does not speak TLS, but --tls is set",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "no common version or cipher: NoCipherSuitesInCommon",
            ),
        ] {
            assert_eq!(context(false).explain(&error).to_string(), expected);
            assert!(matches!(
                context(false).no_connection(&error, Http::Two),
                NoConnection::Tls(_)
            ));
        }
        for alert in [
            Alert::BadCertificate,
            Alert::UnknownCA,
            Alert::CertificateRequired,
        ] {
            assert_eq!(
                context(true)
                    .explain(&Error::AlertReceived(alert))
                    .to_string(),
                format!("the service refuses the client certificate: {alert:?}")
            );
        }
    }

    #[test]
    fn no_application_protocol_says_which_http_is_spoken() {
        for error in [
            Error::AlertReceived(Alert::NoApplicationProtocol),
            Error::NoApplicationProtocol,
        ] {
            assert_eq!(
                context(false).no_connection(&error, Http::One),
                NoConnection::OtherHttp(Http::One)
            );
        }
    }
}
