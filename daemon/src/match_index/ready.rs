//! The mark that a scan may go by the index without opening the store.
//!
//! It holds what a verdict needs besides the index, and the position in the log up to which that is so. A position's
//! hash covers every group before it, so a reader that finds the log's end elsewhere knows that the mark is behind,
//! also after a backup was put back: no commit has to remove it.
//!
//! Every group moves the end, also one that changes no record: a head, a row of the ledger, what a peer holds. A reader
//! does not look past such a group, since telling what it changes takes the rules of the store (a head renews the times
//! at which sources were checked, which verdicts show). Instead a daemon marks again whenever the log went on and the
//! index did not have to. That is safe at any moment: position and knowledge are taken from one published view, whose
//! rows follow from the log up to there, and a group that comes meanwhile leaves the mark behind, not wrong.
//!
//! It lies in the site's folder and not in the engine's, so that scans use it while the engine is rebuilt.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use starling_documents::mutes::Mutes;
use starling_policy::{HeadExpiry, KnowledgeState, SourceCheck, UncheckedSource};
use starling_protocol::{KnowledgeRoot, UnixMillis};
use starling_store::log::LogPosition;

/// The mark's file in the site's folder.
const READY_FILE: &str = "scan.ready";
/// Largest mark, in bytes: a few hundred sources and some ten thousand mutes. Where there is more there is no mark.
const MAX_READY_BYTES: u64 = 8 * 1024 * 1024;

/// What a verdict says of the site's knowledge, and which index holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyState {
    /// Up to where in the log it is so.
    pub(crate) position: LogPosition,
    /// The index's stamp.
    pub(crate) stamp: [u8; 32],
    /// How the configuration and the program that wrote it fold ([`crate::service::folding_of`]): by others, the
    /// store has to be opened.
    pub(crate) folding: [u8; 32],
    /// The knowledge.
    pub(crate) knowledge: KnowledgeState,
}

/// The same in its file, behind a hash of it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    position: Vec<u8>,
    stamp: [u8; 32],
    folding: [u8; 32],
    root: [u8; 32],
    advisories: u64,
    /// Source and time in milliseconds since 1970.
    checks: Vec<(String, u64)>,
    /// Source, and when it was last heard in milliseconds since 1970.
    unchecked: Vec<(String, Option<u64>)>,
    /// Site, end in milliseconds since 1970, sources.
    heads: Vec<(String, u64, Vec<String>)>,
    held_back: Vec<String>,
    frozen: Vec<String>,
    ahead: Vec<String>,
    view_policy_hash: String,
    mutes: Mutes,
    /// Identity and name of sites whose mutes count although nobody said so.
    unconfirmed: Vec<(String, String)>,
}

/// The hash before what is stored; its context changes with the layout.
fn hash_of(content: &[u8]) -> [u8; 32] {
    blake3::derive_key("starling 2026-11 v5 scan.ready", content)
}

/// The mark of one site.
#[derive(Debug)]
pub(crate) struct Ready {
    /// None for a site that keeps nothing.
    path: Option<PathBuf>,
    /// What was to be marked last since this was made.
    marked: Mutex<Option<(LogPosition, [u8; 32])>>,
}

impl Ready {
    /// The mark of the site in `home`.
    pub(crate) fn in_home(home: &Path) -> Self {
        Self {
            path: Some(home.join(READY_FILE)),
            marked: Mutex::new(None),
        }
    }

    /// The mark of a site that keeps nothing.
    pub(crate) const fn nowhere() -> Self {
        Self {
            path: None,
            marked: Mutex::new(None),
        }
    }

    /// Returns true if the last mark that this wrote, or tried to, is of an index and of a position.
    pub(crate) fn is_of(&self, position: &LogPosition, stamp: &[u8; 32]) -> bool {
        self.marked()
            .is_some_and(|(at, of)| at == *position && of == *stamp)
    }

    fn marked(&self) -> MutexGuard<'_, Option<(LogPosition, [u8; 32])>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the mark; none if there is none, or it is not whole.
    pub(crate) fn read(&self) -> Option<ReadyState> {
        let path = self.path.as_deref()?;
        if std::fs::metadata(path).ok()?.len() > MAX_READY_BYTES {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        let (hash, content) = bytes.split_first_chunk::<32>()?;
        if hash_of(content) != *hash {
            return None;
        }
        let stored: Stored = postcard::from_bytes(content).ok()?;
        Some(ReadyState {
            position: LogPosition::decode(&stored.position)?,
            stamp: stored.stamp,
            folding: stored.folding,
            knowledge: KnowledgeState {
                root: KnowledgeRoot::from_bytes(stored.root),
                advisories: stored.advisories,
                unchecked: stored
                    .unchecked
                    .into_iter()
                    .map(|(source, heard)| UncheckedSource {
                        source,
                        last_heard: heard.map(UnixMillis::saturating),
                    })
                    .collect(),
                heads: stored
                    .heads
                    .into_iter()
                    .map(|(site, expires, sources)| HeadExpiry {
                        site,
                        expires: UnixMillis::saturating(expires),
                        sources,
                    })
                    .collect(),
                held_back: stored.held_back,
                frozen: stored.frozen,
                ahead: stored.ahead,
                view_policy_hash: stored.view_policy_hash,
                mutes: Arc::new(stored.mutes),
                unconfirmed: stored.unconfirmed.into_iter().collect(),
                sources: stored
                    .checks
                    .into_iter()
                    .map(|(source, checked)| SourceCheck {
                        source,
                        last_checked: UnixMillis::saturating(checked),
                    })
                    .collect(),
            },
        })
    }

    /// Writes the mark. The caller makes sure that the store is as `state` says until this returns.
    ///
    /// # Errors
    /// If the file cannot be written; then there is no mark, which is always right.
    pub(crate) fn write(&self, state: &ReadyState) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let stored = Stored {
            position: state.position.encode().to_vec(),
            stamp: state.stamp,
            folding: state.folding,
            unchecked: state
                .knowledge
                .unchecked
                .iter()
                .map(|unchecked| {
                    let heard = unchecked.last_heard.map(UnixMillis::as_millis);
                    (unchecked.source.clone(), heard)
                })
                .collect(),
            heads: state
                .knowledge
                .heads
                .iter()
                .map(|head| (head.site.clone(), head.expires.as_millis(), head.sources.clone()))
                .collect(),
            held_back: state.knowledge.held_back.clone(),
            frozen: state.knowledge.frozen.clone(),
            ahead: state.knowledge.ahead.clone(),
            root: *state.knowledge.root.as_bytes(),
            advisories: state.knowledge.advisories,
            view_policy_hash: state.knowledge.view_policy_hash.clone(),
            mutes: state.knowledge.mutes.as_ref().clone(),
            unconfirmed: state.knowledge.unconfirmed.clone().into_iter().collect(),
            checks: state
                .knowledge
                .sources
                .iter()
                .map(|check| (check.source.clone(), check.last_checked.as_millis()))
                .collect(),
        };
        let content = postcard::to_stdvec(&stored).map_err(io::Error::other)?;
        let mut bytes = hash_of(&content).to_vec();
        bytes.extend_from_slice(&content);
        // One at a time: the file under the other name is one.
        let mut marked = self.marked();
        // What cannot be written now is not tried again before something changes.
        *marked = Some((state.position, state.stamp));
        if bytes.len() as u64 > MAX_READY_BYTES {
            return Ok(());
        }
        let new = path.with_extension("new");
        std::fs::write(&new, &bytes)
            .and_then(|()| std::fs::rename(&new, path))
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&new);
            })
    }

    /// Removes the mark, if that is possible.
    pub(crate) fn remove(&self) {
        if let Some(path) = &self.path {
            *self.marked() = None;
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ReadyState {
        ReadyState {
            position: LogPosition::START,
            stamp: [3; 32],
            folding: [7; 32],
            knowledge: KnowledgeState {
                root: KnowledgeRoot::from_bytes([4; 32]),
                advisories: 5,
                view_policy_hash: "blake3:06".to_owned(),
                mutes: Arc::default(),
                unconfirmed: [("blake3:07".to_owned(), "site-b".to_owned())].into(),
                sources: vec![SourceCheck {
                    source: "ghsa".to_owned(),
                    last_checked: UnixMillis::saturating(6),
                }],
                unchecked: vec![UncheckedSource {
                    source: "mine".to_owned(),
                    last_heard: Some(UnixMillis::saturating(7)),
                }],
                heads: vec![HeadExpiry {
                    site: "site-b".to_owned(),
                    expires: UnixMillis::saturating(8),
                    sources: vec!["ghsa".to_owned()],
                }],
                held_back: vec!["lost".to_owned()],
                frozen: vec!["site-b".to_owned()],
                ahead: vec!["far".to_owned()],
            },
        }
    }

    #[test]
    fn mark_is_read_as_written_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let ready = Ready::in_home(folder.path());
        assert_eq!(ready.read(), None);
        ready.write(&state()).unwrap();
        assert_eq!(Ready::in_home(folder.path()).read(), Some(state()));
        assert!(ready.is_of(&LogPosition::START, &[3; 32]) && !ready.is_of(&LogPosition::START, &[4; 32]));
        ready.remove();
        assert!(!ready.is_of(&LogPosition::START, &[3; 32]));
        ready.remove();
        assert_eq!(ready.read(), None);
    }

    #[test]
    fn site_that_keeps_nothing_has_no_mark() {
        let ready = Ready::nowhere();
        ready.write(&state()).unwrap();
        assert_eq!(ready.read(), None);
        ready.remove();
    }

    #[test]
    fn mark_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder of its name is in the way.
        std::fs::create_dir_all(folder.path().join(READY_FILE).join("full")).unwrap();
        Ready::in_home(folder.path()).write(&state()).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_mark_that_is_not_whole_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let ready = Ready::in_home(folder.path());
        ready.write(&state()).unwrap();
        let path = folder.path().join(READY_FILE);
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(ready.read(), None, "{end}");
        }
    }
}
