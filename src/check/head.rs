//! What every request to the target carries besides the question: authority, user
//! agent, and metadata, which is gRPC's word for headers of one's own.

use http::{HeaderMap, HeaderValue};

use super::options::Options;

/// The head of every request to one target.
#[derive(Clone, Debug)]
pub struct Head {
    /// gRPC's `:authority`, HTTP/1.1's `Host`.
    pub authority: String,
    /// Who asks.
    pub user_agent: HeaderValue,
    /// Further headers.
    pub metadata: HeaderMap,
}

// === impl Head ===

impl Head {
    /// What the flags say.
    pub fn new(options: &Options) -> Self {
        let mut metadata = HeaderMap::new();
        for entry in &options.metadata {
            metadata.append(entry.name().clone(), entry.value().clone());
        }
        Self {
            authority: options
                .authority
                .as_ref()
                .map_or_else(|| options.server_address.authority(), ToString::to_string),
            user_agent: options
                .user_agent
                .clone()
                .unwrap_or_else(|| HeaderValue::from_static(crate::USER_AGENT)),
            metadata,
        }
    }
}
