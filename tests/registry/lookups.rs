//! The lookups between releases: each service is found by every release with the same scheme, and
//! by no other.

use futures_util::future::join_all;
use testkit::cluster::{GoClient, IP, Namespace, RELEASES, ROLE, S6};

/// The node that the Go clients register.
const NODE: &str = "10.1.0.112:8080";

#[tokio::test]
async fn releases_find_the_records_of_their_own_scheme() {
    let namespace = Namespace::fresh("lookups").await;
    namespace.account("greeter", &ROLE, &[]).await;
    let clients = join_all(RELEASES.map(|release| in_a_pod(&namespace, release))).await;

    join_all(clients.iter().map(|writer| async {
        let name = format!("greeter-{}", writer.release);
        let same_scheme = |reader: &&str| (*reader == S6) == (writer.release == S6);
        let same_scheme: Vec<_> = RELEASES.into_iter().filter(same_scheme).collect();

        writer.register(&name).await.unwrap();
        assert_eq!(finders(&clients, &name).await, same_scheme, "{name}");
        writer.deregister(&name).await.unwrap();
        assert_eq!(finders(&clients, &name).await, [""; 0], "{name}");
    }))
    .await;
}

/// Returns the releases that find the service, both by its name and in the list.
async fn finders(clients: &[GoClient], name: &str) -> Vec<&'static str> {
    let mut finders = Vec::new();
    for reader in clients {
        let (gets, lists) = (gets(reader, name).await, lists(reader, name).await);
        assert_eq!(gets, lists, "{} finds {name} in one way", reader.release);
        finders.extend(gets.then_some(reader.release));
    }
    finders
}

async fn in_a_pod(namespace: &Namespace, release: &'static str) -> GoClient {
    let pod = format!("{release}-0");
    namespace.running_pod(&pod, "greeter", IP).await;
    GoClient::new(release, &namespace.identity(&pod).await)
}

async fn gets(reader: &GoClient, name: &str) -> bool {
    match reader.get(name).await {
        Ok(services) => services.iter().any(|service| {
            assert_eq!(service.name, name);
            service.nodes().iter().any(|node| node.address == NODE)
        }),
        Err(error) => {
            assert!(error.contains("service not found"), "{error}");
            false
        }
    }
}

async fn lists(reader: &GoClient, name: &str) -> bool {
    let services = reader.list().await.unwrap();
    services.iter().any(|service| service.name == name)
}
