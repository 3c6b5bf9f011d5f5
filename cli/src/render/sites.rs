//! The allow-list.

use starling_api_types::{Site, SiteHistory, SiteList, SiteStatus, TransferKind};

use super::status::positions;
use super::table::Table;
use super::{Lines, count, list, or_dash, section, size};

/// What an allow-list of sources lets in.
fn allowed(site: &Site) -> String {
    if site.allowed_sources.is_empty() {
        "nothing".to_owned()
    } else {
        list(&site.allowed_sources)
    }
}

/// Whether its mutes count here.
fn may_mute(site: &Site) -> &'static str {
    match site.may_mute {
        Some(true) => "yes",
        Some(false) => "no",
        None => "yes, with a warning: say it with `sites set`",
    }
}

/// `starling sites list`
pub(crate) fn sites(sites: &SiteList) -> String {
    if sites.sites.is_empty() {
        return "no site is listed: nothing is exchanged with anyone; see `starling sites add --help`"
            .to_owned();
    }
    let mut table = Table::new([
        "SITE",
        "NAME",
        "ENABLED",
        "ALLOWED SOURCES",
        "MAY MUTE",
        "LAST SYNC",
        "LAST CURSOR",
    ]);
    for site in &sites.sites {
        table.row([
            site.site_id.to_string(),
            site.display_name.clone(),
            if site.enabled { "yes" } else { "no" }.to_owned(),
            allowed(site),
            may_mute(site).to_owned(),
            or_dash(site.last_sync_at),
            or_dash(site.last_cursor.as_ref()),
        ]);
    }
    table.to_string()
}

fn lines(site: &Site) -> Lines {
    Lines::default()
        .add("site", format!("{} ({})", site.site_id, site.site))
        .add("name", &site.display_name)
        .add("enabled", if site.enabled { "yes" } else { "no" })
        .add("addresses", list(&site.addresses))
        .add("allowed sources", allowed(site))
        .add("may mute", may_mute(site))
        .add("largest bundle", size(site.max_bundle_size))
        .add("added", site.added_at)
        .add("last sync", or_dash(site.last_sync_at))
        .add("last cursor", or_dash(site.last_cursor.as_ref()))
}

/// `starling sites show`, `add` and `set`
pub(crate) fn site(site: &Site) -> String {
    lines(site).to_string()
}

/// `starling sites history`
pub(crate) fn site_history(history: &SiteHistory) -> String {
    if history.entries.is_empty() {
        return format!("nothing has come from {} yet", history.site_id);
    }
    let mut table = Table::new([
        "AT", "BY", "ITEMS", "CREATED", "UPDATED", "DELETED", "CURSOR", "BUNDLE",
    ]);
    for entry in &history.entries {
        let kind = match entry.kind {
            TransferKind::Sync => "network",
            TransferKind::Bundle => "bundle",
        };
        table.row([
            entry.at.to_string(),
            kind.to_owned(),
            count(entry.items),
            count(entry.counts.canonical_created),
            count(entry.counts.canonical_updated),
            count(entry.counts.deletions_processed),
            or_dash(entry.cursor.as_ref()),
            or_dash(entry.bundle_hash),
        ]);
    }
    table.to_string()
}

/// `starling sites status`
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
