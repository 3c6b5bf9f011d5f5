//! Taking bundles in: read whole and checked first, applied after, through the same door as everything else.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{BundleItem, BundleReader, LogRange, ReaderOptions, SealCheck};
use starling_protocol::{Delta, Source};
use starling_store::{LedgerEntry, LogId, Origin, StoreError, ViewCounts};
use starling_sync::AppendProblem;

use super::SiteParts;
use super::bundle_plan::Plan;
use super::problem::{bundle_problem, store_problem};
use crate::clock::now;

impl SiteParts {
    /// Imports a bundle, or tells what its import would do.
    ///
    /// The first reading is a rehearsal: on a copy of the store it learns what the seal brings, then finds gaps,
    /// forks and contradictions. Only if all is sound does anything change here; a dry run goes on with the copy.
    pub(super) fn import_bundle(
        &self,
        mut file: File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let started = Instant::now();
        let _one_at_a_time = self.one_import();
        let mut report = if params.dry_run {
            self.rehearse(size, |trial| {
                let plan = trial.plan_import(&mut file, size, params)?;
                trial.carry_out(&plan, &mut file, size, params)
            })?
        } else {
            // What a seal brings is small, however large the bundle.
            let plan = self.rehearse(0, |trial| trial.plan_import(&mut file, size, params))?;
            let reader = self.open_bundle(&mut file, params)?;
            self.learn_trust(reader.seal(), &mut Vec::new())?;
            self.carry_out(&plan, &mut file, size, params)?
        };
        if !params.dry_run {
            self.changed();
            self.forget_if_due();
        }
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    /// Applies what was planned and tells what came of it.
    fn carry_out(
        &self,
        plan: &Plan,
        file: &mut File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let mut reader = self.open_bundle(file, params)?;
        let mut report = types::ImportReport {
            success: true,
            bundle_hash: reader.hash().into(),
            imported_cursor: None,
            counts: types::ImportCounts::default(),
            conflicts: Vec::new(),
            duration_ms: 0,
            cursors: plan.taken.iter().map(|range| self.site_cursor(range)).collect(),
            dry_run: params.dry_run,
            warnings: plan.warnings.clone(),
        };
        let newest = plan.taken.iter().max_by_key(|range| {
            // The exporter's own log is what an operator follows; else the newest.
            (
                plan.exporter.as_ref().is_some_and(|site| site.site == range.site),
                range.last_time,
            )
        });
        report.imported_cursor = newest.map(|range| range.cursor().into());
        let items = self.apply(&mut reader, &plan.taken, &mut report)?;
        self.tell_conflicts(plan, params, &mut report)?;
        self.tell_out_of_scope(plan, &mut report);
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
            let held = held.map(|range| (log_of(range), range.last));
            self.store
                .note_holdings(&exporter.site, held.collect())
                .map_err(failed)?;
        }
        Ok(report)
    }

    /// Names the sources that the bundle speaks of and that their authors may not speak of here.
    fn tell_out_of_scope(&self, plan: &Plan, report: &mut types::ImportReport) {
        for (author, sources) in &plan.out_of_scope {
            let name = self
                .slug_of(author)
                .map_or_else(|| author.to_string(), |slug| slug.to_string());
            let claims: u64 = sources.values().sum();
            let named: Vec<&str> = sources.keys().map(Source::as_str).collect();
            let mut wider: Vec<String> = plan.allowed_sources(author);
            wider.extend(named.iter().map(|name| (*name).to_owned()));
            report.warnings.push(format!(
                "{claims} claims of {name} about {} are held and not accepted, for its --allowed-sources lack them; \
                 to accept them: `starling sites set {name} --allowed-sources {}`, then import this bundle again \
                 for its record bodies, unless a peer brings them",
                named.join(", "),
                wider.join(",")
            ));
        }
    }

    pub(super) fn open_bundle<'f>(
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

    /// Applies what was read and found sound.
    fn apply(
        &self,
        reader: &mut BundleReader<BufReader<&mut File>>,
        taken: &[LogRange],
        report: &mut types::ImportReport,
    ) -> ServiceResult<Applied> {
        let failed = |error: StoreError| store_problem("importing a bundle", &error);
        let mut wanted: BTreeSet<LogId> = taken.iter().map(log_of).collect();
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
            return Err(append_problem(problem, applied.deltas));
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

/// The log that a range is of.
pub(super) const fn log_of(range: &LogRange) -> LogId {
    LogId {
        site: range.site,
        lane: range.lane,
    }
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

/// Deltas were verified before; what is left is what only the store can tell.
fn append_problem(problem: &AppendProblem, taken: u64) -> Problem {
    let mut text = format!("importing a bundle: {}", problem_text(problem));
    if taken > 0 {
        text.push_str(&format!("; {taken} deltas before it are taken"));
    }
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
