//! The stages of a connection, from the host name to the request.

use std::fmt;

/// The stage that a connection has reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// The platform's resolver had not answered.
    Resolving,
    /// No connection had been accepted.
    Connecting,
    /// A connection was accepted, and its server has not sent SETTINGS.
    AwaitingSettings,
    /// A connection was accepted, and its TLS handshake has not ended.
    TlsHandshake,
    /// The request was sent or on its way.
    Waiting,
}

// === impl Stage ===

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "resolving the host name",
            Self::Connecting => "connecting",
            Self::TlsHandshake => "in the TLS handshake",
            Self::AwaitingSettings | Self::Waiting => "waiting for the answer",
        })
    }
}
