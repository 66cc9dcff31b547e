//! The report of the verdicts, for a person.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use crate::expected::{MODES, TABLE};

/// The verdicts by cell and mode.
pub type Verdicts = BTreeMap<(&'static str, &'static str), String>;

/// Returns one row per cell, with `fixed/auto` where the two protocols have different verdicts.
pub fn render(fixed: &Verdicts, auto: &Verdicts) -> String {
    let mut text = row("", MODES.map(str::to_owned));
    for (cell, _) in TABLE {
        let verdict = |mode| match (fixed.get(&(cell, mode)), auto.get(&(cell, mode))) {
            (Some(fixed), Some(auto)) if fixed == auto => fixed.clone(),
            (Some(fixed), Some(auto)) => format!("{fixed}/{auto}"),
            _ => "-".to_owned(),
        };
        text += &row(cell, MODES.map(verdict));
    }
    text
}

fn row(cell: &str, verdicts: [String; MODES.len()]) -> String {
    let verdicts = verdicts.map(|verdict| format!("{verdict:<12}"));
    format!("{cell:<14}{}\n", verdicts.join(" ").trim_end())
}

/// Prints a table and writes it beside the build.
pub fn publish(name: &str, table: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, table).expect("target/tmp must be writable");
    // The test harness would hide this output of a passing test.
    let mut stdout = std::io::stdout();
    let _ = write!(stdout, "\n{table}\n");
}
