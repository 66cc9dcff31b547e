//! The stand-in for TLS in a build without the feature `tls`. No value of it exists.

use std::time::SystemTime;

use crate::net::no_connection::{Http, NoConnection};
use crate::net::stream::{Io, Stream};
use crate::net::tls::invalid::InvalidTls;
use crate::net::tls::options::Options;

/// An empty type in the place of the TLS client.
#[derive(Debug)]
pub enum Tls {}

// === impl Tls ===

impl Tls {
    /// Returns `None`, because options that ask for TLS are refused before.
    ///
    /// # Errors
    ///
    /// Never fails.
    #[expect(clippy::unnecessary_wraps, reason = "the signature of the other build")]
    pub fn new(_: &Options, _: &str) -> Result<Option<Self>, InvalidTls> {
        Ok(None)
    }

    /// Satisfies the compiler: no value exists to call it on.
    ///
    /// # Errors
    ///
    /// Never fails.
    #[expect(clippy::unused_async, reason = "stands in for one that waits")]
    pub async fn secure(&self, _: Box<dyn Io>, _: Http) -> Result<Stream, NoConnection> {
        match *self {}
    }

    /// Satisfies the compiler: no value exists to call it on.
    pub fn has_changed(&self) -> bool {
        match *self {}
    }

    /// Satisfies the compiler: no value exists to call it on.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        match *self {}
    }
}
