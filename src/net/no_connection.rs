//! The reasons for which a dial ends without a connection.

use crate::text::Excerpt;

/// What will be spoken on a connection: a server of TLS wants to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Http {
    /// HTTP/1.1, for mucp.
    One,
    /// HTTP/2, for gRPC.
    Two,
}

/// Why there is no connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoConnection {
    /// Refused, not resolved, or closed during the TLS handshake.
    Unreachable(Excerpt),
    /// Something is wrong with TLS, at either end.
    Tls(Excerpt),
    /// The service's TLS does not speak this HTTP: the alert `no_application_protocol`.
    OtherHttp(Http),
}

// === impl Http ===

impl Http {
    /// Its name in ALPN.
    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::One => b"http/1.1",
            Self::Two => b"h2",
        }
    }

    /// What a service that refuses it is said to do.
    pub fn refused(self) -> Excerpt {
        match self {
            Self::One => "the service's TLS refuses HTTP/1.1".into(),
            Self::Two => "the service's TLS refuses HTTP/2".into(),
        }
    }
}
