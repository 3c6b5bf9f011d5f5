//! Rejected documents, and the absences that they forbid: a record whose document is rejected is not gone.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_feeds::Identity;
use starling_protocol::{Lane, RecordId};

use super::options::Commit;
use super::{Account, Judged, id_of_file, is_part};
use crate::service::feed_runs::{NAMED, Refusal};
use crate::service::problem::store_problem;

/// A rejected document of which nothing tells which stated record it held.
#[derive(Debug)]
pub(super) struct Unattributed {
    name: String,
    /// It and all others of the input.
    pub(super) names: BTreeSet<String>,
    /// It is an entry of a document: even the name of a record that it was meant for is missing.
    is_part: bool,
}

impl Unattributed {
    /// Says so.
    pub(super) fn why(&self) -> String {
        why_of(&self.name)
    }
}

/// Says why a rejected document forbids absences.
pub(super) fn why_of(name: &str) -> String {
    format!("{name} was not taken in, and nothing tells which record it held")
}

impl Account<'_> {
    /// Keeps the stated records that a rejected document, or part of one, held: the one whose id it names itself; and for
    /// a whole file the one it is named for, and the one it held last. If none of these is stated, it may hold any record
    /// under another name.
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
            // Of more, some are rejected without a name, and then none counts as read.
            if first.names.len() < NAMED {
                first.names.insert(name.to_owned());
            }
        }
        Ok(())
    }

    /// Returns true if a record of this id is stated by anyone with whom the input is compared.
    fn is_stated(&self, id: &RecordId) -> ServiceResult<bool> {
        let store = &self.site.data.store;
        let said = store.said_of(&self.source, id, Lane::Federation, self.how.base());
        let said = said.map_err(|error| store_problem("reading what is stated of a record", &error))?;
        Ok(said.is_some_and(|said| said.content.is_some()))
    }

    /// Returns true, with a warning, if a rejected document of an input that is the whole source may have held any record.
    pub(super) fn warn_of_unattributed(&mut self, commit: &Commit<'_>) -> bool {
        // An empty stream is rejected as a document, too.
        let is_asked = commit.complete && !commit.is_emptied;
        let (Some(unattributed), true) = (&self.unattributed, is_asked) else {
            return false;
        };
        let why = unattributed.why();
        self.warn_and_note(format!("{why}: none is called absent this time"));
        true
    }

    /// Leaves a source unchecked of which a rejected document may have held any record, if that cannot become known: an
    /// entry of a document has no name to mend, and records of other sites are only known to be gone by comparison. A
    /// known file that is rejected in each run does not make the site's own source stale for ever.
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
