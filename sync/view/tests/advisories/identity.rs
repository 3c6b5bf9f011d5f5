//! Tests which records meet in one advisory, and by which names it is found.

use starling_view::limits::MAX_COMPONENT_MEMBERS;
use starling_view::{
    Action, PackageId, Problem, RecordKey, Resolution, ViewPolicy, advisories_by_id, advisories_by_package,
    advisories_in_any_release, for_each_advisory, resolve,
};

use crate::site::{LOCAL, Site, body, key, merge_hash, npm, package};

fn site() -> Site {
    Site::new(&ViewPolicy::default())
}

fn ids(site: &Site, id: &str) -> Vec<String> {
    advisories_by_id(&site.rows, id)
        .unwrap()
        .iter()
        .map(|found| found.vulnerability.to_string())
        .collect()
}

#[test]
fn late_alias_redirects_the_old_name() {
    let mut site = site();
    let record = key("ghsa", "GHSA-2222-3333-4444");
    let old = merge_hash("GHSA-2222-3333-4444", "npm", "a");
    let new = merge_hash("CVE-2021-1111", "npm", "a");
    let created = site.set(LOCAL, &record, &npm(&[], "a"));
    assert_eq!(created.advisories[0].action, Action::Created);
    assert_eq!(created.edges_added, 1);

    let changes = site.set(LOCAL, &record, &npm(&["CVE-2021-1111"], "a"));
    let actions: Vec<_> = changes
        .advisories
        .iter()
        .map(|change| (change.merge_hash, &change.action))
        .collect();
    assert_eq!(
        actions,
        [
            (new, &Action::Created),
            (old, &Action::Redirected { to: vec![new] })
        ]
    );
    assert!(
        matches!(resolve(&site.rows, &new).unwrap(), Resolution::Current(found) if found.merge_hash == new)
    );
    let Resolution::Redirected(heirs) = resolve(&site.rows, &old).unwrap() else {
        panic!("the old name is lost")
    };
    assert_eq!(
        heirs.iter().map(|heir| heir.merge_hash).collect::<Vec<_>>(),
        [new]
    );
    assert_eq!(
        site.fold("CVE-2021-1111", &package("npm", "a"))
            .unwrap()
            .redirected_from,
        [old]
    );
}

#[test]
fn redirect_is_known_without_having_seen_the_old_name() {
    let mut site = site();
    site.set(
        LOCAL,
        &key("ghsa", "GHSA-2222-3333-4444"),
        &npm(&["CVE-2021-1111"], "a"),
    );
    let old = merge_hash("GHSA-2222-3333-4444", "npm", "a");
    assert!(matches!(
        resolve(&site.rows, &old).unwrap(),
        Resolution::Redirected(_)
    ));
    assert_eq!(
        resolve(&site.rows, &merge_hash("GHSA-2222-3333-4444", "npm", "b")).unwrap(),
        Resolution::Unknown
    );
}

#[test]
fn records_of_several_sources_meet_under_their_cve() {
    let mut site = site();
    site.set(
        LOCAL,
        &key("ghsa", "GHSA-2222-3333-4444"),
        &npm(&["CVE-2021-1111"], "A"),
    );
    site.set(LOCAL, &key("nvd", "CVE-2021-1111"), &npm(&[], "a"));
    site.set(
        LOCAL,
        &key("acme", "ACME-1"),
        &npm(&[" ghsa-2222-3333-4444 "], "a"),
    );
    for id in ["CVE-2021-1111", "cve-2021-1111", "GHSA-2222-3333-4444", "ACME-1"] {
        assert_eq!(ids(&site, id), ["CVE-2021-1111"], "{id}");
    }
    let advisory = site.fold("CVE-2021-1111", &package("npm", "a")).unwrap();
    assert_eq!(advisory.edges.len(), 3);
    let aliases: Vec<_> = advisory.aliases.iter().map(ToString::to_string).collect();
    assert_eq!(aliases, ["ACME-1", "GHSA-2222-3333-4444"]);
}

#[test]
fn two_cves_never_merge() {
    let mut site = site();
    site.set(LOCAL, &key("nvd", "CVE-2021-1111"), &npm(&["CVE-2021-2222"], "a"));
    site.set(LOCAL, &key("nvd", "CVE-2021-2222"), &npm(&[], "a"));
    site.set(
        LOCAL,
        &key("ghsa", "GHSA-2222-3333-4444"),
        &npm(&["CVE-2021-1111", "CVE-2021-2222"], "a"),
    );
    site.set(LOCAL, &key("acme", "ACME-1"), &npm(&["CVE-2021-2222"], "a"));
    assert_eq!(ids(&site, "CVE-2021-1111"), ["CVE-2021-1111"]);
    assert_eq!(
        ids(&site, "GHSA-2222-3333-4444"),
        ["CVE-2021-1111", "CVE-2021-2222"]
    );
    let edges = |id| site.fold(id, &package("npm", "a")).unwrap().edges.len();
    assert_eq!((edges("CVE-2021-1111"), edges("CVE-2021-2222")), (2, 3));
    let other = site
        .fold("CVE-2021-1111", &package("npm", "a"))
        .unwrap()
        .other_vulnerabilities;
    assert_eq!(other.len(), 1);
}

#[test]
fn record_is_found_by_its_single_upstream_cve() {
    let mut site = site();
    let members = r#""affected":[{"package":{"ecosystem":"npm","name":"a"}}],"related":["CVE-2021-2222"],"upstream":["CVE-2021-1111"]"#;
    site.set(LOCAL, &key("acme", "ACME-1"), &body(members));
    assert_eq!(ids(&site, "ACME-1"), ["ACME-1"]);
    // It is found but not merged: it keeps its own name beside the CVE's own record.
    assert_eq!(ids(&site, "cve-2021-1111"), ["ACME-1"]);
    assert!(ids(&site, "CVE-2021-2222").is_empty());
    site.set(LOCAL, &key("nvd", "CVE-2021-1111"), &npm(&[], "a"));
    assert_eq!(ids(&site, "CVE-2021-1111"), ["ACME-1", "CVE-2021-1111"]);
    // As an alias, it is one vulnerability. Derived from two CVEs, it is found by each. Derived from none, by
    // none.
    for (members, found) in [
        (r#""aliases":["CVE-2021-1111"],"#, vec!["CVE-2021-1111"]),
        (
            r#""upstream":["CVE-2021-1111","CVE-2021-3333"],"#,
            vec!["ACME-1", "CVE-2021-1111"],
        ),
        (
            r#""upstream":["CVE-2021-1111"],"#,
            vec!["ACME-1", "CVE-2021-1111"],
        ),
        ("", vec!["CVE-2021-1111"]),
    ] {
        let members = format!(r#"{members}"affected":[{{"package":{{"ecosystem":"npm","name":"a"}}}}]"#);
        site.set(LOCAL, &key("acme", "ACME-1"), &body(&members));
        assert_eq!(ids(&site, "CVE-2021-1111"), found, "{members}");
    }
}

#[test]
fn package_is_found_in_one_release_or_in_all() {
    let mut site = site();
    let entry = |release| format!(r#"{{"package":{{"ecosystem":"Debian:{release}","name":"Curl"}}}}"#);
    let members = format!(r#""affected":[{},{}]"#, entry(11), entry(12));
    site.set(LOCAL, &key("debian", "DSA-1"), &body(&members));
    assert_eq!(
        advisories_by_package(&site.rows, "Debian:12", "curl")
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        advisories_in_any_release(&site.rows, "Debian", "curl")
            .unwrap()
            .len(),
        2
    );
    assert!(
        advisories_by_package(&site.rows, "Debian", "curl")
            .unwrap()
            .is_empty()
    );
    assert!(
        advisories_by_package(&site.rows, "Debian:12", "cur")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn record_without_package_uses_its_repository_or_itself() {
    let mut site = site();
    let git = r#""affected":[{"ranges":[{"type":"GIT","repo":"https://GitHub.com/Curl/curl.git"}]}]"#;
    site.set(LOCAL, &key("osv", "CVE-2021-1111"), &body(git));
    site.set(LOCAL, &key("acme", "ACME-1"), &body(""));
    let repository = PackageId::Repository {
        repository: "https://github.com/Curl/curl".into(),
    };
    assert!(
        site.fold("CVE-2021-1111", &repository)
            .unwrap()
            .fields
            .affected
            .is_some()
    );
    assert!(
        site.fold("ACME-1", &PackageId::Record(key("acme", "ACME-1")))
            .is_some()
    );
}

#[test]
fn records_beyond_component_bounds_stand_alone() {
    let mut site = site();
    // Each record brings two members: its id and itself. The placeholder is one more.
    let count = MAX_COMPONENT_MEMBERS / 2;
    let records: Vec<RecordKey> = (0..count).map(|n| key("acme", &format!("ACME-{n:05}"))).collect();
    for (n, record) in records.iter().enumerate() {
        site.set_quietly(LOCAL, record, &npm(&["N/A"], &format!("p{n}")));
    }
    let within = &records[..200];
    site.follow(within);
    assert_eq!(
        ids(&site, "ACME-00100").len(),
        200,
        "they stand for one vulnerability"
    );
    let changes = site.follow(&records);
    assert!(
        changes
            .problems
            .iter()
            .any(|(_, problem)| *problem == Problem::ComponentTooLarge)
    );
    assert_eq!(ids(&site, "ACME-00100"), ["ACME-00100"]);
    let mut advisories = 0;
    for_each_advisory(&site.rows, |advisory| {
        assert!(advisory.vulnerability.as_str().starts_with("ACME-"));
        advisories += 1;
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(advisories, count);
}
