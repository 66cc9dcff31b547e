//! Connections with peers: addresses, dialling, listening, TLS.

pub mod address;
pub mod connections;
pub mod descriptors;
pub mod dial;
pub mod endpoint;
pub mod fair_stream;
pub mod listener;
mod lookup;
pub mod no_connection;
pub mod stage;
pub mod stream;
pub mod tls;
