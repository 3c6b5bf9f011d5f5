//! The guards on a site's state. The rule: one thread holds at most one of a store at a time.
//!
//! The lock lets waiting writers pass before new readers. A thread that reads twice waits for ever if a
//! writer comes between: for the writer, which waits for the thread's first guard. Builds with debug
//! assertions panic on a second guard, whether or not a writer is there, so that every test that comes
//! by finds it.

use std::ops::{Deref, DerefMut};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::state::State;
use crate::error::StoreError;

/// Reads the state until it is dropped.
pub(crate) struct StateReader<'a> {
    // Dropped before the mark.
    state: RwLockReadGuard<'a, State>,
    _mark: mark::Mark,
}

/// Changes the state until it is dropped.
pub(crate) struct StateWriter<'a> {
    // Dropped before the mark.
    state: RwLockWriteGuard<'a, State>,
    _mark: mark::Mark,
}

impl<'a> StateReader<'a> {
    pub(crate) fn of(lock: &'a RwLock<State>) -> Result<Self, StoreError> {
        let mark = mark::Mark::of(lock);
        let state = lock.read().map_err(|_| StoreError::Poisoned)?;
        Ok(Self { state, _mark: mark })
    }
}

impl<'a> StateWriter<'a> {
    pub(crate) fn of(lock: &'a RwLock<State>) -> Result<Self, StoreError> {
        let mark = mark::Mark::of(lock);
        let state = lock.write().map_err(|_| StoreError::Poisoned)?;
        Ok(Self { state, _mark: mark })
    }
}

impl Deref for StateReader<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Deref for StateWriter<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateWriter<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

#[cfg(debug_assertions)]
mod mark {
    use std::cell::RefCell;

    thread_local! {
        /// The locks that this thread holds, by address: a copy of a store has a lock of its own.
        static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// Notes that this thread holds a lock.
    pub(super) struct Mark(usize);

    impl Mark {
        /// Panics if this thread holds the lock already.
        pub(super) fn of<T>(lock: &T) -> Self {
            let address = std::ptr::from_ref(lock).addr();
            HELD.with_borrow_mut(|held| {
                assert!(
                    !held.contains(&address),
                    "this thread already holds a guard on the store's state (SiteStore::view, read or write), and \
                     a second one deadlocks as soon as a writer waits between them: drop the first, or ask it \
                     (ViewReader::listed_sites, ViewReader::slug_of)"
                );
                held.push(address);
            });
            Self(address)
        }
    }

    impl Drop for Mark {
        fn drop(&mut self) {
            HELD.with_borrow_mut(|held| held.retain(|address| *address != self.0));
        }
    }
}

#[cfg(not(debug_assertions))]
mod mark {
    /// Notes nothing.
    pub(super) struct Mark;

    impl Mark {
        pub(super) const fn of<T>(_lock: &T) -> Self {
            Self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> RwLock<State> {
        let engine = crate::engine::MemoryEngine::new(crate::engine::FaultPlan::default());
        let site = starling_protocol::SiteId::ZERO;
        RwLock::new(State::load(&engine, site).unwrap())
    }

    #[test]
    fn guards_one_after_the_other_are_allowed() {
        let (lock, copy) = (lock(), lock());
        drop(StateReader::of(&lock).unwrap());
        drop(StateWriter::of(&lock).unwrap());
        let _state = StateReader::of(&lock).unwrap();
        // That of a copy of the store is another lock.
        drop(StateWriter::of(&copy).unwrap());
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "already holds a guard on the store's state")]
    fn second_reader_in_a_thread_panics() {
        let lock = lock();
        let _state = StateReader::of(&lock).unwrap();
        let _ = StateReader::of(&lock);
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "already holds a guard on the store's state")]
    fn reader_within_a_writer_panics_and_does_not_wait() {
        let lock = lock();
        let _state = StateWriter::of(&lock).unwrap();
        let _ = StateReader::of(&lock);
    }
}
