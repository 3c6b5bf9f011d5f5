//! The first reading of a bundle: is it sound, is it allowed, what of it goes on from what is held, and what does
//! it contradict.

use std::collections::BTreeMap;
use std::fs::File;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{BundleError, BundleItem, BundleSeal, LogRange};
use starling_protocol::{ClaimKind, ClaimNumber, ContentHash, Delta, KeyRef, SiteId, Source};
use starling_store::{AllowedSources, ListedSite, LogId, StoreError, ViewReader};
use starling_view::{Claims, RecordKey, StatementKind};

use super::SiteParts;
use super::advisories::view_problem;
use super::bundle_conflicts::{COMPARED_RECORDS, Contradiction, Contradictions};
use super::bundle_import::log_of;
use super::problem::{bundle_problem, store_problem};

/// What the first reading of a bundle found.
pub(super) struct Plan {
    /// Logs that are taken, with their range.
    pub(super) taken: Vec<LogRange>,
    /// Which sources each author may speak of here.
    scopes: BTreeMap<SiteId, AllowedSources>,
    pub(super) exporter: Option<ListedSite>,
    pub(super) warnings: Vec<String>,
    /// Records of which other authors say something else here.
    pub(super) contradictions: Contradictions,
    /// What is newly stated: at most [`COMPARED_RECORDS`].
    pub(super) stated: Vec<(RecordKey, ContentHash)>,
    /// How much is newly stated in all.
    pub(super) stated_count: u64,
    /// Claims per author and source that it may not speak of.
    pub(super) out_of_scope: BTreeMap<SiteId, BTreeMap<Source, u64>>,
}

impl Plan {
    /// The sources that an author may speak of here, as the allow-list writes them.
    pub(super) fn allowed_sources(&self, author: &SiteId) -> Vec<String> {
        self.scopes.get(author).cloned().map_or_else(Vec::new, Into::into)
    }

    fn may_speak_of(&self, author: &SiteId, source: &Source) -> bool {
        self.scopes.get(author).is_some_and(|scope| scope.allows(source))
    }
}

impl SiteParts {
    /// Whether a seal that does not verify may be passed over: where none is required, or where the caller asks
    /// for it and the configuration trusts listed exporters so far. Asking alone is not enough.
    pub(super) fn may_skip_seal(&self, params: types::ImportParams) -> bool {
        let federation = &self.config.federation;
        let trusted = federation.import.skip_signature_on_trusted_sites;
        !federation.require_signature || (params.skip_signature && trusted)
    }

    /// Reads the whole bundle and learns what its seal brings: meant for a rehearsal, so that nothing of it
    /// stays unless all of it is sound.
    pub(super) fn plan_import(
        &self,
        file: &mut File,
        size: u64,
        params: types::ImportParams,
    ) -> ServiceResult<Plan> {
        let failed = |error: StoreError| store_problem("importing a bundle", &error);
        let mut reader = self.open_bundle(file, params)?;
        let mut warnings = Vec::new();
        let exporter = self.check_exporter(reader.seal(), size, params, &mut warnings)?;
        let own = self.home.chain().site();
        if reader.seal().destination().is_some_and(|to| to != own) {
            warnings.push("the bundle was made for another site; it may lack what this one needs".to_owned());
        }
        self.learn_trust(reader.seal(), &mut warnings)?;
        let listed = self.store.listed_sites().map_err(failed)?.into_iter();
        let scopes: BTreeMap<SiteId, AllowedSources> = listed
            .filter(|site| site.enabled)
            .map(|site| (site.site, site.allowed_sources))
            .chain([(own, AllowedSources::All)])
            .collect();
        let ranges = reader.manifest().ranges.clone();
        let (allowed, strangers): (Vec<LogRange>, Vec<LogRange>) = ranges
            .into_iter()
            .partition(|range| scopes.contains_key(&range.site));
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
            scopes,
            exporter,
            warnings,
            contradictions: Contradictions::default(),
            stated: Vec::new(),
            stated_count: 0,
            out_of_scope: BTreeMap::new(),
        };
        while let Some(item) = reader
            .next_item()
            .map_err(|error| bundle_problem("importing a bundle", &error))?
        {
            if let BundleItem::Deltas(page) = item {
                for bytes in page.deltas() {
                    self.look_at(bytes, &mut plan)?;
                }
            }
        }
        // Only now: a file that is damaged is damaged, whatever else is to be said of it.
        if let Some(problem) = refusal {
            return Err(problem);
        }
        let contradictions = plan.contradictions.count;
        if params.on_conflict == Some(types::ConflictStrategy::Fail) && contradictions > 0 {
            let first = plan.contradictions.first().map(|key| key.id.to_string());
            let detail = format!(
                "importing a bundle: {contradictions} records say other than what other authors say of them here, \
                 the first is {}",
                first.unwrap_or_default()
            );
            return Err(Problem::new(ErrorCode::ConflictUnresolved, detail)
                .hint("nothing was imported; a dry run without on_conflict=fail shows each field and what the view would keep"));
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
    pub(super) fn learn_trust(&self, seal: &BundleSeal, warnings: &mut Vec<String>) -> ServiceResult<()> {
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
            let log = self
                .store
                .log(log_of(range))
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
    fn look_at(&self, bytes: &[u8], plan: &mut Plan) -> ServiceResult<()> {
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
        let chain = self.store.chain(&site).map_err(failed)?;
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
            if number > held
                && let KeyRef::Record(source, id) = claim.key().parse()
            {
                let record = RecordKey::new(source, id);
                self.note_claim(plan, &reader, site, record, claim.kind(), claim.content())?;
            }
        }
        Ok(())
    }

    /// Notes what a claim that is new here contradicts, or speaks of without being allowed to.
    fn note_claim(
        &self,
        plan: &mut Plan,
        reader: &ViewReader<'_>,
        author: SiteId,
        record: RecordKey,
        kind: ClaimKind,
        content: Option<(ContentHash, u32)>,
    ) -> ServiceResult<()> {
        if !plan.may_speak_of(&author, &record.source) {
            let sources = plan.out_of_scope.entry(author).or_default();
            *sources.entry(record.source).or_default() += 1;
            return Ok(());
        }
        let remote = match (kind, content) {
            (ClaimKind::SET, Some((content, _))) => Some(content),
            (ClaimKind::ABSENT, _) => None,
            _ => {
                plan.contradictions.withdraw(&record, author);
                return Ok(());
            }
        };
        let statements = reader
            .statements(&record.source, &record.id)
            .map_err(|error| store_problem("importing a bundle", &error))?;
        let others = statements.iter().filter(|other| other.author != author);
        let others = others.map(|other| match other.kind {
            StatementKind::Set(content) => Some(content),
            StatementKind::Absent => None,
        });
        let others: Vec<Option<ContentHash>> = others.filter(|other| *other != remote).collect();
        if others.is_empty() {
            plan.contradictions.withdraw(&record, author);
        } else {
            // What the view shows now, if it is among what is contradicted.
            let shown =
                starling_view::chosen_content(reader, &record).map_err(|error| view_problem(&error))?;
            let local = others.iter().copied().find(|other| *other == shown);
            let local = local.or_else(|| others.first().copied()).flatten();
            let advisories = starling_view::advisories_by_id(reader, record.id.as_str())
                .map_err(|error| view_problem(&error))?;
            let found = Contradiction {
                local,
                remote,
                advisories,
            };
            plan.contradictions.note(record.clone(), author, found);
        }
        plan.stated_count += 1;
        if let (Some(content), true) = (remote, plan.stated.len() < COMPARED_RECORDS) {
            plan.stated.push((record, content));
        }
        Ok(())
    }
}

/// The exporter that a seal names, where its signature does not hold.
fn named_exporter(error: &BundleError) -> Option<SiteId> {
    match error {
        BundleError::Signature { exporter, .. } | BundleError::SealEpoch { exporter, .. } => Some(*exporter),
        _ => None,
    }
}
