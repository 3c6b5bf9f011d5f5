//! Evaluates the components of one part of a document, one after the other.

mod lookups;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use self::lookups::Looked;
use super::builds::Unjudged;
use super::cpes::JudgedCpes;
use super::epel::Named;
use super::finding::FoundPackage;
use super::limits::Tally;
use super::rating::rate;
use super::repeats::{Judged, Repeats};
use super::sources::SourcesNamed;
use super::streams::{BranchInUse, joined};
use super::{Doubt, DoubtCause, Finding, ScanOptions, Standing};
use crate::knowledge::{Advisory, Knowledge, KnowledgeError, MemoKey};
use crate::matching::Subject;
use crate::purl::osv::{Branch, OsvPackage, is_signed, names_source, other_names, package_from, version_on};
use crate::sbom::Component;
use crate::severity::Scores;
use crate::version::Scheme;

/// The advisories of one component: its own, or those shared by all of its package.
enum Advisories {
    Own(Vec<Advisory>),
    Shared(Rc<[Advisory]>),
}

impl Advisories {
    fn list(&self) -> &[Advisory] {
        match self {
            Self::Own(list) => list,
            Self::Shared(list) => list,
        }
    }

    /// Returns one advisory. An advisory of the component's own is moved out: it is not needed again.
    fn take(&mut self, index: usize) -> Advisory {
        match self {
            Self::Own(list) => list.get_mut(index).map(std::mem::take).unwrap_or_default(),
            Self::Shared(list) => list.get(index).cloned().unwrap_or_default(),
        }
    }
}

/// The document's data for each of its components.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) distro: Option<&'a str>,
    pub(super) sources_named: &'a SourcesNamed,
}

/// Evaluates components.
pub(super) struct Scanner<'a> {
    knowledge: &'a dyn Knowledge,
    pub(super) options: &'a ScanOptions,
    pub(super) document: Document<'a>,
    /// Each package is looked up once per scan.
    packages: BTreeMap<(String, String), Looked>,
    ecosystems: BTreeMap<String, bool>,
    /// The ecosystems that consist of one and a repository's address, by that one.
    repositories: BTreeMap<String, Rc<[String]>>,
    /// Repeated package versions.
    repeats: Repeats,
    pub(super) judged_cpes: JudgedCpes,
    /// Scored vectors, which repeat between findings.
    pub(super) scores: Scores,
    memo_space: Vec<u8>,
    pub(super) tally: Tally,
    /// True if the component's advisories may differ at another time.
    depends_on_time: bool,
    /// The ecosystems in which components were looked up, without suffix; there are few.
    systems: Vec<&'static str>,
    /// The vulnerabilities whose advisories about the component could not be evaluated.
    pub(super) unevaluated: BTreeSet<String>,
    /// The doubt about the component that was judged last.
    doubt: Option<Doubt>,
    /// The known ecosystems of each branch.
    pub(super) branches: BTreeMap<Branch, Rc<[String]>>,
    /// The branches of the component's build.
    pub(super) branch: Option<Rc<BranchInUse>>,
}

impl<'a> Scanner<'a> {
    /// Starts a part with this many components.
    pub(super) fn new(
        knowledge: &'a dyn Knowledge,
        options: &'a ScanOptions,
        document: Document<'a>,
        components: usize,
    ) -> Self {
        Self {
            knowledge,
            options,
            document,
            packages: BTreeMap::new(),
            ecosystems: BTreeMap::new(),
            repositories: BTreeMap::new(),
            repeats: Repeats::among(components),
            judged_cpes: JudgedCpes::new(),
            scores: Scores::default(),
            memo_space: Vec::new(),
            tally: Tally::default(),
            depends_on_time: false,
            systems: Vec::new(),
            unevaluated: BTreeSet::new(),
            doubt: None,
            branches: BTreeMap::new(),
            branch: None,
        }
    }

    /// Returns the doubt about the component that was judged last, if it is undecided.
    pub(super) fn take_doubt(&mut self) -> Option<Doubt> {
        self.doubt.take()
    }

    /// Returns the count of findings so far.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the findings, counted, and the ecosystems used.
    pub(super) fn into_account(self) -> (Tally, BTreeSet<String>) {
        let systems = self.systems.iter().map(|system| (*system).to_owned());
        (self.tally, systems.collect())
    }

    pub(super) fn note_system(&mut self, system: Option<&'static str>) {
        if let Some(system) = system
            && !self.systems.contains(&system)
        {
            self.systems.push(system);
        }
    }

    fn note_systems(&mut self, systems: [Option<&'static str>; 2]) {
        for system in systems {
            self.note_system(system);
        }
    }

    /// Evaluates a component: by its package URL, or by its CPE names if no package URL can speak for it.
    pub(super) fn judge_any(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let before = findings.len();
        self.doubt = None;
        let standing = self.judge_or_recall(component, findings)?;
        // Only a component whose URL names no registry and no distribution has kept its names.
        let is_open = component.cpes.is_some()
            && findings.len() == before
            && matches!(
                standing,
                Standing::Unknown
                    | Standing::UnsupportedEcosystem
                    | Standing::NoKnowledge
                    | Standing::Unversioned
            );
        if !is_open {
            return Ok(standing);
        }
        let by_cpes = self.judge_by_cpes(component, findings)?;
        Ok(match by_cpes {
            Some(judged) => {
                self.doubt = judged.doubt;
                judged.standing
            }
            None => standing,
        })
    }

    /// Same as [`judge`](Self::judge), unless the memo has the same component without findings.
    fn judge_or_recall(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let (Some(memo), Some(purl)) = (self.knowledge.memo(), &component.purl) else {
            let judged = self.judge(component, findings)?;
            self.doubt = judged.doubt;
            return Ok(judged.standing);
        };
        let Document {
            distro,
            sources_named,
        } = self.document;
        let named = sources_named.of(purl);
        let key = MemoKey::of(component, purl, distro, named, &mut self.memo_space);
        if let Some((standing, systems, cause)) = memo.get(&key) {
            self.note_systems(systems);
            self.doubt = cause.map(|cause| Doubt::of(cause, &BTreeSet::new()));
            return Ok(standing);
        }
        let judged = self.judge(component, findings)?;
        // Scans of other times use the same memo, and it has no room for the advisories of a doubt.
        let cause = judged.doubt.as_ref().map(|doubt| doubt.cause);
        let names_none = judged.doubt.as_ref().is_none_or(|doubt| doubt.number == 0);
        if judged.findings.is_empty() && !judged.depends_on_time && names_none {
            memo.put(key, (judged.standing, judged.systems, cause));
        }
        self.doubt = judged.doubt;
        Ok(judged.standing)
    }

    /// Evaluates one component; its findings are added to `findings`. If the same was found at another place, only
    /// this place is added.
    fn judge(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Judged, KnowledgeError> {
        let Some(purl) = &component.purl else {
            return Ok(Judged::without(Standing::Unknown));
        };
        let origin = component.origin.as_deref();
        let Some(package) = package_from(purl, origin, self.document.distro) else {
            return Ok(Judged::without(Standing::UnsupportedEcosystem));
        };
        let system = Some(package.system);
        self.note_system(system);
        if !package.release_known {
            return Ok(Judged {
                systems: [system, None],
                ..Judged::without(Standing::NoDistro)
            });
        }
        let stated = component.version.as_deref();
        let on_host = version_on(purl, origin, stated, self.document.distro);
        let subject = Subject::of(purl, origin, &package.ecosystem, on_host.as_deref().or(stated));
        let vendor = origin.and_then(|origin| origin.vendor);
        let sources_named = self.document.sources_named;
        let is_own = || is_own_source(sources_named, component);
        let key = self.repeats.key(&package, &subject, vendor, is_own);
        if let Some(judged) = key.as_ref().and_then(|key| self.repeats.judged(key)) {
            let place = component.place.to_string();
            let same = findings.get_mut(judged.findings.clone()).unwrap_or_default();
            self.tally.recall(same.len());
            if !same.is_empty() {
                let purl: Arc<str> = purl.to_string().into();
                for finding in same {
                    finding.places.push(place.clone());
                    finding.package.take_purl(&purl);
                }
            }
            return Ok(judged.clone());
        }
        let first = findings.len();
        self.depends_on_time = false;
        self.unevaluated.clear();
        self.enter_branch(&package, &subject, component)?;
        let undecided = self.judge_branch(&package, &subject, component, findings)?;
        let has_findings = findings.len() > first;
        let (judged, other) = self.judge_on_host(&package, &subject, component, findings)?;
        let mut judged = joined(judged, has_findings, undecided);
        self.drop_fixed_in_certified(&package, component, findings, first)?;
        // Another cause may come first: the doubt lists what this one leaves open as well.
        if matches!(judged.0, Standing::Matched | Standing::Undecided)
            && let Some(cause) = self.doubt_of_match(&package, &subject, component)?
        {
            judged = (Standing::Undecided, judged.1.or(Some(cause)));
        }
        let (standing, cause) = judged;
        let systems = [system, other];
        self.note_systems(systems);
        self.tally.add(findings.get(first..).unwrap_or_default());
        let judged = Judged {
            standing,
            systems,
            findings: first..findings.len(),
            depends_on_time: self.depends_on_time,
            doubt: cause.map(|cause| Doubt::of(cause, &self.unevaluated)),
        };
        if let Some(key) = key {
            self.repeats.keep(key, judged.clone());
        }
        Ok(judged)
    }

    /// Returns why advisories that do not affect a package's version show nothing about it, and notes which of them; `None` if they do.
    fn doubt_of_match(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
    ) -> Result<Option<DoubtCause>, KnowledgeError> {
        if package.system == "Go" {
            let is_doubted = self.is_doubted_by_module(package, subject, component)?;
            return Ok(is_doubted.then_some(DoubtCause::Name));
        }
        let ty = component.purl.as_ref().map_or("", |purl| purl.ty());
        let is_doubted = match self.unjudged_of(package, subject, component)? {
            Unjudged::Nothing => self.is_of_unjudged_repository(ty, package, subject.text())?,
            Unjudged::Everything => true,
            Unjudged::Vulnerabilities(mut open) => {
                self.unevaluated.append(&mut open);
                true
            }
        };
        Ok(is_doubted.then_some(DoubtCause::Vendor))
    }

    /// Evaluates a package's version with all applicable ecosystems. The cause is of an undecided one.
    pub(super) fn judge_package(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<(Standing, Option<DoubtCause>), KnowledgeError> {
        let (mut is_known, mut undecided) = (false, false);
        let first = findings.len();
        // If advisories may use another name, the name must be known.
        let mut name_known = package.name_known || self.is_own_source(component);
        for ecosystem in package.ecosystems() {
            if self.knows(ecosystem)? {
                is_known |= package.is_known_by(ecosystem);
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                undecided |= self.judge_source(ecosystem, package, subject, component, findings)?;
                for name in package.own_names() {
                    name_known = name_known || self.knowledge.knows_package(ecosystem, name)?;
                }
            }
        }
        for ecosystem in self.repositories(&package.ecosystem)?.iter() {
            if package.is_from(ecosystem) {
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                is_known = is_known || self.knowledge.knows_package(ecosystem, &package.name)?;
            }
        }
        for other in other_names(&package.ecosystem, &package.name, subject.text()) {
            name_known = name_known && !self.knowledge.knows_package(&package.ecosystem, &other)?;
        }
        let has_order = Scheme::for_ecosystem(&package.ecosystem).is_some();
        let cause = match has_order {
            // The knowledge covers it only partly.
            _ if !is_known && findings.len() > first => DoubtCause::Release,
            _ if !is_known => return Ok((Standing::NoKnowledge, None)),
            _ if subject.is_unknown() => return Ok((Standing::Unversioned, None)),
            true if undecided && !subject.is_ordered() => DoubtCause::Version,
            _ if undecided => DoubtCause::Advisory,
            _ if !name_known => DoubtCause::Name,
            // Without an order, or with a version outside of it, only enumerations can match.
            false if findings.len() > first => DoubtCause::Order,
            false => return Ok((Standing::UnsupportedEcosystem, None)),
            true if !subject.is_ordered() => return Ok((Standing::Unversioned, None)),
            true => return Ok((Standing::Matched, None)),
        };
        Ok((Standing::Undecided, Some(cause)))
    }

    /// Returns true if a component's package has the name of its source.
    pub(super) fn is_own_source(&self, component: &Component) -> bool {
        is_own_source(self.document.sources_named, component)
    }

    /// Matches a component against the advisories of one of its package's ecosystems. Returns true if one of them
    /// could not be evaluated.
    pub(super) fn judge_in(
        &mut self,
        ecosystem: &str,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, KnowledgeError> {
        let (Some(purl), version) = (&component.purl, subject.text()) else {
            return Ok(false);
        };
        let mut advisories = match self.knowledge.candidates(ecosystem, &package.name, subject)? {
            Some(candidates) => Advisories::Own(self.applying(candidates)),
            None => Advisories::Shared(self.advisories(ecosystem, &package.name)?),
        };
        let mut undecided = false;
        for index in 0..advisories.list().len() {
            let Some(advisory) = advisories.list().get(index).filter(|a| a.withdrawn.is_none()) else {
                continue;
            };
            let mut evidence = self.evidence(advisory, package, subject, ecosystem)?;
            if evidence.rules.is_empty() {
                if evidence.undecided {
                    undecided = true;
                    self.unevaluated.insert(advisory.vulnerability.clone());
                }
                continue;
            }
            let rating = rate(advisory, &mut evidence, &mut self.scores, self.options);
            let found = FoundPackage {
                ecosystem: package.ecosystem.clone().into_owned(),
                name: package.name.clone(),
                version: version.to_owned(),
                purl: purl.to_string(),
                cpe: None,
                other_purls: BTreeSet::new(),
            };
            let place = component.place.to_string();
            let advisory = advisories.take(index);
            findings.push(Finding::new(advisory, found, rating, evidence, place));
        }
        Ok(undecided)
    }
}

/// Returns true if a component's package has the name of its source: the document names the sources of others.
fn is_own_source(sources_named: &SourcesNamed, component: &Component) -> bool {
    let origin = component.origin.as_deref();
    let purl = component.purl.as_ref();
    purl.is_some_and(|purl| {
        sources_named.of(purl) && !names_source(purl, origin) && !is_signed(purl.ty(), purl.name())
    })
}
