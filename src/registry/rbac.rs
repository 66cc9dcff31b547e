//! The permission that a 403 of the API server names, and the YAML that grants it. Pure.
//!
//! The server's sentence, as v1.36 writes it, names the user, the verb, the resource and the
//! namespace:
//!
//! ```text
//! pods "g-0" is forbidden: User "system:serviceaccount:demo:greeter" cannot patch
//! resource "pods" in API group "" in the namespace "demo"
//! ```
//!
//! The sentence is written for people and changes between versions. A part that is not found stays
//! `None`, and the sentence itself is always shown.

use std::fmt;

/// The parts of the server's sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MissingPermission {
    /// The whole sentence.
    pub sentence: String,
    /// The verb that is forbidden, such as `patch`.
    pub verb: Option<String>,
    /// The resource on which the verb is forbidden, such as `pods`.
    pub resource: Option<String>,
    /// The user or the service account that lacks the permission.
    pub subject: Option<Subject>,
    /// The namespace in the sentence, or the namespace of the request if the sentence has none.
    pub namespace: String,
}

/// The subject that a role is bound to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// The service account of a pod.
    ServiceAccount {
        /// The namespace of the account.
        namespace: String,
        /// The name of the account.
        name: String,
    },
    /// A user of any other kind, by name.
    User(String),
}

/// The verbs on pods that a registry needs: `list` and `watch` to read, `patch` to write. The Role
/// in go-micro's own documentation has these three.
pub(crate) const VERBS: [&str; 3] = ["list", "patch", "watch"];

/// The prefix by which the API server names a service account.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Returns the help for a 403 in this namespace, read from the server's sentence.
pub(crate) fn help(sentence: &str, namespace: &str) -> String {
    MissingPermission::read(sentence, namespace).help()
}

/// Returns a Role for the pods of a namespace and its binding, ready for `kubectl apply -f -`.
pub(crate) fn role(namespace: &str, subject: &Subject, verbs: &[&str]) -> String {
    let verbs = verbs.join(", ");
    // Each subject gets its own binding: applying one must not remove the role from another.
    let (binding, subject) = match subject {
        Subject::ServiceAccount { namespace, name } => (
            format!("micro-registry-{name}"),
            format!(
                "kind: ServiceAccount\n  name: {}\n  namespace: {}",
                quoted(name),
                quoted(namespace)
            ),
        ),
        Subject::User(name) => (
            "micro-registry-user".to_owned(),
            format!(
                "kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: {}",
                quoted(name)
            ),
        ),
    };
    let (binding, namespace) = (quoted(&binding), quoted(namespace));
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
  name: {binding}
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: micro-registry
subjects:
- {subject}
"
    )
}

/// Returns a text as YAML takes it: names of Kubernetes as they are, all others in JSON's quotes.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let is_plain = text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_lowercase());
    // YAML 1.1 takes these words for booleans or null.
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text);
    if is_plain && !is_word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

// === impl MissingPermission ===

impl MissingPermission {
    /// Reads the server's sentence about a request in this namespace.
    pub fn read(sentence: &str, namespace: &str) -> Self {
        let after = |word: &str| sentence.split_once(word).map(|(_, rest)| rest);
        let quoted = |word: &str| {
            let text = after(word)?.strip_prefix('"')?;
            text.split_once('"').map(|(text, _)| text.to_owned())
        };
        let verb = after(" cannot ").and_then(|rest| rest.split(' ').next());
        let verb = verb.filter(|verb| verb.bytes().all(|byte| byte.is_ascii_lowercase()));
        Self {
            sentence: sentence.to_owned(),
            verb: verb.filter(|verb| !verb.is_empty()).map(str::to_owned),
            resource: quoted(" resource "),
            subject: quoted(" User ").as_deref().map(Subject::named),
            namespace: quoted(" in the namespace ").unwrap_or_else(|| namespace.to_owned()),
        }
    }

    /// Returns the YAML that grants the missing verb and what a registry needs besides. Returns
    /// `None` for a resource other than pods.
    pub fn role(&self) -> Option<String> {
        if self.resource.as_ref().is_some_and(|it| it != "pods") {
            return None;
        }
        let mut verbs = VERBS.to_vec();
        // A pod that must not be read by `get` can be listed by its name.
        let more = |verb: &&str| *verb != "get" && !VERBS.contains(verb);
        verbs.extend(self.verb.as_deref().filter(more));
        let subject = self.subject.clone();
        let subject = subject.unwrap_or_else(|| Subject::unknown(&self.namespace));
        Some(role(&self.namespace, &subject, &verbs))
    }

    /// Returns the missing verb and the Role that grants it. Empty for a resource other than pods.
    pub fn help(&self) -> String {
        let Some(role) = self.role() else {
            return String::new();
        };
        let verb = self.verb.as_ref();
        let verb = verb.map(|verb| format!("missing verb: {verb} on pods; "));
        let verb = verb.unwrap_or_default();
        format!("{verb}this Role and RoleBinding grant what is needed:\n{role}")
    }
}

impl fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}\n{}", self.sentence, self.help());
        f.write_str(text.trim_end())
    }
}

// === impl Subject ===

impl Subject {
    /// Reads a user name as the API server writes it.
    pub fn named(user: &str) -> Self {
        let account = user.strip_prefix(SERVICE_ACCOUNT);
        match account.and_then(|account| account.split_once(':')) {
            Some((namespace, name)) => Self::ServiceAccount {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            },
            None => Self::User(user.to_owned()),
        }
    }

    /// Returns the account `default`, which a pod has if it names no other.
    pub fn unknown(namespace: &str) -> Self {
        Self::ServiceAccount {
            namespace: namespace.to_owned(),
            name: "default".to_owned(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount { namespace, name } => {
                write!(f, "{SERVICE_ACCOUNT}{namespace}:{name}")
            }
            Self::User(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
