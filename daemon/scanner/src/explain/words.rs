//! Says in words why an explanation concludes what it does.

use std::fmt;

use super::{AdvisoryExplanation, Conclusion, Explanation};
use crate::matching::{Rule, WhyNot};
use crate::osv::Event;

impl Explanation {
    /// Returns the conclusion's reason in one sentence.
    pub fn reason(&self) -> String {
        let reason = self.reason_of_rules();
        match &self.about_epel {
            Some(remark) => format!("{reason}; {remark}"),
            None => reason,
        }
    }

    fn reason_of_rules(&self) -> String {
        let Some(package) = &self.package else {
            return "no OSV ecosystem holds packages of this URL's type".to_owned();
        };
        let about = format!("{} {}", package.ecosystem, package.name);
        if !package.release_known {
            return format!(
                "advisories of {} are per release, and nothing says which release this is; give a distro qualifier",
                package.ecosystem
            );
        }
        let version = self.version.as_deref().unwrap_or("");
        let rules = || {
            let standing = self
                .advisories
                .iter()
                .filter(|advisory| advisory.withdrawn.is_none());
            standing.flat_map(AdvisoryExplanation::counting)
        };
        match self.conclusion {
            Conclusion::Affected => {
                let mut standing = self.advisories.iter().filter(|one| one.withdrawn.is_none());
                let rule = standing.find_map(|one| {
                    let rule = one.counting().find_map(|entry| entry.matched.first())?;
                    Some((one.branch.as_ref(), rule))
                });
                match rule {
                    Some((Some(branch), rule)) => {
                        format!("{version} of {branch} {} is within {rule}", package.name)
                    }
                    Some((None, rule)) => format!("{version} of {about} is within {rule}"),
                    None => format!("{version} of {about} is affected"),
                }
            }
            Conclusion::NotAffected => match rules().flat_map(|entry| &entry.unmatched).last() {
                Some((rule, why)) => format!("{version} of {about} is outside of {rule}: {why}"),
                None => format!("no rule about {about} names any version"),
            },
            Conclusion::Withdrawn if self.is_about_all => {
                format!("every advisory about {about} is withdrawn")
            }
            Conclusion::Withdrawn => format!("every advisory about {about} with this id is withdrawn"),
            Conclusion::NotAbout => match self.other_advisories {
                0 => format!("this site has no advisory about {about}"),
                others => format!("none of the {others} advisories about {about} carries this id"),
            },
            Conclusion::CannotSay if self.is_without_source => {
                format!("nothing is known about {about}: this site has no source about its ecosystem")
            }
            Conclusion::CannotSay if self.is_vendor_unknown => format!(
                "the revision of {version} shows that it is not the distribution's own build, and advisories about {about} \
                 compare those"
            ),
            Conclusion::CannotSay if self.is_name_unknown => format!(
                "advisories may use another name than {about}: its namespace or source package is missing in the URL"
            ),
            Conclusion::CannotSay if self.module_above.is_some() => format!(
                "{about} may be a package of the module {}, of which {version} is affected",
                self.module_above.as_deref().unwrap_or_default()
            ),
            Conclusion::CannotSay if self.version.is_none() => {
                format!("the URL of {about} has no version to compare")
            }
            Conclusion::CannotSay => {
                let undecided = rules()
                    .flat_map(|entry| &entry.unmatched)
                    .find(|(_, why)| why.is_undecided());
                match undecided {
                    Some((_, WhyNot::VendorUnknown)) => format!(
                        "nothing says who built {about}, and an advisory about another vendor's calls {version} affected"
                    ),
                    Some((rule, why)) => format!("{rule} of {about} cannot be evaluated: {why}"),
                    None => format!("{about} cannot be evaluated"),
                }
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enumerated => f.write_str("the list of versions"),
            Self::Range {
                index,
                kind,
                introduced,
                until,
            } => {
                write!(f, "{kind} range {index}")?;
                if let Some(introduced) = introduced {
                    write!(f, ", affected from {introduced}")?;
                }
                match until {
                    Some(Event::Fixed(version)) => write!(f, ", fixed in {version}"),
                    Some(Event::LastAffected(version)) => write!(f, ", up to and with {version}"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed => f.write_str("the version is not listed"),
            Self::Outside {
                closed_by,
                next_introduced,
            } => {
                match closed_by {
                    Some(Event::Fixed(version)) => write!(f, "fixed since {version}")?,
                    Some(Event::LastAffected(version)) => write!(f, "after {version}, the last affected")?,
                    Some(_) => f.write_str("outside of the range")?,
                    None => f.write_str("not yet affected")?,
                }
                match next_introduced {
                    Some(version) => write!(f, ", affected from {version} on"),
                    None => Ok(()),
                }
            }
            Self::NeedsCommitGraph => f.write_str("a range of commits, which needs the repository"),
            Self::CommitNotPlaced => f.write_str(
                "no event of the range names the commit, and whether it comes after one needs the repository",
            ),
            Self::NoOrder => f.write_str("versions of this ecosystem have no known order"),
            Self::NoVersion => f.write_str("there is no version to compare"),
            Self::VersionUnreadable => f.write_str("the version has no place in the ecosystem's order"),
            Self::OtherModule => f.write_str("the advisory is about another module stream"),
            Self::OtherBranch => {
                f.write_str("an advisory about the branch of the build says that it has the fix")
            }
            Self::EpochUnknown => f.write_str("the source's version may lack its epoch"),
            Self::VendorUnknown => {
                f.write_str("it is about another vendor's package, and nothing says who built this one")
            }
            Self::EventsUnreadable => f.write_str("the range's versions cannot be read"),
            Self::EventsContradict => {
                f.write_str("its events contradict one another: one ends what no other one began")
            }
            Self::NoBeginning => f.write_str("it does not say from which version on anything is affected"),
        }
    }
}
