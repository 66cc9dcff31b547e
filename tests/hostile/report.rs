//! The gates, and the table as text.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::measure::{DESCRIPTORS, Figures};
use crate::prober::TIMEOUT;

/// The most memory in KiB: the manifests' limit is 32 MiB, of which the kernel's buffers need a part.
const PEAK: usize = 24 << 10;

/// Lines that may be logged: a limit that is reached and left, a verdict that changes; none for each client.
const LINES: usize = 5;

/// The longest stop: the longest check, the two seconds that a request's head may take, and a busy machine's slack.
const STOP: Duration = Duration::from_millis(900 + 2_000 + 500);

/// Probes of a path that a prober at least gets through, if each takes its second.
const PROBES: usize = 2;

/// GETs at the API server during an attack, which lasts at least 2.1 s: two a second, and one at each end.
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
    /// What this row does not keep of the promises.
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

/// The table, aligned.
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

/// Every broken promise of every row.
pub fn faults(rows: &[Figures]) -> String {
    let faults = rows.iter().flat_map(|row| {
        row.faults()
            .into_iter()
            .map(|fault| format!("{}: {fault}\n", row.name))
    });
    faults.collect()
}

/// Keeps the table for whoever looks at it later.
pub fn keep(text: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.txt");
    std::fs::write(path, text).unwrap();
}
