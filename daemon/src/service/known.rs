//! Caches a verdict's data about the knowledge between scans, until something new is published.

use std::sync::{Arc, Mutex, PoisonError};

use starling_api::ServiceResult;
use starling_policy::KnowledgeState;
use starling_scanner::index::IndexStamp;

/// The state of the knowledge, and the stamp of its index.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) state: KnowledgeState,
    pub(crate) stamp: IndexStamp,
}

/// The newest state, with the number of its view.
#[derive(Debug, Default)]
pub(crate) struct KnownState(Mutex<Option<(u64, Arc<Known>)>>);

impl KnownState {
    /// Returns the state for the view with this number; reads it again if the cached one is from another view.
    ///
    /// # Errors
    /// The errors of `read`.
    pub(crate) fn get(
        &self,
        number: u64,
        read: impl FnOnce() -> ServiceResult<Known>,
    ) -> ServiceResult<Arc<Known>> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = &*kept()
            && *at == number
        {
            return Ok(Arc::clone(known));
        }
        // Read without blocking others: two simultaneous readers read the same.
        let known = Arc::new(read()?);
        let mut kept = kept();
        if kept.as_ref().is_none_or(|(at, _)| *at < number) {
            *kept = Some((number, Arc::clone(&known)));
        }
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
                heads: Vec::new(),
                held_back: Vec::new(),
                lost: Vec::new(),
                frozen: Vec::new(),
                ahead: Vec::new(),
                view_policy_hash: String::new(),
                mutes: Default::default(),
                unconfirmed: Default::default(),
            },
            stamp: [2; 32],
        }
    }

    #[test]
    fn knowledge_is_read_once_per_view() {
        let kept = KnownState::default();
        let advisories = |view, number| kept.get(view, || Ok(known(number))).unwrap().state.advisories;
        assert_eq!(advisories(7, 1), 1);
        assert_eq!(advisories(7, 2), 1);
        assert_eq!(advisories(8, 3), 3);
        // A reader of an earlier view gets that view's state, and does not replace the newer one.
        assert_eq!(advisories(7, 4), 4);
        assert_eq!(advisories(8, 5), 3);
    }
}
