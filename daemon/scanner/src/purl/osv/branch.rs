//! The branches that a package's build may be of: lines of builds with fixes and advisories of their own.

use std::rc::Rc;

use super::OsvPackage;
use super::release::is_certified;
use super::release::red_hat::branch as red_hat;
pub(crate) use super::release::red_hat::branch::{Branch, Host, is_of_branch};

/// Whose statement about a build it is, by the ecosystem that it names. An earlier one has priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// The branch that the build names in its version.
    Build,
    /// The branch of the host, by its distribution.
    Host,
    /// The release as a whole.
    Release,
}

/// The ecosystems of the branches of a build that the site knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Branches {
    /// Those of the branch that the build names.
    of_build: Vec<Rc<[String]>>,
    /// Those of the host's branch.
    of_host: Vec<Rc<[String]>>,
}

impl Branches {
    /// Returns the tier of an ecosystem.
    pub(crate) fn tier(&self, ecosystem: &str) -> Tier {
        let is_in = |lists: &[Rc<[String]>]| lists.iter().any(|list| list.iter().any(|own| own == ecosystem));
        if is_in(&self.of_build) {
            Tier::Build
        } else if is_in(&self.of_host) {
            Tier::Host
        } else {
            Tier::Release
        }
    }

    /// Returns the ecosystems of a tier.
    pub(crate) fn of(&self, tier: Tier) -> impl Iterator<Item = &str> {
        let lists: &[Rc<[String]>] = match tier {
            Tier::Build => &self.of_build,
            Tier::Host => &self.of_host,
            Tier::Release => &[],
        };
        lists.iter().flat_map(|list| list.iter()).map(String::as_str)
    }

    /// Returns all ecosystems, those of the build first.
    pub(crate) fn ecosystems(&self) -> impl Iterator<Item = &str> {
        self.of(Tier::Build).chain(self.of(Tier::Host))
    }
}

impl OsvPackage {
    /// Returns true if builds of the package may be of a branch with advisories of its own.
    pub(crate) fn may_be_of_branch(&self) -> bool {
        matches!(self.system, "Red Hat" | "Ubuntu")
    }

    /// Returns the branches of a build of the package; `None` if it is of none that the site knows. `known` returns the ecosystems
    /// of a branch that it knows.
    pub(crate) fn branches<E>(
        &self,
        version: &str,
        mut known: impl FnMut(Branch) -> Result<Rc<[String]>, E>,
    ) -> Result<Option<Branches>, E> {
        let mut branches = Branches::default();
        match self.system {
            "Red Hat" => {
                for branch in red_hat::branches_of(version, self.major()) {
                    branches.of_build.push(known(branch)?);
                }
                let of_host = self.host.map(|host| host.branches_for(version));
                for branch in of_host.into_iter().flatten() {
                    branches.of_host.push(known(branch)?);
                }
            }
            "Ubuntu" if is_certified(version) => {
                let of_builds: Vec<String> = self.ecosystems_of_builds().map(str::to_owned).collect();
                branches.of_build.push(of_builds.into());
            }
            _ => return Ok(None),
        }
        let is_empty = branches.ecosystems().next().is_none();
        Ok((!is_empty).then_some(branches))
    }

    fn major(&self) -> u32 {
        let release = self.ecosystem.rsplit(':').next().unwrap_or_default();
        let major = release.split('.').next().unwrap_or_default();
        major.parse().unwrap_or_default()
    }

    /// Returns true if a fix that advisories of a branch name is in a build of it.
    pub(crate) fn has_fix(&self, version: &str, fix: &str, tier: Tier) -> bool {
        match (self.system, tier) {
            ("Red Hat", Tier::Build) => red_hat::is_fix_of_own(version, fix),
            ("Red Hat", Tier::Host) => red_hat::is_fix_of_host(version, fix),
            ("Ubuntu", Tier::Build) => is_certified(fix),
            _ => false,
        }
    }

    /// Returns true if a range of the release that ends in this version is about builds of the same branch as the package's.
    pub(crate) fn is_about_branch(&self, version: &str, end: &str) -> bool {
        self.system == "Red Hat" && red_hat::are_of_one(version, end)
    }

    /// Returns true if a record is a statement of the distribution itself: of its own source, or with an id that it gives,
    /// whichever source carries it.
    pub(crate) fn is_by_distribution(&self, source: &str, record: &str) -> bool {
        let (own, ids): (&str, &[&str]) = match self.system {
            "Red Hat" => ("redhat", &["RHSA-", "RHBA-", "RHEA-"]),
            "Ubuntu" => ("ubuntu", &["USN-", "UBUNTU-CVE-"]),
            _ => return false,
        };
        source == own || ids.iter().any(|id| record.starts_with(id))
    }
}
