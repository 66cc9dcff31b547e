//! The log on stderr: one line for each event, text or JSON.
//!
//! Events of other crates are left out: kube logs an answer that it cannot parse, which is a
//! whole pod, and h2 logs every header.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::writer::Lines;

mod writer;

/// The options of the log.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The log")]
pub struct Options {
    /// The form of each log event: one line of text, or one JSON object
    #[arg(long = "log_format", value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,

    /// The least important level to log: off, error, warn, info, debug or trace
    #[arg(long = "log_level", value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub log_level: LevelFilter,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Lines of text, for people.
    Text,
    /// JSON objects, for programs.
    Json,
}

// === impl Options ===

impl Options {
    /// Starts the log on stderr. A second call changes nothing.
    pub fn init(&self) {
        let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), self.log_level);
        let layer = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_writer(Lines(io::stderr));
        let layer = match self.log_format {
            Format::Text => layer.boxed(),
            Format::Json => layer.json().boxed(),
        };
        let _ = tracing_subscriber::registry()
            .with(layer.with_filter(ours))
            .try_init();
    }
}

fn level(text: &str) -> Result<LevelFilter, &'static str> {
    text.parse()
        .map_err(|_| "expected off, error, warn, info, debug or trace")
}
