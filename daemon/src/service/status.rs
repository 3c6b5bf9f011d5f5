//! Health and status.

use std::collections::BTreeMap;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::{SiteId, Source};
use starling_store::{
    AllowedSources, FeedRow, FrozenBy, ListedSite, LogOverview, SiteStore, StoreError, StoreSize, ViewReader,
};

use super::SiteParts;
use super::advisories::view_problem;
use super::bundle_ground::{CONFLICT_HINT, FROZEN_HINT};
use super::problem::store_problem;
use super::scan::latest_check;
use crate::sync_task::PeerStatusTable;

impl SiteParts {
    pub(super) fn health(&self) -> types::Health {
        let uptime = self
            .live
            .started
            .map_or(0, |started| started.elapsed().as_millis());
        types::Health {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site_id: self.identity.home.chain().slug().into(),
            uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
            opening: None,
            work: self.data.store.meter().now().map(|now| types::LongWork {
                what: now.what.to_owned(),
                done: now.done,
                of: now.of,
            }),
            parts: self.parts(),
        }
    }

    pub(super) fn status(&self) -> ServiceResult<types::Status> {
        let failed = |error| store_problem("reading the site's status", &error);
        let logs = self.data.store.logs().map_err(failed)?;
        let own = self.own_log();
        let head = logs
            .iter()
            .find(|log| log.id == own)
            .filter(|log| log.tip.cursor.number.0 > 0);
        let head = head.map(|log| log.tip.cursor.into());
        let listed = self.data.store.listed_sites().map_err(failed)?;
        let peers = listed.iter().map(|site| self.peer_shown(site)).collect();
        let imported = self.data.store.feeds().map_err(failed)?;
        let view = self.data.store.view().map_err(failed)?;
        let feeds = sources_shown(&view, &imported).map_err(failed)?;
        let advisories = view.advisory_count().map_err(failed)?;
        let unresolved = starling_view::held_records(&view).map_err(|error| view_problem(&error))?;
        let size = self.data.store.size_on_disk().map_err(failed)?;
        let records = feeds.iter().map(|feed| feed.records).sum();
        let knowledge_root = view.knowledge_root().into();
        drop(view);
        Ok(types::Status {
            site_id: self.identity.home.chain().slug().into(),
            site: self.identity.home.chain().site().into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            daemon: self.live.started.is_some(),
            head,
            knowledge_root,
            held_root: self.data.store.held_root().map_err(failed)?.into(),
            records,
            advisories,
            unresolved: unresolved.len() as u64,
            parts: self.parts(),
            listen: self.live.peer_status.listening(),
            peers,
            positions: logs.iter().map(|log| self.position(log, &listed)).collect(),
            feeds,
            fetched_feeds: self.feeds_shown(),
            store: self.store_shown(&size).map_err(failed)?,
            differences: self.differences(),
            strangers: strangers(&self.live.peer_status, &listed),
            restore: self.restore_status(),
            lost_records: self.lost_records(),
            lost_claims: self.lost_by_repair().map_err(failed)?,
        })
    }

    fn peer_shown(&self, site: &ListedSite) -> types::PeerStatus {
        let peer = self.live.peer_status.peer(&site.site);
        types::PeerStatus {
            site_id: (&site.slug).into(),
            site: site.site.into(),
            connected: peer.connected,
            address: peer.address,
            last_seen_at: peer.last_seen_at.map(Into::into),
            bytes_sent: peer.bytes_sent,
            bytes_received: peer.bytes_received,
            last_error: peer.last_error,
            by_file: self.is_by_file(site),
        }
    }

    fn store_shown(&self, size: &StoreSize) -> Result<types::StoreStatus, StoreError> {
        Ok(types::StoreStatus {
            engine: self.data.store.engine().name().to_owned(),
            size_bytes: size.total().0,
            log_bytes: size.log.0,
            pack_bytes: size.packs.0,
            engine_bytes: size.engine.0,
            schema: SiteStore::schema(),
            known_back_to: Some(self.data.store.history()?.since.into()),
            check: self.last_check(),
        })
    }

    pub(super) fn position(&self, log: &LogOverview, listed: &[ListedSite]) -> types::Position {
        let cursor = |number: starling_protocol::ClaimNumber| -> Option<types::Cursor> {
            if number.0 == 0 {
                return None;
            }
            let time = match &log.head {
                Some(head) if head.head().number == number => head.head().time,
                _ => log.tip.cursor.time,
            };
            Some(starling_protocol::Cursor { time, number }.into())
        };
        types::Position {
            site_id: self.slug_of(&log.id.site),
            site: log.id.site.into(),
            lane: log.id.lane.into(),
            epoch: u64::from(log.tip.epoch),
            high_water: cursor(log.high_water),
            held: cursor(log.tip.cursor.number),
            accepted: cursor(log.accepted),
            body_complete: cursor(log.body_complete),
            arriving_bodies: if !log.frozen && self.live.peer_status.bodies_arrive() {
                log.awaited as u64
            } else {
                0
            },
            hold_reason: self.hold_reason(log),
            out_of_scope: log.out_of_scope.iter().map(Into::into).collect(),
            held_back: log.live_out_of_scope,
            by_choice: is_by_choice(log, listed),
        }
    }

    /// Returns every reason why a log's claims are not in the view, and what to do.
    fn hold_reason(&self, log: &LogOverview) -> Option<String> {
        let mut reasons = Vec::new();
        if let Some(by) = log.frozen_by {
            reasons.push(frozen_reason(by));
        } else if let Some(reason) = &log.hold_reason {
            let mut reason = reason.clone();
            if log.wanted > 0 && !log.lost {
                reason.push_str("; a peer that holds them sends them, and so does a bundle that has them (import it again)");
            }
            reasons.push(reason);
        }
        if !log.out_of_scope.is_empty() {
            let sources: Vec<&str> = log.out_of_scope.iter().map(Source::as_str).collect();
            reasons.push(match self.slug_of(&log.id.site) {
                Some(name) => format!(
                    "claims about {} are held and not accepted: {name} may not speak of them here (`starling sites \
                     set {name} --allowed-sources`), so that its knowledge root differs from this one",
                    sources.join(", ")
                ),
                None => "its author is not on the allow-list: nothing of it is accepted".to_owned(),
            });
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// Returns true if only the allow-list holds claims of a log back. A list that accepts nothing of any site is not a
/// choice among sources: more likely, it was not finished.
fn is_by_choice(log: &LogOverview, listed: &[ListedSite]) -> bool {
    let is_restricted = log.live_out_of_scope > 0 && log.frozen_by.is_none() && log.hold_reason.is_none();
    let is_listed = listed.iter().any(|site| site.site == log.id.site);
    let accepts = |site: &ListedSite| match &site.allowed_sources {
        AllowedSources::All => site.enabled,
        AllowedSources::Only(sources) => site.enabled && !sources.is_empty(),
    };
    is_restricted && is_listed && listed.iter().any(accepts)
}

/// Returns the sources of a view, in the order of their names. `imported` says when each was last read here.
fn sources_shown(
    view: &ViewReader<'_>,
    imported: &BTreeMap<Source, FeedRow>,
) -> Result<Vec<types::FeedStatus>, StoreError> {
    let latest = latest_check();
    let mut feeds: Vec<types::FeedStatus> = view
        .sources()?
        .into_iter()
        .map(|(source, overview)| types::FeedStatus {
            last_imported_at: imported
                .get(&source)
                .and_then(|row| row.imported_at)
                .map(Into::into),
            // A check later than this clock counts as now, and its own time is shown beside it.
            last_checked: overview.checked_at.map(|checked| checked.min(latest).into()),
            check_ahead: overview
                .checked_at
                .filter(|checked| *checked > latest)
                .map(Into::into),
            records: overview.records,
            source: source.into(),
        })
        .collect();
    feeds.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(feeds)
}

/// Returns why nothing more of a log is accepted, and how that ends.
fn frozen_reason(by: FrozenBy) -> String {
    let (what, end) = match by {
        FrozenBy::Fork { .. } | FrozenBy::Head { .. } => ("its log is frozen", FROZEN_HINT),
        FrozenBy::Certificates { .. } => ("nothing new of it is trusted", CONFLICT_HINT),
    };
    format!("{}; {what}; {end}", by.why())
}

/// Returns the sites that asked to sync and still are not on the allow-list, the newest first.
fn strangers(peers: &PeerStatusTable, listed: &[ListedSite]) -> Vec<types::StrangerStatus> {
    let is_listed = |site: &SiteId| listed.iter().any(|listed| listed.site == *site);
    let mut found: Vec<types::StrangerStatus> = peers
        .strangers()
        .into_iter()
        .filter(|(site, _)| !is_listed(site))
        .map(|(site, stranger)| types::StrangerStatus {
            site: site.into(),
            address: stranger.address,
            first_seen_at: stranger.first_at.into(),
            last_seen_at: stranger.last_at.into(),
            times: stranger.times,
        })
        .collect();
    found.sort_by_key(|stranger| std::cmp::Reverse(stranger.last_seen_at));
    found
}
