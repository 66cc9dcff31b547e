//! The two streams that a command writes to.

use std::fmt;
use std::io::Write;

use super::exit::DONE;

/// The two streams that a command writes to.
pub struct Console<'a> {
    /// The standard output, for the answer.
    pub out: &'a mut dyn Write,
    /// The standard error, for errors and warnings.
    pub err: &'a mut dyn Write,
}

// === impl Console ===

impl Console<'_> {
    /// Prints clap's refusal or help, and returns the exit code.
    pub fn refuse(&mut self, refusal: &clap::Error, usage: u8) -> u8 {
        let is_refusal = refusal.use_stderr();
        let to = if is_refusal {
            &mut self.err
        } else {
            &mut self.out
        };
        let _ = write!(to, "{}", refusal.render());
        if is_refusal { usage } else { DONE }
    }
}

impl fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}
