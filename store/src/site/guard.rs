//! Reads and changes a site's state.
//!
//! One writer at a time works on the state, with the engine's rows. Readers see a [`Published`]: the state and
//! the rows at the end of the last change, or at a point within it at which the view shows all accepted claims.
//! Taking it copies a pointer and does not block writers, so it may be held through parsing, matching or
//! another process.
//!
//! The order of the locks, first to last: the daemon's lock of imports, the writer's lock here, the log's, the
//! packs', the engine's. The pointer's lock and the cache of mutes are taken last and held for no other work. A
//! thread must take the writer's lock only once: a second time would deadlock, and reading while it is held
//! returns the state before the change. Builds with debug assertions panic on both, so that tests find them.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starling_view::Settings;

use super::state::State;
use crate::SiteStore;
use crate::engine::{Engine, Version, VersionedEngine};
use crate::error::StoreError;
use crate::log::LogPosition;

/// The state that readers see, all of one moment.
#[derive(Debug)]
pub(crate) struct Published {
    /// The number of publications: equal numbers mean the same state.
    pub(crate) number: u64,
    pub(crate) state: State,
    /// The engine's rows, as they follow from the log up to `position`. After a failed apply they may contain a
    /// part of what comes after it.
    pub(crate) rows: Version,
    /// The settings with which the view in the rows was folded.
    pub(crate) settings: Arc<Settings>,
    pub(crate) position: LogPosition,
    /// The number of times that bodies had been dropped.
    pub(crate) bodies_dropped: u64,
}

impl Published {
    /// Returns the state of a store that was just opened.
    pub(crate) fn first(
        state: &State,
        versions: &VersionedEngine,
        settings: &Arc<Settings>,
        position: LogPosition,
    ) -> Self {
        Self {
            number: 0,
            state: state.clone(),
            rows: versions.unpublished(),
            settings: settings.clone(),
            position,
            bodies_dropped: 0,
        }
    }
}

/// Read access to the last published state.
#[derive(Clone)]
pub(crate) struct StateReader(Arc<Published>);

impl StateReader {
    pub(crate) fn published(&self) -> &Arc<Published> {
        &self.0
    }

    /// Returns the engine's rows of the same moment.
    pub(crate) fn rows(&self) -> &dyn Engine {
        &self.0.rows
    }
}

impl Deref for StateReader {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0.state
    }
}

/// Write access to the state; its value is published when this is dropped.
pub(crate) struct StateWriter<'a> {
    store: &'a SiteStore,
    state: MutexGuard<'a, State>,
    // Dropped after the guard.
    _mark: mark::Mark,
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

impl Drop for StateWriter<'_> {
    fn drop(&mut self) {
        // A panic may leave half a change. Readers keep the last published state.
        if !std::thread::panicking() {
            self.store.publish(&self.state);
        }
    }
}

impl SiteStore {
    /// Returns the last published state.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] if a change panicked: the content of the rows is unknown since.
    pub(crate) fn read(&self) -> Result<StateReader, StoreError> {
        mark::check_free(&self.state);
        if self.state.is_poisoned() {
            return Err(StoreError::Poisoned);
        }
        Ok(StateReader(self.published()))
    }

    /// Takes the writer's lock, before a change begins.
    pub(crate) fn lock_state(&self) -> Result<StateWriter<'_>, StoreError> {
        let mark = mark::Mark::of(&self.state);
        let state = self.state.lock().map_err(|_| StoreError::Poisoned)?;
        Ok(StateWriter {
            store: self,
            state,
            _mark: mark,
        })
    }

    /// Publishes the state with the committed rows. The caller holds the writer's lock, and the rows follow
    /// from this state.
    pub(crate) fn publish(&self, state: &State) {
        // Both locks hold a pointer that stays whole after a panic: committed data must not stay invisible
        // because of one.
        let settings = Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner));
        let rows = self.versions.publish();
        let end = self.journal.log().end();
        let before = self.published();
        // The log may contain changes that a failed apply did not bring into the rows.
        let is_behind = self.behind.load(Ordering::SeqCst);
        let next = Arc::new(Published {
            number: before.number + 1,
            state: state.clone(),
            rows,
            settings,
            position: if is_behind { before.position } else { end },
            bodies_dropped: self.bodies_dropped.load(Ordering::SeqCst),
        });
        // The writer's lock is held, so nobody published meanwhile; readers wait only for the pointer.
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn published(&self) -> Arc<Published> {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&published)
    }
}

#[cfg(debug_assertions)]
mod mark {
    use std::cell::RefCell;

    use super::{Mutex, State};

    thread_local! {
        /// The locks that this thread holds, by address: a copy of a store has its own lock.
        static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    fn holds(address: usize) -> bool {
        HELD.with_borrow(|held| held.contains(&address))
    }

    /// Panics if this thread changes the state at the moment.
    pub(super) fn check_free(lock: &Mutex<State>) {
        assert!(
            !holds(std::ptr::from_ref(lock).addr()),
            "this thread is changing the store's state (SiteStore::change), and the published state is from before that: \
             use the state that the change was given"
        );
    }

    /// Notes that this thread holds a lock.
    pub(super) struct Mark(usize);

    impl Mark {
        /// Panics if this thread already holds the lock: it would deadlock.
        pub(super) fn of(lock: &Mutex<State>) -> Self {
            check_free(lock);
            let address = std::ptr::from_ref(lock).addr();
            HELD.with_borrow_mut(|held| held.push(address));
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
    use super::{Mutex, State};

    pub(super) const fn check_free(_: &Mutex<State>) {}

    /// Notes nothing.
    pub(super) struct Mark;

    impl Mark {
        pub(super) const fn of(_: &Mutex<State>) -> Self {
            Self
        }
    }
}
