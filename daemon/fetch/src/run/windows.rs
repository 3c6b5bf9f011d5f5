//! Pages of an interface that is asked for spans of time.
//!
//! Each window that was read to its end moves the position, so a run that breaks off keeps what it has. Windows overlap
//! what was read before, because servers write changes late.

use super::pages::time_text;
use super::{Executor, millis};
use crate::error::FetchError;
use crate::plan::WindowsStep;

impl Executor<'_> {
    pub(super) async fn windows_step(&mut self, step: &WindowsStep) -> Result<(), FetchError> {
        let id = &step.pages.id;
        let mark = self.old.until_ms.get(id).copied();
        let end_ms = self.began_ms;
        if mark.is_some_and(|mark_ms| mark_ms > end_ms) {
            self.session
                .note("the clock is behind the position: the window begins at the clock".to_owned());
        }
        if mark.is_some() {
            self.is_complete = false;
        }
        let mut from_ms = match mark {
            Some(mark_ms) => mark_ms
                .min(end_ms)
                .saturating_sub(millis(step.overlap))
                .max(step.begin_ms),
            None => step.begin_ms,
        };
        let mut done = 0_u64;
        while from_ms < end_ms {
            let until_ms = from_ms.saturating_add(millis(step.longest)).min(end_ms);
            let query = [
                (step.from_parameter.to_owned(), time_text(from_ms, step.text)),
                (step.until_parameter.to_owned(), time_text(until_ms, step.text)),
            ];
            let prefix = format!(
                "{}-{}",
                step.pages.prefix,
                time_text(from_ms, crate::plan::TimeText::Date)
            );
            let prefix = format!("{prefix}-{done:04}");
            match self.pages(&step.pages, &query, &prefix).await {
                Ok(_) => {}
                Err(FetchError::Stopped) => return Err(FetchError::Stopped),
                // What a run may hold is reached: the next one goes on behind this window.
                Err(error @ FetchError::Limit { .. }) if done > 0 => {
                    self.session.note(error.to_string());
                    self.is_complete = false;
                    self.more = true;
                    return Ok(());
                }
                Err(error) if done > 0 => {
                    self.unfinished = Some(error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            done += 1;
            let read_ms = until_ms.min(self.session.read_until_ms(end_ms));
            self.new.until_ms.insert(id.clone(), read_ms);
            from_ms = until_ms;
        }
        Ok(())
    }
}
