//! Answers with the site's knowledge of an earlier time.

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

/// Most claims since that time whose inverse is held in memory; more than that go to a file.
const IN_MEMORY_CLAIMS: u64 = 20_000;
/// Folder for that file, within the site's own; only one such answer is computed at a time.
const FOLDER: &str = "as-of";

/// Most answers about the past computed at the same time: each may hold all changes since then in memory.
const MOST_AT_ONCE: usize = 2;
/// Most calls that wait for their turn, each on a thread.
const MOST_WAITING: usize = 32;
/// Longest wait: a little less than the time limit of a call.
const PATIENCE: Duration = Duration::from_secs(25);

/// Returns the gate of answers about the past.
pub(super) const fn past_places() -> Gate {
    Gate::new(
        "answering by what was known",
        MOST_AT_ONCE,
        MOST_WAITING,
        PATIENCE,
    )
}

/// A point in the past, as requested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    /// The site's state at that time.
    number: MomentNumber,
    /// The time since which the site had exactly that knowledge.
    pub(super) since: UnixMillis,
    /// The time of evaluation if none is given: the requested time, or the time at which the cursor was accepted.
    pub(super) at: UnixMillis,
}

impl SiteParts {
    /// Returns the requested point in the past.
    pub(super) fn past(&self, as_of: &types::AsOf) -> ServiceResult<Past> {
        match as_of {
            types::AsOf::Time(time) => {
                let asked = u64::try_from(time.unix_millis()).unwrap_or(0);
                // The future is only known as far as now.
                let at = UnixMillis::saturating(asked).min(now());
                let moment = self
                    .data
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

    /// Returns the knowledge of a point in the past, with the decisions made up to `at`.
    fn past_of(&self, moment: KnownMoment, at: UnixMillis) -> ServiceResult<Past> {
        let decided = self.data.store.decided_last(at);
        let decided = decided.map_err(|error| store_problem("asking for the past", &error))?;
        let lost = self.data.store.losses_changed(moment.number, at);
        let lost = lost.map_err(|error| store_problem("asking for the past", &error))?;
        let changed = [decided, lost].into_iter().flatten();
        Ok(Past {
            number: moment.number,
            since: changed.fold(moment.at, UnixMillis::max),
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
        let logs = self.data.store.logs_with_cursor(author, cursor).map_err(failed)?;
        let log = match logs.as_slice() {
            [log] => *log,
            [] => {
                let problem = refuse(ErrorCode::InvalidCursor, "no log of this site has it".to_owned());
                return Err(problem.hint("`starling status --json` shows where each log stands"));
            }
            [first, rest @ ..] if rest.iter().all(|log| log.site == first.site) => *first,
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|log| format!("{}@{text}", self.name_of(log)))
                    .collect();
                let what = format!("the logs of several sites have it: {}", names.join(", "));
                return Err(
                    refuse(ErrorCode::InvalidCursor, what).hint("put the site's name before the cursor")
                );
            }
        };
        match self.data.store.moment_of(log, cursor.number).map_err(failed)? {
            CursorAt::Moment(moment) => Ok(moment),
            CursorAt::BeforeHistory => {
                let oldest = self.data.store.history().map_err(failed)?.since;
                let what = format!("it was accepted before {oldest}, the oldest possible time");
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
        if name == self.identity.home.chain().slug().as_str() {
            return Ok(self.identity.home.chain().site());
        }
        let failed = |error| store_problem("asking for the past", &error);
        let listed = self.data.store.listed_sites().map_err(failed)?;
        let by_name = listed.iter().find(|site| site.slug.as_str() == name);
        let by_id = || name.parse::<SiteId>().ok();
        by_name.map(|site| site.site).or_else(by_id).ok_or_else(|| {
            Problem::new(
                ErrorCode::SiteNotFound,
                format!("asking for the past: no site {name:?} is on the allow-list"),
            )
        })
    }

    /// Runs `work` on the site as it was at that time; its effects are not kept.
    pub(super) fn as_of<T>(
        &self,
        past: Past,
        work: impl FnOnce(&Self) -> ServiceResult<T>,
    ) -> ServiceResult<T> {
        let failed = |error| store_problem("putting back what was known", &error);
        let _place = self.live.past_places.enter()?;
        let claims = self.data.store.claims_since(past.number).map_err(failed)?;
        if claims <= IN_MEMORY_CLAIMS {
            let layer = || engine::open(EngineKind::Memory, Path::new(""), &EngineOptions::default());
            let outcome = self
                .data
                .store
                .as_of(past.number, past.at, layer, |store| work(&self.on(store)));
            return outcome.map_err(failed)?;
        }
        // After a panic in an earlier answer, only a folder is left behind this lock, which is created again.
        let _one = self.live.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.identity.home.path().join(FOLDER);
        let outcome = self.data.store.as_of(
            past.number,
            past.at,
            || open_file(&folder),
            |store| work(&self.on(store)),
        );
        // If this fails, the next answer removes it.
        let _ = std::fs::remove_dir_all(&folder);
        outcome.map_err(failed)?
    }
}

/// The advice if the history is gone.
pub(crate) const RETENTION_HINT: &str = "store.retention and store.retention_bytes set how much history is kept; `starling status --all` shows the oldest time";

fn open_file(folder: &Path) -> Result<Arc<dyn Engine>, EngineError> {
    // Left by an interrupted answer, or by an earlier attempt.
    let _ = std::fs::remove_dir_all(folder);
    engine::open(EngineKind::Redb, folder, &EngineOptions::default())
}
