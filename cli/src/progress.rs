//! Shows the progress of long work: a line on a terminal, nothing in a pipe.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Redraw interval while nothing is counted.
const TICK: Duration = Duration::from_millis(100);

/// One piece of long work; its line disappears when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Step(Option<Arc<Line>>);

#[derive(Debug)]
struct Line(ProgressBar);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Step {
    /// Returns a step without a progress line.
    pub(crate) const fn silent() -> Self {
        Self(None)
    }

    /// Starts a step that shows `what`, if standard error is a terminal.
    pub(crate) fn start(what: String) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::silent();
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(style("{spinner} {msg}  {elapsed}"));
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        Self(Some(Arc::new(Line(bar))))
    }

    /// Returns true if there is a line to be seen.
    pub(crate) const fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Shows other words from now on.
    pub(crate) fn say(&self, what: String) {
        if let Some(line) = &self.0 {
            line.0.set_message(what);
        }
    }

    /// Sets how many bytes will move, if known.
    pub(crate) fn expect(&self, bytes: Option<u64>) {
        let Some(line) = &self.0 else { return };
        match bytes {
            Some(bytes) => {
                line.0.set_length(bytes);
                line.0.set_style(style(
                    "{spinner} {msg}  {bar:20} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
                ));
            }
            None => line
                .0
                .set_style(style("{spinner} {msg}  {bytes}, {bytes_per_sec}, {elapsed}")),
        }
    }

    /// Counts bytes that moved.
    pub(crate) fn add(&self, bytes: u64) {
        if let Some(line) = &self.0 {
            line.0.inc(bytes);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
