//! What is missing when the API server says 403, and the YAML that grants it. Pure.
//!
//! The server's sentence, as v1.36 writes it, tells who may not do what where:
//!
//! ```text
//! pods "g-0" is forbidden: User "system:serviceaccount:demo:greeter" cannot patch
//! resource "pods" in API group "" in the namespace "demo"
//! ```
//!
//! It is a text for people and changes between versions, so whatever is not found in it
//! is left open, and the sentence itself is always shown.

use std::fmt;

/// What the server's sentence says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// The sentence.
    pub sentence: String,
    /// What may not be done.
    pub verb: Option<String>,
    /// What it may not be done to.
    pub resource: Option<String>,
    /// Who may not.
    pub subject: Option<Subject>,
    /// Where; where we asked, if the sentence does not say.
    pub namespace: String,
}

/// To whom a role is given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// The service account of a pod.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Anybody else.
    User(String),
}

/// What a registry needs: read by the first two, and write by the third. The Role of
/// go-micro's own documentation has the same.
pub const VERBS: [&str; 3] = ["list", "patch", "watch"];

/// How the server names a service account.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// What to do about a 403 in this namespace, by the server's sentence.
pub fn help(sentence: &str, namespace: &str) -> String {
    Missing::read(sentence, namespace).help()
}

/// A Role for the pods of a namespace and its binding, ready for `kubectl apply -f -`.
pub fn role(namespace: &str, subject: &Subject, verbs: &[&str]) -> String {
    let verbs = verbs.join(", ");
    // A binding of its own for each subject: applying one must not take the role from
    // another.
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

/// A text as YAML takes it: names of Kubernetes as they are, all others in JSON's quotes.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let is_plain = text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_lowercase());
    // What YAML 1.1 takes for something else than a text.
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text);
    if is_plain && !is_word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

// === impl Missing ===

impl Missing {
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

    /// The YAML that grants what is missing, and what a registry needs besides; `None`
    /// for what is not about pods.
    pub fn role(&self) -> Option<String> {
        if self.resource.as_ref().is_some_and(|it| it != "pods") {
            return None;
        }
        let mut verbs = VERBS.to_vec();
        // Where a pod may not be got, it can be listed by its name.
        let more = |verb: &&str| *verb != "get" && !VERBS.contains(verb);
        verbs.extend(self.verb.as_deref().filter(more));
        let subject = self.subject.clone();
        let subject = subject.unwrap_or_else(|| Subject::unknown(&self.namespace));
        Some(role(&self.namespace, &subject, &verbs))
    }

    /// What to do about it; nothing for what is not about pods.
    pub fn help(&self) -> String {
        let Some(role) = self.role() else {
            return String::new();
        };
        let verb = self.verb.as_ref();
        let verb = verb.map(|verb| format!("missing verb: {verb} on pods; "));
        let verb = verb.unwrap_or_default();
        format!("{verb}this Role and RoleBinding give what is needed:\n{role}")
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}\n{}", self.sentence, self.help());
        f.write_str(text.trim_end())
    }
}

// === impl Subject ===

impl Subject {
    /// Reads the name of a user as the server has it.
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

    /// The account that pods have which name none.
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
