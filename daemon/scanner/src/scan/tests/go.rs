//! Go modules, modules in their folders, and packages.

use super::builds::{AFFECTED, CLEAN, judged};
use super::*;

const FIXED: &str = r#"{"introduced":"0"},{"fixed":"1.5.0"}"#;
type Judgement = (usize, Standing, Option<DoubtCause>);
const BY_NAME: Judgement = (0, Standing::Undecided, Some(DoubtCause::Name));
const IN_BOTH: Judgement = (1, Standing::Undecided, Some(DoubtCause::Name));

fn entry(name: &str, events: &str) -> String {
    format!(
        r#"{{"package":{{"ecosystem":"Go","name":"{name}"}},"ranges":[{{"type":"SEMVER","events":[{events}]}}]}}"#
    )
}

fn record(id: &str, entries: &[String]) -> String {
    format!(r#"{{"id":"{id}","affected":[{}]}}"#, entries.join(","))
}

fn module(name: &str, events: &str) -> String {
    record(&format!("GO-{name}"), &[entry(name, events)])
}

fn knowledge(records: &[String]) -> Memory {
    Memory::with(&records.iter().map(String::as_str).collect::<Vec<_>>())
}

fn check(memory: &Memory, cases: &[(&str, Judgement)]) {
    for (url, expected) in cases {
        let found = judged(memory, &purls(&[&format!("pkg:golang/{url}")]));
        assert_eq!(found, *expected, "{url}");
    }
}

#[test]
fn package_below_a_module_is_not_clean() {
    let memory = knowledge(&[
        module("github.com/a/b", FIXED),
        module("github.com/a/b/v3", r#"{"introduced":"3.0.0"},{"fixed":"3.2.0"}"#),
        module("gopkg.in/y.v2", r#"{"introduced":"0"},{"fixed":"2.4.0"}"#),
        module("x.example/open", r#"{"introduced":"0"}"#),
        module("x.example/late", r#"{"introduced":"0"},{"fixed":"2.3.0"}"#),
        module("github.com/a", FIXED),
    ]);
    let cases = [
        ("github.com/a/b@v1.4.0", AFFECTED),
        ("github.com/a/b/sub/pkg@v1.4.0", BY_NAME),
        ("github.com/A/b/sub@v1.4.1-0.20240101000000-0123456789ab", BY_NAME),
        ("github.com/a/b/sub/pkg@v1.5.0", CLEAN),
        ("github.com/a/b/v3/sub@v3.1.0", BY_NAME),
        ("github.com/a/b/v3/sub@v3.2.0", CLEAN),
        ("github.com/a/b/sub@v3.1.0", BY_NAME),
        ("github.com/a/b/sub@v3.2.0", CLEAN),
        ("github.com/a/other@v1.4.0", CLEAN),
        ("gopkg.in/y.v2/sub@v2.3.0", BY_NAME),
        ("gopkg.in/y.v2/sub@v2.4.0", CLEAN),
        ("x.example/open/sub@v1.0.0", BY_NAME),
        ("x.example/open/v2@v2.0.0", CLEAN),
        // A folder's name that is not the major version.
        ("x.example/open/v2@v1.0.0", BY_NAME),
        ("x.example/open/core/v1@v1.0.0", BY_NAME),
        ("x.example/open/v2@v2.0.0%2Bincompatible", BY_NAME),
        ("x.example/late/v2@v2.1.0", BY_NAME),
        ("x.example/late/v2@v2.3.0", CLEAN),
        ("x.example/late@v2.1.0%2Bincompatible", AFFECTED),
        ("golang.org/x/net/html@v0.1.0", CLEAN),
    ];
    check(&memory, &cases);
    let doubted = run(&purls(&["pkg:golang/github.com/a/b/sub/pkg@v1.4.0"]), &memory);
    let doubt = doubted.gaps[0].doubt.as_ref().unwrap();
    assert_eq!(doubt.vulnerabilities, ["GO-github.com/a/b"]);
}

/// A record may name a package: what others say about its module is asked, too.
#[test]
fn name_of_a_package_does_not_hide_its_module() {
    let memory = knowledge(&[
        module("github.com/a/b", FIXED),
        module("github.com/a/b/c", r#"{"introduced":"0"},{"fixed":"0.1.0"}"#),
        module(
            "github.com/a/b/c/d/e",
            r#"{"introduced":"1.4.0"},{"fixed":"1.4.5"}"#,
        ),
    ]);
    check(
        &memory,
        &[
            ("github.com/a/b/c@v1.4.0", BY_NAME),
            ("github.com/a/b/c@v1.5.0", CLEAN),
            ("github.com/a/b/c@v0.0.1", IN_BOTH),
            ("github.com/a/b/c/d@v1.4.0", BY_NAME),
            ("github.com/a/b/c/d/e@v1.4.0", IN_BOTH),
            ("github.com/a/b/c/d/e/f@v1.4.0", BY_NAME),
            ("github.com/a/b/c/d/e/f@v1.5.0", CLEAN),
        ],
    );
    let all = run(&purls(&["pkg:golang/github.com/a/b/c/d/e/f@v1.4.0"]), &memory);
    assert_eq!(
        all.gaps[0].doubt.as_ref().unwrap().number,
        2,
        "one doubt about all of them"
    );
}

#[test]
fn record_that_tells_a_module_and_a_path_below_it_apart_leaves_no_doubt() {
    let below = entry("github.com/a/b/api", r#"{"introduced":"0"},{"fixed":"1.2.0"}"#);
    let one = record("GHSA-1", &[entry("github.com/a/b", FIXED), below.clone()]);
    check(
        &knowledge(std::slice::from_ref(&one)),
        &[
            ("github.com/a/b/api@v1.1.0", AFFECTED),
            ("github.com/a/b/api@v1.4.0", CLEAN),
            ("github.com/a/b/api/sub@v1.4.0", BY_NAME),
        ],
    );
    let two = [
        record("GHSA-1", &[below]),
        record("GHSA-2", &[entry("github.com/a/b", FIXED)]),
    ];
    check(&knowledge(&two), &[("github.com/a/b/api@v1.4.0", BY_NAME)]);
}

/// What a record says about the path without the major version applies, unless one about the same vulnerability has the path with it.
#[test]
fn path_with_the_major_version_is_told_apart_for_each_vulnerability() {
    let plain = entry("github.com/a/cd", r#"{"introduced":"0"},{"fixed":"2.11.3"}"#);
    let of_major = |fixed: &str| {
        entry(
            "github.com/a/cd/v2",
            &format!(r#"{{"introduced":"0"}},{{"fixed":"{fixed}"}}"#),
        )
    };
    let unreadable = entry("github.com/a/cd", r#"{"introduced":"0"},{"fixed":"two"}"#);
    let open = entry("github.com/a/cd", r#"{"introduced":"0"}"#);
    let about = |id: &str, cve: &str, entry: &str| {
        format!(r#"{{"id":"{id}","aliases":["{cve}"],"affected":[{entry}]}}"#)
    };
    let first = about("GHSA-1", "CVE-2030-1", &plain);
    let other = about("GHSA-2", "CVE-2030-2", &of_major("2.1.0"));
    let same = about("GO-1", "CVE-2030-1", &of_major("2.1.0"));
    let both = about(
        "GHSA-1",
        "CVE-2030-1",
        &[plain.clone(), of_major("2.10.0")].join(","),
    );
    let hidden = [first.clone(), other.clone()];
    for path in [
        "github.com/a/cd/v2",
        "github.com/a/cd/v2/util",
        "github.com/a/cd/util",
    ] {
        check(
            &knowledge(&hidden),
            &[
                (&format!("{path}@v2.11.0"), BY_NAME),
                (&format!("{path}@v2.11.3"), CLEAN),
            ],
        );
        let doubted = run(
            &purls(&[&format!("pkg:golang/{path}@v2.11.0")]),
            &knowledge(&hidden),
        );
        let doubt = doubted.gaps[0].doubt.as_ref().unwrap();
        assert_eq!(doubt.vulnerabilities, ["CVE-2030-1"], "{path}");
        for records in [
            vec![first.clone(), same.clone()],
            vec![both.clone()],
            vec![about("GHSA-1", "CVE-2030-1", &unreadable), same.clone()],
            vec![about("GHSA-1", "CVE-2030-1", &open), other.clone()],
        ] {
            check(&knowledge(&records), &[(&format!("{path}@v2.11.0"), CLEAN)]);
        }
    }
    check(&knowledge(&[first]), &[("github.com/a/cd/v2@v2.11.0", BY_NAME)]);
}

#[test]
fn module_in_the_folder_of_another_is_not_that_one() {
    let memory = knowledge(&[
        module("github.com/a/b", FIXED),
        module("e.example/etcd", r#"{"introduced":"0"},{"fixed":"3.5.9"}"#),
        module("e.example/etcd/v3", r#"{"introduced":"3.0.0"},{"fixed":"3.5.9"}"#),
    ]);
    check(
        &memory,
        &[
            // From 2 on, the major version ends the path of a module.
            ("e.example/etcd/client/v3@v3.5.1", CLEAN),
            ("e.example/etcd/client@v3.5.1#v3", CLEAN),
            ("e.example/etcd/client@v3.5.1#pkg/v3", CLEAN),
            // The record about the path without it is about another vulnerability.
            ("e.example/etcd/v3@v3.5.1", IN_BOTH),
            ("e.example/etcd/client/v3@v3.5.1%2Bincompatible", BY_NAME),
            ("e.example/etcd/v3/client/v3@v3.5.1", BY_NAME),
            ("e.example/etcd/client/v2@v3.5.1", BY_NAME),
            // The generator says so.
            ("github.com/a/b/api@v1.4.0", BY_NAME),
            ("github.com/a/b/api@v1.4.0?type=module", CLEAN),
            ("github.com/a/b/api@v1.4.0?type=package", BY_NAME),
            ("github.com/a/b@v1.4.0?type=module", AFFECTED),
        ],
    );
    let with = |property: &str, value: &str| {
        inventory(&format!(
            r#"{{"type":"library","name":"c","purl":"pkg:golang/github.com/a/b/api@v1.4.0","properties":
            [{{"name":"{property}","value":"{value}"}}]}}"#
        ))
    };
    for (property, value, expected) in [
        ("syft:package:type", "go-module", CLEAN),
        ("aquasecurity:trivy:PkgType", "gobinary", CLEAN),
        ("aquasecurity:trivy:PkgType", "gomod", CLEAN),
        ("syft:package:type", "binary", BY_NAME),
        ("other:PkgType", "gomod", BY_NAME),
    ] {
        assert_eq!(
            judged(&memory, &with(property, value)),
            expected,
            "{property} {value}"
        );
    }
}

/// Syft cuts the path of a module after its third part; in package URLs a subpath is a package in the module.
#[test]
fn subpath_is_part_of_a_modules_path_or_a_package() {
    let memory = knowledge(&[
        module("github.com/a/sdk/sdk/identity", FIXED),
        module("github.com/a/consul", FIXED),
        module("github.com/a/b", r#"{"introduced":"0"}"#),
    ]);
    check(
        &memory,
        &[
            ("github.com/a/sdk@v1.4.0#sdk/identity", AFFECTED),
            ("github.com/a/sdk@v1.5.0#sdk/identity", CLEAN),
            ("github.com/a/sdk@v1.4.0?type=package#sdk/identity", AFFECTED),
            ("github.com/a/sdk@v1.4.0#sdk/other", CLEAN),
            ("github.com/a/consul@v1.4.0#api", AFFECTED),
            ("github.com/a/consul@v1.4.0?type=package#api", AFFECTED),
            ("github.com/a/b@v1.4.0#v2", AFFECTED),
            ("github.com/a/b@v2.4.0#v2", CLEAN),
        ],
    );
    let of_syft = |url: &str| {
        inventory(&format!(
            r#"{{"type":"library","name":"c","purl":"pkg:golang/{url}","properties":
            [{{"name":"syft:package:type","value":"go-module"}}]}}"#
        ))
    };
    for (url, expected) in [
        ("github.com/a/sdk@v1.4.0#sdk/identity", AFFECTED),
        ("github.com/a/consul@v1.4.0#api", CLEAN),
        ("github.com/a/consul@v1.4.0", AFFECTED),
    ] {
        assert_eq!(judged(&memory, &of_syft(url)), expected, "{url}");
    }
}

#[test]
fn syft_and_spdx_say_what_is_a_module() {
    let memory = knowledge(&[module("github.com/a/consul", FIXED)]);
    let url = "pkg:golang/github.com/a/consul@v1.4.0#api";
    let spdx = |info: &str| {
        format!(
            r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"d","packages":[{{"SPDXID":"SPDXRef-a","name":"c",
            "sourceInfo":"{info}","externalRefs":[{{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl",
            "referenceLocator":"{url}"}}]}}]}}"#
        )
    };
    let syft = |ty: &str| {
        format!(
            r#"{{"schema":{{"version":"16.0.0"}},"artifacts":[{{"name":"c","version":"v1.4.0","type":"{ty}","purl":"{url}"}}]}}"#
        )
    };
    for (document, expected) in [
        (
            spdx("acquired package info from go module information: /x"),
            CLEAN,
        ),
        (spdx(""), AFFECTED),
        (syft("go-module"), CLEAN),
        (syft(""), AFFECTED),
    ] {
        let inventory = sbom::read(document.as_bytes()).unwrap();
        assert_eq!(judged(&memory, &inventory), expected, "{document}");
    }
}

/// The time of a look-up grows with the path's length, and there is one for each path above.
#[test]
fn path_that_is_too_deep_is_undecided_by_name() {
    let memory = knowledge(&[module("e.example/a", FIXED)]);
    let of = |parts: usize, end: &str| format!("e.example{}{end}", "/a".repeat(parts - 1));
    check(
        &memory,
        &[
            (&of(64, "@v1.5.0"), CLEAN),
            (&of(64, "@v1.4.0"), BY_NAME),
            (&of(65, "@v1.5.0"), BY_NAME),
            (&of(65, "@v1.5.0?type=module"), BY_NAME),
            (&of(2000, "@v1.4.0"), BY_NAME),
        ],
    );
}

#[test]
fn file_of_go_lists_modules_only() {
    let memory = knowledge(&[module("github.com/a/b", FIXED)]);
    for (text, expected) in [
        (
            "module m\n\ngo 1.22\n\nrequire github.com/a/b/api v1.4.0\n",
            CLEAN,
        ),
        ("module m\n\ngo 1.22\n\nrequire github.com/a/b v1.4.0\n", AFFECTED),
    ] {
        let inventory = sbom::read(text.as_bytes()).unwrap();
        assert_eq!(inventory.components.iter().count(), 1, "{text}");
        assert_eq!(judged(&memory, &inventory), expected, "{text}");
    }
}
