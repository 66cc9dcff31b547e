//! The page docs/troubleshooting.md: it has every message that the code can print, and no other.

use std::collections::BTreeSet;
use std::fs;

use super::{files_below, path, read};

const PAGE: &str = "docs/troubleshooting.md";

/// The file whose messages have a table of their own.
const VERDICTS: &str = "src/check/unhealthy.rs";

/// The code that begins a message: the log's macros, errors, and the notices of
/// src/flags/notice.rs.
const BEGINNINGS: [&str; 5] = [
    "warn!(",
    "info!(",
    "error!(",
    "#[error(",
    "write!(f, \"Ignoring",
];

#[test]
fn every_message_is_explained_and_nothing_else_is() {
    let known = known();
    assert!(known.len() > 100, "only {} messages found", known.len());
    let explained = explained(&read(PAGE));
    let missing: Vec<_> = known.difference(&explained).collect();
    assert!(missing.is_empty(), "{PAGE} has nothing about {missing:#?}");
    let gone: Vec<_> = explained.difference(&known).collect();
    assert!(gone.is_empty(), "no code prints {gone:#?}");
}

/// Returns the first cell of every row, if it is code.
fn explained(page: &str) -> BTreeSet<String> {
    let tables = page
        .split("<!-- generated")
        .next()
        .unwrap_or_default()
        .to_owned()
        + page.split("<!-- end -->").nth(1).unwrap_or_default();
    let cell = |line: &str| {
        let rest = line.strip_prefix("| `")?;
        Some(rest.split_once("` |")?.0.replace("\\|", "|"))
    };
    tables.lines().filter_map(cell).collect()
}

/// Returns the messages of src/, without those of tests.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for file in files_below("src") {
        let below = file.strip_prefix(path("src")).unwrap_or(&file);
        let is_test = below
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        if is_test || file.extension().is_none_or(|it| it != "rs") || file == path(VERDICTS) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        known.extend(BEGINNINGS.iter().flat_map(|begin| messages(code, begin)));
    }
    known
}

/// Returns the messages of one file as the page writes them, with `…` for each placeholder.
fn messages(code: &str, begin: &str) -> Vec<String> {
    let starts = code.match_indices(begin);
    starts
        .filter_map(|(at, _)| {
            let begins = begin.find('"').unwrap_or(begin.len());
            message(&code[at + begins..])
        })
        .map(|message| elided(&message))
        .filter(|message| message.chars().any(char::is_alphabetic))
        .collect()
}

/// Returns the first literal of a macro's arguments that is not the value of a field.
fn message(arguments: &str) -> Option<String> {
    let mut before = ',';
    let mut depth = 0_u32;
    let mut rest = arguments.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                let literal = literal(&mut rest);
                if matches!(before, ',' | '(') && depth == 0 {
                    return Some(literal);
                }
                before = '"';
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return None,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if !c.is_whitespace() && c != '"' {
            before = c;
        }
    }
    None
}

/// Returns the rest of a literal after its first quote.
fn literal(rest: &mut std::str::Chars<'_>) -> String {
    let mut literal = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => literal.push('\n'),
                Some(escaped) => literal.push(escaped),
                None => break,
            },
            c => literal.push(c),
        }
    }
    literal
}

/// Returns the first line, with `…` for each placeholder.
fn elided(message: &str) -> String {
    let mut elided = String::new();
    let mut depth = 0_u32;
    for c in message.lines().next().unwrap_or_default().chars() {
        match c {
            '{' => {
                depth += 1;
                if depth == 1 {
                    elided.push('…');
                }
            }
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 => elided.push(c),
            _ => {}
        }
    }
    elided
}

#[test]
fn messages_are_found_in_every_position() {
    let code = r#"
        warn!("Cannot accept: {error}");
        info!(address = %bound, who = "anyone", "Listening");
        warn!(
            reason = describe("a", "b"),
            "Registry request failed: {refusal}\n{help}"
        );
        info!("{self}");
        error!(%error);
    "#;
    assert_eq!(
        ["warn!(", "info!(", "error!("].map(|begin| messages(code, begin)),
        [
            vec![
                "Cannot accept: …".to_owned(),
                "Registry request failed: …".to_owned()
            ],
            vec!["Listening".to_owned()],
            vec![],
        ]
    );
}
