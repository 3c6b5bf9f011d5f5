//! The first reading of a bundle: checks if it is sound and allowed, which of its data continues the held data, and
//! what it contradicts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, LogOutcome, Problem};
use starling_protocol::bundle::{BranchStart, BundleSeal, LogFault, LogRange, RangeReport, check};
use starling_protocol::{ClaimNumber, ContentHash, SiteId, Source, VerifiedHead};
use starling_store::{AllowedSources, FrozenBy, ListedSite, LogId, StoreError};
use starling_view::RecordKey;

use super::SiteParts;
use super::bundle_claims::refuse_contradictions;
use super::bundle_conflicts::{COMPARED_RECORDS, Contradictions};
use super::bundle_exporter::not_listed;
use super::bundle_ground::{CONFLICT_HINT, FROZEN_HINT, Ground, fault_problem};
use super::bundle_import::log_of;
use super::bundle_restore::OwnLogTold;
use super::bundle_trust::{Evidence, TrustNews};
use super::problem::store_problem;

pub(super) const ATTEMPTED: &str = "importing a bundle";

/// The result of the first reading of a bundle.
#[derive(Default)]
pub(super) struct Plan {
    /// Logs to import, with their range.
    pub(super) taken: Vec<LogRange>,
    /// Taken logs of which the held branch lost: where that of the bundle begins.
    pub(super) branches: BTreeMap<LogId, BranchStart>,
    /// All logs of the bundle, in order.
    pub(super) logs: Vec<JudgedLog>,
    /// Number of the deltas in them.
    pub(super) deltas: u64,
    /// The sources that each author is allowed for here.
    pub(super) scopes: BTreeMap<SiteId, AllowedSources>,
    pub(super) exporter: Option<ListedSite>,
    pub(super) warnings: Vec<String>,
    /// Records about which other authors state something else here.
    pub(super) contradictions: Contradictions,
    /// New statements: at most [`COMPARED_RECORDS`].
    pub(super) stated: Vec<(RecordKey, ContentHash)>,
    /// Number of all new statements with a content.
    pub(super) stated_count: u64,
    /// Number of claims per log and source for which the author is not allowed.
    pub(super) out_of_scope: BTreeMap<LogId, BTreeMap<Source, u64>>,
    /// Number of all claims per log.
    pub(super) claims: BTreeMap<LogId, u64>,
    /// The bundle's data about this site's own log.
    pub(super) own: OwnLogTold,
    /// The records of the bundle that may be kept.
    pub(super) named: BTreeSet<ContentHash>,
    /// New data in the seal.
    pub(super) news: TrustNews,
    /// Proof that an author or its root key signed twice: kept even if the bundle is refused.
    pub(super) evidence: Evidence,
}

/// One log of a bundle and its check.
pub(super) struct JudgedLog {
    pub(super) range: LogRange,
    pub(super) outcome: LogOutcome,
    /// The reason for its refusal.
    pub(super) problem: Option<Problem>,
    /// The reason why it will not be accepted.
    pub(super) held: Option<String>,
}

impl Plan {
    /// Counts a new statement, and keeps it for the comparison of sources if there is room.
    pub(super) fn note_stated(&mut self, record: RecordKey, content: ContentHash) {
        self.stated_count += 1;
        if self.stated.len() < COMPARED_RECORDS {
            self.stated.push((record, content));
        }
    }

    /// Returns the sources that an author is allowed for here, as written in the allow-list.
    pub(super) fn allowed_sources(&self, author: &SiteId) -> Vec<String> {
        self.scopes.get(author).cloned().map_or_else(Vec::new, Into::into)
    }

    /// Returns the bundle's claims in a log that are not used here, per source, and the number of its other claims.
    pub(super) fn unused(&self, log: &LogId) -> (Vec<types::UnusedSource>, Option<u64>) {
        let Some(sources) = self.out_of_scope.get(log) else {
            return (Vec::new(), None);
        };
        let unused = sources.iter().map(|(source, claims)| types::UnusedSource {
            source: source.into(),
            claims: *claims,
        });
        let all = self.claims.get(log).copied().unwrap_or_default();
        let others = all.saturating_sub(sources.values().sum());
        (unused.collect(), Some(others))
    }

    pub(super) fn may_speak_of(&self, author: &SiteId, source: &Source) -> bool {
        self.scopes.get(author).is_some_and(|scope| scope.allows(source))
    }

    /// Returns true if part of a site's data is refused and none is imported: then none of it is kept.
    pub(super) fn is_refused(&self, site: &SiteId) -> bool {
        let mut logs = self.logs.iter().filter(|log| log.range.site == *site).peekable();
        logs.peek().is_some() && logs.all(|log| log.outcome == LogOutcome::Refused)
    }

    /// Returns true if a log's own problem already reports this.
    fn is_told(&self, what: &str) -> bool {
        let problems = self.logs.iter().filter_map(|log| log.problem.as_ref());
        problems.into_iter().any(|problem| problem.detail == what)
    }

    /// Returns the reason why nothing of the bundle is kept, if so.
    pub(super) fn refusal(&self, params: types::ImportParams) -> Option<Problem> {
        let brings_trust = self.news.certificates + self.news.heads > 0;
        if !self.taken.is_empty() || brings_trust {
            return None;
        }
        let told: Vec<&str> = self.evidence.told.iter().map(|(_, what)| what.as_str()).collect();
        let has_fault = self.logs.iter().any(|log| log.problem.is_some());
        if let Some((code, _)) = self.evidence.told.first().filter(|_| !has_fault) {
            let detail = format!("{ATTEMPTED}: {}", told.join("; "));
            return Some(Problem::new(*code, detail).hint(match code {
                ErrorCode::CertificateConflict => CONFLICT_HINT,
                _ => FROZEN_HINT,
            }));
        }
        if self.logs.is_empty() {
            let detail =
                format!("{ATTEMPTED}: it has no deltas, and no certificate or head that is new here");
            return Some(
                Problem::new(ErrorCode::BundleEmpty, detail)
                    .hint("nothing was changed; export it again if it should have data"),
            );
        }
        let mut refused = self.logs.iter().filter_map(|log| log.problem.as_ref());
        if let Some(first) = refused.next() {
            let details: Vec<&str> = std::iter::once(first)
                .chain(refused)
                .map(|problem| problem.detail.as_str())
                .chain(told.into_iter().filter(|what| !self.is_told(what)))
                .collect();
            let detail = format!("{ATTEMPTED}: {}", details.join("; "));
            let problem = Problem::new(first.code, detail);
            return Some(match &first.hint {
                Some(hint) => problem.hint(format!("nothing was imported; {hint}")),
                None => problem,
            });
        }
        // A preview without data is not a refusal.
        if params.force || params.dry_run {
            return None;
        }
        let ends: Vec<String> = self
            .logs
            .iter()
            .map(|log| log.range.cursor().to_string())
            .collect();
        let all = match self.deltas {
            1 => "its 1 delta is here".to_owned(),
            many => format!("all {many} deltas are here"),
        };
        let detail = format!("{ATTEMPTED}: nothing new: {all}, up to {}", ends.join(", "));
        Some(
            Problem::new(ErrorCode::CursorNotAfterCurrent, detail)
                .hint("nothing was changed; use --force to read it again"),
        )
    }
}

impl SiteParts {
    /// Reads the complete bundle, checks each of its logs, and learns the seal's data. Runs in a dry run, so that
    /// nothing stays unless it is kept on purpose.
    ///
    /// # Errors
    /// Reasons to refuse the file or its exporter. The refusal of a log is in the plan.
    pub(super) fn plan_import(
        &self,
        file: &mut File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<Plan> {
        let failed = |error: StoreError| store_problem(ATTEMPTED, &error);
        let mut reader = self.open_bundle(file, params)?;
        let own = self.identity.home.chain().site();
        let listed = self.data.store.listed_sites().map_err(failed)?;
        let mut plan = Plan {
            scopes: listed
                .iter()
                .filter(|site| site.enabled)
                .map(|site| (site.site, site.allowed_sources.clone()))
                .chain([(own, AllowedSources::All)])
                .collect(),
            ..Plan::default()
        };
        plan.exporter = self.check_exporter(reader.seal(), size, params, &mut plan.warnings)?;
        if reader.seal().destination().is_some_and(|to| to != own) {
            plan.warnings
                .push("the bundle was made for another site; it may lack what this one needs".to_owned());
        }
        let before = self.chain_lengths(reader.seal())?;
        self.try_chains(reader.seal(), &mut plan)?;
        let scopes = plan.scopes.clone();
        let ground = Ground {
            store: &self.data.store,
            may_hold: &|site| scopes.contains_key(site),
        };
        let found = check(&mut reader, &ground, |delta| Ok(self.look_at(delta, &mut plan)?))
            .map_err(|error| error.into_problem(ATTEMPTED))?;
        if found.surplus > 0 {
            plan.warnings.push(format!(
                "{} records in it have no live claim in it, or are out of its scope, and are not kept",
                found.surplus
            ));
        }
        plan.named = found.named;
        for report in found.ranges {
            plan.deltas += report.deltas;
            let judged = self.judge(report, reader.seal(), &listed, &mut plan)?;
            plan.logs.push(judged);
        }
        plan.own = OwnLogTold::of(reader.seal(), own, &plan.logs);
        self.try_heads(reader.seal(), &mut plan)?;
        self.count_chains(&before, &mut plan)?;
        let told = plan.evidence.told.iter().map(|(_, what)| what.clone());
        plan.warnings.extend(told);
        let logs = plan.logs.iter().filter(|log| log.outcome == LogOutcome::Taken);
        plan.taken = logs.map(|log| log.range).collect();
        let authors = plan.logs.iter().map(|log| log.range.site);
        let refused: Vec<SiteId> = authors.filter(|site| plan.is_refused(site)).collect();
        for site in &refused {
            plan.contradictions.leave_out(site);
        }
        if plan.refusal(params).is_none() {
            refuse_contradictions(&plan, params)?;
        }
        Ok(plan)
    }

    /// Returns a log's name for people.
    pub(super) fn log_name(&self, seal: &BundleSeal, site: SiteId, lane: starling_protocol::Lane) -> String {
        let name = self.slug_of(&site).map(|slug| slug.to_string());
        let name = name.or_else(|| {
            seal.chain_of(site)
                .map(|chain| format!("{} ({site})", chain.slug()))
        });
        format!("the {lane} log of {}", name.unwrap_or_else(|| site.to_string()))
    }

    /// Returns the result for one log.
    fn judge(
        &self,
        report: RangeReport,
        seal: &BundleSeal,
        listed: &[ListedSite],
        plan: &mut Plan,
    ) -> ServiceResult<JudgedLog> {
        let range = report.range;
        let name = self.log_name(seal, range.site, range.lane);
        let refused = |problem| {
            Ok(JudgedLog {
                range,
                outcome: LogOutcome::Refused,
                problem: Some(problem),
                held: None,
            })
        };
        if !plan.scopes.contains_key(&range.site) {
            return refused(not_listed(&name, &range.site, listed));
        }
        if let Some(LogFault::Fork { proof, .. }) = &report.fault {
            plan.evidence.forks.push((**proof).clone());
        }
        if let Some(problem) = self.distrust(&range.site)? {
            return refused(problem);
        }
        // This site does not store a rival of its own chain, but reports it.
        if plan
            .evidence
            .chains
            .iter()
            .any(|chain| chain.site() == range.site)
        {
            let detail =
                format!("{name}: two certificates for one epoch exist, and nothing new of it is trusted");
            return refused(Problem::new(ErrorCode::CertificateConflict, detail).hint(CONFLICT_HINT));
        }
        let log = self.data.store.log(log_of(&range));
        let log = log.map_err(|error| store_problem(ATTEMPTED, &error))?;
        if let Some(by) = log.as_ref().and_then(|log| log.frozen_by) {
            return refused(frozen_problem(&name, by));
        }
        if let Some(fault) = report.fault {
            return refused(fault_problem(&name, &fault));
        }
        if let Some(branch) = report.branch {
            if range.site == self.identity.home.chain().site() {
                return refused(own_branch_problem(&name, branch));
            }
            plan.branches.insert(log_of(&range), branch);
        }
        let known = log.as_ref().map_or(ClaimNumber::NONE, |log| log.high_water);
        let sealed = seal.heads().iter().map(VerifiedHead::head);
        let sealed = sealed.filter(|head| (head.site, head.lane) == (range.site, range.lane));
        let known = sealed.map(|head| head.number).max().unwrap_or(known).max(known);
        // Only this site can have signed it: its home was restored since, and gets the data back.
        let is_taken_back = self.takes_back_claims();
        if range.site == self.identity.home.chain().site() && range.last > known && !is_taken_back {
            let detail =
                format!("{name}: it is longer than this site's own copy, although only this site writes it");
            return refused(Problem::new(ErrorCode::OwnLogAhead, detail).hint(
                "if this home was copied or restored from a backup, run `starling restore --yes`: the site then gets the data back",
            ));
        }
        let lacking = report.lacking.iter();
        let mut lacking = lacking.filter(|(source, _)| plan.may_speak_of(&range.site, source));
        let held = match (report.critical, lacking.next()) {
            (Some(number), _) => Some(format!(
                "claim {number} has an unknown kind that is marked as critical"
            )),
            (None, Some((source, count))) => Some(format!(
                "{count} records of {source} are neither in the bundle nor here"
            )),
            (None, None) => None,
        };
        let lacks = log.is_some_and(|log| log.wanted > 0 || log.accepted < log.tip.cursor.number);
        let outcome = if report.new > 0 || lacks {
            LogOutcome::Taken
        } else {
            LogOutcome::Here
        };
        Ok(JudgedLog {
            range,
            outcome,
            problem: None,
            held,
        })
    }
}

/// The advice if a certificate names another branch than that of this site's own log.
const OWN_BRANCH_HINT: &str = "this home was copied or restored, and is not the one that wrote the named branch: run \
    `starling restore --yes`, which takes the own log back";

/// Returns the problem of a certificate that names another branch than that of this site's own log.
fn own_branch_problem(name: &str, branch: BranchStart) -> Problem {
    let fault = LogFault::OtherBranch {
        number: branch.number,
    };
    fault_problem(name, &fault).hint(OWN_BRANCH_HINT)
}

/// Returns the problem of a frozen log.
fn frozen_problem(name: &str, by: FrozenBy) -> Problem {
    let why = by.why();
    Problem::new(ErrorCode::AuthorFrozen, format!("{name} is frozen: {why}")).hint(FROZEN_HINT)
}
