//! `--output`: the form of an answer.

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// For people and shells: lines, or a table.
    #[default]
    #[value(alias = "table")]
    Text,
    /// For programs: one JSON object, on one line each when several follow.
    Json,
}
