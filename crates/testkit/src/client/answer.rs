//! An HTTP answer.

use std::time::Duration;

/// A whole answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
    /// The time from connecting, or from the request, to the last byte.
    pub took: Duration,
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(head: String, body: String, took: Duration) -> Self {
        Self {
            status: status(&head),
            head,
            body,
            took,
        }
    }

    /// Parses an answer that ended with its connection.
    pub fn parse(bytes: Vec<u8>, took: Duration) -> Self {
        let text = String::from_utf8(bytes).expect("an answer must be text");
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no whole answer: {text:?}"));
        Self::new(format!("{head}\r\n\r\n"), body.to_owned(), took)
    }

    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Returns the status and the body, which is all that most tests compare.
    pub fn status_and_body(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    /// Returns the reason's code of an `application/health+json` answer; "ok" if it is healthy.
    pub fn reason(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body));
        json["output"].as_str().unwrap_or("ok").to_owned()
    }
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status line in {head:?}"))
}
