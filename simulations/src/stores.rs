//! What sites keep their knowledge in: the model of the sync crate, or the real store in memory.

mod model;
mod real;

use starling_protocol::{CertificateChain, KnowledgeRoot, Lane, RecordId, SiteId, Source, UnixMillis};
use starling_sync::Replica;
use starling_sync::model::{ModelKeys, ModelReplica};

use crate::scenario::StoreKind;

/// A replica, and what a world does to it besides.
pub(crate) trait SimStore: Replica {
    /// States records of a source in the federation lane and signs a new head.
    fn publish(
        &mut self,
        source: &Source,
        records: &[(RecordId, Vec<u8>)],
        now: UnixMillis,
    ) -> Result<(), String>;

    /// Puts a site on the allow-list, with its chain if it is known.
    fn list(&mut self, chain: &CertificateChain, now: UnixMillis) -> Result<(), String>;

    /// Lets writes find no room from now on, or heals the store.
    fn set_failing(&mut self, failing: bool);

    /// Lets power be lost in the middle of a write soon, after some more writes, if the store can tear one.
    fn doom(&mut self, writes: u32);

    /// Whether that happened.
    fn has_lost_power(&self) -> bool;

    /// Hash over what entered the view.
    fn knowledge_root(&self) -> KnowledgeRoot;

    /// Hash over what is held.
    fn held_root(&self) -> KnowledgeRoot;

    /// What survives a crash.
    fn crash(self: Box<Self>, now: UnixMillis) -> Result<Box<dyn SimStore>, String>;

    /// Begins a new epoch with another operating key, from before the last `back` deltas of the own log.
    /// Gives the new chain, if the store can.
    fn restore(&mut self, back: usize, now: UnixMillis) -> Result<Option<CertificateChain>, String>;

    /// What is left of a lost home: its keys, and who is listed. It signs nothing.
    fn lose_home(
        self: Box<Self>,
        others: &[CertificateChain],
        now: UnixMillis,
    ) -> Result<Box<dyn SimStore>, String>;

    /// Goes on in a new epoch after the home was lost, if all that is known of the own log is here, or `at_once`.
    /// Gives the new chain, and how many claims were said anew for want of their bodies.
    fn go_on(&mut self, at_once: bool, now: UnixMillis) -> Result<Option<(CertificateChain, u64)>, String>;

    /// A copy as a backup would have it, for a site that goes on from it as if nothing had been since.
    fn twin(&self) -> Option<Box<dyn SimStore>>;

    /// Every delta of a log, in order.
    fn log_bytes(&self, site: &SiteId, lane: Lane) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut after = starling_protocol::ClaimNumber::NONE;
        while let Ok(page) = self.deltas(site, lane, after, 1 << 20) {
            bytes.extend_from_slice(&page.bytes);
            after = page.last;
            if !page.more {
                break;
            }
        }
        bytes
    }
}

/// A new site's keys, chain and store.
pub(crate) fn new_site(
    kind: StoreKind,
    index: usize,
    seed: u64,
    now: UnixMillis,
) -> Result<(ModelKeys, CertificateChain, Box<dyn SimStore>), String> {
    let keys = ModelKeys::of_seed(seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
    let slug: starling_protocol::SiteSlug = format!("site-{index}")
        .parse()
        .map_err(|error| format!("{error}"))?;
    let chain = keys.genesis(slug.clone(), now);
    let store: Box<dyn SimStore> = match kind {
        StoreKind::Model => Box::new(ModelReplica::new(slug, keys.clone(), now)),
        StoreKind::Store => Box::new(real::RealStore::new(keys.clone(), &chain, now)?),
    };
    Ok((keys, chain, store))
}
