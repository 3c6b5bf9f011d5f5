//! Keeps records, bodies and ids that several packages of a vulnerability share from one fold to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starling_protocol::ContentHash;

use crate::codec::{RecordRow, RecordState};
use crate::error::ViewError;
use crate::identity::{Closures, vulnerabilities_named};
use crate::lookup::records_near;
use crate::package::PackageId;
use crate::parsed_body::ParsedBody;
use crate::ports::{Bodies, RecordKey};
use crate::reading::{body_of, record_row};
use crate::rows::Rows;
use crate::settings::NormaliseName;
use crate::vulnerability::VulnerabilityId;

/// Most entries of each kind; when they are reached, all are dropped.
const MOST: usize = 4_096;
/// Bytes of bodies that are remembered taken apart.
const MOST_BODY_BYTES: usize = 64 << 20;
/// The number of packages of a record or vulnerability from which it is worth remembering.
const MANY_PACKAGES: usize = 8;
/// Bytes of a body from which its content is remembered, whatever it names.
const LARGE_BODY_BYTES: usize = 16 << 10;
/// Packages that are remembered of all vulnerabilities together.
const MOST_PACKAGES: usize = 400_000;

/// Keeps, within bounds, what folds of one state of the rows share. Several threads may use it.
#[derive(Debug, Default)]
pub struct FoldMemo(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    held: BTreeMap<RecordKey, Arc<Held>>,
    parsed: BTreeMap<ContentHash, Arc<ParsedBody>>,
    body_bytes: usize,
    around: BTreeMap<VulnerabilityId, Arc<Around>>,
    packages: usize,
}

/// The rows' content about a contributing record.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The applicable contents: the chosen one, or those without a decision.
    pub(crate) contents: Vec<ContentHash>,
    /// True if authors disagree about it and nobody has decided.
    pub(crate) is_unresolved: bool,
    /// The one CVE from which it is derived.
    pub(crate) upstream: Option<VulnerabilityId>,
    /// Ids that lead to it without naming it.
    pub(crate) related: Vec<VulnerabilityId>,
}

impl From<RecordRow> for Held {
    fn from(row: RecordRow) -> Self {
        Self {
            contents: row.contents().collect(),
            is_unresolved: row.is_unresolved(),
            upstream: row.upstream,
            related: row.related,
        }
    }
}

/// A record with an id of a vulnerability but without a statement. It contributes to no advisory, because its
/// packages are unknown, and is shown with every one.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) content: Option<ContentHash>,
    pub(crate) state: RecordState,
}

/// The surroundings of a vulnerability: the same in all of its packages, except for the names that are kept.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) silent: BTreeMap<RecordKey, Silent>,
    pub(crate) aliases: BTreeSet<VulnerabilityId>,
    /// Other CVEs that its records name.
    pub(crate) others: BTreeSet<VulnerabilityId>,
    /// The ids and packages of each component: a merge hash is kept for each pair.
    components: Vec<(BTreeSet<VulnerabilityId>, BTreeSet<PackageId>)>,
    /// The packages and products of the records that were read for it, of whatever component.
    read: usize,
}

impl Around {
    fn of<R: Rows>(rows: &R, vulnerability: &VulnerabilityId) -> Result<Self, ViewError> {
        let mut closures = Closures::new();
        let mut around = Self::default();
        for (record, row) in records_near(rows, vulnerability, &mut closures)? {
            let own = VulnerabilityId::of_record(&record.id);
            around.read += row.packages.len() + row.products.len();
            if !row.state.contributes()
                && vulnerabilities_named(&own, &row, closures.known(&own)).contains(vulnerability)
            {
                let silent = Silent {
                    content: row.content,
                    state: row.state,
                };
                around.silent.insert(record, silent);
            }
        }
        for component in closures.components() {
            if component.vulnerabilities().contains(vulnerability) {
                around.aliases.extend(component.ids.iter().cloned());
                around.others.extend(component.cves.iter().cloned());
                let packages = component.packages().into_iter().cloned().collect();
                around.components.push((component.ids.clone(), packages));
            }
        }
        around.aliases.remove(vulnerability);
        around.others.remove(vulnerability);
        Ok(around)
    }

    /// Returns the aliases for which a merge hash with this package is kept.
    pub(crate) fn names<'a>(
        &'a self,
        vulnerability: &'a VulnerabilityId,
        package: &'a PackageId,
    ) -> impl Iterator<Item = &'a VulnerabilityId> {
        let with_package = self
            .components
            .iter()
            .filter(move |(_, packages)| packages.contains(package));
        with_package
            .flat_map(|(ids, _)| ids)
            .filter(move |id| *id != vulnerability)
    }

    fn packages(&self) -> usize {
        self.components.iter().map(|(_, packages)| packages.len()).sum()
    }
}

impl FoldMemo {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        // Each insert is independent, so a poisoned lock is safe to use.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the rows' content about a record.
    pub(crate) fn held<R: Rows>(&self, rows: &R, record: &RecordKey) -> Result<Arc<Held>, ViewError> {
        if let Some(held) = self.remembered().held.get(record) {
            return Ok(Arc::clone(held));
        }
        let row = record_row(rows, record)?;
        let is_of_many = row
            .as_ref()
            .is_some_and(|row| row.packages.len() + row.products.len() >= MANY_PACKAGES);
        let held: Arc<Held> = Arc::new(row.map(Held::from).unwrap_or_default());
        if is_of_many {
            let mut remembered = self.remembered();
            if remembered.held.len() >= MOST {
                remembered.held.clear();
            }
            remembered.held.insert(record.clone(), Arc::clone(&held));
        }
        Ok(held)
    }

    /// Returns the content of a record's body; `None` if it is not here.
    pub(crate) fn parsed_body<B: Bodies>(
        &self,
        bodies: &B,
        record: &RecordKey,
        content: &ContentHash,
        normalise_name: NormaliseName,
    ) -> Result<Option<Arc<ParsedBody>>, ViewError> {
        if let Some(parsed) = self.remembered().parsed.get(content) {
            return Ok(Some(Arc::clone(parsed)));
        }
        let Some(body) = body_of(bodies, record, content)? else {
            return Ok(None);
        };
        let parsed = Arc::new(ParsedBody::of_body(&body, normalise_name)?);
        // A record of many products is large, and is asked for once a product.
        if parsed.package_count() >= MANY_PACKAGES || body.len() >= LARGE_BODY_BYTES {
            let mut remembered = self.remembered();
            if remembered.parsed.len() >= MOST || remembered.body_bytes + body.len() > MOST_BODY_BYTES {
                remembered.parsed.clear();
                remembered.body_bytes = 0;
            }
            remembered.body_bytes += body.len();
            remembered.parsed.insert(*content, Arc::clone(&parsed));
        }
        Ok(Some(parsed))
    }

    /// Returns the surroundings of a vulnerability.
    pub(crate) fn around<R: Rows>(
        &self,
        rows: &R,
        vulnerability: &VulnerabilityId,
    ) -> Result<Arc<Around>, ViewError> {
        if let Some(around) = self.remembered().around.get(vulnerability) {
            return Ok(Arc::clone(around));
        }
        let around = Arc::new(Around::of(rows, vulnerability)?);
        let packages = around.packages();
        // A CVE record without aliases has no component, but its row is as long.
        if around.read >= MANY_PACKAGES || packages >= MANY_PACKAGES {
            let mut remembered = self.remembered();
            if remembered.around.len() >= MOST || remembered.packages + packages > MOST_PACKAGES {
                remembered.around.clear();
                remembered.packages = 0;
            }
            remembered.packages += packages;
            remembered
                .around
                .insert(vulnerability.clone(), Arc::clone(&around));
        }
        Ok(around)
    }
}
