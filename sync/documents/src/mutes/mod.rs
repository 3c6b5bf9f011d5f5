//! The document `mutes`: findings to be ignored, with end time, reason and author.
//!
//! Two maps: `mutes` and `removals`. Every entry is written once, by one change, under a key that only its
//! author can make, and nothing is ever overwritten. A removal is a separate entry that names a mute, so the
//! mute stays readable and the history is complete. No two sites ever write the same key, so merging is a union
//! in any order, and no author's change depends on another author's: when a site is taken off the allow-list,
//! only its own mutes and removals leave the fold.

mod fold;
mod genesis;
mod merged;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteId, UnixMillis};

pub use fold::{FoldedMutes, MuteHistory, PastRemoval, fold_mutes, fold_one_more};
pub use genesis::{GENESIS, genesis};
pub use merged::{MergeError, MergedEntries, merged_document, merged_entries};
pub use read::{Entry, read_entry};
pub use write::{MuteWriter, WriteError, WrittenChange, write_mute, write_removal};

use crate::actor::Actor;

/// The document's name in claims.
pub const DOCUMENT: &str = "mutes";

/// Longest vulnerability id, in bytes.
pub const MAX_VULNERABILITY_BYTES: usize = 256;
/// Longest pattern over packages, ecosystems or SBOMs, in bytes.
pub const MAX_PATTERN_BYTES: usize = 512;
/// Longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 2_000;
/// Longest name of the person who muted or removed, in bytes.
pub const MAX_BY_BYTES: usize = 256;

const MUTES: &str = "mutes";
const REMOVALS: &str = "removals";

/// The name of a mute or a removal: half of its author's actor in hex, a dash, and the change's number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MuteId(String);

impl MuteId {
    /// Returns the id of the entry that an actor's change of this number adds.
    #[must_use]
    pub fn of(actor: Actor, sequence: u64) -> Self {
        let mut text: String = actor.to_string().chars().take(16).collect();
        text.push('-');
        text.push_str(&sequence.to_string());
        Self(text)
    }

    /// Parses an id; returns `None` if the text cannot be an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (actor, number) = text.split_once('-')?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let ok = actor.len() == 16
            && actor.bytes().all(hex)
            && number
                .parse::<u64>()
                .is_ok_and(|parsed| parsed > 0 && parsed.to_string() == number);
        ok.then(|| Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MuteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The content of a mute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuteText {
    /// An id or alias of the vulnerability.
    pub vulnerability: String,
    /// A package URL, or a pattern over names and package URLs; absent for any package.
    pub package: Option<String>,
    /// A pattern over ecosystems, with suffix or without; any when absent.
    pub ecosystem: Option<String>,
    /// A pattern over the subject of an SBOM, or over its hash; absent for any SBOM.
    pub sbom: Option<String>,
    /// The last time at which it is in force; absent for no end.
    pub until: Option<UnixMillis>,
    /// Why.
    pub reason: String,
    /// The person who muted, as stated by the author.
    pub by: String,
    /// When, by the author's clock.
    pub created: UnixMillis,
}

/// The content of a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalText {
    /// The mute that no longer counts.
    pub mute: MuteId,
    /// Why.
    pub reason: String,
    /// The person who removed, as stated by the author.
    pub by: String,
    /// When, by the author's clock.
    pub at: UnixMillis,
}

/// A mute in force, as scans need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Its name.
    pub id: MuteId,
    /// The site whose log contains it.
    pub site: SiteId,
    /// Its content.
    pub text: MuteText,
}

/// The mutes in force, for scans: those that nobody removed, expired ones included.
///
/// Sorted by vulnerability, then by creation time and id. If several match a finding, the first one is
/// reported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mutes(Vec<Mute>);

impl Mutes {
    /// Sorts mutes that come in any order.
    #[must_use]
    pub fn new(mut mutes: Vec<Mute>) -> Self {
        let order = |mute: &Mute| {
            (
                mute.text.vulnerability.clone(),
                mute.text.created,
                mute.id.clone(),
            )
        };
        mutes.sort_by_cached_key(order);
        Self(mutes)
    }

    /// Returns all of them.
    #[must_use]
    pub fn all(&self) -> &[Mute] {
        &self.0
    }

    /// Returns those about a vulnerability by this name, oldest first.
    #[must_use]
    pub fn of(&self, vulnerability: &str) -> &[Mute] {
        let before = |mute: &Mute| mute.text.vulnerability.as_str() < vulnerability;
        let from = self.0.get(self.0.partition_point(before)..).unwrap_or_default();
        let count = from.partition_point(|mute| mute.text.vulnerability == vulnerability);
        from.get(..count).unwrap_or_default()
    }
}

/// A mute or removal that cannot be written, and would not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A required text is empty.
    #[error("{field} is empty")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// Too long.
    #[error("{field} has {found} bytes, more than the limit of {limit}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The greatest length allowed.
        limit: usize,
    },
    /// Characters that would garble a terminal or a table.
    #[error("{field} holds control characters, or spaces at its ends")]
    Unprintable {
        /// The field.
        field: &'static str,
    },
}

impl MuteText {
    /// Checks lengths and characters, for writing and for reading.
    ///
    /// # Errors
    /// [`TextError`] for the first field that breaks a rule.
    pub fn check(&self) -> Result<(), TextError> {
        check_text("vulnerability", &self.vulnerability, MAX_VULNERABILITY_BYTES)?;
        let patterns = [
            ("package", &self.package),
            ("ecosystem", &self.ecosystem),
            ("sbom", &self.sbom),
        ];
        for (field, pattern) in patterns {
            if let Some(pattern) = pattern {
                check_text(field, pattern, MAX_PATTERN_BYTES)?;
            }
        }
        check_text("reason", &self.reason, MAX_REASON_BYTES)?;
        check_text("by", &self.by, MAX_BY_BYTES)
    }
}

impl RemovalText {
    /// Checks lengths and characters, for writing and for reading.
    ///
    /// # Errors
    /// [`TextError`] for the first field that breaks a rule.
    pub fn check(&self) -> Result<(), TextError> {
        check_text("reason", &self.reason, MAX_REASON_BYTES)?;
        check_text("by", &self.by, MAX_BY_BYTES)
    }
}

fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { field });
    }
    if text.len() > limit {
        let found = text.len();
        return Err(TextError::TooLong { field, found, limit });
    }
    // Format characters are refused too: they can reverse a line on the reader's screen.
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if text.chars().any(|c| c.is_control() || turns(c)) || text.trim() != text {
        return Err(TextError::Unprintable { field });
    }
    Ok(())
}
