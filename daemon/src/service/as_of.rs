//! Answers by what the site knew at an earlier moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{Cursor, SiteId, UnixMillis};
use starling_store::engine::{self, Engine, EngineError, EngineKind, EngineOptions};
use starling_store::{CursorAt, KnownMoment, LogId, MomentNumber};

use super::SiteParts;
use super::problem::store_problem;
use crate::clock::now;
use crate::gate::Gate;

/// Most claims between a moment and now whose inverse is kept in memory; that of more goes to a file.
const IN_MEMORY_CLAIMS: u64 = 20_000;
/// Folder, within the site's own, for that file; one such answer is made at a time.
const FOLDER: &str = "as-of";

/// Most answers by the past that are made at once: each may hold as much as changed since then in memory.
const MOST_AT_ONCE: usize = 2;
/// Most calls that wait for their turn, each on a thread.
const MOST_WAITING: usize = 32;
/// How long they wait: a little less than a call may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// The gate before answers by the past.
pub(super) const fn past_places() -> Gate {
    Gate::new(
        "answering by what was known",
        MOST_AT_ONCE,
        MOST_WAITING,
        PATIENCE,
    )
}

/// A moment of the past as it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    /// The site as it was then.
    number: MomentNumber,
    /// Since when it had known just that.
    pub(super) since: UnixMillis,
    /// The time to judge at where none is given: the one asked for, or that at which the cursor was accepted.
    pub(super) at: UnixMillis,
}

impl SiteParts {
    /// The moment that is asked for.
    pub(super) fn past(&self, as_of: &types::AsOf) -> ServiceResult<Past> {
        match as_of {
            types::AsOf::Time(time) => {
                let asked = u64::try_from(time.unix_millis()).unwrap_or(0);
                // Of a time to come there is nothing but what is known now.
                let at = UnixMillis::saturating(asked).min(now());
                let moment = self
                    .store
                    .moment_at(at)
                    .map_err(|error| store_problem("asking for the past", &error))?;
                self.past_of(moment, at)
            }
            types::AsOf::Cursor { site, cursor } => {
                let moment = self.moment_of_cursor(site.as_deref(), cursor)?;
                self.past_of(moment, moment.at)
            }
        }
    }

    /// What was known at a moment, with the decisions made up to `at`.
    fn past_of(&self, moment: KnownMoment, at: UnixMillis) -> ServiceResult<Past> {
        let decided = self.store.decided_last(at);
        let decided = decided.map_err(|error| store_problem("asking for the past", &error))?;
        Ok(Past {
            number: moment.number,
            since: decided.map_or(moment.at, |decided| decided.max(moment.at)),
            at,
        })
    }

    fn moment_of_cursor(&self, site: Option<&str>, text: &types::Cursor) -> ServiceResult<KnownMoment> {
        let failed = |error| store_problem("asking for the past", &error);
        let refuse =
            |code, what: String| Problem::new(code, format!("asking for what was known at {text}: {what}"));
        let author = site.map(|site| self.author_named(site)).transpose()?;
        let cursor =
            Cursor::try_from(text).map_err(|error| refuse(ErrorCode::InvalidCursor, error.to_string()))?;
        let logs = self.store.logs_with_cursor(author, cursor).map_err(failed)?;
        let log = match logs.as_slice() {
            [log] => *log,
            [] => {
                let problem = refuse(
                    ErrorCode::InvalidCursor,
                    "no log that this site holds has it".to_owned(),
                );
                return Err(problem.hint("`starling status --json` shows where each log stands"));
            }
            [first, rest @ ..] if rest.iter().all(|log| log.site == first.site) => *first,
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|log| format!("{}@{text}", self.name_of(log)))
                    .collect();
                let what = format!("the logs of several sites have it: {}", names.join(", "));
                return Err(refuse(ErrorCode::InvalidCursor, what).hint("name one of them"));
            }
        };
        match self.store.moment_of(log, cursor.number).map_err(failed)? {
            CursorAt::Moment(moment) => Ok(moment),
            CursorAt::BeforeHistory => {
                let oldest = self.store.history().map_err(failed)?.since;
                let what = format!("it was accepted before {oldest}, the oldest moment that can be answered");
                Err(refuse(ErrorCode::HistoryExpired, what).hint(RETENTION_HINT))
            }
            CursorAt::NotAccepted => {
                let what = format!("the log of {} is not accepted up to there", self.name_of(&log));
                let problem = refuse(ErrorCode::NotAccepted, what);
                Err(problem.hint("`starling status` says what keeps it"))
            }
        }
    }

    fn name_of(&self, log: &LogId) -> String {
        self.slug_of(&log.site)
            .map_or_else(|| log.site.to_string(), |slug| slug.to_string())
    }

    fn author_named(&self, name: &str) -> ServiceResult<SiteId> {
        if name == self.home.chain().slug().as_str() {
            return Ok(self.home.chain().site());
        }
        let failed = |error| store_problem("asking for the past", &error);
        let listed = self.store.listed_sites().map_err(failed)?;
        let by_name = listed.iter().find(|site| site.slug.as_str() == name);
        let by_id = || name.parse::<SiteId>().ok();
        by_name.map(|site| site.site).or_else(by_id).ok_or_else(|| {
            Problem::new(
                ErrorCode::SiteNotFound,
                format!("asking for the past: no site {name:?} is on the allow-list"),
            )
        })
    }

    /// Runs `work` on the site as it was at a moment; nothing that it does stays.
    pub(super) fn as_of<T>(
        &self,
        past: Past,
        work: impl FnOnce(&Self) -> ServiceResult<T>,
    ) -> ServiceResult<T> {
        let failed = |error| store_problem("putting back what was known", &error);
        let _place = self.past_places.enter()?;
        let claims = self.store.claims_since(past.number).map_err(failed)?;
        if claims <= IN_MEMORY_CLAIMS {
            let layer = || engine::open(EngineKind::Memory, Path::new(""), &EngineOptions::default());
            let outcome = self
                .store
                .as_of(past.number, past.at, layer, |store| work(&self.on(store)));
            return outcome.map_err(failed)?;
        }
        // A panic in an earlier answer left nothing behind this lock but a folder, which is made anew.
        let _one = self.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.home.path().join(FOLDER);
        let outcome = self.store.as_of(
            past.number,
            past.at,
            || open_file(&folder),
            |store| work(&self.on(store)),
        );
        // What cannot be removed now is removed by the next one.
        let _ = std::fs::remove_dir_all(&folder);
        outcome.map_err(failed)?
    }
}

/// What to do about a past that is gone.
pub(crate) const RETENTION_HINT: &str = "store.retention and store.retention_bytes say how much of the past is kept; `starling status` says since when";

fn open_file(folder: &Path) -> Result<Arc<dyn Engine>, EngineError> {
    // Left by one that was cut off, or by an attempt before this one.
    let _ = std::fs::remove_dir_all(folder);
    engine::open(EngineKind::Redb, folder, &EngineOptions::default())
}
