//! Packages of distributions whose advisories name installed packages or their sources.

use super::*;

/// As Bodhi writes it: with the source.
const BY_SOURCE: &str = r#"{"id":"FEDORA-2030-1","affected":[{"package":{"ecosystem":"Fedora:40","name":"rocket"},
    "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:2.0-2.fc40"}]}]}]}"#;
/// As the notice of a repository writes it: with the installed packages.
const BY_PACKAGE: &str = r#"{"id":"FEDORA-2030-1","affected":[
    {"package":{"ecosystem":"Fedora:40","name":"rocket"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:2.0-2.fc40"}]}]},
    {"package":{"ecosystem":"Fedora:40","name":"rocket-libs"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:2.0-2.fc40"}]}]}]}"#;

fn libs(version: &str, source: &str) -> Inventory {
    let purl = format!("pkg:rpm/fedora/rocket-libs@{version}?distro=fedora-40&epoch=1{source}");
    purls(&[&purl])
}

#[test]
fn installed_package_is_found_by_its_source_too() {
    let memory = Memory::with(&[BY_SOURCE]);
    let of = "&upstream=rocket-2.0-1.fc40.src.rpm";
    let result = run(&libs("2.0-1.fc40", of), &memory);
    assert_eq!((result.findings.len(), result.coverage.matched), (1, 1));
    assert_eq!(result.findings[0].package.name, "rocket");
    assert_eq!(result.findings[0].fixed, ["1:2.0-2.fc40"]);
    let fixed = run(
        &libs("2.0-2.fc40", "&upstream=rocket-2.0-2.fc40.src.rpm"),
        &memory,
    );
    assert_eq!((fixed.findings.len(), fixed.coverage.matched), (0, 1));
    let unknown = run(&libs("2.0-1.fc40", ""), &memory);
    assert_eq!((unknown.findings.len(), unknown.coverage.undecided), (0, 1));
    let rocky = BY_SOURCE.replace("Fedora:40", "Rocky Linux:9");
    let purl = "pkg:rpm/rocky/rocket-libs@1.9-1.el9?distro=rocky-9.4&upstream=rocket-1.9-1.el9.src.rpm";
    assert_eq!(run(&purls(&[purl]), &Memory::with(&[&rocky])).findings.len(), 1);
}

#[test]
fn library_that_an_erratum_leaves_out_is_found_by_its_source() {
    let memory = Memory::with(&[&BY_SOURCE.replace("Fedora:40", "AlmaLinux:8")]);
    let libs =
        |rest: &str| format!("pkg:rpm/almalinux/rocket-libs@2.0-1.el8?distro=almalinux-8.10&epoch=1{rest}");
    let result = run(&purls(&[&libs("&upstream=rocket-2.0-1.el8.src.rpm")]), &memory);
    assert_eq!((result.findings.len(), result.coverage.matched), (1, 1));
    let unknown = run(&purls(&[&libs("")]), &memory);
    assert_eq!(
        (unknown.findings.len(), unknown.coverage.matched),
        (0, 1),
        "its own name is right"
    );
}

#[test]
fn package_that_an_advisory_names_is_found_once() {
    let memory = Memory::with(&[BY_PACKAGE]);
    let result = run(
        &libs("2.0-1.fc40", "&upstream=rocket-2.0-1.fc40.src.rpm"),
        &memory,
    );
    assert_eq!(result.findings.len(), 1);
    assert_eq!(result.findings[0].package.name, "rocket-libs");
}

#[test]
fn source_of_another_version_is_compared_by_its_own() {
    let memory = Memory::with(&[BY_SOURCE]);
    // The epoch is not in a file's name, so that an older source is not certain.
    let bare = run(
        &libs("7.1-1.fc40", "&upstream=rocket-1.0-1.fc40.src.rpm"),
        &memory,
    );
    assert_eq!((bare.findings.len(), bare.coverage.undecided), (0, 1));
    let beside = |version: &str| {
        let purl = "pkg:rpm/fedora/rocket-libs@7.1-1.fc40?distro=fedora-40";
        let property = |name, value| format!(r#"{{"name":"aquasecurity:trivy:{name}","value":"{value}"}}"#);
        let properties = [
            property("SrcName", "rocket"),
            property("SrcVersion", version),
            property("SrcRelease", "2.fc40"),
            property("SrcEpoch", "1"),
        ];
        let properties = properties.join(",");
        let text = format!(r#"{{"type":"library","name":"c","purl":"{purl}","properties":[{properties}]}}"#);
        let result = run(&inventory(&text), &memory);
        (result.findings.len(), result.coverage.matched)
    };
    assert_eq!(beside("1.0"), (1, 1));
    assert_eq!(beside("2.0"), (0, 1));
}

/// Red Hat names sources of what is not fixed: installed packages of other names counted as checked.
#[test]
fn package_of_red_hat_is_found_by_its_source() {
    let open = r#"{"id":"CVE-2030-1","affected":[{"package":{"ecosystem":"Red Hat:enterprise_linux:9","name":"rocket"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
    let memory = Memory::with(&[open]);
    let source = "&upstream=rocket-2.0-1.el9.src.rpm";
    for (url, findings, standing) in [
        (
            format!("pkg:rpm/redhat/rocket-libs@2.0-1.el9?distro=rhel-9.4{source}"),
            1,
            Standing::Matched,
        ),
        (
            format!("pkg:rpm/centos/rocket-libs@2.0-1.el9?distro=centos-9{source}"),
            1,
            Standing::Matched,
        ),
        (
            "pkg:rpm/redhat/rocket@2.0-1.el9?distro=rhel-9.4".into(),
            1,
            Standing::Matched,
        ),
        (
            "pkg:rpm/redhat/rocket-libs@2.0-1.el9?distro=rhel-9.4".into(),
            0,
            Standing::Undecided,
        ),
        (
            format!("pkg:rpm/redhat/rocket-libs@2.0-1.el8?distro=rhel-8.10{source}"),
            0,
            Standing::NoKnowledge,
        ),
    ] {
        let result = run(&purls(&[&url]), &memory);
        let found = result.gaps.first().map_or(Standing::Matched, |gap| gap.standing);
        assert_eq!((result.findings.len(), found), (findings, standing), "{url}");
    }
}

/// One architecture is a source package, whose name is its own; others may have sources of other names.
#[test]
fn repeated_version_is_judged_by_what_is_known_of_its_own_name() {
    let about = r#"{"id":"CVE-2030-1","affected":[{"package":{"ecosystem":"Red Hat:enterprise_linux:9","name":"other"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
    let memory = Memory::with(&[about]);
    let url = |arch: &str| format!("pkg:rpm/redhat/rocket@2.0-1.el9?arch={arch}&distro=rhel-9.4");
    let urls = ["x86_64", "src", "aarch64", "src", "ppc64le"].map(url);
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    for turn in 0..urls.len() {
        let mut turned = urls.clone();
        turned.rotate_left(turn);
        let result = run(&purls(&turned), &memory);
        assert_eq!(result.coverage.undecided, 3, "{turned:?}: {:?}", result.gaps);
    }
}

#[test]
fn release_10_host_uses_the_release_and_all_minor_ones() {
    let about = |release: &str| {
        format!(
            r#"{{"id":"CVE-2030-1","affected":[{{"package":{{"ecosystem":"Red Hat:enterprise_linux:{release}","name":"rocket"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}]}}]}}]}}"#
        )
    };
    let found = |distro: &str, release: &str| {
        let url = format!("pkg:rpm/redhat/rocket@2.0-1.el10?distro={distro}");
        run(&purls(&[&url]), &Memory::with(&[&about(release)]))
            .findings
            .len()
    };
    for release in ["10", "10::appstream", "10.0", "10.1::baseos", "10.2"] {
        assert_eq!(found("rhel-10.1", release), 1, "{release}");
        assert_eq!(found("centos-10", release), 1, "{release}");
    }
    assert_eq!(found("rhel-9.1", "10"), 0);
}

/// A file's name has no epoch, but what is not fixed affects a source in every version.
#[test]
fn source_without_a_fix_affects_packages_of_other_versions() {
    let of = |ecosystem: &str, events: &str| {
        format!(
            r#"{{"id":"CVE-2030-1","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"rocket"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}{events}]}}]}}]}}"#
        )
    };
    let (open, fixed) = ("", r#",{"fixed":"7-1"}"#);
    let url = "pkg:rpm/redhat/rocket-tools@9.1-1.el9?distro=rhel-9&upstream=rocket-5.0-1.el9.src.rpm";
    for (events, findings, standing) in [(open, 1, Standing::Matched), (fixed, 0, Standing::Undecided)] {
        let record = of("Red Hat:enterprise_linux:9", events);
        let result = run(&purls(&[url]), &Memory::with(&[&record]));
        let found = result.gaps.first().map_or(Standing::Matched, |gap| gap.standing);
        assert_eq!((result.findings.len(), found), (findings, standing), "{events}");
    }
}

/// A file's name has no epoch: the packages of a source with one were in doubt, although advisories name them.
#[test]
fn package_that_an_advisory_names_is_decided_by_its_own_name() {
    let entry = |name: &str, fixed: &str| {
        format!(
            r#"{{"package":{{"ecosystem":"Red Hat:enterprise_linux:9::appstream","name":"{name}"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}"#
        )
    };
    let url = |version: &str, source: &str| {
        format!("pkg:rpm/redhat/rocket-tools@{version}?distro=rhel-9&upstream=rocket-{source}.src.rpm")
    };
    let (source, own) = (entry("rocket", "4:5.0-2.el9"), entry("rocket-tools", "1.3-2.el9"));
    let judged = |entries: &str, url: &str| {
        let record = format!(r#"{{"id":"CVE-2030-1","affected":[{entries}]}}"#);
        let result = run(&purls(&[url]), &Memory::with(&[&record]));
        let standing = result.gaps.first().map_or(Standing::Matched, |gap| gap.standing);
        let record = Record::from_json(record.as_bytes()).unwrap();
        let knowledge = crate::knowledge::SingleRecord::new(record, "test");
        let purl = crate::purl::PackageUrl::parse(url).unwrap();
        let explained =
            crate::explain::explain(&purl, Some("CVE-2030-1"), None, &knowledge, JudgedAt::default());
        (result.findings.len(), standing, explained.unwrap().conclusion)
    };
    use crate::explain::Conclusion;
    let both = format!("{source},{own}");
    assert_eq!(
        judged(&both, &url("1.3-2.el9", "5.0-2.el9")),
        (0, Standing::Matched, Conclusion::NotAffected)
    );
    assert_eq!(
        judged(&both, &url("1.3-1.el9", "5.0-1.el9")),
        (1, Standing::Matched, Conclusion::Affected)
    );
    assert_eq!(
        judged(&source, &url("1.3-2.el9", "5.0-2.el9")),
        (0, Standing::Undecided, Conclusion::CannotSay)
    );
}

/// An advisory of another module stream says nothing about the package, although it has its name.
#[test]
fn other_streams_advisory_leaves_the_source_in_doubt() {
    let of = |id: &str, name: &str, module: &str, fixed: &str| {
        format!(
            r#"{{"id":"{id}","affected":[{{"package":{{"ecosystem":"Rocky Linux:9","name":"{name}"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}],
            "ecosystem_specific":{{{module}}}}}]}}"#
        )
    };
    let sixteen = r#""rpmmod":"rocket:16""#;
    let eighteen = r#""rpmmod":"rocket:18""#;
    let url = "pkg:rpm/rocky/rocket-libs@2-1.module+el9+1?distro=rocky-9&rpmmod=rocket:18:9:a\
               &upstream=rocket-18-1.module+el9+1.src.rpm";
    let judged = |own: &str| {
        let records: Vec<String> = (1..=7)
            .flat_map(|number| {
                let id = format!("CVE-2030-{number}");
                [
                    of(&id, "rocket", "", "20-1.module+el9+1"),
                    of(&id, "rocket-libs", own, "1-1.module+el9+1"),
                ]
            })
            .collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let result = run(&purls(&[url]), &Memory::with(&records));
        assert_eq!(result.findings.len(), 0);
        result.gaps.into_iter().next().and_then(|gap| gap.doubt)
    };
    assert_eq!(judged(eighteen), None);
    // A version without an epoch cannot show that the package is affected: the doubt lists the first advisories.
    let doubt = judged(sixteen).unwrap();
    let first: Vec<String> = (1..=5).map(|number| format!("CVE-2030-{number}")).collect();
    assert_eq!(
        (doubt.cause, doubt.vulnerabilities, doubt.number),
        (DoubtCause::Advisory, first, 7)
    );
}

/// Its version is compared with fixes of the distribution's own builds.
#[test]
fn named_package_of_another_repository_is_in_doubt() {
    let of = |ecosystem: &str| {
        format!(
            r#"{{"id":"CVE-2030-1","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"rocket"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"1.5-1"}}]}}]}}]}}"#
        )
    };
    let (rocky, debian) = (of("Rocky Linux:9"), of("Debian:12"));
    let memory = Memory::with(&[&rocky, &debian]);
    let judged = |url: &str| {
        let result = run(&purls(&[url]), &memory);
        let gap = result.gaps.first();
        (
            result.findings.len(),
            gap.map(|gap| (gap.standing, gap.doubt.as_ref().unwrap().cause)),
        )
    };
    let in_doubt = Some((Standing::Undecided, DoubtCause::Vendor));
    let rpm = |name: &str, version: &str| {
        judged(&format!(
            "pkg:rpm/rocky/{name}@{version}?distro=rocky-9&upstream={name}-{version}.src.rpm"
        ))
    };
    assert_eq!(rpm("rocket", "2.0-1.el9"), (0, None));
    assert_eq!(rpm("rocket", "2.0-1.el9.remi"), (0, in_doubt));
    assert_eq!(
        rpm("rocket", "1.0-1.el9.remi"),
        (1, in_doubt),
        "the finding stays"
    );
    assert_eq!(rpm("comet", "2.0-1.el9.remi"), (0, None), "no advisory names it");
    let deb = |version: &str| {
        judged(&format!(
            "pkg:deb/debian/librocket@{version}?distro=debian-12&upstream=rocket"
        ))
    };
    assert_eq!(deb("2.0-1"), (0, None));
    assert_eq!(deb("2.0-1~bookworm"), (0, in_doubt));
}
