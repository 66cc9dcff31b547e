//! The endpoints of a Service over TLS. Each is dialled by its address, and must have the
//! Service's certificate.

use std::time::Duration;

use micro_health::resolver::Resolver;
use micro_health::resolver::channel::TlsOptions as Options;
use micro_health::resolver::channel::{Builder, Channel, NoChannel};
use testkit::pki::{Authority, Pair};
use testkit::within;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::service::{Serve, Service, Wire};
use super::tonic::{HealthKind, Rust, tls};
use super::{Folder, LOCAL};
use crate::endpoints::{ApiServer, TARGET};
use crate::operated::Operated;

/// The names in a certificate of the Service.
const NAME: &[&str] = &["greeter.shop"];

/// Starts a sidecar that checks the Service over TLS.
async fn sidecar(api: &ApiServer, wire: Wire, flags: &[&str]) -> Operated {
    let mut all = vec![
        TARGET.to_owned(),
        api.flag(),
        format!("--protocol={}", wire.name()),
        "--tls".to_owned(),
        "--require=all".to_owned(),
    ];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    Operated::start(&all).await
}

#[tokio::test]
async fn a_sidecar_expects_the_services_name_of_each_endpoint() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let ca = folder.with("tls_ca_cert", &authority.pem());
    let (named, local) = (authority.issue(NAME), authority.issue(LOCAL));
    for wire in Wire::ALL {
        let context = format!("{wire:?}");
        let one = Service::start(wire, &Serve::new(&named)).await;
        let two = Service::start(wire, &Serve::new(&named)).await;
        let api = ApiServer::start(&[(one.address, true), (two.address, true)]).await;
        let by_name = sidecar(&api, wire, &[&ca]).await;
        for _ in 0..2 {
            by_name.is_healthy(&context).await;
        }
        // With --tls_server_name another name is expected.
        let by_address = sidecar(&api, wire, &[&ca, "--tls_server_name=127.0.0.1"]).await;
        let text = "the service's certificate is for greeter.shop, not for 127.0.0.1";
        by_address.is_unhealthy(&context, "tls", 502, text).await;

        // One of two endpoints gets the wrong certificate.
        two.becomes(&Serve::new(&local)).await;
        let text = format!(
            "1 of 2 endpoints are healthy, 2 needed; {}: no TLS with the service: the service's certificate is for 127.0.0.1",
            two.address
        );
        by_name.is_unhealthy(&context, "tls", 502, &text).await;
        one.becomes(&Serve::new(&local)).await;
        by_address.is_healthy(&context).await;
    }
}

/// Starts a tonic server with grpc.health.v1 behind this certificate, and a Service with this
/// server as its only endpoint.
async fn served(pair: &Pair) -> (Rust, ApiServer) {
    let server = HealthKind::Health.start(tls(pair)).await;
    let api = ApiServer::start(&[(server.address, true)]).await;
    (server, api)
}

fn connect(api: &ApiServer, options: Options) -> Result<Channel, NoChannel> {
    let config = kube::Config::new(format!("http://{}", api.address).parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let builder = Builder::new(Resolver::new(client, "shop"))
        .tls(options)
        .patience(Duration::from_millis(500));
    builder.connect("kubernetes:///greeter.shop:grpc")
}

async fn call(channel: &Channel) -> Result<i32, tonic::Status> {
    let mut client = HealthClient::new(channel.clone());
    let answer = within("an answer", client.check(HealthCheckRequest::default())).await;
    answer.map(|answer| answer.into_inner().status)
}

#[tokio::test]
async fn a_channel_expects_the_services_name_of_each_endpoint() {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    let options = |name: Option<&str>| Options {
        tls: true,
        tls_ca_cert: Some(folder.path("ca.pem")),
        tls_server_name: name.map(str::to_owned),
        ..Options::default()
    };
    let missing = served(&authority.issue(NAME)).await;
    let Err(NoChannel::Tls(error)) = connect(&missing.1, options(None)) else {
        panic!("a file that is not there must be an error");
    };
    assert!(error.to_string().contains("ca.pem"), "{error}");

    folder.write("ca.pem", &authority.pem());
    let (_named, named) = served(&authority.issue(NAME)).await;
    let (_local, local) = served(&authority.issue(LOCAL)).await;
    let (_stranger, stranger) = served(&Authority::new("stranger").issue(NAME)).await;
    assert_eq!(
        call(&connect(&named, options(None)).unwrap())
            .await
            .unwrap(),
        1
    );
    let by_address = connect(&local, options(Some("127.0.0.1"))).unwrap();
    assert_eq!(call(&by_address).await.unwrap(), 1);
    for (api, why) in [
        (&local, "the service's certificate is for 127.0.0.1"),
        (&stranger, "signed by an unknown authority"),
    ] {
        let status = call(&connect(api, options(None)).unwrap())
            .await
            .unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(status.message().contains(why), "{status}");
    }
    // A server without TLS is not called in plain text.
    let plain = Service::plain(Wire::Grpc).await;
    let api = ApiServer::start(&[(plain.address, true)]).await;
    let status = call(&connect(&api, options(None)).unwrap())
        .await
        .unwrap_err();
    let expected = format!("{}: ", plain.address);
    assert!(status.message().contains(&expected), "{status}");
}
