//! Values under paths, and the merge of two sources.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Puts one source over another: the later value wins, even if it is empty.
///
/// An object never replaces a value that is not empty. If the environment has `MONGODB=1`,
/// the key `mongodb` of the `ConfigMap` is lost.
///
/// Source: go-config of go-micro v2.9.1, run with mergo v0.3.7 and v0.3.8. With v0.3.9,
/// go-config refuses two types at one path, and with them all settings.
pub(crate) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (Some(there), Value::Object(_)) if !is_empty(there) => {}
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

/// Decides whether any later value may replace this one. That is true of Go's zero values.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// Replaces each `${NAME}` in a text with the variable, or with nothing if it is not set.
/// Source: go-config's `reader`, which does this to the merged JSON.
pub(crate) fn expand(value: &mut Value, variables: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if text.contains("${") => *text = expanded(text, variables),
        Value::Object(values) => {
            for value in values.values_mut() {
                expand(value, variables);
            }
        }
        _ => {}
    }
}

fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let is_name = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && name.bytes().all(fits)
    };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        match after.split_once('}') {
            Some((name, after)) if is_name(name) => {
                expanded.push_str(variables.get(name).map_or("", String::as_str));
                rest = after;
            }
            _ => {
                expanded.push_str("${");
                rest = after;
            }
        }
    }
    expanded + rest
}

/// Returns the value at a path.
pub(crate) fn get<'a>(values: &'a Value, path: &[impl AsRef<str>]) -> Option<&'a Value> {
    path.iter()
        .try_fold(values, |value, name| value.as_object()?.get(name.as_ref()))
}

/// Formats one value for a person: a text without quotes, every other value as JSON.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Formats each value with its path, one per line, such as `mongodb host=127.0.0.1`.
pub(crate) fn lines(values: &Value) -> String {
    fn walk(path: &str, value: &Value, lines: &mut String) {
        let Value::Object(values) = value else {
            lines.extend([path, "=", &text(value), "\n"]);
            return;
        };
        for (name, value) in values {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path} {name}")
            };
            walk(&path, value, lines);
        }
    }
    let mut lines = String::new();
    walk("", values, &mut lines);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(under: Value, over: Value) -> Value {
        let (Value::Object(mut under), Value::Object(over)) = (under, over) else {
            panic!("both must be objects")
        };
        merge(&mut under, over);
        under.into()
    }

    /// Checks against the results of a run of go-config.
    #[test]
    fn later_wins_but_a_value_ends_a_path() {
        for (under, over, expected) in [
            (json!({}), json!({"a": "1"}), json!({"a": "1"})),
            (json!({"a": 1}), json!({"a": "2"}), json!({"a": "2"})),
            (json!({"a": 1}), json!({"a": ""}), json!({"a": ""})),
            (
                json!({}),
                json!({"a": "", "b": {}}),
                json!({"a": "", "b": {}}),
            ),
            (
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"b": "x", "d": "y"}}),
                json!({"a": {"b": "x", "c": 2, "d": "y"}}),
            ),
            (json!({"a": {"b": 1}}), json!({"a": "2"}), json!({"a": "2"})),
            (json!({"a": {"b": 1}}), json!({"a": ""}), json!({"a": ""})),
            (json!({"a": 1}), json!({"a": {"b": "2"}}), json!({"a": 1})),
            (
                json!({"a": ""}),
                json!({"a": {"b": "2"}}),
                json!({"a": {"b": "2"}}),
            ),
            (
                json!({"a": 0}),
                json!({"a": {"b": "2"}}),
                json!({"a": {"b": "2"}}),
            ),
            (
                json!({"a": false}),
                json!({"a": {"b": "2"}}),
                json!({"a": {"b": "2"}}),
            ),
        ] {
            let case = format!("{under} {over}");
            assert_eq!(merged(under, over), expected, "{case}");
        }
    }

    #[test]
    fn a_text_may_name_variables() {
        let variables = [("HOST", "db"), ("PORT", "27017")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (text, expected) in [
            ("mongodb://${HOST}:${PORT}/x", "mongodb://db:27017/x"),
            ("${NONE}!", "!"),
            ("${HOST", "${HOST"),
            ("${a-b} ${} $HOST", "${a-b} ${} $HOST"),
            ("${x ${HOST}", "${x db"),
            ("plain", "plain"),
        ] {
            let mut value = json!({"a": {"b": text}, "c": 1});
            expand(&mut value, &variables.clone().into());
            assert_eq!(value, json!({"a": {"b": expected}, "c": 1}), "{text}");
        }
    }

    #[test]
    fn a_path_leads_to_a_value_or_to_many() {
        let values = json!({"mongodb": {"host": "127.0.0.1", "port": 27017}, "on": true});
        let at = |path: &[&str]| get(&values, path).map(text);
        assert_eq!(at(&["mongodb", "host"]).as_deref(), Some("127.0.0.1"));
        assert_eq!(at(&["mongodb", "port"]).as_deref(), Some("27017"));
        assert_eq!(at(&["on"]).as_deref(), Some("true"));
        assert_eq!(
            at(&["mongodb"]).as_deref(),
            Some(r#"{"host":"127.0.0.1","port":27017}"#)
        );
        assert_eq!(at(&["mongodb", "host", "x"]), None);
        assert_eq!(at(&["none"]), None);
        assert_eq!(
            lines(&values),
            "mongodb host=127.0.0.1\nmongodb port=27017\non=true\n"
        );
    }
}
