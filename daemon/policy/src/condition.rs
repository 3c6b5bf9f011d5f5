//! Conditions: select the findings that a threshold or a rule is about.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::UnixMillis;
use starling_scanner::scan::{Finding, MatchedBy};
use starling_scanner::severity::Score;
use starling_scanner::threat::Probability;

use crate::glob::Glob;
use crate::terms::{FailOn, Fix};
use crate::units::{fixed_point, parse_span, show_span};

/// A condition on a finding. All given keys must hold. A key whose value is unknown for a finding never holds, neither
/// *at least* nor *below*: missing knowledge excuses nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// One of its ids or aliases is in this list.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::ids::deserialize"
    )]
    pub ids: Vec<String>,
    /// Its severity is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<FailOn>,
    /// Its severity is known and below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity_below: Option<FailOn>,
    /// Its CVSS score is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss: Option<CvssBound>,
    /// Its CVSS score is below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss_below: Option<CvssBound>,
    /// Its EPSS probability is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<EpssBound>,
    /// Its EPSS probability is below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss_below: Option<EpssBound>,
    /// A catalogue of exploited vulnerabilities lists it; for `false`, a catalogue is here and does not list it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<bool>,
    /// Its advisory is not about a vulnerability, or has one of these classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub informational: Option<Informational>,
    /// Applicable statements contradict each other about it; for `false`, they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disputed: Option<bool>,
    /// Its component was looked up in one of these ways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matched_by: Vec<LookedUpBy>,
    /// The state of its fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// It was published at least this long before the scan's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
    /// It was published less than this long before the scan's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_below: Option<Span>,
    /// Its ecosystem matches one of these, with or without its suffix (`Debian:12`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ecosystem: Vec<Glob>,
    /// Its package's name, or package URL, matches one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub package: Vec<Glob>,
    /// The package's version matches one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version: Vec<Glob>,
    /// All its places in the SBOM match one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Glob>,
    /// The subject of the SBOM matches one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject: Vec<Glob>,
}

/// A way to look a component up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookedUpBy {
    /// By its package URL.
    Purl,
    /// By a CPE name, because no package URL speaks for it.
    Cpe,
}

impl LookedUpBy {
    fn of(finding: &Finding) -> Self {
        match finding.matched_by {
            None => Self::Purl,
            Some(MatchedBy::Cpe) => Self::Cpe,
        }
    }
}

/// A condition on advisories that are not about a vulnerability, such as an unmaintained crate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected true, false or a list of classes such as unmaintained"
)]
pub enum Informational {
    /// True if the advisory is one.
    Is(bool),
    /// Its class matches one of these.
    Of(Vec<Glob>),
}

impl Informational {
    fn is_asked_for(&self, class: Option<&str>) -> bool {
        match self {
            Self::Is(informational) => class.is_some() == *informational,
            Self::Of(classes) => class.is_some_and(|class| any(classes, class)),
        }
    }
}

/// The input of a condition.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The subject of the SBOM, if it has one.
    pub subject: Option<&'a str>,
    /// The scan's time.
    pub as_of: UnixMillis,
    /// The state of the finding's fix.
    pub fix: Fix,
    /// True if the decision excuses the finding: then all of its packages and places must match.
    pub excuses: bool,
}

impl Condition {
    /// Returns true if no key is given, so that it holds for every finding.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if all given keys hold.
    pub fn holds(&self, finding: &Finding, circumstances: &Circumstances<'_>) -> bool {
        self.identity_holds(finding, circumstances.excuses)
            && self.rating_holds(finding)
            && self.fix.is_none_or(|fix| fix.is_asked_for(circumstances.fix))
            && self.threat_holds(finding, circumstances.as_of)
            && self.place_holds(finding, circumstances.subject)
    }

    fn identity_holds(&self, finding: &Finding, excuses: bool) -> bool {
        let named = |id: &String| {
            *id == finding.vulnerability
                || finding.ids.contains(id)
                || (!excuses && finding.related.contains(id))
        };
        let package = &finding.package;
        let is_called = |purl: &str| any(&self.package, purl);
        let by_url = if excuses {
            package.purls().all(is_called)
        } else {
            package.purls().any(is_called)
        };
        let bare = package.ecosystem.split(':').next().unwrap_or_default();
        let class = finding.informational.as_deref();
        (self.ids.is_empty() || self.ids.iter().any(named))
            && (self.matched_by.is_empty() || self.matched_by.contains(&LookedUpBy::of(finding)))
            && self.disputed.is_none_or(|disputed| disputed == finding.disputed)
            && self
                .informational
                .as_ref()
                .is_none_or(|asked| asked.is_asked_for(class))
            && (any(&self.ecosystem, &package.ecosystem) || any(&self.ecosystem, bare))
            && (any(&self.package, &package.name) || by_url)
            && any(&self.version, &package.version)
    }

    fn rating_holds(&self, finding: &Finding) -> bool {
        use starling_scanner::severity::Level;
        let (level, score) = (finding.severity.level, finding.severity.score);
        let known = level != Level::Unknown;
        self.severity.is_none_or(|least| least.is_reached_by(level))
            && self
                .severity_below
                .is_none_or(|bound| known && !bound.is_reached_by(level))
            && self
                .cvss
                .is_none_or(|least| score.is_some_and(|score| score >= least.0))
            && self
                .cvss_below
                .is_none_or(|bound| score.is_some_and(|score| score < bound.0))
    }

    fn threat_holds(&self, finding: &Finding, as_of: UnixMillis) -> bool {
        let threat = &finding.threat;
        let published = threat
            .published
            .as_deref()
            .and_then(|text| text.parse::<UnixMillis>().ok());
        let age = published.map(|time| as_of.as_millis().saturating_sub(time.as_millis()) / 1_000);
        self.kev.is_none_or(|kev| threat.kev == Some(kev))
            && self
                .epss
                .is_none_or(|least| threat.epss.is_some_and(|epss| epss >= least.0))
            && self
                .epss_below
                .is_none_or(|bound| threat.epss.is_some_and(|epss| epss < bound.0))
            && self.age.is_none_or(|least| age.is_some_and(|age| age >= least.0))
            && self
                .age_below
                .is_none_or(|bound| age.is_some_and(|age| age < bound.0))
    }

    fn place_holds(&self, finding: &Finding, subject: Option<&str>) -> bool {
        // A package with several places is only excused if all of them match.
        let everywhere =
            !finding.places.is_empty() && finding.places.iter().all(|place| any(&self.path, place));
        (self.path.is_empty() || everywhere)
            && (self.subject.is_empty() || subject.is_some_and(|subject| any(&self.subject, subject)))
    }
}

/// Returns true if one of the patterns matches, or if there are none.
fn any(patterns: &[Glob], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

/// A CVSS score, 0.0 to 10.0 with one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CvssBound(Score);

impl Serialize for CvssBound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CvssBound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        fixed_point(&text, 1)
            .and_then(|tenths| u8::try_from(tenths).ok())
            .filter(|tenths| *tenths <= 100)
            .map(|tenths| Self(Score::from_tenths(tenths)))
            .ok_or_else(|| serde::de::Error::custom("a CVSS score is 0.0 to 10.0 with one decimal"))
    }
}

/// An EPSS probability, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpssBound(Probability);

impl Serialize for EpssBound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EpssBound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A time span, as in `36h` or `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub u64);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_span(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
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
}
