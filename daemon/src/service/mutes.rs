//! Mutes: reads and writes the shared document, in the API's form.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, MuteState, Problem};
use starling_documents::actor::Actor;
use starling_documents::mutes::{
    DOCUMENT, MuteHistory, MuteId, MuteText, MuteWriter, PastRemoval, RemovalText, WriteError, WrittenChange,
};
use starling_protocol::{Claim, Lane, SiteId, UnixMillis};
use starling_store::{DocumentChange, MuteBook, Origin};

use super::excuses::Excuses;
use super::problem::store_problem;
use super::{SiteParts, mute_check};
use crate::clock::now;
use crate::home::error_chain;

/// Most changes of this site for which their writer is kept in memory, each of some hundred bytes.
const MAX_KEPT_CHANGES: usize = 5_000;

impl SiteParts {
    pub(super) fn mutes(&self, query: &types::MuteListQuery) -> ServiceResult<types::MuteList> {
        let book = self.mute_book()?;
        let excuses = self.excuses()?;
        let at = now();
        let named = query.vulnerability.as_deref();
        // Mutes are written in the spelling of findings.
        let named = named
            .map(|id| mute_check::vulnerability("listing mutes", id))
            .transpose()?;
        let mut mutes = Vec::new();
        for (id, mute) in &book.folded.mutes {
            let wanted = named.as_ref().is_none_or(|id| *id == mute.text.vulnerability)
                && (query.removed || mute.removals.is_empty());
            if wanted {
                mutes.push(self.shown_mute(&book, &excuses, id, mute, at)?);
            }
        }
        mutes.sort_by(|a, b| (b.created_at, &a.id).cmp(&(a.created_at, &b.id)));
        let aside = |index: usize, why: String| -> ServiceResult<types::ChangeAside> {
            let proof = self.proof(&book, index)?;
            Ok(types::ChangeAside { proof, why })
        };
        let waiting = book.folded.waiting.iter().map(|(index, missing)| {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            aside(
                *index,
                format!("it follows changes that are not here: {}", missing.join(", ")),
            )
        });
        let refused = book.folded.refused.iter();
        let refused = refused.map(|(index, refusal)| aside(*index, refusal.to_string()));
        Ok(types::MuteList {
            mutes,
            waiting: waiting.collect::<Result<_, _>>()?,
            refused: refused.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the ids of all mutes that were not removed.
    pub(super) fn mute_ids(&self) -> ServiceResult<BTreeSet<String>> {
        let list = self.mutes(&types::MuteListQuery::default())?;
        Ok(list.mutes.into_iter().map(|mute| mute.id).collect())
    }

    /// Returns the mutes that arrived since `before`, and the number that apply; `None` if none arrived.
    pub(super) fn arrived_mutes(
        &self,
        before: &BTreeSet<String>,
    ) -> ServiceResult<Option<types::ArrivedMutes>> {
        let mut mutes = self.mutes(&types::MuteListQuery::default())?.mutes;
        mutes.retain(|mute| !before.contains(&mute.id));
        let counting = mutes.iter().filter(|mute| mute.counts).count() as u64;
        let mut idle = mutes.iter().filter(|mute| !mute.counts);
        Ok((!mutes.is_empty()).then(|| types::ArrivedMutes {
            arrived: mutes.len() as u64,
            counting,
            remark: idle.find_map(|mute| mute.remark.clone()),
        }))
    }

    pub(super) fn mute(&self, id: &str) -> ServiceResult<types::Mute> {
        self.mute_in(self.mute_book()?.as_ref(), id)
    }

    pub(super) fn add_mute(&self, add: types::MuteAdd) -> ServiceResult<types::MuteAdded> {
        let at = now();
        let text = self.mute_text(add, at)?;
        let mut warnings = Vec::from_iter(self.matches_nothing(&text)?);
        // One at a time: each change depends on the previous one.
        let _one_at_a_time = self.one_import();
        self.prepare_to_sign("muting")?;
        let book = self.mute_book()?;
        warnings.extend(mute_check::room("muting", self.own_changes(&book))?);
        let written = self.write_change(&book, |writer| writer.mute(&text));
        let id = self.claim_change("muting", written, at)?;
        Ok(types::MuteAdded {
            mute: self.mute(id.as_str())?,
            warnings,
        })
    }

    pub(super) fn remove_mute(&self, id: &str, removal: types::MuteRemove) -> ServiceResult<types::Mute> {
        let at = now();
        let _one_at_a_time = self.one_import();
        self.prepare_to_sign("removing a mute")?;
        let book = self.mute_book()?;
        let known = self.mute_in(&book, id)?;
        if known.state == MuteState::Removed {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                format!("removing the mute {id}: it is already removed"),
            )
            .hint("`starling mute show` shows who removed it"));
        }
        mute_check::room("removing a mute", self.own_changes(&book))?;
        let text = RemovalText {
            mute: MuteId::parse(&known.id).ok_or_else(|| mute_not_found(id))?,
            reason: removal.reason.trim().to_owned(),
            by: self.by(removal.by),
            at,
        };
        let written = self.write_change(&book, |writer| writer.removal(&text));
        self.claim_change("removing a mute", written, at)?;
        self.mute(id)
    }

    /// Returns the sites whose mutes apply here.
    fn excuses(&self) -> ServiceResult<Excuses> {
        let listed = self.data.store.listed_sites();
        let listed = listed.map_err(|error| store_problem("reading the allow-list", &error))?;
        Ok(Excuses::of(self.identity.home.chain().site(), &listed))
    }

    fn mute_book(&self) -> ServiceResult<Arc<MuteBook>> {
        let view = self.data.store.view();
        view.and_then(|view| view.mute_book())
            .map_err(|error| store_problem("reading the mutes", &error))
    }

    /// Writes a change after this site's last one. The writer is kept while it is small, so that the next change costs no
    /// loading of the earlier ones; it is dropped after an error. The caller holds the import lock.
    fn write_change(
        &self,
        book: &MuteBook,
        write: impl FnOnce(&mut MuteWriter) -> Result<WrittenChange, WriteError>,
    ) -> Result<WrittenChange, WriteError> {
        let actor = self.document_actor();
        let (written, last) = book.end_of(actor);
        let mut kept = self
            .data
            .mute_writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut writer = match kept.take().filter(|kept| kept.follows(actor, written, last)) {
            Some(writer) => writer,
            None => MuteWriter::load(actor, &book.written_by(actor))?,
        };
        let change = write(&mut writer)?;
        *kept = (written < MAX_KEPT_CHANGES).then_some(writer);
        Ok(change)
    }

    /// Returns the actor with which this site writes now.
    fn document_actor(&self) -> Actor {
        let chain = self.own_chain();
        Actor::of(&chain.site(), chain.epoch(), DOCUMENT)
    }

    fn by(&self, by: Option<String>) -> String {
        let by = by.map(|by| by.trim().to_owned()).filter(|by| !by.is_empty());
        by.unwrap_or_else(|| self.identity.home.chain().slug().to_string())
    }

    /// Returns the checked mute, before anything is written.
    fn mute_text(&self, add: types::MuteAdd, at: UnixMillis) -> ServiceResult<MuteText> {
        let refuse = |detail: String| Problem::new(ErrorCode::BadRequest, format!("muting: {detail}"));
        let until = match (add.until, add.forever) {
            (Some(until), false) => {
                let until = UnixMillis::saturating(u64::try_from(until.unix_millis()).unwrap_or(0));
                if until < at {
                    let problem = refuse(format!("its end, {until}, has passed"));
                    return Err(problem.hint("give a day or time in the future"));
                }
                Some(until)
            }
            (None, true) => None,
            _ => {
                return Err(refuse("expected either an end or `forever`".to_owned())
                    .hint("give an end: a forgotten mute is worse than a finding"));
            }
        };
        let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned());
        let text = MuteText {
            vulnerability: mute_check::vulnerability("muting", &add.vulnerability)?,
            package: trimmed(add.package),
            ecosystem: trimmed(add.ecosystem),
            sbom: trimmed(add.sbom),
            until,
            reason: add.reason.trim().to_owned(),
            by: self.by(add.by),
            created: at,
        };
        text.check().map_err(|error| refuse(error.to_string()))?;
        mute_check::patterns(&text)?;
        Ok(text)
    }

    /// Signs a change into the site's log; every site that accepts this one gets it next.
    fn claim_change(
        &self,
        doing: &str,
        written: Result<WrittenChange, WriteError>,
        at: UnixMillis,
    ) -> ServiceResult<MuteId> {
        let written = written.map_err(|error| match &error {
            WriteError::Text(text) => Problem::new(ErrorCode::BadRequest, format!("{doing}: {text}")),
            _ => Problem::internal(doing, error_chain(&error)),
        })?;
        let claim = Claim::document_change(DOCUMENT, *written.hash.as_bytes(), &written.bytes, at)
            .map_err(|error| Problem::internal(doing, error_chain(&error)))?;
        let failed = |error| store_problem("writing the site's log", &error);
        let origin = Origin { bundle: None, at };
        self.data
            .store
            .author(Lane::Federation, [claim], &self.key(), at, &origin)
            .map_err(failed)?;
        self.sign_heads().map_err(failed)?;
        self.changed();
        if self.live.started.is_none() {
            // The index does not contain mutes, so it is still current.
            self.keep_ready();
        }
        Ok(written.id)
    }

    fn mute_in(&self, book: &MuteBook, id: &str) -> ServiceResult<types::Mute> {
        let parsed = MuteId::parse(id).ok_or_else(|| mute_not_found(id))?;
        let mute = book.folded.mutes.get(&parsed).ok_or_else(|| mute_not_found(id))?;
        self.shown_mute(book, &self.excuses()?, &parsed, mute, now())
    }

    fn shown_mute(
        &self,
        book: &MuteBook,
        excuses: &Excuses,
        id: &MuteId,
        mute: &MuteHistory,
        at: UnixMillis,
    ) -> ServiceResult<types::Mute> {
        let text = mute.text.clone();
        let removals = mute.removals.iter().map(|PastRemoval { text, change }| {
            Ok(types::MuteRemoval {
                reason: text.reason.clone(),
                by: text.by.clone(),
                removed_at: text.at.into(),
                proof: self.proof(book, *change)?,
            })
        });
        let removals = removals.collect::<ServiceResult<Vec<_>>>()?;
        let state = match (removals.is_empty(), text.until) {
            (false, _) => MuteState::Removed,
            (true, Some(until)) if until < at => MuteState::Expired,
            _ => MuteState::Active,
        };
        let proof = self.proof(book, mute.change)?;
        let (counts, remark) = match state {
            MuteState::Active => excuses.standing_of(&SiteId::from_bytes(*proof.site.as_bytes())),
            MuteState::Expired => (false, Some("its end has passed".to_owned())),
            MuteState::Removed | MuteState::Unknown => (false, Some("it was removed".to_owned())),
        };
        Ok(types::Mute {
            id: id.to_string(),
            state,
            counts,
            remark,
            vulnerability: text.vulnerability,
            package: text.package,
            ecosystem: text.ecosystem,
            sbom: text.sbom,
            until: text.until.map(Into::into),
            reason: text.reason,
            by: text.by,
            created_at: text.created.into(),
            proof,
            removals,
        })
    }

    fn proof(&self, book: &MuteBook, index: usize) -> ServiceResult<types::ChangeProof> {
        let change: &DocumentChange = book
            .changes
            .get(index)
            .ok_or_else(|| Problem::internal("reading the mutes", "a change is not there"))?;
        Ok(types::ChangeProof {
            site: change.log.site.into(),
            site_id: self.slug_of(&change.log.site),
            epoch: change.epoch,
            lane: change.log.lane.into(),
            cursor: change.cursor.into(),
            delta_hash: types::ContentHash::from_bytes(*change.delta.as_bytes()),
            change_hash: change.hash.to_string(),
            claimed_at: change.time.into(),
        })
    }
}

fn mute_not_found(id: &str) -> Problem {
    let id: String = id.chars().take(60).collect();
    Problem::new(
        ErrorCode::MuteNotFound,
        format!("looking up the mute {id:?}: not found"),
    )
    .hint("`starling mute list` shows the ids")
}
