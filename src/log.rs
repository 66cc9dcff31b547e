//! The log: stderr, one line an event, text or JSON.

use std::io;

use tracing::level_filters::LevelFilter;

/// How to log.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The log")]
pub struct Options {
    /// One line of text or one JSON object for each event
    #[arg(long = "log_format", value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,

    /// off, error, warn, info, debug or trace
    #[arg(long = "log_level", value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub log_level: LevelFilter,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

// === impl Options ===

impl Options {
    /// Logs to stderr from now on. A second call changes nothing.
    pub fn init(&self) {
        let builder = tracing_subscriber::fmt()
            .with_max_level(self.log_level)
            .with_target(false)
            .with_writer(io::stderr);
        let _ = match self.log_format {
            Format::Text => builder.try_init(),
            Format::Json => builder.json().try_init(),
        };
    }
}

fn level(text: &str) -> Result<LevelFilter, &'static str> {
    text.parse()
        .map_err(|_| "expected off, error, warn, info, debug or trace")
}
