//! The kept fold of the mutes: its row, and the root of the claims that it was made from.

use std::sync::Arc;

use starling_documents::mutes::Mutes;
use starling_protocol::KnowledgeRoot;

use super::MUTES_ROW;
use super::mute_book::MuteBook;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::damaged;

/// Raised if the meaning of the fold or its row changes: rows of other versions are rebuilt.
const ROW_VERSION: u8 = 1;

/// The kept fold, for scans and overviews.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptMutes {
    /// The mutes that count.
    pub mutes: Arc<Mutes>,
    /// Changes that wait for others.
    pub waiting: u32,
    /// Changes that are kept and never applied.
    pub refused: u32,
}

impl KeptMutes {
    pub(super) fn of(book: &MuteBook) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            mutes: Arc::new(book.in_force()),
            waiting: count(book.folded.waiting.len()),
            refused: count(book.folded.refused.len()),
        }
    }

    /// Encodes the fold: BLAKE3 of the following bytes (32), version, the root of the claims (32), the rest in
    /// postcard.
    pub(super) fn encode(&self, mark: &KnowledgeRoot) -> Result<Vec<u8>, StoreError> {
        let body = postcard::to_stdvec(&(self.mutes.as_ref(), self.waiting, self.refused))
            .map_err(|_| damaged(Tree::Documents, MUTES_ROW, "the fold of the mutes to write"))?;
        let mut content = vec![ROW_VERSION];
        content.extend_from_slice(mark.as_bytes());
        content.extend_from_slice(&body);
        let mut row = blake3::hash(&content).as_bytes().to_vec();
        row.extend_from_slice(&content);
        Ok(row)
    }

    /// Returns the row's fold, if it is whole and was made from the claims of `mark`.
    pub(super) fn decode(row: &[u8], mark: &KnowledgeRoot) -> Option<Self> {
        let (hash, content) = row.split_first_chunk::<32>()?;
        if blake3::hash(content).as_bytes() != hash {
            return None;
        }
        let (&version, rest) = content.split_first()?;
        let (made_from, body) = rest.split_first_chunk::<32>()?;
        if version != ROW_VERSION || made_from != mark.as_bytes() {
            return None;
        }
        let (mutes, waiting, refused) = postcard::from_bytes::<(Mutes, u32, u32)>(body).ok()?;
        Some(Self {
            mutes: Arc::new(mutes),
            waiting,
            refused,
        })
    }
}

/// Returns the mutes of a whole row, whatever its claims: for finding what changed.
pub(super) fn whatever_was_kept(row: &[u8]) -> Option<Arc<Mutes>> {
    let mark = row.get(33..65)?.try_into().ok()?;
    KeptMutes::decode(row, &KnowledgeRoot::from_bytes(mark)).map(|kept| kept.mutes)
}
