//! The statements of all documents of one scan, and the choice of the applicable one for a finding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use starling_protocol::UnixMillis;
use starling_scanner::purl::PackageUrl;
use starling_scanner::scan::Finding;

use super::product::{Scanned, is_product};
use super::{Product, Statement, VexDocument, VexReport, is_about};

/// A statement in its application to the scanned SBOM.
#[derive(Debug, Clone)]
struct StatementAbout<'a> {
    /// The index of its document.
    document: usize,
    statement: &'a Statement,
    /// Its package.
    product: Arc<PackageUrl>,
}

/// The statements of all documents of a scan, by vulnerability name.
#[derive(Debug)]
pub(crate) struct VexIndex<'a> {
    /// By vulnerability and package, for any version.
    by_name: BTreeMap<(&'a str, PackageUrl), Vec<StatementAbout<'a>>>,
    /// By vulnerability: statements about the subject of the SBOM, which apply to everything in it.
    of_subject: BTreeMap<&'a str, Vec<(usize, &'a Statement)>>,
    reports: Vec<VexReport>,
    /// The time of the scan, if known.
    as_of: Option<UnixMillis>,
}

impl<'a> VexIndex<'a> {
    /// Builds the index of the statements in `documents` that may be about findings of an SBOM. Stored documents may
    /// contain far more than one scan finds.
    pub(crate) fn of<'f>(
        documents: &'a [VexDocument],
        scanned: &Scanned<'_>,
        findings: impl IntoIterator<Item = &'f Finding>,
    ) -> Self {
        let found: BTreeSet<&str> = findings.into_iter().flat_map(names_of).collect();
        let mut index = Self {
            by_name: BTreeMap::new(),
            of_subject: BTreeMap::new(),
            reports: Vec::with_capacity(documents.len()),
            as_of: scanned.as_of,
        };
        for (number, document) in documents.iter().enumerate() {
            // Statements about one vulnerability are adjacent and share its names.
            let mut names: (Option<&Arc<[String]>>, Vec<&str>) = Default::default();
            for statement in document.statements.iter() {
                if names.0.is_none_or(|ids| !Arc::ptr_eq(ids, &statement.ids)) {
                    let ids = statement.ids.iter().map(String::as_str);
                    names = (
                        Some(&statement.ids),
                        ids.filter(|id| found.contains(id)).collect(),
                    );
                }
                if !names.1.is_empty() && scanned.is_of_any(&statement.within, document.kept) {
                    index.take(number, statement, &names.1, scanned);
                }
            }
            index.reports.push(VexReport {
                hash: format!("blake3:{}", blake3::Hash::from_bytes(document.hash).to_hex()),
                format: document.format,
                author: document.author.clone(),
                statements: u64::try_from(document.statements.len()).unwrap_or(u64::MAX),
                unusable: document.unusable(),
                unusable_by: document.unusable.clone(),
                settled: 0,
            });
        }
        index
    }

    /// Adds a statement about the SBOM, under some names of its vulnerability.
    fn take(&mut self, document: usize, statement: &'a Statement, names: &[&'a str], scanned: &Scanned<'_>) {
        let (product, about_all) = match &statement.product {
            Product::Package(purl) => {
                let is_subject = scanned.purl().is_some_and(|own| is_product(purl, own));
                (Some(Arc::clone(purl)), is_subject)
            }
            Product::Reference(reference, version) => {
                let bom = scanned.references.as_ref();
                let purl = bom.and_then(|bom| bom.purls.get(&**reference));
                let purl = purl.and_then(|purl| PackageUrl::parse_lenient(purl).ok());
                let own = purl.as_ref().and_then(PackageUrl::version);
                if version.as_deref().is_some_and(|version| own != Some(version)) {
                    return;
                }
                let is_subject =
                    bom.is_some_and(|bom| bom.subject.as_deref() == Some(reference)) && !scanned.several;
                (purl.map(Arc::new), is_subject)
            }
        };
        for id in names {
            if about_all {
                self.of_subject.entry(id).or_default().push((document, statement));
            }
            if let Some(product) = &product {
                let key = (*id, product.package_only());
                self.by_name.entry(key).or_default().push(StatementAbout {
                    document,
                    statement,
                    product: Arc::clone(product),
                });
            }
        }
    }

    /// Returns the applicable statement for a finding with its document's hash, if it settles the finding.
    pub(crate) fn settle(&mut self, finding: &Finding) -> Option<(&'a Statement, String)> {
        let (document, statement) = self
            .statement_for(finding)
            .filter(|(_, stated)| stated.status.is_settled())?;
        let report = self.reports.get_mut(document)?;
        report.settled += 1;
        Some((statement, report.hash.clone()))
    }

    /// Returns true if the applicable statement for a finding says that there will be no fix.
    pub(crate) fn will_not_fix(&self, finding: &Finding) -> bool {
        self.statement_for(finding)
            .is_some_and(|(_, stated)| stated.will_not_fix && !stated.status.is_settled())
    }

    /// Returns the applicable statement for a finding, and the index of its document.
    fn statement_for(&self, finding: &Finding) -> Option<(usize, &'a Statement)> {
        if self.by_name.is_empty() && self.of_subject.is_empty() {
            return None;
        }
        // A finding can be about several packages built from one source. Each needs a statement, and one that does not
        // settle the finding is preferred.
        let stated = finding
            .package
            .purls()
            .map(|purl| self.statement_for_package(finding, purl));
        let stated = stated.collect::<Option<Vec<_>>>()?;
        stated
            .into_iter()
            .min_by_key(|(_, stated)| stated.status.is_settled())
    }

    /// Returns the applicable statement for one of a finding's packages.
    fn statement_for_package(&self, finding: &Finding, purl: &str) -> Option<(usize, &'a Statement)> {
        let purl = PackageUrl::parse_lenient(purl).ok()?;
        let package = purl.package_only();
        let names = names_of(finding);
        let of_all = names
            .clone()
            .filter_map(|id| self.of_subject.get(id))
            .flatten()
            .copied();
        let of_package = names.filter_map(|id| self.by_name.get(&(id, package.clone())));
        let of_package = of_package
            .flatten()
            .filter(|stated| is_about(&stated.product, &purl))
            .map(|stated| (stated.document, stated.statement));
        let mut of_each: BTreeMap<usize, &'a Statement> = BTreeMap::new();
        for (document, statement) in of_all.chain(of_package) {
            let best = of_each.entry(document).or_insert(statement);
            if self.time_of(statement) >= self.time_of(best) {
                *best = statement;
            }
        }
        // Of equally new statements, one that does not settle the finding is preferred.
        of_each.into_iter().max_by_key(|(document, stated)| {
            let excuses_nothing = (!stated.status.is_settled(), !stated.will_not_fix);
            (self.time_of(stated), excuses_nothing, *document)
        })
    }

    /// Returns the time by which a statement is compared with others. A statement that settles a finding and is dated after
    /// the scan counts as the oldest, so that it does not override every statement made before that date.
    fn time_of(&self, statement: &Statement) -> UnixMillis {
        let is_ahead = self.as_of.is_some_and(|now| statement.time > now);
        if is_ahead && statement.status.is_settled() {
            UnixMillis::EPOCH
        } else {
            statement.time
        }
    }

    pub(crate) fn into_reports(self) -> Vec<VexReport> {
        self.reports
    }
}

/// Returns the names of a finding's vulnerability, each once.
fn names_of(finding: &Finding) -> impl Iterator<Item = &str> + Clone {
    let names = finding.ids.iter().filter(|id| **id != finding.vulnerability);
    names.chain([&finding.vulnerability]).map(String::as_str)
}
