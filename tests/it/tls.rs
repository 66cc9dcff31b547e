//! Services that speak TLS, well and badly.

mod pki;
mod service;

use std::fs;
use std::path::Path;

use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use self::pki::{Authority, Pair, When, self_signed};
use self::service::{Serve, Service, Wire};
use crate::operated::{self, Operated};

const LOCAL: &[&str] = &["127.0.0.1", "localhost"];

/// A folder of PEM files for one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, pem: &str) {
        fs::write(self.0.path().join(name), pem).unwrap();
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.0.path().join(file).display())
    }

    /// A file with this content, and the flag that names it.
    fn with(&self, flag: &str, pem: &str) -> String {
        let name = format!("{flag}.pem");
        self.write(&name, pem);
        self.flag(flag, &name)
    }
}

fn flags(service: &Service, protocol: &str, more: &[&str]) -> Vec<String> {
    let mut flags = vec![
        format!("--server_address={}", service.address),
        format!("--protocol={protocol}"),
    ];
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    flags
}

async fn sidecar(service: &Service, protocol: &str, more: &[&str]) -> Operated {
    Operated::start(&flags(service, protocol, more)).await
}

#[tokio::test]
async fn each_wire_is_asked_with_its_own_alpn_or_none() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for wire in Wire::ALL {
        for alpn in [&[][..], &[wire.alpn()], &["h2", "http/1.1"]] {
            let serve = Serve {
                alpn,
                ..Serve::new(&pair)
            };
            let service = Service::start(wire, &serve).await;
            for protocol in [wire.name(), "auto"] {
                let sidecar = sidecar(&service, protocol, &["--tls", &ca]).await;
                for _ in 0..2 {
                    let context = format!("{wire:?} {alpn:?} {protocol}");
                    sidecar.is_healthy(&context).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_service_that_refuses_the_http_of_a_fixed_protocol_speaks_another() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let pair = authority.issue(LOCAL);
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for (wire, wrong, text) in [
        (Wire::Grpc, "mucp", "the service speaks HTTP/2"),
        (Wire::Mucp, "grpc", "the service's TLS refuses HTTP/2"),
    ] {
        let serve = Serve {
            alpn: &[wire.alpn()],
            ..Serve::new(&pair)
        };
        let service = Service::start(wire, &serve).await;
        let sidecar = sidecar(&service, wrong, &["--tls", &ca]).await;
        sidecar.is_unhealthy(wrong, "protocol", 500, text).await;
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_refusal_is_told() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let (clients, strangers) = (Authority::new("clients"), Authority::new("strangers"));
    let pair = authority.issue(LOCAL);
    let ca = folder.with("tls_ca_cert", &authority.pem());
    let good = clients.issue(&["sidecar"]);
    let good = [
        folder.with("tls_client_cert", &good.cert),
        folder.with("tls_client_key", &good.key),
    ];
    let bad = strangers.issue(&["sidecar"]);
    folder.write("bad.crt", &bad.cert);
    folder.write("bad.key", &bad.key);
    let bad = [
        folder.flag("tls_client_cert", "bad.crt"),
        folder.flag("tls_client_key", "bad.key"),
    ];
    for wire in Wire::ALL {
        for versions in [&[&TLS12][..], &[&TLS13]] {
            let serve = Serve {
                client_ca: Some(&clients.pem()),
                versions,
                ..Serve::new(&pair)
            };
            let service = Service::start(wire, &serve).await;
            for protocol in [wire.name(), "auto"] {
                let context = format!("{wire:?} {versions:?} {protocol}");
                let accepted = ["--tls", &ca, &good[0], &good[1]];
                let accepted = sidecar(&service, protocol, &accepted).await;
                accepted.is_healthy(&context).await;

                let without = sidecar(&service, protocol, &["--tls", &ca]).await;
                let text = "the service wants a client certificate; see --tls_client_cert";
                without.is_unhealthy(&context, "tls", 502, text).await;

                let refused = ["--tls", &ca, &bad[0], &bad[1]];
                let refused = sidecar(&service, protocol, &refused).await;
                let text = "the service refuses the client certificate: ";
                refused.is_unhealthy(&context, "tls", 502, text).await;
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_must_be_valid_for_the_name_that_is_dialled_or_given() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for (names, address, more, healthy) in [
        (&["127.0.0.1"][..], "127.0.0.1:", None, true),
        (&["localhost"], "127.0.0.1:", None, false),
        (&["localhost"], ":", None, true),
        (&["localhost"], "localhost:", None, true),
        (&["greeter.svc"], "127.0.0.1:", None, false),
        (&["greeter.svc"], "127.0.0.1:", Some("greeter.svc"), true),
        (
            &["*.default.svc"],
            "127.0.0.1:",
            Some("greeter.default.svc"),
            true,
        ),
        (&["10.0.0.7"], ":", Some("10.0.0.7"), true),
    ] {
        let pair = authority.issue(names);
        let service = Service::start(Wire::Mucp, &Serve::new(&pair)).await;
        let mut flags = vec![
            format!("--server_address={address}{}", service.address.port()),
            "--tls".to_owned(),
            ca.clone(),
        ];
        flags.extend(more.map(|name| format!("--tls_server_name={name}")));
        let sidecar = Operated::start(&flags).await;
        let context = format!("{names:?} {address} {more:?}");
        if healthy {
            sidecar.is_healthy(&context).await;
        } else {
            let text = format!(
                "the service's certificate is for {}, not for 127.0.0.1; see --tls_server_name",
                names[0]
            );
            sidecar.is_unhealthy(&context, "tls", 502, &text).await;
        }
    }
}

#[tokio::test]
async fn every_bad_certificate_has_its_own_reason_unless_none_is_verified() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let stranger = Authority::new("stranger");
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for (pair, text) in [
        (
            authority.issue_for(LOCAL, When::Past),
            "the service's certificate has expired at 2020-01-02T00:00:00Z",
        ),
        (
            authority.issue_for(LOCAL, When::Future),
            "the service's certificate is not valid before 3020-01-02T00:00:00Z",
        ),
        (
            stranger.issue(LOCAL),
            "the service's certificate is signed by an unknown authority; see --tls_ca_cert",
        ),
        (
            self_signed(LOCAL, When::Now),
            "the service's certificate is an authority's own, and not one in --tls_ca_cert",
        ),
    ] {
        for wire in Wire::ALL {
            let service = Service::start(wire, &Serve::new(&pair)).await;
            for protocol in [wire.name(), "auto"] {
                let verifying = sidecar(&service, protocol, &["--tls", &ca]).await;
                verifying.is_unhealthy(protocol, "tls", 502, text).await;

                let flags = ["--tls", "--tls_no_verify"];
                let mut trusting = sidecar(&service, protocol, &flags).await;
                trusting.is_healthy(&format!("{protocol}: {text}")).await;
                let log = trusting.has_logged(1).await;
                assert!(log[0].starts_with("--tls_no_verify: "), "{log:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_its_own_authority() {
    let folder = Folder::new();
    for (names, when, text) in [
        (LOCAL, When::Now, None),
        (LOCAL, When::Past, Some("has expired at 2020-01-02")),
        (
            &["greeter"],
            When::Now,
            Some("is for greeter, not for 127.0.0.1"),
        ),
    ] {
        let pair = self_signed(names, when);
        let ca = folder.with("tls_ca_cert", &pair.cert);
        let service = Service::start(Wire::Grpc, &Serve::new(&pair)).await;
        let sidecar = sidecar(&service, "grpc", &["--tls", &ca]).await;
        match text {
            None => sidecar.is_healthy("self-signed").await,
            Some(text) => sidecar.is_unhealthy(text, "tls", 502, text).await,
        }
    }
}

#[tokio::test]
async fn tls_at_one_end_only_is_told_from_a_dead_service() {
    let pair = Authority::new("ca").issue(LOCAL);
    for wire in Wire::ALL {
        for protocol in [wire.name(), "auto"] {
            let context = format!("{wire:?} {protocol}");
            let secured = Service::start(wire, &Serve::new(&pair)).await;
            let plain = sidecar(&secured, protocol, &[]).await;
            let text = "the service speaks TLS and --tls is not set";
            plain.is_unhealthy(&context, "tls", 502, text).await;

            let unsecured = Service::plain(wire).await;
            let tls = sidecar(&unsecured, protocol, &["--tls", "--tls_no_verify"]).await;
            let text = "the service speaks no TLS, and --tls is set";
            tls.is_unhealthy(&context, "tls", 502, text).await;
        }
    }
}

#[tokio::test]
async fn a_service_that_hangs_up_without_a_word_may_want_tls() {
    // As grpc-go does to whatever is no handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = silent.accept().await {
            let _ = stream.read_u8().await;
        }
    });
    for protocol in ["grpc", "mucp", "auto"] {
        let address = format!("--server_address={address}");
        let flags = [address.clone(), format!("--protocol={protocol}")];
        let plain = Operated::start(&flags).await;
        let text = "; does the service want --tls?";
        plain.is_unhealthy(protocol, "unreachable", 503, text).await;

        let tls = ["--tls", "--tls_no_verify"].map(str::to_owned);
        let tls = Operated::start(&[&flags[..], &tls].concat()).await;
        let text = "; does the service speak TLS?";
        tls.is_unhealthy(protocol, "unreachable", 503, text).await;
    }
}

#[tokio::test]
async fn the_deadline_covers_the_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sidecar = Operated::start(&[
        format!("--server_address={}", silent.local_addr().unwrap()),
        "--tls".to_owned(),
        "--tls_no_verify".to_owned(),
        "--check_timeout=200ms".to_owned(),
    ])
    .await;
    let text = "no answer within 200ms, in the TLS handshake";
    sidecar.is_unhealthy("silent", "deadline", 504, text).await;
}

/// Puts a set of files in the place of another, as Kubernetes does for a Secret:
/// what is mounted are links through `..data`, which is swapped for another.
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

/// Wants a client certificate signed by one of these.
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

        // The authority and the service's certificate.
        swap(volume, "..2", &both(&authorities), &shown[0]);
        service
            .becomes(&asking(&servers[1], &clients[0].pem()))
            .await;
        sidecar
            .is_healthy("after the service's certificate was replaced")
            .await;

        // The client's certificate.
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
        let replaced = "TLS files have changed and are in use";
        assert_eq!(sidecar.has_logged(3).await[1..], [replaced; 2]);

        // Half a key, the key of another certificate, no file at all.
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

        // And whole again, as a pair that only another authority would take.
        fs::write(&cert, &shown[0].cert).unwrap();
        service
            .becomes(&asking(&servers[1], &clients[0].pem()))
            .await;
        sidecar.is_healthy("with a whole pair again").await;
        let log = sidecar.has_logged(5).await;
        assert!(
            log[3].starts_with(
                "TLS files have changed and are of no use, keeping the old: --tls_client_key="
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

    // FROM scratch.
    let (code, stderr) = operated::refused(&flags, &[("SSL_CERT_FILE", "/nowhere")]).await;
    assert_eq!(code, 1, "{stderr}");
    for part in ["no certificate authorities in this image", "--tls_ca_cert"] {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}
