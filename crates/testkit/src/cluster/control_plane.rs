//! A running API server, shared by most tests.

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Request;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::{ApiServer, components};
use crate::{LOOK_AGAIN, address, within};

/// The bound of the start of an API server, which takes 3 s on an idle machine.
const READY: Duration = Duration::from_mins(1);

/// The admission plugin demands an account `default`, which a controller would create.
const WITHOUT_CONTROLLERS: &[&str] = &["--disable-admission-plugins=ServiceAccount"];

/// A control plane, for a test that stops it. It ends with this value. It also ends with the test's
/// process, because both programs read their standard input to its end.
#[derive(Debug)]
pub struct ControlPlane {
    /// The API server of this control plane.
    pub api: ApiServer,
    etcd: Child,
    apiserver: Child,
    flags: &'static [&'static str],
}

// === impl ControlPlane ===

impl ControlPlane {
    /// Returns the API server that all tests share. They cannot stop it.
    pub async fn shared() -> &'static ApiServer {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        &SHARED.get_or_init(Self::start).await.api
    }

    /// Starts a control plane at a free address.
    pub async fn start() -> Self {
        Self::start_at(address::free(), WITHOUT_CONTROLLERS).await
    }

    /// Starts a control plane at this address, with more flags of kube-apiserver.
    pub async fn start_at(address: SocketAddr, flags: &'static [&'static str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("micro-health-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);

        let etcd = components::etcd(&folder, address.ip()).await;
        let api = ApiServer::new(address, folder);
        let apiserver = components::apiserver(&api, flags);
        let mut started = Self {
            api,
            etcd,
            apiserver,
            flags,
        };
        started.ready().await;
        started
    }

    /// Makes the API server hang: its port is open and nothing answers.
    pub async fn pause(&self) {
        signal(&self.apiserver, "STOP");
        // The signal reaches its threads one by one.
        let stat = format!("/proc/{}/stat", self.apiserver.id());
        let stopped = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        within("the API server to hang", async {
            while !stopped() {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Ends the hanging.
    pub fn resume(&self) {
        signal(&self.apiserver, "CONT");
    }

    /// Kills the API server. etcd keeps its data.
    pub fn stop_apiserver(&mut self) {
        kill(&mut self.apiserver);
    }

    /// Starts the API server again, at the same address.
    pub async fn start_apiserver(&mut self) {
        self.apiserver = components::apiserver(&self.api, self.flags);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let client = self.api.admin();
        let ready = async {
            loop {
                let request = Request::get("/readyz").body(Vec::new());
                let request = request.expect("a constant request must be valid");
                if client.request_text(request).await.is_ok() {
                    return;
                }
                let ended = self.apiserver.try_wait();
                if let Some(status) = ended.expect("a child of the test must be waitable") {
                    panic!(
                        "kube-apiserver ended at its start, {status}: {}",
                        components::log(&self.api)
                    );
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        let ready = timeout(READY, ready).await;
        assert!(
            ready.is_ok(),
            "not ready after {READY:?}: {}",
            components::log(&self.api)
        );
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        kill(&mut self.apiserver);
        // It removes the folder before it ends.
        drop(self.etcd.stdin.take());
        let _ = self.etcd.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .expect("kill must be installed");
    assert!(status.success(), "{name} must reach a child of the test");
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
