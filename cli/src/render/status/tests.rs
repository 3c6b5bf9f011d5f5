//! What `starling status` says first, and that it fits a terminal.

use serde_json::json;
use starling_api_types::{ConflictList, KNOWN_IN_PART, SiteList, Timestamp};

use super::*;

/// Builds a site with many peers, a third of them held back, and all other warnings.
fn troubled(peers: usize) -> Status {
    let hash = format!("blake3:{}", "0".repeat(64));
    let sentence = "something is the matter with it, and this sentence says what to do about it. ".repeat(4);
    let peer = |number: usize| {
        json!({"site_id": format!("site-{number}"), "site": hash, "connected": false, "address": null,
            "last_seen_at": null, "last_error": sentence})
    };
    let position = |number: usize| {
        json!({"site_id": null, "site": hash, "lane": "federation", "epoch": 0, "high_water": null, "held": null,
            "accepted": null, "body_complete": null, "hold_reason": number.is_multiple_of(3).then_some(&sentence)})
    };
    let parts = ["store", "sync", "feeds", "index", "scheduler"];
    serde_json::from_value(json!({
        "site_id": "site-a", "site": hash, "version": "0.1.0", "daemon": true, "head": "2025-01-15T10:30:00.000Z#0042",
        "knowledge_root": hash, "held_root": hash, "records": 1234, "advisories": 987,
        "parts": parts.map(|part| json!({"part": part, "state": "attention", "detail": sentence})),
        "peers": (0..peers).map(peer).collect::<Vec<_>>(),
        "positions": (0..peers).map(position).collect::<Vec<_>>(),
        "feeds": [{"source": "ghsa", "records": 1234, "last_checked": null, "last_imported_at": null}],
        "store": {"engine": "sled", "size_bytes": 1_000_000, "schema": 3},
    }))
    .unwrap()
}

fn view(status: &Status) -> StatusView<'_> {
    StatusView {
        status,
        conflicts: None,
        keys: None,
        sites: None,
        now: "2026-01-15T00:00:00.000Z".parse::<Timestamp>().unwrap(),
    }
}

#[test]
fn feeds_without_a_daemon_are_a_matter() {
    let mut status = troubled(0);
    status.parts.clear();
    let feed = json!({"name": "nvd", "source": "nvd", "schedule": "2h", "enabled": true, "complete": true, "state": "ok",
        "next_run_at": "2026-01-15T02:00:00.000Z", "last_success_at": null, "last_run": null, "attention": null, "failures": 0,
        "counts": {"imported": 0, "unchanged": 0, "suspect": 0, "failed": 0}});
    status.fetched_feeds = vec![serde_json::from_value(feed).unwrap()];
    let shown = |status: &Status| terminal::at_width(140, || super::status(&view(status)));
    assert!(!shown(&status).contains("by its schedule"));
    status.daemon = false;
    let text = shown(&status);
    assert!(
        text.contains("no feed is fetched by its schedule (nvd)"),
        "{text}"
    );
    let table = |has_daemon| {
        super::super::feeds::feeds(&status.fetched_feeds, has_daemon, view(&status).now).to_string()
    };
    assert!(table(false).contains("no daemon") && !table(true).contains("no daemon"));
}

#[test]
fn site_at_the_door_is_reported_with_its_identity_in_full() {
    let mut status = troubled(0);
    status.parts.clear();
    let identity = format!("blake3:{}", "7".repeat(64));
    let stranger = json!({"site": identity, "address": "/ip4/192.0.2.7/udp/7946", "times": 3,
        "first_seen_at": "2025-01-15T10:30:00.000Z", "last_seen_at": "2025-01-15T10:40:00.000Z"});
    status.strangers = vec![serde_json::from_value(stranger).unwrap()];
    let text = terminal::at_width(140, || super::status(&view(&status)));
    assert!(
        text.contains("a site that is not on the allow-list asks to sync, last at 2025-01-15 10:40"),
        "{text}"
    );
    assert!(!text.contains(&identity), "{text}");
    let all = terminal::at_width(140, || status_in_full(&view(&status)));
    assert!(all.contains(&identity), "{all}");
}

#[test]
fn status_fits_a_terminal_for_any_number_of_sites() {
    let troubled = troubled(1_000);
    for width in [80, 140] {
        let text = terminal::at_width(width, || status(&view(&troubled)));
        assert!(text.lines().count() <= 24, "{}\n{text}", text.lines().count());
        for line in text.lines() {
            assert!(console::measure_text_width(line) <= width, "{width}: {line}");
        }
        assert!(
            text.starts_with("site-a: 6 matters need attention\n  ! store: something"),
            "{text}"
        );
        assert!(text.contains("… and 3 more; --all shows them"), "{text}");
        assert!(!text.contains(&"0".repeat(64)), "{text}");
    }
    let all = terminal::at_width(80, || status_in_full(&view(&troubled)));
    assert!(all.contains("unlisted 0000000000000000 is held back"), "{all}");
    assert!(all.contains("site-999") && !all.contains("and 3 more"));
}

#[test]
fn all_is_not_well_while_a_peer_is_away_or_the_daemon_stopped() {
    let mut status = troubled(2);
    status.parts.clear();
    status.positions.clear();
    status.peers[0].connected = true;
    status.peers[1].connected = false;
    status.peers[1].last_error = Some("no answer: the peer's daemon is down".to_owned());
    let text = super::status(&view(&status));
    assert!(
        text.contains("site-1 is not connected: no answer: the peer's daemon is down"),
        "{text}"
    );
    assert!(!text.contains("site-0 is not"), "{text}");
    status.daemon = false;
    let sites: SiteList = serde_json::from_value(json!({"sites": [{
        "site_id": "north", "site": format!("blake3:{}", "1".repeat(64)), "display_name": "north",
        "addresses": ["/ip4/192.0.2.7/udp/7946/quic-v1"], "allowed_sources": ["*"], "enabled": true, "max_bundle_size": 1,
        "added_at": "2025-01-15T10:30:00.000Z"}]}))
    .unwrap();
    let stopped = StatusView {
        sites: Some(&sites),
        ..view(&status)
    };
    let text = super::status(&stopped);
    assert!(
        text.contains("the daemon is not running, so nothing is exchanged with north"),
        "{text}"
    );
}

#[test]
fn sources_that_were_never_checked_are_counted() {
    let mut status = troubled(0);
    let mut checked = status.feeds[0].clone();
    checked.last_checked = Some("2025-01-15T10:30:00.000Z".parse().unwrap());
    status.feeds.push(checked);
    let text = super::status(&view(&status));
    assert!(
        text.contains("2 sources, 1 of them checked 2025-01-15 10:30, 1 never as a whole"),
        "{text}"
    );
}

#[test]
fn source_known_in_part_is_a_matter_with_its_command() {
    let mut status = troubled(0);
    let command = "`starling feeds import PATH --source mine --complete`";
    let detail = format!(
        "feed a is late; feed b failed; {KNOWN_IN_PART} mine (last import 2025-01-15T10:30:00.000Z), so no scan finds what \
         is missing: {command} imports it; stale, as not checked or imported within scan.rhythm: 1 of 2 sources: ghsa"
    );
    status.parts =
        serde_json::from_value(json!([{"part": "feeds", "state": "attention", "detail": detail}])).unwrap();
    let matters = attention::of(&view(&status));
    assert_eq!(matters.len(), 4, "{matters:?}");
    assert!(matters[1].starts_with("feeds: feed b"), "{matters:?}");
    assert!(
        matters[2].starts_with("feeds: never imported as a whole: mine"),
        "{matters:?}"
    );
    status.parts[0].detail = format!(
        "{KNOWN_IN_PART} mine (last import 2025-01-15T10:30:00.000Z), so no scan finds what is missing: {command} imports \
         it if PATH holds the whole source, and so does a feed"
    );
    let text = terminal::at_width(80, || super::status(&view(&status)));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("1 matter needs attention") && words.contains(command),
        "{text}"
    );
    assert!(!words.contains('…'), "{text}");
}

#[test]
fn undecided_conflicts_and_old_keys_are_warned_about() {
    let mut well = troubled(0);
    well.parts.clear();
    assert!(status(&view(&well)).starts_with("site-a: all is well\n"));
    let hash = format!("ed25519:{}", "0".repeat(64));
    let conflicts: ConflictList = serde_json::from_value(json!({"conflicts": [
        {"source": "ghsa", "record": "GHSA-1", "state": "open", "claims": []},
        {"source": "ghsa", "record": "GHSA-2", "state": "decided", "claims": []},
        {"source": "ghsa", "record": "GHSA-3", "state": "of_tomorrow", "claims": []}]}))
    .unwrap();
    let keys: KeyList = serde_json::from_value(
        json!({"keys": [{"role": "operating", "public_key": hash, "epoch": 0,
        "secret_present": true, "current": true, "file": null, "created_at": "2024-01-01T00:00:00.000Z"}]}),
    )
    .unwrap();
    let view = StatusView {
        conflicts: Some(&conflicts),
        keys: Some(&keys),
        ..view(&well)
    };
    let text = status(&view);
    for said in [
        "2 matters need attention",
        "2 records wait for a decision (ghsa GHSA-1, ghsa GHSA-3)",
        "the operating key is 745 d old",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn missing_bodies_need_attention_unless_they_are_arriving() {
    let mut status = troubled(1);
    status.parts.clear();
    status.peers[0].connected = true;
    status.peers[0].last_error = None;
    let held = "is held back: something is the matter";
    status.positions[0].arriving_bodies = 27_648;
    let text = super::status(&view(&status));
    assert!(!text.contains(held), "{text}");
    assert!(text.contains("27,648 records are still to come"), "{text}");
    // A source that is not allowed here is a matter all the same.
    status.positions[0].out_of_scope = vec!["nvd".parse().unwrap()];
    assert!(super::status(&view(&status)).contains(held));
    // If the allow-list deliberately excludes them, no action is needed; the facts list what is held back.
    status.positions[0].by_choice = true;
    status.positions[0].held_back = 3;
    let text = super::status(&view(&status));
    assert!(!text.contains("is held back:"), "{text}");
    assert!(text.contains("3 records of nvd by the allow-list"), "{text}");
    assert!(attention::waits_for(&status).contains("still to come"));
    status.positions[0].arriving_bodies = 0;
    assert!(attention::waits_for(&status).contains("is held back: something"));
    (status.positions[0].by_choice, status.positions[0].held_back) = (false, 0);
    // Nothing arrives, though a peer is connected.
    status.positions[0].out_of_scope.clear();
    status.positions[0].arriving_bodies = 0;
    assert!(super::status(&view(&status)).contains(held));
}

#[test]
fn waiting_for_a_root_says_what_is_awaited() {
    let mut status = troubled(2);
    status.positions.clear();
    let waits = |status: &Status| attention::waits_for(status);
    assert!(waits(&status).starts_with("none of site-0, site-1 is connected: something"));
    status.peers[1].connected = true;
    assert!(waits(&status).starts_with("connected to site-1, and nothing is held back"));
    status.positions = troubled(1).positions;
    assert!(waits(&status).contains("is held back: something"));
    status.positions[0].arriving_bodies = 7;
    assert_eq!(waits(&status), "7 records are still to come");
    status.peers.clear();
    status.positions.clear();
    assert!(waits(&status).contains("`starling sites add`"));
    status.daemon = false;
    assert!(waits(&status).contains("`starling up`"));
}
