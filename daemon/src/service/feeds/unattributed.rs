//! Rejected documents protect records from becoming absent: the source still has a record whose document is rejected.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_feeds::Identity;
use starling_protocol::{Lane, RecordId};

use super::options::Commit;
use super::{Account, Judged, id_of_file, is_part};
use crate::service::feed_runs::{NAMED, Refusal};
use crate::service::problem::store_problem;

/// Rejected documents whose record is unknown, so that each may contain any stated record.
#[derive(Debug)]
pub(super) struct Unattributed {
    name: String,
    /// The names of the first ones of the input, at most [`NAMED`].
    pub(super) names: BTreeSet<String>,
    /// True if the first one is an entry of a document, so that no file name can tell its record.
    is_part: bool,
}

impl Unattributed {
    /// Returns a sentence about the first one.
    pub(super) fn why(&self) -> String {
        why_of(&self.name)
    }
}

/// Returns the sentence that explains why a rejected document protects records.
pub(super) fn why_of(name: &str) -> String {
    format!("{name} was not taken in, and nothing tells which record it held")
}

impl Account<'_> {
    /// Keeps the stated records that a rejected document or a part of one may contain: the record whose id it has; and for a
    /// file, the record that its name stands for and the one last read from it. If none of these is stated, the document may
    /// contain any record.
    pub(super) fn keep_rejected(&mut self, name: &str, identity: Option<&Identity>) -> ServiceResult<()> {
        let is_part = is_part(name);
        let mut ids: Vec<RecordId> = identity
            .and_then(|identity| identity.id.clone())
            .into_iter()
            .collect();
        if !is_part {
            // Another site may state the record, so this one need not have read the file before.
            ids.extend(id_of_file(name));
            let held = self.site.data.store.record_of_file(&self.source, name);
            ids.extend(held.map_err(|error| store_problem("reading a feed's file names", &error))?);
        }
        let mut is_attributed = false;
        for id in ids {
            is_attributed |= self.is_stated(&id)?;
            self.keep.insert(id);
        }
        if !is_attributed {
            let first = self.unattributed.get_or_insert_with(|| Unattributed {
                name: name.to_owned(),
                names: BTreeSet::new(),
                is_part,
            });
            // More names are not needed: the documents beyond this number are only counted as rejected, and while any is
            // only counted, no rejected document is taken as read.
            if first.names.len() < NAMED {
                first.names.insert(name.to_owned());
            }
        }
        Ok(())
    }

    /// Returns true if this id has a record in the statements with which the input is compared.
    fn is_stated(&self, id: &RecordId) -> ServiceResult<bool> {
        let store = &self.site.data.store;
        let said = store.said_of(&self.source, id, Lane::Federation, self.how.base());
        let said = said.map_err(|error| store_problem("reading what is stated of a record", &error))?;
        Ok(said.is_some_and(|said| said.content.is_some()))
    }

    /// Returns true, and warns, if the input is the whole source and a rejected document in it may contain any record.
    pub(super) fn warn_of_unattributed(&mut self, commit: &Commit<'_>) -> bool {
        // An approved empty input is exempt: its empty stream is rejected as a document.
        let is_relevant = commit.complete && !commit.is_emptied;
        let (Some(unattributed), true) = (&self.unattributed, is_relevant) else {
            return false;
        };
        let why = unattributed.why();
        self.warn_and_note(format!("{why}: none is called absent this time"));
        true
    }

    /// Makes the source count as not checked if a rejected document may contain any record and that cannot become known
    /// later.
    ///
    /// That is so for an entry of a document, which has no file name by which a later version could be recognised; and if
    /// the source is shared, because only a comparison shows which records of other sites are gone. Otherwise the source can
    /// be checked: a known file that is rejected in each run must not make it stale for ever.
    pub(super) fn leave_unattributed(&self, judged: &mut Judged) {
        let Some(unattributed) = &self.unattributed else {
            return;
        };
        judged.is_checked &= !unattributed.is_part;
        if self.how.shared.is_some() {
            judged.is_checked = false;
            judged.refusal.get_or_insert_with(|| {
                let why = unattributed.why();
                Refusal::lasting(format!(
                    "{why}: which records of other sites the source lacks is not known"
                ))
            });
        }
    }
}
