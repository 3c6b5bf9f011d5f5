//! Scans: combines knowledge and policy to a verdict in its envelope.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use starling_api::{ScanDocuments, ServiceResult};
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem, wording};
use starling_policy::{
    Baseline, FailOn, Freshness, HeadExpiry, Judged, KnowledgeState, Policy, PolicyDocument, RegoInput,
    RegoPolicy, RegoSource, SourceCheck, UncheckedSource, VerdictHash, VexDocument, decide, exit_code,
};
use starling_protocol::UnixMillis;
use starling_scanner::knowledge::{JudgedAt, Knowledge};
use starling_scanner::sbom;
use starling_scanner::scan::{ScanError, ScanOptions, scan};
use starling_store::ViewReader;

use super::SiteParts;
use super::excuses::Excuses;
use super::known::Known;
use super::lost_claims::lost_reason;
use super::open_imports;
use super::problem::{knowledge_problem, store_problem};
use super::view_knowledge::view_knowledge;
use crate::clock::now;
use crate::config::Config;
use crate::home::Home;
use crate::match_index::{Patched, stamp_of};
use crate::policies::Policies;
use crate::vex_store::{VexStore, vex_unreadable};

/// Most advisories for which a command builds the match index, for later commands. A daemon builds it in the
/// background for any number; a command would keep its caller waiting.
const INDEXED_BY_A_COMMAND: u64 = 2_000;

/// Most threads that read and scan a large document.
const MAX_WORKERS: usize = 4;

/// Returns the threads of one scan: one per core. The system is asked only once, because that reads files.
fn workers() -> usize {
    static WORKERS: OnceLock<usize> = OnceLock::new();
    *WORKERS.get_or_init(|| {
        std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_WORKERS)
    })
}

impl SiteParts {
    /// Scans with the current knowledge, or with that of the requested time.
    pub(super) fn scan_as_asked(
        &self,
        documents: &ScanDocuments,
        params: &types::ScanParams,
    ) -> ServiceResult<types::VerdictEnvelope> {
        let Some(as_of) = &params.as_of else {
            return self.scan(documents, params);
        };
        let past = self.past(as_of)?;
        let params = types::ScanParams {
            at: params.at.or(Some(past.at.into())),
            as_of: None,
            ..params.clone()
        };
        let mut envelope = self.as_of(past, |then| then.scan(documents, &params))?;
        envelope.known_since = Some(past.since.into());
        envelope.unfinished_imports.clear();
        Ok(envelope)
    }

    fn scan(
        &self,
        documents: &ScanDocuments,
        params: &types::ScanParams,
    ) -> ServiceResult<types::VerdictEnvelope> {
        let judge = Judge {
            home: &self.identity.home,
            config: &self.identity.config,
            policies: &self.data.policies,
            kept_vex: &self.data.kept_vex,
        };
        let reader = self
            .data
            .store
            .view()
            .map_err(|error| store_problem("reading the view", &error))?;
        let mut known = self.known(&reader)?;
        let mut reader = reader;
        // An existing index only needs its marker, for later commands.
        let is_there = || self.live.indexes.find(&known.stamp).is_some();
        if self.live.started.is_none() && (known.state.advisories <= INDEXED_BY_A_COMMAND || is_there()) {
            drop(reader);
            self.refresh_index();
            // The view was released: use what it shows now.
            reader = self
                .data
                .store
                .view()
                .map_err(|error| store_problem("reading the view", &error))?;
            known = self.known(&reader)?;
        }
        let state = &known.state;
        if let Some(index) = self.live.indexes.find(&known.stamp) {
            if let Ok(envelope) = judge.scan(documents, params, &*index, state)? {
                return Ok(envelope);
            }
            self.live.indexes.discard();
        }
        let view = || view_knowledge(&reader);
        let base = crate::match_index::base(&self.live.indexes, &reader)
            .map_err(|error| store_problem("reading the view", &error))?;
        if let Some(index) = base {
            let patched = Patched::new(&index, &reader, view()?);
            if let Ok(envelope) = judge.scan(documents, params, &patched, state)? {
                return Ok(envelope);
            }
        }
        judge.scan(documents, params, &view()?, state)?
    }

    /// Returns a verdict's data about the site's knowledge, and the stamp of its index.
    fn known(&self, reader: &ViewReader<'_>) -> ServiceResult<Arc<Known>> {
        self.live.known.get(reader.number(), || {
            Ok(Known {
                state: self.knowledge_state(reader)?,
                stamp: stamp_of(reader),
            })
        })
    }

    /// Returns a verdict's data about the site's knowledge.
    pub(crate) fn knowledge_state(&self, reader: &ViewReader<'_>) -> ServiceResult<KnowledgeState> {
        let failed = |error| store_problem("reading the view", &error);
        let (mut checks, mut unchecked, mut ahead) = (Vec::new(), Vec::new(), Vec::new());
        let latest = latest_check();
        for (name, overview) in reader.sources().map_err(failed)? {
            let source = name.to_string();
            match overview.checked_at {
                Some(last_checked) => {
                    if last_checked > latest {
                        ahead.push(source.clone());
                    }
                    let last_checked = last_checked.min(latest);
                    checks.push(SourceCheck { source, last_checked });
                }
                None if overview.records > 0 => unchecked.push(UncheckedSource {
                    source,
                    last_heard: reader
                        .last_heard(&name)
                        .map_err(failed)?
                        .map(|heard| heard.min(latest)),
                }),
                None => {}
            }
        }
        let excuses = Excuses::of(
            self.identity.home.chain().site(),
            &self.data.store.listed_sites().map_err(failed)?,
        );
        Ok(KnowledgeState {
            root: reader.knowledge_root(),
            advisories: reader.advisory_count().map_err(failed)?,
            sources: checks,
            unchecked,
            heads: heads_of(reader),
            held_back: reader.held_back().iter().map(ToString::to_string).collect(),
            lost: reader.lost_claims().iter().map(lost_reason).collect(),
            frozen: reader.frozen_authors(),
            ahead,
            view_policy_hash: reader.settings().rules_hash().to_string(),
            mutes: excuses.counting(&reader.mutes().map_err(failed)?.mutes),
            unconfirmed: excuses.into_unconfirmed(),
        })
    }
}

/// Returns the end of validity of other sites' heads, as far as this site's clock can accept it.
fn heads_of(reader: &ViewReader<'_>) -> Vec<HeadExpiry> {
    let heads = reader.head_expiries().into_iter().map(|head| HeadExpiry {
        site: head.site,
        expires: head.expires_at,
        sources: head.sources.iter().map(ToString::to_string).collect(),
    });
    heads.collect()
}

/// Returns true if a scan uses its caller's own Rego policy, which may take up to the time limit.
pub(crate) fn is_costly(documents: &ScanDocuments) -> bool {
    let policy = documents.policy.as_deref();
    documents.rego.is_some() || policy.is_some_and(RegoPolicy::is_meant)
}

/// A clock difference that is accepted.
const CLOCK_TOLERANCE_MILLIS: u64 = 5 * 60 * 1_000;

/// Returns the latest plausible time of a source's check, by this site's clock.
pub(super) fn latest_check() -> starling_protocol::UnixMillis {
    crate::clock::now().plus_millis(CLOCK_TOLERANCE_MILLIS)
}

/// The inputs of a scan besides the knowledge: the site, its configuration and its policy files.
pub(crate) struct Judge<'a> {
    pub(crate) home: &'a Home,
    pub(crate) config: &'a Config,
    pub(crate) policies: &'a Policies,
    pub(crate) kept_vex: &'a VexStore,
}

impl Judge<'_> {
    /// Scans an SBOM with `knowledge`; `None` if the knowledge could not be read, which is logged.
    pub(crate) fn scan(
        &self,
        documents: &ScanDocuments,
        params: &types::ScanParams,
        knowledge: &dyn Knowledge,
        state: &KnowledgeState,
    ) -> ServiceResult<Result<types::VerdictEnvelope, Problem>> {
        let document: &[u8] = &documents.sbom;
        let inventory = sbom::read_by(document, workers()).map_err(|error| sbom_unreadable(&error))?;
        let given = Given::of(documents)?;
        let policy = self.policy(&given, params)?;
        let rego = self.rego(&given)?;
        let baseline = documents.baseline.as_deref().map(Baseline::read).transpose();
        let baseline = baseline.map_err(|error| {
            Problem::new(ErrorCode::BaselineUnreadable, crate::home::error_chain(&error))
                .hint("use the output of `starling scan --json` as a baseline")
        })?;
        let mut vex = self.kept_vex.documents()?;
        let given = VexDocument::read_beside(&vex, documents.vex.iter().map(AsRef::as_ref));
        vex.extend(given.map_err(|error| vex_unreadable(&error))?);
        let vex = VexDocument::set_of(vex);
        let as_of = params.at.map_or_else(|| Ok(now()), moment)?;
        let options = ScanOptions {
            severity_sources: policy.severity_sources.clone(),
            workers: workers(),
            at: JudgedAt::from_unix_millis(as_of.as_millis()),
        };
        let result = match scan(&inventory, knowledge, &options) {
            Ok(result) => result,
            Err(error @ ScanError::TooMany { .. }) => {
                return Err(Problem::new(ErrorCode::SbomUnreadable, error.to_string()));
            }
            Err(error) => {
                tracing::warn!(error = %crate::home::error_chain(&error), "scanning");
                return Ok(Err(knowledge_problem("scanning", &error)));
            }
        };
        let rego = match rego {
            None => None,
            Some(source) => {
                let input = RegoInput::of(&result, inventory.subject.as_deref(), state, as_of);
                let input = input.map_err(|error| {
                    Problem::new(ErrorCode::PolicyInvalid, crate::home::error_chain(&error))
                })?;
                Some(crate::rego::evaluate(&source, &input)?)
            }
        };
        let verdict = decide(
            Judged {
                document,
                inventory: &inventory,
                result: &result,
                baseline: baseline.as_ref(),
                vex: &vex,
                rego: rego.as_ref(),
            },
            &policy,
            state,
            as_of,
        );
        let internal = |error: &(dyn std::error::Error + 'static)| {
            Problem::internal("writing the verdict", crate::home::error_chain(error))
        };
        let body = verdict.to_bytes().map_err(|error| internal(&error))?;
        let hash = VerdictHash::of(&body);
        let text = String::from_utf8(body).map_err(|error| internal(&error))?;
        Ok(Ok(types::VerdictEnvelope {
            verdict: types::RawJson::new(text).map_err(|error| internal(&error))?,
            verdict_hash: types::VerdictHash::from_bytes(*hash.as_bytes()),
            site: self.home.chain().site().into(),
            site_id: self.home.chain().slug().into(),
            time: now().into(),
            known_since: None,
            exit_code: exit_code(&verdict),
            without_threshold: verdict.rego.is_none() && !policy.can_fail(),
            unfinished_imports: open_imports::unfinished(self.home.path()),
            signature: None,
        }))
    }

    /// Returns the Rego policy to use: the given one, or the site's own if no policy is given at all.
    fn rego(&self, given: &Given<'_>) -> ServiceResult<Option<Arc<RegoSource>>> {
        match given.rego {
            Some(bytes) => RegoSource::of(bytes)
                .map(|source| Some(Arc::new(source)))
                .map_err(|error| crate::policies::invalid(Path::new("the Rego policy given"), bytes, &error)),
            None if given.is_any() => Ok(None),
            None => self.policies.rego.load(now()),
        }
    }

    /// Returns the policy to use: the given file, or the site's own if no policy is given at all, combined with the
    /// flags and the configuration.
    fn policy(&self, given: &Given<'_>, params: &types::ScanParams) -> ServiceResult<Policy> {
        let configured = self.config.scan.fail_on.as_deref();
        let name = params.fail_on.map(types::FailOn::as_str).or(configured);
        let fail_on = match name {
            None => None,
            Some(name) => Some(
                FailOn::ALL
                    .into_iter()
                    .find(|level| level.as_str() == name)
                    .ok_or_else(|| {
                        Problem::new(
                            ErrorCode::ConfigInvalid,
                            format!("scan.fail_on: {name:?} is not a severity"),
                        )
                        .hint("expected any, low, medium, high or critical")
                    })?,
            ),
        };
        let scan = &self.config.scan;
        let base = match given.yaml {
            Some(bytes) => {
                PolicyDocument::read(bytes)
                    .map_err(|error| crate::policies::invalid(Path::new("the policy given"), bytes, &error))?
                    .policy
            }
            None if given.is_any() => Policy::default(),
            None => {
                let own = self.policies.yaml.load(now())?;
                own.map(|document| document.policy.clone()).unwrap_or_default()
            }
        };
        let configured_coverage = scan.min_coverage_percent.map(|percent| u16::from(percent) * 100);
        let configured_age = scan.max_age_hours.map(|hours| hours.saturating_mul(3_600));
        let policy = Policy {
            fail_on,
            min_coverage_basis_points: params
                .min_coverage_basis_points
                .or(base.min_coverage_basis_points)
                .or(configured_coverage),
            max_age_seconds: params.max_age_seconds.or(base.max_age_seconds).or(configured_age),
            fail_on_unused: params.fail_on_unused,
            freshness: freshness_of(scan),
            ..base
        };
        policy
            .validate()
            .map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
        Ok(policy)
    }
}

/// Returns the time at which to evaluate; clocks of sites begin in 1970, and a verdict does not move the time it is given.
fn moment(at: types::Timestamp) -> ServiceResult<UnixMillis> {
    u64::try_from(at.unix_millis())
        .map(UnixMillis::saturating)
        .map_err(|_| {
            let detail = format!("scanning: the time to evaluate at must be 1970 or later, got {at}");
            Problem::new(ErrorCode::BadRequest, detail)
        })
}

/// Returns the problem for an SBOM that cannot be read, without the words of parsers.
fn sbom_unreadable(error: &sbom::SbomError) -> Problem {
    let why = wording::within(&crate::home::error_chain(error));
    Problem::new(ErrorCode::SbomUnreadable, format!("reading the SBOM: {why}"))
}

/// Returns the configured rhythms of sources.
pub(super) fn freshness_of(scan: &crate::config::Scan) -> Freshness {
    // Checked when they were read.
    let seconds = |text: &str| starling_policy::units::parse_span(text).unwrap_or(u64::MAX);
    let rhythms = scan.rhythms.iter();
    Freshness {
        rhythm_seconds: seconds(&scan.rhythm),
        rhythms: rhythms
            .map(|(source, rhythm)| (source.to_string(), seconds(rhythm)))
            .collect(),
        required: scan.require_fresh,
        partial: scan.partial_sources.iter().cloned().collect(),
    }
}

/// The policies given with a scan, by language. If one is given, neither of the site's own policies is used: the call
/// then states the whole decision, equal at every site.
#[derive(Default)]
struct Given<'a> {
    yaml: Option<&'a [u8]>,
    rego: Option<&'a [u8]>,
}

impl<'a> Given<'a> {
    fn of(documents: &'a ScanDocuments) -> ServiceResult<Self> {
        let mut given = Self {
            yaml: None,
            rego: documents.rego.as_deref(),
        };
        match documents.policy.as_deref() {
            Some(bytes) if RegoPolicy::is_meant(bytes) => {
                if given.rego.replace(bytes).is_some() {
                    return Err(Problem::new(
                        ErrorCode::BadRequest,
                        "reading the policies of a scan: expected at most one Rego policy, got two",
                    ));
                }
            }
            yaml => given.yaml = yaml,
        }
        Ok(given)
    }

    fn is_any(&self) -> bool {
        self.yaml.is_some() || self.rego.is_some()
    }
}
