//! The gates, and the table as text.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::measure::{DESCRIPTORS, Figures};
use crate::prober::TIMEOUT;

/// The gate of the peak RSS in KiB. The manifests' limit is 32 MiB, and the kernel's buffers need a part of it.
const PEAK: usize = 24 << 10;

/// The gate of the log lines. A limit that is reached or a verdict that changes is logged; a client is not.
const LINES: usize = 5;

/// The gate of the stop: the longest check, the two seconds that the sidecar waits for a request, and slack for a
/// busy machine.
const STOP: Duration = Duration::from_millis(900 + 2_000 + 500);

/// The least number of probes of a path: each takes at most a second.
const PROBES: usize = 2;

/// The gate of the GETs at the API server: two per second of an attack of 2.1 s, and one at each end.
const READS: usize = 6;

const HEAD: [&str; 9] = [
    "client",
    "peak KiB",
    "livez ms",
    "health ms",
    "wrong",
    "log",
    "descriptors",
    "stop ms",
    "GETs",
];

// === impl Figures ===

impl Figures {
    /// Returns the gates that this row exceeds.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.peak {
            None => faults.push("the sidecar died".to_owned()),
            Some(peak) if peak > PEAK => {
                faults.push(format!("{peak} KiB of memory, more than {PEAK}"));
            }
            Some(_) => {}
        }
        for (path, probes) in [("/livez", &self.livez), ("/health", &self.health)] {
            let (wrong, count) = (probes.wrong.len(), probes.count);
            if let Some(first) = probes.wrong.first() {
                faults.push(format!(
                    "{wrong} of {count} probes failed, the first {first}"
                ));
            } else if probes.worst > TIMEOUT || count < PROBES {
                faults.push(format!(
                    "{path} took up to {:?} in {count} probes",
                    probes.worst
                ));
            }
        }
        if self.lines > LINES {
            let first = self.first_line.as_deref().unwrap_or_default();
            faults.push(format!("{} log lines, the first {first}", self.lines));
        }
        let (before, after) = self.descriptors;
        if after > before + DESCRIPTORS {
            faults.push(format!("{after} descriptors after it, {before} before"));
        }
        if self.stop > STOP {
            faults.push(format!("had not stopped after {STOP:?}"));
        }
        if self.reads.is_some_and(|reads| reads > READS) {
            faults.push(format!(
                "{} GETs at the API server, more than {READS}",
                self.reads.unwrap_or(0)
            ));
        }
        faults
    }

    fn cells(&self) -> [String; 9] {
        let (before, after) = self.descriptors;
        [
            self.name.to_owned(),
            self.peak
                .map_or_else(|| "died".to_owned(), |peak| peak.to_string()),
            self.livez.worst.as_millis().to_string(),
            self.health.worst.as_millis().to_string(),
            (self.livez.wrong.len() + self.health.wrong.len()).to_string(),
            self.lines.to_string(),
            format!("{before} -> {after}"),
            self.stop.as_millis().to_string(),
            self.reads
                .map_or_else(String::new, |reads| reads.to_string()),
        ]
    }
}

/// Formats the aligned table.
pub fn text(rows: &[Figures]) -> String {
    let cells: Vec<_> = rows.iter().map(Figures::cells).collect();
    let name = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in [HEAD.map(str::to_owned)].iter().chain(&cells) {
        let _ = write!(text, "{:name$}", row[0]);
        for (cell, head) in row.iter().zip(HEAD).skip(1) {
            let _ = write!(text, "  {cell:>width$}", width = head.len());
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Formats the faults of all rows.
pub fn faults(rows: &[Figures]) -> String {
    let faults = rows.iter().flat_map(|row| {
        row.faults()
            .into_iter()
            .map(|fault| format!("{}: {fault}\n", row.name))
    });
    faults.collect()
}

/// Writes the table to target/tmp/hostile.txt.
pub fn keep(text: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.txt");
    std::fs::write(path, text).unwrap();
}
