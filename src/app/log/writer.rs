//! The log's writer: one event, one line, one write.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::text::printable;

/// Writes each event to stderr. Replaces every control character but the final line end by a
/// space, so that a name from an operator or a peer cannot split the line or control a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<W>(pub(super) W);

/// The writer of one event.
#[derive(Debug)]
pub(super) struct Line<W>(W);

// === impl Lines ===

impl<'a, F, W> MakeWriter<'a> for Lines<F>
where
    F: Fn() -> W,
    W: Write,
{
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line((self.0)())
    }
}

// === impl Line ===

impl<W: Write> Write for Line<W> {
    /// Writes a whole event, as the formatter passes it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(line(event).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn line(event: &[u8]) -> String {
    let event = String::from_utf8_lossy(event);
    let text = event.strip_suffix('\n').unwrap_or(&event);
    let mut line = printable(text).into_owned();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    /// The bytes of every write.
    #[derive(Clone, Debug, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_with_any_text_is_one_line_and_one_write() {
        for text in [
            "plain",
            "a\nINFO forged",
            "a\r\n\u{1b}[2Jb",
            "c1 \u{9b}31m \u{85} x",
            "tab\tnull\0del\u{7f}",
            "ends with a line end\n",
        ] {
            for is_json in [false, true] {
                let writes = Writes::default();
                let kept = writes.clone();
                let layer =
                    tracing_subscriber::fmt::layer().with_writer(Lines(move || kept.clone()));
                let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = if is_json {
                    Box::new(layer.json())
                } else {
                    Box::new(layer)
                };
                let subscriber = tracing_subscriber::registry().with(layer);
                tracing::subscriber::with_default(subscriber, || {
                    tracing::info!(server_name = %text, quoted = ?text, plain = text, "About {text}");
                });
                let writes = writes.0.lock().unwrap().clone();
                assert_eq!(writes.len(), 1, "{text:?} {writes:?}");
                let line = String::from_utf8(writes[0].clone()).unwrap();
                let content = line.strip_suffix('\n').unwrap();
                assert!(!content.contains(char::is_control), "{line:?}");
                if is_json {
                    serde_json::from_str::<serde_json::Value>(content).unwrap();
                }
            }
        }
    }
}
