//! What to write on the pod, given what stands there and what should. Pure.
//!
//! | on the pod                       | wanted                 | not wanted                            |
//! |----------------------------------|------------------------|---------------------------------------|
//! | nothing, or not a record         | write ours             | nothing                               |
//! | ours                             | nothing, unless drift  | take it away                          |
//! | another node at our address      | as `--on_foreign` says | take it away: the service is not well |
//! | other nodes of this name as well | ours beside them       | take ours away                        |
//! | a service of another name        | refuse                 | nothing                               |
//! | a label of another meaning       | refuse                 | nothing                               |
//!
//! Go's watchers ignore a pod that begins to match (`ADDED`) and see only what changes
//! afterwards (`MODIFIED`). So labels, record and our mark go in one write, and a second one
//! completes the mark: lookups find the service after the first, watchers at the second.
//! Taking away is one write, with the labels only when the last service goes, and of
//! labels only those that we added: a label of the pod's template may be in its
//! controller's selector, and a pod without it would be replaced.

use self::draft::Draft;
use self::write::{Entry, OnForeign, Plan};
use crate::registry::pod::Pod;

mod draft;
pub mod write;

/// Plans the next write.
pub fn plan(pod: &Pod, entries: &[Entry], on_foreign: OnForeign) -> Plan {
    let mut draft = Draft::new(pod, on_foreign);
    let standings = entries.iter().map(|entry| draft.entry(entry)).collect();
    let write = draft.finish();
    Plan { write, standings }
}

#[cfg(test)]
mod tests;
