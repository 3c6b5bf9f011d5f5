//! Texts that are not versions, or are more than one.

use super::is_requirement;
use crate::matching::{Subject, evaluate};
use crate::osv::Affected;

fn entry(kind: &str, events: &str) -> Affected {
    serde_json::from_str(&format!(
        r#"{{"ranges":[{{"type":"{kind}","events":[{events}]}}]}}"#
    ))
    .unwrap()
}

#[test]
fn texts_for_several_versions_are_detected() {
    for text in [
        "1.x",
        "45.*.*",
        "1.2.X",
        "1.+",
        "^1.2",
        "~1",
        ">=1",
        "[1,2)",
        "${revision}",
        "*",
        "1 || 2",
    ] {
        assert!(is_requirement(text), "{text}");
    }
    for text in [
        "1.0",
        "1.2.3-x.7.z.92+a",
        "x3",
        "1.x-dev",
        "1+b",
        "2:1.0~rc1",
        "1.0.x86",
        "v1",
        "1_2,1",
    ] {
        // A SemVer pre-release may contain an `x` among its words, although nobody uses that.
        assert_eq!(is_requirement(text), text.contains(".x."), "{text}");
    }
}

#[test]
fn mark_of_another_vendor_does_not_make_a_build_newer() {
    let fixed = entry("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"2.36-9+deb12u7"}"#);
    for (version, affected, undecided) in [
        ("2.36-9+deb12u4", true, false),
        ("2.36-9+rpt2+deb12u4", false, true),
        ("2.36-9+zcorp1", false, true),
        ("2.36-9+pve1", false, true),
        ("2.36-9+acme1", true, false),
        ("2.36-9+rpt2+deb12u7", false, false),
        ("2.36-10+rpt1", false, false),
        ("2.36-9+nmu1", false, false),
        ("2.36-9+deb12u7+b1", false, false),
    ] {
        let found = evaluate(&fixed, &Subject::new("Debian:12", version));
        assert_eq!(
            (found.is_affected(), found.is_undecided()),
            (affected, undecided),
            "{version}"
        );
    }
    let own = entry("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"2.36-9+rpt1"}"#);
    let found = evaluate(&own, &Subject::new("Debian:12", "2.36-9+rpt1"));
    assert!(!found.is_affected() && !found.is_undecided());
    let listed: Affected = serde_json::from_str(r#"{"versions":["2.36-9+deb12u4"]}"#).unwrap();
    let found = evaluate(&listed, &Subject::new("Debian:12", "2.36-9+rpt2+deb12u4"));
    assert!(found.is_undecided());
}

#[test]
fn non_version_is_not_unaffected_by_its_place() {
    let late = entry("ECOSYSTEM", r#"{"introduced":"1.0"},{"fixed":"2.0"}"#);
    for (ecosystem, text) in [
        ("PyPI", "main"),
        ("PyPI", "1.5.dirty!"),
        ("Debian:12", "latest"),
        ("Debian:12", "unknown"),
        ("Maven", "LATEST"),
        ("Maven", "${project.version}"),
        ("ConanCenter", "latest"),
        ("npm", "1.x"),
        ("Maven", "1.+"),
        ("Homebrew", "latest"),
        ("opam", "dev"),
        ("AlmaLinux:9", "latest"),
        ("GitHub Actions", "v1"),
        ("Maven", "v1.5.0"),
        ("Maven", "release-1.5.0"),
        ("ConanCenter", "v1.5.0"),
        ("Homebrew", "tool-1.5.0"),
        ("Maven", "b2c3d4e5f6"),
        ("npm", "8f3e2a1b9c"),
        ("Debian:12", "8f3e2a1b9c"),
        ("Maven", "sha256:0123"),
        ("Maven", "https://host.example/late-1.5.0.jar"),
        ("Maven", "\"0.5\""),
        ("AlmaLinux:9", "2.5, 3.0"),
        ("AlmaLinux:9", "=2.5"),
        ("AlmaLinux:9", "x-0.5-1.el9"),
        ("Rocky Linux:9", "0.5-1.el9-3"),
        ("Go", "v0.0.0-00010101000000-000000000000"),
        ("npm", "0.0.0-development"),
        ("PyPI", "0+unknown"),
        ("npm", "0.0.0"),
        ("Go", "v0.0.0"),
        ("NuGet", "0.0.0.0"),
        ("PyPI", "0.0.0.dev0"),
        ("Maven", "0.0.0-SNAPSHOT"),
        ("npm", "0.0.0-experimental-3a1b2c4d-20240101"),
        ("crates.io", "0.0.0+20240101"),
        ("npm", "1.x-dev"),
        ("RubyGems", "2.0.x-dev"),
        ("Maven", "2.x-dev"),
    ] {
        let result = evaluate(&late, &Subject::new(ecosystem, text));
        assert!(
            result.is_affected() || result.is_undecided(),
            "{ecosystem} {text}: {result:?}"
        );
    }
    for (ecosystem, text) in [
        ("PyPI", "2.1"),
        ("Debian:12", "2:0.5"),
        ("Maven", "r09"),
        ("npm", "2.0.0"),
        ("Maven", "v2.5.0"),
        ("Maven", "Greenwich.SR6"),
        ("Debian:12", "20230311a"),
        ("npm", "0.0.0-beta.1"),
        ("npm", "0.0.1"),
        ("PyPI", "0.0.0.1"),
        ("PyPI", "0.0.0rc1"),
        ("Go", "v0.0.0-20240101000000-0123456789ab"),
        ("Debian:12", "0.0.0"),
        ("AlmaLinux:9", "0.0.0-1.el9"),
        ("Packagist", "3.0 as 3.1"),
        ("PyPI", "1!0.5"),
    ] {
        let result = evaluate(&late, &Subject::new(ecosystem, text));
        assert!(
            !result.is_affected() && !result.is_undecided(),
            "{ecosystem} {text}"
        );
    }
}

#[test]
fn version_after_other_text_is_not_off_a_list() {
    let listed: Affected = serde_json::from_str(r#"{"versions":["1.5.0","1.6.0"]}"#).unwrap();
    let says = |text: &str| {
        let result = evaluate(&listed, &Subject::new("Maven", text));
        (result.is_affected(), result.is_undecided())
    };
    assert_eq!(says("release-1.5"), (false, true));
    assert_eq!(says("release-1.7"), (false, false));
    assert_eq!(says("v1.5"), (true, false));
    assert_eq!(says("v1.7"), (false, false));
    assert_eq!(says("1.5.0"), (true, false));
}

#[test]
fn short_action_tag_stands_for_its_newest_release() {
    let entry = entry("SEMVER", r#"{"introduced":"4.1.0"},{"fixed":"4.1.2"}"#);
    let says = |tag: &str| {
        let result = evaluate(&entry, &Subject::new("GitHub Actions", tag));
        (result.is_affected(), result.is_undecided())
    };
    assert_eq!(says("v4"), (false, true));
    assert_eq!(says("v4.0"), (false, false));
    assert_eq!(says("v4.0.9"), (false, false));
    assert_eq!(says("v41"), (false, false));
    assert_eq!(says("v4.1.1"), (true, false));
}

#[test]
fn epoch_missing_in_an_advisory_is_undecided() {
    let says = |fixed: &str, version: &str| {
        let entry = entry(
            "ECOSYSTEM",
            &format!(r#"{{"introduced":"0"}},{{"fixed":"{fixed}"}}"#),
        );
        let result = evaluate(&entry, &Subject::new("openEuler:22.03-LTS", version));
        (result.is_affected(), result.is_undecided())
    };
    assert_eq!(says("1.1.1f-15", "1:1.1.1f-7"), (false, true));
    assert_eq!(says("1.1.1f-15", "1:1.1.1f-15"), (false, false));
    assert_eq!(says("0:1.1.1f-15", "1:1.1.1f-7"), (false, false));
    assert_eq!(says("1:1.1.1f-15", "1:1.1.1f-7"), (true, false));
    assert_eq!(says("1.1.1f-15", "0:1.1.1f-7"), (true, false));
}

#[test]
fn rule_without_a_beginning_is_undecided_before_its_end() {
    let says = |json: &str, version: &str| {
        let entry: Affected = serde_json::from_str(json).unwrap();
        let result = evaluate(&entry, &Subject::new("npm", version));
        (result.is_affected(), result.is_undecided())
    };
    let fixed = r#"{"ranges":[{"type":"SEMVER","events":[{"fixed":"2.0.0"}]}]}"#;
    assert_eq!(says(fixed, "1.0.0"), (false, true));
    assert_eq!(says(fixed, "2.0.0"), (false, false));
    let last = r#"{"ranges":[{"type":"SEMVER","events":[{"last_affected":"2.0.0"}]}]}"#;
    assert_eq!(says(last, "2.0.0"), (false, true));
    assert_eq!(says(last, "2.0.1"), (false, false));
    for nothing in ["{}", r#"{"ranges":[{"type":"SEMVER","events":[]}]}"#] {
        assert_eq!(says(nothing, "1.0.0"), (false, true), "{nothing}");
    }
}

/// A certified build of version 10:1.0 is not newer than a plain build of version 1:2.0.
#[test]
fn build_with_its_own_epoch_is_undecided_against_plain_ones() {
    let doubted = |version: &str, events: &str| {
        let entry = entry("ECOSYSTEM", events);
        let found = evaluate(&entry, &Subject::new("Oracle Linux:8", version));
        (found.is_affected(), found.is_undecided())
    };
    let plain = r#"{"introduced":"0"},{"fixed":"1:1.1.1k-9.el8"}"#;
    assert_eq!(doubted("10:1.1.1g-7.el8_6_fips", plain), (false, true));
    assert_eq!(doubted("10:1.1.1k-10.el8_FIPS", plain), (false, false));
    assert_eq!(doubted("2:1.1.1g-7.ksplice1.el8", plain), (false, true));
    assert_eq!(doubted("10:1.1.1g-7.el8_6", plain), (false, false));
    let own = r#"{"introduced":"10:0"},{"fixed":"10:1.1.1k-9.el8_fips"}"#;
    assert_eq!(doubted("10:1.1.1g-7.el8_fips", own), (true, false));
    assert_eq!(doubted("10:1.1.1k-9.el8_fips", own), (false, false));
    assert_eq!(doubted("1:1.1.1g-7.el8", own), (false, false));
}
