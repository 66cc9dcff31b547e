//! Parses `ConfigMap` data as go-config's `configmap` source does.
//!
//! Each key holds lines of `name=value`; the result is `{key: {name: value}}`, and every
//! value is a string. Source: go-plugins `config/source/configmap`, unchanged up to
//! micro/plugins v5. This parser differs in four cases where the original gives a useless
//! result. A blank line is not the name "". A `#` line is a comment. A CR at the end of a line
//! is not part of the value. The byte order mark that Windows' editors put before a file is not
//! part of the first name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns the settings in the `data` of a `ConfigMap`. A repeated name has its last value.
pub(crate) fn values(data: &BTreeMap<String, String>) -> Map<String, Value> {
    data.iter()
        .map(|(key, text)| (key.clone(), Value::Object(lines(text))))
        .collect()
}

fn lines(text: &str) -> Map<String, Value> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    text.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_value() {
        for (text, expected) in [
            (
                "host=127.0.0.1\nport=27017",
                r#"{"host":"127.0.0.1","port":"27017"}"#,
            ),
            (
                "username=user\npassword=password=1234\n",
                r#"{"password":"password=1234","username":"user"}"#,
            ),
            ("a=1\r\nb=2\r\n", r#"{"a":"1","b":"2"}"#),
            (
                "\u{feff}a=1\r\nb=\u{feff}2",
                "{\"a\":\"1\",\"b\":\"\u{feff}2\"}",
            ),
            ("\u{feff}# a comment\na=1", r#"{"a":"1"}"#),
            ("# a comment\n\n  \na=1", r#"{"a":"1"}"#),
            ("a=#1\nb = 2", r##"{"a":"#1","b ":" 2"}"##),
            ("a=1\na=2", r#"{"a":"2"}"#),
            ("a=\nb", r#"{"a":"","b":""}"#),
            ("=1", "{}"),
            ("", "{}"),
            (
                "{\"json\": 1}\nyaml: 1",
                r#"{"yaml: 1":"","{\"json\": 1}":""}"#,
            ),
        ] {
            assert_eq!(Value::Object(lines(text)).to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_one_element_of_the_path() {
        let data = [("app.yaml", "a=1"), ("empty", ""), ("A_b", "c=d")];
        let data = data.map(|(key, text)| (key.to_owned(), text.to_owned()));
        assert_eq!(
            Value::Object(values(&data.into())).to_string(),
            r#"{"A_b":{"c":"d"},"app.yaml":{"a":"1"},"empty":{}}"#
        );
    }
}
