//! Whom the tests meet: an API server, what lives in it, and the Go registries.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time;

#[path = "../../examples/demo/greeter.rs"]
#[expect(dead_code, reason = "the demo's greeter can do more")]
mod greeter;

#[path = "../it/support/descriptors.rs"]
mod descriptors;
#[path = "../it/support/probes.rs"]
mod probes;

mod accounts;
mod api_server;
mod children;
mod control_plane;
mod go_client;
mod go_watch;
mod health;
mod identity;
mod kubectl;
mod manifests;
mod metrics;
mod namespace;
mod pods;
mod resolving;
mod sidecar;
mod slices;
mod tokens;

pub use accounts::ROLE;
pub use api_server::ApiServer;
pub use control_plane::ControlPlane;
pub use descriptors::may_open;
pub use go_client::{GoClient, RELEASES, S6};
pub use go_watch::GoWatch;
pub(crate) use greeter::Greeter;
pub use health::{Health, health};
pub use identity::Identity;
pub use kubectl::{Answer, kustomize};
pub use metrics::Metrics;
pub use namespace::Namespace;
pub use pods::IP;
pub use probes::Probes;
pub use resolving::{Resolving, resolve};
pub use sidecar::{SHIPPED, Sidecar};

/// Bounds every await: many times what anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two looks at something that cannot be waited for.
pub const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Awaits with a bound.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("still waiting after {PATIENCE:?}: {what}"))
}

/// Shows a line of a table past the harness, which would keep it to itself when all is well.
pub fn show(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A program that tests/rig/build.sh made.
fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("MICRO_HEALTH_RIG_BIN")
        .expect("MICRO_HEALTH_RIG_BIN must name the built programs: run `just registry`");
    let program = PathBuf::from(folder).join(name);
    assert!(
        program.exists(),
        "{name} must be built: run `just registry`"
    );
    program
}
