//! Loads the small state from the engine's rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{CertificateChain, ClaimNumber, ForkProof, SiteId, VerifiedHead};

use super::State;
use super::log::decode_tip;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::history::{History, lasting_losses};
use crate::rows::{AuthorNumber, LogNumber, SourceRow, damaged, meta, site_of, sites, take_u64};
use crate::site::shared_map::SharedMap;
use crate::trust::listing::ListedSite;

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
            repairs: false,
            noted_losses: lasting_losses(engine)?,
            losses_then: None,
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
        state.load_replaced(engine)?;
        Ok(state)
    }

    fn load_replaced(&mut self, engine: &dyn Engine) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        engine.scan_prefix(
            Tree::Meta,
            meta::REPLACED,
            Direction::Forward,
            &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            },
        )?;
        for (key, value) in rows {
            let bad = || damaged(Tree::Meta, &key, "the known end of a branch");
            let number = key.strip_prefix(meta::REPLACED).and_then(LogNumber::from_bytes);
            let id = number.and_then(|number| self.log_id(number)).ok_or_else(bad)?;
            let number = take_u64(&mut value.as_slice()).ok_or_else(bad)?;
            self.log_mut(id).replaced = ClaimNumber(number);
        }
        Ok(())
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
                let fork = ForkProof::verify_kept(value, chain).ok();
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
}
