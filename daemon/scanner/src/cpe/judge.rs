//! Holds one name of a component against the statements about its product.
//!
//! Part, vendor and product are equal, because the statements were found by them. The other attributes compare by NISTIR
//! 7696 with these readings (docs/adr/0019): what a component leaves open in its edition, language or target is
//! assumed to fit and named; what it leaves open in its version or update is undecided, unless the statement is about all
//! of them.

use std::cmp::Ordering;
use std::fmt;

use super::applicability::{Applicability, Bound, ProductMatch};
use super::name::Cpe;
use super::system::OperatingSystem;
use super::value::Value;
use super::version::compare_versions;
use crate::osv::Event;
use crate::scan::StatementResult;

/// A component's name, with its version.
#[derive(Debug, Clone)]
pub struct CpeSubject {
    cpe: Cpe,
    /// The version to compare; `None` if it is unknown, or if the name states that there is none.
    version: Option<String>,
    /// True if the name says that it has no version.
    has_none: bool,
}

/// A match that says "affected".
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpeRule {
    /// The name in the configuration, as a formatted string.
    pub criteria: String,
    /// The first affected version.
    pub introduced: Option<String>,
    /// The end of the affected versions.
    pub until: Option<Event>,
    /// What the product must run on, which was assumed; one text for each platform.
    pub running_on: Vec<String>,
    /// Attributes that the component leaves open and the configuration states.
    pub assumed: Vec<&'static str>,
}

/// The result for one component and one advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CpeVerdict {
    /// Affected by these rules.
    Affected(Vec<CpeRule>),
    /// All statements were evaluated, and none says so.
    NotAffected,
    /// A statement could not be evaluated.
    Undecided,
}

/// The result of one match.
enum Fit {
    No,
    Doubt,
    Yes(Vec<&'static str>),
}

impl CpeSubject {
    /// Prepares a component's name; `version` is the component's own, used if the name has none. `None` if the name's
    /// product cannot be looked up.
    pub fn new(cpe: Cpe, version: Option<&str>) -> Option<(String, Self)> {
        let product = cpe.product_name()?;
        let stated = match cpe.version() {
            Value::Any => version
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            Value::Na => None,
            // A pattern is several versions.
            value => value.plain().map(str::to_owned),
        };
        let subject = Self {
            has_none: *cpe.version() == Value::Na,
            version: stated,
            cpe,
        };
        Some((product, subject))
    }

    /// Returns the name.
    pub fn cpe(&self) -> &Cpe {
        &self.cpe
    }

    /// Returns the version's text; empty if it is unknown.
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or_default()
    }

    /// Returns true if its version is not known.
    pub fn is_unversioned(&self) -> bool {
        self.version.is_none() && !self.has_none
    }
}

/// Evaluates the statements of one advisory about the product.
pub fn judge(
    statements: &[Applicability],
    subject: &CpeSubject,
    system: Option<OperatingSystem>,
) -> CpeVerdict {
    let mut rules = Vec::new();
    let mut in_doubt = false;
    for statement in statements {
        in_doubt |= statement.is_cut;
        if system.is_some_and(|system| {
            statement
                .platforms
                .iter()
                .any(|platform| system.contradicts(platform))
        }) {
            continue;
        }
        for one in &statement.matches {
            match fit(one, subject) {
                Fit::No => {}
                Fit::Yes(assumed) if !statement.is_negated => rules.push(rule_of(statement, one, assumed)),
                Fit::Yes(_) | Fit::Doubt => in_doubt = true,
            }
        }
        // Every product other than the negated one may be affected.
        in_doubt |= statement.is_negated;
    }
    rules.sort();
    rules.dedup();
    if !rules.is_empty() {
        CpeVerdict::Affected(rules)
    } else if in_doubt {
        CpeVerdict::Undecided
    } else {
        CpeVerdict::NotAffected
    }
}

/// Evaluates each match of the statements by itself, in order.
pub fn judge_each(
    statements: &[Applicability],
    subject: &CpeSubject,
    system: Option<OperatingSystem>,
) -> Vec<(CpeRule, StatementResult)> {
    let mut all = Vec::new();
    for statement in statements {
        let mut alone = Applicability {
            matches: Vec::new(),
            platforms: statement.platforms.clone(),
            ..*statement
        };
        for one in &statement.matches {
            alone.matches.clear();
            alone.matches.push(one.clone());
            all.push(match judge(std::slice::from_ref(&alone), subject, system) {
                CpeVerdict::Affected(mut rules) => {
                    (rules.pop().unwrap_or_default(), StatementResult::Affected)
                }
                CpeVerdict::NotAffected => {
                    (rule_of(statement, one, Vec::new()), StatementResult::NotAffected)
                }
                CpeVerdict::Undecided => (rule_of(statement, one, Vec::new()), StatementResult::Undecided),
            });
        }
    }
    all
}

/// Writes the name in the configuration, its range and what was assumed.
impl fmt::Display for CpeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.criteria)?;
        if let Some(introduced) = &self.introduced {
            write!(f, ", affected from {introduced}")?;
        }
        match &self.until {
            Some(Event::Fixed(version)) => write!(f, ", fixed in {version}")?,
            Some(Event::LastAffected(version)) => write!(f, ", up to and with {version}")?,
            _ => {}
        }
        for platform in &self.running_on {
            write!(f, ", running on {platform}")?;
        }
        if !self.assumed.is_empty() {
            write!(f, ", assumed to fit in {}", self.assumed.join(", "))?;
        }
        Ok(())
    }
}

fn rule_of(statement: &Applicability, one: &ProductMatch, assumed: Vec<&'static str>) -> CpeRule {
    let running_on = statement.platforms.iter().map(|platform| {
        let mut names = platform.names.join(" or ");
        if names.is_empty() {
            names = format!("{} more platforms that are not named here", platform.others);
        } else if platform.others > 0 {
            names.push_str(&format!(" or {} others", platform.others));
        }
        names
    });
    CpeRule {
        criteria: one.criteria.to_string(),
        introduced: one.start.as_ref().map(|start| start.version.clone()),
        until: one.end.as_ref().map(|end| match end.is_included {
            true => Event::LastAffected(end.version.clone()),
            false => Event::Fixed(end.version.clone()),
        }),
        running_on: running_on.collect(),
        assumed,
    }
}

fn fit(one: &ProductMatch, subject: &CpeSubject) -> Fit {
    let mut assumed = Vec::new();
    for ((name, stated), (_, own)) in one.criteria.rest().zip(subject.cpe.rest()) {
        match (stated, own) {
            (Value::Any, _) | (Value::Na, Value::Na | Value::Any) => {}
            (Value::Na, Value::Text { .. }) | (Value::Text { .. }, Value::Na) => return Fit::No,
            (Value::Text { .. }, Value::Any) => assumed.push(name),
            (stated, own) => match own.plain() {
                Some(own) if stated.covers(own) => {}
                Some(_) => return Fit::No,
                None if stated == own => {}
                None => return Fit::Doubt,
            },
        }
    }
    let version = match fit_version(one, subject) {
        Fit::Yes(_) => fit_update(one, subject),
        other => other,
    };
    // It can only add a match: no doubt goes with it.
    let version = match version {
        Fit::No | Fit::Doubt if is_joined(one, subject) => Fit::Yes(Vec::new()),
        other => other,
    };
    match version {
        Fit::Yes(_) => Fit::Yes(assumed),
        other => other,
    }
}

fn fit_version(one: &ProductMatch, subject: &CpeSubject) -> Fit {
    if one.is_unreadable {
        return Fit::Doubt;
    }
    let yes = Fit::Yes(Vec::new());
    if one.start.is_some() || one.end.is_some() {
        return fit_range(one, subject);
    }
    match (one.criteria.version(), &subject.version) {
        (Value::Any, _) => yes,
        (Value::Na, Some(_)) => Fit::No,
        (Value::Na, None) if subject.has_none => yes,
        (Value::Text { .. }, None) if subject.has_none => Fit::No,
        (Value::Na | Value::Text { .. }, None) => Fit::Doubt,
        (stated, Some(own)) => {
            if stated.covers(&own.to_lowercase()) {
                return yes;
            }
            match stated.plain().map(|stated| compare_versions(stated, own)) {
                Some(Some(Ordering::Equal)) => yes,
                // Two texts that cannot be ordered, and are not equal, are two versions.
                _ => Fit::No,
            }
        }
    }
}

/// Returns true if one of the two names states in its version what the other splits into version and update.
fn is_joined(one: &ProductMatch, subject: &CpeSubject) -> bool {
    let (Some(stated), Some(own)) = (one.criteria.version().plain(), &subject.version) else {
        return false;
    };
    let is_equal = |a: &str, b: &str| compare_versions(a, b) == Some(Ordering::Equal);
    match (one.criteria.update(), subject.cpe.update()) {
        (update @ Value::Text { .. }, Value::Any) => update
            .plain()
            .is_some_and(|update| is_equal(&format!("{stated}-{update}"), own)),
        (Value::Any | Value::Na, update @ Value::Text { .. }) => update
            .plain()
            .is_some_and(|update| is_equal(stated, &format!("{own}-{update}"))),
        _ => false,
    }
}

fn fit_range(one: &ProductMatch, subject: &CpeSubject) -> Fit {
    let Some(own) = &subject.version else {
        return Fit::Doubt;
    };
    // At an end, an update of the component decides, which the end does not state.
    let has_update = matches!(subject.cpe.update(), Value::Text { .. });
    let side = |bound: &Bound, inner: Ordering| match compare_versions(own, &bound.version) {
        None => Fit::Doubt,
        Some(Ordering::Equal) if has_update && !bound.is_included => Fit::Doubt,
        Some(Ordering::Equal) if !bound.is_included => Fit::No,
        Some(Ordering::Equal) => Fit::Yes(Vec::new()),
        Some(side) if side == inner => Fit::Yes(Vec::new()),
        Some(_) => Fit::No,
    };
    let start = one.start.as_ref().map(|bound| side(bound, Ordering::Greater));
    let end = one.end.as_ref().map(|bound| side(bound, Ordering::Less));
    match (start, end) {
        (Some(Fit::No), _) | (_, Some(Fit::No)) => Fit::No,
        (Some(Fit::Doubt), _) | (_, Some(Fit::Doubt)) => Fit::Doubt,
        _ => Fit::Yes(Vec::new()),
    }
}

fn fit_update(one: &ProductMatch, subject: &CpeSubject) -> Fit {
    match (one.criteria.update(), subject.cpe.update()) {
        (Value::Any, _) | (Value::Na, Value::Na | Value::Any) => Fit::Yes(Vec::new()),
        (Value::Text { .. }, Value::Any) => Fit::Doubt,
        (Value::Na, Value::Text { .. }) | (Value::Text { .. }, Value::Na) => Fit::No,
        (stated, own) => match own.plain() {
            Some(own) if stated.covers(own) => Fit::Yes(Vec::new()),
            Some(_) => Fit::No,
            None if stated == own => Fit::Yes(Vec::new()),
            None => Fit::Doubt,
        },
    }
}
