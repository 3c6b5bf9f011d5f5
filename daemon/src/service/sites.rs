//! The allow-list, and the transfers from its sites.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{Lane, SiteSlug};
use starling_store::{AllowedSources, LedgerEntry, ListedSite, LogId, TRANSFERS_KEPT};

use super::SiteParts;
use super::problem::store_problem;
use crate::clock::now;
use crate::home::home_problem;

/// Longest display name, in characters.
const MAX_DISPLAY_NAME_CHARS: usize = 100;

impl SiteParts {
    pub(super) fn sites(&self) -> ServiceResult<types::SiteList> {
        let listed = self
            .data
            .store
            .listed_sites()
            .map_err(|error| store_problem("reading the allow-list", &error))?;
        let sites = listed
            .iter()
            .map(|site| self.shown_site(site))
            .collect::<Result<_, _>>()?;
        Ok(types::SiteList { sites })
    }

    pub(super) fn site(&self, slug: &types::SiteSlug) -> ServiceResult<types::Site> {
        let listed = self.listed(slug)?;
        self.shown_site(&listed)
    }

    pub(super) fn add_site(&self, add: types::SiteAdd) -> ServiceResult<types::Site> {
        let (site, chain) = crate::home::read_identity(&add.key).map_err(|error| home_problem(&error))?;
        check_addresses(&add.site_id, &add.addresses)?;
        check_display_name(&add.site_id, add.display_name.as_deref())?;
        let listed = ListedSite {
            slug: protocol_slug(&add.site_id)?,
            site,
            display_name: add.display_name,
            addresses: add.addresses,
            allowed_sources: protocol_sources(&add.allowed_sources)?,
            max_bundle_size: add.max_bundle_size,
            enabled: add.enabled.unwrap_or(true),
            may_mute: Some(add.may_mute),
            added_at: now(),
        };
        self.data
            .store
            .list_site(listed.clone(), chain.as_ref())
            .map_err(|error| store_problem("adding a site to the allow-list", &error))?;
        self.note_site(&listed, "added")?;
        self.shown_site(&listed)
    }

    pub(super) fn change_site(
        &self,
        slug: &types::SiteSlug,
        change: types::SiteChange,
    ) -> ServiceResult<types::Site> {
        let addresses = change.addresses.as_deref().unwrap_or_default();
        check_addresses(slug, addresses)?;
        check_display_name(slug, change.display_name.as_deref())?;
        let sources = change.allowed_sources.as_deref();
        let sources = sources.map(protocol_sources).transpose()?;
        let changed = self
            .data
            .store
            .update_listed_site(&protocol_slug(slug)?, |listed| {
                listed.display_name = change.display_name.or(listed.display_name.take());
                listed.max_bundle_size = change.max_bundle_size.or(listed.max_bundle_size);
                listed.enabled = change.enabled.unwrap_or(listed.enabled);
                listed.may_mute = change.may_mute.or(listed.may_mute);
                if let Some(addresses) = change.addresses {
                    listed.addresses = addresses;
                }
                if let Some(sources) = sources {
                    listed.allowed_sources = sources;
                }
            })
            .map_err(|error| store_problem("changing an entry of the allow-list", &error))?;
        self.note_site(&changed, "changed")?;
        self.shown_site(&changed)
    }

    pub(super) fn remove_site(&self, slug: &types::SiteSlug) -> ServiceResult<types::Site> {
        let listed = self.listed(slug)?;
        let shown = self.shown_site(&listed)?;
        self.data
            .store
            .unlist_site(&listed.slug)
            .map_err(|error| store_problem("removing a site from the allow-list", &error))?;
        self.note_site(&listed, "removed")?;
        Ok(shown)
    }

    pub(super) fn site_history(&self, slug: &types::SiteSlug) -> ServiceResult<types::SiteHistory> {
        let listed = self.listed(slug)?;
        let entries = self
            .data
            .store
            .newest_transfers(&listed.site, TRANSFERS_KEPT)
            .map_err(|error| store_problem("reading the ledger", &error))?;
        let entries = entries
            .into_iter()
            .map(|(_, entry)| history_entry(&entry))
            .collect();
        Ok(types::SiteHistory {
            site_id: slug.clone(),
            entries,
        })
    }

    pub(super) fn site_status(&self, slug: &types::SiteSlug) -> ServiceResult<types::SiteStatus> {
        let listed = self.listed(slug)?;
        let peer = self.live.peer_status.peer(&listed.site);
        let failed = |error| store_problem("reading positions", &error);
        let logs = self.data.store.logs().map_err(failed)?;
        let all = self.data.store.listed_sites().map_err(failed)?;
        let positions = logs
            .iter()
            .filter(|log| log.id.site == listed.site)
            .map(|log| self.position(log, &all))
            .collect();
        let totals = self.totals(&listed)?;
        Ok(types::SiteStatus {
            entry: self.shown_site(&listed)?,
            connected: peer.connected,
            positions,
            bundles_imported: totals.bundles,
            total_items_imported: totals.items,
            last_error: peer.last_error,
        })
    }

    /// Returns true if a site is reached by file only: it has no address, and never was connected, or a bundle of it
    /// came after its last session.
    pub(super) fn is_by_file(&self, listed: &ListedSite) -> bool {
        let peer = self.live.peer_status.peer(&listed.site);
        if !listed.addresses.is_empty() || peer.connected {
            return false;
        }
        if peer.last_seen_at.is_none() && !peer.was_connected {
            return true;
        }
        let newest = self.data.store.newest_transfers(&listed.site, 1);
        let newest = newest.ok().and_then(|newest| newest.into_iter().next());
        match newest {
            Some((_, LedgerEntry::BundleImported { at, .. })) => {
                peer.last_seen_at.is_none_or(|seen| at > seen)
            }
            _ => false,
        }
    }

    pub(super) fn sync_status(&self) -> ServiceResult<types::SyncStatus> {
        let failed = |error| store_problem("reading the sync status", &error);
        let listed = self.data.store.listed_sites().map_err(failed)?;
        let mut sites = Vec::new();
        for site in &listed {
            let shown = self.shown_site(site)?;
            let totals = self.totals(site)?;
            sites.push(types::SyncSite {
                site_id: shown.site_id,
                enabled: shown.enabled,
                last_sync_at: shown.last_sync_at,
                last_cursor: shown.last_cursor,
                bundles_imported: totals.bundles,
                total_items_imported: totals.items,
            });
        }
        let own = self.data.store.log(self.own_log()).map_err(failed)?;
        let local_cursor = own
            .filter(|log| log.tip.cursor.number.0 > 0)
            .map(|log| log.tip.cursor.into());
        Ok(types::SyncStatus { sites, local_cursor })
    }

    pub(super) fn listed(&self, slug: &types::SiteSlug) -> ServiceResult<ListedSite> {
        self.data
            .store
            .listed_site(&protocol_slug(slug)?)
            .map_err(|error| store_problem("looking up a site", &error))
    }

    fn note_site(&self, listed: &ListedSite, change: &str) -> ServiceResult<()> {
        let entry = LedgerEntry::SiteChanged {
            at: now(),
            site: listed.site,
            change: change.to_owned(),
        };
        self.data
            .store
            .record(&entry)
            .map_err(|error| store_problem("writing to the ledger", &error))?;
        self.apply_policy()
            .map_err(|error| store_problem("updating the view for the order of sites", &error))?;
        self.changed();
        Ok(())
    }

    fn shown_site(&self, listed: &ListedSite) -> ServiceResult<types::Site> {
        let failed = |error| store_problem("reading the allow-list", &error);
        let log = self
            .data
            .store
            .log(LogId {
                site: listed.site,
                lane: Lane::Federation,
            })
            .map_err(failed)?;
        let transfers = self.data.store.transfers(&listed.site).map_err(failed)?;
        // A bundle that was written for the site is not one: nobody knows yet if it arrives.
        let exchanged = self.live.peer_status.peer(&listed.site).exchanged_at;
        let patterns: Vec<String> = listed.allowed_sources.clone().into();
        Ok(types::Site {
            site_id: (&listed.slug).into(),
            site: listed.site.into(),
            display_name: listed
                .display_name
                .clone()
                .unwrap_or_else(|| listed.slug.to_string()),
            addresses: listed.addresses.clone(),
            allowed_sources: patterns.iter().filter_map(|text| text.parse().ok()).collect(),
            max_bundle_size: listed
                .max_bundle_size
                .unwrap_or(self.identity.config.federation.import.max_bundle_size.0),
            enabled: listed.enabled,
            may_mute: listed.may_mute,
            added_at: listed.added_at.into(),
            last_sync_at: transfers.last_at.max(exchanged).map(Into::into),
            last_cursor: log
                .filter(|log| log.tip.cursor.number.0 > 0)
                .map(|log| log.tip.cursor.into()),
        })
    }

    fn totals(&self, listed: &ListedSite) -> ServiceResult<Totals> {
        let transfers = self
            .data
            .store
            .transfers(&listed.site)
            .map_err(|error| store_problem("reading the ledger", &error))?;
        let logs = self
            .data
            .store
            .logs()
            .map_err(|error| store_problem("reading positions", &error))?;
        let items = logs
            .iter()
            .filter(|log| log.id.site == listed.site)
            .map(|log| log.tip.cursor.number.0)
            .sum();
        Ok(Totals {
            bundles: transfers.bundles,
            items,
        })
    }
}

struct Totals {
    bundles: u64,
    items: u64,
}

fn history_entry(entry: &LedgerEntry) -> types::SiteHistoryEntry {
    let empty = types::SiteHistoryEntry {
        at: entry.at().into(),
        kind: types::TransferKind::Sync,
        bundle_hash: None,
        cursor: None,
        items: 0,
        counts: types::ImportCounts::default(),
    };
    match entry {
        LedgerEntry::BundleImported {
            bundle,
            items,
            cursor,
            counts,
            ..
        } => types::SiteHistoryEntry {
            kind: types::TransferKind::Bundle,
            bundle_hash: bundle.parse().ok(),
            cursor: cursor.map(Into::into),
            items: *items,
            counts: super::bundle_import::counts_of(counts),
            ..empty
        },
        LedgerEntry::Synced { items, cursor, .. } => types::SiteHistoryEntry {
            items: *items,
            cursor: cursor.map(Into::into),
            ..empty
        },
        LedgerEntry::BundleExported { .. }
        | LedgerEntry::SiteChanged { .. }
        | LedgerEntry::Decided { .. } => empty,
    }
}

fn check_addresses(site: &types::SiteSlug, addresses: &[String]) -> ServiceResult<()> {
    for address in addresses {
        let problem = match address.parse::<libp2p::Multiaddr>() {
            Ok(address) => crate::net::undialable(&address),
            Err(error) => Some(format!("{address:?} is not a multiaddress: {error}")),
        };
        if let Some(problem) = problem {
            let detail = format!("listing site {site}: {problem}");
            return Err(Problem::new(ErrorCode::BadRequest, detail)
                .hint("an address looks like /ip4/192.0.2.7/udp/7946/quic-v1"));
        }
    }
    Ok(())
}

/// Refuses a display name that tables and terminals cannot show.
fn check_display_name(site: &types::SiteSlug, name: Option<&str>) -> ServiceResult<()> {
    let Some(name) = name else { return Ok(()) };
    let length = name.chars().count();
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let what = if name.trim().is_empty() || name.trim() != name {
        "is empty, or has spaces at its ends".to_owned()
    } else if name.chars().any(|c| c.is_control() || turns(c)) {
        "has control characters".to_owned()
    } else if length > MAX_DISPLAY_NAME_CHARS {
        format!("has {length} characters, expected at most {MAX_DISPLAY_NAME_CHARS}")
    } else {
        return Ok(());
    };
    let detail = format!("listing site {site}: its display name {what}");
    Err(Problem::new(ErrorCode::BadRequest, detail)
        .hint("without a display name, lists show the site's name"))
}

fn protocol_sources(patterns: &[types::SourcePattern]) -> ServiceResult<AllowedSources> {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    AllowedSources::try_from(patterns).map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))
}

pub(super) fn protocol_slug(slug: &types::SiteSlug) -> ServiceResult<SiteSlug> {
    SiteSlug::try_from(slug).map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))
}
