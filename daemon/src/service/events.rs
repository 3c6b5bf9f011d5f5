//! The event stream: stored events first, then new ones.

use futures::stream;
use starling_api::{EventStream, ServiceResult};
use starling_api_types as types;
use starling_api_types::{ErrorCode, EventAction, Problem};
use starling_documents::mutes::MuteId;
use starling_protocol::{BundleHash, SiteId, UnixMillis};
use starling_store::engine::Generation;
use starling_store::{Event, EventKind, EventNumber, FeedEnding, RestoreStep, SiteStore, StoreError};
use starling_view::{Action, Change, PackageId};

use super::problem::store_problem;
use super::{Site, SiteParts};

/// Number of events per read.
const PAGE: usize = 256;

struct Follower {
    site: Site,
    generation: Generation,
    after: EventNumber,
    page: std::collections::VecDeque<types::EventRecord>,
    shown: tokio::sync::watch::Receiver<u64>,
}

pub(super) async fn stream(site: Site, after: Option<types::EventId>) -> ServiceResult<EventStream> {
    let shown = site.0.live.shown.subscribe();
    let (generation, after) = site
        .blocking(move |parts| {
            let failed = |error| store_problem("reading events", &error);
            let kept = Kept::read(&parts.data.store).map_err(failed)?;
            Ok((kept.generation, kept.resume(after)?))
        })
        .await?;
    let follower = Follower {
        site,
        generation,
        after,
        page: std::collections::VecDeque::new(),
        shown,
    };
    Ok(Box::pin(stream::unfold(follower, |mut follower| async move {
        loop {
            if let Some(event) = follower.page.pop_front() {
                return Some((Ok(event), follower));
            }
            follower.shown.mark_unchanged();
            let (generation, after) = (follower.generation, follower.after);
            let read = follower
                .site
                .blocking(move |parts| parts.page_of_events(generation, after))
                .await;
            match read {
                Ok((last, page)) if !page.is_empty() => {
                    follower.after = last;
                    follower.page = page.into();
                }
                Ok(_) => {
                    if follower.shown.changed().await.is_err() {
                        return None;
                    }
                }
                Err(problem) => return Some((Err(problem), follower)),
            }
        }
    })))
}

/// The events of a store.
#[derive(Debug, Clone, Copy)]
struct Kept {
    generation: Generation,
    first: EventNumber,
    last: EventNumber,
}

impl Kept {
    fn read(store: &SiteStore) -> Result<Self, StoreError> {
        Ok(Self {
            generation: store.event_generation()?,
            first: store.first_event()?,
            last: store.last_event()?,
        })
    }

    /// Returns the number after which a subscriber continues, or an error that tells it to start again.
    fn resume(&self, after: Option<types::EventId>) -> ServiceResult<EventNumber> {
        let Some(after) = after else {
            return Ok(self.last);
        };
        if after.generation != Some(self.generation.0) {
            return Err(expired(format!(
                "resuming after event {after}: the stream has started again since, as generation {}",
                self.generation
            )));
        }
        if after.number > self.last.0 {
            return Err(expired(format!(
                "resuming after event {after}: the newest event is {}",
                self.last.0
            )));
        }
        if after.number.saturating_add(1) < self.first.0 {
            return Err(expired(format!(
                "resuming after event {after}: the oldest stored event is {}",
                self.first.0
            )));
        }
        Ok(EventNumber(after.number))
    }
}

fn expired(detail: String) -> Problem {
    Problem::new(ErrorCode::EventsExpired, detail)
        .hint("read the advisories again, then follow without Last-Event-ID")
}

impl SiteParts {
    fn page_of_events(
        &self,
        generation: Generation,
        after: EventNumber,
    ) -> ServiceResult<(EventNumber, Vec<types::EventRecord>)> {
        let failed = |error| store_problem("reading events", &error);
        let now = self.data.store.event_generation().map_err(failed)?;
        if now != generation {
            return Err(expired(format!(
                "following events of generation {generation}: the stream has started again, as generation {now}"
            )));
        }
        let events = self.data.store.events_after(after, PAGE).map_err(failed)?;
        let last = events.last().map_or(after, |(number, _)| *number);
        Ok((
            last,
            events
                .into_iter()
                .filter_map(|(number, event)| {
                    self.shown_event(types::EventId::new(number.0, generation.0), event)
                })
                .collect(),
        ))
    }

    fn shown_event(&self, id: types::EventId, event: Event) -> Option<types::EventRecord> {
        let site_id = self
            .slug_of(&event.site)
            .or_else(|| types::SiteSlug::new(event.site.short()).ok())?;
        let about = EventContext {
            site_id,
            site: event.site,
            bundle: event.bundle,
            at: event.at,
        };
        let event = match event.what {
            EventKind::Advisory(change) => about.canonical_imported(&change),
            EventKind::Muted { id, vulnerability } => {
                about.mute_changed(&id, vulnerability, types::MuteAction::Added)
            }
            EventKind::MuteEnded { id, vulnerability } => {
                about.mute_changed(&id, vulnerability, types::MuteAction::Ended)
            }
            EventKind::Frozen { lane, why } => types::SiteEvent::Frozen(types::AuthorFrozen {
                site_id: about.site_id,
                site: about.site.into(),
                lane: lane.into(),
                reason: why,
                frozen_at: about.at.into(),
            }),
            EventKind::Differs { lane, how } => types::SiteEvent::Differ(types::SitesDiffer {
                site_id: about.site_id,
                site: about.site.into(),
                lane: lane.into(),
                difference: how,
                found_at: about.at.into(),
            }),
            EventKind::FeedRun { feed, ending, detail } => types::SiteEvent::FeedRun(types::FeedRan {
                site_id: about.site_id,
                feed: types::FeedName::new(feed).ok()?,
                outcome: outcome_of(ending),
                detail,
                ended_at: about.at.into(),
            }),
            EventKind::Restored { step, why } => types::SiteEvent::Restored(types::SiteRestored {
                site_id: about.site_id,
                restore_action: restore_action_of(step),
                reason: why,
                found_at: about.at.into(),
            }),
        };
        Some(types::EventRecord { id, event })
    }
}

/// The origin of an event, and the time when it became visible.
struct EventContext {
    site_id: types::SiteSlug,
    site: SiteId,
    bundle: Option<BundleHash>,
    at: UnixMillis,
}

impl EventContext {
    fn mute_changed(
        self,
        mute: &MuteId,
        vulnerability: String,
        mute_action: types::MuteAction,
    ) -> types::SiteEvent {
        types::SiteEvent::Mute(types::MuteChanged {
            mute_id: mute.to_string(),
            vulnerability,
            mute_action,
            bundle_hash: self.bundle.map(Into::into),
            site_id: self.site_id,
            imported_at: self.at.into(),
        })
    }

    fn canonical_imported(self, change: &Change) -> types::SiteEvent {
        let (merge_hash, redirected_from, redirected_to) = names_of(change.merge_hash, &change.action);
        let action = match change.action {
            Action::Created => EventAction::Created,
            Action::Updated => EventAction::Updated,
            Action::Withdrawn => EventAction::Withdrawn,
            Action::Removed => EventAction::Removed,
            Action::Redirected { .. } => EventAction::Redirected,
        };
        types::SiteEvent::Canonical(types::CanonicalImported {
            canonical_id: merge_hash,
            cve: change
                .vulnerability
                .is_cve()
                .then(|| change.vulnerability.to_string()),
            affects_key: affects_key(&change.package),
            merge_hash,
            action,
            bundle_hash: self.bundle.map(Into::into),
            site_id: self.site_id,
            imported_at: self.at.into(),
            redirected_from,
            redirected_to,
        })
    }
}

const fn outcome_of(ending: FeedEnding) -> types::FeedRunOutcome {
    match ending {
        FeedEnding::Imported => types::FeedRunOutcome::Imported,
        FeedEnding::Unchanged => types::FeedRunOutcome::Unchanged,
        FeedEnding::Suspect => types::FeedRunOutcome::Suspect,
        FeedEnding::Failed => types::FeedRunOutcome::Failed,
    }
}

const fn restore_action_of(step: RestoreStep) -> types::RestoreAction {
    match step {
        RestoreStep::HeldBack => types::RestoreAction::HeldBack,
        RestoreStep::WentOn => types::RestoreAction::WentOn,
        RestoreStep::Superseded => types::RestoreAction::Superseded,
    }
}

/// Returns the name of an advisory after a change. For a redirected one, returns its old name and all names that
/// replace it.
fn names_of(
    own: starling_protocol::MergeHash,
    action: &Action,
) -> (types::MergeHash, Option<types::MergeHash>, Vec<types::MergeHash>) {
    match action {
        Action::Redirected { to } => {
            let heirs: Vec<types::MergeHash> = to.iter().map(|hash| (*hash).into()).collect();
            let first = heirs.first().copied().unwrap_or_else(|| own.into());
            (first, Some(own.into()), heirs)
        }
        _ => (own.into(), None, Vec::new()),
    }
}

/// Returns the package as a package URL if it has one, else by its name.
fn affects_key(package: &PackageId) -> String {
    match package {
        PackageId::Package { ecosystem, name } => starling_scanner::purl::osv::purl_of(ecosystem, name)
            .map_or_else(|| format!("{ecosystem}/{name}"), |purl| purl.to_string()),
        PackageId::Repository { repository } => repository.clone(),
        PackageId::Record(key) => format!("{}/{}", key.source, key.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Generation = Generation(*b"thislife");

    fn resumed(after: Option<types::EventId>) -> Result<u64, (ErrorCode, String)> {
        let kept = Kept {
            generation: NOW,
            first: EventNumber(5),
            last: EventNumber(9),
        };
        let resumed = kept.resume(after);
        resumed
            .map(|number| number.0)
            .map_err(|problem| (problem.code, problem.detail.clone()))
    }

    #[test]
    fn event_ids_of_this_generation_resume() {
        assert_eq!(resumed(None), Ok(9));
        for number in [4, 7, 9] {
            assert_eq!(resumed(Some(types::EventId::new(number, NOW.0))), Ok(number));
        }
    }

    #[test]
    fn redirect_contains_the_old_and_the_new_hash() {
        let hash = |byte| starling_protocol::MergeHash::from_bytes([byte; 32]);
        let shown = |byte: u8| types::MergeHash::from(hash(byte));
        let to = vec![hash(2), hash(3)];
        assert_eq!(
            names_of(hash(1), &Action::Redirected { to }),
            (shown(2), Some(shown(1)), vec![shown(2), shown(3)])
        );
        assert_eq!(names_of(hash(1), &Action::Updated), (shown(1), None, Vec::new()));
    }

    #[test]
    fn event_ids_of_dropped_events_are_refused() {
        for number in [0, 3, 10, u64::MAX] {
            let (code, _) = resumed(Some(types::EventId::new(number, NOW.0))).unwrap_err();
            assert_eq!(code, ErrorCode::EventsExpired, "{number}");
        }
    }

    #[test]
    fn event_ids_of_another_generation_are_refused() {
        for text in ["7-6f746865726c6966", "7"] {
            let (code, detail) = resumed(text.parse().ok()).unwrap_err();
            assert_eq!(code, ErrorCode::EventsExpired, "{text}");
            assert!(detail.contains(&NOW.to_string()), "{detail}");
        }
    }
}
