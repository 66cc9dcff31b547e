//! The declared Rust is the oldest that the dependencies allow.

#![expect(clippy::unwrap_used, reason = "a test binary: a panic is a verdict")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// A Rust version: major, minor, patch.
type Version = [u32; 3];

#[test]
fn the_declared_rust_is_the_newest_that_a_dependency_declares() {
    let versions = versions();
    let required: Vec<_> = dependencies()
        .into_iter()
        .filter_map(|package| Some((*versions.get(&package)?, package)))
        .collect();
    assert!(required.len() > 10, "too few to be all: {required:?}");
    let declared = version(env!("CARGO_PKG_RUST_VERSION"));
    let newest = required.into_iter().max().unwrap();
    assert_eq!(declared, newest.0, "{} decides", newest.1);
}

/// Returns "NAME vVERSION" of each crate that the library is built of, without those of tests.
fn dependencies() -> Vec<String> {
    let output = cargo(&[
        "tree",
        "--package=micro-debug",
        "--edges=normal,build",
        "--prefix=none",
        "--no-dedupe",
    ]);
    let packages = output.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let version = rest.split(' ').next()?;
        (name != env!("CARGO_PKG_NAME")).then(|| format!("{name} {version}"))
    });
    packages.collect()
}

/// Returns the Rust version that each package of the lock file declares, if it declares one.
fn versions() -> BTreeMap<String, Version> {
    let platform = format!("--filter-platform={}", host());
    let output = cargo(&["metadata", "--format-version=1", &platform]);
    let metadata: Value = serde_json::from_str(&output).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter_map(|package| {
            let text = |field: &str| package[field].as_str();
            let name = format!("{} v{}", text("name")?, text("version")?);
            Some((name, version(text("rust_version")?)))
        })
        .collect()
}

fn version(text: &str) -> Version {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(text.split('.')) {
        *number = part.parse().unwrap();
    }
    numbers
}

/// Returns the platform that the compiler runs on, so that no crate of another one is asked for.
fn host() -> String {
    let output = run(Command::new("rustc").arg("-vV"));
    let host = output.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    run(Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .arg("--locked"))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
