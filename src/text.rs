//! Bounds and cleans the text of peers before it reaches a terminal or a log.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// An excerpt of a peer's text for logs, bounded and without control characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Excerpt(String);

/// The longest [`Excerpt`] in characters. go-micro's errors are one short JSON object, but a
/// foreign server may send a page.
const EXCERPT: usize = 200;

/// Replaces every control character, including those of C1, by a space. The text then stays on one
/// line and moves no cursor.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, " ").into()
    } else {
        text.into()
    }
}

/// Returns an error with its causes, separated by colons. Leaves out a cause that the text before it
/// has already, because many errors repeat the text of their cause.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

// === impl Excerpt ===

impl<T: AsRef<str>> From<T> for Excerpt {
    fn from(text: T) -> Self {
        let mut chars = text.as_ref().chars();
        let mut excerpt: String = chars.by_ref().take(EXCERPT).collect();
        if let Cow::Owned(printable) = printable(&excerpt) {
            excerpt = printable;
        }
        if chars.next().is_some() {
            excerpt.push('…');
        }
        Self(excerpt)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        for (text, expected) in [
            ("a b", "a b"),
            ("grüßer 挨拶", "grüßer 挨拶"),
            ("a\nb\r\n\tc", "a b   c"),
            ("\u{1b}[2Ja\u{7f}", " [2Ja "),
            ("a\u{9b}2J\u{85}b", "a 2J b"),
        ] {
            assert_eq!(printable(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        enum Outer {
            #[error("no file: {0}")]
            Repeats(#[source] fmt::Error),
            #[error("no file")]
            Names(#[source] fmt::Error),
            #[error("no file")]
            Alone,
        }
        let cause = fmt::Error.to_string();
        for (outer, expected) in [
            (
                Outer::Repeats(fmt::Error),
                format!("cannot start: no file: {cause}"),
            ),
            (
                Outer::Names(fmt::Error),
                format!("cannot start: no file: {cause}"),
            ),
            (Outer::Alone, "cannot start: no file".to_owned()),
        ] {
            let error = anyhow::Error::new(outer).context("cannot start");
            assert_eq!(with_causes(error.as_ref()), expected);
        }
    }

    #[test]
    fn an_excerpt_is_bounded_and_prints_on_one_line() {
        assert_eq!(Excerpt::from("a\r\nb\u{1b}[31m").to_string(), "a  b [31m");
        let long = Excerpt::from("é".repeat(5000)).to_string();
        assert_eq!(long.chars().count(), EXCERPT + 1);
    }
}
