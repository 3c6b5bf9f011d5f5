//! The check of a bundle, in three depths: a glance ([`inspect`]), in full without a store ([`validate`]), and
//! against what a reader knows ([`check`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::claim::ClaimKey;
use crate::cursor::{ClaimNumber, Cursor};
use crate::delta::VerifiedDelta;
use crate::hash::{ContentHash, SiteId};
use crate::head::{Head, VerifiedHead};
use crate::json;
use crate::names::{Lane, Source};

use super::error::{BundleError, FrameRef};
use super::fault::LogFault;
use super::knowledge::{Knowledge, NoKnowledge};
use super::log_check::{BranchStart, LogCheck, Want};
use super::manifest::{BundleHash, BundleManifest, FrameKind, LogRange};
use super::page::BodiesPage;
use super::reader::{BundleItem, BundleReader, ReaderOptions, SealCheck};
use super::seal::BundleSeal;

/// Seal and manifest of a bundle; the frames were not read.
#[derive(Debug)]
pub struct BundleInspection {
    /// The bundle's name.
    pub hash: BundleHash,
    /// The seal; [`BundleSeal::exporter`] shows whether its signature holds.
    pub seal: BundleSeal,
    /// The manifest.
    pub manifest: BundleManifest,
    /// Bytes that the whole file has, by its manifest.
    pub file_bytes: u64,
}

/// Reads the seal and the manifest only. A seal with a wrong signature is returned, not refused.
///
/// # Errors
/// Any [`BundleError`] of the two except a wrong signature.
pub fn inspect<R: Read>(input: R, max_bundle_bytes: u64) -> Result<BundleInspection, BundleError> {
    let options = ReaderOptions {
        max_bundle_bytes,
        seal: SealCheck::Skip,
    };
    Ok(inspection_of(BundleReader::open(input, options)?))
}

fn inspection_of<R: Read>(reader: BundleReader<R>) -> BundleInspection {
    let file_bytes = reader.total_bytes();
    let (seal, manifest, hash) = reader.into_parts();
    BundleInspection {
        hash,
        seal,
        manifest,
        file_bytes,
    }
}

/// The result of a full check of one log's range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeReport {
    /// The range.
    pub range: LogRange,
    /// Its deltas.
    pub deltas: u64,
    /// Those of them that the reader does not hold.
    pub new: u64,
    /// Records that live claims at its end name, within the bundle's scope.
    pub bodies_wanted: u64,
    /// Those of them that the bundle does not bring and the reader does not have.
    pub bodies_missing: u64,
    /// The number of records, by source, that live claims at its end name and that are neither in the bundle
    /// (in its scope or not) nor at the reader.
    pub lacking: BTreeMap<Source, u64>,
    /// The first new claim that must be understood and is not.
    pub critical: Option<ClaimNumber>,
    /// True if state roots were checked. Without a store, this is possible only if the range begins its log.
    pub roots_checked: bool,
    /// The position of the author's head in the seal, if there is one.
    pub head: Option<Cursor>,
    /// The delta from which the range is of another branch than the held log, which is the one that the newest certificate
    /// names: the reader gives up what it holds from there on.
    pub branch: Option<BranchStart>,
    /// The reason why the range is refused, if it is.
    pub fault: Option<LogFault>,
}

/// A body that a live claim names and that the bundle does not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBody {
    /// The author of the claim.
    pub site: SiteId,
    /// The claim's log.
    pub lane: Lane,
    /// The key of the claim.
    pub key: ClaimKey,
    /// The body.
    pub hash: ContentHash,
}

/// The result of a full check.
#[derive(Debug)]
pub struct BundleReport {
    /// Seal and manifest.
    pub inspection: BundleInspection,
    /// Per range of the manifest.
    pub ranges: Vec<RangeReport>,
    /// Records that live claims name and that are neither in the bundle nor here, one entry per record.
    ///
    /// In a part of a set other than the last, a later part may supersede the claim, so that the record is not
    /// needed. Any other bundle is incomplete: its claims wait at a reader that needs the record.
    pub missing_bodies: Vec<MissingBody>,
    /// Records that no live claim names: no reader keeps them.
    pub surplus_bodies: u64,
}

/// Reads the whole bundle and checks all that can be checked without a store.
///
/// # Errors
/// The first [`BundleError`]. A fault in one log alone is in that log's [`RangeReport`].
pub fn validate<R: Read>(input: R, options: ReaderOptions) -> Result<BundleReport, BundleError> {
    let mut reader = BundleReader::open(input, options)?;
    let found = check(&mut reader, &NoKnowledge, |_| Ok(()))?;
    Ok(BundleReport {
        inspection: inspection_of(reader),
        ranges: found.ranges,
        missing_bodies: found.missing,
        surplus_bodies: found.surplus,
    })
}

/// The result of [`check`].
#[derive(Debug)]
pub struct Found {
    /// Per range of the manifest.
    pub ranges: Vec<RangeReport>,
    /// Records that are neither in the bundle nor here.
    pub missing: Vec<MissingBody>,
    /// Records in the bundle that no live claim names, or that are out of its scope. No reader keeps them.
    pub surplus: u64,
    /// Records that live claims in the bundle's scope name: a reader keeps no other.
    pub named: BTreeSet<ContentHash>,
}

/// Reads the rest of a bundle and checks every rule against what the reader knows.
///
/// Checks more than [`BundleReader`] does: every delta against its author's chain; that each delta follows its
/// predecessor, here or in the bundle; state roots, if the state before is known; heads against deltas; that
/// records are canonical and of the size that their claims state. It lists the missing records. A fault in one
/// log is reported for that log; a fault in the file is an error. `visit` gets every valid delta that is new to
/// the reader, though a later delta may still cause its range to be refused. Memory grows with the live claims
/// of the bundle.
///
/// # Errors
/// The first [`BundleError`], and any error of the reader's store.
pub fn check<R: Read, K: Knowledge>(
    reader: &mut BundleReader<R>,
    knowledge: &K,
    mut visit: impl FnMut(&VerifiedDelta) -> Result<(), K::Error>,
) -> Result<Found, K::Error> {
    let mut logs = begin(reader, knowledge)?;
    let mut bodies: Option<Bodies> = None;
    let mut number = 0;
    while let Some(item) = reader.next_item()? {
        match item {
            BundleItem::Deltas(page) => {
                for (range, bytes) in page.with_ranges() {
                    // The page was checked against the manifest's ranges, so the index is valid.
                    let Some(log) = logs.get_mut(range) else { continue };
                    if let Some(delta) = log.push(bytes, knowledge)? {
                        visit(&delta)?;
                    }
                }
            }
            BundleItem::Bodies(page) => {
                let frame = FrameRef::listed(number, FrameKind::Bodies);
                if bodies.is_none() {
                    bodies = Some(Bodies::of(&mut logs, reader.manifest(), knowledge)?);
                }
                if let Some(bodies) = &mut bodies {
                    bodies.take(&page, frame, &mut logs)?;
                }
            }
        }
        number += 1;
    }
    let bodies = match bodies {
        Some(bodies) => bodies,
        None => Bodies::of(&mut logs, reader.manifest(), knowledge)?,
    };
    bodies.finish(logs, knowledge)
}

fn begin<R: Read, K: Knowledge>(reader: &BundleReader<R>, knowledge: &K) -> Result<Vec<LogCheck>, K::Error> {
    let seal = reader.seal();
    let ranges = reader.manifest().ranges.iter();
    ranges
        .map(|range| {
            let site = range.site;
            let sealed = seal.chain_of(site).ok_or(BundleError::MissingChain { site })?;
            let chain = knowledge.chain(site)?.unwrap_or_else(|| sealed.clone());
            let head = seal.heads().iter().map(VerifiedHead::head);
            let head = head
                .filter(|head| (head.site, head.lane) == (site, range.lane))
                .find(|head| head.number > ClaimNumber::NONE);
            let held = knowledge.log(site, range.lane)?;
            Ok(LogCheck::new(range, head.cloned(), chain, held))
        })
        .collect()
}

/// The bodies that live claims name and that have not come yet.
struct Bodies {
    /// By hash: the logs that want the body, and the claim for which they want it.
    wanted: BTreeMap<ContentHash, Vec<(usize, Want)>>,
    /// The number of wanted bodies of each log.
    counts: Vec<u64>,
    /// Bodies that no live claim names.
    surplus: u64,
    /// All bodies that live claims within the scope name.
    named: BTreeSet<ContentHash>,
}

impl Bodies {
    fn of<K: Knowledge>(
        logs: &mut [LogCheck],
        manifest: &BundleManifest,
        knowledge: &K,
    ) -> Result<Self, K::Error> {
        let mut bodies = Self {
            wanted: BTreeMap::new(),
            counts: vec![0; logs.len()],
            surplus: 0,
            named: BTreeSet::new(),
        };
        for (index, log) in logs.iter_mut().enumerate() {
            log.finish(knowledge)?;
            for (hash, want) in log.take_wants(manifest.scope.as_deref()) {
                if let Some(count) = bodies.counts.get_mut(index) {
                    *count += u64::from(want.is_record && want.in_scope);
                }
                if want.in_scope {
                    bodies.named.insert(hash);
                }
                bodies.wanted.entry(hash).or_default().push((index, want));
            }
        }
        Ok(bodies)
    }

    fn take(&mut self, page: &BodiesPage, frame: FrameRef, logs: &mut [LogCheck]) -> Result<(), BundleError> {
        for (hash, body) in page.bodies() {
            let is_canonical = json::is_canonical(body);
            let mut wants = self.wanted.remove(&hash).unwrap_or_default();
            let foreign: Vec<_> = wants.extract_if(.., |(_, want)| !want.in_scope).collect();
            if !foreign.is_empty() {
                self.wanted.insert(hash, foreign);
            }
            if wants.is_empty() {
                if !is_canonical {
                    let problem = format!("body {hash} is not canonical JSON");
                    return Err(BundleError::Bodies { frame, problem });
                }
                self.surplus += 1;
                continue;
            }
            let found = body.len() as u64;
            for (index, want) in wants {
                let fault = if !is_canonical || want.is_record && !json::is_record(body) {
                    LogFault::NotCanonical { key: want.key, hash }
                } else if u64::from(want.size) != found {
                    let (key, said) = (want.key, want.size);
                    LogFault::BodySize {
                        key,
                        hash,
                        said,
                        found,
                    }
                } else {
                    continue;
                };
                if let Some(log) = logs.get_mut(index) {
                    log.fault.get_or_insert(fault);
                }
            }
        }
        Ok(())
    }

    /// Counts bodies that have not come as missing if the range is new and the reader does not have them.
    fn finish<K: Knowledge>(self, mut logs: Vec<LogCheck>, knowledge: &K) -> Result<Found, K::Error> {
        let mut missing = Vec::new();
        let mut lacking = vec![0_u64; logs.len()];
        let mut by_source: Vec<BTreeMap<Source, u64>> = vec![BTreeMap::new(); logs.len()];
        for (hash, mut wants) in self.wanted {
            wants.retain(|(index, want)| {
                let log = logs.get(*index);
                want.is_record && log.is_some_and(|log| log.new > 0 && log.fault.is_none())
            });
            if wants.is_empty() || knowledge.has_body(&hash)? {
                continue;
            }
            for (index, want) in &wants {
                if let (Some(counts), Some(source)) = (by_source.get_mut(*index), want.key.source()) {
                    *counts.entry(source).or_default() += 1;
                }
            }
            wants.retain(|(_, want)| want.in_scope);
            if let Some((index, want)) = wants.first()
                && let Some(log) = logs.get(*index)
            {
                missing.push(MissingBody {
                    site: log.range.site,
                    lane: log.range.lane,
                    key: want.key.clone(),
                    hash,
                });
            }
            for (index, _) in wants {
                if let Some(count) = lacking.get_mut(index) {
                    *count += 1;
                }
            }
        }
        let mut ranges = Vec::new();
        let counted = self.counts.into_iter().zip(lacking).zip(by_source);
        for (log, ((wanted, missing_here), lacking)) in logs.iter_mut().zip(counted) {
            ranges.push(RangeReport {
                range: log.range,
                deltas: log.deltas,
                new: log.new,
                bodies_wanted: wanted,
                bodies_missing: missing_here,
                lacking,
                critical: log.critical,
                roots_checked: log.roots_checked,
                head: log.head.as_ref().map(Head::cursor),
                branch: log.branch,
                fault: log.fault.take(),
            });
        }
        Ok(Found {
            ranges,
            missing,
            surplus: self.surplus,
            named: self.named,
        })
    }
}
