//! Packages whose version or path says that the distribution's own statements are not about them.

use super::*;

pub(super) fn fixed(ecosystem: &str, name: &str, id: &str, fixed: &str) -> String {
    let end = if fixed.is_empty() {
        String::new()
    } else {
        format!(r#",{{"fixed":"{fixed}"}}"#)
    };
    format!(
        r#"{{"id":"{id}","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},
        "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}{end}]}}]}}]}}"#
    )
}

/// Returns the number of findings, the standing, and the cause of a doubt.
pub(super) fn judged(memory: &Memory, inventory: &Inventory) -> (usize, Standing, Option<DoubtCause>) {
    let result = run(inventory, memory);
    let gap = result.gaps.first();
    (
        result.findings.len(),
        gap.map_or(Standing::Matched, |gap| gap.standing),
        gap.and_then(|gap| gap.doubt.as_ref()).map(|doubt| doubt.cause),
    )
}

pub(super) const CLEAN: (usize, Standing, Option<DoubtCause>) = (0, Standing::Matched, None);
pub(super) const AFFECTED: (usize, Standing, Option<DoubtCause>) = (1, Standing::Matched, None);
pub(super) const BY_VENDOR: (usize, Standing, Option<DoubtCause>) =
    (0, Standing::Undecided, Some(DoubtCause::Vendor));

/// A statement about one product's build says nothing about that of another.
#[test]
fn build_of_a_product_is_judged_by_that_products_builds_alone() {
    let release = "Red Hat:enterprise_linux:8::appstream";
    let of = |version: &str| {
        purls(&[&format!(
            "pkg:rpm/redhat/x@{version}?distro=rhel-8.4&upstream=x-{version}.src.rpm"
        )])
    };
    let openshift = "Red Hat:openshift:4.6::el8";
    for (ecosystem, end) in [
        (openshift, "1.0-1.rhaos4.6.el8"),
        ("Red Hat:enterprise_linux:8::hypervisor", "1.0-1.el8ev"),
        ("Red Hat:enterprise_linux:8::hypervisor", "1.0-1.el8"),
        (release, "1.0-1.jbcs.el8"),
        (release, "1.0-1.ep7.el8"),
        (release, "1.0-1.el8s"),
    ] {
        let other = fixed(release, "other", "CVE-2030-9", "1.0-1.el8");
        let memory = Memory::with(&[&fixed(ecosystem, "x", "CVE-2030-1", end), &other]);
        assert_eq!(
            judged(&memory, &of("2.0-1.el8ost")),
            BY_VENDOR,
            "{ecosystem} {end}"
        );
        assert_eq!(
            judged(&memory, &of("2.0-1.ep6.el8")),
            BY_VENDOR,
            "{ecosystem} {end}"
        );
    }
    // Each vulnerability by itself.
    let memory = Memory::with(&[
        &fixed(openshift, "x", "CVE-2030-1", "1.0-1.rhaos4.6.el8"),
        &fixed(release, "x", "CVE-2030-2", "1.0-1.el8"),
        &fixed(release, "x", "CVE-2030-3", ""),
    ]);
    let result = run(&of("2.0-1.rhaos4.6.el8"), &memory);
    let doubt = result.gaps[0].doubt.as_ref().unwrap();
    assert_eq!((doubt.cause, result.findings.len()), (DoubtCause::Vendor, 1));
    assert_eq!(doubt.vulnerabilities, ["CVE-2030-2"]);
    let own = Memory::with(&[&fixed(release, "x", "CVE-2030-1", "1.0-1.jbcs.el8")]);
    assert_eq!(judged(&own, &of("2.0-1.jbcs.el8")), CLEAN);
    assert_eq!(judged(&own, &of("2.0-1.el8jbcs")), CLEAN);
    assert_eq!(judged(&own, &of("0.9-1.el8jbcs")), AFFECTED);
}

#[test]
fn build_of_a_product_is_not_the_hosts_on_rebuilds() {
    for (ecosystem, namespace, distro) in [
        ("AlmaLinux:9", "almalinux", "almalinux-9.4"),
        ("Rocky Linux:9", "rocky", "rocky-9.4"),
        ("Oracle Linux:9", "oraclelinux", "ol-9.4"),
        ("Red Hat:enterprise_linux:9::appstream", "centos", "centos-9"),
        ("EPEL:9", "rocky", "rocky-9.4"),
        ("EPEL:9", "fedora", "epel-9"),
    ] {
        let host = fixed(ecosystem, "x", "CVE-2030-1", "1.0-1.el9");
        let rocky = fixed("Rocky Linux:9", "y", "CVE-2030-2", "1.0-1.el9");
        let memory = Memory::with(&[&host, &rocky]);
        let of = |version: &str| {
            purls(&[&format!(
                "pkg:rpm/{namespace}/x@{version}?distro={distro}&upstream=x-{version}.src.rpm"
            )])
        };
        for version in ["2.0-1.el9s", "2.0-1.el9cp", "2.0-1.el9ost"] {
            assert_eq!(judged(&memory, &of(version)), BY_VENDOR, "{ecosystem} {version}");
        }
        for version in ["2.0-1.el9", "2.0-1.el9.alma.1", "2.0-1.el9fdn"] {
            assert_eq!(judged(&memory, &of(version)), CLEAN, "{ecosystem} {version}");
        }
    }
    // Oracle's own kernel has advisories of the host.
    let uek = fixed("Oracle Linux:8", "kernel-uek", "CVE-2030-1", "5.4.17-2136.el8uek");
    let kernel = purls(&["pkg:rpm/oraclelinux/kernel-uek@5.4.17-2137.el8uek?distro=ol-8.9"]);
    assert_eq!(judged(&Memory::with(&[&uek]), &kernel), CLEAN);
}

#[test]
fn build_of_another_product_is_not_judged_by_the_host() {
    let host = fixed(
        "Red Hat:enterprise_linux:8::appstream",
        "python3-x",
        "CVE-2030-1",
        "1.0-1.el8",
    );
    let openshift = fixed(
        "Red Hat:openshift:4.6::el8",
        "cri-o",
        "CVE-2030-2",
        "1.19-5.rhaos4.6.el8",
    );
    let memory = Memory::with(&[&host, &openshift]);
    let of = |name: &str, version: &str| {
        purls(&[&format!(
            "pkg:rpm/redhat/{name}@{version}?distro=rhel-8.4&upstream={name}-{version}.src.rpm"
        )])
    };
    for version in [
        "2.0-1.el8ost",
        "2.0-1.el8sat",
        "2.0-1.el8cp.1",
        "2.0-1.rhaos4.7.el8",
        "2.0-1.el7s",
    ] {
        assert_eq!(judged(&memory, &of("nova", version)), BY_VENDOR, "{version}");
        assert_eq!(judged(&memory, &of("python3-x", version)), BY_VENDOR, "{version}");
    }
    for version in [
        "2.0-1.el8",
        "2.0-1.el8_4.2",
        "2.0-1.el8fdp",
        "2.0-1.el7a",
        "2.0-1.module+el8.4.0+1+a",
    ] {
        assert_eq!(judged(&memory, &of("nova", version)), CLEAN, "{version}");
    }
    assert_eq!(judged(&memory, &of("cri-o", "1.19-4.rhaos4.6.el8")), AFFECTED);
    assert_eq!(judged(&memory, &of("cri-o", "1.19-5.rhaos4.6.el8")), CLEAN);
    assert_eq!(judged(&memory, &of("cri-o", "1.19-5.rhaos4.7.el8")), BY_VENDOR);
}

#[test]
fn build_of_another_distribution_is_not_the_hosts() {
    let records = [
        fixed(
            "Red Hat:enterprise_linux:9::baseos",
            "x",
            "CVE-2030-1",
            "1.0-1.el9",
        ),
        fixed("Fedora:40", "x", "CVE-2030-1", "1.0-1.fc40"),
        fixed("Debian:12", "x", "CVE-2030-1", "1.0-1"),
    ];
    let memory = Memory::with(&records.iter().map(String::as_str).collect::<Vec<_>>());
    for (url, expected) in [
        (
            "pkg:rpm/redhat/NAME@2.0-1.fc40?distro=rhel-9.4&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:rpm/redhat/NAME@2.0-1.amzn2023?distro=rhel-9.4&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:rpm/redhat/NAME@2.0-1.el9_4?distro=rhel-9.4&upstream=NAME",
            CLEAN,
        ),
        (
            "pkg:rpm/redhat/NAME@2.0-1.el10?distro=rhel-9.4&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:rpm/fedora/NAME@2.0-1.el9?distro=fedora-40&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:rpm/fedora/NAME@2.0-1.fc38?distro=fedora-40&upstream=NAME",
            CLEAN,
        ),
        (
            "pkg:deb/debian/NAME@2.0-1ubuntu1?distro=debian-12&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:deb/debian/NAME@2.0-1%2Bb1?distro=debian-12&upstream=NAME",
            CLEAN,
        ),
        (
            "pkg:deb/debian/NAME@1:3.0.2ubuntu1?distro=debian-12&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:deb/debian/NAME@1.21.1ubuntu2?distro=debian-12&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:deb/debian/NAME@2.0-1%2BUbuntu1?distro=debian-12&upstream=NAME",
            BY_VENDOR,
        ),
        (
            "pkg:deb/debian/NAME@2.0-1%2Bdeb12u1?distro=debian-12&upstream=NAME",
            CLEAN,
        ),
        (
            "pkg:deb/debian/NAME@2.0ubuntu-1?distro=debian-12&upstream=NAME",
            CLEAN,
        ),
    ] {
        assert_eq!(
            judged(&memory, &purls(&[&url.replace("NAME", "x")])),
            expected,
            "{url}"
        );
        // Nobody calls a package of the host so.
        assert_eq!(
            judged(&memory, &purls(&[&url.replace("NAME", "y")])),
            CLEAN,
            "{url}"
        );
    }
}

#[test]
fn source_in_a_files_name_is_compared_on_the_documents_distribution() {
    let memory = Memory::with(&[&fixed("Azure Linux:3", "perl", "CVE-2030-1", "5.38.2-509.azl3")]);
    let component = |purl: &str, property: &str| {
        format!(r#"{{"type":"library","name":"c","purl":"{purl}","properties":[{property}]}}"#)
    };
    let on = |os: &str, component: String| {
        let system = format!(r#"{{"type":"operating-system","name":"{os}","version":"3.0"}}"#);
        let parts = [system, component].join(",");
        inventory(&parts)
    };
    let file = |version: &str| format!("perl-{version}.src.rpm");
    for (own, source, expected) in [
        ("1.30-510.azl3", "5.38.2-510.azl3", CLEAN),
        ("1.30-508.azl3", "5.38.2-508.azl3", AFFECTED),
        ("9.0-1.azl3", "5.38.2-508.azl3", AFFECTED),
    ] {
        let bare = format!("pkg:rpm/perl-Errno@{own}");
        let in_url = component(&format!("{bare}?upstream={}", file(source)), "");
        assert_eq!(
            judged(&memory, &on("azurelinux", in_url.clone())),
            expected,
            "{own}"
        );
        let beside = format!(
            r#"{{"name":"syft:metadata:sourceRpm","value":"{}"}}"#,
            file(source)
        );
        assert_eq!(
            judged(&memory, &on("azurelinux", component(&bare, &beside))),
            expected,
            "{own} beside"
        );
        let named = component(
            &format!("pkg:rpm/azurelinux/perl-Errno@{own}?distro=azurelinux-3.0"),
            &beside,
        );
        assert_eq!(judged(&memory, &inventory(&named)), expected, "{own} named");
        let (findings, standing, _) = judged(&memory, &inventory(&in_url));
        assert_eq!(
            (findings, standing),
            (0, Standing::UnsupportedEcosystem),
            "no distribution"
        );
    }
}

#[test]
fn build_of_epel_next_is_not_judged_by_epel() {
    let memory = Memory::with(&[
        &fixed("EPEL:9", "x", "CVE-2030-1", "1.0-2.el9"),
        &fixed("Rocky Linux:9", "y", "CVE-2030-2", "1.0-2.el9"),
    ]);
    for url in [
        "pkg:rpm/fedora/x@2.0-1.el9.next?distro=epel-9",
        "pkg:rpm/rocky/x@2.0-1.el9.next?distro=rocky-9&upstream=x-2.0-1.el9.next.src.rpm",
    ] {
        assert_eq!(judged(&memory, &purls(&[url])), BY_VENDOR, "{url}");
        let of_release = url.replace(".next", "");
        assert_eq!(judged(&memory, &purls(&[&of_release])), CLEAN, "{of_release}");
    }
}

/// Its lists say what was fixed in a release that is no longer supported, and nothing about the rest.
#[test]
fn old_release_of_debian_that_only_lists_name_is_not_clean() {
    let of = |distro: &str, version: &str| {
        purls(&[&format!("pkg:deb/debian/x@{version}?distro={distro}&upstream=x")])
    };
    let listed = Memory::with(&[&fixed("Debian:buster", "x", "CVE-2030-1", "1.0-2")]);
    let unknown = (0, Standing::NoKnowledge, None);
    let by_release = (1, Standing::Undecided, Some(DoubtCause::Release));
    assert_eq!(judged(&listed, &of("debian-10", "1.0-2")), unknown);
    assert_eq!(judged(&listed, &of("debian-10", "1.0-1")), by_release);
    let whole = Memory::with(&[&fixed("Debian:10", "x", "CVE-2030-1", "1.0-2")]);
    assert_eq!(judged(&whole, &of("debian-10", "1.0-2")), CLEAN);
    let supported = Memory::with(&[&fixed("Debian:bookworm", "x", "CVE-2030-1", "1.0-2")]);
    assert_eq!(judged(&supported, &of("debian-12", "1.0-2")), CLEAN);
}

/// A minor release with support of its own gets fixes with versions of its own, below those of the release.
#[test]
fn build_of_a_minor_release_is_fixed_by_that_ones_advisory() {
    let main = fixed(
        "Red Hat:enterprise_linux:9::baseos",
        "x",
        "CVE-2030-1",
        "1.0-9.el9_6",
    );
    let other = fixed(
        "Red Hat:enterprise_linux:9::baseos",
        "x",
        "CVE-2030-2",
        "1.0-9.el9_6",
    );
    let stream = fixed("Red Hat:rhel_eus:9.4::baseos", "x", "CVE-2030-1", "1.0-5.el9_4.2");
    let open = fixed("Red Hat:rhel_e4s:9.2::baseos", "x", "CVE-2030-1", "");
    let of = |name: &str, version: &str| {
        purls(&[&format!(
            "pkg:rpm/redhat/{name}@{version}?distro=rhel-9.4&upstream=x-{version}.src.rpm"
        )])
    };
    let memory = Memory::with(&[&main, &stream, &open]);
    for (version, expected) in [
        ("1.0-5.el9_4.1", AFFECTED),
        ("1.0-5.el9_4.2", CLEAN),
        ("1.0-6.el9_4", CLEAN),
        // Of another branch, or of none: the fix need not be in it.
        ("1.0-6.el9_5", AFFECTED),
        ("1.0-6.el9_2", AFFECTED),
        ("1.0-6.el9", AFFECTED),
        ("1.0-9.el9_6", CLEAN),
    ] {
        assert_eq!(judged(&memory, &of("x", version)), expected, "{version}");
        assert_eq!(
            judged(&memory, &of("x-libs", version)),
            expected,
            "{version} by source"
        );
        for name in ["x", "x-libs"] {
            let url = format!("pkg:rpm/redhat/{name}@{version}?distro=rhel-9.4&upstream=x-{version}.src.rpm");
            let url = crate::purl::PackageUrl::parse_lenient(&url).unwrap();
            let explained = crate::explain::explain(
                &url,
                Some("CVE-2030-1"),
                None,
                &memory,
                crate::knowledge::JudgedAt::default(),
            );
            let is_affected = explained.unwrap().conclusion == crate::explain::Conclusion::Affected;
            assert_eq!(is_affected, expected == AFFECTED, "{url}");
        }
    }
    // It says nothing about other vulnerabilities.
    let two = Memory::with(&[&main, &other, &stream]);
    assert_eq!(judged(&two, &of("x", "1.0-5.el9_4.2")), AFFECTED);
    // Without knowledge of the release, the rest of it is unknown.
    let alone = Memory::with(&[&stream]);
    let by_release = (1, Standing::Undecided, Some(DoubtCause::Release));
    assert_eq!(judged(&alone, &of("x", "1.0-5.el9_4.1")), by_release);
    assert_eq!(
        judged(&alone, &of("x", "1.0-5.el9_4.2")),
        (0, Standing::NoKnowledge, None)
    );
}

#[test]
fn text_with_a_word_for_an_epoch_makes_nothing_clean() {
    for end in ["x-0:2.0-1.el9", "v1:2.0", "version:2.0", "el9:2.0", "x:2.0-1.el9"] {
        let record = fixed("AlmaLinux:9", "x", "CVE-2030-1", end);
        let of = |version: &str| {
            purls(&[&format!(
                "pkg:rpm/almalinux/x@{version}?distro=almalinux-9.4&upstream=x-{version}.src.rpm"
            )])
        };
        for version in ["1.0-1.el9", "3.0-1.el9"] {
            assert_ne!(judged(&Memory::with(&[&record]), &of(version)), CLEAN, "{end}");
        }
    }
}

#[test]
fn branch_that_is_affected_in_another_product_of_it_keeps_the_finding() {
    let main = fixed(
        "Red Hat:enterprise_linux:9::baseos",
        "x",
        "CVE-2030-1",
        "1.0-9.el9",
    );
    let eus = fixed("Red Hat:rhel_eus:9.4::baseos", "x", "CVE-2030-1", "1.0-5.el9_4.2");
    let open = fixed("Red Hat:rhel_aus:9.4::baseos", "x", "CVE-2030-1", "");
    let build = purls(&["pkg:rpm/redhat/x@1.0-5.el9_4.2?distro=rhel-9.4&upstream=x-1.0-5.el9_4.2.src.rpm"]);
    assert_eq!(judged(&Memory::with(&[&main, &eus]), &build), CLEAN);
    assert_eq!(judged(&Memory::with(&[&main, &eus, &open]), &build), AFFECTED);
}

#[test]
fn builds_of_other_products_are_no_builds_of_the_host() {
    let host = fixed(
        "Red Hat:enterprise_linux:8::appstream",
        "x",
        "CVE-2030-1",
        "1.0-1.el8",
    );
    let judged_as = |version: &str| {
        let purl = format!("pkg:rpm/redhat/x@{version}?distro=rhel-8.4&upstream=x-{version}.src.rpm");
        judged(&Memory::with(&[&host]), &purls(&[&purl]))
    };
    for version in [
        "2.0-1.module%2Bel8dsrv%2B10620%2Bb",
        "2.0-1.module%2Bel8pki%2B10620%2Bb",
        "2.0-1.redhat_21.1.ep7.el8",
        "2.0-1.jbcs.el8",
        "2.0-1.el8_4ost",
    ] {
        assert_eq!(judged_as(version), BY_VENDOR, "{version}");
    }
    for version in ["2.0-1.el8", "2.0-1.el8_4", "2.0-1.el8_4.2", "2.0-1.epoch.el8"] {
        assert_eq!(judged_as(version), CLEAN, "{version}");
    }
}

/// The list of a doubt is whole, whichever cause comes first.
#[test]
fn doubt_lists_what_the_mark_leaves_open_beside_another_cause() {
    let release = "Red Hat:enterprise_linux:9::appstream";
    let records = [
        fixed(release, "x", "CVE-2030-1", "1.0-1.el9ost"),
        fixed(release, "x", "CVE-2030-2", "1.0-1.el9"),
        fixed(release, "x", "CVE-2030-3", "").replace("ECOSYSTEM", "GIT"),
    ];
    let of_epel = [
        fixed(release, "x", "CVE-2030-1", "1.0-1.el9ost"),
        fixed(release, "x", "CVE-2030-2", "1.0-1.el9"),
        fixed("EPEL:9", "x", "CVE-2030-3", "3.0-1.el9"),
    ];
    for (records, cause) in [(records, DoubtCause::Advisory), (of_epel, DoubtCause::Vendor)] {
        let memory = Memory::with(&records.iter().map(String::as_str).collect::<Vec<_>>());
        let build = purls(&["pkg:rpm/redhat/x@2.0-1.el9ost?distro=rhel-9.4&upstream=x-2.0-1.el9ost.src.rpm"]);
        let result = run(&build, &memory);
        let doubt = result.gaps[0].doubt.as_ref().unwrap();
        assert_eq!(doubt.cause, cause);
        assert_eq!(doubt.vulnerabilities, ["CVE-2030-2", "CVE-2030-3"], "{cause:?}");
    }
}
