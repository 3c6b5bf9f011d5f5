//! Exports bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use starling_api::{ByteStream, ServiceResult};
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{BundleSummary, BundleWriteError, BundleWriter, SealRequest, WriterOptions};
use starling_protocol::{ClaimKey, ClaimKind, ClaimNumber, ContentHash, Cursor, Delta, SiteId, Source};
use starling_store::{LedgerEntry, LogId, StoreError};

use super::SiteParts;
use super::problem::store_problem;
use super::sites::protocol_slug;
use crate::clock::now;
use crate::home::error_chain;

/// Number of bytes of deltas per read.
const PAGE_BYTES: usize = 4 << 20;
/// Size of one chunk of a streamed file, in bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// A bundle in a file, positioned at its start.
struct MadeBundle {
    written: BundleSummary,
    deltas: u64,
    bodies: u64,
    file: File,
}

impl SiteParts {
    pub(super) fn export_bundle(
        &self,
        request: &types::ExportRequest,
    ) -> ServiceResult<(types::ExportSummary, File)> {
        let failed = |error: StoreError| store_problem("exporting a bundle", &error);
        let destination = match &request.to_site {
            Some(slug) => Some(self.listed(slug)?.site),
            None => None,
        };
        let mut warnings = Vec::new();
        match self.sign_heads() {
            Ok(()) | Err(StoreError::Behind { .. }) => {}
            // The bundle may go to another disk, and its deltas are already signed. Heads only show how new it is.
            Err(error) if error.is_no_room() => warnings.push(format!(
                "the bundle has earlier heads, because no new ones could be signed ({})",
                error_chain(&error)
            )),
            Err(error) => return Err(failed(error)),
        }
        let logs = self.ranges(request, destination)?;
        warnings.extend(self.doubtful_starts(request, destination)?);
        let made = match self.write_bundle(self.identity.home.path(), &logs, destination) {
            // The site's disk is full; the system's temporary folder may be on another one.
            Err(problem) if problem.code == ErrorCode::DiskFull => self
                .write_bundle(&std::env::temp_dir(), &logs, destination)
                .map_err(|_| problem)?,
            made => made?,
        };
        let ranges = &made.written.manifest.ranges;
        let entry = LedgerEntry::BundleExported {
            at: now(),
            bundle: made.written.hash.to_string(),
            to: destination,
            deltas: made.deltas,
            bytes: made.written.file_bytes,
            ends: ranges
                .iter()
                .map(|range| (range.site, range.lane.number(), range.last.0))
                .collect(),
        };
        match self.data.store.record(&entry) {
            Ok(_) => {}
            Err(error) if error.is_no_room() => warnings.push(format!(
                "the export is missing in the site's history, because it could not be recorded ({})",
                error_chain(&error)
            )),
            Err(error) => return Err(failed(error)),
        }
        for warning in &warnings {
            tracing::warn!(bundle = %made.written.hash, "{warning}");
        }
        let summary = types::ExportSummary {
            bundle_hash: made.written.hash.into(),
            deltas: made.deltas,
            claims: ranges
                .iter()
                .map(starling_protocol::bundle::LogRange::claims)
                .sum(),
            bodies: made.bodies,
            size_bytes: Some(made.written.file_bytes),
            warnings,
        };
        Ok((summary, made.file))
    }

    /// Writes a bundle of these logs to an unnamed file in `folder`, through another one there.
    fn write_bundle(
        &self,
        folder: &Path,
        logs: &[(LogId, ClaimNumber)],
        destination: Option<SiteId>,
    ) -> ServiceResult<MadeBundle> {
        let failed = |error: StoreError| store_problem("exporting a bundle", &error);
        let spool = tempfile::tempfile_in(folder).map_err(|error| spool_problem(&error))?;
        let write = |error: BundleWriteError| write_problem(&error);
        let mut writer = BundleWriter::new(spool, WriterOptions::default()).map_err(write)?;
        let mut bodies = Bodies::default();
        let mut deltas = 0_u64;
        for (id, after) in logs {
            let mut position = *after;
            loop {
                let run = self
                    .data
                    .store
                    .deltas(*id, position, PAGE_BYTES)
                    .map_err(failed)?;
                for delta in &run.deltas {
                    writer.push_delta(delta).map_err(write)?;
                    bodies.note(delta)?;
                    deltas += 1;
                }
                position = run.last;
                if !run.more {
                    break;
                }
            }
            let log = self.data.store.log(*id).map_err(failed)?;
            let foreign = log.map(|log| log.out_of_scope).unwrap_or_default();
            for source in bodies.end_log(&foreign) {
                tracing::warn!(site = %id.site, %source, "a bundle without the records of a source that is out of scope here");
            }
        }
        let (bodies, scope) = bodies.finish();
        writer.set_scope(scope);
        for hash in &bodies {
            let body = self.data.store.body(hash).map_err(failed)?;
            let body = body.ok_or_else(|| failed(StoreError::MissingBody { hash: *hash }))?;
            writer.push_body(*hash, &body).map_err(write)?;
        }
        let (chains, heads) = self.trust_for(logs).map_err(failed)?;
        let exporter = self.own_chain();
        let seal = SealRequest {
            exporter: &exporter,
            key: &self.key(),
            chains: &chains,
            heads: &heads,
            sealed_at: now(),
            destination,
        };
        let mut file = tempfile::tempfile_in(folder).map_err(|error| spool_problem(&error))?;
        let (written, _) = writer.finish(&seal, &mut file).map_err(write)?;
        file.seek(SeekFrom::Start(0))
            .map_err(|error| spool_problem(&error))?;
        Ok(MadeBundle {
            written,
            deltas,
            bodies: bodies.len() as u64,
            file,
        })
    }

    /// Returns the logs to export and the position after which each starts, in bundle order.
    fn ranges(
        &self,
        request: &types::ExportRequest,
        destination: Option<SiteId>,
    ) -> ServiceResult<Vec<(LogId, ClaimNumber)>> {
        let failed = |error: StoreError| store_problem("exporting a bundle", &error);
        let mut after: BTreeMap<LogId, ClaimNumber> = BTreeMap::new();
        let exportable = self.data.store.exportable_logs().map_err(failed)?;
        let holdings = match destination {
            Some(site) => self.data.store.holdings(&site).map_err(failed)?,
            None => BTreeMap::new(),
        };
        // Logs without a cursor are exported completely.
        for id in &exportable {
            // A direct log only goes to its intended sites, which are named one at a time.
            let direct = id.lane == starling_protocol::Lane::Direct && destination.is_none();
            if Some(id.site) != destination && !direct {
                after.insert(*id, holdings.get(id).copied().unwrap_or(ClaimNumber::NONE));
            }
        }
        let mut named = BTreeSet::new();
        for wanted in &request.cursors {
            let cursor = Cursor::try_from(&wanted.cursor)
                .map_err(|error| Problem::new(ErrorCode::InvalidCursor, error.to_string()))?;
            let id = LogId {
                site: self.site_named(wanted.site.as_deref())?,
                ..self.own_log()
            };
            let end = self
                .data
                .store
                .log(id)
                .map_err(failed)?
                .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
            if cursor.number > end {
                let (site, lane, number) = (id.site, id.lane, cursor.number);
                return Err(failed(StoreError::NoSuchPosition {
                    site,
                    lane,
                    number,
                    end,
                }));
            }
            named.insert(id);
            after.insert(id, cursor.number);
        }
        let mut logs = Vec::new();
        let mut ends = Vec::new();
        for (id, after) in after {
            let Some(log) = self.data.store.log(id).map_err(failed)? else {
                continue;
            };
            if log.tip.cursor.number.0 > 0 {
                ends.push(log.tip.cursor.to_string());
            }
            // An author with missing bodies must not prevent the export of all others. If it was requested by name,
            // its log is refused with the missing body.
            if log.wanted > 0 && !named.contains(&id) {
                tracing::warn!(site = %id.site, lane = %id.lane, missing = log.wanted, "left out of a bundle: record bodies are missing");
                continue;
            }
            if log.tip.cursor.number > after {
                logs.push((id, after));
            }
        }
        if logs.is_empty() {
            let detail = if ends.is_empty() {
                "exporting a bundle: nothing yet: no log here has a claim".to_owned()
            } else {
                format!(
                    "exporting a bundle: there is nothing new; the logs end at {}",
                    ends.join(", ")
                )
            };
            return Err(Problem::new(ErrorCode::InvalidCursor, detail)
                .hint("import a feed first, or give an earlier cursor"));
        }
        Ok(logs)
    }

    /// Says where the start of a bundle is not what the reader has, as far as this site knows.
    fn doubtful_starts(
        &self,
        request: &types::ExportRequest,
        destination: Option<SiteId>,
    ) -> ServiceResult<Vec<String>> {
        let failed = |error: StoreError| store_problem("exporting a bundle", &error);
        let mut doubts = Vec::new();
        if let (Some(site), Some(name)) = (destination, &request.to_site)
            && request.cursors.is_empty()
            && self.data.store.holdings(&site).map_err(failed)?.is_empty()
        {
            doubts.push(format!(
                "nothing is known of what {name} holds, because no bundle of it was imported here: this bundle has everything; \
                 import one that {name} exports (with --force if it has nothing new), or name what it has with --cursor"
            ));
        }
        for wanted in &request.cursors {
            // Checked before.
            let Ok(cursor) = Cursor::try_from(&wanted.cursor) else {
                continue;
            };
            let id = LogId {
                site: self.site_named(wanted.site.as_deref())?,
                ..self.own_log()
            };
            let Some(before) = cursor.number.0.checked_sub(1) else {
                doubts.push(format!(
                    "{cursor} is the beginning of a log: all of it is in the bundle"
                ));
                continue;
            };
            let run = self
                .data
                .store
                .deltas(id, ClaimNumber(before), 1)
                .map_err(failed)?;
            let delta = run.deltas.first().and_then(|delta| Delta::decode(delta).ok());
            let time = delta.map(|delta| delta.header().time);
            if let Some(time) = time.filter(|time| *time != cursor.time) {
                let there = Cursor { time, ..cursor };
                doubts.push(format!(
                    "the log has {there}, not {cursor}: the bundle starts behind this claim; if the reader's cursor is of \
                     another history, it refuses the bundle"
                ));
            }
        }
        Ok(doubts)
    }

    /// Returns the site of a cursor: by its name here, by its identity, or this site.
    fn site_named(&self, name: Option<&str>) -> ServiceResult<SiteId> {
        let Some(name) = name else {
            return Ok(self.identity.home.chain().site());
        };
        if let Ok(site) = name.parse::<SiteId>() {
            return Ok(site);
        }
        if name == self.identity.home.chain().slug().as_str() {
            return Ok(self.identity.home.chain().site());
        }
        let slug = types::SiteSlug::new(name)
            .map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
        protocol_slug(&slug)?;
        Ok(self.listed(&slug)?.site)
    }

    fn trust_for(
        &self,
        logs: &[(LogId, ClaimNumber)],
    ) -> Result<
        (
            Vec<starling_protocol::CertificateChain>,
            Vec<starling_protocol::VerifiedHead>,
        ),
        StoreError,
    > {
        let mut chains = BTreeMap::new();
        let mut heads = Vec::new();
        for (id, _) in logs {
            if let Some(chain) = self.data.store.chain(&id.site)?
                && id.site != self.identity.home.chain().site()
            {
                chains.insert(id.site, chain);
            }
            heads.extend(self.data.store.log(*id)?.and_then(|log| log.head));
        }
        Ok((chains.into_values().collect(), heads))
    }
}

/// The bodies for the deltas of a bundle: those of live claims at the end of each range.
#[derive(Default)]
struct Bodies {
    /// For the current log: by key, the content of its last claim.
    live: BTreeMap<ClaimKey, ContentHash>,
    /// The same for the earlier logs.
    hashes: BTreeMap<ContentHash, Source>,
    /// Sources with missing records, because their author is not allowed for them here.
    lacking: BTreeSet<Source>,
}

impl Bodies {
    /// Adds the next delta of a log.
    fn note(&mut self, delta: &[u8]) -> ServiceResult<()> {
        let claims = Delta::decode(delta).and_then(|delta| delta.reopen());
        let claims = claims.map_err(|error| {
            Problem::new(
                ErrorCode::StoreDamaged,
                format!("exporting a bundle: {}", crate::home::error_chain(&error)),
            )
            .hint("`starling doctor` names what is damaged")
        })?;
        for (_, claim) in claims {
            let content = claim.content().filter(|_| claim.kind() == ClaimKind::SET);
            match content {
                Some((hash, _)) => self.live.insert(claim.key().clone(), hash),
                None => self.live.remove(claim.key()),
            };
        }
        Ok(())
    }

    /// Ends a log; `foreign` are sources that its author is not allowed for here. Returns the log's sources.
    fn end_log(&mut self, foreign: &[Source]) -> BTreeSet<Source> {
        let mut left_out = BTreeSet::new();
        for (key, hash) in std::mem::take(&mut self.live) {
            let Some(source) = key.source() else { continue };
            if foreign.contains(&source) {
                left_out.insert(source);
            } else {
                self.hashes.insert(hash, source);
            }
        }
        self.lacking.extend(left_out.iter().cloned());
        left_out
    }

    /// Returns the bodies and their sources: all of them, if none is missing.
    fn finish(self) -> (BTreeSet<ContentHash>, Option<Vec<Source>>) {
        if self.lacking.is_empty() {
            return (self.hashes.into_keys().collect(), None);
        }
        let mut kept = self.hashes;
        kept.retain(|_, source| !self.lacking.contains(source));
        let scope: BTreeSet<Source> = kept.values().cloned().collect();
        (kept.into_keys().collect(), Some(scope.into_iter().collect()))
    }
}

/// Returns a file's bytes as a stream of chunks.
pub(super) fn stream_file(file: File) -> ByteStream {
    Box::pin(futures::stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let mut filled = 0;
            while filled < chunk.len() {
                match file.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            chunk.truncate(filled);
            Ok((file, chunk))
        })
        .await;
        match read {
            Ok(Ok((_, chunk))) if chunk.is_empty() => None,
            Ok(Ok((file, chunk))) => Some((Ok(Bytes::from(chunk)), Some(file))),
            Ok(Err(error)) => Some((Err(spool_problem(&error)), None)),
            Err(panic) => Some((Err(Problem::internal("reading the exported bundle", panic)), None)),
        }
    }))
}

fn spool_problem(error: &std::io::Error) -> Problem {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull => ErrorCode::DiskFull,
        _ => ErrorCode::FileAccess,
    };
    Problem::new(code, format!("spooling the bundle: {error}"))
}

fn write_problem(error: &BundleWriteError) -> Problem {
    match error {
        BundleWriteError::Io { source, .. } => spool_problem(source),
        error => Problem::internal("exporting a bundle", error_chain(error)),
    }
}
