//! The site itself: status, identity, keys.

use starling_api_types::{
    InitReport, KeyList, LostRecords, Position, PublicIdentity, RestorePhase, RestoreReport, RestoreStatus,
    Status, StoreCheck,
};

use super::table::Table;
use super::{Lines, count, list, or_dash, plain, section, size};

/// `starling status`
pub(crate) fn status(status: &Status) -> String {
    let daemon = if status.daemon {
        "running"
    } else {
        "not running; read from the store"
    };
    let store = &status.store;
    let mut text = Lines::default()
        .add("site", format!("{} ({})", status.site_id, status.site))
        .add("daemon", format!("{daemon}, version {}", status.version))
        .add("head", or_dash(status.head.as_ref()))
        .add("knowledge root", status.knowledge_root)
        .add("held root", status.held_root)
        .add("records", count(status.records))
        .add("advisories", count(status.advisories))
        .add("unresolved", unresolved(status.unresolved))
        .add(
            "store",
            format!(
                "{}, {} (log {}, packs {}, engine {}), schema {}",
                store.engine,
                size(store.size_bytes),
                size(store.log_bytes),
                size(store.pack_bytes),
                size(store.engine_bytes),
                store.schema
            ),
        )
        .add("known back to", or_dash(store.known_back_to))
        .add("checked", checked(store.check.as_ref()))
        .add("listening", list(&status.listen))
        .to_string();
    if let Some(check) = &store.check {
        for what in &check.damaged {
            text.push_str(&format!("  damaged: {}\n", plain(what)));
        }
        if let Some(advice) = &check.advice {
            text.push_str(&format!("  {}\n", plain(advice)));
        }
    }

    if let Some(restore) = &status.restore {
        text.push_str(&restored(restore));
    }
    if let Some(records) = &status.lost_records {
        text.push_str(&lost(records));
    }
    for differs in &status.differences {
        text.push_str(&format!("  DIFFERS: {}\n", plain(&differs.difference)));
    }
    let mut parts = Table::new(["PART", "STATE", "DETAIL"]);
    for part in &status.parts {
        parts.row([
            part.part.as_str().to_owned(),
            part.state.as_str().to_owned(),
            plain(&part.detail).into_owned(),
        ]);
    }
    section(&mut text, "Parts", &parts);

    let mut peers = Table::new(["PEER", "CONNECTED", "ADDRESS", "LAST SEEN", "LAST ERROR"]);
    for peer in &status.peers {
        peers.row([
            peer.site_id.to_string(),
            if peer.connected { "yes" } else { "no" }.to_owned(),
            or_dash(peer.address.as_ref()),
            or_dash(peer.last_seen_at),
            or_dash(peer.last_error.as_ref()),
        ]);
    }
    section(&mut text, "Peers", &peers);
    section(&mut text, "Positions", &positions(&status.positions));

    let mut feeds = Table::new(["SOURCE", "RECORDS", "LAST CHECKED", "LAST IMPORTED HERE"]);
    for feed in &status.feeds {
        feeds.row([
            feed.source.to_string(),
            count(feed.records),
            or_dash(feed.last_checked),
            or_dash(feed.last_imported_at),
        ]);
    }
    section(&mut text, "Feeds", &feeds);
    text
}

/// How many records wait for a decision, and where they are named.
fn unresolved(records: u64) -> String {
    if records == 0 {
        "0".to_owned()
    } else {
        format!(
            "{} records wait for a decision: `starling conflicts list`",
            count(records)
        )
    }
}

/// Why the site signs nothing.
fn restored(restore: &RestoreStatus) -> String {
    let phase = match restore.phase {
        RestorePhase::Waiting => "SIGNS NOTHING: waiting to hear from peers",
        RestorePhase::ClaimsMissing => "SIGNS NOTHING: nobody who was heard has its newest claims",
        RestorePhase::Recovering => "SIGNS NOTHING: taking back its own log",
        RestorePhase::RootKeyMissing => "SIGNS NOTHING: the root key is missing",
        RestorePhase::Frozen => "SIGNS NOTHING: its own log is frozen",
        RestorePhase::Superseded => "SIGNS NOTHING: another copy goes on",
    };
    let heard: Vec<String> = restore.heard.iter().map(ToString::to_string).collect();
    Lines::default()
        .add("restored", phase)
        .add("since", or_dash(restore.since))
        .add("shown by", plain(&restore.reason))
        .add("heard", list(&heard))
        .add("waits", plain(&restore.waits_for))
        .add("do", plain(&restore.advice))
        .to_string()
}

/// What a restore lost.
fn lost(lost: &LostRecords) -> String {
    Lines::default()
        .add("LOST", plain(&lost.what))
        .add("since", lost.since)
        .add("sources", list(&lost.sources))
        .add("do", plain(&lost.advice))
        .to_string()
}

/// `starling restore`
pub(crate) fn restore_report(report: &RestoreReport) -> String {
    if let Some(epoch) = report.new_epoch {
        return format!("{} goes on under epoch {epoch}", report.site_id);
    }
    match &report.restore {
        Some(restore) => restored(restore),
        None => format!("nothing holds {} back", report.site_id),
    }
}

/// The last check of every frame of log and packs.
fn checked(check: Option<&StoreCheck>) -> String {
    let Some(check) = check else {
        return "not since the start".to_owned();
    };
    let found = match check.wrong {
        0 => "nothing damaged".to_owned(),
        wrong => format!("{} DAMAGED", count(wrong)),
    };
    format!("{}, {} frames: {found}", check.at, count(check.frames))
}

/// Positions per author and lane.
pub(super) fn positions(positions: &[Position]) -> Table {
    let mut table = Table::new([
        "AUTHOR",
        "LANE",
        "EPOCH",
        "HIGH-WATER",
        "HELD",
        "ACCEPTED",
        "BODY-COMPLETE",
        "HELD BACK BY",
    ]);
    for position in positions {
        let author = position
            .site_id
            .as_ref()
            .map_or_else(|| position.site.to_string(), ToString::to_string);
        table.row([
            author,
            position.lane.to_string(),
            position.epoch.to_string(),
            or_dash(position.high_water.as_ref()),
            or_dash(position.held.as_ref()),
            or_dash(position.accepted.as_ref()),
            or_dash(position.body_complete.as_ref()),
            or_dash(position.hold_reason.as_ref()),
        ]);
    }
    table
}

/// `starling init`
pub(crate) fn init(report: &InitReport) -> String {
    let made = Lines::default()
        .add(
            "site",
            format!("{} ({})", report.identity.site_id, report.identity.site),
        )
        .add("folder", report.home.display())
        .add("configuration", report.config.display())
        .add("store", &report.engine);
    format!(
        "{made}\nMove the root key offline before you run in earnest; the daemon never needs it.\n\
         Next: `starling feeds import PATH --source NAME`, `starling up`"
    )
}

/// `starling keys show`
pub(crate) fn identity(identity: &PublicIdentity) -> String {
    Lines::default()
        .add("site", format!("{} ({})", identity.site_id, identity.site))
        .add("epoch", identity.epoch)
        .add("root key", &identity.root_key)
        .add("operating key", &identity.operating_key)
        .add("peer id", &identity.peer_id)
        .to_string()
}

/// `starling keys list`
pub(crate) fn keys(list: &KeyList) -> String {
    let mut table = Table::new(["ROLE", "EPOCH", "CURRENT", "PUBLIC KEY", "MADE", "SECRET"]);
    for key in &list.keys {
        let file = key.file.as_ref().map(|file| file.display());
        table.row([
            key.role.as_str().to_owned(),
            or_dash(key.epoch),
            if key.current { "yes" } else { "no" }.to_owned(),
            key.public_key.to_string(),
            or_dash(key.created_at),
            if key.secret_present {
                or_dash(file)
            } else {
                "not here".to_owned()
            },
        ]);
    }
    table.to_string()
}
