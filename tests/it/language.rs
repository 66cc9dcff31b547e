//! The rule of CONTRIBUTING.md for doc comments, which begin with a third-person verb or a noun and
//! its article.

use std::fs;

use crate::docs::files_below;

/// The greatest share of doc comments that may begin otherwise, in percent.
const MOST: usize = 3;

/// The folders that hold Rust of ours.
const FOLDERS: [&str; 5] = ["src", "crates", "examples", "benches", "tests"];

/// Words that end in `s` and are no verbs.
const NO_VERBS: [&str; 24] = [
    "Across",
    "Always",
    "As",
    "Besides",
    "Does",
    "Has",
    "His",
    "Hers",
    "Is",
    "Its",
    "Less",
    "Ours",
    "Others",
    "Perhaps",
    "Plus",
    "Sometimes",
    "Theirs",
    "These",
    "This",
    "Those",
    "Thus",
    "Unless",
    "Us",
    "Was",
];

/// Words that make a pronoun of the article before them.
const PRONOUNS: [&str; 7] = ["same", "one", "other", "others", "former", "latter", "rest"];

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    let (mut all, mut faults) = (0, Vec::new());
    for folder in FOLDERS {
        read(folder, &mut |place, text| {
            all += 1;
            if !begins_well(text) {
                faults.push(format!("{place}: {text}"));
            }
        });
    }
    assert!(all > 3000, "only {all} doc comments found");
    let share = faults.len() * 100;
    assert!(
        share <= all * MOST,
        "{} of {all} doc comments begin otherwise: {faults:#?}",
        faults.len()
    );
}

#[test]
fn a_verb_or_a_noun_is_told_from_the_rest() {
    for text in [
        "Returns the name.",
        "The name of the service.",
        "A name, and its address.",
        "Every service of the pod.",
        "`health probe`: one check.",
        "[`Target`] and its record.",
        "SIGTERM, or SIGINT.",
        "200 and 503.",
    ] {
        assert!(begins_well(text), "{text}");
    }
    for text in [
        "What the service says.",
        "Whether it is healthy.",
        "The same, for programs.",
        "Of the labels.",
        "This one.",
        "Those that fail.",
        "Nothing is registered.",
        "Its name.",
    ] {
        assert!(!begins_well(text), "{text}");
    }
}

fn begins_well(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let next = words.next().unwrap_or_default();
    let next = next.trim_end_matches([',', '.', ':']);
    if !first.starts_with(char::is_alphabetic) {
        return true;
    }
    let word = first.split(|c: char| !c.is_ascii_alphabetic()).next();
    let word = word.unwrap_or_default();
    match word {
        "A" | "An" | "The" => !PRONOUNS.contains(&next),
        "Each" | "Every" | "No" => next.starts_with(char::is_alphabetic),
        "mucp" => true,
        word if word.chars().filter(char::is_ascii_uppercase).count() > 1 => true,
        word => {
            word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.ends_with('s')
                && !NO_VERBS.contains(&word)
        }
    }
}

/// Calls `each` with the place and the first line of every doc comment below a folder. The texts
/// of `--help`, which begin as clap's do, are left out.
fn read(folder: &str, each: &mut impl FnMut(String, &str)) {
    for path in files_below(folder) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        let mut number = 0;
        while number < lines.len() {
            let Some(kind) = ["/// ", "//! "]
                .into_iter()
                .find(|kind| lines[number].starts_with(kind))
            else {
                number += 1;
                continue;
            };
            let begin = number;
            while lines
                .get(number)
                .is_some_and(|line| line.starts_with(kind.trim_end()))
            {
                number += 1;
            }
            let item = lines.get(number).copied().unwrap_or_default();
            if !["#[arg(", "#[command(", "#[value"]
                .iter()
                .any(|it| item.starts_with(it))
            {
                each(
                    format!("{}:{}", path.display(), begin + 1),
                    &lines[begin][kind.len()..],
                );
            }
        }
    }
}
