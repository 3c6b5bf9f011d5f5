//! Counts the records that no scan can match, by reason: of an import, and of all knowledge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_scanner::reach::{OutOfReach, is_met, out_of_reach};
use starling_view::PackageId;

use super::advisories::view_problem;
use super::problem::store_problem;
use super::{KEV_SOURCE, SiteParts};
use crate::home::error_chain;

/// Most reasons listed separately; the records of further reasons are counted together.
const MOST_REASONS: usize = 50;

/// Name of the check of what scans can find.
pub(super) const REACH_CHECK: &str = "records that a scan can find";
/// Most sources that are held back and named.
const HELD_NAMED: usize = 5;

/// The number of records for each reason, with the first of them.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    listed: BTreeMap<OutOfReach, (u64, String)>,
    others: Option<(u64, String)>,
}

impl Reasons {
    pub(super) fn count(&mut self, why: &OutOfReach, record: &str) {
        if let Some((records, _)) = self.listed.get_mut(why) {
            *records += 1;
        } else if self.listed.len() < MOST_REASONS {
            self.listed.insert(why.clone(), (1, record.to_owned()));
        } else {
            self.others.get_or_insert_with(|| (0, record.to_owned())).0 += 1;
        }
    }

    pub(super) fn into_list(self) -> Vec<types::OutOfReach> {
        let listed = self
            .listed
            .into_iter()
            .map(|(why, counted)| (why.to_string(), counted));
        let others = self
            .others
            .map(|counted| ("other ecosystems without a package URL".to_owned(), counted));
        let all = listed.chain(others);
        all.map(|(reason, (records, example))| types::OutOfReach {
            reason,
            records,
            example,
        })
        .collect()
    }
}

impl SiteParts {
    /// Reports which live records no scan can match. This is not damage, which other checks report.
    pub(super) fn reach_check(&self) -> types::DoctorCheck {
        let (ok, found) = match self.reach_text() {
            Ok((0, _)) => (false, self.nothing_live()),
            Ok((_, text)) => (true, text),
            Err(problem) => (false, format!("not examined: {problem}")),
        };
        let held = self.held_back();
        types::DoctorCheck {
            name: REACH_CHECK.to_owned(),
            ok: ok && held.is_none(),
            found: match held {
                Some(held) => format!("{found}; {held}"),
                None => found,
            },
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        }
    }

    /// Says what a scan can find without a live record.
    fn nothing_live(&self) -> String {
        let advisories = self.reader().and_then(|reader| {
            reader
                .advisory_count()
                .map_err(|error| store_problem("reading the view", &error))
        });
        match advisories {
            Ok(0) => "no record is here: a scan finds nothing".to_owned(),
            Ok(_) => "every record here is withdrawn, or from a later time on: a scan finds only what is not withdrawn yet"
                .to_owned(),
            Err(problem) => format!("no live record is here, and the others were not counted: {problem}"),
        }
    }

    /// Returns the sources that wait for record bodies, so that not all of their statements apply yet.
    pub(super) fn held_back(&self) -> Option<String> {
        let missing = match self.missing() {
            Ok(missing) => missing,
            Err(error) => return Some(format!("not known what is held back: {}", error_chain(&error))),
        };
        let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
        for one in &missing {
            *sources.entry(&one.source).or_default() += one.bodies;
        }
        let named: Vec<String> = sources
            .iter()
            .take(HELD_NAMED)
            .map(|(source, bodies)| format!("{source} ({bodies} record bodies are missing)"))
            .collect();
        let more = match sources.len().saturating_sub(HELD_NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (!named.is_empty()).then(|| format!("held back: {}{more}", named.join(", ")))
    }

    /// Returns the number of records, and what was found.
    fn reach_text(&self) -> ServiceResult<(u64, String)> {
        let reader = self.reader()?;
        let (mut examined, mut found, mut marks) = (0_u64, 0_u64, 0_u64);
        let mut reasons = Reasons::default();
        let mut met: BTreeMap<String, bool> = BTreeMap::new();
        starling_view::for_each_live_record(&reader, |record, packages, products| {
            examined += 1;
            if record.source.as_str() == KEV_SOURCE {
                marks += 1;
                return ControlFlow::Continue(());
            }
            if !products.is_empty() {
                return ControlFlow::Continue(());
            }
            let ecosystems = packages.iter().filter_map(|package| match package {
                PackageId::Package { ecosystem, .. } => Some(ecosystem.as_str()),
                _ => None,
            });
            let names_commits = packages
                .iter()
                .any(|package| matches!(package, PackageId::Repository { .. }));
            let is_known = |ecosystem: &str| match met.get(ecosystem) {
                Some(known) => *known,
                None => *met
                    .entry(ecosystem.to_owned())
                    .or_insert_with(|| is_met(ecosystem)),
            };
            if let Some(why) = out_of_reach(ecosystems, names_commits, is_known) {
                found += 1;
                reasons.count(&why, &record.to_string());
            }
            ControlFlow::Continue(())
        })
        .map_err(|error| view_problem(&error))?;
        let mut text = format!("{examined} records examined");
        if marks > 0 {
            text = format!(
                "{text}; {marks} are the catalogue of exploited vulnerabilities, which names no packages: they mark what \
                 other sources find"
            );
        }
        if found > 0 {
            let listed = reasons.into_list().into_iter();
            let listed =
                listed.map(|one| format!("{}: {} (such as {})", one.records, one.reason, one.example));
            text = format!(
                "{text}; {found} that no scan can find: {}",
                listed.collect::<Vec<_>>().join("; ")
            );
        }
        Ok((examined, text))
    }
}
