//! The entries that a site writes into its log: one per frame, with global names and never local numbers.
//!
//! An entry records an outcome. Replaying it applies that outcome without judging again: acceptance under
//! today's rules would rewrite the past. Layouts are in `docs/formats/log.md`.

use std::borrow::Cow;

use starling_protocol::{BundleHash, ClaimNumber, ContentHash, RecordId, SiteId, SiteSlug, Source};

use super::codec::{Reader, put_bytes, put_log, put_text, put_time};
use crate::activity::LedgerEntry;
use crate::feed::FeedRow;
use crate::history::{Floor, Moment, MomentNumber};
use crate::log::{Frame, FrameKind};
use crate::packs::BodyPlace;
use crate::rows::put_varint;
use crate::site::state::LogId;
use crate::trust::ListedSite;

/// Version of every layout here.
const VERSION: u8 = 1;

/// One outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// The site to which this log belongs; the first entry of all.
    Site(SiteId),
    /// A delta was placed in its author's log.
    Delta {
        /// True if this site wrote it: it is accepted when it is placed.
        own: bool,
        /// The exact signed bytes.
        bytes: Vec<u8>,
    },
    /// An author's log was cut after a claim, because an epoch certificate names that position.
    Cut { log: LogId, keep: ClaimNumber },
    /// A certificate chain became known, whole.
    Chain { site: SiteId, bytes: Vec<u8> },
    /// A head became the newest of its log.
    Head { log: LogId, bytes: Vec<u8> },
    /// The kept head of a log counts no longer.
    HeadEnded(LogId),
    /// A fork proof froze a log.
    Fork { log: LogId, bytes: Vec<u8> },
    /// A fork proof counts no longer.
    ForkEnded(LogId),
    /// An entry of the allow-list was written.
    Listed(ListedSite),
    /// An entry of the allow-list was removed.
    Unlisted(SiteSlug),
    /// Sources were accepted up to their last claim, or, with claim 0, lost their acceptance completely.
    Accepted {
        /// The bundle that brought it, if one did.
        bundle: Option<BundleHash>,
        /// By log and source.
        positions: Vec<(LogId, Option<Source>, ClaimNumber)>,
    },
    /// The view folds by other settings.
    Settings {
        /// Fingerprint of the settings.
        fingerprint: [u8; 32],
        /// The view policy among them, as JSON.
        policy: String,
        /// True if the history starts again, because the former fold cannot be repeated.
        begins_history: bool,
    },
    /// The part of the past before a snapshot was forgotten.
    HistoryFloor(Floor),
    /// The history begins here.
    HistoryBegins,
    /// A moment of a history that was kept before there was a log.
    PastMoment {
        number: MomentNumber,
        moment: Moment<LogId>,
    },
    /// A feed was read.
    Feed {
        source: Source,
        row: FeedRow,
        /// Records by the key of the file that held them, if the file's name does not identify the record.
        names: Vec<(Vec<u8>, RecordId)>,
    },
    /// An entry of the ledger.
    Ledger(LedgerEntry),
    /// The positions up to which another site is known to hold logs.
    Holdings {
        site: SiteId,
        held: Vec<(LogId, ClaimNumber)>,
    },
    /// Bodies were dropped: damaged ones, to be fetched again, or bodies that nothing names any more.
    BodiesDropped(Vec<(ContentHash, BodyPlace)>),
    /// A log is known to go at least up to this claim, because of data that was lost here.
    Witnessed { log: LogId, number: ClaimNumber },
    /// A chain was seen that contradicts the kept one: nothing new of the site is trusted.
    RivalChain { site: SiteId, bytes: Vec<u8> },
    /// A head that contradicts the held log froze it.
    RivalHead { log: LogId, bytes: Vec<u8> },
    /// The head that froze a log counts no longer.
    RivalHeadEnded(LogId),
    /// Damaged stretches of the site's log were given up: segment, first byte, end.
    Repaired(Vec<(u32, u64, u64)>),
}

/// Frozen numbers of the kinds.
mod kinds {
    pub(super) const SITE: u16 = 1;
    pub(super) const DELTA: u16 = 2;
    pub(super) const CUT: u16 = 3;
    pub(super) const CHAIN: u16 = 4;
    pub(super) const HEAD: u16 = 5;
    pub(super) const HEAD_ENDED: u16 = 6;
    pub(super) const FORK: u16 = 7;
    pub(super) const FORK_ENDED: u16 = 8;
    pub(super) const LISTED: u16 = 9;
    pub(super) const UNLISTED: u16 = 10;
    pub(super) const ACCEPTED: u16 = 11;
    pub(super) const SETTINGS: u16 = 12;
    pub(super) const HISTORY_FLOOR: u16 = 13;
    pub(super) const HISTORY_BEGINS: u16 = 14;
    pub(super) const PAST_MOMENT: u16 = 15;
    pub(super) const FEED: u16 = 16;
    pub(super) const LEDGER: u16 = 17;
    pub(super) const HOLDINGS: u16 = 18;
    pub(super) const BODIES_DROPPED: u16 = 19;
    /// Kept for operator decisions.
    pub(super) const DECISION: u16 = 20;
    pub(super) const WITNESSED: u16 = 21;
    pub(super) const REPAIRED: u16 = 22;
    pub(super) const RIVAL_CHAIN: u16 = 23;
    pub(super) const RIVAL_HEAD: u16 = 24;
    pub(super) const RIVAL_HEAD_ENDED: u16 = 25;
}

/// The reason why a frame is not an entry that this build knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A newer build wrote it as an entry that must be understood.
    #[error("frame {sequence} is of kind {kind}, version {version}, unknown to this build")]
    Unknown {
        /// The kind.
        kind: u16,
        /// The version of its layout.
        version: u8,
        /// The frame.
        sequence: u64,
    },
    /// The frame is whole and its contents do not read.
    #[error("frame {sequence} of kind {kind} does not decode")]
    Unreadable {
        /// The kind.
        kind: u16,
        /// The frame.
        sequence: u64,
    },
}

impl Entry {
    fn kind(&self) -> u16 {
        match self {
            Self::Site(_) => kinds::SITE,
            Self::Delta { .. } => kinds::DELTA,
            Self::Cut { .. } => kinds::CUT,
            Self::Chain { .. } => kinds::CHAIN,
            Self::Head { .. } => kinds::HEAD,
            Self::HeadEnded(_) => kinds::HEAD_ENDED,
            Self::Fork { .. } => kinds::FORK,
            Self::ForkEnded(_) => kinds::FORK_ENDED,
            Self::Listed(_) => kinds::LISTED,
            Self::Unlisted(_) => kinds::UNLISTED,
            Self::Accepted { .. } => kinds::ACCEPTED,
            Self::Settings { .. } => kinds::SETTINGS,
            Self::HistoryFloor(_) => kinds::HISTORY_FLOOR,
            Self::HistoryBegins => kinds::HISTORY_BEGINS,
            Self::PastMoment { .. } => kinds::PAST_MOMENT,
            Self::Feed { .. } => kinds::FEED,
            Self::Ledger(_) => kinds::LEDGER,
            Self::Holdings { .. } => kinds::HOLDINGS,
            Self::BodiesDropped(_) => kinds::BODIES_DROPPED,
            Self::Witnessed { .. } => kinds::WITNESSED,
            Self::Repaired(_) => kinds::REPAIRED,
            Self::RivalChain { .. } => kinds::RIVAL_CHAIN,
            Self::RivalHead { .. } => kinds::RIVAL_HEAD,
            Self::RivalHeadEnded(_) => kinds::RIVAL_HEAD_ENDED,
        }
    }

    /// Returns the frame for this entry. Every kind of this version must be understood.
    pub(crate) fn frame(&self) -> Frame<'static> {
        Frame {
            kind: FrameKind(self.kind()),
            version: VERSION,
            critical: true,
            payload: Cow::Owned(self.payload()),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of entry")]
    fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Site(site) => out.extend_from_slice(site.as_bytes()),
            Self::Delta { own, bytes } => {
                out.reserve_exact(bytes.len() + 1);
                out.push(u8::from(*own));
                out.extend_from_slice(bytes);
            }
            Self::Cut { log, keep: number } | Self::Witnessed { log, number } => {
                put_log(&mut out, log);
                put_varint(&mut out, number.0);
            }
            Self::Repaired(stretches) => {
                put_varint(&mut out, stretches.len() as u64);
                for (segment, from, to) in stretches {
                    put_varint(&mut out, u64::from(*segment));
                    put_varint(&mut out, *from);
                    put_varint(&mut out, *to);
                }
            }
            Self::Chain { site, bytes } | Self::RivalChain { site, bytes } => {
                out.extend_from_slice(site.as_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Head { log, bytes } | Self::Fork { log, bytes } | Self::RivalHead { log, bytes } => {
                put_log(&mut out, log);
                out.extend_from_slice(bytes);
            }
            Self::HeadEnded(log) | Self::ForkEnded(log) | Self::RivalHeadEnded(log) => put_log(&mut out, log),
            Self::Listed(listed) => out = json(listed),
            Self::Unlisted(slug) => out.extend_from_slice(slug.as_str().as_bytes()),
            Self::Accepted { bundle, positions } => {
                out.push(u8::from(bundle.is_some()));
                out.extend(bundle.iter().flat_map(BundleHash::as_bytes));
                put_varint(&mut out, positions.len() as u64);
                for (log, source, number) in positions {
                    put_log(&mut out, log);
                    put_text(&mut out, source.as_ref().map_or("", Source::as_str));
                    put_varint(&mut out, number.0);
                }
            }
            Self::Settings {
                fingerprint,
                policy,
                begins_history,
            } => {
                out.push(u8::from(*begins_history));
                out.extend_from_slice(fingerprint);
                out.extend_from_slice(policy.as_bytes());
            }
            Self::HistoryFloor(floor) => {
                put_time(&mut out, floor.at);
                put_varint(&mut out, floor.through.0);
            }
            Self::HistoryBegins => {}
            Self::PastMoment { number, moment } => {
                put_varint(&mut out, number.0);
                out.extend_from_slice(&moment.encode());
            }
            Self::Feed { source, row, names } => {
                put_text(&mut out, source.as_str());
                put_bytes(&mut out, &json(row));
                put_varint(&mut out, names.len() as u64);
                for (key, id) in names {
                    put_bytes(&mut out, key);
                    put_text(&mut out, id.as_str());
                }
            }
            Self::Ledger(entry) => out = json(entry),
            Self::Holdings { site, held } => {
                out.extend_from_slice(site.as_bytes());
                put_varint(&mut out, held.len() as u64);
                for (log, number) in held {
                    put_log(&mut out, log);
                    put_varint(&mut out, number.0);
                }
            }
            Self::BodiesDropped(bodies) => {
                put_varint(&mut out, bodies.len() as u64);
                for (hash, place) in bodies {
                    out.extend_from_slice(hash.as_bytes());
                    put_bytes(&mut out, &place.encode());
                }
            }
        }
        out
    }

    /// Decodes a frame; returns `None` if it is of an unknown kind that may be skipped.
    ///
    /// # Errors
    /// [`EntryError`].
    pub(crate) fn decode(frame: &Frame<'_>, sequence: u64) -> Result<Option<Self>, EntryError> {
        let kind = frame.kind.0;
        let known = (kinds::SITE..=kinds::RIVAL_HEAD_ENDED).contains(&kind)
            && kind != kinds::DECISION
            && frame.version == VERSION;
        if !known {
            if frame.critical {
                return Err(EntryError::Unknown {
                    kind,
                    version: frame.version,
                    sequence,
                });
            }
            return Ok(None);
        }
        let mut reader = Reader::new(&frame.payload);
        let entry = Self::read(kind, &mut reader).filter(|_| reader.is_empty());
        entry.map(Some).ok_or(EntryError::Unreadable { kind, sequence })
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of entry")]
    fn read(kind: u16, reader: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            kinds::SITE => Self::Site(SiteId::from_bytes(reader.hash()?)),
            kinds::DELTA => Self::Delta {
                own: reader.flag()?,
                bytes: reader.rest().to_vec(),
            },
            kinds::CUT => Self::Cut {
                log: reader.log()?,
                keep: ClaimNumber(reader.varint()?),
            },
            kinds::CHAIN => Self::Chain {
                site: SiteId::from_bytes(reader.hash()?),
                bytes: reader.rest().to_vec(),
            },
            kinds::HEAD => Self::Head {
                log: reader.log()?,
                bytes: reader.rest().to_vec(),
            },
            kinds::FORK => Self::Fork {
                log: reader.log()?,
                bytes: reader.rest().to_vec(),
            },
            kinds::RIVAL_CHAIN => Self::RivalChain {
                site: SiteId::from_bytes(reader.hash()?),
                bytes: reader.rest().to_vec(),
            },
            kinds::RIVAL_HEAD => Self::RivalHead {
                log: reader.log()?,
                bytes: reader.rest().to_vec(),
            },
            kinds::RIVAL_HEAD_ENDED => Self::RivalHeadEnded(reader.log()?),
            kinds::HEAD_ENDED => Self::HeadEnded(reader.log()?),
            kinds::FORK_ENDED => Self::ForkEnded(reader.log()?),
            kinds::LISTED => Self::Listed(serde_json::from_slice(reader.rest()).ok()?),
            kinds::UNLISTED => Self::Unlisted(std::str::from_utf8(reader.rest()).ok()?.parse().ok()?),
            kinds::ACCEPTED => Self::Accepted {
                bundle: if reader.flag()? {
                    Some(BundleHash::from_bytes(reader.hash()?))
                } else {
                    None
                },
                positions: reader.list(|reader| {
                    let (log, source) = (reader.log()?, reader.source()?);
                    Some((log, source, ClaimNumber(reader.varint()?)))
                })?,
            },
            kinds::SETTINGS => Self::Settings {
                begins_history: reader.flag()?,
                fingerprint: reader.hash()?,
                policy: std::str::from_utf8(reader.rest()).ok()?.to_owned(),
            },
            kinds::HISTORY_FLOOR => Self::HistoryFloor(Floor {
                at: reader.time()?,
                through: MomentNumber(reader.varint()?),
            }),
            kinds::HISTORY_BEGINS => Self::HistoryBegins,
            kinds::PAST_MOMENT => Self::PastMoment {
                number: MomentNumber(reader.varint()?),
                moment: Moment::decode(reader.rest())?,
            },
            kinds::FEED => Self::Feed {
                source: reader.text()?.parse().ok()?,
                row: serde_json::from_slice(reader.bytes()?).ok()?,
                names: reader.list(|reader| {
                    let key = reader.bytes()?.to_vec();
                    Some((key, reader.text()?.parse().ok()?))
                })?,
            },
            kinds::LEDGER => Self::Ledger(serde_json::from_slice(reader.rest()).ok()?),
            kinds::HOLDINGS => Self::Holdings {
                site: SiteId::from_bytes(reader.hash()?),
                held: reader.list(|reader| Some((reader.log()?, ClaimNumber(reader.varint()?))))?,
            },
            kinds::BODIES_DROPPED => Self::BodiesDropped(reader.list(|reader| {
                let hash = ContentHash::from_bytes(reader.hash()?);
                Some((hash, BodyPlace::decode(reader.bytes()?)?))
            })?),
            kinds::WITNESSED => Self::Witnessed {
                log: reader.log()?,
                number: ClaimNumber(reader.varint()?),
            },
            kinds::REPAIRED => Self::Repaired(reader.list(|reader| {
                let segment = u32::try_from(reader.varint()?).ok()?;
                Some((segment, reader.varint()?, reader.varint()?))
            })?),
            _ => return None,
        })
    }
}

/// Returns true if a frame is one of those that the making of a site writes.
pub(crate) fn begins_a_site(frame: &Frame<'_>) -> bool {
    matches!(
        frame.kind.0,
        kinds::SITE | kinds::CHAIN | kinds::SETTINGS | kinds::HISTORY_BEGINS
    )
}

/// Returns the JSON of values that always serialise: texts, numbers and lists of them.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The lanes and sites of a log, for a place in a message.
impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} log of {}", self.lane, self.site)
    }
}
