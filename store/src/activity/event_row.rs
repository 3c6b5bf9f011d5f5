//! The row layout of an event. A first sync writes a hundred thousand events at once, so rows are small.
//!
//! ```text
//! action u8, time varint (ms), author u16 BE,
//! bundle u8 (1: its hash, 32 bytes, follows),
//! vulnerability text, package kind u8, its one or two texts,
//! number of heirs varint, their merge hashes (32 bytes each)
//! ```
//!
//! A text is a varint length and UTF-8. The merge hash follows from vulnerability and package. Some actions
//! have further fields after the bundle:
//!
//! - mutes (actions 5 and 6): two texts, the muted vulnerability and the mute's id;
//! - a frozen log (action 7): its lane (u8) and one text, the reason;
//! - this site's own restore (action 8): its step (u8) and one text, the reason;
//! - a log that differs at a peer (action 9): its lane (u8) and one text, the difference;
//! - a run of one of this site's feeds (action 10): its ending (u8) and two texts, the feed's name and the result.

use starling_documents::mutes::MuteId;
use starling_protocol::{BundleHash, Lane, MergeHash, UnixMillis};
use starling_view::{Action, PackageId, RecordKey, VulnerabilityId};

use crate::rows::{AuthorNumber, put_varint, take_varint};

const CREATED: u8 = 0;
const UPDATED: u8 = 1;
const WITHDRAWN: u8 = 2;
const REMOVED: u8 = 3;
const REDIRECTED: u8 = 4;
const MUTED: u8 = 5;
const MUTE_ENDED: u8 = 6;
const FROZEN: u8 = 7;
const RESTORED: u8 = 8;
const DIFFERS: u8 = 9;
const FEED_RUN: u8 = 10;

const PACKAGE: u8 = 0;
const REPOSITORY: u8 = 1;
const RECORD: u8 = 2;

/// An event in the form of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) author: AuthorNumber,
    pub(crate) at: UnixMillis,
    pub(crate) bundle: Option<BundleHash>,
    pub(crate) subject: Subject,
}

/// The subject of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A canonical advisory.
    Advisory {
        vulnerability: VulnerabilityId,
        package: PackageId,
        action: Action,
    },
    /// A mute that counts from now on, or no longer does.
    Mute {
        id: MuteId,
        vulnerability: String,
        ended: bool,
    },
    /// An author's log that is frozen from now on.
    Frozen { lane: Lane, why: String },
    /// A log that differs at a peer, up to the same claim.
    Differs { lane: Lane, how: String },
    /// This site's home was restored, or another copy of it is running.
    Restored { step: RestoreStep, why: String },
    /// A feed of this site was run.
    FeedRun {
        feed: String,
        ending: FeedEnding,
        detail: String,
    },
}

/// The result of a run of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedEnding {
    /// Something was imported.
    Imported,
    /// The source has nothing new.
    Unchanged,
    /// The input waits for approval.
    Suspect,
    /// It failed.
    Failed,
}

impl FeedEnding {
    const ALL: [Self; 4] = [Self::Imported, Self::Unchanged, Self::Suspect, Self::Failed];

    const fn number(self) -> u8 {
        match self {
            Self::Imported => 0,
            Self::Unchanged => 1,
            Self::Suspect => 2,
            Self::Failed => 3,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.number() == number)
    }
}

/// The outcome for a restored home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStep {
    /// The site signs nothing for now.
    HeldBack,
    /// It continues under a new epoch.
    WentOn,
    /// Another copy of the home continues instead.
    Superseded,
}

impl RestoreStep {
    const fn number(self) -> u8 {
        match self {
            Self::HeldBack => 0,
            Self::WentOn => 1,
            Self::Superseded => 2,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        let all = [Self::HeldBack, Self::WentOn, Self::Superseded];
        all.into_iter().find(|step| step.number() == number)
    }
}

impl EventRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(match &self.subject {
            Subject::Advisory { action, .. } => match action {
                Action::Created => CREATED,
                Action::Updated => UPDATED,
                Action::Withdrawn => WITHDRAWN,
                Action::Removed => REMOVED,
                Action::Redirected { .. } => REDIRECTED,
            },
            Subject::Mute { ended: false, .. } => MUTED,
            Subject::Mute { ended: true, .. } => MUTE_ENDED,
            Subject::Frozen { .. } => FROZEN,
            Subject::Restored { .. } => RESTORED,
            Subject::Differs { .. } => DIFFERS,
            Subject::FeedRun { .. } => FEED_RUN,
        });
        put_varint(&mut out, self.at.as_millis());
        out.extend_from_slice(&self.author.0.to_be_bytes());
        out.push(u8::from(self.bundle.is_some()));
        out.extend(self.bundle.iter().flat_map(BundleHash::as_bytes));
        let (vulnerability, package, action) = match &self.subject {
            Subject::Advisory {
                vulnerability,
                package,
                action,
            } => (vulnerability, package, action),
            Subject::Mute {
                id, vulnerability, ..
            } => {
                put_text(&mut out, vulnerability);
                put_text(&mut out, id.as_str());
                return out;
            }
            Subject::Frozen { lane, why: text } | Subject::Differs { lane, how: text } => {
                out.push(lane.number());
                put_text(&mut out, text);
                return out;
            }
            Subject::Restored { step, why } => {
                out.push(step.number());
                put_text(&mut out, why);
                return out;
            }
            Subject::FeedRun { feed, ending, detail } => {
                out.push(ending.number());
                put_text(&mut out, feed);
                put_text(&mut out, detail);
                return out;
            }
        };
        put_text(&mut out, vulnerability.as_str());
        match package {
            PackageId::Package { ecosystem, name } => {
                out.push(PACKAGE);
                put_text(&mut out, ecosystem);
                put_text(&mut out, name);
            }
            PackageId::Repository { repository } => {
                out.push(REPOSITORY);
                put_text(&mut out, repository);
            }
            PackageId::Record(key) => {
                out.push(RECORD);
                put_text(&mut out, key.source.as_str());
                put_text(&mut out, key.id.as_str());
            }
        }
        let heirs: &[MergeHash] = match action {
            Action::Redirected { to } => to,
            _ => &[],
        };
        put_varint(&mut out, heirs.len() as u64);
        out.extend(heirs.iter().flat_map(MergeHash::as_bytes));
        out
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let row = Self::take(&mut bytes)?;
        bytes.is_empty().then_some(row)
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each action")]
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let action = take_byte(bytes)?;
        let at = UnixMillis::new(take_varint(bytes)?).ok()?;
        let author = AuthorNumber(u16::from_be_bytes([take_byte(bytes)?, take_byte(bytes)?]));
        let bundle = match take_byte(bytes)? {
            0 => None,
            1 => Some(BundleHash::from_bytes(take_hash(bytes)?)),
            _ => return None,
        };
        if matches!(action, FROZEN | DIFFERS) {
            let lane = Lane::from_number(take_byte(bytes)?)?;
            let text = take_text(bytes)?.to_owned();
            let subject = match action {
                FROZEN => Subject::Frozen { lane, why: text },
                _ => Subject::Differs { lane, how: text },
            };
            return Some(Self {
                author,
                at,
                bundle,
                subject,
            });
        }
        if action == RESTORED {
            let subject = Subject::Restored {
                step: RestoreStep::from_number(take_byte(bytes)?)?,
                why: take_text(bytes)?.to_owned(),
            };
            return Some(Self {
                author,
                at,
                bundle,
                subject,
            });
        }
        if action == FEED_RUN {
            let subject = Subject::FeedRun {
                ending: FeedEnding::from_number(take_byte(bytes)?)?,
                feed: take_text(bytes)?.to_owned(),
                detail: take_text(bytes)?.to_owned(),
            };
            return Some(Self {
                author,
                at,
                bundle,
                subject,
            });
        }
        if matches!(action, MUTED | MUTE_ENDED) {
            let vulnerability = take_text(bytes)?.to_owned();
            let subject = Subject::Mute {
                id: MuteId::parse(take_text(bytes)?)?,
                vulnerability,
                ended: action == MUTE_ENDED,
            };
            return Some(Self {
                author,
                at,
                bundle,
                subject,
            });
        }
        let vulnerability = VulnerabilityId::of(take_text(bytes)?)?;
        let package = match take_byte(bytes)? {
            PACKAGE => PackageId::Package {
                ecosystem: take_text(bytes)?.to_owned(),
                name: take_text(bytes)?.to_owned(),
            },
            REPOSITORY => PackageId::Repository {
                repository: take_text(bytes)?.to_owned(),
            },
            RECORD => PackageId::Record(RecordKey::new(
                take_text(bytes)?.parse().ok()?,
                take_text(bytes)?.parse().ok()?,
            )),
            _ => return None,
        };
        let mut to = Vec::new();
        for _ in 0..take_varint(bytes)? {
            to.push(MergeHash::from_bytes(take_hash(bytes)?));
        }
        let action = match action {
            CREATED => Action::Created,
            UPDATED => Action::Updated,
            WITHDRAWN => Action::Withdrawn,
            REMOVED => Action::Removed,
            REDIRECTED => Action::Redirected {
                to: std::mem::take(&mut to),
            },
            _ => return None,
        };
        to.is_empty().then_some(Self {
            author,
            at,
            bundle,
            subject: Subject::Advisory {
                vulnerability,
                package,
                action,
            },
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(byte)
}

fn take_hash(bytes: &mut &[u8]) -> Option<[u8; 32]> {
    let (hash, rest) = bytes.split_first_chunk::<32>()?;
    *bytes = rest;
    Some(*hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn actions() -> impl Strategy<Value = Action> {
        let hash = any::<[u8; 32]>().prop_map(MergeHash::from_bytes);
        prop_oneof![
            Just(Action::Created),
            Just(Action::Updated),
            Just(Action::Withdrawn),
            Just(Action::Removed),
            prop::collection::vec(hash, 0..4).prop_map(|to| Action::Redirected { to }),
        ]
    }

    fn packages() -> impl Strategy<Value = PackageId> {
        let record = ("[a-z]{1,8}", "[A-Z]{1,4}-[0-9]{1,6}");
        prop_oneof![
            (".{0,12}", ".{0,20}").prop_map(|(ecosystem, name)| PackageId::Package { ecosystem, name }),
            ".{0,30}".prop_map(|repository| PackageId::Repository { repository }),
            record.prop_map(|(source, id)| {
                PackageId::Record(RecordKey::new(source.parse().unwrap(), id.parse().unwrap()))
            }),
        ]
    }

    fn events() -> impl Strategy<Value = EventRow> {
        let bundle = prop::option::of(any::<[u8; 32]>().prop_map(BundleHash::from_bytes));
        let vulnerability = "(CVE-2[0-9]{3}-[0-9]{4,6}|GHSA-[a-z0-9]{4})";
        let advisory = (vulnerability, packages(), actions()).prop_map(|(vulnerability, package, action)| {
            Subject::Advisory {
                vulnerability: VulnerabilityId::of(&vulnerability).unwrap(),
                package,
                action,
            }
        });
        let mute = ("[0-9a-f]{16}-[1-9][0-9]{0,5}", ".{0,30}", any::<bool>());
        let mute = mute.prop_map(|(id, vulnerability, ended)| Subject::Mute {
            id: MuteId::parse(&id).unwrap(),
            vulnerability,
            ended,
        });
        let frozen = ".{0,30}".prop_map(|why| Subject::Frozen {
            lane: Lane::Federation,
            why,
        });
        let differs = ".{0,30}".prop_map(|how| Subject::Differs {
            lane: Lane::Direct,
            how,
        });
        let restored = (0_u8..3, ".{0,30}").prop_map(|(step, why)| Subject::Restored {
            step: RestoreStep::from_number(step).unwrap(),
            why,
        });
        let run = (0_u8..4, "[a-z]{1,9}", ".{0,30}").prop_map(|(ending, feed, detail)| Subject::FeedRun {
            feed,
            ending: FeedEnding::from_number(ending).unwrap(),
            detail,
        });
        let parts = (
            any::<u16>(),
            0_u64..1 << 40,
            bundle,
            prop_oneof![3 => advisory, 1 => mute, 1 => frozen, 1 => differs, 1 => restored, 1 => run],
        );
        parts.prop_map(|(author, at, bundle, subject)| EventRow {
            author: AuthorNumber(author),
            at: UnixMillis::saturating(at),
            bundle,
            subject,
        })
    }

    proptest! {
        #[test]
        fn event_row_round_trips_and_prefixes_are_refused(event in events(), cut in any::<prop::sample::Index>()) {
            let row = event.encode();
            prop_assert_eq!(EventRow::decode(&row), Some(event));
            prop_assert_eq!(EventRow::decode(&row[..cut.index(row.len())]), None);
        }

        #[test]
        fn decoder_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = EventRow::decode(&bytes);
        }
    }

    #[test]
    fn typical_event_takes_about_a_hundred_bytes() {
        let event = EventRow {
            author: AuthorNumber(1),
            at: UnixMillis::saturating(1_790_000_000_000),
            bundle: Some(BundleHash::from_bytes([7; 32])),
            subject: Subject::Advisory {
                vulnerability: VulnerabilityId::of("CVE-2021-44228").unwrap(),
                package: PackageId::Package {
                    ecosystem: "Maven".to_owned(),
                    name: "org.apache.logging.log4j:log4j-core".to_owned(),
                },
                action: Action::Created,
            },
        };
        assert_eq!(event.encode().len(), 101);
    }
}
