//! The one check of a bundle: at a glance ([`inspect`]), in full without a store ([`validate`]), and with what a
//! reader knows ([`check`]).

use std::collections::BTreeMap;
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
use super::log_check::{LogCheck, Want};
use super::manifest::{BundleHash, BundleManifest, FrameKind, LogRange};
use super::page::BodiesPage;
use super::reader::{BundleItem, BundleReader, ReaderOptions, SealCheck};
use super::seal::BundleSeal;

/// Seal and manifest of a bundle; the frames were not read.
#[derive(Debug)]
pub struct BundleInspection {
    /// The bundle's name.
    pub hash: BundleHash,
    /// The seal; its [`BundleSeal::exporter`] says whether the signature holds.
    pub seal: BundleSeal,
    /// The manifest.
    pub manifest: BundleManifest,
    /// Bytes that the whole file has, by its manifest.
    pub file_bytes: u64,
}

/// Reads seal and manifest only. A seal that is not signed as it says is shown, not refused.
///
/// # Errors
/// Any [`BundleError`] of the two, other than the signature's.
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

/// What a full check found in one log's range.
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
    /// Records that live claims at its end name and that neither the bundle brings, be they in its scope or not, nor
    /// the reader has: by source.
    pub lacking: BTreeMap<Source, u64>,
    /// The first new claim that must be understood and is not.
    pub critical: Option<ClaimNumber>,
    /// Whether state roots were checked. Without a store, that needs a range from the beginning of its log.
    pub roots_checked: bool,
    /// Where the author's head in the seal stands, if there is one.
    pub head: Option<Cursor>,
    /// Why the range is refused, if it is.
    pub fault: Option<LogFault>,
}

/// A body that a live claim names and that the bundle does not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBody {
    /// The author of the claim.
    pub site: SiteId,
    /// The claim's log.
    pub lane: Lane,
    /// What the claim is about.
    pub key: ClaimKey,
    /// The body.
    pub hash: ContentHash,
}

/// What a full check found.
#[derive(Debug)]
pub struct BundleReport {
    /// Seal and manifest.
    pub inspection: BundleInspection,
    /// Per range of the manifest.
    pub ranges: Vec<RangeReport>,
    /// Records that live claims name and that are neither in the bundle nor here, one entry per record.
    ///
    /// In a part of a set other than the last, a later part may supersede the claim, so that the record is
    /// not needed. Any other bundle is incomplete: what it says waits at a reader that needs the record.
    pub missing_bodies: Vec<MissingBody>,
    /// Records that no live claim names: no reader keeps them.
    pub surplus_bodies: u64,
}

/// Reads the whole bundle and checks all that can be checked without a store.
///
/// # Errors
/// The first [`BundleError`]. What is wrong with one log alone is in its [`RangeReport`].
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

/// What [`check`] found.
#[derive(Debug)]
pub struct Found {
    /// Per range of the manifest.
    pub ranges: Vec<RangeReport>,
    /// Records that are neither in the bundle nor here.
    pub missing: Vec<MissingBody>,
    /// Records in the bundle that no live claim names, or that are out of its scope: no reader keeps them.
    pub surplus: u64,
}

/// Reads the rest of a bundle and holds it to every rule, with what the reader knows.
///
/// Beyond what [`BundleReader`] checks: every delta against its author's chain; that each follows the one before it,
/// here or in the bundle; state roots, where the state before is known; heads against deltas; that the records are
/// canonical and of the size that their claims say. It names those that are missing. What is wrong
/// with one log is that log's fault; what is wrong with the file is an error. `visit` gets every sound delta that
/// is new to the reader; a later delta may still make its range refused. Needs memory for the live claims of the bundle.
///
/// # Errors
/// The first [`BundleError`], and what fails in the reader's store.
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
                    // The page was held against the manifest's ranges, so the index is one of theirs.
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
    /// By hash: which log wants it, and as what.
    wanted: BTreeMap<ContentHash, Vec<(usize, Want)>>,
    /// Per log: how many are wanted.
    counts: Vec<u64>,
    /// Bodies that no live claim names.
    surplus: u64,
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
        };
        for (index, log) in logs.iter_mut().enumerate() {
            log.finish(knowledge)?;
            for (hash, want) in log.take_wants(manifest.scope.as_deref()) {
                if let Some(count) = bodies.counts.get_mut(index) {
                    *count += u64::from(want.is_record && want.in_scope);
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

    /// What has not come is missing, where the range is new and the reader does not have it.
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
                fault: log.fault.take(),
            });
        }
        Ok(Found {
            ranges,
            missing,
            surplus: self.surplus,
        })
    }
}
