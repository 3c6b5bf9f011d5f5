//! Signs this site's own heads.

use std::ops::ControlFlow;

use starling_protocol::limits::MAX_HEAD_SOURCES;
use starling_protocol::{CertificateChain, Head, Lane, SigningKey, SourceCheck, UnixMillis, VerifiedHead};

use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::feed::{FeedRow, source_of_row};
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{damaged, sites};
use crate::site::state::{Log, LogId, State, checks_of, head_of};
use crate::trust::check_not_behind;

/// The way in which this site signs its heads.
#[derive(Debug, Clone, Copy)]
pub struct HeadSigning<'a> {
    /// The key of the site's newest certificate.
    pub key: &'a SigningKey,
    /// The time at which the heads are issued.
    pub now: UnixMillis,
    /// Milliseconds until they expire.
    pub valid_millis: u64,
}

impl SiteStore {
    /// Signs the newest head of each own log, with the times at which this site last checked its sources.
    ///
    /// The log of the direct lane gets one only once it holds a claim.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or if this site may not sign.
    pub fn sign_heads(&self, signing: &HeadSigning<'_>) -> Result<(), StoreError> {
        self.change(|state| {
            let mut txn = self.txn();
            let heads = self.sign_heads_in(&mut txn, state, signing)?;
            txn.commit()?;
            keep_heads(state, heads);
            Ok(())
        })
    }

    /// Signs the newest head of one own log, with the checks that it is to state, and keeps it.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or if this site may not sign.
    pub fn sign_head(
        &self,
        lane: Lane,
        key: &SigningKey,
        now: UnixMillis,
        valid_millis: u64,
        checks: Vec<SourceCheck>,
    ) -> Result<VerifiedHead, StoreError> {
        let signing = HeadSigning {
            key,
            now,
            valid_millis,
        };
        self.change(|state| {
            let mut txn = self.txn();
            let (id, head) = self.sign_one(&mut txn, state, lane, &signing, checks)?;
            state.history.write(&mut txn);
            txn.commit()?;
            keep_heads(state, vec![(id, head.clone())]);
            Ok(head)
        })
    }

    /// Signs the heads within a change. The caller commits, and then keeps them with [`keep_heads`].
    pub(crate) fn sign_heads_in(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        signing: &HeadSigning<'_>,
    ) -> Result<Vec<(LogId, VerifiedHead)>, StoreError> {
        let checks = checks_in(txn)?;
        let mut heads = Vec::new();
        for lane in Lane::ALL {
            let id = LogId {
                site: state.site,
                lane,
            };
            let holds_claims = state.logs.get(&id).is_some_and(|log| log.tip.cursor.number.0 > 0);
            if lane != Lane::Direct || holds_claims {
                let epoch = state.chains.get(&id.site).map_or(0, CertificateChain::epoch);
                let checks = match state.logs.get(&id) {
                    Some(log) => with_known_checks(checks.clone(), log, epoch),
                    None => checks.clone(),
                };
                heads.push(self.sign_one(txn, state, lane, signing, checks)?);
            }
        }
        state.history.write(txn);
        Ok(heads)
    }

    fn sign_one(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        lane: Lane,
        signing: &HeadSigning<'_>,
        checks: Vec<SourceCheck>,
    ) -> Result<(LogId, VerifiedHead), StoreError> {
        let id = LogId {
            site: state.site,
            lane,
        };
        let number = self.ensure_log(txn, state, id)?;
        self.check_may_sign(state, &signing.key.public())?;
        check_not_behind(state, id)?;
        let epoch = state.chains.get(&id.site).map_or(0, CertificateChain::epoch);
        let State { logs, history, .. } = &mut *state;
        let Some(log) = logs.get(&id) else {
            return Err(StoreError::SiteNotListed {
                site: id.site.to_string(),
            });
        };
        let head = Head {
            epoch,
            issued_at: signing.now,
            expires_at: signing.now.plus_millis(signing.valid_millis),
            checks,
            ..head_of(id, log)
        };
        let head = head.sign(signing.key);
        let bytes = head.as_bytes().to_vec();
        txn.put(Tree::Sites, &sites::by_log(sites::HEAD, number), bytes.clone());
        txn.log(Entry::Head { log: id, bytes });
        history.note_checks(number, &log.checks(), &checks_of(Some(&head)));
        Ok((id, head))
    }
}

/// Keeps heads whose rows were committed.
pub(crate) fn keep_heads(state: &mut State, heads: Vec<(LogId, VerifiedHead)>) {
    for (id, head) in heads {
        if let Some(log) = state.logs.get_mut(&id) {
            log.head = Some(head);
        }
    }
}

/// Adds the checks that the last head of this epoch states, and whose claims are all here: after a loss that peers made
/// good, the site's own notes of its imports lack them.
fn with_known_checks(mut checks: Vec<SourceCheck>, log: &Log, epoch: u32) -> Vec<SourceCheck> {
    let head = log.head.as_ref().filter(|head| head.head().epoch == epoch);
    for (source, checked_at) in checks_of(head) {
        if !log.is_backed(&source) {
            continue;
        }
        let known = checks.iter_mut().find(|check| check.source == source);
        if let Some(check) = known {
            check.checked_at = check.checked_at.max(checked_at);
        } else if checks.len() < MAX_HEAD_SOURCES {
            checks.push(SourceCheck { source, checked_at });
        }
    }
    checks.sort_by(|one, other| one.source.cmp(&other.source));
    checks
}

/// Returns when this site last checked each source, by source; as many as a head may state.
fn checks_in(txn: &Txn<'_>) -> Result<Vec<SourceCheck>, StoreError> {
    let mut checks = Vec::new();
    let mut bad = None;
    txn.scan_prefix(Tree::Feeds, &[], &mut |key, row| {
        let Some(source) = source_of_row(key) else {
            return ControlFlow::Continue(());
        };
        match (source, serde_json::from_slice::<FeedRow>(row)) {
            (Ok(source), Ok(row)) => checks.extend(
                row.checked_at
                    .map(|checked_at| SourceCheck { source, checked_at }),
            ),
            _ => bad = Some(damaged(Tree::Feeds, key, "a feed")),
        }
        if checks.len() == MAX_HEAD_SOURCES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    bad.map_or(Ok(checks), Err)
}
