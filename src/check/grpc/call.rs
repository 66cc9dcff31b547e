//! A gRPC call: its request, and the errors for which there is no status.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Request, Version};
use tokio::time::Instant;

use crate::check::head::Head;
use crate::check::unhealthy::Unhealthy;
use crate::net::dial::Dialer;
use crate::net::no_connection::NoConnection;
use crate::net::stream::TlsFault;
use crate::text::Excerpt;

/// A call to make.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// `http://authority/service/method`, or `https`.
    pub uri: http::Uri,
    /// The encoded protobuf message.
    pub message: Bytes,
    /// The time at which the caller stops waiting, sent along as grpc-timeout.
    pub deadline: Instant,
    /// The headers of the request; the URI has the authority.
    pub head: &'a Head,
    /// The dialer to use if there is no connection yet.
    pub dialer: &'a Dialer,
}

/// The reason why a call brought no gRPC status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CallError {
    /// The connection failed, or ended before the whole answer had arrived.
    Lost(Excerpt),
    /// TLS failed, at either end.
    Tls(Excerpt),
    /// The peer answered with another protocol than gRPC.
    NotGrpc(Excerpt),
}

// === impl Call ===

impl Call<'_> {
    /// Returns the head that go-micro's own client sends (reference: go-micro v1.18 client/grpc).
    pub(super) fn request(&self) -> Request<()> {
        let left = whole_millis(self.deadline.saturating_duration_since(Instant::now()));
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/grpc+proto"),
        );
        headers.insert("user-agent", self.head.user_agent.clone());
        headers.insert(
            "x-content-type",
            HeaderValue::from_static("application/grpc+proto"),
        );
        headers.insert(
            "timeout",
            HeaderValue::from(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)),
        );
        if let Ok(timeout) = HeaderValue::try_from(grpc_timeout(left)) {
            headers.insert("grpc-timeout", timeout);
        }
        headers.extend(self.head.metadata.clone());
        request
    }

    pub(super) fn framed(&self) -> Bytes {
        let mut framed = BytesMut::with_capacity(5 + self.message.len());
        framed.put_u8(0);
        framed.put_u32(u32::try_from(self.message.len()).unwrap_or(u32::MAX));
        framed.extend_from_slice(&self.message);
        framed.freeze()
    }
}

/// Rounds up, so that the value is the same in nearly every check. HPACK then sends an index for it
/// instead of storing one more text.
fn whole_millis(left: Duration) -> Duration {
    let millis = left.as_nanos().div_ceil(1_000_000).max(1);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Formats at most eight digits and a unit, as the gRPC specification demands.
fn grpc_timeout(left: Duration) -> String {
    let micros = left.as_micros();
    if micros < 100_000_000 {
        format!("{micros}u")
    } else {
        format!("{}S", left.as_secs().min(99_999_999))
    }
}

// === impl CallError ===

impl CallError {
    pub(super) fn from_h2(error: &h2::Error) -> Self {
        // Errors that this side finds and resets by the peer are faults of the protocol. A lost
        // connection and GOAWAY are not.
        let text = Excerpt::from(error.to_string());
        if error.is_io() || (error.is_go_away() && error.is_remote()) {
            Self::Lost(text)
        } else {
            Self::NotGrpc(text)
        }
    }
}

impl CallError {
    /// Returns the fault of TLS that the stream has found, or the error with the stream's hint.
    pub(super) fn or_fault(self, fault: &TlsFault) -> Self {
        match (fault.get(), self) {
            (Some(text), _) => Self::Tls(text),
            (None, Self::Lost(text)) => Self::Lost(fault.hint(text)),
            (None, error) => error,
        }
    }
}

impl From<NoConnection> for CallError {
    fn from(no_connection: NoConnection) -> Self {
        match no_connection {
            NoConnection::Unreachable(text) => Self::Lost(text),
            NoConnection::Tls(text) => Self::Tls(text),
            NoConnection::OtherHttp(http) => Self::NotGrpc(http.refused()),
        }
    }
}

impl From<CallError> for Unhealthy {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Lost(text) => Self::Unreachable(text),
            CallError::Tls(text) => Self::Tls(text),
            CallError::NotGrpc(text) => Self::Protocol(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_rounded_up_and_never_zero() {
        for (nanos, millis) in [(0, 1), (1, 1), (1_000_000, 1), (899_999_999, 900)] {
            let left = whole_millis(Duration::from_nanos(nanos));
            assert_eq!(left, Duration::from_millis(millis), "{nanos}");
        }
        assert_eq!(whole_millis(Duration::MAX).as_millis(), u64::MAX.into());
    }

    #[test]
    fn a_grpc_timeout_has_at_most_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_millis(900)), "900000u");
        assert_eq!(grpc_timeout(Duration::from_micros(99_999_999)), "99999999u");
        assert_eq!(grpc_timeout(Duration::from_secs(100)), "100S");
        assert_eq!(grpc_timeout(Duration::MAX), "99999999S");
    }
}
