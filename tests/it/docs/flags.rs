//! The page docs/flags.md, which is the output of `--help` for each command.

use std::fmt::Write as _;
use std::process::Command;

use super::compare;

use crate::PROGRAM;

const COMMANDS: [&str; 12] = [
    "",
    "probe",
    "registry list",
    "registry get",
    "registry watch",
    "registry register",
    "registry deregister",
    "registry check",
    "resolve",
    "config get",
    "config dump",
    "services",
];

const HEAD: &str = "\
# Flags

What `--help` prints, for every command, as the build with all features has it. The variable of a flag stands in brackets. `-server_name`,
`--server-name` and `--server_name` are one flag, a flag wins over its variable, and durations are Go's: `900ms`, `1m30s`.

This page is generated, and `cargo test` holds it against the code.
";

#[test]
fn the_page_of_flags_is_what_help_prints() {
    let mut page = HEAD.to_owned();
    for command in COMMANDS {
        let name = format!("health {command}");
        let help = help(command);
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        write!(
            page,
            "\n## `{}`\n\n```text\n{}\n```\n",
            name.trim_end(),
            help.join("\n").trim_end()
        )
        .unwrap();
    }
    compare("docs/flags.md", &page);
}

fn help(command: &str) -> String {
    let output = Command::new(PROGRAM)
        .args(command.split_whitespace())
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "health {command} --help: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}
