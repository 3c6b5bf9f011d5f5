//! The real site store over its disk and engine in memory, which tear writes and lose power on request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use starling_protocol::{
    CertificateChain, Claim, ClaimNumber, ContentHash, Delta, FeedOffer, ForkProof, KnowledgeRoot, Lane,
    LaneResume, PublicKey, Reason, RecordId, SigningKey, SiteId, Source, UnixMillis, VerifiedHead,
};
use starling_store::disk::{DiskFaultKind, DiskPlan, MemoryDisk, UnsyncedBytes};
use starling_store::engine::{ByteCount, FaultKind, FaultPlan, MemoryEngine, UnsyncedContent};
use starling_store::log::LogAccess;
use starling_store::{
    AllowedSources, ListedSite, Origin, SeenOffers, SharedReplica, SiteOptions, SiteStore, StoreParts,
};
use starling_sync::model::ModelKeys;
use starling_sync::{
    AppendOutcome, DeltaPage, HeldTip, Learned, LearnedHead, LogPosition, MissingBody, Replica, ReplicaError,
    WritableReplica,
};

use super::SimStore;
use crate::feeds::SourceContent;

/// zstd level of the store: simulations want speed.
const LEVEL: i32 = 1;
/// The validity of a head, in milliseconds.
pub(super) const HEAD_VALID_MILLIS: u64 = 86_400_000;

/// Pages after which the engine is made durable, so that a crash does not always take all of it.
const PAGES_PER_CHECKPOINT: u64 = 16;

/// Added to the openings of a copied home, so that the ids of its files are others than those of the first one.
const TWIN_OPENINGS: u64 = 1 << 20;

/// A site's real store.
pub(crate) struct RealStore {
    disk: MemoryDisk,
    engine: Arc<MemoryEngine>,
    pub(super) store: Arc<SiteStore>,
    replica: SharedReplica,
    pub(super) keys: ModelKeys,
    chain: CertificateChain,
    /// The part in which power fails.
    doom: Option<Doom>,
    /// The number of openings of the store: varies the state after a crash, and ids of files.
    openings: u64,
    /// The number of times that writes found no room: varies the part that fails.
    failures: u64,
    /// Pages appended.
    pages: u64,
}

/// The operation that power is lost in.
#[derive(Clone, Copy)]
enum Doom {
    /// Of the disk.
    Disk(u64),
    /// Of the engine.
    Engine(u64),
}

impl RealStore {
    pub(crate) fn new(keys: ModelKeys, chain: &CertificateChain, now: UnixMillis) -> Result<Self, String> {
        let engine = MemoryEngine::new(FaultPlan::default());
        Self::over((MemoryDisk::default(), engine), keys, chain.clone(), now, 1, true)
    }

    fn over(
        (disk, engine): (MemoryDisk, MemoryEngine),
        keys: ModelKeys,
        chain: CertificateChain,
        now: UnixMillis,
        openings: u64,
        is_new: bool,
    ) -> Result<Self, String> {
        let engine = Arc::new(engine);
        let site = chain.site();
        let settings = |_: &[ListedSite]| starling_view::Settings {
            // As the daemon's default.
            policy: starling_view::ViewPolicy {
                conflict_strategy: starling_view::ConflictStrategy::PreferNewest,
                ..starling_view::ViewPolicy::default()
            }
            .compile(site),
            decisions: starling_view::Decisions::default(),
            // Names in simulations have one spelling.
            normalise_name: |_, name| name.to_owned(),
            products_of: |_| Default::default(),
        };
        let options = SiteOptions {
            settings: &settings,
            compression_level: LEVEL,
            max_delta_claims: starling_protocol::limits::MAX_DELTA_CLAIMS,
            clock: Arc::new(move || now),
        };
        let parts = StoreParts {
            disk: Arc::new(disk.clone()),
            engine: engine.clone(),
            access: LogAccess::Write,
            is_new,
            past_damage: false,
            salvaged: None,
            witness: None,
            random_id: file_ids(&site, openings),
            progress: &|_| {},
        };
        let store = SiteStore::open(&parts, &chain, &options).map_err(text)?;
        let store = Arc::new(store);
        let replica = SharedReplica::new(store.clone()).map_err(text)?;
        Ok(Self {
            disk,
            engine,
            store,
            replica,
            keys,
            chain,
            doom: None,
            openings,
            failures: 0,
            pages: 0,
        })
    }
}

/// Returns ids of files that are unique to this opening of this site, and equal in a repeated run.
fn file_ids(site: &SiteId, openings: u64) -> Arc<dyn Fn() -> [u8; 16] + Send + Sync> {
    let site = *site;
    let next = AtomicU64::new(0);
    Arc::new(move || {
        let mut hasher = blake3::Hasher::new();
        hasher.update(site.as_bytes());
        hasher.update(&openings.to_le_bytes());
        hasher.update(&next.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        id
    })
}

/// Returns an error with its causes.
pub(super) fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl SimStore for RealStore {
    fn publish(
        &mut self,
        source: &Source,
        records: &[(RecordId, Vec<u8>)],
        now: UnixMillis,
    ) -> Result<(), String> {
        let bodies: Vec<(ContentHash, &[u8])> = records
            .iter()
            .map(|(_, body)| (ContentHash::of(body), &body[..]))
            .collect();
        self.store.put_bodies(source, &bodies).map_err(text)?;
        let claims = records.iter().map(|(id, body)| {
            let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
            Claim::set(source, id, ContentHash::of(body), size, now)
        });
        let key = &self.keys.operating;
        let lane = Lane::Federation;
        self.store
            .author(lane, claims, key, now, &Origin::default())
            .map_err(text)?;
        self.store
            .sign_head(lane, key, now, HEAD_VALID_MILLIS, Vec::new())
            .map_err(text)?;
        Ok(())
    }

    fn list(&mut self, chain: &CertificateChain, now: UnixMillis) -> Result<(), String> {
        let listed = ListedSite {
            slug: chain.slug().clone(),
            site: chain.site(),
            display_name: None,
            addresses: Vec::new(),
            allowed_sources: AllowedSources::All,
            max_bundle_size: None,
            enabled: true,
            may_mute: Some(true),
            added_at: now,
        };
        self.store.list_site(listed, Some(chain)).map_err(text)
    }

    fn set_failing(&mut self, failing: bool) {
        // One plan at a time.
        if self.doom.is_some() {
            return;
        }
        self.failures += u64::from(failing);
        // A full disk refuses the log's writes; every other time only the engine finds no room.
        let is_disk_full = failing && self.failures % 2 == 1;
        self.disk.set_plan(DiskPlan {
            faults: Vec::new(),
            capacity: is_disk_full.then_some(0),
        });
        self.engine.set_plan(FaultPlan {
            faults: Vec::new(),
            capacity: failing.then_some(ByteCount(0)),
        });
    }

    fn doom(&mut self, writes: u32) {
        let writes = u64::from(writes);
        self.doom = Some(if writes.is_multiple_of(3) {
            let write = self.engine.writes() + 1 + writes;
            let fault = FaultKind::Tear(UnsyncedContent::Lost);
            self.engine.set_plan(FaultPlan::at_write(write, fault));
            self.disk.set_plan(DiskPlan::default());
            Doom::Engine(write)
        } else {
            let operation = self.disk.operations() + 1 + writes;
            let fault = DiskFaultKind::CrashAfter(UnsyncedBytes::Torn);
            self.disk.set_plan(DiskPlan::at(operation, fault));
            self.engine.set_plan(FaultPlan::default());
            Doom::Disk(operation)
        });
    }

    fn has_lost_power(&self) -> bool {
        self.doom.is_some_and(|doom| match doom {
            Doom::Disk(operation) => self.disk.operations() >= operation,
            Doom::Engine(write) => self.engine.writes() >= write,
        })
    }

    fn knowledge_root(&self) -> KnowledgeRoot {
        self.store.knowledge_root().unwrap_or(KnowledgeRoot::ZERO)
    }

    fn held_root(&self) -> KnowledgeRoot {
        self.store.held_root().unwrap_or(KnowledgeRoot::ZERO)
    }

    fn crash(self: Box<Self>, now: UnixMillis) -> Result<Box<dyn SimStore>, String> {
        // If power failed in an operation, the disk lost what its plan said.
        let (bytes, commits) = match self.openings % 3 {
            0 => (UnsyncedBytes::Torn, UnsyncedContent::HalfLost),
            1 => (UnsyncedBytes::Lost, UnsyncedContent::Lost),
            _ => (UnsyncedBytes::Lost, UnsyncedContent::Kept),
        };
        self.disk.crash(bytes);
        self.engine.crash(commits);
        let disk = self.disk.reopen(DiskPlan::default());
        let engine = self.engine.reopen(FaultPlan::default());
        let (keys, chain, openings) = (self.keys, self.chain, self.openings + 1);
        let parts = (disk, engine);
        Ok(Box::new(Self::over(parts, keys, chain, now, openings, false)?))
    }

    fn restore(&mut self, back: usize, now: UnixMillis) -> Result<Option<CertificateChain>, String> {
        let site = self.chain.site();
        let bytes = self.log_bytes(&site, Lane::Federation);
        let mut rest = &bytes[..];
        let mut ends = Vec::new();
        while !rest.is_empty() {
            let (delta, tail) = Delta::decode_first(rest).map_err(text)?;
            ends.push((delta.header().last(), delta.header().hash()));
            rest = tail;
        }
        ends.truncate(ends.len().saturating_sub(back));
        let lanes = ends.last().map(|(number, header)| LaneResume {
            lane: Lane::Federation,
            number: *number,
            header: *header,
        });
        // A key that depends only on the previous one, so that a run can be repeated.
        let operating = SigningKey::from_seed(ContentHash::of(&*self.keys.operating.seed()).as_bytes());
        let root = &self.keys.root;
        let chain = self
            .chain
            .next_epoch(
                root,
                &operating,
                lanes.into_iter().collect(),
                Reason::Restore,
                now,
            )
            .map_err(text)?;
        self.store.learn_chain(&chain).map_err(text)?;
        self.keys.operating = operating;
        self.chain = chain.clone();
        self.store
            .sign_head(
                Lane::Federation,
                &self.keys.operating,
                now,
                HEAD_VALID_MILLIS,
                Vec::new(),
            )
            .map_err(text)?;
        Ok(Some(chain))
    }

    fn lose_home(
        self: Box<Self>,
        others: &[CertificateChain],
        now: UnixMillis,
    ) -> Result<Box<dyn SimStore>, String> {
        let (keys, chain, openings) = (self.keys, self.chain, self.openings + 1);
        let engine = MemoryEngine::new(FaultPlan::default());
        let mut store = Self::over((MemoryDisk::default(), engine), keys, chain, now, openings, true)?;
        for other in others {
            store.list(other, now)?;
        }
        store.store.hold_back(true);
        Ok(Box::new(store))
    }

    fn go_on(&mut self, at_once: bool, now: UnixMillis) -> Result<Option<(CertificateChain, u64)>, String> {
        let at = self.position(&self.chain.site(), Lane::Federation);
        let is_behind = at.is_some_and(|at| at.high_water > at.held);
        let lacks = self.store.lacked_own_bodies().map_err(text)?.count > 0;
        if (is_behind || lacks) && !at_once {
            return Ok(None);
        }
        let lanes = self.store.resume_points(true).map_err(text)?;
        let operating = SigningKey::from_seed(ContentHash::of(&*self.keys.operating.seed()).as_bytes());
        let chain = self
            .chain
            .next_epoch(&self.keys.root, &operating, lanes, Reason::Restore, now)
            .map_err(text)?;
        self.store.learn_chain(&chain).map_err(text)?;
        self.keys.operating = operating;
        self.chain = chain.clone();
        self.store.hold_back(false);
        let restated = self
            .store
            .restate_lacked(&self.keys.operating, now, &Origin::default())
            .map_err(text)?;
        let key = &self.keys.operating;
        self.store
            .sign_head(Lane::Federation, key, now, HEAD_VALID_MILLIS, Vec::new())
            .map_err(text)?;
        Ok(Some((chain, restated.went_back + restated.retracted)))
    }

    fn offers(&self) -> Result<SeenOffers, String> {
        self.seen_offers()
    }

    fn state_offer(&mut self, source: &Source, offer: &FeedOffer, now: UnixMillis) -> Result<(), String> {
        self.state(source, offer, now)
    }

    fn fetch(
        &mut self,
        source: &Source,
        content: &SourceContent,
        offer: &FeedOffer,
        now: UnixMillis,
    ) -> Result<u64, String> {
        self.take_in(source, content, offer, now)
    }

    fn content(&self, source: &Source) -> Result<BTreeMap<RecordId, ContentHash>, String> {
        self.content_of(source)
    }

    fn twin(&self) -> Option<Box<dyn SimStore>> {
        let parts = (self.disk.copy(), MemoryEngine::new(FaultPlan::default()));
        let (keys, chain) = (self.keys.clone(), self.chain.clone());
        let now = chain.current().body().issued_at;
        let openings = self.openings + TWIN_OPENINGS;
        let twin = Self::over(parts, keys, chain, now, openings, false).ok()?;
        Some(Box::new(twin))
    }
}

impl Replica for RealStore {
    fn site(&self) -> SiteId {
        self.replica.site()
    }

    fn chain(&self, site: &SiteId) -> Option<CertificateChain> {
        self.replica.chain(site)
    }

    fn is_listed(&self, site: &SiteId) -> bool {
        self.replica.is_listed(site)
    }

    fn awaits_a_chain(&self) -> bool {
        self.replica.awaits_a_chain()
    }

    fn chains(&self) -> Vec<CertificateChain> {
        self.replica.chains()
    }

    fn authorised(&self, key: &PublicKey) -> Option<SiteId> {
        self.replica.authorised(key)
    }

    fn heads(&self) -> Vec<VerifiedHead> {
        self.replica.heads()
    }

    fn head(&self, site: &SiteId, lane: Lane) -> Option<VerifiedHead> {
        self.replica.head(site, lane)
    }

    fn forks(&self) -> Vec<ForkProof> {
        self.replica.forks()
    }

    fn positions(&self) -> Vec<LogPosition> {
        self.replica.positions()
    }

    fn position(&self, site: &SiteId, lane: Lane) -> Option<LogPosition> {
        self.replica.position(site, lane)
    }

    fn tip(&self, site: &SiteId, lane: Lane) -> Option<HeldTip> {
        self.replica.tip(site, lane)
    }

    fn deltas(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        max_bytes: usize,
    ) -> Result<DeltaPage, ReplicaError> {
        self.replica.deltas(site, lane, after, max_bytes)
    }

    fn missing_bodies(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        limit: usize,
    ) -> Result<Vec<MissingBody>, ReplicaError> {
        self.replica.missing_bodies(site, lane, after, limit)
    }

    fn bodies(&self, hashes: &[ContentHash], max_bytes: usize) -> Result<Vec<Option<Vec<u8>>>, ReplicaError> {
        self.replica.bodies(hashes, max_bytes)
    }
}

impl WritableReplica for RealStore {
    fn learn_chain(&mut self, chain: &CertificateChain) -> Result<Learned, ReplicaError> {
        self.replica.learn_chain(chain)
    }

    fn learn_head(&mut self, head: &VerifiedHead) -> Result<LearnedHead, ReplicaError> {
        self.replica.learn_head(head)
    }

    fn learn_fork(&mut self, proof: &ForkProof) -> Result<bool, ReplicaError> {
        self.replica.learn_fork(proof)
    }

    fn append(&mut self, page: &[u8]) -> Result<AppendOutcome, ReplicaError> {
        let appended = self.replica.append(page)?;
        self.pages += 1;
        if self.pages.is_multiple_of(PAGES_PER_CHECKPOINT) {
            // Acknowledged data does not depend on it.
            let _ = self.store.checkpoint();
        }
        Ok(appended)
    }

    fn store_bodies(&mut self, bodies: Vec<Vec<u8>>) -> Result<usize, ReplicaError> {
        self.replica.store_bodies(bodies)
    }

    fn accept(&mut self) -> Result<Vec<(SiteId, Lane, ClaimNumber)>, ReplicaError> {
        self.replica.accept()
    }
}
