//! The deciding files: they have no `async`, clock or I/O, so that each can be tested as a table.
//! ARCHITECTURE.md has the list.

use std::fs;

/// The beginning and the end of the list in ARCHITECTURE.md.
const LIST: [&str; 2] = ["<!-- deciding -->", "<!-- end -->"];

/// The code that a deciding file must not contain.
const ACTING: [&str; 14] = [
    "async ",
    ".await",
    "Instant::now",
    "SystemTime::now",
    ".elapsed()",
    "tokio::",
    "std::fs",
    "std::io",
    "std::net::Tcp",
    "std::net::Udp",
    "std::env",
    "std::process",
    "std::thread",
    "fastrand",
];

/// Returns the paths below src/, without `.rs`.
fn files() -> Vec<String> {
    let page = crate::docs::read("ARCHITECTURE.md");
    let list = page
        .split(LIST[0])
        .nth(1)
        .and_then(|rest| rest.split(LIST[1]).next());
    let list = list.expect("ARCHITECTURE.md must have the list");
    let names = list.split('`').skip(1).step_by(2);
    names.flat_map(expand).collect()
}

/// Expands `a/{b,c}` to `a/b` and `a/c`.
fn expand(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else {
        return vec![name.to_owned()];
    };
    let (names, after) = rest.split_once('}').expect("a brace must be closed");
    let names = names.split(',').map(str::trim);
    names.map(|name| format!("{before}{name}{after}")).collect()
}

#[test]
fn a_deciding_file_has_no_async_clock_or_io() {
    let files = files();
    assert!(files.len() > 40, "only {} files: {files:?}", files.len());
    let mut faults = Vec::new();
    for name in files {
        let path = crate::docs::path(&format!("src/{name}.rs"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            faults.extend(
                ACTING
                    .iter()
                    .filter(|it| line.contains(**it))
                    .map(|it| format!("{name}: {it}: {line}")),
            );
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
