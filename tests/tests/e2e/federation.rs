//! Sites that learn from one another, by network and by file.

use std::io::BufRead;

use serde_json::Value;
use starling_api_types::{SitePart, Status};
use starling_tests::feed::{Folder, advisory, many};
use starling_tests::{Site, link};

use crate::{bench, sample_feed, sample_sbom};

const AS_OF: &str = "2025-06-01T00:00:00.000Z";

#[test]
fn sites_over_quic_and_by_file_give_equal_verdicts() {
    let bench = bench();
    let [mut a, mut b, c] = ["site-a", "site-b", "site-c"].map(|name| Site::init(bench.path(), name));
    a.up();
    b.up();
    link(&mut a, &mut b);
    let report = a.import("mine", &sample_feed(), &[]);
    assert_eq!((report.stored, report.rejected, report.deltas), (4, 0, 1));
    b.until_equal(&a);

    a.list(&c);
    c.list(&a);
    let bundle = a.export("full.zst", &["--to", "site-c"]);
    let imported = c.import_bundle(&bundle);
    assert!(
        imported.success && imported.counts.canonical_created > 0,
        "{imported:?}"
    );
    assert_eq!(
        imported.imported_cursor,
        a.status().head,
        "the bundle reaches the head"
    );

    assert_eq!(a.root(), b.root());
    assert_eq!(a.root(), c.root());
    assert_eq!(a.status().held_root, c.status().held_root);
    assert_eq!(a.dump("mine"), b.dump("mine"));
    assert_eq!(a.dump("mine"), c.dump("mine"));

    let sbom = sample_sbom(&a);
    let verdicts = [&a, &b, &c].map(|site| site.scan(&sbom, &["--fail-on", "high", "--at", AS_OF]));
    for verdict in &verdicts {
        assert_eq!(verdict.exit_code, 1, "express 4.18.0 is affected");
        assert_eq!(
            verdict.verdict.as_str(),
            verdicts[0].verdict.as_str(),
            "equal knowledge, equal bytes"
        );
        assert_eq!(verdict.verdict_hash, verdicts[0].verdict_hash);
    }
    for site in [&a, &b, &c] {
        site.expect_sound();
    }
}

#[test]
fn auditor_reads_every_record_of_a_bundle_with_zstd_alone() {
    let bench = bench();
    let a = Site::init(bench.path(), "site-a");
    let _ = a.import("mine", &sample_feed(), &[]);
    let bundle = std::fs::File::open(a.export("full.zst", &[])).unwrap();
    // Like `zstd -dc`: unpack ordinary frames, skip the others.
    let lines = std::io::BufReader::new(zstd::Decoder::new(bundle).unwrap()).lines();
    let mut ids: Vec<String> = lines
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).expect("every line is JSON"))
        .filter_map(|record| Some(record.get("id")?.as_str()?.to_owned()))
        .collect();
    ids.sort();
    assert_eq!(
        ids,
        ["EX-2025-0001", "EX-2025-0002", "EX-2025-0003", "EX-2025-0004"]
    );
}

#[test]
fn exports_by_two_relays_differ_in_the_seal_only() {
    let bench = bench();
    let [a, b, c] = ["site-a", "site-b", "site-c"].map(|name| Site::init(bench.path(), name));
    let _ = a.import("mine", &many("REL", 40, 200), &[]);
    b.list(&a);
    let _ = b.import_bundle(&a.export("first.zst", &[]));
    let own = a.export("a.zst", &[]);
    let relayed = b.export("b.zst", &[]);
    let info = |site: &Site, path: &std::path::Path| -> Value {
        site.json(["bundle".into(), "inspect".into(), path.as_os_str().to_owned()])
    };
    let (own_info, relayed_info) = (info(&a, &own), info(&b, &relayed));
    assert_eq!(own_info["bundle_hash"], relayed_info["bundle_hash"]);
    assert_ne!(own_info["exporter"], relayed_info["exporter"]);
    // A third site takes the author's log from the relay if it lists both.
    c.list(&a);
    c.list(&b);
    let _ = c.import_bundle(&relayed);
    assert_eq!(c.root(), a.root());
}

#[test]
fn relay_brings_deltas_of_an_unreachable_author() {
    let bench = bench();
    let [mut a, mut b, mut c] = ["site-a", "site-b", "site-c"].map(|name| Site::init(bench.path(), name));
    for site in [&mut a, &mut b, &mut c] {
        site.up();
    }
    link(&mut a, &mut b);
    link(&mut b, &mut c);
    // C trusts A, but has no way to it. It does not get A's chain directly: the chain comes with the deltas.
    c.list_as_unreachable(&a);
    let _ = a.import("mine", &many("HOP", 30, 400), &[]);
    c.until_equal(&a);
    let author = a.identity().site;
    let position = c
        .status()
        .positions
        .into_iter()
        .find(|at| at.site == author)
        .expect("the author's own log");
    assert_eq!(
        position.accepted,
        a.status().head,
        "held as the author wrote it, not as the relay's"
    );
    assert!(
        c.status()
            .peers
            .iter()
            .all(|peer| peer.site != author || !peer.connected)
    );

    // A change takes the same way, and so do B's own claims.
    let mut change = Folder::default();
    change.put(
        "EX-1.json",
        &advisory("EX-1", "express", "5.0.0", "2025-03-03T00:00:00Z"),
    );
    let _ = a.import("mine", &change, &[]);
    let _ = b.import("theirs", &sample_feed(), &[]);
    let goal = b.root();
    c.until("everything that B knows", |status| {
        status.knowledge_root.to_string() == goal || status.records == 35
    });
    c.until_equal(&b);
    a.until_equal(&b);
}

#[test]
fn unlisted_site_neither_gets_nor_gives() {
    let bench = bench();
    let [mut a, mut stranger] = ["site-a", "stranger"].map(|name| Site::init(bench.path(), name));
    a.up();
    let _ = a.import("mine", &sample_feed(), &[]);
    stranger.up();
    // The stranger lists A and dials it; A does not list the stranger.
    stranger.list(&a);
    let refused = stranger.until("a refusal", |status| {
        status
            .peers
            .iter()
            .any(|peer| peer.last_error.is_some() && !peer.connected)
    });
    assert!(refused.peers.iter().all(|peer| !peer.connected), "{refused:?}");
    assert_eq!(refused.records, 0);
    // Not even the certificate chain may be passed on: nothing is held.
    assert!(
        refused
            .positions
            .iter()
            .all(|at| at.site != a.identity().site || at.held.is_none())
    );
    // Once listed, the two connect.
    a.list(&stranger);
    stranger.until_equal(&a);
}

#[test]
fn site_listed_by_identity_shows_its_certificates() {
    let bench = bench();
    let [mut a, mut b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    a.up();
    b.up();
    let identity = b.identity().site.to_string();
    a.list_as(&b, &identity, &["--allowed-sources", "*"]);
    let identity = a.identity().site.to_string();
    b.list_as(&a, &identity, &["--allowed-sources", "*"]);
    let _ = a.import("mine", &sample_feed(), &[]);
    b.until_equal(&a);
    let _ = b.import("theirs", &many("BACK", 5, 50), &[]);
    a.until_equal(&b);
}

#[test]
fn only_allowed_sources_reach_the_view() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    let _ = a.import("mine", &sample_feed(), &[]);
    let _ = a.import("other", &many("OTH", 3, 10), &[]);
    b.list_as(&a, &a.key(), &["--allowed-sources", "mine"]);
    let _ = b.import_bundle(&a.export("full.zst", &[]));
    assert_eq!(b.dump("mine"), a.dump("mine"));
    assert_eq!(b.dump("other"), b"");
    // Still held: a later change of policy needs no second transfer.
    assert_eq!(b.held_of(&a), a.status().head);
}

#[test]
fn relisted_site_needs_no_second_transfer() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    let _ = a.import("mine", &sample_feed(), &[]);
    let empty = b.root();
    b.list(&a);
    let _ = b.import_bundle(&a.export("full.zst", &[]));
    assert_eq!(b.root(), a.root());
    b.json_call(["sites", "remove", "site-a"]).expect(0);
    assert_eq!(b.root(), empty);
    b.list(&a);
    assert_eq!(b.root(), a.root());
    b.expect_sound();
}

#[test]
fn rotated_key_continues_the_log() {
    let bench = bench();
    let [mut a, mut b, mut c] = ["site-a", "site-b", "site-c"].map(|name| Site::init(bench.path(), name));
    for site in [&mut a, &mut b] {
        site.up();
    }
    link(&mut a, &mut b);
    c.list(&a);
    let _ = a.import("mine", &sample_feed(), &[]);
    b.until_equal(&a);
    let first = c.import_bundle(&a.export("before.zst", &[]));

    a.stop();
    let before = a.identity();
    a.json_call(["keys", "generate"]).expect(0);
    let after = a.identity();
    assert_eq!((before.site, before.epoch + 1), (after.site, after.epoch));
    assert_ne!(before.operating_key, after.operating_key);
    a.up();
    let _ = a.import("mine", &many("ROT", 12, 100), &[]);
    b.until_equal(&a);
    assert_eq!(b.status().records, 16);
    // By file as well: the chain comes in the bundle.
    let cursor = first.imported_cursor.expect("a cursor").to_string();
    let _ = c.import_bundle(&a.export("after.zst", &["-c", &cursor]));
    assert_eq!(c.root(), a.root());
    // A whole bundle, across both keys, to a site that knew neither.
    let mut d = Site::init(bench.path(), "site-d");
    d.list(&a);
    let _ = d.import_bundle(&a.export("all.zst", &[]));
    assert_eq!(d.root(), a.root());
    // The site continues as a peer that was away: it is dialled at its new key.
    d.up();
    a.list(&d);
    a.until_connected("site-d");
    c.up();
    for site in [&a, &b, &c, &d] {
        site.expect_sound();
    }
}

#[test]
fn lost_peer_without_an_address_is_named() {
    let bench = bench();
    let [mut west, mut north] = ["west", "north"].map(|name| Site::init(bench.path(), name));
    west.up();
    north.up();
    west.list_as_unreachable(&north);
    let shown = |site: &Site| String::from_utf8(site.cli(["sites", "list"]).stdout).unwrap();
    assert!(shown(&west).contains("bundles only"), "it was never connected");
    north.list(&west);
    west.until_connected("north");
    north.stop();
    let is_lost = |status: &Status| {
        status
            .parts
            .iter()
            .any(|part| part.part == SitePart::Sync && part.detail.contains("north: not connected since 2"))
    };
    west.until("the loss of its peer", is_lost);
    assert!(!shown(&west).contains("bundles only"));
    let told = String::from_utf8(west.cli(["status"]).stdout).unwrap();
    assert!(told.contains("north: not connected since"), "{told}");
    // It stays so over a restart.
    west.stop();
    west.up();
    west.until("the loss after a restart", |status| {
        let part = status.parts.iter().find(|part| part.part == SitePart::Sync);
        part.is_some_and(|part| part.detail.contains("north: not connected since the start"))
    });
}
