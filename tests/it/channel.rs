//! A Rust client's channel to a Service while endpoints come and go.

use std::net::SocketAddr;
use std::time::Duration;

use micro_health::resolver::Resolver;
use micro_health::resolver::channel::{Builder, Channel};
use testkit::within;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use self::replica::{Load, Replica};
use crate::endpoints::ApiServer;
use crate::probe::service::refusing;
mod health;
mod replica;

const TARGET: &str = "kubernetes:///greeter.shop:grpc";

/// Returns the endpoints of these replicas, all ready.
fn ready(replicas: &[Replica]) -> Vec<(SocketAddr, bool)> {
    replicas.iter().map(|it| (it.address, true)).collect()
}

fn builder(api: &ApiServer) -> Builder {
    let config = kube::Config::new(format!("http://{}", api.address).parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    Builder::new(Resolver::new(client, "shop"))
}

async fn call(channel: &Channel) -> Result<(), tonic::Status> {
    let request = HealthCheckRequest::default();
    let mut client = HealthClient::new(channel.clone());
    within("an answer", client.check(request)).await.map(drop)
}

#[tokio::test]
async fn ten_replicas_are_replaced_under_load_and_no_request_fails() {
    let mut replicas = Vec::new();
    for _ in 0..10 {
        replicas.push(Replica::start().await);
    }
    let api = ApiServer::start(&ready(&replicas)).await;
    let channel = builder(&api).connect(TARGET).unwrap();
    let load = Load::start(&channel, 8);
    for round in 0..10 {
        let fresh = Replica::start().await;
        replicas.push(fresh);
        api.set(ready(&replicas));
        within("the new replica to be called", async {
            while replicas[10].calls() < 10 {
                load.answers(1).await;
            }
        })
        .await;
        let old = replicas.remove(0);
        if round % 2 == 0 {
            // The pod may end before its endpoint is removed.
            old.stop().await;
            api.set(ready(&replicas));
        } else {
            api.set(ready(&replicas));
            old.stop().await;
        }
    }
    load.answers(100).await;
    let (answered, failed) = load.end().await;
    assert_eq!(failed, [""; 0], "of {answered}");
    assert!(answered > 200, "{answered}");
}

#[tokio::test]
async fn a_stopping_replica_finishes_its_calls_and_gets_no_more() {
    let old = Replica::released(false).await;
    let api = ApiServer::start(&[(old.address, true)]).await;
    let channel = builder(&api).connect(TARGET).unwrap();
    let held = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel).await }
    });
    within("the call to be held up", async {
        while old.calls() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The connection stays open for that call, and the endpoint is still ready.
    old.stop.send_replace(true);
    let fresh = Replica::start().await;
    api.set(vec![(old.address, true), (fresh.address, true)]);
    for _ in 0..20 {
        call(&channel).await.unwrap();
    }
    let (calls, fresh_calls) = (old.calls(), fresh.calls());
    call(&channel).await.unwrap();
    assert_eq!((old.calls(), fresh.calls()), (calls, fresh_calls + 1));
    old.release.send_replace(true);
    within("the call that was held up", held)
        .await
        .unwrap()
        .unwrap();
    old.stop().await;
}

#[tokio::test]
async fn replicas_take_turns_and_a_refusing_one_gets_no_call() {
    let replicas = [Replica::start().await, Replica::start().await];
    let mut endpoints = ready(&replicas);
    endpoints.push((refusing().await, true));
    let api = ApiServer::start(&endpoints).await;
    let channel = builder(&api).connect(TARGET).unwrap();
    // Until both are connected, one of them may receive more calls.
    within("both to be called", async {
        while replicas.iter().any(|it| it.calls() == 0) {
            call(&channel).await.unwrap();
        }
    })
    .await;
    let before = replicas.each_ref().map(Replica::calls);
    for _ in 0..20 {
        call(&channel).await.unwrap();
    }
    let after = replicas.each_ref().map(Replica::calls);
    assert_eq!([after[0] - before[0], after[1] - before[1]], [10, 10]);
}

#[tokio::test]
async fn a_service_without_replicas_is_unavailable_until_one_starts() {
    let gone = refusing().await;
    let api = ApiServer::start(&[(gone, true)]).await;
    let builder = builder(&api)
        .patience(Duration::from_millis(300))
        .scheme("k8s");
    assert!(builder.connect(TARGET).is_err());
    let channel = builder.connect("k8s:///greeter.shop:grpc").unwrap();
    let status = call(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains(&gone.to_string()), "{status}");
    let replica = Replica::start().await;
    api.set(ready(std::slice::from_ref(&replica)));
    within("it to be available", async {
        while call(&channel).await.is_err() {}
    })
    .await;
    assert_eq!(replica.calls(), 1);
}
