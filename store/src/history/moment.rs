//! One moment: a change of what the site knew, told by what was before it.
//!
//! ```text
//! version u8 = 1, time varint (ms),
//! positions varint, each: log (3), source text, accepted varint, hash of the accepted state (32)
//! checks varint, each: log (3), source text, 0 or the time + 1 as varint
//! listed varint, each: name text, 0 or 1 and the entry as JSON text
//! settings: 0, or 1, mark (32), view policy as JSON text
//! ```
//!
//! A text is a varint length and UTF-8; the empty source is none. Lists are sorted by what they name, each once.

use std::collections::BTreeMap;

use starling_protocol::{ClaimNumber, SiteSlug, Source, SourceState, UnixMillis};

use crate::rows::{LogNumber, SourceRow, put_varint, source_text, take_varint};
use crate::trust::listing::ListedSite;

const VERSION: u8 = 1;

/// Up to where a source was accepted in a log, and what that came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionBefore {
    pub(crate) accepted: ClaimNumber,
    /// Hash of the accepted state: what is put back must hash to it.
    pub(crate) state: [u8; 32],
}

impl PositionBefore {
    pub(crate) fn of(row: &SourceRow) -> Self {
        Self {
            accepted: row.accepted,
            state: state_hash(&row.accepted_state),
        }
    }
}

/// Hash of a source's live entries and their number.
pub(crate) fn state_hash(state: &SourceState) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 history state");
    hasher.update(&state.live.to_le_bytes());
    hasher.update(&state.state.to_bytes());
    *hasher.finalize().as_bytes()
}

/// How the view folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsBefore {
    /// Hash of the settings, as the view keeps it.
    pub(crate) mark: [u8; 32],
    /// The view policy as JSON.
    pub(crate) policy: String,
}

/// What was before one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When the change was made, by the site's clock; never less than the one before.
    pub(crate) at: UnixMillis,
    pub(crate) positions: BTreeMap<(LogNumber, Option<Source>), PositionBefore>,
    pub(crate) checks: BTreeMap<(LogNumber, Source), Option<UnixMillis>>,
    pub(crate) listed: BTreeMap<SiteSlug, Option<ListedSite>>,
    pub(crate) settings: Option<SettingsBefore>,
}

impl Moment {
    pub(crate) fn new(at: UnixMillis) -> Self {
        Self {
            at,
            positions: BTreeMap::new(),
            checks: BTreeMap::new(),
            listed: BTreeMap::new(),
            settings: None,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.at.as_millis());
        put_varint(&mut out, self.positions.len() as u64);
        for ((log, source), before) in &self.positions {
            out.extend_from_slice(&log.to_bytes());
            put_text(&mut out, source_text(source.as_ref()));
            put_varint(&mut out, before.accepted.0);
            out.extend_from_slice(&before.state);
        }
        put_varint(&mut out, self.checks.len() as u64);
        for ((log, source), checked) in &self.checks {
            out.extend_from_slice(&log.to_bytes());
            put_text(&mut out, source.as_str());
            put_varint(
                &mut out,
                checked.map_or(0, |time| time.as_millis().saturating_add(1)),
            );
        }
        put_varint(&mut out, self.listed.len() as u64);
        for (slug, before) in &self.listed {
            put_text(&mut out, slug.as_str());
            // An entry of the list is written as the list itself keeps it; it always writes.
            let text = before
                .as_ref()
                .and_then(|listed| serde_json::to_string(listed).ok());
            out.push(u8::from(text.is_some()));
            if let Some(text) = text {
                put_text(&mut out, &text);
            }
        }
        out.push(u8::from(self.settings.is_some()));
        if let Some(settings) = &self.settings {
            out.extend_from_slice(&settings.mark);
            put_text(&mut out, &settings.policy);
        }
        out
    }

    /// Reads a row; none if it is not exactly what [`encode`](Self::encode) writes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = bytes.split_first()? else {
            return None;
        };
        let rest = &mut rest;
        let mut moment = Self::new(UnixMillis::new(take_varint(rest)?).ok()?);
        for _ in 0..take_varint(rest)? {
            let log = take_log(rest)?;
            let source = match take_text(rest)? {
                "" => None,
                name => Some(name.parse().ok()?),
            };
            let accepted = ClaimNumber(take_varint(rest)?);
            let state = take_hash(rest)?;
            moment
                .positions
                .insert((log, source), PositionBefore { accepted, state });
        }
        for _ in 0..take_varint(rest)? {
            let log = take_log(rest)?;
            let source = take_text(rest)?.parse().ok()?;
            let checked = match take_varint(rest)?.checked_sub(1) {
                None => None,
                Some(millis) => Some(UnixMillis::new(millis).ok()?),
            };
            moment.checks.insert((log, source), checked);
        }
        for _ in 0..take_varint(rest)? {
            let slug = take_text(rest)?.parse().ok()?;
            let before = if take_flag(rest)? {
                Some(serde_json::from_str(take_text(rest)?).ok()?)
            } else {
                None
            };
            moment.listed.insert(slug, before);
        }
        if take_flag(rest)? {
            moment.settings = Some(SettingsBefore {
                mark: take_hash(rest)?,
                policy: take_text(rest)?.to_owned(),
            });
        }
        (rest.is_empty() && moment.encode() == bytes).then_some(moment)
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

fn take_log(bytes: &mut &[u8]) -> Option<LogNumber> {
    let (log, rest) = bytes.split_at_checked(3)?;
    *bytes = rest;
    LogNumber::from_bytes(log)
}

fn take_hash(bytes: &mut &[u8]) -> Option<[u8; 32]> {
    let (hash, rest) = bytes.split_first_chunk::<32>()?;
    *bytes = rest;
    Some(*hash)
}

fn take_flag(bytes: &mut &[u8]) -> Option<bool> {
    let (&flag, rest) = bytes.split_first()?;
    *bytes = rest;
    match flag {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
