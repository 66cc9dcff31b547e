//! A service account's token that rotates while a Service is watched.

use micro_health::resolver::{Endpoints, Resolver};
use testkit::slice_server::{SliceServer, slice};
use testkit::within;

use crate::cluster::cluster;

/// Waits for this state and number of endpoints. The list must never be empty.
async fn is(endpoints: &mut Endpoints, state: &str, count: usize) {
    let reached = async {
        loop {
            let known = endpoints.union().endpoints.len();
            assert!(known > 0, "{:?}", endpoints.state());
            if (endpoints.state().name(), known) == (state, count) {
                return;
            }
            endpoints.changed().await;
        }
    };
    within("the endpoints", reached).await;
}

/// Rotates the token before the server refuses the old one, or only after that. Returns how often
/// the old one was refused.
async fn rotated(is_early: bool) -> usize {
    let account = tempfile::tempdir().unwrap();
    let server = SliceServer::start().await;
    server.set("greeter", "greeter-a", slice("greeter", 0, 3));
    server.write_account(account.path(), "old");
    server.accept_only("old");
    let resolver = Resolver::of(&cluster(server.address, account.path()).await);
    let target = "kubernetes:///greeter.shop".parse().unwrap();
    let mut endpoints = resolver.endpoints(target);
    within("the endpoints", endpoints.known()).await.unwrap();
    within("the watch", server.has_watches(1)).await;

    server.accept_only("new");
    if is_early {
        server.write_account(account.path(), "new");
    }
    server.end_watches("greeter");
    is(&mut endpoints, "stale", 3).await;
    let refusal = endpoints.state().refusal().unwrap().to_string();
    assert!(refusal.contains("token"), "{refusal}");
    server.write_account(account.path(), "new");
    // A change during the rotation arrives too.
    server.set("greeter", "greeter-b", slice("greeter", 10, 2));
    is(&mut endpoints, "synced", 5).await;
    within("the next watch", server.has_watches(2)).await;
    server.refused()
}

#[tokio::test]
async fn a_watch_goes_on_with_the_new_token_and_no_endpoint_is_lost() {
    // The late rotation is noticed at the first refusal.
    assert_eq!(tokio::join!(rotated(true), rotated(false)), (1, 1));
}
