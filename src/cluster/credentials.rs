//! A pod's service account: token, CA and namespace, as files that rotate.
//!
//! The kubelet writes a new token when 80 % of the old one's hour is over; the API
//! server takes the old one for up to a year, or not.
//! Source: Kubernetes, "Configure Service Accounts for Pods".

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::cluster::unusable::Unusable;

/// How long a token is used before its file is read again.
const FRESH: Duration = Duration::from_mins(1);

/// A service account by its folder.
#[derive(Clone, Debug)]
pub struct Credentials {
    folder: Arc<Path>,
    given: Arc<Given>,
    cached: Arc<Mutex<Option<(Instant, HeaderValue)>>>,
}

/// What stands in the place of the folder's files.
#[derive(Clone, Default)]
pub struct Given {
    /// For `token`.
    pub token: Option<String>,
    /// For `ca.crt`.
    pub ca_file: Option<PathBuf>,
}

// === impl Given ===

impl fmt::Debug for Given {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

// === impl Credentials ===

impl Credentials {
    /// Reads the token and the CA once, to find out now rather than later.
    ///
    /// # Errors
    ///
    /// [`Unusable::ServiceAccount`] for a file that cannot be read.
    pub fn new(folder: &Path) -> Result<Self, Unusable> {
        Self::with(folder, Given::default())
    }

    /// The same, with what is given in the place of its files.
    ///
    /// # Errors
    ///
    /// [`Unusable::ServiceAccount`] or [`Unusable::Authority`] for a file that cannot be read.
    pub fn with(folder: &Path, given: Given) -> Result<Self, Unusable> {
        let credentials = Self {
            folder: folder.into(),
            given: given.into(),
            cached: Arc::default(),
        };
        credentials.token().map_err(|source| {
            let path = credentials.folder.join("token");
            Unusable::ServiceAccount { path, source }
        })?;
        credentials.ca().map_err(|source| {
            let path = credentials.ca_path();
            match credentials.given.ca_file {
                Some(_) => Unusable::Authority { path, source },
                None => Unusable::ServiceAccount { path, source },
            }
        })?;
        Ok(credentials)
    }

    /// The `Authorization` header, from a file read at most a minute ago.
    ///
    /// # Errors
    ///
    /// A token that is not there, or is no header value.
    pub fn authorization(&self) -> io::Result<HeaderValue> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, header)) = &*cached
            && at.elapsed() < FRESH
        {
            return Ok(header.clone());
        }
        let token = self.token()?;
        let header = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut header =
            header.map_err(|_| io::Error::other("the token is not one line of text"))?;
        header.set_sensitive(true);
        *cached = Some((Instant::now(), header.clone()));
        Ok(header)
    }

    /// The server refused the token: the next request reads its file again.
    pub fn forget(&self) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The token.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn token(&self) -> io::Result<String> {
        if let Some(token) = &self.given.token {
            return Ok(token.trim().to_owned());
        }
        let token = String::from_utf8(self.read("token")?);
        let token = token.map_err(|_| io::Error::other("the token is not text"))?;
        Ok(token.trim().to_owned())
    }

    /// The API server's CA, PEM.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn ca(&self) -> io::Result<Vec<u8>> {
        fs::read(self.ca_path())
    }

    /// The pod's namespace, if the folder says.
    pub fn namespace(&self) -> Option<String> {
        let namespace = String::from_utf8(self.read("namespace").ok()?).ok()?;
        Some(namespace.trim().to_owned()).filter(|namespace| !namespace.is_empty())
    }

    /// The file of the CA, for messages.
    pub fn ca_path(&self) -> PathBuf {
        let given = self.given.ca_file.clone();
        given.unwrap_or_else(|| self.folder.join("ca.crt"))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_token_is_read_when_the_old_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Credentials::new(folder.path()).unwrap_err().to_string();
        assert!(
            missing.contains("token") && missing.contains("--service_account"),
            "{missing}"
        );

        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("token", "one\n");
        write("ca.crt", "-");
        write("namespace", "demo");
        let credentials = Credentials::new(folder.path()).unwrap();
        assert_eq!(credentials.namespace().as_deref(), Some("demo"));
        assert_eq!(credentials.authorization().unwrap(), "Bearer one");

        write("token", "two");
        assert_eq!(credentials.authorization().unwrap(), "Bearer one");
        credentials.forget();
        assert_eq!(credentials.authorization().unwrap(), "Bearer two");
        assert!(!format!("{:?}", credentials.authorization()).contains("two"));
    }
}
