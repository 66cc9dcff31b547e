//! The resolvers of `health resolve` and of the real kuberesolver 3.1.0 and 6.0.1, on the same
//! slices of the same API server.

use micro_health::cluster::Cluster;
use micro_health::resolver::Resolver;
use serde_json::{Value, json};
use testkit::cluster::{ControlPlane, Identity, Namespace};
use testkit::within;

use crate::rig::{RunningResolver, resolve};

const TARGET: &str = "kubernetes:///greeter:grpc";

/// Returns the rules that all three resolvers need.
fn reads() -> Value {
    json!([
        { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] },
        { "apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "watch"] },
    ])
}

/// Returns the rules of k8s/resolver/role.yaml.
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
    // The API server decides by a copy of the roles, which a watch of its own keeps.
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
async fn a_service_has_all_its_slices_and_kuberesolver_only_the_last_changed_one() {
    let (namespace, identity) = a_reader("side", reads()).await;
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    namespace.endpoints(&["10.99.0.1"]).await;
    let mut ours = RunningResolver::ours(&identity, TARGET);
    let mut kr3 = RunningResolver::go("kr3", &identity, TARGET);
    let mut kr6 = RunningResolver::go("kr6", &identity, TARGET);
    let first = ["10.99.0.1:50051"];
    ours.reports(&first).await;
    kr3.reports(&first).await;
    kr6.reports(&first).await;

    // There is a second slice. Both count, but kuberesolver 6 forgets the first (its issue 66).
    let both = ["10.99.0.1:50051", "10.99.0.2:50051"];
    namespace.slice("greeter-b", &["10.99.0.2"]).await;
    namespace.endpoints(&["10.99.0.1", "10.99.0.2"]).await;
    ours.reports(&both).await;
    kr3.reports(&both).await;
    kr6.reports(&["10.99.0.2:50051"]).await;

    // The first slice grows.
    let three = ["10.99.0.1:50051", "10.99.0.2:50051", "10.99.0.3:50051"];
    namespace
        .slice("greeter-a", &["10.99.0.1", "10.99.0.3"])
        .await;
    namespace
        .endpoints(&["10.99.0.1", "10.99.0.2", "10.99.0.3"])
        .await;
    ours.reports(&three).await;
    kr3.reports(&three).await;
    kr6.reports(&["10.99.0.1:50051", "10.99.0.3:50051"]).await;

    // The second slice is deleted. kuberesolver 6 reports its endpoints as new.
    let rest = ["10.99.0.1:50051", "10.99.0.3:50051"];
    namespace.delete_slice("greeter-b").await;
    namespace.endpoints(&["10.99.0.1", "10.99.0.3"]).await;
    ours.reports(&rest).await;
    kr3.reports(&rest).await;
    kr6.reports(&["10.99.0.2:50051"]).await;

    // An endpoint without conditions is ready, but not to kuberesolver 6, which reports nothing.
    namespace.slice("greeter-a", &["?10.99.0.1"]).await;
    namespace.endpoints(&["10.99.0.1"]).await;
    ours.reports(&first).await;
    kr3.reports(&first).await;

    // No endpoint is left. Neither kuberesolver reports that.
    namespace.slice("greeter-a", &["!10.99.0.1"]).await;
    namespace.endpoints(&[]).await;
    ours.reports(&[]).await;

    // The last change is one that all three report, so that no other is still under way.
    let last = ["10.99.0.9:50051"];
    namespace.slice("greeter-a", &["10.99.0.9"]).await;
    namespace.endpoints(&["10.99.0.9"]).await;
    ours.reports(&last).await;
    kr3.reports(&last).await;
    kr6.reports(&last).await;

    let ours_lists: [&[u8]; 7] = [&[1], &[1, 2], &[1, 2, 3], &[1, 3], &[1], &[], &[9]];
    let kr3_lists: [&[u8]; 6] = [&[1], &[1, 2], &[1, 2, 3], &[1, 3], &[1], &[9]];
    let kr6_lists: [&[u8]; 5] = [&[1], &[2], &[1, 3], &[2], &[9]];
    // Before the first slice, ours reported that there was none.
    let ours_began: Vec<_> = ours
        .lists
        .iter()
        .skip_while(|lists| lists.is_empty())
        .cloned()
        .collect();
    assert_eq!(ours_began, ours_lists.map(at));
    assert_eq!(kr3.lists, kr3_lists.map(at));
    assert_eq!(kr6.lists, kr6_lists.map(at));
}

#[tokio::test]
async fn ports_families_and_addresses_are_right_where_kuberesolver_is_wrong() {
    let (namespace, identity) = a_reader("odd", reads()).await;
    namespace.slice("greeter-a", &["10.99.0.1,10.99.0.7"]).await;
    namespace.endpoints(&["10.99.0.1"]).await;

    // No slice has a port of this name.
    let unknown_port = "kubernetes:///greeter:http";
    let mut kr3 = RunningResolver::go("kr3", &identity, unknown_port);
    let mut kr6 = RunningResolver::go("kr6", &identity, unknown_port);
    kr3.reports(&["10.99.0.1:50051"]).await;
    kr6.reports(&["10.99.0.1:http", "10.99.0.7:http"]).await;
    let (code, out, err) = resolve(&identity, &[unknown_port]).await;
    assert_eq!((code, &*out), (1, ""));
    let name = format!("greeter.{}", namespace.name);
    assert_eq!(
        err,
        format!("error: no port named http on {name}; available: grpc(50051), metrics(9090)\n")
    );

    // Each family has its own slice. Of an endpoint, only the first address counts.
    let mut ours = RunningResolver::ours(&identity, TARGET);
    let mut kr6 = RunningResolver::go("kr6", &identity, TARGET);
    ours.reports(&["10.99.0.1:50051"]).await;
    kr6.reports(&["10.99.0.1:50051", "10.99.0.7:50051"]).await;
    namespace.slice("greeter-6", &["fd00::1"]).await;
    ours.reports(&["10.99.0.1:50051", "[fd00::1]:50051"]).await;
    kr6.reports(&["[fd00::1]:50051"]).await;
}

#[tokio::test]
async fn the_published_role_suffices_and_each_part_of_it_is_needed() {
    let (namespace, identity) = a_reader("role", shipped()).await;
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    let spec = json!({ "ports": [{ "name": "grpc", "port": 80, "targetPort": 50051 }] });
    namespace.service("greeter", spec).await;
    let mut ours = RunningResolver::ours(&identity, TARGET);
    ours.reports(&["10.99.0.1:50051"]).await;
    namespace.slice("greeter-a", &["10.99.0.2"]).await;
    ours.reports(&["10.99.0.2:50051"]).await;

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
    let mut blind = RunningResolver::ours(&lister, TARGET);
    blind.is("stale").await;
    assert_eq!(blind.lists.last().unwrap(), &["10.99.0.2:50051"]);
    // Without the Service the message has less detail.
    let (code, out, err) = resolve(&lister, &["kubernetes:///greeter:80"]).await;
    assert_eq!((code, &*out), (0, "10.99.0.2:80\n"));
    assert!(
        err.starts_with("warning: 80 is none of the ports of greeter."),
        "{err}"
    );
}

#[tokio::test]
async fn an_outage_of_the_api_server_removes_no_endpoint() {
    let mut plane = ControlPlane::start().await;
    let namespace = Namespace::fresh_in(&plane.api, "away").await;
    let identity = namespace.pod_with_rules("reader", reads()).await;
    namespace.slice("greeter-a", &["10.99.0.1"]).await;
    namespace.slice("greeter-b", &["10.99.0.2"]).await;
    let both = ["10.99.0.1:50051", "10.99.0.2:50051"];
    let mut ours = RunningResolver::ours(&identity, TARGET);
    ours.reports(&both).await;
    ours.is("synced").await;

    plane.stop_apiserver();
    ours.is("stale").await;
    ours.reports(&both).await;
    plane.start_apiserver().await;
    let namespace = Namespace {
        admin: plane.api.admin(),
        ..namespace
    };
    namespace.delete_slice("greeter-b").await;
    ours.is("synced").await;
    ours.reports(&["10.99.0.1:50051"]).await;
}

/// Tests more watches than the hundred requests that kube-apiserver allows on one connection.
#[tokio::test]
async fn more_services_are_watched_than_one_connection_allows() {
    let (namespace, identity) = a_reader("many", reads()).await;
    let server = format!("https://{}", namespace.api.address);
    let cluster = Cluster::builder()
        .api_server(server.parse().unwrap())
        .service_account(identity.folder())
        .build()
        .await
        .unwrap();
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
    within("its endpoint to be reported", async {
        while greeter.union().endpoints.is_empty() {
            greeter.changed().await;
        }
    })
    .await;
}
