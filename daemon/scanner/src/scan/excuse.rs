//! What the advisories of a build's branches say in its favour, for each vulnerability that those of its release call open.

use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::streams::BranchBuild;
use crate::knowledge::{Advisory, StatedEntries};
use crate::matching::{Evaluation, Rule, Subject, evaluate_about};
use crate::osv::{Affected, Event};
use crate::purl::osv::Tier;

/// The tier of advisories, and the index of the name by which they were looked up.
pub(super) type Place = (Tier, usize);

/// The advisories of a branch about a build.
#[derive(Debug)]
struct BranchList<A> {
    place: Place,
    advisories: A,
    /// What each of them says, once it was asked.
    says: Vec<OnceCell<Says>>,
}

/// What an advisory of a branch says about a build.
#[derive(Debug)]
enum Says {
    Nothing,
    /// The build is affected, or it is unclear.
    Open,
    /// The build has the fix.
    Fixed {
        is_by_distribution: bool,
        sources: Vec<String>,
    },
}

/// The advisories of the branches of a build, which may excuse it from what others say, in the order of their priority.
#[derive(Debug)]
pub(crate) struct BranchLists<A> {
    lists: Vec<BranchList<A>>,
    /// The hash of every name of an advisory, with the indexes of its list and of itself there; in order.
    by_name: Vec<(u64, usize, usize)>,
}

/// What advisories of a branch say in favour of a build about one vulnerability.
#[derive(Debug)]
pub(crate) struct Excuse<'b> {
    build: &'b BranchBuild,
    /// True if the distribution itself says so.
    is_by_distribution: bool,
    /// The sources that say so.
    sources: Vec<&'b str>,
}

impl<A: AsRef<[Advisory]>> BranchLists<A> {
    /// Creates the lists from advisories with their places.
    pub(super) fn new(lists: Vec<(Place, A)>) -> Self {
        let mut by_name = Vec::new();
        for (at, (_, advisories)) in lists.iter().enumerate() {
            for (index, advisory) in advisories.as_ref().iter().enumerate() {
                if advisory.withdrawn.is_none() {
                    let names = std::iter::once(&advisory.vulnerability).chain(&advisory.ids);
                    by_name.extend(names.map(|name| (hash_of(name), at, index)));
                }
            }
        }
        by_name.sort_unstable();
        by_name.dedup();
        let with_says = |(place, advisories): (Place, A)| BranchList {
            place,
            says: advisories.as_ref().iter().map(|_| OnceCell::new()).collect(),
            advisories,
        };
        Self {
            lists: lists.into_iter().map(with_says).collect(),
            by_name,
        }
    }

    /// Returns what the branches say in favour of the build about an advisory's vulnerability, which is about an ecosystem of this
    /// tier; `None` if nothing, or if one says otherwise.
    pub(crate) fn excuse<'b>(
        &'b self,
        build: &'b BranchBuild,
        advisory: &Advisory,
        tier: Tier,
    ) -> Option<Excuse<'b>> {
        let mut excuse = Excuse {
            build,
            is_by_distribution: false,
            sources: Vec::new(),
        };
        let mut place = None;
        for (at, index) in self.named_as(advisory) {
            let Some(list) = self.lists.get(at).filter(|list| list.place.0 < tier) else {
                continue;
            };
            let Some(own) = list
                .advisories
                .as_ref()
                .get(index)
                .filter(|own| is_same(advisory, own))
            else {
                continue;
            };
            // What a branch says by the package's own name ends what it says by the source's, and what the host's says.
            if !excuse.sources.is_empty() && place != Some(list.place) {
                break;
            }
            place = Some(list.place);
            match list.says(build, own, index) {
                Says::Nothing => {}
                Says::Open => return None,
                Says::Fixed {
                    is_by_distribution,
                    sources,
                } => {
                    excuse.is_by_distribution |= is_by_distribution;
                    for source in sources {
                        if !excuse.sources.contains(&source.as_str()) {
                            excuse.sources.push(source);
                        }
                    }
                }
            }
        }
        (!excuse.sources.is_empty()).then_some(excuse)
    }

    /// Returns the places of the advisories that have a name in common with this one, in the order of their priority.
    fn named_as(&self, advisory: &Advisory) -> Vec<(usize, usize)> {
        let names = std::iter::once(advisory.vulnerability.as_str()).chain(cves_of(advisory).take(1));
        let mut found = Vec::new();
        for name in names {
            let hash = hash_of(name);
            let first = self.by_name.partition_point(|(own, ..)| *own < hash);
            let all = self.by_name.get(first..).unwrap_or_default().iter();
            let all = all.take_while(|(own, ..)| *own == hash);
            found.extend(all.map(|(_, at, index)| (*at, *index)));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl<A> BranchList<A> {
    fn says(&self, build: &BranchBuild, own: &Advisory, index: usize) -> &Says {
        static NOTHING: Says = Says::Nothing;
        let cell = self.says.get(index);
        cell.map_or(&NOTHING, |cell| {
            cell.get_or_init(|| Says::of(build, own, self.place))
        })
    }
}

impl Says {
    fn of(build: &BranchBuild, own: &Advisory, place: Place) -> Self {
        let (mut is_by_distribution, mut sources) = (false, Vec::new());
        for said in own.stated().filter(StatedEntries::counts) {
            match build.is_fixed_by(own, said, place) {
                Some(true) => {
                    for (source, record) in makers_of(own, said) {
                        is_by_distribution |= build.package.is_by_distribution(source, record);
                        sources.push(source.to_owned());
                    }
                }
                Some(false) => return Self::Open,
                None => {}
            }
        }
        if sources.is_empty() {
            return Self::Nothing;
        }
        sources.sort_unstable();
        sources.dedup();
        Self::Fixed {
            is_by_distribution,
            sources,
        }
    }
}

impl Excuse<'_> {
    /// Evaluates an entry of a statement of an advisory, and leaves its rules to the branch if the branch's statement has priority.
    pub(crate) fn apply(
        &self,
        advisory: &Advisory,
        said: StatedEntries<'_>,
        found: &mut Evaluation,
        subject: &Subject,
    ) {
        if (found.is_affected() || found.is_undecided()) && self.has_priority(advisory, said) {
            let package = &self.build.package;
            found.leave_to_branch(|rule| match rule {
                Rule::Enumerated => false,
                Rule::Range { until, .. } => match until {
                    Some(Event::Fixed(end) | Event::LastAffected(end)) => {
                        !package.is_about_branch(subject.text(), end)
                    }
                    _ => true,
                },
            });
        }
    }

    /// Returns true if the distribution says so, or every author of a statement.
    fn has_priority(&self, advisory: &Advisory, said: StatedEntries<'_>) -> bool {
        let mut makers = makers_of(advisory, said).into_iter();
        self.is_by_distribution || makers.all(|(source, _)| self.sources.contains(&source))
    }
}

/// Evaluates an entry of a statement, as far as nothing excuses the build from it.
pub(crate) fn evaluate_unless(
    excuse: Option<&Excuse<'_>>,
    advisory: &Advisory,
    said: StatedEntries<'_>,
    entry: &Affected,
    subject: &Subject,
) -> Evaluation {
    let mut found = evaluate_about(&advisory.summary, entry, subject);
    if let Some(excuse) = excuse {
        excuse.apply(advisory, said, &mut found, subject);
    }
    found
}

/// Returns source and record of everybody who makes a statement.
fn makers_of<'a>(advisory: &'a Advisory, said: StatedEntries<'a>) -> Vec<(&'a str, &'a str)> {
    let by = said.statement.iter().flat_map(|statement| &statement.by);
    let mut makers: Vec<(&str, &str)> = by
        .map(|record| (record.source.as_str(), record.record.as_str()))
        .collect();
    if makers.is_empty() {
        let first = advisory.provenance.first();
        let first = first.map(|from| (from.source.as_str(), from.record.as_str()));
        makers.push(first.unwrap_or_default());
    }
    makers
}

/// Returns true if an advisory is about a vulnerability by its own names: both are the same, or it has the same CVE. Ids that are only
/// related excuse nothing.
fn is_same(vulnerability: &Advisory, own: &Advisory) -> bool {
    if vulnerability.vulnerability == own.vulnerability {
        return true;
    }
    let mut names = cves_of(vulnerability).peekable();
    if names.peek().is_none() {
        return own.ids.contains(&vulnerability.vulnerability);
    }
    names.all(|name| cves_of(own).any(|own| own == name))
}

/// Returns the CVEs that name an advisory.
fn cves_of(advisory: &Advisory) -> impl Iterator<Item = &str> {
    let is_cve = |id: &str| id.starts_with("CVE-");
    let identity = Some(advisory.vulnerability.as_str()).filter(|id| is_cve(id));
    let ids = match identity {
        Some(_) => &[],
        None => advisory.ids.as_slice(),
    };
    let ids = ids.iter().map(String::as_str).filter(move |id| is_cve(id));
    identity.into_iter().chain(ids)
}

fn hash_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advisory(vulnerability: &str, ids: &[&str]) -> Advisory {
        Advisory {
            vulnerability: vulnerability.to_owned(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Advisory::default()
        }
    }

    #[test]
    fn only_advisories_with_a_name_of_the_vulnerability_are_compared() {
        let all = (0..500).map(|n| advisory(&format!("RHSA-{n}"), &[&format!("CVE-{n}"), "CVE-X"]));
        let all: Vec<Advisory> = all.collect();
        let other = vec![advisory("CVE-7", &["CVE-7", "RHSA-7"]), advisory("A", &["B"])];
        let lists = BranchLists::new(vec![((Tier::Host, 0), other), ((Tier::Build, 0), all)]);
        for (asked, expected) in [
            (advisory("CVE-7", &[]), vec![(0, 0), (1, 7)]),
            (advisory("RHSA-7", &["RHSA-7", "CVE-7"]), vec![(0, 0), (1, 7)]),
            (advisory("RHSA-7", &["RHSA-7"]), vec![(0, 0), (1, 7)]),
            (advisory("B", &["B"]), vec![(0, 1)]),
            (advisory("CVE-9999", &["CVE-9999"]), vec![]),
        ] {
            assert_eq!(lists.named_as(&asked), expected, "{}", asked.vulnerability);
        }
    }

    #[test]
    fn advisories_are_of_one_vulnerability_by_all_cves_of_the_asked_one() {
        let own = advisory("RHSA-1", &["RHSA-1", "CVE-1", "CVE-2"]);
        for (asked, expected) in [
            (advisory("CVE-1", &["CVE-1", "CVE-3"]), true),
            (advisory("A", &["A", "CVE-1", "CVE-2"]), true),
            (advisory("A", &["A", "CVE-1", "CVE-3"]), false),
            (advisory("RHSA-1", &["RHSA-1"]), true),
            (advisory("A", &["A", "RHSA-1"]), false),
        ] {
            assert_eq!(is_same(&asked, &own), expected, "{asked:?}");
        }
    }
}
