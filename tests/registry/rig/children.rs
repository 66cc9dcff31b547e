//! etcd and kube-apiserver, as the one program that tests/rig/kube makes of their published modules.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::time::sleep;

use super::api_server::ADMIN_TOKEN;
use super::{ApiServer, LOOK_AGAIN, program, within};

#[expect(dead_code, reason = "tests/it needs more kinds of certificates")]
#[path = "../../it/tls/pki.rs"]
mod pki;

/// Starts etcd and writes what an API server at this address needs into its folder.
pub async fn etcd(folder: &Path, apiserver: IpAddr) -> Child {
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

/// The certificates and the administrator's token. One key serves the port and signs the accounts' tokens.
fn write_secrets(folder: &Path, apiserver: IpAddr) {
    let authority = pki::Authority::new("control plane");
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

/// Starts the API server. `flags` are those that depend on who else there is.
pub fn apiserver(api: &ApiServer, flags: &[&str]) -> Child {
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
            // A loopback address is none that it would publish.
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

/// What the API server wrote to stderr.
pub fn log(api: &ApiServer) -> String {
    fs::read_to_string(api.folder().join("apiserver.log")).unwrap_or_else(|error| error.to_string())
}
