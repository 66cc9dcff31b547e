//! The names that Kubernetes accepts, and text as a part of a URL's path. Pure.
//!
//! Source: Kubernetes, `apimachinery/pkg/util/validation/validation.go`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The accepted form of a pod's name, as errors tell it.
pub(crate) const POD_NAME: &str = "expected the name of a pod: 1 to 253 of a-z, 0-9, - and ., with a letter or a digit at either end of each part";

/// The bytes that have a meaning in a URL, or none at all: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same with the dot, because a path of dots would name another folder.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.add(b'.');

/// Tells whether a text is a DNS label (RFC 1123), such as the name of a namespace.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

/// Tells whether a text is a DNS subdomain (RFC 1123), such as the name of a pod.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

/// Parses the name of a pod. A blank or a line break around it, which a file may have added, is no
/// part of the name.
///
/// # Errors
///
/// Returns the expected form.
pub(crate) fn pod_name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if is_subdomain(name) {
        Ok(name.to_owned())
    } else {
        Err(POD_NAME)
    }
}

/// Returns a text as a part of a URL's path, whatever it is: the API server refuses a name that it
/// does not know, and a request can be made in any case.
pub(crate) fn encoded(text: &str) -> Cow<'_, str> {
    let plain = query(text);
    if plain == text && text.bytes().any(|byte| byte != b'.') {
        return plain;
    }
    utf8_percent_encode(text, RESERVED_IN_PATH).into()
}

/// Returns a text as a value in a URL's query.
pub(crate) fn query(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, RESERVED).into()
}

fn is_part(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_label_or_a_subdomain() {
        for (text, label, subdomain) in [
            ("a", true, true),
            ("a-1", true, true),
            ("0", true, true),
            ("a.b-c.0", false, true),
            ("", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("A", false, false),
            ("a_b", false, false),
            ("a b", false, false),
            ("a\n", false, false),
            ("a/b", false, false),
            (".", false, false),
            ("..", false, false),
            ("a..b", false, false),
            ("a.-b", false, false),
            ("a.", false, false),
            ("ä", false, false),
        ] {
            assert_eq!(
                (is_label(text), is_subdomain(text)),
                (label, subdomain),
                "{text}"
            );
        }
        for (length, label, subdomain) in [
            (63, true, true),
            (64, false, true),
            (253, false, true),
            (254, false, false),
        ] {
            let text = "x".repeat(length);
            assert_eq!(
                (is_label(&text), is_subdomain(&text)),
                (label, subdomain),
                "{length}"
            );
        }
    }

    #[test]
    fn the_name_of_a_pod_is_trimmed() {
        assert_eq!(pod_name(" greeter-0\n"), Ok("greeter-0".to_owned()));
        for text in ["", " ", "a b", "a\nb", "Greeter"] {
            assert_eq!(pod_name(text), Err(POD_NAME));
        }
    }

    #[test]
    fn any_text_is_a_part_of_a_path() {
        for (text, expected) in [
            ("greeter-0.b_c~", "greeter-0.b_c~"),
            ("", ""),
            ("a b\n", "a%20b%0A"),
            ("..", "%2E%2E"),
            ("../a", "%2E%2E%2Fa"),
            ("a?b&c#d%", "a%3Fb%26c%23d%25"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(encoded(text), expected);
            let uri = format!("/api/v1/pods/{}?x={0}", encoded(text));
            assert!(http::Request::get(&uri).body(()).is_ok(), "{uri}");
        }
    }
}
