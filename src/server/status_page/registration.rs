//! The registration's part of the page.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use crate::registration::status::Status;
use crate::server::status_page::html::{Age, Escaped};

/// The most services with a line of their own.
const ROWS: usize = 4;

/// Writes the registration's part.
pub(super) fn write_html(
    status: Option<&Status>,
    now: SystemTime,
    page: &mut String,
) -> fmt::Result {
    page.push_str("<h2>Registration</h2>");
    let Some(status) = status else {
        page.push_str("<p class=dim>This sidecar registers nothing.");
        return Ok(());
    };
    let word = status.summary(now);
    let class = if word == "registered" { "ok" } else { "bad" };
    write!(
        page,
        "<p class={class}>{word} for {}",
        Age(status.since, now)
    )?;
    if let Some(refusal) = &status.refusal {
        write!(page, "<p class=bad>{}", Escaped(&refusal.text))?;
    }
    write!(
        page,
        "<dl><dt>pod<dd>{}/{}",
        Escaped(&status.namespace),
        Escaped(&status.pod)
    )?;
    for service in status.services.iter().take(ROWS) {
        write!(
            page,
            "<dt>{}<dd>{}",
            Escaped(&service.name),
            service.standing
        )?;
        if let Some(detail) = &service.detail {
            write!(page, ": {}", Escaped(detail))?;
        }
    }
    let verified = match status.verified {
        Some(at) => format!("{} ago", Age(at, now)),
        None => "never".to_owned(),
    };
    write!(
        page,
        "<dt>verified<dd>{verified}<dt>foreign rewrites<dd>{}</dl>",
        status.foreign_rewrites
    )
}
