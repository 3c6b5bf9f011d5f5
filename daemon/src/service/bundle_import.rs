//! Imports bundles: reads and checks the complete file first, then applies it through the same path as all other data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, LogOutcome, Problem};
use starling_protocol::bundle::{BundleItem, BundleReader, BundleSeal, LogRange, ReaderOptions, SealCheck};
use starling_protocol::{ClaimNumber, Delta, SiteId, Source};
use starling_store::{LedgerEntry, LogId, Origin, StoreError, ViewCounts};
use starling_sync::AppendProblem;

use super::SiteParts;
use super::bundle_ground::{CONFLICT_HINT, FROZEN_HINT, OTHER_BRANCH_HINT};
use super::bundle_plan::Plan;
use super::problem::{bundle_problem, store_problem};
use crate::clock::now;

impl SiteParts {
    /// Imports a bundle, or reports what its import would do.
    ///
    /// The first reading is a dry run: on a copy of the store it learns the seal's data, then finds gaps, forks and
    /// contradictions. Only if everything is sound is the site changed; a requested dry run continues with the copy.
    pub(super) fn import_bundle(
        &self,
        mut file: File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let started = Instant::now();
        let _one_at_a_time = self.one_import();
        let mut report = if params.dry_run {
            self.dry_run(size, |trial| {
                let plan = trial.plan_import(&mut file, size, params)?;
                match plan.refusal_at(trial, params) {
                    Some(problem) => Err(problem),
                    None => trial.try_out(&plan, &mut file, size, params),
                }
            })?
        } else {
            // A seal's data is small, even for a large bundle.
            let plan = self.dry_run(0, |trial| trial.plan_import(&mut file, size, params))?;
            self.keep_evidence(&plan)?;
            if let Some(problem) = plan.refusal_at(self, params) {
                return Err(problem);
            }
            self.hold_if_behind(&plan)?;
            let mut report = self.carry_out(&plan, &mut file, size, params)?;
            self.hear_bundle(&plan, &mut report)?;
            report
        };
        if !params.dry_run {
            self.changed();
            self.forget_if_due();
        }
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    /// Applies the plan to a copy.
    pub(super) fn try_out(
        &self,
        plan: &Plan,
        file: &mut File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        if self.takes_back_claims() {
            self.data.store.hold_back(true);
        }
        self.carry_out(plan, file, size, params)
    }

    /// Applies the plan and reports the results.
    fn carry_out(
        &self,
        plan: &Plan,
        file: &mut File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let mut reader = self.open_bundle(file, params)?;
        let mutes_before = self.mute_ids()?;
        let given_up = self.learn_trust(reader.seal(), plan)?;
        let mut report = types::ImportReport {
            success: true,
            bundle_hash: reader.hash().into(),
            imported_cursor: None,
            counts: types::ImportCounts::default(),
            conflicts: Vec::new(),
            duration_ms: 0,
            cursors: Vec::new(),
            dry_run: params.dry_run,
            logs: Vec::new(),
            certificates: plan.news.certificates,
            heads: plan.news.heads,
            warnings: plan.warnings.iter().cloned().chain(given_up).collect(),
            mutes: None,
        };
        let items = self.apply(&mut reader, plan, &mut report)?;
        let newest = self.tell_logs(plan, &items, reader.seal(), &mut report)?;
        self.tell_conflicts(plan, params, &mut report)?;
        self.tell_out_of_scope(plan, &mut report);
        report.mutes = self.arrived_mutes(&mutes_before)?;
        let entry = LedgerEntry::BundleImported {
            at: now(),
            bundle: report.bundle_hash.to_string(),
            exporter: plan.exporter.as_ref().map(|site| site.site),
            deltas: items.deltas,
            items: items.claims,
            bytes: size,
            cursor: newest,
            counts: items.view,
        };
        let failed = |error: StoreError| store_problem("noting the import", &error);
        self.data.store.record(&entry).map_err(failed)?;
        // The exporter's position is its own statement: an unsigned seal proves nothing.
        if let Some(exporter) = plan
            .exporter
            .as_ref()
            .filter(|_| reader.seal().exporter().is_ok())
        {
            let sound = plan.logs.iter().filter(|log| log.outcome != LogOutcome::Refused);
            let held = sound.map(|log| (log_of(&log.range), log.range.last));
            self.data
                .store
                .note_holdings(&exporter.site, held.collect())
                .map_err(failed)?;
        }
        Ok(report)
    }

    /// Lists the sources in the bundle for which their authors are not allowed here.
    fn tell_out_of_scope(&self, plan: &Plan, report: &mut types::ImportReport) {
        for (log, sources) in &plan.out_of_scope {
            let name = self.author_name(&log.site);
            let claims: u64 = sources.values().sum();
            let named: Vec<&str> = sources.keys().map(Source::as_str).collect();
            report.warnings.push(format!(
                "{claims} claims of {name} about {} are held but not accepted, because its --allowed-sources do not include \
                 them; to accept them: {}",
                named.join(", "),
                self.how_to_allow(plan, &log.site, &named)
            ));
        }
    }

    /// Returns an author's name on the allow-list, else its identity.
    fn author_name(&self, author: &SiteId) -> String {
        self.slug_of(author)
            .map_or_else(|| author.to_string(), |slug| slug.to_string())
    }

    /// Returns how claims of more sources of an author get into the view.
    fn how_to_allow(&self, plan: &Plan, author: &SiteId, sources: &[&str]) -> String {
        let mut wider: Vec<String> = plan.allowed_sources(author);
        wider.extend(sources.iter().map(|name| (*name).to_owned()));
        format!(
            "`starling sites set {} --allowed-sources {}`, then import this bundle again for its record bodies, unless a \
             peer brings them",
            self.author_name(author),
            wider.join(",")
        )
    }

    /// Returns the claims of a log that are not used, with the sentence that says so and the one that says what to do.
    fn not_used(&self, plan: &Plan, log: &LogId) -> NotUsed {
        let (sources, others) = plan.unused(log);
        let names: Vec<&str> = sources.iter().map(|one| one.source.as_str()).collect();
        if names.is_empty() {
            return NotUsed::default();
        }
        let (list, are) = (names.join(", "), if names.len() == 1 { "is" } else { "are" });
        let claims: u64 = sources.iter().map(|one| one.claims).sum();
        let reason = format!(
            "{claims} claims are held, not used: {list} {are} not allowed for {} here",
            self.author_name(&log.site)
        );
        let hint = self.how_to_allow(plan, &log.site, &names);
        NotUsed {
            said: Some((reason, hint)),
            others,
            sources,
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
            max_bundle_bytes: self.identity.config.federation.import.max_bundle_size.0,
            seal: if self.may_skip_seal(params) {
                SealCheck::Skip
            } else {
                SealCheck::Require
            },
        };
        BundleReader::open(BufReader::with_capacity(1 << 20, file), options)
            .map_err(|error| bundle_problem("importing a bundle", &error))
    }

    /// Applies a bundle that was read and checked.
    fn apply(
        &self,
        reader: &mut BundleReader<BufReader<&mut File>>,
        plan: &Plan,
        report: &mut types::ImportReport,
    ) -> ServiceResult<Applied> {
        let failed = |error: StoreError| store_problem("importing a bundle", &error);
        let mut wanted: BTreeSet<LogId> = plan.taken.iter().map(log_of).collect();
        let mut applied = Applied::default();
        for (id, branch) in plan.branches.iter().filter(|(id, _)| wanted.contains(id)) {
            let vouched = self.data.store.vouch(*id, branch.number, branch.header);
            vouched.map_err(failed)?;
        }
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
                        let outcome = self.data.store.append(&run).map_err(failed)?;
                        applied.deltas += outcome.appended as u64;
                        let kept = outcome.gave_up_after.map_or(before, |after| after.0);
                        applied.claims += self.held_claims(id).map_err(failed)?.saturating_sub(kept);
                        if let Some(after) = outcome.gave_up_after {
                            report.warnings.push(format!(
                                "the held claims of {} after {after}, up to {before}, were of a branch that its newest \
                                 certificate does not name; those of the bundle replace them",
                                self.author_name(&id.site)
                            ));
                        }
                        if let Some(problem) = outcome.problem {
                            // It passed the checks, so the site's data has changed meanwhile.
                            wanted.remove(&id);
                            applied.problems.insert(id, append_problem(&problem));
                        }
                    }
                }
                BundleItem::Bodies(page) => {
                    let named = page.bodies().filter(|(hash, _)| plan.named.contains(hash));
                    let bodies: Vec<&[u8]> = named.map(|(_, body)| body).collect();
                    self.data.store.store_wanted(&bodies).map_err(failed)?;
                }
            }
        }
        let origin = Origin {
            bundle: Some(reader.hash()),
            at: now(),
        };
        let accepted = self.data.store.accept(&origin).map_err(failed)?;
        applied.view = accepted.view;
        report.counts = counts_of(&applied.view);
        report.warnings.extend(applied.view.problems.sentences());
        Ok(applied)
    }

    /// Reports the result for each log; returns the cursor that interests an operator.
    fn tell_logs(
        &self,
        plan: &Plan,
        applied: &Applied,
        seal: &BundleSeal,
        report: &mut types::ImportReport,
    ) -> ServiceResult<Option<starling_protocol::Cursor>> {
        let mut newest = None;
        for judged in &plan.logs {
            let id = log_of(&judged.range);
            let log = self.data.store.log(id);
            let log = log.map_err(|error| store_problem("importing a bundle", &error))?;
            let cursor = log.as_ref().map(|log| log.tip.cursor);
            let cursor = cursor.filter(|cursor| cursor.number > ClaimNumber::NONE);
            let problem = applied.problems.get(&id).or(judged.problem.as_ref());
            let held = log.as_ref().and_then(|log| log.hold_reason.clone());
            let (outcome, reason) = match (problem, held) {
                (Some(problem), _) => (LogOutcome::Refused, Some(problem.detail.clone())),
                (None, Some(reason)) => (LogOutcome::Held, Some(reason)),
                (None, None) => (judged.outcome, None),
            };
            report.success &= matches!(outcome, LogOutcome::Taken | LogOutcome::Here);
            let name = self.slug_of(&id.site);
            if outcome != LogOutcome::Refused
                && let Some(reached) = cursor
            {
                let site = name
                    .as_ref()
                    .map_or_else(|| id.site.to_string(), ToString::to_string);
                report.cursors.push(types::SiteCursor {
                    site: Some(site),
                    cursor: reached.into(),
                });
                // An operator follows the exporter's own log; else the newest one.
                let is_own = plan.exporter.as_ref().is_some_and(|site| site.site == id.site);
                newest = newest.max(Some((is_own, reached.time, reached.number)));
            }
            let hint = match outcome {
                LogOutcome::Held => Some(HELD_HINT.to_owned()),
                _ => problem.and_then(|problem| problem.hint.clone()),
            };
            let not_used = match outcome {
                LogOutcome::Refused => NotUsed::default(),
                _ => self.not_used(plan, &id),
            };
            let (reason, hint) = match (reason, not_used.said) {
                (None, Some((reason, allow))) => (Some(reason), Some(allow)),
                (reason, _) => (reason, hint),
            };
            report.logs.push(types::ImportLog {
                site: id.site.into(),
                site_id: name.or_else(|| seal.chain_of(id.site).map(|chain| chain.slug().into())),
                lane: id.lane.into(),
                outcome,
                cursor: cursor.map(Into::into),
                code: problem.map(|problem| problem.code),
                reason,
                hint,
                not_used: not_used.sources,
                other_claims: not_used.others,
            });
        }
        let newest = newest.map(|(_, time, number)| starling_protocol::Cursor { time, number });
        report.imported_cursor = newest.map(Into::into);
        Ok(newest)
    }

    fn held_claims(&self, id: LogId) -> Result<u64, StoreError> {
        Ok(self.data.store.log(id)?.map_or(0, |log| log.tip.cursor.number.0))
    }
}

/// The advice about a log that is held but not accepted.
const HELD_HINT: &str = "`starling status` lists the missing data; the claims are accepted when a peer or a later bundle brings it";

/// Claims of a log that are held and not used, because their author is not allowed for their sources.
#[derive(Default)]
struct NotUsed {
    sources: Vec<types::UnusedSource>,
    others: Option<u64>,
    /// The problem, and what to do.
    said: Option<(String, String)>,
}

#[derive(Default)]
struct Applied {
    deltas: u64,
    claims: u64,
    view: ViewCounts,
    /// The reason why a log was not imported after all.
    problems: BTreeMap<LogId, Problem>,
}

/// Groups deltas into runs of one log each, in order.
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

/// Returns the log of a range.
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
        deletions_processed: view.deletions + view.withdrawn,
    }
}

/// Converts the problem of an append. The deltas were checked before, so only later changes of the site can cause one.
fn append_problem(problem: &AppendProblem) -> Problem {
    let text = problem_text(problem);
    match problem {
        AppendProblem::Invalid { .. } => Problem::new(ErrorCode::SignatureVerificationFailed, text),
        AppendProblem::UnknownSite { .. } => Problem::new(ErrorCode::SiteNotAllowed, text),
        AppendProblem::UnknownEpoch { .. } => Problem::new(ErrorCode::CertificateInvalid, text),
        AppendProblem::Closed { .. } => Problem::new(ErrorCode::EpochClosed, text)
            .hint("the bundle is older than an epoch of its author: ask for a newer one"),
        AppendProblem::Gap { .. } => Problem::new(ErrorCode::BundleGap, text),
        AppendProblem::OtherBranch { .. } => {
            Problem::new(ErrorCode::EpochClosed, text).hint(OTHER_BRANCH_HINT)
        }
        AppendProblem::Fork { .. } | AppendProblem::Diverges { .. } => {
            Problem::new(ErrorCode::ForkDetected, text).hint(FROZEN_HINT)
        }
        AppendProblem::Frozen { .. } => Problem::new(ErrorCode::AuthorFrozen, text).hint(FROZEN_HINT),
        AppendProblem::Distrusted { .. } => {
            Problem::new(ErrorCode::CertificateConflict, text).hint(CONFLICT_HINT)
        }
        AppendProblem::Refused { .. } => Problem::new(ErrorCode::DeltaRefused, text),
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
                "the {lane} log of {site} continues after the end of epoch {epoch}, which a known certificate closed"
            )
        }
        AppendProblem::Gap {
            site,
            lane,
            missing_from,
            found,
        } => {
            format!(
                "the {lane} log of {site} lacks claims from {missing_from} on; the bundle continues at {found}"
            )
        }
        AppendProblem::OtherBranch { site, lane, next } => {
            format!(
                "the {lane} log of {site} continues another history than the one held here, and a known certificate names \
                 one of the two; the delta that ends at claim {next} decides it"
            )
        }
        AppendProblem::Diverges { site, lane } => {
            format!("the {lane} log of {site} continues another history than the one held here")
        }
        AppendProblem::Fork { proof } => format!(
            "{} signed two histories of its {} log; the proof is kept and the log frozen",
            proof.site(),
            proof.lane()
        ),
        AppendProblem::Frozen { site, lane } => {
            format!("the {lane} log of {site} is frozen by a proof of fork")
        }
        AppendProblem::Distrusted { site } => {
            format!("two certificates of {site} for one epoch exist: nothing new of it is trusted")
        }
        AppendProblem::Refused { site, lane, reason } => {
            format!("the {lane} log of {site} is refused: {reason}")
        }
    }
}
