//! Tests which statements about a package apply, and which are only shown.

use std::collections::BTreeMap;

use starling_view::{PackageId, Ranges, ViewPolicy};

use crate::site::{LOCAL, Site, body, key, package};

/// Returns a record with one package and the version that it lists.
fn record(ecosystem: &str, version: &str, rest: &str) -> Vec<u8> {
    body(&format!(
        r#""affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"a"}},"versions":["{version}"]}}],"aliases":["CVE-2021-1111"]{rest}"#
    ))
}

/// Returns each statement's source and weight: `source: weight` in fold order.
fn weights(policy: &ViewPolicy, package: &PackageId, records: &[(&str, &str, Vec<u8>)]) -> Vec<String> {
    let mut site = Site::new(policy);
    for (source, id, body) in records {
        site.set(LOCAL, &key(source, id), body);
    }
    let advisory = site.fold("CVE-2021-1111", package).unwrap();
    let shown = advisory.statements.iter().map(|stated| {
        let by: Vec<_> = stated.by.iter().map(|record| record.source.as_str()).collect();
        format!("{}: {:?}", by.join("+"), stated.weight)
    });
    shown.collect()
}

#[test]
fn each_source_applies_and_equal_statements_merge() {
    let npm = |version: &str| record("npm", version, "");
    let found = weights(
        &ViewPolicy::default(),
        &package("npm", "a"),
        &[
            ("ghsa", "GHSA-2222-3333-4444", npm("1")),
            ("osv", "OSV-1", npm("1")),
            ("nvd", "CVE-2021-1111", npm("2")),
            ("evil", "EVIL-1", npm("3")),
        ],
    );
    assert_eq!(found, ["ghsa+osv: Counts", "nvd: Counts", "evil: CountsLast"]);
    // A single record needs no list, whichever site states it.
    let alone = weights(
        &ViewPolicy::default(),
        &package("npm", "a"),
        &[("evil", "EVIL-1", npm("3"))],
    );
    assert!(alone.is_empty());
}

#[test]
fn preferred_ranges_apply_the_first_source_only() {
    let policy = ViewPolicy {
        ranges: Ranges::Preferred,
        ..ViewPolicy::default()
    };
    let records = [
        ("evil", "EVIL-1", record("npm", "3", "")),
        ("ghsa", "GHSA-2222-3333-4444", record("npm", "1", "")),
    ];
    let found = weights(&policy, &package("npm", "a"), &records);
    assert_eq!(found, ["ghsa: Counts", "evil: NotPreferred"]);
}

#[test]
fn copy_of_a_record_is_silent_beside_its_origin() {
    let id = "GHSA-2222-3333-4444";
    let copy = || ("mirror", id, record("npm", "1", ""));
    let package = package("npm", "a");
    let other = || ("nvd", "CVE-2021-1111", record("npm", "9", ""));
    let with = |records: &[(&str, &str, Vec<u8>)]| weights(&ViewPolicy::default(), &package, records);
    assert_eq!(
        with(&[copy(), ("ghsa", id, record("npm", "2", ""))]),
        ["ghsa: Counts", "mirror: Mirrored"]
    );
    // The origin no longer names the package, or withdrew its statement: the copy is stale.
    assert_eq!(
        with(&[copy(), ("ghsa", id, record("PyPI", "2", ""))]),
        ["mirror: Mirrored"]
    );
    let withdrawn = record("npm", "1", r#","withdrawn":"2024-01-01T00:00:00Z""#);
    assert_eq!(
        with(&[copy(), ("ghsa", id, withdrawn), other()]),
        ["nvd: Counts", "mirror: Mirrored"]
    );
    // If the origin is not held, each copy applies.
    assert_eq!(with(&[copy(), other()]), ["nvd: Counts", "mirror: CountsLast"]);
}

#[test]
fn source_with_authority_decides() {
    let debian = package("Debian:12", "a");
    let records = [
        ("nvd", "CVE-2021-1111", record("Debian:12", "1", "")),
        ("debian", "DSA-1-1", record("Debian:12", "2", "")),
        ("debian", "DEBIAN-CVE-2021-1111", record("Debian:12", "3", "")),
    ];
    let found = weights(&ViewPolicy::default(), &debian, &records);
    assert_eq!(found.len(), 3);
    assert_eq!(found.last().unwrap(), "nvd: Outranked");
    // A site may configure otherwise; then each applies.
    let policy = ViewPolicy {
        authority: BTreeMap::from([("debian".parse().unwrap(), Vec::new())]),
        ..ViewPolicy::default()
    };
    let found = weights(&policy, &debian, &records);
    assert!(found.iter().all(|one| one.ends_with(": Counts")), "{found:?}");
    // If it has no statement, the others apply.
    let policy = ViewPolicy {
        authority: BTreeMap::from([("acme".parse().unwrap(), vec!["npm".to_owned()])]),
        ..ViewPolicy::default()
    };
    let npm = [
        ("nvd", "CVE-2021-1111", record("npm", "1", "")),
        ("ghsa", "GHSA-2222-3333-4444", record("npm", "2", "")),
    ];
    let found = weights(&policy, &package("npm", "a"), &npm);
    assert_eq!(found, ["ghsa: Counts", "nvd: Counts"]);
}

/// A withdrawal may lie in the future, which the fold cannot know: what withdrawn records state is kept beside the rest.
#[test]
fn withdrawn_records_keep_their_statements_with_a_weight() {
    let gone = r#","withdrawn":"2030-01-01T00:00:00Z""#;
    let mut site = Site::new(&ViewPolicy::default());
    let mut fold = |records: &[(&str, &str, Vec<u8>)]| {
        for (source, id, body) in records {
            site.set(LOCAL, &key(source, id), body);
        }
        let advisory = site.fold("CVE-2021-1111", &package("Debian:12", "a")).unwrap();
        let shown = advisory.withdrawn_statements.iter().map(|stated| {
            let has_time = stated.withdrawn.as_ref().unwrap().as_str() == r#""2030-01-01T00:00:00Z""#;
            assert!(has_time && stated.affected.as_ref().unwrap().as_str().contains("versions"));
            format!("{}: {:?}", stated.by.source, stated.weight)
        });
        (shown.collect::<Vec<_>>(), advisory.statements.len())
    };
    let debian = ("debian", "DSA-1-1", record("Debian:12", "1", gone));
    let nvd = ("nvd", "CVE-2021-1111", record("Debian:12", "2", gone));
    // Neither outranks the other, because one withdrawal may come before the other.
    assert_eq!(
        fold(&[debian, nvd.clone()]),
        (vec!["debian: Counts".to_owned(), "nvd: Counts".to_owned()], 0)
    );
    let live = ("debian", "DSA-1-1", record("Debian:12", "1", ""));
    assert_eq!(fold(&[live, nvd]), (vec!["nvd: Outranked".to_owned()], 0));
}
