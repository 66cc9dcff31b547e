//! Where an API server is, and how to speak to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kube::config::AuthInfo;
use kube::{Client, Config};

/// Who may do everything.
pub const ADMIN_TOKEN: &str = "admin";

/// The address of a running API server, and the folder it lives in.
#[derive(Clone, Debug)]
pub struct ApiServer {
    pub address: SocketAddr,
    folder: PathBuf,
}

// === impl ApiServer ===

impl ApiServer {
    pub fn new(address: SocketAddr, folder: PathBuf) -> Self {
        Self { address, folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file that a pod sees as ca.crt.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A client that may do everything. It lives as long as the runtime it was made on, so that
    /// each test makes its own.
    pub fn admin(&self) -> Client {
        self.client(ADMIN_TOKEN)
    }

    /// A client with a token, without retries of its own.
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
