//! The programs of the node: containerd, the kubelet, the scheduler and the controllers, which
//! tests/rig/{runtime,node} build from their published modules.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use testkit::cluster::ADMIN_TOKEN;
use testkit::cluster::ApiServer;
use testkit::rig::program;
use testkit::within;
use tokio::time::sleep;

use super::POLL;

/// The name of the only node.
pub const NAME: &str = "node";

/// The folder that isolated.sh makes in memory, which ends with its namespaces. isolated.sh also
/// has the control group's name.
const FOLDER: &str = "/var/log/cluster";
const CGROUP: &str = "/micro-health-cluster";

/// The default socket of containerd, in a /run of this namespace alone.
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The running programs, and the ends of the pipes that they wait for.
#[derive(Debug)]
pub struct Parts {
    _running: Vec<Child>,
}

/// Panics outside of isolated.sh, before anything stays on the machine.
pub fn assert_isolated() {
    assert_eq!(
        std::env::temp_dir(),
        Path::new(FOLDER),
        "a cluster must run in namespaces of its own: run `just cluster`"
    );
}

/// Returns the last lines of all logs.
pub fn logs() -> String {
    let parts = [
        "containerd",
        "kubelet",
        "kube-scheduler",
        "kube-controller-manager",
    ];
    let ends = parts.map(|name| {
        let log = fs::read_to_string(log(name)).unwrap_or_else(|error| error.to_string());
        let lines: Vec<_> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(25)..].join("\n");
        format!("--- {name}\n{end}\n")
    });
    ends.concat()
}

// === impl Parts ===

impl Parts {
    pub async fn start(api: &ApiServer) -> Self {
        write("containerd.toml", &containerd_config());
        write("cni/10-bridge.conflist", &network().to_string());
        write("kubeconfig", &kubeconfig(api).to_string());
        write("kubelet.json", &kubelet_config().to_string());

        let mut containerd = spawn(
            "containerd",
            "containerd",
            &["--config", &path("containerd.toml")],
        );
        within("containerd to listen", async {
            while UnixStream::connect(SOCKET).is_err() {
                let ended = containerd
                    .try_wait()
                    .expect("a child of ours must be waitable");
                assert_eq!(ended, None, "containerd ended at its start: {}", logs());
                sleep(POLL).await;
            }
        })
        .await;
        let secret = |name: &str| api.folder().join(name).display().to_string();
        let kubeconfig = format!("--kubeconfig={}", path("kubeconfig"));
        let node = |what, flags: &[&str]| {
            let words: Vec<_> = [what, &*kubeconfig].iter().chain(flags).copied().collect();
            spawn("node", what, &words)
        };
        let controllers = node(
            "kube-controller-manager",
            &[
                "--leader-elect=false",
                "--secure-port=0",
                &format!("--flex-volume-plugin-dir={}", path("volume-plugins")),
                &format!(
                    "--service-account-private-key-file={}",
                    secret("server.key")
                ),
                &format!("--root-ca-file={}", secret("ca.crt")),
            ],
        );
        let scheduler = node(
            "kube-scheduler",
            &["--leader-elect=false", "--secure-port=0"],
        );
        let kubelet = node(
            "kubelet",
            &[
                &format!("--config={}", path("kubelet.json")),
                &format!("--hostname-override={NAME}"),
                &format!("--root-dir={}", path("kubelet")),
            ],
        );
        Self {
            _running: vec![kubelet, scheduler, controllers, containerd],
        }
    }
}

/// Starts a program of the node. It ends with its standard input.
fn spawn(name: &str, what: &str, words: &[&str]) -> Child {
    let program = program(name);
    let log = File::create(log(what)).expect("the cluster's folder must be writable");
    let again = log.try_clone().expect("a descriptor must be clonable");
    // containerd looks for its shim in PATH, and the shim looks for runc.
    let path = std::env::var("PATH").expect("PATH must be set");
    let rig = program.parent().expect("a program must be in a folder");
    Command::new(&program)
        .args(words)
        .env_clear()
        .env("PATH", format!("{}:{path}", rig.display()))
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(again)
        .spawn()
        .unwrap_or_else(|error| panic!("{what} must start: {error}"))
}

fn containerd_config() -> String {
    format!(
        r#"
version = 4
root = "{root}"
imports = []

[plugins."io.containerd.internal.v1.opt"]
path = "{root}/opt"

[plugins."io.containerd.nri.v1.nri"]
disable = true

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

# A machine that is a container itself may not have the capability that a lower score needs.
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

# Where Debian has the plugins.
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{network}"
"#,
        root = path("containerd"),
        pause = super::images::PAUSE,
        network = path("cni"),
    )
}

/// Returns a bridge on which the machine is 10.88.0.1, and which leads nowhere else.
fn network() -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods",
            "isGateway": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": "10.88.0.0/16" }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
}

fn kubeconfig(api: &ApiServer) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "rig",
        "contexts": [{ "name": "rig", "context": { "cluster": "rig", "user": "admin" } }],
        "clusters": [{ "name": "rig", "cluster": { "server": api.url(), "certificate-authority": api.authority() } }],
        "users": [{ "name": "admin", "user": { "token": ADMIN_TOKEN } }],
    })
}

/// Returns the kubelet's configuration. It changes only what a machine in a container, without a
/// firewall and with a busy disk needs; times and thresholds are the defaults.
fn kubelet_config() -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": CGROUP,
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "evictionHard": { "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%" },
        "makeIPTablesUtilChains": false,
        "resolvConf": "",
        "podLogsDir": path("logs"),
        "volumePluginDir": path("volume-plugins"),
        "address": "127.0.0.1",
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "featureGates": { "RestartAllContainersOnContainerExits": true },
    })
}

fn write(name: &str, text: &str) {
    let path = PathBuf::from(path(name));
    let folder = path.parent().expect("a file must be in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .expect("the cluster's folder must be writable");
}

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

fn log(what: &str) -> String {
    path(&format!("{what}.log"))
}
