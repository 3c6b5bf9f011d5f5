//! Epochs that close a part of a log: what of it is given up, and that the log goes on from there.

use super::*;

impl TestSite {
    /// Goes on in a new epoch after a claim of its log.
    fn resume_after(&mut self, number: u64, seed: u8) {
        let number = ClaimNumber(number);
        let (_, header) = self.store.position_at(self.own(), number).unwrap();
        let lane = Lane::Federation;
        let lanes = vec![LaneResume { lane, number, header }];
        let key = SigningKey::from_seed(&[seed; 32]);
        let chain = self
            .chain
            .next_epoch(&self.root, &key, lanes, Reason::Restore, UnixMillis::EPOCH)
            .unwrap();
        self.store.learn_chain(&chain).unwrap();
        (self.chain, self.key) = (chain, key);
    }

    fn take_all_from(&self, other: &Self) {
        assert_eq!(self.pull_from(other), None);
        self.pull_bodies_from(other);
        self.store.accept(&Origin::default()).unwrap();
    }
}

#[test]
fn closed_branch_is_cut_if_newest_epoch_resumes_beyond_it() {
    let (mut a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    for (record, at) in [("P-1", 1), ("P-2", 2), ("P-3", 3)] {
        a.say(&[(record, Some("one"))], at);
    }
    b.take_all_from(&a);
    let head = a
        .store
        .sign_head(Lane::Federation, &a.key, UnixMillis::EPOCH, 1_000, Vec::new());
    b.store.learn_head(&head.unwrap()).unwrap();
    a.resume_after(1, 71);
    for (record, at) in [("P-4", 4), ("P-5", 5), ("P-6", 6)] {
        a.say(&[(record, Some("two"))], at);
    }
    a.resume_after(4, 72);
    // Of both epochs at once: the newer one resumes after what is held, the older one before it.
    b.store.learn_chain(&a.chain).unwrap();
    let log = b.store.log(a.own()).unwrap().unwrap();
    assert_eq!(log.tip.cursor.number, ClaimNumber(1));
    assert!(log.head.is_none(), "the head of the closed branch is history");
    b.take_all_from(&a);
    assert_eq!(b.live(), ["P-1", "P-4", "P-5", "P-6"]);
    assert_eq!(b.root(), a.root());
    b.assert_healthy();
}
