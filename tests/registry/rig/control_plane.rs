//! A running API server, shared by most tests.

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Request;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::{ApiServer, LOOK_AGAIN, children, within};

#[path = "../../interop/loopback.rs"]
mod loopback;

/// Bounds the start of an API server, which takes 3 s on an idle machine.
const READY: Duration = Duration::from_mins(1);

/// Without controllers nobody makes the account `default`, which this demands of each pod.
const WITHOUT_CONTROLLERS: &[&str] = &["--disable-admission-plugins=ServiceAccount"];

/// A control plane, for a test that stops it. It ends with this value, or else with the process,
/// whose end of their standard input both programs wait for.
#[derive(Debug)]
pub struct ControlPlane {
    pub api: ApiServer,
    etcd: Child,
    apiserver: Child,
    flags: &'static [&'static str],
}

// === impl ControlPlane ===

impl ControlPlane {
    /// The API server that all tests share. They cannot stop it.
    pub async fn shared() -> &'static ApiServer {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        &SHARED.get_or_init(Self::start).await.api
    }

    /// One more of them.
    pub async fn start() -> Self {
        Self::start_at(loopback::free(), WITHOUT_CONTROLLERS).await
    }

    /// One at this address, with these flags of kube-apiserver's besides.
    pub async fn start_at(address: SocketAddr, flags: &'static [&'static str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("micro-health-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);

        let etcd = children::etcd(&folder, address.ip()).await;
        let api = ApiServer::new(address, folder);
        let apiserver = children::apiserver(&api, flags);
        let mut started = Self {
            api,
            etcd,
            apiserver,
            flags,
        };
        started.ready().await;
        started
    }

    /// The API server hangs: its port is open and nobody answers.
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

    pub fn resume(&self) {
        signal(&self.apiserver, "CONT");
    }

    /// The API server is away: nothing listens. etcd keeps what it knew.
    pub fn stop_apiserver(&mut self) {
        kill(&mut self.apiserver);
    }

    /// The same API server again, at the same address.
    pub async fn start_apiserver(&mut self) {
        self.apiserver = children::apiserver(&self.api, self.flags);
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
                if let Some(status) = ended.expect("a child of ours must be waitable") {
                    panic!(
                        "kube-apiserver ended at its start, {status}: {}",
                        children::log(&self.api)
                    );
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        let ready = timeout(READY, ready).await;
        assert!(
            ready.is_ok(),
            "not ready after {READY:?}: {}",
            children::log(&self.api)
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
    assert!(status.success(), "{name} must reach a child of ours");
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
