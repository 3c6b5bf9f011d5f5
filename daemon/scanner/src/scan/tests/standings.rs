//! Standings of single components, and classes and ratings of findings.

use super::*;

#[test]
fn malicious_packages_are_critical() {
    let mal = r#"{"id":"MAL-2024-1","affected":[{"package":{"ecosystem":"npm","name":"evil"},"versions":["1.0.0"]}]}"#;
    let result = run(&purls(&["pkg:npm/evil@1.0.0"]), &Memory::with(&[mal]));
    assert_eq!(result.findings[0].severity.level, Level::Critical);
}

const FOO: &str = r#"{"id":"DSA-9","affected":[{"package":{"ecosystem":"Debian:12","name":"foo"},
    "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.2.4-1"}]}]}]}"#;

fn trivy(purl: &str, source: &str) -> String {
    format!(
        r#"{{"type":"library","name":"c","purl":"{purl}","properties":[{{"name":"aquasecurity:trivy:SrcName","value":"{source}"}}]}}"#
    )
}

#[test]
fn package_with_unknown_source_is_undecided() {
    let memory = Memory::with(&[FOO]);
    let lib = "pkg:deb/debian/libfoo2@1.2.3-1?distro=debian-12";
    let alone = run(&purls(&[lib]), &memory);
    assert_eq!((alone.findings.len(), alone.coverage.undecided), (0, 1));
    assert_eq!(alone.gaps[0].standing, Standing::Undecided);
    // It is found by its source.
    let named = run(&inventory(&trivy(lib, "foo")), &memory);
    assert_eq!((named.findings.len(), named.coverage.matched), (1, 1));
    assert_eq!(named.findings[0].package.name, "foo");
    // A source that the site knows is its own.
    let source = run(&purls(&["pkg:deb/debian/foo@1.2.4-1?distro=debian-12"]), &memory);
    assert_eq!((source.findings.len(), source.coverage.matched), (0, 1));
    // If others name their source, a package without one is its own; packages of other distributions do not matter.
    let other = trivy("pkg:deb/debian/libbar@1?distro=debian-12", "bar");
    let plain = format!(r#"{{"type":"library","name":"c","purl":"{lib}"}}"#);
    let both = run(&inventory(&[other, plain.clone()].join(",")), &memory);
    assert_eq!((both.findings.len(), both.coverage.matched), (0, 2));
    let other = trivy("pkg:deb/ubuntu/libbar@1?distro=ubuntu-22.04", "bar");
    let both = run(&inventory(&[other, plain].join(",")), &memory);
    assert_eq!(both.coverage.undecided, 1);
}

#[test]
fn package_that_is_signed_by_another_source_is_not_clean() {
    let linux = FOO.replace("\"foo\"", "\"linux\"").replace("1.2.4-1", "6.1.60-1");
    let memory = Memory::with(&[&linux]);
    let plain = "pkg:deb/debian/libbar@1?distro=debian-12&upstream=bar";
    let image = "pkg:deb/debian/linux-image-6.1.0-13-amd64@6.1.55-1?distro=debian-12";
    let kernel = format!("{image}&upstream=linux-signed-amd64%406.1.55%2B1");
    let result = run(&purls(&[plain, &kernel]), &memory);
    assert_eq!(result.findings.len(), 1);
    assert_eq!(result.findings[0].package.version, "6.1.55-1");
    // Nothing names the source from which it was built.
    for shim in [
        "pkg:deb/debian/shim-signed@1.44~1%2B15.8-1?distro=debian-12",
        "pkg:deb/debian/grub-efi-amd64-signed@1%2B2.06?distro=debian-12&upstream=grub-efi-amd64-signed",
    ] {
        let result = run(&purls(&[plain, shim]), &memory);
        assert_eq!(
            (result.coverage.matched, result.coverage.undecided),
            (1, 1),
            "{shim}"
        );
    }
}

#[test]
fn package_whose_own_source_is_unreadable_is_undecided() {
    let plain = "pkg:deb/debian/libbar@1?distro=debian-12&upstream=bar";
    let unreadable = "pkg:deb/debian/libfoo2@1.2.3-1?distro=debian-12&upstream=foo%2Cbar";
    let result = run(&purls(&[plain, unreadable]), &Memory::with(&[FOO]));
    assert_eq!((result.coverage.matched, result.coverage.undecided), (1, 1));
}

#[test]
fn go_module_that_is_known_with_its_major_version_is_undecided() {
    let module = r#"{"id":"GO-1","affected":[{"package":{"ecosystem":"Go","name":"x.example/a/v2"},
        "ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"#;
    for (purl, findings, undecided) in [
        ("pkg:golang/x.example/a/v2@v2.1.0", 1, 0),
        ("pkg:golang/x.example/a@v2.1.0", 0, 1),
        ("pkg:golang/x.example/a@2.1.0", 0, 1),
        ("pkg:golang/x.example/a@v2.1.0%2Bincompatible", 0, 0),
        ("pkg:golang/x.example/a@v1.1.0", 0, 0),
        ("pkg:golang/x.example/a@v3.1.0", 0, 0),
        ("pkg:golang/x.example/b@v2.1.0", 0, 0),
        ("pkg:golang/gopkg.in/a.v2@v2.1.0", 0, 0),
    ] {
        let result = run(&purls(&[purl]), &Memory::with(&[module]));
        assert_eq!(
            (result.findings.len(), result.coverage.undecided),
            (findings, undecided),
            "{purl}"
        );
    }
}

#[test]
fn crate_known_under_another_spelling_is_undecided() {
    let crates = r#"{"id":"RUSTSEC-1","affected":[{"package":{"ecosystem":"crates.io","name":"tokio-util"},
        "ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"#;
    for (purl, findings, undecided) in [
        ("pkg:cargo/tokio-util@1.0.0", 1, 0),
        ("pkg:cargo/tokio_util@1.0.0", 0, 1),
        ("pkg:cargo/Tokio-Util@1.0.0", 0, 1),
        ("pkg:cargo/tokio_utils@1.0.0", 0, 0),
    ] {
        let result = run(&purls(&[purl]), &Memory::with(&[crates]));
        assert_eq!(
            (result.findings.len(), result.coverage.undecided),
            (findings, undecided),
            "{purl}"
        );
    }
}

#[test]
fn malicious_package_without_a_version_is_found() {
    let all = r#"{"id":"MAL-1","affected":[{"package":{"ecosystem":"npm","name":"evil"},
        "ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"#;
    let result = run(
        &purls(&["pkg:npm/evil", "pkg:npm/evil@latest", "pkg:npm/express"]),
        &Memory::with(&[all, EXPRESS]),
    );
    assert_eq!((result.findings.len(), result.coverage.unversioned), (2, 3));
}

#[test]
fn subject_of_the_document_is_not_a_gap() {
    let bom = r#"{"bomFormat":"CycloneDX","specVersion":"1.5",
        "metadata":{"component":{"type":"application","name":"app","purl":"PURL"}},"components":[]}"#;
    for (purl, matched, gaps, findings) in [
        ("pkg:github/acme/app@main", 0, 0, 0),
        ("pkg:npm/app", 0, 0, 0),
        ("pkg:deb/debian/app@1", 0, 0, 0),
        ("pkg:npm/express@5.0.0", 0, 0, 0),
        ("pkg:npm/express@4.0.0", 1, 0, 1),
        // An advisory names it, and may be about it.
        ("pkg:npm/express", 0, 1, 0),
        ("pkg:npm/express@%5E4", 0, 1, 0),
    ] {
        let inventory = sbom::read(bom.replace("PURL", purl).as_bytes()).unwrap();
        let result = run(&inventory, &Memory::with(&[EXPRESS]));
        assert_eq!(
            (result.coverage.matched, result.gaps.len(), result.findings.len()),
            (matched, gaps, findings),
            "{purl}"
        );
    }
}

#[test]
fn action_in_a_folder_is_found_by_its_path() {
    let action = r#"{"id":"GHSA-8","affected":[{"package":{"ecosystem":"GitHub Actions","name":"acme/tools/Lint"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"4.1.0"}]}]}]}"#;
    for (purl, findings, matched) in [
        ("pkg:githubactions/acme/tools/lint@v4.0.0", 1, 1),
        ("pkg:github/acme/tools@v4.0.0#lint", 1, 1),
        ("pkg:githubactions/acme/tools/lint@v4.1.0", 0, 1),
        // Other actions of the repository.
        ("pkg:githubactions/acme/tools@v4.0.0", 0, 1),
        ("pkg:githubactions/acme/tools/fix@v4.0.0", 0, 1),
    ] {
        let result = run(&purls(&[purl]), &Memory::with(&[action]));
        assert_eq!(
            (result.findings.len(), result.coverage.matched),
            (findings, matched),
            "{purl}"
        );
    }
}

#[test]
fn repository_of_any_action_is_undecided() {
    let action = r#"{"id":"GHSA-9","affected":[{"package":{"ecosystem":"GitHub Actions","name":"acme/do-it"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"4.1.0"}]}]}]}"#;
    let result = run(
        &purls(&["pkg:github/acme/do-it@v4", "pkg:github/madler/zlib@v1.2.11"]),
        &Memory::with(&[action]),
    );
    assert_eq!(result.findings.len(), 1);
    assert_eq!((result.coverage.matched, result.coverage.undecided), (1, 1));
}

#[test]
fn informational_advisory_is_a_class_of_its_own() {
    let record = |id: &str, class: &str, severity: &str| {
        format!(
            r#"{{"id":"{id}","severity":[{severity}],"affected":[{{"package":{{"ecosystem":"crates.io","name":"old"}},
            "database_specific":{{"informational":{class}}},
            "ranges":[{{"type":"SEMVER","events":[{{"introduced":"0.0.0-0"}}]}}]}}]}}"#
        )
    };
    let scored = r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#;
    let records = [
        record("RUSTSEC-1", "\"unmaintained\"", ""),
        record("RUSTSEC-2", "\"unsound\"", scored),
        record("RUSTSEC-3", "null", ""),
    ];
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let result = run(&purls(&["pkg:cargo/old@1.0.0"]), &Memory::with(&records));
    let found: Vec<_> = result
        .findings
        .iter()
        .map(|finding| (finding.informational.as_deref(), finding.severity.level))
        .collect();
    assert_eq!(
        found,
        [
            (Some("unmaintained"), Level::None),
            (Some("unsound"), Level::Critical),
            (None, Level::Unknown)
        ]
    );
}

#[test]
fn severity_in_words_rates_a_finding() {
    let urgent = r#"{"id":"D-1","affected":[{"package":{"ecosystem":"Debian:12","name":"foo"},
        "ecosystem_specific":{"urgency":"high"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
    let result = run(
        &purls(&["pkg:deb/debian/foo@1?distro=debian-12"]),
        &Memory::with(&[urgent]),
    );
    assert_eq!(result.findings[0].severity.level, Level::High);
}

/// A malicious package that a source rated low passed `--fail-on high`.
#[test]
fn malicious_package_is_critical_despite_a_lower_rating() {
    let record = |severity: &str, ids: &str| {
        format!(
            r#"{{"id":"GHSA-1",{ids}"severity":[{severity}],"affected":[{{"package":{{"ecosystem":"npm","name":"evil"}},
            "versions":["1.0.0"]}}]}}"#
        )
    };
    let low = r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"}"#;
    let worst = r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#;
    let mark = r#"{"type":"malicious-package","score":"CWE-506"}"#;
    for (severities, ids, level, stated) in [
        (format!("{low},{mark}"), "", Level::Critical, "malicious-package"),
        (format!("{mark},{low}"), "", Level::Critical, "malicious-package"),
        (format!("{mark},{worst}"), "", Level::Critical, "CVSS_V3"),
        (mark.to_owned(), "", Level::Critical, "malicious-package"),
        (low.to_owned(), "", Level::Low, "CVSS_V3"),
        // The record of that name may be withdrawn, so that the rating stands.
        (low.to_owned(), r#""aliases":["MAL-1"],"#, Level::Low, "CVSS_V3"),
        (
            String::new(),
            r#""aliases":["MAL-1"],"#,
            Level::Critical,
            "malicious-package",
        ),
    ] {
        let record = record(&severities, ids);
        let result = run(&purls(&["pkg:npm/evil@1.0.0"]), &Memory::with(&[&record]));
        let found = &result.findings[0].severity;
        let kind = found.stated.as_ref().map(|stated| stated.kind.as_str());
        assert_eq!((found.level, kind), (level, Some(stated)), "{record}");
    }
}
