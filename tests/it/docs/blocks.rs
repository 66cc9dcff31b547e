//! The blocks of commands: CI runs each one, or the block has a reason not to be run.

use super::{pages, read};

/// The comment before a block that names the level that runs it.
const RUN: &str = "<!-- run by: ";

/// The comment before a block that gives the reason why it is not run.
const NOT_RUN: &str = "<!-- not run: ";

/// The levels that run blocks: recipes of the justfile, each a level of .ci/run.
const LEVELS: [&str; 6] = ["test", "demo", "image", "registry", "interop", "docs"];

#[test]
fn every_block_of_commands_is_run_or_has_a_reason() {
    let mut unsaid = Vec::new();
    for page in pages() {
        let text = read(&page);
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_command = matches!(*line, "```sh" | "```console" | "```bash");
            if is_command
                && !number
                    .checked_sub(1)
                    .is_some_and(|before| names_level_or_reason(lines[before]))
            {
                unsaid.push(format!("{page}:{}", number + 1));
            }
        }
    }
    assert!(
        unsaid.is_empty(),
        "no comment `{RUN}LEVEL -->` or `{NOT_RUN}why -->` before {unsaid:#?}"
    );
}

fn names_level_or_reason(line: &str) -> bool {
    let Some(comment) = line.strip_suffix(" -->") else {
        return false;
    };
    let levels = comment.strip_prefix(RUN);
    levels.is_some_and(|levels| levels.split(", ").all(|level| LEVELS.contains(&level)))
        || comment
            .strip_prefix(NOT_RUN)
            .is_some_and(|why| why.len() > 10)
}
