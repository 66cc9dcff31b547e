//! `--output`: the form of an answer.

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// Lines or a table, for people and shells.
    #[default]
    #[value(alias = "table")]
    Text,
    /// JSON, for programs: one object, and one on each line if several follow.
    Json,
}
