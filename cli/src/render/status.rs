//! Renders the site itself: status, identity, keys.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use starling_api_types::{
    InitReport, KeyList, LostRecords, PartState, Position, PublicIdentity, RestorePhase, RestoreReport,
    RestoreStatus, SourceName, Status, StoreCheck,
};

use super::attention::{self, StatusView};
use super::table::Table;
use super::{
    Lines, author, clauses, count, counted, list, moment, moment_or, on_screen, or_dash, plain, section,
    short, size,
};
use crate::terminal::{self, Tone};

/// Most warnings shown without `--all`.
const MATTERS_SHOWN: usize = 3;
/// Rows for all warnings together without `--all`, unless one clause of each needs more.
const MATTER_ROWS: usize = 6;

/// The words that explain why there can be more advisories than records.
const ADVISORY_IS: &str = "an advisory is one vulnerability in one package";

/// Renders `starling status --all`.
pub(crate) fn status_in_full(view: &StatusView<'_>) -> String {
    let status = view.status;
    let store = &status.store;
    let mut text = head(&attention::of(view), status, usize::MAX);
    let lines = Lines::default()
        .add("site", &status.site_id)
        .add("identity", status.site)
        .add("daemon", daemon(status))
        .add("head", or_dash(status.head.as_ref()))
        .add("knowledge root", status.knowledge_root)
        .add("held root", status.held_root)
        .add("records", count(status.records))
        .add(
            "advisories",
            format!("{} ({ADVISORY_IS})", count(status.advisories)),
        )
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
        .add("listening", list(&status.listen));
    let _ = write!(text, "\n{lines}");
    for what in status.store.check.iter().flat_map(|check| &check.damaged) {
        let _ = writeln!(text, "  damaged: {}", plain(what));
    }
    if let Some(restore) = &status.restore {
        text.push_str(&restored(restore));
    }
    if let Some(records) = &status.lost_records {
        text.push_str(&lost(records));
    }
    for differs in &status.differences {
        let _ = writeln!(text, "  DIFFERS: {}", plain(&differs.difference));
    }
    section(&mut text, "Parts", &parts(status));
    section(&mut text, "Peers", &peers(status));
    section(
        &mut text,
        "Not on the allow-list, and asked to sync",
        &strangers(status),
    );
    section(&mut text, "Positions", &positions(&status.positions));
    section(&mut text, "Sources", &feeds(status));
    section(
        &mut text,
        "Feeds",
        &super::feeds::feeds(&status.fetched_feeds, status.daemon, view.now),
    );
    text
}

/// Renders `starling status`: what a person must do first, then a few lines about the site, for any number of sites.
pub(crate) fn status(view: &StatusView<'_>) -> String {
    let status = view.status;
    let mut text = head(&attention::of(view), status, MATTERS_SHOWN);
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    let facts = Lines::default()
        .add(
            "site",
            format!("{} ({})", status.site_id, short(&status.site.to_string())),
        )
        .add("daemon", daemon(status))
        .add("head", or_dash(status.head.as_ref()))
        .add("knowledge", short(&status.knowledge_root.to_string()))
        .add(
            "holds",
            format!(
                "{} from {}, {} on {}",
                counted(status.advisories, "advisory", "advisories"),
                counted(status.records, "record", "records"),
                size(status.store.size_bytes),
                status.store.engine
            ),
        )
        .add_if(status.advisories != status.records, "", ADVISORY_IS)
        .add("sources", sources(status))
        .add(
            "peers",
            format!("{} listed, {connected} connected", status.peers.len()),
        );
    let facts = match held_by_choice(status) {
        Some(what) => facts.add("held back", what),
        None => facts,
    };
    let facts = match receiving(status) {
        Some(what) => facts.add("receiving", what),
        None => facts,
    };
    let facts = status.parts.iter().fold(facts, |lines, part| {
        let detail = match part.state {
            // The sentence above already says this.
            PartState::Attention | PartState::Unknown => String::new(),
            _ => format!(": {}", part.detail),
        };
        lines.add(part.part.as_str(), format!("{}{detail}", part.state.as_str()))
    });
    let _ = write!(text, "\n{}", facts.shortened());
    let note = "(--all shows peers, positions, sources and feeds too; --json everything; `starling help terms` explains the words)";
    text.push_str(&terminal::wrapped("", 0, note));
    text
}

/// Returns what this site's allow-list alone holds back.
fn held_by_choice(status: &Status) -> Option<String> {
    let chosen = || status.positions.iter().filter(|position| position.by_choice);
    let records: u64 = chosen().map(|position| position.held_back).sum();
    let sources: BTreeSet<&str> = chosen()
        .flat_map(|position| position.out_of_scope.iter().map(SourceName::as_str))
        .collect();
    (records > 0).then(|| {
        format!(
            "{} of {} by the allow-list: `starling sites list`",
            counted(records, "record", "records"),
            list(&sources.into_iter().collect::<Vec<_>>())
        )
    })
}

/// Returns what a connected peer is still to send.
fn receiving(status: &Status) -> Option<String> {
    let missing: u64 = status
        .positions
        .iter()
        .map(|position| position.arriving_bodies)
        .sum();
    (missing > 0).then(|| {
        let records = counted(missing, "record is", "records are");
        format!("{records} still to come; shown once all of a source are here")
    })
}

/// Returns how many sources have records here, and when they were last checked as a whole.
fn sources(status: &Status) -> String {
    let all = counted(status.feeds.len() as u64, "source", "sources");
    let checks: Vec<_> = status.feeds.iter().filter_map(|feed| feed.last_checked).collect();
    let never = status.feeds.len() - checks.len();
    let (Some(oldest), Some(newest)) = (checks.iter().min(), checks.iter().max()) else {
        return format!("{all}, none checked as a whole yet");
    };
    let (oldest, newest) = (moment(*oldest), moment(*newest));
    let when = if oldest == newest {
        format!("checked {oldest}")
    } else {
        format!("checked {oldest} to {newest}")
    };
    match never {
        0 => format!("{all}, {when}"),
        never => format!("{all}, {} of them {when}, {never} never as a whole", checks.len()),
    }
}

/// Returns the answer in one line, and below it what needs attention.
fn head(matters: &[String], status: &Status, shown: usize) -> String {
    if matters.is_empty() {
        return format!("{}: {}\n", status.site_id, Tone::Good.paint("all is well"));
    }
    let what = match matters.len() {
        1 => "1 matter needs attention".to_owned(),
        number => format!("{number} matters need attention"),
    };
    let mut text = format!("{}: {}\n", status.site_id, Tone::Warn.paint(&what));
    // Leaves room for the rest of the answer: the fewer sentences, the more rows for each.
    let rows = MATTER_ROWS / matters.len().min(MATTERS_SHOWN);
    let room = if shown == usize::MAX {
        usize::MAX
    } else {
        terminal::width().map_or(usize::MAX, |width| rows * (width - 9) + 8)
    };
    for matter in matters.iter().take(shown) {
        text.push_str(&terminal::wrapped("  ! ", 4, &clauses(matter, room)));
    }
    if matters.len() > shown {
        let _ = writeln!(text, "  … and {} more; --all shows them", matters.len() - shown);
    }
    text
}

fn daemon(status: &Status) -> String {
    let runs = if status.daemon {
        "running"
    } else {
        "not running; read from the store"
    };
    format!("{runs}, version {}", status.version)
}

fn parts(status: &Status) -> Table {
    let mut parts = Table::new(["PART", "STATE", "DETAIL"]).wraps("DETAIL", 20);
    for part in &status.parts {
        parts.row([
            part.part.as_str().to_owned(),
            part.state.as_str().to_owned(),
            part.detail.clone(),
        ]);
        parts.tone(
            "STATE",
            match part.state {
                PartState::Ok => Some(Tone::Good),
                PartState::Attention | PartState::Unknown => Some(Tone::Warn),
                PartState::Working | PartState::Off => None,
            },
        );
    }
    parts
}

fn peers(status: &Status) -> Table {
    let mut peers = Table::new(["PEER", "CONNECTED", "LAST SEEN", "ADDRESS", "LAST ERROR"])
        .wraps("LAST ERROR", 16)
        .never_cuts("ADDRESS");
    for peer in &status.peers {
        peers.row([
            peer.site_id.to_string(),
            if peer.connected { "yes" } else { "no" }.to_owned(),
            moment_or(peer.last_seen_at, "never"),
            peer.address.clone().unwrap_or_default(),
            or_dash(peer.last_error.as_ref()),
        ]);
    }
    peers
}

fn strangers(status: &Status) -> Table {
    let mut strangers = Table::new(["SAYS IT IS", "FROM", "LAST ASKED", "TIMES"])
        .numbers(&["TIMES"])
        .never_cuts("SAYS IT IS")
        .never_cuts("FROM");
    for stranger in &status.strangers {
        strangers.row([
            stranger.site.to_string(),
            or_dash(stranger.address.as_ref()),
            moment(stranger.last_seen_at),
            count(stranger.times),
        ]);
    }
    strangers
}

fn feeds(status: &Status) -> Table {
    let mut feeds =
        Table::new(["SOURCE", "RECORDS", "LAST CHECKED", "LAST IMPORTED HERE"]).numbers(&["RECORDS"]);
    for feed in &status.feeds {
        feeds.row([
            feed.source.to_string(),
            count(feed.records),
            moment_or(feed.last_checked, "never"),
            moment_or(feed.last_imported_at, "never"),
        ]);
    }
    feeds
}

/// Returns how many records wait for a decision, and the command that lists them.
fn unresolved(records: u64) -> String {
    if records == 0 {
        "0".to_owned()
    } else {
        format!(
            "{} for a decision: `starling conflicts list`",
            counted(records, "record waits", "records wait")
        )
    }
}

/// Describes what a restore lost.
fn lost(lost: &LostRecords) -> String {
    Lines::default()
        .add("LOST", plain(&lost.what))
        .add("since", lost.since)
        .add("sources", list(&lost.sources))
        .add("do", plain(&lost.advice))
        .to_string()
}

/// Describes why the site does not sign.
fn restored(restore: &RestoreStatus) -> String {
    let phase = match restore.phase {
        RestorePhase::Waiting => "SIGNS NOTHING: waiting to hear from peers",
        RestorePhase::Recovering => "SIGNS NOTHING: getting its own log back",
        RestorePhase::ClaimsMissing => "SIGNS NOTHING: nobody who was heard has its newest claims",
        RestorePhase::RootKeyMissing => "SIGNS NOTHING: the root key is missing",
        RestorePhase::Frozen => "SIGNS NOTHING: its own log is frozen",
        RestorePhase::LogLost => "SIGNS NOTHING: its own log lost its end",
        RestorePhase::Superseded => "SIGNS NOTHING: another copy goes on",
        RestorePhase::Unknown => "SIGNS NOTHING: for a reason that this version does not know",
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

/// Renders `starling restore`.
pub(crate) fn restore_report(report: &RestoreReport) -> String {
    if let Some(epoch) = report.new_epoch {
        return format!("{} goes on under epoch {epoch}", report.site_id);
    }
    match &report.restore {
        Some(restore) => restored(restore),
        None => format!("{} is not held back", report.site_id),
    }
}

/// Describes the last check of all frames of log and packs.
fn checked(check: Option<&StoreCheck>) -> String {
    let Some(check) = check else {
        return "not since the start".to_owned();
    };
    let found = match check.wrong {
        0 => "nothing damaged".to_owned(),
        wrong => format!("{} DAMAGED", count(wrong)),
    };
    format!("{}, {} frames: {found}", moment(check.at), count(check.frames))
}

/// Renders positions per author and lane.
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
    ])
    .numbers(&["EPOCH"])
    .wraps("HELD BACK BY", 20)
    .leaves_out(&["EPOCH", "BODY-COMPLETE", "HELD", "LANE", "HIGH-WATER"]);
    for position in positions {
        table.row([
            author(position.site_id.as_ref(), &position.site),
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

/// Renders `starling init`.
pub(crate) fn init(report: &InitReport, air_gapped: bool) -> String {
    let home = report.home.display();
    let made = Lines::default()
        .add(
            "site",
            format!(
                "{} ({})",
                report.identity.site_id,
                on_screen(&report.identity.site.to_string())
            ),
        )
        .add("folder", report.home.display())
        .add("configuration", report.config.display())
        .add("store", &report.engine);
    let mut text = format!("{made}\nNext:\n");
    let next: &[(&str, &str)] = if air_gapped {
        &[
            (
                "feeds import FOLDER --source NAME --complete",
                "take in advisories that a carrier brought, such as an export of OSV",
            ),
            ("keys export --public > my.key", "the key that other sites add"),
            (
                "sites add OTHER --key @other.key --allowed-sources '*'",
                "allow bundles from OTHER",
            ),
            (
                "bundle import delta.stl",
                "import a bundle that OTHER exported for this site",
            ),
            ("scan sbom.json --fail-on high", "scan an SBOM"),
        ]
    } else {
        &[
            (
                "feeds add PRESET",
                "fetch a source (`starling feeds presets` lists them); `feeds import PATH --source NAME` imports a file",
            ),
            ("scan sbom.json --fail-on high", "scan an SBOM"),
            (
                "up",
                "run the daemon: share with the sites that `sites add` lists",
            ),
        ]
    };
    for (command, why) in next {
        let _ = writeln!(text, "  starling --home {home} {command}");
        for line in terminal::wrapped("      ", 6, why).lines() {
            let _ = writeln!(text, "      {}", Tone::Dim.paint(line.trim_start()));
        }
    }
    text.push_str(&terminal::wrapped(
        "",
        0,
        &format!(
            "Move {home}/keys/root.key offline before production use: the daemon never needs it. `starling doctor` says \
             what else a healthy site has."
        ),
    ));
    text
}

/// Renders `starling keys show`.
pub(crate) fn identity(identity: &PublicIdentity) -> String {
    Lines::default()
        .add("site", &identity.site_id)
        .add("identity", identity.site)
        .add("epoch", identity.epoch)
        .add("root key", &identity.root_key)
        .add("operating key", &identity.operating_key)
        .add("peer id", &identity.peer_id)
        .to_string()
}

/// Renders `starling keys list`.
pub(crate) fn keys(list: &KeyList) -> String {
    let mut table = Table::new(["ROLE", "EPOCH", "CURRENT", "PUBLIC KEY", "MADE", "SECRET"])
        .numbers(&["EPOCH"])
        .never_cuts("PUBLIC KEY")
        .never_cuts("SECRET");
    for key in &list.keys {
        let file = key.file.as_ref().map(|file| file.display());
        table.row([
            key.role.as_str().to_owned(),
            or_dash(key.epoch),
            if key.current { "yes" } else { "no" }.to_owned(),
            key.public_key.to_string(),
            key.created_at.map_or_else(|| "-".to_owned(), moment),
            if key.secret_present {
                or_dash(file)
            } else {
                "not here".to_owned()
            },
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests;
