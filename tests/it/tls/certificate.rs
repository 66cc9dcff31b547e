//! The verification of certificates at either end, and the reason for a refused one.

use futures_util::future;
use rustls::version::{TLS12, TLS13};
use testkit::NAME;
use testkit::pki::{Authority, Validity, self_signed};

use super::service::{Serve, Service, Wire};
use super::{Folder, LOCAL, sidecar};
use crate::operated::Operated;

#[tokio::test]
async fn a_client_certificate_is_sent_and_its_refusal_is_reported() {
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
async fn a_certificate_must_have_the_dialled_or_the_given_name() {
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
async fn every_bad_certificate_has_its_own_reason_unless_verification_is_off() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let stranger = Authority::new("stranger");
    let ca = folder.with("tls_ca_cert", &authority.pem());
    for (pair, text) in [
        (
            authority.issue_for(LOCAL, Validity::Expired),
            "the service's certificate expired at 2020-01-02T00:00:00Z",
        ),
        (
            authority.issue_for(LOCAL, Validity::Future),
            "the service's certificate is not valid before 3020-01-02T00:00:00Z",
        ),
        (
            stranger.issue(LOCAL),
            "the service's certificate is signed by an unknown authority; see --tls_ca_cert",
        ),
        (
            self_signed(LOCAL, Validity::Current),
            "the service's certificate is a CA's own certificate, which is not in --tls_ca_cert",
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
                assert!(log[0].starts_with("--tls_no_verify is set"), "{log:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_its_own_authority() {
    let folder = Folder::new();
    for (names, when, text) in [
        (LOCAL, Validity::Current, None),
        (LOCAL, Validity::Expired, Some("expired at 2020-01-02")),
        (
            &["greeter"],
            Validity::Current,
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
async fn the_expiry_of_the_last_certificate_is_a_metric() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let ca = folder.with("tls_ca_cert", &authority.pem());
    let (expired, renewed) = (
        authority.issue_for(LOCAL, Validity::Expired),
        authority.issue(LOCAL),
    );
    let series =
        format!("health_sidecar_tls_certificate_expiry_timestamp_seconds{{target=\"{NAME}\"}}");
    // rcgen's certificates end in the year 4096 by default.
    let (past, far) = (1_577_923_200.0, 67_090_118_400.0);
    let each = Wire::ALL.map(async |wire| {
        let service = Service::start(wire, &Serve::new(&expired)).await;
        let sidecar = sidecar(&service, wire.name(), &["--tls", &ca]).await;
        assert_eq!(sidecar.metric(&series).await, None, "before any handshake");

        let text = "expired at 2020-01-02";
        sidecar.is_unhealthy("expired", "tls", 502, text).await;
        // This is the end of the refused certificate.
        sidecar.has_metric(&series, past).await;

        service.becomes(&Serve::new(&renewed)).await;
        sidecar.is_healthy("renewed").await;
        // This is the end of the accepted certificate.
        sidecar.has_metric(&series, far).await;
    });
    let trusting = async {
        let service = Service::start(Wire::Grpc, &Serve::new(&expired)).await;
        let trusting = sidecar(&service, "grpc", &["--tls", "--tls_no_verify"]).await;
        trusting.is_healthy("not verified").await;
        // This is the end of the unverified certificate.
        trusting.has_metric(&series, past).await;
    };
    tokio::join!(future::join_all(each), trusting);
}
