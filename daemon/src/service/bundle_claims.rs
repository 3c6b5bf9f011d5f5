//! The claims of a bundle: what each new one would change and contradict here.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{ClaimKind, ContentHash, KeyRef, VerifiedDelta};
use starling_store::{LogId, StoreError, ViewReader};
use starling_view::{Claims, RecordKey, StatementKind};

use super::SiteParts;
use super::advisories::view_problem;
use super::bundle_conflicts::Contradiction;
use super::bundle_plan::{ATTEMPTED, Plan};
use super::problem::store_problem;

impl SiteParts {
    /// Records what a new delta would change and contradict.
    pub(super) fn look_at(&self, delta: &VerifiedDelta, plan: &mut Plan) -> ServiceResult<()> {
        let site = delta.header().site;
        if !plan.scopes.contains_key(&site) {
            return Ok(());
        }
        let log = LogId {
            site,
            lane: delta.header().lane,
        };
        let failed = |error: StoreError| store_problem(ATTEMPTED, &error);
        let reader = self.data.store.view().map_err(failed)?;
        for (_, claim) in delta.claims() {
            *plan.claims.entry(log).or_default() += 1;
            if let KeyRef::Record(source, id) = claim.key().parse() {
                let record = RecordKey::new(source, id);
                self.note_claim(plan, &reader, log, record, claim.kind(), claim.content())?;
            }
        }
        Ok(())
    }

    /// Records what a new claim contradicts, or a source that its author is not allowed for.
    fn note_claim(
        &self,
        plan: &mut Plan,
        reader: &ViewReader<'_>,
        log: LogId,
        record: RecordKey,
        kind: ClaimKind,
        content: Option<(ContentHash, u32)>,
    ) -> ServiceResult<()> {
        let author = log.site;
        if !plan.may_speak_of(&author, &record.source) {
            let sources = plan.out_of_scope.entry(log).or_default();
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
            // The value that the view shows now, if it is contradicted.
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
        // A withdrawn record has no content to compare.
        if let Some(content) = remote {
            plan.note_stated(record, content);
        }
        Ok(())
    }
}

/// Refuses contradictions of other authors, if the caller requested it.
pub(super) fn refuse_contradictions(plan: &Plan, params: types::ImportParams) -> ServiceResult<()> {
    let contradictions = plan.contradictions.count;
    if params.on_conflict != Some(types::ConflictStrategy::Fail) || contradictions == 0 {
        return Ok(());
    }
    let first = plan.contradictions.first().map(|key| key.id.to_string());
    let detail = format!(
        "{ATTEMPTED}: {contradictions} records say other than what other authors say of them here, \
         the first is {}",
        first.unwrap_or_default()
    );
    Err(Problem::new(ErrorCode::ConflictUnresolved, detail).hint(
        "nothing was imported; a dry run without on_conflict=fail shows each field and what the view would keep",
    ))
}
