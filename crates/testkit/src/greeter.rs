//! A micro service and everything that can happen to one.

use std::net::SocketAddr;

use crate::address;
use crate::scripts::{self, DebugStatus};
use crate::service::{Count, Script, Service};

/// A micro service, running or not.
#[derive(Debug)]
pub struct Greeter {
    address: SocketAddr,
    status: DebugStatus,
    script: Script,
    running: Option<Service>,
}

// === impl Greeter ===

impl Greeter {
    /// Chooses an address, on which nothing listens until the start.
    pub fn reserve() -> Self {
        let (status, script) = scripts::debug_service(&Count::default());
        Self {
            address: address::free(),
            status,
            script,
            running: None,
        }
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens and serves `Debug.Health`, at first with the status "ok".
    pub fn start(&mut self) {
        self.status.set("ok");
        self.running = Some(Service::start_at(self.address, self.script.clone()));
    }

    /// Answers this status from now on. Only "ok" is healthy.
    pub fn set_status(&mut self, status: &str) {
        self.status.set(status);
    }

    /// Closes the listener and every connection.
    pub fn kill(&mut self) {
        self.running = None;
    }
}
