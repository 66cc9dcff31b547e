use proptest::prelude::*;

use super::*;

const LONGEST: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// Implements apimachinery's rule for the keys of labels and annotations again: at most one slash,
/// a DNS subdomain before it, a name of 1 to 63 bytes behind it.
fn is_valid(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edges = [name.bytes().next(), name.bytes().last()];
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let dns = |prefix: &str| {
        let label = |label: &str| {
            let edges = [label.bytes().next(), label.bytes().last()];
            label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && edges.into_iter().all(edge)
        };
        prefix.len() <= 253 && prefix.split('.').all(label)
    };
    prefix.is_none_or(dns)
        && (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && edges.into_iter().all(edge)
}

#[test]
fn a_name_has_the_keys_that_go_micro_computes() {
    for (service, name) in [
        ("greeter", "greeter"),
        ("go.micro.srv.greeter", "go.micro.srv.greeter"),
        ("topic:MyTopic", "topic_MyTopic"),
        ("héllo", "h__llo"),
        ("héllo<&>x", "h__llo___x"),
        ("a/b", "a_b"),
        ("a:b", "a_b"),
        ("a b", "a_b"),
        (LONGEST, LONGEST),
    ] {
        let expected = Keys {
            type_label: "micro.mu/type",
            selector_label: format!("micro.mu/selector-{name}"),
            annotation: format!("micro.mu/service-{name}"),
        };
        assert_eq!(Scheme::MicroMu.keys(service), Ok(expected));
        let expected = Keys {
            type_label: "micro",
            selector_label: format!("go.micro/{name}"),
            annotation: format!("go.micro/{name}"),
        };
        assert_eq!(Scheme::GoMicro.keys(service), Ok(expected));
    }
}

/// The names that a real API server (v1.36.3) answered with 422, and their neighbours.
#[test]
fn a_name_is_refused_where_the_api_server_would() {
    let [xs_55, xs_56, xs_63, xs_64] = [55, 56, 63, 64].map(|length| "x".repeat(length));
    for (service, micro_mu, go_micro) in [
        ("topic:", false, false),
        ("topic_", false, false),
        ("trail-", false, false),
        ("日本", false, false),
        ("-lead", true, false),
        (".", false, false),
        ("", false, false),
        (LONGEST, true, true),
        (&xs_55, false, true),
        (&xs_56, false, true),
        (&xs_63, false, true),
        (&xs_64, false, false),
    ] {
        let accepted = Scheme::ALL.map(|scheme| scheme.keys(service).is_ok());
        assert_eq!(accepted, [micro_mu, go_micro], "{service:?}");
    }
}

#[test]
fn a_refusal_names_the_key_its_length_and_the_limit() {
    let xs = "x".repeat(55);
    for (scheme, service, expected) in [
        (
            Scheme::MicroMu,
            "topic:",
            "the service name \"topic:\" becomes the label \"micro.mu/selector-topic_\", which has 15 bytes after the slash where Kubernetes allows 63; they must begin and end with a letter or a digit".to_owned(),
        ),
        (
            Scheme::GoMicro,
            "",
            "the service name \"\" becomes the label \"go.micro/\", which has 0 bytes after the slash where Kubernetes allows 63; they must begin and end with a letter or a digit".to_owned(),
        ),
        (
            Scheme::MicroMu,
            &xs,
            format!("the service name \"{xs}\" becomes the label \"micro.mu/selector-{xs}\", which has 64 bytes after the slash where Kubernetes allows 63; shorten the name to 54 bytes"),
        ),
    ] {
        let refusal = scheme.keys(service).expect_err("must be refused");
        assert_eq!(refusal.to_string(), expected);
    }
    let refusal = Scheme::GoMicro.keys(&"x".repeat(64)).unwrap_err();
    assert!(
        refusal
            .to_string()
            .ends_with("shorten the name to 63 bytes")
    );
}

#[test]
fn a_key_is_recognised_by_its_prefix() {
    let all = [
        ("micro.mu/service-greeter", Some("greeter"), None),
        ("micro.mu/selector-greeter", None, None),
        ("micro.mu/type", None, None),
        ("go.micro/greeter", None, Some("greeter")),
        ("micro", None, None),
        ("micro.mu/service-", Some(""), None),
        ("example.com/micro.mu/service-x", None, None),
    ];
    for (key, micro_mu, go_micro) in all {
        assert_eq!(Scheme::MicroMu.service_of_annotation(key), micro_mu);
        assert_eq!(Scheme::GoMicro.service_of_annotation(key), go_micro);
        assert_eq!(Scheme::MicroMu.is_annotation(key), micro_mu.is_some());
    }
    assert!(Scheme::MicroMu.is_selector_label("micro.mu/selector-greeter"));
    assert!(!Scheme::MicroMu.is_selector_label("micro.mu/type"));
    assert!(Scheme::GoMicro.is_selector_label("go.micro/greeter"));
    assert!(!Scheme::GoMicro.is_selector_label("micro"));
}

#[test]
fn the_flag_takes_three_values() {
    for (text, schemes) in [
        ("micro.mu", &[Scheme::MicroMu][..]),
        ("go.micro", &[Scheme::GoMicro]),
        ("both", &[Scheme::MicroMu, Scheme::GoMicro]),
    ] {
        let read: Schemes = text.parse().expect("must be accepted");
        assert_eq!(read.schemes(), schemes);
        assert_eq!(read.to_string(), text);
    }
    for text in ["", "Both", "micro", "micro.mu,go.micro"] {
        let refusal = text.parse::<Schemes>().expect_err(text);
        assert_eq!(refusal.to_string(), "expected micro.mu, go.micro or both");
    }
}

proptest! {
    #[test]
    fn mapping_goes_by_bytes(service in "\\PC{0,80}") {
        let expected: Vec<u8> = service
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => *byte,
                _ => b'_',
            })
            .collect();
        prop_assert_eq!(mapped(&service).into_bytes(), expected);
    }

    #[test]
    fn accepted_names_have_valid_keys_and_no_others(service in "[-a-zA-Z0-9_.:/é]{0,70}") {
        for scheme in Scheme::ALL {
            let name = mapped(&service);
            let selector = format!("{}{name}", scheme.selector_prefix());
            let annotation = format!("{}{name}", scheme.annotation_prefix());
            let valid = is_valid(&selector) && is_valid(&annotation);
            let keys = scheme.keys(&service);
            prop_assert_eq!(keys.is_ok(), valid, "{} {:?}", scheme, service);
            if let Ok(keys) = keys {
                prop_assert_eq!(scheme.service_of_annotation(&keys.annotation), Some(&*name));
                prop_assert!(scheme.is_selector_label(&keys.selector_label));
                prop_assert!(is_valid(keys.type_label));
            }
        }
    }
}
