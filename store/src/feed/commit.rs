//! Writes what an input of one source changes: claims, file names, the check of the source, and the heads.
//!
//! Bodies come before, and mean nothing yet. Deltas are committed in bounded parts, and the last part carries all
//! that says the source was read: a crash before it leaves the source unchecked, and the same input completes it.

use starling_protocol::{Claim, Lane, RecordId, Source};

use crate::SiteStore;
use crate::activity::Origin;
use crate::deltas::{Authored, Authoring};
use crate::engine::Tree;
use crate::error::StoreError;
use crate::feed::{FeedRow, feed_rows, file_key, read_feed_row};
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::trust::HeadSigning;

/// The changes of one source's input.
#[derive(Debug)]
pub struct FeedCommit<'a> {
    /// The source that was read.
    pub source: &'a Source,
    /// The lane of the site's own log in which the claims are written.
    pub lane: Lane,
    /// The claims, by record id; none if the input holds nothing new.
    pub claims: Vec<Claim>,
    /// The record of each file whose name does not identify it: if the file is rejected later, its earlier record
    /// stays.
    pub names: &'a [(String, RecordId)],
    /// True if the source was read in full.
    pub is_checked: bool,
}

impl SiteStore {
    /// Writes the claims of an input and notes that its source was read, with the head that states it.
    ///
    /// The bodies that the claims name must be stored already. Killed anywhere, the store holds whole deltas, and
    /// does not count the source as checked before the last claim is durable.
    ///
    /// # Errors
    /// [`StoreError`] of the log or the engine, or if this site may not sign. The deltas before the error stay.
    pub fn commit_feed(
        &self,
        commit: FeedCommit<'_>,
        signing: &HeadSigning<'_>,
        origin: &Origin,
    ) -> Result<Authored, StoreError> {
        let how = Authoring {
            lane: commit.lane,
            key: signing.key,
            now: signing.now,
            origin,
        };
        let FeedCommit {
            source,
            claims,
            names,
            is_checked,
            ..
        } = commit;
        self.change(|state| {
            self.author_in(state, claims, &how, &mut |txn, state| {
                note_feed(txn, source, names, is_checked, signing)?;
                self.sign_heads_in(txn, state, signing)
            })
        })
    }
}

/// Records that a source was read, and the record of each file whose name does not stand for it.
fn note_feed(
    txn: &mut Txn<'_>,
    source: &Source,
    names: &[(String, RecordId)],
    is_checked: bool,
    signing: &HeadSigning<'_>,
) -> Result<(), StoreError> {
    let mut changed = Vec::new();
    for (name, id) in names {
        let key = file_key(source, name);
        // Known entries are not written again.
        if txn.get(Tree::Feeds, &key)?.as_deref() != Some(id.as_str().as_bytes()) {
            changed.push((key, id.clone()));
        }
    }
    let row = txn.get(Tree::Feeds, source.as_str().as_bytes())?;
    let mut row = row.map_or_else(|| Ok(FeedRow::default()), |row| read_feed_row(source, &row))?;
    row.imported_at = Some(signing.now);
    if is_checked {
        row.checked_at = Some(signing.now);
    }
    for (key, value) in feed_rows(source, &row, &changed)? {
        txn.put(Tree::Feeds, &key, value);
    }
    txn.log(Entry::Feed {
        source: source.clone(),
        row,
        names: changed,
    });
    Ok(())
}
