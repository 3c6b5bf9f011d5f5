//! Describes which site fetches the source of a feed.

use starling_api_types as types;
use starling_api_types::{FeedFetcher, FetchReason};
use starling_protocol::SiteId;
use starling_sync::{INTERVALS, PROBE_INTERVALS, Reason, Role};

use crate::config::feeds::FeedSpec;
use crate::service::SiteParts;

impl SiteParts {
    /// Returns the site that fetches a feed's source, if other sites offer to.
    pub(super) fn fetched_by(&self, spec: &FeedSpec) -> Option<FeedFetcher> {
        let name = spec.name();
        let own: types::SiteSlug = self.identity.home.chain().slug().into();
        if let Some(why) = self.live.feeds.why_unshared(name).filter(|_| spec.entry.enabled) {
            let detail = format!("this site fetches, although others offer to: {why}");
            return Some(here(own, FetchReason::NotShared, detail));
        }
        let found = self.live.feeds.fetcher(name).filter(|_| spec.entry.enabled)?;
        let was_to = |site: &SiteId| {
            format!(
                "{} was to, and its check has not advanced for {INTERVALS} intervals",
                self.named(site)
            )
        };
        let (leader, quiet_ms, overdue, is_probing) = match found.role {
            Role::Fetch(Reason::Alone) => return None,
            Role::Fetch(Reason::First) => {
                let detail = "this site fetches, the others stand by".to_owned();
                return Some(here(own, FetchReason::First, detail));
            }
            Role::Fetch(Reason::Overdue(site)) => {
                let detail = format!("this site fetches: {}", was_to(&site));
                return Some(here(own, FetchReason::Overdue, detail));
            }
            Role::Fetch(Reason::NobodyHealthy) => {
                let detail = "this site tries, as do the others: nobody's fetches go well".to_owned();
                return Some(here(own, FetchReason::NobodyHealthy, detail));
            }
            Role::StandBy {
                leader,
                quiet_ms,
                overdue,
            } => (leader, quiet_ms, overdue, false),
            Role::Probe {
                leader,
                quiet_ms,
                overdue,
            } => (leader, quiet_ms, overdue, true),
        };
        let ago = quiet_ms.saturating_add(found.found_ms_ago);
        let probes = if is_probing {
            format!("; this site's own fetches failed, and are tried every {PROBE_INTERVALS} intervals")
        } else {
            String::new()
        };
        Some(FeedFetcher {
            // Every listed site has a name.
            site_id: self.slug_of(&leader)?,
            here: false,
            reason: overdue.map_or(FetchReason::First, |_| FetchReason::Overdue),
            advanced_ms_ago: Some(ago),
            detail: format!(
                "standing by: {} fetches (last advanced {} ago){}{probes}",
                self.named(&leader),
                span(ago),
                overdue.map_or_else(String::new, |site| format!("; {}", was_to(&site)))
            ),
        })
    }
}

fn here(site_id: types::SiteSlug, reason: FetchReason, detail: String) -> FeedFetcher {
    FeedFetcher {
        site_id,
        here: true,
        reason,
        advanced_ms_ago: None,
        detail,
    }
}

/// Writes a span in its largest unit.
fn span(millis: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    let unit = units.iter().find(|(length, _)| millis >= *length);
    unit.map_or_else(
        || format!("{} s", millis / 1_000),
        |(length, name)| format!("{} {name}", millis / length),
    )
}
