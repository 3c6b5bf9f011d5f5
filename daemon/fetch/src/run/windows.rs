//! Fetches the pages of an API that is queried for spans of time.
//!
//! Each window that was read to its end moves the position, so a run that breaks off keeps what it has. Windows overlap
//! what was read before, because servers write changes late.

use std::time::Duration;

use super::pages::time_text;
use super::{Executor, millis};
use crate::error::FetchError;
use crate::plan::WindowsStep;

/// Longest time without a change of the source before that is reported.
const QUIET: Duration = Duration::from_secs(7 * 24 * 3600);

impl Executor<'_> {
    pub(super) async fn windows_step(&mut self, step: &WindowsStep) -> Result<(), FetchError> {
        let id = &step.pages.id;
        let mut end_ms = self.began_ms;
        let mark = self.window_mark(id);
        let mut from_ms = match mark {
            Some(mark_ms) => {
                self.is_complete = false;
                mark_ms.saturating_sub(millis(step.overlap)).max(step.begin_ms)
            }
            None => {
                self.new.counts.remove(id);
                step.begin_ms
            }
        };
        let first_ms = from_ms;
        let (mut done, mut items) = (0_u64, 0_u64);
        let mut is_caught_up = false;
        loop {
            if from_ms >= end_ms {
                // What changed after the run began left its window before that was read, or not: it is looked for once
                // more. One window shows by itself if it changes while it is read.
                let now_ms = self.session.run.clock.now_ms();
                if is_caught_up || done < 2 || now_ms <= end_ms {
                    break;
                }
                is_caught_up = true;
                from_ms = end_ms.saturating_sub(millis(step.overlap)).max(step.begin_ms);
                end_ms = now_ms;
            }
            let until_ms = from_ms.saturating_add(millis(step.longest)).min(end_ms);
            let query = [
                (step.from_parameter.to_owned(), time_text(from_ms, step.text)),
                (step.until_parameter.to_owned(), time_text(until_ms, step.text)),
            ];
            let date = time_text(from_ms, crate::plan::TimeText::Date);
            let prefix = format!("{}-{date}-{done:04}", step.pages.prefix);
            match self.pages(&step.pages, &query, &prefix).await {
                Ok(read) => items += read.items,
                Err(FetchError::Stopped) => return Err(FetchError::Stopped),
                // The limit of a run is reached: the next run continues after this window.
                Err(error @ FetchError::Limit { .. }) if done > 0 => {
                    self.session.note(error.to_string());
                    self.is_complete = false;
                    self.more = true;
                    self.count_entries(id, items);
                    return Ok(());
                }
                Err(error) if done > 0 => {
                    self.unfinished = Some(error);
                    self.count_entries(id, items);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            done += 1;
            let read_ms = until_ms.min(self.session.read_until_ms(self.began_ms));
            self.new.until_ms.insert(id.clone(), read_ms);
            if self.session.has_server_clock() {
                self.new.confirmed_ms.insert(id.clone(), read_ms);
            }
            from_ms = until_ms;
        }
        if items == 0 && mark.is_some() && self.began_ms.saturating_sub(first_ms) > millis(QUIET) {
            let text = format!("{} told of no change for over a week", step.pages.address);
            self.not_read_unless_lasting(&format!("quiet:{id}"), 1, text);
            if !self.unread.is_empty() {
                self.new
                    .until_ms
                    .extend(mark.map(|mark_ms| (id.clone(), mark_ms)));
            }
        }
        self.count_entries(id, items);
        self.refuse_empty_history(step, mark)
    }

    /// From where windows go on. A time ahead of the clock was set by a clock that was wrong, by that one or by this one:
    /// then they go on from the last time that the server confirmed, or begin anew.
    fn window_mark(&mut self, id: &str) -> Option<u64> {
        let mark_ms = self.old.until_ms.get(id).copied()?;
        if mark_ms <= self.began_ms {
            return Some(mark_ms);
        }
        let confirmed_ms = self.old.confirmed_ms.get(id).copied();
        let confirmed_ms = confirmed_ms.filter(|confirmed_ms| *confirmed_ms <= self.began_ms);
        self.session.note(match confirmed_ms {
            Some(at_ms) => format!(
                "the clock is behind the position: what changed since {} is asked for",
                time_text(at_ms, crate::plan::TimeText::Date)
            ),
            None => "the clock is behind the position: everything is asked for again".to_owned(),
        });
        confirmed_ms
    }

    fn count_entries(&mut self, id: &str, items: u64) {
        *self.new.counts.entry(id.to_owned()).or_default() += items;
    }

    /// Refuses a source that has no entry at all since its beginning: the next run begins there again.
    fn refuse_empty_history(&mut self, step: &WindowsStep, mark: Option<u64>) -> Result<(), FetchError> {
        let id = &step.pages.id;
        if self.new.counts.get(id).copied().unwrap_or(0) > 0 {
            return Ok(());
        }
        let error = FetchError::Inconsistent {
            address: step.pages.address.to_string(),
            what: "it has no entry at all, in no window since the beginning".to_owned(),
        };
        if mark.is_none() {
            return Err(error);
        }
        self.new.until_ms.remove(id);
        self.new.confirmed_ms.remove(id);
        self.new.counts.remove(id);
        self.unfinished = Some(error);
        Ok(())
    }
}
