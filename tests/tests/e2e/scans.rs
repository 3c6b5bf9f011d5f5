//! Scans with the match index: without a daemon, warm, outdated and damaged, always the same verdict.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use starling_api_types::{Conclusion, Explanation, VerdictEnvelope, VexList, VexRemoved};
use starling_tests::Site;
use starling_tests::feed::advisory;

use crate::{bench, sample_feed, sample_sbom};

const AT: &str = "2025-06-01T00:00:00.000Z";

fn scan(site: &Site, sbom: &Path) -> VerdictEnvelope {
    let ended = site.json_call(["scan".as_ref(), sbom.as_os_str(), "--at".as_ref(), AT.as_ref()]);
    serde_json::from_slice(&ended.stdout).expect("a verdict")
}

#[test]
fn earlier_knowledge_is_available_with_and_without_daemon() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let sbom = sample_sbom(&site);
    let _ = site.import("mine", &sample_feed(), &[]);
    let then = scan(&site, &sbom);
    let cursor = site.status().head.expect("it said something");
    let fewer = starling_tests::feed::Folder {
        files: sample_feed().files.into_iter().take(1).collect(),
    };
    let _ = site.import("mine", &fewer, &["--complete"]);
    assert_ne!(scan(&site, &sbom).verdict, then.verdict);

    let ask = |site: &Site, moment: &str| -> VerdictEnvelope {
        let args = [
            "scan".as_ref(),
            sbom.as_os_str(),
            "--at".as_ref(),
            AT.as_ref(),
            "--as-of".as_ref(),
            moment.as_ref(),
        ];
        serde_json::from_slice(&site.json_call(args).stdout).expect("a verdict")
    };
    let moments = [
        then.time.to_string(),
        cursor.to_string(),
        format!("site-a@{cursor}"),
    ];
    for moment in &moments {
        assert_eq!(ask(&site, moment).verdict, then.verdict, "{moment}");
    }
    site.up();
    for moment in &moments {
        assert_eq!(
            ask(&site, moment).verdict,
            then.verdict,
            "{moment}, by the daemon"
        );
    }
    site.kill();
    assert_eq!(ask(&site, &moments[0]).verdict, then.verdict, "after a kill");
    let refused = site.refused([
        "scan".as_ref(),
        sbom.as_os_str(),
        "--as-of".as_ref(),
        "2001-01-01".as_ref(),
    ]);
    assert_eq!(refused.code, starling_api_types::ErrorCode::HistoryExpired);
    assert!(
        refused
            .detail
            .contains(&site.status().store.known_back_to.unwrap().to_string())
    );
}

#[test]
fn part_of_a_source_is_not_fresh_unless_it_is_listed() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let sbom = sample_sbom(&site);
    let _ = site.import("mine", &sample_feed(), &[]);
    site.accept_partial_sources(false);
    let verdict = site.scan(&sbom, &[]);
    assert_eq!(verdict.exit_code, 4);
    let body: Value = serde_json::from_str(verdict.verdict.as_str()).unwrap();
    let reasons = body["reasons"].as_array().unwrap();
    let of_part = reasons.iter().find(|reason| reason["code"] == "source_in_part");
    let told = of_part.unwrap()["text"].as_str().unwrap();
    assert!(told.contains("--source mine --complete"), "{told}");
    site.accept_partial_sources(true);
    assert_ne!(site.scan(&sbom, &[]).exit_code, 4);
    site.accept_partial_sources(false);
    let _ = site.import("mine", &sample_feed(), &["--complete"]);
    assert_ne!(site.scan(&sbom, &[]).exit_code, 4);
}

#[test]
fn stored_vex_applies_until_it_is_deleted() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let before = scan(&site, &sbom);
    let document = site.file("supplier.json");
    let statement = json!({"vulnerability": {"name": "EX-2025-0002"}, "products": [{"@id": "pkg:npm/express"}],
        "status": "not_affected", "justification": "vulnerable_code_not_present"});
    let text =
        json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "supplier", "statements": [statement]});
    std::fs::write(&document, text.to_string()).unwrap();
    let added: VexList = site.json(["vex".as_ref(), "add".as_ref(), document.as_os_str()]);
    let hash = added.documents[0].hash.to_string();
    let cold = scan(&site, &sbom);
    assert!(cold.verdict != before.verdict && cold.verdict.as_str().contains(&hash));
    site.up();
    assert_eq!(scan(&site, &sbom).verdict, cold.verdict, "by a daemon");
    let shown = site.cli(["vex", "show", &hash]);
    assert_eq!(shown.stdout, text.to_string().as_bytes());
    let listed: VexList = site.json(["vex", "list"]);
    assert_eq!(listed.documents.len(), 1);
    let removed: VexRemoved = site.json(["vex", "remove", &hash]);
    assert_eq!(removed.hash, added.documents[0].hash);
    assert_eq!(scan(&site, &sbom).verdict, before.verdict);
    let refused = site.refused(["vex", "show", &hash]);
    assert_eq!(refused.code, starling_api_types::ErrorCode::VexNotFound);
}

fn index(site: &Site) -> PathBuf {
    site.home().join("match.idx")
}

fn mark(site: &Site) -> PathBuf {
    site.home().join("scan.ready")
}

#[test]
fn scan_without_store_equals_scan_with_store() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let are_there = || index(&site).is_file() && mark(&site).is_file();
    assert!(are_there(), "an import leaves both");
    std::fs::remove_file(mark(&site)).unwrap();
    std::fs::remove_file(index(&site)).unwrap();
    let opened = scan(&site, &sbom);
    assert!(are_there(), "so does a scan that finds neither");
    let cold = scan(&site, &sbom);
    assert_eq!(cold.verdict, opened.verdict);
    assert!(
        cold.verdict.as_str().contains("EX-2025-0002"),
        "{}",
        cold.verdict.as_str()
    );

    // Without the marker file, without the index, and with a daemon: the same bytes.
    std::fs::remove_file(mark(&site)).unwrap();
    assert_eq!(scan(&site, &sbom).verdict, cold.verdict);
    assert!(mark(&site).is_file(), "the next scan is cold again");
    std::fs::remove_file(index(&site)).unwrap();
    assert_eq!(scan(&site, &sbom).verdict, cold.verdict);
    assert!(index(&site).is_file(), "it is rebuilt");
    site.up();
    assert_eq!(scan(&site, &sbom).verdict, cold.verdict);
    site.stop();
    assert_eq!(scan(&site, &sbom).verdict, cold.verdict);

    // An import's content is in the very next verdict.
    let mut more = sample_feed();
    more.put(
        "EX-2025-0009.json",
        &advisory("EX-2025-0009", "left-pad", "9.0.0", "2025-03-01T00:00:00Z"),
    );
    let _ = site.import("mine", &more, &[]);
    let later = scan(&site, &sbom);
    assert!(
        later.verdict.as_str().contains("EX-2025-0009"),
        "{}",
        later.verdict.as_str()
    );
    site.up();
    let _ = site.import("mine", &sample_feed(), &["--complete"]);
    let again = scan(&site, &sbom);
    assert!(
        !again.verdict.as_str().contains("EX-2025-0009"),
        "{}",
        again.verdict.as_str()
    );
}

#[test]
fn damaged_index_is_repaired_by_the_next_scan() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let sound = scan(&site, &sbom);
    let whole = std::fs::read(index(&site)).unwrap();
    // In an advisory, in a screen, in the directory; cut; and not an index at all.
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for bytes in [
        flipped(20),
        flipped(whole.len() / 2),
        flipped(whole.len() - 120),
        whole[..whole.len() - 1].to_vec(),
        b"hello".to_vec(),
    ] {
        std::fs::write(index(&site), &bytes).unwrap();
        assert_eq!(scan(&site, &sbom).verdict, sound.verdict);
    }
    assert_eq!(
        std::fs::read(index(&site)).unwrap(),
        whole,
        "equal knowledge, equal bytes"
    );
}

#[test]
fn explain_works_with_and_without_daemon() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let ask = |site: &Site, purl: &str| -> Explanation { site.json(["explain", purl, "CVE-2025-10001"]) };
    let hit = ask(&site, "pkg:npm/left-pad@1.0.0");
    assert_eq!(
        (hit.conclusion, hit.comparator.as_deref()),
        (Conclusion::Affected, Some("semver"))
    );
    let miss = ask(&site, "pkg:npm/left-pad@1.3.1");
    assert_eq!(miss.conclusion, Conclusion::NotAffected);
    assert!(miss.reason.contains("fixed since 1.3.1"), "{}", miss.reason);
    assert_eq!(
        ask(&site, "pkg:npm/express@1.0.0").conclusion,
        Conclusion::NotAbout
    );
    site.up();
    assert_eq!(ask(&site, "pkg:npm/left-pad@1.0.0"), hit);
    site.cli(["explain", "no purl", "CVE-1"]).expect(2);
}

#[test]
fn small_tools_need_no_site() {
    let bench = bench();
    let run = |args: &[&str]| {
        starling_tests::Ended::of(starling_tests::process::command(
            &bench.path().join("nowhere"),
            args,
        ))
    };
    let compared: Value = run(&["version", "compare", "npm", "1.2.0", "1.10.0", "--json"]).json(0);
    assert_eq!(compared["order"], json!("<"));
    let scored: Value = run(&["cvss", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "--json"]).json(0);
    assert_eq!(scored["score"], json!("9.8"));
    run(&["cvss", "nothing"]).expect(3);
    run(&["purl", "parse", "npm/x"]).expect(3);
    run(&["version", "compare", "npm", "1"]).expect(2);
    // As of a scan: the arguments are wrong, not the document.
    run(&["sbom", "inspect", "/does/not/exist"]).expect(2);
    run(&["selftest"]).expect(0);
}
