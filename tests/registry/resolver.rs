//! `health resolve` and the real kuberesolver 3.1.0 and 6.0.1, on the same slices of the same API server.

use micro_health::cluster::Cluster;
use micro_health::cluster::options::Options;
use micro_health::resolver::Resolver;
use serde_json::{Value, json};
use testkit::cluster::{ControlPlane, Identity, Namespace};
use testkit::within;

use crate::rig::{Resolving, resolve};

const TARGET: &str = "kubernetes:///greeter:grpc";

/// Everything that all three resolvers read.
fn reads() -> Value {
    json!([
        { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] },
        { "apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "watch"] },
    ])
}

/// The rules of k8s/resolver/role.yaml.
fn shipped() -> Value {
    let role = include_str!("../../k8s/resolver/role.yaml");
    let role = role.split("\n---\n").next().unwrap_or_default();
    let lists = |key: &str| -> Vec<Vec<&str>> {
        let lines = role
            .lines()
            .filter_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix(key));
        let list = |line: &'static str| {
            line.trim_matches([':', ' ', '[', ']'])
                .split(", ")
                .map(|it| it.trim_matches('"'))
                .collect()
        };
        lines.map(list).collect()
    };
    let (groups, resources, verbs) = (lists("apiGroups"), lists("resources"), lists("verbs"));
    let rules: Value = groups
        .iter()
        .zip(resources)
        .zip(verbs)
        .map(|((groups, resources), verbs)| json!({ "apiGroups": groups, "resources": resources, "verbs": verbs }))
        .collect();
    assert_eq!(
        rules,
        json!([
            { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] },
            { "apiGroups": [""], "resources": ["services"], "verbs": ["get"] },
        ])
    );
    rules
}

async fn a_reader(prefix: &str, rules: Value) -> (Namespace, Identity) {
    let namespace = Namespace::fresh(prefix).await;
    let identity = namespace.pod_with_rules("reader", rules).await;
    // The API server decides by a copy of the roles that a watch of its own keeps.
    within("the role to count", async {
        while resolve(&identity, &[TARGET])
            .await
            .2
            .contains("may not list")
        {}
    })
    .await;
    (namespace, identity)
}

fn at(ips: &[u8]) -> Vec<String> {
    ips.iter().map(|ip| format!("10.99.0.{ip}:50051")).collect()
}

#[tokio::test]
async fn a_service_is_all_its_slices_where_kuberesolver_takes_the_last_that_changed() {
    let (namespace, identity) = a_reader("side", reads()).await;
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    namespace.endpoints(&["10.99.0.1"]).await;
    let mut ours = Resolving::ours(&identity, TARGET);
    let mut kr3 = Resolving::go("kr3", &identity, TARGET);
    let mut kr6 = Resolving::go("kr6", &identity, TARGET);
    let first = ["10.99.0.1:50051"];
    ours.tells(&first).await;
    kr3.tells(&first).await;
    kr6.tells(&first).await;

    // A second slice: both count, and kuberesolver 6 forgets the first (its issue 66).
    let both = ["10.99.0.1:50051", "10.99.0.2:50051"];
    namespace.slice("greeter-b", &["10.99.0.2"]).await;
    namespace.endpoints(&["10.99.0.1", "10.99.0.2"]).await;
    ours.tells(&both).await;
    kr3.tells(&both).await;
    kr6.tells(&["10.99.0.2:50051"]).await;

    // The first slice grows.
    let three = ["10.99.0.1:50051", "10.99.0.2:50051", "10.99.0.3:50051"];
    namespace
        .slice("greeter-a", &["10.99.0.1", "10.99.0.3"])
        .await;
    namespace
        .endpoints(&["10.99.0.1", "10.99.0.2", "10.99.0.3"])
        .await;
    ours.tells(&three).await;
    kr3.tells(&three).await;
    kr6.tells(&["10.99.0.1:50051", "10.99.0.3:50051"]).await;

    // The second is deleted: kuberesolver 6 tells the deleted endpoints as new.
    let rest = ["10.99.0.1:50051", "10.99.0.3:50051"];
    namespace.delete_slice("greeter-b").await;
    namespace.endpoints(&["10.99.0.1", "10.99.0.3"]).await;
    ours.tells(&rest).await;
    kr3.tells(&rest).await;
    kr6.tells(&["10.99.0.2:50051"]).await;

    // Ready without a word: to kuberesolver 6 that is not ready, and it says nothing.
    namespace.slice("greeter-a", &["?10.99.0.1"]).await;
    namespace.endpoints(&["10.99.0.1"]).await;
    ours.tells(&first).await;
    kr3.tells(&first).await;

    // None is left: neither kuberesolver says so.
    namespace.slice("greeter-a", &["!10.99.0.1"]).await;
    namespace.endpoints(&[]).await;
    ours.tells(&[]).await;

    // And one that all three have to tell: behind it nothing is under way.
    let last = ["10.99.0.9:50051"];
    namespace.slice("greeter-a", &["10.99.0.9"]).await;
    namespace.endpoints(&["10.99.0.9"]).await;
    ours.tells(&last).await;
    kr3.tells(&last).await;
    kr6.tells(&last).await;

    let ours_told: [&[u8]; 7] = [&[1], &[1, 2], &[1, 2, 3], &[1, 3], &[1], &[], &[9]];
    let kr3_told: [&[u8]; 6] = [&[1], &[1, 2], &[1, 2, 3], &[1, 3], &[1], &[9]];
    let kr6_told: [&[u8]; 5] = [&[1], &[2], &[1, 3], &[2], &[9]];
    // Before the first slice was seen, ours had said that there is none.
    let ours_began: Vec<_> = ours
        .told
        .iter()
        .skip_while(|told| told.is_empty())
        .cloned()
        .collect();
    assert_eq!(ours_began, ours_told.map(at));
    assert_eq!(kr3.told, kr3_told.map(at));
    assert_eq!(kr6.told, kr6_told.map(at));
}

#[tokio::test]
async fn ports_families_and_addresses_that_kuberesolver_gets_wrong() {
    let (namespace, identity) = a_reader("odd", reads()).await;
    namespace.slice("greeter-a", &["10.99.0.1,10.99.0.7"]).await;
    namespace.endpoints(&["10.99.0.1"]).await;

    // A port that nobody has.
    let nobodys = "kubernetes:///greeter:http";
    let mut kr3 = Resolving::go("kr3", &identity, nobodys);
    let mut kr6 = Resolving::go("kr6", &identity, nobodys);
    kr3.tells(&["10.99.0.1:50051"]).await;
    kr6.tells(&["10.99.0.1:http", "10.99.0.7:http"]).await;
    let (code, out, err) = resolve(&identity, &[nobodys]).await;
    assert_eq!((code, &*out), (1, ""));
    let name = format!("greeter.{}", namespace.name);
    assert_eq!(
        err,
        format!("error: no port named http on {name}; available: grpc(50051), metrics(9090)\n")
    );

    // Both families, each in its own slice, and an endpoint's first address alone.
    let mut ours = Resolving::ours(&identity, TARGET);
    let mut kr6 = Resolving::go("kr6", &identity, TARGET);
    ours.tells(&["10.99.0.1:50051"]).await;
    kr6.tells(&["10.99.0.1:50051", "10.99.0.7:50051"]).await;
    namespace.slice("greeter-6", &["fd00::1"]).await;
    ours.tells(&["10.99.0.1:50051", "[fd00::1]:50051"]).await;
    kr6.tells(&["[fd00::1]:50051"]).await;
}

#[tokio::test]
async fn the_shipped_role_is_enough_and_each_part_of_it_is_needed() {
    let (namespace, identity) = a_reader("role", shipped()).await;
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    let spec = json!({ "ports": [{ "name": "grpc", "port": 80, "targetPort": 50051 }] });
    namespace.service("greeter", spec).await;
    let mut ours = Resolving::ours(&identity, TARGET);
    ours.tells(&["10.99.0.1:50051"]).await;
    namespace.slice("greeter-a", &["10.99.0.2"]).await;
    ours.tells(&["10.99.0.2:50051"]).await;

    let name = &namespace.name;
    let (code, out, err) = resolve(&identity, &["kubernetes:///greeter:80"]).await;
    assert_eq!((code, &*out), (0, "10.99.0.2:80\n"));
    assert_eq!(
        err,
        format!(
            "warning: 80 is the port of the Service greeter.{name} itself, whose endpoints listen on grpc(50051): write kubernetes://{name}/greeter:grpc\n"
        )
    );
    let (code, _, err) = resolve(&identity, &["kubernetes:///nobody"]).await;
    assert_eq!(
        (code, err),
        (1, format!("error: no Service nobody in namespace {name}\n"))
    );
    namespace
        .service(
            "alias",
            json!({ "type": "ExternalName", "externalName": "greeter.example.com" }),
        )
        .await;
    let (code, _, err) = resolve(&identity, &["kubernetes:///alias"]).await;
    assert_eq!(
        (code, err.contains("stands for greeter.example.com")),
        (1, true),
        "{err}"
    );

    let only = |verbs: Value| json!([{ "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs }]);
    let nobody = namespace
        .pod_with_rules("watcher", only(json!(["watch"])))
        .await;
    let (code, out, err) = resolve(&nobody, &[TARGET]).await;
    assert_eq!((code, &*out), (1, ""));
    let expected = format!("error: may not list endpointslices in namespace {name}: ");
    assert!(err.starts_with(&expected), "{err}");

    let lister = namespace
        .pod_with_rules("lister", only(json!(["list"])))
        .await;
    within("the role to count", async {
        while resolve(&lister, &[TARGET]).await.0 != 0 {}
    })
    .await;
    assert_eq!(resolve(&lister, &[TARGET]).await.1, "10.99.0.2:50051\n");
    let mut blind = Resolving::ours(&lister, TARGET);
    blind.is("stale").await;
    assert_eq!(blind.told.last().unwrap(), &["10.99.0.2:50051"]);
    // Without the Service it says what it can.
    let (code, out, err) = resolve(&lister, &["kubernetes:///greeter:80"]).await;
    assert_eq!((code, &*out), (0, "10.99.0.2:80\n"));
    assert!(
        err.starts_with("warning: 80 is none of the ports of greeter."),
        "{err}"
    );
}

#[tokio::test]
async fn an_api_server_that_is_away_takes_no_endpoint_along() {
    let mut plane = ControlPlane::start().await;
    let namespace = Namespace::fresh_in(&plane.api, "away").await;
    let identity = namespace.pod_with_rules("reader", reads()).await;
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    namespace.slice("greeter-b", &["10.99.0.2"]).await;
    let both = ["10.99.0.1:50051", "10.99.0.2:50051"];
    let mut ours = Resolving::ours(&identity, TARGET);
    ours.tells(&both).await;
    ours.is("synced").await;

    plane.stop_apiserver();
    ours.is("stale").await;
    ours.tells(&both).await;
    plane.start_apiserver().await;
    let namespace = Namespace {
        admin: plane.api.admin(),
        ..namespace
    };
    namespace.delete_slice("greeter-b").await;
    ours.is("synced").await;
    ours.tells(&["10.99.0.1:50051"]).await;
}

/// kube-apiserver takes a hundred requests at once on a connection, and a watch is one.
#[tokio::test]
async fn more_services_are_watched_than_one_connection_takes() {
    let (namespace, identity) = a_reader("many", reads()).await;
    let server = format!("https://{}", namespace.api.address);
    let options = Options {
        registry_address: Some(server.parse().unwrap()),
        registry_namespace: None,
        service_account: identity.folder().to_owned(),
    };
    let cluster = Cluster::new(&options, |_| None).await.unwrap();
    let resolver = Resolver::of(&cluster);
    let others: Vec<_> = (0..250)
        .map(|number| format!("kubernetes:///other-{number}").parse().unwrap())
        .map(|target| resolver.endpoints(target))
        .collect();
    for other in &others {
        let known = within("a Service to be known", other.known()).await;
        assert!(known.unwrap().endpoints.is_empty());
    }
    let mut greeter = resolver.endpoints(TARGET.parse().unwrap());
    within("the greeter to be known", greeter.known())
        .await
        .unwrap();
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    within("its endpoint to be told", async {
        while greeter.union().endpoints.is_empty() {
            greeter.changed().await;
        }
    })
    .await;
}
