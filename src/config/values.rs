//! Values under paths, and what two sources make of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Puts one source over another: later wins, but nothing empty replaces anything.
/// Source: go-config's `reader/json`, which merges by mergo with override.
pub fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (Some(_), value) if is_empty(&value) => {}
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// Puts variables where a text says `${NAME}`, and nothing where there is none of this
/// name. Source: go-config's `reader`, which does it to the merged JSON.
pub fn expand(value: &mut Value, variables: &BTreeMap<String, String>) {
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

/// What stands at a path.
pub fn get<'a>(values: &'a Value, path: &[impl AsRef<str>]) -> Option<&'a Value> {
    path.iter()
        .try_fold(values, |value, name| value.as_object()?.get(name.as_ref()))
}

/// One value as a person reads it: a text without quotes, all else as JSON.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Each value with its path, such as `mongodb host=127.0.0.1`.
pub fn lines(values: &Value) -> String {
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

    #[test]
    fn later_wins_unless_it_is_empty() {
        for (under, over, expected) in [
            (json!({}), json!({"a": "1"}), json!({"a": "1"})),
            (json!({"a": 1}), json!({"a": "2"}), json!({"a": "2"})),
            (json!({"a": 1}), json!({"a": ""}), json!({"a": 1})),
            (json!({"a": 1}), json!({"a": {}}), json!({"a": 1})),
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
            (
                json!({"a": 1}),
                json!({"a": {"b": "2"}}),
                json!({"a": {"b": "2"}}),
            ),
            (json!({"a": {"b": 1}}), json!({"a": "2"}), json!({"a": "2"})),
        ] {
            let told = format!("{under} {over}");
            assert_eq!(merged(under, over), expected, "{told}");
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
