//! The next write to a pod for one service, from what stands there and what should stand there.
//! Pure.
//!
//! | on the pod                       | wanted                 | not wanted                            |
//! |----------------------------------|------------------------|---------------------------------------|
//! | nothing                          | write ours             | nothing                               |
//! | a text that is not a record      | write ours             | nothing, unless our mark lists a node |
//! | ours                             | nothing, unless drift  | remove it                             |
//! | another node at our address      | as `--on_foreign` says | remove it: the service is unhealthy   |
//! | other nodes of this name as well | ours beside them       | remove ours                           |
//! | a service of another name        | refuse                 | nothing                               |
//! | a label of another meaning       | refuse                 | nothing                               |
//! | ours in a scheme not configured  | remove it              | remove it                             |
//!
//! Go's watchers ignore a pod that begins to match (`ADDED`) and see only later changes
//! (`MODIFIED`). So labels, record and mark go in one write, and a second write completes the mark.
//! Lookups find the service after the first write, watchers after the second. A removal is one
//! write. Labels go only with the last record of the pod, whichever program wrote it, and only those
//! that we added. A label of the pod's template may be in its controller's selector, which would
//! then replace the pod.

use self::draft::Draft;
use self::write::{Entry, OnForeign, Ownership, Plan, Standing};
use crate::registry::mark::{Mark, Owner};
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::Scheme;

mod draft;
pub(crate) mod write;

/// Plans the next write for one service.
pub(crate) fn plan(pod: &Pod, entry: &Entry, on_foreign: OnForeign) -> Plan {
    let mut draft = Draft::new(pod, entry, on_foreign);
    let mut obstacle = None;
    let mut adopted = None;
    let mut adopted_in = Vec::new();
    for scheme in Scheme::ALL {
        let configured = entry.schemes.iter().find(|(of, _)| *of == scheme);
        let result = match (configured, entry.wanted, &entry.ownership) {
            (Some((_, keys)), Some(true), _) => draft.register(keys),
            (Some(_), None, _) | (None, _, Ownership::Command) => None,
            (Some((_, keys)), Some(false), _) => draft.remove(scheme, keys),
            (None, _, Ownership::Sidecar(_)) => {
                let keys = scheme.keys(&entry.record.name).ok();
                keys.and_then(|keys| draft.remove(scheme, &keys))
            }
        };
        match result {
            Some(refused @ Standing::Refused(_)) => obstacle = obstacle.or(Some(refused)),
            Some(standing) => {
                adopted_in.push(scheme);
                adopted = adopted.or(Some(standing));
            }
            None => {}
        }
    }
    let standing = obstacle.unwrap_or_else(|| draft.standing(adopted, &adopted_in));
    Plan {
        write: draft.finish(),
        standing,
    }
}

/// Returns the removal of each service that the sidecar registered earlier under a name that is no
/// longer configured, such as before its container restarted.
pub(crate) fn departed(pod: &Pod, owner: &Owner, configured: &[&str]) -> Vec<Entry> {
    let mut departed = Vec::new();
    for (_, mark) in Mark::all(pod) {
        let is_ours = mark.nodes.values().any(|of| of == owner);
        if !is_ours || configured.contains(&&*mark.service) {
            continue;
        }
        let ours = mark.nodes.iter().filter(|(_, of)| *of == owner);
        let nodes = ours.map(|(id, _)| Node::new(&**id, "")).collect();
        let record = Service {
            nodes: Some(nodes),
            ..Service::new(mark.service)
        };
        departed.push(Entry {
            record: record.into(),
            schemes: [].into(),
            wanted: Some(false),
            ownership: Ownership::Sidecar(owner.clone()),
        });
    }
    departed
}

#[cfg(test)]
mod tests;
