//! Mutes through the whole store: claimed, relayed, accepted, folded, kept, and reported as events.

use starling_documents::actor::Actor;
use starling_documents::change::MAX_CHANGE_BYTES;
use starling_documents::graph::Refusal;
use starling_documents::mutes::{
    DOCUMENT, MuteId, MuteText, RemovalText, WrittenChange, write_mute, write_removal,
};

use super::*;
use crate::engine::{Engine, Tree};

impl TestSite {
    fn actor(&self) -> Actor {
        Actor::of(&self.chain.site(), self.chain.epoch(), DOCUMENT)
    }

    fn claim_change(&self, written: &WrittenChange) {
        let (hash, now) = (*written.hash.as_bytes(), UnixMillis::saturating(5));
        let claim = Claim::document_change(DOCUMENT, hash, &written.bytes, now).unwrap();
        self.store
            .author(Lane::Federation, [claim], &self.key, now, &Origin::default())
            .unwrap();
        // The kept document equals the document from the claims.
        let anew = self.store.compare_mutes(&self.store.read().unwrap()).unwrap().1;
        assert_eq!(*self.store.view().unwrap().mute_book().unwrap(), anew);
    }

    fn mute(&self, vulnerability: &str) -> MuteId {
        let book = self.store.view().unwrap().mute_book().unwrap();
        let text = MuteText {
            vulnerability: vulnerability.to_owned(),
            package: None,
            ecosystem: None,
            sbom: None,
            until: None,
            reason: "a test".to_owned(),
            by: "ada".to_owned(),
            created: UnixMillis::saturating(5),
        };
        let written = write_mute(self.actor(), &book.written_by(self.actor()), &text).unwrap();
        self.claim_change(&written);
        written.id
    }

    fn unmute(&self, mute: &MuteId) {
        let book = self.store.view().unwrap().mute_book().unwrap();
        let text = RemovalText {
            mute: mute.clone(),
            reason: "no longer".to_owned(),
            by: "ben".to_owned(),
            at: UnixMillis::saturating(6),
        };
        let written = write_removal(self.actor(), &book.written_by(self.actor()), &text).unwrap();
        self.claim_change(&written);
    }

    fn muted(&self) -> Vec<String> {
        let kept = self.store.view().unwrap().mutes().unwrap();
        let mutes = kept.mutes.all().iter();
        mutes.map(|mute| mute.text.vulnerability.clone()).collect()
    }

    fn follow(&self, other: &Self) {
        assert_eq!(self.pull_from(other), None);
        self.store.accept(&Origin::default()).unwrap();
    }
}

#[test]
fn separately_written_mutes_merge_after_exchange() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    a.list(&b, &["pypa"]);
    b.list(&a, &["pypa"]);
    let of_a = a.mute("CVE-1");
    b.mute("CVE-2");
    b.mute("CVE-3");
    a.follow(&b);
    b.follow(&a);
    assert_eq!(a.muted(), ["CVE-1", "CVE-2", "CVE-3"]);
    assert_eq!(a.muted(), b.muted());
    assert_eq!(a.root(), b.root());
    // Removed by the other site, and reported at both.
    b.unmute(&of_a);
    a.follow(&b);
    assert_eq!(a.muted(), ["CVE-2", "CVE-3"]);
    let told: Vec<_> = a.store.events_after(EventNumber(0), 10).unwrap();
    let told: Vec<_> = told.iter().map(|(_, event)| (event.site, &event.what)).collect();
    let muted = |id: &MuteId, vulnerability: &str| EventKind::Muted {
        id: id.clone(),
        vulnerability: vulnerability.to_owned(),
    };
    assert_eq!(told[0], (a.chain.site(), &muted(&of_a, "CVE-1")));
    assert_eq!(told.len(), 4);
    assert!(
        matches!(told[3], (site, EventKind::MuteEnded { id, .. }) if site == b.chain.site() && *id == of_a)
    );
    a.assert_healthy();
    b.assert_healthy();
}

#[test]
fn unlisted_author_loses_its_mutes_until_listed_again() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    a.list(&b, &["pypa"]);
    b.list(&a, &["pypa"]);
    let of_a = a.mute("CVE-1");
    b.mute("CVE-2");
    b.follow(&a);
    b.unmute(&of_a);
    a.follow(&b);
    let root = a.root();
    assert_eq!(a.muted(), ["CVE-2"]);
    a.store.unlist_site(b.chain.slug()).unwrap();
    assert_eq!(a.muted(), ["CVE-1"], "neither its mutes nor its removals count");
    a.assert_healthy();
    a.list(&b, &["pypa"]);
    assert_eq!(a.muted(), ["CVE-2"]);
    assert_eq!(a.root(), root);
}

#[test]
fn mutes_come_from_enabled_sites_without_sources() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    a.list(&b, &[]);
    b.mute("CVE-2");
    a.follow(&b);
    assert_eq!(a.muted(), ["CVE-2"]);
    a.store
        .update_listed_site(b.chain.slug(), |listed| listed.enabled = false)
        .unwrap();
    assert_eq!(a.muted(), Vec::<String>::new());
}

#[test]
fn change_under_foreign_actor_is_relayed_but_not_applied() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    a.list(&b, &["pypa"]);
    let text = MuteText {
        vulnerability: "CVE-1".to_owned(),
        package: None,
        ecosystem: None,
        sbom: None,
        until: None,
        reason: "forged".to_owned(),
        by: "mallory".to_owned(),
        created: UnixMillis::EPOCH,
    };
    // B writes as A's actor would, and claims it in its own log.
    b.claim_change(&write_mute(a.actor(), &[], &text).unwrap());
    a.follow(&b);
    assert_eq!(a.muted(), Vec::<String>::new());
    let book = a.store.view().unwrap().mute_book().unwrap();
    assert_eq!(book.changes[0].log, b.own());
    assert!(matches!(
        book.folded.refused[..],
        [(0, Refusal::OtherActor { .. })]
    ));
    assert_eq!(a.store.held_root().unwrap(), b.store.held_root().unwrap());
    // It is reported, and the store is in order.
    let diagnosis = a.store.doctor(false).unwrap();
    assert!(diagnosis.healthy());
    let remark = diagnosis
        .checks
        .iter()
        .find_map(|check| check.remark.clone())
        .unwrap();
    assert!(
        remark.contains("1 are refused") && remark.contains(&b.chain.site().short()),
        "{remark}"
    );
}

#[test]
fn oversized_change_is_refused_for_its_size() {
    let a = TestSite::new("a", 1);
    let now = UnixMillis::saturating(5);
    let claim = Claim::document_change(DOCUMENT, [1; 32], &[7; MAX_CHANGE_BYTES + 1], now).unwrap();
    a.store
        .author(Lane::Federation, [claim], &a.key, now, &Origin::default())
        .unwrap();
    a.mute("CVE-1");
    let book = a.store.view().unwrap().mute_book().unwrap();
    let [(index, refusal)] = &book.folded.refused[..] else {
        panic!("{:?}", book.folded.refused);
    };
    assert!(
        refusal
            .to_string()
            .contains("16385, more than the limit of 16384"),
        "{refusal}"
    );
    assert_eq!(
        (book.changes[*index].size, book.changes[*index].bytes.len()),
        (16_385, 0)
    );
    assert_eq!(a.muted(), ["CVE-1"]);
    a.assert_healthy();
}

#[test]
fn kept_fold_survives_restart_and_is_rebuilt_after_damage() {
    let a = TestSite::new("a", 1);
    a.mute("CVE-1");
    let TestSite {
        chain,
        disk,
        engine,
        store,
        ..
    } = a;
    drop(store);
    let row = engine.get(Tree::Documents, b"fold/mutes").unwrap().unwrap();
    for damaged in [
        Some(b"rubbish".to_vec()),
        None,
        Some(row[..row.len() - 1].to_vec()),
        Some(row.clone()),
    ] {
        let mut batch = crate::engine::Batch::default();
        match damaged {
            Some(row) => batch.put(Tree::Documents, b"fold/mutes", &row),
            None => batch.delete(Tree::Documents, b"fold/mutes"),
        };
        engine.commit(&batch).unwrap();
        let store = open(&disk, engine.clone(), &chain);
        let kept = store.view().unwrap().mutes().unwrap();
        assert_eq!(kept.mutes.all().len(), 1);
        assert_eq!(engine.get(Tree::Documents, b"fold/mutes").unwrap().unwrap(), row);
        assert!(store.doctor(false).unwrap().healthy());
    }
}

#[test]
fn mute_names_its_claim_and_new_epoch_uses_another_actor() {
    let mut a = TestSite::new("a", 1);
    let first = a.mute("CVE-1");
    let book = a.store.view().unwrap().mute_book().unwrap();
    let log = a.store.log(a.own()).unwrap().unwrap();
    let change = &book.changes[book.folded.mutes[&first].change];
    assert_eq!((change.epoch, change.delta), (0, log.tip.header));
    assert_eq!(change.cursor, log.tip.cursor);

    let next = SigningKey::from_seed(&[77; 32]);
    let resume = LaneResume {
        lane: Lane::Federation,
        number: log.tip.cursor.number,
        header: log.tip.header,
    };
    a.chain = a
        .chain
        .next_epoch(&a.root, &next, vec![resume], Reason::Rotation, UnixMillis::EPOCH)
        .unwrap();
    a.key = next;
    a.store.learn_chain(&a.chain).unwrap();
    let second = a.mute("CVE-2");
    assert_ne!(
        first.as_str().split('-').next(),
        second.as_str().split('-').next()
    );
    let book = a.store.view().unwrap().mute_book().unwrap();
    assert_eq!(book.changes[book.folded.mutes[&second].change].epoch, 1);
    assert_eq!(a.muted(), ["CVE-1", "CVE-2"]);
    a.assert_healthy();
}
