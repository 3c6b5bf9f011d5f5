//! Asks the knowledge about packages and ecosystems, each once per scan.

use std::collections::btree_map::Entry;
use std::rc::Rc;

use super::Scanner;
use crate::knowledge::{Advisory, KnowledgeError};
use crate::purl::osv::package_from;
use crate::sbom::Component;
use crate::scan::epel::Named;

/// The advisories of a package, as they apply at the time of judgement.
pub(super) struct Looked {
    advisories: Rc<[Advisory]>,
    /// True if they may differ at another time.
    depends_on_time: bool,
}

impl Scanner<'_> {
    /// Returns true if an advisory names the package of a component's URL.
    pub(in crate::scan) fn knows_package_of(
        &mut self,
        component: &Component,
    ) -> Result<bool, KnowledgeError> {
        let origin = component.origin.as_deref();
        let package = component
            .purl
            .as_ref()
            .and_then(|purl| package_from(purl, origin, self.document.distro));
        let Some(package) = package else {
            return Ok(false);
        };
        let repositories = self.repositories(&package.ecosystem)?;
        let repositories = repositories.iter().map(String::as_str);
        let from = repositories.filter(|ecosystem| package.is_from(ecosystem));
        for ecosystem in package.ecosystems().chain(from) {
            if self.knowledge.knows_package(ecosystem, &package.name)? {
                return Ok(true);
            }
        }
        match &package.epel {
            Some(epel) => self.is_named(epel, &[&epel.name]),
            None => Ok(false),
        }
    }

    /// Returns the known ecosystems that consist of this one and a repository's address.
    pub(super) fn repositories(&mut self, ecosystem: &str) -> Result<Rc<[String]>, KnowledgeError> {
        if let Some(known) = self.repositories.get(ecosystem) {
            return Ok(Rc::clone(known));
        }
        // An ecosystem with a suffix has no address.
        let known: Rc<[String]> = if ecosystem.contains(':') {
            Rc::default()
        } else {
            self.knowledge.repositories(ecosystem)?.into()
        };
        self.repositories.insert(ecosystem.to_owned(), Rc::clone(&known));
        Ok(known)
    }

    pub(in crate::scan) fn advisories(
        &mut self,
        ecosystem: &str,
        name: &str,
    ) -> Result<Rc<[Advisory]>, KnowledgeError> {
        let key = (ecosystem.to_owned(), name.to_owned());
        let looked = match self.packages.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let list = self.knowledge.advisories(ecosystem, name)?;
                let depends = list.iter().any(Advisory::depends_on_time);
                let at = self.options.at;
                entry.insert(Looked {
                    advisories: list
                        .into_iter()
                        .map(|advisory| advisory.applying_at(at))
                        .collect(),
                    depends_on_time: depends,
                })
            }
        };
        self.depends_on_time |= looked.depends_on_time;
        Ok(Rc::clone(&looked.advisories))
    }

    /// Returns advisories as they apply at the time of judgement.
    pub(super) fn applying(&mut self, advisories: Vec<Advisory>) -> Vec<Advisory> {
        self.depends_on_time |= advisories.iter().any(Advisory::depends_on_time);
        let at = self.options.at;
        advisories
            .into_iter()
            .map(|advisory| advisory.applying_at(at))
            .collect()
    }
}

impl Named for Scanner<'_> {
    fn knows(&mut self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        if let Some(known) = self.ecosystems.get(ecosystem) {
            return Ok(*known);
        }
        let known = self.knowledge.knows_ecosystem(ecosystem)?;
        self.ecosystems.insert(ecosystem.to_owned(), known);
        Ok(known)
    }

    fn knows_package(&mut self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError> {
        self.knowledge.knows_package(ecosystem, name)
    }
}
