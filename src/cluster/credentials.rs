//! The credentials of a pod's service account: token, CA and namespace, as files that rotate.
//!
//! The kubelet writes a new token when 80 % of the old token's hour is over. The API server
//! may accept the old token for up to a year, or may refuse it.
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

/// The time for which a token is used before its file is read again.
const FRESH: Duration = Duration::from_mins(1);

/// A service account, whose files are in one folder.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    folder: Arc<Path>,
    overrides: Arc<CredentialOverrides>,
    cached: Arc<Mutex<Option<(Instant, HeaderValue)>>>,
}

/// Values that replace the files of the service account's folder.
#[derive(Clone, Default)]
pub(crate) struct CredentialOverrides {
    /// The token that replaces the file `token`.
    pub token: Option<String>,
    /// The path of the file that replaces `ca.crt`.
    pub ca_file: Option<PathBuf>,
}

// === impl CredentialOverrides ===

impl fmt::Debug for CredentialOverrides {
    /// Formats all fields but the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialOverrides")
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

// === impl Credentials ===

impl Credentials {
    /// Reads the token and the CA once, so that a missing file is found at the start. The overrides
    /// take the place of files.
    ///
    /// # Errors
    ///
    /// Returns [`Unusable::ServiceAccount`] or [`Unusable::Authority`] for a file that cannot be
    /// read.
    pub(crate) fn with(folder: &Path, overrides: CredentialOverrides) -> Result<Self, Unusable> {
        let credentials = Self {
            folder: folder.into(),
            overrides: overrides.into(),
            cached: Arc::default(),
        };
        credentials.token().map_err(|error| {
            let path = credentials.folder.join("token");
            Unusable::ServiceAccount { path, error }
        })?;
        credentials.ca().map_err(|error| {
            let path = credentials.ca_path();
            match credentials.overrides.ca_file {
                Some(_) => Unusable::Authority { path, error },
                None => Unusable::ServiceAccount { path, error },
            }
        })?;
        Ok(credentials)
    }

    /// Returns the `Authorization` header, from a file that was read at most a minute ago.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is missing, or cannot be a header value.
    pub(crate) fn authorization(&self) -> io::Result<HeaderValue> {
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

    /// Discards the token after the API server refused it. The next request reads its file again.
    pub(crate) fn forget(&self) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the token.
    ///
    /// # Errors
    ///
    /// Returns the error of reading the file.
    pub(crate) fn token(&self) -> io::Result<String> {
        if let Some(token) = &self.overrides.token {
            return Ok(token.trim().to_owned());
        }
        let token = String::from_utf8(self.read("token")?);
        let token = token.map_err(|_| io::Error::other("the token is not text"))?;
        Ok(token.trim().to_owned())
    }

    /// Returns the API server's CA as PEM.
    ///
    /// # Errors
    ///
    /// Returns the error of reading the file.
    pub(crate) fn ca(&self) -> io::Result<Vec<u8>> {
        fs::read(self.ca_path())
    }

    /// Returns the pod's namespace, if the folder has a file with it.
    pub(crate) fn namespace(&self) -> Option<String> {
        let namespace = String::from_utf8(self.read("namespace").ok()?).ok()?;
        Some(namespace.trim().to_owned()).filter(|namespace| !namespace.is_empty())
    }

    /// Returns the path of the CA's file.
    pub(crate) fn ca_path(&self) -> PathBuf {
        let ca_file = self.overrides.ca_file.clone();
        ca_file.unwrap_or_else(|| self.folder.join("ca.crt"))
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
        let missing = Credentials::with(folder.path(), CredentialOverrides::default())
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("token") && missing.contains("--service_account"),
            "{missing}"
        );

        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("token", "one\n");
        write("ca.crt", "-");
        write("namespace", "demo");
        let credentials = Credentials::with(folder.path(), CredentialOverrides::default()).unwrap();
        assert_eq!(credentials.namespace().as_deref(), Some("demo"));
        assert_eq!(credentials.authorization().unwrap(), "Bearer one");

        write("token", "two");
        assert_eq!(credentials.authorization().unwrap(), "Bearer one");
        credentials.forget();
        assert_eq!(credentials.authorization().unwrap(), "Bearer two");
        assert!(!format!("{:?}", credentials.authorization()).contains("two"));
    }
}
