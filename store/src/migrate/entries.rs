//! Writes the entries that correspond to the rows of schema 2.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use starling_protocol::{ClaimNumber, Delta, RecordId, Source};

use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::feed::FeedRow;
use crate::history::{FLOOR, Floor, Moment, is_moment, moment_number};
use crate::journal::Entry;
use crate::rows::{LogNumber, damaged, delta_key, meta, site_of, sites};
use crate::site::state::{Log, LogId, State};
use crate::trust::holdings_of;

/// Receives one entry after the other.
type Push<'a> = dyn FnMut(Entry) -> Result<(), StoreError> + 'a;

/// Writes everything, in an order in which each entry finds its prerequisites.
pub(super) fn write(old: &dyn Engine, state: &State, push: &mut Push<'_>) -> Result<(), StoreError> {
    push(Entry::Site(state.site))?;
    // In the order of their numbers, so that the replay assigns the same numbers.
    for site in state.sites.values() {
        if let Some(chain) = state.chains.get(site) {
            let bytes = chain.to_bytes();
            push(Entry::Chain { site: *site, bytes })?;
        }
    }
    for listed in state.listed.values() {
        push(Entry::Listed(listed.clone()))?;
    }
    settings(old, push)?;
    for (id, log) in &state.logs {
        deltas(old, state, *id, log, push)?;
    }
    trust(old, state, push)?;
    history(old, state, push)?;
    feeds(old, push)?;
    ledger(old, push)
}

fn settings(old: &dyn Engine, push: &mut Push<'_>) -> Result<(), StoreError> {
    let fingerprint = old.get(Tree::Meta, meta::VIEW_SETTINGS)?;
    let policy = old.get(Tree::Meta, meta::VIEW_POLICY)?.map(String::from_utf8);
    let fingerprint = fingerprint.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if let (Some(fingerprint), Some(Ok(policy))) = (fingerprint, policy) {
        push(Entry::Settings {
            fingerprint,
            policy,
            begins_history: false,
        })?;
    }
    Ok(())
}

/// Writes a log: its deltas, and between them the accepted positions of each source.
fn deltas(
    old: &dyn Engine,
    state: &State,
    id: LogId,
    log: &Log,
    push: &mut Push<'_>,
) -> Result<(), StoreError> {
    let own = id.site == state.site;
    // Sources whose accepted position is not written yet.
    let mut due: BTreeMap<&Option<Source>, ClaimNumber> = log
        .sources
        .iter()
        .filter(|(_, row)| !own && row.accepted > ClaimNumber::NONE)
        .map(|(source, row)| (source, row.accepted))
        .collect();
    let mut after = ClaimNumber::NONE;
    loop {
        let start = delta_key(log.number, ClaimNumber(after.0 + 1));
        let stop = delta_key(log.number, log.tip.cursor.number);
        let found = old.first(
            Tree::Logs,
            Bound::Included(&start),
            Bound::Included(&stop),
            Direction::Forward,
        )?;
        let Some((key, bytes)) = found else { break };
        let bad = |_| damaged(Tree::Logs, &key, "a delta");
        let delta = Delta::decode(&bytes).map_err(bad)?;
        after = delta.header().last();
        let claims = delta.reopen().map_err(bad)?;
        let mut passed = BTreeSet::new();
        for (number, claim) in &claims {
            let source = claim.key().source();
            let reached = due.get(&source).filter(|accepted| number > *accepted);
            if reached.is_some() {
                passed.insert(source);
            }
        }
        accept(id, &mut due, |source| passed.contains(source), push)?;
        push(Entry::Delta { own, bytes })?;
    }
    accept(id, &mut due, |_| true, push)?;
    let taken_back: Vec<_> = log
        .sources
        .iter()
        .filter(|(_, row)| own && row.accepted == ClaimNumber::NONE && row.last > ClaimNumber::NONE)
        .map(|(source, _)| (id, source.clone(), ClaimNumber::NONE))
        .collect();
    if !taken_back.is_empty() {
        push(Entry::Accepted {
            bundle: None,
            positions: taken_back,
        })?;
    }
    Ok(())
}

/// Writes the due positions of the chosen sources.
fn accept(
    id: LogId,
    due: &mut BTreeMap<&Option<Source>, ClaimNumber>,
    chosen: impl Fn(&Option<Source>) -> bool,
    push: &mut Push<'_>,
) -> Result<(), StoreError> {
    let mut positions = Vec::new();
    due.retain(|source, accepted| {
        let now = chosen(source);
        if now {
            positions.push((id, (*source).clone(), *accepted));
        }
        !now
    });
    if positions.is_empty() {
        return Ok(());
    }
    push(Entry::Accepted {
        bundle: None,
        positions,
    })
}

/// Writes heads, fork proofs and the holdings of other sites.
fn trust(old: &dyn Engine, state: &State, push: &mut Push<'_>) -> Result<(), StoreError> {
    for (prefix, is_head) in [(sites::HEAD, true), (sites::FORK, false)] {
        let mut rows = Vec::new();
        old.scan_prefix(Tree::Sites, &[prefix], Direction::Forward, &mut |key, row| {
            rows.push((key.to_vec(), row.to_vec()));
            ControlFlow::Continue(())
        })?;
        for (key, bytes) in rows {
            let number = key.get(1..).and_then(LogNumber::from_bytes);
            let log = number.and_then(|number| state.log_id(number));
            let log = log.ok_or_else(|| damaged(Tree::Sites, &key, "a head or a fork proof"))?;
            push(if is_head {
                Entry::Head { log, bytes }
            } else {
                Entry::Fork { log, bytes }
            })?;
        }
    }
    let mut rows = Vec::new();
    old.scan_prefix(
        Tree::Sites,
        &[sites::HOLDINGS],
        Direction::Forward,
        &mut |key, row| {
            rows.push((key.to_vec(), row.to_vec()));
            ControlFlow::Continue(())
        },
    )?;
    for (key, row) in rows {
        let site = site_of(&key).ok_or_else(|| damaged(Tree::Sites, &key, "a site's holdings"))?;
        let held = holdings_of(&key, &row)?.into_iter().collect();
        push(Entry::Holdings { site, held })?;
    }
    Ok(())
}

/// Writes the kept history. Unreadable parts are left out, and the history starts again after them.
fn history(old: &dyn Engine, state: &State, push: &mut Push<'_>) -> Result<(), StoreError> {
    let floor = old.get(Tree::History, FLOOR)?;
    let Some(floor) = floor.and_then(|row| Floor::decode(&row)) else {
        return Ok(());
    };
    push(Entry::HistoryFloor(floor))?;
    let mut moments = Vec::new();
    old.scan_prefix(Tree::History, b"m", Direction::Forward, &mut |key, row| {
        if is_moment(key) {
            moments.push((key.to_vec(), row.to_vec()));
        }
        ControlFlow::Continue(())
    })?;
    for (key, row) in moments {
        let number = moment_number(&key).ok_or_else(|| damaged(Tree::History, &key, "a moment"))?;
        if number <= floor.through {
            continue;
        }
        let moment = Moment::<LogNumber>::decode(&row);
        let moment = moment.and_then(|moment| moment.renamed(|log| state.log_id(log)));
        let moment = moment.ok_or_else(|| damaged(Tree::History, &key, "a moment"))?;
        push(Entry::PastMoment { number, moment })?;
    }
    Ok(())
}

fn feeds(old: &dyn Engine, push: &mut Push<'_>) -> Result<(), StoreError> {
    let mut rows: BTreeMap<Source, FeedRow> = BTreeMap::new();
    let mut names: BTreeMap<Source, Vec<(Vec<u8>, RecordId)>> = BTreeMap::new();
    let mut bad = None;
    old.scan_all(Tree::Feeds, &mut |key, row| {
        let end = key.iter().position(|byte| *byte == 0);
        let name = &key[..end.unwrap_or(key.len())];
        let source = std::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse::<Source>().ok());
        let record = || std::str::from_utf8(row).ok()?.parse::<RecordId>().ok();
        match (source, end) {
            (Some(source), None) if serde_json::from_slice::<FeedRow>(row).is_ok() => {
                rows.extend(serde_json::from_slice(row).map(|row| (source, row)));
            }
            (Some(source), Some(_)) if record().is_some() => {
                let names = names.entry(source).or_default();
                names.extend(record().map(|record| (key.to_vec(), record)));
            }
            _ => bad = Some(damaged(Tree::Feeds, key, "a feed")),
        }
        ControlFlow::Continue(())
    })?;
    if let Some(bad) = bad {
        return Err(bad);
    }
    for (source, row) in rows {
        let names = names.remove(&source).unwrap_or_default();
        push(Entry::Feed { source, row, names })?;
    }
    for (source, names) in names {
        let row = FeedRow::default();
        push(Entry::Feed { source, row, names })?;
    }
    Ok(())
}

fn ledger(old: &dyn Engine, push: &mut Push<'_>) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    old.scan_all(Tree::Ledger, &mut |key, row| {
        rows.push((key.to_vec(), row.to_vec()));
        ControlFlow::Continue(())
    })?;
    for (key, row) in rows {
        let entry = serde_json::from_slice(&row);
        push(Entry::Ledger(
            entry.map_err(|_| damaged(Tree::Ledger, &key, "an entry"))?,
        ))?;
    }
    Ok(())
}
