//! The branches of a build, as a scan finds them.

use std::rc::Rc;

use super::Asked;
use crate::knowledge::{Advisory, KnowledgeError};
use crate::matching::Subject;
use crate::purl::osv::{Branch, OsvPackage, Tier};
use crate::scan::{BranchBuild, BranchLists, Excuse};

/// A build that is of a branch, with the advisories of its branches.
pub(super) struct OwnBranch {
    build: BranchBuild,
    lists: BranchLists<Vec<Advisory>>,
}

impl OwnBranch {
    /// Finds the branches of the build of a package; `None` if it is of none that the knowledge has.
    pub(super) fn of(
        package: &OsvPackage,
        version: Option<&str>,
        asked: Asked<'_>,
    ) -> Result<Option<Self>, KnowledgeError> {
        let known = |branch: Branch| -> Result<Rc<[String]>, KnowledgeError> {
            let mut known = Vec::new();
            for ecosystem in branch.ecosystems() {
                if asked.knowledge.knows_ecosystem(&ecosystem)? {
                    known.push(ecosystem);
                }
            }
            Ok(known.into())
        };
        let Some(branches) = package.branches(version.unwrap_or_default(), known)? else {
            return Ok(None);
        };
        let of = |version| Subject::of(asked.purl, None, &package.ecosystem, version);
        let of_source = package
            .source
            .as_ref()
            .and_then(|source| source.version.as_deref());
        let of_source = of_source.map(|version| of(Some(version)));
        let build = BranchBuild::new(package, branches, &of(version), of_source);
        let lists = build.lists(|ecosystem, name| asked.advisories(std::iter::once(ecosystem), name))?;
        Ok(Some(Self { build, lists }))
    }

    /// Returns the ecosystems that the package does not have by itself.
    pub(super) fn further_ecosystems<'a>(&'a self, package: &'a OsvPackage) -> impl Iterator<Item = &'a str> {
        let all = self.build.branches.ecosystems();
        all.filter(|ecosystem| !package.ecosystems().any(|own| own == *ecosystem))
    }

    /// Returns what the branches say in favour of the build about an advisory's vulnerability.
    fn excuse(&self, advisory: &Advisory, tier: Tier) -> Option<Excuse<'_>> {
        self.lists.excuse(&self.build, advisory, tier)
    }
}

/// An advisory about a package.
pub(super) struct Listed<'b> {
    pub(super) advisory: Advisory,
    /// What excuses the build from it.
    pub(super) excuse: Option<Excuse<'b>>,
    /// The ecosystem of the branch that it is about.
    pub(super) branch: Option<String>,
}

/// Returns the advisories of ecosystems with this name.
pub(super) fn listed<'b, 'e>(
    branch: Option<&'b OwnBranch>,
    asked: Asked<'_>,
    ecosystems: impl Iterator<Item = &'e str>,
    name: &str,
) -> Result<Vec<Listed<'b>>, KnowledgeError> {
    let mut found = Vec::new();
    for ecosystem in ecosystems {
        let tier = branch.map_or(Tier::Release, |own| own.build.branches.tier(ecosystem));
        let advisories = asked.advisories(std::iter::once(ecosystem), name)?.into_iter();
        found.extend(advisories.map(|advisory| Listed {
            excuse: branch.and_then(|branch| branch.excuse(&advisory, tier)),
            branch: (tier != Tier::Release).then(|| ecosystem.to_owned()),
            advisory,
        }));
    }
    Ok(found)
}
