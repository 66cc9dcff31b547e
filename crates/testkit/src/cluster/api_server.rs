//! The address of an API server, and its clients.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kube::config::AuthInfo;
use kube::{Client, Config};

/// The token of the administrator.
pub const ADMIN_TOKEN: &str = "admin";

/// The address of a running API server, and its folder.
#[derive(Clone, Debug)]
pub struct ApiServer {
    /// The address on which it listens.
    pub address: SocketAddr,
    folder: PathBuf,
}

// === impl ApiServer ===

impl ApiServer {
    pub(super) fn new(address: SocketAddr, folder: PathBuf) -> Self {
        Self { address, folder }
    }

    /// Returns the folder of its files, which is removed when it ends.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns the path of the file that a pod has as ca.crt.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Returns the administrator's client. It belongs to the runtime on which it was made, so that
    /// each test makes its own.
    pub fn admin(&self) -> Client {
        self.client(ADMIN_TOKEN)
    }

    /// Returns a client that has this token and does not retry.
    pub fn client(&self, token: &str) -> Client {
        let url = self.url().parse().expect("an address must make a URL");
        let mut config = Config::new(url);
        config.root_cert_file = Some(self.authority());
        config.default_retry = false;
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
        Client::try_from(config).expect("the authority's file must be readable")
    }
}
