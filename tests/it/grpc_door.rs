//! `grpc.health.v1` as native gRPC probes and Envoy call it, with tonic-health's client over h2c.

use std::net::SocketAddr;

use futures_util::StreamExt as _;
use testkit::scripts::{debug_service, mucp, silent};
use testkit::service::{Count, Service};
use testkit::within;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus::{
    self, NotServing, ServiceUnknown, Serving,
};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::sidecar::Sidecar;

async fn client(sidecar: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{sidecar}")).unwrap();
    HealthClient::new(within("connecting", endpoint.connect()).await.unwrap())
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    let answer = within("the answer", client.check(of(service))).await;
    answer
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    within("the next status", stream.next())
        .await
        .map(|status| status.unwrap().status())
}

#[tokio::test]
async fn check_returns_the_verdict_of_all_and_of_each_target() {
    let (greeter, payments) = (Service::start(mucp()).await, Service::start(mucp()).await);
    let target = format!("--target=payments={}", payments.address);
    let sidecar = Sidecar::start(greeter.address, &[&target]).await;
    let mut client = client(sidecar.address).await;
    for service in ["", "greeter", "payments"] {
        assert_eq!(
            check(&mut client, service).await,
            Ok(Serving),
            "{service:?}"
        );
    }

    payments.stop().await;

    assert_eq!(check(&mut client, "").await, Ok(NotServing));
    assert_eq!(check(&mut client, "greeter").await, Ok(Serving));
    assert_eq!(check(&mut client, "payments").await, Ok(NotServing));
    assert_eq!(check(&mut client, "nobody").await, Err(Code::NotFound));
}

#[tokio::test]
async fn watch_sends_the_status_at_once_and_then_each_change() {
    let (health, script) = debug_service(&Count::default());
    let greeter = Service::start(script).await;
    let sidecar = Sidecar::start(greeter.address, &["--period=10ms", "--fall=2"]).await;
    let mut client = client(sidecar.address).await;
    let mut watch = client.watch(of("greeter")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(Serving));

    health.set("degraded");
    assert_eq!(next(&mut watch).await, Some(NotServing));
    health.set("ok");
    assert_eq!(next(&mut watch).await, Some(Serving));
}

#[tokio::test]
async fn watch_of_an_unknown_service_sends_service_unknown_and_stays_open() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &[]).await;
    let mut client = client(sidecar.address).await;
    let mut watch = client.watch(of("nobody")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(ServiceUnknown));
    // An end of the stream would arrive before the answers of later calls.
    for _ in 0..3 {
        assert_eq!(check(&mut client, "nobody").await, Err(Code::NotFound));
        let more = futures_util::FutureExt::now_or_never(watch.next());
        assert!(more.is_none(), "{more:?}");
    }

    let stopped = tokio::spawn(sidecar.stop());

    assert_eq!(next(&mut watch).await, None);
    within("the end", stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_watch_begins_with_the_last_status_of_the_first() {
    let checks = Count::default();
    let (health, script) = debug_service(&checks);
    let greeter = Service::start(script).await;
    // The service stays healthy for the monitor, however often it is checked.
    let flags = ["--period=10ms", "--fall=1000000", "--protocol=grpc"];
    let sidecar = Sidecar::start(greeter.address, &flags).await;
    let mut client = client(sidecar.address).await;
    let mut first = client.watch(of("greeter")).await.unwrap().into_inner();
    assert_eq!(next(&mut first).await, Some(Serving));
    health.set("degraded");
    // The monitor has the verdict: one answer was sent before the next call came.
    checks.reaches(checks.get() + 3).await;

    for service in ["greeter", ""] {
        let mut second = client.watch(of(service)).await.unwrap().into_inner();
        assert_eq!(next(&mut second).await, Some(Serving), "{service:?}");
    }
    let more = futures_util::FutureExt::now_or_never(first.next());
    assert!(more.is_none(), "{more:?}");
}

#[tokio::test]
async fn a_service_that_stays_down_is_not_serving_once() {
    let (health, script) = debug_service(&Count::default());
    health.set("degraded");
    let greeter = Service::start(script).await;
    let flags = ["--period=10ms", "--fall=3", "--target=gone=127.0.0.1:1"];
    let sidecar = Sidecar::start(greeter.address, &flags).await;
    let mut client = client(sidecar.address).await;
    for service in ["greeter", "gone", ""] {
        let mut watch = client.watch(of(service)).await.unwrap().into_inner();
        assert_eq!(next(&mut watch).await, Some(NotServing), "{service:?}");
        for _ in 0..20 {
            assert_eq!(check(&mut client, service).await, Ok(NotServing));
        }
        let more = futures_util::FutureExt::now_or_never(watch.next());
        assert!(more.is_none(), "{service:?} {more:?}");
    }
}

#[tokio::test]
async fn a_watch_waits_for_rise_checks_before_it_is_serving() {
    let checks = Count::default();
    let greeter = Service::start(debug_service(&checks).1).await;
    let flags = ["--period=10ms", "--rise=3", "--protocol=grpc"];
    let sidecar = Sidecar::start(greeter.address, &flags).await;
    let mut client = client(sidecar.address).await;
    let mut watch = client.watch(of("greeter")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(NotServing));
    assert_eq!(next(&mut watch).await, Some(Serving));
    assert!(checks.get() >= 3, "{}", checks.get());
}

#[tokio::test]
async fn a_watch_of_a_hanging_service_gets_a_status_within_the_check_timeout() {
    let greeter = Service::start(silent()).await;
    let flags = ["--check_timeout=100ms", "--protocol=grpc"];
    let sidecar = Sidecar::start(greeter.address, &flags).await;
    let mut client = client(sidecar.address).await;
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(NotServing));
}

#[tokio::test]
async fn draining_sends_not_serving_and_ends_a_watch() {
    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &[]).await;
    let mut client = client(sidecar.address).await;
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(Serving));

    let stopped = tokio::spawn(sidecar.stop());

    assert_eq!(next(&mut watch).await, Some(NotServing));
    assert_eq!(next(&mut watch).await, None);
    within("the end", stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn list_names_every_target() {
    use micro_health::internal::pb::{HealthListRequest, HealthListResponse};

    let greeter = Service::start(mucp()).await;
    let sidecar = Sidecar::start(greeter.address, &["--target=gone=127.0.0.1:1"]).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", sidecar.address)).unwrap();
    let mut grpc =
        tonic::client::Grpc::new(within("connecting", endpoint.connect()).await.unwrap());
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/List");
    let codec = tonic_prost::ProstCodec::<HealthListRequest, HealthListResponse>::default();

    let call = grpc.unary(tonic::Request::new(HealthListRequest {}), path, codec);
    let statuses = within("the list", call)
        .await
        .unwrap()
        .into_inner()
        .statuses;

    let mut named: Vec<_> = statuses
        .iter()
        .map(|(name, status)| (name.as_str(), status.status()))
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [("", NotServing), ("gone", NotServing), ("greeter", Serving)]
    );
}
