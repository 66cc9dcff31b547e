use super::*;

const SENTENCE: &str = "pods \"own-0\" is forbidden: User \"system:serviceaccount:demo:greeter\" cannot patch resource \"pods\" in API group \"\" in the namespace \"prod\"";

fn account(namespace: &str, name: &str) -> Subject {
    Subject::ServiceAccount {
        namespace: namespace.into(),
        name: name.into(),
    }
}

#[test]
fn the_sentence_names_subject_verb_resource_and_namespace() {
    let text = |text: &str| Some(text.to_owned());
    for (sentence, verb, resource, subject, namespace) in [
        (
            SENTENCE,
            text("patch"),
            text("pods"),
            Some(account("demo", "greeter")),
            "prod",
        ),
        (
            "pods is forbidden: User \"system:serviceaccount:demo:greeter\" cannot list resource \"pods\" in API group \"\" in the namespace \"demo\"",
            text("list"),
            text("pods"),
            Some(account("demo", "greeter")),
            "demo",
        ),
        (
            "pods is forbidden: User \"jane@example.com\" cannot watch resource \"pods\" in API group \"\" in the namespace \"demo\": RBAC: role \"x\" not found",
            text("watch"),
            text("pods"),
            Some(Subject::User("jane@example.com".into())),
            "demo",
        ),
        (
            "pods \"g\" is forbidden: User \"system:serviceaccount:demo:greeter\" cannot patch resource \"pods/status\" in API group \"\" in the namespace \"demo\"",
            text("patch"),
            text("pods/status"),
            Some(account("demo", "greeter")),
            "demo",
        ),
        ("forbidden", None, None, None, "here"),
        ("", None, None, None, "here"),
        (
            "User \"x cannot \" resource \" in the namespace",
            None,
            None,
            None,
            "here",
        ),
        ("nobody cannot 7 resource pods", None, None, None, "here"),
    ] {
        let missing = MissingPermission::read(sentence, "here");
        let expected = MissingPermission {
            sentence: sentence.into(),
            verb,
            resource,
            subject,
            namespace: namespace.into(),
        };
        assert_eq!(missing, expected);
    }
}

#[test]
fn a_403_is_shown_with_the_role_that_grants_the_verb() {
    let expected = format!(
        "\
{SENTENCE}
missing verb: patch on pods; this Role and RoleBinding grant what is needed:
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: micro-registry
  namespace: prod
rules:
- apiGroups: [\"\"]
  resources: [pods]
  verbs: [list, patch, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: micro-registry-greeter
  namespace: prod
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: micro-registry
subjects:
- kind: ServiceAccount
  name: greeter
  namespace: demo"
    );
    assert_eq!(
        MissingPermission::read(SENTENCE, "prod").to_string(),
        expected
    );
}

#[test]
fn a_part_that_the_sentence_lacks_stays_empty() {
    let missing = MissingPermission::read("no", "demo").to_string();
    let begin = "no\nthis Role and RoleBinding grant what is needed:\n";
    assert!(missing.starts_with(begin), "{missing}");
    assert!(missing.contains("verbs: [list, patch, watch]"));
    assert!(
        missing.ends_with("name: default\n  namespace: demo"),
        "{missing}"
    );
    // A role for pods would not help.
    let status = SENTENCE.replace("resource \"pods\"", "resource \"pods/status\"");
    assert_eq!(MissingPermission::read(&status, "demo").to_string(), status);
    assert_eq!(help(&status, "demo"), "");
}

#[test]
fn a_further_verb_is_granted_with_the_others() {
    for (verb, verbs) in [
        ("delete", "verbs: [list, patch, watch, delete]"),
        // A list of one name does.
        ("get", "verbs: [list, patch, watch]"),
    ] {
        let sentence = SENTENCE.replace("cannot patch", &format!("cannot {verb}"));
        let help = help(&sentence, "demo");
        assert!(
            help.starts_with(&format!("missing verb: {verb} on pods; ")),
            "{help}"
        );
        assert!(help.contains(verbs), "{help}");
    }
}

#[test]
fn names_are_quoted_where_yaml_would_take_them_for_something_else() {
    for (name, expected) in [
        ("greeter", "greeter"),
        ("go-greeter", "go-greeter"),
        ("007", "\"007\""),
        ("1e3", "\"1e3\""),
        ("true", "\"true\""),
        ("no", "\"no\""),
        ("a.b", "\"a.b\""),
        ("-", "\"-\""),
        ("", "\"\""),
    ] {
        assert_eq!(quoted(name), expected);
    }
    let yaml = role("demo", &Subject::User("a: \"b\"\nc".into()), &["get"]);
    assert!(yaml.contains(
        "kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: \"a: \\\"b\\\"\\nc\"\n"
    ));
    assert!(yaml.contains("name: micro-registry-user\n"));
}

#[test]
fn a_subject_is_shown_as_the_server_names_it() {
    for user in [
        "system:serviceaccount:demo:greeter",
        "system:anonymous",
        "jane",
    ] {
        assert_eq!(Subject::named(user).to_string(), user);
    }
}
