//! The head of every request to the target: authority, user agent, and metadata. Metadata is gRPC's
//! word for additional headers.

use http::{HeaderMap, HeaderValue};

use super::options::Options;

/// The head of every request to one target.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// gRPC's `:authority`, HTTP/1.1's `Host`.
    pub authority: String,
    /// The user agent, by which the service knows the caller.
    pub user_agent: HeaderValue,
    /// The additional headers.
    pub metadata: HeaderMap,
}

// === impl Head ===

impl Head {
    /// Creates the head that the options ask for.
    pub(crate) fn new(options: &Options) -> Self {
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
