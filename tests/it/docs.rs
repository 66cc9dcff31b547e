//! Tests that compare the documentation with the code: the pages list everything that exists, and
//! nothing else.
//!
//! `MICRO_HEALTH_UPDATE_DOCS=1 cargo test --test it docs` writes the generated parts again.

use std::fs;
use std::path::{Path, PathBuf};

mod blocks;
mod evidence;
mod flags;
mod messages;
mod verdicts;

/// The variable that makes the tests write the generated text instead of comparing it.
const UPDATE: &str = "MICRO_HEALTH_UPDATE_DOCS";

/// Returns the path of a file of the project.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares a file with the expected text.
fn compare(name: &str, expected: &str) {
    if std::env::var_os(UPDATE).is_some() {
        fs::write(path(name), expected).unwrap();
        return;
    }
    let found = read(name);
    let differs = found
        .lines()
        .zip(expected.lines())
        .position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{name} is not what the code says, from line {} on: {UPDATE}=1 cargo test --test it docs",
        differs.unwrap_or(found.lines().count().min(expected.lines().count())) + 1
    );
}

/// Returns every file below a folder of the project.
pub fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// Compares the part between two comments, which name its source.
fn compare_part(name: &str, part: &str, expected: &str) {
    let (begin, end) = (
        format!("<!-- generated: {part} -->\n"),
        "<!-- end -->".to_owned(),
    );
    let text = read(name);
    let found = text
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = found.unwrap_or_else(|| panic!("{name} has no part {begin}"));
    compare(name, &[before, &begin, expected, &end, after].concat());
}

/// Returns every page that a user reads.
fn pages() -> Vec<String> {
    let mut pages: Vec<_> = [
        "README.md",
        "benches/README.md",
        "CONTRIBUTING.md",
        "crates/micro-debug/README.md",
        "tests/rig/README.md",
    ]
    .map(str::to_owned)
    .into();
    for folder in ["docs", "k8s"] {
        for entry in fs::read_dir(path(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name)
                .extension()
                .is_some_and(|kind| kind == "md")
            {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    pages.sort();
    pages
}
