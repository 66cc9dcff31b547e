//! The components of the control plane: etcd and kube-apiserver, which tests/rig/kube builds as one
//! program.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::time::sleep;

use super::ApiServer;
use super::api_server::ADMIN_TOKEN;
use crate::pki::Authority;
use crate::rig::program;
use crate::{LOOK_AGAIN, within};

/// Starts etcd, and writes the files of an API server at this address into its folder.
pub(super) async fn etcd(folder: &Path, apiserver: IpAddr) -> Child {
    let mut etcd = Command::new(program("kube"))
        .arg("etcd")
        .arg(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("etcd must start");
    within("etcd to listen", async {
        while UnixStream::connect(folder.join("etcd.sock")).is_err() {
            let ended = etcd.try_wait().expect("a child of ours must be waitable");
            assert_eq!(ended, None, "etcd ended at its start");
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    write_secrets(folder, apiserver);
    etcd
}

/// Writes the certificates and the administrator's token. One key serves the port and signs the
/// accounts' tokens.
fn write_secrets(folder: &Path, apiserver: IpAddr) {
    let authority = Authority::new("control plane");
    let server = authority.issue(&[&apiserver.to_string(), "kubernetes.default.svc"]);
    let files = [
        ("ca.crt", authority.pem()),
        ("server.crt", server.cert),
        ("server.key", server.key),
        (
            "tokens.csv",
            format!("{ADMIN_TOKEN},admin,admin,system:masters\n"),
        ),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("etcd's folder must be writable");
    }
}

/// Starts kube-apiserver with the flags of the rig and these.
pub(super) fn apiserver(api: &ApiServer, flags: &[&str]) -> Child {
    let folder = api.folder();
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("apiserver.log"))
        .expect("etcd's folder must be writable");
    Command::new(program("kube"))
        .arg("kube-apiserver")
        .arg(format!(
            "--etcd-servers=unix://{}",
            folder.join("etcd.sock").display()
        ))
        .arg(format!("--bind-address={}", api.address.ip()))
        .arg(format!("--secure-port={}", api.address.port()))
        .args([
            "--cert-dir=certificates",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=server.crt",
            "--service-account-signing-key-file=server.key",
            "--service-cluster-ip-range=10.96.0.0/16",
            // It refuses to publish a loopback address.
            "--endpoint-reconciler-type=none",
        ])
        .args(flags)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("kube-apiserver must start")
}

/// Returns the lines that kube-apiserver wrote to stderr.
pub(super) fn log(api: &ApiServer) -> String {
    fs::read_to_string(api.folder().join("apiserver.log")).unwrap_or_else(|error| error.to_string())
}
