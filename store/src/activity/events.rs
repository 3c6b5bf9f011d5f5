//! Events for subscribers: numbered changes in the view and in shared documents, kept for a bounded time.

use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};
use starling_documents::mutes::MuteId;
use starling_protocol::{BundleHash, Lane, SiteId, UnixMillis};
use starling_view::{Change, Changes};

use crate::SiteStore;
use crate::activity::event_row::{EventRow, FeedEnding, RestoreStep, Subject};
use crate::deltas::FrozenBy;
use crate::engine::{Direction, Engine, Generation, Tree};
use crate::error::StoreError;
use crate::log::LogPosition;
use crate::rows::txn::Txn;
use crate::rows::{damaged, meta};
use crate::site::state::{LogId, State};

/// Events kept; older ones are dropped as new ones come.
pub const EVENTS_KEPT: u64 = 100_000;

/// Number of an event; the first is 1.
///
/// It identifies an event only together with [`SiteStore::event_generation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventNumber(pub u64);

/// The origin of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The bundle that brought it, if one did.
    pub bundle: Option<BundleHash>,
    /// When, by this site's clock.
    pub at: UnixMillis,
}

/// The content of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A canonical advisory changed.
    Advisory(Change),
    /// A mute counts from now on.
    Muted {
        /// The mute.
        id: MuteId,
        /// The muted vulnerability, as the mute names it.
        vulnerability: String,
    },
    /// Nothing further of a log is taken: its author signed two histories.
    Frozen {
        /// The log's lane.
        lane: Lane,
        /// The author's action.
        why: String,
    },
    /// A peer's log differs from this site's, up to the same claim.
    Differs {
        /// The log's lane.
        lane: Lane,
        /// The peer and the difference.
        how: String,
    },
    /// This site's home was restored, or another copy of it is running.
    Restored {
        /// The outcome.
        step: RestoreStep,
        /// The evidence.
        why: String,
    },
    /// A feed of this site was run.
    FeedRun {
        /// Its name.
        feed: String,
        /// The result of the run.
        ending: FeedEnding,
        /// What came of it, or what went wrong.
        detail: String,
    },
    /// A mute is no longer in force: it was removed, or its author left the allow-list.
    MuteEnded {
        /// The mute.
        id: MuteId,
        /// The muted vulnerability, as the mute names it.
        vulnerability: String,
    },
}

/// One change of what this site shows, as subscribers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The change.
    pub what: EventKind,
    /// The author of the log whose claim brought it.
    pub site: SiteId,
    /// The bundle that brought it, if one did.
    pub bundle: Option<BundleHash>,
    /// The time at which it became visible here.
    pub at: UnixMillis,
}

/// The origin of changes.
pub(crate) struct EventContext<'a> {
    pub(crate) author: SiteId,
    pub(crate) origin: &'a Origin,
}

impl SiteStore {
    pub(crate) fn write_events(
        &self,
        txn: &mut Txn<'_>,
        state: &State,
        context: &EventContext<'_>,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let Some(author) = state
            .authors
            .get(&context.author)
            .filter(|_| !changes.advisories.is_empty())
        else {
            return Ok(());
        };
        let rows = changes.advisories.iter().map(|change| EventRow {
            author: *author,
            at: context.origin.at,
            bundle: context.origin.bundle,
            subject: Subject::Advisory {
                vulnerability: change.vulnerability.clone(),
                package: change.package.clone(),
                action: change.action.clone(),
            },
        });
        self.append_events(txn, rows)
    }

    /// Writes an event: no more of a log is taken.
    pub(crate) fn tell_frozen(
        &self,
        txn: &mut Txn<'_>,
        state: &State,
        log: LogId,
        by: FrozenBy,
    ) -> Result<(), StoreError> {
        let Some(author) = state.authors.get(&log.site) else {
            return Ok(());
        };
        let subject = Subject::Frozen {
            lane: log.lane,
            why: by.why(),
        };
        let row = EventRow {
            author: *author,
            at: (self.clock)(),
            bundle: None,
            subject,
        };
        self.append_events(txn, std::iter::once(row))
    }

    /// Writes an event about the outcome of restoring this site's home. A site without any claims has no
    /// subscriber to inform.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn tell_restored(&self, step: RestoreStep, why: &str) -> Result<(), StoreError> {
        let why = why.to_owned();
        self.tell(|state| state.site, Subject::Restored { step, why })
    }

    /// Writes an event: a peer's log differs from this site's, up to the same claim.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn tell_differs(&self, log: LogId, how: &str) -> Result<(), StoreError> {
        let (lane, how) = (log.lane, how.to_owned());
        self.tell(|_| log.site, Subject::Differs { lane, how })
    }

    /// Adds the event for the result of a feed's run. Adds none if the site is not known as an
    /// author, because it never wrote or heard anything.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn tell_feed_run(&self, feed: &str, ending: FeedEnding, detail: &str) -> Result<(), StoreError> {
        let (feed, detail) = (feed.to_owned(), detail.to_owned());
        let subject = Subject::FeedRun { feed, ending, detail };
        self.tell(|state| state.site, subject)
    }

    /// Writes one event about a site by itself; none if the site is not known as an author.
    fn tell(&self, about: impl FnOnce(&State) -> SiteId, subject: Subject) -> Result<(), StoreError> {
        self.change(|state| {
            let Some(author) = state.authors.get(&about(state)) else {
                return Ok(());
            };
            let row = EventRow {
                author: *author,
                at: (self.clock)(),
                bundle: None,
                subject,
            };
            let mut txn = self.txn();
            self.append_events(&mut txn, std::iter::once(row))?;
            txn.commit()
        })
    }

    /// Writes rows after the newest event, and drops events that are too old by then.
    pub(crate) fn append_events(
        &self,
        txn: &mut Txn<'_>,
        rows: impl Iterator<Item = EventRow>,
    ) -> Result<(), StoreError> {
        let mut number = last_event_of(self.engine.as_ref())?.0;
        for row in rows {
            number += 1;
            txn.put(Tree::Events, &number.to_be_bytes(), row.encode());
            if let Some(expired) = number.checked_sub(EVENTS_KEPT) {
                txn.delete(Tree::Events, &expired.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Returns the generation of the event numbers. It changes when the view is folded without writing events,
    /// as for an engine that was rebuilt or was far behind the log.
    ///
    /// Numbers of another generation may belong to other events, and changes in between may be missing.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn event_generation(&self) -> Result<Generation, StoreError> {
        let engine = self.engine.generation();
        let Some(since) = self.engine.get(Tree::Meta, meta::EVENTS_SINCE)? else {
            return Ok(engine);
        };
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 generation of event numbers");
        hasher.update(&engine.0).update(&since);
        let mut generation = Generation::default();
        hasher.finalize_xof().fill(&mut generation.0);
        Ok(generation)
    }

    /// Notes that the view is folded without telling events.
    pub(crate) fn begin_event_generation(&self, txn: &mut Txn<'_>, end: &LogPosition) {
        txn.put(Tree::Meta, meta::EVENTS_SINCE, end.group.to_le_bytes().to_vec());
    }

    /// Returns the number of the newest event; 0 if there was none.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn last_event(&self) -> Result<EventNumber, StoreError> {
        last_event_of(self.read()?.rows())
    }

    /// Returns the number of the oldest kept event; 0 if there is none.
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

    /// Returns the events after a number, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn events_after(
        &self,
        after: EventNumber,
        limit: usize,
    ) -> Result<Vec<(EventNumber, Event)>, StoreError> {
        let state = self.read()?;
        let mut events = Vec::new();
        let mut bad = None;
        let start = after.0.to_be_bytes();
        state.rows().scan(
            Tree::Events,
            Bound::Excluded(&start),
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, row| {
                if events.len() >= limit {
                    return ControlFlow::Break(());
                }
                match EventRow::decode(row).and_then(|row| event_of(&state, row)) {
                    Some(event) => events.push((number_of(key), event)),
                    None => bad = Some(damaged(Tree::Events, key, "an event")),
                }
                ControlFlow::Continue(())
            },
        )?;
        bad.map_or(Ok(events), Err)
    }
}

fn last_event_of(rows: &dyn Engine) -> Result<EventNumber, StoreError> {
    let last = rows.first(
        Tree::Events,
        Bound::Unbounded,
        Bound::Unbounded,
        Direction::Reverse,
    )?;
    Ok(last.map_or(EventNumber(0), |(key, _)| number_of(&key)))
}

fn number_of(key: &[u8]) -> EventNumber {
    EventNumber(
        key.first_chunk::<8>()
            .map_or(0, |number| u64::from_be_bytes(*number)),
    )
}

fn event_of(state: &State, row: EventRow) -> Option<Event> {
    let what = match row.subject {
        Subject::Advisory {
            vulnerability,
            package,
            action,
        } => EventKind::Advisory(Change {
            merge_hash: package.merge_hash(&vulnerability),
            vulnerability,
            package,
            action,
        }),
        Subject::Mute {
            id,
            vulnerability,
            ended: false,
        } => EventKind::Muted { id, vulnerability },
        Subject::Mute {
            id, vulnerability, ..
        } => EventKind::MuteEnded { id, vulnerability },
        Subject::Frozen { lane, why } => EventKind::Frozen { lane, why },
        Subject::Differs { lane, how } => EventKind::Differs { lane, how },
        Subject::Restored { step, why } => EventKind::Restored { step, why },
        Subject::FeedRun { feed, ending, detail } => EventKind::FeedRun { feed, ending, detail },
    };
    Some(Event {
        what,
        site: *state.sites.get(&row.author)?,
        bundle: row.bundle,
        at: row.at,
    })
}
