//! Judging the components of one part of a document, one after the other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::finding::FoundPackage;
use super::heard::Heard;
use super::limits::Tally;
use super::rating::rate;
use super::repeats::{Judged, Repeats};
use super::sources::SourcesNamed;
use super::{Finding, ScanOptions, Standing};
use crate::knowledge::{Advisory, Knowledge, KnowledgeError, MemoKey};
use crate::matching::Subject;
use crate::purl::osv::{OsvPackage, package_from};
use crate::sbom::Component;
use crate::severity::Scores;
use crate::version::Scheme;

/// The advisories of one component: its own, or those that all of its package share.
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

    /// Gives one away. Of those that are the component's own nothing stays in its place: it is not asked again.
    fn take(&mut self, index: usize) -> Advisory {
        match self {
            Self::Own(list) => list.get_mut(index).map(std::mem::take).unwrap_or_default(),
            Self::Shared(list) => list.get(index).cloned().unwrap_or_default(),
        }
    }
}

/// What of a document counts for each of its components.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) distro: Option<&'a str>,
    pub(super) sources_named: &'a SourcesNamed,
}

/// Judges components.
pub(super) struct Scanner<'a> {
    knowledge: &'a dyn Knowledge,
    options: &'a ScanOptions,
    document: Document<'a>,
    /// Each package is looked up once per scan.
    packages: BTreeMap<(String, String), Rc<[Advisory]>>,
    ecosystems: BTreeMap<String, bool>,
    /// The ecosystems that are one and a repository's address, by that one.
    repositories: BTreeMap<String, Rc<[String]>>,
    /// Package versions that came more than once.
    repeats: Repeats,
    /// Vectors that were scored, which repeat from finding to finding.
    scores: Scores,
    memo_space: Vec<u8>,
    tally: Tally,
    /// The ecosystems that components were looked up in, without suffix; there are few.
    systems: Vec<&'static str>,
}

impl<'a> Scanner<'a> {
    /// Begins a part of so many components.
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
            scores: Scores::default(),
            memo_space: Vec::new(),
            tally: Tally::default(),
            systems: Vec::new(),
        }
    }

    /// What was found so far, counted.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What was found, counted, and the ecosystems that were asked.
    pub(super) fn into_account(self) -> (Tally, BTreeSet<String>) {
        let systems = self.systems.iter().map(|system| (*system).to_owned());
        (self.tally, systems.collect())
    }

    fn note_system(&mut self, system: Option<&'static str>) {
        if let Some(system) = system
            && !self.systems.contains(&system)
        {
            self.systems.push(system);
        }
    }

    /// As [`judge`](Self::judge), unless it is remembered that nothing was found for the same before.
    pub(super) fn judge_or_recall(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let (Some(memo), Some(purl)) = (self.knowledge.memo(), &component.purl) else {
            return Ok(self.judge(component, findings)?.standing);
        };
        let Document {
            distro,
            sources_named,
        } = self.document;
        let named = sources_named.of(purl);
        let key = MemoKey::of(component, purl, distro, named, &mut self.memo_space);
        if let Some((standing, system)) = memo.get(&key) {
            self.note_system(system);
            return Ok(standing);
        }
        let judged = self.judge(component, findings)?;
        if judged.findings.is_empty() {
            memo.put(key, (judged.standing, judged.system));
        }
        Ok(judged.standing)
    }

    /// Judges one component; what it finds goes into `findings`, unless the same was found at another place: then only
    /// this place does.
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
                system,
                ..Judged::without(Standing::NoDistro)
            });
        }
        let subject = Subject::of(purl, origin, &package.ecosystem, component.version.as_deref());
        let key = self.repeats.key(&package, &subject);
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
        let standing = self.judge_package(&package, &subject, component, findings)?;
        self.tally.add(findings.get(first..).unwrap_or_default());
        let judged = Judged {
            standing,
            system,
            findings: first..findings.len(),
        };
        if let Some(key) = key {
            self.repeats.keep(key, judged.clone());
        }
        Ok(judged)
    }

    /// Judges a package's version by all that is known of it.
    fn judge_package(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let (mut is_known, mut undecided) = (false, false);
        let first = findings.len();
        // Where the name may not be the one that advisories use, it has to be known.
        let mut name_known = package.name_known
            || component
                .purl
                .as_ref()
                .is_some_and(|purl| self.document.sources_named.of(purl));
        for ecosystem in package.ecosystems() {
            if self.knows(ecosystem)? {
                is_known |= package.is_known_by(ecosystem);
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                name_known = name_known || self.knowledge.knows_package(ecosystem, &package.name)?;
            }
        }
        for ecosystem in self.repositories(&package.ecosystem)?.iter() {
            if package.is_from(ecosystem) {
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                is_known = is_known || self.knowledge.knows_package(ecosystem, &package.name)?;
            }
        }
        let has_order = Scheme::for_ecosystem(&package.ecosystem).is_some();
        Ok(match has_order {
            // What is known reaches it in part.
            _ if !is_known && findings.len() > first => Standing::Undecided,
            _ if !is_known => Standing::NoKnowledge,
            _ if subject.is_unknown() => Standing::Unversioned,
            _ if undecided || !name_known => Standing::Undecided,
            // An ecosystem without order, or a version outside it, matches by enumeration alone.
            false if findings.len() > first => Standing::Undecided,
            false => Standing::UnsupportedEcosystem,
            true if !subject.is_ordered() => Standing::Unversioned,
            true => Standing::Matched,
        })
    }

    /// The known ecosystems that are this one and the address of a repository.
    fn repositories(&mut self, ecosystem: &str) -> Result<Rc<[String]>, KnowledgeError> {
        if let Some(known) = self.repositories.get(ecosystem) {
            return Ok(Rc::clone(known));
        }
        // Of an ecosystem that has a suffix the address would be another.
        let known: Rc<[String]> = if ecosystem.contains(':') {
            Rc::default()
        } else {
            self.knowledge.repositories(ecosystem)?.into()
        };
        self.repositories.insert(ecosystem.to_owned(), Rc::clone(&known));
        Ok(known)
    }

    /// Holds a component against the advisories of one of its package's ecosystems. Returns true if one of them
    /// could not be evaluated.
    fn judge_in(
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
            Some(candidates) => Advisories::Own(candidates),
            None => Advisories::Shared(self.advisories(ecosystem, &package.name)?),
        };
        let mut undecided = false;
        for index in 0..advisories.list().len() {
            let Some(advisory) = advisories.list().get(index).filter(|a| a.withdrawn.is_none()) else {
                continue;
            };
            let mut heard = Heard::of(advisory, subject, ecosystem);
            if heard.rules.is_empty() {
                undecided |= heard.undecided;
                continue;
            }
            let rating = rate(advisory, &mut heard, &mut self.scores, self.options);
            let found = FoundPackage {
                ecosystem: package.ecosystem.clone().into_owned(),
                name: package.name.clone(),
                version: version.to_owned(),
                purl: purl.to_string(),
                other_purls: BTreeSet::new(),
            };
            let place = component.place.to_string();
            let advisory = advisories.take(index);
            findings.push(Finding::new(advisory, found, rating, heard, place));
        }
        Ok(undecided)
    }

    fn advisories(&mut self, ecosystem: &str, name: &str) -> Result<Rc<[Advisory]>, KnowledgeError> {
        let key = (ecosystem.to_owned(), name.to_owned());
        match self.packages.entry(key) {
            Entry::Occupied(entry) => Ok(Rc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let list = self.knowledge.advisories(ecosystem, name)?;
                Ok(Rc::clone(entry.insert(list.into())))
            }
        }
    }

    fn knows(&mut self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        if let Some(known) = self.ecosystems.get(ecosystem) {
            return Ok(*known);
        }
        let known = self.knowledge.knows_ecosystem(ecosystem)?;
        self.ecosystems.insert(ecosystem.to_owned(), known);
        Ok(known)
    }
}
