//! Queries that are not about one log: live records, sources, bodies for a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use starling_protocol::{
    ClaimKey, ClaimKind, ClaimNumber, ContentHash, Cursor, Lane, SiteId, SiteSlug, Source, UnixMillis,
};

use crate::SiteStore;
use crate::deltas::logs::{header_of, overview};
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::feed::read_feed_row;
use crate::rows::{ClaimRow, LogNumber, SourceRow, damaged, delta_key, meta, split_claim_key};
use crate::site::state::{Log, LogId, LossCause, State};
use crate::trust::ListedSite;
use crate::view::counts::decode_count;
use crate::view::rows::ViewReader;

/// This site's knowledge of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceOverview {
    /// The number of its records now in the view, from any author, without records that the source dropped.
    pub records: u64,
    /// The time at which any author with a known head last read it in full.
    pub checked_at: Option<UnixMillis>,
}

/// The time until which the newest head of another author proves that it is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadExpiry {
    /// The author, by the name in its certificate.
    pub site: String,
    /// The last time at which the head proves anything.
    pub expires_at: UnixMillis,
    /// The sources that are current by this head: those about which the author has accepted claims, and those about
    /// which it builds on claims of others.
    pub sources: BTreeSet<Source>,
}

/// Claims of one log that are known to be lost here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostClaims {
    /// The log.
    pub log: LogId,
    /// The author's name, if its certificate is known.
    pub author: Option<SiteSlug>,
    /// The last claim that is held.
    pub held: ClaimNumber,
    /// The last claim that is known to have been here, or to be signed.
    pub last: ClaimNumber,
    /// The reason why they are not here.
    pub cause: LossCause,
}

impl LostClaims {
    /// Returns true if a repair of the site's log left them out.
    #[must_use]
    pub fn by_repair(&self) -> bool {
        self.cause == LossCause::Repaired
    }
}

pub(crate) fn lost_claims(state: &State) -> Vec<LostClaims> {
    // What could not count here if it were held is no loss.
    let counts =
        |site: &SiteId| *site == state.site || state.listed_by_site(site).is_some_and(ListedSite::can_count);
    let losses = state.losses().into_iter();
    let counting = losses.filter(|(id, _)| counts(&id.site));
    let named = counting.map(|(id, loss)| LostClaims {
        log: id,
        author: state.chains.get(&id.site).map(|chain| chain.slug().clone()),
        held: loss.held,
        last: loss.last,
        cause: loss.cause,
    });
    named.collect()
}

impl ViewReader<'_> {
    /// Returns how many canonical advisories there are.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn advisory_count(&self) -> Result<u64, StoreError> {
        let row = self.state.rows().get(Tree::Meta, meta::ADVISORIES)?;
        row.map_or(Ok(0), |row| decode_count(&row))
    }

    /// Returns the settings of the fold.
    #[must_use]
    pub fn settings(&self) -> &Arc<starling_view::Settings> {
        &self.state.published().settings
    }

    /// Returns the knowledge about each source: records and newest check, over all authors in scope. A source
    /// with known checks only is included. The check of an author that builds on statements which are not accepted here
    /// does not count, and neither does one whose claims are known to be lost here, or one of an author whose certificate
    /// names another branch than the held one.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn sources(&self) -> Result<BTreeMap<Source, SourceOverview>, StoreError> {
        let mut sources: BTreeMap<Source, SourceOverview> = BTreeMap::new();
        for (source, records) in self.record_counts()? {
            sources.entry(source).or_default().records = records;
        }
        for (id, log) in &self.state.logs {
            // The head may be of the branch that its author's certificate names, and these claims are not.
            if self.state.is_lost(*id, log) {
                continue;
            }
            for (source, checked_at) in log.checks() {
                if self.state.in_scope(&id.site, Some(&source))
                    && self.state.check_counts(id.site, &source)?
                {
                    let checked_at = if self.is_without_its_end(*id, log) {
                        self.backed_check(*id, log, &source)?
                    } else {
                        Some(checked_at)
                    };
                    let overview = sources.entry(source).or_default();
                    overview.checked_at = overview.checked_at.max(checked_at);
                }
            }
        }
        Ok(sources)
    }

    /// Returns true if the end of a log was here and is lost, as after a repair of the site's log. A head that only
    /// arrived before its claims is another thing: they follow.
    fn is_without_its_end(&self, id: LogId, log: &Log) -> bool {
        let is_own = id.site == self.state.site;
        if let Some(then) = &self.state.losses_then {
            return then.contains_key(&log.number);
        }
        log.checks_then.is_none()
            && (log.witnessed > log.tip.cursor.number || (is_own && log.is_behind_its_head()))
    }

    /// Returns the newest check of a source in a log that lost its end, if the claims of the check are here. In this site's
    /// own log the notes of its imports decide: those of lost imports were lost with them.
    fn backed_check(&self, id: LogId, log: &Log, source: &Source) -> Result<Option<UnixMillis>, StoreError> {
        if self.state.losses_then.is_some() {
            // It is not known which claims were here when each check was made.
            return Ok(None);
        }
        if id.site != self.state.site || !log.is_behind_its_head() {
            return Ok(log.backed_check_of(source));
        }
        let row = log.sources.get(&Some(source.clone()));
        if row.is_some_and(|row| row.accepted < row.last) {
            return Ok(None);
        }
        let row = self.state.rows().get(Tree::Feeds, source.as_str().as_bytes())?;
        let row = row.map(|row| read_feed_row(source, &row)).transpose()?;
        Ok(row.and_then(|row| row.checked_at))
    }

    /// Returns the claims that are known to be lost here: those that were held before a repair of the site's log, and
    /// those of this site's own log that it signed and does not hold, as after a restore. They come back from peers or
    /// bundles.
    #[must_use]
    pub fn lost_claims(&self) -> Vec<LostClaims> {
        lost_claims(&self.state)
    }

    /// Returns the last news of a source: the time of the last delta about it from a site that states some of
    /// it, by that site's clock. A delta about other sources is not news about this one. Sites with equal
    /// knowledge return equal times. An import without changes is news only as a check of the whole source. A site that
    /// builds on statements which are not accepted here brings none.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn last_heard(&self, source: &Source) -> Result<Option<UnixMillis>, StoreError> {
        let mut heard = None;
        for (id, log) in &self.state.logs {
            let mut stated = self.stated_in(id, log).filter(|(stated, _)| *stated == source);
            let Some((_, row)) = stated.next().filter(|(_, row)| row.accepted_state.live > 0) else {
                continue;
            };
            if !self.state.check_counts(id.site, source)? {
                continue;
            }
            heard = heard.max(self.time_of(log.number, row.accepted.min(row.last))?);
        }
        Ok(heard)
    }

    /// Returns the time at which the delta with a claim was written, by its author's clock.
    fn time_of(&self, log: LogNumber, number: ClaimNumber) -> Result<Option<UnixMillis>, StoreError> {
        let (start, end) = (delta_key(log, ClaimNumber(1)), delta_key(log, number));
        let (start, end) = (Bound::Included(&start[..]), Bound::Included(&end[..]));
        let Some((key, row)) = self
            .state
            .rows()
            .first(Tree::Logs, start, end, Direction::Reverse)?
        else {
            return Ok(None);
        };
        // An unreadable delta counts as none: the source counts as never heard.
        let delta = self.store.delta_of(&key, &row).ok();
        Ok(delta
            .and_then(|delta| header_of(&delta))
            .map(|header| header.time))
    }

    /// Returns the sources in scope about which an author has accepted claims.
    fn stated_in<'s>(
        &'s self,
        id: &'s LogId,
        log: &'s Log,
    ) -> impl Iterator<Item = (&'s Source, &'s SourceRow)> {
        let accepted = log
            .sources
            .iter()
            .filter(|(_, row)| row.accepted > ClaimNumber::NONE);
        accepted.filter_map(|(source, row)| {
            let source = source.as_ref()?;
            self.state
                .in_scope(&id.site, Some(source))
                .then_some((source, row))
        })
    }

    /// Returns the time until which other authors' heads prove that they are current, for each author with
    /// accepted claims here. Of an author's logs, the one that expires first is used. If a site that checks a source
    /// builds on an author's claims about it, they are current as long as either head is: the source is listed for the
    /// one that expires last. If that is this site, it is listed apart for the author, until this site's check is old.
    #[must_use]
    pub fn head_expiries(&self) -> Vec<HeadExpiry> {
        let built_on = self.state.built_on();
        let own = self.state.site;
        let mut heads: BTreeMap<(SiteId, bool), HeadExpiry> = BTreeMap::new();
        for (id, log) in self.state.logs.iter().filter(|(id, _)| id.site != own) {
            let Some(head) = &log.head else {
                continue;
            };
            let stated = self.stated_in(id, log);
            for (source, _) in stated.filter(|(_, row)| row.accepted_state.live > 0) {
                let by_itself = (head.head().expires_at, id.site);
                // Only what is for everyone is built on.
                let built_on = built_on.get(&(id.site, source.clone()));
                let by_other = built_on.filter(|_| id.lane == Lane::Federation);
                let (expires_at, by) = by_other.map_or(by_itself, |by| by_itself.max(*by));
                let site = if by == own { id.site } else { by };
                let named = heads.entry((site, by == own)).or_insert_with(|| HeadExpiry {
                    site: match self.state.chains.get(&site) {
                        Some(chain) => chain.slug().to_string(),
                        None => site.to_string(),
                    },
                    expires_at,
                    sources: BTreeSet::new(),
                });
                named.expires_at = named.expires_at.min(expires_at);
                named.sources.insert(source.clone());
            }
        }
        heads.into_values().collect()
    }

    /// Returns the sources in scope for which an author's claims are held but none is accepted, because record
    /// bodies are missing.
    #[must_use]
    pub fn held_back(&self) -> BTreeSet<Source> {
        let mut held_back = BTreeSet::new();
        for (id, log) in &self.state.logs {
            for (source, row) in &log.sources {
                if row.accepted == ClaimNumber::NONE
                    && row.last > ClaimNumber::NONE
                    && log.waits(source)
                    && self.state.in_scope(&id.site, source.as_ref())
                {
                    held_back.extend(source.clone());
                }
            }
        }
        held_back
    }

    /// Returns the authors in scope that signed two histories, by the names and identities in their
    /// certificates.
    #[must_use]
    pub fn frozen_authors(&self) -> Vec<String> {
        let logs = self.state.logs.iter();
        let logs = logs.filter(|(id, _)| id.site != self.state.site && self.state.may_hold(&id.site));
        let frozen = logs.filter(|(id, log)| overview(&self.state, **id, log).frozen);
        let sites: BTreeSet<SiteId> = frozen.map(|(id, _)| id.site).collect();
        let named = |site: &SiteId| match self.state.chains.get(site) {
            Some(chain) => format!("{} ({site})", chain.slug()),
            None => site.to_string(),
        };
        sites.iter().map(named).collect()
    }

    /// Returns how many records the view has of each source, as they are kept.
    pub(crate) fn record_counts(&self) -> Result<BTreeMap<Source, u64>, StoreError> {
        let mut rows = Vec::new();
        let engine = self.state.rows();
        engine.scan_prefix(Tree::Meta, meta::RECORDS, Direction::Forward, &mut |key, row| {
            rows.push((key.to_vec(), row.to_vec()));
            ControlFlow::Continue(())
        })?;
        let read = |(key, row): (Vec<u8>, Vec<u8>)| {
            let name = std::str::from_utf8(&key[meta::RECORDS.len()..]).ok();
            let source = name.and_then(|name| name.parse().ok());
            let source = source.ok_or_else(|| damaged(Tree::Meta, &key, "a source's name"))?;
            Ok((source, decode_count(&row)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Returns each author's last statement about a record, with log and number, even if it is no longer live.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn last_words(
        &self,
        source: &Source,
        record: &starling_protocol::RecordId,
    ) -> Result<Vec<(LogId, Cursor, ClaimKind)>, StoreError> {
        let key = ClaimKey::record(source, record);
        let mut words = Vec::new();
        for (id, log) in &self.state.logs {
            if !self.state.in_scope(&id.site, Some(source)) {
                continue;
            }
            let row_key = crate::rows::claim_key(&key, log.number);
            let Some(row) = self.state.rows().get(Tree::Claims, &row_key)? else {
                continue;
            };
            let row = ClaimRow::decode(&row).ok_or_else(|| damaged(Tree::Claims, &row_key, "a claim"))?;
            let accepted = log
                .sources
                .get(&Some(source.clone()))
                .map_or(ClaimNumber::NONE, |row| row.accepted);
            if let Some(row) = row.accepted_at(accepted)
                && let Some((kind, _, _, time)) = row.kind_and_content()
            {
                let number = row.number;
                words.push((*id, Cursor { time, number }, kind));
            }
        }
        Ok(words)
    }

    /// Returns true if nothing at all was accepted: an empty site must never report a clean result.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.logs.iter().all(|(id, log)| {
            log.sources.iter().all(|(source, row)| {
                // Documents and offers are not knowledge of any source.
                source.is_none()
                    || row.accepted_state.live == 0
                    || !self.state.in_scope(&id.site, source.as_ref())
            })
        })
    }
}

impl SiteStore {
    /// As [`ViewReader::lost_claims`], from the current state.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn lost_claims(&self) -> Result<Vec<LostClaims>, StoreError> {
        Ok(lost_claims(&*self.read()?))
    }

    /// Reads a record body.
    ///
    /// # Errors
    /// [`StoreError::DamagedBody`], or of the engine.
    pub fn body(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.bodies.get(hash)
    }

    /// Returns bodies that claims of a log after `after` name and that are live at its tip and in this site's
    /// scope: the content of a bundle of that range.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn live_bodies(&self, id: LogId, after: ClaimNumber) -> Result<BTreeSet<ContentHash>, StoreError> {
        let state = self.read()?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(BTreeSet::new());
        };
        let mut hashes = BTreeSet::new();
        let mut bad = None;
        for source in log
            .sources
            .keys()
            .flatten()
            .filter(|source| state.in_scope(&id.site, Some(source)))
        {
            state.rows().scan_prefix(
                Tree::Claims,
                &ClaimKey::source_prefix(source),
                Direction::Forward,
                &mut |key, row| {
                    if split_claim_key(key).is_none_or(|(_, number)| number != log.number) {
                        return ControlFlow::Continue(());
                    }
                    let Some(row) = ClaimRow::decode(row) else {
                        bad = Some(damaged(Tree::Claims, key, "a claim"));
                        return ControlFlow::Break(());
                    };
                    if row.number > after
                        && let Some((ClaimKind::SET, _, Some(content), _)) = row.kind_and_content()
                    {
                        hashes.insert(content);
                    }
                    ControlFlow::Continue(())
                },
            )?;
        }
        bad.map_or(Ok(hashes), Err)
    }

    /// Returns the logs that this site may pass on: every held federation log, and its own direct one.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn exportable_logs(&self) -> Result<Vec<LogId>, StoreError> {
        let state = self.read()?;
        Ok(state
            .logs
            .iter()
            .filter(|(id, log)| {
                log.tip.cursor.number > ClaimNumber::NONE
                    && state.may_hold(&id.site)
                    && (id.lane == Lane::Federation || id.site == state.site)
            })
            .map(|(id, _)| *id)
            .collect())
    }
}
