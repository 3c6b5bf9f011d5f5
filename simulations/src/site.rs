//! One simulated site: an engine, a store, and whether it is up.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{CertificateChain, PublicKey, SiteId, UnixMillis};
use starling_sync::{LogKey, LogPosition, SyncEngine};

use crate::scenario::Byzantine;
use crate::stores::SimStore;

/// A site of a world.
pub(crate) struct SimSite {
    pub(crate) id: SiteId,
    pub(crate) key: PublicKey,
    pub(crate) chain: CertificateChain,
    /// None only while it is being replaced.
    pub(crate) store: Option<Box<dyn SimStore>>,
    /// What a forker goes back to.
    pub(crate) backup: Option<Box<dyn SimStore>>,
    /// Its home was lost, and it does not sign before it took its log back.
    pub(crate) is_recovering: bool,
    /// None while the site is down.
    pub(crate) engine: Option<SyncEngine>,
    pub(crate) wake: Option<UnixMillis>,
    /// Events wait until then.
    pub(crate) stalled_until: UnixMillis,
    pub(crate) byzantine: Option<Byzantine>,
    /// A message that went out before, for replays.
    pub(crate) earlier: Vec<u8>,
    /// Gossip that was seen, by hash: each message is handled once.
    pub(crate) gossip_seen: BTreeSet<[u8; 32]>,
    /// Positions as they were when last checked, by the author's epoch: a later one may name an earlier place.
    pub(crate) positions: BTreeMap<(LogKey, u32), LogPosition>,
}

impl SimSite {
    pub(crate) fn is_up(&self) -> bool {
        self.engine.is_some()
    }
}
