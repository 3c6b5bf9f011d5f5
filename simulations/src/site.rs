//! One simulated site: an engine, a store, and its state.

use std::collections::BTreeMap;

use starling_protocol::{CertificateChain, PublicKey, SiteId, UnixMillis};
use starling_sync::{Dials, LogKey, LogPosition, SyncEngine};

use crate::feeds::SiteFeed;
use crate::scenario::Byzantine;
use crate::stores::SimStore;

/// A site of a world.
pub(crate) struct SimSite {
    pub(crate) id: SiteId,
    pub(crate) key: PublicKey,
    pub(crate) chain: CertificateChain,
    /// `None` only while it is being replaced.
    pub(crate) store: Option<Box<dyn SimStore>>,
    /// The state to which a forker returns.
    pub(crate) backup: Option<Box<dyn SimStore>>,
    /// True if its home was lost: it does not sign before it took its log back.
    pub(crate) is_recovering: bool,
    /// `None` while the site is down.
    pub(crate) engine: Option<SyncEngine>,
    pub(crate) wake: Option<UnixMillis>,
    /// Events wait until then.
    pub(crate) stalled_until: UnixMillis,
    pub(crate) byzantine: Option<Byzantine>,
    /// A message that went out before, for replays.
    pub(crate) earlier: Vec<u8>,
    /// The sites on its allow-list.
    pub(crate) lists: Vec<usize>,
    /// The dialler of a daemon; a site's number is its address.
    pub(crate) dials: Dials<usize>,
    /// The open sessions, and their start times.
    pub(crate) sessions: BTreeMap<PublicKey, (SiteId, UnixMillis)>,
    /// The number of its starts: a planned look at the dials, or a write, is for one of them.
    pub(crate) starts: u64,
    /// The last checked positions, by the author's epoch: a later epoch may name an earlier position.
    pub(crate) positions: BTreeMap<(LogKey, u32), LogPosition>,
    /// Its role for the source that sites offer to fetch.
    pub(crate) feed: SiteFeed,
}

impl SimSite {
    pub(crate) fn is_up(&self) -> bool {
        self.engine.is_some()
    }
}
