//! The catalog as text: the table that `a8ctl service-list` prints, and JSON.

use std::collections::BTreeMap;

use crate::catalog::instance::Instance;
use crate::catalog::services::Services;

/// The fields of an instance that `-o json` prints, besides its id and endpoint.
const JSON_FIELDS: [&str; 4] = ["service_name", "status", "metadata", "tags"];

const HEAD: [&str; 2] = ["Service", "Instances"];

/// Formats a table with a row for each service. The second column has `group(count)`.
pub(crate) fn table<'a>(
    services: impl IntoIterator<Item = (&'a str, impl IntoIterator<Item = &'a Instance>)>,
) -> String {
    let mut rows = Vec::new();
    for (service, instances) in services {
        let mut groups: BTreeMap<String, usize> = BTreeMap::new();
        for instance in instances {
            *groups.entry(instance.group()).or_default() += 1;
        }
        let groups = groups.iter();
        let groups: Vec<_> = groups
            .map(|(group, count)| format!("{group}({count})"))
            .collect();
        rows.push([service.to_owned(), groups.join(", ")]);
    }
    boxed(&rows)
}

/// Formats each instance that clients may call, like the registry's `GET /instances`.
pub(crate) fn instances(services: &Services) -> String {
    let services = services.all_up();
    let all = services.flat_map(|(service, up)| up.into_iter().map(move |it| (service, it)));
    format!(r#"{{"instances":[{}]}}"#, list(all, &JSON_FIELDS))
}

/// Formats the instances of one service, like the registry's `GET /services/NAME`.
pub(crate) fn service(name: &str, instances: &[&Instance]) -> String {
    let all = instances.iter().map(|instance| (name, *instance));
    format!(
        r#"{{"service_name":{},"instances":[{}]}}"#,
        serde_json::Value::from(name),
        list(all, &JSON_FIELDS)
    )
}

/// Formats instances with these fields, and with commas between them.
pub(crate) fn list<'a>(
    instances: impl Iterator<Item = (&'a str, &'a Instance)>,
    fields: &[&str],
) -> String {
    let written = instances.map(|(service, instance)| instance.json(service, fields));
    written.collect::<Vec<_>>().join(",")
}

/// Draws a left-aligned table in the style of Python's `PrettyTable`.
fn boxed(rows: &[[String; 2]]) -> String {
    let head = HEAD.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].len());
        cells.max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let rule = format!("+-{}-+-{}-+\n", "-".repeat(first), "-".repeat(second));
    let line = |[a, b]: &[String; 2]| format!("| {a:first$} | {b:second$} |\n");
    let rows: Vec<_> = rows.iter().map(line).collect();
    format!("{rule}{}{rule}{}{rule}", line(&head), rows.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::endpoint::{Kind, Status};

    fn instance(id: &str, version: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            tags: vec![version.to_owned(), "kubernetes".to_owned()],
            address: "172.17.0.11:5000".parse().unwrap(),
            kind: Kind::Tcp,
            app_protocol: None,
            status: Status::Up,
        }
    }

    #[test]
    fn the_seeds_table() {
        let all = ["v1", "v2", "v1", "v2"].map(|version| instance("u", version));
        assert_eq!(
            table([("helloworld", &all)]),
            "\
+------------+------------------------------------+
| Service    | Instances                          |
+------------+------------------------------------+
| helloworld | v1,kubernetes(2), v2,kubernetes(2) |
+------------+------------------------------------+
"
        );
        let one = [Instance {
            tags: vec!["kubernetes".to_owned()],
            ..instance("u", "")
        }];
        assert_eq!(
            table([("a", &one), ("b", &one)]),
            "\
+---------+---------------+
| Service | Instances     |
+---------+---------------+
| a       | kubernetes(1) |
| b       | kubernetes(1) |
+---------+---------------+
"
        );
    }

    #[test]
    fn an_empty_table_is_its_head_and_two_rules() {
        let none: [(&str, &[Instance]); 0] = [];
        assert_eq!(
            table(none),
            "\
+---------+-----------+
| Service | Instances |
+---------+-----------+
+---------+-----------+
"
        );
    }

    #[test]
    fn json_is_the_registrys() {
        assert_eq!(instances(&Services::default()), r#"{"instances":[]}"#);
        assert_eq!(
            service("helloworld", &[&instance("1c2f-5000", "v1")]),
            r#"{"service_name":"helloworld","instances":[{"id":"1c2f-5000","service_name":"helloworld","endpoint":{"type":"tcp","value":"172.17.0.11:5000"},"status":"UP","tags":["v1","kubernetes"]}]}"#
        );
    }
}
