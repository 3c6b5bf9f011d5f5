//! Examples in a policy: constructed findings and their expected decisions.

use serde::{Deserialize, Serialize};
use starling_documents::mutes::Mutes;
use starling_protocol::UnixMillis;
use starling_scanner::scan::{Finding, FoundPackage, MatchedBy};
use starling_scanner::severity::{Level, Rating, Score};
use starling_scanner::threat::{Probability, Threat};

use crate::ids::spelled;
use crate::judge::Judge;
use crate::mute::Names;
use crate::policy::Policy;
use crate::terms::{Action, CauseKind, Fix};
use crate::units::fixed_point;
use crate::vex::VexIndex;
use crate::vex::product::Scanned;

/// A constructed finding and its expected decision.
#[derive(Debug, Clone)]
pub struct Example {
    /// A description.
    pub name: String,
    /// The time of evaluation, if it matters.
    pub at: Option<UnixMillis>,
    /// The subject of the SBOM.
    pub subject: Option<String>,
    /// The finding.
    pub finding: Finding,
    /// The state of its fix; default: derived from the finding's fixed versions.
    pub fix: Option<Fix>,
    /// The expected action.
    pub expect: Action,
    /// The rule that must decide; `None` accepts any.
    pub rule: Option<String>,
}

/// The result of an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExampleOutcome {
    /// The example.
    pub name: String,
    /// True if the policy decided as expected.
    pub passed: bool,
    /// The expected action.
    pub expected: Action,
    /// The actual action.
    pub found: Action,
    /// The expected rule, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_rule: Option<String>,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_rule: Option<String>,
}

impl Example {
    /// Evaluates the policy on the example; `now` is the time of evaluation if the example has none.
    pub fn run(&self, policy: &Policy, now: UnixMillis) -> ExampleOutcome {
        let sbom = Names {
            subject: self.subject.as_deref(),
            hash: "",
        };
        // Only the policy is tested: without Rego, mutes and VEX.
        let mutes = Mutes::default();
        let vex = VexIndex::of(&[], &Scanned::default(), &[]);
        let mut judge = Judge::new(policy, &mutes, vex, None, sbom, self.at.unwrap_or(now));
        let fix = self.fix.unwrap_or_else(|| judge.fix_of(&self.finding));
        let (found, cause) = judge.judge_at(0, &self.finding, fix);
        let found_rule = cause
            .filter(|cause| cause.kind == CauseKind::Rule)
            .map(|cause| cause.id);
        ExampleOutcome {
            name: self.name.clone(),
            passed: found == self.expect && (self.rule.is_none() || self.rule == found_rule),
            expected: self.expect,
            found,
            expected_rule: self.rule.clone(),
            found_rule,
        }
    }
}

/// A finding as written in an example; missing values are unknown or empty.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleFinding {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    severity: ExampleLevel,
    #[serde(default)]
    cvss: Option<ExampleScore>,
    #[serde(default)]
    epss: Option<ExampleProbability>,
    #[serde(default)]
    kev: Option<bool>,
    informational: Option<String>,
    #[serde(default)]
    disputed: bool,
    #[serde(default)]
    published: Option<String>,
    #[serde(default)]
    fixed: Vec<String>,
    /// What sources or suppliers say about it; default: derived from `fixed`.
    #[serde(default)]
    pub(crate) fix: Option<Fix>,
    #[serde(default)]
    ecosystem: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    purl: String,
    /// The CPE name that it was looked up by, instead of a package URL.
    cpe: Option<String>,
    #[serde(default)]
    path: Vec<String>,
}

#[derive(Debug, Default)]
struct ExampleLevel(Level);

impl<'de> Deserialize<'de> for ExampleLevel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug)]
struct ExampleScore(Score);

impl<'de> Deserialize<'de> for ExampleScore {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let tenths = fixed_point(&text, 1).and_then(|tenths| u8::try_from(tenths).ok());
        tenths
            .filter(|tenths| *tenths <= 100)
            .map(|tenths| Self(Score::from_tenths(tenths)))
            .ok_or_else(|| serde::de::Error::custom("a CVSS score is 0.0 to 10.0 with one decimal"))
    }
}

#[derive(Debug)]
struct ExampleProbability(Probability);

impl<'de> Deserialize<'de> for ExampleProbability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl ExampleFinding {
    pub(crate) fn into_finding(self) -> Finding {
        let vulnerability = spelled(&self.id);
        let mut ids: Vec<String> = self.aliases.iter().map(|id| spelled(id)).collect();
        ids.push(vulnerability.clone());
        ids.sort();
        Finding {
            vulnerability,
            ids,
            related: Vec::new(),
            merge_hashes: Vec::new(),
            package: FoundPackage {
                ecosystem: self.ecosystem,
                name: self.package,
                version: self.version,
                purl: self.purl,
                cpe: self.cpe.clone(),
                other_purls: Default::default(),
            },
            matched_by: self.cpe.map(|_| MatchedBy::Cpe),
            summary: String::new(),
            severity: Rating {
                level: self.severity.0,
                score: self.cvss.map(|score| score.0),
                stated: None,
            },
            informational: self.informational,
            threat: Threat {
                published: self.published,
                kev: self.kev,
                epss: self.epss.map(|epss| epss.0),
            },
            rules: Vec::new(),
            fixed: self.fixed,
            fix_states: Vec::new(),
            places: self.path,
            provenance: Vec::new(),
            conflicts: Vec::new(),
            disputed: self.disputed,
            unresolved: false,
            statements: Vec::new(),
        }
    }
}
