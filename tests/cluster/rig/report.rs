//! What was measured, for a person to read.

use std::time::Duration;

use testkit::print_line;

use super::Seen;

/// A line of the table: what happened, how long it took from the fault, who was restarted, and more.
pub fn row(scenario: &str, took: Option<Duration>, seen: &Seen, note: &str) {
    let took = took.map_or_else(|| "-".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    print_line(&format!(
        "{scenario:<44} {took:>7}  {:<22} {note}",
        seen.all_restarts()
    ));
}
