//! Taking bundles in: read whole and checked first, applied after, through the same door as everything else.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{
    BundleError, BundleItem, BundleReader, BundleSeal, LogRange, ReaderOptions, SealCheck,
};
use starling_protocol::{ClaimKind, ClaimNumber, Delta, KeyRef, SiteId};
use starling_store::{LedgerEntry, ListedSite, LogId, Origin, StoreError, ViewCounts};
use starling_sync::AppendProblem;
use starling_view::{Claims, StatementKind};

use super::SiteParts;
use super::problem::{bundle_problem, store_problem};
use crate::clock::now;

/// Conflicts listed in a report; more are only counted.
const LISTED_CONFLICTS: usize = 1_000;

/// What the first reading of a bundle found.
struct Plan {
    /// Logs that are taken, with their range.
    taken: Vec<LogRange>,
    exporter: Option<ListedSite>,
    warnings: Vec<String>,
    conflicts: Vec<types::Conflict>,
    conflict_count: u64,
    /// Counts of records, for a dry run.
    counts: types::ImportCounts,
}

impl SiteParts {
    pub(super) fn import_bundle(
        &self,
        mut file: File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let started = Instant::now();
        let _one_at_a_time = self.one_import();
        let plan = self.plan_import(&mut file, size, params)?;
        let mut reader = self.open_bundle(&mut file, params)?;
        let hash: types::BundleHash = reader.hash().into();
        let mut report = types::ImportReport {
            success: true,
            bundle_hash: hash,
            imported_cursor: None,
            counts: plan.counts,
            conflicts: plan.conflicts,
            duration_ms: 0,
            cursors: plan.taken.iter().map(|range| self.site_cursor(range)).collect(),
            dry_run: params.dry_run,
            warnings: plan.warnings,
        };
        if plan.conflict_count > report.conflicts.len() as u64 {
            report.warnings.push(format!(
                "{} conflicts in all; the first are listed",
                plan.conflict_count
            ));
        }
        let newest = plan.taken.iter().max_by_key(|range| {
            // The exporter's own log is what an operator follows; else the newest.
            (
                plan.exporter.as_ref().is_some_and(|site| site.site == range.site),
                range.last_time,
            )
        });
        report.imported_cursor = newest.map(|range| range.cursor().into());
        if !params.dry_run {
            let items = self.apply(&mut reader, &plan.taken, &mut report)?;
            let entry = LedgerEntry::BundleImported {
                at: now(),
                bundle: report.bundle_hash.to_string(),
                exporter: plan.exporter.as_ref().map(|site| site.site),
                deltas: items.deltas,
                items: items.claims,
                bytes: size,
                cursor: newest.map(LogRange::cursor),
                counts: items.view,
            };
            let failed = |error: StoreError| store_problem("noting the import", &error);
            self.store.record(&entry).map_err(failed)?;
            // What the exporter holds is its own word: an unsigned seal is nobody's.
            if let Some(exporter) = plan
                .exporter
                .as_ref()
                .filter(|_| reader.seal().exporter().is_ok())
            {
                let held = reader.manifest().ranges.iter();
                let held = held.map(|range| {
                    (
                        LogId {
                            site: range.site,
                            lane: range.lane,
                        },
                        range.last,
                    )
                });
                self.store
                    .note_holdings(&exporter.site, held.collect())
                    .map_err(failed)?;
            }
            self.changed();
        }
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    fn open_bundle<'f>(
        &self,
        file: &'f mut File,
        params: types::ImportParams,
    ) -> ServiceResult<BundleReader<BufReader<&'f mut File>>> {
        let read = |error: std::io::Error| {
            Problem::new(ErrorCode::FileAccess, format!("reading the bundle: {error}"))
        };
        file.seek(SeekFrom::Start(0)).map_err(read)?;
        let options = ReaderOptions {
            max_bundle_bytes: self.config.federation.import.max_bundle_size.0,
            seal: if self.may_skip_seal(params) {
                SealCheck::Skip
            } else {
                SealCheck::Require
            },
        };
        BundleReader::open(BufReader::with_capacity(1 << 20, file), options)
            .map_err(|error| bundle_problem("importing a bundle", &error))
    }

    /// Whether a seal that does not verify may be passed over: where none is required, or where the caller asks
    /// for it and the configuration trusts listed exporters so far. Asking alone is not enough.
    fn may_skip_seal(&self, params: types::ImportParams) -> bool {
        let federation = &self.config.federation;
        let trusted = federation.import.skip_signature_on_trusted_sites;
        !federation.require_signature || (params.skip_signature && trusted)
    }

    /// Reads the whole bundle without changing knowledge: nothing of it is applied unless all of it is sound.
    fn plan_import(&self, file: &mut File, size: u64, params: types::ImportParams) -> ServiceResult<Plan> {
        let failed = |error: StoreError| store_problem("importing a bundle", &error);
        let mut reader = self.open_bundle(file, params)?;
        let mut warnings = Vec::new();
        let exporter = self.check_exporter(reader.seal(), size, params, &mut warnings)?;
        let own = self.home.chain().site();
        if reader.seal().destination().is_some_and(|to| to != own) {
            warnings.push("the bundle was made for another site; it may lack what this one needs".to_owned());
        }
        if !params.dry_run {
            self.learn_trust(reader.seal(), &mut warnings)?;
        }
        let listed: BTreeSet<SiteId> = self
            .store
            .listed_sites()
            .map_err(failed)?
            .into_iter()
            .filter(|site| site.enabled)
            .map(|site| site.site)
            .chain([own])
            .collect();
        let ranges = reader.manifest().ranges.clone();
        let (allowed, strangers): (Vec<LogRange>, Vec<LogRange>) =
            ranges.into_iter().partition(|range| listed.contains(&range.site));
        for range in &strangers {
            warnings.push(format!(
                "the {} log of {} is left out: its author is not on the allow-list",
                range.lane, range.site
            ));
        }
        if allowed.is_empty() {
            return Err(Problem::new(
                ErrorCode::SiteNotAllowed,
                "importing a bundle: none of its authors is on the allow-list",
            )
            .hint("`starling sites add` lists a site; an empty list allows nothing"));
        }
        let placed = self.placeable(&allowed, params, &mut warnings);
        let (taken, refusal) = match placed {
            Ok(taken) => (taken, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let mut plan = Plan {
            taken,
            exporter,
            warnings,
            conflicts: Vec::new(),
            conflict_count: 0,
            counts: types::ImportCounts::default(),
        };
        while let Some(item) = reader
            .next_item()
            .map_err(|error| bundle_problem("importing a bundle", &error))?
        {
            if let BundleItem::Deltas(page) = item {
                for bytes in page.deltas() {
                    self.look_at(bytes, reader.seal(), params, &mut plan)?;
                }
            }
        }
        // Only now: a file that is damaged is damaged, whatever else is to be said of it.
        if let Some(problem) = refusal {
            return Err(problem);
        }
        let configured = self.config.view.conflict_strategy.to_string();
        if plan.conflict_count > 0
            && params.on_conflict != types::ConflictStrategy::Fail
            && params.on_conflict.as_str() != configured
        {
            plan.warnings.push(format!(
                "conflicts are settled by view.conflict_strategy = {configured:?}, at this and every import alike; \
                 on_conflict={} settles nothing by itself",
                params.on_conflict.as_str()
            ));
        }
        if params.on_conflict == types::ConflictStrategy::Fail && plan.conflict_count > 0 {
            let named = plan
                .conflicts
                .first()
                .map(|first| first.merge_hash.to_string())
                .unwrap_or_default();
            let detail = format!(
                "importing a bundle: {} records differ from what other authors say here, the first in advisory {named}",
                plan.conflict_count
            );
            return Err(Problem::new(ErrorCode::ConflictUnresolved, detail)
                .hint("nothing was imported; choose another on_conflict, or a --dry-run to see them all"));
        }
        Ok(plan)
    }

    /// Whether bundles of this exporter are taken here.
    fn check_exporter(
        &self,
        seal: &BundleSeal,
        size: u64,
        params: types::ImportParams,
        warnings: &mut Vec<String>,
    ) -> ServiceResult<Option<ListedSite>> {
        let exporter = match seal.exporter() {
            Ok(exporter) => exporter,
            Err(error) => {
                let refused = || bundle_problem("importing a bundle", error);
                if !self.may_skip_seal(params) {
                    return Err(refused());
                }
                warnings.push(format!("the seal does not verify and was skipped: {error}"));
                // Whom it names must be listed all the same, and its limits hold.
                named_exporter(error).ok_or_else(refused)?
            }
        };
        if exporter == self.home.chain().site() {
            return Ok(None);
        }
        let known = self
            .store
            .chain(&exporter)
            .map_err(|error| store_problem("importing a bundle", &error))?;
        let closed_by = known
            .as_ref()
            .and_then(|chain| chain.of_epoch(seal.epoch().saturating_add(1)));
        if let Some(closed_by) = closed_by {
            if closed_by.body().reason == starling_protocol::Reason::Revocation && !params.skip_signature {
                let detail =
                    format!("importing a bundle: it is sealed with a key of {exporter} that was revoked");
                return Err(Problem::new(ErrorCode::SignatureVerificationFailed, detail)
                    .hint("have it exported again"));
            }
            warnings.push("the bundle is sealed with a key that its exporter has replaced since".to_owned());
        }
        let listed = self
            .store
            .listed_sites()
            .map_err(|error| store_problem("importing a bundle", &error))?;
        let import = &self.config.federation.import;
        let site = listed
            .into_iter()
            .find(|site| site.site == exporter && site.enabled);
        let allowed = |site: &ListedSite| {
            import
                .allowed_sites
                .iter()
                .any(|allowed| allowed == "*" || allowed == site.slug.as_str())
        };
        let Some(site) = site.filter(allowed) else {
            let detail = format!(
                "importing a bundle: it was exported by {exporter}, whose bundles are not taken here"
            );
            return Err(Problem::new(ErrorCode::SiteNotAllowed, detail)
                .hint("`starling sites add` lists a site, federation.import.allowed_sites names those whose bundles are taken"));
        };
        if let Some(limit) = site.max_bundle_size.filter(|limit| size > *limit) {
            let detail = format!(
                "importing a bundle of {}: it has {size} bytes, {limit} are allowed from it",
                site.slug
            );
            return Err(Problem::new(ErrorCode::BundleTooLarge, detail)
                .hint("split the export, or raise the site's --max-bundle-size"));
        }
        Ok(Some(site))
    }

    /// Chains and heads of the seal: they prove themselves, and the high-water mark may always rise.
    fn learn_trust(&self, seal: &BundleSeal, warnings: &mut Vec<String>) -> ServiceResult<()> {
        for chain in seal.chains() {
            match self.store.learn_chain(chain) {
                Ok(_) | Err(StoreError::SiteNotListed { .. }) => {}
                Err(error @ StoreError::Certificate(_)) => warnings.push(crate::home::error_chain(&error)),
                Err(error) => return Err(store_problem("learning certificates of a bundle", &error)),
            }
        }
        for head in seal.heads() {
            match self.store.learn_head(head) {
                Ok(_) | Err(StoreError::SiteNotListed { .. }) => {}
                Err(error) => return Err(store_problem("learning heads of a bundle", &error)),
            }
        }
        Ok(())
    }

    /// The ranges that go on from what is held; names gaps, and refuses what brings nothing.
    fn placeable(
        &self,
        allowed: &[LogRange],
        params: types::ImportParams,
        warnings: &mut Vec<String>,
    ) -> ServiceResult<Vec<LogRange>> {
        let mut taken = Vec::new();
        let mut gaps = Vec::new();
        let mut news = false;
        for range in allowed {
            let id = LogId {
                site: range.site,
                lane: range.lane,
            };
            let log = self
                .store
                .log(id)
                .map_err(|error| store_problem("importing a bundle", &error))?;
            let held = log
                .as_ref()
                .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
            if range.after > held {
                gaps.push(format!(
                    "the {} log of {}: held up to {held}, the bundle begins after {}",
                    range.lane, range.site, range.after
                ));
                continue;
            }
            if log.as_ref().is_some_and(|log| log.frozen) {
                gaps.push(format!(
                    "the {} log of {} is frozen: its author signed two histories",
                    range.lane, range.site
                ));
                continue;
            }
            news |= range.last > held || log.is_some_and(|log| log.wanted > 0 || log.accepted < held);
            taken.push(*range);
        }
        if taken.is_empty() {
            let detail = format!(
                "importing a bundle: claims are missing before it: {}",
                gaps.join("; ")
            );
            return Err(Problem::new(ErrorCode::BundleGap, detail)
                .hint("nothing was imported; import the bundle before it first, or have one exported with -c and the cursor held here"));
        }
        if !news && !params.force {
            let ends: Vec<String> = taken.iter().map(|range| range.cursor().to_string()).collect();
            let detail = format!(
                "importing a bundle: everything in it is here already, up to {}",
                ends.join(", ")
            );
            return Err(Problem::new(ErrorCode::CursorNotAfterCurrent, detail)
                .hint("nothing was changed; --force reads it again all the same"));
        }
        warnings.extend(
            gaps.into_iter()
                .map(|gap| format!("left out, claims are missing before it: {gap}")),
        );
        Ok(taken)
    }

    /// Verifies one delta and notes what it would change and contradict.
    fn look_at(
        &self,
        bytes: &[u8],
        seal: &BundleSeal,
        params: types::ImportParams,
        plan: &mut Plan,
    ) -> ServiceResult<()> {
        let refuse = |error: starling_protocol::DeltaError| {
            Problem::new(
                ErrorCode::SignatureVerificationFailed,
                format!("importing a bundle: {}", crate::home::error_chain(&error)),
            )
            .hint("nothing was imported; get the bundle again from its exporter")
        };
        let delta = Delta::decode(bytes).map_err(refuse)?;
        let (site, lane) = (delta.header().site, delta.header().lane);
        if !plan
            .taken
            .iter()
            .any(|range| range.site == site && range.lane == lane)
        {
            return Ok(());
        }
        let failed = |error: StoreError| store_problem("importing a bundle", &error);
        let known = self.store.chain(&site).map_err(failed)?;
        // A dry run may not have learnt the seal's chain, which can be the longer one.
        let chain = match (known, seal.chain_of(site)) {
            (Some(known), Some(sealed)) => Some(known.merge(sealed).unwrap_or(known)),
            (known, sealed) => known.or_else(|| sealed.cloned()),
        };
        let Some(chain) = chain else {
            return Err(Problem::new(
                ErrorCode::CertificateInvalid,
                format!("importing a bundle: no certificate chain of {site} is known"),
            ));
        };
        let verified = match delta.verify(&chain) {
            Ok(verified) => verified,
            // Honest bytes of a branch or epoch that this site cannot take: its log is left out, no other.
            Err(
                error @ (starling_protocol::DeltaError::OutsideEpoch { .. }
                | starling_protocol::DeltaError::UnknownEpoch { .. }),
            ) => {
                plan.warnings
                    .push(format!("left out: the {lane} log of {site}: {error}"));
                plan.taken
                    .retain(|range| range.site != site || range.lane != lane);
                return Ok(());
            }
            Err(error) => return Err(refuse(error)),
        };
        let held = self.store.log(LogId { site, lane }).map_err(failed)?;
        let held = held.map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        let reader = self.store.view().map_err(failed)?;
        for (number, claim) in verified.claims() {
            let KeyRef::Record(source, id) = claim.key().parse() else {
                continue;
            };
            if number <= held {
                plan.counts.canonical_skipped += u64::from(params.dry_run);
                continue;
            }
            let statements = reader.statements(&source, &id).map_err(failed)?;
            if params.dry_run {
                let counts = &mut plan.counts;
                match (claim.kind(), statements.is_empty()) {
                    (ClaimKind::SET, true) => counts.canonical_created += 1,
                    (ClaimKind::SET, false) => counts.canonical_updated += 1,
                    _ => counts.deletions_processed += 1,
                }
            }
            let Some((content, _)) = claim.content() else {
                continue;
            };
            for other in statements.iter().filter(|other| other.author != site) {
                let StatementKind::Set(theirs) = other.kind else {
                    continue;
                };
                if theirs == content {
                    continue;
                }
                plan.conflict_count += 1;
                if plan.conflicts.len() < LISTED_CONFLICTS {
                    plan.conflicts
                        .extend(self.conflict(&reader, &id, theirs, content));
                }
            }
        }
        Ok(())
    }

    fn conflict(
        &self,
        reader: &starling_store::ViewReader<'_>,
        id: &starling_protocol::RecordId,
        local: starling_protocol::ContentHash,
        remote: starling_protocol::ContentHash,
    ) -> Option<types::Conflict> {
        let advisory = starling_view::advisories_by_id(reader, id.as_str())
            .ok()?
            .into_iter()
            .next()?;
        Some(types::Conflict {
            merge_hash: advisory.merge_hash.into(),
            field: format!("record {id}"),
            local_value: types::RawJson::of(&local.to_string()).ok()?,
            remote_value: types::RawJson::of(&remote.to_string()).ok()?,
            resolution: self.config.view.conflict_strategy.to_string(),
        })
    }

    /// Applies what was read and found sound.
    fn apply(
        &self,
        reader: &mut BundleReader<BufReader<&mut File>>,
        taken: &[LogRange],
        report: &mut types::ImportReport,
    ) -> ServiceResult<Applied> {
        let failed = |error: StoreError| store_problem("importing a bundle", &error);
        let mut wanted: BTreeSet<LogId> = taken
            .iter()
            .map(|range| LogId {
                site: range.site,
                lane: range.lane,
            })
            .collect();
        let mut applied = Applied::default();
        while let Some(item) = reader
            .next_item()
            .map_err(|error| bundle_problem("importing a bundle", &error))?
        {
            match item {
                BundleItem::Deltas(page) => {
                    for (id, run) in runs_of(page.deltas()) {
                        if !wanted.contains(&id) {
                            continue;
                        }
                        let before = self.held_claims(id).map_err(failed)?;
                        let outcome = self.store.append(&run).map_err(failed)?;
                        applied.deltas += outcome.appended as u64;
                        applied.claims += self.held_claims(id).map_err(failed)?.saturating_sub(before);
                        if let Some(problem) = outcome.problem {
                            // One author's fault stops that author's log and no other.
                            wanted.remove(&id);
                            report
                                .warnings
                                .push(format!("left out: {}", problem_text(&problem)));
                            applied.problem.get_or_insert(problem);
                        }
                    }
                }
                BundleItem::Bodies(page) => {
                    let bodies: Vec<&[u8]> = page.bodies().map(|(_, body)| body).collect();
                    self.store.store_wanted(&bodies).map_err(failed)?;
                }
            }
        }
        let origin = Origin {
            bundle: Some(reader.hash()),
            at: now(),
        };
        let accepted = self.store.accept(&origin).map_err(failed)?;
        if wanted.is_empty()
            && let Some(problem) = &applied.problem
        {
            self.changed();
            return Err(append_problem(problem));
        }
        applied.view = accepted.view;
        report.counts = counts_of(&accepted.view);
        for id in wanted {
            if let Some(reason) = self
                .store
                .log(id)
                .map_err(failed)?
                .and_then(|log| log.hold_reason)
            {
                report.warnings.push(format!(
                    "held, not accepted yet: the {} log of {}: {reason}",
                    id.lane, id.site
                ));
            }
        }
        Ok(applied)
    }

    fn held_claims(&self, id: LogId) -> Result<u64, StoreError> {
        Ok(self.store.log(id)?.map_or(0, |log| log.tip.cursor.number.0))
    }

    fn site_cursor(&self, range: &LogRange) -> types::SiteCursor {
        let name = self.slug_of(&range.site).map(|slug| slug.to_string());
        types::SiteCursor {
            site: Some(name.unwrap_or_else(|| range.site.to_string())),
            cursor: range.cursor().into(),
        }
    }
}

#[derive(Default)]
struct Applied {
    deltas: u64,
    claims: u64,
    view: ViewCounts,
    /// The first thing that kept a log from being taken.
    problem: Option<AppendProblem>,
}

/// Deltas in runs of one log each, in order.
fn runs_of<'a>(deltas: impl Iterator<Item = &'a [u8]>) -> Vec<(LogId, Vec<u8>)> {
    let mut runs: Vec<(LogId, Vec<u8>)> = Vec::new();
    for bytes in deltas {
        let Ok(delta) = Delta::decode(bytes) else { continue };
        let id = LogId {
            site: delta.header().site,
            lane: delta.header().lane,
        };
        match runs.last_mut() {
            Some((last, run)) if *last == id => run.extend_from_slice(bytes),
            _ => runs.push((id, bytes.to_vec())),
        }
    }
    runs
}

pub(super) fn counts_of(view: &ViewCounts) -> types::ImportCounts {
    types::ImportCounts {
        canonical_created: view.created,
        canonical_updated: view.updated,
        canonical_skipped: view.skipped,
        edges_added: view.edges_added,
        deletions_processed: view.deletions,
    }
}

/// The exporter that a seal names, where its signature does not hold.
fn named_exporter(error: &BundleError) -> Option<SiteId> {
    match error {
        BundleError::Signature { exporter, .. } | BundleError::SealEpoch { exporter, .. } => Some(*exporter),
        _ => None,
    }
}

/// Deltas were verified before; what is left is what only the store can tell.
fn append_problem(problem: &AppendProblem) -> Problem {
    let text = format!("importing a bundle: {}", problem_text(problem));
    match problem {
        AppendProblem::Invalid { .. } => Problem::new(ErrorCode::SignatureVerificationFailed, text),
        AppendProblem::UnknownSite { .. } => Problem::new(ErrorCode::SiteNotAllowed, text),
        AppendProblem::UnknownEpoch { .. } => Problem::new(ErrorCode::CertificateInvalid, text),
        AppendProblem::Closed { .. } => Problem::new(ErrorCode::SignatureVerificationFailed, text)
            .hint("the bundle is from before an epoch of its author; ask for a newer one"),
        AppendProblem::Gap { .. } => Problem::new(ErrorCode::BundleGap, text),
        AppendProblem::Fork { .. } | AppendProblem::Frozen { .. } => {
            Problem::new(ErrorCode::ForkDetected, text)
                .hint("the author's operator must issue an epoch certificate that names the true branch")
        }
        AppendProblem::Refused { .. } | AppendProblem::Diverges { .. } => {
            Problem::new(ErrorCode::SignatureVerificationFailed, text)
        }
    }
}

fn problem_text(problem: &AppendProblem) -> String {
    match problem {
        AppendProblem::Invalid { reason } => reason.clone(),
        AppendProblem::UnknownSite { site } => {
            format!("{site} is not on the allow-list, or no certificate of it is known")
        }
        AppendProblem::UnknownEpoch { site, epoch } => {
            format!("epoch {epoch} of {site} has no certificate here")
        }
        AppendProblem::Closed { site, lane, epoch } => {
            format!(
                "the {lane} log of {site} goes on past the end of epoch {epoch}, which a certificate known here closed"
            )
        }
        AppendProblem::Gap {
            site,
            lane,
            missing_from,
            found,
        } => {
            format!(
                "the {lane} log of {site} lacks claims from {missing_from} on; the bundle goes on at {found}"
            )
        }
        AppendProblem::Diverges { site, lane } => {
            format!("the {lane} log of {site} goes on from another history than the one held here")
        }
        AppendProblem::Fork { proof } => format!(
            "{} signed two histories of its {} log; the proof is kept and the log frozen",
            proof.site(),
            proof.lane()
        ),
        AppendProblem::Frozen { site, lane } => {
            format!("the {lane} log of {site} is frozen by a proof of fork")
        }
        AppendProblem::Refused { site, lane, reason } => {
            format!("the {lane} log of {site} is refused: {reason}")
        }
    }
}
