//! What can be said of a bundle without a store: at a glance ([`inspect`]) and in full ([`validate`]).

use std::collections::BTreeMap;
use std::io::Read;

use crate::claim::{Claim, ClaimKey};
use crate::cursor::{ClaimNumber, Cursor};
use crate::delta::{Delta, VerifiedDelta};
use crate::hash::{ContentHash, SiteId};
use crate::head::{Head, VerifiedHead};
use crate::json;
use crate::log::{LogState, LogTip, Succession};
use crate::names::{Lane, Source};

use super::error::{BundleError, FrameRef};
use super::manifest::{BundleHash, BundleManifest, FrameKind, LogRange};
use super::page::{BodiesPage, DeltasPage};
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
    let reader = BundleReader::open(input, options)?;
    let file_bytes = reader.total_bytes();
    let (seal, manifest, hash) = reader.into_parts();
    Ok(BundleInspection {
        hash,
        seal,
        manifest,
        file_bytes,
    })
}

/// What a full check found in one log's range. All of it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeReport {
    /// The range.
    pub range: LogRange,
    /// Its deltas.
    pub deltas: u64,
    /// Records that live claims at its end name, within the bundle's scope.
    pub bodies_wanted: u64,
    /// Whether state roots were checked, which needs a range from the beginning of its log.
    pub roots_checked: bool,
    /// Where the author's head in the seal stands, if there is one.
    pub head: Option<Cursor>,
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
    /// Bodies that live claims name and that are not there, one entry per body.
    ///
    /// In a part of a set other than the last, a later part may supersede the claim, so that the body is
    /// not needed. In any other bundle the importer must have it already, or lacks it.
    pub missing_bodies: Vec<MissingBody>,
    /// How many bodies no live claim in the bundle names: harmless, but of no use.
    pub unwanted_bodies: u64,
    /// The first of those.
    pub first_unwanted_body: Option<ContentHash>,
}

/// Reads the whole bundle and checks all that can be checked without a store.
///
/// Beyond what [`BundleReader`] checks: every delta against its author's chain in the seal; that each follows
/// the one before it; state roots, where a range begins its log; heads against the ranges; that every body is
/// canonical JSON; and which bodies are missing or not wanted. Needs memory for the live claims of the bundle.
///
/// # Errors
/// The first [`BundleError`]. Missing and unwanted bodies are reported, not refused.
pub fn validate<R: Read>(input: R, options: ReaderOptions) -> Result<BundleReport, BundleError> {
    let mut reader = BundleReader::open(input, options)?;
    let file_bytes = reader.total_bytes();
    let mut logs: Vec<LogCheck> = reader
        .manifest()
        .ranges
        .iter()
        .map(|range| LogCheck::new(range, reader.seal()))
        .collect();
    let mut wanted: Option<Wanted> = None;
    let mut unwanted = (0, None);
    let mut number = 0;
    while let Some(item) = reader.next_item()? {
        match item {
            BundleItem::Deltas(page) => {
                let frame = FrameRef::listed(number, FrameKind::Deltas);
                check_deltas(&page, frame, reader.seal(), &mut logs)?;
            }
            BundleItem::Bodies(page) => {
                let frame = FrameRef::listed(number, FrameKind::Bodies);
                let wanted =
                    wanted.get_or_insert_with(|| Wanted::of(&logs, reader.manifest().scope.as_deref()));
                check_bodies(&page, frame, wanted, &mut unwanted)?;
            }
        }
        number += 1;
    }
    let scope = reader.manifest().scope.as_deref();
    let wanted = wanted.unwrap_or_else(|| Wanted::of(&logs, scope));
    let mut ranges = Vec::new();
    for log in &logs {
        log.check_head(FrameRef::SEAL)?;
        ranges.push(log.report(scope));
    }
    let (seal, manifest, hash) = reader.into_parts();
    Ok(BundleReport {
        inspection: BundleInspection {
            hash,
            seal,
            manifest,
            file_bytes,
        },
        ranges,
        missing_bodies: wanted.0.into_values().collect(),
        unwanted_bodies: unwanted.0,
        first_unwanted_body: unwanted.1,
    })
}

/// One log's range while its deltas pass.
struct LogCheck {
    range: LogRange,
    deltas: u64,
    tip: LogTip,
    /// Live claims by key: the last of each key in the range, tombstones left out.
    live: BTreeMap<ClaimKey, Claim>,
    /// The log's state, where the range begins the log.
    state: Option<LogState>,
    /// The author's head in the seal.
    head: Option<Head>,
}

impl LogCheck {
    fn new(range: &LogRange, seal: &BundleSeal) -> Self {
        let head = seal
            .heads()
            .iter()
            .map(VerifiedHead::head)
            .find(|head| (head.site, head.lane) == (range.site, range.lane));
        Self {
            range: *range,
            deltas: 0,
            tip: LogTip {
                cursor: Cursor {
                    number: range.after,
                    ..Cursor::default()
                },
                header: range.after_header,
                epoch: 0,
            },
            live: BTreeMap::new(),
            state: (range.after == ClaimNumber::NONE).then(LogState::default),
            head: head.cloned(),
        }
    }

    fn refuse(&self, frame: FrameRef, number: ClaimNumber, problem: &'static str) -> BundleError {
        BundleError::Range {
            frame,
            site: self.range.site,
            lane: self.range.lane,
            number,
            problem,
        }
    }

    fn push(&mut self, delta: &VerifiedDelta, seal: &BundleSeal, frame: FrameRef) -> Result<(), BundleError> {
        let header = delta.header();
        let site = header.site;
        let chain = seal.chain_of(site).ok_or(BundleError::MissingChain { site })?;
        // The epoch before a range that does not begin its log is not known here.
        if self.deltas == 0 && self.state.is_none() {
            self.tip.epoch = header.epoch;
        }
        match self.tip.place(header, chain) {
            Succession::Next => {}
            Succession::Refused(problem) => return Err(self.refuse(frame, header.first, problem)),
            Succession::AtOrBefore | Succession::Gap { .. } | Succession::OtherBranch => {
                return Err(self.refuse(frame, header.first, "it does not follow the delta before it"));
            }
        }
        for (_, claim) in delta.claims() {
            let prior = if claim.is_tombstone() {
                self.live.remove(claim.key())
            } else {
                self.live.insert(claim.key().clone(), claim.clone())
            };
            if let Some(state) = &mut self.state {
                state.apply(claim, prior.map(|claim| claim.encode()).as_deref());
            }
        }
        if let Some(state) = &self.state
            && (state.live(), state.root()) != (header.live_entries, header.state_root)
        {
            let problem = "its state root is not that of the claims up to it";
            return Err(self.refuse(frame, header.first, problem));
        }
        self.deltas += 1;
        self.tip = LogTip {
            cursor: header.cursor(),
            header: delta.hash(),
            epoch: header.epoch,
        };
        Ok(())
    }

    /// A head may be ahead of the range or behind it; at the same place it must be the same.
    fn check_head(&self, frame: FrameRef) -> Result<(), BundleError> {
        match &self.head {
            Some(head) if head.number == self.range.last && head.header != self.range.last_header => {
                let problem = "the author's head names another delta there: a fork";
                Err(self.refuse(frame, head.number, problem))
            }
            _ => Ok(()),
        }
    }

    fn bodies<'a>(
        &'a self,
        scope: Option<&'a [Source]>,
    ) -> impl Iterator<Item = (&'a ClaimKey, ContentHash)> + 'a {
        let in_scope = move |key: &ClaimKey| {
            scope.is_none_or(|scope| {
                key.source()
                    .is_some_and(|source| scope.binary_search(&source).is_ok())
            })
        };
        self.live
            .iter()
            .filter_map(|(key, claim)| Some((key, claim.content()?.0)))
            .filter(move |(key, _)| in_scope(key))
    }

    fn report(&self, scope: Option<&[Source]>) -> RangeReport {
        RangeReport {
            range: self.range,
            deltas: self.deltas,
            bodies_wanted: self.bodies(scope).count() as u64,
            roots_checked: self.state.is_some(),
            head: self.head.as_ref().map(Head::cursor),
        }
    }
}

/// The bodies that live claims name and that have not come yet.
struct Wanted(BTreeMap<ContentHash, MissingBody>);

impl Wanted {
    fn of(logs: &[LogCheck], scope: Option<&[Source]>) -> Self {
        let mut wanted = BTreeMap::new();
        for log in logs {
            for (key, hash) in log.bodies(scope) {
                wanted.entry(hash).or_insert_with(|| MissingBody {
                    site: log.range.site,
                    lane: log.range.lane,
                    key: key.clone(),
                    hash,
                });
            }
        }
        Self(wanted)
    }
}

fn check_deltas(
    page: &DeltasPage,
    frame: FrameRef,
    seal: &BundleSeal,
    logs: &mut [LogCheck],
) -> Result<(), BundleError> {
    for (index, (range, bytes)) in page.with_ranges().enumerate() {
        let refused = |source| BundleError::Delta { frame, index, source };
        let delta = Delta::decode(bytes).map_err(refused)?;
        let site = delta.header().site;
        let chain = seal.chain_of(site).ok_or(BundleError::MissingChain { site })?;
        let delta = delta.verify(chain).map_err(refused)?;
        // The page was held against the manifest's ranges, so the index is one of theirs.
        if let Some(log) = logs.get_mut(range) {
            log.push(&delta, seal, frame)?;
        }
    }
    Ok(())
}

fn check_bodies(
    page: &BodiesPage,
    frame: FrameRef,
    wanted: &mut Wanted,
    unwanted: &mut (u64, Option<ContentHash>),
) -> Result<(), BundleError> {
    for (hash, body) in page.bodies() {
        if !json::is_canonical(body) {
            let problem = format!("body {hash} is not canonical JSON");
            return Err(BundleError::Bodies { frame, problem });
        }
        if wanted.0.remove(&hash).is_none() {
            unwanted.0 += 1;
            unwanted.1.get_or_insert(hash);
        }
    }
    Ok(())
}
