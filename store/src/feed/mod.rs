//! Feeds: computes the changes that an input of one source makes in the site's own log, and writes them.

mod commit;
mod offers;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use starling_protocol::{
    Claim, ClaimKey, ClaimKind, ContentHash, KnowledgeRoot, Lane, RecordId, RestsOn, SiteId, Source,
    UnixMillis,
};

use crate::SiteStore;
use crate::activity::Origin;
use crate::engine::{Engine, KeyValue, Tree};
use crate::error::StoreError;
use crate::rows::{ClaimRow, damaged};
use crate::site::state::LogId;

pub use self::commit::FeedCommit;
pub use self::offers::{SeenOffers, UnreadOffer};
pub use self::said::{FeedBase, Said};

/// A record in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundRecord {
    /// Hash of its canonical bytes.
    pub content: ContentHash,
    /// Length of its canonical bytes.
    pub size: u32,
}

impl AsRef<Self> for FoundRecord {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// One input of a source. `R` is what the caller keeps of a record, so that no copy of all of them is needed.
#[derive(Debug, Clone, Copy)]
pub struct FeedInput<'a, R = FoundRecord> {
    /// The source.
    pub source: &'a Source,
    /// The lane of the site's own log in which the claims are written.
    pub lane: Lane,
    /// The statements with which the input is compared.
    pub base: FeedBase,
    /// Its records.
    pub found: &'a BTreeMap<RecordId, R>,
    /// True if records that it lacks become absent.
    pub complete: bool,
    /// Records that do not become absent, because their file was there but was rejected.
    pub keep: &'a BTreeSet<RecordId>,
    /// The time.
    pub now: UnixMillis,
}

/// The changes that an input makes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedPlan {
    /// Claims to author, by record id.
    pub claims: Vec<Claim>,
    /// Records that are new or changed.
    pub stored: u64,
    /// The number of records that the base states with the same content.
    pub unchanged: u64,
    /// Records that the complete input no longer holds.
    pub absent: u64,
    /// Records that the base has of the source before.
    pub before: u64,
    /// Records that the base states with another content than the input.
    pub replaced: Vec<Replaced>,
    /// The other authors whose statements stay in force: without them this site's log is not the whole source.
    pub rests_on: RestsOn,
    /// Names what other authors state of the source, as the input was compared with it.
    pub others: Option<KnowledgeRoot>,
    /// Number of records whose latest statement has the last possible time, so that nothing can replace it.
    pub stuck: u64,
    /// The authors of those statements.
    pub stuck_by: BTreeSet<SiteId>,
}

impl FeedPlan {
    /// Counts a record that nothing can be stated of, and notes whose statement stays.
    pub fn note_stuck(&mut self, said: Option<&Said>) {
        self.stuck += 1;
        self.stuck_by.extend(said.and_then(|said| said.latest_by));
    }
}

/// A record that an input holds with another content than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Its id.
    pub id: RecordId,
    /// The content before.
    pub before: ContentHash,
    /// The content in the input.
    pub after: ContentHash,
}

/// The state of one source's feed at this site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedRow {
    /// The time when this site last read the whole source.
    pub checked_at: Option<UnixMillis>,
    /// The time at which this site last imported any of it.
    pub imported_at: Option<UnixMillis>,
}

impl SiteStore {
    /// Writes the bodies of one source that are not here yet; they become durable with the claims that follow.
    ///
    /// # Errors
    /// [`StoreError`] of the engine or the compressor.
    pub fn put_bodies(&self, source: &Source, bodies: &[(ContentHash, &[u8])]) -> Result<usize, StoreError> {
        let stored = self.bodies.put(Some(source), bodies)?;
        let wanted: Vec<ContentHash> = {
            let state = self.read()?;
            let hashes = bodies.iter().map(|(hash, _)| *hash);
            hashes.filter(|hash| state.wants(hash)).collect()
        };
        if !wanted.is_empty() {
            // Awaited bodies count as present from now on, whether or not their log is accepted then.
            self.bodies.make_durable()?;
            self.change(|state| {
                for hash in &wanted {
                    state.body_came(hash);
                }
                Ok(())
            })?;
            // Claims that waited for these bodies apply from now on.
            self.accept(&Origin {
                bundle: None,
                at: (self.clock)(),
            })?;
        }
        Ok(stored)
    }

    /// Compares an input with what is stated of its source.
    ///
    /// If it is complete, records that are stated and that it lacks become absent, except those to keep.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn plan_feed<R: AsRef<FoundRecord>>(&self, input: &FeedInput<'_, R>) -> Result<FeedPlan, StoreError> {
        // A claim that is stored but not shown yet is not repeated.
        self.ensure_shown()?;
        let state = self.read()?;
        let (source, now) = (input.source, input.now);
        let said = state.said(source, input.lane, input.base)?;
        let mut plan = FeedPlan {
            before: said.values().filter(|said| said.content.is_some()).count() as u64,
            others: (input.base == FeedBase::View).then(|| state.others_root(source)),
            ..FeedPlan::default()
        };
        for (id, record) in input.found {
            let record = record.as_ref();
            let known = said.get(id);
            let before = known.and_then(|said| said.content);
            if before == Some(record.content) {
                plan.unchanged += 1;
                continue;
            }
            let Some(time) = Said::time_after(known, now) else {
                plan.note_stuck(known);
                continue;
            };
            plan.stored += 1;
            if let Some(before) = before {
                plan.replaced.push(Replaced {
                    id: id.clone(),
                    before,
                    after: record.content,
                });
            }
            plan.claims
                .push(Claim::set(source, id, record.content, record.size, time));
        }
        let is_dropped =
            |id: &RecordId| input.complete && !input.found.contains_key(id) && !input.keep.contains(id);
        for (id, known) in said.iter().filter(|(_, said)| said.content.is_some()) {
            if !is_dropped(id) {
                continue;
            }
            match Said::time_after(Some(known), now) {
                Some(time) => {
                    plan.absent += 1;
                    plan.claims.push(Claim::absent(source, id, time));
                }
                None => plan.note_stuck(Some(known)),
            }
        }
        if input.base == FeedBase::View {
            plan.rests_on = state.rests_on(source, input.lane, &said, &plan.claims);
        }
        Ok(plan)
    }

    /// Returns the content that this site's own log of `lane` states for a record, if it states any.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn own_content(
        &self,
        source: &Source,
        record: &RecordId,
        lane: Lane,
    ) -> Result<Option<ContentHash>, StoreError> {
        let number = {
            let state = self.read()?;
            let site = state.site;
            state.logs.get(&LogId { site, lane }).map(|log| log.number)
        };
        let Some(number) = number else {
            return Ok(None);
        };
        let key = crate::rows::claim_key(&ClaimKey::record(source, record), number);
        let Some(row) = self.engine.get(Tree::Claims, &key)? else {
            return Ok(None);
        };
        let row =
            ClaimRow::decode(&row).ok_or_else(|| damaged(Tree::Claims, &key, "a claim of this site"))?;
        Ok(match row.kind_and_content() {
            Some((ClaimKind::SET, _, content, _)) => content,
            _ => None,
        })
    }

    /// Returns the record that a file of a feed held when it was last read.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn record_of_file(&self, source: &Source, name: &str) -> Result<Option<RecordId>, StoreError> {
        let row = self.engine.get(Tree::Feeds, &file_key(source, name))?;
        Ok(row.and_then(|row| std::str::from_utf8(&row).ok()?.parse().ok()))
    }

    /// Returns the state of a source's feed at this site.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn feed(&self, source: &Source) -> Result<Option<FeedRow>, StoreError> {
        feed_row(self.engine.as_ref(), source)
    }

    /// Returns every feed that this site imported, by source.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn feeds(&self) -> Result<BTreeMap<Source, FeedRow>, StoreError> {
        let mut feeds = BTreeMap::new();
        let mut bad = None;
        self.engine.scan_all(Tree::Feeds, &mut |key, row| {
            let Some(source) = source_of_row(key) else {
                return ControlFlow::Continue(());
            };
            match (source, serde_json::from_slice(row)) {
                (Ok(source), Ok(row)) => {
                    feeds.insert(source, row);
                }
                _ => bad = Some(damaged(Tree::Feeds, key, "a feed")),
            }
            ControlFlow::Continue(())
        })?;
        bad.map_or(Ok(feeds), Err)
    }
}

/// Returns the state of a source's feed from an engine's rows.
pub(crate) fn feed_row(engine: &dyn Engine, source: &Source) -> Result<Option<FeedRow>, StoreError> {
    let row = engine.get(Tree::Feeds, source.as_str().as_bytes())?;
    row.map(|row| read_feed_row(source, &row)).transpose()
}

/// Reads the row of a source's feed.
pub(crate) fn read_feed_row(source: &Source, row: &[u8]) -> Result<FeedRow, StoreError> {
    let bad = |_| damaged(Tree::Feeds, source.as_str().as_bytes(), "a feed");
    serde_json::from_slice(row).map_err(bad)
}

/// Returns the rows of a feed that was read.
pub(crate) fn feed_rows(
    source: &Source,
    row: &FeedRow,
    names: &[(Vec<u8>, RecordId)],
) -> Result<Vec<KeyValue>, StoreError> {
    let bytes = serde_json::to_vec(row).map_err(|_| damaged(Tree::Feeds, &[], "a feed to write"))?;
    let mut rows = vec![(source.as_str().as_bytes().to_vec(), bytes)];
    rows.extend(
        names
            .iter()
            .map(|(key, id)| (key.clone(), id.as_str().as_bytes().to_vec())),
    );
    Ok(rows)
}

/// Returns the source of a feed's row, an error if its key is none; `None` for a row of a file's name.
pub(crate) fn source_of_row(key: &[u8]) -> Option<Result<Source, StoreError>> {
    if key.contains(&0) {
        return None;
    }
    let source = std::str::from_utf8(key).ok().and_then(|name| name.parse().ok());
    Some(source.ok_or_else(|| damaged(Tree::Feeds, key, "the name of a source")))
}

/// Returns the key of a file's row: source, 0, hash of the name (names may be longer than a key).
fn file_key(source: &Source, name: &str) -> Vec<u8> {
    [
        source.as_str().as_bytes(),
        &[0],
        &blake3::hash(name.as_bytes()).as_bytes()[..16],
    ]
    .concat()
}
