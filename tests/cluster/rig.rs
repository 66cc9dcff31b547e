//! A cluster of one node, with the pods of a scenario and the means to observe and disturb them.

use std::time::Duration;

mod cluster;
mod http_client;
mod images;
mod manifest;
mod node;
mod pod;
mod pod_state;
mod process;
mod published;
mod report;
mod scene;

pub use http_client::{answer, get, try_get};
pub use manifest::{ACCOUNT, CELLS, NAME, classic, greeter, push, registered};
pub use pod::RunningPod;
pub use pod_state::{PodState, this_second};
pub use process::Process;
pub use published::{as_classic, base, probed_as, readme};
pub use report::row;
pub use scene::Scene;

/// The time limit of the kubelet's work: it syncs every second, and other pods may be starting.
pub const KUBELET: Duration = Duration::from_mins(2);

/// The interval between two polls of a state that has no event.
pub const POLL: Duration = Duration::from_millis(20);
