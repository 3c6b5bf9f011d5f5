//! The state that a site's store keeps in memory: the allow-list, chains, tips and states. It is small and
//! always equal to its rows: it changes only after the commit that wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::{
    CertificateChain, ClaimKey, ClaimNumber, ContentHash, Cursor, DeltaHash, ForkProof, Head, KnowledgeEntry,
    KnowledgeRoot, Lane, LogState, LogTip, PublicKey, SiteId, SiteSlug, Source, UnixMillis, VerifiedHead,
    knowledge_root,
};

use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::history::History;
use crate::rows::{AuthorNumber, LogNumber, SourceRow, damaged, site_of, sites, take_u64};
use crate::site::shared_map::SharedMap;
use crate::trust::listing::ListedSite;

/// One log: its author and its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId {
    /// The author.
    pub site: SiteId,
    /// The lane.
    pub lane: Lane,
}

/// A body that a live claim in scope names and that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) hash: ContentHash,
    pub(crate) size: u32,
    pub(crate) key: ClaimKey,
}

/// One log in memory.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) number: LogNumber,
    pub(crate) tip: LogTip,
    pub(crate) sources: BTreeMap<Option<Source>, SourceRow>,
    pub(crate) head: Option<VerifiedHead>,
    /// On a copy restored to an earlier snapshot: the checks in the head of that time.
    pub(crate) checks_then: Option<BTreeMap<Source, UnixMillis>>,
    pub(crate) fork: Option<ForkProof>,
    /// A head of the author that names another delta than the one held for its number.
    pub(crate) rival: Option<VerifiedHead>,
    /// The claim up to which the log is known to go, because of data that was lost here.
    pub(crate) witnessed: ClaimNumber,
    /// The reason why an accepted position lags, other than missing bodies: an unknown critical claim.
    pub(crate) hold: Option<String>,
    /// Missing bodies by the claim that names them. Change it through [`State`], which keeps an index.
    pub(crate) wanted: SharedMap<ClaimNumber, Wanted>,
    /// Why bodies that came for some of them were refused.
    pub(crate) refused: BTreeMap<ClaimNumber, String>,
    /// The number of them for each source that has any.
    wanted_of: BTreeMap<Option<Source>, usize>,
}

impl Log {
    pub(crate) fn new(number: LogNumber) -> Self {
        Self {
            number,
            tip: LogTip::default(),
            sources: BTreeMap::new(),
            head: None,
            checks_then: None,
            fork: None,
            rival: None,
            witnessed: ClaimNumber::NONE,
            hold: None,
            wanted: SharedMap::default(),
            refused: BTreeMap::new(),
            wanted_of: BTreeMap::new(),
        }
    }

    /// Returns true if its author is known to have signed two histories.
    pub(crate) fn is_frozen(&self) -> bool {
        self.fork.is_some() || self.rival.is_some()
    }

    /// Returns true if claims about a source wait for bodies.
    pub(crate) fn waits(&self, source: &Option<Source>) -> bool {
        self.wanted_of.contains_key(source)
    }

    fn add_wanted(&mut self, number: ClaimNumber, wanted: Wanted) {
        *self.wanted_of.entry(wanted.key.source()).or_default() += 1;
        self.wanted.insert(number, wanted);
    }

    fn take_wanted(&mut self, number: ClaimNumber) -> Option<Wanted> {
        let wanted = self.wanted.remove(&number)?;
        self.refused.remove(&number);
        let source = wanted.key.source();
        if let Some(count) = self.wanted_of.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.wanted_of.remove(&source);
            }
        }
        Some(wanted)
    }

    pub(crate) fn state(&self) -> LogState {
        LogState::from_sources(
            self.sources
                .iter()
                .map(|(source, row)| (source.clone(), row.held.clone()))
                .collect(),
        )
    }

    /// Returns the time of the author's last full read of each source, from its newest head.
    pub(crate) fn checks(&self) -> BTreeMap<Source, UnixMillis> {
        match &self.checks_then {
            Some(checks) => checks.clone(),
            None => checks_of(self.head.as_ref()),
        }
    }

    pub(crate) fn high_water(&self) -> ClaimNumber {
        self.head
            .as_ref()
            .map_or(ClaimNumber::NONE, |head| head.head().number)
            .max(self.tip.cursor.number)
            .max(self.witnessed)
    }
}

/// Returns the checks in a head, the newest of each source.
pub(crate) fn checks_of(head: Option<&VerifiedHead>) -> BTreeMap<Source, UnixMillis> {
    let mut checks = BTreeMap::new();
    for check in head.iter().flat_map(|head| &head.head().checks) {
        let known = checks.entry(check.source.clone()).or_insert(check.checked_at);
        *known = check.checked_at.max(*known);
    }
    checks
}

/// Everything in memory.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) site: SiteId,
    pub(crate) authors: BTreeMap<SiteId, AuthorNumber>,
    pub(crate) sites: BTreeMap<AuthorNumber, SiteId>,
    pub(crate) listed: BTreeMap<SiteSlug, ListedSite>,
    pub(crate) chains: BTreeMap<SiteId, CertificateChain>,
    /// Chains that contradict the ones above: nothing new of these sites is trusted.
    pub(crate) rival_chains: BTreeMap<SiteId, CertificateChain>,
    pub(crate) logs: BTreeMap<LogId, Log>,
    /// Which claims want a body.
    wanted_by: SharedMap<ContentHash, BTreeSet<(LogId, ClaimNumber)>>,
    /// True if the view must be rebuilt before it may be read.
    pub(crate) rebuild: bool,
    /// The record of the state before each change.
    pub(crate) history: History,
}

impl State {
    pub(crate) fn load(engine: &dyn Engine, site: SiteId) -> Result<Self, StoreError> {
        let mut state = Self {
            site,
            authors: BTreeMap::new(),
            sites: BTreeMap::new(),
            listed: BTreeMap::new(),
            chains: BTreeMap::new(),
            rival_chains: BTreeMap::new(),
            logs: BTreeMap::new(),
            wanted_by: SharedMap::default(),
            rebuild: engine.get(Tree::Meta, crate::rows::meta::REBUILD)?.is_some(),
            history: History::load(engine)?,
        };
        // By rising key: authors (a), chains (c), forks (f), heads (h), listed (l), logs (p), sources (s).
        // Authors come first, so that every later row finds its author; chains come before the objects that
        // they verify.
        let mut rows = Vec::new();
        engine.scan_prefix(Tree::Sites, &[], Direction::Forward, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        for (key, value) in rows {
            state.load_row(&key, &value)?;
        }
        Ok(state)
    }

    fn load_row(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let bad = |what| damaged(Tree::Sites, key, what);
        match key.first() {
            Some(&sites::AUTHOR) => {
                let site = site_of(key).ok_or_else(|| bad("an author"))?;
                let [high, low] = *value else {
                    return Err(bad("an author's number"));
                };
                self.add_author(site, AuthorNumber(u16::from_be_bytes([high, low])));
            }
            Some(&sites::CHAIN) => {
                let chain = CertificateChain::from_bytes(value).map_err(|_| bad("a certificate chain"))?;
                self.chains.insert(chain.site(), chain);
            }
            Some(&sites::RIVAL_CHAIN) => {
                let chain = CertificateChain::from_bytes(value).map_err(|_| bad("a certificate chain"))?;
                self.rival_chains.insert(chain.site(), chain);
            }
            Some(&sites::RIVAL_HEAD) => {
                let id = self.log_of(key).ok_or_else(|| bad("a head"))?;
                let chain = self.chains.get(&id.site);
                let head = chain.and_then(|chain| VerifiedHead::verify(value, chain).ok());
                self.log_mut(id).rival = head;
            }
            Some(&sites::LISTED) => {
                let listed: ListedSite = serde_json::from_slice(value).map_err(|_| bad("a listed site"))?;
                self.listed.insert(listed.slug.clone(), listed);
            }
            Some(&sites::HEAD) => {
                let id = self.log_of(key).ok_or_else(|| bad("a head"))?;
                let chain = self
                    .chains
                    .get(&id.site)
                    .ok_or_else(|| bad("the chain of a head"))?;
                // A longer chain may have closed the epoch of a kept head; such a head no longer applies.
                let head = VerifiedHead::verify(value, chain).ok();
                self.log_mut(id).head = head;
            }
            Some(&sites::FORK) => {
                let id = self.log_of(key).ok_or_else(|| bad("a fork proof"))?;
                let chain = self
                    .chains
                    .get(&id.site)
                    .ok_or_else(|| bad("the chain of a fork proof"))?;
                let fork = ForkProof::verify(value, chain).ok();
                self.log_mut(id).fork = fork;
            }
            Some(&sites::LOG) => {
                let id = self.log_of(key).ok_or_else(|| bad("a log"))?;
                let (tip, hold) = decode_tip(value).ok_or_else(|| bad("a log's tip"))?;
                let log = self.log_mut(id);
                (log.tip, log.hold) = (tip, hold);
            }
            Some(&sites::SOURCE) => {
                let id = self.log_of(key).ok_or_else(|| bad("a source's state"))?;
                let name = std::str::from_utf8(&key[4..]).map_err(|_| bad("a source's name"))?;
                let source = if name.is_empty() {
                    None
                } else {
                    Some(name.parse().map_err(|_| bad("a source's name"))?)
                };
                let row = SourceRow::decode(value).ok_or_else(|| bad("a source's state"))?;
                self.log_mut(id).sources.insert(source, row);
            }
            Some(&sites::WITNESS) => {
                let id = self.log_of(key).ok_or_else(|| bad("the known end of a log"))?;
                let number = take_u64(&mut &*value).ok_or_else(|| bad("the known end of a log"))?;
                self.log_mut(id).witnessed = ClaimNumber(number);
            }
            // Read on demand.
            Some(&sites::HOLDINGS) => {}
            _ => return Err(bad("a row of a known kind")),
        }
        Ok(())
    }

    pub(crate) fn add_author(&mut self, site: SiteId, number: AuthorNumber) {
        self.authors.insert(site, number);
        self.sites.insert(number, site);
    }

    /// Returns the number of an author, and true if it is new and must be written.
    pub(crate) fn number_for(&self, site: &SiteId) -> Result<(AuthorNumber, bool), StoreError> {
        if let Some(number) = self.authors.get(site) {
            return Ok((*number, false));
        }
        let known = self.authors.len();
        match u16::try_from(known) {
            Ok(number) => Ok((AuthorNumber(number), true)),
            Err(_) => Err(StoreError::TooManyAuthors { known }),
        }
    }

    fn log_of(&self, key: &[u8]) -> Option<LogId> {
        self.log_id(LogNumber::from_bytes(key.get(1..4)?)?)
    }

    /// Returns the local number of a log whose author is known.
    pub(crate) fn log_number(&self, id: &LogId) -> Option<LogNumber> {
        Some(LogNumber {
            author: *self.authors.get(&id.site)?,
            lane: id.lane,
        })
    }

    pub(crate) fn log_id(&self, number: LogNumber) -> Option<LogId> {
        Some(LogId {
            site: *self.sites.get(&number.author)?,
            lane: number.lane,
        })
    }

    fn log_mut(&mut self, id: LogId) -> &mut Log {
        let author = self
            .authors
            .get(&id.site)
            .copied()
            .unwrap_or(AuthorNumber(u16::MAX));
        self.logs.entry(id).or_insert_with(|| {
            Log::new(LogNumber {
                author,
                lane: id.lane,
            })
        })
    }

    pub(crate) fn listed_by_site(&self, site: &SiteId) -> Option<&ListedSite> {
        self.listed.values().find(|listed| listed.site == *site)
    }

    /// Returns true if this site may hold logs of `site`: its own logs, and those of enabled listed sites.
    pub(crate) fn may_hold(&self, site: &SiteId) -> bool {
        *site == self.site || self.listed_by_site(site).is_some_and(|listed| listed.enabled)
    }

    /// Returns true if claims of this author about this source may enter the view.
    ///
    /// Claims that belong to no source (shared documents) are in scope for every listed author.
    pub(crate) fn in_scope(&self, author: &SiteId, source: Option<&Source>) -> bool {
        *author == self.site
            || self.listed_by_site(author).is_some_and(|listed| {
                listed.enabled && source.is_none_or(|source| listed.allowed_sources.allows(source))
            })
    }

    pub(crate) fn authorised(&self, key: &PublicKey) -> Option<SiteId> {
        let listed = self
            .listed
            .values()
            .filter(|listed| listed.enabled && listed.site != self.site);
        listed
            .filter_map(|listed| self.chains.get(&listed.site))
            .find(|chain| chain.is_current_key(key))
            .map(CertificateChain::site)
    }

    /// Returns the hash over all accepted knowledge in scope.
    pub(crate) fn knowledge_root(&self) -> KnowledgeRoot {
        self.root_over(|id, source, row| {
            self.in_scope(&id.site, source)
                .then_some(&row.accepted_state.state)
        })
    }

    /// Returns the same over claims that belong to a source alone.
    pub(crate) fn records_root(&self) -> KnowledgeRoot {
        self.root_over(|id, source, row| {
            (source.is_some() && self.in_scope(&id.site, source)).then_some(&row.accepted_state.state)
        })
    }

    /// Returns the hash over everything held: equal held roots prove that replication converged.
    pub(crate) fn held_root(&self) -> KnowledgeRoot {
        self.root_over(|_, _, row| Some(&row.held.state))
    }

    pub(crate) fn root_over<'a>(
        &'a self,
        choose: impl Fn(&LogId, Option<&Source>, &'a SourceRow) -> Option<&'a starling_protocol::LtHash>,
    ) -> KnowledgeRoot {
        let mut entries = Vec::new();
        for (id, log) in &self.logs {
            for (source, row) in &log.sources {
                if let Some(state) = choose(id, source.as_ref(), row) {
                    entries.push(KnowledgeEntry {
                        site: id.site,
                        lane: id.lane,
                        source: source.as_ref(),
                        state,
                    });
                }
            }
        }
        knowledge_root(entries)
    }

    /// Returns true if the view shows everything that is accepted.
    pub(crate) fn view_is_fresh(&self) -> bool {
        !self.rebuild
            && self
                .logs
                .values()
                .all(|log| log.sources.values().all(|row| row.viewed == row.accepted))
    }

    /// Notes that a claim names a body that is not here.
    pub(crate) fn want(&mut self, id: LogId, number: ClaimNumber, wanted: Wanted) {
        self.unwant(id, number);
        if let Some(log) = self.logs.get_mut(&id) {
            self.wanted_by.entry_or_default(wanted.hash).insert((id, number));
            log.add_wanted(number, wanted);
        }
    }

    /// Notes that a claim needs no body any more: it is superseded, or out of scope.
    pub(crate) fn unwant(&mut self, id: LogId, number: ClaimNumber) {
        let Some(wanted) = self.logs.get_mut(&id).and_then(|log| log.take_wanted(number)) else {
            return;
        };
        if let Some(mut claims) = self.wanted_by.remove(&wanted.hash) {
            claims.remove(&(id, number));
            if !claims.is_empty() {
                self.wanted_by.insert(wanted.hash, claims);
            }
        }
    }

    /// Forgets all missing bodies, also those of logs that were read again from their rows meanwhile.
    pub(crate) fn unwant_everything(&mut self) {
        self.wanted_by = SharedMap::default();
        for log in self.logs.values_mut() {
            log.wanted = SharedMap::default();
            log.wanted_of.clear();
            log.refused.clear();
        }
    }

    /// Returns true if any claim wants a body.
    pub(crate) fn wants(&self, hash: &ContentHash) -> bool {
        self.wanted_by.contains_key(hash)
    }

    /// Returns the claims that want a body.
    pub(crate) fn claims_wanting(&self, hash: &ContentHash) -> Vec<(LogId, ClaimNumber)> {
        let claims = self.wanted_by.get(hash);
        claims.into_iter().flatten().copied().collect()
    }

    /// Returns how many bodies are wanted over all logs.
    pub(crate) fn wanted_count(&self) -> usize {
        self.wanted_by.len()
    }

    /// Returns a source that needs a body: its dictionary packs the body.
    pub(crate) fn source_wanting(&self, hash: &ContentHash) -> Option<Source> {
        let (id, number) = self.wanted_by.get(hash)?.first()?;
        self.logs.get(id)?.wanted.get(number)?.key.source()
    }

    /// Notes that a body is here now, for the claims that state its true size.
    pub(crate) fn body_came(&mut self, hash: &ContentHash) {
        let claims = self.wanted_by.remove(hash).unwrap_or_default();
        let mut lying = BTreeSet::new();
        for (id, number) in claims {
            let Some(log) = self.logs.get_mut(&id) else {
                continue;
            };
            // After a cut, the number may be of another claim.
            if log.wanted.get(&number).is_none_or(|want| want.hash != *hash) {
                continue;
            }
            if log.refused.contains_key(&number) {
                lying.insert((id, number));
            } else {
                log.take_wanted(number);
            }
        }
        if !lying.is_empty() {
            self.wanted_by.insert(*hash, lying);
        }
    }
}

/// Encodes a tip: number, time (u64 LE), epoch (u32 LE), header hash (32), then the hold reason's text.
pub(crate) fn encode_tip(tip: &LogTip, hold: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(52);
    out.extend_from_slice(&tip.cursor.number.0.to_le_bytes());
    out.extend_from_slice(&tip.cursor.time.as_millis().to_le_bytes());
    out.extend_from_slice(&tip.epoch.to_le_bytes());
    out.extend_from_slice(tip.header.as_bytes());
    out.extend_from_slice(hold.unwrap_or("").as_bytes());
    out
}

fn decode_tip(mut bytes: &[u8]) -> Option<(LogTip, Option<String>)> {
    let number = ClaimNumber(take_u64(&mut bytes)?);
    let time = starling_protocol::UnixMillis::new(take_u64(&mut bytes)?).ok()?;
    let (epoch, bytes) = bytes.split_first_chunk::<4>()?;
    let (header, hold) = bytes.split_first_chunk::<32>()?;
    let hold = std::str::from_utf8(hold).ok()?;
    let tip = LogTip {
        cursor: Cursor { time, number },
        header: DeltaHash::from_bytes(*header),
        epoch: u32::from_le_bytes(*epoch),
    };
    Some((tip, (!hold.is_empty()).then(|| hold.to_owned())))
}

/// Returns the unsigned parts of a head for this log, which its author completes and signs.
pub(crate) fn head_of(id: LogId, log: &Log) -> Head {
    let state = log.state();
    Head {
        site: id.site,
        epoch: log.tip.epoch,
        lane: id.lane,
        time: log.tip.cursor.time,
        number: log.tip.cursor.number,
        header: log.tip.header,
        live_entries: state.live(),
        state_root: state.root(),
        issued_at: starling_protocol::UnixMillis::EPOCH,
        expires_at: starling_protocol::UnixMillis::EPOCH,
        checks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{FaultPlan, MemoryEngine};

    fn wanted(body: &[u8]) -> Wanted {
        Wanted {
            hash: ContentHash::of(body),
            size: 3,
            key: ClaimKey::record(&"ghsa".parse().unwrap(), &"X-1".parse().unwrap()),
        }
    }

    #[test]
    fn body_of_a_cut_claim_does_not_answer_for_its_number() {
        let site = SiteId::from_bytes([1; 32]);
        let id = LogId {
            site,
            lane: starling_protocol::Lane::Federation,
        };
        let number = LogNumber {
            author: AuthorNumber(1),
            lane: id.lane,
        };
        let mut state = State::load(&MemoryEngine::new(FaultPlan::default()), site).unwrap();
        for body in [b"old", b"new"] {
            // A cut replaces the log, and a later claim takes the number.
            state.logs.insert(id, Log::new(number));
            state.want(id, ClaimNumber(1), wanted(body));
        }
        let old = ContentHash::of(b"old");
        state.body_came(&old);
        assert_eq!(
            state.logs[&id].wanted.len(),
            1,
            "the new claim's body did not come"
        );
        state.unwant_everything();
        assert!(!state.wants(&old) && state.logs[&id].wanted.is_empty());
    }
}
