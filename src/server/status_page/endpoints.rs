//! The endpoints of a target that is a Service.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::Escaped;
use crate::target::row::Row;

/// Most endpoints with a line of their own, of one target.
const LINES: usize = 8;

/// Lines of the target's list, those first that need somebody.
pub(super) fn write_html(rows: &[Row], expose_errors: bool, page: &mut String) -> fmt::Result {
    let (unwell, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_unhealthy());
    for row in unwell.iter().chain(&others).take(LINES) {
        let class = if row.is_unhealthy() { "bad" } else { "ok" };
        write!(
            page,
            "<dt>{}<dd class={class}>{}",
            Escaped(&row.address),
            row.result.unwrap_or("not waited for")
        )?;
        if let Some(took) = row.took_ms {
            write!(page, ", {took:.1} ms")?;
        }
        if let Some(pod) = &row.pod {
            write!(page, ", {}", Escaped(pod))?;
        }
        if let (Some(message), true) = (&row.message, expose_errors) {
            write!(page, ": {}", Escaped(message))?;
        }
    }
    if let more @ 1.. = rows.len().saturating_sub(LINES) {
        write!(page, "<dt>and {more} more<dd>ask for application/json")?;
    }
    Ok(())
}

/// The same for a program; `null` for a target that is no Service.
pub(super) fn json(rows: &[Row], expose_errors: bool) -> Value {
    if rows.is_empty() {
        return Value::Null;
    }
    let rows = rows.iter().map(|row| Row {
        message: row.message.clone().filter(|_| expose_errors),
        ..row.clone()
    });
    json!(rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        write_html(&rows, false, &mut page).unwrap();
        assert!(
            page.starts_with("<dt>10.0.0.20:80<dd class=bad>unreachable, 1.2 ms, greeter-&lt;20"),
            "{page}"
        );
        assert!(!page.contains("refused"));
        assert!(
            page.ends_with("<dt>and 12 more<dd>ask for application/json"),
            "{page}"
        );
    }

    #[test]
    fn a_programs_list_is_whole_and_has_the_text_only_if_that_may_leave() {
        let rows = [row(1, Some("unreachable")), row(2, None)];
        let told = json(&rows, true);
        assert_eq!(told[0]["message"], "<refused>");
        assert_eq!(
            (&told[1]["result"], &told[1]["ms"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(json(&rows, false)[0].get("message"), None);
        assert_eq!(json(&[], true), Value::Null);
    }
}
