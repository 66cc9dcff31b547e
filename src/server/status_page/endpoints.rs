//! The endpoints of a target that is a Service.

use std::fmt::{self, Write as _};

use crate::check::row::Row;
use crate::server::status_page::html::Escaped;

/// The most endpoints of one target with a line of their own.
const LINES: usize = 8;

/// The room for the line that counts the others, in bytes.
const MORE: usize = 64;

/// Writes lines of the target's list in so many bytes, unhealthy endpoints first.
pub(super) fn write_html(
    rows: &[Row],
    expose_errors: bool,
    room: usize,
    page: &mut String,
) -> fmt::Result {
    let (unhealthy, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_unhealthy());
    let end = page.len() + room;
    let mut written = 0;
    for row in unhealthy.iter().chain(&others).take(LINES) {
        let line = line(row, expose_errors)?;
        if page.len() + line.len() + MORE > end {
            break;
        }
        page.push_str(&line);
        written += 1;
    }
    if let more @ 1.. = rows.len() - written {
        write!(page, "<dt>and {more} more<dd>request application/json")?;
    }
    Ok(())
}

fn line(row: &Row, expose_errors: bool) -> Result<String, fmt::Error> {
    let mut line = String::new();
    let class = if row.is_unhealthy() { "bad" } else { "ok" };
    write!(
        line,
        "<dt>{}<dd class={class}>{}",
        Escaped(&row.address),
        row.result.unwrap_or("not finished")
    )?;
    if let Some(took) = row.took_ms {
        write!(line, ", {took:.1} ms")?;
    }
    if let Some(pod) = &row.pod {
        write!(line, ", {}", Escaped(pod))?;
    }
    if let (Some(message), true) = (&row.message, expose_errors) {
        write!(line, ": {}", Escaped(message))?;
    }
    Ok(line)
}

/// Returns all endpoints for the JSON. `None` for a target that is not a Service.
pub(super) fn rows(rows: &[Row], expose_errors: bool) -> Option<Vec<Row>> {
    let rows = rows.iter().map(|row| Row {
        message: row.message.clone().filter(|_| expose_errors),
        ..row.clone()
    });
    Some(rows.collect::<Vec<_>>()).filter(|rows| !rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn row(number: usize, result: Option<&'static str>) -> Row {
        Row {
            address: format!("10.0.0.{number}:80"),
            pod: Some(format!("greeter-<{number}>")),
            ready: true,
            result,
            message: result
                .filter(|it| *it != "ok")
                .map(|_| "<refused>".to_owned()),
            took_ms: result.map(|_| 1.25),
        }
    }

    #[test]
    fn the_unhealthy_come_first_and_the_list_is_bounded() {
        let mut rows: Vec<_> = (1..20).map(|number| row(number, Some("ok"))).collect();
        rows.push(row(20, Some("unreachable")));
        let mut page = String::new();
        write_html(&rows, false, 4 << 10, &mut page).unwrap();
        assert!(
            page.starts_with("<dt>10.0.0.20:80<dd class=bad>unreachable, 1.2 ms, greeter-&lt;20"),
            "{page}"
        );
        assert!(!page.contains("refused"));
        assert!(
            page.ends_with("<dt>and 12 more<dd>request application/json"),
            "{page}"
        );
    }

    #[test]
    fn a_list_takes_no_more_room_than_it_has() {
        let mut rows: Vec<_> = (1..=200).map(|number| row(number % 256, None)).collect();
        rows[3].pod = Some("<".repeat(253));
        for room in [MORE, 300, 1 << 10, 4 << 10] {
            let mut page = "what stands before".to_owned();
            write_html(&rows, true, room, &mut page).unwrap();
            assert!(page.len() <= "what stands before".len() + room, "{page}");
            let lines = page.matches("<dt>10.").count();
            let more = format!("<dt>and {} more<dd>", 200 - lines);
            assert!(page.contains(&more), "{page}");
            assert_eq!(lines == 8, room == 4 << 10, "{page}");
        }
    }

    #[test]
    fn the_json_list_is_whole_and_has_error_text_only_if_it_may_leave() {
        let rows = [row(1, Some("unreachable")), row(2, None)];
        let json = |rows, expose_errors| json!(super::rows(rows, expose_errors));
        let exposed = json(&rows, true);
        assert_eq!(exposed[0]["message"], "<refused>");
        assert_eq!(
            (&exposed[1]["result"], &exposed[1]["ms"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(json(&rows, false)[0].get("message"), None);
        assert_eq!(json(&[], true), Value::Null);
    }
}
