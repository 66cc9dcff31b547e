//! The report of the measurements, for a person.

use std::time::Duration;

use testkit::print_line;

use super::PodState;

/// Prints a row: the scenario, the time from the fault, the restarts, and a note.
pub fn row(scenario: &str, took: Option<Duration>, state: &PodState, note: &str) {
    let took = took.map_or_else(|| "-".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    print_line(&format!(
        "{scenario:<44} {took:>7}  {:<22} {note}",
        state.all_restarts()
    ));
}
