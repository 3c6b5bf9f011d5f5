//! Differences between a bundle and the site's knowledge, field by field.
//!
//! There are two kinds. If another author states something else about the same record, `view.conflict_strategy`
//! decides. If another record of the same advisory differs, the order of sources decides. `on_conflict=fail` is only
//! about the first kind: sources differ every day.

use std::collections::{BTreeMap, BTreeSet};

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::{ContentHash, MergeHash, SiteId};
use starling_view::{AdvisoryRef, ConflictStrategy, FieldName, FoldMemo, JsonText, Provenance, RecordKey};

use super::SiteParts;
use super::advisories::view_problem;
use super::bundle_plan::Plan;
use super::problem::store_problem;

/// Most conflicts listed in a report.
const LISTED_CONFLICTS: usize = 1_000;
/// Most contradicted records remembered while a bundle is read.
const KEPT_CONTRADICTIONS: usize = 10_000;
/// Number of records whose advisories are compared with other records: one fold takes a fraction of a millisecond,
/// and a first import has hundreds of thousands of records.
pub(super) const COMPARED_RECORDS: usize = 2_000;

/// Fields compared between records of several sources; dates differ for each record.
const COMPARED_FIELDS: [FieldName; 5] = [
    FieldName::Affected,
    FieldName::Details,
    FieldName::Severity,
    FieldName::Summary,
    FieldName::Withdrawn,
];

/// A record about which a bundle and another author disagree.
pub(super) struct Contradiction {
    /// The statement here: the shown one, if it is contradicted. `None`: the source dropped the record.
    pub(super) local: Option<ContentHash>,
    /// The statement in the bundle.
    pub(super) remote: Option<ContentHash>,
    /// The advisories to which the record contributed before.
    pub(super) advisories: Vec<AdvisoryRef>,
}

/// The contradictions of a bundle: each author's last statement about each record.
#[derive(Default)]
pub(super) struct Contradictions {
    kept: BTreeMap<(RecordKey, SiteId), Contradiction>,
    /// Number of records with different contents, including those not remembered.
    pub(super) count: u64,
}

impl Contradictions {
    pub(super) fn note(&mut self, record: RecordKey, author: SiteId, found: Contradiction) {
        let key = (record, author);
        self.forget(&key);
        self.count += u64::from(found.is_of_contents());
        if self.kept.len() < KEPT_CONTRADICTIONS {
            self.kept.insert(key, found);
        }
    }

    /// A later claim of the bundle agrees with the others, or drops the record.
    pub(super) fn withdraw(&mut self, record: &RecordKey, author: SiteId) {
        self.forget(&(record.clone(), author));
    }

    fn forget(&mut self, key: &(RecordKey, SiteId)) {
        if let Some(before) = self.kept.remove(key) {
            self.count -= u64::from(before.is_of_contents());
        }
    }

    /// Ignores an author whose claims are refused.
    pub(super) fn leave_out(&mut self, author: &SiteId) {
        let keys: Vec<_> = self
            .kept
            .keys()
            .filter(|(_, found)| found == author)
            .cloned()
            .collect();
        for key in keys {
            self.forget(&key);
        }
    }

    /// Returns the first record with different contents.
    pub(super) fn first(&self) -> Option<&RecordKey> {
        let mut kept = self.kept.iter();
        kept.find(|(_, found)| found.is_of_contents())
            .map(|((record, _), _)| record)
    }
}

impl Contradiction {
    /// Returns true if both are statements about the record's content; a record that its source dropped is not.
    const fn is_of_contents(&self) -> bool {
        self.local.is_some() && self.remote.is_some()
    }
}

/// The conflicts of a report under construction.
#[derive(Default)]
struct Listed {
    conflicts: Vec<types::Conflict>,
    /// Advisory and field: listed once, however many records differ.
    seen: BTreeSet<(MergeHash, &'static str)>,
    more: u64,
}

impl Listed {
    fn add(
        &mut self,
        advisory: MergeHash,
        field: &'static str,
        [local, remote]: [&str; 2],
        resolution: &str,
    ) {
        if !self.seen.insert((advisory, field)) {
            return;
        }
        let raw =
            |text: &str| types::RawJson::new(text.to_owned()).unwrap_or_else(|_| types::RawJson::null());
        if self.conflicts.len() < LISTED_CONFLICTS {
            self.conflicts.push(types::Conflict {
                merge_hash: advisory.into(),
                field: field.to_owned(),
                local_value: raw(local),
                remote_value: raw(remote),
                resolution: resolution.to_owned(),
            });
        } else {
            self.more += 1;
        }
    }
}

impl SiteParts {
    /// Lists the fields whose imported values differ from others, with the value that the view shows now.
    pub(super) fn tell_conflicts(
        &self,
        plan: &Plan,
        params: types::ImportParams,
        report: &mut types::ImportReport,
    ) -> ServiceResult<()> {
        let mut listed = Listed::default();
        for ((record, _), found) in &plan.contradictions.kept {
            self.compare_authors(record, found, &mut listed)?;
        }
        let authors: BTreeSet<SiteId> = plan.taken.iter().map(|range| range.site).collect();
        if self.others_are_accepted(&authors)? {
            for (record, content) in &plan.stated {
                self.compare_sources(record, content, &authors, &mut listed)?;
            }
            if plan.stated_count > plan.stated.len() as u64 {
                report.warnings.push(format!(
                    "sources were compared for the first {COMPARED_RECORDS} of {} records; `advisory get` shows the \
                     values that lost of any",
                    plan.stated_count
                ));
            }
        }
        if listed.more > 0 {
            report.warnings.push(format!(
                "{} conflicts more than the {LISTED_CONFLICTS} listed",
                listed.more
            ));
        }
        let configured = self.identity.config.view.conflict_strategy.to_string();
        if let Some(asked) = params.on_conflict
            && asked != types::ConflictStrategy::Fail
            && asked.as_str() != configured
            && plan.contradictions.count > 0
        {
            report.warnings.push(format!(
                "conflicts are decided by view.conflict_strategy = {configured:?}, for this and every import; \
                 on_conflict={} settles nothing by itself",
                asked.as_str()
            ));
        }
        report.conflicts = listed.conflicts;
        Ok(())
    }

    /// Returns true if anything is accepted here from other authors than these.
    fn others_are_accepted(&self, authors: &BTreeSet<SiteId>) -> ServiceResult<bool> {
        let logs = self
            .data
            .store
            .logs()
            .map_err(|error| store_problem("reading positions", &error))?;
        Ok(logs
            .iter()
            .any(|log| log.accepted.0 > 0 && !authors.contains(&log.id.site)))
    }

    /// One record about which two authors disagree.
    fn compare_authors(
        &self,
        record: &RecordKey,
        found: &Contradiction,
        listed: &mut Listed,
    ) -> ServiceResult<()> {
        let reader = self.reader()?;
        let shown = starling_view::chosen_content(&reader, record).map_err(|error| view_problem(&error))?;
        let now = starling_view::advisories_by_id(&reader, record.id.as_str())
            .map_err(|error| view_problem(&error))?;
        let strategy = self.identity.config.view.conflict_strategy;
        let kept = match (strategy, shown) {
            (ConflictStrategy::Fail, None) => "unresolved",
            _ if shown == found.remote => "remote",
            _ if shown == found.local => "local",
            // A third author's statement applies.
            _ => "other",
        };
        let resolution = format!("{kept}: {strategy}");
        // If the imported statement was chosen, the record may contribute to other advisories than before.
        let mut advisories: BTreeMap<MergeHash, &AdvisoryRef> = BTreeMap::new();
        for advisory in now.iter().chain(&found.advisories) {
            advisories.entry(advisory.merge_hash).or_insert(advisory);
        }
        let (Some(local), Some(remote)) = (found.local, found.remote) else {
            let said = |content: Option<ContentHash>| match content {
                Some(_) => "\"present\"",
                None => "\"absent\"",
            };
            for hash in advisories.keys() {
                listed.add(
                    *hash,
                    "state",
                    [said(found.local), said(found.remote)],
                    &resolution,
                );
            }
            return Ok(());
        };
        let body = |hash: &ContentHash| {
            self.data
                .store
                .body(hash)
                .map_err(|error| store_problem("reading a record", &error))
        };
        let (Some(local), Some(remote)) = (body(&local)?, body(&remote)?) else {
            return Ok(());
        };
        let settings = reader.settings();
        for (hash, advisory) in advisories {
            let stated = |body: &[u8]| {
                starling_view::stated_fields(body, &advisory.package, settings)
                    .map_err(|error| view_problem(&error))
            };
            let (local, remote) = (stated(&local)?, stated(&remote)?);
            for name in FieldName::ALL {
                let values = [local.get(&name), remote.get(&name)];
                if values[0] != values[1] {
                    let values = values.map(|value| value.map_or("null", JsonText::as_str));
                    listed.add(hash, name.as_str(), values, &resolution);
                }
            }
        }
        Ok(())
    }

    /// One imported record, compared with other authors' records of its advisories.
    fn compare_sources(
        &self,
        record: &RecordKey,
        content: &ContentHash,
        authors: &BTreeSet<SiteId>,
        listed: &mut Listed,
    ) -> ServiceResult<()> {
        let reader = self.reader()?;
        let advisories = starling_view::advisories_by_id(&reader, record.id.as_str())
            .map_err(|error| view_problem(&error))?;
        let is_imported = |from: &Provenance| {
            (&from.source, &from.id, &from.content) == (&record.source, &record.id, content)
        };
        let is_of_others = |from: &Provenance| {
            (&from.source, &from.id) != (&record.source, &record.id)
                && from.authors.iter().any(|author| !authors.contains(author))
        };
        let memo = FoldMemo::default();
        for advisory in advisories {
            let Some(folded) = self.folded(&reader, &advisory, &memo)? else {
                continue;
            };
            for name in COMPARED_FIELDS {
                let Some(field) = folded.fields.get(name) else {
                    continue;
                };
                let values = || {
                    let losers = field.losers.iter().map(|loser| (&loser.provenance, &loser.value));
                    std::iter::once((&field.provenance, &field.value)).chain(losers)
                };
                let imported = values().find(|(from, _)| is_imported(from));
                let other = values().find(|(from, _)| is_of_others(from));
                if let (Some((_, imported)), Some((_, other))) = (imported, other) {
                    let kept = match &field.value {
                        value if value == imported => "remote",
                        value if value == other => "local",
                        _ => "other",
                    };
                    let values = [other.as_str(), imported.as_str()];
                    listed.add(
                        advisory.merge_hash,
                        name.as_str(),
                        values,
                        &format!("{kept}: source order"),
                    );
                }
            }
        }
        Ok(())
    }
}
