//! The daemon's own check of the store: reads every frame, slowly, and reports damage.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use starling_api_types as types;
use starling_store::packs::PackNumber;
use starling_store::{Check, LOG_CHECK, PACKS_CHECK, StoreError};
use tokio_util::sync::CancellationToken;

use super::SiteParts;
use super::damage_note;
use super::doctor::log_advice;
use crate::clock::now;
use crate::home::error_chain;

/// A wait shorter than this is added to the next one.
const SHORT: Duration = Duration::from_millis(20);
/// A longer wait is split into pieces of this length, so that a stop need not wait for it.
const PIECE: Duration = Duration::from_millis(200);

impl SiteParts {
    /// Reads every frame of log and packs at the configured rate, and records the damage. Ends soon, and records
    /// nothing, if `stop` is cancelled.
    ///
    /// # Errors
    /// [`StoreError`] if the files cannot be read. Damage is not an error here.
    pub(crate) fn check_files(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut pace = Pace {
            bytes_per_second: self.identity.config.store.check_rate.0.max(1),
            due: Instant::now(),
        };
        let found = self.data.store.check_files(&mut |bytes| pace.keep(bytes, stop))?;
        let Some(found) = found else {
            return Ok(());
        };
        tracing::info!(
            frames = found.log.examined,
            bodies = found.packs.examined,
            bytes = found.bytes,
            "read all of log and packs"
        );
        self.note_check(&[found.log, found.packs]);
        Ok(())
    }

    /// Records damage of log and packs for the log and the status. Other checks are ignored.
    pub(super) fn note_check(&self, checks: &[Check]) {
        let mut noted = types::StoreCheck {
            at: now().into(),
            frames: 0,
            wrong: 0,
            damaged: Vec::new(),
            advice: None,
        };
        for check in checks {
            let advice = match check.name {
                LOG_CHECK => log_advice(self.live.started.is_some()),
                PACKS_CHECK => PACKS_ADVICE,
                _ => continue,
            };
            noted.frames += check.examined;
            if check.ok() || check.repaired.is_some() {
                continue;
            }
            for what in &check.damaged {
                tracing::error!(%what, advice, "the store is damaged");
            }
            noted.wrong += check.wrong;
            noted.damaged.extend_from_slice(&check.damaged);
            // The log comes first: its repair also repairs the packs.
            noted.advice.get_or_insert_with(|| advice.to_owned());
        }
        *self
            .live
            .last_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(noted);
    }

    /// Looks if the files of the packs are in their folder, and remembers them if all are. Returns the damage.
    ///
    /// The look reads some thousand rows. A daemon repeats it in the background, so that its log names a loss.
    pub(crate) fn look_for_packs(&self) -> Option<types::StoreCheck> {
        let here = self.data.store.packs_in_folder().ok();
        let gone = self.gone_packs();
        *self.seen_packs() = here.filter(|_| gone.is_none());
        gone
    }

    fn seen_packs(&self) -> MutexGuard<'_, Option<BTreeSet<PackNumber>>> {
        self.live
            .seen_packs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the packs that the last look found are still in their folder.
    pub(crate) fn keeps_its_packs(&self) -> bool {
        let Ok(here) = self.data.store.packs_in_folder() else {
            return false;
        };
        self.seen_packs()
            .as_ref()
            .is_some_and(|seen| seen.is_subset(&here))
    }

    /// Returns the result of the last check, or what an earlier doctor left damaged, or the packs that are gone.
    ///
    /// Lists the folder of the packs, and reads the rows that name them only if one that was there is gone.
    pub(super) fn last_check(&self) -> Option<types::StoreCheck> {
        let last = self.live.last_check.lock();
        let last = last.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(damaged) = last.as_ref().filter(|check| check.wrong > 0) {
            return Some(damaged.clone());
        }
        let noted = damage_note::read(self.identity.home.path());
        let noted = noted.filter(|damage| !damage.only_bodies || self.lacks_bodies());
        if let Some(damage) = noted {
            return Some(damage.check);
        }
        if self.keeps_its_packs() {
            return last;
        }
        self.look_for_packs().or(last)
    }

    /// Returns true unless the store knows that no body is missing.
    fn lacks_bodies(&self) -> bool {
        !matches!(self.data.store.is_missing_bodies(), Ok(false))
    }

    /// Looks if the files of the packs are in their folder.
    fn gone_packs(&self) -> Option<types::StoreCheck> {
        let damaged = match self.data.store.missing_packs() {
            Ok(packs) => packs
                .into_iter()
                .map(|pack| format!("pack {pack} is missing, and the store names record bodies in it"))
                .collect(),
            Err(error) => vec![format!("the packs cannot be looked at: {}", error_chain(&error))],
        };
        (!damaged.is_empty()).then(|| types::StoreCheck {
            at: now().into(),
            frames: 0,
            wrong: damaged.len() as u64,
            damaged,
            advice: Some(GONE_ADVICE.to_owned()),
        })
    }
}

/// The advice about missing packs.
pub(crate) const GONE_ADVICE: &str = "put the files of the packs back; if they are lost, run `starling doctor --repair`, and peers, bundles or the \
     next import bring their record bodies back";

/// The advice about damaged packs.
const PACKS_ADVICE: &str = "run `starling doctor --repair`: it drops the damaged data, and peers, bundles or the next import bring it back";

/// Limits reading to a rate.
struct Pace {
    bytes_per_second: u64,
    /// The time at which the bytes read so far are within the rate.
    due: Instant,
}

impl Pace {
    /// Waits until `bytes` more may be read; breaks if `stop` is cancelled.
    fn keep(&mut self, bytes: u64, stop: &CancellationToken) -> ControlFlow<()> {
        let mut now = Instant::now();
        self.read(bytes, now);
        if self.due.saturating_duration_since(now) >= SHORT {
            while now < self.due && !stop.is_cancelled() {
                std::thread::sleep(self.due.saturating_duration_since(now).min(PIECE));
                now = Instant::now();
            }
        }
        if stop.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Counts `bytes` read by `now`. Idle time is not made up for.
    fn read(&mut self, bytes: u64, now: Instant) {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.due = self.due.max(now).checked_add(takes).unwrap_or(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_allows_its_rate_and_ignores_idle_time() {
        let start = Instant::now();
        let mut pace = Pace {
            bytes_per_second: 1_000,
            due: start,
        };
        for _ in 0..4 {
            pace.read(500, start);
        }
        assert_eq!(pace.due, start + Duration::from_secs(2));
        // After a pause, one second allows one second's bytes.
        let later = start + Duration::from_secs(3_600);
        pace.read(1_000, later);
        assert_eq!(pace.due, later + Duration::from_secs(1));
    }

    #[test]
    fn pace_breaks_when_the_site_stops() {
        let stop = CancellationToken::new();
        let mut pace = Pace {
            bytes_per_second: 1,
            due: Instant::now(),
        };
        assert!(pace.keep(0, &stop).is_continue());
        stop.cancel();
        assert!(pace.keep(u64::MAX, &stop).is_break());
    }
}
