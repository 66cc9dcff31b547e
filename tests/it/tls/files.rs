//! The files of certificates and keys: replaced, broken, missing.

use std::fs;
use std::path::Path;

use testkit::pki::{Authority, Pair};

use super::service::{Serve, Service, Wire};
use super::{Folder, LOCAL, flags, sidecar};
use crate::operated::{self, Operated};

/// Replaces a set of files by another, as Kubernetes does for a Secret: the mounted files are
/// links through `..data`, which is swapped.
fn swap(volume: &Path, version: &str, ca: &str, client: &Pair) {
    let files = [
        ("ca.crt", ca),
        ("tls.crt", &client.cert),
        ("tls.key", &client.key),
    ];
    fs::create_dir(volume.join(version)).unwrap();
    for (name, pem) in files {
        fs::write(volume.join(version).join(name), pem).unwrap();
        let link = volume.join(name);
        if !link.is_symlink() {
            std::os::unix::fs::symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    std::os::unix::fs::symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

/// Requires a client certificate signed by one of these authorities.
fn asking<'a>(pair: &'a Pair, client_ca: &'a str) -> Serve<'a> {
    Serve {
        client_ca: Some(client_ca),
        ..Serve::new(pair)
    }
}

#[tokio::test]
async fn files_are_replaced_without_a_lost_probe() {
    for wire in Wire::ALL {
        let folder = Folder::new();
        let volume = folder.0.path();
        let authorities = [Authority::new("ca 1"), Authority::new("ca 2")];
        let clients = [Authority::new("clients 1"), Authority::new("clients 2")];
        let servers = authorities
            .each_ref()
            .map(|authority| authority.issue(LOCAL));
        let shown = clients
            .each_ref()
            .map(|authority| authority.issue(&["sidecar"]));
        let both = |two: &[Authority; 2]| [two[0].pem(), two[1].pem()].concat();
        swap(volume, "..1", &authorities[0].pem(), &shown[0]);
        let service = Service::start(wire, &asking(&servers[0], &clients[0].pem())).await;
        let files = [
            folder.flag("tls_ca_cert", "ca.crt"),
            folder.flag("tls_client_cert", "tls.crt"),
            folder.flag("tls_client_key", "tls.key"),
        ];
        let mut sidecar = sidecar(
            &service,
            wire.name(),
            &["--tls", &files[0], &files[1], &files[2]],
        )
        .await;
        sidecar.is_healthy("at first").await;

        // Replaces the authority and the service's certificate.
        swap(volume, "..2", &both(&authorities), &shown[0]);
        service
            .becomes(&asking(&servers[1], &clients[0].pem()))
            .await;
        sidecar
            .is_healthy("after the service's certificate was replaced")
            .await;

        // Replaces the client's certificate.
        service.becomes(&asking(&servers[1], &both(&clients))).await;
        swap(volume, "..3", &authorities[1].pem(), &shown[1]);
        sidecar
            .is_healthy("after the client's certificate was replaced")
            .await;
        service
            .becomes(&asking(&servers[1], &clients[1].pem()))
            .await;
        sidecar
            .is_healthy("after the service trusts only the new one")
            .await;
        let replaced = "TLS files changed; using the new ones";
        assert_eq!(sidecar.has_logged(3).await[1..], [replaced; 2]);

        // Tries half a key, the key of another certificate, and no file.
        let [cert, key] = ["tls.crt", "tls.key"].map(|name| volume.join("..3").join(name));
        fs::write(&key, &shown[1].key[..shown[1].key.len() / 2]).unwrap();
        service
            .becomes(&asking(&servers[1], &clients[1].pem()))
            .await;
        sidecar.is_healthy("with half a key").await;
        fs::write(&key, &shown[0].key).unwrap();
        service
            .becomes(&asking(&servers[1], &clients[1].pem()))
            .await;
        sidecar.is_healthy("with another's key").await;
        fs::remove_file(&cert).unwrap();
        service
            .becomes(&asking(&servers[1], &clients[1].pem()))
            .await;
        sidecar.is_healthy("without a certificate").await;

        // Restores a whole pair, which only another authority accepts.
        fs::write(&cert, &shown[0].cert).unwrap();
        service
            .becomes(&asking(&servers[1], &clients[0].pem()))
            .await;
        sidecar.is_healthy("with a whole pair again").await;
        let log = sidecar.has_logged(5).await;
        assert!(
            log[3].starts_with(
                "TLS files changed but cannot be used; keeping the old ones: --tls_client_key="
            ),
            "{log:#?}"
        );
        assert_eq!(
            log[4..],
            [replaced],
            "one warning, however often it was looked at"
        );
    }
}

#[tokio::test]
async fn a_bad_file_is_refused_before_anything_listens() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let (one, two) = (authority.issue(LOCAL), authority.issue(LOCAL));
    let ca = folder.with("tls_ca_cert", &authority.pem());
    let cert = folder.with("tls_client_cert", &one.cert);
    folder.write("two.key", &two.key);
    folder.write("text", "no PEM");
    folder.write("half", &authority.pem()[..200]);
    let absent = folder.flag("tls_ca_cert", "absent");
    for (flags, expected) in [
        (&[absent][..], "No such file or directory"),
        (
            &[folder.flag("tls_ca_cert", "text")],
            "there is no certificate in PEM in it",
        ),
        (
            &[folder.flag("tls_ca_cert", "half")],
            "the PEM ends in the middle",
        ),
        (
            &[ca, cert.clone(), folder.flag("tls_client_key", "text")],
            "there is no private key in PEM in it",
        ),
        (
            &[cert, folder.flag("tls_client_key", "two.key")],
            "it is not the key of --tls_client_cert=",
        ),
    ] {
        let mut all = vec!["--server_address=:9091".to_owned(), "--tls".to_owned()];
        all.extend(flags.iter().cloned());
        // Without --tls_ca_cert the system's authorities are read, which are these.
        let system = folder.0.path().join("tls_ca_cert.pem");
        let system = [("SSL_CERT_FILE", system.to_str().unwrap())];
        let (code, stderr) = operated::refused(&all, &system).await;
        assert_eq!(code, 1, "{flags:?}: {stderr}");
        let named = flags.last().unwrap();
        assert!(
            stderr.contains(&format!("{named}: ")) && stderr.contains(expected),
            "{named:?} and {expected:?} are not in {stderr}"
        );
    }
}

#[tokio::test]
async fn without_a_ca_file_the_system_s_authorities_decide() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    folder.write("roots.pem", &authority.pem());
    let roots = folder.0.path().join("roots.pem");
    let service = Service::start(Wire::Grpc, &Serve::new(&pair)).await;
    let flags = flags(&service, "grpc", &["--tls"]);

    let system = [("SSL_CERT_FILE", roots.to_str().unwrap())];
    let sidecar = Operated::start_in(&flags, &system).await;
    sidecar.is_healthy("with the system's authorities").await;

    // An image FROM scratch has no authorities.
    let (code, stderr) = operated::refused(&flags, &[("SSL_CERT_FILE", "/nowhere")]).await;
    assert_eq!(code, 1, "{stderr}");
    for part in ["this image has no certificate authorities", "--tls_ca_cert"] {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}

#[tokio::test]
async fn a_bad_certificate_in_the_ca_file_does_not_refuse_the_others() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let comment = "# the authority of the cluster\n";
    let ca = folder.with("tls_ca_cert", &[bad, comment, &authority.pem()].concat());
    let service = Service::start(Wire::Grpc, &Serve::new(&pair)).await;
    let mut sidecar = sidecar(&service, "grpc", &["--tls", &ca]).await;
    sidecar.is_healthy("with one good certificate").await;
    let warning =
        "A file of certificate authorities has certificates that cannot be used; using the others";
    assert_eq!(sidecar.logs_of(warning).await, 1);
}
