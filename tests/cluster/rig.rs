//! A cluster of one node, the pods of a scenario, and what can be seen of them and done to them.

use std::time::Duration;

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

pub use ask::{answer, get, try_get};
pub use manifest::{ACCOUNT, CELLS, NAME, classic, greeter, push, registered};
pub use pod::RunningPod;
pub use process::Process;
pub use published::{as_classic, base, probed_as, readme};
pub use report::row;
pub use scene::Scene;
pub use seen::{Seen, this_second};

/// Bounds what a kubelet does: it looks around every second, and other pods may be starting.
pub const KUBELET: Duration = Duration::from_mins(2);

/// Time between two looks at something that cannot be waited for.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);
