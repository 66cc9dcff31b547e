//! The exchange of records: those of every Go release read by this registry, and this registry's
//! records read by them.

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use micro_health::registry::Registry;
use micro_health::registry::Schemes;
use micro_health::registry::{Action, Event};
use testkit::cluster::{GoClient, IP, Namespace, RELEASES, ROLE, S6};
use testkit::within;

/// Returns a namespace with a pod, its Go registry, and this registry with the pod's own token.
async fn both(release: &'static str) -> (Namespace, GoClient, Registry) {
    let namespace = Namespace::fresh(&format!("read-{release}")).await;
    namespace.account("greeter", &ROLE, &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let go = GoClient::new(release, &namespace.identity("greeter-0").await);
    let client = namespace.api.client(&namespace.token("greeter-0").await);
    let schemes = if release == S6 {
        Schemes::GoMicro
    } else {
        Schemes::Both
    };
    let ours = Registry::new(client, &*namespace.name, schemes);
    (namespace, go, ours)
}

#[tokio::test]
async fn a_record_of_go_is_found_listed_and_watched() {
    join_all(RELEASES.map(|release| async move {
        let (_namespace, go, ours) = both(release).await;
        let events = ours.watch(None);
        let mut events = std::pin::pin!(events);
        // The watch begins with the existing services, of which there are none.
        assert!(ours.get_service("greeter").await.is_err(), "{release}");
        let (registered, event) =
            tokio::join!(go.register("greeter"), within("a create", events.next()));
        registered.unwrap();
        assert_eq!(
            action_and_name(event),
            (Action::Create, "greeter".into()),
            "{release}"
        );

        let found = within("a lookup", ours.get_service("greeter"))
            .await
            .unwrap();
        let [service] = &found[..] else {
            panic!("{release}: {found:?}")
        };
        let theirs = go.get("greeter").await.unwrap();
        let their_nodes: Vec<_> = theirs[0]
            .nodes()
            .iter()
            .map(|node| (node.id.clone(), node.address.clone()))
            .collect();
        let our_nodes: Vec<_> = service
            .nodes
            .iter()
            .flatten()
            .map(|node| (node.id.clone(), node.address.clone()))
            .collect();
        assert_eq!(our_nodes, their_nodes, "{release}");
        assert_eq!(
            within("a list", ours.list_services()).await.unwrap(),
            found,
            "{release}"
        );

        let (deregistered, event) =
            tokio::join!(go.deregister("greeter"), within("a delete", events.next()));
        deregistered.unwrap();
        assert_eq!(
            action_and_name(event),
            (Action::Delete, "greeter".into()),
            "{release}"
        );
        assert!(ours.get_service("greeter").await.is_err(), "{release}");
        // Go-micro 2.4 leaves empty annotations behind, which are no records and no faults.
        assert_eq!(ours.list_services().await.unwrap(), [], "{release}");
    }))
    .await;
}

fn action_and_name<E: std::fmt::Debug>(event: Option<Result<Event, E>>) -> (Action, String) {
    let event = event.expect("a watch must not end").unwrap();
    (event.action, event.service.name)
}
