//! Parses the environment as go-config's `env` source does.
//!
//! `DATABASE_SERVER_PORT=1337` becomes `{"database": {"server": {"port": 1337}}}`. The name
//! is changed to lower case and split at `_`. The value is a number if Go's Atoi accepts it,
//! a bool if `ParseBool` does, and else a string.
//!
//! Two variables can conflict, such as the `GREETER_PORT` and `GREETER_PORT_8080_TCP` that
//! Kubernetes sets for every Service. Then the first stays, unless it is empty, 0 or false.
//!
//! Source: go-config of go-micro v2.9.1, run with mergo v0.3.7 and v0.3.8. With v0.3.9, two
//! such variables make go-config refuse the whole environment.

use serde_json::{Map, Value};

use crate::config::values::is_empty;

/// Returns the settings in the variables, which are read in their order. With prefixes, only
/// the variables that begin with a prefix and a `_` count.
pub(crate) fn values<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    prefixes: &[String],
) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, value) in variables {
        if prefixes.is_empty() || prefixes.iter().any(|prefix| has(name, prefix)) {
            let name = name.to_lowercase();
            let path: Vec<_> = name.split('_').collect();
            insert(&mut values, &path, scalar(value));
        }
    }
    values
}

fn has(name: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('_').unwrap_or(prefix);
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with('_'))
}

fn insert(values: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => {
            let there = values.entry(*name).or_insert(Value::Null);
            if is_empty(there) {
                *there = value;
            }
        }
        [name, rest @ ..] => {
            let there = values.entry(*name).or_insert(Value::Null);
            if is_empty(there) {
                *there = Map::new().into();
            }
            if let Value::Object(inner) = there {
                insert(inner, rest, value);
            }
        }
    }
}

fn scalar(value: &str) -> Value {
    if let Ok(number) = value.parse::<i64>() {
        return number.into();
    }
    match value {
        "t" | "T" | "TRUE" | "true" | "True" => true.into(),
        "f" | "F" | "FALSE" | "false" | "False" => false.into(),
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(variables: &[(&str, &str)], prefixes: &[&str]) -> String {
        let prefixes: Vec<_> = prefixes.iter().map(ToString::to_string).collect();
        Value::Object(values(variables.iter().copied(), &prefixes)).to_string()
    }

    #[test]
    fn a_name_is_a_path_and_a_value_has_a_type() {
        for (name, value, expected) in [
            (
                "DATABASE_SERVER_HOST",
                "localhost",
                r#"{"database":{"server":{"host":"localhost"}}}"#,
            ),
            ("PORT", "1337", r#"{"port":1337}"#),
            ("PORT", "-007", r#"{"port":-7}"#),
            ("PORT", "1.5", r#"{"port":"1.5"}"#),
            (
                "HUGE",
                "9223372036854775808",
                r#"{"huge":"9223372036854775808"}"#,
            ),
            ("PORT", "+5", r#"{"port":5}"#),
            ("PORT", "1_000", r#"{"port":"1_000"}"#),
            ("DEBUG", "True", r#"{"debug":true}"#),
            ("DEBUG", "f", r#"{"debug":false}"#),
            ("DEBUG", "yes", r#"{"debug":"yes"}"#),
            ("EMPTY", "", r#"{"empty":""}"#),
            ("A__B", "x", r#"{"a":{"":{"b":"x"}}}"#),
            ("_", "x", r#"{"":{"":"x"}}"#),
        ] {
            assert_eq!(parsed(&[(name, value)], &[]), expected, "{name}={value}");
        }
    }

    #[test]
    fn the_first_of_two_that_cannot_both_stand_stays() {
        let value_first = [("G_PORT", "tcp://10.0.0.1:80"), ("G_PORT_80_TCP", "x")];
        assert_eq!(
            parsed(&value_first, &[]),
            r#"{"g":{"port":"tcp://10.0.0.1:80"}}"#
        );
        let path_first = [("G_PORT_80_TCP", "x"), ("G_PORT", "tcp://10.0.0.1:80")];
        assert_eq!(
            parsed(&path_first, &[]),
            r#"{"g":{"port":{"80":{"tcp":"x"}}}}"#
        );
        for empty in ["", "0", "False"] {
            let empty_first = [("G_PORT", empty), ("G_PORT_80_TCP", "x")];
            assert_eq!(
                parsed(&empty_first, &[]),
                r#"{"g":{"port":{"80":{"tcp":"x"}}}}"#
            );
        }
        let empty_last = [("A_B", "1"), ("A", "")];
        assert_eq!(parsed(&empty_last, &[]), r#"{"a":{"b":1}}"#);
        assert_eq!(parsed(&[("a", "1"), ("A", "2")], &[]), r#"{"a":1}"#);
        assert_eq!(parsed(&[("a", "0"), ("A", "False")], &[]), r#"{"a":false}"#);
        let beside = [("G_HOST", "a"), ("G_PORT", "80")];
        assert_eq!(parsed(&beside, &[]), r#"{"g":{"host":"a","port":80}}"#);
    }

    #[test]
    fn a_prefix_keeps_what_begins_with_it() {
        let variables = [
            ("MICRO_A", "1"),
            ("MICROSCOPE", "2"),
            ("HOME", "/"),
            ("APP_B", "3"),
        ];
        assert_eq!(parsed(&variables, &["MICRO"]), r#"{"micro":{"a":1}}"#);
        assert_eq!(
            parsed(&variables, &["MICRO_", "APP"]),
            r#"{"app":{"b":3},"micro":{"a":1}}"#
        );
    }
}
