//! What a build without the feature `tls` has in its place: nothing can be made of it.

use std::time::SystemTime;

use super::InvalidTls;
use super::options::Options;
use crate::target::dial::{Http, NoConnection};
use crate::target::endpoint::Endpoint;
use crate::target::stream::{Io, Stream};

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
    pub fn new(_: &Options, _: &Endpoint) -> Result<Option<Self>, InvalidTls> {
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
