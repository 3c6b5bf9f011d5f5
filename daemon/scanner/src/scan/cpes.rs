//! Evaluates components by their CPE names: those that no package URL can speak for.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::finding::{Finding, FoundPackage, MatchedBy, MatchedRule};
use super::judge::Scanner;
use super::rating::rate;
use super::repeats::Judged;
use super::{Doubt, DoubtCause, Standing};
use crate::cpe::{
    CPE_ECOSYSTEM, Cpe, CpeRule, CpeSubject, CpeVerdict, OperatingSystem, compare_versions,
    is_linux_distribution, judge,
};
use crate::knowledge::{Advisory, KnowledgeError};
use crate::osv::Event;
use crate::sbom::Component;

/// The components that were evaluated by their names, so that a repeated one is not evaluated again.
pub(super) type JudgedCpes = BTreeMap<(Vec<Box<str>>, Option<String>), (Judged, usize)>;

/// The result for a component after all its names were looked up.
#[derive(Default)]
struct Sum {
    is_usable: bool,
    is_known: bool,
    is_unversioned: bool,
    is_undecided: bool,
    /// Number of compared names.
    compared: usize,
}

impl Scanner<'_> {
    /// Evaluates a component by its CPE names; returns `None` if it has none that can be looked up.
    pub(super) fn judge_by_cpes(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Judged>, KnowledgeError> {
        let Some(cpes) = component.cpes.as_deref() else {
            return Ok(None);
        };
        let key = (cpes.to_vec(), component.version.clone());
        if let Some((judged, compared)) = self.judged_cpes.get(&key) {
            let (judged, compared) = (judged.clone(), *compared);
            let same = findings.get_mut(judged.findings.clone()).unwrap_or_default();
            for finding in same.iter_mut() {
                finding.places.push(component.place.to_string());
                finding.package.take_purl(&address_of(component).into());
            }
            self.tally.recall(same.len());
            self.tally.compare(compared);
            return Ok(Some(judged));
        }
        let first = findings.len();
        self.unevaluated.clear();
        let mut sum = Sum::default();
        for text in cpes {
            // The reader kept only names that parse.
            let Ok(cpe) = Cpe::parse(text) else { continue };
            // The packages of a distribution are evaluated, by its own advisories; its name stands for all of them.
            if is_linux_distribution(&cpe) {
                continue;
            }
            if let Some((product, subject)) = CpeSubject::new(cpe, component.version.as_deref()) {
                sum.is_usable = true;
                self.judge_product(&product, &subject, component, first, findings, &mut sum)?;
            }
        }
        if !sum.is_usable {
            return Ok(None);
        }
        self.note_system(Some(CPE_ECOSYSTEM));
        self.tally.add(findings.get(first..).unwrap_or_default());
        self.tally.compare(sum.compared);
        let standing = match sum {
            // A product can have many names; one that no source uses says nothing.
            Sum { is_known: false, .. } => Standing::NoKnowledge,
            Sum {
                is_unversioned: true, ..
            } => Standing::Unversioned,
            Sum {
                is_undecided: true, ..
            } => Standing::Undecided,
            // Names and versions are written in too many ways: one that matches nothing does not show that the
            // component is not affected.
            _ if findings.len() == first => Standing::Undecided,
            _ => Standing::Matched,
        };
        let doubt = (standing == Standing::Undecided).then(|| {
            let cause = if sum.is_undecided {
                DoubtCause::Advisory
            } else {
                DoubtCause::CpeName
            };
            Doubt::of(cause, &self.unevaluated)
        });
        let judged = Judged {
            standing,
            systems: [Some(CPE_ECOSYSTEM), None],
            findings: first..findings.len(),
            // Results by name are not remembered beyond a scan.
            depends_on_time: false,
            doubt,
        };
        self.judged_cpes.insert(key, (judged.clone(), sum.compared));
        Ok(Some(judged))
    }

    fn judge_product(
        &mut self,
        product: &str,
        subject: &CpeSubject,
        component: &Component,
        first: usize,
        findings: &mut Vec<Finding>,
        sum: &mut Sum,
    ) -> Result<(), KnowledgeError> {
        let advisories = self.advisories(CPE_ECOSYSTEM, product)?;
        let live = || advisories.iter().filter(|advisory| advisory.withdrawn.is_none());
        if live().next().is_none() {
            return Ok(());
        }
        sum.is_known = true;
        sum.is_unversioned |= subject.is_unversioned();
        let system = self.document.distro.and_then(OperatingSystem::of_distro);
        for advisory in live() {
            let names = advisory
                .configurations
                .iter()
                .map(|statement| statement.matches.len());
            sum.compared += names.sum::<usize>();
            let rules = match judge(&advisory.configurations, subject, system) {
                CpeVerdict::Affected(rules) => rules,
                CpeVerdict::NotAffected => continue,
                CpeVerdict::Undecided => {
                    sum.is_undecided = true;
                    self.unevaluated.insert(advisory.vulnerability.clone());
                    continue;
                }
            };
            // Another name of the component may have found it already.
            let own = findings.get(first..).unwrap_or_default();
            let is_found = own
                .iter()
                .any(|found| found.vulnerability == advisory.vulnerability && found.package.name != product);
            if is_found {
                continue;
            }
            let mut evidence = evidence_of(advisory, &rules);
            let rating = rate(advisory, &mut evidence, &mut self.scores, self.options);
            let found = FoundPackage {
                ecosystem: CPE_ECOSYSTEM.to_owned(),
                name: product.to_owned(),
                version: subject.version().to_owned(),
                purl: component
                    .purl
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                cpe: Some(subject.cpe().to_string()),
                other_purls: Default::default(),
            };
            let place = component.place.to_string();
            let mut finding = Finding::new(advisory.clone(), found, rating, evidence, place);
            finding.matched_by = Some(MatchedBy::Cpe);
            findings.push(finding);
        }
        Ok(())
    }
}

/// Returns the component's package URL, or its first CPE name.
fn address_of(component: &Component) -> String {
    let purl = component.purl.as_ref().map(ToString::to_string);
    let cpe = || component.cpes.iter().flatten().next().map(ToString::to_string);
    purl.or_else(cpe).unwrap_or_default()
}

/// Returns what the matched names say, in the form of an advisory's rules.
fn evidence_of(advisory: &Advisory, rules: &[CpeRule]) -> Evidence {
    let sayer = advisory.provenance.first();
    let rule = |rule: &CpeRule| {
        let (fixed, last_affected) = match &rule.until {
            Some(Event::Fixed(version)) => (Some(version.clone()), None),
            Some(Event::LastAffected(version)) => (None, Some(version.clone())),
            _ => (None, None),
        };
        MatchedRule {
            affected: 0,
            record: sayer.map(|sayer| sayer.record.clone()),
            source: sayer.map(|sayer| sayer.source.clone()),
            kind: CPE_ECOSYSTEM.to_owned(),
            range: None,
            introduced: rule.introduced.clone(),
            fixed,
            last_affected,
            criteria: Some(rule.criteria.clone()),
            running_on: rule.running_on.clone(),
            assumed: rule.assumed.clone(),
        }
    };
    let mut fixed: Vec<String> = Vec::new();
    for found in rules {
        if let Some(Event::Fixed(version)) = &found.until
            && !fixed.contains(version)
        {
            fixed.push(version.clone());
        }
    }
    fixed.sort_by(|a, b| {
        let order = compare_versions(a, b).unwrap_or(std::cmp::Ordering::Equal);
        order.then_with(|| a.cmp(b))
    });
    Evidence {
        rules: rules.iter().map(rule).collect(),
        fixed,
        ..Evidence::default()
    }
}
