//! Text that others wrote, on its way to a terminal or a log.

use std::borrow::Cow;

/// Replaces every control character, those of C1 too, by a space, so that the text stays on
/// one line and moves no cursor.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, " ").into()
    } else {
        text.into()
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
}
