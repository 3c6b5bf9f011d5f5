//! Shows the progress of long work: a line on a terminal, nothing in a pipe.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use starling_api::SiteService;
use starling_api_types::{Health, Opening, OpeningWork};
use starling_daemon::OpeningWatcher;

use crate::session::note;

/// Redraw interval while nothing is counted.
const TICK: Duration = Duration::from_millis(100);
/// Pause between two questions how far the work is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Where there is no line to be seen, a wait is stated after this time, and again after each pause.
const FIRST_SAID: Duration = Duration::from_secs(1);
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A wait for something: the step's line on a terminal shows it, else a sentence on standard error does, now and then.
#[derive(Debug)]
pub(crate) struct Waiting {
    next: Instant,
}

impl Waiting {
    /// Begins a wait.
    pub(crate) fn start() -> Self {
        Self {
            next: Instant::now() + FIRST_SAID,
        }
    }

    /// States what is waited for.
    pub(crate) fn say(&mut self, step: &Step, what: impl FnOnce() -> String) {
        if step.is_shown() {
            step.say(what());
        } else if self.is_due(Instant::now()) {
            note(&what());
        }
    }

    /// Returns true if a sentence is due.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now + SAID_EVERY;
        }
        is_due
    }
}

/// One piece of long work; its line disappears when the step is dropped. Clones count what moves on the same line, and
/// may live longer.
#[derive(Debug)]
pub(crate) struct Step {
    bar: Option<ProgressBar>,
    is_clone: bool,
}

impl Clone for Step {
    fn clone(&self) -> Self {
        Self {
            bar: self.bar.clone(),
            is_clone: true,
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.as_ref().filter(|_| !self.is_clone) {
            bar.finish_and_clear();
        }
    }
}

impl Step {
    /// Returns a step without a progress line.
    pub(crate) const fn silent() -> Self {
        Self {
            bar: None,
            is_clone: false,
        }
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
        Self {
            bar: Some(bar),
            is_clone: false,
        }
    }

    /// Returns true if there is a line to be seen.
    pub(crate) const fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows other words from now on.
    pub(crate) fn say(&self, what: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        }
    }

    /// Sets how many bytes will move, if known.
    pub(crate) fn expect(&self, bytes: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        match bytes {
            Some(bytes) => {
                bar.set_length(bytes);
                bar.set_style(style(
                    "{spinner} {msg}  {bar:20} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
                ));
            }
            None => bar.set_style(style("{spinner} {msg}  {bytes}, {bytes_per_sec}, {elapsed}")),
        }
    }

    /// Shows how far the work is; as long as the whole is unknown, what is done.
    pub(crate) fn amount(&self, what: &str, done: u64, of: u64) {
        let Some(bar) = &self.bar else { return };
        if bar.message() != what {
            bar.set_message(what.to_owned());
            bar.reset_eta();
        }
        if of == 0 {
            bar.set_style(style("{spinner} {msg}  {elapsed}"));
            return;
        }
        bar.set_length(of);
        bar.set_position(done.min(of));
        bar.set_style(style("{spinner} {msg}  {bar:20} {percent} %, {eta} left"));
    }

    /// Does `work`, and shows meanwhile how far the site says it is.
    pub(crate) async fn follow<T>(&self, site: &dyn SiteService, work: impl Future<Output = T>) -> T {
        if !self.is_shown() {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if let Ok(Health { work: Some(now), .. }) = site.health().await {
                        self.amount(&capitalised(&now.what), now.done, now.of);
                    }
                }
            }
        }
    }

    /// Returns what shows how far the opening of a store is.
    pub(crate) fn watcher(&self) -> OpeningWatcher {
        let step = self.clone();
        OpeningWatcher(Arc::new(move |now: Opening| {
            let what = match now.work {
                OpeningWork::Opening | OpeningWork::Unknown => "Opening the store",
                OpeningWork::Migrating => "Migrating the store",
                OpeningWork::Rebuilding => "Rebuilding the engine from the log",
            };
            step.amount(what, now.groups, now.of_groups);
        }))
    }

    /// Counts bytes that moved.
    pub(crate) fn add(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }
}

fn capitalised(what: &str) -> String {
    let mut chars = what.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_stated_once_and_then_at_long_intervals() {
        let mut waiting = Waiting::start();
        let begun = waiting.next;
        assert!(!waiting.is_due(begun - Duration::from_millis(1)));
        assert!(waiting.is_due(begun));
        assert!(!waiting.is_due(begun + SAID_EVERY / 2));
        assert!(waiting.is_due(begun + SAID_EVERY));
    }
}
