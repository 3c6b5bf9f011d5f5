//! The ledger's counts about one site: updated on every write, bounded, and independent of how the rows were
//! made.

use super::*;
use crate::engine::{Batch, Engine, Tree};
use crate::rows::meta;
use crate::{TRANSFERS_KEPT, Transfers, ViewCounts};

fn synced(peer: &TestSite, at: u64) -> LedgerEntry {
    LedgerEntry::Synced {
        at: UnixMillis::saturating(at),
        peer: peer.chain.site(),
        items: 1,
        cursor: None,
    }
}

fn imported(exporter: &TestSite, at: u64) -> LedgerEntry {
    LedgerEntry::BundleImported {
        at: UnixMillis::saturating(at),
        bundle: "00".repeat(32),
        exporter: Some(exporter.chain.site()),
        deltas: 1,
        items: 1,
        bytes: 1,
        cursor: None,
        counts: ViewCounts::default(),
    }
}

/// Returns a store's data about two sites, and the number of entries in its ledger.
fn told(store: &SiteStore, sites: [&TestSite; 2]) -> (Vec<(Transfers, Vec<LedgerEntry>)>, usize) {
    let of = |site: &TestSite| {
        let site = site.chain.site();
        let newest = store.newest_transfers(&site, usize::MAX).unwrap();
        let entries = newest.into_iter().map(|(_, entry)| entry).collect();
        (store.transfers(&site).unwrap(), entries)
    };
    let kept = store.ledger(usize::MAX, |_| true).unwrap().len();
    (sites.map(of).into(), kept)
}

#[test]
fn ledger_counts_sites_and_keeps_newest_sessions() {
    let (a, b, c) = (
        TestSite::new("a", 1),
        TestSite::new("b", 2),
        TestSite::new("c", 3),
    );
    a.store.record(&imported(&b, 1)).unwrap();
    a.store.record(&imported(&c, 2)).unwrap();
    let sessions = TRANSFERS_KEPT as u64 + 20;
    for at in 0..sessions {
        a.store.record(&synced(&b, 10 + at)).unwrap();
    }
    let (counted, kept) = told(&a.store, [&b, &c]);
    let [(of_b, newest_of_b), (of_c, newest_of_c)] = &counted[..] else {
        unreachable!("two sites were asked for")
    };
    assert_eq!(
        (of_b.bundles, of_b.last_at),
        (1, Some(UnixMillis::saturating(9 + sessions)))
    );
    assert_eq!((of_c.bundles, of_c.last_at), (1, Some(UnixMillis::saturating(2))));
    assert_eq!(newest_of_b.len(), TRANSFERS_KEPT);
    assert_eq!(newest_of_b[0], synced(&b, 9 + sessions));
    assert_eq!(newest_of_c, &[imported(&c, 2)]);
    assert_eq!(kept, TRANSFERS_KEPT + 2, "both bundles, and the newest sessions");

    // Rebuilt from the log.
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let rebuilt = open(&a.disk.copy(), engine, &a.chain);
    assert_eq!(told(&rebuilt, [&b, &c]), (counted.clone(), kept));

    // Written by a build that does not count.
    let mut batch = Batch::new();
    batch.put(Tree::Meta, meta::LEDGER_COUNTED, &3_u64.to_le_bytes());
    a.engine.commit(&batch).unwrap();
    let engine = Arc::new(a.engine.reopen(FaultPlan::default()));
    let reopened = open(&a.disk.copy(), engine, &a.chain);
    assert_eq!(told(&reopened, [&b, &c]).0[0].1, counted[0].1);
    assert_eq!(reopened.transfers(&b.chain.site()).unwrap().bundles, 1);
}
