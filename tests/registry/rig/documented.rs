//! The kubectl commands of the manifests' comments and of their README, run as they are written.

use testkit::cluster::Namespace;
use tokio::sync::Mutex;

/// A line that is continued ends with this.
const CONTINUED: char = '\\';

/// Returns the kubectl commands in a text, whose lines may be those of a comment.
pub fn commands(text: &str) -> Vec<String> {
    let mut lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let mut commands = Vec::new();
    while let Some(line) = lines.next() {
        if !line.starts_with("kubectl ") {
            continue;
        }
        let mut command = line.to_owned();
        while let Some(begin) = command.strip_suffix(CONTINUED) {
            let next = lines.next().expect("a continued line must have a next one");
            command = format!("{begin}{next}");
        }
        commands.push(command);
    }
    commands
}

/// Returns the commands of the comment with which a file of k8s/ begins.
pub fn commands_of(file: &str) -> Vec<String> {
    let path = format!("k8s/{file}");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let is_comment = |line: &&str| line.starts_with('#');
    let comment: Vec<_> = text.lines().take_while(is_comment).collect();
    let commands = commands(&comment.join("\n"));
    assert!(!commands.is_empty(), "{path} must say how to apply it");
    commands
}

/// Runs kubectl commands as an operator in the project's folder. The files are not changed. The
/// names that a reader puts in are `NAMESPACE`, `ACCOUNT_NAMESPACE` and `ACCOUNT`.
pub async fn run(commands: &[String], namespace: &Namespace, account: &str) {
    // The tests share what belongs to the cluster, and kubectl creates it if it is not there.
    static ONE: Mutex<()> = Mutex::const_new(());
    let _one = ONE.lock().await;
    for command in commands {
        let words: Vec<_> = command.split_whitespace().skip(1).collect();
        let words: Vec<_> = words
            .into_iter()
            .map(|word| {
                word.replace("ACCOUNT_NAMESPACE", &namespace.name)
                    .replace("NAMESPACE", &namespace.name)
                    .replace("ACCOUNT", account)
            })
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let output = namespace.api.kubectl(&words, "").await;
        output.unwrap_or_else(|why| panic!("{command}: {why}"));
    }
}

/// Runs the commands of a file for an account of this namespace.
pub async fn apply(file: &str, namespace: &Namespace, account: &str) {
    run(&commands_of(file), namespace, account).await;
}
