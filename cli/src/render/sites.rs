//! Renders the allow-list.

use std::collections::BTreeSet;

use starling_api_types::{
    Cursor, Site, SiteHistory, SiteList, SiteStatus, SourceName, Status, Timestamp, TransferKind,
};

use super::status::positions;
use super::table::Table;
use super::{Lines, ago, count, list, moment, moment_or, or_dash, section, short, size};
use crate::terminal::Tone;

/// The connection of a site that is reached by carried bundles only.
const BY_BUNDLE: &str = "bundles only";

/// Describes the sources that a site is allowed to send.
fn allowed(site: &Site) -> String {
    if site.allowed_sources.is_empty() {
        "nothing".to_owned()
    } else {
        list(&site.allowed_sources)
    }
}

/// Describes if the site's mutes apply here.
fn may_mute(site: &Site) -> &'static str {
    match site.may_mute {
        Some(true) => "yes",
        Some(false) => "no",
        None => "yes (say so with `sites set`)",
    }
}

/// The allow-list, and each entry's part of the site's status.
#[derive(Debug)]
pub(crate) struct SitesView<'a> {
    pub(crate) list: &'a SiteList,
    pub(crate) status: &'a Status,
    pub(crate) now: Timestamp,
}

/// Renders `starling sites list`.
pub(crate) fn sites(view: &SitesView<'_>) -> String {
    if view.list.sites.is_empty() {
        return "no site is listed: nothing is exchanged with anyone; see `starling sites add --help`"
            .to_owned();
    }
    let mut table = Table::new([
        "SITE ID",
        "STATUS",
        "LAST SYNC",
        "AGE",
        "CURSOR",
        "LAG",
        "HELD BACK",
        "CONNECTED",
        "ALLOWED SOURCES",
        "MAY MUTE",
        "NAME",
    ])
    .numbers(&["AGE", "LAG"])
    .shrinks("ALLOWED SOURCES", 15)
    .shrinks("HELD BACK", 12)
    // A cursor is there to be copied: it is shown whole, or not at all.
    .leaves_out(&["NAME", "MAY MUTE", "ALLOWED SOURCES", "AGE", "CURSOR"]);
    if view
        .list
        .sites
        .iter()
        .all(|site| held_back(view.status, site).is_none())
    {
        table = table.without("HELD BACK");
    }
    for site in &view.list.sites {
        let peer = view.status.peers.iter().find(|peer| peer.site == site.site);
        let name = if site.display_name == site.site_id.to_string() {
            String::new()
        } else {
            site.display_name.clone()
        };
        table.row([
            site.site_id.to_string(),
            enabled(site).to_owned(),
            moment_or(site.last_sync_at, "never"),
            site.last_sync_at
                .map_or_else(|| "-".to_owned(), |at| ago(at, view.now)),
            or_dash(site.last_cursor.as_ref()),
            lag(view.status, site),
            or_dash(held_back(view.status, site)),
            match peer {
                Some(peer) if peer.connected => "yes",
                Some(peer) if peer.by_file => BY_BUNDLE,
                None if site.addresses.is_empty() => BY_BUNDLE,
                _ => "no",
            }
            .to_owned(),
            allowed(site),
            may_mute(site).to_owned(),
            name,
        ]);
        let tone = if site.enabled { Tone::Good } else { Tone::Dim };
        table.tone("STATUS", Some(tone));
    }
    table.to_string()
}

const fn enabled(site: &Site) -> &'static str {
    if site.enabled { "enabled" } else { "disabled" }
}

/// Returns the number of announced claims that are not accepted yet, over all lanes; a dash if none are announced.
fn lag(status: &Status, site: &Site) -> String {
    let number = |cursor: &Cursor| {
        let text = cursor.to_string();
        text.rsplit_once('#')
            .and_then(|(_, number)| number.parse::<u64>().ok())
    };
    let lags = status
        .positions
        .iter()
        .filter(|position| position.site == site.site)
        .filter_map(|position| {
            let newest = number(position.high_water.as_ref()?)?;
            let accepted = position.accepted.as_ref().and_then(number).unwrap_or(0);
            Some(newest.saturating_sub(accepted))
        });
    let lags: Vec<u64> = lags.collect();
    if lags.is_empty() {
        return "-".to_owned();
    }
    count(lags.iter().sum())
}

/// Returns how many records of which sources the allow-list holds back of a site's log; `None` if it holds back nothing.
fn held_back(status: &Status, site: &Site) -> Option<String> {
    let of_site = || {
        status
            .positions
            .iter()
            .filter(|position| position.site == site.site)
    };
    let sources: BTreeSet<&str> = of_site()
        .flat_map(|position| position.out_of_scope.iter().map(SourceName::as_str))
        .collect();
    let records: u64 = of_site().map(|position| position.held_back).sum();
    let sources: Vec<&str> = sources.into_iter().collect();
    (!sources.is_empty()).then(|| format!("{} of {}", count(records), list(&sources)))
}

fn lines(site: &Site) -> Lines {
    Lines::default()
        .add("site", &site.site_id)
        .add("identity", site.site)
        .add("name", &site.display_name)
        .add("status", enabled(site))
        .add("addresses", list(&site.addresses))
        .add("allowed sources", allowed(site))
        .add("may mute", may_mute(site))
        .add("largest bundle", size(site.max_bundle_size))
        .add("added", moment(site.added_at))
        .add("last sync", moment_or(site.last_sync_at, "never"))
        .add("last cursor", or_dash(site.last_cursor.as_ref()))
}

/// Renders `starling sites show`, `add` and `set`.
pub(crate) fn site(site: &Site) -> String {
    lines(site).to_string()
}

/// Renders `starling sites history`.
pub(crate) fn site_history(history: &SiteHistory) -> String {
    if history.entries.is_empty() {
        return format!("nothing was received from {} yet", history.site_id);
    }
    let mut table = Table::new([
        "AT", "BY", "ITEMS", "CREATED", "UPDATED", "DELETED", "CURSOR", "BUNDLE",
    ])
    .numbers(&["ITEMS", "CREATED", "UPDATED", "DELETED"])
    .never_cuts("CURSOR")
    .leaves_out(&["BUNDLE", "CREATED", "UPDATED", "DELETED"]);
    for entry in &history.entries {
        let (kind, is_counted) = match entry.kind {
            // Deltas from the network are folded later, and not counted by transfer.
            TransferKind::Sync => ("network", false),
            TransferKind::Bundle => ("bundle", true),
            TransferKind::Unknown => ("unknown", false),
        };
        let counted = |number: u64| or_dash(is_counted.then(|| count(number)));
        table.row([
            moment(entry.at),
            kind.to_owned(),
            count(entry.items),
            counted(entry.counts.canonical_created),
            counted(entry.counts.canonical_updated),
            counted(entry.counts.deletions_processed),
            or_dash(entry.cursor.as_ref()),
            or_dash(entry.bundle_hash.map(|hash| short(&hash.to_string()))),
        ]);
    }
    table.to_string()
}

/// Renders `starling sites status`.
pub(crate) fn site_status(status: &SiteStatus) -> String {
    let mut text = lines(&status.entry)
        .add("connected", if status.connected { "yes" } else { "no" })
        .add("bundles imported", count(status.bundles_imported))
        .add("items imported", count(status.total_items_imported))
        .add("last error", or_dash(status.last_error.as_ref()))
        .to_string();
    section(&mut text, "Positions", &positions(&status.positions));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::terminal;

    #[test]
    fn history_shows_no_counts_for_network_transfers() {
        let entry = |kind: &str| {
            json!({"at": "2025-01-15T10:30:00.000Z", "kind": kind, "bundle_hash": null, "cursor": null, "items": 7,
                "counts": {"canonical_created": 5, "canonical_updated": 0, "canonical_skipped": 0, "edges_added": 0,
                    "deletions_processed": 0}})
        };
        let history = json!({"site_id": "site-b", "entries": [entry("sync"), entry("bundle")]});
        let history: SiteHistory = serde_json::from_value(history).unwrap();
        let text = terminal::at_width(200, || site_history(&history));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[1][2..], ["network", "7", "-", "-", "-", "-", "-"], "{text}");
        assert_eq!(rows[2][2..], ["bundle", "7", "5", "0", "0", "-", "-"], "{text}");
    }

    #[test]
    fn list_shows_lag_and_age_within_80_columns() {
        let hash = |digit: &str| format!("blake3:{}", digit.repeat(64));
        let site = |name: &str, digit: &str, enabled: bool, synced: Option<&str>| {
            json!({"site_id": name, "site": hash(digit), "display_name": name, "addresses": [], "allowed_sources": ["ghsa", "nvd"],
                "max_bundle_size": 1, "enabled": enabled, "added_at": "2025-01-01T00:00:00.000Z", "last_sync_at": synced,
                "last_cursor": synced.map(|_| "2025-01-15T10:30:00.000Z#0042")})
        };
        let list: SiteList = serde_json::from_value(json!({"sites": [
            site("site-eu-north-1", "1", true, Some("2025-01-15T10:30:00.000Z")),
            site("site-b", "2", false, None)]}))
        .unwrap();
        let position = json!({"site_id": "site-eu-north-1", "site": hash("1"), "lane": "federation", "epoch": 0,
            "high_water": "2025-01-16T10:30:00.000Z#1042", "held": null, "accepted": "2025-01-15T10:30:00.000Z#0042",
            "body_complete": null, "hold_reason": null});
        let status: Status = serde_json::from_value(json!({
            "site_id": "site-a", "site": hash("3"), "version": "0", "daemon": true, "head": null, "knowledge_root": hash("0"),
            "held_root": hash("0"), "records": 0, "advisories": 0, "peers": [], "positions": [position], "feeds": [],
            "store": {"engine": "sled", "size_bytes": 0, "schema": 3}}))
        .unwrap();
        let view = SitesView {
            list: &list,
            status: &status,
            now: "2025-01-15T13:30:00.000Z".parse().unwrap(),
        };
        let text = terminal::at_width(80, || sites(&view));
        let mut lines = text.lines();
        let heading = lines.next().unwrap();
        assert!(
            heading.starts_with("SITE ID          STATUS    LAST SYNC"),
            "{text}"
        );
        let first = lines.next().unwrap();
        for shown in ["site-eu-north-1", "enabled", "2025-01-15 10:30", "1,000"] {
            assert!(first.contains(shown), "{shown}: {text}");
        }
        // A part of a cursor cannot be used: it is shown whole, or not at all.
        assert!(!text.contains("#0042") && text.contains("CURSOR"), "{text}");
        let wide = terminal::at_width(160, || sites(&view));
        assert!(wide.contains("2025-01-15T10:30:00.000Z#0042"), "{wide}");
        let second = lines.next().unwrap();
        assert!(second.contains("disabled") && second.contains("never"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(sites(&view).contains("3 h"), "{}", sites(&view));
        assert!(!sites(&view).contains("HELD BACK"), "{}", sites(&view));
        // Claims that the allow-list excludes are not lag; the site's row shows them.
        let mut status = status.clone();
        status.positions[0].out_of_scope = vec!["nvd".parse().unwrap(), "osv".parse().unwrap()];
        status.positions[0].held_back = 1_204;
        let held = SitesView {
            status: &status,
            ..view
        };
        let text = terminal::at_width(80, || sites(&held));
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].contains("LAG  HELD BACK"), "{text}");
        assert!(rows[1].contains("1,000  1,204 of nvd"), "{text}");
        assert!(rows[2].contains("-  -"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
