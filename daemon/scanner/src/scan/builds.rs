//! Builds with the mark of another product than the distribution itself: what is said about them, and what is not.
//!
//! The distribution's fixes are in its own builds. The place of a marked build among them shows nothing, so a statement that does not
//! affect it decides only if it is about builds with the same mark, or about the product. That is so for each vulnerability by itself:
//! what nobody says about the product's builds is in doubt.

use std::collections::BTreeSet;

use super::Finding;
use super::epel::Named as _;
use super::judge::Scanner;
use crate::knowledge::{Advisory, KnowledgeError, StatedEntries};
use crate::matching::{Evaluation, Rule, Subject, WhyNot, evaluate_about};
use crate::osv::Event;
use crate::purl::osv::{Mark, OsvPackage};
use crate::sbom::Component;

/// What of a build is not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unjudged {
    /// Nothing.
    Nothing,
    /// Everything: no statement about builds with its mark names it.
    Everything,
    /// These vulnerabilities: statements about other builds name it, and none about builds with its mark.
    Vulnerabilities(BTreeSet<String>),
}

/// Returns true if the end of an evaluated range is a build of the package with this mark.
fn ends_in(package: &OsvPackage, found: &Evaluation, mark: Mark<'_>) -> bool {
    let is_of_it = |end: &Event| match end {
        Event::Fixed(text) | Event::LastAffected(text) => package.mark_of(text) == Some(mark),
        Event::Introduced(_) | Event::Limit(_) => false,
    };
    let mut before = found.unmatched.iter().filter_map(|(_, why)| match why {
        WhyNot::Outside { closed_by, .. } => closed_by.as_ref(),
        _ => None,
    });
    let mut after = found.matched.iter().filter_map(|rule| match rule {
        Rule::Range { until, .. } => until.as_ref(),
        Rule::Enumerated => None,
    });
    before.any(is_of_it) || after.any(is_of_it)
}

/// Returns true if a fix without a mark, which is before the package's build in the order, closes an evaluated range.
fn is_closed_without_mark(package: &OsvPackage, found: &Evaluation) -> bool {
    found.unmatched.iter().any(|(_, why)| match why {
        WhyNot::Outside {
            closed_by: Some(Event::Fixed(end) | Event::LastAffected(end)),
            ..
        } => package.mark_of(end).is_none(),
        _ => false,
    })
}

/// Returns what of a package's build is not judged. `names` are those that advisories may have for it, each with the version that
/// is compared; `advisories` returns those of an ecosystem about a name.
pub(crate) fn unjudged_in<A: AsRef<[Advisory]>>(
    package: &OsvPackage,
    names: &[(&str, &Subject)],
    mut advisories: impl FnMut(&str, &str) -> Result<A, KnowledgeError>,
) -> Result<Unjudged, KnowledgeError> {
    let version = names
        .first()
        .map(|(_, subject)| subject.text())
        .unwrap_or_default();
    let Some(mark) = package.mark_of(version) else {
        return Ok(Unjudged::Nothing);
    };
    let (mut is_named, mut open, mut decided) = (false, BTreeSet::new(), BTreeSet::new());
    let of_epel = package.epel.iter().flat_map(|epel| epel.ecosystems());
    for ecosystem in package.ecosystems().chain(of_epel) {
        let is_own = OsvPackage::is_of_mark(ecosystem, mark);
        for (name, subject) in names {
            let found = advisories(ecosystem, name)?;
            for advisory in found.as_ref().iter().filter(|one| one.withdrawn.is_none()) {
                let counting = advisory.stated().filter(StatedEntries::counts);
                for entry in counting.flat_map(|said| said.entries) {
                    let found = evaluate_about(&advisory.summary, entry, subject);
                    let mut reasons = found.unmatched.iter().map(|(_, why)| why);
                    if !found.is_affected() && reasons.all(|why| *why == WhyNot::OtherModule) {
                        continue;
                    }
                    let is_about_it = ends_in(package, &found, mark)
                        || is_own
                            && !(matches!(mark, Mark::Product(_)) && is_closed_without_mark(package, &found));
                    is_named |= is_about_it;
                    if is_about_it || found.is_affected() {
                        decided.insert(advisory.vulnerability.clone());
                    } else {
                        open.insert(advisory.vulnerability.clone());
                    }
                }
            }
        }
    }
    if !is_named {
        // What another distribution's build is called here, and nobody names, is no package of the host.
        let is_unknown = matches!(mark, Mark::Distribution(_)) && open.is_empty() && decided.is_empty();
        return Ok(if is_unknown {
            Unjudged::Nothing
        } else {
            Unjudged::Everything
        });
    }
    open.retain(|vulnerability| !decided.contains(vulnerability));
    Ok(if open.is_empty() {
        Unjudged::Nothing
    } else {
        Unjudged::Vulnerabilities(open)
    })
}

/// Returns true if the first of the ecosystems of Ubuntu's certified builds that speaks about a vulnerability says that a build has the
/// fix. `advisories` returns those of an ecosystem about the package.
pub(crate) fn is_fixed_in_certified<A: AsRef<[Advisory]>>(
    package: &OsvPackage,
    subject: &Subject,
    vulnerability: &str,
    mut advisories: impl FnMut(&str) -> Result<A, KnowledgeError>,
) -> Result<bool, KnowledgeError> {
    for ecosystem in package.ecosystems_of_certified() {
        let found = advisories(ecosystem)?;
        let mut is_fixed = None;
        for advisory in found.as_ref() {
            if advisory.vulnerability != vulnerability || advisory.withdrawn.is_some() {
                continue;
            }
            let counting = advisory.stated().filter(StatedEntries::counts);
            for entry in counting.flat_map(|said| said.entries) {
                let found = evaluate_about(&advisory.summary, entry, subject);
                let is_open = found.is_affected() || found.is_undecided();
                is_fixed = Some(!is_open && is_fixed.unwrap_or(true));
            }
        }
        if let Some(is_fixed) = is_fixed {
            return Ok(is_fixed);
        }
    }
    Ok(false)
}

impl Scanner<'_> {
    /// Removes the findings from `first` on that a certified build of Ubuntu has the fix of.
    pub(super) fn drop_fixed_in_certified(
        &mut self,
        package: &OsvPackage,
        component: &Component,
        findings: &mut Vec<Finding>,
        first: usize,
    ) -> Result<(), KnowledgeError> {
        let Some(purl) = component.purl.as_ref() else {
            return Ok(());
        };
        if findings.len() <= first || package.ecosystems_of_certified().next().is_none() {
            return Ok(());
        }
        let found = findings.split_off(first);
        for finding in found {
            let own = &finding.package;
            let origin = component.origin.as_deref();
            let subject = Subject::of(purl, origin, &package.ecosystem, Some(&own.version));
            let is_fixed = is_fixed_in_certified(package, &subject, &finding.vulnerability, |ecosystem| {
                self.advisories_if_known(ecosystem, &own.name)
            })?;
            if !is_fixed {
                findings.push(finding);
            }
        }
        Ok(())
    }

    /// Returns what of a component's build is not judged.
    pub(super) fn unjudged_of(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
    ) -> Result<Unjudged, KnowledgeError> {
        let Some(purl) = component
            .purl
            .as_ref()
            .filter(|_| package.mark_of(subject.text()).is_some())
        else {
            return Ok(Unjudged::Nothing);
        };
        let source = package.source.as_ref();
        let of_source = source
            .and_then(|source| source.version.as_deref())
            .map(|version| {
                Subject::of(
                    purl,
                    component.origin.as_deref(),
                    &package.ecosystem,
                    Some(version),
                )
            });
        let mut names = vec![(package.name.as_str(), subject)];
        names.extend(source.map(|source| (source.name.as_str(), of_source.as_ref().unwrap_or(subject))));
        unjudged_in(package, &names, |ecosystem, name| {
            self.advisories_if_known(ecosystem, name)
        })
    }

    fn advisories_if_known(
        &mut self,
        ecosystem: &str,
        name: &str,
    ) -> Result<std::rc::Rc<[Advisory]>, KnowledgeError> {
        if self.knows(ecosystem)? {
            self.advisories(ecosystem, name)
        } else {
            Ok(std::rc::Rc::default())
        }
    }
}
