//! Ubuntu's certified builds.

use super::builds::{AFFECTED, BY_VENDOR, CLEAN, fixed, judged};
use super::*;

#[test]
fn certified_build_is_judged_by_its_own_statements() {
    let main = fixed("Ubuntu:20.04:LTS", "openssl", "CVE-2030-1", "1.1.1f-1ubuntu2.22");
    let stream = fixed(
        "Ubuntu:Pro:FIPS-updates:20.04:LTS",
        "openssl",
        "CVE-2030-2",
        "1.1.1f-1ubuntu2.fips.22",
    );
    let of = |version: &str| {
        purls(&[&format!(
            "pkg:deb/ubuntu/libssl1.1@{version}?distro=ubuntu-20.04&upstream=openssl"
        )])
    };
    let without = Memory::with(&[&main]);
    assert_eq!(judged(&without, &of("1.1.1f-1ubuntu2.22")), CLEAN);
    assert_eq!(judged(&without, &of("1.1.1f-1ubuntu2.22%2Besm1")), CLEAN);
    for version in ["1.1.1f-1ubuntu2.fips.21", "1.1.1f-1ubuntu2.22%2BFips1"] {
        assert_eq!(judged(&without, &of(version)), BY_VENDOR, "{version}");
    }
    // What they say nothing about is in doubt, by its name.
    let both = Memory::with(&[&main, &stream]);
    let (findings, standing, cause) = judged(&both, &of("1.1.1f-1ubuntu2.fips.21"));
    assert_eq!(
        (findings, standing, cause),
        (1, Standing::Undecided, Some(DoubtCause::Vendor))
    );
    for version in ["1.1.1f-1ubuntu2.fips.22", "1.1.1f-1ubuntu2.22%2BFips1"] {
        let result = run(&of(version), &both);
        let doubt = result.gaps[0].doubt.as_ref().unwrap();
        assert_eq!(doubt.cause, DoubtCause::Vendor, "{version}");
        assert_eq!(doubt.vulnerabilities, ["CVE-2030-1"], "{version}");
    }
    assert_eq!(judged(&both, &of("1.1.1f-1ubuntu2.22")), CLEAN);
    let by_source = purls(&[
        "pkg:deb/ubuntu/libssl1.1@1.1.1f-1ubuntu2?distro=ubuntu-20.04&upstream=openssl%401.1.1f-1ubuntu2.fips.21",
    ]);
    assert_eq!(judged(&both, &by_source).0, 1);
    let open = fixed("Ubuntu:20.04:LTS", "openssl", "CVE-2030-1", "");
    let unfixed = Memory::with(&[&open, &stream]);
    assert_eq!(judged(&unfixed, &of("1.1.1f-1ubuntu2.fips.22")), AFFECTED);
    // Their own fix may be below that of the others.
    let main = fixed("Ubuntu:20.04:LTS", "openssl", "CVE-2030-2", "1.1.1f-1ubuntu3");
    let both = Memory::with(&[&main, &stream]);
    assert_eq!(judged(&both, &of("1.1.1f-1ubuntu2.fips.21")), AFFECTED);
    assert_eq!(judged(&both, &of("1.1.1f-1ubuntu2.fips.22")), CLEAN);
    assert_eq!(judged(&both, &of("1.1.1f-1ubuntu2.22")), AFFECTED);
}

/// Builds that get updates come after those that get none. What is said about the former decides, then about the latter.
#[test]
fn first_certified_builds_that_are_spoken_of_decide() {
    let of = |version: &str| {
        purls(&[&format!(
            "pkg:deb/ubuntu/libssl1.1@{version}?distro=ubuntu-20.04&upstream=openssl"
        )])
    };
    let say = |builds: &str, end: &str| {
        let ecosystem = format!("Ubuntu:Pro:{builds}:20.04:LTS");
        fixed(&ecosystem, "openssl", "CVE-2030-1", end)
    };
    let main = fixed("Ubuntu:20.04:LTS", "openssl", "CVE-2030-1", "1.1.1f-1ubuntu3");
    let version = "1.1.1f-1ubuntu2.fips.12";
    let (has, lacks) = ("1.1.1f-1ubuntu2.fips.2.8", "1.1.1f-1ubuntu2.fips.13");
    for (said, expected) in [
        (vec![say("FIPS", has)], CLEAN),
        (vec![say("FIPS", lacks)], AFFECTED),
        (vec![say("FIPS", "")], AFFECTED),
        (vec![say("FIPS-preview", has)], CLEAN),
        (vec![say("FIPS", ""), say("FIPS-updates", has)], CLEAN),
        (vec![say("FIPS", has), say("FIPS-updates", "")], AFFECTED),
        (vec![say("FIPS", has), say("FIPS-preview", "")], CLEAN),
    ] {
        for with_main in [false, true] {
            let mut records: Vec<&str> = said.iter().map(String::as_str).collect();
            let other = fixed("Ubuntu:20.04:LTS", "other", "CVE-2030-9", "1");
            records.push(if with_main { &main } else { &other });
            let memory = Memory::with(&records);
            assert_eq!(judged(&memory, &of(version)), expected, "{said:?} {with_main}");
            let url = format!("pkg:deb/ubuntu/libssl1.1@{version}?distro=ubuntu-20.04&upstream=openssl");
            let url = crate::purl::PackageUrl::parse_lenient(&url).unwrap();
            let explained =
                crate::explain::explain(&url, Some("CVE-2030-1"), None, &memory, JudgedAt::default())
                    .unwrap();
            let is_affected = explained.conclusion == crate::explain::Conclusion::Affected;
            assert_eq!(is_affected, expected == AFFECTED, "{said:?} {with_main}");
        }
    }
    // A kernel says it by its name.
    let kernel = |builds: &str, end: &str| {
        let ecosystem = format!("Ubuntu:Pro:{builds}:20.04:LTS");
        fixed(&ecosystem, "linux-fips", "CVE-2030-1", end)
    };
    let image = purls(&[
        "pkg:deb/ubuntu/linux-image-5.4.0-1080-fips@5.4.0-1080.89?distro=ubuntu-20.04&upstream=linux-fips",
    ]);
    let (open, closed) = (kernel("FIPS", ""), kernel("FIPS-updates", "5.4.0-1075.80"));
    assert_eq!(judged(&Memory::with(&[&main, &open]), &image), AFFECTED);
    assert_eq!(judged(&Memory::with(&[&main, &open, &closed]), &image), CLEAN);
}

#[test]
fn explanation_of_a_certified_build_agrees() {
    let main = fixed("Ubuntu:20.04:LTS", "openssl", "CVE-2030-1", "1.1.1f-1ubuntu2.22");
    let stream = fixed(
        "Ubuntu:Pro:FIPS-updates:20.04:LTS",
        "openssl",
        "CVE-2030-2",
        "1.1.1f-1ubuntu2.fips.22",
    );
    let memory = Memory::with(&[&main, &stream]);
    let explained = |id: Option<&str>| {
        let url = "pkg:deb/ubuntu/libssl1.1@1.1.1f-1ubuntu2.fips.22?distro=ubuntu-20.04&upstream=openssl";
        let url = crate::purl::PackageUrl::parse_lenient(url).unwrap();
        crate::explain::explain(&url, id, None, &memory, JudgedAt::default()).unwrap()
    };
    use crate::explain::Conclusion;
    assert_eq!(explained(Some("CVE-2030-1")).conclusion, Conclusion::CannotSay);
    assert!(explained(Some("CVE-2030-1")).is_vendor_unknown);
    assert_eq!(explained(Some("CVE-2030-2")).conclusion, Conclusion::NotAffected);
    assert_eq!(explained(None).conclusion, Conclusion::CannotSay);
    assert_eq!(explained(Some("CVE-2030-3")).conclusion, Conclusion::NotAbout);
}
