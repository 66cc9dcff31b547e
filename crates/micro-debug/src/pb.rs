//! The two messages of `Debug.Health`.
//!
//! They are written by hand after `debug/proto/debug.proto` of go-micro, so that no build script
//! is needed. The field numbers are the same in every release since v0.1:
//!
//! ```protobuf
//! service Debug {
//!   rpc Health(HealthRequest) returns (HealthResponse);
//! }
//! message HealthRequest  { string service = 1; }
//! message HealthResponse { string status = 1; }
//! ```

/// The request. Clients send it empty.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthRequest {
    /// The name of a service, since go-micro v1.18. No server reads it.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthResponse {
    /// The status. Exactly "ok" is healthy.
    #[prost(string, tag = "1")]
    pub status: String,
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn messages_are_go_micros_bytes() {
        let response = HealthResponse {
            status: "ok".to_owned(),
        };
        assert_eq!(response.encode_to_vec(), b"\x0a\x02ok");
        assert_eq!(HealthRequest::default().encode_to_vec(), b"");
        let request = HealthRequest::decode(&b"\x0a\x07greeter"[..]).unwrap();
        assert_eq!(request.service, "greeter");
    }
}
