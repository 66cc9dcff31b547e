//! The reasons for which a dial ends without a connection.

use crate::text::Excerpt;

/// The HTTP version that will be spoken on a connection, which a TLS server learns by ALPN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Http {
    /// HTTP/1.1, for mucp.
    One,
    /// HTTP/2, for gRPC.
    Two,
}

/// The reason why a dial brought no connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoConnection {
    /// The connection was refused or closed during the TLS handshake, or the name was not resolved.
    Unreachable(Excerpt),
    /// TLS failed, at either end.
    Tls(Excerpt),
    /// The service's TLS does not speak this HTTP: the alert `no_application_protocol`.
    OtherHttp(Http),
}

// === impl Http ===

impl Http {
    /// Returns its name in ALPN.
    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::One => b"http/1.1",
            Self::Two => b"h2",
        }
    }

    /// Returns the sentence about a service that refuses it.
    pub fn refused(self) -> Excerpt {
        match self {
            Self::One => "the service's TLS refuses HTTP/1.1".into(),
            Self::Two => "the service's TLS refuses HTTP/2".into(),
        }
    }
}
