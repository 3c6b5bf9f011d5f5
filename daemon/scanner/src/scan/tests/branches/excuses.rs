//! Which fixes of a branch end what its release says.

use super::*;

/// Returns an advisory of a record that has the vulnerability as its only upstream one.
const fn errata(ecosystem: &'static str, record: &'static str, fixed: &'static str) -> Said {
    named(said("redhat", ecosystem, fixed), record, "<CVE-2030-1")
}

#[test]
fn fix_in_another_upstream_version_excuses_nothing() {
    for (release, fix, build, expected) in [
        ("2.0-5.el9", "1.0-5.el9_4.2", "1.5-1.el9_4", 1),
        ("2.0-5.el9", "1.0-5.el9_4.2", "1.0-6.el9_4", 0),
        ("2.0-5.el9", "1.0-5.el9", "1.5-1.el9", 1),
        ("2.0-5.el9", "1.0-5.el9", "1.0-5.el9", 0),
        ("1:2.0-5.el9", "0:1.0-5.el9_4.2", "1:1.0-4.el9_4", 1),
        ("1:2.0-5.el9", "1:1.0-5.el9_4.2", "1:1.0-6.el9_4", 0),
        ("1:2.0-5.el9", "0:1.0-5.el9_4.2", "1.0-6.el9_4", 0),
        ("2.0-5.el9", "1.0", "1.5-1.el9_4", 1),
    ] {
        let list = [
            errata(MAIN, "RHSA-2030:1", release),
            errata(EUS, "RHSA-2030:2", fix),
        ];
        let (epoch, version) = build.split_once(':').unwrap_or(("0", build));
        let url = format!("pkg:rpm/redhat/x@{version}?epoch={epoch}&distro=rhel-9.4");
        assert_eq!(judge(&list, &url).0.len(), expected, "{release} {fix} {build}");
    }
}

#[test]
fn fix_in_another_stream_excuses_nothing() {
    let of = |version: &str, stream: &str| {
        let version = version.replace('+', "%2B");
        format!("pkg:rpm/redhat/x@{version}?epoch=1&distro=rhel-9.4{stream}")
    };
    let list = |fix, module| {
        [
            errata(MAIN, "RHSA-2030:1", "1:22.12.2-2.module+el9.5.0+1+2"),
            Said {
                module,
                ..errata(EUS, "RHSA-2030:2", fix)
            },
        ]
    };
    let older = "1:18.20.2-2.module+el9.4.0+1+1";
    assert_eq!(
        judge(&list(older, None), &of("22.11.1-1.module+el9.4.0+1+3", ""))
            .0
            .len(),
        1
    );
    // Two streams may have one upstream version.
    let own = "1:22.11.1-1.module+el9.4.0+1+3";
    let build = "22.11.1-2.module+el9.4.0+2+4";
    assert_eq!(judge(&list(own, None), &of(build, "")).0.len(), 1);
    assert_eq!(judge(&list(own, Some("x:22")), &of(build, "")).0.len(), 1);
    for (stream, expected) in [("x:22", 0), ("x:20", 1)] {
        let url = of(build, "&rpmmod=x:22:9040:c");
        assert_eq!(
            judge(&list(own, Some(stream)), &url).0.len(),
            expected,
            "{stream}"
        );
    }
    // The fix itself.
    assert_eq!(
        judge(&list(own, None), &of("22.11.1-1.module+el9.4.0+1+3", ""))
            .0
            .len(),
        0
    );
}

#[test]
fn marked_build_is_not_decided_by_a_fix_without_the_mark() {
    let el9 = "Red Hat:openshift:4.14::el9";
    let build = on("rhcos-4.14", "1.1.12-3.rhaos4.14.el9");
    let undecided = || Judged(Vec::new(), Standing::Undecided);
    for fix in ["1.1.12-2.el9_2", "1.1.12-2.el9"] {
        let own = || said("redhat", el9, fix);
        // What the release calls affected is shown, and stays in doubt.
        let list = [own(), said("redhat", MAIN, "1.1.12-9.el9")];
        let shown = Judged(vec!["CVE-2030-1".into()], Standing::Undecided);
        assert_eq!(judge(&list, &build), shown, "{fix}");
        assert_eq!(judge(&[own(), OTHER], &build), undecided(), "{fix}");
        let list = [own(), said("redhat", MAIN, "1.1.12-1.el9")];
        assert_eq!(judge(&list, &build), undecided(), "{fix}");
    }
    let own = || said("redhat", el9, "1.1.12-2.rhaos4.14.el9");
    assert_eq!(
        judge(&[own(), said("redhat", MAIN, "1.1.12-9.el9")], &build),
        clean()
    );
    assert_eq!(judge(&[own(), OTHER], &build), clean());
}

#[test]
fn openshifts_fix_says_nothing_of_a_build_that_its_minor_release_fixed() {
    let build = on("rhcos-4.14", "1.11.2-3.el9_2");
    let openshift = |fix| said("redhat", "Red Hat:openshift:4.14::el9", fix);
    let eus = |fix| said("redhat", "Red Hat:rhel_eus:9.2::appstream", fix);
    let marked = "1.11.3-1.rhaos4.14.el9";
    let main = || said("redhat", MAIN, "1.13-1.el9");
    assert_eq!(
        judge(&[OTHER, openshift(marked), eus("1.11.2-2.el9_2")], &build),
        clean()
    );
    assert_eq!(
        judge(&[main(), openshift(marked), eus("1.11.2-2.el9_2")], &build),
        clean()
    );
    assert_eq!(
        judge(&[OTHER, openshift(marked), eus("1.11.2-4.el9_2")], &build),
        affected()
    );
    assert_eq!(judge(&[OTHER, openshift(marked)], &build), affected());
    // A fix in a build of the minor release is about this one.
    let later = openshift("1.11.2-4.el9_2");
    assert_eq!(judge(&[OTHER, later, eus("1.11.2-2.el9_2")], &build), affected());
    assert_eq!(judge(&[main(), openshift("1.11.2-3.el9_2")], &build), clean());
}
