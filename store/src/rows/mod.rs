//! The rows of a site's store: keys and values of each tree, in one place. See `docs/formats/store.md`.
//!
//! Authors are numbered locally (`AuthorNumber`), because 32 bytes of site id in every claim row would cost
//! more than the claim. The numbers mean nothing outside one store.

pub(crate) mod txn;

use starling_protocol::{
    Claim, ClaimKey, ClaimKind, ClaimNumber, ContentHash, Lane, SiteId, Source, SourceState, UnixMillis,
    varint,
};

use crate::engine::Tree;
use crate::error::StoreError;
use crate::log::FramePlace;

pub(crate) use starling_protocol::varint::put as put_varint;

/// A local, dense number for an author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuthorNumber(pub(crate) u16);

/// One log by local number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogNumber {
    pub(crate) author: AuthorNumber,
    pub(crate) lane: Lane,
}

impl LogNumber {
    /// Encodes three bytes: author (u16 BE), lane.
    pub(crate) fn to_bytes(self) -> [u8; 3] {
        let [high, low] = self.author.0.to_be_bytes();
        [high, low, self.lane.number()]
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [high, low, lane] = *bytes else { return None };
        let author = AuthorNumber(u16::from_be_bytes([high, low]));
        Some(Self {
            author,
            lane: Lane::from_number(lane)?,
        })
    }
}

/// Keys of [`Tree::Meta`].
pub(crate) mod meta {
    /// Schema version, u32 LE.
    pub(crate) const SCHEMA: &[u8] = b"schema";
    /// The site's own id.
    pub(crate) const SITE: &[u8] = b"site";
    /// The journal that the rows follow from.
    pub(crate) const JOURNAL: &[u8] = b"log/journal";
    /// The log position up to which the rows follow.
    pub(crate) const POSITION: &[u8] = b"log/position";
    /// The pack position up to which the places of bodies are known and durable in the packs.
    pub(crate) const PACKED: &[u8] = b"packs/position";
    /// The pack position up to which rows may hold places: bodies after `PACKED` may be lost with the power.
    pub(crate) const PLACED: &[u8] = b"packs/placed";
    /// Present while the view must be rebuilt; the value is the reason.
    pub(crate) const REBUILD: &[u8] = b"view/rebuild";
    /// Fingerprint of the content of view rows, and of the decisions behind them.
    pub(crate) const VIEW_ROWS: &[u8] = b"view/rows";
    /// Hash of the settings that the view was built with.
    pub(crate) const VIEW_SETTINGS: &[u8] = b"view/settings";

    /// The view policy with which it was built, as JSON: for the history, when the policy changes.
    pub(crate) const VIEW_POLICY: &[u8] = b"view/policy";

    /// The number of canonical advisories in the view, u64 LE; absent while it was not counted.
    pub(crate) const ADVISORIES: &[u8] = b"view/advisories";

    /// The number of live records in the view of a source: this prefix, and the source's name.
    pub(crate) const RECORDS: &[u8] = b"view/records/";

    /// The last group of the log, u64 LE, when the view was last folded without writing events; absent before.
    pub(crate) const EVENTS_SINCE: &[u8] = b"events/since";

    /// The statement of the newest match index's builder; absent while changes are not noted.
    pub(crate) const INDEX_BASE: &[u8] = b"index/base";
    /// Number of the last step that noted changes, u64 LE.
    pub(crate) const INDEX_STEP: &[u8] = b"index/step";
    /// The number of rows of `unindexed`, u64 LE.
    pub(crate) const UNINDEXED: &[u8] = b"index/unindexed";

    /// Number of the last ledger entry that is counted by site, u64 LE; absent if none is.
    pub(crate) const LEDGER_COUNTED: &[u8] = b"ledger/counted";
    /// The ledger's data about one site: this prefix, the kind of data, and the site.
    pub(crate) const LEDGER_OF: &[u8] = b"ledger/of/";

    /// The times in which claims were known to be missing: this prefix, the log, and the beginning: the newest snapshot
    /// then and the time (u64 BE).
    pub(crate) const LOSSES: &[u8] = b"lost/";
    /// Present if losses are noted: rows of an earlier build do not say when a loss began.
    pub(crate) const LOSSES_NOTED: &[u8] = b"lost";
    /// The claim up to which a log is known to go because a branch was given up, u64 LE: this prefix, and the log.
    pub(crate) const REPLACED: &[u8] = b"replaced/";

    /// Returns the row of a log's end that is known because a branch was given up.
    pub(crate) fn replaced(log: super::LogNumber) -> Vec<u8> {
        [REPLACED, &log.to_bytes()].concat()
    }

    /// Returns the row that counts a source's live records.
    pub(crate) fn records(source: &starling_protocol::Source) -> Vec<u8> {
        [RECORDS, source.as_str().as_bytes()].concat()
    }
}

/// Keys of [`Tree::Sites`].
pub(crate) mod sites {
    use starling_protocol::SiteId;

    use super::LogNumber;

    pub(crate) const AUTHOR: u8 = b'a';
    pub(crate) const LISTED: u8 = b'l';
    pub(crate) const CHAIN: u8 = b'c';
    pub(crate) const LOG: u8 = b'p';
    pub(crate) const SOURCE: u8 = b's';
    pub(crate) const HEAD: u8 = b'h';
    pub(crate) const FORK: u8 = b'f';
    pub(crate) const HOLDINGS: u8 = b'k';
    pub(crate) const WITNESS: u8 = b'w';
    pub(crate) const RIVAL_CHAIN: u8 = b'x';
    pub(crate) const RIVAL_HEAD: u8 = b'y';

    pub(crate) fn by_site(kind: u8, site: &SiteId) -> Vec<u8> {
        [&[kind], site.as_bytes().as_slice()].concat()
    }

    pub(crate) fn by_log(kind: u8, log: LogNumber) -> Vec<u8> {
        [&[kind], log.to_bytes().as_slice()].concat()
    }

    pub(crate) fn source(log: LogNumber, source: &str) -> Vec<u8> {
        [&[SOURCE], log.to_bytes().as_slice(), source.as_bytes()].concat()
    }
}

/// Returns the key of a delta in [`Tree::Logs`]: log, number of the first claim (u64 BE).
pub(crate) fn delta_key(log: LogNumber, first: ClaimNumber) -> Vec<u8> {
    [log.to_bytes().as_slice(), &first.0.to_be_bytes()].concat()
}

/// A row of [`Tree::Logs`]: the place of a delta's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeltaRow {
    /// In the row: on a copy without a separate log.
    Inline {
        /// Its claims.
        count: u16,
        bytes: Vec<u8>,
    },
    /// In a frame of the log.
    Placed {
        /// Its claims.
        count: u16,
        place: FramePlace,
    },
}

impl DeltaRow {
    /// Encodes the row: tag (0 placed, 1 inline), count (u16 LE), then the frame's place or the bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (tag, count, rest): (u8, u16, Vec<u8>) = match self {
            Self::Placed { count, place } => (0, *count, place.encode().to_vec()),
            Self::Inline { count, bytes } => (1, *count, bytes.clone()),
        };
        let mut out = Vec::with_capacity(rest.len() + 3);
        out.push(tag);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&rest);
        out
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let (&tag, rest) = row.split_first()?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let count = u16::from_le_bytes(*count);
        match tag {
            0 => Some(Self::Placed {
                count,
                place: FramePlace::decode(rest)?,
            }),
            1 => Some(Self::Inline {
                count,
                bytes: rest.to_vec(),
            }),
            _ => None,
        }
    }

    /// Returns the number of the delta's last claim.
    pub(crate) fn last(row: &[u8], first: ClaimNumber) -> Option<ClaimNumber> {
        let count = row
            .get(1..3)?
            .first_chunk::<2>()
            .copied()
            .map(u16::from_le_bytes)?;
        Some(ClaimNumber(first.0 + u64::from(count.checked_sub(1)?)))
    }
}

/// Returns the key of a claim in [`Tree::Claims`]: claim key, 0, log. All statements about a key are adjacent.
pub(crate) fn claim_key(key: &ClaimKey, log: LogNumber) -> Vec<u8> {
    [key.as_bytes(), &[0], log.to_bytes().as_slice()].concat()
}

/// Returns the common prefix in [`Tree::Claims`] of the keys of a document's changes.
pub(crate) fn claim_key_prefix(document: &str) -> Vec<u8> {
    [b"d", document.as_bytes(), &[0]].concat()
}

/// Splits a key of [`Tree::Claims`].
pub(crate) fn split_claim_key(row: &[u8]) -> Option<(ClaimKey, LogNumber)> {
    let (key, log) = row.split_at_checked(row.len().checked_sub(3)?)?;
    let (&0, key) = key.split_last()? else { return None };
    Some((ClaimKey::from_bytes(key).ok()?, LogNumber::from_bytes(log)?))
}

/// One claim as its row keeps it: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimRow {
    /// Number of the claim in its log.
    pub(crate) number: ClaimNumber,
    /// The claim's frame without its key: kind, flags, content, time, payload.
    pub(crate) rest: Vec<u8>,
    /// While the claim is not accepted: the accepted claim that it will replace.
    pub(crate) prior: Option<Box<ClaimRow>>,
}

impl ClaimRow {
    pub(crate) fn of(number: ClaimNumber, claim: &Claim) -> Self {
        Self {
            number,
            rest: frame_without_key(claim),
            prior: None,
        }
    }

    /// Encodes the row: tag (1 = a prior follows), varint number, `[varint length, prior]`, rest.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rest.len() + 12);
        out.push(u8::from(self.prior.is_some()));
        put_varint(&mut out, self.number.0);
        if let Some(prior) = &self.prior {
            let prior = prior.encode();
            put_varint(&mut out, prior.len() as u64);
            out.extend_from_slice(&prior);
        }
        out.extend_from_slice(&self.rest);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, mut rest) = bytes.split_first()?;
        let number = ClaimNumber(take_varint(&mut rest)?);
        let prior = match tag {
            0 => None,
            1 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                let (prior, tail) = rest.split_at_checked(length)?;
                rest = tail;
                // A prior has no prior of its own: nesting is one deep.
                Some(Box::new(Self::decode(prior).filter(|row| row.prior.is_none())?))
            }
            _ => return None,
        };
        Some(Self {
            number,
            rest: rest.to_vec(),
            prior,
        })
    }

    /// Returns the whole claim.
    #[cfg(test)]
    pub(crate) fn claim(&self, key: &ClaimKey) -> Option<Claim> {
        Claim::decode(&self.frame(key)?).ok()
    }

    /// Returns the claim's frame: the element of the state root.
    pub(crate) fn frame(&self, key: &ClaimKey) -> Option<Vec<u8>> {
        let head = head_length(&self.rest)?;
        let mut frame = Vec::with_capacity(self.rest.len() + key.as_bytes().len() + 2);
        frame.extend_from_slice(&self.rest[..head]);
        put_varint(&mut frame, key.as_bytes().len() as u64);
        frame.extend_from_slice(key.as_bytes());
        frame.extend_from_slice(&self.rest[head..]);
        Some(frame)
    }

    /// Returns the claim that counts while the log is accepted up to `accepted`.
    pub(crate) fn accepted_at(&self, accepted: ClaimNumber) -> Option<&Self> {
        if self.number <= accepted {
            Some(self)
        } else {
            self.prior.as_deref().filter(|prior| prior.number <= accepted)
        }
    }

    pub(crate) fn kind_and_content(&self) -> Option<(ClaimKind, bool, Option<ContentHash>, UnixMillis)> {
        let mut rest = self.rest.as_slice();
        let kind = ClaimKind(u16::try_from(take_varint(&mut rest)?).ok()?);
        let (&flags, tail) = rest.split_first()?;
        rest = tail;
        let mut content = None;
        if flags & 2 != 0 {
            let (hash, tail) = rest.split_first_chunk::<32>()?;
            content = Some(ContentHash::from_bytes(*hash));
            rest = tail;
            take_varint(&mut rest)?;
        }
        let time = UnixMillis::saturating(take_varint(&mut rest)?);
        Some((kind, flags & 4 != 0, content, time))
    }

    pub(crate) fn is_tombstone(&self) -> bool {
        self.kind_and_content()
            .is_some_and(|(_, tombstone, ..)| tombstone)
    }
}

/// Bytes of kind and flags at the front of a frame.
fn head_length(rest: &[u8]) -> Option<usize> {
    let kind = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    (rest.len() > kind).then_some(kind + 1)
}

fn frame_without_key(claim: &Claim) -> Vec<u8> {
    let frame = claim.encode();
    let head = head_length(&frame).unwrap_or(0);
    let mut tail = frame.get(head..).unwrap_or_default();
    let length = take_varint(&mut tail)
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    let mut rest = frame[..head].to_vec();
    rest.extend_from_slice(tail.get(length..).unwrap_or_default());
    rest
}

/// State of one source in one log: the held part, and how much of it is accepted and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SourceRow {
    /// Live entries at the log's tip.
    pub(crate) held: SourceState,
    /// The last claim of this source in the log.
    pub(crate) last: ClaimNumber,
    /// The position up to which claims of this source are accepted.
    pub(crate) accepted: ClaimNumber,
    /// Live entries at that position.
    pub(crate) accepted_state: SourceState,
    /// The position up to which the view shows them: less than `accepted` only until the replay is done.
    pub(crate) viewed: ClaimNumber,
}

impl SourceRow {
    /// Encodes the row: last, accepted, viewed (u64 LE), live (u64 LE), state (2,048); then the last two again
    /// for the accepted part, if it differs.
    /// accepted part, if it differs.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + 2 * (8 + starling_protocol::LtHash::BYTES));
        out.extend_from_slice(&self.last.0.to_le_bytes());
        out.extend_from_slice(&self.accepted.0.to_le_bytes());
        out.extend_from_slice(&self.viewed.0.to_le_bytes());
        let mut put = |state: &SourceState| {
            out.extend_from_slice(&state.live.to_le_bytes());
            out.extend_from_slice(&state.state.to_bytes());
        };
        put(&self.held);
        if self.accepted_state != self.held {
            put(&self.accepted_state);
        }
        out
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let last = ClaimNumber(take_u64(&mut bytes)?);
        let accepted = ClaimNumber(take_u64(&mut bytes)?);
        let viewed = ClaimNumber(take_u64(&mut bytes)?);
        let take = |bytes: &mut &[u8]| {
            let live = take_u64(bytes)?;
            let (state, rest) = bytes.split_at_checked(starling_protocol::LtHash::BYTES)?;
            *bytes = rest;
            Some(SourceState {
                live,
                state: starling_protocol::LtHash::from_bytes(state)?,
            })
        };
        let held = take(&mut bytes)?;
        let accepted_state = if bytes.is_empty() {
            held.clone()
        } else {
            take(&mut bytes)?
        };
        bytes.is_empty().then_some(Self {
            last,
            held,
            accepted,
            accepted_state,
            viewed,
        })
    }
}

/// Returns the text under which a source's state is stored; no source is the empty text.
pub(crate) fn source_text(source: Option<&Source>) -> &str {
    source.map_or("", Source::as_str)
}

/// Takes a varint in its shortest form.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    varint::take(bytes).ok()
}

pub(crate) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (taken, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*taken))
}

/// Returns a row that this build cannot read.
pub(crate) fn damaged(tree: Tree, key: &[u8], what: &'static str) -> StoreError {
    StoreError::DamagedRow {
        tree,
        key: hex::encode(&key[..key.len().min(40)]),
        what,
    }
}

/// Reads a site id from the tail of a key.
pub(crate) fn site_of(key: &[u8]) -> Option<SiteId> {
    Some(SiteId::from_bytes(
        *key.get(1..)?.first_chunk::<32>().filter(|_| key.len() == 33)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_row_round_trips() {
        let source: Source = "pypa".parse().unwrap();
        let id = "PYSEC-1".parse().unwrap();
        let key = ClaimKey::record(&source, &id);
        let time = UnixMillis::saturating(5);
        let set = Claim::set(&source, &id, ContentHash::of(b"x"), 300, time);
        let absent = Claim::absent(&source, &id, time);
        for claim in [&set, &absent, &Claim::delete(key.clone(), time)] {
            let mut row = ClaimRow::of(ClaimNumber(900), claim);
            assert_eq!(row.claim(&key).as_ref(), Some(claim));
            row.prior = Some(Box::new(ClaimRow::of(ClaimNumber(3), &set)));
            let again = ClaimRow::decode(&row.encode()).unwrap();
            assert_eq!(again, row);
            assert_eq!(
                again.accepted_at(ClaimNumber(899)).unwrap().number,
                ClaimNumber(3)
            );
            assert_eq!(
                again.accepted_at(ClaimNumber(900)).unwrap().number,
                ClaimNumber(900)
            );
        }
        let log = LogNumber {
            author: AuthorNumber(7),
            lane: Lane::Direct,
        };
        assert_eq!(split_claim_key(&claim_key(&key, log)), Some((key, log)));
    }

    #[test]
    fn source_row_round_trips() {
        let mut row = SourceRow {
            accepted: ClaimNumber(4),
            ..SourceRow::default()
        };
        assert_eq!(SourceRow::decode(&row.encode()), Some(row.clone()));
        row.held.state.add(b"x");
        row.held.live = 1;
        assert_eq!(SourceRow::decode(&row.encode()), Some(row));
    }
}
