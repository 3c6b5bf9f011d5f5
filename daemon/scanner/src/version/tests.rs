//! The version orders; the published suites run as an integration test.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// Asserts that each version is below the next, and equal to itself.
fn ascending(scheme: Scheme, versions: &[&str]) {
    for (i, a) in versions.iter().enumerate() {
        for (j, b) in versions.iter().enumerate() {
            assert_eq!(compare(scheme, a, b), Ok(i.cmp(&j)), "{scheme}: {a} against {b}");
        }
    }
}

fn equal(scheme: Scheme, versions: &[&str]) {
    for pair in versions.windows(2) {
        assert_eq!(
            compare(scheme, pair[0], pair[1]),
            Ok(Ordering::Equal),
            "{scheme}: {pair:?}"
        );
    }
}

#[test]
fn semver_puts_pre_releases_first_and_ignores_build() {
    ascending(
        Scheme::SemVer,
        &[
            "1.0.0-0",
            "1.0.0-9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-a",
            "1.0.1",
            "1.10.0",
        ],
    );
    equal(
        Scheme::SemVer,
        &[
            "1.2.0",
            "v1.2.0",
            "1.2",
            "=1.2.0",
            "1.2.0+build",
            "1.2.0+incompatible",
        ],
    );
    ascending(
        Scheme::SemVer,
        &[
            "0.0.0-20190101000000-abcdefabcdef",
            "0.0.0-20200101000000-000000000000",
            "0.0.1",
        ],
    );
}

#[test]
fn numbers_beyond_64_bits_keep_their_order() {
    ascending(
        Scheme::SemVer,
        &[
            "1.18446744073709551615.0",
            "1.18446744073709551616.0",
            "1.118446744073709551616.0",
        ],
    );
    let long_a = format!("1.{}", "8".repeat(200));
    let long_b = format!("1.{}", "8".repeat(201));
    ascending(Scheme::SemVer, &["1.9", &long_a, &long_b]);
}

#[test]
fn build_metadata_is_compared_for_pub_and_julia_only() {
    ascending(
        Scheme::SemVerBuild,
        &["3.0.14", "3.0.15", "3.0.15+0", "3.0.15+1", "3.0.15+10", "3.0.16"],
    );
}

#[test]
fn bitnami_revisions_are_newer_not_older() {
    ascending(
        Scheme::Bitnami,
        &["6.2.0-rc.1", "6.2.0", "6.2.0-1", "6.2.0-10", "6.2.1"],
    );
    equal(Scheme::Bitnami, &["6.2.0-3", "6.2.0-r3"]);
}

#[test]
fn nuget_has_four_numbers_and_labels_without_case() {
    ascending(
        Scheme::NuGet,
        &["1.0-alpha", "1.0-alpha.1", "1.0-BETA", "1.0", "1.0.0.1", "1.0.1"],
    );
    equal(Scheme::NuGet, &["1.0", "1.0.0.0", "01.0+meta"]);
    assert!(compare(Scheme::NuGet, "1.0.0.0.0", "1").is_err());
}

#[test]
fn python_orders_dev_pre_post_and_local() {
    ascending(
        Scheme::Pep440,
        &[
            "french toast",
            "1.0.dev1",
            "1.0a1.dev1",
            "1.0a1",
            "1.0rc1",
            "1.0",
            "1.0+a",
            "1.0+1",
            "1.0.post1.dev0",
            "1.0.post1",
            "1.1",
            "1!0.1",
        ],
    );
    equal(Scheme::Pep440, &["1.0", "1", "v1.0.0", "1.0.0.0"]);
    equal(Scheme::Pep440, &["1.0rc1", "1.0-c.1", "1.0_PREVIEW1"]);
}

#[test]
fn legacy_python_texts_sort_first() {
    ascending(Scheme::Pep440, &["2004b-fix", "2004d", "2005d", "0.dev0"]);
}

#[test]
fn maven_knows_its_qualifiers() {
    ascending(
        Scheme::Maven,
        &[
            "1-alpha",
            "1-beta",
            "1-milestone",
            "1-rc",
            "1-SNAPSHOT",
            "1",
            "1-sp",
            "1-unknown",
            "1-1",
            "1.1",
        ],
    );
    equal(Scheme::Maven, &["1", "1.0", "1.0.0", "1-ga", "1.0.Final", "1-0"]);
    ascending(
        Scheme::Maven,
        &["2.0.0.RC1", "2.0.0.RC2", "2.0.0.RELEASE", "2.0.1.RELEASE"],
    );
}

#[test]
fn gems_with_letters_are_pre_releases() {
    ascending(
        Scheme::RubyGems,
        &["5.a", "5.0.0.rc2", "5.0.0.rc10", "5.0.0", "5.0.0.1"],
    );
    equal(Scheme::RubyGems, &["1.2.b1", "1.2.b.1", "1.2.0.b.1"]);
}

#[test]
fn composer_normalises_before_it_compares() {
    ascending(
        Scheme::Packagist,
        &[
            "1.0.0-dev",
            "1.0.0-alpha1",
            "1.0.0-beta2.1",
            "1.0.0-b.3",
            "1.0.0-RC1",
            "v1.0",
            "1.0.0-patch1",
            "1.0.1",
            "1.x-dev",
        ],
    );
    equal(
        Scheme::Packagist,
        &["1.0", "1.0.0.0", "v1", "1.0.0+build", "1.0@stable"],
    );
    ascending(Scheme::Packagist, &["2010.01.02", "2010-01-03", "20100104"]);
    assert!(compare(Scheme::Packagist, "dev-main", "1.0").is_err());
}

#[test]
fn dpkg_sorts_tilde_first_and_letters_before_the_rest() {
    ascending(Scheme::Debian, &["1.0~~", "1.0~", "1.0"]);
    ascending(
        Scheme::Debian,
        &[
            "1.0~rc1-1",
            "1.0-1~deb11u1",
            "1.0-1",
            "1.0-1+deb12u1",
            "1.0-1.1",
            "1.0a-1",
            "1.0+dfsg-1",
            "1:0.1-1",
        ],
    );
    equal(Scheme::Debian, &["1.0", "0:1.0", "1.0-0", "1.00"]);
}

#[test]
fn rpm_separators_only_separate() {
    ascending(
        Scheme::Rpm,
        &[
            "1.0~rc1-1",
            "1.0-1.el8",
            "1.0-1.el9",
            "1.0^git1-1",
            "1.0.a-1",
            "1.0.1-1",
            "1:0.1-1",
        ],
    );
    equal(Scheme::Rpm, &["0:1.0-1", "1.0-1", "(none):1_0-1"]);
}

#[test]
fn apk_suffixes_and_revisions_have_their_places() {
    ascending(
        Scheme::Apk,
        &[
            "1.2_alpha",
            "1.2_beta2",
            "1.2_rc1",
            "1.2",
            "1.2-r0",
            "1.2-r10",
            "1.2_git2020",
            "1.2_p1",
            "1.2a",
            "1.2.1",
        ],
    );
    ascending(Scheme::Apk, &["1.01", "1.011", "1.02", "1.1", "1.2", "1.10"]);
    // apk orders texts that it would not publish, up to where it stops understanding.
    ascending(Scheme::Apk, &["1.0", "1.0bc", "1.1"]);
    assert!(!Version::parse(Scheme::Apk, "1.0bc").unwrap().is_well_formed());
    assert!(Version::parse(Scheme::Apk, "1.0b").unwrap().is_well_formed());
    assert!(Version::parse(Scheme::Apk, "b1").is_err());
}

#[test]
fn longer_number_list_is_newer() {
    ascending(Scheme::Dotted, &["1.2", "1.2.0", "1.2-1", "1.10"]);
}

#[test]
fn ecosystem_suffixes_do_not_change_the_scheme() {
    assert_eq!(Scheme::for_ecosystem("Debian:12"), Some(Scheme::Debian));
    assert_eq!(Scheme::for_ecosystem("Root:Alpine:3.18"), Some(Scheme::Apk));
    assert_eq!(Scheme::for_ecosystem("Root:Root:Root:npm"), None);
    assert_eq!(Scheme::for_ecosystem("TuxCare:Red Hat"), Some(Scheme::Rpm));
    assert_eq!(Scheme::for_ecosystem("TuxCare:Root:TuxCare:npm"), None);
    assert_eq!(
        Scheme::for_ecosystem("Docker Hardened Images:Debian:trixie"),
        Some(Scheme::Debian)
    );
    // The origin of the packages is not stated.
    assert_eq!(Scheme::for_ecosystem("Docker Hardened Images"), None);
    assert_eq!(Scheme::for_ecosystem("FreeBSD:base:14.3"), Some(Scheme::FreeBsd));
    assert_eq!(Scheme::for_ecosystem("Android"), None);
}

const SCHEMES: [Scheme; 15] = [
    Scheme::FreeBsd,
    Scheme::Conan,
    Scheme::SemVer,
    Scheme::SemVerBuild,
    Scheme::Bitnami,
    Scheme::NuGet,
    Scheme::Pep440,
    Scheme::Maven,
    Scheme::RubyGems,
    Scheme::Packagist,
    Scheme::Debian,
    Scheme::Opam,
    Scheme::Rpm,
    Scheme::Apk,
    Scheme::Dotted,
];

fn version_like() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        "[0-9]{1,3}(\\.[0-9]{1,3}){0,4}([-._~+^:](alpha|beta|rc|dev|post|p|r|x)?[0-9]{0,2}){0,3}",
        "[0-9a-z.~^+:_-]{1,12}",
    ]
}

proptest! {
    #[test]
    fn no_text_panics_and_every_order_is_antisymmetric(
        scheme in prop::sample::select(SCHEMES.to_vec()),
        a in version_like(),
        b in version_like(),
    ) {
        if let Ok(order) = compare(scheme, &a, &b) {
            prop_assert_eq!(compare(scheme, &b, &a), Ok(order.reverse()));
            prop_assert_eq!(compare(scheme, &a, &a), Ok(Ordering::Equal));
        }
    }
}

#[test]
fn gem_zeros_matter_within_a_pre_release() {
    ascending(
        Scheme::RubyGems,
        &[
            "2.0.0.rc0.dev1",
            "2.0.0.rc0.0.dev1",
            "2.0.0.rc0",
            "2.0.0.rc0.0.1",
            "2.0.0.rc0.1",
            "2.0.0.rc1",
            "2.0.0",
            "2.0.0.0.1",
            "2.0.1",
        ],
    );
    ascending(
        Scheme::RubyGems,
        &["4.1.0.alpha.0.beta", "4.1.0.alpha", "4.1.0.alpha.1"],
    );
    equal(Scheme::RubyGems, &["1.0.a", "1.a", "1.0.0.a.0"]);
}

#[test]
fn gem_platform_is_not_part_of_the_version() {
    for (text, bare) in [
        ("1.19.3-x86_64-linux-gnu", "1.19.3"),
        ("1.19.3-java", "1.19.3"),
        ("1.19.3-arm64-darwin-23", "1.19.3"),
        ("1.19.3-x64-mingw-ucrt", "1.19.3"),
        ("1.19.3-aarch64-linux-musl", "1.19.3"),
        ("1.19.3-x64-mingw32", "1.19.3"),
        ("1.0-beta-java", "1.0-beta"),
        ("1.0-rc1", "1.0-rc1"),
        ("1.19.3.rc1", "1.19.3.rc1"),
    ] {
        assert_eq!(Scheme::RubyGems.bare(text), bare);
    }
}

#[test]
fn apk_letter_number_is_ordered_as_apk_2_does() {
    ascending(
        Scheme::Apk,
        &[
            "7.3.1_p1-r0",
            "7.3.1p_rc1",
            "7.3.1p-r9",
            "7.3.1p1-r9",
            "7.3.1p2-r4",
            "7.3.1p10-r0",
            "7.3.1p10a-r0",
            "7.3.1p10.1-r0",
            "7.3.1.1",
        ],
    );
    let well_formed = |text: &str| Version::parse(Scheme::Apk, text).unwrap().is_well_formed();
    assert!(well_formed("7.3.1p-r9") && !well_formed("7.3.1p1-r9"));
}

#[test]
fn unreadable_rest_has_no_order() {
    assert!(compare(Scheme::Apk, "1.0-foo", "1.0-bar").is_err());
    assert_eq!(compare(Scheme::Apk, "1.0-foo", "1.0-foo"), Ok(Ordering::Equal));
    // The understood part before it decides.
    assert_eq!(compare(Scheme::Apk, "1.0-foo", "1.1-bar"), Ok(Ordering::Less));
}

#[test]
fn rpm_text_before_a_colon_is_part_of_the_version() {
    ascending(Scheme::Rpm, &["x3:1", "x4:1", "1", "0:2", "1:x3:1"]);
}

#[test]
fn go_releases_are_read_without_build_suffixes() {
    equal(
        Scheme::SemVer,
        &[
            "1.26.6",
            "go1.26.6",
            "go1.26.6-X:boringcrypto",
            "1.26.6 (Red Hat 1.26.6-1.el9)",
        ],
    );
    assert_eq!(compare(Scheme::SemVer, "go1.9.1", "go1.10"), Ok(Ordering::Less));
    assert!(compare(Scheme::SemVer, "gopher", "1").is_err());
}

#[test]
fn maven_4_keeps_final_in_its_place() {
    ascending(Scheme::Maven, &["6.4.2.Final-acme-00003", "6.4.2.acme-00003"]);
    equal(
        Scheme::Maven,
        &["6.4.2.Final", "6.4.2", "6.4.2.GA", "6.4.2-release"],
    );
    ascending(Scheme::Maven, &["1.0.Final-rc1", "1.0.Final", "1.0.1.Final"]);
}
