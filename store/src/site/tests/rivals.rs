//! Authors that sign twice: heads, certificates and claims that cannot all be true.

use starling_protocol::CertificateError;

use super::*;
use crate::FrozenBy;

fn head(site: &TestSite, at: u64) -> starling_protocol::VerifiedHead {
    let at = UnixMillis::saturating(at);
    let head = site
        .store
        .sign_head(Lane::Federation, &site.key, at, 1_000, Vec::new());
    head.unwrap()
}

fn frozen_by(store: &SiteStore, id: LogId) -> Option<FrozenBy> {
    store.log(id).unwrap().unwrap().frozen_by
}

#[test]
fn head_of_another_history_freezes_its_log_until_an_epoch() {
    let (a, twin, b) = (
        TestSite::new("a", 1),
        TestSite::new("a", 1),
        TestSite::new("b", 2),
    );
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    twin.say(&[("P-1", Some("another history"))], 1);
    b.pull_from(&a);
    assert!(b.store.learn_head(&head(&a, 5)).unwrap());
    // Older than the kept head and equally long, but of another history.
    assert!(!b.store.learn_head(&head(&twin, 4)).unwrap());
    let number = ClaimNumber(1);
    assert_eq!(frozen_by(&b.store, a.own()), Some(FrozenBy::Head { number }));
    a.say(&[("P-2", Some("two"))], 6);
    assert!(matches!(b.pull_from(&a), Some(AppendProblem::Frozen { .. })));
    let reopened = open(&b.disk, b.engine.clone(), &b.chain);
    assert_eq!(frozen_by(&reopened, a.own()), Some(FrozenBy::Head { number }));
    drop(reopened);
    let (_, header) = a.store.position_at(a.own(), number).unwrap();
    let lane = Lane::Federation;
    let lanes = vec![LaneResume { lane, number, header }];
    let next = SigningKey::from_seed(&[77; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &next, lanes, Reason::ForkResolution, UnixMillis::EPOCH)
        .unwrap();
    b.store.learn_chain(&chain).unwrap();
    assert_eq!(frozen_by(&b.store, a.own()), None);
    b.assert_healthy();
}

#[test]
fn delta_contradicted_by_kept_head_is_refused() {
    let (a, twin, b) = (
        TestSite::new("a", 1),
        TestSite::new("a", 1),
        TestSite::new("b", 2),
    );
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    twin.say(&[("P-1", Some("another history"))], 1);
    assert!(b.store.learn_head(&head(&twin, 4)).unwrap());
    assert!(matches!(b.pull_from(&a), Some(AppendProblem::Frozen { .. })));
    assert!(matches!(
        frozen_by(&b.store, a.own()),
        Some(FrozenBy::Head { .. })
    ));
}

#[test]
fn second_certificate_of_an_epoch_ends_trust() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    b.pull_from(&a);
    let number = ClaimNumber(1);
    let (_, header) = a.store.position_at(a.own(), number).unwrap();
    let lane = Lane::Federation;
    let epoch = |seed: u8| {
        let key = SigningKey::from_seed(&[seed; 32]);
        let lanes = vec![LaneResume { lane, number, header }];
        let next = a
            .chain
            .next_epoch(&a.root, &key, lanes, Reason::Rotation, UnixMillis::EPOCH);
        next.unwrap()
    };
    b.store.learn_chain(&epoch(71)).unwrap();
    let refused = b.store.learn_chain(&epoch(72));
    assert!(matches!(
        refused,
        Err(StoreError::Certificate(CertificateError::Conflict {
            epoch: 1,
            ..
        }))
    ));
    let reopened = open(&b.disk, b.engine.clone(), &b.chain);
    for store in [&b.store, &reopened] {
        assert_eq!(store.distrusted_since(&a.chain.site()).unwrap(), Some(1));
        let by = frozen_by(store, a.own());
        assert_eq!(by, Some(FrozenBy::Certificates { epoch: 1 }));
    }
    drop(reopened);
    a.say(&[("P-2", Some("two"))], 6);
    assert!(matches!(b.pull_from(&a), Some(AppendProblem::Distrusted { .. })));
    assert!(!b.store.learn_head(&head(&a, 7)).unwrap());
    b.assert_healthy();
}

#[test]
fn mismatched_body_is_refused_until_superseded() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    let lie = |id: &str, body: &[u8], size: usize| {
        let hash = ContentHash::of(body);
        a.store.put_bodies(&source(), &[(hash, body)]).unwrap();
        let size = u32::try_from(size).unwrap();
        Claim::set(&source(), &id.parse().unwrap(), hash, size, UnixMillis::EPOCH)
    };
    let (sized, spaced) = (body("P-1", "one"), b"{ \"id\": \"P-2\" }".to_vec());
    let claims = [
        lie("P-1", &sized, sized.len() + 1),
        lie("P-2", &spaced, spaced.len()),
    ];
    let now = UnixMillis::saturating(1);
    a.store
        .author(Lane::Federation, claims, &a.key, now, &Origin::default())
        .unwrap();
    b.pull_from(&a);
    assert_eq!(b.pull_bodies_from(&a), 0);
    b.store.accept(&Origin::default()).unwrap();
    assert!(b.live().is_empty());
    let log = b.store.log(a.own()).unwrap().unwrap();
    assert!(log.hold_reason.unwrap().contains("its claim says"));
    assert!(
        b.store
            .missing(a.own(), ClaimNumber::NONE, 10)
            .unwrap()
            .is_empty()
    );
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 2);
    b.pull_from(&a);
    assert_eq!(b.pull_bodies_from(&a), 2);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(b.live(), ["P-1", "P-2"]);
}
