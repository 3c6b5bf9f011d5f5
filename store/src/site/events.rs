//! Events for subscribers: what changed in the view, numbered, kept for a bounded while.

use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteId, UnixMillis};
use starling_view::{Change, Changes};

use super::SiteStore;
use super::error::StoreError;
use super::rows::damaged;
use super::txn::Txn;
use crate::engine::{Direction, Tree};

/// Events kept; older ones are dropped as new ones come.
pub const EVENTS_KEPT: u64 = 100_000;

/// Number of an event; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventNumber(pub u64);

/// Through what a change came in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The bundle, where it was one.
    pub bundle: Option<String>,
    /// When, by this site's clock.
    pub at: UnixMillis,
}

/// One change of a canonical advisory, as subscribers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its merge hash.
    pub merge_hash: String,
    /// The vulnerability's identity.
    pub vulnerability: String,
    /// The package: `[ecosystem, name]`, `[repository]` or `[source, record]`, with its kind first.
    pub package: Vec<String>,
    /// What happened: `Created`, `Updated`, `Withdrawn`, `Deleted` or `Redirected`.
    pub action: String,
    /// Merge hashes that stand for it now, after a redirect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirected_to: Vec<String>,
    /// Author of the log whose claim brought it.
    pub site: SiteId,
    /// The bundle that brought it, if one did.
    pub bundle: Option<String>,
    /// When it was shown here.
    pub at: UnixMillis,
}

/// Who and what brought changes.
pub(crate) struct EventContext<'a> {
    pub(crate) author: SiteId,
    pub(crate) origin: &'a Origin,
}

impl SiteStore {
    pub(crate) fn write_events(
        &self,
        txn: &mut Txn<'_>,
        context: &EventContext<'_>,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        if changes.advisories.is_empty() {
            return Ok(());
        }
        let mut number = self.last_event()?.0;
        for change in &changes.advisories {
            number += 1;
            let event = event_of(context, change);
            let row =
                serde_json::to_vec(&event).map_err(|_| damaged(Tree::Events, &[], "an event to write"))?;
            txn.put(Tree::Events, &number.to_be_bytes(), row);
            if let Some(expired) = number.checked_sub(EVENTS_KEPT) {
                txn.delete(Tree::Events, &expired.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Number of the newest event; 0 when there was none.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn last_event(&self) -> Result<EventNumber, StoreError> {
        let last = self.engine.first(
            Tree::Events,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Reverse,
        )?;
        Ok(last.map_or(EventNumber(0), |(key, _)| number_of(&key)))
    }

    /// Number of the oldest event that is kept; 0 when there is none.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn first_event(&self) -> Result<EventNumber, StoreError> {
        let first = self.engine.first(
            Tree::Events,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
        )?;
        Ok(first.map_or(EventNumber(0), |(key, _)| number_of(&key)))
    }

    /// Events after a number, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn events_after(
        &self,
        after: EventNumber,
        limit: usize,
    ) -> Result<Vec<(EventNumber, Event)>, StoreError> {
        let mut events = Vec::new();
        let mut bad = None;
        let start = after.0.to_be_bytes();
        self.engine.scan(
            Tree::Events,
            Bound::Excluded(&start),
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, row| {
                if events.len() >= limit {
                    return ControlFlow::Break(());
                }
                match serde_json::from_slice(row) {
                    Ok(event) => events.push((number_of(key), event)),
                    Err(_) => bad = Some(damaged(Tree::Events, key, "an event")),
                }
                ControlFlow::Continue(())
            },
        )?;
        bad.map_or(Ok(events), Err)
    }
}

fn number_of(key: &[u8]) -> EventNumber {
    EventNumber(
        key.first_chunk::<8>()
            .map_or(0, |number| u64::from_be_bytes(*number)),
    )
}

fn event_of(context: &EventContext<'_>, change: &Change) -> Event {
    use starling_view::{Action, PackageId};
    let (action, redirected_to) = match &change.action {
        Action::Created => ("Created", Vec::new()),
        Action::Updated => ("Updated", Vec::new()),
        Action::Withdrawn => ("Withdrawn", Vec::new()),
        Action::Removed => ("Deleted", Vec::new()),
        Action::Redirected { to } => ("Redirected", to.iter().map(ToString::to_string).collect()),
    };
    let package = match &change.package {
        PackageId::Package { ecosystem, name } => vec!["package".to_owned(), ecosystem.clone(), name.clone()],
        PackageId::Repository { repository } => vec!["repository".to_owned(), repository.clone()],
        PackageId::Record(key) => vec!["record".to_owned(), key.source.to_string(), key.id.to_string()],
    };
    Event {
        merge_hash: change.merge_hash.to_string(),
        vulnerability: change.vulnerability.to_string(),
        package,
        action: action.to_owned(),
        redirected_to,
        site: context.author,
        bundle: context.origin.bundle.clone(),
        at: context.origin.at,
    }
}
