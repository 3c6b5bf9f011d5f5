//! Writes changes of the document with Automerge.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ObjType, ReadDoc, ScalarValue};

use super::{GENESIS, MUTES, MuteId, MuteText, REMOVALS, RemovalText, TextError, read_entry};
use crate::actor::Actor;
use crate::change::{Change, ChangeError, ChangeHash};
use crate::mutes::merged::{MergeError, load};

/// A change that is ready to be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenChange {
    /// The id of the entry that it adds.
    pub id: MuteId,
    /// Its name.
    pub hash: ChangeHash,
    /// The uncompressed chunk.
    pub bytes: Vec<u8>,
}

/// A change that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A field breaks a rule.
    #[error(transparent)]
    Text(#[from] TextError),
    /// This actor's earlier changes do not load.
    #[error("loading this site's earlier changes")]
    Load(#[from] MergeError),
    /// Automerge refuses.
    #[error("writing a change")]
    Automerge(#[source] Box<automerge::AutomergeError>),
    /// The strict decoder would refuse the new change.
    #[error("reading the change that was written")]
    Read(#[from] ChangeError),
    /// The new change would not be accepted as a mute.
    #[error("reading the change that was written: {0}")]
    Entry(String),
}

impl From<automerge::AutomergeError> for WriteError {
    fn from(error: automerge::AutomergeError) -> Self {
        Self::Automerge(Box::new(error))
    }
}

/// Writes an actor's changes one after the other. It holds the actor's document, so that a further change costs no
/// loading of the earlier ones.
#[derive(Debug)]
pub struct MuteWriter {
    actor: Actor,
    document: Automerge,
    /// The number of the actor's changes in the document, and the last of them.
    written: u64,
    last: Option<ChangeHash>,
}

impl MuteWriter {
    /// Loads this actor's earlier changes that apply, in their order. Changes of others are not needed, so a new
    /// change depends on none of them.
    ///
    /// # Errors
    /// [`WriteError::Load`].
    pub fn load(actor: Actor, before: &[&[u8]]) -> Result<Self, WriteError> {
        let mut document = load([GENESIS].into_iter().chain(before.iter().copied()))?;
        document.set_actor(ActorId::from(actor.as_bytes().as_slice()));
        let last = before.last().map(|bytes| Change::read(bytes)).transpose()?;
        Ok(Self {
            actor,
            document,
            written: u64::try_from(before.len()).unwrap_or(u64::MAX),
            last: last.map(|change| change.hash),
        })
    }

    /// Returns true if the next change of `actor` follows the document as it is here: it has this many changes, the
    /// last of this name.
    #[must_use]
    pub fn follows(&self, actor: Actor, written: usize, last: Option<ChangeHash>) -> bool {
        self.actor == actor && usize::try_from(self.written) == Ok(written) && self.last == last
    }

    /// Writes a mute. After an error this writer must not be used again.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn mute(&mut self, text: &MuteText) -> Result<WrittenChange, WriteError> {
        text.check()?;
        let time = |time: starling_protocol::UnixMillis| {
            ScalarValue::Timestamp(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
        };
        let mut fields = vec![
            ("by", ScalarValue::from(text.by.as_str())),
            ("created", time(text.created)),
        ];
        let optional = [
            ("ecosystem", &text.ecosystem),
            ("package", &text.package),
            ("sbom", &text.sbom),
        ];
        for (key, value) in optional {
            fields.extend(value.as_deref().map(|value| (key, ScalarValue::from(value))));
        }
        fields.push(("reason", ScalarValue::from(text.reason.as_str())));
        fields.extend(text.until.map(|until| ("until", time(until))));
        fields.push(("vulnerability", ScalarValue::from(text.vulnerability.as_str())));
        self.write(MUTES, text.created, fields)
    }

    /// Writes the removal of any site's mute. After an error this writer must not be used again.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn removal(&mut self, text: &RemovalText) -> Result<WrittenChange, WriteError> {
        text.check()?;
        let at = i64::try_from(text.at.as_millis()).unwrap_or(i64::MAX);
        let fields = vec![
            ("at", ScalarValue::Timestamp(at)),
            ("by", ScalarValue::from(text.by.as_str())),
            ("mute", ScalarValue::from(text.mute.as_str())),
            ("reason", ScalarValue::from(text.reason.as_str())),
        ];
        self.write(REMOVALS, text.at, fields)
    }

    fn write(
        &mut self,
        map: &str,
        now: starling_protocol::UnixMillis,
        fields: Vec<(&str, ScalarValue)>,
    ) -> Result<WrittenChange, WriteError> {
        let sequence = self.written.saturating_add(1);
        let id = MuteId::of(self.actor, sequence);
        let (_, map) = self
            .document
            .get(automerge::ROOT, map)?
            .ok_or_else(|| WriteError::Entry("the document lacks its maps".to_owned()))?;
        let mut transaction = self.document.transaction();
        let entry = transaction.put_object(&map, id.as_str(), ObjType::Map)?;
        for (key, value) in fields {
            transaction.put(&entry, key, value)?;
        }
        let seconds = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
        transaction.commit_with(CommitOptions::default().with_time(seconds));
        let written = finish(&self.document, id)?;
        self.written = sequence;
        self.last = Some(written.hash);
        Ok(written)
    }
}

/// Writes one mute after this actor's earlier changes that apply.
///
/// # Errors
/// [`WriteError`].
pub fn write_mute(actor: Actor, before: &[&[u8]], text: &MuteText) -> Result<WrittenChange, WriteError> {
    MuteWriter::load(actor, before)?.mute(text)
}

/// Writes one removal; `before` as for [`write_mute`].
///
/// # Errors
/// [`WriteError`].
pub fn write_removal(
    actor: Actor,
    before: &[&[u8]],
    text: &RemovalText,
) -> Result<WrittenChange, WriteError> {
    MuteWriter::load(actor, before)?.removal(text)
}

fn finish(document: &Automerge, id: MuteId) -> Result<WrittenChange, WriteError> {
    let change = document
        .get_last_local_change()
        .ok_or_else(|| WriteError::Entry("Automerge made no change".to_owned()))?;
    let bytes = change.raw_bytes().to_vec();
    let read = Change::read(&bytes)?;
    // Decode the change as other sites will, before it is signed.
    read_entry(&read).map_err(WriteError::Entry)?;
    Ok(WrittenChange {
        id,
        hash: read.hash,
        bytes,
    })
}
