//! A cluster of one node, the pods of a scenario, and what can be seen of them and done to them.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time;

mod ask;
mod cluster;
mod images;
mod manifest;
mod node;
mod pod;
mod process;
mod published;
mod report;
mod scene;
mod seen;

#[path = "../registry/rig/accounts.rs"]
#[expect(dead_code, reason = "tests/registry needs more kinds of accounts")]
mod accounts;
#[path = "../registry/rig/api_server.rs"]
mod api_server;
#[path = "../registry/rig/children.rs"]
mod children;
#[path = "../registry/rig/control_plane.rs"]
#[expect(dead_code, reason = "tests/registry does more to an API server")]
mod control_plane;
#[path = "../registry/rig/go_client.rs"]
#[expect(
    dead_code,
    reason = "tests/registry has clients write, and of every release"
)]
mod go_client;
#[path = "../registry/rig/go_watch.rs"]
mod go_watch;
#[path = "../registry/rig/identity.rs"]
mod identity;
#[path = "../registry/rig/namespace.rs"]
#[expect(dead_code, reason = "tests/registry shares an API server")]
mod namespace;
#[path = "../registry/rig/pods.rs"]
#[expect(
    dead_code,
    reason = "here the kubelet reports what tests/registry writes for it"
)]
mod pods;
#[path = "../registry/rig/tokens.rs"]
#[expect(dead_code, reason = "tests/registry revokes some")]
mod tokens;

pub use accounts::ROLE;
pub use api_server::ApiServer;
pub use ask::{answer, get, try_get};
pub use control_plane::ControlPlane;
pub use go_client::{GoClient, Service as GoService};
pub use go_watch::Event as WatchEvent;
pub use identity::Identity;
pub use manifest::{ACCOUNT, CELLS, NAME, classic, greeter, push, registered};
pub use namespace::Namespace;
pub use pod::RunningPod;
pub use process::Process;
pub use published::{base, probed_as, readme};
pub use report::{row, show};
pub use scene::Scene;
pub use seen::{Seen, this_second};

/// Bounds what a control plane or an open port does: many times what it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bounds what a kubelet does: it looks around every second, and other pods may be starting.
pub const KUBELET: Duration = Duration::from_mins(2);

/// Time between two looks at something that cannot be waited for.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Awaits with a bound.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("still waiting after {PATIENCE:?}: {what}"))
}

/// A program that tests/rig/build.sh made.
fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("MICRO_HEALTH_RIG_BIN")
        .expect("MICRO_HEALTH_RIG_BIN must name the built programs: run `just cluster`");
    let program = PathBuf::from(folder).join(name);
    assert!(program.exists(), "{name} must be built: run `just cluster`");
    program
}
