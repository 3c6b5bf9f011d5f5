//! What verdicts say of the knowledge, kept from one scan to the next for as long as nothing is committed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use starling_api::ServiceResult;
use starling_policy::KnowledgeState;
use starling_scanner::index::IndexStamp;

/// The state of the knowledge, and the stamp of the index that is of it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) state: KnowledgeState,
    pub(crate) stamp: IndexStamp,
}

/// The newest of them.
#[derive(Debug, Default)]
pub(crate) struct KnownState {
    /// Counts commits, before and after each: what was read under another count may be of an older store, and what
    /// was read during one is not kept for longer than it lasts.
    commits: Arc<AtomicU64>,
    newest: Mutex<Option<(u64, Arc<Known>)>>,
    /// Nobody counts the commits, so nothing is kept.
    uncounted: bool,
}

impl KnownState {
    /// One for a store whose commits nobody counts.
    pub(crate) fn uncounted() -> Self {
        Self {
            uncounted: true,
            ..Self::default()
        }
    }

    /// The count that whoever commits has to raise before and after.
    pub(crate) fn commits(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.commits)
    }

    /// Gives what is known, read anew if anything was committed since it was last read. The caller keeps the view
    /// open, so that nothing is committed to it meanwhile.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn get(&self, read: impl FnOnce() -> ServiceResult<Known>) -> ServiceResult<Arc<Known>> {
        if self.uncounted {
            return read().map(Arc::new);
        }
        let commits = self.commits.load(Ordering::SeqCst);
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = &*newest
            && *at == commits
        {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(read()?);
        *newest = Some((commits, Arc::clone(&known)));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::KnowledgeRoot;

    use super::*;

    fn known(advisories: u64) -> Known {
        Known {
            state: KnowledgeState {
                root: KnowledgeRoot::from_bytes([1; 32]),
                advisories,
                sources: Vec::new(),
                unchecked: Vec::new(),
                held_back: Vec::new(),
                view_policy_hash: String::new(),
                mutes: Default::default(),
            },
            stamp: [2; 32],
        }
    }

    #[test]
    fn what_is_known_is_read_once_until_something_is_committed() {
        let kept = KnownState::default();
        let advisories = |number| kept.get(|| Ok(known(number))).unwrap().state.advisories;
        assert_eq!(advisories(1), 1);
        assert_eq!(advisories(2), 1);
        kept.commits().fetch_add(1, Ordering::SeqCst);
        assert_eq!(advisories(3), 3);
        assert_eq!(advisories(4), 3);
        let uncounted = KnownState::uncounted();
        for number in 1..3 {
            assert_eq!(
                uncounted.get(|| Ok(known(number))).unwrap().state.advisories,
                number
            );
        }
    }
}
