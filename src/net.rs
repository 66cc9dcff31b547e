//! Connections with peers: addresses, dialling, listening, TLS.

pub(crate) mod address;
#[cfg(any(feature = "kubernetes", feature = "tls"))]
pub(crate) mod authorities;
pub(crate) mod connect;
pub(crate) mod connections;
pub(crate) mod descriptors;
pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod fair_stream;
pub(crate) mod listener;
mod lookup;
pub(crate) mod no_connection;
pub(crate) mod stage;
pub(crate) mod stream;
pub(crate) mod tls;
