//! The environment of a process in a pod: the pod's name, the account's folder and the API server's
//! address.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::process::Command;

use super::Namespace;

/// The path of the account's folder in every container.
const MOUNT_POINT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Mounts a folder there for one process. The machine's own /var/run stays as it is.
const MOUNT: &str = r#"
mount -t tmpfs rig /var/run && mkdir -p "$0" && mount --bind "$1" "$0" && shift && exec "$@"
"#;

/// The identity of a process in a pod.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name of the pod.
    pub pod: String,
    apiserver: SocketAddr,
    folder: Arc<TempDir>,
}

// === impl Namespace ===

impl Namespace {
    /// Returns the identity of the processes in a pod.
    pub async fn identity(&self, pod: &str) -> Identity {
        Identity::new(self, pod, &self.token(pod).await)
    }
}

// === impl Identity ===

impl Identity {
    /// Makes the identity of a pod with this token.
    pub fn new(namespace: &Namespace, pod: &str, token: &str) -> Self {
        // Inside of the control plane's folder, which is removed however a test ends.
        let folder = tempfile::tempdir_in(namespace.api.folder());
        let folder = folder.expect("the control plane's folder must be writable");
        let identity = Self {
            pod: pod.to_owned(),
            apiserver: namespace.api.address,
            folder: Arc::new(folder),
        };
        identity.write("namespace", &namespace.name);
        identity.write("token", token);
        fs::copy(namespace.api.authority(), identity.folder().join("ca.crt"))
            .expect("the authority's file must be readable");
        identity
    }

    /// Returns the account's folder: `token`, `ca.crt`, `namespace`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces a file in the account's folder atomically, as the kubelet does.
    pub fn write(&self, name: &str, text: &str) {
        let next = self.folder().join(format!(".{name}"));
        fs::write(&next, text)
            .and_then(|()| fs::rename(next, self.folder().join(name)))
            .expect("a temporary directory must be writable");
    }

    /// Returns the command of a program that runs with this identity, and without other variables.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("unshare");
        let own = fs::metadata("/proc/self").expect("/proc must be mounted");
        if own.uid() != 0 {
            command.arg("--map-root-user");
        }
        command
            .args(["--mount", "sh", "-c", MOUNT, MOUNT_POINT])
            .args([self.folder().as_os_str(), program.as_ref()])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOSTNAME", &self.pod)
            .env("KUBERNETES_SERVICE_HOST", self.apiserver.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", self.apiserver.port().to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
