//! The next write to a pod, from what stands there and what should stand there. Pure.
//!
//! | on the pod                       | wanted                 | not wanted                            |
//! |----------------------------------|------------------------|---------------------------------------|
//! | nothing, or not a record         | write ours             | nothing                               |
//! | ours                             | nothing, unless drift  | remove it                             |
//! | another node at our address      | as `--on_foreign` says | remove it: the service is unhealthy   |
//! | other nodes of this name as well | ours beside them       | remove ours                           |
//! | a service of another name        | refuse                 | nothing                               |
//! | a label of another meaning       | refuse                 | nothing                               |
//!
//! Go's watchers ignore a pod that begins to match (`ADDED`) and see only later changes
//! (`MODIFIED`). So labels, record and mark go in one write, and a second write completes the mark.
//! Lookups find the service after the first write, watchers after the second. A removal is one
//! write. Labels go only with the last service, and only those that we added. A label of the pod's
//! template may be in its controller's selector, which would then replace the pod.

use self::draft::Draft;
use self::write::{Entry, OnForeign, Plan};
use crate::registry::pod::Pod;

mod draft;
pub(crate) mod write;

/// Plans the next write.
pub(crate) fn plan(pod: &Pod, entries: &[Entry], on_foreign: OnForeign) -> Plan {
    let mut draft = Draft::new(pod, on_foreign);
    let standings = entries.iter().map(|entry| draft.entry(entry)).collect();
    let write = draft.finish();
    Plan { write, standings }
}

#[cfg(test)]
mod tests;
