//! The stores of sites: the model of the sync crate, or the real store in memory.

mod model;
mod real;
mod real_feed;

use std::collections::BTreeMap;

use starling_protocol::{
    CertificateChain, ContentHash, FeedOffer, KnowledgeRoot, Lane, RecordId, SiteId, Source, UnixMillis,
};
use starling_store::SeenOffers;
use starling_sync::WritableReplica;
use starling_sync::model::{ModelKeys, ModelReplica};

use crate::feeds::SourceContent;
use crate::scenario::StoreKind;

/// The reason why the model cannot fetch.
const NO_OFFERS: &str = "the model has no offers";

/// A replica, with the operations of a world on it.
pub(crate) trait SimStore: WritableReplica {
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

    /// Makes power fail in the middle of a write soon, after some more writes, if the store can tear one.
    fn doom(&mut self, writes: u32);

    /// Returns true if that happened.
    fn has_lost_power(&self) -> bool;

    /// Returns the hash over the content of the view.
    fn knowledge_root(&self) -> KnowledgeRoot;

    /// Returns the hash over everything held.
    fn held_root(&self) -> KnowledgeRoot;

    /// Returns the store that survives a crash.
    fn crash(self: Box<Self>, now: UnixMillis) -> Result<Box<dyn SimStore>, String>;

    /// Begins a new epoch with another operating key, resuming before the last `back` deltas of the own log.
    /// Returns the new chain, if the store supports it.
    fn restore(&mut self, back: usize, now: UnixMillis) -> Result<Option<CertificateChain>, String>;

    /// Returns the remains of a lost home: its keys, and the listed sites. It signs nothing.
    fn lose_home(
        self: Box<Self>,
        others: &[CertificateChain],
        now: UnixMillis,
    ) -> Result<Box<dyn SimStore>, String>;

    /// Begins a new epoch after the home was lost, if everything known of the own log is here, or `at_once`.
    /// Returns the new chain, and the number of claims that were replaced because their bodies are missing.
    fn go_on(&mut self, at_once: bool, now: UnixMillis) -> Result<Option<(CertificateChain, u64)>, String>;

    /// Returns a copy like a backup, for a site that continues from it as if nothing had happened since.
    fn twin(&self) -> Option<Box<dyn SimStore>>;

    /// Returns the offers to fetch sources that the site knows.
    fn offers(&self) -> Result<SeenOffers, String> {
        Err(NO_OFFERS.to_owned())
    }

    /// States the site's offer to fetch a source.
    fn state_offer(&mut self, _source: &Source, _offer: &FeedOffer, _now: UnixMillis) -> Result<(), String> {
        Err(NO_OFFERS.to_owned())
    }

    /// Takes in a whole source as the daemon does that shares it. Returns the number of claims.
    fn fetch(
        &mut self,
        _source: &Source,
        _content: &SourceContent,
        _offer: &FeedOffer,
        _now: UnixMillis,
    ) -> Result<u64, String> {
        Err(NO_OFFERS.to_owned())
    }

    /// Returns a source as the site's view has it.
    fn content(&self, _source: &Source) -> Result<BTreeMap<RecordId, ContentHash>, String> {
        Err(NO_OFFERS.to_owned())
    }

    /// Returns every delta of a log, in order.
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

/// Returns a new site's keys, chain and store.
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
