//! The parts of micro services on Kubernetes, for Rust programs. The sidecar `health` uses them.
//! Programs with these parts and [go-micro](https://github.com/micro/go-micro) programs find each
//! other.
//!
//! | module | what a program does with it | feature |
//! |---|---|---|
//! | [`debug`] | answers `Debug.Health`, so that the sidecar and go-micro's clients can check it | – |
//! | `registry` | finds, watches and registers services in go-micro's Kubernetes registry | `kubernetes` |
//! | `resolver` | follows the endpoints of a Service by `kubernetes://`, and calls them over a tonic channel | `kubernetes` |
//! | `config` | reads the `micro` `ConfigMap` and the environment as settings | `kubernetes` |
//! | `catalog` | lists services and their versions as Amalgam8 does | `kubernetes` |
//! | `cluster` | connects to the API server, which the other modules need | `kubernetes` |
//!
//! # Answer health checks
//!
//! ```
//! let (health, service) = micro_health::debug::service();
//! health.set("no database"); // every text except "ok" is unhealthy
//! # let _ = service; // tonic's `Server::add_service` takes it
//! ```
#![cfg_attr(
    feature = "kubernetes",
    doc = r#"
# Find a service

In a pod, `Cluster::from_env` uses the pod's service account.

```no_run
use micro_health::cluster::Cluster;
use micro_health::registry::Registry;

# async fn example() -> Result<(), Box<dyn std::error::Error>> {
let registry = Registry::of(&Cluster::from_env().await?);
for service in registry.get_service("greeter").await? {
    for node in service.nodes() {
        println!("{} {}", service.version, node.address);
    }
}
# Ok(())
# }
```

# Register the program's own pod

```no_run
use micro_health::cluster::Cluster;
use micro_health::registry::{Node, Registry, Service};
use micro_health::Identity;

# async fn example() -> Result<(), Box<dyn std::error::Error>> {
let cluster = Cluster::from_env().await?;
let pod = Identity::from_env(&cluster)?.pod;
let node = Node::new(format!("greeter-{pod}"), "10.1.0.7:9091").with("protocol", "grpc");
let greeter = Service::new("greeter").node(node);
Registry::of(&cluster).register(&pod, &greeter).await?;
# Ok(())
# }
```

# Call every endpoint of a Service in turn

```no_run
use micro_health::cluster::Cluster;
use micro_health::resolver::{Resolver, channel::Builder};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

# async fn example() -> Result<(), Box<dyn std::error::Error>> {
let resolver = Resolver::of(&Cluster::from_env().await?);
let channel = Builder::new(resolver).connect("kubernetes:///greeter.shop:grpc")?;
let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
println!("{:?}", answer.into_inner().status());
# Ok(())
# }
```

# Read settings

```no_run
use micro_health::cluster::Cluster;
use micro_health::config::{Config, Environment};

# async fn example() -> Result<(), Box<dyn std::error::Error>> {
let environment = Environment { variables: std::env::vars().collect(), prefixes: Vec::new() };
let client = Cluster::from_env().await?.client();
let mut config = Config::new(client, "default", "micro", environment);
config.load().await?;
println!("{:?}", config.get(&["mongodb", "host"]));
# Ok(())
# }
```

# List services

```no_run
use micro_health::catalog::Catalog;
use micro_health::cluster::Cluster;

# async fn example() -> Result<(), Box<dyn std::error::Error>> {
let cluster = Cluster::from_env().await?;
let services = Catalog::new(cluster.client(), cluster.namespace()).read().await?;
for (service, instances) in services.iter() {
    println!("{service}: {}", instances.len());
}
# Ok(())
# }
```
"#
)]
//! # Features
//!
//! All features are on by default:
//!
//! - `kubernetes` adds the modules that the table lists with it.
//! - `latest` selects the newest Kubernetes version of k8s-openapi. Turn it off in a program that
//!   selects another version.
//! - `kubeconfig` adds kube's own loader for a workstation.
//! - `tls` adds TLS to a service.
//! - `commands` adds the subcommands of the program `health`.

#![cfg_attr(
    not(feature = "kubernetes"),
    expect(
        unreachable_pub,
        reason = "public in the build with the feature kubernetes"
    )
)]

mod app;
#[cfg(feature = "kubernetes")]
pub mod catalog;
mod check;
mod cli;
#[cfg(feature = "kubernetes")]
pub mod cluster;
#[cfg(feature = "kubernetes")]
pub mod config;
pub mod debug;
mod flags;
mod net;
mod registration;
#[cfg(feature = "kubernetes")]
pub mod registry;
#[cfg(feature = "kubernetes")]
pub mod resolver;
mod server;
mod text;

#[cfg(feature = "kubernetes")]
pub use crate::registration::identity::{Identity, NoIdentity};

/// The parts that the program `health` and the tests of this repository use. Other programs must
/// not use them, because they change without notice.
#[doc(hidden)]
pub mod internal {
    pub use crate::app::{App, ExitReason, args};
    pub use crate::check::Target;
    pub use crate::check::grpc::MAX_AGE;
    pub use crate::check::monitor::Monitor;
    pub use crate::check::selector::Selector;
    pub use crate::check::server_address::ServerAddress;
    pub use crate::check::target::Settings;
    pub use crate::check::unhealthy::Unhealthy;
    pub use crate::cli::console::Console;
    pub use crate::cli::dispatch;
    pub use crate::cli::environment::Environment;
    pub use crate::cli::invocation::{self, Invocation};
    pub use crate::cli::probe::parse;
    pub use crate::cli::probe::plan::Plan;
    #[cfg(feature = "kubernetes")]
    pub use crate::cli::registry;
    pub use crate::net::endpoint::Endpoint;
    pub use crate::net::stage::Stage;
    #[cfg(feature = "kubernetes")]
    pub use crate::registration::handle::Handle;
    #[cfg(feature = "kubernetes")]
    pub use crate::registration::own_pod;
    #[cfg(feature = "kubernetes")]
    pub use crate::registration::run::Registration;
    #[cfg(feature = "kubernetes")]
    pub use crate::registry::pod_client::PodClient;
    pub use crate::server::grpc::pb;
    pub use crate::server::pages::FRESH;
}

/// The user agent of requests to the target.
#[doc(hidden)]
pub const USER_AGENT: &str = concat!("micro-health/", env!("CARGO_PKG_VERSION"));

/// The text of `--version`: version, commit, features.
#[doc(hidden)]
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("MICRO_HEALTH_COMMIT"),
    ", features: ",
    env!("MICRO_HEALTH_FEATURES"),
    ")"
);
