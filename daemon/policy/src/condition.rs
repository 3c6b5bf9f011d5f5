//! Conditions: select the findings that a threshold or a rule is about.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::UnixMillis;
use starling_scanner::name::normalise_name;
use starling_scanner::scan::{Finding, FoundPackage, MatchedBy};
use starling_scanner::severity::Score;
use starling_scanner::threat::Probability;

use crate::given::{given, list};
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
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub severity: Option<FailOn>,
    /// Its severity is known and below this.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub severity_below: Option<FailOn>,
    /// Its CVSS score is at least this.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub cvss: Option<CvssBound>,
    /// Its CVSS score is below this.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub cvss_below: Option<CvssBound>,
    /// Its EPSS probability is at least this.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub epss: Option<EpssBound>,
    /// Its EPSS probability is below this.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub epss_below: Option<EpssBound>,
    /// A catalogue of exploited vulnerabilities lists it; for `false`, a catalogue is here and does not list it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub kev: Option<bool>,
    /// Its advisory is not about a vulnerability, or has one of these classes.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub informational: Option<Informational>,
    /// Applicable statements contradict each other about it; for `false`, they do not.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub disputed: Option<bool>,
    /// Its component was looked up in one of these ways.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub matched_by: Vec<LookedUpBy>,
    /// The state of its fix.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub fix: Option<Fix>,
    /// It was published at least this long before the scan's time.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub age: Option<Span>,
    /// It was published less than this long before the scan's time. To excuse a finding, not after it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub age_below: Option<Span>,
    /// Its ecosystem matches one of these, with or without its suffix (`Debian:12`).
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::given::ecosystems"
    )]
    pub ecosystem: Vec<Glob>,
    /// Its package's name, in any spelling that its registry takes for the same, or its package URL matches one of these.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub package: Vec<Glob>,
    /// The package's version matches one of these.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub version: Vec<Glob>,
    /// All its places in the SBOM match one of these.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub path: Vec<Glob>,
    /// The subject of the SBOM matches one of these.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
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
    Of(#[serde(deserialize_with = "list")] Vec<Glob>),
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
            && self.threat_holds(finding, circumstances)
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
            && (any(&self.package, &package.name) || by_url || self.names(package))
            && any(&self.version, &package.version)
    }

    /// Returns true if a pattern matches the package's name once it is spelt as the ecosystem spells names (`Django`).
    fn names(&self, package: &FoundPackage) -> bool {
        self.package.iter().any(|pattern| {
            let spelt = normalise_name(&package.ecosystem, pattern.as_str());
            spelt != pattern.as_str() && Glob::new(&spelt).is_ok_and(|pattern| pattern.matches(&package.name))
        })
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

    fn threat_holds(&self, finding: &Finding, circumstances: &Circumstances<'_>) -> bool {
        let (threat, as_of) = (&finding.threat, circumstances.as_of);
        let published = threat
            .published
            .as_deref()
            .and_then(|text| text.parse::<UnixMillis>().ok())
            // Nothing is young for ever because its source wrote a wrong year.
            .filter(|time| !circumstances.excuses || *time <= as_of);
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
mod tests;
