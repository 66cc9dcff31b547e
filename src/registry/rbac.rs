//! What the API server has to allow us, ready to apply. Pure.

use std::fmt::Write as _;

/// The verbs on pods that a registration needs: the seed's own Role.
pub const REGISTER: [&str; 3] = ["list", "patch", "watch"];

/// A Role with these verbs on pods, and its binding.
pub fn role(namespace: &str, service_account: &str, verbs: &[&str]) -> String {
    let verbs = verbs.join(", ");
    format!(
        "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: micro-registry
  namespace: {namespace}
rules:
- apiGroups: [\"\"]
  resources: [pods]
  verbs: [{verbs}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: micro-registry
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: micro-registry
subjects:
- kind: ServiceAccount
  name: {service_account}
  namespace: {namespace}
"
    )
}

/// What is missing, by the server's own sentence, and the Role that gives it.
pub fn help(sentence: &str, namespace: &str) -> String {
    let mut help = String::new();
    let between = |before: &str, after: &str| {
        let rest = sentence.split_once(before)?.1;
        Some(rest.split_once(after)?.0)
    };
    let verb = between("cannot ", " ");
    if let Some(verb) = verb {
        let _ = write!(help, "missing verb: {verb} on pods; ");
    }
    // system:serviceaccount:NAMESPACE:NAME
    let account = between("User \"system:serviceaccount:", "\"");
    let (_, name) = account
        .and_then(|it| it.split_once(':'))
        .unwrap_or(("", "default"));
    let mut verbs = REGISTER.to_vec();
    verbs.extend(verb.filter(|verb| *verb != "get" && !REGISTER.contains(verb)));
    let _ = write!(
        help,
        "this Role and RoleBinding give what is needed:\n{}",
        role(namespace, name, &verbs)
    );
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_sentence_names_the_verb_and_the_account() {
        let sentence = "pods \"micro-web-79545546b4-p5vbt\" is forbidden: User \"system:serviceaccount:default:greeter\" cannot patch resource \"pods\" in API group \"\" in the namespace \"default\"";
        let help = help(sentence, "default");
        assert!(help.starts_with("missing verb: patch on pods; "), "{help}");
        assert!(
            help.contains("verbs: [list, patch, watch]\n")
                && help.contains("name: greeter\n  namespace: default\n"),
            "{help}"
        );
    }

    #[test]
    fn a_sentence_of_another_kind_still_gets_a_role() {
        let help = help("no", "demo");
        assert!(
            help.contains("kind: RoleBinding")
                && help.contains("name: default\n  namespace: demo\n"),
            "{help}"
        );
    }
}
