//! Lists what a person must do first, from a site's status, worst first.

use starling_api_types::{
    ConflictList, ConflictState, KNOWN_IN_PART, KeyList, KeyRole, PartState, Position, RestorePhase,
    SiteList, SitePart, Status, Timestamp,
};

use super::{ago, author, count, counted, list, moment, plain};

/// Age of an operating key from which rotating it is advised.
const OLD_KEY_DAYS: i64 = 365;
const DAY_MILLIS: i64 = 86_400_000;
/// Most names in a sentence.
const NAMED: usize = 3;

/// A site's status and the other data that the command read.
#[derive(Debug)]
pub(crate) struct StatusView<'a> {
    pub(crate) status: &'a Status,
    /// Conflicts, if they could be read.
    pub(crate) conflicts: Option<&'a ConflictList>,
    /// The keys in the folder, if they could be read.
    pub(crate) keys: Option<&'a KeyList>,
    /// The allow-list, if it could be read.
    pub(crate) sites: Option<&'a SiteList>,
    pub(crate) now: Timestamp,
}

/// Returns the sentences, worst first: the problem and what to do.
pub(super) fn of(view: &StatusView<'_>) -> Vec<String> {
    let status = view.status;
    let mut matters = Vec::new();
    if let Some(restore) = &status.restore {
        let what = match restore.phase {
            RestorePhase::Superseded => "another copy of this home is in use: this one does not sign",
            RestorePhase::LogLost => "claims of this site are LOST: its log lost its end, and it cannot sign",
            RestorePhase::Frozen => "this site's own log is frozen: it cannot sign",
            RestorePhase::Unknown => {
                "this site cannot sign, for a reason that this version of the command does not know"
            }
            _ => "this home was restored from a backup or copied: it cannot sign yet",
        };
        let why = match restore.phase {
            RestorePhase::LogLost | RestorePhase::Unknown => format!("{what} ({})", plain(&restore.reason)),
            _ => what.to_owned(),
        };
        matters.push(format!("{why}. {}", plain(&restore.advice)));
    }
    if let Some(check) = status.store.check.as_ref().filter(|check| check.wrong > 0) {
        let advice = check
            .advice
            .as_deref()
            .unwrap_or("`starling doctor` says what to do");
        let places = if check.wrong == 1 { "place" } else { "places" };
        matters.push(format!(
            "the store is DAMAGED in {} {places} ({}). {}",
            count(check.wrong),
            list(check.damaged.get(..1).unwrap_or_default()),
            plain(advice)
        ));
    }
    // The two sentences above already cover the store.
    let said = !matters.is_empty();
    for part in status
        .parts
        .iter()
        .filter(|part| matches!(part.state, PartState::Attention | PartState::Unknown))
    {
        if said && part.part.as_str() == "store" {
            continue;
        }
        let name = part.part.as_str();
        if part.part != SitePart::Feeds {
            matters.push(format!("{name}: {}", plain(&part.detail)));
            continue;
        }
        let mut feeds = matters_of_feeds(&part.detail)
            .into_iter()
            .map(|one| format!("{name}: {}", plain(one)));
        matters.extend(feeds.by_ref().take(NAMED + 1));
        match feeds.count() {
            0 => {}
            more => matters.push(format!("{name}: {more} more: `starling feeds status`")),
        }
    }
    if let Some(lost) = &status.lost_records {
        matters.push(format!("{}. {}", plain(&lost.what), plain(&lost.advice)));
    }
    matters.extend(
        status
            .differences
            .iter()
            .map(|differs| plain(&differs.difference).into_owned()),
    );
    matters.extend(stopped(view));
    matters.extend(not_fetched(status));
    let mut parts = status.parts.iter();
    // The part names the peers with an address itself.
    if !parts.any(|part| part.part == SitePart::Sync && part.state == PartState::Attention) {
        matters.extend(away(status));
    }
    // Claims that the allow-list deliberately holds back are shown with the site, and need no action.
    matters.extend(held_back(status, |position| !position.by_choice));
    matters.extend(at_the_door(status));
    matters.extend(undecided(view.conflicts));
    matters.extend(old_key(view.keys, view.now));
    matters
}

/// Splits the feeds' detail: each feed, the imports that left something open, the sources known in part and the stale sources are matters of their own.
fn matters_of_feeds(detail: &str) -> Vec<&str> {
    let mut matters = Vec::new();
    let mut rest = detail;
    loop {
        let begins = |text: &str| {
            ["feed ", "feeds ", "import of ", KNOWN_IN_PART, "stale, "]
                .iter()
                .any(|word| text.starts_with(word))
        };
        let mut ends = rest.match_indices("; ").map(|(at, _)| at);
        match ends.find(|at| rest.get(at + 2..).is_some_and(begins)) {
            Some(at) => {
                let (one, next) = rest.split_at(at);
                matters.push(one);
                rest = next.get(2..).unwrap_or_default();
            }
            None => {
                matters.push(rest);
                return matters;
            }
        }
    }
}

/// Reports that no daemon runs, for a site with peers whose addresses it knows: they cannot exchange anything.
fn stopped(view: &StatusView<'_>) -> Option<String> {
    if view.status.daemon {
        return None;
    }
    let sites = view.sites?.sites.iter();
    let names: Vec<_> = sites
        .filter(|site| site.enabled && !site.addresses.is_empty())
        .map(|site| &site.site_id)
        .collect();
    let named = list(names.get(..NAMED).unwrap_or(&names));
    let more = match names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        Some(more) => format!(" and {more} more"),
        None => String::new(),
    };
    (!names.is_empty()).then(|| {
        format!(
            "the daemon is not running, so nothing is exchanged with {named}{more}: `starling up` starts it"
        )
    })
}

/// Feeds have a schedule, and only a daemon keeps it.
fn not_fetched(status: &Status) -> Option<String> {
    let names: Vec<_> = status
        .fetched_feeds
        .iter()
        .filter(|feed| feed.enabled)
        .map(|feed| &feed.name)
        .collect();
    let named = list(names.get(..NAMED).unwrap_or(&names));
    let more = match names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        Some(more) => format!(" and {more} more"),
        None => String::new(),
    };
    (!status.daemon && !names.is_empty()).then(|| {
        format!(
            "the daemon is not running, so no feed is fetched by its schedule ({named}{more}): `starling up` starts it"
        )
    })
}

/// Names the peers whose last session failed and that are not connected.
fn away(status: &Status) -> Option<String> {
    let away = status.peers.iter().filter(|peer| !peer.connected);
    let mut failed = away.filter_map(|peer| Some((peer, peer.last_error.as_ref()?)));
    let (first, why) = failed.next()?;
    let more = match failed.count() {
        0 => String::new(),
        more => format!(" (and {more} more: `starling status --all`)"),
    };
    status
        .daemon
        .then(|| format!("{} is not connected: {}{more}", first.site_id, plain(why)))
}

/// Describes those of some logs that are held but not fully accepted.
fn held_back(status: &Status, counts: impl Fn(&Position) -> bool) -> Option<String> {
    let mut held: Vec<_> = status
        .positions
        .iter()
        .filter(|position| counts(position))
        .filter_map(|position| Some((position, position.hold_reason.as_ref()?)))
        .collect();
    // Data that a peer is sending now needs no action.
    held.retain(|(position, _)| position.arriving_bodies == 0 || !position.out_of_scope.is_empty());
    let (first, reason) = held.first()?;
    let name = author(first.site_id.as_ref(), &first.site);
    let more = match held.len() {
        1 => String::new(),
        number => format!(" (and {} other logs: `starling status --all`)", number - 1),
    };
    Some(format!("{name} is held back: {}{more}", plain(reason)))
}

/// Reports the sites that ask to sync and are not on the allow-list.
fn at_the_door(status: &Status) -> Option<String> {
    let first = status.strangers.first()?;
    let from = first.address.as_deref().map(plain);
    let from = from.map(|address| format!(" from {address}")).unwrap_or_default();
    let who = match status.strangers.len() {
        1 => "a site that is not on the allow-list asks".to_owned(),
        number => format!("{number} sites that are not on the allow-list ask"),
    };
    Some(format!(
        "{who} to sync, last at {}{from}: `starling status --all` shows its identity, `starling sites add` lists it if \
         it is yours",
        moment(first.last_seen_at)
    ))
}

/// Returns what a site waits for while its knowledge root is not yet that of another site.
pub(crate) fn waits_for(status: &Status) -> String {
    if !status.daemon {
        return "no daemon runs here, so that only a bundle brings news: `starling up` starts one".to_owned();
    }
    if status.peers.is_empty() {
        return "no site is listed here, so that nothing arrives: `starling sites add` lists one".to_owned();
    }
    let arriving: u64 = status
        .positions
        .iter()
        .map(|position| position.arriving_bodies)
        .sum();
    if arriving > 0 {
        return format!("{} still to come", counted(arriving, "record is", "records are"));
    }
    if let Some(held) = held_back(status, |_| true) {
        return held;
    }
    let (here, gone): (Vec<_>, Vec<_>) = status.peers.iter().partition(|peer| peer.connected);
    if here.is_empty() {
        let names: Vec<_> = gone.iter().map(|peer| &peer.site_id).collect();
        let why = gone.iter().find_map(|peer| peer.last_error.as_deref());
        let why = why.map(|why| format!(": {}", plain(why))).unwrap_or_default();
        return format!(
            "none of {} is connected{why}",
            list(names.get(..NAMED).unwrap_or(&names))
        );
    }
    let names: Vec<_> = here.iter().map(|peer| &peer.site_id).collect();
    format!(
        "connected to {}, and nothing is held back: the root is not theirs, or it is of other sources or sites than are \
         allowed here",
        list(names.get(..NAMED).unwrap_or(&names))
    )
}

fn undecided(conflicts: Option<&ConflictList>) -> Option<String> {
    let open: Vec<String> = conflicts?
        .conflicts
        .iter()
        // A state that this version does not know may wait as well.
        .filter(|conflict| matches!(conflict.state, ConflictState::Open | ConflictState::Unknown))
        .map(|conflict| format!("{} {}", conflict.source, conflict.record))
        .collect();
    let named = list(open.get(..NAMED).unwrap_or(&open));
    (!open.is_empty()).then(|| {
        format!(
            "{} for a decision ({named}): `starling conflicts list`",
            counted(open.len() as u64, "record waits", "records wait")
        )
    })
}

fn old_key(keys: Option<&KeyList>, now: Timestamp) -> Option<String> {
    let made = keys?
        .keys
        .iter()
        .find(|key| key.current && key.role == KeyRole::Operating)?
        .created_at?;
    let days = now.unix_millis().saturating_sub(made.unix_millis()) / DAY_MILLIS;
    (days > OLD_KEY_DAYS).then(|| {
        format!(
            "the operating key is {} old (made {}): `starling keys generate` makes a new one",
            ago(made, now),
            moment(made)
        )
    })
}
