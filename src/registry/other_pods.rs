//! The next write to a pod when one of its services is registered or removed from outside. Pure.
//!
//! [`plan`](crate::registry::plan) covers the whole pod: it removes what our mark lists and no
//! entry names. A caller from outside knows one service only, so this module adds entries that keep
//! everything else in our mark.

use std::collections::BTreeSet;

use crate::registry::mark::Mark;
use crate::registry::plan::plan;
use crate::registry::plan::write::{Entry, Obstacle, OnForeign, Patch, Plan};
use crate::registry::pod::Pod;
use crate::registry::record::{Node, Service};
use crate::registry::scheme::{Keys, Scheme};

/// Plans the next write that registers a service with its one node. Other nodes of the service
/// stay, unless they have its id or its address.
pub(crate) fn plan_registration(pod: &Pod, service: &Service, keys: &[(Scheme, Keys)]) -> Plan {
    let marked = mark(pod);
    let ours = ids(service);
    // A plan takes another id in our mark for an older one of ours.
    let others: BTreeSet<_> = keys
        .iter()
        .flat_map(|(_, keys)| ids_under(pod, keys))
        .collect();
    let mut known = marked.clone();
    known
        .nodes
        .retain(|id| ours.contains(id) || !others.contains(id));
    let mut entries = rest(pod, &known, &[]);
    entries.push(Entry {
        record: service.clone(),
        keys: keys.to_vec(),
        wanted: Some(true),
    });
    let plan = plan(&with(pod, &known), &entries, OnForeign::Merge);
    let stay = marked.nodes.intersection(&others).cloned();
    keep(plan, &marked, stay.collect())
}

/// Plans the next write that removes nodes of a service. A service that names no nodes is removed
/// whole. It does not matter which writer registered them.
///
/// # Errors
///
/// [`Obstacle::Name`] if the key holds a service of another name.
pub(crate) fn plan_deregistration(
    pod: &Pod,
    service: &Service,
    keys: &[(Scheme, Keys)],
) -> Result<Plan, Obstacle> {
    let stands = |(_, keys): &&(Scheme, Keys)| pod.annotation(&keys.annotation).is_some();
    let standing: Vec<_> = keys.iter().filter(stands).cloned().collect();
    let records = standing.iter().map(|(_, keys)| (keys, readable(pod, keys)));
    let mut present = BTreeSet::new();
    let mut is_broken = false;
    for (keys, record) in records {
        match record {
            Some(record) if record.name != service.name => {
                let (key, name) = (keys.annotation.clone(), record.name);
                return Err(Obstacle::Name { key, name });
            }
            Some(record) => present.extend(ids(&record)),
            None => is_broken = true,
        }
    }
    let named = ids(service);
    let removed: BTreeSet<_> = if named.is_empty() {
        present.clone()
    } else {
        present.intersection(&named).cloned().collect()
    };
    let is_there = !removed.is_empty() || is_broken || named.is_empty();
    if standing.is_empty() || !is_there {
        return Ok(Plan::default());
    }
    let marked = mark(pod);
    let mut entries = rest(pod, &marked, &standing);
    let stay: BTreeSet<_> = present.difference(&removed).cloned().collect();
    let mut known = marked.clone();
    if removed == present && removed.is_disjoint(&known.nodes) {
        // Go's own deregistration takes the selector label along; the label of the type
        // may be of the pod's template, and in its controller's selector.
        let selectors = standing.iter().map(|(_, keys)| &keys.selector_label);
        known.keys.extend(selectors.cloned());
    }
    // The nodes to remove count as ours, whichever writer added them, and watchers know them.
    known.announced |= pod.annotation(Mark::KEY).is_none();
    known.nodes.retain(|id| !stay.contains(id));
    known.nodes.extend(removed.iter().cloned());
    entries.push(Entry {
        record: Service {
            nodes: removed.first().map(|id| vec![node(id)]),
            ..service.clone()
        },
        keys: standing,
        wanted: Some(false),
    });
    let plan = plan(&with(pod, &known), &entries, OnForeign::Take);
    let stay = marked.nodes.intersection(&stay).cloned();
    Ok(keep(plan, &marked, stay.collect()))
}

/// Returns the plan with these nodes still in the mark.
fn keep(mut plan: Plan, marked: &Mark, nodes: BTreeSet<String>) -> Plan {
    let Some(write) = &mut plan.write else {
        return plan;
    };
    let annotations = &mut write.patch.annotations;
    let Some(text) = annotations.get_mut(Mark::KEY).filter(|_| !nodes.is_empty()) else {
        return plan;
    };
    let mut mark = text.as_deref().and_then(Mark::from_json);
    let mark = mark.get_or_insert_with(|| Mark {
        announced: marked.announced,
        ..Mark::default()
    });
    mark.nodes.extend(nodes);
    *text = Some(mark.to_json());
    if mark == marked {
        annotations.remove(Mark::KEY);
    }
    if write.patch == Patch::default() {
        plan.write = None;
    }
    plan
}

/// Returns entries that keep what our mark lists for the other services of the pod.
fn rest(pod: &Pod, mark: &Mark, gone: &[(Scheme, Keys)]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for scheme in Scheme::ALL {
        let is_gone = |key: &str| gone.iter().any(|(_, keys)| keys.annotation == key);
        let annotations = pod.metadata.annotations.iter().flatten();
        let others: Vec<_> = annotations
            .filter(|(key, text)| scheme.is_annotation(key) && !text.is_empty() && !is_gone(key))
            .collect();
        if others.is_empty() {
            // The labels of a scheme go with its last service.
            continue;
        }
        let selectors = mark.keys.iter().filter(|key| {
            let is_gone = gone.iter().any(|(_, keys)| keys.selector_label == **key);
            scheme.is_selector_label(key) && !is_gone
        });
        let labels = selectors.map(String::as_str).chain([scheme.type_label()]);
        let keys = labels.map(|label| {
            let keys = Keys {
                type_label: scheme.type_label(),
                selector_label: label.to_owned(),
                annotation: String::new(),
            };
            (scheme, keys)
        });
        entries.push(Entry {
            record: Service::default(),
            keys: keys.collect(),
            wanted: None,
        });
        let records = others.iter().map(|(_, text)| Service::from_json(text));
        let ids = records.flatten().flat_map(|record| ids(&record));
        let marked = ids.filter(|id| mark.nodes.contains(id));
        entries.extend(marked.map(|id| staying(&id)));
    }
    entries
}

/// Returns an entry that keeps a marked node.
fn staying(id: &str) -> Entry {
    Entry {
        record: Service {
            nodes: Some(vec![node(id)]),
            ..Service::default()
        },
        keys: Vec::new(),
        wanted: None,
    }
}

/// Returns a node that has only an id.
fn node(id: &str) -> Node {
    Node {
        id: id.to_owned(),
        ..Node::default()
    }
}

fn ids(service: &Service) -> BTreeSet<String> {
    let nodes = service.nodes.iter().flatten();
    nodes.map(|node| node.id.clone()).collect()
}

/// Returns the node ids in the record under a key.
fn ids_under(pod: &Pod, keys: &Keys) -> BTreeSet<String> {
    readable(pod, keys).as_ref().map(ids).unwrap_or_default()
}

fn readable(pod: &Pod, keys: &Keys) -> Option<Service> {
    Service::from_json(pod.annotation(&keys.annotation)?).ok()
}

fn mark(pod: &Pod) -> Mark {
    let mark = pod.annotation(Mark::KEY).and_then(Mark::from_json);
    mark.unwrap_or_default()
}

/// Returns the pod with this mark.
fn with(pod: &Pod, mark: &Mark) -> Pod {
    let mut pod = pod.clone();
    if *mark != self::mark(&pod) {
        let annotations = pod.metadata.annotations.get_or_insert_default();
        annotations.insert(Mark::KEY.to_owned(), mark.to_json());
    }
    pod
}

#[cfg(test)]
mod tests;
