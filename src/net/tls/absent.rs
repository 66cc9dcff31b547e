//! What a build without the feature `tls` has in its place: nothing can be made of it.

use std::time::SystemTime;

use crate::net::no_connection::{Http, NoConnection};
use crate::net::stream::{Io, Stream};
use crate::net::tls::invalid::InvalidTls;
use crate::net::tls::options::Options;

/// No TLS.
#[derive(Debug)]
pub enum Tls {}

// === impl Tls ===

impl Tls {
    /// None: options that ask for TLS are refused before.
    ///
    /// # Errors
    ///
    /// None here.
    pub fn new(_: &Options, _: &str) -> Result<Option<Self>, InvalidTls> {
        Ok(None)
    }

    /// Cannot be called.
    ///
    /// # Errors
    ///
    /// None here.
    #[expect(clippy::unused_async, reason = "stands in for one that waits")]
    pub async fn secure(&self, _: Box<dyn Io>, _: Http) -> Result<Stream, NoConnection> {
        match *self {}
    }

    /// Cannot be called.
    pub fn has_changed(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        match *self {}
    }
}
