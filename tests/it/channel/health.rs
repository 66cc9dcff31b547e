//! Replicas that report their own health, as in gRFC A17.

use tonic_health::ServingStatus;

use super::*;

/// The name of the service whose health is watched.
const GREETER: &str = "greeter.Greeter";

/// Returns a channel that watches the greeter's health.
fn healthy(api: &ApiServer, patience: Duration) -> Channel {
    let builder = builder(api).health(GREETER).patience(patience);
    builder.connect(TARGET).unwrap()
}

/// Starts a replica whose greeter has this status.
async fn replica(status: ServingStatus) -> Replica {
    let replica = Replica::start().await;
    replica.reporter.set_service_status(GREETER, status).await;
    replica
}

/// Calls until a round of ten calls each has reached these replicas and no others.
async fn only(channel: &Channel, called: &[&Replica], others: &[&Replica]) {
    within("the right ones to be called", async {
        loop {
            let counts = |replicas: &[&Replica]| -> Vec<_> {
                replicas.iter().map(|it| it.calls()).collect()
            };
            let before = (counts(called), counts(others));
            for _ in 0..10 * called.len() {
                call(channel).await.unwrap();
            }
            let after = (counts(called), counts(others));
            let fair = before.0.iter().map(|calls| calls + 10).collect::<Vec<_>>();
            if (fair, before.1) == after {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_is_not_serving_gets_no_call_and_no_call_fails() {
    let replicas = [
        replica(ServingStatus::Serving).await,
        replica(ServingStatus::Serving).await,
        replica(ServingStatus::NotServing).await,
    ];
    let [one, two, three] = &replicas;
    let api = ApiServer::start(&ready(&replicas)).await;
    let channel = healthy(&api, Duration::from_secs(5));
    let load = Load::start(&channel, 8);
    load.answers(100).await;
    // Its first status is not SERVING, so it was never called.
    assert_eq!(three.calls(), 0);

    for _ in 0..3 {
        one.reporter
            .set_service_status(GREETER, ServingStatus::NotServing)
            .await;
        within("the last call of it", async {
            loop {
                let before = one.calls();
                load.answers(100).await;
                if one.calls() == before {
                    return;
                }
            }
        })
        .await;
        let (before, others) = (one.calls(), two.calls());
        load.answers(200).await;
        assert_eq!(one.calls(), before);
        assert!(two.calls() >= others + 100);

        one.reporter
            .set_service_status(GREETER, ServingStatus::Serving)
            .await;
        within("a call of it", async {
            while one.calls() == before {
                load.answers(1).await;
            }
        })
        .await;
    }
    let (answered, failed) = load.end().await;
    assert_eq!(failed, [""; 0], "of {answered}");
    assert_eq!(three.calls(), 0);
    only(&channel, &[one, two], &[three]).await;
}

#[tokio::test]
async fn a_replica_without_the_health_service_is_called_and_watched_once() {
    let replica = Replica::without_health().await;
    let api = ApiServer::start(&[(replica.address, true)]).await;
    let channel = healthy(&api, Duration::from_secs(5));
    // The replica serves no method, so only the origin of the error matters.
    for _ in 0..10 {
        let status = call(&channel).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    assert_eq!((replica.calls(), replica.watches()), (10, 1));
}

#[tokio::test]
async fn a_replica_that_is_not_serving_is_named_with_its_status() {
    let unknown = Replica::start().await;
    for (replica, description) in [
        (
            &replica(ServingStatus::NotServing).await,
            "says NOT_SERVING",
        ),
        (&replica(ServingStatus::Unknown).await, "says UNKNOWN"),
        (&unknown, "its health is told no more: NotFound"),
    ] {
        let api = ApiServer::start(&[(replica.address, true)]).await;
        let channel = healthy(&api, Duration::from_millis(300));
        let status = call(&channel).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let expected = format!("{}: {description}", replica.address);
        assert!(status.message().contains(&expected), "{status}");
        assert_eq!(replica.calls(), 0);
        // A replica whose stream has ended is watched again, and then called.
        replica
            .reporter
            .set_service_status(GREETER, ServingStatus::Serving)
            .await;
        within("it to be called", async {
            while call(&channel).await.is_err() {}
        })
        .await;
        assert_eq!(replica.calls(), 1);
    }
}

#[tokio::test]
async fn a_stopping_replica_does_not_wait_for_its_health_watch() {
    let replica = replica(ServingStatus::Serving).await;
    let api = ApiServer::start(&[(replica.address, true)]).await;
    let channel = healthy(&api, Duration::from_secs(5));
    call(&channel).await.unwrap();
    // Its endpoint is still there.
    replica.stop().await;
}

#[tokio::test]
async fn a_removed_endpoint_closes_its_connection_and_its_health_watch() {
    let replicas = [
        replica(ServingStatus::Serving).await,
        replica(ServingStatus::Serving).await,
    ];
    let api = ApiServer::start(&ready(&replicas)).await;
    let channel = healthy(&api, Duration::from_secs(5));
    only(&channel, &[&replicas[0], &replicas[1]], &[]).await;
    let [one, two] = replicas;
    api.set(vec![(two.address, true)]);
    within("its connection to close", async {
        let mut open = one.open.subscribe();
        open.wait_for(|open| *open == 0).await.unwrap();
    })
    .await;
    only(&channel, &[&two], &[&one]).await;
}
