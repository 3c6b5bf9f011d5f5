//! The executor: runs the steps of a plan one after the other and collects their results.

mod csaf;
mod document;
mod folder;
mod list;
mod lost;
mod pages;
mod place;
mod repository;
mod snapshot;
mod summed;
mod unread;
mod windows;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::FetchError;
use crate::fetched::{Document, Fetched, Gone};
use crate::http::Session;
use crate::plan::{DocumentStep, Plan, Step};
use crate::position::Position;

use self::unread::Unread;

/// Longest time that the clock may be behind the last whole fetch before that is reported.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 3600);
/// The same for the time up to which a list was read: less than what is read again.
const MARK_SLACK: Duration = Duration::from_secs(5 * 60);

/// A document of this run.
struct Got {
    document: Document,
    /// True if the position knows exactly these bytes.
    is_same: bool,
}

/// One run of one plan.
pub(crate) struct Executor<'a> {
    session: Session<'a>,
    plan: &'a Plan,
    old: Position,
    new: Position,
    got: Vec<Got>,
    /// Names that are already used in the folder of the run.
    names: BTreeSet<String>,
    /// Names that stand for other content in another run.
    numbered: BTreeSet<String>,
    gone: Vec<Gone>,
    /// Documents that did not change and were not sent.
    unsent: Vec<DocumentStep>,
    /// False as soon as something of the source is not in the folder and was not left out as unchanged.
    is_complete: bool,
    /// True if the complete source must be fetched, whatever the position knows.
    whole_due: bool,
    more: bool,
    unfinished: Option<FetchError>,
    unread: Unread,
    /// Published checksums that cannot be fetched: their number, and the first one.
    unsummed: Option<(u64, String)>,
    /// Addresses of the lists that were read.
    lists: Vec<String>,
    /// The start of the run, by the machine's clock.
    began_ms: u64,
    listed: u64,
    missing: u64,
}

/// Runs a plan.
///
/// # Errors
/// The first failure that leaves nothing to import.
pub(crate) async fn run(session: Session<'_>, position: &Position) -> Result<Fetched, FetchError> {
    let plan = session.plan;
    let mut executor = Executor::new(session, position);
    for step in &plan.steps {
        executor.step(step).await?;
        if executor.unfinished.is_some() {
            executor.is_complete = false;
            break;
        }
    }
    executor.finish().await
}

impl<'a> Executor<'a> {
    fn new(mut session: Session<'a>, position: &Position) -> Self {
        let plan = session.plan;
        let fingerprint = plan.fingerprint();
        let began_ms = session.run.clock.now_ms();
        let mut old = position.clone();
        if !old.plan.is_empty() && old.plan != fingerprint {
            session.note("the feed was changed since its last run: everything is fetched again".to_owned());
            old = Position::default();
        }
        let mut new = old.clone();
        new.plan = fingerprint;
        new.odd_since_ms.clear();
        let slack_ms = millis(CLOCK_SLACK);
        let mark_ms = began_ms.saturating_add(millis(MARK_SLACK));
        let is_behind = old
            .whole_at_ms
            .is_some_and(|at| at > began_ms.saturating_add(slack_ms))
            || old.until_ms.values().any(|at| *at > mark_ms);
        if is_behind {
            session.note(
                "the clock was set back since the last run: what it may have missed is fetched again"
                    .to_owned(),
            );
        }
        let is_old = plan.whole_every.is_some_and(|span| {
            old.whole_at_ms
                .is_some_and(|at| began_ms >= at.saturating_add(millis(span)))
        });
        let whole_due = old.whole_at_ms.is_none() || is_behind || is_old;
        Self {
            session,
            plan,
            old,
            new,
            got: Vec::new(),
            names: BTreeSet::new(),
            numbered: BTreeSet::new(),
            gone: Vec::new(),
            unsent: Vec::new(),
            is_complete: true,
            whole_due,
            more: false,
            unfinished: None,
            unread: Unread::default(),
            unsummed: None,
            lists: Vec::new(),
            began_ms,
            listed: 0,
            missing: 0,
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), FetchError> {
        match step {
            Step::Document(step) => self.document_step(step).await,
            Step::Years(step) => self.years_step(step).await,
            Step::List(step) => self.list_step(step).await,
            Step::Snapshot(step) => self.snapshot_step(step).await,
            Step::Pages(step) => self.pages_step(step).await,
            Step::Windows(step) => self.windows_step(step).await,
            Step::Csaf(step) => self.csaf_step(step).await,
            Step::Repository(step) => self.repository_step(step).await,
            Step::Folder(step) => self.folder_step(step).await,
        }
    }

    async fn finish(mut self) -> Result<Fetched, FetchError> {
        let is_changed =
            |executor: &Self| executor.got.iter().any(|got| !got.is_same) || !executor.gone.is_empty();
        if is_changed(&self) && self.plan.together && self.is_complete {
            for step in std::mem::take(&mut self.unsent) {
                self.fetch_again(&step).await?;
            }
        }
        self.close_sums();
        self.close_unread();
        let is_whole = self.is_complete && self.unsent.is_empty() && !self.got.is_empty();
        let is_changed = is_changed(&self);
        if !(is_whole && is_changed) {
            self.drop_same().await?;
        }
        // Also if something was missing, so that the next whole fetch is not before its time.
        if is_whole || (self.whole_due && self.unfinished.is_none()) {
            self.new.whole_at_ms = Some(self.began_ms);
        }
        let unchanged = !is_changed && self.unfinished.is_none();
        if self.unfinished.is_some() && self.got.is_empty() && self.gone.is_empty() {
            // There is nothing to import, so the whole run fails, unless the position advanced.
            if self.new == self.old_with_plan()
                && let Some(error) = self.unfinished.take()
            {
                return Err(error);
            }
        }
        let read_to_end = self.unread.is_empty() && !self.more && self.unfinished.is_none();
        Ok(Fetched {
            input: self.session.run.into.to_owned(),
            documents: self.got.into_iter().map(|got| got.document).collect(),
            whole: is_whole && is_changed,
            unchanged,
            read_to_end,
            unread: self.unread.words(),
            from_start: read_to_end && self.new.whole_at_ms.is_some(),
            passed_over: self.unread.passed_over,
            dead: std::mem::take(&mut self.unread.dead),
            gone: self.gone,
            position: self.new,
            more: self.more,
            unfinished: self.unfinished,
            notes: self.session.take_notes(),
            requests: self.session.requests,
            bytes: self.session.bytes,
        })
    }

    fn old_with_plan(&self) -> Position {
        let mut old = self.old.clone();
        old.plan.clone_from(&self.new.plan);
        old
    }
}

/// Returns a span in milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
