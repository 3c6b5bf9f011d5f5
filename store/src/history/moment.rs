//! One snapshot: a change of the site's knowledge, described by the state before it.
//!
//! ```text
//! version u8 = 1, time varint (ms),
//! positions varint, each: log (3), source text, accepted varint, hash of the accepted state (32)
//! checks varint, each: log (3), source text, 0 or the time + 1 as varint
//! listed varint, each: name text, 0 or 1 and the entry as JSON text
//! settings: 0, or 1, mark (32), view policy as JSON text
//! ```
//!
//! A text is a varint length and UTF-8; the empty source means none. Lists are sorted by their names, each
//! once.

use std::collections::BTreeMap;

use starling_protocol::{ClaimNumber, SiteSlug, Source, SourceState, UnixMillis};

use crate::journal::codec::{Reader, put_log, put_text};
use crate::rows::{LogNumber, SourceRow, put_varint, source_text};
use crate::site::state::LogId;
use crate::trust::listing::ListedSite;

const VERSION: u8 = 1;

/// The former accepted position of a source in a log, and its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionBefore {
    pub(crate) accepted: ClaimNumber,
    /// Hash of the accepted state: the restored state must have this hash.
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

/// Returns the hash of a source's live entries and their number.
pub(crate) fn state_hash(state: &SourceState) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 history state");
    hasher.update(&state.live.to_le_bytes());
    hasher.update(&state.state.to_bytes());
    *hasher.finalize().as_bytes()
}

/// The settings of the fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsBefore {
    /// Hash of the settings, as the view keeps it.
    pub(crate) mark: [u8; 32],
    /// The view policy as JSON.
    pub(crate) policy: String,
}

/// The naming of logs: by local number in rows, by site in entries of the log.
pub(crate) trait NamesLog: Ord + Copy {
    fn put(&self, out: &mut Vec<u8>);
    fn take(reader: &mut Reader<'_>) -> Option<Self>;
}

impl NamesLog for LogNumber {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        Self::from_bytes(reader.take(3)?)
    }
}

impl NamesLog for LogId {
    fn put(&self, out: &mut Vec<u8>) {
        put_log(out, self);
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        reader.log()
    }
}

/// The state before one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment<L: Ord = LogNumber> {
    /// The time of the change, by the site's clock; never less than the previous one.
    pub(crate) at: UnixMillis,
    pub(crate) positions: BTreeMap<(L, Option<Source>), PositionBefore>,
    pub(crate) checks: BTreeMap<(L, Source), Option<UnixMillis>>,
    pub(crate) listed: BTreeMap<SiteSlug, Option<ListedSite>>,
    pub(crate) settings: Option<SettingsBefore>,
}

impl<L: NamesLog> Moment<L> {
    pub(crate) fn new(at: UnixMillis) -> Self {
        Self {
            at,
            positions: BTreeMap::new(),
            checks: BTreeMap::new(),
            listed: BTreeMap::new(),
            settings: None,
        }
    }

    /// Returns the same snapshot with other log names; `None` if a log has no such name.
    pub(crate) fn renamed<M: NamesLog>(&self, name: impl Fn(L) -> Option<M>) -> Option<Moment<M>> {
        let positions = self.positions.iter();
        let checks = self.checks.iter();
        Some(Moment {
            at: self.at,
            positions: positions
                .map(|((log, source), before)| Some(((name(*log)?, source.clone()), *before)))
                .collect::<Option<_>>()?,
            checks: checks
                .map(|((log, source), checked)| Some(((name(*log)?, source.clone()), *checked)))
                .collect::<Option<_>>()?,
            listed: self.listed.clone(),
            settings: self.settings.clone(),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.at.as_millis());
        put_varint(&mut out, self.positions.len() as u64);
        for ((log, source), before) in &self.positions {
            log.put(&mut out);
            put_text(&mut out, source_text(source.as_ref()));
            put_varint(&mut out, before.accepted.0);
            out.extend_from_slice(&before.state);
        }
        put_varint(&mut out, self.checks.len() as u64);
        for ((log, source), checked) in &self.checks {
            log.put(&mut out);
            put_text(&mut out, source.as_str());
            put_varint(
                &mut out,
                checked.map_or(0, |time| time.as_millis().saturating_add(1)),
            );
        }
        put_varint(&mut out, self.listed.len() as u64);
        for (slug, before) in &self.listed {
            put_text(&mut out, slug.as_str());
            // An entry is written as the allow-list keeps it, which cannot fail.
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

    /// Decodes a row; returns `None` if it is not exactly the output of [`encode`](Self::encode).
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else {
            return None;
        };
        let reader = &mut Reader::new(rest);
        let mut moment = Self::new(reader.time()?);
        for _ in 0..reader.varint()? {
            let (log, source) = (L::take(reader)?, reader.source()?);
            let accepted = ClaimNumber(reader.varint()?);
            let state = reader.hash()?;
            let before = PositionBefore { accepted, state };
            moment.positions.insert((log, source), before);
        }
        for _ in 0..reader.varint()? {
            let log = L::take(reader)?;
            let source = reader.text()?.parse().ok()?;
            let checked = match reader.varint()?.checked_sub(1) {
                None => None,
                Some(millis) => Some(UnixMillis::new(millis).ok()?),
            };
            moment.checks.insert((log, source), checked);
        }
        for _ in 0..reader.varint()? {
            let slug = reader.text()?.parse().ok()?;
            let before = if reader.flag()? {
                Some(serde_json::from_str(reader.text()?).ok()?)
            } else {
                None
            };
            moment.listed.insert(slug, before);
        }
        if reader.flag()? {
            moment.settings = Some(SettingsBefore {
                mark: reader.hash()?,
                policy: reader.text()?.to_owned(),
            });
        }
        (reader.is_empty() && moment.encode() == bytes).then_some(moment)
    }
}
