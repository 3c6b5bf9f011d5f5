//! The event stream: what is kept, then what comes.

use futures::stream;
use starling_api::{EventStream, ServiceResult};
use starling_api_types as types;
use starling_api_types::{ErrorCode, EventAction, Problem};
use starling_documents::mutes::MuteId;
use starling_store::{Event, EventNumber, Happening};
use starling_view::{Action, PackageId};

use super::problem::store_problem;
use super::{Site, SiteParts};

/// Events read from the store in one go.
const PAGE: usize = 256;

struct Follower {
    site: Site,
    after: EventNumber,
    page: std::collections::VecDeque<types::EventRecord>,
    shown: tokio::sync::watch::Receiver<u64>,
}

pub(super) async fn stream(site: Site, after: Option<types::EventId>) -> ServiceResult<EventStream> {
    let shown = site.0.shown.subscribe();
    let after = site
        .blocking(move |parts| {
            let failed = |error| store_problem("reading events", &error);
            let (first, last) = (
                parts.store.first_event().map_err(failed)?,
                parts.store.last_event().map_err(failed)?,
            );
            let Some(types::EventId(after)) = after else {
                return Ok(last);
            };
            if after > last.0 {
                let detail = format!("resuming after event {after}: the newest is {}", last.0);
                return Err(Problem::new(ErrorCode::EventsExpired, detail)
                    .hint("the event number is from another site or store; read the advisories anew"));
            }
            if after + 1 < first.0 {
                let detail = format!(
                    "resuming after event {after}: the oldest that is kept is {}",
                    first.0
                );
                return Err(Problem::new(ErrorCode::EventsExpired, detail)
                    .hint("read the advisories anew and follow without Last-Event-ID"));
            }
            Ok(EventNumber(after))
        })
        .await?;
    let follower = Follower {
        site,
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
            let after = follower.after;
            let read = follower
                .site
                .blocking(move |parts| parts.page_of_events(after))
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

impl SiteParts {
    fn page_of_events(&self, after: EventNumber) -> ServiceResult<(EventNumber, Vec<types::EventRecord>)> {
        let events = self
            .store
            .events_after(after, PAGE)
            .map_err(|error| store_problem("reading events", &error))?;
        let last = events.last().map_or(after, |(number, _)| *number);
        Ok((
            last,
            events
                .into_iter()
                .filter_map(|(number, event)| self.shown_event(number, event))
                .collect(),
        ))
    }

    fn shown_event(&self, number: EventNumber, event: Event) -> Option<types::EventRecord> {
        let site_id = self
            .slug_of(&event.site)
            .or_else(|| types::SiteSlug::new(event.site.short()).ok())?;
        let record = |event| {
            Some(types::EventRecord {
                id: types::EventId(number.0),
                event,
            })
        };
        let muted = |id: MuteId, vulnerability, mute_action| {
            record(types::SiteEvent::Mute(types::MuteChanged {
                mute_id: id.to_string(),
                vulnerability,
                mute_action,
                bundle_hash: event.bundle.map(Into::into),
                site_id: site_id.clone(),
                imported_at: event.at.into(),
            }))
        };
        let change = match event.what {
            Happening::Advisory(change) => change,
            Happening::Muted { id, vulnerability } => {
                return muted(id, vulnerability, types::MuteAction::Added);
            }
            Happening::MuteEnded { id, vulnerability } => {
                return muted(id, vulnerability, types::MuteAction::Ended);
            }
        };
        let merge_hash: types::MergeHash = change.merge_hash.into();
        let action = match change.action {
            Action::Created => EventAction::Created,
            Action::Updated => EventAction::Updated,
            Action::Withdrawn => EventAction::Withdrawn,
            Action::Removed => EventAction::Removed,
            Action::Redirected { .. } => EventAction::Redirected,
        };
        record(types::SiteEvent::Canonical(types::CanonicalImported {
            canonical_id: merge_hash,
            cve: change
                .vulnerability
                .is_cve()
                .then(|| change.vulnerability.to_string()),
            affects_key: affects_key(&change.package),
            merge_hash,
            action,
            bundle_hash: event.bundle.map(Into::into),
            site_id: site_id.clone(),
            imported_at: event.at.into(),
            redirected_from: None,
        }))
    }
}

/// The package as a package URL where it has one, else as it is named.
fn affects_key(package: &PackageId) -> String {
    match package {
        PackageId::Package { ecosystem, name } => starling_scanner::purl::osv::purl_of(ecosystem, name)
            .map_or_else(|| format!("{ecosystem}/{name}"), |purl| purl.to_string()),
        PackageId::Repository { repository } => repository.clone(),
        PackageId::Record(key) => format!("{}/{}", key.source, key.id),
    }
}
