//! The error text of go-micro: plain, or `{"id":..,"code":..,"detail":..,"status":..}`.
//!
//! Source: go-micro errors/errors.go, the same fields in every release.

use serde::Deserialize;

/// An error in the JSON form. Every field may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MicroError {
    /// The id of the error's source, such as `db.down`.
    pub id: String,
    /// An HTTP-like code; 0 if there is none.
    pub code: i32,
    /// The description of the error.
    pub detail: String,
}

/// Parses the JSON form; `None` for plain text.
pub(crate) fn parse(text: &str) -> Option<MicroError> {
    text.starts_with('{')
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

/// Formats the text for a person.
pub(crate) fn describe(text: &str) -> String {
    match parse(text) {
        Some(MicroError { id, code, detail }) => format!("{detail} ({code}, {id})"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_both_forms() {
        for (text, expected) in [
            (
                r#"{"id":"db.down","code":503,"detail":"no database","status":"Service Unavailable"}"#,
                "no database (503, db.down)",
            ),
            (r#"{"id":"x"}"#, " (0, x)"),
            ("plain failure", "plain failure"),
            ("{not json", "{not json"),
            ("", ""),
        ] {
            assert_eq!(describe(text), expected);
        }
    }
}
