//! Conditions, and the findings for which they hold.

use starling_scanner::severity::Level;

use super::*;
use crate::tests::finding;

const AS_OF: &str = "2025-06-01T00:00:00Z";

fn condition(yaml: &str) -> Condition {
    serde_saphyr::from_str(yaml).unwrap()
}

fn holds(yaml: &str, finding: &Finding) -> bool {
    let fix = if finding.fixed.is_empty() {
        Fix::None
    } else {
        Fix::Available
    };
    holds_with(yaml, finding, fix)
}

fn holds_with(yaml: &str, finding: &Finding, fix: Fix) -> bool {
    let circumstances = Circumstances {
        subject: Some("web shop"),
        as_of: AS_OF.parse().unwrap(),
        fix,
        excuses: false,
    };
    condition(yaml).holds(finding, &circumstances)
}

#[test]
fn related_id_never_excuses_a_finding() {
    let mut several = finding(Level::High);
    several.related = vec!["CVE-2024-7".into()];
    several.package.other_purls = ["pkg:npm/express-types@4.0.0".into()].into();
    let holds = |yaml: &str, excuses| {
        let circumstances = Circumstances {
            subject: None,
            as_of: AS_OF.parse().unwrap(),
            fix: Fix::None,
            excuses,
        };
        condition(yaml).holds(&several, &circumstances)
    };
    for (yaml, fails, excuses) in [
        ("ids: [CVE-2024-1]", true, true),
        ("ids: [CVE-2024-7]", true, false),
        ("package: ['pkg:npm/express@*']", true, false),
        ("package: ['pkg:npm/express*']", true, true),
        ("package: [express]", true, true),
    ] {
        assert_eq!(
            (holds(yaml, false), holds(yaml, true)),
            (fails, excuses),
            "{yaml}"
        );
    }
}

/// A condition that no finding can meet switched a gate off.
#[test]
fn ecosystems_and_packages_are_known_in_any_spelling() {
    let mut django = finding(Level::High);
    django.package.ecosystem = "PyPI".into();
    django.package.name = "django-cms".into();
    for (yaml, expected) in [
        ("ecosystem: [pypi]", true),
        ("ecosystem: ['Py*']", true),
        ("ecosystem: [npm]", false),
        ("package: [Django_CMS]", true),
        ("package: ['Django.*']", true),
        ("package: [Flask]", false),
    ] {
        assert_eq!(holds(yaml, &django), expected, "{yaml}");
    }
    django.package.ecosystem = "Debian:12".into();
    assert!(holds("ecosystem: ['debian:12']", &django));
    assert!(holds("ecosystem: [CPE, debian]", &django));
    // Names of Maven have one spelling.
    django.package.ecosystem = "Maven".into();
    assert!(!holds("package: [Django-CMS]", &django));
    for yaml in [
        "ecosystem: [pipy]",
        "ecosystem: [npm, PyPy]",
        "ecosystem: ['Debain:12']",
    ] {
        let refused = serde_saphyr::from_str::<Condition>(yaml);
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("no finding is of the ecosystem"), "{text}");
    }
}

#[test]
fn way_of_the_look_up_is_asked_for() {
    let mut found = finding(Level::High);
    let holds = |found: &Finding| {
        [
            "matched_by: [cpe]",
            "matched_by: [purl]",
            "matched_by: [purl, cpe]",
            "package: ['cpe:2.3:a:acme:*']",
        ]
        .map(|yaml| holds_with(yaml, found, Fix::None))
    };
    assert_eq!(holds(&found), [false, true, true, false]);
    found.matched_by = Some(MatchedBy::Cpe);
    found.package.purl.clear();
    found.package.cpe = Some("cpe:2.3:a:acme:rocket:1:*:*:*:*:*:*:*".into());
    assert_eq!(holds(&found), [true, false, true, true]);
}

#[test]
fn end_of_life_counts_as_wont_fix_and_both_as_none() {
    let unfixed = finding(Level::High);
    let asked = ["fix: available", "fix: none", "fix: wont_fix", "fix: end_of_life"];
    for (state, held) in [
        (Fix::Available, [true, false, false, false]),
        (Fix::None, [false, true, false, false]),
        (Fix::WontFix, [false, true, true, false]),
        (Fix::EndOfLife, [false, true, true, true]),
    ] {
        assert_eq!(
            asked.map(|yaml| holds_with(yaml, &unfixed, state)),
            held,
            "{state:?}"
        );
    }
}

#[test]
fn every_key_is_evaluated() {
    let mut known = finding(Level::High);
    known.ids = vec!["CVE-2024-1".into(), "GHSA-x".into()];
    known.severity.score = Some(Score::from_tenths(75));
    known.fixed = vec!["4.0.1".into()];
    known.threat.published = Some("2025-05-01T00:00:00Z".into());
    known.threat.kev = Some(false);
    known.threat.epss = "0.4".parse().ok();
    known.package.ecosystem = "Debian:12".into();
    for (yaml, expected) in [
        ("ids: [GHSA-x]", true),
        ("ids: [ghsa-X, cve-2024-9]", true),
        ("ids: [' cve-2024-1']", true),
        ("ids: [CVE-2024-2]", false),
        ("severity: high", true),
        ("severity: critical", false),
        ("severity_below: critical", true),
        ("severity_below: high", false),
        ("cvss: 7.5", true),
        ("cvss: 7.6", false),
        ("cvss_below: 8", true),
        ("cvss_below: 7.5", false),
        ("epss: 0.4", true),
        ("epss: 0.41", false),
        ("epss_below: 0.5", true),
        ("epss_below: 0.4", false),
        ("kev: false", true),
        ("kev: true", false),
        ("fix: available", true),
        ("fix: none", false),
        ("age: 31d", true),
        ("age: 32d", false),
        ("age_below: 5w", true),
        ("age_below: 31d", false),
        ("ecosystem: [Debian]", true),
        ("ecosystem: ['Debian:1?']", true),
        ("ecosystem: [npm]", false),
        ("package: ['exp*']", true),
        ("package: ['pkg:npm/express@*']", true),
        ("package: [koa]", false),
        ("version: ['4.*']", true),
        ("version: ['3.*']", false),
        ("path: ['/components/*']", true),
        ("path: ['/packages/*']", false),
        ("subject: ['web *']", true),
        ("subject: [worker]", false),
        ("{severity: high, fix: none}", false),
        ("{}", true),
    ] {
        assert_eq!(holds(yaml, &known), expected, "{yaml}");
    }
}

#[test]
fn unknown_value_never_holds() {
    let unknown = finding(Level::Unknown);
    for yaml in [
        "severity: low",
        "severity_below: critical",
        "cvss: 0",
        "cvss_below: 10",
        "epss: 0",
        "epss_below: 1",
        "kev: true",
        "kev: false",
        "age: 0s",
        "age_below: 1000w",
    ] {
        assert!(!holds(yaml, &unknown), "{yaml}");
    }
}

#[test]
fn one_place_does_not_excuse_another() {
    let mut twice = finding(Level::High);
    twice.places = vec!["/test/a".into(), "/src/b".into()];
    assert!(!holds("path: ['/test/*']", &twice));
    assert!(holds("path: ['/test/*', '/src/*']", &twice));
}

#[test]
fn impossible_bounds_are_refused() {
    for yaml in [
        "cvss: 10.1",
        "cvss: 7.55",
        "cvss: high",
        "epss: 50",
        "age: 30",
        "severity: bad",
        "package: ['']",
        "packages: [a]",
    ] {
        assert!(serde_saphyr::from_str::<Condition>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn disputed_condition_selects_disputed_findings() {
    let mut found = finding(Level::High);
    for disputed in [false, true] {
        found.disputed = disputed;
        assert_eq!(holds("disputed: true", &found), disputed);
        assert_eq!(holds("disputed: false", &found), !disputed);
    }
}

#[test]
fn informational_condition_selects_classes() {
    let mut found = finding(Level::None);
    assert!(!holds("informational: true", &found));
    assert!(holds("informational: false", &found));
    found.informational = Some("unmaintained".into());
    for (yaml, expected) in [
        ("informational: true", true),
        ("informational: false", false),
        ("informational: [unsound]", false),
        ("informational: [unsound, unmaint*]", true),
    ] {
        assert_eq!(holds(yaml, &found), expected, "{yaml}");
    }
}

#[test]
fn date_after_the_scan_excuses_nothing() {
    let mut found = finding(Level::High);
    let mut holds = |published: &str, yaml: &str, excuses| {
        found.threat.published = Some(published.to_owned());
        let circumstances = Circumstances {
            subject: None,
            as_of: AS_OF.parse().unwrap(),
            fix: Fix::None,
            excuses,
        };
        condition(yaml).holds(&found, &circumstances)
    };
    for (published, yaml, fails, excuses) in [
        ("2025-05-20T00:00:00Z", "age_below: 30d", true, true),
        ("2025-06-01T00:00:00Z", "age_below: 30d", true, true),
        ("2052-05-20T00:00:00Z", "age_below: 30d", true, false),
        ("2052-05-20T00:00:00Z", "age: 0d", true, false),
    ] {
        let held = (holds(published, yaml, false), holds(published, yaml, true));
        assert_eq!(held, (fails, excuses), "{published} {yaml}");
    }
}
