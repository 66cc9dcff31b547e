//! The output of `health registry`.

use crate::registry::changes::Event;
use crate::registry::rbac::{self, Subject};
use crate::registry::record::{Node, Service};

/// A verb on pods, and its purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verb {
    /// The verb's name in a Role.
    pub name: &'static str,
    /// The purpose of the verb.
    pub purpose: &'static str,
    /// Decides whether the Role must have the verb.
    pub is_needed: bool,
}

/// Every verb that the registry uses.
pub const VERBS: [Verb; 4] = [
    Verb {
        name: "list",
        purpose: "to find services and the own pod",
        is_needed: true,
    },
    Verb {
        name: "watch",
        purpose: "to watch for changes",
        is_needed: true,
    },
    Verb {
        name: "patch",
        purpose: "to register",
        is_needed: true,
    },
    Verb {
        name: "get",
        purpose: "to read the own pod if it may not be listed; optional",
        is_needed: false,
    },
];

/// The number of spaces between two columns, as in kubectl's tables.
const GAP: usize = 3;

/// Returns one line for each version of a service.
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

/// Returns one line for each node.
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

/// Returns one line with the event and the service's current addresses.
pub fn event(event: &Event) -> String {
    let Event { action, service } = event;
    let addresses: Vec<_> = nodes_of(service).map(|node| &*node.address).collect();
    let addresses = addresses.join(" ");
    let line = format!("{action} {} {} {addresses}", service.name, service.version);
    printable(line.trim_end())
}

/// Returns the records of go-micro as one JSON array.
pub fn json(services: &[Service]) -> String {
    let services: Vec<_> = services.iter().map(Service::to_json).collect();
    format!("[{}]\n", services.join(","))
}

/// Returns one JSON object with the event and the service.
pub fn event_json(event: &Event) -> String {
    let service = event.service.to_json();
    format!("{{\"action\":\"{}\",\"service\":{service}}}", event.action)
}

/// Returns the table of permissions, and the Role that is missing.
pub fn verbs(namespace: &str, subject: Option<&Subject>, verbs: &[(Verb, bool)]) -> String {
    let us = subject.map_or_else(|| "this client".to_owned(), ToString::to_string);
    let row = |(verb, may): &(Verb, bool)| {
        let may = if *may { "yes" } else { "no" };
        [
            verb.name.to_owned(),
            may.to_owned(),
            verb.purpose.to_owned(),
        ]
    };
    let table = columns(["VERB", "ALLOWED", "PURPOSE"], verbs.iter().map(row));
    let mut text = format!("permissions of {us} on pods in namespace {namespace}:\n\n{table}");
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

/// Returns a table with aligned columns and no blanks at the ends of lines.
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

/// Replaces control characters in a text from another program, because they could control the
/// terminal.
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
