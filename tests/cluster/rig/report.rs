//! What was measured, for a person to read.

use std::io::Write as _;
use std::time::Duration;

use super::Seen;

/// A line of the table: what happened, how long it took from the fault, who was restarted, and more.
pub fn row(scenario: &str, took: Option<Duration>, seen: &Seen, note: &str) {
    let took = took.map_or_else(|| "-".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    show(&format!(
        "{scenario:<44} {took:>7}  {:<22} {note}",
        seen.all_restarts()
    ));
}

/// Past the harness, which would keep it to itself when all is well.
pub fn show(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
