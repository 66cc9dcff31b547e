//! JSON as Go's `encoding/json` writes it.
//!
//! `serde_json` differs in one point: Go escapes what HTML could misread, which is `<`, `>`, `&`,
//! and the two line separators of Unicode that JavaScript has. All else agrees: compact, `null` for
//! nil, maps sorted by the bytes of their keys, lower-case hex, other characters as raw UTF-8. Both
//! write `\b` and `\f`, which Go before 1.22 wrote as `\u0008` and `\u000c`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// A compact formatter with Go's escapes.
struct Go;

/// Returns the JSON of a value, whose maps must have strings for keys.
pub(super) fn to_string(value: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(1024);
    let mut serializer = Serializer::with_formatter(&mut json, Go);
    value
        .serialize(&mut serializer)
        .expect("strings, lists and maps of strings must be writable");
    String::from_utf8(json).expect("strings must be written as UTF-8")
}

// === impl Go ===

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut written = 0;
        for (at, special) in fragment.match_indices(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&fragment.as_bytes()[written..at])?;
            let code = special.chars().next().map_or(0, u32::from);
            write!(writer, "\\u{code:04x}")?;
            written = at + special.len();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_go() {
        // The right-hand sides are what Go 1.26 prints for them.
        for (text, expected) in [
            ("", r#""""#),
            ("plain/é日", r#""plain/é日""#),
            ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("\"\\", r#""\"\\""#),
            ("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#),
            ("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
            ("<", r#""\u003c""#),
        ] {
            assert_eq!(to_string(&text), expected);
        }
    }
}
