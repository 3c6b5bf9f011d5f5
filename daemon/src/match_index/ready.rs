//! The marker file that lets a scan use the index without opening the store.
//!
//! It contains the data that a verdict needs besides the index, and the position in the log for which the data is
//! correct. A position's hash covers every group before it. So a reader whose log ends elsewhere knows that the
//! marker is outdated, even after a backup was restored, and no commit has to remove it.
//!
//! Every group moves the end, even one that changes no record: a head, a row of the ledger, a peer's position. A
//! reader does not look past such a group, because only the store's rules can tell what it changes (a head renews the
//! times at which sources were checked, which verdicts contain). Instead a daemon writes the marker again when the
//! log has grown but the index did not have to change. That is safe at any moment: position and knowledge are from
//! one published view, whose rows are derived from the log up to there, and a group that arrives meanwhile makes the
//! marker outdated, not wrong.
//!
//! It is in the site's folder and not in the engine's, so that scans can use it while the engine is rebuilt.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use starling_documents::mutes::Mutes;
use starling_policy::{HeadExpiry, KnowledgeState, SourceCheck, UncheckedSource};
use starling_protocol::{KnowledgeRoot, UnixMillis};
use starling_store::log::LogPosition;

/// The marker file in the site's folder.
const READY_FILE: &str = "scan.ready";
/// Largest marker, in bytes: a few hundred sources and about ten thousand mutes. A site with more has no marker.
const MAX_READY_BYTES: u64 = 8 * 1024 * 1024;

/// A verdict's data about the site's knowledge, and the index that holds the knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyState {
    /// The position in the log for which this is correct.
    pub(crate) position: LogPosition,
    /// The index's stamp.
    pub(crate) stamp: [u8; 32],
    /// How the configuration and the program of the writer fold ([`crate::service::folding_of`]). A reader with
    /// another value must open the store.
    pub(crate) folding: [u8; 32],
    /// The knowledge.
    pub(crate) knowledge: KnowledgeState,
}

/// The same data in the file, after its hash.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    position: Vec<u8>,
    stamp: [u8; 32],
    folding: [u8; 32],
    root: [u8; 32],
    advisories: u64,
    /// Source, and time of its check in milliseconds since 1970.
    checks: Vec<(String, u64)>,
    /// Source, and time when it was last heard of, in milliseconds since 1970.
    unchecked: Vec<(String, Option<u64>)>,
    /// Site, end in milliseconds since 1970, sources.
    heads: Vec<(String, u64, Vec<String>)>,
    held_back: Vec<String>,
    lost: Vec<String>,
    frozen: Vec<String>,
    ahead: Vec<String>,
    view_policy_hash: String,
    mutes: Mutes,
    /// Identity and name of sites whose mutes apply although no entry allows it explicitly.
    unconfirmed: Vec<(String, String)>,
}

/// Returns the hash that precedes the stored data; its context changes with the layout.
fn hash_of(content: &[u8]) -> [u8; 32] {
    blake3::derive_key("starling 2026-11 v6 scan.ready", content)
}

/// The marker of one site.
#[derive(Debug)]
pub(crate) struct Ready {
    /// `None` for a site that stores nothing.
    path: Option<PathBuf>,
    /// The last marker that this value tried to write.
    marked: Mutex<Option<(LogPosition, [u8; 32])>>,
}

impl Ready {
    /// Creates the marker of the site in `home`.
    pub(crate) fn in_home(home: &Path) -> Self {
        Self {
            path: Some(home.join(READY_FILE)),
            marked: Mutex::new(None),
        }
    }

    /// Creates the marker of a site that stores nothing.
    pub(crate) const fn nowhere() -> Self {
        Self {
            path: None,
            marked: Mutex::new(None),
        }
    }

    /// Returns true if the last marker that was written, or tried, has this index and position.
    pub(crate) fn is_of(&self, position: &LogPosition, stamp: &[u8; 32]) -> bool {
        self.marked()
            .is_some_and(|(at, of)| at == *position && of == *stamp)
    }

    fn marked(&self) -> MutexGuard<'_, Option<(LogPosition, [u8; 32])>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the marker; `None` if it is missing or incomplete.
    pub(crate) fn read(&self) -> Option<ReadyState> {
        let path = self.path.as_deref()?;
        let metadata = std::fs::metadata(path).ok()?;
        if !metadata.is_file() || metadata.len() > MAX_READY_BYTES {
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
                lost: stored.lost,
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

    /// Writes the marker. The caller ensures that `state` is correct until this returns.
    ///
    /// # Errors
    /// If the file cannot be written. Then there is no marker, which is always safe.
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
            lost: state.knowledge.lost.clone(),
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
        // One writer at a time: they share the temporary name.
        let mut marked = self.marked();
        // A failed write is not tried again before something changes.
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

    /// Removes the marker, if possible.
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
                lost: vec!["claims 2 to 3 of site-b".to_owned()],
                frozen: vec!["site-b".to_owned()],
                ahead: vec!["far".to_owned()],
            },
        }
    }

    #[test]
    fn marker_round_trips_until_it_is_removed() {
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
    fn site_that_stores_nothing_has_no_marker() {
        let ready = Ready::nowhere();
        ready.write(&state()).unwrap();
        assert_eq!(ready.read(), None);
        ready.remove();
    }

    #[test]
    fn failed_marker_write_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        // A folder with its name is in the way.
        std::fs::create_dir_all(folder.path().join(READY_FILE).join("full")).unwrap();
        Ready::in_home(folder.path()).write(&state()).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn incomplete_marker_counts_as_missing() {
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
