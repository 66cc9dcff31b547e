//! What `health registry` prints. Pure.

use crate::registry::changes::Event;
use crate::registry::rbac::{self, Subject};
use crate::registry::record::{Node, Service};

/// A verb on pods, and who wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verb {
    /// As a Role names it.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether the registry does without.
    pub is_needed: bool,
}

/// Every verb that anything here asks for.
pub const VERBS: [Verb; 4] = [
    Verb {
        name: "list",
        purpose: "to find services, and the pod itself",
        is_needed: true,
    },
    Verb {
        name: "watch",
        purpose: "to see them change",
        is_needed: true,
    },
    Verb {
        name: "patch",
        purpose: "to register",
        is_needed: true,
    },
    Verb {
        name: "get",
        purpose: "to read the pod where it may not be listed; not needed",
        is_needed: false,
    },
];

/// Spaces between two columns, as kubectl has them.
const GAP: usize = 3;

/// One line for each version of a service.
pub fn services(services: &[Service]) -> String {
    let row = |service: &Service| {
        let nodes = service.nodes.as_ref().map_or(0, Vec::len);
        let endpoints = service.endpoints.as_ref().map_or(0, Vec::len);
        [
            service.name.clone(),
            service.version.clone(),
            nodes.to_string(),
            endpoints.to_string(),
        ]
    };
    let rows = services.iter().map(row);
    columns(["NAME", "VERSION", "NODES", "ENDPOINTS"], rows)
}

/// One line for each node.
pub fn nodes(services: &[Service]) -> String {
    let row = |(service, node): (&Service, &Node)| {
        let metadata = node.metadata.iter().flatten();
        let metadata: Vec<_> = metadata
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        [
            node.id.clone(),
            node.address.clone(),
            service.version.clone(),
            metadata.join(","),
        ]
    };
    let of = |service| nodes_of(service).map(move |node| (service, node));
    let rows = services.iter().flat_map(of).map(row);
    columns(["NODE", "ADDRESS", "VERSION", "METADATA"], rows)
}

/// One line for what happened to a service, and where it can be reached now.
pub fn event(event: &Event) -> String {
    let Event { action, service } = event;
    let addresses: Vec<_> = nodes_of(service).map(|node| &*node.address).collect();
    let addresses = addresses.join(" ");
    let line = format!("{action} {} {} {addresses}", service.name, service.version);
    printable(line.trim_end())
}

/// The records of go-micro as one JSON array.
pub fn json(services: &[Service]) -> String {
    let services: Vec<_> = services.iter().map(Service::to_json).collect();
    format!("[{}]\n", services.join(","))
}

/// One JSON object for what happened to a service.
pub fn event_json(event: &Event) -> String {
    let service = event.service.to_json();
    format!("{{\"action\":\"{}\",\"service\":{service}}}", event.action)
}

/// What we may do, and the Role that is missing.
pub fn verbs(namespace: &str, subject: Option<&Subject>, verbs: &[(Verb, bool)]) -> String {
    let us = subject.map_or_else(|| "we".to_owned(), ToString::to_string);
    let row = |(verb, may): &(Verb, bool)| {
        let may = if *may { "yes" } else { "no" };
        [
            verb.name.to_owned(),
            may.to_owned(),
            verb.purpose.to_owned(),
        ]
    };
    let table = columns(["VERB", "ALLOWED", "PURPOSE"], verbs.iter().map(row));
    let mut text = format!("what {us} may do to pods in namespace {namespace}:\n\n{table}");
    if verbs.iter().any(|(verb, may)| verb.is_needed && !may) {
        let unknown = Subject::unknown(namespace);
        let role = rbac::role(namespace, subject.unwrap_or(&unknown), &rbac::VERBS);
        text.push_str("\nthis Role and RoleBinding grant what is needed:\n\n");
        text.push_str(&role);
    }
    printable_lines(&text)
}

fn nodes_of(service: &Service) -> impl Iterator<Item = &Node> {
    service.nodes.iter().flatten()
}

/// A table whose columns are as wide as they need to be, without blanks at the end.
fn columns<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let head = head.map(str::to_owned);
    let clean = |row: [String; N]| {
        row.map(|cell| {
            if cell.is_empty() {
                "-".into()
            } else {
                printable(&cell)
            }
        })
    };
    let rows: Vec<_> = [head].into_iter().chain(rows.map(clean)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut table = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line = format!("{line}{cell:<width$}{:GAP$}", "");
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// A text of somebody else's, which must not speak to the terminal.
fn printable(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(clean).collect()
}

fn printable_lines(text: &str) -> String {
    let lines = text.lines().map(|line| printable(line) + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests;
