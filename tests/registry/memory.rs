//! The costs of an idle registration: no write, and little resident memory. The memory is printed
//! for the debug build, and has a budget for the shipped file. `benches/budgets.py` reads the
//! line.

use testkit::cluster::{IP, Namespace, ROLE};
use testkit::greeter::Greeter;
use testkit::print_line;

use crate::rig::{SHIPPED, Sidecar};

const PROBES: u32 = 20_000;

/// The budget in KiB.
const BUDGET: u64 = 5 << 10;

const ALL: &str = "VmRSS";
const ANONYMOUS: &str = "RssAnon";

#[tokio::test]
async fn a_live_registration_is_small() {
    let is_shipped = std::env::var_os(SHIPPED).is_some();
    let namespace = Namespace::fresh("memory").await;
    namespace.account("greeter", &ROLE, &[]).await;
    namespace.running_pod("greeter-0", "greeter", IP).await;
    let identity = namespace.identity("greeter-0").await;
    let mut greeter = Greeter::reserve();
    greeter.start();
    let without = Sidecar::start(&identity, greeter.address(), &["--registry=none"]).await;
    let sidecar = Sidecar::start(&identity, greeter.address(), &["--register_interval=1s"]).await;
    sidecar.is("registered").await;
    let (registered, written) = (sidecar.memory(ALL), version(&namespace).await);
    let patches = sidecar.patches().await;
    let probes = if is_shipped { PROBES } else { PROBES / 20 };
    for _ in 0..probes {
        assert_eq!(sidecar.probe("/health").await, 200);
        assert_eq!(without.probe("/health").await, 200);
    }
    let after = sidecar.memory(ALL);
    let writes = sidecar.patches().await - patches;
    print_line(&format!(
        "memory: {registered} KiB registered, {after} KiB ({} KiB anonymous) after {probes} probes; {} KiB ({} KiB) without a registry; {writes} writes",
        sidecar.memory(ANONYMOUS),
        without.memory(ALL),
        without.memory(ANONYMOUS),
    ));
    assert_eq!(
        version(&namespace).await,
        written,
        "nothing was to be written"
    );
    assert!(!is_shipped || after <= BUDGET, "{after} KiB, of {BUDGET}");
}

/// Returns the resource version, which changes with every write to the pod.
async fn version(namespace: &Namespace) -> Option<String> {
    namespace
        .pod("greeter-0")
        .await
        .unwrap()
        .metadata
        .resource_version
}
