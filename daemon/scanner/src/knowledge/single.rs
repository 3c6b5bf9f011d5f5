//! A single record as knowledge: a scan's result if nothing else was known.

use std::collections::BTreeSet;

use super::{Advisory, JudgedAt, Knowledge, KnowledgeError, Provenance, StatingRecord, WithdrawnStatement};
use crate::name::{ecosystem_base, normalise_name};
use crate::osv::{Affected, Record};
use crate::purl::osv::address_of;
use crate::severity::StatedSeverity;
use crate::threat::Threat;

/// An OSV record outside of any site's view.
#[derive(Debug, Clone)]
pub struct SingleRecord {
    record: Record,
    source: String,
}

impl SingleRecord {
    /// Creates knowledge from a record of `source` (the name of a feed or file).
    pub fn new(record: Record, source: impl Into<String>) -> Self {
        Self {
            record,
            source: source.into(),
        }
    }

    /// Returns what a withdrawn record states until its withdrawal.
    fn withdrawn_statements(&self, entries: &[Affected]) -> Vec<WithdrawnStatement> {
        let said = self.record.withdrawn.as_deref().map(|text| WithdrawnStatement {
            by: StatingRecord {
                record: self.record.id.clone(),
                source: self.source.clone(),
            },
            until: JudgedAt::of_withdrawal(text),
            entries: entries.to_vec(),
            ..WithdrawnStatement::default()
        });
        said.into_iter().collect()
    }

    /// Returns the record.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

impl Knowledge for SingleRecord {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        let record = &self.record;
        let affected: Vec<_> = record
            .affected
            .iter()
            .filter(|entry| {
                entry.package.as_ref().is_some_and(|package| {
                    package.ecosystem.trim() == ecosystem
                        && normalise_name(&package.ecosystem, &package.name) == name
                })
            })
            .cloned()
            .collect();
        if affected.is_empty() {
            return Ok(Vec::new());
        }
        let severities = record.severities().map(|severity| StatedSeverity {
            source: self.source.clone(),
            kind: severity.kind.clone(),
            value: severity.score.0.clone(),
        });
        Ok(vec![Advisory {
            merge_hash: String::new(),
            vulnerability: record.id.clone(),
            ids: record.aliases.iter().chain(&record.upstream).cloned().collect(),
            related: Vec::new(),
            summary: record.summary_or_details(),
            withdrawn_statements: self.withdrawn_statements(&affected),
            withdrawn_ratings: Vec::new(),
            withdrawn: record.withdrawn.clone(),
            severities: severities.collect(),
            // Further data about the vulnerability does not change which packages are affected.
            threat: Threat::default(),
            affected,
            statements: Vec::new(),
            unresolved: false,
            configurations: Vec::new(),
            provenance: vec![Provenance {
                source: self.source.clone(),
                record: record.id.clone(),
                sites: Vec::new(),
            }],
            conflicts: Vec::new(),
        }])
    }

    fn repositories(&self, base: &str) -> Result<Vec<String>, KnowledgeError> {
        let packages = self
            .record
            .affected
            .iter()
            .filter_map(|entry| entry.package.as_ref());
        let ecosystems = packages.map(|package| package.ecosystem.trim());
        let of_base = ecosystems
            .filter(|ecosystem| address_of(ecosystem).is_some() && ecosystem_base(ecosystem) == base);
        Ok(of_base
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect())
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        let base = ecosystem_base(ecosystem);
        let mut packages = self
            .record
            .affected
            .iter()
            .filter_map(|entry| entry.package.as_ref());
        Ok(packages.any(|package| ecosystem_base(&package.ecosystem) == base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> SingleRecord {
        SingleRecord::new(Record::from_json(json.as_bytes()).unwrap(), "file")
    }

    #[test]
    fn entries_are_selected_by_normalised_name() {
        let single = record(
            r#"{"id":"X-1","aliases":["CVE-1"],"affected":[
                {"package":{"ecosystem":"PyPI","name":"Foo_Bar"},"versions":["1"]},
                {"package":{"ecosystem":"Debian:11","name":"foo-bar"},"versions":["2"]},
                {"package":{"ecosystem":"PyPI","name":"other"},"versions":["3"]}]}"#,
        );
        let found = single.advisories("PyPI", "foo-bar").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].affected.len(), 1);
        assert_eq!(
            (found[0].vulnerability.as_str(), &found[0].ids[..]),
            ("X-1", &["CVE-1".to_owned()][..])
        );
        assert!(single.advisories("Debian:12", "foo-bar").unwrap().is_empty());
        assert!(single.knows_ecosystem("Debian:12").unwrap());
        assert!(!single.knows_ecosystem("npm").unwrap());
    }
}
