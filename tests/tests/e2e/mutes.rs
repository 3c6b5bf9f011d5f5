//! A mute that one site adds applies at all sites, whether it travels by network or in a bundle.

use serde_json::Value;
use starling_api_types::{ErrorCode, Mute, MuteAdded, MuteList, MuteState, VerdictEnvelope};
use starling_tests::feed::advisory;
use starling_tests::{Site, link};

use crate::{bench, sample_feed, sample_sbom};

const AT: &str = "2025-06-01T00:00:00.000Z";

fn mute(site: &Site, more: &[&str]) -> Mute {
    let mut args = vec!["mute", "add"];
    args.extend_from_slice(more);
    let added: MuteAdded = site.json(args);
    added.mute
}

fn mutes(site: &Site, more: &[&str]) -> MuteList {
    let mut args = vec!["mute", "list"];
    args.extend_from_slice(more);
    site.json(args)
}

fn ids(list: &MuteList) -> Vec<&str> {
    let mut ids: Vec<_> = list
        .mutes
        .iter()
        .map(|mute| mute.vulnerability.as_str())
        .collect();
    ids.sort_unstable();
    ids
}

fn strict(site: &Site) -> VerdictEnvelope {
    site.scan(&sample_sbom(site), &["--fail-on", "any", "--at", AT])
}

fn body(envelope: &VerdictEnvelope) -> Value {
    serde_json::from_str(envelope.verdict.as_str()).unwrap()
}

/// Returns the vulnerabilities that fail, sorted.
fn failing(site: &Site) -> Vec<String> {
    let body = body(&strict(site));
    let findings = body["findings"].as_array().unwrap().iter();
    let failing = findings.filter(|finding| finding["action"] == "fail");
    let mut ids: Vec<_> = failing
        .map(|finding| finding["vulnerability"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, in order")]
fn separate_mutes_merge_by_network_and_by_file() {
    let bench = bench();
    let [mut a, mut b, c] = ["site-a", "site-b", "site-c"].map(|name| Site::init(bench.path(), name));
    let mut feed = sample_feed();
    feed.put(
        "EX-2025-0005.json",
        &advisory("EX-2025-0005", "chalk", "6.0.0", "2025-02-05T00:00:00Z"),
    );
    let _ = a.import("mine", &feed, &[]);
    let vulnerabilities = failing(&a);
    assert!(vulnerabilities.len() >= 2, "{vulnerabilities:?}");
    let (first, rest) = vulnerabilities.split_first().unwrap();

    // Two sites without a connection add mutes: neither knows those of the other.
    let of_a = mute(
        &a,
        &[
            first,
            "--until",
            "2999-12-31",
            "--reason",
            "not reachable",
            "--by",
            "ada",
        ],
    );
    let scope = ["--package", "*", "--forever", "--reason", "accepted"];
    for vulnerability in rest {
        let mut args = vec![vulnerability.as_str()];
        args.extend_from_slice(&scope);
        let _ = mute(&b, &args);
    }
    assert_eq!(of_a.state, MuteState::Active);
    assert_eq!(of_a.proof.site, a.identity().site);
    assert_eq!(strict(&a).exit_code, 1, "the others still fail");

    a.up();
    b.up();
    link(&mut a, &mut b);
    b.until_equal(&a);
    a.until_equal(&b);
    c.list(&a);
    c.list(&b);
    let _ = c.import_bundle(&a.export("all.zst", &[]));
    assert_eq!(a.root(), c.root());

    let verdicts = [&a, &b, &c].map(strict);
    for verdict in &verdicts {
        assert_eq!(verdict.exit_code, 0);
        assert_eq!(
            verdict.verdict.as_str(),
            verdicts[0].verdict.as_str(),
            "equal knowledge, equal bytes"
        );
    }
    let body = body(&verdicts[0]);
    let muted = body["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["vulnerability"] == **first);
    let cause = &muted.unwrap()["decided_by"];
    assert_eq!(cause["kind"], "mute");
    assert_eq!(cause["id"], of_a.id.as_str());
    assert_eq!(cause["by"], "ada");
    assert_eq!(cause["site"], a.identity().site.to_string());
    assert_eq!(cause["until"], "2999-12-31T23:59:59.999Z");

    // Every site shows the same proof of the author.
    for site in [&a, &b, &c] {
        let shown: Mute = site.json(["mute", "show", &of_a.id]);
        assert_eq!(
            (&shown.proof.delta_hash, &shown.proof.change_hash),
            (&of_a.proof.delta_hash, &of_a.proof.change_hash)
        );
        assert_eq!(shown.proof.cursor, of_a.proof.cursor);
        // Findings are in the order of their packages.
        let mut wanted = Vec::from_iter(vulnerabilities.iter().map(String::as_str));
        wanted.sort_unstable();
        assert_eq!(ids(&mutes(site, &[])), wanted);
        site.expect_sound();
    }

    // Another site removes the mute while daemons run: scans at both sites see it without a restart.
    let removed: Mute = b.json([
        "mute",
        "remove",
        &of_a.id,
        "--reason",
        "reachable now",
        "--by",
        "ben",
    ]);
    assert_eq!(removed.state, MuteState::Removed);
    assert_eq!(strict(&b).exit_code, 1);
    a.until_equal(&b);
    assert_eq!(strict(&a).exit_code, 1);
    let history: Mute = a.json(["mute", "show", &of_a.id]);
    assert_eq!(history.removals[0].by, "ben");
    assert_eq!(history.removals[0].proof.site, b.identity().site);
    assert_eq!(mutes(&a, &["--removed"]).mutes.len(), vulnerabilities.len());
    assert_eq!(mutes(&a, &[]).mutes.len(), vulnerabilities.len() - 1);
}

#[test]
fn unlisted_site_loses_its_mutes_until_relisted() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    let _ = b.import("mine", &sample_feed(), &[]);
    for vulnerability in failing(&b) {
        let _ = mute(&a, &[&vulnerability, "--forever", "--reason", "accepted"]);
    }
    b.list(&a);
    let _ = b.import_bundle(&a.export("mutes.zst", &[]));
    assert_eq!(strict(&b).exit_code, 0);
    b.json_call(["sites", "remove", "site-a"]).expect(0);
    assert_eq!(strict(&b).exit_code, 1);
    b.list(&a);
    assert_eq!(strict(&b).exit_code, 0);
    b.expect_sound();
}

#[test]
fn invalid_mute_is_refused_and_unknown_vulnerability_warns() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let reason = ["--reason", "r"];
    let add = |more: &[&str]| {
        let mut args = vec!["mute", "add", "CVE-2099-1"];
        args.extend_from_slice(more);
        args.extend_from_slice(&reason);
        site.json_call(args)
    };
    add(&[]).expect(2);
    add(&["--until", "2020-01-01"]).expect(2);
    add(&["--until", "2999-01-01", "--forever"]).expect(2);
    add(&["--forever", "--package", "pkg:npm"]).expect(2);
    add(&["--forever", "--package", "a\u{1b}[2Jb"]).expect(2);
    let id = "0123456789abcdef-1";
    for args in [
        vec!["mute", "show", id],
        vec!["mute", "remove", id, "--reason", "r"],
    ] {
        let problem = site.refused(args);
        assert_eq!(
            (problem.code, problem.exit_status().code()),
            (ErrorCode::MuteNotFound, 3)
        );
    }
    assert_eq!(mutes(&site, &["--removed"]).mutes.len(), 0, "nothing was written");

    let added: MuteAdded = site.json(["mute", "add", "CVE-2099-1", "--forever", "--reason", "r"]);
    assert!(added.warnings[0].contains("CVE-2099-1"), "{added:?}");
    assert!(added.mute.by.starts_with("site-a"), "{}", added.mute.by);
    let text = site.cli(["mute", "list"]);
    text.expect(0);
    let removed: Mute = site.json(["mute", "remove", &added.mute.id, "--reason", "a test"]);
    assert_eq!(removed.state, MuteState::Removed);
    site.json_call(["mute", "remove", &added.mute.id, "--reason", "again"])
        .expect(2);
    site.expect_sound();
}

#[test]
fn mutes_survive_a_key_rotation() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    let before = mute(&a, &["CVE-2099-1", "--forever", "--reason", "r"]);
    a.json_call(["keys", "generate"]).expect(0);
    let after = mute(&a, &["CVE-2099-2", "--forever", "--reason", "r"]);
    assert_eq!((before.proof.epoch, after.proof.epoch), (0, 1));
    b.list(&a);
    let _ = b.import_bundle(&a.export("all.zst", &[]));
    assert_eq!(ids(&mutes(&b, &[])), ["CVE-2099-1", "CVE-2099-2"]);
}
